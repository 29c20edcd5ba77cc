import { describe, expect, it } from 'vitest';
import { createEdu } from './edu.ts';
import { createPciHost, intxToPin } from './pcihost.ts';
import { TestBus } from './testbus.ts';

const DEVICE = 4;
const PIN = intxToPin(DEVICE, 1);
const BUFFER = 0x40000;

function plugged(ramBytes = 0x10000) {
  const bus = new TestBus({ ramBytes });
  const edu = createEdu();
  bus.plug(edu, createPciHost({ slots: [{ device: DEVICE, plugged: edu }] }));
  const config = (register: number, size = 4) => {
    bus.out(0xcf8, 0x80000000 | (DEVICE << 11) | (register & 0xfc), 4);
    return bus.in(0xcfc + (register & 3), size);
  };
  const setConfig = (register: number, size: number, value: number) => {
    bus.out(0xcf8, 0x80000000 | (DEVICE << 11) | (register & 0xfc), 4);
    bus.out(0xcfc + (register & 3), value, size);
  };
  setConfig(0x04, 2, 0x0006);
  const base = config(0x10);
  return {
    bus,
    edu,
    config,
    setConfig,
    read: (offset: number, size = 4) => bus.read(base + offset, size),
    write: (offset: number, value: number, size = 4) => bus.write(base + offset, value, size),
    dma(source: number, destination: number, count: number, command: number) {
      bus.write(base + 0x80, source);
      bus.write(base + 0x88, destination);
      bus.write(base + 0x90, count);
      bus.write(base + 0x98, command);
    },
  };
}

describe('edu', () => {
  it('is 1234:11e8 with one memory region of 1 MB and INTA#', () => {
    const m = plugged();
    expect(m.config(0)).toBe(0x11e81234);
    expect(m.config(0x3d, 1)).toBe(1);
    m.setConfig(0x10, 4, 0xffffffff);
    expect(m.config(0x10)).toBe(0xfff00000);
  });

  it('identifies itself and inverts the liveness value', () => {
    const m = plugged();
    expect(m.read(0)).toBe(0x010000ed);
    m.write(4, 0x12345678);
    expect(m.read(4)).toBe(0xedcba987);
    m.write(0, 5);
    expect(m.read(0)).toBe(0x010000ed);
  });

  it('answers only 4-byte accesses below 0x80', () => {
    const m = plugged();
    expect(m.read(0, 1)).toBe(0xff);
    expect(m.read(0, 2)).toBe(0xffff);
    m.write(4, 1, 2);
    m.write(4, 0x99999999);
    m.write(4, 0, 1);
    expect(m.read(4)).toBe(0x66666666);
  });

  it.each([
    [0, 1],
    [1, 1],
    [5, 120],
    [10, 3628800],
    [12, 479001600],
    [13, 1932053504],
    [33, 0x80000000],
    [34, 0],
    [0xffffffff, 0],
  ])('computes %d! in 32 bits, in guest time', (n, result) => {
    const m = plugged();
    m.write(8, n);
    expect(m.read(0x20) & 1).toBe(1);
    m.bus.advance(10_000);
    expect(m.read(0x20) & 1).toBe(0);
    expect(m.read(8)).toBe(result);
    expect(m.bus.line(PIN)).toBe(false);
  });

  it('ignores a new factorial while it computes', () => {
    const m = plugged();
    m.write(8, 10);
    m.write(8, 3);
    m.bus.advance(10_000);
    expect(m.read(8)).toBe(3628800);
  });

  it('interrupts when a factorial is finished, if the status register asks for it, until acknowledged', () => {
    const m = plugged();
    m.write(0x20, 0xff);
    expect(m.read(0x20)).toBe(0x80);
    m.write(8, 4);
    expect(m.bus.line(PIN)).toBe(false);
    m.bus.advance(10_000);
    expect(m.bus.line(PIN)).toBe(true);
    expect(m.read(0x24)).toBe(1);
    m.write(0x64, 1);
    expect(m.read(0x24)).toBe(0);
    expect(m.bus.line(PIN)).toBe(false);
  });

  it('raises what software writes to the raise register, and stops only when all of it is acknowledged', () => {
    const m = plugged();
    m.write(0x60, 0x12);
    m.write(0x60, 0x80000001);
    expect(m.read(0x24)).toBe(0x80000013);
    m.write(0x64, 0x13);
    expect(m.bus.line(PIN)).toBe(true);
    m.write(0x64, 0x80000000);
    expect(m.bus.line(PIN)).toBe(false);
  });

  it('sends messages once MSI is enabled', () => {
    const m = plugged();
    m.setConfig(0x44, 4, 0xfee00000);
    m.setConfig(0x4c, 2, 0x61);
    m.setConfig(0x42, 2, 1);
    m.write(0x60, 4);
    expect(m.bus.messages).toEqual([{ address: 0xfee00000, data: 0x61 }]);
    expect(m.bus.line(PIN)).toBe(false);
  });

  it('copies RAM to its buffer and back by DMA', () => {
    const m = plugged();
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i * 7);
    m.bus.memory.writeBytes(0x1000, bytes);
    m.dma(0x1000, BUFFER, 100, 1);
    expect(m.read(0x98)).toBe(1);
    m.bus.advance(1_000);
    expect(m.read(0x98)).toBe(0);
    expect(m.bus.line(PIN)).toBe(false);
    m.dma(BUFFER, 0x2000, 100, 7);
    m.bus.advance(1_000);
    expect(m.bus.memory.readBytes(0x2000, 100)).toEqual(bytes);
    expect(m.read(0x24)).toBe(0x100);
    expect(m.bus.line(PIN)).toBe(true);
  });

  it('takes time in proportion to the count', () => {
    const m = plugged();
    m.dma(0x1000, BUFFER, 4096, 1);
    m.bus.advance(4095);
    expect(m.read(0x98) & 1).toBe(1);
    m.bus.advance(1000);
    expect(m.read(0x98) & 1).toBe(0);
  });

  it('drives only 28 bits of an address', () => {
    const m = plugged();
    m.bus.memory.write32(0x3000, 0xcafef00d);
    m.dma(0xf0003000, BUFFER, 4, 1);
    m.bus.advance(1_000);
    m.dma(BUFFER, 0x70004000, 4, 3);
    m.bus.advance(1_000);
    expect(m.bus.memory.read32(0x4000)).toBe(0xcafef00d);
  });

  it.each([
    ['outside of the buffer', BUFFER + 0xffd, 4],
    ['below the buffer', BUFFER - 4, 4],
    ['larger than the buffer', BUFFER, 4097],
  ])('moves nothing %s, but finishes', (_what, inside, count) => {
    const m = plugged();
    m.bus.memory.fill(0x1000, 0x2000, 0x55);
    m.dma(inside, 0x1000, count, 7);
    m.bus.advance(10_000);
    expect(m.bus.memory.readBytes(0x1000, 0x2000).every(b => b === 0x55)).toBe(true);
    expect(m.read(0x24)).toBe(0x100);
  });

  it('moves nothing while it is not a bus master', () => {
    const m = plugged();
    m.setConfig(0x04, 2, 0x0002);
    m.bus.memory.write32(0x1000, 0x55555555);
    m.dma(BUFFER, 0x1000, 4, 3);
    m.bus.advance(1_000);
    expect(m.bus.memory.read32(0x1000)).toBe(0x55555555);
  });

  it('notes a master abort when nobody answers, and reads ones from there', () => {
    const m = plugged(0x10000);
    m.dma(0xfffe, BUFFER, 4, 1);
    m.bus.advance(1_000);
    expect(m.config(0x06, 2) & 0x2000).toBe(0x2000);
    m.bus.memory.write32(0x1000, 0);
    m.dma(BUFFER, 0x1000, 4, 3);
    m.bus.advance(1_000);
    expect(m.bus.memory.read32(0x1000)).toBe(0xffff0000);
    m.dma(BUFFER, 0x08000000, 4, 3);
    m.bus.advance(1_000);
    expect(m.read(0x98)).toBe(2);
  });

  it('ignores writes to its DMA registers while a transfer runs', () => {
    const m = plugged();
    m.bus.memory.write32(0x1000, 0x11111111);
    m.bus.memory.write32(0x2000, 0x22222222);
    m.dma(0x1000, BUFFER, 4, 1);
    m.write(0x80, 0x2000);
    m.bus.advance(1_000);
    m.dma(BUFFER, 0x3000, 4, 3);
    m.bus.advance(1_000);
    expect(m.bus.memory.read32(0x3000)).toBe(0x11111111);
  });

  it('saves and loads everything: registers, buffer, configuration space', () => {
    const m = plugged();
    m.bus.memory.write32(0x1000, 0xdeadbeef);
    m.dma(0x1000, BUFFER + 8, 4, 1);
    m.bus.advance(1_000);
    m.write(0x60, 2);
    const saved = m.edu.save();
    m.edu.reset();
    expect(m.edu.save()).not.toEqual(saved);
    m.edu.load(saved);
    expect(m.edu.save()).toEqual(saved);
    m.dma(BUFFER + 8, 0x2000, 4, 3);
    m.bus.advance(1_000);
    expect(m.bus.memory.read32(0x2000)).toBe(0xdeadbeef);
  });
});
