/** Bitmaps, time, random numbers. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { areBits, countBits, fillBits, findBits, runLength, testBit } from '../rtl/bits.ts';
import { readTimeFields, SECOND_UNITS, SECONDS_1970, SECONDS_1980, writeTimeFields } from '../rtl/time.ts';
import { RTL_BITMAP } from '../types/rtl.ts';
import { BOOLEAN, type NtExport, ntExport, pointer, UCHAR, ULONG, ULONG64, VOID } from './declare.ts';

const PRTL_BITMAP = pointer('PRTL_BITMAP'),
  PLARGE_INTEGER = pointer('PLARGE_INTEGER'),
  PULONG = pointer('PULONG');

const bitmapOf = (k: Kernel, at: number): { size: number; buffer: number } => ({
  size: RTL_BITMAP.f.SizeOfBitMap.get(k.mem, at),
  buffer: RTL_BITMAP.f.Buffer.get(k.mem, at),
});
const NOT_FOUND = 0xffffffff;

const find = (name: string, doc: string, set: boolean, mark: boolean): NtExport =>
  ntExport({
    name,
    doc,
    args: { BitMapHeader: PRTL_BITMAP, NumberToFind: ULONG, HintIndex: ULONG },
    returns: ULONG,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      const b = bitmapOf(k, a.BitMapHeader);
      if (a.NumberToFind === 0) return a.HintIndex < b.size ? a.HintIndex & ~7 : 0;
      const at = findBits(k.mem, b.buffer, b.size, a.NumberToFind, a.HintIndex, set);
      if (at >= 0 && mark) fillBits(k.mem, b.buffer, at, a.NumberToFind, !set);
      return at < 0 ? NOT_FOUND : at;
    },
  });

/** First run of equal bits from `from`: its start and length (0 when there is none). */
function nextRun(k: Kernel, b: { size: number; buffer: number }, from: number, set: boolean): { start: number; length: number } {
  const start = from + runLength(k.mem, b.buffer, b.size, from, !set);
  return start < b.size ? { start, length: runLength(k.mem, b.buffer, b.size, start, set) } : { start: b.size, length: 0 };
}

const bitmaps: NtExport[] = [
  ntExport({
    name: 'RtlInitializeBitMap',
    doc: 'Initializes the header of a bitmap.',
    args: { BitMapHeader: PRTL_BITMAP, BitMapBuffer: PULONG, SizeOfBitMap: ULONG },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl(k, a) {
      RTL_BITMAP.f.SizeOfBitMap.set(k.mem, a.BitMapHeader, a.SizeOfBitMap);
      RTL_BITMAP.f.Buffer.set(k.mem, a.BitMapHeader, a.BitMapBuffer);
    },
  }),
  ...(
    [
      ['RtlSetAllBits', true],
      ['RtlClearAllBits', false],
    ] as const
  ).map(([name, set]) =>
    ntExport({
      name,
      doc: `${set ? 'Sets' : 'Clears'} all bits of a bitmap.`,
      args: { BitMapHeader: PRTL_BITMAP },
      returns: VOID,
      cycles: 40,
      status: 'full',
      impl(k, a) {
        const b = bitmapOf(k, a.BitMapHeader);
        k.mem.fill(b.buffer, Math.ceil(b.size / 32) * 4, set ? 0xff : 0);
      },
    }),
  ),
  ...(
    [
      ['RtlSetBits', true],
      ['RtlClearBits', false],
    ] as const
  ).map(([name, set]) =>
    ntExport({
      name,
      doc: `${set ? 'Sets' : 'Clears'} a range of bits.`,
      args: { BitMapHeader: PRTL_BITMAP, StartingIndex: ULONG, NumberToChange: ULONG },
      returns: VOID,
      cycles: 40,
      status: 'full',
      impl: (k, a) => fillBits(k.mem, bitmapOf(k, a.BitMapHeader).buffer, a.StartingIndex, a.NumberToChange, set),
    }),
  ),
  ...(
    [
      ['RtlSetBit', true],
      ['RtlClearBit', false],
    ] as const
  ).map(([name, set]) =>
    ntExport({
      name,
      doc: `${set ? 'Sets' : 'Clears'} a bit.`,
      args: { BitMapHeader: PRTL_BITMAP, BitNumber: ULONG },
      returns: VOID,
      cycles: 15,
      status: 'full',
      impl: (k, a) => fillBits(k.mem, bitmapOf(k, a.BitMapHeader).buffer, a.BitNumber, 1, set),
    }),
  ),
  ntExport({
    name: 'RtlTestBit',
    doc: 'Returns a bit.',
    args: { BitMapHeader: PRTL_BITMAP, BitNumber: ULONG },
    returns: BOOLEAN,
    cycles: 12,
    status: 'full',
    impl: (k, a) => testBit(k.mem, bitmapOf(k, a.BitMapHeader).buffer, a.BitNumber),
  }),
  ...(
    [
      ['RtlAreBitsSet', true],
      ['RtlAreBitsClear', false],
    ] as const
  ).map(([name, set]) =>
    ntExport({
      name,
      doc: `Tells whether a range of bits is all ${set ? 'set' : 'clear'}.`,
      args: { BitMapHeader: PRTL_BITMAP, StartingIndex: ULONG, Length: ULONG },
      returns: BOOLEAN,
      cycles: 40,
      status: 'full',
      impl(k, a) {
        const b = bitmapOf(k, a.BitMapHeader);
        return a.Length > 0 && a.StartingIndex + a.Length <= b.size && areBits(k.mem, b.buffer, a.StartingIndex, a.Length, set);
      },
    }),
  ),
  find('RtlFindClearBits', 'Finds a run of clear bits.', false, false),
  find('RtlFindSetBits', 'Finds a run of set bits.', true, false),
  find('RtlFindClearBitsAndSet', 'Finds a run of clear bits and sets them.', false, true),
  find('RtlFindSetBitsAndClear', 'Finds a run of set bits and clears them.', true, true),
  ntExport({
    name: 'RtlNumberOfSetBits',
    doc: 'Counts the set bits.',
    args: { BitMapHeader: PRTL_BITMAP },
    returns: ULONG,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const b = bitmapOf(k, a.BitMapHeader);
      return countBits(k.mem, b.buffer, b.size);
    },
  }),
  ntExport({
    name: 'RtlNumberOfClearBits',
    doc: 'Counts the clear bits.',
    args: { BitMapHeader: PRTL_BITMAP },
    returns: ULONG,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const b = bitmapOf(k, a.BitMapHeader);
      return b.size - countBits(k.mem, b.buffer, b.size);
    },
  }),
  ntExport({
    name: 'RtlFindNextForwardRunClear',
    doc: 'Finds the next run of clear bits and returns its length.',
    args: { BitMapHeader: PRTL_BITMAP, FromIndex: ULONG, StartingRunIndex: PULONG },
    returns: ULONG,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const run = nextRun(k, bitmapOf(k, a.BitMapHeader), a.FromIndex, false);
      k.mem.write32(a.StartingRunIndex, run.start);
      return run.length;
    },
  }),
  ntExport({
    name: 'RtlFindFirstRunClear',
    doc: 'Finds the first run of clear bits and returns its length.',
    args: { BitMapHeader: PRTL_BITMAP, StartingIndex: PULONG },
    returns: ULONG,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const run = nextRun(k, bitmapOf(k, a.BitMapHeader), 0, false);
      k.mem.write32(a.StartingIndex, run.start);
      return run.length;
    },
  }),
  ntExport({
    name: 'RtlFindLongestRunClear',
    doc: 'Finds the longest run of clear bits and returns its length.',
    args: { BitMapHeader: PRTL_BITMAP, StartingIndex: PULONG },
    returns: ULONG,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      const b = bitmapOf(k, a.BitMapHeader);
      let best = { start: 0, length: 0 };
      for (let run = nextRun(k, b, 0, false); run.length; run = nextRun(k, b, run.start + run.length, false))
        if (run.length > best.length) best = run;
      k.mem.write32(a.StartingIndex, best.start);
      return best.length;
    },
  }),
  ntExport({
    name: 'RtlFindMostSignificantBit',
    doc: 'Number of the highest set bit, -1 when there is none.',
    args: { Set: ULONG64 },
    returns: UCHAR,
    cycles: 6,
    status: 'full',
    impl: (_k, a) => (a.Set ? a.Set.toString(2).length - 1 : 0xff),
  }),
  ntExport({
    name: 'RtlFindLeastSignificantBit',
    doc: 'Number of the lowest set bit, -1 when there is none.',
    args: { Set: ULONG64 },
    returns: UCHAR,
    cycles: 6,
    status: 'full',
    impl: (_k, a) => (a.Set ? (a.Set & -a.Set).toString(2).length - 1 : 0xff),
  }),
];

const times: NtExport[] = [
  ntExport({
    name: 'RtlTimeToTimeFields',
    doc: 'Converts a system time to date and time of day.',
    args: { Time: PLARGE_INTEGER, TimeFields: pointer('PTIME_FIELDS') },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, a) => writeTimeFields(k.mem, k.mem.read64(a.Time), a.TimeFields),
  }),
  ntExport({
    name: 'RtlTimeFieldsToTime',
    doc: 'Converts a date and time of day to a system time.',
    args: { TimeFields: pointer('PTIME_FIELDS'), Time: PLARGE_INTEGER },
    returns: BOOLEAN,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      const time = readTimeFields(k.mem, a.TimeFields);
      if (time === null) return false;
      k.mem.write64(a.Time, time);
      return true;
    },
  }),
  ...(
    [
      ['1970', SECONDS_1970],
      ['1980', SECONDS_1980],
    ] as const
  ).flatMap(([year, seconds]) => [
    ntExport({
      name: `RtlTimeToSecondsSince${year}`,
      doc: `Converts a system time to seconds since ${year}; FALSE when 32 bits cannot hold them.`,
      irql: { max: 'APC_LEVEL' },
      args: { Time: PLARGE_INTEGER, ElapsedSeconds: PULONG },
      returns: BOOLEAN,
      cycles: 30,
      status: 'full',
      impl(k, a) {
        const n = k.mem.read64(a.Time) / SECOND_UNITS - seconds;
        if (n < 0n || n > 0xffffffffn) return false;
        k.mem.write32(a.ElapsedSeconds, Number(n));
        return true;
      },
    }),
    ntExport({
      name: `RtlSecondsSince${year}ToTime`,
      doc: `Converts seconds since ${year} to a system time.`,
      irql: { max: 'APC_LEVEL' },
      args: { ElapsedSeconds: ULONG, Time: PLARGE_INTEGER },
      returns: VOID,
      cycles: 30,
      status: 'full',
      impl: (k, a) => k.mem.write64(a.Time, (BigInt(a.ElapsedSeconds) + seconds) * SECOND_UNITS),
    }),
  ]),
];

/** RtlUniform's generator, the documented one: x -> (x * 7FFFFFEDh + 7FFFFFC3h) mod 7FFFFFFFh. */
const nextUniform = (seed: number): number => Number((BigInt(seed) * 0x7fffffedn + 0x7fffffc3n) % 0x7fffffffn);

/** The table that RtlRandom and RtlRandomEx share, filled at the first use; it is the system's, so that callers who begin with one seed get different numbers. */
const RANDOM_SLOTS = 128;
function randomTable(k: Kernel): number {
  const table = k.global.address('RtlpRandomTable');
  const made = table + RANDOM_SLOTS * 4;
  if (!k.mem.read32(made)) {
    let x = made >>> 0;
    for (let i = 0; i < RANDOM_SLOTS; i++) k.mem.write32(table + i * 4, (x = nextUniform(x)));
    k.mem.write32(made, 1);
  }
  return table;
}

/** Gives the number of a slot out, and puts another one there. */
function exchange(k: Kernel, slot: number, number: number): number {
  const at = randomTable(k) + (slot % RANDOM_SLOTS) * 4;
  const given = k.mem.read32(at);
  k.mem.write32(at, number);
  return given;
}

/** How many numbers of the uniform sequence one number takes: RtlRandom shuffles one sequence by another (Knuth, 3.2.2, algorithm M), RtlRandomEx by itself (algorithm B). */
const RANDOMS = { RtlUniform: 0, RtlRandomEx: 1, RtlRandom: 2 } as const;

const randoms: NtExport[] = (['RtlRandom', 'RtlRandomEx', 'RtlUniform'] as const).map(name =>
  ntExport({
    name,
    doc: name === 'RtlUniform' ? 'Returns a random number below 2^31 and changes the seed.' : 'Returns a random number below 2^31 - 1 of a shuffled sequence, and changes the seed.',
    irql: { max: 'APC_LEVEL' },
    args: { Seed: PULONG },
    returns: ULONG,
    cycles: 30,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.Seed, 4, true);
      const first = nextUniform(k.mem.read32(a.Seed));
      const last = RANDOMS[name] === 2 ? nextUniform(first) : first;
      k.mem.write32(a.Seed, last);
      return RANDOMS[name] === 0 ? first : exchange(k, last, first);
    },
  }),
);

export const bitExports: NtExport[] = [...bitmaps, ...times, ...randoms];
