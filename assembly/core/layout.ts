// The processor's state in linear memory: every field is at (cpu + OFFSET), where `cpu` is the base pointer that every
// semantic function receives. Nothing here is a pointer into the host. `emulator/core/abi.ts` mirrors this file and a test compares them.

/** General registers, RAX RCX RDX RBX RSP RBP RSI RDI R8..R15, 8 bytes each, at cpu + 0. An 8-bit high register is at +1. */
export const GPR: usize = 0x00;
export const RAX: usize = 0x00, RCX: usize = 0x08, RDX: usize = 0x10, RBX: usize = 0x18;
export const RSP: usize = 0x20, RBP: usize = 0x28, RSI: usize = 0x30, RDI: usize = 0x38;
/** Always zero: stands for "no base" and "no index" in an op. Never written. */
export const ZERO: usize = 0x80;
/** Segment bases that a memory operand can name as its index register (scale 0). */
export const FS_BASE: usize = 0x88, GS_BASE: usize = 0x90;
/** Effective address made by the `ea` micro-op (address-size override, segment and index together). */
export const EA: usize = 0x98;
export const RIP: usize = 0xa0;
/** Cycles executed by this processor since reset; the TSC is this plus TSC_OFFSET. */
export const CYCLES: usize = 0xa8;
/** Instructions retired. */
export const INSTRUCTIONS: usize = 0xb0;

// Lazy flags: see core/flags.ts.
export const FL_RES: usize = 0xb8, FL_A: usize = 0xc0, FL_B: usize = 0xc8, FL_OP: usize = 0xd0;
/** RFLAGS bits other than OF SF ZF AF PF CF (those are lazy). Bit 1 is always set. */
export const FLAGS_REST: usize = 0xd4;

/** Current privilege level, 0 or 3 (u32). */
export const CPL: usize = 0xd8;
/** Block-key mode bits, kept current by core/mode.ts: see MODE_* in core/blocks.ts (u32). */
export const MODE: usize = 0xdc;
/** The interrupt shadow covers the next instruction: SHADOW_* in core/boundary.ts (u32). */
export const INT_SHADOW: usize = 0xe0;
/** 0 running, 1 halted (HLT), 2 shut down (triple fault), 3 waiting for SIPI, 4 in MWAIT (u32). */
export const ACTIVITY: usize = 0xe4;
/** Nonzero when the APIC or the host wants the boundary check to look (u32); host-derived, not state. */
export const ATTENTION: usize = 0xe8;
export const CPU_INDEX: usize = 0xec;
export const TSC_OFFSET: usize = 0xf0;
export const TSC_AUX: usize = 0xf8;

/** XMM/YMM registers, 32 bytes each (upper 16 reserved for AVX). */
export const XMM: usize = 0x100;
export const MXCSR: usize = 0x300;
/** x87: control word, status word (TOP in bits 13-11), abridged tag byte by physical register (u32 each), then the physical registers R0-R7, 16 bytes each. */
export const FCW: usize = 0x304, FSW: usize = 0x308, FTW: usize = 0x30c;
export const ST: usize = 0x310;

export const CR0: usize = 0x390, CR2: usize = 0x398, CR3: usize = 0x3a0, CR4: usize = 0x3a8, CR8: usize = 0x3b0, XCR0: usize = 0x3b8;
export const DR: usize = 0x3c0; // eight u64
export const EFER: usize = 0x400, STAR: usize = 0x408, LSTAR: usize = 0x410, CSTAR: usize = 0x418, SFMASK: usize = 0x420;
export const KERNEL_GS_BASE: usize = 0x428, APIC_BASE: usize = 0x430, PAT: usize = 0x438, MISC_ENABLE: usize = 0x440;
export const SYSENTER_CS: usize = 0x448, SYSENTER_ESP: usize = 0x450, SYSENTER_EIP: usize = 0x458;
export const GDTR_BASE: usize = 0x460, IDTR_BASE: usize = 0x468;
export const GDTR_LIMIT: usize = 0x470, IDTR_LIMIT: usize = 0x474; // u32
/** Segment registers ES CS SS DS FS GS LDTR TR: selector u32, limit u32, access rights u32 (descriptor bits 40-55), pad, base u64; 24 bytes each. */
export const SEG: usize = 0x480;
export const SEG_SIZE: usize = 24;
export const SEG_SELECTOR: usize = 0, SEG_LIMIT: usize = 4, SEG_ACCESS: usize = 8, SEG_BASE: usize = 16;
export const SEG_ES: usize = 0, SEG_CS: usize = 1, SEG_SS: usize = 2, SEG_DS: usize = 3, SEG_FS: usize = 4, SEG_GS: usize = 5, SEG_LDTR: usize = 6, SEG_TR: usize = 7;
/** x87 last instruction and operand pointers (u64) and opcode (u32), as FXSAVE has them. */
export const FPU_IP: usize = 0x540, FPU_DP: usize = 0x548, FPU_OP: usize = 0x550;
/** IA32_DEBUGCTL (u64). */
export const DEBUGCTL: usize = 0x558;
/** DR6 bits of the #DB that is due at the next boundary (u32). */
export const DB_PENDING: usize = 0x560;
/** Which kinds of breakpoints DR7 enables: DEBUG_* in core/debugregs.ts (u32); derived by it, not state. */
export const DEBUG_ACTIVE: usize = 0x564;
/** Nonzero while a repeated string instruction stands between two elements (u32). */
export const REPEATING: usize = 0x568;
/** 32 bytes of scratch for the memory operand of a vector instruction, and 32 for the result of a VEX-encoded one; not state. */
export const SCRATCH: usize = 0x580, RESULT: usize = 0x5a0;
/** Linear-memory address of the fast lookup set of the current privilege (mem.ts); derived by mode.ts, not state (u32). */
export const FAST: usize = 0x5c0;
/** Nonzero if a fragment of a large page may be in a TLB (u32). */
export const TLB_LARGE: usize = 0x5c4;
/** Cycle at which the local APIC timer fires next, 2^64 - 1 for never (u64); derived by apic.ts, not state. */
export const TIMER_DUE: usize = 0x5c8;
/** NMIs that wait, 0 to 2; whether NMIs are blocked until IRET (u32 each). */
export const NMI_PENDING: usize = 0x5d0, NMI_BLOCKED: usize = 0x5d4;
/** Nonzero: the processor has sent itself an INIT, which it takes at the next boundary (u32). */
export const INIT_PENDING: usize = 0x5d8;
/** An ExtINT message of the I/O APIC waits (u32). */
export const EXTINT_PENDING: usize = 0x5dc;
/** Cycle at which a string instruction must stop at the next element: the end of this run or the timer, whichever is first (u64); derived, not state. */
export const RUN_LIMIT: usize = 0x5e0;
/** As FAST, for writes to pages that hold decoded code (mem.ts); derived, not state (u32). */
export const FAST_CODE: usize = 0x5e8;
/** The set for the processor's own accesses at supervisor level (mem.ts); derived, not state (u32). */
export const FAST_IMPLICIT: usize = 0x5ec;
/** Local APIC registers: see core/apic.ts. */
export const APIC: usize = 0x600;
/** MTRRs: eight variable pairs, eleven fixed ranges, default type; u64 each, as in MSR order (core/msr.ts). */
export const MTRR: usize = 0x700;
/** MONITOR: physical address of the line, whether it is armed, whether masked interrupts end MWAIT (u32 each), what the line held (64 bytes); see core/monitor.ts. */
export const MONITOR_PA: usize = 0x8a0, MONITOR_ARMED: usize = 0x8a4, MONITOR_BREAKS: usize = 0x8a8, MONITOR_LINE: usize = 0x8c0;
/** A store that other processors do not see yet: physical address, size in bytes (0: none; u32 each), value (u64); see core/storebuffer.ts. */
export const HELD_PA: usize = 0x900, HELD_SIZE: usize = 0x904, HELD_VALUE: usize = 0x908;
/** Performance counters: see core/pmc.ts. */
export const PMC: usize = 0x800;
/** Branches retired while MODE_COUNT was on (u64). */
export const BRANCHES: usize = 0x888;
/** Nonzero while a performance counter counts: see core/pmc.ts (u32); derived, not state. */
export const PMC_ACTIVE: usize = 0x56c;
/** PDPTE0-3, which PAE paging outside of IA-32e mode loads with CR3 (SDM vol. 3, 4.4.1); u64 each. */
export const PDPTE: usize = 0xf00;
/** Rights by protection key (u32). */
export const PKRU: usize = 0xf20;
/** Base and limit of the code segment that ran last outside 64-bit mode (u32 each). */
export const CODE_BASE: usize = 0xf24, CODE_LIMIT: usize = 0xf28;
/** Rights by protection key for supervisor-mode pages: IA32_PKRS (u32). */
export const PKRS: usize = 0xf2c;
/** State of the generator behind RDRAND and RDSEED (u64). */
export const RANDOM: usize = 0xf30;
/** IA32_TSC_ADJUST (u64). */
export const TSC_ADJUST: usize = 0xf38;
/** Protection keys of supervisor-mode pages that count as not present while CR8 is 2 and more (u32, bit n for key n): how the kernel's verifier has pageable memory watched. */
export const PAGEABLE: usize = 0xf40;
export const CPU_SIZE: usize = 0x1000;
