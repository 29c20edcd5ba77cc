import type { Kernel } from '../kernel.ts';
import { PFN_LIST_CORRUPT } from '../types/bugcodes.ts';
import { ActiveAndValid, BadPageList, FreePageList, MMPFN } from '../types/mm.ts';
import { PAGE_SIZE, pageBase, PFN_DATABASE } from './layout.ts';
import { mmReclaimPage, mmWriteModifiedPage } from './paging.ts';

/*
 * The PFN database: one MMPFN for each page of RAM, mapped at PFN_DATABASE. A free page is on the free list, linked by page frame number through Flink and
 * Blink; a page in use has ReferenceCount and ShareCount of 1 and more (locked pages count their locks in ReferenceCount).
 */

const SIZE = MMPFN.size;
const FLINK = MMPFN.f.Flink.offset,
  BLINK = MMPFN.f.Blink.offset,
  REFERENCES = MMPFN.f.ReferenceCount.offset,
  FLAGS = MMPFN.f.PageFlags.offset,
  FLAGS3 = MMPFN.f.PageFlags3.offset,
  PTE_ADDRESS = MMPFN.f.PteAddress.offset;
const SHARES = MMPFN.f.ShareCount.offset;
/** End of a page list. */
export const LIST_END = 0xffffffff;

const pfnEntry = (pfn: number): number => PFN_DATABASE + pfn * SIZE;

const location = (k: Kernel, pfn: number): number => k.mem.read8(pfnEntry(pfn) + FLAGS) & 7;

/** Whether `pfn` is a page of RAM (and not device registers). */
export const isRam = (k: Kernel, pfn: number): boolean => pfn >= 0 && pfn < k.global.get('MmNumberOfPhysicalPages');

function makeActive(k: Kernel, pfn: number): void {
  const e = pfnEntry(pfn);
  k.mem.write32(e + FLINK, 0);
  k.mem.write32(e + FLINK + 4, 0);
  k.mem.write32(e + SHARES, 1);
  k.mem.write32(e + SHARES + 4, 0);
  k.mem.write16(e + REFERENCES, 1);
  k.mem.write8(e + FLAGS, ActiveAndValid);
  k.mem.writePtr(e + PTE_ADDRESS, 0);
}

/** A page in transition is in use again. */
export const takeActive = (k: Kernel, pfn: number): void => makeActive(k, pfn);

/** Notes where in the kernel half a page is mapped; the first mapping counts, others are aliases. (NT keeps the address of the entry; it says the same.) */
export function noteMapping(k: Kernel, pfn: number, va: number): void {
  if (!isRam(k, pfn)) return;
  const at = pfnEntry(pfn) + PTE_ADDRESS;
  if (k.mem.read32(at) === 0 && k.mem.read32(at + 4) === 0) k.mem.writePtr(at, pageBase(va));
}

function unlink(k: Kernel, pfn: number): void {
  const e = pfnEntry(pfn);
  const next = k.mem.read32(e + FLINK),
    previous = k.mem.read32(e + BLINK);
  if (previous === LIST_END) k.global.set('MmFreePageListHead', next);
  else k.mem.write32(pfnEntry(previous) + FLINK, next);
  if (next === LIST_END) k.global.set('MmFreePageListTail', previous);
  else k.mem.write32(pfnEntry(next) + BLINK, previous);
  k.global.set('MmAvailablePages', k.global.get('MmAvailablePages') - 1);
}

function zero(k: Kernel, pfn: number): void {
  k.platform.memory.fill(pfn * PAGE_SIZE, PAGE_SIZE, 0);
}

/** Takes a page from the free list, filled with zeros if asked; -1 when RAM is used up. */
export function mmAllocatePage(k: Kernel, zeroed: boolean): number {
  let pfn = k.global.get('MmFreePageListHead');
  if (pfn === LIST_END) {
    if (!mmReclaimPage(k)) return -1;
    pfn = k.global.get('MmFreePageListHead');
  }
  unlink(k, pfn);
  makeActive(k, pfn);
  if (zeroed) zero(k, pfn);
  return pfn;
}

/** Gives up one reference; the page is free when it was the last one. A page that is not in use was unlocked or freed once too often, by an MDL that somebody damaged: bug check 0x4E. */
export function mmFreePage(k: Kernel, pfn: number): void {
  if (!isRam(k, pfn)) k.bugCheck(PFN_LIST_CORRUPT, 0x99, pfn, 0, 0, 'a page frame that is no RAM was freed');
  if (location(k, pfn) !== ActiveAndValid)
    k.bugCheck(PFN_LIST_CORRUPT, 7, pfn, 0, 0, 'a page was unlocked or freed more often than it was locked or allocated');
  const e = pfnEntry(pfn);
  const references = k.mem.read16(e + REFERENCES) - 1;
  k.mem.write16(e + REFERENCES, references);
  if (references > 0) return;
  pageToFreeList(k, pfn);
}

/** Why a page is out of use: it was removed from the machine, or it is marked as bad. MMPFNENTRY3 has both bits. */
export const PAGE_REMOVED = 0x40,
  PAGE_BAD = 0x80;

export const isFreePage = (k: Kernel, pfn: number): boolean => isRam(k, pfn) && location(k, pfn) === FreePageList;
/** Whether a page is out of use for this reason. */
export const isPageOut = (k: Kernel, pfn: number, why: number): boolean =>
  isRam(k, pfn) && location(k, pfn) === BadPageList && (k.mem.read8(pfnEntry(pfn) + FLAGS3) & why) !== 0;

/** Takes a free page out of use. */
export function takePageOut(k: Kernel, pfn: number, why: number): void {
  unlink(k, pfn);
  const e = pfnEntry(pfn);
  k.mem.write8(e + FLAGS, BadPageList);
  k.mem.write8(e + FLAGS3, why);
}

/** A page that was out of use is free again. */
export function putPageBack(k: Kernel, pfn: number): void {
  k.mem.write8(pfnEntry(pfn) + FLAGS3, 0);
  pageToFreeList(k, pfn);
}

/** Puts a page that is on no list and that nobody uses on the list of free ones. */
export function pageToFreeList(k: Kernel, pfn: number): void {
  const e = pfnEntry(pfn);
  const tail = k.global.get('MmFreePageListTail');
  k.mem.write8(e + FLAGS, FreePageList);
  k.mem.write32(e + FLINK, LIST_END);
  k.mem.write32(e + FLINK + 4, 0xffffffff);
  k.mem.write32(e + BLINK, tail);
  k.mem.write32(e + BLINK + 4, 0);
  if (tail === LIST_END) k.global.set('MmFreePageListHead', pfn);
  else k.mem.write32(pfnEntry(tail) + FLINK, pfn);
  k.global.set('MmFreePageListTail', pfn);
  k.global.set('MmAvailablePages', k.global.get('MmAvailablePages') + 1);
}

/** One more reference to a page in use: a lock for I/O, or another mapping. Pages that are not RAM have no count. */
export function mmReferencePage(k: Kernel, pfn: number): void {
  if (!isRam(k, pfn)) return;
  const e = pfnEntry(pfn) + REFERENCES;
  k.mem.write16(e, k.mem.read16(e) + 1);
}

/** References to a page: 0 when it is free. */
export function mmPageReferences(k: Kernel, pfn: number): number {
  return isRam(k, pfn) && location(k, pfn) === ActiveAndValid ? k.mem.read16(pfnEntry(pfn) + REFERENCES) : 0;
}

/**
 * Takes `count` neighbouring free pages, as low as they can be in [lowest, highest] (page frames, both included), that do not cross a multiple of `boundary` pages
 * (0 = no such limit). -1 when there are none.
 */
export function mmAllocateContiguousPages(
  k: Kernel,
  count: number,
  lowest: number,
  highest: number,
  boundary: number,
  zeroed: boolean,
): number {
  const first = findContiguous(k, count, lowest, highest, boundary, zeroed);
  // Pages that are only waiting to be written out may be in the way.
  if (first >= 0 || k.global.get('MmModifiedPages') === 0) return first;
  while (mmWriteModifiedPage(k));
  return findContiguous(k, count, lowest, highest, boundary, zeroed);
}

function findContiguous(k: Kernel, count: number, lowest: number, highest: number, boundary: number, zeroed: boolean): number {
  const last = Math.min(highest, k.global.get('MmNumberOfPhysicalPages') - 1);
  if (boundary && count > boundary) return -1;
  let run = 0;
  for (let pfn = lowest; pfn <= last; pfn++) {
    if (location(k, pfn) !== FreePageList) run = 0;
    else if (boundary && pfn % boundary === 0) run = 1;
    else run++;
    if (run < count) continue;
    const first = pfn - count + 1;
    for (let p = first; p <= pfn; p++) {
      unlink(k, p);
      makeActive(k, p);
      if (zeroed) zero(k, p);
    }
    return first;
  }
  return -1;
}

/** Fills in the PFN database, which is mapped: the pages of [firstFree, end of RAM) outside [usedFrom, usedTo) are free, all others in use. */
export function initializePfnDatabase(
  k: Kernel,
  pages: number,
  firstFree: number,
  used: readonly { from: number; to: number }[],
): void {
  k.global.set('MmNumberOfPhysicalPages', pages);
  let first = LIST_END,
    previous = LIST_END,
    count = 0;
  // Made here and written at once: at boot there are tens of thousands of entries.
  const database = new Uint8Array(pages * SIZE);
  const view = new DataView(database.buffer);
  for (let pfn = 0; pfn < pages; pfn++) {
    const e = pfn * SIZE;
    if (pfn < firstFree || used.some(u => pfn >= u.from && pfn < u.to)) {
      view.setUint32(e + SHARES, 1, true);
      view.setUint16(e + REFERENCES, 1, true);
      view.setUint8(e + FLAGS, ActiveAndValid);
      continue;
    }
    view.setUint8(e + FLAGS, FreePageList);
    view.setUint32(e + BLINK, previous, true);
    view.setUint32(e + FLINK, LIST_END, true);
    view.setUint32(e + FLINK + 4, 0xffffffff, true);
    if (previous === LIST_END) first = pfn;
    else view.setUint32(previous * SIZE + FLINK, pfn, true);
    previous = pfn;
    count++;
  }
  k.mem.writeBytes(PFN_DATABASE, database);
  k.global.set('MmFreePageListHead', first);
  k.global.set('MmFreePageListTail', previous);
  k.global.set('MmAvailablePages', count);
}
