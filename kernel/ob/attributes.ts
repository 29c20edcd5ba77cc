/** OBJECT_ATTRIBUTES as callers give them, and opening by name. */
import type { Kernel } from '../kernel.ts';
import { OBJ_CASE_INSENSITIVE, OBJECT_ATTRIBUTES } from '../types/ob.ts';
import { STATUS_INVALID_PARAMETER, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS } from '../types/status.ts';
import { type Lookup, obLookup, obLookupForCreate } from './directory.ts';
import { obReferenceObjectByHandle } from './handle.ts';
import { probeCaller } from './mode.ts';
import { OBJ_VALID_ATTRIBUTES, obDereferenceDeferred } from './object.ts';
import { readString } from './string.ts';
import { obTypeOf } from './type.ts';

export interface Attributes {
  status: number;
  path: string;
  /** RootDirectory handle, 0 without one. */
  root: number;
  attributes: number;
}

/** Reads an OBJECT_ATTRIBUTES; a null pointer is an object without a name. STATUS_INVALID_PARAMETER for a wrong length or unknown attributes. */
export function readAttributes(k: Kernel, at: number): Attributes {
  if (!at) return { status: STATUS_SUCCESS, path: '', root: 0, attributes: 0 };
  const f = OBJECT_ATTRIBUTES.f;
  const attributes = f.Attributes.get(k.mem, at);
  const name = f.ObjectName.get(k.mem, at);
  probeCaller(k, name);
  if (name) probeCaller(k, k.mem.readPtr(name + 8));
  const valid = f.Length.get(k.mem, at) === OBJECT_ATTRIBUTES.size && (attributes & ~OBJ_VALID_ATTRIBUTES) === 0;
  return {
    status: valid ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER,
    path: readString(k, name),
    root: f.RootDirectory.get(k.mem, at),
    attributes,
  };
}

/** Walks the path of an OBJECT_ATTRIBUTES, from its root directory if it has one. `mode` is the mode of the caller. */
export function lookupAttributes(k: Kernel, a: Attributes, mode: number, forCreate = false): Lookup {
  const fail = (status: number): Lookup => ({ status, object: 0, remaining: '', directory: 0, name: '' });
  if (a.status !== STATUS_SUCCESS) return fail(a.status);
  const walk = forCreate ? obLookupForCreate : obLookup;
  if (!a.root) return walk(k, a.path, { attributes: a.attributes });
  const root = obReferenceObjectByHandle(k, a.root, 0, 0, mode);
  if (root.status !== STATUS_SUCCESS) return fail(root.status);
  const found = walk(k, a.path, { root: root.object, attributes: a.attributes });
  obDereferenceDeferred(k, root.object);
  return found;
}

/** The object of a path, if it is of that type (0 takes any) and the path ends there; no reference is taken. */
export function obFind(
  k: Kernel,
  path: string,
  type: number,
  attributes = OBJ_CASE_INSENSITIVE,
): { status: number; object: number } {
  const found = obLookup(k, path, { attributes });
  if (found.status !== STATUS_SUCCESS) return { status: found.status, object: 0 };
  if (found.remaining !== '' || (type && obTypeOf(k, found.object) !== type))
    return { status: STATUS_OBJECT_TYPE_MISMATCH, object: 0 };
  return { status: STATUS_SUCCESS, object: found.object };
}
