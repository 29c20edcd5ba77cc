/** Object manager routines. Source: the WDK pages of each routine, and ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { isWatchedKey } from '../cm/sharedoperations.ts';
import { lookupAttributes, obFind, readAttributes } from '../ob/attributes.ts';
import { directoryRemove } from '../ob/directory.ts';
import { addHandleCount, deferDeletion, deleteProcedure, dereference, freeObject, handleCount, isPermanent, nextDeferredDeletion, obReferenceObject } from '../ob/object.ts';
import { entryAttributes, entryObject, findHandleIn, freeHandle, handlesTo, isKernelHandle, OBJ_PROTECT_CLOSE, obCreateHandle, obReferenceObjectByHandle } from '../ob/handle.ts';
import { TYPE_VARIABLES } from '../ob/init.ts';
import { freeString, readString } from '../ob/string.ts';
import { objectFullName, obMakeTemporary, writeObjectName } from '../ob/named.ts';
import { obCheckAccess } from '../ob/security.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { HANDLE_TABLE, OBJECT_HANDLE_INFORMATION, OBJECT_HEADER, OBJECT_HEADER_SIZE, OBJECT_SYMBOLIC_LINK, OBJECT_TYPE, OBJECT_TYPE_INITIALIZER } from '../types/ob.ts';
import {
  STATUS_HANDLE_NOT_CLOSABLE,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import { BOOLEAN, call, CCHAR, HANDLE, LONGLONG, type NtExport, ntData, ntExport, ntSteps, NTSTATUS, pointer, PVOID, ret, ULONG, VOID } from './declare.ts';
import { previousMode } from '../ob/mode.ts';
import { stepService } from './service.ts';

const POBJECT_TYPE = pointer('POBJECT_TYPE');
const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

const typeVariables: NtExport[] = TYPE_VARIABLES.map(name =>
  ntData({ name, doc: `Address of the object type that ${name.replace(/^(Io|Ex|Ps|Mm|Cm|Se)|(Object)?Type$/g, '')} objects have.`, size: 8, status: 'full' }),
);

/** Steps that end an object: its delete procedure, then its memory. */
const deletion: NtExport[] = [
  ntSteps({
    name: 'ObpDeleteObject',
    internal: true,
    doc: 'Runs the delete procedure of an object without references and frees it.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: { Object: ptr },
    steps: {
      start(k, f, _rax, { Object }) {
        f.set('Object', Object);
        const procedure = deleteProcedure(k, Object);
        if (procedure) return call(procedure, [Object], 'deleted');
        freeObject(k, Object);
        return ret();
      },
      deleted(k, f) {
        freeObject(k, f.get('Object'));
        return ret();
      },
    },
  }),
  ntSteps({
    name: 'ObpProcessRemoveObjectQueue',
    internal: true,
    doc: 'Work item: deletes the objects whose last reference went at a raised IRQL or in host code.',
    args: { Context: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: {},
    steps: {
      start: deleteNext,
      next: deleteNext,
    },
  }),
  ntExport({
    name: 'ObpDeleteSymbolicLink',
    internal: true,
    doc: 'Delete procedure of symbolic links: frees the target.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, { Object }) => freeString(k, Object + OBJECT_SYMBOLIC_LINK.f.LinkTarget.offset),
  }),
];

function deleteNext(k: Kernel) {
  const object = nextDeferredDeletion(k);
  return object ? call(k.address('nt!ObpDeleteObject'), [object], 'next') : ret();
}

/** A dereference routine: all of them differ only in name and in whether a deletion is always left to a worker. */
const dereferenceRoutine = (name: string, doc: string, args: { [name: string]: typeof PVOID | typeof ULONG }, deferred: boolean): NtExport =>
  ntSteps({
    name,
    doc,
    irql: DISPATCH,
    args,
    returns: LONGLONG,
    cycles: 60,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, a) {
        const object = a['Object'] as number;
        const count = dereference(k, object);
        if (count > 0) return ret(count);
        if (deferred || k.irql > 0) {
          deferDeletion(k, object);
          return ret(0);
        }
        return call(k.address('nt!ObpDeleteObject'), [object], 'deleted');
      },
      deleted: () => ret(0),
    },
  });

const referenceRoutine = (name: string, doc: string, args: { [name: string]: typeof PVOID | typeof ULONG }): NtExport =>
  ntExport({ name, doc, irql: DISPATCH, args, returns: LONGLONG, cycles: 40, status: 'full', impl: (k, a) => obReferenceObject(k, a['Object'] as number) });

const references: NtExport[] = [
  referenceRoutine('ObfReferenceObject', 'Increments the reference count of an object and returns the new count.', { Object: PVOID }),
  referenceRoutine('ObfReferenceObjectWithTag', 'ObfReferenceObject with a tag for tracing.', { Object: PVOID, Tag: ULONG }),
  dereferenceRoutine('ObfDereferenceObject', 'Decrements the reference count of an object and deletes it when that was the last.', { Object: PVOID }, false),
  dereferenceRoutine('ObfDereferenceObjectWithTag', 'ObfDereferenceObject with a tag for tracing.', { Object: PVOID, Tag: ULONG }, false),
  dereferenceRoutine('ObDereferenceObject', 'Decrements the reference count of an object (the form that is not __fastcall).', { Object: PVOID }, false),
  dereferenceRoutine('ObDereferenceObjectDeferDelete', 'Decrements the reference count; a deletion happens later, in a worker thread.', { Object: PVOID }, true),
  dereferenceRoutine('ObDereferenceObjectDeferDeleteWithTag', 'ObDereferenceObjectDeferDelete with a tag for tracing.', { Object: PVOID, Tag: ULONG }, true),
  ntExport({
    name: 'ObReferenceObjectSafe',
    doc: 'Takes a reference unless the object has none left and is being deleted.',
    irql: DISPATCH,
    args: { Object: PVOID },
    returns: BOOLEAN,
    cycles: 40,
    status: 'full',
    impl(k, { Object }) {
      if (k.mem.readI32(Object - OBJECT_HEADER_SIZE + OBJECT_HEADER.f.PointerCount.offset) === 0) return false;
      obReferenceObject(k, Object);
      return true;
    },
  }),
  ...(['ObReferenceObjectByPointer', 'ObReferenceObjectByPointerWithTag'] as const).map(name =>
    ntExport({
      name,
      doc: 'Takes a reference to an object after a look at its type.',
      irql: DISPATCH,
      args: { Object: PVOID, DesiredAccess: ULONG, ObjectType: POBJECT_TYPE, AccessMode: CCHAR },
      returns: NTSTATUS,
      cycles: 60,
      status: 'full',
      impl(k, { Object, ObjectType, AccessMode }) {
        const type = obTypeOf(k, Object);
        // A caller from user mode must say which type it expects; kernel mode may pass NULL, and a symbolic link never matches itself by accident.
        if (type !== ObjectType && (AccessMode !== 0 || ObjectType !== 0)) return STATUS_OBJECT_TYPE_MISMATCH;
        obReferenceObject(k, Object);
        return STATUS_SUCCESS;
      },
    }),
  ),
  ntExport({
    name: 'ObReferenceObjectByHandle',
    doc: 'Checks a handle and returns a referenced pointer to its object.',
    irql: PASSIVE,
    args: { Handle: HANDLE, DesiredAccess: ULONG, ObjectType: POBJECT_TYPE, AccessMode: CCHAR, Object: PVOID, HandleInformation: PVOID },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl: (k, a) => referenceByHandle(k, a.Handle, a.DesiredAccess, a.ObjectType, a.AccessMode, a.Object, a.HandleInformation),
  }),
  ntExport({
    name: 'ObReferenceObjectByHandleWithTag',
    doc: 'ObReferenceObjectByHandle with a tag for tracing.',
    irql: PASSIVE,
    args: { Handle: HANDLE, DesiredAccess: ULONG, ObjectType: POBJECT_TYPE, AccessMode: CCHAR, Tag: ULONG, Object: PVOID, HandleInformation: PVOID },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl: (k, a) => referenceByHandle(k, a.Handle, a.DesiredAccess, a.ObjectType, a.AccessMode, a.Object, a.HandleInformation),
  }),
  ntExport({
    name: 'ObReferenceObjectByName',
    doc: 'Finds an object by its name in the namespace and returns a referenced pointer to it.',
    irql: PASSIVE,
    args: {
      ObjectName: PUNICODE_STRING,
      Attributes: ULONG,
      AccessState: PVOID,
      DesiredAccess: ULONG,
      ObjectType: POBJECT_TYPE,
      AccessMode: CCHAR,
      ParseContext: PVOID,
      Object: PVOID,
    },
    returns: NTSTATUS,
    cycles: 600,
    status: 'full',
    impl(k, { ObjectName, Attributes, DesiredAccess, ObjectType, AccessMode, Object }) {
      k.mem.probe(Object, 8, true);
      const found = obFind(k, readString(k, ObjectName), ObjectType, Attributes);
      const status = found.status === STATUS_SUCCESS && AccessMode !== 0 ? obCheckAccess(k, found.object, DesiredAccess, AccessMode, Attributes).status : found.status;
      if (status === STATUS_SUCCESS) obReferenceObject(k, found.object);
      k.mem.writePtr(Object, status === STATUS_SUCCESS ? found.object : 0);
      return status;
    },
  }),
];

function referenceByHandle(k: Kernel, handle: number, access: number, type: number, mode: number, out: number, info: number): number {
  k.mem.probe(out, 8, true);
  if (info) k.mem.probe(info, OBJECT_HANDLE_INFORMATION.size, true);
  const r = obReferenceObjectByHandle(k, handle, access, type, mode);
  k.mem.writePtr(out, r.object);
  if (info && r.status === STATUS_SUCCESS) {
    OBJECT_HANDLE_INFORMATION.f.HandleAttributes.set(k.mem, info, r.attributes);
    OBJECT_HANDLE_INFORMATION.f.GrantedAccess.set(k.mem, info, r.access);
  }
  return r.status;
}

/** Opens a handle after the access check and writes it out. */
function openChecked(k: Kernel, object: number, attributes: number, access: number, mode: number, type: number, out: number): number {
  if (type && obTypeOf(k, object) !== type) return STATUS_OBJECT_TYPE_MISMATCH;
  const answer = obCheckAccess(k, object, access, mode, attributes);
  if (answer.status !== STATUS_SUCCESS) return answer.status;
  const h = obCreateHandle(k, object, answer.granted, attributes);
  if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
  return h.status;
}

const handles: NtExport[] = [
  ntExport({
    name: 'ObOpenObjectByName',
    doc: 'Opens a handle to an object by its name. Devices and files need a parse context of the I/O manager: without one they are STATUS_OBJECT_TYPE_MISMATCH.',
    irql: PASSIVE,
    args: { ObjectAttributes: POBJECT_ATTRIBUTES, ObjectType: POBJECT_TYPE, AccessMode: CCHAR, AccessState: PVOID, DesiredAccess: ULONG, ParseContext: PVOID, Handle: PVOID },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, { ObjectAttributes, ObjectType, AccessMode, DesiredAccess, Handle }) {
      k.mem.probe(Handle, 8, true);
      const a = readAttributes(k, ObjectAttributes);
      const found = lookupAttributes(k, a, AccessMode);
      if (found.status !== STATUS_SUCCESS) return found.status;
      if (found.remaining !== '' || obTypeOf(k, found.object) === exportedType(k, 'IoDeviceObjectType')) return STATUS_OBJECT_TYPE_MISMATCH;
      return openChecked(k, found.object, a.attributes, DesiredAccess, AccessMode, ObjectType, Handle);
    },
  }),
  ntSteps({
    name: 'ObpCloseHandle',
    internal: true,
    doc: 'Closes a handle of the current process.',
    args: { Handle: HANDLE, AccessMode: CCHAR },
    returns: NTSTATUS,
    cycles: 30,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, { Handle, AccessMode }) => call(k.address('nt!ObpCloseHandleOf'), [k.currentProcess(), Handle, AccessMode], 'done'),
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  ntSteps({
    name: 'ObpCloseHandleOf',
    internal: true,
    doc: 'Closes a handle of a process: frees its entry, runs the close procedure, takes the name away with the last handle, gives the reference back.',
    args: { Process: PVOID, Handle: HANDLE, AccessMode: CCHAR },
    returns: NTSTATUS,
    cycles: 250,
    status: 'full',
    frame: { Object: ptr },
    steps: {
      start(k, f, _rax, { Process, Handle, AccessMode }) {
        const { table, entry } = findHandleIn(k, Process, Handle, AccessMode);
        if (!entry) return ret(STATUS_INVALID_HANDLE);
        if (entryAttributes(k, entry) & OBJ_PROTECT_CLOSE) return ret(STATUS_HANDLE_NOT_CLOSABLE);
        const object = entryObject(k, entry);
        f.set('Object', object);
        const close = OBJECT_TYPE_INITIALIZER.f.CloseProcedure.get(k.mem, obTypeOf(k, object) + OBJECT_TYPE.f.TypeInfo.offset);
        const inProcess = close ? handlesTo(k, table, object) : 0;
        const process = HANDLE_TABLE.f.QuotaProcess.get(k.mem, table);
        freeHandle(k, table, entry);
        return close ? call(close, [process, object, inProcess, handleCount(k, object)], 'closed') : closed(k, object);
      },
      closed: (k, f) => closed(k, f.get('Object')),
      deleted: () => ret(STATUS_SUCCESS),
    },
  }),
  ntSteps({
    name: 'ObCloseHandle',
    doc: 'Closes a handle on behalf of the given mode.',
    irql: PASSIVE,
    args: { Handle: HANDLE, PreviousMode: CCHAR },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, { Handle, PreviousMode }) => call(k.address('nt!ObpCloseHandle'), [Handle, PreviousMode], 'done'),
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  ntExport({
    name: 'ObIsKernelHandle',
    doc: 'Whether a handle is a kernel handle.',
    irql: { max: 'APC_LEVEL' },
    args: { Handle: HANDLE },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: (_k, { Handle }) => isKernelHandle(Handle),
  }),
  ...stepService({
    name: 'Close',
    doc: 'Closes an object handle.',
    irql: PASSIVE,
    args: { Handle: HANDLE },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, { Handle }) => call(k.address('nt!ObpCloseHandle'), [Handle, previousMode(k)], 'done'),
      done: (_k, _f, rax) => ret(rax),
    },
  }),
];

function closed(k: Kernel, object: number) {
  if (addHandleCount(k, object, -1) === 0 && !isPermanent(k, object)) directoryRemove(k, object);
  if (dereference(k, object) > 0) return ret(STATUS_SUCCESS);
  return call(k.address('nt!ObpDeleteObject'), [object], 'deleted');
}

const names: NtExport[] = [
  ntSteps({
    name: 'ObQueryNameString',
    doc: 'Writes the full name of an object as an OBJECT_NAME_INFORMATION with its buffer behind it.',
    irql: { max: 'APC_LEVEL' },
    args: { Object: PVOID, ObjectNameInfo: PVOID, Length: ULONG, ReturnLength: PVOID },
    returns: NTSTATUS,
    cycles: 500,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { Object, ObjectNameInfo, Length, ReturnLength }) {
        if (isWatchedKey(k, Object)) return call(k.address('nt!CmpQueryKeyName'), [Object, ObjectNameInfo, Length, ReturnLength], 'done');
        return ret(writeObjectName(k, objectFullName(k, Object), ObjectNameInfo, Length, ReturnLength));
      },
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  ntExport({
    name: 'ObMakeTemporaryObject',
    doc: 'Makes an object lose its name when its last handle is closed.',
    irql: PASSIVE,
    args: { Object: PVOID },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl: (k, { Object }) => obMakeTemporary(k, Object),
  }),
  ntExport({
    name: 'ObGetObjectType',
    doc: 'The type of an object.',
    args: { Object: PVOID },
    returns: POBJECT_TYPE,
    cycles: 20,
    status: 'full',
    impl: (k, { Object }) => obTypeOf(k, Object),
  }),
  ntExport({
    name: 'ObGetFilterVersion',
    doc: 'Version of the object callbacks that ObRegisterCallbacks understands (OB_FLT_REGISTRATION_VERSION).',
    args: {},
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: () => 0x100,
  }),
];

export const exports: NtExport[] = [...typeVariables, ...deletion, ...references, ...handles, ...names];
