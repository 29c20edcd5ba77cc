/** The registry's system services (Zw*Key): values, information, deletion, renaming, change notification. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keClearEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { obCreateHandle, obReferenceObjectByHandle } from '../ob/handle.ts';
import { deferDeletion, dereference, obDereferenceDeferred } from '../ob/object.ts';
import { previousMode } from '../ob/mode.ts';
import { readString } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { REG_LINK } from '../types/cm.ts';
import { KernelMode, KEVENT } from '../types/ke.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_BUFFER_OVERFLOW,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MORE_ENTRIES,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OPERATION_NOT_SUPPORTED_IN_TRANSACTION,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, HANDLE, type NtExport, pointer, PVOID, ULONG } from '../exports/declare.ts';
import { give, keyInformation, valueInformation } from './information.ts';
import { notifyRoutines, watchKey } from './notify.ts';
import { keyService } from './operation.ts';
import {
  cmDeleteKey,
  cmDeleteValue,
  cmQueryValue,
  cmRenameKey,
  cmSetLink,
  cmSetTime,
  cmSetValue,
  createKeyObject,
  findValue,
  KCB_SYM_LINK,
  isOwn,
  keyFlags,
  keyOfObject,
  keyTransaction,
  keyValues,
  subKeys,
} from './registry.ts';

const PUNICODE_STRING = pointer('PUNICODE_STRING');
/** Rights of keys. */
const KEY_QUERY_VALUE = 1,
  KEY_SET_VALUE = 2,
  KEY_ENUMERATE_SUB_KEYS = 8,
  KEY_NOTIFY = 0x10,
  DELETE = 0x10000,
  KEY_WRITE = 0x20006;
/** Longest name of a value, in characters. */
const MAX_VALUE_NAME = 16383;
const LINK_VALUE = 'SymbolicLinkValue';

/** A handle to a key, written to `out`; for the managers that open keys themselves. */
export function openHandle(k: Kernel, key: number, access: number, attributes: number, out: number): number {
  const body = createKeyObject(k, key);
  if (!body) return STATUS_INSUFFICIENT_RESOURCES;
  const h = obCreateHandle(k, body, access, attributes);
  if (dereference(k, body) === 0) deferDeletion(k, body);
  if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
  return h.status;
}

const queryTail = { Information: PVOID, Length: ULONG, ResultLength: PVOID } as const;
interface Tail {
  Information: number;
  Length: number;
  ResultLength: number;
}

/** Object, class or index, buffer, length, length needed; the offset of CallContext. */
function queryInfo(k: Kernel, at: number, object: number, numbers: readonly [number, number?], a: Tail): number {
  k.mem.writePtr(at, object);
  numbers.forEach((n, i) => k.mem.write32(at + 8 + i * 4, n ?? 0));
  k.mem.writePtr(at + 16, a.Information);
  k.mem.write32(at + 24, a.Length);
  k.mem.writePtr(at + 32, a.ResultLength);
  return 40;
}

const answer = (k: Kernel, info: { bytes: Uint8Array; fixed: number } | null, a: Tail): number =>
  info ? give(k, info.bytes, info.fixed, a.Information, a.Length, a.ResultLength) : STATUS_INVALID_PARAMETER;

const querying: NtExport[] = [
  ...keyService({
    name: 'QueryValueKey',
    doc: 'Reads a value of a registry key.',
    args: { KeyHandle: HANDLE, ValueName: PUNICODE_STRING, KeyValueInformationClass: ULONG, ...queryTail },
    cycles: 700,
    access: KEY_QUERY_VALUE,
    pre: 8,
    post: 23,
    info(k, at, object, a) {
      k.mem.writePtr(at, object);
      k.mem.writePtr(at + 8, a.ValueName);
      k.mem.write32(at + 16, a.KeyValueInformationClass);
      k.mem.writePtr(at + 24, a.Information);
      k.mem.write32(at + 32, a.Length);
      k.mem.writePtr(at + 40, a.ResultLength);
      return 48;
    },
    run(k, object, a) {
      const value = findValue(k, keyOfObject(k, object), readString(k, a.ValueName), keyTransaction(k, object));
      if (!value) return STATUS_OBJECT_NAME_NOT_FOUND;
      return answer(k, valueInformation(k, value, a.KeyValueInformationClass), a);
    },
  }),
  ...keyService({
    name: 'EnumerateValueKey',
    doc: 'Reads the n-th value of a registry key.',
    args: { KeyHandle: HANDLE, Index: ULONG, KeyValueInformationClass: ULONG, ...queryTail },
    cycles: 700,
    access: KEY_QUERY_VALUE,
    pre: 6,
    post: 21,
    info: (k, at, object, a) => queryInfo(k, at, object, [a.Index, a.KeyValueInformationClass], a),
    run(k, object, a) {
      const value = keyValues(k, keyOfObject(k, object), keyTransaction(k, object))[a.Index];
      if (value === undefined) return STATUS_NO_MORE_ENTRIES;
      return answer(k, valueInformation(k, value, a.KeyValueInformationClass), a);
    },
  }),
  ...keyService({
    name: 'EnumerateKey',
    doc: 'Describes the n-th subkey of a registry key.',
    args: { KeyHandle: HANDLE, Index: ULONG, KeyInformationClass: ULONG, ...queryTail },
    cycles: 700,
    access: KEY_ENUMERATE_SUB_KEYS,
    pre: 5,
    post: 20,
    info: (k, at, object, a) => queryInfo(k, at, object, [a.Index, a.KeyInformationClass], a),
    run(k, object, a) {
      // Only what a subkey says of itself: its name is known to the caller's key.
      if (a.KeyInformationClass > 3) return STATUS_INVALID_PARAMETER;
      const tx = keyTransaction(k, object);
      const sub = subKeys(k, keyOfObject(k, object), tx)[a.Index];
      if (sub === undefined) return STATUS_NO_MORE_ENTRIES;
      return answer(k, keyInformation(k, sub, a.KeyInformationClass, tx), a);
    },
  }),
  ...keyService({
    name: 'QueryKey',
    doc: 'Describes a registry key.',
    args: { KeyHandle: HANDLE, KeyInformationClass: ULONG, ...queryTail },
    cycles: 700,
    access: 0,
    pre: 7,
    post: 22,
    info: (k, at, object, a) => queryInfo(k, at, object, [a.KeyInformationClass], a),
    run: (k, object, a) =>
      answer(k, keyInformation(k, keyOfObject(k, object), a.KeyInformationClass, keyTransaction(k, object)), a),
  }),
  ...keyService({
    name: 'QueryMultipleValueKey',
    doc: 'Reads several values of a registry key at once.',
    args: {
      KeyHandle: HANDLE,
      ValueEntries: PVOID,
      EntryCount: ULONG,
      ValueBuffer: PVOID,
      BufferLength: PVOID,
      RequiredBufferLength: PVOID,
    },
    cycles: 1200,
    access: KEY_QUERY_VALUE,
    pre: 9,
    post: 24,
    info(k, at, object, a) {
      [object, a.ValueEntries, a.EntryCount, a.ValueBuffer, a.BufferLength, a.RequiredBufferLength].forEach((v, i) =>
        k.mem.writePtr(at + i * 8, v),
      );
      return 48;
    },
    run: (k, object, a) => queryMultiple(k, keyOfObject(k, object), keyTransaction(k, object), a),
  }),
];

/** KEY_VALUE_ENTRY: name, length, offset, type; 24 bytes. */
function queryMultiple(
  k: Kernel,
  key: number,
  tx: number,
  a: { ValueEntries: number; EntryCount: number; ValueBuffer: number; BufferLength: number; RequiredBufferLength: number },
): number {
  const { mem } = k;
  const room = mem.read32(a.BufferLength);
  let at = 0;
  let fits = true;
  for (let i = 0; i < a.EntryCount; i++) {
    const entry = a.ValueEntries + i * 24;
    const value = cmQueryValue(k, key, readString(k, mem.readPtr(entry)), tx);
    if (!value) return STATUS_OBJECT_NAME_NOT_FOUND;
    if (fits && at + value.data.length <= room) {
      mem.writeBytes(a.ValueBuffer + at, value.data);
      mem.write32(entry + 8, value.data.length);
      mem.write32(entry + 12, at);
      mem.write32(entry + 16, value.type);
    } else fits = false;
    at += Math.ceil(value.data.length / 4) * 4;
  }
  mem.write32(a.BufferLength, fits ? at : room);
  if (a.RequiredBufferLength) mem.write32(a.RequiredBufferLength, at);
  return fits ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

/** Setting a value; a link key takes nothing but the path that it leads to. */
function setValue(k: Kernel, key: number, name: string, type: number, data: Uint8Array, tx: number): number {
  const link = (keyFlags(k, key) & KCB_SYM_LINK) !== 0;
  if (link) {
    if (type !== REG_LINK || name.toLowerCase() !== LINK_VALUE.toLowerCase()) return STATUS_ACCESS_DENIED;
    // Where a link leads has no version of its own for a transaction.
    if (tx && !isOwn(k, key, tx)) return STATUS_OPERATION_NOT_SUPPORTED_IN_TRANSACTION;
    let target = '';
    for (let i = 0; i + 1 < data.length; i += 2) target += String.fromCharCode(data[i]! | (data[i + 1]! << 8));
    const status = cmSetLink(k, key, target);
    if (status !== STATUS_SUCCESS) return status;
  }
  return cmSetValue(k, key, name, type, data, tx);
}

const changing: NtExport[] = [
  ...keyService({
    name: 'SetValueKey',
    doc: 'Sets a value of a registry key.',
    args: { KeyHandle: HANDLE, ValueName: PUNICODE_STRING, TitleIndex: ULONG, Type: ULONG, Data: PVOID, DataSize: ULONG },
    cycles: 900,
    access: KEY_SET_VALUE,
    pre: 1,
    post: 16,
    info(k, at, object, a) {
      k.mem.writePtr(at, object);
      k.mem.writePtr(at + 8, a.ValueName);
      k.mem.write32(at + 16, a.TitleIndex);
      k.mem.write32(at + 20, a.Type);
      k.mem.writePtr(at + 24, a.Data);
      k.mem.write32(at + 32, a.DataSize);
      return 40;
    },
    run(k, object, a) {
      const name = readString(k, a.ValueName);
      if (name.length > MAX_VALUE_NAME) return STATUS_INVALID_PARAMETER;
      return setValue(
        k,
        keyOfObject(k, object),
        name,
        a.Type,
        a.DataSize ? k.mem.readBytes(a.Data, a.DataSize) : new Uint8Array(0),
        keyTransaction(k, object),
      );
    },
  }),
  ...keyService({
    name: 'DeleteValueKey',
    doc: 'Deletes a value of a registry key.',
    args: { KeyHandle: HANDLE, ValueName: PUNICODE_STRING },
    cycles: 700,
    access: KEY_SET_VALUE,
    pre: 2,
    post: 17,
    info(k, at, object, a) {
      k.mem.writePtr(at, object);
      k.mem.writePtr(at + 8, a.ValueName);
      return 16;
    },
    run: (k, object, a) => cmDeleteValue(k, keyOfObject(k, object), readString(k, a.ValueName), keyTransaction(k, object)),
  }),
  ...keyService({
    name: 'DeleteKey',
    doc: 'Deletes a registry key that has no subkeys.',
    args: { KeyHandle: HANDLE },
    cycles: 700,
    access: DELETE,
    pre: 0,
    post: 15,
    info(k, at, object) {
      k.mem.writePtr(at, object);
      return 8;
    },
    run: (k, object) => cmDeleteKey(k, keyOfObject(k, object), keyTransaction(k, object)),
  }),
  ...keyService({
    name: 'RenameKey',
    doc: 'Gives a registry key another name.',
    args: { KeyHandle: HANDLE, NewName: PUNICODE_STRING },
    cycles: 700,
    access: KEY_WRITE,
    pre: 4,
    post: 19,
    info(k, at, object, a) {
      k.mem.writePtr(at, object);
      k.mem.writePtr(at + 8, a.NewName);
      return 16;
    },
    run(k, object, a) {
      const name = readString(k, a.NewName);
      if (name === '' || name.includes('\\') || name.length > 255) return STATUS_INVALID_PARAMETER;
      return cmRenameKey(k, keyOfObject(k, object), name, keyTransaction(k, object));
    },
  }),
  ...keyService({
    name: 'SetInformationKey',
    doc: 'Changes information about a registry key: the time of its last change (class 0).',
    args: { KeyHandle: HANDLE, KeySetInformationClass: ULONG, KeySetInformation: PVOID, KeySetInformationLength: ULONG },
    cycles: 500,
    status: 'partial',
    missing: 'classes other than KeyWriteTimeInformation',
    access: KEY_SET_VALUE,
    pre: 3,
    post: 18,
    info(k, at, object, a) {
      k.mem.writePtr(at, object);
      k.mem.write32(at + 8, a.KeySetInformationClass);
      k.mem.writePtr(at + 16, a.KeySetInformation);
      k.mem.write32(at + 24, a.KeySetInformationLength);
      return 32;
    },
    run(k, object, a) {
      if (a.KeySetInformationClass !== 0) return STATUS_INVALID_INFO_CLASS;
      if (a.KeySetInformationLength !== 8) return STATUS_INFO_LENGTH_MISMATCH;
      const time = BigInt.asIntN(64, k.mem.read64(a.KeySetInformation));
      return cmSetTime(k, keyOfObject(k, object), time, keyTransaction(k, object));
    },
  }),
  ...keyService({
    name: 'FlushKey',
    doc: 'Writes a registry key to disk; the registry of this machine has none, so there is nothing to write.',
    args: { KeyHandle: HANDLE },
    cycles: 200,
    access: 0,
    pre: 30,
    post: 31,
    info(k, at, object) {
      k.mem.writePtr(at, object);
      return 8;
    },
    run: () => STATUS_SUCCESS,
  }),
];

interface NotifyArguments {
  KeyHandle: number;
  Event: number;
  ApcRoutine: number;
  ApcContext: number;
  IoStatusBlock: number;
  CompletionFilter: number;
  WatchTree: boolean;
  Asynchronous: boolean;
}

/**
 * Begins to watch. An asynchronous caller has an event and, from kernel mode, a work item that is queued (ApcRoutine, with its queue in ApcContext), from user mode a routine
 * that its thread calls.
 */
function beginNotify(k: Kernel, body: number, a: NotifyArguments, own: number): number {
  if (!a.CompletionFilter || a.CompletionFilter & ~0x1000000f) return STATUS_INVALID_PARAMETER;
  k.mem.probe(a.IoStatusBlock, 16, true);
  let event = own;
  const program = previousMode(k) !== KernelMode && a.Asynchronous;
  const item = previousMode(k) === KernelMode && a.Asynchronous ? a.ApcRoutine : 0;
  if (a.Asynchronous && a.Event) {
    const r = obReferenceObjectByHandle(k, a.Event, 2, exportedType(k, 'ExEventObjectType'), previousMode(k));
    if (r.status !== STATUS_SUCCESS) return r.status;
    event = r.object;
    keClearEvent(k, event);
  }
  const held = a.Asynchronous && a.Event !== 0;
  const begun = watchKey(k, {
    key: keyOfObject(k, body),
    body,
    filter: a.CompletionFilter & 15,
    tree: a.WatchTree,
    event,
    held,
    workItem: item,
    queueType: item ? a.ApcContext : 0,
    // Who waits finds the status behind its event, in its frame, and copies it by itself.
    iosb: own ? own + KEVENT.size : a.IoStatusBlock,
    thread: program ? k.currentThread() : 0,
    apcRoutine: program ? a.ApcRoutine : 0,
    apcContext: program ? a.ApcContext : 0,
  });
  if (begun) return STATUS_PENDING;
  if (held) obDereferenceDeferred(k, event);
  return STATUS_INSUFFICIENT_RESOURCES;
}

const notifying: NtExport[] = keyService({
  name: 'NotifyChangeKey',
  doc: 'Waits, or asks to be told, until a registry key or a key below it changes.',
  args: {
    KeyHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PVOID,
    ApcContext: PVOID,
    IoStatusBlock: PVOID,
    CompletionFilter: ULONG,
    WatchTree: BOOLEAN,
    Buffer: PVOID,
    BufferSize: ULONG,
    Asynchronous: BOOLEAN,
  },
  cycles: 600,
  access: KEY_NOTIFY,
  // Callbacks are not told of this one.
  pre: 9999,
  post: 9999,
  info(k, at, object) {
    k.mem.writePtr(at, object);
    return 8;
  },
  run(k, object, a, f) {
    const own = a.Asynchronous ? 0 : f.address('Extra');
    if (own) keInitializeEvent(k, own, 0, false);
    return beginNotify(k, object, a, own);
  },
  wait: (_k, f, a) => ({ event: !a.Asynchronous && f.get('Status') === STATUS_PENDING ? f.address('Extra') : 0 }),
  waitFor: (k, event) => keWait(k, [event]),
  afterWait(k, f, a) {
    k.mem.copy(a.IoStatusBlock, f.address('Extra') + KEVENT.size, 16);
    return k.mem.read32(a.IoStatusBlock);
  },
});

export const exports: NtExport[] = [...querying, ...changing, ...notifying, ...notifyRoutines];
