import { beforeAll, describe, expect, it } from 'vitest';
import { Machine } from '../../emulator/index.ts';
import { PHASE_DONE, decodeReply } from '../../hal/bus/index.ts';
import { drivers } from './drivers.ts';
import { CHECKPOINTS, inOneGo, play } from './script.ts';
import type { Runner } from './script.ts';

const [MILLION, TEN_MILLION, HUNDRED_MILLION] = CHECKPOINTS;

const newMachine = (): Machine => Machine.create({ boot: false });
const inSlicesOf =
  (cycles: number): Runner =>
  (machine, until) => {
    while (machine.cycle < until) machine.run(Math.min(until, machine.cycle + cycles));
  };

/** Hashes of a machine that was left alone. */
let truth: string[];
let reference: Machine;
beforeAll(() => {
  reference = newMachine();
  truth = play(reference, drivers());
});

describe('the script', () => {
  it('does what it says: every request is answered, keys arrive, the processor is awake more than half of the time', () => {
    expect(reference.bugCheck()).toBeNull();
    const { output } = reference;
    const replies = output
      .since()
      .filter(r => r.device === 'requestport')
      .map(r => decodeReply(r.data))
      .filter(r => r.phase === PHASE_DONE);
    expect(replies.filter(r => r.status !== 0)).toEqual([]);
    expect(replies.length).toBeGreaterThan(500);
    // Round trips by DMA bring back what was sent.
    const requests = reference.inputs.records.filter(i => i.device === 'requestport');
    const trips = replies.filter(r => r.data.length > 16);
    expect(trips.length).toBeGreaterThan(200);
    for (const { id, data } of trips) {
      const sent = requests.find(i => new DataView(i.data.buffer, i.data.byteOffset).getUint32(0, true) === id)!.data;
      expect(Buffer.compare(data, sent.subarray(sent.length - data.length))).toBe(0);
    }
    expect(reference.inputs.records.filter(i => i.device === 'i8042').length).toBeGreaterThan(100);
    const machine = newMachine();
    let samples = 0,
      halted = 0;
    play(machine, drivers(), [TEN_MILLION], (m, until) => {
      while (m.cycle < until) {
        m.run(Math.min(until, m.cycle + 9973));
        samples++;
        if (m.cpus[0]!.halted) halted++;
      }
    });
    expect(halted / samples).toBeLessThan(0.5);
    expect(halted).toBeGreaterThan(0);
    expect(machine.stateHash()).toBe(truth[1]);
  });

  it('changes the state from one moment to the next', () => {
    expect(new Set(truth).size).toBe(CHECKPOINTS.length);
  });
});

describe('the same state', () => {
  it('in another machine, and in slices of 1,000,000 cycles, up to 100 M', () => {
    const machine = newMachine();
    expect(play(machine, drivers(), CHECKPOINTS, inSlicesOf(1_000_000))).toEqual(truth);
    expect(machine.cycle).toBe(HUNDRED_MILLION);
    expect(machine.instructions).toBe(reference.instructions);
  });

  it('in slices of 997 cycles', () => {
    expect(play(newMachine(), drivers(), [MILLION, TEN_MILLION], inSlicesOf(997))).toEqual(truth.slice(0, 2));
  });

  it('in slices of one cycle, over the first million', () => {
    expect(play(newMachine(), drivers(), [MILLION], inSlicesOf(1))).toEqual(truth.slice(0, 1));
  });

  it('with breakpoints, watches and tracing', () => {
    const stops = new Map<string, number>();
    const counted: Runner = (machine, until) => {
      while (machine.cycle < until) {
        const { reason } = machine.run(until);
        stops.set(reason, (stops.get(reason) ?? 0) + 1);
      }
    };
    const machine = newMachine();
    const kinds = new Set<string>();
    machine.addTraceSink(e => kinds.add(e.kind));
    machine.addCoreSink(e => kinds.add(`core ${e.kind}`));
    let armed = false;
    const run: Runner = (m, until) => {
      counted(m, until);
      if (armed) return;
      armed = true;
      const at = (symbol: string): number => m.guest.addressOf(symbol)!;
      m.setBreakpoints([
        at('edu!EduIsr'),
        at('edu!EduDpcForIsr'),
        at('busy!BusyRandom') ?? at('busy!BusyThread'),
        at('nt!KeSetEvent'),
        at('ticker!TickerDpc'),
      ]);
      const device = m.guest.modules().find(x => x.name === 'busy.sys')!;
      m.setWatches([{ start: device.base, end: device.base + 0x1000, physical: false, read: true, write: true }]);
    };
    expect(play(machine, drivers(), [MILLION, TEN_MILLION], run)).toEqual(truth.slice(0, 2));
    expect(stops.get('breakpoint')).toBeGreaterThan(100);
    expect([...kinds]).toEqual(expect.arrayContaining(['isr', 'dpc', 'irp', 'thread', 'core 0', 'core 1']));
  });

  it('with a checkpoint taken and restored every 10,000 cycles for a while', () => {
    const machine = newMachine();
    const run: Runner = (m, until) => {
      if (until !== TEN_MILLION) return inOneGo(m, until);
      while (m.cycle < 4_000_000) {
        m.run((Math.floor(m.cycle / 10_000) + 1) * 10_000);
        const checkpoint = m.checkpoint();
        // A piece of another future: it must leave nothing behind.
        m.input('i8042', 'keyname', new TextEncoder().encode('KeyZ'));
        m.run(m.cycle + 7_001);
        m.restore(checkpoint);
      }
      inOneGo(m, until);
    };
    expect(play(machine, drivers(), [MILLION, TEN_MILLION], run)).toEqual(truth.slice(0, 2));
  });

  it('stepped back and forward, one instruction at a time and from one interrupt to the next', () => {
    const machine = newMachine();
    play(machine, drivers(), [MILLION]);
    const { control } = machine;
    const marks: { cycle: number; hash: string }[] = [];
    const mark = (): void => void marks.push({ cycle: machine.cycle, hash: machine.stateHash() });
    mark();
    for (let i = 0; i < 5; i++) {
      control.nextInterrupt();
      mark();
      for (let step = 0; step < 20; step++) {
        control.stepInto();
        mark();
      }
    }
    const back = marks.slice(0, -1).reverse();
    // The last twenty steps, to the first instruction of the handler that they began in.
    for (const expected of back.slice(0, 20)) {
      control.stepBack();
      expect({ cycle: machine.cycle, hash: machine.stateHash() }).toEqual(expected);
    }
    // And one more: before the interrupt was delivered.
    control.stepBack();
    expect(machine.cycle).toBeLessThan(back[19]!.cycle);
    for (const expected of [...marks.slice(3, 40), ...back.slice(10, 20)]) {
      control.toCycle(expected.cycle);
      expect({ cycle: machine.cycle, hash: machine.stateHash() }).toEqual(expected);
    }
    machine.timeline.run(TEN_MILLION);
    expect(machine.stateHash()).toBe(truth[1]);
  });
});
