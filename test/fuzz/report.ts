// Writes a case down: as a vector where FORMAT.md can hold it, and in words.

import { disassemble } from '../../emulator/disasm/disassemble.ts';
import type { MemoryBytes, Registers, Vector } from '../vectors/format.ts';
import { CODE } from '../vectors/machine.ts';
import { AT, getHex, placeOf, REPORTED, STATE_SIZE, stateBefore } from '../vectors/state.ts';
import { LINE, RESULT, resultLines, type Case } from './case.ts';
import { forms, identify, ignoredAfter } from './undefined.ts';
import { classOf } from './select.ts';

const hexBytes = (b: Uint8Array) => Buffer.from(b).toString('hex');
const BP = 3,
  PF = 14;

/** Text of the instructions of a case. */
export function textOf(c: Case): string {
  return c.starts
    .map((start, i) => {
      const end = i + 1 < c.starts.length ? c.starts[i + 1]! : c.code.length;
      const bytes = c.code.subarray(start, end);
      const text = disassemble(bytes, CODE.linear + start, c.bits).text;
      const meant = forms[c.forms[i]! - 1];
      return `${hexBytes(bytes)} ${text}${meant ? ` (${meant.record.syntax})` : ''}`;
    })
    .join('; ');
}

/** Registers of an image that differ from `base`, as FORMAT.md writes them. */
function registersOf(image: Uint8Array, base: Uint8Array, kind: string): Registers {
  const out: Registers = {};
  for (const [name, place] of REPORTED) {
    if (
      Buffer.compare(
        image.subarray(place.offset, place.offset + place.size),
        base.subarray(place.offset, place.offset + place.size),
      ) === 0
    )
      continue;
    let key = name,
      from = place;
    if (name.startsWith('ymm') && kind !== 'avx') {
      // Only k=avx has upper halves.
      key = `x${name.slice(1)}`;
      from = placeOf(key);
    } else if (name.startsWith('st') && kind === 'mmx' && !upperDiffers(image, base, place.offset)) {
      key = name.replace('st', 'mm');
      from = placeOf(key);
    }
    const digits = getHex(image, from);
    out[key] = /^(rip|rflags|mxcsr|fcw|fsw|ftw)$/.test(name) ? digits.replace(/^0+(?=.)/, '') : digits;
  }
  return out;
}

function upperDiffers(image: Uint8Array, base: Uint8Array, at: number): boolean {
  return image[at + 8] !== base[at + 8] || image[at + 9] !== base[at + 9];
}

/** Runs of bytes that differ. */
function runs(of: Map<number, Uint8Array>, base: Map<number, Uint8Array>): MemoryBytes[] {
  const out: MemoryBytes[] = [];
  for (const address of [...new Set([...of.keys(), ...base.keys()])].sort((a, b) => a - b)) {
    const bytes = of.get(address) ?? new Uint8Array(LINE),
      old = base.get(address) ?? new Uint8Array(LINE);
    for (let i = 0; i < LINE; i++) {
      const from = i;
      while (i < LINE && bytes[i] !== old[i]) i++;
      if (i > from) out.push([(address + from).toString(16), hexBytes(bytes.subarray(from, i))]);
    }
  }
  return out;
}

/** Whether a state can be written as a vector: FORMAT.md has MMX with TOP = 0 only, and upper halves for k=avx only. */
function holds(c: Case, kind: string): boolean {
  const view = new DataView(c.state.buffer, c.state.byteOffset);
  if (kind === 'mmx') {
    if (view.getUint16(AT.fsw, true) & 0x3800) return false;
    for (let i = 0; i < 8; i++) if (view.getUint16(AT.st + i * 16 + 8, true) !== 0xffff) return false;
  } else if (kind === 'avx') return true;
  for (let i = 0; i < 16; i++) for (let b = 16; b < 32; b++) if (c.state[AT.ymm + i * 32 + b] !== 0) return false;
  return true;
}

/** A case with what FORMAT.md cannot hold taken away. */
export function fitted(c: Case, kind: string): Case {
  if (holds(c, kind)) return c;
  const state = c.state.slice();
  const view = new DataView(state.buffer);
  if (kind !== 'avx') for (let i = 0; i < 16; i++) state.fill(0, AT.ymm + i * 32 + 16, AT.ymm + i * 32 + 32);
  if (kind === 'mmx') {
    view.setUint16(AT.fsw, view.getUint16(AT.fsw, true) & ~0x3800, true);
    for (let i = 0; i < 8; i++) view.setUint16(AT.st + i * 16 + 8, 0xffff, true);
  }
  return { ...c, state };
}

/** The class of what a case's bytes really are. */
export function kindOf(c: Case): string {
  const found = identify(c.code, c.bits);
  const form = found?.form ?? forms[c.forms[0]! - 1];
  return form ? classOf(form) : 'sys';
}

/**
 * A vector of one instruction in 64-bit mode from what the host made of it; null when the case cannot be written as one. The INT3 (or missing page) that
 * ended the case is taken away: the vector ends after its one instruction.
 */
export function vectorOf(c: Case, result: Uint8Array, view: DataView): Vector | null {
  if (c.bits !== 64 || c.starts.length !== 1) return null;
  const kind = kindOf(c);
  if (!holds(c, kind)) return null;
  const exception = view.getUint32(RESULT.EXCEPTION, true);
  const before = new DataView(c.state.buffer, c.state.byteOffset);
  const start = before.getUint32(AT.rip, true);
  const after = Uint8Array.from(result.subarray(0, STATE_SIZE));
  const image = new DataView(after.buffer);
  const rip = image.getBigUint64(AT.rip, true),
    cr2 = view.getBigUint64(RESULT.CR2, true),
    error = view.getUint32(RESULT.ERROR, true);
  const found = identify(c.code, c.bits);
  const length = found?.fields.length ?? c.code.length;
  let fault: Vector['f'] = { v: exception };
  const after1 = BigInt(start + length);
  if (exception === BP && !(found?.form.record.syntax === 'INT3' || found?.form.record.syntax === 'INT imm8')) {
    fault = null;
    image.setBigUint64(AT.rip, rip - 1n, true);
  } else if (exception === PF) {
    // A fetch where the instruction went to, not of the instruction itself.
    if ((error & 0x10) !== 0 && cr2 === rip && (rip !== BigInt(start) || found?.form.record.ends === 'jump')) fault = null;
    else fault = { v: PF, a: cr2.toString(16) };
  } else if (exception > 31) return null;
  // More than one instruction ran.
  if (fault === null && !found?.form.record.ends && image.getBigUint64(AT.rip, true) !== after1) return null;
  if (fault !== null && exception !== BP && rip !== BigInt(start)) return null;
  const base = new Uint8Array(STATE_SIZE);
  stateBefore(base, {}, kind === 'mmx');
  const lines = resultLines(result, view, 0);
  const ending = { exception, cr2, error };
  const ignored = ignoredAfter(c.code, c.bits, c.state, after, ending, ending);
  if (ignored.everything) return null;
  const vector: Vector = {
    n: nameOf(c, start, found?.form.record.syntax),
    c: hexBytes(c.code),
    k: kind,
    b: { rip: start.toString(16), ...registersOf(c.state, base, kind) },
    m: runs(c.lines, new Map()),
    a: registersOf(after, c.state, kind),
    w: runs(lines, c.lines),
    f: fault,
  };
  const flags = new DataView(ignored.state.buffer).getUint32(AT.rflags, true);
  if (flags !== 0) vector.u = flags.toString(16);
  const x = ignoredPlaces(ignored.state, ignored.approximate !== null ? ignored.approximate.at : null, kind);
  for (const at of ignored.lastPlace) x.push(`st${(at - AT.st) / 16}`);
  if (ignored.memory) x.push(...vector.w.map(([address, bytes]) => `mem:${address}:${bytes.length / 2}`));
  if (x.length > 0) vector.x = x;
  return vector;
}

function nameOf(c: Case, rip: number, syntax: string | undefined): string {
  return syntax === undefined ? '(no form)' : disassemble(c.code, rip).text;
}

function ignoredPlaces(mask: Uint8Array, approximateAt: number | null, kind: string): string[] {
  const out: string[] = [];
  for (const [name, place] of REPORTED) {
    if (name === 'rflags') continue;
    const bytes = mask.subarray(place.offset, place.offset + place.size);
    if (place.offset === approximateAt) out.push(kind === 'avx' ? name : `x${name.slice(1)}`);
    else if (bytes.every(b => b === 0xff)) out.push(name);
    else if (bytes.some(b => b !== 0)) out.push(`${name}:${getHex(mask, place)}`);
  }
  return out;
}

/** A case as JSON of the same fields, for cases that are no vectors: `s` has the instructions' offsets, `mode` the bits of the code segment. */
export function caseJson(c: Case, what: string[]): string {
  const base = new Uint8Array(STATE_SIZE);
  stateBefore(base, {}, false);
  return JSON.stringify({
    n: textOf(c),
    c: hexBytes(c.code),
    mode: c.bits,
    s: c.starts,
    b: registersOf(c.state, base, 'avx'),
    m: runs(c.lines, new Map()),
    what,
  });
}
