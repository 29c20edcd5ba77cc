import { ACTIVITY_HALTED, ACTIVITY_MWAIT, ACTIVITY_RUNNING, ATTENTION_DEBUG, ATTENTION_INTERRUPT, ATTENTION_NMI, EXIT_TURN, requestExit, runningCpu, updateAttention } from './boundary';
import { ACTIVITY, ATTENTION, CYCLES } from './layout';
import { cpuAt, cpuCount } from './map';

// What instructions and messages have to do with the turns that schedule.ts gives to several processors.

/** The processor whose turn it is (u32). */
export const CURRENT: usize = 0x300240;
/** Cycle of the current processor at which its turn ends (u64). */
export const TURN_END: usize = 0x300248;
/** Latest cycle that software on any processor has read from a clock (u64); the host reads it too. */
export const CLOCK_SEEN: usize = 0x300258;

/** Whether the processor executes instructions, or is about to because something woke it. */
export function awake(cpu: usize): bool {
  const activity = load<u32>(cpu, ACTIVITY);
  return activity == ACTIVITY_RUNNING || ((activity == ACTIVITY_HALTED || activity == ACTIVITY_MWAIT) && (load<u32>(cpu, ATTENTION) & (ATTENTION_INTERRUPT | ATTENTION_NMI | ATTENTION_DEBUG)) != 0);
}

/** After something came in that may be delivered: the processor looks at it at its next boundary, and wakes up for it. */
export function arrived(cpu: usize): void {
  const slept = !awake(cpu);
  updateAttention(cpu);
  if (slept && awake(cpu)) wake(cpu);
}

/** Ends the turn under way after the present instruction. */
export function endTurn(): void {
  if (cpuCount == 1) return;
  const cpu = cpuAt(load<u32>(CURRENT));
  if (load<u64>(TURN_END) > load<u64>(cpu, CYCLES)) store<u64>(TURN_END, load<u64>(cpu, CYCLES));
  if (runningCpu() != 0) requestExit(EXIT_TURN);
}

/**
 * A processor that slept has something to do, or one that was awake sleeps, by the hand of the current processor or of the board: it is now there what the current one's
 * counter says. Ends the turn, so that it comes in at once.
 */
export function wake(cpu: usize): void {
  if (cpuCount == 1) return;
  if (cpu == cpuAt(load<u32>(CURRENT))) return;
  comeTo(cpu);
  endTurn();
}

/** A processor that slept is where the current one is, unless it is further. */
export function comeTo(cpu: usize): void {
  const now = load<u64>(cpuAt(load<u32>(CURRENT)), CYCLES);
  if (load<u64>(cpu, CYCLES) < now) store<u64>(cpu, now, CYCLES);
}

/** The cycle that a clock (the TSC, or a device that is about to be accessed) shows to software on `cpu`: its own, but never less than what software has seen on another processor. */
export function clockCycle(cpu: usize): u64 {
  const now = load<u64>(cpu, CYCLES);
  if (cpuCount == 1) return now;
  const seen = load<u64>(CLOCK_SEEN);
  if (seen > now) return seen;
  store<u64>(CLOCK_SEEN, now);
  return now;
}
