/** Run-down protection and push locks. Source: WDK, "Run-down protection"; ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { KEVENT } from '../types/ke.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { ptr, struct, u32, u64 } from '../types/struct.ts';
import { BOOLEAN, type NtExport, ntExport, ntSteps, pointer, ret, ULONG, VOID, wait } from './declare.ts';

const PEX_RUNDOWN_REF = pointer('PEX_RUNDOWN_REF'),
  PEX_PUSH_LOCK = pointer('PEX_PUSH_LOCK');
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

const rundown: NtExport[] = [
  ntExport({
    name: 'ExInitializeRundownProtection',
    doc: 'Makes an object protectable.',
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
    irql: DISPATCH,
    args: { RunRef: PEX_RUNDOWN_REF },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl: (k, a) => k.mem.write64(a.RunRef, ACTIVE),
  }),
  ntSteps({
    name: 'ExWaitForRundownProtectionRelease',
    doc: 'Begins the run-down of an object: no new protection, and waits until the old ones have ended.',
    irql: PASSIVE,
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
        const block = f.get('Block'),
          event = block + RUNDOWN_BLOCK.f.WakeEvent.offset;
        RUNDOWN_BLOCK.f.Count.set(k.mem, block, value / REFERENCE);
        keInitializeEvent(k, event, 1, false);
        k.mem.writePtr(a.RunRef, block + 1);
        keWait(k, [event]);
        return wait('over');
      },
      over: (k, _f, _rax, a) => {
        k.mem.write64(a.RunRef, ACTIVE);
        return ret();
      },
    },
  }),
];

/** EX_PUSH_LOCK: bit 0 owned, bit 1 somebody waits, sharers counted from bit 4. Who waits has a block on its stack, in one list for all locks. */
const LOCKED = 1n,
  WAITING = 2n,
  SHARER = 16n;
const PUSH_BLOCK = struct('_EX_PUSH_LOCK_WAIT_BLOCK', { Link: LIST_ENTRY, Lock: ptr, Exclusive: u32, WakeEvent: KEVENT });
const B = PUSH_BLOCK.f;

const waitersOf = (k: Kernel, lock: number): number[] =>
  [...listEntries(k.mem, k.global.address('ExpPushLockWaiters'))].filter(b => B.Lock.get(k.mem, b) === lock);

/** Gives a free lock to the first that waits, or to all that want to share up to the first that does not. */
function grantPushLock(k: Kernel, lock: number): void {
  let value = 0n;
  const waiters = waitersOf(k, lock);
  while (waiters.length) {
    const block = waiters[0]!;
    const exclusive = B.Exclusive.get(k.mem, block) !== 0;
    if (exclusive && value !== 0n) break;
    waiters.shift();
    removeEntryList(k.mem, block);
    value = exclusive ? LOCKED : (value | LOCKED) + SHARER;
    keSetEvent(k, block + B.WakeEvent.offset, 0);
    if (exclusive) break;
  }
  k.mem.write64(lock, waiters.length ? value | WAITING : value);
}

const acquirePush = (name: string, exclusive: boolean, flags: boolean): NtExport =>
  ntSteps({
    name,
    doc: `Acquires a push lock for ${exclusive ? 'exclusive' : 'shared'} use.`,
    irql: APC,
    args: flags ? { PushLock: PEX_PUSH_LOCK, Flags: ULONG } : { PushLock: PEX_PUSH_LOCK },
    returns: VOID,
    cycles: 30,
    status: 'full',
    frame: { Block: PUSH_BLOCK },
    steps: {
      start(k, f) {
        const lock = Number(BigInt.asIntN(64, k.arg(0)));
        const value = k.mem.read64(lock);
        if (value === 0n || (!exclusive && !(value & WAITING) && value >= SHARER)) {
          k.mem.write64(lock, exclusive ? LOCKED : (value | LOCKED) + SHARER);
          return ret();
        }
        const block = f.get('Block');
        B.Lock.set(k.mem, block, lock);
        B.Exclusive.set(k.mem, block, exclusive ? 1 : 0);
        keInitializeEvent(k, block + B.WakeEvent.offset, 1, false);
        insertTailList(k.mem, k.global.address('ExpPushLockWaiters'), block);
        k.mem.write64(lock, value | WAITING);
        keWait(k, [block + B.WakeEvent.offset]);
        return wait('acquired');
      },
      acquired: () => ret(),
    },
  });

function releasePush(k: Kernel, lock: number): void {
  const value = k.mem.read64(lock);
  const left = value >= SHARER ? value - SHARER : value & WAITING;
  if (left >= SHARER) k.mem.write64(lock, left);
  else if (value & WAITING) grantPushLock(k, lock);
  else k.mem.write64(lock, 0n);
}

const releasePushExport = (name: string, flags: boolean): NtExport =>
  ntExport({
    name,
    doc: 'Releases a push lock.',
    irql: APC,
    args: flags ? { PushLock: PEX_PUSH_LOCK, Flags: ULONG } : { PushLock: PEX_PUSH_LOCK },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, a) => releasePush(k, a.PushLock as number),
  });

const pushLocks: NtExport[] = [
  ntExport({
    name: 'ExInitializePushLock',
    doc: 'Initializes a push lock.',
    irql: DISPATCH,
    args: { PushLock: PEX_PUSH_LOCK },
    returns: VOID,
    cycles: 8,
    status: 'full',
    impl: (k, a) => k.mem.write64(a.PushLock, 0n),
  }),
  acquirePush('ExAcquirePushLockExclusiveEx', true, true),
  acquirePush('ExAcquirePushLockSharedEx', false, true),
  acquirePush('ExfAcquirePushLockExclusive', true, false),
  acquirePush('ExfAcquirePushLockShared', false, false),
  releasePushExport('ExReleasePushLockExclusiveEx', true),
  releasePushExport('ExReleasePushLockSharedEx', true),
  releasePushExport('ExReleasePushLockEx', true),
  releasePushExport('ExfReleasePushLock', false),
  releasePushExport('ExfReleasePushLockExclusive', false),
  releasePushExport('ExfReleasePushLockShared', false),
];

export const rundownExports: NtExport[] = [...rundown, ...pushLocks];
