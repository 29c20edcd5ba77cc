import { describe, expect, it } from 'vitest';
import { Machine } from '../../emulator/index.ts';
import { drivers } from './drivers.ts';
import { inOneGo, play } from './script.ts';
import type { Runner } from './script.ts';

/** All processors have come up by then. */
const LATER = 1_500_000;
const CHECKPOINTS = [3_000_000, 8_000_000] as const;
const [SOON] = CHECKPOINTS;

const newMachine = (cpus: number, scheduleSeed = 1): Machine => Machine.create({ boot: false, cpus, scheduleSeed });
const inSlicesOf =
  (cycles: number): Runner =>
  (machine, until) => {
    while (machine.cycle < until) machine.run(Math.min(until, machine.cycle + cycles));
  };
const hashes = (machine: Machine, run: Runner = inOneGo, cycles: readonly number[] = CHECKPOINTS): string[] =>
  play(machine, drivers(), cycles, run, LATER);

describe.each([2, 4])('the kernel on %i processors leaves the same state', cpus => {
  const reference = newMachine(cpus);
  const truth = hashes(reference);

  it('in another machine, with all processors at work', () => {
    const machine = newMachine(cpus);
    expect(hashes(machine)).toEqual(truth);
    expect(machine.instructions).toBe(reference.instructions);
    expect(machine.bugCheck()).toBeNull();
    for (const cpu of machine.cpus) expect(cpu.instructions).toBeGreaterThan(1000);
  });

  it('another one with another schedule seed', () => {
    expect(hashes(newMachine(cpus, 2), inOneGo, [SOON])[0]).not.toBe(truth[0]);
  });

  it('in slices', () => {
    expect(hashes(newMachine(cpus), inSlicesOf(100_003))).toEqual(truth);
    expect(hashes(newMachine(cpus), inSlicesOf(997), [SOON])).toEqual(truth.slice(0, 1));
  });

  it('with breakpoints, watches and tracing', () => {
    let stops = 0;
    const machine = newMachine(cpus);
    const kinds = new Set<string>();
    machine.addTraceSink(e => kinds.add(`${e.kind} ${e.cpu}`));
    machine.addCoreSink(e => kinds.add(`core ${e.kind}`));
    const run: Runner = (m, until) => {
      while (m.cycle < until) if (m.run(until).reason !== 'limit') stops++;
      const at = (symbol: string): number => m.guest.addressOf(symbol)!;
      m.setBreakpoints([at('edu!EduIsr'), at('edu!EduDpcForIsr'), at('nt!KeSetEvent'), at('nt!KiIpiInterrupt')]);
    };
    expect(hashes(machine, run)).toEqual(truth);
    expect(stops).toBeGreaterThan(20);
    expect([...kinds]).toEqual(expect.arrayContaining(['thread 0', 'thread 1', 'core 0', 'core 1']));
  });

  it('with checkpoints taken and restored', () => {
    const run: Runner = (m, until) => {
      while (m.cycle < until) {
        m.run(Math.min(until, (Math.floor(m.cycle / 50_000) + 1) * 50_000));
        const checkpoint = m.checkpoint();
        // A piece of another future: it must leave nothing behind.
        m.input('i8042', 'keyname', new TextEncoder().encode('KeyZ'));
        m.run(m.cycle + 7_001);
        m.restore(checkpoint);
      }
    };
    expect(hashes(newMachine(cpus), run, [SOON])).toEqual(truth.slice(0, 1));
  });
});
