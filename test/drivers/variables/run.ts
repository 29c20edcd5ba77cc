/** What the driver sends to the debugger must have come. */
import type { Machine } from '../../../emulator/index.ts';

export function run(machine: Machine): void {
  const lines = machine.debugLines();
  for (const wanted of ['variables says 42 and more', 'variables returns control C', 'variables is heard again'])
    if (!lines.includes(wanted)) throw new Error(`the debugger did not get "${wanted}"`);
  if (lines.includes('variables is not heard')) throw new Error('a message came that was switched off');
}
