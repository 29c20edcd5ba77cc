/** System services that few drivers import: giving the processor up, ports, settings of processes and of the system; and performance counters, WMI events, the user's key. Source: the WDK page of each, and ntifs.h. */
import { keDelay } from '../ke/wait.ts';
import type { Kernel } from '../kernel.ts';
import { cmOpenPath } from '../cm/registry.ts';
import { obFind, readAttributes } from '../ob/attributes.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { readString } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { listEntries } from '../rtl/list.ts';
import { wideBytes } from '../rtl/string.ts';
import { currentSubject, effectiveToken } from '../se/subject.ts';
import { hasPrivilege, SeDebugPrivilege, SeRestorePrivilege, tokenGroups } from '../se/token.ts';
import { KernelMode, KTHREAD } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { CTF_TERMINATED, EPROCESS, ETHREAD } from '../types/ps.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_NOT_SUPPORTED,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_PORT_CONNECTION_REFUSED,
  STATUS_PORT_DISCONNECTED,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
  STATUS_UNSUCCESSFUL,
} from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, HANDLE, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ret, ULONG, wait } from './declare.ts';
import { store } from './rtlconvert.ts';
import { service, stepService } from './service.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const APC = { max: 'APC_LEVEL' } as const;
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const STATUS_NO_YIELD_PERFORMED = 0x40000024;
const OBJ_CASE_INSENSITIVE = 0x40;

/** A thread of at least the current one's priority waits for this processor. */
function somebodyWaits(k: Kernel): boolean {
  const summary = KPRCB.f.ReadySummary.get(k.mem, k.prcb);
  return summary !== 0 && 31 - Math.clz32(summary) >= KTHREAD.f.Priority.get(k.mem, k.currentThread());
}

const yielding: NtExport[] = stepService({
  name: 'YieldExecution',
  doc: 'Gives the rest of the quantum to a thread that is ready on this processor; STATUS_NO_YIELD_PERFORMED when there is none.',
  irql: APC,
  args: {},
  returns: NTSTATUS,
  cycles: 120,
  status: 'partial',
  missing: 'threads of a lower priority do not get the processor',
  frame: {},
  steps: {
    start(k) {
      if (!somebodyWaits(k)) return ret(STATUS_NO_YIELD_PERFORMED);
      return keDelay(k, 0n, false, KernelMode) === 'blocked' ? wait('back') : ret(STATUS_SUCCESS);
    },
    back: () => ret(STATUS_SUCCESS),
  },
});

const NO_PORTS = 'no program of this machine makes ports, so there is none to connect to';

/** Local procedure calls: the ports of programs. Who asks for one learns that it is not there. */
const ports: NtExport[] = [
  ...service({
    name: 'ConnectPort',
    doc: 'Connects to a port by its name.',
    irql: PASSIVE,
    args: {
      PortHandle: PVOID,
      PortName: PUNICODE_STRING,
      SecurityQos: PVOID,
      ClientView: PVOID,
      ServerView: PVOID,
      MaxMessageLength: PVOID,
      ConnectionInformation: PVOID,
      ConnectionInformationLength: PVOID,
    },
    returns: NTSTATUS,
    cycles: 600,
    status: 'partial',
    missing: NO_PORTS,
    impl(k, a) {
      k.mem.probe(a.PortHandle, 8, true);
      const found = obFind(k, readString(k, a.PortName), exportedType(k, 'LpcPortObjectType'), OBJ_CASE_INSENSITIVE);
      // An object of the type that a driver made: nobody listens at it.
      return found.status === STATUS_SUCCESS ? STATUS_PORT_CONNECTION_REFUSED : found.status;
    },
  }),
  ...service({
    name: 'RequestWaitReplyPort',
    doc: 'Sends a message to a port and waits for the answer.',
    irql: PASSIVE,
    args: { PortHandle: HANDLE, RequestMessage: PVOID, ReplyMessage: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'partial',
    missing: NO_PORTS,
    impl(k, a) {
      const r = obReferenceObjectByHandle(k, a.PortHandle, 0, exportedType(k, 'LpcPortObjectType'), previousMode(k));
      if (r.status !== STATUS_SUCCESS) return r.status;
      obDereferenceDeferred(k, r.object);
      return STATUS_PORT_DISCONNECTED;
    },
  }),
];

/** PROCESSINFOCLASS. */
const ProcessDefaultHardErrorMode = 12,
  ProcessPriorityClass = 18;
/** PROCESS_PRIORITY_CLASS_IDLE to _ABOVE_NORMAL. */
const HIGHEST_CLASS = 6;
const PROCESS_SET_INFORMATION = 0x200,
  PROCESS_QUERY_INFORMATION = 0x400;

function setProcess(k: Kernel, process: number, kind: number, at: number, length: number): number {
  const { mem } = k;
  switch (kind) {
    case ProcessDefaultHardErrorMode:
      if (length !== 4) return STATUS_INFO_LENGTH_MISMATCH;
      EPROCESS.f.DefaultHardErrorProcessing.set(mem, process, mem.read32(at));
      return STATUS_SUCCESS;
    case ProcessPriorityClass: {
      // PROCESS_PRIORITY_CLASS: foreground, class.
      if (length !== 2) return STATUS_INFO_LENGTH_MISMATCH;
      const wanted = mem.read8(at + 1);
      if (wanted > HIGHEST_CLASS) return STATUS_INVALID_PARAMETER;
      EPROCESS.f.PriorityClass.set(mem, process, wanted);
      return STATUS_SUCCESS;
    }
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}

/** SYSTEM_INFORMATION_CLASS. */
const SystemFlagsInformation = 9;

const settings: NtExport[] = [
  ...service({
    name: 'SetInformationProcess',
    doc: 'Changes information about a process.',
    irql: PASSIVE,
    args: { ProcessHandle: HANDLE, ProcessInformationClass: ULONG, ProcessInformation: PVOID, ProcessInformationLength: ULONG },
    returns: NTSTATUS,
    cycles: 300,
    status: 'partial',
    missing: 'classes other than the mode of hard errors and the priority class (which its threads do not follow)',
    impl(k, a) {
      if (a.ProcessInformationLength) k.mem.probe(a.ProcessInformation, a.ProcessInformationLength, false);
      const r = obReferenceObjectByHandle(k, a.ProcessHandle, PROCESS_SET_INFORMATION, exportedType(k, 'PsProcessType'), previousMode(k));
      if (r.status !== STATUS_SUCCESS) return r.status;
      const status = setProcess(k, r.object, a.ProcessInformationClass, a.ProcessInformation, a.ProcessInformationLength);
      obDereferenceDeferred(k, r.object);
      return status;
    },
  }),
  ...service({
    name: 'SetSystemInformation',
    doc: 'Changes a setting of the system.',
    irql: PASSIVE,
    args: { SystemInformationClass: ULONG, SystemInformation: PVOID, SystemInformationLength: ULONG },
    returns: NTSTATUS,
    cycles: 200,
    status: 'partial',
    missing: 'classes other than the global flags; others give STATUS_INVALID_INFO_CLASS',
    impl(k, a) {
      if (a.SystemInformationClass !== SystemFlagsInformation) return STATUS_INVALID_INFO_CLASS;
      if (a.SystemInformationLength !== 4) return STATUS_INFO_LENGTH_MISMATCH;
      const flags = k.mem.read32(a.SystemInformation);
      if (previousMode(k) !== KernelMode && !hasPrivilege(k, effectiveToken(currentSubject(k)), SeDebugPrivilege))
        return STATUS_PRIVILEGE_NOT_HELD;
      k.mem.write32(k.address('nt!NtGlobalFlag'), flags);
      return STATUS_SUCCESS;
    },
  }),
];

const STATUS_NO_MORE_ENTRIES = 0x8000001a;
const walkFrame = { Thread: ptr, Status: u32 } as const;

/** The first thread of a process that has not ended, after the one given. */
function threadAfter(k: Kernel, process: number, after: number): number {
  let passed = after === 0;
  for (const link of listEntries(k.mem, process + EPROCESS.f.ThreadListHead.offset)) {
    const thread = link - ETHREAD.f.ThreadListEntry.offset;
    if (passed && !(ETHREAD.f.CrossThreadFlags.get(k.mem, thread) & CTF_TERMINATED)) return thread;
    if (thread === after) passed = true;
  }
  return 0;
}

/** Reference of an object by its handle, for one look: the address is good as long as the caller has the handle. */
function look(k: Kernel, handle: number, access: number, variable: string): { status: number; object: number } {
  const r = obReferenceObjectByHandle(k, handle, access, exportedType(k, variable), previousMode(k));
  if (r.status === STATUS_SUCCESS) obDereferenceDeferred(k, r.object);
  return r;
}

const walking: NtExport[] = stepService({
  name: 'GetNextThread',
  doc: 'Opens the thread of a process that comes after a thread, or the first one; STATUS_NO_MORE_ENTRIES after the last.',
  irql: PASSIVE,
  args: { ProcessHandle: HANDLE, ThreadHandle: HANDLE, DesiredAccess: ULONG, HandleAttributes: ULONG, Flags: ULONG, NewThreadHandle: PVOID },
  returns: NTSTATUS,
  cycles: 300,
  status: 'full',
  frame: walkFrame,
  steps: {
    start(k, f, _rax, a) {
      k.mem.probe(a.NewThreadHandle, 8, true);
      if (a.Flags) return ret(STATUS_INVALID_PARAMETER);
      const process = look(k, a.ProcessHandle, PROCESS_QUERY_INFORMATION, 'PsProcessType');
      if (process.status !== STATUS_SUCCESS) return ret(process.status);
      const after = a.ThreadHandle ? look(k, a.ThreadHandle, 0, 'PsThreadType') : { status: STATUS_SUCCESS, object: 0 };
      if (after.status !== STATUS_SUCCESS) return ret(after.status);
      const thread = threadAfter(k, process.object, after.object);
      if (!thread) return ret(STATUS_NO_MORE_ENTRIES);
      obReferenceObject(k, thread);
      f.set('Thread', thread);
      return call(k.address('nt!ObpOpenHandle'), [thread, a.DesiredAccess, a.HandleAttributes, previousMode(k), a.NewThreadHandle, 1, 0, 0], 'opened');
    },
    opened(k, f, rax) {
      f.set('Status', rax);
      return call(k.address('nt!ObfDereferenceObject'), [f.get('Thread')], 'done');
    },
    done: (_k, f) => ret(f.get('Status')),
  },
});

const hives: NtExport[] = service({
  name: 'UnloadKey',
  doc: 'Takes a hive out of the registry. No key here is the root of one that was loaded: STATUS_INVALID_PARAMETER.',
  irql: PASSIVE,
  args: { TargetKey: PVOID },
  returns: NTSTATUS,
  cycles: 300,
  status: 'partial',
  missing: 'hives cannot be loaded, so there is none to take out',
  impl(k, a) {
    const attributes = readAttributes(k, a.TargetKey);
    if (attributes.status !== STATUS_SUCCESS) return attributes.status;
    if (previousMode(k) !== KernelMode && !hasPrivilege(k, effectiveToken(currentSubject(k)), SeRestorePrivilege)) return STATUS_PRIVILEGE_NOT_HELD;
    return cmOpenPath(k, attributes.path) ? STATUS_INVALID_PARAMETER : STATUS_OBJECT_NAME_NOT_FOUND;
  },
});

/** What a WNODE may be long when the registry says nothing else. */
const MAXIMUM_WMI_EVENT = 0x10000;
/** WNODE_HEADER.Flags, and the flag of an event that goes to a trace session. */
const WNODE_FLAGS = 0x2c,
  WNODE_FLAG_TRACED_GUID = 0x20000;
/** The handle of who has the performance counters. */
const COUNTERS = 0x70756d63;

const others: NtExport[] = [
  ntExport({
    name: 'IoWMIWriteEvent',
    doc: 'Hands an event to the WMI components of user mode. There are none: STATUS_UNSUCCESSFUL, and the event stays its driver\'s.',
    irql: { when: (a, k) => (k.mem.read32(a.WnodeEventItem + WNODE_FLAGS) & WNODE_FLAG_TRACED_GUID ? undefined : APC) },
    args: { WnodeEventItem: PVOID },
    returns: NTSTATUS,
    cycles: 60,
    status: 'partial',
    missing: 'there are no WMI components in user mode',
    impl: (k, a) => (k.mem.read32(a.WnodeEventItem) > MAXIMUM_WMI_EVENT ? STATUS_BUFFER_OVERFLOW : STATUS_UNSUCCESSFUL),
  }),
  ntExport({
    name: 'RtlFormatCurrentUserKeyPath',
    doc: 'The key of the user for whom the current thread acts: \\REGISTRY\\USER and the user\'s identifier, in a buffer that RtlFreeUnicodeString frees.',
    irql: PASSIVE,
    args: { CurrentUserKeyPath: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      const user = tokenGroups(k, effectiveToken(currentSubject(k)))[0]!.sid;
      return store(k, a.CurrentUserKeyPath, wideBytes(`\\REGISTRY\\USER\\${user}`), 2, true);
    },
  }),
  ntExport({
    module: 'hal.dll',
    name: 'HalAllocateHardwareCounters',
    doc: 'Gives a driver the performance counters of the processors for itself; STATUS_INSUFFICIENT_RESOURCES while another one has them.',
    irql: PASSIVE,
    args: { GroupAffinity: PVOID, GroupCount: ULONG, ResourceList: PVOID, CounterSetHandle: PVOID },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.CounterSetHandle, 8, true);
      k.mem.writePtr(a.CounterSetHandle, 0);
      if ((a.GroupAffinity === 0) !== (a.GroupCount === 0)) return STATUS_INVALID_PARAMETER;
      // Single counters, or those of some processors, cannot be had: what virtual processors have is one unit.
      if (a.ResourceList || a.GroupAffinity) return STATUS_NOT_SUPPORTED;
      if (k.global.get('HalpCountersTaken')) return STATUS_INSUFFICIENT_RESOURCES;
      k.global.set('HalpCountersTaken', 1);
      k.mem.writePtr(a.CounterSetHandle, COUNTERS);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    module: 'hal.dll',
    name: 'HalFreeHardwareCounters',
    doc: 'Gives the performance counters back.',
    irql: PASSIVE,
    args: { CounterSetHandle: HANDLE },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      if (a.CounterSetHandle !== COUNTERS || !k.global.get('HalpCountersTaken')) return STATUS_INVALID_PARAMETER;
      k.global.set('HalpCountersTaken', 0);
      return STATUS_SUCCESS;
    },
  }),
];

export const fewExports: NtExport[] = [...yielding, ...ports, ...settings, ...walking, ...hives, ...others];
