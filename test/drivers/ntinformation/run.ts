/** One request of a program, in whose name the driver calls the services. */
import type { Machine } from '../../../emulator/index.ts';

/** CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_NEITHER, FILE_ANY_ACCESS). */
const CONTROL = 0x222003;

export function run(machine: Machine): void {
  const file = machine.open('\\Device\\KtestInformation');
  const reply = file.ioctl(CONTROL, new Uint8Array(4), 1024);
  if (reply.status !== 0) throw new Error(`status 0x${reply.status.toString(16)}`);
  file.close();
}
