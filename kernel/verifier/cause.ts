/**
 * Where a stop has its cause: the moment that a debugger goes back to. Guest memory tells it as far as it was written down; the rest (which instruction wrote a damaged byte,
 * which one raised the IRQL) is what whoever runs the machine again looks for.
 */
import type { BugCheck, CardEvent, CrashCause, ModuleInfo } from '../../hal/bus/guestos.ts';
import type { Kernel } from '../kernel.ts';
import { isKernelModule, moduleAt } from '../ke/modules.ts';
import { unloadedModules } from '../ldr/modules.ts';
import * as kinds from './state.ts';

/** Something that happened before, and what kind of record it comes from. */
export interface Evidence {
  kind: number;
  event: CardEvent;
}

/** The newest record of one of these kinds; or the write into the bytes that a parameter names; or the raise above the IRQL that a parameter names. */
type Cause =
  { records: readonly number[]; oldest?: boolean } | { written: 1 | 2 | 3 | 4 } | { above: (p: readonly number[]) => number };

const records = (...wanted: number[]): Cause => ({ records: wanted });
const HANDED_OUT = kinds.VF_LIVE_KINDS;

/** By the key of the rule. For others it is the driver's last instruction before the stop: the call that breaks the rule, or the access that faults. */
const CAUSES: { readonly [key: string]: Cause } = {
  '1': records(kinds.REGION),
  '18': records(kinds.DEREFERENCED),
  '20': records(kinds.REGION),
  '44': records(kinds.COMPLETED),
  '48': records(kinds.COMPLETED),
  '4a': { above: () => 0 },
  'c1:20': records(kinds.FREED),
  'c1:23': { written: 2 },
  'c1:24': { written: 2 },
  'c2:7': records(kinds.FREED),
  'c2:a': records(kinds.POOL),
  cc: records(kinds.FREED),
  d5: records(kinds.FREED),
  'c7:0': records(kinds.TIMER),
  'c7:4': records(kinds.REGION),
  c8: { above: p => (p[0]! >>> 8) & 0xff },
  'c9:1': records(kinds.FREED, kinds.COMPLETED),
  'c9:3': records(kinds.FREED, kinds.COMPLETED),
  'c9:5': { above: p => p[2]! },
  ce: records(kinds.SYSTEM_THREAD, kinds.TIMER, kinds.REGISTRATION),
  'c9:224': records(kinds.COMPLETED),
  'c9:240': records(kinds.DELETED),
  '93': records(kinds.CLOSED),
  'e6:3': records(kinds.FREED),
  'e6:5': records(kinds.FREED),
  'e6:6': records(kinds.FREED),
  'e6:7': records(kinds.COMMON_BUFFER),
  'e6:9': records(kinds.MAP_REGISTERS),
  'e6:a': records(kinds.SCATTER_LIST),
  'e6:d': records(kinds.TRANSFER),
  'e6:18': records(kinds.FREED),
  'c4:3f': records(kinds.DEREFERENCED),
  'c4:62': { records: HANDED_OUT, oldest: true },
  'c4:7c': records(kinds.UNLOCKED),
  'c4:b0': records(kinds.MDL_LOCKED),
  'c4:b2': records(kinds.MDL_MAPPED),
  'c4:b8': records(kinds.MDL_LOCKED, kinds.MDL_MAPPED),
  'c4:c5': records(kinds.REGION),
  'c4:ca': records(kinds.LOOKASIDE),
  'c4:cc': records(kinds.LOOKASIDE),
  'c4:d0': records(kinds.RESOURCE),
  'c4:d2': records(kinds.RESOURCE),
  'c4:d5': records(kinds.REMOVE_LOCK),
  'c4:d6': records(kinds.REMOVE_LOCK),
  'c4:111': { above: p => p[2]! },
  'c4:fa': { above: p => p[2]! },
  'c4:fb': records(kinds.REGION),
  'c4:1000': records(kinds.LOCK_HELD),
  'c4:1001': records(kinds.LOCK_ORDER),
  'c4:1004': records(kinds.LOCK_HELD),
  'c4:1005': records(kinds.LOCK_HELD),
  'c4:1007': records(kinds.RELEASED),
  'c4:100a': records(kinds.LOCK_HELD),
  'c4:100b': records(kinds.LOCK_HELD),
};

interface Code {
  start: number;
  end: number;
}

/** The image of a driver by its file name: loaded, or the last one of that name that was unloaded. */
function imageOf(k: Kernel, modules: readonly ModuleInfo[], name: string): Code | null {
  const loaded = modules.find(m => m.name === name);
  if (loaded !== undefined) return { start: loaded.base, end: loaded.base + loaded.size };
  const gone = unloadedModules(k).findLast(m => m.name === name);
  return gone === undefined ? null : { start: gone.start, end: gone.end };
}

/** The driver's frame of a stack: the code that did it, and where it went on. */
function driverFrame(modules: readonly ModuleInfo[], stack: CardEvent['stack']): { code: Code; returns: number } | null {
  for (const { address } of stack) {
    const m = moduleAt(modules, address);
    if (m !== null && !isKernelModule(m.name)) return { code: { start: m.base, end: m.base + m.size }, returns: address };
  }
  return null;
}

/** The cause of the stop; null when no driver is at fault. `key` is the rule's, null for a bug check that is about none; `evidence` from the oldest on. */
export function causeOf(
  k: Kernel,
  b: BugCheck,
  modules: readonly ModuleInfo[],
  key: string | null,
  evidence: readonly Evidence[],
): CrashCause | null {
  const how = key === null ? undefined : CAUSES[key];
  if (how !== undefined && 'records' in how) {
    const fitting = evidence.filter(e => how.records.includes(e.kind) && e.event.stack.length > 0);
    const chosen = how.oldest ? fitting[0] : fitting.at(-1);
    const frame = chosen === undefined ? null : driverFrame(modules, chosen.event.stack);
    if (chosen !== undefined && frame !== null) {
      const { what, cycle, cpu } = chosen.event;
      return { what, cycle, cpu, code: frame.code, returns: frame.returns };
    }
  }
  const code = b.driver === null ? null : imageOf(k, modules, b.driver);
  if (code === null) return null;
  const last = { cycle: b.cycle, cpu: b.cpu, code };
  const p = b.parameters.map(v => Number(BigInt.asIntN(64, v)));
  if (how !== undefined && 'written' in how) {
    const va = p[how.written - 1]!;
    const pa = k.mem.translate(va);
    if (pa >= 0)
      return {
        ...last,
        what: `the write to 0x${BigInt.asUintN(64, BigInt(va)).toString(16)}`,
        written: { start: pa, end: pa + 1 },
      };
  }
  if (how !== undefined && 'above' in how) {
    const irql = how.above(p);
    return { ...last, what: `the last raise above IRQL ${irql}`, irql };
  }
  return { ...last, what: 'the last instruction of the driver before the stop' };
}
