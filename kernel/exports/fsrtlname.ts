/** Names of files with wildcards, parts of paths, masks of version conditions. Source: the WDK page of each routine. */
import type { Kernel } from '../kernel.ts';
import { upcaseChar } from '../rtl/ctype.ts';
import { readUnicodeString } from '../rtl/string.ts';
import { BOOLEAN, type NtExport, ntExport, pointer, PVOID, UCHAR, ULONG, ULONG64, VOID } from './declare.ts';

const PUNICODE_STRING = pointer('PUNICODE_STRING');
/** DOS_STAR, DOS_QM and DOS_DOT: the wildcards of MS-DOS, as the Win32 layer hands them down. */
const DOS_STAR = '<',
  DOS_QM = '>',
  DOS_DOT = '"';
const WILDCARDS = /[*?<>"]/;

/** Does a name match an expression, character by character? Places of both that were tried without success are not tried again. */
function matches(expression: string, name: string): boolean {
  const failed = new Set<number>();
  const width = name.length + 1;
  const lastDot = name.lastIndexOf('.');
  const from = (e: number, n: number): boolean => {
    if (e === expression.length) return n === name.length;
    const key = e * width + n;
    if (failed.has(key)) return false;
    const found = step(e, n);
    if (!found) failed.add(key);
    return found;
  };
  const step = (e: number, n: number): boolean => {
    const ended = n === name.length;
    switch (expression[e]) {
      case '*':
        return from(e + 1, n) || (!ended && from(e, n + 1));
      case DOS_STAR:
        // It goes as far as the last dot of the name, which the expression has to match itself.
        return from(e + 1, n) || (!ended && n !== lastDot && from(e, n + 1));
      case DOS_QM:
        // At a dot or at the end it stands for nothing.
        return ended || name[n] === '.' ? from(e + 1, n) : from(e + 1, n + 1);
      case DOS_DOT:
        return ended ? from(e + 1, n) : name[n] === '.' && from(e + 1, n + 1);
      case '?':
        return !ended && from(e + 1, n + 1);
      default:
        return !ended && expression[e] === name[n] && from(e + 1, n + 1);
    }
  };
  return from(0, 0);
}

const upcase = (text: string): string => Array.from(text, c => String.fromCharCode(upcaseChar(c.charCodeAt(0)))).join('');

/** Upper case by a table of the caller's, which has a word for each code unit. */
const upcaseBy = (k: Kernel, text: string, table: number): string =>
  Array.from({ length: text.length }, (_, i) => String.fromCharCode(k.mem.read16(table + text.charCodeAt(i) * 2))).join('');

/** Bits of a type mask, in the order in which their conditions lie in the mask, three bits each (VER_MINORVERSION to VER_PRODUCT_TYPE). */
const VERSION_FIELDS = 8;

export const nameExports: readonly NtExport[] = [
  ntExport({
    name: 'FsRtlIsNameInExpression',
    doc: 'Tells whether a name matches an expression with wildcards; without case the expression must be in upper case.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Expression: PUNICODE_STRING, Name: PUNICODE_STRING, IgnoreCase: BOOLEAN, UpcaseTable: PVOID },
    returns: BOOLEAN,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      const name = readUnicodeString(k.mem, a.Name);
      const upper = a.UpcaseTable ? upcaseBy(k, name, a.UpcaseTable) : upcase(name);
      return matches(readUnicodeString(k.mem, a.Expression), a.IgnoreCase ? upper : name);
    },
  }),
  ntExport({
    name: 'FsRtlDoesNameContainWildCards',
    doc: 'Tells whether a name has wildcards in it.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Name: PUNICODE_STRING },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    impl: (k, a) => WILDCARDS.test(readUnicodeString(k.mem, a.Name)),
  }),
  ntExport({
    name: 'FsRtlDissectName',
    doc: 'Splits a path into its first part and the rest; both point into the path.',
    irql: { max: 'PASSIVE_LEVEL' },
    // A structure of 16 bytes is passed by its address.
    args: { Path: PUNICODE_STRING, FirstName: PUNICODE_STRING, RemainingName: PUNICODE_STRING },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const m = k.mem;
      const path = readUnicodeString(m, a.Path),
        buffer = m.readPtr(a.Path + 8);
      const set = (at: number, start: number, length: number): void => {
        m.write16(at, length * 2);
        m.write16(at + 2, length * 2);
        m.writePtr(at + 8, length === 0 ? 0 : buffer + start * 2);
      };
      const first = path.startsWith('\\') ? 1 : 0;
      const slash = path.indexOf('\\', first);
      const end = slash < 0 ? path.length : slash;
      m.probe(a.RemainingName, 16, true);
      set(a.FirstName, first, end - first);
      set(a.RemainingName, end + 1, Math.max(0, path.length - end - 1));
    },
  }),
  ntExport({
    name: 'VerSetConditionMask',
    doc: 'Adds the condition for a field to the mask that RtlVerifyVersionInfo takes.',
    args: { ConditionMask: ULONG64, TypeMask: ULONG, Condition: UCHAR },
    returns: ULONG64,
    cycles: 10,
    status: 'full',
    impl(_k, a) {
      for (let bit = VERSION_FIELDS - 1; bit >= 0; bit--)
        if (a.TypeMask & (1 << bit)) return a.ConditionMask | (BigInt(a.Condition & 7) << BigInt(bit * 3));
      return a.ConditionMask;
    },
  }),
];
