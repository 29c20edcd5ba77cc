/** The test is a thread that sleeps until the device has started and its notifications have come: the machine has to go on until it has said that it is done. */
import type { Machine } from '../../../emulator/index.ts';
import { runUntilDone } from '../wait.ts';

export const run = (machine: Machine): void => runUntilDone(machine);
