// `npm run isa`: writes assembly/ISA.md, the table of all instruction forms, from the records.

import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Form } from '../../assembly/gen/tables.ts';
import { families } from '../../assembly/isa/index.ts';
import { parseVector, readLines } from '../vectors/format.ts';
import { traitsOf } from './generate.ts';
import { forms, identify } from './undefined.ts';

const FILE = fileURLToPath(new URL('../../assembly/ISA.md', import.meta.url));
/** The vectors that `npm test` runs. */
const VECTORS = ['sample.jsonl', 'legacy.jsonl.gz', 'fuzzed.jsonl.gz'].map(name =>
  fileURLToPath(new URL(`../vectors/${name}`, import.meta.url)),
);

const HEAD = `# The instructions

Every instruction form that the core has, from its record in \`isa/\`. Written by \`npm run isa\`; a test compares.

- **Encoding**, **instruction**: as the Intel SDM writes them (README.md, "From a record to code"; \`o16\`, \`o32\`: operand size).
- **Modes**: 64 for 64-bit mode only, not 64 for the others only (compatibility, protected, real); empty for all.
- **CPUID**: the feature that announces it.
- **Cycles**: under the \`flat\` timing model; repeated string instructions have a cycle for each element besides.
- **Flags**: r read, w written, u left undefined, of OF SF ZF AF PF CF. Undefined results of other kinds are named in parentheses (\`UndefinedResult\` in isa/define.ts).
- **Exceptions** beyond those of every instruction: #UD for LOCK (where "lock" does not stand), #GP for more than 15 bytes, #PF and #GP for the fetch. \`#M\` stands for what a memory operand can raise:
  #PF, #GP(0) and #SS(0) for addresses that are not canonical or outside of their segment, #AC(0).
- **Vectors**: how many vectors of the repository (\`test/vectors\`) test the form. \`npm run fuzz:hardware\` tests all that the host's processor has.
`;

const FLOATING =
  /^V?(ADD|SUB|MUL|DIV|SQRT|MIN|MAX|CMP|U?COMI|CVTT?|ROUND|DP|HADD|HSUB|ADDSUB|FN?M(ADD|SUB|ADDSUB|SUBADD)\d*)\w*(PS|PD|SS|SD|SI|DQ|PI|PH)$/;

/** Exceptions of a form, in the order of their vectors. */
export function exceptionsOf(form: Form): string[] {
  const { syntax, cpl0, align, cpuid, lock, ends } = form.record;
  const mnemonic = syntax.replace(/^(REP|REPE|REPNE) /, '').split(' ')[0]!;
  const traits = traitsOf(form);
  const out: string[] = [];
  const add = (name: string, when: boolean) => {
    if (when && !out.includes(name)) out.push(name);
  };
  const hasMemory =
    (form.operands.some(o => /^(rm|m|moffs|vm|.*\/m)$/.test(o.place)) && (form.encoding.accept.mod & 2) !== 0) || traits.pointers;
  const vector = /^(SSE|SSSE3|AVX|FMA|F16C|AES|PCLMUL|SHA|VAES)/.test(cpuid ?? '') && !/^(LDMXCSR|STMXCSR)/.test(mnemonic);
  add('#DE', /^(DIV|IDIV|AAM)$/.test(mnemonic));
  add('#DB', mnemonic === 'INT1');
  add('#BP', mnemonic === 'INT3');
  add('#OF', mnemonic === 'INTO');
  add('#BR', mnemonic === 'BOUND');
  add(
    '#UD',
    /^UD\d/.test(mnemonic) ||
      vector ||
      traits.mmx ||
      form.encoding.vex ||
      /^(MOV .*(CR|DR)\d|XSAVE|XRSTOR|XGETBV|XSETBV|RDFSBASE|RDGSBASE|WRFSBASE|WRGSBASE)/.test(syntax),
  );
  add('#NM', vector || traits.stack);
  add('#NP', ends === true && /^(CALL|JMP|RETF|IRET|INT)/.test(mnemonic));
  add('#NP', /^(LDS|LES|LSS|LFS|LGS|LLDT|LTR)$/.test(mnemonic) || /^(MOV Sreg|POP [FGDES]S)/.test(syntax));
  add(
    '#GP(0)',
    cpl0 === true || /^(IN|OUT|INS|OUTS|CLI|STI|RDPMC|RDTSC|RDTSCP)[BWD]?$/.test(mnemonic) || /CR\d|DR\d/.test(syntax),
  );
  add('#GP', ends === 'jump' && !traits.string);
  add('#GP', ends === true || out.includes('#NP'));
  add(`#GP(0) unless aligned to ${align}`, align !== undefined && hasMemory);
  add('#M', hasMemory);
  add('#MF', traits.stack);
  add('#XM', FLOATING.test(mnemonic) && vector);
  add('lock', lock === true);
  return out;
}

const LETTERS: Record<string, string> = { o: 'O', s: 'S', z: 'Z', a: 'A', p: 'P', c: 'C' };

function flagsText(form: Form): string {
  const words = (form.record.flags ?? '').split(/\s+/).filter(w => w !== '');
  const text = words.map(w => `${w[0]} ${[...w.slice(2)].map(f => LETTERS[f] ?? f).join('')}`).join(', ');
  const results = form.record.undefined ?? [];
  return [text, results.length > 0 ? `(${results.join(', ')})` : ''].filter(t => t !== '').join(' ');
}

/** How many vectors of the repository test each form, by form number. */
export function vectorCounts(): Map<number, number> {
  const counts = new Map<number, number>();
  for (const file of VECTORS) {
    if (!existsSync(file)) continue;
    for (const line of readLines(file)) {
      const vector = parseVector(line);
      const found = identify(Buffer.from(vector.c, 'hex'), vector.d ?? 64);
      if (found) counts.set(found.form.number, (counts.get(found.form.number) ?? 0) + 1);
    }
  }
  return counts;
}

const cell = (text: string) => text.replaceAll('|', '\\|');
const anchor = (title: string) =>
  title
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');

/** The text of assembly/ISA.md. */
export function isaText(): string {
  const counts = vectorCounts();
  const tested = forms.filter(f => counts.has(f.number)).length;
  const parts = [HEAD];
  parts.push(`${forms.length} forms, ${tested} of them with vectors in the repository.\n`);
  parts.push(families.map(f => `- [${f.title}](#${anchor(f.title)}) (${f.forms.length})`).join('\n') + '\n');
  let number = 0;
  for (const family of families) {
    parts.push(`## ${family.title}\n`);
    const rows = [
      '| encoding | instruction | modes | CPUID | cycles | flags | exceptions | vectors |',
      '|---|---|---|---|---|---|---|---|',
    ];
    for (const record of family.forms) {
      const form = forms[number++]!;
      if (form.record !== record) throw new Error(`${record.syntax} is not form ${number}`);
      const modes = record.mode === '64' ? '64' : record.mode === 'not64' ? 'not 64' : '';
      const exceptions = exceptionsOf(form).join(' ');
      rows.push(
        `| \`${record.encoding.trim()}\` | ${cell(record.syntax)} | ${modes} | ${record.cpuid ?? ''} | ${record.cycles} | ${flagsText(form)} | ${exceptions} | ${counts.get(form.number) ?? ''} |`,
      );
    }
    parts.push(rows.join('\n') + '\n');
  }
  return parts.join('\n');
}

if (process.argv[1] && import.meta.url === new URL(process.argv[1], 'file://').href) writeFileSync(FILE, isaText());
