/** The tests are threads that sleep: the machine has to go on until they have said that they are done. In the last case it is shut down meanwhile. */
import type { Machine } from '../../../emulator/index.ts';
import { runUntilDone } from '../wait.ts';

export const options = { limitSeconds: 120 };

export function run(machine: Machine, { testCase }: { testCase: number }): void {
  if (testCase === 2) {
    machine.runFor(0.1);
    const { outcome, status } = machine.shutdown();
    if (outcome !== 'done' || status !== 0) throw new Error(`shutdown: ${outcome}, status 0x${status.toString(16)}`);
  }
  runUntilDone(machine, 60);
}
