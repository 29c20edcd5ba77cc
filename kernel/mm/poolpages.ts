import type { Kernel } from '../kernel.ts';
import { fillBits, findBits, testBit } from '../rtl/bits.ts';
import { POOL_TRACKER_BIG_PAGES } from '../types/mm.ts';
import { POOL_DESCRIPTOR } from './globals.ts';
import { PAGE_SIZE, PTE_NO_EXECUTE, PTE_WRITE } from './layout.ts';
import { mmAllocatePage, mmFreePage } from './pfn.ts';
import { mmMapPageable, mmReleasePage, PTE_KEY_SYSTEM } from './paging.ts';

/** The pools' pages: which are in use, and the table of allocations of whole pages. */

const F = POOL_DESCRIPTOR.f;
const ENTRY = POOL_TRACKER_BIG_PAGES.size;
const VA = 0,
  KEY = 8,
  BYTES = 0x10;
/** An entry whose allocation was freed: the search goes on past it. */
const FREED = 1;

/** Descriptor of the pool whose range holds `va`, or 0. */
export function inPool(k: Kernel, va: number): number {
  for (const name of ['MmNonPagedPool', 'MmPagedPool'] as const) {
    const pool = k.global.address(name);
    const base = F.Base.get(k.mem, pool);
    if (va >= base && va < base + F.Pages.get(k.mem, pool) * PAGE_SIZE) return pool;
  }
  return 0;
}

const isPaged = (k: Kernel, pool: number): boolean => (F.PoolType.get(k.mem, pool) & 1) === 1;

/** Maps fresh pages at [va, va + count pages); false and nothing mapped when RAM runs out. */
function populate(k: Kernel, va: number, count: number): boolean {
  for (let i = 0; i < count; i++) {
    const pfn = mmAllocatePage(k, false);
    if (pfn < 0 || !mmMapPageable(k, va + i * PAGE_SIZE, pfn, PTE_WRITE | PTE_NO_EXECUTE, PTE_KEY_SYSTEM)) {
      if (pfn >= 0) mmFreePage(k, pfn);
      depopulate(k, va, i);
      return false;
    }
  }
  return true;
}

function depopulate(k: Kernel, va: number, count: number): void {
  for (let i = 0; i < count; i++) mmReleasePage(k, va + i * PAGE_SIZE);
}

/** `count` neighbouring pages of a pool; 0 when there are none. */
export function allocatePoolPages(k: Kernel, pool: number, count: number): number {
  const pages = F.Pages.get(k.mem, pool),
    bitmap = F.Bitmap.get(k.mem, pool);
  const at = findBits(k.mem, bitmap, pages, count, F.Hint.get(k.mem, pool), false);
  if (at < 0) return 0;
  const va = F.Base.get(k.mem, pool) + at * PAGE_SIZE;
  if (isPaged(k, pool) && !populate(k, va, count)) return 0;
  fillBits(k.mem, bitmap, at, count, true);
  F.Hint.set(k.mem, pool, at + count);
  F.TotalPages.set(k.mem, pool, F.TotalPages.get(k.mem, pool) + count);
  return va;
}

export function freePoolPages(k: Kernel, pool: number, va: number, count: number): void {
  const at = (va - F.Base.get(k.mem, pool)) / PAGE_SIZE;
  fillBits(k.mem, F.Bitmap.get(k.mem, pool), at, count, false);
  if (isPaged(k, pool)) depopulate(k, va, count);
  // Pages low in the pool are used first, so that it stays compact.
  if (at < F.Hint.get(k.mem, pool)) F.Hint.set(k.mem, pool, at);
  F.TotalPages.set(k.mem, pool, F.TotalPages.get(k.mem, pool) - count);
}

/** Whether the pool page at `va` (page-aligned, in the pool) is in use. */
export function isPoolPageInUse(k: Kernel, pool: number, va: number): boolean {
  return testBit(k.mem, F.Bitmap.get(k.mem, pool), (va - F.Base.get(k.mem, pool)) / PAGE_SIZE);
}

/** Slot of the table at which the search for `va` starts: pages spread over the table by their number. */
const firstSlot = (va: number, size: number): number => Math.floor((va < 0 ? va + 0x1000000000000 : va) / PAGE_SIZE) % size;

function find(k: Kernel, va: number): number {
  const table = k.global.get('MmPoolBigPageTable'),
    size = k.global.get('MmPoolBigPageTableSize');
  for (let n = 0, slot = firstSlot(va, size); n < size; n++, slot = (slot + 1) % size) {
    const entry = table + slot * ENTRY;
    const low = k.mem.read32(entry + VA);
    if (low === 0 && k.mem.read32(entry + VA + 4) === 0) return 0;
    if (!(low & FREED) && k.mem.readPtr(entry + VA) === va) return entry;
  }
  return 0;
}

/** The allocation of whole pages that starts at `va`, or null. */
export function bigPageEntry(k: Kernel, va: number): { bytes: number; tag: number } | null {
  const entry = find(k, va);
  return entry ? { bytes: k.mem.read32(entry + BYTES), tag: k.mem.read32(entry + KEY) } : null;
}

/** Allocates whole pages for `bytes`; 0 when there is no room in the pool or in the table. */
export function allocateBigPages(k: Kernel, pool: number, bytes: number, tag: number): number {
  const table = k.global.get('MmPoolBigPageTable'),
    size = k.global.get('MmPoolBigPageTableSize');
  const va = allocatePoolPages(k, pool, Math.ceil(bytes / PAGE_SIZE));
  if (!va) return 0;
  for (let n = 0, slot = firstSlot(va, size); n < size; n++, slot = (slot + 1) % size) {
    const entry = table + slot * ENTRY;
    const low = k.mem.read32(entry + VA);
    if (!(low & FREED) && (low !== 0 || k.mem.read32(entry + VA + 4) !== 0)) continue;
    k.mem.writePtr(entry + VA, va);
    k.mem.write32(entry + KEY, tag);
    k.mem.write32(entry + BYTES, bytes);
    k.mem.write32(entry + BYTES + 4, 0);
    return va;
  }
  freePoolPages(k, pool, va, Math.ceil(bytes / PAGE_SIZE));
  return 0;
}

/** Frees the allocation of whole pages at `va`, which exists. */
export function freeBigPages(k: Kernel, pool: number, va: number): void {
  const entry = find(k, va);
  const pages = Math.ceil(k.mem.read32(entry + BYTES) / PAGE_SIZE);
  k.mem.write32(entry + VA, (k.mem.read32(entry + VA) | FREED) >>> 0);
  freePoolPages(k, pool, va, pages);
}
