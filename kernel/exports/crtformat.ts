/** Formatting and conversion of numbers, of the C run-time library that the kernel exports. Source: Microsoft's run-time library reference. */
import type { Kernel } from '../kernel.ts';
import {
  digitValue,
  downcaseChar,
  isAlpha,
  isDigit,
  isHex,
  isLower,
  isSpace,
  isUpper,
  parseNumber,
  toLowerAscii,
  toUpperAscii,
  upcaseChar,
} from '../rtl/ctype.ts';
import { formatText } from '../rtl/format.ts';
import { readAnsiZ, readWideZ } from '../rtl/string.ts';
import { both, PSTR, PWSTR, read, VA_LIST, type Width, write } from './crtcommon.ts';
import { LONG, LONGLONG, type NtExport, ntExport, PVOID, SIZE_T, ULONG64 } from './declare.ts';

/** Puts formatted text into a buffer of `count` characters: what _snprintf and _vsnprintf do. -1 when it did not fit; the zero is left out when there is no room for it. */
function putFormatted(k: Kernel, to: number, count: number, text: string, width: Width): number {
  const fits = text.length <= count;
  const kept = fits ? text : text.slice(0, count);
  k.mem.probe(to, Math.min(kept.length + 1, count) * width, true);
  for (let i = 0; i < kept.length; i++) write(k, to + i * width, width, kept.charCodeAt(i));
  if (text.length < count) write(k, to + text.length * width, width, 0);
  return fits ? text.length : -1;
}

const format = (k: Kernel, at: number, list: number, width: Width): string =>
  formatText(k.mem, width === 1 ? readAnsiZ(k.mem, at) : readWideZ(k.mem, at), list, width === 2);

/**
 * The safe forms: always a zero; -1 when the text did not fit. `count` is the most characters without the zero; Infinity is _TRUNCATE, which takes as many as have room. Without a
 * count (null), or with one that the buffer has no room for, what does not fit leaves an empty string.
 */
function putSafe(k: Kernel, to: number, size: number, count: number | null, text: string, width: Width): number {
  if (to === 0 || size === 0) return -1;
  const room = size - 1;
  const cut = count !== null && (count === Infinity || count <= room);
  const kept = text.length <= room && (count === null || text.length <= count) ? text : cut ? text.slice(0, Math.min(room, count)) : '';
  k.mem.probe(to, (kept.length + 1) * width, true);
  for (let i = 0; i < kept.length; i++) write(k, to + i * width, width, kept.charCodeAt(i));
  write(k, to + kept.length * width, width, 0);
  return kept.length === text.length ? kept.length : -1;
}

const printf: NtExport[] = [
  ...both(['sprintf', 'swprintf'], 'Formats text into a buffer.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Buffer: STR, Format: STR },
      returns: LONG,
      cycles: 400,
      status: 'full',
      variadic: true,
      impl: (k, a) => putFormatted(k, a.Buffer, Infinity, format(k, a.Format, k.vaList(), w), w),
    }),
  ),
  ...both(['vsprintf', 'vswprintf'], 'Formats text into a buffer, with a va_list.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Buffer: STR, Format: STR, List: VA_LIST },
      returns: LONG,
      cycles: 400,
      status: 'full',
      impl: (k, a) => putFormatted(k, a.Buffer, Infinity, format(k, a.Format, a.List, w), w),
    }),
  ),
  ntExport({
    name: '_vswprintf',
    doc: 'Formats wide text into a buffer, with a va_list: vswprintf under its older name.',
    args: { Buffer: PWSTR, Format: PWSTR, List: VA_LIST },
    returns: LONG,
    cycles: 400,
    status: 'full',
    impl: (k, a) => putFormatted(k, a.Buffer, Infinity, format(k, a.Format, a.List, 2), 2),
  }),
  ...both(['_snprintf', '_snwprintf'], 'Formats text into a buffer of a number of characters.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Buffer: STR, Count: SIZE_T, Format: STR },
      returns: LONG,
      cycles: 400,
      status: 'full',
      variadic: true,
      impl: (k, a) => putFormatted(k, a.Buffer, a.Count, format(k, a.Format, k.vaList(), w), w),
    }),
  ),
  ...both(['_vsnprintf', '_vsnwprintf'], 'Formats text into a buffer of a number of characters, with a va_list.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Buffer: STR, Count: SIZE_T, Format: STR, List: VA_LIST },
      returns: LONG,
      cycles: 400,
      status: 'full',
      impl: (k, a) => putFormatted(k, a.Buffer, a.Count, format(k, a.Format, a.List, w), w),
    }),
  ),
  ...both(['sprintf_s', 'swprintf_s'], 'Formats text into a buffer of a size, always with a zero.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Buffer: STR, Size: SIZE_T, Format: STR },
      returns: LONG,
      cycles: 400,
      status: 'full',
      variadic: true,
      impl: (k, a) => putSafe(k, a.Buffer, a.Size, null, format(k, a.Format, k.vaList(), w), w),
    }),
  ),
  ...both(
    ['_snprintf_s', '_snwprintf_s'],
    'Formats at most a number of characters into a buffer of a size, always with a zero.',
    (name, w, doc, STR) =>
      ntExport({
        name,
        doc,
        args: { Buffer: STR, Size: SIZE_T, Count: SIZE_T, Format: STR },
        returns: LONG,
        cycles: 400,
        status: 'full',
        variadic: true,
        impl: (k, a) => putSafe(k, a.Buffer, a.Size, a.Count, format(k, a.Format, k.vaList(), w), w),
      }),
  ),
  ...both(['vsprintf_s', 'vswprintf_s'], 'Formats text into a buffer of a size, always with a zero, with a va_list.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { Buffer: STR, Size: SIZE_T, Format: STR, List: VA_LIST },
      returns: LONG,
      cycles: 400,
      status: 'full',
      impl: (k, a) => putSafe(k, a.Buffer, a.Size, null, format(k, a.Format, a.List, w), w),
    }),
  ),
  ...both(
    ['_vsnprintf_s', '_vsnwprintf_s'],
    'Formats at most a number of characters into a buffer of a size, always with a zero, with a va_list.',
    (name, w, doc, STR) =>
      ntExport({
        name,
        doc,
        args: { Buffer: STR, Size: SIZE_T, Count: SIZE_T, Format: STR, List: VA_LIST },
        returns: LONG,
        cycles: 400,
        status: 'full',
        impl: (k, a) => putSafe(k, a.Buffer, a.Size, a.Count, format(k, a.Format, a.List, w), w),
      }),
  ),
];

const character = (name: string, doc: string, f: (c: number) => number | boolean): NtExport =>
  ntExport({ name, doc, args: { Character: LONG }, returns: LONG, cycles: 6, status: 'full', impl: (_k, a) => Number(f(a.Character)) });

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
  ...(
    [
      ['atoi', '_wtoi', 32],
      ['atol', '_wtol', 32],
    ] as const
  ).flatMap(([narrow, wide, bits]) =>
    both([narrow, wide], 'Converts a decimal number.', (name, w, doc, STR) =>
      ntExport({
        name,
        doc,
        args: { String: STR },
        returns: LONG,
        cycles: 60,
        status: 'full',
        impl: (k, a) => toNumber(k, a.String, w, 10, bits, true, 0),
      }),
    ),
  ),
  ...both(['_atoi64', '_wtoi64'], 'Converts a decimal number to 64 bits.', (name, w, doc, STR) =>
    ntExport({
      name,
      doc,
      args: { String: STR },
      returns: LONGLONG,
      cycles: 60,
      status: 'full',
      impl: (k, a) => toNumber(k, a.String, w, 10, 64, true, 0),
    }),
  ),
  ...(
    [
      ['strtol', 'wcstol', 32, true],
      ['strtoul', 'wcstoul', 32, false],
      ['_strtoi64', '_wcstoi64', 64, true],
      ['_strtoui64', '_wcstoui64', 64, false],
    ] as const
  ).flatMap(([narrow, wide, bits, signed]) =>
    both([narrow, wide], 'Converts a number in a base and says where it ends.', (name, w, doc, STR) =>
      ntExport({
        name,
        doc,
        args: { String: STR, End: PVOID, Base: LONG },
        returns: bits === 32 ? LONG : LONGLONG,
        cycles: 80,
        status: 'full',
        impl: (k, a) => toNumber(k, a.String, w, a.Base, bits, signed, a.End),
      }),
    ),
  ),
  ...(
    [
      ['_itoa', '_itow', 32, true],
      ['_ultoa', '_ultow', 32, false],
      ['_i64toa', '_i64tow', 64, true],
      ['_ui64toa', '_ui64tow', 64, false],
    ] as const
  ).flatMap(([narrow, wide, bits, signed]) =>
    both([narrow, wide], 'Converts a number to text in a base.', (name, w, doc, STR) =>
      ntExport({
        name,
        doc,
        args: { Value: ULONG64, Buffer: STR, Radix: LONG },
        returns: STR,
        cycles: 80,
        status: 'full',
        impl(k, a) {
          const radix = a.Radix >= 2 && a.Radix <= 36 ? a.Radix : 10;
          const v = signed && radix === 10 ? BigInt.asIntN(bits, a.Value) : BigInt.asUintN(bits, a.Value);
          putFormatted(k, a.Buffer, Infinity, v.toString(radix), w);
          return a.Buffer;
        },
      }),
    ),
  ),
  ntExport({
    name: 'abs',
    doc: 'Absolute value.',
    args: { Value: LONG },
    returns: LONG,
    cycles: 4,
    status: 'full',
    impl: (_k, a) => Math.abs(a.Value),
  }),
  ntExport({
    name: 'mbstowcs',
    doc: 'Converts bytes to wide characters.',
    args: { Destination: PWSTR, Source: PSTR, Count: SIZE_T },
    returns: SIZE_T,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      const text = readAnsiZ(k.mem, a.Source);
      if (!a.Destination) return text.length;
      const n = Math.min(text.length, a.Count);
      for (let i = 0; i < Math.min(n + 1, a.Count); i++) write(k, a.Destination + i * 2, 2, i < n ? text.charCodeAt(i) : 0);
      return n;
    },
  }),
  ntExport({
    name: 'wcstombs',
    doc: 'Converts wide characters to bytes.',
    args: { Destination: PSTR, Source: PWSTR, Count: SIZE_T },
    returns: SIZE_T,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      const text = readWideZ(k.mem, a.Source);
      if (!a.Destination) return text.length;
      const n = Math.min(text.length, a.Count);
      for (let i = 0; i < Math.min(n + 1, a.Count); i++) write(k, a.Destination + i, 1, i < n ? Math.min(text.charCodeAt(i), 0xff) : 0);
      return n;
    },
  }),
];

export const formatExports: NtExport[] = [...printf, ...numbers];
