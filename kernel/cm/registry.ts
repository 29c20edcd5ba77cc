/**
 * The registry: a tree of keys with values, in pool. It has no hives behind it: it is made at boot and lives as long as the machine. A key object (what a handle leads to)
 * is a CM_KEY_BODY that points to the key's control block.
 */
import type { Kernel } from '../kernel.ts';
import { systemTime } from '../ke/time.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obCreateObject, obReferenceObject } from '../ob/object.ts';
import { allocateString, equalNoCase, freeString, readString, wide } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { dereferenceDescriptor, logDescriptor, referenceDescriptor } from '../se/descriptor.ts';
import { sddl } from '../se/sddl.ts';
import { REG_DWORD, REG_EXPAND_SZ, REG_MULTI_SZ, REG_SZ } from '../types/cm.ts';
import { PagedPool } from '../types/mm.ts';
import {
  STATUS_CANNOT_DELETE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { CM_KEY_BODY, CM_KEY_CONTROL_BLOCK, CM_KEY_VALUE, KCB_DELETED, KEY_BODY_TYPE, KEY_CONTEXT_LIST } from './structures.ts';
import {
  endWatches,
  notifyChange,
  REG_NOTIFY_CHANGE_ATTRIBUTES,
  REG_NOTIFY_CHANGE_LAST_SET,
  REG_NOTIFY_CHANGE_NAME,
} from './notify.ts';
import {
  isVisible,
  markCreated,
  markDeleted,
  markValueCreated,
  markValueDeleted,
  renameLater,
  setTimeLater,
  settleCreation,
  settleDeletion,
  settleKey,
  TRANS_CREATED,
} from './transaction.ts';

export * from './structures.ts';

const K = CM_KEY_CONTROL_BLOCK.f;
const V = CM_KEY_VALUE.f;
const B = CM_KEY_BODY.f;
const TAG = poolTag('CM  ');

export const SERVICES_PATH = '\\Registry\\Machine\\System\\CurrentControlSet\\Services';

const listAt = (key: number, field: { offset: number }): number => key + field.offset;

function newKey(k: Kernel, parent: number, name: string, tx = 0): number {
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
    // Its path leads through the parent as long as anybody has it, deleted or not.
    referenceKey(k, parent);
    insertTailList(mem, listAt(parent, K.SubKeyListHead), listAt(key, K.SiblingLink));
    K.SubKeyCount.set(mem, parent, K.SubKeyCount.get(mem, parent) + 1);
    const security = K.Security.get(mem, parent);
    if (security) referenceDescriptor(k, security);
    K.Security.set(mem, key, security);
    if (tx) return markCreated(k, key, tx) ? key : 0;
    touch(k, parent, REG_NOTIFY_CHANGE_NAME);
  }
  return key;
}

/** Takes a key out of the tree; it lives on while key objects point to it. */
export function unlinkKey(k: Kernel, key: number): void {
  const { mem } = k;
  const parent = K.ParentKcb.get(mem, key);
  removeEntryList(mem, listAt(key, K.SiblingLink));
  K.SubKeyCount.set(mem, parent, K.SubKeyCount.get(mem, parent) - 1);
  K.Flags.set(mem, key, K.Flags.get(mem, key) | KCB_DELETED);
  endWatches(k, 0, key);
  dereferenceKey(k, key);
}

export const referenceKey = (k: Kernel, key: number): void => K.RefCount.set(k.mem, key, K.RefCount.get(k.mem, key) + 1);

/** A change of a kind was made in a key: its time, and who waits for it. */
export function touch(k: Kernel, key: number, filter: number): void {
  K.LastWriteTime.set(k.mem, key, systemTime(k));
  notifyChange(k, key, filter, at => K.ParentKcb.get(k.mem, at));
}
export const keyFlags = (k: Kernel, key: number): number => K.Flags.get(k.mem, key);
export const setKeyFlags = (k: Kernel, key: number, bits: number): void =>
  K.Flags.set(k.mem, key, K.Flags.get(k.mem, key) | bits);

/** The name of a key as transaction `tx` (0: none) sees it. */
export function keyName(k: Kernel, key: number, tx = 0): string {
  const pending = tx && K.LockTrans.get(k.mem, key) === tx ? readString(k, listAt(key, K.PendingName)) : '';
  return pending || readString(k, listAt(key, K.Name));
}

/** `\REGISTRY\MACHINE\...` */
export function keyPath(k: Kernel, key: number, tx = 0): string {
  let path = '';
  for (let at = key; at; at = K.ParentKcb.get(k.mem, at)) path = `\\${keyName(k, at, tx)}${path}`;
  return path;
}

/** All keys below a key, whoever sees them. */
export const physicalSubKeys = (k: Kernel, key: number): number[] =>
  [...listEntries(k.mem, listAt(key, K.SubKeyListHead))].map(link => link - K.SiblingLink.offset);

const isKeyVisible = (k: Kernel, key: number, tx: number): boolean =>
  isVisible(K.Trans.get(k.mem, key), K.TransKind.get(k.mem, key), tx);

/** Subkeys in the order of their names, as NT keeps and enumerates them; those that transaction `tx` sees. */
export function subKeys(k: Kernel, key: number, tx = 0): number[] {
  const all = physicalSubKeys(k, key).filter(at => isKeyVisible(k, at, tx));
  const named = all.map(at => ({ at, name: keyName(k, at, tx).toUpperCase() }));
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return named.map(n => n.at);
}

/** Values in the order in which they were made; those that transaction `tx` sees. */
export const keyValues = (k: Kernel, key: number, tx = 0): number[] =>
  [...listEntries(k.mem, listAt(key, K.ValueListHead))].filter(v =>
    isVisible(V.Trans.get(k.mem, v), V.TransKind.get(k.mem, v), tx),
  );

function findSubKey(k: Kernel, key: number, name: string, tx = 0): number {
  for (const link of listEntries(k.mem, listAt(key, K.SubKeyListHead))) {
    const at = link - K.SiblingLink.offset;
    if (equalNoCase(keyName(k, at, tx), name) && isKeyVisible(k, at, tx)) return at;
  }
  return 0;
}

/** Keys below a parent that have a name, or will have it, in the eyes of another transaction. */
function unseenKeys(k: Kernel, parent: number, name: string): number[] {
  return physicalSubKeys(k, parent).filter(at => {
    if (!K.Trans.get(k.mem, at) && !K.LockTrans.get(k.mem, at)) return false;
    const pending = readString(k, listAt(at, K.PendingName));
    return equalNoCase(pending, name) || (K.TransKind.get(k.mem, at) === TRANS_CREATED && equalNoCase(keyName(k, at), name));
  });
}

/** How many links may lead to one another. */
const MAX_LINKS = 64;

/** What a walk along `path` (from `key`, a leading backslash is ignored) reached, and the components that are not there. Links are followed. */
export function cmWalk(
  k: Kernel,
  key: number,
  path: string,
  openLink = false,
  depth = 0,
  tx = 0,
): { key: number; missing: string[] } {
  const parts = path.split('\\').filter(p => p !== '');
  let at = key;
  for (let i = 0; i < parts.length; i++) {
    const next = findSubKey(k, at, parts[i]!, tx);
    if (!next) return { key: at, missing: parts.slice(i) };
    const link = openLink && i === parts.length - 1 ? '' : readString(k, listAt(next, K.LinkTarget));
    // A link whose target leads back to it never ends.
    at = link ? (depth < MAX_LINKS ? cmOpenPath(k, link, depth + 1, tx) : 0) : next;
    if (!at) return { key, missing: parts.slice(i) };
  }
  return { key: at, missing: [] };
}

/** The key of a full path, or 0. Takes no reference. */
export function cmOpenPath(k: Kernel, path: string, depth = 0, tx = 0): number {
  const match = /^\\registry(\\.*)?$/i.exec(path);
  if (!match) return 0;
  const found = cmWalk(k, k.global.get('CmpRegistryRoot'), match[1] ?? '', false, depth, tx);
  return found.missing.length ? 0 : found.key;
}

/** Makes what is missing of a path from `key`; the last key, or 0 without pool. */
export function cmCreate(k: Kernel, key: number, path: string): number {
  const found = cmWalk(k, key, path);
  let at = found.key;
  for (const name of found.missing) {
    if (settleCreation(k, at, unseenKeys(k, at, name), 0) !== STATUS_SUCCESS) return 0;
    at = newKey(k, at, name);
    if (!at) return 0;
  }
  return at;
}

/** Makes one key below a parent, in a transaction or (0) without. STATUS_TRANSACTIONAL_CONFLICT when another transaction has something there. */
export function cmCreateKey(k: Kernel, parent: number, name: string, tx: number): { status: number; key: number } {
  const status = settleCreation(k, parent, unseenKeys(k, parent, name), tx);
  if (status !== STATUS_SUCCESS) return { status, key: 0 };
  const key = newKey(k, parent, name, tx);
  return { status: key ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES, key };
}

/** Makes what is missing of a full path. */
export const cmCreatePath = (k: Kernel, path: string): number =>
  cmCreate(k, k.global.get('CmpRegistryRoot'), path.replace(/^\\registry/i, ''));

/** The value of that name (empty: the default value), or 0. */
export function findValue(k: Kernel, key: number, name: string, tx = 0): number {
  return keyValues(k, key, tx).find(v => equalNoCase(readString(k, v + V.Name.offset), name)) ?? 0;
}

/** Makes a value with a buffer of its data; 0 without pool. */
function newValue(k: Kernel, key: number, name: string, type: number, buffer: number, length: number): number {
  const { mem } = k;
  const value = exAllocatePool(k, PagedPool, CM_KEY_VALUE.size, TAG);
  if (value) mem.fill(value, CM_KEY_VALUE.size, 0);
  if (!value || !allocateString(k, value + V.Name.offset, name, TAG)) {
    if (value) exFreePool(k, value, TAG);
    return 0;
  }
  insertTailList(mem, listAt(key, K.ValueListHead), value);
  K.ValueCount.set(mem, key, K.ValueCount.get(mem, key) + 1);
  setData(k, value, type, buffer, length);
  return value;
}

function setData(k: Kernel, value: number, type: number, buffer: number, length: number): void {
  V.Type.set(k.mem, value, type);
  V.DataLength.set(k.mem, value, length);
  V.Data.set(k.mem, value, buffer);
}

/**
 * Sets a value, in a transaction or (0) without. STATUS_INSUFFICIENT_RESOURCES without pool; then it is as it was. STATUS_TRANSACTIONAL_CONFLICT when another transaction
 * has changed the key.
 */
export function cmSetValue(k: Kernel, key: number, name: string, type: number, data: Uint8Array, tx = 0): number {
  const { mem } = k;
  const settled = settleKey(k, key, tx);
  if (settled !== STATUS_SUCCESS) return settled;
  const buffer = data.length ? exAllocatePool(k, PagedPool, data.length, TAG) : 0;
  if (data.length && !buffer) return STATUS_INSUFFICIENT_RESOURCES;
  if (buffer) mem.writeBytes(buffer, data);
  const value = findValue(k, key, name, tx);
  // What the transaction made itself, or anything without one, is changed where it is.
  if (value && V.Trans.get(mem, value) === tx) {
    const old = V.Data.get(mem, value);
    if (old) exFreePool(k, old, TAG);
    setData(k, value, type, buffer, data.length);
  } else {
    const status = replaceValue(k, key, value, name, type, buffer, data.length, tx);
    if (status !== STATUS_SUCCESS) {
      if (buffer) exFreePool(k, buffer, TAG);
      return status;
    }
  }
  if (!tx) touch(k, key, REG_NOTIFY_CHANGE_LAST_SET);
  return STATUS_SUCCESS;
}

/** A new value; in a transaction the one that there was (or 0) is hidden. */
function replaceValue(
  k: Kernel,
  key: number,
  old: number,
  name: string,
  type: number,
  buffer: number,
  length: number,
  tx: number,
): number {
  const value = newValue(k, key, name, type, buffer, length);
  if (!value) return STATUS_INSUFFICIENT_RESOURCES;
  if (!tx) return STATUS_SUCCESS;
  let status = markValueCreated(k, key, value, tx);
  if (status !== STATUS_SUCCESS) {
    V.Data.set(k.mem, value, 0);
    freeValue(k, key, value);
    return status;
  }
  if (old) status = markValueDeleted(k, key, old, tx);
  // The new one is there already, and is freed with its data when the transaction ends.
  if (status !== STATUS_SUCCESS) {
    V.Data.set(k.mem, value, 0);
    V.DataLength.set(k.mem, value, 0);
    markValueDeleted(k, key, value, tx);
  }
  return status;
}

export function cmDeleteValue(k: Kernel, key: number, name: string, tx = 0): number {
  const value = findValue(k, key, name, tx);
  if (!value) return STATUS_OBJECT_NAME_NOT_FOUND;
  const settled = settleKey(k, key, tx);
  if (settled !== STATUS_SUCCESS) return settled;
  if (tx) return markValueDeleted(k, key, value, tx);
  freeValue(k, key, value);
  touch(k, key, REG_NOTIFY_CHANGE_LAST_SET);
  return STATUS_SUCCESS;
}

/** Takes a value out of a key and frees it. */
export function freeValue(k: Kernel, key: number, value: number): void {
  removeEntryList(k.mem, value);
  K.ValueCount.set(k.mem, key, K.ValueCount.get(k.mem, key) - 1);
  const data = V.Data.get(k.mem, value);
  if (data) exFreePool(k, data, TAG);
  freeString(k, value + V.Name.offset);
  exFreePool(k, value, TAG);
}

/** Takes a key without subkeys out of the tree, in a transaction or (0) without; it lives on while key objects point to it. STATUS_CANNOT_DELETE with subkeys. */
export function cmDeleteKey(k: Kernel, key: number, tx = 0): number {
  const parent = K.ParentKcb.get(k.mem, key);
  if (isDeleted(k, key, tx)) return STATUS_SUCCESS;
  if (!parent) return STATUS_CANNOT_DELETE;
  const settled = settleDeletion(k, key, tx);
  if (settled !== STATUS_SUCCESS) return settled;
  if (tx ? subKeys(k, key, tx).length : K.SubKeyCount.get(k.mem, key)) return STATUS_CANNOT_DELETE;
  if (tx) return markDeleted(k, key, tx);
  unlinkKey(k, key);
  touch(k, parent, REG_NOTIFY_CHANGE_NAME);
  return STATUS_SUCCESS;
}

/** Gives a reference to a control block back; the last frees it with its values. */
export function dereferenceKey(k: Kernel, key: number): void {
  const { mem } = k;
  const count = K.RefCount.get(mem, key) - 1;
  K.RefCount.set(mem, key, count);
  if (count) return;
  for (const value of [...listEntries(mem, listAt(key, K.ValueListHead))]) freeValue(k, key, value);
  freeString(k, listAt(key, K.Name));
  freeString(k, listAt(key, K.Class));
  freeString(k, listAt(key, K.LinkTarget));
  freeString(k, listAt(key, K.FullName));
  freeString(k, listAt(key, K.PendingName));
  const security = K.Security.get(mem, key);
  if (security) dereferenceDescriptor(k, security);
  const parent = K.ParentKcb.get(mem, key);
  exFreePool(k, key, TAG);
  if (parent) dereferenceKey(k, parent);
}

/** Gives a key another name beside its brothers. STATUS_CANNOT_DELETE when there is one of that name, or for the root. */
export function cmRenameKey(k: Kernel, key: number, name: string, tx = 0): number {
  const parent = K.ParentKcb.get(k.mem, key);
  if (!parent || findSubKey(k, parent, name, tx)) return STATUS_CANNOT_DELETE;
  let settled = settleKey(k, key, tx);
  if (settled === STATUS_SUCCESS) settled = settleCreation(k, parent, unseenKeys(k, parent, name), tx);
  if (settled !== STATUS_SUCCESS) return settled;
  if (tx) return renameLater(k, key, name, tx);
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

/** Sets the time of the last change of a key. */
export function cmSetTime(k: Kernel, key: number, time: bigint, tx: number): number {
  const settled = settleKey(k, key, tx);
  if (settled !== STATUS_SUCCESS) return settled;
  if (tx) return setTimeLater(k, key, time, tx);
  touch(k, key, REG_NOTIFY_CHANGE_ATTRIBUTES);
  K.LastWriteTime.set(k.mem, key, time);
  return STATUS_SUCCESS;
}

/** The time of the last change of a key as transaction `tx` sees it. */
export function keyTime(k: Kernel, key: number, tx: number): bigint {
  const pending = tx && K.LockTrans.get(k.mem, key) === tx ? K.PendingTime.get(k.mem, key) : 0n;
  return pending || K.LastWriteTime.get(k.mem, key);
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

/** The key is gone, for everybody or in the eyes of transaction `tx`. */
export function isDeleted(k: Kernel, key: number, tx = 0): boolean {
  if (K.Flags.get(k.mem, key) & KCB_DELETED) return true;
  return tx !== 0 && K.Trans.get(k.mem, key) === tx && K.TransKind.get(k.mem, key) !== TRANS_CREATED;
}

/** The key was made by a transaction that has not ended: nobody else sees it. */
export const isOwn = (k: Kernel, key: number, tx: number): boolean =>
  K.Trans.get(k.mem, key) === tx && K.TransKind.get(k.mem, key) === TRANS_CREATED;

/** A key object for a control block, with one reference, that belongs to a transaction if there is one; 0 without pool. */
export function createKeyObject(k: Kernel, key: number, named = false, tx = 0): number {
  const body = obCreateObject(k, exportedType(k, 'CmKeyObjectType'), CM_KEY_BODY.size, { named, permanent: named });
  if (!body) return 0;
  B.Type.set(k.mem, body, KEY_BODY_TYPE);
  B.KeyControlBlock.set(k.mem, body, key);
  initializeListHead(k.mem, body + B.KeyBodyList.offset);
  initializeListHead(k.mem, body + KEY_CONTEXT_LIST);
  referenceKey(k, key);
  if (tx) obReferenceObject(k, tx);
  B.Trans.set(k.mem, body, tx);
  return body;
}

/** The transaction that a key object belongs to, or 0. */
export const keyTransaction = (k: Kernel, body: number): number => B.Trans.get(k.mem, body);

export const keyOfObject = (k: Kernel, body: number): number => B.KeyControlBlock.get(k.mem, body);

export interface Value {
  type: number;
  data: Uint8Array;
}

export function cmQueryValue(k: Kernel, key: number, name: string, tx = 0): Value | null {
  const value = findValue(k, key, name, tx);
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

/** Enum is the Plug and Play manager's: the system may read and change it, but not delete it, nor take its protection away; the keys below it are the system's. */
const ENUM_SECURITY = 'O:SYG:SYD:P(A;;0x2001f;;;SY)(A;CIIO;KA;;;SY)(A;CI;KR;;;WD)';

function protect(k: Kernel, key: number, text: string): void {
  const inherited = K.Security.get(k.mem, key);
  K.Security.set(k.mem, key, logDescriptor(k, sddl(text)));
  if (inherited) dereferenceDescriptor(k, inherited);
}

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
  protect(k, cmOpenPath(k, '\\Registry\\Machine\\System\\ControlSet001\\Enum'), ENUM_SECURITY);
  for (const [path, name, type, value] of INITIAL) {
    const data = typeof value === 'number' ? regDword(value) : regSz(value);
    if (cmSetValue(k, cmCreate(k, root, path), name, type, data) !== STATUS_SUCCESS) throw new Error('no pool for the registry');
  }
  const link = newKey(k, cmOpenPath(k, '\\Registry\\Machine\\System'), 'CurrentControlSet');
  if (!link || !allocateString(k, listAt(link, K.LinkTarget), '\\Registry\\Machine\\System\\ControlSet001', TAG))
    throw new Error('no pool for the registry');
  return createKeyObject(k, root, true);
}
