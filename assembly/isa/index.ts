import type { InsnForm } from './define.ts';
import { forms as alu } from './alu.isa.ts';
import { forms as avx } from './avx.isa.ts';
import { forms as avx2 } from './avx2.isa.ts';
import { forms as bits } from './bits.isa.ts';
import { forms as branch } from './branch.isa.ts';
import { forms as legacy } from './legacy.isa.ts';
import { forms as misc } from './misc.isa.ts';
import { forms as mmx } from './mmx.isa.ts';
import { forms as move } from './move.isa.ts';
import { forms as multiply } from './multiply.isa.ts';
import { forms as shift } from './shift.isa.ts';
import { forms as sse } from './sse.isa.ts';
import { forms as sseInteger } from './sseint.isa.ts';
import { forms as stack } from './stack.isa.ts';
import { forms as string } from './string.isa.ts';
import { forms as system } from './system.isa.ts';
import { forms as x87 } from './x87.isa.ts';

/** The forms by family: what assembly/ISA.md has a chapter for each of. */
export const families: readonly { title: string; forms: readonly InsnForm[] }[] = [
  { title: 'Arithmetic and logic', forms: alu },
  { title: 'AVX and FMA', forms: avx },
  { title: 'AVX2, gathers and F16C', forms: avx2 },
  { title: 'Bits: scans, counts, fields, BMI, ADX, CRC32, exchange and compare', forms: bits },
  { title: 'Branches', forms: branch },
  { title: 'Flags, hints, fences, cache lines, bases', forms: misc },
  { title: 'MMX', forms: mmx },
  { title: 'Moves', forms: move },
  { title: 'Multiplication and division', forms: multiply },
  { title: 'Shifts and rotates', forms: shift },
  { title: 'SSE: floating point, moves, state', forms: sse },
  { title: 'SSE: integers, strings, AES, SHA', forms: sseInteger },
  { title: 'Stack', forms: stack },
  { title: 'Strings', forms: string },
  { title: 'System', forms: system },
  { title: 'x87', forms: x87 },
  { title: 'Only outside 64-bit mode', forms: legacy },
];

/** Every instruction form. A form's number in the core (OP_FORM) is its index here plus one. */
export const allForms: InsnForm[] = families.flatMap(f => f.forms);
