import * as abi from './core/abi.ts';
import type { CoreExports } from './core/abi.ts';

// Which parts of linear memory are the machine's state. RAM is; of the rest, these. Everything else (decoded code, fast lookup tables, page flags) belongs to
// the host and is made again at will.

/** Bytes of a processor that a checkpoint keeps, from its base on: the CPU structure, and its TLBs, which are architecture. */
const CPU_SAVED = abi.ITLB + abi.ITLB_ENTRIES * abi.TLB_ENTRY_SIZE;

/**
 * What of those bytes counts in the state hash. Left out: EA and SCRATCH (within one instruction), the lazy flags (RFLAGS is hashed as a value), and what is
 * derived from other fields: MODE, ATTENTION, FAST, TIMER_DUE.
 */
export const HASHED_RANGES: readonly (readonly [number, number])[] = [
  [abi.GPR, abi.EA],
  [abi.RIP, abi.FL_RES],
  [abi.CPL, abi.MODE],
  [abi.INT_SHADOW, abi.ATTENTION],
  [abi.CPU_INDEX, abi.SCRATCH],
  [abi.TLB_LARGE, abi.TIMER_DUE],
  [abi.NMI_PENDING, abi.RUN_LIMIT],
  [abi.APIC, abi.CPU_SIZE],
  [abi.TLB, CPU_SAVED],
];

/** A live view of what a checkpoint keeps of processor `cpu`. */
export function cpuBytes(memory: WebAssembly.Memory, core: CoreExports, cpu: number): Uint8Array {
  return new Uint8Array(memory.buffer, core.cpuBase(cpu) >>> 0, CPU_SAVED);
}

/** A live view of the state that processors share: the I/O APIC. */
export function boardBytes(memory: WebAssembly.Memory): Uint8Array {
  return new Uint8Array(memory.buffer, abi.BOARD, abi.BOARD_SIZE);
}

/** The processors' state was replaced: drops decoded code and recomputes what is derived. The TLBs stay. */
export function stateReplaced(core: CoreExports, cpus: number): void {
  core.flushCode();
  core.forgetStops();
  for (let cpu = 0; cpu < cpus; cpu++) core.setState(cpu);
}
