/** Pool routines. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { DRIVER_IMAGES_BASE, DRIVER_IMAGES_END, PAGED_POOL_BASE, PAGED_POOL_END } from '../mm/layout.ts';
import { exAllocatePool, exFreePool, poolBlockAt, poolProcessBilled } from '../mm/pool.ts';
import { chargePoolQuota, payingProcess } from '../mm/poolquota.ts';
import { specialAllocate, specialPoolType } from '../mm/specialpool.ts';
import { BAD_POOL_CALLER } from '../types/bugcodes.ts';
import {
  NonPagedPool,
  NonPagedPoolNx,
  PagedPool,
  POOL_QUOTA_FAIL_INSTEAD_OF_RAISE,
  POOL_RAISE_IF_ALLOCATION_FAILURE,
} from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER } from '../types/status.ts';
import { raiseStatus } from '../ex/raise.ts';
import { APC_LEVEL, DISPATCH_LEVEL, type NtExport, ntExport, pointer, PVOID, SIZE_T, ULONG, ULONG64, VOID } from './declare.ts';

const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
/** Tag of allocations without one: what ExAllocatePool gives them. */
const TAG_NONE = 0x656e6f4e; // 'None'

/** Paged pool may be touched below DISPATCH_LEVEL only. */
const poolIrql = {
  max: 'DISPATCH_LEVEL',
  when: (a: { readonly PoolType: number }) => (a.PoolType & 1 ? ({ max: 'APC_LEVEL' } as const) : undefined),
} as const;

/** NT checks these even without the verifier. */
function checkIrql(k: Kernel, code: number, poolType: number, detail: number): void {
  if (k.irql > (poolType & 1 ? APC_LEVEL : DISPATCH_LEVEL))
    k.bugCheck(
      BAD_POOL_CALLER,
      code,
      k.irql,
      poolType,
      Number.isFinite(detail) ? detail : -1,
      `pool was ${code === 8 ? 'allocated' : 'freed'} at too high an IRQL`,
    );
}

interface Request {
  poolType: number;
  bytes: number;
  tag: number;
  raise?: boolean;
  /** The current process pays. */
  quota?: boolean;
  /** EX_POOL_PRIORITY. */
  priority?: number;
}

/** EX_POOL_PRIORITY without the bits about special pool; HighPoolPriority is the one without a reserve. */
const LowPoolPriority = 0,
  NormalPoolPriority = 16;
const SPECIAL_POOL_UNDERRUN = 1,
  SPECIAL_POOL_BITS = 9;

/** Whether memory is too short for a request of this priority: low ones leave a sixteenth of RAM, normal ones a 256th. */
function isTooShort(k: Kernel, priority: number): boolean {
  const ram = k.global.get('MmNumberOfPhysicalPages'),
    free = k.global.get('MmAvailablePages');
  const level = priority & ~SPECIAL_POOL_BITS;
  return level === LowPoolPriority ? free < ram / 16 : level === NormalPoolPriority && free < ram / 256;
}

function allocate(k: Kernel, r: Request): number {
  checkIrql(k, 8, r.poolType, r.bytes);
  const tag = r.tag || TAG_NONE;
  const raise = r.raise === true || (r.poolType & POOL_RAISE_IF_ALLOCATION_FAILURE) !== 0;
  const process = r.quota ? payingProcess(k) : 0;
  let va = 0;
  if (r.priority === undefined || !isTooShort(k, r.priority)) {
    if (k.config.verifier && calledByDriver(k)) {
      const underrun = r.priority !== undefined && (r.priority & SPECIAL_POOL_UNDERRUN) !== 0;
      va = specialAllocate(k, r.poolType, r.bytes, (tag & 0x7fffffff) >>> 0, process, underrun);
      if (va && process) chargePoolQuota(k, process, r.poolType, r.bytes);
    }
    va ||= exAllocatePool(k, r.poolType, r.bytes, tag, process);
  }
  if (!va && raise) raiseStatus(k, STATUS_INSUFFICIENT_RESOURCES);
  return va;
}

/** Whether the routine that runs was called by code outside the kernel's own images: a driver's. */
function calledByDriver(k: Kernel): boolean {
  const caller = k.caller();
  return caller >= DRIVER_IMAGES_BASE && caller < DRIVER_IMAGES_END;
}

function free(k: Kernel, va: number, tag: number): void {
  checkIrql(k, 9, poolTypeAt(k, va), va);
  exFreePool(k, va, tag);
}

/** PagedPool when the address lies in it, else NonPagedPool. */
function poolTypeAt(k: Kernel, va: number): number {
  const special = specialPoolType(k, va);
  if (special >= 0) return special & 1;
  return va >= PAGED_POOL_BASE && va < PAGED_POOL_END ? PagedPool : NonPagedPool;
}

/** Allocation and clearing cost: the header work, and the zeroing where it is done. */
const cost = (_k: Kernel, a: { readonly NumberOfBytes: number }): number => 180 + Math.min(a.NumberOfBytes, 0x1000000) / 0x1000;

// POOL_FLAGS
const POOL_FLAG_USE_QUOTA = 1n,
  POOL_FLAG_UNINITIALIZED = 2n,
  POOL_FLAG_SESSION = 4n,
  POOL_FLAG_CACHE_ALIGNED = 8n,
  POOL_FLAG_RAISE_ON_FAILURE = 0x20n,
  POOL_FLAG_NON_PAGED = 0x40n;
const POOL_FLAG_NON_PAGED_EXECUTE = 0x80n,
  POOL_FLAG_PAGED = 0x100n;

function allocate2(k: Kernel, flags: bigint, bytes: number, tag: number, priority?: number): number {
  const kinds = [POOL_FLAG_NON_PAGED, POOL_FLAG_NON_PAGED_EXECUTE, POOL_FLAG_PAGED].filter(f => flags & f);
  const raise = (flags & POOL_FLAG_RAISE_ON_FAILURE) !== 0n;
  // Exactly one kind of pool; a zero tag or size is refused, unlike in the older routines.
  if (kinds.length !== 1 || flags & POOL_FLAG_SESSION || tag === 0 || bytes === 0) {
    if (raise) raiseStatus(k, STATUS_INVALID_PARAMETER);
    return 0;
  }
  const type = flags & POOL_FLAG_PAGED ? PagedPool : flags & POOL_FLAG_NON_PAGED ? NonPagedPoolNx : NonPagedPool;
  const quota = (flags & POOL_FLAG_USE_QUOTA) !== 0n;
  const va = allocate(k, { poolType: type | (flags & POOL_FLAG_CACHE_ALIGNED ? 4 : 0), bytes, tag, raise, quota, ...(priority === undefined ? {} : { priority }) });
  if (va && !(flags & POOL_FLAG_UNINITIALIZED)) k.mem.fill(va, bytes, 0);
  return va;
}

/** Quota routines raise when they fail, unless the pool type says otherwise. */
const allocateQuota = (k: Kernel, poolType: number, bytes: number, tag: number): number =>
  allocate(k, {
    poolType: poolType & ~POOL_QUOTA_FAIL_INSTEAD_OF_RAISE,
    bytes,
    tag,
    raise: !(poolType & POOL_QUOTA_FAIL_INSTEAD_OF_RAISE),
    quota: true,
  });

/** POOL_EXTENDED_PARAMETER: a type in 8 bits, an optional bit, a value of 8 bytes. */
const EXTENDED_PARAMETER_SIZE = 16,
  PoolExtendedParameterPriority = 1,
  PoolExtendedParameterNumaNode = 3;

const allocateArgs = { PoolType: ULONG, NumberOfBytes: SIZE_T } as const;

export const poolExports: NtExport[] = [
  ntExport({
    name: 'ExAllocatePool',
    doc: 'Allocates pool memory (deprecated: without a tag).',
    irql: poolIrql,
    args: allocateArgs,
    returns: PVOID,
    cycles: cost,
    status: 'full',
    impl: (k, a) => allocate(k, { poolType: a.PoolType, bytes: a.NumberOfBytes, tag: TAG_NONE }),
  }),
  ntExport({
    name: 'ExAllocatePoolWithTag',
    doc: 'Allocates pool memory of the given type and marks it with a tag.',
    irql: poolIrql,
    args: { ...allocateArgs, Tag: ULONG },
    returns: PVOID,
    cycles: cost,
    status: 'full',
    impl: (k, a) => allocate(k, { poolType: a.PoolType, bytes: a.NumberOfBytes, tag: a.Tag }),
  }),
  ntExport({
    name: 'ExAllocatePoolWithTagPriority',
    doc: 'Allocates pool memory with a tag and a priority that counts when memory is short.',
    irql: poolIrql,
    args: { ...allocateArgs, Tag: ULONG, Priority: ULONG },
    returns: PVOID,
    cycles: cost,
    status: 'full',
    impl: (k, a) => allocate(k, { poolType: a.PoolType, bytes: a.NumberOfBytes, tag: a.Tag, priority: a.Priority }),
  }),
  ntExport({
    name: 'ExAllocatePoolWithQuotaTag',
    doc: 'Allocates pool memory and charges it to the current process; raises when it cannot, unless told to return NULL.',
    irql: poolIrql,
    args: { ...allocateArgs, Tag: ULONG },
    returns: PVOID,
    cycles: cost,
    status: 'full',
    impl: (k, a) => allocateQuota(k, a.PoolType, a.NumberOfBytes, a.Tag),
  }),
  ntExport({
    name: 'ExAllocatePoolWithQuota',
    doc: 'Allocates pool memory and charges it to the current process (deprecated: without a tag).',
    irql: poolIrql,
    args: allocateArgs,
    returns: PVOID,
    cycles: cost,
    status: 'full',
    impl: (k, a) => allocateQuota(k, a.PoolType, a.NumberOfBytes, TAG_NONE),
  }),
  ntExport({
    name: 'ExAllocatePool2',
    doc: 'Allocates pool memory, zeroed unless the flags say otherwise.',
    irql: { max: 'DISPATCH_LEVEL', when: a => (a.Flags & POOL_FLAG_PAGED ? { max: 'APC_LEVEL' } : undefined) },
    args: { Flags: ULONG64, NumberOfBytes: SIZE_T, Tag: ULONG },
    returns: PVOID,
    cycles: (_k, a) => 180 + Math.min(a.NumberOfBytes, 0x1000000) / 16,
    status: 'full',
    impl: (k, a) => allocate2(k, a.Flags, a.NumberOfBytes, a.Tag),
  }),
  ntExport({
    name: 'ExAllocatePool3',
    doc: 'Allocates pool memory with extended parameters, zeroed unless the flags say otherwise.',
    irql: { max: 'DISPATCH_LEVEL', when: a => (a.Flags & POOL_FLAG_PAGED ? { max: 'APC_LEVEL' } : undefined) },
    args: {
      Flags: ULONG64,
      NumberOfBytes: SIZE_T,
      Tag: ULONG,
      ExtendedParameters: pointer('PCPOOL_EXTENDED_PARAMETER'),
      ExtendedParametersCount: ULONG,
    },
    returns: PVOID,
    cycles: (_k, a) => 180 + Math.min(a.NumberOfBytes, 0x1000000) / 16,
    status: 'full',
    impl(k, a) {
      let priority: number | undefined;
      for (let i = 0; i < a.ExtendedParametersCount; i++) {
        const at = a.ExtendedParameters + i * EXTENDED_PARAMETER_SIZE;
        const type = k.mem.read32(at) & 0xff,
          optional = (k.mem.read32(at) >>> 8) & 1;
        if (type === PoolExtendedParameterPriority) priority = k.mem.read32(at + 8);
        // There is one node; secure pools are made by routines that no driver here can have called. What is not known may be ignored if it is optional.
        else if (type === PoolExtendedParameterNumaNode ? k.mem.read32(at + 8) !== 0 && !optional : !optional) {
          if (a.Flags & POOL_FLAG_RAISE_ON_FAILURE) raiseStatus(k, STATUS_INVALID_PARAMETER);
          return 0;
        }
      }
      return allocate2(k, a.Flags, a.NumberOfBytes, a.Tag, priority);
    },
  }),
  ntExport({
    name: 'ExFreePoolWithTag',
    doc: 'Frees pool memory that was allocated with the tag.',
    irql: DISPATCH,
    args: { P: PVOID, Tag: ULONG },
    returns: VOID,
    cycles: 160,
    status: 'full',
    impl: (k, a) => free(k, a.P, a.Tag),
  }),
  ntExport({
    name: 'ExFreePool',
    doc: 'Frees pool memory.',
    irql: DISPATCH,
    args: { P: PVOID },
    returns: VOID,
    cycles: 160,
    status: 'full',
    impl: (k, a) => free(k, a.P, 0),
  }),
  ntExport({
    name: 'ExFreePool2',
    doc: 'Frees pool memory, with extended parameters.',
    irql: DISPATCH,
    args: { P: PVOID, Tag: ULONG, ExtendedParameters: pointer('PCPOOL_EXTENDED_PARAMETER'), ExtendedParametersCount: ULONG },
    returns: VOID,
    cycles: 160,
    status: 'full',
    impl: (k, a) => free(k, a.P, a.Tag),
  }),
  ntExport({
    name: 'ExQueryPoolBlockSize',
    doc: 'Returns the size of a pool block and whether quota was charged for it.',
    irql: DISPATCH,
    args: { PoolBlock: PVOID, QuotaCharged: pointer('PBOOLEAN') },
    returns: SIZE_T,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      k.mem.write8(a.QuotaCharged, poolProcessBilled(k, a.PoolBlock) ? 1 : 0);
      return poolBlockAt(k, a.PoolBlock)?.bytes ?? 0;
    },
  }),
];
