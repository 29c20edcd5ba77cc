import { cond } from '../core/flags';

// Data movement without flags.

/** The signed type's extension of a value of type S to type T. */
function signExtend<T, S>(v: S): T {
  if (sizeof<S>() == 1) return <T><i64><i8>v;
  if (sizeof<S>() == 2) return <T><i64><i16>v;
  return <T><i64><i32>v;
}

export function mov<T>(_cpu: usize, v: T): T { return v; }
export function movzx<T, S>(_cpu: usize, v: S): T { return <T>v; }
export function movsx<T, S>(_cpu: usize, v: S): T { return signExtend<T, S>(v); }
export function lea<T>(_cpu: usize, address: u64): T { return <T>address; }
/** CMOVcc reads its source, and a 32-bit one clears the upper half, whatever the condition. */
export function cmov<T>(cpu: usize, a: T, b: T, cc: u32): T { return cond(cpu, cc) ? b : a; }
export function setcc<T>(cpu: usize, cc: u32): T { return <T>(cond(cpu, cc) ? 1 : 0); }
/** CWD, CDQ, CQO: all bits are the sign of the accumulator. */
export function signOf<T>(_cpu: usize, a: T): T {
  if (sizeof<T>() == 2) return <T>(<i16>a >> 15);
  if (sizeof<T>() == 4) return <T>(<i32>a >> 31);
  return <T>(<i64>a >> 63);
}
/** BSWAP, and MOVBE's other half. A 16-bit BSWAP is undefined; processors give zero. */
export function byteSwap<T>(_cpu: usize, v: T): T {
  if (sizeof<T>() == 2) return <T>((<u32>v << 8 | <u32>v >> 8) & 0xffff);
  return bswap<T>(v);
}
export function zeroOf<T>(_cpu: usize): T { return <T>0; }
export function nop(_cpu: usize): void {}
