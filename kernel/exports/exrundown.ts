/** Run-down protection. Source: WDK, "Run-down protection", and the page of each routine. */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { activeProcessorCount } from '../ke/processor.ts';
import { keWait } from '../ke/wait.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { EX_RUNDOWN_REF_CACHE_AWARE } from '../types/ex.ts';
import { KEVENT } from '../types/ke.ts';
import { struct, u64 } from '../types/struct.ts';
import { BOOLEAN, type IrqlRule, type NtExport, ntExport, ntSteps, pointer, ret, SIZE_T, ULONG, VOID, wait } from './declare.ts';

const PEX_RUNDOWN_REF = pointer('PEX_RUNDOWN_REF');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const,
  PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

/** Bit 0: run-down has begun; then the rest is 0 or the address of the block of the thread that waits. Otherwise the rest is the number of references, times two. */
const ACTIVE = 1n,
  REFERENCE = 2n;
const RUNDOWN_BLOCK = struct('_EX_RUNDOWN_WAIT_BLOCK', { Count: u64, WakeEvent: KEVENT });

/** ExAcquireRundownProtection(Ex). */
export function acquireRundown(k: Kernel, ref: number, count: number): boolean {
  const value = k.mem.read64(ref);
  if (value & ACTIVE) return false;
  k.mem.write64(ref, value + REFERENCE * BigInt(count));
  return true;
}

/** ExReleaseRundownProtection(Ex). */
export function releaseRundown(k: Kernel, ref: number, count: number): void {
  const value = k.mem.read64(ref);
  if (!(value & ACTIVE)) {
    k.mem.write64(ref, value - REFERENCE * BigInt(count));
    return;
  }
  const block = k.mem.readPtr(ref) - 1;
  const left = k.mem.read64(block) - BigInt(count);
  k.mem.write64(block, left);
  if (left === 0n) keSetEvent(k, block + RUNDOWN_BLOCK.f.WakeEvent.offset, 0);
}

/** The block of the thread that waits for `count` protections to end. */
function beginRundown(k: Kernel, block: number, count: bigint): void {
  RUNDOWN_BLOCK.f.Count.set(k.mem, block, count);
  keInitializeEvent(k, block + RUNDOWN_BLOCK.f.WakeEvent.offset, 1, false);
}

const rundown: NtExport[] = [
  ntExport({
    name: 'ExInitializeRundownProtection',
    doc: 'Makes an object protectable.',
    irql: APC,
    args: { RunRef: PEX_RUNDOWN_REF },
    returns: VOID,
    cycles: 8,
    status: 'full',
    impl: (k, a) => k.mem.write64(a.RunRef, 0n),
  }),
  ntExport({
    name: 'ExReInitializeRundownProtection',
    doc: 'Makes an object protectable again after its run-down.',
    irql: APC,
    args: { RunRef: PEX_RUNDOWN_REF },
    returns: VOID,
    cycles: 8,
    status: 'full',
    impl: (k, a) => k.mem.write64(a.RunRef, 0n),
  }),
  ntExport({
    name: 'ExAcquireRundownProtection',
    doc: 'Tries to protect an object from run-down.',
    irql: DISPATCH,
    args: { RunRef: PEX_RUNDOWN_REF },
    returns: BOOLEAN,
    cycles: 20,
    status: 'full',
    impl: (k, a) => acquireRundown(k, a.RunRef, 1),
  }),
  ntExport({
    name: 'ExAcquireRundownProtectionEx',
    doc: 'Tries to protect an object from run-down several times.',
    irql: DISPATCH,
    args: { RunRef: PEX_RUNDOWN_REF, Count: ULONG },
    returns: BOOLEAN,
    cycles: 20,
    status: 'full',
    impl: (k, a) => acquireRundown(k, a.RunRef, a.Count),
  }),
  ntExport({
    name: 'ExReleaseRundownProtection',
    doc: 'Ends one protection of an object.',
    irql: DISPATCH,
    args: { RunRef: PEX_RUNDOWN_REF },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, a) => releaseRundown(k, a.RunRef, 1),
  }),
  ntExport({
    name: 'ExReleaseRundownProtectionEx',
    doc: 'Ends several protections of an object.',
    irql: DISPATCH,
    args: { RunRef: PEX_RUNDOWN_REF, Count: ULONG },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, a) => releaseRundown(k, a.RunRef, a.Count),
  }),
  ntExport({
    name: 'ExRundownCompleted',
    doc: 'Marks a run-down as complete.',
    irql: APC,
    args: { RunRef: PEX_RUNDOWN_REF },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl: (k, a) => k.mem.write64(a.RunRef, ACTIVE),
  }),
  ntSteps({
    name: 'ExWaitForRundownProtectionRelease',
    doc: 'Begins the run-down of an object: no new protection, and waits until the old ones have ended.',
    irql: { max: 'APC_LEVEL' },
    args: { RunRef: PEX_RUNDOWN_REF },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: { Block: RUNDOWN_BLOCK },
    steps: {
      start(k, f, _rax, a) {
        const value = k.mem.read64(a.RunRef);
        if (value === 0n || value & ACTIVE) {
          k.mem.write64(a.RunRef, ACTIVE);
          return ret();
        }
        const block = f.address('Block');
        beginRundown(k, block, value / REFERENCE);
        k.mem.writePtr(a.RunRef, block + 1);
        keWait(k, [block + RUNDOWN_BLOCK.f.WakeEvent.offset]);
        return wait('over');
      },
      over: (k, _f, _rax, a) => {
        k.mem.write64(a.RunRef, ACTIVE);
        return ret();
      },
    },
  }),
];

const C = EX_RUNDOWN_REF_CACHE_AWARE.f;
const CACHE_LINE = 64;
const PEX_RUNDOWN_REF_CACHE_AWARE = pointer('PEX_RUNDOWN_REF_CACHE_AWARE');
const cacheAwareSize = (k: Kernel): number => EX_RUNDOWN_REF_CACHE_AWARE.size + CACHE_LINE * (activeProcessorCount(k) + 1);

const refsOf = (k: Kernel, aware: number): number[] =>
  Array.from({ length: C.Number.get(k.mem, aware) }, (_, n) => C.RunRefs.get(k.mem, aware) + n * CACHE_LINE);
/** The reference of the processor that runs. A protection that is released on another one makes its count negative there: only the sum says something. */
const ownRef = (k: Kernel, aware: number): number =>
  C.RunRefs.get(k.mem, aware) + (k.cpu.index % C.Number.get(k.mem, aware)) * CACHE_LINE;

function initializeCacheAware(k: Kernel, aware: number, size: number, pool: number): void {
  k.mem.fill(aware, size, 0);
  C.RunRefs.set(k.mem, aware, Math.ceil((aware + EX_RUNDOWN_REF_CACHE_AWARE.size) / CACHE_LINE) * CACHE_LINE);
  C.PoolToFree.set(k.mem, aware, pool);
  C.RunRefSize.set(k.mem, aware, CACHE_LINE);
  C.Number.set(k.mem, aware, Math.max(1, Math.floor((size - EX_RUNDOWN_REF_CACHE_AWARE.size) / CACHE_LINE) - 1));
}

function setRefs(k: Kernel, aware: number, value: bigint): void {
  for (const ref of refsOf(k, aware)) k.mem.write64(ref, value);
}

const ofAware = (name: string, doc: string, impl: (k: Kernel, aware: number) => boolean | void, returns: typeof VOID | typeof BOOLEAN = VOID, irql: IrqlRule = DISPATCH): NtExport =>
  ntExport({ name, doc, irql, args: { RunRef: PEX_RUNDOWN_REF_CACHE_AWARE }, returns: returns as typeof BOOLEAN, cycles: 20, status: 'full', impl: (k, a) => impl(k, a.RunRef) });

const ofAwareCount = (name: string, doc: string, impl: (k: Kernel, aware: number, count: number) => boolean | void, returns: typeof VOID | typeof BOOLEAN = VOID): NtExport =>
  ntExport({
    name,
    doc,
    irql: DISPATCH,
    args: { RunRef: PEX_RUNDOWN_REF_CACHE_AWARE, Count: ULONG },
    returns: returns as typeof BOOLEAN,
    cycles: 20,
    status: 'full',
    impl: (k, a) => impl(k, a.RunRef, a.Count),
  });

const cacheAware: NtExport[] = [
  ntExport({
    name: 'ExSizeOfRundownProtectionCacheAware',
    doc: 'Returns the bytes that cache-aware run-down protection takes on this machine.',
    irql: APC,
    args: {},
    returns: SIZE_T,
    cycles: 10,
    status: 'full',
    impl: k => cacheAwareSize(k),
  }),
  ntExport({
    name: 'ExInitializeRundownProtectionCacheAware',
    doc: 'Initializes cache-aware run-down protection in memory of the caller.',
    irql: APC,
    args: { RunRef: PEX_RUNDOWN_REF_CACHE_AWARE, RunRefSize: SIZE_T },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl: (k, a) => initializeCacheAware(k, a.RunRef, a.RunRefSize, 0),
  }),
  ntExport({
    name: 'ExAllocateCacheAwareRundownProtection',
    doc: 'Allocates and initializes cache-aware run-down protection; NULL without memory.',
    irql: APC,
    args: { PoolType: ULONG, PoolTag: ULONG },
    returns: PEX_RUNDOWN_REF_CACHE_AWARE,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      const size = cacheAwareSize(k);
      const at = exAllocatePool(k, a.PoolType, size, a.PoolTag);
      if (at !== 0) initializeCacheAware(k, at, size, at);
      return at;
    },
  }),
  ofAware('ExFreeCacheAwareRundownProtection', 'Frees what ExAllocateCacheAwareRundownProtection allocated.', (k, aware) => exFreePool(k, C.PoolToFree.get(k.mem, aware), 0), VOID, APC),
  ofAware('ExReInitializeRundownProtectionCacheAware', 'Makes an object protectable again after its run-down.', (k, aware) => setRefs(k, aware, 0n)),
  ofAware('ExAcquireRundownProtectionCacheAware', 'Tries to protect an object from run-down.', (k, aware) => acquireRundown(k, ownRef(k, aware), 1), BOOLEAN),
  ofAwareCount('ExAcquireRundownProtectionCacheAwareEx', 'Tries to protect an object from run-down several times.', (k, aware, n) => acquireRundown(k, ownRef(k, aware), n), BOOLEAN),
  ofAware('ExReleaseRundownProtectionCacheAware', 'Ends one protection of an object.', (k, aware) => releaseRundown(k, ownRef(k, aware), 1)),
  ofAwareCount('ExReleaseRundownProtectionCacheAwareEx', 'Ends several protections of an object.', (k, aware, n) => releaseRundown(k, ownRef(k, aware), n)),
  ofAware('ExRundownCompletedCacheAware', 'Marks a run-down as complete.', (k, aware) => setRefs(k, aware, ACTIVE)),
  ntSteps({
    name: 'ExWaitForRundownProtectionReleaseCacheAware',
    doc: 'Begins the run-down of an object: no new protection, and waits until the old ones have ended.',
    irql: PASSIVE,
    args: { RunRef: PEX_RUNDOWN_REF_CACHE_AWARE },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { Block: RUNDOWN_BLOCK },
    steps: {
      start(k, f, _rax, a) {
        let left = 0n;
        let active = false;
        for (const ref of refsOf(k, a.RunRef)) {
          const value = k.mem.read64(ref);
          active ||= (value & ACTIVE) !== 0n;
          left += BigInt.asIntN(64, value) / REFERENCE;
        }
        if (active || left === 0n) {
          setRefs(k, a.RunRef, ACTIVE);
          return ret();
        }
        const block = f.address('Block');
        beginRundown(k, block, left);
        setRefs(k, a.RunRef, BigInt.asUintN(64, BigInt(block)) + ACTIVE);
        keWait(k, [block + RUNDOWN_BLOCK.f.WakeEvent.offset]);
        return wait('over');
      },
      over(k, _f, _rax, a) {
        setRefs(k, a.RunRef, ACTIVE);
        return ret();
      },
    },
  }),
];

export const rundownExports: NtExport[] = [...rundown, ...cacheAware];
