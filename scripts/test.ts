/**
 * `npm test`: everything that must hold before a change goes in, quickest first. `tsx scripts/test.ts lint unit` runs only the steps named.
 * Ends with one line, "N passed, N failed", over all tests that ran.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.ts';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** The part of vitest's JSON report (in the form of Jest's) that is read. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

const STEPS: { readonly [name: string]: () => void | Promise<void> } = {
  lint: () => tool('oxlint/bin/oxlint', '--deny-warnings'),
  format: () => tool('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  types: async () => {
    // Each takes one processor: the three together take less time than one after the other.
    const checks = ['.', 'web', 'test/browser'].map(folder => typeCheck(`${folder}/tsconfig.json`));
    for (const result of await Promise.allSettled(checks)) if (result.status === 'rejected') throw result.reason;
  },
  build: () => build(),
  unit: () => vitest('unit'),
  boots: () => vitest('boots'),
  drivers: () => vitest('drivers'),
  browser: () => vitest('browser'),
};

const counts: Counts = { passed: 0, failed: 0, skipped: 0 };

async function typeCheck(project: string): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolved, rejected) => {
    child.on('error', rejected);
    child.on('exit', (...ended) => resolved(ended));
  });
  if (status !== 0) throw new Error(`tsc -p ${project} failed (${signal ?? `exit status ${status}`})`);
}

function tool(path: string, ...options: string[]): void {
  const { status, signal } = spawnSync(process.execPath, [join(ROOT, 'node_modules', path), ...options], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error(`${path.split('/')[0]} failed (${signal ?? `exit status ${status}`})`);
}

/** Runs one vitest project; a project without any test has failed. */
function vitest(project: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'kmode-test-'));
  const report = join(folder, 'report.json');
  try {
    tool(
      'vitest/vitest.mjs',
      'run',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    );
  } finally {
    addCounts(report);
    rmSync(folder, { recursive: true });
  }
}

function addCounts(report: string): void {
  // No report means that vitest did not get so far: that is its failure, not this file's.
  let text: string;
  try {
    text = readFileSync(report, 'utf8');
  } catch {
    counts.failed++;
    return;
  }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(text) as Report;
  counts.passed += numPassedTests;
  // A file that cannot be imported, or whose set-up fails, has no tests that could fail: it counts as one.
  counts.failed +=
    numFailedTests +
    testResults.filter(file => file.status === 'failed' && !file.assertionResults.some(t => t.status === 'failed')).length;
  counts.skipped += numPendingTests + numTodoTests;
}

const chosen = process.argv.slice(2);
const failures: string[] = [];
for (const name of chosen.length > 0 ? chosen : Object.keys(STEPS)) {
  const step = STEPS[name];
  if (!step) {
    console.error(`there is no step "${name}"; there are ${Object.keys(STEPS).join(', ')}`);
    process.exit(1);
  }
  const begin = performance.now();
  console.log(`\n== ${name}`);
  try {
    await step();
    console.log(`== ${name}: ok, ${((performance.now() - begin) / 1000).toFixed(1)} s`);
  } catch (error) {
    failures.push(name);
    console.error(`== ${name}: ${error instanceof Error ? error.message : String(error)}`);
    // Nothing can be tested of what was not built.
    if (name === 'build') break;
  }
}
if (failures.length > 0) console.error(`\nfailed: ${failures.join(', ')}`);
console.log(`\n${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`);
process.exit(failures.length > 0 ? 1 : 0);
