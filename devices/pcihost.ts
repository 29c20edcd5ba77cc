/**
 * The PCI host bridge of bus 0: configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2), the two windows through which the
 * processor reaches BARs, and the routing of INTx# to I/O APIC pins 16 to 19. It also does the firmware's part: gives every BAR an address.
 *
 * Only the bridge claims addresses on the machine's bus. Functions decode inside its windows, so software may move BARs anywhere, even onto
 * one another; where two overlap, the lower device number answers.
 */
import type { Bus, Device, DeviceState, InterruptLine } from '../hal/bus/index.ts';
import {
  COMMAND_IO,
  COMMAND_MEMORY,
  createPciFunction,
  decodeBar,
  intxAsserted,
  readConfig,
  resetPciFunction,
  writeConfig,
} from './pcifunction.ts';
import { inspectPciFunction, loadPciFunction, savePciFunction } from './pcifunction.ts';
import type { PciDevice, PciFunction } from './pcifunction.ts';
import {
  bytesMask,
  inspectRegisters,
  loadState,
  readRegisters,
  registersOf,
  registerTable,
  resetRegisters,
  saveState,
  writeRegisters,
} from './register.ts';

export interface PciSlot {
  /** 1 to 31; device 0 is the bridge itself. */
  device: number;
  /** 0 to 7. Default 0. */
  function?: number;
  plugged: PciDevice;
}

/** Memory that the bridge passes on: what lies between the largest RAM and the I/O APIC. */
export const PCI_MEMORY_BASE = 0xc0000000;
export const PCI_MEMORY_END = 0xfec00000;
/** I/O ports that the bridge passes on; the ones below belong to the board's own devices. */
export const PCI_IO_BASE = 0x1000;
export const PCI_IO_END = 0x10000;
/** Firmware puts memory BARs up from here. */
const FIRMWARE_MEMORY_BASE = 0xfd000000;
const CONFIG_PORTS = 0xcf8;
/** PCI 3.0, 2.2.6, implementation note: INTA# of neighbouring devices goes to different pins. */
const FIRST_INTX_PIN = 16;

interface HostBridge {
  bus: Bus;
  r: Record<'CONFIG_ADDRESS', number>;
  pci: PciFunction;
  /** By device * 8 + function. */
  functions: ReadonlyMap<number, PciFunction>;
}

const reg = registersOf<HostBridge>();

const REGISTERS = registerTable<HostBridge>([
  reg('CONFIG_ADDRESS', {
    offset: 0,
    width: 32,
    reset: 0,
    writable: 0x80fffffc,
    bits: { ENABLE: 31, BUS: [23, 16], DEVICE: [15, 11], FUNCTION: [10, 8], REGISTER: [7, 2] },
  }),
]);

/** I/O APIC pin of a function's INTx# (`pin` 1 for INTA# to 4). */
export function intxToPin(device: number, pin: number): number {
  return FIRST_INTX_PIN + ((device + pin - 1) & 3);
}

/** The bridge with what is plugged into its bus. Its I/O window begins at `ioBase` (1000h unless said), so that a board can have devices of its own below. Two devices in one slot, or a memory or I/O window that is too small, throw an Error. */
export function createPciHost(options: { id?: string; slots: readonly PciSlot[]; ioBase?: number }): Device {
  const { id = 'pci0', ioBase = PCI_IO_BASE } = options;
  const slots = options.slots.map(slot => ({ ...slot, function: slot.function ?? 0 })).sort((a, b) => slotKey(a) - slotKey(b));
  // The identity of Intel's 440FX, which software knows as a plain host bridge.
  const own = createPciFunction({
    vendor: 0x8086,
    device: 0x1237,
    revision: 2,
    classCode: 0x060000,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
  });
  const functions = new Map<number, PciFunction>([[0, own]]);
  for (const slot of slots) {
    if (functions.has(slotKey(slot)))
      throw new Error(`${slot.plugged.id}: PCI device ${slot.device} function ${slot.function} is taken`);
    functions.set(slotKey(slot), slot.plugged.pci);
  }
  assignAddresses(slots, ioBase);

  let h!: HostBridge;
  const route = (space: 'memory' | 'io', address: number) => {
    for (const { plugged } of slots) {
      const hit = decodeBar(plugged.pci, space, address);
      if (hit) return { plugged, ...hit };
    }
    return null;
  };
  const read = (space: 'memory' | 'io', address: number, size: number) => {
    const to = route(space, address);
    return to ? to.plugged.barRead(to.bar, to.offset, size) : bytesMask(size);
  };
  const write = (space: 'memory' | 'io', address: number, size: number, value: number) => {
    const to = route(space, address);
    to?.plugged.barWrite(to.bar, to.offset, size, value);
  };
  const device: Device = {
    id,
    title: 'PCI host bridge',
    attach(bus) {
      h = { bus, r: {} as HostBridge['r'], pci: own, functions };
      connectInterrupts(bus, slots);
      resetRegisters(REGISTERS, h);
      // All but CF9h, where chipsets have their reset control register: it is the board's.
      bus.claimPorts(device, CONFIG_PORTS, 1);
      bus.claimPorts(device, CONFIG_PORTS + 2, 6);
      bus.claimPorts(device, ioBase, PCI_IO_END - ioBase);
      bus.claimMmio(device, PCI_MEMORY_BASE, PCI_MEMORY_END - PCI_MEMORY_BASE);
    },
    reset() {
      resetRegisters(REGISTERS, h);
      resetPciFunction(own);
    },
    save: () => saveState(h.r, { bridge: savePciFunction(own) }),
    load(state) {
      const { bridge, ...rest } = state;
      loadPciFunction(id, own, bridge as DeviceState);
      loadState(id, h.r, {}, rest);
    },
    portRead: (port, size) => (port >= ioBase ? read('io', port, size) : configRead(h, port - CONFIG_PORTS, size)),
    portWrite(port, size, value) {
      if (port >= ioBase) write('io', port, size, value);
      else configWrite(h, port - CONFIG_PORTS, size, value);
    },
    mmioRead: (address, size) => read('memory', address, size),
    mmioWrite: (address, size, value) => write('memory', address, size, value),
    inspect: () => [...inspectRegisters(REGISTERS, h, CONFIG_PORTS), ...inspectPciFunction(own)],
  };
  return device;
}

function slotKey(slot: { device: number; function: number }): number {
  return slot.device * 8 + slot.function;
}

/** CONFIG_ADDRESS is only there for 32-bit accesses; CONFIG_DATA only while its enable bit is set. */
function configRead(h: HostBridge, offset: number, size: number): number {
  if (offset < 4) return offset === 0 && size === 4 ? readRegisters(REGISTERS, h, 0, 4) : bytesMask(size);
  const target = configTarget(h, offset);
  return target ? readConfig(target.f, target.register, size) : bytesMask(size);
}

function configWrite(h: HostBridge, offset: number, size: number, value: number): void {
  if (offset < 4) {
    if (offset === 0 && size === 4) writeRegisters(REGISTERS, h, 0, 4, value);
    return;
  }
  const target = configTarget(h, offset);
  if (target) writeConfig(target.f, target.register, size, value);
}

function configTarget(h: HostBridge, offset: number): { f: PciFunction; register: number } | null {
  const address = h.r.CONFIG_ADDRESS;
  if (!(address & 0x80000000) || ((address >>> 16) & 0xff) !== 0) return null;
  const f = h.functions.get((address >>> 8) & 0xff);
  return f ? { f, register: (address & 0xfc) | (offset & 3) } : null;
}

/** INTx# is shared: a pin is asserted while any function that is wired to it asks. */
function connectInterrupts(bus: Bus, slots: readonly { device: number; plugged: PciDevice }[]): void {
  for (const { device, plugged } of slots) {
    const { pci } = plugged;
    const pin = intxToPin(device, pci.spec.interruptPin ?? 0);
    const line: InterruptLine = bus.interruptLine(pin);
    const sharing = slots.filter(
      s => s.plugged.pci.spec.interruptPin && intxToPin(s.device, s.plugged.pci.spec.interruptPin) === pin,
    );
    pci.wires = {
      intx: () => line.set(sharing.some(s => intxAsserted(s.plugged.pci))),
      message: (address, data) => bus.msi(address, data),
    };
  }
}

/** What firmware leaves behind: largest BARs first, each aligned to its size; decoding on, bus mastering off; the line register holds the pin. */
function assignAddresses(slots: readonly { device: number; plugged: PciDevice }[], ioBase: number): void {
  const places = slots.map(({ device, plugged }) => ({
    device,
    pci: plugged.pci,
    bars: (plugged.pci.spec.bars ?? []).map(() => 0),
  }));
  const next = { memory: FIRMWARE_MEMORY_BASE, io: ioBase };
  const end = { memory: PCI_MEMORY_END, io: PCI_IO_END };
  const wanted = places.flatMap(place =>
    (place.pci.spec.bars ?? []).flatMap((bar, index) => (bar ? [{ place, bar, index }] : [])),
  );
  for (const { place, bar, index } of wanted.sort((a, b) => b.bar.size - a.bar.size)) {
    const base = Math.ceil(next[bar.space] / bar.size) * bar.size;
    if (base + bar.size > end[bar.space])
      throw new Error(`no room on the PCI bus for a BAR of ${bar.size} bytes of ${bar.space}`);
    place.bars[index] = base;
    next[bar.space] = base + bar.size;
  }
  for (const { device, pci, bars } of places) {
    const kinds = (pci.spec.bars ?? []).map(bar => bar?.space);
    const pin = pci.spec.interruptPin ?? 0;
    pci.firmware = {
      bars,
      interruptLine: pin === 0 ? 0xff : intxToPin(device, pin),
      command: (kinds.includes('io') ? COMMAND_IO : 0) | (kinds.includes('memory') ? COMMAND_MEMORY : 0),
    };
  }
}
