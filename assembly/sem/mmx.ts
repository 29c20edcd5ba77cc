// MMX: what its instructions share with the x87, whose registers they use, and the operations that are not lane by lane (those are the SSE functions of the same name,
// which see 64 bits of garbage above). SDM vol. 1, chapter 9; vol. 3, chapter 13.

import { FSW, FTW, RDI, SCRATCH, ST } from '../core/layout';
import { probe, st8 } from '../core/mem';
import { ACCESS_WRITE } from '../core/mmu';
import { OP_R0, OP_R1 } from '../core/op';
import { pointer, sourceAddress } from '../core/operand';
import { trap } from '../core/trap';
import { sseBegin, sseFaults } from './fp';
import { fpFromInt, fpRound, fpToInt, RC_ZERO } from './softfloat';
import { packssdw, packsswb, packuswb, phaddd, phaddsw, phaddw, phsubd, phsubsw, phsubw } from './sse_int';
import { punpcklbw, punpckldq, punpcklwd } from './sse_move';
import { waits } from './x87_stack';

const TOP_BITS: u32 = 0x3800;

/** An MMX instruction begins: true if an x87 exception is pending, which is reported first. */
export function mmxWaits(cpu: usize): bool { return waits(cpu); }
/** An MMX instruction has done its work: TOP is 0 and every register is in use (SDM vol. 1, 9.5.1). */
export function mmxEnter(cpu: usize): void {
  store<u32>(cpu, load<u32>(cpu, FSW) & ~TOP_BITS, FSW);
  store<u32>(cpu, 0xff, FTW);
}
/** The register at `d` was written: sign and exponent become ones. */
export function mmxWritten(d: usize): void { store<u64>(d, 0xffff, 8); }

/** EMMS. */
export function emms(cpu: usize, _ip: usize): void {
  if (waits(cpu)) return;
  mmxEnter(cpu);
  store<u32>(cpu, 0, FTW);
}

// ---- moves ------------------------------------------------------------------------------------------------------------------------------

export function mov64(_cpu: usize, d: usize, s: usize): void { store<u64>(d, load<u64>(s)); }
export function mov32Zero(_cpu: usize, d: usize, s: usize): void { store<u64>(d, <u64>load<u32>(s)); }
export function pmovmskbMm(_cpu: usize, d: usize, s: usize): void { store<u64>(d, <u64>(i8x16.bitmask(v128.load(s)) & 0xff)); }
export function pinsrwMm(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u16>(d + (<usize>(imm & 3) << 1), load<u16>(s)); }
export function pextrwMm(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u64>(d, <u64>load<u16>(s + (<usize>(imm & 3) << 1))); }

/** Stores the bytes of the first operand whose mask byte has bit 7 set, at DS:RDI (or with FS or GS). */
export function maskmovq(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const value = load<u64>(cpu + ST + (<usize>(load<u8>(ip, OP_R0) & 7) << 4)), select = i8x16.bitmask(v128.load(cpu + ST + (<usize>(load<u8>(ip, OP_R1) & 7) << 4))) & 0xff;
  // All eight bytes must be writable even where the mask leaves them out.
  const address = sourceAddress(cpu, ip, pointer(cpu, ip, RDI), 8, true);
  if (trap || !probe(cpu, address, 8, ACCESS_WRITE)) return;
  for (let i: u32 = 0; i < 8; i++) {
    if ((select >> i & 1) == 0) continue;
    st8(cpu, address + i, <u8>(value >> <u64>(i << 3)));
    if (trap) return;
  }
  mmxEnter(cpu);
}

// ---- across lanes: the SSE operation on both operands in one register -----------------------------------------------------------------------

/** Bytes of SCRATCH that no memory operand of an MMX instruction uses. */
const JOINED: usize = SCRATCH + 32;
/** d below s, in one vector. */
function join(cpu: usize, d: usize, s: usize): usize {
  const low = load<u64>(d), high = load<u64>(s);
  store<u64>(cpu + JOINED, low);
  store<u64>(cpu + JOINED, high, 8);
  return cpu + JOINED;
}
function take(cpu: usize, d: usize): void { store<u64>(d, load<u64>(cpu + JOINED)); }

export function packsswbMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); packsswb(cpu, j, j); take(cpu, d); }
export function packuswbMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); packuswb(cpu, j, j); take(cpu, d); }
export function packssdwMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); packssdw(cpu, j, j); take(cpu, d); }
export function phaddwMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); phaddw(cpu, j, j); take(cpu, d); }
export function phadddMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); phaddd(cpu, j, j); take(cpu, d); }
export function phaddswMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); phaddsw(cpu, j, j); take(cpu, d); }
export function phsubwMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); phsubw(cpu, j, j); take(cpu, d); }
export function phsubdMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); phsubd(cpu, j, j); take(cpu, d); }
export function phsubswMm(cpu: usize, d: usize, s: usize): void { const j = join(cpu, d, s); phsubsw(cpu, j, j); take(cpu, d); }

/** The upper halves of d and s, each where a low half would be. */
function uppers(cpu: usize, d: usize, s: usize): void {
  const j = join(cpu, d, s), high = load<u64>(j, 8) >> 32;
  store<u64>(j, load<u64>(j) >> 32);
  store<u64>(j, high, 16);
}
export function punpckhbwMm(cpu: usize, d: usize, s: usize): void { uppers(cpu, d, s); punpcklbw(cpu, cpu + JOINED, cpu + JOINED + 16); take(cpu, d); }
export function punpckhwdMm(cpu: usize, d: usize, s: usize): void { uppers(cpu, d, s); punpcklwd(cpu, cpu + JOINED, cpu + JOINED + 16); take(cpu, d); }
export function punpckhdqMm(cpu: usize, d: usize, s: usize): void { uppers(cpu, d, s); punpckldq(cpu, cpu + JOINED, cpu + JOINED + 16); take(cpu, d); }

export function pshufw(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const v = load<u64>(s);
  let r: u64 = 0;
  for (let i: u32 = 0; i < 4; i++) r |= ((v >> <u64>((imm >> (i << 1) & 3) << 4)) & 0xffff) << <u64>(i << 4);
  store<u64>(d, r);
}
export function pshufbMm(_cpu: usize, d: usize, s: usize): void {
  v128.store(d, i8x16.swizzle(v128.load(d), v128.and(v128.load(s), i8x16.splat(<i8>0x87))));
}
/** Bytes imm8 to imm8 + 7 of the 16 bytes (d above s). */
export function palignrMm(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const low = load<u64>(s), high = load<u64>(d), bits: u64 = <u64>imm << 3;
  if (bits == 0) store<u64>(d, low);
  else if (bits < 64) store<u64>(d, (low >> bits) | (high << (64 - bits)));
  else store<u64>(d, bits < 128 ? high >> (bits - 64) : 0);
}

// ---- conversions --------------------------------------------------------------------------------------------------------------------------

export function cvtpi2ps(cpu: usize, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpFromInt<u32>(load<i32>(s)), r1 = fpFromInt<u32>(load<i32>(s, 4));
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4);
}
function twoToInt(cpu: usize, d: usize, s: usize, truncate: bool): void {
  sseBegin(cpu);
  if (truncate) fpRound(RC_ZERO);
  const r0 = fpToInt<u32, i32>(load<u32>(s)), r1 = fpToInt<u32, i32>(load<u32>(s, 4));
  if (sseFaults(cpu)) return;
  store<i32>(d, r0); store<i32>(d, r1, 4);
}
export function cvtps2pi(cpu: usize, d: usize, s: usize): void { twoToInt(cpu, d, s, false); }
export function cvttps2pi(cpu: usize, d: usize, s: usize): void { twoToInt(cpu, d, s, true); }
