/**
 * Notifications: what the transaction manager tells resource managers. Each waits in a packet of its enlistment until it is read (NtGetNotificationResourceManager) or, for a resource manager
 * with a callback, delivered (`deliver.ts`). A packet holds a reference to its enlistment. Source: "Transaction Notifications", WDK.
 */
import type { Kernel } from '../kernel.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { keClearEvent, keSetEvent } from '../ke/event.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { insertTailList, isListEmpty, listEntries, removeEntryList } from '../rtl/list.ts';
import { DelayedWorkQueue, WORK_QUEUE_ITEM } from '../types/ex.ts';
import {
  GUID_SIZE,
  KENLISTMENT,
  KRESOURCEMANAGER,
  KTM,
  KTMNOTIFICATION_PACKET,
  KTRANSACTION,
  NOTIFICATION_PACKETS,
  TRANSACTION_NOTIFY_LAST_RECOVER,
  TRANSACTION_NOTIFY_RECOVER,
  TRANSACTION_NOTIFY_RECOVER_QUERY,
} from '../types/tm.ts';
import { copyGuid } from './object.ts';

const E = KENLISTMENT.f;
const R = KRESOURCEMANAGER.f;
const P = KTMNOTIFICATION_PACKET.f;

/** KRESOURCEMANAGER.State: its last handle is closed. */
export const RM_CLOSED = 1;

/** Size of TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT: the identities of enlistment and transaction. */
export const RECOVERY_ARGUMENT_SIZE = 2 * GUID_SIZE;

const packetsOf = (enlistment: number): number[] =>
  Array.from({ length: NOTIFICATION_PACKETS }, (_, i) => enlistment + E.Packets.offset + i * KTMNOTIFICATION_PACKET.size);

/** The resource manager of an enlistment is told of this kind. */
export function isRegistered(k: Kernel, enlistment: number, notification: number): boolean {
  if (!(E.NotificationMask.get(k.mem, enlistment) & notification)) return false;
  return R.State.get(k.mem, E.ResourceManager.get(k.mem, enlistment)) !== RM_CLOSED;
}

function enqueue(k: Kernel, packet: number, rm: number, enlistment: number, notification: number): void {
  const { mem } = k;
  P.Enlistment.set(mem, packet, enlistment);
  P.ResourceManager.set(mem, packet, rm);
  P.Notification.set(mem, packet, notification);
  P.Queued.set(mem, packet, 1);
  P.VirtualClock.set(mem, packet, KTM.f.VirtualClock.get(mem, R.Tm.get(mem, rm)));
  obReferenceObject(k, enlistment || rm);
  if (R.NotificationRoutine.get(mem, rm)) {
    insertTailList(mem, k.global.address('TmpDeliveryListHead'), packet);
    return;
  }
  insertTailList(mem, rm + R.NotificationQueue.offset, packet);
  keSetEvent(k, rm, 0);
}

/** Tells the resource manager of an enlistment, if it registered for this. One that waits to be read already is not said twice. */
export function notify(k: Kernel, enlistment: number, notification: number): boolean {
  if (!isRegistered(k, enlistment, notification)) return false;
  const packets = packetsOf(enlistment);
  const queued = (at: number): boolean => P.Queued.get(k.mem, at) !== 0;
  if (packets.some(at => queued(at) && P.Notification.get(k.mem, at) === notification)) return true;
  const packet = packets.find(at => !queued(at));
  // There are fewer kinds than packets for either role.
  if (packet === undefined) throw new Error('an enlistment has more notifications than there are kinds');
  enqueue(k, packet, E.ResourceManager.get(k.mem, enlistment), enlistment, notification);
  return true;
}

/** TRANSACTION_NOTIFY_LAST_RECOVER, which belongs to no enlistment. */
export function notifyLastRecover(k: Kernel, rm: number): void {
  const packet = rm + R.LastRecover.offset;
  if (!P.Queued.get(k.mem, packet)) enqueue(k, packet, rm, 0, TRANSACTION_NOTIFY_LAST_RECOVER);
}

/** What a packet says. */
export interface Notification {
  enlistment: number;
  rm: number;
  notification: number;
  clock: bigint;
  /** Length of the argument. */
  argument: number;
}

export function readPacket(k: Kernel, packet: number): Notification {
  const notification = P.Notification.get(k.mem, packet);
  const recovery = notification === TRANSACTION_NOTIFY_RECOVER || notification === TRANSACTION_NOTIFY_RECOVER_QUERY;
  return {
    enlistment: P.Enlistment.get(k.mem, packet),
    rm: P.ResourceManager.get(k.mem, packet),
    notification,
    clock: P.VirtualClock.get(k.mem, packet),
    argument: recovery ? RECOVERY_ARGUMENT_SIZE : 0,
  };
}

/** Writes a TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT. */
export function writeRecoveryArgument(k: Kernel, enlistment: number, to: number): void {
  copyGuid(k, enlistment + E.EnlistmentId.offset, to);
  copyGuid(k, E.Transaction.get(k.mem, enlistment) + KTRANSACTION.f.UOW.offset, to + GUID_SIZE);
}

/** Takes a packet off its list; the reference that it held is the caller's now. */
export function takePacket(k: Kernel, packet: number): void {
  const rm = P.ResourceManager.get(k.mem, packet);
  removeEntryList(k.mem, packet);
  P.Queued.set(k.mem, packet, 0);
  if (isListEmpty(k.mem, rm + R.NotificationQueue.offset)) keClearEvent(k, rm);
}

/** The next packet in the queue of a resource manager, or 0. */
export function nextPacket(k: Kernel, rm: number): number {
  const head = rm + R.NotificationQueue.offset;
  return isListEmpty(k.mem, head) ? 0 : k.mem.readPtr(head);
}

/** The next packet for a callback, or 0. */
export function nextDelivery(k: Kernel): number {
  const head = k.global.address('TmpDeliveryListHead');
  return isListEmpty(k.mem, head) ? 0 : k.mem.readPtr(head);
}

/** Drops what waits for a resource manager that has gone. */
export function dropPackets(k: Kernel, rm: number): void {
  const waiting = [
    ...listEntries(k.mem, rm + R.NotificationQueue.offset),
    ...listEntries(k.mem, k.global.address('TmpDeliveryListHead')),
  ];
  for (const packet of waiting) {
    if (P.ResourceManager.get(k.mem, packet) !== rm) continue;
    const held = P.Enlistment.get(k.mem, packet) || rm;
    takePacket(k, packet);
    obDereferenceDeferred(k, held);
  }
}

/** A resource manager has a callback from now on: what waits to be read is delivered. */
export function enableCallbacks(k: Kernel, rm: number, routine: number, key: number): void {
  R.NotificationRoutine.set(k.mem, rm, routine);
  R.Key.set(k.mem, rm, key);
  for (const packet of [...listEntries(k.mem, rm + R.NotificationQueue.offset)]) {
    removeEntryList(k.mem, packet);
    insertTailList(k.mem, k.global.address('TmpDeliveryListHead'), packet);
  }
  keClearEvent(k, rm);
}

/** Has a worker thread deliver what waits: for those who cannot call anything. */
export function deliverLater(k: Kernel): void {
  if (!nextDelivery(k) || k.global.get('TmpDeliveryQueued')) return;
  k.global.set('TmpDeliveryQueued', 1);
  const item = k.global.address('TmpDeliveryWorkItem');
  WORK_QUEUE_ITEM.f.WorkerRoutine.set(k.mem, item, k.address('nt!TmpDeliverNotifications'));
  WORK_QUEUE_ITEM.f.Parameter.set(k.mem, item, 0);
  k.mem.writePtr(item, 0);
  exQueueWorkItem(k, item, DelayedWorkQueue);
}
