// SSE4.1 floating point: ROUNDxx and the dot products.

import { fpLane, OP_ADD, OP_MUL, sseBegin, sseFaults } from './fp';
import { FP_PE, fpForget, fpRound, fpToIntegral } from './softfloat';

/** imm8: bits 1-0 the rounding mode unless bit 2 says "as MXCSR"; bit 3 keeps #P quiet. */
function roundBegin(cpu: usize, imm: u32): void {
  sseBegin(cpu);
  if ((imm & 4) == 0) fpRound(imm & 3);
}
function roundFaults(cpu: usize, imm: u32): bool {
  if ((imm & 8) != 0) fpForget(FP_PE);
  return sseFaults(cpu);
}

export function roundps(cpu: usize, d: usize, s: usize, imm: u32): void {
  roundBegin(cpu, imm);
  const r0 = fpToIntegral<u32>(load<u32>(s)), r1 = fpToIntegral<u32>(load<u32>(s, 4));
  const r2 = fpToIntegral<u32>(load<u32>(s, 8)), r3 = fpToIntegral<u32>(load<u32>(s, 12));
  if (roundFaults(cpu, imm)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
}
export function roundpd(cpu: usize, d: usize, s: usize, imm: u32): void {
  roundBegin(cpu, imm);
  const r0 = fpToIntegral<u64>(load<u64>(s)), r1 = fpToIntegral<u64>(load<u64>(s, 8));
  if (roundFaults(cpu, imm)) return;
  store<u64>(d, r0); store<u64>(d, r1, 8);
}
export function roundss(cpu: usize, d: usize, s: usize, imm: u32): void {
  roundBegin(cpu, imm);
  const r = fpToIntegral<u32>(load<u32>(s));
  if (!roundFaults(cpu, imm)) store<u32>(d, r);
}
export function roundsd(cpu: usize, d: usize, s: usize, imm: u32): void {
  roundBegin(cpu, imm);
  const r = fpToIntegral<u64>(load<u64>(s));
  if (!roundFaults(cpu, imm)) store<u64>(d, r);
}

// ---- DPPS and DPPD: imm8 bits 7-4 choose the products, bits 3-0 where the sum goes; the other elements become +0 ------------------

function product32(d: usize, s: usize, imm: u32, i: u32): u32 {
  return (imm >> (4 + i) & 1) != 0 ? fpLane<u32>(OP_MUL, load<u32>(d + (i << 2)), load<u32>(s + (i << 2))) : 0;
}
/** `lanes` lanes of 16 bytes; each step's exceptions are those of all of them. */
function dotProduct32(cpu: usize, d: usize, s: usize, imm: u32, lanes: usize): void {
  sseBegin(cpu);
  // (0 + 1) + (2 + 3), as the SDM writes it. Of several NaNs AMD's processors give this order's in every element; Intel's add each element in another order.
  for (let i: usize = 0; i < lanes; i++) {
    for (let j: u32 = 0; j < 4; j++) store<u32>(sums + (i << 4) + (j << 2), product32(d + (i << 4), s + (i << 4), imm, j));
  }
  if (sseFaults(cpu)) return;
  for (let at = sums; at < sums + (lanes << 4); at += 16) {
    store<u32>(at, fpLane<u32>(OP_ADD, load<u32>(at), load<u32>(at, 4)));
    store<u32>(at, fpLane<u32>(OP_ADD, load<u32>(at, 8), load<u32>(at, 12)), 4);
  }
  if (sseFaults(cpu)) return;
  for (let at = sums; at < sums + (lanes << 4); at += 16) store<u32>(at, fpLane<u32>(OP_ADD, load<u32>(at), load<u32>(at, 4)));
  if (sseFaults(cpu)) return;
  for (let i: usize = 0; i < lanes; i++) {
    for (let j: u32 = 0; j < 4; j++) store<u32>(d + (i << 4) + (j << 2), (imm >> j & 1) != 0 ? load<u32>(sums + (i << 4)) : 0);
  }
}
/** Products and partial sums of two lanes. */
const sums: usize = memory.data(32, 16);
export function dpps(cpu: usize, d: usize, s: usize, imm: u32): void { dotProduct32(cpu, d, s, imm, 1); }
export function dpps256(cpu: usize, d: usize, s: usize, imm: u32): void { dotProduct32(cpu, d, s, imm, 2); }
export function dppd(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const p0: u64 = (imm & 0x10) != 0 ? fpLane<u64>(OP_MUL, load<u64>(d), load<u64>(s)) : 0;
  const p1: u64 = (imm & 0x20) != 0 ? fpLane<u64>(OP_MUL, load<u64>(d, 8), load<u64>(s, 8)) : 0;
  if (sseFaults(cpu)) return;
  const sum = fpLane<u64>(OP_ADD, p0, p1);
  if (sseFaults(cpu)) return;
  store<u64>(d, (imm & 1) != 0 ? sum : 0); store<u64>(d, (imm & 2) != 0 ? sum : 0, 8);
}
