import { RESULT, SCRATCH } from './layout';
import { canonical, ld128, ld256, ld16, ld32, ld64, ld8, ldw128, ldw16, ldw32, ldw64, ldw8, st128, st256, st16, st32, st64, st8 } from './mem';
import { legacy, segmentAddress } from './linear';
import { OP_ADDRESS_SIZE, OP_BASE, OP_DISP, OP_FLAGS, OP_INDEX, OP_SCALE, OP_SEGMENT, OPF_MEMORY } from './op';
import { GP, raiseCanonical, raiseError } from './trap';

// Operands of an op for functions that are not in the dense switch. `field` is the op's register field (OP_R0, OP_R1, OP_R2).

/** Whether the r/m operand is memory. */
export function isMemory(ip: usize): bool { return (load<u8>(ip, OP_FLAGS) & OPF_MEMORY) != 0; }

/** Effective address of the memory operand, segment base included. */
export function ea(cpu: usize, ip: usize): u64 {
  return load<u64>(cpu + <usize>load<u8>(ip, OP_BASE)) + (load<u64>(cpu + <usize>load<u8>(ip, OP_INDEX)) << <u64>load<u8>(ip, OP_SCALE)) + load<u64>(ip, OP_DISP);
}

/** Loads, loads for a read-modify-write, and stores of the size of T at a linear address. After each: `if (trap) return`. */
export function loadAt<T>(cpu: usize, va: u64): T {
  if (sizeof<T>() == 1) return <T>ld8(cpu, va);
  if (sizeof<T>() == 2) return <T>ld16(cpu, va);
  if (sizeof<T>() == 4) return <T>ld32(cpu, va);
  return <T>ld64(cpu, va);
}
export function loadForWriteAt<T>(cpu: usize, va: u64): T {
  if (sizeof<T>() == 1) return <T>ldw8(cpu, va);
  if (sizeof<T>() == 2) return <T>ldw16(cpu, va);
  if (sizeof<T>() == 4) return <T>ldw32(cpu, va);
  return <T>ldw64(cpu, va);
}
export function storeAt<T>(cpu: usize, va: u64, v: T): void {
  if (sizeof<T>() == 1) st8(cpu, va, <u8>v);
  else if (sizeof<T>() == 2) st16(cpu, va, <u16>v);
  else if (sizeof<T>() == 4) st32(cpu, va, <u32>v);
  else st64(cpu, va, <u64>v);
}

/** The memory operand. */
export function memory<T>(cpu: usize, ip: usize): T { return loadAt<T>(cpu, ea(cpu, ip)); }
export function memoryForWrite<T>(cpu: usize, ip: usize): T { return loadForWriteAt<T>(cpu, ea(cpu, ip)); }
export function setMemory<T>(cpu: usize, ip: usize, v: T): void { storeAt<T>(cpu, ea(cpu, ip), v); }

/** A general register by its offset; a 32-bit write clears the upper half (SDM vol. 1, 3.4.1.1). */
export function setRegister<T>(cpu: usize, offset: usize, v: T): void {
  if (sizeof<T>() == 4) store<u64>(cpu + offset, <u64><u32>v);
  else store<T>(cpu + offset, v);
}

/** The register whose offset is in the op's `field`. */
export function register<T>(cpu: usize, ip: usize, field: usize): T { return load<T>(cpu + <usize>load<u8>(ip + field)); }

/** The r/m operand. */
export function rm<T>(cpu: usize, ip: usize, field: usize): T {
  return isMemory(ip) ? memory<T>(cpu, ip) : register<T>(cpu, ip, field);
}
/** The r/m operand, to be written afterwards. */
export function rmForWrite<T>(cpu: usize, ip: usize, field: usize): T {
  return isMemory(ip) ? memoryForWrite<T>(cpu, ip) : register<T>(cpu, ip, field);
}
export function setRm<T>(cpu: usize, ip: usize, field: usize, v: T): void {
  if (isMemory(ip)) setMemory<T>(cpu, ip, v);
  else setRegister<T>(cpu, <usize>load<u8>(ip + field), v);
}

// ---- operands that no ModRM names: string instructions, XLAT, LOOP, MASKMOV ---------------------------------------------------------

/** `v` truncated to the address size of the op. */
export function narrowed(ip: usize, v: u64): u64 {
  const size = load<u8>(ip, OP_ADDRESS_SIZE);
  return size == 3 ? v : size == 2 ? <u64><u32>v : <u64><u16>v;
}
/** An address or count register (offset `at`) in the address size of the op. */
export function pointer(cpu: usize, ip: usize, at: usize): u64 { return narrowed(ip, load<u64>(cpu + at)); }
/** Sets it: 32 bits clear the upper half, 16 leave the rest. */
export function setPointer(cpu: usize, ip: usize, at: usize, v: u64): void {
  const size = load<u8>(ip, OP_ADDRESS_SIZE);
  if (size == 1) store<u16>(cpu + at, <u16>v);
  else store<u64>(cpu + at, size == 2 ? <u64><u32>v : v);
}
/** Linear address of `size` bytes at `offset` of DS, or of the segment that a prefix names. Outside 64-bit mode it may fault: `if (trap) return`. */
export function sourceAddress(cpu: usize, ip: usize, offset: u64, size: u32, write: bool): u64 {
  if (legacy(cpu)) return segmentAddress(cpu, <usize>load<u8>(ip, OP_SEGMENT), <u32>offset, size, write);
  return offset + load<u64>(cpu + <usize>load<u8>(ip, OP_INDEX));
}

/** A memory operand of a vector instruction is not aligned: #GP(0), unless its address is non-canonical, which is the first thing to go wrong. */
export function misaligned(cpu: usize, va: u64): void {
  if (canonical(va)) raiseError(cpu, GP, 0); else raiseCanonical();
}

/**
 * The memory operand of a vector form, in SCRATCH: loaded when `mode` is 1 (2: to be written back), with zeros above its `size` (0 to 64) bytes; checked for `align`.
 * Answers the address of the scratch.
 */
export function vectorMemory(cpu: usize, ip: usize, size: u32, align: u32, mode: u32): usize {
  const to = cpu + SCRATCH, va = ea(cpu, ip);
  if ((<u32>va & (align - 1)) != 0) { misaligned(cpu, va); return to; }
  if (mode == 0) return to;
  if (size < 16) { store<u64>(to, 0); store<u64>(to, 0, 8); }
  switch (size) {
    case 1: { const v = mode == 2 ? ldw8(cpu, va) : ld8(cpu, va); store<u8>(to, v); break; }
    case 2: { const v = mode == 2 ? ldw16(cpu, va) : ld16(cpu, va); store<u16>(to, v); break; }
    case 4: { const v = mode == 2 ? ldw32(cpu, va) : ld32(cpu, va); store<u32>(to, v); break; }
    case 8: { const v = mode == 2 ? ldw64(cpu, va) : ld64(cpu, va); store<u64>(to, v); break; }
    case 32: ld256(cpu, va, to); break;
    default: if (mode == 2) ldw128(cpu, va, to); else ld128(cpu, va, to); break;
  }
  return to;
}

/** Ends a VEX-encoded instruction: the low 16 bytes (32 when `wide`) of a vector register from `from`, with the rest zeroed. */
export function writeVector(to: usize, from: usize, wide: bool): void {
  v128.store(to, v128.load(from));
  v128.store(to, wide ? v128.load(from, 16) : i64x2.splat(0), 16);
}

/** Writes RESULT to the memory operand, which has to be aligned to `align`. */
export function storeResult(cpu: usize, ip: usize, size: u32, align: u32): void {
  const from = cpu + RESULT, va = ea(cpu, ip);
  if ((<u32>va & (align - 1)) != 0) { misaligned(cpu, va); return; }
  switch (size) {
    case 4: st32(cpu, va, load<u32>(from)); break;
    case 8: st64(cpu, va, load<u64>(from)); break;
    case 16: st128(cpu, va, from); break;
    default: st256(cpu, va, from); break;
  }
}

/** Writes SCRATCH to the memory operand. */
export function storeVector(cpu: usize, ip: usize, size: u32): void {
  const from = cpu + SCRATCH, va = ea(cpu, ip);
  switch (size) {
    case 1: st8(cpu, va, load<u8>(from)); break;
    case 2: st16(cpu, va, load<u16>(from)); break;
    case 4: st32(cpu, va, load<u32>(from)); break;
    case 8: st64(cpu, va, load<u64>(from)); break;
    case 32: st256(cpu, va, from); break;
    default: st128(cpu, va, from); break;
  }
}
