/** Processes and threads. Source: the WDK page of each routine; ntifs.h. */
import { signalState } from '../ke/signal.ts';
import { lookupCid } from '../ps/cid.ts';
import { psTerminate, systemThreadRoutines } from '../ps/startup.ts';
import type { Kernel } from '../kernel.ts';
import { obCreateHandle } from '../ob/handle.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { psCreateSystemProcess } from '../ps/process.ts';
import { KTHREAD, ProcessObject, ThreadObject } from '../types/ke.ts';
import { CTF_TERMINATED, EPROCESS, ETHREAD, PSF_CREATE_REPORTED } from '../types/ps.ts';
import { acquireRundown, releaseRundown } from './exrundown.ts';
import { notifyExports } from './psnotify.ts';
import { BOOLEAN, type ArgType, HANDLE, type IrqlRule, LONG, type NtExport, ntData, ntExport, NTSTATUS, type Outcome, pointer, PVOID, UCHAR, ULONG, VOID } from './declare.ts';

const P = EPROCESS.f, E = ETHREAD.f, T = KTHREAD.f;
const PEPROCESS = pointer('PEPROCESS'), PETHREAD = pointer('PETHREAD');
const STATUS_SUCCESS = 0, STATUS_INSUFFICIENT_RESOURCES = 0xc000009a, STATUS_INVALID_CID = 0xc000000b, STATUS_PROCESS_IS_TERMINATING = 0xc000010a, STATUS_INVALID_PARAMETER = 0xc000000d;
const PROCESS_ALL_ACCESS = 0x1fffff, OBJ_KERNEL_HANDLE = 0x200;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const,
  DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

const simple = <T>(name: string, doc: string, returns: ArgType<T>, impl: (k: Kernel) => T): NtExport =>
  ntExport({ name, doc, args: {}, returns, cycles: 12, status: 'full', impl: k => impl(k) as number });

const ofProcess = (name: string, doc: string, returns: ArgType<unknown>, impl: (k: Kernel, process: number) => number | bigint | boolean, irql?: IrqlRule): NtExport =>
  ntExport({ name, doc, ...(irql ? { irql } : {}), args: { Process: PEPROCESS }, returns, cycles: 12, status: 'full', impl: (k, { Process }) => impl(k, Process) });

const ofThread = (name: string, doc: string, returns: ArgType<unknown>, impl: (k: Kernel, thread: number) => number | bigint | boolean, irql?: IrqlRule): NtExport =>
  ntExport({ name, doc, ...(irql ? { irql } : {}), args: { Thread: PETHREAD }, returns, cycles: 12, status: 'full', impl: (k, { Thread }) => impl(k, Thread) });

const cidOf = (k: Kernel, thread: number, which: 'UniqueProcess' | 'UniqueThread'): number => k.mem.readPtr(thread + E.Cid.offset + (which === 'UniqueProcess' ? 0 : 8));
const terminated = (k: Kernel, thread: number): boolean => (E.CrossThreadFlags.get(k.mem, thread) & CTF_TERMINATED) !== 0;

const current: NtExport[] = [
  simple('PsGetCurrentProcess', 'Returns the process to which the current thread is attached.', PEPROCESS, k => k.currentProcess()),
  simple('IoGetCurrentProcess', 'Returns the process to which the current thread is attached.', PEPROCESS, k => k.currentProcess()),
  simple('PsGetCurrentThreadProcess', 'Returns the process that owns the current thread.', PEPROCESS, k => k.currentThreadProcess()),
  simple('PsGetCurrentThreadProcessId', 'Returns the id of the process that owns the current thread.', HANDLE, k => cidOf(k, k.currentThread(), 'UniqueProcess')),
  simple('PsGetCurrentProcessId', 'Returns the id of the process of the current thread.', HANDLE, k => cidOf(k, k.currentThread(), 'UniqueProcess')),
  simple('PsGetCurrentThread', 'Returns the current thread.', PETHREAD, k => k.currentThread()),
  simple('KeGetCurrentThread', 'Returns the current thread.', PETHREAD, k => k.currentThread()),
  simple('PsGetCurrentThreadId', 'Returns the id of the current thread.', HANDLE, k => cidOf(k, k.currentThread(), 'UniqueThread')),
  simple('PsGetCurrentProcessSessionId', 'Returns the session of the current process: 0.', ULONG, () => 0),
  simple('PsGetCurrentThreadPreviousMode', 'Returns the previous mode of the current thread.', UCHAR, k => T.PreviousMode.get(k.mem, k.currentThread())),
  simple('PsGetCurrentThreadStackBase', "Returns the upper end of the current thread's kernel stack.", PVOID, k => T.StackBase.get(k.mem, k.currentThread())),
  simple('PsGetCurrentThreadStackLimit', "Returns the lower end of the current thread's kernel stack.", PVOID, k => T.StackLimit.get(k.mem, k.currentThread())),
];

const processes: NtExport[] = [
  ofProcess('PsGetProcessId', 'Returns the id of a process.', HANDLE, (k, p) => P.UniqueProcessId.get(k.mem, p)),
  ofProcess('PsGetProcessImageFileName', 'Returns the address of the image name of a process, at most 14 characters.', pointer('PCHAR'), (_k, p) => p + P.ImageFileName.offset),
  ofProcess('PsGetProcessPeb', 'Returns the process environment block.', PVOID, (k, p) => P.Peb.get(k.mem, p)),
  ofProcess('PsGetProcessWow64Process', 'Returns the 32-bit PEB of a WOW64 process.', PVOID, (k, p) => P.WoW64Process.get(k.mem, p)),
  ofProcess('PsGetProcessSectionBaseAddress', 'Returns the base address of the image of a process.', PVOID, (k, p) => P.SectionBaseAddress.get(k.mem, p)),
  ofProcess('PsGetProcessSessionId', 'Returns the session of a process: 0.', ULONG, () => 0),
  ofProcess('PsGetProcessSessionIdEx', 'Returns the session of a process: 0.', ULONG, () => 0),
  ofProcess('PsGetProcessInheritedFromUniqueProcessId', 'Returns the id of the process that created a process.', HANDLE, (k, p) => P.InheritedFromUniqueProcessId.get(k.mem, p)),
  ofProcess('PsGetProcessExitStatus', 'Returns the exit status of a process.', NTSTATUS, (k, p) => P.ExitStatus.get(k.mem, p), APC),
  ofProcess('PsGetProcessCreateTimeQuadPart', 'Returns the time at which a process was created.', LONG, (k, p) => P.CreateTime.get(k.mem, p)),
  ofProcess('PsGetProcessExitProcessCalled', 'TRUE when a process has begun to exit.', BOOLEAN, (k, p) => (P.Flags.get(k.mem, p) & 4) !== 0),
  ofProcess('PsGetProcessDebugPort', 'Returns the debug port of a process.', PVOID, (k, p) => P.DebugPort.get(k.mem, p)),
  ofProcess('PsGetProcessWin32Process', 'Returns the graphics part of a process.', PVOID, (k, p) => P.Win32Process.get(k.mem, p)),
  ofProcess('PsGetProcessJob', 'Returns the job of a process.', PVOID, (k, p) => P.Job.get(k.mem, p)),
  ofProcess('PsGetProcessPriorityClass', 'Returns the priority class of a process.', UCHAR, (k, p) => P.PriorityClass.get(k.mem, p)),
  ofProcess('PsIsProcessBeingDebugged', 'TRUE for a process with a debugger.', BOOLEAN, (k, p) => P.DebugPort.get(k.mem, p) !== 0),
  ofProcess('PsIsSystemProcess', 'TRUE for the system process.', BOOLEAN, (k, p) => p === k.mem.readPtr(k.address('nt!PsInitialSystemProcess'))),
  ofProcess('PsIsProtectedProcess', 'TRUE for a protected process.', BOOLEAN, (k, p) => (P.Protection.get(k.mem, p) & 7) !== 0),
  ofProcess('PsIsProtectedProcessLight', 'TRUE for a lightly protected process.', BOOLEAN, (k, p) => (P.Protection.get(k.mem, p) & 7) === 1),
  ofProcess('PsAcquireProcessExitSynchronization', 'Keeps a process from exiting; fails when it has begun to.', NTSTATUS, (k, p) =>
    acquireRundown(k, p + P.RundownProtect.offset, 1) ? STATUS_SUCCESS : STATUS_PROCESS_IS_TERMINATING,
  ),
  ntExport({
    name: 'PsReleaseProcessExitSynchronization',
    doc: 'Ends PsAcquireProcessExitSynchronization.',
    args: { Process: PEPROCESS },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Process }) => releaseRundown(k, Process + P.RundownProtect.offset, 1),
  }),
];

const threads: NtExport[] = [
  ofThread('PsGetThreadId', 'Returns the id of a thread.', HANDLE, (k, t) => cidOf(k, t, 'UniqueThread'), DISPATCH),
  ofThread('PsGetThreadProcessId', 'Returns the id of the process of a thread.', HANDLE, (k, t) => cidOf(k, t, 'UniqueProcess')),
  ofThread('PsGetThreadProcess', 'Returns the process that owns a thread.', PEPROCESS, (k, t) => T.Process.get(k.mem, t)),
  ofThread('IoThreadToProcess', 'Returns the process that owns a thread.', PEPROCESS, (k, t) => T.Process.get(k.mem, t), DISPATCH),
  ofThread('PsGetThreadTeb', 'Returns the thread environment block.', PVOID, (k, t) => T.Teb.get(k.mem, t)),
  ofThread('PsGetThreadWin32Thread', 'Returns the graphics part of a thread.', PVOID, (k, t) => T.Win32Thread.get(k.mem, t)),
  ofThread('PsGetThreadSessionId', 'Returns the session of a thread: 0.', ULONG, () => 0),
  ofThread('PsIsThreadTerminating', 'TRUE for a thread that is ending.', BOOLEAN, (k, t) => terminated(k, t), DISPATCH),
  ofThread('PsIsSystemThread', 'TRUE for a thread that has no user mode.', BOOLEAN, (k, t) => (T.MiscFlags.get(k.mem, t) & (1 << 10)) !== 0, DISPATCH),
  ofThread('IoIsSystemThread', 'TRUE for a thread that has no user mode.', BOOLEAN, (k, t) => (T.MiscFlags.get(k.mem, t) & (1 << 10)) !== 0, DISPATCH),
  ofThread('PsGetThreadExitStatus', 'Returns the exit status of a thread, STATUS_PENDING while it runs.', NTSTATUS, (k, t) => (terminated(k, t) ? E.ExitStatus.get(k.mem, t) : 0x103), APC),
  ofThread('PsGetThreadCreateTime', 'Returns the time at which a thread was created.', LONG, (k, t) => E.CreateTime.get(k.mem, t)),
  ofThread('PsIsThreadImpersonating', 'TRUE for a thread that impersonates.', BOOLEAN, (k, t) => (E.CrossThreadFlags.get(k.mem, t) & 8) !== 0),
];

/** Stores a referenced object for an id of the right kind. An object that has ended does not count. */
function lookup(k: Kernel, cid: number, type: number, at: number): number {
  k.mem.probe(at, 8, true);
  const object = lookupCid(k, cid);
  if (object === 0 || (k.mem.read8(object) & 0x7f) !== type) return type === ProcessObject ? STATUS_INVALID_CID : STATUS_INVALID_PARAMETER;
  if (type === ThreadObject && signalState(k, object) !== 0 && terminated(k, object)) return STATUS_INVALID_PARAMETER;
  obReferenceObject(k, object);
  k.mem.writePtr(at, object);
  return 0;
}

const lookups: NtExport[] = [
  ntExport({
    name: 'PsLookupProcessByProcessId',
    doc: 'Finds a process by its id and references it.',
    irql: { max: 'APC_LEVEL' },
    args: { ProcessId: HANDLE, Process: pointer('PEPROCESS*') },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl: (k, { ProcessId, Process }) => lookup(k, ProcessId, ProcessObject, Process),
  }),
  ntExport({
    name: 'PsLookupThreadByThreadId',
    doc: 'Finds a thread by its id and references it.',
    irql: { max: 'APC_LEVEL' },
    args: { ThreadId: HANDLE, Thread: pointer('PETHREAD*') },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl: (k, { ThreadId, Thread }) => lookup(k, ThreadId, ThreadObject, Thread),
  }),
  ntExport({
    name: 'PsCreateSystemProcess',
    doc: 'Creates a process without a user mode and returns a handle to it. Its first thread (PsCreateSystemThread) makes it known to the process notify routines.',
    irql: PASSIVE,
    args: { ProcessHandle: pointer('PHANDLE'), DesiredAccess: ULONG, ObjectAttributes: pointer('POBJECT_ATTRIBUTES') },
    returns: NTSTATUS,
    cycles: 6000,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.ProcessHandle, 8, true);
      const attributes = a.ObjectAttributes === 0 ? 0 : k.mem.read32(a.ObjectAttributes + 0x18);
      const process = psCreateSystemProcess(k, 'System');
      if (!process) return STATUS_INSUFFICIENT_RESOURCES;
      P.Flags.set(k.mem, process, P.Flags.get(k.mem, process) & ~PSF_CREATE_REPORTED);
      P.InheritedFromUniqueProcessId.set(k.mem, process, P.UniqueProcessId.get(k.mem, k.currentProcess()));
      const made = obCreateHandle(k, process, a.DesiredAccess || PROCESS_ALL_ACCESS, attributes & OBJ_KERNEL_HANDLE);
      obDereferenceDeferred(k, process);
      if (made.status !== STATUS_SUCCESS) return made.status;
      k.mem.writePtr(a.ProcessHandle, made.handle);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'PsTerminateSystemThread',
    doc: 'Ends the current system thread; does not return.',
    irql: PASSIVE,
    args: { ExitStatus: NTSTATUS },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl: (k, { ExitStatus }): Outcome | number => psTerminate(k, ExitStatus),
  }),
  ntData({ name: 'PsInitialSystemProcess', doc: 'Address of the EPROCESS of the system process.', size: 8, status: 'full' }),
];

export const exports: NtExport[] = [...current, ...processes, ...threads, ...lookups, ...notifyExports, ...systemThreadRoutines];
