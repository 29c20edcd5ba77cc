/** Push locks. Source: the WDK pages of ExInitializePushLock and its family; ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { KEVENT } from '../types/ke.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { BOOLEAN, type NtExport, ntExport, ntSteps, pointer, PVOID, ret, ULONG, VOID, wait } from './declare.ts';

const PEX_PUSH_LOCK = pointer('PEX_PUSH_LOCK');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const;

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

/** A free lock, or for sharing one that is shared and for which nobody waits, is taken at once. */
function tryPush(k: Kernel, lock: number, exclusive: boolean): boolean {
  const value = k.mem.read64(lock);
  if (value !== 0n && (exclusive || (value & WAITING) !== 0n || value < SHARER)) return false;
  k.mem.write64(lock, exclusive ? LOCKED : (value | LOCKED) + SHARER);
  return true;
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
        if (tryPush(k, lock, exclusive)) return ret();
        const value = k.mem.read64(lock);
        const block = f.address('Block');
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

const tryPushExport = (name: string, exclusive: boolean, flags: boolean): NtExport =>
  ntExport({
    name,
    doc: `Acquires a push lock for ${exclusive ? 'exclusive' : 'shared'} use if that is possible at once.`,
    irql: APC,
    args: flags ? { PushLock: PEX_PUSH_LOCK, Flags: ULONG } : { PushLock: PEX_PUSH_LOCK },
    returns: BOOLEAN,
    cycles: 30,
    status: 'full',
    impl: (k, a) => tryPush(k, a.PushLock as number, exclusive),
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
  tryPushExport('ExTryAcquirePushLockExclusiveEx', true, true),
  tryPushExport('ExTryAcquirePushLockSharedEx', false, true),
  tryPushExport('ExfTryAcquirePushLockShared', false, false),
  acquirePush('ExfAcquirePushLockExclusive', true, false),
  acquirePush('ExfAcquirePushLockShared', false, false),
  releasePushExport('ExReleasePushLockExclusiveEx', true),
  releasePushExport('ExReleasePushLockSharedEx', true),
  releasePushExport('ExReleasePushLockEx', true),
  releasePushExport('ExfReleasePushLock', false),
  releasePushExport('ExfReleasePushLockExclusive', false),
  releasePushExport('ExfReleasePushLockShared', false),
];

/** What ExBlockPushLock queues: the caller waits until somebody unblocks the address, as another use of a push lock's word. */
const BLOCKS = struct('_EX_PUSH_LOCK_BLOCK', { Link: LIST_ENTRY, Address: ptr, Signaled: u32, WakeEvent: KEVENT });
const K = BLOCKS.f;

const blocked: NtExport[] = [
  ntExport({
    name: 'ExBlockPushLock',
    doc: "Announces that the caller is going to wait at a push lock until it is unblocked; the block is the caller's.",
    irql: APC,
    args: { PushLock: PEX_PUSH_LOCK, WaitBlock: PVOID },
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl(k, a) {
      K.Address.set(k.mem, a.WaitBlock, a.PushLock);
      K.Signaled.set(k.mem, a.WaitBlock, 0);
      keInitializeEvent(k, a.WaitBlock + K.WakeEvent.offset, 1, false);
      insertTailList(k.mem, k.global.address('ExpPushLockBlocks'), a.WaitBlock);
    },
  }),
  ntExport({
    name: 'ExfUnblockPushLock',
    doc: 'Wakes the caller of ExBlockPushLock whose block is given, or all that wait at the push lock.',
    irql: APC,
    args: { PushLock: PEX_PUSH_LOCK, WaitBlock: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, { PushLock, WaitBlock }) {
      for (const block of [...listEntries(k.mem, k.global.address('ExpPushLockBlocks'))]) {
        if (WaitBlock === 0 ? K.Address.get(k.mem, block) !== PushLock : block !== WaitBlock) continue;
        removeEntryList(k.mem, block);
        K.Signaled.set(k.mem, block, 1);
        keSetEvent(k, block + K.WakeEvent.offset, 0);
      }
    },
  }),
  ntExport({
    name: 'ExWaitForUnblockPushLock',
    doc: 'Waits until ExfUnblockPushLock has woken the block that ExBlockPushLock announced.',
    irql: APC,
    args: { PushLock: PEX_PUSH_LOCK, WaitBlock: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl: (k, { WaitBlock }) => (keWait(k, [WaitBlock + K.WakeEvent.offset]) === 'blocked' ? wait() : undefined),
  }),
];

export const pushLockExports: NtExport[] = [...pushLocks, ...blocked];
