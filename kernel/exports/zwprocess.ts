/** System services that open processes and threads and ask about them. Source: the WDK page of each, and ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { obCreateHandle, obReferenceObjectByHandle } from '../ob/handle.ts';
import { readAttributes } from '../ob/attributes.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { wide } from '../ob/string.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { lookupCid } from '../ps/cid.ts';
import { processImageName } from '../ps/name.ts';
import { KPROCESS, KTHREAD } from '../types/ke.ts';
import { CLIENT_ID, EPROCESS, ETHREAD } from '../types/ps.ts';
import { STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_CID, STATUS_INVALID_INFO_CLASS, STATUS_INVALID_PARAMETER_MIX, STATUS_SUCCESS } from '../types/status.ts';
import { HANDLE, type NtExport, NTSTATUS, PVOID, ULONG } from './declare.ts';
import { service } from './service.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const E = EPROCESS.f;

/** Opens the process or thread of an id. */
function openById(k: Kernel, out: number, access: number, attributes: number, cid: number, type: number): number {
  k.mem.probe(out, 8, true);
  const object = lookupCid(k, cid);
  if (!object || obTypeOf(k, object) !== type) return STATUS_INVALID_CID;
  const a = readAttributes(k, attributes);
  if (a.status !== STATUS_SUCCESS) return a.status;
  const h = obCreateHandle(k, object, access, a.attributes);
  if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
  return h.status;
}

/** Hands a structure out; it must fit as a whole. */
function give(k: Kernel, to: number, length: number, returned: number, size: number, write: () => void): number {
  if (returned) k.mem.write32(returned, size);
  if (length < size) return STATUS_INFO_LENGTH_MISMATCH;
  k.mem.probe(to, size, true);
  k.mem.fill(to, size, 0);
  write();
  return STATUS_SUCCESS;
}

/** PROCESSINFOCLASS. */
const ProcessBasicInformation = 0, ProcessWow64Information = 26, ProcessImageFileName = 27;
/** THREADINFOCLASS. */
const ThreadBasicInformation = 0;

function processInformation(k: Kernel, process: number, kind: number, to: number, length: number, returned: number): number {
  const { mem } = k;
  switch (kind) {
    case ProcessBasicInformation:
      return give(k, to, length, returned, 0x30, () => {
        mem.write32(to, E.ExitStatus.get(mem, process) >>> 0);
        mem.writePtr(to + 8, E.Peb.get(mem, process));
        mem.write64(to + 16, (1n << BigInt(k.platform.cpus.length)) - 1n);
        mem.write32(to + 24, KPROCESS.f.BasePriority.get(mem, process) >>> 0);
        mem.writePtr(to + 32, E.UniqueProcessId.get(mem, process));
        mem.writePtr(to + 40, E.InheritedFromUniqueProcessId.get(mem, process));
      });
    case ProcessWow64Information:
      // No process is a 32-bit one.
      return give(k, to, length, returned, 8, () => undefined);
    case ProcessImageFileName: {
      const name = wide(processImageName(k, process));
      return give(k, to, length, returned, 16 + name.length + 2, () => {
        mem.write16(to, name.length);
        mem.write16(to + 2, name.length + 2);
        mem.writePtr(to + 8, to + 16);
        mem.writeBytes(to + 16, name);
      });
    }
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}

function threadInformation(k: Kernel, thread: number, kind: number, to: number, length: number, returned: number): number {
  const { mem } = k;
  if (kind !== ThreadBasicInformation) return STATUS_INVALID_INFO_CLASS;
  return give(k, to, length, returned, 0x30, () => {
    mem.write32(to, ETHREAD.f.ExitStatus.get(mem, thread) >>> 0);
    mem.writePtr(to + 8, KTHREAD.f.Teb.get(mem, thread));
    mem.copy(to + 16, thread + ETHREAD.f.Cid.offset, CLIENT_ID.size);
    mem.write64(to + 32, (1n << BigInt(k.platform.cpus.length)) - 1n);
    mem.write32(to + 40, KTHREAD.f.Priority.get(mem, thread) >>> 0);
    mem.write32(to + 44, KTHREAD.f.BasePriority.get(mem, thread) >>> 0);
  });
}

type Query = (k: Kernel, object: number, kind: number, to: number, length: number, returned: number) => number;

const query = (name: string, doc: string, variable: string, missing: string, work: Query): NtExport[] =>
  service({
    name, doc, missing,
    irql: PASSIVE,
    args: { Handle: HANDLE, InformationClass: ULONG, Information: PVOID, Length: ULONG, ReturnLength: PVOID },
    returns: NTSTATUS,
    cycles: 500,
    status: 'partial',
    impl(k, a) {
      const r = obReferenceObjectByHandle(k, a.Handle, 0, exportedType(k, variable), previousMode(k));
      if (r.status !== STATUS_SUCCESS) return r.status;
      const status = work(k, r.object, a.InformationClass, a.Information, a.Length, a.ReturnLength);
      obDereferenceDeferred(k, r.object);
      return status;
    },
  });

const openArgs = { Handle: PVOID, DesiredAccess: ULONG, ObjectAttributes: PVOID, ClientId: PVOID } as const;

export const exports: NtExport[] = [
  ...service({
    name: 'OpenProcess',
    doc: 'Opens the process of an id.',
    irql: PASSIVE,
    args: openArgs,
    returns: NTSTATUS,
    cycles: 500,
    status: 'full',
    impl(k, a) {
      if (!a.ClientId) return STATUS_INVALID_PARAMETER_MIX;
      return openById(k, a.Handle, a.DesiredAccess, a.ObjectAttributes, CLIENT_ID.f.UniqueProcess.get(k.mem, a.ClientId), exportedType(k, 'PsProcessType'));
    },
  }),
  ...service({
    name: 'OpenThread',
    doc: 'Opens the thread of an id.',
    irql: PASSIVE,
    args: openArgs,
    returns: NTSTATUS,
    cycles: 500,
    status: 'full',
    impl(k, a) {
      if (!a.ClientId) return STATUS_INVALID_PARAMETER_MIX;
      return openById(k, a.Handle, a.DesiredAccess, a.ObjectAttributes, CLIENT_ID.f.UniqueThread.get(k.mem, a.ClientId), exportedType(k, 'PsThreadType'));
    },
  }),
  ...query('QueryInformationProcess', 'Asks about a process.', 'PsProcessType', 'classes other than the basic, WOW64 and image name ones', processInformation),
  ...query('QueryInformationThread', 'Asks about a thread.', 'PsThreadType', 'classes other than the basic one', threadInformation),
];
