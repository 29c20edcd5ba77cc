import type { FormMode, InsnForm } from './define.ts';
import { insn } from './define.ts';
import { sizes } from './families.ts';

// System instructions: privilege, descriptors, control registers, interrupts, ports (SDM vol. 2; vol. 3 for what they touch).

const flow: InsnForm[] = [
  insn('CC', 'INT3', { exec: 'raw:int3', cycles: 20, ends: true }),
  insn('CD ib', 'INT imm8', { ops: 'r:imm8', exec: 'raw:intN', cycles: 20, ends: true }),
  insn('F1', 'INT1', { exec: 'raw:int1', cycles: 20, ends: true }),
  insn('o16 CF', 'IRET', { exec: 'raw:iret<u16>', flags: 'w=oszapc', cycles: 60, ends: true }),
  insn('CF', 'IRETD', { exec: 'raw:iret<u32>', flags: 'w=oszapc', cycles: 60, ends: true }),
  insn('REX.W CF', 'IRETQ', { exec: 'raw:iret<u64>', flags: 'w=oszapc', cycles: 60, ends: true }),
  insn('0F 05', 'SYSCALL', { exec: 'raw:syscall', flags: 'w=oszapc', cycles: 40, ends: true, mode: '64' }),
  insn('REX.W 0F 07', 'SYSRETQ', { exec: 'raw:sysret', flags: 'w=oszapc', cycles: 40, ends: true, cpl0: true, mode: '64' }),
  insn('0F 07', 'SYSRET', { exec: 'raw:toCompatibility', cycles: 40, ends: true, cpl0: true, mode: '64' }),
  insn('0F 34', 'SYSENTER', { exec: 'raw:sysenter', cycles: 40, ends: true }),
  insn('REX.W 0F 35', 'SYSEXITQ', { exec: 'raw:sysexit', cycles: 40, ends: true, cpl0: true }),
  insn('0F 35', 'SYSEXIT', { exec: 'raw:toCompatibility', cycles: 40, ends: true, cpl0: true }),
  insn('CB', 'RETF', { exec: 'raw:retFar<u32>', cycles: 40, ends: true }),
  insn('o16 CB', 'RETF', { exec: 'raw:retFar<u16>', cycles: 40, ends: true }),
  insn('REX.W CB', 'RETFQ', { exec: 'raw:retFar<u64>', cycles: 40, ends: true }),
  insn('CA iw', 'RETF imm16', { ops: 'r:imm16', exec: 'raw:retFarRelease<u32>', cycles: 40, ends: true }),
  insn('o16 CA iw', 'RETF imm16', { ops: 'r:imm16', exec: 'raw:retFarRelease<u16>', cycles: 40, ends: true }),
  insn('REX.W CA iw', 'RETFQ imm16', { ops: 'r:imm16', exec: 'raw:retFarRelease<u64>', cycles: 40, ends: true }),
  ...sizes.flatMap(({ bits, prefix, type }) => [
    insn(`${prefix} FF /3 mem`, `CALL m16:${bits}`, { ops: 'r:m', exec: `raw:callFar<${type}>`, cycles: 40, ends: true }),
    insn(`${prefix} FF /5 mem`, `JMP m16:${bits}`, { ops: 'r:m', exec: `raw:jmpFar<${type}>`, cycles: 40, ends: true }),
  ]),
  insn('F4', 'HLT', { exec: 'raw:hlt', cycles: 10, ends: true, cpl0: true }),
  insn('NP 0F 01 C1', 'VMCALL', { exec: 'raw:gate', cycles: 1, ends: true }),
  insn('0F 0B', 'UD2', { exec: 'raw:undefinedOpcode', cycles: 1, ends: true }),
  insn('0F B9 /r', 'UD1 r32, r/m32', { ops: 'r:reg r:rm', exec: 'raw:undefinedOpcode', cycles: 1, ends: true }),
  insn('0F FF /r', 'UD0 r32, r/m32', { ops: 'r:reg r:rm', exec: 'raw:undefinedOpcode', cycles: 1, ends: true }),
];

const registers: InsnForm[] = [
  // No cpl0: a register that does not exist is #UD before CPL counts.
  insn('0F 20 /r reg', 'MOV r64, CR0-CR8', { ops: 'w:rm r:cr', exec: 'raw:movFromControl', cycles: 5 }),
  insn('0F 22 /r reg', 'MOV CR0-CR8, r64', { ops: 'w:cr r:rm', exec: 'raw:movToControl', cycles: 20, ends: true }),
  insn('0F 21 /r reg', 'MOV r64, DR0-DR7', { ops: 'w:rm r:dr', exec: 'raw:movFromDebug', cycles: 20, cpl0: true }),
  insn('0F 23 /r reg', 'MOV DR0-DR7, r64', { ops: 'w:dr r:rm', exec: 'raw:movToDebug', cycles: 20, cpl0: true, ends: true }),
  insn('0F 06', 'CLTS', { exec: 'raw:clts', cycles: 10, cpl0: true, ends: true }),
  insn('0F 01 /6', 'LMSW r/m16', { ops: 'r:rm', exec: 'lmsw<u16>', cycles: 20, cpl0: true, ends: true }),
  insn('0F 01 /4 mem', 'SMSW m16', { ops: 'w:rm', exec: 'smsw<u16>', cycles: 5 }),
  insn('o16 0F 01 /4 reg', 'SMSW r16', { ops: 'w:rm', exec: 'smsw<u16>', cycles: 5 }),
  insn('0F 01 /4 reg', 'SMSW r64', { ops: 'w:rm', exec: 'smsw<u64>', cycles: 5 }),
  insn('FA', 'CLI', { exec: 'raw:cli', cycles: 5 }),
  insn('FB', 'STI', { exec: 'raw:sti', cycles: 5, ends: true }),
  insn('NP 0F 01 CA', 'CLAC', { exec: 'raw:clac', cycles: 5, ends: true, cpuid: 'SMAP' }),
  insn('NP 0F 01 CB', 'STAC', { exec: 'raw:stac', cycles: 5, ends: true, cpuid: 'SMAP' }),
  insn('0F 01 F8', 'SWAPGS', { exec: 'raw:swapgs', cycles: 5, cpl0: true, mode: '64' }),
  insn('0F 30', 'WRMSR', { exec: 'raw:wrmsr', cycles: 60, cpl0: true, ends: true, cpuid: 'MSR' }),
  insn('0F 32', 'RDMSR', { exec: 'raw:rdmsr', cycles: 30, cpl0: true, ends: 'next', cpuid: 'MSR' }),
  insn('0F 31', 'RDTSC', { exec: 'raw:rdtsc', cycles: 20, ends: 'next', cpuid: 'TSC' }),
  insn('0F 01 F9', 'RDTSCP', { exec: 'raw:rdtscp', cycles: 25, ends: 'next', cpuid: 'RDTSCP' }),
  insn('0F 33', 'RDPMC', { exec: 'raw:rdpmc', cycles: 20, ends: 'next' }),
  insn('0F A2', 'CPUID', { exec: 'raw:cpuid', cycles: 100 }),
  insn('NP 0F 01 D0', 'XGETBV', { exec: 'raw:xgetbv', cycles: 10, cpuid: 'XSAVE' }),
  insn('NP 0F 01 D1', 'XSETBV', { exec: 'raw:xsetbv', cycles: 20, ends: true, cpuid: 'XSAVE' }),
  insn('0F 01 /7 mem', 'INVLPG m', { ops: 'r:m', exec: 'raw:invlpg', cycles: 60, cpl0: true, ends: true, bytes: 0x4000 }),
  insn('66 0F 38 82 /r mem', 'INVPCID r64, m128', { ops: 'r:reg r:m', exec: 'raw:invpcid', cycles: 60, cpl0: true, ends: true, cpuid: 'INVPCID' }),
  insn('NP 0F 01 EE', 'RDPKRU', { exec: 'raw:rdpkru', cycles: 20, cpuid: 'PKU' }),
  insn('NP 0F 01 EF', 'WRPKRU', { exec: 'raw:wrpkru', cycles: 40, ends: true, cpuid: 'PKU' }),
  insn('0F 08', 'INVD', { exec: 'raw:cacheFlush', cycles: 200, cpl0: true }),
  insn('0F 09', 'WBINVD', { exec: 'raw:cacheFlush', cycles: 200, cpl0: true }),
  insn('0F 01 /2 mem', 'LGDT m16&64', { ops: 'r:m', exec: 'raw:lgdt', cycles: 20, cpl0: true }),
  insn('0F 01 /3 mem', 'LIDT m16&64', { ops: 'r:m', exec: 'raw:lidt', cycles: 20, cpl0: true }),
  insn('0F 01 /0 mem', 'SGDT m', { ops: 'w:m', exec: 'raw:sgdt', cycles: 10, bytes: 6 }),
  insn('0F 01 /1 mem', 'SIDT m', { ops: 'w:m', exec: 'raw:sidt', cycles: 10, bytes: 6 }),
];

const segments: InsnForm[] = [
  insn('8E /r', 'MOV Sreg, r/m16', { ops: 'w:sreg r:rm', exec: 'raw:movToSegment', cycles: 10, ends: true }),
  insn('8C /r mem', 'MOV m16, Sreg', { ops: 'w:rm r:sreg', exec: 'raw:movFromSegmentToMemory', cycles: 2 }),
  insn('o16 8C /r reg', 'MOV r16, Sreg', { ops: 'w:rm r:sreg', exec: 'raw:movFromSegment<u16>', cycles: 2 }),
  insn('8C /r reg', 'MOV r64, Sreg', { ops: 'w:rm r:sreg', exec: 'raw:movFromSegment<u64>', cycles: 2 }),
  ...[['FS', 'A0', 'A1', 4], ['GS', 'A8', 'A9', 5]].flatMap(([name, push, pop, cc]) => [
    ...[['', 'u64', '64'], ['', 'u32', 'not64'], ['o16 ', 'u16', 'any']].flatMap(([prefix, type, mode]) => [
      insn(`${prefix}0F ${push}`, `PUSH ${name}`, { exec: `raw:pushSegment<${type}>`, cycles: 2, cc: cc as number, mode: mode as FormMode }),
      insn(`${prefix}0F ${pop}`, `POP ${name}`, { exec: `raw:popSegment<${type}>`, cycles: 10, cc: cc as number, mode: mode as FormMode }),
    ]),
  ]),
  ...sizes.flatMap(({ bits, prefix, type }) => [
    insn(`${prefix} 0F B2 /r mem`, `LSS r${bits}, m16:${bits}`, { ops: 'w:reg r:m', exec: `raw:lss<${type}>`, cycles: 10, ends: true }),
    insn(`${prefix} 0F B4 /r mem`, `LFS r${bits}, m16:${bits}`, { ops: 'w:reg r:m', exec: `raw:lfs<${type}>`, cycles: 10 }),
    insn(`${prefix} 0F B5 /r mem`, `LGS r${bits}, m16:${bits}`, { ops: 'w:reg r:m', exec: `raw:lgs<${type}>`, cycles: 10 }),
    insn(`${prefix} 0F 02 /r`, `LAR r${bits}, r/m16`, { ops: 'w:reg r:rm', exec: `raw:lar<${type}>`, flags: 'w=z', cycles: 15, protected: true }),
    insn(`${prefix} 0F 03 /r`, `LSL r${bits}, r/m16`, { ops: 'w:reg r:rm', exec: `raw:lsl<${type}>`, flags: 'w=z', cycles: 15, protected: true }),
  ]),
  insn('0F 00 /4', 'VERR r/m16', { ops: 'r:rm', exec: 'verr<u16>', flags: 'w=z', cycles: 15, protected: true }),
  insn('0F 00 /5', 'VERW r/m16', { ops: 'r:rm', exec: 'verw<u16>', flags: 'w=z', cycles: 15, protected: true }),
  insn('0F 00 /2', 'LLDT r/m16', { ops: 'r:rm', exec: 'lldt<u16>', cycles: 20, cpl0: true, protected: true }),
  insn('0F 00 /3', 'LTR r/m16', { ops: 'r:rm', exec: 'ltr<u16>', cycles: 20, cpl0: true, protected: true }),
  insn('0F 00 /0 mem', 'SLDT m16', { ops: 'w:rm', exec: 'storeLdtr<u16>', cycles: 2, protected: true }),
  insn('o16 0F 00 /0 reg', 'SLDT r16', { ops: 'w:rm', exec: 'storeLdtr<u16>', cycles: 2, protected: true }),
  insn('0F 00 /0 reg', 'SLDT r64', { ops: 'w:rm', exec: 'storeLdtr<u64>', cycles: 2, protected: true }),
  insn('0F 00 /1 mem', 'STR m16', { ops: 'w:rm', exec: 'storeTr<u16>', cycles: 2, protected: true }),
  insn('o16 0F 00 /1 reg', 'STR r16', { ops: 'w:rm', exec: 'storeTr<u16>', cycles: 2, protected: true }),
  insn('0F 00 /1 reg', 'STR r64', { ops: 'w:rm', exec: 'storeTr<u64>', cycles: 2, protected: true }),
];

const ports: InsnForm[] = [
  insn('E4 ib', 'IN AL, imm8', { ops: 'w:acc r:imm8', exec: 'raw:inImmediate<u8>', cycles: 30, ends: 'next' }),
  insn('o16 E5 ib', 'IN AX, imm8', { ops: 'w:acc r:imm8', exec: 'raw:inImmediate<u16>', cycles: 30, ends: 'next' }),
  insn('E5 ib', 'IN EAX, imm8', { ops: 'w:acc r:imm8', exec: 'raw:inImmediate<u32>', cycles: 30, ends: 'next' }),
  insn('EC', 'IN AL, DX', { ops: 'w:acc r:dx', exec: 'raw:inDx<u8>', cycles: 30, ends: 'next' }),
  insn('o16 ED', 'IN AX, DX', { ops: 'w:acc r:dx', exec: 'raw:inDx<u16>', cycles: 30, ends: 'next' }),
  insn('ED', 'IN EAX, DX', { ops: 'w:acc r:dx', exec: 'raw:inDx<u32>', cycles: 30, ends: 'next' }),
  insn('E6 ib', 'OUT imm8, AL', { ops: 'r:imm8 r:acc', exec: 'raw:outImmediate<u8>', cycles: 30, ends: 'next' }),
  insn('o16 E7 ib', 'OUT imm8, AX', { ops: 'r:imm8 r:acc', exec: 'raw:outImmediate<u16>', cycles: 30, ends: 'next' }),
  insn('E7 ib', 'OUT imm8, EAX', { ops: 'r:imm8 r:acc', exec: 'raw:outImmediate<u32>', cycles: 30, ends: 'next' }),
  insn('EE', 'OUT DX, AL', { ops: 'r:dx r:acc', exec: 'raw:outDx<u8>', cycles: 30, ends: 'next' }),
  insn('o16 EF', 'OUT DX, AX', { ops: 'r:dx r:acc', exec: 'raw:outDx<u16>', cycles: 30, ends: 'next' }),
  insn('EF', 'OUT DX, EAX', { ops: 'r:dx r:acc', exec: 'raw:outDx<u32>', cycles: 30, ends: 'next' }),
  insn('6C', 'INSB', { exec: 'raw:ins<u8>', cycles: 30, ends: true }),
  insn('o16 6D', 'INSW', { exec: 'raw:ins<u16>', cycles: 30, ends: true }),
  insn('6D', 'INSD', { exec: 'raw:ins<u32>', cycles: 30, ends: true }),
  insn('6E', 'OUTSB', { exec: 'raw:outs<u8>', cycles: 30, ends: true }),
  insn('o16 6F', 'OUTSW', { exec: 'raw:outs<u16>', cycles: 30, ends: true }),
  insn('6F', 'OUTSD', { exec: 'raw:outs<u32>', cycles: 30, ends: true }),
];

export const forms: InsnForm[] = [...flow, ...registers, ...segments, ...ports];
