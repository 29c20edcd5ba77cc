import type { Kernel } from '../kernel.ts';
import { initializeListHead } from '../rtl/list.ts';
import { fillBits } from '../rtl/bits.ts';
import { MMPFN, NonPagedPool, PagedPool, POOL_TRACKER_BIG_PAGES } from '../types/mm.ts';
import { POOL_DESCRIPTOR, POOL_LISTS } from './globals.ts';
import {
  type BootMemory,
  DRIVER_IMAGES_BASE,
  NONPAGED_POOL_BASE,
  PAGED_POOL_BASE,
  PAGED_POOL_END,
  PAGE_SIZE,
  PFN_DATABASE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_GLOBAL,
  PTE_NO_EXECUTE,
  PTE_PFN_MASK,
  PTE_VALID,
  PTE_WRITE,
  low48,
} from './layout.ts';
import { initializePaging } from './paging.ts';
import { initializePfnDatabase } from './pfn.ts';
import { initializeSpecialPool } from './specialpool.ts';
import { SYSTEM_PTE_COUNT } from './sysptes.ts';

const BIG_PAGE_ENTRIES = 4096;
/** Slots of the page store that are used at most. */
const PAGING_FILE_SLOTS = 65536;

/** Pages of the special pool's region: as many as RAM has, so that freed blocks stay unmapped for long, in units of 64, at most 32768. */
const specialPoolPages = (ram: number): number => Math.min(32768, ram - (ram % 64));

/** Maps one page while there is no PFN database yet: page tables are taken from `take`. */
function bootMap(k: Kernel, directoryTable: number, va: number, pfn: number, take: () => number): void {
  const memory = k.platform.memory;
  let table = directoryTable;
  for (let level = 3; level > 0; level--) {
    const at = table + (Math.floor(low48(va) / (PAGE_SIZE * 512 ** level)) % 512) * 8;
    let entry = memory.read64(at);
    if (!(entry & PTE_VALID)) {
      const page = take();
      memory.fill(page * PAGE_SIZE, PAGE_SIZE, 0);
      entry = BigInt(page * PAGE_SIZE) | PTE_VALID | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY;
      memory.write64(at, entry);
    }
    table = Number(entry & PTE_PFN_MASK);
  }
  const at = table + (Math.floor(low48(va) / PAGE_SIZE) % 512) * 8;
  memory.write64(at, BigInt(pfn * PAGE_SIZE) | PTE_VALID | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NO_EXECUTE);
}

function initializePool(k: Kernel, pool: number, type: number, base: number, pages: number, bitmap: number): void {
  const f = POOL_DESCRIPTOR.f;
  f.PoolType.set(k.mem, pool, type);
  f.Base.set(k.mem, pool, base);
  f.Pages.set(k.mem, pool, pages);
  f.Bitmap.set(k.mem, pool, bitmap);
  for (let i = 0; i < POOL_LISTS; i++) initializeListHead(k.mem, pool + f.ListHeads.offset + i * 16);
}

/**
 * Sets up the memory manager: PFN database, pools, system PTEs. Called once by the boot code, when CR3 is loaded and the nonpaged pool's range is mapped to its
 * physical memory (zeroed), before anything else allocates. PDPTs for the kernel's regions should exist, so that later processes share them.
 */
export function mmInitialize(k: Kernel, boot: BootMemory): void {
  // The PFN database takes the first free pages. Page tables for it come after it, and are counted as used like it.
  const databasePages = Math.ceil((boot.pages * MMPFN.size) / PAGE_SIZE);
  const poolFirst = boot.poolBase / PAGE_SIZE,
    poolLast = (boot.poolBase + boot.poolSize) / PAGE_SIZE;
  let next = boot.firstFreePage;
  const take = (): number => {
    if (next >= poolFirst && next < poolLast) next = poolLast;
    if (next >= boot.pages) throw new Error('there is not enough RAM for the PFN database');
    return next++;
  };
  const frames = Array.from({ length: databasePages }, take);
  frames.forEach((pfn, i) => {
    k.platform.memory.fill(pfn * PAGE_SIZE, PAGE_SIZE, 0);
    bootMap(k, boot.directoryTable, PFN_DATABASE + i * PAGE_SIZE, pfn, take);
  });
  k.cpu.invalidate();
  initializePfnDatabase(k, boot.pages, next, [{ from: poolFirst, to: poolLast }]);
  k.global.set('MmNonPagedPoolPhysical', BigInt(boot.poolBase));

  // The pools' own tables lie at the start of the nonpaged pool.
  const pages = boot.poolSize / PAGE_SIZE,
    pagedPages = (PAGED_POOL_END - PAGED_POOL_BASE) / PAGE_SIZE;
  let at = NONPAGED_POOL_BASE;
  const reserve = (bytes: number): number => {
    const here = at;
    at += Math.ceil(bytes / 64) * 64;
    return here;
  };
  const bitmap = reserve(Math.ceil(pages / 32) * 4),
    pagedBitmap = reserve(pagedPages / 8),
    pteBitmap = reserve(SYSTEM_PTE_COUNT / 8);
  const pagingBitmap = reserve(PAGING_FILE_SLOTS / 8);
  const specialPages = k.config.verifier ? specialPoolPages(boot.pages) : 0;
  const specialBitmap = reserve(specialPages / 16);
  const table = reserve(BIG_PAGE_ENTRIES * POOL_TRACKER_BIG_PAGES.size);
  const own = Math.ceil((at - NONPAGED_POOL_BASE) / PAGE_SIZE);
  initializePool(k, k.global.address('MmNonPagedPool'), NonPagedPool, NONPAGED_POOL_BASE, pages, bitmap);
  initializePool(k, k.global.address('MmPagedPool'), PagedPool, PAGED_POOL_BASE, pagedPages, pagedBitmap);
  fillBits(k.mem, bitmap, 0, own, true);
  POOL_DESCRIPTOR.f.TotalPages.set(k.mem, k.global.address('MmNonPagedPool'), own);
  k.global.set('MmPoolBigPageTable', table);
  k.global.set('MmPoolBigPageTableSize', BIG_PAGE_ENTRIES);
  k.global.set('MmSystemPteBitmap', pteBitmap);
  k.global.set('MmDriverImageHint', DRIVER_IMAGES_BASE);
  initializePaging(k, pagingBitmap, PAGING_FILE_SLOTS);
  if (specialPages) initializeSpecialPool(k, specialBitmap, specialPages);
}
