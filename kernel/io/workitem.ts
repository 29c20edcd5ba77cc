/** Work items and remove locks: two helpers with which drivers keep their device alive. */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obReferenceObject } from '../ob/object.ts';
import { WORK_QUEUE_ITEM } from '../types/ex.ts';
import { IO_REMOVE_LOCK_COMMON_BLOCK, IO_WORKITEM } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_DELETE_PENDING, STATUS_SUCCESS } from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, NTSTATUS, pointer, PVOID, ret, ULONG, VOID, wait } from '../exports/declare.ts';

const W = IO_WORKITEM.f;
const L = IO_REMOVE_LOCK_COMMON_BLOCK.f;
const PIO_WORKITEM = pointer('PIO_WORKITEM');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
/** IO_WORKITEM.Type: which form the routine has. */
const PLAIN = 0,
  EXTENDED = 1;

function initialize(k: Kernel, item: number, object: number): void {
  k.mem.fill(item, IO_WORKITEM.size, 0);
  W.IoObject.set(k.mem, item, object);
}

const queueRoutine = (name: string, doc: string, type: number): NtExport =>
  ntExport({
    name,
    doc,
    irql: DISPATCH,
    args: { IoWorkItem: PIO_WORKITEM, WorkerRoutine: PVOID, QueueType: ULONG, Context: PVOID },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl(k, { IoWorkItem, WorkerRoutine, QueueType, Context }) {
      const { mem } = k;
      const item = WORK_QUEUE_ITEM.f;
      W.Routine.set(mem, IoWorkItem, WorkerRoutine);
      W.Context.set(mem, IoWorkItem, Context);
      W.Type.set(mem, IoWorkItem, type);
      mem.writePtr(IoWorkItem + item.List.offset, 0);
      item.WorkerRoutine.set(mem, IoWorkItem, k.address('nt!IopProcessWorkItem'));
      item.Parameter.set(mem, IoWorkItem, IoWorkItem);
      obReferenceObject(k, W.IoObject.get(mem, IoWorkItem));
      exQueueWorkItem(k, IoWorkItem, QueueType);
    },
  });

const workItems: NtExport[] = [
  ntExport({
    name: 'IoAllocateWorkItem',
    doc: 'Allocates a work item of a device.',
    irql: DISPATCH,
    args: { DeviceObject: PVOID },
    returns: PIO_WORKITEM,
    cycles: 200,
    status: 'full',
    impl(k, { DeviceObject }) {
      const item = exAllocatePool(k, NonPagedPoolNx, IO_WORKITEM.size, poolTag('IoWo'));
      if (item) initialize(k, item, DeviceObject);
      return item;
    },
  }),
  ntExport({
    name: 'IoInitializeWorkItem',
    doc: 'Makes a work item of memory that the caller has.',
    args: { IoObject: PVOID, IoWorkItem: PIO_WORKITEM },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl: (k, a) => initialize(k, a.IoWorkItem, a.IoObject),
  }),
  ntExport({
    name: 'IoUninitializeWorkItem',
    doc: 'Ends the use of a work item that IoInitializeWorkItem made.',
    args: { IoWorkItem: PIO_WORKITEM },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: () => undefined,
  }),
  ntExport({
    name: 'IoSizeofWorkItem',
    doc: 'Bytes of a work item.',
    args: {},
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: () => IO_WORKITEM.size,
  }),
  ntExport({
    name: 'IoFreeWorkItem',
    doc: 'Frees a work item that IoAllocateWorkItem made.',
    irql: DISPATCH,
    args: { IoWorkItem: PIO_WORKITEM },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, { IoWorkItem }) => exFreePool(k, IoWorkItem, 0),
  }),
  queueRoutine('IoQueueWorkItem', 'Has a system worker thread call a routine of the driver.', PLAIN),
  queueRoutine('IoQueueWorkItemEx', 'IoQueueWorkItem for a routine that gets the work item too.', EXTENDED),
  ntSteps({
    name: 'IopProcessWorkItem',
    internal: true,
    doc: 'Worker routine of work items: calls the driver and gives the device back, which it kept from being deleted.',
    args: { Parameter: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: { Object: ptr },
    steps: {
      start(k, f, _rax, { Parameter }) {
        const { mem } = k;
        const object = W.IoObject.get(mem, Parameter);
        f.set('Object', object);
        const args = [object, W.Context.get(mem, Parameter)];
        if (W.Type.get(mem, Parameter) === EXTENDED) args.push(Parameter);
        return call(W.Routine.get(mem, Parameter), args, 'called');
      },
      // The routine may have freed the work item.
      called: (k, f) => call(k.address('nt!ObfDereferenceObject'), [f.get('Object')], 'done'),
      done: () => ret(),
    },
  }),
];

const lockArgs = { RemoveLock: pointer('PIO_REMOVE_LOCK'), Tag: PVOID, RemlockSize: ULONG } as const;

/** One holder less; the last wakes the remover. */
function leave(k: Kernel, lock: number): number {
  const count = L.IoCount.get(k.mem, lock) - 1;
  L.IoCount.set(k.mem, lock, count);
  if (count === 0) keSetEvent(k, lock + L.RemoveEvent.offset, 0);
  return count;
}

const removeLocks: NtExport[] = [
  ntExport({
    name: 'IoInitializeRemoveLockEx',
    doc: 'Initialises a remove lock.',
    irql: PASSIVE,
    args: {
      Lock: pointer('PIO_REMOVE_LOCK'),
      AllocateTag: ULONG,
      MaxLockedMinutes: ULONG,
      HighWatermark: ULONG,
      RemlockSize: ULONG,
    },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, { Lock, RemlockSize }) {
      k.mem.fill(Lock, RemlockSize, 0);
      L.IoCount.set(k.mem, Lock, 1);
      keInitializeEvent(k, Lock + L.RemoveEvent.offset, 1, false);
    },
  }),
  ntExport({
    name: 'IoAcquireRemoveLockEx',
    doc: 'Holds a device against removal; STATUS_DELETE_PENDING once the removal has begun.',
    irql: DISPATCH,
    args: { RemoveLock: pointer('PIO_REMOVE_LOCK'), Tag: PVOID, File: PVOID, Line: ULONG, RemlockSize: ULONG },
    returns: NTSTATUS,
    cycles: 40,
    status: 'full',
    impl(k, { RemoveLock }) {
      L.IoCount.set(k.mem, RemoveLock, L.IoCount.get(k.mem, RemoveLock) + 1);
      if (!L.Removed.get(k.mem, RemoveLock)) return STATUS_SUCCESS;
      leave(k, RemoveLock);
      return STATUS_DELETE_PENDING;
    },
  }),
  ntExport({
    name: 'IoReleaseRemoveLockEx',
    doc: 'Gives back what IoAcquireRemoveLockEx held.',
    irql: DISPATCH,
    args: lockArgs,
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, { RemoveLock }) => void leave(k, RemoveLock),
  }),
  ntSteps({
    name: 'IoReleaseRemoveLockAndWaitEx',
    doc: 'Lets nobody acquire the lock any more and waits until all have released it.',
    irql: PASSIVE,
    args: lockArgs,
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { RemoveLock }) {
        L.Removed.set(k.mem, RemoveLock, 1);
        // The caller's own hold, and the one from the initialisation.
        const left = L.IoCount.get(k.mem, RemoveLock) - 2;
        L.IoCount.set(k.mem, RemoveLock, left);
        if (left <= 0) return ret();
        return keWait(k, [RemoveLock + L.RemoveEvent.offset]) === 'blocked' ? wait('done') : ret();
      },
      done: () => ret(),
    },
  }),
];

export const exports: NtExport[] = [...workItems, ...removeLocks];
