/**
 * Transacted keys. What a transaction changes stands in the tree at once, marked as its own: keys and values that it made are seen by it alone, those that it deleted are hidden from it alone, a
 * new name, time or descriptor waits beside the old one. A CM_UOW record for each change (unit of work) says what is to be done when the outcome is known.
 *
 * Two transactions cannot change the same thing: the second gets STATUS_TRANSACTIONAL_CONFLICT. A change without a transaction always goes through: a transaction that it meets is rolled back.
 * Source: ZwCreateKeyTransacted, WDK; RegCreateKeyTransacted, Windows SDK.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, freeString, readString } from '../ob/string.ts';
import { insertTailList, isListEmpty, listEntries, removeEntryList } from '../rtl/list.ts';
import { dereferenceDescriptor, referenceDescriptor } from '../se/descriptor.ts';
import { isActive, mayRollBack, rollback } from '../tm/protocol.ts';
import { deliverLater } from '../tm/notify.ts';
import { PagedPool } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_SUCCESS,
  STATUS_TRANSACTION_NOT_ACTIVE,
  STATUS_TRANSACTIONAL_CONFLICT,
} from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { KTRANSACTION } from '../types/tm.ts';
import {
  REG_NOTIFY_CHANGE_ATTRIBUTES,
  REG_NOTIFY_CHANGE_LAST_SET,
  REG_NOTIFY_CHANGE_NAME,
  REG_NOTIFY_CHANGE_SECURITY,
} from './notify.ts';
import { dereferenceKey, freeValue, physicalSubKeys, referenceKey, touch, unlinkKey } from './registry.ts';
import { CM_KEY_CONTROL_BLOCK, CM_KEY_VALUE } from './structures.ts';

const K = CM_KEY_CONTROL_BLOCK.f;
const V = CM_KEY_VALUE.f;

/** What a transaction has done to a key or a value that carries its mark. */
export const TRANS_CREATED = 1,
  TRANS_DELETED = 2,
  /** Made and deleted again: nobody sees it. */
  TRANS_BOTH = 3;

const UOW = struct('_CM_UOW', { Link: LIST_ENTRY, Key: ptr, Value: ptr, Kind: u32 });
const U = UOW.f;
const TAG = poolTag('CMuw');

/** CM_UOW.Kind. */
const ADD_KEY = 0,
  DELETE_KEY = 1,
  ADD_VALUE = 2,
  DELETE_VALUE = 3,
  RENAME = 4,
  SECURITY = 5,
  TIME = 6;

const head = (tx: number): number => tx + KTRANSACTION.f.CmUowHead.offset;
const records = (k: Kernel, tx: number): number[] => [...listEntries(k.mem, head(tx))];

/** Whether who works in transaction `tx` (0: in none) sees a thing with this mark. */
export function isVisible(owner: number, kind: number, tx: number): boolean {
  if (!owner) return true;
  if (owner === tx) return kind === TRANS_CREATED;
  return kind === TRANS_DELETED;
}

/** The transaction has changed something in the registry that waits for its outcome. */
export const cmHasChanges = (k: Kernel, tx: number): boolean => !isListEmpty(k.mem, head(tx));

/** Notes a change, with a reference to its key. False without pool. */
function record(k: Kernel, tx: number, kind: number, key: number, value = 0): boolean {
  const at = exAllocatePool(k, PagedPool, UOW.size, TAG);
  if (!at) return false;
  U.Key.set(k.mem, at, key);
  U.Value.set(k.mem, at, value);
  U.Kind.set(k.mem, at, kind);
  referenceKey(k, key);
  insertTailList(k.mem, head(tx), at);
  return true;
}

function forget(k: Kernel, at: number): void {
  removeEntryList(k.mem, at);
  dereferenceKey(k, U.Key.get(k.mem, at));
  exFreePool(k, at, TAG);
}

/** Rolls a transaction back that a change without one has met. STATUS_TRANSACTIONAL_CONFLICT when it is too late for that. */
function abort(k: Kernel, tx: number): number {
  if (!mayRollBack(k, tx)) return STATUS_TRANSACTIONAL_CONFLICT;
  rollback(k, tx);
  deliverLater(k);
  return STATUS_SUCCESS;
}

/** Settles a change by `tx` with the transactions that have marks in its way. */
function settle(k: Kernel, tx: number, owners: readonly number[]): number {
  for (const owner of new Set(owners)) {
    if (!owner || owner === tx) continue;
    const status = tx ? STATUS_TRANSACTIONAL_CONFLICT : abort(k, owner);
    if (status !== STATUS_SUCCESS) return status;
  }
  return STATUS_SUCCESS;
}

/** Before something in a key changes: its values, name, time, descriptor. */
export function settleKey(k: Kernel, key: number, tx: number): number {
  return settle(k, tx, [K.LockTrans.get(k.mem, key), K.Trans.get(k.mem, key)]);
}

/** Before a key is deleted: keys that others are making below it count too. */
export function settleDeletion(k: Kernel, key: number, tx: number): number {
  const below = physicalSubKeys(k, key).map(at => K.Trans.get(k.mem, at));
  return settle(k, tx, [K.LockTrans.get(k.mem, key), K.Trans.get(k.mem, key), ...below]);
}

/** Before a key of a name is made below a parent; `taken` are keys that have (or will have) the name and are not seen. */
export function settleCreation(k: Kernel, parent: number, taken: readonly number[], tx: number): number {
  const owners = taken.flatMap(at => [K.LockTrans.get(k.mem, at), K.Trans.get(k.mem, at)]);
  return settle(k, tx, [K.Trans.get(k.mem, parent), ...owners]);
}

/** Marks a key that `tx` has made. False without pool: it is taken out again. */
export function markCreated(k: Kernel, key: number, tx: number): boolean {
  if (!record(k, tx, ADD_KEY, key)) {
    unlinkKey(k, key);
    return false;
  }
  K.Trans.set(k.mem, key, tx);
  K.TransKind.set(k.mem, key, TRANS_CREATED);
  return true;
}

export function markDeleted(k: Kernel, key: number, tx: number): number {
  if (!record(k, tx, DELETE_KEY, key)) return STATUS_INSUFFICIENT_RESOURCES;
  K.TransKind.set(k.mem, key, K.Trans.get(k.mem, key) ? TRANS_BOTH : TRANS_DELETED);
  K.Trans.set(k.mem, key, tx);
  return STATUS_SUCCESS;
}

/** A change in a key: others keep out of it until the outcome. */
function lock(k: Kernel, tx: number, kind: number, key: number, value = 0): number {
  if (!record(k, tx, kind, key, value)) return STATUS_INSUFFICIENT_RESOURCES;
  K.LockTrans.set(k.mem, key, tx);
  return STATUS_SUCCESS;
}

export function markValueCreated(k: Kernel, key: number, value: number, tx: number): number {
  const status = lock(k, tx, ADD_VALUE, key, value);
  if (status !== STATUS_SUCCESS) return status;
  V.Trans.set(k.mem, value, tx);
  V.TransKind.set(k.mem, value, TRANS_CREATED);
  return status;
}

/** Deletes a value in a transaction; one that the transaction made itself goes at once when it ends, whatever the outcome. */
export function markValueDeleted(k: Kernel, key: number, value: number, tx: number): number {
  if (V.Trans.get(k.mem, value) === tx) {
    V.TransKind.set(k.mem, value, TRANS_BOTH);
    return STATUS_SUCCESS;
  }
  const status = lock(k, tx, DELETE_VALUE, key, value);
  if (status !== STATUS_SUCCESS) return status;
  V.Trans.set(k.mem, value, tx);
  V.TransKind.set(k.mem, value, TRANS_DELETED);
  return status;
}

export function renameLater(k: Kernel, key: number, name: string, tx: number): number {
  const slot = key + K.PendingName.offset;
  if (readString(k, slot) === '') {
    const status = lock(k, tx, RENAME, key);
    if (status !== STATUS_SUCCESS) return status;
  }
  freeString(k, slot);
  return allocateString(k, slot, name, TAG) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

export function setTimeLater(k: Kernel, key: number, time: bigint, tx: number): number {
  if (!K.PendingTime.get(k.mem, key)) {
    const status = lock(k, tx, TIME, key);
    if (status !== STATUS_SUCCESS) return status;
  }
  K.PendingTime.set(k.mem, key, time);
  return STATUS_SUCCESS;
}

/** Before the descriptor of a key is replaced through a key object of transaction `tx`: from now on it has one of its own. */
export function beginSecurityChange(k: Kernel, key: number, tx: number): number {
  if (tx && !isActive(k, tx)) return STATUS_TRANSACTION_NOT_ACTIVE;
  const settled = settleKey(k, key, tx);
  if (settled !== STATUS_SUCCESS || !tx || K.PendingSecurity.get(k.mem, key)) return settled;
  const status = lock(k, tx, SECURITY, key);
  const now = K.Security.get(k.mem, key);
  if (status !== STATUS_SUCCESS || !now) return status;
  referenceDescriptor(k, now);
  K.PendingSecurity.set(k.mem, key, now);
  return status;
}

/** The changes of a transaction become everybody's, in their order; who waits for changes of these keys hears of it. */
export function cmCommitTransaction(k: Kernel, tx: number): void {
  for (const at of records(k, tx)) {
    const key = U.Key.get(k.mem, at);
    commitRecord(k, U.Kind.get(k.mem, at), key, U.Value.get(k.mem, at));
    K.LockTrans.set(k.mem, key, 0);
    forget(k, at);
  }
}

function commitRecord(k: Kernel, kind: number, key: number, value: number): void {
  const { mem } = k;
  const parent = K.ParentKcb.get(mem, key);
  switch (kind) {
    case ADD_KEY:
      if (K.TransKind.get(mem, key) !== TRANS_CREATED) return;
      K.Trans.set(mem, key, 0);
      K.TransKind.set(mem, key, 0);
      touch(k, parent, REG_NOTIFY_CHANGE_NAME);
      return;
    case DELETE_KEY: {
      const seen = K.TransKind.get(mem, key) === TRANS_DELETED;
      K.Trans.set(mem, key, 0);
      unlinkKey(k, key);
      if (seen) touch(k, parent, REG_NOTIFY_CHANGE_NAME);
      return;
    }
    case ADD_VALUE:
      V.Trans.set(mem, value, 0);
      if (V.TransKind.get(mem, value) === TRANS_BOTH) freeValue(k, key, value);
      else touch(k, key, REG_NOTIFY_CHANGE_LAST_SET);
      return;
    case DELETE_VALUE:
      freeValue(k, key, value);
      touch(k, key, REG_NOTIFY_CHANGE_LAST_SET);
      return;
    case RENAME:
      // The memory for the new name may have been wanting.
      if (readString(k, key + K.PendingName.offset) === '') return;
      freeString(k, key + K.Name.offset);
      mem.writeBytes(key + K.Name.offset, mem.readBytes(key + K.PendingName.offset, 16));
      mem.fill(key + K.PendingName.offset, 16, 0);
      freeString(k, key + K.FullName.offset);
      touch(k, parent, REG_NOTIFY_CHANGE_NAME);
      return;
    case SECURITY: {
      const own = K.PendingSecurity.get(mem, key);
      if (!own) return;
      const old = K.Security.get(mem, key);
      K.Security.set(mem, key, own);
      K.PendingSecurity.set(mem, key, 0);
      if (old) dereferenceDescriptor(k, old);
      touch(k, key, REG_NOTIFY_CHANGE_SECURITY);
      return;
    }
    case TIME:
      touch(k, key, REG_NOTIFY_CHANGE_ATTRIBUTES);
      K.LastWriteTime.set(mem, key, K.PendingTime.get(mem, key));
      K.PendingTime.set(mem, key, 0n);
  }
}

/** The changes of a transaction are undone, the last one first. */
export function cmRollbackTransaction(k: Kernel, tx: number): void {
  for (const at of records(k, tx).reverse()) {
    const key = U.Key.get(k.mem, at);
    undoRecord(k, U.Kind.get(k.mem, at), key, U.Value.get(k.mem, at));
    K.LockTrans.set(k.mem, key, 0);
    forget(k, at);
  }
}

function undoRecord(k: Kernel, kind: number, key: number, value: number): void {
  const { mem } = k;
  switch (kind) {
    case ADD_KEY:
      K.Trans.set(mem, key, 0);
      unlinkKey(k, key);
      return;
    case DELETE_KEY:
      if (K.TransKind.get(mem, key) !== TRANS_DELETED) return;
      K.Trans.set(mem, key, 0);
      K.TransKind.set(mem, key, 0);
      return;
    case ADD_VALUE:
      freeValue(k, key, value);
      return;
    case DELETE_VALUE:
      V.Trans.set(mem, value, 0);
      V.TransKind.set(mem, value, 0);
      return;
    case RENAME:
      freeString(k, key + K.PendingName.offset);
      return;
    case SECURITY: {
      const own = K.PendingSecurity.get(mem, key);
      K.PendingSecurity.set(mem, key, 0);
      if (own) dereferenceDescriptor(k, own);
      return;
    }
    case TIME:
      K.PendingTime.set(mem, key, 0n);
  }
}
