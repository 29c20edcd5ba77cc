/**
 * Locks: who holds which, and in which order they are taken ("Deadlock Detection" of Driver Verifier). Every pair "B taken while A was held" is an edge A -> B of a graph
 * over all the time that the locks exist; a lock whose acquisition would close a circle is a deadlock that only waits for its moment.
 */
import type { Kernel } from '../kernel.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION as C4 } from '../types/bugcodes.ts';
import { ERESOURCE } from '../types/ex.ts';
import { STATUS_ABANDONED } from '../ke/signal.ts';
import { KTHREAD, MISC_SYSTEM_THREAD, MutantObject } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { PAGE_SIZE } from '../mm/layout.ts';
import { returned, type Hook, type HookArgs, type Hooks } from './hook.ts';
import { VF_RECORD } from './globals.ts';
import {
  calledByDriver,
  chain,
  find,
  forget,
  keep,
  live,
  LOCK,
  LOCK_HELD,
  LOCK_ORDER,
  note,
  readRecord,
  RELEASED,
  remember,
  remove,
} from './state.ts';

const R = VF_RECORD.f;

/** Frames to keep of acquisitions, which are many. */
const FRAMES = 6;

/** What a lock is, in VF_RECORD.Tag. */
export const SPIN_LOCK = 1,
  FAST_MUTEX = 2,
  E_RESOURCE = 3,
  MUTEX = 4;
export const LOCK_NAMES = ['lock', 'spin lock', 'fast mutex', 'executive resource', 'mutex'] as const;

/** Who takes locks one after the other: a thread, or what runs DPCs or interrupts on a processor. */
export function lockContext(k: Kernel): number {
  if (k.irql > 2 && KPRCB.f.DpcRoutineActive.get(k.mem, k.prcb) === 0 && k.irql !== 12) return k.prcb + k.irql;
  return KPRCB.f.DpcRoutineActive.get(k.mem, k.prcb) !== 0 ? k.prcb + 2 : k.currentThread();
}

/** The locks that a context holds, the newest first. */
export function heldBy(k: Kernel, context: number): number[] {
  if (live(k, LOCK_HELD) === 0) return [];
  return [...chain(k, LOCK_HELD, 0)]
    .filter(r => R.Data.get(k.mem, r) === context)
    .sort((a, b) => R.Sequence.get(k.mem, b) - R.Sequence.get(k.mem, a));
}

/** The node of a lock in the graph; made when it is seen first. Its sequence number tells it from what was at its address before. */
function node(k: Kernel, lock: number, kind: number): number {
  return find(k, LOCK, lock) || remember(k, LOCK, lock, { tag: kind, frames: 1 });
}

/** Edges that start at a lock. Those of locks that are gone are dropped on the way. */
function* edgesFrom(k: Kernel, lock: number): Generator<{ record: number; to: number }> {
  const from = find(k, LOCK, lock);
  for (const record of chain(k, LOCK_ORDER, lock)) {
    if (k.mem.readPtr(record) !== lock) continue;
    const to = R.Data.get(k.mem, record);
    const target = find(k, LOCK, to);
    const stale =
      !from ||
      !target ||
      R.Size.get(k.mem, record) !== R.Sequence.get(k.mem, from) ||
      R.Flags.get(k.mem, record) !== R.Sequence.get(k.mem, target);
    if (stale) remove(k, record);
    else yield { record, to };
  }
}

/** The edge by which `from` leads on to `wanted`, if it does: the first on a path. */
function leadsTo(k: Kernel, from: number, wanted: number): boolean {
  const seen = new Set<number>([from]);
  const open = [from];
  for (let at = open.pop(); at !== undefined; at = open.pop())
    for (const { to } of edgesFrom(k, at)) {
      if (to === wanted) return true;
      if (!seen.has(to)) {
        seen.add(to);
        open.push(to);
      }
    }
  return false;
}

const hex = (address: number): string => `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;

/**
 * A lock is about to be taken by somebody who will wait for it. Taken already by the same (and not one that may be taken again): self-deadlock; a circle: deadlock.
 */
export function beforeAcquire(k: Kernel, lock: number, kind: number, context: number, again: boolean): void {
  const held = heldBy(k, context);
  const own = held.find(r => k.mem.readPtr(r) === lock);
  if (own !== undefined) {
    if (again) return;
    k.bugCheck(
      C4,
      0x1000,
      lock,
      own,
      0,
      `the ${LOCK_NAMES[kind]} ${hex(lock)} is acquired again by the one who holds it: it would wait for itself for ever`,
    );
  }
  if (held.length === 0) return;
  const target = node(k, lock, kind);
  for (const h of held) {
    const first = k.mem.readPtr(h);
    if ([...edgesFrom(k, first)].some(e => e.to === lock)) continue;
    if (leadsTo(k, lock, first))
      k.bugCheck(
        C4,
        0x1001,
        lock,
        first,
        0,
        `locks are taken in two orders: ${hex(lock)} is acquired while ${hex(first)} is held, and elsewhere the other way round`,
      );
    const source = node(k, first, R.Tag.get(k.mem, h));
    if (source && target)
      remember(k, LOCK_ORDER, first, {
        data: lock,
        tag: kind,
        size: R.Sequence.get(k.mem, source),
        flags: R.Sequence.get(k.mem, target),
      });
  }
}

export function acquired(k: Kernel, lock: number, kind: number, context: number): void {
  remember(k, LOCK_HELD, lock, { data: context, tag: kind, frames: FRAMES });
}

/** A lock is given back: by one who holds it, or the rule is broken. `mayBeOthers`: NT allows it to be released by another thread. */
export function beforeRelease(k: Kernel, lock: number, kind: number, context: number, mayBeOthers: boolean): void {
  const records = [...chain(k, LOCK_HELD, lock)].filter(record => k.mem.readPtr(record) === lock);
  // Of those who share a lock the one who releases it, if it is one of them.
  const own = records.find(record => R.Data.get(k.mem, record) === context) ?? (mayBeOthers ? records[0] : undefined);
  if (own !== undefined) {
    remove(k, own);
    note(k, RELEASED, lock, { tag: kind, frames: FRAMES });
    return;
  }
  const other = records.length === 0 ? 0 : R.Data.get(k.mem, records.at(-1)!);
  if (other !== 0)
    k.bugCheck(
      C4,
      0x1004,
      lock,
      other,
      context,
      `the ${LOCK_NAMES[kind]} ${hex(lock)} is released by another thread than the one that acquired it`,
    );
  // When records found no room nobody knows.
  if (k.global.get('VfDropped') === 0)
    k.bugCheck(C4, 0x1007, lock, 0, 0, `the ${LOCK_NAMES[kind]} ${hex(lock)} is released and nobody holds it`);
}

/** A lock is initialized: whatever was at its address before is another one. */
export function lockInitialized(k: Kernel, lock: number): void {
  const held = find(k, LOCK_HELD, lock);
  if (held && R.Tag.get(k.mem, held) !== SPIN_LOCK)
    k.bugCheck(C4, 0x1005, lock, 0, 0, `the lock ${hex(lock)} is initialized again while it is held`);
  forget(k, LOCK, lock);
}

/** Memory is given back: the locks in it are gone; one that is held is a mistake. */
export function locksInFreedMemory(k: Kernel, start: number, bytes: number): void {
  if (live(k, LOCK_HELD) !== 0)
    for (const record of [...chain(k, LOCK_HELD, 0)]) {
      const lock = k.mem.readPtr(record);
      if (lock < start || lock >= start + bytes) continue;
      keep(k, record);
      k.bugCheck(
        C4,
        0x100b,
        lock,
        R.Data.get(k.mem, record),
        record,
        `memory is freed that holds the ${LOCK_NAMES[R.Tag.get(k.mem, record)] ?? 'lock'} ${hex(lock)}, which is still held`,
      );
    }
  if (live(k, LOCK) === 0) return;
  for (let page = start; page < start + bytes + PAGE_SIZE - 1; page += PAGE_SIZE)
    for (const record of [...chain(k, LOCK, Math.min(page, start + bytes - 1))]) {
      const lock = k.mem.readPtr(record);
      if (lock >= start && lock < start + bytes) remove(k, record);
    }
}

/** The current thread ends: it may hold nothing that only it can give back. Its mutexes are abandoned, which is allowed. */
export function locksAtThreadEnd(k: Kernel, thread: number): void {
  for (const record of heldBy(k, thread)) if (R.Tag.get(k.mem, record) === MUTEX) remove(k, record);
  const [held] = heldBy(k, thread);
  if (held === undefined) return;
  const { key, tag } = readRecord(k, held);
  k.bugCheck(C4, 0x100a, thread, key, held, `a thread ends that still holds the ${LOCK_NAMES[tag] ?? 'lock'} ${hex(key)}`);
}

const mutexAcquire = (argument: string, apcsOff?: number) => ({
  before(k: Kernel, a: HookArgs): void {
    if (apcsOff !== undefined) apcsMustBeOff(k, apcsOff, a[argument]!, 'a fast mutex is acquired by its unsafe routine');
    if (calledByDriver(k)) beforeAcquire(k, a[argument]!, FAST_MUTEX, k.currentThread(), false);
  },
  after(k: Kernel, a: HookArgs): void {
    if (calledByDriver(k)) acquired(k, a[argument]!, FAST_MUTEX, k.currentThread());
  },
});
const mutexTry = (argument: string) => ({
  after(k: Kernel, a: HookArgs, value: unknown): void {
    if (value && calledByDriver(k)) acquired(k, a[argument]!, FAST_MUTEX, k.currentThread());
  },
});
const mutexRelease = (argument: string, apcsOff?: number) => ({
  before(k: Kernel, a: HookArgs): void {
    if (apcsOff !== undefined) apcsMustBeOff(k, apcsOff, a[argument]!, 'a fast mutex is released by its unsafe routine');
    // By a tail call a driver's routine leaves nothing of itself to be seen; what is held, a driver has acquired.
    if (calledByDriver(k) || find(k, LOCK_HELD, a[argument]!))
      beforeRelease(k, a[argument]!, FAST_MUTEX, k.currentThread(), false);
  },
});

/** Resources may only be taken where no APC can suspend the thread. System threads have none to fear. */
function apcsMustBeOff(k: Kernel, subcode: number, object: number, what: string): void {
  const thread = k.currentThread();
  const T = KTHREAD.f;
  if (k.irql >= 1 || T.CombinedApcDisable.get(k.mem, thread) !== 0 || (T.MiscFlags.get(k.mem, thread) & MISC_SYSTEM_THREAD) !== 0)
    return;
  k.bugCheck(C4, subcode, k.irql, 0, object, `${what} with normal kernel APCs enabled: KeEnterCriticalRegion comes first`);
}

const resourceAcquire = (wait: boolean | 'Wait', region: boolean) => ({
  before(k: Kernel, a: HookArgs): void {
    if (!calledByDriver(k)) return;
    if (a['Resource']! % 8 !== 0) k.bugCheck(C4, 0x3d, 0, 0, a['Resource']!, 'an executive resource is not aligned');
    if (!region) apcsMustBeOff(k, 0x37, a['Resource']!, 'an executive resource is acquired');
    if (wait === true || a['Wait']) beforeAcquire(k, a['Resource']!, E_RESOURCE, k.currentThread(), true);
  },
  after(k: Kernel, a: HookArgs, value: unknown): void {
    if ((region || value === true) && calledByDriver(k)) acquired(k, a['Resource']!, E_RESOURCE, k.currentThread());
  },
});
const resourceRelease = (region: boolean) => ({
  before(k: Kernel, a: HookArgs): void {
    const held = find(k, LOCK_HELD, a['Resource']!);
    if (!region && (held || calledByDriver(k))) apcsMustBeOff(k, 0x38, a['Resource']!, 'an executive resource is released');
    // Who owns it the resource knows itself (RESOURCE_NOT_OWNED).
    if (held) beforeRelease(k, a['Resource']!, E_RESOURCE, k.currentThread(), true);
  },
});
/** The id is the owner's address, but for an owner pointer (its low bits are set), whose acquisition is no thread's any more. */
const forThread = {
  before(k: Kernel, a: HookArgs): void {
    const owner = Number(BigInt.asIntN(64, BigInt(a['ResourceThreadId']!)));
    if (owner % 4 === 0 && find(k, LOCK_HELD, a['Resource']!)) beforeRelease(k, a['Resource']!, E_RESOURCE, owner, true);
  },
};
/** What the thread holds belongs to an owner pointer from now on. */
const passOn = {
  before(k: Kernel, a: HookArgs): void {
    const thread = k.currentThread();
    for (const record of [...chain(k, LOCK_HELD, a['Resource']!)])
      if (k.mem.readPtr(record) === a['Resource'] && R.Data.get(k.mem, record) === thread) remove(k, record);
  },
};

// ---- mutexes (KMUTEX), which are waited for like other objects ----

/** Whether a driver waits for a mutex object, and would do so for longer than no time. */
function isMutex(k: Kernel, object: number): boolean {
  return k.mem.translate(object) >= 0 && k.mem.read8(object) === MutantObject;
}
const waits: Hook = {
  before(k, a) {
    const object = a['Object'] ?? a['Mutex'] ?? 0;
    if (!calledByDriver(k) || !isMutex(k, object) || a['Timeout']) return;
    beforeAcquire(k, object, MUTEX, k.currentThread(), true);
  },
  after(k, a, value) {
    const object = a['Object'] ?? a['Mutex'] ?? 0;
    const status = returned(value);
    if ((status === 0 || status === STATUS_ABANDONED) && calledByDriver(k) && isMutex(k, object))
      acquired(k, object, MUTEX, k.currentThread());
  },
};

// ---- the cancel spin lock ----

const cancelLock = (k: Kernel): number => k.global.address('IopCancelSpinLock');
/** IoCancelIrp holds the cancel spin lock while it calls a cancel routine, which gives it back. */
export function cancelLockPassedOn(k: Kernel): void {
  acquired(k, cancelLock(k), SPIN_LOCK, lockContext(k));
}
/** The cancel spin lock is free, whoever gave it back: a driver or the kernel's own cancel routines. */
export function cancelLockReleased(k: Kernel): void {
  const record = find(k, LOCK_HELD, cancelLock(k));
  if (!record) return;
  remove(k, record);
  note(k, RELEASED, cancelLock(k), { tag: SPIN_LOCK, frames: FRAMES });
}

export const lockHooks: Hooks = {
  KeWaitForSingleObject: waits,
  KeWaitForMutexObject: waits,
  KeReleaseMutex: {
    before(k, a) {
      // Who owns it the mutex knows itself (STATUS_MUTANT_NOT_OWNED).
      if (find(k, LOCK_HELD, a['Mutex']!)) beforeRelease(k, a['Mutex']!, MUTEX, k.currentThread(), true);
    },
  },
  KeInitializeMutex: { before: (k, a) => void forget(k, LOCK, a['Mutex']!) },
  IoAcquireCancelSpinLock: {
    before(k) {
      if (calledByDriver(k)) beforeAcquire(k, cancelLock(k), SPIN_LOCK, lockContext(k), false);
    },
    after(k) {
      if (calledByDriver(k)) acquired(k, cancelLock(k), SPIN_LOCK, lockContext(k));
    },
  },
  IoCancelIrp: {
    before(k) {
      if (calledByDriver(k)) beforeAcquire(k, cancelLock(k), SPIN_LOCK, lockContext(k), false);
    },
  },
  ExAcquireFastMutex: mutexAcquire('FastMutex'),
  ExAcquireFastMutexUnsafe: mutexAcquire('FastMutex', 0x39),
  ExTryToAcquireFastMutex: mutexTry('FastMutex'),
  ExReleaseFastMutex: mutexRelease('FastMutex'),
  ExReleaseFastMutexUnsafe: mutexRelease('FastMutex', 0x3a),
  KeAcquireGuardedMutex: mutexAcquire('Mutex'),
  KeAcquireGuardedMutexUnsafe: mutexAcquire('Mutex'),
  KeTryToAcquireGuardedMutex: mutexTry('Mutex'),
  KeReleaseGuardedMutex: mutexRelease('Mutex'),
  KeReleaseGuardedMutexUnsafe: mutexRelease('Mutex'),
  KeInitializeGuardedMutex: { before: (k, a) => lockInitialized(k, a['Mutex']!) },
  ExAcquireResourceExclusiveLite: resourceAcquire('Wait', false),
  ExAcquireResourceSharedLite: resourceAcquire('Wait', false),
  ExAcquireSharedStarveExclusive: resourceAcquire('Wait', false),
  ExAcquireSharedWaitForExclusive: resourceAcquire('Wait', false),
  ExEnterCriticalRegionAndAcquireResourceExclusive: resourceAcquire(true, true),
  ExEnterCriticalRegionAndAcquireResourceShared: resourceAcquire(true, true),
  ExReleaseResourceLite: resourceRelease(false),
  ExReleaseResourceAndLeaveCriticalRegion: resourceRelease(true),
  ExReleaseResourceForThreadLite: forThread,
  ExTryToAcquireResourceExclusiveLite: resourceAcquire('Wait', false),
  ExSetResourceOwnerPointer: passOn,
  ExSetResourceOwnerPointerEx: passOn,
};

/** ERESOURCE.ActiveCount of a resource that somebody has. */
export const resourceInUse = (k: Kernel, resource: number): boolean => ERESOURCE.f.ActiveCount.get(k.mem, resource) !== 0;
