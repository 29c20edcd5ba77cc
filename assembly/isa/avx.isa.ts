// The VEX-encoded forms of SSE (SDM vol. 1, 14.1 and 14.6): derived from the SSE records, which say what one 128-bit lane does.

import { insn, type InsnForm, type Lanes } from './define.ts';
import { forms as sse } from './sse.isa.ts';
import { forms as sseInteger } from './sseint.isa.ts';

/** Instructions whose SSE record has a destination that is only written, or that VEX does not give a second source. */
const unary = new Set(
  `SQRTPS SQRTPD RSQRTPS RCPPS MOVDDUP MOVSLDUP MOVSHDUP CVTPS2PD CVTPD2PS CVTDQ2PS CVTPS2DQ CVTTPS2DQ CVTDQ2PD CVTPD2DQ CVTTPD2DQ PSHUFD PSHUFHW PSHUFLW PABSB PABSW PABSD
   PHMINPOSUW AESIMC AESKEYGENASSIST ROUNDPS ROUNDPD`.split(/\s+/),
);
/** Full-width instructions that exist for 128 bits only. */
const only128 = new Set('DPPD PHMINPOSUW AESIMC AESENC AESENCLAST AESDEC AESDECLAST AESKEYGENASSIST PCLMULQDQ PCMPESTRM PCMPESTRI PCMPISTRM PCMPISTRI'.split(' '));
/** Forms that VEX encodes in another way, or not at all. */
const apart = new Set('PBLENDVB BLENDVPS BLENDVPD CMPPS CMPPD CMPSS CMPSD PTEST MOVMSKPS MOVMSKPD PMOVMSKB FXSAVE FXSAVE64 FXRSTOR FXRSTOR64 XSAVE XSAVE64 XRSTOR XRSTOR64 XSAVEOPT XSAVEOPT64 XSAVEC XSAVEC64 DPPS'.split(' '));
/** Scalar instructions ignore VEX.L; the other narrow ones want it clear. */
const scalar = /^(ADD|SUB|MUL|DIV|MIN|MAX|SQRT|RCP|RSQRT|ROUND|CMP|MOV|COMI|UCOMI)S[SD]$|^CVT.*S[SD]/;
/** Forms with an operand of a general register's size: VEX.W takes the place of REX.W. */
const byW = /^(MOVD|MOVQ|PINSRD|PINSRQ|PEXTRD|PEXTRQ|CVTSI2SS|CVTSI2SD|CVTT?S[SD]2SI)$/;
/** What computes in floating point and so reports exceptions. */
const floating = /^(ADD|SUB|MUL|DIV|MIN|MAX|SQRT|CMP|ROUND|HADD|HSUB|ADDSUB)P[SD]$|^CVT/;
const aligned = /^MOV(APS|APD|DQA|NTPS|NTPD|NTDQ|NTDQA)$/;

const lanesOf = (name: string): Lanes => {
  const narrowed = /^PMOV[SZ]X(..)$/.exec(name)?.[1];
  if (narrowed) return { source: ({ BW: 8, BD: 4, BQ: 2, WD: 8, WQ: 4, DQ: 8 } as const)[narrowed as 'BW'] };
  if (name === 'CVTPS2PD' || name === 'CVTDQ2PD') return { source: 8, fp: true };
  if (/^CVTT?PD2/.test(name)) return { result: 8, fp: true };
  if (/^PS(LL|RL|RA)[WDQ]$/.test(name)) return { source: 0 };
  const immediate = { SHUFPD: 2, BLENDPD: 2, BLENDPS: 4, MPSADBW: 3 }[name];
  return { ...(immediate ? { immediate } : {}), ...(floating.test(name) ? { fp: true } : {}) };
};

/** The operands of a record under VEX: places and syntax. */
function operandsOf(name: string, ops: string, texts: string[]): [string, string[]] {
  const places = ops.split(' ');
  if (/^PS(LL|RL|RA)\w+$/.test(name) && places[0] === 'rw:xmm/r') return ['w:xmmv r:xmm/r r:imm8', ['xmm1', 'xmm2', 'imm8']];
  const three = places[0].startsWith('rw:xmm') && !unary.has(name);
  if (!three) return [ops.replace(/^rw:/, 'w:'), texts];
  const [first, ...rest] = places;
  return [[first.replace('rw:', 'w:'), 'r:xmmv', ...rest].join(' '), [texts[0].replace(/^xmm$/, 'xmm1'), 'xmm2', ...texts.slice(1).map(t => t.replace(/^xmm[12]/, 'xmm3'))]];
}

function derive(form: InsnForm): InsnForm[] {
  const m = /^(?:(REX\.W0|REX\.W) )?(NP|66|F3|F2) 0F (?:(38|3A) )?([0-9A-F]{2} .*)$/.exec(form.encoding);
  const [name] = form.syntax.split(' ');
  if (!m || apart.has(name) || form.cpuid === 'SHA') return [];
  const { encoding: _encoding, syntax: _syntax, ...info } = form;
  const [, rex, prefix, map = '', rest] = m;
  const [ops, texts] = operandsOf(name, form.ops ?? '', form.syntax.slice(name.length + 1).split(', '));
  const feature = form.cpuid === 'AES' || form.cpuid === 'PCLMULQDQ' ? form.cpuid : 'AVX';
  const w = rex && byW.test(name) ? (rex === 'REX.W' ? 'W1' : 'W0') : 'WIG';
  // PCMPxSTRx with W is for 64-bit lengths; PINSRB and the like do not look at it.
  const wide = /^PCMPESTR/.test(name) ? (rex === 'REX.W' ? 'W1' : 'W0') : w;
  const writesVector = /^w:xmm|^w:m /.test(ops + ' ');
  // PCMPxSTRM writes XMM0, whose upper half VEX clears.
  const exec = form.exec.startsWith('vec:') && writesVector ? form.exec.replace('vec:', 'vex:') : form.exec.replace(/^vec:(pcmp.strm)/, 'vec:v$1');
  const lanes = lanesOf(name);
  const pp = prefix === 'NP' ? '' : `.${prefix}`;
  const make = (bits: '128' | '256' | 'LIG', kinds: string[], cpuid: string): InsnForm =>
    insn(`VEX.${bits}${pp}.0F${map}.${wide} ${rest}`, `V${name} ${kinds.join(', ')}`, {
      ...info,
      ...(w === 'W1' ? { mode: '64' as const } : {}),
      ops,
      exec,
      cpuid,
      hot: undefined,
      align: aligned.test(name) ? (bits === '256' ? 32 : 16) : undefined,
      lanes: exec.startsWith('vex:') ? lanes : undefined,
    });
  const one = make(scalar.test(name) ? 'LIG' : '128', texts, feature);
  const shifts = ops.startsWith('w:xmmv');
  const full = shifts || /^PMOV[SZ]X|^CVT(PS2PD|DQ2PD)$|^MOVDDUP$/.test(name) || /m128/.test(form.syntax);
  if (!full || only128.has(name)) return [one];
  const widened = texts.map((t, i) => {
    if (lanes.result === 8 && i === 0) return 'xmm1';
    if (lanes.source === 0 && i === 2) return t;
    if (lanes.source && i === 1) return t.replace(/\/m(\d+)/, (_, bits: string) => `/m${Number(bits) * 2}`);
    return t.replace('xmm', 'ymm').replace(/m(64|128)$/, 'm256');
  });
  const integer = /^P/.test(name) || name === 'MOVNTDQA' || name === 'MPSADBW';
  return [one, make('256', widened, integer ? 'AVX2' : feature)];
}

/** The comparisons, with 32 predicates instead of 8. */
const compare = (bits: '128' | '256', prefix: string, mnemonic: string, exec: string): InsnForm => {
  const r = bits === '256' ? 'ymm' : 'xmm';
  return insn(`VEX.${bits}${prefix}.0F.WIG C2 /r ib`, `${mnemonic} ${r}1, ${r}2, ${r}3/m${bits}, imm8`, {
    ops: 'w:xmm r:xmmv r:xmm/m r:imm8', exec: `vex:${exec}`, cycles: 3, cpuid: 'AVX', lanes: { fp: true },
  });
};
/** Blends by a register that bits 7 to 4 of the immediate name. */
const blend = (bits: '128' | '256', opcode: string, mnemonic: string, cpuid: string): InsnForm => {
  const r = bits === '256' ? 'ymm' : 'xmm';
  return insn(`VEX.${bits}.66.0F3A.W0 ${opcode} /r ib`, `V${mnemonic} ${r}1, ${r}2, ${r}3/m${bits}, ${r}4`, { ops: 'w:xmm r:xmmv r:xmm/m r:is4', exec: `vex:${mnemonic.toLowerCase()}`, cycles: 2, cpuid });
};
/** Instructions with flags or a general register for result: one function for each width. */
const toFlags = (bits: '128' | '256', encoding: string, mnemonic: string, exec: string): InsnForm => {
  const r = bits === '256' ? 'ymm' : 'xmm';
  return insn(`VEX.${bits}.66.0F38.${encoding} /r`, `${mnemonic} ${r}1, ${r}2/m${bits}`, { ops: 'r:xmm r:xmm/m', flags: 'w=oszapc', exec: `vec:${exec}`, cycles: 2, cpuid: 'AVX' });
};
const mask = (bits: '128' | '256', encoding: string, mnemonic: string, exec: string, cpuid: string): InsnForm =>
  insn(`VEX.${bits}.${encoding} /r reg`, `${mnemonic} r32, ${bits === '256' ? 'ymm' : 'xmm'}`, { ops: 'w:reg r:xmm/r', exec: `vec:${exec}`, cycles: 2, cpuid });

const others: InsnForm[] = [
  insn('VEX.LIG.F3.0F.WIG C2 /r ib', 'VCMPSS xmm1, xmm2, xmm3/m32, imm8', { ops: 'w:xmm r:xmmv r:xmm/m r:imm8', exec: 'vex:vcmpScalar32', cycles: 3, cpuid: 'AVX' }),
  insn('VEX.LIG.F2.0F.WIG C2 /r ib', 'VCMPSD xmm1, xmm2, xmm3/m64, imm8', { ops: 'w:xmm r:xmmv r:xmm/m r:imm8', exec: 'vex:vcmpScalar64', cycles: 3, cpuid: 'AVX' }),
  ...(['128', '256'] as const).flatMap(bits => [
    compare(bits, '', 'VCMPPS', 'vcmpps'),
    compare(bits, '.66', 'VCMPPD', 'vcmppd'),
    blend(bits, '4A', 'BLENDVPS', 'AVX'),
    blend(bits, '4B', 'BLENDVPD', 'AVX'),
    blend(bits, '4C', 'PBLENDVB', bits === '256' ? 'AVX2' : 'AVX'),
  ]),
  toFlags('128', 'WIG 17', 'VPTEST', 'ptest'),
  toFlags('256', 'WIG 17', 'VPTEST', 'ptest256'),
  toFlags('128', 'W0 0E', 'VTESTPS', 'vtestps'),
  toFlags('256', 'W0 0E', 'VTESTPS', 'vtestps256'),
  toFlags('128', 'W0 0F', 'VTESTPD', 'vtestpd'),
  toFlags('256', 'W0 0F', 'VTESTPD', 'vtestpd256'),
  mask('128', '0F.WIG 50', 'VMOVMSKPS', 'movmskps', 'AVX'),
  mask('256', '0F.WIG 50', 'VMOVMSKPS', 'movmskps256', 'AVX'),
  mask('128', '66.0F.WIG 50', 'VMOVMSKPD', 'movmskpd', 'AVX'),
  mask('256', '66.0F.WIG 50', 'VMOVMSKPD', 'movmskpd256', 'AVX'),
  mask('128', '66.0F.WIG D7', 'VPMOVMSKB', 'pmovmskb', 'AVX'),
  mask('256', '66.0F.WIG D7', 'VPMOVMSKB', 'pmovmskb256', 'AVX2'),
  insn('VEX.128.66.0F3A.WIG 40 /r ib', 'VDPPS xmm1, xmm2, xmm3/m128, imm8', { ops: 'w:xmm r:xmmv r:xmm/m r:imm8', exec: 'vex:dpps', undefined: ['nan-choice'], cycles: 12, cpuid: 'AVX' }),
  insn('VEX.256.66.0F3A.WIG 40 /r ib', 'VDPPS ymm1, ymm2, ymm3/m256, imm8', { ops: 'w:xmm r:xmmv r:xmm/m r:imm8', exec: 'vex:dpps256', undefined: ['nan-choice'], cycles: 12, cpuid: 'AVX', lanes: { once: true } }),
];

export const forms: InsnForm[] = [...[...sse, ...sseInteger].flatMap(derive), ...others];
