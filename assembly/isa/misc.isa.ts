import { insn, type InsnForm } from './define.ts';
import { hex } from './families.ts';

// Flag bits, hints and fences, cache lines, FS and GS bases.

export const forms: InsnForm[] = [
  insn('9F', 'LAHF', { exec: 'raw:lahf', flags: 'r=szapc', cycles: 1 }),
  insn('9E', 'SAHF', { exec: 'raw:sahf', flags: 'w=szapc', cycles: 1 }),
  insn('F8', 'CLC', { exec: 'raw:clc', flags: 'w=c', cycles: 1 }),
  insn('F9', 'STC', { exec: 'raw:stc', flags: 'w=c', cycles: 1 }),
  insn('F5', 'CMC', { exec: 'raw:cmc', flags: 'r=c w=c', cycles: 1 }),
  insn('FC', 'CLD', { exec: 'raw:cld', cycles: 1 }),
  insn('FD', 'STD', { exec: 'raw:std', cycles: 1 }),
  insn('NP 0F AE /7 mem', 'CLFLUSH m8', { ops: 'r:m', exec: 'raw:clflush', cycles: 5 }),
  insn('66 0F AE /7 mem', 'CLFLUSHOPT m8', { ops: 'r:m', exec: 'raw:clflush', cycles: 5, cpuid: 'CLFLUSHOPT' }),
  insn('66 0F AE /6 mem', 'CLWB m8', { ops: 'r:m', exec: 'raw:clflush', cycles: 5, cpuid: 'CLWB' }),
  insn('NP 0F AE /5 reg', 'LFENCE', { exec: 'nop', cycles: 4 }),
  insn('NP 0F AE /6 reg', 'MFENCE', { exec: 'nop', cycles: 20 }),
  insn('NP 0F AE /7 reg', 'SFENCE', { exec: 'nop', cycles: 4 }),
];

// Random numbers (not with F2 and F3), and the processor's number.
for (const [digit, name] of [[6, 'RDRAND'], [7, 'RDSEED']] as const)
  for (const [prefix, n, t] of [['NFx o16', 16, 'u16'], ['NFx o32', 32, 'u32'], ['NFx REX.W', 64, 'u64']] as const)
    forms.push(insn(`${prefix} 0F C7 /${digit} reg`, `${name} r${n}`, { ops: 'w:rm', flags: 'w=oszapc', exec: `${name.toLowerCase()}<${t}>`, cycles: 200, cpuid: name }));
forms.push(
  insn('F3 0F C7 /7 reg', 'RDPID r64', { ops: 'w:rm', exec: 'rdpid<u64>', cycles: 5, cpuid: 'RDPID', mode: '64' }),
  insn('F3 0F C7 /7 reg', 'RDPID r32', { ops: 'w:rm', exec: 'rdpid<u32>', cycles: 5, cpuid: 'RDPID', mode: 'not64' }),
);

for (const [digit, name] of ['RDFSBASE', 'RDGSBASE', 'WRFSBASE', 'WRGSBASE'].entries()) {
  const access = digit < 2 ? 'w' : 'r';
  for (const [prefix, n, t] of [['REX.W0', 32, 'u32'], ['REX.W', 64, 'u64']] as const)
    forms.push(insn(`F3 ${prefix} 0F AE /${digit} reg`, `${name} r${n}`, { ops: `${access}:rm`, exec: `raw:${name.toLowerCase()}<${t}>`, cycles: 3, cpuid: 'FSGSBASE', mode: '64' }));
}

// Hints: processors that do not know one run it as a NOP with an operand that is not accessed. ENDBR32 and ENDBR64 are such a hint.
for (const [digit, name] of ['PREFETCHNTA', 'PREFETCHT0', 'PREFETCHT1', 'PREFETCHT2'].entries()) forms.push(insn(`0F 18 /${digit} mem`, `${name} m8`, { exec: 'nop', cycles: 1, hot: true }));
for (const digit of [0, 1, 2, 3]) forms.push(insn(`0F 18 /${digit} reg`, 'NOP r/m32', { exec: 'nop', cycles: 1, hot: true }));
for (const digit of [4, 5, 6, 7]) forms.push(insn(`0F 18 /${digit}`, 'NOP r/m32', { exec: 'nop', cycles: 1, hot: true }));
for (let opcode = 0x19; opcode <= 0x1f; opcode++) forms.push(insn(`0F ${hex(opcode)} /r`, 'NOP r/m32', { exec: 'nop', cycles: 1, hot: true }));
forms.push(
  insn('F3 0F 1E FA', 'ENDBR64', { exec: 'nop', cycles: 1, hot: true }),
  insn('F3 0F 1E FB', 'ENDBR32', { exec: 'nop', cycles: 1, hot: true }),
  insn('0F 0D /r mem', 'PREFETCHW m8', { exec: 'nop', cycles: 1, hot: true }),
  insn('0F 0D /r reg', 'NOP r/m32', { exec: 'nop', cycles: 1, hot: true }),
);
