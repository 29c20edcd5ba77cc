import { AC, VM } from './flags';
import { MODE_CODE16, MODE_CODE32, MODE_COUNT, MODE_EM, MODE_MP, MODE_NO_AVX, MODE_NO_SSE, MODE_REAL, MODE_TS, MODE_USER } from './block';
import { CODE_BASE, CODE_LIMIT, CPL, CR0, CR4, EFER, FAST, FAST_CODE, FAST_IMPLICIT, FLAGS_REST, MODE, SEG, SEG_ACCESS, SEG_BASE, SEG_CS, SEG_LIMIT, SEG_SIZE, XCR0 } from './layout';
import { CODE_WRITE_SET, CODE_WRITES, FAST_SETS, FAST_SET_SIZE } from './map';
import { SET_CHECKED, SET_SUPERVISOR, SET_SUPERVISOR_SMAP, SET_USER } from './mem';
import { CR0_AM, CR0_EM, CR0_MP, CR0_PE, CR0_TS, CR4_OSFXSR, CR4_OSXSAVE, CR4_SMAP, EFER_LMA } from './crbits';
import { bumpLinks } from './mmu';
import { AR_DB, AR_L } from './segments';

// Derived from the architectural state, and kept current by whoever changes that: MODE (what decoded code depends on) and FAST
// (which fast lookup set the privilege of data accesses selects).

/** After CPL, CR0, CR4, XCR0, EFER, CS or EFLAGS.AC changed. */
export function updateMode(cpu: usize): void {
  const cr0 = load<u64>(cpu, CR0), cr4 = load<u64>(cpu, CR4), user = load<u32>(cpu, CPL) == 3;
  let mode = user ? MODE_USER : 0;
  const cs = cpu + SEG + SEG_CS * SEG_SIZE, code = load<u32>(cs, SEG_ACCESS), real = (cr0 & CR0_PE) == 0 || (load<u32>(cpu, FLAGS_REST) & VM) != 0;
  // 64-bit mode is CS.L under EFER.LMA; everywhere else CS.D gives the size, in real mode too (it may still have what protected mode left there).
  if ((load<u64>(cpu, EFER) & EFER_LMA) == 0 || (code & AR_L) == 0) {
    mode |= (code & AR_DB) != 0 ? MODE_CODE32 : MODE_CODE16;
    // Links between decoded blocks and the table of jump targets know RIP, not where the segment puts it.
    if (load<u32>(cpu, CODE_BASE) != load<u32>(cs, SEG_BASE) || load<u32>(cpu, CODE_LIMIT) != load<u32>(cs, SEG_LIMIT)) {
      store<u32>(cpu, load<u32>(cs, SEG_BASE), CODE_BASE);
      store<u32>(cpu, load<u32>(cs, SEG_LIMIT), CODE_LIMIT);
      bumpLinks();
    }
  }
  if (real) mode |= MODE_REAL;
  if ((cr0 & CR0_EM) != 0) mode |= MODE_NO_SSE | MODE_EM;
  if ((cr4 & CR4_OSFXSR) == 0) mode |= MODE_NO_SSE;
  if ((cr0 & CR0_TS) != 0) mode |= MODE_TS;
  if ((cr0 & CR0_MP) != 0) mode |= MODE_MP;
  if (real || (cr4 & CR4_OSXSAVE) == 0 || (load<u64>(cpu, XCR0) & 6) != 6) mode |= MODE_NO_AVX;
  const before = load<u32>(cpu, MODE);
  mode |= before & MODE_COUNT;
  if (((before ^ mode) & ~(MODE_USER | MODE_CODE32)) != 0) bumpLinks();
  store<u32>(cpu, mode, MODE);
  const ac = (load<u32>(cpu, FLAGS_REST) & AC) != 0;
  let set = SET_SUPERVISOR;
  if (user) set = ac && (cr0 & CR0_AM) != 0 ? SET_CHECKED : SET_USER;
  else if (!ac && (cr4 & CR4_SMAP) != 0) set = SET_SUPERVISOR_SMAP;
  store<u32>(cpu, <u32>(cpu + FAST_SETS) + set * <u32>FAST_SET_SIZE, FAST);
  // Implicit supervisor accesses are under SMAP whatever EFLAGS.AC is.
  const implicit = (cr4 & CR4_SMAP) != 0 ? SET_SUPERVISOR_SMAP : SET_SUPERVISOR;
  store<u32>(cpu, <u32>(cpu + FAST_SETS) + implicit * <u32>FAST_SET_SIZE, FAST_IMPLICIT);
  store<u32>(cpu, <u32>(cpu + CODE_WRITES) + set * <u32>CODE_WRITE_SET, FAST_CODE);
}

/** 64-bit mode, as opposed to compatibility, protected, virtual-8086 and real-address mode. */
export function is64(cpu: usize): bool { return (load<u32>(cpu, MODE) & (MODE_CODE32 | MODE_CODE16)) == 0; }
/** Real-address or virtual-8086 mode: a selector is a segment's base / 16. */
export function isReal(cpu: usize): bool { return (load<u32>(cpu, MODE) & MODE_REAL) != 0; }
export function isVirtual(cpu: usize): bool { return (load<u32>(cpu, FLAGS_REST) & VM) != 0; }
/** EFER.LMA: 64-bit or compatibility mode. */
export function isLong(cpu: usize): bool { return (load<u64>(cpu, EFER) & EFER_LMA) != 0; }
/** `base` + `offset` as a linear address of a system segment or descriptor table: 32 bits outside of IA-32e mode. */
export function systemLinear(cpu: usize, base: u64, offset: u32): u64 {
  const va = base + <u64>offset;
  return isLong(cpu) ? va : va & 0xffffffff;
}
