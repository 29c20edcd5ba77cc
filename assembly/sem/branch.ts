import { zero } from '../core/flags';
import { RCX, RIP } from '../core/layout';
import { canonical } from '../core/mem';
import { OP_ADDRESS_SIZE, OP_CC, OP_IMM } from '../core/op';
import { GP, raiseError } from '../core/trap';

// Branches on the count register. RIP is already that of the next instruction (README, "Rules").

/** The count register by address size. */
function count(cpu: usize, ip: usize): u64 {
  return load<u8>(ip, OP_ADDRESS_SIZE) == 2 ? <u64>load<u32>(cpu, RCX) : load<u64>(cpu, RCX);
}

function take(cpu: usize, ip: usize): bool {
  const to = load<u64>(ip, OP_IMM);
  if (!canonical(to)) { raiseError(cpu, GP, 0); return false; }
  store<u64>(cpu, to, RIP);
  return true;
}

/** LOOPNE, LOOPE, LOOP: OP_CC is 0, 1, 2. A target that faults leaves the count as it was. */
export function loopCount(cpu: usize, ip: usize): void {
  const n = count(cpu, ip) - 1, kind = load<u8>(ip, OP_CC), narrow = load<u8>(ip, OP_ADDRESS_SIZE) == 2, left = narrow ? <u64><u32>n : n;
  if (left != 0 && (kind == 2 || zero(cpu) == (kind == 1))) { if (!take(cpu, ip)) return; }
  store<u64>(cpu, left, RCX);
}

/** JECXZ, JRCXZ. */
export function jumpIfCountZero(cpu: usize, ip: usize): void {
  if (count(cpu, ip) == 0) take(cpu, ip);
}
