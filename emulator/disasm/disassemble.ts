import { allForms as records } from '../../assembly/isa/index.ts';
import { decodeTables, parseForms } from '../../assembly/gen/tables.ts';
import type { Form } from '../../assembly/gen/tables.ts';
import type { Operand } from '../../assembly/gen/operands.ts';
import { fetch } from './fetch.ts';
import type { CodeBits, Fetched } from './fetch.ts';

// The disassembler reads the same records as the processor's decoder, through the same tables: an instruction that the core executes has a name here.

const forms: readonly Form[] = parseForms(records);
const tables = decodeTables(forms as Form[]);

/** One instruction, as text and as what a debugger wants to know of it. */
export interface Disassembly {
  length: number;
  /** `mov rax, qword ptr [rsp+0x8]`; `db 0x0f` for a byte that starts no instruction. */
  text: string;
  mnemonic: string;
  /** Where a direct branch goes, or the address that a RIP-relative or absolute operand names; null when none does. */
  target: number | null;
  kind: 'call' | 'branch' | 'return' | 'other';
}

/**
 * Disassembles the instruction at the start of `bytes` (up to 15 of them; fewer at the end of mapped memory), which lies at `rip` in
 * 64-bit code, or in 32- or 16-bit code: then `rip` is an offset in its segment.
 * Never throws: what is no instruction comes back as one `db`.
 */
export function disassemble(bytes: Uint8Array, rip: number, bits: CodeBits = 64): Disassembly {
  const f = fetch(bytes, tables, forms, bits);
  const form = f === null ? undefined : forms[f.form - 1];
  if (f === null || form === undefined) {
    const first = bytes.length > 0 ? hex(bytes[0]!) : '??';
    return { length: 1, text: `db ${first}`, mnemonic: 'db', target: null, kind: 'other' };
  }
  const next = rip + f.length;
  const target = { address: null as number | null };
  const { name, texts } = syntaxOf(form);
  const parts = texts.map((text, i) => renderOperand(form, text, form.operands[i], f, next, target));
  const mnemonic = name.toLowerCase();
  const prefix = `${f.lock ? 'lock ' : ''}${repeatPrefix(form, f)}`;
  return {
    length: f.length,
    text: prefix + (parts.length === 0 ? mnemonic : `${mnemonic} ${parts.join(', ')}`),
    mnemonic,
    target: target.address,
    kind:
      mnemonic === 'call'
        ? 'call'
        : mnemonic.startsWith('ret') || mnemonic.startsWith('iret') || mnemonic.startsWith('sysret')
          ? 'return'
          : /^(j|loop)/.test(mnemonic)
            ? 'branch'
            : 'other',
  };
}

const parsed = new Map<Form, { name: string; texts: string[] }>();

function syntaxOf(form: Form): { name: string; texts: string[] } {
  let s = parsed.get(form);
  if (s === undefined) {
    const text = form.record.syntax.trim();
    const space = text.indexOf(' ');
    s =
      space < 0
        ? { name: text, texts: [] }
        : {
            name: text.slice(0, space),
            texts: text
              .slice(space + 1)
              .split(',')
              .map(t => t.trim())
              .filter(t => !/^<.*>$/.test(t)),
          };
    parsed.set(form, s);
  }
  return s;
}

const STRING = /^(movs|stos|lods|ins|outs)/i;
const COMPARE = /^(cmps|scas)/i;

function repeatPrefix(form: Form, f: Fetched): string {
  const name = form.record.syntax;
  if (STRING.test(name) && /^(movs|stos|lods|ins|outs)[bwdq]?(\s|$)/i.test(name) && f.operandless)
    return f.repeat === 0 ? '' : 'rep ';
  if (COMPARE.test(name) && f.operandless) return f.repeat === 0xf3 ? 'repe ' : f.repeat === 0xf2 ? 'repne ' : '';
  return '';
}

const R64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
const R8_LOW = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'];
const R8_LEGACY = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

/** Name of a general register of 1, 2, 4 or 8 bytes. */
export function registerName(n: number, bytes: number, rex = true): string {
  if (n >= 8) return `r${n}${bytes === 8 ? '' : bytes === 4 ? 'd' : bytes === 2 ? 'w' : 'b'}`;
  if (bytes === 8) return R64[n]!;
  if (bytes === 4) return `e${R64[n]!.slice(1)}`;
  if (bytes === 2) return R64[n]!.slice(1);
  return (rex ? R8_LOW : R8_LEGACY)[n]!;
}

const hex = (v: number | bigint): string => `0x${v.toString(16)}`;
const POINTERS: { readonly [bytes: number]: string } = {
  1: 'byte',
  2: 'word',
  4: 'dword',
  6: 'fword',
  8: 'qword',
  10: 'tbyte',
  16: 'xmmword',
  32: 'ymmword',
};

function renderOperand(
  form: Form,
  text: string,
  operand: Operand | undefined,
  f: Fetched,
  next: number,
  target: { address: number | null },
): string {
  const place = operand?.place ?? implied(text);
  // ENTER has two immediates; the other is the nesting level.
  if (place === 'imm16' && f.firstImmediate !== null) return hex(BigInt.asUintN(16, f.firstImmediate));
  // A NOP's operand has the size of its prefixes; nothing is read, so one record does for all.
  const named = form.record.exec === 'nop' && text === 'r/m32' ? f.operandSize : operand?.bytes || widthOf(text, f);
  // What has 64 bits in 64-bit mode whatever the prefixes say (control registers, MOV from a segment register) has 32 elsewhere.
  const bytes = named === 8 && f.bits !== 64 && /^(rm|reg|op|acc)$/.test(place) && !/m64/.test(text) ? 4 : named;
  switch (place) {
    case 'reg':
      return registerName(f.reg, bytes || f.operandSize, f.rex);
    case 'op':
      return registerName(f.opcodeRegister, bytes || f.operandSize, f.rex);
    case 'vvvv':
      return registerName(f.vvvv, bytes || f.operandSize);
    case 'rm':
      return f.memory
        ? memory(f, form.record.exec === 'nop' ? bytes : memoryWidth(text, bytes || f.operandSize), next, target)
        : registerName(f.rm, registerWidth(text) || bytes || f.operandSize, f.rex);
    case 'm':
      return memory(f, memoryWidth(text, bytes), next, target);
    case 'ea':
      return memory(f, 0, next, target);
    case 'acc':
      return registerName(0, bytes || f.operandSize);
    case 'cl':
      return 'cl';
    case 'dx':
      return 'dx';
    case '1':
      return '1';
    case 'xmm':
      return `${vector(text)}${f.reg}`;
    case 'xmmv':
      return `${vector(text)}${f.vvvv}`;
    case 'is4':
      return `${vector(text)}${(Number(f.immediate) >> 4) & 15}`;
    case 'xmm0':
      return 'xmm0';
    case 'xmm/r':
      return `${vector(text)}${f.rm}`;
    case 'xmm/m':
      return f.memory ? memory(f, bytes, next, target) : `${vector(text)}${f.rm}`;
    case 'vm':
      return memory(f, gathered(form), next, target, `${/y$/.test(text) ? 'ymm' : 'xmm'}${f.vectorIndex}`);
    case 'mm':
      return `mm${f.reg & 7}`;
    case 'mm/r':
      return `mm${f.rm & 7}`;
    case 'mm/m':
      return f.memory ? memory(f, bytes || 8, next, target) : `mm${f.rm & 7}`;
    case 'st':
      return `st(${f.rm & 7})`;
    case 'st0':
      return 'st';
    case 'sreg':
      return SEGMENTS[f.reg & 7] ?? `seg${f.reg & 7}`;
    case 'cr':
      return `cr${f.reg}`;
    case 'dr':
      return `dr${f.reg}`;
    case 'moffs': {
      if (BigInt.asIntN(48, f.immediate) === f.immediate && f.segment === '') target.address = Number(f.immediate);
      return `${POINTERS[bytes || f.operandSize]} ptr ${segment(f)}[${hex(BigInt.asUintN(64, f.immediate))}]`;
    }
    case 'rel8':
    case 'rel16':
    case 'rel32': {
      target.address = next + Number(BigInt.asIntN(64, f.immediate));
      if (f.bits !== 64) target.address = Number(BigInt.asUintN(f.operandSize * 8, BigInt(target.address)));
      return address(target.address);
    }
    case 'ptr':
      return `${hex(f.selector)}:${hex(f.immediate)}`;
    case 'imm8':
    case 'imm16':
    case 'imm32':
    case 'imm64':
      return hex(BigInt.asUintN(Math.max(8, Number(place.slice(3))), f.immediate));
    // Sign-extended to the width of what it is combined with, and shown so: a status is 0xc0000010, not its negative.
    case 'imm8s':
    case 'imm32s':
      return hex(BigInt.asUintN(8 * immediateWidth(form, f), f.immediate));
    default:
      return text.toLowerCase();
  }
}

/** Place of an operand that a record's `ops` leaves to the function (a raw form): read from its syntax. */
function implied(text: string): string {
  if (/^r\/m\d*$/.test(text)) return 'rm';
  if (/^r\d+$/.test(text)) return 'reg';
  if (/^m(\d|$)/.test(text)) return 'm';
  if (/^rel(8|16|32)$/.test(text)) return text;
  if (/^imm(8|16|32|64)$/.test(text)) return text;
  if (/^Sreg$/i.test(text)) return 'sreg';
  if (/^xmm\d?\/m/.test(text)) return 'xmm/m';
  if (/^moffs/.test(text)) return 'moffs';
  return '';
}

/** Bytes that the register of `r32/m8` has, which is wider than the operand in memory; 0 for any other text. */
const registerWidth = (text: string): number => Number(/^r(\d+)\/m\d+$/.exec(text)?.[1] ?? 0) / 8;

/** Bytes to which a sign-extended immediate is extended: the first operand's, or 8 for one that stands alone (PUSH). */
function immediateWidth(form: Form, f: Fetched): number {
  const [first] = syntaxOf(form).texts;
  return first === undefined || /^imm/.test(first)
    ? f.operandSize === 2
      ? 2
      : f.bits === 64
        ? 8
        : 4
    : form.operands[0]?.bytes || widthOf(first, f) || f.operandSize;
}

function widthOf(text: string, f: Fetched): number {
  const m = /(?:r|m|imm|moffs)(\d+)$/.exec(text);
  return m ? Number(m[1]) / 8 : /^r\/m$|^r$/.test(text) ? f.operandSize : 0;
}

/** Bytes that an operand in memory has, by its syntax where that says (`r/m16` of a form that fills 64 bits; `m16:32` is a far pointer; `m` and `m16&64` have no keyword). */
function memoryWidth(text: string, otherwise: number): number {
  const far = /^m16:(\d+)$/.exec(text);
  if (far !== null) return 2 + Number(far[1]) / 8;
  if (text === 'm' || text.includes('&')) return 0;
  const m = /(?:^|\/)m(\d+)(?:fp|int|bcd)?$/.exec(text);
  return m === null ? otherwise : Number(m[1]) / 8;
}

const address = (va: number): string => hex(BigInt.asUintN(64, BigInt(va)));
const segment = (f: Fetched): string => (f.segment === '' ? '' : `${f.segment}:`);

/** Kind of a vector register by its operand's syntax. */
const vector = (text: string): string => (text.startsWith('ymm') ? 'ymm' : 'xmm');
/** Bytes of an element that a gather loads. */
const gathered = (form: Form): number => (form.exec.types.endsWith('u64') ? 8 : 4);

/** `vectorIndex`: the name of a gather's index register, in the place of a general one. */
function memory(f: Fetched, bytes: number, next: number, target: { address: number | null }, vectorIndex = ''): string {
  const keyword = bytes > 0 && POINTERS[bytes] ? `${POINTERS[bytes]} ptr ` : '';
  const wide = f.addressSize;
  if (f.ripRelative && f.bits !== 64) {
    if (f.segment === '') target.address = f.displacement >>> 0;
    return `${keyword}${segment(f)}[${hex(f.displacement >>> 0)}]`;
  }
  if (f.ripRelative) {
    target.address = next + f.displacement;
    return `${keyword}${segment(f)}[${address(target.address)}]`;
  }
  let inner = '';
  if (f.base >= 0) inner = registerName(f.base, wide);
  if (vectorIndex !== '') inner += `${inner ? '+' : ''}${vectorIndex}${f.scale > 0 ? `*${1 << f.scale}` : ''}`;
  else if (f.index >= 0) inner += `${inner ? '+' : ''}${registerName(f.index, wide)}${f.scale > 0 ? `*${1 << f.scale}` : ''}`;
  if (inner === '') {
    const at = f.bits === 64 ? f.displacement : f.displacement >>> 0;
    if (f.segment === '') target.address = at;
    inner = at < 0 ? address(at) : hex(at);
  } else if (f.displacement !== 0) inner += f.displacement < 0 ? `-${hex(-f.displacement)}` : `+${hex(f.displacement)}`;
  return `${keyword}${segment(f)}[${inner}]`;
}
