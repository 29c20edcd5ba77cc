/**
 * What a driver's imports of the spin lock and IRQL routines are bound to when the verifier runs: these are machine code, which no gate sees, so each gets a routine before
 * it that looks at the rule and then calls it. (NT does the same with all the routines that it verifies.) Without the verifier nothing of this is on the way.
 */
import { spinLockExports } from '../exports/exspinlock.ts';
import { exports as lockExports } from '../exports/kelock.ts';
import { call, type CodeExport, KIRQL, type NtExport, ntSteps, pointer, ret, VOID } from '../exports/declare.ts';
import { isFreezing } from '../ke/bugcheck.ts';
import type { Kernel } from '../kernel.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION as C4 } from '../types/bugcodes.ts';
import { KLOCK_QUEUE_HANDLE } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { ptr } from '../types/struct.ts';
import { acquired, beforeAcquire, beforeRelease, lockContext, lockInitialized, SPIN_LOCK } from './lock.ts';
import { brokenIrqlRule, irqlViolation } from './irql.ts';
import { IRQL_RAISED, note } from './state.ts';

const PKSPIN_LOCK = pointer('PKSPIN_LOCK'),
  PKLOCK_QUEUE_HANDLE = pointer('PKLOCK_QUEUE_HANDLE');
const DISPATCH_LEVEL = 2,
  SYNCH_LEVEL = 12;

interface Thunk {
  name: string;
  args: { readonly [name: string]: typeof PKSPIN_LOCK };
  before(k: Kernel, first: number, second: number): void;
  /** `context`: who took the lock, as it was before the IRQL was raised. */
  after?(k: Kernel, first: number, context: number, result: number): void;
}

const thunk = (t: Thunk): NtExport =>
  ntSteps({
    name: `Vf${t.name}`,
    internal: true,
    doc: `${t.name} as a driver under the verifier calls it: the rule is looked at first.`,
    args: t.args,
    returns: VOID,
    cycles: 20,
    status: 'full',
    frame: { Context: ptr },
    steps: {
      start(k, f, _rax, a) {
        const [first = 0, second = 0] = Object.values(a) as number[];
        f.set('Context', lockContext(k));
        t.before(k, first, second);
        return call(k.address(`nt!${t.name}`), Object.values(a) as number[], 'done');
      },
      done(k, f, rax, a) {
        const result = k.rax64();
        t.after?.(k, (Object.values(a) as number[])[0] ?? 0, f.get('Context'), rax);
        return ret(result);
      },
    },
  });

const rule = (k: Kernel, broken: boolean, subcode: number, p3: number, p4: number, text: string): void => {
  if (broken) k.bugCheck(C4, subcode, k.irql, p3, p4, `${text}; the IRQL is ${k.irql}`);
};

const raising = (name: string, limit: number, args: Thunk['args']): NtExport =>
  thunk({
    name,
    args,
    before(k, lock) {
      rule(k, k.irql > limit, 0x42, lock, 0, `${name} was called above the level that it raises to`);
      beforeAcquire(k, lock, SPIN_LOCK, lockContext(k), false);
    },
    after: (k, lock, context) => acquired(k, lock, SPIN_LOCK, context),
  });

const atDpcLevel = (name: string, args: Thunk['args']): NtExport =>
  thunk({
    name,
    args,
    before(k, lock) {
      rule(k, k.irql < DISPATCH_LEVEL, 0x40, lock, 0, `${name} must be called at DISPATCH_LEVEL or above`);
      beforeAcquire(k, lock, SPIN_LOCK, lockContext(k), false);
    },
    after: (k, lock, context) => acquired(k, lock, SPIN_LOCK, context),
  });

const releasing = (name: string, args: Thunk['args'], lockOf: (k: Kernel, first: number) => number = (_k, at) => at): NtExport =>
  thunk({
    name,
    args,
    before(k, first, oldIrql) {
      const lock = lockOf(k, first);
      // SYNCH_LEVEL: the routines that raise to it have no others to release with.
      rule(k, k.irql !== DISPATCH_LEVEL && k.irql !== SYNCH_LEVEL, 0x32, lock, 0, `${name} must be called at DISPATCH_LEVEL`);
      rule(
        k,
        args['OldIrql'] !== undefined && (oldIrql & 0xff) > k.irql,
        0x31,
        oldIrql & 0xff,
        0,
        `${name} was given a higher IRQL than the current one to go back to`,
      );
      beforeRelease(k, lock, SPIN_LOCK, 0, true);
    },
  });

const releasingFromDpc = (
  name: string,
  args: Thunk['args'],
  lockOf: (k: Kernel, first: number) => number = (_k, at) => at,
): NtExport =>
  thunk({
    name,
    args,
    before(k, first) {
      const lock = lockOf(k, first);
      rule(k, k.irql < DISPATCH_LEVEL, 0x41, lock, 0, `${name} must be called at DISPATCH_LEVEL or above`);
      beforeRelease(k, lock, SPIN_LOCK, 0, true);
    },
  });

const LOCK_ARG = { SpinLock: PKSPIN_LOCK };
const LOCK_AND_IRQL = { SpinLock: PKSPIN_LOCK, OldIrql: KIRQL as unknown as typeof PKSPIN_LOCK };
const QUEUED = { SpinLock: PKSPIN_LOCK, LockHandle: PKLOCK_QUEUE_HANDLE };
const HANDLE = { LockHandle: PKLOCK_QUEUE_HANDLE };
const lockOfHandle = (k: Kernel, handle: number): number => k.mem.readPtr(handle + KLOCK_QUEUE_HANDLE.f.LockQueue.offset + 8);

const raise = (name: string, to: (argument: number) => number, args: Thunk['args']): NtExport =>
  thunk({
    name,
    args,
    before(k, argument) {
      const wanted = to(argument);
      if (wanted < k.irql || wanted > 15)
        k.bugCheck(
          C4,
          0x30,
          k.irql,
          wanted,
          0,
          `${name} was asked to go to IRQL ${wanted}; the IRQL is ${k.irql}, and it only raises`,
        );
      note(k, IRQL_RAISED, k.currentThread(), { size: wanted, flags: k.irql, frames: 6 });
    },
  });

const lower = (name: string): NtExport =>
  thunk({
    name,
    args: { NewIrql: KIRQL as unknown as typeof PKSPIN_LOCK },
    before(k, wanted) {
      if (wanted > k.irql)
        k.bugCheck(
          C4,
          0x31,
          k.irql,
          wanted,
          0,
          `${name} was asked to go to IRQL ${wanted}; the IRQL is ${k.irql}, and it only lowers`,
        );
      if (KPRCB.f.DpcRoutineActive.get(k.mem, k.prcb) !== 0 && wanted < DISPATCH_LEVEL)
        k.bugCheck(
          C4,
          0x31,
          k.irql,
          wanted,
          1,
          `${name} was asked to go to IRQL ${wanted} in a DPC routine, which runs at DISPATCH_LEVEL`,
        );
    },
  });

/** Machine code whose declaration states its IRQL rule. */
const declared = (e: CodeExport): NtExport =>
  thunk({
    name: e.name,
    args: e.args as Thunk['args'],
    before(k, first, second) {
      const [a = 'SpinLock', b = 'OldIrql'] = Object.keys(e.args);
      const args = { [a]: first, [b]: second };
      const rule = { ...e.irql!, ...e.irql!.when?.(args as never, k) };
      if (brokenIrqlRule(k.irql, rule) && !isFreezing(k)) irqlViolation(k, e.name, rule, args);
    },
  });
const known: NtExport[] = [
  raising('KeAcquireSpinLockRaiseToDpc', DISPATCH_LEVEL, LOCK_ARG),
  raising('KeAcquireSpinLockRaiseToSynch', SYNCH_LEVEL, LOCK_ARG),
  raising('KeAcquireSpinLock', DISPATCH_LEVEL, { SpinLock: PKSPIN_LOCK, OldIrql: pointer('PKIRQL') }),
  raising('KeAcquireSpinLockForDpc', DISPATCH_LEVEL, LOCK_ARG),
  raising('KeAcquireInStackQueuedSpinLock', DISPATCH_LEVEL, QUEUED),
  raising('KeAcquireInStackQueuedSpinLockRaiseToSynch', SYNCH_LEVEL, QUEUED),
  raising('KeAcquireInStackQueuedSpinLockForDpc', DISPATCH_LEVEL, QUEUED),
  atDpcLevel('KeAcquireSpinLockAtDpcLevel', LOCK_ARG),
  atDpcLevel('KeAcquireInStackQueuedSpinLockAtDpcLevel', QUEUED),
  releasing('KeReleaseSpinLock', LOCK_AND_IRQL),
  releasing('KeReleaseSpinLockForDpc', LOCK_AND_IRQL),
  releasing('KeReleaseInStackQueuedSpinLock', HANDLE, lockOfHandle),
  releasing('KeReleaseInStackQueuedSpinLockForDpc', HANDLE, lockOfHandle),
  releasingFromDpc('KeReleaseSpinLockFromDpcLevel', LOCK_ARG),
  releasingFromDpc('KeReleaseInStackQueuedSpinLockFromDpcLevel', HANDLE, lockOfHandle),
  thunk({
    name: 'KeTryToAcquireSpinLockAtDpcLevel',
    args: LOCK_ARG,
    before: (k, lock) =>
      rule(
        k,
        k.irql < DISPATCH_LEVEL,
        0x40,
        lock,
        0,
        'KeTryToAcquireSpinLockAtDpcLevel must be called at DISPATCH_LEVEL or above',
      ),
    after(k, lock, context, result) {
      if ((result & 0xff) !== 0) acquired(k, lock, SPIN_LOCK, context);
    },
  }),
  thunk({ name: 'KeInitializeSpinLock', args: LOCK_ARG, before: lockInitialized }),
  raise('KfRaiseIrql', to => to, { NewIrql: KIRQL as unknown as typeof PKSPIN_LOCK }),
  raise('KeRaiseIrqlToDpcLevel', () => DISPATCH_LEVEL, {}),
  lower('KeLowerIrql'),
  lower('KfLowerIrql'),
];
const isKnown = new Set(known.map(e => e.name));

export const exports: NtExport[] = [
  ...known,
  ...[...spinLockExports, ...lockExports]
    .filter((e): e is CodeExport => e.kind === 'code' && e.irql !== undefined && !isKnown.has(`Vf${e.name}`))
    .map(declared),
];

/** Where an import of the kernel's is bound to under the verifier: the routine itself, or the one before it. */
export function verifiedAddress(k: Kernel, address: number): number {
  return table(k).get(address) ?? address;
}

const tables = new WeakMap<Kernel['images'], ReadonlyMap<number, number>>();
/** Derived from the images alone, which never change. */
function table(k: Kernel): ReadonlyMap<number, number> {
  let t = tables.get(k.images);
  if (t === undefined) {
    t = new Map(exports.map(e => [k.address(`nt!${e.name.slice(2)}`), k.address(`nt!${e.name}`)]));
    tables.set(k.images, t);
  }
  return t;
}
