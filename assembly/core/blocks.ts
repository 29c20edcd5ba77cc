import { dropFastWritesTo, fetch, linkGeneration, bumpLinks } from './mmu';
import { CODE_ARENA, PAGE_FLAGS, PF_CODE, RAM_BASE, ramSize } from './map';
import { CPU_INDEX, MODE } from './layout';
import { decodeBlock } from './decode';
import { trap } from './trap';

// The cache of decoded blocks.
//
// A block is a header followed by ops (op.ts), in the arena. It holds instructions of one page; an instruction that crosses
// into the next page is a block of its own, so that the second page is translated exactly when that instruction is reached. A block
// is found by its linear RIP, the physical address of its bytes and the mode it was decoded for (the processor's number is part of it:
// links assume the instruction TLB of one processor).
//
// Where things are, from CODE_ARENA on (map.ts): all of it belongs to the host and is never part of the machine's state.

/** Chains of blocks by hash of physical address and mode (u32 each). */
const HASH: usize = CODE_ARENA;
const HASH_BITS: u32 = 15;
/** Recent targets of indirect branches, by RIP: for each processor and mode 1,024 entries of 16 bytes (u64 RIP, u32 block, u32 link generation). */
const JUMPS: usize = CODE_ARENA + 0x20000;
export const JUMP_MASK: u32 = 0x3ff0;
/** How often each opcode raised #UD because no form has it: u32 by (map << 8 | opcode). */
export const MISSING: usize = CODE_ARENA + 0x130000;
export const MISSING_COUNT: u32 = 7 * 256;
/** First block of each physical page (u32); bit 0 set: the list goes on at the header's second-page field. */
const PAGE_BLOCKS: usize = 0x800000;
/** 64-byte chunks of each physical page that hold decoded bytes (u64). */
const PAGE_CHUNKS: usize = 0xc00000;
const ARENA: usize = 0x1400000;
const ARENA_END: usize = RAM_BASE;

/** Cycles << 32 | instructions of the block: what entering it charges (u64). */
export const B_CHARGE: usize = 0;
export const B_RIP: usize = 8;
/** Physical address of the first byte (u32); of the first byte in the second page, or NO_PAGE. */
export const B_PA: usize = 16;
export const B_PA2: usize = 20;
/** MODE bits and processor number << 8 (u32). */
export const B_MODE: usize = 24;
const B_HASH_NEXT: usize = 28;
const B_PAGE_NEXT: usize = 32;
const B_PAGE2_NEXT: usize = 36;
/** Bytes of code (u16); the part in the first page is up to its end. */
export const B_LENGTH: usize = 40;
/** Nonzero: a breakpoint is at the first instruction (u16). */
export const B_BREAK: usize = 42;
/** Bytes of the header; the first op follows. */
export const B_HEADER: usize = 48;
export const NO_PAGE: u32 = 0xffffffff;

/** Mode bits that a block is decoded for; mode.ts keeps `cpu + MODE` current. */
export const MODE_USER: u32 = 1;
/** CR0.EM set or CR4.OSFXSR clear: SSE instructions raise #UD. */
export const MODE_NO_SSE: u32 = 2;
/** CR0.TS set: SSE instructions raise #NM. */
export const MODE_TS: u32 = 4;
/** One instruction only (run.ts); never in `cpu + MODE`. */
export const MODE_ALONE: u32 = 0x80;

let arenaTop: usize = ARENA;
/** Blocks decoded since the module was made, for tests and statistics. */
export let blocksDecoded: u32 = 0;

/** Nothing is linked yet: entering "block 0" always fails because its charge is beyond any budget. */
export function initBlocks(): void {
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
  arenaTop = ARENA;
  bumpLinks();
}

/** Table of recent indirect targets of a processor in its present mode. */
export function jumpTable(cpu: usize): usize {
  return JUMPS + (<usize>(load<u32>(cpu, CPU_INDEX) * 8 + (load<u32>(cpu, MODE) & 7)) << 14);
}
/** Offset in that table for a RIP. */
export function jumpSlot(rip: u64): usize {
  const low = <u32>rip;
  return <usize>((low ^ (low >> 10)) << 4 & JUMP_MASK);
}

function hashOf(pa: u32, mode: u32): usize {
  return HASH + (<usize>((pa ^ (mode << 20)) * 0x9e3779b1 >> (32 - HASH_BITS)) << 2);
}

/**
 * The block at `rip`, decoded if it is not there yet; 0 with `trap` set when the fetch faults. With MODE_ALONE in `extra` the
 * block has one instruction. Translates through the instruction TLB, as every fetch does.
 */
export function findBlock(cpu: usize, rip: u64, extra: u32): usize {
  const pa = fetch(cpu, rip);
  if (trap) return 0;
  const mode = load<u32>(cpu, MODE) | (load<u32>(cpu, CPU_INDEX) << 8) | extra;
  let b = <usize>load<u32>(hashOf(pa, mode));
  while (b != 0) {
    if (load<u64>(b, B_RIP) == rip && load<u32>(b, B_PA) == pa && load<u32>(b, B_MODE) == mode) {
      if (load<u32>(b, B_PA2) == NO_PAGE) return b;
      const second = fetch(cpu, (rip | 0xfff) + 1);
      if (trap) return 0;
      if (load<u32>(b, B_PA2) == second) return b;
    }
    b = <usize>load<u32>(b, B_HASH_NEXT);
  }
  return newBlock(cpu, rip, pa, mode);
}

function newBlock(cpu: usize, rip: u64, pa: u32, mode: u32): usize {
  // The longest block has 64 instructions of at most two ops each, and an op that ends it.
  if (arenaTop + 160 * 48 > ARENA_END) flushCode();
  const b = arenaTop;
  store<u64>(b, rip, B_RIP);
  store<u32>(b, pa, B_PA);
  store<u32>(b, NO_PAGE, B_PA2);
  store<u32>(b, mode, B_MODE);
  store<u16>(b, 0, B_BREAK);
  const end = decodeBlock(cpu, b);
  if (trap) return 0;
  blocksDecoded++;
  arenaTop = end;
  const h = hashOf(pa, mode);
  store<u32>(b, load<u32>(h), B_HASH_NEXT);
  store<u32>(h, <u32>b);
  const length = <u32>load<u16>(b, B_LENGTH), room = 0x1000 - (pa & 0xfff);
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
  store<u32>(b, load<u32>(list), second ? B_PAGE2_NEXT : B_PAGE_NEXT);
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
