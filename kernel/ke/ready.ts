import type { Kernel } from '../kernel.ts';
import { prcbAddress } from '../mm/layout.ts';
import { KTHREAD, Ready, Running, Standby } from '../types/ke.ts';
import { DPC_NORMAL_PROCESSING_REQUESTED, KPRCB } from '../types/prcb.ts';
import { insertHeadList, insertTailList, isListEmpty, listEntries, removeEntryList } from './list.ts';
import { activeProcessors, isUniprocessor, otherProcessors, requestSoftwareInterrupt } from './processor.ts';

/** Thread priorities: 1-15 vary with boosts, 16-31 are real time, 0 is for the zero page thread (Windows Internals, "Thread scheduling"). */
export const LOW_REALTIME_PRIORITY = 16;
/** KTHREAD.QuantumReset: units of a third of a clock tick; 6 = two ticks, the default for the foreground of a workstation. */
export const DEFAULT_QUANTUM = 6;

const T = KTHREAD.f;
const P = KPRCB.f;

/** Software interrupt vectors, one a level (design of x64 NT's HAL). */
export const APC_VECTOR = 0x1f,
  DISPATCH_VECTOR = 0x2f,
  CLOCK_VECTOR = 0xd1,
  IPI_VECTOR = 0xe1,
  SPURIOUS_VECTOR = 0xdf;

/**
 * Asks for the dispatcher to run on a processor when its IRQL next falls below DISPATCH_LEVEL. The idle loop and the end of the DPC queue look by themselves; another
 * processor may have halted in its idle loop, at DISPATCH_LEVEL, and is woken by an interrupt of IPI_LEVEL.
 */
export function requestDispatch(k: Kernel, processor = k.cpu.index): void {
  const { mem } = k;
  const prcb = prcbAddress(processor);
  if (P.DpcRoutineActive.get(mem, prcb) !== 0) return;
  const idle = P.CurrentThread.get(mem, prcb) === P.IdleThread.get(mem, prcb);
  if (!idle) requestSoftwareInterrupt(k, DISPATCH_VECTOR, processor);
  else if (processor !== k.cpu.index) requestSoftwareInterrupt(k, IPI_VECTOR, processor);
}

/** The head of the ready queue of `priority` on the processor of `prcb`. */
export const readyListHead = (prcb: number, priority: number): number => prcb + P.DispatcherReadyListHead.offset + priority * 16;

const entryOf = (thread: number): number => thread + T.WaitListEntry.offset;
const threadOf = (entry: number): number => entry - T.WaitListEntry.offset;

function setSummary(k: Kernel, prcb: number, summary: number): void {
  P.ReadySummary.set(k.mem, prcb, summary >>> 0);
}

/** Queues a thread on a processor: KTHREAD.NextProcessor says on which. */
function enqueue(k: Kernel, thread: number, processor: number, atHead: boolean): void {
  const prcb = prcbAddress(processor);
  const priority = T.Priority.get(k.mem, thread);
  T.State.set(k.mem, thread, Ready);
  T.NextProcessor.set(k.mem, thread, processor);
  const head = readyListHead(prcb, priority);
  (atHead ? insertHeadList : insertTailList)(k.mem, head, entryOf(thread));
  setSummary(k, prcb, P.ReadySummary.get(k.mem, prcb) | (1 << priority));
}

/** Takes a ready thread out of its queue. */
export function removeFromReadyQueue(k: Kernel, thread: number): void {
  const prcb = prcbAddress(T.NextProcessor.get(k.mem, thread));
  const priority = T.Priority.get(k.mem, thread);
  removeEntryList(k, entryOf(thread));
  if (isListEmpty(k.mem, readyListHead(prcb, priority))) setSummary(k, prcb, P.ReadySummary.get(k.mem, prcb) & ~(1 << priority));
}

/** Chooses a thread to run next on a processor. */
function makeStandby(k: Kernel, thread: number, processor: number): void {
  T.State.set(k.mem, thread, Standby);
  T.NextProcessor.set(k.mem, thread, processor);
  P.NextThread.set(k.mem, prcbAddress(processor), thread);
}

/** The processors on which a thread may run. */
export const threadAffinity = (k: Kernel, thread: number): number => k.mem.read32(thread + T.Affinity.offset);

const NOTHING = -1;

/** The priority that a thread must exceed to get a processor: that of the thread chosen for it, else of the one that runs. */
function occupiedPriority(k: Kernel, processor: number): number {
  const { mem } = k;
  const prcb = prcbAddress(processor);
  const standby = P.NextThread.get(mem, prcb);
  if (standby !== 0) return T.Priority.get(mem, standby);
  const current = P.CurrentThread.get(mem, prcb);
  return current === P.IdleThread.get(mem, prcb) ? NOTHING : T.Priority.get(mem, current);
}

/**
 * The processor for a thread that becomes ready: one that idles (the ideal one, the last one, this one, any), else the ideal one if the thread outranks what runs
 * there, else the one whose thread has the lowest priority, if the thread outranks that; else the ideal one, to queue on.
 */
function chooseProcessor(k: Kernel, thread: number): number {
  const { mem } = k;
  const active = activeProcessors(k);
  const allowed = threadAffinity(k, thread) & active || active;
  const isAllowed = (n: number): boolean => ((allowed >> n) & 1) !== 0;
  const ideal = T.IdealProcessor.get(mem, thread);
  const home = isAllowed(ideal) ? ideal : 31 - Math.clz32(allowed & -allowed);
  for (const n of [home, T.NextProcessor.get(mem, thread), k.cpu.index])
    if (isAllowed(n) && occupiedPriority(k, n) === NOTHING) return n;
  const priority = T.Priority.get(mem, thread);
  let best = home,
    lowest = occupiedPriority(k, home);
  if (priority > lowest) lowest = NOTHING;
  for (let n = 0; allowed >> n !== 0; n++) {
    if (!isAllowed(n)) continue;
    const occupied = occupiedPriority(k, n);
    if (occupied === NOTHING) return n;
    if (occupied < lowest && occupied < priority) {
      best = n;
      lowest = occupied;
    }
  }
  return best;
}

/**
 * Makes a thread ready. If it outranks the one that runs on its processor (and any that is already chosen) it becomes next, and a dispatch interrupt is requested
 * there.
 */
export function readyThread(k: Kernel, thread: number, atHead = false): void {
  const { mem } = k;
  const processor = isUniprocessor(k) ? 0 : chooseProcessor(k, thread);
  if (T.Priority.get(mem, thread) <= occupiedPriority(k, processor)) {
    enqueue(k, thread, processor, atHead);
    return;
  }
  const displaced = P.NextThread.get(mem, prcbAddress(processor));
  makeStandby(k, thread, processor);
  if (displaced !== 0) readyDisplaced(k, displaced, processor);
  requestDispatch(k, processor);
}

/** A thread that had been chosen for a processor lost it to another: first in its queue, or on another processor. */
function readyDisplaced(k: Kernel, thread: number, processor: number): void {
  if (thread === P.IdleThread.get(k.mem, prcbAddress(processor))) return;
  if (isUniprocessor(k)) enqueue(k, thread, processor, true);
  else readyThread(k, thread, true);
}

/** Puts the running thread back among the ready ones, because another one takes the processor from it. */
export function requeuePreempted(k: Kernel, thread: number, atHead: boolean): void {
  T.Preempted.set(k.mem, thread, 1);
  if (isUniprocessor(k)) enqueue(k, thread, k.cpu.index, atHead);
  else readyThread(k, thread, atHead);
}

/** Takes the ready thread of highest priority that is at least `minimum` from a processor's own queue; 0 when there is none. */
export function takeReadyThread(k: Kernel, minimum = 0, processor = k.cpu.index): number {
  const prcb = prcbAddress(processor);
  const summary = P.ReadySummary.get(k.mem, prcb);
  if (summary === 0) return 0;
  const priority = 31 - Math.clz32(summary);
  if (priority < minimum) return 0;
  const thread = threadOf(k.mem.readPtr(readyListHead(prcb, priority)));
  removeFromReadyQueue(k, thread);
  return thread;
}

/** The best thread of at least `minimum` that waits in the queue of another processor and may run on this one; 0 when there is none. It stays where it is. */
function bestElsewhere(k: Kernel, minimum: number): number {
  const { mem } = k;
  const bit = 1 << k.cpu.index;
  let best = 0,
    wanted = minimum;
  for (const n of otherProcessors(k)) {
    const prcb = prcbAddress(n);
    let summary = P.ReadySummary.get(mem, prcb);
    for (let priority = 31; priority >= wanted && summary !== 0; priority--) {
      if (((summary >>> priority) & 1) === 0) continue;
      summary &= ~(1 << priority);
      for (const entry of listEntries(mem, readyListHead(prcb, priority))) {
        if ((threadAffinity(k, threadOf(entry)) & bit) === 0) continue;
        best = threadOf(entry);
        wanted = priority + 1;
        break;
      }
    }
  }
  return best;
}

/** Takes the best ready thread for this processor: its own, unless a better one waits for another processor and may run here. 0 when there is none. */
export function takeBestThread(k: Kernel): number {
  if (isUniprocessor(k)) return takeReadyThread(k);
  const own = 31 - Math.clz32(P.ReadySummary.get(k.mem, k.prcb));
  const other = bestElsewhere(k, own + 1);
  if (other === 0) return takeReadyThread(k);
  removeFromReadyQueue(k, other);
  return other;
}

/** Chooses who runs when the current thread gives the processor up: the one already chosen, else the best ready one, else the idle thread. */
export function selectNextThread(k: Kernel): number {
  const next = P.NextThread.get(k.mem, k.prcb);
  if (next !== 0) {
    P.NextThread.set(k.mem, k.prcb, 0);
    return next;
  }
  return takeBestThread(k) || P.IdleThread.get(k.mem, k.prcb);
}

/** Lets a thread of at least `minimum` that is queued on a processor have it next, when none has been chosen. True if there was one. */
export function promoteReadyThread(k: Kernel, minimum: number, processor = k.cpu.index): boolean {
  const better = takeReadyThread(k, minimum, processor);
  if (better !== 0) makeStandby(k, better, processor);
  return better !== 0;
}

/** Changes a thread's priority, moving it between queues (KiSetPriorityThread). */
export function setThreadPriority(k: Kernel, thread: number, priority: number): void {
  const { mem } = k;
  const old = T.Priority.get(mem, thread);
  if (old === priority) return;
  const state = T.State.get(mem, thread);
  if (state === Ready) {
    removeFromReadyQueue(k, thread);
    T.Priority.set(mem, thread, priority);
    readyThread(k, thread, priority < old);
    return;
  }
  T.Priority.set(mem, thread, priority);
  if (priority > old) return;
  // One that falls may no longer be the right one to run.
  const processor = T.NextProcessor.get(mem, thread),
    prcb = prcbAddress(processor);
  if (state === Standby && P.NextThread.get(mem, prcb) === thread) {
    if (promoteReadyThread(k, priority + 1, processor)) enqueue(k, thread, processor, true);
  } else if (thread === P.CurrentThread.get(mem, prcb) && P.NextThread.get(mem, prcb) === 0) {
    if (promoteReadyThread(k, priority + 1, processor)) requestDispatch(k, processor);
  }
}

/** Restricts a thread to a set of processors, at least one of them active; wherever it is in another, it leaves (KiSetAffinityThread). */
export function setThreadAffinity(k: Kernel, thread: number, mask: number): void {
  const { mem } = k;
  mem.write64(thread + T.Affinity.offset, BigInt(mask));
  const processor = T.NextProcessor.get(mem, thread);
  if (isUniprocessor(k) || (mask >> processor) & 1) return;
  const prcb = prcbAddress(processor);
  switch (T.State.get(mem, thread)) {
    case Ready:
      removeFromReadyQueue(k, thread);
      readyThread(k, thread);
      return;
    case Standby:
      P.NextThread.set(mem, prcb, 0);
      promoteReadyThread(k, occupiedPriority(k, processor) + 1, processor);
      readyThread(k, thread);
      return;
    case Running:
      // The dispatcher there sees that the thread must not stay.
      P.QuantumEnd.set(mem, prcb, 1);
      requestDispatch(k, processor);
  }
}

/** Marks that DPCs wait for a processor. */
export function requestDpcInterrupt(k: Kernel, bits = DPC_NORMAL_PROCESSING_REQUESTED, processor = k.cpu.index): void {
  const prcb = prcbAddress(processor);
  P.DpcRequestSummary.set(k.mem, prcb, P.DpcRequestSummary.get(k.mem, prcb) | bits);
  requestDispatch(k, processor);
}
