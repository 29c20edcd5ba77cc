import { highHalf } from '../hal/bus/index.ts';
import type { CoreExports } from './core/abi.ts';

// What the host tells the core about where to stop and where gates are. The tables are in linear memory (assembly/core/breakpoints.ts, debug.ts).

const MAX_BREAKPOINTS = 256,
  MAX_WATCHES = 32,
  MAX_GATE_RANGES = 4;
const WATCH_READ = 1,
  WATCH_WRITE = 2,
  WATCH_PHYSICAL = 4;
const WATCH_ENTRY = 32;

/** A range of addresses [start, end), linear ones unless `physical`. Writes of kernel routines and devices are seen in physical ranges only. */
export interface Watch {
  readonly start: number;
  readonly end: number;
  readonly physical: boolean;
  readonly read: boolean;
  readonly write: boolean;
}

export interface WatchHit {
  readonly watch: Watch | undefined;
  readonly kind: 'read' | 'write';
}

const low = (va: number): number => va >>> 0;

export function setBreakpoints(memory: WebAssembly.Memory, core: CoreExports, addresses: readonly number[]): void {
  if (addresses.length > MAX_BREAKPOINTS)
    throw new RangeError(`${addresses.length} breakpoints; there can be ${MAX_BREAKPOINTS}`);
  const table = new Uint32Array(memory.buffer, core.breakpointTable() >>> 0, MAX_BREAKPOINTS * 2);
  // The core searches the table by unsigned value: kernel addresses come after user ones.
  const unsigned = (va: number): number => (va < 0 ? va + 2 ** 64 : va);
  [...addresses]
    .sort((a, b) => unsigned(a) - unsigned(b) || a - b)
    .forEach((va, i) => {
      table[2 * i] = low(va);
      table[2 * i + 1] = highHalf(va);
    });
  core.setBreakpoints(addresses.length);
}

export function setWatches(memory: WebAssembly.Memory, core: CoreExports, watches: readonly Watch[]): void {
  if (watches.length > MAX_WATCHES) throw new RangeError(`${watches.length} watch ranges; there can be ${MAX_WATCHES}`);
  const table = new Uint32Array(memory.buffer, core.watchTable() >>> 0, (MAX_WATCHES * WATCH_ENTRY) / 4);
  watches.forEach(({ start, end, physical, read, write }, i) => {
    if (!(end > start) || !(read || write)) throw new RangeError(`watch range ${i} is empty`);
    const at = (i * WATCH_ENTRY) / 4;
    table.set(
      [
        low(start),
        highHalf(start),
        low(end),
        highHalf(end),
        (read ? WATCH_READ : 0) | (write ? WATCH_WRITE : 0) | (physical ? WATCH_PHYSICAL : 0),
      ],
      at,
    );
  });
  core.setWatch(watches.length);
}

export function readWatchHit(core: CoreExports, watches: readonly Watch[]): WatchHit {
  return { watch: watches[core.watchHit() >>> 0], kind: core.watchKind() === WATCH_WRITE ? 'write' : 'read' };
}

/** The linear ranges in which the gate instruction is a gate; at most four. */
export function setGateRanges(core: CoreExports, ranges: readonly { start: number; end: number }[]): void {
  if (ranges.length > MAX_GATE_RANGES) throw new RangeError(`${ranges.length} gate ranges; there can be ${MAX_GATE_RANGES}`);
  for (let i = 0; i < MAX_GATE_RANGES; i++) {
    const { start, end } = ranges[i] ?? { start: 0, end: 0 };
    core.setGateRange(i, low(start), highHalf(start), low(end), highHalf(end));
  }
}
