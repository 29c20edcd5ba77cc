// What SSE floating-point instructions share: MXCSR around the arithmetic of softfloat.ts, and the one shortcut through the
// host's float operations.

import { CR4, MXCSR } from '../core/layout';
import { raise, UD, XM } from '../core/trap';
import {
  FP_FLAGS, FP_MASK_SHIFT, FP_PE, FP_PM, FP_RC_SHIFT, fpAdd, fpBegin, fpDiv, fpMax, fpMin, fpMul, fpRaised, fpSqrt, fpSub,
} from './softfloat';

const CR4_OSXMMEXCPT: u32 = 1 << 10;
/** Exceptions that are found before the operation: #I, #D, #Z (SDM vol. 1, 11.5.2). */
const PRE_COMPUTATION: u32 = 7;

/** Operations of fpLane. */
export const OP_ADD: u32 = 0, OP_SUB: u32 = 1, OP_MUL: u32 = 2, OP_DIV: u32 = 3, OP_MIN: u32 = 4, OP_MAX: u32 = 5, OP_SQRT: u32 = 6;

/**
 * WebAssembly's float operations round to nearest and report nothing. They may stand in for ours while MXCSR rounds to
 * nearest and the inexact flag is already up and masked, provided that operands and result are ordinary: no other flag can
 * then be raised, and no NaN, denormal or infinity is involved.
 */
let shortcut: bool = false;

/** Starts an SSE floating-point instruction. */
export function sseBegin(cpu: usize): void {
  const mxcsr = load<u32>(cpu, MXCSR);
  fpBegin(mxcsr);
  shortcut = (mxcsr & ((3 << FP_RC_SHIFT) | FP_PM | FP_PE)) == (FP_PM | FP_PE);
}

/**
 * Ends the computation: puts the raised exceptions into MXCSR and raises #XM if one of them is unmasked (#UD when the OS has
 * not announced a handler for it in CR4.OSXMMEXCPT). True: the instruction must leave its destination alone.
 * SDM vol. 1, 11.5.4: with an unmasked pre-computation exception nothing was computed, so no post-computation one shows.
 */
export function sseFaults(cpu: usize): bool {
  let raised = fpRaised();
  if (raised == 0) return false;
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
  if (shortcut && op < OP_MIN) {
    const r = nativeLane<T>(op, a, b);
    if (r != 0) return r;
  }
  switch (op) {
    case OP_ADD: return fpAdd<T>(a, b);
    case OP_SUB: return fpSub<T>(a, b);
    case OP_MUL: return fpMul<T>(a, b);
    case OP_DIV: return fpDiv<T>(a, b);
    case OP_MIN: return fpMin<T>(a, b);
    case OP_MAX: return fpMax<T>(a, b);
    default: return fpSqrt<T>(b);
  }
}

/** The result by the host's float unit, or 0 when softfloat must decide. */
function nativeLane<T>(op: u32, a: T, b: T): T {
  if (!ordinary<T>(a) || !ordinary<T>(b)) return 0;
  let r: T = 0;
  if (sizeof<T>() == 4) {
    const x = reinterpret<f32>(<u32>a), y = reinterpret<f32>(<u32>b);
    r = <T>reinterpret<u32>(op == OP_ADD ? x + y : op == OP_SUB ? x - y : op == OP_MUL ? x * y : x / y);
  } else {
    const x = reinterpret<f64>(<u64>a), y = reinterpret<f64>(<u64>b);
    r = <T>reinterpret<u64>(op == OP_ADD ? x + y : op == OP_SUB ? x - y : op == OP_MUL ? x * y : x / y);
  }
  return ordinary<T>(r) ? r : 0;
}

/** Finite, and far enough above the denormals that rounding cannot have brought it up from them. */
function ordinary<T>(a: T): bool {
  if (sizeof<T>() == 4) return ((<u32>a >> 23) & 0xff) - 2 < 0xfd;
  return ((<u64>a >> 52) & 0x7ff) - 2 < 0x7fd;
}
