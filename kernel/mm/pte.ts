import type { Kernel } from '../kernel.ts';
import {
  low48,
  PAGE_SIZE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_GLOBAL,
  PTE_LARGE,
  PTE_PFN_MASK,
  PTE_USER,
  PTE_VALID,
  PTE_WRITE,
  isKernelAddress,
  pteAddress,
} from './layout.ts';
import { mmAllocatePage, mmFreePage, noteMapping } from './pfn.ts';
import { shareKernelEntry } from './process.ts';

/** Page tables. They are reached by physical address, so that an edit needs no mapping of its own; `CR3` says where they start. */

const root = (k: Kernel): number => k.cpu.cr(3) - (k.cpu.cr(3) % PAGE_SIZE);

/** Physical address of the entry of level `level` (0 = PTE, 3 = PML4E) for `va`; -1 when a table on the way is missing and `create` is not set or fails. A large page ends the walk early: -1. */
function entryAddress(k: Kernel, va: number, level: number, create: boolean): number {
  const low = low48(va);
  let table = root(k);
  for (let l = 3; ; l--) {
    const at = table + (Math.floor(low / (PAGE_SIZE * 512 ** l)) % 512) * 8;
    if (l === level) return at;
    let entry = k.platform.memory.read64(at);
    if (!(entry & PTE_VALID)) {
      if (!create) return -1;
      const pfn = mmAllocatePage(k, true);
      if (pfn < 0) return -1;
      entry = BigInt(pfn * PAGE_SIZE) | PTE_VALID | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | (isKernelAddress(va) ? 0n : PTE_USER);
      k.platform.memory.write64(at, entry);
      if (l === 3 && isKernelAddress(va)) shareKernelEntry(k, (at % PAGE_SIZE) / 8, entry);
    } else if (entry & PTE_LARGE) return -1;
    table = Number(entry & PTE_PFN_MASK);
  }
}

/** Physical address of the page-table entry of `va`; -1 when there is no page table for it, or a large page. */
export const pteLocation = (k: Kernel, va: number): number => entryAddress(k, va, 0, false);

/** Makes the page table for `va`; false when there is no memory for it. */
export const mmMakePageTable = (k: Kernel, va: number): boolean => entryAddress(k, va, 0, true) >= 0;

/** The page-table entry that maps `va`; 0 when there is none. For an address in a large page: the entry that a small page would have. */
export function mmGetPte(k: Kernel, va: number): bigint {
  const low = low48(va);
  let table = root(k);
  for (let l = 3; l >= 0; l--) {
    const entry = k.platform.memory.read64(table + (Math.floor(low / (PAGE_SIZE * 512 ** l)) % 512) * 8);
    if (l === 0) return entry;
    if (!(entry & PTE_VALID)) return 0n;
    table = Number(entry & PTE_PFN_MASK);
    if (entry & PTE_LARGE) {
      const unit = PAGE_SIZE * 512 ** l;
      const page = table - (table % unit) + (low % unit) - (low % PAGE_SIZE);
      return BigInt(page) | (entry & ~PTE_PFN_MASK & ~PTE_LARGE);
    }
  }
  return 0n;
}

/** Maps the page at `va` to page frame `pfn` with the given PTE bits (valid, accessed and dirty are added; kernel pages are global). False when a page table cannot be had. */
export function mmMapPage(k: Kernel, va: number, pfn: number, bits: bigint): boolean {
  const at = entryAddress(k, va, 0, true);
  if (at < 0) return false;
  const global = isKernelAddress(va) ? PTE_GLOBAL : 0n;
  const old = k.platform.memory.read64(at);
  k.platform.memory.write64(
    at,
    (BigInt(pfn) << 12n) | bits | PTE_VALID | PTE_ACCESSED | (bits & PTE_WRITE ? PTE_DIRTY : 0n) | global,
  );
  if (global) noteMapping(k, pfn, va);
  // Only an entry that was valid can be in a TLB.
  if (old & PTE_VALID) k.invalidate(va);
  else k.cpu.invalidate(va);
  return true;
}

/** Unmaps the page at `va`. Page frame that was mapped there, or -1. */
export function mmUnmapPage(k: Kernel, va: number): number {
  const at = entryAddress(k, va, 0, false);
  if (at < 0) return -1;
  const pte = k.platform.memory.read64(at);
  if (!(pte & PTE_VALID)) return -1;
  k.platform.memory.write64(at, 0n);
  k.invalidate(va);
  return Number((pte & PTE_PFN_MASK) >> 12n);
}

/** Unmaps the page at `va` as {@link mmUnmapPage} does, and takes the translation from all processors at once, without asking them by interrupt. */
export function mmUnmapPageEverywhere(k: Kernel, va: number): number {
  const at = entryAddress(k, va, 0, false);
  if (at < 0) return -1;
  const pte = k.platform.memory.read64(at);
  if (!(pte & PTE_VALID)) return -1;
  k.platform.memory.write64(at, 0n);
  for (const cpu of k.platform.cpus) cpu.invalidate(va);
  return Number((pte & PTE_PFN_MASK) >> 12n);
}

/** Frees the page tables of [base, base + size) in the current address space that have no entry left. */
export function mmFreeEmptyTables(k: Kernel, base: number, size: number): void {
  const { memory } = k.platform;
  const span = PAGE_SIZE * 512;
  for (let va = base - (low48(base) % span); va < base + size; va += span) {
    const at = entryAddress(k, va, 1, false);
    const entry = at < 0 ? 0n : memory.read64(at);
    if (!(entry & PTE_VALID) || entry & PTE_LARGE) continue;
    const table = Number(entry & PTE_PFN_MASK);
    let used = 0;
    for (let i = 0; i < PAGE_SIZE && used === 0; i += 4) used = memory.read32(table + i);
    if (used !== 0) continue;
    memory.write64(at, 0n);
    // Processors may have kept the way to the table, which any INVLPG takes back (Intel SDM vol. 3, 4.10.4.1), and its place in the self-map.
    k.invalidate(pteAddress(va));
    mmFreePage(k, table / PAGE_SIZE);
  }
}

/** Changes the protection bits (write, no-execute, caching) of a mapped page. False when nothing is mapped there as a small page. */
export function mmProtectPage(k: Kernel, va: number, clear: bigint, set: bigint): boolean {
  const at = entryAddress(k, va, 0, false);
  if (at < 0) return false;
  const pte = k.platform.memory.read64(at);
  if (!(pte & PTE_VALID)) return false;
  k.platform.memory.write64(at, (pte & ~clear) | set);
  k.invalidate(va);
  return true;
}

/** MmIsAddressValid: whether an access to `va` would not fault. A non-canonical address has no translation. */
export function mmIsAddressValid(k: Kernel, va: number): boolean {
  if (va < -0x800000000000 || va >= 0x800000000000) return false;
  return (mmGetPte(k, va) & PTE_VALID) !== 0n;
}

/** Physical address of `va`, or 0 when it is not mapped (MmGetPhysicalAddress). */
export function mmGetPhysicalAddress(k: Kernel, va: number): number {
  const pte = mmIsAddressValid(k, va) ? mmGetPte(k, va) : 0n;
  return pte & PTE_VALID ? Number(pte & PTE_PFN_MASK) + (low48(va) % PAGE_SIZE) : 0;
}
