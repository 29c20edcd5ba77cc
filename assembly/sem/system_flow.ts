import { armMonitor, monitorWait } from '../core/monitor';
import { ACTIVITY_HALTED, EXIT_GATE, requestExit, updateAttention } from '../core/boundary';
import { isGate } from '../core/debug';
import { reportDebug } from '../core/debugregs';
import { getFlags, IF, IOPL, RF, setFlags, VM } from '../core/flags';
import { SOURCE_EXTERNAL, SOURCE_SOFTWARE, softwareInterrupt } from '../core/interrupts';
import { ACTIVITY, CPL, DB_PENDING, CR0, EFER, FLAGS_REST, LSTAR, RAX, RCX, RDX, RIP, RSP, SEG_CS, SEG_SS, SFMASK, STAR, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP } from '../core/layout';
import { canonical } from '../core/mem';
import { CR0_PE, EFER_SCE } from '../core/crbits';
import { isLong, updateMode } from '../core/mode';
import { OP_IMM, OP_NEXT } from '../core/op';
import { pointer, sourceAddress } from '../core/operand';
import { AR_FLAT_CODE32, AR_FLAT_CODE64, AR_FLAT_DATA, setSegment } from '../core/segments';
import { GP, raise, raiseError, trap, UD } from '../core/trap';

// Transfers of control to another privilege or to the outside: INT, SYSCALL, SYSENTER, HLT, gates. far.ts and iret.ts have those that descriptors lead.

const R11: usize = 0x58;

function nextOf(ip: usize): u64 { return load<u64>(ip, OP_NEXT); }

/** INT n; virtual-8086 mode without IOPL 3 leaves it to the monitor. */
export function intN(cpu: usize, ip: usize): void {
  if ((load<u32>(cpu, FLAGS_REST) & VM) != 0 && (load<u32>(cpu, FLAGS_REST) & IOPL) != IOPL) { raiseError(cpu, GP, 0); return; }
  softwareInterrupt(cpu, <u32>load<u8>(ip, OP_IMM), SOURCE_SOFTWARE, nextOf(ip));
}
export function int3(cpu: usize, ip: usize): void { softwareInterrupt(cpu, 3, SOURCE_SOFTWARE, nextOf(ip)); }
/** INT1 is delivered like a hardware event: the gate's DPL does not count. */
export function int1(cpu: usize, ip: usize): void {
  softwareInterrupt(cpu, 1, SOURCE_EXTERNAL, nextOf(ip));
  if (trap) return;
  // A debug trap that MOV SS held off is part of this #DB.
  const pending = load<u32>(cpu, DB_PENDING);
  if (pending == 0) return;
  store<u32>(cpu, 0, DB_PENDING);
  reportDebug(cpu, pending);
}

/** UD0, UD1, UD2. */
export function undefinedOpcode(cpu: usize, _ip: usize): void { raise(cpu, UD); }

/** 0F 01 C1 (VMCALL): leaves the core at CPL 0 inside the ranges that the host has declared; undefined elsewhere. */
export function gate(cpu: usize, ip: usize): void {
  if (load<u32>(cpu, CPL) != 0 || !isGate(nextOf(ip) - 3)) { raise(cpu, UD); return; }
  store<u64>(cpu, nextOf(ip), RIP);
  requestExit(EXIT_GATE);
}

export function hlt(cpu: usize, ip: usize): void {
  store<u64>(cpu, nextOf(ip), RIP);
  store<u32>(cpu, ACTIVITY_HALTED, ACTIVITY);
  updateAttention(cpu);
}

/** MONITOR: the line of DS:rAX (or another segment) in the address size of the op. */
export function monitor(cpu: usize, ip: usize): void {
  const at = sourceAddress(cpu, ip, pointer(cpu, ip, RAX), 1, false);
  if (!trap) armMonitor(cpu, at);
}
export function mwait(cpu: usize, ip: usize): void {
  monitorWait(cpu);
  if (!trap) store<u64>(cpu, nextOf(ip), RIP);
}

/** Enters CPL `level` with the flat segments that `code` and `stack` select, without reading descriptors; `rights` are those of the code segment but for DPL. */
function flatSegments(cpu: usize, level: u32, code: u32, stack: u32, rights: u32): void {
  setSegment(cpu, SEG_CS, (code & 0xfffc) | level, rights | (level << 5), 0, 0xffffffff);
  setSegment(cpu, SEG_SS, (stack & 0xfffc) | level, AR_FLAT_DATA | (level << 5), 0, 0xffffffff);
  store<u32>(cpu, level, CPL);
  updateMode(cpu);
  updateAttention(cpu);
}

export function syscall(cpu: usize, ip: usize): void {
  if ((load<u64>(cpu, EFER) & EFER_SCE) == 0) { raise(cpu, UD); return; }
  const flags = getFlags(cpu);
  store<u64>(cpu, nextOf(ip), RCX);
  store<u64>(cpu, <u64>(flags & ~RF), R11);
  store<u64>(cpu, load<u64>(cpu, LSTAR), RIP);
  setFlags(cpu, flags & ~(load<u32>(cpu, SFMASK) | RF | VM));
  const selector = <u32>(load<u64>(cpu, STAR) >> 32) & 0xffff;
  flatSegments(cpu, 0, selector, selector + 8, AR_FLAT_CODE64);
}

/** SYSRET: to 64-bit mode with REX.W, where a non-canonical RCX faults here, at CPL 0 (as on Intel's processors); else to compatibility mode. */
function systemReturn(cpu: usize, wide: bool): void {
  if ((load<u64>(cpu, EFER) & EFER_SCE) == 0) { raise(cpu, UD); return; }
  const rip = wide ? load<u64>(cpu, RCX) : <u64>load<u32>(cpu, RCX);
  if (load<u32>(cpu, CPL) != 0 || !canonical(rip)) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu, rip, RIP);
  setFlags(cpu, load<u32>(cpu, R11) & 0x3c7fd7);
  const selector = <u32>(load<u64>(cpu, STAR) >> 48);
  flatSegments(cpu, 3, selector + (wide ? 16 : 0), selector + 8, wide ? AR_FLAT_CODE64 : AR_FLAT_CODE32);
}
export function sysret(cpu: usize, _ip: usize): void { systemReturn(cpu, true); }
export function sysret32(cpu: usize, _ip: usize): void { systemReturn(cpu, false); }

/** SYSENTER: to 64-bit mode in IA-32e mode, else to 32-bit code. */
export function sysenter(cpu: usize, _ip: usize): void {
  const selector = load<u32>(cpu, SYSENTER_CS) & 0xfffc, long = isLong(cpu);
  if (selector == 0 || (load<u64>(cpu, CR0) & CR0_PE) == 0) { raiseError(cpu, GP, 0); return; }
  setFlags(cpu, getFlags(cpu) & ~(IF | VM | RF));
  store<u64>(cpu, long ? load<u64>(cpu, SYSENTER_ESP) : <u64>load<u32>(cpu, SYSENTER_ESP), RSP);
  store<u64>(cpu, long ? load<u64>(cpu, SYSENTER_EIP) : <u64>load<u32>(cpu, SYSENTER_EIP), RIP);
  flatSegments(cpu, 0, selector, selector + 8, long ? AR_FLAT_CODE64 : AR_FLAT_CODE32);
}

/** SYSEXIT: to 64-bit mode with REX.W, else to 32-bit code. */
function systemExit(cpu: usize, wide: bool): void {
  const selector = load<u32>(cpu, SYSENTER_CS) & 0xfffc, rip = wide ? load<u64>(cpu, RDX) : <u64>load<u32>(cpu, RDX), rsp = wide ? load<u64>(cpu, RCX) : <u64>load<u32>(cpu, RCX);
  if (selector == 0 || (load<u64>(cpu, CR0) & CR0_PE) == 0 || load<u32>(cpu, CPL) != 0 || !canonical(rip) || !canonical(rsp)) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu, rsp, RSP);
  store<u64>(cpu, rip, RIP);
  const code = selector + (wide ? 32 : 16);
  flatSegments(cpu, 3, code, code + 8, wide ? AR_FLAT_CODE64 : AR_FLAT_CODE32);
}
export function sysexit(cpu: usize, _ip: usize): void { systemExit(cpu, true); }
export function sysexit32(cpu: usize, _ip: usize): void { systemExit(cpu, false); }
