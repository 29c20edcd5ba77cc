/**
 * `npm run -s coverage [-- --json]`: runs all test drivers and counts, for each section of the WDK's documentation, the routines that are full (every documented
 * outcome was seen by a driver, with each number of processors), partial, and absent; and what of the imports of drivers in the wild is there. `--missing SECTION` lists what is not full.
 */
import { allExports } from '../../kernel/exports/index.ts';
import { importSets, listedRoutines, NAMED_SECTIONS, rankedRoutines, type ListedRoutine } from './lists.ts';
import { documentedOutcomes } from './outcomes.ts';
import { driverNames, PROCESSORS, runDriver, testDriver } from './suite.ts';

const documented = documentedOutcomes();
const declared = new Map(allExports.filter(e => !e.internal).map(e => [e.name, e]));

/** Runs everything; outcomes that were seen with every number of processors. */
async function observe(report: (failure: string) => void): Promise<Set<string>> {
  const seen = PROCESSORS.map(() => new Set<string>());
  for (const name of driverNames()) {
    let driver;
    try {
      driver = await testDriver(name);
    } catch (error) {
      report(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    for (const [i, processors] of PROCESSORS.entries()) {
      for (let testCase = 0; testCase < driver.cases; testCase++) {
        const run = runDriver(driver, testCase, processors);
        run.passed.forEach(pair => seen[i]!.add(pair));
        run.failures.forEach(failure => report(`${name}, case ${testCase}, ${processors} processors: ${failure}`));
      }
    }
  }
  return new Set([...seen[0]!].filter(pair => seen.every(s => s.has(pair))));
}

type Status = 'full' | 'partial' | 'absent';
interface Verdict {
  status: Status;
  /** What keeps it from being full. */
  why: string;
}

function judge(name: string, isExport: boolean, seen: ReadonlySet<string>): Verdict {
  const outcomes = documented.get(name) ?? [];
  const missing = outcomes.filter(o => !seen.has(`${name}|${o}`));
  const found = declared.get(name);
  if (isExport && found === undefined) return { status: 'absent', why: 'not exported' };
  if (!isExport && missing.length === outcomes.length) return { status: 'absent', why: 'no driver used it' };
  if (found !== undefined && found.status === 'partial') return { status: 'partial', why: found.missing ?? 'declared partial' };
  if (outcomes.length === 0) return { status: 'partial', why: 'no outcome is documented' };
  if (missing.length > 0) return { status: 'partial', why: `not seen: ${missing.join('; ')}` };
  return { status: 'full', why: '' };
}

const judgeRow = (row: ListedRoutine, seen: ReadonlySet<string>): Verdict => judge(row.name, row.kind === 'export', seen);

const args = process.argv.slice(2);
const json = args.includes('--json');
const failures: string[] = [];
const seen = await observe(f => failures.push(f));
const listed = listedRoutines();

const sectionNames = [...new Set([...NAMED_SECTIONS, ...listed.flatMap(r => r.sections)])];
const sections = sectionNames.map(name => {
  const verdicts = listed.filter(r => r.sections.includes(name)).map(r => judgeRow(r, seen).status);
  const count = (s: Status): number => verdicts.filter(v => v === s).length;
  return { name, rows: verdicts.length, full: count('full'), partial: count('partial'), absent: count('absent') };
});
const rank = (ranks: number): { of: number; full: number; partial: number; absent: number } => {
  const verdicts = rankedRoutines(ranks).map(n => judge(n, true, seen).status);
  const count = (s: Status): number => verdicts.filter(v => v === s).length;
  return { of: verdicts.length, full: count('full'), partial: count('partial'), absent: count('absent') };
};
const sets = importSets();
const result = {
  sections,
  ranked: { top500: rank(500), top1000: rank(1000) },
  importSets: { bound: sets.filter(set => set.every(r => declared.has(r))).length, of: sets.length },
  outcomes: { documented: [...documented.values()].reduce((n, list) => n + list.length, 0), seen: seen.size },
};

if (json) console.log(JSON.stringify(result));
else {
  const line = (name: string, ...n: (number | string)[]): void =>
    console.log(name.padEnd(52) + n.map(x => String(x).padStart(9)).join(''));
  const named = sections.filter(s => NAMED_SECTIONS.includes(s.name));
  line('section', 'rows', 'full', 'partial', 'absent');
  for (const s of named) line(s.name, s.rows, s.full, s.partial, s.absent);
  const rows = listed.filter(r => r.sections.some(s => NAMED_SECTIONS.includes(s))).map(r => judgeRow(r, seen).status);
  line(
    'together, each routine once',
    rows.length,
    ...(['full', 'partial', 'absent'] as const).map(s => rows.filter(r => r === s).length),
  );
  console.log('\nlater:');
  for (const s of sections.filter(s => !named.includes(s))) line(s.name, s.rows, s.full, s.partial, s.absent);
  console.log('');
  for (const [name, r] of Object.entries(result.ranked))
    line(`imports ranked in the ${name.replace('top', 'first ')}`, r.of, r.full, r.partial, r.absent);
  console.log(
    `\n${result.importSets.bound} of ${result.importSets.of} import sets bind; ${result.outcomes.seen} of ${result.outcomes.documented} documented outcomes seen`,
  );
}
const wanted = args.indexOf('--missing') + 1;
if (wanted > 0) {
  const section = args[wanted];
  for (const row of listed.filter(r => section === undefined || r.sections.some(s => s.startsWith(section)))) {
    const { status, why } = judgeRow(row, seen);
    if (status !== 'full') console.log(`${status.padEnd(8)} ${row.kind.padEnd(8)} ${row.name}: ${why}`);
  }
}
for (const failure of failures) console.error(`FAILED: ${failure}`);
if (failures.length > 0) process.exitCode = 1;
