/** APCs and queues of work (device queues: kernel/io/startio.ts). Source: the WDK page of each routine; ntifs.h. */
import { keInitializeApc, keInsertQueueApc } from '../ke/apc.ts';
import { initializeHeader } from '../ke/event.ts';
import { initializeListHead, insertHeadList, insertTailList, isListEmpty, removeEntryList } from '../ke/list.ts';
import { keWait } from '../ke/wait.ts';
import { signalObject } from '../ke/signal.ts';
import type { Kernel } from '../kernel.ts';
import { KAPC, KQUEUE, KTHREAD, QueueObject } from '../types/ke.ts';
import { u64 } from '../types/struct.ts';
import { BOOLEAN, CHAR, type Frame, KPRIORITY, LONG, type NtExport, ntExport, ntSteps, type Outcome, pointer, PVOID, ret, ULONG, VOID, wait } from './declare.ts';

const PKQUEUE = pointer('PKQUEUE'), PKAPC = pointer('PKAPC');
const Q = KQUEUE.f, T = KTHREAD.f;
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
    impl(k, { Apc }) {
      if (KAPC.f.Inserted.get(k.mem, Apc) === 0) return false;
      KAPC.f.Inserted.set(k.mem, Apc, 0);
      removeEntryList(k, Apc + KAPC.f.ApcListEntry.offset);
      return true;
    },
  }),
];

/** Entries count as the signal state, so that waiting for the queue is waiting for an entry. */
function insertQueue(k: Kernel, queue: number, entry: number, head: boolean): number {
  const previous = k.mem.readI32(queue + 4);
  (head ? insertHeadList : insertTailList)(k.mem, queue + Q.EntryListHead.offset, entry);
  k.mem.write32(queue + 4, previous + 1);
  signalObject(k, queue, 0);
  return previous;
}

/** Takes the first entry of a queue that is not empty. */
function takeFirst(k: Kernel, queue: number): number {
  const entry = k.mem.readPtr(queue + Q.EntryListHead.offset);
  removeEntryList(k, entry);
  k.mem.writePtr(entry, 0);
  k.mem.write32(queue + 4, k.mem.readI32(queue + 4) - 1);
  return entry;
}

const queueFrame = { Spare: u64 };

function removeQueue(k: Kernel, a: { Queue: number; WaitMode: number; Timeout: number }): Outcome {
  if (!isListEmpty(k.mem, a.Queue + Q.EntryListHead.offset)) return ret(takeFirst(k, a.Queue));
  const timeout = a.Timeout === 0 ? null : BigInt.asIntN(64, k.mem.read64(a.Timeout));
  const result = keWait(k, [a.Queue], { mode: a.WaitMode, timeout, reason: 15 });
  return result === 'blocked' ? wait('woken') : ret(result.status);
}

const queues: NtExport[] = [
  ntExport({
    name: 'KeInitializeQueue',
    doc: 'Initializes a queue object.',
    args: { Queue: PKQUEUE, Count: ULONG },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl(k, { Queue, Count }) {
      initializeHeader(k, Queue, QueueObject, KQUEUE.size, 0);
      initializeListHead(k.mem, Queue + Q.EntryListHead.offset);
      initializeListHead(k.mem, Queue + Q.ThreadListHead.offset);
      Q.CurrentCount.set(k.mem, Queue, 0);
      Q.MaximumCount.set(k.mem, Queue, Count === 0 ? k.platform.cpus.length : Count);
    },
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
      impl: (k, a) => insertQueue(k, a.Queue as number, a.Entry as number, name === 'KeInsertHeadQueue'),
    }),
  ),
  ntSteps({
    name: 'KeRemoveQueue',
    doc: 'Takes an entry from a queue object, waiting for one; returns it, or the status of a wait that ended otherwise.',
    irql: { max: 'APC_LEVEL' },
    args: { Queue: PKQUEUE, WaitMode: CHAR, Timeout: pointer('PLARGE_INTEGER') },
    returns: PVOID,
    cycles: 200,
    status: 'partial',
    missing: 'the limit of concurrently running threads is not kept',
    frame: queueFrame,
    steps: {
      start: (k, _f: Frame<typeof queueFrame>, _rax, a) => removeQueue(k, a),
      woken(k, _f, rax, a) {
        if (rax !== 0) return ret(rax);
        return isListEmpty(k.mem, a.Queue + Q.EntryListHead.offset) ? removeQueue(k, a) : ret(takeFirst(k, a.Queue));
      },
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
    impl(k, { Queue }) {
      const head = Queue + Q.EntryListHead.offset;
      const first = k.mem.readPtr(head);
      if (first === head) return 0;
      removeEntryList(k, head);
      initializeListHead(k.mem, head);
      k.mem.write32(Queue + 4, 0);
      return first;
    },
  }),
];

export const exports: NtExport[] = [...apcs, ...queues];
