// Runs the 64-bit build of the benchmark kernels on the core alone and prints one JSON line: MIPS by kernel from the core's own instruction
// counter and this process's CPU time, nanoseconds of out+in, int+iretq and gate.
import { readFileSync } from 'node:fs';
import * as abi from '../../emulator/core/abi.ts';
import { benchImage, createBare, HEAP, IDT_BASE } from './bare.ts';
import { ENTRY_INT, ENTRY_ISR, ENTRY_PIO, KERNELS, median } from './kernels.ts';

const RUNS = 3;
const { image, entry } = benchImage();
const wasm = readFileSync(new URL('../../build/core.wasm', import.meta.url));

/** CPU time of `work` in microseconds. */
function cpuTime(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const used = process.cpuUsage(before);
  return used.user + used.system;
}

const kernels: { [name: string]: { mips: number; checksum: string } } = {};
for (const k of KERNELS) {
  const bare = createBare(wasm, image);
  const mips: number[] = [];
  let checksum = '';
  for (let i = 0; i <= RUNS; i++) {
    let instructions = 0;
    const time = cpuTime(() => {
      const result = bare.call(entry(k.entry), k.reps, HEAP);
      ({ instructions } = result);
      checksum = result.rax.toString(16).padStart(8, '0');
    });
    // The first run warms the engine's own compiler up.
    if (i > 0) mips.push(instructions / time);
  }
  kernels[k.name] = { mips: median(mips), checksum };
}

const REPEATS = 300;
const bare = createBare(wasm, image);
const { view, ram } = bare;
const handler = entry(ENTRY_ISR),
  gate = ram + IDT_BASE + 0x40 * 16;
view.setBigUint64(gate, BigInt(handler & 0xffff) | (24n << 16n) | (0x8e00n << 32n) | (BigInt(handler >>> 16) << 48n), true);
view.setBigUint64(gate + 8, 0n, true);
const nsOf = (n: number): number => {
  const times: number[] = [];
  for (let i = 0; i <= RUNS; i++) times.push(cpuTime(() => void bare.call(entry(n), REPEATS, HEAP)));
  return median(times.slice(1)) / REPEATS;
};
const inOut = nsOf(ENTRY_PIO),
  intIret = nsOf(ENTRY_INT);

// A gate that does nothing: out of the core and in again. The loop is gate; dec edi; jne.
const LOOP = 0x30000;
new Uint8Array(view.buffer, ram + LOOP, 8).set([0x0f, 0x01, 0xc1, 0xff, 0xcf, 0x75, 0xf9, 0xf4]);
bare.core.hostWrote(LOOP, 8);
bare.core.setGateRange(0, LOOP, 0, LOOP + 0x1000, 0);
const gates = 300_000;
const gateTimes: number[] = [];
for (let i = 0; i <= RUNS; i++) {
  bare.place(LOOP, gates);
  gateTimes.push(
    cpuTime(() => {
      while (bare.core.run(0, 0xffffffff, 0xfffff) === abi.EXIT_GATE);
    }),
  );
}
console.log(JSON.stringify({ kernels, nsPer: { inOut, intIret, gate: (median(gateTimes.slice(1)) / gates) * 1000 } }));
