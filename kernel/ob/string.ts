/** Counted strings (UNICODE_STRING) as the managers of this half of the kernel use them, by kernel instead of memory: see rtl/string.ts. */
import type { Kernel } from '../kernel.ts';
import * as rtl from '../rtl/string.ts';

export { upcase, wideBytes as wide } from '../rtl/string.ts';

/** The text of the UNICODE_STRING at `at`; empty for a null pointer or a null buffer. */
export const readString = (k: Kernel, at: number): string => (at ? rtl.readUnicodeString(k.mem, at) : '');
/** `length` bytes of UTF-16 at `at` as text. */
export const readWide = (k: Kernel, at: number, length: number): string => rtl.readWide(k.mem, at, length);
/** Text up to its zero, at most `limit` characters. */
export const readWideZ = (k: Kernel, at: number, limit?: number): string => rtl.readWideZ(k.mem, at, limit);

/** Fills in a UNICODE_STRING with a new nonpaged buffer that holds `text` and a zero. False, and nothing changed, when there is no pool. */
export const allocateString = rtl.allocateUnicodeString;
/** Frees the buffer of a string made by {@link allocateString} and empties it. */
export const freeString = rtl.freeUnicodeString;

export const equalNoCase = (a: string, b: string): boolean => a.length === b.length && rtl.upcase(a) === rtl.upcase(b);
