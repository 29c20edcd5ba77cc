// Time from nothing (core compiled) to an idle kernel, in this process's CPU time: the median of five boots after one that warms up.
import { Machine } from '../../emulator/index.ts';
import { median } from './kernels.ts';

const times: number[] = [];
for (let i = 0; i < 6; i++) {
  const before = process.cpuUsage();
  const machine = Machine.create();
  const used = process.cpuUsage(before);
  if (!machine.guest.booted()) throw new Error('the kernel did not boot');
  times.push((used.user + used.system) / 1000);
}
console.log(JSON.stringify({ bootMs: median(times.slice(1)), firstBootMs: times[0] }));
