import type { Machine } from '../../../emulator/index.ts';

/** The driver ends the program that carries out the requests: it must have none meanwhile. */
export function run(machine: Machine): void {
  machine.runFor(0.3);
}
