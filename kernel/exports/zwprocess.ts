/** System services that open processes and threads and ask about them. Source: the WDK page of each, and ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { lookupAttributes, readAttributes } from '../ob/attributes.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { lookupCid } from '../ps/cid.ts';
import { threadInformation } from '../ps/threadinfo.ts';
import { processInformation } from '../ps/processinfo.ts';
import { currentSubject, effectiveToken } from '../se/subject.ts';
import { hasPrivilege, SeDebugPrivilege } from '../se/token.ts';
import { KernelMode, KTHREAD } from '../types/ke.ts';
import { CLIENT_ID, ETHREAD } from '../types/ps.ts';
import { STATUS_ACCESS_DENIED, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_CID, STATUS_INVALID_PARAMETER_MIX, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, HANDLE, type NtExport, NTSTATUS, PVOID, ret, ULONG } from './declare.ts';
import { service, stepService } from './service.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
/** PROCESSINFOCLASS of what a debugger asks. */
const ProcessDebugPort = 7, ProcessDebugObjectHandle = 30, ProcessDebugFlags = 31;

const openArgs = { Handle: PVOID, DesiredAccess: ULONG, ObjectAttributes: PVOID, ClientId: PVOID } as const;

/** The process or thread that a CLIENT_ID names, with a reference; a status without one. A process may be named by one of its threads. */
function byClientId(k: Kernel, clientId: number, type: number): { status: number; object: number } {
  const { UniqueProcess, UniqueThread } = CLIENT_ID.f;
  const processId = UniqueProcess.get(k.mem, clientId);
  const threadId = UniqueThread.get(k.mem, clientId);
  const wantsThread = type === exportedType(k, 'PsThreadType');
  const found = lookupCid(k, wantsThread || threadId ? threadId : processId);
  const fits = found !== 0 && obTypeOf(k, found) === (wantsThread || threadId ? exportedType(k, 'PsThreadType') : type);
  if (!fits) return { status: STATUS_INVALID_CID, object: 0 };
  // Both ids given: they must belong together.
  if (threadId && processId && k.mem.readPtr(found + ETHREAD.f.Cid.offset) !== processId) return { status: STATUS_INVALID_CID, object: 0 };
  const object = wantsThread || !threadId ? found : KTHREAD.f.Process.get(k.mem, found);
  obReferenceObject(k, object);
  return { status: STATUS_SUCCESS, object };
}

/** NtOpenProcess and NtOpenThread: by a CLIENT_ID, or (which no process has) by a name. Who has the debug privilege may open any. */
const openService = (name: string, doc: string, variable: string): NtExport[] =>
  stepService({
    name,
    doc,
    irql: PASSIVE,
    args: openArgs,
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { Object: ptr, Status: u32 },
    steps: {
      start(k, f, _rax, a) {
        k.mem.probe(a.Handle, 8, true);
        const attributes = readAttributes(k, a.ObjectAttributes);
        if (attributes.status !== STATUS_SUCCESS) return ret(attributes.status);
        if (!a.ClientId === (attributes.path === '')) return ret(STATUS_INVALID_PARAMETER_MIX);
        if (!a.ClientId) {
          const named = lookupAttributes(k, attributes, previousMode(k));
          return ret(named.status === STATUS_SUCCESS ? STATUS_OBJECT_TYPE_MISMATCH : named.status);
        }
        const found = byClientId(k, a.ClientId, exportedType(k, variable));
        if (found.status !== STATUS_SUCCESS) return ret(found.status);
        f.set('Object', found.object);
        const debug = hasPrivilege(k, effectiveToken(currentSubject(k)), SeDebugPrivilege);
        const mode = debug ? 0 : previousMode(k);
        return call(k.address('nt!ObpOpenHandle'), [found.object, a.DesiredAccess, attributes.attributes, mode, a.Handle, 1, 0, 0], 'opened');
      },
      opened(k, f, rax) {
        f.set('Status', rax);
        return call(k.address('nt!ObfDereferenceObject'), [f.get('Object')], 'done');
      },
      done: (_k, f) => ret(f.get('Status')),
    },
  });

/** Hands a structure out; it must fit as a whole. */
function give(k: Kernel, to: number, length: number, returned: number, size: number, write: () => void): number {
  if (returned) k.mem.write32(returned, size);
  if (length < size) return STATUS_INFO_LENGTH_MISMATCH;
  k.mem.probe(to, size, true);
  k.mem.fill(to, size, 0);
  write();
  return STATUS_SUCCESS;
}

function queryProcess(k: Kernel, process: number, kind: number, to: number, length: number, returned: number): number {
  const answer = processInformation(k, process, kind);
  return typeof answer === 'number' ? answer : give(k, to, length, returned, answer.size, () => answer.write(to));
}

function queryThread(k: Kernel, thread: number, kind: number, to: number, length: number, returned: number): number {
  const answer = threadInformation(k, thread, kind);
  return typeof answer === 'number' ? answer : give(k, to, length, returned, answer.size, () => answer.write(to));
}

type Query = (k: Kernel, object: number, kind: number, to: number, length: number, returned: number) => number;

/** The rights that each let a program ask: all, and all but a few. */
interface QueryRights {
  full: number;
  limited: number;
  /** Classes for which the lesser right will not do. */
  fullOnly: readonly number[];
}
const PROCESS_RIGHTS: QueryRights = { full: 0x400, limited: 0x1000, fullOnly: [ProcessDebugPort, ProcessDebugObjectHandle, ProcessDebugFlags] };
const THREAD_RIGHTS: QueryRights = { full: 0x40, limited: 0x800, fullOnly: [] };

const query = (name: string, doc: string, variable: string, missing: string | null, rights: QueryRights, work: Query): NtExport[] =>
  service({
    name, doc, ...(missing === null ? {} : { missing }),
    irql: PASSIVE,
    args: { Handle: HANDLE, InformationClass: ULONG, Information: PVOID, Length: ULONG, ReturnLength: PVOID },
    returns: NTSTATUS,
    cycles: 500,
    status: missing === null ? 'full' : 'partial',
    impl(k, a) {
      const r = obReferenceObjectByHandle(k, a.Handle, 0, exportedType(k, variable), previousMode(k));
      if (r.status !== STATUS_SUCCESS) return r.status;
      const enough = rights.fullOnly.includes(a.InformationClass) ? rights.full : rights.full | rights.limited;
      const status = previousMode(k) === KernelMode || r.access & enough ? work(k, r.object, a.InformationClass, a.Information, a.Length, a.ReturnLength) : STATUS_ACCESS_DENIED;
      obDereferenceDeferred(k, r.object);
      return status;
    },
  });

export const exports: NtExport[] = [
  ...openService('OpenProcess', 'Opens the process of an id.', 'PsProcessType'),
  ...openService('OpenThread', 'Opens the thread of an id.', 'PsThreadType'),
  ...query('QueryInformationProcess', 'Asks about a process.', 'PsProcessType', 'of the classes that Windows documents, telemetry (64): STATUS_INVALID_INFO_CLASS', PROCESS_RIGHTS, queryProcess),
  ...query('QueryInformationThread', 'Asks about a thread.', 'PsThreadType', null, THREAD_RIGHTS, queryThread),
];
