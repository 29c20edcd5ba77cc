import type { Kernel } from '../kernel.ts';
import { LOCAL_APIC_PA } from '../mm/layout.ts';
import { KTHREAD, Ready, Standby } from '../types/ke.ts';
import { DPC_NORMAL_PROCESSING_REQUESTED, KPRCB } from '../types/prcb.ts';
import { insertHeadList, insertTailList, isListEmpty, removeEntryList } from './list.ts';

/** Thread priorities: 1-15 vary with boosts, 16-31 are real time, 0 is for the zero page thread (Windows Internals, "Thread scheduling"). */
export const LOW_REALTIME_PRIORITY = 16;
/** KTHREAD.QuantumReset: units of a third of a clock tick; 6 = two ticks, the default for the foreground of a workstation. */
export const DEFAULT_QUANTUM = 6;

const T = KTHREAD.f;
const P = KPRCB.f;

const APIC_ICR_LOW = 0x300;
/** Fixed delivery, level assert, destination shorthand "self" (Intel SDM vol. 3, 10.6.1). */
const ICR_SELF = 0x44000;

/** Software interrupt vectors, one a level (design of x64 NT's HAL). */
export const APC_VECTOR = 0x1f,
  DISPATCH_VECTOR = 0x2f,
  CLOCK_VECTOR = 0xd1,
  IPI_VECTOR = 0xe1,
  SPURIOUS_VECTOR = 0xdf;

/** Requests a software interrupt on this processor: a self-IPI, which the local APIC holds back while the IRQL masks it (HalRequestSoftwareInterrupt). */
export function requestSoftwareInterrupt(k: Kernel, vector: number): void {
  k.cpu.physWrite(LOCAL_APIC_PA + APIC_ICR_LOW, 4, ICR_SELF | vector);
}

/** Asks for the dispatcher to run when the IRQL next falls below DISPATCH_LEVEL. The idle loop and the end of the DPC queue look by themselves. */
export function requestDispatch(k: Kernel): void {
  const { mem, prcb } = k;
  if (P.DpcRoutineActive.get(mem, prcb) !== 0 || P.CurrentThread.get(mem, prcb) === P.IdleThread.get(mem, prcb)) return;
  requestSoftwareInterrupt(k, DISPATCH_VECTOR);
}

/** The head of the ready queue of `priority`. */
export const readyListHead = (k: Kernel, priority: number): number => k.prcb + P.DispatcherReadyListHead.offset + priority * 16;

const entryOf = (thread: number): number => thread + T.WaitListEntry.offset;
const threadOf = (entry: number): number => entry - T.WaitListEntry.offset;

function enqueue(k: Kernel, thread: number, atHead: boolean): void {
  const priority = T.Priority.get(k.mem, thread);
  T.State.set(k.mem, thread, Ready);
  const head = readyListHead(k, priority);
  (atHead ? insertHeadList : insertTailList)(k.mem, head, entryOf(thread));
  P.ReadySummary.set(k.mem, k.prcb, (P.ReadySummary.get(k.mem, k.prcb) | (1 << priority)) >>> 0);
}

/** Takes a ready thread out of its queue. */
export function removeFromReadyQueue(k: Kernel, thread: number): void {
  const priority = T.Priority.get(k.mem, thread);
  removeEntryList(k, entryOf(thread));
  if (isListEmpty(k.mem, readyListHead(k, priority)))
    P.ReadySummary.set(k.mem, k.prcb, (P.ReadySummary.get(k.mem, k.prcb) & ~(1 << priority)) >>> 0);
}

/** Makes a thread ready. If it outranks the one that runs (and any that is already chosen) it becomes next, and a dispatch interrupt is requested. */
export function readyThread(k: Kernel, thread: number, atHead = false): void {
  const { mem, prcb } = k;
  const priority = T.Priority.get(mem, thread);
  const standby = P.NextThread.get(mem, prcb);
  const current = P.CurrentThread.get(mem, prcb);
  const idle = P.IdleThread.get(mem, prcb);
  if (standby !== 0) {
    if (priority <= T.Priority.get(mem, standby)) {
      enqueue(k, thread, atHead);
      return;
    }
    enqueue(k, standby, true);
  } else if (current !== idle && priority <= T.Priority.get(mem, current)) {
    enqueue(k, thread, atHead);
    return;
  }
  T.State.set(mem, thread, Standby);
  P.NextThread.set(mem, prcb, thread);
  requestDispatch(k);
}

/** Puts the running thread back among the ready ones, because another one takes the processor from it. */
export function requeuePreempted(k: Kernel, thread: number, atHead: boolean): void {
  T.Preempted.set(k.mem, thread, 1);
  enqueue(k, thread, atHead);
}

/** Takes the ready thread of highest priority that is at least `minimum`; 0 when there is none. */
export function takeReadyThread(k: Kernel, minimum = 0): number {
  const summary = P.ReadySummary.get(k.mem, k.prcb);
  if (summary === 0) return 0;
  const priority = 31 - Math.clz32(summary);
  if (priority < minimum) return 0;
  const thread = threadOf(k.mem.readPtr(readyListHead(k, priority)));
  removeFromReadyQueue(k, thread);
  return thread;
}

/** Chooses who runs when the current thread gives the processor up: the one already chosen, else the best ready one, else the idle thread. */
export function selectNextThread(k: Kernel): number {
  const next = P.NextThread.get(k.mem, k.prcb);
  if (next !== 0) {
    P.NextThread.set(k.mem, k.prcb, 0);
    return next;
  }
  return takeReadyThread(k) || P.IdleThread.get(k.mem, k.prcb);
}

/** Changes a thread's priority, moving it between queues (KiSetPriorityThread). */
export function setThreadPriority(k: Kernel, thread: number, priority: number): void {
  const { mem, prcb } = k;
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
  if (state === Standby && P.NextThread.get(mem, prcb) === thread) {
    const better = takeReadyThread(k, priority + 1);
    if (better) {
      P.NextThread.set(mem, prcb, better);
      T.State.set(mem, better, Standby);
      enqueue(k, thread, true);
    }
  } else if (thread === P.CurrentThread.get(mem, prcb) && P.NextThread.get(mem, prcb) === 0) {
    const better = takeReadyThread(k, priority + 1);
    if (better) {
      P.NextThread.set(mem, prcb, better);
      T.State.set(mem, better, Standby);
      requestDispatch(k);
    }
  }
}

/** Marks that DPCs wait for their processor. */
export function requestDpcInterrupt(k: Kernel, bits = DPC_NORMAL_PROCESSING_REQUESTED): void {
  P.DpcRequestSummary.set(k.mem, k.prcb, P.DpcRequestSummary.get(k.mem, k.prcb) | bits);
  requestDispatch(k);
}
