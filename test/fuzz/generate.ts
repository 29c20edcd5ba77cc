// Makes cases: a random state, and one instruction of a form or a short sequence.

import type { Form } from '../../assembly/gen/tables.ts';
import { CODE, DATA, STACK } from '../vectors/machine.ts';
import { AT, STATE_SIZE } from '../vectors/state.ts';
import { inMemory, LINE, type Bits, type Case } from './case.ts';
import { encode, type Surroundings } from './encode.ts';
import type { Random } from './random.ts';
import { forms, identify } from './undefined.ts';
import { extended, half, integer, lane, type Flavour } from './values.ts';

const RSP = 4,
  RBP = 5,
  RSI = 6,
  RDI = 7,
  RCX = 1,
  RBX = 3;
/** Where CODE starts: away from the page's edges, so that branches have room. */
const START = CODE.linear + 0x400;
const CODE_END = CODE.linear + CODE.size;
const MAX_CODE = 112;

/** CF PF AF ZF SF DF OF: what a case may start with; AC now and then. */
const FLAG_BITS = 0xcd5 & ~0x400,
  DF = 0x400,
  AC = 0x40000;

/** Which registers a form works on, so that they get something to work on. */
export interface Traits {
  vector: boolean;
  /** x87 or MMX. */
  stack: boolean;
  mmx: boolean;
  /** Reads or writes memory at RSI, RDI, RSP, RBP or RBX without a ModRM. */
  pointers: boolean;
  /** A string instruction. */
  string: boolean;
  repeats: boolean;
  branch: boolean;
  flavour: Flavour;
}

const STRINGS = /^(REP |REPE |REPNE )?(MOVS|STOS|LODS|SCAS|CMPS|INS|OUTS)[BWDQ]$/;

/** Derives the traits of a form from its record. */
export function traitsOf(form: Form): Traits {
  const { syntax } = form.record;
  const x87 =
    form.encoding.map === 0 && ((form.encoding.opcode >= 0xd8 && form.encoding.opcode <= 0xdf) || form.encoding.opcode === 0x9b);
  const mmx = /\bmm\d?\b|\bmm\//.test(syntax) || syntax === 'EMMS';
  const vector = /[xyz]mm|MXCSR|FX|XSAVE|XRSTOR|VZERO/.test(syntax);
  const string = STRINGS.test(syntax);
  const mnemonic = syntax.replace(/^(REP|REPE|REPNE) /, '').split(' ')[0]!;
  const single = /(SS|PS)$|^V?(CVT.*PS|FM|FNM|ROUND.S|BLENDV?PS|DPPS)/.test(mnemonic);
  const double = /(SD|PD)$/.test(mnemonic) && !string;
  return {
    vector,
    stack: x87 || mmx || /FXSAVE|FXRSTOR|XSAVE|XRSTOR/.test(syntax),
    mmx,
    pointers: string || /^(PUSH|POP|CALL|RET|LEAVE|ENTER|XLAT|IRET|V?MASKMOV|INT|BOUND)/.test(mnemonic),
    string,
    repeats: /^REP/.test(syntax),
    branch: form.record.ends === 'jump' && !string,
    flavour: /FBLD|FBSTP|DAA|DAS|AA[ADMS]/.test(mnemonic)
      ? 'bcd'
      : double
        ? 'double'
        : single
          ? 'single'
          : vector || x87
            ? 'mixed'
            : 'integer',
  };
}

/** Makes cases from a source of random numbers; the same source makes the same cases. */
export class Generator {
  private readonly state = new Uint8Array(STATE_SIZE);
  private readonly view = new DataView(this.state.buffer);
  private lines = new Map<number, Uint8Array>();
  private claimed = 0;
  private readonly traits = new Map<Form, Traits>();

  /** Address of the last single instruction's memory operand. */
  address: bigint | null = null;
  private readonly r: Random;
  private readonly bits: Bits;

  constructor(r: Random, bits: Bits) {
    this.r = r;
    this.bits = bits;
  }

  private traitsFor(form: Form): Traits {
    let t = this.traits.get(form);
    if (!t) this.traits.set(form, (t = traitsOf(form)));
    return t;
  }

  /** One instruction of `form`; null when it does not exist in this mode. */
  single(form: Form): Case | null {
    const t = this.traitsFor(form);
    this.begin(t, 1);
    const atEnd = this.r.oneIn(40);
    const s = this.surroundings(BigInt(START));
    const encoded = encode(this.r, form, s, t.flavour, false);
    this.address = encoded?.address ?? null;
    if (encoded === null || encoded.bytes.length > 32) return null;
    let code = encoded.bytes;
    // A prefix may make it shorter than it was meant to be: what is left over would be another instruction.
    const found = identify(Uint8Array.from(code), this.bits);
    if (found && found.fields.length < code.length) code = code.slice(0, found.fields.length);
    let rip = START;
    // At the end of the page: whole, or cut off by memory that is not there.
    // Above 15 bytes it is the processor's business whether it fetches another byte before it says #GP.
    if (atEnd && code.length <= 15) rip = CODE_END - Math.max(1, code.length - (this.r.oneIn(3) ? this.r.below(3) : 0));
    // What follows may be anything; mostly it is INT3.
    if (!atEnd && t.branch && this.r.oneIn(3)) code = [...code, 0x90, 0xf9];
    this.implicitMemory(t);
    return this.end(rip, code, [0], [form.number]);
  }

  /** Two to six instructions of forms that `pick` gives. Now and then a loop around them. */
  sequence(pick: () => Form): Case | null {
    const count = 2 + this.r.below(5);
    const forms = Array.from({ length: count }, pick);
    const traits = forms.map(f => this.traitsFor(f));
    const merged: Traits = {
      ...traits[0]!,
      vector: traits.some(t => t.vector),
      stack: traits.some(t => t.stack),
      mmx: traits.some(t => t.mmx),
      pointers: traits.some(t => t.pointers),
      repeats: traits.some(t => t.repeats),
    };
    this.begin(merged, count);
    const code: number[] = [],
      starts: number[] = [],
      numbers: number[] = [];
    for (let i = 0; i < count; i++) {
      const encoded = encode(
        this.r,
        forms[i]!,
        this.surroundings(BigInt(START + code.length)),
        traits[i]!.flavour,
        !this.r.oneIn(4),
      );
      if (encoded === null || code.length + encoded.bytes.length > MAX_CODE - 8) continue;
      // What follows must be where the records say: a prefix can make another instruction of it.
      const found = identify(Uint8Array.from(encoded.bytes), this.bits);
      if (found && found.fields.length !== encoded.bytes.length) continue;
      starts.push(code.length);
      numbers.push(forms[i]!.number);
      code.push(...encoded.bytes);
    }
    if (starts.length === 0) return null;
    this.joinBranches(code, starts, numbers);
    // A loop makes large differences of last places.
    const exact = forms.every(f => !f.record.undefined?.some(u => u === 'transcendental' || u === 'approximate'));
    // Nor a locked access, which may come to cross a line from turn to turn: Linux makes the process wait for each (encode.ts).
    const locks = code.includes(0xf0) || forms.some(f => f.record.syntax.startsWith('XCHG'));
    if (this.bits === 64 && exact && !locks && this.r.oneIn(16) && (this.claimed & 0x8000) === 0) {
      // DEC R15; JNZ to the first instruction.
      starts.push(code.length, code.length + 3);
      this.setGpr(15, BigInt(2 + this.r.below(40)));
      // An address that changes from turn to turn may come to be checked.
      this.view.setUint32(AT.rflags, this.view.getUint32(AT.rflags, true) & ~AC, true);
      code.push(0x49, 0xff, 0xcf);
      code.push(0x75, -(code.length + 2) & 255);
      numbers.push(0, 0);
    }
    this.implicitMemory(merged);
    return this.end(START, code, starts, numbers);
  }

  /** Direct branches of a sequence go to the start of one of the next instructions, or to its end. */
  private joinBranches(code: number[], starts: readonly number[], numbers: readonly number[]): void {
    numbers.forEach((number, i) => {
      const follows = forms[number - 1]?.encoding.follows.at(-1);
      if (!follows?.startsWith('c') || follows === 'cp') return;
      const end = starts[i + 1] ?? code.length;
      const target = starts[i + 1 + this.r.below(3)] ?? code.length;
      const bytes = { cb: 1, cw: 2, cd: 4 }[follows as 'cb' | 'cw' | 'cd'];
      for (let b = 0; b < bytes; b++) code[end - bytes + b] = b === 0 ? target - end : 0;
    });
  }

  private surroundings(rip: bigint): Surroundings {
    return {
      bits: this.bits,
      claim: (register, wish) => this.claim(register, wish),
      fsbase: this.gprLike(AT.fsbase),
      gsbase: this.gprLike(AT.gsbase),
      rip,
      fill: (address, flavour) => this.fill(address, flavour),
      indices: register => this.indices(register),
    };
  }

  private begin(t: Traits, count: number): void {
    const { r, view } = this;
    this.state.fill(0);
    this.lines = new Map();
    this.claimed = 0;
    const registers = this.bits === 64 ? 16 : 8;
    for (let i = 0; i < registers; i++) {
      if (t.flavour === 'bcd' && r.oneIn(2)) lane(r, 'bcd');
      else integer(r);
      this.put(i * 8);
    }
    // Pointers where instructions expect them.
    this.setGpr(
      RSP,
      BigInt(
        r.oneIn(30)
          ? STACK.linear + r.pick([0, STACK.size]) + r.below(16) - 8
          : STACK.linear + 0x800 + (r.oneIn(8) ? r.below(0x1000) : r.below(0x200) * 8),
      ),
    );
    const often = t.pointers ? 12 : 2;
    for (const register of [RSI, RDI, RBP, RBX]) {
      if (r.below(13) >= often) continue;
      const near = r.oneIn(12) ? r.pick([0, 0x1000, 0x2000]) + r.below(80) - 40 : 0x100 + r.below(0x1c00);
      this.setGpr(register, BigInt((register === RBP && r.oneIn(2) ? STACK.linear : DATA.linear) + near));
    }
    if (t.repeats) this.setGpr(RCX, BigInt(r.oneIn(40) ? r.below(0x2000) : r.below(24)));
    view.setUint32(AT.rflags, 0x202 | (r.u32() & FLAG_BITS) | (r.oneIn(4) ? DF : 0) | (r.oneIn(24) ? AC : 0), true);
    for (const at of [AT.fsbase, AT.gsbase]) {
      // A base that leaves DATA reachable, or any canonical one.
      if (this.bits !== 64 || !r.oneIn(4)) view.setUint32(at, r.below(0x2000), true);
      else {
        view.setUint32(at, r.u32(), true);
        view.setUint32(at + 4, r.below(0x8000), true);
      }
    }
    view.setUint32(AT.mxcsr, 0x1f80, true);
    view.setUint16(AT.fcw, 0x37f, true);
    if (t.vector || r.oneIn(8)) this.vectors(t, count);
    if (t.stack) this.x87(t);
  }

  private vectors(t: Traits, count: number): void {
    const { r, view } = this;
    const lanes = count > 1 ? 'mixed' : t.flavour;
    for (let i = 0; i < 64; i++) {
      if (i % 4 >= 2 && i >= 8 && !r.oneIn(4)) continue; // upper halves
      if (r.oneIn(12)) continue;
      lane(r, lanes === 'integer' ? 'mixed' : lanes);
      this.put(AT.ymm + i * 8);
    }
    let mxcsr = 0x1f80;
    if (r.oneIn(3)) mxcsr |= r.below(4) << 13;
    if (r.oneIn(4)) mxcsr |= r.u32() & 0x8040;
    if (r.oneIn(4)) mxcsr |= r.u32() & 0x3f;
    if (r.oneIn(5)) mxcsr &= ~((r.u32() & 0x3f) << 7);
    view.setUint32(AT.mxcsr, mxcsr, true);
  }

  private x87(t: Traits): void {
    const { r, view } = this;
    for (let i = 0; i < 8; i++) extended(r, view, AT.st + i * 16);
    let fcw = 0x37f;
    if (r.oneIn(3)) fcw = (fcw & ~0xf00) | (r.pick([0, 2, 3]) << 8) | (r.below(4) << 10);
    if (r.oneIn(5)) fcw &= ~(r.u32() & 0x3f);
    let fsw = r.oneIn(2) ? r.u32() & 0x4700 : 0;
    const top = t.mmx && r.oneIn(2) ? 0 : r.below(8);
    fsw |= top << 11;
    // Exception flags that were raised and masked; those that are not masked are pending and give #MF.
    if (r.oneIn(4)) fsw |= r.u32() & 0x7f & (r.oneIn(6) ? 0xff : fcw | 0x40);
    if ((fsw & ~fcw & 0x3f) !== 0) fsw |= 0x8080;
    view.setUint16(AT.fcw, fcw, true);
    view.setUint16(AT.fsw, fsw, true);
    view.setUint8(AT.ftw, r.oneIn(3) ? r.below(256) : r.oneIn(6) ? 0 : 0xff);
  }

  /** Offset in CODE of an address where nothing but INT3 is. */
  private landing(): number {
    return START + 0x200 + this.r.below(64);
  }

  private claim(register: number, wish: bigint): bigint {
    const bit = 1 << register;
    if ((this.claimed & bit) === 0) {
      this.claimed |= bit;
      this.setGpr(register, this.bits === 64 ? BigInt.asUintN(64, wish) : BigInt.asUintN(32, wish));
    }
    return this.gprLike(register * 8);
  }

  private gprLike(at: number): bigint {
    return this.view.getBigUint64(at, true);
  }

  private setGpr(register: number, value: bigint): void {
    this.view.setBigUint64(register * 8, value, true);
  }

  private put(at: number): void {
    this.view.setUint32(at, half.lo, true);
    this.view.setUint32(at + 4, this.bits === 64 || at >= AT.ymm ? half.hi : 0, true);
  }

  /** Random data in the line of an address and its neighbour. */
  private fill(address: bigint, flavour: Flavour): void {
    if (address >> 32n !== 0n) return;
    const first = Number(address) & ~(LINE - 1);
    this.fillLine(first, flavour);
    if ((Number(address) & (LINE - 1)) > 32) this.fillLine(first + LINE, flavour);
  }

  private fillLine(line: number, flavour: Flavour): void {
    if (!inMemory(line) || this.lines.has(line)) return;
    const { r } = this;
    const bytes = new Uint8Array(LINE);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < LINE; i += 8) {
      if (flavour === 'mixed' && i % 16 === 0 && r.oneIn(4)) extended(r, view, i);
      else lane(r, flavour);
      view.setUint32(i, half.lo, true);
      view.setUint32(i + 4, half.hi, true);
    }
    this.lines.set(line, bytes);
  }

  /** Memory that an instruction reaches without ModRM: what its pointers point to. */
  private implicitMemory(t: Traits): void {
    const { r } = this;
    if (!t.pointers && !r.oneIn(16)) return;
    for (const register of [RSP, RSI, RDI, RBP, RBX]) {
      const address = this.gprLike(register * 8);
      if (address >> 32n !== 0n) continue;
      const first = Number(address) & ~(LINE - 1);
      for (const line of [first, r.oneIn(2) ? first + LINE : first - LINE]) {
        if (!inMemory(line) || this.lines.has(line)) continue;
        this.fillLine(line, t.string ? 'integer' : t.flavour);
        // Comparisons should find some equal elements.
        const bytes = this.lines.get(line)!;
        if (t.string && r.oneIn(2)) bytes.fill(r.oneIn(2) ? 0 : this.state[0]!);
        // Return addresses and stack pointers that lead somewhere.
        if (register === RSP && r.oneIn(2)) {
          const view = new DataView(bytes.buffer);
          const step = this.bits / 8;
          for (let i = Number(address) & 7; i + 8 <= LINE; i += step) {
            const v = r.pick([this.landing(), STACK.linear + r.below(0x2000), 0x2b, 0x33, 0x23, 0x202 | (r.u32() & 0xcd5)]);
            view.setUint32(i, v, true);
            if (step === 8) view.setUint32(i + 4, 0, true);
          }
        }
      }
    }
  }

  /** A vector of small indices. */
  private indices(register: number): void {
    const { r, view } = this;
    const wide = r.oneIn(2);
    for (let i = 0; i < 8; i++) {
      const value = r.oneIn(40) ? r.u32() : r.below(0x60) - (r.oneIn(3) ? 0x30 : 0);
      const at = AT.ymm + register * 32 + i * 4;
      if (wide && i % 2 === 1) view.setInt32(at, view.getInt32(at - 4, true) >> 31, true);
      else view.setInt32(at, value | 0, true);
    }
  }

  private end(rip: number, code: number[], starts: number[], forms: number[]): Case {
    this.view.setUint32(AT.rip, this.bits === 16 ? rip - CODE.linear : rip, true);
    return { bits: this.bits, state: this.state.slice(), code: Uint8Array.from(code), starts, forms, lines: this.lines };
  }
}
