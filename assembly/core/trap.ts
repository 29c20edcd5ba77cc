import { CR2 } from './layout';

// How an instruction says that it did not complete. A semantic function that meets a fault sets `trap` and returns; nobody
// changes anything after that. The run loop then looks at `trap` (see README, "Rules of a semantic function").

/** The instruction raised an exception: trapVector, trapError. */
export const TRAP_FAULT: u32 = 1;
/** Nothing happened yet: run this instruction again alone (`alone` set), at its exact cycle. */
export const TRAP_REDO: u32 = 2;
/** A memory operand has a non-canonical address: #SS(0) when the op's default segment is SS, else #GP(0). */
export const TRAP_CANONICAL: u32 = 3;

/** A string instruction stopped between two elements (budget, interrupt): its registers say how far it came, and it goes on at its own RIP after the boundary. */
export const TRAP_AGAIN: u32 = 4;

/** 0, or one of TRAP_*. */
export let trap: u32 = 0;
export let trapVector: u32 = 0;
/** Error code, or NO_ERROR_CODE. */
export let trapError: u32 = 0;
export const NO_ERROR_CODE: u32 = 0xffffffff;

/** Nonzero while the current instruction runs as a one-instruction block, so that MMIO, code writes and watched accesses may happen. Set by the run loop. */
export let alone: u32 = 0;
export function setAlone(v: u32): void { alone = v; }

export const DE: u32 = 0, DB: u32 = 1, NMI: u32 = 2, BP: u32 = 3, OF_TRAP: u32 = 4, BR: u32 = 5, UD: u32 = 6, NM: u32 = 7, DF: u32 = 8;
export const TS: u32 = 10, NP: u32 = 11, SS: u32 = 12, GP: u32 = 13, PF: u32 = 14, MF: u32 = 16, AC: u32 = 17, MC: u32 = 18, XM: u32 = 19;

/** Raises an exception without error code. */
export function raise(_cpu: usize, vector: u32): void {
  trap = TRAP_FAULT; trapVector = vector; trapError = NO_ERROR_CODE;
}

/** Raises an exception with an error code (#DF #TS #NP #SS #GP #AC). */
export function raiseError(_cpu: usize, vector: u32, code: u32): void {
  trap = TRAP_FAULT; trapVector = vector; trapError = code;
}

/** Raises #PF for linear `address`; `code` as SDM vol. 3, 4.7. CR2 is written now: nothing can come between. */
export function raisePage(cpu: usize, address: u64, code: u32): void {
  store<u64>(cpu, address, CR2);
  trap = TRAP_FAULT; trapVector = PF; trapError = code;
}

/** The instruction must run alone. */
export function raiseRedo(): void { trap = TRAP_REDO; }

/** See TRAP_AGAIN. */
export function raiseAgain(): void { trap = TRAP_AGAIN; }

/** Non-canonical memory operand: see TRAP_CANONICAL. */
export function raiseCanonical(): void { trap = TRAP_CANONICAL; trapError = 0; }

/** After a stack access (push, pop, call, ret...): its non-canonical address is #SS(0) whatever the op's memory operand uses. */
export function stackFault(cpu: usize): void {
  if (trap == TRAP_CANONICAL) raiseError(cpu, SS, 0);
}

/** Turns TRAP_CANONICAL into #SS(0) or #GP(0); `stackSegment` is bit 0 of the op's flags. */
export function settleCanonical(cpu: usize, stackSegment: u32): void {
  if (trap == TRAP_CANONICAL) raiseError(cpu, (stackSegment & 1) != 0 ? SS : GP, 0);
}

/** Whether an event went through the IDT since forgetEntry(): INT n is then no instruction to single-step. */
let wentIn: bool = false;
export function entered(): bool { return wentIn; }
export function forgetEntry(): void { wentIn = false; }
export function noteEntry(): void { wentIn = true; }

export function clearTrap(): void { trap = 0; }
