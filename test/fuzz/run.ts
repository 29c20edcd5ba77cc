// `npm run fuzz:hardware`: random instructions on the core and on this machine's processor; every difference that is not undefined is an error.

import { appendFileSync, mkdirSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Form } from '../../assembly/gen/tables.ts';
import { coreIsBuilt } from '../vectors/core.ts';
import { CLASSES } from '../vectors/format.ts';
import type { Bits, Case } from './case.ts';
import { Generator } from './generate.ts';
import { cpuName, hostProblem } from './host.ts';
import { BATCH, Judge, type Disagreement } from './judge.ts';
import { Random } from './random.ts';
import { caseJson, textOf, vectorOf } from './report.ts';
import { chooseForms } from './select.ts';
import { identify } from './undefined.ts';

const USAGE = `usage: npm run -s fuzz:hardware -- [options]
  --seconds N      how long (default 60)
  --cases N        how many cases instead
  --seed S         start of the random numbers (default 1); the same seed makes the same cases
  --mode 64|32|16  code segment that instructions run in (default 64)
  --forms PATTERN  only forms whose syntax or encoding matches this regular expression
  --class NAMES    only forms of these classes (${CLASSES.join(', ')})
  --sequences P    per cent of cases that are sequences of 2 to 6 instructions (default 25)
  --out DIR        write disagreements there: vectors.jsonl (single instructions, test/vectors/FORMAT.md) and cases.jsonl (all)
  --show N         disagreements printed for each form (default 1)
  --stop N         stop after that many disagreements (default 200)
  --list           list the forms and why others cannot be tried; run nothing`;

interface Options {
  seconds: number;
  cases: number;
  seed: number;
  bits: Bits;
  pattern: RegExp | null;
  classes: string[] | null;
  sequences: number;
  out: string | null;
  show: number;
  stop: number;
  list: boolean;
}

class UsageError extends Error {}

function parseOptions(args: string[]): Options {
  const o: Options = {
    seconds: 60,
    cases: Infinity,
    seed: 1,
    bits: 64,
    pattern: null,
    classes: null,
    sequences: 25,
    out: null,
    show: 1,
    stop: 200,
    list: false,
  };
  const value = (i: number): string => {
    if (args[i] === undefined) throw new UsageError(`${args[i - 1]} needs a value`);
    return args[i];
  };
  const number = (i: number): number => {
    const n = Number(value(i));
    if (!Number.isInteger(n) || n < 0) throw new UsageError(`${args[i - 1]} needs a whole number, not "${args[i]}"`);
    return n;
  };
  for (let i = 0; i < args.length; i++) {
    switch (args[i]) {
      case '--seconds':
        o.seconds = number(++i);
        break;
      case '--cases':
        o.cases = number(++i);
        o.seconds = Infinity;
        break;
      case '--seed':
        o.seed = number(++i);
        break;
      case '--mode': {
        const bits = number(++i);
        if (bits !== 64 && bits !== 32 && bits !== 16) throw new UsageError('--mode is 64, 32 or 16');
        o.bits = bits;
        break;
      }
      case '--forms':
        try {
          o.pattern = new RegExp(value(++i), 'i');
        } catch (error) {
          throw new UsageError(`--forms: ${(error as Error).message}`);
        }
        break;
      case '--class': {
        o.classes = value(++i).split(',');
        const unknown = o.classes.find(c => !CLASSES.includes(c));
        if (unknown !== undefined) throw new UsageError(`unknown class "${unknown}"`);
        break;
      }
      case '--sequences':
        o.sequences = number(++i);
        break;
      case '--out':
        o.out = value(++i);
        break;
      case '--show':
        o.show = number(++i);
        break;
      case '--stop':
        o.stop = number(++i);
        break;
      case '--list':
        o.list = true;
        break;
      default:
        throw new UsageError(`unknown option ${args[i]}`);
    }
  }
  return o;
}

/** What a run of the fuzzer gave. */
export interface FuzzReport {
  forms: number;
  cases: number;
  instructions: number;
  disagreements: Disagreement[];
  undefinedOnly: number;
  endless: number;
  seconds: number;
}

/** Runs the fuzzer; `found` hears of each disagreement when it has been made small. */
export function fuzz(o: Options, chosen: readonly Form[], found: (d: Disagreement, judge: Judge) => void): FuzzReport {
  const judge = new Judge();
  const started = performance.now();
  const report: FuzzReport = {
    forms: chosen.length,
    cases: 0,
    instructions: 0,
    disagreements: [],
    undefinedOnly: 0,
    endless: 0,
    seconds: 0,
  };
  try {
    const random = new Random(o.seed, o.bits);
    const generator = new Generator(random, o.bits);
    const seen = new Map<string, number>();
    let next = 0;
    const pick = () => random.pick(chosen);
    while (report.cases < o.cases && performance.now() - started < o.seconds * 1000 && report.disagreements.length < o.stop) {
      const batch: Case[] = [];
      const wanted = Math.min(BATCH, o.cases - report.cases);
      for (let tries = 0; batch.length < wanted && tries < wanted * 4; tries++) {
        // Every form in turn, so that none is left out; between them sequences.
        const sequence = random.below(100) < o.sequences;
        const c = sequence ? generator.sequence(pick) : generator.single(chosen[next++ % chosen.length]!);
        if (c) batch.push(c);
      }
      if (batch.length === 0) break;
      report.cases += batch.length;
      for (const d of judge.run(batch, 8)) {
        report.disagreements.push(d);
        const last = d.case.code.subarray(d.case.starts.at(-1)!);
        const key = identify(last, o.bits)?.form.record.syntax ?? 'no form';
        const count = (seen.get(key) ?? 0) + 1;
        seen.set(key, count);
        if (count <= o.show) found(judge.shrink(d), judge);
      }
    }
    report.undefinedOnly = judge.undefinedOnly;
    report.endless = judge.endless;
    report.instructions = judge.executed;
  } finally {
    judge.close();
  }
  report.seconds = (performance.now() - started) / 1000;
  return report;
}

function list(chosen: readonly Form[], left: ReadonlyMap<string, readonly Form[]>): void {
  for (const form of chosen) console.log(`${form.record.encoding.padEnd(32)} ${form.record.syntax}`);
  for (const [reason, those] of left) console.log(`not tried, ${reason}: ${those.map(f => f.record.syntax).join('; ')}`);
}

function main(): number {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(USAGE);
    return 0;
  }
  let o: Options;
  try {
    o = parseOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`fuzz:hardware: ${error.message}\n${USAGE}\n`);
    return 2;
  }
  const problem = hostProblem() ?? (coreIsBuilt() ? null : 'there is no build/core.wasm; make it with "npm run build:core"');
  if (problem !== null) {
    process.stderr.write(`fuzz:hardware: ${problem}\n`);
    return 2;
  }
  const { chosen, left } = chooseForms(o);
  if (o.list) {
    list(chosen, left);
    return 0;
  }
  if (chosen.length === 0) {
    process.stderr.write('fuzz:hardware: no form is left to try (see --list)\n');
    return 2;
  }
  const skipped = [...left].map(([reason, those]) => `${those.length} (${reason})`).join(', ');
  const { vendor, model } = cpuName();
  console.log(`seed ${o.seed}, ${o.bits}-bit mode, ${vendor} ${model}: ${chosen.length} forms; not tried: ${skipped || 'none'}`);
  if (o.out !== null) mkdirSync(o.out, { recursive: true });
  const report = fuzz(o, chosen, (d, judge) => {
    console.log(`DIFFERS ${textOf(d.case)}`);
    for (const line of d.what) console.log(`        ${line}`);
    if (o.out === null) return;
    appendFileSync(join(o.out, 'cases.jsonl'), caseJson(d.case, d.what) + '\n');
    const { result, view } = judge.onHost(d.case);
    const vector = vectorOf(d.case, result, view);
    if (vector) appendFileSync(join(o.out, 'vectors.jsonl'), JSON.stringify(vector) + '\n');
  });
  const perSecond = (n: number) => Math.round(n / report.seconds);
  console.log(
    `${report.forms} forms, ${report.cases} cases (${report.instructions} instructions executed) in ${report.seconds.toFixed(1)} s, ${perSecond(report.cases)} cases/s, ${perSecond(report.instructions)} instructions/s, load ${loadavg()[0]!.toFixed(1)}; ` +
      `${report.undefinedOnly} differ only in what is undefined, ${report.endless} do not end; ${report.disagreements.length} disagreements`,
  );
  return report.disagreements.length === 0 ? 0 : 1;
}

if (process.argv[1] && import.meta.url === new URL(process.argv[1], 'file://').href) process.exitCode = main();
