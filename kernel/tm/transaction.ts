/** Transactions and enlistments: making, opening, setting, recovering and ending them. Source: the WDK page of each routine. */
import type { Kernel } from '../kernel.ts';
import { keInitializeDpc } from '../ke/dpc.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keInitializeTimerEx, keSetTimer } from '../ke/timer.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { allocateString, freeString, readString, readWide } from '../ob/string.ts';
import { initializeListHead, insertTailList } from '../rtl/list.ts';
import { PagedPool } from '../types/mm.ts';
import {
  STATUS_ENLISTMENT_NOT_FOUND,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_PENDING,
  STATUS_SUCCESS,
  STATUS_TM_VOLATILE,
  STATUS_TRANSACTION_NOT_ACTIVE,
  STATUS_TRANSACTION_NOT_FOUND,
  STATUS_TRANSACTION_REQUEST_NOT_VALID,
  STATUS_TRANSACTION_SUPERIOR_EXISTS,
  STATUS_TRANSACTIONMANAGER_NOT_ONLINE,
  STATUS_UNSUCCESSFUL,
} from '../types/status.ts';
import * as tm from '../types/tm.ts';
import { enlistmentsOfManager } from './information.ts';
import { isOnline, isVolatile } from './manager.ts';
import { notify, notifyLastRecover, RM_CLOSED } from './notify.ts';
import {
  checkDesired,
  createTmObject,
  findById,
  openFound,
  openNew,
  setExpired,
  unlinkTmObject,
  withTmObject,
} from './object.ts';
import { cancelTimeout, isActive, mayRollBack, rollback, stateOf, superiorOf, transactionOf } from './protocol.ts';

const T = tm.KTRANSACTION.f;
const E = tm.KENLISTMENT.f;
const R = tm.KRESOURCEMANAGER.f;
const TM = 'TmTransactionManagerObjectType';
const TX = 'TmTransactionObjectType';
const EN = 'TmEnlistmentObjectType';
const TAG = poolTag('Tmtx');
const transactions = (k: Kernel): number => k.global.address('TmpTransactionListHead');

export interface CreateTransaction {
  out: number;
  access: number;
  attributes: number;
  uow: number;
  manager: number;
  options: number;
  isolationLevel: number;
  isolationFlags: number;
  /** 100 ns units, negative from now; 0n: none. */
  timeout: bigint;
  description: string;
}

export function createTransaction(k: Kernel, c: CreateTransaction): number {
  k.mem.probe(c.out, 8, true);
  if (!c.access || c.options & ~tm.TRANSACTION_MAXIMUM_OPTION || c.isolationLevel) return STATUS_INVALID_PARAMETER;
  if (c.description.length > tm.MAX_TRANSACTION_DESCRIPTION_LENGTH) return STATUS_INVALID_PARAMETER;
  const desired = checkDesired(k, TX, c.access);
  if (desired !== STATUS_SUCCESS) return desired;
  if (c.uow && findById(k, TX, transactions(k), c.uow)) return STATUS_OBJECT_NAME_COLLISION;
  if (!c.manager) return createFor(k, 0, c);
  return withTmObject(k, TM, c.manager, tm.TRANSACTIONMANAGER_QUERY_INFORMATION, manager =>
    isOnline(k, manager) ? createFor(k, manager, c) : STATUS_TRANSACTIONMANAGER_NOT_ONLINE,
  );
}

function createFor(k: Kernel, manager: number, c: CreateTransaction): number {
  const { mem } = k;
  const made = createTmObject(k, TX, c.attributes, c.uow, transactions(k));
  if (made.status !== STATUS_SUCCESS) return made.status;
  const tx = made.body;
  keInitializeEvent(k, tx, 0, false);
  T.State.set(mem, tx, tm.KTransactionActive);
  T.Outcome.set(mem, tx, tm.TransactionOutcomeUndetermined);
  T.IsolationFlags.set(mem, tx, c.isolationFlags);
  initializeListHead(mem, tx + T.EnlistmentHead.offset);
  initializeListHead(mem, tx + T.CmUowHead.offset);
  keInitializeTimerEx(k, tx + T.RollbackTimer.offset, false);
  keInitializeDpc(k, tx + T.RollbackDpc.offset, k.address('nt!TmpTransactionTimeoutDpc'), tx);
  if (manager) bind(k, tx, manager);
  if (c.description && !allocateString(k, tx + T.Description.offset, c.description, TAG)) {
    setExpired(k, TX, tx);
    obDereferenceDeferred(k, tx);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  const status = openNew(k, TX, tx, c.attributes, c.access, c.out);
  if (status === STATUS_SUCCESS) setTimeout(k, tx, c.timeout);
  return status;
}

/** The transaction belongs to a transaction manager from now on. */
function bind(k: Kernel, tx: number, manager: number): void {
  obReferenceObject(k, manager);
  T.Tm.set(k.mem, tx, manager);
}

/** When the transaction is rolled back if nothing else has happened; the timer holds a reference. */
function setTimeout(k: Kernel, tx: number, timeout: bigint): void {
  cancelTimeout(k, tx);
  T.Timeout.set(k.mem, tx, timeout);
  if (!timeout) return;
  obReferenceObject(k, tx);
  T.TimerSet.set(k.mem, tx, 1);
  keSetTimer(k, tx + T.RollbackTimer.offset, timeout, 0, tx + T.RollbackDpc.offset);
}

/** DPC of the timer: whether a work item is to be queued. One that is on its way already will do; then the reference of the timer goes back. */
export function timeIsUp(k: Kernel, tx: number): boolean {
  if (T.RollbackQueued.get(k.mem, tx)) {
    obDereferenceDeferred(k, tx);
    return false;
  }
  T.RollbackQueued.set(k.mem, tx, 1);
  return true;
}

/** The time is up: rolled back unless it is too late for that, or another time has been set meanwhile. */
export function expireTransaction(k: Kernel, tx: number): void {
  T.RollbackQueued.set(k.mem, tx, 0);
  const expired = k.mem.readI32(tx + T.RollbackTimer.offset + 4) !== 0;
  if (!T.TimerSet.get(k.mem, tx) || !expired) return;
  T.TimerSet.set(k.mem, tx, 0);
  if (mayRollBack(k, tx)) rollback(k, tx);
}

export function openTransaction(
  k: Kernel,
  out: number,
  access: number,
  attributes: number,
  uow: number,
  manager: number,
): number {
  k.mem.probe(out, 8, true);
  if (!access || !uow) return STATUS_INVALID_PARAMETER;
  const desired = checkDesired(k, TX, access);
  if (desired !== STATUS_SUCCESS) return desired;
  const open = (of: number): number => {
    const tx = findById(k, TX, transactions(k), uow);
    if (!tx || (of && T.Tm.get(k.mem, tx) !== of)) return STATUS_TRANSACTION_NOT_FOUND;
    return openFound(k, tx, attributes, access, out);
  };
  return manager ? withTmObject(k, TM, manager, tm.TRANSACTIONMANAGER_QUERY_INFORMATION, open) : open(0);
}

/** Offset of TRANSACTION_PROPERTIES_INFORMATION.Description. */
const PROPERTIES_SIZE = 24;

export function setTransaction(k: Kernel, tx: number, kind: number, at: number, length: number): number {
  if (kind !== tm.TransactionPropertiesInformation) return STATUS_INVALID_INFO_CLASS;
  if (length < PROPERTIES_SIZE) return STATUS_INFO_LENGTH_MISMATCH;
  const textLength = k.mem.read32(at + 20);
  const fits =
    textLength <= length - PROPERTIES_SIZE && textLength % 2 === 0 && textLength <= tm.MAX_TRANSACTION_DESCRIPTION_LENGTH * 2;
  if (!fits || k.mem.read32(at)) return STATUS_INVALID_PARAMETER;
  if (!isActive(k, tx)) return STATUS_TRANSACTION_NOT_ACTIVE;
  const text = readWide(k, at + PROPERTIES_SIZE, textLength);
  const slot = tx + T.Description.offset;
  if (text !== readString(k, slot)) {
    freeString(k, slot);
    if (text && !allocateString(k, slot, text, TAG)) return STATUS_INSUFFICIENT_RESOURCES;
  }
  T.IsolationFlags.set(k.mem, tx, k.mem.read32(at + 4));
  setTimeout(k, tx, BigInt.asIntN(64, k.mem.read64(at + 8)));
  return STATUS_SUCCESS;
}

/** The last handle is closed: nobody can commit any more. */
export function closeTransaction(k: Kernel, tx: number): void {
  setExpired(k, TX, tx);
  if (isActive(k, tx) && !superiorOf(k, tx)) rollback(k, tx);
}

export function deleteTransaction(k: Kernel, tx: number): void {
  unlinkTmObject(k, TX, tx);
  freeString(k, tx + T.Description.offset);
  const manager = T.Tm.get(k.mem, tx);
  if (manager) obDereferenceDeferred(k, manager);
}

// ---- enlistments

export interface CreateEnlistment {
  out: number;
  access: number;
  attributes: number;
  rm: number;
  tx: number;
  options: number;
  mask: number;
  key: number;
}

export function createEnlistment(k: Kernel, c: CreateEnlistment): number {
  const { mem } = k;
  mem.probe(c.out, 8, true);
  if (c.options & ~tm.ENLISTMENT_MAXIMUM_OPTION || !c.mask || c.mask & ~tm.TRANSACTION_NOTIFY_MASK)
    return STATUS_INVALID_PARAMETER;
  const desired = checkDesired(k, EN, c.access);
  if (desired !== STATUS_SUCCESS) return desired;
  const manager = R.Tm.get(mem, c.rm);
  if (!isOnline(k, manager) || R.State.get(mem, c.rm) === RM_CLOSED) return STATUS_TRANSACTIONMANAGER_NOT_ONLINE;
  // While the others get ready, work of theirs may still bring somebody in.
  if (!isActive(k, c.tx) && stateOf(k, c.tx) !== tm.KTransactionPrePreparing) return STATUS_TRANSACTION_NOT_ACTIVE;
  const superior = (c.options & tm.ENLISTMENT_SUPERIOR) !== 0;
  if (superior && superiorOf(k, c.tx)) return STATUS_TRANSACTION_SUPERIOR_EXISTS;
  if (superior && R.Flags.get(mem, c.rm) & tm.RESOURCE_MANAGER_VOLATILE && !isVolatile(k, manager)) return STATUS_TM_VOLATILE;
  const made = createTmObject(k, EN, c.attributes, 0, c.rm + R.EnlistmentHead.offset);
  if (made.status !== STATUS_SUCCESS) return made.status;
  const e = made.body;
  obReferenceObject(k, c.rm);
  E.ResourceManager.set(mem, e, c.rm);
  obReferenceObject(k, c.tx);
  E.Transaction.set(mem, e, c.tx);
  E.State.set(mem, e, tm.KEnlistmentActive);
  // Until it belongs to the transaction.
  E.Flags.set(mem, e, tm.EN_FINISHED);
  E.NotificationMask.set(mem, e, c.mask);
  E.Key.set(mem, e, c.key);
  E.KeyRefCount.set(mem, e, 1);
  const status = openNew(k, EN, e, c.attributes, c.access, c.out);
  if (status !== STATUS_SUCCESS) return status;
  if (!T.Tm.get(mem, c.tx)) bind(k, c.tx, manager);
  E.Flags.set(mem, e, superior ? tm.EN_SUPERIOR : 0);
  if (superior) T.SuperiorEnlistment.set(mem, c.tx, e);
  obReferenceObject(k, e);
  insertTailList(mem, c.tx + T.EnlistmentHead.offset, e + E.TransactionLink.offset);
  T.EnlistmentCount.set(mem, c.tx, T.EnlistmentCount.get(mem, c.tx) + 1);
  return STATUS_SUCCESS;
}

export function openEnlistment(
  k: Kernel,
  out: number,
  access: number,
  rmHandle: number,
  guid: number,
  attributes: number,
): number {
  k.mem.probe(out, 8, true);
  if (!access || !guid) return STATUS_INVALID_PARAMETER;
  const desired = checkDesired(k, EN, access);
  if (desired !== STATUS_SUCCESS) return desired;
  return withTmObject(k, 'TmResourceManagerObjectType', rmHandle, tm.RESOURCEMANAGER_QUERY_INFORMATION, rm => {
    const e = findById(k, EN, rm + R.EnlistmentHead.offset, guid);
    return e ? openFound(k, e, attributes, access, out) : STATUS_ENLISTMENT_NOT_FOUND;
  });
}

/** Keeps what a resource manager wants to know at a recovery, instead of what it kept before. */
export function setEnlistment(k: Kernel, e: number, kind: number, at: number, length: number): number {
  if (kind !== tm.EnlistmentRecoveryInformation) return STATUS_INVALID_INFO_CLASS;
  if (!length) return STATUS_INFO_LENGTH_MISMATCH;
  const bytes = k.mem.readBytes(at, length);
  const buffer = exAllocatePool(k, PagedPool, length, TAG);
  if (!buffer) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.writeBytes(buffer, bytes);
  freeRecoveryInformation(k, e);
  E.RecoveryInformation.set(k.mem, e, buffer);
  E.RecoveryInformationLength.set(k.mem, e, length);
  return STATUS_SUCCESS;
}

function freeRecoveryInformation(k: Kernel, e: number): void {
  const old = E.RecoveryInformation.get(k.mem, e);
  if (old) exFreePool(k, old, TAG);
}

/** Tells a resource manager which of its enlistments are not through, then that this was all. */
export function recoverResourceManager(k: Kernel, rm: number): number {
  if (!isOnline(k, R.Tm.get(k.mem, rm))) return STATUS_TRANSACTIONMANAGER_NOT_ONLINE;
  for (const e of enlistmentsOfManager(k, rm)) {
    const flags = E.Flags.get(k.mem, e);
    if (flags & (tm.EN_FINISHED | tm.EN_READ_ONLY)) continue;
    notify(k, e, flags & tm.EN_SUPERIOR ? tm.TRANSACTION_NOTIFY_RECOVER_QUERY : tm.TRANSACTION_NOTIFY_RECOVER);
  }
  notifyLastRecover(k, rm);
  return STATUS_SUCCESS;
}

/** Says again how the transaction ended, or that nobody knows. */
export function recoverEnlistment(k: Kernel, e: number, key: number): number {
  const tx = transactionOf(k, e);
  const flags = E.Flags.get(k.mem, e);
  const notification = outcomeNotification(stateOf(k, tx), (flags & tm.EN_SUPERIOR) !== 0);
  if (flags & (tm.EN_FINISHED | tm.EN_READ_ONLY) || !notification) return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  E.Key.set(k.mem, e, key);
  notify(k, e, notification);
  return R.NotificationRoutine.get(k.mem, E.ResourceManager.get(k.mem, e)) ? STATUS_SUCCESS : STATUS_PENDING;
}

function outcomeNotification(state: number, superior: boolean): number {
  switch (state) {
    case tm.KTransactionCommitted:
      return tm.TRANSACTION_NOTIFY_COMMIT;
    case tm.KTransactionAborted:
      return tm.TRANSACTION_NOTIFY_ROLLBACK;
    case tm.KTransactionPrepared:
    case tm.KTransactionInDoubt:
      return superior ? tm.TRANSACTION_NOTIFY_RECOVER_QUERY : tm.TRANSACTION_NOTIFY_INDOUBT;
    default:
      return 0;
  }
}

/** TmReferenceEnlistmentKey. */
export function referenceKey(k: Kernel, e: number, out: number): number {
  if (!out) return STATUS_INVALID_PARAMETER;
  const count = E.KeyRefCount.get(k.mem, e);
  if (!count) return STATUS_UNSUCCESSFUL;
  if (count === 0xffffffff) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.writePtr(out, E.Key.get(k.mem, e));
  E.KeyRefCount.set(k.mem, e, count + 1);
  return STATUS_SUCCESS;
}

/** TmDereferenceEnlistmentKey. */
export function dereferenceKey(k: Kernel, e: number, last: number): number {
  const count = E.KeyRefCount.get(k.mem, e);
  if (!count) return STATUS_UNSUCCESSFUL;
  if (last) k.mem.write8(last, count === 1 ? 1 : 0);
  E.KeyRefCount.set(k.mem, e, count - 1);
  return STATUS_SUCCESS;
}

export function deleteEnlistment(k: Kernel, e: number): void {
  unlinkTmObject(k, EN, e);
  freeRecoveryInformation(k, e);
  obDereferenceDeferred(k, E.ResourceManager.get(k.mem, e));
  obDereferenceDeferred(k, transactionOf(k, e));
}
