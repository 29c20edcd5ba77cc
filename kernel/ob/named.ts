/** Names of objects: asking for them, and making and opening objects by them. */
import type { Kernel } from '../kernel.ts';
import { previousMode } from './mode.ts';
import { FILE_OBJECT } from '../types/io.ts';
import { OBJ_CASE_INSENSITIVE, OBJ_OPENIF, OBJ_OPENLINK, OBJ_PERMANENT } from '../types/ob.ts';
import {
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_EXISTS,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { lookupAttributes, readAttributes } from './attributes.ts';
import { directoryInsert, directoryRemove, obPath } from './directory.ts';
import { obCreateHandle } from './handle.ts';
import { deferDeletion, dereference, handleCount, setPermanent } from './object.ts';
import { readString, wide } from './string.ts';
import { exportedType, obTypeOf } from './type.ts';

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

/** Names a fresh object after its attributes and opens a handle to it; shared by the services that create objects. Gives the creator's reference back. */
export function insertAndOpen(k: Kernel, body: number, attributes: number, access: number, out: number): number {
  const a = readAttributes(k, attributes);
  let object = body;
  let status = a.status;
  let result = STATUS_SUCCESS;
  if (status === STATUS_SUCCESS && a.path !== '') {
    const place = lookupAttributes(k, a, previousMode(k), true);
    status = place.status;
    if (status === STATUS_SUCCESS) status = directoryInsert(k, place.directory, place.name, body);
    // OBJ_OPENIF: an object of that name and type is as good.
    if (
      status === STATUS_OBJECT_NAME_COLLISION &&
      (a.attributes & OBJ_OPENIF) !== 0 &&
      place.object &&
      obTypeOf(k, place.object) === obTypeOf(k, body)
    ) {
      object = place.object;
      status = STATUS_SUCCESS;
      result = STATUS_OBJECT_NAME_EXISTS;
    }
  }
  if (status === STATUS_SUCCESS) {
    const h = obCreateHandle(k, object, access, a.attributes);
    status = h.status;
    k.mem.writePtr(out, h.handle);
    if ((a.attributes & OBJ_PERMANENT) !== 0) setPermanent(k, object, true);
  }
  if (status !== STATUS_SUCCESS && a.path !== '') directoryRemove(k, body);
  if (dereference(k, body) === 0) deferDeletion(k, body);
  return status === STATUS_SUCCESS ? result : status;
}

/** Opens an existing object of a type by attributes; shared by the ZwOpen services. */
export function openNamed(k: Kernel, attributes: number, type: number, access: number, out: number): number {
  k.mem.probe(out, 8, true);
  const a = readAttributes(k, attributes);
  if (a.status === STATUS_SUCCESS && a.path === '' && !a.root) return STATUS_INVALID_PARAMETER;
  const wantLink = type === k.global.get('ObpSymbolicLinkObjectType');
  const found = lookupAttributes(
    k,
    { ...a, attributes: a.attributes | OBJ_CASE_INSENSITIVE | (wantLink ? OBJ_OPENLINK : 0) },
    previousMode(k),
  );
  if (found.status !== STATUS_SUCCESS) return found.status;
  if (found.remaining !== '' || obTypeOf(k, found.object) !== type) return STATUS_OBJECT_TYPE_MISMATCH;
  const h = obCreateHandle(k, found.object, access, a.attributes);
  k.mem.writePtr(out, h.handle);
  return h.status;
}
