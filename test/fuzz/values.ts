// Operand values worth trying: boundaries of every width, floating-point values of every kind, BCD, masks, and plain random ones.

import type { Random } from './random.ts';

const EDGES: readonly [lo: number, hi: number][] = [
  [0, 0],
  [1, 0],
  [2, 0],
  [0xffffffff, 0xffffffff],
  [0xfffffffe, 0xffffffff],
  [0x7f, 0],
  [0x80, 0],
  [0xff, 0],
  [0x100, 0],
  [0x7fff, 0],
  [0x8000, 0],
  [0xffff, 0],
  [0x10000, 0],
  [0x7fffffff, 0],
  [0x80000000, 0],
  [0xffffffff, 0],
  [0, 1],
  [0xffffffff, 0x7fffffff],
  [0, 0x80000000],
  [1, 0x80000000],
  [0xffffff80, 0xffffffff],
  [0xffff8000, 0xffffffff],
  [0x80000000, 0xffffffff],
  [0x55555555, 0x55555555],
  [0xaaaaaaaa, 0xaaaaaaaa],
  [0x80808080, 0x80808080],
  [0x7f807f80, 0x80018000],
  [0x99999999, 0x99999999],
];

const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00001, 0xffc12345, 0x7f800001, 0xffbfffff, 1, 0x80000001,
  0x007fffff, 0x807fffff, 0x00800000, 0x00800001, 0x7f7fffff, 0xff7fffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x4effffff,
  0x5f000000, 0xdf000000, 0x5effffff, 0x3f000000, 0x3effffff, 0x3fc00000, 0xbfc00000, 0x40200000, 0x4b800001, 0x4b000001,
  0x33800000, 0x34000000, 0x3f7fffff, 0x0c800000, 0x1f800000, 0x47800000, 0x477fe000, 0x477ff000, 0x387fc000, 0x33000000,
] as const;

const DOUBLES: readonly [lo: number, hi: number][] = [
  [0, 0],
  [0, 0x80000000],
  [0, 0x3ff00000],
  [0, 0xbff00000],
  [0, 0x7ff00000],
  [0, 0xfff00000],
  [1, 0x7ff80000],
  [0x12345678, 0xfff80000],
  [1, 0x7ff00000],
  [0xffffffff, 0xfff7ffff],
  [1, 0],
  [0xffffffff, 0x800fffff],
  [0, 0x00100000],
  [1, 0x00100000],
  [0xffffffff, 0x7fefffff],
  [0xffffffff, 0xffefffff],
  [0xffc00000, 0x41dfffff],
  [0x00000000, 0x41e00000],
  [0, 0xc1e00000],
  [0x00200000, 0xc1e00000],
  [0, 0x43e00000],
  [0xffffffff, 0x43dfffff],
  [0, 0xc3e00000],
  [0, 0x3fe00000],
  [0xffffffff, 0x3fdfffff],
  [0, 0x3ff80000],
  [0, 0x40040000],
  [0xffffffff, 0x380fffff],
  [0xe0000000, 0x380fffff],
  [0xf0000000, 0x47efffff],
  [0xe0000000, 0x47efffff],
  [0, 0x36a00000],
  [0x54442d18, 0x400921fb],
  [0x54442d18, 0x3ff921fb],
  [0, 0x43f00000],
  [0, 0x3c900000],
];

/** Exponents and significands of 80-bit values: ordinary ones, the ends of the range, and the encodings that are no numbers any more (SDM vol. 1, 8.2.2). */
const EXPONENTS = [
  0,
  1,
  0x7fff,
  0x7ffe,
  0x3fff,
  0x3ffe,
  0x4000,
  0x3fbf,
  0x3fff + 63,
  0x3fff + 64,
  0x3c01,
  0x3c00,
  0x43fe,
  0x43ff,
  0x3f81,
  0x407e,
  0x407f,
];
const SIGNIFICANDS: readonly [lo: number, hi: number][] = [
  [0, 0x80000000],
  [0, 0xc0000000],
  [1, 0x80000000],
  [0xffffffff, 0xffffffff],
  [0, 0],
  [1, 0],
  [0xffffffff, 0x7fffffff],
  [0x00000400, 0x80000000],
  [0x00000800, 0x80000000],
  [0, 0x80000080],
  [0, 0x80000100],
  [0x2168c235, 0xc90fdaa2],
  [0xfffff800, 0xffffffff],
  [0, 0xffffff00],
];

/** Two halves of a 64-bit value, so that nothing needs a BigInt. */
export const half = { lo: 0, hi: 0 };

function set(lo: number, hi: number): void {
  half.lo = lo >>> 0;
  half.hi = hi >>> 0;
}

/** An integer for a general register, in `half`. */
export function integer(r: Random): void {
  switch (r.below(8)) {
    case 0:
    case 1: {
      const [lo, hi] = r.pick(EDGES);
      return set(lo, hi);
    }
    case 2:
      return set(r.below(70), 0);
    case 3: // a few bits
      return set((1 << r.below(32)) | (r.oneIn(2) ? 1 << r.below(32) : 0), r.oneIn(2) ? 1 << r.below(32) : 0);
    case 4:
      return set(-r.below(40), -1);
    case 5:
      return set(r.u32(), 0);
    default:
      return set(r.u32(), r.u32());
  }
}

export function single(r: Random): number {
  switch (r.below(5)) {
    case 0:
    case 1:
      return r.pick(SINGLES);
    case 2:
      return ((r.u32() & 0x80ffffff) | 0x3f000000) >>> 0;
    case 3:
      return ((r.u32() & 0x807fffff) | ((r.pick([60, 90, 100, 120, 127, 135, 150, 160, 190, 250]) + r.below(8)) << 23)) >>> 0;
    default:
      return r.u32();
  }
}

function double(r: Random): void {
  switch (r.below(5)) {
    case 0:
    case 1: {
      const [lo, hi] = r.pick(DOUBLES);
      return set(lo, hi);
    }
    case 2:
      return set(r.u32(), (r.u32() & 0x801fffff) | (0x3f000000 + r.below(32) * 0x100000));
    case 3: {
      // Around the limits of single precision and of integers, and few significant bits.
      const exponent = r.pick([0, 1, 860, 890, 900, 1000, 1022, 1040, 1053, 1080, 1086, 1150, 2040]) + r.below(6);
      const bits = r.oneIn(2) ? [r.u32(), r.u32()] : [0, r.u32() & (-1 << r.below(20))];
      return set(bits[0]!, (bits[1]! & 0x800fffff) | (exponent << 20));
    }
    default:
      return set(r.u32(), r.u32());
  }
}

/** What the lanes of a vector register or memory operand hold. */
export type Flavour = 'integer' | 'single' | 'double' | 'mixed' | 'bcd';

/** 64 bits of vector or memory data, in `half`. */
export function lane(r: Random, flavour: Flavour): void {
  const kind = flavour === 'mixed' ? r.pick(['integer', 'single', 'double', 'half'] as const) : flavour;
  switch (kind) {
    case 'single': {
      const lo = single(r);
      return set(lo, single(r));
    }
    case 'double':
      return double(r);
    case 'half':
      return set(halves(r), halves(r));
    case 'bcd':
      return set(digits(r), digits(r));
    default:
      return integer(r);
  }
}

/** Two half-precision values. */
function halves(r: Random): number {
  const one = () =>
    r.oneIn(2) ? r.pick([0, 0x8000, 1, 0x83ff, 0x400, 0x7bff, 0xfc00, 0x7c00, 0x7c01, 0x7e00, 0xfe01, 0x3c00]) : r.below(0x10000);
  return ((one() << 16) | one()) >>> 0;
}

/** Eight decimal digits, now and then one that is none. */
function digits(r: Random): number {
  let value = 0;
  for (let i = 0; i < 8; i++) value = (value << 4) | (r.oneIn(30) ? r.below(16) : r.below(10));
  return value >>> 0;
}

/** Writes an 80-bit floating-point value at `at`. */
export function extended(r: Random, view: DataView, at: number): void {
  const exponent = r.oneIn(2)
    ? r.pick(EXPONENTS) + (r.oneIn(3) ? r.below(3) - 1 : 0)
    : r.oneIn(3)
      ? r.below(0x8000)
      : 0x3fff - 40 + r.below(80);
  if (r.oneIn(2)) set(...r.pick(SIGNIFICANDS));
  else set(r.oneIn(3) ? 0 : r.u32(), r.u32() | (r.oneIn(12) ? 0 : 0x80000000));
  // A zero, and what an encoding of exponent 0 mostly is: a denormal without the integer bit.
  if (exponent === 0 && r.below(4) !== 0) half.hi &= 0x7fffffff;
  view.setUint32(at, half.lo, true);
  view.setUint32(at + 4, half.hi, true);
  view.setUint16(at + 8, (exponent & 0x7fff) | (r.oneIn(2) ? 0x8000 : 0), true);
}
