import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestFault } from '../hal/bus/index.ts';
import { GuestRam, PagedMemory } from './memory.ts';

const RAM = 1 << 20;
const PML4 = 0x1000,
  PDPT = 0x2000,
  PD = 0x3000,
  PT = 0x4000;
const KERNEL = -0x8000_0000_0000; // FFFF8000`00000000, PML4 entry 256

interface World {
  ram: GuestRam;
  mem: PagedMemory;
  written: [number, number][];
  device: { reads: string[]; writes: string[] };
  wp: { on: boolean };
}

/** KERNEL + 0..7FFF maps pages 0x10000.. in turn, except: page 2 is missing, page 3 read-only, page 5 a device at F0000000, page 6 has a reserved bit; a 2 MiB page at KERNEL + 200000h is RAM from 0. */
function world(): World {
  const memory = new WebAssembly.Memory({ initial: 32 });
  const written: [number, number][] = [],
    device = { reads: [] as string[], writes: [] as string[] },
    wp = { on: true };
  const ram = new GuestRam(memory, 0, RAM, new Uint8Array(RAM / 4096), (pa, length) => written.push([pa, length]));
  const mem = new PagedMemory(ram, {
    paging: () => true,
    writeProtect: () => wp.on,
    root: () => PML4,
    deviceRead: (pa, size) => {
      device.reads.push(`${pa.toString(16)}/${size}`);
      return 0x12345678;
    },
    deviceWrite: (pa, size, value) => {
      device.writes.push(`${pa.toString(16)}/${size}=${value.toString(16)}`);
    },
  });
  ram.write64(PML4 + 256 * 8, BigInt(PDPT | 3));
  ram.write64(PDPT, BigInt(PD | 3));
  ram.write64(PD, BigInt(PT | 3));
  ram.write64(PD + 8, 0x83n);
  for (let i = 0; i < 8; i++) ram.write64(PT + i * 8, BigInt((0x10000 + i * 0x1000) | 3));
  ram.write64(PT + 2 * 8, 0n);
  ram.write64(PT + 3 * 8, BigInt(0x13000 | 1));
  ram.write64(PT + 5 * 8, 0xf0000003n);
  ram.write64(PT + 6 * 8, (1n << 40n) | 0x16003n);
  written.length = 0;
  return { ram, mem, written, device, wp };
}

const faultOf = (act: () => unknown): string => {
  try {
    act();
  } catch (e) {
    if (e instanceof GuestFault) return `${e.vector}:${e.errorCode}@${(e.address - KERNEL).toString(16)}`;
    throw e;
  }
  return 'no fault';
};

describe('PagedMemory', () => {
  it('reads and writes every size, little endian, through 4 KiB and 2 MiB pages', () => {
    const { mem, ram } = world();
    mem.write64(KERNEL + 8, 0x1122334455667788n);
    expect([mem.read8(KERNEL + 8), mem.read16(KERNEL + 8), mem.read32(KERNEL + 8), mem.read64(KERNEL + 8)]).toEqual([
      0x88,
      0x7788,
      0x55667788,
      0x1122334455667788n,
    ]);
    expect(mem.read64(KERNEL + 0x200000 + 0x10008)).toBe(0x1122334455667788n);
    mem.write8(KERNEL + 0x200000 + 0x10008, 0xff);
    expect(ram.read16(0x10008)).toBe(0x77ff);
    expect(mem.readI32(KERNEL + 12)).toBe(0x11223344);
    mem.write32(KERNEL + 12, 0xffffffff);
    expect([mem.read32(KERNEL + 12), mem.readI32(KERNEL + 12)]).toEqual([0xffffffff, -1]);
  });

  it('reads addresses sign-extended, and refuses those that are not canonical with #GP', () => {
    const { mem } = world();
    for (const va of [0, 0x7fff_ffff_ffff, KERNEL, KERNEL + 0x123456789, -1]) {
      mem.writePtr(KERNEL, va);
      expect(mem.readPtr(KERNEL)).toBe(va);
      expect(mem.read64(KERNEL)).toBe(BigInt.asUintN(64, BigInt(va)));
    }
    mem.write64(KERNEL, 0x0000_8000_0000_0000n);
    expect(() => mem.readPtr(KERNEL)).toThrow(GuestFault);
    mem.write64(KERNEL, 0xffff_7fff_ffff_ffffn);
    expect(() => mem.readPtr(KERNEL)).toThrow(GuestFault);
  });

  it('faults as the processor does: vector, error code and address', () => {
    const { mem, wp } = world();
    expect(faultOf(() => mem.read8(KERNEL + 0x2345))).toBe('14:0@2345');
    expect(faultOf(() => mem.write8(KERNEL + 0x2345, 1))).toBe('14:2@2345');
    expect(faultOf(() => mem.read8(KERNEL + 0x3000))).toBe('no fault');
    expect(faultOf(() => mem.write8(KERNEL + 0x3000, 1))).toBe('14:3@3000');
    expect(faultOf(() => mem.read8(KERNEL + 0x6000))).toBe('14:9@6000');
    expect(faultOf(() => mem.write8(KERNEL + 0x6000, 0))).toBe('14:11@6000');
    expect(faultOf(() => mem.read8(KERNEL - 1)).startsWith('13:0')).toBe(true);
    wp.on = false;
    mem.invalidate();
    expect(faultOf(() => mem.write8(KERNEL + 0x3000, 1))).toBe('no fault');
  });

  it('touches nothing when a part of an access faults', () => {
    const { mem, ram } = world();
    expect(faultOf(() => mem.write64(KERNEL + 0x1ffc, -1n))).toBe('14:2@2000');
    expect(faultOf(() => mem.write32(KERNEL + 0x1ffe, 0xffffffff))).toBe('14:2@2000');
    expect(faultOf(() => mem.writeBytes(KERNEL + 0x1f00, new Uint8Array(0x200).fill(9)))).toBe('14:2@2000');
    expect(faultOf(() => mem.fill(KERNEL + 0x1000, 0x4000, 9))).toBe('14:2@2000');
    expect(faultOf(() => mem.copy(KERNEL + 0x1f00, KERNEL, 0x200))).toBe('14:2@2000');
    expect(ram.readBytes(0x11000, 0x1000).every(b => b === 0)).toBe(true);
  });

  it('crosses pages that are not neighbours in RAM', () => {
    const { mem, ram } = world();
    ram.write64(PT + 8, BigInt(0x40000 | 3));
    mem.write64(KERNEL + 0xffd, 0x8877665544332211n);
    expect([...ram.readBytes(0x10ffd, 3), ...ram.readBytes(0x40000, 5)]).toEqual([
      0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
    ]);
    expect([mem.read64(KERNEL + 0xffd), mem.read32(KERNEL + 0xffe), mem.read16(KERNEL + 0xfff)]).toEqual([
      0x8877665544332211n,
      0x55443322,
      0x4433,
    ]);
    expect(mem.readBytes(KERNEL + 0xffe, 4)).toEqual(Uint8Array.of(0x22, 0x33, 0x44, 0x55));
  });

  it('reaches device registers through a mapping', () => {
    const { mem, device } = world();
    expect(mem.read32(KERNEL + 0x5010)).toBe(0x12345678);
    mem.write16(KERNEL + 0x5020, 0xabcd);
    expect(device).toEqual({ reads: ['f0000010/4'], writes: ['f0000020/2=abcd'] });
  });

  it('forgets a translation when told to', () => {
    const { mem, ram } = world();
    ram.write8(0x10000, 1);
    ram.write8(0x50000, 2);
    expect(mem.read8(KERNEL)).toBe(1);
    ram.write64(PT, BigInt(0x50000 | 3));
    mem.invalidate();
    expect(mem.read8(KERNEL)).toBe(2);
    expect(mem.translate(KERNEL + 0x123)).toBe(0x50123);
    expect(mem.translate(KERNEL + 0x2000)).toBe(-1);
  });

  it('tells of every write once it is made', () => {
    const { mem, written } = world();
    mem.write16(KERNEL + 4, 1);
    mem.write64(KERNEL + 8, 1n);
    mem.fill(KERNEL + 0xff0, 0x20, 1);
    mem.copy(KERNEL + 0x100, KERNEL + 0x4000, 5);
    expect(written).toEqual([
      [0x10004, 2],
      [0x10008, 8],
      [0x10ff0, 0x10],
      [0x11000, 0x10],
      [0x10100, 5],
    ]);
  });

  it('copies like memmove, within and across pages', () => {
    const place = fc.integer({ min: 0, max: 0x1fff });
    fc.assert(
      fc.property(place, place, fc.integer({ min: 0, max: 0x1000 }), (to, from, length) => {
        fc.pre(to + length <= 0x2000 && from + length <= 0x2000);
        const { mem } = world();
        const model = new Uint8Array(0x2000).map((_, i) => i * 31 + (i >> 8));
        mem.writeBytes(KERNEL, model);
        mem.copy(KERNEL + to, KERNEL + from, length);
        model.copyWithin(to, from, from + length);
        expect(mem.readBytes(KERNEL, 0x2000)).toEqual(model);
      }),
      { numRuns: 50 },
    );
  });
});

describe('GuestRam', () => {
  it('refuses addresses outside of RAM', () => {
    const { ram } = world();
    for (const pa of [RAM, RAM - 1, -1, 2 ** 32]) {
      expect(() => ram.read32(pa)).toThrow(RangeError);
      expect(() => ram.write32(pa, 0)).toThrow(RangeError);
      expect(() => ram.read64(pa)).toThrow(RangeError);
      expect(() => ram.readBytes(pa, 2)).toThrow(RangeError);
      expect(() => ram.writeBytes(pa, new Uint8Array(2))).toThrow(RangeError);
      expect(() => ram.fill(pa, 2, 0)).toThrow(RangeError);
    }
  });
});
