/** That there was a break is seen from outside only. */
import type { Machine } from '../../../emulator/index.ts';

export function run(machine: Machine): void {
  const breaks = machine.debugLines().filter(line => line.startsWith('Break instruction exception')).length;
  if (breaks !== 3) throw new Error(`three breaks into the debugger expected, ${breaks} came`);
}
