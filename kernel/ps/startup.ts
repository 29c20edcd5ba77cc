/** How system threads begin and end, and who is told. Source: the WDK pages of PsCreateSystemThread, PsTerminateSystemThread and of the notify routines. */
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
  pointer,
  PVOID,
  ret,
  ULONG,
  VOID,
  wait,
} from '../exports/declare.ts';
import { hasOutstandingIrps } from '../io/threadio.ts';
import { abortFrames } from '../ke/abort.ts';
import { takeUndeliveredApc } from '../ke/apc.ts';
import { readyThread } from '../ke/ready.ts';
import type { Kernel } from '../kernel.ts';
import { exFreePool } from '../mm/pool.ts';
import { obCreateHandle, obReferenceObjectByHandle } from '../ob/handle.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { IRQL_GT_ZERO_AT_SYSTEM_SERVICE } from '../types/bugcodes.ts';
import { KAPC, KTHREAD, MISC_SYSTEM_THREAD } from '../types/ke.ts';
import { CTF_THREAD_INSERTED, EPROCESS, ETHREAD, PSF_CREATE_REPORTED, PSF_PROCESS_EXITING } from '../types/ps.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import { EXTENDED, PLAIN, SUBSYSTEMS } from './notify.ts';
import { deleteThread, psCreateThreadObject, psDiscardThread, psExitCurrentThread } from './thread.ts';

const PROCESS_CREATE_THREAD = 2;
const OBJ_KERNEL_HANDLE = 0x200;
const THREAD_ALL_ACCESS = 0x1fffff;
const CURRENT_PROCESS = -1;
const E = ETHREAD.f,
  P = EPROCESS.f;

const isSystemThread = (k: Kernel, thread: number): boolean =>
  (KTHREAD.f.MiscFlags.get(k.mem, thread) & MISC_SYSTEM_THREAD) !== 0;

/** PsTerminateSystemThread's part that does not come back: only system threads end this way. */
export function psTerminate(k: Kernel, status: number): Outcome | number {
  if (!isSystemThread(k, k.currentThread())) return STATUS_INVALID_PARAMETER;
  abortFrames(k);
  return jump(k.address('nt!PspExitThread'), status);
}

const cid = (k: Kernel, thread: number, at: 0 | 8): number => k.mem.readPtr(thread + E.Cid.offset + at);

/** Tells the thread routines of these kinds; the routine goes on with step `then`. */
const tellThread = (k: Kernel, thread: number, create: boolean, kinds: number, then: string): Outcome =>
  call(k.address('nt!PspCallThreadNotifyRoutines'), [cid(k, thread, 0), cid(k, thread, 8), create ? 1 : 0, kinds], then);

/** The kinds of routines that a thread's own start and end are for. */
const ownKinds = (k: Kernel, thread: number): number => (isSystemThread(k, thread) ? 0 : EXTENDED | SUBSYSTEMS);

const createFrame = { Thread: ptr, Referenced: ptr };
interface CreateArgs {
  ThreadHandle: number;
  DesiredAccess: number;
  ObjectAttributes: number;
  ClientId: number;
}

/** The process knows of its first thread when the drivers have been told of the process. */
function reportProcess(k: Kernel, f: Frame<typeof createFrame>, a: CreateArgs): Outcome {
  const process = KTHREAD.f.Process.get(k.mem, f.get('Thread'));
  const flags = P.Flags.get(k.mem, process);
  if (flags & PSF_CREATE_REPORTED) return finishCreation(k, f, a);
  P.Flags.set(k.mem, process, flags | PSF_CREATE_REPORTED);
  return call(k.address('nt!PspCallProcessNotifyRoutines'), [process, 1, 0, 0, 0], 'reported');
}

/** Handle and client id; then the drivers hear of the thread, and it runs. */
function finishCreation(k: Kernel, f: Frame<typeof createFrame>, a: CreateArgs): Outcome {
  const thread = f.get('Thread');
  const attributes = a.ObjectAttributes === 0 ? 0 : k.mem.read32(a.ObjectAttributes + 0x18);
  const made = obCreateHandle(k, thread, a.DesiredAccess || THREAD_ALL_ACCESS, attributes & OBJ_KERNEL_HANDLE);
  if (made.status !== STATUS_SUCCESS) return failCreation(k, f, made.status);
  k.mem.write64(a.ThreadHandle, BigInt.asUintN(64, BigInt(made.handle)));
  if (a.ClientId !== 0) {
    k.mem.writePtr(a.ClientId, cid(k, thread, 0));
    k.mem.writePtr(a.ClientId + 8, cid(k, thread, 8));
  }
  E.CrossThreadFlags.set(k.mem, thread, E.CrossThreadFlags.get(k.mem, thread) | CTF_THREAD_INSERTED);
  return tellThread(k, thread, true, PLAIN, 'told');
}

function failCreation(k: Kernel, f: Frame<typeof createFrame>, status: number): Outcome {
  psDiscardThread(k, f.get('Thread'));
  if (f.get('Referenced')) obDereferenceDeferred(k, f.get('Referenced'));
  return ret(status);
}

export const systemThreadRoutines: NtExport[] = [
  ntSteps({
    name: 'PspSystemThreadStartup',
    internal: true,
    doc: "A system thread's outermost routine: tells who registered for threads, if its creator has not, runs the start routine at PASSIVE_LEVEL, ends the thread.",
    args: { StartRoutine: PVOID, StartContext: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, a) {
        const thread = k.currentThread();
        const told = (E.CrossThreadFlags.get(k.mem, thread) & CTF_THREAD_INSERTED) !== 0;
        const kinds = (told ? 0 : PLAIN) | ownKinds(k, thread);
        return kinds === 0 ? call(a.StartRoutine, [a.StartContext], 'ended') : tellThread(k, thread, true, kinds, 'run');
      },
      run: (_k, _f, _rax, a) => call(a.StartRoutine, [a.StartContext], 'ended'),
      ended(k, _f, _rax, a) {
        if (k.irql !== 0)
          k.bugCheck(IRQL_GT_ZERO_AT_SYSTEM_SERVICE, a.StartRoutine, k.irql, 0, 0, `a system thread returned at IRQL ${k.irql}`);
        return call(k.address('nt!PspExitThread'), [0], 'never');
      },
      never: () => {
        throw new Error('a thread that has ended ran again');
      },
    },
  }),
  ntSteps({
    name: 'PspExitThread',
    internal: true,
    doc: 'Ends the current thread: tells the drivers of it, and of its process when it is the last one there, cancels its requests, and gives the processor up for good.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { ExitStatus: NTSTATUS },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: {},
    steps: {
      start: k => tellThread(k, k.currentThread(), false, PLAIN | ownKinds(k, k.currentThread()), 'told'),
      told: k =>
        hasOutstandingIrps(k)
          ? call(k.address('nt!IopCancelThreadIo'), [], 'cancelled')
          : { do: 'next', then: 'cancelled', cycles: 0 },
      // Only now is it certain who is the last: the others are gone.
      cancelled(k, _f, _rax, { ExitStatus }) {
        const apc = takeUndeliveredApc(k, k.currentThread());
        if (apc) return runDown(k, apc, 'cancelled');
        const process = k.currentThreadProcess();
        const flags = P.Flags.get(k.mem, process);
        if (P.ActiveThreads.get(k.mem, process) !== 1) return end(k, ExitStatus);
        if (!(flags & PSF_CREATE_REPORTED) || flags & PSF_PROCESS_EXITING) return leaveProcess(k, ExitStatus);
        P.Flags.set(k.mem, process, flags | PSF_PROCESS_EXITING);
        return call(k.address('nt!PspCallProcessNotifyRoutines'), [process, 0, 0, 0, 0], 'left');
      },
      left: (k, _f, _rax, { ExitStatus }) => leaveProcess(k, ExitStatus),
      // The handles that were closed may have queued more.
      gone(k, _f, _rax, { ExitStatus }) {
        const apc = takeUndeliveredApc(k, k.currentThread());
        return apc ? runDown(k, apc, 'gone') : end(k, ExitStatus);
      },
      never: () => {
        throw new Error('a thread that has ended ran again');
      },
    },
  }),
  ntExport({
    name: 'PspThreadDelete',
    internal: true,
    doc: 'Gives back what a thread object holds, when its last reference goes.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, { Object }) => deleteThread(k, Object),
  }),
  ntSteps({
    name: 'PsCreateSystemThread',
    doc: 'Creates a thread that runs in kernel mode, in the system process or in another one, and returns a handle to it.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: {
      ThreadHandle: pointer('PHANDLE'),
      DesiredAccess: ULONG,
      ObjectAttributes: pointer('POBJECT_ATTRIBUTES'),
      ProcessHandle: HANDLE,
      ClientId: pointer('PCLIENT_ID'),
      StartRoutine: PVOID,
      StartContext: PVOID,
    },
    returns: NTSTATUS,
    cycles: 3000,
    status: 'full',
    frame: createFrame,
    steps: {
      start(k, f, _rax, a) {
        k.mem.probe(a.ThreadHandle, 8, true);
        if (a.ClientId !== 0) k.mem.probe(a.ClientId, 16, true);
        let process = k.mem.readPtr(k.address('nt!PsInitialSystemProcess'));
        f.set('Referenced', 0);
        if (a.ProcessHandle === CURRENT_PROCESS) process = k.currentProcess();
        else if (a.ProcessHandle !== 0) {
          const found = obReferenceObjectByHandle(k, a.ProcessHandle, PROCESS_CREATE_THREAD, exportedType(k, 'PsProcessType'), 0);
          if (found.status !== STATUS_SUCCESS) return ret(found.status);
          process = found.object;
          f.set('Referenced', process);
        }
        if (P.Flags.get(k.mem, process) & PSF_PROCESS_EXITING) {
          if (f.get('Referenced')) obDereferenceDeferred(k, process);
          return ret(STATUS_PROCESS_IS_TERMINATING);
        }
        const thread = psCreateThreadObject(k, process, a.StartRoutine, a.StartContext);
        if (!thread) {
          if (f.get('Referenced')) obDereferenceDeferred(k, process);
          return ret(STATUS_INSUFFICIENT_RESOURCES);
        }
        f.set('Thread', thread);
        return reportProcess(k, f, a);
      },
      reported: (k, f, rax, a) => ((rax | 0) < 0 ? failCreation(k, f, rax) : finishCreation(k, f, a)),
      told(k, f) {
        readyThread(k, f.get('Thread'));
        if (f.get('Referenced')) obDereferenceDeferred(k, f.get('Referenced'));
        return ret(STATUS_SUCCESS);
      },
    },
  }),
];

/** The last thread of a process takes with it what the process has of user mode. */
const leaveProcess = (k: Kernel, status: number): Outcome =>
  P.Peb.get(k.mem, k.currentThreadProcess()) !== 0 ? call(k.address('nt!PspExitProcess'), [status], 'gone') : end(k, status);

/** The last step of a thread. */
/** A user APC that its thread does not live to run: its owner's routine has it back; without one it was from pool and is freed. */
function runDown(k: Kernel, apc: number, then: string): Outcome {
  const routine = KAPC.f.RundownRoutine.get(k.mem, apc);
  if (routine) return call(routine, [apc], then);
  exFreePool(k, apc, 0);
  return { do: 'next', then, cycles: 0 };
}

function end(k: Kernel, status: number): Outcome {
  psExitCurrentThread(k, status);
  return wait('never');
}
