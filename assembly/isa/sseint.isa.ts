// Packed integers on XMM registers: SSE2, SSSE3, SSE4.1, SSE4.2 (SDM vol. 1, chapters 11 and 12).

import { insn, type InsnForm } from './define.ts';

/** `66 0F opcode`: the destination with a register or aligned memory. The semantic function has the mnemonic's name unless `exec` is given. */
const packed = (opcode: string, mnemonic: string, cpuid: string, { exec = mnemonic.toLowerCase(), cycles = 1 } = {}): InsnForm =>
  insn(`66 0F ${opcode} /r`, `${mnemonic} xmm1, xmm2/m128`, { ops: 'rw:xmm r:xmm/m', exec: `vec:${exec}`, cycles, align: 16, cpuid });
const withImmediate = (encoding: string, mnemonic: string, cpuid: string, cycles = 1): InsnForm =>
  insn(`${encoding} /r ib`, `${mnemonic} xmm1, xmm2/m128, imm8`, { ops: 'rw:xmm r:xmm/m r:imm8', exec: `vec:${mnemonic.toLowerCase()}`, cycles, align: 16, cpuid });
const shiftImmediate = (opcode: string, digit: number, mnemonic: string): InsnForm =>
  insn(`66 0F ${opcode} /${digit} ib reg`, `${mnemonic} xmm1, imm8`, { ops: 'rw:xmm/r r:imm8', exec: `vec:${mnemonic.toLowerCase()}Imm`, cycles: 1, cpuid: 'SSE2' });
/** An unpack that SSE's floating-point names share. */
const unpack = (prefix: string, opcode: string, mnemonic: string, cpuid: string, exec: string): InsnForm =>
  insn(`${prefix} 0F ${opcode} /r`, `${mnemonic} xmm1, xmm2/m128`, { ops: 'rw:xmm r:xmm/m', exec: `vec:${exec}`, cycles: 1, align: 16, cpuid });

const sse2: InsnForm[] = [
  unpack('NP', '14', 'UNPCKLPS', 'SSE', 'punpckldq'),
  unpack('66', '14', 'UNPCKLPD', 'SSE2', 'punpcklqdq'),
  unpack('NP', '15', 'UNPCKHPS', 'SSE', 'punpckhdq'),
  unpack('66', '15', 'UNPCKHPD', 'SSE2', 'punpckhqdq'),
  packed('60', 'PUNPCKLBW', 'SSE2'),
  packed('61', 'PUNPCKLWD', 'SSE2'),
  packed('62', 'PUNPCKLDQ', 'SSE2'),
  packed('63', 'PACKSSWB', 'SSE2'),
  packed('64', 'PCMPGTB', 'SSE2'),
  packed('65', 'PCMPGTW', 'SSE2'),
  packed('66', 'PCMPGTD', 'SSE2'),
  packed('67', 'PACKUSWB', 'SSE2'),
  packed('68', 'PUNPCKHBW', 'SSE2'),
  packed('69', 'PUNPCKHWD', 'SSE2'),
  packed('6A', 'PUNPCKHDQ', 'SSE2'),
  packed('6B', 'PACKSSDW', 'SSE2'),
  packed('6C', 'PUNPCKLQDQ', 'SSE2'),
  packed('6D', 'PUNPCKHQDQ', 'SSE2'),
  withImmediate('66 0F 70', 'PSHUFD', 'SSE2'),
  withImmediate('F3 0F 70', 'PSHUFHW', 'SSE2'),
  withImmediate('F2 0F 70', 'PSHUFLW', 'SSE2'),
  withImmediate('NP 0F C6', 'SHUFPS', 'SSE'),
  withImmediate('66 0F C6', 'SHUFPD', 'SSE2'),
  shiftImmediate('71', 2, 'PSRLW'),
  shiftImmediate('71', 4, 'PSRAW'),
  shiftImmediate('71', 6, 'PSLLW'),
  shiftImmediate('72', 2, 'PSRLD'),
  shiftImmediate('72', 4, 'PSRAD'),
  shiftImmediate('72', 6, 'PSLLD'),
  shiftImmediate('73', 2, 'PSRLQ'),
  shiftImmediate('73', 3, 'PSRLDQ'),
  shiftImmediate('73', 6, 'PSLLQ'),
  shiftImmediate('73', 7, 'PSLLDQ'),
  packed('74', 'PCMPEQB', 'SSE2'),
  packed('75', 'PCMPEQW', 'SSE2'),
  packed('76', 'PCMPEQD', 'SSE2'),
  insn('66 0F C4 /r ib', 'PINSRW xmm, r32/m16, imm8', { ops: 'rw:xmm r:rm r:imm8', exec: 'vec:pinsrw', cycles: 2, cpuid: 'SSE2' }),
  insn('66 0F C5 /r ib reg', 'PEXTRW r32, xmm, imm8', { ops: 'w:reg r:xmm/r r:imm8', exec: 'vec:pextrw', cycles: 2, cpuid: 'SSE2' }),
  packed('D1', 'PSRLW', 'SSE2'),
  packed('D2', 'PSRLD', 'SSE2'),
  packed('D3', 'PSRLQ', 'SSE2'),
  packed('D4', 'PADDQ', 'SSE2'),
  packed('D5', 'PMULLW', 'SSE2', { cycles: 3 }),
  packed('D8', 'PSUBUSB', 'SSE2'),
  packed('D9', 'PSUBUSW', 'SSE2'),
  packed('DA', 'PMINUB', 'SSE2'),
  packed('DB', 'PAND', 'SSE2'),
  packed('DC', 'PADDUSB', 'SSE2'),
  packed('DD', 'PADDUSW', 'SSE2'),
  packed('DE', 'PMAXUB', 'SSE2'),
  packed('DF', 'PANDN', 'SSE2'),
  packed('E0', 'PAVGB', 'SSE2'),
  packed('E1', 'PSRAW', 'SSE2'),
  packed('E2', 'PSRAD', 'SSE2'),
  packed('E3', 'PAVGW', 'SSE2'),
  packed('E4', 'PMULHUW', 'SSE2', { cycles: 3 }),
  packed('E5', 'PMULHW', 'SSE2', { cycles: 3 }),
  packed('E8', 'PSUBSB', 'SSE2'),
  packed('E9', 'PSUBSW', 'SSE2'),
  packed('EA', 'PMINSW', 'SSE2'),
  packed('EB', 'POR', 'SSE2'),
  packed('EC', 'PADDSB', 'SSE2'),
  packed('ED', 'PADDSW', 'SSE2'),
  packed('EE', 'PMAXSW', 'SSE2'),
  insn('66 0F EF /r', 'PXOR xmm1, xmm2/m128', { ops: 'rw:xmm r:xmm/m', exec: 'vec:pxor', cycles: 1, cpuid: 'SSE2', align: 16, hot: 'reg' }),
  packed('F1', 'PSLLW', 'SSE2'),
  packed('F2', 'PSLLD', 'SSE2'),
  packed('F3', 'PSLLQ', 'SSE2'),
  packed('F4', 'PMULUDQ', 'SSE2', { cycles: 3 }),
  packed('F5', 'PMADDWD', 'SSE2', { cycles: 3 }),
  packed('F6', 'PSADBW', 'SSE2', { cycles: 3 }),
  packed('F8', 'PSUBB', 'SSE2'),
  packed('F9', 'PSUBW', 'SSE2'),
  packed('FA', 'PSUBD', 'SSE2'),
  packed('FB', 'PSUBQ', 'SSE2'),
  packed('FC', 'PADDB', 'SSE2'),
  packed('FD', 'PADDW', 'SSE2'),
  packed('FE', 'PADDD', 'SSE2'),
];

const ssse3: InsnForm[] = [
  packed('38 00', 'PSHUFB', 'SSSE3'),
  packed('38 01', 'PHADDW', 'SSSE3', { cycles: 3 }),
  packed('38 02', 'PHADDD', 'SSSE3', { cycles: 3 }),
  packed('38 03', 'PHADDSW', 'SSSE3', { cycles: 3 }),
  packed('38 04', 'PMADDUBSW', 'SSSE3', { cycles: 3 }),
  packed('38 05', 'PHSUBW', 'SSSE3', { cycles: 3 }),
  packed('38 06', 'PHSUBD', 'SSSE3', { cycles: 3 }),
  packed('38 07', 'PHSUBSW', 'SSSE3', { cycles: 3 }),
  packed('38 08', 'PSIGNB', 'SSSE3'),
  packed('38 09', 'PSIGNW', 'SSSE3'),
  packed('38 0A', 'PSIGND', 'SSSE3'),
  packed('38 0B', 'PMULHRSW', 'SSSE3', { cycles: 3 }),
  packed('38 1C', 'PABSB', 'SSSE3'),
  packed('38 1D', 'PABSW', 'SSSE3'),
  packed('38 1E', 'PABSD', 'SSSE3'),
  withImmediate('66 0F 3A 0F', 'PALIGNR', 'SSSE3'),
];

/** PMOVSX and PMOVZX read only as many bytes as they widen. */
const widen = (opcode: string, mnemonic: string, bits: number): InsnForm =>
  insn(`66 0F 38 ${opcode} /r`, `${mnemonic} xmm1, xmm2/m${bits}`, { ops: 'w:xmm r:xmm/m', exec: `vec:${mnemonic.toLowerCase()}`, cycles: 1, cpuid: 'SSE4.1' });
const blendByXmm0 = (opcode: string, mnemonic: string): InsnForm =>
  insn(`66 0F 38 ${opcode} /r`, `${mnemonic} xmm1, xmm2/m128, <XMM0>`, { ops: 'rw:xmm r:xmm/m r:xmm0', exec: `vec:${mnemonic.toLowerCase()}`, cycles: 1, align: 16, cpuid: 'SSE4.1' });
const widths = [['BW', 64], ['BD', 32], ['BQ', 16], ['WD', 64], ['WQ', 32], ['DQ', 64]] as const;

const sse41: InsnForm[] = [
  blendByXmm0('10', 'PBLENDVB'),
  blendByXmm0('14', 'BLENDVPS'),
  blendByXmm0('15', 'BLENDVPD'),
  packed('38 17', 'PTEST', 'SSE4.1', { cycles: 2 }),
  ...widths.map(([letters, bits], i) => widen(`2${i}`, `PMOVSX${letters}`, bits)),
  packed('38 28', 'PMULDQ', 'SSE4.1', { cycles: 3 }),
  packed('38 29', 'PCMPEQQ', 'SSE4.1'),
  packed('38 2B', 'PACKUSDW', 'SSE4.1'),
  ...widths.map(([letters, bits], i) => widen(`3${i}`, `PMOVZX${letters}`, bits)),
  packed('38 38', 'PMINSB', 'SSE4.1'),
  packed('38 39', 'PMINSD', 'SSE4.1'),
  packed('38 3A', 'PMINUW', 'SSE4.1'),
  packed('38 3B', 'PMINUD', 'SSE4.1'),
  packed('38 3C', 'PMAXSB', 'SSE4.1'),
  packed('38 3D', 'PMAXSD', 'SSE4.1'),
  packed('38 3E', 'PMAXUW', 'SSE4.1'),
  packed('38 3F', 'PMAXUD', 'SSE4.1'),
  packed('38 40', 'PMULLD', 'SSE4.1', { cycles: 4 }),
  packed('38 41', 'PHMINPOSUW', 'SSE4.1', { cycles: 4 }),
  withImmediate('66 0F 3A 08', 'ROUNDPS', 'SSE4.1', 6),
  withImmediate('66 0F 3A 09', 'ROUNDPD', 'SSE4.1', 6),
  insn('66 0F 3A 0A /r ib', 'ROUNDSS xmm1, xmm2/m32, imm8', { ops: 'rw:xmm r:xmm/m r:imm8', exec: 'vec:roundss', cycles: 6, cpuid: 'SSE4.1' }),
  insn('66 0F 3A 0B /r ib', 'ROUNDSD xmm1, xmm2/m64, imm8', { ops: 'rw:xmm r:xmm/m r:imm8', exec: 'vec:roundsd', cycles: 6, cpuid: 'SSE4.1' }),
  withImmediate('66 0F 3A 0C', 'BLENDPS', 'SSE4.1'),
  withImmediate('66 0F 3A 0D', 'BLENDPD', 'SSE4.1'),
  withImmediate('66 0F 3A 0E', 'PBLENDW', 'SSE4.1'),
  insn('66 0F 3A 14 /r ib', 'PEXTRB r32/m8, xmm, imm8', { ops: 'w:rm r:xmm r:imm8', exec: 'vec:pextrb', cycles: 2, cpuid: 'SSE4.1' }),
  insn('66 0F 3A 15 /r ib', 'PEXTRW r32/m16, xmm, imm8', { ops: 'w:rm r:xmm r:imm8', exec: 'vec:pextrw', cycles: 2, cpuid: 'SSE4.1' }),
  insn('REX.W0 66 0F 3A 16 /r ib', 'PEXTRD r/m32, xmm, imm8', { ops: 'w:rm r:xmm r:imm8', exec: 'vec:pextrd', cycles: 2, cpuid: 'SSE4.1' }),
  insn('REX.W 66 0F 3A 16 /r ib', 'PEXTRQ r/m64, xmm, imm8', { ops: 'w:rm r:xmm r:imm8', exec: 'vec:pextrq', cycles: 2, cpuid: 'SSE4.1' }),
  insn('66 0F 3A 17 /r ib', 'EXTRACTPS r/m32, xmm, imm8', { ops: 'w:rm r:xmm r:imm8', exec: 'vec:pextrd', cycles: 2, cpuid: 'SSE4.1' }),
  insn('66 0F 3A 20 /r ib', 'PINSRB xmm, r32/m8, imm8', { ops: 'rw:xmm r:rm r:imm8', exec: 'vec:pinsrb', cycles: 2, cpuid: 'SSE4.1' }),
  insn('66 0F 3A 21 /r ib reg', 'INSERTPS xmm1, xmm2, imm8', { ops: 'rw:xmm r:xmm/r r:imm8', exec: 'vec:insertpsReg', cycles: 1, cpuid: 'SSE4.1' }),
  insn('66 0F 3A 21 /r ib mem', 'INSERTPS xmm1, m32, imm8', { ops: 'rw:xmm r:m r:imm8', exec: 'vec:insertpsMem', cycles: 1, cpuid: 'SSE4.1' }),
  insn('REX.W0 66 0F 3A 22 /r ib', 'PINSRD xmm, r/m32, imm8', { ops: 'rw:xmm r:rm r:imm8', exec: 'vec:pinsrd', cycles: 2, cpuid: 'SSE4.1' }),
  insn('REX.W 66 0F 3A 22 /r ib', 'PINSRQ xmm, r/m64, imm8', { ops: 'rw:xmm r:rm r:imm8', exec: 'vec:pinsrq', cycles: 2, cpuid: 'SSE4.1' }),
  { ...withImmediate('66 0F 3A 40', 'DPPS', 'SSE4.1', 12), undefined: ['nan-choice'] },
  { ...withImmediate('66 0F 3A 41', 'DPPD', 'SSE4.1', 9), undefined: ['nan-choice'] },
  withImmediate('66 0F 3A 42', 'MPSADBW', 'SSE4.1', 4),
];

/** The string comparisons take unaligned memory. */
const strings = (encoding: string, mnemonic: string, exec: string): InsnForm =>
  insn(`${encoding} /r ib`, `${mnemonic} xmm1, xmm2/m128, imm8`, { ops: 'r:xmm r:xmm/m r:imm8', flags: 'w=oszapc', exec: `vec:${exec}`, cycles: 10, cpuid: 'SSE4.2' });

const sse42: InsnForm[] = [
  packed('38 37', 'PCMPGTQ', 'SSE4.2', { cycles: 3 }),
  strings('REX.W0 66 0F 3A 60', 'PCMPESTRM', 'pcmpestrm'),
  strings('REX.W 66 0F 3A 60', 'PCMPESTRM', 'pcmpestrm64'),
  strings('REX.W0 66 0F 3A 61', 'PCMPESTRI', 'pcmpestri'),
  strings('REX.W 66 0F 3A 61', 'PCMPESTRI', 'pcmpestri64'),
  strings('66 0F 3A 62', 'PCMPISTRM', 'pcmpistrm'),
  strings('66 0F 3A 63', 'PCMPISTRI', 'pcmpistri'),
];

/** SHA takes unaligned memory on AMD's processors; the SDM's exception class 4 would have it aligned. */
const sha = (opcode: string, mnemonic: string): InsnForm =>
  insn(`NP 0F 38 ${opcode} /r`, `${mnemonic} xmm1, xmm2/m128`, { ops: 'rw:xmm r:xmm/m', exec: `vec:${mnemonic.toLowerCase()}`, cycles: 4, cpuid: 'SHA' });

const crypto: InsnForm[] = [
  withImmediate('66 0F 3A 44', 'PCLMULQDQ', 'PCLMULQDQ', 6),
  packed('38 DB', 'AESIMC', 'AES', { cycles: 8 }),
  packed('38 DC', 'AESENC', 'AES', { cycles: 4 }),
  packed('38 DD', 'AESENCLAST', 'AES', { cycles: 4 }),
  packed('38 DE', 'AESDEC', 'AES', { cycles: 4 }),
  packed('38 DF', 'AESDECLAST', 'AES', { cycles: 4 }),
  withImmediate('66 0F 3A DF', 'AESKEYGENASSIST', 'AES', 12),
  sha('C8', 'SHA1NEXTE'),
  sha('C9', 'SHA1MSG1'),
  sha('CA', 'SHA1MSG2'),
  insn('NP 0F 38 CB /r', 'SHA256RNDS2 xmm1, xmm2/m128, <XMM0>', { ops: 'rw:xmm r:xmm/m r:xmm0', exec: 'vec:sha256rnds2', cycles: 4, cpuid: 'SHA' }),
  sha('CC', 'SHA256MSG1'),
  sha('CD', 'SHA256MSG2'),
  insn('NP 0F 3A CC /r ib', 'SHA1RNDS4 xmm1, xmm2/m128, imm8', { ops: 'rw:xmm r:xmm/m r:imm8', exec: 'vec:sha1rnds4', cycles: 5, cpuid: 'SHA' }),
];

export const forms: InsnForm[] = [...sse2, ...ssse3, ...sse41, ...sse42, ...crypto];
