// MXCSR, FXSAVE and FXRSTOR, MASKMOVDQU: instructions about the SSE state as a whole or with a memory operand of their own kind.

import { CR0, FCW, FPU_DP, FPU_IP, FPU_OP, FSW, FTW, MXCSR, RDI, ST, XMM } from '../core/layout';
import { is64 } from '../core/mode';
import { ld32, ld64, ld8, probe, st128, st32, st64, st8 } from '../core/mem';
import { CR0_EM, CR0_TS } from '../core/crbits';
import { ACCESS_WRITE } from '../core/mmu';
import { OP_R0, OP_R1 } from '../core/op';
import { ea, misaligned, pointer, sourceAddress } from '../core/operand';
import { GP, NM, raise, raiseError, trap } from '../core/trap';

/** Bits of MXCSR that exist; writing others is #GP (the processor announces DAZ through MXCSR_MASK). */
export const MXCSR_MASK: u32 = 0xffff;
/** Exception flags of the x87 status word, and the masks that go with them in the control word. */
const X87_EXCEPTIONS: u32 = 0x3f;
const FSW_ES: u32 = 0x80, FSW_B: u32 = 0x8000;

export function ldmxcsr(cpu: usize, ip: usize): void {
  const value = ld32(cpu, ea(cpu, ip));
  if (trap) return;
  if ((value & ~MXCSR_MASK) != 0) { raiseError(cpu, GP, 0); return; }
  store<u32>(cpu, value, MXCSR);
}

export function stmxcsr(cpu: usize, ip: usize): void {
  st32(cpu, ea(cpu, ip), load<u32>(cpu, MXCSR));
}

/** Stores the bytes of the first operand whose mask byte has bit 7 set, at DS:RDI (or with FS or GS). */
export function maskmovdqu(cpu: usize, ip: usize): void {
  const value = cpu + XMM + (<usize>load<u8>(ip, OP_R0) << 5), mask = cpu + XMM + (<usize>load<u8>(ip, OP_R1) << 5);
  const select = i8x16.bitmask(v128.load(mask));
  if (select == 0) return;
  const address = sourceAddress(cpu, ip, pointer(cpu, ip, RDI), 16, true);
  if (trap || !probe(cpu, address, 16, ACCESS_WRITE)) return;
  for (let i: u32 = 0; i < 16; i++) {
    if ((select >> i & 1) == 0) continue;
    st8(cpu, address + i, load<u8>(value + i));
    if (trap) return;
  }
}

// ---- FXSAVE and FXRSTOR (SDM vol. 1, 10.5; the layout is table 10-2) ------------------------------------------------------------

/** Bytes that FXSAVE writes and FXRSTOR reads; the rest of the 512 belongs to software. */
const FX_BYTES: u32 = 416;
const FX_AREA: u32 = 512;
const FX_ST: u64 = 32, FX_XMM: u64 = 160;

function fxArea(cpu: usize, ip: usize, access: u32): u64 {
  if ((load<u64>(cpu, CR0) & (CR0_EM | CR0_TS)) != 0) { raise(cpu, NM); return 0; }
  const area = ea(cpu, ip);
  if ((area & 15) != 0) { misaligned(cpu, area); return 0; }
  probe(cpu, area, FX_AREA, access);
  return area;
}

function top(cpu: usize): u32 { return (load<u32>(cpu, FSW) >> 11) & 7; }

/** The x87 part of the area: bytes 0 to 23 and 32 to 159. */
export function saveX87(cpu: usize, area: u64, wide: bool): void {
  const head: u64 = <u64>load<u32>(cpu, FCW) | (<u64>load<u32>(cpu, FSW) << 16) | (<u64>load<u32>(cpu, FTW) << 32) | (<u64>load<u32>(cpu, FPU_OP) << 48);
  st64(cpu, area, head);
  // Without REX.W the selectors follow 32-bit offsets; processors that deprecate them store zero.
  st64(cpu, area + 8, wide ? load<u64>(cpu, FPU_IP) : <u64>load<u32>(cpu, FPU_IP));
  st64(cpu, area + 16, wide ? load<u64>(cpu, FPU_DP) : <u64>load<u32>(cpu, FPU_DP));
  for (let i: u32 = 0; i < 8; i++) {
    const register = cpu + ST + (<usize>((i + top(cpu)) & 7) << 4), at = area + FX_ST + (<u64>i << 4);
    st64(cpu, at, load<u64>(register));
    st64(cpu, at + 8, <u64>load<u16>(register, 8));
  }
}
export function saveMxcsr(cpu: usize, area: u64): void { st64(cpu, area + 24, <u64>load<u32>(cpu, MXCSR) | (<u64>MXCSR_MASK << 32)); }
/** Vector registers that the current mode has: the others are not stored and not loaded. */
export function vectorCount(cpu: usize): u32 { return is64(cpu) ? 16 : 8; }
export function saveXmm(cpu: usize, area: u64): void {
  for (let i: u32 = 0; i < vectorCount(cpu); i++) st128(cpu, area + FX_XMM + (<u64>i << 4), cpu + XMM + (<usize>i << 5));
}
function save(cpu: usize, ip: usize, wide: bool): void {
  const area = fxArea(cpu, ip, ACCESS_WRITE);
  if (trap) return;
  saveX87(cpu, area, wide);
  saveMxcsr(cpu, area);
  saveXmm(cpu, area);
}
export function fxsave(cpu: usize, ip: usize): void { save(cpu, ip, false); }
export function fxsave64(cpu: usize, ip: usize): void { save(cpu, ip, true); }

/** A pointer as the x87 unit keeps it: 48 bits wide, sign-extended when it is read (as measured; the SDM does not say). */
function canonical(pointer: u64): u64 { return <u64>(<i64>(pointer << 16) >> 16); }
/** Loads what saveX87 stored. */
export function restoreX87(cpu: usize, area: u64, wide: bool): void {
  const head = ld64(cpu, area), fip = ld64(cpu, area + 8), fdp = ld64(cpu, area + 16);
  const fcw = (<u32>head & 0x1f7f) | 0x40; // the reserved bits are what they always are
  let fsw = <u32>(head >> 16) & 0xffff;
  // ES and B say whether an unmasked exception is pending; they are made anew, not loaded.
  fsw &= ~(FSW_ES | FSW_B);
  if ((fsw & ~fcw & X87_EXCEPTIONS) != 0) fsw |= FSW_ES | FSW_B;
  store<u32>(cpu, fcw, FCW);
  store<u32>(cpu, fsw, FSW);
  store<u32>(cpu, <u32>(head >> 32) & 0xff, FTW);
  store<u32>(cpu, <u32>(head >> 48) & 0x7ff, FPU_OP);
  store<u64>(cpu, wide ? canonical(fip) : fip & 0xffffffff, FPU_IP);
  store<u64>(cpu, wide ? canonical(fdp) : fdp & 0xffffffff, FPU_DP);
  for (let i: u32 = 0; i < 8; i++) {
    const register = cpu + ST + (<usize>((i + top(cpu)) & 7) << 4), at = area + FX_ST + (<u64>i << 4);
    store<u64>(register, ld64(cpu, at));
    store<u64>(register, ld64(cpu, at + 8) & 0xffff, 8);
  }
}
export function restoreXmm(cpu: usize, area: u64): void {
  for (let i: u32 = 0; i < vectorCount(cpu) << 1; i++) store<u64>(cpu + XMM + (<usize>(i >> 1) << 5) + (<usize>(i & 1) << 3), ld64(cpu, area + FX_XMM + (<u64>i << 3)));
}
function restore(cpu: usize, ip: usize, wide: bool): void {
  const area = fxArea(cpu, ip, 0);
  if (trap) return;
  const mxcsr = ld32(cpu, area + 24);
  if (trap) return;
  if ((mxcsr & ~MXCSR_MASK) != 0) { raiseError(cpu, GP, 0); return; }
  restoreX87(cpu, area, wide);
  store<u32>(cpu, mxcsr, MXCSR);
  restoreXmm(cpu, area);
}
export function fxrstor(cpu: usize, ip: usize): void { restore(cpu, ip, false); }
export function fxrstor64(cpu: usize, ip: usize): void { restore(cpu, ip, true); }
