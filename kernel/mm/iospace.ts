import type { Kernel } from '../kernel.ts';
import { SYSTEM_PTE_MISUSE } from '../types/bugcodes.ts';
import { MmCached, MmNonCached } from '../types/mm.ts';
import {
  PAGE_SIZE,
  PTE_CACHE_DISABLE,
  PTE_NO_EXECUTE,
  PTE_PFN_MASK,
  PTE_VALID,
  PTE_WRITE,
  PTE_WRITE_THROUGH,
  SYSTEM_PTES_BASE,
  pageOffset,
  spanPages,
} from './layout.ts';
import { isRam } from './pfn.ts';
import { mmGetPte, mmIsAddressValid, mmMapPage, mmUnmapPage } from './pte.ts';
import { isSystemPteAddress, mmReleaseSystemPtes, mmReserveSystemPtes, SYSTEM_PTE_COUNT } from './sysptes.ts';

/** The processor's physical addresses end here (MAXPHYADDR, CPUID 80000008h): an entry with a higher one would have reserved bits set. */
const PHYSICAL_ADDRESS_END = 2 ** 32;

/** PTE bits for a MEMORY_CACHING_TYPE (SDM vol. 3, 12.12: PWT and PCD select an entry of the PAT; NT puts write combining into the one that PWT alone selects). */
export function cacheBits(cacheType: number): bigint {
  return cacheType === MmCached ? 0n : cacheType === MmNonCached ? PTE_CACHE_DISABLE | PTE_WRITE_THROUGH : PTE_WRITE_THROUGH;
}

/**
 * Maps physical addresses, device registers as a rule, into system space. Address of the byte at `pa`, or 0 when there is no address space or memory for page tables, and for
 * addresses that the processor cannot have.
 * @param pa physical address, any alignment
 * @param cacheType MEMORY_CACHING_TYPE
 * @param bits PTE_WRITE, PTE_NO_EXECUTE
 */
export function mmMapIoSpace(
  k: Kernel,
  pa: number,
  bytes: number,
  cacheType: number,
  bits: bigint = PTE_WRITE | PTE_NO_EXECUTE,
): number {
  if (pa < 0 || pa + bytes > PHYSICAL_ADDRESS_END) return 0;
  const pages = spanPages(pa, bytes);
  const va = mmReserveSystemPtes(k, pages);
  if (!va) return 0;
  for (let i = 0; i < pages; i++) {
    if (mmMapPage(k, va + i * PAGE_SIZE, Math.floor(pa / PAGE_SIZE) + i, bits | cacheBits(cacheType))) continue;
    unmapSystemPages(k, va, i);
    mmReleaseSystemPtes(k, va, pages);
    return 0;
  }
  return va + pageOffset(pa);
}

/** Whether a page of [pa, pa + bytes) that is no RAM is mapped at a system PTE. */
export function mmIoSpaceActive(k: Kernel, pa: number, bytes: number): boolean {
  const first = Math.floor(pa / PAGE_SIZE),
    last = Math.floor((pa + Math.max(bytes, 1) - 1) / PAGE_SIZE);
  const bitmap = k.global.get('MmSystemPteBitmap');
  for (let i = 0; i < SYSTEM_PTE_COUNT; i += 32) {
    if (k.mem.read32(bitmap + i / 8) === 0) continue;
    for (let j = i; j < i + 32; j++) {
      const pte = mmGetPte(k, SYSTEM_PTES_BASE + j * PAGE_SIZE);
      const pfn = Number((pte & PTE_PFN_MASK) >> 12n);
      if (pte & PTE_VALID && pfn >= first && pfn <= last && !isRam(k, pfn)) return true;
    }
  }
  return false;
}

/** Unmaps `pages` pages of system PTEs and leaves the physical pages alone. */
export function unmapSystemPages(k: Kernel, va: number, pages: number): void {
  for (let i = 0; i < pages; i++) mmUnmapPage(k, va + i * PAGE_SIZE);
}

/** Undoes {@link mmMapIoSpace}; `va` and `bytes` must be what was mapped: else bug check 0xDA. */
export function mmUnmapIoSpace(k: Kernel, va: number, bytes: number): void {
  const pages = spanPages(va, bytes),
    base = va - pageOffset(va);
  if (!isSystemPteAddress(base) || !mmIsAddressValid(k, base))
    k.bugCheck(SYSTEM_PTE_MISUSE, 0x400, base, 1, pages, 'MmUnmapIoSpace was given an address that is not mapped');
  unmapSystemPages(k, base, pages);
  mmReleaseSystemPtes(k, base, pages);
}
