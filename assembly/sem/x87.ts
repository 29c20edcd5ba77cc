// x87 instructions: loads, stores, arithmetic, comparison (SDM vol. 1, 8.3; each instruction in vol. 2). The op's immediate is opcode and ModRM, low three bits of the
// opcode in bits 10-8, so that one function does for the eight operations of an opcode. The order in each: a pending exception, the operand in memory, the stack, the operation,
// the result in memory, settle(), the registers.

import { ACCESS_WRITE } from '../core/mmu';
import { CF, cond, PF, setStatus, ZF } from '../core/flags';
import { FCW, FSW } from '../core/layout';
import { ld16, ld32, ld64, probe, st16, st32, st64 } from '../core/mem';
import { OP_CC, OP_IMM, OP_R0, OP_R1 } from '../core/op';
import { ea, memory, setMemory } from '../core/operand';
import { trap } from '../core/trap';
import { decimalHigh, fromDecimal, fromInteger, narrow, toDecimal, toSigned, wasDenormal, widen } from './x87_convert';
import {
  add87, compare87, DE, divide87, EQUAL, IE, indefinite, isInfinite, isNaN87, isUnsupported, isDenormal, LESS, multiply87, outSE, outSig, raise87, raised, RC_ZERO, roundToInteger, setOut, setRounding, SF,
  squareRoot87, UNORDERED, ZE,
} from './x87_real';
import { constant87, exponentSE, exponentSig, extract87, incomplete, quotientBits, remainder87, scale87 } from './x87_special';
import {
  C0, C1, C2, C3, commit, free, isEmpty, mayStore, missing, operandOf, overflow87, pop, push87, put, putOut, seOf, setConditions, setPointer, setTop, settle, sigOf87, stack, start87, startPrecise, topOf,
  underflow, waits,
} from './x87_stack';

// ---- arithmetic -------------------------------------------------------------------------------------------------------------------

/** Operations as ModRM.reg has them. */
const OP_COM: u32 = 2, OP_COMP: u32 = 3;
function operationOf(ip: usize): u32 { return (<u32>load<u8>(ip, OP_IMM) >> 3) & 7; }

function operate(op: u32, aSE: u32, aSig: u64, bSE: u32, bSig: u64): void {
  switch (op) {
    case 0: add87(aSE, aSig, bSE, bSig, 0); break;
    case 1: multiply87(aSE, aSig, bSE, bSig); break;
    case 4: add87(aSE, aSig, bSE, bSig, 0x8000); break;
    case 5: add87(bSE, bSig, aSE, aSig, 0x8000); break;
    case 6: divide87(aSE, aSig, bSE, bSig); break;
    default: divide87(bSE, bSig, aSE, aSig); break;
  }
}

/** ST(0) op (or compared with) the operand in outSE:outSig; `denormal`: it was one in its own format. */
function withMemory(cpu: usize, ip: usize, denormal: bool): void {
  const se = outSE, sig = outSig, op = operationOf(ip), at = stack(cpu, 0);
  startPrecise(cpu);
  if (op == OP_COM || op == OP_COMP) {
    if (isEmpty(cpu, 0)) { underflow(); compared(cpu, ip, UNORDERED, op == OP_COMP ? 1 : 0); return; }
    const relation = compare87(seOf(at), sigOf87(at), se, sig, true);
    if (denormal && relation != UNORDERED) raise87(DE);
    compared(cpu, ip, relation, op == OP_COMP ? 1 : 0);
    return;
  }
  if (isEmpty(cpu, 0)) underflow();
  else {
    const aSE = seOf(at), aSig = sigOf87(at);
    operate(op, aSE, aSig, se, sig);
    if (denormal && (raised & (IE | ZE)) == 0 && !isNaN87(aSE, aSig)) raise87(DE);
  }
  commit(cpu, ip, 0);
}
export function x87Single(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u32>(cpu, ip);
  if (trap) return;
  widen<u32>(v);
  withMemory(cpu, ip, wasDenormal);
}
export function x87Double(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u64>(cpu, ip);
  if (trap) return;
  widen<u64>(v);
  withMemory(cpu, ip, wasDenormal);
}
export function x87Word(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u16>(cpu, ip);
  if (trap) return;
  fromInteger(<i64><i16>v);
  withMemory(cpu, ip, false);
}
export function x87Dword(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u32>(cpu, ip);
  if (trap) return;
  fromInteger(<i64><i32>v);
  withMemory(cpu, ip, false);
}

/** ST(0) op ST(i), the result to ST(to). */
function withRegister(cpu: usize, ip: usize, i: u32, to: u32): bool {
  const a = stack(cpu, 0), b = stack(cpu, i);
  startPrecise(cpu);
  if (missing(cpu, 0, i)) underflow();
  else operate(operationOf(ip), seOf(a), sigOf87(a), seOf(b), sigOf87(b));
  return commit(cpu, ip, to);
}
export function x87Register(cpu: usize, ip: usize): void { if (!waits(cpu)) withRegister(cpu, ip, operandOf(ip, OP_R1), 0); }
export function x87ToRegister(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const i = operandOf(ip, OP_R0);
  withRegister(cpu, ip, i, i);
}
export function x87ToRegisterPop(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const i = operandOf(ip, OP_R0);
  if (withRegister(cpu, ip, i, i)) pop(cpu);
}

export function fsqrt(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  startPrecise(cpu);
  if (isEmpty(cpu, 0)) underflow(); else squareRoot87(seOf(a), sigOf87(a));
  commit(cpu, ip, 0);
}
export function frndint(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  if (isEmpty(cpu, 0)) underflow(); else roundToInteger(seOf(a), sigOf87(a));
  commit(cpu, ip, 0);
}
export function fscale(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0), b = stack(cpu, 1);
  start87(cpu);
  if (missing(cpu, 0, 1)) underflow(); else scale87(seOf(a), sigOf87(a), seOf(b), sigOf87(b));
  commit(cpu, ip, 0);
}
/** FCHS and FABS: only the sign bit, of whatever is there. */
function changeSign(cpu: usize, ip: usize, keep: u32, flip: u32): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  if (isEmpty(cpu, 0)) underflow(); else setOut((seOf(a) & keep) ^ flip, sigOf87(a));
  commit(cpu, ip, 0);
}
export function fchs(cpu: usize, ip: usize): void { changeSign(cpu, ip, 0xffff, 0x8000); }
export function fabs(cpu: usize, ip: usize): void { changeSign(cpu, ip, 0x7fff, 0); }

export function fxtract(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  if (isEmpty(cpu, 0)) { underflow(); pushTwo(cpu, ip, outSE, outSig); return; }
  if (!isEmpty(cpu, 7)) { overflow87(); pushTwo(cpu, ip, outSE, outSig); return; }
  extract87(seOf(a), sigOf87(a));
  pushTwo(cpu, ip, exponentSE, exponentSig);
}
/** Replaces ST(0) and pushes outSE:outSig. */
function pushTwo(cpu: usize, ip: usize, se: u32, sig: u64): void {
  if (settle(cpu, ip)) return;
  put(cpu, 0, se, sig);
  setTop(cpu, topOf(cpu) - 1);
  putOut(cpu, 0);
}

function remainder(cpu: usize, ip: usize, nearest: bool): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0), b = stack(cpu, 1);
  start87(cpu);
  if (missing(cpu, 0, 1)) underflow(); else remainder87(seOf(a), sigOf87(a), seOf(b), sigOf87(b), nearest);
  const committed = commit(cpu, ip, 0);
  // A NaN clears C2 and C1, as an unmasked exception does; the others stay.
  if (!committed || isNaN87(outSE, outSig)) { store<u32>(cpu, load<u32>(cpu, FSW) & ~C2, FSW); return; }
  const q = quotientBits;
  setConditions(cpu, ((q & 4) != 0 ? C0 : 0) | ((q & 2) != 0 ? C3 : 0) | ((q & 1) != 0 ? C1 : 0) | (incomplete ? C2 : 0));
}
export function fprem(cpu: usize, ip: usize): void { remainder(cpu, ip, false); }
export function fprem1(cpu: usize, ip: usize): void { remainder(cpu, ip, true); }

// ---- comparison -----------------------------------------------------------------------------------------------------------------------

/** Ends a comparison: the relation into C3, C2 and C0, even of one that faults; then `pops`. */
function compared(cpu: usize, ip: usize, relation: u32, pops: u32): void {
  const fault = settle(cpu, ip);
  setConditions(cpu, relation == UNORDERED ? C3 | C2 | C0 : relation == EQUAL ? C3 : relation == LESS ? C0 : 0);
  if (fault) return;
  for (let i: u32 = 0; i < pops; i++) pop(cpu);
}
function compareWith(cpu: usize, ip: usize, i: u32, ordered: bool, pops: u32): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0), b = stack(cpu, i);
  start87(cpu);
  let relation = UNORDERED;
  if (missing(cpu, 0, i)) underflow(); else relation = compare87(seOf(a), sigOf87(a), seOf(b), sigOf87(b), ordered);
  compared(cpu, ip, relation, pops);
}
export function fcom(cpu: usize, ip: usize): void { compareWith(cpu, ip, operandOf(ip, OP_R1), true, 0); }
export function fcomp(cpu: usize, ip: usize): void { compareWith(cpu, ip, operandOf(ip, OP_R1), true, 1); }
export function fcompp(cpu: usize, ip: usize): void { compareWith(cpu, ip, 1, true, 2); }
export function fucom(cpu: usize, ip: usize): void { compareWith(cpu, ip, operandOf(ip, OP_R1), false, 0); }
export function fucomp(cpu: usize, ip: usize): void { compareWith(cpu, ip, operandOf(ip, OP_R1), false, 1); }
export function fucompp(cpu: usize, ip: usize): void { compareWith(cpu, ip, 1, false, 2); }
export function ftst(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  let relation = UNORDERED;
  if (isEmpty(cpu, 0)) underflow(); else relation = compare87(seOf(a), sigOf87(a), 0, 0, true);
  compared(cpu, ip, relation, 0);
}

/** FCOMI and its kin: C1 is only touched by a missing operand. */
function compareFlags(cpu: usize, ip: usize, ordered: bool, pops: bool): void {
  if (waits(cpu)) return;
  const i = operandOf(ip, OP_R1), a = stack(cpu, 0), b = stack(cpu, i);
  start87(cpu);
  let relation = UNORDERED;
  if (missing(cpu, 0, i)) underflow(); else relation = compare87(seOf(a), sigOf87(a), seOf(b), sigOf87(b), ordered);
  const c1 = (raised & SF) != 0 ? 0 : load<u32>(cpu, FSW) & C1, fault = settle(cpu, ip);
  store<u32>(cpu, load<u32>(cpu, FSW) | c1, FSW);
  setStatus(cpu, relation == UNORDERED ? ZF | PF | CF : relation == EQUAL ? ZF : relation == LESS ? CF : 0);
  if (pops && !fault) pop(cpu);
}
export function fcomi(cpu: usize, ip: usize): void { compareFlags(cpu, ip, true, false); }
export function fcomip(cpu: usize, ip: usize): void { compareFlags(cpu, ip, true, true); }
export function fucomi(cpu: usize, ip: usize): void { compareFlags(cpu, ip, false, false); }
export function fucomip(cpu: usize, ip: usize): void { compareFlags(cpu, ip, false, true); }

/** What ST(0) is, in C3, C2 and C0; its sign in C1, even of an empty register. */
export function fxam(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0), se = seOf(a), sig = sigOf87(a);
  start87(cpu);
  settle(cpu, ip);
  let kind = C2;
  if (isEmpty(cpu, 0)) kind = C3 | C0;
  else if (isUnsupported(se, sig)) kind = 0;
  else if (isNaN87(se, sig)) kind = C0;
  else if (isInfinite(se, sig)) kind = C2 | C0;
  else if (sig == 0) kind = C3;
  else if (isDenormal(se, sig)) kind = C3 | C2;
  setConditions(cpu, kind | ((se & 0x8000) != 0 ? C1 : 0));
}

// ---- loads ------------------------------------------------------------------------------------------------------------------------------

/** Pushes the operand in outSE:outSig, an SNaN made quiet. */
function loaded(cpu: usize, ip: usize, denormal: bool): void {
  const se = outSE, sig = outSig;
  start87(cpu);
  if (isNaN87(se, sig) && (sig >> 62 & 1) == 0) { raise87(IE); setOut(se, sig | ((<u64>1) << 62)); }
  else if (denormal) raise87(DE);
  push87(cpu, ip);
}
export function fldSingle(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u32>(cpu, ip);
  if (trap) return;
  widen<u32>(v);
  loaded(cpu, ip, wasDenormal);
}
export function fldDouble(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u64>(cpu, ip);
  if (trap) return;
  widen<u64>(v);
  loaded(cpu, ip, wasDenormal);
}
/** An extended number is loaded as it is, whatever it is. */
export function fldExtended(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const va = ea(cpu, ip), sig = ld64(cpu, va);
  if (trap) return;
  const se = ld16(cpu, va + 8);
  if (trap) return;
  start87(cpu);
  setOut(se, sig);
  push87(cpu, ip);
}
export function fldRegister(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const i = operandOf(ip, OP_R0), a = stack(cpu, i);
  start87(cpu);
  if (isEmpty(cpu, i)) underflow(); else setOut(seOf(a), sigOf87(a));
  push87(cpu, ip);
}
export function fildWord(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u16>(cpu, ip);
  if (trap) return;
  loadInteger(cpu, ip, <i64><i16>v);
}
export function fildDword(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u32>(cpu, ip);
  if (trap) return;
  loadInteger(cpu, ip, <i64><i32>v);
}
export function fildQword(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u64>(cpu, ip);
  if (trap) return;
  loadInteger(cpu, ip, <i64>v);
}
function loadInteger(cpu: usize, ip: usize, v: i64): void {
  start87(cpu);
  fromInteger(v);
  push87(cpu, ip);
}
export function fbld(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const va = ea(cpu, ip), low = ld64(cpu, va);
  if (trap) return;
  const high = ld16(cpu, va + 8);
  if (trap) return;
  start87(cpu);
  fromDecimal(low, high);
  push87(cpu, ip);
}
/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ. */
export function fldConstant(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  start87(cpu);
  constant87(<u32>load<u8>(ip, OP_IMM) & 7);
  push87(cpu, ip);
}

// ---- stores -----------------------------------------------------------------------------------------------------------------------------

function storeSingle(cpu: usize, ip: usize, pops: bool): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  let v: u32 = 0xffc00000;
  if (isEmpty(cpu, 0)) underflow(); else v = narrow<u32>(seOf(a), sigOf87(a), load<u32>(cpu, FCW));
  const stores = mayStore(cpu);
  if (stores) { setMemory<u32>(cpu, ip, v); if (trap) return; }
  settle(cpu, ip);
  if (stores && pops) pop(cpu);
}
function storeDouble(cpu: usize, ip: usize, pops: bool): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  let v: u64 = 0xfff8000000000000;
  if (isEmpty(cpu, 0)) underflow(); else v = narrow<u64>(seOf(a), sigOf87(a), load<u32>(cpu, FCW));
  const stores = mayStore(cpu);
  if (stores) { setMemory<u64>(cpu, ip, v); if (trap) return; }
  settle(cpu, ip);
  if (stores && pops) pop(cpu);
}
export function fstSingle(cpu: usize, ip: usize): void { storeSingle(cpu, ip, false); }
export function fstpSingle(cpu: usize, ip: usize): void { storeSingle(cpu, ip, true); }
export function fstDouble(cpu: usize, ip: usize): void { storeDouble(cpu, ip, false); }
export function fstpDouble(cpu: usize, ip: usize): void { storeDouble(cpu, ip, true); }

/** Stores ten bytes, all or none. */
function storeTen(cpu: usize, va: u64, low: u64, high: u32): void {
  if (!probe(cpu, va, 10, ACCESS_WRITE)) return;
  st64(cpu, va, low);
  if (trap) return;
  st16(cpu, va + 8, <u16>high);
}
export function fstpExtended(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  if (isEmpty(cpu, 0)) underflow(); else setOut(seOf(a), sigOf87(a));
  const stores = mayStore(cpu);
  if (stores) { storeTen(cpu, ea(cpu, ip), outSig, outSE); if (trap) return; }
  settle(cpu, ip);
  if (stores) pop(cpu);
}
export function fbstp(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  let low: u64 = 0xc000000000000000, high: u32 = 0xffff;
  if (isEmpty(cpu, 0)) underflow(); else { low = toDecimal(seOf(a), sigOf87(a)); high = decimalHigh; }
  const stores = mayStore(cpu);
  if (stores) { storeTen(cpu, ea(cpu, ip), low, high); if (trap) return; }
  settle(cpu, ip);
  if (stores) pop(cpu);
}

function storeInteger<T>(cpu: usize, ip: usize, truncate: bool, pops: bool): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0), bits: u32 = sizeof<T>() << 3;
  start87(cpu);
  if (truncate) setRounding(RC_ZERO);
  let v: i64 = (<i64>-1) << (bits - 1);
  if (isEmpty(cpu, 0)) underflow(); else v = toSigned(seOf(a), sigOf87(a), bits);
  const stores = mayStore(cpu);
  if (stores) { setMemory<T>(cpu, ip, <T>v); if (trap) return; }
  settle(cpu, ip);
  if (stores && pops) pop(cpu);
}
export function fistWord(cpu: usize, ip: usize): void { storeInteger<u16>(cpu, ip, false, false); }
export function fistDword(cpu: usize, ip: usize): void { storeInteger<u32>(cpu, ip, false, false); }
export function fistpWord(cpu: usize, ip: usize): void { storeInteger<u16>(cpu, ip, false, true); }
export function fistpDword(cpu: usize, ip: usize): void { storeInteger<u32>(cpu, ip, false, true); }
export function fistpQword(cpu: usize, ip: usize): void { storeInteger<u64>(cpu, ip, false, true); }
export function fisttpWord(cpu: usize, ip: usize): void { storeInteger<u16>(cpu, ip, true, true); }
export function fisttpDword(cpu: usize, ip: usize): void { storeInteger<u32>(cpu, ip, true, true); }
export function fisttpQword(cpu: usize, ip: usize): void { storeInteger<u64>(cpu, ip, true, true); }

// ---- between registers --------------------------------------------------------------------------------------------------------------------

function storeRegister(cpu: usize, ip: usize, pops: bool): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0);
  start87(cpu);
  if (isEmpty(cpu, 0)) underflow(); else setOut(seOf(a), sigOf87(a));
  if (commit(cpu, ip, operandOf(ip, OP_R0)) && pops) pop(cpu);
}
export function fstRegister(cpu: usize, ip: usize): void { storeRegister(cpu, ip, false); }
export function fstpRegister(cpu: usize, ip: usize): void { storeRegister(cpu, ip, true); }
/** D9 D8+i, undocumented: FSTP that pops an empty ST(0) without complaint, and without storing it. */
export function fstpUnchecked(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const a = stack(cpu, 0), empty = isEmpty(cpu, 0);
  start87(cpu);
  settle(cpu, ip);
  if (!empty) put(cpu, operandOf(ip, OP_R0), seOf(a), sigOf87(a));
  pop(cpu);
}

export function fxch(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const i = operandOf(ip, OP_R1), a = stack(cpu, 0), b = stack(cpu, i);
  start87(cpu);
  let aSE = seOf(a), aSig = sigOf87(a), bSE = seOf(b), bSig = sigOf87(b);
  if (isEmpty(cpu, 0)) { underflow(); aSE = outSE; aSig = outSig; }
  if (isEmpty(cpu, i)) { underflow(); bSE = outSE; bSig = outSig; }
  if (settle(cpu, ip)) return;
  put(cpu, 0, bSE, bSig);
  put(cpu, i, aSE, aSig);
}

/** FCMOVcc: C1 is only touched by a missing operand, which is found whatever the condition. */
export function fcmov(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const i = operandOf(ip, OP_R1), from = stack(cpu, i);
  if (missing(cpu, 0, i)) {
    start87(cpu);
    underflow();
    commit(cpu, ip, 0);
    return;
  }
  setPointer(cpu, ip);
  if (cond(cpu, <u32>load<u8>(ip, OP_CC))) put(cpu, 0, seOf(from), sigOf87(from));
}

/** FFREE; FFREEP pops as well. */
export function ffree(cpu: usize, ip: usize): void { freeing(cpu, ip, false); }
export function ffreep(cpu: usize, ip: usize): void { freeing(cpu, ip, true); }
function freeing(cpu: usize, ip: usize, pops: bool): void {
  if (waits(cpu)) return;
  start87(cpu);
  settle(cpu, ip);
  free(cpu, operandOf(ip, OP_R0));
  if (pops) pop(cpu);
}
export function fincstp(cpu: usize, ip: usize): void { turn(cpu, ip, 1); }
export function fdecstp(cpu: usize, ip: usize): void { turn(cpu, ip, 7); }
function turn(cpu: usize, ip: usize, by: u32): void {
  if (waits(cpu)) return;
  start87(cpu);
  settle(cpu, ip);
  setTop(cpu, topOf(cpu) + by);
}
export function fnop(cpu: usize, ip: usize): void { if (!waits(cpu)) setPointer(cpu, ip); }
