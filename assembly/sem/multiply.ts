import { CF, FK_MUL, multiplyHigh, multiplyHighSigned, OF, setExplicit } from '../core/flags';
import { FL_A, FL_B, FL_OP, FL_RES, RAX, RDX } from '../core/layout';
import { OP_R0, OP_R1, OP_R2 } from '../core/op';
import { rm, setRegister } from '../core/operand';
import { DE, raise, trap } from '../core/trap';
import { extend } from './alu';

// Multiplication and division (SDM vol. 2).

/** IMUL with two or three operands. CF and OF say whether the product was cut; the other flags are undefined. */
export function imul<T>(cpu: usize, a: T, b: T): T {
  const r = <T>(a * b);
  store<i64>(cpu, extend<T>(r), FL_RES);
  store<i64>(cpu, extend<T>(a), FL_A);
  store<i64>(cpu, extend<T>(b), FL_B);
  store<u32>(cpu, FK_MUL | (sizeof<T>() == 8 ? 0x30 : 0), FL_OP);
  return r;
}

function wideFlags(cpu: usize, low: i64, cut: bool): void { setExplicit(cpu, low, cut ? CF | OF : 0); }

/** MUL r/m: (R)DX:(R)AX, or AX for bytes. */
export function mul<T>(cpu: usize, ip: usize): void {
  const b = rm<T>(cpu, ip, OP_R0);
  if (trap) return;
  const a = load<T>(cpu, RAX);
  if (sizeof<T>() == 8) {
    const high = multiplyHigh(<u64>a, <u64>b), low = <u64>a * <u64>b;
    store<u64>(cpu, low, RAX);
    store<u64>(cpu, high, RDX);
    wideFlags(cpu, <i64>low, high != 0);
    return;
  }
  const p = <u64>a * <u64>b;
  storeWide<T>(cpu, p);
  wideFlags(cpu, extend<T>(<T>p), p >> (sizeof<T>() << 3) != 0);
}

/** IMUL r/m. */
export function imulWide<T>(cpu: usize, ip: usize): void {
  const b = rm<T>(cpu, ip, OP_R0);
  if (trap) return;
  const a = load<T>(cpu, RAX);
  if (sizeof<T>() == 8) {
    const high = multiplyHighSigned(<i64>a, <i64>b), low = <i64>a * <i64>b;
    store<i64>(cpu, low, RAX);
    store<i64>(cpu, high, RDX);
    wideFlags(cpu, low, high != low >> 63);
    return;
  }
  const p = extend<T>(a) * extend<T>(b);
  storeWide<T>(cpu, <u64>p);
  wideFlags(cpu, extend<T>(<T>p), p != extend<T>(<T>p));
}

/** A product or dividend of twice the size of T: AX, DX:AX, EDX:EAX. */
function storeWide<T>(cpu: usize, v: u64): void {
  if (sizeof<T>() == 1) { store<u16>(cpu, <u16>v, RAX); return; }
  setRegister<T>(cpu, RAX, <T>v);
  setRegister<T>(cpu, RDX, <T>(v >> (sizeof<T>() << 3)));
}
function loadWide<T>(cpu: usize): u64 {
  if (sizeof<T>() == 1) return <u64>load<u16>(cpu, RAX);
  return (<u64>load<T>(cpu, RDX) << (sizeof<T>() << 3)) | <u64>load<T>(cpu, RAX);
}

function storeQuotient<T>(cpu: usize, quotient: u64, remainder: u64): void {
  if (sizeof<T>() == 1) { store<u8>(cpu, <u8>quotient, RAX); store<u8>(cpu, <u8>remainder, RAX + 1); return; }
  setRegister<T>(cpu, RAX, <T>quotient);
  setRegister<T>(cpu, RDX, <T>remainder);
}

/** DIV r/m: #DE when the divisor is zero or the quotient does not fit. All flags are undefined and stay. */
export function div<T>(cpu: usize, ip: usize): void {
  const d = <u64>rm<T>(cpu, ip, OP_R0);
  if (trap) return;
  if (sizeof<T>() == 8) {
    const high = load<u64>(cpu, RDX), low = load<u64>(cpu, RAX);
    if (high >= d) { raise(cpu, DE); return; }
    const q = divideWide(high, low, d);
    storeQuotient<T>(cpu, q, remainderOf);
    return;
  }
  const n = loadWide<T>(cpu);
  if (d == 0 || (n / d) >> (sizeof<T>() << 3) != 0) { raise(cpu, DE); return; }
  storeQuotient<T>(cpu, n / d, n % d);
}

/** IDIV r/m: truncates towards zero; the remainder has the dividend's sign. */
export function idiv<T>(cpu: usize, ip: usize): void {
  const d = extend<T>(rm<T>(cpu, ip, OP_R0));
  if (trap) return;
  if (d == 0) { raise(cpu, DE); return; }
  if (sizeof<T>() == 8) { idiv64(cpu, d); return; }
  const bits: i64 = sizeof<T>() << 3;
  const n = sizeof<T>() == 4 ? <i64>loadWide<T>(cpu) : sizeof<T>() == 2 ? <i64><i32>loadWide<T>(cpu) : <i64><i16>loadWide<T>(cpu);
  // The one quotient that does not fit in 64 bits.
  if (n == i64.MIN_VALUE && d == -1) { raise(cpu, DE); return; }
  const q = n / d;
  if (q != (q << (64 - bits)) >> (64 - bits)) { raise(cpu, DE); return; }
  storeQuotient<T>(cpu, <u64>q, <u64>(n % d));
}

function idiv64(cpu: usize, d: i64): void {
  let high = load<u64>(cpu, RDX), low = load<u64>(cpu, RAX);
  const negative = <i64>high < 0, divisor: u64 = d < 0 ? 0 - <u64>d : <u64>d;
  if (negative) { low = 0 - low; high = ~high + (low == 0 ? 1 : 0); }
  if (high >= divisor) { raise(cpu, DE); return; }
  const q = divideWide(high, low, divisor), opposite = negative != (d < 0);
  // The magnitude may be 2^63 only for a negative quotient.
  if (q > (opposite ? <u64>1 << 63 : (<u64>1 << 63) - 1)) { raise(cpu, DE); return; }
  store<u64>(cpu, opposite ? 0 - q : q, RAX);
  store<u64>(cpu, negative ? 0 - remainderOf : remainderOf, RDX);
}

/** Remainder of the last divideWide. */
let remainderOf: u64 = 0;

/** 128 by 64 bit division; `high` is less than `d`. Two digits of 32 bits, each estimated from the top digits and corrected (Knuth, algorithm D). */
function divideWide(high: u64, low: u64, d: u64): u64 {
  if (high == 0) { remainderOf = low % d; return low / d; }
  const shift = clz<u64>(d), v = d << shift, v1 = v >> 32, v0 = v & 0xffffffff;
  const top = shift == 0 ? high : (high << shift) | (low >> (64 - shift)), rest = low << shift;
  const q1 = digit(top, rest >> 32, v1, v0), middle = ((top << 32) | (rest >> 32)) - q1 * v;
  const q0 = digit(middle, rest & 0xffffffff, v1, v0);
  remainderOf = (((middle << 32) | (rest & 0xffffffff)) - q0 * v) >> shift;
  return (q1 << 32) | q0;
}

/** One 32-bit digit of (`n`, `next`) / (`v1`, `v0`). */
function digit(n: u64, next: u64, v1: u64, v0: u64): u64 {
  let q = n / v1, r = n - q * v1;
  while (q >> 32 != 0 || q * v0 > ((r << 32) | next)) {
    q--;
    r += v1;
    if (r >> 32 != 0) break;
  }
  return q;
}

/** MULX: high half to the first operand, low half to the second; the first wins when they are the same. No flags. */
export function mulx<T>(cpu: usize, ip: usize): void {
  const b = rm<T>(cpu, ip, OP_R2);
  if (trap) return;
  const a = load<T>(cpu, RDX);
  const low = <T>(a * b), high = sizeof<T>() == 8 ? <T>multiplyHigh(<u64>a, <u64>b) : <T>((<u64>a * <u64>b) >> 32);
  setRegister<T>(cpu, <usize>load<u8>(ip, OP_R1), low);
  setRegister<T>(cpu, <usize>load<u8>(ip, OP_R0), high);
}
