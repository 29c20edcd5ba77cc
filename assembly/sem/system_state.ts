import { SHADOW_STI, updateAttention } from '../core/boundary';
import { readControl, readDebug, writeControl, writeCr0, writeDebug } from '../core/control';
import { cpuidLeaf, XCR0_MASK } from '../core/cpuid';
import { inUse } from './xsave';
import { AC, IF, IOPL } from '../core/flags';
import { CPL, CR0, CR4, FLAGS_REST, FS_BASE, GDTR_BASE, GDTR_LIMIT, GS_BASE, IDTR_BASE, IDTR_LIMIT, INT_SHADOW, KERNEL_GS_BASE, PKRU, RAX, RCX, RDX, TSC_AUX, XCR0 } from '../core/layout';
import { canonical, probe } from '../core/mem';
import { CR0_PE, CR0_TS, CR4_OSXSAVE, CR4_PCE, CR4_PCIDE, CR4_PKE, CR4_TSD, CR4_UMIP } from '../core/crbits';
import { ACCESS_WRITE, dropFastAll, flushSpace, flushTlb, invalidatePage, invalidatePageIn } from '../core/mmu';
import { is64, updateMode } from '../core/mode';
import { readMsr, settled, timeStamp, writeMsr } from '../core/msr';
import { readCounter } from '../core/pmc';
import { OP_R0, OP_R1, OP_SIZE } from '../core/op';
import { legacy } from '../core/linear';
import { ea, loadAt, storeAt } from '../core/operand';
import { GP, raise, raiseError, trap, UD } from '../core/trap';

// Instructions on the processor's own state: control, debug and model-specific registers, flags, descriptor-table registers, counters.

/** Low 32 bits of two registers as one value: EDX:EAX. */
function edxEax(cpu: usize): u64 { return <u64>load<u32>(cpu, RAX) | (<u64>load<u32>(cpu, RDX) << 32); }
function setEdxEax(cpu: usize, v: u64): void {
  store<u64>(cpu, v & 0xffffffff, RAX);
  store<u64>(cpu, v >> 32, RDX);
}

function generalRegister(cpu: usize, ip: usize, field: usize): usize { return cpu + <usize>load<u8>(ip + field); }

/** MOV to and from control and debug registers has 64-bit operands in 64-bit mode, 32-bit ones elsewhere. */
function sized(cpu: usize, v: u64): u64 { return legacy(cpu) ? v & 0xffffffff : v; }

export function movFromControl(cpu: usize, ip: usize): void {
  const v = readControl(cpu, <u32>load<u8>(ip, OP_R1));
  if (!trap) store<u64>(generalRegister(cpu, ip, OP_R0), sized(cpu, v));
}
export function movToControl(cpu: usize, ip: usize): void { writeControl(cpu, <u32>load<u8>(ip, OP_R0), sized(cpu, load<u64>(generalRegister(cpu, ip, OP_R1)))); }
/** Whether MOV may access the debug register in the op's `field`: #UD for DR8-DR15 whatever CPL is; then #GP(0) outside of CPL 0. */
function debugAllowed(cpu: usize, ip: usize, field: usize): bool {
  if (load<u8>(ip + field) > 7) { raise(cpu, UD); return false; }
  if (load<u32>(cpu, CPL) != 0) { raiseError(cpu, GP, 0); return false; }
  return true;
}
export function movFromDebug(cpu: usize, ip: usize): void {
  if (!debugAllowed(cpu, ip, OP_R1)) return;
  const v = readDebug(cpu, <u32>load<u8>(ip, OP_R1));
  if (!trap) store<u64>(generalRegister(cpu, ip, OP_R0), sized(cpu, v));
}
export function movToDebug(cpu: usize, ip: usize): void {
  if (debugAllowed(cpu, ip, OP_R0)) writeDebug(cpu, <u32>load<u8>(ip, OP_R0), sized(cpu, load<u64>(generalRegister(cpu, ip, OP_R1))));
}

export function clts(cpu: usize, _ip: usize): void {
  store<u64>(cpu, load<u64>(cpu, CR0) & ~CR0_TS, CR0);
  updateMode(cpu);
}

/** LMSW writes bits 3:0 of CR0 and can set PE but not clear it. */
export function lmsw<T>(cpu: usize, source: T): void {
  const cr0 = load<u64>(cpu, CR0);
  writeCr0(cpu, (cr0 & ~(<u64>14)) | (<u64>source & 15) | (cr0 & CR0_PE));
}
/** With CR4.UMIP, instructions that show system state are refused outside of CPL 0. */
export function userProhibited(cpu: usize): bool {
  if ((load<u64>(cpu, CR4) & CR4_UMIP) == 0 || load<u32>(cpu, CPL) == 0) return false;
  raiseError(cpu, GP, 0);
  return true;
}
export function smsw<T>(cpu: usize): T { return userProhibited(cpu) ? <T>0 : <T>load<u64>(cpu, CR0); }

function ioplAllows(cpu: usize): bool {
  if (load<u32>(cpu, CPL) <= (load<u32>(cpu, FLAGS_REST) & IOPL) >> 12) return true;
  raiseError(cpu, GP, 0);
  return false;
}
export function cli(cpu: usize, _ip: usize): void {
  if (!ioplAllows(cpu)) return;
  store<u32>(cpu, load<u32>(cpu, FLAGS_REST) & ~IF, FLAGS_REST);
  updateAttention(cpu);
}
/** STI takes effect after the next instruction. */
export function sti(cpu: usize, _ip: usize): void {
  if (!ioplAllows(cpu)) return;
  const flags = load<u32>(cpu, FLAGS_REST);
  if ((flags & IF) != 0) return;
  store<u32>(cpu, flags | IF, FLAGS_REST);
  store<u32>(cpu, SHADOW_STI, INT_SHADOW);
  updateAttention(cpu);
}

function setAc(cpu: usize, ac: u32): void {
  if (load<u32>(cpu, CPL) != 0) { raise(cpu, UD); return; }
  store<u32>(cpu, (load<u32>(cpu, FLAGS_REST) & ~AC) | ac, FLAGS_REST);
  updateMode(cpu);
}
export function stac(cpu: usize, _ip: usize): void { setAc(cpu, AC); }
export function clac(cpu: usize, _ip: usize): void { setAc(cpu, 0); }

export function swapgs(cpu: usize, _ip: usize): void {
  const gs = load<u64>(cpu, GS_BASE);
  store<u64>(cpu, load<u64>(cpu, KERNEL_GS_BASE), GS_BASE);
  store<u64>(cpu, gs, KERNEL_GS_BASE);
}

export function rdmsr(cpu: usize, _ip: usize): void {
  const v = readMsr(cpu, load<u32>(cpu, RCX));
  if (!trap) setEdxEax(cpu, v);
}
export function wrmsr(cpu: usize, _ip: usize): void { writeMsr(cpu, load<u32>(cpu, RCX), edxEax(cpu)); }

function tscAllowed(cpu: usize): bool {
  if ((load<u64>(cpu, CR4) & CR4_TSD) == 0 || load<u32>(cpu, CPL) == 0) return true;
  raiseError(cpu, GP, 0);
  return false;
}
export function rdtsc(cpu: usize, _ip: usize): void { if (tscAllowed(cpu)) setEdxEax(cpu, timeStamp(cpu)); }
export function rdtscp(cpu: usize, _ip: usize): void {
  if (!tscAllowed(cpu)) return;
  setEdxEax(cpu, timeStamp(cpu));
  store<u64>(cpu, <u64>load<u32>(cpu, TSC_AUX), RCX);
}
/** Outside of CPL 0 only with CR4.PCE. */
export function rdpmc(cpu: usize, _ip: usize): void {
  if (load<u32>(cpu, CPL) != 0 && (load<u64>(cpu, CR4) & CR4_PCE) == 0) { raiseError(cpu, GP, 0); return; }
  if (!settled(cpu)) return;
  const v = readCounter(cpu, load<u32>(cpu, RCX));
  if (!trap) setEdxEax(cpu, v);
}

export function cpuid(cpu: usize, _ip: usize): void { cpuidLeaf(cpu); }

export function xgetbv(cpu: usize, _ip: usize): void {
  if ((load<u64>(cpu, CR4) & CR4_OSXSAVE) == 0) { raise(cpu, UD); return; }
  const index = load<u32>(cpu, RCX);
  if (index > 1) { raiseError(cpu, GP, 0); return; }
  setEdxEax(cpu, index == 0 ? load<u64>(cpu, XCR0) : load<u64>(cpu, XCR0) & inUse(cpu));
}
/** XCR0: x87 state cannot be switched off, and AVX state needs SSE state. */
export function xsetbv(cpu: usize, _ip: usize): void {
  if ((load<u64>(cpu, CR4) & CR4_OSXSAVE) == 0) { raise(cpu, UD); return; }
  const v = edxEax(cpu);
  if (load<u32>(cpu, CPL) != 0 || load<u32>(cpu, RCX) != 0 || (v & 1) == 0 || (v & 6) == 4 || (v & ~XCR0_MASK) != 0) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu, v, XCR0);
  updateMode(cpu);
}

/** A non-canonical address is no translation of anything: nothing happens. */
export function invlpg(cpu: usize, ip: usize): void {
  const va = ea(cpu, ip);
  if (canonical(va)) invalidatePage(cpu, va);
}
/** INVPCID (SDM vol. 2): the type is in the register; the descriptor has the PCID in bits 11:0 and the address in its upper half. */
export function invpcid(cpu: usize, ip: usize): void {
  const va = ea(cpu, ip), narrow = !is64(cpu), operand = load<u64>(generalRegister(cpu, ip, OP_R0)), type = narrow ? operand & 0xffffffff : operand;
  const id = loadAt<u64>(cpu, va); if (trap) return;
  const address = loadAt<u64>(cpu, va + 8); if (trap) return;
  const single = type < 2, disabled = (load<u64>(cpu, CR4) & CR4_PCIDE) == 0;
  if (type > 3 || id > 0xfff || (type == 0 && !canonical(address)) || (single && disabled && id != 0)) { raiseError(cpu, GP, 0); return; }
  if (type == 0) invalidatePageIn(cpu, address, id, false);
  else if (type == 1) flushSpace(cpu, id);
  else flushTlb(cpu, type == 2);
}

/** RDPKRU, WRPKRU: the protection keys' rights, with CR4.PKE. */
function keysOff(cpu: usize): bool {
  if ((load<u64>(cpu, CR4) & CR4_PKE) == 0) raise(cpu, UD);
  else if (load<u32>(cpu, RCX) != 0) raiseError(cpu, GP, 0);
  return trap != 0;
}
export function rdpkru(cpu: usize, _ip: usize): void { if (!keysOff(cpu)) setEdxEax(cpu, <u64>load<u32>(cpu, PKRU)); }
export function wrpkru(cpu: usize, _ip: usize): void {
  if (keysOff(cpu)) return;
  if (load<u32>(cpu, RDX) != 0) { raiseError(cpu, GP, 0); return; }
  store<u32>(cpu, load<u32>(cpu, RAX), PKRU);
  dropFastAll(cpu);
}

/** INVD, WBINVD: this memory has no caches. */
export function cacheFlush(_cpu: usize, _ip: usize): void {}

function loadTable(cpu: usize, ip: usize, base: usize, limit: usize): void {
  const va = ea(cpu, ip), size = loadAt<u16>(cpu, va); if (trap) return;
  // Outside 64-bit mode a base of 32 bits, or 24 with an operand size of 16.
  const at = legacy(cpu) ? <u64>loadAt<u32>(cpu, va + 2) & (load<u8>(ip, OP_SIZE) == 1 ? 0xffffff : 0xffffffff) : loadAt<u64>(cpu, va + 2); if (trap) return;
  if (!canonical(at)) { raiseError(cpu, GP, 0); return; }
  store<u32>(cpu + limit, <u32>size);
  store<u64>(cpu + base, at);
}
function storeTable(cpu: usize, ip: usize, base: usize, limit: usize): void {
  if (userProhibited(cpu)) return;
  const va = ea(cpu, ip);
  if (!probe(cpu, va, legacy(cpu) ? 6 : 10, ACCESS_WRITE)) return;
  storeAt<u16>(cpu, va, <u16>load<u32>(cpu + limit)); if (trap) return;
  if (legacy(cpu)) storeAt<u32>(cpu, va + 2, load<u32>(cpu + base));
  else storeAt<u64>(cpu, va + 2, load<u64>(cpu + base));
}
export function lgdt(cpu: usize, ip: usize): void { loadTable(cpu, ip, GDTR_BASE, GDTR_LIMIT); }
export function lidt(cpu: usize, ip: usize): void { loadTable(cpu, ip, IDTR_BASE, IDTR_LIMIT); }
export function sgdt(cpu: usize, ip: usize): void { storeTable(cpu, ip, GDTR_BASE, GDTR_LIMIT); }
export function sidt(cpu: usize, ip: usize): void { storeTable(cpu, ip, IDTR_BASE, IDTR_LIMIT); }
