import type { Kernel } from '../kernel.ts';
import { INVALID_WORK_QUEUE_ITEM } from '../types/bugcodes.ts';
import { KQUEUE, KTHREAD, KWAIT_BLOCK, QueueObject } from '../types/ke.ts';
import { initializeHeader } from './event.ts';
import { initializeListHead, insertHeadList, insertTailList, isListEmpty, removeEntryList } from './list.ts';
import { activeProcessorCount } from './processor.ts';
import { STATUS_ABANDONED, unwaitThread } from './signal.ts';

/*
 * KQUEUE: entries, and the threads that serve them. A thread belongs to the queue from which it took last (KTHREAD.Queue); CurrentCount says how many of them run, and no
 * more than MaximumCount are given entries. When one of them blocks elsewhere, another may go on. DISPATCHER_HEADER.SignalState is the number of entries. Who waits is
 * woken last in, first out: its stack and caches are the warmest.
 */

const Q = KQUEUE.f;
const T = KTHREAD.f;
const W = KWAIT_BLOCK.f;

const entryHead = (queue: number): number => queue + Q.EntryListHead.offset;
const waitHead = (queue: number): number => queue + 8;

/** KeInitializeQueue: `count` 0 means as many threads at once as there are processors. */
export function keInitializeQueue(k: Kernel, queue: number, count: number): void {
  initializeHeader(k, queue, QueueObject, KQUEUE.size, 0);
  initializeListHead(k.mem, entryHead(queue));
  initializeListHead(k.mem, queue + Q.ThreadListHead.offset);
  Q.CurrentCount.set(k.mem, queue, 0);
  Q.MaximumCount.set(k.mem, queue, count === 0 ? activeProcessorCount(k) : count);
}

const countThread = (k: Kernel, queue: number, by: number): void =>
  Q.CurrentCount.set(k.mem, queue, (Q.CurrentCount.get(k.mem, queue) + by) >>> 0);

/** An entry that is not in any list has been given to a queue twice, or written over. */
function takeFirst(k: Kernel, queue: number): number {
  const entry = k.mem.readPtr(entryHead(queue));
  if (k.mem.readPtr(entry) === 0)
    k.bugCheck(
      INVALID_WORK_QUEUE_ITEM,
      entryHead(queue),
      entry,
      queue,
      0,
      'the first entry of a queue has no successor: it was put into the queue twice, or written over',
    );
  removeEntryList(k, entry);
  k.mem.writePtr(entry, 0);
  k.mem.write32(queue + 4, k.mem.readI32(queue + 4) - 1);
  return entry;
}

/** KeInsertQueue, KeInsertHeadQueue: the number of entries before. A thread that waits and may run gets the entry at once. */
export function keInsertQueue(k: Kernel, queue: number, entry: number, head: boolean): number {
  const m = k.mem;
  m.probe(entry, 16, true);
  const previous = m.readI32(queue + 4);
  (head ? insertHeadList : insertTailList)(m, entryHead(queue), entry);
  m.write32(queue + 4, previous + 1);
  activateWaiter(k, queue);
  return previous;
}

/** Gives the first entry to the thread that came last to wait, if one may run. */
function activateWaiter(k: Kernel, queue: number): void {
  const m = k.mem;
  while (
    m.readI32(queue + 4) > 0 &&
    !isListEmpty(m, waitHead(queue)) &&
    Q.CurrentCount.get(m, queue) < Q.MaximumCount.get(m, queue)
  ) {
    const block = m.readPtr(waitHead(queue) + 8) - W.WaitListEntry.offset;
    const thread = W.Thread.get(m, block);
    const entry = takeFirst(k, queue);
    unwaitThread(k, thread, 0, 0);
    T.WaitStatus.set(m, thread, BigInt(entry));
  }
}

/** A thread of a queue begins to wait, or ends: another one may serve the queue instead. */
export function queueThreadBlocks(k: Kernel, thread: number): void {
  const queue = T.Queue.get(k.mem, thread);
  if (queue === 0) return;
  countThread(k, queue, -1);
  activateWaiter(k, queue);
}

/** A thread of a queue runs again after a wait. */
export function queueThreadRuns(k: Kernel, thread: number): void {
  const queue = T.Queue.get(k.mem, thread);
  if (queue !== 0) countThread(k, queue, 1);
}

/** Makes the current thread one of the queue's, and no other's. */
function joinQueue(k: Kernel, thread: number, queue: number): void {
  if (T.Queue.get(k.mem, thread) === queue) return;
  leaveQueue(k, thread);
  T.Queue.set(k.mem, thread, queue);
  insertTailList(k.mem, queue + Q.ThreadListHead.offset, thread + T.QueueListEntry.offset);
  countThread(k, queue, 1);
}

/** A thread stops serving its queue: it ends, or serves another. */
export function leaveQueue(k: Kernel, thread: number): void {
  if (T.Queue.get(k.mem, thread) === 0) return;
  removeEntryList(k, thread + T.QueueListEntry.offset);
  queueThreadBlocks(k, thread);
  T.Queue.set(k.mem, thread, 0);
}

/** Takes an entry for the current thread, which becomes one of the queue's; 0 when there is none or enough threads run. */
export function takeQueueEntry(k: Kernel, queue: number): number {
  const m = k.mem;
  joinQueue(k, k.currentThread(), queue);
  // The thread itself is counted already.
  if (m.readI32(queue + 4) <= 0 || Q.CurrentCount.get(m, queue) > Q.MaximumCount.get(m, queue)) return 0;
  return takeFirst(k, queue);
}

/** DISPATCHER_HEADER.QueueControlFlags: the queue has been run down, and nobody waits for it any more. */
const CONTROL = 1,
  ABANDONED = 1;

export const queueAbandoned = (k: Kernel, queue: number): boolean => (k.mem.read8(queue + CONTROL) & ABANDONED) !== 0;

/**
 * KeRundownQueue: its entries as a circular list without a head, 0 when there are none. Threads that wait for the queue are woken with STATUS_ABANDONED, and nobody can
 * wait for it until it is initialized again.
 */
export function keRundownQueue(k: Kernel, queue: number): number {
  const m = k.mem;
  const head = entryHead(queue);
  const first = m.readPtr(head);
  if (first !== head) {
    removeEntryList(k, head);
    initializeListHead(m, head);
  }
  m.write32(queue + 4, 0);
  m.write8(queue + CONTROL, m.read8(queue + CONTROL) | ABANDONED);
  while (!isListEmpty(m, waitHead(queue)))
    unwaitThread(k, W.Thread.get(m, m.readPtr(waitHead(queue)) - W.WaitListEntry.offset), STATUS_ABANDONED, 0);
  const threads = queue + Q.ThreadListHead.offset;
  for (let link = m.readPtr(threads); link !== threads; link = m.readPtr(threads)) {
    removeEntryList(k, link);
    T.Queue.set(m, link - T.QueueListEntry.offset, 0);
  }
  Q.CurrentCount.set(m, queue, 0);
  return first === head ? 0 : first;
}
