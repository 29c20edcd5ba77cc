import { describe, expect, it } from 'vitest';
import { createI8254, PIT_FREQUENCY } from './i8254.ts';
import { TestBus } from './testbus.ts';

const PIN = 2;
const CONTROL = 0x43;
/** One cycle is one CLK pulse, so that the data sheet's timing diagrams can be read off. */
function plugged(frequency = PIT_FREQUENCY) {
  const bus = new TestBus({ frequency });
  const pit = createI8254();
  bus.plug(pit);
  return {
    bus,
    pit,
    /** Programs counter n: mode, LSB then MSB, binary; then writes the count. */
    program(n: number, mode: number, count: number, bcd = 0) {
      bus.out(CONTROL, (n << 6) | 0x30 | (mode << 1) | bcd);
      bus.out(0x40 + n, count & 0xff);
      bus.out(0x40 + n, count >> 8);
    },
    count(n: number) {
      bus.out(CONTROL, n << 6);
      const low = bus.in(0x40 + n);
      return low | (bus.in(0x40 + n) << 8);
    },
    /** OUT of counter 0 at each of the next pulses. */
    wave(pulses: number) {
      let text = '';
      for (let i = 0; i < pulses; i++) {
        bus.advance(1);
        text += bus.line(PIN) ? 'H' : 'L';
      }
      return text;
    },
    gate2: (on: boolean) => bus.out(0x61, on ? 1 : 0),
    out2: () => ((bus.in(0x61) & 0x20) !== 0 ? 'H' : 'L'),
    wave2(pulses: number) {
      let text = '';
      for (let i = 0; i < pulses; i++) {
        bus.advance(1);
        text += this.out2();
      }
      return text;
    },
  };
}

describe('mode 0, interrupt on terminal count', () => {
  it('goes high N + 1 pulses after the count was written, and stays', () => {
    const m = plugged();
    m.program(0, 0, 4);
    expect(m.wave(8)).toBe('LLLLHHHH');
  });

  it('counts on below zero', () => {
    const m = plugged();
    m.program(0, 0, 3);
    m.bus.advance(1);
    const counts: number[] = [];
    for (let i = 0; i < 6; i++) {
      counts.push(m.count(0));
      m.bus.advance(1);
    }
    expect(counts).toEqual([3, 2, 1, 0, 0xffff, 0xfffe]);
  });

  it('stops while the gate is low', () => {
    const m = plugged();
    m.gate2(true);
    m.program(2, 0, 4);
    m.bus.advance(3);
    expect(m.count(2)).toBe(2);
    m.gate2(false);
    m.bus.advance(10);
    expect(m.count(2)).toBe(2);
    m.gate2(true);
    expect(m.wave2(3)).toBe('LHH');
  });

  it('starts again with a new count, and stops at its first byte', () => {
    const m = plugged();
    m.program(0, 0, 100);
    m.bus.advance(11);
    m.bus.out(0x40, 3);
    m.bus.advance(50);
    expect(m.count(0)).toBe(90);
    m.bus.out(0x40, 0);
    expect(m.wave(5)).toBe('LLLHH');
  });
});

describe('mode 1, hardware retriggerable one-shot', () => {
  it('is low for N pulses from the pulse after the trigger, and again when triggered again', () => {
    const m = plugged();
    m.program(2, 1, 3);
    expect(m.wave2(3)).toBe('HHH');
    m.gate2(true);
    expect(m.wave2(5)).toBe('LLLHH');
    m.gate2(false);
    m.gate2(true);
    m.bus.advance(2);
    m.gate2(false);
    m.gate2(true);
    expect(m.wave2(5)).toBe('LLLHH');
  });

  it('takes a new count only with the next trigger', () => {
    const m = plugged();
    m.program(2, 1, 2);
    m.gate2(true);
    m.bus.advance(1);
    m.bus.out(0x42, 4);
    m.bus.out(0x42, 0);
    expect(m.wave2(3)).toBe('LHH');
    m.gate2(false);
    m.gate2(true);
    expect(m.wave2(6)).toBe('LLLLHH');
  });
});

describe('mode 2, rate generator', () => {
  it('is low for one pulse in N', () => {
    const m = plugged();
    m.program(0, 2, 3);
    expect(m.wave(10)).toBe('HHLHHLHHLH');
    expect(m.bus.edges.get(PIN)).toBeGreaterThanOrEqual(3);
  });

  it('takes a new count at the end of the period', () => {
    const m = plugged();
    m.program(0, 2, 4);
    m.bus.advance(2);
    m.bus.out(0x40, 2);
    m.bus.out(0x40, 0);
    expect(m.wave(8)).toBe('HLHLHLHL');
  });

  it('is high while the gate is low, and starts anew with it', () => {
    const m = plugged();
    m.gate2(true);
    m.program(2, 2, 3);
    m.bus.advance(3);
    expect(m.out2()).toBe('L');
    m.gate2(false);
    expect(m.wave2(4)).toBe('HHHH');
    m.gate2(true);
    expect(m.wave2(7)).toBe('HHLHHLH');
  });

  it('starts with the gate when the count was written before', () => {
    const m = plugged();
    m.program(2, 2, 3);
    expect(m.wave2(5)).toBe('HHHHH');
    m.gate2(true);
    expect(m.wave2(6)).toBe('HHLHHL');
  });

  it('counts 65536 for a count of 0, long after nobody looked', () => {
    const m = plugged();
    m.program(0, 2, 0);
    m.bus.advance(1);
    expect(m.count(0)).toBe(0);
    m.bus.advance(1);
    expect(m.count(0)).toBe(65535);
    m.bus.advance(10 * 65536 + 5);
    expect(m.count(0)).toBe(65530);
  });
});

describe('mode 3, square wave', () => {
  it.each([
    [4, 'HHLLHHLLHH'],
    [5, 'HHHLLHHHLL'],
  ])('divides by %i', (n, wave) => {
    const m = plugged();
    m.program(0, 3, n);
    expect(m.wave(10)).toBe(wave);
  });

  it('counts by two', () => {
    const m = plugged();
    m.program(2, 3, 6);
    m.gate2(true);
    m.bus.advance(1);
    const counts: number[] = [];
    for (let i = 0; i < 6; i++) {
      counts.push(m.count(2));
      m.bus.advance(1);
    }
    expect(counts).toEqual([6, 4, 2, 6, 4, 2]);
  });

  it('gives the PC its 18.2 Hz', () => {
    const m = plugged(100_000_000);
    m.program(0, 3, 0);
    const before = m.bus.edges.get(PIN) ?? 0;
    m.bus.advance(1_000_000_000);
    expect((m.bus.edges.get(PIN) ?? 0) - before).toBe(182);
  });
});

describe('modes 4 and 5, strobes', () => {
  it('mode 4 is low for one pulse, N + 1 after the write, once', () => {
    const m = plugged();
    m.program(0, 4, 3);
    expect(m.wave(9)).toBe('HHHLHHHHH');
  });

  it('mode 5 does so after each trigger', () => {
    const m = plugged();
    m.program(2, 5, 3);
    expect(m.wave2(6)).toBe('HHHHHH');
    m.gate2(true);
    expect(m.wave2(6)).toBe('HHHLHH');
    m.gate2(false);
    m.gate2(true);
    expect(m.wave2(6)).toBe('HHHLHH');
  });
});

describe('reading', () => {
  it('latches hold a count until it is read, both bytes', () => {
    const m = plugged();
    m.program(0, 2, 0x1234);
    m.bus.advance(5);
    m.bus.out(CONTROL, 0x00);
    m.bus.advance(7);
    m.bus.out(CONTROL, 0x00);
    expect(m.bus.in(0x40)).toBe(0x30);
    m.bus.advance(9);
    expect(m.bus.in(0x40)).toBe(0x12);
    expect(m.bus.in(0x40)).toBe(0x34 - 20);
  });

  it('gives one byte only, if so programmed', () => {
    const m = plugged();
    m.bus.out(CONTROL, 0x14);
    m.bus.out(0x40, 0x40);
    m.bus.advance(1);
    expect([m.bus.in(0x40), m.bus.in(0x40)]).toEqual([0x40, 0x40]);
    m.bus.out(CONTROL, 0x24);
    m.bus.out(0x40, 0x12);
    m.bus.advance(1);
    expect([m.bus.in(0x40), m.bus.in(0x40)]).toEqual([0x12, 0x12]);
  });

  it('reads status back: output, null count, mode; then the count', () => {
    const m = plugged();
    m.program(0, 2, 0x10);
    m.bus.out(CONTROL, 0xe2);
    expect(m.bus.in(0x40)).toBe(0xf4);
    m.bus.advance(1);
    m.bus.out(CONTROL, 0xc2);
    expect(m.bus.in(0x40)).toBe(0xb4);
    expect(m.bus.in(0x40)).toBe(0x10);
    expect(m.bus.in(0x40)).toBe(0x00);
  });

  it('counts in BCD', () => {
    const m = plugged();
    m.program(0, 0, 0x1000, 1);
    m.bus.advance(2);
    expect(m.count(0)).toBe(0x0999);
    m.bus.advance(1000);
    expect(m.count(0)).toBe(0x9999);
  });
});

describe('port 0x61', () => {
  it('keeps gate and speaker bits and toggles the refresh bit every 18 pulses', () => {
    const m = plugged();
    m.bus.out(0x61, 0xff);
    expect(m.bus.in(0x61) & 0x0f).toBe(0x03);
    const first = m.bus.in(0x61) & 0x10;
    m.bus.advance(18);
    expect(m.bus.in(0x61) & 0x10).not.toBe(first);
    m.bus.advance(18);
    expect(m.bus.in(0x61) & 0x10).toBe(first);
  });
});

describe('state', () => {
  it('survives save and load between the bytes of a count', () => {
    const m = plugged();
    m.program(2, 0, 500);
    m.gate2(true);
    m.bus.advance(100);
    m.bus.out(CONTROL, 0x80);
    m.bus.in(0x42);
    const saved = m.pit.save();
    m.bus.in(0x42);
    m.program(2, 3, 9);
    m.pit.load(saved);
    expect(m.pit.save()).toEqual(saved);
    expect(m.bus.in(0x42)).toBe((500 - 99) >> 8);
  });
});
