// MMX, and the instructions of SSE to SSSE3 on MMX registers (SDM vol. 1, chapter 9 and 10.4.4).

import { insn, type InsnForm } from './define.ts';

/** `NP 0F opcode`: the destination with a register or memory. The semantic function has the mnemonic's name unless `exec` is given; it may be the one that does XMM registers. */
const packed = (opcode: string, mnemonic: string, { cpuid = 'MMX', exec = mnemonic.toLowerCase(), cycles = 1, memory = 64 } = {}): InsnForm =>
  insn(`NP 0F ${opcode} /r`, `${mnemonic} mm1, mm2/m${memory}`, { ops: 'rw:mm r:mm/m', exec: `vec:${exec}`, cycles, cpuid });
const across = (opcode: string, mnemonic: string, cpuid = 'MMX', cycles = 1): InsnForm =>
  packed(opcode, mnemonic, { cpuid, exec: `${mnemonic.toLowerCase()}Mm`, cycles });
const shift = (opcode: string, group: string, digit: number, mnemonic: string): InsnForm[] => [
  packed(opcode, mnemonic),
  insn(`NP 0F ${group} /${digit} ib reg`, `${mnemonic} mm1, imm8`, { ops: 'rw:mm/r r:imm8', exec: `vec:${mnemonic.toLowerCase()}Imm`, cycles: 1, cpuid: 'MMX' }),
];
const sse = { cpuid: 'SSE' };
const ssse3 = { cpuid: 'SSSE3' };

const mmx: InsnForm[] = [
  insn('REX.W0 NP 0F 6E /r', 'MOVD mm, r/m32', { ops: 'w:mm r:rm', exec: 'vec:mov32Zero', cycles: 1, cpuid: 'MMX' }),
  insn('REX.W NP 0F 6E /r', 'MOVQ mm, r/m64', { ops: 'w:mm r:rm', exec: 'vec:mov64', cycles: 1, cpuid: 'MMX' }),
  insn('REX.W0 NP 0F 7E /r', 'MOVD r/m32, mm', { ops: 'w:rm r:mm', exec: 'vec:mov32Zero', cycles: 1, cpuid: 'MMX' }),
  insn('REX.W NP 0F 7E /r', 'MOVQ r/m64, mm', { ops: 'w:rm r:mm', exec: 'vec:mov64', cycles: 1, cpuid: 'MMX' }),
  insn('NP 0F 6F /r', 'MOVQ mm1, mm2/m64', { ops: 'w:mm r:mm/m', exec: 'vec:mov64', cycles: 1, cpuid: 'MMX' }),
  insn('NP 0F 7F /r', 'MOVQ mm2/m64, mm1', { ops: 'w:mm/m r:mm', exec: 'vec:mov64', cycles: 1, cpuid: 'MMX' }),
  insn('NP 0F 77', 'EMMS', { exec: 'raw:emms', cycles: 5, cpuid: 'MMX' }),
  packed('60', 'PUNPCKLBW', { memory: 32 }),
  packed('61', 'PUNPCKLWD', { memory: 32 }),
  packed('62', 'PUNPCKLDQ', { memory: 32 }),
  across('63', 'PACKSSWB'),
  packed('64', 'PCMPGTB'),
  packed('65', 'PCMPGTW'),
  packed('66', 'PCMPGTD'),
  across('67', 'PACKUSWB'),
  across('68', 'PUNPCKHBW'),
  across('69', 'PUNPCKHWD'),
  across('6A', 'PUNPCKHDQ'),
  across('6B', 'PACKSSDW'),
  packed('74', 'PCMPEQB'),
  packed('75', 'PCMPEQW'),
  packed('76', 'PCMPEQD'),
  ...shift('D1', '71', 2, 'PSRLW'),
  ...shift('D2', '72', 2, 'PSRLD'),
  ...shift('D3', '73', 2, 'PSRLQ'),
  ...shift('E1', '71', 4, 'PSRAW'),
  ...shift('E2', '72', 4, 'PSRAD'),
  ...shift('F1', '71', 6, 'PSLLW'),
  ...shift('F2', '72', 6, 'PSLLD'),
  ...shift('F3', '73', 6, 'PSLLQ'),
  packed('D5', 'PMULLW', { cycles: 3 }),
  packed('D8', 'PSUBUSB'),
  packed('D9', 'PSUBUSW'),
  packed('DB', 'PAND'),
  packed('DC', 'PADDUSB'),
  packed('DD', 'PADDUSW'),
  packed('DF', 'PANDN'),
  packed('E5', 'PMULHW', { cycles: 3 }),
  packed('E8', 'PSUBSB'),
  packed('E9', 'PSUBSW'),
  packed('EB', 'POR'),
  packed('EC', 'PADDSB'),
  packed('ED', 'PADDSW'),
  packed('EF', 'PXOR'),
  packed('F5', 'PMADDWD', { cycles: 3 }),
  packed('F8', 'PSUBB'),
  packed('F9', 'PSUBW'),
  packed('FA', 'PSUBD'),
  packed('FC', 'PADDB'),
  packed('FD', 'PADDW'),
  packed('FE', 'PADDD'),
];

const extensions: InsnForm[] = [
  insn('NP 0F 70 /r ib', 'PSHUFW mm1, mm2/m64, imm8', { ops: 'w:mm r:mm/m r:imm8', exec: 'vec:pshufw', cycles: 1, ...sse }),
  insn('NP 0F C4 /r ib', 'PINSRW mm, r32/m16, imm8', { ops: 'rw:mm r:rm r:imm8', exec: 'vec:pinsrwMm', cycles: 2, ...sse }),
  insn('NP 0F C5 /r ib reg', 'PEXTRW r32, mm, imm8', { ops: 'w:reg r:mm/r r:imm8', exec: 'vec:pextrwMm', cycles: 2, ...sse }),
  insn('NP 0F D7 /r reg', 'PMOVMSKB r32, mm', { ops: 'w:reg r:mm/r', exec: 'vec:pmovmskbMm', cycles: 2, ...sse }),
  insn('NP 0F E7 /r mem', 'MOVNTQ m64, mm', { ops: 'w:m r:mm', exec: 'vec:mov64', cycles: 1, ...sse }),
  insn('NP 0F F7 /r reg', 'MASKMOVQ mm1, mm2', { ops: 'r:mm r:mm/r', exec: 'raw:maskmovq', undefined: ['masked-fault', 'alignment-check'], cycles: 10, ...sse }),
  packed('DA', 'PMINUB', sse),
  packed('DE', 'PMAXUB', sse),
  packed('E0', 'PAVGB', sse),
  packed('E3', 'PAVGW', sse),
  packed('E4', 'PMULHUW', { ...sse, cycles: 3 }),
  packed('EA', 'PMINSW', sse),
  packed('EE', 'PMAXSW', sse),
  packed('F6', 'PSADBW', { ...sse, cycles: 3 }),
  packed('D4', 'PADDQ', { cpuid: 'SSE2' }),
  packed('F4', 'PMULUDQ', { cpuid: 'SSE2', cycles: 3 }),
  packed('FB', 'PSUBQ', { cpuid: 'SSE2' }),
  insn('F3 0F D6 /r reg', 'MOVQ2DQ xmm, mm', { ops: 'w:xmm r:mm/r', exec: 'vec:movZero64', cycles: 1, cpuid: 'SSE2' }),
  insn('F2 0F D6 /r reg', 'MOVDQ2Q mm, xmm', { ops: 'w:mm r:xmm/r', exec: 'vec:movLow64', cycles: 1, cpuid: 'SSE2' }),
  across('38 00', 'PSHUFB', 'SSSE3'),
  across('38 01', 'PHADDW', 'SSSE3', 3),
  across('38 02', 'PHADDD', 'SSSE3', 3),
  across('38 03', 'PHADDSW', 'SSSE3', 3),
  packed('38 04', 'PMADDUBSW', { ...ssse3, cycles: 3 }),
  across('38 05', 'PHSUBW', 'SSSE3', 3),
  across('38 06', 'PHSUBD', 'SSSE3', 3),
  across('38 07', 'PHSUBSW', 'SSSE3', 3),
  packed('38 08', 'PSIGNB', ssse3),
  packed('38 09', 'PSIGNW', ssse3),
  packed('38 0A', 'PSIGND', ssse3),
  packed('38 0B', 'PMULHRSW', { ...ssse3, cycles: 3 }),
  packed('38 1C', 'PABSB', ssse3),
  packed('38 1D', 'PABSW', ssse3),
  packed('38 1E', 'PABSD', ssse3),
  insn('NP 0F 3A 0F /r ib', 'PALIGNR mm1, mm2/m64, imm8', { ops: 'rw:mm r:mm/m r:imm8', exec: 'vec:palignrMm', cycles: 1, ...ssse3 }),
];

/** A conversion of integers that lie in memory does not touch the MMX registers, nor wait for the x87. */
const conversions: InsnForm[] = [
  insn('NP 0F 2A /r reg', 'CVTPI2PS xmm, mm', { ops: 'rw:xmm r:mm/r', exec: 'vec:cvtpi2ps', cycles: 4, cpuid: 'SSE' }),
  insn('NP 0F 2A /r mem', 'CVTPI2PS xmm, m64', { ops: 'rw:xmm r:m', exec: 'vec:cvtpi2ps', cycles: 4, cpuid: 'SSE' }),
  insn('66 0F 2A /r reg', 'CVTPI2PD xmm, mm', { ops: 'w:xmm r:mm/r', exec: 'vec:cvtdq2pd', cycles: 4, cpuid: 'SSE2' }),
  insn('66 0F 2A /r mem', 'CVTPI2PD xmm, m64', { ops: 'w:xmm r:m', exec: 'vec:cvtdq2pd', cycles: 4, cpuid: 'SSE2' }),
  insn('NP 0F 2D /r', 'CVTPS2PI mm, xmm/m64', { ops: 'w:mm r:xmm/m', exec: 'vec:cvtps2pi', cycles: 4, cpuid: 'SSE' }),
  insn('NP 0F 2C /r', 'CVTTPS2PI mm, xmm/m64', { ops: 'w:mm r:xmm/m', exec: 'vec:cvttps2pi', cycles: 4, cpuid: 'SSE' }),
  insn('66 0F 2D /r', 'CVTPD2PI mm, xmm/m128', { ops: 'w:mm r:xmm/m', exec: 'vec:cvtpd2dq', cycles: 4, cpuid: 'SSE2', align: 16 }),
  insn('66 0F 2C /r', 'CVTTPD2PI mm, xmm/m128', { ops: 'w:mm r:xmm/m', exec: 'vec:cvttpd2dq', cycles: 4, cpuid: 'SSE2', align: 16 }),
];

export const forms: InsnForm[] = [...mmx, ...extensions, ...conversions];
