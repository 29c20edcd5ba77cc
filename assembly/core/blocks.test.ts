import { describe, expect, test } from 'vitest';
import * as abi from '../../emulator/core/abi.ts';
import { missingOpcodes } from '../../emulator/core/missing.ts';
import { CODE, createBox, DATA, get, hex, load, outcome, P, pte, read64, reg, run, set, setReg, vectorOf, W } from './testbox.ts';
import type { Box } from './testbox.ts';

// Decoded code: what makes it stale, where blocks end, and that none of it shows.

/** Runs from CODE again. */
function again(b: Box): void {
  set(b, abi.RIP, BigInt(CODE));
  b.view.setUint32(b.cpu + abi.ACTIVITY, abi.ACTIVITY_RUNNING, true);
  b.core.setState(0);
}

describe('self-modifying code', () => {
  test('an instruction may rewrite the next one', () => {
    // mov byte [rip+1], 0x2a ; mov al, 0 ; hlt
    const b = createBox('c605 01000000 2a b000 f4');
    expect(vectorOf(b)).toBe(-1);
    expect(reg(b, 'rax') & 0xffn).toBe(0x2an);
  });

  test('and a loop may rewrite itself each time round', () => {
    // again: mov [rip+1], cl ; mov al, 0 ; add rdx, rax ; dec ecx ; jnz again ; hlt
    const b = createBox('880d 01000000 b000 4801c2 ffc9 75f1 f4');
    setReg(b, 'rcx', 100n);
    setReg(b, 'rdx', 0n);
    expect(vectorOf(b)).toBe(-1);
    expect(reg(b, 'rdx')).toBe(5050n);
  });

  test('through another linear address of the same page too', () => {
    // mov byte [0x50009], 0x2a ; mov al, 0 ; hlt, and 50000h is the code page again
    const b = createBox('c60425 09000500 2a b000 f4');
    pte(b, 0x50000, BigInt(CODE) | P | W);
    expect(vectorOf(b)).toBe(-1);
    expect(reg(b, 'rax') & 0xffn).toBe(0x2an);
  });

  test('in the second page of an instruction that lies in two', () => {
    // mov word [CODE+0x1000], 0x1234 ; jmp to the end of the page, where mov eax, imm32 has its last two bytes in the next page
    const b = createBox('66c70425 00100100 3412 e9ee0f0000');
    load(b, CODE + 0xffd, hex('b8 11 22 33 44 f4'));
    for (let i = 0; i < 2; i++) {
      again(b);
      expect(vectorOf(b)).toBe(-1);
      expect(reg(b, 'rax')).toBe(0x12342211n);
      // The first time the instruction was not decoded before the store; the second time it is.
      load(b, CODE + 0x1000, hex('3344'));
      set(b, abi.RIP, BigInt(CODE + 0xffd));
      b.view.setUint32(b.cpu + abi.ACTIVITY, abi.ACTIVITY_RUNNING, true);
      b.core.setState(0);
      expect(vectorOf(b)).toBe(-1);
      expect(reg(b, 'rax')).toBe(0x44332211n);
    }
  });

  test('the host drops what it overwrites', () => {
    const b = createBox('b801000000 f4');
    vectorOf(b);
    load(b, CODE + 1, Uint8Array.of(9));
    again(b);
    vectorOf(b);
    expect(reg(b, 'rax')).toBe(9n);
  });

  test('writes beside code drop nothing: a stack and data in the code page', () => {
    // again: push rcx ; mov [rdi], rcx ; pop rax ; dec rcx ; jnz again ; hlt
    const b = createBox('51 48890f 58 48ffc9 75f6 f4');
    setReg(b, 'rcx', 1000n);
    setReg(b, 'rdi', BigInt(CODE + 0x20));
    set(b, abi.RSP, BigInt(CODE + 0xff8));
    const before = b.core.blocksDecoded();
    expect(run(b, 100_000)).toBe(abi.EXIT_HALT);
    // The loop, its first time through from the start, its end, and what the budget's end and the stores' first time ran alone.
    expect(b.core.blocksDecoded() - before).toBeLessThan(12);
    expect(read64(b, CODE + 0x20)).toBe(1n);
  });
});

describe('where blocks end', () => {
  test('an instruction across two pages faults in the second page with RIP at its start', () => {
    const b = createBox('f4');
    load(b, CODE + 0xffe, hex('b8 11'));
    pte(b, CODE + 0x1000, 0n);
    set(b, abi.RIP, BigInt(CODE + 0xffe));
    expect(outcome(b)).toBe('e:10');
    expect(get(b, abi.CR2)).toBe(BigInt(CODE + 0x1000));
    expect(read64(b, Number(reg(b, 'rsp')) + 8)).toBe(BigInt(CODE + 0xffe));
  });

  test('what runs before it is not lost when the page comes later', () => {
    // inc eax just before the instruction that crosses
    const b = createBox('f4');
    load(b, CODE + 0xffb, hex('ffc0 90 b8 07'));
    load(b, CODE + 0x1000, hex('000000 f4'));
    pte(b, CODE + 0x1000, 0n);
    set(b, abi.RIP, BigInt(CODE + 0xffb));
    setReg(b, 'rax', 41n);
    expect(outcome(b)).toBe('e:10');
    expect(reg(b, 'rax')).toBe(42n);
    pte(b, CODE + 0x1000, BigInt(CODE + 0x1000) | P | W);
    b.core.hostTlbFlush(0, 1);
    again(b);
    set(b, abi.RIP, BigInt(CODE + 0xffe));
    expect(vectorOf(b)).toBe(-1);
    expect(reg(b, 'rax')).toBe(7n);
  });

  test('an instruction of more than 15 bytes is #GP(0)', () => {
    expect(outcome(createBox('66666666666666666666666666666690 f4'))).toBe('d:0');
    expect(outcome(createBox('666666666666666666666666666690 f4'))).toBe('halt');
  });

  test('more code than the arena holds is decoded anew', () => {
    // 700,000 jumps to the next instruction, each a block of its own.
    const b = createBox('f4');
    const from = 0x40000, n = 0x1c0000 - from;
    for (let i = 0; i < n; i += 2) b.bytes.set([0xeb, 0], b.ram + from + i);
    b.bytes[b.ram + from + n] = 0xf4;
    b.core.hostWrote(from, n + 1);
    for (let va = from; va <= from + n; va += 0x1000) pte(b, va, BigInt(va) | P | W);
    const flushes = b.core.codeFlushes(), instructions = get(b, abi.INSTRUCTIONS);
    set(b, abi.RIP, BigInt(from));
    expect(run(b, 10_000_000)).toBe(abi.EXIT_HALT);
    expect(b.core.codeFlushes()).toBeGreaterThan(flushes);
    expect(get(b, abi.INSTRUCTIONS) - instructions).toBe(BigInt(n / 2 + 1));
  });
});

describe('counting', () => {
  test('a fault in the middle of a block counts only what ran', () => {
    // nop ; nop ; mov rax, [0] ; nop ; nop, with page 0 absent
    const b = createBox('90 90 488b042500000000 90 90 f4');
    pte(b, 0, 0n);
    const cycles = get(b, abi.CYCLES);
    // Two instructions and no more: at their cycle, before the one that faults.
    run(b, 2);
    expect([get(b, abi.CYCLES) - cycles, get(b, abi.INSTRUCTIONS)]).toEqual([2n, 2n]);
    expect(get(b, abi.RIP)).toBe(BigInt(CODE + 2));
    run(b, 1);
    // The delivery counts cycles, but the instruction that faulted did not retire.
    expect(get(b, abi.INSTRUCTIONS)).toBe(2n);
    expect(get(b, abi.CYCLES) - cycles).toBeGreaterThan(2n);
  });

  test('a run of one cycle is one instruction', () => {
    const b = createBox('ffc0 ffc0 ffc0 f4');
    for (let i = 1; i <= 3; i++) {
      expect(run(b, 1)).toBe(abi.EXIT_BUDGET);
      expect([reg(b, 'rax'), get(b, abi.RIP)]).toEqual([BigInt(i), BigInt(CODE + 2 * i)]);
    }
  });

  test('opcodes that are not there are counted by name', () => {
    const b = createBox('0f3aff c0 f4'), memory = { buffer: b.view.buffer } as WebAssembly.Memory;
    expect(outcome(b)).toBe('6');
    expect(missingOpcodes(b.core, memory)).toEqual([{ opcode: '0F 3A FF', count: 1 }]);
  });
});

describe('breakpoints', () => {
  function breakAt(b: Box, ...addresses: number[]): void {
    addresses.forEach((a, i) => b.view.setBigUint64((b.core.breakpointTable() >>> 0) + i * 8, BigInt(a), true));
    b.core.setBreakpoints(addresses.length);
  }

  test('stop before the instruction, and the next run passes', () => {
    const b = createBox('ffc0 ffc0 ffc0 f4');
    breakAt(b, CODE + 2, CODE + 4);
    expect(run(b)).toBe(abi.EXIT_BREAKPOINT);
    expect([get(b, abi.RIP), reg(b, 'rax')]).toEqual([BigInt(CODE + 2), 1n]);
    expect(run(b)).toBe(abi.EXIT_BREAKPOINT);
    expect([get(b, abi.RIP), reg(b, 'rax')]).toEqual([BigInt(CODE + 4), 2n]);
    expect(run(b)).toBe(abi.EXIT_HALT);
  });

  test('in a loop stop every time', () => {
    // again: dec ecx ; jnz again ; hlt
    const b = createBox('ffc9 75fc f4');
    setReg(b, 'rcx', 5n);
    breakAt(b, CODE);
    let stops = 0;
    while (run(b) === abi.EXIT_BREAKPOINT) stops++;
    expect(stops).toBe(5);
  });

  test('do not shorten the interrupt shadow', () => {
    // sti ; nop ; nop ; hlt with an interrupt pending: it comes after the first NOP, also when a breakpoint is at that NOP.
    for (const stop of [false, true]) {
      const b = createBox('fb 90 90 f4');
      b.core.apicWrite(0, 0xf0, 0x1ff);
      b.core.apicWrite(0, 0x300, 0x40031);
      if (stop) {
        breakAt(b, CODE + 1);
        expect(run(b)).toBe(abi.EXIT_BREAKPOINT);
      }
      expect(vectorOf(b)).toBe(0x31);
      expect(read64(b, Number(reg(b, 'rsp')))).toBe(BigInt(CODE + 2));
    }
  });
});

test('a string instruction is cut between elements and goes on', () => {
  // rep movsb of 100 bytes in runs of 7 cycles
  const b = createBox('f3a4 f4');
  for (let i = 0; i < 100; i++) b.bytes[b.ram + DATA + i] = i;
  b.core.hostWrote(DATA, 100);
  setReg(b, 'rsi', BigInt(DATA));
  setReg(b, 'rdi', BigInt(DATA + 0x1000 - 50));
  setReg(b, 'rcx', 100n);
  let runs = 0;
  while (run(b, 7) === abi.EXIT_BUDGET) runs++;
  expect(runs).toBeGreaterThan(12);
  expect(reg(b, 'rcx')).toBe(0n);
  expect([...b.bytes.subarray(b.ram + DATA + 0x1000 - 50, b.ram + DATA + 0x1000 + 50)]).toEqual([...Array(100).keys()]);
  expect(get(b, abi.INSTRUCTIONS)).toBe(2n);
});

test('an overlapping forward copy repeats what it just wrote', () => {
  const b = createBox('f3a4 f4');
  load(b, DATA, hex('010203'));
  setReg(b, 'rsi', BigInt(DATA));
  setReg(b, 'rdi', BigInt(DATA + 3));
  setReg(b, 'rcx', 9n);
  // The first copy makes the fast entries, the second goes in bulk.
  for (let i = 0; i < 2; i++) {
    setReg(b, 'rsi', BigInt(DATA));
    setReg(b, 'rdi', BigInt(DATA + 3));
    setReg(b, 'rcx', 9n);
    again(b);
    expect(vectorOf(b)).toBe(-1);
    expect([...b.bytes.subarray(b.ram + DATA, b.ram + DATA + 12)]).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  }
});
