/** Character rules of the kernel's C run-time library: the C locale for bytes, Unicode's simple case for wide characters. */
export { downcaseChar, upcaseChar } from './string.ts';

export const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;
export const isSpace = (c: number): boolean => c === 0x20 || (c >= 9 && c <= 13);
export const isUpper = (c: number): boolean => c >= 0x41 && c <= 0x5a;
export const isLower = (c: number): boolean => c >= 0x61 && c <= 0x7a;
export const isAlpha = (c: number): boolean => isUpper(c) || isLower(c);
export const isHex = (c: number): boolean => isDigit(c) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66);
export const toLowerAscii = (c: number): number => (isUpper(c) ? c + 32 : c);
export const toUpperAscii = (c: number): number => (isLower(c) ? c - 32 : c);

/** Value of a digit in any base up to 36, or -1. */
export function digitValue(c: number): number {
  if (isDigit(c)) return c - 0x30;
  const l = toLowerAscii(c);
  return isLower(l) ? l - 0x61 + 10 : -1;
}

export interface ParsedNumber {
  value: bigint;
  negative: boolean;
  /** Characters used, blanks and sign included; 0 when there is no number. */
  used: number;
}

/** strtol's rules: blanks, sign, 0x or 0 prefix when the base is 0 or fits, digits. `at(i)` gives character i, 0 at the end. */
export function parseNumber(at: (i: number) => number, base: number): ParsedNumber {
  let i = 0;
  while (isSpace(at(i))) i++;
  const negative = at(i) === 0x2d;
  if (negative || at(i) === 0x2b) i++;
  let radix = base;
  const prefix = at(i) === 0x30 && (at(i + 1) | 0x20) === 0x78 && digitValue(at(i + 2)) >= 0 && digitValue(at(i + 2)) < 16;
  if ((radix === 0 || radix === 16) && prefix) {
    radix = 16;
    i += 2;
  } else if (radix === 0) radix = at(i) === 0x30 ? 8 : 10;
  let value = 0n;
  const first = i;
  for (let d = digitValue(at(i)); d >= 0 && d < radix; d = digitValue(at(++i))) value = value * BigInt(radix) + BigInt(d);
  return i === first ? { value: 0n, negative: false, used: 0 } : { value, negative, used: i };
}
