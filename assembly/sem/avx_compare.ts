// VCMPxx: comparison with one of 32 predicates (SDM vol. 2, CMPPD, table 3-1).

import { sseBegin, sseFaults } from './fp';
import { fpCompare } from './softfloat';

/** For each predicate (bits 3-0 of it) the relations that make it true: bit FP_LESS, FP_EQUAL, FP_GREATER, FP_UNORDERED. */
const RELATIONS: u64 = 0xf4650b9a7ced8312;

/** All ones or zero. Bit 4 of the predicate changes whether a QNaN raises #I. */
function compare<T>(a: T, b: T, predicate: u32): T {
  const low = predicate & 3, quietInvalid = (low == 1 || low == 2) != ((predicate & 16) != 0);
  const relation = fpCompare<T>(a, b, quietInvalid);
  return (RELATIONS >> <u64>(((predicate & 15) << 2) + relation) & 1) != 0 ? <T>-1 : 0;
}

export function vcmpps(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const r0 = compare<u32>(load<u32>(d), load<u32>(s), imm), r1 = compare<u32>(load<u32>(d, 4), load<u32>(s, 4), imm);
  const r2 = compare<u32>(load<u32>(d, 8), load<u32>(s, 8), imm), r3 = compare<u32>(load<u32>(d, 12), load<u32>(s, 12), imm);
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
}
export function vcmppd(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const r0 = compare<u64>(load<u64>(d), load<u64>(s), imm), r1 = compare<u64>(load<u64>(d, 8), load<u64>(s, 8), imm);
  if (sseFaults(cpu)) return;
  store<u64>(d, r0); store<u64>(d, r1, 8);
}
export function vcmpScalar32(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const r = compare<u32>(load<u32>(d), load<u32>(s), imm);
  if (!sseFaults(cpu)) store<u32>(d, r);
}
export function vcmpScalar64(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  const r = compare<u64>(load<u64>(d), load<u64>(s), imm);
  if (!sseFaults(cpu)) store<u64>(d, r);
}
