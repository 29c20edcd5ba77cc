/** Conversions between strings of bytes, wide strings, numbers and GUIDs. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { ANSI, type CodePage, decode, encode, OEM } from '../rtl/codepage.ts';
import { parseNumber } from '../rtl/ctype.ts';
import {
  readAnsiString,
  readBytesText,
  readUnicodeString,
  readWide,
  setString,
  upcase,
  wideBytes,
  writeUnicodeString,
} from '../rtl/string.ts';
import { PagedPool } from '../types/mm.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_2,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_PARAMETER_5,
  STATUS_NO_MEMORY,
  STATUS_SOME_NOT_MAPPED,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG, ULONG64, USHORT } from './declare.ts';

const PUNICODE_STRING = pointer('PUNICODE_STRING'),
  PSTRING = pointer('PSTRING'),
  PWSTR = pointer('PCWSTR'),
  PSTR = pointer('PCSTR'),
  PGUID = pointer('PGUID'),
  PULONG = pointer('PULONG');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const TAG_STRING = 0x52747453; // 'SttR'

/** The text in upper case if case does not count. */
export const fold = (text: string, noCase: boolean): string => (noCase ? upcase(text) : text);

/** Bytes that are held as characters of their number. */
export const narrow = (text: string): Uint8Array => Uint8Array.from(text, c => c.charCodeAt(0));
/** The code page that a routine of this name converts with. */
const pageOf = (name: string): CodePage => (name.includes('Oem') ? OEM : ANSI);

/** Puts converted text into a counted string, in a buffer of its own if `allocate`. `zero` is the terminator's width. */
export function store(k: Kernel, destination: number, bytes: Uint8Array, zero: number, allocate: boolean): number {
  if (bytes.length + zero > 0xffff) return STATUS_INVALID_PARAMETER_2;
  if (allocate) {
    const buffer = exAllocatePool(k, PagedPool, bytes.length + zero, TAG_STRING);
    if (!buffer) return STATUS_NO_MEMORY;
    setString(k.mem, destination, 0, bytes.length + zero, buffer);
  }
  const maximum = k.mem.read16(destination + 2),
    buffer = k.mem.readPtr(destination + 8);
  const kept = Math.min(bytes.length, Math.max(0, maximum - zero));
  k.mem.writeBytes(buffer, bytes.subarray(0, kept));
  if (maximum >= zero) k.mem.fill(buffer + kept, zero, 0);
  k.mem.write16(destination, kept);
  return kept === bytes.length ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

const toWide = (name: string): NtExport =>
  ntExport({
    name,
    doc: 'Converts a counted string of bytes to a wide one.',
    irql: name.includes('Oem') ? { max: 'APC_LEVEL' } : PASSIVE,
    args: { DestinationString: PUNICODE_STRING, SourceString: PSTRING, AllocateDestinationString: BOOLEAN },
    returns: NTSTATUS,
    cycles: 250,
    status: 'full',
    impl: (k, a) =>
      convertCounted(k, a.DestinationString, wideBytes(decode(pageOf(name), readAnsiString(k.mem, a.SourceString))), 2, a.AllocateDestinationString),
  });
const toNarrow = (name: string, upper: boolean): NtExport =>
  ntExport({
    name,
    doc: `Converts a counted wide string to one of ${upper ? 'upper-case ' : ''}bytes.`,
    irql: name.includes('Oem') ? { max: 'APC_LEVEL' } : PASSIVE,
    args: { DestinationString: PSTRING, SourceString: PUNICODE_STRING, AllocateDestinationString: BOOLEAN },
    returns: NTSTATUS,
    cycles: 250,
    status: 'full',
    impl: (k, a) =>
      convertCounted(k, a.DestinationString, encode(pageOf(name), fold(readUnicodeString(k.mem, a.SourceString), upper)), 1, a.AllocateDestinationString),
  });

/** To wide the result must fit with its zero (else nothing is stored); to bytes it is cut. */
function convertCounted(k: Kernel, destination: number, bytes: Uint8Array, zero: number, allocate: boolean): number {
  if (zero === 2 && !allocate && bytes.length + 2 > k.mem.read16(destination + 2)) return STATUS_BUFFER_OVERFLOW;
  return store(k, destination, bytes, zero, allocate);
}

/** Converts between buffers of given sizes in bytes: as much as fits, and how much that was. Only the OEM routines tell by their status that it was cut. */
function convertBuffer(k: Kernel, name: string, to: number, size: number, result: number, bytes: Uint8Array): number {
  const kept = bytes.subarray(0, size);
  k.mem.writeBytes(to, kept);
  if (result) k.mem.write32(result, kept.length);
  return kept.length < bytes.length && pageOf(name) === OEM ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

const utf8 = new TextEncoder();
const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

/** What the UTF-8 routines refuse: no place for a result, no source. 0 when nothing is wrong. */
function utfProblem(destination: number, written: number, source: number): number {
  if (!destination && !written) return STATUS_INVALID_PARAMETER;
  return source ? 0 : STATUS_INVALID_PARAMETER_4;
}

/** Stores as many whole characters as fit, and how many bytes they are; without a destination the bytes that all of them need. */
function storeUtf(
  k: Kernel,
  a: { Destination: number; MaxBytes: number; BytesWritten: number },
  text: string,
  encoded: (text: string) => Uint8Array,
  replaced: boolean,
): number {
  const whole = encoded(text);
  let kept = whole.length;
  if (a.Destination) {
    if (kept > a.MaxBytes) {
      kept = 0;
      for (const character of text) {
        const n = encoded(character).length;
        if (kept + n > a.MaxBytes) break;
        kept += n;
      }
    }
    k.mem.writeBytes(a.Destination, whole.subarray(0, kept));
  }
  if (a.BytesWritten) k.mem.write32(a.BytesWritten, kept);
  if (kept < whole.length) return STATUS_BUFFER_TOO_SMALL;
  return replaced ? STATUS_SOME_NOT_MAPPED : STATUS_SUCCESS;
}

const conversions: NtExport[] = [
  toWide('RtlAnsiStringToUnicodeString'),
  toWide('RtlOemStringToUnicodeString'),
  toNarrow('RtlUnicodeStringToAnsiString', false),
  toNarrow('RtlUnicodeStringToOemString', false),
  toNarrow('RtlUpcaseUnicodeStringToOemString', true),
  toNarrow('RtlUpcaseUnicodeStringToAnsiString', true),
  ...(['RtlxAnsiStringToUnicodeSize', 'RtlAnsiStringToUnicodeSize'] as const).map(name =>
    ntExport({
      name,
      doc: 'Bytes that a string takes as a wide one, with its zero.',
      irql: PASSIVE,
      args: { AnsiString: PSTRING },
      returns: ULONG,
      cycles: 20,
      status: 'full',
      impl: (k, a) => (k.mem.read16(a.AnsiString) + 1) * 2,
    }),
  ),
  ntExport({
    name: 'RtlxOemStringToUnicodeSize',
    doc: 'Bytes that an OEM string takes as a wide one, with its zero.',
    irql: PASSIVE,
    args: { OemString: PSTRING },
    returns: ULONG,
    cycles: 20,
    status: 'full',
    impl: (k, a) => (k.mem.read16(a.OemString) + 1) * 2,
  }),
  ntExport({
    name: 'RtlxUnicodeStringToAnsiSize',
    doc: 'Bytes that a wide string takes as an ANSI one, with its zero.',
    irql: PASSIVE,
    args: { UnicodeString: PUNICODE_STRING },
    returns: ULONG,
    cycles: 20,
    status: 'full',
    impl: (k, a) => k.mem.read16(a.UnicodeString) / 2 + 1,
  }),
  ntExport({
    name: 'RtlxUnicodeStringToOemSize',
    doc: 'Bytes that a wide string takes as an OEM one, with its zero.',
    irql: PASSIVE,
    args: { UnicodeString: PUNICODE_STRING },
    returns: ULONG,
    cycles: 20,
    status: 'full',
    impl: (k, a) => k.mem.read16(a.UnicodeString) / 2 + 1,
  }),
  ntExport({
    name: 'RtlAnsiCharToUnicodeChar',
    doc: 'Converts one character and moves the pointer past it.',
    args: { SourceCharacter: PVOID },
    returns: USHORT,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      const at = k.mem.readPtr(a.SourceCharacter),
        c = k.mem.read8(at);
      k.mem.writePtr(a.SourceCharacter, at + 1);
      return ANSI.toWide[c]!.charCodeAt(0);
    },
  }),
  ...(['RtlUnicodeToMultiByteN', 'RtlUnicodeToOemN', 'RtlUpcaseUnicodeToMultiByteN', 'RtlUpcaseUnicodeToOemN'] as const).map(name =>
    ntExport({
      name,
      doc: 'Converts wide characters to bytes.',
      irql: { max: 'APC_LEVEL' },
      args: { Destination: PSTR, MaxBytes: ULONG, BytesWritten: PULONG, Source: PWSTR, BytesInSource: ULONG },
      returns: NTSTATUS,
      cycles: 100,
      status: 'full',
      impl: (k, a) =>
        convertBuffer(
          k,
          name,
          a.Destination,
          a.MaxBytes,
          a.BytesWritten,
          encode(pageOf(name), fold(readWide(k.mem, a.Source, a.BytesInSource), name.includes('Upcase'))),
        ),
    }),
  ),
  ...(['RtlMultiByteToUnicodeN', 'RtlOemToUnicodeN'] as const).map(name =>
    ntExport({
      name,
      doc: 'Converts bytes to wide characters.',
      irql: { max: 'APC_LEVEL' },
      args: { Destination: PWSTR, MaxBytes: ULONG, BytesWritten: PULONG, Source: PSTR, BytesInSource: ULONG },
      returns: NTSTATUS,
      cycles: 100,
      status: 'full',
      impl: (k, a) =>
        convertBuffer(
          k,
          name,
          a.Destination,
          a.MaxBytes & ~1,
          a.BytesWritten,
          wideBytes(decode(pageOf(name), readBytesText(k.mem, a.Source, a.BytesInSource))),
        ),
    }),
  ),
  ntExport({
    name: 'RtlMultiByteToUnicodeSize',
    doc: 'Bytes that a string of bytes takes as wide characters.',
    irql: { max: 'APC_LEVEL' },
    args: { Size: PULONG, Source: PSTR, BytesInSource: ULONG },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      k.mem.write32(a.Size, a.BytesInSource * 2);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlUnicodeToMultiByteSize',
    doc: 'Bytes that wide characters take as bytes.',
    irql: { max: 'APC_LEVEL' },
    args: { Size: PULONG, Source: PWSTR, BytesInSource: ULONG },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      k.mem.write32(a.Size, a.BytesInSource >>> 1);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlUnicodeToUTF8N',
    doc: 'Converts wide characters to UTF-8.',
    irql: PASSIVE,
    args: { Destination: PSTR, MaxBytes: ULONG, BytesWritten: PULONG, Source: PWSTR, BytesInSource: ULONG },
    returns: NTSTATUS,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      const wrong = utfProblem(a.Destination, a.BytesWritten, a.Source);
      if (wrong) return wrong;
      if (a.BytesInSource % 2) return STATUS_INVALID_PARAMETER_5;
      const text = readWide(k.mem, a.Source, a.BytesInSource);
      // A lone surrogate has no UTF-8 form and is replaced.
      const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
      return storeUtf(k, a, text, c => utf8.encode(c), lone);
    },
  }),
  ntExport({
    name: 'RtlUTF8ToUnicodeN',
    doc: 'Converts UTF-8 to wide characters.',
    irql: PASSIVE,
    args: { Destination: PWSTR, MaxBytes: ULONG, BytesWritten: PULONG, Source: PSTR, BytesInSource: ULONG },
    returns: NTSTATUS,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      const wrong = utfProblem(a.Destination, a.BytesWritten, a.Source);
      if (wrong) return wrong;
      const source = k.mem.readBytes(a.Source, a.BytesInSource);
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(source);
      const replaced = text.includes('\ufffd') && !equalBytes(utf8.encode(text), source);
      return storeUtf(k, a, text, wideBytes, replaced);
    },
  }),
];

/** A number as text in base 2, 8, 10 (0 means this) or 16; null for another base. The number is unsigned in all of them. */
const digits = (value: bigint, base: number): string | null =>
  [0, 2, 8, 10, 16].includes(base) ? value.toString(base || 10).toUpperCase() : null;

const guidText = (k: Kernel, at: number): string => {
  const hex = (n: number, width: number): string => n.toString(16).toUpperCase().padStart(width, '0');
  const b = k.mem.readBytes(at + 8, 8);
  const tail = Array.from(b, x => hex(x, 2)).join('');
  return `{${hex(k.mem.read32(at), 8)}-${hex(k.mem.read16(at + 4), 4)}-${hex(k.mem.read16(at + 6), 4)}-${tail.slice(0, 4)}-${tail.slice(4)}}`;
};

const numbers: NtExport[] = [
  ...(
    [
      ['RtlIntegerToUnicodeString', ULONG64, 32],
      ['RtlInt64ToUnicodeString', ULONG64, 64],
    ] as const
  ).map(([name, type, bits]) =>
    ntExport({
      name,
      doc: 'Converts a number to a counted string in a base.',
      irql: PASSIVE,
      args: { Value: type, Base: ULONG, String: PUNICODE_STRING },
      returns: NTSTATUS,
      cycles: 120,
      status: 'full',
      impl(k, a) {
        const text = digits(BigInt.asUintN(bits, a.Value), a.Base);
        if (text === null) return STATUS_INVALID_PARAMETER;
        if (text.length * 2 > k.mem.read16(a.String + 2)) return STATUS_BUFFER_OVERFLOW;
        writeUnicodeString(k.mem, a.String, text);
        return STATUS_SUCCESS;
      },
    }),
  ),
  ntExport({
    name: 'RtlUnicodeStringToInteger',
    doc: 'Converts a counted string to a number; base 0 takes the prefixes 0x, 0o and 0b.',
    irql: PASSIVE,
    args: { String: PUNICODE_STRING, Base: ULONG, Value: PULONG },
    returns: NTSTATUS,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      if (![0, 2, 8, 10, 16].includes(a.Base)) return STATUS_INVALID_PARAMETER;
      let text = readUnicodeString(k.mem, a.String).trimStart();
      const negative = text.startsWith('-');
      if (negative || text.startsWith('+')) text = text.slice(1);
      let base = a.Base;
      const prefix = /^0([xob])/i.exec(text);
      if (base === 0) {
        base = prefix ? { x: 16, o: 8, b: 2 }[prefix[1]!.toLowerCase() as 'x' | 'o' | 'b'] : 10;
        if (prefix) text = text.slice(2);
      }
      const n = parseNumber(i => (i < text.length ? text.charCodeAt(i) : 0), base);
      const value = Number(BigInt.asUintN(32, n.value));
      k.mem.write32(a.Value, (negative ? -value : value) >>> 0);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlCharToInteger',
    doc: 'Converts a zero-terminated string to a number.',
    irql: PASSIVE,
    args: { String: PSTR, Base: ULONG, Value: PULONG },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    impl(k, a) {
      if (![0, 2, 8, 10, 16].includes(a.Base)) return STATUS_INVALID_PARAMETER;
      const n = parseNumber(i => k.mem.read8(a.String + i), a.Base);
      k.mem.write32(a.Value, Number(BigInt.asUintN(32, n.negative ? -n.value : n.value)));
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlStringFromGUID',
    doc: 'Makes a counted string of a GUID: {xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}.',
    irql: PASSIVE,
    args: { Guid: PGUID, GuidString: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 250,
    status: 'full',
    impl: (k, a) => store(k, a.GuidString, wideBytes(guidText(k, a.Guid)), 2, true),
  }),
  ntExport({
    name: 'RtlGUIDFromString',
    doc: 'Converts a counted string to a GUID.',
    irql: PASSIVE,
    args: { GuidString: PUNICODE_STRING, Guid: PGUID },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl(k, a) {
      const m = /^\{([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}$/i.exec(
        readUnicodeString(k.mem, a.GuidString),
      );
      if (!m) return STATUS_INVALID_PARAMETER;
      k.mem.probe(a.Guid, 16, true);
      k.mem.write32(a.Guid, parseInt(m[1]!, 16));
      k.mem.write16(a.Guid + 4, parseInt(m[2]!, 16));
      k.mem.write16(a.Guid + 6, parseInt(m[3]!, 16));
      const tail = m[4]! + m[5]!;
      for (let i = 0; i < 8; i++) k.mem.write8(a.Guid + 8 + i, parseInt(tail.slice(i * 2, i * 2 + 2), 16));
      return STATUS_SUCCESS;
    },
  }),
];

export const conversionExports: NtExport[] = [...conversions, ...numbers];
