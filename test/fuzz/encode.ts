// Random instructions of a form: every shape of ModRM and SIB, prefixes that do nothing, prefixes that are wrong, and all register numbers.

import type { Form } from '../../assembly/gen/tables.ts';
import { CODE, DATA, STACK } from '../vectors/machine.ts';
import type { Bits } from './case.ts';
import { half, integer, type Flavour } from './values.ts';
import type { Random } from './random.ts';

/** What the encoder wants of the state around the instruction. */
export interface Surroundings {
  bits: Bits;
  /** Sets a general register if nobody has claimed it, and gives its value (and claims it). */
  claim(register: number, wish: bigint): bigint;
  /** Registers that memory operands may not use because the instruction changes what they mean. */
  fsbase: bigint;
  gsbase: bigint;
  /** Where code will be: needed for RIP-relative operands. */
  rip: bigint;
  /** Puts random data of that kind around an address, if there is memory. */
  fill(address: bigint, flavour: Flavour): void;
  /** Sets the index vector of a VSIB operand: elements of `element` bytes, in [0, limit). */
  indices?(register: number, element: number, limit: number): void;
}

export interface Encoded {
  bytes: number[];
  /** Address that the memory operand was meant to have, or null. */
  address: bigint | null;
}

const SEGMENTS = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const MANDATORY: readonly [bit: number, byte: number][] = [
  [4, 0xf3],
  [8, 0xf2],
  [2, 0x66],
  [1, 0],
];
const MASK64 = (1n << 64n) - 1n;

/** A bit of `set` chosen at random, as its index. */
function bitOf(r: Random, set: number, width: number): number {
  const candidates: number[] = [];
  for (let i = 0; i < width; i++) if ((set >> i) & 1) candidates.push(i);
  if (candidates.length === 0) throw new Error('a form that accepts nothing');
  return r.pick(candidates);
}

/** Alignment that a memory operand mostly gets: what the form asks for, or its size. */
function alignmentOf(form: Form): number {
  const bytes = Math.max(0, ...form.operands.map(o => o.bytes));
  return (
    form.record.align ?? (/m128/.test(form.record.syntax) ? 16 : 2 ** Math.floor(Math.log2(Math.min(Math.max(bytes, 1), 16))))
  );
}

/** An address for a memory operand: mostly in DATA; sometimes at the edges of regions, in STACK, in CODE, or nowhere. */
export function chooseAddress(r: Random, alignment: number, bits: Bits): bigint {
  const kind = r.below(64);
  const wide = (a: number) => BigInt(a);
  if (kind < 40) return wide(DATA.linear + 0x80 + Math.floor(r.below(0x1e00) / alignment) * alignment);
  if (kind < 49) return wide(DATA.linear + 0x80 + r.below(0x1e00));
  if (kind < 52) return wide(DATA.linear + 0x1000 - r.below(34));
  if (kind < 54) return wide(DATA.linear + DATA.size - r.below(34));
  if (kind < 55) return wide(DATA.linear - r.below(20));
  if (kind < 59) return wide(STACK.linear + 0x80 + Math.floor(r.below(0x1e00) / alignment) * alignment);
  if (kind < 60) return wide(STACK.linear + r.pick([0, STACK.size]) - r.below(20));
  if (kind < 61) return wide(CODE.linear + 0x800 + r.below(0x700));
  if (kind < 62) return wide(r.below(64)); // the null page
  integer(r);
  return bits === 64 ? (BigInt(half.hi) << 32n) | BigInt(half.lo) : BigInt(half.lo);
}

const fits32 = (v: bigint) => v >= -0x80000000n && v < 0x80000000n;
const fits8 = (v: bigint) => v >= -128n && v < 128n;
const signed = (v: bigint, bits: number) => BigInt.asIntN(bits, v);

function push32(out: number[], v: bigint): void {
  const n = Number(BigInt.asIntN(32, v));
  out.push(n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255);
}

interface Memory {
  modrm: number;
  tail: number[];
  rexX: number;
  rexB: number;
  /** The tail's displacement is relative to the end of the instruction: filled in then. */
  ripRelative: boolean;
}

/** ModRM, SIB and displacement of a memory operand in 64-bit and 32-bit addressing whose effective address is `target`. */
function memoryOperand(r: Random, reg: number, target: bigint, addressBits: 64 | 32, s: Surroundings, vsib: boolean): Memory {
  const extended = s.bits === 64;
  const registers = extended ? 16 : 8;
  const mask = addressBits === 64 ? MASK64 : 0xffffffffn;
  const near = (v: bigint) => signed(v, addressBits);
  const none: Memory = { modrm: (reg & 7) << 3, tail: [], rexX: 0, rexB: 0, ripRelative: false };
  const shape = vsib ? 4 + r.below(4) : r.below(8);
  if (shape === 0 && extended) return { ...none, modrm: none.modrm | 5, tail: [0, 0, 0, 0], ripRelative: true };
  if (shape === 1 && (addressBits === 32 || fits32(near(target)))) {
    const tail: number[] = [];
    push32(tail, target);
    // Absolute: mod 0 with rm 5 outside of 64-bit mode, else SIB without base and index.
    if (!extended) return { ...none, modrm: none.modrm | 5, tail };
    return { ...none, modrm: none.modrm | 4, tail: [0x25, ...tail] };
  }
  const rm = r.below(registers);
  let sib = -1,
    rexX = 0,
    rest = target;
  if (shape >= 4 || (rm & 7) === 4) {
    const scale = r.below(4);
    const index = r.oneIn(12) ? rm : r.below(registers);
    if (vsib) s.indices?.(index, 0, 0);
    else if (index !== 4) {
      // A small index mostly, so that the base stays an address.
      const value = s.claim(index, r.oneIn(6) ? signedSmall(r) : BigInt(r.below(0x40)));
      rest = (target - (value << BigInt(scale))) & mask;
    }
    rexX = index >> 3;
    const noBase = r.oneIn(8);
    if (noBase && fits32(near(rest))) {
      const tail: number[] = [(scale << 6) | ((index & 7) << 3) | 5];
      push32(tail, rest);
      return { modrm: none.modrm | 4, tail, rexX, rexB: r.below(extended ? 2 : 1), ripRelative: false };
    }
    sib = (scale << 6) | ((index & 7) << 3) | (rm & 7);
  }
  let wish: bigint;
  let mod = r.below(3);
  if (mod === 0 && (rm & 7) === 5) mod = 1;
  if (mod === 0) wish = rest;
  else if (mod === 1) wish = rest - BigInt(r.below(256) - 128);
  else wish = rest - BigInt(signed32(r));
  const base = s.claim(rm, wish & mask);
  const displacement = near((rest - base) & mask);
  if (displacement !== 0n && mod === 0) mod = 1;
  if (mod === 1 && !fits8(displacement)) mod = 2;
  const tail = sib >= 0 ? [sib] : [];
  if (mod === 1) tail.push(Number(displacement & 255n));
  else if (mod === 2) push32(tail, displacement);
  return { modrm: (mod << 6) | none.modrm | (sib >= 0 ? 4 : rm & 7), tail, rexX, rexB: rm >> 3, ripRelative: false };
}

const signedSmall = (r: Random) => BigInt.asUintN(64, BigInt(r.below(0x2000) - 0x1000));
const signed32 = (r: Random) => (r.oneIn(3) ? r.u32() | 0 : r.below(0x2000) - 0x1000);

/** 16-bit addressing (SDM vol. 2, table 2-1). */
const PAIRS: readonly (readonly number[])[] = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]];
function memoryOperand16(r: Random, reg: number, target: bigint, s: Surroundings): Memory {
  const none: Memory = { modrm: (reg & 7) << 3, tail: [], rexX: 0, rexB: 0, ripRelative: false };
  const push16 = (v: bigint) => [Number(v & 255n), Number((v >> 8n) & 255n)];
  const rm = r.below(8);
  if (rm === 6 && r.oneIn(2)) return { ...none, modrm: none.modrm | 6, tail: push16(target) };
  let rest = target;
  const [first, second] = PAIRS[rm]!;
  if (second !== undefined) rest -= s.claim(second, BigInt(r.below(0x40)));
  let mod = r.below(3);
  if (mod === 0 && rm === 6) mod = 2;
  const base = s.claim(
    first!,
    BigInt.asUintN(16, rest - (mod === 0 ? 0n : mod === 1 ? BigInt(r.below(256) - 128) : BigInt(r.below(0x10000)))),
  );
  const displacement = BigInt.asIntN(16, rest - base);
  if (displacement !== 0n && mod === 0) mod = 1;
  if (mod === 1 && !fits8(displacement)) mod = 2;
  return {
    ...none,
    modrm: (mod << 6) | none.modrm | rm,
    tail: mod === 0 ? [] : mod === 1 ? [Number(displacement & 255n)] : push16(displacement),
  };
}

/** Immediate bytes: `target` bytes are the distance of a branch. */
function immediates(r: Random, form: Form, operandBits: number, address: bigint | null, addressBits: number): number[] {
  const out: number[] = [];
  if (address !== null && form.operands.some(o => o.place === 'moffs')) {
    for (let i = 0; i < addressBits / 8; i++) out.push(Number((address >> BigInt(8 * i)) & 255n));
    return out;
  }
  for (const what of form.encoding.follows) {
    integer(r);
    switch (what) {
      case 'ib':
        out.push(r.oneIn(3) ? r.below(16) : r.oneIn(2) ? r.below(70) : r.below(256));
        // The operating system's own interrupt.
        if (form.record.syntax === 'INT imm8' && out[0] === 0x80) out[0] = 0x81;
        break;
      case 'cb':
        out.push(r.oneIn(2) ? r.below(24) : r.below(120));
        break;
      case 'iw':
        out.push(r.oneIn(2) ? r.below(64) : half.lo & 255, r.oneIn(3) ? (half.lo >> 8) & 255 : 0);
        break;
      case 'id':
        push32(out, BigInt(half.lo));
        break;
      case 'cd':
        if (operandBits === 16 && form.record.mode === 'not64') out.push(half.lo & 255, (half.lo >> 8) & 255);
        else push32(out, BigInt(r.oneIn(2) ? r.below(24) : half.lo));
        break;
      case 'cw':
        out.push(r.below(24), 0);
        break;
      case 'cp': {
        // Offset and selector of a far pointer: code that is there, data, or nothing.
        if (operandBits === 16) out.push(half.lo & 255, (half.lo >> 8) & 255);
        else push32(out, BigInt(r.oneIn(2) ? CODE.linear + 0x800 + r.below(64) : half.lo));
        const selector = r.pick([0x23, 0x33, 0x2b, 0, 0x10, half.hi & 0xffff]);
        out.push(selector & 255, selector >> 8);
        break;
      }
      case 'io':
        push32(out, BigInt(half.lo));
        push32(out, BigInt(half.hi));
        break;
      default:
        throw new Error(`${form.record.syntax}: the fuzzer does not know "${String(what)}"`);
    }
  }
  return out;
}

/** The address, moved so that 16 bytes at it (or, with `anyOffset`, at any multiple of 8 from it) lie in one line of 64 bytes. */
function withinLine(address: bigint, anyOffset: boolean): bigint {
  return anyOffset || (address & 63n) > 48n ? address & ~15n : address;
}

/** An instruction of `form`; null when the form does not exist in that mode. */
export function encode(r: Random, form: Form, s: Surroundings, flavour: Flavour, plain: boolean): Encoded | null {
  const { accept, vex } = form.encoding;
  const long = s.bits === 64;
  if ((accept.mode & (long ? 1 : 2)) === 0) return null;
  // Without REX there is no W.
  if (!long && !vex && (accept.w & 1) === 0) return null;
  const w = bitOf(r, long || vex ? accept.w : accept.w & 1, 2);
  const prefixes: number[] = [];
  const mandatory = MANDATORY.filter(([bit]) => accept.prefix & bit);
  let segment = 0;

  // Operand size: of the sizes that the form accepts, by what W and 66 make of it.
  const anyPrefix = accept.prefix === 15;
  const sizes = (w === 1 && !vex ? accept.size & 4 : accept.size & 3) || accept.size;
  const size = bitOf(r, sizes, 3);
  const defaultSize = s.bits === 16 ? 0 : 1;
  let has66 = false;
  if (anyPrefix) {
    if (w === 1) has66 = r.oneIn(12);
    else has66 = size !== 2 && (size === 0) !== (defaultSize === 0);
    // An F2 or F3 that means nothing here.
    if (!plain && r.oneIn(24)) prefixes.push(r.pick([0xf2, 0xf3]));
    if (!plain && sizes === 3 && r.oneIn(4)) has66 = !has66;
  } else {
    const byte = r.pick(mandatory)[1];
    if (byte !== 0 && !vex) prefixes.push(byte);
    if (byte === 0xf2 || byte === 0xf3)
      has66 = accept.size !== 7 && w === 0 ? size !== 2 && (size === 0) !== (defaultSize === 0) : !plain && r.oneIn(12);
  }
  if (has66 && !vex) prefixes.push(0x66);
  const defaultAddress = s.bits;
  // Address size: 67 toggles.
  const has67 = accept.address === 1 ? s.bits === 64 : accept.address === 2 ? false : !plain && r.oneIn(10);
  const addressBits = (has67 ? (defaultAddress === 32 ? 16 : 32) : defaultAddress) as 64 | 32 | 16;
  if (has67) prefixes.push(0x67);
  if (!plain && r.oneIn(8)) prefixes.push((segment = r.pick(SEGMENTS)));
  if (!plain && r.oneIn(24)) prefixes.push((segment = r.pick(SEGMENTS)));
  // LOCK where it is allowed, and now and then where it is not.
  const lockable = form.record.lock === true;
  const memoryPossible = (accept.mod & 2) !== 0;
  const mod = form.encoding.modrm ? bitOf(r, accept.mod, 2) : 0;
  if (lockable && mod === 1 ? r.oneIn(5) : !plain && r.oneIn(120)) prefixes.push(0xf0);
  for (let i = prefixes.length - 1; i > 0; i--) {
    const j = r.below(i + 1);
    [prefixes[i], prefixes[j]] = [prefixes[j]!, prefixes[i]!];
  }
  if (!plain && prefixes.length > 0 && r.oneIn(60)) for (let i = r.below(14); i > 0; i--) prefixes.push(r.pick(prefixes));

  let address: bigint | null = null;
  let modrm = 0,
    rexR = 0,
    rexX = 0,
    rexB = 0,
    tail: number[] = [],
    ripRelative = false;
  const many = long ? 16 : 8;
  const moffs = form.operands.some(o => o.place === 'moffs');
  if (form.encoding.plusRegister || !form.encoding.modrm)
    rexB = long && (form.encoding.plusRegister || r.oneIn(10)) ? r.below(2) : 0;
  if ((accept.b & 2) === 0) rexB = 0;
  if (moffs) address = chooseAddress(r, alignmentOf(form), addressBits === 64 ? 64 : 32);
  if (form.encoding.modrm) {
    const digit = form.encoding.digit;
    const reg = digit >= 0 ? digit | (long && r.oneIn(10) ? 8 : 0) : r.below(many);
    rexR = reg >> 3;
    if (mod === 1 && memoryPossible) {
      const vsib = /vm\d+[xy]/.test(form.record.syntax);
      address = chooseAddress(r, !r.oneIn(7) || plain ? alignmentOf(form) : 1, addressBits === 64 ? 64 : 32);
      // Linux makes a process wait for 10 ms after a locked access that crosses a line (split_lock_mitigate).
      if (prefixes.includes(0xf0) || form.record.syntax.startsWith('XCHG'))
        address = withinLine(address, form.record.syntax.startsWith('BT'));
      // Vectors of indices reach around the base.
      const last = prefixes.filter(p => p === 0x64 || p === 0x65).pop();
      const segmentBase = segment === 0 || !last ? 0n : last === 0x64 ? s.fsbase : s.gsbase;
      const effective = (address - segmentBase) & (addressBits === 64 ? MASK64 : addressBits === 32 ? 0xffffffffn : 0xffffn);
      const m =
        addressBits === 16 ? memoryOperand16(r, reg, effective, s) : memoryOperand(r, reg, effective, addressBits, s, vsib);
      ({ modrm, tail, rexX, rexB, ripRelative } = m);
      if ((accept.rm & (1 << (modrm & 7))) === 0) modrm = (modrm & ~7) | bitOf(r, accept.rm, 8);
    } else {
      const rm = bitOf(r, accept.rm, 8) | (long && r.oneIn(2) ? 8 : 0);
      rexB = rm >> 3;
      modrm = 0xc0 | ((reg & 7) << 3) | (rm & 7);
    }
    if ((accept.b & 2) === 0) rexB = 0;
  }

  const out = prefixes;
  const opcode = form.encoding.opcode + (form.encoding.plusRegister ? r.below(8) : 0);
  if (vex) {
    // Now and then a prefix that VEX forbids.
    if (plain || !r.oneIn(40)) {
      for (let i = out.length - 1; i >= 0; i--) if ([0x66, 0xf2, 0xf3, 0xf0].includes(out[i]!)) out.splice(i, 1);
    } else out.push(r.pick(long ? [0x66, 0xf2, 0xf3, 0xf0, 0x48] : [0x66, 0xf2, 0xf3, 0xf0]));
    const l = bitOf(r, accept.l, 2);
    const hasVvvv = form.operands.some(o => o.place === 'vvvv' || o.place.endsWith('mmv'));
    const vvvv = hasVvvv || (!plain && r.oneIn(60)) ? r.below(many) : 0;
    const pp = { 1: 0, 2: 1, 4: 2, 8: 3 }[accept.prefix] ?? 0;
    const map = form.encoding.map - 3;
    const second = ((~vvvv & 15) << 3) | (l << 2) | pp;
    if (map === 1 && w === 0 && rexX === 0 && rexB === 0 && r.oneIn(2)) out.push(0xc5, ((~rexR & 1) << 7) | second);
    else out.push(0xc4, ((~rexR & 1) << 7) | ((~rexX & 1) << 6) | ((~rexB & 1) << 5) | map, (w << 7) | second);
    out.push(opcode);
  } else {
    const rex = (w << 3) | (rexR << 2) | (rexX << 1) | rexB;
    // REX without a bit set makes SPL of AH; a REX before another prefix means nothing.
    if (long && !plain && r.oneIn(60)) out.unshift(0x40 | r.below(16));
    if (long && (rex !== 0 || r.oneIn(6))) out.push(0x40 | rex);
    const { map } = form.encoding;
    if (map > 0) out.push(0x0f);
    if (map === 2) out.push(0x38);
    if (map === 3) out.push(0x3a);
    out.push(opcode);
  }
  const modrmAt = out.length;
  if (form.encoding.modrm) out.push(modrm);
  out.push(...tail, ...immediates(r, form, size === 0 ? 16 : 32, address, addressBits));
  if (ripRelative && address !== null) {
    const last = prefixes.filter(p => p === 0x64 || p === 0x65).length;
    const distance = address - (s.rip + BigInt(out.length));
    if (last === 0 && fits32(distance)) {
      const bytes: number[] = [];
      push32(bytes, distance);
      for (let i = 0; i < 4; i++) out[modrmAt + 1 + i] = bytes[i]!;
    } else address = s.rip + BigInt(out.length);
  }
  if (address !== null) s.fill(address, flavour);
  return { bytes: out, address };
}
