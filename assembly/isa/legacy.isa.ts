import { insn, type InsnForm } from './define.ts';
import { conditionFlags, conditions, hex } from './families.ts';

// Forms that exist outside 64-bit mode only (SDM vol. 2: "Inv." or "N.E." in the 64-bit column): what 64-bit mode took away, and stack and branch
// instructions with operands of 32 bits. Those of 16 bits are with the 64-bit forms where both modes have them.

const mode = 'not64' as const;

/** The operand sizes of these modes. */
const two = [
  { bits: 16, prefix: 'o16', type: 'u16', rd: 'rw', imm: 'iw', immPlace: 'imm16', rel: 'cw', relPlace: 'rel16', suffix: '' },
  { bits: 32, prefix: 'o32', type: 'u32', rd: 'rd', imm: 'id', immPlace: 'imm32', rel: 'cd', relPlace: 'rel32', suffix: 'D' },
] as const;

const integer: InsnForm[] = [
  insn('27', 'DAA', { exec: 'raw:daa', flags: 'r=ac w=szapc u=o', cycles: 3, mode }),
  insn('2F', 'DAS', { exec: 'raw:das', flags: 'r=ac w=szapc u=o', cycles: 3, mode }),
  insn('37', 'AAA', { exec: 'raw:aaa', flags: 'r=a w=ac u=oszp', cycles: 3, mode }),
  insn('3F', 'AAS', { exec: 'raw:aas', flags: 'r=a w=ac u=oszp', cycles: 3, mode }),
  insn('D4 ib', 'AAM imm8', { ops: 'r:imm8', exec: 'raw:aam', flags: 'w=szp u=oac', cycles: 12, mode }),
  insn('D5 ib', 'AAD imm8', { ops: 'r:imm8', exec: 'raw:aad', flags: 'w=szp u=oac', cycles: 4, mode }),
  insn('D6', 'SALC', { exec: 'raw:salc', flags: 'r=c', cycles: 1, mode }),
  insn('CE', 'INTO', { exec: 'raw:into', flags: 'r=o', cycles: 2, ends: true, mode }),
  // Written only when it changes: a read as far as the segment is concerned, until then.
  insn('63 /r', 'ARPL r/m16, r16', { ops: 'r:rm r:reg', exec: 'raw:arpl', flags: 'w=z', cycles: 10, mode, protected: true }),
  ...['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'].map((name, n) =>
    insn(`82 /${n} ib`, `${name} r/m8, imm8`, {
      ops: `${name === 'CMP' ? 'r' : 'rw'}:rm r:imm8`, exec: `${name.toLowerCase()}<u8>`, flags: (name === 'ADC' || name === 'SBB' ? 'r=c ' : '') + 'w=oszapc', cycles: 1, lock: name !== 'CMP', mode,
    })),
  ...two.flatMap(s => [
    insn(`${s.prefix} 40+${s.rd}`, `INC r${s.bits}`, { ops: 'rw:op', exec: `inc<${s.type}>`, flags: 'w=oszap', cycles: 1, hot: s.bits === 32, mode }),
    insn(`${s.prefix} 48+${s.rd}`, `DEC r${s.bits}`, { ops: 'rw:op', exec: `dec<${s.type}>`, flags: 'w=oszap', cycles: 1, hot: s.bits === 32, mode }),
    insn(`${s.prefix} 62 /r mem`, `BOUND r${s.bits}, m${s.bits}&${s.bits}`, { ops: 'r:reg r:m', exec: `raw:bound<${s.type}>`, cycles: 4, bytes: s.bits / 4, mode }),
    insn(`${s.prefix} C4 /r mem`, `LES r${s.bits}, m16:${s.bits}`, { ops: 'w:reg r:m', exec: `raw:les<${s.type}>`, cycles: 10, mode }),
    insn(`${s.prefix} C5 /r mem`, `LDS r${s.bits}, m16:${s.bits}`, { ops: 'w:reg r:m', exec: `raw:lds<${s.type}>`, cycles: 10, mode }),
  ]),
];

const stack: InsnForm[] = two.flatMap(s => [
  insn(`${s.prefix} 60`, `PUSHA${s.suffix}`, { exec: `raw:pushAll<${s.type}>`, undefined: ['fault-address'], cycles: 8, mode }),
  insn(`${s.prefix} 61`, `POPA${s.suffix}`, { exec: `raw:popAll<${s.type}>`, undefined: ['fault-address'], cycles: 8, mode }),
  ...[['ES', 0x06, 0], ['CS', 0x0e, 1], ['SS', 0x16, 2], ['DS', 0x1e, 3]].map(([name, opcode, cc]) =>
    insn(`${s.prefix} ${hex(opcode as number)}`, `PUSH ${name}`, { exec: `raw:pushSegment<${s.type}>`, cycles: 2, cc: cc as number, mode })),
  ...[['ES', 0x07, 0], ['SS', 0x17, 2], ['DS', 0x1f, 3]].map(([name, opcode, cc]) =>
    insn(`${s.prefix} ${hex(opcode as number)}`, `POP ${name}`, { exec: `raw:popSegment<${s.type}>`, cycles: 10, cc: cc as number, mode, ends: name === 'SS' })),
]);
// Operands of 32 bits; 16 bits are stack.isa.ts's in every mode.
stack.push(
  insn('o32 50+rd', 'PUSH r32', { ops: 'r:op', exec: 'raw:pushRm<u32>', cycles: 1, mode }),
  insn('o32 58+rd', 'POP r32', { ops: 'w:op', exec: 'raw:popRm<u32>', cycles: 1, mode }),
  insn('o32 68 id', 'PUSH imm32', { ops: 'r:imm32', exec: 'raw:pushConstant<u32>', cycles: 1, mode }),
  insn('o32 6A ib', 'PUSH imm8', { ops: 'r:imm8s', exec: 'raw:pushConstant<u32>', cycles: 1, mode }),
  insn('o32 FF /6', 'PUSH r/m32', { ops: 'r:rm', exec: 'raw:pushRm<u32>', cycles: 2, mode }),
  insn('o32 8F /0', 'POP r/m32', { ops: 'w:rm', exec: 'raw:popRm<u32>', cycles: 2, mode }),
  insn('o32 9C', 'PUSHFD', { exec: 'raw:pushf<u32>', flags: 'r=oszapc', cycles: 3, mode }),
  insn('o32 9D', 'POPFD', { exec: 'raw:popf<u32>', flags: 'w=oszapc', cycles: 10, ends: true, mode }),
  insn('o32 C8 iw ib', 'ENTER imm16, imm8', { exec: 'raw:enter<u32>', undefined: ['alignment-check', 'fault-address'], cycles: 10, mode }),
  insn('o32 C9', 'LEAVE', { exec: 'raw:leave<u32>', cycles: 2, mode }),
);

const branches: InsnForm[] = two.flatMap(s => [
  insn(`${s.prefix} E8 ${s.rel}`, `CALL ${s.relPlace}`, { ops: `r:${s.relPlace}`, exec: `raw:callNear<${s.type}>`, cycles: 2, ends: 'jump', mode }),
  insn(`${s.prefix} E9 ${s.rel}`, `JMP ${s.relPlace}`, { ops: `r:${s.relPlace}`, exec: 'hot:jump', cycles: 1, hot: true, ends: 'jump', mode }),
  insn(`${s.prefix} FF /2`, `CALL r/m${s.bits}`, { ops: 'r:rm', exec: `raw:callNearRm<${s.type}>`, cycles: 3, ends: 'jump', mode }),
  insn(`${s.prefix} FF /4`, `JMP r/m${s.bits}`, { ops: 'r:rm', exec: `raw:jmpNearRm<${s.type}>`, cycles: 2, ends: 'jump', mode }),
  insn(`${s.prefix} C3`, 'RET', { exec: `raw:retNear<${s.type}>`, cycles: 2, ends: 'jump', mode }),
  insn(`${s.prefix} C2 iw`, 'RET imm16', { ops: 'r:imm16', exec: `raw:retNear<${s.type}>`, cycles: 3, ends: 'jump', mode }),
  insn(`${s.prefix} 9A cp`, `CALL ptr16:${s.bits}`, { ops: 'r:ptr', exec: `raw:callFarPointer<${s.type}>`, undefined: ['fault-address', 'call-target'], cycles: 40, ends: true, mode }),
  insn(`${s.prefix} EA cp`, `JMP ptr16:${s.bits}`, { ops: 'r:ptr', exec: 'raw:jmpFarPointer', cycles: 40, ends: true, mode }),
  ...conditions.map((name, cc) =>
    insn(`${s.prefix} 0F ${hex(0x80 + cc)} ${s.rel}`, `J${name} ${s.relPlace}`, { ops: `r:${s.relPlace}`, exec: 'hot:jcc', flags: `r=${conditionFlags[cc >> 1]}`, cycles: 1, hot: true, ends: 'jump', cc, mode })),
]);

export const forms: InsnForm[] = [...integer, ...stack, ...branches];
