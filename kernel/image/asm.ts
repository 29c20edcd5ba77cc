/**
 * A small x86-64 assembler for the routines of the kernel image that are machine code: entry stubs, locks, the idle loop. It knows the
 * instructions that those need and no more. Operands are register numbers (`RAX`..`R15` of hal/bus) and memory operands made by {@link mem}, {@link gs} and
 * {@link sym}. A size is 1, 2, 4 or 8 bytes, 8 when left out. Encodings: Intel SDM vol. 2.
 */

import { RBP, RSP } from '../../hal/bus/cpu.ts';

export interface Mem {
  readonly base?: number;
  readonly index?: number;
  readonly scale?: number;
  readonly disp: number;
  /** Relative to GS base: the processor's KPCR. */
  readonly gs?: boolean;
  /** RIP-relative: an image symbol (`nt!KiBugCheckData`), plus disp. */
  readonly symbol?: string;
}
export type Operand = number | Mem;
export type Size = 1 | 2 | 4 | 8;

/** [base + disp + index * scale] */
export const mem = (base: number, disp = 0, index?: number, scale = 1): Mem => ({
  base,
  disp,
  ...(index === undefined ? {} : { index, scale }),
});
/** gs:[disp], a field of the KPCR. */
export const gs = (disp: number): Mem => ({ disp, gs: true });
/** The variable or routine `symbol`, RIP-relative. */
export const sym = (symbol: string, disp = 0): Mem => ({ symbol, disp });

/** Condition codes as encoded in Jcc and SETcc. */
export const CC = {
  o: 0,
  no: 1,
  b: 2,
  ae: 3,
  e: 4,
  ne: 5,
  be: 6,
  a: 7,
  s: 8,
  ns: 9,
  p: 10,
  np: 11,
  l: 12,
  ge: 13,
  le: 14,
  g: 15,
} as const;
export type Condition = keyof typeof CC;

/** A 32-bit field at `at` that gets the distance from `end` (the next instruction) to `symbol` + `addend`. */
export interface Fixup {
  at: number;
  end: number;
  symbol: string;
  addend: number;
}

/** Unwind operations as UNWIND_CODE has them ("x64 exception handling", Microsoft Learn). */
export type UnwindOp =
  | { at: number; op: 'push'; reg: number }
  | { at: number; op: 'alloc'; size: number }
  | { at: number; op: 'frame'; reg: number; offset: number }
  | { at: number; op: 'save'; reg: number; offset: number }
  | { at: number; op: 'saveXmm'; reg: number; offset: number }
  | { at: number; op: 'machframe'; error: boolean };

/** What a routine assembled to. */
export interface Assembled {
  bytes: Uint8Array;
  fixups: Fixup[];
  labels: Map<string, number>;
  unwind: UnwindOp[];
  /** The routine's own exception handler, a symbol, and what it is asked for (UNW_FLAG_EHANDLER, UNW_FLAG_UHANDLER). */
  handler: { symbol: string; flags: number } | null;
  /** Offsets after each gate instruction, by the label given to `gate()`. */
  gates: Map<string, number>;
}

const isMem = (o: Operand): o is Mem => typeof o !== 'number';
const fits8 = (n: number): boolean => n >= -128 && n <= 127;

export class Assembler {
  private readonly out: number[] = [];
  private readonly fixups: Fixup[] = [];
  private readonly labels = new Map<string, number>();
  private readonly jumps: { at: number; end: number; label: string }[] = [];
  private readonly gates = new Map<string, number>();
  private readonly unwind: UnwindOp[] = [];
  private handlerOf: { symbol: string; flags: number } | null = null;

  /** Exceptions and unwinds of this routine's frame go to `symbol`; `flags` as in UNWIND_INFO. */
  handler(symbol: string, flags: number): void {
    this.handlerOf = { symbol, flags };
  }

  /** Bytes so far. */
  get here(): number {
    return this.out.length;
  }

  bytes(...b: number[]): void {
    for (const x of b) this.out.push(x & 0xff);
  }
  imm32(v: number): void {
    this.bytes(v, v >> 8, v >> 16, v >> 24);
  }
  imm(v: number, size: number): void {
    for (let i = 0; i < size; i++) this.bytes(i < 4 ? v >> (8 * i) : v < 0 ? 0xff : 0);
  }

  /** Names this place; a label belongs to the routine being assembled. */
  label(name: string): void {
    if (this.labels.has(name)) throw new Error(`label ${name} is defined twice`);
    this.labels.set(name, this.here);
  }

  /**
   * One instruction: mandatory prefix, REX, opcode, ModRM with SIB and displacement, immediate. `reg` is the ModRM.reg field (register number or opcode
   * extension), `rm` the other operand.
   */
  op(
    opcode: readonly number[],
    reg: number,
    rm: Operand,
    o: { w?: boolean; prefix?: number; byteReg?: boolean; imm?: number; immSize?: number; lock?: boolean } = {},
  ): void {
    if (o.lock) this.bytes(0xf0);
    if (isMem(rm) && rm.gs) this.bytes(0x65);
    if (o.prefix !== undefined) this.bytes(o.prefix);
    const base = isMem(rm) ? (rm.base ?? 0) : rm;
    const index = isMem(rm) ? (rm.index ?? 0) : 0;
    let rex = (o.w ? 8 : 0) | (reg & 8 ? 4 : 0) | (index & 8 ? 2 : 0) | (base & 8 ? 1 : 0);
    // SPL, BPL, SIL and DIL need a REX prefix; without one the same numbers are AH to BH.
    if (o.byteReg && ((reg >= 4 && reg < 8) || (!isMem(rm) && rm >= 4 && rm < 8))) rex |= 0x40;
    if (rex) this.bytes(0x40 | rex);
    this.bytes(...opcode);
    const r = (reg & 7) << 3;
    const immSize = o.immSize ?? 0;
    if (!isMem(rm)) this.bytes(0xc0 | r | (rm & 7));
    else if (rm.symbol !== undefined) {
      this.bytes(r | 5);
      this.fixups.push({ at: this.here, end: this.here + 4 + immSize, symbol: rm.symbol, addend: rm.disp });
      this.imm32(0);
    } else if (rm.base === undefined) {
      this.bytes(r | 4, 0x25);
      this.imm32(rm.disp);
    } else {
      const sib = rm.index !== undefined || (rm.base & 7) === RSP;
      const mod = rm.disp === 0 && (rm.base & 7) !== RBP ? 0 : fits8(rm.disp) ? 1 : 2;
      this.bytes((mod << 6) | r | (sib ? 4 : rm.base & 7));
      if (sib) this.bytes((Math.log2(rm.scale ?? 1) << 6) | ((rm.index === undefined ? 4 : rm.index & 7) << 3) | (rm.base & 7));
      if (mod === 1) this.bytes(rm.disp);
      else if (mod === 2) this.imm32(rm.disp);
    }
    if (immSize) this.imm(o.imm ?? 0, immSize);
  }

  private sized(
    opcode8: readonly number[],
    reg: number,
    rm: Operand,
    size: Size,
    more: { lock?: boolean; imm?: number; immSize?: number } = {},
  ): void {
    const last = opcode8[opcode8.length - 1]! | (size === 1 ? 0 : 1);
    this.op([...opcode8.slice(0, -1), last], reg, rm, {
      ...more,
      w: size === 8,
      byteReg: size === 1,
      ...(size === 2 ? { prefix: 0x66 } : {}),
    });
  }

  /** MOV between registers, or between a register and memory. */
  mov(to: Operand, from: Operand, size: Size = 8): void {
    if (isMem(from)) this.sized([0x8a], to as number, from, size);
    else this.sized([0x88], from, to, size);
  }
  /** MOV of an immediate: into a register the shortest form, into memory a sign-extended 32-bit one. */
  movImm(to: Operand, value: number | bigint, size: Size = 8): void {
    if (isMem(to)) {
      this.sized([0xc6], 0, to, size, { imm: Number(value), immSize: size === 8 ? 4 : size });
      return;
    }
    const v = BigInt.asUintN(64, BigInt(value));
    if (v <= 0xffffffffn) {
      if (to & 8) this.bytes(0x41);
      this.bytes(0xb8 | (to & 7));
      this.imm32(Number(v) | 0);
    } else if (BigInt.asIntN(64, v) >= -0x80000000n && BigInt.asIntN(64, v) < 0n) {
      this.op([0xc7], 0, to, { w: true, imm: Number(BigInt.asIntN(64, v)), immSize: 4 });
    } else {
      this.bytes(0x48 | (to & 8 ? 1 : 0), 0xb8 | (to & 7));
      this.imm32(Number(v & 0xffffffffn) | 0);
      this.imm32(Number(v >> 32n) | 0);
    }
  }
  /** MOVZX from 8 or 16 bits. */
  movzx(to: number, from: Operand, fromSize: 1 | 2): void {
    this.op([0x0f, fromSize === 1 ? 0xb6 : 0xb7], to, from, { byteReg: fromSize === 1 });
  }
  lea(to: number, from: Mem): void {
    this.op([0x8d], to, from, { w: true });
  }

  private alu(n: number, to: Operand, from: Operand, size: Size, lock = false): void {
    if (isMem(from)) this.sized([(n << 3) | 2], to as number, from, size);
    else this.sized([n << 3], from, to, size, { lock });
  }
  private aluImm(n: number, to: Operand, value: number, size: Size, lock = false): void {
    if (size === 1) this.op([0x80], n, to, { byteReg: true, imm: value, immSize: 1, lock });
    else
      this.op([fits8(value) ? 0x83 : 0x81], n, to, {
        w: size === 8,
        lock,
        imm: value,
        immSize: fits8(value) ? 1 : size === 2 ? 2 : 4,
        ...(size === 2 ? { prefix: 0x66 } : {}),
      });
  }
  add(to: Operand, from: Operand, size: Size = 8): void {
    this.alu(0, to, from, size);
  }
  addImm(to: Operand, value: number, size: Size = 8): void {
    this.aluImm(0, to, value, size);
  }
  or(to: Operand, from: Operand, size: Size = 8): void {
    this.alu(1, to, from, size);
  }
  orImm(to: Operand, value: number, size: Size = 8): void {
    this.aluImm(1, to, value, size);
  }
  and(to: Operand, from: Operand, size: Size = 8): void {
    this.alu(4, to, from, size);
  }
  andImm(to: Operand, value: number, size: Size = 8): void {
    this.aluImm(4, to, value, size);
  }
  sub(to: Operand, from: Operand, size: Size = 8): void {
    this.alu(5, to, from, size);
  }
  subImm(to: Operand, value: number, size: Size = 8): void {
    this.aluImm(5, to, value, size);
  }
  xor(to: Operand, from: Operand, size: Size = 8): void {
    this.alu(6, to, from, size);
  }
  cmp(a: Operand, b: Operand, size: Size = 8): void {
    this.alu(7, a, b, size);
  }
  cmpImm(a: Operand, value: number, size: Size = 8): void {
    this.aluImm(7, a, value, size);
  }
  test(a: Operand, reg: number, size: Size = 8): void {
    this.sized([0x84], reg, a, size);
  }
  testImm(a: Operand, value: number, size: Size): void {
    this.sized([0xf6], 0, a, size, { imm: value, immSize: size === 8 ? 4 : size });
  }
  inc(to: Operand, size: Size = 8): void {
    this.sized([0xfe], 0, to, size);
  }
  dec(to: Operand, size: Size = 8): void {
    this.sized([0xfe], 1, to, size);
  }
  shl(reg: number, count: number, size: Size = 8): void {
    this.sized([0xc0], 4, reg, size, { imm: count, immSize: 1 });
  }
  shr(reg: number, count: number, size: Size = 8): void {
    this.sized([0xc0], 5, reg, size, { imm: count, immSize: 1 });
  }
  /** MUL: RDX:RAX = RAX * operand, unsigned. */
  mul(by: Operand, size: Size = 8): void {
    this.sized([0xf6], 4, by, size);
  }
  xchg(to: Operand, reg: number, size: Size = 8): void {
    this.sized([0x86], reg, to, size);
  }
  /** LOCK XADD */
  lockXadd(to: Mem, reg: number, size: Size = 8): void {
    this.sized([0x0f, 0xc0], reg, to, size, { lock: true });
  }
  /** LOCK CMPXCHG */
  lockCmpxchg(to: Mem, reg: number, size: Size = 8): void {
    this.sized([0x0f, 0xb0], reg, to, size, { lock: true });
  }
  lockCmpxchg16b(to: Mem): void {
    this.op([0x0f, 0xc7], 1, to, { w: true, lock: true });
  }
  /** LOCK AND, OR, ADD, SUB with an immediate. */
  lockAluImm(what: 'add' | 'or' | 'and' | 'sub', to: Mem, value: number, size: Size = 8): void {
    this.aluImm({ add: 0, or: 1, and: 4, sub: 5 }[what], to, value, size, true);
  }
  /** LOCK BTS / BTR with an immediate bit number. */
  lockBts(to: Mem, bit: number, size: 4 | 8 = 8): void {
    this.op([0x0f, 0xba], 5, to, { w: size === 8, lock: true, imm: bit, immSize: 1 });
  }
  lockBtr(to: Mem, bit: number, size: 4 | 8 = 8): void {
    this.op([0x0f, 0xba], 6, to, { w: size === 8, lock: true, imm: bit, immSize: 1 });
  }
  setcc(cc: Condition, to: Operand): void {
    this.op([0x0f, 0x90 | CC[cc]], 0, to, { byteReg: true });
  }

  push(reg: number): void {
    if (reg & 8) this.bytes(0x41);
    this.bytes(0x50 | (reg & 7));
  }
  pop(reg: number): void {
    if (reg & 8) this.bytes(0x41);
    this.bytes(0x58 | (reg & 7));
  }
  /** PUSH imm32, sign-extended. */
  pushImm(value: number): void {
    this.bytes(0x68);
    this.imm32(value);
  }

  private relative(opcode: number[], target: string): void {
    this.bytes(...opcode);
    this.imm32(0);
    // A name with `!` is another routine of an image, anything else a label of this one.
    if (target.includes('!')) this.fixups.push({ at: this.here - 4, end: this.here, symbol: target, addend: 0 });
    else this.jumps.push({ at: this.here - 4, end: this.here, label: target });
  }
  jmp(target: string): void {
    this.relative([0xe9], target);
  }
  jcc(cc: Condition, target: string): void {
    this.relative([0x0f, 0x80 | CC[cc]], target);
  }
  /** CALL through a pointer in memory. */
  callMem(target: Mem): void {
    this.op([0xff], 2, target);
  }
  call(target: string): void {
    this.relative([0xe8], target);
  }
  /** CALL through a register or memory. */
  callIndirect(target: Operand): void {
    this.op([0xff], 2, target);
  }
  jmpIndirect(target: Operand): void {
    this.op([0xff], 4, target);
  }
  ret(): void {
    this.bytes(0xc3);
  }

  /** The gate (0F 01 C1); `name` identifies it to the image builder. */
  gate(name: string): void {
    this.bytes(0x0f, 0x01, 0xc1);
    this.gates.set(name, this.here);
  }

  nop(count = 1): void {
    for (let i = 0; i < count; i++) this.bytes(0x90);
  }
  pause(): void {
    this.bytes(0xf3, 0x90);
  }
  hlt(): void {
    this.bytes(0xf4);
  }
  cli(): void {
    this.bytes(0xfa);
  }
  sti(): void {
    this.bytes(0xfb);
  }
  cld(): void {
    this.bytes(0xfc);
  }
  int3(): void {
    this.bytes(0xcc);
  }
  swapgs(): void {
    this.bytes(0x0f, 0x01, 0xf8);
  }
  iretq(): void {
    this.bytes(0x48, 0xcf);
  }
  /** RDTSC into EDX:EAX. */
  rdtsc(): void {
    this.bytes(0x0f, 0x31);
  }
  pushfq(): void {
    this.bytes(0x9c);
  }
  popfq(): void {
    this.bytes(0x9d);
  }
  repMovs(size: 1 | 8): void {
    this.bytes(0xf3, ...(size === 8 ? [0x48, 0xa5] : [0xa4]));
  }
  repStos(size: 1 | 8): void {
    this.bytes(0xf3, ...(size === 8 ? [0x48, 0xab] : [0xaa]));
  }
  /** MOV reg, CR8: reads the IRQL. */
  readCr8(reg: number): void {
    this.bytes(0x44 | (reg & 8 ? 1 : 0), 0x0f, 0x20, 0xc0 | (reg & 7));
  }
  /** MOV CR8, reg: sets the IRQL. */
  writeCr8(reg: number): void {
    this.bytes(0x44 | (reg & 8 ? 1 : 0), 0x0f, 0x22, 0xc0 | (reg & 7));
  }
  stmxcsr(to: Mem): void {
    this.op([0x0f, 0xae], 3, to);
  }
  ldmxcsr(from: Mem): void {
    this.op([0x0f, 0xae], 2, from);
  }
  /** MOVAPS between an XMM register and 16-byte aligned memory. */
  storeXmm(to: Mem, xmm: number): void {
    this.op([0x0f, 0x29], xmm, to);
  }
  loadXmm(xmm: number, from: Mem): void {
    this.op([0x0f, 0x28], xmm, from);
  }

  // Prologue instructions, which also say how to undo themselves.

  /** PUSH of a non-volatile register in a prologue. */
  prologPush(reg: number): void {
    this.push(reg);
    this.unwind.push({ at: this.here, op: 'push', reg });
  }
  /** SUB RSP in a prologue. */
  prologAlloc(size: number, wide = false): void {
    if (wide) {
      this.bytes(0x48, 0x81, 0xec);
      this.imm32(size);
    } else this.subImm(RSP, size);
    this.unwind.push({ at: this.here, op: 'alloc', size });
  }
  /** LEA frame, [RSP + offset] in a prologue; `offset` is a multiple of 16 up to 240. */
  prologFrame(reg: number, offset: number): void {
    if (offset === 0) this.mov(reg, RSP);
    else this.lea(reg, mem(RSP, offset));
    this.unwind.push({ at: this.here, op: 'frame', reg, offset });
  }
  /** `size` more bytes of stack at this point of a prologue: from an instruction that has no word here, or there before the first. */
  prologAllocated(size: number): void {
    this.unwind.push({ at: this.here, op: 'alloc', size });
  }
  /** A register lies in the frame, so many bytes from its lower end: somebody else has stored it. */
  prologSaved(reg: number, offset: number): void {
    this.unwind.push({ at: this.here, op: 'save', reg, offset });
  }
  /** The same of a vector register; `offset` is a multiple of 16. */
  prologSavedXmm(reg: number, offset: number): void {
    this.unwind.push({ at: this.here, op: 'saveXmm', reg, offset });
  }
  /** The processor pushed an interrupt frame before the first instruction. */
  machineFrame(error: boolean): void {
    this.unwind.push({ at: this.here, op: 'machframe', error });
  }
  /** An error code (or a placeholder) is pushed where the processor pushes none. */
  prologPushError(value: number): void {
    this.pushImm(value);
    this.unwind.push({ at: this.here, op: 'alloc', size: 8 });
  }

  /** The 16 bytes with which every stub starts: three stores into the home area, as compilers begin a function, so that drivers can move them into a trampoline. */
  homeArguments(): void {
    this.bytes(0x48, 0x89, 0x4c, 0x24, 0x08, 0x48, 0x89, 0x54, 0x24, 0x10, 0x4c, 0x89, 0x44, 0x24, 0x18, 0x90);
  }

  /** Resolves local labels. */
  finish(): Assembled {
    for (const j of this.jumps) {
      const target = this.labels.get(j.label);
      if (target === undefined) throw new Error(`label ${j.label} is not defined`);
      const distance = target - j.end;
      for (let i = 0; i < 4; i++) this.out[j.at + i] = (distance >> (8 * i)) & 0xff;
    }
    return {
      bytes: Uint8Array.from(this.out),
      fixups: this.fixups,
      labels: this.labels,
      unwind: this.unwind,
      handler: this.handlerOf,
      gates: this.gates,
    };
  }
}
