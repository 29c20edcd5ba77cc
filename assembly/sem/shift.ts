import { carry, CF, FK_SAR, FK_SHL, FK_SHR, OF, setCarryOverflow, setExplicit } from '../core/flags';
import { FL_A, FL_B, FL_OP, FL_RES, RCX } from '../core/layout';
import { OP_IMM, OP_R0, OP_R1 } from '../core/op';
import { register, rmForWrite, setRm } from '../core/operand';
import { trap } from '../core/trap';
import { extend } from './alu';

// Shifts and rotates (SDM vol. 2). The count is masked to 5 bits (6 for 64-bit operands); a count of zero changes no flag.

/** log2 of the size of T, where FL_OP wants it. */
function sizeBits<T>(): u32 { return sizeof<T>() == 8 ? 0x30 : sizeof<T>() == 4 ? 0x20 : sizeof<T>() == 2 ? 0x10 : 0; }
function masked<T>(n: T): u32 { return <u32>n & (sizeof<T>() == 8 ? 63 : 31); }
function bitsOf<T>(): u32 { return <u32>sizeof<T>() << 3; }

function flags<T>(cpu: usize, kind: u32, r: T, a: u64, n: u32): T {
  store<i64>(cpu, extend<T>(r), FL_RES);
  store<u64>(cpu, a, FL_A);
  store<u64>(cpu, <u64>n, FL_B);
  store<u32>(cpu, kind | sizeBits<T>(), FL_OP);
  return r;
}

export function shl<T>(cpu: usize, a: T, count: T): T {
  const n = masked<T>(count);
  if (n == 0) return a;
  return flags<T>(cpu, FK_SHL, <T>(<u64>a << <u64>n), <u64>a, n);
}
export function shr<T>(cpu: usize, a: T, count: T): T {
  const n = masked<T>(count);
  if (n == 0) return a;
  return flags<T>(cpu, FK_SHR, <T>(<u64>a >> <u64>n), <u64>a, n);
}
export function sar<T>(cpu: usize, a: T, count: T): T {
  const n = masked<T>(count), wide = extend<T>(a);
  if (n == 0) return a;
  return flags<T>(cpu, FK_SAR, <T>(wide >> <i64>n), <u64>wide, n);
}

/** Rotates set OF as for a count of 1; for other counts it is undefined. */
export function rol<T>(cpu: usize, a: T, count: T): T {
  if (masked<T>(count) == 0) return a;
  const r = rotl<T>(a, <T>(masked<T>(count) & (bitsOf<T>() - 1)));
  const low = <u32>r & 1, high = <u32>(<u64>r >> <u64>(bitsOf<T>() - 1)) & 1;
  setCarryOverflow(cpu, low, low ^ high);
  return r;
}
export function ror<T>(cpu: usize, a: T, count: T): T {
  if (masked<T>(count) == 0) return a;
  const r = rotr<T>(a, <T>(masked<T>(count) & (bitsOf<T>() - 1)));
  const high = <u32>(<u64>r >> <u64>(bitsOf<T>() - 1)) & 1, second = <u32>(<u64>r >> <u64>(bitsOf<T>() - 2)) & 1;
  setCarryOverflow(cpu, high, high ^ second);
  return r;
}

/** Rotates through CF: a ring of one bit more than the operand. */
export function rcl<T>(cpu: usize, a: T, count: T): T {
  const n = masked<T>(count) % (bitsOf<T>() + 1);
  if (n == 0) return a;
  const c: u64 = carry(cpu) ? 1 : 0, wide = <u64>a, bits = <u64>bitsOf<T>();
  const out = <u32>(wide >> (bits - <u64>n)) & 1;
  const r = <T>((wide << <u64>n) | (c << (<u64>n - 1)) | (n > 1 ? wide >> (bits + 1 - <u64>n) : 0));
  setCarryOverflow(cpu, out, out ^ (<u32>(<u64>r >> (bits - 1)) & 1));
  return r;
}
export function rcr<T>(cpu: usize, a: T, count: T): T {
  const n = masked<T>(count) % (bitsOf<T>() + 1);
  if (n == 0) return a;
  const c: u64 = carry(cpu) ? 1 : 0, wide = <u64>a, bits = <u64>bitsOf<T>();
  const out = <u32>(wide >> (<u64>n - 1)) & 1;
  // A shift by the whole width of a register must not wrap to a shift by nothing.
  const high = n > 1 ? wide << (bits + 1 - <u64>n) : 0, low = n < 64 ? wide >> <u64>n : 0;
  const r = <T>(low | (c << (bits - <u64>n)) | high);
  setCarryOverflow(cpu, out, (<u32>(<u64>r >> (bits - 1)) ^ <u32>(<u64>r >> (bits - 2))) & 1);
  return r;
}

function doubleFlags<T>(cpu: usize, r: T, a: T, out: bool): T {
  // OF: the sign changed (defined for a count of 1). AF is undefined.
  setExplicit(cpu, extend<T>(r), (out ? CF : 0) | ((extend<T>(r) ^ extend<T>(a)) < 0 ? OF : 0));
  return r;
}

/** SHLD: `a` shifted left, filled from the top of `b`. For 16-bit operands and counts above 16 the SDM leaves the result open. */
function shldValue<T>(cpu: usize, a: T, b: T, n: u32): T {
  const bits = bitsOf<T>();
  if (sizeof<T>() == 8) return doubleFlags<T>(cpu, <T>((<u64>a << <u64>n) | (<u64>b >> <u64>(64 - n))), a, ((<u64>a >> <u64>(64 - n)) & 1) != 0);
  if (sizeof<T>() == 2 && n > 16) {
    const ring = (<u64>a << 32) | (<u64>b << 16) | <u64>a;
    return doubleFlags<T>(cpu, <T>(ring << <u64>n >> 32), a, ((ring >> <u64>(48 - n)) & 1) != 0);
  }
  return doubleFlags<T>(cpu, <T>((<u64>a << <u64>n) | (<u64>b >> <u64>(bits - n))), a, ((<u64>a >> <u64>(bits - n)) & 1) != 0);
}
function shrdValue<T>(cpu: usize, a: T, b: T, n: u32): T {
  const bits = bitsOf<T>();
  if (sizeof<T>() == 8) return doubleFlags<T>(cpu, <T>((<u64>a >> <u64>n) | (<u64>b << <u64>(64 - n))), a, ((<u64>a >> <u64>(n - 1)) & 1) != 0);
  const ring = sizeof<T>() == 2 ? (<u64>a << 32) | (<u64>b << 16) | <u64>a : (<u64>b << <u64>bits) | <u64>a;
  return doubleFlags<T>(cpu, <T>(ring >> <u64>n), a, ((ring >> <u64>(n - 1)) & 1) != 0);
}

function double<T>(cpu: usize, ip: usize, n: u32, left: bool): void {
  const a = rmForWrite<T>(cpu, ip, OP_R0);
  if (trap) return;
  const b = register<T>(cpu, ip, OP_R1), count = n & (sizeof<T>() == 8 ? 63 : 31);
  setRm<T>(cpu, ip, OP_R0, count == 0 ? a : left ? shldValue<T>(cpu, a, b, count) : shrdValue<T>(cpu, a, b, count));
}

export function shldImmediate<T>(cpu: usize, ip: usize): void { double<T>(cpu, ip, <u32>load<u8>(ip, OP_IMM), true); }
export function shldCl<T>(cpu: usize, ip: usize): void { double<T>(cpu, ip, <u32>load<u8>(cpu, RCX), true); }
export function shrdImmediate<T>(cpu: usize, ip: usize): void { double<T>(cpu, ip, <u32>load<u8>(ip, OP_IMM), false); }
export function shrdCl<T>(cpu: usize, ip: usize): void { double<T>(cpu, ip, <u32>load<u8>(cpu, RCX), false); }
