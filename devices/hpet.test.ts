import { describe, expect, it } from 'vitest';
import { createHpet, HPET_BASE } from './hpet.ts';
import { TestBus } from './testbus.ts';

const at = (offset: number): number => HPET_BASE + offset;
const CONF = at(0x10),
  STATUS = at(0x20),
  COUNT = at(0xf0);
const timer = (n: number, offset: number): number => at(0x100 + n * 0x20 + offset);

/** At 100 MHz, the counter's own rate: a cycle is a tick. */
function plugged() {
  const bus = new TestBus({ frequency: 100_000_000 });
  const device = createHpet();
  bus.plug(device);
  return { bus, device };
}

describe('HPET', () => {
  it('says its period and three timers, counts while it is on, in both halves', () => {
    const { bus } = plugged();
    expect([bus.read(at(0)), bus.read(at(4))]).toEqual([0x8086a201, 10_000_000]);
    bus.advance(100);
    expect(bus.read(COUNT)).toBe(0);
    bus.write(COUNT, 0xffffffff);
    bus.write(COUNT + 4, 5);
    bus.write(CONF, 1);
    bus.advance(3);
    expect([bus.read(COUNT), bus.read(COUNT + 4)]).toEqual([2, 6]);
    bus.write(CONF, 0);
    bus.advance(100);
    expect(bus.read(COUNT)).toBe(2);
  });

  it('fires once with a level that a write to the status ends', () => {
    const { bus } = plugged();
    bus.write(timer(2, 0), (20 << 9) | 2 | 4);
    bus.write(timer(2, 8), 50);
    bus.write(timer(2, 12), 0);
    bus.write(CONF, 1);
    bus.advance(49);
    expect([bus.line(20), bus.read(STATUS)]).toEqual([false, 0]);
    bus.advance(1);
    expect([bus.line(20), bus.read(STATUS)]).toEqual([true, 4]);
    bus.write(STATUS, 4);
    expect([bus.line(20), bus.read(STATUS)]).toEqual([false, 0]);
    bus.advance(100_000);
    expect(bus.edges.get(20)).toBe(1);
  });

  it('is periodic: the comparator once with VAL_SET, then the period', () => {
    const { bus } = plugged();
    bus.write(timer(0, 0), (21 << 9) | 4 | 8 | 0x40 | 0x100);
    bus.write(timer(0, 8), 100);
    bus.write(timer(0, 8), 30);
    bus.write(CONF, 1);
    bus.advance(99);
    expect(bus.edges.get(21) ?? 0).toBe(0);
    bus.advance(1 + 30 * 4);
    expect([bus.edges.get(21), bus.read(timer(0, 8))]).toEqual([5, 250]);
  });

  it('wraps at 32 bits when it is told to', () => {
    const { bus } = plugged();
    bus.write(timer(1, 0), (22 << 9) | 4 | 0x100);
    bus.write(timer(1, 8), 5);
    bus.write(COUNT, 0xfffffff0);
    bus.write(CONF, 1);
    bus.advance(21);
    expect(bus.edges.get(22)).toBe(1);
  });

  it('takes the wires of the PIT and the RTC in legacy replacement, and gives them back', () => {
    const { bus, device } = plugged();
    device.legacyInput[0].set(true);
    expect(bus.line(2)).toBe(true);
    bus.write(timer(0, 0), 4);
    bus.write(timer(0, 8), 10);
    bus.write(timer(0, 12), 0);
    bus.write(CONF, 3);
    expect(bus.line(2)).toBe(false);
    device.legacyInput[0].set(false);
    device.legacyInput[0].set(true);
    expect(bus.line(2)).toBe(false);
    bus.advance(10);
    expect(bus.line(2)).toBe(true);
    bus.write(CONF, 0);
    device.legacyInput[0].set(false);
    expect(bus.line(2)).toBe(false);
  });

  it('sends a message instead of an interrupt', () => {
    const { bus } = plugged();
    bus.write(timer(2, 0), 4 | 0x4000);
    bus.write(timer(2, 16), 0x4041);
    bus.write(timer(2, 20), 0xfee01000);
    bus.write(timer(2, 8), 5);
    bus.write(timer(2, 12), 0);
    bus.write(CONF, 1);
    bus.advance(5);
    expect(bus.messages).toEqual([{ address: 0xfee01000, data: 0x4041 }]);
  });

  it('saves all of its state', () => {
    const { bus, device } = plugged();
    bus.write(timer(0, 8), 77);
    bus.write(CONF, 1);
    const saved = device.save();
    device.reset();
    device.load(saved);
    expect(device.save()).toEqual(saved);
  });
});
