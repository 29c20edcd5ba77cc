import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeState } from './encode.ts';
import { formatHash, hashBytes, RamHash } from './hash.ts';

const hashOf = (bytes: Uint8Array, seed = 0): string => {
  const out = { lo: 0, hi: 0 };
  hashBytes(bytes, seed, out);
  return formatHash(out);
};

describe('hashBytes', () => {
  it('stays what it is: a hash in a bug report must mean the same tomorrow', () => {
    expect(hashOf(new Uint8Array(0))).toMatchInlineSnapshot(`"072202073ccd5cbe"`);
    expect(hashOf(new TextEncoder().encode('DRIVER_OBJECT'))).toMatchInlineSnapshot(`"f8d2fbcda2f7605c"`);
  });

  it('tells apart lengths, seeds and every single bit', () => {
    const seen = new Set<string>();
    const base = new Uint8Array(64).map((_, i) => i * 7);
    let tried = 0;
    for (let length = 0; length < 64; length++) {
      seen.add(hashOf(base.subarray(0, length)));
      tried++;
    }
    for (let seed = 0; seed < 64; seed++) {
      seen.add(hashOf(base, seed));
      tried++;
    }
    for (let bit = 0; bit < 512; bit++) {
      const other = base.slice();
      other[bit >> 3] ^= 1 << (bit & 7);
      seen.add(hashOf(other));
      tried++;
    }
    expect(seen.size).toBe(tried);
  });

  it('changes about half of its bits with one bit of input', () => {
    const base = new Uint8Array(4096).fill(0x5a),
      h = BigInt(`0x${hashOf(base)}`);
    let flipped = 0;
    for (let bit = 0; bit < 256; bit++) {
      const other = base.slice();
      other[(bit * 127) & 4095] ^= 1 << (bit & 7);
      for (let d = h ^ BigInt(`0x${hashOf(other)}`); d !== 0n; d &= d - 1n) flipped++;
    }
    expect(flipped / 256).toBeGreaterThan(28);
    expect(flipped / 256).toBeLessThan(36);
  });
});

describe('RamHash', () => {
  it('kept up to date page by page is the hash of what RAM holds now', () => {
    const write = fc.record({ at: fc.integer({ min: 0, max: 4 * 4096 - 1 }), value: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), writes => {
        const ram = new Uint8Array(4 * 4096),
          incremental = new RamHash(ram);
        for (const { at, value } of writes) {
          ram[at] = value;
          incremental.update(at >> 12);
        }
        const whole = new RamHash(ram);
        for (let page = 0; page < 4; page++) whole.update(page);
        expect(incremental.value()).toEqual(whole.value());
        if (ram.every(b => b === 0)) expect(incremental.value()).toEqual({ lo: 0, hi: 0 });
      }),
    );
  });

  it('knows on which page a byte is', () => {
    const one = new Uint8Array(2 * 4096),
      other = new Uint8Array(2 * 4096);
    one[0] = 1;
    other[4096] = 1;
    const a = new RamHash(one),
      b = new RamHash(other);
    for (const page of [0, 1]) {
      a.update(page);
      b.update(page);
    }
    expect(a.value()).not.toEqual(b.value());
  });
});

describe('encodeState', () => {
  it('gives equal bytes for equal values only', () => {
    const value = fc.letrec(tie => ({
      any: fc.oneof(
        fc.integer(),
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.uint8Array({ maxLength: 5 }),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(fc.string({ maxLength: 3 }), tie('any'), { maxKeys: 3 }),
      ),
    })).any;
    fc.assert(
      fc.property(value, value, (a, b) => {
        const same = (x: unknown, y: unknown): boolean => JSON.stringify(tagged(x)) === JSON.stringify(tagged(y));
        expect(hashOf(encodeState(a as never)) === hashOf(encodeState(b as never))).toBe(same(a, b));
        expect(encodeState(structuredClone(a) as never)).toEqual(encodeState(a as never));
      }),
    );
  });

  it('refuses what is no plain data', () => {
    expect(() => encodeState(NaN)).toThrow(RangeError);
    expect(() => encodeState(2n ** 64n)).toThrow(RangeError);
    expect(() => encodeState({ f: (() => 0) as never })).toThrow(TypeError);
  });
});

/** JSON that keeps apart what JSON does not. */
function tagged(x: unknown): unknown {
  if (typeof x === 'bigint') return ['bigint', x.toString()];
  if (x instanceof Uint8Array) return ['bytes', ...x];
  if (Array.isArray(x)) return ['array', ...x.map(tagged)];
  if (typeof x === 'object' && x !== null) return ['object', ...Object.entries(x).map(([k, v]) => [k, tagged(v)])];
  return [typeof x, x];
}
