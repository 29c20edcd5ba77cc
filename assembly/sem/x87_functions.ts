// The x87's transcendental functions (SDM vol. 1, 8.3.7 - 8.3.10) in 128-bit fixed point: the argument is reduced, a series is summed to more than 100 bits, and the one
// rounding at the end is almost always that of the true value. Special operands, and where a result counts as exact, are as Intel's processors have them.
//
// A number in the making is a 128-bit significand with its leading one at bit 127 and an exponent: sig / 2^127 * 2^exp. Series are sums in units of 2^-127; their variable is in units of 2^-128.

import { divideFraction, hi64, lo64, multiplyHigh128 } from './wide';
import {
  BIAS, exponentOf, invalid, isInfinite, normal, normRoundPack, noteDenormal, outSE, outSig, PE, raise87, roundPack, setOut, special, special1, UE, underflowMasked, ZE,
} from './x87_real';
import { ARCTANGENTS, INVERSE_FACTORIALS, INVERSE_ODDS, LN2_HIGH, LN2_LOW, PI_HIGH, PI_LOW, TWO_LOG2E_HIGH, TWO_LOG2E_LOW } from './x87_tables';

const ONE: u64 = (<u64>1) << 63;
/** Terms that leave less than 2^-100: of sine and cosine at pi/4, of 2^x - 1 at ln 2, of the logarithm at 3 - 2 sqrt 2, of the arctangent at 1/32. */
const SINE_TERMS: u32 = 14, EXPONENTIAL_TERMS: u32 = 28, LOGARITHM_TERMS: u32 = 23, ARCTANGENT_TERMS: u32 = 13;

/** The number in the making. */
let high: u64 = 0, low: u64 = 0, exponent: i32 = 0;

function set(h: u64, l: u64, e: i32): void { high = h; low = l; exponent = e; }
/** Shifts the leading one to bit 127. */
function normalise(): void {
  if (high == 0) { high = low; low = 0; exponent -= 64; }
  const n = clz<u64>(high);
  if (n != 0) { high = (high << n) | (low >> (64 - n)); low <<= n; exponent -= <i32>n; }
}
/** Multiplies by a normalised number. */
function times(h: u64, l: u64, e: i32): void {
  multiplyHigh128(high, low, h, l);
  set(hi64, lo64, exponent + e + 1);
  normalise();
}
/** high:low shifted right to units of 2^-128 (what is below is cut off). Left in hiFixed and loFixed. */
let fixedHigh: u64 = 0, fixedLow: u64 = 0;
function toFixed(h: u64, l: u64, count: i32): void {
  const n = <u64>count;
  if (count <= 0) { fixedHigh = h; fixedLow = l; }
  else if (count < 64) { fixedHigh = h >> n; fixedLow = (l >> n) | (h << (64 - n)); }
  else if (count == 64) { fixedHigh = 0; fixedLow = h; }
  else { fixedHigh = 0; fixedLow = count < 128 ? h >> (n - 64) : 0; }
}

/** Sum of the table's entries first, first + step, ... (`terms` of them) times powers of z, with alternating signs or all positive. The result is high:low; exponent is 0. */
function series(table: usize, first: u32, step: u32, terms: u32, zh: u64, zl: u64, alternating: bool): void {
  let at = table + (<usize>(first + step * (terms - 1)) << 4);
  let h = load<u64>(at), l = load<u64>(at, 8);
  for (let i: u32 = 1; i < terms; i++) {
    at -= <usize>step << 4;
    multiplyHigh128(h, l, zh, zl);
    const ch = load<u64>(at), cl = load<u64>(at, 8);
    if (alternating) { l = cl - lo64; h = ch - hi64 - (cl < lo64 ? 1 : 0); }
    else { l = cl + lo64; h = ch + hi64 + (l < cl ? 1 : 0); }
  }
  set(h, l, 0);
}

/** Rounds the number, which is never exact. */
function finish(negative: u32): void {
  normRoundPack(negative, exponent + BIAS, high, low | 1);
}
/** A result that is taken for exact, but counts as inexact. */
function finishExact(negative: u32, exp: i32, sig: u64, rest: u64): void {
  normRoundPack(negative, exp, sig, rest);
  raise87(PE);
  // A denormal result is then an underflow as well.
  if ((outSE & 0x7fff) == 0 && underflowMasked()) raise87(UE);
}
function asInexact(se: u32, sig: u64): void { finishExact(se & 0x8000, exponentOf(se, sig), normal(sig), 0); }

// ---- sine, cosine, tangent -----------------------------------------------------------------------------------------------------------

/** pi to 66 bits, which is what the processor reduces by: pi / 2 in units of 2^-65. */
const HALF_PI_HIGH: u64 = 3, HALF_PI_LOW: u64 = 0x243f6a8885a308d3;
/** The operand, reduced: its magnitude, at most pi / 4, and its sign; the quadrant it came from. */
let reducedHigh: u64 = 0, reducedLow: u64 = 0, reducedExponent: i32 = 0, reducedNegative: bool = false, quadrant: u32 = 0;
/** Left by the last function: the operand was 2^63 or more, and nothing was computed. */
export let outOfRange: bool = false;

function reduce(se: u32, sig: u64): void {
  const e = exponentOf(se, sig) - BIAS;
  let h: u64 = 0, l = normal(sig);
  quadrant = 0;
  reducedNegative = (se & 0x8000) != 0;
  reducedHigh = l; reducedLow = 0; reducedExponent = e;
  // pi / 4 is c90fdaa22168c234.c at exponent -1.
  if (e < -1 || (e == -1 && l <= 0xc90fdaa22168c234)) return;
  // As for a remainder: a bit comes down, the divisor goes off where it fits.
  for (let i = e + 2; i > 0; i--) {
    h = (h << 1) | (l >> 63);
    l <<= 1;
    quadrant <<= 1;
    if (h > HALF_PI_HIGH || (h == HALF_PI_HIGH && l >= HALF_PI_LOW)) {
      h -= HALF_PI_HIGH + (l < HALF_PI_LOW ? 1 : 0);
      l -= HALF_PI_LOW;
      quadrant |= 1;
    }
  }
  // To the nearest multiple: what is left becomes at most half the divisor.
  const oh = HALF_PI_HIGH - h - (HALF_PI_LOW < l ? 1 : 0), ol = HALF_PI_LOW - l;
  if (h > oh || (h == oh && l > ol)) {
    h = oh; l = ol;
    quadrant++;
    reducedNegative = !reducedNegative;
  }
  // Units of 2^-65 with bit 127 as the leading one: exponent 127 - 65.
  set(h, l, 62);
  normalise();
  reducedHigh = high; reducedLow = low; reducedExponent = exponent;
}

/** Square of the reduced operand in units of 2^-128. */
function square(): void {
  multiplyHigh128(reducedHigh, reducedLow, reducedHigh, reducedLow);
  toFixed(hi64, lo64, -2 * reducedExponent - 2);
}
/** A sum that came out as one though it is a little less. */
function belowOne(): void { if (high == ONE && low == 0) set(ONE - 1, 0xffffffffffffffff, 0); }
function sineOfReduced(): void {
  square();
  series(INVERSE_FACTORIALS, 1, 2, SINE_TERMS, fixedHigh, fixedLow, true);
  belowOne();
  normalise();
  times(reducedHigh, reducedLow, reducedExponent);
}
function cosineOfReduced(): void {
  square();
  series(INVERSE_FACTORIALS, 0, 2, SINE_TERMS + 1, fixedHigh, fixedLow, true);
  belowOne();
  normalise();
}

/** Below this exponent the sine is its operand and the cosine one. */
const TINY: i32 = -68;
function smallerThan(se: u32, sig: u64, e: i32): bool { return exponentOf(se, sig) - BIAS < e; }

/** What the four functions begin with. True: the result is in outSE:outSig, or the operand is out of range. */
function trigonometric(se: u32, sig: u64): bool {
  outOfRange = false;
  if (special1(se, sig)) return true;
  if (isInfinite(se, sig)) { invalid(); return true; }
  if (sig != 0 && exponentOf(se, sig) - BIAS >= 63) { outOfRange = true; return true; }
  noteDenormal(se, sig);
  return false;
}

function sine(se: u32, sig: u64): void {
  if (sig == 0) { setOut(se, sig); return; }
  if (smallerThan(se, sig, TINY)) { asInexact(se, sig); return; }
  reduce(se, sig);
  // In the odd quadrants the cosine, whose sign is not the reduced operand's.
  const whole = (se & 0x8000) != 0, q = quadrant;
  if ((q & 1) == 0) {
    const negative = reducedNegative != ((q & 2) != 0);
    sineOfReduced();
    finish(negative ? 0x8000 : 0);
  } else {
    // sin(x) for |x| in the odd quadrant is cos of what is left; quadrants count from the magnitude.
    const negative = whole != ((q & 2) != 0);
    cosineOfReduced();
    finish(negative ? 0x8000 : 0);
  }
}
function cosine(se: u32, sig: u64): void {
  if (sig == 0) { setOut(BIAS, ONE); return; }
  if (smallerThan(se, sig, TINY)) { finishExact(0, BIAS, ONE, 0); return; }
  reduce(se, sig);
  const whole = (se & 0x8000) != 0, q = quadrant;
  if ((q & 1) == 0) {
    cosineOfReduced();
    finish((q & 2) != 0 ? 0x8000 : 0);
  } else {
    // cos(|x|) = -sin(r) in quadrant 1, sin(r) in quadrant 3, r being |x|'s remainder.
    const negative = (reducedNegative != whole) != ((q & 2) == 0);
    sineOfReduced();
    finish(negative ? 0x8000 : 0);
  }
}
export function sine87(se: u32, sig: u64): void { if (!trigonometric(se, sig)) sine(se, sig); }
export function cosine87(se: u32, sig: u64): void { if (!trigonometric(se, sig)) cosine(se, sig); }

/** The other result of FSINCOS. */
export let sineSE: u32 = 0;
export let sineSig: u64 = 0;
/** Sine and cosine; both are the operand's NaN where there is one. */
export function sineCosine87(se: u32, sig: u64): void {
  if (trigonometric(se, sig)) { sineSE = outSE; sineSig = outSig; return; }
  sine(se, sig);
  sineSE = outSE; sineSig = outSig;
  cosine(se, sig);
}

/** Below this exponent the tangent is its operand. */
const TINY_TANGENT: i32 = -32;
export function tangent87(se: u32, sig: u64): void {
  if (trigonometric(se, sig)) return;
  if (sig == 0) { setOut(se, sig); return; }
  if (smallerThan(se, sig, TINY_TANGENT)) { asInexact(se, sig); return; }
  reduce(se, sig);
  sineOfReduced();
  const sh = high, sl = low, e = exponent;
  cosineOfReduced();
  const odd = (quadrant & 1) != 0, negative = reducedNegative != odd;
  if (odd) quotient(high, low, exponent, sh, sl, e);
  else quotient(sh, sl, e, high, low, exponent);
  finish(negative ? 0x8000 : 0);
}
/** The quotient of two normalised numbers. */
function quotient(nh: u64, nl: u64, ne: i32, dh: u64, dl: u64, de: i32): void {
  // The numerator is halved so that it is below the denominator.
  divideFraction(nh >> 1, (nl >> 1) | (nh << 63), dh, dl);
  set(hi64, lo64, ne - de);
  normalise();
}

// ---- arctangent ----------------------------------------------------------------------------------------------------------------------

/** Below this exponent the arctangent is its operand. */
const TINY_ARCTANGENT: i32 = -40;

/** `quarters` quarters of pi with the sign. */
function piQuarters(quarters: u32, negative: u32): void {
  // 3/4 pi is half of it and a quarter of it.
  if (quarters == 3) {
    const l = (PI_LOW >> 1) | (PI_HIGH << 63), m = (PI_LOW >> 2) | (PI_HIGH << 62), sum = l + m;
    set((PI_HIGH >> 1) + (PI_HIGH >> 2) + (sum < l ? 1 : 0), sum, 1);
  } else set(PI_HIGH, PI_LOW, quarters == 4 ? 1 : quarters == 2 ? 0 : -1);
  finish(negative);
}

/** atan2(y, x): the angle of the point (x, y). */
export function arctangent87(ySE: u32, ySig: u64, xSE: u32, xSig: u64): void {
  if (special(ySE, ySig, xSE, xSig)) return;
  noteDenormal(ySE, ySig); noteDenormal(xSE, xSig);
  const negative = ySE & 0x8000, left = (xSE & 0x8000) != 0, infY = isInfinite(ySE, ySig), infX = isInfinite(xSE, xSig);
  if (infY) { piQuarters(infX ? (left ? 3 : 1) : 2, negative); return; }
  if (ySig == 0 || infX) { if (left) piQuarters(4, negative); else setOut(negative, 0); return; }
  if (xSig == 0) { piQuarters(2, negative); return; }
  const ye = exponentOf(ySE, ySig), xe = exponentOf(xSE, xSig), ys = normal(ySig), xs = normal(xSig);
  // The smaller over the larger.
  const steep = ye > xe || (ye == xe && ys > xs);
  const ns = steep ? xs : ys, ds = steep ? ys : xs, difference = steep ? ye - xe : xe - ye;
  if (ns == ds && difference == 0) { piQuarters(left ? 3 : 1, negative); return; }
  if (!steep && !left && tinyRatio(ns, ds, difference)) {
    // As the division that it is then.
    divideFraction(ns >> 1, ns << 63, ds, 0);
    set(hi64, lo64, -difference);
    normalise();
    finishExact(negative, exponent + BIAS, high, low);
    return;
  }
  arctangentOfRatio(ns, ds, difference);
  // The octant: pi/2 - a, pi - a, pi/2 + a.
  if (steep) addPi(0, !left); else if (left) addPi(1, true);
  finish(negative);
}
function tinyRatio(ns: u64, ds: u64, difference: i32): bool { return -difference - (ns < ds ? 1 : 0) < TINY_ARCTANGENT; }

/** atan(n / d / 2^difference), n / d / 2^difference < 1. */
function arctangentOfRatio(n: u64, d: u64, difference: i32): void {
  let k: u64 = 0, negative = false;
  if (difference <= 5) {
    // The nearest sixteenth: 16 n / (d 2^difference).
    const scaled = d >> 5 << <u64>difference;
    k = ((n >> 1) + (scaled >> 1)) / scaled;
  }
  if (k == 0) quotientOf(0, n, 0, d, -difference);
  else {
    // atan(q) = atan(c) + atan((q - c) / (1 + q c)) with c = k / 16: (16 n - k d 2^difference) / (16 d 2^difference + k n).
    const f = <u64>difference;
    tripleProduct(d, k << f);
    const kh = productHigh, kl = productLow;
    tripleProduct(n, 16);
    let th = productHigh, tl = productLow;
    negative = th < kh || (th == kh && tl < kl);
    if (negative) { const l = kl - tl; th = kh - th - (kl < tl ? 1 : 0); tl = l; }
    else { const l = tl - kl; th = th - kh - (tl < kl ? 1 : 0); tl = l; }
    const rh = th, rl = tl;
    tripleProduct(d, <u64>16 << f);
    let bh = productHigh, bl = productLow;
    tripleProduct(n, k);
    bl += productLow;
    bh += productHigh + (bl < productLow ? 1 : 0);
    if ((rh | rl) == 0) { constantOf(k); return; }
    quotientOf(rh, rl, bh, bl, 0);
  }
  const th = high, tl = low, te = exponent;
  multiplyHigh128(th, tl, th, tl);
  toFixed(hi64, lo64, -2 * te - 2);
  series(INVERSE_ODDS, 0, 1, ARCTANGENT_TERMS, fixedHigh, fixedLow, true);
  belowOne();
  normalise();
  times(th, tl, te);
  if (k == 0) return;
  toFixed(high, low, -exponent);
  const ch = load<u64>(ARCTANGENTS + (<usize>k << 4)), cl = load<u64>(ARCTANGENTS + (<usize>k << 4), 8);
  const sh = fixedHigh, sl = fixedLow;
  if (negative) set(ch - sh - (cl < sl ? 1 : 0), cl - sl, 0);
  else { const l = cl + sl; set(ch + sh + (l < cl ? 1 : 0), l, 0); }
  normalise();
}
function constantOf(k: u64): void {
  set(load<u64>(ARCTANGENTS + (<usize>k << 4)), load<u64>(ARCTANGENTS + (<usize>k << 4), 8), 0);
  normalise();
}
let productHigh: u64 = 0, productLow: u64 = 0;
/** a * b for b below 2^32. */
function tripleProduct(a: u64, b: u64): void {
  const l = (a & 0xffffffff) * b, h = (a >> 32) * b + (l >> 32);
  productHigh = h >> 32;
  productLow = (h << 32) | (l & 0xffffffff);
}
/** The quotient of two integers of up to 128 bits times 2^e, normalised. */
function quotientOf(nh: u64, nl: u64, dh: u64, dl: u64, e: i32): void {
  set(nh, nl, 0);
  normalise();
  const h = high, l = low, ne = exponent;
  set(dh, dl, 0);
  normalise();
  quotient(h, l, ne + e, high, low, exponent);
}
/** Adds pi (`whole` 1) or pi / 2 (0) to the angle, or takes the angle from it. */
function addPi(whole: i32, subtract: bool): void {
  // pi's significand counts 2^-126 at exponent 1 and 2^-127 at exponent 0; the angle is shifted to the same.
  toFixed(high, low, whole - exponent);
  const sh = fixedHigh, sl = fixedLow;
  if (subtract) { set(PI_HIGH - sh - (PI_LOW < sl ? 1 : 0), PI_LOW - sl, whole); normalise(); return; }
  const l = PI_LOW + sl, carry: u64 = l < sl ? 1 : 0, h = PI_HIGH + sh + carry;
  if (h < PI_HIGH) set((h >> 1) | ONE, (l >> 1) | (h << 63), whole + 1);
  else set(h, l, whole);
}

// ---- 2^x - 1 -----------------------------------------------------------------------------------------------------------------------------

export function exponential87(se: u32, sig: u64): void {
  if (special1(se, sig)) return;
  const negative = se & 0x8000;
  if (isInfinite(se, sig)) { if (negative != 0) setOut(0x8000 | BIAS, ONE); else setOut(se, sig); return; }
  if (sig == 0) { setOut(se, sig); return; }
  noteDenormal(se, sig);
  const e = exponentOf(se, sig) - BIAS;
  if (e >= 0) {
    // Outside of -1 to 1 the operand is returned; at -1 the result is exact.
    if (e == 0 && sig == ONE && negative != 0) finishExact(negative, BIAS - 1, ONE, 0);
    else asInexact(se, sig);
    return;
  }
  set(normal(sig), 0, e);
  times(LN2_HIGH, LN2_LOW, -1);
  const yh = high, yl = low, ye = exponent;
  toFixed(yh, yl, -ye - 1);
  series(INVERSE_FACTORIALS, 1, 1, EXPONENTIAL_TERMS, fixedHigh, fixedLow, negative != 0);
  normalise();
  times(yh, yl, ye);
  finish(negative);
}

// ---- logarithms -------------------------------------------------------------------------------------------------------------------------

let logNegative: bool = false;
/** log2 of (h:l / 2^127) * 2^e, h:l normalised and the number not a power of two: a normalised number and logNegative. */
function logarithm(h: u64, l: u64, e: i32): void {
  // The significand between sqrt(1/2) and sqrt(2): m - 1 over m + 1, of numbers in units of 2^-126.
  let up = e, nh: u64, nl: u64, dh: u64, dl: u64, below = false;
  const half = h >> 1, rest = (l >> 1) | (h << 63);
  if (h >= 0xb504f333f9de6484) {
    // m = significand / 2
    up++;
    below = true;
    const mh = half >> 1, ml = (rest >> 1) | (half << 63);
    nh = (ONE >> 1) - mh - (ml != 0 ? 1 : 0); nl = 0 - ml;
    dh = mh + (ONE >> 1); dl = ml;
  } else {
    nh = half - (ONE >> 1); nl = rest;
    dh = half + (ONE >> 1); dl = rest;
  }
  if ((nh | nl) == 0) { integer(e); return; }
  quotientOf(nh, nl, dh, dl, 0);
  logOfQuotient(below);
  if (up == 0) return;
  addInteger(up, below);
}
/** high:low is s = (m - 1) / (m + 1), negative if `below`: log2 m = 2 / ln 2 * atanh s. */
function logOfQuotient(below: bool): void {
  const sh = high, sl = low, se = exponent;
  multiplyHigh128(sh, sl, sh, sl);
  toFixed(hi64, lo64, -2 * se - 2);
  series(INVERSE_ODDS, 0, 1, LOGARITHM_TERMS, fixedHigh, fixedLow, false);
  normalise();
  times(sh, sl, se);
  times(TWO_LOG2E_HIGH, TWO_LOG2E_LOW, 1);
  logNegative = below;
}
/** The integer e as the logarithm; a negative one comes out a little small. */
function integer(e: i32): void {
  logNegative = e < 0;
  set(<u64>(e < 0 ? -e : e), 0, 63);
  normalise();
  if (e < 0) {
    if (low == 0) high--;
    low--;
    normalise();
  }
}
/** Adds the integer e (16 bits) to the logarithm. */
function addInteger(e: i32, below: bool): void {
  const negative = e < 0, magnitude: u64 = <u64>(negative ? -e : e) << 47;
  // Units of 2^-111.
  toFixed(high, low, 16 - exponent);
  const fh = fixedHigh, fl = fixedLow;
  if (negative == below) set(magnitude + fh, fl, 16);
  else set(magnitude - fh - (fl != 0 ? 1 : 0), 0 - fl, 16);
  logNegative = negative;
  normalise();
}

/** y * log2(x). */
export function logarithm87(xSE: u32, xSig: u64, ySE: u32, ySig: u64): void {
  if (special(xSE, xSig, ySE, ySig)) return;
  const sign = ySE & 0x8000, infY = isInfinite(ySE, ySig);
  if (xSig == 0) {
    if (infY) { setOut((sign ^ 0x8000) | 0x7fff, ONE); return; }
    if (ySig == 0) { invalid(); return; }
    raise87(ZE);
    setOut((sign ^ 0x8000) | 0x7fff, ONE);
    return;
  }
  if ((xSE & 0x8000) != 0) { invalid(); return; }
  if (isInfinite(xSE, xSig)) {
    if (ySig == 0) { invalid(); return; }
    noteDenormal(ySE, ySig);
    setOut(sign | 0x7fff, ONE);
    return;
  }
  const e = exponentOf(xSE, xSig) - BIAS, s = normal(xSig), isOne = e == 0 && s == ONE, less: u32 = e < 0 ? 0x8000 : 0;
  if (infY && isOne) { invalid(); return; }
  noteDenormal(xSE, xSig); noteDenormal(ySE, ySig);
  if (infY) { setOut((sign ^ less) | 0x7fff, ONE); return; }
  if (ySig == 0 || isOne) { setOut(sign ^ less, 0); return; }
  product(s, 0, e, ySE, ySig);
}

/** y times the logarithm of h:l * 2^e. */
function product(h: u64, l: u64, e: i32, ySE: u32, ySig: u64): void {
  const sign = ySE & 0x8000, power = h == ONE && l == 0;
  if (power) integer(e); else logarithm(h, l, e);
  const negative = logNegative != (sign != 0) ? 0x8000 : 0;
  const exact = power && e > 0;
  times(normal(ySig), 0, exponentOf(ySE, ySig) - BIAS);
  if (exact) finishExact(negative, exponent + BIAS, high, low);
  else finish(negative);
}

/** y * log2(x + 1). */
export function logarithmPlusOne87(xSE: u32, xSig: u64, ySE: u32, ySig: u64): void {
  if (special(xSE, xSig, ySE, ySig)) return;
  const negative = xSE & 0x8000, sign = negative ^ (ySE & 0x8000), infY = isInfinite(ySE, ySig);
  if (xSig == 0) {
    if (infY) { invalid(); return; }
    noteDenormal(ySE, ySig);
    setOut(sign, 0);
    return;
  }
  if (isInfinite(xSE, xSig)) {
    if (negative != 0 || ySig == 0) { invalid(); return; }
    noteDenormal(ySE, ySig);
    setOut(sign | 0x7fff, ONE);
    return;
  }
  noteDenormal(xSE, xSig); noteDenormal(ySE, ySig);
  if (infY) { setOut(sign | 0x7fff, ONE); return; }
  if (ySig == 0) { setOut(sign, 0); return; }
  const e = exponentOf(xSE, xSig) - BIAS, s = normal(xSig);
  // At -1 and below there is no logarithm: the operand is returned.
  if (negative != 0 && e >= 0) { asInexact(xSE, xSig); return; }
  if (e >= -2) {
    onePlus(s, e, negative != 0);
    product(high, low, exponent, ySE, ySig);
    return;
  }
  // x / (2 + x), relatively exact however small x is.
  toFixed(s, 0, 1 - e);
  const fh = fixedHigh, fl = fixedLow;
  if (negative == 0) quotientOf(s, 0, ONE + fh, fl, e - 1);
  else quotientOf(s, 0, ONE - fh - (fl != 0 ? 1 : 0), 0 - fl, e - 1);
  logOfQuotient(false);
  times(normal(ySig), 0, exponentOf(ySE, ySig) - BIAS);
  finish(sign);
}
/** 1 + s * 2^e for e >= -2 (1 - for a negative operand, e < 0), normalised. */
function onePlus(s: u64, e: i32, negative: bool): void {
  if (e < 0) {
    // Units of 2^-126.
    toFixed(s, 0, 1 - e);
    const one = ONE >> 1;
    if (negative) set(one - fixedHigh - (fixedLow != 0 ? 1 : 0), 0 - fixedLow, 1);
    else set(one + fixedHigh, fixedLow, 1);
  } else {
    // Units of 2^(e - 126); the one falls below the significand of a large x.
    set(s >> 1, s << 63, e + 1);
    if (e <= 62) high += ONE >> 1 >> <u64>e;
    else if (e <= 126) {
      const l = low + ((<u64>1) << <u64>(126 - e));
      if (l < low) high++;
      low = l;
    } else low |= 1;
  }
  normalise();
}
