/**
 * The interlocked routines that have two names (ExInterlockedXxx and the older ExfInterlockedXxx): counters, and singly linked lists under a spin lock. Source: their WDK pages;
 * ntddk.h of NT 4 and Windows 2000 for the older names.
 */
import type { Kernel } from '../kernel.ts';
import { type NtExport, ntExport, type Outcome, pointer, PVOID, retry, ULONG } from './declare.ts';

const PKSPIN_LOCK = pointer('PKSPIN_LOCK'),
  PLONG = pointer('PLONG');

/** INTERLOCKED_RESULT: what a counter has become. */
const ResultZero = 0,
  ResultNegative = 1,
  ResultPositive = 2;
const resultOf = (value: number): number => (value === 0 ? ResultZero : value < 0 ? ResultNegative : ResultPositive);

/** Runs `change` with the spin lock `lock` free; while somebody holds it, the gate is tried again. Nothing interrupts a routine, so the lock need not be taken. */
export const locked = <T extends number | bigint>(k: Kernel, lock: number, change: () => T): T | Outcome =>
  k.mem.read32(lock) & 1 ? retry : change();
/** On x64 the counters do not use their lock: it may be NULL. */
const counted = (k: Kernel, lock: number, change: () => number): number | Outcome =>
  lock === 0 ? change() : locked(k, lock, change);

const counters = (
  [
    ['IncrementLong', 'Adds one to', 1],
    ['DecrementLong', 'Takes one from', -1],
  ] as const
).flatMap(([suffix, what, by]) =>
  (['ExfInterlocked', 'ExInterlocked'] as const).map(prefix =>
    ntExport({
      name: `${prefix}${suffix}`,
      doc: `${what} a long as one operation and says whether it is negative, zero or positive now.`,
      args: { Addend: PLONG, Lock: PKSPIN_LOCK },
      returns: ULONG,
      cycles: 25,
      status: 'full',
      impl: (k, { Addend, Lock }) =>
        counted(k, Lock, () => {
          const value = (k.mem.readI32(Addend) + by) | 0;
          k.mem.write32(Addend, value >>> 0);
          return resultOf(value);
        }),
    }),
  ),
);

export const interlockedExports: NtExport[] = [
  ...counters,
  ...(['ExfInterlockedExchangeUlong', 'ExInterlockedExchangeUlong'] as const).map(name =>
    ntExport({
      name,
      doc: 'Sets an unsigned long as one operation and returns its old value.',
      args: { Target: pointer('PULONG'), Value: ULONG, Lock: PKSPIN_LOCK },
      returns: ULONG,
      cycles: 25,
      status: 'full',
      impl: (k, { Target, Value, Lock }) =>
        counted(k, Lock, () => {
          const old = k.mem.read32(Target);
          k.mem.write32(Target, Value);
          return old;
        }),
    }),
  ),
  ...(['ExfInterlocked', 'ExInterlocked'] as const).flatMap(prefix => [
    ntExport({
      name: `${prefix}PushEntryList`,
      doc: 'Puts an entry at the front of a singly linked list under a spin lock; returns the entry that was first.',
      args: { ListHead: PVOID, ListEntry: PVOID, Lock: PKSPIN_LOCK },
      returns: PVOID,
      cycles: 40,
      status: 'full',
      impl: (k, a) =>
        locked(k, a.Lock, () => {
          const first = k.mem.readPtr(a.ListHead);
          k.mem.writePtr(a.ListEntry, first);
          k.mem.writePtr(a.ListHead, a.ListEntry);
          return first;
        }),
    }),
    ntExport({
      name: `${prefix}PopEntryList`,
      doc: 'Takes the first entry off a singly linked list under a spin lock; NULL when it is empty.',
      args: { ListHead: PVOID, Lock: PKSPIN_LOCK },
      returns: PVOID,
      cycles: 40,
      status: 'full',
      impl: (k, a) =>
        locked(k, a.Lock, () => {
          const first = k.mem.readPtr(a.ListHead);
          if (first) k.mem.writePtr(a.ListHead, k.mem.readPtr(first));
          return first;
        }),
    }),
  ]),
];
