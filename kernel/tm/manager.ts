/** Transaction managers and their log streams, and resource managers. Source: the WDK page of each routine, "Handling Recovery Operations". */
import type { Kernel } from '../kernel.ts';
import { createUuid } from '../ex/uuid.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { readAttributes } from '../ob/attributes.ts';
import { poolTag } from '../ob/globals.ts';
import { handleCount, obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { openNamed } from '../ob/named.ts';
import { allocateString, equalNoCase, freeString, readString } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_RESOURCEMANAGER_NOT_FOUND,
  STATUS_SUCCESS,
  STATUS_TM_IDENTITY_MISMATCH,
  STATUS_TM_VOLATILE,
  STATUS_TRANSACTION_OBJECT_EXPIRED,
  STATUS_TRANSACTIONMANAGER_NOT_FOUND,
  STATUS_TRANSACTIONMANAGER_NOT_ONLINE,
  STATUS_UNSUCCESSFUL,
} from '../types/status.ts';
import * as tm from '../types/tm.ts';
import { enlistmentsOfManager } from './information.ts';
import { dropPackets, RM_CLOSED } from './notify.ts';
import {
  checkDesired,
  createTmObject,
  findById,
  isExpired,
  openFound,
  openNew,
  sameGuid,
  setExpired,
  unlinkTmObject,
  withTmObject,
} from './object.ts';
import { disconnect, enlistmentsOf, mayRollBack, rollback, stateOf } from './protocol.ts';

const M = tm.KTM.f;
const L = tm.KTM_LOG.f;
const R = tm.KRESOURCEMANAGER.f;
const T = tm.KTRANSACTION.f;
const E = tm.KENLISTMENT.f;
const TM = 'TmTransactionManagerObjectType';
const RM = 'TmResourceManagerObjectType';
const TAG = poolTag('Tmlg');

export const isVolatile = (k: Kernel, manager: number): boolean =>
  (M.Flags.get(k.mem, manager) & tm.TRANSACTION_MANAGER_VOLATILE) !== 0;
export const isOnline = (k: Kernel, manager: number): boolean => M.State.get(k.mem, manager) >= tm.KTmRecovering;
const managers = (k: Kernel): number => k.global.address('TmpTmListHead');

/** The log stream of a path, or 0. */
const findLog = (k: Kernel, path: string): number =>
  [...listEntries(k.mem, k.global.address('TmpLogListHead'))].find(at => equalNoCase(readString(k, at + L.Path.offset), path)) ??
  0;

/** Makes a log stream with a new identity; 0 without pool. */
function createLog(k: Kernel, path: string): number {
  const log = exAllocatePool(k, NonPagedPoolNx, tm.KTM_LOG.size, TAG);
  if (!log) return 0;
  k.mem.fill(log, tm.KTM_LOG.size, 0);
  if (!allocateString(k, log + L.Path.offset, path, TAG)) {
    exFreePool(k, log, TAG);
    return 0;
  }
  createUuid(k, log + L.LogIdentity.offset);
  createUuid(k, log + L.TmIdentity.offset);
  L.VirtualClock.set(k.mem, log, 1n);
  initializeListHead(k.mem, log + L.TransactionHead.offset);
  insertTailList(k.mem, k.global.address('TmpLogListHead'), log);
  return log;
}

export interface CreateManager {
  out: number;
  access: number;
  attributes: number;
  log: string;
  options: number;
}

/** Makes a transaction manager with its log stream; a volatile one has none. */
export function createManager(k: Kernel, c: CreateManager): number {
  k.mem.probe(c.out, 8, true);
  const desired = checkDesired(k, TM, c.access);
  if (desired !== STATUS_SUCCESS) return desired;
  const isVolatileOne = (c.options & tm.TRANSACTION_MANAGER_VOLATILE) !== 0;
  if (c.options & ~tm.TRANSACTION_MANAGER_MAXIMUM_OPTION || isVolatileOne === (c.log !== '')) return STATUS_INVALID_PARAMETER;
  const log = isVolatileOne ? 0 : findLog(k, c.log) || createLog(k, c.log);
  if (!isVolatileOne && !log) return STATUS_INSUFFICIENT_RESOURCES;
  if (log && L.Tm.get(k.mem, log)) return STATUS_OBJECT_NAME_COLLISION;
  const made = createTmObject(k, TM, c.attributes, log ? log + L.TmIdentity.offset : 0, managers(k));
  if (made.status !== STATUS_SUCCESS) return made.status;
  const { body } = made;
  initializeListHead(k.mem, body + M.ResourceManagerHead.offset);
  M.Flags.set(k.mem, body, c.options);
  M.State.set(k.mem, body, isVolatileOne ? tm.KTmOnline : tm.KTmInitialized);
  M.VirtualClock.set(k.mem, body, 1n);
  const status = openNew(k, TM, body, c.attributes, c.access, c.out);
  if (status === STATUS_SUCCESS && log) {
    M.Log.set(k.mem, body, log);
    L.Tm.set(k.mem, log, body);
  }
  return status;
}

/** Opens a transaction manager by its name, its log stream or its identity: exactly one of them. */
export function openManager(k: Kernel, out: number, access: number, attributes: number, path: string, guid: number): number {
  k.mem.probe(out, 8, true);
  const desired = checkDesired(k, TM, access);
  if (desired !== STATUS_SUCCESS) return desired;
  const named = attributes !== 0 && readAttributes(k, attributes).path !== '';
  if ([named, path !== '', guid !== 0].filter(given => given).length !== 1) return STATUS_INVALID_PARAMETER;
  if (named) return openNamed(k, attributes, exportedType(k, TM), access, out);
  if (guid) {
    const body = findById(k, TM, managers(k), guid);
    return body ? openFound(k, body, attributes, access, out) : STATUS_TRANSACTIONMANAGER_NOT_FOUND;
  }
  const log = findLog(k, path);
  if (!log) return STATUS_OBJECT_NAME_NOT_FOUND;
  const body = L.Tm.get(k.mem, log);
  return body
    ? openFound(k, body, attributes, access, out)
    : createManager(k, { out, access, attributes, log: path, options: 0 });
}

/** Gives a transaction manager that is closed another identity in its log stream. */
export function renameManager(k: Kernel, path: string, guid: number): number {
  const log = findLog(k, path);
  if (!log) return STATUS_OBJECT_NAME_NOT_FOUND;
  if (!sameGuid(k, log + L.TmIdentity.offset, guid)) return STATUS_TM_IDENTITY_MISMATCH;
  if (L.Tm.get(k.mem, log)) return STATUS_OBJECT_NAME_COLLISION;
  createUuid(k, log + L.TmIdentity.offset);
  return STATUS_SUCCESS;
}

/** Reads the log stream up to a clock value (null: all of it). */
export function recoverManager(k: Kernel, manager: number, upTo: bigint | null): number {
  const { mem } = k;
  if (isVolatile(k, manager)) return STATUS_TM_VOLATILE;
  const state = M.State.get(mem, manager);
  if (state !== tm.KTmInitialized && state !== tm.KTmRecovering) return STATUS_UNSUCCESSFUL;
  const log = M.Log.get(mem, manager);
  for (const link of [...listEntries(mem, log + L.TransactionHead.offset)]) {
    const tx = link - T.LogLink.offset;
    if (upTo === null || T.LogClock.get(mem, tx) <= upTo) recoverTransaction(k, manager, tx);
  }
  const last = L.VirtualClock.get(mem, log);
  M.VirtualClock.set(mem, manager, upTo ?? last);
  M.LastRecoveredLsn.set(mem, manager, L.LastLsn.get(mem, log));
  M.State.set(mem, manager, upTo !== null && upTo < last ? tm.KTmRecovering : tm.KTmOnline);
  return STATUS_SUCCESS;
}

/** A transaction whose outcome was open comes back, with its enlistments and their resource managers. */
function recoverTransaction(k: Kernel, manager: number, tx: number): void {
  const { mem } = k;
  removeEntryList(mem, tx + T.LogLink.offset);
  T.Flags.set(mem, tx, T.Flags.get(mem, tx) & ~tm.TX_IN_LOG);
  move(k, tx + T.Tm.offset, manager);
  mem.write32(tx + T.Namespace.offset + tm.KTMOBJECT_NAMESPACE_LINK.f.Expired.offset, 0);
  for (const e of enlistmentsOf(k, tx)) {
    const rm = E.ResourceManager.get(mem, e);
    mem.write32(e + E.Namespace.offset + tm.KTMOBJECT_NAMESPACE_LINK.f.Expired.offset, 0);
    if (R.Tm.get(mem, rm) === manager) continue;
    unlinkTmObject(k, RM, rm);
    insertTailList(mem, manager + M.ResourceManagerHead.offset, rm + R.Namespace.offset);
    move(k, rm + R.Tm.offset, manager);
    mem.write32(rm + R.Namespace.offset + tm.KTMOBJECT_NAMESPACE_LINK.f.Expired.offset, 0);
  }
  obDereferenceDeferred(k, tx);
}

/** Replaces the transaction manager that a pointer refers to. */
function move(k: Kernel, slot: number, manager: number): void {
  const old = k.mem.readPtr(slot);
  obReferenceObject(k, manager);
  k.mem.writePtr(slot, manager);
  if (old) obDereferenceDeferred(k, old);
}

/** The last handle is closed: the transaction manager is offline. What is open is rolled back; what was prepared stays in the log. */
export function closeManager(k: Kernel, manager: number): void {
  const { mem } = k;
  setExpired(k, TM, manager);
  M.State.set(mem, manager, tm.KTmOffline);
  const log = M.Log.get(mem, manager);
  const head = k.global.address('TmpTransactionListHead');
  for (const tx of [...listEntries(mem, head)].map(link => link - T.Namespace.offset)) {
    if (T.Tm.get(mem, tx) !== manager) continue;
    const prepared = stateOf(k, tx) === tm.KTransactionPrepared || stateOf(k, tx) === tm.KTransactionInDoubt;
    if (mayRollBack(k, tx) || (prepared && !log)) rollback(k, tx);
    else if (prepared) keepInLog(k, log, tx, M.VirtualClock.get(mem, manager));
  }
  if (!log) return;
  L.VirtualClock.set(mem, log, M.VirtualClock.get(mem, manager));
  L.Tm.set(mem, log, 0);
  M.Log.set(mem, manager, 0);
}

function keepInLog(k: Kernel, log: number, tx: number, clock: bigint): void {
  const { mem } = k;
  if (T.Flags.get(mem, tx) & tm.TX_IN_LOG) return;
  T.State.set(mem, tx, tm.KTransactionInDoubt);
  T.Flags.set(mem, tx, T.Flags.get(mem, tx) | tm.TX_IN_LOG);
  T.LogClock.set(mem, tx, clock);
  L.LastLsn.set(mem, log, L.LastLsn.get(mem, log) + 1n);
  insertTailList(mem, log + L.TransactionHead.offset, tx + T.LogLink.offset);
  obReferenceObject(k, tx);
}

// ---- resource managers

export interface CreateResourceManager {
  out: number;
  access: number;
  attributes: number;
  manager: number;
  guid: number;
  options: number;
  description: string;
}

export function createResourceManager(k: Kernel, c: CreateResourceManager): number {
  k.mem.probe(c.out, 8, true);
  const desired = checkDesired(k, RM, c.access);
  if (desired !== STATUS_SUCCESS) return desired;
  if (c.options & ~tm.RESOURCE_MANAGER_MAXIMUM_OPTION || c.description.length > tm.MAX_RESOURCEMANAGER_DESCRIPTION_LENGTH)
    return STATUS_INVALID_PARAMETER;
  return withTmObject(k, TM, c.manager, tm.TRANSACTIONMANAGER_CREATE_RM, manager => createIn(k, manager, c));
}

function createIn(k: Kernel, manager: number, c: CreateResourceManager): number {
  const { mem } = k;
  if (isExpired(k, TM, manager)) return STATUS_TRANSACTION_OBJECT_EXPIRED;
  if (isVolatile(k, manager) && !(c.options & tm.RESOURCE_MANAGER_VOLATILE)) return STATUS_TM_VOLATILE;
  if (!isOnline(k, manager)) return STATUS_TRANSACTIONMANAGER_NOT_ONLINE;
  const head = manager + M.ResourceManagerHead.offset;
  const known = c.guid ? findById(k, RM, head, c.guid) : 0;
  // One that came back from the log has no handles yet: it is this one.
  if (known) {
    if (handleCount(k, known)) return STATUS_OBJECT_NAME_COLLISION;
    R.State.set(mem, known, 0);
    R.NotificationRoutine.set(mem, known, 0);
    return openFound(k, known, c.attributes, c.access, c.out);
  }
  const made = createTmObject(k, RM, c.attributes, c.guid, head);
  if (made.status !== STATUS_SUCCESS) return made.status;
  const { body } = made;
  keInitializeEvent(k, body, 0, false);
  initializeListHead(mem, body + R.NotificationQueue.offset);
  initializeListHead(mem, body + R.EnlistmentHead.offset);
  R.Flags.set(mem, body, c.options);
  obReferenceObject(k, manager);
  R.Tm.set(mem, body, manager);
  if (c.description && !allocateString(k, body + R.Description.offset, c.description, TAG)) {
    setExpired(k, RM, body);
    obDereferenceDeferred(k, body);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  return openNew(k, RM, body, c.attributes, c.access, c.out);
}

export function openResourceManager(
  k: Kernel,
  out: number,
  access: number,
  managerHandle: number,
  guid: number,
  attributes: number,
): number {
  k.mem.probe(out, 8, true);
  if (!access || !guid) return STATUS_INVALID_PARAMETER;
  const desired = checkDesired(k, RM, access);
  if (desired !== STATUS_SUCCESS) return desired;
  return withTmObject(k, TM, managerHandle, tm.TRANSACTIONMANAGER_QUERY_INFORMATION, manager => {
    if (!isOnline(k, manager)) return STATUS_TRANSACTIONMANAGER_NOT_ONLINE;
    const body = findById(k, RM, manager + M.ResourceManagerHead.offset, guid);
    if (!body) return STATUS_RESOURCEMANAGER_NOT_FOUND;
    if (!handleCount(k, body)) {
      R.State.set(k.mem, body, 0);
      R.NotificationRoutine.set(k.mem, body, 0);
    }
    return openFound(k, body, attributes, access, out);
  });
}

/** The last handle is closed: nobody listens any more. */
export function closeResourceManager(k: Kernel, rm: number): void {
  setExpired(k, RM, rm);
  R.State.set(k.mem, rm, RM_CLOSED);
  dropPackets(k, rm);
  for (const e of enlistmentsOfManager(k, rm)) disconnect(k, e);
}

export function deleteManager(k: Kernel, manager: number): void {
  unlinkTmObject(k, TM, manager);
}

export function deleteResourceManager(k: Kernel, rm: number): void {
  unlinkTmObject(k, RM, rm);
  freeString(k, rm + R.Description.offset);
  const manager = R.Tm.get(k.mem, rm);
  if (manager) obDereferenceDeferred(k, manager);
}
