import { MODE_CODE16, MODE_CODE32, MODE_REAL } from './block';
import { EA, FS_BASE, GS_BASE, MODE, RSP, SEG, SEG_ACCESS, SEG_BASE, SEG_CS, SEG_FS, SEG_GS, SEG_LIMIT, SEG_SIZE, SEG_SS } from './layout';
import { canonical } from './mem';
import { OP_ADDRESS_SIZE, OP_BASE, OP_DISP, OP_IMM, OP_INDEX, OP_R0, OP_SCALE } from './op';
import { GP, raiseError, SS } from './trap';

// From a segment and an offset to a linear address, in the modes outside 64-bit mode: compatibility, 32- and 16-bit protected, real-address and
// virtual-8086 mode (SDM vol. 3, 3.2 and 5.3). In 64-bit mode an offset is the linear address, but for the bases of FS and GS.

/** Access rights (segments.ts has them all): present, data writable or code readable, code, expand-down or conforming, big. */
const P: u32 = 0x80, RW: u32 = 2, CODE: u32 = 8, EXPAND_DOWN: u32 = 4, BIG: u32 = 0x4000;
/** As gen/operands.ts packs a memory operand's size and access. */
const ACCESS_SIZE: u32 = 0x3fff, ACCESS_UNCHECKED: u32 = 0x4000, ACCESS_WRITTEN: u32 = 0x8000;

/** Whether the processor is outside 64-bit mode. */
export function legacy(cpu: usize): bool { return (load<u32>(cpu, MODE) & (MODE_CODE32 | MODE_CODE16)) != 0; }

/** Base of segment register `index` (0 ES to 5 GS) as it counts outside 64-bit mode. */
export function segmentBase(cpu: usize, index: usize): u32 {
  if (index == SEG_FS) return load<u32>(cpu, FS_BASE);
  if (index == SEG_GS) return load<u32>(cpu, GS_BASE);
  return load<u32>(cpu + SEG + index * SEG_SIZE, SEG_BASE);
}

/**
 * Whether `size` bytes (1 or more) at `offset` may be read, or written, through segment register `index`. An access that
 * wraps at the end of a segment of 4 GiB is allowed: the SDM leaves that to the processor (vol. 3, 5.3), and Intel's wrap.
 */
export function inSegment(cpu: usize, index: usize, offset: u32, size: u32, write: bool): bool {
  const s = cpu + SEG + index * SEG_SIZE, access = load<u32>(s, SEG_ACCESS), limit = load<u32>(s, SEG_LIMIT), more = size - 1;
  if ((load<u32>(cpu, MODE) & MODE_REAL) == 0) {
    // A null selector leaves a register that is not present.
    if ((access & P) == 0) return false;
    if (write ? (access & (CODE | RW)) != RW : (access & (CODE | RW)) == CODE) return false;
  }
  if ((access & (CODE | EXPAND_DOWN)) == EXPAND_DOWN) {
    const top: u32 = (access & BIG) != 0 ? 0xffffffff : 0xffff;
    return offset > limit && offset <= top && (top - offset >= more || top == 0xffffffff);
  }
  return (offset <= limit && limit - offset >= more) || limit == 0xffffffff;
}

/**
 * Linear address of `size` bytes at `offset` in segment register `index`, outside 64-bit mode. An access that the segment does not allow raises
 * #SS(0) for SS, #GP(0) for the others: `if (trap) return` afterwards.
 */
export function segmentAddress(cpu: usize, index: usize, offset: u32, size: u32, write: bool): u64 {
  if (!inSegment(cpu, index, offset, size, write)) { raiseError(cpu, index == SEG_SS ? SS : GP, 0); return 0; }
  return <u64>(segmentBase(cpu, index) + offset);
}

/** The micro-op in front of an instruction with a memory operand: its linear address, or what the function wants instead (README), into EA. */
export function segmentOperand(cpu: usize, ip: usize): void {
  let offset = <u32>(load<u64>(cpu + <usize>load<u8>(ip, OP_BASE)) + (load<u64>(cpu + <usize>load<u8>(ip, OP_INDEX)) << <u64>load<u8>(ip, OP_SCALE)) + load<u64>(ip, OP_DISP));
  if (load<u8>(ip, OP_ADDRESS_SIZE) == 1) offset &= 0xffff;
  const access = load<u32>(ip, OP_IMM), index = <usize>load<u8>(ip, OP_R0);
  if (access == 0) store<u64>(cpu, <u64>offset, EA);
  else if ((access & ACCESS_UNCHECKED) != 0) store<u64>(cpu, <u64>(segmentBase(cpu, index) + offset), EA);
  else store<u64>(cpu, segmentAddress(cpu, index, offset, access & ACCESS_SIZE, (access & ACCESS_WRITTEN) != 0), EA);
}

// ---- code --------------------------------------------------------------------------------------------------------------------------

/** Linear address of the instruction at `rip`. */
export function codeAddress(cpu: usize, rip: u64): u64 { return legacy(cpu) ? <u64>(segmentBase(cpu, SEG_CS) + <u32>rip) : rip; }

/** The highest RIP of an instruction byte: what the code segment's limit is, where that counts. */
export function codeLimit(cpu: usize): u32 { return legacy(cpu) ? load<u32>(cpu + SEG + SEG_CS * SEG_SIZE, SEG_LIMIT) : 0xffffffff; }

/** Whether a near branch may go to `rip`: #GP(0) when it is not canonical, or beyond the code segment's limit. */
export function mayBranch(cpu: usize, rip: u64): bool {
  if (legacy(cpu) ? rip <= <u64>codeLimit(cpu) : canonical(rip)) return true;
  raiseError(cpu, GP, 0);
  return false;
}

// ---- stack -------------------------------------------------------------------------------------------------------------------------

/** Bits of RSP that stack instructions use: SP, ESP or RSP by the mode and SS.B. */
function stackMask(cpu: usize): u64 {
  if (!legacy(cpu)) return ~(<u64>0);
  return (load<u32>(cpu + SEG + SEG_SS * SEG_SIZE, SEG_ACCESS) & BIG) != 0 ? 0xffffffff : 0xffff;
}

/** The stack pointer `add` bytes further on (or back), wrapped to its width. */
export function stackPointer(cpu: usize, add: i64): u64 { return (load<u64>(cpu, RSP) + <u64>add) & stackMask(cpu); }

/** Offset `v` in the stack, wrapped to the stack pointer's width. */
export function stackWrap(cpu: usize, v: u64): u64 { return v & stackMask(cpu); }

/** Sets the part of RSP that the stack pointer is; with a 16-bit stack the rest stays. */
export function setStackPointer(cpu: usize, v: u64): void {
  if (stackMask(cpu) == 0xffff) store<u16>(cpu, <u16>v, RSP);
  else store<u64>(cpu, v & stackMask(cpu), RSP);
}

/** Linear address of `size` bytes at stack offset `sp` (as stackPointer gives it); may raise #SS(0): `if (trap) return` afterwards. */
export function stackAddress(cpu: usize, sp: u64, size: u32, write: bool): u64 {
  return legacy(cpu) ? segmentAddress(cpu, SEG_SS, <u32>sp, size, write) : sp;
}
