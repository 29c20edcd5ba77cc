import { MISSING } from './block';
import { blocksDecoded as decoded, flushCode as dropCode, initBlocks } from './blocks';
import { forgetBreakpoint, runCpu } from './run';
import { breakpointTable as breakpoints, setBreakpointCount } from './breakpoints';
import { CPU_SIZE } from './layout';
import { cpuAt, MAX_CPUS, PAGE_FLAGS, RAM_BASE, setCpuCount, setRamSize } from './map';
import { getFlags, materialize, setFlags } from './flags';
import { ioapicReset } from './ioapic';
import { forgetExit, updateAttention, requestExit, EXIT_STOP, EXIT_TURN } from './boundary';
import { updateMode } from './mode';
import { resetProcessor } from './reset';
import { frontier, position, runProcessors, seedSchedule } from './schedule';
import { awake, clockCycle } from './turns';

// The exports of the core: README, "The ABI". A `cpu` here is a processor's number.

export { codeFlushes } from './blocks';
export { setTracing } from './events';
export { hostInvalidate, hostTlbFlush, localApicRead as apicRead, localApicWrite as apicWrite, nextTimer, raiseException, setState, translate } from './host';
export { setCpuidConfig } from './cpuid';
export { setRandomSeed } from './random';
export { clearDirty, hostWrote, setMmioHigh } from './physical';
export { ioapicLine, ioapicRead, ioapicWrite } from './ioapic';
export { ignne } from './ferr';
export { intrLine } from './intr';
export { msi } from './apic';
export { getApicDivider, setApicDivider } from './apictimer';
export { currentCpu, setTurnLimit } from './schedule';
export { setGateRange, setWatch, watchAddressHi, watchAddressLo, watchHit, watchKind, watchTable } from './debug';

/** Bytes of linear memory that a machine with that much RAM needs. */
export function memorySize(ramBytes: u32, _cpus: u32): u32 { return <u32>RAM_BASE + ramBytes; }

/** Lays memory out and resets every processor. RAM itself is left as it is. `ramBytes` is a multiple of 4096 up to 3 GiB, `cpus` 1 to 8. Called once, on zeroed memory. */
export function init(ramBytes: u32, cpus: u32): void {
  setRamSize(ramBytes);
  setCpuCount(cpus < MAX_CPUS ? cpus : MAX_CPUS);
  initBlocks();
  ioapicReset();
  for (let n: u32 = 0; n < cpus; n++) resetProcessor(cpuAt(n), n);
}

/** Processor reset state (SDM vol. 3, table 10-1). */
export function reset(cpu: u32): void { resetProcessor(cpuAt(cpu), cpu); }

/** Addresses in linear memory: a processor's structure, RAM, one byte of flags a physical page. */
export function cpuBase(cpu: u32): u32 { return <u32>cpuAt(cpu); }
export function cpuStateSize(): u32 { return <u32>CPU_SIZE; }
export function ramBase(): u32 { return <u32>RAM_BASE; }
export function pageFlags(): u32 { return <u32>PAGE_FLAGS; }

/** Executes until CYCLES >= until at an instruction boundary, or an exit; returns the exit reason (EXIT_* in boundary.ts). */
export function run(cpu: u32, untilLo: u32, untilHi: u32): u32 {
  let reason: u32;
  // Who runs one processor alone is not told of turns.
  do reason = runCpu(cpuAt(cpu), (<u64>untilHi << 32) | <u64>untilLo, ~(<u64>0)); while (reason == EXIT_TURN);
  return reason;
}

/**
 * Runs all processors in turn, as `schedule.ts` says, until every processor has reached cycle `event` or `until`, or the position `at`, or an exit of one of them (the current one then).
 * No processor runs past `event`. All ones: never.
 */
export function runAll(eventLo: u32, eventHi: u32, untilLo: u32, untilHi: u32, atLo: u32, atHi: u32): u32 {
  return runProcessors((<u64>eventHi << 32) | <u64>eventLo, (<u64>untilHi << 32) | <u64>untilLo, (<u64>atHi << 32) | <u64>atLo);
}
/** The cycle that every processor has reached. */
export function frontierCycle(): f64 { return <f64>frontier(); }
/** A number that grows with every boundary of any processor. */
export function schedulePosition(): f64 { return <f64>position(); }
/** Software on `cpu` looks at a clock of the host's: what it shows from now on is never less than what this processor's counter says. */
export function clockRead(cpu: u32): void { clockCycle(cpuAt(cpu)); }
/** 1 if the processor executes instructions or is about to; 0 if it sleeps, or waits for a start-up message. */
export function isAwake(cpu: u32): u32 { return awake(cpuAt(cpu)) ? 1 : 0; }
/** The seed of the interleaving. */
export function setScheduleSeed(seed: u32): void { seedSchedule(seed); }

/** Makes the run that is under way (from inside an import) or the next one return STOP. */
export function requestStop(): void { requestExit(EXIT_STOP); }

/** RFLAGS with the lazy flags computed. */
export function flagsGet(cpu: u32): u32 { return getFlags(cpuAt(cpu)); }
/** Sets RFLAGS and what depends on it. */
export function flagsSet(cpu: u32, f: u32): void {
  setFlags(cpuAt(cpu), f);
  updateMode(cpuAt(cpu));
  updateAttention(cpuAt(cpu));
}
/** Puts the lazy flags into their one canonical form, before the CPU structure is saved or hashed. */
export function flagsMaterialize(cpu: u32): void { materialize(cpuAt(cpu)); }

/** Drops all decoded code (after a restore). */
export function flushCode(): void { dropCode(); }

/** After a restore: a stop that was asked for, and the breakpoint that the last run stopped at, belong to the state before. */
export function forgetStops(): void {
  forgetExit();
  forgetBreakpoint();
}

/** Where the host writes breakpoint addresses: u64 linear addresses, ascending, at most 256. */
export function breakpointTable(): u32 { return <u32>breakpoints(); }
/** The first `count` addresses of the table are breakpoints from now on. */
export function setBreakpoints(count: u32): void {
  setBreakpointCount(count);
  forgetBreakpoint();
  dropCode();
}

/** Table of u32 counts by (opcode map << 8 | opcode), 7 * 256 of them: executed opcodes that no form has. Maps: one byte, 0F, 0F38, 0F3A, and the last three under VEX. */
export function opsMissing(): u32 { return <u32>MISSING; }

/** Statistics, not state: blocks decoded so far (and `codeFlushes`: how often all decoded code was dropped). */
export function blocksDecoded(): u32 { return decoded; }
