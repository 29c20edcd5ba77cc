/** The C run-time library that the kernel exports. Source: Microsoft's run-time library reference. */
import { R8, R9, RAX, RCX, RDI, RDX, RSI } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { mem } from '../image/asm.ts';
import { digitValue, downcaseChar, isAlpha, isDigit, isHex, isLower, isSpace, isUpper, parseNumber, toLowerAscii, toUpperAscii, upcaseChar } from '../rtl/ctype.ts';
import { formatText } from '../rtl/format.ts';
import { readAnsiZ, readWideZ } from '../rtl/string.ts';
import { LONG, LONGLONG, type NtExport, ntCode, ntExport, pointer, PVOID, SIZE_T, ULONG, ULONG64 } from './declare.ts';

const PSTR = pointer('PSTR'), PWSTR = pointer('PWSTR'), VA_LIST = pointer('va_list');

/** Width of a character: 1 or 2 bytes. */
type Width = 1 | 2;
const read = (k: Kernel, at: number, width: Width): number => (width === 1 ? k.mem.read8(at) : k.mem.read16(at));
const write = (k: Kernel, at: number, width: Width, c: number): void => (width === 1 ? k.mem.write8(at, c & 0xff) : k.mem.write16(at, c & 0xffff));
const lengthOf = (k: Kernel, at: number, width: Width, limit = Infinity): number => {
  let n = 0;
  while (n < limit && read(k, at + n * width, width) !== 0) n++;
  return n;
};

// Memory: machine code, as drivers call these in their inner loops.
const memory: NtExport[] = [
  ...(['memcpy', 'memmove', 'RtlCopyMemory', 'RtlMoveMemory', 'RtlCopyMemoryNonTemporal'] as const).map(name =>
    ntCode({
      name, doc: 'Copies bytes; source and destination may overlap.', args: { Destination: PVOID, Source: PVOID, Length: SIZE_T }, returns: PVOID, cycles: 20, status: 'full',
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
      name, doc: 'Fills memory with a byte.', args: { Destination: PVOID, Value: LONG, Length: SIZE_T }, returns: PVOID, cycles: 20, status: 'full',
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
    name: 'RtlFillMemory', doc: 'Fills memory with a byte.', args: { Destination: PVOID, Length: SIZE_T, Fill: ULONG }, returns: PVOID, cycles: 20, status: 'full',
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
    name: 'RtlZeroMemory', doc: 'Fills memory with zeros.', args: { Destination: PVOID, Length: SIZE_T }, returns: PVOID, cycles: 20, status: 'full',
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
    name: 'memcmp', doc: 'Compares bytes: negative, 0 or positive.', args: { First: PVOID, Second: PVOID, Length: SIZE_T }, returns: LONG, cycles: 20, status: 'full',
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
    name: 'memchr', doc: 'Finds a byte.', args: { Buffer: PVOID, Value: LONG, Length: SIZE_T }, returns: PVOID, cycles: (_k, a) => 20 + Math.min(a.Length, 4096), status: 'full',
    impl(k, a) {
      for (let i = 0; i < a.Length; i++) if (k.mem.read8(a.Buffer + i) === (a.Value & 0xff)) return a.Buffer + i;
      return 0;
    },
  }),
];

/** Declares a string routine for bytes and for wide characters. `names` are the two names; the arguments differ only in the pointer's name. */
const both = (names: readonly [string, string], doc: string, make: (name: string, width: Width, doc: string, STR: typeof PSTR) => NtExport): NtExport[] => [make(names[0], 1, doc, PSTR), make(names[1], 2, doc, PWSTR)];

/** Compares up to `limit` characters; the sign of the result is what counts. */
function compare(k: Kernel, x: number, y: number, width: Width, limit: number, fold: (c: number) => number): number {
  for (let i = 0; i < limit; i++) {
    const a = fold(read(k, x + i * width, width)), b = fold(read(k, y + i * width, width));
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
    ntExport({ name, doc, args: { String: STR, Maximum: SIZE_T }, returns: SIZE_T, cycles: 30, status: 'full', impl: (k, a) => lengthOf(k, a.String, w, a.Maximum) }),
  ),
  ...both(['strcmp', 'wcscmp'], 'Compares two strings.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { First: STR, Second: STR }, returns: LONG, cycles: 40, status: 'full', impl: (k, a) => compare(k, a.First, a.Second, w, Infinity, same) }),
  ),
  ...both(['strncmp', 'wcsncmp'], 'Compares at most a number of characters of two strings.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { First: STR, Second: STR, Count: SIZE_T }, returns: LONG, cycles: 40, status: 'full', impl: (k, a) => compare(k, a.First, a.Second, w, a.Count, same) }),
  ),
  ...both(['_stricmp', '_wcsicmp'], 'Compares two strings without case.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { First: STR, Second: STR }, returns: LONG, cycles: 50, status: 'full', impl: (k, a) => compare(k, a.First, a.Second, w, Infinity, lowerOf(w)) }),
  ),
  ...both(['_strnicmp', '_wcsnicmp'], 'Compares at most a number of characters of two strings without case.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { First: STR, Second: STR, Count: SIZE_T }, returns: LONG, cycles: 50, status: 'full', impl: (k, a) => compare(k, a.First, a.Second, w, a.Count, lowerOf(w)) }),
  ),
  ...both(['strcpy', 'wcscpy'], 'Copies a string with its zero.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Destination: STR, Source: STR }, returns: STR, cycles: 40, status: 'full',
      impl(k, a) {
        k.mem.copy(a.Destination, a.Source, (lengthOf(k, a.Source, w) + 1) * w);
        return a.Destination;
      },
    }),
  ),
  ...both(['strncpy', 'wcsncpy'], 'Copies at most a number of characters and fills the rest with zeros.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Destination: STR, Source: STR, Count: SIZE_T }, returns: STR, cycles: 40, status: 'full',
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
      name, doc, args: { Destination: STR, Source: STR }, returns: STR, cycles: 50, status: 'full',
      impl(k, a) {
        k.mem.copy(a.Destination + lengthOf(k, a.Destination, w) * w, a.Source, (lengthOf(k, a.Source, w) + 1) * w);
        return a.Destination;
      },
    }),
  ),
  ...both(['strncat', 'wcsncat'], 'Appends at most a number of characters and a zero.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Destination: STR, Source: STR, Count: SIZE_T }, returns: STR, cycles: 50, status: 'full',
      impl(k, a) {
        const n = lengthOf(k, a.Source, w, a.Count), at = a.Destination + lengthOf(k, a.Destination, w) * w;
        k.mem.probe(at, (n + 1) * w, true);
        k.mem.copy(at, a.Source, n * w);
        write(k, at + n * w, w, 0);
        return a.Destination;
      },
    }),
  ),
  ...both(['strchr', 'wcschr'], 'Finds the first place of a character, which may be the zero.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { String: STR, Character: ULONG }, returns: STR, cycles: 40, status: 'full',
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
      name, doc, args: { String: STR, Character: ULONG }, returns: STR, cycles: 40, status: 'full',
      impl(k, a) {
        const wanted = a.Character & (w === 1 ? 0xff : 0xffff);
        for (let i = lengthOf(k, a.String, w); i >= 0; i--) if (read(k, a.String + i * w, w) === wanted) return a.String + i * w;
        return 0;
      },
    }),
  ),
  ...both(['strstr', 'wcsstr'], 'Finds a string in a string.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { String: STR, Search: STR }, returns: STR, cycles: 80, status: 'full',
      impl(k, a) {
        const text = w === 1 ? readAnsiZ(k.mem, a.String) : readWideZ(k.mem, a.String);
        const found = text.indexOf(w === 1 ? readAnsiZ(k.mem, a.Search) : readWideZ(k.mem, a.Search));
        return found < 0 ? 0 : a.String + found * w;
      },
    }),
  ),
  ...both(['strspn', 'wcsspn'], 'Returns the length of the start of a string that has only characters of a set.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { String: STR, Set: STR }, returns: SIZE_T, cycles: 60, status: 'full',
      impl(k, a) {
        const set = w === 1 ? readAnsiZ(k.mem, a.Set) : readWideZ(k.mem, a.Set);
        let n = 0;
        for (let c = read(k, a.String, w); c !== 0 && set.includes(String.fromCharCode(c)); c = read(k, a.String + n * w, w)) n++;
        return n;
      },
    }),
  ),
  ...([['_strlwr', '_wcslwr', true], ['_strupr', '_wcsupr', false]] as const).flatMap(([narrow, wide, lower]) =>
    both([narrow, wide], `Makes a string ${lower ? 'lower' : 'upper'} case in place.`, (name, w, doc, STR) =>
      ntExport({
        name, doc, args: { String: STR }, returns: STR, cycles: 60, status: 'full',
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
      name, doc, args: { String: STR }, returns: STR, cycles: 60, status: 'full',
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

/** Puts formatted text into a buffer of `count` characters: what _snprintf and _vsnprintf do. -1 when it did not fit; the zero is left out when there is no room for it. */
function putFormatted(k: Kernel, to: number, count: number, text: string, width: Width): number {
  const fits = text.length <= count;
  const kept = fits ? text : text.slice(0, count);
  k.mem.probe(to, Math.min(kept.length + 1, count) * width, true);
  for (let i = 0; i < kept.length; i++) write(k, to + i * width, width, kept.charCodeAt(i));
  if (text.length < count) write(k, to + text.length * width, width, 0);
  return fits ? text.length : -1;
}

const format = (k: Kernel, at: number, list: number, width: Width): string => formatText(k.mem, width === 1 ? readAnsiZ(k.mem, at) : readWideZ(k.mem, at), list, width === 2);

/** The safe forms: always a zero; -1 when the text did not fit. `limit` is the most characters without it. */
function putSafe(k: Kernel, to: number, size: number, limit: number, text: string, width: Width): number {
  if (to === 0 || size === 0) return -1;
  const kept = text.slice(0, Math.min(size - 1, limit));
  const fits = text.length === kept.length;
  k.mem.probe(to, (kept.length + 1) * width, true);
  for (let i = 0; i < kept.length; i++) write(k, to + i * width, width, kept.charCodeAt(i));
  write(k, to + kept.length * width, width, 0);
  return fits ? kept.length : -1;
}

const printf: NtExport[] = [
  ...both(['sprintf', 'swprintf'], 'Formats text into a buffer.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { Buffer: STR, Format: STR }, returns: LONG, cycles: 400, status: 'full', variadic: true, impl: (k, a) => putFormatted(k, a.Buffer, Infinity, format(k, a.Format, k.vaList(), w), w) }),
  ),
  ...both(['vsprintf', 'vswprintf'], 'Formats text into a buffer, with a va_list.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { Buffer: STR, Format: STR, List: VA_LIST }, returns: LONG, cycles: 400, status: 'full', impl: (k, a) => putFormatted(k, a.Buffer, Infinity, format(k, a.Format, a.List, w), w) }),
  ),
  ...both(['_snprintf', '_snwprintf'], 'Formats text into a buffer of a number of characters.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Buffer: STR, Count: SIZE_T, Format: STR }, returns: LONG, cycles: 400, status: 'full', variadic: true, impl: (k, a) => putFormatted(k, a.Buffer, a.Count, format(k, a.Format, k.vaList(), w), w),
    }),
  ),
  ...both(['_vsnprintf', '_vsnwprintf'], 'Formats text into a buffer of a number of characters, with a va_list.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Buffer: STR, Count: SIZE_T, Format: STR, List: VA_LIST }, returns: LONG, cycles: 400, status: 'full', impl: (k, a) => putFormatted(k, a.Buffer, a.Count, format(k, a.Format, a.List, w), w),
    }),
  ),
  ...both(['sprintf_s', 'swprintf_s'], 'Formats text into a buffer of a size, always with a zero.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Buffer: STR, Size: SIZE_T, Format: STR }, returns: LONG, cycles: 400, status: 'full', variadic: true, impl: (k, a) => putSafe(k, a.Buffer, a.Size, Infinity, format(k, a.Format, k.vaList(), w), w),
    }),
  ),
  ...both(['_snprintf_s', '_snwprintf_s'], 'Formats at most a number of characters into a buffer of a size, always with a zero.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Buffer: STR, Size: SIZE_T, Count: SIZE_T, Format: STR }, returns: LONG, cycles: 400, status: 'full', variadic: true,
      impl: (k, a) => putSafe(k, a.Buffer, a.Size, a.Count, format(k, a.Format, k.vaList(), w), w),
    }),
  ),
  ...both(['_vsnprintf_s', '_vsnwprintf_s'], 'Formats at most a number of characters into a buffer of a size, always with a zero, with a va_list.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Buffer: STR, Size: SIZE_T, Count: SIZE_T, Format: STR, List: VA_LIST }, returns: LONG, cycles: 400, status: 'full',
      impl: (k, a) => putSafe(k, a.Buffer, a.Size, a.Count, format(k, a.Format, a.List, w), w),
    }),
  ),
];

/** errno values of the safe string routines. */
const EINVAL = 22, ERANGE = 34, STRUNCATE = 80;
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
    ntExport({ name, doc, args: { Destination: STR, Size: SIZE_T, Source: STR }, returns: LONG, cycles: 50, status: 'full', impl: (k, a) => copySafe(k, a.Destination, a.Size, 0, a.Source, 0x7fffffff, w) }),
  ),
  ...both(['strncpy_s', 'wcsncpy_s'], 'Copies at most a number of characters into a buffer of a size.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { Destination: STR, Size: SIZE_T, Source: STR, Count: SIZE_T }, returns: LONG, cycles: 50, status: 'full', impl: (k, a) => copySafe(k, a.Destination, a.Size, 0, a.Source, a.Count, w) }),
  ),
  ...both(['strcat_s', 'wcscat_s'], 'Appends a string in a buffer of a size.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Destination: STR, Size: SIZE_T, Source: STR }, returns: LONG, cycles: 60, status: 'full',
      impl: (k, a) => copySafe(k, a.Destination, a.Size, a.Destination && a.Size ? lengthOf(k, a.Destination, w, a.Size) : 0, a.Source, 0x7fffffff, w),
    }),
  ),
  ...both(['strncat_s', 'wcsncat_s'], 'Appends at most a number of characters in a buffer of a size.', (name, w, doc, STR) =>
    ntExport({
      name, doc, args: { Destination: STR, Size: SIZE_T, Source: STR, Count: SIZE_T }, returns: LONG, cycles: 60, status: 'full',
      impl: (k, a) => copySafe(k, a.Destination, a.Size, a.Destination && a.Size ? lengthOf(k, a.Destination, w, a.Size) : 0, a.Source, a.Count, w),
    }),
  ),
];

const character = (name: string, doc: string, f: (c: number) => number | boolean): NtExport => ntExport({ name, doc, args: { Character: LONG }, returns: LONG, cycles: 6, status: 'full', impl: (_k, a) => Number(f(a.Character)) });

function toNumber(k: Kernel, at: number, width: Width, base: number, bits: number, signed: boolean, end: number): bigint {
  const n = parseNumber(i => read(k, at + i * width, width), base);
  if (end) k.mem.writePtr(end, at + n.used * width);
  const maximum = signed ? (1n << BigInt(bits - 1)) - (n.negative ? 0n : 1n) : (1n << BigInt(bits)) - 1n;
  const clamped = n.value > maximum ? maximum : n.value;
  return BigInt.asUintN(64, n.negative ? -clamped : clamped);
}

const numbers: NtExport[] = [
  character('tolower', 'Lower case of a letter.', toLowerAscii),
  character('toupper', 'Upper case of a letter.', toUpperAscii),
  character('towlower', 'Lower case of a wide letter.', downcaseChar),
  character('towupper', 'Upper case of a wide letter.', upcaseChar),
  character('isdigit', 'Tells whether a character is a decimal digit.', isDigit),
  character('isxdigit', 'Tells whether a character is a hexadecimal digit.', isHex),
  character('isspace', 'Tells whether a character is a blank.', isSpace),
  character('isupper', 'Tells whether a character is an upper-case letter.', isUpper),
  character('islower', 'Tells whether a character is a lower-case letter.', isLower),
  character('isalpha', 'Tells whether a character is a letter.', isAlpha),
  character('isalnum', 'Tells whether a character is a letter or digit.', c => digitValue(c) >= 0),
  character('isprint', 'Tells whether a character can be printed.', c => c >= 0x20 && c < 0x7f),
  ...([['atoi', '_wtoi', 32], ['atol', '_wtol', 32]] as const).flatMap(([narrow, wide, bits]) =>
    both([narrow, wide], 'Converts a decimal number.', (name, w, doc, STR) =>
      ntExport({ name, doc, args: { String: STR }, returns: LONG, cycles: 60, status: 'full', impl: (k, a) => toNumber(k, a.String, w, 10, bits, true, 0) }),
    ),
  ),
  ...both(['_atoi64', '_wtoi64'], 'Converts a decimal number to 64 bits.', (name, w, doc, STR) =>
    ntExport({ name, doc, args: { String: STR }, returns: LONGLONG, cycles: 60, status: 'full', impl: (k, a) => toNumber(k, a.String, w, 10, 64, true, 0) }),
  ),
  ...([['strtol', 'wcstol', 32, true], ['strtoul', 'wcstoul', 32, false], ['_strtoi64', '_wcstoi64', 64, true], ['_strtoui64', '_wcstoui64', 64, false]] as const).flatMap(([narrow, wide, bits, signed]) =>
    both([narrow, wide], 'Converts a number in a base and says where it ends.', (name, w, doc, STR) =>
      ntExport({
        name, doc, args: { String: STR, End: PVOID, Base: LONG }, returns: bits === 32 ? LONG : LONGLONG, cycles: 80, status: 'full', impl: (k, a) => toNumber(k, a.String, w, a.Base, bits, signed, a.End),
      }),
    ),
  ),
  ...([['_itoa', '_itow', 32, true], ['_ultoa', '_ultow', 32, false], ['_i64toa', '_i64tow', 64, true], ['_ui64toa', '_ui64tow', 64, false]] as const).flatMap(([narrow, wide, bits, signed]) =>
    both([narrow, wide], 'Converts a number to text in a base.', (name, w, doc, STR) =>
      ntExport({
        name, doc, args: { Value: ULONG64, Buffer: STR, Radix: LONG }, returns: STR, cycles: 80, status: 'full',
        impl(k, a) {
          const radix = a.Radix >= 2 && a.Radix <= 36 ? a.Radix : 10;
          const v = signed && radix === 10 ? BigInt.asIntN(bits, a.Value) : BigInt.asUintN(bits, a.Value);
          putFormatted(k, a.Buffer, Infinity, v.toString(radix), w);
          return a.Buffer;
        },
      }),
    ),
  ),
  ntExport({ name: 'abs', doc: 'Absolute value.', args: { Value: LONG }, returns: LONG, cycles: 4, status: 'full', impl: (_k, a) => Math.abs(a.Value) }),
  ntExport({
    name: 'mbstowcs', doc: 'Converts bytes to wide characters.', args: { Destination: PWSTR, Source: PSTR, Count: SIZE_T }, returns: SIZE_T, cycles: 80, status: 'full',
    impl(k, a) {
      const text = readAnsiZ(k.mem, a.Source);
      if (!a.Destination) return text.length;
      const n = Math.min(text.length, a.Count);
      for (let i = 0; i < Math.min(n + 1, a.Count); i++) write(k, a.Destination + i * 2, 2, i < n ? text.charCodeAt(i) : 0);
      return n;
    },
  }),
  ntExport({
    name: 'wcstombs', doc: 'Converts wide characters to bytes.', args: { Destination: PSTR, Source: PWSTR, Count: SIZE_T }, returns: SIZE_T, cycles: 80, status: 'full',
    impl(k, a) {
      const text = readWideZ(k.mem, a.Source);
      if (!a.Destination) return text.length;
      const n = Math.min(text.length, a.Count);
      for (let i = 0; i < Math.min(n + 1, a.Count); i++) write(k, a.Destination + i, 1, i < n ? Math.min(text.charCodeAt(i), 0xff) : 0);
      return n;
    },
  }),
];

export const exports: NtExport[] = [...memory, ...strings, ...printf, ...safe, ...numbers];
