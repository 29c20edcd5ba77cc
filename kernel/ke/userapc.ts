/** User APCs, and the services with which a program goes on after one. They are delivered on the way to user mode: ntdll's KiUserApcDispatcher runs instead of the interrupted code. */
import { GuestFault } from '../../hal/bus/memory.ts';
import {
  BOOLEAN,
  call,
  type Frame,
  HANDLE,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG64,
  VOID,
} from '../exports/declare.ts';
import { service } from '../exports/service.ts';
import type { Kernel } from '../kernel.ts';
import { isKernelAddress, MM_HIGHEST_USER_ADDRESS } from '../mm/layout.ts';
import { KAPC, KAPC_STATE, KTHREAD, MISC_SYSTEM_THREAD, UserMode } from '../types/ke.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { CTF_TERMINATED, ETHREAD } from '../types/ps.ts';
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_ALERTED,
  STATUS_INVALID_HANDLE,
  STATUS_NO_MEMORY,
  STATUS_SUCCESS,
  STATUS_UNSUCCESSFUL,
} from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import { CONTEXT, EXCEPTION_RECORD, KTRAP_FRAME } from '../types/trap.ts';
import { contextFromFrame, contextToFrame } from './context.ts';
import { keTestAlertThread } from './alert.ts';
import { keInitializeApc, keInsertQueueApc } from './apc.ts';
import { removeEntryList } from './list.ts';
import { FRAME_EXCEPTION } from './syscallcode.ts';

const A = KAPC.f;
const T = KTHREAD.f;
const S = KAPC_STATE.f;
const F = KTRAP_FRAME.f;
const C = CONTEXT.f;

const state = (thread: number): number => thread + T.ApcState.offset;
const userList = (thread: number): number => state(thread) + S.ApcListHead.offset + 16;

/** The stack pointer of a frame, for something of `size` bytes below it; 0 when it is not the address of user memory. */
function userStack(k: Kernel, trapFrame: number, size: number): number {
  const rsp = k.mem.readPtr(trapFrame + F.Rsp.offset);
  const at = Math.floor((rsp - size) / 16) * 16;
  return at > 0 && !isKernelAddress(rsp) && rsp <= MM_HIGHEST_USER_ADDRESS ? at : 0;
}

/** Makes a frame go on at a routine of ntdll with RSP at `rsp`. */
function redirect(k: Kernel, trapFrame: number, routine: string, rsp: number): void {
  k.mem.writePtr(trapFrame + F.Rip.offset, k.address(routine));
  k.mem.writePtr(trapFrame + F.Rsp.offset, rsp);
  F.EFlags.set(k.mem, trapFrame, 0x202);
  F.ExceptionActive.set(k.mem, trapFrame, FRAME_EXCEPTION);
}

const frame = { NormalRoutine: ptr, NormalContext: ptr, SystemArgument1: ptr, SystemArgument2: ptr } as const;
type Fr = Frame<typeof frame>;

/** Takes the first user APC and calls its kernel routine. */
function takeUserApc(k: Kernel, f: Fr): Outcome {
  const m = k.mem;
  const thread = k.currentThread();
  S.UserApcPendingAll.set(m, state(thread), 0);
  const link = m.readPtr(userList(thread));
  if (link === userList(thread)) return ret();
  const apc = link - A.ApcListEntry.offset;
  removeEntryList(k, link);
  A.Inserted.set(m, apc, 0);
  for (const name of ['NormalRoutine', 'NormalContext', 'SystemArgument1', 'SystemArgument2'] as const)
    m.write64(f.address(name), m.read64(apc + A[name].offset));
  return call(
    A.KernelRoutine.get(m, apc),
    [apc, f.address('NormalRoutine'), f.address('NormalContext'), f.address('SystemArgument1'), f.address('SystemArgument2')],
    'initialize',
  );
}

/** KiInitializeUserApc: the interrupted context and the APC's arguments on the user stack, and the frame leads to ntdll. A stack that cannot hold them ends the process. */
function initializeUserApc(k: Kernel, f: Fr, trapFrame: number): Outcome {
  const { mem } = k;
  if (f.get('NormalRoutine') === 0) {
    keTestAlertThread(k, UserMode);
    return ret();
  }
  const at = userStack(k, trapFrame, CONTEXT.size);
  try {
    if (!at) throw new GuestFault(14, 2, at);
    mem.probe(at, CONTEXT.size, true);
  } catch (e) {
    if (!(e instanceof GuestFault)) throw e;
    return call(k.address('nt!PspTerminateCurrentProcess'), [STATUS_ACCESS_VIOLATION], 'never');
  }
  contextFromFrame(k, trapFrame, at);
  // Where KiUserApcDispatcher finds them: the CONTEXT's home fields.
  mem.write64(at + C.P1Home.offset, mem.read64(f.address('NormalContext')));
  mem.write64(at + C.P2Home.offset, mem.read64(f.address('SystemArgument1')));
  mem.write64(at + C.P3Home.offset, mem.read64(f.address('SystemArgument2')));
  mem.write64(at + C.P4Home.offset, mem.read64(f.address('NormalRoutine')));
  redirect(k, trapFrame, 'ntdll!KiUserApcDispatcher', at);
  return ret();
}

/** CONTEXT at RSP and EXCEPTION_RECORD behind it, where KiUserExceptionDispatcher finds them. */
const RECORD_OFFSET = 0x4f0,
  EXCEPTION_SPACE = 0x590;

/** Leads a frame of user mode to ntdll's KiUserExceptionDispatcher. False when the stack cannot hold the record: the process has to end. */
export function dispatchUserException(
  k: Kernel,
  trapFrame: number,
  e: { status: number; address: number; parameters: readonly bigint[] },
): boolean {
  const { mem } = k;
  const at = userStack(k, trapFrame, EXCEPTION_SPACE);
  try {
    if (!at) return false;
    mem.probe(at, EXCEPTION_SPACE, true);
  } catch (error) {
    if (!(error instanceof GuestFault)) throw error;
    return false;
  }
  // The instruction that faulted, not the one after a breakpoint.
  k.mem.writePtr(trapFrame + F.Rip.offset, e.address);
  contextFromFrame(k, trapFrame, at);
  const record = at + RECORD_OFFSET;
  mem.fill(record, EXCEPTION_RECORD.size, 0);
  mem.write32(record, e.status);
  EXCEPTION_RECORD.f.ExceptionAddress.set(mem, record, e.address);
  EXCEPTION_RECORD.f.NumberParameters.set(mem, record, e.parameters.length);
  e.parameters.forEach((p, i) => mem.write64(record + EXCEPTION_RECORD.f.ExceptionInformation.offset + i * 8, p));
  redirect(k, trapFrame, 'ntdll!KiUserExceptionDispatcher', at);
  return true;
}

const THREAD_SET_CONTEXT = 0x10;
const TAG_APC = 0x70617350; // 'Psap'

const apcArgs = {
  Apc: PVOID,
  NormalRoutine: PVOID,
  NormalContext: PVOID,
  SystemArgument1: PVOID,
  SystemArgument2: PVOID,
} as const;

/** Queueing a routine to a thread, from a program. Source: the page of QueueUserAPC, and NtQueueApcThread in ntifs.h of newer kits. */
const queueing: readonly NtExport[] = [
  ...service({
    name: 'QueueApcThread',
    doc: 'Has a thread with a user mode call a routine when it next waits alertably.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { ThreadHandle: HANDLE, ApcRoutine: PVOID, ApcArgument1: ULONG64, ApcArgument2: ULONG64, ApcArgument3: ULONG64 },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      const r = obReferenceObjectByHandle(
        k,
        a.ThreadHandle,
        THREAD_SET_CONTEXT,
        exportedType(k, 'PsThreadType'),
        previousMode(k),
      );
      if (r.status !== STATUS_SUCCESS) return r.status;
      const status = queueUserApc(k, r.object, a.ApcRoutine, [a.ApcArgument1, a.ApcArgument2, a.ApcArgument3]);
      obDereferenceDeferred(k, r.object);
      return status;
    },
  }),
  ntExport({
    name: 'PspQueueApcSpecialApc',
    internal: true,
    doc: 'Kernel routine, and rundown routine, of the APC of NtQueueApcThread: frees it.',
    args: apcArgs,
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, { Apc }) => exFreePool(k, Apc, TAG_APC),
  }),
];

/** A thread of the system has no user mode to call anything in; one that ends takes no more. */
function queueUserApc(k: Kernel, thread: number, routine: number, args: readonly [bigint, bigint, bigint]): number {
  if (T.MiscFlags.get(k.mem, thread) & MISC_SYSTEM_THREAD) return STATUS_INVALID_HANDLE;
  if (ETHREAD.f.CrossThreadFlags.get(k.mem, thread) & CTF_TERMINATED) return STATUS_UNSUCCESSFUL;
  const apc = exAllocatePool(k, NonPagedPoolNx, KAPC.size, TAG_APC);
  if (!apc) return STATUS_NO_MEMORY;
  const kernelRoutine = k.address('nt!PspQueueApcSpecialApc');
  keInitializeApc(k, apc, thread, {
    environment: 0,
    kernelRoutine,
    rundownRoutine: kernelRoutine,
    normalRoutine: routine,
    mode: UserMode,
    normalContext: 0,
  });
  k.mem.write64(apc + A.NormalContext.offset, args[0]);
  keInsertQueueApc(k, apc, args[1], args[2], 0);
  return STATUS_SUCCESS;
}

export const userApcRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'KiDeliverUserApc',
    internal: true,
    doc: 'At APC_LEVEL on the way to user mode: runs the kernel APCs, then makes the trap frame lead to the first user APC.',
    args: { TrapFrame: pointer('PKTRAP_FRAME') },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame,
    steps: {
      start: k => call(k.address('nt!KiDeliverApc'), [0], 'user'),
      user: (k, f) => takeUserApc(k, f),
      initialize: (k, f, _rax, { TrapFrame }) => initializeUserApc(k, f, TrapFrame),
      never: () => {
        throw new Error('a thread that has ended ran again');
      },
    },
  }),
  ntExport({
    name: 'NtContinue',
    internal: true,
    doc: 'Goes on in user mode at a CONTEXT; with TestAlert the user APCs that are queued come first.',
    irql: { max: 'APC_LEVEL' },
    args: { ContextRecord: pointer('PCONTEXT'), TestAlert: BOOLEAN },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, { ContextRecord, TestAlert }) {
      const thread = k.currentThread();
      const trapFrame = T.TrapFrame.get(k.mem, thread);
      k.mem.probe(ContextRecord, CONTEXT.size, false);
      contextToFrame(k, ContextRecord, trapFrame);
      if (TestAlert) keTestAlertThread(k, UserMode);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'NtTestAlert',
    internal: true,
    doc: 'Lets the user APCs of the current thread that are queued be delivered.',
    irql: { max: 'APC_LEVEL' },
    args: {},
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: k => (keTestAlertThread(k, UserMode) ? STATUS_ALERTED : STATUS_SUCCESS),
  }),
  ntSteps({
    name: 'NtRaiseException',
    internal: true,
    doc: 'Raises an exception in the calling program; a second chance, which nobody takes, ends the process with the exception code.',
    irql: { max: 'APC_LEVEL' },
    args: { ExceptionRecord: pointer('PEXCEPTION_RECORD'), ContextRecord: pointer('PCONTEXT'), FirstChance: BOOLEAN },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { ExceptionRecord, ContextRecord, FirstChance }) {
        const { mem } = k;
        mem.probe(ExceptionRecord, EXCEPTION_RECORD.size, false);
        mem.probe(ContextRecord, CONTEXT.size, false);
        const status = mem.read32(ExceptionRecord);
        const address = EXCEPTION_RECORD.f.ExceptionAddress.get(mem, ExceptionRecord);
        const count = Math.min(15, EXCEPTION_RECORD.f.NumberParameters.get(mem, ExceptionRecord));
        const parameters = Array.from({ length: count }, (_, i) =>
          mem.read64(ExceptionRecord + EXCEPTION_RECORD.f.ExceptionInformation.offset + i * 8),
        );
        const trapFrame = T.TrapFrame.get(mem, k.currentThread());
        contextToFrame(k, ContextRecord, trapFrame);
        if (FirstChance && dispatchUserException(k, trapFrame, { status, address, parameters })) return ret(STATUS_SUCCESS);
        k.debugPrint(`An exception in user mode was not handled: code ${status.toString(16)} at ${address.toString(16)}\n`);
        return call(k.address('nt!PspTerminateCurrentProcess'), [status], 'never');
      },
      never: () => {
        throw new Error('a thread that has ended ran again');
      },
    },
  }),
  ...queueing,
];
