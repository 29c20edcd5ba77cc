/** MDLs, mappings and DMA ("DMA Verification" of Driver Verifier). Source: WDK, "Bug Check 0xC4" (0x70 to 0xB8) and "Bug Check 0xE6". */
import type { Kernel } from '../kernel.ts';
import { isKernelAddress, PAGED_POOL_BASE, PAGED_POOL_END } from '../mm/layout.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION as C4, DRIVER_VERIFIER_DMA_VIOLATION as E6 } from '../types/bugcodes.ts';
import {
  MDL,
  MDL_MAPPED_TO_SYSTEM_VA,
  MDL_PAGES_LOCKED,
  MDL_PARENT_MAPPED_SYSTEM_VA,
  MDL_PARTIAL,
  MDL_PARTIAL_HAS_BEEN_MAPPED,
  MDL_SOURCE_IS_NONPAGED_POOL,
} from '../types/mm.ts';
import { VF_RECORD } from './globals.ts';
import type { HookArgs, Hooks } from './hook.ts';
import {
  ADAPTER,
  all,
  calledByDriver,
  COMMON_BUFFER,
  CONTIGUOUS,
  find,
  forget,
  FREED,
  IO_MAPPING,
  keep,
  MAP_REGISTERS,
  MDL_LOCKED,
  MDL_MAPPED,
  note,
  remember,
  remove,
  SCATTER_LIST,
  TRANSFER,
  UNLOCKED,
  UNMAPPED,
} from './state.ts';

const R = VF_RECORD.f;
const M = MDL.f;
const flagsOf = (k: Kernel, mdl: number): number => k.mem.read16(mdl + M.MdlFlags.offset);
const mdlOf = (a: HookArgs): number => a['MemoryDescriptorList'] ?? a['Mdl'] ?? 0;
const inPagedPool = (va: number): boolean => va >= PAGED_POOL_BASE && va < PAGED_POOL_END;

export const memoryHooks: Hooks = {
  MmProbeAndLockPages: {
    before(k, a) {
      const mdl = mdlOf(a);
      if (!calledByDriver(k)) return;
      const wrong = flagsOf(k, mdl) & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL | MDL_MAPPED_TO_SYSTEM_VA);
      if (wrong)
        k.bugCheck(
          C4,
          0xb0,
          mdl,
          flagsOf(k, mdl),
          wrong,
          wrong & MDL_PAGES_LOCKED
            ? 'MmProbeAndLockPages was given an MDL whose pages are locked already'
            : 'MmProbeAndLockPages was given an MDL that describes memory which needs no locking',
        );
    },
    after(k, a) {
      if (calledByDriver(k)) remember(k, MDL_LOCKED, mdlOf(a));
    },
  },
  MmUnlockPages: {
    before(k, a) {
      const mdl = mdlOf(a);
      if (!calledByDriver(k)) return;
      const flags = flagsOf(k, mdl);
      if (flags & MDL_PARTIAL)
        k.bugCheck(
          C4,
          0xb4,
          mdl,
          flags,
          flags & MDL_PARTIAL,
          'MmUnlockPages was given a partial MDL: the one it was built from is to be unlocked',
        );
      if (flags & MDL_SOURCE_IS_NONPAGED_POOL)
        k.bugCheck(C4, 0x7d, mdl, flags, 0, 'MmUnlockPages was given an MDL over nonpaged pool, which is never unlocked');
      if (!(flags & MDL_PAGES_LOCKED))
        k.bugCheck(C4, 0x7c, mdl, flags, 0, 'MmUnlockPages was given an MDL whose pages are not locked');
      forget(k, MDL_LOCKED, mdl);
      note(k, UNLOCKED, mdl, { frames: 8 });
    },
  },
  MmMapLockedPagesSpecifyCache: {
    before(k, a) {
      const mdl = mdlOf(a);
      if (!calledByDriver(k)) return;
      const flags = flagsOf(k, mdl);
      if (!(flags & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL)))
        k.bugCheck(
          C4,
          0xb3,
          mdl,
          flags,
          MDL_PAGES_LOCKED,
          'MmMapLockedPagesSpecifyCache was given an MDL whose pages are not locked',
        );
      if (flags & MDL_MAPPED_TO_SYSTEM_VA && !(flags & MDL_PARENT_MAPPED_SYSTEM_VA) && a['AccessMode'] === 0)
        k.bugCheck(
          C4,
          0xb2,
          mdl,
          flags,
          MDL_MAPPED_TO_SYSTEM_VA,
          'MmMapLockedPagesSpecifyCache was given an MDL that is mapped already',
        );
      if (a['BugCheckOnFailure'] && a['AccessMode'] === 0)
        k.bugCheck(
          C4,
          0x82,
          mdl,
          flags,
          0,
          'MmMapLockedPagesSpecifyCache was called with BugCheckOnFailure: a driver has to live with a failure',
        );
    },
    after(k, a, value) {
      if (value && calledByDriver(k)) remember(k, MDL_MAPPED, mdlOf(a), { data: value as number });
    },
  },
  MmMapLockedPages: {
    before(k, a) {
      if (calledByDriver(k) && a['AccessMode'] === 0)
        k.bugCheck(
          C4,
          0x81,
          mdlOf(a),
          flagsOf(k, mdlOf(a)),
          0,
          'MmMapLockedPages stops the machine when it fails: MmMapLockedPagesSpecifyCache does not have to',
        );
    },
  },
  MmUnmapLockedPages: {
    before(k, a) {
      if (!calledByDriver(k)) return;
      forget(k, MDL_MAPPED, mdlOf(a));
      note(k, UNMAPPED, mdlOf(a), { frames: 8, data: a['BaseAddress']! });
    },
  },
  MmBuildMdlForNonPagedPool: {
    before(k, a) {
      const start = M.StartVa.get(k.mem, mdlOf(a));
      if (calledByDriver(k) && inPagedPool(start))
        k.bugCheck(
          C4,
          0x7f,
          k.irql,
          mdlOf(a),
          flagsOf(k, mdlOf(a)),
          'MmBuildMdlForNonPagedPool was given an MDL over paged pool',
        );
      if (calledByDriver(k) && !isKernelAddress(start))
        k.bugCheck(
          C4,
          0x140,
          k.irql,
          mdlOf(a),
          start,
          'MmBuildMdlForNonPagedPool was given an MDL over user memory, which is pageable',
        );
    },
  },
  IoFreeMdl: {
    before(k, a) {
      const mdl = mdlOf(a);
      if (!calledByDriver(k) || k.mem.translate(mdl) < 0) return;
      const flags = flagsOf(k, mdl);
      if (flags & MDL_PAGES_LOCKED && !(flags & MDL_PARTIAL) && find(k, MDL_LOCKED, mdl))
        k.bugCheck(C4, 0xb8, mdl, flags, 0, 'IoFreeMdl was given an MDL whose pages are still locked: MmUnlockPages comes first');
      if (
        flags & MDL_MAPPED_TO_SYSTEM_VA &&
        !(flags & (MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARENT_MAPPED_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED))
      )
        k.bugCheck(C4, 0xb8, mdl, flags, 0, 'IoFreeMdl was given an MDL that is still mapped: MmUnmapLockedPages comes first');
      forget(k, MDL_LOCKED, mdl);
      forget(k, MDL_MAPPED, mdl);
    },
  },
  MmMapIoSpace: mapping('NumberOfBytes'),
  MmMapIoSpaceEx: mapping('NumberOfBytes'),
  MmUnmapIoSpace: { before: (k, a) => void (calledByDriver(k) && forget(k, IO_MAPPING, a['BaseAddress']!)) },
  MmAllocateContiguousMemory: contiguous(),
  MmAllocateContiguousMemorySpecifyCache: contiguous(),
  MmAllocateContiguousMemorySpecifyCacheNode: contiguous(),
  MmAllocateContiguousNodeMemory: contiguous(),
  MmFreeContiguousMemory: { before: (k, a) => contiguousFreed(k, a['BaseAddress']!) },
  MmFreeContiguousMemorySpecifyCache: { before: (k, a) => contiguousFreed(k, a['BaseAddress']!) },
};

function mapping(bytes: string): { after(k: Kernel, a: HookArgs, value: unknown): void } {
  return {
    after(k, a, value) {
      if (value && calledByDriver(k)) remember(k, IO_MAPPING, value as number, { size: a[bytes] ?? 0 });
    },
  };
}
function contiguous(): { after(k: Kernel, a: HookArgs, value: unknown): void } {
  return {
    after(k, a, value) {
      if (value && calledByDriver(k)) remember(k, CONTIGUOUS, value as number, { size: a['NumberOfBytes'] ?? 0 });
    },
  };
}
function contiguousFreed(k: Kernel, va: number): void {
  const record = find(k, CONTIGUOUS, va);
  if (!record) return;
  keep(k, record);
  remove(k, record);
  note(k, FREED, va);
}

/** How many of a kind an adapter has out. */
function outstanding(k: Kernel, kind: number, adapter: number): number {
  let n = 0;
  for (const record of all(k, kind)) if (R.Data.get(k.mem, record) === adapter) n++;
  return n;
}

/** Bytes that an MDL and those chained to it describe. */
function chainBytes(k: Kernel, mdl: number): number {
  let bytes = 0;
  for (let at = mdl; at !== 0; at = M.Next.get(k.mem, at)) bytes += M.ByteCount.get(k.mem, at);
  return bytes;
}

/** The adapter of a DMA call must live. */
function adapterLives(k: Kernel, a: HookArgs): boolean {
  const adapter = a['DmaAdapter']!;
  if (!calledByDriver(k)) return false;
  if (adapter === 0) k.bugCheck(E6, 0x19, 0, 0, 0, 'a DMA routine was given NULL as the adapter');
  if (!find(k, ADAPTER, adapter) && k.global.get('VfDropped') === 0)
    k.bugCheck(E6, 0x18, adapter, 0, 0, 'a DMA routine was given an adapter that was put back, or never was one');
  return true;
}

const gets = {
  after(k: Kernel, _a: HookArgs, value: unknown): void {
    if (value && calledByDriver(k)) remember(k, ADAPTER, value as number);
  },
};
const commonBuffer = {
  before: (k: Kernel, a: HookArgs): void => void adapterLives(k, a),
  after(k: Kernel, a: HookArgs, value: unknown): void {
    if (value && calledByDriver(k)) remember(k, COMMON_BUFFER, value as number, { data: a['DmaAdapter']!, size: a['Length']! });
  },
};

export const dmaHooks: Hooks = {
  IoGetDmaAdapter: gets,
  HalGetAdapter: {
    before(k) {
      if (calledByDriver(k)) k.bugCheck(E6, 0x1e, 0, 0, 0, 'HalGetAdapter is obsolete: IoGetDmaAdapter takes its place');
    },
  },
  HalAllocateCommonBuffer: commonBuffer,
  HalAllocateCommonBufferEx: commonBuffer,
  HalFreeCommonBuffer: {
    before(k, a) {
      if (!adapterLives(k, a)) return;
      const record = find(k, COMMON_BUFFER, a['VirtualAddress']!);
      if (!record && k.global.get('VfDropped') === 0)
        k.bugCheck(
          E6,
          3,
          1,
          a['DmaAdapter']!,
          a['VirtualAddress']!,
          'a common buffer is freed that is none, or was freed before',
        );
      if (record) {
        keep(k, record);
        remove(k, record);
      }
      note(k, FREED, a['VirtualAddress']!);
    },
  },
  HalPutDmaAdapter: {
    before(k, a) {
      if (!adapterLives(k, a)) return;
      const adapter = a['DmaAdapter']!;
      const record = find(k, ADAPTER, adapter);
      const left = (kind: number, subcode: number, what: string): void => {
        const n = outstanding(k, kind, adapter);
        if (n)
          k.bugCheck(
            E6,
            subcode,
            adapter,
            n,
            record,
            `an adapter is put back while ${n} ${what} of it ${n === 1 ? 'is' : 'are'} not freed`,
          );
      };
      left(COMMON_BUFFER, 7, 'common buffer(s)');
      left(SCATTER_LIST, 0x0a, 'scatter/gather list(s)');
      left(MAP_REGISTERS, 9, 'set(s) of map registers');
      keep(k, record);
      remove(k, record);
      note(k, FREED, adapter);
    },
  },
  IoMapTransfer: {
    before(k, a) {
      if (!adapterLives(k, a)) return;
      const mdl = mdlOf(a);
      const length = k.mem.read32(a['Length']!);
      if (length === 0) k.bugCheck(E6, 0x21, 0, 0, 0, 'MapTransfer was asked to map no bytes');
      if (!(flagsOf(k, mdl) & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL)))
        k.bugCheck(E6, 0x0e, mdl, 0, 0, 'a DMA transfer is mapped whose buffer is not locked');
      const start = M.StartVa.get(k.mem, mdl) + M.ByteOffset.get(k.mem, mdl);
      const va = a['CurrentVa']!;
      if (va < start || va >= start + chainBytes(k, mdl))
        k.bugCheck(E6, 0x1b, va, mdl, 0, 'MapTransfer was given an address outside of its MDL');
    },
    after(k, a) {
      if (!calledByDriver(k) || !a['MapRegisterBase']) return;
      if (!find(k, TRANSFER, a['MapRegisterBase']!))
        remember(k, TRANSFER, a['MapRegisterBase']!, { data: a['DmaAdapter']!, size: k.mem.read32(a['Length']!) });
    },
  },
  IoFlushAdapterBuffers: {
    before(k, a) {
      if (!adapterLives(k, a) || !a['MapRegisterBase']) return;
      if (!forget(k, TRANSFER, a['MapRegisterBase']!) && k.global.get('VfDropped') === 0)
        k.bugCheck(
          E6,
          0x20,
          a['MapRegisterBase']!,
          a['CurrentVa']!,
          mdlOf(a),
          'FlushAdapterBuffers was called for map registers that nothing is mapped with',
        );
    },
  },
  HalAllocateAdapterChannel: { before: (k, a) => void adapterLives(k, a) },
  IoFreeMapRegisters: {
    before(k, a) {
      if (!adapterLives(k, a) || !a['MapRegisterBase']) return;
      const transfer = find(k, TRANSFER, a['MapRegisterBase']!);
      if (transfer)
        k.bugCheck(
          E6,
          0x0d,
          R.Size.get(k.mem, transfer),
          a['NumberOfMapRegisters']! * 4096,
          0,
          'map registers are freed before FlushAdapterBuffers: data may still be on its way',
        );
      if (!find(k, MAP_REGISTERS, a['MapRegisterBase']!) && k.global.get('VfDropped') === 0)
        k.bugCheck(
          E6,
          5,
          a['NumberOfMapRegisters']!,
          a['DmaAdapter']!,
          a['MapRegisterBase']!,
          'map registers are freed that are none, or were freed before',
        );
    },
  },
  HalGetScatterGatherList: { before: (k, a) => void adapterLives(k, a) },
  HalBuildScatterGatherList: { before: (k, a) => void adapterLives(k, a) },
  HalPutScatterGatherList: {
    before(k, a) {
      const list = a['ScatterGather']!;
      if (!adapterLives(k, a) || find(k, SCATTER_LIST, list) || k.global.get('VfDropped') !== 0) return;
      const out = outstanding(k, SCATTER_LIST, a['DmaAdapter']!);
      k.bugCheck(E6, 6, out, out + 1, list, 'a scatter/gather list is put back that is none, or was put back before');
    },
  },
};

/** A list is made for a driver, or goes back. */
export const listHandedOut = (k: Kernel, adapter: number, list: number, bytes: number): void =>
  void remember(k, SCATTER_LIST, list, { data: adapter, size: bytes });
export function listPutBack(k: Kernel, list: number): void {
  if (forget(k, SCATTER_LIST, list)) note(k, FREED, list);
}

/** Map registers are taken for a driver, or go back. */
export const mapRegistersHandedOut = (k: Kernel, adapter: number, set: number, count: number): void =>
  void remember(k, MAP_REGISTERS, set, { data: adapter, size: count });
export function mapRegistersPutBack(k: Kernel, set: number): void {
  if (forget(k, MAP_REGISTERS, set)) note(k, FREED, set);
}
