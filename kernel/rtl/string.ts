import type { VirtualMemory } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { NonPagedPoolNx } from '../types/mm.ts';

/** Counted strings in guest memory: UNICODE_STRING and ANSI_STRING are { Length, MaximumLength, Buffer at +8 }. */

/** `length` bytes of UTF-16 at `va`, code unit by code unit: what is no valid UTF-16 stays as it is. */
export function readWide(mem: VirtualMemory, va: number, length: number): string {
  if (length < 2) return '';
  const bytes = mem.readBytes(va, length & ~1);
  let s = '';
  for (let i = 0; i < bytes.length; i += 2) s += String.fromCharCode(bytes[i]! | (bytes[i + 1]! << 8));
  return s;
}

/** UTF-16 up to a zero, at most `limit` characters. */
export function readWideZ(mem: VirtualMemory, va: number, limit = 32767): string {
  let s = '';
  for (let i = 0; i < limit; i++) {
    const c = mem.read16(va + i * 2);
    if (c === 0) break;
    s += String.fromCharCode(c);
  }
  return s;
}

/** Bytes as Latin-1 text. */
export function readBytesText(mem: VirtualMemory, va: number, length: number): string {
  let s = '';
  if (length > 0) for (const b of mem.readBytes(va, length)) s += String.fromCharCode(b);
  return s;
}

/** Bytes up to a zero as Latin-1 text, at most `limit`. */
export function readAnsiZ(mem: VirtualMemory, va: number, limit = 65535): string {
  let s = '';
  for (let i = 0; i < limit; i++) {
    const c = mem.read8(va + i);
    if (c === 0) break;
    s += String.fromCharCode(c);
  }
  return s;
}

/** Text of the UNICODE_STRING at `va`. */
export function readUnicodeString(mem: VirtualMemory, va: number): string {
  const length = mem.read16(va);
  return length ? readWide(mem, mem.readPtr(va + 8), length) : '';
}

/** Text of the ANSI_STRING at `va`. */
export function readAnsiString(mem: VirtualMemory, va: number): string {
  const length = mem.read16(va);
  return length ? readBytesText(mem, mem.readPtr(va + 8), length) : '';
}

/** UTF-16LE bytes of `text`, without a terminator. */
export function wideBytes(text: string): Uint8Array {
  const out = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    out[i * 2] = text.charCodeAt(i) & 0xff;
    out[i * 2 + 1] = text.charCodeAt(i) >>> 8;
  }
  return out;
}

/** Sets the fields of a UNICODE_STRING or ANSI_STRING. Lengths in bytes. */
export function setString(mem: VirtualMemory, va: number, length: number, maximum: number, buffer: number): void {
  mem.probe(va, 16, true);
  mem.write16(va, length);
  mem.write16(va + 2, maximum);
  mem.writePtr(va + 8, buffer);
}

/** Writes `text` into the buffer of the UNICODE_STRING at `va`, cut to MaximumLength, with a zero after it if that has room. False when it was cut. */
export function writeUnicodeString(mem: VirtualMemory, va: number, text: string): boolean {
  const maximum = mem.read16(va + 2),
    buffer = mem.readPtr(va + 8);
  const bytes = wideBytes(text).subarray(0, maximum & ~1);
  mem.writeBytes(buffer, bytes);
  if (bytes.length + 2 <= maximum) mem.write16(buffer + bytes.length, 0);
  mem.write16(va, bytes.length);
  return bytes.length === text.length * 2;
}

/** Gives the UNICODE_STRING at `va` a new pool buffer holding `text` and a zero. False, with nothing changed, when there is no pool or the text is too long. */
export function allocateUnicodeString(k: Kernel, va: number, text: string, tag: number): boolean {
  const length = text.length * 2;
  const buffer = length <= 0xfffc ? exAllocatePool(k, NonPagedPoolNx, length + 2, tag) : 0;
  if (!buffer) return false;
  k.mem.writeBytes(buffer, wideBytes(`${text}\0`));
  setString(k.mem, va, length, length + 2, buffer);
  return true;
}

/** Frees the buffer of the string at `va` and empties it. */
export function freeUnicodeString(k: Kernel, va: number): void {
  const buffer = k.mem.readPtr(va + 8);
  setString(k.mem, va, 0, 0, 0);
  if (buffer) exFreePool(k, buffer, 0);
}

/** RtlUpcaseUnicodeChar: simple one-to-one upper case; a character whose upper case is several stays as it is. */
export function upcaseChar(c: number): number {
  if (c < 0x80) return c >= 0x61 && c <= 0x7a ? c - 32 : c;
  const u = String.fromCharCode(c).toUpperCase();
  return u.length === 1 ? u.charCodeAt(0) : c;
}
export function downcaseChar(c: number): number {
  if (c < 0x80) return c >= 0x41 && c <= 0x5a ? c + 32 : c;
  const l = String.fromCharCode(c).toLowerCase();
  return l.length === 1 ? l.charCodeAt(0) : c;
}
export function upcase(text: string): string {
  let s = '';
  for (let i = 0; i < text.length; i++) s += String.fromCharCode(upcaseChar(text.charCodeAt(i)));
  return s;
}
