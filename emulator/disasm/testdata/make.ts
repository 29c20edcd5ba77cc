/**
 * Makes what disassemble.test.ts compares with: how GNU objdump reads every instruction of the samples (samples.tsv), and four encodings of every
 * instruction form that the processor knows (forms.tsv). Needs binutils for mingw-w64 (Debian: binutils-mingw-w64-x86-64).
 *
 *     tsx emulator/disasm/testdata/make.ts
 *
 * A line: address, bytes, text as objdump writes it, in hexadecimal where it is a number.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allForms as records } from '../../../assembly/isa/index.ts';
import { decodeTables, parseForms } from '../../../assembly/gen/tables.ts';
import { fetch, type CodeBits } from '../fetch.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
const OBJDUMP = process.env.OBJDUMP ?? 'x86_64-w64-mingw32-objdump';
const SAMPLES = ['hello', 'echo', 'ticker', 'edu', 'crash'];

/** Lines `address, bytes, text` of a disassembly; the bytes of a long instruction are joined. */
function objdump(...args: string[]): string[] {
  const out = execFileSync(OBJDUMP, [...args, '-M', 'intel', '--insn-width=16'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return [...out.matchAll(/^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t(.*)$/gm)]
    .map(m => [m[1], m[2]!.replaceAll(' ', ''), m[3]!.trim()].join('\t'))
    .filter(line => !/\(bad\)|\?/.test(line));
}

function samples(): string[] {
  // Padding and repeated sequences teach nothing twice.
  const seen = new Set<string>();
  return SAMPLES.flatMap(name => objdump('-d', join(HERE, `../../../samples/${name}/${name}.sys`))).filter(line => {
    const key = line.slice(line.indexOf('\t'));
    return !seen.has(key) && seen.add(key);
  });
}

/** Encodings of every form, found by trying: prefixes, then bytes of a fixed sequence of pseudo-random numbers, until the decoder's tables name the form. */
function forms(bits: CodeBits): string[] {
  const parsed = parseForms(records);
  const tables = decodeTables(parsed);
  const wanted = new Map<number, string[]>();
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const STRING = /^(MOVS|STOS|LODS|CMPS|SCAS|INS|OUTS)[BWDQ]$/;
  const LEGACY = [[], [], [], [0x66], [0xf2], [0xf3], [0x67], [0x65], [0x66, 0xf2], [0x66, 0xf3]];
  for (const form of parsed) {
    const { map, opcode } = form.encoding;
    const found: string[] = [];
    const shapes = new Set<string>();
    for (let n = 0; n < 4000 && found.length < 4; n++) {
      const bytes = [...LEGACY[random(LEGACY.length)]!];
      const vex = map > 3;
      if (!vex && random(2) === 0 && bits === 64) bytes.push(0x40 | random(16));
      if (vex) bytes.push(0xc4, ((bits === 64 ? random(8) : 7) << 5) | (map - 3), random(256) | (bits === 64 ? 0 : 0x40));
      else bytes.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map]!);
      bytes.push(opcode + (form.encoding.plusRegister ? random(8) : 0));
      // ModRM with the digit or operand that the encoding names, SIB, displacement, immediate.
      const after = Array.from({ length: 10 }, () => random(256));
      if (form.encoding.digit >= 0) after[0] = (after[0]! & 0xc7) | (form.encoding.digit << 3);
      const fixed = form.record.encoding.split(' ').pop()!;
      if (/^[CDEF][0-9A-F]$/.test(fixed) && form.encoding.digit >= 0) after[0] = parseInt(fixed, 16);
      bytes.push(...after);
      const f = fetch(Uint8Array.from(bytes), tables, parsed, bits);
      if (f === null || f.form !== form.number) continue;
      // Prefixes that mean nothing there are written differently by every disassembler.
      if (f.repeat !== 0 && !/F[23]/.test(form.record.encoding) && !STRING.test(form.record.syntax)) continue;
      if ((f.segment !== '' && !f.memory) || (map > 3 && bytes[0] !== 0xc4)) continue;
      const has67 = f.addressSize * 8 !== bits;
      if (has67 && !f.memory && !/moffs|CXZ/.test(form.record.syntax)) continue;
      if (
        bits === 64 &&
        bytes.includes(0x66) &&
        bytes.indexOf(0x66) < 3 &&
        !/o16|\b66\b/.test(form.record.encoding) &&
        !/NOP/.test(form.record.syntax)
      )
        continue;
      // Intel's processors ignore 66 before a near branch in 64-bit mode (SDM vol. 2, Jcc); objdump reads a 16-bit displacement, as AMD's do.
      if (bits === 64 && bytes[0] === 0x66 && /rel/.test(form.record.syntax)) continue;
      const shape = `${f.memory}${f.base < 0}${f.index < 0}${f.ripRelative}${f.rex}`;
      if (shapes.has(shape) && n < 400) continue;
      shapes.add(shape);
      found.push(
        bytes
          .slice(0, f.length)
          .map(b => b.toString(16).padStart(2, '0'))
          .join(''),
      );
    }
    wanted.set(form.number, found);
  }
  const missing = parsed.filter(
    f =>
      wanted.get(f.number)!.length === 0 &&
      f.record.mode !== (bits === 64 ? 'not64' : '64') &&
      !/a(16|32|64)/.test(f.record.encoding),
  );
  for (const f of missing) console.error(`no encoding was found for ${f.record.encoding}  ${f.record.syntax}`);
  const list = [...new Set([...wanted.values()].flat())];
  // Each starts at a multiple of 32, among NOPs, so that a disagreement on one does not spread to the next.
  const SLOT = 32;
  const image = new Uint8Array(list.length * SLOT).fill(0x90);
  list.forEach((bytes, i) => image.set(Buffer.from(bytes, 'hex'), i * SLOT));
  const folder = mkdtempSync(join(tmpdir(), 'kmode-forms-'));
  try {
    writeFileSync(join(folder, 'forms.bin'), image);
    const lines = objdump(
      '-D',
      '-b',
      'binary',
      '-m',
      { 64: 'i386:x86-64', 32: 'i386', 16: 'i8086' }[bits],
      join(folder, 'forms.bin'),
    );
    return lines.filter(line => parseInt(line, 16) % SLOT === 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  for (const [name, lines] of [
    ['samples', samples()],
    ['forms', forms(64)],
    ['forms32', forms(32)],
    ['forms16', forms(16)],
  ] as const) {
    writeFileSync(join(HERE, `${name}.tsv`), `${lines.join('\n')}\n`);
    console.log(`${name}.tsv: ${lines.length} instructions`);
  }
}
