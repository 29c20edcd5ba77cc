import type { Bus, Clock, Device, InterruptLine, PhysicalMemory, PowerEvent } from '../hal/bus/index.ts';

/** What the bus needs of the machine around it. */
export interface BusHost {
  readonly clock: Clock;
  readonly memory: PhysicalMemory;
  ioapicLine(pin: number, level: boolean): void;
  intrLine(level: boolean): void;
  power(event: PowerEvent): void;
  msi(address: number, data: number): void;
  output(device: Device, channel: string, data: Uint8Array): void;
}

interface MmioRange {
  readonly base: number;
  readonly end: number;
  readonly device: Device;
}

interface Claim {
  device: string;
  base: number;
  length: number;
}
/** Who has which ports and addresses. */
export interface BusClaims {
  readonly ports: readonly Claim[];
  readonly mmio: readonly Claim[];
}

const PORTS = 0x10000;
/** Inputs of the I/O APIC (82093AA has 24). */
export const IOAPIC_PINS = 24;

/**
 * Ports and device registers: who answers at an address. A port is found by one array access, a register by binary search among the claimed ranges.
 * An address that nobody claims reads as all ones, and a write to it is lost, as on a PC's bus.
 */
export class MachineBus implements Bus {
  readonly clock: Clock;
  readonly memory: PhysicalMemory;
  private readonly host: BusHost;
  private readonly ports: (Device | undefined)[] = new Array<Device | undefined>(PORTS).fill(undefined);
  private ranges: MmioRange[] = [];
  private cachedClaims: BusClaims | null = null;
  private readonly listeners = new Map<number, ((level: boolean) => void)[]>();
  private controller: { device: Device; acknowledge: () => number } | null = null;

  constructor(host: BusHost) {
    this.host = host;
    this.clock = host.clock;
    this.memory = host.memory;
  }

  claimPorts(device: Device, base: number, length: number): void {
    checkRange('ports', device, base, length, PORTS);
    for (let port = base; port < base + length; port++) {
      const owner = this.ports[port];
      if (owner !== undefined) throw new Error(`${device.id} claims port 0x${port.toString(16)}, which ${owner.id} has`);
    }
    this.ports.fill(device, base, base + length);
    this.cachedClaims = null;
  }

  releasePorts(device: Device, base: number, length: number): void {
    checkRange('ports', device, base, length, PORTS);
    for (let port = base; port < base + length; port++) {
      if (this.ports[port] !== device)
        throw new Error(`${device.id} gives back port 0x${port.toString(16)}, which it does not have`);
    }
    this.ports.fill(undefined, base, base + length);
    this.cachedClaims = null;
  }

  claimMmio(device: Device, base: number, length: number): void {
    checkRange('addresses', device, base, length, 2 ** 32);
    if (base < this.memory.size) throw new Error(`${device.id} claims physical address 0x${base.toString(16)}, which is RAM`);
    const end = base + length;
    const other = this.ranges.find(r => base < r.end && r.base < end);
    if (other !== undefined)
      throw new Error(`${device.id} claims physical address 0x${base.toString(16)}, which ${other.device.id} has`);
    this.ranges = [...this.ranges, { base, end, device }].sort((a, b) => a.base - b.base);
    this.cachedClaims = null;
  }

  releaseMmio(device: Device, base: number, length: number): void {
    const at = this.ranges.findIndex(r => r.device === device && r.base === base && r.end === base + length);
    if (at < 0) throw new Error(`${device.id} gives back physical address 0x${base.toString(16)}, which it does not have`);
    this.ranges = this.ranges.filter((_, i) => i !== at);
    this.cachedClaims = null;
  }

  interruptLine(pin: number): InterruptLine {
    if (!Number.isInteger(pin) || pin < 0 || pin >= IOAPIC_PINS) throw new RangeError(`the I/O APIC has no pin ${pin}`);
    return {
      set: level => {
        this.host.ioapicLine(pin, level);
        for (const heard of this.listeners.get(pin) ?? []) heard(level);
      },
    };
  }

  listen(pin: number, heard: (level: boolean) => void): void {
    if (!Number.isInteger(pin) || pin < 0 || pin >= IOAPIC_PINS) throw new RangeError(`the I/O APIC has no pin ${pin}`);
    this.listeners.set(pin, [...(this.listeners.get(pin) ?? []), heard]);
  }

  externalInterrupt(device: Device, acknowledge: () => number): InterruptLine {
    if (this.controller !== null) throw new Error(`${device.id} drives INTR, which ${this.controller.device.id} does`);
    this.controller = { device, acknowledge };
    return { set: level => this.host.intrLine(level) };
  }

  /** An interrupt-acknowledge cycle: without an interrupt controller the bus floats. */
  acknowledge(): number {
    return this.controller === null ? 0xff : this.controller.acknowledge();
  }

  power(event: PowerEvent): void {
    this.host.power(event);
  }

  msi(address: number, data: number): void {
    this.host.msi(address, data);
  }

  output(device: Device, channel: string, data: Uint8Array): void {
    this.host.output(device, channel, data);
  }

  /** IN of 1, 2 or 4 bytes. */
  portIn(port: number, size: number): number {
    const device = this.ports[port];
    return device?.portRead === undefined ? allOnes(size) : device.portRead(port, size) >>> 0;
  }

  /** OUT of 1, 2 or 4 bytes. */
  portOut(port: number, size: number, value: number): void {
    this.ports[port]?.portWrite?.(port, size, value);
  }

  /** A read of 1, 2 or 4 bytes at a physical address that is not RAM. */
  mmioRead(address: number, size: number): number {
    const device = this.deviceAt(address);
    return device?.mmioRead === undefined ? allOnes(size) : device.mmioRead(address, size) >>> 0;
  }

  mmioWrite(address: number, size: number, value: number): void {
    this.deviceAt(address)?.mmioWrite?.(address, size, value);
  }

  /** Who answers at a physical address that is not RAM. */
  deviceAt(address: number): Device | undefined {
    const ranges = this.ranges;
    let low = 0,
      high = ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ranges[middle].end <= address) low = middle + 1;
      else high = middle;
    }
    const range = ranges[low];
    return range !== undefined && address >= range.base ? range.device : undefined;
  }

  /** Claimed address ranges, ascending: the machine's physical memory map above RAM. */
  mmioRanges(): readonly { base: number; end: number; device: Device }[] {
    return this.ranges;
  }

  /** Claims as data: part of the machine's state, because a device may move its registers while the machine runs. */
  claims(): BusClaims {
    return (this.cachedClaims ??= this.listClaims());
  }

  private listClaims(): BusClaims {
    const ports: Claim[] = [];
    for (let port = 0; port < PORTS; port++) {
      const device = this.ports[port];
      if (device === undefined) continue;
      const last = ports[ports.length - 1];
      if (last !== undefined && last.device === device.id && last.base + last.length === port) last.length++;
      else ports.push({ device: device.id, base: port, length: 1 });
    }
    return { ports, mmio: this.ranges.map(r => ({ device: r.device.id, base: r.base, length: r.end - r.base })) };
  }

  /** Makes the claims what they were. Devices are found by id; one that is missing throws an Error. */
  loadClaims(claims: BusClaims, find: (id: string) => Device | undefined): void {
    const device = (id: string): Device => {
      const found = find(id);
      if (found === undefined) throw new Error(`claims of a device '${id}', which is not there`);
      return found;
    };
    this.ports.fill(undefined);
    for (const { device: id, base, length } of claims.ports) this.ports.fill(device(id), base, base + length);
    this.ranges = claims.mmio.map(({ device: id, base, length }) => ({ base, end: base + length, device: device(id) }));
    this.cachedClaims = claims;
  }
}

function allOnes(size: number): number {
  return size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
}

function checkRange(what: string, device: Device, base: number, length: number, limit: number): void {
  if (!Number.isInteger(base) || !Number.isInteger(length) || base < 0 || length <= 0 || base + length > limit) {
    throw new RangeError(`${device.id}: ${what} 0x${base.toString(16)} + 0x${length.toString(16)} are out of range`);
  }
}
