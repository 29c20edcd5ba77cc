/** Memory manager routines. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { mmAllocateContiguous, mmAllocateNonCached, mmFreeContiguous } from '../mm/contiguous.ts';
import { mmMapIoSpace, mmUnmapIoSpace } from '../mm/iospace.ts';
import { PAGE_SIZE, pageOffset, PTE_NO_EXECUTE, PTE_WRITE, isKernelAddress } from '../mm/layout.ts';
import { mmIsPageable } from '../mm/paging.ts';
import { mmGetPhysicalAddress, mmIsAddressValid } from '../mm/pte.ts';
import { resolveExport } from '../ldr/bind.ts';
import { verifiedAddress } from '../verifier/thunks.ts';
import { readUnicodeString } from '../rtl/string.ts';
import { MmCached } from '../types/mm.ts';
import { STATUS_INVALID_PARAMETER, STATUS_SUCCESS, STATUS_INVALID_ADDRESS } from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, PHYSICAL_ADDRESS, pointer, PVOID, SIZE_T, ULONG, VOID } from './declare.ts';
import { mdlExports } from './mdl.ts';
import { pageableExports } from './mmpageable.ts';
import { physicalExports } from './mmphysical.ts';
import { viewExports } from './mmviews.ts';
import { virtualMemoryExports } from './virtualmemory.ts';

const DISPATCH = { max: 'DISPATCH_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const,
  PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const PUNICODE_STRING = pointer('PUNICODE_STRING');

/** Win32 page protection -> PTE bits, or null when it is not one that the routine takes. */
export function protection(protect: number): { bits: bigint; cache: number } | null {
  // PAGE_NOCACHE, PAGE_WRITECOMBINE: one of them at most.
  if ((protect & 0x600) === 0x600) return null;
  const cache = protect & 0x200 ? 0 : protect & 0x400 ? 2 : MmCached;
  switch (protect & 0xff) {
    case 0x02:
      return { bits: PTE_NO_EXECUTE, cache };
    case 0x04:
      return { bits: PTE_WRITE | PTE_NO_EXECUTE, cache };
    case 0x10:
    case 0x20:
      return { bits: 0n, cache };
    case 0x40:
      return { bits: PTE_WRITE, cache };
    default:
      return null;
  }
}

const address = (value: bigint): number => Number(BigInt.asUintN(52, value));
const pages = (bytes: number): number => Math.min(Math.ceil(bytes / PAGE_SIZE), 0x10000);
const mapCost = (_k: Kernel, a: { readonly NumberOfBytes: number }): number => 300 + pages(a.NumberOfBytes) * 30;
const allocateCost = (_k: Kernel, a: { readonly NumberOfBytes: number }): number => 500 + pages(a.NumberOfBytes) * 300;

/** Imports that MmGetSystemRoutineAddress looks for: in the kernel, then in the HAL. */
function systemRoutine(k: Kernel, name: string): number {
  const address = resolveExport(k, 'ntoskrnl.exe', name) ?? resolveExport(k, 'hal.dll', name) ?? 0;
  return k.config.verifier ? verifiedAddress(k, address) : address;
}

/** There is node 0; MM_ANY_NODE_OK takes any. */
const isNode = (node: number): boolean => node === 0 || node === 0x80000000;

/** MmCopyMemory: Flags. */
const MM_COPY_MEMORY_PHYSICAL = 1,
  MM_COPY_MEMORY_VIRTUAL = 2;

export const exports: NtExport[] = [
  ...mdlExports,
  ...pageableExports,
  ...physicalExports,
  ...viewExports,
  ...virtualMemoryExports,
  ntExport({
    name: 'MmMapIoSpace',
    doc: 'Maps a range of physical addresses into system space.',
    irql: DISPATCH,
    args: { PhysicalAddress: PHYSICAL_ADDRESS, NumberOfBytes: SIZE_T, CacheType: ULONG },
    returns: PVOID,
    cycles: mapCost,
    status: 'full',
    impl: (k, a) =>
      a.NumberOfBytes && a.NumberOfBytes <= 0x20000000
        ? mmMapIoSpace(k, address(a.PhysicalAddress), a.NumberOfBytes, a.CacheType, PTE_WRITE)
        : 0,
  }),
  ntExport({
    name: 'MmMapIoSpaceEx',
    doc: 'Maps a range of physical addresses into system space with the given page protection.',
    irql: DISPATCH,
    args: { PhysicalAddress: PHYSICAL_ADDRESS, NumberOfBytes: SIZE_T, Protect: ULONG },
    returns: PVOID,
    cycles: mapCost,
    status: 'full',
    impl(k, a) {
      const p = protection(a.Protect);
      return p && a.NumberOfBytes && a.NumberOfBytes <= 0x20000000
        ? mmMapIoSpace(k, address(a.PhysicalAddress), a.NumberOfBytes, p.cache, p.bits)
        : 0;
    },
  }),
  ntExport({
    name: 'MmUnmapIoSpace',
    doc: 'Unmaps a range that MmMapIoSpace mapped.',
    irql: DISPATCH,
    args: { BaseAddress: PVOID, NumberOfBytes: SIZE_T },
    returns: VOID,
    cycles: mapCost,
    status: 'full',
    impl: (k, a) => mmUnmapIoSpace(k, a.BaseAddress, a.NumberOfBytes),
  }),
  ntExport({
    name: 'MmGetPhysicalAddress',
    doc: 'Returns the physical address of a virtual address, 0 when there is none.',
    args: { BaseAddress: PVOID },
    returns: PHYSICAL_ADDRESS,
    cycles: 30,
    status: 'full',
    impl: (k, a) => mmGetPhysicalAddress(k, a.BaseAddress),
  }),
  ntExport({
    name: 'MmIsAddressValid',
    doc: 'Tells whether an access to an address would cause a page fault.',
    irql: DISPATCH,
    args: { VirtualAddress: PVOID },
    returns: BOOLEAN,
    cycles: 25,
    status: 'full',
    impl: (k, a) => mmIsAddressValid(k, a.VirtualAddress),
  }),
  ntExport({
    name: 'MmIsNonPagedSystemAddressValid',
    doc: 'Tells whether an address is in nonpaged system memory (obsolete).',
    irql: DISPATCH,
    args: { VirtualAddress: PVOID },
    returns: BOOLEAN,
    cycles: 30,
    status: 'full',
    impl: (k, a) => isKernelAddress(a.VirtualAddress) && mmIsAddressValid(k, a.VirtualAddress) && !mmIsPageable(k, a.VirtualAddress),
  }),
  ntExport({
    name: 'MmGetSystemRoutineAddress',
    doc: 'Returns the address of a routine that ntoskrnl.exe or hal.dll exports, NULL when neither does.',
    irql: PASSIVE,
    args: { SystemRoutineName: PUNICODE_STRING },
    returns: PVOID,
    cycles: 1500,
    status: 'full',
    impl: (k, a) => systemRoutine(k, readUnicodeString(k.mem, a.SystemRoutineName)),
  }),
  ntExport({
    name: 'MmAllocateContiguousMemory',
    doc: 'Allocates physically contiguous nonpaged memory below an address.',
    irql: DISPATCH,
    args: { NumberOfBytes: SIZE_T, HighestAcceptableAddress: PHYSICAL_ADDRESS },
    returns: PVOID,
    cycles: allocateCost,
    status: 'full',
    impl: (k, a) => mmAllocateContiguous(k, a.NumberOfBytes, 0, address(a.HighestAcceptableAddress), 0),
  }),
  ntExport({
    name: 'MmAllocateContiguousMemorySpecifyCache',
    doc: 'Allocates physically contiguous nonpaged memory in a range of addresses, with the given caching.',
    irql: DISPATCH,
    args: {
      NumberOfBytes: SIZE_T,
      LowestAcceptableAddress: PHYSICAL_ADDRESS,
      HighestAcceptableAddress: PHYSICAL_ADDRESS,
      BoundaryAddressMultiple: PHYSICAL_ADDRESS,
      CacheType: ULONG,
    },
    returns: PVOID,
    cycles: allocateCost,
    status: 'full',
    impl: (k, a) =>
      mmAllocateContiguous(
        k,
        a.NumberOfBytes,
        address(a.LowestAcceptableAddress),
        address(a.HighestAcceptableAddress),
        address(a.BoundaryAddressMultiple),
        a.CacheType,
      ),
  }),
  ntExport({
    name: 'MmAllocateContiguousMemorySpecifyCacheNode',
    doc: 'Allocates physically contiguous nonpaged memory in a range of addresses, with the given caching, on a node.',
    irql: DISPATCH,
    args: {
      NumberOfBytes: SIZE_T,
      LowestAcceptableAddress: PHYSICAL_ADDRESS,
      HighestAcceptableAddress: PHYSICAL_ADDRESS,
      BoundaryAddressMultiple: PHYSICAL_ADDRESS,
      CacheType: ULONG,
      PreferredNode: ULONG,
    },
    returns: PVOID,
    cycles: allocateCost,
    status: 'full',
    impl: (k, a) =>
      isNode(a.PreferredNode)
        ? mmAllocateContiguous(
            k,
            a.NumberOfBytes,
            address(a.LowestAcceptableAddress),
            address(a.HighestAcceptableAddress),
            address(a.BoundaryAddressMultiple),
            a.CacheType,
          )
        : 0,
  }),
  ntExport({
    name: 'MmAllocateContiguousNodeMemory',
    doc: 'Allocates physically contiguous nonpaged memory in a range of addresses, with the given protection, on a node.',
    irql: DISPATCH,
    args: {
      NumberOfBytes: SIZE_T,
      LowestAcceptableAddress: PHYSICAL_ADDRESS,
      HighestAcceptableAddress: PHYSICAL_ADDRESS,
      BoundaryAddressMultiple: PHYSICAL_ADDRESS,
      Protect: ULONG,
      PreferredNode: ULONG,
    },
    returns: PVOID,
    cycles: allocateCost,
    status: 'full',
    impl(k, a) {
      const p = protection(a.Protect);
      return p && (p.bits & PTE_WRITE) !== 0n && isNode(a.PreferredNode)
        ? mmAllocateContiguous(
            k,
            a.NumberOfBytes,
            address(a.LowestAcceptableAddress),
            address(a.HighestAcceptableAddress),
            address(a.BoundaryAddressMultiple),
            p.cache,
            p.bits,
          )
        : 0;
    },
  }),
  ntExport({
    name: 'MmFreeContiguousMemory',
    doc: 'Frees physically contiguous memory.',
    irql: DISPATCH,
    args: { BaseAddress: PVOID },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl: (k, a) => mmFreeContiguous(k, a.BaseAddress),
  }),
  ntExport({
    name: 'MmFreeContiguousMemorySpecifyCache',
    doc: 'Frees memory of MmAllocateContiguousMemorySpecifyCache.',
    irql: DISPATCH,
    args: { BaseAddress: PVOID, NumberOfBytes: SIZE_T, CacheType: ULONG },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl: (k, a) => mmFreeContiguous(k, a.BaseAddress),
  }),
  ntExport({
    name: 'MmAllocateNonCachedMemory',
    doc: 'Allocates memory that is not cached.',
    irql: APC,
    args: { NumberOfBytes: SIZE_T },
    returns: PVOID,
    cycles: allocateCost,
    status: 'full',
    impl: (k, a) => mmAllocateNonCached(k, a.NumberOfBytes),
  }),
  ntExport({
    name: 'MmFreeNonCachedMemory',
    doc: 'Frees memory of MmAllocateNonCachedMemory.',
    irql: APC,
    args: { BaseAddress: PVOID, NumberOfBytes: SIZE_T },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl: (k, a) => mmFreeContiguous(k, a.BaseAddress),
  }),
  ntExport({
    name: 'MmCopyMemory',
    doc: 'Copies from a virtual or physical address into a buffer in nonpaged memory, without faults.',
    irql: APC,
    args: {
      TargetAddress: PVOID,
      SourceAddress: PHYSICAL_ADDRESS,
      NumberOfBytes: SIZE_T,
      Flags: ULONG,
      NumberOfBytesTransferred: pointer('PSIZE_T'),
    },
    returns: NTSTATUS,
    cycles: (_k, a) => 100 + Math.min(a.NumberOfBytes, 0x100000) / 8,
    status: 'full',
    impl(k, a) {
      if (a.Flags !== MM_COPY_MEMORY_PHYSICAL && a.Flags !== MM_COPY_MEMORY_VIRTUAL) return STATUS_INVALID_PARAMETER;
      k.mem.probe(a.NumberOfBytesTransferred, 8, true);
      let done = 0;
      while (done < a.NumberOfBytes) {
        const source = Number(a.SourceAddress) + done;
        const pa = a.Flags === MM_COPY_MEMORY_PHYSICAL ? source : mmIsAddressValid(k, source) ? k.mem.translate(source) : -1;
        const chunk = Math.min(a.NumberOfBytes - done, PAGE_SIZE - (pageOffset(source)));
        if (pa < 0 || pa + chunk > k.platform.memory.size) break;
        k.mem.writeBytes(a.TargetAddress + done, k.platform.memory.readBytes(pa, chunk));
        done += chunk;
      }
      k.mem.write64(a.NumberOfBytesTransferred, BigInt(done));
      return done === a.NumberOfBytes ? STATUS_SUCCESS : STATUS_INVALID_ADDRESS;
    },
  }),
  ntExport({
    name: 'MmQuerySystemSize',
    doc: 'Returns an estimate of how much memory the system has: small, medium or large.',
    args: {},
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: k =>
      k.global.get('MmNumberOfPhysicalPages') * PAGE_SIZE >= 0x20000000
        ? 2
        : k.global.get('MmNumberOfPhysicalPages') * PAGE_SIZE >= 0x8000000
          ? 1
          : 0,
  }),
  ntExport({
    name: 'MmIsThisAnNtAsSystem',
    doc: 'Tells whether this is a server.',
    args: {},
    returns: BOOLEAN,
    cycles: 8,
    status: 'full',
    impl: () => false,
  }),
  ntExport({
    name: 'MmIsDriverVerifying',
    doc: 'Tells whether Driver Verifier is active for a driver.',
    irql: APC,
    args: { DriverObject: pointer('PDRIVER_OBJECT') },
    returns: ULONG,
    cycles: 8,
    status: 'full',
    impl: k => k.config.verifier,
  }),
  ntExport({
    name: 'MmIsDriverVerifyingByAddress',
    doc: 'Tells whether Driver Verifier is active for the driver at an address.',
    irql: APC,
    args: { AddressWithinSection: PVOID },
    returns: ULONG,
    cycles: 8,
    status: 'full',
    impl: k => k.config.verifier,
  }),
];
