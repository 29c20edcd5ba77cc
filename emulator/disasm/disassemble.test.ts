import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { disassemble, registerName } from './disassemble.ts';
import type { CodeBits } from './fetch.ts';

// Against GNU objdump 2.40 (testdata/make.ts says how it was asked).

interface Known {
  at: number;
  bytes: Uint8Array;
  text: string;
}

function known(file: string): Known[] {
  return readFileSync(join(import.meta.dirname, 'testdata', file), 'utf8')
    .trim()
    .split('\n')
    .map(line => {
      const [at, hex, text] = line.split('\t');
      return { at: parseInt(at!, 16), bytes: Uint8Array.from(Buffer.from(hex!, 'hex')), text: text! };
    });
}

/** Names that objdump gives to what others call otherwise. */
const SAME: readonly (readonly [RegExp, string | ((m: string, ...groups: string[]) => string)])[] = [
  [/\s*<[^>]*>/g, ''],
  [/\b(data16|addr32|data32|addr16|rex(\.[WRXB]+)?|[cdefgs]s(?= [a-z]))\s+/g, ''],
  [/\+[re]iz(\*\d)?/g, ''],
  [/\[[re]iz\*\d\+/g, '['],
  // Sizes that objdump leaves out or adds, and SDM vol. 2's MOVSXD r16, r/m16.
  [/^(invlpg) BYTE PTR/, '$1'],
  [/^((?:lddqu|invpcid) .*,)(?=\[|ds:)/, '$1XMMWORD PTR '],
  [/^(mov +[c-gs]s,)e/, '$1'],
  [
    /^(movsxd r?\w\w?w?),e?(\w+)d?$/,
    (m, head: string, r: string) =>
      /^movsxd (r\d+w|[a-d]x|[sd]i|[sb]p),/.test(m) ? `${head},${/^r\d/.test(r) ? `${r.replace(/d$/, '')}w` : r}` : m,
  ],
  [/^(movsxd (?:r\d+w|[a-d]x|[sd]i|[sb]p),)DWORD/, '$1WORD'],
  [/^((?:smsw|sldt|str) +)e/, '$1r'],
  [/^((?:smsw|sldt|str) +r\d+)d/, '$1'],
  [/^movabs/, 'mov'],
  // Undocumented /6 of the shift group, which processors take for SHL; the ISA has the other of the two names.
  [/^sal\b/, 'shl'],
  [/^xchg +e?ax,e?ax$/, 'nop'],
  [/^(push|pop|iret|pushf|popf|retf)[wq]\b/, '$1'],
  [/^(iret|sysret|sysexit)d?\b/, '$1'],
  [/^(pcmpestr[im])q\b/, '$1'],
  [/\boword ptr/i, 'xmmword ptr'],
  // These leave zeros in the upper half, whichever size REX.W names.
  [
    /^((?:p?movmsk[a-z]+|pextrw) )r([a-z]+|\d+)(?=,)/,
    (_m, name: string, r: string) => `${name}${/\d/.test(r) ? `r${r}d` : `e${r}`}`,
  ],
  [/^(sysret|sysexit)q\b/, '$1'],
  [/^(enter|leave)[wq]\b/, '$1'],
  // An address without a register.
  [/\bds:(0x[0-9a-f]+)/, '[$1]'],
  [/\b([c-gs]s):(0x[0-9a-f]+)/, '$1:[$2]'],
  [/\[eiz\*\d-(0x[0-9a-f]+)\]/, (_m, digits: string) => `[0x${BigInt.asUintN(32, -BigInt(digits)).toString(16)}]`],
  // Suffixes for operand sizes, and BOUND's pair of bounds.
  [/^([sl][gi]dt)[wd]\b/, '$1'],
  [/^(bound .*,)[DQ]?WORD PTR /, '$1'],
  [/^(pusha|popa|pushf|popf|push|pop|enter|leave|ret|retf|call|jmp)[wd]?\b/, '$1'],
  [/\[riz\*\d-(0x[0-9a-f]+)\]/, (_m, digits: string) => `[0x${BigInt.asUintN(64, -BigInt(digits)).toString(16)}]`],
  // Hints of later processors, which are NOPs before them.
  [/^prefetch(w|wt1|) .*$/, 'prefetchw'],
  [/^(prefetchit\d|cldemote|bnd[a-z]+|ud[01]) .*$/, '$1'],
  // String instructions: the suffix says what the operands do.
  [/^repnz (?=movs|stos|lods|ins|outs)/, 'rep '],
  [/repnz /, 'repne '],
  [/repz /, 'repe '],
  [
    /\b(movs|stos|lods|scas|cmps|ins|outs|xlat) .*?\b(BYTE|WORD|DWORD|QWORD) PTR.*$/,
    (_m, name: string, width: string) => `${name}${width[0]!.toLowerCase()}`,
  ],
  // The predicate of a comparison in its name.
  [
    /^cmp(eq|lt|le|unord|neq|nlt|nle|ord)([ps][sd]) (.*)$/,
    (_m, predicate: string, kind: string, operands: string) =>
      `cmp${kind} ${operands},0x${['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'].indexOf(predicate)}`,
  ],
  // XMM0 is implied.
  [/^((?:p?blendv|sha256rnds2).*),xmm0$/, '$1'],
];

/** objdump's text in our words: lower case, absolute RIP-relative addresses, no scale of one, no displacement of zero. */
function normal({ text }: Known, bits: CodeBits): string {
  let t = text;
  for (const [from, to] of SAME) t = t.replace(from, to as string);
  const comment = /\s+#\s*(?:0x)?([0-9a-f]+)\s*$/.exec(t);
  t = t.replace(/\s+#.*$/, '').toLowerCase();
  if (comment) t = t.replace(/\[[re]ip[+-]0x[0-9a-f]+\]/, `[0x${comment[1]}]`);
  t = t
    .replace(/\*1\b/g, '')
    .replace(/\+0x0\]/, ']')
    .replace(/\s+/g, ' ')
    .replace(/,(?! )/g, ', ')
    .trim();
  if (/^(j|call|loop|jrcxz)[a-z]* [0-9a-f]/.test(t)) t = t.replace(/ ([0-9a-f]+)$/, ' 0x$1');
  // The file is longer than a 16-bit segment, whose number objdump keeps.
  if (bits === 16)
    t = t.replace(
      /^((?:j|call|loop)[a-z]* )0x1([0-9a-f]{4})$/,
      (_m, name: string, ip: string) => `${name}0x${parseInt(ip, 16).toString(16)}`,
    );
  return t;
}

/** Where both spellings are right, ours in objdump's: the operand's size beside an address without a register, `iretq`, far pointers of 80 bits. */
function spelled(text: string): string {
  return text
    .replace(/^sal\b/, 'shl')
    .replace(/^(push|pop|pushf|popf|retf)q\b/, '$1')
    .replace(/^(pusha|popa|pushf|popf)d\b/, '$1')
    .replace(/^((?:smsw|sldt|str) )e/, '$1r')
    .replace(/^(iret|sysret|sysexit)[dq]\b/, '$1')
    .replace(/tbyte ptr/, 'fword ptr')
    .replace(/^(prefetchw|ud[01]) .*$/, '$1');
}

function same(text: string, expected: string): boolean {
  // A move between the accumulator and an address of 64 bits has no size there; hints of later processors are NOPs here.
  if (/^mov (.*, )?\[0x/.test(expected)) text = text.replace(/[a-z]+ ptr /, '');
  return spelled(text) === expected || (text.startsWith('nop ') && LATER.test(expected));
}
const LATER = /^(prefetchit\d|cldemote|bnd[a-z]+)$/;

function ours({ at, bytes }: Known, bits: CodeBits): { length: number; text: string } {
  const d = disassemble(bytes, at, bits);
  return { length: d.length, text: d.text };
}

describe.each([
  ['samples.tsv', 64],
  ['forms.tsv', 64],
  ['forms32.tsv', 32],
  ['forms16.tsv', 16],
] as const)('instructions of %s', (file, bits) => {
  const list = known(file);

  it('have the length that objdump gives', () => {
    const wrong = list
      .filter(k => ours(k, bits).length !== k.bytes.length)
      .map(k => `${Buffer.from(k.bytes).toString('hex')} ${k.text}: ${JSON.stringify(ours(k, bits))}`);
    expect(wrong).toEqual([]);
  });

  it('read as objdump writes them', () => {
    const wrong = list
      .filter(k => !same(ours(k, bits).text, normal(k, bits)))
      .map(k => `${Buffer.from(k.bytes).toString('hex')}: ${ours(k, bits).text} | ${normal(k, bits)}`);
    expect(wrong).toEqual([]);
  });
});

describe('disassemble', () => {
  it('gives the target of branches and of RIP-relative operands', () => {
    // call $-0x10; je $+0x12; lea rcx, [rip+0x100]; mov rax, [rsp+8]
    expect(disassemble(Uint8Array.of(0xe8, 0xeb, 0xff, 0xff, 0xff), -0x1000)).toMatchObject({
      length: 5,
      target: -0x1010,
      kind: 'call',
    });
    expect(disassemble(Uint8Array.of(0x74, 0x10), 0x1000)).toMatchObject({ target: 0x1012, kind: 'branch' });
    expect(disassemble(Uint8Array.of(0x48, 0x8d, 0x0d, 0, 1, 0, 0), 0x1000)).toMatchObject({ target: 0x1107, kind: 'other' });
    expect(disassemble(Uint8Array.of(0x48, 0x8b, 0x44, 0x24, 0x08), 0x1000)).toMatchObject({
      target: null,
      text: 'mov rax, qword ptr [rsp+0x8]',
    });
    expect(disassemble(Uint8Array.of(0xc3), 0)).toMatchObject({ kind: 'return', length: 1 });
  });

  it('reads what is no instruction, or is cut off, as one byte', () => {
    expect(disassemble(new Uint8Array(0), 0)).toMatchObject({ length: 1, mnemonic: 'db' });
    expect(disassemble(Uint8Array.of(0x48), 0)).toMatchObject({ length: 1, text: 'db 0x48' });
    expect(disassemble(Uint8Array.of(0xe8, 1, 2, 3), 0)).toMatchObject({ length: 1, text: 'db 0xe8' });
    expect(disassemble(new Uint8Array(15).fill(0x66), 0)).toMatchObject({ length: 1 });
  });

  it('names registers by size', () => {
    expect([
      registerName(0, 8),
      registerName(4, 4),
      registerName(7, 2),
      registerName(4, 1),
      registerName(4, 1, false),
      registerName(13, 1),
    ]).toEqual(['rax', 'esp', 'di', 'spl', 'ah', 'r13b']);
  });
});
