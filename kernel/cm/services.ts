/** The registry's system services (Zw*Key). Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { lookupAttributes, readAttributes } from '../ob/attributes.ts';
import { obCreateHandle, obReferenceObjectByHandle } from '../ob/handle.ts';
import { deferDeletion, dereference, obDereferenceDeferred } from '../ob/object.ts';
import { previousMode } from '../ob/mode.ts';
import { allocateString, readString, wide } from '../ob/string.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import {
  KEY_BASIC_INFORMATION,
  KEY_FULL_INFORMATION,
  KEY_NODE_INFORMATION,
  KeyBasicInformation,
  KeyFullInformation,
  KeyNameInformation,
  KeyNodeInformation,
  KeyValueBasicInformation,
  KeyValueFullInformation,
  KeyValuePartialInformation,
  KeyValuePartialInformationAlign64,
} from '../types/cm.ts';
import { OBJ_CASE_INSENSITIVE } from '../types/ob.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_KEY_DELETED,
  STATUS_NO_MORE_ENTRIES,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_PATH_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { HANDLE, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG, VOID } from '../exports/declare.ts';
import { service } from '../exports/service.ts';
import { poolTag } from '../ob/globals.ts';
import {
  CM_KEY_CONTROL_BLOCK,
  CM_KEY_VALUE,
  cmCreate,
  cmDeleteKey,
  cmDeleteValue,
  cmSetValue,
  cmWalk,
  createKeyObject,
  dereferenceKey,
  findValue,
  isDeleted,
  keyName,
  keyOfObject,
  keyPath,
  keyValues,
  subKeys,
} from './registry.ts';

const K = CM_KEY_CONTROL_BLOCK.f;
const V = CM_KEY_VALUE.f;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const REG_CREATED_NEW_KEY = 1,
  REG_OPENED_EXISTING_KEY = 2;

/** Opens or creates the key of an OBJECT_ATTRIBUTES and a handle to it. */
function openKey(
  k: Kernel,
  out: number,
  access: number,
  attributes: number,
  create: { classText: string; disposition: number } | null,
): number {
  k.mem.probe(out, 8, true);
  const a = readAttributes(k, attributes);
  const found = lookupAttributes(k, { ...a, attributes: a.attributes | OBJ_CASE_INSENSITIVE }, previousMode(k));
  if (found.status !== STATUS_SUCCESS) return found.status;
  if (obTypeOf(k, found.object) !== exportedType(k, 'CmKeyObjectType')) return STATUS_OBJECT_TYPE_MISMATCH;
  const from = keyOfObject(k, found.object);
  if (isDeleted(k, from)) return STATUS_KEY_DELETED;
  const walk = cmWalk(k, from, found.remaining);
  let key = walk.key;
  if (walk.missing.length) {
    if (!create || walk.missing.length > 1)
      return walk.missing.length > 1 && create ? STATUS_OBJECT_PATH_NOT_FOUND : STATUS_OBJECT_NAME_NOT_FOUND;
    key = cmCreate(k, walk.key, walk.missing[0]!);
    if (!key) return STATUS_INSUFFICIENT_RESOURCES;
    if (create.classText) allocateString(k, key + K.Class.offset, create.classText, poolTag('CM  '));
  }
  if (create?.disposition) k.mem.write32(create.disposition, walk.missing.length ? REG_CREATED_NEW_KEY : REG_OPENED_EXISTING_KEY);
  return openHandle(k, key, access, a.attributes, out);
}

/** A handle to a key, written to `out`. */
export function openHandle(k: Kernel, key: number, access: number, attributes: number, out: number): number {
  const body = createKeyObject(k, key);
  if (!body) return STATUS_INSUFFICIENT_RESOURCES;
  const h = obCreateHandle(k, body, access, attributes);
  if (dereference(k, body) === 0) deferDeletion(k, body);
  if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
  return h.status;
}

/** Runs `work` on the key of a handle; the object is held meanwhile. */
function withKey(k: Kernel, handle: number, work: (key: number) => number): number {
  const r = obReferenceObjectByHandle(k, handle, 0, exportedType(k, 'CmKeyObjectType'), previousMode(k));
  if (r.status !== STATUS_SUCCESS) return r.status;
  const key = keyOfObject(k, r.object);
  const status = isDeleted(k, key) ? STATUS_KEY_DELETED : work(key);
  obDereferenceDeferred(k, r.object);
  return status;
}

/** Hands an information structure out: `fixed` bytes must fit, the rest is cut. */
function give(k: Kernel, bytes: Uint8Array, fixed: number, to: number, length: number, resultLength: number): number {
  if (resultLength) k.mem.write32(resultLength, bytes.length);
  if (length < fixed) return STATUS_BUFFER_TOO_SMALL;
  k.mem.probe(to, Math.min(length, bytes.length), true);
  k.mem.writeBytes(to, bytes.subarray(0, Math.min(length, bytes.length)));
  return length < bytes.length ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/** Little-endian words and texts, one after the other. */
class Builder {
  private readonly out: number[] = [];
  get length(): number {
    return this.out.length;
  }
  u32(v: number): this {
    for (let i = 0; i < 4; i++) this.out.push((v >>> (8 * i)) & 0xff);
    return this;
  }
  u64(v: bigint): this {
    return this.u32(Number(v & 0xffffffffn)).u32(Number((v >> 32n) & 0xffffffffn));
  }
  add(b: Uint8Array): this {
    for (const x of b) this.out.push(x);
    return this;
  }
  align(to: number): this {
    while (this.out.length % to) this.out.push(0);
    return this;
  }
  bytes(): Uint8Array {
    return Uint8Array.from(this.out);
  }
}

/** A value as KEY_VALUE_*_INFORMATION. */
function valueInformation(k: Kernel, value: number, kind: number): { bytes: Uint8Array; fixed: number } | null {
  const name = wide(readString(k, value + V.Name.offset));
  const type = V.Type.get(k.mem, value);
  const length = V.DataLength.get(k.mem, value);
  const data = length ? k.mem.readBytes(V.Data.get(k.mem, value), length) : new Uint8Array(0);
  const b = new Builder();
  switch (kind) {
    case KeyValueBasicInformation:
      return { bytes: b.u32(0).u32(type).u32(name.length).add(name).bytes(), fixed: 12 };
    case KeyValueFullInformation: {
      const offset = Math.ceil((20 + name.length) / 4) * 4;
      return {
        bytes: b.u32(0).u32(type).u32(offset).u32(length).u32(name.length).add(name).align(4).add(data).bytes(),
        fixed: 20,
      };
    }
    case KeyValuePartialInformation:
      return { bytes: b.u32(0).u32(type).u32(length).add(data).bytes(), fixed: 12 };
    case KeyValuePartialInformationAlign64:
      return { bytes: b.u32(type).u32(length).add(data).bytes(), fixed: 8 };
    default:
      return null;
  }
}

/** A key as KEY_*_INFORMATION. */
function keyInformation(k: Kernel, key: number, kind: number): { bytes: Uint8Array; fixed: number } | null {
  const { mem } = k;
  const name = wide(keyName(k, key));
  const className = wide(readString(k, key + K.Class.offset));
  const time = K.LastWriteTime.get(mem, key);
  const b = new Builder();
  switch (kind) {
    case KeyBasicInformation:
      return { bytes: b.u64(time).u32(0).u32(name.length).add(name).bytes(), fixed: KEY_BASIC_INFORMATION.size };
    case KeyNodeInformation: {
      const offset = className.length ? Math.ceil((24 + name.length) / 4) * 4 : 0xffffffff;
      b.u64(time).u32(0).u32(offset).u32(className.length).u32(name.length).add(name);
      return { bytes: (className.length ? b.align(4).add(className) : b).bytes(), fixed: KEY_NODE_INFORMATION.size };
    }
    case KeyFullInformation: {
      const keys = subKeys(k, key);
      const values = keyValues(k, key);
      const longest = (list: readonly number[]): number => list.reduce((most, n) => Math.max(most, n), 0);
      b.u64(time)
        .u32(0)
        .u32(className.length ? KEY_FULL_INFORMATION.size : 0xffffffff)
        .u32(className.length)
        .u32(keys.length);
      b.u32(longest(keys.map(s => keyName(k, s).length * 2))).u32(longest(keys.map(s => mem.read16(s + K.Class.offset))));
      b.u32(values.length)
        .u32(longest(values.map(v => mem.read16(v + V.Name.offset))))
        .u32(longest(values.map(v => V.DataLength.get(mem, v))));
      return { bytes: b.add(className).bytes(), fixed: KEY_FULL_INFORMATION.size };
    }
    case KeyNameInformation: {
      const path = wide(keyPath(k, key));
      return { bytes: b.u32(path.length).add(path).bytes(), fixed: 4 };
    }
    default:
      return null;
  }
}

const queryTail = { Information: PVOID, Length: ULONG, ResultLength: PVOID } as const;

export const exports: NtExport[] = [
  ...service({
    name: 'OpenKey',
    doc: 'Opens an existing registry key.',
    irql: PASSIVE,
    args: { KeyHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl: (k, a) => openKey(k, a.KeyHandle, a.DesiredAccess, a.ObjectAttributes, null),
  }),
  ...service({
    name: 'OpenKeyEx',
    doc: 'Opens an existing registry key with options.',
    irql: PASSIVE,
    args: { KeyHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, OpenOptions: ULONG },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl: (k, a) => openKey(k, a.KeyHandle, a.DesiredAccess, a.ObjectAttributes, null),
  }),
  ...service({
    name: 'CreateKey',
    doc: 'Creates a registry key or opens the one that exists.',
    irql: PASSIVE,
    args: {
      KeyHandle: PVOID,
      DesiredAccess: ULONG,
      ObjectAttributes: POBJECT_ATTRIBUTES,
      TitleIndex: ULONG,
      Class: PUNICODE_STRING,
      CreateOptions: ULONG,
      Disposition: PVOID,
    },
    returns: NTSTATUS,
    cycles: 1800,
    status: 'full',
    impl: (k, a) =>
      openKey(k, a.KeyHandle, a.DesiredAccess, a.ObjectAttributes, {
        classText: readString(k, a.Class),
        disposition: a.Disposition,
      }),
  }),
  ...service({
    name: 'QueryValueKey',
    doc: 'Reads a value of a registry key.',
    irql: PASSIVE,
    args: { KeyHandle: HANDLE, ValueName: PUNICODE_STRING, KeyValueInformationClass: ULONG, ...queryTail },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) =>
      withKey(k, a.KeyHandle, key => {
        const value = findValue(k, key, readString(k, a.ValueName));
        if (!value) return STATUS_OBJECT_NAME_NOT_FOUND;
        const info = valueInformation(k, value, a.KeyValueInformationClass);
        return info ? give(k, info.bytes, info.fixed, a.Information, a.Length, a.ResultLength) : STATUS_INVALID_PARAMETER;
      }),
  }),
  ...service({
    name: 'EnumerateValueKey',
    doc: 'Reads the n-th value of a registry key.',
    irql: PASSIVE,
    args: { KeyHandle: HANDLE, Index: ULONG, KeyValueInformationClass: ULONG, ...queryTail },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) =>
      withKey(k, a.KeyHandle, key => {
        const value = keyValues(k, key)[a.Index];
        if (value === undefined) return STATUS_NO_MORE_ENTRIES;
        const info = valueInformation(k, value, a.KeyValueInformationClass);
        return info ? give(k, info.bytes, info.fixed, a.Information, a.Length, a.ResultLength) : STATUS_INVALID_PARAMETER;
      }),
  }),
  ...service({
    name: 'EnumerateKey',
    doc: 'Describes the n-th subkey of a registry key.',
    irql: PASSIVE,
    args: { KeyHandle: HANDLE, Index: ULONG, KeyInformationClass: ULONG, ...queryTail },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) =>
      withKey(k, a.KeyHandle, key => {
        const sub = subKeys(k, key)[a.Index];
        if (sub === undefined) return STATUS_NO_MORE_ENTRIES;
        const info = keyInformation(k, sub, a.KeyInformationClass);
        return info ? give(k, info.bytes, info.fixed, a.Information, a.Length, a.ResultLength) : STATUS_INVALID_PARAMETER;
      }),
  }),
  ...service({
    name: 'QueryKey',
    doc: 'Describes a registry key.',
    irql: PASSIVE,
    args: { KeyHandle: HANDLE, KeyInformationClass: ULONG, ...queryTail },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) =>
      withKey(k, a.KeyHandle, key => {
        const info = keyInformation(k, key, a.KeyInformationClass);
        return info ? give(k, info.bytes, info.fixed, a.Information, a.Length, a.ResultLength) : STATUS_INVALID_PARAMETER;
      }),
  }),
  ...service({
    name: 'SetValueKey',
    doc: 'Sets a value of a registry key.',
    irql: PASSIVE,
    args: { KeyHandle: HANDLE, ValueName: PUNICODE_STRING, TitleIndex: ULONG, Type: ULONG, Data: PVOID, DataSize: ULONG },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl: (k, a) =>
      withKey(k, a.KeyHandle, key =>
        cmSetValue(
          k,
          key,
          readString(k, a.ValueName),
          a.Type,
          a.DataSize ? k.mem.readBytes(a.Data, a.DataSize) : new Uint8Array(0),
        ),
      ),
  }),
  ...service({
    name: 'DeleteValueKey',
    doc: 'Deletes a value of a registry key.',
    irql: PASSIVE,
    args: { KeyHandle: HANDLE, ValueName: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) => withKey(k, a.KeyHandle, key => cmDeleteValue(k, key, readString(k, a.ValueName))),
  }),
  ...service({
    name: 'DeleteKey',
    doc: 'Deletes a registry key that has no subkeys.',
    irql: PASSIVE,
    args: { KeyHandle: HANDLE },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) => withKey(k, a.KeyHandle, key => cmDeleteKey(k, key)),
  }),
  ...service({
    name: 'FlushKey',
    doc: 'Writes a registry key to disk; the registry of this machine has none, so there is nothing to write.',
    irql: PASSIVE,
    args: { KeyHandle: HANDLE },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl: (k, a) => withKey(k, a.KeyHandle, () => STATUS_SUCCESS),
  }),
  ntExport({
    name: 'CmpDeleteKeyObject',
    internal: true,
    doc: 'Delete procedure of key objects.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    impl: (k, { Object }) => dereferenceKey(k, keyOfObject(k, Object)),
  }),
  ntExport({
    name: 'CmpParseKey',
    internal: true,
    doc: 'Parse procedure of keys: marks the type as one that parses the rest of a path.',
    args: { ParseObject: PVOID },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: () => STATUS_OBJECT_TYPE_MISMATCH,
  }),
];
