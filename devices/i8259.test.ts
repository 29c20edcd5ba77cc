import { describe, expect, it } from 'vitest';
import { createI8259, isaPin } from './i8259.ts';
import { TestBus } from './testbus.ts';

/** A pair initialised as PC firmware does: vectors 20h and 28h, nothing masked unless said. */
function pair(options: { icw1?: number; icw4?: number; mask?: number } = {}) {
  const { icw1 = 0x11, icw4 = 1, mask = 0 } = options;
  const bus = new TestBus();
  const device = createI8259();
  bus.plug(device);
  const lines = Array.from({ length: 16 }, (_, irq) => bus.interruptLine(isaPin(irq)));
  for (const [port, base, cascade] of [
    [0x20, 0x20, 4],
    [0xa0, 0x28, 2],
  ] as const) {
    bus.out(port, icw1);
    bus.out(port + 1, base);
    bus.out(port + 1, cascade);
    if (icw1 & 1) bus.out(port + 1, icw4);
    bus.out(port + 1, mask);
  }
  return {
    bus,
    device,
    raise: (irq: number, level = true) => lines[irq]!.set(level),
    eoi: (port: number) => bus.out(port, 0x20),
  };
}

const isr = (bus: TestBus, port: number): number => {
  bus.out(port, 0x0b);
  const value = bus.in(port);
  bus.out(port, 0x0a);
  return value;
};

describe('8259A pair', () => {
  it('asks for nothing before it is initialised', () => {
    const bus = new TestBus();
    bus.plug(createI8259());
    bus.interruptLine(1).set(true);
    expect(bus.intr).toBe(false);
  });

  it('gives the vector of the input, holds it in service until EOI, and nests higher priorities', () => {
    const { bus, raise, eoi } = pair();
    raise(3);
    expect(bus.intr).toBe(true);
    expect(bus.in(0x20)).toBe(0x08);
    expect(bus.acknowledge()).toBe(0x23);
    expect([bus.intr, bus.in(0x20), isr(bus, 0x20)]).toEqual([false, 0, 0x08]);
    raise(5);
    expect(bus.intr).toBe(false);
    raise(1);
    expect(bus.acknowledge()).toBe(0x21);
    expect(isr(bus, 0x20)).toBe(0x0a);
    eoi(0x20);
    expect([isr(bus, 0x20), bus.intr]).toEqual([0x08, false]);
    eoi(0x20);
    expect(bus.acknowledge()).toBe(0x25);
  });

  it('takes the timer at pin 2 as IRQ 0, and its own cascade input from nobody', () => {
    const { bus } = pair();
    bus.interruptLine(2).set(true);
    expect(bus.acknowledge()).toBe(0x20);
  });

  it('passes the second chip through IRQ 2, and again while the first acknowledges', () => {
    const { bus, raise, eoi } = pair();
    raise(12);
    expect(bus.acknowledge()).toBe(0x2c);
    expect([isr(bus, 0x20), isr(bus, 0xa0)]).toEqual([0x04, 0x10]);
    // Higher on the second chip, but its cascade input is in service on the first (not specially nested).
    raise(8);
    expect(bus.intr).toBe(false);
    eoi(0x20);
    expect(bus.acknowledge()).toBe(0x28);
    eoi(0xa0);
    eoi(0xa0);
    expect(isr(bus, 0xa0)).toBe(0);
  });

  it('lets the second chip nest in special fully nested mode', () => {
    const { bus, raise } = pair({ icw4: 0x11 });
    raise(12);
    bus.acknowledge();
    raise(8);
    expect(bus.acknowledge()).toBe(0x28);
  });

  it('gives the spurious vector when the request has gone', () => {
    const { bus, raise } = pair();
    raise(4);
    raise(4, false);
    expect(bus.intr).toBe(false);
    expect([bus.acknowledge(), isr(bus, 0x20)]).toEqual([0x27, 0]);
  });

  it('latches edges, and asks again at once for a level that stays', () => {
    const { bus, raise, eoi } = pair();
    raise(5);
    bus.acknowledge();
    eoi(0x20);
    expect(bus.intr).toBe(false);
    bus.out(0x4d0, 0xff);
    expect(bus.in(0x4d0)).toBe(0xf8);
    expect(bus.acknowledge()).toBe(0x25);
    expect(bus.intr).toBe(false);
    eoi(0x20);
    expect(bus.intr).toBe(true);
    raise(5, false);
    expect(bus.intr).toBe(false);
  });

  it('masks, and remembers what came while masked', () => {
    const { bus, raise } = pair({ mask: 0xff });
    raise(1);
    expect([bus.intr, bus.in(0x20), bus.in(0x21)]).toEqual([false, 2, 0xff]);
    bus.out(0x21, 0xfd);
    expect(bus.acknowledge()).toBe(0x21);
  });

  it('rotates priorities, ends interrupts by themselves, and honours specific commands', () => {
    const { bus, raise } = pair();
    bus.out(0x20, 0xc3); // input 3 has the lowest priority: 4 the highest
    raise(0);
    raise(4);
    expect(bus.acknowledge()).toBe(0x24);
    bus.out(0x20, 0xa0); // rotate on non-specific EOI: 4 is the lowest now
    raise(3);
    expect(bus.acknowledge()).toBe(0x20);
    bus.out(0x20, 0x60); // specific EOI of input 0
    expect(isr(bus, 0x20)).toBe(0);

    const auto = pair({ icw4: 3 });
    auto.raise(1);
    auto.bus.acknowledge();
    expect(isr(auto.bus, 0x20)).toBe(0);
  });

  it('lets lower priorities through what is masked in special mask mode', () => {
    const { bus, raise } = pair();
    raise(1);
    bus.acknowledge();
    raise(6);
    expect(bus.intr).toBe(false);
    bus.out(0x21, 0x02);
    bus.out(0x20, 0x68);
    expect(bus.acknowledge()).toBe(0x26);
    // A non-specific EOI leaves the masked one in service.
    bus.out(0x20, 0x20);
    expect(isr(bus, 0x20)).toBe(0x02);
  });

  it('answers a poll as an acknowledge', () => {
    const { bus, raise } = pair();
    bus.out(0x20, 0x0c);
    expect(bus.in(0x20)).toBe(0);
    raise(6);
    bus.out(0x20, 0x0c);
    expect([bus.in(0x20), isr(bus, 0x20)]).toEqual([0x86, 0x40]);
  });

  it('saves and loads all of its state', () => {
    const { device, bus, raise } = pair();
    raise(3);
    const saved = structuredClone(device.save());
    const other = new TestBus();
    const copy = createI8259();
    other.plug(copy);
    copy.load(saved);
    expect(copy.save()).toEqual(saved);
    expect(other.acknowledge()).toBe(bus.acknowledge());
  });
});
