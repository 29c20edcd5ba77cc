import { describe, expect, it } from 'vitest';
import { createRtc } from './rtc.ts';
import { TestBus } from './testbus.ts';

const FREQUENCY = 32_768_000;
const PIN = 8;
const epochOf = (text: string) => Date.parse(text) / 1000;

function plugged(date = '2026-01-01T00:00:00Z') {
  const bus = new TestBus({ frequency: FREQUENCY });
  const rtc = createRtc({ epoch: epochOf(date) });
  bus.plug(rtc);
  const get = (index: number) => {
    bus.out(0x70, index);
    return bus.in(0x71);
  };
  const set = (index: number, value: number) => {
    bus.out(0x70, index);
    bus.out(0x71, value);
  };
  /** Century, year, month, day, hours, minutes, seconds, as hex digits: BCD reads as the date. */
  const date_ = () => [0x32, 9, 8, 7, 4, 2, 0].map(i => get(i).toString(16).padStart(2, '0')).join(' ');
  return { bus, rtc, get, set, date: date_, seconds: (n: number) => bus.advance(n * FREQUENCY) };
}

describe('time and date', () => {
  it('starts with the configured date, in BCD and 24 hours, with valid RAM', () => {
    const m = plugged('2026-08-02T13:14:15Z');
    expect(m.date()).toBe('20 26 08 02 13 14 15');
    expect(m.get(6)).toBe(1);
    expect(m.get(0x0b)).toBe(0x02);
    expect(m.get(0x0d)).toBe(0x80);
  });

  it.each([
    ['2026-12-31T23:59:59Z', '20 27 01 01 00 00 00'],
    ['2028-02-28T23:59:59Z', '20 28 02 29 00 00 00'],
    ['2026-02-28T23:59:59Z', '20 26 03 01 00 00 00'],
    ['1999-12-31T23:59:59Z', '20 00 01 01 00 00 00'],
    ['2026-04-30T23:59:59Z', '20 26 05 01 00 00 00'],
    ['2026-01-01T00:59:59Z', '20 26 01 01 01 00 00'],
  ])('a second after %s is %s', (before, after) => {
    const m = plugged(before);
    m.seconds(1);
    expect(m.date()).toBe(after);
  });

  it('wraps the day of the week from Saturday to Sunday', () => {
    const m = plugged('2026-08-01T23:59:59Z');
    expect(m.get(6)).toBe(7);
    m.seconds(1);
    expect(m.get(6)).toBe(1);
  });

  it('keeps binary and 12-hour formats when software sets the time in them', () => {
    const m = plugged();
    m.set(0x0b, 0x84);
    m.set(4, 0x80 | 11);
    m.set(2, 59);
    m.set(0, 59);
    m.set(0x0b, 0x04);
    m.seconds(1);
    expect([m.get(4), m.get(2), m.get(0)]).toEqual([12, 0, 0]);
    m.set(4, 12);
    m.set(2, 59);
    m.set(0, 59);
    m.seconds(1);
    expect(m.get(4)).toBe(1);
    m.set(4, 11);
    m.set(2, 59);
    m.set(0, 59);
    m.seconds(1);
    expect(m.get(4)).toBe(0x80 | 12);
  });

  it('stands still while SET is on', () => {
    const m = plugged();
    m.set(0x0b, 0x82);
    m.seconds(5);
    expect(m.date()).toBe('20 26 01 01 00 00 00');
    m.set(0x0b, 0x02);
    m.seconds(1);
    expect(m.date()).toBe('20 26 01 01 00 00 01');
  });

  it('refuses dates that the registers cannot hold', () => {
    expect(() => createRtc({ epoch: 0 })).toThrow(RangeError);
  });
});

describe('update cycle', () => {
  it('shows UIP for 2,228 us before the time changes', () => {
    const m = plugged();
    const uip = (2228 * FREQUENCY) / 1_000_000;
    m.bus.advance(FREQUENCY - Math.ceil(uip) - 1);
    expect(m.get(0x0a) & 0x80).toBe(0);
    m.bus.advance(1);
    expect(m.get(0x0a) & 0x80).toBe(0x80);
    expect(m.get(0)).toBe(0);
    m.bus.advance(Math.ceil(uip));
    expect(m.get(0x0a) & 0x80).toBe(0);
    expect(m.get(0)).toBe(1);
  });

  it('ends with an interrupt if UIE is set; reading C clears it', () => {
    const m = plugged();
    m.set(0x0b, 0x12);
    m.seconds(1);
    expect(m.bus.line(PIN)).toBe(true);
    expect(m.get(0x0c) & 0xb0).toBe(0x90);
    expect(m.bus.line(PIN)).toBe(false);
    expect(m.get(0x0c)).toBe(0);
  });

  it('starts half a second after the dividers are released', () => {
    const m = plugged();
    m.set(0x0a, 0x76);
    m.set(0x0a, 0x26);
    m.bus.advance(FREQUENCY / 2);
    expect(m.get(0)).toBe(1);
    m.set(0, 0);
    m.set(0x0a, 0x76);
    m.seconds(3);
    expect(m.get(0)).toBe(0);
    m.set(0x0a, 0x26);
    m.bus.advance(FREQUENCY / 2 - 1);
    expect(m.get(0)).toBe(0);
    m.bus.advance(1);
    expect(m.get(0)).toBe(1);
    m.seconds(1);
    expect(m.get(0)).toBe(2);
  });
});

describe('alarm', () => {
  it('matches hours, minutes and seconds', () => {
    const m = plugged();
    m.set(1, 0x03);
    m.set(3, 0x00);
    m.set(5, 0x00);
    m.set(0x0b, 0x22);
    m.seconds(2);
    expect(m.bus.line(PIN)).toBe(false);
    m.seconds(1);
    expect(m.get(0x0c) & 0xa0).toBe(0xa0);
  });

  it('comes every minute with hours and minutes set to anything', () => {
    const m = plugged();
    m.set(1, 0x30);
    m.set(3, 0xff);
    m.set(5, 0xc0);
    m.set(0x0b, 0x22);
    for (const wait of [30, 60, 60]) {
      m.seconds(wait - 1);
      expect(m.bus.line(PIN)).toBe(false);
      m.seconds(1);
      expect(m.bus.line(PIN)).toBe(true);
      m.get(0x0c);
    }
  });
});

describe('periodic interrupt (data sheet, table 3)', () => {
  it.each([
    [1, 128],
    [2, 256],
    [3, 4],
    [6, 32],
    [15, 16384],
  ])('rate %i is every %i pulses of the crystal', (rate, pulses) => {
    const m = plugged();
    const period = pulses * 1000;
    m.set(0x0a, 0x20 | rate);
    m.set(0x0b, 0x42);
    m.get(0x0c);
    for (let i = 0; i < 3; i++) {
      m.bus.advance(period - 1);
      expect(m.bus.line(PIN)).toBe(false);
      m.bus.advance(1);
      expect(m.bus.line(PIN)).toBe(true);
      expect(m.get(0x0c) & 0xc0).toBe(0xc0);
    }
  });

  it('sets its flag without the enable, and never with rate 0', () => {
    const m = plugged();
    m.bus.advance(40_000);
    expect(m.get(0x0c)).toBe(0x40);
    m.set(0x0a, 0x20);
    m.bus.advance(400_000);
    expect(m.get(0x0c)).toBe(0);
  });
});

describe('CMOS RAM', () => {
  it('holds bytes behind the registers; C and D cannot be written', () => {
    const m = plugged();
    m.set(0x7f, 0x5a);
    m.set(0x8e, 0xa5);
    m.set(0x0d, 0);
    m.set(0x0c, 0xff);
    expect([m.get(0x7f), m.get(0x0e), m.get(0x0d), m.get(0x0c) & 0x80]).toEqual([0x5a, 0xa5, 0x80, 0]);
  });

  it('is saved and loaded with the clock', () => {
    const m = plugged();
    m.set(0x40, 7);
    m.seconds(61);
    const saved = m.rtc.save();
    m.set(0x40, 8);
    m.set(0, 0);
    m.rtc.load(saved);
    expect(m.rtc.save()).toEqual(saved);
    expect(m.date()).toBe('20 26 01 01 00 01 01');
  });
});
