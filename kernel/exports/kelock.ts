/** Spin locks, IRQL and stalls: machine code, because guest code holds these locks and spins on them with the processor's own instructions. */
import { R8, RAX, RCX, RDX } from '../../hal/bus/cpu.ts';
import { type Assembler, gs, mem } from '../image/asm.ts';
import { KPCR } from '../types/prcb.ts';
import { KINTERRUPT } from '../types/ke.ts';
import { type CodeExport, KIRQL, type NtExport, ntCode, pointer, ULONG, VOID, BOOLEAN } from './declare.ts';

const PKSPIN_LOCK = pointer('PKSPIN_LOCK');
const PKINTERRUPT = pointer('PKINTERRUPT');
const I = KINTERRUPT.f;

const UP_TO_DISPATCH = { irql: { max: 'DISPATCH_LEVEL' } } as const,
  AT_DISPATCH = { irql: { min: 'DISPATCH_LEVEL' } } as const,
  TO_SYNCH = { irql: { max: 12 } } as const;

const code = (name: string, doc: string, args: Parameters<typeof ntCode>[0]['args'], returns: typeof VOID | typeof KIRQL | typeof BOOLEAN, emit: (a: Assembler) => void, more: Pick<CodeExport, 'irql' | 'module'> = {}): NtExport =>
  ntCode({ name, doc, args, returns: returns as never, cycles: 0, status: 'full', code: emit, ...more });

/** Sets bit 0 of the quadword at [lock] when it is clear, else spins with PAUSE, reading only, until it looks free. */
function spin(a: Assembler, lock: number): void {
  a.label('try');
  a.lockBts(mem(lock), 0);
  a.jcc('b', 'busy');
  a.ret();
  a.label('busy');
  a.pause();
  a.testImm(mem(lock), 1, 1);
  a.jcc('ne', 'busy');
  a.jmp('try');
}

/** RAX = CR8, CR8 = level. Sixteen bytes at least, without a branch target in them. */
function raise(a: Assembler, level: number): void {
  a.readCr8(RAX);
  a.movImm(R8, level);
  a.writeCr8(R8);
  a.nop(Math.max(0, 16 - a.here));
}

const release = (a: Assembler, lock: number): void => a.movImm(mem(lock), 0);

export const exports: NtExport[] = [
  code('KeInitializeSpinLock', 'Initializes a spin lock: not held.', { SpinLock: PKSPIN_LOCK }, VOID, a => {
    release(a, RCX);
    a.nop(9);
    a.ret();
  }),
  code('KeAcquireSpinLockRaiseToDpc', 'Raises the IRQL to DISPATCH_LEVEL, acquires a spin lock and returns the previous IRQL.', { SpinLock: PKSPIN_LOCK }, KIRQL, a => {
    raise(a, 2);
    spin(a, RCX);
  }, UP_TO_DISPATCH),
  code('KeAcquireSpinLockRaiseToSynch', 'Raises the IRQL to the synchronization level (12), acquires a spin lock and returns the previous IRQL.', { SpinLock: PKSPIN_LOCK }, KIRQL, a => {
    raise(a, 12);
    spin(a, RCX);
  }, TO_SYNCH),
  code('KeAcquireSpinLock', 'Raises the IRQL to DISPATCH_LEVEL, acquires a spin lock and stores the previous IRQL.', { SpinLock: PKSPIN_LOCK, OldIrql: pointer('PKIRQL') }, VOID, a => {
    a.readCr8(RAX);
    a.mov(mem(RDX), RAX, 1);
    a.movImm(R8, 2);
    a.writeCr8(R8);
    spin(a, RCX);
  }, UP_TO_DISPATCH),
  code('KeReleaseSpinLock', 'Releases a spin lock and restores the IRQL.', { SpinLock: PKSPIN_LOCK, NewIrql: KIRQL }, VOID, a => {
    release(a, RCX);
    a.movzx(RAX, RDX, 1);
    a.writeCr8(RAX);
    a.nop(2);
    a.ret();
  }, AT_DISPATCH),
  code('KeAcquireSpinLockAtDpcLevel', 'Acquires a spin lock; the caller runs at DISPATCH_LEVEL or above already.', { SpinLock: PKSPIN_LOCK }, VOID, a => {
    a.nop(16);
    spin(a, RCX);
  }, AT_DISPATCH),
  code('KeReleaseSpinLockFromDpcLevel', 'Releases a spin lock and leaves the IRQL as it is.', { SpinLock: PKSPIN_LOCK }, VOID, a => {
    release(a, RCX);
    a.nop(9);
    a.ret();
  }, AT_DISPATCH),
  code('KeTryToAcquireSpinLockAtDpcLevel', 'Acquires a spin lock if it is free and says whether it did.', { SpinLock: PKSPIN_LOCK }, BOOLEAN, a => {
    a.lockBts(mem(RCX), 0);
    a.setcc('ae', RAX);
    a.nop(8);
    a.ret();
  }, AT_DISPATCH),
  code('KeTestSpinLock', 'TRUE if the spin lock is free.', { SpinLock: PKSPIN_LOCK }, BOOLEAN, a => {
    a.cmpImm(mem(RCX), 0);
    a.setcc('e', RAX);
    a.nop(9);
    a.ret();
  }),
  code('KeAcquireSpinLockForDpc', 'Acquires a spin lock in a DPC that may be threaded: raises the IRQL to DISPATCH_LEVEL and returns the previous one.', { SpinLock: PKSPIN_LOCK }, KIRQL, a => {
    raise(a, 2);
    spin(a, RCX);
  }, UP_TO_DISPATCH),
  code('KeReleaseSpinLockForDpc', 'Releases a spin lock that KeAcquireSpinLockForDpc acquired.', { SpinLock: PKSPIN_LOCK, OldIrql: KIRQL }, VOID, a => {
    release(a, RCX);
    a.movzx(RAX, RDX, 1);
    a.writeCr8(RAX);
    a.nop(2);
    a.ret();
  }, AT_DISPATCH),
  code('KeAcquireInterruptSpinLock', "Raises the IRQL to an interrupt's DIRQL, acquires its spin lock and returns the previous IRQL.", { Interrupt: PKINTERRUPT }, KIRQL, a => {
    a.readCr8(RAX);
    a.movzx(R8, mem(RCX, I.SynchronizeIrql.offset), 1);
    a.writeCr8(R8);
    a.mov(RCX, mem(RCX, I.ActualLock.offset));
    spin(a, RCX);
  }, { irql: { when: (a, k) => ({ max: I.SynchronizeIrql.get(k.mem, (a as { Interrupt: number }).Interrupt) }) } }),
  code('KeReleaseInterruptSpinLock', "Releases an interrupt's spin lock and restores the IRQL.", { Interrupt: PKINTERRUPT, OldIrql: KIRQL }, VOID, a => {
    a.mov(RCX, mem(RCX, I.ActualLock.offset));
    release(a, RCX);
    a.movzx(RAX, RDX, 1);
    a.writeCr8(RAX);
    a.ret();
  }),
  code('KeGetCurrentIrql', 'Returns the current IRQL.', {}, KIRQL, a => {
    a.readCr8(RAX);
    a.nop(12);
    a.ret();
  }),
  code('KfRaiseIrql', 'Raises the IRQL and returns the previous one.', { NewIrql: KIRQL }, KIRQL, a => {
    a.readCr8(RAX);
    a.movzx(RCX, RCX, 1);
    a.writeCr8(RCX);
    a.nop(5);
    a.ret();
  }),
  code('KeRaiseIrqlToDpcLevel', 'Raises the IRQL to DISPATCH_LEVEL and returns the previous one.', {}, KIRQL, a => {
    raise(a, 2);
    a.ret();
  }, UP_TO_DISPATCH),
  ...(['KeLowerIrql', 'KfLowerIrql'] as const).map(name =>
    code(name, 'Lowers the IRQL to what it was before it was raised.', { NewIrql: KIRQL }, VOID, a => {
      a.movzx(RCX, RCX, 1);
      a.writeCr8(RCX);
      a.nop(9);
      a.ret();
    }),
  ),
  code(
    'KeStallExecutionProcessor',
    'Keeps the processor busy for a number of microseconds, by the time stamp counter.',
    { MicroSeconds: ULONG },
    VOID,
    a => {
      // RCX = microseconds * cycles a microsecond; R8 = start.
      a.mov(RCX, RCX, 4);
      a.mov(RAX, gs(KPCR.f.StallScaleFactor.offset), 4);
      a.mul(RCX);
      a.mov(RCX, RAX);
      a.rdtsc();
      a.shl(RDX, 32);
      a.or(RAX, RDX);
      a.mov(R8, RAX);
      a.label('wait');
      a.pause();
      a.rdtsc();
      a.shl(RDX, 32);
      a.or(RAX, RDX);
      a.sub(RAX, R8);
      a.cmp(RAX, RCX);
      a.jcc('b', 'wait');
      a.ret();
    },
    { module: 'hal.dll' },
  ),
];
