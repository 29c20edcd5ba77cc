/** ZwNotifyChangeKey: who waits for a change of a key. The blocks are one list; a change looks through it for its key and, with WatchTree, the keys above. */
import type { Kernel } from '../kernel.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { keSetEvent } from '../ke/event.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { PagedPool } from '../types/mm.ts';
import { array, ptr, struct, u32 } from '../types/struct.ts';

/** REG_NOTIFY_CHANGE_*. */
export const REG_NOTIFY_CHANGE_NAME = 1,
  REG_NOTIFY_CHANGE_ATTRIBUTES = 2,
  REG_NOTIFY_CHANGE_LAST_SET = 4,
  REG_NOTIFY_CHANGE_SECURITY = 8;
export const STATUS_NOTIFY_CLEANUP = 0x10b,
  STATUS_NOTIFY_ENUM_DIR = 0x10c;

const BLOCK = struct('_CM_NOTIFY_BLOCK', {
  Link: array(ptr, 2),
  KeyControlBlock: ptr,
  KeyBody: ptr,
  /** Referenced event object, or the event in a waiting thread's frame, or 0. */
  Event: ptr,
  WorkItem: ptr,
  IoStatusBlock: ptr,
  Filter: u32,
  WatchTree: u32,
  QueueType: u32,
  /** The event is an object that is held. */
  Held: u32,
});
const B = BLOCK.f;
const TAG = poolTag('CMnb');

export interface Watch {
  key: number;
  body: number;
  filter: number;
  tree: boolean;
  event: number;
  held: boolean;
  workItem: number;
  queueType: number;
  iosb: number;
}

/** Begins to watch a key; false without pool. */
export function watchKey(k: Kernel, w: Watch): boolean {
  const { mem } = k;
  const at = exAllocatePool(k, PagedPool, BLOCK.size, TAG);
  if (!at) return false;
  mem.fill(at, BLOCK.size, 0);
  B.KeyControlBlock.set(mem, at, w.key);
  B.KeyBody.set(mem, at, w.body);
  B.Event.set(mem, at, w.event);
  B.Held.set(mem, at, w.held ? 1 : 0);
  B.WorkItem.set(mem, at, w.workItem);
  B.QueueType.set(mem, at, w.queueType);
  B.IoStatusBlock.set(mem, at, w.iosb);
  B.Filter.set(mem, at, w.filter);
  B.WatchTree.set(mem, at, w.tree ? 1 : 0);
  insertTailList(mem, k.global.address('CmpNotifyListHead'), at);
  return true;
}

/** Ends a watch: status into the I/O status block, the event set, the work item queued. */
function finish(k: Kernel, at: number, status: number): void {
  const { mem } = k;
  removeEntryList(mem, at);
  const iosb = B.IoStatusBlock.get(mem, at);
  if (iosb) {
    mem.write32(iosb, status);
    mem.write64(iosb + 8, 0n);
  }
  const event = B.Event.get(mem, at);
  if (event) {
    keSetEvent(k, event, 0);
    if (B.Held.get(mem, at)) obDereferenceDeferred(k, event);
  }
  const item = B.WorkItem.get(mem, at);
  if (item) exQueueWorkItem(k, item, B.QueueType.get(mem, at));
  exFreePool(k, at, TAG);
}

/** Something of that kind changed in `key`; `parentOf` leads up the tree. */
export function notifyChange(k: Kernel, key: number, filter: number, parentOf: (key: number) => number): void {
  const head = k.global.address('CmpNotifyListHead');
  if (k.mem.readPtr(head) === head) return;
  for (const at of [...listEntries(k.mem, head)]) {
    if (!(B.Filter.get(k.mem, at) & filter)) continue;
    const watched = B.KeyControlBlock.get(k.mem, at);
    let up = key;
    if (B.WatchTree.get(k.mem, at)) while (up && up !== watched) up = parentOf(up);
    if (up === watched) finish(k, at, STATUS_NOTIFY_ENUM_DIR);
  }
}

/** The handle that watches was closed, or (body 0) the key is gone: who waits hears of it. */
export function endWatches(k: Kernel, body: number, key: number): void {
  for (const at of [...listEntries(k.mem, k.global.address('CmpNotifyListHead'))]) {
    if (body ? B.KeyBody.get(k.mem, at) === body : B.KeyControlBlock.get(k.mem, at) === key) finish(k, at, STATUS_NOTIFY_CLEANUP);
  }
}
