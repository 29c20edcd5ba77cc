/**
 * Security of objects: where each type keeps its descriptor, how a new object gets one, and the check when a handle is opened. Most objects have it in their header; a
 * device has its own field, a file is as secure as its device, a key's belongs to the key and not to the object that one opener has.
 */
import type { Kernel } from '../kernel.ts';
import { deviceOfFile, DEVICE_SECURITY } from '../io/devicesecurity.ts';
import { beginKeySecurity, keySecurity } from '../cm/keysecurity.ts';
import { checkAccess, type AccessAnswer, type Mapping, readMapping } from '../se/accesscheck.ts';
import { assignDescriptor } from '../se/assign.ts';
import {
  dereferenceDescriptor,
  type Descriptor,
  isValidDescriptor,
  logDescriptor,
  readDescriptor,
  referenceDescriptor,
} from '../se/descriptor.ts';
import { currentSubject } from '../se/subject.ts';
import { KernelMode, UserMode } from '../types/ke.ts';
import { OBJ_FORCE_ACCESS_CHECK, OBJECT_HEADER, OBJECT_HEADER_SIZE, OBJECT_TYPE, OBJECT_TYPE_INITIALIZER } from '../types/ob.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_SECURITY_DESCR, STATUS_SUCCESS } from '../types/status.ts';
import { exportedType, mapAccess, obTypeOf, TYPE_SECURITY_REQUIRED } from './type.ts';

const INFO = OBJECT_TYPE.f.TypeInfo.offset;

/** What the generic rights mean for a type. */
export const typeMapping = (k: Kernel, type: number): Mapping =>
  readMapping(k, type + INFO + OBJECT_TYPE_INITIALIZER.f.GenericMapping.offset);

/** Where the pointer to the object's descriptor lies; 0 for an object that cannot have one. */
function securitySlot(k: Kernel, object: number): number {
  const type = obTypeOf(k, object);
  if (type === exportedType(k, 'IoDeviceObjectType')) return object + DEVICE_SECURITY;
  if (type === exportedType(k, 'IoFileObjectType')) {
    const device = deviceOfFile(k, object);
    return device ? device + DEVICE_SECURITY : 0;
  }
  if (type === exportedType(k, 'CmKeyObjectType')) return keySecurity(k, object);
  return object - OBJECT_HEADER_SIZE + OBJECT_HEADER.f.SecurityDescriptor.offset;
}

/** Address of the kept descriptor of an object, or 0; no reference is taken. */
export function obSecurity(k: Kernel, object: number): number {
  const slot = securitySlot(k, object);
  return slot ? k.mem.readPtr(slot) : 0;
}

export function obDescriptor(k: Kernel, object: number): Descriptor | null {
  const at = obSecurity(k, object);
  return at ? readDescriptor(k, at) : null;
}

/** Gives an object a descriptor in place of the one it has. STATUS_INSUFFICIENT_RESOURCES leaves it as it was. */
export function obReplaceSecurity(k: Kernel, object: number, descriptor: Descriptor): number {
  const begun = obTypeOf(k, object) === exportedType(k, 'CmKeyObjectType') ? beginKeySecurity(k, object) : STATUS_SUCCESS;
  if (begun !== STATUS_SUCCESS) return begun;
  const slot = securitySlot(k, object);
  const old = slot ? k.mem.readPtr(slot) : 0;
  const at = slot ? logDescriptor(k, descriptor) : 0;
  if (!at) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.writePtr(slot, at);
  if (old) dereferenceDescriptor(k, old);
  return STATUS_SUCCESS;
}

/** Gives an object a kept descriptor, whose reference it takes over, in place of the one it has. */
export function obGiveSecurity(k: Kernel, object: number, kept: number): void {
  const slot = securitySlot(k, object);
  const old = k.mem.readPtr(slot);
  k.mem.writePtr(slot, kept);
  if (old) dereferenceDescriptor(k, old);
}

/** Shares a kept descriptor with an object that has none. */
export function obShareSecurity(k: Kernel, object: number, sd: number): void {
  const slot = securitySlot(k, object);
  if (!slot || !sd || k.mem.readPtr(slot)) return;
  referenceDescriptor(k, sd);
  k.mem.writePtr(slot, sd);
}

/** The object goes: what it holds of a descriptor goes with it. */
export function obFreeSecurity(k: Kernel, object: number): void {
  const slot = object - OBJECT_HEADER_SIZE + OBJECT_HEADER.f.SecurityDescriptor.offset;
  const sd = k.mem.readPtr(slot);
  if (!sd) return;
  k.mem.writePtr(slot, 0);
  dereferenceDescriptor(k, sd);
}

/** Reads a caller's descriptor: STATUS_INVALID_SECURITY_DESCR when it is none. */
export function captureDescriptor(k: Kernel, sd: number): { status: number; descriptor: Descriptor | null } {
  if (!sd) return { status: STATUS_SUCCESS, descriptor: null };
  if (!isValidDescriptor(k, sd)) return { status: STATUS_INVALID_SECURITY_DESCR, descriptor: null };
  return { status: STATUS_SUCCESS, descriptor: readDescriptor(k, sd) };
}

/**
 * A new object gets its descriptor: what the creator says, what the container hands down, the creator's default. Objects without a name have none unless their type
 * demands it or the creator gives one. `parent` is the directory or key it goes into, or 0.
 */
export function obAssignSecurity(k: Kernel, object: number, given: number, parent: number, mode: number, named: boolean): number {
  const captured = captureDescriptor(k, given);
  if (captured.status !== STATUS_SUCCESS) return captured.status;
  const type = obTypeOf(k, object);
  const flags = OBJECT_TYPE_INITIALIZER.f.ObjectTypeFlags.get(k.mem, type + INFO);
  if (!captured.descriptor && !named && !(flags & TYPE_SECURITY_REQUIRED)) return STATUS_SUCCESS;
  const made = assignDescriptor(k, currentSubject(k), parent ? obDescriptor(k, parent) : null, captured.descriptor, {
    directory: type === k.global.get('ObpDirectoryObjectType') || type === exportedType(k, 'CmKeyObjectType'),
    mapping: typeMapping(k, type),
    kernel: mode === KernelMode,
  });
  return made.status === STATUS_SUCCESS ? obReplaceSecurity(k, object, made.descriptor) : made.status;
}

/** The mode that an access check goes by: OBJ_FORCE_ACCESS_CHECK makes the kernel's callers count as anybody. */
export const checkMode = (mode: number, attributes: number): number => (attributes & OBJ_FORCE_ACCESS_CHECK ? UserMode : mode);

/**
 * May the current subject open the object with that access? `granted` has no generic rights and no MAXIMUM_ALLOWED any more. `mode` is the caller's; kernel mode may.
 * An object without a descriptor is open to all.
 */
export function obCheckAccess(
  k: Kernel,
  object: number,
  desired: number,
  mode: number,
  attributes = 0,
  subject = currentSubject(k),
): AccessAnswer {
  const type = obTypeOf(k, object);
  if (checkMode(mode, attributes) === KernelMode)
    return { status: STATUS_SUCCESS, granted: mapAccess(k, type, desired), privileges: [] };
  const descriptor = obDescriptor(k, object);
  if (!descriptor) return { status: STATUS_SUCCESS, granted: mapAccess(k, type, desired), privileges: [] };
  return checkAccess(k, descriptor, subject, desired, 0, typeMapping(k, type), UserMode);
}
