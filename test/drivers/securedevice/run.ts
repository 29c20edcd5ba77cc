/** A program of an administrator's opens the device that its list lets it open, and not the other one. */
import { type Machine, OperationError } from '../../../emulator/index.ts';

const STATUS_ACCESS_DENIED = 0xc0000022;

export function run(machine: Machine): void {
  machine.open('\\Device\\KtestAdminsToo').close();
  try {
    machine.open('\\Device\\KtestSystemAlone').close();
  } catch (e) {
    if (e instanceof OperationError && e.status === STATUS_ACCESS_DENIED) return;
    throw e;
  }
  throw new Error("the system's device was opened by an administrator's program");
}
