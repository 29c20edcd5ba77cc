/** MDL routines. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import {
  checkLocked,
  ioAllocateMdl,
  ioBuildPartialMdl,
  ioFreeMdl,
  mapFrames,
  markMapped,
  markUnmapped,
  mdlForFrames,
  mdlFrame,
  mdlPages,
  mmBuildMdlForNonPagedPool,
  mmFreePagesFromMdl,
  mmInitializeMdl,
  mmMapLockedPages,
  mmPrepareMdlForReuse,
  mmProbeAndLockPages,
  mmSizeOfMdl,
  mmUnlockPages,
  mmUnmapLockedPages,
} from '../mm/mdl.ts';
import { unmapSystemPages } from '../mm/iospace.ts';
import { isKernelAddress, PAGE_SIZE, PTE_NO_EXECUTE, PTE_WRITE, pageBase } from '../mm/layout.ts';
import { mmAllocateContiguousPages, mmAllocatePage, mmFreePage } from '../mm/pfn.ts';
import { mmIsPageable } from '../mm/paging.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { inAddressSpace } from '../mm/process.ts';
import { mmIsAddressValid, mmMapPage, mmProtectPage, mmUnmapPage } from '../mm/pte.ts';
import { mmReleaseSystemPtes, mmReserveSystemPtes } from '../mm/sysptes.ts';
import { mmMapLockedPagesUser, mmUnmapUserPages } from '../mm/usermap.ts';
import { raiseStatus } from '../ex/raise.ts';
import { NO_MORE_SYSTEM_PTES, PROCESS_HAS_LOCKED_PAGES, SYSTEM_PTE_MISUSE } from '../types/bugcodes.ts';
import { KernelMode } from '../types/ke.ts';
import { MDL, MDL_MAPPED_TO_SYSTEM_VA, MDL_PAGES_LOCKED, MDL_PARENT_MAPPED_SYSTEM_VA, MDL_SOURCE_IS_NONPAGED_POOL, MmCached, NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INVALID_PAGE_PROTECTION, STATUS_INVALID_PARAMETER_2, STATUS_NOT_MAPPED_VIEW, STATUS_SUCCESS } from '../types/status.ts';
import {
  type ArgTypes,
  type ArgValues,
  BOOLEAN,
  CCHAR,
  DISPATCH_LEVEL,
  type NtExport,
  ntExport,
  NTSTATUS,
  PHYSICAL_ADDRESS,
  pointer,
  PVOID,
  SIZE_T,
  ULONG,
  VOID,
} from './declare.ts';

const PMDL = pointer('PMDL'),
  PIRP = pointer('PIRP');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const;

/** A cost per page, for routines whose work is the pages of `MemoryDescriptorList`. */
const perPage =
  (base: number, each: number) =>
  (k: Kernel, a: { readonly MemoryDescriptorList: number }): number =>
    base + mdlPages(k, a.MemoryDescriptorList) * each;
/** MmAllocatePagesForMdlEx: Flags. */
/** Whether the buffer of an MDL is memory that may be paged out: all of user space, and pageable pages of the system. */
function describesPageable(k: Kernel, mdl: number): boolean {
  const start = MDL.f.StartVa.get(k.mem, mdl);
  if (!isKernelAddress(start)) return true;
  for (let i = 0; i < mdlPages(k, mdl); i++) if (mmIsPageable(k, start + i * PAGE_SIZE)) return true;
  return false;
}

const MM_ALLOCATE_FULLY_REQUIRED = 4,
  MM_DONT_ZERO_ALLOCATION = 1,
  MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS = 0x20,
  MM_ALLOCATE_AND_HOT_REMOVE = 0x100;
/** MmMapLockedPagesSpecifyCache: Priority flag. */
const MdlMappingNoExecute = 0x40000000,
  MdlMappingNoWrite = 0x80000000;

/** Maps into the user half of the current process; raises when that is not possible. */
function mapUser(k: Kernel, mdl: number, cacheType: number, requested: number, writable: boolean): number {
  checkLocked(k, mdl);
  const { status, va } = mmMapLockedPagesUser(k, mdl, cacheType, requested, writable);
  return status === STATUS_SUCCESS ? va : raiseStatus(k, status);
}

const allocateArgs = {
  LowAddress: PHYSICAL_ADDRESS,
  HighAddress: PHYSICAL_ADDRESS,
  SkipBytes: PHYSICAL_ADDRESS,
  TotalBytes: SIZE_T,
} as const;

/** Pages for MmAllocatePagesForMdl: whichever are free in the address range; fewer than asked when there are no more. */
function allocateFrames(k: Kernel, a: ArgValues<typeof allocateArgs>, flags: number): number[] {
  const wanted = Math.ceil(Math.min(a.TotalBytes, 0xffffffff) / PAGE_SIZE);
  const low = Math.ceil(Number(a.LowAddress) / PAGE_SIZE),
    high = Math.floor(Number(a.HighAddress) / PAGE_SIZE);
  const zeroed = !(flags & MM_DONT_ZERO_ALLOCATION);
  const frames: number[] = [];
  if (flags & MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS) {
    const chunk = a.SkipBytes > 0n ? Number(a.SkipBytes) / PAGE_SIZE : wanted;
    while (frames.length < wanted) {
      const first = mmAllocateContiguousPages(k, chunk, low, high, 0, zeroed);
      if (first < 0) break;
      for (let i = 0; i < chunk; i++) frames.push(first + i);
    }
  } else {
    const anywhere = low === 0 && high >= k.global.get('MmNumberOfPhysicalPages') - 1;
    while (frames.length < wanted) {
      const pfn = anywhere
        ? mmAllocatePage(k, zeroed)
        : mmAllocateContiguousPages(k, 1, frames.length ? frames[frames.length - 1]! + 1 : low, high, 0, zeroed);
      if (pfn < 0) break;
      frames.push(pfn);
    }
  }
  if (flags & MM_ALLOCATE_FULLY_REQUIRED && frames.length < wanted) {
    for (const pfn of frames.splice(0)) mmFreePage(k, pfn);
  }
  return frames;
}

function allocatePagesForMdl(k: Kernel, a: ArgValues<typeof allocateArgs>, flags: number): number {
  const frames = allocateFrames(k, a, flags);
  const mdl = frames.length ? mdlForFrames(k, frames) : 0;
  if (!mdl) for (const pfn of frames) mmFreePage(k, pfn);
  return mdl;
}

/** Ranges that MmAllocateMappingAddress reserved are in a list of small pool blocks: { Va: u64, Pages: u32, Tag: u32, Next: u64 }. */
const TAG_MAPPING = 0x706d614d; // 'Mamp'
const RESERVATION_SIZE = 24;
const STILL_MAPPED = 0x103,
  NOTHING_MAPPED = 0x108;

function findReservation(k: Kernel, va: number): { at: number; link: number } | null {
  let link = k.global.address('MmReservedMappings');
  for (let at = k.mem.readPtr(link); at; link = at + 16, at = k.mem.readPtr(link)) if (k.mem.readPtr(at) === va) return { at, link };
  return null;
}

function reservation(k: Kernel, va: number, tag: number): { at: number; link: number; pages: number } {
  const found = findReservation(k, va);
  if (!found) k.bugCheck(SYSTEM_PTE_MISUSE, 0x100, va, tag, 0, 'the address is not a reserved mapping address');
  const own = k.mem.read32(found.at + 12);
  if (own !== tag) k.bugCheck(SYSTEM_PTE_MISUSE, 0x101, va, tag, own, 'the reserved mapping address belongs to another tag');
  return { ...found, pages: k.mem.read32(found.at + 8) };
}

const plain = <const A extends ArgTypes>(d: Parameters<typeof ntExport<A>>[0]): NtExport => ntExport(d);

export const mdlExports: NtExport[] = [
  plain({
    name: 'IoAllocateMdl',
    doc: 'Allocates an MDL for a buffer, and associates it with an IRP if one is given.',
    irql: DISPATCH,
    args: { VirtualAddress: PVOID, Length: ULONG, SecondaryBuffer: BOOLEAN, ChargeQuota: BOOLEAN, Irp: PIRP },
    returns: PMDL,
    cycles: 150,
    status: 'full',
    impl: (k, a) => ioAllocateMdl(k, a.VirtualAddress, a.Length, a.SecondaryBuffer, a.Irp),
  }),
  plain({
    name: 'IoFreeMdl',
    doc: 'Releases an MDL that the caller allocated.',
    irql: DISPATCH,
    args: { Mdl: PMDL },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, a) => ioFreeMdl(k, a.Mdl),
  }),
  plain({
    name: 'IoBuildPartialMdl',
    doc: 'Builds an MDL that describes part of the buffer of another MDL.',
    irql: DISPATCH,
    args: { SourceMdl: PMDL, TargetMdl: PMDL, VirtualAddress: PVOID, Length: ULONG },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, a) => ioBuildPartialMdl(k, a.SourceMdl, a.TargetMdl, a.VirtualAddress, a.Length),
  }),
  plain({
    name: 'MmSizeOfMdl',
    doc: 'Returns the number of bytes that an MDL for a buffer takes.',
    args: { Base: PVOID, Length: SIZE_T },
    returns: SIZE_T,
    cycles: 8,
    status: 'full',
    impl: (_k, a) => mmSizeOfMdl(a.Base, a.Length),
  }),
  plain({
    name: 'MmCreateMdl',
    doc: 'Allocates an MDL for a buffer, in memory of the caller or in pool (obsolete).',
    irql: DISPATCH,
    args: { MemoryDescriptorList: PMDL, Base: PVOID, Length: SIZE_T },
    returns: PMDL,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      const mdl = a.MemoryDescriptorList || exAllocatePool(k, NonPagedPoolNx, mmSizeOfMdl(a.Base, a.Length), 0x20206d4d);
      if (mdl) mmInitializeMdl(k, mdl, a.Base, a.Length);
      return mdl;
    },
  }),
  plain({
    name: 'MmPrepareMdlForReuse',
    doc: 'Unmaps what a partial MDL was mapped to, so that it can be built again.',
    irql: DISPATCH,
    args: { Mdl: PMDL },
    returns: VOID,
    cycles: 60,
    status: 'full',
    internal: true,
    impl: (k, a) => mmPrepareMdlForReuse(k, a.Mdl),
  }),
  plain({
    name: 'MmBuildMdlForNonPagedPool',
    doc: 'Fills in an MDL for a buffer in nonpaged memory.',
    irql: DISPATCH,
    args: { MemoryDescriptorList: PMDL },
    returns: VOID,
    cycles: perPage(60, 12),
    status: 'full',
    impl: (k, a) => mmBuildMdlForNonPagedPool(k, a.MemoryDescriptorList),
  }),
  plain({
    name: 'MmProbeAndLockPages',
    doc: 'Checks that pages can be accessed, makes them resident and locks them in memory.',
    irql: { ...DISPATCH, when: (a, k) => (k.irql >= DISPATCH_LEVEL && describesPageable(k, a.MemoryDescriptorList) ? APC : undefined) },
    args: { MemoryDescriptorList: PMDL, AccessMode: CCHAR, Operation: ULONG },
    returns: VOID,
    cycles: perPage(200, 40),
    status: 'full',
    impl: (k, a) => mmProbeAndLockPages(k, a.MemoryDescriptorList, a.AccessMode, a.Operation),
  }),
  plain({
    name: 'MmProbeAndLockProcessPages',
    doc: 'Checks, makes resident and locks pages of a process.',
    irql: APC,
    args: { MemoryDescriptorList: PMDL, Process: pointer('PEPROCESS'), AccessMode: CCHAR, Operation: ULONG },
    returns: VOID,
    cycles: perPage(400, 40),
    status: 'full',
    impl: (k, a) => inAddressSpace(k, a.Process, () => mmProbeAndLockPages(k, a.MemoryDescriptorList, a.AccessMode, a.Operation)),
  }),
  plain({
    name: 'MmUnlockPages',
    doc: 'Unlocks the pages of an MDL.',
    irql: DISPATCH,
    args: { MemoryDescriptorList: PMDL },
    returns: VOID,
    cycles: perPage(150, 30),
    status: 'full',
    impl: (k, a) => mmUnlockPages(k, a.MemoryDescriptorList),
  }),
  plain({
    name: 'MmMapLockedPagesSpecifyCache',
    doc: 'Maps the pages that an MDL describes and returns their address.',
    irql: { ...DISPATCH, when: a => (a.AccessMode === KernelMode ? undefined : APC) },
    args: {
      MemoryDescriptorList: PMDL,
      AccessMode: CCHAR,
      CacheType: ULONG,
      RequestedAddress: PVOID,
      BugCheckOnFailure: ULONG,
      Priority: ULONG,
    },
    returns: PVOID,
    cycles: perPage(150, 30),
    status: 'full',
    impl(k, a) {
      const writable = (a.Priority & MdlMappingNoWrite) === 0;
      if (a.AccessMode !== KernelMode) return mapUser(k, a.MemoryDescriptorList, a.CacheType, a.RequestedAddress, writable);
      const va = mmMapLockedPages(k, a.MemoryDescriptorList, a.CacheType, !(a.Priority & MdlMappingNoExecute), writable);
      if (!va && a.BugCheckOnFailure)
        k.bugCheck(NO_MORE_SYSTEM_PTES, 0, mdlPages(k, a.MemoryDescriptorList), 0, 0, 'there are no system PTEs left to map an MDL');
      return va;
    },
  }),
  plain({
    name: 'MmMapLockedPages',
    doc: 'Maps the pages that an MDL describes (obsolete); stops the system when it cannot.',
    irql: { ...DISPATCH, when: a => (a.AccessMode === KernelMode ? undefined : APC) },
    args: { MemoryDescriptorList: PMDL, AccessMode: CCHAR },
    returns: PVOID,
    cycles: perPage(150, 30),
    status: 'full',
    impl(k, a) {
      if (a.AccessMode !== KernelMode) return mapUser(k, a.MemoryDescriptorList, MmCached, 0, true);
      const va = mmMapLockedPages(k, a.MemoryDescriptorList, MmCached, true);
      if (!va) k.bugCheck(NO_MORE_SYSTEM_PTES, 0, mdlPages(k, a.MemoryDescriptorList), 0, 0, 'there are no system PTEs left to map an MDL');
      return va;
    },
  }),
  plain({
    name: 'MmUnmapLockedPages',
    doc: 'Releases a mapping that MmMapLockedPages or MmMapLockedPagesSpecifyCache made.',
    irql: { ...DISPATCH, when: a => (isKernelAddress(a.BaseAddress) ? undefined : APC) },
    args: { BaseAddress: PVOID, MemoryDescriptorList: PMDL },
    returns: VOID,
    cycles: perPage(120, 30),
    status: 'full',
    impl(k, a) {
      if (isKernelAddress(a.BaseAddress)) mmUnmapLockedPages(k, a.BaseAddress, a.MemoryDescriptorList);
      else if (!mmUnmapUserPages(k, a.BaseAddress))
        k.bugCheck(PROCESS_HAS_LOCKED_PAGES, 1, a.MemoryDescriptorList, 0, 0, 'MmUnmapLockedPages was given a user address that no MDL is mapped at');
    },
  }),
  plain({
    name: 'MmProtectMdlSystemAddress',
    doc: 'Sets the protection of the system address range that an MDL is mapped at.',
    irql: DISPATCH,
    args: { MemoryDescriptorList: PMDL, NewProtect: ULONG },
    returns: NTSTATUS,
    cycles: perPage(80, 20),
    status: 'full',
    impl(k, { MemoryDescriptorList: mdl, NewProtect }) {
      // PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE
      if (![1, 2, 4, 0x10, 0x20, 0x40].includes(NewProtect)) return STATUS_INVALID_PAGE_PROTECTION;
      if (!(MDL.f.MdlFlags.get(k.mem, mdl) & MDL_MAPPED_TO_SYSTEM_VA)) return STATUS_NOT_MAPPED_VIEW;
      const write = NewProtect === 4 || NewProtect === 0x40,
        execute = NewProtect >= 0x10;
      const base = pageBase(MDL.f.MappedSystemVa.get(k.mem, mdl));
      // Without any access the pages are not mapped at all; any other protection maps them anew.
      for (let i = 0; i < mdlPages(k, mdl); i++) {
        const va = base + i * PAGE_SIZE;
        if (NewProtect === 1) mmUnmapPage(k, va);
        else if (mmIsAddressValid(k, va))
          mmProtectPage(
            k,
            va,
            (write ? 0n : PTE_WRITE) | (execute ? PTE_NO_EXECUTE : 0n),
            (write ? PTE_WRITE : 0n) | (execute ? 0n : PTE_NO_EXECUTE),
          );
        else mmMapPage(k, va, mdlFrame(k, mdl, i), (write ? PTE_WRITE : 0n) | (execute ? 0n : PTE_NO_EXECUTE));
      }
      return STATUS_SUCCESS;
    },
  }),
  plain({
    name: 'MmAllocatePagesForMdl',
    doc: 'Allocates zero-filled physical pages in a range of addresses, and an MDL for them; possibly fewer than asked.',
    irql: DISPATCH,
    args: allocateArgs,
    returns: PMDL,
    cycles: (_k, a) => 300 + Math.min(a.TotalBytes / PAGE_SIZE, 65536) * 300,
    status: 'full',
    impl: (k, a) => allocatePagesForMdl(k, a, 0),
  }),
  plain({
    name: 'MmAllocatePagesForMdlEx',
    doc: 'Allocates physical pages in a range of addresses as the flags say, and an MDL for them.',
    irql: { ...DISPATCH, when: a => (a.Flags & MM_ALLOCATE_AND_HOT_REMOVE ? { max: 'PASSIVE_LEVEL' } : undefined) },
    args: { ...allocateArgs, CacheType: ULONG, Flags: ULONG },
    returns: PMDL,
    cycles: (_k, a) => 300 + Math.min(a.TotalBytes / PAGE_SIZE, 65536) * 300,
    status: 'full',
    impl: (k, a) => allocatePagesForMdl(k, a, a.Flags),
  }),
  plain({
    name: 'MmFreePagesFromMdl',
    doc: 'Frees the pages of an MDL of MmAllocatePagesForMdl; the MDL is freed by ExFreePool.',
    irql: DISPATCH,
    args: { MemoryDescriptorList: PMDL },
    returns: VOID,
    cycles: perPage(100, 40),
    status: 'full',
    impl: (k, a) => mmFreePagesFromMdl(k, a.MemoryDescriptorList),
  }),
  plain({
    name: 'MmAllocateMappingAddress',
    doc: 'Reserves a range of system addresses, without memory.',
    irql: APC,
    args: { NumberOfBytes: SIZE_T, PoolTag: ULONG },
    returns: PVOID,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      const pages = Math.ceil(Math.min(a.NumberOfBytes, 0x40000000) / PAGE_SIZE);
      const block = pages ? exAllocatePool(k, NonPagedPoolNx, RESERVATION_SIZE, TAG_MAPPING) : 0;
      const va = block ? mmReserveSystemPtes(k, pages) : 0;
      if (!va) {
        if (block) exFreePool(k, block, TAG_MAPPING);
        return 0;
      }
      k.mem.writePtr(block, va);
      k.mem.write32(block + 8, pages);
      k.mem.write32(block + 12, a.PoolTag);
      k.mem.writePtr(block + 16, k.global.get('MmReservedMappings'));
      k.global.set('MmReservedMappings', block);
      return va;
    },
  }),
  plain({
    name: 'MmFreeMappingAddress',
    doc: 'Frees a range of MmAllocateMappingAddress.',
    irql: APC,
    args: { BaseAddress: PVOID, PoolTag: ULONG },
    returns: VOID,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      const r = reservation(k, a.BaseAddress, a.PoolTag);
      for (let i = 0; i < r.pages; i++)
        if (mmIsAddressValid(k, a.BaseAddress + i * PAGE_SIZE))
          k.bugCheck(SYSTEM_PTE_MISUSE, STILL_MAPPED, a.BaseAddress, a.PoolTag, r.pages, 'a reserved mapping address was freed while memory is mapped there');
      k.mem.writePtr(r.link, k.mem.readPtr(r.at + 16));
      exFreePool(k, r.at, TAG_MAPPING);
      unmapSystemPages(k, a.BaseAddress, r.pages);
      mmReleaseSystemPtes(k, a.BaseAddress, r.pages);
    },
  }),
  plain({
    name: 'MmMapLockedPagesWithReservedMapping',
    doc: 'Maps the pages of an MDL at an address of MmAllocateMappingAddress; NULL when the range is too small.',
    irql: DISPATCH,
    args: { MappingAddress: PVOID, PoolTag: ULONG, MemoryDescriptorList: PMDL, CacheType: ULONG },
    returns: PVOID,
    cycles: perPage(150, 30),
    status: 'full',
    impl(k, a) {
      const r = reservation(k, a.MappingAddress, a.PoolTag);
      if (mdlPages(k, a.MemoryDescriptorList) > r.pages || !mapFrames(k, a.MemoryDescriptorList, a.MappingAddress, a.CacheType, true))
        return 0;
      const va = a.MappingAddress + MDL.f.ByteOffset.get(k.mem, a.MemoryDescriptorList);
      markMapped(k, a.MemoryDescriptorList, va);
      return va;
    },
  }),
  plain({
    name: 'MmUnmapReservedMapping',
    doc: 'Unmaps what MmMapLockedPagesWithReservedMapping mapped.',
    irql: DISPATCH,
    args: { BaseAddress: PVOID, PoolTag: ULONG, MemoryDescriptorList: PMDL },
    returns: VOID,
    cycles: perPage(120, 30),
    status: 'full',
    impl(k, a) {
      reservation(k, pageBase(a.BaseAddress), a.PoolTag);
      if (!mmIsAddressValid(k, pageBase(a.BaseAddress)))
        k.bugCheck(SYSTEM_PTE_MISUSE, NOTHING_MAPPED, a.BaseAddress, a.PoolTag, 0, 'a reserved mapping address is unmapped where nothing is mapped');
      unmapSystemPages(k, pageBase(a.BaseAddress), mdlPages(k, a.MemoryDescriptorList));
      markUnmapped(k, a.MemoryDescriptorList);
    },
  }),
  plain({
    name: 'MmAdvanceMdl',
    doc: 'Moves the start of the buffer of an MDL forward; locked pages that fall out are unlocked.',
    irql: DISPATCH,
    args: { Mdl: PMDL, NumberOfBytes: ULONG },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    impl(k, { Mdl: mdl, NumberOfBytes }) {
      const count = MDL.f.ByteCount.get(k.mem, mdl);
      if (NumberOfBytes >= count) return STATUS_INVALID_PARAMETER_2;
      const from = MDL.f.ByteOffset.get(k.mem, mdl) + NumberOfBytes,
        skipped = Math.floor(from / PAGE_SIZE),
        pages = mdlPages(k, mdl);
      const flags = MDL.f.MdlFlags.get(k.mem, mdl);
      for (let i = 0; i < skipped; i++) if (flags & MDL_PAGES_LOCKED) mmFreePage(k, mdlFrame(k, mdl, i));
      // The system addresses of pages that fall out are given back with them.
      if (skipped && flags & MDL_MAPPED_TO_SYSTEM_VA && !(flags & (MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARENT_MAPPED_SYSTEM_VA))) {
        const base = pageBase(MDL.f.MappedSystemVa.get(k.mem, mdl));
        unmapSystemPages(k, base, skipped);
        mmReleaseSystemPtes(k, base, skipped);
      }
      k.mem.copy(mdl + MDL.size, mdl + MDL.size + skipped * 8, (pages - skipped) * 8);
      MDL.f.StartVa.set(k.mem, mdl, MDL.f.StartVa.get(k.mem, mdl) + skipped * PAGE_SIZE);
      MDL.f.ByteOffset.set(k.mem, mdl, from % PAGE_SIZE);
      MDL.f.ByteCount.set(k.mem, mdl, count - NumberOfBytes);
      if (flags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL))
        MDL.f.MappedSystemVa.set(k.mem, mdl, MDL.f.MappedSystemVa.get(k.mem, mdl) + NumberOfBytes);
      return STATUS_SUCCESS;
    },
  }),
];
