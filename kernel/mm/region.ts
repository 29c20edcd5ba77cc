/**
 * What a process has reserved of its user half: a list of regions in EPROCESS.VadRoot, ascending by address. A region says what a page of it is to be when it is
 * first touched; the page tables say what is there already.
 */
import type { Kernel } from '../kernel.ts';
import { poolTag } from '../ob/globals.ts';
import { initializeListHead, insertHeadList, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { EPROCESS } from '../types/ps.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import {
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MEMORY,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { MM_HIGHEST_USER_ADDRESS, PAGE_SIZE, PTE_NO_EXECUTE, PTE_USER, PTE_WRITE, USER_SHARED_DATA } from './layout.ts';
import { exAllocatePool, exFreePool } from './pool.ts';

/** A region: this kernel's own layout. Start and End are page boundaries, End is the first byte after it. */
export const MM_REGION = struct('_MM_REGION', {
  Link: LIST_ENTRY,
  Start: ptr,
  End: ptr,
  /** PAGE_READWRITE and so on. */
  Protect: u32,
  /** MEM_COMMIT or MEM_RESERVE. */
  State: u32,
  /** Start of what was reserved in one call, and its protection then. */
  AllocationBase: ptr,
  AllocationProtect: u32,
  /** MEM_PRIVATE, or MEM_MAPPED for pages that belong to an MDL: they are there from the start, and each mapping holds a reference. */
  Type: u32,
  /** How often MmSecureVirtualMemory forbids to free it, and with which protection it must stay accessible (PAGE_READONLY, PAGE_READWRITE). */
  Secured: u32,
  SecuredProtect: u32,
});
const R = MM_REGION.f;

export const PAGE_NOACCESS = 1,
  PAGE_READONLY = 2,
  PAGE_READWRITE = 4,
  PAGE_WRITECOPY = 8,
  PAGE_EXECUTE = 0x10,
  PAGE_EXECUTE_READ = 0x20,
  PAGE_EXECUTE_READWRITE = 0x40;
export const MEM_COMMIT = 0x1000,
  MEM_RESERVE = 0x2000,
  MEM_PRIVATE = 0x20000,
  MEM_MAPPED = 0x40000;

const TAG = poolTag('Vad ');
/** Regions start at multiples of this (the allocation granularity), and the first is where none can be taken for a null pointer. */
const GRANULARITY = 0x10000,
  FIRST_REGION = 0x10000;

const head = (process: number): number => process + EPROCESS.f.VadRoot.offset;

export const initializeRegions = (k: Kernel, process: number): void => initializeListHead(k.mem, head(process));

/** The regions of a process, ascending. */
export const regionsOf = (k: Kernel, process: number): number[] =>
  k.mem.readPtr(head(process)) === 0 ? [] : [...listEntries(k.mem, head(process))];

/** The region that contains an address, or 0. */
export function regionAt(k: Kernel, process: number, va: number): number {
  const { mem } = k;
  const list = head(process);
  let at = mem.readPtr(list);
  if (at === 0) return 0;
  for (; at !== list; at = mem.readPtr(at)) {
    if (va < R.Start.get(mem, at)) return 0;
    if (va < R.End.get(mem, at)) return at;
  }
  return 0;
}

/** Page-table bits of a PAGE_* protection; null for one that allows nothing or that there is not. */
export function protectionBits(protect: number): bigint | null {
  switch (protect & 0xff) {
    case PAGE_READONLY:
      return PTE_USER | PTE_NO_EXECUTE;
    case PAGE_READWRITE:
    case PAGE_WRITECOPY:
      return PTE_USER | PTE_WRITE | PTE_NO_EXECUTE;
    case PAGE_EXECUTE:
    case PAGE_EXECUTE_READ:
      return PTE_USER;
    case PAGE_EXECUTE_READWRITE:
      return PTE_USER | PTE_WRITE;
    default:
      return null;
  }
}

/** The lowest free place of `bytes` at or above `from` that ends at `highest` or below; 0 when there is none. `taken` names more ranges than the regions (the views of sections). */
export function findFreeRange(
  k: Kernel,
  process: number,
  bytes: number,
  from: number,
  taken: readonly { from: number; to: number }[] = [],
  highest = MM_HIGHEST_USER_ADDRESS,
): number {
  const { mem } = k;
  const used = [
    ...regionsOf(k, process).map(r => ({ from: R.Start.get(mem, r), to: R.End.get(mem, r) })),
    { from: USER_SHARED_DATA, to: USER_SHARED_DATA + PAGE_SIZE },
    ...taken,
  ].sort((a, b) => a.from - b.from);
  let at = Math.max(FIRST_REGION, Math.ceil(from / GRANULARITY) * GRANULARITY);
  for (const u of used) {
    if (at + bytes <= u.from) break;
    if (u.to > at) at = Math.ceil(u.to / GRANULARITY) * GRANULARITY;
  }
  return at + bytes - 1 <= highest ? at : 0;
}

/** ZeroBits of a service that chooses an address: this number and more are refused. */
export const TOO_MANY_ZERO_BITS = 21n;

/** The highest address that ZeroBits leaves: so many of the upper bits of 32 are 0, and all above. 0 asks for nothing. */
export const highestAddress = (zeroBits: number): number => (zeroBits === 0 ? MM_HIGHEST_USER_ADDRESS : 0xffffffff >>> zeroBits);

export interface RegionRequest {
  /** Wanted address, or 0 for any from `from` on. */
  base: number;
  from?: number;
  /** Where a range that may be anywhere ends at the latest. */
  highest?: number;
  bytes: number;
  protect: number;
  /** MEM_COMMIT (the default) or MEM_RESERVE. */
  state?: number;
  /** MEM_PRIVATE (the default) or MEM_MAPPED. */
  type?: number;
  /** More ranges that are taken: the views of sections. */
  taken?: readonly { from: number; to: number }[];
}

/** Reserves a range of a process's user half. STATUS_CONFLICTING_ADDRESSES, STATUS_NO_MEMORY, STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES. */
export function createRegion(k: Kernel, process: number, r: RegionRequest): { status: number; base: number; bytes: number } {
  const { mem } = k;
  const fail = (status: number) => ({ status, base: 0, bytes: 0 });
  if (r.bytes <= 0 || (protectionBits(r.protect) === null && r.protect !== PAGE_NOACCESS)) return fail(STATUS_INVALID_PARAMETER);
  const start = r.base ? r.base - (r.base % PAGE_SIZE) : 0;
  const bytes = Math.ceil((r.bytes + (r.base - start)) / PAGE_SIZE) * PAGE_SIZE;
  const taken = r.taken ?? [];
  const base = start || findFreeRange(k, process, bytes, r.from ?? FIRST_REGION, taken, r.highest);
  if (!base || base < FIRST_REGION || base + bytes - 1 > MM_HIGHEST_USER_ADDRESS) return fail(STATUS_NO_MEMORY);
  const all = regionsOf(k, process);
  const reaches = (from: number, to: number): boolean => base < to && from < base + bytes;
  if (
    all.some(o => reaches(R.Start.get(mem, o), R.End.get(mem, o))) ||
    taken.some(t => reaches(t.from, t.to)) ||
    reaches(USER_SHARED_DATA, USER_SHARED_DATA + PAGE_SIZE)
  )
    return fail(STATUS_CONFLICTING_ADDRESSES);
  const region = exAllocatePool(k, NonPagedPoolNx, MM_REGION.size, TAG);
  if (!region) return fail(STATUS_INSUFFICIENT_RESOURCES);
  R.Start.set(mem, region, base);
  R.End.set(mem, region, base + bytes);
  R.Protect.set(mem, region, r.protect);
  R.State.set(mem, region, r.state ?? MEM_COMMIT);
  R.AllocationBase.set(mem, region, base);
  R.AllocationProtect.set(mem, region, r.protect);
  R.Type.set(mem, region, r.type ?? MEM_PRIVATE);
  R.Secured.set(mem, region, 0);
  R.SecuredProtect.set(mem, region, 0);
  // Before the first region above it, which keeps the list ascending.
  insertTailList(mem, all.find(o => R.Start.get(mem, o) > base) ?? head(process), region);
  addSize(k, process, bytes);
  return { status: STATUS_SUCCESS, base, bytes };
}

/** Makes two regions of one at a page boundary inside of it. False when there is no pool. */
export function splitRegion(k: Kernel, process: number, region: number, at: number): boolean {
  const { mem } = k;
  if (at <= R.Start.get(mem, region) || at >= R.End.get(mem, region)) return true;
  const upper = exAllocatePool(k, NonPagedPoolNx, MM_REGION.size, TAG);
  if (!upper) return false;
  mem.copy(upper, region, MM_REGION.size);
  R.Start.set(mem, upper, at);
  R.End.set(mem, region, at);
  insertHeadList(mem, region, upper);
  const count = EPROCESS.f.VadCount;
  count.set(mem, process, count.get(mem, process) + 1n);
  return true;
}

/** Takes a region off the list and frees its descriptor. Its pages are the caller's to unmap (mm/process.ts). */
export function removeRegion(k: Kernel, process: number, region: number): void {
  const { mem } = k;
  addSize(k, process, R.Start.get(mem, region) - R.End.get(mem, region));
  removeEntryList(mem, region);
  exFreePool(k, region, TAG);
}

function addSize(k: Kernel, process: number, bytes: number): void {
  const f = EPROCESS.f;
  const size = f.VirtualSize.get(k.mem, process) + BigInt(bytes);
  f.VirtualSize.set(k.mem, process, size);
  if (size > f.PeakVirtualSize.get(k.mem, process)) f.PeakVirtualSize.set(k.mem, process, size);
  f.VadCount.set(k.mem, process, f.VadCount.get(k.mem, process) + (bytes > 0 ? 1n : -1n));
}
