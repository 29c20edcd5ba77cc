/**
 * The code pages of the system, those of a Windows in English: ANSI is 1252, OEM is 437 (their mapping tables at unicode.org, VENDORS/MICSFT). Both have
 * one byte a character, and ASCII below 80h. What a page has no byte for becomes `?`; bytes that 1252 leaves open stand for the control characters of their number.
 */

/** A code page: number, and both directions. */
export interface CodePage {
  readonly number: number;
  readonly toWide: readonly string[];
  readonly fromWide: ReadonlyMap<string, number>;
}

function codePage(number: number, upper: string): CodePage {
  const toWide = [...Array.from({ length: 256 - upper.length }, (_, i) => String.fromCharCode(i)), ...upper];
  return { number, toWide, fromWide: new Map(toWide.map((c, byte) => [c, byte])) };
}

const range = (first: number, last: number): string =>
  Array.from({ length: last - first + 1 }, (_, i) => String.fromCharCode(first + i)).join('');

export const ANSI = codePage(1252, `€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ${range(0xa0, 0xff)}`);
export const OEM = codePage(
  437,
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0',
);

/** Bytes (given as characters of their number) as text. */
export function decode(page: CodePage, bytes: string): string {
  let s = '';
  for (let i = 0; i < bytes.length; i++) s += page.toWide[bytes.charCodeAt(i)]!;
  return s;
}

/** Text as bytes of a code page; a character outside it becomes `?`. */
export const encode = (page: CodePage, text: string): Uint8Array =>
  Uint8Array.from(text.split(''), c => page.fromWide.get(c) ?? 0x3f);
