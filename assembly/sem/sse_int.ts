// SSE2, SSSE3 and SSE4 packed integer arithmetic, logic, comparison and shifts. WebAssembly's SIMD operations are used where
// they are the same function bit for bit.

import { CF, setStatus, ZF } from '../core/flags';

// ---- logic (also ANDPS, ANDPD and so on) -------------------------------------------------------------------------------------

export function pand(_cpu: usize, d: usize, s: usize): void { v128.store(d, v128.and(v128.load(d), v128.load(s))); }
export function pandn(_cpu: usize, d: usize, s: usize): void { v128.store(d, v128.andnot(v128.load(s), v128.load(d))); }
export function por(_cpu: usize, d: usize, s: usize): void { v128.store(d, v128.or(v128.load(d), v128.load(s))); }
export function pxor(_cpu: usize, d: usize, s: usize): void { v128.store(d, v128.xor(v128.load(d), v128.load(s))); }
/** ZF: s AND d is zero; CF: s AND NOT d is zero; the others 0. */
export function ptest(cpu: usize, d: usize, s: usize): void {
  const d0 = load<u64>(d), d1 = load<u64>(d, 8), s0 = load<u64>(s), s1 = load<u64>(s, 8);
  setStatus(cpu, (((s0 & d0) | (s1 & d1)) == 0 ? ZF : 0) | (((s0 & ~d0) | (s1 & ~d1)) == 0 ? CF : 0));
}

// ---- add and subtract -----------------------------------------------------------------------------------------------------------

export function paddb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.add(v128.load(d), v128.load(s))); }
export function paddw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.add(v128.load(d), v128.load(s))); }
export function paddd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.add(v128.load(d), v128.load(s))); }
export function paddq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.add(v128.load(d), v128.load(s))); }
export function psubb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.sub(v128.load(d), v128.load(s))); }
export function psubw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.sub(v128.load(d), v128.load(s))); }
export function psubd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.sub(v128.load(d), v128.load(s))); }
export function psubq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.sub(v128.load(d), v128.load(s))); }
export function paddsb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.add_sat_s(v128.load(d), v128.load(s))); }
export function paddsw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.add_sat_s(v128.load(d), v128.load(s))); }
export function paddusb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.add_sat_u(v128.load(d), v128.load(s))); }
export function paddusw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.add_sat_u(v128.load(d), v128.load(s))); }
export function psubsb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.sub_sat_s(v128.load(d), v128.load(s))); }
export function psubsw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.sub_sat_s(v128.load(d), v128.load(s))); }
export function psubusb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.sub_sat_u(v128.load(d), v128.load(s))); }
export function psubusw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.sub_sat_u(v128.load(d), v128.load(s))); }
export function pavgb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.avgr_u(v128.load(d), v128.load(s))); }
export function pavgw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.avgr_u(v128.load(d), v128.load(s))); }

/** The even and the odd words of d and s, as the horizontal instructions pair them. */
function evenWords(d: v128, s: v128): v128 { return i16x8.shuffle(d, s, 0, 2, 4, 6, 8, 10, 12, 14); }
function oddWords(d: v128, s: v128): v128 { return i16x8.shuffle(d, s, 1, 3, 5, 7, 9, 11, 13, 15); }
function evenDwords(d: v128, s: v128): v128 { return i32x4.shuffle(d, s, 0, 2, 4, 6); }
function oddDwords(d: v128, s: v128): v128 { return i32x4.shuffle(d, s, 1, 3, 5, 7); }

export function phaddw(_cpu: usize, d: usize, s: usize): void { const a = v128.load(d), b = v128.load(s); v128.store(d, i16x8.add(evenWords(a, b), oddWords(a, b))); }
export function phaddd(_cpu: usize, d: usize, s: usize): void { const a = v128.load(d), b = v128.load(s); v128.store(d, i32x4.add(evenDwords(a, b), oddDwords(a, b))); }
export function phaddsw(_cpu: usize, d: usize, s: usize): void { const a = v128.load(d), b = v128.load(s); v128.store(d, i16x8.add_sat_s(evenWords(a, b), oddWords(a, b))); }
export function phsubw(_cpu: usize, d: usize, s: usize): void { const a = v128.load(d), b = v128.load(s); v128.store(d, i16x8.sub(evenWords(a, b), oddWords(a, b))); }
export function phsubd(_cpu: usize, d: usize, s: usize): void { const a = v128.load(d), b = v128.load(s); v128.store(d, i32x4.sub(evenDwords(a, b), oddDwords(a, b))); }
export function phsubsw(_cpu: usize, d: usize, s: usize): void { const a = v128.load(d), b = v128.load(s); v128.store(d, i16x8.sub_sat_s(evenWords(a, b), oddWords(a, b))); }

export function pabsb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.abs(v128.load(s))); }
export function pabsw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.abs(v128.load(s))); }
export function pabsd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.abs(v128.load(s))); }

/** d, -d or 0 as the sign of s says: (d XOR m) - m negates where m is all ones. */
export function psignb(_cpu: usize, d: usize, s: usize): void {
  const b = v128.load(s), m = i8x16.shr_s(b, 7);
  v128.store(d, v128.andnot(i8x16.sub(v128.xor(v128.load(d), m), m), i8x16.eq(b, i8x16.splat(0))));
}
export function psignw(_cpu: usize, d: usize, s: usize): void {
  const b = v128.load(s), m = i16x8.shr_s(b, 15);
  v128.store(d, v128.andnot(i16x8.sub(v128.xor(v128.load(d), m), m), i16x8.eq(b, i16x8.splat(0))));
}
export function psignd(_cpu: usize, d: usize, s: usize): void {
  const b = v128.load(s), m = i32x4.shr_s(b, 31);
  v128.store(d, v128.andnot(i32x4.sub(v128.xor(v128.load(d), m), m), i32x4.eq(b, i32x4.splat(0))));
}

// ---- multiply ---------------------------------------------------------------------------------------------------------------------

export function pmullw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.mul(v128.load(d), v128.load(s))); }
export function pmulld(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.mul(v128.load(d), v128.load(s))); }
export function pmulhw(_cpu: usize, d: usize, s: usize): void {
  const a = v128.load(d), b = v128.load(s);
  v128.store(d, oddWords(i32x4.extmul_low_i16x8_s(a, b), i32x4.extmul_high_i16x8_s(a, b)));
}
export function pmulhuw(_cpu: usize, d: usize, s: usize): void {
  const a = v128.load(d), b = v128.load(s);
  v128.store(d, oddWords(i32x4.extmul_low_i16x8_u(a, b), i32x4.extmul_high_i16x8_u(a, b)));
}
/** (a * b + 2^14) >> 15. WebAssembly saturates -2^15 * -2^15, x86 wraps to -2^15. */
export function pmulhrsw(_cpu: usize, d: usize, s: usize): void {
  const a = v128.load(d), b = v128.load(s), least = i16x8.splat(<i16>0x8000);
  v128.store(d, v128.xor(i16x8.q15mulr_sat_s(a, b), v128.and(i16x8.eq(a, least), i16x8.eq(b, least))));
}
export function pmaddwd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.dot_i16x8_s(v128.load(d), v128.load(s))); }
/** Unsigned bytes of d times signed bytes of s, neighbours added with signed saturation. */
export function pmaddubsw(_cpu: usize, d: usize, s: usize): void {
  const a = v128.load(d), b = v128.load(s);
  const low = i16x8.mul(i16x8.extend_low_i8x16_u(a), i16x8.extend_low_i8x16_s(b)), high = i16x8.mul(i16x8.extend_high_i8x16_u(a), i16x8.extend_high_i8x16_s(b));
  v128.store(d, i16x8.add_sat_s(evenWords(low, high), oddWords(low, high)));
}
export function pmuludq(_cpu: usize, d: usize, s: usize): void {
  const low = <u64>load<u32>(d) * <u64>load<u32>(s), high = <u64>load<u32>(d, 8) * <u64>load<u32>(s, 8);
  store<u64>(d, low); store<u64>(d, high, 8);
}
export function pmuldq(_cpu: usize, d: usize, s: usize): void {
  const low = <i64>load<i32>(d) * <i64>load<i32>(s), high = <i64>load<i32>(d, 8) * <i64>load<i32>(s, 8);
  store<i64>(d, low); store<i64>(d, high, 8);
}

/** Sum of the absolute differences of `count` bytes. */
function absoluteDifferences(a: usize, b: usize, count: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const x = <i32>load<u8>(a + i) - <i32>load<u8>(b + i);
    sum += x < 0 ? -x : x;
  }
  return sum;
}
export function psadbw(_cpu: usize, d: usize, s: usize): void {
  const low = absoluteDifferences(d, s, 8), high = absoluteDifferences(d + 8, s + 8, 8);
  store<u64>(d, low); store<u64>(d, high, 8);
}
/** Eight sums of four differences: a sliding window of d (from byte 4 * imm8[2]) against one dword of s (imm8[1:0]). */
export function mpsadbw(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const window = d + (imm & 4), block = s + ((imm & 3) << 2);
  let low: u64 = 0, high: u64 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    low |= <u64>absoluteDifferences(window + i, block, 4) << (i << 4);
    high |= <u64>absoluteDifferences(window + i + 4, block, 4) << (i << 4);
  }
  store<u64>(d, low); store<u64>(d, high, 8);
}
/** The smallest unsigned word and, in bits 18-16, where it is first. */
export function phminposuw(_cpu: usize, d: usize, s: usize): void {
  let least: u32 = 0x10000, place: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const word = <u32>load<u16>(s + (i << 1));
    if (word < least) { least = word; place = i; }
  }
  store<u64>(d, <u64>(least | (place << 16))); store<u64>(d, 0, 8);
}

// ---- minimum, maximum, comparison -----------------------------------------------------------------------------------------------------

export function pminub(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.min_u(v128.load(d), v128.load(s))); }
export function pminuw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.min_u(v128.load(d), v128.load(s))); }
export function pminud(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.min_u(v128.load(d), v128.load(s))); }
export function pminsb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.min_s(v128.load(d), v128.load(s))); }
export function pminsw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.min_s(v128.load(d), v128.load(s))); }
export function pminsd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.min_s(v128.load(d), v128.load(s))); }
export function pmaxub(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.max_u(v128.load(d), v128.load(s))); }
export function pmaxuw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.max_u(v128.load(d), v128.load(s))); }
export function pmaxud(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.max_u(v128.load(d), v128.load(s))); }
export function pmaxsb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.max_s(v128.load(d), v128.load(s))); }
export function pmaxsw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.max_s(v128.load(d), v128.load(s))); }
export function pmaxsd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.max_s(v128.load(d), v128.load(s))); }

export function pcmpeqb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.eq(v128.load(d), v128.load(s))); }
export function pcmpeqw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.eq(v128.load(d), v128.load(s))); }
export function pcmpeqd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.eq(v128.load(d), v128.load(s))); }
export function pcmpeqq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.eq(v128.load(d), v128.load(s))); }
export function pcmpgtb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.gt_s(v128.load(d), v128.load(s))); }
export function pcmpgtw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.gt_s(v128.load(d), v128.load(s))); }
export function pcmpgtd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.gt_s(v128.load(d), v128.load(s))); }
export function pcmpgtq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.gt_s(v128.load(d), v128.load(s))); }

// ---- pack with saturation -------------------------------------------------------------------------------------------------------------

export function packsswb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.narrow_i16x8_s(v128.load(d), v128.load(s))); }
export function packuswb(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.narrow_i16x8_u(v128.load(d), v128.load(s))); }
export function packssdw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.narrow_i32x4_s(v128.load(d), v128.load(s))); }
export function packusdw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.narrow_i32x4_u(v128.load(d), v128.load(s))); }

// ---- shifts: the count is 64 bits wide; one that is too large gives zero (or the sign) ----------------------------------------------------

function shiftLeft16(d: usize, n: u64): void { v128.store(d, n > 15 ? i64x2.splat(0) : i16x8.shl(v128.load(d), <i32>n)); }
function shiftLeft32(d: usize, n: u64): void { v128.store(d, n > 31 ? i64x2.splat(0) : i32x4.shl(v128.load(d), <i32>n)); }
function shiftLeft64(d: usize, n: u64): void { v128.store(d, n > 63 ? i64x2.splat(0) : i64x2.shl(v128.load(d), <i32>n)); }
function shiftRight16(d: usize, n: u64): void { v128.store(d, n > 15 ? i64x2.splat(0) : i16x8.shr_u(v128.load(d), <i32>n)); }
function shiftRight32(d: usize, n: u64): void { v128.store(d, n > 31 ? i64x2.splat(0) : i32x4.shr_u(v128.load(d), <i32>n)); }
function shiftRight64(d: usize, n: u64): void { v128.store(d, n > 63 ? i64x2.splat(0) : i64x2.shr_u(v128.load(d), <i32>n)); }
function shiftSigned16(d: usize, n: u64): void { v128.store(d, i16x8.shr_s(v128.load(d), n > 15 ? 15 : <i32>n)); }
function shiftSigned32(d: usize, n: u64): void { v128.store(d, i32x4.shr_s(v128.load(d), n > 31 ? 31 : <i32>n)); }

export function psllw(_cpu: usize, d: usize, s: usize): void { shiftLeft16(d, load<u64>(s)); }
export function pslld(_cpu: usize, d: usize, s: usize): void { shiftLeft32(d, load<u64>(s)); }
export function psllq(_cpu: usize, d: usize, s: usize): void { shiftLeft64(d, load<u64>(s)); }
export function psrlw(_cpu: usize, d: usize, s: usize): void { shiftRight16(d, load<u64>(s)); }
export function psrld(_cpu: usize, d: usize, s: usize): void { shiftRight32(d, load<u64>(s)); }
export function psrlq(_cpu: usize, d: usize, s: usize): void { shiftRight64(d, load<u64>(s)); }
export function psraw(_cpu: usize, d: usize, s: usize): void { shiftSigned16(d, load<u64>(s)); }
export function psrad(_cpu: usize, d: usize, s: usize): void { shiftSigned32(d, load<u64>(s)); }

export function psllwImm(_cpu: usize, d: usize, imm: u32): void { shiftLeft16(d, imm); }
export function pslldImm(_cpu: usize, d: usize, imm: u32): void { shiftLeft32(d, imm); }
export function psllqImm(_cpu: usize, d: usize, imm: u32): void { shiftLeft64(d, imm); }
export function psrlwImm(_cpu: usize, d: usize, imm: u32): void { shiftRight16(d, imm); }
export function psrldImm(_cpu: usize, d: usize, imm: u32): void { shiftRight32(d, imm); }
export function psrlqImm(_cpu: usize, d: usize, imm: u32): void { shiftRight64(d, imm); }
export function psrawImm(_cpu: usize, d: usize, imm: u32): void { shiftSigned16(d, imm); }
export function psradImm(_cpu: usize, d: usize, imm: u32): void { shiftSigned32(d, imm); }

/** Whole-register shifts by bytes. */
export function pslldqImm(_cpu: usize, d: usize, imm: u32): void {
  const low = load<u64>(d), high = load<u64>(d, 8), bits: u64 = <u64>(imm & 7) << 3;
  const whole: u64 = imm >= 16 ? 0 : imm >= 8 ? low : high, below: u64 = imm >= 8 ? 0 : low;
  store<u64>(d, below << bits);
  store<u64>(d, bits == 0 ? whole : (whole << bits) | (below >> (64 - bits)), 8);
}
export function psrldqImm(_cpu: usize, d: usize, imm: u32): void {
  const low = load<u64>(d), high = load<u64>(d, 8), bits: u64 = <u64>(imm & 7) << 3;
  const whole: u64 = imm >= 16 ? 0 : imm >= 8 ? high : low, above: u64 = imm >= 8 ? 0 : high;
  store<u64>(d, bits == 0 ? whole : (whole >> bits) | (above << (64 - bits)));
  store<u64>(d, above >> bits, 8);
}
