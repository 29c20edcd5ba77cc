/** Physical memory: what there is, what is taken away and added, where it is mapped. Source: their WDK pages and ntddk.h. */
import type { Kernel } from '../kernel.ts';
import {
  mmAddPhysicalMemory,
  mmGetVirtualForPhysical,
  mmMarkPhysicalMemoryAsBad,
  mmMarkPhysicalMemoryAsGood,
  mmPhysicalRanges,
  mmRemovePhysicalMemory,
} from '../mm/physical.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { NonPagedPool, PHYSICAL_MEMORY_RANGE } from '../types/mm.ts';
import { STATUS_NOT_SUPPORTED } from '../types/status.ts';
import { type IrqlRule, type NtExport, ntExport, NTSTATUS, PHYSICAL_ADDRESS, pointer, PVOID, ULONG } from './declare.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const address = (value: bigint): number => Number(BigInt.asUintN(52, value));

const rangeArgs = { StartAddress: pointer('PPHYSICAL_ADDRESS'), NumberOfBytes: pointer('PLARGE_INTEGER') } as const;

/** A routine over a range of RAM, whose start and length are given by pointers. */
const rangeRoutine = (name: string, doc: string, work: (k: Kernel, start: bigint, bytes: bigint) => number, irql: IrqlRule = PASSIVE): NtExport =>
  ntExport({
    name,
    doc,
    irql,
    args: rangeArgs,
    returns: NTSTATUS,
    cycles: 3000,
    status: 'full',
    impl: (k, a) => work(k, k.mem.read64(a.StartAddress), k.mem.read64(a.NumberOfBytes)),
  });
/** The same with flags, of which none is known. */
const rangeRoutineEx = (name: string, doc: string, work: (k: Kernel, start: bigint, bytes: bigint) => number): NtExport =>
  ntExport({
    name,
    doc,
    irql: PASSIVE,
    args: { ...rangeArgs, Flags: ULONG },
    returns: NTSTATUS,
    cycles: 3000,
    status: 'full',
    impl: (k, a) => (a.Flags ? STATUS_NOT_SUPPORTED : work(k, k.mem.read64(a.StartAddress), k.mem.read64(a.NumberOfBytes))),
  });

const TAG_RANGES = 0x6d50684d; // 'MhPm'

export const physicalExports: NtExport[] = [
  rangeRoutine('MmAddPhysicalMemory', 'Adds a range of RAM that was removed to the system.', mmAddPhysicalMemory, { max: 'APC_LEVEL' }),
  rangeRoutineEx('MmAddPhysicalMemoryEx', 'Adds a range of RAM that was removed to the system.', mmAddPhysicalMemory),
  rangeRoutine('MmRemovePhysicalMemory', 'Removes a range of RAM that nobody uses from the system.', mmRemovePhysicalMemory),
  rangeRoutineEx('MmRemovePhysicalMemoryEx', 'Removes a range of RAM that nobody uses from the system.', mmRemovePhysicalMemory),
  rangeRoutine('MmMarkPhysicalMemoryAsBad', 'Takes a range of free RAM out of use.', mmMarkPhysicalMemoryAsBad),
  rangeRoutine('MmMarkPhysicalMemoryAsGood', 'Uses a range of RAM again that was marked as bad.', mmMarkPhysicalMemoryAsGood),
  ntExport({
    name: 'MmCreateMirror',
    doc: 'Makes a mirror of physical memory, on platforms whose HAL supports mirroring.',
    irql: PASSIVE,
    args: {},
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    // HalPrivateDispatchTable has no mirror routines on a PC: the documented answer.
    impl: () => STATUS_NOT_SUPPORTED,
  }),
  ntExport({
    name: 'MmGetPhysicalMemoryRanges',
    doc: 'Returns the ranges of RAM, in pool that the caller frees; an entry of zeros ends the array.',
    irql: PASSIVE,
    args: {},
    returns: pointer('PPHYSICAL_MEMORY_RANGE'),
    cycles: 3000,
    status: 'full',
    impl(k) {
      const ranges = mmPhysicalRanges(k);
      const at = exAllocatePool(k, NonPagedPool, PHYSICAL_MEMORY_RANGE.size * (ranges.length + 1), TAG_RANGES);
      if (!at) return 0;
      k.mem.fill(at, PHYSICAL_MEMORY_RANGE.size * (ranges.length + 1), 0);
      ranges.forEach((r, i) => {
        PHYSICAL_MEMORY_RANGE.f.BaseAddress.set(k.mem, at + i * PHYSICAL_MEMORY_RANGE.size, BigInt(r.start));
        PHYSICAL_MEMORY_RANGE.f.NumberOfBytes.set(k.mem, at + i * PHYSICAL_MEMORY_RANGE.size, BigInt(r.bytes));
      });
      return at;
    },
  }),
  ntExport({
    name: 'MmGetVirtualForPhysical',
    doc: 'Returns a system address of a physical address, NULL when the kernel has it mapped nowhere.',
    args: { PhysicalAddress: PHYSICAL_ADDRESS },
    returns: PVOID,
    cycles: 100,
    status: 'full',
    impl: (k, a) => mmGetVirtualForPhysical(k, address(a.PhysicalAddress)),
  }),
];
