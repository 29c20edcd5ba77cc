import { updateAttention } from '../core/boundary';
import { getFlags, setStatus, ZF } from '../core/flags';
import { CPL, RSP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LDTR, SEG_SS, SEG_TR } from '../core/layout';
import { canonical } from '../core/mem';
import { setStackPointer, stackAddress, stackPointer } from '../core/linear';
import { isLong } from '../core/mode';
import { OP_CC, OP_R0, OP_R1 } from '../core/op';
import { ea, loadAt, rm, setRegister, storeAt } from '../core/operand';
import { accessOf, AR_CODE, AR_CONFORMING, AR_P, AR_READABLE, AR_S, AR_WRITABLE, baseOf, descriptor, descriptorHigh, dplOf, findDescriptor, isNull, limitOf, loadDataSegment, selectorOf, setBusy, setSegment, TYPE_CALL_GATE, TYPE_CALL_GATE16, TYPE_LDT, TYPE_TASK_GATE, TYPE_TSS, TYPE_TSS16, TYPE_TSS16_BUSY, TYPE_TSS_BUSY } from '../core/segments';
import { userProhibited } from './system_state';
import { pushValue, topOfStack } from './stack';
import { GP, NP, raise, raiseError, stackFault, trap, UD } from '../core/trap';

// Instructions on segment registers, LDTR, TR, and descriptors.

/** MOV Sreg, r/m16. CS cannot be loaded this way. */
export function movToSegment(cpu: usize, ip: usize): void {
  const index = <usize>load<u8>(ip, OP_R0) & 7; // REX.R means nothing here
  if (index == SEG_CS || index > SEG_GS) { raise(cpu, UD); return; }
  const selector = <u32>rm<u16>(cpu, ip, OP_R1); if (trap) return;
  loadDataSegment(cpu, index, selector);
  if (index == SEG_SS && !trap) updateAttention(cpu);
}

/** MOV r/m, Sreg: 16 bits to memory or with operand size 16, else zero-extended. */
export function movFromSegment<T>(cpu: usize, ip: usize): void {
  const index = <usize>load<u8>(ip, OP_R1) & 7;
  if (index > SEG_GS) { raise(cpu, UD); return; }
  setRegister<T>(cpu, <usize>load<u8>(ip, OP_R0), <T>selectorOf(cpu, index));
}
export function movFromSegmentToMemory(cpu: usize, ip: usize): void {
  const index = <usize>load<u8>(ip, OP_R1) & 7;
  if (index > SEG_GS) { raise(cpu, UD); return; }
  storeAt<u16>(cpu, ea(cpu, ip), <u16>selectorOf(cpu, index));
}

/** PUSH and POP of the segment register that OP_CC names. */
export function pushSegment<T>(cpu: usize, ip: usize): void {
  const selector = selectorOf(cpu, <usize>load<u8>(ip, OP_CC));
  if (sizeof<T>() != 4) { pushValue<T>(cpu, <T>selector); return; }
  // With 32 bits, Intel's processors since Core write the selector alone (SDM vol. 2, PUSH).
  const sp = stackPointer(cpu, -4), va = stackAddress(cpu, sp, 4, true);
  if (trap) return;
  storeAt<u16>(cpu, va, <u16>selector);
  if (trap) { stackFault(cpu); return; }
  setStackPointer(cpu, sp);
}
export function popSegment<T>(cpu: usize, ip: usize): void {
  const index = <usize>load<u8>(ip, OP_CC), v = topOfStack<u16>(cpu); // the rest of the slot is not read
  if (trap) return;
  // The stack pointer moves on in the stack that it pointed into.
  const sp = load<u64>(cpu, RSP);
  setStackPointer(cpu, stackPointer(cpu, sizeof<T>()));
  loadDataSegment(cpu, index, <u32>v & 0xffff);
  if (trap) { store<u64>(cpu, sp, RSP); return; }
  if (index == SEG_SS) updateAttention(cpu);
}

/** LSS, LFS, LGS: a far pointer from memory into a segment register and a general register. */
function loadPointer<T>(cpu: usize, ip: usize, index: usize): void {
  const va = ea(cpu, ip), offset = loadAt<T>(cpu, va); if (trap) return;
  const selector = <u32>loadAt<u16>(cpu, va + sizeof<T>()); if (trap) return;
  loadDataSegment(cpu, index, selector); if (trap) return;
  setRegister<T>(cpu, <usize>load<u8>(ip, OP_R0), offset);
}
/** Unlike MOV SS, LSS does not hold off interrupts: it loads the stack pointer itself. */
export function lss<T>(cpu: usize, ip: usize): void { loadPointer<T>(cpu, ip, SEG_SS); }
export function les<T>(cpu: usize, ip: usize): void { loadPointer<T>(cpu, ip, SEG_ES); }
export function lds<T>(cpu: usize, ip: usize): void { loadPointer<T>(cpu, ip, SEG_DS); }
export function lfs<T>(cpu: usize, ip: usize): void { loadPointer<T>(cpu, ip, SEG_FS); }
export function lgs<T>(cpu: usize, ip: usize): void { loadPointer<T>(cpu, ip, SEG_GS); }

export function storeLdtr<T>(cpu: usize): T { return userProhibited(cpu) ? <T>0 : <T>selectorOf(cpu, SEG_LDTR); }
export function storeTr<T>(cpu: usize): T { return userProhibited(cpu) ? <T>0 : <T>selectorOf(cpu, SEG_TR); }

/** Base of the LDT or TSS that systemDescriptor found. */
let systemBase: u64 = 0;
/** Finds the descriptor of an LDT or TSS (16 bytes in IA-32e mode), of system type `type` (or, outside, `narrow`) and present, and its canonical base; else raises. */
function systemDescriptor(cpu: usize, selector: u32, type: u32, narrow: u32): bool {
  const long = isLong(cpu), found = (selector & 4) == 0 && findDescriptor(cpu, selector, long ? 16 : 8);
  if (trap) return false;
  const access = accessOf(descriptor), actual = access & 0x1f;
  if (!found || (actual != type && (long || actual != narrow))) { raiseError(cpu, GP, selector & 0xfffc); return false; }
  if ((access & AR_P) == 0) { raiseError(cpu, NP, selector & 0xfffc); return false; }
  systemBase = baseOf(descriptor);
  if (!long) return true;
  systemBase |= descriptorHigh(cpu) << 32; if (trap) return false;
  if (!canonical(systemBase)) { raiseError(cpu, GP, selector & 0xfffc); return false; }
  return true;
}

/** LLDT; a null selector makes the LDT unusable. */
export function lldt<T>(cpu: usize, source: T): void {
  const selector = <u32>source;
  if (isNull(selector)) { setSegment(cpu, SEG_LDTR, selector, 0, 0, 0); return; }
  if (systemDescriptor(cpu, selector, TYPE_LDT, TYPE_LDT)) setSegment(cpu, SEG_LDTR, selector, accessOf(descriptor), systemBase, limitOf(descriptor));
}

/** LTR: an available TSS, which becomes busy; outside IA-32e mode also a 16-bit one. */
export function ltr<T>(cpu: usize, source: T): void {
  const selector = <u32>source;
  if (isNull(selector)) { raiseError(cpu, GP, 0); return; }
  if (!systemDescriptor(cpu, selector, TYPE_TSS, TYPE_TSS16)) return;
  setBusy(cpu, true); if (trap) return;
  setSegment(cpu, SEG_TR, selector, accessOf(descriptor), systemBase, limitOf(descriptor));
}

function setZero(cpu: usize, zero: bool): void {
  setStatus(cpu, (getFlags(cpu) & ~ZF) | (zero ? ZF : 0));
}

/** Whether LAR, LSL, VERR and VERW may see the descriptor of `selector` from here; leaves it in `descriptor`. */
function visible(cpu: usize, selector: u32): bool {
  if (isNull(selector) || !findDescriptor(cpu, selector, 8) || trap) return false;
  const access = accessOf(descriptor);
  if ((access & (AR_S | AR_CODE | AR_CONFORMING)) == (AR_S | AR_CODE | AR_CONFORMING)) return true;
  const dpl = dplOf(access);
  return load<u32>(cpu, CPL) <= dpl && (selector & 3) <= dpl;
}

/** System types of segments: what LSL knows (SDM vol. 2, LSL), and LAR besides gates. */
function hasLimit(cpu: usize, type: u32): bool {
  return type == TYPE_LDT || type == TYPE_TSS || type == TYPE_TSS_BUSY || (!isLong(cpu) && (type == TYPE_TSS16 || type == TYPE_TSS16_BUSY));
}

/** LAR: access rights, descriptor bits 55:52 and 47:40, in place. */
export function lar<T>(cpu: usize, ip: usize): void {
  const selector = <u32>rm<u16>(cpu, ip, OP_R1); if (trap) return;
  let good = visible(cpu, selector); if (trap) return;
  const access = accessOf(descriptor), type = access & 0x1f;
  if ((access & AR_S) == 0) good = good && (hasLimit(cpu, type) || type == TYPE_CALL_GATE || (!isLong(cpu) && (type == TYPE_CALL_GATE16 || type == TYPE_TASK_GATE)));
  if (good) setRegister<T>(cpu, <usize>load<u8>(ip, OP_R0), <T>(<u32>(descriptor >> 32) & 0xffff00));
  setZero(cpu, good);
}

/** LSL: the limit in bytes. */
export function lsl<T>(cpu: usize, ip: usize): void {
  const selector = <u32>rm<u16>(cpu, ip, OP_R1); if (trap) return;
  let good = visible(cpu, selector); if (trap) return;
  const access = accessOf(descriptor), type = access & 0x1f;
  if ((access & AR_S) == 0) good = good && hasLimit(cpu, type);
  if (good) setRegister<T>(cpu, <usize>load<u8>(ip, OP_R0), <T>limitOf(descriptor));
  setZero(cpu, good);
}

export function verr<T>(cpu: usize, selector: T): void {
  const good = visible(cpu, <u32>selector); if (trap) return;
  const access = accessOf(descriptor);
  setZero(cpu, good && (access & AR_S) != 0 && ((access & AR_CODE) == 0 || (access & AR_READABLE) != 0));
}
export function verw<T>(cpu: usize, selector: T): void {
  const good = visible(cpu, <u32>selector); if (trap) return;
  setZero(cpu, good && (accessOf(descriptor) & (AR_S | AR_CODE | AR_WRITABLE)) == (AR_S | AR_WRITABLE));
}
