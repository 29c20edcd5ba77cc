/**
 * Sections: memory that can be mapped into processes as views. One kind holds pages of its own (backed by no file: there is no paging file, so the pages exist
 * from the start); the other is `\Device\PhysicalMemory`, whose offset is a physical address. Views lie in the user half of the current process.
 */
import type { Kernel } from '../kernel.ts';
import { obInsertNamed } from '../ob/directory.ts';
import { obCreateObject, obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { poolTag } from '../ob/globals.ts';
import { exportedType } from '../ob/type.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { MmCached, MmNonCached, NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import {
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_VIEW_SIZE,
  STATUS_NO_MEMORY,
  STATUS_NOT_MAPPED_VIEW,
  STATUS_SECTION_PROTECTION,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { cacheBits, unmapSystemPages } from './iospace.ts';
import { PAGE_SIZE, PTE_NO_EXECUTE, PTE_USER, PTE_WRITE } from './layout.ts';
import { mmAllocatePage, mmFreePage } from './pfn.ts';
import { exAllocatePool, exFreePool } from './pool.ts';
import { mmMapPage, mmUnmapPage } from './pte.ts';
import { findFreeRange, MM_REGION, regionsOf } from './region.ts';
import { mmReleaseSystemPtes, mmReserveSystemPtes } from './sysptes.ts';

/** Body of a section object: this kernel's own layout. */
export const SECTION = struct('_SECTION', {
  /** Bytes, a multiple of the page size; 0 for physical memory. */
  Pages: u32,
  Flags: u32,
  /** Page frames in order, in nonpaged pool. */
  PageFrames: ptr,
  /** Protection that it was created with: what a view may have at most. */
  Protect: u32,
});
export const SECTION_PHYSICAL_MEMORY = 1;

/** A view in a process. */
export const MM_VIEW = struct('_MM_VIEW', { Link: LIST_ENTRY, Process: ptr, Section: ptr, Base: ptr, Pages: u32 });

const S = SECTION.f,
  V = MM_VIEW.f;
const TAG = poolTag('MmSe');
/** Views are placed from here up, on boundaries of the allocation granularity. */
const FIRST_VIEW = 0x10000000,
  LAST_VIEW = 0x7ff000000000,
  GRANULARITY = 0x10000;

/** Makes `\Device\PhysicalMemory`; runs once, after the namespace. */
export function mmInitializeSections(k: Kernel): void {
  initializeListHead(k.mem, k.global.address('MmViewListHead'));
  const section = obCreateObject(k, exportedType(k, 'MmSectionObjectType'), SECTION.size, { named: true, permanent: true });
  if (!section) throw new Error('no pool for \\Device\\PhysicalMemory');
  S.Flags.set(k.mem, section, SECTION_PHYSICAL_MEMORY);
  if (obInsertNamed(k, '\\Device\\PhysicalMemory', section) !== STATUS_SUCCESS)
    throw new Error('\\Device\\PhysicalMemory could not be made');
}

/** A section of zeroed pages of its own; the caller has the one reference. */
export function mmCreateSection(k: Kernel, bytes: number, protect: number): { status: number; section: number } {
  const fail = (status: number) => ({ status, section: 0 });
  const pages = Math.ceil(bytes / PAGE_SIZE);
  if (!(pages > 0)) return fail(STATUS_INVALID_PARAMETER);
  if (pages > k.global.get('MmAvailablePages')) return fail(STATUS_NO_MEMORY);
  const frames = exAllocatePool(k, NonPagedPoolNx, pages * 4, TAG);
  if (!frames) return fail(STATUS_INSUFFICIENT_RESOURCES);
  for (let i = 0; i < pages; i++) {
    const frame = mmAllocatePage(k, true);
    if (frame < 0) {
      for (let j = 0; j < i; j++) mmFreePage(k, k.mem.read32(frames + j * 4));
      exFreePool(k, frames, TAG);
      return fail(STATUS_NO_MEMORY);
    }
    k.mem.write32(frames + i * 4, frame);
  }
  const section = obCreateObject(k, exportedType(k, 'MmSectionObjectType'), SECTION.size, { named: true });
  if (!section) {
    for (let i = 0; i < pages; i++) mmFreePage(k, k.mem.read32(frames + i * 4));
    exFreePool(k, frames, TAG);
    return fail(STATUS_INSUFFICIENT_RESOURCES);
  }
  S.Pages.set(k.mem, section, pages);
  S.PageFrames.set(k.mem, section, frames);
  S.Protect.set(k.mem, section, protect);
  return { status: STATUS_SUCCESS, section };
}

/** Delete procedure of sections: gives the pages back. No view is left (each holds a reference). */
export function mmDeleteSection(k: Kernel, section: number): void {
  const frames = S.PageFrames.get(k.mem, section);
  if (!frames) return;
  for (let i = 0; i < S.Pages.get(k.mem, section); i++) mmFreePage(k, k.mem.read32(frames + i * 4));
  exFreePool(k, frames, TAG);
}

const viewsOf = (k: Kernel, process: number): number[] =>
  [...listEntries(k.mem, k.global.address('MmViewListHead'))].filter(v => V.Process.get(k.mem, v) === process);

/** Address ranges of the views of a process. */
export const viewRanges = (k: Kernel, process: number): { from: number; to: number }[] =>
  viewsOf(k, process).map(v => ({ from: V.Base.get(k.mem, v), to: V.Base.get(k.mem, v) + V.Pages.get(k.mem, v) * PAGE_SIZE }));

export interface ViewRequest {
  section: number;
  /** Wanted address, or 0 for any. */
  base: number;
  /** Offset in the section (a physical address for physical memory), rounded down to a page. */
  offset: number;
  /** Bytes; 0 for all of the section from the offset on. */
  size: number;
  writable: boolean;
  executable: boolean;
  /** Map physical memory without caching (PAGE_NOCACHE, and device registers always). */
  uncached: boolean;
}

/** Maps a view into the current process. STATUS_INVALID_VIEW_SIZE, STATUS_CONFLICTING_ADDRESSES, STATUS_NO_MEMORY as ZwMapViewOfSection. */
export function mmMapView(k: Kernel, r: ViewRequest): { status: number; base: number; size: number } {
  const { mem } = k;
  const fail = (status: number) => ({ status, base: 0, size: 0 });
  const process = k.currentProcess();
  const physical = (S.Flags.get(mem, r.section) & SECTION_PHYSICAL_MEMORY) !== 0;
  const first = Math.floor(r.offset / PAGE_SIZE);
  const total = S.Pages.get(mem, r.section);
  const pages = r.size ? Math.ceil((r.offset - first * PAGE_SIZE + r.size) / PAGE_SIZE) : total - first;
  if (physical ? r.size === 0 || first + pages > 0x1_0000_0000 / PAGE_SIZE : first >= total || first + pages > total)
    return fail(STATUS_INVALID_VIEW_SIZE);
  const most = S.Protect.get(mem, r.section);
  if (!physical && ((r.writable && most !== 4 && most !== 0x40 && most !== 8 && most !== 0x80) || (r.executable && most < 0x10)))
    return fail(STATUS_SECTION_PROTECTION);
  const base = r.base
    ? Math.floor(r.base / GRANULARITY) * GRANULARITY
    : findFreeRange(k, process, pages * PAGE_SIZE, FIRST_VIEW, viewRanges(k, process));
  const end = base + pages * PAGE_SIZE;
  if (base <= 0 || end > LAST_VIEW) return fail(STATUS_NO_MEMORY);
  if (
    viewRanges(k, process).some(v => base < v.to && v.from < end) ||
    regionsOf(k, process).some(o => base < MM_REGION.f.End.get(mem, o) && MM_REGION.f.Start.get(mem, o) < end)
  )
    return fail(STATUS_CONFLICTING_ADDRESSES);
  const view = exAllocatePool(k, NonPagedPoolNx, MM_VIEW.size, TAG);
  if (!view) return fail(STATUS_INSUFFICIENT_RESOURCES);
  const bits = PTE_USER | (r.writable ? PTE_WRITE : 0n) | (r.executable ? 0n : PTE_NO_EXECUTE);
  const frames = S.PageFrames.get(mem, r.section);
  const ram = k.global.get('MmNumberOfPhysicalPages');
  for (let i = 0; i < pages; i++) {
    const frame = physical ? first + i : mem.read32(frames + (first + i) * 4);
    const cache = cacheBits(physical && (r.uncached || frame >= ram) ? MmNonCached : MmCached);
    if (mmMapPage(k, base + i * PAGE_SIZE, frame, bits | cache)) continue;
    for (let j = 0; j < i; j++) mmUnmapPage(k, base + j * PAGE_SIZE);
    exFreePool(k, view, TAG);
    return fail(STATUS_NO_MEMORY);
  }
  V.Process.set(mem, view, process);
  V.Section.set(mem, view, r.section);
  V.Base.set(mem, view, base);
  V.Pages.set(mem, view, pages);
  insertTailList(mem, k.global.address('MmViewListHead'), view);
  obReferenceObject(k, r.section);
  return { status: STATUS_SUCCESS, base, size: pages * PAGE_SIZE };
}

/** Unmaps the view of the current process that contains `address`. STATUS_NOT_MAPPED_VIEW when there is none. */
export function mmUnmapView(k: Kernel, address: number): number {
  const { mem } = k;
  const view = viewsOf(k, k.currentProcess()).find(v => {
    const base = V.Base.get(mem, v);
    return address >= base && address < base + V.Pages.get(mem, v) * PAGE_SIZE;
  });
  if (view === undefined) return STATUS_NOT_MAPPED_VIEW;
  unmapView(k, view);
  return STATUS_SUCCESS;
}

function unmapView(k: Kernel, view: number): void {
  const { mem } = k;
  for (let i = 0; i < V.Pages.get(mem, view); i++) mmUnmapPage(k, V.Base.get(mem, view) + i * PAGE_SIZE);
  removeEntryList(mem, view);
  const section = V.Section.get(mem, view);
  exFreePool(k, view, TAG);
  obDereferenceDeferred(k, section);
}

/**
 * MmMapViewInSystemSpace: maps the first `bytes` of a section of pages (all of it for 0) at system addresses. STATUS_INVALID_VIEW_SIZE beyond its end, STATUS_INVALID_PARAMETER_1
 * for physical memory, STATUS_NO_MEMORY without room.
 */
export function mmMapSystemView(k: Kernel, section: number, bytes: number): { status: number; base: number; size: number } {
  const { mem } = k;
  const fail = (status: number) => ({ status, base: 0, size: 0 });
  if (S.Flags.get(mem, section) & SECTION_PHYSICAL_MEMORY) return fail(STATUS_INVALID_PARAMETER_1);
  const total = S.Pages.get(mem, section);
  const pages = bytes ? Math.ceil(bytes / PAGE_SIZE) : total;
  if (pages > total) return fail(STATUS_INVALID_VIEW_SIZE);
  const base = mmReserveSystemPtes(k, pages);
  const view = base ? exAllocatePool(k, NonPagedPoolNx, MM_VIEW.size, TAG) : 0;
  const frames = S.PageFrames.get(mem, section);
  let mapped = 0;
  while (
    view &&
    mapped < pages &&
    mmMapPage(k, base + mapped * PAGE_SIZE, mem.read32(frames + mapped * 4), PTE_WRITE | PTE_NO_EXECUTE)
  )
    mapped++;
  if (mapped < pages) {
    unmapSystemPages(k, base, mapped);
    if (base) mmReleaseSystemPtes(k, base, pages);
    if (view) exFreePool(k, view, TAG);
    return fail(STATUS_NO_MEMORY);
  }
  // A view of no process.
  V.Process.set(mem, view, 0);
  V.Section.set(mem, view, section);
  V.Base.set(mem, view, base);
  V.Pages.set(mem, view, pages);
  insertTailList(mem, k.global.address('MmViewListHead'), view);
  obReferenceObject(k, section);
  return { status: STATUS_SUCCESS, base, size: pages * PAGE_SIZE };
}

/** MmUnmapViewInSystemSpace. False when no view starts at the address. */
export function mmUnmapSystemView(k: Kernel, base: number): boolean {
  const view = viewsOf(k, 0).find(v => V.Base.get(k.mem, v) === base);
  if (view === undefined) return false;
  const pages = V.Pages.get(k.mem, view);
  unmapView(k, view);
  mmReleaseSystemPtes(k, base, pages);
  return true;
}

/** Unmaps every view of a process, whose address space is the current one. */
export function unmapAllViews(k: Kernel, process: number): void {
  for (const view of viewsOf(k, process)) unmapView(k, view);
}
