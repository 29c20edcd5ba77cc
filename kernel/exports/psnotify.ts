/** Notification of processes, threads and images: registering, and the routines that call what is registered. Source: the WDK page of each routine. */
import {
  addNotify,
  beginNotify,
  clearNotify,
  endNotify,
  enterCriticalRegion,
  EXTENDED,
  findNotify,
  leaveCriticalRegion,
  mayBeExtended,
  type NotifyTable,
  PLAIN,
  rundownOf,
  SUBSYSTEMS,
} from '../ps/notify.ts';
import type { Kernel } from '../kernel.ts';
import { CLIENT_ID, EPROCESS, ETHREAD, IMAGE_INFO, PS_CREATE_NOTIFY_INFO } from '../types/ps.ts';
import {
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_2,
  STATUS_PROCEDURE_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, u32, u64 } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type Frame,
  HANDLE,
  LONG,
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
} from './declare.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const I = PS_CREATE_NOTIFY_INFO.f;
const M = IMAGE_INFO.f;

/** PSCREATEPROCESSNOTIFYTYPE and PSCREATETHREADNOTIFYTYPE, PsSetLoadImageNotifyRoutineEx's flag. */
const PsCreateProcessNotifySubsystems = 0,
  PsCreateThreadNotifyNonSystem = 0,
  PsCreateThreadNotifySubsystems = 1;
const PS_IMAGE_NOTIFY_CONFLICTING_ARCHITECTURE = 1;
/** PS_CREATE_NOTIFY_INFO.Flags: the name is that under which the file was opened. */
const FILE_OPEN_NAME_AVAILABLE = 1;

const removeFrame = { Slot: ptr };

/** Takes a routine back once it is not running anywhere. */
const remove = (k: Kernel, f: Frame<typeof removeFrame>, table: NotifyTable, routine: number, kinds: number): Outcome => {
  const slot = findNotify(k, table, routine, kinds);
  if (slot === 0) return ret(STATUS_PROCEDURE_NOT_FOUND);
  f.set('Slot', slot);
  return call(k.address('nt!ExWaitForRundownProtectionRelease'), [rundownOf(slot)], 'idle');
};
const idle = (k: Kernel, f: Frame<typeof removeFrame>): Outcome => {
  clearNotify(k, f.get('Slot'));
  return ret(STATUS_SUCCESS);
};

const processes: NtExport[] = [
  ...(
    [
      ['PsSetCreateProcessNotifyRoutine', PLAIN],
      ['PsSetCreateProcessNotifyRoutineEx', EXTENDED],
    ] as const
  ).map(([name, kind]) =>
    ntSteps({
      name,
      doc: 'Adds or removes a routine that is called when a process is created or deleted; a removal waits until the routine is not running.',
      irql: PASSIVE,
      args: { NotifyRoutine: PVOID, Remove: BOOLEAN },
      returns: NTSTATUS,
      cycles: 60,
      status: 'full',
      frame: removeFrame,
      steps: {
        start(k, f, _rax, { NotifyRoutine, Remove }) {
          if (Remove) return remove(k, f, 'Process', NotifyRoutine, kind);
          const status = kind === EXTENDED ? mayBeExtended(k, NotifyRoutine) : STATUS_SUCCESS;
          return ret(status || addNotify(k, 'Process', NotifyRoutine, kind));
        },
        idle,
      },
    }),
  ),
  ntSteps({
    name: 'PsSetCreateProcessNotifyRoutineEx2',
    doc: 'Adds or removes a routine that is called when a process is created or deleted, those of subsystems included.',
    irql: PASSIVE,
    args: { NotifyType: ULONG, NotifyInformation: PVOID, Remove: BOOLEAN },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    frame: removeFrame,
    steps: {
      start(k, f, _rax, { NotifyType, NotifyInformation, Remove }) {
        if (NotifyType !== PsCreateProcessNotifySubsystems) return ret(STATUS_INVALID_PARAMETER);
        if (Remove) return remove(k, f, 'Process', NotifyInformation, SUBSYSTEMS);
        return ret(mayBeExtended(k, NotifyInformation) || addNotify(k, 'Process', NotifyInformation, SUBSYSTEMS));
      },
      idle,
    },
  }),
];

const threads: NtExport[] = [
  ntExport({
    name: 'PsSetCreateThreadNotifyRoutine',
    doc: 'Adds a routine that is called when a thread is created, by the thread that creates it, or deleted, by the thread itself.',
    irql: PASSIVE,
    args: { NotifyRoutine: PVOID },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: (k, { NotifyRoutine }) => addNotify(k, 'Thread', NotifyRoutine, PLAIN),
  }),
  ntExport({
    name: 'PsSetCreateThreadNotifyRoutineEx',
    doc: 'Adds a routine that each thread with a user mode calls itself when it starts and ends.',
    irql: PASSIVE,
    args: { NotifyType: ULONG, NotifyInformation: PVOID },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl(k, { NotifyType, NotifyInformation }) {
      if (NotifyType === PsCreateThreadNotifyNonSystem) return addNotify(k, 'Thread', NotifyInformation, EXTENDED);
      if (NotifyType === PsCreateThreadNotifySubsystems) return addNotify(k, 'Thread', NotifyInformation, SUBSYSTEMS);
      return STATUS_INVALID_PARAMETER;
    },
  }),
  ntExport({
    name: 'PsSetLoadImageNotifyRoutine',
    doc: 'Adds a routine that is called when an image has been mapped, before its entry point is.',
    irql: PASSIVE,
    args: { NotifyRoutine: PVOID },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: (k, { NotifyRoutine }) => addNotify(k, 'Image', NotifyRoutine, PLAIN),
  }),
  ntExport({
    name: 'PsSetLoadImageNotifyRoutineEx',
    doc: 'Adds a routine that is called when an image has been mapped; a flag asks for images of other architectures too.',
    irql: PASSIVE,
    args: { NotifyRoutine: PVOID, Flags: ULONG },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: (k, { NotifyRoutine, Flags }) =>
      (Flags & ~PS_IMAGE_NOTIFY_CONFLICTING_ARCHITECTURE) !== 0
        ? STATUS_INVALID_PARAMETER_2
        : addNotify(k, 'Image', NotifyRoutine, Flags === 0 ? PLAIN : EXTENDED),
  }),
  ...(
    [
      ['PsRemoveCreateThreadNotifyRoutine', 'Thread'],
      ['PsRemoveLoadImageNotifyRoutine', 'Image'],
    ] as const
  ).map(([name, table]) =>
    ntSteps({
      name,
      doc: `Removes a ${table.toLowerCase()} notify routine, once it is not running; STATUS_PROCEDURE_NOT_FOUND when it is not registered.`,
      irql: { max: 'APC_LEVEL' },
      args: { NotifyRoutine: PVOID },
      returns: NTSTATUS,
      cycles: 60,
      status: 'full',
      frame: removeFrame,
      steps: {
        start: (k, f, _rax, { NotifyRoutine }) => remove(k, f, table, NotifyRoutine, PLAIN | EXTENDED | SUBSYSTEMS),
        idle,
      },
    }),
  ),
];

const callFrame = { Index: u32 };

/** Ends the call before this one and makes the next; `args` gives what a routine of a kind gets, null when it is not for it. */
function callNext(
  k: Kernel,
  f: Frame<typeof callFrame>,
  table: NotifyTable,
  kinds: number,
  args: (kind: number) => readonly (number | bigint)[],
): Outcome | null {
  const found = beginNotify(k, table, kinds, f.get('Index'));
  if (found === null) {
    leaveCriticalRegion(k);
    return null;
  }
  f.set('Index', found.index + 1);
  return call(found.routine, args(found.kind), 'called');
}
const begin = (k: Kernel, f: Frame<typeof callFrame>): void => {
  enterCriticalRegion(k);
  f.set('Index', 0);
};
const finished = (k: Kernel, f: Frame<typeof callFrame>, table: NotifyTable): void => endNotify(k, table, f.get('Index') - 1);

const processFrame = { ...callFrame, Pad: u32, Info: PS_CREATE_NOTIFY_INFO };

/** Tells the next process routine, up to one that denies the creation. The result is PS_CREATE_NOTIFY_INFO.CreationStatus. */
function nextProcessRoutine(k: Kernel, f: Frame<typeof processFrame>, process: number, create: boolean): Outcome {
  const id = EPROCESS.f.UniqueProcessId.get(k.mem, process);
  const parent = EPROCESS.f.InheritedFromUniqueProcessId.get(k.mem, process);
  const info = f.address('Info');
  const next = callNext(k, f as unknown as Frame<typeof callFrame>, 'Process', PLAIN | EXTENDED | SUBSYSTEMS, kind =>
    kind === PLAIN ? [parent, id, create ? 1 : 0] : [process, id, create ? info : 0],
  );
  return next ?? ret(create ? I.CreationStatus.get(k.mem, info) | 0 : 0);
}

const calls: NtExport[] = [
  ntSteps({
    name: 'PspCallProcessNotifyRoutines',
    internal: true,
    doc: 'Tells the process notify routines of a process that is created or that ends. After a creation the result is the status that the drivers leave it with.',
    irql: PASSIVE,
    args: {
      Process: PVOID,
      Create: BOOLEAN,
      FileObject: PVOID,
      ImageFileName: pointer('PCUNICODE_STRING'),
      CommandLine: pointer('PCUNICODE_STRING'),
    },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    frame: processFrame,
    steps: {
      start(k, f, _rax, a) {
        begin(k, f as unknown as Frame<typeof callFrame>);
        const info = f.address('Info');
        k.mem.fill(info, PS_CREATE_NOTIFY_INFO.size, 0);
        I.Size.set(k.mem, info, BigInt(PS_CREATE_NOTIFY_INFO.size));
        I.Flags.set(k.mem, info, a.ImageFileName !== 0 && a.FileObject !== 0 ? FILE_OPEN_NAME_AVAILABLE : 0);
        I.ParentProcessId.set(k.mem, info, EPROCESS.f.InheritedFromUniqueProcessId.get(k.mem, a.Process));
        const cid = k.currentThread() + ETHREAD.f.Cid.offset;
        k.mem.writeBytes(info + I.CreatingThreadId.offset, k.mem.readBytes(cid, CLIENT_ID.size));
        I.FileObject.set(k.mem, info, a.FileObject);
        I.ImageFileName.set(k.mem, info, a.ImageFileName);
        I.CommandLine.set(k.mem, info, a.CommandLine);
        return nextProcessRoutine(k, f, a.Process, a.Create);
      },
      called(k, f, _rax, a) {
        finished(k, f as unknown as Frame<typeof callFrame>, 'Process');
        return nextProcessRoutine(k, f, a.Process, a.Create);
      },
    },
  }),
  ntSteps({
    name: 'PspCallThreadNotifyRoutines',
    internal: true,
    doc: 'Tells the thread notify routines of the given kinds (a mask) of a thread that is created or that ends.',
    irql: PASSIVE,
    args: { ProcessId: HANDLE, ThreadId: HANDLE, Create: BOOLEAN, Kinds: ULONG },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: callFrame,
    steps: {
      start(k, f, _rax, a) {
        begin(k, f);
        return callNext(k, f, 'Thread', a.Kinds, () => [a.ProcessId, a.ThreadId, a.Create ? 1 : 0]) ?? ret();
      },
      called(k, f, _rax, a) {
        finished(k, f, 'Thread');
        return callNext(k, f, 'Thread', a.Kinds, () => [a.ProcessId, a.ThreadId, a.Create ? 1 : 0]) ?? ret();
      },
    },
  }),
  ntSteps({
    name: 'PsCallImageNotifyRoutines',
    internal: true,
    doc: 'Tells the image notify routines of an image that has been mapped: a driver (process id 0) or into a process.',
    irql: PASSIVE,
    args: { FullImageName: pointer('PUNICODE_STRING'), ProcessId: HANDLE, ImageBase: PVOID, ImageSize: ULONG, Properties: LONG },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { ...callFrame, Pad: u32, Info: IMAGE_INFO, Pad2: u64 },
    steps: {
      start(k, f, _rax, a) {
        const frame = f as unknown as Frame<typeof callFrame>;
        begin(k, frame);
        const info = f.address('Info');
        k.mem.fill(info, IMAGE_INFO.size, 0);
        M.Properties.set(k.mem, info, a.Properties >>> 0);
        M.ImageBase.set(k.mem, info, a.ImageBase);
        M.ImageSize.set(k.mem, info, BigInt(a.ImageSize));
        return callNext(k, frame, 'Image', PLAIN | EXTENDED, () => [a.FullImageName, a.ProcessId, info]) ?? ret();
      },
      called(k, f, _rax, a) {
        const frame = f as unknown as Frame<typeof callFrame>;
        finished(k, frame, 'Image');
        return (
          callNext(k, frame, 'Image', PLAIN | EXTENDED, () => [a.FullImageName, a.ProcessId, f.address('Info')]) ?? ret()
        );
      },
    },
  }),
];

export const notifyExports: NtExport[] = [...processes, ...threads, ...calls];
