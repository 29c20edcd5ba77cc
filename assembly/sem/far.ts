import { beginFrame, beginFrameIn, checkFrame, frameWord, writeFrame } from '../core/frame';
import { CPL, RIP, RSP, SEG_CS, SEG_LIMIT, SEG_SS } from '../core/layout';
import { setStackPointer, stackAddress, stackPointer } from '../core/linear';
import { is64, isLong, isReal, updateMode } from '../core/mode';
import { OP_IMM, OP_NEXT } from '../core/op';
import { ea, loadAt } from '../core/operand';
import { accessOf, AR_CODE, AR_CONFORMING, AR_DB, AR_L, AR_P, AR_S, checkReturnCode, descriptor, descriptorHigh, dplOf, findTssStack, isNull, loadTssStack, markAccessed, readDescriptor, restoreDescriptor, returnTo, saveDescriptor, seg, selectorOf, setCode, setReal, stackSelector, targetInside, TSS_WIDE, TYPE_CALL_GATE, TYPE_CALL_GATE16, TYPE_TASK_GATE, TYPE_TSS16, validSize } from '../core/segments';
import { switchTask, TASK_CALL, TASK_JUMP, taskGate } from '../core/task';
import { GP, NO_ERROR_CODE, NP, raiseError, stackFault, trap } from '../core/trap';

// Far JMP, CALL and RET (SDM vol. 2): code segments, call gates, and outside IA-32e mode task gates and TSSs.

function refuse(cpu: usize, vector: u32, code: u32): void { raiseError(cpu, vector, code); }

/** An item of the stack, `offset` bytes above its top. */
export function stackItem<T>(cpu: usize, offset: u64): u64 {
  const va = stackAddress(cpu, stackPointer(cpu, <i64>offset), sizeof<T>(), false);
  if (trap) return 0;
  const v = loadAt<T>(cpu, va);
  stackFault(cpu);
  return <u64>v;
}

/** A far pointer in memory: the selector lies above the offset. */
function selectorAt<T>(cpu: usize, va: u64): u32 {
  const at = va + sizeof<T>();
  return <u32>loadAt<u16>(cpu, is64(cpu) ? at : at & 0xffffffff);
}

/** JMP m16:16, m16:32, m16:64. */
export function jmpFar<T>(cpu: usize, ip: usize): void {
  const va = ea(cpu, ip), offset = <u64>loadAt<T>(cpu, va); if (trap) return;
  const selector = selectorAt<T>(cpu, va); if (trap) return;
  transfer(cpu, ip, selector, offset, 0);
}
/** CALL m16:16, m16:32, m16:64. */
export function callFar<T>(cpu: usize, ip: usize): void {
  const va = ea(cpu, ip), offset = <u64>loadAt<T>(cpu, va); if (trap) return;
  const selector = selectorAt<T>(cpu, va); if (trap) return;
  transfer(cpu, ip, selector, offset, sizeof<T>());
}
/** JMP and CALL ptr16:16, ptr16:32: the immediate has the offset in its low half and the selector above. */
export function jmpFarPointer(cpu: usize, ip: usize): void { transfer(cpu, ip, load<u32>(ip, OP_IMM + 4) & 0xffff, <u64>load<u32>(ip, OP_IMM), 0); }
export function callFarPointer<T>(cpu: usize, ip: usize): void { transfer(cpu, ip, load<u32>(ip, OP_IMM + 4) & 0xffff, <u64>load<u32>(ip, OP_IMM), sizeof<T>()); }

/** A far JMP (`bytes` 0), or a CALL that pushes CS and the instruction pointer in words of `bytes`. */
function transfer(cpu: usize, ip: usize, selector: u32, offset: u64, bytes: u32): void {
  const next = load<u64>(ip, OP_NEXT);
  if (isReal(cpu)) {
    if (offset > <u64>load<u32>(seg(cpu, SEG_CS), SEG_LIMIT)) { refuse(cpu, GP, 0); return; }
    if (bytes != 0 && !pushReturn(cpu, bytes, next)) return;
    setReal(cpu, SEG_CS, selector);
    store<u64>(cpu, offset, RIP);
    updateMode(cpu);
    return;
  }
  if (isNull(selector)) { refuse(cpu, GP, 0); return; }
  if (!readDescriptor(cpu, selector, 0)) return;
  const access = accessOf(descriptor), cpl = load<u32>(cpu, CPL), dpl = dplOf(access), error = selector & 0xfffc;
  if ((access & AR_S) == 0) { system(cpu, selector, next, bytes != 0); return; }
  const level = (access & AR_CONFORMING) != 0 ? dpl <= cpl : (selector & 3) <= cpl && dpl == cpl;
  if ((access & AR_CODE) == 0 || !level || !validSize(cpu, access)) { refuse(cpu, GP, error); return; }
  if ((access & AR_P) == 0) { refuse(cpu, NP, error); return; }
  sameLevel(cpu, selector, offset, bytes, next);
}

/** To the checked code segment, whose descriptor was read last, at the present level. */
function sameLevel(cpu: usize, selector: u32, offset: u64, bytes: u32, next: u64): void {
  if (!targetInside(cpu, descriptor, offset, 0)) return;
  if (bytes != 0) {
    beginFrame(cpu, bytes);
    frameWord(<u64>selectorOf(cpu, SEG_CS));
    frameWord(next);
    if (!checkFrame(cpu, 0)) return;
  }
  markAccessed(cpu);
  if (trap) return;
  if (bytes != 0) store<u64>(cpu, writeFrame(cpu), RSP);
  setCode(cpu, selector, load<u32>(cpu, CPL));
  store<u64>(cpu, offset, RIP);
  updateMode(cpu);
}

function pushReturn(cpu: usize, bytes: u32, next: u64): bool {
  beginFrame(cpu, bytes);
  frameWord(<u64>selectorOf(cpu, SEG_CS));
  frameWord(next);
  if (!checkFrame(cpu, 0)) return false;
  store<u64>(cpu, writeFrame(cpu), RSP);
  return true;
}

/** A system descriptor as target: call gate, task gate, TSS. */
function system(cpu: usize, selector: u32, next: u64, call: bool): void {
  const d = descriptor, access = accessOf(d), type = access & 0x1f, long = isLong(cpu), error = selector & 0xfffc;
  const isGate = type == TYPE_CALL_GATE || (!long && (type == TYPE_CALL_GATE16 || type == TYPE_TASK_GATE)), isTask = !long && (type & ~TSS_WIDE) == TYPE_TSS16;
  if ((!isGate && !isTask) || dplOf(access) < load<u32>(cpu, CPL) || dplOf(access) < (selector & 3)) { refuse(cpu, GP, error); return; }
  if ((access & AR_P) == 0) { refuse(cpu, NP, error); return; }
  const reason = call ? TASK_CALL : TASK_JUMP;
  if (isTask) {
    if ((selector & 4) != 0) refuse(cpu, GP, error);
    else switchTask(cpu, selector, reason, 0, next, NO_ERROR_CODE);
  } else if (type == TYPE_TASK_GATE) taskGate(cpu, <u32>(d >> 16) & 0xffff, reason, 0, next, NO_ERROR_CODE);
  else callGate(cpu, selector, d, next, call);
}

/** Through the call gate `d` (SDM vol. 3, 5.8.3): CALL may go to a more privileged level, on the stack that the TSS has for it. */
function callGate(cpu: usize, gateSelector: u32, d: u64, next: u64, call: bool): void {
  const long = isLong(cpu), wide = (accessOf(d) & TSS_WIDE) != 0;
  let target = (d & 0xffff) | (wide ? (d >> 32) & 0xffff0000 : 0);
  if (long) {
    const high = descriptorHigh(cpu); if (trap) return;
    if ((high >> 40 & 0x1f) != 0) { refuse(cpu, GP, gateSelector & 0xfffc); return; }
    target |= high << 32;
  }
  const selector = <u32>(d >> 16) & 0xffff, error = selector & 0xfffc, cpl = load<u32>(cpu, CPL);
  if (isNull(selector)) { refuse(cpu, GP, 0); return; }
  if (!readDescriptor(cpu, selector, 0)) return;
  const access = accessOf(descriptor), dpl = dplOf(access), conforming = (access & AR_CONFORMING) != 0;
  if ((access & (AR_S | AR_CODE)) != (AR_S | AR_CODE) || dpl > cpl || (!call && !conforming && dpl != cpl) || (long && (access & (AR_L | AR_DB)) != AR_L)) { refuse(cpu, GP, error); return; }
  if ((access & AR_P) == 0) { refuse(cpu, NP, error); return; }
  const bytes: u32 = long ? 8 : wide ? 4 : 2;
  if (!call || conforming || dpl == cpl) { sameLevel(cpu, selector, target, call ? bytes : 0, next); return; }

  saveDescriptor();
  if (!findTssStack(cpu, dpl, 0, 0)) return;
  restoreDescriptor();
  beginFrameIn(cpu, dpl, bytes);
  frameWord(<u64>selectorOf(cpu, SEG_SS));
  frameWord(load<u64>(cpu, RSP));
  // Parameters are copied in words of the gate's size, the last one pushed first.
  for (let i = long ? 0 : <u32>(d >> 32) & 31; i > 0; i--) {
    frameWord(wide ? stackItem<u32>(cpu, <u64>((i - 1) << 2)) : stackItem<u16>(cpu, <u64>((i - 1) << 1)));
    if (trap) return;
  }
  frameWord(<u64>selectorOf(cpu, SEG_CS));
  frameWord(next);
  if (!checkFrame(cpu, long ? 0 : stackSelector & 0xfffc) || !targetInside(cpu, descriptor, target, 0)) return;
  markAccessed(cpu);
  if (trap) return;
  const sp = writeFrame(cpu);
  loadTssStack(cpu, dpl);
  setCode(cpu, selector, dpl);
  store<u64>(cpu, sp, RSP);
  store<u64>(cpu, target, RIP);
  updateMode(cpu);
}

/** RET far; `release` bytes of parameters go from the stack, and on a return to an outer level from both. */
function farReturn<T>(cpu: usize, release: u64): void {
  const n = <u64>sizeof<T>(), rip = stackItem<T>(cpu, 0); if (trap) return;
  const cs = <u32>stackItem<T>(cpu, n) & 0xffff; if (trap) return;
  const above = 2 * n + release;
  if (isReal(cpu)) {
    if (rip > <u64>load<u32>(seg(cpu, SEG_CS), SEG_LIMIT)) { refuse(cpu, GP, 0); return; }
    setStackPointer(cpu, stackPointer(cpu, <i64>above));
    setReal(cpu, SEG_CS, cs);
  } else {
    if (!checkReturnCode(cpu, cs) || !targetInside(cpu, descriptor, rip, 0)) return;
    if ((cs & 3) == load<u32>(cpu, CPL)) {
      markAccessed(cpu);
      if (trap) return;
      setStackPointer(cpu, stackPointer(cpu, <i64>above));
      setCode(cpu, cs, cs & 3);
    } else {
      const sp = stackItem<T>(cpu, above); if (trap) return;
      const ss = <u32>stackItem<T>(cpu, above + n) & 0xffff; if (trap) return;
      if (!returnTo(cpu, cs, ss)) return;
      updateMode(cpu);
      setStackPointer(cpu, sp + release);
    }
  }
  store<u64>(cpu, rip, RIP);
  updateMode(cpu);
}

export function retFar<T>(cpu: usize, _ip: usize): void { farReturn<T>(cpu, 0); }
export function retFarRelease<T>(cpu: usize, ip: usize): void { farReturn<T>(cpu, <u64>load<u16>(ip, OP_IMM)); }
