import { AC, DF, getFlags, ID, IF, IOPL, NT, RF, setFlags, STATUS_FLAGS, TF, VIF, VIP, VM } from '../core/flags';
import { CPL, FLAGS_REST, GPR, RBP, RDI, RIP, RSP } from '../core/layout';
import { updateAttention } from '../core/boundary';
import { mayBranch, setStackPointer, stackAddress, stackPointer, stackWrap } from '../core/linear';
import { updateMode } from '../core/mode';
import { OP_IMM, OP_NEXT, OP_R0 } from '../core/op';
import { ea, isMemory, loadAt, loadForWriteAt, rm, setRegister, storeAt } from '../core/operand';
import { stackFault, trap } from '../core/trap';

// Stack instructions that are not in the dense switch, and near CALL and RET outside 64-bit mode. In 64-bit mode the operand is 64 bits, or 16 with the
// prefix, and the stack pointer is RSP; elsewhere the operand is 32 or 16 bits, and SS.B says whether the stack pointer is ESP or SP.

/** Pushes `v`; changes nothing when it faults. */
export function pushValue<T>(cpu: usize, v: T): void {
  const sp = stackPointer(cpu, -<i64>sizeof<T>()), va = stackAddress(cpu, sp, sizeof<T>(), true);
  if (trap) return;
  storeAt<T>(cpu, va, v);
  if (trap) { stackFault(cpu); return; }
  setStackPointer(cpu, sp);
}

/** The value on top of the stack; RSP is left to the caller. */
export function topOfStack<T>(cpu: usize): T {
  return stackItem<T>(cpu, stackPointer(cpu, 0));
}
/** The value at stack offset `sp`. */
function stackItem<T>(cpu: usize, sp: u64): T {
  const va = stackAddress(cpu, sp, sizeof<T>(), false);
  if (trap) return <T>0;
  const v = loadAt<T>(cpu, va);
  if (trap) stackFault(cpu);
  return v;
}

export function pushRm<T>(cpu: usize, ip: usize): void {
  const v = rm<T>(cpu, ip, OP_R0);
  if (trap) return;
  pushValue<T>(cpu, v);
}
export function pushConstant<T>(cpu: usize, ip: usize): void { pushValue<T>(cpu, load<T>(ip, OP_IMM)); }

/** POP r/m. (An address with RSP as base uses RSP after the increment: the decoder has added it.) */
export function popRm<T>(cpu: usize, ip: usize): void {
  const v = topOfStack<T>(cpu);
  if (trap) return;
  const sp = stackPointer(cpu, sizeof<T>());
  if (!isMemory(ip)) {
    setStackPointer(cpu, sp);
    setRegister<T>(cpu, <usize>load<u8>(ip, OP_R0), v);
    return;
  }
  storeAt<T>(cpu, ea(cpu, ip), v);
  if (trap) return;
  setStackPointer(cpu, sp);
}

/** LEAVE with an operand of 16 bits, or 32 outside 64-bit mode. */
export function leave<T>(cpu: usize, _ip: usize): void {
  const bp = stackWrap(cpu, load<u64>(cpu, RBP)), v = stackItem<T>(cpu, bp);
  if (trap) return;
  setStackPointer(cpu, bp + sizeof<T>());
  setRegister<T>(cpu, RBP, v);
}

/** ENTER size, level (SDM vol. 2): copies level - 1 frame pointers. The pushes of a faulting one are undefined; registers stay. */
export function enter<T>(cpu: usize, ip: usize): void {
  const size = load<u64>(ip, OP_IMM) & 0xffff, level = (load<u32>(ip, OP_IMM) >> 16) & 31;
  const n = <u64>sizeof<T>(), frame = stackPointer(cpu, -<i64>n);
  let sp = frame, bp = load<u64>(cpu, RBP);
  storeItem<T>(cpu, sp, <T>bp);
  if (trap) return;
  for (let i: u32 = 1; i < level; i++) {
    bp = stackWrap(cpu, bp - n);
    const v = stackItem<T>(cpu, bp);
    if (trap) return;
    sp = stackWrap(cpu, sp - n);
    storeItem<T>(cpu, sp, v);
    if (trap) return;
  }
  if (level > 0) {
    sp = stackWrap(cpu, sp - n);
    storeItem<T>(cpu, sp, <T>frame);
    if (trap) return;
  }
  sp = stackWrap(cpu, sp - size);
  // The stack must be writable where RSP will be (SDM vol. 2, ENTER, "#SS" and "#PF").
  const va = stackAddress(cpu, sp, 1, true);
  if (trap) return;
  loadForWriteAt<u8>(cpu, va);
  if (trap) { stackFault(cpu); return; }
  setRegister<T>(cpu, RBP, <T>frame);
  setStackPointer(cpu, sp);
}
/** Writes a value at stack offset `sp`. */
function storeItem<T>(cpu: usize, sp: u64, v: T): void {
  const va = stackAddress(cpu, sp, sizeof<T>(), true);
  if (trap) return;
  storeAt<T>(cpu, va, v);
  stackFault(cpu);
}

/** PUSHA, PUSHAD: AX CX DX BX, SP as it was before, BP SI DI. One that faults may have written some of them, but ESP stays. */
export function pushAll<T>(cpu: usize, _ip: usize): void {
  const n = <u64>sizeof<T>();
  for (let i: u64 = 0; i < 8; i++) {
    storeItem<T>(cpu, stackPointer(cpu, -<i64>((i + 1) * n)), load<T>(cpu + GPR + <usize>(i << 3)));
    if (trap) return;
  }
  setStackPointer(cpu, stackPointer(cpu, -<i64>(8 * n)));
}

/** POPA, POPAD: the stack pointer's image is skipped. One that faults has loaded what comes before (as on Intel's processors), but ESP stays. */
export function popAll<T>(cpu: usize, _ip: usize): void {
  const n = <i64>sizeof<T>();
  for (let i = 0; i < 8; i++) {
    const at: usize = RDI - <usize>(i << 3);
    if (at == RSP) continue;
    const v = stackItem<T>(cpu, stackPointer(cpu, <i64>i * n));
    if (trap) return;
    setRegister<T>(cpu, at, v);
  }
  setStackPointer(cpu, stackPointer(cpu, 8 * n));
}

/** PUSHF: VM and RF are clear in the image. */
export function pushf<T>(cpu: usize, _ip: usize): void { pushValue<T>(cpu, <T>(getFlags(cpu) & ~(VM | RF))); }

/** POPF (SDM vol. 2, table 4-20): IOPL only at CPL 0, IF only when CPL <= IOPL; VIP and VIF become clear, RF is cleared. */
export function popf<T>(cpu: usize, ip: usize): void {
  const v = <u32>topOfStack<T>(cpu);
  if (trap) return;
  setStackPointer(cpu, stackPointer(cpu, sizeof<T>()));
  const old = getFlags(cpu), cpl = load<u32>(cpu, CPL);
  let mask = STATUS_FLAGS | TF | DF | NT;
  if (sizeof<T>() > 2) mask |= AC | ID | RF | VIF | VIP;
  if (cpl == 0) mask |= IOPL;
  if (cpl <= (old >> 12 & 3)) mask |= IF;
  setFlags(cpu, (old & ~mask) | (v & mask & ~(RF | VIF | VIP)));
  const changed = old ^ load<u32>(cpu, FLAGS_REST);
  if ((changed & AC) != 0) updateMode(cpu);
  if ((changed & (IF | TF)) != 0) updateAttention(cpu);
  store<u64>(cpu, load<u64>(ip, OP_NEXT), RIP);
}

/** RET and RET imm16, with an operand of T; RET imm16 in 64-bit mode too. */
export function retNear<T>(cpu: usize, ip: usize): void {
  const to = <u64>topOfStack<T>(cpu);
  if (trap || !mayBranch(cpu, to)) return;
  setStackPointer(cpu, stackPointer(cpu, <i64>sizeof<T>() + <i64>load<u16>(ip, OP_IMM)));
  store<u64>(cpu, to, RIP);
}

// ---- near branches outside 64-bit mode ---------------------------------------------------------------------------------------------

function callTo<T>(cpu: usize, ip: usize, to: u64): void {
  if (!mayBranch(cpu, to)) return;
  pushValue<T>(cpu, <T>load<u64>(ip, OP_NEXT));
  if (!trap) store<u64>(cpu, to, RIP);
}
export function callNear<T>(cpu: usize, ip: usize): void { callTo<T>(cpu, ip, load<u64>(ip, OP_IMM)); }
export function callNearRm<T>(cpu: usize, ip: usize): void {
  const to = <u64>rm<T>(cpu, ip, OP_R0);
  if (!trap) callTo<T>(cpu, ip, to);
}
export function jmpNearRm<T>(cpu: usize, ip: usize): void {
  const to = <u64>rm<T>(cpu, ip, OP_R0);
  if (!trap && mayBranch(cpu, to)) store<u64>(cpu, to, RIP);
}
