// The file format of captured instruction vectors: one JSON object a line. A vector says which state one instruction was
// given on a real processor and what that processor made of it. FORMAT.md beside this file describes every field.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** Registers by name (`rax`, `rflags`, `xmm3`, `st0`, `mxcsr`...), values as hexadecimal digits, most significant first. */
export type Registers = Record<string, string>;

/** Bytes at a linear address: `[address, bytes]`, both hexadecimal; the bytes are in memory order. */
export type MemoryBytes = [address: string, bytes: string];

/** One captured instruction. */
export interface Vector {
  /** Disassembly, for reading only. */
  n: string;
  /** Code bytes, hexadecimal. */
  c: string;
  /** Class: `int`, `sse`, `mmx`, `x87`, `avx` or `sys`. */
  k: string;
  /** Code segment: 32 or 16 bits, in compatibility mode; absent in 64-bit mode. */
  d?: 32 | 16;
  /** Registers before; those that are absent are zero or have the defaults of FORMAT.md. */
  b: Registers;
  /** Memory before; all other bytes of the DATA and STACK regions are zero. */
  m: MemoryBytes[];
  /** Registers that differ after. */
  a: Registers;
  /** Memory bytes that differ after. */
  w: MemoryBytes[];
  /** The exception, if one was raised: its vector, and for #PF the address in CR2. */
  f: { v: number; a?: string } | null;
  /** RFLAGS bits that the SDM leaves undefined (hexadecimal mask). */
  u?: string;
  /** Results to ignore: `REG`, `REG:HEXMASK`, or `mem:ADDRESS:LENGTH` (length in decimal bytes). */
  x?: string[];
}

/** The vector classes of FORMAT.md, in the order files have them. */
export const CLASSES = ['int', 'mmx', 'sse', 'avx', 'x87', 'sys'];

/** A vector file that cannot be read or is malformed; the message names it. */
export class VectorFileError extends Error {}

/**
 * Reads a vector file, plain or gzipped, and gives its lines.
 * Throws a VectorFileError that names the file when it cannot be read.
 */
export function readLines(path: string): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new VectorFileError(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = gunzipSync(bytes);
  return bytes.toString('utf8').trimEnd().split('\n');
}

/** Parses one line; throws an Error that says what is wrong with it. */
export function parseVector(line: string): Vector {
  const vector = JSON.parse(line) as Partial<Vector>;
  for (const [field, good] of [
    ['n', typeof vector.n === 'string'],
    ['c', typeof vector.c === 'string' && /^([0-9a-f]{2}){1,16}$/.test(vector.c)],
    ['k', typeof vector.k === 'string'],
    ['d', vector.d === undefined || vector.d === 32 || vector.d === 16],
    ['b', typeof vector.b === 'object' && vector.b !== null],
    ['m', Array.isArray(vector.m)],
    ['a', typeof vector.a === 'object' && vector.a !== null],
    ['w', Array.isArray(vector.w)],
    ['f', vector.f === null || typeof vector.f?.v === 'number'],
  ] as const) {
    if (!good) throw new Error(`field "${field}" is missing or malformed`);
  }
  return vector as Vector;
}

const REGISTER_KINDS: [RegExp, string][] = [
  [/^(al|ah|bl|bh|cl|ch|dl|dh|spl|bpl|sil|dil|r\d+b)$/, 'r8'],
  [/^(ax|bx|cx|dx|sp|bp|si|di|r\d+w)$/, 'r16'],
  [/^(eax|ebx|ecx|edx|esp|ebp|esi|edi|r\d+d)$/, 'r32'],
  [/^(rax|rbx|rcx|rdx|rsp|rbp|rsi|rdi|r\d+)$/, 'r64'],
  [/^xmm\d+$/, 'xmm'],
  [/^ymm\d+$/, 'ymm'],
  [/^mm\d$/, 'mm'],
  [/^st\(\d\)$/, 'st(i)'],
  [/^-?(0x[0-9a-f]+|\d+)$/, 'imm'],
];

/**
 * The instruction form that a vector belongs to: the mnemonic with the kinds of its operands in place of the operands,
 * e.g. `add r/m` names become `add r64, m64`. Only for grouping results.
 */
export function formName(vector: Vector): string {
  const space = vector.n.indexOf(' ');
  if (vector.n.startsWith('(') || space < 0) return vector.n;
  let words = vector.n.slice(0, space);
  let rest = vector.n.slice(space + 1);
  for (const prefix of ['lock', 'rep', 'repe', 'repne', 'notrack', 'bnd']) {
    if (words !== prefix) continue;
    const next = rest.indexOf(' ');
    words += ' ' + (next < 0 ? rest : rest.slice(0, next));
    rest = next < 0 ? '' : rest.slice(next + 1);
  }
  const operands = rest.split(/,\s*/).filter(operand => operand !== '');
  return [words, operands.map(operandKind).join(', ')].join(' ').trim();
}

function operandKind(text: string): string {
  const memory = /^(?:(\w+) )?(?:ptr )?.*\[/.exec(text);
  if (memory) {
    const size = { byte: 8, word: 16, dword: 32, qword: 64, xword: 80, tbyte: 80, xmmword: 128, ymmword: 256 }[memory[1] ?? ''];
    return size === undefined ? 'm' : `m${size}`;
  }
  return REGISTER_KINDS.find(([pattern]) => pattern.test(text))?.[1] ?? text;
}
