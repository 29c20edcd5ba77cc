// XSAVE, XSAVEOPT, XSAVEC and XRSTOR (SDM vol. 1, chapter 13): state components x87 (0), SSE (1), AVX (2) and PKRU (9), in the standard and the compacted format.
// XSAVEOPT leaves out what is in its initial configuration; it does not keep track of what is unmodified.

import { areaSize, componentOffset } from '../core/cpuid';
import { CR0, CR4, FCW, FPU_DP, FPU_IP, FPU_OP, FSW, FTW, MXCSR, PKRU, RAX, RDX, ST, XCR0, XMM } from '../core/layout';
import { ld32, ld64, probe, st128, st64 } from '../core/mem';
import { CR0_TS, CR4_OSXSAVE } from '../core/crbits';
import { ACCESS_WRITE, dropFastAll } from '../core/mmu';
import { ea, misaligned } from '../core/operand';
import { GP, NM, raise, raiseError, trap, UD } from '../core/trap';
import { MXCSR_MASK, restoreX87, restoreXmm, saveMxcsr, saveX87, saveXmm, vectorCount } from './sse_state';

const X87: u64 = 1, SSE: u64 = 2, AVX: u64 = 4, KEYS: u64 = 0x200;
const COMPACTED: u64 = 0x8000000000000000;
const MXCSR_INITIAL: u32 = 0x1f80;
/** Offsets in the XSAVE header. */
const XSTATE_BV: u64 = 512, XCOMP_BV: u64 = 520, HEADER_END: u64 = 576;

/** XINUSE: the components that are not in their initial configuration (SDM vol. 1, 13.6). */
export function inUse(cpu: usize): u64 {
  let use: u64 = 0, high = i64x2.splat(0), low = i64x2.splat(0), stack = i64x2.splat(0);
  for (let i: usize = 0; i < vectorCount(cpu); i++) {
    low = v128.or(low, v128.load(cpu + XMM + (i << 5)));
    high = v128.or(high, v128.load(cpu + XMM + (i << 5), 16));
  }
  for (let i: usize = 0; i < 8; i++) stack = v128.or(stack, v128.load(cpu + ST + (i << 4)));
  if (load<u32>(cpu, FCW) != 0x37f || (load<u32>(cpu, FSW) | load<u32>(cpu, FTW) | load<u32>(cpu, FPU_OP)) != 0 || (load<u64>(cpu, FPU_IP) | load<u64>(cpu, FPU_DP)) != 0 || v128.any_true(stack)) use |= X87;
  if (v128.any_true(low)) use |= SSE;
  if (v128.any_true(high)) use |= AVX;
  if (load<u32>(cpu, PKRU) != 0) use |= KEYS;
  return use;
}

/** What EDX:EAX asks for, of what XCR0 has. */
function requested(cpu: usize): u64 { return load<u64>(cpu, XCR0) & ((<u64>load<u32>(cpu, RDX) << 32) | <u64>load<u32>(cpu, RAX)); }

/** The operand, when the instruction is there and its operand aligned. */
function areaOf(cpu: usize, ip: usize): u64 {
  if ((load<u64>(cpu, CR4) & CR4_OSXSAVE) == 0) { raise(cpu, UD); return 0; }
  if ((load<u64>(cpu, CR0) & CR0_TS) != 0) { raise(cpu, NM); return 0; }
  const area = ea(cpu, ip);
  if ((area & 63) != 0) misaligned(cpu, area);
  return area;
}

/** Where component `i` is in an area whose compacted format has the components of `set` (0: standard format). */
function placeOf(i: u32, set: u64): u64 { return set == 0 ? componentOffset(i) : areaSize(set & ((<u64>1 << i) - 1), true); }


function storeComponents(cpu: usize, area: u64, set: u64, compacted: u64, wide: bool): void {
  if ((set & X87) != 0) saveX87(cpu, area, wide);
  if ((set & SSE) != 0) saveXmm(cpu, area);
  if ((set & AVX) != 0) {
    const at = area + placeOf(2, compacted);
    for (let i: u32 = 0; i < vectorCount(cpu); i++) st128(cpu, at + (<u64>i << 4), cpu + XMM + (<usize>i << 5) + 16);
  }
  if ((set & KEYS) != 0) st64(cpu, area + placeOf(9, compacted), <u64>load<u32>(cpu, PKRU));
}

/** SSE counts as in use when MXCSR is not in its initial state (SDM vol. 1, 13.7). */
function inUseWithMxcsr(cpu: usize): u64 { return inUse(cpu) | (load<u32>(cpu, MXCSR) != MXCSR_INITIAL ? SSE : 0); }

/** XSAVE and XSAVEOPT: the header's bits of other components stay. */
function save(cpu: usize, ip: usize, wide: bool, optimized: bool): void {
  const area = areaOf(cpu, ip);
  if (trap) return;
  const want = requested(cpu), use = inUseWithMxcsr(cpu);
  if (!probe(cpu, area, areaSize(want, false), ACCESS_WRITE)) return;
  const before = ld64(cpu, area + XSTATE_BV);
  if (trap) return;
  storeComponents(cpu, area, optimized ? want & use : want, 0, wide);
  if ((want & (SSE | AVX)) != 0) saveMxcsr(cpu, area);
  st64(cpu, area + XSTATE_BV, (before & ~want) | (want & use));
}
export function xsave(cpu: usize, ip: usize): void { save(cpu, ip, false, false); }
export function xsave64(cpu: usize, ip: usize): void { save(cpu, ip, true, false); }
export function xsaveopt(cpu: usize, ip: usize): void { save(cpu, ip, false, true); }
export function xsaveopt64(cpu: usize, ip: usize): void { save(cpu, ip, true, true); }

/** XSAVEC (SDM vol. 1, 13.10): only what is in use, without gaps; MXCSR belongs to SSE. */
function saveCompacted(cpu: usize, ip: usize, wide: bool): void {
  const area = areaOf(cpu, ip);
  if (trap) return;
  const want = requested(cpu), set = want & inUseWithMxcsr(cpu), format = want | COMPACTED;
  if (!probe(cpu, area, areaSize(want, true), ACCESS_WRITE)) return;
  storeComponents(cpu, area, set, format, wide);
  if ((set & SSE) != 0) saveMxcsr(cpu, area);
  st64(cpu, area + XSTATE_BV, set);
  st64(cpu, area + XCOMP_BV, format);
}
export function xsavec(cpu: usize, ip: usize): void { saveCompacted(cpu, ip, false); }
export function xsavec64(cpu: usize, ip: usize): void { saveCompacted(cpu, ip, true); }

// ---- XRSTOR -------------------------------------------------------------------------------------------------------------------

/** The checks of the header (SDM vol. 1, 13.8.1 and 13.8.2). */
function headerGood(cpu: usize, area: u64, state: u64, format: u64): bool {
  const enabled = load<u64>(cpu, XCR0);
  // Bytes 63:24 have to be zero only in the compacted format; in the standard one bytes 23:8.
  const next = ld64(cpu, area + XCOMP_BV + 8);
  if (trap) return false;
  if (next != 0) return false;
  if ((format & COMPACTED) == 0) return format == 0 && (state & ~enabled) == 0;
  for (let at = XCOMP_BV + 16; at < HEADER_END; at += 8) if (ld64(cpu, area + at) != 0) return false;
  return (format & ~COMPACTED & ~enabled) == 0 && (state & ~format) == 0;
}

function initX87(cpu: usize): void {
  store<u32>(cpu, 0x37f, FCW);
  store<u32>(cpu, 0, FSW);
  store<u32>(cpu, 0, FTW);
  store<u32>(cpu, 0, FPU_OP);
  store<u64>(cpu, 0, FPU_IP);
  store<u64>(cpu, 0, FPU_DP);
  memory.fill(cpu + ST, 0, 128);
}

function restore(cpu: usize, ip: usize, wide: bool): void {
  const area = areaOf(cpu, ip);
  if (trap || !probe(cpu, area, <u32>HEADER_END, 0)) return;
  const state = ld64(cpu, area + XSTATE_BV), format = ld64(cpu, area + XCOMP_BV);
  if (trap) return;
  const good = headerGood(cpu, area, state, format);
  if (trap) return;
  if (!good) { raiseError(cpu, GP, 0); return; }
  const want = requested(cpu), present = want & state, compacted = (format & COMPACTED) != 0;
  if (!probe(cpu, area, compacted ? areaSize(format & ~COMPACTED, true) : areaSize(present, false), 0)) return;
  // The standard format loads MXCSR for SSE or AVX, whatever the header says; the compacted one as part of SSE.
  const takesMxcsr = compacted ? (present & SSE) != 0 : (want & (SSE | AVX)) != 0;
  let mxcsr = MXCSR_INITIAL;
  if (takesMxcsr) {
    mxcsr = ld32(cpu, area + 24);
    if (trap) return;
    if ((mxcsr & ~MXCSR_MASK) != 0) { raiseError(cpu, GP, 0); return; }
  }
  if ((present & X87) != 0) restoreX87(cpu, area, wide); else if ((want & X87) != 0) initX87(cpu);
  if (takesMxcsr || (compacted && (want & SSE) != 0)) store<u32>(cpu, mxcsr, MXCSR);
  if ((present & SSE) != 0) restoreXmm(cpu, area);
  else if ((want & SSE) != 0) for (let i: usize = 0; i < vectorCount(cpu); i++) v128.store(cpu + XMM + (i << 5), i64x2.splat(0));
  const set = compacted ? format : 0;
  if ((want & AVX) != 0) {
    const at = area + placeOf(2, set);
    for (let i: usize = 0; i < vectorCount(cpu); i++) {
      const to = cpu + XMM + (i << 5) + 16, from = at + (<u64>i << 4);
      if ((present & AVX) != 0) { store<u64>(to, ld64(cpu, from)); store<u64>(to, ld64(cpu, from + 8), 8); }
      else v128.store(to, i64x2.splat(0));
    }
  }
  if ((want & KEYS) != 0) {
    store<u32>(cpu, (present & KEYS) != 0 ? ld32(cpu, area + placeOf(9, set)) : 0, PKRU);
    dropFastAll(cpu);
  }
}
export function xrstor(cpu: usize, ip: usize): void { restore(cpu, ip, false); }
export function xrstor64(cpu: usize, ip: usize): void { restore(cpu, ip, true); }
