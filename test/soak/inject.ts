/**
 * Fault injection over the samples: each seed makes other calls of the driver fail, from DriverEntry to DriverUnload. A machine is booted once for each sample and goes back to
 * where it had booted for each seed, so a seed costs what the driver's life costs.
 *
 *   npm run -s inject -- [--seeds N] [--from S] [--sample NAME] [--one-in N] [--cpus N]
 *
 * Reported are the machine's own failures (a thrown Error: ours), bug checks with their cards (the driver's), and seeds that do not end. Exit status 1 if there was any.
 */
import { Machine, OperationError } from '../../emulator/index.ts';
import type { BugCheck } from '../../hal/bus/index.ts';
import { WORKLOADS, type Workload } from './samples.ts';

export interface Found {
  sample: string;
  seed: number;
  kind: 'our error' | 'bug check' | 'does not end';
  text: string;
}

export interface Tally {
  seeds: number;
  failures: number;
  found: Found[];
}

const word = (value: number): Uint8Array =>
  Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);

/** The life of a driver: loaded, used, unloaded; as far as it comes. */
function live(machine: Machine, w: Workload): void {
  try {
    machine.load(w.image, w.name);
    if (w.device !== null) {
      const file = machine.open(w.device);
      w.use(file);
      if (machine.bugCheck() === null) file.close();
    }
  } catch (error) {
    // A refused load or open is how a driver answers a failure; a bug check is looked at below.
    if (!(error instanceof OperationError)) throw error;
    if (error.outcome === 'limit') throw new Endless(error.message);
  }
  if (machine.bugCheck() !== null) return;
  const result = machine.unload(w.name);
  if (result.outcome === 'limit') throw new Endless('the unload is not done');
  if (machine.bugCheck() === null) machine.runToIdle(1);
}

class Endless extends Error {}

const stopText = (b: BugCheck): string =>
  [
    `0x${b.code.toString(16)} ${b.name} in ${b.routine ?? '?'}${b.text === undefined ? '' : `: ${b.text}`}`,
    ...(b.card?.injected ?? [])
      .slice(-3)
      .map(e => `  injected failure #${e.number} at ${e.stack[1]?.symbol ?? e.stack[0]?.symbol}`),
  ].join('\n');

/** Runs seeds `from` to `from + count - 1` of one sample. */
export function injectInto(
  w: Workload,
  count: number,
  from: number,
  oneIn: number,
  cpus: number,
  report?: (f: Found) => void,
): Tally {
  const machine = Machine.create({ limitSeconds: 5, cpus });
  const booted = machine.checkpoint();
  const seedAt = machine.guest.addressOf('nt!VfInjectSeed')!;
  const oneInAt = machine.guest.addressOf('nt!VfInjectOneIn')!;
  const failuresAt = machine.guest.addressOf('nt!VfInjectFailures')!;
  const tally: Tally = { seeds: 0, failures: 0, found: [] };
  for (let seed = from; seed < from + count; seed++) {
    machine.restore(booted);
    machine.writeMemory(seedAt, word(seed));
    for (let kind = 0; kind < 3; kind++) machine.writeMemory(oneInAt + kind * 4, word(oneIn));
    const found = (kind: Found['kind'], text: string): void => {
      const f = { sample: w.name, seed, kind, text };
      tally.found.push(f);
      report?.(f);
    };
    tally.seeds++;
    try {
      live(machine, w);
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
    tally.failures += new DataView(machine.readMemory(failuresAt, 4).slice().buffer).getUint32(0, true);
  }
  return tally;
}

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
    const t = injectInto(w, seeds, option('from', 1), option('one-in', 5), option('cpus', 1), f =>
      console.log(`${f.sample}, seed ${f.seed}: ${f.kind}\n${f.text}`),
    );
    bad += t.found.length;
    const seconds = (performance.now() - start) / 1000;
    console.log(
      `${w.name}: ${t.seeds} seeds, ${t.failures} failures injected, ${t.found.length} bad ends, ${((seconds * 1000) / t.seeds).toFixed(1)} ms a seed`,
    );
  }
  if (bad > 0) process.exitCode = 1;
}

if (process.argv[1]?.endsWith('inject.ts')) main(process.argv.slice(2));
