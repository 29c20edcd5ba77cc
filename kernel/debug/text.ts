import { formatAddress } from '../../hal/bus/memory.ts';
import { R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { modulesOf, symbolAt } from '../ke/stackwalk.ts';
import { ldrAddressOf } from '../ldr/symbols.ts';
import { CommandError } from './command.ts';

/** How the commands write and read values. */

export const address = (va: number): string => formatAddress(va);
export const hex = (n: number | bigint): string => `0x${(typeof n === 'bigint' ? BigInt.asUintN(64, n) : n).toString(16)}`;

/** Name of a variable of the kernel (`nt!PsLoadedModuleList+0x8`), or null: the images' own symbols of addresses are those of code. */
function kernelVariable(k: Kernel, va: number): string | null {
  const data = k.images.nt.sections.find(s => s.name === '.data');
  const start = data ? k.images.nt.base + data.rva : 0;
  if (!data || va < start || va >= start + data.size) return null;
  let best: string | null = null,
    at = start - 1;
  for (const [name, a] of k.images.symbols)
    if (a <= va && a > at) {
      best = name;
      at = a;
    }
  return best === null || at === va ? best : `${best}+0x${(va - at).toString(16)}`;
}

const nameOf = (k: Kernel, va: number): string | null => (va ? (kernelVariable(k, va) ?? symbolAt(k, modulesOf(k), va)) : null);

/** `edu!EduInterrupt+0x12`, or the address when no image has it. */
export const symbol = (k: Kernel, va: number): string => nameOf(k, va) ?? address(va);
/** The address with its symbol behind it, where there is one. */
export function addressAndSymbol(k: Kernel, va: number): string {
  const name = nameOf(k, va);
  return name ? `${address(va)} ${name}` : address(va);
}

/** A pool tag as text. */
export const tagText = (tag: number): string =>
  [0, 8, 16, 24]
    .map(s => (tag >>> s) & 0x7f)
    .map(c => (c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : '.'))
    .join('');

/** 100 ns units as `1.234 567 8 s`-like text. */
export const seconds = (units: bigint): string =>
  `${units < 0n ? '-' : ''}${(units < 0n ? -units : units) / 10_000_000n}.${((units < 0n ? -units : units) % 10_000_000n).toString().padStart(7, '0')} s`;

const REGISTERS: { readonly [name: string]: number } = {
  rax: RAX,
  rbx: RBX,
  rcx: RCX,
  rdx: RDX,
  rsi: RSI,
  rdi: RDI,
  rbp: RBP,
  rsp: RSP,
  r8: R8,
  r9: R9,
  r10: R10,
  r11: R11,
  r12: R12,
  r13: R13,
  r14: R14,
  r15: R15,
};

function term(k: Kernel, text: string): bigint {
  const bare = text.replace(/^@/, '').toLowerCase();
  if (bare === 'rip') return BigInt(k.cpu.rip);
  if (bare in REGISTERS) return k.cpu.gpr(REGISTERS[bare]!);
  if (bare === '$thread') return BigInt(k.currentThread());
  if (bare === '$proc') return BigInt(k.currentProcess());
  if (bare === '$pcr') return BigInt(k.prcb - 0x180);
  if (bare === '$prcb') return BigInt(k.prcb);
  if (text.includes('!')) {
    const found = k.images.symbols.get(text) ?? ldrAddressOf(k, text);
    if (found === null) throw new CommandError(`there is no symbol ${text}`);
    return BigInt(found);
  }
  const own = k.images.symbols.get(`nt!${text}`);
  if (own !== undefined) return BigInt(own);
  if (/^0n\d+$/i.test(text)) return BigInt(text.slice(2));
  const digits = text.replace(/`/g, '').replace(/^0x/i, '');
  if (!/^[0-9a-f]{1,16}$/i.test(digits))
    throw new CommandError(`${text} is neither a hexadecimal number, a register nor a symbol`);
  return BigInt(`0x${digits}`);
}

/** Value of an expression as people type it: hexadecimal numbers, `0n` decimal, `@rsp`, `nt!KeSetEvent`, `$thread`, sums and differences, `poi(...)`. */
export function evaluate(k: Kernel, text: string): bigint {
  const inner = /^poi\((.*)\)$/.exec(text);
  if (inner) return k.mem.read64(parseAddress(k, inner[1]!));
  const parts = text.match(/poi\([^)]*\)|[^+-]+|[+-]/g);
  if (!parts) throw new CommandError('an address is expected');
  let value = 0n,
    sign = 1n;
  for (const p of parts) {
    if (p === '+') sign = 1n;
    else if (p === '-') sign = -1n;
    else {
      value += sign * (p.startsWith('poi(') ? evaluate(k, p) : term(k, p.trim()));
      sign = 1n;
    }
  }
  return BigInt.asUintN(64, value);
}

/** The expression as an address; one that is not canonical is an error. */
export function parseAddress(k: Kernel, text: string | undefined): number {
  if (!text) throw new CommandError('an address is expected');
  const value = BigInt.asIntN(64, evaluate(k, text));
  if (BigInt.asIntN(48, value) !== value) throw new CommandError(`${text} is not a canonical address`);
  return Number(value);
}

export function parseNumber(k: Kernel, text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : Number(evaluate(k, text));
}

/** Columns padded to the same width; the last is not. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const r of rows) r.forEach((c, i) => (widths[i] = Math.max(widths[i] ?? 0, c.length)));
  return rows.map(r =>
    r
      .map((c, i) => (i === r.length - 1 ? c : c.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}
