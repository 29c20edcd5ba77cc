import { array, ptr, struct, u32, u8 } from '../types/struct.ts';

/** The work item's fields lie in a structure of their own, so that the variable has the right size. */
const WORK_ITEM = struct('_OBP_WORK_ITEM', { List: [0, array(ptr, 2)], WorkerRoutine: [0x10, ptr], Parameter: [0x18, ptr] });

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Ob or Obp. */
export const obGlobals = {
  /** Types by their index; 0 and 1 are not types. */
  ObTypeIndexTable: array(ptr, 256),
  /** Number of the next type. */
  ObpTypeCount: u32,
  /** What the type index in object headers is encoded with. */
  ObHeaderCookie: u8,
  ObpRootDirectoryObject: ptr,
  ObpTypeDirectoryObject: ptr,
  /** `\GLOBAL??`: what `\??` means when a session has no devices of its own. */
  ObpGlobalDosDevices: ptr,
  /** Handle table of the system process: kernel handles. */
  ObpKernelHandleTable: ptr,
  ObpTypeObjectType: ptr,
  ObpDirectoryObjectType: ptr,
  ObpSymbolicLinkObjectType: ptr,
  /** Event that waits on objects which cannot be waited for use; always signaled. */
  ObpDefaultObject: array(ptr, 3),
  /** Objects whose last reference went where they could not be deleted, linked through OBJECT_HEADER.HandleCount. */
  ObpRemoveObjectList: ptr,
  ObpRemoveObjectWorkItem: WORK_ITEM,
  /** 1 while the work item is queued or running. */
  ObpRemoveObjectQueued: u32,
  /** Handle tables of all processes. */
  ObpHandleTableListHead: array(ptr, 2),
} as const;

/** A pool tag as drivers write it: the number whose bytes in memory read like the text. */
export function poolTag(text: string): number {
  if (text.length !== 4) throw new RangeError(`a pool tag has four characters: ${text}`);
  return (text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16) | (text.charCodeAt(3) << 24)) >>> 0;
}
