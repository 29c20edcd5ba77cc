// AVX and AVX2: broadcasts, permutes, variable shifts, tests. Functions of a vex: form work on a 128-bit lane unless they are said to do both.

import { CF, setStatus, ZF } from '../core/flags';
import { XMM } from '../core/layout';
import { is64 } from '../core/mode';
import { pcmpestrm, pcmpestrm64, pcmpistrm } from './sse_string';

export function broadcast8(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.splat(load<i8>(s))); }
export function broadcast16(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.splat(load<i16>(s))); }
export function broadcast32(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.splat(load<i32>(s))); }
export function broadcast64(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.splat(load<i64>(s))); }

/** Both lanes: replaces the lane that imm8 bit 0 names. */
export function insert128(_cpu: usize, d: usize, s: usize, imm: u32): void { v128.store(d + (<usize>(imm & 1) << 4), v128.load(s)); }
/** The lane that imm8 bit 0 names. */
export function extract128(_cpu: usize, d: usize, s: usize, imm: u32): void { v128.store(d, v128.load(s + (<usize>(imm & 1) << 4))); }

/** A lane of (d, s) as four bits of VPERM2F128's immediate choose it; bit 3 gives zero. */
function chosenLane(d: usize, s: usize, choice: u32): v128 {
  if ((choice & 8) != 0) return i64x2.splat(0);
  return v128.load(((choice & 2) != 0 ? s : d) + (<usize>(choice & 1) << 4));
}
/** VPERM2F128 and VPERM2I128, both lanes. */
export function permute128(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const low = chosenLane(d, s, imm), high = chosenLane(d, s, imm >> 4);
  v128.store(d, low);
  v128.store(d, high, 16);
}

/** Element `s[i] & 3` of the lane; the control is the second source. */
export function vpermilps(_cpu: usize, d: usize, s: usize): void {
  const a = load<u32>(d + (<usize>(load<u32>(s) & 3) << 2)), b = load<u32>(d + (<usize>(load<u32>(s, 4) & 3) << 2));
  const c = load<u32>(d + (<usize>(load<u32>(s, 8) & 3) << 2)), e = load<u32>(d + (<usize>(load<u32>(s, 12) & 3) << 2));
  store<u32>(d, a); store<u32>(d, b, 4); store<u32>(d, c, 8); store<u32>(d, e, 12);
}
/** The same for two elements, by bit 1 of each control. */
export function vpermilpd(_cpu: usize, d: usize, s: usize): void {
  const a = load<u64>(d + ((load<usize>(s) & 2) << 2)), b = load<u64>(d + ((load<usize>(s, 8) & 2) << 2));
  store<u64>(d, a); store<u64>(d, b, 8);
}
export function vpermilpdImm(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const a = load<u64>(s + (<usize>(imm & 1) << 3)), b = load<u64>(s + (<usize>(imm & 2) << 2));
  store<u64>(d, a); store<u64>(d, b, 8);
}
/** VPERMD and VPERMPS, both lanes: the first source (here the destination) holds the indices. */
export function vpermd(_cpu: usize, d: usize, s: usize): void {
  for (let i: usize = 0; i < 32; i += 4) store<u32>(d + i, load<u32>(s + (<usize>(load<u32>(d + i) & 7) << 2)));
}
/** VPERMQ and VPERMPD, both lanes. */
export function vpermq(_cpu: usize, d: usize, s: usize, imm: u32): void {
  for (let i: u32 = 0; i < 4; i++) store<u64>(d + (i << 3), load<u64>(s + (<usize>((imm >> (i << 1)) & 3) << 3)));
}

// ---- shifts by a count for each element; one that is too large gives zero, or the sign ------------------------------------------

export function vpsllvd(_cpu: usize, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) { const n = load<u32>(s + i); store<u32>(d + i, n > 31 ? 0 : load<u32>(d + i) << n); }
}
export function vpsrlvd(_cpu: usize, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) { const n = load<u32>(s + i); store<u32>(d + i, n > 31 ? 0 : load<u32>(d + i) >> n); }
}
export function vpsravd(_cpu: usize, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) { const n = load<u32>(s + i); store<i32>(d + i, load<i32>(d + i) >> (n > 31 ? 31 : n)); }
}
export function vpsllvq(_cpu: usize, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 8) { const n = load<u64>(s + i); store<u64>(d + i, n > 63 ? 0 : load<u64>(d + i) << n); }
}
export function vpsrlvq(_cpu: usize, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 8) { const n = load<u64>(s + i); store<u64>(d + i, n > 63 ? 0 : load<u64>(d + i) >> n); }
}

// ---- tests and masks ----------------------------------------------------------------------------------------------------------

/** ZF: s AND d is zero in the bits that count; CF: s AND NOT d is. The others 0. */
function testBits(cpu: usize, d: usize, s: usize, bits: v128, wide: bool): void {
  let both = v128.and(v128.load(s), v128.load(d)), only = v128.andnot(v128.load(s), v128.load(d));
  if (wide) {
    both = v128.or(both, v128.and(v128.load(s, 16), v128.load(d, 16)));
    only = v128.or(only, v128.andnot(v128.load(s, 16), v128.load(d, 16)));
  }
  setStatus(cpu, (v128.any_true(v128.and(both, bits)) ? 0 : ZF) | (v128.any_true(v128.and(only, bits)) ? 0 : CF));
}
export function ptest256(cpu: usize, d: usize, s: usize): void { testBits(cpu, d, s, i64x2.splat(-1), true); }
/** The sign bits of the elements. */
export function vtestps(cpu: usize, d: usize, s: usize): void { testBits(cpu, d, s, i32x4.splat(0x80000000), false); }
export function vtestpd(cpu: usize, d: usize, s: usize): void { testBits(cpu, d, s, i64x2.splat(0x8000000000000000), false); }
export function vtestps256(cpu: usize, d: usize, s: usize): void { testBits(cpu, d, s, i32x4.splat(0x80000000), true); }
export function vtestpd256(cpu: usize, d: usize, s: usize): void { testBits(cpu, d, s, i64x2.splat(0x8000000000000000), true); }

export function movmskps256(_cpu: usize, d: usize, s: usize): void { store<u64>(d, <u64>(i32x4.bitmask(v128.load(s)) | (i32x4.bitmask(v128.load(s, 16)) << 4))); }
export function movmskpd256(_cpu: usize, d: usize, s: usize): void { store<u64>(d, <u64>(i64x2.bitmask(v128.load(s)) | (i64x2.bitmask(v128.load(s, 16)) << 2))); }
export function pmovmskb256(_cpu: usize, d: usize, s: usize): void { store<u64>(d, <u64><u32>(i8x16.bitmask(v128.load(s)) | (i8x16.bitmask(v128.load(s, 16)) << 16))); }

// ---- the state as a whole -------------------------------------------------------------------------------------------------------

/** Vector registers that instructions of the current mode can name. */
function vectorRegisters(cpu: usize): usize { return is64(cpu) ? 16 : 8; }
function clearUpper(cpu: usize, register: usize): void { v128.store(cpu + XMM + (register << 5), i64x2.splat(0), 16); }
/** In 64-bit mode all sixteen registers, elsewhere the first eight (SDM vol. 2, VZEROUPPER). */
export function vzeroupper(cpu: usize, _ip: usize): void {
  const count = vectorRegisters(cpu);
  for (let i: usize = 0; i < count; i++) clearUpper(cpu, i);
}
export function vzeroall(cpu: usize, _ip: usize): void {
  const count = vectorRegisters(cpu);
  for (let i: usize = 0; i < count; i++) { v128.store(cpu + XMM + (i << 5), i64x2.splat(0)); clearUpper(cpu, i); }
}

/** VPCMPESTRM and VPCMPISTRM: the upper half of YMM0 is cleared with the mask. */
export function vpcmpestrm(cpu: usize, a: usize, b: usize, imm: u32): void { pcmpestrm(cpu, a, b, imm); clearUpper(cpu, 0); }
export function vpcmpestrm64(cpu: usize, a: usize, b: usize, imm: u32): void { pcmpestrm64(cpu, a, b, imm); clearUpper(cpu, 0); }
export function vpcmpistrm(cpu: usize, a: usize, b: usize, imm: u32): void { pcmpistrm(cpu, a, b, imm); clearUpper(cpu, 0); }
