import { insn, type InsnForm, type UndefinedResult } from './define.ts';
import { hex, sizes } from './families.ts';

// Shifts and rotates by 1, CL and a constant; SHLD and SHRD.

export const forms: InsnForm[] = [];

/** Digit /6 is a second SHL. */
const names = ['ROL', 'ROR', 'RCL', 'RCR', 'SHL', 'SHR', 'SAL', 'SAR'];
names.forEach((name, digit) => {
  const exec = name === 'SAL' ? 'shl' : name.toLowerCase(), rotate = digit < 4;
  const info = { flags: (digit === 2 || digit === 3 ? 'r=c ' : '') + (rotate ? 'w=oc' : 'w=oszapc'), undefined: [rotate ? 'rotate' : 'shift'] as UndefinedResult[], cycles: 1 };
  const add = (prefix: string, operand: string, type: string, opcode: number, hotConstant: boolean, hotCl: boolean): void => {
    const e = `${exec}<${type}>`, p = prefix === '' ? '' : prefix + ' ';
    forms.push(
      insn(`${p}${hex(opcode)} /${digit} ib`, `${name} ${operand}, imm8`, { ...info, ops: 'rw:rm r:imm8', exec: e, hot: hotConstant && 'reg' }),
      insn(`${p}${hex(opcode + 0x10)} /${digit}`, `${name} ${operand}, 1`, { ...info, ops: 'rw:rm r:1', exec: e, hot: hotConstant && 'reg' }),
      insn(`${p}${hex(opcode + 0x12)} /${digit}`, `${name} ${operand}, CL`, { ...info, ops: 'rw:rm r:cl', exec: e, hot: hotCl && 'reg' }),
    );
  };
  add('', 'r/m8', 'u8', 0xc0, false, false);
  for (const s of sizes) add(s.prefix, `r/m${s.bits}`, s.type, 0xc1, s.bits !== 16 && digit !== 2 && digit !== 3 && digit !== 6, s.bits !== 16 && (digit === 4 || digit === 5));
});

for (const [name, opcode, exec] of [['SHLD', 0xa4, 'shld'], ['SHRD', 0xac, 'shrd']] as const) {
  for (const s of sizes) {
    const info = { ops: 'rw:rm r:reg', flags: 'w=oszapc', undefined: ['double-shift'] as UndefinedResult[], cycles: 3 };
    forms.push(
      insn(`${s.prefix} 0F ${hex(opcode)} /r ib`, `${name} r/m${s.bits}, r${s.bits}, imm8`, { ...info, ops: `${info.ops} r:imm8`, exec: `raw:${exec}Immediate<${s.type}>` }),
      insn(`${s.prefix} 0F ${hex(opcode + 1)} /r`, `${name} r/m${s.bits}, r${s.bits}, CL`, { ...info, ops: `${info.ops} r:cl`, exec: `raw:${exec}Cl<${s.type}>` }),
    );
  }
}
