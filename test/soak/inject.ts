/**
 * Fault injection over the samples: each seed makes other calls of the driver fail, from DriverEntry to DriverUnload. A machine is booted once for each sample and goes back to
 * where it had booted for each seed, so a seed costs what the driver's life costs.
 *
 *   npm run -s inject -- [--seeds N] [--from S] [--sample NAME] [--one-in N] [--kernel N] [--cpus N]
 *
 * With --kernel one in N allocations of the kernel's own fails too, whoever it works for. Reported are the machine's own failures (a thrown Error: ours), bug checks with their cards
 * (the driver's), seeds that do not end, and what a driver's life left behind. Exit status 1 if there was any.
 */
import { Machine, OperationError } from '../../emulator/index.ts';
import type { BugCheck } from '../../hal/bus/index.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { INJECT_KERNEL, INJECT_NAMES } from '../../kernel/verifier/inject.ts';
import { INJECTED, logged, readRecord } from '../../kernel/verifier/state.ts';
import { counters, type Counters, differences } from './leaks.ts';
import { retire, WORKLOADS, type Workload } from './samples.ts';

export interface Found {
  sample: string;
  seed: number;
  kind: 'our error' | 'bug check' | 'does not end' | 'leak';
  text: string;
}

export interface Tally {
  seeds: number;
  failures: number;
  /** Failures of each seed. */
  bySeed: number[];
  /** Places in the driver where a call failed: its offset in the image. */
  places: Set<number>;
  found: Found[];
}

/** How often a driver is loaded, used and unloaded with one seed, and in each life opened, and how often a refused load or open is tried again. */
const LIVES = 2,
  USES = 1,
  ATTEMPTS = 4,
  WARM_UP_SEED = 1_000_000_007;

const word = (value: number): Uint8Array =>
  Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);

/** Tries something until the driver does not refuse it. A refusal is how a driver answers a failure; a bug check is looked at by the caller. */
function attempt<T>(machine: Machine, what: () => T): T | null {
  for (let n = 0; n < ATTEMPTS && machine.bugCheck() === null; n++) {
    try {
      return what();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (error.outcome === 'limit') throw new Endless(error.message);
    }
  }
  return null;
}

/** The life of a driver: loaded, used, unloaded; as far as it comes. */
function live(machine: Machine, w: Workload): void {
  for (const b of w.below) attempt(machine, () => machine.load(b.image, b.name));
  attempt(machine, () => machine.load(w.image, w.name));
  if (w.device !== null) {
    const { device } = w;
    for (let n = 0; n < USES; n++) {
      const file = attempt(machine, () => machine.open(device));
      if (file === null) break;
      attempt(machine, () => w.use(file));
      if (machine.bugCheck() === null && file.close().status !== 0) withoutInjection(machine, () => file.close());
    }
  }
  for (const name of [w.name, ...w.below.map(b => b.name)]) {
    if (machine.bugCheck() !== null || retire(machine, name)) continue;
    // The unload itself may have failed for want of memory: then it is asked for once more.
    withoutInjection(machine, () => {
      if (!retire(machine, name)) throw new Endless(`${name} is not unloaded`);
    });
  }
}

class Endless extends Error {}

const stopText = (b: BugCheck): string =>
  [
    `0x${b.code.toString(16)} ${b.name} in ${b.routine ?? '?'}${b.text === undefined ? '' : `: ${b.text}`}`,
    ...(b.card?.injected ?? [])
      .slice(-3)
      .map(e => `  injected failure #${e.number} at ${e.stack[1]?.symbol ?? e.stack[0]?.symbol}`),
  ].join('\n');

/** What fails, one in how many: calls of the driver, and the kernel's own allocations (0: none). */
export interface Rates {
  driver: number;
  kernel: number;
}

/** Runs seeds `from` to `from + count - 1` of one sample. */
export function injectInto(
  w: Workload,
  count: number,
  from: number,
  rates: Rates,
  cpus: number,
  report?: (f: Found) => void,
): Tally {
  const machine = Machine.create({ limitSeconds: 20, cpus });
  // What is set up once, by use or by failures, is there before the first seed.
  haveRequesters(machine);
  for (const warmUp of [0, rates.driver]) {
    setRates(machine, WARM_UP_SEED, { driver: warmUp, kernel: 0 });
    for (let n = 0; n < LIVES; n++) live(machine, w);
  }
  setRates(machine, 0, { driver: 0, kernel: 0 });
  live(machine, w);
  const before = counters(machine);
  const booted = machine.checkpoint();
  const tally: Tally = { seeds: 0, failures: 0, bySeed: [], places: new Set(), found: [] };
  for (let seed = from; seed < from + count; seed++) {
    machine.restore(booted);
    setRates(machine, seed, rates);
    const found = (kind: Found['kind'], text: string): void => {
      const f = { sample: w.name, seed, kind, text };
      tally.found.push(f);
      report?.(f);
    };
    tally.seeds++;
    try {
      for (let n = 0; n < LIVES && machine.bugCheck() === null; n++) live(machine, w);
    } catch (error) {
      found(
        error instanceof Endless ? 'does not end' : 'our error',
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      );
      // An Error may have come in the middle of a gate: this machine is no more to be trusted.
      if (!(error instanceof Endless)) return tally;
    }
    const b = machine.bugCheck();
    if (b !== null) found(b.driver === null ? 'our error' : 'bug check', stopText(b));
    else {
      const left = leftBehind(before, counters(machine));
      if (left.length > 0) found('leak', left.join(', '));
    }
    const failures = new DataView(
      machine.readMemory(machine.guest.addressOf('nt!VfInjectFailures')!, 4).slice().buffer,
    ).getUint32(0, true);
    tally.failures += failures;
    tally.bySeed.push(failures);
    for (const place of injectedAt(machine)) tally.places.add(place);
  }
  return tally;
}

/** Has the requester start more threads than it will need: four requests block theirs, in reads of a synchronous file that wait. */
function haveRequesters(machine: Machine): void {
  const echo = WORKLOADS.find(w => w.name === 'echo')!;
  machine.load(echo.image, echo.name);
  const files = Array.from({ length: 4 }, () => machine.open(echo.device!, { synchronous: true }));
  for (const file of files) file.read(1);
  const writer = machine.open(echo.device!);
  for (const file of files) writer.write(Uint8Array.of(file.handle & 0xff));
  for (const file of [...files, writer]) file.close();
  if (!retire(machine, echo.name)) throw new Error('echo is not unloaded');
}

function setRates(machine: Machine, seed: number, rates: Rates): void {
  machine.writeMemory(machine.guest.addressOf('nt!VfInjectSeed')!, word(seed));
  const oneIn = machine.guest.addressOf('nt!VfInjectOneIn')!;
  INJECT_NAMES.forEach((_, kind) =>
    machine.writeMemory(oneIn + kind * 4, word(kind === INJECT_KERNEL ? rates.kernel : rates.driver)),
  );
}

/** Does something while nothing is made to fail. */
function withoutInjection(machine: Machine, what: () => void): void {
  const at = machine.guest.addressOf('nt!VfInjectOneIn')!;
  const rates = machine.readMemory(at, INJECT_NAMES.length * 4).slice();
  machine.writeMemory(at, new Uint8Array(rates.length));
  what();
  machine.writeMemory(at, rates);
}

/** What is in use after a driver's life and was not before it. Less is no leak: a device that could not be started holds less. */
const leftBehind = (before: Counters, after: Counters): string[] =>
  differences(before, after).filter(text => {
    const [from, to] = text.slice(text.lastIndexOf(': ') + 2).split(' -> ');
    return Number(to) > Number(from);
  });

/** Where in their images drivers were when a call of theirs failed, as the verifier's log has it. */
function injectedAt(machine: Machine): number[] {
  const { k } = machine.guest as unknown as { k: Kernel };
  return [...logged(k)]
    .map(at => readRecord(k, at))
    .filter(r => r.kind === INJECTED && r.data !== INJECT_KERNEL)
    .map(r => r.key - r.owner);
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

function main(args: readonly string[]): void {
  const option = (name: string, or: number): number => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? or : Number(args[at + 1]);
  };
  const only = args.includes('--sample') ? args[args.indexOf('--sample') + 1] : null;
  const chosen = WORKLOADS.filter(w => only === null || w.name === only);
  const seeds = Math.ceil(option('seeds', 500) / chosen.length);
  let bad = 0;
  for (const w of chosen) {
    const start = performance.now();
    const t = injectInto(
      w,
      seeds,
      option('from', 1),
      { driver: option('one-in', 5), kernel: option('kernel', 0) },
      option('cpus', 1),
      f => console.log(`${f.sample}, seed ${f.seed}: ${f.kind}\n${f.text}`),
    );
    bad += t.found.length;
    const seconds = (performance.now() - start) / 1000;
    console.log(
      `${w.name}: ${t.seeds} seeds, ${t.failures} failures injected (median seed ${median(t.bySeed)}) at ${t.places.size} places, ${t.found.length} bad ends, ${((seconds * 1000) / t.seeds).toFixed(1)} ms a seed`,
    );
  }
  if (bad > 0) process.exitCode = 1;
}

if (/[\\/]inject\.m?[jt]s$/.test(process.argv[1] ?? '')) main(process.argv.slice(2));
