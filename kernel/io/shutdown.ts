/**
 * The end of the system as drivers hear of it: devices that registered get IRP_MJ_SHUTDOWN, the newest registration first; then the file systems; then those that registered for the
 * last chance. Source: IoRegisterShutdownNotification, IoRegisterLastChanceShutdownNotification (WDK).
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { insertHeadList, listEntries, removeEntryList, removeHeadList } from '../rtl/list.ts';
import { DO_SHUTDOWN_REGISTERED, IO_STATUS_BLOCK, IRP_MJ_SHUTDOWN } from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_PENDING, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, ret, VOID, wait } from '../exports/declare.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { callDriverThen, PDEVICE_OBJECT } from './call.ts';
import { D } from './device.ts';
import { fileSystems } from './filesystem.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
/** A registration: links, device. */
const PACKET_SIZE = 0x18,
  PACKET_DEVICE = 0x10;
const QUEUES = ['IopShutdownQueueHead', 'IopLastChanceShutdownQueueHead'] as const;

/** Takes back all that a device registered for. */
export function unregisterShutdown(k: Kernel, device: number): void {
  for (const queue of QUEUES) {
    for (const entry of [...listEntries(k.mem, k.global.address(queue))]) {
      if (k.mem.readPtr(entry + PACKET_DEVICE) !== device) continue;
      removeEntryList(k.mem, entry);
      exFreePool(k, entry, 0);
      obDereferenceDeferred(k, device);
    }
  }
  D.Flags.set(k.mem, device, D.Flags.get(k.mem, device) & ~DO_SHUTDOWN_REGISTERED);
}

interface ShutdownFrame {
  get(n: 'Phase' | 'Index' | 'Device' | 'Event' | 'Iosb'): number;
  set(n: 'Phase' | 'Index' | 'Device', v: number): void;
}

/** The device that hears of it next; 0 when all have. A registered device comes with the reference of its registration. */
function nextDevice(k: Kernel, f: ShutdownFrame): number {
  for (;;) {
    const phase = f.get('Phase');
    if (phase > 2) return 0;
    if (phase === 1) {
      const i = f.get('Index');
      const device = fileSystems(k)[i];
      f.set('Index', i + 1);
      if (device) return device;
    } else {
      const entry = removeHeadList(k.mem, k.global.address(QUEUES[phase / 2]!));
      if (entry) {
        const device = k.mem.readPtr(entry + PACKET_DEVICE);
        exFreePool(k, entry, 0);
        return device;
      }
    }
    f.set('Phase', phase + 1);
  }
}

function tellNext(k: Kernel, f: ShutdownFrame): Outcome {
  const device = nextDevice(k, f);
  if (!device) return call(k.address('nt!PopShutdownDevices'), [], 'off');
  f.set('Device', device);
  keInitializeEvent(k, f.get('Event'), 0, false);
  return call(
    k.address('nt!IoBuildSynchronousFsdRequest'),
    [IRP_MJ_SHUTDOWN, device, 0, 0, 0, f.get('Event'), f.get('Iosb')],
    'built',
  );
}

/** A device has heard of it; the reference of its registration goes. */
function told(k: Kernel, f: ShutdownFrame): Outcome {
  if (f.get('Phase') !== 1) {
    const device = f.get('Device');
    D.Flags.set(k.mem, device, D.Flags.get(k.mem, device) & ~DO_SHUTDOWN_REGISTERED);
    obDereferenceDeferred(k, device);
  }
  return tellNext(k, f);
}

const register = (name: string, queue: (typeof QUEUES)[number], doc: string): NtExport =>
  ntExport({
    name,
    doc,
    irql: PASSIVE,
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl(k, { DeviceObject }) {
      const entry = exAllocatePool(k, NonPagedPoolNx, PACKET_SIZE, poolTag('IoSh'));
      if (!entry) return STATUS_INSUFFICIENT_RESOURCES;
      k.mem.writePtr(entry + PACKET_DEVICE, DeviceObject);
      obReferenceObject(k, DeviceObject);
      insertHeadList(k.mem, k.global.address(queue), entry);
      D.Flags.set(k.mem, DeviceObject, D.Flags.get(k.mem, DeviceObject) | DO_SHUTDOWN_REGISTERED);
      return STATUS_SUCCESS;
    },
  });

export const exports: NtExport[] = [
  register(
    'IoRegisterShutdownNotification',
    'IopShutdownQueueHead',
    'Registers a device to get IRP_MJ_SHUTDOWN when the system shuts down.',
  ),
  register(
    'IoRegisterLastChanceShutdownNotification',
    'IopLastChanceShutdownQueueHead',
    'Registers a device to get IRP_MJ_SHUTDOWN when the system shuts down, after the file systems have.',
  ),
  ntExport({
    name: 'IoUnregisterShutdownNotification',
    doc: 'Takes back what a device registered for shutdown.',
    irql: PASSIVE,
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl: (k, { DeviceObject }) => unregisterShutdown(k, DeviceObject),
  }),
  ntSteps({
    name: 'IopShutdownSystem',
    internal: true,
    doc: 'Sends IRP_MJ_SHUTDOWN to whoever asked for it, then tells the devices that the power goes.',
    args: {},
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { Phase: u32, Index: u32, Device: ptr, Event: KEVENT, Iosb: IO_STATUS_BLOCK },
    steps: {
      start(k, f) {
        f.set('Phase', 0);
        f.set('Index', 0);
        return tellNext(k, f);
      },
      built(k, f) {
        const irp = Number(BigInt.asIntN(64, k.rax64()));
        return irp ? callDriverThen(k, f.get('Device'), irp, 'called') : told(k, f);
      },
      called(k, f, rax) {
        if (rax === STATUS_PENDING && keWait(k, [f.get('Event')]) === 'blocked') return wait('waited');
        return told(k, f);
      },
      waited: (k, f) => told(k, f),
      off: (_k, _f, rax) => ret(rax),
    },
  }),
];
