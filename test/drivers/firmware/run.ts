import type { Machine } from '../../../emulator/index.ts';
import type { End } from '../suite.ts';

const INTERRUPTS = 0x200;

/** Runs until the machine ends, or a processor stands still for good. */
export function run(machine: Machine, { testCase }: { testCase: number }): End | void {
  if (testCase === 3) return undefined;
  const stop = machine.run(machine.cycle + Math.floor(machine.config.tscHz / 5));
  if (stop.reason === 'power' && stop.power?.kind === 'off') return 'off';
  if (stop.reason === 'power' && stop.power?.kind === 'reset') return 'reset';
  if (machine.cpus.some(cpu => cpu.halted && !(Number(cpu.rflags) & INTERRUPTS))) return 'halted';
  throw new Error(`the machine goes on (${stop.reason})`);
}
