// A processor state as one array of bytes with every register at a fixed place, so that "before", "after" and "what the core
// made" can be compared byte for byte and under a mask.

import type { Registers } from './format.ts';

/** Where a register lies in a state image. */
export interface Place {
  offset: number;
  /** Bytes. */
  size: number;
}

const GPR_NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];

/** Offsets in a state image; the general registers are at 0 in the order of their numbers. */
export const AT = {
  rsp: 0x20,
  rip: 0x80,
  rflags: 0x88,
  fsbase: 0x90,
  gsbase: 0x98,
  mxcsr: 0xa0,
  fcw: 0xa4,
  fsw: 0xa6,
  ftw: 0xa8,
  ymm: 0xb0,
  st: 0x2b0,
};
export const STATE_SIZE = 0x330;

/** The registers in the order in which differences are reported. */
export const REPORTED: [name: string, place: Place][] = [
  ...GPR_NAMES.map((name, i): [string, Place] => [name, { offset: i * 8, size: 8 }]),
  ['rip', { offset: AT.rip, size: 8 }],
  ['rflags', { offset: AT.rflags, size: 8 }],
  ['fsbase', { offset: AT.fsbase, size: 8 }],
  ['gsbase', { offset: AT.gsbase, size: 8 }],
  ['mxcsr', { offset: AT.mxcsr, size: 4 }],
  ['fcw', { offset: AT.fcw, size: 2 }],
  ['fsw', { offset: AT.fsw, size: 2 }],
  ['ftw', { offset: AT.ftw, size: 1 }],
  ...Array.from({ length: 16 }, (_, i): [string, Place] => [`ymm${i}`, { offset: AT.ymm + i * 32, size: 32 }]),
  ...Array.from({ length: 8 }, (_, i): [string, Place] => [`st${i}`, { offset: AT.st + i * 16, size: 10 }]),
];

const PLACES = new Map<string, Place>([
  ...REPORTED,
  ...Array.from({ length: 16 }, (_, i): [string, Place] => [`xmm${i}`, { offset: AT.ymm + i * 32, size: 16 }]),
  // An MMX register is the significand of the x87 register; vectors that name one have TOP = 0.
  ...Array.from({ length: 8 }, (_, i): [string, Place] => [`mm${i}`, { offset: AT.st + i * 16, size: 8 }]),
]);

/** The place of a register; throws when the name is none that FORMAT.md knows. */
export function placeOf(name: string): Place {
  const place = PLACES.get(name);
  if (!place) throw new Error(`unknown register "${name}"`);
  return place;
}

/** Writes a hexadecimal value, most significant digit first, as little-endian bytes; zero-extends to the place's size. */
export function putHex(image: Uint8Array, { offset, size }: Place, digits: string): void {
  for (let i = 0, end = digits.length; i < size; i++, end -= 2) {
    image[offset + i] = end <= 0 ? 0 : parseInt(digits.slice(Math.max(0, end - 2), end), 16);
  }
}

/** The value at a place as hexadecimal digits, most significant first. */
export function getHex(image: Uint8Array, { offset, size }: Place): string {
  let digits = '';
  for (let i = size - 1; i >= 0; i--) digits += image[offset + i]!.toString(16).padStart(2, '0');
  return digits;
}

/** Writes the registers that `registers` lists. */
export function putRegisters(image: Uint8Array, registers: Registers): void {
  for (const name in registers) putHex(image, placeOf(name), registers[name]!);
}

/** The state before a vector's instruction: zeros, the defaults, and what the vector lists. */
export function stateBefore(image: Uint8Array, before: Registers, mmx: boolean): void {
  image.fill(0);
  putHex(image, placeOf('mxcsr'), '1f80');
  putHex(image, placeOf('fcw'), '37f');
  if (mmx) for (let i = 0; i < 8; i++) image[AT.st + i * 16 + 8] = image[AT.st + i * 16 + 9] = 0xff;
  putRegisters(image, before);
}
