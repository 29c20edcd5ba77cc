import type { Kernel } from '../kernel.ts';
import {
  KTIMER,
  KTIMER_TABLE,
  KTIMER_TABLE_ENTRY,
  TIMER_ABSOLUTE,
  TIMER_INSERTED,
  TimerNotificationObject,
  TimerSynchronizationObject,
} from '../types/ke.ts';
import { DPC_NORMAL_TIMER_EXPIRATION, KPRCB } from '../types/prcb.ts';
import { prcbAddress } from '../mm/layout.ts';
import { dpcProcessor, keInsertQueueDpc } from './dpc.ts';
import { initializeListHead, insertHeadList, insertTailList, isListEmpty, listEntries, removeEntryList } from './list.ts';
import { activeProcessors, processorsOf } from './processor.ts';
import { requestDpcInterrupt } from './ready.ts';
import { interruptTime, systemTime } from './time.ts';
import { signalObject } from './signal.ts';

const T = KTIMER.f;
const X = KTIMER_TABLE_ENTRY.f;

export const TIMER_TABLE_SIZE = 256;
/** A hand of the timer table covers 2^18 units of 100 ns, 26 ms: a little more than a clock tick. */
const HAND_SHIFT = 18n;
const NEVER = 0xffffffffffffffffn;

const entryAddress = (processor: number, hand: number): number =>
  prcbAddress(processor) + KPRCB.f.TimerTable.offset + KTIMER_TABLE.f.TimerEntries.offset + hand * KTIMER_TABLE_ENTRY.size;
const handOf = (due: bigint): number => Number((due >> HAND_SHIFT) & BigInt(TIMER_TABLE_SIZE - 1));

/** Empties the timer table of a processor (boot). */
export function initializeTimerTable(k: Kernel, processor: number): void {
  for (let hand = 0; hand < TIMER_TABLE_SIZE * 2; hand++) {
    const entry = entryAddress(processor, hand);
    initializeListHead(k.mem, entry + X.Entry.offset);
    X.Time.set(k.mem, entry, NEVER);
  }
}

export function keInitializeTimerEx(k: Kernel, timer: number, synchronization: boolean): void {
  const m = k.mem;
  m.write32(timer, 0);
  m.write8(timer, synchronization ? TimerSynchronizationObject : TimerNotificationObject);
  m.write32(timer + 4, 0);
  initializeListHead(m, timer + 8);
  T.DueTime.set(m, timer, 0n);
  m.writePtr(timer + T.TimerListEntry.offset, 0);
  m.writePtr(timer + T.TimerListEntry.offset + 8, 0);
  T.Dpc.set(m, timer, 0);
  m.write32(timer + T.Processor.offset, 0);
  T.Period.set(m, timer, 0);
}

/** Each processor's hand of the table that its last clock interrupt looked at. */
const lastHand = (k: Kernel): number => k.global.address('KiLastTimerHand') + k.cpu.index * 4;
/** Whether a processor's timers wait to be expired. */
const expiryRequested = (k: Kernel): number => k.global.address('KiTimerExpiryRequested') + k.cpu.index * 4;

/** A processor's clock starts: what is due is looked for from now on. */
export function startTimerHand(k: Kernel): void {
  k.mem.write32(lastHand(k), handOf(interruptTime(k)));
}

/** Timers of this processor are due (KiTimerExpiration). */
export const timersDue = (k: Kernel): boolean => k.mem.read32(expiryRequested(k)) !== 0;

const MISC = 3,
  CONTROL = 1,
  HAND = 2;

export const timerInserted = (k: Kernel, timer: number): boolean => (k.mem.read8(timer + MISC) & TIMER_INSERTED) !== 0;

/** Takes a timer out of the table; true if it was in it. */
export function removeTimer(k: Kernel, timer: number): boolean {
  const m = k.mem;
  if (!timerInserted(k, timer)) return false;
  const entry = entryAddress(T.Processor.get(m, timer), m.read8(timer + HAND));
  removeEntryList(k, timer + T.TimerListEntry.offset);
  m.write8(timer + MISC, m.read8(timer + MISC) & ~TIMER_INSERTED);
  const head = entry + X.Entry.offset;
  X.Time.set(m, entry, isListEmpty(m, head) ? NEVER : T.DueTime.get(m, m.readPtr(head) - T.TimerListEntry.offset));
  return true;
}

/** Puts a timer into the table of a processor by its due time (interrupt time), behind those that are due earlier or at the same time. */
function insertTimer(k: Kernel, timer: number, due: bigint, processor: number): void {
  const m = k.mem;
  T.Processor.set(m, timer, processor);
  T.DueTime.set(m, timer, due);
  const hand = handOf(due);
  const entry = entryAddress(processor, hand);
  const head = entry + X.Entry.offset;
  // From the back: new timers are usually due last.
  let before = m.readPtr(head + 8);
  while (before !== head && T.DueTime.get(m, before - T.TimerListEntry.offset) > due) before = m.readPtr(before + 8);
  const link = timer + T.TimerListEntry.offset;
  if (before === head) insertHeadList(m, head, link);
  else {
    const next = m.readPtr(before);
    insertTailList(m, next, link);
  }
  m.write8(timer + HAND, hand);
  m.write8(timer + MISC, m.read8(timer + MISC) | TIMER_INSERTED);
  if (due < X.Time.get(m, entry)) X.Time.set(m, entry, due);
}

/** The timer fires: signalled, its waiters woken, its DPC queued, a periodic one set again. */
function expireTimer(k: Kernel, timer: number): void {
  const m = k.mem;
  const period = T.Period.get(m, timer);
  const dpc = T.Dpc.get(m, timer);
  m.write32(timer + 4, 1);
  if (period !== 0) insertTimer(k, timer, T.DueTime.get(m, timer) + BigInt(period) * 10000n, T.Processor.get(m, timer));
  signalObject(k, timer, 0);
  if (dpc !== 0) {
    const now = systemTime(k);
    keInsertQueueDpc(k, dpc, now & 0xffffffffn, BigInt.asUintN(32, now >> 32n));
  }
}

/**
 * KeSetTimerEx: `due` in 100 ns units, negative = from now, otherwise system time; `period` in milliseconds, 0 = once; `dpc` an address or 0. True if the timer was
 * set already (it is set anew). A due time that has passed fires at once. It is this processor's clock that expires the timer, or that of the processor for which its DPC is meant.
 */
export function keSetTimer(k: Kernel, timer: number, due: bigint, period: number, dpc: number): boolean {
  const m = k.mem;
  m.probe(timer, KTIMER.size, true);
  const was = removeTimer(k, timer);
  m.write32(timer + 4, 0);
  T.Dpc.set(m, timer, dpc);
  T.Period.set(m, timer, period);
  const now = interruptTime(k);
  const absolute = due >= 0n;
  m.write8(timer + CONTROL, absolute ? TIMER_ABSOLUTE : 0);
  const dueInterrupt = absolute ? due - systemTime(k) + now : now - due;
  if (dueInterrupt <= now) {
    T.DueTime.set(m, timer, now);
    T.Processor.set(m, timer, k.cpu.index);
    expireTimer(k, timer);
  } else insertTimer(k, timer, dueInterrupt, dpc === 0 ? k.cpu.index : dpcProcessor(k, dpc));
  return was;
}

/** KeCancelTimer: true if the timer was set. A DPC that it has queued already stays queued. */
export function keCancelTimer(k: Kernel, timer: number): boolean {
  return removeTimer(k, timer);
}

/** Clock interrupt: if a timer is due in the hands passed since the last one, asks for their expiration at DISPATCH_LEVEL. */
export function checkTimers(k: Kernel, now: bigint): void {
  const m = k.mem;
  if (timersDue(k)) return;
  const last = m.read32(lastHand(k));
  const hand = handOf(now);
  for (let h = last; ; h = (h + 1) % TIMER_TABLE_SIZE) {
    if (X.Time.get(m, entryAddress(k.cpu.index, h)) <= now) {
      // The hand stays here until the expired ones have been taken out.
      m.write32(expiryRequested(k), 1);
      m.write32(lastHand(k), h);
      requestDpcInterrupt(k, DPC_NORMAL_TIMER_EXPIRATION);
      return;
    }
    if (h === hand) break;
  }
  m.write32(lastHand(k), hand);
}

/** Fires this processor's timers that are due (KiTimerExpiration, at DISPATCH_LEVEL). */
export function expireTimers(k: Kernel): void {
  const m = k.mem;
  const now = interruptTime(k);
  const hand = handOf(now);
  m.write32(expiryRequested(k), 0);
  for (let h = m.read32(lastHand(k)); ; h = (h + 1) % TIMER_TABLE_SIZE) {
    const entry = entryAddress(k.cpu.index, h);
    const head = entry + X.Entry.offset;
    for (let link = m.readPtr(head); link !== head; link = m.readPtr(head)) {
      const timer = link - T.TimerListEntry.offset;
      if (T.DueTime.get(m, timer) > now) break;
      removeTimer(k, timer);
      expireTimer(k, timer);
    }
    if (h === hand) break;
  }
  m.write32(lastHand(k), hand);
}

/** Timers that are set, by due time: for `!timer`. */
export function activeTimers(k: Kernel): { timer: number; due: bigint; period: number; dpc: number }[] {
  const found: { timer: number; due: bigint; period: number; dpc: number }[] = [];
  for (const processor of processorsOf(activeProcessors(k)))
    for (let h = 0; h < TIMER_TABLE_SIZE; h++)
      for (const link of listEntries(k.mem, entryAddress(processor, h) + X.Entry.offset)) {
        const timer = link - T.TimerListEntry.offset;
        found.push({ timer, due: T.DueTime.get(k.mem, timer), period: T.Period.get(k.mem, timer), dpc: T.Dpc.get(k.mem, timer) });
      }
  return found.sort((a, b) => (a.due < b.due ? -1 : a.due > b.due ? 1 : 0));
}
