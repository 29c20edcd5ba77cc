/**
 * The teaching device 1234:11e8 that QEMU documents (https://www.qemu.org/docs/master/specs/edu.html), register for register: identification, liveness,
 * factorial, interrupt raise and acknowledge, DMA between RAM and a 4 KiB buffer, INTx and MSI.
 *
 * Where the document leaves something open: a finished factorial raises the interrupt with status 1; a computation takes a microsecond for
 * every multiplication, DMA a microsecond and then 100 MB/s; while either is busy, writes to its registers are lost; DMA that leaves the buffer, or a
 * function that is not a bus master, moves nothing but still finishes.
 */
import type { Bus } from '../hal/bus/index.ts';
import {
  COMMAND_BUS_MASTER,
  createPciFunction,
  inspectPciFunction,
  loadPciFunction,
  masterAbort,
  resetPciFunction,
  savePciFunction,
  setPciInterrupt,
} from './pcifunction.ts';
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
import { cyclesOf, microseconds } from './time.ts';

interface Edu {
  device: PciDevice;
  bus: Bus;
  pci: PciFunction;
  dmaMask: number;
  r: Record<
    | 'Liveness'
    | 'Factorial'
    | 'Status'
    | 'InterruptStatus'
    | 'DmaSource'
    | 'DmaSourceHigh'
    | 'DmaDestination'
    | 'DmaDestinationHigh'
    | 'DmaCount'
    | 'DmaCountHigh'
    | 'DmaCommand',
    number
  >;
  s: { buffer: Uint8Array };
}

const IDENTIFICATION = 0x010000ed;
const STATUS_COMPUTING = 0x01;
const STATUS_RAISE = 0x80;
const DMA_START = 0x01;
const DMA_TO_RAM = 0x02;
const DMA_RAISE = 0x04;
const FACTORIAL_INTERRUPT = 0x001;
const DMA_INTERRUPT = 0x100;
const WINDOW = 0x100000;
const BUFFER = 0x40000;
const BUFFER_SIZE = 0x1000;
/** Registers from here on also take 8-byte accesses; below, anything but 4 bytes is not answered. */
const WIDE_REGISTERS = 0x80;
const BYTES_PER_SECOND = 100_000_000;

const reg = registersOf<Edu>();

const dmaRegister = (name: keyof Edu['r'], offset: number) =>
  reg(name, {
    offset,
    width: 32,
    reset: 0,
    onWrite: (e, _written, old) => {
      if (e.r.DmaCommand & DMA_START) e.r[name] = old;
    },
  });

const REGISTERS = registerTable<Edu>([
  reg('Identification', { offset: 0x00, width: 32, access: 'ro', value: () => IDENTIFICATION }),
  reg('Liveness', { offset: 0x04, width: 32, reset: 0xffffffff, value: (_e, stored) => ~stored >>> 0 }),
  reg('Factorial', { offset: 0x08, width: 32, reset: 0, onWrite: startFactorial }),
  reg('Status', { offset: 0x20, width: 32, reset: 0, writable: STATUS_RAISE, bits: { COMPUTING: 0, RAISE: 7 } }),
  reg('InterruptStatus', { offset: 0x24, width: 32, access: 'ro', reset: 0, bits: { FACTORIAL: 0, DMA: 8 } }),
  reg('InterruptRaise', { offset: 0x60, width: 32, access: 'wo', onWrite: raise }),
  reg('InterruptAcknowledge', { offset: 0x64, width: 32, access: 'wo', onWrite: acknowledge }),
  dmaRegister('DmaSource', 0x80),
  dmaRegister('DmaSourceHigh', 0x84),
  dmaRegister('DmaDestination', 0x88),
  dmaRegister('DmaDestinationHigh', 0x8c),
  dmaRegister('DmaCount', 0x90),
  dmaRegister('DmaCountHigh', 0x94),
  reg('DmaCommand', {
    offset: 0x98,
    width: 32,
    reset: 0,
    writable: 7,
    bits: { START: 0, TO_RAM: 1, RAISE: 2 },
    onWrite: startDma,
  }),
]);

/** `dmaMask` is what the device drives of a DMA address: 28 bits unless said. */
export function createEdu(options: { id?: string; dmaMask?: number } = {}): PciDevice {
  const { id = 'edu0', dmaMask = 0x0fffffff } = options;
  const pci = createPciFunction({
    vendor: 0x1234,
    device: 0x11e8,
    revision: 0x10,
    classCode: 0x00ff00,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
    interruptPin: 1,
    bars: [{ space: 'memory', size: WINDOW }],
    msi: true,
  });
  let e!: Edu;
  const device: PciDevice = {
    id,
    title: 'edu teaching device',
    pci,
    attach(bus) {
      e = { device, bus, pci, dmaMask, r: {} as Edu['r'], s: { buffer: new Uint8Array(BUFFER_SIZE) } };
      resetRegisters(REGISTERS, e);
    },
    reset() {
      resetRegisters(REGISTERS, e);
      e.s.buffer = new Uint8Array(BUFFER_SIZE);
      cancelEvents(e);
      resetPciFunction(pci);
    },
    save: () => ({ pci: savePciFunction(pci), ...saveState(e.r, e.s) }),
    load(state) {
      const { pci: config, ...rest } = state;
      if (typeof config !== 'object' || config === null) throw new Error(`${id}: the saved state has no configuration space`);
      loadPciFunction(id, pci, config as ReturnType<typeof savePciFunction>);
      loadState(id, e.r, e.s, rest);
    },
    barRead: (_bar, offset, size) => (answers(offset, size) ? readRegisters(REGISTERS, e, offset, size) : bytesMask(size)),
    barWrite(_bar, offset, size, value) {
      if (answers(offset, size)) writeRegisters(REGISTERS, e, offset, size, value);
    },
    event(name) {
      if (name === 'factorial') finishFactorial(e);
      else finishDma(e);
    },
    inspect: () => [...inspectRegisters(REGISTERS, e), ...inspectPciFunction(pci)],
  };
  return device;
}

/** An 8-byte access arrives as two of 4 bytes, so that below 0x80 its halves look like two good accesses; that is harmless. */
function answers(offset: number, size: number): boolean {
  return size === 4 && offset % 4 === 0 && offset < WIDE_REGISTERS + 0x20;
}

function cancelEvents(e: Edu): void {
  e.bus.clock.cancel(e.device, 'factorial');
  e.bus.clock.cancel(e.device, 'dma');
}

function raise(e: Edu, value: number): void {
  e.r.InterruptStatus = (e.r.InterruptStatus | value) >>> 0;
  if (e.r.InterruptStatus !== 0) setPciInterrupt(e.pci, true);
}

function acknowledge(e: Edu, value: number): void {
  e.r.InterruptStatus = (e.r.InterruptStatus & ~value) >>> 0;
  if (e.r.InterruptStatus === 0) setPciInterrupt(e.pci, false);
}

function startFactorial(e: Edu, written: number, old: number): void {
  if (e.r.Status & STATUS_COMPUTING) {
    e.r.Factorial = old;
    return;
  }
  e.r.Status |= STATUS_COMPUTING;
  const { clock } = e.bus;
  clock.schedule(e.device, 'factorial', clock.now() + microseconds(clock.frequency, 1 + factorial(written).multiplications));
}

function finishFactorial(e: Edu): void {
  e.r.Factorial = factorial(e.r.Factorial).value;
  e.r.Status &= ~STATUS_COMPUTING;
  if (e.r.Status & STATUS_RAISE) raise(e, FACTORIAL_INTERRUPT);
}

/** n! modulo 2^32, and how many multiplications it took: from 34! on the low 32 bits are zero, where the multiplier stops. */
function factorial(n: number): { value: number; multiplications: number } {
  let value = 1;
  let factor = 1;
  while (factor < n && value !== 0) value = Math.imul(value, ++factor);
  return { value: value >>> 0, multiplications: factor - 1 };
}

function startDma(e: Edu, _written: number, old: number): void {
  if (old & DMA_START) {
    e.r.DmaCommand = old;
    return;
  }
  if (!(e.r.DmaCommand & DMA_START)) return;
  const { clock } = e.bus;
  const transfer = cyclesOf(clock.frequency, e.r.DmaCount, BYTES_PER_SECOND);
  clock.schedule(e.device, 'dma', clock.now() + microseconds(clock.frequency, 1) + transfer);
}

function finishDma(e: Edu): void {
  transfer(e);
  const { DmaCommand: done } = e.r;
  e.r.DmaCommand &= ~DMA_START;
  if (done & DMA_RAISE) raise(e, DMA_INTERRUPT);
}

function transfer(e: Edu): void {
  const toRam = (e.r.DmaCommand & DMA_TO_RAM) !== 0;
  const count = e.r.DmaCount;
  const inside = (toRam ? e.r.DmaSource : e.r.DmaDestination) - BUFFER;
  const insideHigh = toRam ? e.r.DmaSourceHigh : e.r.DmaDestinationHigh;
  const address = ((toRam ? e.r.DmaDestination : e.r.DmaSource) & e.dmaMask) >>> 0;
  const fits = e.r.DmaCountHigh === 0 && insideHigh === 0 && inside >= 0 && inside + count <= BUFFER_SIZE;
  if (count === 0 || !fits || !(e.pci.r.Command & COMMAND_BUS_MASTER)) return;
  const { memory } = e.bus;
  const present = Math.max(0, Math.min(count, memory.size - address));
  if (toRam) {
    if (present > 0) memory.writeBytes(address, e.s.buffer.slice(inside, inside + present));
  } else {
    // Nobody answers outside of RAM: the bus reads as ones.
    e.s.buffer.fill(0xff, inside, inside + count);
    if (present > 0) e.s.buffer.set(memory.readBytes(address, present), inside);
  }
  if (present < count) masterAbort(e.pci);
}
