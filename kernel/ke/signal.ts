import type { Kernel } from '../kernel.ts';
import {
  EventNotificationObject,
  EventSynchronizationObject,
  KMUTANT,
  KTHREAD,
  KWAIT_BLOCK,
  MutantObject,
  SemaphoreObject,
  THREAD_DISABLE_BOOST,
  TimerSynchronizationObject,
  WaitAll,
} from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { insertTailList, removeEntryList } from './list.ts';
import { LOW_REALTIME_PRIORITY, readyThread } from './ready.ts';
import { queueThreadRuns } from './queue.ts';
import { removeTimer } from './timer.ts';

const T = KTHREAD.f;
const W = KWAIT_BLOCK.f;
const M = KMUTANT.f;

/** DISPATCHER_HEADER.Type without the lock bit. */
export const objectType = (k: Kernel, object: number): number => k.mem.read8(object) & 0x7f;
export const signalState = (k: Kernel, object: number): number => k.mem.readI32(object + 4);

export const STATUS_ABANDONED = 0x80,
  STATUS_KERNEL_APC = 0x100;

/** A wait of `thread` for the object would be satisfied now. A mutant is free for its owner too. */
export function isSignaled(k: Kernel, object: number, thread: number): boolean {
  const state = signalState(k, object);
  if (objectType(k, object) === MutantObject) return state > 0 || M.OwnerThread.get(k.mem, object) === thread;
  return state > 0;
}

/** DISPATCHER_HEADER.DpcActive of a mutant: a DPC routine acquired it. */
export const MUTANT_DPC_ACTIVE = 3;

/** Carries out what a satisfied wait does to the object: resets, counts down, takes ownership. Gives STATUS_ABANDONED for a mutant whose owner died, else 0. */
export function satisfyWait(k: Kernel, object: number, thread: number): number {
  const m = k.mem;
  const state = signalState(k, object);
  switch (objectType(k, object)) {
    case EventSynchronizationObject:
    case TimerSynchronizationObject:
      m.write32(object + 4, 0);
      return 0;
    case SemaphoreObject:
      m.write32(object + 4, state - 1);
      return 0;
    case MutantObject: {
      m.write32(object + 4, state - 1);
      if (state - 1 !== 0) return 0;
      T.KernelApcDisable.set(m, thread, T.KernelApcDisable.get(m, thread) - M.ApcDisable.get(m, object));
      m.write8(object + MUTANT_DPC_ACTIVE, KPRCB.f.DpcRoutineActive.get(m, k.prcb));
      M.OwnerThread.set(m, object, thread);
      insertTailList(m, thread + T.MutantListHead.offset, object + M.MutantListEntry.offset);
      if ((M.Abandoned.get(m, object) & 1) === 0) return 0;
      M.Abandoned.set(m, object, M.Abandoned.get(m, object) & ~1);
      return STATUS_ABANDONED;
    }
    default:
      return 0;
  }
}

const waitBlocks = (k: Kernel, thread: number): number[] => {
  const first = T.WaitBlockList.get(k.mem, thread);
  return Array.from({ length: T.WaitBlockCount.get(k.mem, thread) }, (_, i) => first + i * KWAIT_BLOCK.size);
};

/** Address of the wait block that links a thread to its timeout timer. */
export const timerWaitBlock = (thread: number): number => thread + T.WaitBlock.offset + 3 * KWAIT_BLOCK.size;

/**
 * Ends the wait of `thread` with `status` and makes it ready. `increment` is the boost over the base priority that waking gives to threads below the real-time
 * range ("Priority boosts", Windows Internals).
 */
export function unwaitThread(k: Kernel, thread: number, status: number, increment: number): void {
  const m = k.mem;
  for (const block of waitBlocks(k, thread)) removeEntryList(k, block + W.WaitListEntry.offset);
  const timer = thread + T.Timer.offset;
  if ((T.MiscFlags.get(m, thread) & TIMER_WAIT) !== 0) {
    T.MiscFlags.set(m, thread, T.MiscFlags.get(m, thread) & ~TIMER_WAIT);
    removeEntryList(k, timerWaitBlock(thread) + W.WaitListEntry.offset);
    removeTimer(k, timer);
  }
  queueThreadRuns(k, thread);
  // A wait that a kernel APC interrupts goes on with the same blocks.
  if (status !== STATUS_KERNEL_APC) T.WaitBlockCount.set(m, thread, 0);
  T.WaitStatus.set(m, thread, BigInt(status >>> 0));
  const base = T.BasePriority.get(m, thread);
  if (base < LOW_REALTIME_PRIORITY && T.Priority.get(m, thread) < LOW_REALTIME_PRIORITY) {
    const boost = (T.ThreadFlags.get(m, thread) & THREAD_DISABLE_BOOST) !== 0 ? 0 : increment;
    const boosted = Math.min(base + boost, LOW_REALTIME_PRIORITY - 1);
    if (boosted > T.Priority.get(m, thread)) {
      T.PriorityDecrement.set(m, thread, boosted - base);
      T.Priority.set(m, thread, boosted);
    }
  }
  readyThread(k, thread);
}

/** KTHREAD.MiscFlags: TimerActive. */
export const TIMER_WAIT = 1 << 9;

function allSignaled(k: Kernel, thread: number): boolean {
  return waitBlocks(k, thread).every(block => isSignaled(k, W.Object.get(k.mem, block), thread));
}

/** An object became signalled: satisfies waits for it, oldest first, as long as it stays signalled (KiWaitTest, KiSignalNotificationObject). */
export function signalObject(k: Kernel, object: number, increment: number): void {
  const m = k.mem;
  const head = object + 8;
  let entry = m.readPtr(head);
  while (signalState(k, object) > 0 && entry !== head) {
    const block = entry - W.WaitListEntry.offset;
    const following = m.readPtr(entry);
    const thread = W.Thread.get(m, block);
    if (W.WaitType.get(m, block) === WaitAll) {
      if (!allSignaled(k, thread)) {
        entry = following;
        continue;
      }
      let status = 0;
      for (const b of waitBlocks(k, thread)) status |= satisfyWait(k, W.Object.get(m, b), thread);
      unwaitThread(k, thread, status, increment);
    } else {
      const status = W.WaitKey.get(m, block) | satisfyWait(k, object, thread);
      unwaitThread(k, thread, status, increment);
    }
    // Waking one thread may have removed others of its blocks from this list, so start again.
    entry = m.readPtr(head);
  }
}

/** KeInitializeEvent. `type` is NotificationEvent (0) or SynchronizationEvent (1). */
export const eventObjectType = (type: number): number => (type === 0 ? EventNotificationObject : EventSynchronizationObject);
