// What a comparison with a real processor ignores: results that the SDM leaves undefined, as the records say it.

import { cpus } from 'node:os';
import type { Form } from '../../assembly/gen/tables.ts';
import { fetch, type Fetched } from '../../emulator/disasm/fetch.ts';
import { decodeTables, parseForms } from '../../assembly/gen/tables.ts';
import { allForms } from '../../assembly/isa/index.ts';
import { ENDLESS, type Bits } from './case.ts';
import { cpuName } from './host.ts';
import { CODE } from '../vectors/machine.ts';
import { AT, STATE_SIZE } from '../vectors/state.ts';

export const forms: readonly Form[] = parseForms(allForms);
const tables = decodeTables(forms as Form[]);

/** The instruction at the start of `bytes`: what it is by the records, or null. */
export function identify(bytes: Uint8Array, bits: Bits): { form: Form; fields: Fetched } | null {
  const fields = fetch(bytes, tables, forms, bits);
  const form = fields === null ? undefined : forms[fields.form - 1];
  return fields === null || form === undefined ? null : { form, fields };
}

/** What is left out of a comparison. */
export interface Ignored {
  /** One bits of a state image: undefined. */
  state: Uint8Array;
  /** What was written to memory. */
  memory: boolean;
  /** CR2 of a page fault, and whether its page was there. */
  address: boolean;
  /** The whole outcome. */
  everything: boolean;
  /** Offset and number of 32-bit lanes that are compared with a tolerance. */
  approximate: { at: number; lanes: number } | null;
  /** Offsets of 80-bit registers that may differ in the last place. */
  lastPlace: number[];
  /** Offset of a vector register whose lanes (bytes of each) may be any NaN where they are one. */
  anyNan: { at: number; lane: 4 | 8 } | null;
}

/** Exception, CR2 and error code of one side. */
export interface Ending {
  exception: number;
  cr2: bigint;
  error: number;
}

const FLAGS: Record<string, number> = { c: 1, p: 4, a: 0x10, z: 0x40, s: 0x80, o: 0x800 };
const ALL_FLAGS = 0x8d5;

/** Flags that a record's `flags` word with this key names. */
export function flagsOf(form: Form, key: 'r' | 'w' | 'u'): number {
  const word = (form.record.flags ?? '').split(/\s+/).find(w => w.startsWith(`${key}=`));
  let mask = 0;
  for (const letter of word?.slice(2) ?? '') mask |= FLAGS[letter] ?? 0;
  return mask;
}

const UD = 6,
  NP = 11,
  SS = 12,
  GP = 13,
  PF = 14,
  MF = 16,
  AC = 17,
  XM = 19;
const AC_FLAG = 0x40000;
/** End of the CODE page, where instructions are cut off. */
const CUT = BigInt(CODE.linear + CODE.size);

/** Flags that an instruction may leave undefined, whatever its operands are. */
export function undefinedFlags(code: Uint8Array, bits: Bits): number {
  const form = identify(code, bits)?.form;
  return form ? flagsOf(form, 'u') | (form.record.undefined ? flagsOf(form, 'w') : 0) : 0;
}

/** What is undefined after the instruction at the start of `code` ran in the state `before`, given what both sides made of it. */
export function ignoredAfter(
  code: Uint8Array,
  bits: Bits,
  before: Uint8Array,
  after: Uint8Array,
  mine: Ending,
  theirs: Ending,
): Ignored {
  const ignored: Ignored = {
    state: new Uint8Array(STATE_SIZE),
    memory: false,
    address: false,
    everything: false,
    approximate: null,
    lastPlace: [],
    anyNan: null,
  };
  const ends = (exception: number) => mine.exception === exception || theirs.exception === exception;
  // Whether the bytes that are missing are fetched before the others are found to be no instruction.
  const cut = (e: Ending) => e.exception === PF && e.cr2 === CUT;
  if ((cut(mine) && [UD, GP].includes(theirs.exception)) || (cut(theirs) && [UD, GP].includes(mine.exception)))
    ignored.everything = true;
  // Both too long and no instruction.
  if (mine.exception !== theirs.exception && ends(GP) && ends(UD) && code.length > 15) ignored.everything = true;
  const found = identify(code, bits);
  if (!found) return ignored;
  const { form, fields } = found;
  let flags = flagsOf(form, 'u');
  const size = operandBits(form, fields);
  const destination = fields.memory ? -1 : fields.rm;
  // Linux keeps the number of the processor in the limit of a descriptor that its vDSO reads with LSL.
  if (form.record.syntax.startsWith('LSL') && BigInt.asUintN(size, registerValue(after, fields.reg)) < BigInt(cpus().length))
    fillRegister(ignored.state, fields.reg);
  const memoryBytes = fields.memory ? Math.max(0, ...form.operands.map(o => o.bytes)) : 0;
  const differ = mine.exception !== theirs.exception;
  // EFLAGS.AC and operands of 16 bytes and more (SDM vol. 3, 6.15: "alignment check ... may or may not be generated").
  const checked = (new DataView(before.buffer, before.byteOffset).getUint32(AT.rflags, true) & AC_FLAG) !== 0;
  if (differ && ends(AC) && checked && (memoryBytes >= 16 || form.record.undefined?.includes('alignment-check')))
    ignored.everything = true;
  if (differ && ends(AC) && ends(PF) && checked) ignored.everything = true;
  // Whether MMX state has taken the place of x87 state when the instruction faults.
  if (theirs.exception !== BP && form.operands.some(o => o.place.startsWith('mm'))) {
    ignored.state[AT.ftw] = 0xff;
    ignored.state[AT.fsw + 1] = 0x38;
    ignored.state.fill(0xff, AT.st, AT.st + 128);
  }
  // Linux takes an #AC of IRET whose frame clears AC for a split lock, and tries again for ever.
  if (theirs.exception === ENDLESS && form.record.syntax.startsWith('IRET')) ignored.everything = true;
  // Misaligned and not canonical: Intel has #GP for the one, AMD #SS for the other.
  if (differ && ends(SS) && ends(GP) && form.record.align !== undefined) ignored.everything = true;
  // With 66 and REX.W this Intel's MOVBE takes another way: it heeds an SS prefix behind FS, has #SS, and tears stores at a page's end.
  if (
    form.record.syntax.startsWith('MOVBE') &&
    fields.operandSize === 8 &&
    code.subarray(0, code.indexOf(0x0f)).includes(0x66) &&
    intel()
  )
    ignored.everything = true;
  for (const result of form.record.undefined ?? []) {
    switch (result) {
      case 'shift':
      case 'rotate':
      case 'double-shift': {
        const count = countOf(form, fields, before) & (size === 64 ? 63 : 31);
        if (count === 0) break;
        if (count !== 1) flags |= FLAGS.o!;
        if (result === 'rotate') break;
        flags |= FLAGS.a!;
        if (result === 'shift' ? count >= size && !/^SAR/.test(form.record.syntax) : count > size) flags |= FLAGS.c!;
        if (result === 'double-shift' && count > size) {
          flags |= ALL_FLAGS;
          if (destination >= 0) fillRegister(ignored.state, destination);
          else ignored.memory = true;
        }
        break;
      }
      case 'zero-source':
        if ((after[AT.rflags]! & 0x40) !== 0) fillRegister(ignored.state, fields.reg);
        break;
      case 'upper-half':
        if (destination >= 0) ignored.state.fill(0xff, destination * 8 + 4, destination * 8 + 8);
        break;
      case 'approximate':
        ignored.approximate = { at: AT.ymm + fields.reg * 32, lanes: /SS/.test(form.record.syntax) ? 1 : 8 };
        break;
      case 'repeat':
        if (mine.exception !== BP) flags |= flagsOf(form, 'w');
        if (fields.addressSize === 4)
          for (const register of [RCX, RSI, RDI])
            if (untouched(before, after, register)) ignored.state.fill(0xff, register * 8 + 4, register * 8 + 8);
        break;
      case 'call-target':
        if (ends(GP)) ignored.everything = true;
        break;
      case 'fault-address':
        ignored.address = true;
        if (differ && [mine, theirs].every(e => [GP, PF, SS, NP].includes(e.exception))) ignored.everything = true;
        break;
      case 'x87-conditions':
      case 'transcendental':
        new DataView(ignored.state.buffer).setUint16(AT.fsw, result === 'transcendental' ? 0x4700 : 0x4500, true);
        if (result === 'transcendental') ignored.lastPlace = [AT.st, AT.st + 16];
        break;
      case 'masked-fault':
        ignored.address = true;
        if (differ && [PF, GP, SS].some(ends)) ignored.everything = true;
        break;
      case 'late-fault':
        if (differ && ends(XM) && [PF, GP, SS, AC].some(ends)) ignored.everything = true;
        // PE beside an unmasked underflow: of the result as it would be stored (Intel), or with an exponent without bounds.
        if (theirs.exception === XM) ignored.state[AT.mxcsr] = 0x20;
        if ([PF, GP, SS, AC].includes(theirs.exception)) new DataView(ignored.state.buffer).setUint32(AT.mxcsr, 0x3f, true);
        break;
      case 'fault-order':
        // Faults of executing an instruction are not ordered among each other (SDM vol. 3, table 6-2).
        if (
          differ &&
          (pendsX87(before) || pendsX87(after)) &&
          [mine, theirs].every(e => [BP, SS, GP, PF, MF, AC].includes(e.exception))
        )
          ignored.everything = true;
        break;
      case 'torn-store':
        if (mine.exception === PF && theirs.exception === PF && (theirs.cr2 & 0xfffn) === 0n) ignored.memory = true;
        break;
      case 'nan-choice':
        // AMD's processors choose as the core does.
        if (intel()) ignored.anyNan = { at: AT.ymm + fields.reg * 32, lane: form.record.syntax.includes('PD ') ? 8 : 4 };
        break;
      case 'alignment-check':
        break;
    }
  }
  new DataView(ignored.state.buffer).setUint32(AT.rflags, flags, true);
  return ignored;
}

const BP = 3;
const RCX = 1,
  RSI = 6,
  RDI = 7;

const intel = () => cpuName().vendor === 'GenuineIntel';

/** Whether the state has an x87 exception that is not masked. */
function pendsX87(state: Uint8Array): boolean {
  const view = new DataView(state.buffer, state.byteOffset);
  const fsw = view.getUint16(AT.fsw, true);
  return (fsw & 0x80) !== 0 || (fsw & ~view.getUint16(AT.fcw, true) & 0x3f) !== 0;
}

/** Whether the low half of a register is what it was. */
function untouched(before: Uint8Array, after: Uint8Array, register: number): boolean {
  for (let i = 0; i < 4; i++) if (before[register * 8 + i] !== after[register * 8 + i]) return false;
  return true;
}

function registerValue(state: Uint8Array, number: number): bigint {
  return new DataView(state.buffer, state.byteOffset).getBigUint64(number * 8, true);
}

function fillRegister(state: Uint8Array, number: number): void {
  state.fill(0xff, number * 8, number * 8 + 8);
}

function operandBits(form: Form, fields: Fetched): number {
  return (form.operands[0]?.bytes || fields.operandSize) * 8;
}

function countOf(form: Form, fields: Fetched, before: Uint8Array): number {
  const places = form.operands.map(o => o.place);
  if (places.includes('cl')) return before[8]!;
  if (places.includes('1')) return 1;
  return Number(fields.immediate & 255n);
}

/** Whether two single-precision values are both within the error that RCPPS and RSQRTPS may have, of the same exact value. */
export function closeEnough(a: number, b: number): boolean {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setUint32(0, a);
  bits.setUint32(4, b);
  const x = bits.getFloat32(0),
    y = bits.getFloat32(4);
  if (a === b) return true;
  if (!Number.isFinite(x) || !Number.isFinite(y) || x === 0 || y === 0) return false;
  return Math.abs(x - y) <= Math.max(Math.abs(x), Math.abs(y)) * 3 * 2 ** -12;
}

/** Whether two 80-bit values are neighbours or the same. */
export function adjacent(a: DataView, b: DataView): boolean {
  if (a.getUint16(8, true) !== b.getUint16(8, true)) return false;
  const distance = a.getBigUint64(0, true) - b.getBigUint64(0, true);
  return distance >= -1n && distance <= 1n;
}
