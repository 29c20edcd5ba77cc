/**
 * Special pool (WDK, "Special Pool"): each allocation lies on pages of its own, at their end, with a page after it that is never mapped; freed pages are unmapped and
 * their addresses stay out of use as long as the region allows. So an overrun and a use after free are page faults at the instruction that makes them, and what is
 * written before or just behind the block is seen when it is freed. The verifier serves drivers from it; with it goes a record of each block: who allocated and who freed it.
 */
import type { Kernel } from '../kernel.ts';
import { captureStack } from '../ke/stackwalk.ts';
import { fillBits, findBits } from '../rtl/bits.ts';
import {
  BAD_POOL_CALLER,
  DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
  DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
  PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
  PAGE_FAULT_IN_FREED_SPECIAL_POOL,
  SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION,
} from '../types/bugcodes.ts';
import { array, ptr, struct, u32, u64 } from '../types/struct.ts';
import { PAGE_SIZE, PTE_NO_EXECUTE, PTE_WRITE, SPECIAL_POOL_BASE, SPECIAL_POOL_TABLE, pageOffset } from './layout.ts';
import { mmAllocatePage, mmFreePage } from './pfn.ts';
import { returnPoolQuota } from './poolquota.ts';
import { mmIsPageable, mmReleasePage, PTE_KEY_DRIVER } from './paging.ts';
import { mmMakePageTable, mmIsAddressValid, mmMapPage, mmUnmapPageEverywhere } from './pte.ts';

/** Return addresses that are kept of an allocation and of a free. */
export const SPECIAL_POOL_FRAMES = 8;
const LIVE = 1,
  FREED = 2;

/** What is known of a block: this kernel's own structure, one for every second page of the region (a block has two pages at least). */
export const SPECIAL_POOL_BLOCK = struct('_MI_SPECIAL_POOL_BLOCK', {
  Start: ptr,
  Bytes: u32,
  Tag: u32,
  /** POOL_TYPE of the allocation. */
  PoolType: u32,
  /** 0 never used, 1 allocated, 2 freed. */
  State: u32,
  /** Pages with memory; the guard page comes after them. */
  Pages: u32,
  ProcessorNumber: u32,
  /** EPROCESS that quota was charged to, 0 for none. */
  ProcessBilled: ptr,
  AllocThread: ptr,
  AllocCycle: u64,
  AllocStack: array(ptr, SPECIAL_POOL_FRAMES),
  FreeThread: ptr,
  FreeCycle: u64,
  FreeStack: array(ptr, SPECIAL_POOL_FRAMES),
});
const B = SPECIAL_POOL_BLOCK.f;

const regionPages = (k: Kernel): number => k.global.get('MmSpecialPoolPages');

/** Whether the verifier gave the machine a special pool, and `va` lies in its region. */
export const inSpecialPool = (k: Kernel, va: number): boolean =>
  va >= SPECIAL_POOL_BASE && va < SPECIAL_POOL_BASE + regionPages(k) * PAGE_SIZE;

const pageIndex = (va: number): number => Math.floor((va - SPECIAL_POOL_BASE) / PAGE_SIZE);
const recordOf = (index: number): number => SPECIAL_POOL_TABLE + (index >>> 1) * SPECIAL_POOL_BLOCK.size;

/** The pages that the special pool leaves to others: a quarter of RAM. */
const reserve = (k: Kernel): number => k.global.get('MmNumberOfPhysicalPages') >>> 2;

/** The byte that a block's pages are filled with; it depends on the address alone. */
const pattern = (index: number): number => 0x80 | ((index * 37) & 0x7f);

/** Bytes that a block of `bytes` takes, counted back from the end of its page. */
const rounded = (bytes: number, poolType: number): number => {
  const unit = poolType & 4 ? 64 : 16;
  return Math.ceil(bytes / unit) * unit;
};

/** Where stacks of the kernel's own records come from: the routine that runs and its callers. */
const stackNow = (k: Kernel): number[] => {
  const found = captureStack(k, SPECIAL_POOL_FRAMES);
  return Array.from({ length: SPECIAL_POOL_FRAMES }, (_, i) => found[i] ?? 0);
};

/** Sets the special pool up: a bitmap of the region's pages and the table of records. Runs once, when the verifier is on; without memory for it there is none. */
export function initializeSpecialPool(k: Kernel, bitmap: number, pages: number): void {
  const bytes = (pages >>> 1) * SPECIAL_POOL_BLOCK.size;
  for (let at = 0; at < bytes; at += PAGE_SIZE) {
    const pfn = mmAllocatePage(k, true);
    if (pfn < 0 || !mmMapPage(k, SPECIAL_POOL_TABLE + at, pfn, PTE_WRITE | PTE_NO_EXECUTE)) return;
  }
  // The region's page tables exist from the start, so that a block costs its own pages and nothing else.
  for (let page = 0; page < pages; page += 512) if (!mmMakePageTable(k, SPECIAL_POOL_BASE + page * PAGE_SIZE)) return;
  k.global.set('MmSpecialPoolBitmap', bitmap);
  k.global.set('MmSpecialPoolPages', pages);
}

/**
 * Allocates from the special pool; 0 when there is none, when its region is used up or memory is short: the caller then takes ordinary pool.
 * @param poolType POOL_TYPE; bit 2 aligns to cache lines, bit 9 makes the pages not executable
 * @param process EPROCESS to which quota is charged, or 0
 * @param underrun the block lies at the start of its page, so that an access before it faults
 */
export function specialAllocate(k: Kernel, poolType: number, bytes: number, tag: number, process = 0, underrun = false): number {
  const region = regionPages(k);
  const size = Math.max(bytes, 1);
  const pages = Math.ceil(size / PAGE_SIZE);
  if (!region || pages + 1 > region || k.global.get('MmAvailablePages') < reserve(k) + pages) return 0;
  const bitmap = k.global.get('MmSpecialPoolBitmap');
  // Blocks start at even pages, where their records are.
  const span = (pages + 2) & ~1;
  const index = findBits(k.mem, bitmap, region / 2, span / 2, k.global.get('MmSpecialPoolHint') / 2, false) * 2;
  if (index < 0) return 0;
  const base = SPECIAL_POOL_BASE + index * PAGE_SIZE;
  const bits = PTE_WRITE | (poolType & 1 ? PTE_NO_EXECUTE | PTE_KEY_DRIVER : poolType & 0x200 ? PTE_NO_EXECUTE : 0n);
  for (let i = 0; i < pages; i++) {
    const pfn = mmAllocatePage(k, false);
    if (pfn < 0 || !mmMapPage(k, base + i * PAGE_SIZE, pfn, bits)) {
      if (pfn >= 0) mmFreePage(k, pfn);
      release(k, base, i);
      return 0;
    }
    k.platform.memory.fill(pfn * PAGE_SIZE, PAGE_SIZE, pattern(index));
  }
  fillBits(k.mem, bitmap, index / 2, span / 2, true);
  k.global.set('MmSpecialPoolHint', index + span);
  k.global.set('MmSpecialPoolPagesInUse', k.global.get('MmSpecialPoolPagesInUse') + pages);
  const start = size >= PAGE_SIZE || underrun ? base : base + PAGE_SIZE - rounded(size, poolType);
  for (let inner = index + 2; inner < index + span; inner += 2) B.State.set(k.mem, recordOf(inner), 0);
  const r = recordOf(index);
  B.Start.set(k.mem, r, start);
  B.Bytes.set(k.mem, r, bytes);
  B.Tag.set(k.mem, r, tag);
  B.PoolType.set(k.mem, r, poolType);
  B.State.set(k.mem, r, LIVE);
  B.Pages.set(k.mem, r, pages);
  B.ProcessorNumber.set(k.mem, r, k.cpu.index);
  B.ProcessBilled.set(k.mem, r, process);
  B.AllocThread.set(k.mem, r, k.currentThread());
  B.AllocCycle.set(k.mem, r, BigInt(k.cpu.cycle));
  B.AllocStack.set(k.mem, r, stackNow(k));
  B.FreeThread.set(k.mem, r, 0);
  B.FreeCycle.set(k.mem, r, 0n);
  return start;
}

function release(k: Kernel, base: number, pages: number): void {
  for (let i = 0; i < pages; i++) {
    const va = base + i * PAGE_SIZE;
    const pfn = mmUnmapPageEverywhere(k, va);
    if (pfn >= 0) mmFreePage(k, pfn);
    else mmReleasePage(k, va);
  }
}

/** Record of the block whose pages or guard page `va` is in, live or freed; 0 when no block was there. */
export function specialRecordAt(k: Kernel, va: number): number {
  if (!inSpecialPool(k, va)) return 0;
  const page = pageIndex(va);
  for (let index = page & ~1; index >= 0; index -= 2) {
    const r = recordOf(index);
    // A block clears the records of the pages it covers after its first: the next record downwards is the only one that can reach this page.
    if (B.State.get(k.mem, r) !== 0) return page <= index + B.Pages.get(k.mem, r) ? r : 0;
  }
  return 0;
}

export interface SpecialBlock {
  start: number;
  bytes: number;
  tag: number;
  poolType: number;
  freed: boolean;
  /** Cycle, processor, thread and return addresses (innermost first: the pool routine itself) of the allocation. */
  allocated: { cycle: number; cpu: number; thread: number; stack: number[] };
  /** The same of the free, for a block that was freed. */
  released: { cycle: number; thread: number; stack: number[] } | null;
}

function readBlock(k: Kernel, r: number): SpecialBlock {
  const stack = (all: number[]): number[] => all.filter(a => a !== 0);
  const freed = B.State.get(k.mem, r) === FREED;
  return {
    start: B.Start.get(k.mem, r),
    bytes: B.Bytes.get(k.mem, r),
    tag: B.Tag.get(k.mem, r),
    poolType: B.PoolType.get(k.mem, r),
    freed,
    allocated: {
      cycle: Number(B.AllocCycle.get(k.mem, r)),
      cpu: B.ProcessorNumber.get(k.mem, r),
      thread: B.AllocThread.get(k.mem, r),
      stack: stack(B.AllocStack.get(k.mem, r)),
    },
    released: freed
      ? { cycle: Number(B.FreeCycle.get(k.mem, r)), thread: B.FreeThread.get(k.mem, r), stack: stack(B.FreeStack.get(k.mem, r)) }
      : null,
  };
}

/** The block of special pool that an address belongs to (its pages and the guard page), for reports and the debugger; null when there is none. */
export function specialBlockAt(k: Kernel, va: number): SpecialBlock | null {
  const r = specialRecordAt(k, va);
  return r ? readBlock(k, r) : null;
}

/** The blocks that are allocated, in the order of addresses. */
export function* specialBlocks(k: Kernel): Generator<SpecialBlock> {
  const region = regionPages(k);
  for (let index = 0; index < region;) {
    const r = recordOf(index);
    if (B.State.get(k.mem, r) === LIVE) {
      yield readBlock(k, r);
      index += (B.Pages.get(k.mem, r) + 2) & ~1;
    } else index += 2;
  }
}

/** POOL_TYPE of the block at `va`, or -1 when there is none in the special pool. */
export function specialPoolType(k: Kernel, va: number): number {
  const r = specialRecordAt(k, va);
  return r ? B.PoolType.get(k.mem, r) : -1;
}

/** EPROCESS that was charged for the block at `va`, or 0. */
export const specialProcessBilled = (k: Kernel, va: number): number => {
  const r = specialRecordAt(k, va);
  return r ? B.ProcessBilled.get(k.mem, r) : 0;
};

/** Address of the first byte in [from, to) that is not `value`; 0 when all are. */
function firstDifference(k: Kernel, from: number, to: number, value: number): number {
  const bytes = k.mem.readBytes(from, to - from);
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== value) return from + at;
  return 0;
}

const CODE = SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION;

/** Frees a block of special pool; `va` lies in its region. Everything that is wrong with it is bug check 0xC1, but for another tag (0xC2, 0x0A). */
export function specialFree(k: Kernel, va: number, tag: number): void {
  const r = specialRecordAt(k, va);
  if (!r || B.State.get(k.mem, r) !== LIVE)
    k.bugCheck(
      CODE,
      va,
      r ? B.Bytes.get(k.mem, r) : 0,
      0,
      0x20,
      r ? 'a pool block was freed that is free already' : 'an address was freed that no pool block was allocated at',
    );
  const start = B.Start.get(k.mem, r),
    bytes = B.Bytes.get(k.mem, r),
    pages = B.Pages.get(k.mem, r);
  const base = start - pageOffset(start),
    index = pageIndex(base);
  if (va !== start)
    k.bugCheck(
      CODE,
      va,
      bytes,
      base + pages * PAGE_SIZE - start,
      0x21,
      'the address that is freed is inside a pool block, not its start',
    );
  const wanted = (tag & 0x7fffffff) >>> 0;
  if (wanted && B.Tag.get(k.mem, r) !== wanted)
    k.bugCheck(
      BAD_POOL_CALLER,
      0x0a,
      va,
      B.Tag.get(k.mem, r),
      wanted,
      'the pool block was freed with another tag than it was allocated with',
    );
  const before = firstDifference(k, base, start, pattern(index));
  if (before)
    k.bugCheck(CODE, va, before, 0, 0x23, `bytes before the pool block were written: ${start - before} bytes before its start`);
  const after = firstDifference(k, start + bytes, base + pages * PAGE_SIZE, pattern(index));
  if (after)
    k.bugCheck(
      CODE,
      va,
      after,
      0,
      0x24,
      `bytes after the pool block were written: ${after - start - bytes} bytes after its ${bytes}`,
    );
  const billed = B.ProcessBilled.get(k.mem, r);
  if (billed) returnPoolQuota(k, billed, B.PoolType.get(k.mem, r), bytes);
  release(k, base, pages);
  fillBits(k.mem, k.global.get('MmSpecialPoolBitmap'), index / 2, ((pages + 2) & ~1) / 2, false);
  k.global.set('MmSpecialPoolPagesInUse', k.global.get('MmSpecialPoolPagesInUse') - pages);
  B.State.set(k.mem, r, FREED);
  B.FreeThread.set(k.mem, r, k.currentThread());
  B.FreeCycle.set(k.mem, r, BigInt(k.cpu.cycle));
  B.FreeStack.set(k.mem, r, stackNow(k));
}

/** What a page fault in the special pool's region means: the bug check and a text; null elsewhere. `byDriver` says that a driver's instruction faulted. */
export function specialPoolFault(k: Kernel, va: number, byDriver: boolean): { code: number; text: string } | null {
  // What is wrong with a page that is there is its protection; with one that can be brought back the IRQL.
  if (!inSpecialPool(k, va) || mmIsPageable(k, va) || mmIsAddressValid(k, va)) return null;
  const block = specialBlockAt(k, va);
  if (block && !block.freed) {
    const beyond = va - block.start - block.bytes;
    return {
      code: byDriver ? DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION : PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
      text: `the access is ${beyond} bytes after the end of a pool block of ${block.bytes} bytes`,
    };
  }
  return {
    code: byDriver ? DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL : PAGE_FAULT_IN_FREED_SPECIAL_POOL,
    text: block
      ? `the access is in a pool block of ${block.bytes} bytes that was freed`
      : 'the access is in pool where no block is allocated',
  };
}
