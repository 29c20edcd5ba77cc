import { DISPATCH_LEVEL } from '../exports/declare.ts';
import { keReleaseMutant } from '../ke/event.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../ke/list.ts';
import { leaveQueue } from '../ke/queue.ts';
import { readyThread } from '../ke/ready.ts';
import { signalObject } from '../ke/signal.ts';
import { chargeThread } from '../ke/swap.ts';
import { allocateKernelStack, freeKernelStack } from '../ke/stack.ts';
import { keInitializeThread } from '../ke/thread.ts';
import { systemTime } from '../ke/time.ts';
import { freeThreadState } from '../ke/xstate.ts';
import { abandonWatches } from '../cm/notify.ts';
import { rundownThreadTimers } from '../ex/timerapc.ts';
import type { Kernel } from '../kernel.ts';
import { pcrAddress, IDLE_STACK_TOP, prcbAddress } from '../mm/layout.ts';
import { freeObject, obCreateObject, obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { KERNEL_APC_PENDING_DURING_EXIT, THREAD_TERMINATE_HELD_MUTEX } from '../types/bugcodes.ts';
import { KMUTANT, KPROCESS, KTHREAD, MISC_SYSTEM_THREAD, Running, Terminated } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { CTF_IO_PRIORITY_SHIFT, CTF_PAGE_PRIORITY_SHIFT, CTF_TERMINATED, EPROCESS, ETHREAD } from '../types/ps.ts';
import { isDriverAddress } from '../verifier/state.ts';
import { threadDiscarded, threadEnds, threadStarts } from '../verifier/thread.ts';
import { setImpersonation } from '../se/subject.ts';
import { freeThreadName } from './name.ts';
import { allocateCid, freeCid } from './cid.ts';

const E = ETHREAD.f;
const T = KTHREAD.f;
const P = EPROCESS.f;

/** ETHREAD.CrossThreadFlags of a new thread: IoPriorityNormal, MEMORY_PRIORITY_NORMAL. */
const NORMAL_PRIORITIES = (2 << CTF_IO_PRIORITY_SHIFT) | (5 << CTF_PAGE_PRIORITY_SHIFT);

function fillThread(k: Kernel, thread: number, process: number, start: number): void {
  const m = k.mem;
  for (const list of [E.IrpList, E.ActiveTimerListHead, E.PostBlockList, E.KeyedWaitChain, E.ThreadListEntry])
    initializeListHead(m, thread + list.offset);
  E.CreateTime.set(m, thread, systemTime(k));
  E.StartAddress.set(m, thread, start);
  E.Win32StartAddress.set(m, thread, start);
  E.ExitStatus.set(m, thread, 0x103);
  E.CrossThreadFlags.set(m, thread, NORMAL_PRIORITIES);
  m.writePtr(thread + E.Cid.offset, P.UniqueProcessId.get(m, process));
}

/**
 * PsCreateSystemThread without the handle: a thread of `process` that runs `start(context)` in kernel mode at PASSIVE_LEVEL. Its ETHREAD, or 0 when memory or ids are
 * used up. The object's first reference belongs to the running thread and goes when it ends: who keeps the pointer takes one more.
 */
export function psCreateSystemThread(k: Kernel, process: number, start: number, context: number, priority?: number): number {
  const thread = psCreateThreadObject(k, process, start, context, priority);
  if (thread) readyThread(k, thread);
  return thread;
}

/** The same, but the thread does not run before {@link readyThread}. */
export function psCreateThreadObject(k: Kernel, process: number, start: number, context: number, priority?: number): number {
  const m = k.mem;
  const thread = obCreateObject(k, exportedType(k, 'PsThreadType'), ETHREAD.size);
  if (!thread) return 0;
  const stack = allocateKernelStack(k);
  const tid = stack ? allocateCid(k, thread) : 0;
  if (!tid) {
    if (stack) freeKernelStack(k, stack);
    freeObject(k, thread);
    return 0;
  }
  keInitializeThread(k, thread, process, stack, { rip: k.address('nt!KiStartSystemThread'), rbx: start, rsi: context });
  fillThread(k, thread, process, start);
  m.writePtr(thread + E.Cid.offset + 8, tid);
  insertTailList(m, process + P.ThreadListHead.offset, thread + E.ThreadListEntry.offset);
  P.ActiveThreads.set(m, process, P.ActiveThreads.get(m, process) + 1);
  k.global.set('PspActiveThreads', k.global.get('PspActiveThreads') + 1);
  obReferenceObject(k, process);
  if (priority !== undefined) {
    T.Priority.set(m, thread, priority);
    T.BasePriority.set(m, thread, priority);
  }
  if (k.config.verifier && isDriverAddress(start)) threadStarts(k, thread, start);
  return thread;
}

/** What a thread still holds when it ends: a mutex or a critical region is an error of the driver's, mutants are abandoned, the rest is given back. */
function releaseWhatItHolds(k: Kernel, thread: number): void {
  const m = k.mem;
  for (const link of [...listEntries(m, thread + T.MutantListHead.offset)]) {
    const mutant = link - KMUTANT.f.MutantListEntry.offset;
    if (KMUTANT.f.ApcDisable.get(m, mutant) !== 0)
      k.bugCheck(
        THREAD_TERMINATE_HELD_MUTEX,
        thread,
        mutant,
        0,
        0,
        'a thread ended that holds a mutex (KMUTEX): it must call KeReleaseMutex for each wait before it returns',
      );
    keReleaseMutant(k, mutant, 1, true);
  }
  const disable = T.CombinedApcDisable.get(m, thread);
  if (disable !== 0)
    k.bugCheck(
      KERNEL_APC_PENDING_DURING_EXIT,
      thread + T.ApcState.offset,
      disable,
      k.irql,
      0,
      'a thread ended inside a critical or guarded region: KeLeaveCriticalRegion or KeLeaveGuardedRegion is missing (or was called too often)',
    );
  leaveQueue(k, thread);
  rundownThreadTimers(k, thread);
  abandonWatches(k, thread);
  freeThreadState(k, thread);
}

/** Takes back a thread of {@link psCreateThreadObject} that has never run. */
export function psDiscardThread(k: Kernel, thread: number): void {
  const m = k.mem;
  if (k.config.verifier) threadDiscarded(k, thread);
  const process = T.Process.get(m, thread);
  removeEntryList(k, thread + T.ThreadListEntry.offset);
  removeEntryList(k, thread + E.ThreadListEntry.offset);
  P.ActiveThreads.set(m, process, P.ActiveThreads.get(m, process) - 1);
  k.global.set('PspActiveThreads', k.global.get('PspActiveThreads') - 1);
  T.State.set(m, thread, Terminated);
  freeKernelStack(k, T.StackBase.get(m, thread));
  obDereferenceDeferred(k, thread);
}

/**
 * PspExitThread: the current thread ends. Its mutants are abandoned, waiters for it woken, its stack given back when the next thread has the processor. The caller must
 * end with `wait(...)`: the thread does not run again.
 */
export function psExitCurrentThread(k: Kernel, status: number): void {
  const m = k.mem;
  const thread = k.currentThread();
  const process = T.Process.get(m, thread);
  if (k.config.verifier) threadEnds(k, thread);
  E.ExitStatus.set(m, thread, status | 0);
  E.ExitTime.set(m, thread, systemTime(k));
  E.CrossThreadFlags.set(m, thread, E.CrossThreadFlags.get(m, thread) | CTF_TERMINATED);
  releaseWhatItHolds(k, thread);
  removeEntryList(k, thread + T.ThreadListEntry.offset);
  removeEntryList(k, thread + E.ThreadListEntry.offset);
  P.ActiveThreads.set(m, process, P.ActiveThreads.get(m, process) - 1);
  P.LastThreadExitStatus.set(m, process, status | 0);
  chargeThread(k, thread);
  KPROCESS.f.CycleTime.set(m, process, KPROCESS.f.CycleTime.get(m, process) + T.CycleTime.get(m, thread));
  k.global.set('PspActiveThreads', k.global.get('PspActiveThreads') - 1);
  T.State.set(m, thread, Terminated);
  m.write32(thread + 4, 1);
  signalObject(k, thread, 0);
  obDereferenceDeferred(k, thread);
}

/** PspThreadDelete: what a thread object holds, when its last reference goes. */
export function deleteThread(k: Kernel, thread: number): void {
  freeCid(k, k.mem.readPtr(thread + E.Cid.offset + 8));
  setImpersonation(k, thread, 0, 0, false);
  freeThreadName(k, thread);
  obDereferenceDeferred(k, T.Process.get(k.mem, thread));
}

/** The idle thread of a processor: it is (or will be, when the processor is started) running on the processor's own stack, at DISPATCH_LEVEL once the system is up. */
export function initializeIdleThread(k: Kernel, process: number, thread: number, processor: number): number {
  const m = k.mem;
  const stackBase = pcrAddress(processor) + IDLE_STACK_TOP;
  // The running stack must not be touched, so the frames of a fresh thread are laid out below what is in use and never loaded.
  keInitializeThread(k, thread, process, stackBase - 0x2000, { rip: k.address('nt!KiIdleLoop'), rbx: 0, rsi: 0 });
  T.StackBase.set(m, thread, stackBase);
  T.InitialStack.set(m, thread, stackBase - 0x50);
  fillThread(k, thread, process, k.address('nt!KiIdleLoop'));
  T.Priority.set(m, thread, 0);
  T.BasePriority.set(m, thread, 0);
  T.State.set(m, thread, Running);
  T.WaitIrql.set(m, thread, DISPATCH_LEVEL);
  T.MiscFlags.set(m, thread, MISC_SYSTEM_THREAD);
  insertTailList(m, process + P.ThreadListHead.offset, thread + E.ThreadListEntry.offset);
  const only = 1n << BigInt(processor);
  m.write64(thread + T.Affinity.offset, only);
  m.write64(thread + T.UserAffinity.offset, only);
  T.IdealProcessor.set(m, thread, processor);
  T.UserIdealProcessor.set(m, thread, processor);
  T.NextProcessor.set(m, thread, processor);
  KPRCB.f.CurrentThread.set(m, prcbAddress(processor), thread);
  KPRCB.f.IdleThread.set(m, prcbAddress(processor), thread);
  return thread;
}
