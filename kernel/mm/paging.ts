/**
 * Pageable kernel memory: paged pool, and what drivers have declared pageable. A page of it is in one of three states, which its page-table entry tells:
 *
 * - valid, with a protection key (bits 59-62; the processor ignores it, the verifier's watch does not);
 * - in transition: taken away from its users, still in RAM, on the modified list. A fault puts it back;
 * - in the page store (the paging file): the entry has the slot. A fault reads it into a fresh page.
 *
 * Pages are trimmed when RAM is used up or when somebody asks for it, and only if nobody has locked them. The layouts of the entries that are not valid are NT's
 * (MMPTE_TRANSITION, MMPTE_SOFTWARE), but for the key, which they keep in its place.
 */
import {
  PAGE_STORE_BASE,
  PAGE_STORE_DISCARD,
  PAGE_STORE_IDENT,
  PAGE_STORE_READ,
  PAGE_STORE_WRITE,
  PS_COMMAND,
  PS_IDENT,
  PS_PAGE,
  PS_SLOT,
  PS_SLOTS,
} from '../../hal/bus/pagestore.ts';
import type { Kernel } from '../kernel.ts';
import { fillBits, findBits } from '../rtl/bits.ts';
import { MMPFN, ModifiedPageList } from '../types/mm.ts';
import { pageBase, PFN_DATABASE, PTE_NO_EXECUTE, PTE_PFN_MASK, PTE_VALID, PTE_WRITE } from './layout.ts';
import { isRam, LIST_END, mmAllocatePage, mmFreePage, mmPageReferences, pageToFreeList, takeActive } from './pfn.ts';
import { mmMapPage, mmUnmapPage, pteLocation } from './pte.ts';

/** The protection key of a pageable page: a driver's, or the kernel's own. The verifier refuses drivers' pages also to the routines that they call at DISPATCH_LEVEL. */
export const PTE_KEY_DRIVER = 1n << 59n,
  PTE_KEY_SYSTEM = 2n << 59n;
export const PTE_KEY_MASK = 0xfn << 59n;
/** The keys as the processor's watch takes them (MSR_PAGEABLE_KEYS). */
export const PAGEABLE_KEYS = (1n << 1n) | (1n << 2n);
export const KEY_DRIVER = 1;

const PTE_TRANSITION = 0x800n,
  PTE_PROTOTYPE = 0x400n;
/** MMPTE_SOFTWARE.Protection, bits 5-9: MM_READONLY, MM_EXECUTE_READ, MM_READWRITE, MM_EXECUTE_READWRITE. */
const protectionField = (bits: bigint): bigint =>
  (bits & PTE_WRITE ? (bits & PTE_NO_EXECUTE ? 4n : 6n) : bits & PTE_NO_EXECUTE ? 1n : 3n) << 5n;
const protectionOf = (pte: bigint): bigint => {
  const p = (pte >> 5n) & 31n;
  return (p === 4n || p === 6n ? PTE_WRITE : 0n) | (p === 1n || p === 4n ? PTE_NO_EXECUTE : 0n);
};
/** Where the slot is in the entry of a page that was written out. */
const SLOT_SHIFT = 32n,
  SLOT_MASK = 0xfffffn;

const F = MMPFN.f;
const entryOf = (pfn: number): number => PFN_DATABASE + pfn * MMPFN.size;
const isTransition = (pte: bigint): boolean => (pte & (PTE_VALID | PTE_TRANSITION | PTE_PROTOTYPE)) === PTE_TRANSITION;
const slotOf = (pte: bigint): number =>
  pte & (PTE_VALID | PTE_TRANSITION | PTE_PROTOTYPE) ? 0 : Number((pte >> SLOT_SHIFT) & SLOT_MASK);

const rawPte = (k: Kernel, va: number): bigint => {
  const at = pteLocation(k, va);
  return at < 0 ? 0n : k.platform.memory.read64(at);
};

/** Maps a page that may be trimmed. `key` says whose it is. */
export const mmMapPageable = (k: Kernel, va: number, pfn: number, bits: bigint, key: bigint): boolean =>
  mmMapPage(k, va, pfn, bits | key);

/** Makes the page at `va`, which is valid, pageable (a key) or not (0). */
export function mmSetPageable(k: Kernel, va: number, key: bigint): void {
  const at = pteLocation(k, va);
  if (at < 0) return;
  const pte = k.platform.memory.read64(at);
  if (!(pte & PTE_VALID)) return;
  k.platform.memory.write64(at, (pte & ~PTE_KEY_MASK) | key);
  k.invalidate(va);
}

/** Whether the page at `va` is pageable now, wherever it is. */
export const mmIsPageable = (k: Kernel, va: number): boolean => (rawPte(k, va) & PTE_KEY_MASK) !== 0n;
/** Whether `va` is in a pageable page that is not valid, but can be brought back by a fault. */
export const mmIsPagedOut = (k: Kernel, va: number): boolean => {
  const pte = rawPte(k, va);
  return isTransition(pte) || slotOf(pte) !== 0;
};

// The modified list: pages in transition, linked through their PFN entries, oldest first.

function toModifiedList(k: Kernel, pfn: number, va: number): void {
  const e = entryOf(pfn);
  const tail = k.global.get('MmModifiedPageListTail');
  F.PageFlags.set(k.mem, e, ModifiedPageList);
  F.PteAddress.set(k.mem, e, va);
  F.Flink.set(k.mem, e, BigInt(LIST_END));
  F.Blink.set(k.mem, e, BigInt(tail));
  if (tail === LIST_END) k.global.set('MmModifiedPageListHead', pfn);
  else F.Flink.set(k.mem, entryOf(tail), BigInt(pfn));
  k.global.set('MmModifiedPageListTail', pfn);
  k.global.set('MmModifiedPages', k.global.get('MmModifiedPages') + 1);
}

function fromModifiedList(k: Kernel, pfn: number): void {
  const e = entryOf(pfn);
  const next = Number(F.Flink.get(k.mem, e)),
    previous = Number(F.Blink.get(k.mem, e));
  if (previous === LIST_END) k.global.set('MmModifiedPageListHead', next);
  else F.Flink.set(k.mem, entryOf(previous), BigInt(next));
  if (next === LIST_END) k.global.set('MmModifiedPageListTail', previous);
  else F.Blink.set(k.mem, entryOf(next), BigInt(previous));
  k.global.set('MmModifiedPages', k.global.get('MmModifiedPages') - 1);
}

/** Takes the page at `va` away from its users: it goes to the modified list. False when it is not pageable, not there, or somebody holds it (locked for I/O, mapped twice). */
export function mmTrimPage(k: Kernel, va: number): boolean {
  const at = pteLocation(k, va);
  if (at < 0) return false;
  const pte = k.platform.memory.read64(at);
  if (!(pte & PTE_VALID) || !(pte & PTE_KEY_MASK)) return false;
  const pfn = Number((pte & PTE_PFN_MASK) >> 12n);
  if (!isRam(k, pfn) || mmPageReferences(k, pfn) !== 1) return false;
  k.platform.memory.write64(at, (pte & (PTE_PFN_MASK | PTE_KEY_MASK)) | protectionField(pte) | PTE_TRANSITION);
  for (const cpu of k.platform.cpus) cpu.invalidate(va);
  toModifiedList(k, pfn, va);
  return true;
}

/** Trims every pageable page of the kernel half that nobody holds. How many that were. */
export function mmTrimAll(k: Kernel): number {
  let trimmed = 0;
  const pages = k.global.get('MmNumberOfPhysicalPages');
  for (let pfn = 0; pfn < pages; pfn++) {
    const va = mappedAt(k, pfn);
    if (va !== 0 && mmTrimPage(k, va)) trimmed++;
  }
  return trimmed;
}

/** Address at which an active page was mapped first, as far as its PFN entry knows; 0 for none. */
export function mappedAt(k: Kernel, pfn: number): number {
  if (mmPageReferences(k, pfn) === 0) return 0;
  const va = F.PteAddress.get(k.mem, entryOf(pfn));
  if (va === 0) return 0;
  const pte = rawPte(k, va);
  return pte & PTE_VALID && Number((pte & PTE_PFN_MASK) >> 12n) === pfn ? va : 0;
}

// The page store.

const command = (k: Kernel, code: number, slot: number, pfn: number): void => {
  k.cpu.portOut(PAGE_STORE_BASE + PS_SLOT, 4, slot);
  k.cpu.portOut(PAGE_STORE_BASE + PS_PAGE, 4, pfn);
  k.cpu.portOut(PAGE_STORE_BASE + PS_COMMAND, 4, code);
};

/** Looks for the page store and makes the bitmap of its slots; without one pages stay in RAM. Runs once. */
export function initializePaging(k: Kernel, bitmap: number, maximumSlots: number): void {
  k.global.set('MmModifiedPageListHead', LIST_END);
  k.global.set('MmModifiedPageListTail', LIST_END);
  k.global.set('MmPagingFileBitmap', bitmap);
  k.global.set('MmPagingFileSlots', maximumSlots);
  fillBits(k.mem, bitmap, 0, 1, true);
}

/** The slots of the page store; 0 when there is none. Asked when the first page is to be written. */
function slots(k: Kernel): number {
  if (k.global.get('MmPagingFilePresent') === 0) {
    const present = k.cpu.portIn(PAGE_STORE_BASE + PS_IDENT, 4) >>> 0 === PAGE_STORE_IDENT;
    k.global.set('MmPagingFilePresent', present ? 1 : 2);
    if (present)
      k.global.set(
        'MmPagingFileSlots',
        Math.min(k.global.get('MmPagingFileSlots'), k.cpu.portIn(PAGE_STORE_BASE + PS_SLOTS, 4) >>> 0),
      );
  }
  return k.global.get('MmPagingFilePresent') === 1 ? k.global.get('MmPagingFileSlots') : 0;
}

/** Writes the oldest page of the modified list to the page store and frees it. False when there is no such page or no room in the store. */
export function mmWriteModifiedPage(k: Kernel): boolean {
  const pfn = k.global.get('MmModifiedPageListHead');
  if (pfn === LIST_END) return false;
  const size = slots(k);
  const bitmap = k.global.get('MmPagingFileBitmap');
  const slot = size > 1 ? findBits(k.mem, bitmap, size, 1, Math.max(1, k.global.get('MmPagingFileHint')), false) : -1;
  if (slot < 1) return false;
  const va = F.PteAddress.get(k.mem, entryOf(pfn));
  const at = pteLocation(k, va);
  const pte = k.platform.memory.read64(at);
  command(k, PAGE_STORE_WRITE, slot, pfn);
  fillBits(k.mem, bitmap, slot, 1, true);
  k.global.set('MmPagingFileHint', slot + 1);
  k.global.set('MmPagingFilePagesInUse', k.global.get('MmPagingFilePagesInUse') + 1);
  k.platform.memory.write64(at, (pte & (PTE_KEY_MASK | (31n << 5n))) | (BigInt(slot) << SLOT_SHIFT));
  fromModifiedList(k, pfn);
  pageToFreeList(k, pfn);
  return true;
}

/** RAM is used up: writes pages out, trimming first when none is in transition. Whether there is a free page now. */
export function mmReclaimPage(k: Kernel): boolean {
  if (mmWriteModifiedPage(k)) return true;
  return k.global.get('MmModifiedPages') === 0 && mmTrimAll(k) > 0 && mmWriteModifiedPage(k);
}

function discard(k: Kernel, slot: number): void {
  command(k, PAGE_STORE_DISCARD, slot, 0);
  fillBits(k.mem, k.global.get('MmPagingFileBitmap'), slot, 1, false);
  k.global.set('MmPagingFilePagesInUse', k.global.get('MmPagingFilePagesInUse') - 1);
}

/** Brings the page at `va` back. False when there is none to bring back, or no memory for it. */
export function mmPageIn(k: Kernel, va: number): boolean {
  const pte = rawPte(k, va);
  const bits = protectionOf(pte) | (pte & PTE_KEY_MASK);
  const page = pageBase(va);
  if (isTransition(pte)) {
    const pfn = Number((pte & PTE_PFN_MASK) >> 12n);
    fromModifiedList(k, pfn);
    takeActive(k, pfn);
    k.global.set('MmTransitionFaults', k.global.get('MmTransitionFaults') + 1);
    return mmMapPage(k, page, pfn, bits);
  }
  const slot = slotOf(pte);
  if (slot === 0) return false;
  const pfn = mmAllocatePage(k, false);
  if (pfn < 0) return false;
  command(k, PAGE_STORE_READ, slot, pfn);
  discard(k, slot);
  k.global.set('MmPageReads', k.global.get('MmPageReads') + 1);
  return mmMapPage(k, page, pfn, bits);
}

/** Frees the page at `va`, wherever it is: valid, in transition or written out. Whether there was one. */
export function mmReleasePage(k: Kernel, va: number): boolean {
  const pte = rawPte(k, va);
  if (pte & PTE_VALID) {
    mmFreePage(k, mmUnmapPage(k, va));
    return true;
  }
  const slot = slotOf(pte);
  if (isTransition(pte)) {
    const pfn = Number((pte & PTE_PFN_MASK) >> 12n);
    fromModifiedList(k, pfn);
    pageToFreeList(k, pfn);
  } else if (slot !== 0) discard(k, slot);
  else return false;
  k.platform.memory.write64(pteLocation(k, va), 0n);
  return true;
}
