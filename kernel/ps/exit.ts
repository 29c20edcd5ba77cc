/** How threads and processes with a user mode end: NtTerminateThread, NtTerminateProcess, and what a process gives back with its last thread. */
import {
  call,
  type Frame,
  HANDLE,
  jump,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  PVOID,
  ret,
  VOID,
} from '../exports/declare.ts';
import { stepService } from '../exports/service.ts';
import { keInitializeApc } from '../ke/apc.ts';
import { insertHeadList } from '../ke/list.ts';
import { requestSoftwareInterrupt } from '../ke/processor.ts';
import { APC_VECTOR } from '../ke/ready.ts';
import { signalObject, unwaitThread } from '../ke/signal.ts';
import { systemTime } from '../ke/time.ts';
import type { Kernel } from '../kernel.ts';
import { mmCleanAddressSpace } from '../mm/process.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obDeleteHandleTable, obReferenceObjectByHandle, openHandles } from '../ob/handle.ts';
import { previousMode, setPreviousMode } from '../ob/mode.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { requesterProcessEnded } from '../requester/state.ts';
import { listEntries } from '../rtl/list.ts';
import { KAPC, KAPC_STATE, KernelMode, KTHREAD, MISC_SYSTEM_THREAD, Running, UserMode, Waiting } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { CTF_TERMINATED, EPROCESS, ETHREAD } from '../types/ps.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
} from '../types/status.ts';
import { u32 } from '../types/struct.ts';
import { deleteProcess } from './process.ts';

const T = KTHREAD.f;
const E = ETHREAD.f;
const P = EPROCESS.f;
const A = KAPC.f;
const TAG = poolTag('PsEx');
const PROCESS_TERMINATE = 1,
  THREAD_TERMINATE = 1;
const STATUS_USER_APC = 0xc0;
const CURRENT_THREAD = -2;

/**
 * PspTerminateThreadByPointer for another thread: a user APC whose kernel routine ends it, before all others. The thread ends when it is about to return to user mode; a wait
 * in user mode's name is over at once.
 */
function terminateThread(k: Kernel, thread: number, status: number): number {
  const { mem } = k;
  const flags = E.CrossThreadFlags.get(mem, thread);
  if (flags & CTF_TERMINATED) return STATUS_SUCCESS;
  const apc = exAllocatePool(k, NonPagedPoolNx, KAPC.size, TAG);
  if (!apc) return STATUS_INSUFFICIENT_RESOURCES;
  E.CrossThreadFlags.set(mem, thread, flags | CTF_TERMINATED);
  E.ExitStatus.set(mem, thread, status | 0);
  const routine = k.address('nt!PspExitApc');
  keInitializeApc(k, apc, thread, {
    environment: 0,
    kernelRoutine: routine,
    rundownRoutine: k.address('nt!PspExitApcRundown'),
    normalRoutine: routine,
    mode: UserMode,
    normalContext: 0,
  });
  A.Inserted.set(mem, apc, 1);
  const state = thread + T.ApcState.offset;
  insertHeadList(mem, state + KAPC_STATE.f.ApcListHead.offset + 16, apc + A.ApcListEntry.offset);
  KAPC_STATE.f.UserApcPendingAll.set(mem, state, 1);
  const now = T.State.get(mem, thread);
  if (now === Waiting && T.WaitMode.get(mem, thread) === UserMode) unwaitThread(k, thread, STATUS_USER_APC, 0);
  else if (now === Running) requestSoftwareInterrupt(k, APC_VECTOR, T.NextProcessor.get(mem, thread));
  return STATUS_SUCCESS;
}

/** Ends the threads of a process but for the current one. */
function terminateThreads(k: Kernel, process: number, status: number): void {
  const current = k.currentThread();
  for (const link of [...listEntries(k.mem, process + P.ThreadListHead.offset)]) {
    const thread = link - E.ThreadListEntry.offset;
    if (thread !== current) terminateThread(k, thread, status);
  }
}

/** The current process ends: its other threads are told, and the current one goes. */
function exitCurrentProcess(k: Kernel, status: number): Outcome {
  const process = k.currentThreadProcess();
  P.ExitStatus.set(k.mem, process, status | 0);
  terminateThreads(k, process, status);
  setPreviousMode(k, KernelMode);
  k.irql = 0;
  return call(k.address('nt!PspExitThread'), [status], 'never');
}

const never = (): never => {
  throw new Error('a thread that has ended ran again');
};

/** Closes the next handle of the current process at or above the cursor; what cannot be closed is passed over. */
function closeNext(k: Kernel, f: Frame<{ Cursor: typeof u32 }>): Outcome {
  const process = k.currentThreadProcess();
  const table = P.ObjectTable.get(k.mem, process);
  const found = openHandles(k, table).find(h => h.handle >= f.get('Cursor'));
  if (!found) return { do: 'next', then: 'closed', cycles: 0 };
  f.set('Cursor', found.handle + 4);
  return call(k.address('nt!ObpCloseHandle'), [found.handle, KernelMode], 'next');
}

export const exitRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'PspExitProcess',
    internal: true,
    doc: 'The last thread of a process with a user mode ends: closes its handles, empties its address space, wakes who waits for it.',
    args: { ExitStatus: NTSTATUS },
    returns: VOID,
    cycles: 1000,
    status: 'full',
    frame: { Cursor: u32 },
    steps: {
      start(k, f) {
        f.set('Cursor', 0);
        // Who has PsAcquireProcessExitSynchronization looks into the process: it stays until they are done.
        const rundown = k.currentThreadProcess() + P.RundownProtect.offset;
        return call(k.address('nt!ExWaitForRundownProtectionRelease'), [rundown], 'alone');
      },
      alone: (k, f) => closeNext(k, f),
      next: (k, f) => closeNext(k, f),
      closed(k, _f, _rax, { ExitStatus }) {
        const { mem } = k;
        const process = k.currentThreadProcess();
        requesterProcessEnded(k, process);
        mmCleanAddressSpace(k, process);
        obDeleteHandleTable(k, P.ObjectTable.get(mem, process));
        P.ObjectTable.set(mem, process, 0);
        P.ExitTime.set(mem, process, systemTime(k));
        if (P.ExitStatus.get(mem, process) === 0x103) P.ExitStatus.set(mem, process, ExitStatus | 0);
        mem.write32(process + 4, 1);
        signalObject(k, process, 0);
        // The reference of the running process; its threads have theirs.
        obDereferenceDeferred(k, process);
        return ret();
      },
    },
  }),
  ntExport({
    name: 'PspProcessDelete',
    internal: true,
    doc: 'Gives back what a process object holds, when its last reference goes.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl: (k, { Object }) => deleteProcess(k, Object),
  }),
  ntSteps({
    name: 'PspTerminateCurrentProcess',
    internal: true,
    doc: 'Ends the current process; does not return.',
    args: { ExitStatus: NTSTATUS },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: {},
    steps: { start: (k, _f, _rax, { ExitStatus }) => exitCurrentProcess(k, ExitStatus), never },
  }),
  ntSteps({
    name: 'PspExitApc',
    internal: true,
    doc: 'Kernel routine of the APC that ends a thread.',
    args: { Apc: PVOID, NormalRoutine: PVOID, NormalContext: PVOID, SystemArgument1: PVOID, SystemArgument2: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { Apc }) {
        exFreePool(k, Apc, TAG);
        setPreviousMode(k, KernelMode);
        k.irql = 0;
        return call(k.address('nt!PspExitThread'), [E.ExitStatus.get(k.mem, k.currentThread())], 'never');
      },
      never,
    },
  }),
  ntExport({
    name: 'PspExitApcRundown',
    internal: true,
    doc: 'The thread ended by itself before the APC that was to end it came.',
    args: { Apc: PVOID },
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, { Apc }) => exFreePool(k, Apc, TAG),
  }),
  ...stepService({
    name: 'TerminateProcess',
    doc: 'Ends a process and all of its threads; with no handle, the other threads of the current process.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { ProcessHandle: HANDLE, ExitStatus: NTSTATUS },
    returns: NTSTATUS,
    cycles: 500,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { ProcessHandle, ExitStatus }) {
        if (ProcessHandle === 0) {
          terminateThreads(k, k.currentThreadProcess(), ExitStatus);
          return ret(STATUS_SUCCESS);
        }
        const r = obReferenceObjectByHandle(
          k,
          ProcessHandle,
          PROCESS_TERMINATE,
          exportedType(k, 'PsProcessType'),
          previousMode(k),
        );
        if (r.status !== STATUS_SUCCESS) return ret(r.status);
        const process = r.object;
        obDereferenceDeferred(k, process);
        // The kernel's own processes have no user mode to end from.
        if (P.Peb.get(k.mem, process) === 0) return ret(STATUS_ACCESS_DENIED);
        if (process === k.currentThreadProcess()) return exitCurrentProcess(k, ExitStatus);
        if (P.ActiveThreads.get(k.mem, process) === 0) return ret(STATUS_PROCESS_IS_TERMINATING);
        P.ExitStatus.set(k.mem, process, ExitStatus | 0);
        terminateThreads(k, process, ExitStatus);
        return ret(STATUS_SUCCESS);
      },
      never,
    },
  }),
  ntSteps({
    name: 'NtTerminateThread',
    internal: true,
    doc: 'Ends a thread that has a user mode.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { ThreadHandle: HANDLE, ExitStatus: NTSTATUS },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { ThreadHandle, ExitStatus }) {
        const handle = ThreadHandle || CURRENT_THREAD;
        const r = obReferenceObjectByHandle(k, handle, THREAD_TERMINATE, exportedType(k, 'PsThreadType'), previousMode(k));
        if (r.status !== STATUS_SUCCESS) return ret(r.status);
        const thread = r.object;
        obDereferenceDeferred(k, thread);
        if (T.MiscFlags.get(k.mem, thread) & MISC_SYSTEM_THREAD) return ret(STATUS_ACCESS_DENIED);
        if (thread !== k.currentThread()) {
          if (E.CrossThreadFlags.get(k.mem, thread) & CTF_TERMINATED) return ret(STATUS_THREAD_IS_TERMINATING);
          return ret(terminateThread(k, thread, ExitStatus));
        }
        setPreviousMode(k, KernelMode);
        return jump(k.address('nt!PspExitThread'), ExitStatus);
      },
    },
  }),
];
