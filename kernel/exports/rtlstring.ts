/** Counted strings, conversions, GUIDs. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { parseNumber } from '../rtl/ctype.ts';
import {
  downcaseChar, readAnsiString, readAnsiZ, readBytesText, readUnicodeString, readWide, readWideZ, setString, upcase, upcaseChar, wideBytes, writeUnicodeString,
} from '../rtl/string.ts';
import { PagedPool } from '../types/mm.ts';
import {
  STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_2, STATUS_NAME_TOO_LONG, STATUS_NO_MEMORY, STATUS_SUCCESS, STATUS_SOME_NOT_MAPPED,
} from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, LONG, pointer, PVOID, SIZE_T, UCHAR, ULONG, ULONG64, USHORT, VOID } from './declare.ts';

const PUNICODE_STRING = pointer('PUNICODE_STRING'), PSTRING = pointer('PSTRING'), PWSTR = pointer('PCWSTR'), PSTR = pointer('PCSTR'), PGUID = pointer('PGUID'), PULONG = pointer('PULONG');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const TAG_STRING = 0x52747453; // 'SttR'

/** RtlInit*String: a string without a buffer is empty; one that is too long for 16 bits is cut. */
function initialize(k: Kernel, destination: number, source: number, bytes: number, width: number): void {
  const length = Math.min(bytes, width === 2 ? 0xfffc : 0xfffe);
  if (source) setString(k.mem, destination, length, length + width, source);
  else setString(k.mem, destination, 0, 0, 0);
}
const wideLength = (k: Kernel, s: number): number => (s ? readWideZ(k.mem, s, 0x8000).length * 2 : 0);
const narrowLength = (k: Kernel, s: number): number => (s ? readAnsiZ(k.mem, s, 0x10000).length : 0);

/** Order of two strings by code units, shorter first where one is the start of the other. */
function compareText(a: string, b: string): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = a.charCodeAt(i) - b.charCodeAt(i);
    if (d) return d;
  }
  return a.length - b.length;
}
const fold = (text: string, noCase: boolean): string => (noCase ? upcase(text) : text);

/** Appends `bytes` to a counted string; STATUS_BUFFER_TOO_SMALL when it has no room. A zero follows where there is room for one. */
function append(k: Kernel, destination: number, bytes: Uint8Array, width: number): number {
  const length = k.mem.read16(destination), maximum = k.mem.read16(destination + 2), buffer = k.mem.readPtr(destination + 8);
  const total = length + bytes.length;
  if (total > maximum) return STATUS_BUFFER_TOO_SMALL;
  k.mem.writeBytes(buffer + length, bytes);
  if (total + width <= maximum) k.mem.fill(buffer + total, width, 0);
  k.mem.write16(destination, total);
  return STATUS_SUCCESS;
}

/** The ANSI code page of the system is 1252 in its Latin-1 part: a byte is the character of its number, other characters become `?`. */
const narrow = (text: string): Uint8Array => Uint8Array.from(text, c => (c.charCodeAt(0) > 0xff ? 0x3f : c.charCodeAt(0)));

/** Puts converted text into a counted string, in a buffer of its own if `allocate`. `zero` is the terminator's width. */
function store(k: Kernel, destination: number, bytes: Uint8Array, zero: number, allocate: boolean): number {
  if (bytes.length + zero > 0xffff) return STATUS_INVALID_PARAMETER_2;
  if (allocate) {
    const buffer = exAllocatePool(k, PagedPool, bytes.length + zero, TAG_STRING);
    if (!buffer) return STATUS_NO_MEMORY;
    setString(k.mem, destination, 0, bytes.length + zero, buffer);
  }
  const maximum = k.mem.read16(destination + 2), buffer = k.mem.readPtr(destination + 8);
  const kept = Math.min(bytes.length, Math.max(0, maximum - zero));
  k.mem.writeBytes(buffer, bytes.subarray(0, kept));
  if (maximum >= zero) k.mem.fill(buffer + kept, zero, 0);
  k.mem.write16(destination, kept);
  return kept === bytes.length ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

const initializers: NtExport[] = [
  ntExport({
    name: 'RtlInitUnicodeString', doc: 'Makes a counted string of a zero-terminated wide one, without copying it.', args: { DestinationString: PUNICODE_STRING, SourceString: PWSTR }, returns: VOID, cycles: 30, status: 'full',
    impl: (k, a) => initialize(k, a.DestinationString, a.SourceString, wideLength(k, a.SourceString), 2),
  }),
  ntExport({
    name: 'RtlInitUnicodeStringEx', doc: 'Makes a counted string of a zero-terminated wide one; refuses one that is too long.', args: { DestinationString: PUNICODE_STRING, SourceString: PWSTR }, returns: NTSTATUS, cycles: 30,
    status: 'full',
    impl(k, a) {
      const length = wideLength(k, a.SourceString);
      if (length > 0xfffc) return STATUS_NAME_TOO_LONG;
      initialize(k, a.DestinationString, a.SourceString, length, 2);
      return STATUS_SUCCESS;
    },
  }),
  ...(['RtlInitAnsiString', 'RtlInitString'] as const).map(name =>
    ntExport({
      name, doc: 'Makes a counted string of a zero-terminated one, without copying it.', args: { DestinationString: PSTRING, SourceString: PSTR }, returns: VOID, cycles: 30, status: 'full',
      impl: (k, a) => initialize(k, a.DestinationString, a.SourceString, narrowLength(k, a.SourceString), 1),
    }),
  ),
  ...(['RtlInitAnsiStringEx', 'RtlInitStringEx'] as const).map(name =>
    ntExport({
      name, doc: 'Makes a counted string of a zero-terminated one; refuses one that is too long.', args: { DestinationString: PSTRING, SourceString: PSTR }, returns: NTSTATUS, cycles: 30, status: 'full',
      impl(k, a) {
        const length = narrowLength(k, a.SourceString);
        if (length > 0xfffe) return STATUS_NAME_TOO_LONG;
        initialize(k, a.DestinationString, a.SourceString, length, 1);
        return STATUS_SUCCESS;
      },
    }),
  ),
  ntExport({
    name: 'RtlInitUTF8String', doc: 'Makes a counted string of a zero-terminated UTF-8 one, without copying it.', args: { DestinationString: PSTRING, SourceString: PSTR }, returns: VOID, cycles: 30, status: 'full',
    impl: (k, a) => initialize(k, a.DestinationString, a.SourceString, narrowLength(k, a.SourceString), 1),
  }),
  ...(['RtlFreeUnicodeString', 'RtlFreeAnsiString', 'RtlFreeOemString', 'RtlFreeUTF8String'] as const).map(name =>
    ntExport({
      name, doc: 'Frees the buffer of a string that an Rtl routine allocated.', irql: PASSIVE, args: { String: PSTRING }, returns: VOID, cycles: 160, status: 'full',
      impl(k, a) {
        const buffer = k.mem.readPtr(a.String + 8);
        if (!buffer) return;
        exFreePool(k, buffer, 0);
        setString(k.mem, a.String, 0, 0, 0);
      },
    }),
  ),
  ntExport({
    name: 'RtlCreateUnicodeString', doc: 'Makes a counted string with a buffer of its own of a zero-terminated one.', irql: PASSIVE, args: { DestinationString: PUNICODE_STRING, SourceString: PWSTR }, returns: BOOLEAN, cycles: 250,
    status: 'full',
    impl(k, a) {
      const text = readWideZ(k.mem, a.SourceString, 0x8000);
      return text.length <= 0x7ffe && store(k, a.DestinationString, wideBytes(text), 2, true) === STATUS_SUCCESS;
    },
  }),
];

const copies: NtExport[] = [
  ntExport({
    name: 'RtlCopyUnicodeString', doc: 'Copies a counted string into the buffer of another, as far as that has room.', args: { DestinationString: PUNICODE_STRING, SourceString: PUNICODE_STRING }, returns: VOID, cycles: 60,
    status: 'full',
    impl(k, a) {
      if (a.SourceString) writeUnicodeString(k.mem, a.DestinationString, readUnicodeString(k.mem, a.SourceString));
      else k.mem.write16(a.DestinationString, 0);
    },
  }),
  ntExport({
    name: 'RtlCopyString', doc: 'Copies a counted string into the buffer of another, as far as that has room.', args: { DestinationString: PSTRING, SourceString: PSTRING }, returns: VOID, cycles: 60, status: 'full',
    impl(k, a) {
      const length = a.SourceString ? Math.min(k.mem.read16(a.SourceString), k.mem.read16(a.DestinationString + 2)) : 0;
      if (length) k.mem.copy(k.mem.readPtr(a.DestinationString + 8), k.mem.readPtr(a.SourceString + 8), length);
      k.mem.write16(a.DestinationString, length);
    },
  }),
  ntExport({
    name: 'RtlAppendUnicodeToString', doc: 'Appends a zero-terminated wide string to a counted one.', args: { Destination: PUNICODE_STRING, Source: PWSTR }, returns: NTSTATUS, cycles: 60, status: 'full',
    impl: (k, a) => (a.Source ? append(k, a.Destination, wideBytes(readWideZ(k.mem, a.Source)), 2) : STATUS_SUCCESS),
  }),
  ntExport({
    name: 'RtlAppendUnicodeStringToString', doc: 'Appends a counted string to another.', args: { Destination: PUNICODE_STRING, Source: PUNICODE_STRING }, returns: NTSTATUS, cycles: 60, status: 'full',
    impl: (k, a) => append(k, a.Destination, wideBytes(readUnicodeString(k.mem, a.Source)), 2),
  }),
  ntExport({
    name: 'RtlAppendAsciizToString', doc: 'Appends a zero-terminated string to a counted one.', args: { Destination: PSTRING, Source: PSTR }, returns: NTSTATUS, cycles: 60, status: 'full',
    impl: (k, a) => (a.Source ? append(k, a.Destination, narrow(readAnsiZ(k.mem, a.Source)), 1) : STATUS_SUCCESS),
  }),
  ntExport({
    name: 'RtlAppendStringToString', doc: 'Appends a counted string to another.', args: { Destination: PSTRING, Source: PSTRING }, returns: NTSTATUS, cycles: 60, status: 'full',
    impl: (k, a) => append(k, a.Destination, narrow(readAnsiString(k.mem, a.Source)), 1),
  }),
  ntExport({
    name: 'RtlDuplicateUnicodeString', doc: 'Copies a counted string into a new buffer.', irql: PASSIVE, args: { Flags: ULONG, StringIn: PUNICODE_STRING, StringOut: PUNICODE_STRING }, returns: NTSTATUS, cycles: 250, status: 'full',
    impl(k, a) {
      if (a.Flags > 3 || !a.StringOut) return STATUS_INVALID_PARAMETER;
      const text = a.StringIn ? readUnicodeString(k.mem, a.StringIn) : '';
      if (!text && !(a.Flags & 2)) {
        setString(k.mem, a.StringOut, 0, 0, 0);
        return STATUS_SUCCESS;
      }
      return store(k, a.StringOut, wideBytes(text), a.Flags & 1 ? 2 : 0, true);
    },
  }),
];

const comparisons: NtExport[] = [
  ntExport({
    name: 'RtlCompareUnicodeString', doc: 'Compares two counted strings: negative, 0 or positive.', irql: PASSIVE, args: { String1: PUNICODE_STRING, String2: PUNICODE_STRING, CaseInSensitive: BOOLEAN }, returns: LONG, cycles: 80,
    status: 'full',
    impl: (k, a) => compareText(fold(readUnicodeString(k.mem, a.String1), a.CaseInSensitive), fold(readUnicodeString(k.mem, a.String2), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlCompareUnicodeStrings', doc: 'Compares two wide strings of given lengths in characters.', irql: PASSIVE,
    args: { String1: PWSTR, String1Length: SIZE_T, String2: PWSTR, String2Length: SIZE_T, CaseInSensitive: BOOLEAN }, returns: LONG, cycles: 80, status: 'full',
    impl: (k, a) => compareText(fold(readWide(k.mem, a.String1, a.String1Length * 2), a.CaseInSensitive), fold(readWide(k.mem, a.String2, a.String2Length * 2), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlEqualUnicodeString', doc: 'Tells whether two counted strings are equal.', irql: PASSIVE, args: { String1: PUNICODE_STRING, String2: PUNICODE_STRING, CaseInSensitive: BOOLEAN }, returns: BOOLEAN, cycles: 80, status: 'full',
    impl: (k, a) => k.mem.read16(a.String1) === k.mem.read16(a.String2) && fold(readUnicodeString(k.mem, a.String1), a.CaseInSensitive) === fold(readUnicodeString(k.mem, a.String2), a.CaseInSensitive),
  }),
  ntExport({
    name: 'RtlPrefixUnicodeString', doc: 'Tells whether a counted string begins with another.', irql: PASSIVE, args: { String1: PUNICODE_STRING, String2: PUNICODE_STRING, CaseInSensitive: BOOLEAN }, returns: BOOLEAN, cycles: 80, status: 'full',
    impl: (k, a) => fold(readUnicodeString(k.mem, a.String2), a.CaseInSensitive).startsWith(fold(readUnicodeString(k.mem, a.String1), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlSuffixUnicodeString', doc: 'Tells whether a counted string ends with another.', irql: PASSIVE, args: { String1: PUNICODE_STRING, String2: PUNICODE_STRING, CaseInSensitive: BOOLEAN }, returns: BOOLEAN, cycles: 80, status: 'full',
    impl: (k, a) => fold(readUnicodeString(k.mem, a.String2), a.CaseInSensitive).endsWith(fold(readUnicodeString(k.mem, a.String1), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlCompareString', doc: 'Compares two counted strings of bytes.', irql: PASSIVE, args: { String1: PSTRING, String2: PSTRING, CaseInSensitive: BOOLEAN }, returns: LONG, cycles: 80, status: 'full',
    impl: (k, a) => compareText(fold(readAnsiString(k.mem, a.String1), a.CaseInSensitive), fold(readAnsiString(k.mem, a.String2), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlEqualString', doc: 'Tells whether two counted strings of bytes are equal.', irql: PASSIVE, args: { String1: PSTRING, String2: PSTRING, CaseInSensitive: BOOLEAN }, returns: BOOLEAN, cycles: 80, status: 'full',
    impl: (k, a) => fold(readAnsiString(k.mem, a.String1), a.CaseInSensitive) === fold(readAnsiString(k.mem, a.String2), a.CaseInSensitive),
  }),
  ntExport({
    name: 'RtlPrefixString', doc: 'Tells whether a counted string of bytes begins with another.', irql: PASSIVE, args: { String1: PSTRING, String2: PSTRING, CaseInSensitive: BOOLEAN }, returns: BOOLEAN, cycles: 80, status: 'full',
    impl: (k, a) => fold(readAnsiString(k.mem, a.String2), a.CaseInSensitive).startsWith(fold(readAnsiString(k.mem, a.String1), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlHashUnicodeString', doc: 'Computes a hash of a counted string.', irql: PASSIVE, args: { String: PUNICODE_STRING, CaseInSensitive: BOOLEAN, HashAlgorithm: ULONG, HashValue: PULONG }, returns: NTSTATUS, cycles: 80, status: 'full',
    impl(k, a) {
      if (!a.String || !a.HashValue || a.HashAlgorithm > 1) return STATUS_INVALID_PARAMETER;
      // HASH_STRING_ALGORITHM_X65599, which is the default one.
      let hash = 0;
      for (const c of fold(readUnicodeString(k.mem, a.String), a.CaseInSensitive)) hash = (Math.imul(hash, 65599) + c.charCodeAt(0)) >>> 0;
      k.mem.write32(a.HashValue, hash);
      return STATUS_SUCCESS;
    },
  }),
];

const cases: NtExport[] = [
  ntExport({ name: 'RtlUpcaseUnicodeChar', doc: 'Upper case of a wide character.', args: { SourceCharacter: USHORT }, returns: USHORT, cycles: 8, status: 'full', impl: (_k, a) => upcaseChar(a.SourceCharacter) }),
  ntExport({ name: 'RtlDowncaseUnicodeChar', doc: 'Lower case of a wide character.', args: { SourceCharacter: USHORT }, returns: USHORT, cycles: 8, status: 'full', impl: (_k, a) => downcaseChar(a.SourceCharacter) }),
  ntExport({ name: 'RtlUpperChar', doc: 'Upper case of a byte.', args: { Character: UCHAR }, returns: UCHAR, cycles: 8, status: 'full', impl: (_k, a) => Math.min(upcaseChar(a.Character), 0xff) }),
  ntExport({
    name: 'RtlUpcaseUnicodeString', doc: 'Makes an upper-case copy of a counted string.', irql: PASSIVE, args: { DestinationString: PUNICODE_STRING, SourceString: PUNICODE_STRING, AllocateDestinationString: BOOLEAN }, returns: NTSTATUS,
    cycles: 200, status: 'full',
    impl: (k, a) => changeCase(k, a.DestinationString, upcase(readUnicodeString(k.mem, a.SourceString)), a.AllocateDestinationString),
  }),
  ntExport({
    name: 'RtlDowncaseUnicodeString', doc: 'Makes a lower-case copy of a counted string.', irql: PASSIVE, args: { DestinationString: PUNICODE_STRING, SourceString: PUNICODE_STRING, AllocateDestinationString: BOOLEAN }, returns: NTSTATUS,
    cycles: 200, status: 'full',
    impl: (k, a) => changeCase(k, a.DestinationString, String.fromCharCode(...Array.from(readUnicodeString(k.mem, a.SourceString), c => downcaseChar(c.charCodeAt(0)))), a.AllocateDestinationString),
  }),
  ntExport({
    name: 'RtlUpperString', doc: 'Copies a counted string of bytes in upper case.', args: { DestinationString: PSTRING, SourceString: PSTRING }, returns: VOID, cycles: 80, status: 'full',
    impl(k, a) {
      const text = readAnsiString(k.mem, a.SourceString).slice(0, k.mem.read16(a.DestinationString + 2));
      k.mem.writeBytes(k.mem.readPtr(a.DestinationString + 8), narrow(upcase(text)));
      k.mem.write16(a.DestinationString, text.length);
    },
  }),
];

/** The case routines want the whole string to fit, and write no zero. */
function changeCase(k: Kernel, destination: number, text: string, allocate: boolean): number {
  if (!allocate && text.length * 2 > k.mem.read16(destination + 2)) return STATUS_BUFFER_OVERFLOW;
  return store(k, destination, wideBytes(text), 0, allocate);
}

const toWide = (name: string): NtExport =>
  ntExport({
    name, doc: 'Converts a counted string of bytes to a wide one.', irql: PASSIVE, args: { DestinationString: PUNICODE_STRING, SourceString: PSTRING, AllocateDestinationString: BOOLEAN }, returns: NTSTATUS, cycles: 250, status: 'full',
    impl: (k, a) => convertCounted(k, a.DestinationString, wideBytes(readAnsiString(k.mem, a.SourceString)), 2, a.AllocateDestinationString),
  });
const toNarrow = (name: string, upper: boolean): NtExport =>
  ntExport({
    name, doc: `Converts a counted wide string to one of ${upper ? 'upper-case ' : ''}bytes.`, irql: PASSIVE, args: { DestinationString: PSTRING, SourceString: PUNICODE_STRING, AllocateDestinationString: BOOLEAN }, returns: NTSTATUS, cycles: 250,
    status: 'full',
    impl: (k, a) => convertCounted(k, a.DestinationString, narrow(fold(readUnicodeString(k.mem, a.SourceString), upper)), 1, a.AllocateDestinationString),
  });

/** To wide the result must fit with its zero (else nothing is stored); to bytes it is cut. */
function convertCounted(k: Kernel, destination: number, bytes: Uint8Array, zero: number, allocate: boolean): number {
  if (zero === 2 && !allocate && bytes.length + 2 > k.mem.read16(destination + 2)) return STATUS_BUFFER_OVERFLOW;
  return store(k, destination, bytes, zero, allocate);
}

/** Converts between buffers of given sizes in bytes: as much as fits, and how much that was. */
function convertBuffer(k: Kernel, to: number, size: number, result: number, bytes: Uint8Array): number {
  const kept = bytes.subarray(0, size);
  k.mem.writeBytes(to, kept);
  if (result) k.mem.write32(result, kept.length);
  return STATUS_SUCCESS;
}

const utf8 = new TextEncoder();

const conversions: NtExport[] = [
  toWide('RtlAnsiStringToUnicodeString'), toWide('RtlOemStringToUnicodeString'),
  toNarrow('RtlUnicodeStringToAnsiString', false), toNarrow('RtlUnicodeStringToOemString', false), toNarrow('RtlUpcaseUnicodeStringToOemString', true), toNarrow('RtlUpcaseUnicodeStringToAnsiString', true),
  ntExport({ name: 'RtlxAnsiStringToUnicodeSize', doc: 'Bytes that a string takes as a wide one, with its zero.', irql: PASSIVE, args: { AnsiString: PSTRING }, returns: ULONG, cycles: 20, status: 'full', impl: (k, a) => (k.mem.read16(a.AnsiString) + 1) * 2 }),
  ntExport({ name: 'RtlxOemStringToUnicodeSize', doc: 'Bytes that an OEM string takes as a wide one, with its zero.', irql: PASSIVE, args: { OemString: PSTRING }, returns: ULONG, cycles: 20, status: 'full', impl: (k, a) => (k.mem.read16(a.OemString) + 1) * 2 }),
  ntExport({ name: 'RtlxUnicodeStringToAnsiSize', doc: 'Bytes that a wide string takes as an ANSI one, with its zero.', irql: PASSIVE, args: { UnicodeString: PUNICODE_STRING }, returns: ULONG, cycles: 20, status: 'full', impl: (k, a) => k.mem.read16(a.UnicodeString) / 2 + 1 }),
  ntExport({ name: 'RtlxUnicodeStringToOemSize', doc: 'Bytes that a wide string takes as an OEM one, with its zero.', irql: PASSIVE, args: { UnicodeString: PUNICODE_STRING }, returns: ULONG, cycles: 20, status: 'full', impl: (k, a) => k.mem.read16(a.UnicodeString) / 2 + 1 }),
  ntExport({
    name: 'RtlAnsiCharToUnicodeChar', doc: 'Converts one character and moves the pointer past it.', args: { SourceCharacter: PVOID }, returns: USHORT, cycles: 20, status: 'full',
    impl(k, a) {
      const at = k.mem.readPtr(a.SourceCharacter), c = k.mem.read8(at);
      k.mem.writePtr(a.SourceCharacter, at + 1);
      return c;
    },
  }),
  ...(['RtlUnicodeToMultiByteN', 'RtlUnicodeToOemN', 'RtlUpcaseUnicodeToMultiByteN', 'RtlUpcaseUnicodeToOemN'] as const).map(name =>
    ntExport({
      name, doc: 'Converts wide characters to bytes.', irql: PASSIVE, args: { Destination: PSTR, MaxBytes: ULONG, BytesWritten: PULONG, Source: PWSTR, BytesInSource: ULONG }, returns: NTSTATUS, cycles: 100, status: 'full',
      impl: (k, a) => convertBuffer(k, a.Destination, a.MaxBytes, a.BytesWritten, narrow(fold(readWide(k.mem, a.Source, a.BytesInSource), name.includes('Upcase')))),
    }),
  ),
  ...(['RtlMultiByteToUnicodeN', 'RtlOemToUnicodeN'] as const).map(name =>
    ntExport({
      name, doc: 'Converts bytes to wide characters.', irql: PASSIVE, args: { Destination: PWSTR, MaxBytes: ULONG, BytesWritten: PULONG, Source: PSTR, BytesInSource: ULONG }, returns: NTSTATUS, cycles: 100, status: 'full',
      impl: (k, a) => convertBuffer(k, a.Destination, a.MaxBytes & ~1, a.BytesWritten, wideBytes(readBytesText(k.mem, a.Source, a.BytesInSource))),
    }),
  ),
  ntExport({
    name: 'RtlMultiByteToUnicodeSize', doc: 'Bytes that a string of bytes takes as wide characters.', irql: PASSIVE, args: { Size: PULONG, Source: PSTR, BytesInSource: ULONG }, returns: NTSTATUS, cycles: 20, status: 'full',
    impl(k, a) {
      k.mem.write32(a.Size, a.BytesInSource * 2);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlUnicodeToMultiByteSize', doc: 'Bytes that wide characters take as bytes.', irql: PASSIVE, args: { Size: PULONG, Source: PWSTR, BytesInSource: ULONG }, returns: NTSTATUS, cycles: 20, status: 'full',
    impl(k, a) {
      k.mem.write32(a.Size, a.BytesInSource >>> 1);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlUnicodeToUTF8N', doc: 'Converts wide characters to UTF-8.', irql: PASSIVE, args: { Destination: PSTR, MaxBytes: ULONG, BytesWritten: PULONG, Source: PWSTR, BytesInSource: ULONG }, returns: NTSTATUS, cycles: 120, status: 'full',
    impl(k, a) {
      const text = readWide(k.mem, a.Source, a.BytesInSource), bytes = utf8.encode(text);
      if (a.Destination) k.mem.writeBytes(a.Destination, bytes.subarray(0, a.MaxBytes));
      k.mem.write32(a.BytesWritten, a.Destination ? Math.min(bytes.length, a.MaxBytes) : bytes.length);
      if (a.Destination && bytes.length > a.MaxBytes) return STATUS_BUFFER_TOO_SMALL;
      // A lone surrogate has no UTF-8 form and was replaced.
      return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text) ? STATUS_SOME_NOT_MAPPED : STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlUTF8ToUnicodeN', doc: 'Converts UTF-8 to wide characters.', irql: PASSIVE, args: { Destination: PWSTR, MaxBytes: ULONG, BytesWritten: PULONG, Source: PSTR, BytesInSource: ULONG }, returns: NTSTATUS, cycles: 120, status: 'full',
    impl(k, a) {
      const source = k.mem.readBytes(a.Source, a.BytesInSource);
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(source), bytes = wideBytes(text);
      if (a.Destination) k.mem.writeBytes(a.Destination, bytes.subarray(0, a.MaxBytes & ~1));
      k.mem.write32(a.BytesWritten, a.Destination ? Math.min(bytes.length, a.MaxBytes & ~1) : bytes.length);
      if (a.Destination && bytes.length > a.MaxBytes) return STATUS_BUFFER_TOO_SMALL;
      return text.includes('\ufffd') && utf8.encode(text).length !== source.length ? STATUS_SOME_NOT_MAPPED : STATUS_SUCCESS;
    },
  }),
];

/** A number as text in base 2, 8, 10 (0 means this) or 16; null for another base. The number is unsigned in all of them. */
const digits = (value: bigint, base: number): string | null => ([0, 2, 8, 10, 16].includes(base) ? value.toString(base || 10).toUpperCase() : null);

const guidText = (k: Kernel, at: number): string => {
  const hex = (n: number, width: number): string => n.toString(16).toUpperCase().padStart(width, '0');
  const b = k.mem.readBytes(at + 8, 8);
  const tail = Array.from(b, x => hex(x, 2)).join('');
  return `{${hex(k.mem.read32(at), 8)}-${hex(k.mem.read16(at + 4), 4)}-${hex(k.mem.read16(at + 6), 4)}-${tail.slice(0, 4)}-${tail.slice(4)}}`;
};

const numbers: NtExport[] = [
  ...([['RtlIntegerToUnicodeString', ULONG64, 32], ['RtlInt64ToUnicodeString', ULONG64, 64]] as const).map(([name, type, bits]) =>
    ntExport({
      name, doc: 'Converts a number to a counted string in a base.', irql: PASSIVE, args: { Value: type, Base: ULONG, String: PUNICODE_STRING }, returns: NTSTATUS, cycles: 120, status: 'full',
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
    name: 'RtlUnicodeStringToInteger', doc: 'Converts a counted string to a number; base 0 takes the prefixes 0x, 0o and 0b.', irql: PASSIVE, args: { String: PUNICODE_STRING, Base: ULONG, Value: PULONG }, returns: NTSTATUS, cycles: 120, status: 'full',
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
    name: 'RtlCharToInteger', doc: 'Converts a zero-terminated string to a number.', irql: PASSIVE, args: { String: PSTR, Base: ULONG, Value: PULONG }, returns: NTSTATUS, cycles: 100, status: 'full',
    impl(k, a) {
      if (![0, 2, 8, 10, 16].includes(a.Base)) return STATUS_INVALID_PARAMETER;
      const n = parseNumber(i => k.mem.read8(a.String + i), a.Base);
      k.mem.write32(a.Value, Number(BigInt.asUintN(32, n.negative ? -n.value : n.value)));
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlStringFromGUID', doc: 'Makes a counted string of a GUID: {xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}.', irql: PASSIVE, args: { Guid: PGUID, GuidString: PUNICODE_STRING }, returns: NTSTATUS, cycles: 250, status: 'full',
    impl: (k, a) => store(k, a.GuidString, wideBytes(guidText(k, a.Guid)), 2, true),
  }),
  ntExport({
    name: 'RtlGUIDFromString', doc: 'Converts a counted string to a GUID.', irql: PASSIVE, args: { GuidString: PUNICODE_STRING, Guid: PGUID }, returns: NTSTATUS, cycles: 150, status: 'full',
    impl(k, a) {
      const m = /^\{([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}$/i.exec(readUnicodeString(k.mem, a.GuidString));
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

export const stringExports: NtExport[] = [...initializers, ...copies, ...comparisons, ...cases, ...conversions, ...numbers];
