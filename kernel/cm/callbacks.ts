/**
 * CmRegisterCallbackEx: drivers that are asked before an operation on the registry and told afterwards. A callback can keep a context with a key object
 * (CmSetCallbackObjectContext) that it gets with every operation on it.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { compareAltitudes } from '../ob/callbacks.ts';
import { CALL_USE, enterUse, initializeUse, leaveUse, removeUse, STATUS_FLT_INSTANCE_ALTITUDE_COLLISION } from '../ob/calluse.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, freeString, readString } from '../ob/string.ts';
import { initializeListHead, insertHeadList, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { PagedPool } from '../types/mm.ts';
import { LIST_ENTRY, UNICODE_STRING } from '../types/rtl.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, struct, u32, u64 } from '../types/struct.ts';
import { KEY_CONTEXT_LIST } from './registry.ts';

const TAG = poolTag('CMcb');

const ENTRY = struct('_CM_CALLBACK_CONTEXT_BLOCK', {
  Link: LIST_ENTRY,
  /** Operations that are calling it now. */
  Use: CALL_USE,
  Cookie: u64,
  CallerContext: ptr,
  Function: ptr,
  Altitude: UNICODE_STRING,
  ObjectContextListHead: LIST_ENTRY,
});
const E = ENTRY.f;
/** What a callback keeps with a key object. */
const CONTEXT = struct('_CM_OBJECT_CONTEXT', {
  KeyLink: LIST_ENTRY,
  EntryLink: LIST_ENTRY,
  Entry: ptr,
  KeyBody: ptr,
  Context: ptr,
});
const X = CONTEXT.f;

const head = (k: Kernel): number => k.global.address('CmpCallBackListHead');

/** The callbacks in the order in which they are asked. */
export const callbackEntries = (k: Kernel): number[] => [...listEntries(k.mem, head(k))];
export const anyCallbacks = (k: Kernel): boolean => k.mem.readPtr(head(k)) !== head(k);

/** A call of a callback that is under way; it lies in the frame of the operation. */
export const CALL = struct('_CM_CALLBACK_CALL', { Link: LIST_ENTRY, Thread: ptr, Altitude: UNICODE_STRING, Under: u32 });
const C = CALL.f;

/** The callback of `entry` is called. */
export function beginCall(k: Kernel, record: number, entry: number): void {
  const { mem } = k;
  C.Thread.set(mem, record, k.currentThread());
  mem.writeBytes(record + C.Altitude.offset, mem.readBytes(entry + E.Altitude.offset, UNICODE_STRING.size));
  C.Under.set(mem, record, 1);
  insertHeadList(mem, k.global.address('CmpCallListHead'), record);
}
/** It has returned, or will not. */
export function endCall(k: Kernel, record: number): void {
  if (!C.Under.get(k.mem, record)) return;
  C.Under.set(k.mem, record, 0);
  removeEntryList(k.mem, record);
}

/** The callbacks that an operation of the current thread tells: of one that a callback does itself, only those at lower altitudes than that callback. */
export function callbacksToTell(k: Kernel): number[] {
  const { mem } = k;
  const entries = callbackEntries(k);
  for (const record of listEntries(mem, k.global.address('CmpCallListHead'))) {
    if (C.Thread.get(mem, record) !== k.currentThread()) continue;
    const altitude = readString(k, record + C.Altitude.offset);
    return entries.filter(e => compareAltitudes(readString(k, e + E.Altitude.offset), altitude) < 0);
  }
  return entries;
}

/** Registers; an old-style callback (CmRegisterCallback) has the altitude that old ones have in common, behind those before it. */
export function registerCallback(
  k: Kernel,
  routine: number,
  altitude: string,
  context: number,
  old: boolean,
): { status: number; cookie: bigint } {
  const { mem } = k;
  const entries = callbackEntries(k);
  const altitudeOf = (entry: number): string => readString(k, entry + E.Altitude.offset);
  if (!old && entries.some(e => compareAltitudes(altitudeOf(e), altitude) === 0))
    return { status: STATUS_FLT_INSTANCE_ALTITUDE_COLLISION, cookie: 0n };
  const entry = exAllocatePool(k, PagedPool, ENTRY.size, TAG);
  if (!entry) return { status: STATUS_INSUFFICIENT_RESOURCES, cookie: 0n };
  mem.fill(entry, ENTRY.size, 0);
  if (!allocateString(k, entry + E.Altitude.offset, altitude, TAG)) {
    exFreePool(k, entry, TAG);
    return { status: STATUS_INSUFFICIENT_RESOURCES, cookie: 0n };
  }
  const cookie = k.global.get('CmpCallbackCookie') + 1n;
  k.global.set('CmpCallbackCookie', cookie);
  E.Cookie.set(mem, entry, cookie);
  E.CallerContext.set(mem, entry, context);
  E.Function.set(mem, entry, routine);
  initializeListHead(mem, entry + E.ObjectContextListHead.offset);
  initializeUse(k, entry + E.Use.offset);
  const lower = entries.find(e => compareAltitudes(altitudeOf(e), altitude) < 0);
  insertTailList(mem, lower ?? head(k), entry);
  return { status: STATUS_SUCCESS, cookie };
}

/** The callback of a cookie, or 0. */
export const findCallback = (k: Kernel, cookie: bigint): number =>
  callbackEntries(k).find(e => E.Cookie.get(k.mem, e) === cookie) ?? 0;

export const callbackRoutine = (k: Kernel, entry: number): number => E.Function.get(k.mem, entry);
export const callbackContext = (k: Kernel, entry: number): number => E.CallerContext.get(k.mem, entry);

export const enterCallback = (k: Kernel, entry: number): void => enterUse(k, entry + E.Use.offset);
export const leaveCallback = (k: Kernel, entry: number): void => leaveUse(k, entry + E.Use.offset);

/** Takes a callback out of the list; the event to wait for while it is being called, or 0. */
export function removeCallback(k: Kernel, entry: number): number {
  removeEntryList(k.mem, entry);
  return removeUse(k, entry + E.Use.offset);
}

export function freeCallback(k: Kernel, entry: number): void {
  freeString(k, entry + E.Altitude.offset);
  exFreePool(k, entry, TAG);
}

const contextOfLink = (link: number): number => link - X.EntryLink.offset;

/** The record of a callback's context with a key object, or 0. */
function findContext(k: Kernel, entry: number, body: number): number {
  for (const at of listEntries(k.mem, body + KEY_CONTEXT_LIST)) if (X.Entry.get(k.mem, at) === entry) return at;
  return 0;
}

/** What a callback keeps with a key object; 0 for nothing. */
export function objectContext(k: Kernel, entry: number, body: number): number {
  const at = body ? findContext(k, entry, body) : 0;
  return at ? X.Context.get(k.mem, at) : 0;
}

/** Sets it; the one before is returned. Null takes it away. */
export function setObjectContext(k: Kernel, entry: number, body: number, context: number): { status: number; old: number } {
  const { mem } = k;
  let at = findContext(k, entry, body);
  const old = at ? X.Context.get(mem, at) : 0;
  if (!context) {
    if (at) dropContext(k, at);
    return { status: STATUS_SUCCESS, old };
  }
  if (!at) {
    at = exAllocatePool(k, PagedPool, CONTEXT.size, TAG);
    if (!at) return { status: STATUS_INSUFFICIENT_RESOURCES, old: 0 };
    X.Entry.set(mem, at, entry);
    X.KeyBody.set(mem, at, body);
    insertTailList(mem, body + KEY_CONTEXT_LIST, at);
    insertTailList(mem, entry + E.ObjectContextListHead.offset, at + X.EntryLink.offset);
  }
  X.Context.set(mem, at, context);
  return { status: STATUS_SUCCESS, old };
}

function dropContext(k: Kernel, at: number): void {
  removeEntryList(k.mem, at + X.KeyLink.offset);
  removeEntryList(k.mem, at + X.EntryLink.offset);
  exFreePool(k, at, TAG);
}

export interface Cleanup {
  entry: number;
  body: number;
  context: number;
}

/** Takes the next context off a key object (or, with an entry, off a callback); null when there is none. */
export function takeContext(k: Kernel, from: { body?: number; entry?: number }): Cleanup | null {
  const [first] = from.body
    ? listEntries(k.mem, from.body + KEY_CONTEXT_LIST)
    : [...listEntries(k.mem, from.entry! + E.ObjectContextListHead.offset)].map(contextOfLink);
  if (first === undefined) return null;
  const out = { entry: X.Entry.get(k.mem, first), body: X.KeyBody.get(k.mem, first), context: X.Context.get(k.mem, first) };
  dropContext(k, first);
  return out;
}
