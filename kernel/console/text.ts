/** Words of a command line, and the forms in which the console shows things. Pure functions. */
import { addressToBigInt, formatAddress } from '../../hal/bus/memory.ts';
import { CommandError } from '../debug/command.ts';

export interface Word {
  text: string;
  /** It stood in quotation marks: text, not hexadecimal digits. */
  quoted: boolean;
}

/** Splits a line at blanks; "..." is one word, with \" and \\ and \n \r \t \0 in it. */
export function words(line: string): Word[] {
  const out: Word[] = [];
  const pattern = /\s*(?:"((?:[^"\\]|\\.)*)("?)|([^\s"]+))/gy;
  for (let m = pattern.exec(line); m !== null && m[0] !== ''; m = pattern.exec(line)) {
    if (m[1] === undefined) out.push({ text: m[3]!, quoted: false });
    else {
      if (m[2] === '') throw new CommandError('a text has no closing quotation mark');
      out.push({
        text: m[1].replace(/\\(.)/g, (_, c: string) => ({ n: '\n', r: '\r', t: '\t', 0: '\0' })[c] ?? c),
        quoted: true,
      });
    }
  }
  return out;
}

/** A count or code: decimal, or hexadecimal with 0x. `what` names it in the message. */
export function parseNumber(text: string, what: string, max = 0xffffffff): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (!(value <= max)) throw new CommandError(`${what} is a number from 0 to ${max} (0x... for hexadecimal), not '${text}'`);
  return value;
}

/** Bytes given as text in quotation marks or as pairs of hexadecimal digits (`0a 00` may be several words). */
export function parseBytes(given: readonly Word[]): Uint8Array {
  const out: number[] = [];
  for (const w of given) {
    if (w.quoted) out.push(...Array.from(w.text, c => c.charCodeAt(0) & 0xff));
    else if (/^([0-9a-f]{2})+$/i.test(w.text)) out.push(...w.text.match(/../g)!.map(pair => parseInt(pair, 16)));
    else throw new CommandError(`'${w.text}' is neither pairs of hexadecimal digits (0a0b) nor "text"`);
  }
  return Uint8Array.from(out);
}

export const hex = (value: number, digits = 1): string => value.toString(16).padStart(digits, '0');
export const address = (va: number): string => formatAddress(va);
export const plainAddress = (va: number): string => addressToBigInt(va).toString(16).padStart(16, '0');

/** Sixteen bytes a line: where, the bytes (null = cannot be read), and those that can be printed. */
export function hexDump(bytes: readonly (number | null)[], label: (offset: number) => string): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.slice(at, at + 16);
    const cells = row.map((b, i) => (i === 8 ? '-' : ' ') + (b === null ? '??' : hex(b, 2))).join('');
    lines.push(
      `${label(at)} ${cells.padEnd(48)}  ${row.map(b => (b !== null && b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('')}`,
    );
  }
  return lines;
}

/** Rows as columns of equal width, two blanks apart; `right` names the columns that line up at the right. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map(row =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** `1 byte`, `2 bytes` */
export const count = (n: number | bigint, thing: string): string => `${n} ${thing}${BigInt(n) === 1n ? '' : 's'}`;
