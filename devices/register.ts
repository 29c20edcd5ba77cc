/**
 * Registers of a device, written down once as a table: from it come the decoding of bus accesses, the values at reset, the named
 * state of a checkpoint and the rows that the debugger shows.
 */
import type { DeviceState, RegisterRow, StateValue } from '../hal/bus/index.ts';

/** Names of bits and fields: a bit number, or [highest, lowest] bit of a field. */
export type Bits = { readonly [name: string]: number | readonly [high: number, low: number] };

/** What a device model must have for its registers: their stored values by name. */
export interface Registered {
  readonly r: Record<string, number>;
}

/** How a register of the device model D behaves. */
export interface RegisterSpec<D> {
  /** Offset in the device's window; absent for internal registers that software cannot address. */
  offset?: number;
  /** Width in bits. Default 8. */
  width?: 8 | 16 | 32;
  /** Value at reset. A register without one stores nothing: it is computed (`value`) or it only has effects (`onWrite`). */
  reset?: number | ((d: D) => number);
  /** Default `rw`. A read of a `wo` register finds nothing there, as does a write of an `ro` one, so that two registers can share an offset. */
  access?: 'rw' | 'ro' | 'wo';
  /** Bits that a write changes. Default all. */
  writable?: number;
  /** Bits that a write of 1 clears. They are not in `writable`. */
  writeOneClears?: number;
  bits?: Bits;
  /** Decoded only while this holds (registers behind a bank bit). */
  when?(d: D): boolean;
  /** What software reads, from the stored value. Has no effects: the debugger calls it too. */
  value?(d: D, stored: number): number;
  /** What a read by software does besides giving `value`, which is passed. */
  onRead?(d: D, value: number): void;
  /** After the new value is stored. `written` is what software wrote (0 in bytes that a narrow access did not touch). */
  onWrite?(d: D, written: number, old: number): void;
}

export interface Register<D> extends RegisterSpec<D> {
  name: string;
  width: 8 | 16 | 32;
  access: 'rw' | 'ro' | 'wo';
}

export interface RegisterTable<D> {
  registers: readonly Register<D>[];
  /** Registers that cover an offset, in declaration order. */
  byOffset: ReadonlyMap<number, readonly Register<D>[]>;
  /** The byte that is read where no register is. */
  open: number;
}

/** The `reg` function of one device model D. A register that stores a value must be named in D's `r`; others may have any name. */
export function registersOf<D extends Registered>() {
  function reg(name: keyof D['r'] & string, spec: RegisterSpec<D> & { reset: number | ((d: D) => number) }): Register<D>;
  function reg(name: string, spec: RegisterSpec<D> & { reset?: undefined }): Register<D>;
  function reg(name: string, spec: RegisterSpec<D>): Register<D> {
    return { width: 8, access: 'rw', ...spec, name };
  }
  return reg;
}

/** Builds the decode table. `open` is the byte read where nothing is decoded (0xFF, a floating bus, unless said). Duplicate names throw. */
export function registerTable<D>(registers: readonly Register<D>[], open = 0xff): RegisterTable<D> {
  const names = new Set<string>();
  const byOffset = new Map<number, Register<D>[]>();
  for (const register of registers) {
    if (names.has(register.name)) throw new Error(`register ${register.name} is declared twice`);
    names.add(register.name);
    if (register.offset === undefined) continue;
    for (let i = 0; i < register.width / 8; i++) {
      const at = register.offset + i;
      const there = byOffset.get(at);
      if (there) there.push(register);
      else byOffset.set(at, [register]);
    }
  }
  return { registers, byOffset, open };
}

/** Sets every stored register to its value at reset, in the order of the table. */
export function resetRegisters<D extends Registered>(table: RegisterTable<D>, d: D): void {
  const r: Record<string, number> = d.r;
  for (const { name, reset } of table.registers) {
    if (reset !== undefined) r[name] = typeof reset === 'function' ? reset(d) : reset;
  }
}

/**
 * A read by software of `size` bytes (1, 2, 4) at `offset`. An access wider than a register goes to the registers beside it, low byte
 * first, as a bus splits it; a narrower one gets its part of the register.
 */
export function readRegisters<D extends Registered>(table: RegisterTable<D>, d: D, offset: number, size: number): number {
  let result = 0;
  for (let done = 0; done < size;) {
    const at = offset + done;
    const register = decode(table, d, at, 'wo');
    let bytes = 1;
    let part = table.open;
    if (register) {
      const within = at - register.offset!;
      bytes = Math.min(register.width / 8 - within, size - done);
      const value = valueOf(register, d);
      register.onRead?.(d, value);
      part = (value >>> (8 * within)) & bytesMask(bytes);
    }
    result |= part << (8 * done);
    done += bytes;
  }
  return result >>> 0;
}

/** A write by software; split as a read is. What is written where no register is, is lost. */
export function writeRegisters<D extends Registered>(
  table: RegisterTable<D>,
  d: D,
  offset: number,
  size: number,
  value: number,
): void {
  for (let done = 0; done < size;) {
    const at = offset + done;
    const register = decode(table, d, at, 'ro');
    let bytes = 1;
    if (register) {
      const within = at - register.offset!;
      bytes = Math.min(register.width / 8 - within, size - done);
      const mask = bytesMask(bytes);
      store(register, d, ((value >>> (8 * done)) & mask) << (8 * within), mask << (8 * within));
    }
    done += bytes;
  }
}

/** What the debugger shows of a device whose registers start at `base` (an absolute port or address). */
export function inspectRegisters<D extends Registered>(table: RegisterTable<D>, d: D, base?: number): RegisterRow[] {
  const rows: RegisterRow[] = [];
  for (const register of table.registers) {
    if (register.reset === undefined && !register.value) continue;
    const value = valueOf(register, d);
    const row: RegisterRow = { name: register.name, value };
    if (register.offset !== undefined && base !== undefined) row.address = base + register.offset;
    if (register.bits) row.bits = describeBits(register.bits, value);
    rows.push(row);
  }
  return rows;
}

/** Names of the bits that are set and `NAME=value` of fields, highest first: `DLAB WLS=3`. */
export function describeBits(bits: Bits, value: number): string {
  return Object.entries(bits)
    .map(([name, at]) => (typeof at === 'number' ? { name, high: at, low: at } : { name, high: at[0], low: at[1] }))
    .sort((a, b) => b.high - a.high)
    .map(({ name, high, low }) => {
      if (high === low) return (value >>> low) & 1 ? name : '';
      return `${name}=${(value >>> low) & (2 ** (high - low + 1) - 1)}`;
    })
    .filter(text => text !== '')
    .join(' ');
}

/** A checkpoint of a device: its registers by name, and the rest of its state. */
export function saveState(r: Record<string, number>, state: DeviceState): DeviceState {
  return { registers: { ...r }, ...structuredClone(state) };
}

/** Restores what {@link saveState} made. State of another shape throws: it comes from another version of the device. */
export function loadState(id: string, r: Record<string, number>, state: DeviceState, saved: DeviceState): void {
  const { registers, ...rest } = saved;
  assign(id, r, registers);
  assign(id, state as { [name: string]: StateValue }, rest);
}

function assign(id: string, target: { [name: string]: StateValue }, source: StateValue | undefined): void {
  if (typeof source !== 'object' || source === null) throw new Error(`${id}: the saved state has no registers`);
  const have = Object.keys(target).join(' ');
  const got = Object.keys(source).join(' ');
  if (have !== got) throw new Error(`${id}: the saved state has "${got}" where this device has "${have}"`);
  Object.assign(target, structuredClone(source));
}

function decode<D>(table: RegisterTable<D>, d: D, offset: number, not: 'ro' | 'wo'): Register<D> | undefined {
  return table.byOffset.get(offset)?.find(register => register.access !== not && (!register.when || register.when(d)));
}

function valueOf<D extends Registered>(register: Register<D>, d: D): number {
  const stored = register.reset === undefined ? 0 : d.r[register.name]!;
  return register.value ? register.value(d, stored) : stored;
}

function store<D extends Registered>(register: Register<D>, d: D, written: number, mask: number): void {
  const old = register.reset === undefined ? 0 : d.r[register.name]!;
  if (register.reset !== undefined) {
    const changes = (register.writable ?? -1) & mask;
    const next = ((old & ~changes) | (written & changes)) & ~(written & (register.writeOneClears ?? 0));
    (d.r as Record<string, number>)[register.name] = next >>> 0;
  }
  register.onWrite?.(d, written >>> 0, old);
}

/** A value of `bytes` bytes (1 to 4) with all bits set: also what a read that nobody answers gives. */
export function bytesMask(bytes: number): number {
  return 2 ** (8 * bytes) - 1;
}
