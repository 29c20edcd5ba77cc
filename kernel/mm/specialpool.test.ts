import { describe, expect, it } from 'vitest';
import { bugCheckOf, fakeKernel } from '../testing/fakekernel.ts';
import { NonPagedPool, NonPagedPoolNxCacheAligned } from '../types/mm.ts';
import { PAGE_SIZE, SPECIAL_POOL_BASE, pageOffset } from './layout.ts';
import { exFreePool, poolBlockAt } from './pool.ts';
import { mmIsAddressValid } from './pte.ts';
import { specialAllocate, specialBlockAt, specialBlocks, specialPoolFault } from './specialpool.ts';

const TAG = 0x74736554;
const machine = () => fakeKernel({ verifier: true }).k;

describe('special pool', () => {
  it('puts a block at the end of its page, and maps nothing after it', () => {
    const k = machine();
    for (const bytes of [1, 16, 24, 100, PAGE_SIZE - 16]) {
      const va = specialAllocate(k, NonPagedPool, bytes, TAG);
      expect(pageOffset(va)).toBe(PAGE_SIZE - Math.ceil(bytes / 16) * 16);
      expect(mmIsAddressValid(k, va)).toBe(true);
      expect(mmIsAddressValid(k, va - pageOffset(va) + PAGE_SIZE)).toBe(false);
      expect(specialPoolFault(k, va - pageOffset(va) + PAGE_SIZE, true)?.code).toBe(0xd6);
      expect(poolBlockAt(k, va)).toMatchObject({ start: va, bytes, tag: TAG, free: false });
    }
  });

  it('starts blocks of a page and more at a page, aligned ones at a cache line', () => {
    const k = machine();
    const big = specialAllocate(k, NonPagedPool, PAGE_SIZE + 1, TAG);
    expect(pageOffset(big)).toBe(0);
    expect([0, 1, 2].map(i => mmIsAddressValid(k, big + i * PAGE_SIZE))).toEqual([true, true, false]);
    expect(pageOffset(specialAllocate(k, NonPagedPoolNxCacheAligned, 70, TAG)) % 64).toBe(0);
  });

  it('finds what was written beside a block when it is freed', () => {
    for (const [at, subcode] of [
      [-1, 0x23n],
      [-0x800, 0x23n],
      [20, 0x24n],
    ] as const) {
      const k = machine();
      const va = specialAllocate(k, NonPagedPool, 20, TAG);
      k.mem.write8(va + at, k.mem.read8(va + at) ^ 1);
      expect(bugCheckOf(() => exFreePool(k, va, TAG))).toEqual({
        code: 0xc1,
        parameters: [BigInt.asUintN(64, BigInt(va)), BigInt.asUintN(64, BigInt(va + at)), 0n, subcode],
      });
    }
  });

  it('keeps a freed block unmapped until the region has been used up once', () => {
    const k = machine();
    const pages = k.global.get('MmAvailablePages');
    const first = specialAllocate(k, NonPagedPool, 64, TAG);
    exFreePool(k, first, TAG);
    expect(mmIsAddressValid(k, first)).toBe(false);
    expect(specialPoolFault(k, first, true)?.code).toBe(0xd5);
    expect(specialPoolFault(k, first, false)?.code).toBe(0xcc);
    expect(specialBlockAt(k, first)).toMatchObject({ freed: true, bytes: 64 });
    expect(bugCheckOf(() => exFreePool(k, first, TAG))?.parameters[3]).toBe(0x20n);
    const second = specialAllocate(k, NonPagedPool, 64, TAG);
    expect(second).toBe(first + 2 * PAGE_SIZE);
    k.global.set('MmSpecialPoolHint', k.global.get('MmSpecialPoolPages') - 2);
    exFreePool(k, specialAllocate(k, NonPagedPool, 64, TAG), TAG);
    expect(specialAllocate(k, NonPagedPool, 64, TAG)).toBe(first);
    exFreePool(k, first, TAG);
    exFreePool(k, second, TAG);
    // Page tables of the region stay.
    expect(pages - k.global.get('MmAvailablePages')).toBeLessThan(5);
  });

  it('knows the blocks that are left, and refuses the wrong tag and an address inside a block', () => {
    const k = machine();
    const a = specialAllocate(k, NonPagedPool, 10, TAG),
      b = specialAllocate(k, NonPagedPool, 3 * PAGE_SIZE, TAG);
    expect([...specialBlocks(k)].map(x => x.start)).toEqual([a, b]);
    expect(bugCheckOf(() => exFreePool(k, a, TAG + 1))).toMatchObject({ code: 0xc2 });
    expect(bugCheckOf(() => exFreePool(k, b + PAGE_SIZE, TAG))?.parameters[3]).toBe(0x21n);
    expect(bugCheckOf(() => exFreePool(k, SPECIAL_POOL_BASE + 0x100000, TAG))?.parameters[3]).toBe(0x20n);
    exFreePool(k, a, TAG);
    exFreePool(k, b, TAG);
    expect([...specialBlocks(k)]).toEqual([]);
  });

  it('leaves a quarter of RAM to others', () => {
    const k = machine();
    const quarter = k.global.get('MmNumberOfPhysicalPages') >> 2;
    let last = 1;
    for (let n = 0; last && n < 100; n++) last = specialAllocate(k, NonPagedPool, 256 * PAGE_SIZE, TAG);
    expect(last).toBe(0);
    expect(k.global.get('MmAvailablePages')).toBeGreaterThanOrEqual(quarter);
    expect(k.global.get('MmAvailablePages')).toBeLessThan(quarter + 257);
  });
});
