/**
 * Pool that drivers allocate ("Pool Tracking" of Driver Verifier): who has what, and what lies in a block that is freed. Source: WDK, "Bug Check 0xC4", "Bug Check 0xC7".
 */
import type { Kernel } from '../kernel.ts';
import { workItemInRange } from '../ex/work.ts';
import { timerInserted } from '../ke/timer.ts';
import { activeProcessors } from '../ke/processor.ts';
import { PAGE_SIZE, prcbAddress } from '../mm/layout.ts';
import { poolBlockAt } from '../mm/pool.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION as C4, TIMER_OR_DPC_INVALID, WORKER_INVALID } from '../types/bugcodes.ts';
import { KDPC } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { VF_RECORD } from './globals.ts';
import type { HookArgs, Hooks } from './hook.ts';
import { irpFreed, isAllocatedIrp } from './irp.ts';
import { locksInFreedMemory, resourceInUse } from './lock.ts';
import { removeLocksGone } from './registered.ts';
import {
  calledByDriver,
  chain,
  find,
  FREED,
  forget,
  keep,
  live,
  LOOKASIDE,
  MDL_ALLOCATED,
  MDL_LOCKED,
  MDL_MAPPED,
  note,
  POOL,
  remember,
  remove,
  RESOURCE,
  TIMER,
  WORK_ITEM,
} from './state.ts';

const R = VF_RECORD.f;
const hex = (address: number): string => `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;

/** DPC objects of [start, end) that are in a queue. */
function queuedDpc(k: Kernel, start: number, end: number): number {
  for (let cpu = 0; cpu < 32; cpu++) {
    if (!((activeProcessors(k) >> cpu) & 1)) continue;
    // KDPC_DATA.DpcList is a singly linked list through DpcListEntry, its head first in the structure.
    const head = prcbAddress(cpu) + KPRCB.f.DpcData.offset;
    for (let link = k.mem.readPtr(head), n = 0; link !== 0 && n < 4096; link = k.mem.readPtr(link), n++) {
      const dpc = link - KDPC.f.DpcListEntry.offset;
      if (dpc >= start && dpc < end) return dpc;
    }
  }
  return 0;
}

/** A timer of [start, end) that is set; records of timers that are not are dropped. */
function setTimer(k: Kernel, start: number, end: number): number {
  if (live(k, TIMER) === 0) return 0;
  for (let page = start; page < end + PAGE_SIZE - 1; page += PAGE_SIZE)
    for (const record of [...chain(k, TIMER, Math.min(page, end - 1))]) {
      const timer = k.mem.readPtr(record);
      if (timer < start || timer >= end) continue;
      if (timerInserted(k, timer)) return timer;
      remove(k, record);
    }
  return 0;
}

/**
 * What must not be in memory that goes away: timers that are set, queued DPCs and work items, resources and lookaside lists that were not deleted, held locks.
 * For a freed block and for the image of a driver that was unloaded.
 */
export function checkVanishingMemory(k: Kernel, start: number, bytes: number): void {
  const end = start + bytes;
  const timer = setTimer(k, start, end);
  if (timer)
    k.bugCheck(
      TIMER_OR_DPC_INVALID,
      0,
      timer,
      start,
      end,
      `the timer ${hex(timer)} is set and lies in memory that goes away: KeCancelTimer comes first`,
    );
  const dpc = queuedDpc(k, start, end);
  if (dpc)
    k.bugCheck(TIMER_OR_DPC_INVALID, 1, dpc, start, end, `the DPC ${hex(dpc)} is queued and lies in memory that goes away`);
  const item = workItemInRange(k, start, end);
  if (item)
    k.bugCheck(WORKER_INVALID, 0, item, start, end, `the work item ${hex(item)} is queued and lies in memory that goes away`);
  const inside = (kind: number): number => {
    if (live(k, kind) === 0) return 0;
    for (const record of chain(k, kind, 0)) {
      const key = k.mem.readPtr(record);
      if (key >= start && key < end) return key;
    }
    return 0;
  };
  const resource = inside(RESOURCE);
  if (resource)
    k.bugCheck(
      C4,
      0xd2,
      resource,
      start,
      bytes,
      `memory goes away that holds the executive resource ${hex(resource)}: ExDeleteResourceLite comes first`,
    );
  const lookaside = inside(LOOKASIDE);
  if (lookaside)
    k.bugCheck(
      C4,
      0xcc,
      lookaside,
      start,
      bytes,
      `memory goes away that holds the lookaside list ${hex(lookaside)}: it has to be deleted first`,
    );
  locksInFreedMemory(k, start, bytes);
  removeLocksGone(k, start, bytes);
}

/** A block is about to be freed, by a driver or by the kernel. */
export function poolFreed(k: Kernel, va: number): void {
  const record = find(k, POOL, va);
  const block = record ? { start: va, bytes: R.Size.get(k.mem, record) } : poolBlockAt(k, va);
  // What is no block the pool itself finds.
  if (block === null || block.start !== va || ('free' in block && block.free)) return;
  checkVanishingMemory(k, va, block.bytes);
  forgetSmall(k, va);
  if (!record) return;
  keep(k, record);
  remove(k, record);
  note(k, FREED, va, { size: block.bytes });
}

function allocated(bytes: string, type: (a: HookArgs) => number) {
  return {
    after(k: Kernel, a: HookArgs, value: unknown): void {
      if (typeof value !== 'number' || value === 0 || !calledByDriver(k)) return;
      remember(k, POOL, value, { size: a[bytes]!, tag: a['Tag'] ?? 0x656e6f4e, flags: type(a) & 1 });
    },
  };
}
const withType = allocated('NumberOfBytes', a => a['PoolType']!);
const withFlags = allocated('NumberOfBytes', a => (Number(a['Flags']!) & 0x100 ? 1 : 0));

const freeing = {
  before(k: Kernel, a: HookArgs): void {
    if (isAllocatedIrp(k, a['P']!))
      k.bugCheck(C4, 0x105, a['P']!, 0, 0, 'ExFreePool was given an IRP of IoAllocateIrp: IoFreeIrp frees IRPs');
  },
};

/** Something that has to be deleted before its memory goes. */
const starts = (kind: number, argument: string, again: number, what: string) => ({
  after(k: Kernel, a: HookArgs, value: unknown): void {
    if (!calledByDriver(k) || (typeof value === 'number' && value >= 0x80000000)) return;
    const at = a[argument]!;
    if (find(k, kind, at))
      k.bugCheck(C4, again, at, 0, 0, `the ${what} ${hex(at)} is initialized again without having been deleted`);
    remember(k, kind, at);
  },
});
const ends = (kind: number, argument: string, never: number, what: string) => ({
  before(k: Kernel, a: HookArgs): void {
    if (!calledByDriver(k)) return;
    const at = a[argument]!;
    if (kind === RESOURCE && find(k, kind, at) && resourceInUse(k, at))
      k.bugCheck(C4, 0x100b, at, 0, 0, `the executive resource ${hex(at)} is deleted while somebody owns it`);
    const record = find(k, kind, at);
    if (record) {
      keep(k, record);
      remove(k, record);
    } else if (k.global.get('VfDropped') === 0)
      k.bugCheck(C4, never, at, 0, 0, `the ${what} ${hex(at)} is deleted and was never initialized, or was deleted before`);
  },
});
const lookasideStarts = starts(LOOKASIDE, 'Lookaside', 0xca, 'lookaside list');
const lookasideEnds = ends(LOOKASIDE, 'Lookaside', 0xcb, 'lookaside list');

/** Something that IoFree... gives back and that counts as pool of the driver. */
const made = (kind: number) => ({
  after(k: Kernel, _a: HookArgs, value: unknown): void {
    if (typeof value === 'number' && value !== 0 && calledByDriver(k)) remember(k, kind, value);
  },
});

/** A driver sets a timer: where it did, for the day that its memory goes. */
const timerSet = {
  before(k: Kernel, a: HookArgs): void {
    if (!calledByDriver(k)) return;
    const record = find(k, TIMER, a['Timer']!);
    if (record) remove(k, record);
    remember(k, TIMER, a['Timer']!, { data: a['Dpc'] ?? 0, frames: 8 });
  },
};

export const poolHooks: Hooks = {
  ExAllocatePool: withType,
  ExAllocatePoolWithTag: withType,
  ExAllocatePoolWithTagPriority: withType,
  ExAllocatePoolWithQuota: withType,
  ExAllocatePoolWithQuotaTag: withType,
  ExAllocatePool2: withFlags,
  ExAllocatePool3: withFlags,
  ExFreePool: freeing,
  ExFreePoolWithTag: freeing,
  ExInitializeResourceLite: starts(RESOURCE, 'Resource', 0xd0, 'executive resource'),
  ExDeleteResourceLite: ends(RESOURCE, 'Resource', 0xd1, 'executive resource'),
  ExInitializeNPagedLookasideList: lookasideStarts,
  ExInitializePagedLookasideList: lookasideStarts,
  ExInitializeLookasideListEx: lookasideStarts,
  ExDeleteNPagedLookasideList: lookasideEnds,
  ExDeletePagedLookasideList: lookasideEnds,
  ExDeleteLookasideListEx: lookasideEnds,
  KeSetTimer: timerSet,
  KeSetTimerEx: timerSet,
  KeSetCoalescableTimer: timerSet,
  IoAllocateMdl: made(MDL_ALLOCATED),
  IoAllocateWorkItem: made(WORK_ITEM),
};

/** Memory that carries one of the things that are counted with pool goes back: an MDL, an IRP, a work item. */
export function forgetSmall(k: Kernel, va: number): void {
  forget(k, MDL_ALLOCATED, va);
  forget(k, MDL_LOCKED, va);
  forget(k, MDL_MAPPED, va);
  forget(k, WORK_ITEM, va);
  irpFreed(k, va);
}
