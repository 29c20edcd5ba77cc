/**
 * Device queues and StartIo. A KDEVICE_QUEUE serialises the work of a device: the first entry finds it idle, makes it busy and is not queued; the others wait. IoStartPacket and
 * IoStartNextPacket use the one in the device object and call the driver's StartIo at DISPATCH_LEVEL, one IRP at a time.
 */
import type { Kernel } from '../kernel.ts';
import { insertTailList, listEntries, removeEntryList, removeHeadList } from '../rtl/list.ts';
import { DEVICE_QUEUE_NOT_BUSY } from '../types/bugcodes.ts';
import { DRIVER_OBJECT } from '../types/io.ts';
import { KDEVICE_QUEUE, KDEVICE_QUEUE_ENTRY } from '../types/ke.ts';
import { u32, u8 } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type Frame,
  type NtExport,
  ntExport,
  ntSteps,
  type Outcome,
  pointer,
  PVOID,
  ret,
  retry,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { PDEVICE_OBJECT, PIRP } from './call.ts';
import { acquireCancelLock, releaseCancelLock } from './cancel.ts';
import { D, extensionOf, initializeDeviceQueue, X } from './device.ts';
import { I } from './irp.ts';

const Q = KDEVICE_QUEUE.f;
const E = KDEVICE_QUEUE_ENTRY.f;
const DISPATCH_LEVEL = 2;
const PKDEVICE_QUEUE = pointer('PKDEVICE_QUEUE');
const PKDEVICE_QUEUE_ENTRY = pointer('PKDEVICE_QUEUE_ENTRY');
/** DEVOBJ_EXTENSION.StartIoFlags: the two of IoSetStartIoAttributes, and the IoStartNextPacket that waits for StartIo to return. */
const START_IO_DEFERRED = 1,
  START_IO_NON_CANCELABLE = 2,
  START_IO_REQUESTED = 4,
  START_IO_BY_KEY = 8,
  START_IO_CANCELABLE = 0x10;

/** Queues an entry, behind the others or (with a key) before the first with a greater key. False when the queue was idle: it is busy now and the entry not queued. */
export function insertDeviceQueue(k: Kernel, queue: number, entry: number, key: number | null): boolean {
  const { mem } = k;
  if (!Q.Busy.get(mem, queue)) {
    Q.Busy.set(mem, queue, 1);
    E.Inserted.set(mem, entry, 0);
    return false;
  }
  E.SortKey.set(mem, entry, key ?? 0);
  E.Inserted.set(mem, entry, 1);
  const head = queue + Q.DeviceListHead.offset;
  let before = head;
  if (key !== null) before = [...listEntries(mem, head)].find(e => E.SortKey.get(mem, e) > key) ?? head;
  insertTailList(mem, before, entry);
  return true;
}

/** Takes the next entry (with a key: the first whose key is not less, else the first). 0 when there is none: the queue is idle then. DEVICE_QUEUE_NOT_BUSY when it was idle. */
export function removeDeviceQueue(k: Kernel, queue: number, key: number | null, ifBusy = false): number {
  const { mem } = k;
  if (!Q.Busy.get(mem, queue)) {
    if (ifBusy) return 0;
    k.bugCheck(DEVICE_QUEUE_NOT_BUSY, queue, 0, 0, 0, 'an entry was taken from a device queue that is not busy');
  }
  const head = queue + Q.DeviceListHead.offset;
  let entry = 0;
  if (key === null) entry = removeHeadList(mem, head);
  else {
    const all = [...listEntries(mem, head)];
    entry = all.find(e => E.SortKey.get(mem, e) >= key) ?? all[0] ?? 0;
    if (entry) removeEntryList(mem, entry);
  }
  if (entry) E.Inserted.set(mem, entry, 0);
  else Q.Busy.set(mem, queue, 0);
  return entry;
}

function startIo(k: Kernel, device: number, irp: number, then: string): Outcome {
  const routine = DRIVER_OBJECT.f.DriverStartIo.get(k.mem, D.DriverObject.get(k.mem, device));
  return call(routine, [device, irp], then);
}

const frame = { Irql: u8, Key: u32 } as const;

/** Takes the next IRP of the device's queue and calls StartIo with it (step `started`), or `none` when there is none. */
function nextPacket(k: Kernel, device: number, key: number | null, cancelable: boolean, none: () => Outcome): Outcome {
  const { mem } = k;
  let irql = -1;
  if (cancelable) {
    irql = acquireCancelLock(k);
    if (irql < 0) return retry;
  }
  D.CurrentIrp.set(mem, device, 0);
  const entry = removeDeviceQueue(k, device + D.DeviceQueue.offset, key);
  const irp = entry ? entry - I.DeviceQueueEntry.offset : 0;
  if (irp) {
    D.CurrentIrp.set(mem, device, irp);
    if (cancelable && X.StartIoFlags.get(mem, extensionOf(k, device)) & START_IO_NON_CANCELABLE) I.CancelRoutine.set(mem, irp, 0);
  }
  if (cancelable) releaseCancelLock(k, irql);
  return irp ? startIo(k, device, irp, 'started') : none();
}

/** IoStartNextPacket: at once, or (DeferredStartIo, and StartIo runs) noted for when StartIo returns. */
function startNext(k: Kernel, device: number, key: number | null, cancelable: boolean): Outcome {
  const { mem } = k;
  const x = extensionOf(k, device);
  const flags = X.StartIoFlags.get(mem, x);
  if (!(flags & START_IO_DEFERRED)) return nextPacket(k, device, key, cancelable, ret);
  if (X.StartIoCount.get(mem, x) === 0) {
    const outcome = nextPacket(k, device, key, cancelable, ret);
    if (outcome.do === 'call') X.StartIoCount.set(mem, x, 1);
    return outcome;
  }
  X.StartIoKey.set(mem, x, (key ?? 0) | 0);
  X.StartIoFlags.set(
    mem,
    x,
    flags | START_IO_REQUESTED | (key === null ? 0 : START_IO_BY_KEY) | (cancelable ? START_IO_CANCELABLE : 0),
  );
  return ret();
}

/** StartIo has returned. What it asked for meanwhile (DeferredStartIo) is done now; `end` when there is nothing. */
function startIoReturned(k: Kernel, device: number, end: () => Outcome): Outcome {
  const { mem } = k;
  const x = extensionOf(k, device);
  const flags = X.StartIoFlags.get(mem, x);
  if (!(flags & START_IO_DEFERRED)) return end();
  if (!(flags & START_IO_REQUESTED)) {
    X.StartIoCount.set(mem, x, 0);
    return end();
  }
  const key = flags & START_IO_BY_KEY ? X.StartIoKey.get(mem, x) >>> 0 : null;
  const outcome = nextPacket(k, device, key, (flags & START_IO_CANCELABLE) !== 0, end);
  if (outcome.do === 'retry') return outcome;
  X.StartIoFlags.set(mem, x, flags & ~(START_IO_REQUESTED | START_IO_BY_KEY | START_IO_CANCELABLE));
  if (outcome.do !== 'call') X.StartIoCount.set(mem, x, 0);
  return outcome;
}

const queueRoutines: NtExport[] = [
  ntExport({
    name: 'KeInitializeDeviceQueue',
    doc: 'Makes a device queue empty and not busy.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { DeviceQueue: PKDEVICE_QUEUE },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl(k, { DeviceQueue }) {
      k.mem.probe(DeviceQueue, KDEVICE_QUEUE.size, true);
      initializeDeviceQueue(k, DeviceQueue);
    },
  }),
  ntExport({
    name: 'KeInsertDeviceQueue',
    doc: 'Queues an entry, or makes the queue busy and returns FALSE when it was idle.',
    irql: { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' },
    args: { DeviceQueue: PKDEVICE_QUEUE, DeviceQueueEntry: PKDEVICE_QUEUE_ENTRY },
    returns: BOOLEAN,
    cycles: 50,
    status: 'full',
    impl: (k, a) => insertDeviceQueue(k, a.DeviceQueue, a.DeviceQueueEntry, null),
  }),
  ntExport({
    name: 'KeInsertByKeyDeviceQueue',
    doc: 'KeInsertDeviceQueue by a sort key.',
    irql: { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' },
    args: { DeviceQueue: PKDEVICE_QUEUE, DeviceQueueEntry: PKDEVICE_QUEUE_ENTRY, SortKey: ULONG },
    returns: BOOLEAN,
    cycles: 70,
    status: 'full',
    impl: (k, a) => insertDeviceQueue(k, a.DeviceQueue, a.DeviceQueueEntry, a.SortKey),
  }),
  ntExport({
    name: 'KeRemoveDeviceQueue',
    doc: 'Takes the first entry of a device queue; with none the queue becomes idle.',
    irql: { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' },
    args: { DeviceQueue: PKDEVICE_QUEUE },
    returns: PKDEVICE_QUEUE_ENTRY,
    cycles: 50,
    status: 'full',
    impl: (k, a) => removeDeviceQueue(k, a.DeviceQueue, null),
  }),
  ntExport({
    name: 'KeRemoveByKeyDeviceQueue',
    doc: 'Takes the first entry whose key is not less than the given one.',
    irql: { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' },
    args: { DeviceQueue: PKDEVICE_QUEUE, SortKey: ULONG },
    returns: PKDEVICE_QUEUE_ENTRY,
    cycles: 70,
    status: 'full',
    impl: (k, a) => removeDeviceQueue(k, a.DeviceQueue, a.SortKey),
  }),
  ntExport({
    name: 'KeRemoveByKeyDeviceQueueIfBusy',
    doc: 'KeRemoveByKeyDeviceQueue that returns NULL for an idle queue.',
    irql: { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' },
    args: { DeviceQueue: PKDEVICE_QUEUE, SortKey: ULONG },
    returns: PKDEVICE_QUEUE_ENTRY,
    cycles: 70,
    status: 'full',
    impl: (k, a) => removeDeviceQueue(k, a.DeviceQueue, a.SortKey, true),
  }),
  ntExport({
    name: 'KeRemoveEntryDeviceQueue',
    doc: 'Takes a given entry from a device queue; whether it was queued.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { DeviceQueue: PKDEVICE_QUEUE, DeviceQueueEntry: PKDEVICE_QUEUE_ENTRY },
    returns: BOOLEAN,
    cycles: 50,
    status: 'full',
    impl(k, { DeviceQueueEntry }) {
      if (!E.Inserted.get(k.mem, DeviceQueueEntry)) return false;
      removeEntryList(k.mem, DeviceQueueEntry);
      E.Inserted.set(k.mem, DeviceQueueEntry, 0);
      return true;
    },
  }),
];

export const exports: NtExport[] = [
  ...queueRoutines,
  ntSteps({
    name: 'IoStartPacket',
    doc: "Calls the driver's StartIo with an IRP, or queues the IRP when the device is busy.",
    irql: { max: 'DISPATCH_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP, Key: PVOID, CancelFunction: PVOID },
    returns: VOID,
    cycles: 120,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, { DeviceObject, Irp, Key, CancelFunction }) {
        const { mem } = k;
        const key = Key ? mem.read32(Key) : null;
        let cancelIrql = -1;
        const before = k.irql;
        if (CancelFunction) {
          cancelIrql = acquireCancelLock(k);
          if (cancelIrql < 0) return retry;
          I.CancelRoutine.set(mem, Irp, CancelFunction);
        }
        f.set('Irql', before);
        if (k.irql < DISPATCH_LEVEL) k.irql = DISPATCH_LEVEL;
        if (!insertDeviceQueue(k, DeviceObject + D.DeviceQueue.offset, Irp + I.DeviceQueueEntry.offset, key)) {
          D.CurrentIrp.set(mem, DeviceObject, Irp);
          if (CancelFunction) {
            if (X.StartIoFlags.get(mem, extensionOf(k, DeviceObject)) & START_IO_NON_CANCELABLE) I.CancelRoutine.set(mem, Irp, 0);
            releaseCancelLock(k, DISPATCH_LEVEL);
          }
          const x = extensionOf(k, DeviceObject);
          if (X.StartIoFlags.get(mem, x) & START_IO_DEFERRED) X.StartIoCount.set(mem, x, 1);
          return startIo(k, DeviceObject, Irp, 'started');
        }
        if (CancelFunction && I.Cancel.get(mem, Irp)) {
          // Cancelled before it was queued: its cancel routine ends it; the routine gives the lock back.
          I.CancelIrql.set(mem, Irp, DISPATCH_LEVEL);
          I.CancelRoutine.set(mem, Irp, 0);
          return call(CancelFunction, [DeviceObject, Irp], 'cancelled');
        }
        if (CancelFunction) releaseCancelLock(k, DISPATCH_LEVEL);
        return finish(k, f);
      },
      started: (k, f, _rax, { DeviceObject }) => startIoReturned(k, DeviceObject, () => finish(k, f)),
      cancelled: (k, f) => finish(k, f),
    },
  }),
  ntSteps({
    name: 'IoStartNextPacket',
    doc: "Takes the next IRP from the device's queue and calls StartIo with it.",
    irql: { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT, Cancelable: BOOLEAN },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, { DeviceObject, Cancelable }) => startNext(k, DeviceObject, null, Cancelable),
      started: (k, _f, _rax, { DeviceObject }) => startIoReturned(k, DeviceObject, ret),
    },
  }),
  ntSteps({
    name: 'IoStartNextPacketByKey',
    doc: 'IoStartNextPacket for the first IRP whose key is not less than the given one.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT, Cancelable: BOOLEAN, Key: ULONG },
    returns: VOID,
    cycles: 110,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, { DeviceObject, Cancelable, Key }) {
        // StartIo runs at DISPATCH_LEVEL, wherever this routine was called.
        const before = k.irql;
        f.set('Irql', before);
        k.irql = DISPATCH_LEVEL;
        const outcome = startNext(k, DeviceObject, Key, Cancelable);
        if (outcome.do !== 'call') k.irql = before;
        return outcome;
      },
      started: (k, f, _rax, { DeviceObject }) => startIoReturned(k, DeviceObject, () => finish(k, f)),
    },
  }),
  ntExport({
    name: 'IoSetStartIoAttributes',
    doc: 'Says whether StartIo calls are put off until the last returned, and whether IRPs in StartIo can be cancelled.',
    args: { DeviceObject: PDEVICE_OBJECT, DeferredStartIo: BOOLEAN, NonCancelable: BOOLEAN },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, a) =>
      X.StartIoFlags.set(
        k.mem,
        extensionOf(k, a.DeviceObject),
        (a.DeferredStartIo ? START_IO_DEFERRED : 0) | (a.NonCancelable ? START_IO_NON_CANCELABLE : 0),
      ),
  }),
];

function finish(k: Kernel, f: Frame<typeof frame>): Outcome {
  k.irql = f.get('Irql');
  return ret();
}
