/** What the C run-time routines for bytes and for wide characters share. */
import type { Kernel } from '../kernel.ts';
import { type NtExport, pointer } from './declare.ts';

export const PSTR = pointer('PSTR'),
  PWSTR = pointer('PWSTR'),
  VA_LIST = pointer('va_list');

/** Width of a character: 1 or 2 bytes. */
export type Width = 1 | 2;
export const read = (k: Kernel, at: number, width: Width): number => (width === 1 ? k.mem.read8(at) : k.mem.read16(at));
export const write = (k: Kernel, at: number, width: Width, c: number): void =>
  width === 1 ? k.mem.write8(at, c & 0xff) : k.mem.write16(at, c & 0xffff);
export const lengthOf = (k: Kernel, at: number, width: Width, limit = Infinity): number => {
  let n = 0;
  while (n < limit && read(k, at + n * width, width) !== 0) n++;
  return n;
};

/** Declares a string routine for bytes and for wide characters. `names` are the two names; the arguments differ only in the pointer's name. */
export const both = (
  names: readonly [string, string],
  doc: string,
  make: (name: string, width: Width, doc: string, STR: typeof PSTR) => NtExport,
): NtExport[] => [make(names[0], 1, doc, PSTR), make(names[1], 2, doc, PWSTR)];
