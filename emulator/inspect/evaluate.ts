import type { CpuView, GuestOs } from '../../hal/bus/index.ts';
import { bigIntToAddress } from '../../hal/bus/index.ts';
import { registerNumber } from './registers.ts';

/**
 * Address of an expression as people type it in a debugger: hexadecimal with or without `0x`, back-tick and leading zeros (`fffff800`00001000`), a
 * register (`rsp`, `@rax`), a symbol (`nt!KeSetEvent`, `edu!EduIsr`), `poi(x)` for the pointer at x, and sums and differences of these.
 * Throws an Error that names the part which is not understood.
 */
export function evaluate(expression: string, cpu: CpuView, os: GuestOs | null): number {
  const text = expression.trim();
  if (text === '') throw new Error('an address, a register or a symbol expected');
  let total = 0n;
  let sign = 1n;
  let rest = text;
  while (rest !== '') {
    const m = /^\s*(poi\s*\(|[^\s+\-()]+)\s*/.exec(rest);
    if (m === null) throw new Error(`'${rest}' is not understood in '${text}'`);
    rest = rest.slice(m[0].length);
    let term: bigint;
    if (m[1]!.startsWith('poi')) {
      const close = closing(rest, text);
      term = BigInt(cpu.mem.readPtr(evaluate(rest.slice(0, close), cpu, os)));
      rest = rest.slice(close + 1).trimStart();
    } else term = value(m[1]!, cpu, os);
    total += sign * term;
    const op = /^\s*([+-])/.exec(rest);
    if (op === null) {
      if (rest.trim() !== '') throw new Error(`'${rest.trim()}' is not understood in '${text}'`);
      break;
    }
    sign = op[1] === '+' ? 1n : -1n;
    rest = rest.slice(op[0].length);
    if (rest.trim() === '') throw new Error(`something is missing after '${op[1]}' in '${text}'`);
  }
  return bigIntToAddress(BigInt.asUintN(64, total));
}

function closing(rest: string, text: string): number {
  let depth = 1;
  for (let i = 0; i < rest.length; i++) {
    if (rest[i] === '(') depth++;
    if (rest[i] === ')' && --depth === 0) return i;
  }
  throw new Error(`a ')' is missing in '${text}'`);
}

function value(term: string, cpu: CpuView, os: GuestOs | null): bigint {
  const name = term.replace(/^@/, '').toLowerCase();
  if (name === 'rip') return BigInt(cpu.rip);
  const register = registerNumber(name);
  if (register >= 0) return cpu.gpr(register);
  if (/^(0x)?[0-9a-f`]+$/i.test(term) && !term.startsWith('@')) {
    const digits = term.replace(/^0x|`/gi, '');
    if (digits.length <= 16 && digits !== '') return BigInt(`0x${digits}`);
  }
  const address = os?.addressOf(term) ?? null;
  if (address === null) throw new Error(`there is no symbol, register or address '${term}'`);
  return BigInt(address);
}
