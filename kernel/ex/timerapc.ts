/**
 * Timer objects whose expiry calls a routine in the thread that set them (ZwSetTimer with an APC routine). The KTIMER's DPC queues the APC; while the timer is associated with a
 * thread it is on the thread's list, has a reference, and goes with the thread. Source: the page of NtSetTimer; Windows Internals, "Timers".
 */
import { type NtExport, ntExport, PVOID, VOID } from '../exports/declare.ts';
import { keInitializeApc, keInsertQueueApc, keRemoveQueueApc } from '../ke/apc.ts';
import { keInitializeDpc, keRemoveQueueDpc } from '../ke/dpc.ts';
import { systemTime } from '../ke/time.ts';
import { keCancelTimer, keInitializeTimerEx, keSetTimer } from '../ke/timer.ts';
import type { Kernel } from '../kernel.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { KAPC, KDPC, KTIMER } from '../types/ke.ts';
import { ETHREAD } from '../types/ps.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { struct, u32 } from '../types/struct.ts';

/** Body of a timer object: the KTIMER comes first, so that threads can wait for it. This kernel's own layout after that. */
export const ETIMER = struct('_ETIMER', {
  Timer: KTIMER,
  Apc: KAPC,
  Dpc: KDPC,
  /** On the list of the thread that set it. */
  ActiveTimerListEntry: LIST_ENTRY,
  Associated: u32,
  Period: u32,
});
const X = ETIMER.f;
const timerHead = (thread: number): number => thread + ETHREAD.f.ActiveTimerListHead.offset;

export function initializeTimerObject(k: Kernel, timer: number, synchronization: boolean): void {
  k.mem.fill(timer, ETIMER.size, 0);
  keInitializeTimerEx(k, timer, synchronization);
  keInitializeDpc(k, timer + X.Dpc.offset, k.address('nt!ExpTimerApcDpcRoutine'), timer);
  initializeListHead(k.mem, timer + X.ActiveTimerListEntry.offset);
}

/** Ends the bond between a timer and its thread: what is queued does not come any more, the reference goes. */
function dissociate(k: Kernel, timer: number): void {
  if (!X.Associated.get(k.mem, timer)) return;
  X.Associated.set(k.mem, timer, 0);
  removeEntryList(k.mem, timer + X.ActiveTimerListEntry.offset);
  keRemoveQueueDpc(k, timer + X.Dpc.offset);
  keRemoveQueueApc(k, timer + X.Apc.offset);
  obDereferenceDeferred(k, timer);
}

/** NtCancelTimer: whether it was set. */
export function cancelTimerObject(k: Kernel, timer: number): boolean {
  const was = keCancelTimer(k, timer);
  dissociate(k, timer);
  return was;
}

/** NtSetTimer. With a routine, the current thread calls it, in the given mode, each time the timer expires. */
export function setTimerObject(
  k: Kernel,
  timer: number,
  a: { due: bigint; period: number; routine: number; context: number; mode: number },
): void {
  cancelTimerObject(k, timer);
  X.Period.set(k.mem, timer, a.period);
  if (a.routine) {
    const thread = k.currentThread();
    keInitializeApc(k, timer + X.Apc.offset, thread, {
      environment: 0,
      kernelRoutine: k.address('nt!ExpTimerApcRoutine'),
      rundownRoutine: k.address('nt!ExpTimerApcRundown'),
      normalRoutine: a.routine,
      mode: a.mode,
      normalContext: a.context,
    });
    insertTailList(k.mem, timerHead(thread), timer + X.ActiveTimerListEntry.offset);
    obReferenceObject(k, timer);
    X.Associated.set(k.mem, timer, 1);
  }
  keSetTimer(k, timer, a.due, a.period, a.routine ? timer + X.Dpc.offset : 0);
}

/** The current thread ends: its timers with routines are cancelled. */
export function rundownThreadTimers(k: Kernel, thread: number): void {
  for (const link of [...listEntries(k.mem, timerHead(thread))]) cancelTimerObject(k, link - X.ActiveTimerListEntry.offset);
}

const apcArgs = {
  Apc: PVOID,
  NormalRoutine: PVOID,
  NormalContext: PVOID,
  SystemArgument1: PVOID,
  SystemArgument2: PVOID,
} as const;
const timerOfApc = (apc: number): number => apc - X.Apc.offset;

export const timerApcRoutines: readonly NtExport[] = [
  ntExport({
    name: 'ExpTimerApcDpcRoutine',
    internal: true,
    doc: 'DPC of a timer object with an APC routine: queues the APC with the time, if it is not queued still.',
    args: { Dpc: PVOID, Timer: PVOID, SystemArgument1: PVOID, SystemArgument2: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, { Timer }) {
      if (!X.Associated.get(k.mem, Timer)) return;
      const now = BigInt.asUintN(64, systemTime(k));
      keInsertQueueApc(k, Timer + X.Apc.offset, now & 0xffffffffn, now >> 32n, 0);
    },
  }),
  ntExport({
    name: 'ExpTimerApcRoutine',
    internal: true,
    doc: 'Kernel routine of the APC of a timer object: one that is not periodic leaves its thread.',
    args: apcArgs,
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl(k, { Apc }) {
      const timer = timerOfApc(Apc);
      if (X.Period.get(k.mem, timer) === 0) dissociate(k, timer);
    },
  }),
  ntExport({
    name: 'ExpTimerApcRundown',
    internal: true,
    doc: 'Rundown routine of the APC of a timer object: its thread ends.',
    args: { Apc: PVOID },
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, { Apc }) => void cancelTimerObject(k, timerOfApc(Apc)),
  }),
];
