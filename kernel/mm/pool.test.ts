import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bugCheckOf, fakeKernel } from '../testing/fakekernel.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './layout.ts';
import { POOL_DESCRIPTOR } from './globals.ts';
import { exAllocatePool, exFreePool, poolBlockAt } from './pool.ts';

const TAG = 0x74736554;
const bits = (va: number): bigint => BigInt.asUintN(64, BigInt(va));
const pagesInUse = (k: Kernel, pool: 'MmNonPagedPool' | 'MmPagedPool'): number =>
  POOL_DESCRIPTOR.f.TotalPages.get(k.mem, k.global.address(pool));

describe('pool', () => {
  it('gives 16-byte aligned blocks with a header that has the tag', () => {
    const { k } = fakeKernel();
    const va = exAllocatePool(k, 512, 40, TAG);
    expect(BigInt(va) % 16n).toBe(0n);
    expect(k.mem.read32(va - 12)).toBe(TAG);
    expect(k.mem.read8(va - 14)).toBe(4); // 40 + 16 bytes are four units
    expect(poolBlockAt(k, va + 39)).toEqual({ start: va, bytes: 48, tag: TAG, free: false, big: false });
  });

  it('gives whole pages for a page and more, and remembers their size', () => {
    const { k } = fakeKernel();
    const va = exAllocatePool(k, 0, 3 * PAGE_SIZE + 1, TAG);
    expect(BigInt(va) % BigInt(PAGE_SIZE)).toBe(0n);
    expect(poolBlockAt(k, va + 2 * PAGE_SIZE)).toEqual({ start: va, bytes: 3 * PAGE_SIZE + 1, tag: TAG, free: false, big: true });
    exFreePool(k, va, TAG);
    expect(poolBlockAt(k, va)).toBeNull();
  });

  it('translates nonpaged pool by subtraction', () => {
    const { k } = fakeKernel();
    const a = exAllocatePool(k, 512, 100, TAG),
      b = exAllocatePool(k, 512, 5 * PAGE_SIZE, TAG);
    expect(k.mem.translate(b) - k.mem.translate(a)).toBe(b - a);
    expect(k.mem.translate(b + 4 * PAGE_SIZE) - k.mem.translate(b)).toBe(4 * PAGE_SIZE);
  });

  it('maps paged pool while it is allocated and unmaps it afterwards', () => {
    const { k } = fakeKernel();
    const free = k.global.get('MmAvailablePages');
    const va = exAllocatePool(k, 1, 2 * PAGE_SIZE, TAG);
    k.mem.write32(va + PAGE_SIZE, 0x12345678);
    exFreePool(k, va, TAG);
    expect(k.mem.translate(va)).toBe(-1);
    // Page tables that were needed stay.
    expect(free - k.global.get('MmAvailablePages')).toBeLessThanOrEqual(2);
  });

  it('gives 0 when there is no room', () => {
    const { k } = fakeKernel();
    expect(exAllocatePool(k, 512, 0x10000000, TAG)).toBe(0);
    expect(exAllocatePool(k, 512, Infinity, TAG)).toBe(0);
  });

  it('stops a second free with 0xC2, 7 and the header and address', () => {
    const { k } = fakeKernel();
    const keep = exAllocatePool(k, 512, 64, TAG),
      va = exAllocatePool(k, 512, 64, TAG),
      after = exAllocatePool(k, 512, 64, TAG);
    exFreePool(k, va, TAG);
    const stop = bugCheckOf(() => exFreePool(k, va, TAG));
    expect(stop).toEqual({ code: 0xc2, parameters: [7n, 0n, BigInt(k.mem.read32(va - 16)), bits(va)] });
    expect([keep, after].every(x => poolBlockAt(k, x)?.free === false)).toBe(true);
  });

  it('recognises a second free when the block was joined with its neighbours', () => {
    const { k } = fakeKernel();
    const blocks = [64, 64, 64].map(n => exAllocatePool(k, 512, n, TAG));
    for (const b of blocks) exFreePool(k, b, TAG);
    for (const b of blocks) expect(bugCheckOf(() => exFreePool(k, b, TAG))?.parameters[0]).toBe(7n);
  });

  it('stops a free with another tag, of no pool, of the middle of a block', () => {
    const { k } = fakeKernel();
    const va = exAllocatePool(k, 512, 256, TAG);
    expect(bugCheckOf(() => exFreePool(k, va, 0x41414141))).toEqual({
      code: 0xc2,
      parameters: [0xan, bits(va), BigInt(TAG), 0x41414141n],
    });
    expect(bugCheckOf(() => exFreePool(k, -0x1000, 0))?.parameters[0]).toBe(0x42n);
    expect(bugCheckOf(() => exFreePool(k, 0, 0))).toEqual({ code: 0xc2, parameters: [0x46n, 0n, 0n, 0n] });
    expect(bugCheckOf(() => exFreePool(k, va + 8, 0))?.parameters[0]).toBe(0x99n);
  });

  it('stops the free of a block that was written beyond its end with 0x19, 0x20', () => {
    const { k } = fakeKernel();
    const va = exAllocatePool(k, 512, 64, TAG),
      next = exAllocatePool(k, 512, 64, TAG);
    k.mem.fill(va, 64 + 4, 0x41);
    expect(bugCheckOf(() => exFreePool(k, va, TAG))).toMatchObject({
      code: 0x19,
      parameters: [0x20n, bits(va - 16), bits(next - 16), expect.anything()],
    });
  });

  it('keeps every block apart and gives all memory back', () => {
    const { k } = fakeKernel();
    const before = [pagesInUse(k, 'MmNonPagedPool'), pagesInUse(k, 'MmPagedPool')];
    fc.assert(
      fc.property(
        fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 9000 }), paged: fc.boolean(), drop: fc.nat() }), {
          minLength: 1,
          maxLength: 60,
        }),
        steps => {
          const live: { va: number; bytes: number; fill: number }[] = [];
          const check = (b: { va: number; bytes: number; fill: number }): void => {
            if (b.bytes) expect([k.mem.read8(b.va), k.mem.read8(b.va + b.bytes - 1)]).toEqual([b.fill, b.fill]);
          };
          steps.forEach((s, i) => {
            const va = exAllocatePool(k, s.paged ? 1 : 512, s.bytes, TAG);
            expect(va).not.toBe(0);
            for (const other of live) expect(va + s.bytes <= other.va || other.va + Math.max(other.bytes, 1) <= va).toBe(true);
            if (s.bytes) {
              k.mem.write8(va, i & 0xff);
              k.mem.write8(va + s.bytes - 1, i & 0xff);
            }
            live.push({ va, bytes: s.bytes, fill: i & 0xff });
            if (s.drop % 3 === 0) {
              const [b] = live.splice(s.drop % live.length, 1);
              check(b!);
              exFreePool(k, b!.va, TAG);
            }
          });
          for (const b of live) {
            check(b);
            exFreePool(k, b.va, 0);
          }
          expect([pagesInUse(k, 'MmNonPagedPool'), pagesInUse(k, 'MmPagedPool')]).toEqual(before);
        },
      ),
      { numRuns: 25, seed: 7 },
    );
  });
});
