/** Which of the processor's modes a form exists in; the default is any. */
export type FormMode = 'any' | '64' | 'not64';

/**
 * How a function on 128 bits does the work of a `vex:` form. It runs once for a 128-bit form and twice for a 256-bit one, on a copy of the destination that is written back
 * when nothing faulted, with the rest of the register zeroed.
 */
export interface Lanes {
  /** Bytes from the source of the first lane to that of the second (16 unless given): 8 where a lane is widened from half of it, 0 where both use the same (shift counts). */
  source?: 0 | 2 | 4 | 8 | 16;
  /** Bytes from the first lane's result to the second's (16 unless given): 8 where the result is half as wide, and the destination then an XMM register. */
  result?: 8 | 16;
  /** Bits by which the second lane's immediate is shifted. */
  immediate?: number;
  /** Floating point: the exceptions of both lanes are collected before one of them may fault. */
  fp?: boolean;
  /** The function does both lanes itself: it is called once. */
  once?: boolean;
}

/**
 * Results that the SDM leaves undefined, beyond flags that always are (`u=`), or that differ between Intel's and AMD's processors. Whoever compares with a real
 * processor ignores them (test/fuzz/undefined.ts).
 * `shift`: for a count other than 0, AF; OF unless the count is 1; CF if it is at least the operand size (SHL, SHR). `rotate`: OF unless the count is 1.
 * `double-shift`: as `shift`; all flags and the destination if the count is above the operand size. `zero-source`: the destination when the source is 0 (BSF, BSR).
 * `upper-half`: bits 63-32 of the first operand when it is a 32-bit register (CMPXCHG that does not store: Intel clears, AMD keeps).
 * `approximate`: the lanes of the destination, within 1.5 * 2^-12 of the exact value.
 * `repeat`: flags after a fault in the middle of a repeated comparison (Intel restores them, AMD has those of the last element); upper halves of RCX, RSI and
 * RDI with 32-bit addresses when no element was done (Intel clears them, AMD keeps them).
 * `call-target`: whether the return address has been pushed, or could be, when the target is not canonical (Intel: yes, AMD: no).
 * `fault-address`: which of several bytes that cannot be accessed CR2 names (operands above 64 bytes, and several pops or pushes), and whether it comes before a
 * check of what was read already.
 * `masked-fault`: CR2 of a masked access, and whether an empty mask faults. `late-fault`: MXCSR flags when the store faults, and which comes first, the store's fault or #XM
 * (SDM vol. 3, table 6-2: both are faults of executing an instruction, and their order is the processor's). `fault-order`: the same of an x87 store and its unmasked
 * exception: whether a store that will not take place is checked. `torn-store`: whether the bytes before a page boundary are written when those behind it fault
 * (SDM vol. 3, 8.1.1). `nan-choice`: which of several NaNs the result is.
 * `x87-conditions`: C0, C2 and C3. `transcendental`: those and C1; ST(0) and ST(1) in the last place (SDM vol. 1, 8.3.10).
 * `alignment-check`: whether EFLAGS.AC checks this access (SDM vol. 3, 6.15, table 6-7 has no type for it).
 */
export type UndefinedResult =
  | 'shift' | 'rotate' | 'double-shift' | 'zero-source' | 'upper-half' | 'approximate' | 'repeat' | 'call-target' | 'fault-address' | 'masked-fault' | 'late-fault' | 'x87-conditions' | 'transcendental' | 'alignment-check' | 'fault-order' | 'torn-store' | 'nan-choice';

/** What a record says about an instruction form besides its encoding and syntax. */
export interface FormInfo {
  /**
   * Access and place of each operand in syntax order, e.g. `rw:rm r:reg`. Access: `r`, `w`, `rw`. Places:
   * GPR `reg` (ModRM.reg), `rm` (ModRM.rm or memory), `op` (low bits of the opcode), `vvvv` (VEX), `acc` (AL..RAX), `cl`, `dx`; `m` (memory only), `ea` (its address, as LEA);
   * vector (XMM or YMM, as the syntax says) `xmm` (ModRM.reg), `xmm/m` (ModRM.rm or memory), `xmm/r` (ModRM.rm, register only), `xmmv` (VEX), `xmm0`, `is4` (imm8 bits 7-4), `vm` (memory with a vector index), `mm`, `mm/m`, `mm/r`; `st` (ST(i) by ModRM.rm), `st0`;
   * `sreg`, `cr`, `dr` (ModRM.reg); `moffs`; constants `imm8` (zero-extended), `imm8s`, `imm16`, `imm32`, `imm32s`, `imm64`, `rel8`, `rel16`, `rel32`, `1`, and `ptr`, a far pointer in the instruction (offset in the low half, selector << 32).
   */
  ops?: string;
  /** `r=` flags read, `w=` flags written (oszapc), `u=` left undefined, e.g. `r=c w=oszapc`. */
  flags?: string;
  /** Undefined results that depend on the operands. */
  undefined?: UndefinedResult[];
  /** LOCK is legal when the destination is memory. */
  lock?: boolean;
  /** What runs: `name<u64>`, `vec:name`, `vex:name`, `raw:name` or `hot:name`. See assembly/README.md. */
  exec: string;
  /** Cycles under the `flat` timing model. */
  cycles: number;
  /** A case of the dense switch: the register form, the memory form, or both. */
  hot?: boolean | 'reg' | 'mem';
  /**
   * Ends a block. `true`: changes CPL, mode, IF, CR8, translation, or talks to a port, so that the boundary must be looked at; the function stores RIP.
   * `jump`: only RIP changes. `next`: as true, but RIP, CPL, mode and translation stay as they are (ports, counters); no memory operand.
   */
  ends?: boolean | 'jump' | 'next';
  /** Faults with #GP(0) unless CPL is 0 (checked before anything else of the instruction). */
  cpl0?: boolean;
  mode?: FormMode;
  /** Does not exist in real-address and virtual-8086 mode: #UD there. */
  protected?: boolean;
  /** Bytes of the memory operand where neither exec nor the syntax says it; 0 for an address that the function checks itself (README, "Outside 64-bit mode"). */
  bytes?: number;
  /** CPUID feature that announces it, as the SDM names it (`BMI1`, `SSE2`). */
  cpuid?: string;
  /** How a `vex:` form's 128-bit function is applied to the lanes. */
  lanes?: Lanes;
  /** A memory operand must be aligned to this many bytes (#GP(0) otherwise). */
  align?: number;
  /** Small constant that the op carries at OP_CC: the condition code of Jcc, SETcc, CMOVcc. */
  cc?: number;
}

/** One instruction form: the single place where it is written down. */
export interface InsnForm extends FormInfo {
  /**
   * The encoding as the Intel SDM writes it, with the operand size as a prefix where it selects the form: `o16 01 /r`, `o32 01 /r`, `REX.W 01 /r`, `66 0F 6F /r` (mandatory prefix),
   * `NP 0F 58 /r` (no 66, F2, F3), `0F 01 C1`, `F3 0F B8 /r`, `VEX.LZ.0F38.W1 F2 /r`, `o32 50+rd`, `0F 80 cd`, `REX.W C1 /4 ib`, `0F 01 /7 mem`, `0F 01 /7 reg`.
   */
  encoding: string;
  /** Intel syntax: mnemonic and operand kinds, as the SDM writes them. */
  syntax: string;
}

/** Writes down an instruction form. */
export function insn(encoding: string, syntax: string, info: FormInfo): InsnForm {
  return { encoding, syntax, ...info };
}
