/**
 * The console's two rings of bytes. A gate runs to its end before any other gate starts, on every processor, so what TypeScript alone touches needs no lock: the
 * service routine, the thread and DbgPrint at any IRQL may all use them.
 */
import type { Kernel } from '../kernel.ts';
import { CON_INPUT_SIZE, CON_OUTPUT_SIZE } from './globals.ts';

/** Bytes in the output ring. */
export const outputUsed = (k: Kernel): number => (k.global.get('ConOutputTail') - k.global.get('ConOutputHead')) >>> 0;
/** Room in it. */
export const outputRoom = (k: Kernel): number => CON_OUTPUT_SIZE - outputUsed(k);
/** Bytes that wait in the input ring. */
export const inputUsed = (k: Kernel): number => (k.global.get('ConInputTail') - k.global.get('ConInputHead')) >>> 0;

/** Appends bytes, for which there must be room, to the output ring. */
export function putOutput(k: Kernel, bytes: Uint8Array): void {
  if (bytes.length > outputRoom(k)) throw new RangeError(`${bytes.length} bytes do not fit into the console's output ring`);
  const tail = k.global.get('ConOutputTail');
  const at = tail % CON_OUTPUT_SIZE;
  const first = Math.min(bytes.length, CON_OUTPUT_SIZE - at);
  const ring = k.global.address('ConOutput');
  k.mem.writeBytes(ring + at, bytes.subarray(0, first));
  k.mem.writeBytes(ring, bytes.subarray(first));
  k.global.set('ConOutputTail', tail + bytes.length);
}

/** Takes the oldest byte of output, or -1. */
export function takeOutput(k: Kernel): number {
  const head = k.global.get('ConOutputHead');
  if (head === k.global.get('ConOutputTail')) return -1;
  k.global.set('ConOutputHead', head + 1);
  return k.mem.read8(k.global.address('ConOutput') + (head % CON_OUTPUT_SIZE));
}

/** Puts a byte that was received into the input ring; false, and the byte is lost, when the ring is full. */
export function putInput(k: Kernel, byte: number): boolean {
  const tail = k.global.get('ConInputTail');
  if (inputUsed(k) === CON_INPUT_SIZE) return false;
  k.mem.write8(k.global.address('ConInput') + (tail % CON_INPUT_SIZE), byte);
  k.global.set('ConInputTail', tail + 1);
  return true;
}

/** Takes the oldest byte of input, or -1. */
export function takeInput(k: Kernel): number {
  const head = k.global.get('ConInputHead');
  if (head === k.global.get('ConInputTail')) return -1;
  k.global.set('ConInputHead', head + 1);
  return k.mem.read8(k.global.address('ConInput') + (head % CON_INPUT_SIZE));
}

/** Has `byte` been typed? If so, it and what was typed before it are taken. */
export function takeInputThrough(k: Kernel, byte: number): boolean {
  const ring = k.global.address('ConInput');
  const tail = k.global.get('ConInputTail');
  for (let at = k.global.get('ConInputHead'); at !== tail; at = (at + 1) >>> 0) {
    if (k.mem.read8(ring + (at % CON_INPUT_SIZE)) !== byte) continue;
    k.global.set('ConInputHead', at + 1);
    return true;
  }
  return false;
}
