/** RAM that comes and goes: ranges that are removed, added again, or marked as bad. How much there is at most is the machine's configuration. */
import type { Kernel } from '../kernel.ts';
import {
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_PARAMETER_2,
  STATUS_NOT_SUPPORTED,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { PAGE_SIZE, pdeAddress, ppeAddress, PTE_LARGE, PTE_PFN_MASK, PTE_VALID, pteAddress, PXE_BASE } from './layout.ts';
import { isFreePage, isPageOut, isRam, PAGE_BAD, PAGE_REMOVED, putPageBack, takePageOut } from './pfn.ts';
import { mappedAt } from './paging.ts';

interface Range {
  first: number;
  count: number;
}

/** The page frames of a byte range that starts and ends at pages; a status for one that does not. */
function frames(start: bigint, bytes: bigint): Range | number {
  if (start < 0n || start % BigInt(PAGE_SIZE)) return STATUS_INVALID_PARAMETER_1;
  if (bytes <= 0n || bytes % BigInt(PAGE_SIZE)) return STATUS_INVALID_PARAMETER_2;
  return { first: Number(start / BigInt(PAGE_SIZE)), count: Number(bytes / BigInt(PAGE_SIZE)) };
}

function each(r: Range, test: (pfn: number) => boolean): boolean {
  for (let pfn = r.first; pfn < r.first + r.count; pfn++) if (!test(pfn)) return false;
  return true;
}

/** Takes the free pages of a range out of use. */
function takeOut(k: Kernel, start: bigint, bytes: bigint, why: number): number {
  const r = frames(start, bytes);
  if (typeof r === 'number') return r;
  if (r.first + r.count > k.global.get('MmNumberOfPhysicalPages') || !each(r, pfn => !isPageOut(k, pfn, PAGE_REMOVED | PAGE_BAD)))
    return STATUS_CONFLICTING_ADDRESSES;
  if (!each(r, pfn => isFreePage(k, pfn))) return STATUS_INSUFFICIENT_RESOURCES;
  for (let pfn = r.first; pfn < r.first + r.count; pfn++) takePageOut(k, pfn, why);
  return STATUS_SUCCESS;
}

/** Puts pages back that were taken out for this reason. */
function putBack(k: Kernel, start: bigint, bytes: bigint, why: number): number {
  const r = frames(start, bytes);
  if (typeof r === 'number') return r;
  if (r.first + r.count > k.global.get('MmNumberOfPhysicalPages')) return STATUS_NOT_SUPPORTED;
  if (!each(r, pfn => isPageOut(k, pfn, why))) return STATUS_CONFLICTING_ADDRESSES;
  for (let pfn = r.first; pfn < r.first + r.count; pfn++) putPageBack(k, pfn);
  return STATUS_SUCCESS;
}

/** MmRemovePhysicalMemory: STATUS_CONFLICTING_ADDRESSES when part of the range is no RAM (any more), STATUS_INSUFFICIENT_RESOURCES when part of it is in use. */
export const mmRemovePhysicalMemory = (k: Kernel, start: bigint, bytes: bigint): number => takeOut(k, start, bytes, PAGE_REMOVED);
/** MmAddPhysicalMemory: STATUS_CONFLICTING_ADDRESSES when part of the range is in use already, STATUS_NOT_SUPPORTED beyond the RAM of the machine. */
export const mmAddPhysicalMemory = (k: Kernel, start: bigint, bytes: bigint): number => putBack(k, start, bytes, PAGE_REMOVED);
/** MmMarkPhysicalMemoryAsBad: nobody gets the pages any more. */
export const mmMarkPhysicalMemoryAsBad = (k: Kernel, start: bigint, bytes: bigint): number => takeOut(k, start, bytes, PAGE_BAD);
/** MmMarkPhysicalMemoryAsGood. */
export const mmMarkPhysicalMemoryAsGood = (k: Kernel, start: bigint, bytes: bigint): number => putBack(k, start, bytes, PAGE_BAD);

/** The ranges of RAM that the system has, in bytes, ascending. */
export function mmPhysicalRanges(k: Kernel): { start: number; bytes: number }[] {
  const ranges: { start: number; bytes: number }[] = [];
  const pages = k.global.get('MmNumberOfPhysicalPages');
  for (let pfn = 0; pfn < pages; pfn++) {
    if (isPageOut(k, pfn, PAGE_REMOVED)) continue;
    const last = ranges.at(-1);
    if (last && last.start + last.bytes === pfn * PAGE_SIZE) last.bytes += PAGE_SIZE;
    else ranges.push({ start: pfn * PAGE_SIZE, bytes: PAGE_SIZE });
  }
  return ranges;
}

/** A system address of a page frame, by searching the page tables of the kernel half; 0 when it is not mapped there. A page table is where the self-map has it. */
function searchTables(k: Kernel, pfn: number): number {
  const { memory } = k.platform;
  const tableOf = [() => 0, pteAddress, pdeAddress, ppeAddress];
  const search = (table: number, level: number, va: number): number => {
    for (let i = level === 3 ? 256 : 0; i < 512; i++) {
      const at = memory.read64(table + i * 8);
      // The self-map would lead in circles.
      if (!(at & PTE_VALID) || (level === 3 && i === SELF_MAP)) continue;
      const here = va + i * PAGE_SIZE * 512 ** level;
      const frame = Number((at & PTE_PFN_MASK) >> 12n);
      if (level === 0) {
        if (frame === pfn) return here - KERNEL_HALF;
      } else if (at & PTE_LARGE) {
        if (pfn >= frame && pfn < frame + 512 ** level) return here - KERNEL_HALF + (pfn - frame) * PAGE_SIZE;
      } else {
        if (frame === pfn) return tableOf[level]!(here - KERNEL_HALF);
        const found = search(frame * PAGE_SIZE, level - 1, here);
        if (found) return found;
      }
    }
    return 0;
  };
  const root = k.cpu.cr(3) - (k.cpu.cr(3) % PAGE_SIZE);
  return root === pfn * PAGE_SIZE ? PXE_BASE : search(root, 3, 0);
}
const SELF_MAP = 0x1ed;
/** Addresses of the upper half are negative. */
const KERNEL_HALF = 2 ** 48;

/** MmGetVirtualForPhysical: an address at which the kernel half has a byte of RAM; 0 when it has none. */
export function mmGetVirtualForPhysical(k: Kernel, pa: number): number {
  const pfn = Math.floor(pa / PAGE_SIZE);
  if (!isRam(k, pfn)) return 0;
  const page = mappedAt(k, pfn) || searchTables(k, pfn);
  return page ? page + (pa % PAGE_SIZE) : 0;
}
