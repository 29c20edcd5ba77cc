/**
 * Virtual memory of a process by address: reserve and commit, decommit and release, protect, query, secure (ZwAllocateVirtualMemory and its family). The functions work on the
 * current address space (`inAddressSpace` makes another one current), over the regions of region.ts, which are split where a part becomes different.
 */
import type { Kernel } from '../kernel.ts';
import {
  STATUS_ALREADY_COMMITTED,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_FREE_VM_NOT_AT_BASE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_2,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_PARAMETER_5,
  STATUS_MEMORY_NOT_ALLOCATED,
  STATUS_NO_MEMORY,
  STATUS_NOT_COMMITTED,
  STATUS_SUCCESS,
  STATUS_UNABLE_TO_FREE_VM,
} from '../types/status.ts';
import { MM_HIGHEST_USER_ADDRESS, PAGE_SIZE, PTE_NO_EXECUTE, PTE_VALID, PTE_WRITE } from './layout.ts';
import { mmGetPte, mmProtectPage, mmUnmapPage } from './pte.ts';
import { freeUserPages } from './process.ts';
import {
  createRegion,
  MEM_COMMIT,
  MEM_MAPPED,
  MEM_RESERVE,
  MM_REGION,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  protectionBits,
  regionAt,
  regionsOf,
  removeRegion,
  splitRegion,
} from './region.ts';
import { isFileArea, isImageArea, pageFrame } from './controlarea.ts';
import { commitView, MM_VIEW, protectionOf, viewAt, viewEnd, viewRanges } from './view.ts';

const R = MM_REGION.f;
export const MEM_DECOMMIT = 0x4000,
  MEM_RELEASE = 0x8000,
  MEM_FREE = 0x10000,
  MEM_RESET = 0x80000,
  MEM_IMAGE = 0x1000000,
  MEM_TOP_DOWN = 0x100000;
const GRANULARITY = 0x10000;
/** Where an allocation that may be anywhere is looked for. */
const FIRST_ALLOCATION = 0x10000;

export interface MemoryRange {
  status: number;
  base: number;
  bytes: number;
}
const fail = (status: number): MemoryRange => ({ status, base: 0, bytes: 0 });

const down = (va: number, unit: number): number => va - (va % unit);
const up = (va: number, unit: number): number => Math.ceil(va / unit) * unit;
const isProtection = (protect: number): boolean => protect === PAGE_NOACCESS || protectionBits(protect) !== null;

/** The regions that cover [from, to) without a gap, all of one allocation; null when there are none such. */
function covering(k: Kernel, process: number, from: number, to: number): number[] | null {
  const found = regionsOf(k, process).filter(r => R.Start.get(k.mem, r) < to && R.End.get(k.mem, r) > from);
  let at = from;
  for (const r of found) {
    if (R.Start.get(k.mem, r) > at || R.AllocationBase.get(k.mem, r) !== R.AllocationBase.get(k.mem, found[0]!)) return null;
    at = R.End.get(k.mem, r);
  }
  return found.length > 0 && at >= to ? found : null;
}

/** Splits regions so that [from, to) consists of whole ones: those. Null when there is no pool. */
function isolate(k: Kernel, process: number, from: number, to: number): number[] | null {
  for (const at of [from, to]) {
    const region = regionAt(k, process, at);
    if (region && !splitRegion(k, process, region, at)) return null;
  }
  return regionsOf(k, process).filter(r => R.Start.get(k.mem, r) >= from && R.End.get(k.mem, r) <= to);
}

/** Commits pages of a reserved section, for all who have it mapped. */
function commitInView(k: Kernel, view: number, from: number, to: number): MemoryRange {
  const area = MM_VIEW.f.Area.get(k.mem, view);
  if (!area || isFileArea(k, area) || isImageArea(k, area)) return fail(STATUS_ALREADY_COMMITTED);
  if (to > viewEnd(k, view)) return fail(STATUS_CONFLICTING_ADDRESSES);
  return commitView(k, view, from, to) ? { status: STATUS_SUCCESS, base: from, bytes: to - from } : fail(STATUS_NO_MEMORY);
}

/** NtAllocateVirtualMemory: reserves a range, or commits a part of one, or both. One that may be anywhere ends at `highest` or below. */
export function mmAllocateVirtual(
  k: Kernel,
  process: number,
  base: number,
  bytes: number,
  type: number,
  protect: number,
  highest: number,
): MemoryRange {
  if (base < 0 || base > MM_HIGHEST_USER_ADDRESS) return fail(STATUS_INVALID_PARAMETER_2);
  if (!(bytes > 0) || base + bytes - 1 > MM_HIGHEST_USER_ADDRESS) return fail(STATUS_INVALID_PARAMETER_4);
  if (type & ~(MEM_COMMIT | MEM_RESERVE | MEM_TOP_DOWN | MEM_RESET) || !(type & (MEM_COMMIT | MEM_RESERVE | MEM_RESET)))
    return fail(STATUS_INVALID_PARAMETER_5);
  if (type & MEM_RESET && type !== MEM_RESET) return fail(STATUS_INVALID_PARAMETER_5);
  if (!isProtection(protect)) return fail(STATUS_INVALID_PAGE_PROTECTION);
  if (type & MEM_RESERVE || (base === 0 && type & MEM_COMMIT)) {
    const from = down(base, GRANULARITY);
    return createRegion(k, process, {
      base: from,
      from: FIRST_ALLOCATION,
      highest,
      bytes: up(base + bytes, PAGE_SIZE) - from,
      protect,
      state: type & MEM_COMMIT ? MEM_COMMIT : MEM_RESERVE,
      taken: viewRanges(k, process),
    });
  }
  const from = down(base, PAGE_SIZE),
    to = up(base + bytes, PAGE_SIZE);
  const view = viewAt(k, process, from);
  if (view) return commitInView(k, view, from, to);
  const found = covering(k, process, from, to);
  if (!found) return fail(STATUS_CONFLICTING_ADDRESSES);
  if (found.some(r => R.Type.get(k.mem, r) === MEM_MAPPED)) return fail(STATUS_ALREADY_COMMITTED);
  // With MEM_RESET the contents are of no interest any more; they may stay.
  if (type === MEM_RESET)
    return found.every(r => R.State.get(k.mem, r) === MEM_COMMIT)
      ? { status: STATUS_SUCCESS, base: from, bytes: to - from }
      : fail(STATUS_NOT_COMMITTED);
  const regions = isolate(k, process, from, to);
  if (!regions) return fail(STATUS_INSUFFICIENT_RESOURCES);
  for (const r of regions) {
    R.State.set(k.mem, r, MEM_COMMIT);
    setProtection(k, r, protect);
  }
  return { status: STATUS_SUCCESS, base: from, bytes: to - from };
}

/** Gives a region a protection, and its pages that are there. */
function setProtection(k: Kernel, region: number, protect: number): void {
  R.Protect.set(k.mem, region, protect);
  const bits = protectionBits(protect);
  for (let va = R.Start.get(k.mem, region); va < R.End.get(k.mem, region); va += PAGE_SIZE) {
    if (!(mmGetPte(k, va) & PTE_VALID)) continue;
    // A page that may not be accessed keeps its contents: it only cannot be reached from user mode, nor written.
    const wanted = bits ?? PTE_NO_EXECUTE;
    mmProtectPage(k, va, PTE_WRITE | PTE_NO_EXECUTE | PTE_USER_BIT, wanted & (PTE_WRITE | PTE_NO_EXECUTE | PTE_USER_BIT));
  }
}
const PTE_USER_BIT = 4n;

/** NtFreeVirtualMemory: MEM_DECOMMIT takes the pages of a range back and leaves it reserved, MEM_RELEASE gives it up; `bytes` 0 means the whole allocation that starts at `base`. */
export function mmFreeVirtual(k: Kernel, process: number, base: number, bytes: number, type: number): MemoryRange {
  if (type !== MEM_DECOMMIT && type !== MEM_RELEASE) return fail(STATUS_INVALID_PARAMETER_4);
  if (base < 0 || base > MM_HIGHEST_USER_ADDRESS) return fail(STATUS_INVALID_PARAMETER_2);
  const first = regionAt(k, process, base);
  if (!first) return fail(STATUS_MEMORY_NOT_ALLOCATED);
  if (R.Type.get(k.mem, first) === MEM_MAPPED) return fail(STATUS_UNABLE_TO_FREE_VM);
  const allocation = R.AllocationBase.get(k.mem, first);
  let from = down(base, PAGE_SIZE),
    to = up(base + bytes, PAGE_SIZE);
  if (bytes === 0) {
    if (from !== allocation) return fail(STATUS_FREE_VM_NOT_AT_BASE);
    from = allocation;
    to = Math.max(
      ...regionsOf(k, process)
        .filter(r => R.AllocationBase.get(k.mem, r) === allocation)
        .map(r => R.End.get(k.mem, r)),
    );
  }
  const found = covering(k, process, from, to);
  if (!found) return fail(STATUS_UNABLE_TO_FREE_VM);
  if (found.some(r => R.Secured.get(k.mem, r) > 0)) return fail(STATUS_INVALID_PAGE_PROTECTION);
  const regions = isolate(k, process, from, to);
  if (!regions) return fail(STATUS_INSUFFICIENT_RESOURCES);
  for (const r of regions) {
    freeUserPages(k, process, R.Start.get(k.mem, r), R.End.get(k.mem, r));
    if (type === MEM_RELEASE) removeRegion(k, process, r);
    else R.State.set(k.mem, r, MEM_RESERVE);
  }
  return { status: STATUS_SUCCESS, base: from, bytes: to - from };
}

/** Whether a protection allows what a secured region must go on allowing. */
const keepsSecurity = (k: Kernel, region: number, protect: number): boolean => {
  if (R.Secured.get(k.mem, region) === 0) return true;
  const bits = protectionBits(protect);
  return bits !== null && (R.SecuredProtect.get(k.mem, region) === PAGE_READONLY || (bits & PTE_WRITE) !== 0n);
};

/** NtProtectVirtualMemory: the protection of committed pages. `old` is that of the first. */
export function mmProtectVirtual(
  k: Kernel,
  process: number,
  base: number,
  bytes: number,
  protect: number,
): MemoryRange & { old: number } {
  const no = (status: number) => ({ ...fail(status), old: 0 });
  if (!isProtection(protect)) return no(STATUS_INVALID_PAGE_PROTECTION);
  if (base < 0 || base > MM_HIGHEST_USER_ADDRESS) return no(STATUS_INVALID_PARAMETER_2);
  const from = down(base, PAGE_SIZE),
    to = up(base + bytes, PAGE_SIZE);
  const found = bytes > 0 ? covering(k, process, from, to) : null;
  if (!found) return no(STATUS_CONFLICTING_ADDRESSES);
  if (found.some(r => R.State.get(k.mem, r) !== MEM_COMMIT)) return no(STATUS_NOT_COMMITTED);
  if (found.some(r => !keepsSecurity(k, r, protect) || R.Type.get(k.mem, r) === MEM_MAPPED))
    return no(STATUS_INVALID_PAGE_PROTECTION);
  const old = R.Protect.get(k.mem, found[0]!);
  const regions = isolate(k, process, from, to);
  if (!regions) return no(STATUS_INSUFFICIENT_RESOURCES);
  for (const r of regions) setProtection(k, r, protect);
  return { status: STATUS_SUCCESS, base: from, bytes: to - from, old };
}

export interface MemoryInformation {
  base: number;
  allocationBase: number;
  allocationProtect: number;
  bytes: number;
  state: number;
  protect: number;
  type: number;
}

/** A page of a view, and how far the view goes on alike: a reserved section may have parts that are not committed. */
function queryView(k: Kernel, view: number, base: number): MemoryInformation {
  const V = MM_VIEW.f;
  const area = V.Area.get(k.mem, view);
  const from = V.Base.get(k.mem, view),
    end = viewEnd(k, view);
  const state = (va: number): number =>
    area && !isFileArea(k, area) && pageFrame(k, area, V.First.get(k.mem, view) + (va - from) / PAGE_SIZE) < 0
      ? MEM_RESERVE
      : MEM_COMMIT;
  const protection = (va: number): number => protectionOf(k, view, V.First.get(k.mem, view) + (va - from) / PAGE_SIZE);
  const here = state(base),
    protect = protection(base);
  let to = base + PAGE_SIZE;
  while (to < end && state(to) === here && protection(to) === protect) to += PAGE_SIZE;
  return {
    base,
    allocationBase: from,
    allocationProtect: V.Protect.get(k.mem, view),
    bytes: to - base,
    state: here,
    protect: here === MEM_COMMIT ? protect : 0,
    type: area && isImageArea(k, area) ? MEM_IMAGE : MEM_MAPPED,
  };
}

/** What is at an address, and how far it goes on so (MEMORY_BASIC_INFORMATION). Null for an address outside the user half. */
export function mmQueryVirtual(k: Kernel, process: number, va: number): MemoryInformation | null {
  if (va < 0 || va > MM_HIGHEST_USER_ADDRESS) return null;
  const base = down(va, PAGE_SIZE);
  const region = regionAt(k, process, base);
  if (region) {
    const state = R.State.get(k.mem, region);
    return {
      base,
      allocationBase: R.AllocationBase.get(k.mem, region),
      allocationProtect: R.AllocationProtect.get(k.mem, region),
      bytes: R.End.get(k.mem, region) - base,
      state,
      protect: state === MEM_COMMIT ? R.Protect.get(k.mem, region) : 0,
      type: R.Type.get(k.mem, region),
    };
  }
  const views = viewRanges(k, process);
  const view = viewAt(k, process, base);
  if (view) return queryView(k, view, base);
  const starts = [
    ...regionsOf(k, process).map(r => R.Start.get(k.mem, r)),
    ...views.map(v => v.from),
    MM_HIGHEST_USER_ADDRESS + 1,
  ];
  const next = Math.min(...starts.filter(s => s > base));
  return { base, allocationBase: 0, allocationProtect: 0, bytes: next - base, state: MEM_FREE, protect: PAGE_NOACCESS, type: 0 };
}

/** MmSecureVirtualMemory: the range cannot be freed, nor become less accessible than `probe` (PAGE_READONLY, PAGE_READWRITE). A handle, or 0. */
export function mmSecureVirtual(k: Kernel, process: number, va: number, bytes: number, probe: number): number {
  if (va < 0 || !(bytes > 0) || (probe !== PAGE_READONLY && probe !== PAGE_READWRITE)) return 0;
  const region = regionAt(k, process, va);
  if (!region || R.State.get(k.mem, region) !== MEM_COMMIT || va + bytes > R.End.get(k.mem, region)) return 0;
  const bits = protectionBits(R.Protect.get(k.mem, region));
  if (bits === null || (probe === PAGE_READWRITE && !(bits & PTE_WRITE))) return 0;
  R.Secured.set(k.mem, region, R.Secured.get(k.mem, region) + 1);
  if (R.SecuredProtect.get(k.mem, region) !== PAGE_READWRITE) R.SecuredProtect.set(k.mem, region, probe);
  return region;
}

/** MmUnsecureVirtualMemory. False when the handle is none of the current process. */
export function mmUnsecureVirtual(k: Kernel, process: number, handle: number): boolean {
  if (!regionsOf(k, process).includes(handle) || R.Secured.get(k.mem, handle) === 0) return false;
  const count = R.Secured.get(k.mem, handle) - 1;
  R.Secured.set(k.mem, handle, count);
  if (count === 0) R.SecuredProtect.set(k.mem, handle, 0);
  return true;
}

/** Takes the page at `va` out of a region's range; its frame, or -1. */
export const takeUserPage = (k: Kernel, va: number): number => mmUnmapPage(k, va);
