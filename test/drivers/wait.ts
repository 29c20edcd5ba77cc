/** For drivers whose test is a thread that sleeps: runs the machine until the driver says that it is done, or stops; at most `seconds` of the guest's. */
import type { Machine } from '../../emulator/index.ts';

export function runUntilDone(machine: Machine, seconds = 10): void {
  for (let i = 0; i < seconds * 20 && machine.bugCheck() === null; i++) {
    if (machine.debugLines().some(line => line.startsWith('KTEST done'))) return;
    machine.runFor(0.05);
  }
}
