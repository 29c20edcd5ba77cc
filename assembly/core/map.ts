// Where things are in linear memory. Everything but guest RAM has a fixed place, so that addresses are constants in the code.
//
//   00000000  the module's own data (decode tables)
//   00100000  eight processors, CPU_STRIDE each
//   00200000  page flags, one byte a physical page of the 4 GiB space
//   00300000  what processors share: I/O APIC, watch ranges, gate ranges (BOARD)
//   00310000  decoded code (core/blocks.ts)
//   04000000  guest RAM

export const MAX_CPUS: u32 = 8;
export const CPUS: usize = 0x100000;
export const CPU_STRIDE: usize = 0x20000;

// Within a processor's stride: the CPU structure (layout.ts) at 0, then its translation caches.

/** Data TLB, part of the machine's state: TLB_ENTRIES entries of 16 bytes (mmu.ts). */
export const TLB: usize = 0x2000;
export const TLB_ENTRIES: u32 = 1024;
/** Instruction TLB, part of the machine's state. */
export const ITLB: usize = 0x6000;
export const ITLB_ENTRIES: u32 = 256;
/** Fast lookup of writable pages that hold decoded code (mem.ts): three sets of CODE_WRITE_ENTRIES entries, derived, not state. */
export const CODE_WRITES: usize = 0x8000;
export const CODE_WRITE_ENTRIES: u32 = 128;
export const CODE_WRITE_SET: usize = 0x800;
/** Which entries of the TLBs and of the fast tables may hold something (mmu.ts), derived, not state: a count (u32), then addresses (u32) from +16 on. */
export const TLB_LOG: usize = 0xb000, FAST_LOG: usize = 0xb400, LOG_ENTRIES: u32 = 192;
/** Fast lookup tables (mem.ts), derived, not state. */
export const FAST_SETS: usize = 0x10000;
export const FAST_SET_SIZE: usize = 0x4000;
/** The write table's distance from the read table in a set. */
export const FAST_WRITE: usize = 0x2000;

/** One byte a physical page: PF_DIRTY, PF_CODE, PF_WATCH. Not state. */
export const PAGE_FLAGS: usize = 0x200000;
/** Written since the host last cleared the flag (`clearDirty`). */
export const PF_DIRTY: u8 = 1;
/** Some decoded block has bytes in this page. */
export const PF_CODE: u8 = 2;
/** A watch range touches this page. */
export const PF_WATCH: u8 = 4;

/** State that processors share: the I/O APIC (ioapic.ts). */
export const BOARD: usize = 0x300000;
export const BOARD_SIZE: usize = 0x1000;
/** Host-side settings, not state: watch and gate ranges (debug.ts). */
export const DEBUG_TABLES: usize = 0x301000;

export const CODE_ARENA: usize = 0x310000;
export const RAM_BASE: usize = 0x4000000;

/** Bytes of guest RAM, a multiple of 4096; physical addresses from 0 up to here are RAM. */
export let ramSize: u32 = 0;
export function setRamSize(bytes: u32): void { ramSize = bytes; }
/** Number of processors, 1 to MAX_CPUS. */
export let cpuCount: u32 = 1;
export function setCpuCount(n: u32): void { cpuCount = n; }
/** The CPU structure of processor `n`. */
export function cpuAt(n: u32): usize { return CPUS + <usize>n * CPU_STRIDE; }
