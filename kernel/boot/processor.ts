import { highHalf } from '../../hal/bus/memory.ts';
import { CS, type CpuView, DS, ES, FS, GS, LDTR, MSR_PAGEABLE_KEYS, RSP, SS, TR } from '../../hal/bus/cpu.ts';
import { HIGH_LEVEL } from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import {
  DOUBLE_FAULT_STACK_TOP,
  DPC_STACK_TOP,
  GDT_OFFSET,
  IDLE_STACK_TOP,
  IDT_OFFSET,
  MACHINE_CHECK_STACK_TOP,
  NMI_STACK_TOP,
  pcrAddress,
  TSS_OFFSET,
} from '../mm/layout.ts';
import { PAGEABLE_KEYS } from '../mm/paging.ts';
import { interruptThunk, TRAPS } from '../ke/trapcode.ts';
import { APC_VECTOR, CLOCK_VECTOR, DISPATCH_VECTOR, IPI_VECTOR, SPURIOUS_VECTOR } from '../ke/ready.ts';
import { QUEUED_SPIN_LOCKS } from '../ke/globals.ts';
import { KSPIN_LOCK_QUEUE } from '../types/ke.ts';
import { KPCR, KPRCB } from '../types/prcb.ts';
import { KIDTENTRY64, KTSS64 } from '../types/trap.ts';

/** Selectors of x64 NT. */
export const KGDT64_R0_CODE = 0x10,
  KGDT64_R0_DATA = 0x18,
  KGDT64_R3_CMCODE = 0x20,
  KGDT64_R3_DATA = 0x28,
  KGDT64_R3_CODE = 0x30,
  KGDT64_SYS_TSS = 0x40,
  KGDT64_R3_CMTEB = 0x50;

const IST_DOUBLE_FAULT = 1,
  IST_NMI = 2,
  IST_MACHINE_CHECK = 3;
export const GDT_LIMIT = 0x57,
  IDT_LIMIT = 0xfff;
const TSS_LIMIT = 0x67;

// CR0: PE MP ET NE WP AM PG. CR4: DE PSE PAE MCE PGE OSFXSR OSXMMEXCPT OSXSAVE SMEP (Intel SDM vol. 3, 2.5). EFER: SCE LME LMA NXE.
export const CR0 = 0x80050033,
  CR4 = 0x1406f8,
  EFER = 0xd01n;
const MSR_PAT = 0x277;
const MSR_EFER = 0xc0000080,
  MSR_STAR = 0xc0000081,
  MSR_LSTAR = 0xc0000082,
  MSR_CSTAR = 0xc0000083,
  MSR_SFMASK = 0xc0000084,
  MSR_FS_BASE = 0xc0000100,
  MSR_GS_BASE = 0xc0000101,
  MSR_KERNEL_GS_BASE = 0xc0000102;

/** Access bytes of a TSS descriptor: LTR makes the first the second. */
const TSS_AVAILABLE = 0x89n,
  TSS_BUSY = 0x8bn;

function writeGdt(k: Kernel, gdt: number, tss: number, tssAccess: bigint): void {
  const descriptor = (selector: number, value: bigint): void => k.mem.write64(gdt + selector, value);
  descriptor(KGDT64_R0_CODE, 0x00209b0000000000n);
  descriptor(KGDT64_R0_DATA, 0x0040930000000000n);
  descriptor(KGDT64_R3_CMCODE, 0x00cffb000000ffffn);
  descriptor(KGDT64_R3_DATA, 0x00cff3000000ffffn);
  descriptor(KGDT64_R3_CODE, 0x0020fb0000000000n);
  descriptor(KGDT64_R3_CMTEB, 0x0040f3000000ffffn);
  const base = BigInt.asUintN(64, BigInt(tss));
  const low = (base & 0xffffffn) << 16n;
  descriptor(KGDT64_SYS_TSS, BigInt(TSS_LIMIT) | low | (tssAccess << 40n) | (((base >> 24n) & 0xffn) << 56n));
  descriptor(KGDT64_SYS_TSS + 8, base >> 32n);
}

/** An interrupt gate: interrupts are off on entry (Intel SDM vol. 3, 6.14.1). */
function writeGate(k: Kernel, idt: number, vector: number, target: number, ist: number, dpl: number): void {
  const f = KIDTENTRY64.f;
  const at = idt + vector * KIDTENTRY64.size;
  const INTERRUPT_GATE = 0x8e;
  f.OffsetLow.set(k.mem, at, target & 0xffff);
  f.OffsetMiddle.set(k.mem, at, (target >>> 16) & 0xffff);
  f.OffsetHigh.set(k.mem, at, highHalf(target));
  f.Selector.set(k.mem, at, KGDT64_R0_CODE);
  f.IstIndex.set(k.mem, at, ist);
  f.Type.set(k.mem, at, INTERRUPT_GATE | (dpl << 5));
}

function writeIdt(k: Kernel, idt: number): void {
  const thunks = k.address('nt!KxIsrThunks');
  for (let vector = 0x20; vector < 256; vector++) writeGate(k, idt, vector, interruptThunk(thunks, vector), 0, 0);
  for (const t of TRAPS) writeGate(k, idt, t.vector, k.address(`nt!${t.name}`), t.ist ?? 0, t.user ? 3 : 0);
  const interrupts: readonly [number, string][] = [
    [APC_VECTOR, 'nt!KiApcInterrupt'],
    [DISPATCH_VECTOR, 'nt!KiDpcInterrupt'],
    [CLOCK_VECTOR, 'nt!HalpClockInterrupt'],
    [IPI_VECTOR, 'nt!KiIpiInterrupt'],
    [SPURIOUS_VECTOR, 'nt!HalpSpuriousInterrupt'],
  ];
  for (const [vector, symbol] of interrupts) writeGate(k, idt, vector, k.address(symbol), 0, 0);
}

function writeTss(k: Kernel, tss: number, area: number): void {
  const f = KTSS64.f;
  const stack = (top: number): bigint => BigInt.asUintN(64, BigInt(area + top));
  f.Rsp0.set(k.mem, tss, stack(IDLE_STACK_TOP));
  const ists: readonly [number, number][] = [
    [IST_DOUBLE_FAULT, DOUBLE_FAULT_STACK_TOP],
    [IST_NMI, NMI_STACK_TOP],
    [IST_MACHINE_CHECK, MACHINE_CHECK_STACK_TOP],
  ];
  for (const [n, top] of ists) k.mem.write64(tss + f.Ist0.offset + n * 8, stack(top));
  f.IoMapBase.set(k.mem, tss, TSS_LIMIT + 1);
}

/** The KPCR and the parts of the KPRCB that never change. */
function writePcr(k: Kernel, index: number, pcr: number): void {
  const f = KPCR.f,
    p = KPRCB.f;
  const prcb = pcr + f.Prcb.offset;
  f.GdtBase.set(k.mem, pcr, pcr + GDT_OFFSET);
  f.TssBase.set(k.mem, pcr, pcr + TSS_OFFSET);
  f.IdtBase.set(k.mem, pcr, pcr + IDT_OFFSET);
  f.Self.set(k.mem, pcr, pcr);
  f.CurrentPrcb.set(k.mem, pcr, prcb);
  f.MajorVersion.set(k.mem, pcr, 1);
  f.MinorVersion.set(k.mem, pcr, 1);
  f.StallScaleFactor.set(k.mem, pcr, Math.max(1, Math.round(k.config.tscHz / 1e6)));
  p.MxCsr.set(k.mem, prcb, 0x1f80);
  p.Number.set(k.mem, prcb, index);
  p.LegacyNumber.set(k.mem, prcb, index);
  p.GroupIndex.set(k.mem, prcb, index);
  p.GroupSetMember.set(k.mem, prcb, 1n << BigInt(index));
  p.InitialApicId.set(k.mem, prcb, index);
  p.MajorVersion.set(k.mem, prcb, 1);
  p.MinorVersion.set(k.mem, prcb, 1);
  p.MHz.set(k.mem, prcb, Math.round(k.config.tscHz / 1e6));
  p.TscFrequency.set(k.mem, prcb, BigInt(k.config.tscHz));
  p.CFlushSize.set(k.mem, prcb, 64);
  p.DpcStack.set(k.mem, prcb, pcr + DPC_STACK_TOP);
  for (let n = 0; n < QUEUED_SPIN_LOCKS; n++)
    k.mem.writePtr(
      prcb + p.LockQueue.offset + n * KSPIN_LOCK_QUEUE.size + KSPIN_LOCK_QUEUE.f.Lock.offset,
      k.global.address('KiQueuedSpinLocks') + n * 8,
    );
}

/** Control registers and paging: from here on memory is seen through the page tables. */
export function enablePaging(cpu: CpuView, directoryTable: number): void {
  cpu.wrmsr(MSR_EFER, EFER);
  cpu.setCr(4, CR4);
  cpu.setCr(3, directoryTable);
  cpu.setCr(0, CR0);
}

/** Descriptor tables and the structures of processor `index`. With `loaded` its task register stands on the TSS already, else it is free for LTR. */
export function writeProcessorArea(k: Kernel, index: number, loaded: boolean): void {
  const pcr = pcrAddress(index);
  writeGdt(k, pcr + GDT_OFFSET, pcr + TSS_OFFSET, loaded ? TSS_BUSY : TSS_AVAILABLE);
  writeIdt(k, pcr + IDT_OFFSET);
  writeTss(k, pcr + TSS_OFFSET, pcr);
  writePcr(k, index, pcr);
}

/** NT's memory types, by PWT and PCD: write-back, write-combining, uncached minus, uncached (Intel SDM vol. 3, 12.12.2). */
const PAT = 0x0007010600070106n;

/** MSRs of system calls, of the segment bases and of memory types; `pcr` is the processor's KPCR. Under the verifier the processor watches pageable memory. */
export function setProcessorMsrs(k: Kernel, cpu: CpuView, pcr: number): void {
  cpu.wrmsr(MSR_PAT, PAT);
  cpu.wrmsr(MSR_PAGEABLE_KEYS, k.config.verifier ? PAGEABLE_KEYS : 0n);
  cpu.wrmsr(MSR_LSTAR, BigInt.asUintN(64, BigInt(k.address('nt!KiSystemCall64'))));
  cpu.wrmsr(MSR_CSTAR, BigInt.asUintN(64, BigInt(k.address('nt!KiSystemCall32'))));
  cpu.wrmsr(MSR_STAR, (BigInt(KGDT64_R3_CMCODE | 3) << 48n) | (BigInt(KGDT64_R0_CODE) << 32n));
  cpu.wrmsr(MSR_SFMASK, 0x4700n);
  cpu.wrmsr(MSR_FS_BASE, 0n);
  cpu.wrmsr(MSR_GS_BASE, BigInt.asUintN(64, BigInt(pcr)));
  cpu.wrmsr(MSR_KERNEL_GS_BASE, 0n);
}

/** The boot processor's descriptor tables, segments, MSRs and own structures; it stands at KiSystemStartup on the idle thread's stack, at HIGH_LEVEL, interrupts off. */
export function setUpProcessor(k: Kernel, cpu: CpuView): void {
  const pcr = pcrAddress(cpu.index);
  const gdt = pcr + GDT_OFFSET,
    idt = pcr + IDT_OFFSET,
    tss = pcr + TSS_OFFSET;
  writeProcessorArea(k, cpu.index, true);
  cpu.setGdtr(gdt, GDT_LIMIT);
  cpu.setIdtr(idt, IDT_LIMIT);
  cpu.setSegment(CS, { selector: KGDT64_R0_CODE, base: 0, limit: 0, access: 0x209b });
  for (const s of [SS, DS, ES]) cpu.setSegment(s, { selector: KGDT64_R0_DATA, base: 0, limit: 0, access: 0x4093 });
  cpu.setSegment(FS, { selector: KGDT64_R3_CMTEB | 3, base: 0, limit: 0xffff, access: 0x40f3 });
  cpu.setSegment(GS, { selector: KGDT64_R3_DATA | 3, base: pcr, limit: 0xffffffff, access: 0xc0f3 });
  cpu.setSegment(LDTR, { selector: 0, base: 0, limit: 0, access: 0 });
  cpu.setSegment(TR, { selector: KGDT64_SYS_TSS, base: tss, limit: TSS_LIMIT, access: 0x008b });
  cpu.cpl = 0;
  setProcessorMsrs(k, cpu, pcr);
  cpu.mxcsr = 0x1f80;
  cpu.rflags = 2;
  cpu.cr8 = HIGH_LEVEL;
  // As if called: the return address of 0 ends every walk of this stack.
  cpu.setGprPtr(RSP, pcr + IDLE_STACK_TOP - 0x58);
  cpu.rip = k.address('nt!KiSystemStartup');
}
