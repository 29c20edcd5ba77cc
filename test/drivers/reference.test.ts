import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { exportsReference } from './reference.ts';

it('kernel/EXPORTS.md is current', () => {
  const text = readFileSync(new URL('../../kernel/EXPORTS.md', import.meta.url), 'utf8');
  expect(text === exportsReference(), 'npm run exports').toBe(true);
});
