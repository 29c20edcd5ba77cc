// The op: one decoded instruction, 48 bytes in the op arena. The decoder writes it, the dispatch switch and cold functions read it.
// README, "The op", has the table. An op is addressed by `ip`.

/** Case of the dense switch (u16). */
export const OP_CODE: usize = 0;
/** First, second and third register operand in syntax order (u8): byte offset in the CPU structure for a GPR, number for any other register. */
export const OP_R0: usize = 2;
export const OP_R1: usize = 3;
export const OP_R2: usize = 8;
/** Effective address = [base] + ([index] << scale) + displacement; base and index are byte offsets in the CPU structure (u8). */
export const OP_BASE: usize = 4;
export const OP_INDEX: usize = 5;
export const OP_SCALE: usize = 6;
/** Outside 64-bit mode, where `base` is EA and has no index: the segment register of the memory operand (0 ES to 5 GS), for functions that address memory themselves. */
export const OP_SEGMENT: usize = 6;
/** OPF_* (u8). */
export const OP_FLAGS: usize = 7;
/** log2 of the operand size in bytes as the prefixes give it: 1, 2 or 3 (u8). */
export const OP_SIZE: usize = 9;
/** log2 of the address size in bytes: 1, 2 or 3 (u8). */
export const OP_ADDRESS_SIZE: usize = 10;
/** Cycles of the instruction itself (u8). */
export const OP_CYCLES: usize = 11;
/** Length of the instruction in bytes (u8). */
export const OP_LENGTH: usize = 12;
/** Condition code or other small constant of the form (u8). */
export const OP_CC: usize = 13;
/** Cycles of the block that come after this instruction (u16). */
export const OP_CYCLES_AFTER: usize = 14;
/** Immediate (sign- or zero-extended as the form says), or branch target (u64). */
export const OP_IMM: usize = 16;
/** Displacement, i64; already absolute for RIP-relative operands. Direct branches have their links here instead. */
export const OP_DISP: usize = 24;
/** Links of a direct branch: block header when taken, when not taken (u32), valid while OP_LINK_GENERATION is the processor's. */
export const OP_LINK_TAKEN: usize = 24;
export const OP_LINK_NEXT: usize = 28;
/** A form that ends its block and goes on at the next instruction (`ends: 'next'`): generation and block of its link (u32). */
export const OP_NEXT_GENERATION: usize = 24;
export const OP_NEXT_LINK: usize = 28;
/** RIP of the next instruction (u64). */
export const OP_NEXT: usize = 32;
/** Instructions of the block that come after this one (u16). */
export const OP_COUNT_AFTER: usize = 40;
/** Form number (u16): index of formNames in generated/forms.ts. */
export const OP_FORM: usize = 42;
/** Function table index of a cold form (u32). */
export const OP_FUNCTION: usize = 44;
export const OP_LINK_GENERATION: usize = 44;
export const OP_BYTES: usize = 48;

/** The default segment of the memory operand is SS: a non-canonical address gives #SS, not #GP. */
export const OPF_STACK_SEGMENT: u8 = 1;
export const OPF_LOCK: u8 = 2;
/** F3 (REP, REPE) and F2 (REPNE) prefixes, the last one written. */
export const OPF_REP: u8 = 4;
export const OPF_REPNE: u8 = 8;
/** First op of an instruction: clear on the op that follows its `ea` micro-op. */
export const OPF_START: u8 = 16;
/** The r/m operand is memory. */
export const OPF_MEMORY: u8 = 32;
