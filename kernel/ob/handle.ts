/**
 * Handle tables. A process's table (EPROCESS.ObjectTable) is a page of 256 16-byte entries, or a page of pointers to such pages; the low bits of TableCode say which.
 * A handle is four times the number of its entry; the first entry of each page is not used. Free entries form a list. Kernel handles are entries of the system process's table
 * with the upper bits set, so that they can be told from a process's own.
 */
import type { Kernel } from '../kernel.ts';
import {
  HANDLE_TABLE,
  HANDLE_TABLE_ENTRY,
  HANDLE_TABLE_FREE_LIST,
  OBJ_INHERIT,
  OBJ_KERNEL_HANDLE,
  OBJECT_HEADER_SIZE,
  OBJECT_TYPE,
} from '../types/ob.ts';
import { EPROCESS } from '../types/ps.ts';
import { PagedPool } from '../types/mm.ts';
import { KernelMode } from '../types/ke.ts';
import { pageBase } from '../mm/layout.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { poolTag } from './globals.ts';
import { addHandleCount, handleCount, isExclusive, obReferenceObject } from './object.ts';
import { mapAccess, obTypeOf } from './type.ts';

const T = HANDLE_TABLE.f;
const E = HANDLE_TABLE_ENTRY.f;
const FREE = T.FreeLists.offset + HANDLE_TABLE_FREE_LIST.f.FirstFreeHandleEntry.offset;
const LAST_FREE = T.FreeLists.offset + HANDLE_TABLE_FREE_LIST.f.LastFreeHandleEntry.offset;
const COUNT = T.FreeLists.offset + HANDLE_TABLE_FREE_LIST.f.HandleCount.offset;
const HIGH_WATER = T.FreeLists.offset + HANDLE_TABLE_FREE_LIST.f.HighWaterMark.offset;

const PAGE = 0x1000;
const ENTRY_SIZE = HANDLE_TABLE_ENTRY.size;
const ENTRIES_PER_PAGE = PAGE / ENTRY_SIZE;
const POINTERS_PER_PAGE = PAGE / 8;
const TAG = poolTag('Obtb');

/** NtCurrentProcess() and NtCurrentThread(). */
export const CURRENT_PROCESS = -1,
  CURRENT_THREAD = -2;
/** Kernel handles are the system table's handles with these bits: -0x80000000 and up, as signed numbers. */
const KERNEL_HANDLE_BASE = -0x80000000;
export const isKernelHandle = (handle: number): boolean => handle < -2 && handle >= KERNEL_HANDLE_BASE;

/** Makes a handle table and links it into the list of all of them. 0 without pool. */
export function obCreateHandleTable(k: Kernel, process: number, processId: number): number {
  const { mem } = k;
  const table = exAllocatePool(k, PagedPool, HANDLE_TABLE.size, TAG);
  if (!table) return 0;
  const page = exAllocatePool(k, PagedPool, PAGE, TAG);
  if (!page) {
    exFreePool(k, table, TAG);
    return 0;
  }
  mem.fill(table, HANDLE_TABLE.size, 0);
  T.QuotaProcess.set(mem, table, process);
  T.UniqueProcessId.set(mem, table, processId);
  mem.writePtr(table + T.TableCode.offset, page);
  addFreeEntries(k, table, page, 0);
  T.NextHandleNeedingPool.set(mem, table, ENTRIES_PER_PAGE * 4);
  const head = k.global.address('ObpHandleTableListHead');
  const link = table + T.HandleTableList.offset;
  const last = mem.readPtr(head + 8);
  mem.writePtr(link, head);
  mem.writePtr(link + 8, last);
  mem.writePtr(last, link);
  mem.writePtr(head + 8, link);
  return table;
}

/** Takes a handle table away whose handles are closed (ObKillProcess). */
export function obDeleteHandleTable(k: Kernel, table: number): void {
  const { mem } = k;
  const { base, level } = tableCode(k, table);
  if (level === 1) {
    for (let i = 0; i < POINTERS_PER_PAGE; i++) {
      const page = mem.readPtr(base + i * 8);
      if (page) exFreePool(k, page, TAG);
    }
  }
  exFreePool(k, base, TAG);
  const link = table + T.HandleTableList.offset;
  const next = mem.readPtr(link),
    previous = mem.readPtr(link + 8);
  mem.writePtr(previous, next);
  mem.writePtr(next + 8, previous);
  exFreePool(k, table, TAG);
}

/** Appends a page of free entries. `first` is the number of its first entry, which stays unused. */
function addFreeEntries(k: Kernel, table: number, page: number, first: number): void {
  const { mem } = k;
  mem.fill(page, PAGE, 0);
  for (let i = 1; i < ENTRIES_PER_PAGE - 1; i++)
    mem.writePtr(page + i * ENTRY_SIZE + E.NextFreeHandleEntry.offset, page + (i + 1) * ENTRY_SIZE);
  mem.writePtr(table + FREE, page + ENTRY_SIZE);
  mem.writePtr(table + LAST_FREE, page + (ENTRIES_PER_PAGE - 1) * ENTRY_SIZE);
  // The page finds its own number again when an entry of it is handed out.
  mem.write32(page + 8, first);
}

function tableCode(k: Kernel, table: number): { base: number; level: number } {
  const code = k.mem.readPtr(table + T.TableCode.offset);
  const level = k.mem.read32(table + T.TableCode.offset) & 3;
  return { base: code - level, level };
}

/** Address of the entry of a handle (tag bits ignored), or 0 when the table has no such entry. */
export function handleEntry(k: Kernel, table: number, handle: number): number {
  const index = Math.floor(handle / 4);
  if (index <= 0 || handle >= T.NextHandleNeedingPool.get(k.mem, table) || index % ENTRIES_PER_PAGE === 0) return 0;
  const { base, level } = tableCode(k, table);
  const page = level === 0 ? base : k.mem.readPtr(base + Math.floor(index / ENTRIES_PER_PAGE) * 8);
  return page ? page + (index % ENTRIES_PER_PAGE) * ENTRY_SIZE : 0;
}

/** The object body of a used entry, or 0 for a free one. Halves instead of a bigint: this is on the way of every request. */
export function entryObject(k: Kernel, entry: number): number {
  const low = k.mem.read32(entry);
  const high = k.mem.read32(entry + 4);
  if (low === 0 && high === 0) return 0;
  const header = (high * 0x1000 + (low >>> 20)) * 16;
  return (header < 0x800000000000 ? header : header - 0x1000000000000) + OBJECT_HEADER_SIZE;
}

/** Makes an entry used: the object's header, OBJ_INHERIT, the unlocked bit, the rights. */
function fillEntry(k: Kernel, entry: number, body: number, attributes: number, access: number): void {
  const header = body - OBJECT_HEADER_SIZE;
  const unit = (header < 0 ? header + 0x1000000000000 : header) / 16;
  k.mem.write32(entry, (((unit % 0x1000) << 20) | (attributes << 17) | 1) >>> 0);
  k.mem.write32(entry + 4, Math.floor(unit / 0x1000));
  k.mem.write32(entry + 8, access & 0x1ffffff);
  k.mem.write32(entry + 12, 0);
}

/** Bits of a handle: it must not be closed; a new process gets it from its creator. */
export const OBJ_PROTECT_CLOSE = 1;
/** Changes a handle's attributes (OBJ_PROTECT_CLOSE, OBJ_INHERIT). */
export function setEntryAttributes(k: Kernel, entry: number, attributes: number): void {
  k.mem.write32(entry, ((k.mem.read32(entry) & ~(7 << 17)) | ((attributes & 7) << 17)) >>> 0);
}

export const entryAccess = (k: Kernel, entry: number): number => E.GrantedAccessBits.get(k.mem, entry) & 0x1ffffff;
/** OBJ_INHERIT and the like, as ObReferenceObjectByHandle reports them: bit 0 protect from close, bit 1 inherit. */
export const entryAttributes = (k: Kernel, entry: number): number => (k.mem.read32(entry) >>> 17) & 7;

function grow(k: Kernel, table: number): boolean {
  const { mem } = k;
  const next = T.NextHandleNeedingPool.get(mem, table);
  const pageNumber = next / 4 / ENTRIES_PER_PAGE;
  if (pageNumber >= POINTERS_PER_PAGE) return false;
  const { base, level } = tableCode(k, table);
  let middle = base;
  if (level === 0) {
    middle = exAllocatePool(k, PagedPool, PAGE, TAG);
    if (!middle) return false;
    mem.fill(middle, PAGE, 0);
    mem.writePtr(middle, base);
    mem.writePtr(table + T.TableCode.offset, middle + 1);
  }
  const page = exAllocatePool(k, PagedPool, PAGE, TAG);
  if (!page) return false;
  mem.writePtr(middle + pageNumber * 8, page);
  addFreeEntries(k, table, page, pageNumber * ENTRIES_PER_PAGE);
  T.NextHandleNeedingPool.set(mem, table, next + ENTRIES_PER_PAGE * 4);
  return true;
}

/** The table that a new handle belongs to: the system process's for OBJ_KERNEL_HANDLE, else the current process's. */
function tableFor(k: Kernel, kernel: boolean): number {
  return kernel ? k.global.get('ObpKernelHandleTable') : EPROCESS.f.ObjectTable.get(k.mem, k.currentProcess());
}

export interface NewHandle {
  status: number;
  handle: number;
}

/**
 * Opens a handle to an object in the current process (or, with OBJ_KERNEL_HANDLE, a kernel handle). Generic rights in `access` are mapped by the type.
 * The handle holds a reference of its own. STATUS_INSUFFICIENT_RESOURCES when the table cannot grow.
 */
export function obCreateHandle(k: Kernel, body: number, access: number, attributes = 0, table = 0): NewHandle {
  const { mem } = k;
  const kernel = !table && (attributes & OBJ_KERNEL_HANDLE) !== 0;
  const t = table || tableFor(k, kernel);
  // An exclusive object is one process's own.
  if (isExclusive(k, body) && handleCount(k, body) !== handlesTo(k, t, body)) return { status: STATUS_ACCESS_DENIED, handle: 0 };
  let entry = mem.readPtr(t + FREE);
  if (!entry) {
    if (!grow(k, t)) return { status: STATUS_INSUFFICIENT_RESOURCES, handle: 0 };
    entry = mem.readPtr(t + FREE);
  }
  const page = pageBase(entry);
  const handle = (mem.read32(page + 8) + (entry - page) / ENTRY_SIZE) * 4;
  const free = mem.readPtr(entry + E.NextFreeHandleEntry.offset);
  mem.writePtr(t + FREE, free);
  if (!free) mem.writePtr(t + LAST_FREE, 0);
  fillEntry(k, entry, body, attributes & (OBJ_PROTECT_CLOSE | OBJ_INHERIT), mapAccess(k, obTypeOf(k, body), access));
  const count = mem.readI32(t + COUNT) + 1;
  mem.write32(t + COUNT, count);
  if (count > mem.read32(t + HIGH_WATER)) mem.write32(t + HIGH_WATER, count);
  obReferenceObject(k, body);
  addHandleCount(k, body, 1);
  const type = obTypeOf(k, body);
  const handles = OBJECT_TYPE.f.TotalNumberOfHandles.get(mem, type) + 1;
  OBJECT_TYPE.f.TotalNumberOfHandles.set(mem, type, handles);
  if (handles > OBJECT_TYPE.f.HighWaterNumberOfHandles.get(mem, type))
    OBJECT_TYPE.f.HighWaterNumberOfHandles.set(mem, type, handles);
  return { status: STATUS_SUCCESS, handle: kernel ? KERNEL_HANDLE_BASE + handle : handle };
}

/** Where a handle leads: its table and entry; an entry of 0 is no handle. `mode` is the mode of the caller: kernel handles are nothing to user mode. */
export function findHandle(k: Kernel, handle: number, mode: number): { table: number; entry: number } {
  const kernel = isKernelHandle(handle);
  if (handle < 0 && (!kernel || mode !== KernelMode)) return { table: 0, entry: 0 };
  const table = tableFor(k, kernel);
  if (!table) return { table: 0, entry: 0 };
  const entry = handleEntry(k, table, kernel ? handle - KERNEL_HANDLE_BASE : handle);
  return entry && entryObject(k, entry) ? { table, entry } : { table, entry: 0 };
}

/** The entry of a handle in the table of a process; kernel handles are those of the system process whoever asks. */
export function findHandleIn(k: Kernel, process: number, handle: number, mode: number): { table: number; entry: number } {
  if (handle < 0) return findHandle(k, handle, mode);
  const table = EPROCESS.f.ObjectTable.get(k.mem, process);
  const entry = table ? handleEntry(k, table, handle) : 0;
  return entry && entryObject(k, entry) ? { table, entry } : { table, entry: 0 };
}

export interface HandleObject {
  status: number;
  object: number;
  access: number;
  attributes: number;
}

const fail = (status: number): HandleObject => ({ status, object: 0, access: 0, attributes: 0 });

/**
 * The object of a handle, with a new reference. `type` 0 takes any. Rights are checked for callers from user mode only.
 * STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH, STATUS_ACCESS_DENIED as ObReferenceObjectByHandle.
 */
export function obReferenceObjectByHandle(k: Kernel, handle: number, access: number, type: number, mode: number): HandleObject {
  if (handle === CURRENT_PROCESS || handle === CURRENT_THREAD) {
    const object = handle === CURRENT_PROCESS ? k.currentProcess() : k.currentThread();
    if (type && obTypeOf(k, object) !== type) return fail(STATUS_OBJECT_TYPE_MISMATCH);
    obReferenceObject(k, object);
    return { status: STATUS_SUCCESS, object, access: 0x1fffff, attributes: 0 };
  }
  return obReferenceProcessHandle(k, k.currentProcess(), handle, access, type, mode);
}

/** The same for a handle of another process; the pseudo handles are the caller's. */
export function obReferenceProcessHandle(
  k: Kernel,
  process: number,
  handle: number,
  access: number,
  type: number,
  mode: number,
): HandleObject {
  const { entry } = findHandleIn(k, process, handle, mode);
  if (!entry) return fail(STATUS_INVALID_HANDLE);
  const object = entryObject(k, entry);
  if (type && obTypeOf(k, object) !== type) return fail(STATUS_OBJECT_TYPE_MISMATCH);
  const granted = entryAccess(k, entry);
  if (mode !== KernelMode && (access & ~granted) !== 0) return fail(STATUS_ACCESS_DENIED);
  obReferenceObject(k, object);
  return { status: STATUS_SUCCESS, object, access: granted, attributes: entryAttributes(k, entry) };
}

/** Takes a used entry back. The caller runs the close procedure and gives the handle's reference back. */
export function freeHandle(k: Kernel, table: number, entry: number): void {
  const { mem } = k;
  const object = entryObject(k, entry);
  const type = obTypeOf(k, object);
  OBJECT_TYPE.f.TotalNumberOfHandles.set(mem, type, OBJECT_TYPE.f.TotalNumberOfHandles.get(mem, type) - 1);
  mem.write64(entry, 0n);
  // Freed entries go to the end, so that a handle value does not come back at once.
  mem.writePtr(entry + E.NextFreeHandleEntry.offset, 0);
  const last = mem.readPtr(table + LAST_FREE);
  if (last) mem.writePtr(last + E.NextFreeHandleEntry.offset, entry);
  else mem.writePtr(table + FREE, entry);
  mem.writePtr(table + LAST_FREE, entry);
  mem.write32(table + COUNT, mem.readI32(table + COUNT) - 1);
}

/** How many handles to `body` a table has. */
export function handlesTo(k: Kernel, table: number, body: number): number {
  return openHandles(k, table).filter(h => h.object === body).length;
}

/** The used entries of a table in order: for closing all of them and for `!handle`. */
export function openHandles(k: Kernel, table: number): { handle: number; object: number; entry: number }[] {
  const out: { handle: number; object: number; entry: number }[] = [];
  const end = T.NextHandleNeedingPool.get(k.mem, table);
  for (let handle = 4; handle < end; handle += 4) {
    const entry = handleEntry(k, table, handle);
    const object = entry ? entryObject(k, entry) : 0;
    if (object) out.push({ handle, object, entry });
  }
  return out;
}
