import { expect, it } from 'vitest';
import { allExports } from '../exports/index.ts';
import { verifierHooks } from './hooks.ts';

it('looks at routines that there are', () => {
  const declared = new Set(allExports.map(e => e.name));
  expect([...verifierHooks.keys()].filter(name => !declared.has(name))).toEqual([]);
});
