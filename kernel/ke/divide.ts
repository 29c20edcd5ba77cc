import type { Kernel } from '../kernel.ts';
import { R12 } from '../../hal/bus/cpu.ts';
import { KTRAP_FRAME } from '../types/trap.ts';

const F = KTRAP_FRAME.f;
const STATUS_INTEGER_DIVIDE_BY_ZERO = 0xc0000094,
  STATUS_INTEGER_OVERFLOW = 0xc0000095;
const IN_FRAME = [F.Rax, F.Rcx, F.Rdx, F.Rbx, F.Rsp, F.Rbp, F.Rsi, F.Rdi, F.R8, F.R9, F.R10, F.R11] as const;

/**
 * The processor reports a divisor of zero and a quotient that does not fit by the same exception; software tells them apart by reading the divisor of the DIV or
 * IDIV at RIP (F6/F7 /6, /7).
 */
export function divideErrorStatus(k: Kernel, trapFrame: number): number {
  const m = k.mem;
  const register = (n: number): bigint => (n < 12 ? m.read64(trapFrame + IN_FRAME[n]!.offset) : k.cpu.gpr(R12 + n - 12));
  let at = Number(BigInt.asIntN(64, F.Rip.get(m, trapFrame)));
  let rex = 0;
  let operand16 = false;
  for (;;) {
    const b = m.read8(at);
    if (b === 0x66) operand16 = true;
    else if ((b & 0xf0) === 0x40) rex = b;
    else if (b !== 0xf2 && b !== 0xf3 && b !== 0x67 && b !== 0x2e && b !== 0x3e) break;
    at++;
  }
  const size = m.read8(at) === 0xf6 ? 1 : rex & 8 ? 8 : operand16 ? 2 : 4;
  const modrm = m.read8(at + 1);
  const mod = modrm >> 6;
  let rm = modrm & 7;
  const mask = (1n << BigInt(size * 8)) - 1n;
  if (mod === 3) {
    const high = size === 1 && !rex && rm >= 4;
    const value = high ? register(rm - 4) >> 8n : register(rm | (rex & 1 ? 8 : 0));
    return (value & mask) === 0n ? STATUS_INTEGER_DIVIDE_BY_ZERO : STATUS_INTEGER_OVERFLOW;
  }
  let next = at + 2;
  let base = 0n;
  if (rm === 4) {
    const sib = m.read8(next++);
    const index = ((sib >> 3) & 7) | (rex & 2 ? 8 : 0);
    rm = sib & 7;
    if (index !== 4) base += register(index) << BigInt(sib >> 6);
    if (!(rm === 5 && mod === 0)) base += register(rm | (rex & 1 ? 8 : 0));
    else base += BigInt(m.readI32(next));
  } else if (rm === 5 && mod === 0) base = BigInt(next + 4 + m.readI32(next));
  else base = register(rm | (rex & 1 ? 8 : 0));
  if (mod === 1) base += BigInt((m.read8(next) << 24) >> 24);
  else if (mod === 2) base += BigInt(m.readI32(next));
  const va = Number(BigInt.asIntN(64, base));
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(m.read8(va + i));
  return value === 0n ? STATUS_INTEGER_DIVIDE_BY_ZERO : STATUS_INTEGER_OVERFLOW;
}
