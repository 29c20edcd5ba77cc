import { insn, type InsnForm } from './define.ts';
import { hex, sizes } from './families.ts';

// BT family, bit scans and counts, BMI1, BMI2, ADX, CRC32, and the instructions with two destinations.

export const forms: InsnForm[] = [];

for (const s of sizes) {
  const t = s.type, n = s.bits, r = `r${n}`, rm = `r/m${n}`;
  [['BT', 'bt', 0xa3, 4], ['BTS', 'bts', 0xab, 5], ['BTR', 'btr', 0xb3, 6], ['BTC', 'btc', 0xbb, 7]].forEach(([name, exec, opcode, digit]) => {
    const access = name === 'BT' ? 'r' : 'rw', info = { flags: 'w=c u=osap', cycles: 1, lock: name !== 'BT' };
    forms.push(
      insn(`${s.prefix} 0F ${hex(opcode as number)} /r reg`, `${name} ${rm}, ${r}`, { ...info, ops: `${access}:rm r:reg`, exec: `${exec}<${t}>` }),
      insn(`${s.prefix} 0F ${hex(opcode as number)} /r mem`, `${name} ${rm}, ${r}`, { ...info, ops: `${access}:rm r:reg`, exec: `raw:${exec}Far<${t}>`, cycles: 4, bytes: 0 }),
      insn(`${s.prefix} 0F BA /${digit} ib`, `${name} ${rm}, imm8`, { ...info, ops: `${access}:rm r:imm8`, exec: `${exec}<${t}>` }),
    );
  });
  forms.push(
    insn(`${s.prefix} 0F BC /r`, `BSF ${r}, ${rm}`, { ops: 'rw:reg r:rm', flags: 'w=z u=oscap', undefined: ['zero-source'], exec: `bsf<${t}>`, cycles: 3 }),
    insn(`${s.prefix} 0F BD /r`, `BSR ${r}, ${rm}`, { ops: 'rw:reg r:rm', flags: 'w=z u=oscap', undefined: ['zero-source'], exec: `bsr<${t}>`, cycles: 3 }),
    insn(`F3 ${s.prefix} 0F BC /r`, `TZCNT ${r}, ${rm}`, { ops: 'w:reg r:rm', flags: 'w=zc u=osap', exec: `tzcnt<${t}>`, cycles: 1, cpuid: 'BMI1' }),
    insn(`F3 ${s.prefix} 0F BD /r`, `LZCNT ${r}, ${rm}`, { ops: 'w:reg r:rm', flags: 'w=zc u=osap', exec: `lzcnt<${t}>`, cycles: 1, cpuid: 'LZCNT' }),
    insn(`F3 ${s.prefix} 0F B8 /r`, `POPCNT ${r}, ${rm}`, { ops: 'w:reg r:rm', flags: 'w=oszapc', exec: `popcount<${t}>`, cycles: 1, cpuid: 'POPCNT' }),
    insn(`${s.prefix} 0F C1 /r`, `XADD ${rm}, ${r}`, { ops: 'rw:rm rw:reg', flags: 'w=oszapc', exec: `raw:xadd<${t}>`, cycles: 2, lock: true }),
    insn(`${s.prefix} 0F B1 /r`, `CMPXCHG ${rm}, ${r}`, { ops: 'rw:rm r:reg', flags: 'w=oszapc', exec: `raw:cmpxchg<${t}>`, cycles: 3, lock: true, ...(n === 32 && { undefined: ['upper-half'] }) }),
  );
}
forms.push(
  insn('0F C0 /r', 'XADD r/m8, r8', { ops: 'rw:rm rw:reg', flags: 'w=oszapc', exec: 'raw:xadd<u8>', cycles: 2, lock: true }),
  insn('0F B0 /r', 'CMPXCHG r/m8, r8', { ops: 'rw:rm r:reg', flags: 'w=oszapc', exec: 'raw:cmpxchg<u8>', cycles: 3, lock: true }),
  insn('REX.W0 0F C7 /1 mem', 'CMPXCHG8B m64', { ops: 'rw:m', flags: 'w=z', exec: 'raw:cmpxchg8b', cycles: 4, lock: true }),
  insn('REX.W 0F C7 /1 mem', 'CMPXCHG16B m128', { ops: 'rw:m', flags: 'w=z', exec: 'raw:cmpxchg16b', cycles: 6, lock: true }),
  insn('F2 REX.W0 0F 38 F0 /r', 'CRC32 r32, r/m8', { ops: 'rw:reg r:rm', exec: 'crc32<u32,u8>', cycles: 3 }),
  insn('F2 REX.W 0F 38 F0 /r', 'CRC32 r64, r/m8', { ops: 'rw:reg r:rm', exec: 'crc32<u64,u8>', cycles: 3 }),
  insn('F2 o16 0F 38 F1 /r', 'CRC32 r32, r/m16', { ops: 'rw:reg r:rm', exec: 'crc32<u32,u16>', cycles: 3 }),
  insn('F2 o32 0F 38 F1 /r', 'CRC32 r32, r/m32', { ops: 'rw:reg r:rm', exec: 'crc32<u32,u32>', cycles: 3 }),
  insn('F2 REX.W 0F 38 F1 /r', 'CRC32 r64, r/m64', { ops: 'rw:reg r:rm', exec: 'crc32<u64,u64>', cycles: 3 }),
);

for (const [w, n, t, rex] of [['W0', 32, 'u32', 'REX.W0'], ['W1', 64, 'u64', 'REX.W']] as const) {
  // Outside 64-bit mode VEX.W is ignored.
  const only: { mode?: '64' } = n === 64 ? { mode: '64' } : {};
  const r = `r${n}`, rm = `r/m${n}`, field = { flags: 'w=oszc u=ap', cycles: 1, cpuid: 'BMI1', ...only };
  forms.push(
    insn(`66 ${rex} 0F 38 F6 /r`, `ADCX ${r}, ${rm}`, { ops: 'rw:reg r:rm', flags: 'r=c w=c', exec: `adcx<${t}>`, cycles: 1, cpuid: 'ADX' }),
    insn(`F3 ${rex} 0F 38 F6 /r`, `ADOX ${r}, ${rm}`, { ops: 'rw:reg r:rm', flags: 'r=o w=o', exec: `adox<${t}>`, cycles: 1, cpuid: 'ADX' }),
    insn(`VEX.LZ.0F38.${w} F2 /r`, `ANDN ${r}, ${r}, ${rm}`, { ...field, ops: 'w:reg r:vvvv r:rm', exec: `andn<${t}>` }),
    insn(`VEX.LZ.0F38.${w} F3 /1`, `BLSR ${r}, ${rm}`, { ...field, ops: 'w:vvvv r:rm', exec: `blsr<${t}>` }),
    insn(`VEX.LZ.0F38.${w} F3 /2`, `BLSMSK ${r}, ${rm}`, { ...field, ops: 'w:vvvv r:rm', exec: `blsmsk<${t}>` }),
    insn(`VEX.LZ.0F38.${w} F3 /3`, `BLSI ${r}, ${rm}`, { ...field, ops: 'w:vvvv r:rm', exec: `blsi<${t}>` }),
    insn(`VEX.LZ.0F38.${w} F7 /r`, `BEXTR ${r}, ${rm}, ${r}`, { ...field, flags: 'w=ozc u=sap', ops: 'w:reg r:rm r:vvvv', exec: `bextr<${t}>` }),
    insn(`VEX.LZ.0F38.${w} F5 /r`, `BZHI ${r}, ${rm}, ${r}`, { ...field, ops: 'w:reg r:rm r:vvvv', exec: `bzhi<${t}>`, cpuid: 'BMI2' }),
    insn(`VEX.LZ.F2.0F38.${w} F5 /r`, `PDEP ${r}, ${r}, ${rm}`, { ops: 'w:reg r:vvvv r:rm', exec: `pdep<${t}>`, cycles: 3, cpuid: 'BMI2', ...only }),
    insn(`VEX.LZ.F3.0F38.${w} F5 /r`, `PEXT ${r}, ${r}, ${rm}`, { ops: 'w:reg r:vvvv r:rm', exec: `pext<${t}>`, cycles: 3, cpuid: 'BMI2', ...only }),
    insn(`VEX.LZ.F2.0F38.${w} F6 /r`, `MULX ${r}, ${r}, ${rm}`, { ops: 'w:reg w:vvvv r:rm', exec: `raw:mulx<${t}>`, cycles: 3, cpuid: 'BMI2', ...only }),
    insn(`VEX.LZ.F2.0F3A.${w} F0 /r ib`, `RORX ${r}, ${rm}, imm8`, { ops: 'w:reg r:rm r:imm8', exec: `rorx<${t}>`, cycles: 1, cpuid: 'BMI2', ...only }),
    insn(`VEX.LZ.66.0F38.${w} F7 /r`, `SHLX ${r}, ${rm}, ${r}`, { ops: 'w:reg r:rm r:vvvv', exec: `shlx<${t}>`, cycles: 1, cpuid: 'BMI2', ...only }),
    insn(`VEX.LZ.F2.0F38.${w} F7 /r`, `SHRX ${r}, ${rm}, ${r}`, { ops: 'w:reg r:rm r:vvvv', exec: `shrx<${t}>`, cycles: 1, cpuid: 'BMI2', ...only }),
    insn(`VEX.LZ.F3.0F38.${w} F7 /r`, `SARX ${r}, ${rm}, ${r}`, { ops: 'w:reg r:rm r:vvvv', exec: `sarx<${t}>`, cycles: 1, cpuid: 'BMI2', ...only }),
  );
}
