import { describe, expect, it } from 'vitest';
import {
  PAGE_STORE_BASE,
  PAGE_STORE_DISCARD,
  PAGE_STORE_IDENT,
  PAGE_STORE_READ,
  PAGE_STORE_WRITE,
  PS_COMMAND,
  PS_IDENT,
  PS_PAGE,
  PS_SLOT,
  PS_SLOTS,
} from '../hal/bus/index.ts';
import { createPageStore } from './pagestore.ts';
import { TestBus } from './testbus.ts';

function store() {
  const bus = new TestBus({ ramBytes: 0x4000 });
  const device = createPageStore({ slots: 8 });
  device.attach(bus);
  device.reset();
  const read = (r: number): number => device.portRead!(PAGE_STORE_BASE + r, 4) >>> 0;
  const write = (r: number, v: number): void => device.portWrite!(PAGE_STORE_BASE + r, 4, v);
  const command = (code: number, slot: number, page: number): void => {
    write(PS_SLOT, slot);
    write(PS_PAGE, page);
    write(PS_COMMAND, code);
  };
  return { bus, device, read, command };
}

describe('page store', () => {
  it('says what it is', () => {
    const { read } = store();
    expect([read(PS_IDENT), read(PS_SLOTS)]).toEqual([PAGE_STORE_IDENT, 8]);
  });

  it('keeps pages by slot, and gives zeros for an empty one', () => {
    const { bus, command } = store();
    bus.memory.fill(0x1000, 0x1000, 0x5a);
    command(PAGE_STORE_WRITE, 3, 1);
    bus.memory.fill(0x1000, 0x1000, 0);
    command(PAGE_STORE_READ, 3, 2);
    expect([bus.memory.read8(0x2000), bus.memory.read8(0x2fff)]).toEqual([0x5a, 0x5a]);
    command(PAGE_STORE_DISCARD, 3, 0);
    command(PAGE_STORE_READ, 3, 2);
    expect(bus.memory.read8(0x2000)).toBe(0);
  });

  it('does nothing for a slot or a page that does not exist', () => {
    const { bus, command } = store();
    bus.memory.fill(0x1000, 0x1000, 7);
    for (const [slot, page] of [
      [0, 1],
      [8, 1],
      [1, 4],
    ] as const) {
      command(PAGE_STORE_WRITE, slot, page);
      command(PAGE_STORE_READ, slot, page);
    }
    expect(bus.memory.read8(0x1000)).toBe(7);
  });

  it('saves and loads what it holds', () => {
    const a = store(),
      b = store();
    a.bus.memory.fill(0, 0x1000, 9);
    a.command(PAGE_STORE_WRITE, 5, 0);
    b.device.load(a.device.save());
    b.command(PAGE_STORE_READ, 5, 1);
    expect(b.bus.memory.read8(0x1000)).toBe(9);
    expect(b.device.save()).toEqual({ ...(a.device.save() as object), page: 1 });
  });
});
