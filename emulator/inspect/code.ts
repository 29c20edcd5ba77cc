import type { CpuView, GuestOs } from '../../hal/bus/index.ts';
import { CS } from '../../hal/bus/index.ts';
import { disassemble } from '../disasm/disassemble.ts';
import type { CodeBits } from '../disasm/fetch.ts';

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

const EFER = 0xc000_0080,
  EFER_LMA = 1n << 10n;
/** L and D of a code segment's descriptor, bits 53 and 54, as bits of {@link SegmentState.access}. */
const ACCESS_L = 1 << 13,
  ACCESS_D = 1 << 14;

/** What code the processor executes: its default size, and the linear address at which its code segment begins (0 in 64-bit mode). */
export interface CodeMode {
  bits: CodeBits;
  base: number;
}

/** The mode of a processor's code: 64-bit if CS.L is set under EFER.LMA, else by CS.D, in real mode too (SDM vol. 3, 5.2.1 and 11.1.1). */
export function codeMode(cpu: CpuView): CodeMode {
  const { access, base } = cpu.segment(CS);
  if ((access & ACCESS_L) !== 0 && (cpu.rdmsr(EFER) & EFER_LMA) !== 0n) return { bits: 64, base: 0 };
  return { bits: (access & ACCESS_D) !== 0 ? 32 : 16, base };
}

/** Linear address of the processor's next instruction. */
export const codeAddress = (cpu: CpuView): number => linear(codeMode(cpu), cpu.rip);

/** Linear address of an offset in the code segment; outside 64-bit mode it has 32 bits (SDM vol. 3, 3.4). */
const linear = ({ bits, base }: CodeMode, offset: number): number => (bits === 64 ? offset : (base + offset) % 2 ** 32);

/** Up to 15 bytes at `va`, fewer where the mapping ends. Never faults. */
export function codeBytes(cpu: CpuView, va: number): Uint8Array {
  let length = 0;
  while (length < LONGEST && cpu.mem.translate(va + length) >= 0) length++;
  return length === 0 ? new Uint8Array(0) : cpu.mem.readBytes(va, length);
}

/** The instruction at the linear address `va`, in the mode that the processor is in. Its target is a linear address too. */
export function instructionAt(cpu: CpuView, va: number): ReturnType<typeof disassemble> {
  return decode(codeMode(cpu), codeBytes(cpu, va), va);
}

function decode(mode: CodeMode, bytes: Uint8Array, va: number): ReturnType<typeof disassemble> {
  if (mode.bits === 64) return disassemble(bytes, va);
  const d = disassemble(bytes, va - mode.base, mode.bits);
  return { ...d, target: d.target === null ? null : linear(mode, d.target) };
}

function line(cpu: CpuView, os: GuestOs | null, va: number): CodeLine {
  const bytes = codeBytes(cpu, va);
  const d = decode(codeMode(cpu), bytes, va);
  const symbol = os?.symbolAt(va) ?? null;
  return {
    address: va,
    bytes: bytes.length === 0 ? '??' : Array.from(bytes.subarray(0, d.length), b => b.toString(16).padStart(2, '0')).join(' '),
    text: bytes.length > 0 ? d.text : va >= 0 && symbol !== null ? '(mapped in another process only)' : '(not mapped)',
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
