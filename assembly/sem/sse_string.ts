// SSE4.2 string comparison: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2, 4.1).
//
// imm8: bit 0 words instead of bytes, bit 1 signed; bits 3-2 aggregation (0 equal any, 1 ranges, 2 equal each, 3 equal ordered);
// bit 4 negate, bit 5 only where the second operand is valid; bit 6 the most significant index, or a mask of whole elements.

import { CF, OF, setStatus, SF, ZF } from '../core/flags';
import { RAX, RCX, RDX, XMM } from '../core/layout';

const EQUAL_ANY: u32 = 0, RANGES: u32 = 1, EQUAL_EACH: u32 = 2;

function element(p: usize, i: u32, imm: u32): i32 {
  if ((imm & 1) != 0) return (imm & 2) != 0 ? <i32>load<i16>(p + (i << 1)) : <i32>load<u16>(p + (i << 1));
  return (imm & 2) != 0 ? <i32>load<i8>(p + i) : <i32>load<u8>(p + i);
}

/** Elements before the first zero. */
function implicitLength(p: usize, imm: u32, count: u32): u32 {
  let n: u32 = 0;
  while (n < count && element(p, n, imm) != 0) n++;
  return n;
}

/** |length|, at most the number of elements. */
function explicitLength(length: i64, count: u32): u32 {
  const magnitude: u64 = length < 0 ? 0 - <u64>length : <u64>length;
  return magnitude > count ? count : <u32>magnitude;
}

/** IntRes1: bit j tells what element j of `b` (or the match that starts there) gave. Elements past the ends count as SDM table 4-7 says. */
function aggregate(a: usize, na: u32, b: usize, nb: u32, imm: u32, count: u32): u32 {
  const how = (imm >> 2) & 3;
  let result: u32 = 0;
  for (let j: u32 = 0; j < count; j++) {
    let hit = false;
    if (how == EQUAL_ANY) {
      if (j < nb) for (let i: u32 = 0; i < na; i++) hit = hit || element(a, i, imm) == element(b, j, imm);
    } else if (how == RANGES) {
      if (j < nb) {
        const x = element(b, j, imm);
        for (let i: u32 = 0; i + 1 < na; i += 2) hit = hit || (x >= element(a, i, imm) && x <= element(a, i + 1, imm));
      }
    } else if (how == EQUAL_EACH) {
      hit = j < na && j < nb ? element(a, j, imm) == element(b, j, imm) : j >= na && j >= nb;
    } else {
      hit = true;
      for (let i: u32 = 0; i < na && i + j < count; i++) hit = hit && i + j < nb && element(a, i, imm) == element(b, i + j, imm);
    }
    if (hit) result |= 1 << j;
  }
  return result;
}

/** IntRes2, and the flags: CF not zero, ZF and SF a short second or first operand, OF bit 0, AF = PF = 0. */
function compareStrings(cpu: usize, a: usize, na: u32, b: usize, nb: u32, imm: u32): u32 {
  const count: u32 = (imm & 1) != 0 ? 8 : 16, all: u32 = (1 << count) - 1;
  let result = aggregate(a, na, b, nb, imm, count);
  if ((imm & 0x10) != 0) result ^= (imm & 0x20) != 0 ? (1 << nb) - 1 : all;
  setStatus(cpu, (result != 0 ? CF : 0) | (nb < count ? ZF : 0) | (na < count ? SF : 0) | ((result & 1) != 0 ? OF : 0));
  return result;
}

function storeIndex(cpu: usize, result: u32, imm: u32): void {
  const none: u32 = (imm & 1) != 0 ? 8 : 16;
  store<u64>(cpu, <u64>(result == 0 ? none : (imm & 0x40) != 0 ? 31 - clz<u32>(result) : ctz<u32>(result)), RCX);
}

function storeMask(cpu: usize, result: u32, imm: u32): void {
  const to = cpu + XMM;
  store<u64>(to, result); store<u64>(to, 0, 8);
  if ((imm & 0x40) == 0) return;
  for (let i: u32 = 0; i < 16; i++) {
    const bit = (imm & 1) != 0 ? i >> 1 : i;
    store<u8>(to + i, (result >> bit & 1) != 0 ? 0xff : 0);
  }
}

function explicitStrings(cpu: usize, a: usize, b: usize, imm: u32, wide: bool): u32 {
  const count: u32 = (imm & 1) != 0 ? 8 : 16;
  const la = wide ? load<i64>(cpu, RAX) : <i64>load<i32>(cpu, RAX), lb = wide ? load<i64>(cpu, RDX) : <i64>load<i32>(cpu, RDX);
  return compareStrings(cpu, a, explicitLength(la, count), b, explicitLength(lb, count), imm);
}
function implicitStrings(cpu: usize, a: usize, b: usize, imm: u32): u32 {
  const count: u32 = (imm & 1) != 0 ? 8 : 16;
  return compareStrings(cpu, a, implicitLength(a, imm, count), b, implicitLength(b, imm, count), imm);
}

/** Lengths in EAX and EDX, or with REX.W in RAX and RDX. */
export function pcmpestri(cpu: usize, a: usize, b: usize, imm: u32): void { storeIndex(cpu, explicitStrings(cpu, a, b, imm, false), imm); }
export function pcmpestri64(cpu: usize, a: usize, b: usize, imm: u32): void { storeIndex(cpu, explicitStrings(cpu, a, b, imm, true), imm); }
export function pcmpestrm(cpu: usize, a: usize, b: usize, imm: u32): void { storeMask(cpu, explicitStrings(cpu, a, b, imm, false), imm); }
export function pcmpestrm64(cpu: usize, a: usize, b: usize, imm: u32): void { storeMask(cpu, explicitStrings(cpu, a, b, imm, true), imm); }
export function pcmpistri(cpu: usize, a: usize, b: usize, imm: u32): void { storeIndex(cpu, implicitStrings(cpu, a, b, imm), imm); }
export function pcmpistrm(cpu: usize, a: usize, b: usize, imm: u32): void { storeMask(cpu, implicitStrings(cpu, a, b, imm), imm); }
