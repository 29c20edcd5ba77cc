import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { allExports } from '../../kernel/exports/index.ts';
import { listedRoutines } from './lists.ts';
import { documentedOutcomes } from './outcomes.ts';
import { exportsReference } from './reference.ts';

/** Inline routines of wdm.h that the lists leave out. */
const OF_HEADERS = [
  'MmGetMdlPfnArray',
  'MmLockPagableCodeSection',
  'ExAllocateFromLookasideListEx',
  'ExFreeToLookasideListEx',
  'PoSetDeviceBusy',
  'ExInterlockedFlushSList',
  'ExInitializeWorkItem',
];

it('kernel/EXPORTS.md is current', () => {
  const text = readFileSync(new URL('../../kernel/EXPORTS.md', import.meta.url), 'utf8');
  expect(text === exportsReference(), 'npm run exports').toBe(true);
});

it('outcomes are documented of routines that there are', () => {
  const known = new Set([...allExports.map(e => e.name), ...listedRoutines().map(r => r.name), ...OF_HEADERS]);
  expect([...documentedOutcomes().keys()].filter(name => !known.has(name))).toEqual([]);
});
