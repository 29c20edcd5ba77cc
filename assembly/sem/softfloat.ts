// IEEE 754 binary32 and binary64 arithmetic in integers, with x86's choices where the standard leaves one (SDM vol. 1,
// chapter 4.8 and 11.5): tininess after rounding, the default NaN, the first NaN operand wins, DAZ and FTZ.
//
// Every function is generic over the format's bit pattern: T = u32 is binary32, T = u64 is binary64. A finite number is
// worked on as sign, biased exponent, and a 64-bit significand whose leading one is at bit 62 (TOP), so that both formats
// share one rounding routine and bit 63 catches a carry. Bits that fall off the right end are "jammed": kept as a one in
// bit 0, which is all that rounding needs to know about them.
//
// The environment (MXCSR's layout) is set by `fpBegin`; exceptions collect until `fpRaised` is asked.

/** Exception flags and the other bits of MXCSR (SDM vol. 1, figure 10-3). The mask of a flag is the flag << 7. */
export const FP_IE: u32 = 1, FP_DE: u32 = 2, FP_ZE: u32 = 4, FP_OE: u32 = 8, FP_UE: u32 = 16, FP_PE: u32 = 32;
export const FP_FLAGS: u32 = 0x3f;
export const FP_DAZ: u32 = 0x40, FP_OM: u32 = 0x400, FP_UM: u32 = 0x800, FP_PM: u32 = 0x1000, FP_FTZ: u32 = 0x8000;
export const FP_MASK_SHIFT: u32 = 7;
export const FP_RC_SHIFT: u32 = 13;
export const RC_NEAREST: u32 = 0, RC_DOWN: u32 = 1, RC_UP: u32 = 2, RC_ZERO: u32 = 3;

/** Results of fpCompare. */
export const FP_LESS: u32 = 0, FP_EQUAL: u32 = 1, FP_GREATER: u32 = 2, FP_UNORDERED: u32 = 3;

const TOP: u64 = <u64>1 << 62;

let control: u32 = 0;
let rounding: u32 = 0;
let flags: u32 = 0;

/** Starts an instruction: `mxcsr` gives rounding, DAZ, FTZ and the underflow mask. Clears the collected exceptions. */
export function fpBegin(mxcsr: u32): void {
  control = mxcsr;
  rounding = (mxcsr >> FP_RC_SHIFT) & 3;
  flags = 0;
}
/** Replaces the rounding mode until the next fpBegin (truncating conversions, ROUNDxx's immediate). */
export function fpRound(mode: u32): void { rounding = mode; }
/** The exceptions raised since fpBegin, as MXCSR flags. */
export function fpRaised(): u32 { return flags; }
/** Adds to the raised exceptions. */
export function fpRaise(f: u32): void { flags |= f; }
/** Takes exceptions back (ROUNDxx's precision suppression). */
export function fpForget(f: u32): void { flags &= ~f; }

// ---- the two formats --------------------------------------------------------------------------------------------------

function fracBits<T>(): u32 { return sizeof<T>() == 2 ? 10 : sizeof<T>() == 4 ? 23 : 52; }
function expMax<T>(): i32 { return sizeof<T>() == 2 ? 0x1f : sizeof<T>() == 4 ? 0xff : 0x7ff; }
function bias<T>(): i32 { return sizeof<T>() == 2 ? 15 : sizeof<T>() == 4 ? 127 : 1023; }
function signMask<T>(): T { return <T>(<u64>1 << (sizeof<T>() * 8 - 1)); }
function fracMask<T>(): T { return <T>((<u64>1 << fracBits<T>()) - 1); }
function quietBit<T>(): T { return <T>(<u64>1 << (fracBits<T>() - 1)); }

function expOf<T>(a: T): i32 { return <i32>(<u64>a >> fracBits<T>()) & expMax<T>(); }
function fracOf<T>(a: T): u64 { return <u64>(a & fracMask<T>()); }
function isNegative<T>(a: T): bool { return (a & signMask<T>()) != 0; }
function infinity<T>(negative: bool): T { return <T>(<u64>expMax<T>() << fracBits<T>()) | (negative ? signMask<T>() : 0); }
function zeroOf<T>(negative: bool): T { return negative ? signMask<T>() : 0; }

export function fpIsNaN<T>(a: T): bool { return expOf<T>(a) == expMax<T>() && fracOf<T>(a) != 0; }
export function fpIsSignaling<T>(a: T): bool { return fpIsNaN<T>(a) && (a & quietBit<T>()) == 0; }
function isInfinite<T>(a: T): bool { return expOf<T>(a) == expMax<T>() && fracOf<T>(a) == 0; }
function isZero<T>(a: T): bool { return (a & ~signMask<T>()) == 0; }
function isDenormal<T>(a: T): bool { return expOf<T>(a) == 0 && fracOf<T>(a) != 0; }

/** The QNaN floating-point indefinite: what an invalid operation gives when masked. */
export function fpDefaultNaN<T>(): T { return <T>((<u64>expMax<T>() << fracBits<T>()) | <u64>quietBit<T>()) | signMask<T>(); }
export function fpQuiet<T>(a: T): T { return a | quietBit<T>(); }

/** Denormals-are-zero: the operand as the operation sees it. */
export function fpDaz<T>(a: T): T { return (control & FP_DAZ) != 0 && isDenormal<T>(a) ? a & signMask<T>() : a; }

function noteDenormal<T>(a: T): void { if (isDenormal<T>(a)) flags |= FP_DE; }

/** The result when an operand is a NaN: the first NaN, made quiet (SDM vol. 1, table 4-7, SSE). */
function propagate<T>(a: T, b: T): T {
  if (fpIsSignaling<T>(a) || fpIsSignaling<T>(b)) flags |= FP_IE;
  return fpQuiet<T>(fpIsNaN<T>(a) ? a : b);
}

function invalid<T>(): T { flags |= FP_IE; return fpDefaultNaN<T>(); }

/** Significand of a finite number with its implied bit at TOP; a denormal's is not normalised. */
function sigOf<T>(a: T): u64 {
  return (fracOf<T>(a) << (62 - fracBits<T>())) | (expOf<T>(a) != 0 ? TOP : 0);
}
/** The exponent that goes with sigOf: a denormal has the smallest normal number's. */
function scaleOf<T>(a: T): i32 { const e = expOf<T>(a); return e != 0 ? e : 1; }

function shiftRightJam(sig: u64, count: i32): u64 {
  if (count <= 0) return sig;
  if (count > 63) return sig != 0 ? 1 : 0;
  return (sig >> <u64>count) | ((sig << <u64>(64 - count)) != 0 ? 1 : 0);
}

// ---- rounding -----------------------------------------------------------------------------------------------------------

/** What is added to a significand before it is cut at `shift` bits; ties to even are mended afterwards. */
function increment(negative: bool, shift: u32): u64 {
  switch (rounding) {
    case RC_NEAREST: return <u64>1 << (shift - 1);
    case RC_DOWN: return negative ? (<u64>1 << shift) - 1 : 0;
    case RC_UP: return negative ? 0 : (<u64>1 << shift) - 1;
    default: return 0;
  }
}

/** Cuts the low `shift` bits off as the rounding mode says. */
function cut(negative: bool, sig: u64, shift: u32): u64 {
  const rest = sig & ((<u64>1 << shift) - 1);
  let r = (sig + increment(negative, shift)) >> shift;
  if (rounding == RC_NEAREST && rest == <u64>1 << (shift - 1)) r &= ~(<u64>1);
  return r;
}

/** Rounds and packs; `sig` has its leading one at TOP (or is zero), and the value is sig / 2^62 * 2^(exp - bias). */
function roundPack<T>(negative: bool, exp: i32, sig: u64): T {
  if (sig == 0) return zeroOf<T>(negative);
  const shift: u32 = 62 - fracBits<T>();
  const lost: u64 = (<u64>1 << shift) - 1;
  if (exp <= 0) {
    // Tiny after rounding: too small even when rounded with an unbounded exponent (SDM vol. 1, 4.9.1.5).
    const tiny = exp < 0 || (sig + increment(negative, shift)) >> 63 == 0;
    if (tiny) {
      if ((control & FP_UM) == 0) {
        // What an unmasked exception's handler is to see is the result with an unbounded exponent: #P is about that one.
        flags |= (sig & lost) != 0 ? FP_UE | FP_PE : FP_UE;
        return zeroOf<T>(negative);
      }
      if ((control & FP_FTZ) != 0) { flags |= FP_UE | FP_PE; return zeroOf<T>(negative); }
    }
    sig = shiftRightJam(sig, 1 - exp);
    if ((sig & lost) != 0) flags |= tiny ? FP_UE | FP_PE : FP_PE;
    // A carry out of the fraction makes the exponent field 1 by itself.
    return <T>cut(negative, sig, shift) | zeroOf<T>(negative);
  }
  const inexact = (sig & lost) != 0;
  let r = cut(negative, sig, shift);
  if (r >> (fracBits<T>() + 1) != 0) { r >>= 1; exp++; }
  if (exp >= expMax<T>()) return overflow<T>(negative, inexact);
  if (inexact) flags |= FP_PE;
  return <T>((<u64>exp << fracBits<T>()) | (r & <u64>fracMask<T>())) | zeroOf<T>(negative);
}

/** Infinity or the largest number, as the rounding mode says (SDM vol. 1, table 4-11). */
function overflow<T>(negative: bool, inexact: bool): T {
  flags |= inexact || (control & FP_OM) != 0 ? FP_OE | FP_PE : FP_OE;
  const toInfinity = rounding == RC_NEAREST || (rounding == RC_UP && !negative) || (rounding == RC_DOWN && negative);
  return toInfinity ? infinity<T>(negative) : infinity<T>(negative) - 1;
}

/** As roundPack, for a significand with its leading one anywhere. */
function normRoundPack<T>(negative: bool, exp: i32, sig: u64): T {
  if (sig == 0) return zeroOf<T>(negative);
  if (<i64>sig < 0) return roundPack<T>(negative, exp + 1, shiftRightJam(sig, 1));
  const up = <i32>clz<u64>(sig) - 1;
  return roundPack<T>(negative, exp - up, sig << <u64>up);
}

// ---- add, subtract, multiply, divide, square root --------------------------------------------------------------------------

/** a + b. */
export function fpAdd<T>(a: T, b: T): T {
  a = fpDaz<T>(a); b = fpDaz<T>(b);
  if (fpIsNaN<T>(a) || fpIsNaN<T>(b)) return propagate<T>(a, b);
  const na = isNegative<T>(a), nb = isNegative<T>(b);
  if (isInfinite<T>(a) && isInfinite<T>(b) && na != nb) return invalid<T>();
  noteDenormal<T>(a); noteDenormal<T>(b);
  if (isInfinite<T>(a)) return a;
  if (isInfinite<T>(b)) return b;
  const ea = scaleOf<T>(a), eb = scaleOf<T>(b);
  const exp = ea > eb ? ea : eb;
  const sa = shiftRightJam(sigOf<T>(a), exp - ea), sb = shiftRightJam(sigOf<T>(b), exp - eb);
  if (na == nb) return normRoundPack<T>(na, exp, sa + sb);
  // An exact zero difference is +0, or -0 when rounding down; -0 + +0 is the same case.
  if (sa == sb) return zeroOf<T>(rounding == RC_DOWN);
  return sa > sb ? normRoundPack<T>(na, exp, sa - sb) : normRoundPack<T>(nb, exp, sb - sa);
}

/** a - b. A NaN operand keeps its sign. */
export function fpSub<T>(a: T, b: T): T {
  return fpAdd<T>(a, fpIsNaN<T>(b) ? b : b ^ signMask<T>());
}

/** The high half of the 128-bit product. `sticky` in bit 0 tells of ones in the low half. */
function mulHighJam(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const low = al * bl, m1 = ah * bl, m2 = al * bh;
  const middle = (low >> 32) + (m1 & 0xffffffff) + (m2 & 0xffffffff);
  const high = ah * bh + (m1 >> 32) + (m2 >> 32) + (middle >> 32);
  return high | (((middle << 32) | (low & 0xffffffff)) != 0 ? 1 : 0);
}

/** a * b. */
export function fpMul<T>(a: T, b: T): T {
  a = fpDaz<T>(a); b = fpDaz<T>(b);
  if (fpIsNaN<T>(a) || fpIsNaN<T>(b)) return propagate<T>(a, b);
  const negative = isNegative<T>(a) != isNegative<T>(b);
  if ((isInfinite<T>(a) && isZero<T>(b)) || (isZero<T>(a) && isInfinite<T>(b))) return invalid<T>();
  noteDenormal<T>(a); noteDenormal<T>(b);
  if (isInfinite<T>(a) || isInfinite<T>(b)) return infinity<T>(negative);
  if (isZero<T>(a) || isZero<T>(b)) return zeroOf<T>(negative);
  const sa = sigOf<T>(a), sb = sigOf<T>(b);
  const za = clz<u64>(sa), zb = clz<u64>(sb);
  // Both leading ones at bit 63: the product's is at bit 127 or 126, so the high half's at 63 or 62.
  const product = mulHighJam(sa << za, sb << zb);
  return normRoundPack<T>(negative, scaleOf<T>(a) + scaleOf<T>(b) - <i32>(za + zb) + 2 - bias<T>(), product);
}

/** The low half of the 128-bit number whose high half a function below returns. */
let low128: u64 = 0;

/** The exact product: the high half, with the low half in low128. */
function mulWide(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const low = al * bl, m1 = ah * bl, m2 = al * bh;
  const middle = (low >> 32) + (m1 & 0xffffffff) + (m2 & 0xffffffff);
  low128 = (middle << 32) | (low & 0xffffffff);
  return ah * bh + (m1 >> 32) + (m2 >> 32) + (middle >> 32);
}

/** (high, low) shifted right with the lost bits jammed; the high half, with the low half in low128. */
function shiftRightJam128(high: u64, low: u64, count: i32): u64 {
  if (count == 0) { low128 = low; return high; }
  if (count > 127) { low128 = (high | low) != 0 ? 1 : 0; return 0; }
  if (count > 63) {
    const n: u64 = count - 64, lost = low | (n != 0 ? high << (64 - n) : 0);
    low128 = (high >> n) | (lost != 0 ? 1 : 0);
    return 0;
  }
  const n: u64 = count;
  low128 = (high << (64 - n)) | (low >> n) | ((low << (64 - n)) != 0 ? 1 : 0);
  return high >> n;
}

/**
 * a * b + c, rounded once; the product or the addend negated first, which does not touch a NaN. The result of NaNs is the first of a, b, c that is one
 * (SDM vol. 1, 14.5.2); zero times infinity is invalid unless c is a NaN that is quiet.
 */
export function fpFma<T>(a: T, b: T, c: T, negateProduct: bool, negateAddend: bool): T {
  a = fpDaz<T>(a); b = fpDaz<T>(b); c = fpDaz<T>(c);
  const meaningless = (isInfinite<T>(a) && isZero<T>(b)) || (isZero<T>(a) && isInfinite<T>(b));
  if (fpIsNaN<T>(a) || fpIsNaN<T>(b) || fpIsNaN<T>(c)) {
    if (fpIsSignaling<T>(a) || fpIsSignaling<T>(b) || fpIsSignaling<T>(c)) flags |= FP_IE;
    return fpQuiet<T>(fpIsNaN<T>(a) ? a : fpIsNaN<T>(b) ? b : c);
  }
  if (meaningless) return invalid<T>();
  const np = (isNegative<T>(a) != isNegative<T>(b)) != negateProduct, nc = isNegative<T>(c) != negateAddend;
  const productInfinite = isInfinite<T>(a) || isInfinite<T>(b);
  if (productInfinite && isInfinite<T>(c) && np != nc) return invalid<T>();
  noteDenormal<T>(a); noteDenormal<T>(b); noteDenormal<T>(c);
  if (productInfinite) return infinity<T>(np);
  if (isInfinite<T>(c)) return infinity<T>(nc);
  const productZero = isZero<T>(a) || isZero<T>(b);
  if (isZero<T>(c)) {
    if (productZero) return zeroOf<T>(np == nc ? np : rounding == RC_DOWN);
  } else if (productZero) return normRoundPack<T>(nc, scaleOf<T>(c), sigOf<T>(c));
  // The product with its leading one at bit 126: its lowest bits are zero, so that nothing is lost in the shift.
  const sa = sigOf<T>(a), sb = sigOf<T>(b), za = clz<u64>(sa), zb = clz<u64>(sb);
  let ph = mulWide(sa << za, sb << zb), pl = low128, exp = scaleOf<T>(a) + scaleOf<T>(b) - <i32>(za + zb) + 2 - bias<T>();
  if (ph >> 63 != 0) { pl = (pl >> 1) | (ph << 63); ph >>= 1; exp++; }
  if (isZero<T>(c)) return normRoundPack<T>(np, exp, ph | (pl != 0 ? 1 : 0));
  const zc = clz<u64>(sigOf<T>(c)) - 1;
  let ch = sigOf<T>(c) << zc, cl: u64 = 0;
  const ce = scaleOf<T>(c) - <i32>zc;
  if (exp > ce) { ch = shiftRightJam128(ch, cl, exp - ce); cl = low128; }
  else { ph = shiftRightJam128(ph, pl, ce - exp); pl = low128; exp = ce; }
  let negative = np;
  if (np == nc) {
    pl += cl;
    ph += ch + (pl < cl ? 1 : 0);
  } else {
    if (ph < ch || (ph == ch && pl < cl)) {
      negative = nc;
      const h = ph, l = pl;
      ph = ch; pl = cl; ch = h; cl = l;
    }
    ph -= ch + (pl < cl ? 1 : 0);
    pl -= cl;
    if ((ph | pl) == 0) return zeroOf<T>(rounding == RC_DOWN);
    if (ph == 0) { ph = pl; pl = 0; exp -= 64; }
    // What moves up keeps the bits that rounding has to see.
    const up = clz<u64>(ph);
    if (up > 1) {
      const n = up - 1;
      ph = (ph << n) | (pl >> (64 - n));
      pl <<= n;
      exp -= <i32>n;
    }
  }
  return normRoundPack<T>(negative, exp, ph | (pl != 0 ? 1 : 0));
}

/** a / b. */
export function fpDiv<T>(a: T, b: T): T {
  a = fpDaz<T>(a); b = fpDaz<T>(b);
  if (fpIsNaN<T>(a) || fpIsNaN<T>(b)) return propagate<T>(a, b);
  const negative = isNegative<T>(a) != isNegative<T>(b);
  if ((isInfinite<T>(a) && isInfinite<T>(b)) || (isZero<T>(a) && isZero<T>(b))) return invalid<T>();
  if (isZero<T>(b) && !isInfinite<T>(a)) { flags |= FP_ZE; return infinity<T>(negative); }
  noteDenormal<T>(a); noteDenormal<T>(b);
  if (isInfinite<T>(a)) return infinity<T>(negative);
  if (isInfinite<T>(b) || isZero<T>(a)) return zeroOf<T>(negative);
  const sa = sigOf<T>(a), sb = sigOf<T>(b);
  const za = clz<u64>(sa), zb = clz<u64>(sb);
  // Integers with fracBits + 1 bits each.
  const low: u64 = 63 - fracBits<T>();
  let rest = (sa << za) >> low;
  const divisor = (sb << zb) >> low;
  let exp = scaleOf<T>(a) - scaleOf<T>(b) - <i32>za + <i32>zb + bias<T>();
  if (rest < divisor) { rest <<= 1; exp--; }
  // The first quotient bit is 1; the remainder is below 2^(fracBits + 1), so `low` more bits fit in each 64-bit division.
  let quotient: u64 = 1, bits: u64 = 0;
  rest -= divisor;
  while (bits < fracBits<T>() + 2) {
    rest <<= low;
    quotient = (quotient << low) | (rest / divisor);
    rest %= divisor;
    bits += low;
  }
  return roundPack<T>(negative, exp, (quotient << (62 - bits)) | (rest != 0 ? 1 : 0));
}

/** Square root. */
export function fpSqrt<T>(a: T): T {
  a = fpDaz<T>(a);
  if (fpIsNaN<T>(a)) return propagate<T>(a, a);
  if (isZero<T>(a)) return a;
  if (isNegative<T>(a)) return invalid<T>();
  noteDenormal<T>(a);
  if (isInfinite<T>(a)) return a;
  const sig = sigOf<T>(a), z = clz<u64>(sig);
  let exp = scaleOf<T>(a) + 1 - <i32>z - bias<T>();
  // radicand: the significand as a number in [1, 4) with an even exponent, two integer bits at the top.
  let radicand = (sig << z) >> 1;
  if ((exp & 1) != 0) { radicand <<= 1; exp--; }
  // Digit by digit, as by hand: two bits of the radicand come down for each bit of the root.
  let root: u64 = 0, rest: u64 = 0;
  const bits: u32 = fracBits<T>() + 3;
  for (let i: u32 = 0; i < bits; i++) {
    rest = (rest << 2) | (radicand >> 62);
    radicand <<= 2;
    const trial = (root << 2) | 1;
    root <<= 1;
    if (rest >= trial) { rest -= trial; root |= 1; }
  }
  return roundPack<T>(false, (exp >> 1) + bias<T>(), (root << <u64>(63 - bits)) | (rest != 0 ? 1 : 0));
}

// ---- comparison -----------------------------------------------------------------------------------------------------------

/** The relation of a to b; `quietInvalid`: a QNaN operand raises #I as well (ordered comparisons, COMISS). */
export function fpCompare<T>(a: T, b: T, quietInvalid: bool): u32 {
  a = fpDaz<T>(a); b = fpDaz<T>(b);
  if (fpIsNaN<T>(a) || fpIsNaN<T>(b)) {
    if (quietInvalid || fpIsSignaling<T>(a) || fpIsSignaling<T>(b)) flags |= FP_IE;
    return FP_UNORDERED;
  }
  noteDenormal<T>(a); noteDenormal<T>(b);
  if (a == b || (isZero<T>(a) && isZero<T>(b))) return FP_EQUAL;
  const na = isNegative<T>(a);
  if (na != isNegative<T>(b)) return na ? FP_LESS : FP_GREATER;
  return (a < b) != na ? FP_LESS : FP_GREATER;
}

/** MINxx: the second operand when either is a NaN or both are zeros (SDM, "MINPS"). */
export function fpMin<T>(a: T, b: T): T {
  const relation = fpCompare<T>(a, b, true);
  return relation == FP_LESS ? fpDaz<T>(a) : fpDaz<T>(b);
}
/** MAXxx. */
export function fpMax<T>(a: T, b: T): T {
  const relation = fpCompare<T>(a, b, true);
  return relation == FP_GREATER ? fpDaz<T>(a) : fpDaz<T>(b);
}

// ---- conversions ----------------------------------------------------------------------------------------------------------

/** binary64 to binary32. */
export function fpNarrow(a: u64): u32 {
  a = fpDaz<u64>(a);
  const negative = isNegative<u64>(a);
  if (fpIsNaN<u64>(a)) {
    if (fpIsSignaling<u64>(a)) flags |= FP_IE;
    return infinity<u32>(negative) | quietBit<u32>() | <u32>(fracOf<u64>(a) >> 29);
  }
  noteDenormal<u64>(a);
  if (isInfinite<u64>(a)) return infinity<u32>(negative);
  return normRoundPack<u32>(negative, scaleOf<u64>(a) - bias<u64>() + bias<u32>(), sigOf<u64>(a));
}

/** binary32 to binary16. FTZ does not apply (SDM vol. 2, VCVTPS2PH). */
export function fpToHalf(a: u32): u16 {
  a = fpDaz<u32>(a);
  const negative = isNegative<u32>(a);
  if (fpIsNaN<u32>(a)) {
    if (fpIsSignaling<u32>(a)) flags |= FP_IE;
    return infinity<u16>(negative) | quietBit<u16>() | <u16>(fracOf<u32>(a) >> 13);
  }
  noteDenormal<u32>(a);
  if (isInfinite<u32>(a)) return infinity<u16>(negative);
  const before = control;
  control &= ~FP_FTZ;
  const r = normRoundPack<u16>(negative, scaleOf<u32>(a) - bias<u32>() + bias<u16>(), sigOf<u32>(a));
  control = before;
  return r;
}
/** binary16 to binary32: always exact; DAZ does not apply and a denormal is not reported (SDM vol. 2, VCVTPH2PS). */
export function fpFromHalf(a: u16): u32 {
  const negative = isNegative<u16>(a);
  if (fpIsNaN<u16>(a)) {
    if (fpIsSignaling<u16>(a)) flags |= FP_IE;
    return infinity<u32>(negative) | quietBit<u32>() | <u32>(fracOf<u16>(a) << 13);
  }
  if (isInfinite<u16>(a)) return infinity<u32>(negative);
  return normRoundPack<u32>(negative, scaleOf<u16>(a) - bias<u16>() + bias<u32>(), sigOf<u16>(a));
}

/** binary32 to binary64: always exact. */
export function fpWiden(a: u32): u64 {
  a = fpDaz<u32>(a);
  const negative = isNegative<u32>(a);
  if (fpIsNaN<u32>(a)) {
    if (fpIsSignaling<u32>(a)) flags |= FP_IE;
    return infinity<u64>(negative) | quietBit<u64>() | (fracOf<u32>(a) << 29);
  }
  noteDenormal<u32>(a);
  if (isInfinite<u32>(a)) return infinity<u64>(negative);
  return normRoundPack<u64>(negative, scaleOf<u32>(a) - bias<u32>() + bias<u64>(), sigOf<u32>(a));
}

/** A signed integer to T. */
export function fpFromInt<T>(v: i64): T {
  const negative = v < 0;
  return normRoundPack<T>(negative, bias<T>() + 62, negative ? 0 - <u64>v : <u64>v);
}

/** The magnitude rounded to an integer, all ones for everything from 2^64 up; raises #P when inexact. NaN and infinity are the caller's. */
function integerOf<T>(a: T): u64 {
  const sig = sigOf<T>(a), point = bias<T>() + 62 - scaleOf<T>(a);
  if (sig == 0) return 0;
  if (point < -1) return u64.MAX_VALUE;
  if (point == -1) return sig << 1;
  // Rounding looks at the highest bit lost and whether others are: two bits more than the integer are enough.
  const quarter = point <= 2 ? sig << <u64>(2 - point) : shiftRightJam(sig, point - 2);
  if (point < 2) return sig >> <u64>point;
  if ((quarter & 3) != 0) flags |= FP_PE;
  return cut(isNegative<T>(a), quarter, 2);
}

/** T to a signed integer of I's size (i32 or i64) in the current rounding mode; the integer indefinite and #I when it does not fit. */
export function fpToInt<T, I>(a: T): I {
  a = fpDaz<T>(a);
  const least = <u64>1 << (sizeof<I>() * 8 - 1);
  if (expOf<T>(a) == expMax<T>()) { flags |= FP_IE; return <I>least; }
  const raised = flags, negative = isNegative<T>(a);
  const magnitude = integerOf<T>(a);
  if (magnitude > least || (magnitude == least && !negative)) { flags = raised | FP_IE; return <I>least; }
  return <I>(negative ? 0 - magnitude : magnitude);
}

/** ROUNDxx: to an integral value of the same format, in the current rounding mode; raises #P when inexact. */
export function fpToIntegral<T>(a: T): T {
  a = fpDaz<T>(a);
  if (fpIsNaN<T>(a)) return propagate<T>(a, a);
  if (scaleOf<T>(a) >= bias<T>() + <i32>fracBits<T>()) return a;
  return normRoundPack<T>(isNegative<T>(a), bias<T>() + 62, integerOf<T>(a));
}
