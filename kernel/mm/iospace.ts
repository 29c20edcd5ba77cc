import type { Kernel } from '../kernel.ts';
import { SYSTEM_PTE_MISUSE } from '../types/bugcodes.ts';
import { MmCached, MmNonCached } from '../types/mm.ts';
import { PAGE_SIZE, PTE_CACHE_DISABLE, PTE_NO_EXECUTE, PTE_WRITE, PTE_WRITE_THROUGH, pageOffset, spanPages } from './layout.ts';
import { mmIsAddressValid, mmMapPage, mmUnmapPage } from './pte.ts';
import { isSystemPteAddress, mmReleaseSystemPtes, mmReserveSystemPtes } from './sysptes.ts';

/** PTE bits for a MEMORY_CACHING_TYPE (SDM vol. 3, 12.12: PWT and PCD select an entry of the PAT; NT puts write combining into the one that PWT alone selects). */
export function cacheBits(cacheType: number): bigint {
  return cacheType === MmCached ? 0n : cacheType === MmNonCached ? PTE_CACHE_DISABLE | PTE_WRITE_THROUGH : PTE_WRITE_THROUGH;
}

/**
 * Maps physical addresses, device registers as a rule, into system space. Address of the byte at `pa`, or 0 when there is no address space or memory for page tables.
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
