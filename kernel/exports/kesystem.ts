/** Bug checks, interrupts, calls on other processors and stacks, address spaces. Source: the WDK page of each routine; ntifs.h. */
import { R8, R9, RAX, RBP, RCX, RDX, RSP } from '../../hal/bus/cpu.ts';
import { initializeApcState, moveApcState } from '../ke/apc.ts';
import { deregisterCallback, registerBugCheckCallback, registerReasonCallback } from '../ke/bugcallback.ts';
import { deregisterNmiCallback, registerNmiCallback } from '../ke/nmi.ts';
import { allocateKernelStack, freeKernelStack, KERNEL_LARGE_STACK_SIZE } from '../ke/stack.ts';
import { restoreExtendedState, saveExtendedState } from '../ke/xstate.ts';
import type { Kernel } from '../kernel.ts';
import { mem } from '../image/asm.ts';
import { PAGE_SIZE } from '../mm/layout.ts';
import { INVALID_PROCESS_ATTACH_ATTEMPT } from '../types/bugcodes.ts';
import { KAPC_STATE, KINTERRUPT, KPROCESS, KTHREAD } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { ptr, u8 } from '../types/struct.ts';
import { brokenIrqlRule, irqlViolation } from '../verifier/irql.ts';
import { BOOLEAN, call, DISPATCH_LEVEL, type NtExport, ntCode, ntExport, ntSteps, NTSTATUS, pointer, PVOID, ret, SIZE_T, ULONG, ULONG64, VOID } from './declare.ts';

const I = KINTERRUPT.f, T = KTHREAD.f;
const STATUS_NO_MEMORY = 0xc0000017, STATUS_INVALID_PARAMETER_3 = 0xc00000f1, STATUS_INVALID_PARAMETER_4 = 0xc00000f2, STATUS_INSUFFICIENT_RESOURCES = 0xc000009a, STATUS_INVALID_HANDLE = 0xc0000008;
const ULONG_PTR = ULONG64;

const stops: NtExport[] = [
  ntExport({
    name: 'KeBugCheckEx',
    doc: 'Brings the system down in a controlled manner; does not return.',
    args: { BugCheckCode: ULONG, P1: ULONG_PTR, P2: ULONG_PTR, P3: ULONG_PTR, P4: ULONG_PTR },
    returns: VOID,
    cycles: 0,
    status: 'full',
    impl: (k, { BugCheckCode, P1, P2, P3, P4 }) => k.bugCheck(BugCheckCode, P1, P2, P3, P4),
  }),
  ntExport({
    name: 'KeBugCheck',
    doc: 'Brings the system down in a controlled manner, without parameters; does not return.',
    args: { BugCheckCode: ULONG },
    returns: VOID,
    cycles: 0,
    status: 'full',
    impl: (k, { BugCheckCode }) => k.bugCheck(BugCheckCode),
  }),
  ntExport({
    name: 'KeRegisterBugCheckCallback',
    doc: 'Registers a routine that is called when the system stops; returns FALSE for a record that is registered already.',
    args: { CallbackRecord: PVOID, CallbackRoutine: PVOID, Buffer: PVOID, Length: ULONG, Component: PVOID },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    impl: (k, a) => registerBugCheckCallback(k, a.CallbackRecord, a.CallbackRoutine, a.Buffer, a.Length, a.Component),
  }),
  ntExport({
    name: 'KeRegisterBugCheckReasonCallback',
    doc: 'Registers a routine that adds to the crash dump when the system stops; returns FALSE for a record that is registered already.',
    args: { CallbackRecord: PVOID, CallbackRoutine: PVOID, Reason: ULONG, Component: PVOID },
    returns: BOOLEAN,
    cycles: 60,
    status: 'partial',
    missing: 'KbCallbackDumpIo and multi-part data: no dump file is written',
    impl: (k, a) => registerReasonCallback(k, a.CallbackRecord, a.CallbackRoutine, a.Reason, a.Component),
  }),
  ...(['KeDeregisterBugCheckCallback', 'KeDeregisterBugCheckReasonCallback'] as const).map(name =>
    ntExport({
      name,
      doc: 'Takes a bug check routine back; returns FALSE for a record that is not registered.',
      args: { CallbackRecord: PVOID },
      returns: BOOLEAN,
      cycles: 40,
      status: 'full',
      impl: (k, a) => deregisterCallback(k, name === 'KeDeregisterBugCheckCallback' ? 'buffer' : 'reason', a.CallbackRecord),
    }),
  ),
];

const nmi: NtExport[] = [
  ntExport({
    name: 'KeRegisterNmiCallback',
    doc: 'Registers a routine for non-maskable interrupts and returns a handle; NULL without memory.',
    irql: { max: 'APC_LEVEL' },
    args: { CallbackRoutine: PVOID, Context: PVOID },
    returns: PVOID,
    cycles: 120,
    status: 'full',
    impl: (k, { CallbackRoutine, Context }) => registerNmiCallback(k, CallbackRoutine, Context),
  }),
  ntExport({
    name: 'KeDeregisterNmiCallback',
    doc: 'Takes a routine for non-maskable interrupts back; STATUS_INVALID_HANDLE for what is no handle of one.',
    irql: { max: 'APC_LEVEL' },
    args: { Handle: PVOID },
    returns: NTSTATUS,
    cycles: 120,
    status: 'full',
    impl: (k, { Handle }) => (deregisterNmiCallback(k, Handle) ? 0 : STATUS_INVALID_HANDLE),
  }),
];

const frame = { OldIrql: u8, Lock: ptr };

const interrupts: NtExport[] = [
  ntSteps({
    name: 'KeSynchronizeExecution',
    doc: "Calls a routine at an interrupt's DIRQL under its spin lock, so that it cannot run together with the service routine; returns what the routine returns.",
    irql: { when: (a, k) => ({ max: I.SynchronizeIrql.get(k.mem, a.Interrupt) }) },
    args: { Interrupt: pointer('PKINTERRUPT'), SynchronizeRoutine: PVOID, SynchronizeContext: PVOID },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        const lock = I.ActualLock.get(k.mem, a.Interrupt);
        // The lock is tried at the caller's IRQL: until it is free nothing has been changed.
        if (k.mem.read64(lock) !== 0n) return { do: 'retry' };
        f.set('OldIrql', k.irql);
        f.set('Lock', lock);
        k.irql = I.SynchronizeIrql.get(k.mem, a.Interrupt);
        k.mem.write64(lock, 1n);
        return call(a.SynchronizeRoutine, [a.SynchronizeContext], 'done');
      },
      done(k, f, rax) {
        k.mem.write64(f.get('Lock'), 0n);
        k.irql = f.get('OldIrql');
        return ret((rax & 0xff) !== 0);
      },
    },
    // An exception that leaves the routine: the lock is free again, and the IRQL is what it was.
    abort(k, f) {
      k.mem.write64(f.get('Lock'), 0n);
      k.irql = f.get('OldIrql');
    },
  }),
  ntExport({
    name: 'KeInvalidateAllCaches',
    doc: 'Writes back and invalidates all caches (they are coherent here).',
    irql: { max: 'DISPATCH_LEVEL' },
    args: {},
    returns: BOOLEAN,
    cycles: 1000,
    status: 'full',
    impl: () => true,
  }),
];

/** Makes the thread see another process's user half: its APC state names the process, CR3 follows. */
function attach(k: Kernel, process: number, savedState: number): void {
  const { mem: m } = k;
  const thread = k.currentThread();
  if (KPRCB.f.DpcRoutineActive.get(m, k.prcb) !== 0 || T.ApcStateIndex.get(m, thread) > 1)
    k.bugCheck(INVALID_PROCESS_ATTACH_ATTEMPT, process, k.currentProcess(), T.ApcStateIndex.get(m, thread), KPRCB.f.DpcRoutineActive.get(m, k.prcb));
  moveApcState(k, thread + T.ApcState.offset, savedState);
  initializeApcState(k, thread + T.ApcState.offset, process);
  T.ApcStateIndex.set(m, thread, 1);
  loadAddressSpace(k, process);
}

function loadAddressSpace(k: Kernel, process: number): void {
  const table = Number(KPROCESS.f.DirectoryTableBase.get(k.mem, process));
  if (k.cpu.cr(3) !== table) k.cpu.setCr(3, table);
}

/** KAPC_STATE.Process of a state that stands for "was in this process already": nothing to undo. */
const NOT_ATTACHED = 1;
const PROCESS_OFFSET = KAPC_STATE.f.Process.offset;

const addressSpaces: NtExport[] = [
  ntExport({
    name: 'KeStackAttachProcess',
    doc: 'Attaches the current thread to the address space of a process and keeps its APC state.',
    irql: { max: 'APC_LEVEL' },
    args: { Process: pointer('PRKPROCESS'), ApcState: pointer('PKAPC_STATE') },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl(k, { Process, ApcState }) {
      k.mem.probe(ApcState, KAPC_STATE.size, true);
      const thread = k.currentThread();
      if (k.currentProcess() === Process) {
        k.mem.writePtr(ApcState + PROCESS_OFFSET, NOT_ATTACHED);
        return;
      }
      if (T.ApcStateIndex.get(k.mem, thread) === 0) {
        attach(k, Process, thread + T.SavedApcState.offset);
        k.mem.writePtr(ApcState + PROCESS_OFFSET, 0);
      } else attach(k, Process, ApcState);
    },
  }),
  ntExport({
    name: 'KeUnstackDetachProcess',
    doc: 'Undoes KeStackAttachProcess.',
    irql: { max: 'APC_LEVEL' },
    args: { ApcState: pointer('PKAPC_STATE') },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl(k, { ApcState }) {
      const process = k.mem.readPtr(ApcState + PROCESS_OFFSET);
      if (process === NOT_ATTACHED) return;
      detach(k, process === 0 ? k.currentThread() + T.SavedApcState.offset : ApcState, process === 0);
    },
  }),
  ntExport({
    name: 'KeAttachProcess',
    doc: 'Attaches the current thread to the address space of a process.',
    irql: { max: 'APC_LEVEL' },
    args: { Process: pointer('PRKPROCESS') },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl(k, { Process }) {
      const thread = k.currentThread();
      if (k.currentProcess() === Process) return;
      if (T.ApcStateIndex.get(k.mem, thread) !== 0) k.bugCheck(INVALID_PROCESS_ATTACH_ATTEMPT, Process, k.currentProcess(), 1, 0);
      attach(k, Process, thread + T.SavedApcState.offset);
    },
  }),
  ntExport({
    name: 'KeDetachProcess',
    doc: 'Undoes KeAttachProcess.',
    irql: { max: 'APC_LEVEL' },
    args: {},
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl(k) {
      if (T.ApcStateIndex.get(k.mem, k.currentThread()) !== 0) detach(k, k.currentThread() + T.SavedApcState.offset, true);
    },
  }),
];

function detach(k: Kernel, saved: number, outermost: boolean): void {
  const thread = k.currentThread();
  moveApcState(k, saved, thread + T.ApcState.offset);
  if (outermost) T.ApcStateIndex.set(k.mem, thread, 0);
  loadAddressSpace(k, k.currentProcess());
}

/** MAXIMUM_EXPANSION_SIZE of ntddk.h. */
const MAXIMUM_EXPANSION_SIZE = KERNEL_LARGE_STACK_SIZE - PAGE_SIZE / 2;
/** The routines are machine code, which no gate sees: the rule is looked at where they take the stack. */
const EXPAND_IRQL = {
  KeExpandKernelStackAndCallout: { max: 'APC_LEVEL' },
  KeExpandKernelStackAndCalloutEx: { max: 'DISPATCH_LEVEL' },
} as const;
/** At the upper end of a callout stack: base and limit of the stack that the thread had before. */
const SAVED_BASE = -0x10,
  SAVED_LIMIT = -0x18;

const stacks: NtExport[] = [
  ntExport({
    name: 'KiEnterCalloutStack',
    internal: true,
    doc: 'A large stack for KeExpandKernelStackAndCallout, which becomes that of the thread; the status when there is none.',
    args: { Size: SIZE_T, Wait: BOOLEAN, Extended: BOOLEAN },
    returns: PVOID,
    cycles: 300,
    status: 'full',
    impl(k, { Size, Wait, Extended }) {
      const name = Extended ? 'KeExpandKernelStackAndCalloutEx' : 'KeExpandKernelStackAndCallout';
      if (k.config.verifier && brokenIrqlRule(k.irql, EXPAND_IRQL[name])) irqlViolation(k, name, EXPAND_IRQL[name], {});
      if (Size > MAXIMUM_EXPANSION_SIZE) return STATUS_INVALID_PARAMETER_3;
      if (Wait && k.irql >= DISPATCH_LEVEL) return STATUS_INVALID_PARAMETER_4;
      const stack = allocateKernelStack(k, true);
      if (!stack) return STATUS_NO_MEMORY;
      const thread = k.currentThread();
      k.mem.writePtr(stack + SAVED_BASE, T.StackBase.get(k.mem, thread));
      k.mem.writePtr(stack + SAVED_LIMIT, T.StackLimit.get(k.mem, thread));
      T.StackBase.set(k.mem, thread, stack);
      T.StackLimit.set(k.mem, thread, stack - KERNEL_LARGE_STACK_SIZE);
      return stack;
    },
  }),
  ntExport({
    name: 'KiLeaveCalloutStack',
    internal: true,
    doc: 'Gives a callout stack back: the thread has the stack that it had before.',
    args: { Stack: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, { Stack }) {
      const thread = k.currentThread();
      T.StackBase.set(k.mem, thread, k.mem.readPtr(Stack + SAVED_BASE));
      T.StackLimit.set(k.mem, thread, k.mem.readPtr(Stack + SAVED_LIMIT));
      freeKernelStack(k, Stack, true);
    },
  }),
  ...(['KeExpandKernelStackAndCallout', 'KeExpandKernelStackAndCalloutEx'] as const).map(name =>
    ntCode({
      name,
      doc: 'Calls a routine on a large kernel stack, so that it has the stack space that it needs.',
      irql: EXPAND_IRQL[name],
      args: { Callout: PVOID, Parameter: PVOID, Size: SIZE_T, ...(name.endsWith('Ex') ? { Wait: BOOLEAN, Context: PVOID } : {}) },
      returns: NTSTATUS,
      cycles: 0,
      status: 'full',
      code(a) {
        // The fresh stack's address is kept in the frame; RBP keeps the old stack, so that unwinding finds its way back.
        a.prologPush(RBP);
        a.prologAlloc(0x40);
        a.prologFrame(RBP, 0x20);
        a.mov(mem(RBP, 0), RCX);
        a.mov(mem(RBP, 8), RDX);
        a.mov(RCX, R8);
        if (name.endsWith('Ex')) a.mov(RDX, R9);
        else a.movImm(RDX, 0);
        a.movImm(R8, name.endsWith('Ex') ? 1 : 0);
        a.call('nt!KiEnterCalloutStack');
        a.mov(mem(RBP, 0x10), RAX);
        // An address of the kernel is negative, a status is not.
        a.test(RAX, RAX);
        a.jcc('ns', 'out');
        a.lea(RSP, mem(RAX, -0x40));
        a.mov(RCX, mem(RBP, 8));
        a.callIndirect(mem(RBP, 0));
        a.lea(RSP, mem(RBP, -0x20));
        a.mov(RCX, mem(RBP, 0x10));
        a.call('nt!KiLeaveCalloutStack');
        a.movImm(RAX, 0);
        a.label('out');
        a.addImm(RSP, 0x40);
        a.pop(RBP);
        a.ret();
      },
    }),
  ),
  ntExport({
    name: 'KeSaveExtendedProcessorState',
    doc: 'Saves the state of processor features that the caller is going to use; until it is restored, the thread keeps them through waits and preemption.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { Mask: ULONG64, XStateSave: PVOID },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    impl: (k, a) => (saveExtendedState(k, Number(a.Mask) & k.cpu.xcr0, a.XStateSave) ? 0 : STATUS_INSUFFICIENT_RESOURCES),
  }),
  ntExport({
    name: 'KeRestoreExtendedProcessorState',
    doc: 'Puts the state back that KeSaveExtendedProcessorState saved.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { XStateSave: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, a) => restoreExtendedState(k, a.XStateSave),
  }),
];

export const exports: NtExport[] = [...stops, ...nmi, ...interrupts, ...addressSpaces, ...stacks];
