import { B_BREAK, UNLINKED } from './block';
import { codeFlushes, countMissingOpcode, findBlock, rememberJump } from './blocks';
import { linkGeneration } from './mmu';
import { OP_CC, OP_IMM, OP_LINK_GENERATION, OP_LINK_NEXT, OP_LINK_TAKEN, OP_NEXT_GENERATION, OP_NEXT_LINK } from './op';
import { NO_ERROR_CODE, raise, raiseError } from './trap';

// Slow paths of the dense switch.

/**
 * Finds the block at `rip`, where control goes now, and remembers it: in the branch op's link field at `slot`, or (slot 1) in the
 * table of indirect targets, or (slot = op + 4) in a cold op that goes on at the next instruction. 0 with `trap` set when the fetch faults, and at a breakpoint.
 */
export function transfer(cpu: usize, rip: u64, slot: usize): usize {
  const before = codeFlushes(), b = findBlock(cpu, rip, 0);
  if (b == 0 || load<u16>(b, B_BREAK) != 0) return 0;
  // After a flush of the arena, `slot` may lie in another block.
  if (before != codeFlushes()) return b;
  if (slot == 1) { rememberJump(cpu, rip, b); return b; }
  // Ops are 16-byte aligned, so bits 2 and 3 tell the link fields apart.
  if ((slot & 12) == 4) {
    store<u32>(slot - 4, linkGeneration, OP_NEXT_GENERATION);
    store<u32>(slot - 4, <u32>b, OP_NEXT_LINK);
    return b;
  }
  const base = (slot & 4) != 0 ? slot - OP_LINK_NEXT : slot - OP_LINK_TAKEN;
  if (load<u32>(base, OP_LINK_GENERATION) != linkGeneration) {
    store<u32>(base, linkGeneration, OP_LINK_GENERATION);
    store<u32>(base, <u32>UNLINKED, OP_LINK_TAKEN);
    store<u32>(base, <u32>UNLINKED, OP_LINK_NEXT);
  }
  store<u32>(slot, <u32>b);
  return b;
}

/** Runs an op that the decoder made to raise an exception; an opcode that no form has is counted. */
export function raiseDecoded(cpu: usize, ip: usize): void {
  const vector = <u32>load<u8>(ip, OP_CC), imm = load<u64>(ip, OP_IMM), missing = <u32>(imm >> 32);
  if (missing != 0) countMissingOpcode(missing - 1);
  if (<u32>imm == NO_ERROR_CODE) raise(cpu, vector);
  else raiseError(cpu, vector, <u32>imm);
}
