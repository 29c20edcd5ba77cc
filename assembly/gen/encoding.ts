import type { InsnForm } from '../isa/define.ts';

// Reads the encoding column of a record: conditions on prefixes and ModRM, opcode, and what follows.

/** Opcode maps: one byte, 0F, 0F38, 0F3A, and the last three under VEX. */
export type OpcodeMap = 0 | 1 | 2 | 3 | 4 | 5 | 6;
/** What follows opcode and ModRM, in order. */
export type Follows = 'ib' | 'iw' | 'id' | 'io' | 'cb' | 'cw' | 'cd' | 'cp';

/** An encoding taken apart. Every `accept` group is a set of bits; all bits set means "does not matter". */
export interface Encoding {
  map: OpcodeMap;
  opcode: number;
  /** Register number in the low three bits of the opcode: the form has eight opcodes. */
  plusRegister: boolean;
  modrm: boolean;
  /** ModRM.reg, or -1. */
  digit: number;
  follows: Follows[];
  vex: boolean;
  accept: Accept;
}

/** One bit for each alternative that the form accepts. */
export interface Accept {
  /** 1 none, 2 66, 4 F3, 8 F2 (F3 and F2 hide 66). */
  prefix: number;
  /** 1, 2, 4: operand size 16, 32, 64. */
  size: number;
  /** 1, 2: W0, W1. */
  w: number;
  /** 1 register, 2 memory. */
  mod: number;
  /** 1, 2: VEX.L 0, 1. */
  l: number;
  /** 1, 2: REX.B 0, 1. */
  b: number;
  /** 1, 2, 4: address size 16, 32, 64. */
  address: number;
  /** 1, 2: 64-bit mode, other modes. */
  mode: number;
  /** One bit for each value of ModRM.rm. */
  rm: number;
}

/** Widths of the groups in the order of the decoder's context word (decode.ts builds the same). */
export const groups: [keyof Accept, number][] = [
  ['prefix', 4],
  ['size', 3],
  ['w', 2],
  ['mod', 2],
  ['l', 2],
  ['b', 2],
  ['address', 3],
  ['mode', 2],
  ['rm', 8],
];

/** The accept groups as the decoder tests them: a form matches when no bit of the context is outside of the mask. */
export function acceptMask(a: Accept): number {
  let mask = 0,
    shift = 0;
  for (const [name, width] of groups) {
    mask |= a[name] << shift;
    shift += width;
  }
  return mask >>> 0;
}

const prefixBit: Record<string, number> = { NP: 1, '66': 2, F3: 4, F2: 8 };
const sizeBit: Record<string, number> = { o16: 1, o32: 2 };
const addressBit: Record<string, number> = { a16: 1, a32: 2, a64: 4 };
const vexMaps: Record<string, OpcodeMap> = { '0F': 4, '0F38': 5, '0F3A': 6 };

/** Parses `form.encoding`; throws an Error that names the form when it is not understood. */
export function parseEncoding(form: InsnForm): Encoding {
  const words = form.encoding
    .trim()
    .split(/\s+/)
    .filter(w => w !== '+');
  const fail = (why: string): never => {
    throw new Error(`${form.syntax}: encoding "${form.encoding}": ${why}`);
  };
  const accept: Accept = {
    prefix: 15,
    size: 7,
    w: 3,
    mod: 3,
    l: 3,
    b: 3,
    address: 7,
    mode: form.mode === '64' ? 1 : form.mode === 'not64' ? 2 : 3,
    rm: 255,
  };
  const e: Encoding = { map: 0, opcode: -1, plusRegister: false, modrm: false, digit: -1, follows: [], vex: false, accept };
  let i = 0;
  for (; i < words.length; i++) {
    const w = words[i];
    // REX.W makes the operand 64 bits wide, whatever 66 says.
    if (sizeBit[w]) {
      accept.size = sizeBit[w];
      accept.w = 1;
    } else if (w === 'REX.W' || w === 'REX.W1') {
      accept.w = 2;
      accept.size = 4;
    } else if (w === 'REX.W0') {
      accept.w = 1;
      accept.size = 3;
    } else if (w === 'REX.B0') accept.b = 1;
    else if (addressBit[w]) accept.address = addressBit[w];
    else if (w === 'NP') accept.prefix = 1;
    else if (w === 'NFx') accept.prefix = 3;
    else if ((w === '66' || w === 'F3' || w === 'F2') && words.slice(i + 1).some(x => /^[0-9A-F]{2}(\+r\w)?$/.test(x)))
      accept.prefix = prefixBit[w];
    else if (w.startsWith('VEX.')) parseVex(w, e, fail);
    else break;
  }
  const bytes: number[] = [];
  for (; i < words.length; i++) {
    const m = /^([0-9A-F]{2})(\+r[bwdo]?)?$/.exec(words[i]);
    if (!m) break;
    bytes.push(parseInt(m[1], 16));
    if (m[2]) e.plusRegister = true;
  }
  if (!e.vex && bytes[0] === 0x0f && bytes.length > 1) {
    const second = bytes[1];
    const long = bytes.length > 2 && (second === 0x38 || second === 0x3a);
    bytes.splice(0, long ? 2 : 1);
    e.map = !long ? 1 : second === 0x38 ? 2 : 3;
  }
  if (bytes.length === 0) fail('no opcode');
  e.opcode = bytes.shift()!;
  if (bytes.length > 0) {
    // A whole ModRM byte.
    const modrm = bytes.shift()!;
    if (bytes.length > 0) fail('too many opcode bytes');
    if (modrm < 0xc0) fail('a ModRM byte in the opcode must have mod = 3');
    e.modrm = true;
    e.digit = (modrm >> 3) & 7;
    accept.mod = 1;
    accept.rm = 1 << (modrm & 7);
  }
  for (; i < words.length; i++) {
    const w = words[i];
    if (w === '/r') e.modrm = true;
    else if (/^\/[0-7]$/.test(w)) {
      e.modrm = true;
      e.digit = Number(w[1]);
    } else if (/^(ib|iw|id|io|cb|cw|cd|cp)$/.test(w)) e.follows.push(w as Follows);
    else if (w === 'mem') accept.mod = 2;
    else if (w === 'reg') accept.mod = 1;
    else fail(`"${w}" is not understood`);
  }
  if (e.plusRegister && (e.opcode & 7) !== 0) fail('+r needs an opcode whose low three bits are clear');
  return e;
}

function parseVex(word: string, e: Encoding, fail: (why: string) => never): void {
  e.vex = true;
  e.map = 4;
  e.accept.prefix = 1;
  for (const part of word.split('.').slice(1)) {
    if (part === '128' || part === 'LZ' || part === 'L0') e.accept.l = 1;
    else if (part === '256' || part === 'L1') e.accept.l = 2;
    else if (part === 'LIG') e.accept.l = 3;
    else if (prefixBit[part]) e.accept.prefix = prefixBit[part];
    else if (vexMaps[part]) e.map = vexMaps[part];
    else if (part === 'W0') e.accept.w = 1;
    else if (part === 'W1') e.accept.w = 2;
    else if (part === 'WIG') e.accept.w = 3;
    else if (part === 'NDS' || part === 'NDD' || part === 'DDS') continue;
    else fail(`"${part}" in a VEX prefix is not understood`);
  }
}
