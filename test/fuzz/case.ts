// One case of the fuzzer: a processor state, instructions and memory; and how it is handed to the program that runs it on the host (host.c has
// the same layout).

import { CODE, DATA, STACK } from '../vectors/machine.ts';
import { STATE_SIZE } from '../vectors/state.ts';

/** Code that the processor runs in: 64-bit, 32-bit (compatibility mode), 16-bit (compatibility mode). */
export type Bits = 64 | 32 | 16;

/** Bytes of a line: the unit in which memory is given and compared. */
export const LINE = 64;

/** A case: registers as a state image (test/vectors/state.ts), code at its RIP, and the lines of DATA and STACK that are not zero. */
export interface Case {
  bits: Bits;
  state: Uint8Array;
  /** Instruction bytes; the rest of the CODE page is INT3. */
  code: Uint8Array;
  /** Offset of each instruction in `code`. */
  starts: number[];
  /** Form number (index in allForms plus one) of each instruction that was meant. */
  forms: number[];
  /** By line address. */
  lines: Map<number, Uint8Array>;
}

const HEADER = STATE_SIZE + 16;
const CODE_BYTES = 112;
const LINE_RECORD = 8 + LINE;
/** Bytes that a case can take in a batch. */
export const MAX_CASE = HEADER + CODE_BYTES + 64 * LINE_RECORD;

/** Writes a case into a batch at `at`; gives the offset behind it. */
export function putCase(batch: Uint8Array, view: DataView, at: number, c: Case): number {
  if (c.code.length > CODE_BYTES) throw new Error(`a case of ${c.code.length} bytes of code`);
  batch.set(c.state, at);
  view.setUint16(at + STATE_SIZE, c.lines.size, true);
  view.setUint16(at + STATE_SIZE + 2, c.bits === 64 ? 0 : c.bits === 32 ? 1 : 2, true);
  view.setUint32(at + STATE_SIZE + 4, c.code.length, true);
  batch.set(c.code, at + HEADER);
  at += HEADER + CODE_BYTES;
  for (const [address, bytes] of c.lines) {
    view.setUint32(at, address, true);
    batch.set(bytes, at + 8);
    at += LINE_RECORD;
  }
  return at;
}

/** Offsets in a result; the state image is at 0. Nothing of a result depends on which processor made it but `FIP` and what follows up to the lines. */
export const RESULT = {
  LINES: STATE_SIZE,
  EXCEPTION: STATE_SIZE + 4,
  CR2: STATE_SIZE + 8,
  ERROR: STATE_SIZE + 16,
  SELECTORS: STATE_SIZE + 20,
  FIP: STATE_SIZE + 32,
  FDP: STATE_SIZE + 40,
  FOP: STATE_SIZE + 48,
  HEADER: STATE_SIZE + 56,
};
/** Names of the selectors at RESULT.SELECTORS, 16 bits each. */
export const SELECTOR_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
/** In place of an exception's vector: the case did not end. */
export const ENDLESS = 0x100;
/** In place of an exception's vector: the core's run ended with this exit reason (plus this number), which no case should bring about. */
export const ODD_EXIT = 0x200;
/** Bytes that a result can take. */
export const MAX_RESULT = RESULT.HEADER + (2 * (DATA.size + STACK.size) * LINE_RECORD) / LINE / 2;

/** Bytes of the result at `at`. */
export function resultLength(view: DataView, at: number): number {
  return RESULT.HEADER + view.getUint32(at + RESULT.LINES, true) * LINE_RECORD;
}

/** The lines of a result by address. */
export function resultLines(bytes: Uint8Array, view: DataView, at: number): Map<number, Uint8Array> {
  const lines = new Map<number, Uint8Array>();
  const count = view.getUint32(at + RESULT.LINES, true);
  for (let i = 0, p = at + RESULT.HEADER; i < count; i++, p += LINE_RECORD)
    lines.set(view.getUint32(p, true), bytes.subarray(p + 8, p + LINE_RECORD));
  return lines;
}

/** Writes a line of a result; gives the offset behind it. */
export function putLine(bytes: Uint8Array, view: DataView, at: number, address: number, line: Uint8Array): number {
  view.setUint32(at, address, true);
  view.setUint32(at + 4, 0, true);
  bytes.set(line, at + 8);
  return at + LINE_RECORD;
}

/** Whether all of a line lies in DATA or STACK. */
export function inMemory(address: number): boolean {
  return [DATA, STACK].some(r => address >= r.linear && address < r.linear + r.size);
}

/** Offset of an address in the CODE page, or -1. */
export function inCode(address: number): number {
  const offset = address - CODE.linear;
  return offset >= 0 && offset < CODE.size ? offset : -1;
}
