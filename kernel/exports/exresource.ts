/** Executive resources and fast mutexes. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import {
  exConvertToShared,
  exDeleteResource,
  exInitializeResource,
  exReleaseResource,
  exSetResourceOwner,
  queueResourceWaiter,
  RESOURCE_WAIT_BLOCK,
  resourceCount,
  type SharedPolicy,
  tryAcquireResource,
} from '../ex/resource.ts';
import { changeApcDisable } from '../ke/apc.ts';
import { keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { ERESOURCE, FAST_MUTEX, ResourceHasDisabledPriorityBoost } from '../types/ex.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u8 } from '../types/struct.ts';
import {
  APC_LEVEL,
  BOOLEAN,
  type NtExport,
  ntExport,
  NTSTATUS,
  ntSteps,
  pointer,
  PVOID,
  ret,
  ULONG,
  ULONG64,
  VOID,
  wait,
} from './declare.ts';

const PERESOURCE = pointer('PERESOURCE'),
  PFAST_MUTEX = pointer('PFAST_MUTEX');
const APC = { max: 'APC_LEVEL' } as const,
  DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
/** KWAIT_REASON */
const WR_RESOURCE = 27,
  WR_FAST_MUTEX = 34;

const frame = { Block: RESOURCE_WAIT_BLOCK } as const;

const acquire = (name: string, doc: string, exclusive: boolean, policy: SharedPolicy): NtExport =>
  ntSteps({
    name,
    doc,
    irql: APC,
    args: { Resource: PERESOURCE, Wait: BOOLEAN },
    returns: BOOLEAN,
    cycles: 120,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        if (tryAcquireResource(k, a.Resource, k.currentThread(), exclusive, policy)) return ret(true);
        if (!a.Wait) return ret(false);
        const block = f.get('Block');
        queueResourceWaiter(k, a.Resource, block, exclusive);
        keWait(k, [block + RESOURCE_WAIT_BLOCK.f.Event.offset], { reason: WR_RESOURCE });
        return wait('acquired');
      },
      acquired: () => ret(true),
    },
  });

/** The same in a critical region; waits always and returns the region's address, which callers ignore. */
const enterAndAcquire = (name: string, doc: string, exclusive: boolean): NtExport =>
  ntSteps({
    name,
    doc,
    irql: APC,
    args: { Resource: PERESOURCE },
    returns: PVOID,
    cycles: 140,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        changeApcDisable(k, k.currentThread(), -1);
        if (tryAcquireResource(k, a.Resource, k.currentThread(), exclusive)) return ret(0);
        const block = f.get('Block');
        queueResourceWaiter(k, a.Resource, block, exclusive);
        keWait(k, [block + RESOURCE_WAIT_BLOCK.f.Event.offset], { reason: WR_RESOURCE });
        return wait('acquired');
      },
      acquired: () => ret(0),
    },
  });

const me = (k: Kernel): bigint => BigInt.asUintN(64, BigInt(k.currentThread()));

const resources: NtExport[] = [
  ntExport({
    name: 'ExInitializeResourceLite',
    doc: 'Initializes an executive resource.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      exInitializeResource(k, a.Resource);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'ExReinitializeResourceLite',
    doc: 'Makes an executive resource like new.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      exDeleteResource(k, a.Resource);
      exInitializeResource(k, a.Resource);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'ExDeleteResourceLite',
    doc: 'Ends an executive resource.',
    irql: APC,
    args: { Resource: PERESOURCE },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      exDeleteResource(k, a.Resource);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'ExTryToAcquireResourceExclusiveLite',
    doc: 'Acquires a resource for exclusive use if that is possible at once.',
    irql: APC,
    args: { Resource: PERESOURCE },
    returns: BOOLEAN,
    cycles: 100,
    status: 'full',
    impl: (k, a) => tryAcquireResource(k, a.Resource, k.currentThread(), true),
  }),
  ...(['ExSetResourceOwnerPointer', 'ExSetResourceOwnerPointerEx'] as const).map(name =>
    ntExport({
      name,
      doc: 'Passes the ownership of a resource from the current thread to an owner pointer, with which ExReleaseResourceForThreadLite releases it.',
      irql: DISPATCH,
      args: { Resource: PERESOURCE, OwnerPointer: ULONG64, Flags: ULONG },
      returns: VOID,
      cycles: 60,
      status: 'full',
      impl: (k, a) => exSetResourceOwner(k, a.Resource as number, a.OwnerPointer as bigint),
    }),
  ),
  ntExport({
    name: 'ExDisableResourceBoostLite',
    doc: 'Keeps the owners of a resource from being boosted.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, a) => ERESOURCE.f.Flag.set(k.mem, a.Resource, ERESOURCE.f.Flag.get(k.mem, a.Resource) | ResourceHasDisabledPriorityBoost),
  }),
  acquire('ExAcquireResourceExclusiveLite', 'Acquires a resource for exclusive use.', true, 'normal'),
  acquire('ExAcquireResourceSharedLite', 'Acquires a resource for shared use.', false, 'normal'),
  acquire(
    'ExAcquireSharedStarveExclusive',
    'Acquires a resource for shared use, before threads that wait for exclusive use.',
    false,
    'starveExclusive',
  ),
  acquire(
    'ExAcquireSharedWaitForExclusive',
    'Acquires a resource for shared use, after threads that wait for exclusive use.',
    false,
    'waitForExclusive',
  ),
  enterAndAcquire(
    'ExEnterCriticalRegionAndAcquireResourceExclusive',
    'Enters a critical region and acquires a resource for exclusive use.',
    true,
  ),
  enterAndAcquire(
    'ExEnterCriticalRegionAndAcquireResourceShared',
    'Enters a critical region and acquires a resource for shared use.',
    false,
  ),
  ntExport({
    name: 'ExReleaseResourceLite',
    doc: 'Releases a resource that the current thread owns.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, a) => exReleaseResource(k, a.Resource, me(k)),
  }),
  ntExport({
    name: 'ExReleaseResourceForThreadLite',
    doc: 'Releases a resource that the given thread owns.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE, ResourceThreadId: ULONG64 },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, a) => exReleaseResource(k, a.Resource, a.ResourceThreadId),
  }),
  ntExport({
    name: 'ExReleaseResourceAndLeaveCriticalRegion',
    doc: 'Releases a resource and leaves the critical region.',
    irql: APC,
    args: { Resource: PERESOURCE },
    returns: VOID,
    cycles: 140,
    status: 'full',
    impl(k, a) {
      exReleaseResource(k, a.Resource, me(k));
      changeApcDisable(k, k.currentThread(), 1);
    },
  }),
  ntExport({
    name: 'ExConvertExclusiveToSharedLite',
    doc: 'Turns exclusive ownership of a resource into shared.',
    irql: APC,
    args: { Resource: PERESOURCE },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, a) => exConvertToShared(k, a.Resource),
  }),
  ntExport({
    name: 'ExIsResourceAcquiredExclusiveLite',
    doc: 'Tells whether the current thread owns a resource exclusively.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE },
    returns: BOOLEAN,
    cycles: 30,
    status: 'full',
    impl: (k, a) => resourceCount(k, a.Resource, k.currentThread(), true) > 0,
  }),
  ntExport({
    name: 'ExIsResourceAcquiredSharedLite',
    doc: 'Returns how many times the current thread has acquired a resource.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE },
    returns: ULONG,
    cycles: 30,
    status: 'full',
    impl: (k, a) => resourceCount(k, a.Resource, k.currentThread(), false),
  }),
  ntExport({
    name: 'ExGetExclusiveWaiterCount',
    doc: 'Returns how many threads wait for exclusive use.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE },
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: (k, a) => ERESOURCE.f.NumberOfExclusiveWaiters.get(k.mem, a.Resource),
  }),
  ntExport({
    name: 'ExGetSharedWaiterCount',
    doc: 'Returns how many threads wait for shared use.',
    irql: DISPATCH,
    args: { Resource: PERESOURCE },
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: (k, a) => ERESOURCE.f.NumberOfSharedWaiters.get(k.mem, a.Resource),
  }),
];

const M = FAST_MUTEX.f;

function takeMutex(k: Kernel, mutex: number, oldIrql: number): void {
  M.Owner.set(k.mem, mutex, k.currentThread());
  M.OldIrql.set(k.mem, mutex, oldIrql);
}

function releaseMutex(k: Kernel, mutex: number): void {
  M.Owner.set(k.mem, mutex, 0);
  const count = M.Count.get(k.mem, mutex) + 1;
  M.Count.set(k.mem, mutex, count);
  // Below 1 somebody waits, and the mutex passes to one of them.
  if (count < 1) keSetEvent(k, mutex + M.Event.offset, 1);
}

/** `raise`: the caller runs at APC_LEVEL while it has the mutex. */
const acquireMutex = (name: string, doc: string, raise: boolean): NtExport =>
  ntSteps({
    name,
    doc,
    irql: APC,
    args: { FastMutex: PFAST_MUTEX },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: { Mutex: ptr, OldIrql: u8 },
    steps: {
      start(k, f, _rax, { FastMutex }) {
        k.mem.probe(FastMutex, FAST_MUTEX.size, true);
        const old = k.irql,
          count = M.Count.get(k.mem, FastMutex);
        if (raise) k.irql = APC_LEVEL;
        M.Count.set(k.mem, FastMutex, count - 1);
        if (count === 1) {
          takeMutex(k, FastMutex, old);
          return ret();
        }
        f.set('Mutex', FastMutex);
        f.set('OldIrql', old);
        M.Contention.set(k.mem, FastMutex, M.Contention.get(k.mem, FastMutex) + 1);
        if (keWait(k, [FastMutex + M.Event.offset], { reason: WR_FAST_MUTEX }) !== 'blocked') {
          takeMutex(k, FastMutex, old);
          return ret();
        }
        return wait('acquired');
      },
      acquired(k, f) {
        takeMutex(k, f.get('Mutex'), f.get('OldIrql'));
        return ret();
      },
    },
  });

const mutexes: NtExport[] = [
  acquireMutex('ExAcquireFastMutex', 'Acquires a fast mutex; the caller runs at APC_LEVEL until it releases it.', true),
  acquireMutex('ExAcquireFastMutexUnsafe', 'Acquires a fast mutex in a critical region or at APC_LEVEL.', false),
  ntExport({
    name: 'ExTryToAcquireFastMutex',
    doc: 'Acquires a fast mutex if that is possible at once.',
    irql: APC,
    args: { FastMutex: PFAST_MUTEX },
    returns: BOOLEAN,
    cycles: 50,
    status: 'full',
    impl(k, { FastMutex }) {
      if (M.Count.get(k.mem, FastMutex) !== 1) return false;
      const old = k.irql;
      M.Count.set(k.mem, FastMutex, 0);
      takeMutex(k, FastMutex, old);
      k.irql = APC_LEVEL;
      return true;
    },
  }),
  ntExport({
    name: 'ExReleaseFastMutex',
    doc: 'Releases a fast mutex and lowers the IRQL to what it was.',
    irql: { min: 'APC_LEVEL', max: 'APC_LEVEL' },
    args: { FastMutex: PFAST_MUTEX },
    returns: VOID,
    cycles: 50,
    status: 'full',
    impl(k, { FastMutex }) {
      const old = M.OldIrql.get(k.mem, FastMutex);
      releaseMutex(k, FastMutex);
      k.irql = old & 0xff;
    },
  }),
  ntExport({
    name: 'ExReleaseFastMutexUnsafe',
    doc: 'Releases a fast mutex of ExAcquireFastMutexUnsafe.',
    irql: APC,
    args: { FastMutex: PFAST_MUTEX },
    returns: VOID,
    cycles: 50,
    status: 'full',
    impl: (k, { FastMutex }) => releaseMutex(k, FastMutex),
  }),
];

export const resourceExports: NtExport[] = [...resources, ...mutexes];
