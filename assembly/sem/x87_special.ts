// Scaling, taking apart, remainders, constants (SDM vol. 1, 8.3.4 - 8.3.6 and 8.3.10).

import {
  BIAS, begin, DE, exponentOf, indefinite, invalid, isInfinite, isNaN87, isUnsupported, normal, normRoundPack, noteDenormal, outSE, outSig, propagate, quiet, raise87, RC_DOWN, RC_NEAREST, RC_UP, roundPack,
  roundingMode, setOut, special, special1, ZE,
} from './x87_real';

const INTEGER_BIT: u64 = (<u64>1) << 63;

/** a * 2^trunc(b). */
export function scale87(aSE: u32, aSig: u64, bSE: u32, bSig: u64): void {
  if (special(aSE, aSig, bSE, bSig)) return;
  const infA = isInfinite(aSE, aSig);
  if (isInfinite(bSE, bSig)) {
    const down = (bSE & 0x8000) != 0;
    if (down ? infA : aSig == 0) { invalid(); return; }
    noteDenormal(aSE, aSig);
    if (down) setOut(aSE & 0x8000, 0); else setOut((aSE & 0x8000) | 0x7fff, INTEGER_BIT);
    return;
  }
  noteDenormal(aSE, aSig); noteDenormal(bSE, bSig);
  if (infA || aSig == 0) { setOut(aSE, aSig); return; }
  const e = <i32>(bSE & 0x7fff) - BIAS;
  let by: i32 = 0;
  if (e >= 0) by = e > 16 ? 0x20000 : <i32>(bSig >> (63 - <u64>e));
  if ((bSE & 0x8000) != 0) by = -by;
  roundPack(aSE & 0x8000, exponentOf(aSE, aSig) + by, normal(aSig), 0);
}

/** The exponent of FXTRACT as a number; its significand is left in outSE:outSig. */
export let exponentSE: u32 = 0;
export let exponentSig: u64 = 0;
export function extract87(se: u32, sig: u64): void {
  if (special1(se, sig)) { exponentSE = outSE; exponentSig = outSig; return; }
  if (isInfinite(se, sig)) { exponentSE = 0x7fff; exponentSig = INTEGER_BIT; setOut(se, sig); return; }
  if (sig == 0) {
    raise87(ZE);
    exponentSE = 0xffff; exponentSig = INTEGER_BIT;
    setOut(se, sig);
    return;
  }
  noteDenormal(se, sig);
  const e = exponentOf(se, sig) - BIAS, magnitude: u64 = e < 0 ? -e : e, n = clz<u64>(magnitude);
  exponentSE = e == 0 ? 0 : (e < 0 ? 0x8000 : 0) | (<u32>BIAS + 63 - <u32>n);
  exponentSig = e == 0 ? 0 : magnitude << n;
  setOut((se & 0x8000) | <u32>BIAS, normal(sig));
}

/** Low bits of FPREM's quotient, and whether the reduction was only partial. */
export let quotientBits: u32 = 0;
export let incomplete: bool = false;

/** a rem b: the quotient cut off (FPREM), or rounded to nearest (FPREM1). One step reduces the exponent by less than 64. */
export function remainder87(aSE: u32, aSig: u64, bSE: u32, bSig: u64, nearest: bool): void {
  quotientBits = 0;
  incomplete = false;
  if (special(aSE, aSig, bSE, bSig)) return;
  if (isInfinite(aSE, aSig) || bSig == 0) { invalid(); return; }
  noteDenormal(aSE, aSig); noteDenormal(bSE, bSig);
  const negative = aSE & 0x8000;
  if (aSig == 0) { setOut(negative, 0); return; }
  if (isInfinite(bSE, bSig)) { roundPack(negative, exponentOf(aSE, aSig), normal(aSig), 0); return; }
  const ea = exponentOf(aSE, aSig), eb = exponentOf(bSE, bSig), divisor = normal(bSig);
  let rest = normal(aSig), quotient: u64 = 0;
  let steps = ea - eb, exp = eb;
  const least: i32 = nearest ? -1 : 0;
  if (steps < least) { roundPack(negative, ea, rest, 0); return; }
  if (steps > 63) {
    // Reduce by N between 32 and 63, so that a multiple of 32 is left over.
    const n = (steps & 31) | 32;
    exp = eb + steps - n;
    steps = n;
    incomplete = true;
  }
  let carry = false;
  if (steps == -1) {
    // |a| < |b|; the nearest quotient is 1 if a is more than half of b.
    if (rest > divisor) {
      // a - b = -(2b - a) / 2 in units of a's exponent
      const difference = (divisor - (rest - divisor));
      quotientBits = 1;
      normRoundPack(negative ^ 0x8000, ea, difference, 0);
    } else roundPack(negative, ea, rest, 0);
    return;
  }
  for (let i = steps; ; i--) {
    quotient <<= 1;
    if (carry || rest >= divisor) { rest -= divisor; quotient |= 1; }
    if (i == 0) break;
    carry = <i64>rest < 0;
    rest <<= 1;
  }
  let sign = negative;
  if (nearest && !incomplete) {
    const other = divisor - rest;
    if (rest > other || (rest == other && (quotient & 1) != 0)) {
      rest = other;
      sign ^= 0x8000;
      quotient++;
    }
  }
  if (!incomplete) quotientBits = <u32>quotient & 7;
  if (rest == 0) { setOut(negative, 0); return; }
  normRoundPack(sign, exp, rest, 0);
}

/** FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2 by their ModRM.rm: the significand cut to 64 bits, exponent, and whether the next bit is one (none is exact). */
const CONSTANTS: usize = memory.data<u64>([
  0x8000000000000000, 0x3fff, 0, 0xd49a784bcd1b8afe, 0x4000, 0, 0xb8aa3b295c17f0bb, 0x3fff, 1, 0xc90fdaa22168c234, 0x4000, 1,
  0x9a209a84fbcff798, 0x3ffd, 1, 0xb17217f7d1cf79ab, 0x3ffe, 1, 0, 0, 0,
]);

/** The constant that D9 E8+n loads, rounded as the control word says, which does not count as inexact (SDM vol. 1, 8.3.4). */
export function constant87(n: u32): void {
  const at = CONSTANTS + <usize>n * 24;
  let sig = load<u64>(at);
  const mode = roundingMode();
  if (n > 0 && n < 6 && (mode == RC_UP || (mode == RC_NEAREST && load<u64>(at, 16) != 0))) sig++;
  setOut(load<u32>(at, 8), sig);
}
