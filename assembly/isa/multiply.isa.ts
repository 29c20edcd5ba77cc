import { insn, type InsnForm } from './define.ts';
import { sizes } from './families.ts';

// MUL, IMUL, DIV, IDIV.

const product = { flags: 'w=oc u=szap' }, quotient = { flags: 'u=oszapc' };

export const forms: InsnForm[] = [
  insn('F6 /4', 'MUL r/m8', { ...product, ops: 'r:rm', exec: 'raw:mul<u8>', cycles: 3 }),
  insn('F6 /5', 'IMUL r/m8', { ...product, ops: 'r:rm', exec: 'raw:imulWide<u8>', cycles: 3 }),
  insn('F6 /6', 'DIV r/m8', { ...quotient, ops: 'r:rm', exec: 'raw:div<u8>', cycles: 12 }),
  insn('F6 /7', 'IDIV r/m8', { ...quotient, ops: 'r:rm', exec: 'raw:idiv<u8>', cycles: 12 }),
];

for (const s of sizes) {
  const t = s.type, n = s.bits, wide = n !== 16;
  forms.push(
    insn(`${s.prefix} F7 /4`, `MUL r/m${n}`, { ...product, ops: 'r:rm', exec: `raw:mul<${t}>`, cycles: 3 }),
    insn(`${s.prefix} F7 /5`, `IMUL r/m${n}`, { ...product, ops: 'r:rm', exec: `raw:imulWide<${t}>`, cycles: 3 }),
    insn(`${s.prefix} F7 /6`, `DIV r/m${n}`, { ...quotient, ops: 'r:rm', exec: `raw:div<${t}>`, cycles: n === 64 ? 18 : 12 }),
    insn(`${s.prefix} F7 /7`, `IDIV r/m${n}`, { ...quotient, ops: 'r:rm', exec: `raw:idiv<${t}>`, cycles: n === 64 ? 18 : 12 }),
    insn(`${s.prefix} 0F AF /r`, `IMUL r${n}, r/m${n}`, { ...product, ops: 'rw:reg r:rm', exec: `imul<${t}>`, cycles: 3, hot: wide && 'reg' }),
    insn(`${s.prefix} 69 /r ${s.imm}`, `IMUL r${n}, r/m${n}, imm${Math.min(n, 32)}`, { ...product, ops: `w:reg r:rm r:${s.immPlace}`, exec: `imul<${t}>`, cycles: 3, hot: wide && 'reg' }),
    insn(`${s.prefix} 6B /r ib`, `IMUL r${n}, r/m${n}, imm8`, { ...product, ops: 'w:reg r:rm r:imm8s', exec: `imul<${t}>`, cycles: 3, hot: wide && 'reg' }),
  );
}
