// x87 control: FINIT, FCLEX, control and status word, environment and state in memory (SDM vol. 1, 8.1.10 and 8.1.11). The instructions whose name begins with FN do not wait for
// pending exceptions.

import { ferrCleared } from '../core/ferr';
import { FCW, FPU_DP, FPU_IP, FPU_OP, FSW, FTW, RAX } from '../core/layout';
import { ld16, ld32, ld64, probe, st16, st32, st64 } from '../core/mem';
import { ACCESS_WRITE } from '../core/mmu';
import { isReal } from '../core/mode';
import { OP_SIZE } from '../core/op';
import { ea, memory, setMemory } from '../core/operand';
import { trap } from '../core/trap';
import { isDenormal, isInfinite, isNaN87, isUnsupported } from './x87_real';
import { seOf, sigOf87, stack, summarize, topOf, waits } from './x87_stack';

/** Bits of the control word that can be written; bit 6 is always set. */
const FCW_WRITABLE: u32 = 0x1f3f, FCW_ALWAYS: u32 = 0x40;
const FCW_INITIAL: u32 = 0x37f;
/** FNCLEX leaves TOP and the condition codes. */
const FSW_KEPT: u32 = 0x7f00;
/** Tags of the tag word (SDM vol. 1, 8.1.7). */
const TAG_VALID: u32 = 0, TAG_ZERO: u32 = 1, TAG_SPECIAL: u32 = 2, TAG_EMPTY: u32 = 3;
/** Reserved upper halves of the 32-bit environment are stored as ones. */
const ONES: u32 = 0xffff0000;
const REGISTER_BYTES: u64 = 80;

export function fninit(cpu: usize, _ip: usize): void {
  store<u32>(cpu, FCW_INITIAL, FCW);
  store<u32>(cpu, 0, FSW);
  store<u32>(cpu, 0, FTW);
  store<u64>(cpu, 0, FPU_IP);
  store<u64>(cpu, 0, FPU_DP);
  store<u32>(cpu, 0, FPU_OP);
  ferrCleared();
}
export function fnclex(cpu: usize, _ip: usize): void {
  store<u32>(cpu, load<u32>(cpu, FSW) & FSW_KEPT, FSW);
  ferrCleared();
}
export function fwait(cpu: usize, _ip: usize): void { waits(cpu); }
/** FENI, FDISI and FSETPM of the 8087 and 80287 do nothing. */
export function fignored(_cpu: usize, _ip: usize): void {}

function setControl(cpu: usize, v: u32): void {
  store<u32>(cpu, (v & FCW_WRITABLE) | FCW_ALWAYS, FCW);
  summarize(cpu);
}
export function fldcw(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const v = memory<u16>(cpu, ip);
  if (!trap) setControl(cpu, v);
}
export function fnstcw(cpu: usize, ip: usize): void { setMemory<u16>(cpu, ip, <u16>load<u32>(cpu, FCW)); }
export function fnstsw(cpu: usize, ip: usize): void { setMemory<u16>(cpu, ip, <u16>load<u32>(cpu, FSW)); }
export function fnstswAx(cpu: usize, _ip: usize): void { store<u16>(cpu, <u16>load<u32>(cpu, FSW), RAX); }

// ---- environment ------------------------------------------------------------------------------------------------------------------------

/** The tag of the register at `at`, if it is not empty. */
function tagOf(at: usize): u32 {
  const se = seOf(at), sig = sigOf87(at);
  if ((se & 0x7fff) == 0x7fff || isUnsupported(se, sig) || isDenormal(se, sig)) return TAG_SPECIAL;
  return sig == 0 ? TAG_ZERO : TAG_VALID;
}
/** The whole tag word: two bits for each physical register. */
function tagWord(cpu: usize): u32 {
  const full = load<u32>(cpu, FTW), top = topOf(cpu);
  let word: u32 = 0;
  for (let r: u32 = 0; r < 8; r++) word |= ((full >> r & 1) == 0 ? TAG_EMPTY : tagOf(stack(cpu, r - top))) << (r << 1);
  return word;
}
function setTagWord(cpu: usize, word: u32): void {
  let full: u32 = 0;
  for (let r: u32 = 0; r < 8; r++) if ((word >> (r << 1) & 3) != TAG_EMPTY) full |= 1 << r;
  store<u32>(cpu, full, FTW);
}

function isWord(ip: usize): bool { return load<u8>(ip, OP_SIZE) == 1; }
function environmentBytes(ip: usize): u64 { return isWord(ip) ? 14 : 28; }

/** Whether `bytes` at `at` can be accessed: the control word and the last byte are tried before what lies between, which shows in CR2 where pages end. */
function accessible(cpu: usize, ip: usize, at: u64, bytes: u64, access: u32): bool {
  return probe(cpu, at, isWord(ip) ? 2 : 4, access) && probe(cpu, at + bytes - 1, 1, access) && probe(cpu, at, <u32>bytes, access);
}

/** Writes the environment; its bytes have been probed. Code and data selectors are not recorded (CPUID.(EAX=07H):EBX[13]) and stored as 0. */
function storeEnvironment(cpu: usize, ip: usize, at: u64): void {
  const fip = <u32>load<u64>(cpu, FPU_IP), fdp = <u32>load<u64>(cpu, FPU_DP), fop = load<u32>(cpu, FPU_OP), real = isReal(cpu);
  const fcw = load<u32>(cpu, FCW), fsw = load<u32>(cpu, FSW), tags = tagWord(cpu);
  if (isWord(ip)) {
    st16(cpu, at, <u16>fcw); st16(cpu, at + 2, <u16>fsw); st16(cpu, at + 4, <u16>tags);
    st16(cpu, at + 6, <u16>fip); st16(cpu, at + 8, real ? <u16>((fip >> 16 << 12) | fop) : 0);
    st16(cpu, at + 10, <u16>fdp); st16(cpu, at + 12, real ? <u16>(fdp >> 16 << 12) : 0);
    return;
  }
  st32(cpu, at, ONES | fcw); st32(cpu, at + 4, ONES | fsw); st32(cpu, at + 8, ONES | tags);
  if (real) {
    st32(cpu, at + 12, ONES | (fip & 0xffff)); st32(cpu, at + 16, (fip >> 16 << 12) | fop);
    st32(cpu, at + 20, ONES | (fdp & 0xffff)); st32(cpu, at + 24, fdp >> 16 << 12);
  } else {
    st32(cpu, at + 12, fip); st32(cpu, at + 16, fop << 16);
    st32(cpu, at + 20, fdp); st32(cpu, at + 24, ONES);
  }
}

/** Reads the environment; its bytes have been probed. */
function loadEnvironment(cpu: usize, ip: usize, at: u64): void {
  const real = isReal(cpu);
  let fcw: u32, fsw: u32, tags: u32, fip: u32, fdp: u32, fop: u32 = 0;
  if (isWord(ip)) {
    fcw = ld16(cpu, at); fsw = ld16(cpu, at + 2); tags = ld16(cpu, at + 4); fip = ld16(cpu, at + 6); fdp = ld16(cpu, at + 10);
    if (real) {
      const high = <u32>ld16(cpu, at + 8);
      fop = high & 0x7ff;
      fip |= high >> 12 << 16;
      fdp |= <u32>ld16(cpu, at + 12) >> 12 << 16;
    }
  } else {
    fcw = ld32(cpu, at); fsw = ld32(cpu, at + 4); tags = ld32(cpu, at + 8); fip = ld32(cpu, at + 12); fdp = ld32(cpu, at + 20);
    const high = ld32(cpu, at + 16);
    fop = (real ? high : high >> 16) & 0x7ff;
    if (real) {
      fip = (fip & 0xffff) | (high >> 12 << 16);
      fdp = (fdp & 0xffff) | (ld32(cpu, at + 24) >> 12 << 16);
    }
  }
  if (trap) return;
  store<u32>(cpu, fsw & 0xffff, FSW);
  setControl(cpu, fcw);
  setTagWord(cpu, tags);
  store<u64>(cpu, <u64>fip, FPU_IP);
  store<u64>(cpu, <u64>fdp, FPU_DP);
  store<u32>(cpu, fop, FPU_OP);
}

/** FNSTENV masks every exception afterwards. */
export function fnstenv(cpu: usize, ip: usize): void {
  const at = ea(cpu, ip);
  if (!accessible(cpu, ip, at, environmentBytes(ip), ACCESS_WRITE)) return;
  storeEnvironment(cpu, ip, at);
  if (trap) return;
  setControl(cpu, load<u32>(cpu, FCW) | 0x3f);
}
export function fldenv(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const at = ea(cpu, ip);
  if (!accessible(cpu, ip, at, environmentBytes(ip), 0)) return;
  loadEnvironment(cpu, ip, at);
}
/** FNSAVE: environment and registers from ST(0) on; then as FNINIT. */
export function fnsave(cpu: usize, ip: usize): void {
  const at = ea(cpu, ip), registers = at + environmentBytes(ip);
  if (!accessible(cpu, ip, at, environmentBytes(ip) + REGISTER_BYTES, ACCESS_WRITE)) return;
  storeEnvironment(cpu, ip, at);
  for (let i: u32 = 0; i < 8 && !trap; i++) {
    const from = stack(cpu, i);
    st64(cpu, registers + <u64>(i * 10), sigOf87(from));
    st16(cpu, registers + <u64>(i * 10 + 8), <u16>seOf(from));
  }
  if (!trap) fninit(cpu, ip);
}
export function frstor(cpu: usize, ip: usize): void {
  if (waits(cpu)) return;
  const at = ea(cpu, ip), registers = at + environmentBytes(ip);
  if (!accessible(cpu, ip, at, environmentBytes(ip) + REGISTER_BYTES, 0)) return;
  loadEnvironment(cpu, ip, at);
  for (let i: u32 = 0; i < 8 && !trap; i++) {
    const to = stack(cpu, i);
    store<u64>(to, ld64(cpu, registers + <u64>(i * 10)));
    store<u64>(to, <u64>ld16(cpu, registers + <u64>(i * 10 + 8)), 8);
  }
}
