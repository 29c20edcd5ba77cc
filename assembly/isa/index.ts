import type { InsnForm } from './define.ts';
import { forms as alu } from './alu.isa.ts';
import { forms as branch } from './branch.isa.ts';
import { forms as move } from './move.isa.ts';
import { forms as stack } from './stack.isa.ts';
import { forms as system } from './system.isa.ts';
import { forms as sse } from './sse.isa.ts';
import { forms as sseint } from './sseint.isa.ts';

/** Every instruction form. A form's number in the core (OP_FORM) is its index here plus one. */
export const allForms: InsnForm[] = [...alu, ...branch, ...move, ...stack, ...system];
