import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readLines } from './format.ts';
import { runLines } from './run.ts';

const SAMPLE = fileURLToPath(new URL('sample.jsonl', import.meta.url));

describe('instruction vectors of a real processor', () => {
  it('all pass in the sample', () => {
    const report = runLines(readLines(SAMPLE), 'sample.jsonl');
    expect(Object.values(report.examples).flat()).toEqual([]);
    expect(report.passed).toBe(416);
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
