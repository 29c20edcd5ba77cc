import type { InsnForm } from '../isa/define.ts';
import { acceptMask, groups, parseEncoding, type Accept, type Encoding } from './encoding.ts';
import { immediateOf, parseExec, parseOperands, type Exec, type Operand } from './operands.ts';

/** A record with everything that is derived from it. */
export interface Form {
  record: InsnForm;
  /** Form number, from 1. */
  number: number;
  encoding: Encoding;
  operands: Operand[];
  immediate: string;
  exec: Exec;
}

/** Derives all forms; throws an Error on a record that is not understood. */
export function parseForms(records: InsnForm[]): Form[] {
  return records.map((record, i) => {
    const encoding = parseEncoding(record),
      operands = parseOperands(record);
    // ModRM is there when an operand lives in it, even if the encoding names only a digit.
    if (!encoding.modrm && operands.some(o => /^(reg|rm|m|ea|xmm|xmm\/m|xmm\/r|mm|mm\/m|mm\/r|sreg|cr|dr|st|vm)$/.test(o.place)))
      throw new Error(`${record.syntax}: an operand is in ModRM, but "${record.encoding}" has no /r or /digit`);
    if (operands.some(o => o.place === 'm' || o.place === 'vm' || o.place === 'ea')) encoding.accept.mod = 2;
    if (operands.some(o => o.place === 'xmm/r' || o.place === 'mm/r')) encoding.accept.mod = 1;
    if (encoding.digit >= 0 && operands.some(o => o.place === 'reg' || o.place === 'xmm' || o.place === 'mm'))
      throw new Error(`${record.syntax}: ModRM.reg is both a digit and an operand`);
    return {
      record,
      number: i + 1,
      encoding,
      operands,
      immediate: immediateOf(record, encoding, operands),
      exec: parseExec(record),
    };
  });
}

const overlaps = (a: Accept, b: Accept) => groups.every(([g]) => (a[g] & b[g]) !== 0);
const within = (a: Accept, b: Accept) => groups.every(([g]) => (a[g] & ~b[g]) === 0);

/** Which of two forms that share opcodes is tried first: negative for `a`. Throws when neither is more specific. */
function precedence(a: Form, b: Form): number {
  const x = a.encoding.accept,
    y = b.encoding.accept;
  if (!overlaps(x, y)) return 0;
  const ab = within(x, y),
    ba = within(y, x);
  if (ab !== ba) return ab ? -1 : 1;
  // A form with a mandatory prefix comes before one that does not care (CRC32 with 66 before MOVBE, PAUSE before XCHG), then one that names REX.B (NOP before XCHG); an operand size counts more than a mode (PUSH r16 before PUSH r64).
  for (const group of ['prefix', 'b', 'size'] as const) {
    if (x[group] === y[group] || (group === 'size' && x.mode === y.mode)) continue;
    if ((x[group] & ~y[group]) === 0) return -1;
    if ((y[group] & ~x[group]) === 0) return 1;
  }
  throw new Error(
    `"${a.record.encoding}" (${a.record.syntax}) and "${b.record.encoding}" (${b.record.syntax}) claim the same opcode`,
  );
}

/** Orders the candidates of one opcode so that a form stands before every less specific one. */
function order(list: Form[]): Form[] {
  const rest = [...list],
    out: Form[] = [];
  while (rest.length > 0) {
    const i = rest.findIndex(f => rest.every(g => g === f || precedence(f, g) <= 0));
    if (i < 0) throw new Error(`no order among ${rest.map(f => f.record.encoding).join('; ')}`);
    out.push(...rest.splice(i, 1));
  }
  return out;
}

export interface DecodeTables {
  /** By (map << 8 | opcode): 1 if ModRM follows. */
  hasModrm: number[];
  /** By (map << 8 | opcode) << 3 | ModRM.reg: index of the first candidate, 0 for none. */
  opcodeIndex: number[];
  /** Accept mask, form number, last flag. */
  candidates: [number, number, number][];
}

/** The tables by which the decoder finds a form. */
export function decodeTables(forms: Form[]): DecodeTables {
  const hasModrm = new Array<number>(7 * 256).fill(0),
    opcodeIndex = new Array<number>(7 * 256 * 8).fill(0);
  const candidates: [number, number, number][] = [[0, 0, 1]];
  const byOpcode = new Map<number, Form[]>();
  for (const f of forms) {
    for (let n = 0; n < (f.encoding.plusRegister ? 8 : 1); n++) {
      const key = (f.encoding.map << 8) | (f.encoding.opcode + n);
      byOpcode.set(key, [...(byOpcode.get(key) ?? []), f]);
    }
  }
  const known = new Map<string, number>();
  // VEX.W chooses the size of general registers in 64-bit mode only; elsewhere it is ignored, and they have 32 bits (SDM vol. 2, 2.3.5).
  const general = (f: Form) =>
    f.encoding.vex && (f.operands.some(o => ['reg', 'rm', 'vvvv'].includes(o.place)) || /^VPCMPESTR/.test(f.record.syntax)); // whose lengths are in EAX and EDX
  const masks = (f: Form): number[] => {
    const a = f.encoding.accept;
    if (!general(f) || a.w === 3) return [acceptMask(a)];
    return a.w === 2 ? [acceptMask({ ...a, mode: a.mode & 1 })] : [acceptMask(a), acceptMask({ ...a, w: 3, mode: a.mode & 2 })];
  };
  for (const [key, list] of byOpcode) {
    if (list.some(f => f.encoding.modrm !== list[0].encoding.modrm))
      throw new Error(`opcode ${key.toString(16)}: ModRM in ${list.map(f => f.record.encoding).join('; ')} differs`);
    hasModrm[key] = list[0].encoding.modrm ? 1 : 0;
    for (let reg = 0; reg < 8; reg++) {
      const here = order(list.filter(f => f.encoding.digit < 0 || f.encoding.digit === reg));
      if (here.length === 0) continue;
      const id = here.map(f => f.number).join(',');
      let at = known.get(id);
      if (at === undefined) {
        at = candidates.length;
        known.set(id, at);
        const rows = here.flatMap(f => masks(f).map((mask): [number, number] => [mask, f.number]));
        rows.forEach(([mask, number], i) => candidates.push([mask, number, i === rows.length - 1 ? 1 : 0]));
      }
      opcodeIndex[(key << 3) | reg] = at;
    }
  }
  return { hasModrm, opcodeIndex, candidates };
}
