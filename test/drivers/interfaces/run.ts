/** The test is a thread that sleeps while the Plug and Play manager works: the machine has to go on until it has said that it is done. */
import type { Machine } from '../../../emulator/index.ts';
import { runUntilDone } from '../wait.ts';

export const run = (machine: Machine): void => runUntilDone(machine);
