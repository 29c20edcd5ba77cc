import { AC, IF } from './flags';
import { MODE_CODE32, MODE_EM, MODE_MP, MODE_NO_AVX, MODE_NO_SSE, MODE_TS, MODE_USER } from './block';
import { updateAttention } from './boundary';
import { CPL, CR0, CR4, FAST, FAST_CODE, FAST_IMPLICIT, FLAGS_REST, MODE, XCR0 } from './layout';
import { CODE_WRITE_SET, CODE_WRITES, FAST_SETS, FAST_SET_SIZE } from './map';
import { SET_CHECKED, SET_SUPERVISOR, SET_SUPERVISOR_SMAP, SET_USER } from './mem';
import { bumpLinks, CR0_AM, CR0_EM, CR0_MP, CR0_TS, CR4_OSFXSR, CR4_OSXSAVE, CR4_SMAP } from './mmu';

// Derived from the architectural state, and kept current by whoever changes that: MODE (what decoded code depends on) and FAST
// (which fast lookup set the privilege of data accesses selects).

/** After CPL, CR0, CR4, XCR0, EFER, CS or EFLAGS.AC changed. */
export function updateMode(cpu: usize): void {
  const cr0 = load<u64>(cpu, CR0), cr4 = load<u64>(cpu, CR4), user = load<u32>(cpu, CPL) == 3;
  let mode = user ? MODE_USER : 0;
  if ((cr0 & CR0_EM) != 0) mode |= MODE_NO_SSE | MODE_EM;
  if ((cr4 & CR4_OSFXSR) == 0) mode |= MODE_NO_SSE;
  if ((cr0 & CR0_TS) != 0) mode |= MODE_TS;
  if ((cr0 & CR0_MP) != 0) mode |= MODE_MP;
  if ((cr4 & CR4_OSXSAVE) == 0 || (load<u64>(cpu, XCR0) & 6) != 6) mode |= MODE_NO_AVX;
  const before = load<u32>(cpu, MODE);
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

/** After an instruction wrote RFLAGS as a whole (POPF, IRET, SYSCALL, SYSRET) and had `before` in FLAGS_REST. */
export function flagsChanged(cpu: usize, before: u32): void {
  const changed = before ^ load<u32>(cpu, FLAGS_REST);
  if ((changed & AC) != 0) updateMode(cpu);
  if ((changed & IF) != 0) updateAttention(cpu);
}
