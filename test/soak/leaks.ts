/**
 * Rounds of load, open, many IRPs (a third of them cancelled), close, unload: afterwards everything must be where it was. The counters are those of guest memory: pool by tag, objects
 * and handles by type, pages, system PTEs, stacks, threads, timers, and what the verifier counts (MDLs, mappings, IRPs, locks and the like). A round also does what the sample's
 * workload does from outside, by a program in user mode.
 *
 *   npm run -s leaks -- [--rounds N] [--irps N] [--sample NAME] [--cpus N] [--verifier off]
 */
import { Machine } from '../../emulator/index.ts';
import { setTimers } from '../../kernel/debug/machine.ts';
import { poolBlocks } from '../../kernel/debug/poolwalk.ts';
import { EX_WORK_QUEUE, WORK_QUEUES } from '../../kernel/ex/globals.ts';
import { workQueue } from '../../kernel/ex/work.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { UNLOADED_DRIVER, UNLOADED_DRIVERS } from '../../kernel/ldr/globals.ts';
import { POOL_DESCRIPTOR } from '../../kernel/mm/globals.ts';
import { MM_REGION, regionsOf } from '../../kernel/mm/region.ts';
import { listEntries } from '../../kernel/rtl/list.ts';
import { OBJECT_TYPE } from '../../kernel/types/ob.ts';
import { EPROCESS } from '../../kernel/types/ps.ts';
import { VF_KINDS } from '../../kernel/verifier/globals.ts';
import { startPump } from './pump.ts';
import { retire, WORKLOADS, type Workload } from './samples.ts';

/** Rounds that are not counted. */
const WARM_UP = 3;

/** Counted once the names of unloaded drivers are as many as are kept. */
const PAGES = 'available pages';

export type Counters = Record<string, number>;

const systemWorkers = (k: Kernel): number =>
  Array.from({ length: WORK_QUEUES }, (_, n) => EX_WORK_QUEUE.f.Threads.get(k.mem, workQueue(k, n))).reduce((a, b) => a + b, 0);

/** User memory of all processes: the bytes of its regions, and how many private pages are there. */
function userMemory(k: Kernel): { bytes: number; pages: number } {
  const out = { bytes: 0, pages: 0 };
  for (const link of listEntries(k.mem, k.global.address('PsActiveProcessHead'))) {
    const process = link - EPROCESS.f.ActiveProcessLinks.offset;
    out.pages += Number(EPROCESS.f.NumberOfPrivatePages.get(k.mem, process));
    for (const region of regionsOf(k, process))
      out.bytes += MM_REGION.f.End.get(k.mem, region) - MM_REGION.f.Start.get(k.mem, region);
  }
  return out;
}

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
  const names = k.global.address('MmUnloadedDrivers');
  const kept = new Set(
    Array.from({ length: UNLOADED_DRIVERS }, (_, n) => UNLOADED_DRIVER.f.NameBuffer.get(k.mem, names + n * UNLOADED_DRIVER.size)),
  );
  for (const b of poolBlocks(k)) {
    if (b.free || kept.has(b.start)) continue;
    const name = `${b.pool} pool: ${String.fromCharCode(...[0, 8, 16, 24].map(shift => (b.tag >>> shift) & 0x7f))}`;
    out[name] = (out[name] ?? 0) + 1;
  }
  out['timers'] = setTimers(k).length;
  out['special pool pages'] = k.global.get('MmSpecialPoolPagesInUse');
  out['system PTEs'] = k.global.get('MmSystemPtesInUse');
  out['threads'] = k.global.get('PspActiveThreads');
  out['kernel stacks'] = k.global.get('KiStackCount');
  // A page of a program's memory comes when it is first touched (a deeper place of a stack, after any number of rounds) and stays: it is the regions that must not grow.
  const user = userMemory(k);
  out['bytes of user regions'] = user.bytes;
  if (k.global.get('MmUnloadedDriverCount') > UNLOADED_DRIVERS + 1) out[PAGES] = k.global.get('MmAvailablePages') + user.pages;
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
  // A system worker thread that was made when all others were busy stays: an object, its pool, a stack.
  for (const name of ['threads', 'kernel stacks', 'pool blocks', 'nonpaged pool: Obje', 'objects: Thread'])
    out[name] = (out[name] ?? 0) - systemWorkers(k);
  return out;
}

/** What differs: `pool blocks: 120 -> 121`. */
export const differences = (before: Counters, after: Counters): string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter(name => name !== PAGES || (name in before && name in after))
    .filter(name => (before[name] ?? 0) !== (after[name] ?? 0))
    .map(name => `${name}: ${before[name] ?? 0} -> ${after[name] ?? 0}`);

export interface Leaks {
  rounds: number;
  irps: number;
  /** IRPs that were cancelled, and those of them that ended so. */
  cancelAsked: number;
  cancelled: number;
  leaks: string[];
}

/** Rounds of one sample's life. The first are not counted: what the machine sets up once. `report` is told of each round. */
export function findLeaks(
  w: Workload,
  rounds: number,
  irps: number,
  cpus: number,
  verifier = true,
  report?: (out: Leaks) => void,
): Leaks {
  const machine = Machine.create({ limitSeconds: 600, cpus, verifier });
  const pump = startPump(machine);
  const out: Leaks = { rounds: 0, irps: 0, cancelAsked: 0, cancelled: 0, leaks: [] };
  let before: Counters | null = null;
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const b of w.below) machine.load(b.image, b.name);
    machine.load(w.image, w.name);
    if (w.device !== null) {
      const file = machine.open(w.device);
      w.use(file);
      const pumped = pump(w.device, w.steps, irps, w.last);
      file.close();
      if (round >= 0) {
        out.irps += pumped.sent;
        out.cancelAsked += pumped.cancelAsked;
        out.cancelled += pumped.cancelled;
      }
    }
    for (const name of [w.name, ...w.below.map(b => b.name)]) {
      const gone = retire(machine, name);
      const bug = machine.bugCheck();
      if (bug !== null) throw new Error(`${name}, round ${round}: ${bug.name}: ${bug.text ?? ''}`);
      if (!gone) throw new Error(`${name}, round ${round}: it is not unloaded`);
    }
    const now = counters(machine);
    if (before !== null && round >= 0) {
      const leaks = differences(before, now);
      if (leaks.length > 0) {
        out.leaks.push(`round ${round}: ${leaks.join(', ')}`);
        if (out.leaks.length > 5) return out;
      }
      out.rounds++;
      report?.(out);
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
    const seconds = (): string => `${((performance.now() - start) / 1000).toFixed(1)} s`;
    const told = (l: Leaks): void => {
      if (l.rounds % 50 === 0) console.log(`${w.name}: ${l.rounds} rounds, ${l.irps} IRPs, ${seconds()}`);
    };
    const l = findLeaks(w, option('rounds', 20), option('irps', 1000), option('cpus', 1), !args.includes('off'), told);
    for (const text of l.leaks) console.log(`${w.name}: ${text}`);
    if (l.leaks.length > 0) process.exitCode = 1;
    console.log(
      `${w.name}: ${l.rounds} rounds, ${l.irps} IRPs, ${l.cancelAsked} cancelled (${l.cancelled} ended so), ${l.leaks.length === 0 ? 'nothing leaked' : 'leaks'}; ${seconds()}`,
    );
  }
}

if (/[\\/]leaks\.m?[jt]s$/.test(process.argv[1] ?? '')) main(process.argv.slice(2));
