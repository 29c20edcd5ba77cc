/**
 * ObRegisterCallbacks: drivers that are asked before a handle to a process or thread is opened or duplicated, and told afterwards. A type's callbacks hang on
 * OBJECT_TYPE.CallbackList, the highest altitude first; before the operation they run in that order, after it in the reverse one.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { PagedPool } from '../types/mm.ts';
import { OBJECT_TYPE } from '../types/ob.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../types/status.ts';
import { array, ptr, struct, u16, u32 } from '../types/struct.ts';
import { CALL_USE, enterUse, initializeUse, leaveUse, removeUse, STATUS_FLT_INSTANCE_ALTITUDE_COLLISION } from './calluse.ts';
import { poolTag } from './globals.ts';
import { allocateString, freeString, readString } from './string.ts';
import { exportedType } from './type.ts';

export const OB_OPERATION_HANDLE_CREATE = 1,
  OB_OPERATION_HANDLE_DUPLICATE = 2;
const OB_FLT_REGISTRATION_VERSION = 0x100;
/** How many callbacks an operation can have: their contexts lie in its frame. */
export const MAX_CALLBACKS = 16;
const TAG = poolTag('ObCb');

const REGISTRATION = struct('_OB_CALLBACK_REGISTRATION', {
  Version: u16,
  OperationRegistrationCount: u16,
  Altitude: [8, UNICODE_STRING],
  RegistrationContext: ptr,
  OperationRegistration: ptr,
});
const OPERATION = struct('_OB_OPERATION_REGISTRATION', {
  ObjectType: ptr,
  Operations: u32,
  PreOperation: [0x10, ptr],
  PostOperation: ptr,
});
/** A registration: its altitude, and the operations that are under way in it. */
const ENTRY = struct('_CALLBACK_ENTRY', {
  Version: u16,
  OperationCount: u16,
  RegistrationContext: ptr,
  Altitude: UNICODE_STRING,
  Use: CALL_USE,
});
const ITEM = struct('_CALLBACK_ENTRY_ITEM', {
  EntryItemList: array(ptr, 2),
  Operations: u32,
  Enabled: u32,
  CallbackEntry: ptr,
  ObjectType: ptr,
  PreOperation: ptr,
  PostOperation: ptr,
});
const R = REGISTRATION.f;
const E = ENTRY.f;
const I = ITEM.f;

const listHead = (type: number): number => type + OBJECT_TYPE.f.CallbackList.offset;

/** Compares altitudes: decimal numbers with a fraction, as text of any length. */
export function compareAltitudes(a: string, b: string): number {
  const split = (s: string): [string, string] => {
    const [whole = '', fraction = ''] = s.split('.');
    return [whole.replace(/^0+/, ''), fraction.replace(/0+$/, '')];
  };
  const [aw, af] = split(a);
  const [bw, bf] = split(b);
  if (aw.length !== bw.length) return aw.length - bw.length;
  if (aw !== bw) return aw < bw ? -1 : 1;
  return af === bf ? 0 : af < bf ? -1 : 1;
}

const isAltitude = (s: string): boolean => /^\d+(\.\d+)?$/.test(s);

/** Registers; the entry's address is the handle that the caller gets. */
export function registerCallbacks(k: Kernel, registration: number): { status: number; entry: number } {
  const { mem } = k;
  const fail = (status: number): { status: number; entry: number } => ({ status, entry: 0 });
  if (R.Version.get(mem, registration) !== OB_FLT_REGISTRATION_VERSION) return fail(STATUS_INVALID_PARAMETER);
  const count = R.OperationRegistrationCount.get(mem, registration);
  const altitude = readString(k, registration + R.Altitude.offset);
  if (!count || !isAltitude(altitude)) return fail(STATUS_INVALID_PARAMETER);
  const operations = R.OperationRegistration.get(mem, registration);
  const types: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = operations + i * OPERATION.size;
    const variable = OPERATION.f.ObjectType.get(mem, at);
    const type = variable ? mem.readPtr(variable) : 0;
    const known = type === exportedType(k, 'PsProcessType') || type === exportedType(k, 'PsThreadType');
    const wanted = OPERATION.f.Operations.get(mem, at);
    if (!known || !wanted || wanted & ~3) return fail(STATUS_INVALID_PARAMETER);
    if (!OPERATION.f.PreOperation.get(mem, at) && !OPERATION.f.PostOperation.get(mem, at)) return fail(STATUS_INVALID_PARAMETER);
    types.push(type);
  }
  for (const type of types) {
    const items = callbackItems(k, type);
    if (items.some(item => compareAltitudes(itemAltitude(k, item), altitude) === 0))
      return fail(STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
    if (items.length >= MAX_CALLBACKS) return fail(STATUS_INSUFFICIENT_RESOURCES);
  }
  const entry = exAllocatePool(k, PagedPool, ENTRY.size + count * ITEM.size, TAG);
  if (!entry) return fail(STATUS_INSUFFICIENT_RESOURCES);
  mem.fill(entry, ENTRY.size + count * ITEM.size, 0);
  if (!allocateString(k, entry + E.Altitude.offset, altitude, TAG)) {
    exFreePool(k, entry, TAG);
    return fail(STATUS_INSUFFICIENT_RESOURCES);
  }
  E.Version.set(mem, entry, OB_FLT_REGISTRATION_VERSION);
  E.OperationCount.set(mem, entry, count);
  E.RegistrationContext.set(mem, entry, R.RegistrationContext.get(mem, registration));
  initializeUse(k, entry + E.Use.offset);
  types.forEach((type, i) => {
    const item = entry + ENTRY.size + i * ITEM.size;
    const at = operations + i * OPERATION.size;
    I.Operations.set(mem, item, OPERATION.f.Operations.get(mem, at));
    I.Enabled.set(mem, item, 1);
    I.CallbackEntry.set(mem, item, entry);
    I.ObjectType.set(mem, item, type);
    I.PreOperation.set(mem, item, OPERATION.f.PreOperation.get(mem, at));
    I.PostOperation.set(mem, item, OPERATION.f.PostOperation.get(mem, at));
    // In front of the first with a lower altitude: inserting at the tail of that entry's list is inserting before it.
    const lower = callbackItems(k, type).find(other => compareAltitudes(itemAltitude(k, other), altitude) < 0);
    insertTailList(mem, lower ?? listHead(type), item);
  });
  return { status: STATUS_SUCCESS, entry };
}

const itemAltitude = (k: Kernel, item: number): string => readString(k, I.CallbackEntry.get(k.mem, item) + E.Altitude.offset);

/** The callbacks of a type, the highest altitude first. */
export const callbackItems = (k: Kernel, type: number): number[] => [...listEntries(k.mem, listHead(type))];

export interface Callback {
  item: number;
  entry: number;
  context: number;
  pre: number;
  post: number;
}

/** The callbacks of a type that want to hear of an operation. */
export function callbacksFor(k: Kernel, type: number, operation: number): Callback[] {
  return callbackItems(k, type)
    .filter(item => I.Operations.get(k.mem, item) & operation)
    .map(item => readCallback(k, item));
}

export function readCallback(k: Kernel, item: number): Callback {
  const entry = I.CallbackEntry.get(k.mem, item);
  return {
    item,
    entry,
    context: E.RegistrationContext.get(k.mem, entry),
    pre: I.PreOperation.get(k.mem, item),
    post: I.PostOperation.get(k.mem, item),
  };
}

/** An operation holds the registrations that it calls. */
export const enterCallback = (k: Kernel, entry: number): void => enterUse(k, entry + E.Use.offset);
export const leaveCallback = (k: Kernel, entry: number): void => leaveUse(k, entry + E.Use.offset);

/** Takes a registration out; the event to wait for while operations are still in it, or 0. */
export function removeCallbacks(k: Kernel, entry: number): number {
  const count = E.OperationCount.get(k.mem, entry);
  for (let i = 0; i < count; i++) removeEntryList(k.mem, entry + ENTRY.size + i * ITEM.size);
  return removeUse(k, entry + E.Use.offset);
}

/** Frees a registration that nothing uses any more. */
export function freeCallbacks(k: Kernel, entry: number): void {
  freeString(k, entry + E.Altitude.offset);
  exFreePool(k, entry, TAG);
}
