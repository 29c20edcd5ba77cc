// Conversions among binary32, binary64, i32 and i64 (SDM vol. 1, 11.4.1.6), and the SSE approximations.
// A pointer to a general register is to all 64 bits; a 32-bit result is zero-extended.

import { mayUseHost, plain32, plain64, sseBegin, sseFaults } from './fp';
import { fpDefaultNaN, fpFromInt, fpNarrow, fpQuiet, fpRound, fpToInt, fpWiden, RC_ZERO } from './softfloat';

export function cvtss2sd(cpu: usize, d: usize, s: usize): void {
  const a = load<u32>(s);
  // Exact, so that the host's conversion will do under any MXCSR.
  if (plain32(a)) { store<u64>(d, reinterpret<u64>(<f64>reinterpret<f32>(a))); return; }
  sseBegin(cpu);
  const r = fpWiden(a);
  if (!sseFaults(cpu)) store<u64>(d, r);
}
export function cvtsd2ss(cpu: usize, d: usize, s: usize): void {
  const a = load<u64>(s);
  if (plain64(a) && mayUseHost(cpu)) {
    const r = reinterpret<u32>(<f32>reinterpret<f64>(a));
    if (plain32(r) && (r << 1 != 0 || a << 1 == 0)) { store<u32>(d, r); return; }
  }
  sseBegin(cpu);
  const r = fpNarrow(a);
  if (!sseFaults(cpu)) store<u32>(d, r);
}
export function cvtps2pd(cpu: usize, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpWiden(load<u32>(s)), r1 = fpWiden(load<u32>(s, 4));
  if (sseFaults(cpu)) return;
  store<u64>(d, r0); store<u64>(d, r1, 8);
}
export function cvtpd2ps(cpu: usize, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpNarrow(load<u64>(s)), r1 = fpNarrow(load<u64>(s, 8));
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u64>(d, 0, 8);
}

// ---- from integers: never invalid, perhaps inexact ------------------------------------------------------------------------

function fromInt<T, I>(cpu: usize, d: usize, s: usize): void {
  sseBegin(cpu);
  const r = fpFromInt<T>(<i64>load<I>(s));
  if (!sseFaults(cpu)) store<T>(d, r);
}
export function cvtsi2ss32(cpu: usize, d: usize, s: usize): void { fromInt<u32, i32>(cpu, d, s); }
export function cvtsi2ss64(cpu: usize, d: usize, s: usize): void { fromInt<u32, i64>(cpu, d, s); }
/** Always exact. */
export function cvtsi2sd32(_cpu: usize, d: usize, s: usize): void { store<u64>(d, reinterpret<u64>(<f64>load<i32>(s))); }
export function cvtsi2sd64(cpu: usize, d: usize, s: usize): void { fromInt<u64, i64>(cpu, d, s); }

export function cvtdq2ps(cpu: usize, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpFromInt<u32>(load<i32>(s)), r1 = fpFromInt<u32>(load<i32>(s, 4));
  const r2 = fpFromInt<u32>(load<i32>(s, 8)), r3 = fpFromInt<u32>(load<i32>(s, 12));
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
}
export function cvtdq2pd(_cpu: usize, d: usize, s: usize): void {
  const r0 = fpFromInt<u64>(load<i32>(s)), r1 = fpFromInt<u64>(load<i32>(s, 4));
  store<u64>(d, r0); store<u64>(d, r1, 8);
}

// ---- to integers -----------------------------------------------------------------------------------------------------------

function toInt<T, I>(cpu: usize, d: usize, s: usize, truncate: bool): void {
  if (truncate && sizeof<T>() == 8) {
    const a = load<u64>(s), x = reinterpret<f64>(a);
    if (plain64(a) && x > -2147483648.0 && x < 2147483648.0) {
      const v = <i32>x;
      if (<f64>v == x || mayUseHost(cpu)) { store<u64>(d, sizeof<I>() == 4 ? <u64><u32>v : <u64><i64>v); return; }
    }
  }
  sseBegin(cpu);
  if (truncate) fpRound(RC_ZERO);
  const r = fpToInt<T, I>(load<T>(s));
  if (sseFaults(cpu)) return;
  store<u64>(d, sizeof<I>() == 4 ? <u64><u32>r : <u64>r);
}
export function cvtss2si32(cpu: usize, d: usize, s: usize): void { toInt<u32, i32>(cpu, d, s, false); }
export function cvtss2si64(cpu: usize, d: usize, s: usize): void { toInt<u32, i64>(cpu, d, s, false); }
export function cvtsd2si32(cpu: usize, d: usize, s: usize): void { toInt<u64, i32>(cpu, d, s, false); }
export function cvtsd2si64(cpu: usize, d: usize, s: usize): void { toInt<u64, i64>(cpu, d, s, false); }
export function cvttss2si32(cpu: usize, d: usize, s: usize): void { toInt<u32, i32>(cpu, d, s, true); }
export function cvttss2si64(cpu: usize, d: usize, s: usize): void { toInt<u32, i64>(cpu, d, s, true); }
export function cvttsd2si32(cpu: usize, d: usize, s: usize): void { toInt<u64, i32>(cpu, d, s, true); }
export function cvttsd2si64(cpu: usize, d: usize, s: usize): void { toInt<u64, i64>(cpu, d, s, true); }

function packedToInt32(cpu: usize, d: usize, s: usize, truncate: bool): void {
  sseBegin(cpu);
  if (truncate) fpRound(RC_ZERO);
  const r0 = fpToInt<u32, i32>(load<u32>(s)), r1 = fpToInt<u32, i32>(load<u32>(s, 4));
  const r2 = fpToInt<u32, i32>(load<u32>(s, 8)), r3 = fpToInt<u32, i32>(load<u32>(s, 12));
  if (sseFaults(cpu)) return;
  store<i32>(d, r0); store<i32>(d, r1, 4); store<i32>(d, r2, 8); store<i32>(d, r3, 12);
}
export function cvtps2dq(cpu: usize, d: usize, s: usize): void { packedToInt32(cpu, d, s, false); }
export function cvttps2dq(cpu: usize, d: usize, s: usize): void { packedToInt32(cpu, d, s, true); }

function packedToInt64(cpu: usize, d: usize, s: usize, truncate: bool): void {
  sseBegin(cpu);
  if (truncate) fpRound(RC_ZERO);
  const r0 = fpToInt<u64, i32>(load<u64>(s)), r1 = fpToInt<u64, i32>(load<u64>(s, 8));
  if (sseFaults(cpu)) return;
  store<i32>(d, r0); store<i32>(d, r1, 4); store<u64>(d, 0, 8);
}
export function cvtpd2dq(cpu: usize, d: usize, s: usize): void { packedToInt64(cpu, d, s, false); }
export function cvttpd2dq(cpu: usize, d: usize, s: usize): void { packedToInt64(cpu, d, s, true); }

// ---- RCPxx and RSQRTxx -------------------------------------------------------------------------------------------------------
// The SDM promises a relative error of at most 1.5 * 2^-12 and no exceptions; the bits themselves differ among processors. Ours
// are the exact result cut to 13 significant bits after the leading one (error below 2^-13), from integer division alone.

const EXACT_BITS: u32 = 13;

function reciprocal(a: u32): u32 {
  const negative = a & 0x80000000, exp = <i32>(a >> 23) & 0xff, frac = a & 0x7fffff;
  if (exp == 0xff) return frac != 0 ? fpQuiet<u32>(a) : negative;
  // A denormal operand counts as zero, a denormal result becomes zero.
  if (exp == 0) return negative | 0x7f800000;
  // 1 / (1.f * 2^(exp - 127)) = (2 / 1.f) * 2^(126 - exp)
  const significand: u64 = (1 << 23) | frac;
  const quotient = <u32>((<u64>1 << (24 + EXACT_BITS)) / significand);
  const power = frac == 0;
  const e = 253 - exp + (power ? 1 : 0);
  if (e <= 0) return negative;
  const bits = power ? 0 : (quotient & ((1 << EXACT_BITS) - 1)) << (23 - EXACT_BITS);
  return negative | (<u32>e << 23) | bits;
}

function reciprocalRoot(a: u32): u32 {
  const exp = <i32>(a >> 23) & 0xff, frac = a & 0x7fffff;
  if (exp == 0xff && frac != 0) return fpQuiet<u32>(a);
  if (exp == 0) return (a & 0x80000000) | 0x7f800000;
  if (<i32>a < 0) return fpDefaultNaN<u32>();
  if (exp == 0xff) return 0;
  // a = m * 2^(2k) with m in [1, 4); the result is (2 / sqrt(m)) * 2^(-k - 1), the first factor in (1, 2].
  const odd = ((exp - 127) & 1) != 0, k = (exp - 127) >> 1;
  const m: u64 = <u64>((1 << 23) | frac) << (odd ? 1 : 0);
  // The largest r with (r / 2^13)^2 * (m / 2^23) <= 4.
  const limit: u64 = <u64>4 << (23 + 2 * EXACT_BITS);
  let r: u64 = 0;
  for (let bit: u64 = 1 << (EXACT_BITS + 1); bit != 0; bit >>= 1) {
    const t = r | bit;
    if (t * t * m <= limit) r = t;
  }
  const power = r == 1 << (EXACT_BITS + 1);
  const bits = power ? 0 : (<u32>r & ((1 << EXACT_BITS) - 1)) << (23 - EXACT_BITS);
  return (<u32>(126 - k + (power ? 1 : 0)) << 23) | bits;
}

export function rcpss(_cpu: usize, d: usize, s: usize): void { store<u32>(d, reciprocal(load<u32>(s))); }
export function rcpps(_cpu: usize, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) store<u32>(d + i, reciprocal(load<u32>(s + i)));
}
export function rsqrtss(_cpu: usize, d: usize, s: usize): void { store<u32>(d, reciprocalRoot(load<u32>(s))); }
export function rsqrtps(_cpu: usize, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) store<u32>(d + i, reciprocalRoot(load<u32>(s + i)));
}
