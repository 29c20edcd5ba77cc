import { insn, type InsnForm } from './define.ts';
import { hex, sizes } from './families.ts';

// ADD OR ADC SBB AND SUB XOR CMP, TEST, INC DEC NEG NOT.

export const forms: InsnForm[] = [];

const operations = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'];
operations.forEach((name, n) => {
  const exec = name.toLowerCase(), compare = name === 'CMP', access = compare ? 'r' : 'rw', base = n * 8;
  const common = { flags: (name === 'ADC' || name === 'SBB' ? 'r=c ' : '') + 'w=oszapc', cycles: 1 };
  const hot = name !== 'ADC' && name !== 'SBB';
  const toMemory = { ...common, lock: !compare };
  const hot8 = ['CMP', 'AND', 'OR', 'XOR', 'ADD', 'SUB'].includes(name);
  forms.push(
    insn(`${hex(base)} /r`, `${name} r/m8, r8`, { ...toMemory, ops: `${access}:rm r:reg`, exec: `${exec}<u8>`, hot: compare }),
    insn(`${hex(base + 2)} /r`, `${name} r8, r/m8`, { ...common, ops: `${access}:reg r:rm`, exec: `${exec}<u8>`, hot: compare }),
    insn(`${hex(base + 4)} ib`, `${name} AL, imm8`, { ...common, ops: `${access}:acc r:imm8`, exec: `${exec}<u8>`, hot: hot8 }),
    insn(`80 /${n} ib`, `${name} r/m8, imm8`, { ...toMemory, ops: `${access}:rm r:imm8`, exec: `${exec}<u8>`, hot: compare || (hot8 ? 'reg' : false) }),
  );
  for (const s of sizes) {
    const e = `${exec}<${s.type}>`, wide = hot && s.bits !== 16;
    // ADC and SBB between registers carry multi-word arithmetic; 16-bit forms are rare but for comparisons with a constant.
    const registers = wide || (s.bits !== 16 && !hot && 'reg'), constant = wide || (compare && s.bits === 16);
    forms.push(
      insn(`${s.prefix} ${hex(base + 1)} /r`, `${name} r/m${s.bits}, r${s.bits}`, { ...toMemory, ops: `${access}:rm r:reg`, exec: e, hot: registers }),
      insn(`${s.prefix} ${hex(base + 3)} /r`, `${name} r${s.bits}, r/m${s.bits}`, { ...common, ops: `${access}:reg r:rm`, exec: e, hot: registers }),
      insn(`${s.prefix} ${hex(base + 5)} ${s.imm}`, `${name} ${s.accumulator}, imm${Math.min(s.bits, 32)}`, { ...common, ops: `${access}:acc r:${s.immPlace}`, exec: e, hot: constant }),
      insn(`${s.prefix} 81 /${n} ${s.imm}`, `${name} r/m${s.bits}, imm${Math.min(s.bits, 32)}`, { ...toMemory, ops: `${access}:rm r:${s.immPlace}`, exec: e, hot: constant }),
      insn(`${s.prefix} 83 /${n} ib`, `${name} r/m${s.bits}, imm8`, { ...toMemory, ops: `${access}:rm r:imm8s`, exec: e, hot: constant }),
    );
  }
});

const logic = { flags: 'w=oszpc u=a', cycles: 1 };
forms.push(
  insn('84 /r', 'TEST r/m8, r8', { ...logic, ops: 'r:rm r:reg', exec: 'test<u8>', hot: 'reg' }),
  insn('A8 ib', 'TEST AL, imm8', { ...logic, ops: 'r:acc r:imm8', exec: 'test<u8>', hot: true }),
);
// /1 is an alias of /0 that the SDM does not list but processors have.
for (const digit of [0, 1]) {
  forms.push(insn(`F6 /${digit} ib`, 'TEST r/m8, imm8', { ...logic, ops: 'r:rm r:imm8', exec: 'test<u8>', hot: digit === 0 }));
  for (const s of sizes)
    forms.push(insn(`${s.prefix} F7 /${digit} ${s.imm}`, `TEST r/m${s.bits}, imm${Math.min(s.bits, 32)}`, { ...logic, ops: `r:rm r:${s.immPlace}`, exec: `test<${s.type}>`, hot: digit === 0 && s.bits === 32 }));
}
for (const s of sizes) {
  forms.push(
    insn(`${s.prefix} 85 /r`, `TEST r/m${s.bits}, r${s.bits}`, { ...logic, ops: 'r:rm r:reg', exec: `test<${s.type}>`, hot: s.bits !== 16 && 'reg' }),
    insn(`${s.prefix} A9 ${s.imm}`, `TEST ${s.accumulator}, imm${Math.min(s.bits, 32)}`, { ...logic, ops: `r:acc r:${s.immPlace}`, exec: `test<${s.type}>`, hot: s.bits === 32 }),
  );
}

const unary: [string, string, number, string, string][] = [
  ['INC', 'FE', 0, 'inc', 'w=oszap'], ['DEC', 'FE', 1, 'dec', 'w=oszap'], ['NOT', 'F6', 2, 'not', ''], ['NEG', 'F6', 3, 'neg', 'w=oszapc'],
];
for (const [name, opcode, digit, exec, flags] of unary) {
  const info = { ops: 'rw:rm', flags, lock: true, cycles: 1 };
  forms.push(insn(`${opcode} /${digit}`, `${name} r/m8`, { ...info, exec: `${exec}<u8>` }));
  for (const s of sizes)
    forms.push(insn(`${s.prefix} ${hex(parseInt(opcode, 16) + 1)} /${digit}`, `${name} r/m${s.bits}`, { ...info, exec: `${exec}<${s.type}>`, hot: s.bits !== 16 && (digit < 2 || 'reg') }));
}
