/** The program's side: where the services are, and which devices it may open. */
import { type Machine, OperationError } from '../../../emulator/index.ts';

const code = (n: number): number => 0x222000 + n * 4;
const STATUS_ACCESS_DENIED = 0xc0000022;
const SERVICES = [
  'QueueApcThread',
  'TestAlert',
  'NotifyChangeKey',
  'SetValueKey',
  'SetTimer',
  'DelayExecution',
  'LoadDriver',
  'QueryInformationToken',
  'SetInformationToken',
  'SetInformationThread',
  'QueryVirtualMemory',
];

/** The addresses of the stubs in ntdll. */
function stubs(machine: Machine): Uint8Array {
  const bytes = new Uint8Array(SERVICES.length * 8);
  const view = new DataView(bytes.buffer);
  SERVICES.forEach((name, i) => {
    const address = machine.guest.addressOf(`ntdll!Nt${name}`);
    if (address === null) throw new Error(`ntdll has no Nt${name}`);
    view.setBigUint64(i * 8, BigInt(address), true);
  });
  return bytes;
}

export function run(machine: Machine): void {
  const file = machine.open('\\Device\\KtestRing3');
  const must = (n: number, input: Uint8Array = new Uint8Array(0), apc = false): void => {
    const { status } = file.ioctl(code(n), input, 0, { apc });
    if (status !== 0) throw new Error(`control code ${n}: status ${status.toString(16)}`);
  };
  // The program waits alertably for the end of its request: that is when the APCs of the driver run.
  must(0, stubs(machine), true);
  must(1);
  const first = file.ioctl(code(2), new Uint8Array(0), 0, { apc: true });
  must(3, new Uint8Array(0), true);
  machine.runFor(0.1);
  must(4);
  const last = machine.result(first.id, true);
  if (last.status !== 0) throw new Error(`the request that waited: status ${last.status.toString(16)}`);
  machine.open('\\Device\\KtestAdminsOnly').close();
  try {
    machine.open('\\Device\\KtestSystemOnly').close();
    throw new Error("the system's device was opened by an administrator's program");
  } catch (e) {
    if (!(e instanceof OperationError) || e.status !== STATUS_ACCESS_DENIED) throw e;
  }
  must(5);
  file.close();
}
