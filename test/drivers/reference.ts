/** `npm run exports`: writes kernel/EXPORTS.md, the reference of the routines that drivers can import. `--check` only says whether it is current. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { allExports } from '../../kernel/exports/index.ts';
import type { NtExport } from '../../kernel/exports/declare.ts';
import { importSets, listedRoutines, NAMED_SECTIONS, rankedRoutines } from './lists.ts';
import { documentedOutcomes } from './outcomes.ts';

const FILE = new URL('../../kernel/EXPORTS.md', import.meta.url);

function irqlOf(e: NtExport): string {
  if (e.kind === 'data') return 'variable';
  const { min, max, when } = e.irql ?? {};
  if (min !== undefined && max !== undefined) return min === max ? `${min}` : `${min} to ${max}`;
  if (min === undefined && max === undefined && when !== undefined) return 'by argument';
  return max !== undefined ? `<= ${max}` : min !== undefined ? `>= ${min}` : 'any';
}

/** The text of kernel/EXPORTS.md. */
export function exportsReference(): string {
  const visible = allExports.filter(e => !e.internal).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const names = new Set(visible.map(e => e.name));
  const outcomes = documentedOutcomes();
  const inSections = listedRoutines().filter(r => r.kind === 'export' && r.sections.some(s => NAMED_SECTIONS.includes(s)));
  const present = (list: readonly string[]): string => `${list.filter(n => names.has(n)).length} of ${list.length}`;
  const sets = importSets();
  const partial = visible.filter(e => e.status === 'partial').length;
  const lines = [
    '# Routines that drivers can import',
    '',
    'Made by `npm run exports` from the declarations in `exports/` and the documented outcomes in `outcomes/`; a test checks that it is current. `npm run -s coverage` runs the test drivers and computes what is really seen of them.',
    '',
    `- ${visible.length} routines and variables, ${visible.length - partial} declared full, ${partial} partial; ${[...outcomes.values()].reduce((n, l) => n + l.length, 0)} documented outcomes`,
    `- of the exports in the covered sections of the WDK: ${present(inSections.map(r => r.name))}`,
    `- of the kernel and HAL routines among the first 500 imports of drivers in the wild: ${present(rankedRoutines(500))}; among the first 1,000: ${present(rankedRoutines(1000))}`,
    `- import sets of drivers in the wild that bind: ${sets.filter(set => set.every(r => names.has(r))).length} of ${sets.length}`,
    '',
    '| routine | module | IRQL | outcomes | status |',
    '|---|---|---|---|---|',
    ...visible.map(
      e =>
        `| ${e.name} | ${(e.module ?? 'ntoskrnl.exe').replace(/\..*/, '')} | ${irqlOf(e)} | ${outcomes.get(e.name)?.length ?? ''} | ${e.status === 'partial' ? `partial: ${(e.missing ?? '').replaceAll('|', '\\|')}` : 'full'} |`,
    ),
    '',
  ];
  return lines.join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    if (readFileSync(FILE, 'utf8') !== exportsReference()) throw new Error('kernel/EXPORTS.md is not current: npm run exports');
  } else writeFileSync(FILE, exportsReference());
}
