import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import {
  BAD_POOL_CALLER,
  MEMORY_MANAGEMENT,
  PROCESS_HAS_LOCKED_PAGES,
  SYSTEM_PTE_MISUSE,
  TARGET_MDL_TOO_SMALL,
} from '../types/bugcodes.ts';
import { IRP } from '../types/io.ts';
import {
  IoReadAccess,
  MDL,
  MDL_ALLOCATED_FIXED_SIZE,
  MDL_IO_SPACE,
  MDL_MAPPED_TO_SYSTEM_VA,
  MDL_PAGES_LOCKED,
  MDL_PARENT_MAPPED_SYSTEM_VA,
  MDL_PARTIAL,
  MDL_PARTIAL_HAS_BEEN_MAPPED,
  MDL_SOURCE_IS_NONPAGED_POOL,
  MDL_WRITE_OPERATION,
  NonPagedPoolNx,
} from '../types/mm.ts';
import { raiseStatus } from '../ex/raise.ts';
import { UserMode } from '../types/ke.ts';
import { STATUS_ACCESS_VIOLATION } from '../types/status.ts';
import {
  MM_HIGHEST_USER_ADDRESS,
  PAGE_SIZE,
  PTE_NO_EXECUTE,
  PTE_VALID,
  PTE_WRITE,
  isKernelAddress,
  pageBase,
  pageOffset,
  pteAddress,
  spanPages,
} from './layout.ts';
import { cacheBits, unmapSystemPages } from './iospace.ts';
import { missingPage } from './view.ts';
import { mmMakeResident } from './fault.ts';
import { mmFreePage, mmReferencePage, isRam } from './pfn.ts';
import { exAllocatePool, exFreePool } from './pool.ts';
import { mmGetPte, mmIsAddressValid, mmMapPage } from './pte.ts';
import { isSystemPteAddress, mmReleaseSystemPtes, mmReserveSystemPtes } from './sysptes.ts';

/*
 * Memory descriptor lists. The header (MDL) is followed by one page frame number of 8 bytes for each page. Drivers read the flags inline (MmGetSystemAddressForMdlSafe), so the
 * flags must be as NT leaves them.
 */

const M = MDL.f;
const HEADER = MDL.size;
const TAG_MDL = 0x206c644d; // 'Mdl '
/** PFN entry that ends the list of a partly filled MDL. */
const EMPTY_ENTRY = 0xffffffffffffffffn;
const NO_FRAME = -1;
/** Parameter 1 of MEMORY_MANAGEMENT and of SYSTEM_PTE_MISUSE. */
const NOT_LOCKED = 0x1233,
  NOT_RESIDENT = 0x1240,
  NEVER_MAPPED = 0x06;

export const mdlPages = (k: Kernel, mdl: number): number => spanPages(M.ByteOffset.get(k.mem, mdl), M.ByteCount.get(k.mem, mdl));
const flagsOf = (k: Kernel, mdl: number): number => k.mem.read16(mdl + M.MdlFlags.offset);
const setFlags = (k: Kernel, mdl: number, flags: number): void => k.mem.write16(mdl + M.MdlFlags.offset, flags & 0xffff);
const frameAddress = (mdl: number, index: number): number => mdl + HEADER + index * 8;

/** Page frame `index` of an MDL. */
export function mdlFrame(k: Kernel, mdl: number, index: number): number {
  return Number(k.mem.read64(frameAddress(mdl, index)) & 0xffffffffffffn);
}
function setFrame(k: Kernel, mdl: number, index: number, pfn: number): void {
  k.mem.write64(frameAddress(mdl, index), pfn === NO_FRAME ? EMPTY_ENTRY : BigInt(pfn));
}

/** Bytes of an MDL that describes [va, va + length). */
export const mmSizeOfMdl = (va: number, length: number): number => HEADER + spanPages(va, length) * 8;

/** Writes the header of an MDL for [va, va + length); Size holds 16 bits, so a very long one wraps as on NT. */
export function mmInitializeMdl(k: Kernel, mdl: number, va: number, length: number): void {
  k.mem.probe(mdl, HEADER, true);
  M.Next.set(k.mem, mdl, 0);
  k.mem.write16(mdl + M.Size.offset, mmSizeOfMdl(va, length) & 0xffff);
  setFlags(k, mdl, 0);
  k.mem.write32(mdl + M.AllocationProcessorNumber.offset, 0);
  M.Process.set(k.mem, mdl, 0);
  M.MappedSystemVa.set(k.mem, mdl, 0);
  M.StartVa.set(k.mem, mdl, pageBase(va));
  M.ByteOffset.set(k.mem, mdl, pageOffset(va));
  M.ByteCount.set(k.mem, mdl, length);
}

/**
 * IoAllocateMdl: an MDL in nonpaged pool; with an IRP it becomes its MDL, or the last of its chain if `secondary`. 0 when there is no pool or `length` is 2 GiB or more.
 */
export function ioAllocateMdl(k: Kernel, va: number, length: number, secondary: boolean, irp: number): number {
  if (length > 0x7fffffff) return 0;
  const mdl = exAllocatePool(k, NonPagedPoolNx, mmSizeOfMdl(va, length), TAG_MDL);
  if (!mdl) return 0;
  mmInitializeMdl(k, mdl, va, length);
  if (!irp) return mdl;
  if (!secondary || !IRP.f.MdlAddress.get(k.mem, irp)) IRP.f.MdlAddress.set(k.mem, irp, mdl);
  else {
    let last = IRP.f.MdlAddress.get(k.mem, irp);
    for (let next = M.Next.get(k.mem, last); next; next = M.Next.get(k.mem, last)) last = next;
    M.Next.set(k.mem, last, mdl);
  }
  return mdl;
}

/** Unmaps what a partial MDL was mapped to (MmPrepareMdlForReuse). */
export function mmPrepareMdlForReuse(k: Kernel, mdl: number): void {
  const flags = flagsOf(k, mdl);
  if (flags & MDL_PARTIAL_HAS_BEEN_MAPPED) mmUnmapLockedPages(k, M.MappedSystemVa.get(k.mem, mdl), mdl);
}

/** IoFreeMdl. The pages must have been unlocked; a mapping of a partial MDL is undone. */
export function ioFreeMdl(k: Kernel, mdl: number): void {
  mmPrepareMdlForReuse(k, mdl);
  exFreePool(k, mdl, 0);
}

/** IoBuildPartialMdl: `target` describes [va, va + length) of what `source` does; length 0 = to its end. Bug check 0x40 when the target has too little room. */
export function ioBuildPartialMdl(k: Kernel, source: number, target: number, va: number, length: number): void {
  const sourceVa = M.StartVa.get(k.mem, source) + M.ByteOffset.get(k.mem, source);
  const offset = va - sourceVa;
  const bytes = length || M.ByteCount.get(k.mem, source) - offset;
  const pages = spanPages(va, bytes);
  if (k.mem.read16(target + M.Size.offset) < HEADER + pages * 8)
    k.bugCheck(TARGET_MDL_TOO_SMALL, target, pages, 0, 0, 'IoBuildPartialMdl: the target MDL has too little room');
  const sourceFlags = flagsOf(k, source);
  mmPrepareMdlForReuse(k, target);
  const kept = flagsOf(k, target) & MDL_ALLOCATED_FIXED_SIZE;
  M.Process.set(k.mem, target, M.Process.get(k.mem, source));
  M.StartVa.set(k.mem, target, pageBase(va));
  M.ByteOffset.set(k.mem, target, pageOffset(va));
  M.ByteCount.set(k.mem, target, bytes);
  let flags = kept | MDL_PARTIAL | (sourceFlags & (MDL_SOURCE_IS_NONPAGED_POOL | MDL_IO_SPACE));
  if (sourceFlags & MDL_SOURCE_IS_NONPAGED_POOL) {
    M.MappedSystemVa.set(k.mem, target, M.MappedSystemVa.get(k.mem, source) + offset);
  } else if (sourceFlags & MDL_MAPPED_TO_SYSTEM_VA) {
    flags |= MDL_MAPPED_TO_SYSTEM_VA | MDL_PARENT_MAPPED_SYSTEM_VA;
    M.MappedSystemVa.set(k.mem, target, M.MappedSystemVa.get(k.mem, source) + offset);
  }
  setFlags(k, target, flags);
  const first = Math.floor((pageBase(va) - M.StartVa.get(k.mem, source)) / PAGE_SIZE);
  for (let i = 0; i < pages; i++) k.mem.write64(frameAddress(target, i), k.mem.read64(frameAddress(source, first + i)));
}

/** MmBuildMdlForNonPagedPool: fills in the frames of memory that is always resident. */
export function mmBuildMdlForNonPagedPool(k: Kernel, mdl: number): void {
  const start = M.StartVa.get(k.mem, mdl),
    pages = mdlPages(k, mdl);
  k.mem.probe(mdl, HEADER + pages * 8, true);
  let ioSpace = 0;
  for (let i = 0; i < pages; i++) {
    const pte = mmGetPte(k, start + i * PAGE_SIZE);
    if (!(pte & PTE_VALID))
      k.bugCheck(
        MEMORY_MANAGEMENT,
        NOT_RESIDENT,
        mdl,
        pteAddress(start + i * PAGE_SIZE),
        0,
        'MmBuildMdlForNonPagedPool was called for memory that is not resident',
      );
    const pfn = Number((pte >> 12n) & 0xffffffffffn);
    if (!isRam(k, pfn)) ioSpace = MDL_IO_SPACE;
    setFrame(k, mdl, i, pfn);
  }
  M.Process.set(k.mem, mdl, 0);
  M.MappedSystemVa.set(k.mem, mdl, start + M.ByteOffset.get(k.mem, mdl));
  setFlags(k, mdl, flagsOf(k, mdl) | MDL_SOURCE_IS_NONPAGED_POOL | ioSpace);
}

/**
 * MmProbeAndLockPages: makes the pages stay and writes their frames into the MDL. An address that is not mapped, a user-mode caller's kernel address, or a
 * read-only page that is to be written raises an access violation; then nothing is locked.
 */
export function mmProbeAndLockPages(k: Kernel, mdl: number, accessMode: number, operation: number): void {
  const start = M.StartVa.get(k.mem, mdl),
    pages = mdlPages(k, mdl),
    flags = flagsOf(k, mdl);
  if (flags & MDL_PAGES_LOCKED)
    k.bugCheck(
      PROCESS_HAS_LOCKED_PAGES,
      0,
      M.Process.get(k.mem, mdl),
      pages,
      mdl,
      'MmProbeAndLockPages was called for an MDL whose pages are locked',
    );
  k.mem.probe(mdl, HEADER + pages * 8, true);
  const frames: number[] = [];
  for (let i = 0; i < pages; i++) {
    const va = start + i * PAGE_SIZE;
    const wrong = accessMode === UserMode && (isKernelAddress(va) || va > MM_HIGHEST_USER_ADDRESS);
    const write = operation !== IoReadAccess;
    if (!wrong) mmMakeResident(k, va, 1, write);
    const pte = mmIsAddressValid(k, va) ? mmGetPte(k, va) : 0n;
    // Touching what is not there in the kernel half is the fault that it would be for anybody.
    if (!wrong && isKernelAddress(va) && !(pte & PTE_VALID)) throw new GuestFault(14, write ? 2 : 0, va);
    // A page of a file comes in by a fault, and the pages are tried again.
    if (!wrong && missingPage(k, va, { write })) throw new GuestFault(14, write ? 2 : 0, va);
    if (wrong || !(pte & PTE_VALID) || (write && !(pte & PTE_WRITE))) raiseStatus(k, STATUS_ACCESS_VIOLATION);
    frames.push(Number((pte >> 12n) & 0xffffffffffn));
  }
  let ioSpace = 0;
  frames.forEach((pfn, i) => {
    setFrame(k, mdl, i, pfn);
    mmReferencePage(k, pfn);
    if (!isRam(k, pfn)) ioSpace = MDL_IO_SPACE;
  });
  M.Process.set(k.mem, mdl, isKernelAddress(start) ? 0 : k.currentProcess());
  setFlags(k, mdl, flags | MDL_PAGES_LOCKED | ioSpace | (operation === IoReadAccess ? 0 : MDL_WRITE_OPERATION));
}

/** MmUnlockPages: undoes the lock, and the mapping if there is one. Bug check 0x76 (page counts would go wrong) when the pages are not locked. */
export function mmUnlockPages(k: Kernel, mdl: number): void {
  const flags = flagsOf(k, mdl);
  if (!(flags & MDL_PAGES_LOCKED))
    k.bugCheck(PROCESS_HAS_LOCKED_PAGES, 1, mdl, 0, 0, 'MmUnlockPages was called for an MDL whose pages are not locked');
  if (flags & MDL_MAPPED_TO_SYSTEM_VA && !(flags & (MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARENT_MAPPED_SYSTEM_VA)))
    mmUnmapLockedPages(k, M.MappedSystemVa.get(k.mem, mdl), mdl);
  for (let i = 0; i < mdlPages(k, mdl); i++) {
    const pfn = mdlFrame(k, mdl, i);
    if (isRam(k, pfn)) mmFreePage(k, pfn);
  }
  setFlags(k, mdl, flagsOf(k, mdl) & ~(MDL_PAGES_LOCKED | MDL_WRITE_OPERATION | MDL_IO_SPACE));
}

/** Maps the frames of an MDL at `va`, which is reserved. False, with nothing mapped, when there is no memory for page tables. */
export function mapFrames(k: Kernel, mdl: number, va: number, cacheType: number, executable: boolean, writable = true): boolean {
  const pages = mdlPages(k, mdl);
  for (let i = 0; i < pages; i++) {
    if (
      mmMapPage(
        k,
        va + i * PAGE_SIZE,
        mdlFrame(k, mdl, i),
        (writable ? PTE_WRITE : 0n) | (executable ? 0n : PTE_NO_EXECUTE) | cacheBits(cacheType),
      )
    )
      continue;
    unmapSystemPages(k, va, i);
    return false;
  }
  return true;
}

export function markMapped(k: Kernel, mdl: number, va: number): void {
  M.MappedSystemVa.set(k.mem, mdl, va);
  const flags = flagsOf(k, mdl);
  setFlags(k, mdl, flags | MDL_MAPPED_TO_SYSTEM_VA | (flags & MDL_PARTIAL ? MDL_PARTIAL_HAS_BEEN_MAPPED : 0));
}
export function markUnmapped(k: Kernel, mdl: number): void {
  setFlags(k, mdl, flagsOf(k, mdl) & ~(MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED));
}

/** Pages that nobody keeps must not be mapped: bug check 0x1A, 0x1233. */
export function checkLocked(k: Kernel, mdl: number): void {
  if (!(flagsOf(k, mdl) & (MDL_PAGES_LOCKED | MDL_PARTIAL | MDL_SOURCE_IS_NONPAGED_POOL)))
    k.bugCheck(MEMORY_MANAGEMENT, NOT_LOCKED, mdlFrame(k, mdl, 0), 0, 0, 'an MDL is mapped whose pages are not locked');
}

/** MmMapLockedPagesSpecifyCache for kernel mode: maps the pages into system space. 0 when there is no room. */
export function mmMapLockedPages(k: Kernel, mdl: number, cacheType: number, executable: boolean, writable = true): number {
  const pages = mdlPages(k, mdl);
  k.mem.probe(mdl, HEADER + pages * 8, true);
  checkLocked(k, mdl);
  const base = mmReserveSystemPtes(k, pages);
  if (!base) return 0;
  if (!mapFrames(k, mdl, base, cacheType, executable, writable)) {
    mmReleaseSystemPtes(k, base, pages);
    return 0;
  }
  const va = base + M.ByteOffset.get(k.mem, mdl);
  markMapped(k, mdl, va);
  return va;
}

/** MmUnmapLockedPages. Bug check 0xD7 for an address that is not the MDL's mapping. */
export function mmUnmapLockedPages(k: Kernel, va: number, mdl: number): void {
  const flags = flagsOf(k, mdl);
  if (flags & MDL_PARENT_MAPPED_SYSTEM_VA && flags & MDL_PARTIAL && !(flags & MDL_PARTIAL_HAS_BEEN_MAPPED)) return;
  const base = pageBase(va),
    pages = mdlPages(k, mdl);
  if (!isSystemPteAddress(base) || !(flags & MDL_MAPPED_TO_SYSTEM_VA) || M.MappedSystemVa.get(k.mem, mdl) !== va)
    k.bugCheck(
      SYSTEM_PTE_MISUSE,
      NEVER_MAPPED,
      mdl,
      va,
      pages,
      'MmUnmapLockedPages was given an address that the MDL is not mapped at',
    );
  unmapSystemPages(k, base, pages);
  mmReleaseSystemPtes(k, base, pages);
  markUnmapped(k, mdl);
}

/** Frees the pages of an MDL that MmAllocatePagesForMdl made; the MDL itself is the caller's to free. */
export function mmFreePagesFromMdl(k: Kernel, mdl: number): void {
  const flags = flagsOf(k, mdl);
  if (!(flags & MDL_PAGES_LOCKED))
    k.bugCheck(BAD_POOL_CALLER, 0x60, mdl, 0, 0, 'MmFreePagesFromMdl was called for an MDL without pages');
  if (flags & MDL_MAPPED_TO_SYSTEM_VA) mmUnmapLockedPages(k, M.MappedSystemVa.get(k.mem, mdl), mdl);
  for (let i = 0; i < mdlPages(k, mdl); i++) mmFreePage(k, mdlFrame(k, mdl, i));
  M.ByteCount.set(k.mem, mdl, 0);
  setFlags(k, mdl, flagsOf(k, mdl) & ~MDL_PAGES_LOCKED);
}

/** An MDL over page frames that the caller has allocated; 0 when there is no pool. The MDL's address range starts at 0. */
export function mdlForFrames(k: Kernel, frames: readonly number[]): number {
  const mdl = exAllocatePool(k, NonPagedPoolNx, HEADER + frames.length * 8, TAG_MDL);
  if (!mdl) return 0;
  mmInitializeMdl(k, mdl, 0, frames.length * PAGE_SIZE);
  frames.forEach((pfn, i) => setFrame(k, mdl, i, pfn));
  setFlags(k, mdl, MDL_PAGES_LOCKED);
  return mdl;
}
