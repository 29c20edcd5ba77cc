// Between the extended format and what memory holds: binary32, binary64, integers, packed decimal (SDM vol. 1, 4.2 and 4.7).

import {
  BIAS, clearPrecision, IE, isInfinite, isNaN87, isSignaling, isUnsupported, normal, OE, PE, raise87, RC_DOWN, RC_NEAREST, RC_UP, roundingMode, setOut, setRoundedUp, toInteger, tooLarge, UE,
} from './x87_real';

/** The last number that widen() made was denormal in its own format. */
export let wasDenormal: bool = false;

/** A binary32 or binary64 as an extended number, exactly; an SNaN stays one. */
export function widen<T>(v: T): void {
  const fraction: u32 = sizeof<T>() == 4 ? 23 : 52, bits: u32 = sizeof<T>() == 4 ? 8 : 11, bias: i32 = sizeof<T>() == 4 ? 127 : 1023;
  const negative: u32 = <u32>(<u64>v >> (fraction + bits)) << 15, exp = <i32>(<u64>v >> fraction) & ((1 << bits) - 1);
  const sig: u64 = <u64>v << (63 - fraction), max: i32 = (1 << bits) - 1;
  wasDenormal = false;
  if (exp == max) setOut(negative | 0x7fff, sig | ((<u64>1) << 63));
  else if (exp != 0) setOut(negative | <u32>(exp - bias + BIAS), sig | ((<u64>1) << 63));
  else {
    const below = sig & 0x7fffffffffffffff;
    if (below == 0) { setOut(negative, 0); return; }
    wasDenormal = true;
    setOut(negative | <u32>(1 - bias + BIAS - <i32>clz<u64>(below)), normal(below));
  }
}

/** A signed integer as an extended number. */
export function fromInteger(v: i64): void {
  if (v == 0) { setOut(0, 0); return; }
  const magnitude: u64 = v < 0 ? 0 - <u64>v : <u64>v, n = clz<u64>(magnitude);
  setOut((v < 0 ? 0x8000 : 0) | (<u32>BIAS + 63 - <u32>n), magnitude << n);
}

/** Whether `sig`, cut at `shift` bits (1 to 64; `sticky`: with ones below), goes up. */
function goesUp(negative: u32, sig: u64, shift: u32, sticky: bool): bool {
  const mode = roundingMode();
  if (mode == RC_NEAREST) {
    const half: u64 = (<u64>1) << (shift - 1), cut = shift == 64 ? sig : sig & ((half << 1) - 1);
    return cut > half || (cut == half && (sticky || (shift < 64 && ((sig >> shift) & 1) != 0)));
  }
  return mode == RC_DOWN ? negative != 0 : mode == RC_UP ? negative == 0 : false;
}

/** An extended number rounded to binary32 or binary64. After an unmasked overflow or underflow (`control` is the control word) nothing is to be stored. */
export function narrow<T>(se: u32, sig: u64, control: u32): T {
  const fraction: u32 = sizeof<T>() == 4 ? 23 : 52, bits: u32 = sizeof<T>() == 4 ? 8 : 11, bias: i32 = sizeof<T>() == 4 ? 127 : 1023, max: u64 = (1 << bits) - 1;
  const negative = se & 0x8000, sign: u64 = <u64>negative << (fraction + bits - 15), infinity: u64 = sign | (max << fraction);
  if (isUnsupported(se, sig)) { raise87(IE); return <T>(infinity | ((<u64>1) << (fraction - 1)) | ((<u64>1) << (fraction + bits))); }
  if (isNaN87(se, sig)) {
    if (isSignaling(se, sig)) raise87(IE);
    return <T>(infinity | ((<u64>1) << (fraction - 1)) | (sig << 1 >> (64 - fraction)));
  }
  if (isInfinite(se, sig)) return <T>infinity;
  if (sig == 0) return <T>sign;
  const scale = <i32>(se & 0x7fff), exp = (scale != 0 ? scale : 1) - <i32>clz<u64>(sig) - BIAS + bias;
  const s = normal(sig), shift: u32 = 63 - fraction, lost: u64 = ((<u64>1) << shift) - 1;
  const inexact = (s & lost) != 0;
  if (exp <= 0) {
    const tiny = exp < 0 || !inexact || !goesUp(negative, s, shift, false) || (s | lost) != 0xffffffffffffffff;
    if (tiny && (control & UE) == 0) {
      // Nothing was stored, so nothing was rounded.
      raise87(UE);
      return <T>sign;
    }
    const right = <u32>(1 - exp), all = shift + right;
    const cut = all > 64 ? s : all == 64 ? s : s & (((<u64>1) << all) - 1);
    let result: u64 = all >= 64 ? 0 : s >> all;
    if (cut != 0) {
      raise87(tiny ? UE | PE : PE);
      const up = all <= 64 ? goesUp(negative, s, all, false) : roundingMode() != RC_NEAREST && goesUp(negative, 1, 64, true);
      setRoundedUp(up);
      if (up) result++;
    }
    return <T>(sign | result);
  }
  const up = inexact && goesUp(negative, s, shift, false);
  let result: u64 = s >> shift, e = exp;
  if (up) {
    result++;
    if (result >> (fraction + 1) != 0) { result >>= 1; e++; }
  }
  if (e >= <i32>max) {
    if ((control & OE) == 0) { raise87(OE); return <T>sign; }
    raise87(OE | PE);
    const mode = roundingMode(), toInfinity = mode == RC_NEAREST || (mode == RC_UP && negative == 0) || (mode == RC_DOWN && negative != 0);
    setRoundedUp(toInfinity);
    return <T>(toInfinity ? infinity : infinity - 1);
  }
  if (inexact) { raise87(PE); setRoundedUp(up); }
  return <T>(sign | (<u64>e << fraction) | (result & (((<u64>1) << fraction) - 1)));
}

/** An extended number as a signed integer of `bits` bits; the integer indefinite with #IA when it is none. */
export function toSigned(se: u32, sig: u64, bits: u32): i64 {
  const least: u64 = (<u64>1) << (bits - 1), negative = (se & 0x8000) != 0;
  if ((se & 0x7fff) == 0x7fff || isUnsupported(se, sig)) { raise87(IE); return <i64>(0 - least); }
  const magnitude = toInteger(se, sig);
  if (tooLarge || magnitude > least || (magnitude == least && !negative)) {
    forgetPrecision();
    return <i64>(0 - least);
  }
  return negative ? <i64>(0 - magnitude) : <i64>magnitude;
}

/** An invalid conversion is not inexact too. */
function forgetPrecision(): void {
  clearPrecision();
  raise87(IE);
}

/** The largest packed decimal: 18 nines. */
const LARGEST_DECIMAL: u64 = 999999999999999999;
/** The packed decimal of an extended number: its low 64 bits are answered, the other 16 left in `decimalHigh`. */
export let decimalHigh: u32 = 0;
export function toDecimal(se: u32, sig: u64): u64 {
  let magnitude: u64 = 0, bad = (se & 0x7fff) == 0x7fff || isUnsupported(se, sig);
  if (!bad) {
    magnitude = toInteger(se, sig);
    bad = tooLarge || magnitude > LARGEST_DECIMAL;
  }
  if (bad) {
    forgetPrecision();
    decimalHigh = 0xffff;
    return 0xc000000000000000;
  }
  let low: u64 = 0, high: u32 = (se & 0x8000);
  for (let i: u32 = 0; i < 18; i++) {
    const digit = magnitude % 10;
    magnitude /= 10;
    if (i < 16) low |= digit << (i << 2); else high |= <u32>digit << ((i - 16) << 2);
  }
  decimalHigh = high;
  return low;
}
/** The extended number of a packed decimal. Digits beyond 9 count as what they are. */
export function fromDecimal(low: u64, high: u32): void {
  let v: u64 = <u64>((high >> 4) & 15) * 10 + <u64>(high & 15);
  for (let i = 60; i >= 0; i -= 4) v = v * 10 + ((low >> i) & 15);
  const n = clz<u64>(v);
  if (v == 0) setOut(high & 0x8000, 0);
  else setOut((high & 0x8000) | (<u32>BIAS + 63 - <u32>n), v << n);
}
