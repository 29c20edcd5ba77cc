import { AF, CF, OF, PF, SF, ZF, getFlags, setStatus } from '../core/flags';
import { RAX, RBX, RCX, RDX, SCRATCH } from '../core/layout';
import { ld8, ldw128, ldw64, st128, st64 } from '../core/mem';
import { ea, isMemory, narrowed, register, rmForWrite, setRegister, setRm, sourceAddress } from '../core/operand';
import { OP_R0, OP_R1 } from '../core/op';
import { dontHold } from '../core/storebuffer';
import { GP, raiseError, trap } from '../core/trap';
import { add, cmp } from './alu';

// Instructions with two destinations. What LOCK asks for is in core/storebuffer.ts.

export function xchg<T>(cpu: usize, ip: usize): void {
  // With memory it is locked, LOCK or not.
  if (isMemory(ip)) dontHold(cpu);
  const a = rmForWrite<T>(cpu, ip, OP_R0);
  if (trap) return;
  const b = register<T>(cpu, ip, OP_R1);
  setRm<T>(cpu, ip, OP_R0, b);
  if (trap) return;
  setRegister<T>(cpu, <usize>load<u8>(ip, OP_R1), a);
}

/** XADD. With the same register twice the sum wins: it is written last. */
export function xadd<T>(cpu: usize, ip: usize): void {
  const a = rmForWrite<T>(cpu, ip, OP_R0);
  if (trap) return;
  const b = register<T>(cpu, ip, OP_R1), sum = <T>(a + b), source = <usize>load<u8>(ip, OP_R1);
  if (isMemory(ip)) {
    setRm<T>(cpu, ip, OP_R0, sum);
    if (trap) return;
    setRegister<T>(cpu, source, a);
  } else {
    setRegister<T>(cpu, source, a);
    setRm<T>(cpu, ip, OP_R0, sum);
  }
  add<T>(cpu, a, b);
}

/** CMPXCHG writes its destination in any case: the old value when the comparison fails. */
export function cmpxchg<T>(cpu: usize, ip: usize): void {
  const old = rmForWrite<T>(cpu, ip, OP_R0);
  if (trap) return;
  const expected = load<T>(cpu, RAX), equal = expected == old;
  setRm<T>(cpu, ip, OP_R0, equal ? register<T>(cpu, ip, OP_R1) : old);
  if (trap) return;
  cmp<T>(cpu, expected, old);
  if (!equal) setRegister<T>(cpu, RAX, old);
}

function setZero(cpu: usize, on: bool): void {
  setStatus(cpu, (getFlags(cpu) & (CF | PF | AF | SF | OF)) | (on ? ZF : 0));
}

export function cmpxchg8b(cpu: usize, ip: usize): void {
  const va = ea(cpu, ip), old = ldw64(cpu, va);
  if (trap) return;
  const expected = <u64>load<u32>(cpu, RAX) | (<u64>load<u32>(cpu, RDX) << 32), equal = expected == old;
  st64(cpu, va, equal ? <u64>load<u32>(cpu, RBX) | (<u64>load<u32>(cpu, RCX) << 32) : old);
  if (trap) return;
  setZero(cpu, equal);
  if (equal) return;
  store<u64>(cpu, old & 0xffffffff, RAX);
  store<u64>(cpu, old >> 32, RDX);
}

export function cmpxchg16b(cpu: usize, ip: usize): void {
  const va = ea(cpu, ip), scratch = cpu + SCRATCH;
  if ((<u32>va & 15) != 0) { raiseError(cpu, GP, 0); return; }
  ldw128(cpu, va, scratch);
  if (trap) return;
  const lo = load<u64>(scratch), hi = load<u64>(scratch, 8), equal = lo == load<u64>(cpu, RAX) && hi == load<u64>(cpu, RDX);
  if (equal) {
    store<u64>(scratch, load<u64>(cpu, RBX));
    store<u64>(scratch, load<u64>(cpu, RCX), 8);
  }
  st128(cpu, va, scratch);
  if (trap) return;
  setZero(cpu, equal);
  if (equal) return;
  store<u64>(cpu, lo, RAX);
  store<u64>(cpu, hi, RDX);
}

/** XLATB: AL = [RBX + AL]. */
export function xlat(cpu: usize, ip: usize): void {
  const va = sourceAddress(cpu, ip, narrowed(ip, load<u64>(cpu, RBX) + <u64>load<u8>(cpu, RAX)), 1, false);
  if (trap) return;
  const v = ld8(cpu, va);
  if (trap) return;
  store<u8>(cpu, v, RAX);
}
