import { CODE_WRITE_SET, CODE_WRITES, FAST_SET_SIZE, FAST_SETS, RAM_BASE } from './map';
import { FAST, FAST_CODE, HELD_PA, HELD_SIZE, HELD_VALUE } from './layout';
import { noteAccess, WATCH_WRITE } from './debug';
import { updateMode } from './mode';
import { SET_CHECKED } from './mem';
import { ramStored, storeSized } from './physical';

// Processors take turns (schedule.ts), so that all stores of a turn become visible together; but the last instruction of a turn keeps its last
// store back until its processor goes on. So a read-modify-write without LOCK is no atomic one: what the others store meanwhile is lost, as it can be on a
// real processor, whose stores wait in a buffer too (SDM vol. 3, 9.2). Memory order stays stronger than x86 demands: no load passes an older store.
//
// What is held is part of the machine's state, and so is which instruction is the last of its turn: slices do not show.

/** Why the fast tables are out of use: not at all; for a held store; the same while alignment is checked. */
const OFF: u32 = 0, ON: u32 = 1, ON_CHECKED: u32 = 2;
let holding: u32 = OFF;

/** Whether the present instruction's last store is to be held. */
export function isHolding(): bool { return holding != OFF; }
/** Alignment checking (#AC) selects the table set in which nothing is entered, and so does holding. */
export function holdsUnchecked(): bool { return holding == ON; }

/** The next instruction of `cpu` is the last one of its turn and not a locked one. Afterwards: endHold. */
export function beginHold(cpu: usize): void {
  const empty = <u32>(cpu + FAST_SETS) + SET_CHECKED * <u32>FAST_SET_SIZE;
  holding = load<u32>(cpu, FAST) == empty ? ON_CHECKED : ON;
  store<u32>(cpu, empty, FAST);
  store<u32>(cpu, <u32>(cpu + CODE_WRITES) + SET_CHECKED * <u32>CODE_WRITE_SET, FAST_CODE);
}

/** After the instruction. What it held becomes visible now if it did not complete: exceptions use the stack. */
export function endHold(cpu: usize, completed: bool): void {
  holding = OFF;
  updateMode(cpu);
  if (!completed) drain(cpu);
}

/** The instruction's stores must not be held: it has LOCK's effect without the prefix, or stores more than one word at once. */
export function dontHold(cpu: usize): void {
  if (holding == OFF) return;
  drain(cpu);
  endHold(cpu, true);
}

/** A store of at most 8 bytes to RAM at `pa`, in one page, after all checks. An older one goes first. */
export function hold(cpu: usize, va: u64, pa: u32, size: u32, v: u64): void {
  drain(cpu);
  noteAccess(va, pa, size, WATCH_WRITE);
  store<u32>(cpu, pa, HELD_PA);
  store<u32>(cpu, size, HELD_SIZE);
  store<u64>(cpu, v, HELD_VALUE);
}

/** Makes the held store, if there is one: the processor goes on, or reads what it has just written. */
export function drain(cpu: usize): void {
  const size = load<u32>(cpu, HELD_SIZE);
  if (size == 0) return;
  const pa = load<u32>(cpu, HELD_PA);
  storeSized(RAM_BASE + <usize>pa, size, load<u64>(cpu, HELD_VALUE));
  store<u32>(cpu, 0, HELD_PA);
  store<u32>(cpu, 0, HELD_SIZE);
  store<u64>(cpu, 0, HELD_VALUE);
  ramStored(pa, size);
}
