import { expect, it } from 'vitest';
import { createDebugExit } from './debugexit.ts';
import { createPcTestdev } from './pctestdev.ts';
import { TestBus } from './testbus.ts';

const plugged = () => {
  const bus = new TestBus();
  const device = createPcTestdev();
  bus.plug(device, createDebugExit());
  return { bus, device };
};

it('has four bytes at E0 and E8 that read back in every size', () => {
  const { bus } = plugged();
  bus.out(0xe0, 0x12345678, 4);
  expect([bus.in(0xe0, 4), bus.in(0xe1), bus.in(0xe2, 2), bus.in(0xe8, 4)]).toEqual([0x12345678, 0x56, 0x1234, 0x12345678]);
  bus.out(0xeb, 0xff);
  expect(bus.in(0xe0, 4)).toBe(0xff345678);
  bus.out(0xe4, 0x1000, 4);
  expect([bus.in(0xe4, 4), bus.in(0xe0, 4)]).toEqual([0, 0xff345678]);
});

it('drives interrupt lines', () => {
  const { bus } = plugged();
  bus.out(0x200e, 1);
  bus.out(0x2000, 1);
  expect([bus.line(14), bus.line(2), bus.line(0)]).toEqual([true, true, false]);
  bus.out(0x200e, 0);
  expect(bus.line(14)).toBe(false);
});

it('has memory that is saved', () => {
  const { bus, device } = plugged();
  bus.write(0xff000ffe, 0xa1b2c3d4, 4);
  expect([bus.read(0xff001000, 2), bus.read(0xff000ffe, 4)]).toEqual([0xa1b2, 0xa1b2c3d4]);
  bus.out(0xe0, 7);
  const saved = structuredClone(device.save());
  device.reset();
  expect(bus.read(0xff001000, 2)).toBe(0);
  device.load(saved);
  expect([bus.read(0xff001000, 2), bus.in(0xe0)]).toEqual([0xa1b2, 7]);
});

it('ends the run through the debug-exit port', () => {
  const { bus } = plugged();
  bus.out(0xf4, 0x10, 4);
  bus.out(0xf4, 0);
  expect(bus.powerEvents).toEqual([
    { kind: 'exit', code: 0x21 },
    { kind: 'exit', code: 1 },
  ]);
});
