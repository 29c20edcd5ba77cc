import { dropFastWritesTo, fetch, linkGeneration, bumpLinks } from './mmu';
import {
  ARENA, ARENA_END, ARENA_TOP, B_BREAK, B_CHARGE, B_HASH_NEXT, B_LENGTH, B_LIMIT, B_MODE, B_PA, B_PA2, B_PAGE_NEXT, B_PAGE2_NEXT, B_RIP, FLUSHES, HASH, HASH_BITS, JUMP_MASK, JUMPS, MISSING, MODE_CODE32, MODE_USER, NO_PAGE, PAGE_BLOCKS, PAGE_CHUNKS, UNLINKED,
} from './block';
import { PAGE_FLAGS, PF_CODE, ramSize } from './map';
import { CPU_INDEX, MODE } from './layout';
import { decodeBlock } from './decode';
import { codeAddress, codeLimit, legacy } from './linear';
import { GP, raiseError, trap } from './trap';

// The cache of decoded blocks.
//
// A block is a header followed by ops (op.ts), in the arena. It holds instructions of one page; an instruction that crosses
// into the next page is a block of its own, so that the second page is translated exactly when that instruction is reached. A block
// is found by its RIP, the physical address of its bytes, the mode and the code segment's limit that it was decoded for (the processor's number is part of it:
// links assume the instruction TLB of one processor).
// block.ts has the layout.

/** How often the arena was emptied. */
export function codeFlushes(): u32 { return load<u32>(FLUSHES); }
/** Blocks decoded since the module was made, for tests and statistics. */
export let blocksDecoded: u32 = 0;

/** Empties the cache; memory may hold anything but must be zero in PAGE_BLOCKS and PAGE_CHUNKS. */
export function initBlocks(): void {
  store<u64>(UNLINKED, <u64>1 << 62, B_CHARGE);
  flushCode();
}

/** Drops all decoded code (after a restore, or when breakpoints change). */
export function flushCode(): void {
  memory.fill(HASH, 0, 4 << HASH_BITS);
  const pages = <usize>(ramSize >> 12);
  for (let p: usize = 0; p < pages; p++) {
    if (load<u32>(PAGE_BLOCKS + (p << 2)) == 0) continue;
    store<u32>(PAGE_BLOCKS + (p << 2), 0);
    store<u64>(PAGE_CHUNKS + (p << 3), 0);
    store<u8>(PAGE_FLAGS + p, load<u8>(PAGE_FLAGS + p) & ~PF_CODE);
  }
  store<u32>(ARENA_TOP, <u32>ARENA);
  store<u32>(FLUSHES, load<u32>(FLUSHES) + 1);
  bumpLinks();
}

/**
 * Table of recent indirect targets of a processor in its present mode: user or not, 64-bit code or not. Modes that differ in anything
 * else share a table; mode.ts starts a new link generation when that changes.
 */
export function jumpTable(cpu: usize): usize {
  const mode = load<u32>(cpu, MODE);
  return JUMPS + (<usize>(load<u32>(cpu, CPU_INDEX) * 4 + (mode & MODE_USER) + ((mode & MODE_CODE32) >> 2)) << 14);
}
/** Offset in that table for a RIP. */
export function jumpSlot(rip: u64): usize {
  const low = <u32>rip;
  return <usize>((low ^ (low >> 10)) << 4 & JUMP_MASK);
}

function hashOf(pa: u32, mode: u32): usize {
  return HASH + (<usize>((pa ^ (mode << 20) ^ (mode >> 16 << 29)) * 0x9e3779b1 >> (32 - HASH_BITS)) << 2);
}

/**
 * The block at `rip`, decoded if it is not there yet; 0 with `trap` set when the fetch faults. With MODE_ALONE in `extra` the
 * block has one instruction. Translates through the instruction TLB, as every fetch does.
 */
export function findBlock(cpu: usize, rip: u64, extra: u32): usize {
  let linear = rip, limit: u32 = 0xffffffff;
  const outside = legacy(cpu);
  if (outside) {
    limit = codeLimit(cpu);
    if (rip > <u64>limit) { raiseError(cpu, GP, 0); return 0; }
    linear = codeAddress(cpu, rip);
  }
  const pa = fetch(cpu, linear);
  if (trap) return 0;
  const mode = load<u32>(cpu, MODE) | (load<u32>(cpu, CPU_INDEX) << 16) | extra;
  let b = <usize>load<u32>(hashOf(pa, mode));
  while (b != 0) {
    if (load<u64>(b, B_RIP) == rip && load<u32>(b, B_PA) == pa && load<u32>(b, B_MODE) == mode && load<u32>(b, B_LIMIT) == limit) {
      if (load<u32>(b, B_PA2) == NO_PAGE) return b;
      const second = fetch(cpu, nextCodePage(linear, outside));
      if (trap) return 0;
      if (load<u32>(b, B_PA2) == second) return b;
    }
    b = <usize>load<u32>(b, B_HASH_NEXT);
  }
  return newBlock(cpu, rip, pa, mode, limit);
}

/** The page after that of `linear`; outside 64-bit mode linear addresses wrap at 4 GiB. */
export function nextCodePage(linear: u64, outside: bool): u64 { return outside ? <u64>(<u32>(linear | 0xfff) + 1) : (linear | 0xfff) + 1; }

function newBlock(cpu: usize, rip: u64, pa: u32, mode: u32, limit: u32): usize {
  // The longest block has 64 instructions of at most two ops each, and an op that ends it.
  if (<usize>load<u32>(ARENA_TOP) + 160 * 48 > ARENA_END) flushCode();
  const b = <usize>load<u32>(ARENA_TOP);
  store<u64>(b, rip, B_RIP);
  store<u32>(b, pa, B_PA);
  store<u32>(b, NO_PAGE, B_PA2);
  store<u32>(b, mode, B_MODE);
  store<u32>(b, limit, B_LIMIT);
  store<u16>(b, 0, B_BREAK);
  const end = decodeBlock(cpu, b);
  if (trap) return 0;
  blocksDecoded++;
  store<u32>(ARENA_TOP, <u32>end);
  const h = hashOf(pa, mode);
  store<u32>(b, load<u32>(h), B_HASH_NEXT);
  store<u32>(h, <u32>b);
  const length = <u32>load<u16>(b, B_LENGTH), room: u32 = 0x1000 - (pa & 0xfff);
  addToPage(b, pa, length < room ? length : room, false);
  if (load<u32>(b, B_PA2) != NO_PAGE) addToPage(b, load<u32>(b, B_PA2), length - room, true);
  return b;
}

/** Bits of the chunks that `length` bytes at `pa` touch, all in one page. */
function chunks(pa: u32, length: u32): u64 {
  const first = <u64>((pa & 0xfff) >> 6), last = <u64>(((pa & 0xfff) + length - 1) >> 6);
  return (~(<u64>0) >> (63 - last + first)) << first;
}

function addToPage(b: usize, pa: u32, length: u32, second: bool): void {
  if (pa >= ramSize) return;
  const page = <usize>(pa >> 12), list = PAGE_BLOCKS + (page << 2), mask = PAGE_CHUNKS + (page << 3);
  store<u32>(b + (second ? B_PAGE2_NEXT : B_PAGE_NEXT), load<u32>(list));
  store<u32>(list, <u32>b | (second ? 1 : 0));
  store<u64>(mask, load<u64>(mask) | chunks(pa, length));
  const flags = load<u8>(PAGE_FLAGS + page);
  if ((flags & PF_CODE) == 0) {
    store<u8>(PAGE_FLAGS + page, flags | PF_CODE);
    dropFastWritesTo(pa);
  }
}

/** First byte in its page and length there of a list entry's block. */
function startOf(entry: u32): u32 {
  const b = <usize>(entry & ~1);
  return (entry & 1) != 0 ? 0 : load<u32>(b, B_PA) & 0xfff;
}
function endOf(entry: u32): u32 {
  const b = <usize>(entry & ~1), length = <u32>load<u16>(b, B_LENGTH), first = load<u32>(b, B_PA) & 0xfff;
  if ((entry & 1) != 0) return first + length - 0x1000;
  return first + length < 0x1000 ? first + length : 0x1000;
}
function nextOf(entry: u32): u32 {
  const b = <usize>(entry & ~1);
  return (entry & 1) != 0 ? load<u32>(b, B_PAGE2_NEXT) : load<u32>(b, B_PAGE_NEXT);
}

/** Whether one of `size` bytes at `pa` (in one page) has been decoded. Chunks first: data that only shares the page costs one test. */
export function codeOverlaps(pa: u32, size: u32): bool {
  const page = <usize>(pa >> 12);
  if ((load<u64>(PAGE_CHUNKS + (page << 3)) & chunks(pa, size)) == 0) return false;
  const from = pa & 0xfff, to = from + size;
  let entry = load<u32>(PAGE_BLOCKS + (page << 2));
  while (entry != 0) {
    if (startOf(entry) < to && endOf(entry) > from) return true;
    entry = nextOf(entry);
  }
  return false;
}

/** Drops the blocks that have one of `size` bytes at `pa` (in one page). */
export function invalidateCode(pa: u32, size: u32): void {
  const from = pa & 0xfff, to = from + size, list = PAGE_BLOCKS + (<usize>(pa >> 12) << 2);
  let entry = load<u32>(list), dropped = false;
  while (entry != 0) {
    const next = nextOf(entry);
    if (startOf(entry) < to && endOf(entry) > from) {
      dropBlock(<usize>(entry & ~1));
      dropped = true;
    }
    entry = next;
  }
  if (dropped) bumpLinks();
}

function dropBlock(b: usize): void {
  const mode = load<u32>(b, B_MODE), pa = load<u32>(b, B_PA), second = load<u32>(b, B_PA2);
  let at = hashOf(pa, mode);
  while (<usize>load<u32>(at) != b) at = <usize>load<u32>(at) + B_HASH_NEXT;
  store<u32>(at, load<u32>(b, B_HASH_NEXT));
  removeFromPage(<u32>b, pa);
  if (second != NO_PAGE) removeFromPage(<u32>b | 1, second);
}

/** Takes a block off its page's list and computes the page's chunks anew. */
function removeFromPage(entry: u32, pa: u32): void {
  if (pa >= ramSize) return;
  const page = <usize>(pa >> 12);
  let at = PAGE_BLOCKS + (page << 2), mask: u64 = 0;
  while (true) {
    const e = load<u32>(at);
    if (e == 0) break;
    if (e == entry) { store<u32>(at, nextOf(e)); continue; }
    mask |= chunks(startOf(e), endOf(e) - startOf(e));
    at = <usize>(e & ~1) + ((e & 1) != 0 ? B_PAGE2_NEXT : B_PAGE_NEXT);
  }
  store<u64>(PAGE_CHUNKS + (page << 3), mask);
  if (mask == 0) store<u8>(PAGE_FLAGS + page, load<u8>(PAGE_FLAGS + page) & ~PF_CODE);
}

/** Enters a block into the table of recent indirect targets. */
export function rememberJump(cpu: usize, rip: u64, b: usize): void {
  const e = jumpTable(cpu) + jumpSlot(rip);
  store<u64>(e, rip);
  store<u32>(e, <u32>b, 8);
  store<u32>(e, linkGeneration, 12);
}

/** Counts a #UD of an opcode that no form has (`opcode` is map << 8 | byte). */
export function countMissingOpcode(opcode: u32): void {
  const c = MISSING + (<usize>opcode << 2);
  store<u32>(c, load<u32>(c) + 1);
}
