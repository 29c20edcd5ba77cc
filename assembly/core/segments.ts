import { SHADOW_MOV_SS } from './boundary';
import { CPL, FS_BASE, GDTR_BASE, GDTR_LIMIT, GS_BASE, INT_SHADOW, SEG, SEG_ACCESS, SEG_BASE, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LDTR, SEG_LIMIT, SEG_SELECTOR, SEG_SIZE, SEG_SS, SEG_TR } from './layout';
import { canonical, sysLoad, sysStore } from './mem';
import { is64, isLong, isReal, isVirtual, systemLinear } from './mode';
import { GP, NP, SS, raiseError, trap, TS } from './trap';

// Segment registers and descriptors (SDM vol. 3, chapters 3 and 5). In 64-bit mode bases and limits of ES, CS, SS and DS are
// loaded but mean nothing; the bases of FS and GS are at FS_BASE and GS_BASE, where memory operands take them from.

/** Access rights as in SEG_ACCESS: descriptor bits 40 to 55 without the limit's upper bits. */
export const AR_ACCESSED: u32 = 1, AR_WRITABLE: u32 = 2, AR_READABLE: u32 = 2, AR_CONFORMING: u32 = 4, AR_CODE: u32 = 8, AR_S: u32 = 0x10, AR_DPL: u32 = 0x60, AR_P: u32 = 0x80, AR_L: u32 = 0x2000, AR_DB: u32 = 0x4000, AR_G: u32 = 0x8000;
/** System descriptor types (SDM vol. 3, table 3-2). */
export const TYPE_LDT: u32 = 2, TYPE_TSS: u32 = 9, TYPE_TSS_BUSY: u32 = 11, TYPE_CALL_GATE: u32 = 12, TYPE_INTERRUPT_GATE: u32 = 14, TYPE_TRAP_GATE: u32 = 15;

/** Type bit that tells a 32-bit TSS or gate from a 16-bit one. */
export const TSS_WIDE: u32 = 8;
/** Types outside IA-32e mode. */
export const TYPE_TSS16: u32 = 1, TYPE_TSS16_BUSY: u32 = 3, TYPE_CALL_GATE16: u32 = 4, TYPE_TASK_GATE: u32 = 5;
/** Access rights of a segment loaded in virtual-8086 mode, without DPL: present, writable, accessed. */
const AR_REAL: u32 = 0x93;
/** Access rights of the flat segments that SYSCALL, SYSRET, SYSENTER and SYSEXIT load without reading a descriptor. */
export const AR_FLAT_CODE64: u32 = 0xa09b, AR_FLAT_CODE32: u32 = 0xc09b, AR_FLAT_DATA: u32 = 0xc093;

/** Result of readDescriptor: the first 8 bytes and where they are. */
export let descriptor: u64 = 0;
let descriptorAt: u64 = 0;

/** A segment register's entry in the CPU structure. */
export function seg(cpu: usize, index: usize): usize { return cpu + SEG + index * SEG_SIZE; }
export function selectorOf(cpu: usize, index: usize): u32 { return load<u32>(seg(cpu, index), SEG_SELECTOR); }

export function isNull(selector: u32): bool { return (selector & 0xfffc) == 0; }
export function accessOf(d: u64): u32 { return <u32>(d >> 40) & 0xf0ff; }
export function dplOf(access: u32): u32 { return (access >> 5) & 3; }
export function baseOf(d: u64): u64 { return ((d >> 16) & 0xffffff) | ((d >> 32) & 0xff000000); }
/** Limit in bytes. */
export function limitOf(d: u64): u32 {
  const raw = (<u32>d & 0xffff) | (<u32>(d >> 32) & 0xf0000);
  return (d >> 55 & 1) != 0 ? (raw << 12) | 0xfff : raw;
}

/** Finds the descriptor of a selector in the GDT or LDT; false if `bytes` from it on are not inside the table. May raise #PF. */
export function findDescriptor(cpu: usize, selector: u32, bytes: u32): bool {
  let base: u64, limit: u32;
  if ((selector & 4) != 0) {
    const ldtr = seg(cpu, SEG_LDTR);
    if ((load<u32>(ldtr, SEG_ACCESS) & AR_P) == 0) return false;
    base = load<u64>(ldtr, SEG_BASE); limit = load<u32>(ldtr, SEG_LIMIT);
  } else {
    base = load<u64>(cpu, GDTR_BASE); limit = load<u32>(cpu, GDTR_LIMIT);
  }
  const offset = selector & 0xfff8;
  if (offset + bytes - 1 > limit) return false;
  descriptorAt = systemLinear(cpu, base, offset);
  descriptor = sysLoad(cpu, descriptorAt, 8);
  return true;
}

/** As findDescriptor, raising #GP(selector, plus `ext` in the error code) if it is outside of its table. */
export function readDescriptor(cpu: usize, selector: u32, ext: u32): bool {
  if (!findDescriptor(cpu, selector, 8)) { raiseError(cpu, GP, (selector & 0xfffc) | ext); return false; }
  return trap == 0;
}

/** Upper 8 bytes of the system descriptor that findDescriptor(..., 16) found. */
export function descriptorHigh(cpu: usize): u64 { return sysLoad(cpu, descriptorAt + 8, 8); }

/** Sets the accessed flag of the descriptor that was read last, if it is clear. */
export function markAccessed(cpu: usize): void {
  if ((descriptor >> 40 & AR_ACCESSED) != 0) return;
  descriptor |= <u64>AR_ACCESSED << 40;
  sysStore(cpu, descriptorAt + 5, 1, (descriptor >> 40) & 0xff);
}
/** Sets or clears the busy flag of the TSS descriptor that was read last. */
export function setBusy(cpu: usize, busy: bool): void {
  descriptor = busy ? descriptor | (<u64>2 << 40) : descriptor & ~(<u64>2 << 40);
  sysStore(cpu, descriptorAt + 5, 1, (descriptor >> 40) & 0xff);
}

export function setSegment(cpu: usize, index: usize, selector: u32, access: u32, base: u64, limit: u32): void {
  const s = seg(cpu, index);
  store<u32>(s, selector, SEG_SELECTOR);
  store<u32>(s, limit, SEG_LIMIT);
  store<u32>(s, access, SEG_ACCESS);
  if (index == SEG_FS) store<u64>(cpu, base, FS_BASE);
  else if (index == SEG_GS) store<u64>(cpu, base, GS_BASE);
  else store<u64>(s, base, SEG_BASE);
}

/** setSegment for CS and SS, in fewer steps: the bases of FS and GS are elsewhere. */
export function setFlatSegment(cpu: usize, index: usize, selector: u32, access: u32, d: u64): void {
  const s = seg(cpu, index);
  store<u32>(s, selector, SEG_SELECTOR);
  store<u32>(s, limitOf(d), SEG_LIMIT);
  store<u32>(s, access, SEG_ACCESS);
  store<u64>(s, baseOf(d), SEG_BASE);
}

/** Loads a register from descriptor `d`. */
export function setFromDescriptor(cpu: usize, index: usize, selector: u32, d: u64): void {
  setSegment(cpu, index, selector, accessOf(d), baseOf(d), limitOf(d));
}

/**
 * MOV or POP to ES, SS, DS, FS or GS (SDM vol. 2, MOV). Raises #GP, #SS, #NP, #PF and changes nothing, or loads the register. SS
 * holds off interrupts for one instruction: the caller looks at the boundary.
 */
export function loadDataSegment(cpu: usize, index: usize, selector: u32): void {
  const cpl = load<u32>(cpu, CPL), rpl = selector & 3;
  if (isReal(cpu)) setReal(cpu, index, selector);
  else if (isNull(selector)) {
    // 64-bit mode below CPL 3 may have a null SS.
    if (index == SEG_SS && (cpl == 3 || rpl != cpl || !is64(cpu))) { raiseError(cpu, GP, 0); return; }
    setSegment(cpu, index, selector, index == SEG_SS ? cpl << 5 : 0, 0, 0);
  } else {
    if (!readDescriptor(cpu, selector, 0)) return;
    const access = accessOf(descriptor), dpl = dplOf(access), code = (access & AR_CODE) != 0;
    let good = (access & AR_S) != 0;
    if (index == SEG_SS) good = good && rpl == cpl && dpl == cpl && !code && (access & AR_WRITABLE) != 0;
    else if (code) good = good && (access & AR_READABLE) != 0 && ((access & AR_CONFORMING) != 0 || (rpl <= dpl && cpl <= dpl));
    else good = good && rpl <= dpl && cpl <= dpl;
    if (!good) { raiseError(cpu, GP, selector & 0xfffc); return; }
    if ((access & AR_P) == 0) { raiseError(cpu, index == SEG_SS ? SS : NP, selector & 0xfffc); return; }
    markAccessed(cpu);
    if (trap) return;
    setFromDescriptor(cpu, index, selector, descriptor);
  }
  if (index == SEG_SS) store<u32>(cpu, SHADOW_MOV_SS, INT_SHADOW);
}

/** Loads a register in real-address or virtual-8086 mode: the base is the selector * 16. Real-address mode keeps limit and rights, whatever they are (SDM vol. 3, 20.1.1). */
export function setReal(cpu: usize, index: usize, selector: u32): void {
  const s = seg(cpu, index), virtual = isVirtual(cpu);
  const access = virtual ? AR_REAL | AR_DPL : (load<u32>(s, SEG_ACCESS) & AR_P) != 0 ? load<u32>(s, SEG_ACCESS) & ~AR_DPL : AR_REAL;
  setSegment(cpu, index, selector, access, <u64>selector << 4, virtual ? 0xffff : load<u32>(s, SEG_LIMIT));
}

/** On a return to an outer level, data segments that are too privileged for it become null (SDM vol. 2, IRET, RET). */
export function dropPrivilegedSegments(cpu: usize, cpl: u32): void {
  dropIfPrivileged(cpu, SEG_ES, cpl);
  dropIfPrivileged(cpu, SEG_DS, cpl);
  dropIfPrivileged(cpu, SEG_FS, cpl);
  dropIfPrivileged(cpu, SEG_GS, cpl);
}
function dropIfPrivileged(cpu: usize, index: usize, cpl: u32): void {
  const s = seg(cpu, index), access = load<u32>(s, SEG_ACCESS);
  if ((access & AR_P) == 0 || dplOf(access) >= cpl || (access & (AR_CODE | AR_CONFORMING)) == (AR_CODE | AR_CONFORMING)) return;
  store<u32>(s, 0, SEG_SELECTOR);
  store<u32>(s, 0, SEG_ACCESS);
}

/**
 * Checks a code segment that IRET or far RET goes back to: readable descriptor, code, privilege by the selector's RPL, present.
 */
export function checkReturnCode(cpu: usize, selector: u32): bool {
  if (isNull(selector)) { raiseError(cpu, GP, 0); return false; }
  if (!readDescriptor(cpu, selector, 0)) return false;
  const access = accessOf(descriptor), rpl = selector & 3, dpl = dplOf(access);
  const level = (access & AR_CONFORMING) != 0 ? dpl <= rpl : dpl == rpl;
  if ((access & (AR_S | AR_CODE)) != (AR_S | AR_CODE) || rpl < load<u32>(cpu, CPL) || !level || !validSize(cpu, access)) { raiseError(cpu, GP, selector & 0xfffc); return false; }
  if ((access & AR_P) == 0) { raiseError(cpu, NP, selector & 0xfffc); return false; }
  return true;
}

/** Checks the stack segment that a return to level `cpl` loads; it may be null in 64-bit code (`flat`) below level 3. */
function checkReturnStack(cpu: usize, selector: u32, cpl: u32, flat: bool): bool {
  if (isNull(selector)) {
    descriptor = 0;
    if (flat && cpl != 3 && (selector & 3) == cpl) return true;
    raiseError(cpu, GP, 0);
    return false;
  }
  if (!readDescriptor(cpu, selector, 0)) return false;
  const access = accessOf(descriptor);
  if ((selector & 3) != cpl || (access & (AR_S | AR_CODE | AR_WRITABLE)) != (AR_S | AR_WRITABLE) || dplOf(access) != cpl) { raiseError(cpu, GP, selector & 0xfffc); return false; }
  if ((access & AR_P) == 0) { raiseError(cpu, SS, selector & 0xfffc); return false; }
  return true;
}

/**
 * The last part of IRET and far RET that pop SS: checks `ss` for the level of `cs` (whose descriptor checkReturnCode accepted and left), marks both
 * descriptors accessed, then loads both registers. Returns false with `trap` set and nothing loaded. The caller then calls updateMode.
 */
export function returnTo(cpu: usize, cs: u32, ss: u32): bool {
  const level = cs & 3, code = descriptor, codeAt = descriptorAt;
  if (!checkReturnStack(cpu, ss, level, isLong(cpu) && (accessOf(code) & AR_L) != 0)) return false;
  if (!isNull(ss)) markAccessed(cpu);
  if (trap) return false;
  const stack = descriptor;
  descriptor = code; descriptorAt = codeAt;
  markAccessed(cpu);
  if (trap) return false;
  if (isNull(ss)) setSegment(cpu, SEG_SS, ss, level << 5, 0, 0);
  else setFromDescriptor(cpu, SEG_SS, ss, stack);
  if (level > load<u32>(cpu, CPL)) dropPrivilegedSegments(cpu, level);
  setCode(cpu, cs, level);
  return true;
}

/** Whether `size` bytes at `offset` lie within a segment's limit; data segments may expand down. */
export function inLimit(access: u32, limit: u32, offset: u32, size: u32): bool {
  const more = size - 1;
  if ((access & (AR_CODE | AR_CONFORMING)) == AR_CONFORMING) {
    const top: u32 = (access & AR_DB) != 0 ? 0xffffffff : 0xffff;
    return offset > limit && offset <= top && top - offset >= more;
  }
  return offset <= limit && limit - offset >= more;
}

/** Result of findTssStack: the stack pointer of an inner level and, outside IA-32e mode, its segment. */
export let stackFromTss: u64 = 0, stackSelector: u32 = 0, stackDescriptor: u64 = 0;

/**
 * Finds the stack of privilege `level` (or, in IA-32e mode, of IST entry `ist` unless that is 0) in the TSS and checks its segment (SDM vol. 3, 6.12.1): #TS, #SS, #PF.
 * `ext` goes into the error code.
 */
export function findTssStack(cpu: usize, level: u32, ist: u32, ext: u32): bool {
  const tr = seg(cpu, SEG_TR), wide = (load<u32>(tr, SEG_ACCESS) & TSS_WIDE) != 0, long = isLong(cpu);
  const offset: u32 = long ? (ist != 0 ? 0x1c + (ist << 3) : 4 + (level << 3)) : wide ? 4 + (level << 3) : 2 + (level << 2);
  if (offset + (long ? 7 : wide ? 5 : 3) > load<u32>(tr, SEG_LIMIT)) { raiseError(cpu, TS, (load<u32>(tr, SEG_SELECTOR) & 0xfffc) | ext); return false; }
  const at = systemLinear(cpu, load<u64>(tr, SEG_BASE), offset);
  stackFromTss = sysLoad(cpu, at, long ? 8 : wide ? 4 : 2);
  if (trap || long) return !trap;
  stackSelector = <u32>sysLoad(cpu, at + (wide ? 4 : 2), 2);
  if (trap) return false;
  const error = (stackSelector & 0xfffc) | ext;
  if (isNull(stackSelector)) { raiseError(cpu, TS, ext); return false; }
  const found = findDescriptor(cpu, stackSelector, 8);
  if (trap) return false;
  const access = accessOf(descriptor);
  if (!found || (stackSelector & 3) != level || dplOf(access) != level || (access & (AR_S | AR_CODE | AR_WRITABLE)) != (AR_S | AR_WRITABLE)) { raiseError(cpu, TS, error); return false; }
  if ((access & AR_P) == 0) { raiseError(cpu, SS, error); return false; }
  markAccessed(cpu);
  if (trap) return false;
  stackDescriptor = descriptor;
  return true;
}

/** Loads SS with what findTssStack found, for `level`; in IA-32e mode with a null selector. */
export function loadTssStack(cpu: usize, level: u32): void {
  if (isLong(cpu)) setSegment(cpu, SEG_SS, level, level << 5, 0, 0);
  else setFromDescriptor(cpu, SEG_SS, stackSelector, stackDescriptor);
}

/** The descriptor that was read last is put aside while another one is looked at. */
let savedDescriptor: u64 = 0, savedAt: u64 = 0;
export function saveDescriptor(): void { savedDescriptor = descriptor; savedAt = descriptorAt; }
export function restoreDescriptor(): void { descriptor = savedDescriptor; descriptorAt = savedAt; }

/** Whether L and D of a code segment go together: in IA-32e mode not both. */
export function validSize(cpu: usize, access: u32): bool { return !isLong(cpu) || (access & (AR_L | AR_DB)) != (AR_L | AR_DB); }

/** Whether `offset` can be the instruction pointer in the code segment of descriptor `d`: canonical in 64-bit code, else within the limit. Raises #GP(0, plus `ext`). */
export function targetInside(cpu: usize, d: u64, offset: u64, ext: u32): bool {
  if (isLong(cpu) && (accessOf(d) & AR_L) != 0 ? canonical(offset) : offset <= <u64>limitOf(d)) return true;
  raiseError(cpu, GP, ext);
  return false;
}

/** Makes `selector` the code segment at level `cpl`, from the descriptor that was read last. The caller then calls updateMode. */
export function setCode(cpu: usize, selector: u32, cpl: u32): void {
  setFromDescriptor(cpu, SEG_CS, (selector & 0xfffc) | cpl, descriptor);
  store<u32>(cpu, cpl, CPL);
}
