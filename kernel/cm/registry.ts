/**
 * The registry: a tree of keys with values, in pool. It has no hives behind it: it is made at boot and lives as long as the machine. A key object (what a handle leads to)
 * is a CM_KEY_BODY that points to the key's control block.
 */
import type { Kernel } from '../kernel.ts';
import { systemTime } from '../ke/time.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obCreateObject } from '../ob/object.ts';
import { allocateString, equalNoCase, freeString, readString, wide } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { dereferenceDescriptor, logDescriptor, referenceDescriptor } from '../se/descriptor.ts';
import { sddl } from '../se/sddl.ts';
import { REG_DWORD, REG_EXPAND_SZ, REG_MULTI_SZ, REG_SZ } from '../types/cm.ts';
import { PagedPool } from '../types/mm.ts';
import { LIST_ENTRY, UNICODE_STRING } from '../types/rtl.ts';
import {
  STATUS_CANNOT_DELETE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { i64, ptr, struct, u32 } from '../types/struct.ts';
import { endWatches, notifyChange, REG_NOTIFY_CHANGE_LAST_SET, REG_NOTIFY_CHANGE_NAME } from './notify.ts';

/** One key. References are its key objects and, as long as it is not deleted, its place in the tree. */
export const CM_KEY_CONTROL_BLOCK = struct('_CM_KEY_CONTROL_BLOCK', {
  RefCount: u32,
  Flags: u32,
  ParentKcb: ptr,
  SubKeyListHead: LIST_ENTRY,
  SiblingLink: LIST_ENTRY,
  ValueListHead: LIST_ENTRY,
  Name: UNICODE_STRING,
  Class: UNICODE_STRING,
  /** A link key (CurrentControlSet) is another name for this path; else empty. */
  LinkTarget: UNICODE_STRING,
  LastWriteTime: i64,
  SubKeyCount: u32,
  ValueCount: u32,
  Security: ptr,
  /** The full path, made when a callback asks for it. */
  FullName: UNICODE_STRING,
});
export const CM_KEY_VALUE = struct('_CM_KEY_VALUE', {
  Link: LIST_ENTRY,
  Type: u32,
  DataLength: u32,
  Data: ptr,
  Name: UNICODE_STRING,
});
export const CM_KEY_BODY = struct(
  '_CM_KEY_BODY',
  {
    Type: u32,
    KeyControlBlock: [8, ptr],
    NotifyBlock: ptr,
    ProcessID: ptr,
    KeyBodyList: LIST_ENTRY,
    ContextListHead: [0x48, LIST_ENTRY],
  },
  { size: 0x60 },
);
/** Offset of the contexts that registry callbacks keep with a key object. */
export const KEY_CONTEXT_LIST = CM_KEY_BODY.f.ContextListHead.offset;
/** CM_KEY_BODY.Type: 'ky02'. */
export const KEY_BODY_TYPE = 0x6b793032;
/** CM_KEY_CONTROL_BLOCK.Flags. */
export const KCB_DELETED = 1,
  KCB_VOLATILE = 2,
  KCB_SYM_LINK = 4;

const K = CM_KEY_CONTROL_BLOCK.f;
const V = CM_KEY_VALUE.f;
const B = CM_KEY_BODY.f;
const TAG = poolTag('CM  ');

export const SERVICES_PATH = '\\Registry\\Machine\\System\\CurrentControlSet\\Services';

const listAt = (key: number, field: { offset: number }): number => key + field.offset;

function newKey(k: Kernel, parent: number, name: string): number {
  const { mem } = k;
  const key = exAllocatePool(k, PagedPool, CM_KEY_CONTROL_BLOCK.size, TAG);
  if (!key) return 0;
  mem.fill(key, CM_KEY_CONTROL_BLOCK.size, 0);
  if (!allocateString(k, listAt(key, K.Name), name, TAG)) {
    exFreePool(k, key, TAG);
    return 0;
  }
  K.RefCount.set(mem, key, 1);
  K.ParentKcb.set(mem, key, parent);
  initializeListHead(mem, listAt(key, K.SubKeyListHead));
  initializeListHead(mem, listAt(key, K.ValueListHead));
  K.LastWriteTime.set(mem, key, systemTime(k));
  if (parent) {
    insertTailList(mem, listAt(parent, K.SubKeyListHead), listAt(key, K.SiblingLink));
    K.SubKeyCount.set(mem, parent, K.SubKeyCount.get(mem, parent) + 1);
    const security = K.Security.get(mem, parent);
    if (security) referenceDescriptor(k, security);
    K.Security.set(mem, key, security);
    touch(k, parent, REG_NOTIFY_CHANGE_NAME);
  }
  return key;
}

/** A change of a kind was made in a key: its time, and who waits for it. */
export function touch(k: Kernel, key: number, filter: number): void {
  K.LastWriteTime.set(k.mem, key, systemTime(k));
  notifyChange(k, key, filter, at => K.ParentKcb.get(k.mem, at));
}
export const keyFlags = (k: Kernel, key: number): number => K.Flags.get(k.mem, key);
export const setKeyFlags = (k: Kernel, key: number, bits: number): void =>
  K.Flags.set(k.mem, key, K.Flags.get(k.mem, key) | bits);

export const keyName = (k: Kernel, key: number): string => readString(k, listAt(key, K.Name));

/** `\REGISTRY\MACHINE\...` */
export function keyPath(k: Kernel, key: number): string {
  let path = '';
  for (let at = key; at; at = K.ParentKcb.get(k.mem, at)) path = `\\${keyName(k, at)}${path}`;
  return path;
}

/** Subkeys in the order of their names, as NT keeps and enumerates them. */
export function subKeys(k: Kernel, key: number): number[] {
  const all = [...listEntries(k.mem, listAt(key, K.SubKeyListHead))].map(link => link - K.SiblingLink.offset);
  const named = all.map(at => ({ at, name: keyName(k, at).toUpperCase() }));
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return named.map(n => n.at);
}

/** Values in the order in which they were made. */
export const keyValues = (k: Kernel, key: number): number[] => [...listEntries(k.mem, listAt(key, K.ValueListHead))];

function findSubKey(k: Kernel, key: number, name: string): number {
  for (const link of listEntries(k.mem, listAt(key, K.SubKeyListHead))) {
    const at = link - K.SiblingLink.offset;
    if (equalNoCase(keyName(k, at), name)) return at;
  }
  return 0;
}

/** How many links may lead to one another. */
const MAX_LINKS = 64;

/** What a walk along `path` (from `key`, a leading backslash is ignored) reached, and the components that are not there. Links are followed. */
export function cmWalk(k: Kernel, key: number, path: string, openLink = false, depth = 0): { key: number; missing: string[] } {
  const parts = path.split('\\').filter(p => p !== '');
  let at = key;
  for (let i = 0; i < parts.length; i++) {
    const next = findSubKey(k, at, parts[i]!);
    if (!next) return { key: at, missing: parts.slice(i) };
    const link = openLink && i === parts.length - 1 ? '' : readString(k, listAt(next, K.LinkTarget));
    // A link whose target leads back to it never ends.
    at = link ? (depth < MAX_LINKS ? cmOpenPath(k, link, depth + 1) : 0) : next;
    if (!at) return { key, missing: parts.slice(i) };
  }
  return { key: at, missing: [] };
}

/** The key of a full path, or 0. Takes no reference. */
export function cmOpenPath(k: Kernel, path: string, depth = 0): number {
  const match = /^\\registry(\\.*)?$/i.exec(path);
  if (!match) return 0;
  const found = cmWalk(k, k.global.get('CmpRegistryRoot'), match[1] ?? '', false, depth);
  return found.missing.length ? 0 : found.key;
}

/** Makes what is missing of a path from `key`; the last key, or 0 without pool. */
export function cmCreate(k: Kernel, key: number, path: string): number {
  const found = cmWalk(k, key, path);
  let at = found.key;
  for (const name of found.missing) {
    at = newKey(k, at, name);
    if (!at) return 0;
  }
  return at;
}

/** Makes what is missing of a full path. */
export const cmCreatePath = (k: Kernel, path: string): number =>
  cmCreate(k, k.global.get('CmpRegistryRoot'), path.replace(/^\\registry/i, ''));

/** The value of that name (empty: the default value), or 0. */
export function findValue(k: Kernel, key: number, name: string): number {
  return keyValues(k, key).find(v => equalNoCase(readString(k, v + V.Name.offset), name)) ?? 0;
}

/** Sets a value. STATUS_INSUFFICIENT_RESOURCES without pool; then it is as it was. */
export function cmSetValue(k: Kernel, key: number, name: string, type: number, data: Uint8Array): number {
  const { mem } = k;
  const buffer = data.length ? exAllocatePool(k, PagedPool, data.length, TAG) : 0;
  if (data.length && !buffer) return STATUS_INSUFFICIENT_RESOURCES;
  if (buffer) mem.writeBytes(buffer, data);
  let value = findValue(k, key, name);
  if (value) {
    const old = V.Data.get(mem, value);
    if (old) exFreePool(k, old, TAG);
  } else {
    value = exAllocatePool(k, PagedPool, CM_KEY_VALUE.size, TAG);
    if (value) mem.fill(value, CM_KEY_VALUE.size, 0);
    if (!value || !allocateString(k, value + V.Name.offset, name, TAG)) {
      if (value) exFreePool(k, value, TAG);
      if (buffer) exFreePool(k, buffer, TAG);
      return STATUS_INSUFFICIENT_RESOURCES;
    }
    insertTailList(mem, listAt(key, K.ValueListHead), value);
    K.ValueCount.set(mem, key, K.ValueCount.get(mem, key) + 1);
  }
  V.Type.set(mem, value, type);
  V.DataLength.set(mem, value, data.length);
  V.Data.set(mem, value, buffer);
  touch(k, key, REG_NOTIFY_CHANGE_LAST_SET);
  return STATUS_SUCCESS;
}

export function cmDeleteValue(k: Kernel, key: number, name: string): number {
  const value = findValue(k, key, name);
  if (!value) return STATUS_OBJECT_NAME_NOT_FOUND;
  freeValue(k, value);
  K.ValueCount.set(k.mem, key, K.ValueCount.get(k.mem, key) - 1);
  touch(k, key, REG_NOTIFY_CHANGE_LAST_SET);
  return STATUS_SUCCESS;
}

function freeValue(k: Kernel, value: number): void {
  removeEntryList(k.mem, value);
  const data = V.Data.get(k.mem, value);
  if (data) exFreePool(k, data, TAG);
  freeString(k, value + V.Name.offset);
  exFreePool(k, value, TAG);
}

/** Takes a key without subkeys out of the tree; it lives on while key objects point to it. STATUS_CANNOT_DELETE with subkeys. */
export function cmDeleteKey(k: Kernel, key: number): number {
  const { mem } = k;
  if (K.Flags.get(mem, key) & KCB_DELETED) return STATUS_SUCCESS;
  if (K.SubKeyCount.get(mem, key) || !K.ParentKcb.get(mem, key)) return STATUS_CANNOT_DELETE;
  const parent = K.ParentKcb.get(mem, key);
  removeEntryList(mem, listAt(key, K.SiblingLink));
  K.SubKeyCount.set(mem, parent, K.SubKeyCount.get(mem, parent) - 1);
  K.Flags.set(mem, key, K.Flags.get(mem, key) | KCB_DELETED);
  touch(k, parent, REG_NOTIFY_CHANGE_NAME);
  endWatches(k, 0, key);
  dereferenceKey(k, key);
  return STATUS_SUCCESS;
}

/** Gives a reference to a control block back; the last frees it with its values. */
export function dereferenceKey(k: Kernel, key: number): void {
  const { mem } = k;
  const count = K.RefCount.get(mem, key) - 1;
  K.RefCount.set(mem, key, count);
  if (count) return;
  for (const value of keyValues(k, key)) freeValue(k, value);
  freeString(k, listAt(key, K.Name));
  freeString(k, listAt(key, K.Class));
  freeString(k, listAt(key, K.LinkTarget));
  freeString(k, listAt(key, K.FullName));
  const security = K.Security.get(mem, key);
  if (security) dereferenceDescriptor(k, security);
  exFreePool(k, key, TAG);
}

/** Gives a key another name beside its brothers. STATUS_CANNOT_DELETE when there is one of that name, or for the root. */
export function cmRenameKey(k: Kernel, key: number, name: string): number {
  const parent = K.ParentKcb.get(k.mem, key);
  if (!parent || findSubKey(k, parent, name)) return STATUS_CANNOT_DELETE;
  const fresh = listAt(key, K.Name);
  const old = readString(k, fresh);
  freeString(k, fresh);
  if (!allocateString(k, fresh, name, TAG)) {
    allocateString(k, fresh, old, TAG);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  freeString(k, listAt(key, K.FullName));
  touch(k, parent, REG_NOTIFY_CHANGE_NAME);
  return STATUS_SUCCESS;
}

/** Makes a link key lead to a path. */
export function cmSetLink(k: Kernel, key: number, target: string): number {
  freeString(k, listAt(key, K.LinkTarget));
  return allocateString(k, listAt(key, K.LinkTarget), target, TAG) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

/** Address of a UNICODE_STRING with the full path of a key, which lives as long as the key; 0 without pool. */
export function cmFullName(k: Kernel, key: number): number {
  const at = listAt(key, K.FullName);
  return readString(k, at) !== '' || allocateString(k, at, keyPath(k, key), TAG) ? at : 0;
}

export const isDeleted = (k: Kernel, key: number): boolean => (K.Flags.get(k.mem, key) & KCB_DELETED) !== 0;

/** A key object for a control block, with one reference; 0 without pool. */
export function createKeyObject(k: Kernel, key: number, named = false): number {
  const body = obCreateObject(k, exportedType(k, 'CmKeyObjectType'), CM_KEY_BODY.size, { named, permanent: named });
  if (!body) return 0;
  B.Type.set(k.mem, body, KEY_BODY_TYPE);
  B.KeyControlBlock.set(k.mem, body, key);
  initializeListHead(k.mem, body + B.KeyBodyList.offset);
  initializeListHead(k.mem, body + KEY_CONTEXT_LIST);
  K.RefCount.set(k.mem, key, K.RefCount.get(k.mem, key) + 1);
  return body;
}

export const keyOfObject = (k: Kernel, body: number): number => B.KeyControlBlock.get(k.mem, body);

export interface Value {
  type: number;
  data: Uint8Array;
}

export function cmQueryValue(k: Kernel, key: number, name: string): Value | null {
  const value = findValue(k, key, name);
  if (!value) return null;
  const length = V.DataLength.get(k.mem, value);
  return { type: V.Type.get(k.mem, value), data: length ? k.mem.readBytes(V.Data.get(k.mem, value), length) : new Uint8Array(0) };
}

const text = (data: Uint8Array): string => {
  let s = '';
  for (let i = 0; i + 1 < data.length; i += 2) s += String.fromCharCode(data[i]! | (data[i + 1]! << 8));
  return s;
};

/** The names of a key's values. */
export const keyValueNames = (k: Kernel, key: number): string[] => keyValues(k, key).map(v => readString(k, v + V.Name.offset));

/** A string value without its terminator, or null. */
export function cmQueryString(k: Kernel, key: number, name: string): string | null {
  const v = cmQueryValue(k, key, name);
  return v && (v.type === REG_SZ || v.type === REG_EXPAND_SZ) ? text(v.data).replace(/\0[\s\S]*$/, '') : null;
}

/** The strings of a REG_MULTI_SZ (or the one of a REG_SZ). */
export function cmQueryStrings(k: Kernel, key: number, name: string): string[] {
  const v = cmQueryValue(k, key, name);
  return v && (v.type === REG_MULTI_SZ || v.type === REG_SZ)
    ? text(v.data)
        .split('\0')
        .filter(s => s !== '')
    : [];
}

export function cmQueryDword(k: Kernel, key: number, name: string): number | null {
  const v = cmQueryValue(k, key, name);
  return v && v.type === REG_DWORD && v.data.length === 4
    ? new DataView(v.data.buffer, v.data.byteOffset).getUint32(0, true)
    : null;
}

export const regSz = (value: string): Uint8Array => wide(`${value}\0`);
export const regMultiSz = (values: readonly string[]): Uint8Array => wide(`${values.join('\0')}\0\0`);
export function regDword(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

/** Values that drivers ask for in a machine that has never seen a setup program. */
const INITIAL: readonly (readonly [path: string, name: string, type: number, value: string | number])[] = [
  ['Machine\\System\\ControlSet001\\Control', 'SystemStartOptions', REG_SZ, ''],
  ['Machine\\System\\ControlSet001\\Control\\Session Manager', 'ProtectionMode', REG_DWORD, 1],
  ['Machine\\System\\ControlSet001\\Control\\ComputerName\\ComputerName', 'ComputerName', REG_SZ, 'KMODE'],
  ['Machine\\System\\ControlSet001\\Control\\CrashControl', 'CrashDumpEnabled', REG_DWORD, 0],
  ['Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion', 'CurrentBuildNumber', REG_SZ, '19045'],
  ['Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion', 'CurrentVersion', REG_SZ, '6.3'],
  ['Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion', 'SystemRoot', REG_SZ, 'C:\\Windows'],
  ['Machine\\Hardware\\Description\\System', 'Identifier', REG_SZ, 'AT/AT COMPATIBLE'],
];
const KEYS = [
  'Machine\\System\\ControlSet001\\Services',
  'Machine\\System\\ControlSet001\\Enum',
  'Machine\\System\\ControlSet001\\Control\\Class',
  'Machine\\System\\ControlSet001\\Control\\DeviceClasses',
  'Machine\\Hardware\\ResourceMap',
  'User\\.DEFAULT',
] as const;

/** The system and administrators may do everything with keys, everybody may read them. */
const ROOT_SECURITY = 'O:BAG:SYD:(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;WD)(A;CI;KR;;;RC)';

/** Makes the tree that every machine has, with its root object `\Registry`. Runs at boot, after the namespace. */
export function cmInit(k: Kernel): number {
  const root = newKey(k, 0, 'REGISTRY');
  if (!root) throw new Error('no pool for the registry');
  k.global.set('CmpRegistryRoot', root);
  initializeListHead(k.mem, k.global.address('CmpCallBackListHead'));
  initializeListHead(k.mem, k.global.address('CmpCallListHead'));
  initializeListHead(k.mem, k.global.address('CmpNotifyListHead'));
  K.Security.set(k.mem, root, logDescriptor(k, sddl(ROOT_SECURITY)));
  for (const path of KEYS) cmCreate(k, root, path);
  for (const [path, name, type, value] of INITIAL) {
    const data = typeof value === 'number' ? regDword(value) : regSz(value);
    if (cmSetValue(k, cmCreate(k, root, path), name, type, data) !== STATUS_SUCCESS) throw new Error('no pool for the registry');
  }
  const link = newKey(k, cmOpenPath(k, '\\Registry\\Machine\\System'), 'CurrentControlSet');
  if (!link || !allocateString(k, listAt(link, K.LinkTarget), '\\Registry\\Machine\\System\\ControlSet001', TAG))
    throw new Error('no pool for the registry');
  return createKeyObject(k, root, true);
}
