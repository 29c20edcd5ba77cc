/**
 * The namespace. A directory is an object with 37 hash chains; an entry points to an object, whose name lies in its own OBJECT_HEADER_NAME_INFO. A symbolic link
 * stands for another path: the walk goes on with its target in place of what it has read. A device or a key parses the rest of a path itself, so the walk ends there.
 */
import type { Kernel } from '../kernel.ts';
import {
  OBJ_CASE_INSENSITIVE,
  OBJ_OPENLINK,
  OBJECT_DIRECTORY,
  OBJECT_DIRECTORY_ENTRY,
  OBJECT_HEADER_NAME_INFO,
  OBJECT_SYMBOLIC_LINK,
} from '../types/ob.ts';
import { OBJECT_TYPE, OBJECT_TYPE_INITIALIZER } from '../types/ob.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { PagedPool } from '../types/mm.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NAME_TOO_LONG,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_PATH_INVALID,
  STATUS_OBJECT_PATH_NOT_FOUND,
  STATUS_OBJECT_PATH_SYNTAX_BAD,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { poolTag } from './globals.ts';
import { nameInfo, obCreateObject, obDereferenceDeferred, obReferenceObject } from './object.ts';
import { allocateString, equalNoCase, readString, upcase } from './string.ts';
import { obTypeOf } from './type.ts';

export const HASH_BUCKETS = 37;
/** How often a walk may be sent elsewhere by symbolic links. */
const MAX_REPARSE = 32;
const DIRECTORY_TAG = poolTag('ObDi');

const E = OBJECT_DIRECTORY_ENTRY.f;

/** The hash of a name: case-blind, so that both kinds of lookup use the same chain. */
export function nameHash(name: string): number {
  let hash = 0;
  const upper = upcase(name);
  for (let i = 0; i < upper.length; i++) hash = (hash + (hash << 1) + (hash >>> 1) + upper.charCodeAt(i)) >>> 0;
  return hash;
}

export function obCreateDirectory(k: Kernel, options: { named?: boolean; permanent?: boolean } = {}): number {
  return obCreateObject(k, k.global.get('ObpDirectoryObjectType'), OBJECT_DIRECTORY.size, {
    named: options.named ?? true,
    permanent: options.permanent ?? true,
  });
}

/** The object of that name in the directory, or 0. Takes no reference. */
export function directoryFind(k: Kernel, directory: number, name: string, noCase: boolean): number {
  const { mem } = k;
  const hash = nameHash(name);
  let entry = mem.readPtr(directory + (hash % HASH_BUCKETS) * 8);
  while (entry) {
    const object = E.Object.get(mem, entry);
    if (E.HashValue.get(mem, entry) === hash) {
      const own = obName(k, object);
      if (noCase ? equalNoCase(own, name) : own === name) return object;
    }
    entry = E.ChainLink.get(mem, entry);
  }
  return 0;
}

/** The entries of a directory in the order of its chains. */
export function directoryEntries(k: Kernel, directory: number): number[] {
  const out: number[] = [];
  for (let bucket = 0; bucket < HASH_BUCKETS; bucket++) {
    for (let entry = k.mem.readPtr(directory + bucket * 8); entry; entry = E.ChainLink.get(k.mem, entry))
      out.push(E.Object.get(k.mem, entry));
  }
  return out;
}

/**
 * Gives an object (created with `named`) its name in a directory. The name holds a reference to the object, and one to the directory.
 * STATUS_OBJECT_NAME_COLLISION when the name is taken, STATUS_INSUFFICIENT_RESOURCES without pool.
 */
export function directoryInsert(k: Kernel, directory: number, name: string, body: number, noCase = true): number {
  const { mem } = k;
  if (!name || name.includes('\\')) return STATUS_OBJECT_NAME_INVALID;
  if (directoryFind(k, directory, name, noCase)) return STATUS_OBJECT_NAME_COLLISION;
  const info = nameInfo(k, body);
  if (!info) throw new Error('an object without name information cannot be inserted into a directory');
  const entry = exAllocatePool(k, PagedPool, OBJECT_DIRECTORY_ENTRY.size, DIRECTORY_TAG);
  if (!entry) return STATUS_INSUFFICIENT_RESOURCES;
  if (!allocateString(k, info + OBJECT_HEADER_NAME_INFO.f.Name.offset, name, poolTag('ObNm'))) {
    exFreePool(k, entry, DIRECTORY_TAG);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  const hash = nameHash(name);
  const bucket = directory + (hash % HASH_BUCKETS) * 8;
  E.ChainLink.set(mem, entry, mem.readPtr(bucket));
  E.Object.set(mem, entry, body);
  E.HashValue.set(mem, entry, hash);
  mem.writePtr(bucket, entry);
  OBJECT_HEADER_NAME_INFO.f.Directory.set(mem, info, directory);
  obReferenceObject(k, directory);
  obReferenceObject(k, body);
  return STATUS_SUCCESS;
}

/** Takes an object out of its directory, with the reference that the name held; the text of the name stays with it. Nothing happens to an object that is in none. */
export function directoryRemove(k: Kernel, body: number): void {
  const { mem } = k;
  const info = nameInfo(k, body);
  const directory = info ? OBJECT_HEADER_NAME_INFO.f.Directory.get(mem, info) : 0;
  if (!directory) return;
  let link = directory + (nameHash(obName(k, body)) % HASH_BUCKETS) * 8;
  for (let entry = mem.readPtr(link); entry; entry = mem.readPtr(link)) {
    if (E.Object.get(mem, entry) === body) {
      mem.writePtr(link, E.ChainLink.get(mem, entry));
      exFreePool(k, entry, DIRECTORY_TAG);
      break;
    }
    link = entry + E.ChainLink.offset;
  }
  OBJECT_HEADER_NAME_INFO.f.Directory.set(mem, info, 0);
  obDereferenceDeferred(k, directory);
  obDereferenceDeferred(k, body);
}

/** The last component of the object's name; empty when it has none. */
export function obName(k: Kernel, body: number): string {
  const info = nameInfo(k, body);
  return info ? readString(k, info + OBJECT_HEADER_NAME_INFO.f.Name.offset) : '';
}

/** The directory that holds the object, or 0. */
export function obDirectory(k: Kernel, body: number): number {
  const info = nameInfo(k, body);
  return info ? OBJECT_HEADER_NAME_INFO.f.Directory.get(k.mem, info) : 0;
}

/** The full path of an object in the namespace (`\Device\Edu0`); empty when it has no name. */
export function obPath(k: Kernel, body: number): string {
  const root = k.global.get('ObpRootDirectoryObject');
  if (body === root) return '\\';
  let path = '';
  for (let at = body; at && at !== root; at = obDirectory(k, at)) {
    const name = obName(k, at);
    if (!name) return path;
    path = `\\${name}${path}`;
  }
  return path;
}

/** Makes a symbolic link object; 0 without pool. Its creation time is `systemTime`. */
export function createLinkObject(k: Kernel, target: string, options: { permanent: boolean; time: bigint }): number {
  const link = obCreateObject(k, k.global.get('ObpSymbolicLinkObjectType'), OBJECT_SYMBOLIC_LINK.size, {
    named: true,
    permanent: options.permanent,
  });
  if (!link) return 0;
  if (!allocateString(k, link + OBJECT_SYMBOLIC_LINK.f.LinkTarget.offset, target, poolTag('Symb'))) {
    obDereferenceDeferred(k, link);
    return 0;
  }
  OBJECT_SYMBOLIC_LINK.f.CreationTime.set(k.mem, link, options.time);
  return link;
}

export const linkTarget = (k: Kernel, link: number): string => readString(k, link + OBJECT_SYMBOLIC_LINK.f.LinkTarget.offset);

export interface LookupOptions {
  /** Directory (or object that parses) to start from; the path then has no leading backslash. */
  root?: number;
  /** OBJECT_ATTRIBUTES.Attributes: OBJ_CASE_INSENSITIVE and OBJ_OPENLINK count. */
  attributes?: number;
}

/** What a walk found. `object` is not referenced. */
export interface Lookup {
  status: number;
  object: number;
  /** What is left of the path for the object to parse (with its leading backslash, if any). */
  remaining: string;
  /** On STATUS_OBJECT_NAME_NOT_FOUND and on success: the directory that has, or would have, the last component, and that component. */
  directory: number;
  name: string;
}

/** Walks a path. Fails with the statuses of ObOpenObjectByName. */
export function obLookup(k: Kernel, path: string, options: LookupOptions = {}): Lookup {
  const root = k.global.get('ObpRootDirectoryObject');
  const noCase = ((options.attributes ?? OBJ_CASE_INSENSITIVE) & OBJ_CASE_INSENSITIVE) !== 0;
  const fail = (status: number, directory = 0, name = ''): Lookup => ({ status, object: 0, remaining: '', directory, name });
  let at = options.root ?? root;
  let rest = path;
  if (options.root === undefined) {
    if (!rest.startsWith('\\')) return fail(rest === '' ? STATUS_OBJECT_NAME_INVALID : STATUS_OBJECT_PATH_SYNTAX_BAD);
    rest = rest.slice(1);
  } else if (rest.startsWith('\\') && isDirectory(k, options.root)) {
    return fail(STATUS_OBJECT_PATH_SYNTAX_BAD);
  }
  let reparses = 0;
  let directory = 0;
  let name = '';
  for (;;) {
    const type = obTypeOf(k, at);
    if (type === k.global.get('ObpSymbolicLinkObjectType')) {
      // Only the link itself is wanted when it is the end of the path and the caller says so.
      if (rest === '' && ((options.attributes ?? 0) & OBJ_OPENLINK) !== 0)
        return { status: STATUS_SUCCESS, object: at, remaining: '', directory, name };
      if (++reparses > MAX_REPARSE) return fail(STATUS_OBJECT_NAME_NOT_FOUND);
      const target = linkTarget(k, at);
      const joined = rest === '' ? target : `${target}${rest.startsWith('\\') ? '' : '\\'}${rest}`;
      if (joined.length > 0x7fff) return fail(STATUS_NAME_TOO_LONG);
      at = root;
      rest = joined.startsWith('\\') ? joined.slice(1) : joined;
      continue;
    }
    if (type !== k.global.get('ObpDirectoryObjectType')) {
      const parses = OBJECT_TYPE_INITIALIZER.f.ParseProcedure.get(k.mem, type + OBJECT_TYPE.f.TypeInfo.offset) !== 0;
      if (rest !== '' && !parses) return fail(STATUS_OBJECT_PATH_INVALID);
      return { status: STATUS_SUCCESS, object: at, remaining: rest, directory, name };
    }
    if (rest === '') return { status: STATUS_SUCCESS, object: at, remaining: '', directory, name };
    const end = rest.indexOf('\\');
    const component = end < 0 ? rest : rest.slice(0, end);
    if (component === '') return fail(STATUS_OBJECT_NAME_INVALID);
    directory = at;
    name = component;
    // Every session of this machine has the global devices only, so `\??` is that directory.
    const found =
      at === root && component === '??' ? k.global.get('ObpGlobalDosDevices') : directoryFind(k, at, component, noCase);
    if (!found) return end < 0 ? fail(STATUS_OBJECT_NAME_NOT_FOUND, directory, component) : fail(STATUS_OBJECT_PATH_NOT_FOUND);
    at = found;
    const parser = !isDirectory(k, at) && obTypeOf(k, at) !== k.global.get('ObpSymbolicLinkObjectType');
    // What a device or key is to parse keeps its backslash; a walk goes on after it.
    rest = end < 0 ? '' : parser ? rest.slice(end) : rest.slice(end + 1);
  }
}

export const isDirectory = (k: Kernel, body: number): boolean => obTypeOf(k, body) === k.global.get('ObpDirectoryObjectType');

/** Walks to where a new object's name belongs. STATUS_SUCCESS when the last component is free. */
export function obLookupForCreate(k: Kernel, path: string, options: LookupOptions = {}): Lookup {
  const found = obLookup(k, path, { ...options, attributes: (options.attributes ?? OBJ_CASE_INSENSITIVE) | OBJ_OPENLINK });
  if (found.status === STATUS_SUCCESS) return { ...found, status: STATUS_OBJECT_NAME_COLLISION };
  if (found.status === STATUS_OBJECT_NAME_NOT_FOUND && found.directory) return { ...found, status: STATUS_SUCCESS };
  return found;
}

/** Names an object by a full path; see {@link directoryInsert} for the statuses. */
export function obInsertNamed(k: Kernel, path: string, body: number): number {
  const place = obLookupForCreate(k, path);
  return place.status === STATUS_SUCCESS ? directoryInsert(k, place.directory, place.name, body) : place.status;
}
