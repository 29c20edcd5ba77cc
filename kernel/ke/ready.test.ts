import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { initializeDispatcher } from '../boot/init.ts';
import type { Kernel } from '../kernel.ts';
import { prcbAddress } from '../mm/layout.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { initializeIdleProcess } from '../ps/process.ts';
import { initializeIdleThread } from '../ps/thread.ts';
import { fakeKernel } from '../testing/fakekernel.ts';
import { KTHREAD, Ready, Running, Standby } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { ETHREAD } from '../types/ps.ts';
import { readyThread, selectNextThread, setThreadAffinity, setThreadPriority } from './ready.ts';
import { keInitializeThread } from './thread.ts';

const CPUS = 4;
const T = KTHREAD.f,
  P = KPRCB.f;
let k: Kernel;
/** Interrupts sent: [processor, vector], the processor of a self-IPI being the sender. */
let sent: [number, number][];

const allocate = (size: number): number => {
  const at = exAllocatePool(k, 512, size, 0x74736554);
  k.mem.fill(at, size, 0);
  return at;
};

/** A thread that is best on processor `ideal` and may run on those of `affinity`. */
function thread(priority: number, ideal = 0, affinity = 0xf): number {
  const at = allocate(ETHREAD.size);
  const start = { rip: k.address('nt!KiStartSystemThread'), rbx: 0, rsi: 0 };
  keInitializeThread(k, at, k.global.address('KiInitialProcess'), allocate(0x7000) + 0x7000, start);
  T.Priority.set(k.mem, at, priority);
  T.BasePriority.set(k.mem, at, priority);
  T.IdealProcessor.set(k.mem, at, ideal);
  T.NextProcessor.set(k.mem, at, ideal);
  k.mem.write64(at + T.Affinity.offset, BigInt(affinity));
  return at;
}

/** Makes a thread the one that runs on a processor. */
function run(at: number, processor: number): number {
  P.CurrentThread.set(k.mem, prcbAddress(processor), at);
  T.State.set(k.mem, at, Running);
  T.NextProcessor.set(k.mem, at, processor);
  return at;
}
const next = (processor: number): number => P.NextThread.get(k.mem, prcbAddress(processor));
const where = (at: number): [number, number] => [T.State.get(k.mem, at), T.NextProcessor.get(k.mem, at)];

beforeAll(() => {
  ({ k } = fakeKernel({ ramBytes: 16 << 20, cpus: CPUS }));
  for (const cpu of k.platform.cpus) {
    let destination = 0;
    (cpu as { physWrite: unknown }).physWrite = (pa: number, _size: number, value: number) => {
      if ((pa & 0xfff) === 0x310) destination = value >>> 24;
      else sent.push([(value & 0x40000) !== 0 ? cpu.index : destination, value & 0xff]);
    };
  }
});

beforeEach(() => {
  sent = [];
  k.cpu = k.platform.cpus[0]!;
  k.global.set('KeActiveProcessors', 0xfn);
  for (let n = 0; n < CPUS; n++) {
    k.mem.fill(prcbAddress(n), KPRCB.size, 0);
    initializeDispatcher(k, n);
    initializeIdleThread(k, initializeIdleProcess(k), allocate(ETHREAD.size), n);
  }
});

describe('a thread that becomes ready', () => {
  it('wakes its ideal processor when that idles, else another that does and is allowed', () => {
    const a = thread(8, 2),
      b = thread(8, 2),
      c = thread(8, 2, 0b1100);
    for (const t of [a, b, c]) readyThread(k, t);
    expect([next(2), next(0), next(3)]).toEqual([a, b, c]);
    // Halted idle loops stand at DISPATCH_LEVEL; this one is awake and looks itself.
    expect(sent).toEqual([
      [2, 0xe1],
      [3, 0xe1],
    ]);
    expect([a, b, c].map(where)).toEqual([
      [Standby, 2],
      [Standby, 0],
      [Standby, 3],
    ]);
  });

  it('takes the processor with the least important thread when none idles, and waits when it outranks nobody', () => {
    [9, 10, 5, 7].forEach((priority, n) => run(thread(priority), n));
    const a = thread(8, 1),
      b = thread(8, 1, 0b0011);
    readyThread(k, a);
    expect([next(2), sent]).toEqual([a, [[2, 0x2f]]]);
    readyThread(k, b);
    expect(where(b)).toEqual([Ready, 1]);
    // Who was chosen and is outranked goes where it is best next.
    readyThread(k, thread(12, 2, 0b0100));
    expect([where(a), next(3)]).toEqual([[Standby, 3], a]);
  });

  it('is taken by a processor that has nothing better, if it may run there', () => {
    for (let n = 0; n < CPUS; n++) run(thread(15), n);
    const here = thread(6, 0),
      elsewhere = thread(9, 2),
      bound = thread(10, 3, 0b1000);
    for (const t of [here, elsewhere, bound]) readyThread(k, t);
    expect([selectNextThread(k), selectNextThread(k)]).toEqual([elsewhere, here]);
    expect(selectNextThread(k)).toBe(P.IdleThread.get(k.mem, k.prcb));
    expect(where(bound)).toEqual([Ready, 3]);
  });
});

describe('a change of affinity or priority', () => {
  it('moves a thread that is queued, chosen, or running', () => {
    for (let n = 0; n < CPUS; n++) run(thread(8), n);
    const queued = thread(4, 1);
    readyThread(k, queued);
    setThreadAffinity(k, queued, 0b0100);
    expect(where(queued)).toEqual([Ready, 2]);
    const chosen = thread(9, 1);
    readyThread(k, chosen);
    expect(next(1)).toBe(chosen);
    setThreadAffinity(k, chosen, 0b1000);
    expect([next(1), next(3)]).toEqual([0, chosen]);
    sent = [];
    setThreadAffinity(k, P.CurrentThread.get(k.mem, prcbAddress(2)), 0b0001);
    expect([P.QuantumEnd.get(k.mem, prcbAddress(2)), sent]).toEqual([1, [[2, 0x2f]]]);
  });

  it('gives a processor to a queued thread when the running one falls below it', () => {
    for (let n = 0; n < CPUS; n++) run(thread(8), n);
    const queued = thread(7, 3, 0b1000);
    readyThread(k, queued);
    setThreadPriority(k, P.CurrentThread.get(k.mem, prcbAddress(3)), 5);
    expect([next(3), where(queued), sent.at(-1)]).toEqual([queued, [Standby, 3], [3, 0x2f]]);
  });
});
