/** Sending a request of the Plug and Play manager to a device's stack and waiting for its end (IopSynchronousCall). */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { callDriverThen, PDEVICE_OBJECT } from '../io/call.ts';
import { attachedDevice, D } from '../io/device.ts';
import { I, ioAllocateIrp, nextLocation, ntError, queueIrpToThread, S, setIrpStatus } from '../io/irp.ts';
import { IO_STACK_LOCATION, IO_STATUS_BLOCK, IRP_MJ_PNP } from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_NOT_SUPPORTED, STATUS_PENDING } from '../types/status.ts';
import { u64 } from '../types/struct.ts';
import { call, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, ULONG, ULONG64, wait } from '../exports/declare.ts';

/** Locals that a routine needs to send requests. */
export const sendFrame = { Stack: IO_STACK_LOCATION, Information: u64 } as const;
export interface SendFrame {
  get(n: 'Stack'): number;
  address(n: 'Information'): number;
}

/** Sends an IRP_MJ_PNP request to the top of `device`'s stack; step `then` gets its status. `parameters` are the four arguments of the stack location. */
export function sendPnp(
  k: Kernel,
  f: SendFrame,
  device: number,
  minor: number,
  parameters: readonly (number | bigint)[],
  then: string,
  major: number = IRP_MJ_PNP,
): Outcome {
  const stack = f.get('Stack');
  k.mem.fill(stack, IO_STACK_LOCATION.size, 0);
  S.MajorFunction.set(k.mem, stack, major);
  S.MinorFunction.set(k.mem, stack, minor);
  parameters.forEach((p, i) => k.mem.write64(stack + S.Argument1.offset + i * 8, BigInt.asUintN(64, BigInt(p))));
  return call(k.address('nt!IopSynchronousCall'), [device, stack, STATUS_NOT_SUPPORTED, 0, f.address('Information')], then);
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'IopSynchronousCall',
    internal: true,
    doc: "Sends a request that a stack location describes to the top of a device's stack and waits for it.",
    args: {
      DeviceObject: PDEVICE_OBJECT,
      TopStackLocation: PVOID,
      InitialStatus: ULONG,
      InitialInformation: ULONG64,
      Information: PVOID,
    },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { Event: KEVENT, Iosb: IO_STATUS_BLOCK },
    steps: {
      start(k, f, _rax, { DeviceObject, TopStackLocation, InitialStatus, InitialInformation }) {
        const { mem } = k;
        const top = attachedDevice(k, DeviceObject);
        const irp = ioAllocateIrp(k, D.StackSize.get(mem, top));
        if (!irp) return ret(STATUS_INSUFFICIENT_RESOURCES);
        keInitializeEvent(k, f.get('Event'), 1, false);
        mem.fill(f.get('Iosb'), IO_STATUS_BLOCK.size, 0);
        setIrpStatus(k, irp, InitialStatus, InitialInformation);
        I.UserIosb.set(mem, irp, f.get('Iosb'));
        I.UserEvent.set(mem, irp, f.get('Event'));
        I.Thread.set(mem, irp, k.currentThread());
        queueIrpToThread(k, irp);
        const stack = nextLocation(k, irp);
        mem.copy(stack, TopStackLocation, S.DeviceObject.offset);
        S.Control.set(mem, stack, 0);
        return callDriverThen(k, top, irp, 'called');
      },
      called(k, f, rax, { Information }) {
        if (rax !== STATUS_PENDING) return finish(k, f.get('Iosb'), rax, Information);
        return keWait(k, [f.get('Event')]) === 'blocked'
          ? wait('waited')
          : finish(k, f.get('Iosb'), k.mem.read32(f.get('Iosb')), Information);
      },
      waited: (k, f, _rax, { Information }) => finish(k, f.get('Iosb'), k.mem.read32(f.get('Iosb')), Information),
    },
  }),
];

function finish(k: Kernel, iosb: number, status: number, information: number): Outcome {
  if (information) k.mem.write64(information, ntError(status) ? 0n : k.mem.read64(iosb + 8));
  return ret(status);
}
