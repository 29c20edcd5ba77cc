/**
 * The configuration space of a PCI function with a type 0 header (PCI Local Bus Specification 3.0, chapter 6): identification, command
 * and status, base address registers that answer sizing, the interrupt pin, and an MSI capability (6.8).
 */
import type { Device, DeviceState } from '../hal/bus/index.ts';
import {
  inspectRegisters,
  loadState,
  readRegisters,
  registersOf,
  registerTable,
  resetRegisters,
  saveState,
  writeRegisters,
} from './register.ts';
import type { Register, RegisterTable } from './register.ts';
import type { RegisterRow } from '../hal/bus/index.ts';

export interface PciFunctionSpec {
  vendor: number;
  device: number;
  revision: number;
  /** Base class, subclass and programming interface as one 24-bit number: 0x060000 is a host bridge. */
  classCode: number;
  subsystemVendor?: number;
  subsystem?: number;
  /** 1 for INTA# to 4 for INTD#, 0 for a function that does not interrupt. */
  interruptPin?: 0 | 1 | 2 | 3 | 4;
  /** At most six; a BAR that is not there is null. */
  bars?: readonly (PciBar | null)[];
  /** The function has an MSI capability with one message and a 64-bit address. */
  msi?: boolean;
}

export interface PciBar {
  space: 'memory' | 'io';
  /** Bytes, a power of two: at least 16 for memory, 4 for I/O. */
  size: number;
  prefetchable?: boolean;
}

type HeaderName =
  | 'Command'
  | 'Status'
  | 'CacheLineSize'
  | 'LatencyTimer'
  | 'BAR0'
  | 'BAR1'
  | 'BAR2'
  | 'BAR3'
  | 'BAR4'
  | 'BAR5'
  | 'InterruptLine'
  | 'MsiControl'
  | 'MsiAddressLow'
  | 'MsiAddressHigh'
  | 'MsiData';

export interface PciFunction {
  readonly spec: PciFunctionSpec;
  readonly r: Record<HeaderName, number>;
  readonly s: PciState;
  readonly table: RegisterTable<PciFunction>;
  /** Where firmware put each BAR, and the interrupt line that it wrote: what the registers hold after reset. */
  firmware: { bars: readonly number[]; interruptLine: number; command: number };
  /** The wires to the host bridge, connected when the function is plugged in. */
  wires: { intx(asserted: boolean): void; message(address: number, data: number): void };
}

export type PciState = {
  /** The function wants service; whether INTx# is driven depends on the command register and MSI. */
  interrupt: boolean;
};

/** A device on the PCI bus. The host bridge routes accesses that its BARs decode to it. */
export interface PciDevice extends Device {
  readonly pci: PciFunction;
  /** An access to what BAR `bar` maps, `offset` bytes from its start; size 1, 2 or 4. */
  barRead(bar: number, offset: number, size: number): number;
  barWrite(bar: number, offset: number, size: number, value: number): void;
}

export const COMMAND_IO = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_BUS_MASTER = 0x0004;
const COMMAND_INTX_DISABLE = 0x0400;
const STATUS_INTERRUPT = 0x0008;
const STATUS_CAPABILITIES = 0x0010;
const STATUS_RECEIVED_MASTER_ABORT = 0x2000;
const MSI_ENABLE = 0x0001;
const MSI_64BIT = 0x0080;
/** Where the MSI capability lies: the first free offset behind the header. */
const MSI_OFFSET = 0x40;

const COMMAND_BITS = { IO: 0, MEM: 1, MASTER: 2, SPECIAL: 3, MWI: 4, PERR: 6, SERR: 8, FBB: 9, INTX_DISABLE: 10 };
const STATUS_BITS = { INTERRUPT: 3, CAPABILITIES: 4, TARGET_ABORT: 12, MASTER_ABORT: 13, SYSTEM_ERROR: 14, PARITY_ERROR: 15 };

const reg = registersOf<PciFunction>();
const constant = (name: string, offset: number, width: 8 | 16 | 32, value: number): Register<PciFunction> => ({
  name,
  offset,
  width,
  access: 'ro',
  value: () => value,
});

/** Makes the configuration space of a function. Throws a RangeError for a BAR whose size is not a power of two. */
export function createPciFunction(spec: PciFunctionSpec): PciFunction {
  const bars = spec.bars ?? [];
  const header = [
    constant('VendorID', 0x00, 16, spec.vendor),
    constant('DeviceID', 0x02, 16, spec.device),
    reg('Command', {
      offset: 0x04,
      width: 16,
      reset: f => f.firmware.command,
      writable: 0x0547,
      bits: COMMAND_BITS,
      onWrite: driveInterrupt,
    }),
    reg('Status', {
      offset: 0x06,
      width: 16,
      reset: 0,
      writable: 0,
      writeOneClears: 0xf900,
      bits: STATUS_BITS,
      value: (f, stored) => stored | (f.s.interrupt ? STATUS_INTERRUPT : 0) | (spec.msi ? STATUS_CAPABILITIES : 0),
    }),
    constant('RevisionID', 0x08, 8, spec.revision),
    constant('ProgIf', 0x09, 8, spec.classCode & 0xff),
    constant('SubClass', 0x0a, 8, (spec.classCode >>> 8) & 0xff),
    constant('BaseClass', 0x0b, 8, spec.classCode >>> 16),
    reg('CacheLineSize', { offset: 0x0c, reset: 0 }),
    reg('LatencyTimer', { offset: 0x0d, reset: 0, writable: 0xf8 }),
    constant('HeaderType', 0x0e, 8, 0),
    ...bars.flatMap((bar, i) => (bar ? [barRegister(bar, i)] : [])),
    constant('SubsystemVendorID', 0x2c, 16, spec.subsystemVendor ?? 0),
    constant('SubsystemID', 0x2e, 16, spec.subsystem ?? 0),
    constant('CapabilitiesPointer', 0x34, 8, spec.msi ? MSI_OFFSET : 0),
    reg('InterruptLine', { offset: 0x3c, reset: f => f.firmware.interruptLine }),
    constant('InterruptPin', 0x3d, 8, spec.interruptPin ?? 0),
    ...(spec.msi ? msiRegisters() : []),
  ];
  return {
    spec,
    r: {} as PciFunction['r'],
    s: { interrupt: false },
    // Registers that a function does not implement read as zero (6.1); only an absent function reads as ones.
    table: registerTable(header, 0),
    firmware: { bars: bars.map(() => 0), interruptLine: 0, command: 0 },
    wires: { intx: () => {}, message: () => {} },
  };
}

function barRegister(bar: PciBar, index: number): Register<PciFunction> {
  const least = bar.space === 'io' ? 4 : 16;
  if (bar.size < least || (bar.size & (bar.size - 1)) !== 0)
    throw new RangeError(`BAR${index}: ${bar.size} is not a power of two of at least ${least}`);
  const type = bar.space === 'io' ? 1 : bar.prefetchable ? 8 : 0;
  // Address bits below the size are wired to zero: that is how software finds the size (6.2.5.1).
  return reg(`BAR${index}` as HeaderName, {
    offset: 0x10 + 4 * index,
    width: 32,
    reset: f => (f.firmware.bars[index]! | type) >>> 0,
    writable: ~(bar.size - 1) >>> 0,
  });
}

function msiRegisters(): Register<PciFunction>[] {
  return [
    constant('MsiCapabilityID', MSI_OFFSET, 8, 0x05),
    constant('MsiNext', MSI_OFFSET + 1, 8, 0),
    reg('MsiControl', {
      offset: MSI_OFFSET + 2,
      width: 16,
      reset: MSI_64BIT,
      writable: MSI_ENABLE,
      bits: { ENABLE: 0, MULTIPLE_CAPABLE: [3, 1], MULTIPLE_ENABLE: [6, 4], ADDRESS64: 7 },
      onWrite: driveInterrupt,
    }),
    reg('MsiAddressLow', { offset: MSI_OFFSET + 4, width: 32, reset: 0, writable: 0xfffffffc }),
    reg('MsiAddressHigh', { offset: MSI_OFFSET + 8, width: 32, reset: 0 }),
    reg('MsiData', { offset: MSI_OFFSET + 12, width: 16, reset: 0 }),
  ];
}

export function resetPciFunction(f: PciFunction): void {
  resetRegisters(f.table, f);
  f.s.interrupt = false;
  driveInterrupt(f);
}

/** An access to configuration space; `offset` 0 to 255, size 1, 2 or 4. */
export function readConfig(f: PciFunction, offset: number, size: number): number {
  return readRegisters(f.table, f, offset, size);
}

export function writeConfig(f: PciFunction, offset: number, size: number, value: number): void {
  writeRegisters(f.table, f, offset, size, value);
}

/** The BAR that decodes an address now, and the offset in it; null when none does. */
export function decodeBar(f: PciFunction, space: 'memory' | 'io', address: number): { bar: number; offset: number } | null {
  if (!(f.r.Command & (space === 'io' ? COMMAND_IO : COMMAND_MEMORY))) return null;
  const bars = f.spec.bars ?? [];
  for (let i = 0; i < bars.length; i++) {
    const bar = bars[i];
    if (!bar || bar.space !== space) continue;
    const base = barBase(f, i);
    if (address >= base && address < base + bar.size) return { bar: i, offset: address - base };
  }
  return null;
}

/** Address that BAR `index` holds, without its type bits. */
export function barBase(f: PciFunction, index: number): number {
  const value = f.r[`BAR${index}` as HeaderName];
  return (value & (f.spec.bars![index]!.space === 'io' ? ~3 : ~15)) >>> 0;
}

/**
 * The function asks for service, or stops asking. With MSI enabled each call with `true` sends a message; otherwise INTx# follows the level
 * unless the command register disables it.
 */
export function setPciInterrupt(f: PciFunction, asserted: boolean): void {
  f.s.interrupt = asserted;
  if (asserted && msiEnabled(f)) {
    // A message is a memory write by the function, which only a bus master makes (6.8.3.4). Above 4 GiB nothing of this machine listens.
    if (f.r.Command & COMMAND_BUS_MASTER && f.r.MsiAddressHigh === 0) f.wires.message(f.r.MsiAddressLow, f.r.MsiData);
  }
  driveInterrupt(f);
}

/** Whether INTx# is driven now. */
export function intxAsserted(f: PciFunction): boolean {
  return f.s.interrupt && !msiEnabled(f) && !(f.r.Command & COMMAND_INTX_DISABLE);
}

/** Records that a transfer by this function reached nothing (Status bit 13). */
export function masterAbort(f: PciFunction): void {
  f.r.Status |= STATUS_RECEIVED_MASTER_ABORT;
}

export function savePciFunction(f: PciFunction): DeviceState {
  return saveState(f.r, f.s);
}

export function loadPciFunction(id: string, f: PciFunction, state: DeviceState): void {
  loadState(id, f.r, f.s, state);
}

export function inspectPciFunction(f: PciFunction): RegisterRow[] {
  return inspectRegisters(f.table, f).map(row => ({ ...row, name: `PCI.${row.name}` }));
}

function msiEnabled(f: PciFunction): boolean {
  return f.spec.msi === true && (f.r.MsiControl & MSI_ENABLE) !== 0;
}

function driveInterrupt(f: PciFunction): void {
  if ((f.spec.interruptPin ?? 0) !== 0) f.wires.intx(intxAsserted(f));
}
