import { ACTIVITY_HALTED, updateAttention } from './boundary';
import { ferr } from './env';
import { ACTIVITY } from './layout';
import { BOARD } from './map';
import { alone, raiseAgain, raiseRedo } from './trap';

// How x87 exceptions are reported with CR0.NE clear (SDM vol. 1, 8.7.2 and appendix D): the waiting instruction drives FERR#, which a PC's board makes IRQ 13, and the processor
// stands still until an interrupt comes. The handler writes port F0h, upon which the board asserts IGNNE#: waiting instructions then run although an exception is pending.
// IGNNE# goes with FERR#, when no exception is pending any more.

/** Levels of IGNNE# and FERR#, u32 each; state. */
const IGNNE: usize = BOARD + 0x208, FERR: usize = BOARD + 0x20c;

/** The board drives IGNNE#. */
export function ignne(level: u32): void { store<u32>(IGNNE, level); }

/** A waiting instruction finds an exception pending: false if it runs all the same. */
export function stopsForFerr(cpu: usize): bool {
  if (load<u32>(IGNNE) != 0) return false;
  if (alone == 0) { raiseRedo(); return true; }
  store<u32>(FERR, 1);
  ferr(1);
  store<u32>(cpu, ACTIVITY_HALTED, ACTIVITY);
  updateAttention(cpu);
  raiseAgain();
  return true;
}

/** No exception is pending any more. */
export function ferrCleared(): void {
  if (load<u32>(FERR) == 0) return;
  store<u32>(FERR, 0);
  store<u32>(IGNNE, 0);
  ferr(0);
}
