/**
 * Section objects: memory that can be mapped as views (mm/view.ts). One kind has pages of its own, which exist from the start or, with SEC_RESERVE, when they are committed; one the
 * pages of a file; one is `\\Device\\PhysicalMemory`, whose offset is a physical address.
 */
import type { Kernel } from '../kernel.ts';
import { obInsertNamed } from '../ob/directory.ts';
import { obCreateObject } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { initializeListHead } from '../rtl/list.ts';
import { MmCached, MmNonCached } from '../types/mm.ts';
import {
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_IMAGE_NOT_AT_BASE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_VIEW_SIZE,
  STATUS_NO_MEMORY,
  STATUS_NOT_MAPPED_VIEW,
  STATUS_SECTION_PROTECTION,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { i64, ptr, struct, u32 } from '../types/struct.ts';
import { areaPages, createOwnArea, imageBase, isImageArea, openFileArea, releaseSection } from './controlarea.ts';
import { PAGE_SIZE } from './layout.ts';
import { findFreeRange, highestAddress, MM_REGION, regionsOf } from './region.ts';
import { mmReleaseSystemPtes, mmReserveSystemPtes } from './sysptes.ts';
import { copiesOnWrite, createView, deleteView, mayExecute, mayWrite, MM_VIEW, viewAt, viewRanges } from './view.ts';

/** Body of a section object: this kernel's own layout. */
export const SECTION = struct('_SECTION', {
  /** Bytes, a multiple of the page size; 0 for physical memory. */
  Pages: u32,
  Flags: u32,
  /** CONTROL_AREA; 0 for physical memory. */
  Area: ptr,
  /** Protection that it was created with: what a view may have at most. */
  Protect: u32,
  /** Bytes that were asked for. */
  Size: i64,
});
export const SECTION_PHYSICAL_MEMORY = 1;

const S = SECTION.f,
  V = MM_VIEW.f;
/** Views are placed from here up, on boundaries of the allocation granularity. */
const FIRST_VIEW = 0x10000000,
  LAST_VIEW = 0x7ff000000000,
  GRANULARITY = 0x10000;

/** Makes `\\Device\\PhysicalMemory`; runs once, after the namespace. */
export function mmInitializeSections(k: Kernel): void {
  initializeListHead(k.mem, k.global.address('MmViewListHead'));
  const section = obCreateObject(k, exportedType(k, 'MmSectionObjectType'), SECTION.size, { named: true, permanent: true });
  if (!section) throw new Error('no pool for \\Device\\PhysicalMemory');
  S.Flags.set(k.mem, section, SECTION_PHYSICAL_MEMORY);
  if (obInsertNamed(k, '\\Device\\PhysicalMemory', section) !== STATUS_SUCCESS)
    throw new Error('\\Device\\PhysicalMemory could not be made');
}

type Made = { status: number; section: number };

/** The object of a control area, which counts it already. The caller has the one reference. */
function sectionOf(k: Kernel, area: number, bytes: number, protect: number): Made {
  const section = obCreateObject(k, exportedType(k, 'MmSectionObjectType'), SECTION.size, { named: true });
  if (!section) {
    releaseSection(k, area);
    return { status: STATUS_INSUFFICIENT_RESOURCES, section: 0 };
  }
  S.Pages.set(k.mem, section, Math.ceil(bytes / PAGE_SIZE));
  S.Flags.set(k.mem, section, 0);
  S.Area.set(k.mem, section, area);
  S.Protect.set(k.mem, section, protect);
  S.Size.set(k.mem, section, BigInt(bytes));
  return { status: STATUS_SUCCESS, section };
}

/** A section of zeroed pages of its own; with `reserved` they come when they are committed. */
export function mmCreateSection(k: Kernel, bytes: number, protect: number, reserved = false): Made {
  const pages = Math.ceil(bytes / PAGE_SIZE);
  if (!(pages > 0)) return { status: STATUS_INVALID_PARAMETER, section: 0 };
  if (!reserved && pages > k.global.get('MmAvailablePages')) return { status: STATUS_NO_MEMORY, section: 0 };
  const area = createOwnArea(k, pages, reserved);
  return area ? sectionOf(k, area, bytes, protect) : { status: STATUS_NO_MEMORY, section: 0 };
}

/** A section of a file of `fileSize` bytes, which has SECTION_OBJECT_POINTERS. */
export function mmCreateFileSection(k: Kernel, file: number, bytes: number, fileSize: number, protect: number): Made {
  const area = openFileArea(k, file, bytes, fileSize);
  return area ? sectionOf(k, area, bytes, protect) : { status: STATUS_INSUFFICIENT_RESOURCES, section: 0 };
}

/** A section of an executable image, whose control area counts it already. */
export const mmCreateImageSection = (k: Kernel, area: number, protect: number): Made =>
  sectionOf(k, area, areaPages(k, area) * PAGE_SIZE, protect);

/** Delete procedure of sections. Views that are left keep the pages. */
export function mmDeleteSection(k: Kernel, section: number): void {
  const area = S.Area.get(k.mem, section);
  if (area) releaseSection(k, area);
}

export interface ViewRequest {
  section: number;
  /** Wanted address, or 0 for any. */
  base: number;
  /** With any address: how many of the upper bits of 32 are 0 in it, and all above; 0 for no such bound. */
  zeroBits: number;
  /** Offset in the section (a physical address for physical memory), rounded down to a page. */
  offset: number;
  /** Bytes; 0 for all of the section from the offset on. */
  size: number;
  /** PAGE_READONLY... */
  protect: number;
  /** Map physical memory without caching (PAGE_NOCACHE, and device registers always). */
  uncached: boolean;
}

/** Whether a view with a protection may be made of a section with another: it may be less, and any may be copied on writing. */
const protectionFits = (most: number, wanted: number): boolean =>
  (!mayWrite(wanted) || copiesOnWrite(wanted) || (mayWrite(most) && !copiesOnWrite(most))) &&
  (!mayExecute(wanted) || mayExecute(most));

/** Maps a view into the current process. STATUS_INVALID_VIEW_SIZE, STATUS_CONFLICTING_ADDRESSES, STATUS_NO_MEMORY as ZwMapViewOfSection. */
export function mmMapView(k: Kernel, r: ViewRequest): { status: number; base: number; size: number } {
  const { mem } = k;
  const fail = (status: number) => ({ status, base: 0, size: 0 });
  const process = k.currentProcess();
  const physical = (S.Flags.get(mem, r.section) & SECTION_PHYSICAL_MEMORY) !== 0;
  const first = Math.floor(r.offset / PAGE_SIZE);
  const total = S.Pages.get(mem, r.section);
  const area = S.Area.get(mem, r.section);
  if (area && isImageArea(k, area)) return mapImage(k, process, area, total, r.base);
  const pages = r.size ? Math.ceil((r.offset - first * PAGE_SIZE + r.size) / PAGE_SIZE) : total - first;
  if (physical ? r.size === 0 || first + pages > 0x1_0000_0000 / PAGE_SIZE : first >= total || first + pages > total)
    return fail(STATUS_INVALID_VIEW_SIZE);
  if (!physical && !protectionFits(S.Protect.get(mem, r.section), r.protect)) return fail(STATUS_SECTION_PROTECTION);
  const base = r.base
    ? Math.floor(r.base / GRANULARITY) * GRANULARITY
    : findFreeRange(
        k,
        process,
        pages * PAGE_SIZE,
        r.zeroBits ? GRANULARITY : FIRST_VIEW,
        viewRanges(k, process),
        highestAddress(r.zeroBits),
      );
  const end = base + pages * PAGE_SIZE;
  if (base <= 0 || end > LAST_VIEW) return fail(STATUS_NO_MEMORY);
  if (
    viewRanges(k, process).some(v => base < v.to && v.from < end) ||
    regionsOf(k, process).some(o => base < MM_REGION.f.End.get(mem, o) && MM_REGION.f.Start.get(mem, o) < end)
  )
    return fail(STATUS_CONFLICTING_ADDRESSES);
  const ram = k.global.get('MmNumberOfPhysicalPages');
  const cache = (pfn: number): number => (r.uncached || pfn >= ram ? MmNonCached : MmCached);
  const view = createView(k, { process, area: S.Area.get(mem, r.section), base, pages, first, protect: r.protect, cache });
  return view ? { status: STATUS_SUCCESS, base, size: pages * PAGE_SIZE } : fail(STATUS_NO_MEMORY);
}

/**
 * Maps an image, the whole of it, where it is linked for if that place is free; else where there is room, with STATUS_IMAGE_NOT_AT_BASE: whoever loads it applies the relocations
 * (as ntdll does).
 */
function mapImage(
  k: Kernel,
  process: number,
  area: number,
  pages: number,
  wanted: number,
): { status: number; base: number; size: number } {
  const fail = (status: number) => ({ status, base: 0, size: 0 });
  const linked = imageBase(k, area);
  const size = pages * PAGE_SIZE;
  const free = (at: number): boolean =>
    at >= GRANULARITY &&
    at + size <= LAST_VIEW &&
    at % GRANULARITY === 0 &&
    !viewRanges(k, process).some(v => at < v.to && v.from < at + size) &&
    !regionsOf(k, process).some(o => at < MM_REGION.f.End.get(k.mem, o) && MM_REGION.f.Start.get(k.mem, o) < at + size);
  const asked = Math.floor(wanted / GRANULARITY) * GRANULARITY;
  if (asked && !free(asked)) return fail(STATUS_CONFLICTING_ADDRESSES);
  const base = asked || (free(linked) ? linked : findFreeRange(k, process, size, FIRST_VIEW, viewRanges(k, process)));
  if (!base) return fail(STATUS_NO_MEMORY);
  const view = createView(k, { process, area, base, pages, first: 0, protect: PAGE_EXECUTE_WRITECOPY, cache: () => MmCached });
  if (!view) return fail(STATUS_NO_MEMORY);
  return { status: base === linked ? STATUS_SUCCESS : STATUS_IMAGE_NOT_AT_BASE, base, size };
}
const PAGE_EXECUTE_WRITECOPY = 0x80;

/** Unmaps the view of the current process that contains `address`. STATUS_NOT_MAPPED_VIEW when there is none. */
export function mmUnmapView(k: Kernel, address: number): number {
  const view = viewAt(k, k.currentProcess(), address);
  if (!view) return STATUS_NOT_MAPPED_VIEW;
  deleteView(k, view);
  return STATUS_SUCCESS;
}

/**
 * MmMapViewInSystemSpace: maps the first `bytes` of a section (all of it for 0) at system addresses. STATUS_INVALID_VIEW_SIZE beyond its end, STATUS_INVALID_PARAMETER_1
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
  if (!base) return fail(STATUS_NO_MEMORY);
  const protect = mayWrite(S.Protect.get(mem, section)) ? PAGE_READWRITE : PAGE_READONLY;
  const view = createView(k, {
    process: 0,
    area: S.Area.get(mem, section),
    base,
    pages,
    first: 0,
    protect,
    cache: () => MmCached,
  });
  if (view) return { status: STATUS_SUCCESS, base, size: pages * PAGE_SIZE };
  mmReleaseSystemPtes(k, base, pages);
  return fail(STATUS_NO_MEMORY);
}
const PAGE_READONLY = 2,
  PAGE_READWRITE = 4;

/** MmUnmapViewInSystemSpace. False when no view starts at the address. */
export function mmUnmapSystemView(k: Kernel, base: number): boolean {
  const view = viewAt(k, 0, base);
  if (!view || V.Base.get(k.mem, view) !== base) return false;
  const pages = V.Pages.get(k.mem, view);
  deleteView(k, view);
  mmReleaseSystemPtes(k, base, pages);
  return true;
}
