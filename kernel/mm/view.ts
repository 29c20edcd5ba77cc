/**
 * Views: parts of sections that are mapped, in a process or (with process 0) in system space. Pages of a file are mapped when they are touched; a page that nobody has written is
 * mapped for reading only, so that the first write is seen and the page counts as changed.
 */
import type { Kernel } from '../kernel.ts';
import { poolTag } from '../ob/globals.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { MmCached } from '../types/mm.ts';
import {
  commitPages,
  imageProtection,
  isFileArea,
  isImageArea,
  markPageChanged,
  pageFrame,
  pageState,
  referenceView,
  releaseView,
} from './controlarea.ts';
import type { Access } from './fault.ts';
import { cacheBits } from './iospace.ts';
import { isKernelAddress, PAGE_SIZE, pageBase, PTE_NO_EXECUTE, PTE_PFN_MASK, PTE_USER, PTE_VALID, PTE_WRITE } from './layout.ts';
import { isRam, mmAllocatePage, mmFreePage } from './pfn.ts';
import { exAllocatePool, exFreePool } from './pool.ts';
import { inAddressSpace } from './process.ts';
import { mmFreeEmptyTables, mmGetPte, mmMapPage, mmProtectPage, mmUnmapPage } from './pte.ts';

/** This kernel's own layout. */
export const MM_VIEW = struct('_MM_VIEW', {
  Link: LIST_ENTRY,
  /** EPROCESS; 0 for a view in system space. */
  Process: ptr,
  /** CONTROL_AREA; 0 for physical memory. */
  Area: ptr,
  Base: ptr,
  Pages: u32,
  /** Page of the area (page frame of physical memory) at which it begins. */
  First: u32,
  /** PAGE_READONLY... and how it was asked for. */
  Protect: u32,
  /** MEMORY_CACHING_TYPE of physical memory. */
  Uncached: u32,
});
const V = MM_VIEW.f;
const TAG = poolTag('MmVw');

const PAGE_NOACCESS = 1,
  PAGE_READWRITE = 4,
  PAGE_WRITECOPY = 8,
  PAGE_EXECUTE = 0x10,
  PAGE_EXECUTE_READWRITE = 0x40,
  PAGE_EXECUTE_WRITECOPY = 0x80;
export const mayWrite = (protect: number): boolean =>
  [PAGE_READWRITE, PAGE_WRITECOPY, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY].includes(protect & 0xff);
/** Writes go to a page of the process's own. */
export const copiesOnWrite = (protect: number): boolean =>
  (protect & 0xff) === PAGE_WRITECOPY || (protect & 0xff) === PAGE_EXECUTE_WRITECOPY;
export const mayExecute = (protect: number): boolean => (protect & 0xff) >= PAGE_EXECUTE;

const head = (k: Kernel): number => k.global.address('MmViewListHead');
export const viewsOf = (k: Kernel, process: number): number[] =>
  [...listEntries(k.mem, head(k))].filter(v => V.Process.get(k.mem, v) === process);
/** The first address after a view. */
export const viewEnd = (k: Kernel, view: number): number => V.Base.get(k.mem, view) + V.Pages.get(k.mem, view) * PAGE_SIZE;

/** Address ranges of the views of a process. */
export const viewRanges = (k: Kernel, process: number): { from: number; to: number }[] =>
  viewsOf(k, process).map(v => ({ from: V.Base.get(k.mem, v), to: viewEnd(k, v) }));

/** The view of a process (0: in system space) that contains an address; 0 when none does. */
export function viewAt(k: Kernel, process: number, va: number): number {
  const { mem } = k;
  const list = head(k);
  const first = mem.readPtr(list);
  if (first === 0) return 0;
  for (let v = first; v !== list; v = mem.readPtr(v))
    if (V.Process.get(mem, v) === process && va >= V.Base.get(mem, v) && va < viewEnd(k, v)) return v;
  return 0;
}

/** PAGE_* of a page of a view: its own in an image, else the view's. `page` counts from the start of the area. */
export function protectionOf(k: Kernel, view: number, page: number): number {
  const area = V.Area.get(k.mem, view);
  return area && isImageArea(k, area) ? imageProtection(k, area, page) : V.Protect.get(k.mem, view);
}

/** Page-table bits of a page with a protection when it may be written now, or not. */
function bitsOf(k: Kernel, view: number, protect: number, write: boolean): bigint {
  return (
    (V.Process.get(k.mem, view) ? PTE_USER : 0n) |
    (write ? PTE_WRITE : 0n) |
    (mayExecute(protect) ? 0n : PTE_NO_EXECUTE) |
    cacheBits(V.Area.get(k.mem, view) ? MmCached : V.Uncached.get(k.mem, view))
  );
}

/** Makes the descriptor of a view; its pages come when they are touched, but for those of `mapNow`. 0 without memory. */
export function createView(
  k: Kernel,
  v: {
    process: number;
    area: number;
    base: number;
    pages: number;
    first: number;
    protect: number;
    cache: (pfn: number) => number;
  },
): number {
  const { mem } = k;
  const view = exAllocatePool(k, NonPagedPoolNx, MM_VIEW.size, TAG);
  if (!view) return 0;
  V.Process.set(mem, view, v.process);
  V.Area.set(mem, view, v.area);
  V.Base.set(mem, view, v.base);
  V.Pages.set(mem, view, v.pages);
  V.First.set(mem, view, v.first);
  V.Protect.set(mem, view, v.protect);
  V.Uncached.set(mem, view, MmCached);
  insertTailList(mem, head(k), view);
  if (v.area) referenceView(k, v.area);
  if (mapNow(k, view, v.cache)) return view;
  deleteView(k, view);
  return 0;
}

/** Maps what is there from the start: physical memory, and the pages of a section's own. False without memory for page tables. */
function mapNow(k: Kernel, view: number, cache: (pfn: number) => number): boolean {
  const { mem } = k;
  const area = V.Area.get(mem, view),
    first = V.First.get(mem, view),
    base = V.Base.get(mem, view);
  if (area && isFileArea(k, area)) return true;
  for (let i = 0; i < V.Pages.get(mem, view); i++) {
    const pfn = area ? pageFrame(k, area, first + i) : first + i;
    const protect = protectionOf(k, view, first + i);
    if (pfn < 0 || protect === PAGE_NOACCESS) continue;
    const write = mayWrite(protect) && !copiesOnWrite(protect);
    V.Uncached.set(mem, view, area ? MmCached : cache(pfn));
    if (!mmMapPage(k, base + i * PAGE_SIZE, pfn, bitsOf(k, view, protect, write))) return false;
  }
  return true;
}

/** Takes a view away; its address space is the current one. Copies that the process has made of pages go with it. */
export function deleteView(k: Kernel, view: number): void {
  const { mem } = k;
  const area = V.Area.get(mem, view),
    base = V.Base.get(mem, view),
    first = V.First.get(mem, view),
    pages = V.Pages.get(mem, view);
  for (let i = 0; i < pages; i++) {
    const pfn = mmUnmapPage(k, base + i * PAGE_SIZE);
    if (pfn >= 0 && area && isRam(k, pfn) && pfn !== pageFrame(k, area, first + i)) mmFreePage(k, pfn);
  }
  mmFreeEmptyTables(k, base, pages * PAGE_SIZE);
  removeEntryList(mem, view);
  exFreePool(k, view, TAG);
  if (area) releaseView(k, area);
}

/** A page of a file that has to be read before the access can go on. */
export interface MissingPage {
  area: number;
  page: number;
}

const viewOf = (k: Kernel, va: number): number => viewAt(k, isKernelAddress(va) ? 0 : k.currentProcess(), va);
const pageOf = (k: Kernel, view: number, va: number): number =>
  V.First.get(k.mem, view) + (pageBase(va) - V.Base.get(k.mem, view)) / PAGE_SIZE;

function allows(k: Kernel, view: number, page: number, access: Access): boolean {
  const protect = protectionOf(k, view, page);
  return protect !== PAGE_NOACCESS && !(access.write && !mayWrite(protect)) && !(access.execute && !mayExecute(protect));
}

/** The page that an access waits for: it is right, and the page of its file is not there. Null when reading would not help. */
export function missingPage(k: Kernel, va: number, access: Access): MissingPage | null {
  const view = viewOf(k, va);
  const area = view ? V.Area.get(k.mem, view) : 0;
  if (!area || !isFileArea(k, area)) return null;
  const page = pageOf(k, view, va);
  if (!allows(k, view, page, access)) return null;
  return pageState(k, area, page) === 'present' ? null : { area, page };
}

/** A fault in a view: maps the page if it is there, makes it writable or copies it if it is to be written. False when the access is wrong or the page has to be read first. */
export function viewFault(k: Kernel, va: number, access: Access): boolean {
  const { mem } = k;
  const view = viewOf(k, va);
  const area = view ? V.Area.get(mem, view) : 0;
  if (!area) return false;
  const page = pageOf(k, view, va);
  if (!allows(k, view, page, access)) return false;
  const at = pageBase(va);
  const pte = mmGetPte(k, at);
  const protect = protectionOf(k, view, page);
  const shared = pageFrame(k, area, page);
  if (pte & PTE_VALID) {
    if (!access.write || pte & PTE_WRITE) return true;
    if (copiesOnWrite(protect)) return copyPage(k, view, protect, at, Number((pte & PTE_PFN_MASK) >> 12n));
    markPageChanged(k, area, page);
    return mmProtectPage(k, at, 0n, PTE_WRITE);
  }
  if (shared < 0) return false;
  if (access.write && copiesOnWrite(protect)) return copyPage(k, view, protect, at, shared);
  // The pages of a section's own go nowhere: nobody has to know that they were written.
  const write = isFileArea(k, area) ? access.write : mayWrite(protect) && !copiesOnWrite(protect);
  if (write) markPageChanged(k, area, page);
  return mmMapPage(k, at, shared, bitsOf(k, view, protect, write));
}

/** The process gets a copy of a page for itself. */
function copyPage(k: Kernel, view: number, protect: number, at: number, from: number): boolean {
  const { memory } = k.platform;
  const pfn = mmAllocatePage(k, false);
  if (pfn < 0) return false;
  memory.writeBytes(pfn * PAGE_SIZE, memory.readBytes(from * PAGE_SIZE, PAGE_SIZE));
  if (mmMapPage(k, at, pfn, bitsOf(k, view, protect, true))) return true;
  mmFreePage(k, pfn);
  return false;
}

/** Commits pages of a view of a reserved section. False when they are not all in it, or memory is used up. */
export function commitView(k: Kernel, view: number, from: number, to: number): boolean {
  if (from < V.Base.get(k.mem, view) || to > viewEnd(k, view)) return false;
  return commitPages(k, V.Area.get(k.mem, view), pageOf(k, view, from), (to - from) / PAGE_SIZE);
}

/** Before a page is written back: nobody may write it unseen, in any view. */
export function protectPageInViews(k: Kernel, area: number, page: number): void {
  const { mem } = k;
  for (const view of [...listEntries(mem, head(k))]) {
    const index = page - V.First.get(mem, view);
    if (V.Area.get(mem, view) !== area || index < 0 || index >= V.Pages.get(mem, view)) continue;
    const protect = (): boolean => mmProtectPage(k, V.Base.get(mem, view) + index * PAGE_SIZE, PTE_WRITE, 0n);
    const process = V.Process.get(mem, view);
    if (copiesOnWrite(V.Protect.get(mem, view))) continue;
    if (process) inAddressSpace(k, process, protect);
    else protect();
  }
}

/** Unmaps every view of a process, whose address space is the current one. */
export function unmapAllViews(k: Kernel, process: number): void {
  for (const view of viewsOf(k, process)) deleteView(k, view);
}
