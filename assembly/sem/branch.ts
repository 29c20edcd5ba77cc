import { zero } from '../core/flags';
import { RCX, RIP } from '../core/layout';
import { mayBranch } from '../core/linear';
import { OP_CC, OP_IMM } from '../core/op';
import { narrowed, pointer, setPointer } from '../core/operand';

// Branches on the count register. RIP is already that of the next instruction (README, "Rules").

function take(cpu: usize, ip: usize): bool {
  const to = load<u64>(ip, OP_IMM);
  if (!mayBranch(cpu, to)) return false;
  store<u64>(cpu, to, RIP);
  return true;
}

/** LOOPNE, LOOPE, LOOP: OP_CC is 0, 1, 2. A target that faults leaves the count as it was. */
export function loopCount(cpu: usize, ip: usize): void {
  const left = narrowed(ip, pointer(cpu, ip, RCX) - 1), kind = load<u8>(ip, OP_CC);
  if (left != 0 && (kind == 2 || zero(cpu) == (kind == 1))) { if (!take(cpu, ip)) return; }
  setPointer(cpu, ip, RCX, left);
}

/** JCXZ, JECXZ, JRCXZ. */
export function jumpIfCountZero(cpu: usize, ip: usize): void {
  if (pointer(cpu, ip, RCX) == 0) take(cpu, ip);
}
