import type { Machine } from '../../../emulator/index.ts';

export function run(machine: Machine): void {
  const { outcome, status } = machine.shutdown();
  if (outcome !== 'done' || status !== 0) throw new Error(`shutdown: ${outcome}, status 0x${status.toString(16)}`);
}
