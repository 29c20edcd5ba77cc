import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { isKernelAddress } from '../mm/layout.ts';
import { psCreateSystemThread } from '../ps/thread.ts';
import { initializeListHead, insertTailList, listEntries } from '../rtl/list.ts';
import { WORKER_INVALID } from '../types/bugcodes.ts';
import { CriticalWorkQueue, DelayedWorkQueue, HyperCriticalWorkQueue, WORK_QUEUE_ITEM } from '../types/ex.ts';
import { EX_WORK_QUEUE, WORK_QUEUES } from './globals.ts';

/** Work queues: items that drivers queue run in system threads at PASSIVE_LEVEL. */

const Q = EX_WORK_QUEUE.f;
const PRIORITIES = [13, 12, 15];
/** Most threads a queue gets. Another one is made whenever an item is about to run and no thread would be left to wait for the next. */
const MAX_THREADS = 32;

export const workQueue = (k: Kernel, index: number): number => k.global.address('ExWorkerQueue') + index * EX_WORK_QUEUE.size;

/** Queue for a WORK_QUEUE_TYPE: CustomPriorityWorkQueue + n goes by the priority n. */
function queueOf(type: number): number {
  if (type >= 32) return type - 32 >= 14 ? HyperCriticalWorkQueue : type - 32 >= 13 ? CriticalWorkQueue : DelayedWorkQueue;
  return type === CriticalWorkQueue || type === HyperCriticalWorkQueue ? type : DelayedWorkQueue;
}

/**
 * Queues a WORK_QUEUE_ITEM. At any IRQL up to DISPATCH_LEVEL. An item that is queued already, or whose routine is no kernel address, is bug check 0xE4.
 * @param type WORK_QUEUE_TYPE
 */
export function exQueueWorkItem(k: Kernel, item: number, type: number): void {
  const routine = WORK_QUEUE_ITEM.f.WorkerRoutine.get(k.mem, item);
  if (!isKernelAddress(routine))
    k.bugCheck(WORKER_INVALID, 1, item, routine, 0, 'a work item with a routine that is no kernel address was queued');
  const queue = workQueue(k, queueOf(type));
  const items = queue + Q.Items.offset;
  for (const e of listEntries(k.mem, items))
    if (e === item) k.bugCheck(WORKER_INVALID, 2, item, routine, 0, 'a work item was queued that is queued already');
  insertTailList(k.mem, items, item);
  keSetEvent(k, queue + Q.Event.offset, 0);
}

/** A queued item whose address is in [start, end), or 0: the verifier asks about memory that goes away. */
export function workItemInRange(k: Kernel, start: number, end: number): number {
  for (let i = 0; i < WORK_QUEUES; i++) {
    const head = workQueue(k, i) + Q.Items.offset;
    // Early in the boot there are no queues yet.
    if (k.mem.readPtr(head) === 0) continue;
    for (const item of listEntries(k.mem, head)) if (item >= start && item < end) return item;
  }
  return 0;
}

/** Makes one more worker thread for a queue; nothing when it has enough or memory is short. */
export function addWorker(k: Kernel, index: number): void {
  const queue = workQueue(k, index);
  if (Q.Threads.get(k.mem, queue) >= MAX_THREADS) return;
  const system = k.mem.readPtr(k.address('nt!PsInitialSystemProcess'));
  if (psCreateSystemThread(k, system, k.address('nt!ExpWorkerThread'), index, PRIORITIES[index]))
    Q.Threads.set(k.mem, queue, Q.Threads.get(k.mem, queue) + 1);
}

/** Lists, queues and the first worker threads. Phase 0: the system process is there. */
export function exInitialize(k: Kernel): void {
  k.global.set('ExpRandState', 1);
  for (const head of [
    'ExNPagedLookasideListHead',
    'ExPagedLookasideListHead',
    'ExPoolLookasideListHead',
    'ExpSystemResourcesList',
    'ExpPushLockWaiters',
    'ExpPushLockBlocks',
  ] as const)
    initializeListHead(k.mem, k.global.address(head));
  keInitializeEvent(k, k.global.address('ExpCallbackEvent'), 0, false);
  for (let i = 0; i < WORK_QUEUES; i++) {
    const queue = workQueue(k, i);
    initializeListHead(k.mem, queue + Q.Items.offset);
    keInitializeEvent(k, queue + Q.Event.offset, 1, false);
    Q.Priority.set(k.mem, queue, PRIORITIES[i]!);
    addWorker(k, i);
  }
}
