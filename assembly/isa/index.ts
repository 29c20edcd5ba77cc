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

/** Every instruction form. A form's number in the core (OP_FORM) is its index here plus one. */
export const allForms: InsnForm[] = [...alu, ...avx, ...avx2, ...bits, ...branch, ...misc, ...mmx, ...move, ...multiply, ...shift, ...sse, ...sseInteger, ...stack, ...string, ...system, ...x87, ...legacy];
