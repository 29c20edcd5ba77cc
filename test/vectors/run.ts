// `npm run -s vectors -- FILE [--class int] [--every N] [--json]`: how far the core agrees with a real processor.

import { checkVector } from './check.ts';
import { coreIsBuilt, loadCore } from './core.ts';
import { CLASSES, formName, parseVector, readLines, VectorFileError } from './format.ts';
import { buildMachine, RAM_BYTES, type VectorMachine } from './machine.ts';

const USAGE = `usage: npm run -s vectors -- FILE [--class NAME[,NAME...]] [--every N] [--json] [--show N]
  FILE        vectors, one JSON object a line, plain or gzipped
  --class     only these classes (${CLASSES.join(', ')})
  --every N   only every N-th line
  --json      print one object {passed, failed, skipped, byForm}
  --show N    differences printed for each failing form (default 1; not with --json)`;

interface Options {
  file: string;
  classes: string[] | null;
  every: number;
  json: boolean;
  show: number;
}

/** Results of one form. */
interface FormResult {
  passed: number;
  failed: number;
}

/** What a file of vectors gave; `examples` holds the first differences of each failing form. */
export interface Report {
  passed: number;
  failed: number;
  /** Vectors of a class that was not asked for. */
  skipped: number;
  byForm: Record<string, FormResult>;
  examples: Record<string, string[]>;
}

/** Runs vector lines; a line that is no vector throws a VectorFileError that names it. `where` is the file's name for messages. */
export function runLines(
  lines: string[],
  where: string,
  { classes = null as string[] | null, every = 1, show = 1 } = {},
): Report {
  const report: Report = { passed: 0, failed: 0, skipped: 0, byForm: {}, examples: {} };
  let machine: VectorMachine | null = null;
  for (let i = 0; i < lines.length; i += every) {
    let vector;
    try {
      vector = parseVector(lines[i]!);
    } catch (error) {
      throw new VectorFileError(`${where}: line ${i + 1} is not a vector: ${(error as Error).message}`);
    }
    if (classes && !classes.includes(vector.k)) {
      report.skipped++;
      continue;
    }
    machine ??= buildMachine(loadCore(RAM_BYTES));
    let differences: string[];
    try {
      differences = checkVector(machine, vector);
    } catch (error) {
      if (!(error instanceof Error && error.name === 'RuntimeError')) throw error; // a WebAssembly trap
      differences = [`the core crashed: ${error.message}`];
      machine = null;
    }
    const form = formName(vector);
    const result = (report.byForm[form] ??= { passed: 0, failed: 0 });
    if (differences.length === 0) {
      result.passed++;
      report.passed++;
      continue;
    }
    result.failed++;
    report.failed++;
    const examples = (report.examples[form] ??= []);
    if (examples.length < show) examples.push(`line ${i + 1} ${vector.k} "${vector.n}" ${vector.c}: ${differences.join('; ')}`);
  }
  return report;
}

function parseOptions(args: string[]): Options {
  const options: Options = { file: '', classes: null, every: 1, json: false, show: 1 };
  const value = (i: number) => {
    if (args[i] === undefined) throw new Error(`${args[i - 1]} needs a value`);
    return args[i];
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === '--json') options.json = true;
    else if (arg === '--class') options.classes = value(++i).split(',');
    else if (arg === '--every') options.every = count(arg, value(++i));
    else if (arg === '--show') options.show = count(arg, value(++i));
    else if (arg.startsWith('-')) throw new Error(`unknown option ${arg}`);
    else if (options.file) throw new Error(`more than one file: ${arg}`);
    else options.file = arg;
  }
  if (!options.file) throw new Error('no file given');
  const unknown = options.classes?.find(name => !CLASSES.includes(name));
  if (unknown !== undefined) throw new Error(`unknown class "${unknown}"`);
  return options;
}

function count(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${option} needs a number of at least 1, not "${text}"`);
  return Number(text);
}

function printReport(report: Report): void {
  for (const [form, { passed, failed }] of Object.entries(report.byForm)) {
    console.log(`${failed ? 'FAIL' : 'ok  '} ${form}: ${passed} passed, ${failed} failed`);
    for (const example of report.examples[form] ?? []) console.log(`       ${example}`);
  }
  console.log(`${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped`);
}

function main(): number {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(USAGE);
    return 0;
  }
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    process.stderr.write(`vectors: ${(error as Error).message}\n${USAGE}\n`);
    return 2;
  }
  if (!coreIsBuilt()) {
    process.stderr.write('vectors: there is no build/core.wasm; make it with "npm run build:core"\n');
    return 2;
  }
  let report: Report;
  try {
    report = runLines(readLines(options.file), options.file, options);
  } catch (error) {
    if (!(error instanceof VectorFileError)) throw error;
    process.stderr.write(`vectors: ${error.message}\n`);
    return 2;
  }
  const { passed, failed, skipped, byForm } = report;
  if (options.json) console.log(JSON.stringify({ passed, failed, skipped, byForm }));
  else printReport(report);
  return failed === 0 ? 0 : 1;
}

if (process.argv[1] && import.meta.url === new URL(process.argv[1], 'file://').href) process.exitCode = main();
