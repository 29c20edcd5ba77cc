import { describe, expect, it } from 'vitest';
import { injectInto } from '../soak/inject.ts';
import { differences, findLeaks } from '../soak/leaks.ts';
import { WORKLOADS } from '../soak/samples.ts';

// A little of what `npm run -s inject` and `npm run -s leaks` do at length.

describe('samples under injected failures', () => {
  it.each(WORKLOADS.map(w => [w.name, w] as const))('%s lives with all of them, and so does the machine', (_name, w) => {
    const { found, seeds, failures } = injectInto(w, 60, 1, 3, 1);
    expect(found).toEqual([]);
    expect(seeds).toBe(60);
    if (w.device !== null) expect(failures).toBeGreaterThan(20);
  });

  it('fail at the same places with the same seed', () => {
    const echo = WORKLOADS.find(w => w.name === 'echo')!;
    expect(injectInto(echo, 10, 7, 2, 1)).toEqual(injectInto(echo, 10, 7, 2, 1));
    expect(injectInto(echo, 10, 7, 2, 1).failures).not.toBe(injectInto(echo, 10, 700, 2, 1).failures);
  });
});

describe('rounds of load, IRPs, unload', () => {
  it.each(WORKLOADS.map(w => [w.name, w] as const))('%s leaves everything where it was', (_name, w) => {
    const { leaks, rounds, irps, cancelled } = findLeaks(w, 3, 60, 1);
    expect(leaks).toEqual([]);
    expect(rounds).toBe(3);
    expect(irps).toBe(w.quick.code === 0 ? 0 : 6 * 60);
    expect(cancelled).toBe(w.pending === null ? 0 : 6 * 20);
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
