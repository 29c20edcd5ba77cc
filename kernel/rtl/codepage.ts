/** The ANSI and OEM code page of the system, 1252: Latin-1 with other characters at 80h to 9Fh. Source: the Unicode Consortium's mapping table of code page 1252. */

/** Characters of the bytes 80h to 9Fh. Those that the code page leaves undefined are the control characters of that number, as on Windows. */
const HIGH =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';
const BYTES = new Map([...HIGH].map((c, i) => [c.charCodeAt(0), 0x80 + i]));
const UNMAPPED = 0x3f;

/** Code unit of a byte. */
export const charOfByte = (byte: number): number => (byte >= 0x80 && byte <= 0x9f ? HIGH.charCodeAt(byte - 0x80) : byte);

/** Byte of a code unit; `?` for what the code page does not have. */
export const byteOfChar = (code: number): number =>
  code < 0x80 || (code >= 0xa0 && code <= 0xff) ? code : (BYTES.get(code) ?? UNMAPPED);

/** Text of bytes that were read as Latin-1. */
export function textOfBytes(latin: string): string {
  let text = '';
  for (let i = 0; i < latin.length; i++) text += String.fromCharCode(charOfByte(latin.charCodeAt(i)));
  return text;
}
export function bytesOfText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = byteOfChar(text.charCodeAt(i));
  return bytes;
}
