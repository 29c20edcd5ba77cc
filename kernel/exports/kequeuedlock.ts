/**
 * Queued spin locks: who waits stands in a line and spins on its own entry, so the lock passes on in the order of arrival. The lock's word is the address of the last entry of the line,
 * 0 when it is free; bit 0 of an entry's Lock says that it still waits. Machine code, as guest code spins here. Source: WDK, "Queued Spin Locks".
 */
import { R8, R9, RAX, RCX, RDX } from '../../hal/bus/cpu.ts';
import { type Assembler, gs, mem } from '../image/asm.ts';
import { PRCB_OFFSET } from '../mm/layout.ts';
import { KLOCK_QUEUE_HANDLE, KSPIN_LOCK_QUEUE } from '../types/ke.ts';
import { KPCR, KPRCB } from '../types/prcb.ts';
import { BOOLEAN, type IrqlRule, KIRQL, type NtExport, ntCode, pointer, ULONG, VOID } from './declare.ts';

const NEXT = KSPIN_LOCK_QUEUE.f.Next.offset,
  LOCK = KSPIN_LOCK_QUEUE.f.Lock.offset,
  OLD_IRQL = KLOCK_QUEUE_HANDLE.f.OldIrql.offset;
const DISPATCH = 2,
  SYNCH = 12;
const WAITING = 1;

const pad = (a: Assembler): void => a.nop(Math.max(0, 16 - a.here));

/** RDX is the entry, RCX the lock: gets in line and spins until the entry is first. Returns with RAX from R9 if `irql`. */
function enterLine(a: Assembler, irql: boolean): void {
  a.mov(RAX, RDX);
  a.xchg(mem(RCX), RAX);
  a.test(RAX, RAX);
  a.jcc('ne', 'line');
  if (irql) a.mov(RAX, R9);
  a.ret();
  a.label('line');
  a.orImm(mem(RDX, LOCK), WAITING);
  a.mov(mem(RAX, NEXT), RDX);
  a.label('spin');
  a.pause();
  a.testImm(mem(RDX, LOCK), WAITING, 1);
  a.jcc('ne', 'spin');
  if (irql) a.mov(RAX, R9);
  a.ret();
}

/** RCX is the entry that is first: the lock passes to the next, or is free. Leaves RCX as it is. */
function leaveLine(a: Assembler): void {
  a.mov(RDX, mem(RCX, LOCK));
  a.mov(RAX, RCX);
  a.movImm(R8, 0);
  pad(a);
  a.cmpImm(mem(RCX, NEXT), 0);
  a.jcc('ne', 'pass');
  a.lockCmpxchg(mem(RDX), R8);
  a.jcc('e', 'left');
  // Somebody has made itself the last and is about to say so here.
  a.label('linking');
  a.pause();
  a.label('pass');
  a.mov(R8, mem(RCX, NEXT));
  a.test(R8, R8);
  a.jcc('e', 'linking');
  a.movImm(mem(RCX, NEXT), 0);
  a.andImm(mem(R8, LOCK), ~WAITING);
  a.label('left');
}

const PKSPIN_LOCK = pointer('PKSPIN_LOCK'),
  PKLOCK_QUEUE_HANDLE = pointer('PKLOCK_QUEUE_HANDLE');

const code = (name: string, doc: string, args: Parameters<typeof ntCode>[0]['args'], returns: typeof VOID | typeof KIRQL | typeof BOOLEAN, emit: (a: Assembler) => void, irql: IrqlRule = {}): NtExport =>
  ntCode({ name, doc, irql, args, returns: returns as never, cycles: 0, status: 'full', code: emit });

/** `level`: the IRQL to raise to, kept in the handle; else the caller runs at DISPATCH_LEVEL or above. */
const acquire = (name: string, doc: string, level: number | null): NtExport =>
  code(name, doc, { SpinLock: PKSPIN_LOCK, LockHandle: PKLOCK_QUEUE_HANDLE }, VOID, a => {
    a.mov(mem(RDX, LOCK), RCX);
    a.movImm(mem(RDX, NEXT), 0);
    if (level !== null) {
      a.readCr8(RAX);
      a.mov(mem(RDX, OLD_IRQL), RAX, 1);
      a.movImm(R8, level);
      a.writeCr8(R8);
    }
    pad(a);
    enterLine(a, false);
  }, level === null ? { min: 'DISPATCH_LEVEL' } : { max: level === DISPATCH ? 'DISPATCH_LEVEL' : level });

const release = (name: string, doc: string, restore: boolean): NtExport =>
  code(name, doc, { LockHandle: PKLOCK_QUEUE_HANDLE }, VOID, a => {
    leaveLine(a);
    if (restore) {
      a.movzx(RAX, mem(RCX, OLD_IRQL), 1);
      a.writeCr8(RAX);
    }
    a.ret();
  }, { min: 'DISPATCH_LEVEL' });

const LOCK_QUEUE = PRCB_OFFSET + KPRCB.f.LockQueue.offset;

/** RCX is the number of a lock of the system's: RDX = this processor's entry for it, RCX = the lock. */
function numbered(a: Assembler): void {
  a.mov(RCX, RCX, 4);
  a.shl(RCX, 4);
  a.mov(RDX, gs(KPCR.f.Self.offset));
  a.lea(RDX, mem(RDX, LOCK_QUEUE, RCX));
}

const NUMBER = { Number: ULONG };

const acquireNumbered = (name: string, doc: string, level: number): NtExport =>
  code(name, doc, NUMBER, KIRQL, a => {
    a.readCr8(RAX);
    a.mov(R9, RAX);
    a.movImm(R8, level);
    a.writeCr8(R8);
    pad(a);
    numbered(a);
    a.mov(RCX, mem(RDX, LOCK));
    enterLine(a, true);
  });

const tryNumbered = (name: string, doc: string, level: number): NtExport =>
  code(name, doc, { Number: ULONG, OldIrql: pointer('PKIRQL') }, BOOLEAN, a => {
    a.mov(R9, RDX);
    a.readCr8(RAX);
    a.mov(mem(R9), RAX, 1);
    a.movImm(R8, level);
    a.writeCr8(R8);
    pad(a);
    numbered(a);
    a.mov(RCX, mem(RDX, LOCK));
    a.movImm(RAX, 0);
    a.lockCmpxchg(mem(RCX), RDX);
    a.jcc('ne', 'busy');
    a.movImm(RAX, 1);
    a.ret();
    a.label('busy');
    a.movzx(RAX, mem(R9), 1);
    a.writeCr8(RAX);
    a.movImm(RAX, 0);
    a.ret();
  });

export const exports: NtExport[] = [
  acquire('KeAcquireInStackQueuedSpinLock', 'Raises the IRQL to DISPATCH_LEVEL and acquires a queued spin lock, keeping its state in the handle.', DISPATCH),
  acquire('KeAcquireInStackQueuedSpinLockRaiseToSynch', 'Raises the IRQL to the synchronization level and acquires a queued spin lock.', SYNCH),
  acquire('KeAcquireInStackQueuedSpinLockAtDpcLevel', 'Acquires a queued spin lock at DISPATCH_LEVEL or above.', null),
  acquire('KeAcquireInStackQueuedSpinLockForDpc', 'Acquires a queued spin lock in a DPC that may be threaded.', DISPATCH),
  release('KeReleaseInStackQueuedSpinLock', 'Releases a queued spin lock and restores the IRQL.', true),
  release('KeReleaseInStackQueuedSpinLockForDpc', 'Releases a queued spin lock that was acquired for a DPC.', true),
  release('KeReleaseInStackQueuedSpinLockFromDpcLevel', 'Releases a queued spin lock and leaves the IRQL as it is.', false),
  acquireNumbered('KeAcquireQueuedSpinLock', "Raises the IRQL to DISPATCH_LEVEL, acquires one of the system's queued spin locks by number and returns the previous IRQL.", DISPATCH),
  acquireNumbered('KeAcquireQueuedSpinLockRaiseToSynch', "Raises the IRQL to the synchronization level, acquires one of the system's queued spin locks and returns the previous IRQL.", SYNCH),
  tryNumbered('KeTryToAcquireQueuedSpinLock', "Acquires one of the system's queued spin locks at DISPATCH_LEVEL if it is free; else the IRQL stays.", DISPATCH),
  tryNumbered('KeTryToAcquireQueuedSpinLockRaiseToSynch', "Acquires one of the system's queued spin locks at the synchronization level if it is free; else the IRQL stays.", SYNCH),
  code('KeReleaseQueuedSpinLock', "Releases one of the system's queued spin locks and sets the IRQL.", { Number: ULONG, OldIrql: KIRQL }, VOID, a => {
    a.movzx(R9, RDX, 1);
    pad(a);
    numbered(a);
    a.mov(RCX, RDX);
    leaveLine(a);
    a.writeCr8(R9);
    a.ret();
  }),
];
