import { AC, DF, getFlags, ID, IF, IOPL, NT, RF, setFlags, STATUS_FLAGS, TF, VIF, VIP, VM } from '../core/flags';
import { CPL, FLAGS_REST, RBP, RIP, RSP } from '../core/layout';
import { updateAttention } from '../core/boundary';
import { canonical } from '../core/mem';
import { updateMode } from '../core/mode';
import { OP_BASE, OP_IMM, OP_NEXT, OP_R0 } from '../core/op';
import { ea, isMemory, loadAt, loadForWriteAt, rm, setRegister, storeAt } from '../core/operand';
import { GP, raiseError, stackFault, trap } from '../core/trap';

// Stack instructions that are not in the dense switch, and RET with a count. In 64-bit mode the operand is 64 bits, or 16 with the prefix.

/** Pushes `v`; changes nothing when it faults. */
export function pushValue<T>(cpu: usize, v: T): void {
  const sp = load<u64>(cpu, RSP) - sizeof<T>();
  storeAt<T>(cpu, sp, v);
  if (trap) { stackFault(cpu); return; }
  store<u64>(cpu, sp, RSP);
}

/** The value on top of the stack; RSP is left to the caller. */
export function topOfStack<T>(cpu: usize): T {
  const v = loadAt<T>(cpu, load<u64>(cpu, RSP));
  if (trap) stackFault(cpu);
  return v;
}

export function pushRm<T>(cpu: usize, ip: usize): void {
  const v = rm<T>(cpu, ip, OP_R0);
  if (trap) return;
  pushValue<T>(cpu, v);
}
export function pushConstant<T>(cpu: usize, ip: usize): void { pushValue<T>(cpu, load<T>(ip, OP_IMM)); }

/** POP r/m: an address with RSP as base uses RSP after the increment (SDM vol. 2, POP). */
export function popRm<T>(cpu: usize, ip: usize): void {
  const v = topOfStack<T>(cpu);
  if (trap) return;
  const sp = load<u64>(cpu, RSP) + sizeof<T>();
  if (!isMemory(ip)) {
    store<u64>(cpu, sp, RSP);
    setRegister<T>(cpu, <usize>load<u8>(ip, OP_R0), v);
    return;
  }
  const adjust: u64 = <usize>load<u8>(ip, OP_BASE) == RSP ? sizeof<T>() : 0;
  storeAt<T>(cpu, ea(cpu, ip) + adjust, v);
  if (trap) return;
  store<u64>(cpu, sp, RSP);
}

/** LEAVE with a 16-bit operand. */
export function leave16(cpu: usize, _ip: usize): void {
  const bp = load<u64>(cpu, RBP), v = loadAt<u16>(cpu, bp);
  if (trap) { stackFault(cpu); return; }
  store<u64>(cpu, bp + 2, RSP);
  store<u16>(cpu, v, RBP);
}

/** ENTER size, level (SDM vol. 2): copies level - 1 frame pointers. The pushes of a faulting one are undefined; registers stay. */
export function enter<T>(cpu: usize, ip: usize): void {
  const size = load<u64>(ip, OP_IMM) & 0xffff, level = (load<u32>(ip, OP_IMM) >> 16) & 31;
  let sp = load<u64>(cpu, RSP) - sizeof<T>(), bp = load<u64>(cpu, RBP);
  storeAt<T>(cpu, sp, <T>bp);
  if (trap) { stackFault(cpu); return; }
  const frame = sp;
  for (let i: u32 = 1; i < level; i++) {
    bp -= sizeof<T>();
    const v = loadAt<T>(cpu, bp);
    if (trap) { stackFault(cpu); return; }
    sp -= sizeof<T>();
    storeAt<T>(cpu, sp, v);
    if (trap) { stackFault(cpu); return; }
  }
  if (level > 0) {
    sp -= sizeof<T>();
    storeAt<T>(cpu, sp, <T>frame);
    if (trap) { stackFault(cpu); return; }
  }
  sp -= size;
  // The stack must be writable where RSP will be (SDM vol. 2, ENTER, "#SS" and "#PF").
  loadForWriteAt<u8>(cpu, sp);
  if (trap) { stackFault(cpu); return; }
  setRegister<T>(cpu, RBP, <T>frame);
  store<u64>(cpu, sp, RSP);
}

/** PUSHF: VM and RF are clear in the image. */
export function pushf<T>(cpu: usize, _ip: usize): void { pushValue<T>(cpu, <T>(getFlags(cpu) & ~(VM | RF))); }

/** POPF (SDM vol. 2, table 4-20): IOPL only at CPL 0, IF only when CPL <= IOPL; VIP and VIF become clear, RF is cleared. */
export function popf<T>(cpu: usize, ip: usize): void {
  const v = <u32>topOfStack<T>(cpu);
  if (trap) return;
  store<u64>(cpu, load<u64>(cpu, RSP) + sizeof<T>(), RSP);
  const old = getFlags(cpu), cpl = load<u32>(cpu, CPL);
  let mask = STATUS_FLAGS | TF | DF | NT;
  if (sizeof<T>() == 8) mask |= AC | ID | RF | VIF | VIP;
  if (cpl == 0) mask |= IOPL;
  if (cpl <= (old >> 12 & 3)) mask |= IF;
  setFlags(cpu, (old & ~mask) | (v & mask & ~(RF | VIF | VIP)));
  const changed = old ^ load<u32>(cpu, FLAGS_REST);
  if ((changed & AC) != 0) updateMode(cpu);
  if ((changed & (IF | TF)) != 0) updateAttention(cpu);
  store<u64>(cpu, load<u64>(ip, OP_NEXT), RIP);
}

/** RET imm16. */
export function retPop(cpu: usize, ip: usize): void {
  const to = topOfStack<u64>(cpu);
  if (trap) return;
  if (!canonical(to)) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu, load<u64>(cpu, RSP) + 8 + (load<u64>(ip, OP_IMM) & 0xffff), RSP);
  store<u64>(cpu, to, RIP);
}
