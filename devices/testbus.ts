/** A bus for the tests of devices: RAM, a clock that the test advances, and a record of everything that a device did to the outside. */
import type { Bus, Clock, Device, InterruptLine, PhysicalMemory, PowerEvent } from '../hal/bus/index.ts';
import { bytesMask } from './register.ts';

interface Scheduled {
  device: Device;
  name: string;
  cycle: number;
  arg: number;
  order: number;
}

interface Range {
  device: Device;
  base: number;
  end: number;
}

export class TestBus implements Bus {
  readonly clock: Clock;
  readonly memory: PhysicalMemory;
  /** Level of each pin that was ever driven. */
  readonly lines = new Map<number, boolean>();
  /** Rising edges seen on each pin. */
  readonly edges = new Map<number, number>();
  readonly messages: { address: number; data: number }[] = [];
  readonly powerEvents: PowerEvent[] = [];
  /** Level of INTR, and what answers an acknowledge cycle. */
  intr = false;
  acknowledge: () => number = () => 0xff;
  readonly outputs: { device: string; channel: string; data: Uint8Array }[] = [];
  private readonly listeners = new Map<number, ((level: boolean) => void)[]>();
  private cycle = 0;
  private order = 0;
  private queue: Scheduled[] = [];
  private ports: Range[] = [];
  private mmio: Range[] = [];

  constructor(options: { frequency?: number; ramBytes?: number } = {}) {
    this.clock = {
      now: () => this.cycle,
      frequency: options.frequency ?? 100_000_000,
      schedule: (device, name, cycle, arg = 0) => {
        if (!Number.isSafeInteger(cycle) || cycle < this.cycle)
          throw new RangeError(`${device.id}.${name} at cycle ${cycle}, now ${this.cycle}`);
        this.clock.cancel(device, name);
        this.queue.push({ device, name, cycle, arg, order: this.order++ });
      },
      cancel: (device, name) => {
        this.queue = this.queue.filter(e => e.device !== device || e.name !== name);
      },
    };
    this.memory = ram(options.ramBytes ?? 0x10000);
  }

  /** Lets `cycles` pass, firing what becomes due in its order. */
  advance(cycles: number): void {
    const until = this.cycle + cycles;
    for (;;) {
      const due = this.queue.filter(e => e.cycle <= until).sort((a, b) => a.cycle - b.cycle || a.order - b.order)[0];
      if (!due) break;
      this.queue.splice(this.queue.indexOf(due), 1);
      this.cycle = Math.max(this.cycle, due.cycle);
      due.device.event!(due.name, due.arg);
    }
    this.cycle = until;
  }

  /** Attaches and resets devices, in order. */
  plug(...devices: Device[]): void {
    for (const device of devices) device.attach(this);
    for (const device of devices) device.reset();
  }

  in(port: number, size = 1): number {
    const range = this.ports.find(r => port >= r.base && port < r.end);
    return range ? fitting(range, port, size, range.device.portRead!(port, size)) : bytesMask(size);
  }

  out(port: number, value: number, size = 1): void {
    this.ports.find(r => port >= r.base && port < r.end)?.device.portWrite!(port, size, value);
  }

  read(address: number, size = 4): number {
    const range = this.mmio.find(r => address >= r.base && address < r.end);
    return range ? fitting(range, address, size, range.device.mmioRead!(address, size)) : bytesMask(size);
  }

  write(address: number, value: number, size = 4): void {
    this.mmio.find(r => address >= r.base && address < r.end)?.device.mmioWrite!(address, size, value);
  }

  claimPorts(device: Device, base: number, length: number): void {
    claim(this.ports, device, base, length);
  }
  releasePorts(device: Device, base: number, length: number): void {
    release(this.ports, device, base, length);
  }
  claimMmio(device: Device, base: number, length: number): void {
    claim(this.mmio, device, base, length);
  }
  releaseMmio(device: Device, base: number, length: number): void {
    release(this.mmio, device, base, length);
  }

  interruptLine(pin: number): InterruptLine {
    return {
      set: level => {
        if (level && !this.lines.get(pin)) this.edges.set(pin, (this.edges.get(pin) ?? 0) + 1);
        this.lines.set(pin, level);
        for (const heard of this.listeners.get(pin) ?? []) heard(level);
      },
    };
  }

  listen(pin: number, heard: (level: boolean) => void): void {
    this.listeners.set(pin, [...(this.listeners.get(pin) ?? []), heard]);
  }

  externalInterrupt(_device: Device, acknowledge: () => number): InterruptLine {
    this.acknowledge = acknowledge;
    return {
      set: level => {
        this.intr = level;
      },
    };
  }

  power(event: PowerEvent): void {
    this.powerEvents.push(event);
  }

  line(pin: number): boolean {
    return this.lines.get(pin) ?? false;
  }

  msi(address: number, data: number): void {
    this.messages.push({ address, data });
  }

  output(device: Device, channel: string, data: Uint8Array): void {
    this.outputs.push({ device: device.id, channel, data });
  }

  /** Everything put out on a channel so far, as Latin-1 text. */
  text(channel: string): string {
    return this.outputs
      .filter(o => o.channel === channel)
      .map(o => String.fromCharCode(...o.data))
      .join('');
  }
}

function claim(ranges: Range[], device: Device, base: number, length: number): void {
  const end = base + length;
  const other = ranges.find(r => base < r.end && end > r.base);
  if (other) throw new Error(`${device.id} claims ${base.toString(16)}-${end.toString(16)}, which ${other.device.id} has`);
  ranges.push({ device, base, end });
}

function release(ranges: Range[], device: Device, base: number, length: number): void {
  const at = ranges.findIndex(r => r.device === device && r.base === base && r.end === base + length);
  if (at < 0) throw new Error(`${device.id} releases ${base.toString(16)}, which it has not claimed`);
  ranges.splice(at, 1);
}

/** What a device gives for a read must fit its size. */
function fitting(range: Range, at: number, size: number, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > bytesMask(size)) {
    throw new RangeError(`${range.device.id} gives ${value} for ${size} bytes at ${at.toString(16)}`);
  }
  return value;
}

function ram(size: number): PhysicalMemory {
  const view = new DataView(new ArrayBuffer(size));
  const bytes = new Uint8Array(view.buffer);
  const check = (pa: number, length: number) => {
    if (pa < 0 || pa + length > size) throw new RangeError(`physical address ${pa.toString(16)} is out of range`);
    return pa;
  };
  return {
    size,
    read8: pa => view.getUint8(pa),
    read16: pa => view.getUint16(pa, true),
    read32: pa => view.getUint32(pa, true),
    read64: pa => view.getBigUint64(pa, true),
    write8: (pa, value) => view.setUint8(pa, value),
    write16: (pa, value) => view.setUint16(pa, value, true),
    write32: (pa, value) => view.setUint32(pa, value, true),
    write64: (pa, value) => view.setBigUint64(pa, value, true),
    readBytes: (pa, length) => bytes.slice(check(pa, length), pa + length),
    writeBytes: (pa, data) => bytes.set(data, check(pa, data.length)),
    fill: (pa, length, value) => bytes.fill(value, check(pa, length), pa + length),
  };
}
