import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { initializeDispatcher } from '../boot/init.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { KUSER_SHARED_DATA as SHARED_PAGE } from '../mm/layout.ts';
import { initializeIdleProcess } from '../ps/process.ts';
import { initializeIdleThread } from '../ps/thread.ts';
import { bugCheckOf, fakeKernel } from '../testing/fakekernel.ts';
import { KDPC, KDPC_DATA, KTHREAD, KTIMER, KUSER_SHARED_DATA, Ready, Running, Standby, Waiting } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { ETHREAD } from '../types/ps.ts';
import { dequeueDpc, keInitializeDpc, keInsertQueueDpc, keRemoveQueueDpc, keSetImportanceDpc } from './dpc.ts';
import {
  keInitializeEvent,
  keInitializeMutant,
  keInitializeSemaphore,
  keReleaseMutant,
  keReleaseSemaphore,
  keResetEvent,
  keSetEvent,
} from './event.ts';
import { listEntries } from './list.ts';
import { readyThread, selectNextThread, setThreadPriority, takeReadyThread } from './ready.ts';
import { keInitializeThread } from './thread.ts';
import { interruptTime, setInterruptTime, setSystemTime } from './time.ts';
import { activeTimers, checkTimers, expireTimers, keCancelTimer, keInitializeTimerEx, keSetTimer, timersDue } from './timer.ts';
import { keDelay, keWait } from './wait.ts';

let k: Kernel;
let ipis: number[];
const T = KTHREAD.f,
  P = KPRCB.f;

const allocate = (size: number): number => {
  const at = exAllocatePool(k, 512, size, 0x74736554);
  k.mem.fill(at, size, 0);
  return at;
};

/** A thread of the idle process with a priority, not ready yet. */
function thread(priority: number): number {
  const at = allocate(ETHREAD.size);
  const stack = allocate(0x7000) + 0x7000;
  keInitializeThread(k, at, k.global.address('KiInitialProcess'), stack, {
    rip: k.address('nt!KiStartSystemThread'),
    rbx: 0,
    rsi: 0,
  });
  T.Priority.set(k.mem, at, priority);
  T.BasePriority.set(k.mem, at, priority);
  return at;
}

/** Makes a thread the one that runs. */
function run(at: number): void {
  P.CurrentThread.set(k.mem, k.prcb, at);
  T.State.set(k.mem, at, Running);
}

/** Wakes nothing by itself: takes the thread that was chosen. */
const chosen = (): number => selectNextThread(k);

beforeAll(() => {
  ({ k } = fakeKernel({ ramBytes: 16 << 20 }));
  (k.cpu as { physWrite: unknown }).physWrite = (_pa: number, _size: number, value: number) => ipis.push(value & 0xff);
});

beforeEach(() => {
  ipis = [];
  k.mem.fill(k.prcb, KPRCB.size, 0);
  k.mem.fill(k.global.address('KiLastTimerHand'), 4, 0);
  k.mem.fill(k.global.address('KiTimerExpiryRequested'), 4, 0);
  k.global.set('KeActiveProcessors', 1n);
  setInterruptTime(k, 0n);
  initializeDispatcher(k, 0);
  initializeIdleThread(k, initializeIdleProcess(k), k.global.address('KiInitialThread'), 0);
});

describe('ready queues', () => {
  it('gives the processor to the highest priority, in order of arrival within one', () => {
    const a = thread(8),
      b = thread(8),
      c = thread(12),
      d = thread(4);
    run(thread(20));
    for (const t of [a, b, c, d]) readyThread(k, t);
    expect([chosen(), chosen(), chosen(), chosen()]).toEqual([c, a, b, d]);
    expect(chosen()).toBe(P.IdleThread.get(k.mem, k.prcb));
    expect(P.ReadySummary.get(k.mem, k.prcb)).toBe(0);
  });

  it('chooses a thread over a running one only if it outranks it, and asks for a dispatch interrupt then', () => {
    run(thread(8));
    const same = thread(8),
      better = thread(9),
      best = thread(15);
    readyThread(k, same);
    expect([T.State.get(k.mem, same), ipis]).toEqual([Ready, []]);
    readyThread(k, better);
    expect([T.State.get(k.mem, better), ipis]).toEqual([Standby, [0x2f]]);
    // A still better one takes its place; the other goes back to the head of its queue.
    readyThread(k, best);
    expect(P.NextThread.get(k.mem, k.prcb)).toBe(best);
    expect(T.State.get(k.mem, better)).toBe(Ready);
    expect([chosen(), chosen(), chosen()]).toEqual([best, better, same]);
  });

  it('does not interrupt the idle loop, which looks by itself', () => {
    readyThread(k, thread(8));
    expect(ipis).toEqual([]);
    expect(P.NextThread.get(k.mem, k.prcb)).not.toBe(0);
  });

  it('moves a ready thread when its priority changes', () => {
    run(thread(20));
    const a = thread(8),
      b = thread(9);
    readyThread(k, a);
    readyThread(k, b);
    setThreadPriority(k, a, 10);
    expect([chosen(), chosen()]).toEqual([a, b]);
    expect(takeReadyThread(k)).toBe(0);
  });

  it('finds another thread when the running one falls', () => {
    const current = thread(12),
      other = thread(10);
    run(current);
    readyThread(k, other);
    setThreadPriority(k, current, 8);
    expect(P.NextThread.get(k.mem, k.prcb)).toBe(other);
    expect(ipis).toEqual([0x2f]);
  });
});

describe('waits', () => {
  it('is over at once when the object is signalled, and resets a synchronization event', () => {
    run(thread(8));
    const sync = allocate(0x18),
      notification = allocate(0x18);
    keInitializeEvent(k, sync, 1, true);
    keInitializeEvent(k, notification, 0, true);
    expect(keWait(k, [sync])).toEqual({ status: 0 });
    expect(k.mem.read32(sync + 4)).toBe(0);
    expect(keWait(k, [notification])).toEqual({ status: 0 });
    expect(k.mem.read32(notification + 4)).toBe(1);
    expect(keWait(k, [sync], { timeout: 0n })).toEqual({ status: 0x102 });
  });

  it('wakes one thread for a synchronization event and all for a notification event, with a boost', () => {
    const a = thread(8),
      b = thread(8),
      event = allocate(0x18);
    keInitializeEvent(k, event, 1, false);
    for (const t of [a, b]) {
      run(t);
      expect(keWait(k, [event])).toBe('blocked');
      expect(T.State.get(k.mem, t)).toBe(Waiting);
    }
    run(thread(20));
    expect(keSetEvent(k, event, 2)).toBe(0);
    expect([T.State.get(k.mem, a), T.State.get(k.mem, b)]).toEqual([Ready, Waiting]);
    expect(T.Priority.get(k.mem, a)).toBe(10);
    expect(k.mem.read32(event + 4)).toBe(0);
    keInitializeEvent(k, event, 0, false);
  });

  it('returns the index of the object that ended a wait for any, and takes the thread off the others', () => {
    const t = thread(8),
      one = allocate(0x18),
      two = allocate(0x18);
    for (const e of [one, two]) keInitializeEvent(k, e, 1, false);
    run(t);
    expect(keWait(k, [one, two], { any: true })).toBe('blocked');
    run(thread(20));
    keSetEvent(k, two, 0);
    expect(T.WaitStatus.get(k.mem, t)).toBe(1n);
    expect([...listEntries(k.mem, one + 8)]).toEqual([]);
    expect(keSetEvent(k, one, 0)).toBe(0);
    expect(k.mem.read32(one + 4)).toBe(1);
  });

  it('takes all objects of a wait for all together, and none before', () => {
    const t = thread(8),
      event = allocate(0x18),
      semaphore = allocate(0x20);
    keInitializeEvent(k, event, 1, false);
    keInitializeSemaphore(k, semaphore, 0, 10);
    run(t);
    expect(keWait(k, [event, semaphore], { any: false })).toBe('blocked');
    run(thread(20));
    keSetEvent(k, event, 0);
    expect([T.State.get(k.mem, t), k.mem.read32(event + 4)]).toEqual([Waiting, 1]);
    expect(keReleaseSemaphore(k, semaphore, 0, 3)).toBe(0);
    expect([T.State.get(k.mem, t), k.mem.read32(event + 4), k.mem.read32(semaphore + 4)]).toEqual([Ready, 0, 2]);
    expect(keResetEvent(k, event)).toBe(0);
  });

  it('refuses a semaphore beyond its limit', () => {
    const semaphore = allocate(0x20);
    keInitializeSemaphore(k, semaphore, 1, 2);
    expect(keReleaseSemaphore(k, semaphore, 0, 2)).toBeNull();
    expect(k.mem.read32(semaphore + 4)).toBe(1);
  });

  it('lets the owner of a mutex take it again, and hands it over when it is free', () => {
    const a = thread(8),
      b = thread(8),
      mutex = allocate(0x38);
    keInitializeMutant(k, mutex, false, 1);
    run(a);
    expect(keWait(k, [mutex])).toEqual({ status: 0 });
    expect(keWait(k, [mutex])).toEqual({ status: 0 });
    expect(T.KernelApcDisable.get(k.mem, a)).toBe(-1);
    run(b);
    expect(keReleaseMutant(k, mutex, 0)).toBeNull();
    expect(keWait(k, [mutex])).toBe('blocked');
    run(a);
    expect(keReleaseMutant(k, mutex, 0)).toBe(-1);
    expect(T.State.get(k.mem, b)).toBe(Waiting);
    expect(keReleaseMutant(k, mutex, 0)).toBe(0);
    expect([T.KernelApcDisable.get(k.mem, a), T.KernelApcDisable.get(k.mem, b)]).toEqual([0, -1]);
    expect(T.WaitStatus.get(k.mem, b)).toBe(0n);
  });

  it('needs wait blocks for more than three objects', () => {
    run(thread(8));
    const events = [0, 1, 2, 3].map(() => allocate(0x18));
    for (const e of events) keInitializeEvent(k, e, 0, false);
    expect(bugCheckOf(() => keWait(k, events, { any: true }))?.code).toBe(0x0c);
    expect(keWait(k, events, { any: true, waitBlocks: allocate(4 * 0x30) })).toBe('blocked');
  });

  it('ends by its timeout', () => {
    const t = thread(8),
      event = allocate(0x18);
    keInitializeEvent(k, event, 1, false);
    setInterruptTime(k, 1000n);
    run(t);
    expect(keWait(k, [event], { timeout: -500n })).toBe('blocked');
    run(thread(20));
    setInterruptTime(k, 1499n);
    expireTimers(k);
    expect(T.State.get(k.mem, t)).toBe(Waiting);
    setInterruptTime(k, 1500n);
    expireTimers(k);
    expect([T.State.get(k.mem, t), T.WaitStatus.get(k.mem, t)]).toEqual([Ready, 0x102n]);
    expect([...listEntries(k.mem, event + 8)]).toEqual([]);
  });

  it('sleeps for no time by going behind threads of the same priority', () => {
    const a = thread(8),
      b = thread(8);
    run(a);
    readyThread(k, b);
    setInterruptTime(k, 5n);
    expect(keDelay(k, 0n, false, 0)).toBe('blocked');
    expect([chosen(), chosen()]).toEqual([b, a]);
    expect(T.WaitStatus.get(k.mem, a)).toBe(0n);
  });
});

describe('timers', () => {
  const timer = (): number => {
    const at = allocate(KTIMER.size);
    keInitializeTimerEx(k, at, false);
    return at;
  };
  beforeEach(() => {
    setInterruptTime(k, 10_000_000n);
    setSystemTime(k, 500_000_000n);
    run(thread(8));
  });

  it('fire in order of due time, absolute or relative', () => {
    const [a, b, c] = [timer(), timer(), timer()] as [number, number, number];
    expect(keSetTimer(k, a, -300_000n, 0, 0)).toBe(false);
    keSetTimer(k, b, 500_100_000n, 0, 0);
    keSetTimer(k, c, -200_000n, 0, 0);
    expect(activeTimers(k).map(t => t.timer)).toEqual([b, c, a]);
    setInterruptTime(k, 10_200_000n);
    expireTimers(k);
    expect([a, b, c].map(t => k.mem.read32(t + 4))).toEqual([0, 1, 1]);
    expect(keCancelTimer(k, a)).toBe(true);
    expect(keCancelTimer(k, a)).toBe(false);
    expect(activeTimers(k)).toEqual([]);
  });

  it('are found by the clock whatever hand they are in, and ask for a DPC interrupt', () => {
    const t = timer();
    // A whole turn of the table and more.
    keSetTimer(k, t, -900_000_000n, 0, 0);
    let fired = 0;
    for (let now = interruptTime(k); now < 1_000_000_000n; now += 156250n) {
      setInterruptTime(k, now);
      checkTimers(k, now);
      if (!timersDue(k)) continue;
      expireTimers(k);
      if (k.mem.read32(t + 4) === 1 && fired === 0) fired = Number(now);
    }
    expect(fired).toBeGreaterThanOrEqual(910_000_000);
    expect(fired).toBeLessThan(910_000_000 + 156_250);
  });

  it('queue their DPC with the time, and periodic ones go on', () => {
    const t = timer(),
      dpc = allocate(KDPC.size);
    keInitializeDpc(k, dpc, 0x1000, 0x2000);
    keSetTimer(k, t, -10_000n, 10, dpc);
    setInterruptTime(k, 10_010_000n);
    setSystemTime(k, 0x1_2345_6789n);
    expireTimers(k);
    expect(dequeueDpc(k)).toBe(dpc);
    expect([k.mem.read64(dpc + 0x28), k.mem.read64(dpc + 0x30)]).toEqual([0x23456789n, 1n]);
    expect(KTIMER.f.DueTime.get(k.mem, t)).toBe(10_110_000n);
    setInterruptTime(k, 10_110_000n);
    expireTimers(k);
    expect(dequeueDpc(k)).toBe(dpc);
  });

  it('fire at once when the time has passed', () => {
    const t = timer();
    keSetTimer(k, t, 1n, 0, 0);
    expect(k.mem.read32(t + 4)).toBe(1);
    expect(activeTimers(k)).toEqual([]);
  });
});

describe('DPCs', () => {
  const dpc = (importance = 1): number => {
    const at = allocate(KDPC.size);
    keInitializeDpc(k, at, 0x1000, 0);
    keSetImportanceDpc(k, at, importance);
    return at;
  };
  const depth = (): number => KDPC_DATA.f.DpcQueueDepth.get(k.mem, k.prcb + P.DpcData.offset);

  it('are queued once, those of high importance in front', () => {
    run(thread(8));
    const a = dpc(),
      b = dpc(),
      high = dpc(2);
    expect(keInsertQueueDpc(k, a, 1, 2)).toBe(true);
    expect(keInsertQueueDpc(k, a, 3, 4)).toBe(false);
    keInsertQueueDpc(k, b, 0, 0);
    keInsertQueueDpc(k, high, 0, 0);
    expect(depth()).toBe(3);
    expect(ipis).toEqual([0x2f, 0x2f, 0x2f]);
    expect([dequeueDpc(k), dequeueDpc(k), dequeueDpc(k), dequeueDpc(k)]).toEqual([high, a, b, 0]);
    expect(k.mem.read64(a + KDPC.f.SystemArgument1.offset)).toBe(1n);
  });

  it('of low importance wait until the queue is deep', () => {
    run(thread(8));
    for (let i = 0; i < 3; i++) keInsertQueueDpc(k, dpc(0), 0, 0);
    expect(ipis).toEqual([]);
    keInsertQueueDpc(k, dpc(0), 0, 0);
    expect(ipis).toEqual([0x2f]);
  });

  it('can be taken out from anywhere', () => {
    run(thread(8));
    const [a, b, c] = [dpc(), dpc(), dpc()] as [number, number, number];
    for (const d of [a, b, c]) keInsertQueueDpc(k, d, 0, 0);
    expect([keRemoveQueueDpc(k, c), keRemoveQueueDpc(k, a), keRemoveQueueDpc(k, a)]).toEqual([true, true, false]);
    const d = dpc();
    keInsertQueueDpc(k, d, 0, 0);
    expect([dequeueDpc(k), dequeueDpc(k), dequeueDpc(k), depth()]).toEqual([b, d, 0, 0]);
  });
});

describe('the shared page', () => {
  it('never shows a torn time to a reader that compares both high parts', () => {
    setSystemTime(k, 0x1_0000_0002n);
    const at = SHARED_PAGE + KUSER_SHARED_DATA.f.SystemTime.offset;
    expect([k.mem.read32(at), k.mem.read32(at + 4), k.mem.read32(at + 8)]).toEqual([2, 1, 1]);
  });
});
