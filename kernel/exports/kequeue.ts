/** APCs and queues of work (device queues: kernel/io/startio.ts). Source: the WDK page of each routine; ntifs.h. */
import { keAlertThread, keTestAlertThread } from '../ke/alert.ts';
import { keInitializeApc, keInsertQueueApc, keRemoveQueueApc } from '../ke/apc.ts';
import { keInitializeQueue, keInsertQueue, keRundownQueue } from '../ke/queue.ts';
import { keWait } from '../ke/wait.ts';
import type { Kernel } from '../kernel.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { KernelMode, KTHREAD } from '../types/ke.ts';
import { BOOLEAN, CHAR, HANDLE, KPRIORITY, LONG, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG, VOID, wait } from './declare.ts';

const PKQUEUE = pointer('PKQUEUE'), PKAPC = pointer('PKAPC');
const T = KTHREAD.f;
/** KWAIT_REASON */
const WR_QUEUE = 15;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

const apcs: NtExport[] = [
  ntExport({
    name: 'KeInitializeApc',
    doc: 'Initializes an APC object for a thread.',
    args: { Apc: PKAPC, Thread: pointer('PKTHREAD'), Environment: ULONG, KernelRoutine: PVOID, RundownRoutine: PVOID, NormalRoutine: PVOID, ApcMode: CHAR, NormalContext: PVOID },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, a) =>
      keInitializeApc(k, a.Apc, a.Thread, {
        environment: a.Environment === 2 ? T.ApcStateIndex.get(k.mem, a.Thread) : a.Environment,
        kernelRoutine: a.KernelRoutine,
        rundownRoutine: a.RundownRoutine,
        normalRoutine: a.NormalRoutine,
        mode: a.ApcMode,
        normalContext: a.NormalContext,
      }),
  }),
  ntExport({
    name: 'KeInsertQueueApc',
    doc: 'Queues an APC to its thread; returns FALSE if it is queued already.',
    irql: DISPATCH,
    args: { Apc: PKAPC, SystemArgument1: PVOID, SystemArgument2: PVOID, Increment: KPRIORITY },
    returns: BOOLEAN,
    cycles: 100,
    status: 'full',
    impl: (k, { Apc, Increment }) => keInsertQueueApc(k, Apc, k.arg(1), k.arg(2), Increment),
  }),
  ntExport({
    name: 'KeRemoveQueueApc',
    doc: 'Takes an APC out of the queue; returns whether it was queued.',
    irql: DISPATCH,
    args: { Apc: PKAPC },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    impl: (k, { Apc }) => keRemoveQueueApc(k, Apc),
  }),
];

const timeoutAt = (k: Kernel, at: number): bigint | null => (at === 0 ? null : BigInt.asIntN(64, k.mem.read64(at)));

const queues: NtExport[] = [
  ntExport({
    name: 'KeInitializeQueue',
    doc: 'Initializes a queue object.',
    irql: DISPATCH,
    args: { Queue: PKQUEUE, Count: ULONG },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, { Queue, Count }) => keInitializeQueue(k, Queue, Count),
  }),
  ...(['KeInsertQueue', 'KeInsertHeadQueue'] as const).map(name =>
    ntExport({
      name,
      doc: 'Puts an entry into a queue object and returns the previous number of entries.',
      irql: DISPATCH,
      args: { Queue: PKQUEUE, Entry: pointer('PLIST_ENTRY') },
      returns: LONG,
      cycles: 100,
      status: 'full',
      impl: (k, a) => keInsertQueue(k, a.Queue as number, a.Entry as number, name === 'KeInsertHeadQueue'),
    }),
  ),
  ntExport({
    name: 'KeRemoveQueue',
    doc: 'Takes an entry from a queue object, waiting for one; returns it, or the status of a wait that ended otherwise.',
    irql: { ...DISPATCH, when: a => (a.Timeout === 0 ? { max: 'APC_LEVEL' } : undefined) },
    args: { Queue: PKQUEUE, WaitMode: CHAR, Timeout: pointer('PLARGE_INTEGER') },
    returns: PVOID,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      const result = keWait(k, [a.Queue], { mode: a.WaitMode, timeout: timeoutAt(k, a.Timeout), reason: WR_QUEUE });
      return result === 'blocked' ? wait() : result.status;
    },
  }),
  ntExport({
    name: 'KeReadStateQueue',
    doc: 'Returns the number of entries of a queue object.',
    args: { Queue: PKQUEUE },
    returns: LONG,
    cycles: 10,
    status: 'full',
    impl: (k, { Queue }) => k.mem.readI32(Queue + 4),
  }),
  ntExport({
    name: 'KeRundownQueue',
    doc: 'Empties a queue object and returns its entries as a list without a head.',
    irql: DISPATCH,
    args: { Queue: PKQUEUE },
    returns: PVOID,
    cycles: 60,
    status: 'full',
    impl: (k, { Queue }) => keRundownQueue(k, Queue),
  }),
];

const STATUS_SUCCESS = 0,
  THREAD_ALERT = 4;

const alerts: NtExport[] = [
  ntExport({
    name: 'KeTestAlertThread',
    doc: 'Takes an alert of the current thread and says whether there was one; without one, user APCs that are queued become due.',
    irql: DISPATCH,
    args: { AlertMode: CHAR },
    returns: BOOLEAN,
    cycles: 20,
    status: 'full',
    impl: (k, { AlertMode }) => keTestAlertThread(k, AlertMode),
  }),
  ntExport({
    name: 'ZwAlertThread',
    doc: 'Alerts a thread by its handle: ends an alertable wait of it, now or the next one.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { ThreadHandle: HANDLE },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl(k, { ThreadHandle }) {
      const found = obReferenceObjectByHandle(k, ThreadHandle, THREAD_ALERT, exportedType(k, 'PsThreadType'), KernelMode);
      if (found.status !== STATUS_SUCCESS) return found.status;
      keAlertThread(k, found.object, KernelMode);
      obDereferenceDeferred(k, found.object);
      return STATUS_SUCCESS;
    },
  }),
];

export const exports: NtExport[] = [...apcs, ...alerts, ...queues];
