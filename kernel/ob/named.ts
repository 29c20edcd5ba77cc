/** Names of objects: asking for them, and making and opening objects by them. */
import { keyOfObject, keyPath } from '../cm/registry.ts';
import type { Kernel } from '../kernel.ts';
import { hasPrivilege, SeCreatePermanentPrivilege } from '../se/token.ts';
import { currentSubject, effectiveToken } from '../se/subject.ts';
import { FILE_OBJECT } from '../types/io.ts';
import { KernelMode } from '../types/ke.ts';
import {
  OBJ_CASE_INSENSITIVE,
  OBJ_EXCLUSIVE,
  OBJ_OPENIF,
  OBJ_OPENLINK,
  OBJ_PERMANENT,
  OBJECT_ATTRIBUTES,
  OBJECT_TYPE,
  OBJECT_TYPE_INITIALIZER,
} from '../types/ob.ts';
import {
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_EXISTS,
  STATUS_OBJECT_PATH_SYNTAX_BAD,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { type Attributes, lookupAttributes, readAttributes } from './attributes.ts';
import { directoryInsert, directoryRemove, isDirectory, obPath } from './directory.ts';
import { obCreateHandle } from './handle.ts';
import { previousMode } from './mode.ts';
import { deferDeletion, dereference, handleCount, setExclusive, setPermanent } from './object.ts';
import { obAssignSecurity, obCheckAccess } from './security.ts';
import { readString, wide } from './string.ts';
import { exportedType, mapAccess, obTypeOf, TYPE_CASE_INSENSITIVE } from './type.ts';

/** Takes the name of an object that has no handles; with handles it goes when the last is closed. */
export function obMakeTemporary(k: Kernel, object: number): void {
  setPermanent(k, object, false);
  if (handleCount(k, object) === 0) directoryRemove(k, object);
}

/** Name as ObQueryNameString gives it: a file's is its device's followed by the path on it. */
export function objectFullName(k: Kernel, object: number): string {
  if (obTypeOf(k, object) === exportedType(k, 'IoFileObjectType')) {
    const device = FILE_OBJECT.f.DeviceObject.get(k.mem, object);
    return (device ? obPath(k, device) : '') + readString(k, object + FILE_OBJECT.f.FileName.offset);
  }
  // Keys lie in a tree of their own.
  if (obTypeOf(k, object) === exportedType(k, 'CmKeyObjectType')) return keyPath(k, keyOfObject(k, object));
  return obPath(k, object);
}

/** Writes an OBJECT_NAME_INFORMATION. STATUS_INFO_LENGTH_MISMATCH and the needed length when it does not fit. */
export function writeObjectName(k: Kernel, name: string, to: number, length: number, returnLength: number): number {
  const bytes = name.length * 2;
  const needed = 0x10 + (name ? bytes + 2 : 0);
  if (returnLength) k.mem.write32(returnLength, needed);
  if (length < needed) return STATUS_INFO_LENGTH_MISMATCH;
  k.mem.probe(to, needed, true);
  k.mem.write16(to, bytes);
  k.mem.write16(to + 2, name ? bytes + 2 : 0);
  k.mem.writePtr(to + 8, name ? to + 0x10 : 0);
  if (name) {
    k.mem.writeBytes(to + 0x10, wide(name));
    k.mem.write16(to + 0x10 + bytes, 0);
  }
  return STATUS_SUCCESS;
}

/** What creating an object in a directory needs: a directory, DIRECTORY_CREATE_SUBDIRECTORY. */
const DIRECTORY_CREATE_OBJECT = 4,
  DIRECTORY_CREATE_SUBDIRECTORY = 8;

/** Bits of OBJECT_ATTRIBUTES.Attributes that a handle keeps, and that make no sense to the caller's mode. */
function checkCreatorAttributes(k: Kernel, attributes: number): number {
  // A permanent object outlives its creator: user mode needs a privilege for that.
  if (
    attributes & OBJ_PERMANENT &&
    previousMode(k) !== KernelMode &&
    !hasPrivilege(k, effectiveToken(currentSubject(k)), SeCreatePermanentPrivilege)
  )
    return STATUS_PRIVILEGE_NOT_HELD;
  return STATUS_SUCCESS;
}

/** Names of most types are found whatever their case; only those of others go by the caller's OBJ_CASE_INSENSITIVE. */
const typeCase = (k: Kernel, type: number): number =>
  OBJECT_TYPE_INITIALIZER.f.ObjectTypeFlags.get(k.mem, type + OBJECT_TYPE.f.TypeInfo.offset) & TYPE_CASE_INSENSITIVE
    ? OBJ_CASE_INSENSITIVE
    : 0;

export interface Inserted {
  status: number;
  /** The object that there is now under the name: the new one, or with OBJ_OPENIF the one that was there. */
  object: number;
  existed: boolean;
}

/** Gives a fresh object its name, its descriptor and its attributes. On failure it has none of them. */
export function insertObject(k: Kernel, body: number, a: Attributes, securityDescriptor: number): Inserted {
  const mode = previousMode(k);
  const fail = (status: number): Inserted => ({ status, object: body, existed: false });
  let status = a.status === STATUS_SUCCESS ? checkCreatorAttributes(k, a.attributes) : a.status;
  if (status !== STATUS_SUCCESS) return fail(status);
  if (a.path === '') {
    status = obAssignSecurity(k, body, securityDescriptor, 0, mode, false);
    return status === STATUS_SUCCESS ? { status, object: body, existed: false } : fail(status);
  }
  const attributes = a.attributes | typeCase(k, obTypeOf(k, body));
  const place = lookupAttributes(k, { ...a, attributes }, mode, true);
  if (place.status === STATUS_OBJECT_NAME_COLLISION && place.object) {
    // OBJ_OPENIF: an object of that name and type is as good.
    if (!(a.attributes & OBJ_OPENIF)) return fail(STATUS_OBJECT_NAME_COLLISION);
    if (obTypeOf(k, place.object) !== obTypeOf(k, body)) return fail(STATUS_OBJECT_TYPE_MISMATCH);
    return { status: STATUS_OBJECT_NAME_EXISTS, object: place.object, existed: true };
  }
  if (place.status !== STATUS_SUCCESS) return fail(place.status);
  const right = isDirectory(k, body) ? DIRECTORY_CREATE_SUBDIRECTORY : DIRECTORY_CREATE_OBJECT;
  status = obCheckAccess(k, place.directory, right, mode, a.attributes).status;
  if (status !== STATUS_SUCCESS) return fail(status);
  status = obAssignSecurity(k, body, securityDescriptor, place.directory, mode, true);
  if (status !== STATUS_SUCCESS) return fail(status);
  if (a.attributes & OBJ_EXCLUSIVE) setExclusive(k, body);
  status = directoryInsert(k, place.directory, place.name, body, (attributes & OBJ_CASE_INSENSITIVE) !== 0);
  if (status !== STATUS_SUCCESS) return fail(status);
  if (a.attributes & OBJ_PERMANENT) setPermanent(k, body, true);
  return { status, object: body, existed: false };
}

/** SecurityDescriptor of an OBJECT_ATTRIBUTES, or 0. */
export const attributesSecurity = (k: Kernel, attributes: number): number =>
  attributes ? OBJECT_ATTRIBUTES.f.SecurityDescriptor.get(k.mem, attributes) : 0;

/** Names a fresh object after its attributes and opens a handle to it; shared by the services that create objects. Gives the creator's reference back. */
export function insertAndOpen(k: Kernel, body: number, attributes: number, access: number, out: number): number {
  const a = readAttributes(k, attributes);
  const placed = insertObject(k, body, a, attributesSecurity(k, attributes));
  let status = placed.status;
  if (ntSuccess(status)) {
    // The creator gets what it asks for; who finds the object is checked.
    const answer = placed.existed
      ? obCheckAccess(k, placed.object, access, previousMode(k), a.attributes)
      : { status: STATUS_SUCCESS, granted: mapAccess(k, obTypeOf(k, body), access) };
    const h =
      answer.status === STATUS_SUCCESS
        ? obCreateHandle(k, placed.object, answer.granted, a.attributes)
        : { status: answer.status, handle: 0 };
    if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
    else {
      status = h.status;
      setPermanent(k, body, false);
      directoryRemove(k, body);
    }
  }
  if (dereference(k, body) === 0) deferDeletion(k, body);
  return status;
}

const ntSuccess = (status: number): boolean => (status | 0) >= 0;

/** Opens an existing object of a type by attributes; shared by the ZwOpen services. */
export function openNamed(k: Kernel, attributes: number, type: number, access: number, out: number): number {
  k.mem.probe(out, 8, true);
  const a = readAttributes(k, attributes);
  if (a.status === STATUS_SUCCESS && a.path === '' && !a.root) return STATUS_OBJECT_PATH_SYNTAX_BAD;
  const wantLink = type === k.global.get('ObpSymbolicLinkObjectType');
  const found = lookupAttributes(
    k,
    { ...a, attributes: a.attributes | typeCase(k, type) | (wantLink ? OBJ_OPENLINK : 0) },
    previousMode(k),
  );
  if (found.status !== STATUS_SUCCESS) return found.status;
  if (found.remaining !== '' || obTypeOf(k, found.object) !== type) return STATUS_OBJECT_TYPE_MISMATCH;
  const answer = obCheckAccess(k, found.object, access, previousMode(k), a.attributes);
  if (answer.status !== STATUS_SUCCESS) return answer.status;
  const h = obCreateHandle(k, found.object, answer.granted, a.attributes);
  if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
  return h.status;
}
