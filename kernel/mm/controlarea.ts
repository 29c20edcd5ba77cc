/**
 * Control areas: the pages behind sections. One has the pages of a file, which all sections and views of the file and its cache share (SECTION_OBJECT_POINTERS.DataSectionObject
 * leads to it), or pages of a section's own. The entry of a page says whether it is there, on its way in, changed. Pages of a file come by paging reads (mm/filepages.ts)
 * when they are touched, and go back by paging writes when they are flushed or when the last section and view have gone.
 */
import { keInitializeEvent } from '../ke/event.ts';
import type { Kernel } from '../kernel.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { poolTag } from '../ob/globals.ts';
import { CriticalWorkQueue, WORK_QUEUE_ITEM } from '../types/ex.ts';
import { FILE_OBJECT, SECTION_OBJECT_POINTERS } from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { i64, ptr, struct, u32 } from '../types/struct.ts';
import { PAGE_SIZE } from './layout.ts';
import { mmAllocatePage, mmFreePage } from './pfn.ts';
import { exAllocatePool, exFreePool } from './pool.ts';

/** This kernel's own layout. */
export const CONTROL_AREA = struct('_CONTROL_AREA', {
  /** Referenced; 0 for pages of a section's own. */
  FileObject: ptr,
  Pages: u32,
  /** Sections and cache maps; views. */
  Sections: u32,
  Views: u32,
  Flags: u32,
  /** One entry a page, in nonpaged pool. */
  Entries: ptr,
  /** Bytes of the file. */
  FileSize: i64,
  /** Of an executable image: its file, referenced; the address that it is linked for; the protection of each page, one byte each. Its pages are laid out already. */
  ImageFile: ptr,
  ImageBase: i64,
  Protections: ptr,
  /** A page that was on its way is there, or is not to be had. */
  PageArrived: KEVENT,
  /** Writes back and deletes it. */
  WorkItem: WORK_QUEUE_ITEM,
});
const C = CONTROL_AREA.f;

/** The work item is queued or runs. */
const CA_CLEANING = 1,
  /** SEC_RESERVE: a page that is not there is not committed. */
  CA_RESERVED = 2;

/** Entries: no page, a page that is being read, else the page frame, with a bit for one that was changed. */
const ABSENT = 0xffffffff,
  READING = 0xfffffffe,
  CHANGED = 0x80000000,
  FRAME = 0x3fffffff;
const TAG = poolTag('MmCa');

const entryAt = (k: Kernel, area: number, page: number): number => C.Entries.get(k.mem, area) + page * 4;

export type PageState = 'absent' | 'reading' | 'present';
export function pageState(k: Kernel, area: number, page: number): PageState {
  const e = k.mem.read32(entryAt(k, area, page));
  return e === ABSENT ? 'absent' : e === READING ? 'reading' : 'present';
}

/** The frame of a page that is there; -1 without. */
export function pageFrame(k: Kernel, area: number, page: number): number {
  const e = k.mem.read32(entryAt(k, area, page));
  return e >= READING ? -1 : e & FRAME;
}

export const setPageFrame = (k: Kernel, area: number, page: number, pfn: number): void =>
  k.mem.write32(entryAt(k, area, page), pfn);
export const setPageReading = (k: Kernel, area: number, page: number): void => k.mem.write32(entryAt(k, area, page), READING);
export const setPageAbsent = (k: Kernel, area: number, page: number): void => k.mem.write32(entryAt(k, area, page), ABSENT);

export const isPageChanged = (k: Kernel, area: number, page: number): boolean => {
  const e = k.mem.read32(entryAt(k, area, page));
  return e < READING && (e & CHANGED) !== 0;
};
export function markPageChanged(k: Kernel, area: number, page: number, changed = true): void {
  const at = entryAt(k, area, page);
  const e = k.mem.read32(at);
  if (e < READING) k.mem.write32(at, changed ? (e | CHANGED) >>> 0 : e & ~CHANGED);
}

/** Whether pages of it come from a file. */
export const isFileArea = (k: Kernel, area: number): boolean => C.FileObject.get(k.mem, area) !== 0;
export const isReservedArea = (k: Kernel, area: number): boolean => (C.Flags.get(k.mem, area) & CA_RESERVED) !== 0;

/** A control area of `pages` pages, none of which is there, with one section. 0 without pool. */
function allocateArea(k: Kernel, pages: number): number {
  const area = exAllocatePool(k, NonPagedPoolNx, CONTROL_AREA.size, TAG);
  const entries = area ? exAllocatePool(k, NonPagedPoolNx, Math.max(pages, 1) * 4, TAG) : 0;
  if (!entries) {
    if (area) exFreePool(k, area, TAG);
    return 0;
  }
  k.mem.fill(area, CONTROL_AREA.size, 0);
  k.mem.fill(entries, Math.max(pages, 1) * 4, 0xff);
  C.Pages.set(k.mem, area, pages);
  C.Sections.set(k.mem, area, 1);
  C.Entries.set(k.mem, area, entries);
  keInitializeEvent(k, area + C.PageArrived.offset, 0, false);
  return area;
}

/** A control area of pages of its own: zeroed ones at once, or with `reserved` none until they are committed. 0 without memory. */
export function createOwnArea(k: Kernel, pages: number, reserved: boolean): number {
  const area = allocateArea(k, pages);
  if (!area) return 0;
  if (reserved) C.Flags.set(k.mem, area, CA_RESERVED);
  else if (!commitPages(k, area, 0, pages)) {
    freeArea(k, area);
    return 0;
  }
  return area;
}

/** Makes the pages [first, first + count) that are not there yet, zeroed. False when memory is used up; those that were made stay. */
export function commitPages(k: Kernel, area: number, first: number, count: number): boolean {
  for (let page = first; page < first + count; page++) {
    if (pageState(k, area, page) !== 'absent') continue;
    const pfn = mmAllocatePage(k, true);
    if (pfn < 0) return false;
    setPageFrame(k, area, page, pfn);
  }
  return true;
}

const pointersOf = (k: Kernel, file: number): number => FILE_OBJECT.f.SectionObjectPointer.get(k.mem, file);

/** The control area of a file's data, or 0. */
export function areaOfFile(k: Kernel, file: number): number {
  const pointers = pointersOf(k, file);
  return pointers ? SECTION_OBJECT_POINTERS.f.DataSectionObject.get(k.mem, pointers) : 0;
}

/** The control area of a file, made when there is none, at least `bytes` long, with one section more. 0 without pool. The file has SECTION_OBJECT_POINTERS. */
export function openFileArea(k: Kernel, file: number, bytes: number, fileSize: number): number {
  const pages = Math.ceil(bytes / PAGE_SIZE);
  const found = areaOfFile(k, file);
  if (found) {
    if (!growArea(k, found, pages)) return 0;
    C.Sections.set(k.mem, found, C.Sections.get(k.mem, found) + 1);
    C.FileSize.set(k.mem, found, BigInt(fileSize));
    return found;
  }
  const area = allocateArea(k, pages);
  if (!area) return 0;
  obReferenceObject(k, file);
  C.FileObject.set(k.mem, area, file);
  C.FileSize.set(k.mem, area, BigInt(fileSize));
  SECTION_OBJECT_POINTERS.f.DataSectionObject.set(k.mem, pointersOf(k, file), area);
  return area;
}

/** Makes a control area longer. False without pool. */
export function growArea(k: Kernel, area: number, pages: number): boolean {
  const { mem } = k;
  const old = C.Pages.get(mem, area);
  if (pages <= old) return true;
  const entries = exAllocatePool(k, NonPagedPoolNx, pages * 4, TAG);
  if (!entries) return false;
  mem.fill(entries, pages * 4, 0xff);
  const before = C.Entries.get(mem, area);
  mem.copy(entries, before, old * 4);
  exFreePool(k, before, TAG);
  C.Entries.set(mem, area, entries);
  C.Pages.set(mem, area, pages);
  return true;
}

/** Drops the pages [first, first + count) without writing them. False, with nothing dropped, when they may be mapped or are on their way. */
export function purgePages(k: Kernel, area: number, first: number, count: number): boolean {
  if (C.Views.get(k.mem, area) !== 0) return false;
  const end = Math.min(first + count, C.Pages.get(k.mem, area));
  for (let page = first; page < end; page++) if (pageState(k, area, page) === 'reading') return false;
  for (let page = first; page < end; page++) {
    const pfn = pageFrame(k, area, page);
    if (pfn < 0) continue;
    setPageAbsent(k, area, page);
    mmFreePage(k, pfn);
  }
  return true;
}

/** A file has become shorter or longer: what lies beyond its end is not written back. */
export const setAreaFileSize = (k: Kernel, area: number, bytes: bigint): void => C.FileSize.set(k.mem, area, bytes);

export function referenceView(k: Kernel, area: number): void {
  C.Views.set(k.mem, area, C.Views.get(k.mem, area) + 1);
}

export function releaseView(k: Kernel, area: number): void {
  C.Views.set(k.mem, area, C.Views.get(k.mem, area) - 1);
  releaseUnused(k, area);
}

/** A section or a cache map lets go of it. */
export function releaseSection(k: Kernel, area: number): void {
  C.Sections.set(k.mem, area, C.Sections.get(k.mem, area) - 1);
  releaseUnused(k, area);
}

const inUse = (k: Kernel, area: number): boolean => C.Sections.get(k.mem, area) !== 0 || C.Views.get(k.mem, area) !== 0;

/** Pages of a section's own go with the last who uses them; a file's are written back first, by a worker thread. */
function releaseUnused(k: Kernel, area: number): void {
  if (inUse(k, area)) return;
  if (!isFileArea(k, area)) return freeArea(k, area);
  const flags = C.Flags.get(k.mem, area);
  if (flags & CA_CLEANING) return;
  C.Flags.set(k.mem, area, flags | CA_CLEANING);
  const item = area + C.WorkItem.offset;
  WORK_QUEUE_ITEM.f.WorkerRoutine.set(k.mem, item, k.address('nt!MiCleanControlArea'));
  WORK_QUEUE_ITEM.f.Parameter.set(k.mem, item, area);
  exQueueWorkItem(k, item, CriticalWorkQueue);
}

/** The worker has written back what was changed: deletes the area of a file unless somebody has begun to use it again. */
export function deleteCleanArea(k: Kernel, area: number): void {
  C.Flags.set(k.mem, area, C.Flags.get(k.mem, area) & ~CA_CLEANING);
  if (inUse(k, area)) return;
  const file = C.FileObject.get(k.mem, area);
  SECTION_OBJECT_POINTERS.f.DataSectionObject.set(k.mem, pointersOf(k, file), 0);
  freeArea(k, area);
  obDereferenceDeferred(k, file);
}

/** The control area of a file as an executable image, or 0. */
export function imageOfFile(k: Kernel, file: number): number {
  const pointers = pointersOf(k, file);
  return pointers ? SECTION_OBJECT_POINTERS.f.ImageSectionObject.get(k.mem, pointers) : 0;
}

export const referenceSection = (k: Kernel, area: number): void => C.Sections.set(k.mem, area, C.Sections.get(k.mem, area) + 1);
export const areaPages = (k: Kernel, area: number): number => C.Pages.get(k.mem, area);
export const isImageArea = (k: Kernel, area: number): boolean => C.ImageFile.get(k.mem, area) !== 0;
export const imageBase = (k: Kernel, area: number): number => Number(C.ImageBase.get(k.mem, area));
/** PAGE_* of a page of an image. */
export const imageProtection = (k: Kernel, area: number, page: number): number =>
  k.mem.read8(C.Protections.get(k.mem, area) + page);

/** A control area with the pages of an image as it lies in memory, with one section. 0 without memory. */
export function createImageArea(
  k: Kernel,
  file: number,
  image: { base: bigint; content: Uint8Array; protections: Uint8Array },
): number {
  const { mem } = k;
  const pages = image.protections.length;
  const area = createOwnArea(k, pages, false);
  if (!area) return 0;
  const protections = exAllocatePool(k, NonPagedPoolNx, pages, TAG);
  if (!protections) {
    freeArea(k, area);
    return 0;
  }
  mem.writeBytes(protections, image.protections);
  for (let page = 0; page * PAGE_SIZE < image.content.length; page++)
    k.platform.memory.writeBytes(
      pageFrame(k, area, page) * PAGE_SIZE,
      image.content.subarray(page * PAGE_SIZE, Math.min(image.content.length, (page + 1) * PAGE_SIZE)),
    );
  C.Protections.set(mem, area, protections);
  C.ImageBase.set(mem, area, BigInt.asIntN(64, image.base));
  obReferenceObject(k, file);
  C.ImageFile.set(mem, area, file);
  SECTION_OBJECT_POINTERS.f.ImageSectionObject.set(mem, pointersOf(k, file), area);
  return area;
}

/** The bytes of a file whose pages are all there. */
export function areaContent(k: Kernel, area: number): Uint8Array {
  const bytes = new Uint8Array(C.Pages.get(k.mem, area) * PAGE_SIZE);
  for (let page = 0; page < C.Pages.get(k.mem, area); page++)
    bytes.set(k.platform.memory.readBytes(pageFrame(k, area, page) * PAGE_SIZE, PAGE_SIZE), page * PAGE_SIZE);
  return bytes.subarray(0, Number(C.FileSize.get(k.mem, area)));
}

/** The first page that is not there yet; -1 when all are. */
export function firstMissingPage(k: Kernel, area: number): number {
  for (let page = 0; page < C.Pages.get(k.mem, area); page++) if (pageState(k, area, page) !== 'present') return page;
  return -1;
}

function freeArea(k: Kernel, area: number): void {
  const file = C.ImageFile.get(k.mem, area);
  if (file) {
    SECTION_OBJECT_POINTERS.f.ImageSectionObject.set(k.mem, pointersOf(k, file), 0);
    exFreePool(k, C.Protections.get(k.mem, area), TAG);
    obDereferenceDeferred(k, file);
  }
  for (let page = 0; page < C.Pages.get(k.mem, area); page++) {
    const pfn = pageFrame(k, area, page);
    if (pfn >= 0) mmFreePage(k, pfn);
  }
  exFreePool(k, C.Entries.get(k.mem, area), TAG);
  exFreePool(k, area, TAG);
}
