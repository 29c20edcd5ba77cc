import type { Kernel } from '../kernel.ts';
import { BAD_POOL_CALLER } from '../types/bugcodes.ts';
import { MMPFN, MmCached } from '../types/mm.ts';
import { PAGE_SIZE, PFN_DATABASE, PTE_WRITE, pageOffset } from './layout.ts';
import { cacheBits, unmapSystemPages } from './iospace.ts';
import { isRam, mmAllocateContiguousPages, mmAllocatePage, mmFreePage } from './pfn.ts';
import { mmGetPhysicalAddress, mmMapPage } from './pte.ts';
import { isSystemPteAddress, mmReleaseSystemPtes, mmReserveSystemPtes } from './sysptes.ts';

/** The first page of an allocation keeps the allocation's length in pages in MMPFN.OriginalPte. */
const lengthField = (pfn: number): number => PFN_DATABASE + pfn * MMPFN.size + MMPFN.f.OriginalPte.offset;

function mapAllocation(k: Kernel, frames: readonly number[], bits: bigint): number {
  const va = mmReserveSystemPtes(k, frames.length);
  const mapped = va ? frames.findIndex((pfn, i) => !mmMapPage(k, va + i * PAGE_SIZE, pfn, bits)) : 0;
  if (mapped < 0) {
    k.mem.write32(lengthField(frames[0]!), frames.length);
    return va;
  }
  if (va) {
    unmapSystemPages(k, va, mapped);
    mmReleaseSystemPtes(k, va, frames.length);
  }
  for (const pfn of frames) mmFreePage(k, pfn);
  return 0;
}

/**
 * Physically contiguous, zeroed, page-aligned memory, mapped into system space. 0 when there is none.
 * @param lowest lowest acceptable physical address
 * @param highest highest acceptable physical address (of the last byte)
 * @param boundary multiple that the memory may not cross; a power of two, 0 = none
 */
export function mmAllocateContiguous(
  k: Kernel,
  bytes: number,
  lowest: number,
  highest: number,
  boundary: number,
  cacheType: number = MmCached,
  bits: bigint = PTE_WRITE,
): number {
  if (bytes <= 0 || !Number.isFinite(bytes)) return 0;
  const pages = Math.ceil(bytes / PAGE_SIZE);
  const first = mmAllocateContiguousPages(
    k,
    pages,
    Math.ceil(lowest / PAGE_SIZE),
    Math.floor((highest + 1) / PAGE_SIZE) - 1,
    Math.floor(boundary / PAGE_SIZE),
    true,
  );
  return first < 0
    ? 0
    : mapAllocation(
        k,
        Array.from({ length: pages }, (_, i) => first + i),
        bits | cacheBits(cacheType),
      );
}

/** Memory of whatever pages, mapped without caching. 0 when there is none. */
export function mmAllocateNonCached(k: Kernel, bytes: number): number {
  if (bytes <= 0 || !Number.isFinite(bytes)) return 0;
  const frames: number[] = [];
  while (frames.length * PAGE_SIZE < bytes) {
    const pfn = mmAllocatePage(k, true);
    if (pfn < 0) {
      for (const p of frames) mmFreePage(k, p);
      return 0;
    }
    frames.push(pfn);
  }
  return mapAllocation(k, frames, PTE_WRITE | cacheBits(0));
}

/** Frees memory of the two functions above; an address that is not the start of such memory is bug check 0xC2, 0x60. */
export function mmFreeContiguous(k: Kernel, va: number): void {
  const pa = mmGetPhysicalAddress(k, va);
  const pfn = pa / PAGE_SIZE;
  const known = isSystemPteAddress(va) && pageOffset(va) === 0 && pa !== 0 && isRam(k, pfn);
  const pages = known ? k.mem.read32(lengthField(pfn)) : 0;
  if (!pages) k.bugCheck(BAD_POOL_CALLER, 0x60, va, 0, 0, 'an address that is not contiguous memory was freed as such');
  k.mem.write32(lengthField(pfn), 0);
  const frames = Array.from({ length: pages }, (_, i) => mmGetPhysicalAddress(k, va + i * PAGE_SIZE) / PAGE_SIZE);
  unmapSystemPages(k, va, pages);
  mmReleaseSystemPtes(k, va, pages);
  for (const f of frames) mmFreePage(k, f);
}
