// What the kernel costs, in this process's CPU time: a gate that does nothing, and as multiples of it an event set, a pool allocation and free, a request through three
// drivers, an echo from a program in ring 3 and back. A driver (guest/kbench.c) runs each in a loop; a short run is taken off a long one. The verifier is off.
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

/** ns for one: of five long runs the middle one, less what a run of one costs. */
function each(n: number, run: (n: number) => { status: number; outcome: string }): number {
  run(n >> 2);
  const one = median(Array.from({ length: 5 }, () => time(() => run(1))));
  return (median(Array.from({ length: 5 }, () => time(() => run(n)))) - one) / n;
}

const loop = (n: number) => (times: number) => file.ioctl(code(n), count(times), 0);
const gate = each(400_000, loop(1));
const eventSet = each(200_000, loop(2));
const poolPair = each(100_000, loop(3));
const threeDrivers = each(30_000, loop(4));
const echo = each(10_000, n => file.ioctl(code(0), new Uint8Array(16), 16, { repeat: n - 1 }));
const round = (x: number): number => Math.round(x * 10) / 10;
console.log(
  JSON.stringify({
    gateNs: round(gate),
    inGates: {
      eventSet: round(eventSet / gate),
      poolPair: round(poolPair / gate),
      threeDrivers: round(threeDrivers / gate),
      echo: round(echo / gate),
    },
  }),
);
