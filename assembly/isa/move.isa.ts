import { insn, type InsnForm } from './define.ts';
import { conditionFlags, conditions, hex, sizes } from './families.ts';

// MOV and its extending, conditional, swapping and address-forming relatives.

export const forms: InsnForm[] = [
  insn('88 /r', 'MOV r/m8, r8', { ops: 'w:rm r:reg', exec: 'mov<u8>', cycles: 1, hot: true }),
  insn('8A /r', 'MOV r8, r/m8', { ops: 'w:reg r:rm', exec: 'mov<u8>', cycles: 1, hot: true }),
  insn('B0+rb ib', 'MOV r8, imm8', { ops: 'w:op r:imm8', exec: 'mov<u8>', cycles: 1, hot: true }),
  insn('C6 /0 ib', 'MOV r/m8, imm8', { ops: 'w:rm r:imm8', exec: 'mov<u8>', cycles: 1, hot: true }),
  insn('A0', 'MOV AL, moffs8', { ops: 'w:acc r:moffs', exec: 'mov<u8>', cycles: 1 }),
  insn('A2', 'MOV moffs8, AL', { ops: 'w:moffs r:acc', exec: 'mov<u8>', cycles: 1 }),
  insn('REX.W B8+rd io', 'MOV r64, imm64', { ops: 'w:op r:imm64', exec: 'mov<u64>', cycles: 1, hot: true }),
  insn('o32 B8+rd id', 'MOV r32, imm32', { ops: 'w:op r:imm32', exec: 'mov<u32>', cycles: 1, hot: true }),
  insn('o16 B8+rw iw', 'MOV r16, imm16', { ops: 'w:op r:imm16', exec: 'mov<u16>', cycles: 1 }),
  insn('REX.W 63 /r', 'MOVSXD r64, r/m32', { ops: 'w:reg r:rm', exec: 'movsx<u64,u32>', cycles: 1, hot: true, mode: '64' }),
  insn('o32 63 /r', 'MOVSXD r32, r/m32', { ops: 'w:reg r:rm', exec: 'mov<u32>', cycles: 1, mode: '64' }),
  insn('o16 63 /r', 'MOVSXD r16, r/m16', { ops: 'w:reg r:rm', exec: 'mov<u16>', cycles: 1, mode: '64' }),
  insn('86 /r', 'XCHG r/m8, r8', { ops: 'rw:rm rw:reg', exec: 'raw:xchg<u8>', cycles: 1, lock: true }),
  // With REX.B the opcode is XCHG R8, RAX.
  insn('REX.B0 90', 'NOP', { exec: 'nop', cycles: 1, hot: true }),
  insn('F3 90', 'PAUSE', { exec: 'raw:pause', cycles: 10, ends: true }),
  insn('REX.W 98', 'CDQE', { ops: 'w:acc r:acc', exec: 'movsx<u64,u32>', cycles: 1, hot: true }),
  insn('o32 98', 'CWDE', { ops: 'w:acc r:acc', exec: 'movsx<u32,u16>', cycles: 1 }),
  insn('o16 98', 'CBW', { ops: 'w:acc r:acc', exec: 'movsx<u16,u8>', cycles: 1 }),
  insn('D7', 'XLATB', { exec: 'raw:xlat', cycles: 2 }),
];
const cwd = ['CWD', 'CDQ', 'CQO'];
sizes.forEach((s, i) => {
  const t = s.type, wide = s.bits !== 16;
  forms.push(
    insn(`${s.prefix} 89 /r`, `MOV r/m${s.bits}, r${s.bits}`, { ops: 'w:rm r:reg', exec: `mov<${t}>`, cycles: 1, hot: wide || 'mem' }),
    insn(`${s.prefix} 8B /r`, `MOV r${s.bits}, r/m${s.bits}`, { ops: 'w:reg r:rm', exec: `mov<${t}>`, cycles: 1, hot: wide }),
    insn(`${s.prefix} C7 /0 ${s.imm}`, `MOV r/m${s.bits}, imm${Math.min(s.bits, 32)}`, { ops: `w:rm r:${s.immPlace}`, exec: `mov<${t}>`, cycles: 1, hot: wide || 'mem' }),
    insn(`${s.prefix} A1`, `MOV ${s.accumulator}, moffs${s.bits}`, { ops: 'w:acc r:moffs', exec: `mov<${t}>`, cycles: 1 }),
    insn(`${s.prefix} A3`, `MOV moffs${s.bits}, ${s.accumulator}`, { ops: 'w:moffs r:acc', exec: `mov<${t}>`, cycles: 1 }),
    insn(`${s.prefix} 8D /r`, `LEA r${s.bits}, m`, { ops: 'w:reg r:ea', exec: `lea<${t}>`, cycles: 1, hot: wide }),
    insn(`${s.prefix} 0F B6 /r`, `MOVZX r${s.bits}, r/m8`, { ops: 'w:reg r:rm', exec: `movzx<${t},u8>`, cycles: 1, hot: wide }),
    insn(`${s.prefix} 0F BE /r`, `MOVSX r${s.bits}, r/m8`, { ops: 'w:reg r:rm', exec: `movsx<${t},u8>`, cycles: 1, hot: wide }),
    insn(`${s.prefix} 0F B7 /r`, `MOVZX r${s.bits}, r/m16`, { ops: 'w:reg r:rm', exec: `movzx<${t},u16>`, cycles: 1, hot: wide }),
    insn(`${s.prefix} 0F BF /r`, `MOVSX r${s.bits}, r/m16`, { ops: 'w:reg r:rm', exec: `movsx<${t},u16>`, cycles: 1, hot: wide }),
    insn(`${s.prefix} 87 /r`, `XCHG r/m${s.bits}, r${s.bits}`, { ops: 'rw:rm rw:reg', exec: `raw:xchg<${t}>`, cycles: 1, lock: true }),
    insn(`${s.prefix} 90+r${s.bits === 16 ? 'w' : 'd'}`, `XCHG r${s.bits}, ${s.accumulator}`, { ops: 'rw:op rw:acc', exec: `raw:xchg<${t}>`, cycles: 1 }),
    insn(`${s.prefix} 99`, cwd[i], { ops: 'w:dx r:acc', exec: `signOf<${t}>`, cycles: 1, hot: wide }),
    insn(`NFx ${s.prefix} 0F 38 F0 /r`, `MOVBE r${s.bits}, m${s.bits}`, { ops: 'w:reg r:m', exec: `byteSwap<${t}>`, undefined: ['alignment-check'], cycles: 1, cpuid: 'MOVBE' }),
    insn(`NFx ${s.prefix} 0F 38 F1 /r`, `MOVBE m${s.bits}, r${s.bits}`, { ops: 'w:m r:reg', exec: `byteSwap<${t}>`, undefined: ['alignment-check'], cycles: 1, cpuid: 'MOVBE' }),
  );
  if (s.bits === 16) forms.push(insn('o16 0F C8+rw', 'BSWAP r16', { ops: 'w:op', exec: 'zeroOf<u16>', cycles: 1 }));
  else {
    forms.push(
      insn(`${s.prefix} 0F C8+rd`, `BSWAP r${s.bits}`, { ops: 'rw:op', exec: `byteSwap<${t}>`, cycles: 1, hot: true }),
      insn(`NP ${s.bits === 64 ? 'REX.W' : 'REX.W0'} 0F C3 /r`, `MOVNTI m${s.bits}, r${s.bits}`, { ops: 'w:m r:reg', exec: `mov<${t}>`, cycles: 1 }),
    );
  }
});

conditions.forEach((name, cc) => {
  const flags = `r=${conditionFlags[cc >> 1]}`;
  forms.push(insn(`0F ${hex(0x90 + cc)} /r`, `SET${name} r/m8`, { ops: 'w:rm', flags, exec: 'setcc<u8>', cycles: 1, hot: 'reg', cc }));
  for (const s of sizes)
    forms.push(insn(`${s.prefix} 0F ${hex(0x40 + cc)} /r`, `CMOV${name} r${s.bits}, r/m${s.bits}`, { ops: 'rw:reg r:rm', flags, exec: `cmov<${s.type}>`, cycles: 1, hot: s.bits !== 16 && 'reg', cc }));
});
