import { describe, expect, test } from 'vitest';
import * as abi from '../../emulator/core/abi.ts';
import { type Box, CODE, createBox, DATA, get, read64, reg, run, set, setReg, setSegment, STACK, write64 } from './testbox.ts';

// Code outside 64-bit mode: decoding, addresses, stack and branches in compatibility mode, and in real-address mode without paging.

const D = 0x4000, CODE_RIGHTS = 0x809b, DATA_RIGHTS = 0x8093;

/** The test box in compatibility mode at CPL 0: flat segments with the default size of `bits`. */
function compatibility(code: string, bits: 16 | 32): Box {
  const b = createBox(code), d = bits === 32 ? D : 0;
  setSegment(b, abi.SEG_CS, 8, CODE_RIGHTS | d);
  for (const s of [abi.SEG_ES, abi.SEG_SS, abi.SEG_DS, abi.SEG_FS, abi.SEG_GS]) setSegment(b, s, 16, DATA_RIGHTS | d);
  b.core.setState(0);
  return b;
}

/** Real-address mode: code at CODE through CS = CODE >> 4, data and stack in segment DATA >> 4, SP = 1000. */
function real(code: string): Box {
  const b = createBox(code);
  set(b, abi.CR0, 0x10n);
  set(b, abi.EFER, 0n);
  set(b, abi.RIP, 0n);
  setSegment(b, abi.SEG_CS, CODE >> 4, 0x9b, BigInt(CODE), 0xffff);
  for (const s of [abi.SEG_ES, abi.SEG_SS, abi.SEG_DS]) setSegment(b, s, DATA >> 4, 0x93, BigInt(DATA), 0xffff);
  setReg(b, 'rsp', 0x1000n);
  b.core.setState(0);
  b.core.hostTlbFlush(0, 1);
  return b;
}

function halted(b: Box): Box {
  const reason = run(b);
  if (reason !== abi.EXIT_HALT) throw new Error(`exit ${reason} at ${get(b, abi.RIP).toString(16)}`);
  return b;
}

describe('32-bit code', () => {
  test('has INC and DEC where 64-bit mode has REX, and 32-bit pushes', () => {
    // mov eax,41414141; inc eax; dec ecx; push eax; push 7f; pop edx; hlt
    const b = halted(compatibility('b841414141 40 49 50 6a7f 5a f4', 32));
    expect(reg(b, 'rax')).toBe(0x41414142n);
    expect(reg(b, 'rcx')).toBe(0xffffffffn);
    expect(reg(b, 'rdx')).toBe(0x7fn);
    expect(reg(b, 'rsp')).toBe(BigInt(STACK - 4));
    expect(read64(b, STACK - 8)).toBe(0x414141420000007fn);
  });
  test('addresses absolutely, with 32-bit wrap, and with 16-bit addresses under 67', () => {
    const b = compatibility('8b0d00000200 8b51f0 67a10400 67 8b5c04 f4', 32);
    write64(b, DATA, 0x1122334455667788n);
    write64(b, DATA + 0x10, 0x99n);
    setSegment(b, abi.SEG_DS, 16, DATA_RIGHTS | D, BigInt(DATA));
    b.core.setState(0);
    // With a base of 20000, [20000] is at 40000; write it there.
    write64(b, DATA * 2, 0xffffffff00000000n + 0x20n);
    setReg(b, 'rsi', 0xabcd0010n);
    expect(reg(halted(b), 'rcx')).toBe(0x20n);
    expect(reg(b, 'rdx')).toBe(0x99n); // [ecx - 10]
    expect(reg(b, 'rax')).toBe(0x11223344n); // moffs16
    expect(reg(b, 'rbx')).toBe(0n); // [si + 4]: si is 10
  });
  test('calls, returns and loops with EIP', () => {
    // mov ecx,3; L: call F; loop L; hlt; F: add eax,2; ret
    const b = halted(compatibility('b903000000 e803000000 e2f9 f4 83c002 c3', 32));
    expect(reg(b, 'rax')).toBe(6n);
    expect(get(b, abi.RIP)).toBe(BigInt(CODE + 13));
    expect(reg(b, 'rsp')).toBe(BigInt(STACK));
  });
  test('sees the limit and the rights of its segments', () => {
    for (const [rights, limit, expected] of [
      [DATA_RIGHTS | D, 0x20003, 'halt'],
      [DATA_RIGHTS | D, 0x20002, 13],
      [DATA_RIGHTS - 2, 0xfffff, 13], // read-only
      [DATA_RIGHTS + 4, 0xff, 13], // expand-down and not big: offsets above FFFF are outside
      [DATA_RIGHTS + 4 + D, 0x20000, 13],
      [DATA_RIGHTS + 4 + D, 0x1ffff, 'halt'],
      [0, 0, 13],
    ] as const) {
      const b = compatibility('c7050000020001000000 f4', 32);
      setSegment(b, abi.SEG_DS, 16, rights, 0n, limit);
      b.core.setState(0);
      run(b);
      const at = Number(get(b, abi.RIP)), got = at === CODE + 11 ? 'halt' : (at - 1 - 0x7000) >> 4;
      expect([rights, limit, got]).toEqual([rights, limit, expected]);
    }
  });
  test('far below its limit runs, and faults where it ends', () => {
    // Two NOPs and a JZ over the limit (not taken), then the limit.
    const b = compatibility('90 7410 90 90 90', 32);
    setReg(b, 'rax', 1n);
    b.core.flagsSet(0, 2);
    setSegment(b, abi.SEG_CS, 8, CODE_RIGHTS | D, 0n, CODE + 4);
    b.core.setState(0);
    run(b);
    expect((Number(get(b, abi.RIP)) - 1 - 0x7000) >> 4).toBe(13);
    expect(read64(b, Number(reg(b, 'rsp')) + 8)).toBe(BigInt(CODE + 5));
  });
});

describe('real-address mode', () => {
  test('computes with 16 bits, addresses through segments', () => {
    // mov ax,1234; mov [10],ax; mov bx,10; add word [bx],1; push word [bx]; pop cx; mov eax,[10]; hlt
    const b = halted(real('b83412 a31000 bb1000 830701 ff37 59 66a11000 f4'));
    expect(reg(b, 'rcx')).toBe(0x1235n);
    expect(reg(b, 'rax')).toBe(0x1235n);
    expect(reg(b, 'rsp')).toBe(0x1000n);
    expect(read64(b, DATA + 0xffe) & 0xffffn).toBe(0x1235n);
  });
  test('calls near with IP, wraps SP, copies strings by SI and DI', () => {
    // mov sp,2; call F (5 bytes on); hlt...: F: mov si,0; mov di,20; mov cx,8; rep movsb; ret
    const b = real('bc0200 e80100 f4 be0000 bf2000 b90800 f3a4 c3');
    write64(b, DATA, 0x0807060504030201n);
    halted(b);
    // The return address lies in the first two bytes.
    expect(read64(b, DATA + 0x20)).toBe(0x0807060504030006n);
    expect([reg(b, 'rsi'), reg(b, 'rdi'), reg(b, 'rcx')]).toEqual([8n, 0x28n, 0n]);
    expect(reg(b, 'rsp')).toBe(2n);
  });
  test('has no ARPL, LAR or VEX', () => {
    for (const code of ['63c0', '0f02c0', 'c4e278f2c0']) {
      const b = real(code);
      b.core.run(0, 5, 0);
      // What delivery in real mode does is not this file's business: it is enough that the instruction has not run.
      expect(get(b, abi.RIP)).not.toBe(BigInt(code.length / 2));
    }
  });
});
