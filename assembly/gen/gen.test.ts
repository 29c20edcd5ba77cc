import { describe, expect, test } from 'vitest';
import { allForms } from '../isa/index.ts';
import { insn, type InsnForm } from '../isa/define.ts';
import { CODE, createBox, load, run, set, setSegment } from '../core/testbox.ts';
import * as abi from '../../emulator/core/abi.ts';
import { fixedCodes } from './dispatch.ts';
import { parseEncoding } from './encoding.ts';
import { parseOperands } from './operands.ts';
import { decodeTables, parseForms, type Form } from './tables.ts';

const form = (encoding: string, syntax = 'TEST', ops?: string, exec = 'nop'): InsnForm =>
  insn(encoding, syntax, { exec, cycles: 1, ops });

describe('encodings', () => {
  test('are read as the SDM writes them', () => {
    const e = parseEncoding(form('REX.W 0F BA /4 ib'));
    expect([e.map, e.opcode, e.digit, e.modrm, e.follows, e.accept.w, e.accept.size]).toEqual([1, 0xba, 4, true, ['ib'], 2, 4]);
    const v = parseEncoding(form('VEX.LZ.F2.0F38.W1 F6 /r'));
    expect([v.map, v.opcode, v.accept.prefix, v.accept.l, v.accept.w]).toEqual([5, 0xf6, 8, 1, 2]);
    const g = parseEncoding(form('0F 01 C1'));
    expect([g.map, g.opcode, g.digit, g.accept.mod, g.accept.rm]).toEqual([1, 0x01, 0, 1, 2]);
    expect(parseEncoding(form('o32 50+rd')).plusRegister).toBe(true);
  });

  test('that nobody understands are errors that name the form', () => {
    expect(() => parseEncoding(form('0F 01 /9', 'ODD m8'))).toThrow('ODD m8: encoding "0F 01 /9": "/9" is not understood');
    expect(() => parseEncoding(form('o32'))).toThrow('no opcode');
    expect(() => parseForms([form('01 ib', 'ODD r8', 'rw:rm r:imm8', 'add<u8>')])).toThrow('has no /r or /digit');
    expect(() => parseOperands(form('01 /r', 'ODD', 'x:rm'))).toThrow('"x:rm" is not understood');
    expect(() => parseForms([form('01 /0 ib', 'ODD', 'rw:rm r:imm16', 'add<u8>')])).toThrow('imm16 does not go with "ib"');
  });
});

describe('opcodes', () => {
  const tables = (...list: InsnForm[]) => decodeTables(parseForms(list));
  test('that two forms claim are an error', () => {
    expect(() => tables(form('0F 0B'), form('0F 0B', 'OTHER'))).toThrow('claim the same opcode');
    expect(() => tables(form('o32 01 /r'), form('01 /r reg'))).toThrow('claim the same opcode');
    expect(() => tables(form('01 /r'), form('01', 'OTHER'))).toThrow('ModRM');
  });
  test('of the more specific form come first', () => {
    const t = tables(form('0F BC /r', 'BSF'), form('F3 0F BC /r', 'TZCNT'));
    expect(t.candidates.slice(1).map(c => c[1])).toEqual([2, 1]);
  });
});

type Bits = 64 | 32 | 16;

/** Whether the form has an encoding in code of that size. */
function existsIn(f: Form, bits: Bits): boolean {
  const a = f.encoding.accept;
  if ((a.mode & (bits === 64 ? 1 : 2)) === 0) return false;
  // 67 gives 32 and 64, or 16 and 32; REX.W is for 64-bit mode, as is VEX.W where it makes a general register wider.
  if ((a.address & (bits === 64 ? 6 : 3)) === 0) return false;
  if (bits === 64 || a.w !== 2) return true;
  return f.encoding.vex && !f.operands.some(o => ['reg', 'rm', 'vvvv'].includes(o.place)) && !/^VPCMPESTR/.test(f.record.syntax);
}

/** Bytes of a form's plainest instruction: registers 0 (1 in the opcode, where 90 is NOP), memory at [0] by register 0 (or BX and SI), constants 0. */
function example(f: Form, bits: Bits): number[] {
  // Of two forms, one of them for 16 bits, the other is for the rest.
  const rest16 =
    bits === 16 && allForms.some(g => /^(o16 |.* o16 )/.test(g.encoding) && g.encoding.replace('o16 ', '') === f.record.encoding);
  const e = f.encoding,
    a = e.accept,
    follows: Record<string, number> = { ib: 1, iw: 2, id: 4, io: 8, cb: 1, cw: 2, cd: 4, cp: 6 };
  const mod = a.mod & 1 ? 3 : 0,
    rm = Math.log2(a.rm & -a.rm);
  // A gather has a SIB byte; here its index is register 1.
  const gather = f.operands.some(o => o.place === 'vm');
  const modrm = e.modrm ? [(mod << 6) | (Math.max(e.digit, 0) << 3) | (gather ? 4 : rm), ...(gather ? [0x08] : [])] : [];
  const rest = [
    ...e.follows.flatMap(x => Array<number>(follows[x]).fill(0)),
    ...(f.immediate === 'moffs' ? Array<number>(8).fill(0) : []),
  ];
  const pp = [1, 2, 4, 8].findIndex(bit => a.prefix & bit);
  if (e.vex)
    return [
      // A vector index needs addresses of 32 bits at least.
      ...(gather && bits === 16 ? [0x67] : []),
      0xc4,
      0xe0 | (e.map - 3),
      ((a.w & 1 ? 0 : 1) << 7) | 0x78 | ((a.l & 1 ? 0 : 1) << 2) | pp,
      e.opcode,
      ...modrm,
      ...rest,
    ];
  const bytes: number[] = [];
  // Operand size 16 and a mandatory 66 are the same byte; with F2 or F3 as mandatory prefix both may stand.
  if ((a.size & { 64: 6, 32: 2, 16: 1 }[bits]) === 0 || a.prefix === 2 || rest16) bytes.push(0x66);
  if ((a.address & { 64: 4, 32: 2, 16: 1 }[bits]) === 0) bytes.push(0x67);
  if (a.prefix === 4) bytes.push(0xf3);
  if (a.prefix === 8) bytes.push(0xf2);
  if (a.w === 2) bytes.push(0x48);
  // The default alternative of "any prefix" is none.
  bytes.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][e.map], e.opcode + (e.plusRegister ? 1 : 0), ...modrm, ...rest);
  return bytes;
}

const ARENA = 0x1400000,
  HEADER = 48,
  OP_FORM = 42,
  OP_CODE = 0,
  ADDRESS_CODES = [fixedCodes.indexOf('CODE_EA'), fixedCodes.indexOf('CODE_EA_SEGMENT')];

test.each([64, 32, 16] as const)('the core decodes an example of every form as that form in %i-bit code', bits => {
  const b = createBox('f4'),
    wrong: string[] = [];
  // SSE and AVX on, so that nothing is refused before it is decoded.
  set(b, abi.CR4, 0x6a0n | 0x50000n);
  set(b, abi.XCR0, 7n);
  let count = 0;
  for (const f of parseForms(allForms)) {
    if (!existsIn(f, bits)) continue;
    count++;
    const bytes = example(f, bits);
    b.core.flushCode();
    load(b, CODE, Uint8Array.from([...bytes, 0xf4]));
    set(b, abi.RIP, BigInt(bits === 16 ? 0 : CODE));
    b.view.setUint32(b.cpu + abi.ACTIVITY, abi.ACTIVITY_RUNNING, true);
    // SYSRET leaves for CPL 3.
    b.view.setUint32(b.cpu + abi.CPL, 0, true);
    if (bits === 64) setSegment(b, abi.SEG_CS, 8, 0xa09b);
    else if (bits === 32) setSegment(b, abi.SEG_CS, 8, 0xc09b);
    else setSegment(b, abi.SEG_CS, 8, 0x9b, BigInt(CODE), 0xffff);
    b.core.setState(0);
    run(b, 1);
    let op = ARENA + HEADER;
    if (ADDRESS_CODES.includes(b.view.getUint16(op + OP_CODE, true))) op += 48;
    const got = b.view.getUint16(op + OP_FORM, true);
    if (got !== f.number)
      wrong.push(
        `${f.record.syntax} [${f.record.encoding}] ${bytes.map(x => x.toString(16)).join(' ')}: ${got === 0 ? 'none' : `${allForms[got - 1].syntax} [${allForms[got - 1].encoding}]`}`,
      );
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(bits === 64 ? 1100 : 900);
});
