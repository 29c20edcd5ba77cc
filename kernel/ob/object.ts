/**
 * Objects: a header that all of them have in common, in front of a body that belongs to the type's manager. Optional information lies in front of the
 * header, in the order of the bits in InfoMask with the lowest bit nearest to it; so an object's address is always its body's.
 *
 *   [process][quota][handle][name][creator] OBJECT_HEADER body
 *
 * An object lives while its PointerCount is not zero; each open handle holds one of those references, and so does its name. The name goes with the last
 * handle, unless the object is permanent. The last dereference runs the type's delete procedure, which may call drivers, so that it is a routine with
 * steps (`ObpDeleteObject` in kernel/exports/ob.ts); host code that cannot call the guest leaves the deletion to a worker thread.
 */
import type { Kernel } from '../kernel.ts';
import {
  OB_FLAG_EXCLUSIVE,
  OB_FLAG_KERNEL_OBJECT,
  OB_FLAG_NEW_OBJECT,
  OB_FLAG_PERMANENT,
  OB_INFO_CREATOR,
  OB_INFO_NAME,
  OBJECT_HEADER,
  OBJECT_HEADER_CREATOR_INFO,
  OBJECT_HEADER_NAME_INFO,
  OBJECT_HEADER_SIZE,
  OBJECT_TYPE,
  OBJECT_TYPE_INITIALIZER,
} from '../types/ob.ts';
import { DelayedWorkQueue } from '../types/ex.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { poolTag } from './globals.ts';
import { freeCreateInformation } from './createinfo.ts';
import { obFreeSecurity } from './security.ts';
import { encodeTypeIndex, obTypeOf } from './type.ts';

const H = OBJECT_HEADER.f;
export const HEADER_SIZE = OBJECT_HEADER_SIZE;

/** Sizes of the optional parts by their bit in InfoMask: creator, name, handle, quota, process. */
const INFO_SIZES = [0x20, 0x20, 0x10, 0x20, 0x10] as const;

/** The OBJECT_ATTRIBUTES.Attributes that there are. */
export const OBJ_VALID_ATTRIBUTES = 0x1ff2;

/** REFERENCE_BY_POINTER. */
const BUGCHECK_REFERENCE_BY_POINTER = 0x18;

export interface CreateOptions {
  /** The object can have a name: it gets an OBJECT_HEADER_NAME_INFO. */
  named?: boolean;
  permanent?: boolean;
  exclusive?: boolean;
}

/**
 * Allocates an object with a zeroed body and one reference, which is the caller's. 0 when there is no pool.
 * `type` is the address of its OBJECT_TYPE; `bodySize` in bytes.
 */
export function obCreateObject(k: Kernel, type: number, bodySize: number, options: CreateOptions = {}): number {
  const { mem } = k;
  const info = type + OBJECT_TYPE.f.TypeInfo.offset;
  const poolType = OBJECT_TYPE_INITIALIZER.f.PoolType.get(mem, info);
  const mask = OB_INFO_CREATOR | (options.named ? OB_INFO_NAME : 0);
  const before = infoOffset(mask);
  const size = before + HEADER_SIZE + bodySize;
  const block = exAllocatePool(k, poolType, size, OBJECT_TYPE.f.Key.get(mem, type) || poolTag('Obje'));
  if (!block) return 0;
  mem.fill(block, size, 0);
  const header = block + before;
  H.PointerCount.set(mem, header, 1n);
  H.InfoMask.set(mem, header, mask);
  H.TypeIndex.set(mem, header, encodeTypeIndex(k, header, OBJECT_TYPE.f.Index.get(mem, type)));
  H.Flags.set(
    mem,
    header,
    OB_FLAG_NEW_OBJECT |
      OB_FLAG_KERNEL_OBJECT |
      (options.permanent ? OB_FLAG_PERMANENT : 0) |
      (options.exclusive ? OB_FLAG_EXCLUSIVE : 0),
  );
  const creator = header - infoOffset(OB_INFO_CREATOR) + OBJECT_HEADER_CREATOR_INFO.f.TypeList.offset;
  mem.writePtr(creator, creator);
  mem.writePtr(creator + 8, creator);
  const f = OBJECT_TYPE.f;
  const objects = f.TotalNumberOfObjects.get(mem, type) + 1;
  f.TotalNumberOfObjects.set(mem, type, objects);
  if (objects > f.HighWaterNumberOfObjects.get(mem, type)) f.HighWaterNumberOfObjects.set(mem, type, objects);
  return header + HEADER_SIZE;
}

/** Bytes from the farthest of the optional parts in `mask` to the header. */
function infoOffset(mask: number): number {
  return INFO_SIZES.reduce((sum, size, bit) => sum + (mask & (1 << bit) ? size : 0), 0);
}

/** The object's OBJECT_HEADER_NAME_INFO, or 0. */
export function nameInfo(k: Kernel, body: number): number {
  const header = body - HEADER_SIZE;
  const mask = H.InfoMask.get(k.mem, header);
  return mask & OB_INFO_NAME ? header - infoOffset(mask & (OB_INFO_NAME * 2 - 1)) : 0;
}

/** PointerCount as a number; it never comes near 2^31. */
export const pointerCount = (k: Kernel, body: number): number => k.mem.readI32(body - HEADER_SIZE + H.PointerCount.offset);
export const handleCount = (k: Kernel, body: number): number => k.mem.readI32(body - HEADER_SIZE + H.HandleCount.offset);

function addPointerCount(k: Kernel, body: number, by: number): number {
  const at = body - HEADER_SIZE + H.PointerCount.offset;
  const count = k.mem.readI32(at) + by;
  k.mem.write32(at, count >>> 0);
  k.mem.write32(at + 4, count < 0 ? 0xffffffff : 0);
  return count;
}

export function addHandleCount(k: Kernel, body: number, by: number): number {
  const at = body - HEADER_SIZE + H.HandleCount.offset;
  const count = k.mem.readI32(at) + by;
  k.mem.write32(at, count >>> 0);
  k.mem.write32(at + 4, count < 0 ? 0xffffffff : 0);
  return count;
}

/** Takes a reference; the new count. A count of zero comes back to life only by mistake: REFERENCE_BY_POINTER. */
export function obReferenceObject(k: Kernel, body: number, by = 1): number {
  const count = addPointerCount(k, body, by);
  if (count <= by) k.bugCheck(BUGCHECK_REFERENCE_BY_POINTER, obTypeOf(k, body), body, 0x10, count);
  return count;
}

/**
 * Gives references back; the new count. When it is zero the object must go: the caller runs `ObpDeleteObject` (a routine with steps), or calls
 * {@link obDereferenceDeferred} in the first place. Below zero is REFERENCE_BY_POINTER.
 */
export function dereference(k: Kernel, body: number, by = 1): number {
  const count = addPointerCount(k, body, -by);
  if (count < 0) k.bugCheck(BUGCHECK_REFERENCE_BY_POINTER, obTypeOf(k, body), body, 0x10, count);
  return count;
}

/** True when deleting the object calls nothing: it can be done on the spot. */
export function deletesQuietly(k: Kernel, body: number): boolean {
  const type = obTypeOf(k, body);
  return OBJECT_TYPE_INITIALIZER.f.DeleteProcedure.get(k.mem, type + OBJECT_TYPE.f.TypeInfo.offset) === 0;
}

/** Gives a reference back where no guest routine can be called: the delete procedure, if there is one, runs in a worker thread. IRQL <= DISPATCH_LEVEL. */
export function obDereferenceDeferred(k: Kernel, body: number): void {
  if (dereference(k, body) > 0) return;
  if (deletesQuietly(k, body)) freeObject(k, body);
  else deferDeletion(k, body);
}

/** Puts an object without references on the list of what ObpProcessRemoveObjectQueue deletes. */
export function deferDeletion(k: Kernel, body: number): void {
  const header = body - HEADER_SIZE;
  H.NextToFree.set(k.mem, header, k.global.get('ObpRemoveObjectList'));
  k.global.set('ObpRemoveObjectList', header);
  if (k.global.get('ObpRemoveObjectQueued')) return;
  k.global.set('ObpRemoveObjectQueued', 1);
  const item = k.global.address('ObpRemoveObjectWorkItem');
  k.mem.writePtr(item, 0);
  k.mem.writePtr(item + 0x10, k.address('nt!ObpProcessRemoveObjectQueue'));
  k.mem.writePtr(item + 0x18, 0);
  exQueueWorkItem(k, item, DelayedWorkQueue);
}

/** Takes the next object to delete from the list; 0 when there is none (the work item may then be queued again). */
export function nextDeferredDeletion(k: Kernel): number {
  const header = k.global.get('ObpRemoveObjectList');
  if (!header) {
    k.global.set('ObpRemoveObjectQueued', 0);
    return 0;
  }
  k.global.set('ObpRemoveObjectList', H.NextToFree.get(k.mem, header));
  H.NextToFree.set(k.mem, header, 0);
  return header + HEADER_SIZE;
}

/** The type's delete procedure, or 0. */
export function deleteProcedure(k: Kernel, body: number): number {
  return OBJECT_TYPE_INITIALIZER.f.DeleteProcedure.get(k.mem, obTypeOf(k, body) + OBJECT_TYPE.f.TypeInfo.offset);
}

/** Gives the memory of an object back, with the buffer of its name. The delete procedure has run. */
export function freeObject(k: Kernel, body: number): void {
  const { mem } = k;
  const header = body - HEADER_SIZE;
  const type = obTypeOf(k, body);
  const f = OBJECT_TYPE.f;
  f.TotalNumberOfObjects.set(mem, type, f.TotalNumberOfObjects.get(mem, type) - 1);
  obFreeSecurity(k, body);
  freeCreateInformation(k, body);
  const name = nameInfo(k, body);
  if (name) {
    const directory = OBJECT_HEADER_NAME_INFO.f.Directory.get(mem, name);
    const buffer = mem.readPtr(name + OBJECT_HEADER_NAME_INFO.f.Name.offset + 8);
    if (buffer) exFreePool(k, buffer, 0);
    if (directory) obDereferenceDeferred(k, directory);
  }
  // 1 is the index of an object that is gone: a use after free finds no type.
  H.TypeIndex.set(mem, header, encodeTypeIndex(k, header, 1));
  exFreePool(k, header - infoOffset(H.InfoMask.get(mem, header)), 0);
}

export const isPermanent = (k: Kernel, body: number): boolean =>
  (H.Flags.get(k.mem, body - HEADER_SIZE) & OB_FLAG_PERMANENT) !== 0;

export function setPermanent(k: Kernel, body: number, on: boolean): void {
  const header = body - HEADER_SIZE;
  const flags = H.Flags.get(k.mem, header);
  H.Flags.set(k.mem, header, on ? flags | OB_FLAG_PERMANENT : flags & ~OB_FLAG_PERMANENT);
}

/** Only one process may have handles to the object (OBJ_EXCLUSIVE). */
export function setExclusive(k: Kernel, body: number): void {
  const header = body - HEADER_SIZE;
  H.Flags.set(k.mem, header, H.Flags.get(k.mem, header) | OB_FLAG_EXCLUSIVE);
}
export const isExclusive = (k: Kernel, body: number): boolean =>
  (H.Flags.get(k.mem, body - HEADER_SIZE) & OB_FLAG_EXCLUSIVE) !== 0;
