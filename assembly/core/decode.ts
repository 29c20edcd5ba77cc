import { fetch } from './mmu';
import { codeBreakpoints } from './debugregs';
import { B_BREAK, B_CHARGE, B_HEADER, B_LENGTH, B_MODE, B_PA, B_PA2, B_RIP, BREAK_DEBUG, BREAK_HOST, MODE_ALONE, MODE_COUNT, MODE_EM, MODE_MP, MODE_NO_AVX, MODE_NO_SSE, MODE_TS, MODE_USER, B_LIMIT, MODE_CODE16, MODE_CODE32, MODE_REAL } from './block';
import { EA, FS_BASE, GS_BASE, RAX, RCX, RDX, ZERO, RBP, RBX, RDI, RSI, RSP, SEG_DS, SEG_SS } from './layout';
import { nextCodePage } from './blocks';
import { codeAddress } from './linear';
import { RAM_BASE, ramSize } from './map';
import {
  OP_ADDRESS_SIZE, OP_BASE, OP_BYTES, OP_CC, OP_CODE, OP_COUNT_AFTER, OP_CYCLES, OP_CYCLES_AFTER, OP_DISP, OP_FLAGS, OP_FORM, OP_FUNCTION, OP_IMM, OP_INDEX, OP_LENGTH,
  OP_LINK_GENERATION, OP_LINK_NEXT, OP_LINK_TAKEN, OP_NEXT, OP_R0, OP_R1, OP_R2, OP_SCALE, OP_SIZE, OPF_LOCK, OPF_MEMORY, OPF_REP, OPF_REPNE, OPF_STACK_SEGMENT, OPF_START,
} from './op';
import { GP, NM, NO_ERROR_CODE, raiseError, trap, UD } from './trap';
import { breakpointAt } from './breakpoints';
import {
  CODE_CONTINUE, CODE_COUNT, CODE_EA, CODE_RAISE, CODE_STOP, FORM_BRANCH, FORM_BYTES, FORM_CC, FORM_CODE_MEMORY, FORM_CODE_REGISTER, FORM_CPL0, FORM_CYCLES, FORM_ENDS, FORM_FLAGS, FORM_FUNCTION, FORM_FUSE_MEMORY, FORM_FUSE_REGISTER, FORM_HIGH_BYTES, FORM_IMMEDIATE, FORM_LOCK, FORM_MMX, FORM_NO_SEGMENT, FORM_ONLY_REGISTER, FORM_PLACES, FORM_SSE, FORM_AVX, FORM_VEX, FORM_VSIB, FORM_VVVV, FORM_WAIT, FORM_X87, FORM_DIRECT_BRANCH, IMM_16, IMM_16_8, IMM_32, IMM_32S, IMM_64, IMM_8, IMM_8S, IMM_IS4, IMM_MOFFS, IMM_NONE, IMM_ONE, IMM_REL32, IMM_REL8, CODE_EA_SEGMENT, CODE_RAISE_IF, FORM_ACCESS, FORM_PROTECTED, IMM_PTR, IMM_REL16,
  PLACE_ACC, PLACE_CL, PLACE_DX, PLACE_OPCODE, PLACE_REG, PLACE_REG_NUMBER, PLACE_RM, PLACE_RM_NUMBER, PLACE_VVVV, PLACE_VVVV_NUMBER,
  candidates, forms, functionIndex, fused, hasModrm, opcodeIndex, withoutIndex,
} from '../generated/tables';

// The decoder: bytes to ops. What an opcode means comes from the tables made from the records (gen/tables.ts); here is only the
// format of an instruction: prefixes, REX, VEX, opcode maps, ModRM, SIB, displacement, immediate (SDM vol. 2, chapter 2).

/** Instructions in a block at most. */
const BLOCK_LIMIT: u32 = 64;
/** No instruction is longer (SDM vol. 2, 2.3.11). */
const MAX_LENGTH: u32 = 15;

/** Bytes of an instruction that lies in two pages, or outside of RAM. */
const window: usize = memory.data(16, 16);

// Where the decoder reads, and whether it wanted more than there was.
let at: usize = 0, end: usize = 0, short: bool = false;

function take8(): u32 {
  if (at >= end) { short = true; return 0; }
  return <u32>load<u8>(at++);
}
function take16(): u32 { const lo = take8(); return lo | (take8() << 8); }
function take32(): u32 { const lo = take16(); return lo | (take16() << 16); }
function take64(): u64 { const lo = <u64>take32(); return lo | (<u64>take32() << 32); }

// Parts of the memory operand, from ModRM and SIB.
let base: usize = 0, index: usize = 0, scale: u32 = 0, displacement: i64 = 0, ripRelative: bool = false, stackSegment: bool = false;
/** SIB.index with its extension, which names a vector register for a gather; 16 without SIB. */
let vectorIndex: u32 = 16, vectorScale: u32 = 0;

/** Reads SIB and displacement of a memory operand (mod is not 3). SDM vol. 2, tables 2-2 and 2-3. */
function takeMemory(modrm: u32, rexX: u32, rexB: u32): void {
  const mod = modrm >> 6, rm = modrm & 7;
  base = ZERO; index = ZERO; scale = 0; displacement = 0; ripRelative = false; stackSegment = false;
  let reg = rm | rexB, hasBase = true;
  if (rm == 4) {
    const sib = take8(), i = ((sib >> 3) & 7) | rexX;
    vectorIndex = i;
    vectorScale = sib >> 6;
    if (i != 4) { index = <usize>i << 3; scale = sib >> 6; }
    reg = (sib & 7) | rexB;
    if ((sib & 7) == 5 && mod == 0) hasBase = false;
    if (!hasBase) displacement = <i64><i32>take32();
  } else if (rm == 5 && mod == 0) {
    hasBase = false;
    ripRelative = true;
    displacement = <i64><i32>take32();
  }
  if (hasBase) { base = <usize>reg << 3; stackSegment = reg == 4 || reg == 5; }
  if (mod == 1) displacement = <i64><i8>take8();
  else if (mod == 2) displacement = <i64><i32>take32();
}

/** Base and index registers of 16-bit addressing by ModRM.rm (SDM vol. 2, table 2-1). */
const pairs: usize = memory.data<u8>([
  <u8>RBX, <u8>RSI, <u8>RBX, <u8>RDI, <u8>RBP, <u8>RSI, <u8>RBP, <u8>RDI, <u8>RSI, <u8>ZERO, <u8>RDI, <u8>ZERO, <u8>RBP, <u8>ZERO, <u8>RBX, <u8>ZERO,
]);

/** Reads the displacement of a memory operand with 16-bit addressing; the sum is truncated when it is made. */
function takeMemory16(modrm: u32): void {
  const mod = modrm >> 6, rm = modrm & 7, pair = pairs + <usize>(rm << 1);
  base = <usize>load<u8>(pair); index = <usize>load<u8>(pair, 1); scale = 0; displacement = 0; ripRelative = false;
  stackSegment = base == RBP;
  if (rm == 6 && mod == 0) { base = ZERO; stackSegment = false; displacement = <i64>take16(); }
  else if (mod == 1) displacement = <i64><i8>take8();
  else if (mod == 2) displacement = <i64>take16();
}

/** What an x87 or MMX instruction raises by the mode, or 0 (SDM vol. 3, tables 13-1 and 2-2; vol. 1, 8.1 for WAIT). */
function x87Missing(formFlags: u32, mode: u32): u32 {
  if ((formFlags & FORM_WAIT) != 0) return (mode & (MODE_MP | MODE_TS)) == (MODE_MP | MODE_TS) ? NM : 0;
  if ((mode & MODE_EM) != 0) return (formFlags & FORM_MMX) != 0 ? UD : NM;
  return (mode & MODE_TS) != 0 ? NM : 0;
}

/** An op that raises an exception when it is reached. */
function raiseOp(o: usize, vector: u32, code: u32): void {
  store<u16>(o, <u16>CODE_RAISE, OP_CODE);
  store<u8>(o, <u8>vector, OP_CC);
  store<u64>(o, <u64>code, OP_IMM);
}

// What decodeOne found out about the instruction besides the op.
let opEnd: usize = 0, endsBlock: bool = false, fuseClass: u32 = 0, directBranch: bool = false;

/** Segment register that a prefix byte names (0 ES to 5 GS), or NO_SEGMENT. */
const NO_SEGMENT: u32 = 255;
function segmentOf(b: u32): u32 {
  if ((b & 0xfe) == 0x64) return b - 0x60;
  return (b & 0xe7) == 0x26 ? (b >> 3) & 3 : NO_SEGMENT;
}

// The block's mode is not 64-bit mode; the code segment's limit.
let legacy: bool = false, codeLimit: u32 = 0;

/** After C4 or C5 outside 64-bit mode: a register as memory operand of LES or LDS, which cannot be, makes it a VEX prefix. */
function vexFollows(): bool {
  if (at >= end) { short = true; return false; }
  return load<u8>(at) >= 0xc0;
}

/** RIP after `length` bytes. */
function after(rip: u64, length: u32): u64 { return legacy ? <u64>(<u32>rip + length) : rip + <u64>length; }

/** Decodes the instruction whose bytes are [at, end) into ops at `o`; its length, or 0 when it needs more bytes. */
function decodeOne(o: usize, rip: u64, mode: u32): u32 {
  const start = at, code16 = (mode & MODE_CODE16) != 0;
  vectorIndex = 16;
  short = false; endsBlock = false; fuseClass = 0; directBranch = false; opEnd = o + OP_BYTES;
  memory.fill(o, 0, OP_BYTES);
  store<u8>(o, <u8>ZERO, OP_BASE);
  store<u8>(o, <u8>ZERO, OP_INDEX);
  store<u8>(o, 1, OP_CYCLES);

  let flags: u8 = OPF_START, rex: u32 = 0, size16 = false, address67 = false, segment = NO_SEGMENT, repeat: u32 = 0, lock = false, anyLegacy = false;
  let b = take8();
  while (!short) {
    if (b == 0x66) { size16 = true; anyLegacy = true; }
    else if (b == 0x67) address67 = true;
    else if (b == 0xf2 || b == 0xf3) { repeat = b; anyLegacy = true; }
    else if (b == 0xf0) { lock = true; anyLegacy = true; }
    else if (segmentOf(b) != NO_SEGMENT) { if (legacy || b >= 0x64) segment = segmentOf(b); } // CS SS DS ES: ignored in 64-bit mode, and do not undo FS or GS
    else if ((b & 0xf0) == 0x40 && !legacy) { rex = b; b = take8(); continue; }
    else break;
    rex = 0; // a REX prefix that does not stand right before the opcode is ignored
    b = take8();
  }

  const prefix66 = size16;
  if (code16) size16 = !size16;
  // log2 of the address size in bytes.
  const addressSize: u32 = legacy ? (code16 != address67 ? 1 : 2) : address67 ? 2 : 3;

  // Opcode map: 0 one byte, 1 0F, 2 0F38, 3 0F3A, 4-6 the same under VEX.
  let map: u32 = 0, vexL: u32 = 0, vvvv: u32 = 0, w = (rex >> 3) & 1, prefix: u32 = repeat == 0xf3 ? 2 : repeat == 0xf2 ? 3 : prefix66 ? 1 : 0;
  let rexR = (rex & 4) << 1, rexX = (rex & 2) << 2, rexB = (rex & 1) << 3;
  let bad = false, refused = false;
  if (b == 0x0f) {
    map = 1;
    b = take8();
    if (b == 0x38 || b == 0x3a) { map = b == 0x38 ? 2 : 3; b = take8(); }
  } else if ((b == 0xc4 || b == 0xc5) && (!legacy || vexFollows())) {
    // VEX does not go with REX, 66, F2, F3 and LOCK (SDM vol. 2, 2.3.2 - 2.3.4).
    refused = rex != 0 || anyLegacy;
    let p = take8();
    rexR = (~p & 0x80) >> 4;
    rexX = 0; rexB = 0; w = 0; map = 4;
    if (b == 0xc4) {
      rexX = (~p & 0x40) >> 3; rexB = (~p & 0x20) >> 2;
      const m = p & 31;
      if (m < 1 || m > 3) bad = true; else map = 3 + m;
      p = take8();
      w = p >> 7;
    }
    vvvv = (~p >> 3) & 15; vexL = (p >> 2) & 1; prefix = p & 3;
    // There are eight registers outside 64-bit mode: the bits that would name others are ignored.
    if (legacy) { rexR = 0; rexX = 0; rexB = 0; vvvv &= 7; }
    b = take8();
    rex = 0x40; // no AH..BH under VEX
  }
  if (short) return 0;

  let modrm: u32 = 0;
  const opcode = map << 8 | b;
  const modrmFollows = !bad && load<u8>(hasModrm + <usize>opcode) != 0;
  if (modrmFollows) {
    modrm = take8();
    if (short) return 0;
    // MOV of control and debug registers has no memory operand: it ignores mod (SDM vol. 2, "MOV - Move to/from Control Registers").
    if ((opcode & ~3) == 0x120) modrm |= 0xc0;
  }
  const mod = modrm >> 6, size: u32 = w != 0 && map < 4 ? 3 : size16 ? 1 : 2;

  // The first candidate whose conditions hold; gen/tables.ts orders them and has the bits.
  let form: u32 = 0;
  if (!bad) {
    const context: u32 = (1 << prefix) | (8 << size) | (0x80 << w) | (modrmFollows && mod != 3 ? 0x400 : 0x200) | (0x800 << vexL) | (rexB != 0 ? 0x4000 : 0x2000) |
      (0x4000 << addressSize) | (legacy ? 0x80000 : 0x40000) | (0x100000 << (modrm & 7));
    let i = <usize>load<u16>(opcodeIndex + (<usize>(opcode << 3 | ((modrm >> 3) & 7)) << 1));
    if (i != 0) {
      for (let c = candidates + (i << 3); ; c += 8) {
        if ((context & ~load<u32>(c)) == 0) { form = <u32>load<u16>(c, 4); break; }
        if (load<u16>(c, 6) != 0) break;
      }
    }
  }
  if (form == 0) {
    raiseOp(o, UD, NO_ERROR_CODE);
    store<u64>(o, <u64>NO_ERROR_CODE | (<u64>(opcode + 1) << 32), OP_IMM);
    return finish(o, rip, <u32>(at - start), flags);
  }

  // There is no segment register 6 or 7, and CS is not loaded by MOV: known before the operand is looked at.
  if (opcode == 0x8c || opcode == 0x8e) {
    const register = (modrm >> 3) & 7;
    if (register > 5 || (opcode == 0x8e && register == 1)) { raiseOp(o, UD, NO_ERROR_CODE); return finish(o, rip, <u32>(at - start), flags); }
  }
  const info = forms + <usize>form * FORM_BYTES, formFlags = <u32>load<u16>(info, FORM_FLAGS);
  const viaModrm = modrmFollows && mod != 3 && (formFlags & FORM_ONLY_REGISTER) == 0;
  let isMemory = viaModrm;
  if (viaModrm) { if (addressSize == 1) takeMemory16(modrm); else takeMemory(modrm, rexX, rexB); }
  else { base = ZERO; index = ZERO; scale = 0; displacement = 0; ripRelative = false; stackSegment = false; }

  let imm: u64 = 0, relative = false;
  switch (<u32>load<u8>(info, FORM_IMMEDIATE)) {
    case IMM_NONE: break;
    case IMM_8: imm = <u64>take8(); break;
    case IMM_8S: imm = <u64><i64><i8>take8(); break;
    case IMM_16: imm = <u64>take16(); break;
    case IMM_32: imm = <u64>take32(); break;
    case IMM_32S: imm = <u64><i64><i32>take32(); break;
    case IMM_64: imm = take64(); break;
    case IMM_REL8: imm = <u64><i64><i8>take8(); relative = true; break;
    case IMM_REL16: imm = <u64><i64><i16>take16(); relative = true; break;
    case IMM_REL32: imm = <u64><i64><i32>take32(); relative = true; break;
    case IMM_PTR: imm = size16 ? <u64>take16() : <u64>take32(); imm |= <u64>take16() << 32; break;
    case IMM_MOFFS: displacement = addressSize == 1 ? <i64>take16() : addressSize == 2 ? <i64>take32() : <i64>take64(); isMemory = true; break;
    case IMM_IS4: imm = <u64>(take8() >> 4); if (legacy) imm &= 7; break;
    case IMM_16_8: imm = <u64>take16(); imm |= <u64>take8() << 16; break;
    default: imm = 1; break;
  }
  if (short) return 0;
  const length = <u32>(at - start);
  const next = after(rip, length);
  if (relative) {
    imm += next;
    if (legacy) imm &= size16 ? 0xffff : 0xffffffff;
  }
  if (ripRelative && !legacy) displacement += <i64>next;

  if (refused || (lock && ((formFlags & FORM_LOCK) == 0 || !viaModrm))) { raiseOp(o, UD, NO_ERROR_CODE); return finish(o, rip, length, flags); }
  if ((formFlags & FORM_PROTECTED) != 0 && (mode & MODE_REAL) != 0) { raiseOp(o, UD, NO_ERROR_CODE); return finish(o, rip, length, flags); }
  if ((formFlags & FORM_SSE) != 0 && (mode & (MODE_NO_SSE | MODE_TS)) != 0) { raiseOp(o, (mode & MODE_NO_SSE) != 0 ? UD : NM, NO_ERROR_CODE); return finish(o, rip, length, flags); }
  if ((formFlags & (FORM_X87 | FORM_WAIT | FORM_MMX)) != 0) {
    const vector = x87Missing(formFlags, mode);
    if (vector != 0) { raiseOp(o, vector, NO_ERROR_CODE); return finish(o, rip, length, flags); }
    imm |= (formFlags & FORM_X87) != 0 ? <u64>((b & 7) << 8 | modrm) : 0;
  }
  if ((formFlags & FORM_VEX) != 0) {
    if ((formFlags & FORM_VVVV) == 0 && vvvv != 0) { raiseOp(o, UD, NO_ERROR_CODE); return finish(o, rip, length, flags); }
    if ((formFlags & FORM_AVX) != 0 && (mode & (MODE_NO_AVX | MODE_TS)) != 0) { raiseOp(o, (mode & MODE_NO_AVX) != 0 ? UD : NM, NO_ERROR_CODE); return finish(o, rip, length, flags); }
    if ((formFlags & FORM_VSIB) != 0 && vectorIndex == 16) { raiseOp(o, UD, NO_ERROR_CODE); return finish(o, rip, length, flags); }
  }
  if ((formFlags & FORM_CPL0) != 0 && (mode & MODE_USER) != 0) { raiseOp(o, GP, 0); return finish(o, rip, length, flags); }

  if (lock) flags |= OPF_LOCK;
  if (repeat == 0xf3) flags |= OPF_REP; else if (repeat == 0xf2) flags |= OPF_REPNE;
  // POP to memory addresses with the stack pointer that it leaves (SDM vol. 2, POP).
  if (opcode == 0x8f && isMemory && base == RSP) displacement += legacy || size16 ? <i64>1 << <i64>size : 8;
  let apart = false;
  if (legacy) {
    if ((formFlags & FORM_VSIB) != 0) index = ZERO;
    if (segment == NO_SEGMENT) segment = stackSegment ? <u32>SEG_SS : <u32>SEG_DS;
    stackSegment = segment == <u32>SEG_SS;
    apart = isMemory && (formFlags & FORM_VSIB) == 0; // a gather makes its addresses itself (sem/avx_memory.ts)
    if (apart) {
      store<u16>(o, <u16>CODE_EA_SEGMENT, OP_CODE);
      store<u8>(o, <u8>segment, OP_R0);
      store<u64>(o, <u64>load<u16>(info, FORM_ACCESS), OP_IMM);
    }
  } else {
    let at: usize = 0;
    if (segment != NO_SEGMENT && (formFlags & FORM_NO_SEGMENT) == 0) {
      stackSegment = false;
      at = segment == 4 ? FS_BASE : GS_BASE;
    }
    if ((formFlags & FORM_VSIB) != 0) index = at != 0 ? at : ZERO;
    else apart = isMemory && (address67 || (at != 0 && index != ZERO));
    if (apart) {
      // Too much for an op's address fields.
      store<u16>(o, <u16>CODE_EA, OP_CODE);
      store<u8>(o, <u8>(at != 0 ? at : ZERO), OP_R0);
      store<u8>(o, address67 ? 1 : 0, OP_R1);
    } else if (at != 0 && (formFlags & FORM_VSIB) == 0) { index = at; scale = 0; }
  }
  if (isMemory) flags |= stackSegment ? OPF_MEMORY | OPF_STACK_SEGMENT : OPF_MEMORY;
  if (apart) {
    // A micro-op computes the address into EA first.
    store<u8>(o, <u8>addressSize, OP_ADDRESS_SIZE);
    storeAddress(o);
    finish(o, rip, length, flags);
    o += OP_BYTES;
    opEnd += OP_BYTES;
    memory.fill(o, 0, OP_BYTES);
    flags &= ~OPF_START;
    base = EA; index = ZERO; scale = 0; displacement = 0;
  }
  if (legacy) scale = segment; // OP_SEGMENT; there is no index
  storeAddress(o);

  if (load<u8>(info, FORM_BRANCH) != 0 && (mode & MODE_COUNT) != 0) {
    store<u16>(o, <u16>CODE_COUNT, OP_CODE);
    finish(o, rip, length, flags);
    o += OP_BYTES;
    opEnd += OP_BYTES;
    memory.fill(o, 0, OP_BYTES);
    flags &= ~OPF_START;
    storeAddress(o);
  }

  // Register operands.
  const high = rex == 0 ? <u32>load<u8>(info, FORM_HIGH_BYTES) : 0;
  for (let slot: usize = 0; slot < 3; slot++) {
    const place = <u32>load<u8>(info + slot, FORM_PLACES);
    let number: u32 = 0, byRegister = true;
    switch (place) {
      case PLACE_RM: number = (modrm & 7) | rexB; break;
      case PLACE_REG: number = ((modrm >> 3) & 7) | rexR; break;
      case PLACE_OPCODE: number = (b & 7) | rexB; break;
      case PLACE_VVVV: number = vvvv; break;
      case PLACE_ACC: number = <u32>RAX >> 3; break;
      case PLACE_CL: number = <u32>RCX >> 3; break;
      case PLACE_DX: number = <u32>RDX >> 3; break;
      case PLACE_RM_NUMBER: number = (modrm & 7) | rexB; byRegister = false; break;
      case PLACE_REG_NUMBER: number = ((modrm >> 3) & 7) | rexR; byRegister = false; break;
      case PLACE_VVVV_NUMBER: number = vvvv; byRegister = false; break;
      default: byRegister = false; break;
    }
    // Without REX, 8-bit registers 4 to 7 are AH CH DH BH: the second byte of registers 0 to 3.
    if (byRegister) number = ((high >> <u32>slot) & 1) != 0 && number >= 4 && number < 8 && place <= PLACE_OPCODE ? ((number - 4) << 3) + 1 : number << 3;
    store<u8>(o + (slot == 0 ? OP_R0 : slot == 1 ? OP_R1 : OP_R2), <u8>number);
  }

  let code = <u32>load<u16>(info + (isMemory ? FORM_CODE_MEMORY : FORM_CODE_REGISTER));
  if (isMemory && index == ZERO) {
    const simple = <u32>load<u16>(withoutIndex + (<usize>code << 1));
    if (simple != 0) code = simple;
  }
  store<u16>(o, <u16>code, OP_CODE);
  store<u8>(o, (formFlags & FORM_VSIB) != 0 ? <u8>(vectorIndex | (vectorScale << 4)) : load<u8>(info, FORM_CC), OP_CC);
  store<u8>(o, <u8>size, OP_SIZE);
  store<u8>(o, <u8>addressSize, OP_ADDRESS_SIZE);
  store<u64>(o, imm, OP_IMM);
  store<u16>(o, <u16>form, OP_FORM);
  store<u32>(o, functionIndex(<u32>load<u16>(info, FORM_FUNCTION)), OP_FUNCTION);
  if ((formFlags & FORM_DIRECT_BRANCH) != 0) {
    store<u32>(o, 0, OP_LINK_TAKEN);
    store<u32>(o, 0, OP_LINK_NEXT);
    store<u32>(o, 0, OP_LINK_GENERATION);
    directBranch = true;
    if (legacy && imm > <u64>codeLimit) {
      // JMP faults; a conditional branch only when it is taken, else the block goes on.
      directBranch = false;
      if (b == 0xe9 || b == 0xeb) { raiseOp(o, GP, 0); return finish(o, rip, length, flags); }
      store<u16>(o, <u16>CODE_RAISE_IF, OP_CODE);
    }
  }
  endsBlock = (formFlags & FORM_ENDS) != 0 && <u32>load<u16>(o, OP_CODE) != CODE_RAISE_IF;
  fuseClass = <u32>load<u8>(info + (isMemory ? FORM_FUSE_MEMORY : FORM_FUSE_REGISTER));
  finish(o, rip, length, flags);
  store<u8>(o, load<u8>(info, FORM_CYCLES), OP_CYCLES);
  return length;
}

function storeAddress(o: usize): void {
  store<u8>(o, <u8>base, OP_BASE);
  store<u8>(o, <u8>index, OP_INDEX);
  store<u8>(o, <u8>scale, OP_SCALE);
  store<i64>(o, displacement, OP_DISP);
}

function finish(o: usize, rip: u64, length: u32, flags: u8): u32 {
  store<u8>(o, flags, OP_FLAGS);
  store<u8>(o, <u8>length, OP_LENGTH);
  store<u64>(o, after(rip, length), OP_NEXT);
  // A raising op ends the block: what follows may never be reached.
  if (load<u16>(o, OP_CODE) == <u16>CODE_RAISE) { endsBlock = true; opEnd = o + OP_BYTES; }
  return length;
}

/** BREAK_* of the instruction at `rip`. */
function breakAt(cpu: usize, rip: u64): u16 {
  const at = codeAddress(cpu, rip);
  return (breakpointAt(at) ? BREAK_HOST : 0) | (codeBreakpoints(cpu, at) != 0 ? BREAK_DEBUG : 0);
}

/** Decodes the block whose header is at `b` (RIP, PA and MODE are set); the address after its last op. Sets `trap` when the bytes of its first instruction cannot be fetched. */
export function decodeBlock(cpu: usize, b: usize): usize {
  const first = load<u64>(b, B_RIP), mode = load<u32>(b, B_MODE);
  const limit: u32 = (mode & MODE_ALONE) != 0 ? 1 : BLOCK_LIMIT;
  legacy = (mode & (MODE_CODE32 | MODE_CODE16)) != 0;
  codeLimit = load<u32>(b, B_LIMIT);
  let rip = first, pa = load<u32>(b, B_PA), o = b + B_HEADER, count: u32 = 0, cycles: u32 = 0, previous: usize = 0, previousFuse: u32 = 0, ended = false, across = false;
  store<u16>(b, breakAt(cpu, rip), B_BREAK);
  while (true) {
    const room: u32 = 0x1000 - (pa & 0xfff), have: u32 = room < MAX_LENGTH ? room : MAX_LENGTH;
    if (pa < ramSize) at = RAM_BASE + <usize>pa;
    else { memory.fill(window, 0xff, 16); at = window; }
    end = at + <usize>have;
    let length = decodeOne(o, rip, mode);
    if (length == 0 && have < MAX_LENGTH) {
      if (count != 0) break; // a block of its own, reached by the op added below
      length = decodeAcross(cpu, b, o, rip, mode, pa, have);
      if (trap) return 0;
      across = true;
    }
    if (length == 0) {
      raiseOp(o, GP, 0);
      length = finish(o, rip, MAX_LENGTH, OPF_START);
    } else if (legacy && <u32>rip + length - 1 > codeLimit) {
      // Its last byte is beyond the code segment's limit. (FFFFFFFF as limit lets an instruction wrap.)
      if (count != 0) break;
      opEnd = o + OP_BYTES;
      raiseOp(o, GP, 0);
      length = finish(o, rip, length, OPF_START);
    }
    count++;
    const main = opEnd - OP_BYTES;
    cycles += <u32>load<u8>(main, OP_CYCLES);
    for (let op = o; op < opEnd; op += OP_BYTES) {
      store<u16>(op, <u16>cycles, OP_CYCLES_AFTER);
      store<u16>(op, <u16>count, OP_COUNT_AFTER);
      store<u8>(op, load<u8>(main, OP_CYCLES), OP_CYCLES);
    }
    if (directBranch && previousFuse != 0) {
      const code = load<u16>(fused + (<usize>(previousFuse << 4 | <u32>load<u8>(main, OP_CC)) << 1));
      if (code != 0 && main == o && <u32>load<u16>(main, OP_CODE) == <u32>load<u16>(fused + (<usize>load<u8>(main, OP_CC) << 1))) store<u16>(previous, code, OP_CODE);
    }
    previous = main; previousFuse = fuseClass;
    o = opEnd;
    rip = after(rip, length);
    pa += length;
    if (endsBlock) { ended = true; break; }
    if (across || count == limit || (pa & 0xfff) == 0 || breakAt(cpu, rip) != 0) break;
  }
  if (!ended) {
    // The block goes on in another one.
    memory.fill(o, 0, OP_BYTES);
    store<u16>(o, <u16>((mode & MODE_ALONE) != 0 ? CODE_STOP : CODE_CONTINUE), OP_CODE);
    store<u64>(o, rip, OP_NEXT);
    store<u16>(o, <u16>cycles, OP_CYCLES_AFTER);
    store<u16>(o, <u16>count, OP_COUNT_AFTER);
    o += OP_BYTES;
  }
  // Until here the two fields held what came up to each op; now they hold what comes after it.
  for (let op = b + B_HEADER; op < o; op += OP_BYTES) {
    store<u16>(op, <u16>(cycles - <u32>load<u16>(op, OP_CYCLES_AFTER)), OP_CYCLES_AFTER);
    store<u16>(op, <u16>(count - <u32>load<u16>(op, OP_COUNT_AFTER)), OP_COUNT_AFTER);
  }
  store<u64>(b, (<u64>cycles << 32) | <u64>count, B_CHARGE);
  store<u16>(b, <u16>(rip - first), B_LENGTH);
  return o;
}

/** An instruction whose bytes go on in the next page, of which `have` bytes are in this one. */
function decodeAcross(cpu: usize, b: usize, o: usize, rip: u64, mode: u32, pa: u32, have: u32): u32 {
  // Bytes beyond the code segment's limit are not fetched.
  if (legacy && <u32>rip + have - 1 >= codeLimit && codeLimit != 0xffffffff) { raiseError(cpu, GP, 0); return 0; }
  const second = fetch(cpu, nextCodePage(codeAddress(cpu, rip), legacy));
  if (trap) return 0;
  memory.fill(window, 0xff, 16);
  if (pa < ramSize) memory.copy(window, RAM_BASE + <usize>pa, <usize>have);
  if (second < ramSize) memory.copy(window + <usize>have, RAM_BASE + <usize>second, <usize>(MAX_LENGTH - have));
  store<u32>(b, second, B_PA2);
  at = window;
  end = window + <usize>MAX_LENGTH;
  return decodeOne(o, rip, mode);
}
