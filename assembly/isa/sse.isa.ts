// SSE, SSE2 and SSE3: moves, floating point, conversions, state (SDM vol. 1, chapters 10 and 11).

import { insn, type InsnForm } from './define.ts';

/** An instruction from a register or 128 bits of aligned memory into a register. */
const wide = (encoding: string, mnemonic: string, cpuid: string, exec: string, cycles: number): InsnForm =>
  insn(encoding, `${mnemonic} xmm1, xmm2/m128`, { ops: 'rw:xmm r:xmm/m', exec: `vec:${exec}`, cycles, align: 16, cpuid });
/** The same with less memory, which need not be aligned. */
const narrow = (encoding: string, mnemonic: string, bits: 16 | 32 | 64, cpuid: string, exec: string, cycles: number): InsnForm =>
  insn(encoding, `${mnemonic} xmm1, xmm2/m${bits}`, { ops: 'rw:xmm r:xmm/m', exec: `vec:${exec}`, cycles, cpuid });

const approximate = (form: InsnForm): InsnForm => ({ ...form, undefined: ['approximate'] });

/** PS, PD, SS and SD of one operation (NP, 66, F3, F2). */
const four = (opcode: string, name: string, cycles: number): InsnForm[] => {
  const exec = name.toLowerCase();
  return [
    wide(`NP 0F ${opcode} /r`, `${name}PS`, 'SSE', `${exec}ps`, cycles),
    wide(`66 0F ${opcode} /r`, `${name}PD`, 'SSE2', `${exec}pd`, cycles),
    narrow(`F3 0F ${opcode} /r`, `${name}SS`, 32, 'SSE', `${exec}ss`, cycles),
    narrow(`F2 0F ${opcode} /r`, `${name}SD`, 64, 'SSE2', `${exec}sd`, cycles),
  ];
};

/** A move of 128 bits: load and store opcode. */
const move128 = (load: string, store: string, mnemonic: string, cpuid: string, align?: number): InsnForm[] => [
  insn(`${load} /r`, `${mnemonic} xmm1, xmm2/m128`, { ops: 'w:xmm r:xmm/m', exec: 'vec:mov128', cycles: 1, cpuid, align, hot: true }),
  insn(`${store} /r`, `${mnemonic} xmm2/m128, xmm1`, { ops: 'w:xmm/m r:xmm', exec: 'vec:mov128', cycles: 1, cpuid, align, hot: true }),
];

const moves: InsnForm[] = [
  ...move128('NP 0F 10', 'NP 0F 11', 'MOVUPS', 'SSE'),
  ...move128('66 0F 10', '66 0F 11', 'MOVUPD', 'SSE2'),
  ...move128('NP 0F 28', 'NP 0F 29', 'MOVAPS', 'SSE', 16),
  ...move128('66 0F 28', '66 0F 29', 'MOVAPD', 'SSE2', 16),
  ...move128('66 0F 6F', '66 0F 7F', 'MOVDQA', 'SSE2', 16),
  ...move128('F3 0F 6F', 'F3 0F 7F', 'MOVDQU', 'SSE2'),

  insn('F3 0F 10 /r reg', 'MOVSS xmm1, xmm2', { ops: 'rw:xmm r:xmm/r', exec: 'vec:movLow32', cycles: 1, cpuid: 'SSE' }),
  insn('F3 0F 10 /r mem', 'MOVSS xmm1, m32', { ops: 'w:xmm r:m', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE', hot: true }),
  insn('F3 0F 11 /r reg', 'MOVSS xmm2, xmm1', { ops: 'rw:xmm/r r:xmm', exec: 'vec:movLow32', cycles: 1, cpuid: 'SSE' }),
  insn('F3 0F 11 /r mem', 'MOVSS m32, xmm1', { ops: 'w:m r:xmm', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE', hot: true }),
  insn('F2 0F 10 /r reg', 'MOVSD xmm1, xmm2', { ops: 'rw:xmm r:xmm/r', exec: 'vec:movLow64', cycles: 1, cpuid: 'SSE2' }),
  insn('F2 0F 10 /r mem', 'MOVSD xmm1, m64', { ops: 'w:xmm r:m', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE2', hot: true }),
  insn('F2 0F 11 /r reg', 'MOVSD xmm2, xmm1', { ops: 'rw:xmm/r r:xmm', exec: 'vec:movLow64', cycles: 1, cpuid: 'SSE2' }),
  insn('F2 0F 11 /r mem', 'MOVSD m64, xmm1', { ops: 'w:m r:xmm', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE2', hot: true }),

  insn('NP 0F 12 /r reg', 'MOVHLPS xmm1, xmm2', { ops: 'rw:xmm r:xmm/r', exec: 'vec:movHighToLow', cycles: 1, cpuid: 'SSE' }),
  insn('NP 0F 12 /r mem', 'MOVLPS xmm1, m64', { ops: 'rw:xmm r:m', exec: 'vec:movLow64', cycles: 1, cpuid: 'SSE' }),
  insn('66 0F 12 /r mem', 'MOVLPD xmm1, m64', { ops: 'rw:xmm r:m', exec: 'vec:movLow64', cycles: 1, cpuid: 'SSE2' }),
  insn('NP 0F 13 /r mem', 'MOVLPS m64, xmm1', { ops: 'w:m r:xmm', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE' }),
  insn('66 0F 13 /r mem', 'MOVLPD m64, xmm1', { ops: 'w:m r:xmm', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE2' }),
  insn('NP 0F 16 /r reg', 'MOVLHPS xmm1, xmm2', { ops: 'rw:xmm r:xmm/r', exec: 'vec:movLowToHigh', cycles: 1, cpuid: 'SSE' }),
  insn('NP 0F 16 /r mem', 'MOVHPS xmm1, m64', { ops: 'rw:xmm r:m', exec: 'vec:movLowToHigh', cycles: 1, cpuid: 'SSE' }),
  insn('66 0F 16 /r mem', 'MOVHPD xmm1, m64', { ops: 'rw:xmm r:m', exec: 'vec:movLowToHigh', cycles: 1, cpuid: 'SSE2' }),
  insn('NP 0F 17 /r mem', 'MOVHPS m64, xmm1', { ops: 'w:m r:xmm', exec: 'vec:movHighToLow', cycles: 1, cpuid: 'SSE' }),
  insn('66 0F 17 /r mem', 'MOVHPD m64, xmm1', { ops: 'w:m r:xmm', exec: 'vec:movHighToLow', cycles: 1, cpuid: 'SSE2' }),
  narrow('F2 0F 12 /r', 'MOVDDUP', 64, 'SSE3', 'movddup', 1),
  wide('F3 0F 12 /r', 'MOVSLDUP', 'SSE3', 'movsldup', 1),
  wide('F3 0F 16 /r', 'MOVSHDUP', 'SSE3', 'movshdup', 1),
  insn('F2 0F F0 /r mem', 'LDDQU xmm1, m128', { ops: 'w:xmm r:m', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE3' }),

  insn('NP 0F 2B /r mem', 'MOVNTPS m128, xmm1', { ops: 'w:m r:xmm', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE', align: 16 }),
  insn('66 0F 2B /r mem', 'MOVNTPD m128, xmm1', { ops: 'w:m r:xmm', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE2', align: 16 }),
  insn('66 0F E7 /r mem', 'MOVNTDQ m128, xmm1', { ops: 'w:m r:xmm', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE2', align: 16 }),
  insn('66 0F 38 2A /r mem', 'MOVNTDQA xmm1, m128', { ops: 'w:xmm r:m', exec: 'vec:mov128', cycles: 1, cpuid: 'SSE4.1', align: 16 }),
  insn('66 0F F7 /r reg', 'MASKMOVDQU xmm1, xmm2', { ops: 'r:xmm r:xmm/r', exec: 'raw:maskmovdqu', undefined: ['masked-fault', 'alignment-check'], cycles: 10, cpuid: 'SSE2' }),

  insn('REX.W0 66 0F 6E /r', 'MOVD xmm, r/m32', { ops: 'w:xmm r:rm', exec: 'vec:movZero32', cycles: 1, cpuid: 'SSE2', hot: true }),
  insn('REX.W 66 0F 6E /r', 'MOVQ xmm, r/m64', { ops: 'w:xmm r:rm', exec: 'vec:movZero64', cycles: 1, cpuid: 'SSE2', hot: true }),
  insn('REX.W0 66 0F 7E /r', 'MOVD r/m32, xmm', { ops: 'w:rm r:xmm', exec: 'vec:movdToGpr', cycles: 1, cpuid: 'SSE2', hot: true }),
  insn('REX.W 66 0F 7E /r', 'MOVQ r/m64, xmm', { ops: 'w:rm r:xmm', exec: 'vec:movLow64', cycles: 1, cpuid: 'SSE2', hot: true }),
  insn('F3 0F 7E /r', 'MOVQ xmm1, xmm2/m64', { ops: 'w:xmm r:xmm/m', exec: 'vec:movZero64', cycles: 1, cpuid: 'SSE2', hot: true }),
  insn('66 0F D6 /r', 'MOVQ xmm2/m64, xmm1', { ops: 'w:xmm/m r:xmm', exec: 'vec:movZero64', cycles: 1, cpuid: 'SSE2', hot: true }),

  insn('NP 0F 50 /r reg', 'MOVMSKPS r32, xmm', { ops: 'w:reg r:xmm/r', exec: 'vec:movmskps', cycles: 2, cpuid: 'SSE' }),
  insn('66 0F 50 /r reg', 'MOVMSKPD r32, xmm', { ops: 'w:reg r:xmm/r', exec: 'vec:movmskpd', cycles: 2, cpuid: 'SSE2' }),
  insn('66 0F D7 /r reg', 'PMOVMSKB r32, xmm', { ops: 'w:reg r:xmm/r', exec: 'vec:pmovmskb', cycles: 2, cpuid: 'SSE2' }),
];

const arithmetic: InsnForm[] = [
  ...four('51', 'SQRT', 15),
  approximate(wide('NP 0F 52 /r', 'RSQRTPS', 'SSE', 'rsqrtps', 4)),
  approximate(narrow('F3 0F 52 /r', 'RSQRTSS', 32, 'SSE', 'rsqrtss', 4)),
  approximate(wide('NP 0F 53 /r', 'RCPPS', 'SSE', 'rcpps', 4)),
  approximate(narrow('F3 0F 53 /r', 'RCPSS', 32, 'SSE', 'rcpss', 4)),
  wide('NP 0F 54 /r', 'ANDPS', 'SSE', 'pand', 1),
  wide('66 0F 54 /r', 'ANDPD', 'SSE2', 'pand', 1),
  wide('NP 0F 55 /r', 'ANDNPS', 'SSE', 'pandn', 1),
  wide('66 0F 55 /r', 'ANDNPD', 'SSE2', 'pandn', 1),
  wide('NP 0F 56 /r', 'ORPS', 'SSE', 'por', 1),
  wide('66 0F 56 /r', 'ORPD', 'SSE2', 'por', 1),
  insn('NP 0F 57 /r', 'XORPS xmm1, xmm2/m128', { ops: 'rw:xmm r:xmm/m', exec: 'vec:pxor', cycles: 1, cpuid: 'SSE', align: 16, hot: 'reg' }),
  insn('66 0F 57 /r', 'XORPD xmm1, xmm2/m128', { ops: 'rw:xmm r:xmm/m', exec: 'vec:pxor', cycles: 1, cpuid: 'SSE2', align: 16, hot: 'reg' }),
  ...four('58', 'ADD', 3),
  ...four('59', 'MUL', 4),
  ...four('5C', 'SUB', 3),
  ...four('5D', 'MIN', 3),
  ...four('5E', 'DIV', 12),
  ...four('5F', 'MAX', 3),
  wide('66 0F 7C /r', 'HADDPD', 'SSE3', 'haddpd', 6),
  wide('F2 0F 7C /r', 'HADDPS', 'SSE3', 'haddps', 6),
  wide('66 0F 7D /r', 'HSUBPD', 'SSE3', 'hsubpd', 6),
  wide('F2 0F 7D /r', 'HSUBPS', 'SSE3', 'hsubps', 6),
  wide('66 0F D0 /r', 'ADDSUBPD', 'SSE3', 'addsubpd', 3),
  wide('F2 0F D0 /r', 'ADDSUBPS', 'SSE3', 'addsubps', 3),

  insn('NP 0F 2E /r', 'UCOMISS xmm1, xmm2/m32', { ops: 'r:xmm r:xmm/m', flags: 'w=oszapc', exec: 'vec:ucomiss', cycles: 2, cpuid: 'SSE' }),
  insn('66 0F 2E /r', 'UCOMISD xmm1, xmm2/m64', { ops: 'r:xmm r:xmm/m', flags: 'w=oszapc', exec: 'vec:ucomisd', cycles: 2, cpuid: 'SSE2' }),
  insn('NP 0F 2F /r', 'COMISS xmm1, xmm2/m32', { ops: 'r:xmm r:xmm/m', flags: 'w=oszapc', exec: 'vec:comiss', cycles: 2, cpuid: 'SSE' }),
  insn('66 0F 2F /r', 'COMISD xmm1, xmm2/m64', { ops: 'r:xmm r:xmm/m', flags: 'w=oszapc', exec: 'vec:comisd', cycles: 2, cpuid: 'SSE2' }),
  insn('NP 0F C2 /r ib', 'CMPPS xmm1, xmm2/m128, imm8', { ops: 'rw:xmm r:xmm/m r:imm8', exec: 'vec:cmpps', cycles: 3, cpuid: 'SSE', align: 16 }),
  insn('66 0F C2 /r ib', 'CMPPD xmm1, xmm2/m128, imm8', { ops: 'rw:xmm r:xmm/m r:imm8', exec: 'vec:cmppd', cycles: 3, cpuid: 'SSE2', align: 16 }),
  insn('F3 0F C2 /r ib', 'CMPSS xmm1, xmm2/m32, imm8', { ops: 'rw:xmm r:xmm/m r:imm8', exec: 'vec:cmpScalar32', cycles: 3, cpuid: 'SSE' }),
  insn('F2 0F C2 /r ib', 'CMPSD xmm1, xmm2/m64, imm8', { ops: 'rw:xmm r:xmm/m r:imm8', exec: 'vec:cmpScalar64', cycles: 3, cpuid: 'SSE2' }),
];

/** A conversion to a general register: 32 bits, and with REX.W 64. */
const toGpr = (prefix: string, opcode: string, mnemonic: string, bits: 32 | 64, cpuid: string): InsnForm[] => [
  insn(`REX.W0 ${prefix} 0F ${opcode} /r`, `${mnemonic} r32, xmm/m${bits}`, { ops: 'w:reg r:xmm/m', exec: `vec:${mnemonic.toLowerCase()}32`, cycles: 5, cpuid }),
  insn(`REX.W ${prefix} 0F ${opcode} /r`, `${mnemonic} r64, xmm/m${bits}`, { ops: 'w:reg r:xmm/m', exec: `vec:${mnemonic.toLowerCase()}64`, cycles: 5, cpuid }),
];
const fromGpr = (prefix: string, mnemonic: string, cpuid: string): InsnForm[] => [
  insn(`REX.W0 ${prefix} 0F 2A /r`, `${mnemonic} xmm, r/m32`, { ops: 'rw:xmm r:rm', exec: `vec:${mnemonic.toLowerCase()}32`, cycles: 5, cpuid }),
  insn(`REX.W ${prefix} 0F 2A /r`, `${mnemonic} xmm, r/m64`, { ops: 'rw:xmm r:rm', exec: `vec:${mnemonic.toLowerCase()}64`, cycles: 5, cpuid }),
];

const conversions: InsnForm[] = [
  ...fromGpr('F3', 'CVTSI2SS', 'SSE'),
  ...fromGpr('F2', 'CVTSI2SD', 'SSE2'),
  ...toGpr('F3', '2C', 'CVTTSS2SI', 32, 'SSE'),
  ...toGpr('F2', '2C', 'CVTTSD2SI', 64, 'SSE2'),
  ...toGpr('F3', '2D', 'CVTSS2SI', 32, 'SSE'),
  ...toGpr('F2', '2D', 'CVTSD2SI', 64, 'SSE2'),
  narrow('NP 0F 5A /r', 'CVTPS2PD', 64, 'SSE2', 'cvtps2pd', 4),
  wide('66 0F 5A /r', 'CVTPD2PS', 'SSE2', 'cvtpd2ps', 4),
  narrow('F3 0F 5A /r', 'CVTSS2SD', 32, 'SSE2', 'cvtss2sd', 4),
  narrow('F2 0F 5A /r', 'CVTSD2SS', 64, 'SSE2', 'cvtsd2ss', 4),
  wide('NP 0F 5B /r', 'CVTDQ2PS', 'SSE2', 'cvtdq2ps', 4),
  wide('66 0F 5B /r', 'CVTPS2DQ', 'SSE2', 'cvtps2dq', 4),
  wide('F3 0F 5B /r', 'CVTTPS2DQ', 'SSE2', 'cvttps2dq', 4),
  narrow('F3 0F E6 /r', 'CVTDQ2PD', 64, 'SSE2', 'cvtdq2pd', 4),
  wide('F2 0F E6 /r', 'CVTPD2DQ', 'SSE2', 'cvtpd2dq', 4),
  wide('66 0F E6 /r', 'CVTTPD2DQ', 'SSE2', 'cvttpd2dq', 4),
];

const state: InsnForm[] = [
  insn('REX.W0 NP 0F AE /0 mem', 'FXSAVE m512byte', { ops: 'w:m', exec: 'raw:fxsave', undefined: ['fault-address'], cycles: 80, cpuid: 'FXSR' }),
  insn('REX.W NP 0F AE /0 mem', 'FXSAVE64 m512byte', { ops: 'w:m', exec: 'raw:fxsave64', undefined: ['fault-address'], cycles: 80, cpuid: 'FXSR' }),
  insn('REX.W0 NP 0F AE /1 mem', 'FXRSTOR m512byte', { ops: 'r:m', exec: 'raw:fxrstor', undefined: ['fault-address'], cycles: 90, cpuid: 'FXSR' }),
  insn('REX.W NP 0F AE /1 mem', 'FXRSTOR64 m512byte', { ops: 'r:m', exec: 'raw:fxrstor64', undefined: ['fault-address'], cycles: 90, cpuid: 'FXSR' }),
  insn('NP 0F AE /2 mem', 'LDMXCSR m32', { ops: 'r:m', exec: 'raw:ldmxcsr', cycles: 5, cpuid: 'SSE' }),
  insn('NP 0F AE /3 mem', 'STMXCSR m32', { ops: 'w:m', exec: 'raw:stmxcsr', cycles: 3, cpuid: 'SSE' }),
];

/** XSAVE and its kin: with REX.W the x87 pointers have 64 bits. */
const xsave = (prefix: string, opcode: string, name: string, cpuid: string, cycles: number): InsnForm[] => [
  insn(`REX.W0 NP ${prefix} ${opcode} mem`, `${name} m`, { ops: `${name === 'XRSTOR' ? 'r' : 'w'}:m`, exec: `raw:${name.toLowerCase()}`, cycles, cpuid, bytes: 576 }),
  insn(`REX.W NP ${prefix} ${opcode} mem`, `${name}64 m`, { ops: `${name === 'XRSTOR' ? 'r' : 'w'}:m`, exec: `raw:${name.toLowerCase()}64`, cycles, cpuid, bytes: 576 }),
];
const extended: InsnForm[] = [
  ...xsave('0F AE', '/4', 'XSAVE', 'XSAVE', 100),
  ...xsave('0F AE', '/5', 'XRSTOR', 'XSAVE', 110),
  ...xsave('0F AE', '/6', 'XSAVEOPT', 'XSAVEOPT', 100),
  ...xsave('0F C7', '/4', 'XSAVEC', 'XSAVEC', 100),
];

export const forms: InsnForm[] = [...moves, ...arithmetic, ...conversions, ...state, ...extended];
