import type { Kernel } from '../kernel.ts';
import { fillBits, findBits } from '../rtl/bits.ts';
import { PAGE_SIZE, SYSTEM_PTES_BASE, SYSTEM_PTES_END } from './layout.ts';
import { mmFreeEmptyTables } from './pte.ts';

/** System PTEs: kernel virtual address space for mappings of whatever memory. One bit a page says that its address is taken. */

export const SYSTEM_PTE_COUNT = (SYSTEM_PTES_END - SYSTEM_PTES_BASE) / PAGE_SIZE;

/** Pages that one page table maps. */
const TABLE = 512;
const tableOf = (page: number): number => Math.floor(page / TABLE);

/** The page table of the last reservation's end. */
const lastTable = (k: Kernel): number => tableOf(k.global.get('MmSystemPteHint') - 1);

/** Frees page table number `n` of the region if none of its addresses is taken. That of the last reservation stays: the next one is likely to need it. */
function freeTable(k: Kernel, n: number): void {
  if (n < 0 || lastTable(k) === n) return;
  const bits = k.global.get('MmSystemPteBitmap') + n * (TABLE / 8);
  for (let at = 0; at < TABLE / 8; at += 4) if (k.mem.read32(bits + at) !== 0) return;
  mmFreeEmptyTables(k, SYSTEM_PTES_BASE + n * TABLE * PAGE_SIZE, TABLE * PAGE_SIZE);
}

/**
 * Reserves `count` neighbouring pages of address space; 0 when there is no room. The search goes on from the last reservation, so an address that was given back is
 * not used again at once and a stale pointer faults.
 */
export function mmReserveSystemPtes(k: Kernel, count: number): number {
  const bitmap = k.global.get('MmSystemPteBitmap');
  const at = findBits(k.mem, bitmap, SYSTEM_PTE_COUNT, count, k.global.get('MmSystemPteHint'), false);
  if (at < 0) return 0;
  fillBits(k.mem, bitmap, at, count, true);
  const before = lastTable(k);
  k.global.set('MmSystemPteHint', at + count);
  freeTable(k, before);
  k.global.set('MmSystemPtesInUse', k.global.get('MmSystemPtesInUse') + count);
  return SYSTEM_PTES_BASE + at * PAGE_SIZE;
}

/** Gives address space back. The pages must not be mapped any more. */
export function mmReleaseSystemPtes(k: Kernel, va: number, count: number): void {
  fillBits(k.mem, k.global.get('MmSystemPteBitmap'), (va - SYSTEM_PTES_BASE) / PAGE_SIZE, count, false);
  k.global.set('MmSystemPtesInUse', k.global.get('MmSystemPtesInUse') - count);
  const first = (va - SYSTEM_PTES_BASE) / PAGE_SIZE;
  for (let n = tableOf(first); n <= tableOf(first + count - 1); n++) freeTable(k, n);
}

/** Whether `va` lies in the region of system PTEs. */
export const isSystemPteAddress = (va: number): boolean => va >= SYSTEM_PTES_BASE && va < SYSTEM_PTES_END;
