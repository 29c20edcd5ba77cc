import { describe, expect, it } from 'vitest';
import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { RaiseSignal } from '../kernel.ts';
import { bugCheckOf, callExport, fakeKernel } from '../testing/fakekernel.ts';
import {
  MDL,
  MDL_MAPPED_TO_SYSTEM_VA,
  MDL_PAGES_LOCKED,
  MDL_PARTIAL,
  MDL_PARTIAL_HAS_BEEN_MAPPED,
  MDL_SOURCE_IS_NONPAGED_POOL,
} from '../types/mm.ts';
import { PAGE_SIZE } from './layout.ts';
import { ioAllocateMdl, ioFreeMdl, mdlFrame, mdlPages, mmSizeOfMdl } from './mdl.ts';
import { mmPageReferences } from './pfn.ts';
import { exAllocatePool } from './pool.ts';

const flags = (k: Kernel, mdl: number): number => MDL.f.MdlFlags.get(k.mem, mdl);
const call = (k: Kernel, name: string, args: object): number => callExport(k, name, args as never) as number;

function lockedMdl(k: Kernel): { mdl: number; buffer: number } {
  const buffer = exAllocatePool(k, 1, 3 * PAGE_SIZE, 0x41) + 0x123;
  const mdl = ioAllocateMdl(k, buffer, 2 * PAGE_SIZE, false, 0);
  call(k, 'MmProbeAndLockPages', { MemoryDescriptorList: mdl, AccessMode: 0, Operation: 1 });
  return { mdl, buffer };
}

describe('memory descriptor lists', () => {
  it('has the size of its pages', () => {
    expect([mmSizeOfMdl(0x1000, 0x1000), mmSizeOfMdl(0x1fff, 2), mmSizeOfMdl(0x1000, 0)]).toEqual([0x38, 0x40, 0x30]);
  });

  it('describes nonpaged pool by its frames', () => {
    const { k } = fakeKernel();
    const buffer = exAllocatePool(k, 512, 2 * PAGE_SIZE, 0x41) + 0x10;
    const mdl = ioAllocateMdl(k, buffer, 0x1800, false, 0);
    call(k, 'MmBuildMdlForNonPagedPool', { MemoryDescriptorList: mdl });
    expect(flags(k, mdl)).toBe(MDL_SOURCE_IS_NONPAGED_POOL);
    expect(MDL.f.MappedSystemVa.get(k.mem, mdl)).toBe(buffer);
    expect([0, 1].map(i => mdlFrame(k, mdl, i) * PAGE_SIZE)).toEqual([
      k.mem.translate(buffer - 0x10),
      k.mem.translate(buffer - 0x10 + PAGE_SIZE),
    ]);
  });

  it('locks, maps, unmaps and unlocks', () => {
    const { k } = fakeKernel();
    const { mdl, buffer } = lockedMdl(k);
    expect([mdlPages(k, mdl), flags(k, mdl) & MDL_PAGES_LOCKED]).toEqual([3, MDL_PAGES_LOCKED]);
    expect(mmPageReferences(k, mdlFrame(k, mdl, 0))).toBe(2);
    const va = call(k, 'MmMapLockedPagesSpecifyCache', {
      MemoryDescriptorList: mdl,
      AccessMode: 0,
      CacheType: 1,
      RequestedAddress: 0,
      BugCheckOnFailure: 0,
      Priority: 16,
    });
    expect(va % PAGE_SIZE).toBe(buffer % PAGE_SIZE);
    k.mem.write32(va + 0x1000, 0xfeedbeef);
    expect(k.mem.read32(buffer + 0x1000)).toBe(0xfeedbeef);
    expect([flags(k, mdl) & MDL_MAPPED_TO_SYSTEM_VA, MDL.f.MappedSystemVa.get(k.mem, mdl)]).toEqual([
      MDL_MAPPED_TO_SYSTEM_VA,
      va,
    ]);
    call(k, 'MmUnlockPages', { MemoryDescriptorList: mdl });
    expect([
      flags(k, mdl),
      k.mem.translate(va),
      mmPageReferences(k, mdlFrame(k, mdl, 0)),
      k.global.get('MmSystemPtesInUse'),
    ]).toEqual([0, -1, 1, 0]);
  });

  it('refuses memory that is not there, and locks none of it', () => {
    const { k } = fakeKernel();
    const buffer = exAllocatePool(k, 1, 2 * PAGE_SIZE, 0x41);
    const mdl = ioAllocateMdl(k, buffer, 8 * PAGE_SIZE, false, 0);
    expect(() => call(k, 'MmProbeAndLockPages', { MemoryDescriptorList: mdl, AccessMode: 0, Operation: 0 })).toThrow(GuestFault);
    expect(flags(k, mdl)).toBe(0);
    expect(mmPageReferences(k, k.mem.translate(buffer) / PAGE_SIZE)).toBe(1);
    // A kernel address on behalf of user mode.
    const other = ioAllocateMdl(k, buffer, 16, false, 0);
    expect(() => call(k, 'MmProbeAndLockPages', { MemoryDescriptorList: other, AccessMode: 1, Operation: 0 })).toThrow(
      RaiseSignal,
    );
  });

  it('stops when pages are unlocked that are not locked', () => {
    const { k } = fakeKernel();
    const mdl = ioAllocateMdl(k, exAllocatePool(k, 512, 64, 0x41), 64, false, 0);
    expect(bugCheckOf(() => call(k, 'MmUnlockPages', { MemoryDescriptorList: mdl }))?.code).toBe(0x76);
  });

  it('builds a partial MDL and undoes its mapping when it is freed', () => {
    const { k } = fakeKernel();
    const { mdl, buffer } = lockedMdl(k);
    const part = ioAllocateMdl(k, buffer + 0x1000, 0x100, false, 0);
    call(k, 'IoBuildPartialMdl', { SourceMdl: mdl, TargetMdl: part, VirtualAddress: buffer + 0x1000, Length: 0x100 });
    expect([flags(k, part), mdlFrame(k, part, 0)]).toEqual([MDL_PARTIAL, mdlFrame(k, mdl, 1)]);
    const va = call(k, 'MmMapLockedPagesSpecifyCache', {
      MemoryDescriptorList: part,
      AccessMode: 0,
      CacheType: 1,
      RequestedAddress: 0,
      BugCheckOnFailure: 0,
      Priority: 16,
    });
    expect(flags(k, part) & MDL_PARTIAL_HAS_BEEN_MAPPED).not.toBe(0);
    k.mem.write8(va, 0x5a);
    expect(k.mem.read8(buffer + 0x1000)).toBe(0x5a);
    ioFreeMdl(k, part);
    expect(k.mem.translate(va)).toBe(-1);
  });

  it('stops when a partial MDL has no room', () => {
    const { k } = fakeKernel();
    const { mdl, buffer } = lockedMdl(k);
    const part = ioAllocateMdl(k, buffer, 16, false, 0);
    expect(
      bugCheckOf(() =>
        call(k, 'IoBuildPartialMdl', { SourceMdl: mdl, TargetMdl: part, VirtualAddress: buffer, Length: 2 * PAGE_SIZE }),
      )?.code,
    ).toBe(0x40);
  });

  it('allocates pages in a range of addresses', () => {
    const { k } = fakeKernel();
    const free = k.global.get('MmAvailablePages');
    const mdl = call(k, 'MmAllocatePagesForMdl', {
      LowAddress: 0x800000n,
      HighAddress: 0x900000n,
      SkipBytes: 0n,
      TotalBytes: 5 * PAGE_SIZE,
    });
    const frames = Array.from({ length: mdlPages(k, mdl) }, (_, i) => mdlFrame(k, mdl, i));
    expect(frames.length).toBe(5);
    expect(frames.every(f => f >= 0x800 && f <= 0x900)).toBe(true);
    expect(new Set(frames).size).toBe(5);
    call(k, 'MmFreePagesFromMdl', { MemoryDescriptorList: mdl });
    expect(k.global.get('MmAvailablePages')).toBe(free);
  });

  it('allocates contiguous memory below an address and within a boundary', () => {
    const { k } = fakeKernel();
    const free = k.global.get('MmAvailablePages');
    const va = call(k, 'MmAllocateContiguousMemorySpecifyCache', {
      NumberOfBytes: 0x6000,
      LowestAcceptableAddress: 0n,
      HighestAcceptableAddress: 0xffffffn,
      BoundaryAddressMultiple: 0x10000n,
      CacheType: 1,
    });
    const pa = k.mem.translate(va);
    expect(pa + 0x6000 <= 0x1000000 && Math.floor(pa / 0x10000) === Math.floor((pa + 0x5fff) / 0x10000)).toBe(true);
    expect(k.mem.translate(va + 0x5000)).toBe(pa + 0x5000);
    call(k, 'MmFreeContiguousMemory', { BaseAddress: va });
    expect([k.mem.translate(va), free - k.global.get('MmAvailablePages') <= 3]).toEqual([-1, true]);
    expect(bugCheckOf(() => call(k, 'MmFreeContiguousMemory', { BaseAddress: va }))?.parameters[0]).toBe(0x60n);
    expect(call(k, 'MmAllocateContiguousMemory', { NumberOfBytes: 0x100000000, HighestAcceptableAddress: -1n })).toBe(0);
  });

  it('maps registers', () => {
    const { k } = fakeKernel();
    const va = call(k, 'MmMapIoSpace', { PhysicalAddress: 0xfebf0123n, NumberOfBytes: 0x2000, CacheType: 0 });
    expect(call(k, 'MmGetPhysicalAddress', { BaseAddress: va + 0x1000 })).toBe(0xfebf1123);
    call(k, 'MmUnmapIoSpace', { BaseAddress: va, NumberOfBytes: 0x2000 });
    expect([call(k, 'MmIsAddressValid', { VirtualAddress: va }), k.global.get('MmSystemPtesInUse')]).toEqual([false, 0]);
    expect(bugCheckOf(() => call(k, 'MmUnmapIoSpace', { BaseAddress: va, NumberOfBytes: 0x2000 }))?.code).toBe(0xda);
  });
});
