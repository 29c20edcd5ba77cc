import { apicReset } from './apic';
import { ACTIVITY_RUNNING, ACTIVITY_WAIT_SIPI, updateAttention } from './boundary';
import { DR6_ONES, DR7_ONES } from './control';
import { SIGNATURE } from './cpuid';
import { setFlags } from './flags';
import { ACTIVITY, APIC_BASE, CPU_INDEX, CPU_SIZE, CR0, DR, FCW, FTW, GDTR_LIMIT, IDTR_LIMIT, MISC_ENABLE, MXCSR, PAT, RDX, RANDOM, RIP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LDTR, SEG_SS, SEG_TR, XCR0 } from './layout';
import { CR0_CD, CR0_ET, CR0_NW } from './crbits';
import { flushTlb } from './mmu';
import { updateMode } from './mode';
import { MISC_ENABLE_RESET } from './msr';
import { pmcReset } from './pmc';
import { setSegment } from './segments';

/** State of processor `index` after power-up or RESET (SDM vol. 3, table 10-1). The host then sets what a boot loader would, and calls setState. */
export function resetProcessor(cpu: usize, index: u32): void {
  // A reset does not start the random numbers again.
  const random = load<u64>(cpu, RANDOM);
  memory.fill(cpu, 0, CPU_SIZE);
  store<u64>(cpu, random, RANDOM);
  store<u32>(cpu, index, CPU_INDEX);
  // The first processor boots; the others wait for a start-up IPI (SDM vol. 3, 9.4).
  store<u32>(cpu, index == 0 ? ACTIVITY_RUNNING : ACTIVITY_WAIT_SIPI, ACTIVITY);
  setFlags(cpu, 2);
  store<u64>(cpu, 0xfff0, RIP);
  store<u64>(cpu, <u64>SIGNATURE, RDX);
  store<u64>(cpu, CR0_CD | CR0_NW | CR0_ET, CR0);
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
  store<u32>(cpu, 0x1f80, MXCSR);
  store<u32>(cpu, 0x40, FCW);
  store<u32>(cpu, 0xff, FTW); // abridged: the tag word 5555 (all zero) has no empty register
  store<u64>(cpu, 1, XCR0);
  store<u64>(cpu, 0xfee00800, APIC_BASE);
  store<u64>(cpu, 0x0007040600070406, PAT);
  store<u64>(cpu, MISC_ENABLE_RESET, MISC_ENABLE);
  pmcReset(cpu);
  apicReset(cpu, false);
  flushTlb(cpu, true);
  updateMode(cpu);
  updateAttention(cpu);
}
