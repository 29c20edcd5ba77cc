// The 80-bit extended format (SDM vol. 1, 4.2.2 and 8.2) and its arithmetic in integers. An operand is a pair: `se`, the sign in
// bit 15 over the biased exponent, and the 64-bit significand with its integer bit. Results are left in `outSE` and `outSig`.
//
// A number on its way to rounding is sign, biased exponent (any size), and a 128-bit significand `sig`:`rest` with its leading one
// at bit 63 of `sig`; bits lost below are jammed into bit 0 of `rest`.

import { divide128, hi64, lo64, multiply64 } from './wide';

/** Exception flags of the status word; the control word's masks are the same bits (SDM vol. 1, 8.1.3, 8.1.5). */
export const IE: u32 = 1, DE: u32 = 2, ZE: u32 = 4, OE: u32 = 8, UE: u32 = 0x10, PE: u32 = 0x20;
/** Stack fault: goes with IE. */
export const SF: u32 = 0x40;
export const RC_NEAREST: u32 = 0, RC_DOWN: u32 = 1, RC_UP: u32 = 2, RC_ZERO: u32 = 3;
/** Relations that compare() answers. */
export const LESS: u32 = 0, EQUAL: u32 = 1, GREATER: u32 = 2, UNORDERED: u32 = 3;

export const BIAS: i32 = 16383;
const INTEGER_BIT: u64 = <u64>1 << 63;
const QUIET_BIT: u64 = <u64>1 << 62;
/** What an unmasked overflow or underflow adds to the exponent or takes from it (SDM vol. 1, 8.5.4 and 8.5.5). */
const WRAP: i32 = 24576;
/** The real indefinite, a QNaN. */
export const INDEFINITE_SE: u32 = 0xffff;
export const INDEFINITE_SIG: u64 = 0xc000000000000000;

/** The result of the last operation. */
export let outSE: u32 = 0;
export let outSig: u64 = 0;
/** Exceptions raised since begin(). */
export let raised: u32 = 0;
/** The last rounding went away from zero: what C1 tells. */
export let roundedUp: bool = false;

let control: u32 = 0;
let rounding: u32 = 0;
/** Low bits of the significand that the precision control cuts off. */
let dropped: u32 = 0;

/** Starts an instruction under control word `fcw`, rounding to 64 bits. */
export function begin(fcw: u32): void {
  control = fcw;
  rounding = (fcw >> 10) & 3;
  dropped = 0;
  raised = 0;
  roundedUp = false;
}
/** Rounds as the precision control says: FADD, FSUB, FMUL, FDIV, FSQRT and their kin (SDM vol. 1, 8.1.5.2). Its reserved value counts as 64 bits. */
export function beginWithPrecision(fcw: u32): void {
  begin(fcw);
  const pc = (fcw >> 8) & 3;
  dropped = pc == 0 ? 40 : pc == 2 ? 11 : 0;
}
/** Replaces the rounding mode until the next begin (FISTTP). */
export function setRounding(mode: u32): void { rounding = mode; }
export function roundingMode(): u32 { return rounding; }
export function raise87(flags: u32): void { raised |= flags; }
/** Takes #P back. */
export function clearPrecision(): void { raised &= ~PE; roundedUp = false; }
export function setRoundedUp(up: bool): void { roundedUp = up; }
/** Whether #U is masked. */
export function underflowMasked(): bool { return (control & UE) != 0; }
export function setOut(se: u32, sig: u64): void { outSE = se; outSig = sig; }

// ---- classes --------------------------------------------------------------------------------------------------------------------

/** Unnormals, pseudo-NaNs and pseudo-infinities: their integer bit is clear though the exponent is not zero. Using one is invalid. */
export function isUnsupported(se: u32, sig: u64): bool { return (se & 0x7fff) != 0 && <i64>sig >= 0; }
export function isNaN87(se: u32, sig: u64): bool { return (se & 0x7fff) == 0x7fff && sig > INTEGER_BIT; }
export function isSignaling(se: u32, sig: u64): bool { return isNaN87(se, sig) && (sig & QUIET_BIT) == 0; }
export function isInfinite(se: u32, sig: u64): bool { return (se & 0x7fff) == 0x7fff && sig == INTEGER_BIT; }
export function isZero(se: u32, sig: u64): bool { return (se & 0x7fff) == 0 && sig == 0; }
/** Denormals, and pseudo-denormals, whose integer bit is set all the same. */
export function isDenormal(se: u32, sig: u64): bool { return (se & 0x7fff) == 0 && sig != 0; }

export function indefinite(): void { outSE = INDEFINITE_SE; outSig = INDEFINITE_SIG; }
export function invalid(): void { raised |= IE; indefinite(); }
function zero(negative: u32): void { outSE = negative; outSig = 0; }
function infinity(negative: u32): void { outSE = negative | 0x7fff; outSig = INTEGER_BIT; }

/** A NaN operand of an operation with one operand, made quiet. */
export function quiet(se: u32, sig: u64): void {
  if ((sig & QUIET_BIT) == 0) raised |= IE;
  outSE = se; outSig = sig | QUIET_BIT;
}

/** The result when one of two operands is a NaN: a QNaN before an SNaN, then the larger significand, then the positive one (SDM vol. 1, table 4-7). */
export function propagate(aSE: u32, aSig: u64, bSE: u32, bSig: u64): void {
  const nanA = isNaN87(aSE, aSig), nanB = isNaN87(bSE, bSig), sA = isSignaling(aSE, aSig), sB = isSignaling(bSE, bSig);
  if (sA || sB) raised |= IE;
  let first = nanA;
  if (nanA && nanB) {
    if (sA != sB) first = sB;
    else if (aSig != bSig) first = aSig > bSig;
    else first = aSE < bSE;
  }
  outSE = first ? aSE : bSE;
  outSig = (first ? aSig : bSig) | QUIET_BIT;
}

/** What comes before the arithmetic of two operands: unsupported ones and NaNs. True: the result is there. */
export function special(aSE: u32, aSig: u64, bSE: u32, bSig: u64): bool {
  if (isUnsupported(aSE, aSig) || isUnsupported(bSE, bSig)) { invalid(); return true; }
  if (isNaN87(aSE, aSig) || isNaN87(bSE, bSig)) { propagate(aSE, aSig, bSE, bSig); return true; }
  return false;
}
/** The same for one operand. */
export function special1(se: u32, sig: u64): bool {
  if (isUnsupported(se, sig)) { invalid(); return true; }
  if (isNaN87(se, sig)) { quiet(se, sig); return true; }
  return false;
}

export function noteDenormal(se: u32, sig: u64): void { if (isDenormal(se, sig)) raised |= DE; }

/** The biased exponent of a finite number other than zero once its significand is normalised by `normal`. */
export function exponentOf(se: u32, sig: u64): i32 {
  const e = <i32>(se & 0x7fff);
  return (e != 0 ? e : 1) - <i32>clz<u64>(sig);
}
export function normal(sig: u64): u64 { return sig << clz<u64>(sig); }

// ---- rounding -------------------------------------------------------------------------------------------------------------------

/** Whether sig:rest, cut at `shift` bits of sig, goes up; `rest` and the cut bits are not all zero. */
function goesUp(negative: u32, sig: u64, rest: u64, shift: u32): bool {
  switch (rounding) {
    case RC_NEAREST: {
      if (shift == 0) return <i64>rest < 0 && ((rest << 1) != 0 || (sig & 1) != 0);
      const half = <u64>1 << (shift - 1), cut = sig & ((half << 1) - 1);
      return cut > half || (cut == half && (rest != 0 || ((sig >> shift) & 1) != 0));
    }
    case RC_DOWN: return negative != 0;
    case RC_UP: return negative == 0;
    default: return false;
  }
}

/** sig:rest shifted right, what is lost jammed. The results are in hi64 and lo64's place: `shiftedSig`, `shiftedRest`. */
let shiftedSig: u64 = 0, shiftedRest: u64 = 0;
function shiftRight(sig: u64, rest: u64, count: i32): void {
  const n = <u64>count;
  if (count == 0) { shiftedSig = sig; shiftedRest = rest; }
  else if (count < 64) { shiftedSig = sig >> n; shiftedRest = (sig << (64 - n)) | (rest >> n) | ((rest << (64 - n)) != 0 ? 1 : 0); }
  else if (count == 64) { shiftedSig = 0; shiftedRest = sig | (rest != 0 ? 1 : 0); }
  else if (count < 128) { shiftedSig = 0; shiftedRest = (sig >> (n - 64)) | ((sig << (128 - n)) != 0 || rest != 0 ? 1 : 0); }
  else { shiftedSig = 0; shiftedRest = (sig | rest) != 0 ? 1 : 0; }
}

/** Rounds and packs a number with its leading one at bit 63 of `sig`, or zero. `negative` is 0 or 0x8000. */
export function roundPack(negative: u32, exp: i32, sig: u64, rest: u64): void {
  if (sig == 0 && rest == 0) { zero(negative); return; }
  const shift = dropped, mask: u64 = (<u64>1 << shift) - 1;
  if (exp <= 0) {
    // Tiny after rounding: too small even when rounded with an unbounded exponent (SDM vol. 1, 4.9.1.5).
    const inexact = (sig & mask) != 0 || rest != 0;
    const tiny = exp < 0 || !inexact || !goesUp(negative, sig, rest, shift) || (sig | mask) != 0xffffffffffffffff;
    if (tiny && (control & UE) == 0) {
      raised |= UE;
      exp += WRAP;
      // FSCALE can go further than that, down to zero or up to infinity.
      if (exp <= 0) { raised |= PE; zero(negative); return; }
    } else {
      denormalize(negative, exp, sig, rest, tiny);
      return;
    }
  }
  const inexact = (sig & mask) != 0 || rest != 0;
  roundedUp = inexact && goesUp(negative, sig, rest, shift);
  sig &= ~mask;
  if (roundedUp) {
    sig += mask + 1;
    if (sig == 0) { sig = INTEGER_BIT; exp++; }
  }
  if (exp >= 0x7fff) {
    raised |= OE;
    if ((control & OE) != 0) { overflow(negative); return; }
    exp -= WRAP;
    if (exp >= 0x7fff) { raised |= PE; roundedUp = true; infinity(negative); return; }
  }
  if (inexact) raised |= PE;
  outSE = negative | <u32>exp;
  outSig = sig;
}

/** The masked response to underflow: the significand with the least exponent, rounded there. */
function denormalize(negative: u32, exp: i32, sig: u64, rest: u64, tiny: bool): void {
  const mask: u64 = (<u64>1 << dropped) - 1;
  shiftRight(sig, rest, 1 - exp);
  sig = shiftedSig; rest = shiftedRest;
  if ((sig & mask) != 0 || rest != 0) {
    raised |= tiny ? UE | PE : PE;
    roundedUp = goesUp(negative, sig, rest, dropped);
    sig &= ~mask;
    if (roundedUp) sig += mask + 1;
  }
  outSE = negative | <u32>(sig >> 63);
  outSig = sig;
}

/** The masked response to overflow (SDM vol. 1, table 4-10). */
function overflow(negative: u32): void {
  raised |= PE;
  roundedUp = rounding == RC_NEAREST || (rounding == RC_UP && negative == 0) || (rounding == RC_DOWN && negative != 0);
  if (roundedUp) infinity(negative);
  else { outSE = negative | 0x7ffe; outSig = ~((<u64>1 << dropped) - 1); }
}

/** As roundPack, for a significand with its leading one anywhere. */
export function normRoundPack(negative: u32, exp: i32, sig: u64, rest: u64): void {
  if (sig == 0) {
    if (rest == 0) { zero(negative); return; }
    sig = rest; rest = 0; exp -= 64;
  }
  const n = clz<u64>(sig);
  if (n != 0) { sig = (sig << n) | (rest >> (64 - n)); rest <<= n; }
  roundPack(negative, exp - <i32>n, sig, rest);
}

// ---- add, subtract, multiply, divide, square root ---------------------------------------------------------------------------------

/** a + b; with `flip` 0x8000, a - b (a NaN keeps its sign). */
export function add87(aSE: u32, aSig: u64, bSE: u32, bSig: u64, flip: u32): void {
  if (special(aSE, aSig, bSE, bSig)) return;
  bSE ^= flip;
  const na = aSE & 0x8000, nb = bSE & 0x8000;
  const infA = isInfinite(aSE, aSig), infB = isInfinite(bSE, bSig);
  if (infA && infB && na != nb) { invalid(); return; }
  noteDenormal(aSE, aSig); noteDenormal(bSE, bSig);
  if (infA) { infinity(na); return; }
  if (infB) { infinity(nb); return; }
  if (aSig == 0) {
    // Zeros of unlike sign give +0, or -0 when rounding down.
    if (bSig == 0) zero(na == nb ? na : rounding == RC_DOWN ? 0x8000 : 0);
    else roundPack(nb, exponentOf(bSE, bSig), normal(bSig), 0);
    return;
  }
  if (bSig == 0) { roundPack(na, exponentOf(aSE, aSig), normal(aSig), 0); return; }
  let ea = exponentOf(aSE, aSig), eb = exponentOf(bSE, bSig), sa = normal(aSig), sb = normal(bSig), negative = na;
  if (ea < eb || (ea == eb && sa < sb)) {
    const e = ea, s = sa;
    ea = eb; sa = sb; eb = e; sb = s;
    negative = nb;
  }
  shiftRight(sb, 0, ea - eb);
  const low = shiftedRest, high = shiftedSig;
  if (na == nb) {
    const sum = sa + high;
    if (sum < sa) roundPack(negative, ea + 1, (sum >> 1) | INTEGER_BIT, (sum << 63) | (low >> 1) | (low & 1));
    else roundPack(negative, ea, sum, low);
    return;
  }
  const difference = sa - high - (low != 0 ? 1 : 0), below: u64 = 0 - low;
  if (difference == 0 && below == 0) { zero(rounding == RC_DOWN ? 0x8000 : 0); return; }
  normRoundPack(negative, ea, difference, below);
}

/** a * b. */
export function multiply87(aSE: u32, aSig: u64, bSE: u32, bSig: u64): void {
  if (special(aSE, aSig, bSE, bSig)) return;
  const negative = (aSE ^ bSE) & 0x8000;
  const infA = isInfinite(aSE, aSig), infB = isInfinite(bSE, bSig);
  if ((infA && bSig == 0) || (infB && aSig == 0)) { invalid(); return; }
  noteDenormal(aSE, aSig); noteDenormal(bSE, bSig);
  if (infA || infB) { infinity(negative); return; }
  if (aSig == 0 || bSig == 0) { zero(negative); return; }
  multiply64(normal(aSig), normal(bSig));
  normRoundPack(negative, exponentOf(aSE, aSig) + exponentOf(bSE, bSig) - BIAS + 1, hi64, lo64);
}

/** a / b. */
export function divide87(aSE: u32, aSig: u64, bSE: u32, bSig: u64): void {
  if (special(aSE, aSig, bSE, bSig)) return;
  const negative = (aSE ^ bSE) & 0x8000;
  const infA = isInfinite(aSE, aSig), infB = isInfinite(bSE, bSig);
  if ((infA && infB) || (aSig == 0 && bSig == 0)) { invalid(); return; }
  if (bSig == 0 && !infA) { raised |= ZE; infinity(negative); return; }
  noteDenormal(aSE, aSig); noteDenormal(bSE, bSig);
  if (infA) { infinity(negative); return; }
  if (infB || aSig == 0) { zero(negative); return; }
  const sa = normal(aSig), sb = normal(bSig);
  let exp = exponentOf(aSE, aSig) - exponentOf(bSE, bSig) + BIAS;
  // A quotient in [1, 2) with its one at bit 63: 63 more bits than an integer quotient has, 64 when a's significand is the smaller.
  if (sa >= sb) divide128(sa >> 1, sa << 63, sb);
  else { divide128(sa, 0, sb); exp--; }
  const quotient = hi64, remainder = lo64;
  // Of what is left only its relation to one half matters.
  const half = remainder >= sb - remainder;
  roundPack(negative, exp, quotient, remainder == 0 ? 0 : half ? INTEGER_BIT | (remainder != sb - remainder ? 1 : 0) : 1);
}

/** Square root. */
export function squareRoot87(se: u32, sig: u64): void {
  if (special1(se, sig)) return;
  if (isZero(se, sig)) { setOut(se, sig); return; }
  if ((se & 0x8000) != 0) { invalid(); return; }
  noteDenormal(se, sig);
  if (isInfinite(se, sig)) { infinity(0); return; }
  let exp = exponentOf(se, sig) - BIAS;
  // The radicand in [1, 4) with an even exponent, two bits before the point: a 128-bit number, of which two bits come down for each bit of the root.
  let high = normal(sig), low: u64 = 0;
  if ((exp & 1) != 0) exp--;
  else { low = high << 63; high >>= 1; }
  let root: u64 = 0, rest: u64 = 0;
  // The remainder stays at most twice the root, so it fits 64 bits until the last two steps, which are done apart.
  for (let i = 0; i < 62; i++) {
    rest = (rest << 2) | (high >> 62);
    high = (high << 2) | (low >> 62);
    low <<= 2;
    const trial = (root << 2) | 1;
    root <<= 1;
    if (rest >= trial) { rest -= trial; root |= 1; }
  }
  let restHigh: u64 = 0;
  for (let i = 0; i < 2; i++) {
    restHigh = (restHigh << 2) | (rest >> 62);
    rest = (rest << 2) | (high >> 62);
    high <<= 2;
    const trialHigh = root >> 62, trial = (root << 2) | 1;
    root <<= 1;
    if (restHigh > trialHigh || (restHigh == trialHigh && rest >= trial)) {
      restHigh -= trialHigh + (rest < trial ? 1 : 0);
      rest -= trial;
      root |= 1;
    }
  }
  // No root is halfway between two numbers: beyond one half means the remainder is more than the root.
  const more = restHigh != 0 || rest > root;
  roundPack(0, (exp >> 1) + BIAS, root, restHigh == 0 && rest == 0 ? 0 : more ? INTEGER_BIT | 1 : 1);
}

// ---- comparison and rounding to integers ----------------------------------------------------------------------------------------------

/** The relation of a to b; `ordered`: a QNaN is invalid as well (FCOM as against FUCOM). */
export function compare87(aSE: u32, aSig: u64, bSE: u32, bSig: u64, ordered: bool): u32 {
  if (isUnsupported(aSE, aSig) || isUnsupported(bSE, bSig)) { raised |= IE; return UNORDERED; }
  if (isNaN87(aSE, aSig) || isNaN87(bSE, bSig)) {
    if (ordered || isSignaling(aSE, aSig) || isSignaling(bSE, bSig)) raised |= IE;
    return UNORDERED;
  }
  noteDenormal(aSE, aSig); noteDenormal(bSE, bSig);
  if (aSig == 0 && bSig == 0) return EQUAL;
  const na = aSE & 0x8000, nb = bSE & 0x8000;
  if (aSig == 0) return nb != 0 ? GREATER : LESS;
  if (bSig == 0 || na != nb) return na != 0 ? LESS : GREATER;
  const ea = exponentOf(aSE, aSig), eb = exponentOf(bSE, bSig), sa = normal(aSig), sb = normal(bSig);
  if (ea == eb && sa == sb) return EQUAL;
  return (ea < eb || (ea == eb && sa < sb)) != (na != 0) ? LESS : GREATER;
}

/** The magnitude of a finite number rounded to an integer as the rounding mode says; 2^64 - 1 with `tooLarge` when it has more than 64 bits. Raises PE. */
export let tooLarge: bool = false;
export function toInteger(se: u32, sig: u64): u64 {
  tooLarge = false;
  if (sig == 0) return 0;
  const exp = exponentOf(se, sig) - BIAS;
  if (exp > 63) { tooLarge = true; return 0xffffffffffffffff; }
  shiftRight(normal(sig), 0, 63 - exp);
  const whole = shiftedSig, rest = shiftedRest;
  if (rest == 0) return whole;
  raised |= PE;
  roundedUp = goesUp(se & 0x8000, whole, rest, 0);
  if (roundedUp && whole == 0xffffffffffffffff) { tooLarge = true; return whole; }
  return roundedUp ? whole + 1 : whole;
}

/** FRNDINT. */
export function roundToInteger(se: u32, sig: u64): void {
  if (special1(se, sig)) return;
  noteDenormal(se, sig);
  if (isInfinite(se, sig) || sig == 0 || (se & 0x7fff) >= <u32>BIAS + 63) { setOut(se, sig); return; }
  const whole = toInteger(se, sig);
  if (tooLarge) { setOut((se & 0x8000) | (<u32>BIAS + 64), INTEGER_BIT); return; }
  if (whole == 0) { zero(se & 0x8000); return; }
  setOut((se & 0x8000) | (<u32>BIAS + 63 - <u32>clz<u64>(whole)), normal(whole));
}
