// What the kernel costs, in this process's CPU time: a gate that does nothing, and as multiples of it an event set, a pool allocation and free, a request through three
// drivers, an echo from a program in ring 3 and back. A driver (guest/kbench.c) runs each in a loop; a short run is taken off a long one. The verifier is off. The five take short turns, and
// each is divided by the gate of its own turn: a machine that runs at half its speed for some seconds does so for both.
import { readFileSync } from 'node:fs';
import { Machine } from '../../emulator/index.ts';
import { median } from './kernels.ts';

const code = (n: number): number => 0x222000 + n * 4;
const machine = Machine.create({ verifier: false, limitSeconds: 100_000 });
machine.load(new Uint8Array(readFileSync(new URL('guest/kbench.sys', import.meta.url))), 'kbench');
const file = machine.open('\\Device\\KernelBench');

const count = (n: number): Uint8Array => Uint8Array.of(n, n >>> 8, n >>> 16, n >>> 24);
function time(work: () => { status: number; outcome: string }): number {
  const before = process.cpuUsage();
  const { status, outcome } = work();
  const used = process.cpuUsage(before);
  if (status !== 0 || outcome !== 'done') throw new Error(`the benchmark driver: ${outcome}, status 0x${status.toString(16)}`);
  return (used.user + used.system) * 1000;
}

interface Work {
  name: string;
  n: number;
  run: (n: number) => { status: number; outcome: string };
}
const loop = (number: number) => (times: number) => file.ioctl(code(number), count(times), 0);
/** As often as takes about a tenth of a second. */
const WORKS: readonly Work[] = [
  { name: 'gate', n: 200_000, run: loop(1) },
  { name: 'eventSet', n: 80_000, run: loop(2) },
  { name: 'poolPair', n: 20_000, run: loop(3) },
  { name: 'threeDrivers', n: 10_000, run: loop(4) },
  { name: 'echo', n: 3_000, run: n => file.ioctl(code(0), new Uint8Array(16), 16, { repeat: n - 1 }) },
];
/** Turns that are not counted, while V8 compiles; turns that are. */
const WARM_UP = 5,
  TURNS = 15;

const single = WORKS.map(w => median(Array.from({ length: 5 }, () => time(() => w.run(1)))));
const turn = (): number[] => WORKS.map((w, i) => (time(() => w.run(w.n)) - single[i]!) / w.n);
for (let i = 0; i < WARM_UP; i++) turn();
const turns = Array.from({ length: TURNS }, turn);
const round = (x: number): number => Math.round(x * 10) / 10;
console.log(
  JSON.stringify({
    gateNs: round(median(turns.map(t => t[0]!))),
    inGates: Object.fromEntries(WORKS.slice(1).map((w, i) => [w.name, round(median(turns.map(t => t[i + 1]! / t[0]!)))])),
  }),
);
