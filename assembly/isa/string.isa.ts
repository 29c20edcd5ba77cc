import { insn, type InsnForm } from './define.ts';
import { hex } from './families.ts';

// MOVS STOS LODS SCAS CMPS, alone and repeated. INS and OUTS are with the system instructions.

export const forms: InsnForm[] = [];

const widths = [
  { suffix: 'B', prefix: '', type: 'u8', odd: 0 }, { suffix: 'W', prefix: 'o16 ', type: 'u16', odd: 1 },
  { suffix: 'D', prefix: 'o32 ', type: 'u32', odd: 1 }, { suffix: 'Q', prefix: 'REX.W ', type: 'u64', odd: 1 },
];
const families: [string, number, string, string][] = [
  ['MOVS', 0xa4, 'movs', 'Movs'], ['STOS', 0xaa, 'stos', 'Stos'], ['LODS', 0xac, 'lods', 'Lods'], ['SCAS', 0xae, 'scas', 'Scas'], ['CMPS', 0xa6, 'cmps', 'Cmps'],
];
for (const [name, opcode, once, repeated] of families) {
  const compares = name === 'SCAS' || name === 'CMPS', flags = compares ? 'w=oszapc' : '';
  for (const w of widths) {
    const code = hex(opcode + w.odd), repeat = { flags, exec: `raw:rep${repeated}<${w.type}>`, cycles: 8, ends: 'jump' as const, undefined: ['repeat' as const] };
    forms.push(
      insn(`${w.prefix}${code}`, `${name}${w.suffix}`, { flags, exec: `raw:${once}<${w.type}>`, cycles: 2 }),
      insn(`F3 ${w.prefix}${code}`, `${compares ? 'REPE' : 'REP'} ${name}${w.suffix}`, repeat),
      // F2 repeats the instructions that do not compare as F3 does.
      insn(`F2 ${w.prefix}${code}`, `${compares ? 'REPNE' : 'REP'} ${name}${w.suffix}`, repeat),
    );
  }
}
