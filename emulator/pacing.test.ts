import { describe, expect, it } from 'vitest';
import { Pacing } from './pacing.ts';

/** A host that runs `rate` cycles a millisecond, and a guest: how far it gets in `forMs`, and how long its slices were. */
function play(
  pacing: Pacing,
  rate: number,
  forMs: number,
  nextActivity: (cycle: number) => number | null = () => null,
): { cycle: number; slices: number[]; ran: number; waits: number } {
  let now = 1000,
    cycle = 0,
    ran = 0,
    waits = 0;
  const slices: number[] = [],
    end = now + forMs;
  while (now < end) {
    const { until, waitMs } = pacing.plan(now, cycle, nextActivity(cycle));
    const cycles = Math.max(0, until - cycle);
    if (cycles > 0) {
      const halted = nextActivity(cycle) !== null,
        took = halted ? 0 : cycles / rate;
      if (!halted) {
        slices.push(took);
        ran += cycles;
      }
      pacing.measured(halted ? 0 : cycles, took);
      now += took;
      cycle = until;
    }
    now += waitMs;
    waits += waitMs > 0 ? 1 : 0;
  }
  return { cycle, slices, ran, waits };
}

describe('Pacing', () => {
  it('keeps guest time at wall time on a fast host', () => {
    const { cycle, slices } = play(new Pacing({ tscHz: 100_000_000 }), 1_000_000, 2_000);
    expect(cycle).toBeGreaterThan(198_000_000);
    expect(cycle).toBeLessThanOrEqual(200_000_000);
    expect(Math.max(...slices)).toBeLessThanOrEqual(8);
  });

  it('keeps guest time at wall time times the speed', () => {
    const { cycle } = play(new Pacing({ tscHz: 100_000_000, speed: 0.25 }), 1_000_000, 2_000);
    expect(cycle).toBeGreaterThan(49_000_000);
    expect(cycle).toBeLessThanOrEqual(50_000_000);
  });

  it('uses short slices on a slow host, and says that it is behind', () => {
    const pacing = new Pacing({ tscHz: 100_000_000 });
    const { cycle, slices } = play(pacing, 20_000, 2_000);
    expect(cycle).toBeGreaterThan(20_000 * 1_900);
    expect(Math.max(...slices.slice(3))).toBeLessThanOrEqual(8.5);
    expect(pacing.state).toBe('behind');
  });

  it('does not make up for time in which nobody ran it', () => {
    const pacing = new Pacing({ tscHz: 1_000_000 });
    pacing.plan(0, 0, null);
    pacing.measured(8_000, 0.1);
    const { until } = pacing.plan(60_000, 0, null);
    expect(until).toBeLessThanOrEqual(100_000);
  });

  it('sleeps while the guest does', () => {
    // A clock interrupt every 15.625 ms.
    const { cycle, waits, ran } = play(
      new Pacing({ tscHz: 100_000_000 }),
      1_000_000,
      1_000,
      at => (Math.floor(at / 1_562_500) + 1) * 1_562_500,
    );
    expect(ran).toBe(0);
    expect(waits).toBeLessThan(200);
    expect(cycle).toBeGreaterThan(90_000_000);
    expect(cycle).toBeLessThanOrEqual(100_000_000);
  });

  it('refuses speeds that are none', () => {
    expect(() => new Pacing({ tscHz: 100, speed: 0 })).toThrow(RangeError);
    expect(() => new Pacing({ tscHz: 100 }).setSpeed(-1, 0, 0)).toThrow(RangeError);
  });

  it('takes a sleep and what ends it in one slice', () => {
    const pacing = new Pacing({ tscHz: 100_000_000 });
    pacing.start(0, 0);
    // 16 ms later, the clock interrupt of cycle 1,562,500 is due; the first guess of the host's speed alone would not reach it.
    const { until, waitMs } = pacing.plan(16, 0, 1_562_500);
    expect(until).toBeGreaterThan(1_562_500);
    expect(until).toBeLessThanOrEqual(1_600_000);
    expect(waitMs).toBe(0);
  });
});
