import { describe, expect, test } from 'vitest';
import * as abi from '../../emulator/core/abi.ts';
import { createBox, DATA, get, outcome, pte, reg, set, setReg, write64, type Box } from '../core/testbox.ts';

const HLT = 'f4';
const ONE32 = 0x3f800000n, TWO32 = 0x40000000n, ONE64 = 0x3ff0000000000000n, TWO64 = 0x4000000000000000n;

/** A machine whose system has switched AVX on. */
function avxBox(code: string, setup?: (b: Box) => void): Box {
  const b = createBox(code + HLT);
  set(b, abi.CR4, get(b, abi.CR4) | 0x40000n);
  set(b, abi.XCR0, 7n);
  setup?.(b);
  b.core.setState(0);
  return b;
}
/** The four quadwords of YMMn, lowest first. */
const ymm = (b: Box, n: number): bigint[] => [0, 8, 16, 24].map(o => get(b, abi.XMM + n * 32 + o));
function setYmm(b: Box, n: number, ...q: bigint[]): void {
  q.forEach((v, i) => set(b, abi.XMM + n * 32 + i * 8, v));
}
const mxcsr = (b: Box): number => b.view.getUint32(b.cpu + abi.MXCSR, true);
const setMxcsr = (b: Box, v: number): void => b.view.setUint32(b.cpu + abi.MXCSR, v, true);

describe('whether VEX instructions are there', () => {
  const VADDPS = 'c5f458c2'; // vaddps ymm0, ymm1, ymm2
  test('without OSXSAVE, or without AVX state in XCR0: #UD; with CR0.TS: #NM', () => {
    expect(outcome(avxBox(VADDPS))).toBe('halt');
    expect(outcome(avxBox(VADDPS, b => set(b, abi.CR4, get(b, abi.CR4) & ~0x40000n)))).toBe('6');
    expect(outcome(avxBox(VADDPS, b => set(b, abi.XCR0, 3n)))).toBe('6');
    expect(outcome(avxBox(VADDPS, b => set(b, abi.CR0, get(b, abi.CR0) | 8n)))).toBe('7');
  });
  test('BMI instructions need neither', () => {
    expect(outcome(avxBox('c4e278f2c1' /* andn eax, eax, ecx */, b => { set(b, abi.CR4, get(b, abi.CR4) & ~0x40000n); set(b, abi.CR0, get(b, abi.CR0) | 8n); }))).toBe('halt');
  });
  test('reserved VEX.vvvv, VEX.L, VEX.W, and prefixes in front: #UD', () => {
    for (const code of ['c5f451c1' /* vsqrtps with vvvv */, '66c5fc51c1', 'f3c5fc51c1', 'f2c5fc51c1', '40c5fc51c1', 'f0c5fc51c1', 'c4e2fd18c1' /* vbroadcastss with W */, 'c4e27936c1' /* vpermd with L clear */])
      expect([code, outcome(avxBox(code))]).toEqual([code, '6']);
  });
  test('too long for an instruction: #GP comes before the #UD of a prefix', () => {
    expect(outcome(avxBox('2626262626262626 2626 f3 c5fc58c1'))).toBe('6');
    expect(outcome(avxBox('262626262626262626 2626 f3 c5fc58c1'))).toBe('d:0');
  });
});

describe('upper halves', () => {
  const full = (b: Box): void => { for (let n = 0; n < 16; n++) setYmm(b, n, 1n, 2n, 3n, 4n); };
  test('VEX.128 clears them, SSE keeps them', () => {
    const b = avxBox('c5f1fec2' /* vpaddd xmm0, xmm1, xmm2 */ + '660ffeda' /* paddd xmm3, xmm2 */, full);
    expect(outcome(b)).toBe('halt');
    expect(ymm(b, 0)).toEqual([2n, 4n, 0n, 0n]);
    expect(ymm(b, 3)).toEqual([2n, 4n, 3n, 4n]);
  });
  test('VZEROUPPER and VZEROALL', () => {
    const b = avxBox('c5f877', full);
    expect(outcome(b)).toBe('halt');
    for (const n of [0, 7, 8, 15]) expect(ymm(b, n)).toEqual([1n, 2n, 0n, 0n]);
    const c = avxBox('c5fc77', full);
    expect(outcome(c)).toBe('halt');
    for (const n of [0, 15]) expect(ymm(c, n)).toEqual([0n, 0n, 0n, 0n]);
  });
});

describe('exceptions of both lanes', () => {
  const zero = 0n;
  const divide = (masks: number): Box =>
    avxBox('c5f45ec2' /* vdivps ymm0, ymm1, ymm2 */, b => {
      setYmm(b, 0, 9n, 9n, 9n, 9n);
      // Lane 0: 1/3 is inexact. Lane 1: 1/0.
      setYmm(b, 1, ONE32 | (ONE32 << 32n), ONE32 | (ONE32 << 32n), ONE32 | (ONE32 << 32n), ONE32 | (ONE32 << 32n));
      setYmm(b, 2, 0x4040000040400000n, 0x4040000040400000n, zero, zero);
      setMxcsr(b, masks);
    });
  test('are ORed when masked', () => {
    const b = divide(0x1f80);
    expect(outcome(b)).toBe('halt');
    expect(mxcsr(b) & 0x3f).toBe(0x24);
    expect(ymm(b, 0)[3]).toBe(0x7f8000007f800000n);
  });
  test('unmasked #Z in the upper lane hides #P of the lower one, and nothing is written', () => {
    const b = divide(0x1f80 & ~0x200);
    expect(outcome(b)).toBe('13');
    expect(mxcsr(b) & 0x3f).toBe(4);
    expect(ymm(b, 0)).toEqual([9n, 9n, 9n, 9n]);
  });
});

describe('memory', () => {
  test('32 bytes across a page: both are checked before anything is written', () => {
    const store = 'c5fe7f07' /* vmovdqu [rdi], ymm0 */;
    const at = DATA + 0x1ff0;
    const run = (present: boolean): Box =>
      avxBox(store, b => {
        setYmm(b, 0, 1n, 2n, 3n, 4n);
        setReg(b, 'rdi', BigInt(at));
        if (!present) pte(b, DATA + 0x2000, 0n);
      });
    const good = run(true);
    expect(outcome(good)).toBe('halt');
    expect(good.view.getBigUint64(good.ram + at + 16, true)).toBe(3n);
    const bad = run(false);
    expect(outcome(bad)).toBe('e:2');
    expect(get(bad, abi.CR2)).toBe(BigInt(DATA + 0x2000));
    expect(bad.view.getBigUint64(bad.ram + at, true)).toBe(0n);
  });
  test('only the aligned moves want alignment', () => {
    const at = (b: Box): void => setReg(b, 'rdi', BigInt(DATA + 0x10));
    expect(outcome(avxBox('c5fd6f07' /* vmovdqa ymm0, [rdi] */, at))).toBe('d:0');
    expect(outcome(avxBox('c5fde707' /* vmovntdq [rdi], ymm0 */, at))).toBe('d:0');
    expect(outcome(avxBox('c5f45807' /* vaddps ymm0, ymm1, [rdi] */, at))).toBe('halt');
    expect(outcome(avxBox('c5f96f07' /* vmovdqa xmm0, [rdi] */, at))).toBe('halt');
  });
  test('VMASKMOVPS touches only what the mask selects', () => {
    const box = (second: bigint): Box =>
      avxBox('c4e2752e07' /* vmaskmovps [rdi], ymm1, ymm0 */, b => {
        setYmm(b, 0, 0x11111111_00000001n, 2n, 3n, 4n);
        setYmm(b, 1, 0x00000000_80000000n, 0n, second, 0n);
        setReg(b, 'rdi', BigInt(DATA + 0xff0));
        pte(b, DATA + 0x1000, 0n);
      });
    const good = box(0n);
    expect(outcome(good)).toBe('halt');
    expect(good.view.getBigUint64(good.ram + DATA + 0xff0, true)).toBe(1n);
    const bad = box(0x8000000000000000n);
    expect(outcome(bad)).toBe('e:2');
    expect(get(bad, abi.CR2)).toBe(BigInt(DATA + 0x1004));
    expect(bad.view.getBigUint64(bad.ram + DATA + 0xff0, true)).toBe(0n);
  });
});

describe('gathers', () => {
  const VPGATHERQQ = 'c4e2ed91040f' /* vpgatherqq ymm0, [rdi+ymm1], ymm2 */;
  const ALL = 0xffffffffffffffffn;
  const box = (thirdPresent: boolean): Box =>
    avxBox(VPGATHERQQ, b => {
      setYmm(b, 0, 5n, 6n, 7n, 8n);
      setYmm(b, 1, 0n, 8n, 0x1000n, 16n);
      setYmm(b, 2, ALL, 0n, 1n << 63n, ALL);
      setReg(b, 'rdi', BigInt(DATA));
      for (const [i, v] of [0x10n, 0x20n, 0x30n].entries()) write64(b, DATA + i * 8, v);
      write64(b, DATA + 0x1000, 0x40n);
      if (!thirdPresent) pte(b, DATA + 0x1000, 0n);
    });
  test('load what the mask selects and clear it', () => {
    const b = box(true);
    expect(outcome(b)).toBe('halt');
    expect(ymm(b, 0)).toEqual([0x10n, 6n, 0x40n, 0x30n]);
    expect(ymm(b, 2)).toEqual([0n, 0n, 0n, 0n]);
  });
  test('keep their progress at a fault', () => {
    const b = box(false);
    expect(outcome(b)).toBe('e:0');
    expect(ymm(b, 0)).toEqual([0x10n, 6n, 7n, 8n]);
    expect(ymm(b, 2)).toEqual([0n, 0n, ALL, ALL]);
  });
  test('refuse registers that are the same, and an operand without SIB', () => {
    for (const code of ['c4e2f591040f' /* mask = index */, 'c4e2fd91040f' /* mask = destination */, 'c4e2ed910407' /* destination = index */, 'c4e2ed9107' /* no SIB */])
      expect([code, outcome(avxBox(code))]).toEqual([code, '6']);
  });
});

describe('fused multiply-add', () => {
  /** 1 + 2^-52. */
  const e = ONE64 + 1n;
  const fma = (x: bigint, y: bigint, z: bigint, control = 0x1f80, code = 'c4e2f1b8c2' /* vfmadd231pd xmm0, xmm1, xmm2 */): Box => {
    const b = avxBox(code, c => { setYmm(c, 0, z, z); setYmm(c, 1, x, x); setYmm(c, 2, y, y); setMxcsr(c, control); });
    expect(outcome(b)).toBe('halt');
    return b;
  };
  const minus = (v: bigint): bigint => v ^ (1n << 63n);
  test('rounds once, by the host and by integers alike', () => {
    // (1 + 2^-52)^2 - (1 + 2^-51) = 2^-104, which a rounded product would lose. PE raised before lets the host's operations in.
    for (const control of [0x1f80, 0x1fa0]) {
      expect(ymm(fma(e, e, minus(ONE64 + 2n), control), 0)[0]).toBe(0x3970000000000000n);
      expect(ymm(fma(ONE64, TWO64, 0x3ca0000000000000n /* 2^-53 */, control), 0)[0]).toBe(TWO64);
    }
  });
  test('rounds as MXCSR says', () => {
    const tiny = 0x3c00000000000000n; // 2^-63
    expect(ymm(fma(ONE64, TWO64, tiny, 0x5f80 /* up */), 0)[0]).toBe(TWO64 + 1n);
    expect(ymm(fma(ONE64, TWO64, tiny, 0x3f80 /* down */), 0)[0]).toBe(TWO64);
  });
  test('of NaNs the first in the order of the operation is the result; zero times infinity is not invalid beside one', () => {
    const qnan = (n: bigint): bigint => 0x7ff8000000000000n + n;
    expect(ymm(fma(qnan(1n), qnan(2n), qnan(3n)), 0)[0]).toBe(qnan(1n));
    expect(ymm(fma(ONE64, qnan(2n), qnan(3n)), 0)[0]).toBe(qnan(2n));
    const b = fma(0n, 0x7ff0000000000000n, qnan(3n));
    expect([ymm(b, 0)[0], mxcsr(b) & 1]).toEqual([qnan(3n), 0]);
    const c = fma(0n, 0x7ff0000000000000n, ONE64);
    expect([ymm(c, 0)[0], mxcsr(c) & 1]).toEqual([0xfff8000000000000n, 1]);
  });
  test('a product too small for the format is an underflow, also where the host could compute it', () => {
    const b = avxBox('c4e2719ec2' /* vfnmsub132ps xmm0, xmm1, xmm2 */, c => { setYmm(c, 0, 0x0c800000n); setYmm(c, 2, 0x01000000n); setMxcsr(c, 0x1fa0); });
    expect(outcome(b)).toBe('halt');
    expect([ymm(b, 0)[0], mxcsr(b)]).toEqual([0x8000000080000000n, 0x1fb0]);
  });
  test('FMADDSUB subtracts in even elements and adds in odd ones', () => {
    const b = fma(TWO64, TWO64, ONE64, 0x1f80, 'c4e2f1b6c2' /* vfmaddsub231pd xmm0, xmm1, xmm2 */);
    expect(ymm(b, 0).slice(0, 2)).toEqual([0x4008000000000000n, 0x4014000000000000n]);
  });
});

describe('half precision', () => {
  test('denormals, infinity, NaN; rounding by the immediate', () => {
    const b = avxBox('c4e27913c1' /* vcvtph2ps xmm0, xmm1 */ + 'c4e3791dc203' /* vcvtps2ph xmm2, xmm0, 3 */, c => setYmm(c, 1, 0x7c01_7c00_3c00_0001n));
    expect(outcome(b)).toBe('halt');
    expect(ymm(b, 0).slice(0, 2)).toEqual([(0x3f800000n << 32n) | 0x33800000n, (0x7fc02000n << 32n) | 0x7f800000n]);
    expect(ymm(b, 2)).toEqual([0x7e01_7c00_3c00_0001n, 0n, 0n, 0n]);
    expect(mxcsr(b) & 0x3f).toBe(1); // the signalling NaN; no denormal exception
  });
  test('too large: infinity or the largest number', () => {
    const to = (imm: string): bigint => {
      const b = avxBox(`c4e3791dc8${imm}` /* vcvtps2ph xmm0, xmm1, imm */, c => setYmm(c, 1, 0x47800000n /* 65536 */));
      expect(outcome(b)).toBe('halt');
      return ymm(b, 0)[0]!;
    };
    expect([to('00'), to('03')]).toEqual([0x7c00n, 0x7bffn]);
  });
});

test('VCMPPS has 32 predicates', () => {
  // Elements: less, equal, greater, unordered.
  const truth = (predicate: number): number => {
    const b = avxBox(`c5f0c2c2${predicate.toString(16).padStart(2, '0')}` /* vcmpps xmm0, xmm1, xmm2 */, c => {
      setYmm(c, 1, ONE32 | (ONE32 << 32n), TWO32 | (ONE32 << 32n));
      setYmm(c, 2, TWO32 | (ONE32 << 32n), ONE32 | (0x7fc00000n << 32n));
    });
    expect(outcome(b)).toBe('halt');
    const [lo, hi] = ymm(b, 0);
    return [lo! & 1n, (lo! >> 32n) & 1n, hi! & 1n, (hi! >> 32n) & 1n].reduce<number>((a, v, i) => a | (Number(v) << i), 0) | ((mxcsr(b) & 1) << 4);
  };
  // EQ_OQ LT_OS LE_OS UNORD_Q NEQ_UQ NLT_US NLE_US ORD_Q EQ_UQ NGE_US NGT_US FALSE_OQ NEQ_OQ GE_OS GT_OS TRUE_UQ, then the same with the other answer to a QNaN.
  const table = [2, 1, 3, 8, 13, 14, 12, 7, 10, 9, 11, 0, 5, 6, 4, 15], signals = [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0];
  for (let p = 0; p < 32; p++) expect([p, truth(p)]).toEqual([p, table[p & 15]! | ((signals[p & 15]! ^ (p >> 4)) << 4)]);
});

test('RDRAND follows from the seed, and RDPID reads TSC_AUX', () => {
  const run = (seed: number): bigint[] => {
    const b = createBox('480fc7f0 480fc7f9 f30fc7ff f4' /* rdrand rax; rdseed rcx; rdpid rdi; hlt */);
    b.core.setRandomSeed(seed);
    b.view.setUint32(b.cpu + abi.TSC_AUX, 7, true);
    expect(outcome(b)).toBe('halt');
    expect(b.core.flagsGet(0) & 0x8d5).toBe(1);
    return [reg(b, 'rax'), reg(b, 'rcx'), reg(b, 'rdi')];
  };
  expect(run(1)).toEqual(run(1));
  expect(run(1)[2]).toBe(7n);
  expect(new Set([...run(1).slice(0, 2), ...run(2).slice(0, 2)]).size).toBe(4);
});
