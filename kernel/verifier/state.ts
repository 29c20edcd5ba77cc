/**
 * The verifier's memory: a table of what drivers hold, chained by address, and a log of what they did last. Both lie in nonpaged pool, so that they are part of every
 * checkpoint and a debugger can read them; they exist only when the machine runs with the verifier.
 */
import { captureStack } from '../ke/stackwalk.ts';
import type { Kernel } from '../kernel.ts';
import { DRIVER_IMAGES_BASE, DRIVER_IMAGES_END } from '../mm/layout.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { imageAt } from '../rtl/functiontable.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { VF_FRAMES, VF_RECORD } from './globals.ts';

/** What a record is about. Up to LAST_LIVE the table has them, above it the log. */
export const POOL = 1,
  MDL_ALLOCATED = 2,
  MDL_LOCKED = 3,
  MDL_MAPPED = 4,
  IRP_ALLOCATED = 5,
  WORK_ITEM = 6,
  RESOURCE = 7,
  LOOKASIDE = 8;
export const LOCK = 9,
  LOCK_ORDER = 10,
  LOCK_HELD = 11,
  IO_MAPPING = 12,
  CONTIGUOUS = 13,
  ADAPTER = 14,
  COMMON_BUFFER = 15,
  SCATTER_LIST = 16;
export const MAP_REGISTERS = 17,
  IRP_SENT = 18,
  REGION = 19,
  REMOVE_LOCK = 20,
  TIMER = 21,
  DPC = 22,
  SYSTEM_THREAD = 23,
  TRANSFER = 24;
export const DEVICE = 25,
  SYMBOLIC_LINK = 26,
  REGISTRATION = 27;
export const FREED = 32,
  COMPLETED = 33,
  UNLOCKED = 34,
  UNMAPPED = 35,
  INJECTED = 36,
  DELETED = 37,
  RELEASED = 38,
  SENT = 39,
  CANCELLED = 40,
  DEREFERENCED = 41;
export const CLOSED = 42,
  IRQL_RAISED = 43;

/** Kinds that are things which a driver holds; the other live ones are bookkeeping. */
export const VF_LIVE_KINDS: readonly number[] = [
  POOL,
  MDL_ALLOCATED,
  MDL_LOCKED,
  MDL_MAPPED,
  IRP_ALLOCATED,
  WORK_ITEM,
  RESOURCE,
  LOOKASIDE,
  LOCK_HELD,
  IO_MAPPING,
  CONTIGUOUS,
  ADAPTER,
  COMMON_BUFFER,
  SCATTER_LIST,
  MAP_REGISTERS,
  REGION,
  REMOVE_LOCK,
  TIMER,
  SYSTEM_THREAD,
  TRANSFER,
  DEVICE,
  SYMBOLIC_LINK,
  REGISTRATION,
];

const R = VF_RECORD.f;
const SIZE = VF_RECORD.size;
const KEY = R.Key.offset,
  NEXT = R.Next.offset,
  INFO = R.Info.offset,
  STACK = R.Stack.offset;

/** One entry of the table for this many bytes of RAM. */
const RAM_PER_RECORD = 16384;
const LOG_RECORDS = 1024;
const MAXIMUM_RECORDS = 16384;

/** Phase 0: takes the memory. Without it (a machine with little RAM) nothing is remembered, and the rules that need no memory still hold. */
export function vfInitialize(k: Kernel): void {
  if (!k.config.verifier) return;
  const count = Math.min(MAXIMUM_RECORDS, Math.floor(k.config.ramBytes / RAM_PER_RECORD));
  const log = Math.min(LOG_RECORDS, count);
  const at = exAllocatePool(k, NonPagedPoolNx, count * SIZE + log * SIZE + count * 4, poolTag('Vfkm'));
  k.global.set('VfInjectSeed', k.config.injectSeed);
  k.global.set('VfInjectOneIn', [k.config.injectPool, k.config.injectMap, k.config.injectLower, k.config.injectObject, 0, 0]);
  if (!at) return;
  k.mem.fill(at, count * SIZE + log * SIZE + count * 4, 0);
  for (let i = 0; i < count; i++) k.mem.write32(at + i * SIZE + NEXT, i + 1 < count ? i + 2 : 0);
  k.global.set('VfRecords', at);
  k.global.set('VfRecordCount', count);
  k.global.set('VfRecordFree', 1);
  k.global.set('VfLog', at + count * SIZE);
  k.global.set('VfLogSize', log);
  k.global.set('VfBuckets', at + (count + log) * SIZE);
}

/** Whether an address lies where driver images are mapped. */
export const isDriverAddress = (address: number): boolean => address >= DRIVER_IMAGES_BASE && address < DRIVER_IMAGES_END;

/** True when the routine that runs was called by a driver, not by the kernel. */
export const calledByDriver = (k: Kernel): boolean => isDriverAddress(k.caller());

/** Base of the driver image that an address is in, or 0. */
export const driverAt = (k: Kernel, address: number): number => (isDriverAddress(address) ? (imageAt(k, address)?.base ?? 0) : 0);

export interface Details {
  owner?: number;
  tag?: number;
  size?: number;
  flags?: number;
  data?: number;
  more?: number;
  /** Most frames to keep. */
  frames?: number;
}

function fill(k: Kernel, at: number, kind: number, key: number, d: Details): void {
  const { mem } = k;
  const stack = captureStack(k, d.frames ?? VF_FRAMES);
  mem.writePtr(at + KEY, key);
  mem.write32(at + INFO, (kind | (k.irql << 8) | (k.cpu.index << 16) | (stack.length << 24)) >>> 0);
  R.Owner.set(mem, at, d.owner ?? driverAt(k, k.caller()));
  R.Thread.set(mem, at, k.currentThread());
  R.Cycle.set(mem, at, BigInt(k.cpu.cycle));
  const sequence = (k.global.get('VfSequence') + 1) >>> 0;
  k.global.set('VfSequence', sequence);
  R.Sequence.set(mem, at, sequence);
  R.Tag.set(mem, at, d.tag ?? 0);
  R.Size.set(mem, at, Math.min(d.size ?? 0, 0xffffffff));
  R.Flags.set(mem, at, d.flags ?? 0);
  R.Data.set(mem, at, d.data ?? 0);
  R.More.set(mem, at, d.more ?? 0);
  for (let i = 0; i < stack.length; i++) mem.writePtr(at + STACK + i * 8, stack[i]!);
}

/** Kinds that are looked for by the range they lie in: each has one chain. */
const IN_ONE_CHAIN = new Set([RESOURCE, LOOKASIDE, REMOVE_LOCK, SYSTEM_THREAD, ADAPTER, LOCK_HELD]);

/** Where the chain starts that a thing is in. Locks and timers of one page are in one chain. */
function bucketOf(k: Kernel, kind: number, key: number): number {
  const count = k.global.get('VfRecordCount');
  const n = IN_ONE_CHAIN.has(kind)
    ? 0
    : kind === LOCK || kind === TIMER
      ? Math.floor(key / 0x1000) >>> 0
      : Math.floor(key / 16) >>> 0;
  return k.global.get('VfBuckets') + (((Math.imul(n, 0x9e3779b1) >>> 4) + kind * 97) % count) * 4;
}

const kindAt = (k: Kernel, record: number): number => k.mem.read8(record + INFO);
const recordAt = (k: Kernel, number: number): number => k.global.get('VfRecords') + (number - 1) * SIZE;

/** Enters a thing that a driver holds now; the record's address, or 0 without room. */
export function remember(k: Kernel, kind: number, key: number, details: Details = {}): number {
  const free = k.global.get('VfRecordFree');
  if (free === 0) {
    k.global.set('VfDropped', k.global.get('VfDropped') + 1);
    return 0;
  }
  const record = recordAt(k, free);
  k.global.set('VfRecordFree', k.mem.read32(record + NEXT));
  const bucket = bucketOf(k, kind, key);
  fill(k, record, kind, key, details);
  k.mem.write32(record + NEXT, k.mem.read32(bucket));
  k.mem.write32(bucket, free);
  bumpLive(k, kind, 1);
  return record;
}

function bumpLive(k: Kernel, kind: number, by: number): void {
  const at = k.global.address('VfLive') + kind * 4;
  k.mem.write32(at, k.mem.read32(at) + by);
}

/** How many things of a kind are held. */
export const live = (k: Kernel, kind: number): number => k.mem.read32(k.global.address('VfLive') + kind * 4);

/** The records of a kind in the chain of `key`, newest first. The chain may be changed behind the one that was given out. */
export function* chain(k: Kernel, kind: number, key: number): Generator<number> {
  if (k.global.get('VfRecordCount') === 0) return;
  for (let n = k.mem.read32(bucketOf(k, kind, key)); n !== 0;) {
    const record = recordAt(k, n);
    n = k.mem.read32(record + NEXT);
    if (kindAt(k, record) === kind) yield record;
  }
}

/** The record of a thing, the newest if there are several; 0 without one. */
export function find(k: Kernel, kind: number, key: number): number {
  if (live(k, kind) === 0) return 0;
  for (const record of chain(k, kind, key)) if (k.mem.readPtr(record + KEY) === key) return record;
  return 0;
}

/** Takes a record out of the table. */
export function remove(k: Kernel, record: number): void {
  const { mem } = k;
  const kind = kindAt(k, record);
  const number = (record - k.global.get('VfRecords')) / SIZE + 1;
  let link = bucketOf(k, kind, mem.readPtr(record + KEY));
  for (let n = mem.read32(link); n !== 0; n = mem.read32(link)) {
    if (n === number) {
      mem.write32(link, mem.read32(record + NEXT));
      break;
    }
    link = recordAt(k, n) + NEXT;
  }
  mem.write32(record + INFO, 0);
  mem.write32(record + NEXT, k.global.get('VfRecordFree'));
  k.global.set('VfRecordFree', number);
  bumpLive(k, kind, -1);
}

/** Takes the record of a thing out; false when there was none. */
export function forget(k: Kernel, kind: number, key: number): boolean {
  const record = find(k, kind, key);
  if (record) remove(k, record);
  return record !== 0;
}

/** All records of a kind, in the order of the table: for unloading, the debugger and cards. */
export function* all(k: Kernel, kind: number): Generator<number> {
  const count = k.global.get('VfRecordCount');
  if (live(k, kind) === 0) return;
  for (let n = 1; n <= count; n++) if (kindAt(k, recordAt(k, n)) === kind) yield recordAt(k, n);
}

/** Writes down what happened, with the stack. */
export function note(k: Kernel, kind: number, key: number, details: Details = {}): void {
  const at = nextInLog(k);
  if (at) fill(k, at, kind, key, details);
}

/** Copies a record of the table into the log: what was known about a thing that is going. */
export function keep(k: Kernel, record: number): void {
  const at = nextInLog(k);
  if (at) k.mem.copy(at, record, SIZE);
}

function nextInLog(k: Kernel): number {
  const size = k.global.get('VfLogSize');
  if (size === 0) return 0;
  const written = k.global.get('VfLogWritten');
  k.global.set('VfLogWritten', (written + 1) >>> 0);
  return k.global.get('VfLog') + (written % size) * SIZE;
}

/** The log, newest first. */
export function* logged(k: Kernel): Generator<number> {
  const size = k.global.get('VfLogSize'),
    written = k.global.get('VfLogWritten');
  for (let n = 1; n <= Math.min(size, written); n++) yield k.global.get('VfLog') + ((written - n) % size) * SIZE;
}

/** A record for people and rules. */
export interface Recorded {
  kind: number;
  key: number;
  irql: number;
  cpu: number;
  owner: number;
  thread: number;
  cycle: number;
  sequence: number;
  tag: number;
  size: number;
  flags: number;
  data: number;
  more: number;
  stack: number[];
}

export function readRecord(k: Kernel, record: number): Recorded {
  const { mem } = k;
  const info = mem.read32(record + INFO);
  return {
    kind: info & 0xff,
    key: mem.readPtr(record + KEY),
    irql: (info >>> 8) & 0xff,
    cpu: (info >>> 16) & 0xff,
    owner: R.Owner.get(mem, record),
    thread: R.Thread.get(mem, record),
    cycle: Number(R.Cycle.get(mem, record)),
    sequence: R.Sequence.get(mem, record),
    tag: R.Tag.get(mem, record),
    size: R.Size.get(mem, record),
    flags: R.Flags.get(mem, record),
    data: R.Data.get(mem, record),
    more: R.More.get(mem, record),
    stack: Array.from({ length: info >>> 24 }, (_, i) => mem.readPtr(record + STACK + i * 8)),
  };
}

/** Whether [key, key + size) of a record holds `address`. */
export const covers = (r: Recorded, address: number): boolean => address >= r.key && address < r.key + Math.max(1, r.size);
