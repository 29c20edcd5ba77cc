import { apicReset } from './apic';
import { flushCode } from './blocks';
import { ACTIVITY_RUNNING, ACTIVITY_WAIT_SIPI, updateAttention } from './boundary';
import { DR6_ONES, DR7_ONES } from './control';
import { SIGNATURE } from './cpuid';
import { debugChanged } from './debugregs';
import { setFlags } from './flags';
import { ACTIVITY, APIC_BASE, CPL, CPU_INDEX, CPU_SIZE, CR0, CR2, CR4, DB_PENDING, DEBUG_ACTIVE, DEBUGCTL, DR, EFER, EXTINT_PENDING, FCW, FS_BASE, FTW, GDTR_BASE, GDTR_LIMIT, GPR, GS_BASE, IDTR_BASE, IDTR_LIMIT, INIT_PENDING, INT_SHADOW, MISC_ENABLE, MXCSR, NMI_BLOCKED, NMI_PENDING, PAT, PDPTE, RANDOM, RDX, REPEATING, RIP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LDTR, SEG_SS, SEG_TR, XCR0 } from './layout';
import { CR0_CD, CR0_ET, CR0_NW } from './crbits';
import { flushTlb, forgetLogs } from './mmu';
import { updateMode } from './mode';
import { disarm } from './monitor';
import { MISC_ENABLE_RESET } from './msr';
import { pmcReset } from './pmc';
import { setSegment } from './segments';
import { comeTo, endTurn, wake } from './turns';

/** State of processor `index` after power-up or RESET (SDM vol. 3, table 10-1). The host then sets what a boot loader would, and calls setState. */
export function resetProcessor(cpu: usize, index: u32): void {
  // A reset does not start the random numbers again.
  const random = load<u64>(cpu, RANDOM);
  memory.fill(cpu, 0, CPU_SIZE);
  forgetLogs(cpu);
  store<u64>(cpu, random, RANDOM);
  store<u32>(cpu, index, CPU_INDEX);
  store<u64>(cpu, CR0_CD | CR0_NW, CR0);
  store<u32>(cpu, 0x1f80, MXCSR);
  store<u32>(cpu, 0x40, FCW);
  store<u32>(cpu, 0xff, FTW); // abridged: the tag word 5555 (all zero) has no empty register
  store<u64>(cpu, 1, XCR0);
  store<u64>(cpu, 0xfee00800, APIC_BASE);
  store<u64>(cpu, 0x0007040600070406, PAT);
  store<u64>(cpu, MISC_ENABLE_RESET, MISC_ENABLE);
  pmcReset(cpu);
  apicReset(cpu, false);
  begin(cpu);
}

/**
 * INIT (SDM vol. 3, table 10-1): as after RESET, except that x87, SSE and AVX state, XCR0, most MSRs, the counters, CR0.CD and NW, and the APIC's ID and base stay. The first processor
 * then begins at the reset vector, the others wait for a start-up message.
 */
export function initProcessor(cpu: usize): void {
  const breakpoints = load<u32>(cpu, DEBUG_ACTIVE);
  memory.fill(cpu + GPR, 0, 0x80);
  store<u64>(cpu, 0, FS_BASE);
  store<u64>(cpu, 0, GS_BASE);
  for (let at: usize = CR2; at <= CR4; at += 8) store<u64>(cpu + at, 0);
  store<u64>(cpu, load<u64>(cpu, CR0) & (CR0_CD | CR0_NW), CR0);
  store<u64>(cpu, 0, EFER);
  store<u64>(cpu, 0, GDTR_BASE);
  store<u64>(cpu, 0, IDTR_BASE);
  memory.fill(cpu + DR, 0, 64);
  memory.fill(cpu + PDPTE, 0, 32);
  store<u64>(cpu, 0, DEBUGCTL);
  store<u32>(cpu, 0, CPL);
  store<u32>(cpu, 0, INT_SHADOW);
  store<u32>(cpu, 0, DB_PENDING);
  store<u32>(cpu, 0, REPEATING);
  store<u32>(cpu, 0, NMI_PENDING);
  store<u32>(cpu, 0, NMI_BLOCKED);
  store<u32>(cpu, 0, EXTINT_PENDING);
  store<u32>(cpu, 0, INIT_PENDING);
  disarm(cpu);
  apicReset(cpu, true);
  begin(cpu);
  if (debugChanged(cpu, breakpoints)) flushCode();
  // Whose turn it is decides itself anew.
  comeTo(cpu);
  endTurn();
}

/** What RESET and INIT have in common. */
function begin(cpu: usize): void {
  // The first processor boots; the others wait for a start-up IPI (SDM vol. 3, 9.4).
  store<u32>(cpu, load<u32>(cpu, CPU_INDEX) == 0 ? ACTIVITY_RUNNING : ACTIVITY_WAIT_SIPI, ACTIVITY);
  setFlags(cpu, 2);
  store<u64>(cpu, 0xfff0, RIP);
  store<u64>(cpu, <u64>SIGNATURE, RDX);
  store<u64>(cpu, load<u64>(cpu, CR0) | CR0_ET, CR0);
  setSegment(cpu, SEG_CS, 0xf000, 0x9b, 0xffff0000, 0xffff);
  setSegment(cpu, SEG_ES, 0, 0x93, 0, 0xffff);
  setSegment(cpu, SEG_SS, 0, 0x93, 0, 0xffff);
  setSegment(cpu, SEG_DS, 0, 0x93, 0, 0xffff);
  setSegment(cpu, SEG_FS, 0, 0x93, 0, 0xffff);
  setSegment(cpu, SEG_GS, 0, 0x93, 0, 0xffff);
  setSegment(cpu, SEG_LDTR, 0, 0x82, 0, 0xffff);
  setSegment(cpu, SEG_TR, 0, 0x8b, 0, 0xffff);
  store<u32>(cpu, 0xffff, GDTR_LIMIT);
  store<u32>(cpu, 0xffff, IDTR_LIMIT);
  store<u64>(cpu, DR6_ONES, DR + 48);
  store<u64>(cpu, DR7_ONES, DR + 56);
  flushTlb(cpu, true);
  updateMode(cpu);
  updateAttention(cpu);
}

/** A start-up message: a processor that waits for it begins in real-address mode at `vector` * 4096 (SDM vol. 3, 9.4.4.1); any other takes no notice. */
export function startProcessor(cpu: usize, vector: u32): void {
  if (load<u32>(cpu, ACTIVITY) != ACTIVITY_WAIT_SIPI) return;
  setSegment(cpu, SEG_CS, vector << 8, 0x9b, <u64>vector << 12, 0xffff);
  store<u64>(cpu, 0, RIP);
  store<u32>(cpu, ACTIVITY_RUNNING, ACTIVITY);
  updateMode(cpu);
  updateAttention(cpu);
  wake(cpu);
}
