import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InsnForm } from '../isa/define.ts';
import { coldBody } from './cold.ts';
import { memoryAccess } from './operands.ts';
import { dispatchOf, fixedCodes, variantKey, variantsOf, type Dispatch } from './dispatch.ts';
import { executeText } from './execute.ts';
import { decodeTables, parseForms, type Form } from './tables.ts';

// Records -> generated/tables.ts (how the decoder finds a form and what it is), generated/execute.ts (the dense switch), generated/cold.ts (all other forms).

const header = '// Made by gen/generate.ts from the records in isa/. Never edited by hand.\n';

/** Codes of register places and immediates, as in the generated tables and decode.ts. */
const placeNames = ['NONE', 'RM', 'REG', 'OPCODE', 'VVVV', 'ACC', 'CL', 'DX', 'RM_NUMBER', 'REG_NUMBER', 'VVVV_NUMBER'];
const immediateNames = [
  'NONE',
  '8',
  '8S',
  '16',
  '32',
  '32S',
  '64',
  'REL8',
  'REL32',
  'MOFFS',
  '16_8',
  'ONE',
  'REL16',
  'PTR',
  'IS4',
];
const placeOf: Record<string, string> = {
  rm: 'RM',
  reg: 'REG',
  op: 'OPCODE',
  vvvv: 'VVVV',
  acc: 'ACC',
  cl: 'CL',
  dx: 'DX',
  'xmm/m': 'RM_NUMBER',
  'xmm/r': 'RM_NUMBER',
  'mm/m': 'RM_NUMBER',
  'mm/r': 'RM_NUMBER',
  st: 'RM_NUMBER',
  xmm: 'REG_NUMBER',
  mm: 'REG_NUMBER',
  sreg: 'REG_NUMBER',
  cr: 'REG_NUMBER',
  dr: 'REG_NUMBER',
  xmmv: 'VVVV_NUMBER',
};
const immediateOf: Record<string, string> = {
  none: 'NONE',
  imm8: '8',
  imm8s: '8S',
  imm16: '16',
  imm32: '32',
  imm32s: '32S',
  imm64: '64',
  rel8: 'REL8',
  rel16: 'REL16',
  ptr: 'PTR',
  rel32: 'REL32',
  moffs: 'MOFFS',
  imm16_8: '16_8',
  '1': 'ONE',
  is4: 'IS4',
};
const formFlags = {
  LOCK: 1,
  ENDS: 2,
  CPL0: 4,
  SSE: 8,
  NO_SEGMENT: 16,
  ONLY_REGISTER: 32,
  DIRECT_BRANCH: 64,
  PROTECTED: 128,
  X87: 256,
  WAIT: 512,
  MMX: 1024,
  VEX: 0x800,
  AVX: 0x1000,
  VVVV: 0x2000,
  VSIB: 0x4000,
};
/** Features whose instructions need CR4.OSFXSR and a clear CR0.EM and CR0.TS. */
const sseFeature = /^(SSE\d?|SSSE3|SSE4_[12]|SSE4\.[12]|AES|AESNI|PCLMULQDQ|SHA)$/;

/** Opcodes D8 to DF and WAIT: not there without x87 (CR0.EM, CR0.TS: #NM). */
const isX87 = (f: Form): boolean => f.encoding.map === 0 && ((f.encoding.opcode & 0xf8) === 0xd8 || f.encoding.opcode === 0x9b);
/** MMX registers are the x87's (CR0.EM: #UD, CR0.TS: #NM). */
const isMmx = (f: Form): boolean =>
  f.record.cpuid === 'MMX' || f.operands.some(o => o.place === 'mm' || o.place === 'mm/m' || o.place === 'mm/r');
/** Features whose instructions have VEX encodings that need the AVX state; the others with VEX (BMI) work on general registers. */
const avxFeature = /^(AVX2?|FMA|F16C|AES|PCLMULQDQ)$/;

/** Which file exports each semantic function. */
function findSemantics(root: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of ['sem', 'core']) {
    for (const file of readdirSync(join(root, folder))
      .filter(n => n.endsWith('.ts') && !n.endsWith('.test.ts'))
      .sort()) {
      for (const m of readFileSync(join(root, folder, file), 'utf8').matchAll(/^export function (\w+)/gm)) {
        if (folder === 'sem' && found.has(m[1]))
          throw new Error(`sem/: ${m[1]} is exported by ${found.get(m[1])} and by ${file}`);
        if (!found.has(m[1])) found.set(m[1], `../${folder}/${file.slice(0, -3)}`);
      }
    }
  }
  return found;
}

function importText(names: Set<string>, semantics: Map<string, string>): string {
  const byFile = new Map<string, string[]>();
  for (const n of [...names].sort()) byFile.set(semantics.get(n)!, [...(byFile.get(semantics.get(n)!) ?? []), n]);
  return [...byFile].map(([file, list]) => `import { ${list.join(', ')} } from '${file}';`).join('\n');
}

/** Retired branch instructions, as the architectural event counts them. */
const branches = /^(J|CALL|RET|LOOP|INT|IRET|SYSCALL|SYSRET|SYSENTER|SYSEXIT)/;

function tablesText(forms: Form[], d: Dispatch, ordinals: Map<number, number>, functionCount: number): string {
  const t = decodeTables(forms),
    rows: number[] = new Array<number>(20).fill(0);
  for (const f of forms) {
    const places = [0, 1, 2].map(i => placeNames.indexOf(placeOf[f.operands[i]?.place ?? ''] ?? 'NONE'));
    const high = f.operands.reduce(
      (mask, o, i) =>
        f.exec.kind !== 'vec' && f.exec.kind !== 'vex' && o.bytes === 1 && ['reg', 'rm', 'op'].includes(o.place)
          ? mask | (1 << i)
          : mask,
      0,
    );
    const r = f.record,
      direct = f.exec.kind === 'hot' && /^rel/.test(f.immediate);
    const flags =
      (r.lock ? formFlags.LOCK : 0) |
      (r.ends ? formFlags.ENDS : 0) |
      (r.cpl0 ? formFlags.CPL0 : 0) |
      (sseFeature.test(r.cpuid ?? '') &&
      !f.encoding.vex &&
      !isX87(f) &&
      (!isMmx(f) || f.operands.some(o => o.place.startsWith('xmm')))
        ? formFlags.SSE
        : 0) |
      (f.encoding.vex ? formFlags.VEX : 0) |
      (f.encoding.vex && avxFeature.test(r.cpuid ?? '') ? formFlags.AVX : 0) |
      (f.operands.some(o => o.place === 'vvvv' || o.place === 'xmmv') ? formFlags.VVVV : 0) |
      (f.operands.some(o => o.place === 'vm') ? formFlags.VSIB : 0) |
      (f.operands.some(o => o.place === 'ea') ? formFlags.NO_SEGMENT : 0) |
      (f.operands.some(o => o.place === 'cr' || o.place === 'dr') ? formFlags.ONLY_REGISTER : 0) |
      (direct ? formFlags.DIRECT_BRANCH : 0) |
      (r.protected || f.encoding.vex ? formFlags.PROTECTED : 0) |
      (isX87(f) ? (r.syntax === 'WAIT' ? formFlags.WAIT : formFlags.X87) : isMmx(f) ? formFlags.MMX : 0);
    const access = memoryAccess(r, f.operands);
    const cold =
      r.ends === 'jump' ? 'CODE_COLD_JUMP' : r.ends === 'next' ? 'CODE_COLD_NEXT' : r.ends ? 'CODE_COLD_END' : 'CODE_COLD';
    const code = (v: 'reg' | 'mem'): number => d.codes.get(variantKey(f, v)) ?? fixedCodes.indexOf(cold);
    const [cr, cm, fn] = [code('reg'), code('mem'), ordinals.get(f.number) ?? 0];
    const fuse = (v: 'reg' | 'mem'): number => d.fuse.get(variantKey(f, v)) ?? 0;
    rows.push(
      ...places,
      high,
      immediateNames.indexOf(immediateOf[f.immediate]),
      r.cc ?? 0,
      r.cycles,
      branches.test(r.syntax) ? 1 : 0,
      flags & 255,
      flags >> 8,
      cr & 255,
      cr >> 8,
      cm & 255,
      cm >> 8,
      fn & 255,
      fn >> 8,
      fuse('reg'),
      fuse('mem'),
      access & 255,
      access >> 8,
    );
  }
  const data = (name: string, type: string, values: number[]): string =>
    `export const ${name}: usize = memory.data<${type}>([${values.join(',')}]);\n`;
  return `${header}import { functions } from './cold';
${fixedCodes.map((n, i) => `export const ${n}: u32 = ${i};`).join('\n')}
${placeNames.map((n, i) => `export const PLACE_${n}: u32 = ${i};`).join('\n')}
${immediateNames.map((n, i) => `export const IMM_${n}: u32 = ${i};`).join('\n')}
${Object.entries(formFlags)
  .map(([n, v]) => `export const FORM_${n}: u32 = ${v};`)
  .join('\n')}
/** A form's row: three places, mask of operands with AH..BH, immediate, small constant, cycles, whether performance counters count it as a branch, then u16 flags, code (register, memory), function, u8 fuse classes, u16 memory access (operands.ts). */
export const FORM_BYTES: usize = 20;
export const FORM_PLACES: usize = 0, FORM_HIGH_BYTES: usize = 3, FORM_IMMEDIATE: usize = 4, FORM_CC: usize = 5, FORM_CYCLES: usize = 6, FORM_BRANCH: usize = 7, FORM_FLAGS: usize = 8;
export const FORM_CODE_REGISTER: usize = 10, FORM_CODE_MEMORY: usize = 12, FORM_FUNCTION: usize = 14, FORM_FUSE_REGISTER: usize = 16, FORM_FUSE_MEMORY: usize = 17, FORM_ACCESS: usize = 18;
export const FORM_COUNT: u32 = ${forms.length};
${data('forms', 'u8', rows)}
/** By map << 8 | opcode: 1 if ModRM follows. */
${data('hasModrm', 'u8', t.hasModrm)}
/** By (map << 8 | opcode) << 3 | ModRM.reg: index of the first candidate (u16). */
${data('opcodeIndex', 'u16', t.opcodeIndex)}
/** Accept mask, then form number | last << 16. */
${data(
  'candidates',
  'u32',
  t.candidates.flatMap(([mask, form, last]) => [mask, form + last * 0x10000]),
)}
/** By fuse class << 4 | condition: code of the fused case (u16). */
${data('fused', 'u16', d.fused.flat())}
/** By code: the code for an address without index, or 0 (u16). */
${data(
  'withoutIndex',
  'u16',
  d.bodies.map((_, code) => d.withoutIndex.get(code) ?? 0),
)}
/** Function table index of a cold function by its number. */
export function functionIndex(n: u32): u32 { return n < ${functionCount} ? functions[n].index : 0; }
`;
}

/** Writes the generated files into \`out\` (atomically each). Throws an Error on records that contradict each other or name functions that are not there. */
export function generate(records: InsnForm[], root: string, out: string): { forms: number; hotCases: number; functions: number } {
  const forms = parseForms(records),
    semantics = findSemantics(root),
    d = dispatchOf(forms);
  const missing = forms.filter(f => f.exec.kind !== 'hot' && !semantics.has(f.exec.name));
  if (missing.length > 0)
    throw new Error(`no sem/ file exports: ${[...new Set(missing.map(f => `${f.exec.name} (${f.record.syntax})`))].join(', ')}`);

  const bodies: string[] = ['unreachable();'],
    known = new Map<string, number>(),
    ordinals = new Map<number, number>(),
    coldNames = new Set<string>(),
    hotNames = new Set<string>();
  for (const f of forms) {
    const variants = variantsOf(f),
      cold = variants.some(v => !d.codes.has(variantKey(f, v)));
    if (variants.some(v => d.codes.has(variantKey(f, v))) && f.exec.kind !== 'hot') hotNames.add(f.exec.name);
    if (!cold) continue;
    const text = coldBody(f);
    coldNames.add(f.exec.name);
    let n = known.get(text);
    if (n === undefined) {
      n = bodies.length;
      known.set(text, n);
      bodies.push(text);
    }
    ordinals.set(f.number, n);
  }
  const cold = `${header}import { RESULT, SCRATCH, ST, XMM } from '../core/layout';
import { ea, isMemory, memory, memoryForWrite, rm, rmForWrite, setMemory, setRegister, setRm, storeResult, storeVector, vectorMemory, writeVector } from '../core/operand';
import { lanesBegin, lanesFault } from '../sem/fp';
import { probe } from '../core/mem';
import { trap } from '../core/trap';
import { mmxEnter, mmxWaits, mmxWritten } from '../sem/mmx';
${importText(coldNames, semantics)}
${bodies.map((text, i) => `function f${i}(cpu: usize, ip: usize): void { ${text} }`).join('\n')}
/** Every cold form's function. */
export const functions: ((cpu: usize, ip: usize) => void)[] = [${bodies.map((_, i) => `f${i}`).join(', ')}];
`;
  mkdirSync(out, { recursive: true });
  const write = (name: string, text: string): void => {
    const temporary = join(out, `.${name}.${process.pid}`);
    writeFileSync(temporary, text);
    renameSync(temporary, join(out, name));
  };
  write('tables.ts', tablesText(forms, d, ordinals, bodies.length));
  write('execute.ts', executeText(d, importText(hotNames, semantics)));
  write('cold.ts', cold);
  return { forms: forms.length, hotCases: d.bodies.length, functions: bodies.length };
}
