import type { Form } from './tables.ts';
import type { Operand } from './operands.ts';
import { templates, type Variant } from './templates.ts';
import {
  address,
  addressWithoutIndex,
  condition,
  follow,
  followNext,
  fusedCondition,
  loadFrom,
  modify,
  next,
  registerField,
  storeTo,
  writeRegister,
} from './text.ts';

// The bodies of the dense switch. Forms whose bodies are the same text share a case: 01 /r and 03 /r between registers, an imm8 and an imm32.

/** Codes that are not forms; bodies in gen/execute.ts. */
export const fixedCodes = [
  'CODE_COLD',
  'CODE_COLD_JUMP',
  'CODE_COLD_END',
  'CODE_COLD_NEXT',
  'CODE_COUNT',
  'CODE_CONTINUE',
  'CODE_STOP',
  'CODE_EA',
  'CODE_RAISE',
  'CODE_EA_SEGMENT',
  'CODE_RAISE_IF',
];

const isRegister = (o: Operand, v: Variant): boolean =>
  ['reg', 'op', 'vvvv', 'acc', 'cl', 'dx'].includes(o.place) || (o.place === 'rm' && v === 'reg');
const isMemory = (o: Operand, v: Variant): boolean => (o.place === 'rm' && v === 'mem') || o.place === 'm' || o.place === 'moffs';
const isConstant = (o: Operand): boolean => /^(imm|1$)/.test(o.place);

/** The variants that a form has. */
export function variantsOf(f: Form): Variant[] {
  if (f.operands.some(o => o.place === 'moffs')) return ['mem'];
  if (!f.encoding.modrm) return ['reg'];
  const list: Variant[] = [];
  if (f.encoding.accept.mod & 1) list.push('reg');
  if (f.encoding.accept.mod & 2) list.push('mem');
  return list;
}

/** Text that makes the operands that are read available; their names in order. */
function readOperands(f: Form, v: Variant): { text: string; names: string[] } {
  let text = '';
  const names: string[] = [];
  f.operands.forEach((o, i) => {
    const name = 'ab'[names.length] ?? `x${i}`;
    if (isRegister(o, v)) {
      if (o.read) {
        text += `const ${name}: ${o.type} = load<${o.type}>(cpu + <usize>load<u8>(ip, ${registerField(i)})); `;
        names.push(name);
      }
    } else if (isMemory(o, v)) {
      text += `const va = ${address}; `;
      if (o.read && !o.write) {
        text += loadFrom(name, o.type, 'va') + ' ';
        names.push(name);
      } else if (o.read) names.push('@old');
    } else if (isConstant(o)) {
      text += `const ${name}: ${o.type} = load<${o.type}>(ip, 16); `;
      names.push(name);
    } else if (o.place === 'ea') {
      text += `const ${name}: u64 = ${address}; `;
      names.push(name);
    } else throw new Error(`${f.record.syntax}: operand ${o.place} cannot be in the switch`);
  });
  return { text, names };
}

const callOf = (f: Form, args: string[]): string =>
  `${f.exec.name}${f.exec.types ? `<${f.exec.types}>` : ''}(${['cpu', ...args, ...(f.record.cc === undefined ? [] : ['<u32>load<u8>(ip, 13)'])].join(', ')})`;

/** Body of a value form. */
function valueBody(f: Form, v: Variant): string {
  const { text, names } = readOperands(f, v),
    at = f.operands.findIndex(o => o.write),
    target = f.operands[at];
  if (!target) return `${text}${callOf(f, names)}; ${next}`;
  if (isRegister(target, v))
    return `${text}${writeRegister(`cpu + <usize>load<u8>(ip, ${registerField(at)})`, target.type, callOf(f, names))} ${next}`;
  // The operands besides memory are read before: the text has no memory access in it when memory is the destination.
  if (target.read)
    return `${text}${modify(target.type, 'va', old =>
      callOf(
        f,
        names.map(n => (n === '@old' ? old : n)),
      ),
    )} ${next}`;
  return `${text}const r: ${target.type} = ${callOf(f, names)}; ${storeTo('r', target.type, 'va', 'r')} ${next}`;
}

/** Body of a pointer form on XMM registers. */
function vectorBody(f: Form, v: Variant): string {
  let text = '',
    after = '';
  const args: string[] = [];
  f.operands.forEach((o, i) => {
    const name = `p${i}`;
    if (o.place === 'xmm' || o.place === 'xmmv' || o.place === 'xmm/r' || (o.place === 'xmm/m' && v === 'reg'))
      text += `const ${name} = cpu + XMM + (<usize>load<u8>(ip, ${registerField(i)}) << 5); `;
    else if (o.place === 'reg' || (o.place === 'rm' && v === 'reg'))
      text += `const ${name} = cpu + <usize>load<u8>(ip, ${registerField(i)}); `;
    else if (o.place === 'xmm/m' || o.place === 'rm' || o.place === 'm') {
      text += `const ${name} = cpu + SCRATCH, va = ${address}; `;
      if (f.record.align) text += `if ((<u32>va & ${f.record.align - 1}) != 0) { misaligned(cpu, va); break; } `;
      if (o.read)
        text +=
          o.bytes === 16
            ? `ld128(cpu, va, ${name}); if (trap) break; `
            : `${loadFrom('m', `u${o.bytes * 8}`, 'va')} store<u64>(${name}, <u64>m); store<u64>(${name}, 0, 8); `;
      if (o.write)
        after +=
          o.bytes === 16
            ? `st128(cpu, va, ${name}); if (trap) break; `
            : storeTo('w', `u${o.bytes * 8}`, 'va', `load<u${o.bytes * 8}>(${name})`) + ' ';
    } else if (isConstant(o)) {
      args.push('<u32>load<u8>(ip, 16)');
      return;
    } else throw new Error(`${f.record.syntax}: operand ${o.place} cannot be in the switch`);
    args.push(name);
  });
  return `${text}${f.exec.name}(cpu, ${args.join(', ')}); if (trap) break; ${after}${next}`;
}

/** Text of the case for one variant of a hot form. */
export function hotBody(f: Form, v: Variant): string {
  switch (f.exec.kind) {
    case 'value':
      return valueBody(f, v);
    case 'vec':
      return vectorBody(f, v);
    case 'raw':
      // Ports: the function sees CYCLES and RIP, and changes neither.
      if (f.record.ends === 'next')
        return `store<u64>(cpu, limit - (acc >> 32) - <u64>load<u8>(ip, 11), CYCLES); store<u64>(cpu, load<u64>(ip, 32), RIP); ${callOf(f, ['ip'])}; if (trap) break; ${followNext}`;
      return `${callOf(f, ['ip'])}; if (trap) break; ${next}`;
    default: {
      const template = templates[f.exec.name];
      if (!template) throw new Error(`${f.record.syntax}: there is no template "${f.exec.name}"`);
      return template(v, f.record.cc ?? 0);
    }
  }
}

/** Condition codes with which a comparison is fused into one case, by width and by where the operands are: what compilers emit often. */
function fusedCodes(f: Form, v: Variant): number[] {
  const type = f.operands[0].type,
    memory = f.operands.some(o => isMemory(o, v)),
    constant = isConstant(f.operands[1]);
  if (f.exec.name === 'test') {
    if (memory) return type === 'u8' && constant ? [4, 5] : [];
    return type === 'u8' ? [4, 5, 8, 9] : constant ? [4, 5] : [4, 5, 8, 9, 14, 15];
  }
  if (type === 'u16') return [];
  if (type === 'u8') return constant ? (memory ? [4, 5] : [2, 3, 4, 5, 6, 7]) : [];
  if (memory)
    return isMemory(f.operands[1], v)
      ? [2, 3, 4, 5, 6, 7]
      : constant
        ? type === 'u32'
          ? [4, 5, 6, 7, 14, 15]
          : [4, 5]
        : [2, 3, 4, 5];
  return [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15].filter(cc => !(constant && type === 'u64' && (cc & 14) === 8));
}

/** Condition codes with which an operation on a register and a constant is fused: how loops end. */
const resultCodes: Record<string, number[]> = { sub: [4, 5], add: [4, 5], dec: [4, 5, 8, 9], inc: [4, 5], and: [4, 5] };

/** Codes that a form's variant is fused with; none for most. */
function codesToFuse(f: Form, v: Variant): number[] {
  if (f.exec.kind !== 'value') return [];
  if (f.exec.name === 'cmp' || f.exec.name === 'test') return fusedCodes(f, v);
  const wide = f.exec.types === 'u32' || f.exec.types === 'u64';
  return v === 'reg' && wide && f.operands.every((o, i) => i === 0 || isConstant(o)) ? (resultCodes[f.exec.name] ?? []) : [];
}

/** Forms whose memory operand has a case of its own for an address without index, the most frequent kind. */
const splitNames = new Set(['mov', 'movzx', 'lea']);

export interface Dispatch {
  /** Case bodies; the index is the code. Fixed codes have an empty text here. */
  bodies: string[];
  /** What each case is, for a comment. */
  titles: string[];
  /** Code of a form's variant. */
  codes: Map<string, number>;
  /** Fuse class of a form's variant. */
  fuse: Map<string, number>;
  /** By class, by condition code: code of the fused case, or 0. Class 0 holds the plain Jcc. */
  fused: number[][];
  /** By code: the code of the same form when its address has no index, or absent. */
  withoutIndex: Map<number, number>;
}

export const variantKey = (f: Form, v: Variant): string => `${f.number}${v}`;

/** Gives every hot form its case and every fused pair another. */
export function dispatchOf(forms: Form[]): Dispatch {
  const d: Dispatch = {
    bodies: fixedCodes.map(() => ''),
    titles: [...fixedCodes],
    codes: new Map(),
    fuse: new Map(),
    fused: [new Array<number>(16).fill(0)],
    withoutIndex: new Map(),
  };
  const byText = new Map<string, number>(),
    classes = new Map<string, number>();
  for (const f of forms) {
    const hot = f.record.hot;
    if (f.exec.kind === 'hot' && hot !== true) throw new Error(`${f.record.syntax}: a hot: form must have hot: true`);
    if (!hot) continue;
    for (const v of variantsOf(f)) {
      if (hot !== true && hot !== v) continue;
      const text = hotBody(f, v);
      let code = byText.get(text);
      if (code === undefined) {
        code = d.bodies.length;
        byText.set(text, code);
        d.bodies.push(text);
        d.titles.push(`${f.record.syntax} (${v})`);
        if (v === 'mem' && f.exec.kind === 'value' && splitNames.has(f.exec.name)) {
          d.withoutIndex.set(code, d.bodies.length);
          d.bodies.push(text.replace(address, addressWithoutIndex));
          d.titles.push(`${f.record.syntax} (${v}, no index)`);
        }
      }
      d.codes.set(variantKey(f, v), code);
      if (f.exec.name === 'jcc' && f.exec.kind === 'hot') d.fused[0][f.record.cc!] = code;
      let c = classes.get(text);
      if (c === undefined) {
        const codes = codesToFuse(f, v);
        c = codes.length === 0 ? 0 : d.fused.length;
        classes.set(text, c);
        if (c !== 0) d.fused.push(fuseAll(d, f, v, codes));
      }
      d.fuse.set(variantKey(f, v), c);
    }
  }
  return d;
}

function fuseAll(d: Dispatch, f: Form, v: Variant, codes: number[]): number[] {
  const { text, names } = readOperands(f, v),
    name = f.exec.name,
    type = f.operands[0].type,
    compares = name === 'cmp' || name === 'test';
  // The operation itself: a comparison leaves its operands in `a` and `b`, so that the condition need not ask the flags.
  const operation = compares ? `${text}${callOf(f, names)};` : valueBody(f, v).slice(0, -next.length);
  const row = new Array<number>(16).fill(0);
  for (const cc of codes) {
    const test = compares ? fusedCondition(name, type, cc) : '';
    row[cc] = d.bodies.length;
    d.bodies.push(`${operation} if (${test || condition(cc)}) ${follow('ip + 48', true)} else ${follow('ip + 48', false)}`);
    d.titles.push(`${f.record.syntax} (${v}) + Jcc ${cc}`);
  }
  return row;
}
