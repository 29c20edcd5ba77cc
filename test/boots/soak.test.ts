import { describe, expect, it } from 'vitest';
import { injectInto } from '../soak/inject.ts';
import { differences, findLeaks } from '../soak/leaks.ts';
import { WORKLOADS } from '../soak/samples.ts';

// A little of what `npm run -s inject` and `npm run -s leaks` do at length.

const RATES = { driver: 6, kernel: 0 };

describe('samples under injected failures', () => {
  it.each(WORKLOADS.map(w => [w.name, w] as const))('%s lives with all of them, and so does the machine', (_name, w) => {
    const { found, seeds, failures, places } = injectInto(w, 30, 1, RATES, 1);
    expect(found).toEqual([]);
    expect(seeds).toBe(30);
    // hello makes no call that can fail.
    if (w.device !== null) {
      expect(failures).toBeGreaterThan(30);
      expect(places.size).toBeGreaterThan(1);
    }
  });

  it('fail at the same places with the same seed', () => {
    const echo = WORKLOADS.find(w => w.name === 'echo')!;
    expect(injectInto(echo, 10, 7, RATES, 1)).toEqual(injectInto(echo, 10, 7, RATES, 1));
    expect(injectInto(echo, 10, 7, RATES, 1).bySeed).not.toEqual(injectInto(echo, 10, 700, RATES, 1).bySeed);
  });

  it('the kernel carries on when allocations of its own fail', () => {
    const { found, failures } = injectInto(
      WORKLOADS.find(w => w.name === 'filter')!,
      15,
      1,
      { driver: 0, kernel: 25 },
      1,
    );
    expect(found).toEqual([]);
    expect(failures).toBeGreaterThan(20);
  });
});

describe('rounds of load, IRPs, unload', () => {
  it.each(WORKLOADS.map(w => [w.name, w] as const))('%s leaves everything where it was', (_name, w) => {
    const { leaks, rounds, irps, cancelAsked, cancelled } = findLeaks(w, 3, 60, 1);
    expect(leaks).toEqual([]);
    expect(rounds).toBe(3);
    // The last request is still there when the handle is closed.
    const last = w.last === undefined ? 0 : 1;
    expect(irps).toBe(w.device === null ? 0 : 3 * (60 + last));
    expect(cancelAsked).toBe(w.device === null ? 0 : 3 * (20 + last));
    if (w.name === 'echo' || w.name === 'filter' || w.name === 'worker') expect(cancelled).toBe(cancelAsked);
  });

  it('echo, on 4 processors and without the verifier', () => {
    const echo = WORKLOADS.find(w => w.name === 'echo')!;
    expect(findLeaks(echo, 2, 60, 4).leaks).toEqual([]);
    expect(findLeaks(echo, 2, 60, 1, false).leaks).toEqual([]);
  });

  it('would say what was left', () => {
    expect(differences({ 'pool blocks': 7, threads: 3 }, { 'pool blocks': 8, threads: 3 })).toEqual(['pool blocks: 7 -> 8']);
  });
});
