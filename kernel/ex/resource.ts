import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { insertTailList, removeEntryList } from '../rtl/list.ts';
import { RESOURCE_NOT_OWNED } from '../types/bugcodes.ts';
import { ERESOURCE, OWNER_ENTRY, ResourceOwnedExclusive } from '../types/ex.ts';
import { KEVENT } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { ptr, struct, u64 } from '../types/struct.ts';

/*
 * ERESOURCE: a lock that one thread owns exclusively or many share, and that each may acquire repeatedly. OwnerEntry holds the exclusive owner or the first sharer, OwnerTable the
 * others; an entry's count is in bits 3 and up. Threads that wait have a block on their stack, chained from SharedWaiters or ExclusiveWaiters; who releases the
 * resource makes them owners before it wakes them.
 */

const R = ERESOURCE.f;
const OWNER_THREAD = 0,
  OWNER_COUNT = 8;
const ONE = 8;
const TAG_RESOURCE = 0x54657352; // 'RseT'

/** A waiting thread's block, in the frame of the routine that waits. */
export const RESOURCE_WAIT_BLOCK = struct('_EX_RESOURCE_WAIT_BLOCK', { Next: ptr, Thread: u64, Event: KEVENT });
const W = RESOURCE_WAIT_BLOCK.f;

export function exInitializeResource(k: Kernel, resource: number): void {
  k.mem.fill(resource, ERESOURCE.size, 0);
  insertTailList(k.mem, k.global.address('ExpSystemResourcesList'), resource);
}

export function exDeleteResource(k: Kernel, resource: number): void {
  removeEntryList(k.mem, resource);
  const table = R.OwnerTable.get(k.mem, resource);
  if (table) exFreePool(k, table, TAG_RESOURCE);
  R.OwnerTable.set(k.mem, resource, 0);
}

const owner = (thread: number): bigint => BigInt.asUintN(64, BigInt(thread));
const isExclusive = (k: Kernel, r: number): boolean => (R.Flag.get(k.mem, r) & ResourceOwnedExclusive) !== 0;
const add = (k: Kernel, at: number, n: number): void => k.mem.write32(at, (k.mem.read32(at) + n) >>> 0);

/** Entry of `thread`, or 0. Element 0 of the table is its size. */
function findOwner(k: Kernel, r: number, thread: bigint): number {
  const first = r + R.OwnerEntry.offset;
  if (k.mem.read64(first + OWNER_THREAD) === thread) return first;
  const table = R.OwnerTable.get(k.mem, r);
  const size = table ? k.mem.read32(table + OWNER_COUNT) : 0;
  for (let i = 1; i < size; i++) if (k.mem.read64(table + i * OWNER_ENTRY.size) === thread) return table + i * OWNER_ENTRY.size;
  return 0;
}

/** A new entry for `thread`, the table growing as needed; 0 when there is no pool. */
function newOwner(k: Kernel, r: number, thread: bigint): number {
  const first = r + R.OwnerEntry.offset;
  let entry = k.mem.read64(first) === 0n ? first : findOwner(k, r, 0n);
  if (!entry) {
    const old = R.OwnerTable.get(k.mem, r),
      size = old ? k.mem.read32(old + OWNER_COUNT) : 0,
      grown = Math.max(4, size + 4);
    const table = exAllocatePool(k, NonPagedPoolNx, grown * OWNER_ENTRY.size, TAG_RESOURCE);
    if (!table) return 0;
    k.mem.fill(table, grown * OWNER_ENTRY.size, 0);
    if (old) {
      k.mem.copy(table, old, size * OWNER_ENTRY.size);
      exFreePool(k, old, TAG_RESOURCE);
    }
    k.mem.write32(table + OWNER_COUNT, grown);
    R.OwnerTable.set(k.mem, r, table);
    entry = table + Math.max(1, size) * OWNER_ENTRY.size;
  }
  k.mem.write64(entry + OWNER_THREAD, thread);
  k.mem.write32(entry + OWNER_COUNT, 0);
  return entry;
}

function own(k: Kernel, r: number, thread: bigint, exclusive: boolean): boolean {
  const entry = newOwner(k, r, thread);
  if (!entry) return false;
  k.mem.write32(entry + OWNER_COUNT, ONE);
  add(k, r + R.ActiveEntries.offset, 1);
  R.ActiveCount.set(k.mem, r, 1);
  if (exclusive) R.Flag.set(k.mem, r, R.Flag.get(k.mem, r) | ResourceOwnedExclusive);
  return true;
}

export type SharedPolicy = 'normal' | 'starveExclusive' | 'waitForExclusive';

/** Acquires at once for `thread` if that is possible. */
export function tryAcquireResource(
  k: Kernel,
  r: number,
  thread: number,
  exclusive: boolean,
  policy: SharedPolicy = 'normal',
): boolean {
  const me = owner(thread);
  if (R.ActiveEntries.get(k.mem, r) === 0) return own(k, r, me, exclusive);
  const mine = findOwner(k, r, me);
  if (isExclusive(k, r)) {
    if (!mine) return false;
    add(k, mine + OWNER_COUNT, ONE);
    return true;
  }
  if (exclusive) return false;
  const waiting = R.NumberOfExclusiveWaiters.get(k.mem, r) > 0;
  if (waiting && (policy === 'waitForExclusive' || (policy === 'normal' && !mine))) return false;
  if (mine) {
    add(k, mine + OWNER_COUNT, ONE);
    return true;
  }
  return own(k, r, me, false);
}

/** Puts the current thread's wait block at the end of the waiters. It must then wait for the block's event. */
export function queueResourceWaiter(k: Kernel, r: number, block: number, exclusive: boolean): void {
  const thread = k.currentThread();
  W.Next.set(k.mem, block, 0);
  W.Thread.set(k.mem, block, owner(thread));
  keInitializeEvent(k, block + W.Event.offset, 1, false);
  let link = r + (exclusive ? R.ExclusiveWaiters : R.SharedWaiters).offset;
  for (let next = k.mem.readPtr(link); next; next = k.mem.readPtr(link)) link = next;
  k.mem.writePtr(link, block);
  add(k, r + (exclusive ? R.NumberOfExclusiveWaiters : R.NumberOfSharedWaiters).offset, 1);
  add(k, r + R.ContentionCount.offset, 1);
}

/** Makes the first waiter of a kind the owner and wakes it. False when nobody waits. */
function grant(k: Kernel, r: number, exclusive: boolean): boolean {
  const list = exclusive ? R.ExclusiveWaiters : R.SharedWaiters;
  const block = list.get(k.mem, r);
  if (!block || !own(k, r, W.Thread.get(k.mem, block), exclusive)) return false;
  list.set(k.mem, r, W.Next.get(k.mem, block));
  add(k, r + (exclusive ? R.NumberOfExclusiveWaiters : R.NumberOfSharedWaiters).offset, -1);
  keSetEvent(k, block + W.Event.offset, 0);
  return true;
}

/** Releases one acquisition of `thread`; bug check 0xE3 when it has none. */
export function exReleaseResource(k: Kernel, r: number, thread: bigint): void {
  const entry = findOwner(k, r, thread);
  if (!entry || thread === 0n)
    k.bugCheck(RESOURCE_NOT_OWNED, r, thread, R.OwnerTable.get(k.mem, r), 3, 'a thread released a resource that it does not own');
  const count = k.mem.read32(entry + OWNER_COUNT) - ONE;
  k.mem.write32(entry + OWNER_COUNT, count);
  if (count >= ONE) return;
  k.mem.write64(entry + OWNER_THREAD, 0n);
  const left = R.ActiveEntries.get(k.mem, r) - 1;
  R.ActiveEntries.set(k.mem, r, left);
  if (left > 0) return;
  const wasExclusive = isExclusive(k, r);
  R.Flag.set(k.mem, r, R.Flag.get(k.mem, r) & ~ResourceOwnedExclusive);
  R.ActiveCount.set(k.mem, r, 0);
  // After an exclusive owner all who want to share get it; after sharers the first who wants it exclusively.
  if (wasExclusive) grantShared(k, r);
  if (R.ActiveEntries.get(k.mem, r) === 0 && !grant(k, r, true)) grantShared(k, r);
}

function grantShared(k: Kernel, r: number): void {
  while (grant(k, r, false));
}

/** ExConvertExclusiveToSharedLite: the owner goes on sharing; who waits to share gets in. */
export function exConvertToShared(k: Kernel, r: number): void {
  R.Flag.set(k.mem, r, R.Flag.get(k.mem, r) & ~ResourceOwnedExclusive);
  grantShared(k, r);
}

/** ExSetResourceOwnerPointer: the acquisitions of the current thread belong from now on to an owner that is no thread; bug check 0xE3 when it has none. */
export function exSetResourceOwner(k: Kernel, r: number, owned: bigint): void {
  const me = owner(k.currentThread());
  const entry = findOwner(k, r, me);
  if (!entry)
    k.bugCheck(RESOURCE_NOT_OWNED, r, me, R.OwnerTable.get(k.mem, r), 3, 'a thread gave away a resource that it does not own');
  const there = findOwner(k, r, owned);
  if (!there) {
    k.mem.write64(entry + OWNER_THREAD, owned);
    return;
  }
  add(k, there + OWNER_COUNT, k.mem.read32(entry + OWNER_COUNT));
  k.mem.write64(entry + OWNER_THREAD, 0n);
  k.mem.write32(entry + OWNER_COUNT, 0);
  add(k, r + R.ActiveEntries.offset, -1);
}

/** Acquisitions that `thread` has; exclusive ones only if `exclusive`. */
export function resourceCount(k: Kernel, r: number, thread: number, exclusive: boolean): number {
  if (exclusive && !isExclusive(k, r)) return 0;
  const entry = findOwner(k, r, owner(thread));
  return entry && R.ActiveEntries.get(k.mem, r) ? Math.floor(k.mem.read32(entry + OWNER_COUNT) / ONE) : 0;
}
