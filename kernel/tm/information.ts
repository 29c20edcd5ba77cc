/** TRANSACTION*_INFORMATION and the like: read out and set. Source: the WDK pages of the routines and of the structures. */
import type { Kernel } from '../kernel.ts';
import { readString, wide } from '../ob/string.ts';
import { listEntries } from '../rtl/list.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MORE_ENTRIES,
  STATUS_SUCCESS,
  STATUS_TM_VOLATILE,
} from '../types/status.ts';
import * as tm from '../types/tm.ts';
import { compareGuid, copyGuid, idOf, objectsIn, type TmTypeName, withTmObject } from './object.ts';
import { enlistmentsOf, superiorOf } from './protocol.ts';

const T = tm.KTRANSACTION.f;
const E = tm.KENLISTMENT.f;
const R = tm.KRESOURCEMANAGER.f;

export interface Buffer {
  at: number;
  length: number;
  returnLength: number;
}

/** What an information class says: bytes, of which `fixed` must fit (else `small`), and the status when the rest does not. */
interface Information {
  bytes: Uint8Array;
  fixed: number;
  small: number;
  cut: number;
}

function give(k: Kernel, info: Information, to: Buffer): number {
  const { bytes } = info;
  if (to.returnLength) k.mem.write32(to.returnLength, bytes.length);
  if (to.length < info.fixed) return info.small;
  const whole = to.length >= bytes.length;
  if (!whole && info.cut !== STATUS_BUFFER_OVERFLOW) return info.cut;
  const length = whole ? bytes.length : to.length;
  k.mem.probe(to.at, length, true);
  k.mem.writeBytes(to.at, bytes.subarray(0, length));
  return whole ? STATUS_SUCCESS : info.cut;
}

const u32 = (...values: number[]): Uint8Array => new Uint8Array(new Uint32Array(values).buffer);
const u64 = (value: bigint): Uint8Array => new Uint8Array(new BigInt64Array([value]).buffer);
const guid = (k: Kernel, at: number): Uint8Array => k.mem.readBytes(at, 16);
const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap(p => [...p]));
/** A structure without a tail: its length must be right. */
const plain = (bytes: Uint8Array): Information => ({
  bytes,
  fixed: bytes.length,
  small: STATUS_INFO_LENGTH_MISMATCH,
  cut: STATUS_INFO_LENGTH_MISMATCH,
});

/** TRANSACTION_STATE: what the inner state looks like from outside. */
function publicState(k: Kernel, tx: number): number {
  const state = T.State.get(k.mem, tx);
  if (state === tm.KTransactionCommitted) return tm.TransactionStateCommittedNotify;
  return state === tm.KTransactionInDoubt ? tm.TransactionStateIndoubt : tm.TransactionStateNormal;
}

const pair = (k: Kernel, e: number): Uint8Array =>
  join(guid(k, e + E.EnlistmentId.offset), guid(k, E.ResourceManager.get(k.mem, e) + R.RmId.offset));

export function queryTransaction(k: Kernel, tx: number, kind: number, to: Buffer): number {
  const { mem } = k;
  switch (kind) {
    case tm.TransactionBasicInformation:
      return give(k, plain(join(guid(k, tx + T.UOW.offset), u32(publicState(k, tx), T.Outcome.get(mem, tx)))), to);
    case tm.TransactionPropertiesInformation: {
      const text = wide(readString(k, tx + T.Description.offset));
      const fixed = join(
        u32(T.IsolationLevel.get(mem, tx), T.IsolationFlags.get(mem, tx)),
        u64(T.Timeout.get(mem, tx)),
        u32(T.Outcome.get(mem, tx), text.length),
      );
      return give(
        k,
        { bytes: join(fixed, text), fixed: fixed.length, small: STATUS_INFO_LENGTH_MISMATCH, cut: STATUS_BUFFER_OVERFLOW },
        to,
      );
    }
    case tm.TransactionEnlistmentInformation: {
      const pairs = enlistmentsOf(k, tx).map(e => pair(k, e));
      return give(
        k,
        { bytes: join(u32(pairs.length), ...pairs), fixed: 4, small: STATUS_INFO_LENGTH_MISMATCH, cut: STATUS_BUFFER_OVERFLOW },
        to,
      );
    }
    case tm.TransactionSuperiorEnlistmentInformation: {
      const superior = superiorOf(k, tx);
      return give(k, plain(superior ? pair(k, superior) : new Uint8Array(32)), to);
    }
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}

export function queryManager(k: Kernel, manager: number, kind: number, to: Buffer): number {
  const { mem } = k;
  const log = tm.KTM.f.Log.get(mem, manager);
  switch (kind) {
    case tm.TransactionManagerBasicInformation:
      return give(
        k,
        plain(join(guid(k, manager + tm.KTM.f.TmIdentity.offset), u64(tm.KTM.f.VirtualClock.get(mem, manager)))),
        to,
      );
    case tm.TransactionManagerLogInformation:
      return log ? give(k, plain(guid(k, log + tm.KTM_LOG.f.LogIdentity.offset)), to) : STATUS_TM_VOLATILE;
    case tm.TransactionManagerLogPathInformation: {
      if (!log) return STATUS_TM_VOLATILE;
      const path = readString(k, log + tm.KTM_LOG.f.Path.offset);
      return give(
        k,
        { bytes: join(u32(path.length), wide(path)), fixed: 4, small: STATUS_INFO_LENGTH_MISMATCH, cut: STATUS_BUFFER_TOO_SMALL },
        to,
      );
    }
    case tm.TransactionManagerRecoveryInformation:
      return log ? give(k, plain(u64(tm.KTM.f.LastRecoveredLsn.get(mem, manager))), to) : STATUS_TM_VOLATILE;
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}

/** sizeof(RESOURCEMANAGER_BASIC_INFORMATION), with one character. */
const RESOURCE_MANAGER_INFORMATION_SIZE = 24;

export function queryResourceManager(k: Kernel, rm: number, kind: number, to: Buffer): number {
  if (kind !== tm.ResourceManagerBasicInformation) return STATUS_INVALID_INFO_CLASS;
  const text = wide(readString(k, rm + R.Description.offset));
  const bytes = join(guid(k, rm + R.RmId.offset), u32(text.length), text);
  return give(
    k,
    { bytes, fixed: RESOURCE_MANAGER_INFORMATION_SIZE, small: STATUS_BUFFER_TOO_SMALL, cut: STATUS_BUFFER_OVERFLOW },
    to,
  );
}

export function queryEnlistment(k: Kernel, e: number, kind: number, to: Buffer): number {
  switch (kind) {
    case tm.EnlistmentBasicInformation: {
      const transaction = guid(k, E.Transaction.get(k.mem, e) + T.UOW.offset);
      return give(
        k,
        plain(join(guid(k, e + E.EnlistmentId.offset), transaction, guid(k, E.ResourceManager.get(k.mem, e) + R.RmId.offset))),
        to,
      );
    }
    case tm.EnlistmentRecoveryInformation: {
      const length = E.RecoveryInformationLength.get(k.mem, e);
      return give(k, plain(length ? k.mem.readBytes(E.RecoveryInformation.get(k.mem, e), length) : new Uint8Array(0)), to);
    }
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}

/** KTMOBJECT_CURSOR: the last identity of the call before, how many there are, the identities. */
const CURSOR_COUNT = 16,
  CURSOR_IDS = 20;

/** Fills a cursor with the identities behind its LastQuery, in their order. STATUS_NO_MORE_ENTRIES when there are none. */
function fillCursor(
  k: Kernel,
  kind: TmTypeName,
  found: Iterable<number>,
  cursor: number,
  length: number,
  returnLength: number,
): number {
  const ids = [...found].map(body => idOf(kind, body)).filter(id => compareGuid(k, id, cursor) > 0);
  ids.sort((a, b) => compareGuid(k, a, b));
  const taken = ids.slice(0, Math.floor((length - CURSOR_IDS) / tm.GUID_SIZE));
  taken.forEach((id, i) => copyGuid(k, id, cursor + CURSOR_IDS + i * tm.GUID_SIZE));
  k.mem.write32(cursor + CURSOR_COUNT, taken.length);
  if (returnLength) k.mem.write32(returnLength, CURSOR_IDS + taken.length * tm.GUID_SIZE);
  const last = taken.at(-1);
  if (last === undefined) return STATUS_NO_MORE_ENTRIES;
  copyGuid(k, last, cursor);
  return STATUS_SUCCESS;
}

/** NtEnumerateTransactionObject. `root` is a handle or 0. */
export function enumerateObjects(
  k: Kernel,
  root: number,
  kind: number,
  cursor: number,
  length: number,
  returnLength: number,
): number {
  if (kind > tm.KTMOBJECT_ENLISTMENT || length < CURSOR_IDS + tm.GUID_SIZE) return STATUS_INVALID_PARAMETER;
  k.mem.probe(cursor, length, true);
  const fill = (name: TmTypeName, found: Iterable<number>): number => fillCursor(k, name, found, cursor, length, returnLength);
  const transactions = (manager: number): number[] =>
    [...objectsIn(k, 'TmTransactionObjectType', k.global.address('TmpTransactionListHead'))].filter(
      t => !manager || T.Tm.get(k.mem, t) === manager,
    );
  switch (kind) {
    case tm.KTMOBJECT_TRANSACTION_MANAGER:
      if (root) return STATUS_INVALID_PARAMETER;
      return fill(
        'TmTransactionManagerObjectType',
        objectsIn(k, 'TmTransactionManagerObjectType', k.global.address('TmpTmListHead')),
      );
    case tm.KTMOBJECT_TRANSACTION:
      if (!root) return fill('TmTransactionObjectType', transactions(0));
      return withTmObject(k, 'TmTransactionManagerObjectType', root, tm.TRANSACTIONMANAGER_QUERY_INFORMATION, manager =>
        fill('TmTransactionObjectType', transactions(manager)),
      );
    case tm.KTMOBJECT_RESOURCE_MANAGER:
      return withTmObject(k, 'TmTransactionManagerObjectType', root, tm.TRANSACTIONMANAGER_QUERY_INFORMATION, manager =>
        fill(
          'TmResourceManagerObjectType',
          objectsIn(k, 'TmResourceManagerObjectType', manager + tm.KTM.f.ResourceManagerHead.offset),
        ),
      );
    default:
      return withTmObject(k, 'TmResourceManagerObjectType', root, tm.RESOURCEMANAGER_QUERY_INFORMATION, rm =>
        fill('TmEnlistmentObjectType', objectsIn(k, 'TmEnlistmentObjectType', rm + R.EnlistmentHead.offset)),
      );
  }
}

/** Enlistments of a resource manager, expired ones too. */
export const enlistmentsOfManager = (k: Kernel, rm: number): number[] =>
  [...listEntries(k.mem, rm + R.EnlistmentHead.offset)].map(link => link - E.Namespace.offset);
