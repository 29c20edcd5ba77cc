// The x87 FPU (SDM vol. 1, chapter 8).

import { conditions, hex } from './families.ts';
import { insn, type InsnForm } from './define.ts';

const plain = (encoding: string, syntax: string, exec: string, cycles: number): InsnForm =>
  insn(encoding, syntax, { exec: `raw:${exec}`, cycles, cpuid: 'FPU' });
const load = (encoding: string, syntax: string, exec: string, cycles: number): InsnForm =>
  insn(`${encoding} mem`, syntax, { ops: 'r:m', exec: `raw:${exec}`, cycles, cpuid: 'FPU' });
const store = (encoding: string, syntax: string, exec: string, cycles: number, cpuid = 'FPU'): InsnForm =>
  insn(`${encoding} mem`, syntax, { ops: 'w:m', exec: `raw:${exec}`, cycles, cpuid });
/** ST(i) is the only operand that the syntax names, or the destination. */
const toStack = (encoding: string, syntax: string, exec: string, cycles: number): InsnForm =>
  insn(`${encoding} reg`, syntax, { ops: /,/.test(syntax) ? 'rw:st r:st0' : 'rw:st', exec: `raw:${exec}`, cycles, cpuid: 'FPU' });
/** ST(0) and ST(i). */
const fromStack = (encoding: string, syntax: string, exec: string, cycles: number, flags?: string, cc?: number): InsnForm =>
  insn(`${encoding} reg`, syntax, { ops: 'rw:st0 r:st', exec: `raw:${exec}`, cycles, flags, cc, cpuid: cc === undefined ? 'FPU' : 'CMOV' });

/** The eight operations by ModRM.reg, with operands that are registers the other way round where the destination is ST(i). */
const operations = ['ADD', 'MUL', 'COM', 'COMP', 'SUB', 'SUBR', 'DIV', 'DIVR'] as const;
const reversed = ['ADD', 'MUL', 'COM', 'COMP', 'SUBR', 'SUB', 'DIVR', 'DIV'] as const;
const cost = [3, 5, 2, 2, 3, 3, 18, 18];
const isCompare = (n: number): boolean => n === 2 || n === 3;

const arithmetic: InsnForm[] = operations.flatMap((name, n) => [
  load(`D8 /${n}`, `F${name} m32fp`, 'x87Single', cost[n] + 1),
  load(`DC /${n}`, `F${name} m64fp`, 'x87Double', cost[n] + 1),
  load(`DA /${n}`, `FI${name} m32int`, 'x87Dword', cost[n] + 3),
  load(`DE /${n}`, `FI${name} m16int`, 'x87Word', cost[n] + 3),
  ...(isCompare(n)
    ? [
        fromStack(`D8 /${n}`, `F${name} ST(0), ST(i)`, n === 2 ? 'fcom' : 'fcomp', cost[n]),
        // Undocumented opcodes of the same.
        fromStack(`DC /${n}`, `F${name} ST(0), ST(i)`, n === 2 ? 'fcom' : 'fcomp', cost[n]),
      ]
    : [
        fromStack(`D8 /${n}`, `F${name} ST(0), ST(i)`, 'x87Register', cost[n]),
        toStack(`DC /${n}`, `F${reversed[n]} ST(i), ST(0)`, 'x87ToRegister', cost[n]),
        toStack(`DE /${n}`, `F${reversed[n]}P ST(i), ST(0)`, 'x87ToRegisterPop', cost[n]),
      ]),
]);

const compare: InsnForm[] = [
  fromStack('DE /2', 'FCOMP ST(0), ST(i)', 'fcomp', 2),
  plain('DE D9', 'FCOMPP', 'fcompp', 2),
  fromStack('DD /4', 'FUCOM ST(0), ST(i)', 'fucom', 2),
  fromStack('DD /5', 'FUCOMP ST(0), ST(i)', 'fucomp', 2),
  plain('DA E9', 'FUCOMPP', 'fucompp', 2),
  fromStack('DB /6', 'FCOMI ST(0), ST(i)', 'fcomi', 2, 'w=oszapc'),
  fromStack('DF /6', 'FCOMIP ST(0), ST(i)', 'fcomip', 2, 'w=oszapc'),
  fromStack('DB /5', 'FUCOMI ST(0), ST(i)', 'fucomi', 2, 'w=oszapc'),
  fromStack('DF /5', 'FUCOMIP ST(0), ST(i)', 'fucomip', 2, 'w=oszapc'),
  plain('D9 E4', 'FTST', 'ftst', 2),
  plain('D9 E5', 'FXAM', 'fxam', 2),
];

const moves: InsnForm[] = [
  load('D9 /0', 'FLD m32fp', 'fldSingle', 1),
  load('DD /0', 'FLD m64fp', 'fldDouble', 1),
  load('DB /5', 'FLD m80fp', 'fldExtended', 2),
  toStack('D9 /0', 'FLD ST(i)', 'fldRegister', 1),
  { ...store('D9 /2', 'FST m32fp', 'fstSingle', 2), undefined: ['fault-order'] },
  { ...store('D9 /3', 'FSTP m32fp', 'fstpSingle', 2), undefined: ['fault-order'] },
  { ...store('DD /2', 'FST m64fp', 'fstDouble', 2), undefined: ['fault-order'] },
  { ...store('DD /3', 'FSTP m64fp', 'fstpDouble', 2), undefined: ['fault-order'] },
  { ...store('DB /7', 'FSTP m80fp', 'fstpExtended', 3), undefined: ['fault-order', 'torn-store'] },
  toStack('DD /2', 'FST ST(i)', 'fstRegister', 1),
  toStack('DD /3', 'FSTP ST(i)', 'fstpRegister', 1),
  toStack('DF /2', 'FSTP ST(i)', 'fstpRegister', 1),
  toStack('DF /3', 'FSTP ST(i)', 'fstpRegister', 1),
  toStack('D9 /3', 'FSTPNCE ST(i)', 'fstpUnchecked', 1),
  load('DF /0', 'FILD m16int', 'fildWord', 3),
  load('DB /0', 'FILD m32int', 'fildDword', 3),
  load('DF /5', 'FILD m64int', 'fildQword', 3),
  { ...store('DF /2', 'FIST m16int', 'fistWord', 4), undefined: ['fault-order'] },
  { ...store('DB /2', 'FIST m32int', 'fistDword', 4), undefined: ['fault-order'] },
  { ...store('DF /3', 'FISTP m16int', 'fistpWord', 4), undefined: ['fault-order'] },
  { ...store('DB /3', 'FISTP m32int', 'fistpDword', 4), undefined: ['fault-order'] },
  { ...store('DF /7', 'FISTP m64int', 'fistpQword', 4), undefined: ['fault-order'] },
  { ...store('DF /1', 'FISTTP m16int', 'fisttpWord', 4, 'SSE3'), undefined: ['fault-order'] },
  { ...store('DB /1', 'FISTTP m32int', 'fisttpDword', 4, 'SSE3'), undefined: ['fault-order'] },
  { ...store('DD /1', 'FISTTP m64int', 'fisttpQword', 4, 'SSE3'), undefined: ['fault-order'] },
  load('DF /4', 'FBLD m80bcd', 'fbld', 40),
  { ...store('DF /6', 'FBSTP m80bcd', 'fbstp', 100), undefined: ['fault-order', 'torn-store'] },
  fromStack('D9 /1', 'FXCH ST(0), ST(i)', 'fxch', 1),
  fromStack('DD /1', 'FXCH ST(0), ST(i)', 'fxch', 1),
  fromStack('DF /1', 'FXCH ST(0), ST(i)', 'fxch', 1),
  ...[2, 4, 6, 10].flatMap((cc, n) => [
    fromStack(`DA /${n}`, `FCMOV${conditions[cc]} ST(0), ST(i)`, 'fcmov', 2, conditionReads(cc), cc),
    fromStack(`DB /${n}`, `FCMOV${cc === 10 ? 'NU' : `N${conditions[cc]}`} ST(0), ST(i)`, 'fcmov', 2, conditionReads(cc), cc + 1),
  ]),
  ...['FLD1', 'FLDL2T', 'FLDL2E', 'FLDPI', 'FLDLG2', 'FLDLN2', 'FLDZ'].map((name, n) => plain(`D9 ${hex(0xe8 + n)}`, name, 'fldConstant', 1)),
];
function conditionReads(cc: number): string {
  return cc === 2 ? 'r=c' : cc === 4 ? 'r=z' : cc === 6 ? 'r=cz' : 'r=p';
}

const functions: InsnForm[] = [
  plain('D9 E0', 'FCHS', 'fchs', 1),
  plain('D9 E1', 'FABS', 'fabs', 1),
  plain('D9 FA', 'FSQRT', 'fsqrt', 22),
  plain('D9 FC', 'FRNDINT', 'frndint', 10),
  plain('D9 FD', 'FSCALE', 'fscale', 20),
  plain('D9 F4', 'FXTRACT', 'fxtract', 15),
  { ...plain('D9 F8', 'FPREM', 'fprem', 25), undefined: ['x87-conditions'] },
  { ...plain('D9 F5', 'FPREM1', 'fprem1', 25), undefined: ['x87-conditions'] },
  { ...plain('D9 F0', 'F2XM1', 'f2xm1', 70), undefined: ['transcendental'] },
  { ...plain('D9 F1', 'FYL2X', 'fyl2x', 80), undefined: ['transcendental'] },
  { ...plain('D9 F2', 'FPTAN', 'fptan', 100), undefined: ['transcendental'] },
  { ...plain('D9 F3', 'FPATAN', 'fpatan', 100), undefined: ['transcendental'] },
  { ...plain('D9 F9', 'FYL2XP1', 'fyl2xp1', 80), undefined: ['transcendental'] },
  { ...plain('D9 FB', 'FSINCOS', 'fsincos', 120), undefined: ['transcendental'] },
  { ...plain('D9 FE', 'FSIN', 'fsin', 80), undefined: ['transcendental'] },
  { ...plain('D9 FF', 'FCOS', 'fcos', 80), undefined: ['transcendental'] },
];

const control: InsnForm[] = [
  plain('D9 D0', 'FNOP', 'fnop', 1),
  plain('D9 F6', 'FDECSTP', 'fdecstp', 1),
  plain('D9 F7', 'FINCSTP', 'fincstp', 1),
  toStack('DD /0', 'FFREE ST(i)', 'ffree', 1),
  toStack('DF /0', 'FFREEP ST(i)', 'ffreep', 1),
  plain('DB E3', 'FNINIT', 'fninit', 20),
  plain('DB E2', 'FNCLEX', 'fnclex', 5),
  plain('DB E0', 'FENI8087_NOP', 'fignored', 1),
  plain('DB E1', 'FDISI8087_NOP', 'fignored', 1),
  plain('DB E4', 'FSETPM287_NOP', 'fignored', 1),
  load('D9 /5', 'FLDCW m16', 'fldcw', 3),
  store('D9 /7', 'FNSTCW m16', 'fnstcw', 2),
  store('DD /7', 'FNSTSW m16', 'fnstsw', 2),
  plain('DF E0', 'FNSTSW AX', 'fnstswAx', 2),
  { ...store('o16 D9 /6', 'FNSTENV m14byte', 'fnstenv', 50), undefined: ['fault-address', 'alignment-check'] },
  { ...store('D9 /6', 'FNSTENV m28byte', 'fnstenv', 50), undefined: ['fault-address', 'alignment-check'] },
  { ...load('o16 D9 /4', 'FLDENV m14byte', 'fldenv', 40), undefined: ['fault-address', 'alignment-check'] },
  { ...load('D9 /4', 'FLDENV m28byte', 'fldenv', 40), undefined: ['fault-address', 'alignment-check'] },
  { ...store('o16 DD /6', 'FNSAVE m94byte', 'fnsave', 100), undefined: ['fault-address', 'alignment-check'] },
  { ...store('DD /6', 'FNSAVE m108byte', 'fnsave', 100), undefined: ['fault-address', 'alignment-check'] },
  { ...load('o16 DD /4', 'FRSTOR m94byte', 'frstor', 80), undefined: ['fault-address', 'alignment-check'] },
  { ...load('DD /4', 'FRSTOR m108byte', 'frstor', 80), undefined: ['fault-address', 'alignment-check'] },
  plain('9B', 'WAIT', 'fwait', 1),
];

export const forms: InsnForm[] = [...arithmetic, ...compare, ...moves, ...functions, ...control];
