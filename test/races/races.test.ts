import { expect, it } from 'vitest';
import { racesDriver } from './driver.ts';
import { INTERLOCKED, LOCKED, race } from './race.ts';

const driver = racesDriver();
const SEEDS = Array.from({ length: 26 }, (_, i) => 100 + i);

it('loses additions without a lock, how many the schedule seed decides, the same every time', () => {
  const outcomes = SEEDS.map(seed => race(driver, seed));
  expect(new Set(outcomes.map(o => o.counter)).size).toBeGreaterThanOrEqual(20);
  for (const o of outcomes) expect(o.counter).toBeLessThan(o.expected);
  SEEDS.slice(0, 5).forEach((seed, i) => expect(race(driver, seed)).toEqual(outcomes[i]));
});

it.each([
  ['a spin lock', LOCKED],
  ['interlocked instructions', INTERLOCKED],
])('loses none with %s, whatever the seed', (_name, code) => {
  for (const seed of SEEDS.slice(0, 4)) {
    const { counter, expected } = race(driver, seed, code);
    expect(counter).toBe(expected);
  }
});
