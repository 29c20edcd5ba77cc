// F2XM1, FYL2X, FYL2XP1, FPATAN, FPTAN, FSIN, FCOS, FSINCOS: the functions of x87_functions.ts with operands on the stack.

import { FSW } from '../core/layout';
import { arctangent87, cosine87, exponential87, logarithm87, logarithmPlusOne87, outOfRange, sine87, sineCosine87, sineSE, sineSig, tangent87 } from './x87_functions';
import { BIAS, isNaN87, outSE, outSig, setOut } from './x87_real';
import { C2, commit, isEmpty, missing, overflow87, pop, put, putOut, seOf, setTop, settle, sigOf87, stack, start87, topOf, underflow, waits } from './x87_stack';

export function f2xm1(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  if (isEmpty(cpu, 0)) underflow(); else exponential87(seOf(a), sigOf87(a));
  commit(cpu, ip, 0);
}

/** The two-operand functions leave their result in ST(1) and pop. */
function ended(cpu: usize, ip: usize): void { if (commit(cpu, ip, 1)) pop(cpu); }
export function fyl2x(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const x = stack(cpu, 0), y = stack(cpu, 1);
  start87(cpu);
  if (missing(cpu, 0, 1)) underflow(); else logarithm87(seOf(x), sigOf87(x), seOf(y), sigOf87(y));
  ended(cpu, ip);
}
export function fyl2xp1(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const x = stack(cpu, 0), y = stack(cpu, 1);
  start87(cpu);
  if (missing(cpu, 0, 1)) underflow(); else logarithmPlusOne87(seOf(x), sigOf87(x), seOf(y), sigOf87(y));
  ended(cpu, ip);
}
export function fpatan(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const x = stack(cpu, 0), y = stack(cpu, 1);
  start87(cpu);
  if (missing(cpu, 0, 1)) underflow(); else arctangent87(seOf(y), sigOf87(y), seOf(x), sigOf87(x));
  ended(cpu, ip);
}

/** C2 says that the operand was out of range and nothing was done. */
function setRange(cpu: usize, out: bool): void { store<u32>(cpu, (load<u32>(cpu, FSW) & ~C2) | (out ? C2 : 0), FSW); }
function trigonometric(cpu: usize, ip: usize, f: (se: u32, sig: u64) => void): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  let out = false;
  if (isEmpty(cpu, 0)) underflow();
  else { f(seOf(a), sigOf87(a)); out = outOfRange; }
  setRange(cpu, out);
  if (out) settle(cpu, ip); else commit(cpu, ip, 0);
}
export function fsin(cpu: usize, ip: usize): void { trigonometric(cpu, ip, sine87); }
export function fcos(cpu: usize, ip: usize): void { trigonometric(cpu, ip, cosine87); }

/** FPTAN and FSINCOS push a second result: 1, or the cosine. A NaN is both. */
function pushing(cpu: usize, ip: usize, f: (se: u32, sig: u64) => void, both: bool): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  let out = false, se: u32 = 0, sig: u64 = 0;
  const empty = isEmpty(cpu, 0);
  if (empty || !isEmpty(cpu, 7)) {
    if (empty) underflow(); else overflow87();
    se = outSE; sig = outSig;
  } else {
    f(seOf(a), sigOf87(a));
    out = outOfRange;
    if (both) { se = sineSE; sig = sineSig; }
    else {
      se = outSE; sig = outSig;
      if (!isNaN87(se, sig)) setOut(BIAS, (<u64>1) << 63);
    }
  }
  setRange(cpu, out);
  if (settle(cpu, ip) || out) return;
  put(cpu, 0, se, sig);
  setTop(cpu, topOf(cpu) - 1);
  putOut(cpu, 0);
}
export function fptan(cpu: usize, ip: usize): void { pushing(cpu, ip, tangent87, false); }
export function fsincos(cpu: usize, ip: usize): void { pushing(cpu, ip, sineCosine87, true); }
