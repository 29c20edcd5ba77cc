import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CLASSES, readLines } from './format.ts';
import { runLines } from './run.ts';

const SAMPLE = fileURLToPath(new URL('sample.jsonl', import.meta.url));
/** One of every form, from the fuzzer. */
const FUZZED = fileURLToPath(new URL('fuzzed.jsonl.gz', import.meta.url));
/** Code of 32 and 16 bits: every integer form that a process can try, and every seventh of the others. */
const LEGACY = fileURLToPath(new URL('legacy.jsonl.gz', import.meta.url));

describe('instruction vectors of a real processor', () => {
  it('all pass in the sample', () => {
    const report = runLines(readLines(SAMPLE), 'sample.jsonl');
    expect(Object.values(report.examples).flat()).toEqual([]);
    expect(report.passed).toBe(416);
  });

  it('all pass of one for every form that a process on an Intel Xeon can try', () => {
    const lines = readLines(FUZZED);
    const report = runLines(lines, 'fuzzed.jsonl.gz');
    expect(Object.values(report.examples).flat()).toEqual([]);
    for (const k of CLASSES) expect(lines.filter(line => line.includes(`"k":"${k}"`)).length).toBeGreaterThan(20);
    expect(report.passed).toBe(2007);
  });

  it('all pass in 32-bit and 16-bit code, and say so of both', () => {
    const lines = readLines(LEGACY);
    const report = runLines(lines, 'legacy.jsonl.gz');
    expect(Object.values(report.examples).flat()).toEqual([]);
    for (const d of [32, 16]) expect(lines.filter(line => line.includes(`"d":${d},`)).length).toBeGreaterThan(600);
    // The same bytes are other instructions in code of another size (at the same place: offset 400 of the code page).
    const swapped = lines
      .map(line => JSON.parse(line))
      .filter(v => v.d === 32 && v.c.startsWith('66'))
      .map(v => JSON.stringify({ ...v, d: 16, b: { ...v.b, rip: (parseInt(v.b.rip, 16) & 0xfff).toString(16) } }));
    expect(swapped.length).toBeGreaterThan(100);
    expect(runLines(swapped, 'swapped').failed).toBeGreaterThan(swapped.length / 2);
  });

  it('fail when a register, a flag, a memory byte or the exception is not as recorded', () => {
    const lines = readLines(SAMPLE).filter(line => line.includes('"f":null') && /"w":\[\[/.test(line));
    const vector = JSON.parse(lines[0]!);
    const broken = [
      { ...vector, a: { ...vector.a, r15: '0123456789abcdef' } },
      { ...vector, a: { ...vector.a, rflags: (parseInt(vector.a.rflags ?? vector.b.rflags, 16) ^ 0x400).toString(16) } },
      { ...vector, a: { ...vector.a, xmm7: '00000000000000000000000000000001' } },
      { ...vector, w: [...vector.w, ['20000010', '5a']] },
      { ...vector, f: { v: 13 } },
    ];
    const report = runLines(
      [vector, ...broken].map(v => JSON.stringify(v)),
      'broken',
    );
    expect([report.passed, report.failed]).toEqual([1, broken.length]);
  });

  it('count what another class was asked for as skipped, and take every n-th line', () => {
    const lines = readLines(SAMPLE);
    const sse = runLines(lines, 'sample.jsonl', { classes: ['sse'] });
    expect(sse.passed + sse.failed + sse.skipped).toBe(lines.length);
    expect(sse.skipped).toBe(lines.filter(line => JSON.parse(line).k !== 'sse').length);
    expect(runLines(lines, 'sample.jsonl', { every: 10 }).passed).toBe(Math.ceil(lines.length / 10));
  });

  it('refuse a file that is none, naming file and line', () => {
    const good = readLines(SAMPLE)[0]!;
    expect(() => runLines([good, '{"n":"nop"}'], 'bad.jsonl')).toThrow(
      'bad.jsonl: line 2 is not a vector: field "c" is missing or malformed',
    );
    expect(() => runLines(['nonsense'], 'bad.jsonl')).toThrow('bad.jsonl: line 1 is not a vector');
    expect(() => readLines('/nowhere/at/all.jsonl')).toThrow('/nowhere/at/all.jsonl: cannot be read (ENOENT)');
  });
});
