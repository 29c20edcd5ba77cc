import type { CpuView, GuestOs } from '../../hal/bus/index.ts';
import { disassemble } from '../disasm/disassemble.ts';

/** One line of a listing. */
export interface CodeLine {
  address: number;
  /** Bytes in hexadecimal, or `??` where nothing is mapped. */
  bytes: string;
  text: string;
  length: number;
  kind: 'call' | 'branch' | 'return' | 'other';
  /** Symbol that starts here. */
  label: string | null;
  /** Address that the instruction names, and what it is called. */
  target: number | null;
  targetSymbol: string | null;
}

/** Longest x86 instruction (SDM vol. 2, 2.3.11). */
const LONGEST = 15;
/** A symbol further back than this is not used to find instruction boundaries. */
const SYMBOL_REACH = 0x4000;

/** Up to 15 bytes at `va`, fewer where the mapping ends. Never faults. */
export function codeBytes(cpu: CpuView, va: number): Uint8Array {
  let length = 0;
  while (length < LONGEST && cpu.mem.translate(va + length) >= 0) length++;
  return length === 0 ? new Uint8Array(0) : cpu.mem.readBytes(va, length);
}

/** The instruction at `va`. */
export function instructionAt(cpu: CpuView, va: number): ReturnType<typeof disassemble> {
  return disassemble(codeBytes(cpu, va), va);
}

function line(cpu: CpuView, os: GuestOs | null, va: number): CodeLine {
  const bytes = codeBytes(cpu, va);
  const d = disassemble(bytes, va);
  const symbol = os?.symbolAt(va) ?? null;
  return {
    address: va,
    bytes: bytes.length === 0 ? '??' : Array.from(bytes.subarray(0, d.length), b => b.toString(16).padStart(2, '0')).join(' '),
    text: bytes.length === 0 ? '(not mapped)' : d.text,
    length: d.length,
    kind: d.kind,
    label: symbol !== null && !/\+0x[0-9a-f]+$/.test(symbol) ? symbol : null,
    target: d.target,
    targetSymbol: d.target === null ? null : (os?.symbolAt(d.target) ?? null),
  };
}

/**
 * A listing around `va`: `before` lines before it and `count` in all. Boundaries before `va` are found from the symbol that it belongs to; without
 * one, from the place at which a listing falls in step with `va`.
 */
export function codeListing(cpu: CpuView, os: GuestOs | null, va: number, before: number, count: number): CodeLine[] {
  const earlier: number[] = [];
  const start = before > 0 ? listingStart(cpu, os, va, before) : va;
  for (let at = start; at < va;) {
    earlier.push(at);
    at += instructionAt(cpu, at).length;
  }
  const lines = earlier.slice(Math.max(0, earlier.length - before)).map(at => line(cpu, os, at));
  for (let at = va; lines.length < count;) {
    const next = line(cpu, os, at);
    lines.push(next);
    at += next.length;
  }
  return lines;
}

function listingStart(cpu: CpuView, os: GuestOs | null, va: number, before: number): number {
  const offset = /\+0x([0-9a-f]+)$/.exec(os?.symbolAt(va) ?? '');
  const distance = offset === null ? Infinity : parseInt(offset[1]!, 16);
  if (distance <= SYMBOL_REACH && inStep(cpu, va - distance, va)) {
    // Whole functions are decoded from their start; a short function leaves room for what is before it.
    return va - distance;
  }
  for (let back = before * 5; back > 0; back--) {
    const from = va - back;
    if (cpu.mem.translate(from) >= 0 && inStep(cpu, from, va)) return from;
  }
  return va;
}

function inStep(cpu: CpuView, from: number, va: number): boolean {
  let at = from;
  while (at < va) {
    const d = instructionAt(cpu, at);
    if (d.mnemonic === 'db') return false;
    at += d.length;
  }
  return at === va;
}
