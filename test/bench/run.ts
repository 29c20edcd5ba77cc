// npm run bench: the core's speed on the benchmark kernels beside v86's (JIT, 32-bit builds of the same kernels), the cost of an out+in, an
// int+iretq and a gate, and the time to boot. Rounds of all engines in turn, medians. `--json` prints one object, `--rounds N` sets how many.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { geomean, KERNELS, median } from './kernels.ts';

interface EngineResult {
  kernels: { [name: string]: { mips: number; checksum: string } };
  nsPer?: { inOut: number; intIret: number; gate: number };
}

interface KernelResult {
  gateNs: number;
  inGates: { eventSet: number; poolPair: number; threeDrivers: number; echo: number };
}

const args = process.argv.slice(2);
const json = args.includes('--json');
const roundsAt = args.indexOf('--rounds');
const rounds = roundsAt < 0 ? 3 : Number(args[roundsAt + 1]);
if (!(Number.isInteger(rounds) && rounds > 0)) {
  console.error('bench: --rounds takes a whole number above 0');
  process.exit(1);
}

const run = (file: string): unknown => {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const out = execFileSync(process.execPath, ['--import', 'tsx', path], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(out.trim().split('\n').pop()!);
};

const core: EngineResult[] = [];
const v86: EngineResult['kernels'][] = [];
const boot: number[] = [];
const kernel: KernelResult[] = [];
for (let i = 0; i < rounds; i++) {
  core.push(run('./core.ts') as EngineResult);
  v86.push(run('./v86.ts') as EngineResult['kernels']);
  boot.push((run('./boot.ts') as { bootMs: number }).bootMs);
  kernel.push(run('./kernel.ts') as KernelResult);
}
const inGates = (name: keyof KernelResult['inGates']): number => median(kernel.map(r => r.inGates[name]));
const kernels = KERNELS.map(k => ({
  name: k.name,
  mips: median(core.map(r => r.kernels[k.name]!.mips)),
  v86Mips: median(v86.map(r => r[k.name]!.mips)),
}));
const result = {
  kernels,
  geomeanMips: geomean(kernels.map(k => k.mips)),
  v86GeomeanMips: geomean(kernels.map(k => k.v86Mips)),
  bootMs: median(boot),
  nsPer: {
    inOut: median(core.map(r => r.nsPer!.inOut)),
    intIret: median(core.map(r => r.nsPer!.intIret)),
    gate: median(core.map(r => r.nsPer!.gate)),
  },
  /** The kernel's own gate, and what it takes in units of it. */
  kernel: {
    gateNs: median(kernel.map(r => r.gateNs)),
    eventSet: inGates('eventSet'),
    poolPair: inGates('poolPair'),
    threeDrivers: inGates('threeDrivers'),
    echo: inGates('echo'),
  },
};
if (json) console.log(JSON.stringify(result));
else {
  console.log(`${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}, ${rounds} rounds, medians\n`);
  console.log('kernel       kmode MIPS   v86 JIT MIPS   ratio');
  const row = (name: string, a: number, b: number): string =>
    `${name.padEnd(12)} ${a.toFixed(0).padStart(10)} ${b.toFixed(0).padStart(14)} ${(a / b).toFixed(2).padStart(7)}`;
  for (const k of kernels) console.log(row(k.name, k.mips, k.v86Mips));
  console.log(row('geomean', result.geomeanMips, result.v86GeomeanMips));
  const { nsPer } = result;
  console.log(
    `\nboot to idle ${result.bootMs.toFixed(0)} ms; out+in ${nsPer.inOut.toFixed(0)} ns, int+iretq ${nsPer.intIret.toFixed(0)} ns, gate ${nsPer.gate.toFixed(0)} ns`,
  );
  const k = result.kernel;
  console.log(
    `kernel: a gate that does nothing ${k.gateNs.toFixed(0)} ns; in gates: event set ${k.eventSet.toFixed(1)}, pool allocation and free ${k.poolPair.toFixed(1)}, request through three drivers ${k.threeDrivers.toFixed(1)}, echo from ring 3 and back ${k.echo.toFixed(1)}`,
  );
}
