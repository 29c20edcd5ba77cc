import { groups } from '../../assembly/gen/encoding.ts';
import type { DecodeTables, Form } from '../../assembly/gen/tables.ts';

/** Default operand and address size of code: 64-bit mode, and code segments of the other modes with D set or clear. */
export type CodeBits = 64 | 32 | 16;

/** An instruction taken apart: which form, and every field that an operand can be in. */
export interface Fetched {
  /** Form number (1-based). */
  form: number;
  length: number;
  operandSize: 2 | 4 | 8;
  bits: CodeBits;
  addressSize: 2 | 4 | 8;
  rex: boolean;
  lock: boolean;
  /** 0, 0xf2 or 0xf3. */
  repeat: number;
  segment: '' | 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs';
  /** No ModRM and no immediate. */
  operandless: boolean;
  reg: number;
  rm: number;
  opcodeRegister: number;
  vvvv: number;
  memory: boolean;
  base: number;
  index: number;
  /** SIB.index as the vector register of a gather. */
  vectorIndex: number;
  scale: number;
  /** Displacement alone, relative to the next instruction in 64-bit mode, absolute elsewhere. */
  ripRelative: boolean;
  /** Selector of a far pointer in the instruction, whose offset is `immediate`. */
  selector: number;
  displacement: number;
  /** As encoded, sign-extended to 64 bits. */
  immediate: bigint;
  /** The first of two immediates (ENTER); null when there is one at most. */
  firstImmediate: bigint | null;
}

const SIZES: { readonly [follow: string]: number } = { ib: 1, cb: 1, iw: 2, cw: 2, id: 4, cd: 4, io: 8 };
const SEGMENT_PREFIXES: { readonly [byte: number]: Fetched['segment'] } = {
  0x26: 'es',
  0x2e: 'cs',
  0x36: 'ss',
  0x3e: 'ds',
  0x64: 'fs',
  0x65: 'gs',
};

/** Reads prefixes, opcode, ModRM, displacement and immediate by the decoder's tables; null when no form matches or bytes are missing. */
export function fetch(bytes: Uint8Array, tables: DecodeTables, forms: readonly Form[], bits: CodeBits = 64): Fetched | null {
  const legacy = bits !== 64;
  let at = 0;
  let overflow = false;
  const byte = (): number => {
    if (at >= bytes.length || at >= 15) {
      overflow = true;
      return 0;
    }
    return bytes[at++]!;
  };
  const signed = (size: number): bigint => {
    let v = 0n;
    for (let i = 0; i < size; i++) v |= BigInt(byte()) << BigInt(8 * i);
    return BigInt.asIntN(8 * size, v);
  };

  let has66 = false,
    has67 = false,
    lock = false,
    repeat = 0,
    rex = 0;
  let segment: Fetched['segment'] = '';
  let opcode = 0;
  for (;;) {
    opcode = byte();
    if (overflow) return null;
    if (opcode === 0x66) has66 = true;
    else if (opcode === 0x67) has67 = true;
    else if (opcode === 0xf0) lock = true;
    else if (opcode === 0xf2 || opcode === 0xf3) repeat = opcode;
    else if (SEGMENT_PREFIXES[opcode] !== undefined) {
      if (legacy || opcode >= 0x64) segment = SEGMENT_PREFIXES[opcode]!;
    } else if ((opcode & 0xf0) === 0x40 && !legacy) {
      rex = opcode;
      continue;
    } else break;
    rex = 0;
  }

  let map = 0,
    vvvv = 0,
    vexL = 0;
  let w = (rex >> 3) & 1;
  let r = (rex >> 2) & 1,
    x = (rex >> 1) & 1,
    b = rex & 1;
  let mandatory = repeat === 0xf3 ? 4 : repeat === 0xf2 ? 8 : has66 ? 2 : 1;
  if ((opcode === 0xc4 || opcode === 0xc5) && (!legacy || (bytes[at] ?? 0) >= 0xc0)) {
    const p1 = byte();
    const p2 = opcode === 0xc4 ? byte() : p1;
    r = ((p1 >> 7) & 1) ^ 1;
    if (opcode === 0xc4) {
      x = ((p1 >> 6) & 1) ^ 1;
      b = ((p1 >> 5) & 1) ^ 1;
      w = (p2 >> 7) & 1;
    }
    const select = opcode === 0xc4 ? p1 & 31 : 1;
    if (select < 1 || select > 3) return null;
    map = 3 + select;
    vvvv = (~p2 >> 3) & 15;
    vexL = (p2 >> 2) & 1;
    mandatory = [1, 2, 4, 8][p2 & 3]!;
    // Eight registers: the bits that would name others are ignored.
    if (legacy) {
      r = x = b = 0;
      vvvv &= 7;
    }
    opcode = byte();
  } else if (opcode === 0x0f) {
    map = 1;
    opcode = byte();
    if (opcode === 0x38 || opcode === 0x3a) {
      map = opcode === 0x38 ? 2 : 3;
      opcode = byte();
    }
  }

  const key = (map << 8) | opcode;
  const hasModrm = tables.hasModrm[key] === 1;
  // MOV of control and debug registers ignores mod: there is no memory operand.
  const modrm = hasModrm ? byte() | ((key & ~3) === 0x120 ? 0xc0 : 0) : 0;
  const mod = modrm >> 6;
  const first = tables.opcodeIndex[(key << 3) | ((modrm >> 3) & 7)]!;
  if (first === 0 || overflow) return null;
  const size16 = has66 !== (bits === 16);
  const operandSize = w === 1 && !(legacy && map >= 4) ? 8 : size16 ? 2 : 4;
  const addressSize = legacy ? (has67 !== (bits === 16) ? 2 : 4) : has67 ? 4 : 8;
  const context: { [g: string]: number } = {
    prefix: mandatory,
    size: w === 1 && map < 4 ? 4 : size16 ? 1 : 2,
    w: w === 1 ? 2 : 1,
    mod: hasModrm && mod !== 3 ? 2 : 1,
    l: vexL ? 2 : 1,
    b: b ? 2 : 1,
    address: addressSize >> 1,
    mode: legacy ? 2 : 1,
    rm: 1 << (modrm & 7),
  };
  let accepted = 0,
    shift = 0;
  for (const [name, width] of groups) {
    accepted |= context[name]! << shift;
    shift += width;
  }
  let form = 0;
  for (let i = first; ; i++) {
    const [mask, number, last] = tables.candidates[i]!;
    if ((accepted & ~mask) === 0) {
      form = number;
      break;
    }
    if (last === 1) return null;
  }

  const out: Fetched = {
    form,
    length: 0,
    operandSize,
    bits,
    addressSize,
    rex: rex !== 0,
    lock,
    repeat,
    segment,
    operandless: !hasModrm,
    reg: ((modrm >> 3) & 7) | (r << 3),
    rm: (modrm & 7) | (b << 3),
    opcodeRegister: (opcode & 7) | (b << 3),
    vvvv,
    memory: hasModrm && mod !== 3,
    base: -1,
    index: -1,
    vectorIndex: 0,
    scale: 0,
    ripRelative: false,
    selector: 0,
    displacement: 0,
    immediate: 0n,
    firstImmediate: null,
  };
  if (out.memory) {
    if (addressSize === 2) readAddress16(out, modrm, signed);
    else readAddress(out, modrm, x, b, byte, signed);
  }
  const { encoding, immediate } = forms[form - 1]!;
  // Too wide for a displacement: it is kept where 64 bits are.
  if (immediate === 'moffs') out.immediate = addressSize === 8 ? signed(8) : BigInt.asUintN(8 * addressSize, signed(addressSize));
  encoding.follows.forEach((f, i) => {
    if (i > 0) out.firstImmediate = out.immediate;
    if (f === 'cp') {
      out.immediate = BigInt.asUintN(8 * operandSize, signed(operandSize));
      out.selector = Number(BigInt.asUintN(16, signed(2)));
    } else out.immediate = signed(SIZES[f]!);
  });
  out.length = at;
  return overflow ? null : out;
}

/** Base and index of 16-bit addressing by ModRM.rm (SDM vol. 2, table 2-1). */
const PAIRS: readonly (readonly [base: number, index: number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
];

function readAddress16(out: Fetched, modrm: number, signed: (size: number) => bigint): void {
  const mod = modrm >> 6;
  if (mod === 0 && (modrm & 7) === 6) {
    out.ripRelative = true;
    out.displacement = Number(BigInt.asUintN(16, signed(2)));
    return;
  }
  [out.base, out.index] = PAIRS[modrm & 7]! as [number, number];
  if (mod > 0) out.displacement = Number(signed(mod));
}

function readAddress(
  out: Fetched,
  modrm: number,
  x: number,
  b: number,
  byte: () => number,
  signed: (size: number) => bigint,
): void {
  const mod = modrm >> 6;
  let size = mod === 1 ? 1 : mod === 2 ? 4 : 0;
  if ((modrm & 7) === 4) {
    const sib = byte();
    out.scale = sib >> 6;
    const index = ((sib >> 3) & 7) | (x << 3);
    out.vectorIndex = index;
    if (index !== 4) out.index = index;
    if ((sib & 7) === 5 && mod === 0) size = 4;
    else out.base = (sib & 7) | (b << 3);
  } else if ((modrm & 7) === 5 && mod === 0) {
    out.ripRelative = true;
    size = 4;
  } else out.base = out.rm;
  if (size > 0) out.displacement = Number(signed(size));
}
