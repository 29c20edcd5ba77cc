/**
 * Reader/writer spin locks (EX_SPIN_LOCK, 32 bits): bit 31 says that a writer owns the lock or waits for the readers to leave, the rest counts readers. A writer that waits
 * keeps new readers out. Machine code, as guest code spins here. Source: the WDK page of each routine.
 */
import { R8, R9, RAX, RCX, RDX } from '../../hal/bus/cpu.ts';
import { type Assembler, mem } from '../image/asm.ts';
import { BOOLEAN, type IrqlRule, KIRQL, type NtExport, ntCode, pointer, VOID } from './declare.ts';

const EXCLUSIVE_BIT = 31,
  DISPATCH = 2;
const READERS = 0x7fffffff,
  EXCLUSIVE = -0x80000000;

const LOCK_ARG = { SpinLock: pointer('PEX_SPIN_LOCK') };
const RELEASE_ARGS = { SpinLock: pointer('PEX_SPIN_LOCK'), OldIrql: KIRQL };

const UP_TO_DISPATCH = { max: 'DISPATCH_LEVEL' } as const,
  AT_DISPATCH = { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' } as const,
  FROM_DISPATCH = { min: 'DISPATCH_LEVEL' } as const;

const code = (name: string, doc: string, irql: IrqlRule, args: Parameters<typeof ntCode>[0]['args'], returns: typeof VOID | typeof KIRQL | typeof BOOLEAN, emit: (a: Assembler) => void): NtExport =>
  ntCode({ name, doc, irql, args, returns: returns as never, cycles: 0, status: 'full', code: emit });

/** Raises the IRQL if asked to; R9 keeps the old one. Sixteen bytes at least. */
function enter(a: Assembler, raise: boolean): void {
  if (raise) {
    a.readCr8(R9);
    a.movImm(R8, DISPATCH);
    a.writeCr8(R8);
  }
  a.nop(Math.max(0, 16 - a.here));
}

function leave(a: Assembler, raised: boolean): void {
  if (raised) a.mov(RAX, R9);
  a.ret();
}

const shared = (name: string, doc: string, raise: boolean): NtExport =>
  code(name, doc, raise ? UP_TO_DISPATCH : FROM_DISPATCH, LOCK_ARG, raise ? KIRQL : VOID, a => {
    enter(a, raise);
    a.label('try');
    a.mov(RAX, mem(RCX), 4);
    a.test(RAX, RAX, 4);
    a.jcc('s', 'busy');
    a.lea(RDX, mem(RAX, 1));
    a.lockCmpxchg(mem(RCX), RDX, 4);
    a.jcc('ne', 'try');
    leave(a, raise);
    a.label('busy');
    a.pause();
    a.jmp('try');
  });

const exclusive = (name: string, doc: string, raise: boolean): NtExport =>
  code(name, doc, raise ? UP_TO_DISPATCH : FROM_DISPATCH, LOCK_ARG, raise ? KIRQL : VOID, a => {
    enter(a, raise);
    a.label('try');
    a.lockBts(mem(RCX), EXCLUSIVE_BIT, 4);
    a.jcc('b', 'busy');
    a.label('readers');
    a.testImm(mem(RCX), READERS, 4);
    a.jcc('ne', 'wait');
    leave(a, raise);
    a.label('wait');
    a.pause();
    a.jmp('readers');
    a.label('busy');
    a.pause();
    a.cmpImm(mem(RCX), 0, 4);
    a.jcc('s', 'busy');
    a.jmp('try');
  });

/** A lock that changes from one value to another, if it has the first. */
const attempt = (name: string, doc: string, irql: IrqlRule, from: number, to: number): NtExport =>
  code(name, doc, irql, LOCK_ARG, BOOLEAN, a => {
    a.movImm(RAX, from);
    a.movImm(RDX, to);
    a.nop(Math.max(0, 16 - a.here));
    a.lockCmpxchg(mem(RCX), RDX, 4);
    a.setcc('e', RAX);
    a.movzx(RAX, RAX, 1);
    a.ret();
  });

const release = (name: string, doc: string, isExclusive: boolean, restore: boolean): NtExport =>
  code(name, doc, restore ? AT_DISPATCH : FROM_DISPATCH, restore ? RELEASE_ARGS : LOCK_ARG, VOID, a => {
    if (restore) a.movzx(RDX, RDX, 1);
    a.nop(Math.max(0, 16 - a.here));
    if (isExclusive) a.movImm(mem(RCX), 0, 4);
    else a.lockAluImm('sub', mem(RCX), 1, 4);
    if (restore) a.writeCr8(RDX);
    a.ret();
  });

export const spinLockExports: NtExport[] = [
  shared('ExAcquireSpinLockShared', 'Raises the IRQL to DISPATCH_LEVEL, acquires a spin lock for shared access and returns the previous IRQL.', true),
  shared('ExAcquireSpinLockSharedAtDpcLevel', 'Acquires a spin lock for shared access at DISPATCH_LEVEL or above.', false),
  exclusive('ExAcquireSpinLockExclusive', 'Raises the IRQL to DISPATCH_LEVEL, acquires a spin lock for exclusive access and returns the previous IRQL.', true),
  exclusive('ExAcquireSpinLockExclusiveAtDpcLevel', 'Acquires a spin lock for exclusive access at DISPATCH_LEVEL or above.', false),
  release('ExReleaseSpinLockShared', 'Releases a spin lock that was acquired for shared access and restores the IRQL.', false, true),
  release('ExReleaseSpinLockSharedFromDpcLevel', 'Releases a spin lock that was acquired for shared access and leaves the IRQL as it is.', false, false),
  release('ExReleaseSpinLockExclusive', 'Releases a spin lock that was acquired for exclusive access and restores the IRQL.', true, true),
  release('ExReleaseSpinLockExclusiveFromDpcLevel', 'Releases a spin lock that was acquired for exclusive access and leaves the IRQL as it is.', true, false),
  attempt('ExTryConvertSharedSpinLockExclusive', 'Turns shared access to a spin lock into exclusive access if the caller alone has it.', AT_DISPATCH, 1, EXCLUSIVE),
  attempt('ExTryAcquireSpinLockExclusiveAtDpcLevel', 'Acquires a spin lock for exclusive access if it is free.', FROM_DISPATCH, 0, EXCLUSIVE),
  code('ExTryAcquireSpinLockSharedAtDpcLevel', 'Acquires a spin lock for shared access if no writer has it or waits for it.', FROM_DISPATCH, LOCK_ARG, BOOLEAN, a => {
    a.nop(16);
    a.label('try');
    a.mov(RAX, mem(RCX), 4);
    a.test(RAX, RAX, 4);
    a.jcc('s', 'busy');
    a.lea(RDX, mem(RAX, 1));
    a.lockCmpxchg(mem(RCX), RDX, 4);
    a.jcc('ne', 'try');
    a.movImm(RAX, 1);
    a.ret();
    a.label('busy');
    a.movImm(RAX, 0);
    a.ret();
  }),
];
