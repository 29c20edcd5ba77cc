// softfloat.ts against the host's arithmetic, which JavaScript defines as IEEE 754 round-to-nearest: another implementation of the same sums.

import asc from 'assemblyscript/asc';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';

const HARNESS = `
import { fpAdd, fpBegin, fpDiv, fpFromInt, fpMul, fpNarrow, fpRaised, fpSqrt, fpSub, fpToInt, fpWiden } from './softfloat';
export { fpBegin, fpRaised, fpNarrow, fpWiden };
export function add64(a: u64, b: u64): u64 { return fpAdd<u64>(a, b); }
export function sub64(a: u64, b: u64): u64 { return fpSub<u64>(a, b); }
export function mul64(a: u64, b: u64): u64 { return fpMul<u64>(a, b); }
export function div64(a: u64, b: u64): u64 { return fpDiv<u64>(a, b); }
export function sqrt64(a: u64): u64 { return fpSqrt<u64>(a); }
export function add32(a: u32, b: u32): u32 { return fpAdd<u32>(a, b); }
export function mul32(a: u32, b: u32): u32 { return fpMul<u32>(a, b); }
export function div32(a: u32, b: u32): u32 { return fpDiv<u32>(a, b); }
export function sqrt32(a: u32): u32 { return fpSqrt<u32>(a); }
export function toInt(a: u64): i64 { return fpToInt<u64, i64>(a); }
export function fromInt(a: i64): u64 { return fpFromInt<u64>(a); }
`;

type Op64 = (a: bigint, b: bigint) => bigint;
type Op32 = (a: number, b: number) => number;
interface Harness {
  fpBegin(mxcsr: number): void;
  fpRaised(): number;
  fpNarrow(a: bigint): number;
  fpWiden(a: number): bigint;
  add64: Op64; sub64: Op64; mul64: Op64; div64: Op64; sqrt64(a: bigint): bigint;
  add32: Op32; mul32: Op32; div32: Op32; sqrt32(a: number): number;
  toInt(a: bigint): bigint;
  fromInt(a: bigint): bigint;
}

let soft: Harness;

const MASKED = 0x1f80, DOWN = 1 << 13, UP = 2 << 13, ZERO = 3 << 13;
const INVALID = 1, OVERFLOW = 8, UNDERFLOW = 16, INEXACT = 32;

const view = new DataView(new ArrayBuffer(8));
function double(bits: bigint): number {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}
function bits64(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}
function single(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}
function bits32(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}
const pattern64 = (exponent: fc.Arbitrary<number>) =>
  fc.tuple(fc.boolean(), exponent, fc.oneof(fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }), fc.integer({ min: 0, max: 8 }).map(BigInt)))
    .map(([sign, e, fraction]) => (sign ? 1n << 63n : 0n) | (BigInt(e) << 52n) | fraction);
/** Every finite number, denormals and the ends of the range more often than by chance. */
const finite64 = pattern64(fc.oneof(fc.integer({ min: 0, max: 2046 }), fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1020, max: 1030 }), fc.integer({ min: 2040, max: 2046 })));
const finite32 = fc.tuple(fc.boolean(), fc.oneof(fc.integer({ min: 0, max: 254 }), fc.integer({ min: 0, max: 2 }), fc.integer({ min: 120, max: 134 })), fc.oneof(fc.integer({ min: 0, max: 0x7fffff }), fc.integer({ min: 0, max: 8 })))
  .map(([sign, e, fraction]) => ((sign ? 0x80000000 : 0) | (e << 23) | fraction) >>> 0);

beforeAll(async () => {
  const here = new URL('.', import.meta.url);
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(['harness.ts', '-o', 'out.wasm', '-O2', '--runtime', 'stub', '--noAssert'], {
    readFile: (name) => (name === 'harness.ts' ? HARNESS : name === 'softfloat.ts' ? readFileSync(new URL('softfloat.ts', here), 'utf8') : null),
    writeFile: (name, contents) => {
      if (name === 'out.wasm') wasm = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
  const module = new WebAssembly.Module(wasm!);
  soft = new WebAssembly.Instance(module, {}).exports as unknown as Harness;
}, 60000);

describe('softfloat', () => {
  const check64 = (op: (s: Harness) => Op64, host: (x: number, y: number) => number) =>
    fc.assert(fc.property(finite64, finite64, (a, b) => {
      const want = host(double(a), double(b));
      soft.fpBegin(MASKED);
      const got = BigInt.asUintN(64, op(soft)(a, b));
      // NaNs are x86's own choice: the default NaN is negative and quiet.
      if (Number.isNaN(want)) expect([got, soft.fpRaised() & INVALID]).toEqual([0xfff8000000000000n, INVALID]);
      else expect(got).toBe(bits64(want));
    }), { numRuns: 3000 });
  const check32 = (op: (s: Harness) => Op32, host: (x: number, y: number) => number) =>
    fc.assert(fc.property(finite32, finite32, (a, b) => {
      // binary64 holds more than twice the bits of binary32, so rounding twice is rounding once.
      const want = Math.fround(host(single(a), single(b)));
      soft.fpBegin(MASKED);
      const got = op(soft)(a, b) >>> 0;
      if (Number.isNaN(want)) expect(got).toBe(0xffc00000);
      else expect(got).toBe(bits32(want));
    }), { numRuns: 3000 });

  it('adds, subtracts, multiplies and divides binary64 as the host does', () => {
    check64((s) => s.add64, (x, y) => x + y);
    check64((s) => s.sub64, (x, y) => x - y);
    check64((s) => s.mul64, (x, y) => x * y);
    check64((s) => s.div64, (x, y) => x / y);
    check64((s) => (a) => s.sqrt64(a), (x) => Math.sqrt(x));
  });

  it('adds, multiplies, divides binary32 as the host does', () => {
    check32((s) => s.add32, (x, y) => x + y);
    check32((s) => s.mul32, (x, y) => x * y);
    check32((s) => s.div32, (x, y) => x / y);
    check32((s) => (a) => s.sqrt32(a), (x) => Math.sqrt(x));
  });

  it('converts as the host does', () => {
    fc.assert(fc.property(finite64, (a) => {
      soft.fpBegin(MASKED);
      expect(soft.fpNarrow(a) >>> 0).toBe(bits32(double(a)));
    }), { numRuns: 3000 });
    fc.assert(fc.property(finite32, (a) => {
      soft.fpBegin(MASKED);
      expect(BigInt.asUintN(64, soft.fpWiden(a))).toBe(bits64(single(a)));
    }));
    fc.assert(fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (v) => {
      soft.fpBegin(MASKED);
      expect(BigInt.asUintN(64, soft.fromInt(v))).toBe(bits64(Number(v)));
    }));
    fc.assert(fc.property(fc.bigInt({ min: -(1n << 62n), max: 1n << 62n }), (v) => {
      soft.fpBegin(MASKED | ZERO);
      expect(soft.toInt(bits64(Number(v)))).toBe(BigInt(Number(v)));
    }));
  });

  it('brackets the exact result between rounding down and up, which are neighbours exactly when it is inexact', () => {
    fc.assert(fc.property(finite64, finite64, (a, b) => {
      for (const op of [soft.add64, soft.mul64, soft.div64]) {
        soft.fpBegin(MASKED | DOWN);
        const down = double(BigInt.asUintN(64, op(a, b))), raised = soft.fpRaised();
        soft.fpBegin(MASKED | UP);
        const up = double(BigInt.asUintN(64, op(a, b)));
        soft.fpBegin(MASKED);
        const nearest = double(BigInt.asUintN(64, op(a, b)));
        if (Number.isNaN(nearest)) continue;
        expect(nearest === down || nearest === up).toBe(true);
        if ((raised & INEXACT) === 0) expect(down === up).toBe(true); // an exact zero difference is -0 when rounding down
        else expect(down).toBeLessThan(up);
      }
    }), { numRuns: 2000 });
  });

  it('flushes tiny results with FTZ and reports overflow and underflow (SDM vol. 1, 4.9.1)', () => {
    const least = 0x0010000000000000n, half = bits64(0.5), huge = 0x7fefffffffffffffn;
    soft.fpBegin(MASKED | 0x8000);
    expect([soft.mul64(least, half), soft.fpRaised()]).toEqual([0n, UNDERFLOW | INEXACT]);
    soft.fpBegin(MASKED);
    expect([soft.mul64(least, half), soft.fpRaised()]).toEqual([0x0008000000000000n, 0]);
    soft.fpBegin(MASKED | ZERO);
    expect([soft.add64(huge, huge), soft.fpRaised()]).toEqual([huge, OVERFLOW | INEXACT]);
  });
});
