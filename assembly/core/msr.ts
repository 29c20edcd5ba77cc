import { CR0_PG, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE } from './crbits';
import { dropFastAll, flushTlb } from './mmu';
import { readDeadline, timerUpdate, writeDeadline } from './apictimer';
import { updateAttention } from './boundary';
import { DEBUGCTL_BTF } from './debugregs';
import { canonical } from './mem';
import { updateMode } from './mode';
import { APIC_BASE, CPU_INDEX, CR0, CSTAR, CYCLES, DEBUGCTL, EFER, FS_BASE, GS_BASE, KERNEL_GS_BASE, LSTAR, MISC_ENABLE, MTRR, PAT, PKRS, PMC_ACTIVE, SFMASK, STAR, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TSC_ADJUST, TSC_AUX, TSC_OFFSET } from './layout';
import { isPmcMsr, readPmcMsr, writePmcMsr } from './pmc';
import { alone, GP, raiseError, raiseRedo } from './trap';
import { clockCycle } from './turns';
import { readApicBase, readX2apic, writeApicBase, writeX2apic } from './x2apic';

// Model-specific registers (SDM vol. 4). An unknown one, a reserved bit or a bad value is #GP(0).

/** Variable-range MTRR pairs. */
const MTRR_PAIRS: u32 = 8;
/** IA32_MTRRCAP: eight pairs, fixed ranges, write-combining. */
const MTRRCAP: u64 = 0x508;
/** Fixed ranges follow the pairs, then IA32_MTRR_DEF_TYPE. */
const MTRR_FIXED: u32 = MTRR_PAIRS * 2, MTRR_DEFAULT: u32 = MTRR_FIXED + 11;
const PHYSICAL_MASK: u64 = 0xfffff000;
/** IA32_MISC_ENABLE: fast strings, performance monitoring there, MONITOR. */
export const MISC_ENABLE_RESET: u64 = 0x40081;
const MISC_ENABLE_MASK: u64 = 0x400c51889;

/** The time-stamp counter as software reads it. */
export function timeStamp(cpu: usize): u64 { return clockCycle(cpu) + load<u64>(cpu, TSC_OFFSET); }

/** Counters are current only at a boundary that the run loop sees: while they count, an instruction that reads them runs alone. */
export function settled(cpu: usize): bool {
  if (load<u32>(cpu, PMC_ACTIVE) == 0 || alone) return true;
  raiseRedo();
  return false;
}

function refuse(cpu: usize): u64 { raiseError(cpu, GP, 0); return 0; }

function mtrrAt(cpu: usize, index: u32): usize { return cpu + MTRR + (<usize>index << 3); }

/** Index of an MTRR by MSR number, or -1. */
function mtrrIndex(msr: u32): i32 {
  if (msr >= 0x200 && msr < 0x200 + MTRR_PAIRS * 2) return msr - 0x200;
  switch (msr) {
    case 0x250: return MTRR_FIXED;
    case 0x258: return MTRR_FIXED + 1;
    case 0x259: return MTRR_FIXED + 2;
    case 0x2ff: return MTRR_DEFAULT;
    default: return msr >= 0x268 && msr <= 0x26f ? MTRR_FIXED + 3 + (msr - 0x268) : -1;
  }
}

/** RDMSR. */
export function readMsr(cpu: usize, msr: u32): u64 {
  switch (msr) {
    case 0x10: return timeStamp(cpu);
    case 0x1b: return readApicBase(cpu);
    case 0x3b: return load<u64>(cpu, TSC_ADJUST);
    case 0x6e1: return <u64>load<u32>(cpu, PKRS);
    case 0x3a: return 1; // IA32_FEATURE_CONTROL: locked, no VMX
    case 0x8b: return <u64>0x28 << 32; // microcode revision
    case 0xfe: return MTRRCAP;
    case 0x174: return load<u64>(cpu, SYSENTER_CS);
    case 0x175: return load<u64>(cpu, SYSENTER_ESP);
    case 0x176: return load<u64>(cpu, SYSENTER_EIP);
    case 0x179: case 0x17a: return 0; // no machine-check banks
    case 0x1a0: return load<u64>(cpu, MISC_ENABLE);
    case 0x1d9: return load<u64>(cpu, DEBUGCTL);
    case 0x277: return load<u64>(cpu, PAT);
    case 0x6e0: return readDeadline(cpu);
    case 0xc0000080: return load<u64>(cpu, EFER);
    case 0xc0000081: return load<u64>(cpu, STAR);
    case 0xc0000082: return load<u64>(cpu, LSTAR);
    case 0xc0000083: return load<u64>(cpu, CSTAR);
    case 0xc0000084: return load<u64>(cpu, SFMASK);
    case 0xc0000100: return load<u64>(cpu, FS_BASE);
    case 0xc0000101: return load<u64>(cpu, GS_BASE);
    case 0xc0000102: return load<u64>(cpu, KERNEL_GS_BASE);
    case 0xc0000103: return <u64>load<u32>(cpu, TSC_AUX);
    default: {
      if (msr >= 0x800 && msr <= 0x8ff) return readX2apic(cpu, msr);
      if (isPmcMsr(msr)) return settled(cpu) ? readPmcMsr(cpu, msr) : 0;
      const index = mtrrIndex(msr);
      return index >= 0 ? load<u64>(mtrrAt(cpu, index)) : refuse(cpu);
    }
  }
}

/** WRMSR. */
export function writeMsr(cpu: usize, msr: u32, v: u64): void {
  switch (msr) {
    // A write of the counter changes IA32_TSC_ADJUST by the same amount, and the other way round (SDM vol. 3, 18.17.3).
    case 0x10: moveTsc(cpu, v - timeStamp(cpu)); break;
    case 0x3b: moveTsc(cpu, v - load<u64>(cpu, TSC_ADJUST)); break;
    case 0x1b: writeApicBase(cpu, v); break;
    case 0x6e1:
      if (v >> 32 != 0) { refuse(cpu); return; }
      store<u32>(cpu, <u32>v, PKRS);
      dropFastAll(cpu);
      break;
    case 0x8b: break; // software writes 0 before it asks CPUID for the revision
    case 0x174: if (v >> 32 != 0) refuse(cpu); else store<u64>(cpu, v, SYSENTER_CS); break;
    case 0x175: storeAddress(cpu, SYSENTER_ESP, v); break;
    case 0x176: storeAddress(cpu, SYSENTER_EIP, v); break;
    case 0x17a: if (v != 0) refuse(cpu); break;
    case 0x1a0: if ((v & ~MISC_ENABLE_MASK) != 0) refuse(cpu); else store<u64>(cpu, v, MISC_ENABLE); break;
    case 0x1d9: if ((v & ~DEBUGCTL_BTF) != 0) refuse(cpu); else store<u64>(cpu, v, DEBUGCTL); break;
    case 0x277: writePat(cpu, v); break;
    case 0x6e0: writeDeadline(cpu, v); break;
    case 0xc0000080: writeEfer(cpu, v); break;
    case 0xc0000081: store<u64>(cpu, v, STAR); break;
    case 0xc0000082: storeAddress(cpu, LSTAR, v); break;
    case 0xc0000083: storeAddress(cpu, CSTAR, v); break;
    case 0xc0000084: if (v >> 32 != 0) refuse(cpu); else store<u64>(cpu, v, SFMASK); break;
    case 0xc0000100: storeAddress(cpu, FS_BASE, v); break;
    case 0xc0000101: storeAddress(cpu, GS_BASE, v); break;
    case 0xc0000102: storeAddress(cpu, KERNEL_GS_BASE, v); break;
    case 0xc0000103: if (v >> 32 != 0) refuse(cpu); else store<u32>(cpu, <u32>v, TSC_AUX); break;
    default:
      if (msr >= 0x800 && msr <= 0x8ff) writeX2apic(cpu, msr, v);
      else if (!isPmcMsr(msr)) writeMtrr(cpu, msr, v);
      else if (!alone) raiseRedo();
      else { writePmcMsr(cpu, msr, v); updateAttention(cpu); }
  }
}

function moveTsc(cpu: usize, by: u64): void {
  store<u64>(cpu, load<u64>(cpu, TSC_OFFSET) + by, TSC_OFFSET);
  store<u64>(cpu, load<u64>(cpu, TSC_ADJUST) + by, TSC_ADJUST);
  timerUpdate(cpu);
}

/** A linear address in an MSR must be canonical. */
function storeAddress(cpu: usize, field: usize, v: u64): void {
  if (!canonical(v)) refuse(cpu); else store<u64>(cpu + field, v);
}

function writeEfer(cpu: usize, v: u64): void {
  const old = load<u64>(cpu, EFER);
  if ((v & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) != 0 || (((v ^ old) & EFER_LME) != 0 && (load<u64>(cpu, CR0) & CR0_PG) != 0)) { refuse(cpu); return; }
  store<u64>(cpu, (v & ~EFER_LMA) | (old & EFER_LMA), EFER);
  if (((v ^ old) & EFER_NXE) != 0) flushTlb(cpu, true);
  updateMode(cpu);
}

/** Memory types 0 (UC), 1 (WC), 4 (WT), 5 (WP), 6 (WB); 7 (UC-) in the PAT only. */
function memoryType(t: u64): bool { return t == 0 || t == 1 || (t >= 4 && t <= 6); }

function writePat(cpu: usize, v: u64): void {
  for (let i: u64 = 0; i < 64; i += 8) {
    const t = (v >> i) & 0xff;
    if (t != 7 && !memoryType(t)) { refuse(cpu); return; }
  }
  store<u64>(cpu, v, PAT);
}

/** Memory types are stored and read back; the memory of this machine has no caches that they could govern. */
function writeMtrr(cpu: usize, msr: u32, v: u64): void {
  const index = mtrrIndex(msr);
  let good = index >= 0;
  if (index == MTRR_DEFAULT) good = (v & ~(<u64>0xcff)) == 0 && memoryType(v & 0xff);
  else if (index >= <i32>MTRR_FIXED) for (let i: u64 = 0; i < 64; i += 8) good = good && memoryType((v >> i) & 0xff);
  else if ((index & 1) == 0) good = good && (v & ~(PHYSICAL_MASK | 0xff)) == 0 && memoryType(v & 0xff);
  else good = good && (v & ~(PHYSICAL_MASK | 0x800)) == 0;
  if (good) store<u64>(mtrrAt(cpu, index), v); else refuse(cpu);
}
