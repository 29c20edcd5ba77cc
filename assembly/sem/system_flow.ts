import { armMonitor, monitorWait } from '../core/monitor';
import { ACTIVITY_HALTED, EXIT_GATE, requestExit, updateAttention } from '../core/boundary';
import { isGate } from '../core/debug';
import { EVENT_IRET, tell } from '../core/events';
import { AC, getFlags, ID, IF, IOPL, NT, RF, setFlags, STATUS_FLAGS, TF, DF, VIF, VIP, VM } from '../core/flags';
import { SOURCE_EXTERNAL, SOURCE_SOFTWARE, softwareInterrupt } from '../core/interrupts';
import { ACTIVITY, CPL, EFER, FLAGS_REST, LSTAR, NMI_BLOCKED, RAX, RCX, RDX, RIP, RSP, SEG_CS, SEG_LIMIT, SEG_SS, SFMASK, STAR, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP } from '../core/layout';
import { canonical, probe } from '../core/mem';
import { ACCESS_WRITE, EFER_SCE } from '../core/mmu';
import { isReal, updateMode } from '../core/mode';
import { OP_ADDRESS_SIZE, OP_IMM, OP_INDEX, OP_NEXT } from '../core/op';
import { ea, loadAt, storeAt } from '../core/operand';
import { accessOf, AR_CODE, AR_CONFORMING, AR_FLAT_CODE64, AR_FLAT_DATA, AR_P, AR_S, checkReturnCode, descriptor, dplOf, isNull, markAccessed, readDescriptor, returnTo, seg, selectorOf, setCode, setReal, setSegment, targetInside, validSize } from '../core/segments';
import { GP, NP, raise, raiseError, stackFault, trap, UD } from '../core/trap';

// Transfers of control that involve descriptors, privilege or the outside: interrupts, IRET, SYSCALL, far transfers, HLT, gates.

const R11: usize = 0x58;

function nextOf(ip: usize): u64 { return load<u64>(ip, OP_NEXT); }

export function intN(cpu: usize, ip: usize): void { softwareInterrupt(cpu, <u32>load<u8>(ip, OP_IMM), SOURCE_SOFTWARE, nextOf(ip)); }
export function int3(cpu: usize, ip: usize): void { softwareInterrupt(cpu, 3, SOURCE_SOFTWARE, nextOf(ip)); }
/** INT1 is delivered like a hardware event: the gate's DPL does not count. */
export function int1(cpu: usize, ip: usize): void { softwareInterrupt(cpu, 1, SOURCE_EXTERNAL, nextOf(ip)); }

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
  const at = load<u8>(ip, OP_ADDRESS_SIZE) == 3 ? load<u64>(cpu, RAX) : <u64>load<u32>(cpu, RAX);
  armMonitor(cpu, at + load<u64>(cpu + <usize>load<u8>(ip, OP_INDEX)));
}
export function mwait(cpu: usize, ip: usize): void {
  monitorWait(cpu);
  if (!trap) store<u64>(cpu, nextOf(ip), RIP);
}

/** One item of the stack at `va`. */
function stackItem<T>(cpu: usize, va: u64): u64 {
  const v = loadAt<T>(cpu, va);
  stackFault(cpu);
  return <u64>v;
}

/** RFLAGS bits that IRET may change: IF by IOPL, IOPL at level 0 (SDM vol. 2, IRET). */
function iretFlags<T>(cpu: usize): u32 {
  const cpl = load<u32>(cpu, CPL), iopl = (load<u32>(cpu, FLAGS_REST) & IOPL) >> 12;
  let mask = STATUS_FLAGS | TF | DF | NT;
  if (sizeof<T>() > 2) mask |= AC | ID | RF;
  if (cpl <= iopl) mask |= IF;
  if (cpl == 0) mask |= IOPL | (sizeof<T>() > 2 ? VIF | VIP : 0);
  return mask;
}

/** IRET, IRETD, IRETQ in 64-bit mode: always with SS:RSP, to the same or an outer level. */
export function iret<T>(cpu: usize, _ip: usize): void {
  const n = <u64>sizeof<T>(), sp = load<u64>(cpu, RSP);
  if ((load<u32>(cpu, FLAGS_REST) & NT) != 0) { raiseError(cpu, GP, 0); return; }
  const rip = stackItem<T>(cpu, sp); if (trap) return;
  const cs = <u32>stackItem<T>(cpu, sp + n) & 0xffff; if (trap) return;
  const flags = <u32>stackItem<T>(cpu, sp + 2 * n); if (trap) return;
  const rsp = stackItem<T>(cpu, sp + 3 * n); if (trap) return;
  const ss = <u32>stackItem<T>(cpu, sp + 4 * n) & 0xffff; if (trap) return;
  if (!checkReturnCode(cpu, cs) || !targetInside(cpu, descriptor, rip, 0)) return;
  const mask = iretFlags<T>(cpu);
  if (!returnTo(cpu, cs, ss)) return;
  store<u64>(cpu, rsp, RSP);
  store<u64>(cpu, rip, RIP);
  setFlags(cpu, (getFlags(cpu) & ~mask) | (flags & mask));
  store<u32>(cpu, 0, NMI_BLOCKED);
  tell(cpu, EVENT_IRET, cs & 3, <u32>rip);
  updateMode(cpu);
  updateAttention(cpu);
}

/** Enters CPL `level` with the flat 64-bit segments that `code` and `stack` select, without reading descriptors. */
function flatSegments(cpu: usize, level: u32, code: u32, stack: u32): void {
  setSegment(cpu, SEG_CS, (code & 0xfffc) | level, AR_FLAT_CODE64 | (level << 5), 0, 0xffffffff);
  setSegment(cpu, SEG_SS, (stack & 0xfffc) | level, AR_FLAT_DATA | (level << 5), 0, 0xffffffff);
  store<u32>(cpu, level, CPL);
}

export function syscall(cpu: usize, ip: usize): void {
  if ((load<u64>(cpu, EFER) & EFER_SCE) == 0) { raise(cpu, UD); return; }
  const flags = getFlags(cpu);
  store<u64>(cpu, nextOf(ip), RCX);
  store<u64>(cpu, <u64>(flags & ~RF), R11);
  store<u64>(cpu, load<u64>(cpu, LSTAR), RIP);
  setFlags(cpu, flags & ~(load<u32>(cpu, SFMASK) | RF | VM));
  const selector = <u32>(load<u64>(cpu, STAR) >> 32) & 0xffff;
  flatSegments(cpu, 0, selector, selector + 8);
  updateMode(cpu);
  updateAttention(cpu);
}

/** SYSRET with REX.W, to 64-bit mode. A non-canonical RCX faults here, at CPL 0 (as Intel's processors do). */
export function sysret(cpu: usize, _ip: usize): void {
  if ((load<u64>(cpu, EFER) & EFER_SCE) == 0) { raise(cpu, UD); return; }
  const rip = load<u64>(cpu, RCX);
  if (load<u32>(cpu, CPL) != 0 || !canonical(rip)) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu, rip, RIP);
  setFlags(cpu, load<u32>(cpu, R11) & 0x3c7fd7);
  const selector = <u32>(load<u64>(cpu, STAR) >> 48);
  flatSegments(cpu, 3, selector + 16, selector + 8);
  updateMode(cpu);
  updateAttention(cpu);
}

/** SYSRET and SYSEXIT without REX.W go to compatibility mode, which does not exist yet: refused as if its code segment were bad. */
export function toCompatibility(cpu: usize, _ip: usize): void { raiseError(cpu, GP, 0); }

export function sysenter(cpu: usize, _ip: usize): void {
  const selector = load<u32>(cpu, SYSENTER_CS) & 0xfffc;
  if (selector == 0) { raiseError(cpu, GP, 0); return; }
  setFlags(cpu, getFlags(cpu) & ~(IF | VM | RF));
  store<u64>(cpu, load<u64>(cpu, SYSENTER_ESP), RSP);
  store<u64>(cpu, load<u64>(cpu, SYSENTER_EIP), RIP);
  flatSegments(cpu, 0, selector, selector + 8);
  updateMode(cpu);
  updateAttention(cpu);
}

/** SYSEXIT with REX.W. */
export function sysexit(cpu: usize, _ip: usize): void {
  const selector = load<u32>(cpu, SYSENTER_CS) & 0xfffc, rip = load<u64>(cpu, RDX), rsp = load<u64>(cpu, RCX);
  if (selector == 0 || load<u32>(cpu, CPL) != 0 || !canonical(rip) || !canonical(rsp)) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu, rsp, RSP);
  store<u64>(cpu, rip, RIP);
  flatSegments(cpu, 3, selector + 32, selector + 40);
  updateMode(cpu);
  updateAttention(cpu);
}

/** Checks the code segment of a far JMP or CALL, which never change CPL. Call gates are refused. */
function checkFarTarget(cpu: usize, selector: u32): bool {
  if (isNull(selector)) { raiseError(cpu, GP, 0); return false; }
  if (!readDescriptor(cpu, selector, 0)) return false;
  const access = accessOf(descriptor), cpl = load<u32>(cpu, CPL), dpl = dplOf(access);
  const level = (access & AR_CONFORMING) != 0 ? dpl <= cpl : (selector & 3) <= cpl && dpl == cpl;
  if ((access & (AR_S | AR_CODE)) != (AR_S | AR_CODE) || !level || !validSize(cpu, access)) { raiseError(cpu, GP, selector & 0xfffc); return false; }
  if ((access & AR_P) == 0) { raiseError(cpu, NP, selector & 0xfffc); return false; }
  return true;
}

/** Finishes a far JMP or CALL to the code segment that was checked last. */
function farTransfer(cpu: usize, selector: u32, offset: u64): void {
  markAccessed(cpu);
  if (trap) return;
  setCode(cpu, selector, load<u32>(cpu, CPL));
  store<u64>(cpu, offset, RIP);
  updateMode(cpu);
}

function jumpTo(cpu: usize, selector: u32, offset: u64): void {
  if (isReal(cpu)) {
    if (offset > <u64>load<u32>(seg(cpu, SEG_CS), SEG_LIMIT)) { raiseError(cpu, GP, 0); return; }
    setReal(cpu, SEG_CS, selector);
    store<u64>(cpu, offset, RIP);
    updateMode(cpu);
    return;
  }
  if (checkFarTarget(cpu, selector) && targetInside(cpu, descriptor, offset, 0)) farTransfer(cpu, selector, offset);
}

/** JMP m16:16, m16:32, m16:64. */
export function jmpFar<T>(cpu: usize, ip: usize): void {
  const va = ea(cpu, ip), offset = <u64>loadAt<T>(cpu, va); if (trap) return;
  const selector = <u32>loadAt<u16>(cpu, va + sizeof<T>()); if (trap) return;
  jumpTo(cpu, selector, offset);
}
/** JMP ptr16:16, ptr16:32: the immediate has the offset in its low half and the selector above. */
export function jmpFarPointer(cpu: usize, ip: usize): void { jumpTo(cpu, load<u32>(ip, OP_IMM + 4) & 0xffff, <u64>load<u32>(ip, OP_IMM)); }

/** CALL m16:16, m16:32, m16:64: pushes CS and RIP, each in the operand size. */
export function callFar<T>(cpu: usize, ip: usize): void {
  const va = ea(cpu, ip), offset = <u64>loadAt<T>(cpu, va); if (trap) return;
  const selector = <u32>loadAt<u16>(cpu, va + sizeof<T>()); if (trap) return;
  callTo<T>(cpu, ip, selector, offset);
}
/** CALL ptr16:16, ptr16:32. */
export function callFarPointer<T>(cpu: usize, ip: usize): void { callTo<T>(cpu, ip, load<u32>(ip, OP_IMM + 4) & 0xffff, <u64>load<u32>(ip, OP_IMM)); }

function callTo<T>(cpu: usize, ip: usize, selector: u32, offset: u64): void {
  if (!checkFarTarget(cpu, selector) || !targetInside(cpu, descriptor, offset, 0)) return;
  const target = descriptor, n = <u64>sizeof<T>(), sp = load<u64>(cpu, RSP) - 2 * n;
  if (!probe(cpu, sp, <u32>(2 * n), ACCESS_WRITE)) { stackFault(cpu); return; }
  if ((target >> 40 & 1) == 0) {
    markAccessed(cpu);
    if (trap) return;
  }
  storeAt<T>(cpu, sp + n, <T>selectorOf(cpu, SEG_CS)); if (trap) { stackFault(cpu); return; }
  storeAt<T>(cpu, sp, <T>nextOf(ip)); if (trap) { stackFault(cpu); return; }
  store<u64>(cpu, sp, RSP);
  farTransfer(cpu, selector, offset);
}

function farReturn<T>(cpu: usize, release: u64): void {
  const n = <u64>sizeof<T>(), sp = load<u64>(cpu, RSP);
  const rip = stackItem<T>(cpu, sp); if (trap) return;
  const cs = <u32>stackItem<T>(cpu, sp + n) & 0xffff; if (trap) return;
  if (!checkReturnCode(cpu, cs) || !targetInside(cpu, descriptor, rip, 0)) return;
  if ((cs & 3) == load<u32>(cpu, CPL)) {
    markAccessed(cpu);
    if (trap) return;
    setCode(cpu, cs, cs & 3);
    store<u64>(cpu, sp + 2 * n + release, RSP);
    updateMode(cpu);
  } else {
    const outer = sp + 2 * n + release;
    const rsp = stackItem<T>(cpu, outer); if (trap) return;
    const ss = <u32>stackItem<T>(cpu, outer + n) & 0xffff; if (trap) return;
    if (!returnTo(cpu, cs, ss)) return;
    store<u64>(cpu, rsp + release, RSP);
    updateMode(cpu);
  }
  store<u64>(cpu, rip, RIP);
}

export function retFar<T>(cpu: usize, _ip: usize): void { farReturn<T>(cpu, 0); }
export function retFarRelease<T>(cpu: usize, ip: usize): void { farReturn<T>(cpu, <u64>load<u16>(ip, OP_IMM)); }
