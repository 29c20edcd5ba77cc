import type { InsnForm } from '../isa/define.ts';
import type { Encoding } from './encoding.ts';

// Reads `ops` and `exec` of a record: where each operand is, how it is accessed, how wide it is.

export type Place =
  | 'reg'
  | 'rm'
  | 'op'
  | 'vvvv'
  | 'acc'
  | 'cl'
  | 'dx'
  | 'm'
  | 'ea'
  | 'xmm'
  | 'xmm/m'
  | 'xmm/r'
  | 'xmmv'
  | 'xmm0'
  | 'is4'
  | 'vm'
  | 'mm'
  | 'mm/m'
  | 'mm/r'
  | 'st'
  | 'st0'
  | 'sreg'
  | 'cr'
  | 'dr'
  | 'moffs'
  | 'imm8'
  | 'imm8s'
  | 'imm16'
  | 'imm32'
  | 'imm32s'
  | 'imm64'
  | 'rel8'
  | 'rel16'
  | 'rel32'
  | 'ptr'
  | '1';

export interface Operand {
  place: Place;
  read: boolean;
  write: boolean;
  /** AssemblyScript type of a value operand (`u8`..`u64`), or '' where exec names none. */
  type: string;
  /** Bytes of the operand, from the type or the syntax; 0 when neither says. */
  bytes: number;
}

export interface Exec {
  kind: 'value' | 'vec' | 'vex' | 'raw' | 'hot';
  name: string;
  /** Text between < and >, or ''. */
  types: string;
}

const places = new Set<string>([
  'reg',
  'rm',
  'op',
  'vvvv',
  'acc',
  'cl',
  'dx',
  'm',
  'ea',
  'xmm',
  'xmm/m',
  'xmm/r',
  'xmmv',
  'xmm0',
  'is4',
  'vm',
  'mm',
  'mm/m',
  'mm/r',
  'st',
  'st0',
  'sreg',
  'cr',
  'dr',
  'moffs',
  'imm8',
  'imm8s',
  'imm16',
  'imm32',
  'imm32s',
  'imm64',
  'rel8',
  'rel16',
  'rel32',
  'ptr',
  '1',
]);
/** Other names that records may use for the same place. */
const synonyms: Record<string, Place> = { al: 'acc', ax: 'acc', eax: 'acc', rax: 'acc' };
export const typeBytes: Record<string, number> = { u8: 1, u16: 2, u32: 4, u64: 8, i8: 1, i16: 2, i32: 4, i64: 8 };

/** Parses `form.exec`. */
export function parseExec(form: InsnForm): Exec {
  const m = /^(?:(vec|vex|raw|hot):)?([A-Za-z_]\w*)(?:<([^>]+)>)?$/.exec(form.exec);
  if (!m) throw new Error(`${form.syntax}: exec "${form.exec}" is not understood`);
  return { kind: (m[1] ?? 'value') as Exec['kind'], name: m[2], types: (m[3] ?? '').replace(/\s/g, '') };
}

/** Bytes that an operand's text in the syntax column names: `r/m32`, `xmm2/m64`, `m128`, `imm8`. A memory width counts before a register width. */
export function syntaxBytes(text: string): number {
  const memory = /\bm(\d+)/.exec(text) ?? /\/m(\d+)/.exec(text);
  if (memory) return Number(memory[1]) / 8;
  const register = /\br(\d+)/.exec(text);
  if (register) return Number(register[1]) / 8;
  return /ymm/.test(text) ? 32 : /xmm/.test(text) ? 16 : /\bmm/.test(text) ? 8 : 0;
}

/** Parses `form.ops` against syntax and exec. */
export function parseOperands(form: InsnForm): Operand[] {
  const list = (form.ops ?? '').trim();
  if (list === '') return [];
  const exec = parseExec(form),
    types = exec.types === '' ? [] : exec.types.split(',');
  const texts = form.syntax
    .replace(/^\S+(\s+(?=REP))?/, '')
    .split(',')
    .map(t => t.trim());
  return list.split(/\s+/).map((word, i) => {
    const m = /^(r|w|rw):(.+)$/.exec(word);
    const place = m ? (synonyms[m[2]] ?? (m[2] as Place)) : undefined;
    if (!m || place === undefined || !places.has(place)) throw new Error(`${form.syntax}: operand "${word}" is not understood`);
    const type = exec.kind === 'vec' || exec.kind === 'vex' || types.length === 0 ? '' : types[Math.min(i, types.length - 1)];
    return {
      place,
      read: m[1] !== 'w',
      write: m[1] !== 'r',
      type,
      bytes: type !== '' ? (typeBytes[type] ?? 0) : syntaxBytes(texts[i] ?? ''),
    };
  });
}

/** Flags of a memory operand's row entry beside its size: it is written; its address is not checked against the segment. */
export const MEMORY_WRITE = 0x8000,
  MEMORY_UNCHECKED = 0x4000;

/**
 * What the segment checks of the modes outside 64-bit mode have to know of a form's memory operand: bytes, with MEMORY_WRITE if it is written. 0 for an address
 * that is only computed (LEA, hints), or that the function checks itself; MEMORY_UNCHECKED for one to which only the segment's base is added (INVLPG).
 */
export function memoryAccess(form: InsnForm, operands: Operand[]): number {
  const i = operands.findIndex(o => ['rm', 'm', 'moffs', 'xmm/m', 'mm/m'].includes(o.place));
  if (i < 0) return 0;
  const text = form.syntax
    .replace(/^\S+(\s+(?=REP))?/, '')
    .split(',')
    .map(t => t.trim())[i];
  const far = /\bm16[:&](\d+)/.exec(text ?? ''),
    area = /\bm(\d+)byte/.exec(text ?? '');
  const bytes = form.bytes ?? (far ? 2 + Math.min(4, Number(far[1]) / 8) : area ? Number(area[1]) : operands[i].bytes);
  return bytes === 0 || bytes === MEMORY_UNCHECKED ? bytes : bytes | (operands[i].write ? MEMORY_WRITE : 0);
}

/** Immediate that the encoding carries, checked against the operands that name one. */
export function immediateOf(form: InsnForm, e: Encoding, operands: Operand[]): string {
  const follows = e.follows.join(' ');
  const named = operands.find(o => /^(imm|rel|ptr|moffs|is4$|1$)/.test(o.place))?.place;
  const size: Record<string, string[]> = {
    ib: ['imm8', 'imm8s', 'is4'],
    iw: ['imm16'],
    id: ['imm32', 'imm32s'],
    io: ['imm64'],
    cb: ['rel8'],
    cw: ['rel16'],
    cd: ['rel32'],
    cp: ['ptr'],
  };
  if (named === 'moffs' || named === '1') return named;
  if (follows === 'iw ib') return 'imm16_8';
  if (follows === '') {
    if (named) throw new Error(`${form.syntax}: ${named} in ops, but nothing follows in the encoding`);
    return 'none';
  }
  if (!named) return size[follows][0];
  if (!size[follows]?.includes(named)) throw new Error(`${form.syntax}: ${named} does not go with "${follows}"`);
  return named;
}
