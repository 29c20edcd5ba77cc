// SSE and SSE2 floating-point arithmetic and comparison (SDM vol. 1, 10.4.1 and 11.4.1).
// Packed instructions compute every element before they look at the exceptions: with one unmasked, nothing is written.

import { CF, PF, setStatus, ZF } from '../core/flags';
import { fpLane, hostPacked32, hostPacked64, hostScalar32, hostScalar64, mayUseHost, OP_ADD, OP_DIV, OP_MAX, OP_MIN, OP_MUL, OP_SQRT, OP_SUB, sseBegin, sseFaults } from './fp';
import { FP_EQUAL, FP_LESS, FP_UNORDERED, fpCompare } from './softfloat';

function packed32(cpu: usize, op: u32, d: usize, s: usize): void {
  if (op <= OP_SQRT && mayUseHost(cpu) && hostPacked32(op, d, s)) return;
  sseBegin(cpu);
  const r0 = fpLane<u32>(op, load<u32>(d), load<u32>(s)), r1 = fpLane<u32>(op, load<u32>(d, 4), load<u32>(s, 4));
  const r2 = fpLane<u32>(op, load<u32>(d, 8), load<u32>(s, 8)), r3 = fpLane<u32>(op, load<u32>(d, 12), load<u32>(s, 12));
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
}

function packed64(cpu: usize, op: u32, d: usize, s: usize): void {
  if (op <= OP_SQRT && mayUseHost(cpu) && hostPacked64(op, d, s)) return;
  sseBegin(cpu);
  const r0 = fpLane<u64>(op, load<u64>(d), load<u64>(s)), r1 = fpLane<u64>(op, load<u64>(d, 8), load<u64>(s, 8));
  if (sseFaults(cpu)) return;
  store<u64>(d, r0); store<u64>(d, r1, 8);
}

function scalar<T>(cpu: usize, op: u32, d: usize, s: usize): void {
  if (op <= OP_SQRT && mayUseHost(cpu)) {
    if (sizeof<T>() == 4 ? hostScalar32(op, d, s) : hostScalar64(op, d, s)) return;
  }
  sseBegin(cpu);
  const r = fpLane<T>(op, load<T>(d), load<T>(s));
  if (sseFaults(cpu)) return;
  store<T>(d, r);
}

export function addps(cpu: usize, d: usize, s: usize): void { packed32(cpu, OP_ADD, d, s); }
export function addpd(cpu: usize, d: usize, s: usize): void { packed64(cpu, OP_ADD, d, s); }
export function addss(cpu: usize, d: usize, s: usize): void { scalar<u32>(cpu, OP_ADD, d, s); }
export function addsd(cpu: usize, d: usize, s: usize): void { scalar<u64>(cpu, OP_ADD, d, s); }
export function subps(cpu: usize, d: usize, s: usize): void { packed32(cpu, OP_SUB, d, s); }
export function subpd(cpu: usize, d: usize, s: usize): void { packed64(cpu, OP_SUB, d, s); }
export function subss(cpu: usize, d: usize, s: usize): void { scalar<u32>(cpu, OP_SUB, d, s); }
export function subsd(cpu: usize, d: usize, s: usize): void { scalar<u64>(cpu, OP_SUB, d, s); }
export function mulps(cpu: usize, d: usize, s: usize): void { packed32(cpu, OP_MUL, d, s); }
export function mulpd(cpu: usize, d: usize, s: usize): void { packed64(cpu, OP_MUL, d, s); }
export function mulss(cpu: usize, d: usize, s: usize): void { scalar<u32>(cpu, OP_MUL, d, s); }
export function mulsd(cpu: usize, d: usize, s: usize): void { scalar<u64>(cpu, OP_MUL, d, s); }
export function divps(cpu: usize, d: usize, s: usize): void { packed32(cpu, OP_DIV, d, s); }
export function divpd(cpu: usize, d: usize, s: usize): void { packed64(cpu, OP_DIV, d, s); }
export function divss(cpu: usize, d: usize, s: usize): void { scalar<u32>(cpu, OP_DIV, d, s); }
export function divsd(cpu: usize, d: usize, s: usize): void { scalar<u64>(cpu, OP_DIV, d, s); }
export function minps(cpu: usize, d: usize, s: usize): void { packed32(cpu, OP_MIN, d, s); }
export function minpd(cpu: usize, d: usize, s: usize): void { packed64(cpu, OP_MIN, d, s); }
export function minss(cpu: usize, d: usize, s: usize): void { scalar<u32>(cpu, OP_MIN, d, s); }
export function minsd(cpu: usize, d: usize, s: usize): void { scalar<u64>(cpu, OP_MIN, d, s); }
export function maxps(cpu: usize, d: usize, s: usize): void { packed32(cpu, OP_MAX, d, s); }
export function maxpd(cpu: usize, d: usize, s: usize): void { packed64(cpu, OP_MAX, d, s); }
export function maxss(cpu: usize, d: usize, s: usize): void { scalar<u32>(cpu, OP_MAX, d, s); }
export function maxsd(cpu: usize, d: usize, s: usize): void { scalar<u64>(cpu, OP_MAX, d, s); }
export function sqrtps(cpu: usize, d: usize, s: usize): void { packed32(cpu, OP_SQRT, d, s); }
export function sqrtpd(cpu: usize, d: usize, s: usize): void { packed64(cpu, OP_SQRT, d, s); }
export function sqrtss(cpu: usize, d: usize, s: usize): void { scalar<u32>(cpu, OP_SQRT, d, s); }
export function sqrtsd(cpu: usize, d: usize, s: usize): void { scalar<u64>(cpu, OP_SQRT, d, s); }

// ---- SSE3: horizontal and alternating ----------------------------------------------------------------------------------

function horizontal32(cpu: usize, op: u32, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpLane<u32>(op, load<u32>(d), load<u32>(d, 4)), r1 = fpLane<u32>(op, load<u32>(d, 8), load<u32>(d, 12));
  const r2 = fpLane<u32>(op, load<u32>(s), load<u32>(s, 4)), r3 = fpLane<u32>(op, load<u32>(s, 8), load<u32>(s, 12));
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
}

function horizontal64(cpu: usize, op: u32, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpLane<u64>(op, load<u64>(d), load<u64>(d, 8)), r1 = fpLane<u64>(op, load<u64>(s), load<u64>(s, 8));
  if (sseFaults(cpu)) return;
  store<u64>(d, r0); store<u64>(d, r1, 8);
}

export function haddps(cpu: usize, d: usize, s: usize): void { horizontal32(cpu, OP_ADD, d, s); }
export function haddpd(cpu: usize, d: usize, s: usize): void { horizontal64(cpu, OP_ADD, d, s); }
export function hsubps(cpu: usize, d: usize, s: usize): void { horizontal32(cpu, OP_SUB, d, s); }
export function hsubpd(cpu: usize, d: usize, s: usize): void { horizontal64(cpu, OP_SUB, d, s); }

export function addsubps(cpu: usize, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpLane<u32>(OP_SUB, load<u32>(d), load<u32>(s)), r1 = fpLane<u32>(OP_ADD, load<u32>(d, 4), load<u32>(s, 4));
  const r2 = fpLane<u32>(OP_SUB, load<u32>(d, 8), load<u32>(s, 8)), r3 = fpLane<u32>(OP_ADD, load<u32>(d, 12), load<u32>(s, 12));
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
}
export function addsubpd(cpu: usize, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpLane<u64>(OP_SUB, load<u64>(d), load<u64>(s)), r1 = fpLane<u64>(OP_ADD, load<u64>(d, 8), load<u64>(s, 8));
  if (sseFaults(cpu)) return;
  store<u64>(d, r0); store<u64>(d, r1, 8);
}

// ---- comparison -----------------------------------------------------------------------------------------------------------

/** Whether the predicate (imm8 bits 2-0: EQ LT LE UNORD NEQ NLT NLE ORD) holds. LT, LE and their negations raise #I for a QNaN. */
function holds<T>(a: T, b: T, predicate: u32): bool {
  const kind = predicate & 3;
  const relation = fpCompare<T>(a, b, kind == 1 || kind == 2);
  let r = false;
  switch (kind) {
    case 0: r = relation == FP_EQUAL; break;
    case 1: r = relation == FP_LESS; break;
    case 2: r = relation == FP_LESS || relation == FP_EQUAL; break;
    default: r = relation == FP_UNORDERED; break;
  }
  return r != ((predicate & 4) != 0);
}
function mask32(a: u32, b: u32, predicate: u32): u32 { return holds<u32>(a, b, predicate) ? 0xffffffff : 0; }
function mask64(a: u64, b: u64, predicate: u32): u64 { return holds<u64>(a, b, predicate) ? u64.MAX_VALUE : 0; }

export function cmpps(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const r0 = mask32(load<u32>(d), load<u32>(s), imm), r1 = mask32(load<u32>(d, 4), load<u32>(s, 4), imm);
  const r2 = mask32(load<u32>(d, 8), load<u32>(s, 8), imm), r3 = mask32(load<u32>(d, 12), load<u32>(s, 12), imm);
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
}
export function cmppd(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const r0 = mask64(load<u64>(d), load<u64>(s), imm), r1 = mask64(load<u64>(d, 8), load<u64>(s, 8), imm);
  if (sseFaults(cpu)) return;
  store<u64>(d, r0); store<u64>(d, r1, 8);
}
export function cmpScalar32(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const r = mask32(load<u32>(d), load<u32>(s), imm);
  if (!sseFaults(cpu)) store<u32>(d, r);
}
export function cmpScalar64(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const r = mask64(load<u64>(d), load<u64>(s), imm);
  if (!sseFaults(cpu)) store<u64>(d, r);
}

/** COMISx and UCOMISx: ZF PF CF = 111 unordered, 001 less, 100 equal, 000 greater; OF SF AF = 0. */
function compareToFlags<T>(cpu: usize, a: usize, b: usize, quietInvalid: bool): void {
  sseBegin(cpu);
  const relation = fpCompare<T>(load<T>(a), load<T>(b), quietInvalid);
  if (sseFaults(cpu)) return;
  setStatus(cpu, relation == FP_UNORDERED ? ZF | PF | CF : relation == FP_LESS ? CF : relation == FP_EQUAL ? ZF : 0);
}
export function comiss(cpu: usize, a: usize, b: usize): void { compareToFlags<u32>(cpu, a, b, true); }
export function comisd(cpu: usize, a: usize, b: usize): void { compareToFlags<u64>(cpu, a, b, true); }
export function ucomiss(cpu: usize, a: usize, b: usize): void { compareToFlags<u32>(cpu, a, b, false); }
export function ucomisd(cpu: usize, a: usize, b: usize): void { compareToFlags<u64>(cpu, a, b, false); }
