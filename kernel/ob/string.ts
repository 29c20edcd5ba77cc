/** Counted strings (UNICODE_STRING) as the managers of this half of the kernel use them: read as text, or held in a pool block of their own. */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { NonPagedPoolNx } from '../types/mm.ts';

/** The text of the UNICODE_STRING at `at`; empty for a null pointer or a null buffer. */
export function readString(k: Kernel, at: number): string {
  if (!at) return '';
  const length = k.mem.read16(at) & ~1;
  return length ? readWide(k, k.mem.readPtr(at + 8), length) : '';
}

/** `length` bytes of UTF-16 at `at` as text. */
export function readWide(k: Kernel, at: number, length: number): string {
  const bytes = k.mem.readBytes(at, length);
  let text = '';
  for (let i = 0; i + 1 < bytes.length; i += 2) text += String.fromCharCode(bytes[i]! | (bytes[i + 1]! << 8));
  return text;
}

/** Text up to its zero, at most `limit` characters. */
export function readWideZ(k: Kernel, at: number, limit = 0x7fff): string {
  let text = '';
  for (let i = 0; i < limit; i++) {
    const c = k.mem.read16(at + i * 2);
    if (c === 0) break;
    text += String.fromCharCode(c);
  }
  return text;
}

/** UTF-16 little endian, without a terminator. */
export function wide(text: string): Uint8Array {
  const out = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    out[i * 2] = c & 0xff;
    out[i * 2 + 1] = c >>> 8;
  }
  return out;
}

/** Fills in a UNICODE_STRING with a new nonpaged buffer that holds `text` and a zero. False, and nothing changed, when there is no pool. */
export function allocateString(k: Kernel, at: number, text: string, tag: number): boolean {
  const bytes = text.length * 2;
  const buffer = exAllocatePool(k, NonPagedPoolNx, bytes + 2, tag);
  if (!buffer) return false;
  k.mem.writeBytes(buffer, wide(text));
  k.mem.write16(buffer + bytes, 0);
  k.mem.write16(at, bytes);
  k.mem.write16(at + 2, bytes + 2);
  k.mem.writePtr(at + 8, buffer);
  return true;
}

/** Frees the buffer of a string made by {@link allocateString} and empties it. */
export function freeString(k: Kernel, at: number): void {
  const buffer = k.mem.readPtr(at + 8);
  k.mem.write32(at, 0);
  k.mem.writePtr(at + 8, 0);
  if (buffer) exFreePool(k, buffer, 0);
}

/** Upper case one character at a time, as NT's table does it: a character whose upper case is longer stays as it is. */
export function upcase(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    const u = c.toUpperCase();
    out += u.length === 1 ? u : c;
  }
  return out;
}

export const equalNoCase = (a: string, b: string): boolean => a.length === b.length && upcase(a) === upcase(b);
