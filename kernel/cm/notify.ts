/** ZwNotifyChangeKey: who waits for a change of a key. The blocks are one list; a change looks through it for its key and, with WatchTree, the keys above. */
import { GuestFault } from '../../hal/bus/memory.ts';
import { type NtExport, ntExport, PVOID, VOID } from '../exports/declare.ts';
import { keInitializeApc, keInsertQueueApc } from '../ke/apc.ts';
import type { Kernel } from '../kernel.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { keSetEvent } from '../ke/event.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { KAPC, KernelMode, UserMode } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { array, ptr, struct, u32, u64 } from '../types/struct.ts';

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
  /** A program's request: its thread, in whose context the status is written; the APC that does it; the routine that the program wants called. */
  Thread: ptr,
  Status: u32,
  ApcRoutine: ptr,
  ApcContext: u64,
  Apc: KAPC,
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
  /** The thread of a program that goes on meanwhile; 0 for the kernel's, and for a caller that waits. */
  thread: number;
  /** What of the program's is called in that thread, if not 0. */
  apcRoutine: number;
  apcContext: number;
}

/** Begins to watch a key; false without pool. */
export function watchKey(k: Kernel, w: Watch): boolean {
  const { mem } = k;
  const at = exAllocatePool(k, NonPagedPoolNx, BLOCK.size, TAG);
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
  B.Thread.set(mem, at, w.thread);
  B.ApcRoutine.set(mem, at, w.apcRoutine);
  B.ApcContext.set(mem, at, BigInt.asUintN(64, BigInt(w.apcContext)));
  insertTailList(mem, k.global.address('CmpNotifyListHead'), at);
  return true;
}

/** Ends a watch: status into the I/O status block, the event set, the work item queued. */
function finish(k: Kernel, at: number, status: number): void {
  const { mem } = k;
  removeEntryList(mem, at);
  if (B.Thread.get(mem, at)) {
    B.Status.set(mem, at, status);
    keInitializeApc(k, at + B.Apc.offset, B.Thread.get(mem, at), {
      environment: 0,
      kernelRoutine: k.address('nt!CmpPostApc'),
      rundownRoutine: 0,
      normalRoutine: 0,
      mode: KernelMode,
      normalContext: 0,
    });
    keInsertQueueApc(k, at + B.Apc.offset, 0n, 0n, 1);
    return;
  }
  const iosb = B.IoStatusBlock.get(mem, at);
  if (iosb) {
    mem.write32(iosb, status);
    mem.write64(iosb + 8, 0n);
  }
  tell(k, at);
  const item = B.WorkItem.get(mem, at);
  if (item) exQueueWorkItem(k, item, B.QueueType.get(mem, at));
  exFreePool(k, at, TAG);
}

/** Sets the event of a watch and gives it back. */
function tell(k: Kernel, at: number): void {
  const event = B.Event.get(k.mem, at);
  if (!event) return;
  keSetEvent(k, event, 0);
  if (B.Held.get(k.mem, at)) obDereferenceDeferred(k, event);
}

/** In the thread of the program that watched: the status block, the event, then its own routine as a user APC. */
function post(k: Kernel, at: number): void {
  const { mem } = k;
  const iosb = B.IoStatusBlock.get(mem, at);
  try {
    mem.write32(iosb, B.Status.get(mem, at));
    mem.write64(iosb + 8, 0n);
  } catch (e) {
    // The program has given its status block up meanwhile: that is its own affair.
    if (!(e instanceof GuestFault) || e.address < 0) throw e;
  }
  tell(k, at);
  const routine = B.ApcRoutine.get(mem, at);
  if (!routine) return exFreePool(k, at, TAG);
  const apc = at + B.Apc.offset;
  keInitializeApc(k, apc, B.Thread.get(mem, at), {
    environment: 0,
    kernelRoutine: k.address('nt!CmpPostUserApc'),
    rundownRoutine: k.address('nt!CmpPostUserApc'),
    normalRoutine: routine,
    mode: UserMode,
    normalContext: 0,
  });
  mem.write64(apc + KAPC.f.NormalContext.offset, B.ApcContext.get(mem, at));
  keInsertQueueApc(k, apc, iosb, 0, 1);
}

/** The current thread ends: nobody is told any more of what it asked for. */
export function abandonWatches(k: Kernel, thread: number): void {
  for (const at of [...listEntries(k.mem, k.global.address('CmpNotifyListHead'))]) {
    if (B.Thread.get(k.mem, at) !== thread) continue;
    removeEntryList(k.mem, at);
    if (B.Held.get(k.mem, at)) obDereferenceDeferred(k, B.Event.get(k.mem, at));
    exFreePool(k, at, TAG);
  }
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

const apcArgs = {
  Apc: PVOID,
  NormalRoutine: PVOID,
  NormalContext: PVOID,
  SystemArgument1: PVOID,
  SystemArgument2: PVOID,
} as const;

export const notifyRoutines: readonly NtExport[] = [
  ntExport({
    name: 'CmpPostApc',
    internal: true,
    doc: 'Special kernel APC: tells a program of a change of a key that it watched.',
    args: apcArgs,
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl: (k, { Apc }) => post(k, Apc - B.Apc.offset),
  }),
  ntExport({
    name: 'CmpPostUserApc',
    internal: true,
    doc: 'Kernel routine, and rundown routine, of the user APC that follows: frees what held it.',
    args: apcArgs,
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, { Apc }) => exFreePool(k, Apc - B.Apc.offset, TAG),
  }),
];
