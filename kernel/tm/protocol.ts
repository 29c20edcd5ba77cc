/**
 * The course of a transaction: pre-prepare, prepare, commit; or rollback. Plain functions over guest memory: they change states and queue notifications; whoever calls them has the notifications
 * delivered afterwards (`deliver.ts`). Each phase ends when all resource managers that were told have answered.
 * Source: "Handling Commit Operations", "Handling Rollback Operations", "Creating a Superior Transaction Manager", WDK.
 */
import type { Kernel } from '../kernel.ts';
import { cmCommitTransaction, cmHasChanges, cmRollbackTransaction } from '../cm/transaction.ts';
import { keSetEvent } from '../ke/event.ts';
import { keCancelTimer } from '../ke/timer.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { initializeListHead, listEntries, removeEntryList } from '../rtl/list.ts';
import {
  STATUS_ENLISTMENT_NOT_SUPERIOR,
  STATUS_PENDING,
  STATUS_RM_DISCONNECTED,
  STATUS_SUCCESS,
  STATUS_TRANSACTION_ALREADY_ABORTED,
  STATUS_TRANSACTION_ALREADY_COMMITTED,
  STATUS_TRANSACTION_NOT_ACTIVE,
  STATUS_TRANSACTION_NOT_REQUESTED,
  STATUS_TRANSACTION_REQUEST_NOT_VALID,
  STATUS_TRANSACTION_RESPONSE_NOT_ENLISTED,
  STATUS_TRANSACTION_SUPERIOR_EXISTS,
} from '../types/status.ts';
import * as tm from '../types/tm.ts';
import { isRegistered, notify } from './notify.ts';

const T = tm.KTRANSACTION.f;
const E = tm.KENLISTMENT.f;

export const stateOf = (k: Kernel, tx: number): number => T.State.get(k.mem, tx);
export const isActive = (k: Kernel, tx: number): boolean => stateOf(k, tx) === tm.KTransactionActive;
const setState = (k: Kernel, tx: number, state: number): void => T.State.set(k.mem, tx, state);
const flags = (k: Kernel, enlistment: number): number => E.Flags.get(k.mem, enlistment);
const addFlags = (k: Kernel, enlistment: number, bits: number): void =>
  E.Flags.set(k.mem, enlistment, flags(k, enlistment) | bits);
export const transactionOf = (k: Kernel, enlistment: number): number => E.Transaction.get(k.mem, enlistment);
export const superiorOf = (k: Kernel, tx: number): number => T.SuperiorEnlistment.get(k.mem, tx);

/** Enlistments of a transaction in the order in which they were made. */
export const enlistmentsOf = (k: Kernel, tx: number): number[] =>
  [...listEntries(k.mem, tx + T.EnlistmentHead.offset)].map(link => link - E.TransactionLink.offset);

/** Those that take part: neither superior nor read-only nor through. */
const subordinates = (k: Kernel, tx: number): number[] =>
  enlistmentsOf(k, tx).filter(e => !(flags(k, e) & (tm.EN_SUPERIOR | tm.EN_READ_ONLY | tm.EN_FINISHED)));

const managerOf = (k: Kernel, enlistment: number): number =>
  tm.KRESOURCEMANAGER.f.Tm.get(k.mem, E.ResourceManager.get(k.mem, enlistment));

/** A component says what its clock is: the transaction manager's follows if that is later. */
export function advanceClock(k: Kernel, enlistment: number, clock: number): void {
  if (clock) setClock(k, enlistment, BigInt.asIntN(64, k.mem.read64(clock)));
}
export function setClock(k: Kernel, enlistment: number, value: bigint): void {
  const manager = managerOf(k, enlistment);
  if (value > tm.KTM.f.VirtualClock.get(k.mem, manager)) tm.KTM.f.VirtualClock.set(k.mem, manager, value);
}

/** A commit operation begins: the clocks of all transaction managers that take part go on. */
function tick(k: Kernel, tx: number): void {
  const own = T.Tm.get(k.mem, tx);
  const all = [...(own ? [own] : []), ...enlistmentsOf(k, tx).map(e => managerOf(k, e))];
  for (const manager of new Set(all)) tm.KTM.f.VirtualClock.set(k.mem, manager, tm.KTM.f.VirtualClock.get(k.mem, manager) + 1n);
}

/** Tells those that registered for a phase; returns how many have to answer. */
function ask(k: Kernel, tx: number, whom: readonly number[], notification: number, state: number): number {
  let pending = 0;
  for (const e of whom) {
    if (!notify(k, e, notification)) continue;
    E.State.set(k.mem, e, state);
    addFlags(k, e, tm.EN_PENDING);
    pending++;
  }
  T.PendingResponses.set(k.mem, tx, pending);
  return pending;
}

/** An enlistment has answered; true when it was the last of the phase. */
function answered(k: Kernel, enlistment: number): boolean {
  if (!(flags(k, enlistment) & tm.EN_PENDING)) return false;
  E.Flags.set(k.mem, enlistment, flags(k, enlistment) & ~tm.EN_PENDING);
  const tx = transactionOf(k, enlistment);
  const left = T.PendingResponses.get(k.mem, tx) - 1;
  T.PendingResponses.set(k.mem, tx, left);
  return left === 0;
}

/** What comes after the phase that the transaction is in, when all have answered. */
function goOn(k: Kernel, tx: number): void {
  const superior = superiorOf(k, tx);
  const whole = (T.Flags.get(k.mem, tx) & tm.TX_COMMIT_AFTER_PREPARE) !== 0;
  switch (stateOf(k, tx)) {
    case tm.KTransactionPrePreparing:
      setState(k, tx, tm.KTransactionPrePrepared);
      if (superior && !whole) notify(k, superior, tm.TRANSACTION_NOTIFY_PREPREPARE_COMPLETE);
      else prepare(k, tx);
      return;
    case tm.KTransactionPreparing:
      setState(k, tx, tm.KTransactionPrepared);
      if (superior && !whole) notify(k, superior, tm.TRANSACTION_NOTIFY_PREPARE_COMPLETE);
      else commit(k, tx);
      return;
    case tm.KTransactionCommitted:
      if (superior) notify(k, superior, tm.TRANSACTION_NOTIFY_COMMIT_COMPLETE);
      end(k, tx);
      return;
    case tm.KTransactionAborted:
      if (superior) notify(k, superior, tm.TRANSACTION_NOTIFY_ROLLBACK_COMPLETE);
      end(k, tx);
  }
}

function prePrepare(k: Kernel, tx: number): void {
  setState(k, tx, tm.KTransactionPrePreparing);
  if (!ask(k, tx, subordinates(k, tx), tm.TRANSACTION_NOTIFY_PREPREPARE, tm.KEnlistmentPrePreparing)) goOn(k, tx);
}

function prepare(k: Kernel, tx: number): void {
  setState(k, tx, tm.KTransactionPreparing);
  if (!ask(k, tx, subordinates(k, tx), tm.TRANSACTION_NOTIFY_PREPARE, tm.KEnlistmentPreparing)) goOn(k, tx);
}

/** The decision: from here on the transaction is committed, whatever happens. */
function commit(k: Kernel, tx: number): void {
  decide(k, tx, tm.KTransactionCommitted, tm.TransactionOutcomeCommitted);
  cmCommitTransaction(k, tx);
  if (!ask(k, tx, subordinates(k, tx), tm.TRANSACTION_NOTIFY_COMMIT, tm.KEnlistmentCommittedNotify)) goOn(k, tx);
}

function decide(k: Kernel, tx: number, state: number, outcome: number): void {
  setState(k, tx, state);
  T.Outcome.set(k.mem, tx, outcome);
  cancelTimeout(k, tx);
}

/** Undoes a transaction whose outcome is open. `initiator` is a superior enlistment that knows already, or 0. */
export function rollback(k: Kernel, tx: number, initiator = 0): void {
  decide(k, tx, tm.KTransactionAborted, tm.TransactionOutcomeAborted);
  cmRollbackTransaction(k, tx);
  const told = enlistmentsOf(k, tx).filter(e => e !== initiator && !(flags(k, e) & (tm.EN_READ_ONLY | tm.EN_FINISHED)));
  for (const e of told) E.Flags.set(k.mem, e, flags(k, e) & ~tm.EN_PENDING);
  if (!ask(k, tx, told, tm.TRANSACTION_NOTIFY_ROLLBACK, tm.KEnlistmentAborted)) goOn(k, tx);
}

/** Everything is over: waiters go on, and the enlistments no longer belong to the transaction. */
function end(k: Kernel, tx: number): void {
  keSetEvent(k, tx, 0);
  for (const e of enlistmentsOf(k, tx)) {
    addFlags(k, e, tm.EN_FINISHED);
    removeEntryList(k.mem, e + E.TransactionLink.offset);
    obDereferenceDeferred(k, e);
  }
  initializeListHead(k.mem, tx + T.EnlistmentHead.offset);
  T.EnlistmentCount.set(k.mem, tx, 0);
  T.SuperiorEnlistment.set(k.mem, tx, 0);
}

export const isOver = (k: Kernel, tx: number): boolean => k.mem.readI32(tx + 4) !== 0;

/** Stops the clock that would roll the transaction back. One that has run out already is on its way and finds that it is late. */
export function cancelTimeout(k: Kernel, tx: number): void {
  if (!T.TimerSet.get(k.mem, tx)) return;
  T.TimerSet.set(k.mem, tx, 0);
  if (keCancelTimer(k, tx + T.RollbackTimer.offset)) obDereferenceDeferred(k, tx);
}

/** The outcome is neither known nor in anybody else's hands: the transaction manager may still roll back. */
export function mayRollBack(k: Kernel, tx: number): boolean {
  const state = stateOf(k, tx);
  return (
    state === tm.KTransactionActive ||
    state === tm.KTransactionPrePreparing ||
    state === tm.KTransactionPrePrepared ||
    state === tm.KTransactionPreparing
  );
}

// ---- what clients ask for

/** Begins the commit of a client. STATUS_SUCCESS: it has begun (or is over). */
export function commitTransaction(k: Kernel, tx: number): number {
  const state = stateOf(k, tx);
  if (state === tm.KTransactionAborted) return STATUS_TRANSACTION_ALREADY_ABORTED;
  if (state === tm.KTransactionCommitted) return STATUS_TRANSACTION_ALREADY_COMMITTED;
  const superior = superiorOf(k, tx);
  if (superior && E.State.get(k.mem, superior) === tm.KEnlistmentCommitRequested) return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  if (superior && !isRegistered(k, superior, tm.TRANSACTION_NOTIFY_COMMIT_REQUEST)) return STATUS_TRANSACTION_SUPERIOR_EXISTS;
  if (state !== tm.KTransactionActive) return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  if (superior) {
    E.State.set(k.mem, superior, tm.KEnlistmentCommitRequested);
    notify(k, superior, tm.TRANSACTION_NOTIFY_COMMIT_REQUEST);
    return STATUS_SUCCESS;
  }
  tick(k, tx);
  const [only, ...others] = subordinates(k, tx);
  if (
    only !== undefined &&
    !others.length &&
    !cmHasChanges(k, tx) &&
    isRegistered(k, only, tm.TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT)
  ) {
    setState(k, tx, tm.KTransactionDelegated);
    ask(k, tx, [only], tm.TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT, tm.KEnlistmentDelegated);
  } else prePrepare(k, tx);
  return STATUS_SUCCESS;
}

/** How the commit of a client ended; STATUS_PENDING when it has not. */
export function commitStatus(k: Kernel, tx: number): number {
  if (!isOver(k, tx)) return STATUS_PENDING;
  const outcome = T.Outcome.get(k.mem, tx);
  if (outcome === tm.TransactionOutcomeCommitted) return STATUS_SUCCESS;
  return outcome === tm.TransactionOutcomeAborted ? STATUS_TRANSACTION_ALREADY_ABORTED : STATUS_RM_DISCONNECTED;
}

export function rollbackTransaction(k: Kernel, tx: number): number {
  const state = stateOf(k, tx);
  if (state === tm.KTransactionCommitted) return STATUS_TRANSACTION_ALREADY_COMMITTED;
  if (state === tm.KTransactionAborted) return STATUS_TRANSACTION_ALREADY_ABORTED;
  if (state !== tm.KTransactionActive) return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  rollback(k, tx);
  return STATUS_SUCCESS;
}

// ---- what resource managers say

/** An answer to a notification: the enlistment must be in the state that asks for it. */
function answer(k: Kernel, enlistment: number, clock: number, from: number, to: number): number {
  if (flags(k, enlistment) & (tm.EN_FINISHED | tm.EN_READ_ONLY) || E.State.get(k.mem, enlistment) !== from)
    return STATUS_TRANSACTION_NOT_REQUESTED;
  if (!(flags(k, enlistment) & tm.EN_PENDING)) return STATUS_TRANSACTION_NOT_REQUESTED;
  advanceClock(k, enlistment, clock);
  E.State.set(k.mem, enlistment, to);
  if (answered(k, enlistment)) goOn(k, transactionOf(k, enlistment));
  return STATUS_SUCCESS;
}

export const prePrepareComplete = (k: Kernel, e: number, clock: number): number =>
  answer(k, e, clock, tm.KEnlistmentPrePreparing, tm.KEnlistmentActive);
export const prepareComplete = (k: Kernel, e: number, clock: number): number =>
  answer(k, e, clock, tm.KEnlistmentPreparing, tm.KEnlistmentPrepared);

export function commitComplete(k: Kernel, enlistment: number, clock: number): number {
  const tx = transactionOf(k, enlistment);
  // Single-phase: this answer is the decision.
  if (E.State.get(k.mem, enlistment) === tm.KEnlistmentDelegated && stateOf(k, tx) === tm.KTransactionDelegated) {
    advanceClock(k, enlistment, clock);
    answered(k, enlistment);
    E.State.set(k.mem, enlistment, tm.KEnlistmentCommitted);
    addFlags(k, enlistment, tm.EN_FINISHED);
    commit(k, tx);
    return STATUS_SUCCESS;
  }
  return final(k, enlistment, clock, tm.KEnlistmentCommittedNotify, tm.KEnlistmentCommitted);
}

export const rollbackComplete = (k: Kernel, e: number, clock: number): number =>
  final(k, e, clock, tm.KEnlistmentAborted, tm.KEnlistmentForgotten);

/** The last answer of an enlistment. */
function final(k: Kernel, enlistment: number, clock: number, from: number, to: number): number {
  const pending = flags(k, enlistment) & tm.EN_PENDING && E.State.get(k.mem, enlistment) === from;
  if (pending) addFlags(k, enlistment, tm.EN_FINISHED);
  else return STATUS_TRANSACTION_NOT_REQUESTED;
  advanceClock(k, enlistment, clock);
  E.State.set(k.mem, enlistment, to);
  if (answered(k, enlistment)) goOn(k, transactionOf(k, enlistment));
  return STATUS_SUCCESS;
}

/** The enlistment takes no further part; up to where it would say that it is prepared. */
export function readOnlyEnlistment(k: Kernel, enlistment: number, clock: number): number {
  const state = E.State.get(k.mem, enlistment);
  const may = state === tm.KEnlistmentActive || state === tm.KEnlistmentPrePreparing || state === tm.KEnlistmentPreparing;
  if (!may || flags(k, enlistment) & (tm.EN_SUPERIOR | tm.EN_READ_ONLY | tm.EN_FINISHED)) return STATUS_TRANSACTION_NOT_REQUESTED;
  advanceClock(k, enlistment, clock);
  addFlags(k, enlistment, tm.EN_READ_ONLY);
  E.State.set(k.mem, enlistment, tm.KEnlistmentForgotten);
  if (answered(k, enlistment)) goOn(k, transactionOf(k, enlistment));
  return STATUS_SUCCESS;
}

/** No single-phase commit, please: the phases begin. */
export function singlePhaseReject(k: Kernel, enlistment: number, clock: number): number {
  if (E.State.get(k.mem, enlistment) !== tm.KEnlistmentDelegated || flags(k, enlistment) & tm.EN_FINISHED)
    return STATUS_TRANSACTION_NOT_REQUESTED;
  advanceClock(k, enlistment, clock);
  answered(k, enlistment);
  E.State.set(k.mem, enlistment, tm.KEnlistmentActive);
  prePrepare(k, transactionOf(k, enlistment));
  return STATUS_SUCCESS;
}

/** A resource manager or the superior gives the transaction up: the former until it is prepared, the latter until it commits. */
export function rollbackEnlistment(k: Kernel, enlistment: number, clock: number): number {
  const tx = transactionOf(k, enlistment);
  const state = stateOf(k, tx);
  const superior = (flags(k, enlistment) & tm.EN_SUPERIOR) !== 0;
  const open =
    mayRollBack(k, tx) ||
    state === tm.KTransactionDelegated ||
    (superior && (state === tm.KTransactionPrepared || state === tm.KTransactionInDoubt));
  if (
    !open ||
    flags(k, enlistment) & (tm.EN_READ_ONLY | tm.EN_FINISHED) ||
    E.State.get(k.mem, enlistment) === tm.KEnlistmentPrepared
  )
    return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  advanceClock(k, enlistment, clock);
  rollback(k, tx, superior ? enlistment : 0);
  return STATUS_SUCCESS;
}

/** Asks for an outcome now: of a prepared transaction the superior, else it is rolled back. */
export function requestOutcome(k: Kernel, enlistment: number, clock: number): number {
  if (flags(k, enlistment) & tm.EN_SUPERIOR) return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  advanceClock(k, enlistment, clock);
  const tx = transactionOf(k, enlistment);
  if (stateOf(k, tx) === tm.KTransactionPrepared) {
    if (superiorOf(k, tx)) notify(k, superiorOf(k, tx), tm.TRANSACTION_NOTIFY_REQUEST_OUTCOME);
  } else if (mayRollBack(k, tx)) rollback(k, tx);
  return STATUS_SUCCESS;
}

// ---- what a superior transaction manager says

/** Rights of a superior: it is one, and it wants to hear how it ends. */
function superiorStatus(k: Kernel, enlistment: number, complete: number): number {
  if (!(flags(k, enlistment) & tm.EN_SUPERIOR)) return STATUS_ENLISTMENT_NOT_SUPERIOR;
  return E.NotificationMask.get(k.mem, enlistment) & complete ? STATUS_SUCCESS : STATUS_TRANSACTION_RESPONSE_NOT_ENLISTED;
}

export function prePrepareEnlistment(k: Kernel, enlistment: number, clock: number): number {
  const status = superiorStatus(k, enlistment, tm.TRANSACTION_NOTIFY_PREPREPARE_COMPLETE);
  if (status !== STATUS_SUCCESS) return status;
  const tx = transactionOf(k, enlistment);
  if (!isActive(k, tx)) return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  advanceClock(k, enlistment, clock);
  tick(k, tx);
  prePrepare(k, tx);
  return STATUS_SUCCESS;
}

export function prepareEnlistment(k: Kernel, enlistment: number, clock: number): number {
  const status = superiorStatus(k, enlistment, tm.TRANSACTION_NOTIFY_PREPARE_COMPLETE);
  if (status !== STATUS_SUCCESS) return status;
  const tx = transactionOf(k, enlistment);
  const state = stateOf(k, tx);
  if (state !== tm.KTransactionActive && state !== tm.KTransactionPrePrepared) return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  advanceClock(k, enlistment, clock);
  if (state === tm.KTransactionActive) tick(k, tx);
  prepare(k, tx);
  return STATUS_SUCCESS;
}

export function commitEnlistment(k: Kernel, enlistment: number, clock: number): number {
  const status = superiorStatus(k, enlistment, tm.TRANSACTION_NOTIFY_COMMIT_COMPLETE);
  if (status !== STATUS_SUCCESS) return status;
  const tx = transactionOf(k, enlistment);
  switch (stateOf(k, tx)) {
    case tm.KTransactionAborted:
      return STATUS_TRANSACTION_ALREADY_ABORTED;
    case tm.KTransactionCommitted:
      return STATUS_TRANSACTION_NOT_ACTIVE;
    case tm.KTransactionPrepared:
    case tm.KTransactionInDoubt:
      advanceClock(k, enlistment, clock);
      commit(k, tx);
      return STATUS_SUCCESS;
    case tm.KTransactionActive:
      // Only after a client's ZwCommitTransaction: the phases before run by themselves.
      if (E.State.get(k.mem, enlistment) !== tm.KEnlistmentCommitRequested) return STATUS_TRANSACTION_REQUEST_NOT_VALID;
      advanceClock(k, enlistment, clock);
      tick(k, tx);
      T.Flags.set(k.mem, tx, T.Flags.get(k.mem, tx) | tm.TX_COMMIT_AFTER_PREPARE);
      prePrepare(k, tx);
      return STATUS_SUCCESS;
    default:
      return STATUS_TRANSACTION_REQUEST_NOT_VALID;
  }
}

// ---- who goes away

/** The last handle of an enlistment is closed: one that has the outcome in its hands leaves it open. */
export function closeEnlistment(k: Kernel, enlistment: number): void {
  if (flags(k, enlistment) & (tm.EN_FINISHED | tm.EN_READ_ONLY)) return;
  const tx = transactionOf(k, enlistment);
  if (E.State.get(k.mem, enlistment) === tm.KEnlistmentDelegated && stateOf(k, tx) === tm.KTransactionDelegated) {
    setState(k, tx, tm.KTransactionInDoubt);
    cancelTimeout(k, tx);
    for (const e of enlistmentsOf(k, tx)) if (e !== enlistment) notify(k, e, tm.TRANSACTION_NOTIFY_RM_DISCONNECTED);
    end(k, tx);
  } else if (flags(k, enlistment) & tm.EN_SUPERIOR) {
    if (stateOf(k, tx) === tm.KTransactionPrepared) setState(k, tx, tm.KTransactionInDoubt);
    else if (mayRollBack(k, tx)) rollback(k, tx, enlistment);
  }
}

/** A resource manager goes: what it has not answered counts as the worst that it could have said. */
export function disconnect(k: Kernel, enlistment: number): void {
  closeEnlistment(k, enlistment);
  if (flags(k, enlistment) & (tm.EN_FINISHED | tm.EN_READ_ONLY)) return;
  const tx = transactionOf(k, enlistment);
  if (mayRollBack(k, tx)) rollback(k, tx);
  const decided = stateOf(k, tx) === tm.KTransactionCommitted || stateOf(k, tx) === tm.KTransactionAborted;
  if (!decided || flags(k, enlistment) & tm.EN_FINISHED) return;
  addFlags(k, enlistment, tm.EN_FINISHED);
  if (answered(k, enlistment)) goOn(k, tx);
}
