/** The C run-time library that the kernel exports. Source: Microsoft's run-time library reference. */
import { R8, R9, RAX, RCX, RDI, RDX, RSI } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { mem } from '../image/asm.ts';
import { downcaseChar, toLowerAscii, toUpperAscii, upcaseChar } from '../rtl/ctype.ts';
import { readAnsiZ, readWideZ } from '../rtl/string.ts';
import { both, lengthOf, read, type Width, write } from './crtcommon.ts';
import { formatExports } from './crtformat.ts';
import { LONG, type NtExport, ntCode, ntExport, PVOID, SIZE_T, ULONG } from './declare.ts';

// Memory: machine code, as drivers call these in their inner loops.
const memory: NtExport[] = [
  ...(['memcpy', 'memmove', 'RtlCopyMemory', 'RtlMoveMemory', 'RtlCopyMemoryNonTemporal'] as const).map(name =>
    ntCode({
      name,
      doc: 'Copies bytes; source and destination may overlap.',
      args: { Destination: PVOID, Source: PVOID, Length: SIZE_T },
      returns: PVOID,
      cycles: 20,
      status: 'full',
      code(a) {
        a.prologPush(RSI);
        a.prologPush(RDI);
        a.mov(RAX, RCX);
        a.mov(RDI, RCX);
        a.mov(RSI, RDX);
        a.mov(RCX, R8);
        a.mov(R9, RDI);
        a.sub(R9, RSI);
        a.cmp(R9, RCX);
        a.jcc('b', 'backward');
        a.repMovs(1);
        a.pop(RDI);
        a.pop(RSI);
        a.ret();
        // The destination begins inside the source: the last byte goes first.
        a.label('backward');
        a.lea(RSI, mem(RSI, -1, RCX));
        a.lea(RDI, mem(RDI, -1, RCX));
        a.bytes(0xfd); // std
        a.repMovs(1);
        a.cld();
        a.pop(RDI);
        a.pop(RSI);
        a.ret();
      },
    }),
  ),
  ...(['memset'] as const).map(name =>
    ntCode({
      name,
      doc: 'Fills memory with a byte.',
      args: { Destination: PVOID, Value: LONG, Length: SIZE_T },
      returns: PVOID,
      cycles: 20,
      status: 'full',
      code(a) {
        a.prologPush(RDI);
        a.mov(R9, RCX);
        a.mov(RDI, RCX);
        a.mov(RAX, RDX, 4);
        a.mov(RCX, R8);
        a.nop(4);
        a.repStos(1);
        a.mov(RAX, R9);
        a.pop(RDI);
        a.ret();
      },
    }),
  ),
  ntCode({
    name: 'RtlFillMemory',
    doc: 'Fills memory with a byte.',
    args: { Destination: PVOID, Length: SIZE_T, Fill: ULONG },
    returns: PVOID,
    cycles: 20,
    status: 'full',
    code(a) {
      a.prologPush(RDI);
      a.mov(RDI, RCX);
      a.mov(RAX, R8, 4);
      a.mov(RCX, RDX);
      a.nop(7);
      a.repStos(1);
      a.pop(RDI);
      a.ret();
    },
  }),
  ntCode({
    name: 'RtlZeroMemory',
    doc: 'Fills memory with zeros.',
    args: { Destination: PVOID, Length: SIZE_T },
    returns: PVOID,
    cycles: 20,
    status: 'full',
    code(a) {
      a.prologPush(RDI);
      a.mov(RDI, RCX);
      a.mov(RCX, RDX);
      a.xor(RAX, RAX, 4);
      a.nop(7);
      a.repStos(1);
      a.pop(RDI);
      a.ret();
    },
  }),
  ntCode({
    name: 'memcmp',
    doc: 'Compares bytes: negative, 0 or positive.',
    args: { First: PVOID, Second: PVOID, Length: SIZE_T },
    returns: LONG,
    cycles: 20,
    status: 'full',
    code(a) {
      a.xor(RAX, RAX, 4);
      a.nop(14);
      a.label('again');
      a.test(R8, R8);
      a.jcc('e', 'out');
      a.movzx(RAX, mem(RCX), 1);
      a.movzx(R9, mem(RDX), 1);
      a.sub(RAX, R9, 4);
      a.jcc('ne', 'out');
      a.inc(RCX);
      a.inc(RDX);
      a.dec(R8);
      a.jmp('again');
      a.label('out');
      a.ret();
    },
  }),
  ntExport({
    name: 'memchr',
    doc: 'Finds a byte.',
    args: { Buffer: PVOID, Value: LONG, Length: SIZE_T },
    returns: PVOID,
    cycles: (_k, a) => 20 + Math.min(a.Length, 4096),
    status: 'full',
    impl(k, a) {
      for (let i = 0; i < a.Length; i++) if (k.mem.read8(a.Buffer + i) === (a.Value & 0xff)) return a.Buffer + i;
      return 0;
    },
  }),
];

/** Compares up to `limit` characters; the sign of the result is what counts. */
function compare(k: Kernel, x: number, y: number, width: Width, limit: number, fold: (c: number) => number): number {
  for (let i = 0; i < limit; i++) {
    const a = fold(read(k, x + i * width, width)),
      b = fold(read(k, y + i * width, width));
    if (a !== b) return a < b ? -1 : 1;
    if (a === 0) break;
  }
  return 0;
}
const same = (c: number): number => c;
const lowerOf = (width: Width): ((c: number) => number) => (width === 1 ? toLowerAscii : downcaseChar);

const strings: NtExport[] = [
  ...both(['strlen', 'wcslen'], 'Returns the length of a string in characters.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { String: STR }, returns: SIZE_T, cycles: 30, status: 'full', impl: (k, a) => lengthOf(k, a.String, w) }),
  ),
  ...both(['strnlen', 'wcsnlen'], 'Returns the length of a string in characters, at most a maximum.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { String: STR, Maximum: SIZE_T },
      returns: SIZE_T,
      cycles: 30,
      status: 'full',
      impl: (k, a) => lengthOf(k, a.String, w, a.Maximum),
    }),
  ),
  ...both(['strcmp', 'wcscmp'], 'Compares two strings.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { First: STR, Second: STR },
      returns: LONG,
      cycles: 40,
      status: 'full',
      impl: (k, a) => compare(k, a.First, a.Second, w, Infinity, same),
    }),
  ),
  ...both(['strncmp', 'wcsncmp'], 'Compares at most a number of characters of two strings.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { First: STR, Second: STR, Count: SIZE_T },
      returns: LONG,
      cycles: 40,
      status: 'full',
      impl: (k, a) => compare(k, a.First, a.Second, w, a.Count, same),
    }),
  ),
  ...both(['_stricmp', '_wcsicmp'], 'Compares two strings without case.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { First: STR, Second: STR },
      returns: LONG,
      cycles: 50,
      status: 'full',
      impl: (k, a) => compare(k, a.First, a.Second, w, Infinity, lowerOf(w)),
    }),
  ),
  ...both(['_strnicmp', '_wcsnicmp'], 'Compares at most a number of characters of two strings without case.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { First: STR, Second: STR, Count: SIZE_T },
      returns: LONG,
      cycles: 50,
      status: 'full',
      impl: (k, a) => compare(k, a.First, a.Second, w, a.Count, lowerOf(w)),
    }),
  ),
  ...both(['strcpy', 'wcscpy'], 'Copies a string with its zero.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Destination: STR, Source: STR },
      returns: STR,
      cycles: 40,
      status: 'full',
      impl(k, a) {
        k.mem.copy(a.Destination, a.Source, (lengthOf(k, a.Source, w) + 1) * w);
        return a.Destination;
      },
    }),
  ),
  ...both(['strncpy', 'wcsncpy'], 'Copies at most a number of characters and fills the rest with zeros.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Destination: STR, Source: STR, Count: SIZE_T },
      returns: STR,
      cycles: 40,
      status: 'full',
      impl(k, a) {
        const n = lengthOf(k, a.Source, w, a.Count);
        k.mem.probe(a.Destination, a.Count * w, true);
        k.mem.copy(a.Destination, a.Source, n * w);
        k.mem.fill(a.Destination + n * w, (a.Count - n) * w, 0);
        return a.Destination;
      },
    }),
  ),
  ...both(['strcat', 'wcscat'], 'Appends a string.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Destination: STR, Source: STR },
      returns: STR,
      cycles: 50,
      status: 'full',
      impl(k, a) {
        k.mem.copy(a.Destination + lengthOf(k, a.Destination, w) * w, a.Source, (lengthOf(k, a.Source, w) + 1) * w);
        return a.Destination;
      },
    }),
  ),
  ...both(['strncat', 'wcsncat'], 'Appends at most a number of characters and a zero.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Destination: STR, Source: STR, Count: SIZE_T },
      returns: STR,
      cycles: 50,
      status: 'full',
      impl(k, a) {
        const n = lengthOf(k, a.Source, w, a.Count),
          at = a.Destination + lengthOf(k, a.Destination, w) * w;
        k.mem.probe(at, (n + 1) * w, true);
        k.mem.copy(at, a.Source, n * w);
        write(k, at + n * w, w, 0);
        return a.Destination;
      },
    }),
  ),
  ...both(['strchr', 'wcschr'], 'Finds the first place of a character, which may be the zero.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { String: STR, Character: ULONG },
      returns: STR,
      cycles: 40,
      status: 'full',
      impl(k, a) {
        const wanted = a.Character & (w === 1 ? 0xff : 0xffff);
        for (let at = a.String; ; at += w) {
          const c = read(k, at, w);
          if (c === wanted) return at;
          if (c === 0) return 0;
        }
      },
    }),
  ),
  ...both(['strrchr', 'wcsrchr'], 'Finds the last place of a character.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { String: STR, Character: ULONG },
      returns: STR,
      cycles: 40,
      status: 'full',
      impl(k, a) {
        const wanted = a.Character & (w === 1 ? 0xff : 0xffff);
        for (let i = lengthOf(k, a.String, w); i >= 0; i--) if (read(k, a.String + i * w, w) === wanted) return a.String + i * w;
        return 0;
      },
    }),
  ),
  ...both(['strstr', 'wcsstr'], 'Finds a string in a string.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { String: STR, Search: STR },
      returns: STR,
      cycles: 80,
      status: 'full',
      impl(k, a) {
        const text = w === 1 ? readAnsiZ(k.mem, a.String) : readWideZ(k.mem, a.String);
        const found = text.indexOf(w === 1 ? readAnsiZ(k.mem, a.Search) : readWideZ(k.mem, a.Search));
        return found < 0 ? 0 : a.String + found * w;
      },
    }),
  ),
  ...both(['strspn', 'wcsspn'], 'Returns the length of the start of a string that has only characters of a set.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { String: STR, Set: STR },
      returns: SIZE_T,
      cycles: 60,
      status: 'full',
      impl(k, a) {
        const set = w === 1 ? readAnsiZ(k.mem, a.Set) : readWideZ(k.mem, a.Set);
        let n = 0;
        for (let c = read(k, a.String, w); c !== 0 && set.includes(String.fromCharCode(c)); c = read(k, a.String + n * w, w)) n++;
        return n;
      },
    }),
  ),
  ...(
    [
      ['_strlwr', '_wcslwr', true],
      ['_strupr', '_wcsupr', false],
    ] as const
  ).flatMap(([narrow, wide, lower]) =>
    both([narrow, wide], `Makes a string ${lower ? 'lower' : 'upper'} case in place.`, (name, w, doc, STR) =>
      ntExport({
        name,
        doc,
        args: { String: STR },
        returns: STR,
        cycles: 60,
        status: 'full',
        impl(k, a) {
          const fold = lower ? lowerOf(w) : w === 1 ? toUpperAscii : upcaseChar;
          for (let at = a.String, c = read(k, at, w); c !== 0; at += w, c = read(k, at, w)) write(k, at, w, fold(c));
          return a.String;
        },
      }),
    ),
  ),
  ...both(['_strrev', '_wcsrev'], 'Reverses a string in place.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { String: STR },
      returns: STR,
      cycles: 60,
      status: 'full',
      impl(k, a) {
        const n = lengthOf(k, a.String, w);
        for (let i = 0; i < n >> 1; i++) {
          const x = read(k, a.String + i * w, w);
          write(k, a.String + i * w, w, read(k, a.String + (n - 1 - i) * w, w));
          write(k, a.String + (n - 1 - i) * w, w, x);
        }
        return a.String;
      },
    }),
  ),
];

/** errno values of the safe string routines. */
const EINVAL = 22,
  ERANGE = 34,
  STRUNCATE = 80;
/** `_TRUNCATE` */
const isTruncate = (count: number): boolean => count === Infinity;

/** strcpy_s and its kin: puts `from` characters at `offset` of a buffer of `size`, or empties the buffer when that does not fit. */
function copySafe(k: Kernel, to: number, size: number, offset: number, source: number, count: number, width: Width): number {
  if (to === 0 || size === 0) return EINVAL;
  const length = source ? lengthOf(k, source, width, count) : -1;
  const room = size - offset - 1;
  if (length < 0 || room < 0) {
    write(k, to, width, 0);
    return EINVAL;
  }
  if (length > room && !isTruncate(count)) {
    write(k, to, width, 0);
    return ERANGE;
  }
  const kept = Math.min(length, room);
  k.mem.copy(to + offset * width, source, kept * width);
  write(k, to + (offset + kept) * width, width, 0);
  return length > room ? STRUNCATE : 0;
}

const safe: NtExport[] = [
  ...both(['strcpy_s', 'wcscpy_s'], 'Copies a string into a buffer of a size.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Destination: STR, Size: SIZE_T, Source: STR },
      returns: LONG,
      cycles: 50,
      status: 'full',
      impl: (k, a) => copySafe(k, a.Destination, a.Size, 0, a.Source, 0x7fffffff, w),
    }),
  ),
  ...both(['strncpy_s', 'wcsncpy_s'], 'Copies at most a number of characters into a buffer of a size.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Destination: STR, Size: SIZE_T, Source: STR, Count: SIZE_T },
      returns: LONG,
      cycles: 50,
      status: 'full',
      impl: (k, a) => copySafe(k, a.Destination, a.Size, 0, a.Source, a.Count, w),
    }),
  ),
  ...both(['strcat_s', 'wcscat_s'], 'Appends a string in a buffer of a size.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Destination: STR, Size: SIZE_T, Source: STR },
      returns: LONG,
      cycles: 60,
      status: 'full',
      impl: (k, a) =>
        copySafe(k, a.Destination, a.Size, a.Destination && a.Size ? lengthOf(k, a.Destination, w, a.Size) : 0, a.Source, 0x7fffffff, w),
    }),
  ),
  ...both(['strncat_s', 'wcsncat_s'], 'Appends at most a number of characters in a buffer of a size.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Destination: STR, Size: SIZE_T, Source: STR, Count: SIZE_T },
      returns: LONG,
      cycles: 60,
      status: 'full',
      impl: (k, a) =>
        copySafe(k, a.Destination, a.Size, a.Destination && a.Size ? lengthOf(k, a.Destination, w, a.Size) : 0, a.Source, a.Count, w),
    }),
  ),
];

/** memcpy_s and memmove_s: a destination that is too small is filled with zeros. */
const copies: NtExport[] = (['memcpy_s', 'memmove_s'] as const).map(name =>
  ntExport({
    name,
    doc: 'Copies bytes into a buffer of a size; 0, or an error number.',
    args: { Destination: PVOID, Size: SIZE_T, Source: PVOID, Count: SIZE_T },
    returns: LONG,
    cycles: (_k, a) => 30 + Math.min(a.Count, 0x100000) / 8,
    status: 'full',
    impl(k, a) {
      if (a.Count === 0) return 0;
      if (!a.Destination) return EINVAL;
      if (!a.Source || a.Size < a.Count) {
        k.mem.fill(a.Destination, a.Size, 0);
        return a.Source ? ERANGE : EINVAL;
      }
      k.mem.copy(a.Destination, a.Source, a.Count);
      return 0;
    },
  }),
);

/** rand's generator, as Microsoft's run-time library has it: 15 bits of a linear congruence. */
const random: NtExport[] = [
  ntExport({
    name: 'srand',
    doc: 'Sets the start of the sequence of rand.',
    args: { Seed: ULONG },
    returns: LONG,
    cycles: 6,
    status: 'full',
    impl: (k, a) => k.global.set('ExpRandState', a.Seed),
  }),
  ntExport({
    name: 'rand',
    doc: 'Returns a random number up to 7FFFh.',
    args: {},
    returns: LONG,
    cycles: 8,
    status: 'full',
    impl(k) {
      const state = (Math.imul(k.global.get('ExpRandState'), 214013) + 2531011) >>> 0;
      k.global.set('ExpRandState', state);
      return (state >>> 16) & 0x7fff;
    },
  }),
];

export const exports: NtExport[] = [...memory, ...strings, ...safe, ...copies, ...random, ...formatExports];
