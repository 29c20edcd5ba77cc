import {
  call,
  HANDLE,
  jump,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ULONG,
  VOID,
  wait,
} from '../exports/declare.ts';
import { abortFrames } from '../ke/abort.ts';
import { hasOutstandingIrps } from '../io/threadio.ts';
import type { Kernel } from '../kernel.ts';
import { obCreateHandle, obReferenceObjectByHandle } from '../ob/handle.ts';
import { exportedType } from '../ob/type.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { IRQL_GT_ZERO_AT_SYSTEM_SERVICE } from '../types/bugcodes.ts';
import { KTHREAD } from '../types/ke.ts';
import { ETHREAD } from '../types/ps.ts';
import { u32, u64 } from '../types/struct.ts';
import { nextNotify } from './notify.ts';
import { deleteThread, psCreateSystemThread, psExitCurrentThread } from './thread.ts';

const STATUS_INSUFFICIENT_RESOURCES = 0xc000009a,
  STATUS_INVALID_PARAMETER = 0xc000000d;
const PROCESS_CREATE_THREAD = 2;
const OBJ_KERNEL_HANDLE = 0x200;
const E = ETHREAD.f;

/** PsTerminateSystemThread's part that does not come back: only system threads end this way. */
export function psTerminate(k: Kernel, status: number): Outcome | number {
  if ((KTHREAD.f.MiscFlags.get(k.mem, k.currentThread()) & (1 << 10)) === 0) return STATUS_INVALID_PARAMETER;
  abortFrames(k);
  if (hasOutstandingIrps(k)) return jump(k.address('nt!IopExitThread'), status);
  psExitCurrentThread(k, status);
  return wait();
}

const cid = (k: Kernel, thread: number, at: 0 | 8): number => k.mem.readPtr(thread + E.Cid.offset + at);

export const systemThreadRoutines: NtExport[] = [
  ntSteps({
    name: 'PspSystemThreadStartup',
    internal: true,
    doc: "A system thread's outermost routine: tells who registered for thread creation, runs the start routine at PASSIVE_LEVEL, ends the thread.",
    args: { StartRoutine: PVOID, StartContext: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { Index: u32, Context: u64 },
    steps: {
      start(k, f) {
        f.set('Index', 0);
        return notify(k, f, true, 'created');
      },
      created: (k, f) => notify(k, f, true, 'created'),
      run: (_k, _f, _rax, a) => call(a.StartRoutine, [a.StartContext], 'ended'),
      ended(k, f, _rax, a) {
        if (k.irql !== 0)
          k.bugCheck(IRQL_GT_ZERO_AT_SYSTEM_SERVICE, a.StartRoutine, k.irql, 0, 0, `a system thread returned at IRQL ${k.irql}`);
        f.set('Index', 0);
        return notify(k, f, false, 'deleted');
      },
      deleted: (k, f) => notify(k, f, false, 'deleted'),
      exit(k) {
        if (hasOutstandingIrps(k)) return call(k.address('nt!IopExitThread'), [0], 'never');
        psExitCurrentThread(k, 0);
        return wait('never');
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
  ntExport({
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
    impl(k, a) {
      k.mem.probe(a.ThreadHandle, 8, true);
      if (a.ClientId !== 0) k.mem.probe(a.ClientId, 16, true);
      let process = k.mem.readPtr(k.address('nt!PsInitialSystemProcess'));
      const current = -1;
      let referenced = 0;
      if (a.ProcessHandle === current) process = k.currentProcess();
      else if (a.ProcessHandle !== 0) {
        const found = obReferenceObjectByHandle(k, a.ProcessHandle, PROCESS_CREATE_THREAD, exportedType(k, 'PsProcessType'), 0);
        if (found.status !== 0) return found.status;
        referenced = process = found.object;
      }
      const attributes = a.ObjectAttributes === 0 ? 0 : k.mem.read32(a.ObjectAttributes + 0x18);
      const thread = psCreateSystemThread(k, process, a.StartRoutine, a.StartContext);
      if (referenced) obDereferenceDeferred(k, referenced);
      if (!thread) return STATUS_INSUFFICIENT_RESOURCES;
      const kernel = (attributes & OBJ_KERNEL_HANDLE) !== 0;
      const handle = obCreateHandle(k, thread, a.DesiredAccess || 0x1fffff, kernel ? OBJ_KERNEL_HANDLE : 0);
      if (handle.status !== 0) return handle.status;
      k.mem.write64(a.ThreadHandle, BigInt.asUintN(64, BigInt(handle.handle)));
      if (a.ClientId !== 0) {
        k.mem.writePtr(a.ClientId, cid(k, thread, 0));
        k.mem.writePtr(a.ClientId + 8, cid(k, thread, 8));
      }
      return 0;
    },
  }),
];

/** Calls the next routine that is registered for threads, or goes on to what comes after. */
function notify(
  k: Kernel,
  f: { get(name: 'Index'): number; set(name: 'Index', v: number): void },
  create: boolean,
  again: string,
): Outcome {
  const found = nextNotify(k, 'Thread', f.get('Index'));
  if (found === null) return { do: 'next', then: create ? 'run' : 'exit', cycles: 0 };
  f.set('Index', found.index + 1);
  const thread = k.currentThread();
  return call(found.routine, [cid(k, thread, 0), cid(k, thread, 8), create ? 1 : 0], again);
}
