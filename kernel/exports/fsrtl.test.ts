import { describe, expect, it } from 'vitest';
import { isNameInExpression } from './fsrtl.ts';

describe('names in expressions', () => {
  it('follow * and ? as the command line has them', () => {
    const cases: [string, string, boolean][] = [
      ['*', 'README.TXT', true],
      ['*.TXT', 'README.TXT', true],
      ['*.TXT', 'README.TXT.BAK', false],
      ['R?ADME.*', 'README.TXT', true],
      ['?', '', false],
      ['A*B*C', 'AXXBYYC', true],
      ['A*B*C', 'AXXBYY', false],
      ['ABC', 'ABCD', false],
    ];
    for (const [expression, name, matches] of cases)
      expect(isNameInExpression(expression, name), `${expression} ${name}`).toBe(matches);
  });

  it('have the forms of MS-DOS: < up to the last dot, > also nothing at a dot, " a dot or the end', () => {
    const cases: [string, string, boolean][] = [
      ['<.TXT', 'A.B.TXT', true],
      ['<', 'A.B', false],
      ['A>>>.C', 'AB.C', true],
      ['A???.C', 'AB.C', false],
      ['A>', 'A', true],
      ['FILE"', 'FILE', true],
      ['FILE"*', 'FILE', true],
      ['FILE"*', 'FILE.TXT', true],
      ['FILE"TXT', 'FILE.TXT', true],
    ];
    for (const [expression, name, matches] of cases)
      expect(isNameInExpression(expression, name), `${expression} ${name}`).toBe(matches);
  });
});
