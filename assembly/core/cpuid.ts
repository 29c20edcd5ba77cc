import { MISC_ENABLE_MONITOR, MONITOR_BYTES } from './monitor';
import { LEAF_A_EAX, LEAF_A_EBX, LEAF_A_EDX } from './pmc';
import { APIC_BASE, CPU_INDEX, CR4, RAX, RBX, RCX, RDX, XCR0, MISC_ENABLE } from './layout';
import { cpuCount } from './map';
import { CR4_OSXSAVE, CR4_PKE } from './crbits';

// What CPUID says (SDM vol. 2, CPUID): a processor of Haswell's family that announces what exists here and nothing else.

/** Family 6, model 3Ch, stepping 3; also in EDX after reset. */
export const SIGNATURE: u32 = 0x000306c3;
/** Bits of a physical address. */
const PHYSICAL_BITS: u32 = 32, LINEAR_BITS: u32 = 48;
const MAX_LEAF: u32 = 0x16, MAX_EXTENDED: u32 = 0x80000008;

// Leaf 1 EDX.
const FPU: u32 = 1 << 0, DE: u32 = 1 << 2, PSE: u32 = 1 << 3, TSC: u32 = 1 << 4, MSR: u32 = 1 << 5, PAE: u32 = 1 << 6, MCE: u32 = 1 << 7, CX8: u32 = 1 << 8, APIC: u32 = 1 << 9, SEP: u32 = 1 << 11, MTRR: u32 = 1 << 12, PGE: u32 = 1 << 13, MCA: u32 = 1 << 14, CMOV: u32 = 1 << 15, PAT: u32 = 1 << 16, CLFSH: u32 = 1 << 19, MMX: u32 = 1 << 23, FXSR: u32 = 1 << 24, SSE: u32 = 1 << 25, SSE2: u32 = 1 << 26, HTT: u32 = 1 << 28;
// Leaf 1 ECX.
const SSE3: u32 = 1 << 0, PCLMULQDQ: u32 = 1 << 1, MONITOR: u32 = 1 << 3, SSSE3: u32 = 1 << 9, CX16: u32 = 1 << 13, SSE4_1: u32 = 1 << 19, SSE4_2: u32 = 1 << 20, X2APIC: u32 = 1 << 21, MOVBE: u32 = 1 << 22, POPCNT: u32 = 1 << 23, PCID: u32 = 1 << 17, TSC_DEADLINE: u32 = 1 << 24, AES: u32 = 1 << 25, FMA: u32 = 1 << 12, AVX: u32 = 1 << 28, F16C: u32 = 1 << 29, RDRAND: u32 = 1 << 30, XSAVE: u32 = 1 << 26, OSXSAVE: u32 = 1 << 27, HYPERVISOR: u32 = 0x80000000;
// Leaf 7 EBX, ECX.
const FSGSBASE: u32 = 1 << 0, TSC_ADJUST: u32 = 1 << 1, FDP_EXCPTN_ONLY: u32 = 1 << 6, FCS_FDS_DEPRECATED: u32 = 1 << 13, AVX2: u32 = 1 << 5, RDSEED: u32 = 1 << 18, CLFLUSHOPT: u32 = 1 << 23, CLWB: u32 = 1 << 24, INVPCID: u32 = 1 << 10, BMI1: u32 = 1 << 3, SMEP: u32 = 1 << 7, BMI2: u32 = 1 << 8, ADX: u32 = 1 << 19, SMAP: u32 = 1 << 20, SHA: u32 = 1 << 29;
const UMIP: u32 = 1 << 2, PKU: u32 = 1 << 3, OSPKE: u32 = 1 << 4, RDPID: u32 = 1 << 22, PKS: u32 = 0x80000000;
// Leaf 80000001 EDX, ECX.
const SYSCALL: u32 = 1 << 11, NX: u32 = 1 << 20, PAGE1GB: u32 = 1 << 26, RDTSCP: u32 = 1 << 27, LM: u32 = 1 << 29;
const LAHF64: u32 = 1 << 0, LZCNT: u32 = 1 << 5, PREFETCHW: u32 = 1 << 8;

/** XCR0 bits that XSETBV accepts: x87, SSE, AVX, PKRU. */
export const XCR0_MASK: u64 = 0x207;

const LEAF1_EDX: u32 = FPU | DE | PSE | TSC | MSR | PAE | MCE | CX8 | APIC | SEP | MTRR | PGE | MCA | CMOV | PAT | CLFSH | MMX | FXSR | SSE | SSE2;
const LEAF1_ECX: u32 = SSE3 | PCLMULQDQ | SSSE3 | SSE4_1 | SSE4_2 | AES | CX16 | X2APIC | MOVBE | POPCNT | PCID | TSC_DEADLINE | XSAVE | AVX | F16C | FMA | RDRAND;

/** Machine configuration: TSC frequency in Hz (leaves 15h and 16h), and whether the hypervisor bit is set. */
let tscHz: u32 = 100000000;
let hypervisor: bool = false;
export function setCpuidConfig(frequency: u32, hypervisorBit: u32): void { tscHz = frequency; hypervisor = hypervisorBit != 0; }

let a: u32 = 0, b: u32 = 0, c: u32 = 0, d: u32 = 0;

/** Executes CPUID for the leaf in EAX and subleaf in ECX. */
export function cpuidLeaf(cpu: usize): void {
  let leaf = load<u32>(cpu, RAX);
  const sub = load<u32>(cpu, RCX);
  // Beyond the last leaf, the last basic leaf answers (SDM vol. 2, CPUID, "INPUT EAX").
  if (leaf > MAX_EXTENDED || (leaf > MAX_LEAF && leaf < 0x80000000)) leaf = MAX_LEAF;
  a = 0; b = 0; c = 0; d = 0;
  if (leaf >= 0x80000000) extended(leaf); else basic(cpu, leaf, sub);
  store<u64>(cpu, <u64>a, RAX);
  store<u64>(cpu, <u64>b, RBX);
  store<u64>(cpu, <u64>c, RCX);
  store<u64>(cpu, <u64>d, RDX);
}

function basic(cpu: usize, leaf: u32, sub: u32): void {
  switch (leaf) {
    case 0: // "GenuineIntel"
      a = MAX_LEAF; b = 0x756e6547; d = 0x49656e69; c = 0x6c65746e;
      break;
    case 1:
      a = SIGNATURE;
      // CLFLUSH line of 8 * 8 bytes, logical processors, initial APIC ID
      b = (load<u32>(cpu, CPU_INDEX) << 24) | (cpuCount << 16) | 0x0800;
      c = LEAF1_ECX | (hypervisor ? HYPERVISOR : 0) | ((load<u64>(cpu, CR4) & CR4_OSXSAVE) != 0 ? OSXSAVE : 0) | ((load<u64>(cpu, MISC_ENABLE) & MISC_ENABLE_MONITOR) != 0 ? MONITOR : 0);
      d = LEAF1_EDX | (cpuCount > 1 ? HTT : 0);
      // An APIC that IA32_APIC_BASE disables is not announced.
      if ((load<u64>(cpu, APIC_BASE) & 0x800) == 0) d &= ~APIC;
      break;
    case 5: // MONITOR: smallest and largest line, extensions with break on masked interrupts, one C1 state
      a = MONITOR_BYTES; b = MONITOR_BYTES; c = 3; d = 0x10;
      break;
    case 2: // descriptors are in leaf 4
      a = 0xff01;
      break;
    case 4: cache(sub); break;
    case 7:
      if (sub == 0) { b = FSGSBASE | TSC_ADJUST | FDP_EXCPTN_ONLY | FCS_FDS_DEPRECATED | AVX2 | RDSEED | CLFLUSHOPT | CLWB | INVPCID | BMI1 | BMI2 | SMEP | ADX | SMAP | SHA; c = UMIP | RDPID | PKU | PKS | ((load<u64>(cpu, CR4) & CR4_PKE) != 0 ? OSPKE : 0); }
      break;
    case 0xa: a = LEAF_A_EAX; b = LEAF_A_EBX; d = LEAF_A_EDX; break;
    case 0xb: topology(cpu, sub); break;
    case 0xd: extendedState(cpu, sub); break;
    case 0x15: // TSC / crystal = 1 / 1, crystal frequency
      a = 1; b = 1; c = tscHz;
      break;
    case 0x16: // base, maximum, bus frequency in MHz
      a = tscHz / 1000000; b = a; c = 100;
      break;
    default: // no thermal sensor (6)
  }
}

/** Offset of a state component in the standard format of the XSAVE area, and its size; 0 for one that does not exist. */
export function componentOffset(i: u32): u32 { return i == 2 ? 576 : i == 9 ? 2688 : 0; }
export function componentSize(i: u32): u32 { return i == 2 ? 256 : i == 9 ? 8 : 0; }
/** Bytes of an XSAVE area with the components of `set`, in the standard or the compacted format (SDM vol. 1, 13.4). */
export function areaSize(set: u64, compacted: bool): u32 {
  let size: u32 = 576;
  for (let i: u32 = 2; i < 10; i++) {
    if ((set >> i & 1) == 0) continue;
    size = (compacted ? size : componentOffset(i)) + componentSize(i);
  }
  return size;
}
/** XSAVEOPT, XSAVEC, XGETBV with ECX = 1; no XSAVES. */
function extendedState(cpu: usize, sub: u32): void {
  const enabled = load<u64>(cpu, XCR0);
  if (sub == 0) { a = <u32>XCR0_MASK; b = areaSize(enabled, false); c = areaSize(XCR0_MASK, false); }
  else if (sub == 1) { a = 7; b = areaSize(enabled, true); }
  else if (sub < 10) { a = componentSize(sub); b = componentOffset(sub); }
}

/** Deterministic cache parameters: what a cache model would have. Ways, line 64, sets. */
function cache(sub: u32): void {
  switch (sub) {
    case 0: setCache(1, 1, 8, 64); break; // L1 data, 32 KiB
    case 1: setCache(2, 1, 8, 64); break; // L1 instruction, 32 KiB
    case 2: setCache(3, 2, 8, 512); break; // L2, 256 KiB
    default:
  }
}
function setCache(type: u32, level: u32, ways: u32, sets: u32): void {
  a = type | (level << 5) | (1 << 8);
  b = 63 | ((ways - 1) << 22);
  c = sets - 1;
}

/** Extended topology: one thread a core, all cores in one package. */
function topology(cpu: usize, sub: u32): void {
  let bits: u32 = 0;
  while ((<u32>1 << bits) < cpuCount) bits++;
  if (sub == 0) { b = 1; c = 0x100; }
  else if (sub == 1) { a = bits; b = cpuCount; c = 0x201; }
  else c = sub & 0xff;
  d = load<u32>(cpu, CPU_INDEX);
}

const BRAND: StaticArray<u8> = [
  0x6b, 0x6d, 0x6f, 0x64, 0x65, 0x20, 0x78, 0x38, 0x36, 0x2d, 0x36, 0x34, 0x20, 0x70, 0x72, 0x6f, // kmode x86-64 pro
  0x63, 0x65, 0x73, 0x73, 0x6f, 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // cessor
];

function extended(leaf: u32): void {
  switch (leaf) {
    case 0x80000000: a = MAX_EXTENDED; break;
    case 0x80000001:
      c = LAHF64 | LZCNT | PREFETCHW;
      d = SYSCALL | NX | PAGE1GB | RDTSCP | LM;
      break;
    case 0x80000002: case 0x80000003: {
      const at = changetype<usize>(BRAND) + <usize>((leaf - 0x80000002) << 4);
      a = load<u32>(at); b = load<u32>(at, 4); c = load<u32>(at, 8); d = load<u32>(at, 12);
      break;
    }
    case 0x80000006: c = 256 << 16 | 6 << 12 | 64; break; // L2: KiB, 8-way, line
    case 0x80000007: d = 1 << 8; break; // invariant TSC
    case 0x80000008: a = PHYSICAL_BITS | (LINEAR_BITS << 8); break;
    default:
  }
}

export function xcr0(cpu: usize): u64 { return load<u64>(cpu, XCR0); }
