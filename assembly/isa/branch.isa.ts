import { insn, type InsnForm } from './define.ts';
import { conditionFlags, conditions, hex } from './families.ts';

// Near branches. In 64-bit mode a 66 prefix is ignored, as on Intel processors; the other modes' own forms are in legacy.isa.ts.

export const forms: InsnForm[] = [
  insn('E8 cd', 'CALL rel32', { ops: 'r:rel32', undefined: ['call-target'], exec: 'hot:call', cycles: 2, hot: true, ends: 'jump', mode: '64' }),
  insn('FF /2', 'CALL r/m64', { ops: 'r:rm', undefined: ['call-target'], exec: 'hot:callIndirect', cycles: 3, hot: true, ends: 'jump', mode: '64' }),
  insn('E9 cd', 'JMP rel32', { ops: 'r:rel32', exec: 'hot:jump', cycles: 1, hot: true, ends: 'jump', mode: '64' }),
  insn('EB cb', 'JMP rel8', { ops: 'r:rel8', exec: 'hot:jump', cycles: 1, hot: true, ends: 'jump' }),
  insn('FF /4', 'JMP r/m64', { ops: 'r:rm', exec: 'hot:jumpIndirect', cycles: 2, hot: true, ends: 'jump', mode: '64' }),
  insn('C3', 'RET', { exec: 'hot:ret', cycles: 2, hot: true, ends: 'jump', mode: '64' }),
  insn('C2 iw', 'RET imm16', { ops: 'r:imm16', exec: 'raw:retNear<u64>', cycles: 3, ends: 'jump', mode: '64' }),
  insn('E0 cb', 'LOOPNE rel8', { ops: 'r:rel8', exec: 'raw:loopCount', flags: 'r=z', cycles: 2, ends: 'jump', cc: 0 }),
  insn('E1 cb', 'LOOPE rel8', { ops: 'r:rel8', exec: 'raw:loopCount', flags: 'r=z', cycles: 2, ends: 'jump', cc: 1 }),
  insn('E2 cb', 'LOOP rel8', { ops: 'r:rel8', exec: 'raw:loopCount', cycles: 2, ends: 'jump', cc: 2 }),
  insn('a64 E3 cb', 'JRCXZ rel8', { ops: 'r:rel8', exec: 'raw:jumpIfCountZero', cycles: 2, ends: 'jump' }),
  insn('a32 E3 cb', 'JECXZ rel8', { ops: 'r:rel8', exec: 'raw:jumpIfCountZero', cycles: 2, ends: 'jump' }),
  insn('a16 E3 cb', 'JCXZ rel8', { ops: 'r:rel8', exec: 'raw:jumpIfCountZero', cycles: 2, ends: 'jump' }),
];

conditions.forEach((name, cc) => {
  const info = { exec: 'hot:jcc', flags: `r=${conditionFlags[cc >> 1]}`, cycles: 1, hot: true, ends: 'jump', cc } as const;
  forms.push(
    insn(`${hex(0x70 + cc)} cb`, `J${name} rel8`, { ...info, ops: 'r:rel8' }),
    insn(`0F ${hex(0x80 + cc)} cd`, `J${name} rel32`, { ...info, ops: 'r:rel32', mode: '64' }),
  );
});
