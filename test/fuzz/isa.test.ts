import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { allForms } from '../../assembly/isa/index.ts';
import { exceptionsOf, isaText, vectorCounts } from './isa.ts';
import { forms, identify } from './undefined.ts';

describe('assembly/ISA.md', () => {
  it('is what the records and vectors say (npm run isa writes it)', () => {
    const written = readFileSync(new URL('../../assembly/ISA.md', import.meta.url), 'utf8');
    expect(written === isaText()).toBe(true);
    for (const { syntax } of allForms) expect(written).toContain(syntax.replaceAll('|', '\\|'));
  });

  it('names the exceptions of forms whose exceptions the SDM lists', () => {
    const of = (code: string) => exceptionsOf(identify(Buffer.from(code, 'hex'), 64)!.form);
    expect(of('48f7f1')).toEqual(['#DE', '#M']); // DIV
    expect(of('f4')).toEqual(['#GP(0)', '#GP']); // HLT
    expect(of('0f58c1')).toEqual(['#UD', '#NM', '#GP(0) unless aligned to 16', '#M', '#XM']); // ADDPS
    expect(of('48ffc0')).toEqual(['#M', 'lock']); // INC
    expect(of('480fc8')).toEqual([]); // BSWAP
    expect(of('cc')).toContain('#BP');
  });

  it('counts vectors of most forms', () => {
    const counts = vectorCounts();
    expect(forms.filter(f => counts.has(f.number)).length).toBeGreaterThan(forms.length * 0.8);
  });
});
