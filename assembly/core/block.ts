import { CODE_ARENA, RAM_BASE } from './map';

// The layout of decoded code (blocks.ts): tables and block headers. All of it belongs to the host and is never part of the machine's state.

/** Chains of blocks by hash of physical address and mode (u32 each). */
export const HASH: usize = CODE_ARENA;
export const HASH_BITS: u32 = 15;
/** Recent targets of indirect branches, by RIP: for each processor and class of modes (blocks.ts) 1,024 entries of 16 bytes (u64 RIP, u32 block, u32 link generation). */
export const JUMPS: usize = CODE_ARENA + 0x20000;
export const JUMP_MASK: u32 = 0x3ff0;
/** How often each opcode raised #UD because no form has it: u32 by (map << 8 | opcode). */
export const MISSING: usize = CODE_ARENA + 0x130000;
export const MISSING_COUNT: u32 = 7 * 256;
/** First block of each physical page (u32); bit 0 set: the list goes on at the header's second-page field. */
export const PAGE_BLOCKS: usize = 0x800000;
/** 64-byte chunks of each physical page that hold decoded bytes (u64). */
export const PAGE_CHUNKS: usize = 0xc00000;
export const ARENA: usize = 0x1400000;
export const ARENA_END: usize = RAM_BASE;

/** Cycles << 32 | instructions of the block: what entering it charges (u64). */
export const B_CHARGE: usize = 0;
export const B_RIP: usize = 8;
/** Physical address of the first byte (u32); of the first byte in the second page, or NO_PAGE. */
export const B_PA: usize = 16;
export const B_PA2: usize = 20;
/** MODE bits and processor number << 16 (u32). */
export const B_MODE: usize = 24;
export const B_HASH_NEXT: usize = 28;
export const B_PAGE_NEXT: usize = 32;
export const B_PAGE2_NEXT: usize = 36;
/** Bytes of code (u16); the part in the first page is up to its end. */
export const B_LENGTH: usize = 40;
/** BREAK_* (u16): a breakpoint of the host, of the debug registers, is at the first instruction. */
export const B_BREAK: usize = 42;
export const BREAK_HOST: u16 = 1, BREAK_DEBUG: u16 = 2;
/** Limit of the code segment that the block was decoded for, FFFFFFFF in 64-bit mode (u32). */
export const B_LIMIT: usize = 44;
/** Bytes of the header; the first op follows. */
export const B_HEADER: usize = 48;
export const NO_PAGE: u32 = 0xffffffff;

/** Mode bits that a block is decoded for; mode.ts keeps `cpu + MODE` current. */
export const MODE_USER: u32 = 1;
/** CR0.EM set or CR4.OSFXSR clear: SSE instructions raise #UD. */
export const MODE_NO_SSE: u32 = 2;
/** CR0.TS set: x87, MMX, SSE and AVX instructions raise #NM. */
export const MODE_TS: u32 = 4;
/** Code segment with D set outside of 64-bit mode: operands and addresses have 32 bits by default. */
export const MODE_CODE32: u32 = 8;
/** Code segment with D clear outside of 64-bit mode, real mode included: 16 bits by default. Without either bit it is 64-bit mode. */
export const MODE_CODE16: u32 = 0x10;
/** CR0.PE clear, or EFLAGS.VM set: instructions that exist in protected mode only raise #UD. */
export const MODE_REAL: u32 = 0x20;
/** CR0.MP set: WAIT too raises #NM while CR0.TS is set. */
export const MODE_MP: u32 = 0x40;
/** One instruction only (run.ts); never in `cpu + MODE`. */
export const MODE_ALONE: u32 = 0x80;
/** CR0.EM set: x87 instructions raise #NM, MMX instructions #UD. */
export const MODE_EM: u32 = 0x100;
/** CR4.OSXSAVE clear, or XCR0 without SSE and AVX state, or real mode: VEX-encoded vector instructions raise #UD. */
export const MODE_NO_AVX: u32 = 0x200;

/** A performance counter counts branches: an op before each of them does. */
export const MODE_COUNT: u32 = 0x400;

/** A header that no budget covers: what a link field holds while it has no target. */
export const UNLINKED: usize = CODE_ARENA + 0x138000;
/** Where the next block goes (u32); how often the arena was emptied (u32). In memory, because the compiler orders variables by imports. */
export const ARENA_TOP: usize = UNLINKED + 0x40;
export const FLUSHES: usize = UNLINKED + 0x44;
