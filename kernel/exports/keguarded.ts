/** Guarded mutexes, and the registers of the caller. Source: the WDK page of each routine. */
import { initializeHeader, keSetEvent } from '../ke/event.ts';
import { changeApcDisable } from '../ke/apc.ts';
import { keWait } from '../ke/wait.ts';
import type { Kernel } from '../kernel.ts';
import { EventSynchronizationObject } from '../types/ke.ts';
import { FAST_MUTEX } from '../types/ex.ts';
import { ptr } from '../types/struct.ts';
import { BOOLEAN, type NtExport, ntExport, ntSteps, pointer, ret, VOID, wait } from './declare.ts';

const M = FAST_MUTEX.f;
const PKGUARDED_MUTEX = pointer('PKGUARDED_MUTEX');
const APC = { max: 'APC_LEVEL' } as const;
const WrGuardedMutex = 35;

/** A guarded mutex is a fast mutex that holds APCs back by a guarded region instead of by the IRQL; both have the same layout since Windows 8. */
const mutex = (name: string, doc: string, impl: (k: Kernel, at: number) => boolean | void, returns: typeof VOID | typeof BOOLEAN = VOID): NtExport =>
  ntExport({ name, doc, irql: APC, args: { Mutex: PKGUARDED_MUTEX }, returns: returns as typeof BOOLEAN, cycles: 50, status: 'full', impl: (k, { Mutex }) => impl(k, Mutex) });

const guard = (k: Kernel, by: number): void => changeApcDisable(k, k.currentThread(), by, 'SpecialApcDisable');

function take(k: Kernel, at: number): void {
  M.Owner.set(k.mem, at, k.currentThread());
}

/** Count is 1 when the mutex is free and falls by one for its owner and for everybody who waits. */
function release(k: Kernel, at: number): void {
  const count = M.Count.get(k.mem, at) + 1;
  M.Owner.set(k.mem, at, 0);
  M.Count.set(k.mem, at, count);
  if (count < 1) keSetEvent(k, at + M.Event.offset, 1);
}

const acquire = (name: string, doc: string, guarded: boolean): NtExport =>
  ntSteps({
    name,
    doc,
    irql: APC,
    args: { Mutex: PKGUARDED_MUTEX },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: { Mutex: ptr },
    steps: {
      start(k, f, _rax, { Mutex }) {
        k.mem.probe(Mutex, FAST_MUTEX.size, true);
        if (guarded) guard(k, -1);
        const count = M.Count.get(k.mem, Mutex);
        M.Count.set(k.mem, Mutex, count - 1);
        if (count !== 1) {
          M.Contention.set(k.mem, Mutex, M.Contention.get(k.mem, Mutex) + 1);
          f.set('Mutex', Mutex);
          if (keWait(k, [Mutex + M.Event.offset], { reason: WrGuardedMutex }) === 'blocked') return wait('acquired');
        }
        take(k, Mutex);
        return ret();
      },
      acquired(k, f) {
        take(k, f.get('Mutex'));
        return ret();
      },
    },
  });

export const exports: NtExport[] = [
  mutex('KeInitializeGuardedMutex', 'Initializes a guarded mutex: free.', (k, at) => {
    k.mem.fill(at, FAST_MUTEX.size, 0);
    M.Count.set(k.mem, at, 1);
    initializeHeader(k, at + M.Event.offset, EventSynchronizationObject, 0x18, 0);
  }),
  acquire('KeAcquireGuardedMutex', 'Enters a guarded region and acquires a guarded mutex.', true),
  acquire('KeAcquireGuardedMutexUnsafe', 'Acquires a guarded mutex inside a guarded region.', false),
  mutex(
    'KeTryToAcquireGuardedMutex',
    'Acquires a guarded mutex, in a guarded region, if it is free.',
    (k, at) => {
      if (M.Count.get(k.mem, at) !== 1) return false;
      guard(k, -1);
      M.Count.set(k.mem, at, 0);
      take(k, at);
      return true;
    },
    BOOLEAN,
  ),
  mutex('KeReleaseGuardedMutex', 'Releases a guarded mutex and leaves the guarded region.', (k, at) => {
    release(k, at);
    guard(k, 1);
  }),
  mutex('KeReleaseGuardedMutexUnsafe', 'Releases a guarded mutex and stays in the guarded region.', (k, at) => release(k, at)),
  ntExport({
    name: 'KeFlushWriteBuffer',
    module: 'hal.dll',
    doc: "Waits until the processor's writes have reached memory.",
    args: {},
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: () => undefined,
  }),
];
