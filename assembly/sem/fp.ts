// What SSE floating-point instructions share: MXCSR around the arithmetic of softfloat.ts, and the one shortcut past it.

import { CR4, MXCSR } from '../core/layout';
import { raise, UD, XM } from '../core/trap';
import {
  FP_FLAGS, FP_MASK_SHIFT, FP_PE, FP_PM, FP_RC_SHIFT, fpAdd, fpBegin, fpDiv, fpMax, fpMin, fpMul, fpRaised, fpSqrt, fpSub,
} from './softfloat';

const CR4_OSXMMEXCPT: u32 = 1 << 10;
/** Exceptions that are found before the operation: #I, #D, #Z (SDM vol. 1, 11.5.2). */
const PRE_COMPUTATION: u32 = 7;

/** Operations of fpLane; those up to OP_SQRT may be left to the host (below). */
export const OP_ADD: u32 = 0, OP_SUB: u32 = 1, OP_MUL: u32 = 2, OP_DIV: u32 = 3, OP_SQRT: u32 = 4, OP_MIN: u32 = 5, OP_MAX: u32 = 6;

/** Starts an SSE floating-point instruction. */
export function sseBegin(cpu: usize): void { fpBegin(load<u32>(cpu, MXCSR)); }

/**
 * Ends the computation: puts the raised exceptions into MXCSR and raises #XM if one of them is unmasked (#UD when the OS has
 * not announced a handler for it in CR4.OSXMMEXCPT). True: the instruction must leave its destination alone.
 * SDM vol. 1, 11.5.4: with an unmasked pre-computation exception nothing was computed, so no post-computation one shows.
 */
export function sseFaults(cpu: usize): bool {
  const raised = fpRaised();
  if (raised == 0) return false;
  if (collecting) { collected |= raised; return false; }
  return faults(cpu, raised);
}

// A 256-bit instruction runs a 128-bit function on each lane; its exceptions are those of all elements together.
let collecting: bool = false, collected: u32 = 0;
/** Until lanesFault, sseFaults only collects. */
export function lanesBegin(): void { collecting = true; collected = 0; }
/** As sseFaults, for the lanes since lanesBegin. */
export function lanesFault(cpu: usize): bool {
  collecting = false;
  return collected != 0 && faults(cpu, collected);
}

function faults(cpu: usize, raised: u32): bool {
  const mxcsr = load<u32>(cpu, MXCSR);
  const unmasked = raised & ~(mxcsr >> FP_MASK_SHIFT) & FP_FLAGS;
  if ((unmasked & PRE_COMPUTATION) != 0) raised &= PRE_COMPUTATION;
  store<u32>(cpu, mxcsr | raised, MXCSR);
  if (unmasked == 0) return false;
  raise(cpu, (load<u32>(cpu, CR4) & CR4_OSXMMEXCPT) != 0 ? XM : UD);
  return true;
}

/** One element of an arithmetic instruction; OP_SQRT takes `b`. */
export function fpLane<T>(op: u32, a: T, b: T): T {
  switch (op) {
    case OP_ADD: return fpAdd<T>(a, b);
    case OP_SUB: return fpSub<T>(a, b);
    case OP_MUL: return fpMul<T>(a, b);
    case OP_DIV: return fpDiv<T>(a, b);
    case OP_SQRT: return fpSqrt<T>(b);
    case OP_MIN: return fpMin<T>(a, b);
    default: return fpMax<T>(a, b);
  }
}

// ---- the host's float operations -----------------------------------------------------------------------------------------------
// WebAssembly's operations round to nearest and report nothing. They may stand in for ours while MXCSR rounds to nearest and the
// inexact flag is already up and masked, provided that operands and results are plain: zero, or finite and so far above the
// denormals that rounding cannot have lifted the result up from them. No other flag can then be raised, no NaN is involved, and a
// zero is exact as long as it comes from subtracting equals or from a zero operand.

/** Whether MXCSR allows the host's operations. */
export function mayUseHost(cpu: usize): bool {
  return (load<u32>(cpu, MXCSR) & ((3 << FP_RC_SHIFT) | FP_PM | FP_PE)) == (FP_PM | FP_PE);
}

export function plain32(a: u32): bool { return ((a >> 23) & 0xff) - 2 < 0xfd || a << 1 == 0; }
export function plain64(a: u64): bool { return ((a >> 52) & 0x7ff) - 2 < 0x7fd || a << 1 == 0; }

function plain32x4(v: v128): bool {
  const e = v128.and(v, i32x4.splat(0x7f800000));
  return i32x4.all_true(v128.or(i32x4.lt_u(i32x4.sub(e, i32x4.splat(0x01000000)), i32x4.splat(0x7e800000)), zero32x4(v)));
}
function plain64x2(v: v128): bool {
  const e = v128.and(v, i64x2.splat(0x7ff0000000000000));
  return i64x2.all_true(v128.or(v128.and(i64x2.gt_s(e, i64x2.splat(0x0010000000000000)), i64x2.lt_s(e, i64x2.splat(0x7ff0000000000000))), zero64x2(v)));
}
function zero32x4(v: v128): v128 { return i32x4.eq(i32x4.shl(v, 1), i32x4.splat(0)); }
function zero64x2(v: v128): v128 { return i64x2.eq(i64x2.shl(v, 1), i64x2.splat(0)); }

/** Does `op` on the low binary32 of d and s by the host; false, with nothing done, if softfloat must decide. */
export function hostScalar32(op: u32, d: usize, s: usize): bool {
  const b = load<u32>(s), a = op == OP_SQRT ? b : load<u32>(d);
  if (!plain32(a) || !plain32(b)) return false;
  const x = reinterpret<f32>(a), y = reinterpret<f32>(b);
  let z: f32 = 0;
  switch (op) {
    case OP_ADD: z = x + y; break;
    case OP_SUB: z = x - y; break;
    case OP_MUL: z = x * y; break;
    case OP_DIV: z = x / y; break;
    default: z = sqrt<f32>(y); break;
  }
  const r = reinterpret<u32>(z);
  if (!plain32(r) || (r << 1 == 0 && op >= OP_MUL && a << 1 != 0 && b << 1 != 0)) return false;
  store<u32>(d, r);
  return true;
}
/** The same for binary64. */
export function hostScalar64(op: u32, d: usize, s: usize): bool {
  const b = load<u64>(s), a = op == OP_SQRT ? b : load<u64>(d);
  if (!plain64(a) || !plain64(b)) return false;
  const x = reinterpret<f64>(a), y = reinterpret<f64>(b);
  let z: f64 = 0;
  switch (op) {
    case OP_ADD: z = x + y; break;
    case OP_SUB: z = x - y; break;
    case OP_MUL: z = x * y; break;
    case OP_DIV: z = x / y; break;
    default: z = sqrt<f64>(y); break;
  }
  const r = reinterpret<u64>(z);
  if (!plain64(r) || (r << 1 == 0 && op >= OP_MUL && a << 1 != 0 && b << 1 != 0)) return false;
  store<u64>(d, r);
  return true;
}

/** All four binary32 elements. */
export function hostPacked32(op: u32, d: usize, s: usize): bool {
  const b = v128.load(s), a = op == OP_SQRT ? b : v128.load(d);
  if (!plain32x4(a) || !plain32x4(b)) return false;
  let r = a;
  switch (op) {
    case OP_ADD: r = f32x4.add(a, b); break;
    case OP_SUB: r = f32x4.sub(a, b); break;
    case OP_MUL: r = f32x4.mul(a, b); break;
    case OP_DIV: r = f32x4.div(a, b); break;
    default: r = f32x4.sqrt(b); break;
  }
  if (!plain32x4(r)) return false;
  if (op >= OP_MUL && v128.any_true(v128.andnot(zero32x4(r), v128.or(zero32x4(a), zero32x4(b))))) return false;
  v128.store(d, r);
  return true;
}
/** Both binary64 elements. */
export function hostPacked64(op: u32, d: usize, s: usize): bool {
  const b = v128.load(s), a = op == OP_SQRT ? b : v128.load(d);
  if (!plain64x2(a) || !plain64x2(b)) return false;
  let r = a;
  switch (op) {
    case OP_ADD: r = f64x2.add(a, b); break;
    case OP_SUB: r = f64x2.sub(a, b); break;
    case OP_MUL: r = f64x2.mul(a, b); break;
    case OP_DIV: r = f64x2.div(a, b); break;
    default: r = f64x2.sqrt(b); break;
  }
  if (!plain64x2(r)) return false;
  if (op >= OP_MUL && v128.any_true(v128.andnot(zero64x2(r), v128.or(zero64x2(a), zero64x2(b))))) return false;
  v128.store(d, r);
  return true;
}
