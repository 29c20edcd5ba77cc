import { describe, expect, it } from 'vitest';
import { R12, R13, R8, RAX, RBP, RBX, RCX, RDX, RSI, RSP } from '../../hal/bus/cpu.ts';
import { Assembler, gs, mem, sym } from './asm.ts';
import { encodeUnwindInfo } from './unwindinfo.ts';

const hex = (emit: (a: Assembler) => void): string => {
  const a = new Assembler();
  emit(a);
  return [...a.finish().bytes].map(b => b.toString(16).padStart(2, '0')).join(' ');
};

describe('the assembler', () => {
  // Encodings as GNU as gives them.
  it.each<[string, (a: Assembler) => void]>([
    ['48 89 c8', a => a.mov(RAX, RCX)],
    ['4c 89 44 24 18', a => a.mov(mem(RSP, 0x18), R8)],
    ['49 8b 04 24', a => a.mov(RAX, mem(R12))],
    ['41 8b 45 00', a => a.mov(RAX, mem(R13), 4)],
    ['8a 4d 80', a => a.mov(RCX, mem(RBP, -128), 1)],
    ['48 8b 84 8b 00 01 00 00', a => a.mov(RAX, mem(RBX, 0x100, RCX, 4))],
    ['40 88 31', a => a.mov(mem(RCX), RSI, 1)],
    ['65 48 8b 04 25 88 01 00 00', a => a.mov(RAX, gs(0x188))],
    ['b8 02 00 00 00', a => a.movImm(RAX, 2)],
    ['49 c7 c0 ff ff ff ff', a => a.movImm(R8, -1)],
    ['48 b9 88 77 66 55 44 33 22 11', a => a.movImm(RCX, 0x1122334455667788n)],
    ['48 c7 01 00 00 00 00', a => a.movImm(mem(RCX), 0)],
    ['f0 48 0f ba 29 00', a => a.lockBts(mem(RCX), 0)],
    ['f0 48 0f c7 4f 10', a => a.lockCmpxchg16b(mem(7, 0x10))],
    ['f0 0f b1 11', a => a.lockCmpxchg(mem(RCX), RDX, 4)],
    ['44 0f 20 c0', a => a.readCr8(RAX)],
    ['45 0f 22 c0', a => a.writeCr8(R8)],
    ['0f 29 75 70', a => a.storeXmm(mem(RBP, 0x70), 6)],
    ['44 0f 28 04 24', a => a.loadXmm(8, mem(RSP))],
    ['0f ae 5d ac', a => a.stmxcsr(mem(RBP, -0x54))],
    ['48 83 ec 28', a => a.subImm(RSP, 0x28)],
    ['48 81 c4 68 01 00 00', a => a.addImm(RSP, 0x168)],
    ['65 83 3c 25 ac 32 00 00 00', a => a.cmpImm(gs(0x32ac), 0, 4)],
    ['f6 85 f0 00 00 00 01', a => a.testImm(mem(RBP, 0xf0), 1, 1)],
    ['41 57', a => a.push(15)],
    ['0f 92 c0', a => a.setcc('b', RAX)],
    ['66 81 39 34 12', a => a.cmpImm(mem(RCX), 0x1234, 2)],
  ])('%s', (bytes, emit) => {
    expect(hex(emit)).toBe(bytes);
  });

  it('resolves labels both ways and leaves symbols to the linker', () => {
    const a = new Assembler();
    a.label('top');
    a.jcc('e', 'end');
    a.jmp('top');
    a.call('nt!KeSetEvent');
    a.lea(RAX, sym('nt!KiBugCheckData', 8));
    a.label('end');
    const done = a.finish();
    expect([...done.bytes.subarray(0, 11)]).toEqual([0x0f, 0x84, 17, 0, 0, 0, 0xe9, 0xf5, 0xff, 0xff, 0xff]);
    expect(done.fixups).toEqual([
      { at: 12, end: 16, symbol: 'nt!KeSetEvent', addend: 0 },
      { at: 19, end: 23, symbol: 'nt!KiBugCheckData', addend: 8 },
    ]);
  });

  it('refuses a jump to a label that is not there', () => {
    const a = new Assembler();
    a.jmp('nowhere');
    expect(() => a.finish()).toThrow('label nowhere is not defined');
  });

  it('describes prologues', () => {
    const a = new Assembler();
    a.prologPush(RBP);
    a.prologAlloc(0x158);
    a.prologFrame(RBP, 0x80);
    // SET_FPREG at the end, ALLOC_LARGE 0x158 / 8, PUSH_NONVOL rbp; frame register RBP at 8 * 16.
    expect([...encodeUnwindInfo(a.finish().unwind)]).toEqual([1, 16, 4, 0x85, 16, 3, 8, 1, 0x2b, 0, 1, 0x50]);
  });
});
