import { AF, CF, FK_LOGIC, getFlags, OF, PF, setStatus, SF, ZF, carry, overflow } from '../core/flags';
import { SOURCE_SOFTWARE, softwareInterrupt } from '../core/interrupts';
import { FL_OP, FL_RES, RAX } from '../core/layout';
import { segmentAddress, segmentBase } from '../core/linear';
import { OP_IMM, OP_NEXT, OP_R0, OP_R1, OP_SEGMENT } from '../core/op';
import { ea, isMemory, loadAt, register, rm, setRm } from '../core/operand';
import { BR, DE, OF_TRAP, raise, trap } from '../core/trap';
import { extend } from './alu';

// Instructions that exist outside 64-bit mode only: decimal arithmetic, BOUND, INTO, ARPL, SALC (SDM vol. 2). Flags that the SDM leaves undefined
// come out as Intel's processors leave them where that is one rule, else clear.

/** SF, ZF and PF of AL, with AF and CF as given, OF clear. */
function decimalFlags(cpu: usize, al: u8, af: bool, cf: bool): void {
  setStatus(cpu, ((al & 0x80) != 0 ? SF : 0) | (al == 0 ? ZF : 0) | ((popcnt<u32>(al) & 1) == 0 ? PF : 0) | (af ? AF : 0) | (cf ? CF : 0));
}
function auxiliary(cpu: usize): bool { return (getFlags(cpu) & AF) != 0; }

export function daa(cpu: usize, _ip: usize): void {
  const old = load<u8>(cpu, RAX), carried = carry(cpu), low = (old & 15) > 9 || auxiliary(cpu), high = old > 0x99 || carried;
  const al = old + (low ? 6 : 0) + (high ? 0x60 : 0);
  store<u8>(cpu, al, RAX);
  decimalFlags(cpu, al, low, high);
}
export function das(cpu: usize, _ip: usize): void {
  const old = load<u8>(cpu, RAX), carried = carry(cpu), low = (old & 15) > 9 || auxiliary(cpu), high = old > 0x99 || carried;
  const al = old - (low ? 6 : 0) - (high ? 0x60 : 0);
  store<u8>(cpu, al, RAX);
  // The correction of the low digit may borrow, too.
  decimalFlags(cpu, al, low, high || (low && old < 6));
}

/** AAA, AAS: AF and CF say whether AH changed; the other flags are those of the corrected AL before its upper digit is cleared. */
function ascii(cpu: usize, by: u16): void {
  const adjust = (load<u8>(cpu, RAX) & 15) > 9 || auxiliary(cpu);
  if (adjust) store<u16>(cpu, load<u16>(cpu, RAX) + by, RAX);
  const al = load<u8>(cpu, RAX);
  store<u8>(cpu, al & 15, RAX);
  decimalFlags(cpu, al & 15, adjust, adjust);
}
export function aaa(cpu: usize, _ip: usize): void { ascii(cpu, 0x106); }
export function aas(cpu: usize, _ip: usize): void { ascii(cpu, <u16>(0 - 0x106)); }

function resultInAl(cpu: usize, al: u8): void {
  store<i64>(cpu, extend<u8>(al), FL_RES);
  store<u32>(cpu, FK_LOGIC, FL_OP);
}
export function aam(cpu: usize, ip: usize): void {
  const by = load<u8>(ip, OP_IMM), al = load<u8>(cpu, RAX);
  if (by == 0) { raise(cpu, DE); return; }
  store<u8>(cpu, al / by, RAX + 1);
  store<u8>(cpu, al % by, RAX);
  resultInAl(cpu, al % by);
}
export function aad(cpu: usize, ip: usize): void {
  const al = <u8>(<u32>load<u8>(cpu, RAX) + <u32>load<u8>(cpu, RAX + 1) * <u32>load<u8>(ip, OP_IMM));
  store<u16>(cpu, <u16>al, RAX);
  resultInAl(cpu, al);
}

/** D6, which the SDM does not describe: AL becomes FF or 0 by CF. */
export function salc(cpu: usize, _ip: usize): void { store<u8>(cpu, carry(cpu) ? 0xff : 0, RAX); }

export function into(cpu: usize, ip: usize): void {
  if (overflow(cpu)) softwareInterrupt(cpu, OF_TRAP, SOURCE_SOFTWARE, load<u64>(ip, OP_NEXT));
}

/** BOUND: #BR unless lower bound <= index <= upper bound, all signed. The upper bound is read when the lower one has not decided. */
export function bound<T>(cpu: usize, ip: usize): void {
  const at = ea(cpu, ip), lower = extend<T>(loadAt<T>(cpu, at)); if (trap) return;
  const index = extend<T>(register<T>(cpu, ip, OP_R0));
  if (index < lower) { raise(cpu, BR); return; }
  const upper = extend<T>(loadAt<T>(cpu, at + sizeof<T>())); if (trap) return;
  if (index > upper) raise(cpu, BR);
}

/** Whether the memory operand, which was checked for reading, may also be written: else #GP(0) or #SS(0). */
function mayWrite(cpu: usize, ip: usize, size: u32): bool {
  const index = <usize>load<u8>(ip, OP_SEGMENT);
  segmentAddress(cpu, index, <u32>ea(cpu, ip) - segmentBase(cpu, index), size, true);
  return trap == 0;
}

/** ARPL: raises the RPL of the destination to that of the source; ZF says whether it did. */
export function arpl(cpu: usize, ip: usize): void {
  const selector = rm<u16>(cpu, ip, OP_R0); if (trap) return;
  const rpl = register<u16>(cpu, ip, OP_R1) & 3, raised = (selector & 3) < rpl;
  if (raised) {
    if (isMemory(ip) && !mayWrite(cpu, ip, 2)) return;
    setRm<u16>(cpu, ip, OP_R0, (selector & 0xfffc) | rpl);
    if (trap) return;
  }
  setStatus(cpu, (getFlags(cpu) & (CF | PF | AF | SF | OF)) | (raised ? ZF : 0));
}
