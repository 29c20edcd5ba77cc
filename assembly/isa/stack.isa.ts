import { insn, type InsnForm } from './define.ts';

// PUSH, POP, PUSHF, POPF, ENTER, LEAVE. Without prefix the operand is 64 bits wide (outside 64-bit mode: legacy.isa.ts).

export const forms: InsnForm[] = [
  insn('50+rd', 'PUSH r64', { ops: 'r:op', exec: 'hot:push', cycles: 1, hot: true, mode: '64' }),
  insn('o16 50+rw', 'PUSH r16', { ops: 'r:op', exec: 'raw:pushRm<u16>', cycles: 1 }),
  insn('58+rd', 'POP r64', { ops: 'w:op', exec: 'hot:pop', cycles: 1, hot: true, mode: '64' }),
  insn('o16 58+rw', 'POP r16', { ops: 'w:op', exec: 'raw:popRm<u16>', cycles: 1 }),
  insn('68 id', 'PUSH imm32', { ops: 'r:imm32s', exec: 'hot:pushImmediate', cycles: 1, hot: true, mode: '64' }),
  insn('o16 68 iw', 'PUSH imm16', { ops: 'r:imm16', exec: 'raw:pushConstant<u16>', cycles: 1 }),
  insn('6A ib', 'PUSH imm8', { ops: 'r:imm8s', exec: 'hot:pushImmediate', cycles: 1, hot: true, mode: '64' }),
  insn('o16 6A ib', 'PUSH imm8', { ops: 'r:imm8s', exec: 'raw:pushConstant<u16>', cycles: 1 }),
  insn('FF /6', 'PUSH r/m64', { ops: 'r:rm', exec: 'raw:pushRm<u64>', cycles: 2, mode: '64' }),
  insn('o16 FF /6', 'PUSH r/m16', { ops: 'r:rm', exec: 'raw:pushRm<u16>', cycles: 2 }),
  insn('8F /0', 'POP r/m64', { ops: 'w:rm', exec: 'raw:popRm<u64>', cycles: 2, mode: '64' }),
  insn('o16 8F /0', 'POP r/m16', { ops: 'w:rm', exec: 'raw:popRm<u16>', cycles: 2 }),
  insn('9C', 'PUSHFQ', { exec: 'raw:pushf<u64>', flags: 'r=oszapc', cycles: 3, mode: '64' }),
  insn('o16 9C', 'PUSHF', { exec: 'raw:pushf<u16>', flags: 'r=oszapc', cycles: 3 }),
  insn('9D', 'POPFQ', { exec: 'raw:popf<u64>', flags: 'w=oszapc', cycles: 10, ends: true, mode: '64' }),
  insn('o16 9D', 'POPF', { exec: 'raw:popf<u16>', flags: 'w=oszapc', cycles: 10, ends: true }),
  insn('C8 iw ib', 'ENTER imm16, imm8', { exec: 'raw:enter<u64>', undefined: ['alignment-check', 'fault-address'], cycles: 10, mode: '64' }),
  insn('o16 C8 iw ib', 'ENTER imm16, imm8', { exec: 'raw:enter<u16>', undefined: ['alignment-check', 'fault-address'], cycles: 10 }),
  insn('C9', 'LEAVE', { exec: 'hot:leave', cycles: 2, hot: true, mode: '64' }),
  insn('o16 C9', 'LEAVE', { exec: 'raw:leave<u16>', cycles: 2 }),
];
