import { typeBytes } from './operands.ts';

// Pieces of AssemblyScript text for the bodies of the dense switch. In a body: `cpu`, `ip`, `fast` (fast lookup set), `acc` (cycles left << 32 | instructions left),
// `to` and `slot` (a transfer that the common code after the switch completes). `continue` goes to the next op; `break` leaves the switch with `trap` or a transfer.

/** Offset of the op's register field for operand `i`. */
export const registerField = (i: number): number => [2, 3, 8][i];

/** Effective address of the op's memory operand. */
export const address =
  'load<u64>(cpu + <usize>load<u8>(ip, 4)) + (load<u64>(cpu + <usize>load<u8>(ip, 5)) << <u64>load<u8>(ip, 6)) + load<u64>(ip, 24)';

/** The same where the decoder found no index. */
export const addressWithoutIndex = 'load<u64>(cpu + <usize>load<u8>(ip, 4)) + load<u64>(ip, 24)';

/** Goes on with the next op. */
export const next = 'ip += 48; continue;';

const unsigned = (type: string): string => 'u' + typeBytes[type] * 8;
const last = (type: string): string => (typeBytes[type] === 1 ? '' : ` + ${typeBytes[type] - 1}`);

/** Looks `va` up in the fast tables: declares the entry `e${tag}`. */
export const entry = (tag: string, va: string): string => `const e${tag} = fast + <usize>(<u32>(${va} >> 8) & 0x1ff0);`;
const hit = (tag: string, va: string, type: string, write: boolean): string =>
  `load<u64>(e${tag}${write ? ', FAST_WRITE' : ''}) == ((${va}${last(type)}) & PAGE)`;
const place = (tag: string, va: string, write: boolean): string =>
  `<usize>(<u32>${va} + load<u32>(e${tag}, ${write ? 'FAST_WRITE + 8' : '8'}))`;

/** Declares `name` and loads it from linear address `va` (a variable). `onTrap` runs before leaving. */
export function loadFrom(name: string, type: string, va: string, onTrap = ''): string {
  return `${entry(name, va)} let ${name}: ${type}; if (${hit(name, va, type, false)}) ${name} = load<${type}>(${place(name, va, false)}); else { ${name} = <${type}>ld${typeBytes[type] * 8}(cpu, ${va}); if (trap) { ${onTrap}break; } }`;
}

/** Stores `value` (evaluated once, after which nothing may fault but the store) at linear address `va`. */
export function storeTo(tag: string, type: string, va: string, value: string, onTrap = ''): string {
  const u = unsigned(type);
  return `${entry(tag, va)} if (${hit(tag, va, type, true)}) store<${u}>(${place(tag, va, true)}, ${value}); else { st${typeBytes[type] * 8}(cpu, ${va}, ${value}); if (trap) { ${onTrap}break; } }`;
}

/** A read-modify-write at `va`: `compute` makes the new value from the text of the old one. */
export function modify(type: string, va: string, compute: (old: string) => string): string {
  const n = typeBytes[type] * 8;
  return (
    `${entry('m', va)} if (${hit('m', va, type, true)}) { const at = ${place('m', va, true)}; store<${type}>(at, ${compute(`load<${type}>(at)`)}); } ` +
    `else { const old: ${type} = ldw${n}(cpu, ${va}); if (trap) break; st${n}(cpu, ${va}, ${compute('old')}); if (trap) break; }`
  );
}

/** Writes a general register: 32-bit results clear the upper half. */
export function writeRegister(at: string, type: string, value: string): string {
  return typeBytes[type] === 4 ? `store<u64>(${at}, <u64><u32>(${value}));` : `store<${type}>(${at}, ${value});`;
}

/** Follows a link of the direct branch op at `op`: field 24 (taken, target at 16) or 28 (not taken, target at 32). */
export function follow(op: string, taken: boolean): string {
  const link = taken ? 24 : 28,
    target = taken ? 16 : 32;
  return (
    `{ if (load<u32>(${op}, 44) == linkGeneration) { const n = <usize>load<u32>(${op}, ${link}), c = acc - load<u64>(n); if (<i64>c >= 0) { acc = c; ip = n + 48; continue; } } ` +
    `to = load<u64>(${op}, ${target}); slot = ${op} + ${link}; break; }`
  );
}

/** After a form that ends its block and goes on at the next instruction, with RIP written: the op's own link leads on (generation at 24, block at 28). */
export const followNext =
  'if (load<u32>(cpu, ATTENTION) != 0 || load<u64>(cpu, TIMER_DUE) < limit) break; ' +
  'if (load<u32>(ip, 24) == linkGeneration) { const n = <usize>load<u32>(ip, 28), c = acc - load<u64>(n); if (<i64>c >= 0) { acc = c; ip = n + 48; continue; } } ' +
  'to = load<u64>(ip, 32); slot = ip + 4; break;';

/** Goes to the address in `to`; `commit` is done when the target is known to be canonical. */
export function jumpTo(commit: string): string {
  return (
    `const j = jumps + <usize>(((<u32>to ^ (<u32>to >> 10)) << 4) & JUMP_MASK); ` +
    `if (load<u64>(j) == to && load<u32>(j, 12) == linkGeneration) { const n = <usize>load<u32>(j, 8), c = acc - load<u64>(n); if (<i64>c >= 0) { ${commit} acc = c; ip = n + 48; continue; } } ` +
    `if (!canonical(to)) { raiseError(cpu, GP, 0); break; } ${commit} slot = 1; break;`
  );
}

/** Conditions on the lazy flags by the upper three bits of a condition code. */
const lazy = [
  'overflow(cpu)',
  'carry(cpu)',
  'zero(cpu)',
  '(zero(cpu) || carry(cpu))',
  'sign(cpu)',
  'parity(cpu)',
  '(sign(cpu) != overflow(cpu))',
  '(zero(cpu) || sign(cpu) != overflow(cpu))',
];
/** Text of condition code `cc` on the lazy flags. */
export const condition = (cc: number): string => (cc & 1 ? '!' : '') + lazy[cc >> 1];

/** Conditions right after CMP a, b; absent where the flags must be asked. */
const afterCompare = ['', 'a < b', 'a == b', 'a <= b', '<S>(a - b) < 0', '', '<S>a < <S>b', '<S>a <= <S>b'];
const afterCompareNot = ['', 'a >= b', 'a != b', 'a > b', '<S>(a - b) >= 0', '', '<S>a >= <S>b', '<S>a > <S>b'];
const afterTest = ['', '', '(a & b) == 0', '', '<S>(a & b) < 0', '', '', '<S>(a & b) <= 0'];
const afterTestNot = ['', '', '(a & b) != 0', '', '<S>(a & b) >= 0', '', '', '<S>(a & b) > 0'];

/** Text of condition `cc` right after `cmp` or `test` of `a` and `b` of unsigned type `type`; '' where there is no short form. */
export function fusedCondition(name: 'cmp' | 'test', type: string, cc: number): string {
  const table = name === 'cmp' ? (cc & 1 ? afterCompareNot : afterCompare) : cc & 1 ? afterTestNot : afterTest;
  return table[cc >> 1].replaceAll('<S>', `<i${typeBytes[type] * 8}>`);
}
