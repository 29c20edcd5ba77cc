/** Runs the test drivers of this folder and reads what they say (ktest.h). */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { allExports } from '../../kernel/exports/index.ts';
import { ldrParse } from '../../kernel/ldr/parse.ts';
import { Machine, type CreateOptions } from '../../emulator/index.ts';

const FOLDER = new URL('./', import.meta.url);
const SETUP = 'KTEST-SETUP-HERE',
  SOURCE = 'KTEST-SOURCE:';
/** Processors of the machines that every driver runs on. */
export const PROCESSORS = [1, 4] as const;

/** What `run.ts` beside a driver may give: settings of its machine, and what to do from outside once it is loaded. */
export interface Script {
  options?: CreateOptions;
  run?(machine: Machine, context: { name: string; testCase: number; processors: number }): End | void;
}

/** How a driver ended its machine on purpose: the machine does not go on after that. */
export type End = 'off' | 'reset' | 'halted';

export interface TestDriver {
  name: string;
  /** How often it runs, each time with another KtestCase. */
  cases: number;
  bytes: Uint8Array;
  script: Script;
}

/** One run of a driver on one machine. */
export interface DriverRun {
  name: string;
  testCase: number;
  processors: number;
  /** `routine|outcome` of what was seen. */
  passed: string[];
  failures: string[];
  /** Everything that the guest printed, for a person. */
  lines: string[];
}

const sourceOf = (name: string): string => readFileSync(new URL(`${name}/${name}.c`, FOLDER), 'utf8');

export function driverNames(): string[] {
  return readdirSync(FOLDER, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort();
}

/** Whether the .sys file was built from the .c file as it is. */
export function isCurrent(name: string): boolean {
  const file = readFileSync(new URL(`${name}/${name}.sys`, FOLDER));
  return file.includes(SOURCE + createHash('sha256').update(sourceOf(name)).digest('hex'));
}

export async function testDriver(name: string): Promise<TestDriver> {
  const bytes = new Uint8Array(readFileSync(new URL(`${name}/${name}.sys`, FOLDER)));
  const directive = /\bktest:.*\bcases=(\d+)/.exec(sourceOf(name));
  const script = new URL(`${name}/run.ts`, FOLDER);
  const loaded: Script = existsSync(script) ? ((await import(pathToFileURL(script.pathname).href)) as Script) : {};
  return { name, cases: directive === null ? 1 : Number(directive[1]), bytes, script: loaded };
}

/** The image with its case and number of processors set. */
function prepared(driver: TestDriver, testCase: number, processors: number): Uint8Array {
  const bytes = Buffer.from(driver.bytes);
  const at = bytes.indexOf(SETUP);
  if (at < 0) throw new Error(`${driver.name}.sys does not include ktest.h`);
  bytes.writeUInt32LE(testCase, at + SETUP.length);
  bytes.writeUInt32LE(processors, at + SETUP.length + 4);
  return new Uint8Array(bytes);
}

const exported = new Set(allExports.filter(e => !e.internal).map(e => e.name));

/** Macros of wdm.h and what they call. */
const CALLED_AS: { readonly [name: string]: string } = {
  IoCallDriver: 'IofCallDriver',
  RtlAnsiStringToUnicodeSize: 'RtlxAnsiStringToUnicodeSize',
  IoCompleteRequest: 'IofCompleteRequest',
  ObDereferenceObject: 'ObfDereferenceObject',
  ObReferenceObject: 'ObfReferenceObject',
};

/** Routines that the driver can have called: its imports, and names that it asks for at run time. */
function callable(driver: TestDriver): (routine: string) => boolean {
  const imports = new Set(ldrParse(driver.bytes, driver.name).imports.flatMap(m => m.symbols.map(s => s.name)));
  const text = Buffer.from(driver.bytes);
  return routine => {
    const name = CALLED_AS[routine] ?? routine;
    return !exported.has(name) || imports.has(name) || text.includes(Buffer.from(`${routine}\0`, 'utf16le'));
  };
}

/** Runs a driver once: loads it, carries out its script, and unloads it if it can. What a driver finds wrong is a failure in the result; nothing is thrown for it. */
export function runDriver(driver: TestDriver, testCase: number, processors: number, options: CreateOptions = {}): DriverRun {
  const run: DriverRun = { name: driver.name, testCase, processors, passed: [], failures: [], lines: [] };
  const machine = Machine.create({ cpus: processors, verifier: true, limitSeconds: 30, ...driver.script.options, ...options });
  let problem: unknown = null;
  try {
    machine.load(prepared(driver, testCase, processors), driver.name);
    const ended = driver.script.run?.(machine, { name: driver.name, testCase, processors });
    if (ended) {
      run.lines = machine.debugLines();
      read(run, driver, machine, null, ended);
      return run;
    }
    if (machine.bugCheck() === null && !machine.runToIdle(20)) run.failures.push('the machine is busy after 20 guest seconds');
    if (machine.bugCheck() === null && machine.guest.modules().some(m => m.name.startsWith(driver.name))) {
      const { outcome, status } = machine.unload(driver.name);
      // STATUS_INVALID_DEVICE_REQUEST: it has no unload routine.
      if (outcome !== 'done' || (status !== 0 && status !== 0xc0000010))
        run.failures.push(`unload: ${outcome}, status 0x${status.toString(16)}`);
    }
  } catch (error) {
    problem = error;
  }
  run.lines = machine.debugLines();
  read(run, driver, machine, problem);
  return run;
}

function read(run: DriverRun, driver: TestDriver, machine: Machine, problem: unknown, ended?: End): void {
  let done = false;
  let end: { pair: string; how: string } | null = null;
  let stop: { pair: string; code: number } | null = null;
  const may = callable(driver);
  const saw = (pair: string): void => {
    const routine = pair.slice(0, pair.indexOf('|'));
    if (may(routine)) run.passed.push(pair);
    else run.failures.push(`${pair}: the driver does not import ${routine}`);
  };
  for (const line of run.lines) {
    const [, kind, rest = ''] = /^KTEST (\w+) ?(.*)$/.exec(line) ?? [];
    if (kind === 'pass') saw(rest);
    else if (kind === 'FAIL') run.failures.push(rest);
    else if (kind === 'done') done = true;
    else if (kind === 'end') {
      const [routine, outcome, how] = rest.split('|');
      end = { pair: `${routine}|${outcome}`, how: how! };
    } else if (kind === 'stop') {
      const [routine, outcome, code] = rest.split('|');
      stop = { pair: `${routine}|${outcome}`, code: Number.parseInt(code!, 16) };
    }
  }
  const bugCheck = machine.bugCheck();
  if (ended !== undefined || end !== null) {
    if (end !== null && end.how === ended) saw(end.pair);
    else run.failures.push(`${end?.pair ?? 'no end'}: ${end?.how ?? 'nothing'} expected, ${ended ?? 'nothing'} came`);
    return;
  }
  if (stop !== null) {
    if (bugCheck?.code === stop.code) saw(stop.pair);
    else
      run.failures.push(
        `${stop.pair}: bug check 0x${stop.code.toString(16)} expected, ${bugCheck === null ? 'none came' : `0x${bugCheck.code.toString(16)} came`}`,
      );
    return;
  }
  if (bugCheck !== null)
    run.failures.push(
      `bug check 0x${bugCheck.code.toString(16)} ${bugCheck.name} (${bugCheck.parameters.map(p => `0x${p.toString(16)}`).join(', ')})`,
    );
  else if (problem !== null) run.failures.push(problem instanceof Error ? problem.message : String(problem));
  if (!done && run.failures.length === 0) run.failures.push('the driver never said that it is done');
}
