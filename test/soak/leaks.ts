/**
 * Rounds of load, open, many IRPs (a part of them cancelled), close, unload: afterwards everything must be where it was. The counters are those of guest memory: pool, objects and
 * handles by type, pages, system PTEs, stacks, threads, and what the verifier counts.
 *
 *   npm run -s leaks -- [--rounds N] [--irps N] [--sample NAME] [--cpus N] [--verifier off]
 */
import { readFileSync } from 'node:fs';
import { Machine } from '../../emulator/index.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { UNLOADED_DRIVERS } from '../../kernel/ldr/globals.ts';
import { POOL_DESCRIPTOR } from '../../kernel/mm/globals.ts';
import { OBJECT_TYPE } from '../../kernel/types/ob.ts';
import { VF_KINDS } from '../../kernel/verifier/globals.ts';
import { WORKLOADS, type Workload } from './samples.ts';

const PUMP = new Uint8Array(readFileSync(new URL('pump/pump.sys', import.meta.url)));
const IOCTL_PUMP = 0x222000;

export type Counters = Record<string, number>;

/** What is in use in the machine. */
export function counters(machine: Machine): Counters {
  const { k } = machine.guest as unknown as { k: Kernel };
  const out: Counters = {};
  const F = POOL_DESCRIPTOR.f;
  let blocks = 0;
  for (const name of ['MmNonPagedPool', 'MmPagedPool'] as const) {
    const pool = k.global.address(name);
    blocks += F.RunningAllocs.get(k.mem, pool) - F.RunningDeAllocs.get(k.mem, pool);
  }
  // The names of the last drivers that were unloaded are kept.
  out['pool blocks'] = blocks - Math.min(UNLOADED_DRIVERS, k.global.get('MmUnloadedDriverCount'));
  out['special pool pages'] = k.global.get('MmSpecialPoolPagesInUse');
  out['system PTEs'] = k.global.get('MmSystemPtesInUse');
  out['threads'] = k.global.get('PspActiveThreads');
  out['kernel stacks'] = k.global.get('KiStackCount');
  if (k.global.get('MmUnloadedDriverCount') > UNLOADED_DRIVERS + 1) out['available pages'] = k.global.get('MmAvailablePages');
  const table = k.global.address('ObTypeIndexTable');
  for (let i = 2; i < 256; i++) {
    const type = k.mem.readPtr(table + i * 8);
    if (type === 0) break;
    const name = Array.from({ length: k.mem.read16(type + OBJECT_TYPE.f.Name.offset) / 2 }, (_, n) =>
      String.fromCharCode(k.mem.read16(k.mem.readPtr(type + OBJECT_TYPE.f.Name.offset + 8) + n * 2)),
    ).join('');
    out[`objects: ${name}`] = OBJECT_TYPE.f.TotalNumberOfObjects.get(k.mem, type);
    out[`handles: ${name}`] = OBJECT_TYPE.f.TotalNumberOfHandles.get(k.mem, type);
  }
  const live = k.global.address('VfLive');
  for (let kind = 0; kind < VF_KINDS; kind++) {
    const n = k.mem.read32(live + kind * 4);
    // Locks of the machine's own drivers, and orders of locks that are gone, are dropped when they are met again.
    if (kind !== 9 && kind !== 10 && kind !== 21) out[`verifier: kind ${kind}`] = n;
  }
  return out;
}

/** What differs: `pool blocks: 120 -> 121`. A counter that is in one only does not count. */
export const differences = (before: Counters, after: Counters): string[] =>
  Object.keys(after)
    .filter(name => name in before && before[name] !== after[name])
    .map(name => `${name}: ${before[name]} -> ${after[name]}`);

export interface Leaks {
  rounds: number;
  irps: number;
  cancelled: number;
  leaks: string[];
}

/** The input of the pump. */
function pumpInput(w: Workload, irps: number): Uint8Array {
  const input = new Uint8Array(20 + 128);
  const view = new DataView(input.buffer);
  [irps, w.pending === null ? 0 : 3, w.quick.code, w.quick.input, w.pending?.major === 'ioctl' ? w.pending.code : 0].forEach(
    (v, i) => view.setUint32(i * 4, v, true),
  );
  Array.from(w.device!.replace('\\\\.\\', '\\DosDevices\\')).forEach((c, i) => view.setUint16(20 + i * 2, c.charCodeAt(0), true));
  return input;
}

/** Has the pump send its requests, and counts them. Throws an Error when one fails. */
function pumpRequests(
  machine: Machine,
  pump: ReturnType<Machine['open']>,
  w: Workload,
  round: number,
  irps: number,
  out: Leaks,
): void {
  const result = pump.ioctl(IOCTL_PUMP, pumpInput(w, irps), 16);
  const bug = machine.bugCheck();
  if (bug !== null) throw new Error(`${w.name}, round ${round}: ${bug.name} in ${bug.routine ?? '?'}: ${bug.text ?? ''}`);
  if (result.outcome !== 'done' || result.status !== 0)
    throw new Error(`${w.name}, round ${round}: the pump ended with ${result.outcome}, status 0x${result.status.toString(16)}`);
  const view = new DataView(result.data.slice().buffer);
  const [done, cancelled, failed] = [0, 4, 8].map(at => view.getUint32(at, true)) as [number, number, number];
  if (failed > 0)
    throw new Error(
      `${w.name}, round ${round}: ${failed} requests failed, the last with 0x${view.getUint32(12, true).toString(16)}`,
    );
  out.irps += done + cancelled;
  out.cancelled += cancelled;
}

/** Rounds of one sample's life. The first three are not counted: what the machine sets up once. */
export function findLeaks(w: Workload, rounds: number, irps: number, cpus: number, verifier = true): Leaks {
  const machine = Machine.create({ limitSeconds: 60, cpus, verifier });
  machine.load(PUMP, 'pump');
  const pump = machine.open('\\\\.\\Pump');
  const out: Leaks = { rounds: 0, irps: 0, cancelled: 0, leaks: [] };
  let before: Counters | null = null;
  for (let round = -3; round < rounds; round++) {
    machine.load(w.image, w.name);
    if (w.device !== null) {
      const file = machine.open(w.device);
      if (w.quick.code === 0) w.use(file);
      else pumpRequests(machine, pump, w, round, irps, out);
      file.close();
    }
    const unloaded = machine.unload(w.name);
    if (unloaded.outcome !== 'done')
      throw new Error(`${w.name}, round ${round}: the unload ended with ${unloaded.outcome}: ${machine.bugCheck()?.text ?? ''}`);
    machine.runToIdle(1);
    const now = counters(machine);
    if (before !== null && round >= 0) {
      const leaks = differences(before, now);
      if (leaks.length > 0) {
        out.leaks.push(`round ${round}: ${leaks.join(', ')}`);
        if (out.leaks.length > 5) return out;
      }
      out.rounds++;
    }
    before = now;
  }
  return out;
}

function main(args: readonly string[]): void {
  const option = (name: string, or: number): number => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? or : Number(args[at + 1]);
  };
  const only = args.includes('--sample') ? args[args.indexOf('--sample') + 1] : null;
  for (const w of WORKLOADS.filter(x => only === null || x.name === only)) {
    const start = performance.now();
    const l = findLeaks(w, option('rounds', 20), option('irps', 1000), option('cpus', 1), !args.includes('off'));
    for (const text of l.leaks) console.log(`${w.name}: ${text}`);
    if (l.leaks.length > 0) process.exitCode = 1;
    console.log(
      `${w.name}: ${l.rounds} rounds, ${l.irps} IRPs, ${l.cancelled} of them cancelled, ${l.leaks.length === 0 ? 'nothing leaked' : 'leaks'}; ${((performance.now() - start) / 1000).toFixed(1)} s`,
    );
  }
}

if (process.argv[1]?.endsWith('leaks.ts')) main(process.argv.slice(2));
