import { describe, expect, it } from 'vitest';
import { createPciFunction, resetPciFunction, setPciInterrupt } from './pcifunction.ts';
import type { PciDevice, PciFunctionSpec } from './pcifunction.ts';
import { createPciHost, intxToPin } from './pcihost.ts';
import { TestBus } from './testbus.ts';

const SPEC: PciFunctionSpec = {
  vendor: 0x1af4,
  device: 0x1000,
  revision: 3,
  classCode: 0x020001,
  subsystemVendor: 0x1234,
  subsystem: 0x5678,
  interruptPin: 1,
  bars: [
    { space: 'memory', size: 0x1000 },
    { space: 'io', size: 0x20 },
    null,
    { space: 'memory', size: 0x10000, prefetchable: true },
  ],
  msi: true,
};

/** A function that answers with where it was asked, and remembers what it was told. */
function probe(id: string, spec: PciFunctionSpec = SPEC) {
  const writes: number[][] = [];
  const pci = createPciFunction(spec);
  const device: PciDevice = {
    id,
    title: id,
    pci,
    attach: () => {},
    reset: () => resetPciFunction(pci),
    save: () => ({}),
    load: () => {},
    barRead: (bar, offset) => bar * 0x1000000 + offset,
    barWrite: (...access) => writes.push(access),
  };
  return { device, writes, pci };
}

function machine(...slots: { device: number; function?: number; plugged: PciDevice }[]) {
  const bus = new TestBus();
  const host = createPciHost({ slots });
  bus.plug(...slots.map(s => s.plugged), host);
  const address = (device: number, register: number) => 0x80000000 | (device << 11) | (register & 0xfc);
  return {
    bus,
    host,
    config(device: number, register: number, size = 4) {
      bus.out(0xcf8, address(device, register), 4);
      return bus.in(0xcfc + (register & 3), size);
    },
    setConfig(device: number, register: number, size: number, value: number) {
      bus.out(0xcf8, address(device, register), 4);
      bus.out(0xcfc + (register & 3), value, size);
    },
  };
}

describe('configuration mechanism #1', () => {
  it('reads back CONFIG_ADDRESS with its reserved bits zero, by 32-bit accesses only', () => {
    const { bus } = machine();
    bus.out(0xcf8, 0xffffffff, 4);
    expect(bus.in(0xcf8, 4)).toBe(0x80fffffc);
    bus.out(0xcf8, 0, 1);
    expect(bus.in(0xcf8, 4)).toBe(0x80fffffc);
    expect(bus.in(0xcf8, 2)).toBe(0xffff);
  });

  it('finds nothing while the enable bit is clear, on another bus or in an empty slot', () => {
    const m = machine();
    m.bus.out(0xcf8, 0, 4);
    expect(m.bus.in(0xcfc, 4)).toBe(0xffffffff);
    m.bus.out(0xcf8, 0x80010000, 4);
    expect(m.bus.in(0xcfc, 4)).toBe(0xffffffff);
    expect(m.config(7, 0)).toBe(0xffffffff);
  });

  it('shows a host bridge at device 0', () => {
    const m = machine();
    expect(m.config(0, 0)).toBe(0x12378086);
    expect(m.config(0, 0x08) >>> 8).toBe(0x060000);
  });

  it('shows the header of a function, by dword, word and byte', () => {
    const m = machine({ device: 3, plugged: probe('a').device });
    expect(m.config(3, 0)).toBe(0x10001af4);
    expect(m.config(3, 2, 2)).toBe(0x1000);
    expect(m.config(3, 0x08)).toBe(0x02000103);
    expect(m.config(3, 0x0b, 1)).toBe(0x02);
    expect(m.config(3, 0x0e, 1)).toBe(0);
    expect(m.config(3, 0x2c)).toBe(0x56781234);
    expect(m.config(3, 0x3d, 1)).toBe(1);
    expect(m.config(3, 0x30)).toBe(0);
    expect(m.config(3, 0xf0)).toBe(0);
  });

  it('refuses two functions in one slot', () => {
    expect(() =>
      createPciHost({
        slots: [
          { device: 2, plugged: probe('a').device },
          { device: 2, plugged: probe('b').device },
        ],
      }),
    ).toThrow(/taken/);
  });
});

describe('base address registers', () => {
  it('answer sizing with the complement of the size less one and their type bits (PCI 3.0, 6.2.5.1)', () => {
    const m = machine({ device: 3, plugged: probe('a').device });
    for (const [register, ones] of [
      [0x10, 0xfffff000],
      [0x14, 0xffffffe1],
      [0x18, 0],
      [0x1c, 0xffff0008],
    ] as const) {
      const firmware = m.config(3, register);
      m.setConfig(3, register, 4, 0xffffffff);
      expect(m.config(3, register)).toBe(ones);
      m.setConfig(3, register, 4, firmware);
      expect(m.config(3, register)).toBe(firmware);
    }
  });

  it('are placed by firmware, aligned to their size and apart from one another', () => {
    const m = machine({ device: 3, plugged: probe('a').device }, { device: 4, plugged: probe('b').device });
    const ranges = [3, 4].flatMap(d => [
      [m.config(d, 0x10), 0x1000],
      [m.config(d, 0x1c) & ~15, 0x10000],
    ]);
    for (const [base, size] of ranges) expect((base! >>> 0) % size!).toBe(0);
    const sorted = ranges.map(([base, size]) => [base! >>> 0, size!]).sort((a, b) => a[0]! - b[0]!);
    for (let i = 1; i < sorted.length; i++) expect(sorted[i]![0]).toBeGreaterThanOrEqual(sorted[i - 1]![0]! + sorted[i - 1]![1]!);
    expect(m.config(3, 0x14) & 1).toBe(1);
  });

  it('decode where software moves them, only while the command register enables their space', () => {
    const p = probe('a');
    const m = machine({ device: 3, plugged: p.device });
    m.setConfig(3, 0x10, 4, 0xd0000000);
    m.setConfig(3, 0x14, 4, 0xc000);
    expect(m.bus.read(0xd0000120)).toBe(0x120);
    expect(m.bus.in(0xc010, 4)).toBe(0x01000010);
    m.bus.write(0xd0000ffc, 5);
    expect(p.writes).toEqual([[0, 0xffc, 4, 5]]);
    expect(m.bus.read(0xd0001000)).toBe(0xffffffff);

    m.setConfig(3, 0x04, 2, 0x0001);
    expect(m.bus.read(0xd0000000)).toBe(0xffffffff);
    expect(m.bus.in(0xc010, 4)).toBe(0x01000010);
    m.setConfig(3, 0x04, 2, 0x0002);
    expect(m.bus.read(0xd0000000)).toBe(0);
    expect(m.bus.in(0xc010, 4)).toBe(0xffffffff);
  });

  it('may be put onto one another: the lower device answers', () => {
    const a = probe('a');
    const b = probe('b');
    const m = machine({ device: 3, plugged: a.device }, { device: 4, plugged: b.device });
    m.setConfig(3, 0x10, 4, 0xd0000000);
    m.setConfig(4, 0x10, 4, 0xd0000000);
    m.bus.write(0xd0000000, 1);
    expect([a.writes.length, b.writes.length]).toEqual([1, 0]);
  });
});

describe('interrupts', () => {
  it('share a pin as a wired or', () => {
    const a = probe('a');
    const b = probe('b');
    const m = machine({ device: 3, plugged: a.device }, { device: 7, plugged: b.device });
    const pin = intxToPin(3, 1);
    expect(intxToPin(7, 1)).toBe(pin);
    expect(m.config(3, 0x3c, 1)).toBe(pin);
    setPciInterrupt(a.pci, true);
    setPciInterrupt(b.pci, true);
    setPciInterrupt(a.pci, false);
    expect(m.bus.line(pin)).toBe(true);
    setPciInterrupt(b.pci, false);
    expect(m.bus.line(pin)).toBe(false);
  });

  it('show in the status register and are kept off the pin by the interrupt disable bit', () => {
    const a = probe('a');
    const m = machine({ device: 3, plugged: a.device });
    m.setConfig(3, 0x04, 2, 0x0400);
    setPciInterrupt(a.pci, true);
    expect(m.config(3, 0x06, 2) & 8).toBe(8);
    expect(m.bus.line(intxToPin(3, 1))).toBe(false);
    m.setConfig(3, 0x04, 2, 0);
    expect(m.bus.line(intxToPin(3, 1))).toBe(true);
  });

  it('become messages through the MSI capability, instead of INTx#', () => {
    const a = probe('a');
    const m = machine({ device: 3, plugged: a.device });
    const capability = m.config(3, 0x34, 1);
    expect(m.config(3, 0x06, 2) & 0x10).toBe(0x10);
    expect(m.config(3, capability, 1)).toBe(0x05);
    m.setConfig(3, 0x04, 2, 0x0006);
    m.setConfig(3, capability + 4, 4, 0xfee01000);
    m.setConfig(3, capability + 8, 4, 0);
    m.setConfig(3, capability + 12, 2, 0x4051);
    m.setConfig(3, capability + 2, 2, 1);
    expect(m.config(3, capability + 2, 2)).toBe(0x81);
    setPciInterrupt(a.pci, true);
    expect(m.bus.messages).toEqual([{ address: 0xfee01000, data: 0x4051 }]);
    expect(m.bus.line(intxToPin(3, 1))).toBe(false);
  });
});

describe('status register', () => {
  it('clears error bits by writing ones and keeps the others', () => {
    const a = probe('a');
    const m = machine({ device: 3, plugged: a.device });
    a.pci.r.Status = 0x2000;
    m.setConfig(3, 0x06, 2, 0x0010);
    expect(m.config(3, 0x06, 2)).toBe(0x2010);
    m.setConfig(3, 0x06, 2, 0x2000);
    expect(m.config(3, 0x06, 2)).toBe(0x0010);
  });

  it('of the bridge is saved and loaded with CONFIG_ADDRESS', () => {
    const m = machine();
    m.setConfig(0, 0x0c, 1, 0x10);
    const saved = m.host.save();
    m.setConfig(0, 0x0c, 1, 0x20);
    m.bus.out(0xcf8, 0, 4);
    m.host.load(saved);
    expect(m.host.save()).toEqual(saved);
    expect(m.config(0, 0x0c, 1)).toBe(0x10);
  });
});
