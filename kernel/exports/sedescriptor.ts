/** Security descriptors of objects: assigning, capturing, asking, changing. Source: the WDK page of each, and ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { captureDescriptor, obDescriptor, obReplaceSecurity, obSecurity, typeMapping } from '../ob/security.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { hasOwnSecurity } from '../io/filesecurity.ts';
import { exFreePool } from '../mm/pool.ts';
import { type Mapping, readMapping } from '../se/accesscheck.ts';
import { assignDescriptor, changedDescriptor, mayOwn, securityAccess, writePart } from '../se/assign.ts';
import { dereferenceDescriptor, type Descriptor, isValidDescriptor, isValidRelative, logDescriptor, poolDescriptor, readDescriptor, referenceDescriptor } from '../se/descriptor.ts';
import { currentSubject, effectiveToken, readSubject } from '../se/subject.ts';
import { KernelMode } from '../types/ke.ts';
import { OBJECT_HEADER, OBJECT_HEADER_SIZE } from '../types/ob.ts';
import { OWNER_SECURITY_INFORMATION, SE_DACL_PRESENT, SE_SELF_RELATIVE, SECURITY_DESCRIPTOR_RELATIVE } from '../types/se.ts';
import {
  STATUS_ACCESS_VIOLATION, STATUS_BAD_DESCRIPTOR_FORMAT, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_OWNER, STATUS_INVALID_SECURITY_DESCR, STATUS_NO_SECURITY_ON_OBJECT, STATUS_SUCCESS, STATUS_UNKNOWN_REVISION,
} from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import { BOOLEAN, call, CCHAR, HANDLE, type NtExport, ntExport, NTSTATUS, type Outcome, pointer, PVOID, ret, ULONG, VOID } from './declare.ts';
import { isWatchedKey, sharedOperations } from '../cm/sharedoperations.ts';
import { stepService } from './service.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const APC = { max: 'APC_LEVEL' } as const;
const PSD = pointer('PSECURITY_DESCRIPTOR');

/** A GUID as the entries of a list have it, or null. */
function guid(k: Kernel, at: number): string | null {
  return at ? [...k.mem.readBytes(at, 16)].map(b => b.toString(16).padStart(2, '0')).join('') : null;
}

interface AssignArguments {
  ParentDescriptor: number;
  ExplicitDescriptor: number;
  NewDescriptor: number;
  ObjectType?: number;
  IsDirectoryObject: boolean;
  AutoInheritFlags?: number;
  SubjectContext: number;
  GenericMapping: number;
}

function assign(k: Kernel, a: AssignArguments): number {
  k.mem.probe(a.NewDescriptor, 8, true);
  const made = assignDescriptor(k, readSubject(k, a.SubjectContext), a.ParentDescriptor ? readDescriptor(k, a.ParentDescriptor) : null, a.ExplicitDescriptor ? readDescriptor(k, a.ExplicitDescriptor) : null, {
    directory: a.IsDirectoryObject,
    mapping: readMapping(k, a.GenericMapping),
    flags: a.AutoInheritFlags ?? 0,
    objectType: guid(k, a.ObjectType ?? 0),
  });
  if (made.status !== STATUS_SUCCESS) return made.status;
  const at = poolDescriptor(k, made.descriptor);
  if (!at) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.writePtr(a.NewDescriptor, at);
  return STATUS_SUCCESS;
}

const assigning: NtExport[] = [
  ntExport({
    name: 'SeAssignSecurity', doc: 'Makes the security descriptor of a new object from what its creator gives, what it inherits and what the creator has by default.', irql: PASSIVE,
    args: { ParentDescriptor: PSD, ExplicitDescriptor: PSD, NewDescriptor: PVOID, IsDirectoryObject: BOOLEAN, SubjectContext: PVOID, GenericMapping: PVOID, PoolType: ULONG }, returns: NTSTATUS, cycles: 800, status: 'full',
    impl: (k, a) => assign(k, a),
  }),
  ntExport({
    name: 'SeAssignSecurityEx', doc: 'SeAssignSecurity with the type of the object and flags for automatic inheritance.', irql: PASSIVE,
    args: { ParentDescriptor: PSD, ExplicitDescriptor: PSD, NewDescriptor: PVOID, ObjectType: PVOID, IsDirectoryObject: BOOLEAN, AutoInheritFlags: ULONG, SubjectContext: PVOID, GenericMapping: PVOID, PoolType: ULONG },
    returns: NTSTATUS, cycles: 800, status: 'full',
    impl: (k, a) => assign(k, a),
  }),
  ntExport({
    name: 'SeDeassignSecurity', doc: 'Frees the security descriptor that SeAssignSecurity made, and clears the pointer to it.', irql: PASSIVE, args: { SecurityDescriptor: PVOID }, returns: NTSTATUS, cycles: 80, status: 'full',
    impl(k, { SecurityDescriptor }) {
      const at = k.mem.readPtr(SecurityDescriptor);
      if (at) exFreePool(k, at, 0);
      k.mem.writePtr(SecurityDescriptor, 0);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({ name: 'SeValidSecurityDescriptor', doc: 'Whether a self-relative security descriptor of a length is well formed.', args: { Length: ULONG, SecurityDescriptor: PSD }, irql: PASSIVE, returns: BOOLEAN, cycles: 100, status: 'full', impl: (k, a) => validFor(k, a.SecurityDescriptor, a.Length) }),
  ntExport({
    name: 'RtlValidRelativeSecurityDescriptor', doc: 'Whether a self-relative security descriptor lies in its buffer and has the parts that are required.', args: { SecurityDescriptorInput: PSD, SecurityDescriptorLength: ULONG, RequiredInformation: ULONG },
    irql: APC, returns: BOOLEAN, cycles: 100, status: 'full',
    impl(k, a) {
      if (!isValidRelative(k, a.SecurityDescriptorInput, a.SecurityDescriptorLength)) return false;
      const d = readDescriptor(k, a.SecurityDescriptorInput);
      const parts = [d.owner !== null, d.group !== null, (d.control & SE_DACL_PRESENT) !== 0, d.sacl !== null];
      return parts.every((there, i) => there || !(a.RequiredInformation & (1 << i)));
    },
  }),
];

/** SeValidSecurityDescriptor demands an owner. */
const validFor = (k: Kernel, sd: number, length: number): boolean => isValidRelative(k, sd, length) && SECURITY_DESCRIPTOR_RELATIVE.f.Owner.get(k.mem, sd) !== 0;

const capturing: NtExport[] = [
  ntExport({
    name: 'SeCaptureSecurityDescriptor', doc: 'Copies a security descriptor of either form into pool, self-relative.', irql: PASSIVE,
    args: { OriginalSecurityDescriptor: PSD, CurrentMode: CCHAR, PoolType: ULONG, CaptureIfKernel: BOOLEAN, CapturedSecurityDescriptor: PVOID }, returns: NTSTATUS, cycles: 400, status: 'full',
    impl(k, a) {
      k.mem.probe(a.CapturedSecurityDescriptor, 8, true);
      const from = a.OriginalSecurityDescriptor;
      if (!from || (a.CurrentMode === KernelMode && !a.CaptureIfKernel)) {
        k.mem.writePtr(a.CapturedSecurityDescriptor, from);
        return STATUS_SUCCESS;
      }
      if (k.mem.read8(from) !== 1) return STATUS_UNKNOWN_REVISION;
      if (!isValidDescriptor(k, from)) return STATUS_INVALID_SECURITY_DESCR;
      const at = poolDescriptor(k, readDescriptor(k, from));
      if (!at) return STATUS_INSUFFICIENT_RESOURCES;
      k.mem.writePtr(a.CapturedSecurityDescriptor, at);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'SeReleaseSecurityDescriptor', doc: 'Frees what SeCaptureSecurityDescriptor copied.', irql: PASSIVE, args: { CapturedSecurityDescriptor: PSD, CurrentMode: CCHAR, CaptureIfKernelMode: BOOLEAN }, returns: VOID, cycles: 80, status: 'full',
    impl(k, a) {
      if (a.CapturedSecurityDescriptor && (a.CurrentMode !== KernelMode || a.CaptureIfKernelMode)) exFreePool(k, a.CapturedSecurityDescriptor, 0);
    },
  }),
];

const parts: NtExport[] = [
  ntExport({
    name: 'SeQuerySecurityDescriptorInfo', doc: 'Copies the parts of a security descriptor that are asked for.', irql: PASSIVE,
    args: { SecurityInformation: pointer('PSECURITY_INFORMATION'), SecurityDescriptor: PSD, Length: pointer('PULONG'), ObjectsSecurityDescriptor: PVOID }, returns: NTSTATUS, cycles: 400, status: 'full',
    impl(k, a) {
      const held = k.mem.readPtr(a.ObjectsSecurityDescriptor);
      const none: Descriptor = { control: 0, owner: null, group: null, dacl: null, sacl: null };
      return writePart(k, held ? readDescriptor(k, held) : none, k.mem.read32(a.SecurityInformation), a.SecurityDescriptor, a.Length);
    },
  }),
  ...(['SeSetSecurityDescriptorInfo', 'SeSetSecurityDescriptorInfoEx'] as const).map(name =>
    ntExport({
      name,
      doc: 'Changes parts of the security descriptor of an object: a new one in pool takes its place.',
      irql: PASSIVE,
      args: name.endsWith('Ex')
        ? { Object: PVOID, SecurityInformation: PVOID, ModificationDescriptor: PSD, ObjectsSecurityDescriptor: PVOID, AutoInheritFlags: ULONG, PoolType: ULONG, GenericMapping: PVOID }
        : { Object: PVOID, SecurityInformation: PVOID, ModificationDescriptor: PSD, ObjectsSecurityDescriptor: PVOID, PoolType: ULONG, GenericMapping: PVOID },
      returns: NTSTATUS,
      cycles: 600,
      status: 'full',
      impl(k, args) {
        const a = args as { SecurityInformation: number; ModificationDescriptor: number; ObjectsSecurityDescriptor: number; AutoInheritFlags?: number; PoolType: number; GenericMapping: number };
        const held = k.mem.readPtr(a.ObjectsSecurityDescriptor);
        if (!held) return STATUS_NO_SECURITY_ON_OBJECT;
        if (!(SECURITY_DESCRIPTOR_RELATIVE.f.Control.get(k.mem, held) & SE_SELF_RELATIVE)) return STATUS_BAD_DESCRIPTOR_FORMAT;
        const r = modified(k, readDescriptor(k, held), a.ModificationDescriptor, k.mem.read32(a.SecurityInformation), readMapping(k, a.GenericMapping), KernelMode, a.AutoInheritFlags);
        if (r.status !== STATUS_SUCCESS) return r.status;
        const at = poolDescriptor(k, r.descriptor, a.PoolType);
        if (!at) return STATUS_INSUFFICIENT_RESOURCES;
        k.mem.writePtr(a.ObjectsSecurityDescriptor, at);
        return STATUS_SUCCESS;
      },
    }),
  ),
  ...([['SeQuerySecurityAccessMask', false], ['SeSetSecurityAccessMask', true]] as const).map(([name, set]) =>
    ntExport({
      name, doc: `The access that ${set ? 'changing' : 'reading'} parts of a security descriptor needs.`, args: { SecurityInformation: ULONG, DesiredAccess: PVOID }, returns: VOID, cycles: 30, status: 'full',
      impl: (k, a) => k.mem.write32(a.DesiredAccess as number, securityAccess(a.SecurityInformation as number, set)),
    }),
  ),
];

/** A descriptor with changed parts; a new owner must be one that the caller may name. */
function modified(k: Kernel, old: Descriptor, from: number, information: number, mapping: Mapping, mode: number, flags = 0): { status: number; descriptor: Descriptor } {
  const captured = captureDescriptor(k, from);
  if (captured.status !== STATUS_SUCCESS || !captured.descriptor) return { status: captured.status || STATUS_INVALID_SECURITY_DESCR, descriptor: old };
  const change = captured.descriptor;
  if (information & OWNER_SECURITY_INFORMATION && (!change.owner || (mode !== KernelMode && !mayOwn(k, effectiveToken(currentSubject(k)), change.owner)))) return { status: STATUS_INVALID_OWNER, descriptor: old };
  return { status: STATUS_SUCCESS, descriptor: changedDescriptor(old, change, information, mapping, flags) };
}

/** Changes parts of an object's own descriptor. */
function setObjectSecurity(k: Kernel, object: number, information: number, from: number, mode: number): number {
  const old = obDescriptor(k, object);
  // What never had a descriptor cannot have parts of one.
  if (!old) return STATUS_NO_SECURITY_ON_OBJECT;
  const r = modified(k, old, from, information, typeMapping(k, obTypeOf(k, object)), mode);
  return r.status === STATUS_SUCCESS ? obReplaceSecurity(k, object, r.descriptor) : r.status;
}

function queryOf(k: Kernel, object: number, information: number, descriptor: number, length: number, needed: number): number {
  const held = obDescriptor(k, object) ?? { control: 0, owner: null, group: null, dacl: null, sacl: null };
  k.mem.write32(needed, length);
  return writePart(k, held, information, descriptor, needed);
}

const setOf = (k: Kernel, object: number, information: number, descriptor: number, mode: number): number =>
  descriptor ? setObjectSecurity(k, object, information, descriptor, mode) : STATUS_ACCESS_VIOLATION;

const isFile = (k: Kernel, object: number): boolean => obTypeOf(k, object) === exportedType(k, 'IoFileObjectType');

/** The file's driver has answered. */
function endWithFile(k: Kernel, f: { get(n: 'Object'): number }, rax: number): Outcome {
  obDereferenceDeferred(k, f.get('Object'));
  return ret(rax);
}

const objects: NtExport[] = [
  ntExport({
    name: 'ObGetObjectSecurity', doc: 'The security descriptor of an object, held for the caller.', irql: PASSIVE, args: { Object: PVOID, SecurityDescriptor: PVOID, MemoryAllocated: PVOID }, returns: NTSTATUS, cycles: 80, status: 'full',
    impl(k, { Object, SecurityDescriptor, MemoryAllocated }) {
      k.mem.probe(SecurityDescriptor, 8, true);
      k.mem.probe(MemoryAllocated, 1, true);
      const sd = obSecurity(k, Object);
      const inHeader = sd !== 0 && sd === OBJECT_HEADER.f.SecurityDescriptor.get(k.mem, Object - OBJECT_HEADER_SIZE);
      let given = sd;
      if (sd && inHeader) referenceDescriptor(k, sd);
      else if (sd) {
        // A descriptor that a manager keeps elsewhere is copied.
        given = poolDescriptor(k, readDescriptor(k, sd));
        if (!given) return STATUS_INSUFFICIENT_RESOURCES;
      }
      k.mem.writePtr(SecurityDescriptor, given);
      k.mem.write8(MemoryAllocated, sd && !inHeader ? 1 : 0);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'ObReleaseObjectSecurity', doc: 'Gives back what ObGetObjectSecurity returned.', irql: APC, args: { SecurityDescriptor: PSD, MemoryAllocated: BOOLEAN }, returns: VOID, cycles: 40, status: 'full',
    impl(k, a) {
      if (!a.SecurityDescriptor) return;
      if (a.MemoryAllocated) exFreePool(k, a.SecurityDescriptor, 0);
      else dereferenceDescriptor(k, a.SecurityDescriptor);
    },
  }),
  ntExport({
    name: 'ObSetSecurityObjectByPointer', doc: 'Changes parts of the security descriptor of an object.', irql: PASSIVE, args: { Object: PVOID, SecurityInformation: ULONG, SecurityDescriptor: PSD }, returns: NTSTATUS, cycles: 600, status: 'full',
    impl: (k, a) => setObjectSecurity(k, a.Object, a.SecurityInformation, a.SecurityDescriptor, KernelMode),
  }),
  ntExport({
    name: 'ObLogSecurityDescriptor', doc: 'Keeps a copy of a security descriptor under a reference count.', irql: PASSIVE, args: { InputSecurityDescriptor: PSD, OutputSecurityDescriptor: PVOID, RefBias: ULONG }, returns: NTSTATUS, cycles: 400, status: 'partial',
    missing: 'equal descriptors are not shared',
    impl(k, a) {
      k.mem.probe(a.OutputSecurityDescriptor, 8, true);
      const at = logDescriptor(k, readDescriptor(k, a.InputSecurityDescriptor));
      if (!at) return STATUS_INSUFFICIENT_RESOURCES;
      if (a.RefBias > 1) referenceDescriptor(k, at, a.RefBias - 1);
      k.mem.writePtr(a.OutputSecurityDescriptor, at);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({ name: 'ObReferenceSecurityDescriptor', doc: 'Holds a kept security descriptor.', irql: APC, args: { SecurityDescriptor: PSD, Count: ULONG }, returns: VOID, cycles: 30, status: 'full', impl: (k, a) => referenceDescriptor(k, a.SecurityDescriptor, a.Count) }),
  ntExport({ name: 'ObDereferenceSecurityDescriptor', doc: 'Gives a kept security descriptor back.', irql: APC, args: { SecurityDescriptor: PSD, Count: ULONG }, returns: VOID, cycles: 30, status: 'full', impl: (k, a) => dereferenceDescriptor(k, a.SecurityDescriptor, a.Count) }),
  ...stepService({
    name: 'QuerySecurityObject', doc: 'Parts of the security descriptor of the object of a handle; a file of a file system is asked for its own.', irql: PASSIVE,
    args: { Handle: HANDLE, SecurityInformation: ULONG, SecurityDescriptor: PSD, Length: ULONG, LengthNeeded: PVOID }, returns: NTSTATUS, cycles: 600, status: 'full',
    frame: { Object: ptr },
    steps: {
      start(k, f, _rax, a) {
        k.mem.probe(a.LengthNeeded, 4, true);
        const r = obReferenceObjectByHandle(k, a.Handle, securityAccess(a.SecurityInformation, false), 0, previousMode(k));
        if (r.status !== STATUS_SUCCESS) return ret(r.status);
        f.set('Object', r.object);
        if (isFile(k, r.object) && hasOwnSecurity(k, r.object)) {
          k.mem.write32(a.LengthNeeded, a.Length);
          if (a.Length) k.mem.probe(a.SecurityDescriptor, a.Length, true);
          return call(k.address('nt!IopGetSetSecurityObject'), [r.object, a.SecurityInformation, a.SecurityDescriptor, a.LengthNeeded, 0], 'asked');
        }
        const watched = isWatchedKey(k, r.object);
        const status = watched ? STATUS_SUCCESS : queryOf(k, r.object, a.SecurityInformation, a.SecurityDescriptor, a.Length, a.LengthNeeded);
        obDereferenceDeferred(k, r.object);
        return watched ? call(k.address('nt!CmpQueryKeySecurity'), [a.Handle, a.SecurityInformation, a.SecurityDescriptor, a.Length, a.LengthNeeded], 'done') : ret(status);
      },
      asked: endWithFile,
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  ...stepService({
    name: 'SetSecurityObject', doc: 'Changes parts of the security descriptor of the object of a handle; of a file of a file system, its driver does.', irql: PASSIVE,
    args: { Handle: HANDLE, SecurityInformation: ULONG, SecurityDescriptor: PSD }, returns: NTSTATUS, cycles: 700, status: 'full',
    frame: { Object: ptr },
    steps: {
      start(k, f, _rax, a) {
        const mode = previousMode(k);
        const r = obReferenceObjectByHandle(k, a.Handle, securityAccess(a.SecurityInformation, true), 0, mode);
        if (r.status !== STATUS_SUCCESS) return ret(r.status);
        f.set('Object', r.object);
        if (a.SecurityDescriptor && isFile(k, r.object) && hasOwnSecurity(k, r.object)) {
          const captured = captureDescriptor(k, a.SecurityDescriptor);
          if (captured.status === STATUS_SUCCESS)
            return call(k.address('nt!IopGetSetSecurityObject'), [r.object, a.SecurityInformation, a.SecurityDescriptor, 0, 1], 'asked');
          obDereferenceDeferred(k, r.object);
          return ret(captured.status);
        }
        const watched = isWatchedKey(k, r.object);
        const status = watched ? STATUS_SUCCESS : setOf(k, r.object, a.SecurityInformation, a.SecurityDescriptor, mode);
        obDereferenceDeferred(k, r.object);
        return watched ? call(k.address('nt!CmpSetKeySecurity'), [a.Handle, a.SecurityInformation, a.SecurityDescriptor], 'done') : ret(status);
      },
      asked: endWithFile,
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  ...sharedOperations({ query: queryOf, set: setOf }),
];

export const descriptorExports: NtExport[] = [...assigning, ...capturing, ...parts, ...objects];
