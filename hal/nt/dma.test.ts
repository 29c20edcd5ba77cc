import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressLimit, DMA_PAGE, joinPieces, mapRegistersFor, needsBounce } from './dma.ts';

describe('what a bus master reaches', () => {
  it('follows the device description', () => {
    const d = { width: 0, dma32: false, dma64: false };
    expect(addressLimit({ ...d, width: 28 })).toBe(0xfffffff);
    expect(addressLimit({ ...d, dma64: true })).toBe(2 ** 52 - 1);
    expect(addressLimit({ ...d, dma32: true })).toBe(0xffffffff);
    expect(addressLimit(d)).toBe(0xffffff);
  });

  it('is joined from pieces that follow each other, without losing or doubling a byte', () => {
    const pages = fc.array(fc.record({ page: fc.nat({ max: 20 }), length: fc.integer({ min: 1, max: DMA_PAGE }) }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(pages, list => {
        const pieces = list.map(p => ({ pa: p.page * DMA_PAGE, length: p.length }));
        const bytes = (from: readonly { pa: number; length: number }[]): number[] =>
          from.flatMap(p => [p.pa, p.pa + p.length - 1]);
        const joined = joinPieces(pieces);
        expect(joined.reduce((s, p) => s + p.length, 0)).toBe(pieces.reduce((s, p) => s + p.length, 0));
        for (let i = 1; i < joined.length; i++) expect(joined[i - 1]!.pa + joined[i - 1]!.length).not.toBe(joined[i]!.pa);
        expect(bytes(joined).every(b => bytes(pieces).includes(b))).toBe(true);
      }),
    );
  });

  it('decides whether a transfer is bounced', () => {
    const low = { pa: 0x1000, length: 0x1000 },
      high = { pa: 0x1000000, length: 1 };
    expect(needsBounce([low], 0xffffff, false)).toBe(false);
    expect(needsBounce([low, high], 0x1000000, true)).toBe(false);
    expect(needsBounce([low, high], 0x1000000, false)).toBe(true);
    expect(needsBounce([low, high], 0xffffff, true)).toBe(true);
    expect(mapRegistersFor(4096)).toBe(2);
    expect(mapRegistersFor(4097)).toBe(3);
  });
});
