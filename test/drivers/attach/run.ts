/** The program is the other process: its request stays outstanding while the driver looks into it, and ends with it. */
import type { Machine } from '../../../emulator/index.ts';

const STATUS_PROCESS_IS_TERMINATING = 0xc000010a;

export function run(machine: Machine, { testCase }: { testCase: number }): void {
  const file = machine.open('\\Device\\KtestAttach');
  const sent = file.ioctl(0x222003, new Uint8Array(0), 0x1000);
  if (testCase !== 0) return;
  const last = machine.result(sent.id, true);
  if (last.status !== STATUS_PROCESS_IS_TERMINATING)
    throw new Error(`the request of a process that ended: status ${last.status.toString(16)}`);
  // Another program has taken its place; the old handle is none of its own.
  const again = machine.open('\\Device\\KtestAttach');
  again.close();
  // The driver's thread sleeps between two looks at the process.
  machine.runFor(0.5);
}
