import { expect, it } from 'vitest';
import { createAcpiPm, PM_TIMER_FREQUENCY } from './acpipm.ts';
import { createSystemControl } from './systemcontrol.ts';
import { TestBus } from './testbus.ts';

const EVT = 0x600,
  EN = 0x602,
  CNT = 0x604,
  TMR = 0x608;

function plugged() {
  const bus = new TestBus();
  const device = createAcpiPm();
  bus.plug(device, createSystemControl());
  return { bus, device };
}

it('counts at 3.579545 MHz in 24 bits, and says when the highest bit changes', () => {
  const { bus } = plugged();
  bus.advance(bus.clock.frequency);
  expect(bus.in(TMR, 4)).toBe(PM_TIMER_FREQUENCY);
  bus.out(EN, 1, 2);
  // 2^23 ticks are 2.34 s.
  bus.advance(bus.clock.frequency);
  expect([bus.in(EVT, 2) & 1, bus.line(9)]).toEqual([0, false]);
  bus.advance(bus.clock.frequency / 2);
  expect([bus.in(EVT, 2) & 1, bus.line(9)]).toEqual([1, true]);
  bus.out(EVT, 1, 2);
  expect(bus.line(9)).toBe(false);
  bus.advance(3 * bus.clock.frequency);
  expect([bus.line(9), bus.in(TMR, 4) < 2 ** 24]).toEqual([true, true]);
});

it('is in ACPI mode, takes the power button, and turns off in S5', () => {
  const { bus, device } = plugged();
  bus.out(CNT, 0, 2);
  expect(bus.in(CNT, 2)).toBe(1);
  device.input!('button', new Uint8Array(0));
  expect([bus.in(EVT, 2), bus.line(9)]).toEqual([0x100, false]);
  bus.out(EN, 0x100, 2);
  expect(bus.line(9)).toBe(true);
  bus.out(CNT, 0x0400, 2);
  expect(bus.powerEvents).toEqual([]);
  bus.out(CNT, 0x2000, 2);
  expect(bus.powerEvents).toEqual([{ kind: 'off' }]);
});

it('sleeps in S3 until an enabled event: the RTC on its wire', () => {
  const { bus } = plugged();
  const rtc = bus.interruptLine(8);
  bus.out(CNT, 0x2400, 2);
  rtc.set(true);
  rtc.set(false);
  expect(bus.powerEvents).toEqual([{ kind: 'sleep' }]);
  bus.out(EVT, 0x400, 2);
  bus.out(EN, 0x400, 2);
  rtc.set(true);
  expect(bus.powerEvents).toEqual([{ kind: 'sleep' }, { kind: 'wake' }]);
  expect(bus.in(EVT, 2)).toBe(0x8400);
});

it('wakes at once when something enabled is pending', () => {
  const { bus } = plugged();
  bus.interruptLine(8).set(true);
  bus.out(EN, 0x400, 2);
  bus.out(CNT, 0x2400, 2);
  bus.advance(1);
  expect(bus.powerEvents.map(e => e.kind)).toEqual(['sleep', 'wake']);
});

it('pulls the reset line through ports 92h and CF9h on a rising bit', () => {
  const { bus } = plugged();
  expect(bus.in(0x92)).toBe(2);
  bus.out(0x92, 2);
  bus.out(0x92, 3);
  bus.out(0x92, 3);
  bus.out(0xcf9, 2);
  bus.out(0xcf9, 6);
  expect(bus.powerEvents).toEqual([
    { kind: 'reset', by: 'port 92h' },
    { kind: 'reset', by: 'port CF9h' },
  ]);
  bus.out(0x80, 0x5a);
  expect([bus.in(0x80), bus.text('post')]).toEqual([0x5a, 'Z']);
});
