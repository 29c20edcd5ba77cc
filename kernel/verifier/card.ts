/**
 * The card of a bug check: which rule was broken, what happened to the things it is about before, how to mend it. A pure function of guest memory, like everything that a
 * debugger shows.
 */
import type { BugCheck, CardEvent, CrashCard, ModuleInfo } from '../../hal/bus/guestos.ts';
import type { Kernel } from '../kernel.ts';
import { symbolAt } from '../ke/stackwalk.ts';
import { specialBlockAt } from '../mm/specialpool.ts';
import { prcbAddress } from '../mm/layout.ts';
import { DRIVER_OBJECT } from '../types/io.ts';
import { KPRCB } from '../types/prcb.ts';
import { causeOf, type Evidence } from './cause.ts';
import { INJECT_NAMES } from './inject.ts';
import { LOCK_NAMES } from './lock.ts';
import { RULES, ruleOf } from './rules.ts';
import * as kinds from './state.ts';
import { covers, logged, readRecord, type Recorded } from './state.ts';
import { VF_RECORD } from './globals.ts';

const hex = (address: number): string => `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;

/** A pool tag as people write it. */
export function tagText(tag: number): string {
  return [0, 8, 16, 24]
    .map(shift => (tag >>> shift) & 0xff)
    .map(c => (c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : '.'))
    .join('');
}

/** What a record says, as half a sentence. */
export function describeRecord(r: Recorded): string {
  const lock = LOCK_NAMES[r.tag] ?? 'lock';
  switch (r.kind) {
    case kinds.POOL:
      return `${r.size} bytes of ${r.flags & 1 ? 'paged' : 'nonpaged'} pool at ${hex(r.key)}, tag '${tagText(r.tag)}', allocated`;
    case kinds.MDL_ALLOCATED:
      return `MDL ${hex(r.key)} allocated`;
    case kinds.MDL_LOCKED:
      return `pages of MDL ${hex(r.key)} locked`;
    case kinds.MDL_MAPPED:
      return `MDL ${hex(r.key)} mapped at ${hex(r.data)}`;
    case kinds.IRP_ALLOCATED:
      return `IRP ${hex(r.key)} allocated`;
    case kinds.WORK_ITEM:
      return `work item ${hex(r.key)} allocated`;
    case kinds.RESOURCE:
      return `executive resource ${hex(r.key)} initialized`;
    case kinds.LOOKASIDE:
      return `lookaside list ${hex(r.key)} initialized`;
    case kinds.LOCK_ORDER:
      return `${lock} ${hex(r.data)} acquired while ${hex(r.key)} was held`;
    case kinds.LOCK_HELD:
      return `${lock} ${hex(r.key)} acquired, and held since`;
    case kinds.IO_MAPPING:
      return `${r.size} bytes of I/O space mapped at ${hex(r.key)}`;
    case kinds.CONTIGUOUS:
      return `${r.size} bytes of contiguous memory at ${hex(r.key)} allocated`;
    case kinds.ADAPTER:
      return `DMA adapter ${hex(r.key)} obtained`;
    case kinds.COMMON_BUFFER:
      return `common buffer of ${r.size} bytes at ${hex(r.key)} allocated`;
    case kinds.TRANSFER:
      return `${r.size} bytes mapped for DMA with map registers ${hex(r.key)}`;
    case kinds.REGION:
      return 'critical or guarded region entered';
    case kinds.TIMER:
      return `timer ${hex(r.key)} set`;
    case kinds.SCATTER_LIST:
      return `scatter/gather list ${hex(r.key)} obtained`;
    case kinds.MAP_REGISTERS:
      return `${r.size} map registers ${hex(r.key)} obtained`;
    case kinds.DEVICE:
      return `device object ${hex(r.key)} created`;
    case kinds.SYMBOLIC_LINK:
      return 'symbolic link created';
    case kinds.REGISTRATION:
      return `routine ${hex(r.data)} registered`;
    case kinds.REMOVE_LOCK:
      return `remove lock ${hex(r.key)} acquired with tag ${hex(r.data)}`;
    case kinds.DELETED:
      return `${hex(r.key)} deleted`;
    case kinds.CLOSED:
      return `handle ${hex(r.key)} closed`;
    case kinds.SYSTEM_THREAD:
      return `system thread ${hex(r.key)} started`;
    case kinds.FREED:
      return `${hex(r.key)} freed`;
    case kinds.COMPLETED:
      return `IRP ${hex(r.key)} completed with status 0x${r.size.toString(16).padStart(8, '0')}`;
    case kinds.UNLOCKED:
      return `pages of MDL ${hex(r.key)} unlocked`;
    case kinds.UNMAPPED:
      return `MDL ${hex(r.key)} unmapped`;
    case kinds.RELEASED:
      return `${lock} ${hex(r.key)} released`;
    case kinds.DEREFERENCED:
      return `object ${hex(r.key)} dereferenced, ${r.size} left`;
    case kinds.IRQL_RAISED:
      return `IRQL raised from ${r.flags} to ${r.size}`;
    case kinds.INJECTED:
      return `injected failure #${r.size} (${INJECT_NAMES[r.data] ?? '?'})`;
    default:
      return hex(r.key);
  }
}

/** Kinds that are bookkeeping and explain nothing. */
const SILENT = new Set([kinds.LOCK, kinds.IRP_SENT]);
/** Kinds that are also about what their data names: the adapter of a common buffer, the routine of a thread. */
const BY_DATA = new Set([
  kinds.LOCK_ORDER,
  kinds.COMMON_BUFFER,
  kinds.SCATTER_LIST,
  kinds.TRANSFER,
  kinds.MAP_REGISTERS,
  kinds.SYSTEM_THREAD,
  kinds.REGISTRATION,
]);
const MOST_EVENTS = 8;

function* everything(k: Kernel): Generator<Recorded> {
  const table = k.global.get('VfRecords');
  const count = k.global.get('VfRecordCount');
  for (let n = 0; n < count; n++) {
    const r = readRecord(k, table + n * VF_RECORD.size);
    if (r.kind !== 0 && !SILENT.has(r.kind)) yield r;
  }
  for (const at of logged(k)) {
    const r = readRecord(k, at);
    if (r.kind !== kinds.INJECTED) yield r;
  }
}

function evidenceFor(k: Kernel, b: BugCheck): Recorded[] {
  if (k.global.get('VfRecordCount') === 0) return [];
  const found = ruleOf(b.code, b.parameters);
  const p = b.parameters.map(v => Number(BigInt.asIntN(64, v)));
  const thread = threadOf(k, b);
  let wanted: Recorded[];
  if (found?.key === 'c4:62') {
    const base = DRIVER_OBJECT.f.DriverStart.get(k.mem, p[1]! - DRIVER_OBJECT.f.DriverName.offset);
    wanted = [...everything(k)].filter(
      r =>
        r.owner === base &&
        r.kind < kinds.FREED &&
        ![
          kinds.LOCK_ORDER,
          kinds.LOCK_HELD,
          kinds.TIMER,
          kinds.REGION,
          kinds.TRANSFER,
          kinds.RESOURCE,
          kinds.LOOKASIDE,
          kinds.SYSTEM_THREAD,
          kinds.REMOVE_LOCK,
          kinds.REGISTRATION,
        ].includes(r.kind),
    );
    // What was freed is in the log too, as it was allocated: only what lives is left behind.
    const live = new Set([...liveRecords(k)].map(r => r.sequence));
    wanted = wanted.filter(r => live.has(r.sequence));
  } else if (
    b.name === 'IRQL_UNEXPECTED_VALUE' ||
    ['4a', 'c9:5', 'c4:fa', 'c4:32', 'c4:41', 'd1', '0a'].includes(found?.key ?? '')
  ) {
    wanted = [...everything(k)]
      .filter(r => r.thread === thread && (r.kind === kinds.IRQL_RAISED || r.kind === kinds.LOCK_HELD))
      .slice(-2);
    if (b.code === 0xd1) wanted.push(...[...everything(k)].filter(r => covers(r, p[0]!)));
  } else if (['1', '20', 'c4:c5', 'c4:fb', 'c7:4', 'c4:3e'].includes(found?.key ?? '')) {
    wanted = [...everything(k)].filter(r => r.kind === kinds.REGION && r.thread === thread);
  } else {
    // An address beside or in a block of special pool stands for the block.
    const named = (found?.rule.evidence ?? [])
      .map(e => p[e.of - 1]!)
      .filter(a => a !== 0)
      .map(a => specialBlockAt(k, a)?.start ?? a);
    wanted = [...everything(k)].filter(r =>
      named.some(a => r.key === a || covers(r, a) || (BY_DATA.has(r.kind) && r.data === a)),
    );
  }
  // An address is used again and again: of what happened to others that were there only the last is of interest.
  const completions = wanted.filter(r => r.kind === kinds.COMPLETED).sort((x, y) => y.sequence - x.sequence);
  const old = new Set(completions.slice(2));
  wanted = wanted.filter(r => !old.has(r));
  // The call that failed has written itself down already.
  wanted = wanted.filter(
    r => !([kinds.FREED, kinds.COMPLETED, kinds.DELETED, kinds.CLOSED].includes(r.kind) && r.cycle === b.cycle),
  );
  const unique = [...new Map(wanted.map(r => [r.sequence, r])).values()].sort((x, y) => x.sequence - y.sequence);
  return unique.length <= MOST_EVENTS ? unique : unique.slice(-MOST_EVENTS);
}

/** What special pool knows of the blocks that a violation is about: for those that the kernel allocated, as IRPs are. */
function blockEvents(k: Kernel, b: BugCheck, modules: readonly ModuleInfo[], known: readonly Evidence[]): Evidence[] {
  const found = ruleOf(b.code, b.parameters);
  const out: Evidence[] = [];
  for (const e of found?.rule.evidence ?? []) {
    const block = specialBlockAt(k, Number(BigInt.asIntN(64, b.parameters[e.of - 1]!)));
    if (block === null || known.some(x => x.event.object === block.start && x.event.what.includes('allocated'))) continue;
    const what = `${block.bytes} bytes of pool at ${hex(block.start)}, tag '${tagText(block.tag)}'`;
    const frames = (stack: readonly number[]): CardEvent['stack'] =>
      stack.map(address => ({ address, symbol: symbolAt(k, modules, address) ?? hex(address) }));
    const { allocated, released } = block;
    const common = { object: block.start, cpu: allocated.cpu, irql: 0 };
    const event = (act: string, who: { cycle: number; thread: number; stack: readonly number[] }): CardEvent => ({
      ...common,
      what: `${what}, ${act}`,
      cycle: who.cycle,
      thread: who.thread,
      stack: frames(who.stack),
    });
    out.push({ kind: kinds.POOL, event: event('allocated', allocated) });
    if (released !== null && released.cycle !== b.cycle) out.push({ kind: kinds.FREED, event: event('freed', released) });
  }
  return out;
}

function* liveRecords(k: Kernel): Generator<Recorded> {
  const table = k.global.get('VfRecords');
  for (let n = 0; n < k.global.get('VfRecordCount'); n++) {
    const r = readRecord(k, table + n * VF_RECORD.size);
    if (r.kind !== 0) yield r;
  }
}

const threadOf = (k: Kernel, b: BugCheck): number => KPRCB.f.CurrentThread.get(k.mem, prcbAddress(b.cpu));

/** A record for people. */
export function eventOf(k: Kernel, modules: readonly ModuleInfo[], r: Recorded): CardEvent {
  return {
    what: describeRecord(r),
    object: r.key,
    cycle: r.cycle,
    cpu: r.cpu,
    irql: r.irql,
    thread: r.thread,
    stack: r.stack.map(address => ({ address, symbol: symbolAt(k, modules, address) ?? hex(address) })),
  };
}

/** The card of the stop, absent for a bug check that is about no rule we know; and where it has its cause. */
export function cardOf(k: Kernel, b: BugCheck, modules: readonly ModuleInfo[]): Pick<BugCheck, 'card' | 'cause'> {
  const found = ruleOf(b.code, b.parameters);
  const injected = [...logged(k)].map(at => readRecord(k, at)).filter(r => r.kind === kinds.INJECTED);
  const recorded = evidenceFor(k, b).map(r => ({ kind: r.kind, event: eventOf(k, modules, r) }));
  const evidence = [...recorded, ...blockEvents(k, b, modules, recorded)].sort((x, y) => x.event.cycle - y.event.cycle);
  const cause = causeOf(k, b, modules, found?.key ?? null, evidence);
  const known = cause === null ? {} : { cause };
  if (found === null && injected.length === 0) return known;
  const thread = threadOf(k, b);
  const where = [
    `${b.routine ?? 'unknown code'}${b.driver === null ? '' : ` of ${b.driver}`}`,
    `IRQL ${b.irql}`,
    `thread ${hex(thread)}`,
    ...(b.irp === null ? [] : [`IRP ${hex(b.irp)}`]),
    `processor ${b.cpu}`,
  ].join(', ');
  const card: CrashCard = {
    id: found?.key ?? b.code.toString(16),
    title: found?.rule.title ?? b.name,
    rule: found?.rule.rule ?? 'The driver does not survive a failure that was injected.',
    where,
    thread,
    before: evidence.map(e => e.event),
    mend: found?.rule.mend ?? 'Check the result of every call that can fail.',
    injected: injected
      .slice(0, MOST_EVENTS)
      .reverse()
      .map(r => ({ ...eventOf(k, modules, r), number: r.size })),
  };
  return { ...known, card };
}

/** Every rule there is, for documentation and tests. */
export const ruleKeys = (): string[] => Object.keys(RULES);
