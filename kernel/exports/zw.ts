/** System services of the object manager: directories, symbolic links, waits, handles. Source: the WDK page of each, and ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { systemTime } from '../ke/time.ts';
import { keDelay, keWait } from '../ke/wait.ts';
import { createLinkObject, directoryEntries, linkTarget, obCreateDirectory, obName } from '../ob/directory.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { insertAndOpen, obMakeTemporary, openNamed } from '../ob/named.ts';
import { obDereferenceDeferred, setPermanent } from '../ob/object.ts';
import { readString, wide } from '../ob/string.ts';
import { obTypeOf, obWaitObject } from '../ob/type.ts';

import { OBJECT_TYPE } from '../types/ob.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_MORE_ENTRIES,
  STATUS_NO_MORE_ENTRIES,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { BOOLEAN, call, HANDLE, type NtExport, NTSTATUS, type Outcome, pointer, PVOID, ret, ULONG, wait } from './declare.ts';
import { service, stepService } from './service.ts';
import { zwHandleExports } from './zwhandle.ts';
import { exports as processes } from './zwprocess.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const SYNCHRONIZE = 0x100000;
const openArgs = { Handle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES } as const;

/** Runs `work` on the object of a handle of a type (0: any), which is held meanwhile. */
function withObject(k: Kernel, handle: number, type: number, work: (object: number) => number): number {
  const r = obReferenceObjectByHandle(k, handle, 0, type, previousMode(k));
  if (r.status !== STATUS_SUCCESS) return r.status;
  const status = work(r.object);
  obDereferenceDeferred(k, r.object);
  return status;
}

const namespace: NtExport[] = [
  ...service({
    name: 'CreateDirectoryObject',
    doc: 'Creates a directory in the namespace.',
    irql: PASSIVE,
    args: openArgs,
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.Handle, 8, true);
      const directory = obCreateDirectory(k, { permanent: false });
      return directory ? insertAndOpen(k, directory, a.ObjectAttributes, a.DesiredAccess, a.Handle) : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
  ...service({
    name: 'OpenDirectoryObject',
    doc: 'Opens a directory of the namespace.',
    irql: PASSIVE,
    args: openArgs,
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) => openNamed(k, a.ObjectAttributes, k.global.get('ObpDirectoryObjectType'), a.DesiredAccess, a.Handle),
  }),
  ...service({
    name: 'QueryDirectoryObject',
    doc: 'Lists a directory of the namespace: names and types, from where the last call left off.',
    irql: PASSIVE,
    args: { DirectoryHandle: HANDLE, Buffer: PVOID, Length: ULONG, ReturnSingleEntry: BOOLEAN, RestartScan: BOOLEAN, Context: PVOID, ReturnLength: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl: (k, a) =>
      withObject(k, a.DirectoryHandle, k.global.get('ObpDirectoryObjectType'), directory =>
        listDirectory(k, directory, a.Buffer, a.Length, a.ReturnSingleEntry, a.RestartScan ? 0 : k.mem.read32(a.Context), a.Context, a.ReturnLength),
      ),
  }),
  ...service({
    name: 'CreateSymbolicLinkObject',
    doc: 'Creates a symbolic link in the namespace.',
    irql: PASSIVE,
    args: { ...openArgs, LinkTarget: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.Handle, 8, true);
      const link = createLinkObject(k, readString(k, a.LinkTarget), { permanent: false, time: systemTime(k) });
      return link ? insertAndOpen(k, link, a.ObjectAttributes, a.DesiredAccess, a.Handle) : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
  ...service({
    name: 'OpenSymbolicLinkObject',
    doc: 'Opens a symbolic link itself, not what it leads to.',
    irql: PASSIVE,
    args: openArgs,
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) => openNamed(k, a.ObjectAttributes, k.global.get('ObpSymbolicLinkObjectType'), a.DesiredAccess, a.Handle),
  }),
  ...service({
    name: 'QuerySymbolicLinkObject',
    doc: 'The path that a symbolic link stands for.',
    irql: PASSIVE,
    args: { LinkHandle: HANDLE, LinkTarget: PUNICODE_STRING, ReturnedLength: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    impl: (k, a) =>
      withObject(k, a.LinkHandle, k.global.get('ObpSymbolicLinkObjectType'), link => {
        const bytes = wide(linkTarget(k, link));
        const room = k.mem.read16(a.LinkTarget + 2);
        if (a.ReturnedLength) k.mem.write32(a.ReturnedLength, bytes.length);
        if (room < bytes.length) return STATUS_BUFFER_TOO_SMALL;
        const buffer = k.mem.readPtr(a.LinkTarget + 8);
        k.mem.writeBytes(buffer, bytes);
        k.mem.write16(a.LinkTarget, bytes.length);
        // A terminator, where there is room for one.
        if (room >= bytes.length + 2) k.mem.write16(buffer + bytes.length, 0);
        return STATUS_SUCCESS;
      }),
  }),
  ...service({
    name: 'MakeTemporaryObject',
    doc: 'Makes an object lose its name with its last handle.',
    irql: PASSIVE,
    args: { Handle: HANDLE },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl: (k, { Handle }) =>
      withObject(k, Handle, 0, object => {
        obMakeTemporary(k, object);
        return STATUS_SUCCESS;
      }),
  }),
  ...service({
    name: 'MakePermanentObject',
    doc: 'Makes an object keep its name without handles.',
    irql: PASSIVE,
    args: { Handle: HANDLE },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl: (k, { Handle }) =>
      withObject(k, Handle, 0, object => {
        setPermanent(k, object, true);
        return STATUS_SUCCESS;
      }),
  }),
];

/** OBJECT_DIRECTORY_INFORMATION entries (two UNICODE_STRINGs each, an empty one at the end), then the strings. */
function listDirectory(k: Kernel, directory: number, buffer: number, length: number, single: boolean, from: number, context: number, returned: number): number {
  const { mem } = k;
  const entries = directoryEntries(k, directory).slice(from).map(object => ({ name: obName(k, object), type: readString(k, obTypeOf(k, object) + OBJECT_TYPE.f.Name.offset) }));
  if (!entries.length) return STATUS_NO_MORE_ENTRIES;
  const taken: typeof entries = [];
  let size = 32;
  for (const e of single ? entries.slice(0, 1) : entries) {
    const more = 32 + (e.name.length + e.type.length + 2) * 2;
    if (size + more > length) break;
    size += more;
    taken.push(e);
  }
  if (returned) mem.write32(returned, taken.length ? size : 64 + (entries[0]!.name.length + entries[0]!.type.length + 2) * 2);
  if (!taken.length) return STATUS_BUFFER_TOO_SMALL;
  mem.probe(buffer, size, true);
  mem.fill(buffer, (taken.length + 1) * 32, 0);
  let text = buffer + (taken.length + 1) * 32;
  taken.forEach((e, i) => {
    for (const [s, at] of [[e.name, 0], [e.type, 16]] as const) {
      const entry = buffer + i * 32 + at;
      mem.write16(entry, s.length * 2);
      mem.write16(entry + 2, s.length * 2 + 2);
      mem.writePtr(entry + 8, text);
      mem.writeBytes(text, wide(`${s}\0`));
      text += s.length * 2 + 2;
    }
  });
  mem.write32(context, from + taken.length);
  return taken.length < entries.length && !single ? STATUS_MORE_ENTRIES : STATUS_SUCCESS;
}

const waitFrame = { Object: ptr, Status: u32 } as const;

const waits: NtExport[] = [
  ...stepService({
    name: 'WaitForSingleObject',
    doc: 'Waits for the object of a handle.',
    irql: PASSIVE,
    args: { Handle: HANDLE, Alertable: BOOLEAN, Timeout: PVOID },
    returns: NTSTATUS,
    cycles: 250,
    status: 'full',
    frame: waitFrame,
    steps: {
      start(k, f, _rax, { Handle, Alertable, Timeout }) {
        const mode = previousMode(k);
        const r = obReferenceObjectByHandle(k, Handle, SYNCHRONIZE, 0, mode);
        if (r.status !== STATUS_SUCCESS) return ret(r.status);
        f.set('Object', r.object);
        const object = obWaitObject(k, r.object);
        if (!object) return finished(k, f, STATUS_OBJECT_TYPE_MISMATCH);
        const w = keWait(k, [object], { alertable: Alertable, mode, timeout: Timeout ? BigInt.asIntN(64, k.mem.read64(Timeout)) : null });
        return w === 'blocked' ? wait('waited') : finished(k, f, w.status);
      },
      waited: (k, f, rax) => finished(k, f, rax),
      done: (_k, f) => ret(f.get('Status')),
    },
  }),
  ...stepService({
    name: 'DelayExecution',
    doc: 'Puts the current thread to sleep for an interval.',
    irql: PASSIVE,
    args: { Alertable: BOOLEAN, DelayInterval: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { Alertable, DelayInterval }) {
        const w = keDelay(k, BigInt.asIntN(64, k.mem.read64(DelayInterval)), Alertable, previousMode(k));
        return w === 'blocked' ? wait('waited') : ret(w.status);
      },
      waited: (_k, _f, rax) => ret(rax),
    },
  }),
];

function finished(k: Kernel, f: { get(n: 'Object'): number; set(n: 'Status', v: number): void }, status: number): Outcome {
  f.set('Status', status);
  return call(k.address('nt!ObfDereferenceObject'), [f.get('Object')], 'done');
}

export const exports: NtExport[] = [...namespace, ...waits, ...zwHandleExports, ...processes];
