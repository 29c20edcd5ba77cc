/** Counted strings: making, copying, comparing. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { exFreePool } from '../mm/pool.ts';
import { ANSI } from '../rtl/codepage.ts';
import {
  downcaseChar,
  readAnsiString,
  readAnsiZ,
  readUnicodeString,
  readWide,
  readWideZ,
  setString,
  upcase,
  upcaseChar,
  wideBytes,
  writeUnicodeString,
} from '../rtl/string.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INVALID_PARAMETER,
  STATUS_NAME_TOO_LONG,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, LONG, type NtExport, ntExport, NTSTATUS, pointer, SIZE_T, UCHAR, ULONG, USHORT, VOID } from './declare.ts';
import { conversionExports, fold, narrow, store } from './rtlconvert.ts';

const PUNICODE_STRING = pointer('PUNICODE_STRING'),
  PSTRING = pointer('PSTRING'),
  PWSTR = pointer('PCWSTR'),
  PSTR = pointer('PCSTR'),
  PULONG = pointer('PULONG');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const,
  DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

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

/** Appends `bytes` to a counted string; STATUS_BUFFER_TOO_SMALL when it has no room. A zero follows where there is room for one. */
function append(k: Kernel, destination: number, bytes: Uint8Array, width: number): number {
  const length = k.mem.read16(destination),
    maximum = k.mem.read16(destination + 2),
    buffer = k.mem.readPtr(destination + 8);
  const total = length + bytes.length;
  if (total > maximum) return STATUS_BUFFER_TOO_SMALL;
  k.mem.writeBytes(buffer + length, bytes);
  if (total + width <= maximum) k.mem.fill(buffer + total, width, 0);
  k.mem.write16(destination, total);
  return STATUS_SUCCESS;
}

const initializers: NtExport[] = [
  ntExport({
    name: 'RtlInitUnicodeString',
    doc: 'Makes a counted string of a zero-terminated wide one, without copying it.',
    irql: DISPATCH,
    args: { DestinationString: PUNICODE_STRING, SourceString: PWSTR },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, a) => initialize(k, a.DestinationString, a.SourceString, wideLength(k, a.SourceString), 2),
  }),
  ntExport({
    name: 'RtlInitUnicodeStringEx',
    doc: 'Makes a counted string of a zero-terminated wide one; refuses one that is too long.',
    args: { DestinationString: PUNICODE_STRING, SourceString: PWSTR },
    returns: NTSTATUS,
    cycles: 30,
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
      name,
      doc: 'Makes a counted string of a zero-terminated one, without copying it.',
      ...(name === 'RtlInitString' ? { irql: DISPATCH } : {}),
      args: { DestinationString: PSTRING, SourceString: PSTR },
      returns: VOID,
      cycles: 30,
      status: 'full',
      impl: (k, a) => initialize(k, a.DestinationString, a.SourceString, narrowLength(k, a.SourceString), 1),
    }),
  ),
  ...(['RtlInitAnsiStringEx', 'RtlInitStringEx'] as const).map(name =>
    ntExport({
      name,
      doc: 'Makes a counted string of a zero-terminated one; refuses one that is too long.',
      ...(name === 'RtlInitStringEx' ? { irql: DISPATCH } : {}),
      args: { DestinationString: PSTRING, SourceString: PSTR },
      returns: NTSTATUS,
      cycles: 30,
      status: 'full',
      impl(k, a) {
        const length = narrowLength(k, a.SourceString);
        if (length > 0xfffe) return STATUS_NAME_TOO_LONG;
        initialize(k, a.DestinationString, a.SourceString, length, 1);
        return STATUS_SUCCESS;
      },
    }),
  ),
  ntExport({
    name: 'RtlInitUTF8String',
    doc: 'Makes a counted string of a zero-terminated UTF-8 one, without copying it.',
    args: { DestinationString: PSTRING, SourceString: PSTR },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, a) => initialize(k, a.DestinationString, a.SourceString, narrowLength(k, a.SourceString), 1),
  }),
  ...(['RtlFreeUnicodeString', 'RtlFreeAnsiString', 'RtlFreeOemString', 'RtlFreeUTF8String'] as const).map(name =>
    ntExport({
      name,
      doc: 'Frees the buffer of a string that an Rtl routine allocated.',
      irql: name === 'RtlFreeUTF8String' ? PASSIVE : APC,
      args: { String: PSTRING },
      returns: VOID,
      cycles: 160,
      status: 'full',
      impl(k, a) {
        const buffer = k.mem.readPtr(a.String + 8);
        if (!buffer) return;
        exFreePool(k, buffer, 0);
        setString(k.mem, a.String, 0, 0, 0);
      },
    }),
  ),
  ntExport({
    name: 'RtlCreateUnicodeString',
    doc: 'Makes a counted string with a buffer of its own of a zero-terminated one.',
    irql: PASSIVE,
    args: { DestinationString: PUNICODE_STRING, SourceString: PWSTR },
    returns: BOOLEAN,
    cycles: 250,
    status: 'full',
    impl(k, a) {
      const text = readWideZ(k.mem, a.SourceString, 0x8000);
      return text.length <= 0x7ffe && store(k, a.DestinationString, wideBytes(text), 2, true) === STATUS_SUCCESS;
    },
  }),
];

/** RtlValidateUnicodeString: whole characters, no longer than the buffer, which is there if there are any. */
function validUnicodeString(k: Kernel, at: number): boolean {
  const length = k.mem.read16(at),
    maximum = k.mem.read16(at + 2);
  return length % 2 === 0 && maximum % 2 === 0 && length <= maximum && (maximum === 0 || k.mem.readPtr(at + 8) !== 0);
}

const copies: NtExport[] = [
  ntExport({
    name: 'RtlCopyUnicodeString',
    doc: 'Copies a counted string into the buffer of another, as far as that has room.',
    args: { DestinationString: PUNICODE_STRING, SourceString: PUNICODE_STRING },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      if (a.SourceString) writeUnicodeString(k.mem, a.DestinationString, readUnicodeString(k.mem, a.SourceString));
      else k.mem.write16(a.DestinationString, 0);
    },
  }),
  ntExport({
    name: 'RtlCopyString',
    doc: 'Copies a counted string into the buffer of another, as far as that has room.',
    args: { DestinationString: PSTRING, SourceString: PSTRING },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const length = a.SourceString ? Math.min(k.mem.read16(a.SourceString), k.mem.read16(a.DestinationString + 2)) : 0;
      if (length) k.mem.copy(k.mem.readPtr(a.DestinationString + 8), k.mem.readPtr(a.SourceString + 8), length);
      k.mem.write16(a.DestinationString, length);
    },
  }),
  ntExport({
    name: 'RtlAppendUnicodeToString',
    doc: 'Appends a zero-terminated wide string to a counted one.',
    args: { Destination: PUNICODE_STRING, Source: PWSTR },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: (k, a) => (a.Source ? append(k, a.Destination, wideBytes(readWideZ(k.mem, a.Source)), 2) : STATUS_SUCCESS),
  }),
  ntExport({
    name: 'RtlAppendUnicodeStringToString',
    doc: 'Appends a counted string to another.',
    args: { Destination: PUNICODE_STRING, Source: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: (k, a) => append(k, a.Destination, wideBytes(readUnicodeString(k.mem, a.Source)), 2),
  }),
  ntExport({
    name: 'RtlAppendAsciizToString',
    doc: 'Appends a zero-terminated string to a counted one.',
    args: { Destination: PSTRING, Source: PSTR },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: (k, a) => (a.Source ? append(k, a.Destination, narrow(readAnsiZ(k.mem, a.Source)), 1) : STATUS_SUCCESS),
  }),
  ntExport({
    name: 'RtlAppendStringToString',
    doc: 'Appends a counted string to another.',
    irql: APC,
    args: { Destination: PSTRING, Source: PSTRING },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: (k, a) => append(k, a.Destination, narrow(readAnsiString(k.mem, a.Source)), 1),
  }),
  ntExport({
    name: 'RtlDuplicateUnicodeString',
    doc: 'Copies a counted string into a new buffer.',
    irql: PASSIVE,
    args: { Flags: ULONG, StringIn: PUNICODE_STRING, StringOut: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 250,
    status: 'full',
    impl(k, a) {
      // An empty string with a buffer has a zero in it.
      if (a.Flags > 3 || a.Flags === 2 || !a.StringOut) return STATUS_INVALID_PARAMETER;
      if (a.StringIn && !validUnicodeString(k, a.StringIn)) return STATUS_INVALID_PARAMETER;
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
    name: 'RtlCompareUnicodeString',
    doc: 'Compares two counted strings: negative, 0 or positive.',
    irql: PASSIVE,
    args: { String1: PUNICODE_STRING, String2: PUNICODE_STRING, CaseInSensitive: BOOLEAN },
    returns: LONG,
    cycles: 80,
    status: 'full',
    impl: (k, a) =>
      compareText(
        fold(readUnicodeString(k.mem, a.String1), a.CaseInSensitive),
        fold(readUnicodeString(k.mem, a.String2), a.CaseInSensitive),
      ),
  }),
  ntExport({
    name: 'RtlCompareUnicodeStrings',
    doc: 'Compares two wide strings of given lengths in characters.',
    irql: PASSIVE,
    args: { String1: PWSTR, String1Length: SIZE_T, String2: PWSTR, String2Length: SIZE_T, CaseInSensitive: BOOLEAN },
    returns: LONG,
    cycles: 80,
    status: 'full',
    impl: (k, a) =>
      compareText(
        fold(readWide(k.mem, a.String1, a.String1Length * 2), a.CaseInSensitive),
        fold(readWide(k.mem, a.String2, a.String2Length * 2), a.CaseInSensitive),
      ),
  }),
  ntExport({
    name: 'RtlEqualUnicodeString',
    doc: 'Tells whether two counted strings are equal.',
    irql: PASSIVE,
    args: { String1: PUNICODE_STRING, String2: PUNICODE_STRING, CaseInSensitive: BOOLEAN },
    returns: BOOLEAN,
    cycles: 80,
    status: 'full',
    impl: (k, a) =>
      k.mem.read16(a.String1) === k.mem.read16(a.String2) &&
      fold(readUnicodeString(k.mem, a.String1), a.CaseInSensitive) === fold(readUnicodeString(k.mem, a.String2), a.CaseInSensitive),
  }),
  ntExport({
    name: 'RtlPrefixUnicodeString',
    doc: 'Tells whether a counted string begins with another.',
    irql: PASSIVE,
    args: { String1: PUNICODE_STRING, String2: PUNICODE_STRING, CaseInSensitive: BOOLEAN },
    returns: BOOLEAN,
    cycles: 80,
    status: 'full',
    impl: (k, a) =>
      fold(readUnicodeString(k.mem, a.String2), a.CaseInSensitive).startsWith(fold(readUnicodeString(k.mem, a.String1), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlSuffixUnicodeString',
    doc: 'Tells whether a counted string ends with another.',
    irql: PASSIVE,
    args: { String1: PUNICODE_STRING, String2: PUNICODE_STRING, CaseInSensitive: BOOLEAN },
    returns: BOOLEAN,
    cycles: 80,
    status: 'full',
    impl: (k, a) =>
      fold(readUnicodeString(k.mem, a.String2), a.CaseInSensitive).endsWith(fold(readUnicodeString(k.mem, a.String1), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlCompareString',
    doc: 'Compares two counted strings of bytes.',
    irql: PASSIVE,
    args: { String1: PSTRING, String2: PSTRING, CaseInSensitive: BOOLEAN },
    returns: LONG,
    cycles: 80,
    status: 'full',
    impl: (k, a) =>
      compareText(fold(readAnsiString(k.mem, a.String1), a.CaseInSensitive), fold(readAnsiString(k.mem, a.String2), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlEqualString',
    doc: 'Tells whether two counted strings of bytes are equal.',
    irql: PASSIVE,
    args: { String1: PSTRING, String2: PSTRING, CaseInSensitive: BOOLEAN },
    returns: BOOLEAN,
    cycles: 80,
    status: 'full',
    impl: (k, a) => fold(readAnsiString(k.mem, a.String1), a.CaseInSensitive) === fold(readAnsiString(k.mem, a.String2), a.CaseInSensitive),
  }),
  ntExport({
    name: 'RtlPrefixString',
    doc: 'Tells whether a counted string of bytes begins with another.',
    irql: PASSIVE,
    args: { String1: PSTRING, String2: PSTRING, CaseInSensitive: BOOLEAN },
    returns: BOOLEAN,
    cycles: 80,
    status: 'full',
    impl: (k, a) =>
      fold(readAnsiString(k.mem, a.String2), a.CaseInSensitive).startsWith(fold(readAnsiString(k.mem, a.String1), a.CaseInSensitive)),
  }),
  ntExport({
    name: 'RtlHashUnicodeString',
    doc: 'Computes a hash of a counted string.',
    irql: APC,
    args: { String: PUNICODE_STRING, CaseInSensitive: BOOLEAN, HashAlgorithm: ULONG, HashValue: PULONG },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
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
  ntExport({
    name: 'RtlUpcaseUnicodeChar',
    doc: 'Upper case of a wide character.',
    irql: APC,
    args: { SourceCharacter: USHORT },
    returns: USHORT,
    cycles: 8,
    status: 'full',
    impl: (_k, a) => upcaseChar(a.SourceCharacter),
  }),
  ntExport({
    name: 'RtlDowncaseUnicodeChar',
    doc: 'Lower case of a wide character.',
    irql: PASSIVE,
    args: { SourceCharacter: USHORT },
    returns: USHORT,
    cycles: 8,
    status: 'full',
    impl: (_k, a) => downcaseChar(a.SourceCharacter),
  }),
  ntExport({
    name: 'RtlUpperChar',
    doc: 'Upper case of a byte.',
    irql: APC,
    args: { Character: UCHAR },
    returns: UCHAR,
    cycles: 8,
    status: 'full',
    // A byte whose upper case the code page does not have stays.
    impl: (_k, a) => ANSI.fromWide.get(upcase(ANSI.toWide[a.Character]!)) ?? a.Character,
  }),
  ntExport({
    name: 'RtlUpcaseUnicodeString',
    doc: 'Makes an upper-case copy of a counted string.',
    irql: APC,
    args: { DestinationString: PUNICODE_STRING, SourceString: PUNICODE_STRING, AllocateDestinationString: BOOLEAN },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl: (k, a) => changeCase(k, a.DestinationString, upcase(readUnicodeString(k.mem, a.SourceString)), a.AllocateDestinationString),
  }),
  ntExport({
    name: 'RtlDowncaseUnicodeString',
    doc: 'Makes a lower-case copy of a counted string.',
    irql: APC,
    args: { DestinationString: PUNICODE_STRING, SourceString: PUNICODE_STRING, AllocateDestinationString: BOOLEAN },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl: (k, a) =>
      changeCase(
        k,
        a.DestinationString,
        String.fromCharCode(...Array.from(readUnicodeString(k.mem, a.SourceString), c => downcaseChar(c.charCodeAt(0)))),
        a.AllocateDestinationString,
      ),
  }),
  ntExport({
    name: 'RtlUpperString',
    doc: 'Copies a counted string of bytes in upper case.',
    irql: APC,
    args: { DestinationString: PSTRING, SourceString: PSTRING },
    returns: VOID,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      const text = readAnsiString(k.mem, a.SourceString).slice(0, k.mem.read16(a.DestinationString + 2));
      const upper = Array.from(text, c => ANSI.fromWide.get(upcase(ANSI.toWide[c.charCodeAt(0)]!)) ?? c.charCodeAt(0));
      k.mem.writeBytes(k.mem.readPtr(a.DestinationString + 8), Uint8Array.from(upper));
      k.mem.write16(a.DestinationString, text.length);
    },
  }),
];

/** The case routines want the whole string to fit, and write no zero. */
function changeCase(k: Kernel, destination: number, text: string, allocate: boolean): number {
  if (!allocate && text.length * 2 > k.mem.read16(destination + 2)) return STATUS_BUFFER_OVERFLOW;
  return store(k, destination, wideBytes(text), 0, allocate);
}

export const stringExports: NtExport[] = [...initializers, ...copies, ...comparisons, ...cases, ...conversionExports];
