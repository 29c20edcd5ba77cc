// What AVX, AVX2, FMA and F16C have that SSE has not (SDM vol. 1, chapter 14).

import { insn, type InsnForm, type Lanes } from './define.ts';
import { hex } from './families.ts';

type Bits = '128' | '256';
const both: Bits[] = ['128', '256'];
/** Register name of that width. */
const v = (bits: Bits): string => (bits === '256' ? 'ymm' : 'xmm');

/** `VEX.bits.66.map.w opcode`, from a register or memory. */
const unary = (bits: Bits, opcode: string, syntax: string, cpuid: string, exec: string, lanes?: Lanes, cycles = 1): InsnForm =>
  insn(`VEX.${bits}.66.${opcode}`, syntax, { ops: opcode.endsWith(' ib') ? 'w:xmm r:xmm/m r:imm8' : 'w:xmm r:xmm/m', exec: `vex:${exec}`, cycles, cpuid, lanes });
/** The same with a second source in VEX.vvvv. */
const binary = (bits: Bits, opcode: string, mnemonic: string, cpuid: string, exec: string, lanes?: Lanes, cycles = 1): InsnForm =>
  insn(`VEX.${bits}.66.${opcode}`, `${mnemonic} ${v(bits)}1, ${v(bits)}2, ${v(bits)}3/m${bits}${opcode.endsWith(' ib') ? ', imm8' : ''}`, {
    ops: `w:xmm r:xmmv r:xmm/m${opcode.endsWith(' ib') ? ' r:imm8' : ''}`, exec: `vex:${exec}`, cycles, cpuid, lanes,
  });

const same: Lanes = { source: 0 }, once: Lanes = { once: true };

/** A broadcast of an element: from memory since AVX, from a register since AVX2. */
const broadcast = (bits: Bits, opcode: string, mnemonic: string, width: number, exec: string, memory: string): InsnForm[] => [
  insn(`VEX.${bits}.66.0F38.W0 ${opcode} /r mem`, `${mnemonic} ${v(bits)}1, m${width}`, { ops: 'w:xmm r:m', exec: `vex:${exec}`, cycles: 1, cpuid: memory, lanes: same }),
  insn(`VEX.${bits}.66.0F38.W0 ${opcode} /r reg`, `${mnemonic} ${v(bits)}1, xmm2`, { ops: 'w:xmm r:xmm/r', exec: `vex:${exec}`, cycles: 1, cpuid: 'AVX2', lanes: same }),
];

const permutes: InsnForm[] = [
  ...both.flatMap(bits => [
    ...broadcast(bits, '18', 'VBROADCASTSS', 32, 'broadcast32', 'AVX'),
    ...broadcast(bits, '78', 'VPBROADCASTB', 8, 'broadcast8', 'AVX2'),
    ...broadcast(bits, '79', 'VPBROADCASTW', 16, 'broadcast16', 'AVX2'),
    ...broadcast(bits, '58', 'VPBROADCASTD', 32, 'broadcast32', 'AVX2'),
    ...broadcast(bits, '59', 'VPBROADCASTQ', 64, 'broadcast64', 'AVX2'),
    binary(bits, '0F38.W0 0C /r', 'VPERMILPS', 'AVX', 'vpermilps'),
    binary(bits, '0F38.W0 0D /r', 'VPERMILPD', 'AVX', 'vpermilpd'),
    unary(bits, '0F3A.W0 04 /r ib', `VPERMILPS ${v(bits)}1, ${v(bits)}2/m${bits}, imm8`, 'AVX', 'pshufd'),
    unary(bits, '0F3A.W0 05 /r ib', `VPERMILPD ${v(bits)}1, ${v(bits)}2/m${bits}, imm8`, 'AVX', 'vpermilpdImm', { immediate: 2 }),
    binary(bits, '0F3A.W0 02 /r ib', 'VPBLENDD', 'AVX2', 'blendps', { immediate: 4 }),
    binary(bits, '0F38.W0 45 /r', 'VPSRLVD', 'AVX2', 'vpsrlvd'),
    binary(bits, '0F38.W1 45 /r', 'VPSRLVQ', 'AVX2', 'vpsrlvq'),
    binary(bits, '0F38.W0 46 /r', 'VPSRAVD', 'AVX2', 'vpsravd'),
    binary(bits, '0F38.W0 47 /r', 'VPSLLVD', 'AVX2', 'vpsllvd'),
    binary(bits, '0F38.W1 47 /r', 'VPSLLVQ', 'AVX2', 'vpsllvq'),
  ]),
  ...broadcast('256', '19', 'VBROADCASTSD', 64, 'broadcast64', 'AVX'),
  insn('VEX.256.66.0F38.W0 1A /r mem', 'VBROADCASTF128 ymm1, m128', { ops: 'w:xmm r:m', exec: 'vex:mov128', cycles: 1, cpuid: 'AVX', lanes: same }),
  insn('VEX.256.66.0F38.W0 5A /r mem', 'VBROADCASTI128 ymm1, m128', { ops: 'w:xmm r:m', exec: 'vex:mov128', cycles: 1, cpuid: 'AVX2', lanes: same }),
  ...([['18', '19', '06', 'F', 'AVX'], ['38', '39', '46', 'I', 'AVX2']] as const).flatMap(([insert, extract, permute, letter, cpuid]) => [
    insn(`VEX.256.66.0F3A.W0 ${insert} /r ib`, `VINSERT${letter}128 ymm1, ymm2, xmm3/m128, imm8`, { ops: 'w:xmm r:xmmv r:xmm/m r:imm8', exec: 'vex:insert128', cycles: 3, cpuid, lanes: once }),
    insn(`VEX.256.66.0F3A.W0 ${extract} /r ib`, `VEXTRACT${letter}128 xmm1/m128, ymm2, imm8`, { ops: 'w:xmm/m r:xmm r:imm8', exec: 'vex:extract128', cycles: 3, cpuid, lanes: { once: true, result: 8 } }),
    binary('256', `0F3A.W0 ${permute} /r ib`, `VPERM2${letter}128`, cpuid, 'permute128', once, 3),
  ]),
  binary('256', '0F38.W0 36 /r', 'VPERMD', 'AVX2', 'vpermd', once, 3),
  binary('256', '0F38.W0 16 /r', 'VPERMPS', 'AVX2', 'vpermd', once, 3),
  unary('256', '0F3A.W1 00 /r ib', 'VPERMQ ymm1, ymm2/m256, imm8', 'AVX2', 'vpermq', once, 3),
  unary('256', '0F3A.W1 01 /r ib', 'VPERMPD ymm1, ymm2/m256, imm8', 'AVX2', 'vpermq', once, 3),
];

/** Masked loads and stores of elements, and gathers: raw, because they touch memory element by element. */
const masked = (bits: Bits, w: string, load: string, store: string, mnemonic: string, type: string, cpuid: string): InsnForm[] => [
  insn(`VEX.${bits}.66.0F38.${w} ${load} /r mem`, `${mnemonic} ${v(bits)}1, ${v(bits)}2, m${bits}`, { ops: 'w:xmm r:xmmv r:m', exec: `raw:maskLoad${bits}<${type}>`, undefined: ['masked-fault'], cycles: 3, cpuid, bytes: 0 }),
  insn(`VEX.${bits}.66.0F38.${w} ${store} /r mem`, `${mnemonic} m${bits}, ${v(bits)}1, ${v(bits)}2`, { ops: 'w:m r:xmmv r:xmm', exec: `raw:maskStore${bits}<${type}>`, undefined: ['masked-fault'], cycles: 5, cpuid, bytes: 0 }),
];
/** Index and element type; `narrow`: quadword indices of doublewords give half a register. */
const gather = (bits: Bits, w: string, opcode: string, mnemonic: string, index: 'i32' | 'i64', type: 'u32' | 'u64'): InsnForm => {
  const [data, indices] = index === 'i64' && type === 'u32' ? ['xmm', v(bits)] : index === 'i32' && type === 'u64' ? [v(bits), 'xmm'] : [v(bits), v(bits)];
  return insn(`VEX.${bits}.66.0F38.${w} ${opcode} /r mem`, `${mnemonic} ${data}1, vm${index.slice(1)}${indices[0]}, ${data}2`, {
    ops: 'rw:xmm r:vm rw:xmmv', exec: `raw:gather${bits}<${index},${type}>`, cycles: 12, cpuid: 'AVX2',
  });
};
const memory: InsnForm[] = both.flatMap(bits => [
  ...masked(bits, 'W0', '2C', '2E', 'VMASKMOVPS', 'u32', 'AVX'),
  ...masked(bits, 'W0', '2D', '2F', 'VMASKMOVPD', 'u64', 'AVX'),
  ...masked(bits, 'W0', '8C', '8E', 'VPMASKMOVD', 'u32', 'AVX2'),
  ...masked(bits, 'W1', '8C', '8E', 'VPMASKMOVQ', 'u64', 'AVX2'),
  gather(bits, 'W0', '90', 'VPGATHERDD', 'i32', 'u32'),
  gather(bits, 'W1', '90', 'VPGATHERDQ', 'i32', 'u64'),
  gather(bits, 'W0', '91', 'VPGATHERQD', 'i64', 'u32'),
  gather(bits, 'W1', '91', 'VPGATHERQQ', 'i64', 'u64'),
  gather(bits, 'W0', '92', 'VGATHERDPS', 'i32', 'u32'),
  gather(bits, 'W1', '92', 'VGATHERDPD', 'i32', 'u64'),
  gather(bits, 'W0', '93', 'VGATHERQPS', 'i64', 'u32'),
  gather(bits, 'W1', '93', 'VGATHERQPD', 'i64', 'u64'),
]);

// The order of a fused multiply-add's operands (the digits in the name say which are multiplied: 132, 213, 231), and what is negated: sem/fma.ts reads these bits.
const orders = [['132', 0x90], ['213', 0xa0], ['231', 0xb0]] as const;
const kinds = [['FMADDSUB', 6, 8], ['FMSUBADD', 7, 16], ['FMADD', 8, 0], ['FMSUB', 10, 24], ['FNMADD', 12, 4], ['FNMSUB', 14, 28]] as const;
const fma: InsnForm[] = orders.flatMap(([digits, base], order) =>
  kinds.flatMap(([name, low, negate]) =>
    ([['W0', 'u32', 'S', 32], ['W1', 'u64', 'D', 64]] as const).flatMap(([w, type, letter, width]) => {
      const info = { ops: 'rw:xmm r:xmmv r:xmm/m', cycles: 4, cpuid: 'FMA', cc: order | negate };
      const packed = both.map(bits =>
        insn(`VEX.${bits}.66.0F38.${w} ${hex(base + low)} /r`, `V${name}${digits}P${letter} ${v(bits)}1, ${v(bits)}2, ${v(bits)}3/m${bits}`, {
          ...info, exec: `vex:fmaPacked<${type}>`, lanes: { fp: true },
        }),
      );
      if (low < 8) return packed;
      return [...packed, insn(`VEX.LIG.66.0F38.${w} ${hex(base + low + 1)} /r`, `V${name}${digits}S${letter} xmm1, xmm2, xmm3/m${width}`, { ...info, exec: `vex:fmaScalar<${type}>` })];
    }),
  ),
);

const half: InsnForm[] = [
  insn('VEX.128.66.0F38.W0 13 /r', 'VCVTPH2PS xmm1, xmm2/m64', { ops: 'w:xmm r:xmm/m', exec: 'vex:vcvtph2ps', cycles: 4, cpuid: 'F16C' }),
  insn('VEX.256.66.0F38.W0 13 /r', 'VCVTPH2PS ymm1, xmm2/m128', { ops: 'w:xmm r:xmm/m', exec: 'vex:vcvtph2ps', cycles: 4, cpuid: 'F16C', lanes: { source: 8, fp: true } }),
  insn('VEX.128.66.0F3A.W0 1D /r ib', 'VCVTPS2PH xmm1/m64, xmm2, imm8', { ops: 'w:xmm/m r:xmm r:imm8', exec: 'vex:vcvtps2ph', undefined: ['late-fault'], cycles: 4, cpuid: 'F16C', lanes: { fp: true } }),
  insn('VEX.256.66.0F3A.W0 1D /r ib', 'VCVTPS2PH xmm1/m128, ymm2, imm8', { ops: 'w:xmm/m r:xmm r:imm8', exec: 'vex:vcvtps2ph', undefined: ['late-fault'], cycles: 4, cpuid: 'F16C', lanes: { result: 8, fp: true } }),
];

const state: InsnForm[] = [
  insn('VEX.128.0F.WIG 77', 'VZEROUPPER', { exec: 'raw:vzeroupper', cycles: 1, cpuid: 'AVX' }),
  insn('VEX.256.0F.WIG 77', 'VZEROALL', { exec: 'raw:vzeroall', cycles: 8, cpuid: 'AVX' }),
];

export const forms: InsnForm[] = [...permutes, ...memory, ...fma, ...half, ...state];
