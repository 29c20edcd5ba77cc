/** File system library: names, and which errors a user is to see. Source: the WDK page of each routine (ntifs.h). */
import type { Kernel } from '../kernel.ts';
import { readString } from '../ob/string.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import { STATUS_ACCESS_VIOLATION } from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, pointer, PVOID, VOID } from './declare.ts';

const APC = { max: 'APC_LEVEL' } as const,
  PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const PUNICODE_STRING = pointer('PUNICODE_STRING');
/** The exact forms of the wild cards: DOS_STAR, DOS_QM, DOS_DOT. */
const DOS_STAR = '<',
  DOS_QM = '>',
  DOS_DOT = '"';
const STATUS_DATATYPE_MISALIGNMENT = 0x80000002,
  STATUS_ILLEGAL_INSTRUCTION = 0xc000001d,
  STATUS_INSTRUCTION_MISALIGNMENT = 0xc00000aa;

/**
 * Does a name match an expression? `*` any characters, `?` one; DOS_STAR any up to the last dot, DOS_QM one, or none at a dot or the end of the name, DOS_DOT a dot or the end.
 * All positions of the expression that the name read so far can stand for are followed together, so that no expression takes long.
 */
export function isNameInExpression(expression: string, name: string): boolean {
  const lastDot = name.lastIndexOf('.');
  const closure = (states: Set<number>, at: number): Set<number> => {
    for (const s of states) {
      const c = expression[s];
      const end = at === name.length;
      if (c === '*' || c === DOS_STAR) states.add(s + 1);
      else if (c === DOS_QM && (end || name[at] === '.')) states.add(s + 1);
      else if (c === DOS_DOT && end) states.add(s + 1);
    }
    return states;
  };
  let states = closure(new Set([0]), 0);
  for (let at = 0; at < name.length && states.size !== 0; at++) {
    const c = name[at]!;
    const following = new Set<number>();
    for (const s of states) {
      const e = expression[s];
      if (e === undefined) continue;
      if (e === '*') following.add(s);
      else if (e === DOS_STAR) {
        if (c !== '.' || at !== lastDot) following.add(s);
      } else if (e === '?' || (e === DOS_QM && c !== '.') || e === c || (e === DOS_DOT && c === '.')) following.add(s + 1);
    }
    states = closure(following, at + 1);
  }
  return states.has(expression.length);
}

const hasWildCards = (name: string): boolean => /[*?<>"]/.test(name);
const upper = (s: string): string => s.toUpperCase();

/** Writes a UNICODE_STRING that shows a part of another one's characters. */
function part(k: Kernel, to: number, from: number, begin: number, length: number): void {
  const buffer = UNICODE_STRING.f.Buffer.get(k.mem, from);
  UNICODE_STRING.f.Length.set(k.mem, to, length * 2);
  UNICODE_STRING.f.MaximumLength.set(k.mem, to, length * 2);
  UNICODE_STRING.f.Buffer.set(k.mem, to, length === 0 ? 0 : buffer + begin * 2);
}

/** Errors that a file system handles by itself; the others are bugs (FsRtlIsNtstatusExpected). */
const isExpected = (status: number): boolean =>
  ![
    STATUS_DATATYPE_MISALIGNMENT,
    STATUS_ACCESS_VIOLATION,
    STATUS_ILLEGAL_INSTRUCTION,
    STATUS_INSTRUCTION_MISALIGNMENT,
  ].includes(status >>> 0);

export const fsrtlExports: NtExport[] = [
  ntExport({
    name: 'FsRtlIsNameInExpression',
    doc: 'Says whether a name matches an expression with wild cards. Without regard to case the expression must be in upper case already.',
    irql: PASSIVE,
    args: { Expression: PUNICODE_STRING, Name: PUNICODE_STRING, IgnoreCase: BOOLEAN, UpcaseTable: PVOID },
    returns: BOOLEAN,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      const name = readString(k, a.Name);
      const expression = readString(k, a.Expression);
      if (name === '' || expression === '') return name === expression;
      return isNameInExpression(expression, a.IgnoreCase ? upper(name) : name);
    },
  }),
  ntExport({
    name: 'FsRtlDoesNameContainWildCards',
    doc: 'Says whether a name has wild card characters.',
    irql: APC,
    args: { Name: PUNICODE_STRING },
    returns: BOOLEAN,
    cycles: 40,
    status: 'full',
    impl: (k, { Name }) => hasWildCards(readString(k, Name)),
  }),
  ntExport({
    name: 'FsRtlAreNamesEqual',
    doc: 'Compares two names, with or without regard to case.',
    irql: APC,
    args: { ConstantNameA: PUNICODE_STRING, ConstantNameB: PUNICODE_STRING, IgnoreCase: BOOLEAN, UpcaseTable: PVOID },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const [x, y] = [readString(k, a.ConstantNameA), readString(k, a.ConstantNameB)];
      return a.IgnoreCase ? upper(x) === upper(y) : x === y;
    },
  }),
  ntExport({
    name: 'FsRtlDissectName',
    doc: 'Splits a path into its first component and the rest, without copying.',
    irql: APC,
    args: { Path: PVOID, FirstName: PUNICODE_STRING, RemainingName: PUNICODE_STRING },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k) {
      // The path is a UNICODE_STRING by value: 16 bytes, so the caller passes its address.
      const from = Number(BigInt.asIntN(64, k.arg(0)));
      const [first, rest] = [Number(BigInt.asIntN(64, k.arg(1))), Number(BigInt.asIntN(64, k.arg(2)))];
      const path = readString(k, from);
      const begin = path.startsWith('\\') ? 1 : 0;
      const slash = path.indexOf('\\', begin);
      const end = slash < 0 ? path.length : slash;
      part(k, first, from, begin, end - begin);
      part(k, rest, from, Math.min(end + 1, path.length), Math.max(0, path.length - end - 1));
    },
  }),
  ntExport({
    name: 'FsRtlIsNtstatusExpected',
    doc: 'Says whether an exception is one that a file system may handle: not an access violation and its like.',
    args: { Ntstatus: NTSTATUS },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: (_k, { Ntstatus }) => isExpected(Ntstatus),
  }),
  ntExport({
    name: 'FsRtlNormalizeNtstatus',
    doc: 'Gives an exception back if it is expected, else the generic one.',
    args: { Exception: NTSTATUS, GenericException: NTSTATUS },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: (_k, a) => (isExpected(a.Exception) ? a.Exception : a.GenericException),
  }),
];
