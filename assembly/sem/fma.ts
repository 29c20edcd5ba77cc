// FMA: a * b + c with one rounding (SDM vol. 1, 14.5). The record's small constant has the order of the operands in bits 1-0 (0: 132, 1: 213, 2: 231), and what is
// negated: 4 the product, 8 the addend of even elements, 16 the addend of odd ones.

import { mayUseHost, plain32, sseBegin, sseFaults } from './fp';
import { fpFma } from './softfloat';

/** Exponents within which no step of hostFma64 can overflow, underflow or lose a bit. */
function moderate64(a: u64): bool { return <u32>(a >> 52 & 0x7ff) - 623 < 800; }

/** The nearest sum, moved to the neighbour with an odd last bit if it is inexact: such a value can be rounded again without error. */
function oddSum(x: f64, y: f64): f64 {
  const s = x + y, t = s - x, error = (x - (s - t)) + (y - t);
  if (error == 0) return s;
  const bits = reinterpret<i64>(s);
  if ((bits & 1) != 0) return s;
  return reinterpret<f64>((error > 0) == (s > 0) ? bits + 1 : bits - 1);
}

/** Exact, since the product of two binary32 numbers is a binary64 number; 0 when it is not for the host to say. */
function hostFma32(a: u32, b: u32, c: u32): u32 {
  const product = <f64>reinterpret<f32>(a) * <f64>reinterpret<f32>(b);
  const r = reinterpret<u32>(<f32>oddSum(product, <f64>reinterpret<f32>(c)));
  // A zero may be an underflow.
  return plain32(r) && r << 1 != 0 ? r : 0;
}

/** Half of a binary64 significand that multiplies without error (Veltkamp). */
function high26(a: f64): f64 { const t = a * 134217729.0; return t - (t - a); }
/** The exact product and sum as four parts, of which only the last addition rounds (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008). */
function hostFma64(a: f64, b: f64, c: f64): u64 {
  const ah = high26(a), al = a - ah, bh = high26(b), bl = b - bh;
  const u = a * b, v = ((ah * bh - u) + ah * bl + al * bh) + al * bl;
  const t = c + v, tc = t - c, te = (c - (t - tc)) + (v - tc);
  const w = u + t, wu = w - u, we = (u - (w - wu)) + (t - wu);
  return reinterpret<u64>(w + oddSum(te, we));
}

function fma<T>(x: T, y: T, z: T, host: bool, negateProduct: bool, negateAddend: bool): T {
  if (host) {
    if (sizeof<T>() == 4) {
      const a = <u32>x ^ (negateProduct ? 0x80000000 : 0), b = <u32>y, c = <u32>z ^ (negateAddend ? 0x80000000 : 0);
      if (plain32(a) && plain32(b) && plain32(c)) {
        const r = hostFma32(a, b, c);
        if (r != 0) return <T>r;
      }
    } else {
      const a = <u64>x, b = <u64>y, c = <u64>z;
      if (moderate64(a) && moderate64(b) && moderate64(c)) {
        const r = hostFma64(reinterpret<f64>(negateProduct ? a ^ 0x8000000000000000 : a), reinterpret<f64>(b), reinterpret<f64>(negateAddend ? c ^ 0x8000000000000000 : c));
        if (r << 1 != 0) return <T>r;
      }
    }
  }
  return fpFma<T>(x, y, z, negateProduct, negateAddend);
}

/** One element: which operands are multiplied, in the order in which NaNs are chosen. */
function element<T>(d: usize, b: usize, c: usize, host: bool, code: u32, odd: bool): T {
  const first = load<T>(d), second = load<T>(b), third = load<T>(c);
  const negateProduct = (code & 4) != 0, negateAddend = (code & (odd ? 16 : 8)) != 0;
  switch (code & 3) {
    case 0: return fma<T>(first, third, second, host, negateProduct, negateAddend);
    case 1: return fma<T>(second, first, third, host, negateProduct, negateAddend);
    default: return fma<T>(second, third, first, host, negateProduct, negateAddend);
  }
}

export function fmaPacked<T>(cpu: usize, d: usize, b: usize, c: usize, code: u32): void {
  sseBegin(cpu);
  const host = mayUseHost(cpu);
  if (sizeof<T>() == 4) {
    const r0 = element<u32>(d, b, c, host, code, false), r1 = element<u32>(d + 4, b + 4, c + 4, host, code, true);
    const r2 = element<u32>(d + 8, b + 8, c + 8, host, code, false), r3 = element<u32>(d + 12, b + 12, c + 12, host, code, true);
    if (sseFaults(cpu)) return;
    store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
  } else {
    const r0 = element<u64>(d, b, c, host, code, false), r1 = element<u64>(d + 8, b + 8, c + 8, host, code, true);
    if (sseFaults(cpu)) return;
    store<u64>(d, r0); store<u64>(d, r1, 8);
  }
}
export function fmaScalar<T>(cpu: usize, d: usize, b: usize, c: usize, code: u32): void {
  sseBegin(cpu);
  const r = element<T>(d, b, c, mayUseHost(cpu), code, false);
  if (!sseFaults(cpu)) store<T>(d, r);
}
