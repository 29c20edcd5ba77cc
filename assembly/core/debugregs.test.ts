import { describe, expect, test } from 'vitest';
import { ACTIVITY, CR4, DEBUGCTL, DR, EXIT_BUDGET, EXIT_HALT, RIP } from '../../emulator/core/abi.ts';
import { CODE, createBox, DATA, flags, frame, get, HANDLERS, hex, load, outcome, pte, P, read64, reg, run, set, setGate, setReg, vectorOf, W, write64 } from './testbox.ts';
import type { Box, Frame } from './testbox.ts';

// Debug registers (SDM vol. 3, chapter 18), observed from guest code.

const TF = 0x100, RF = 0x10000, IF = 0x200;
const DR6 = DR + 48, DR7 = DR + 56, BS = 0x4000n;
const CODE_BREAK = 0, ON_WRITE = 1, ON_PORT = 2, ON_ACCESS = 3;

/** Breakpoint `n` of `length` bytes, globally enabled. */
function breakpoint(b: Box, n: number, kind: number, length: number, address: number): void {
  const len = { 1: 0, 2: 1, 4: 3, 8: 2 }[length]!;
  set(b, DR + n * 8, BigInt(address));
  set(b, DR7, get(b, DR7) | 0x400n | BigInt(((kind | (len << 2)) << (16 + n * 4)) >>> 0) | (2n << BigInt(n * 2)));
  b.core.setState(0);
  b.core.flushCode();
}
const why = (b: Box): bigint => get(b, DR6) & 0xe00fn;
/** Gives the #DB handler the code of an IRETQ, so that the program goes on. */
function countingHandler(b: Box): void { load(b, HANDLERS + 16, hex('49ffc7 48cf' /* inc r15; iretq */)); }

describe('instruction breakpoints', () => {
  test('a fault before the instruction, with RF in the frame; IRET with RF passes it', () => {
    const b = createBox('90 ffc0 ffc0 f4' /* nop; inc eax; inc eax; hlt */);
    breakpoint(b, 1, CODE_BREAK, 1, CODE + 3);
    expect(outcome(b)).toBe('1');
    expect(frame(b).rip).toBe(BigInt(CODE + 3));
    expect(frame(b).flags & RF).toBe(RF);
    expect(why(b)).toBe(2n);
    expect(reg(b, 'rax')).toBe(1n);
  });
  test('with a handler that returns, the loop body is stopped at once a round', () => {
    const b = createBox('b905000000 ffc0 ffc9 75fa f4' /* mov ecx,5; L: inc eax; dec ecx; jnz L; hlt */);
    countingHandler(b);
    breakpoint(b, 0, CODE_BREAK, 1, CODE + 5);
    expect(vectorOf(b)).toBe(-1);
    expect([reg(b, 'rax'), reg(b, 'r15')]).toEqual([5n, 5n]);
    expect(flags(b) & RF).toBe(0);
  });
  test('the same under slices of one cycle', () => {
    const b = createBox('b905000000 ffc0 ffc9 75fa f4');
    countingHandler(b);
    breakpoint(b, 0, CODE_BREAK, 1, CODE + 5);
    for (let i = 0; i < 3000 && reg(b, 'rcx') !== 0n; i++) run(b, 1);
    for (let i = 0; i < 30; i++) run(b, 1);
    expect([reg(b, 'rax'), reg(b, 'r15')]).toEqual([5n, 5n]);
  });
  test('set by MOV DR7 while the code is decoded already', () => {
    // mov rax, CODE+0x20; mov dr0, rax; call body; mov eax, 0x402; mov dr7, rax; call body; hlt
    const b = createBox('b820000100 0f23c0 e813000000 b802040000 0f23f8 e806000000 f4'.replace(/$/, ''));
    load(b, CODE + 0x20, hex('ffc3 c3'));
    expect(outcome(b)).toBe('1');
    expect(frame(b).rip).toBe(BigInt(CODE + 0x20));
    expect(reg(b, 'rbx')).toBe(1n);
  });
  test('not on the second element of a repeated string instruction', () => {
    const b = createBox('f3aa f4' /* rep stosb; hlt */);
    countingHandler(b);
    breakpoint(b, 0, CODE_BREAK, 1, CODE);
    setReg(b, 'rcx', 100n);
    setReg(b, 'rdi', BigInt(DATA));
    for (let i = 0; i < 1000 && reg(b, 'rcx') !== 0n; i++) run(b, 1);
    expect(reg(b, 'r15')).toBe(1n);
  });
});

test('an instruction breakpoint right after MOV SS does not fire', () => {
  const b = createBox('8cd1 8ed1 ffc0 f4' /* mov ecx, ss; mov ss, ecx; inc eax; hlt */);
  breakpoint(b, 0, CODE_BREAK, 1, CODE + 4);
  expect(vectorOf(b)).toBe(-1);
  expect(reg(b, 'rax')).toBe(1n);
});

describe('data breakpoints', () => {
  test.each([
    [ON_WRITE, 'write', '891f', true],
    [ON_WRITE, 'read', '8b1f', false],
    [ON_ACCESS, 'read', '8b1f', true],
    [ON_WRITE, 'read-modify-write', 'ff07', true],
    [ON_WRITE, 'movsd to it', 'a5', true],
  ] as const)('kind %i, %s', (kind, _, code, hits) => {
    const b = createBox(`${code} 90 f4`);
    setReg(b, 'rdi', BigInt(DATA + 8));
    setReg(b, 'rsi', BigInt(DATA + 0x100));
    breakpoint(b, 2, kind, 4, DATA + 8);
    expect(vectorOf(b)).toBe(hits ? 1 : -1);
    if (!hits) return;
    // A trap: after the instruction, without RF.
    expect(frame(b).rip).toBe(BigInt(CODE + code.length / 2));
    expect(frame(b).flags & RF).toBe(0);
    expect(why(b)).toBe(4n);
  });
  test('any byte of the range counts, none beside it', () => {
    for (const [at, hits] of [[DATA + 7, false], [DATA + 8, true], [DATA + 15, true], [DATA + 16, false]] as const) {
      const b = createBox('c60700 f4');
      setReg(b, 'rdi', BigInt(at));
      breakpoint(b, 0, ON_WRITE, 8, DATA + 8);
      expect(vectorOf(b)).toBe(hits ? 1 : -1);
    }
  });
  test('the page was in the fast tables before', () => {
    // mov [rdi], eax (twice, warm); mov dr7, rbx; mov [rdi], eax; hlt
    const b = createBox('8907 8907 0f23fb 8907 90 f4');
    setReg(b, 'rdi', BigInt(DATA));
    setReg(b, 'rbx', 0x000d0402n);
    set(b, DR, BigInt(DATA));
    expect(outcome(b)).toBe('1');
    expect(frame(b).rip).toBe(BigInt(CODE + 9));
  });
  test('a repeated string instruction traps after the element', () => {
    const b = createBox('f3aa f4');
    setReg(b, 'rcx', 16n);
    setReg(b, 'rdi', BigInt(DATA));
    breakpoint(b, 0, ON_WRITE, 1, DATA + 5);
    expect(outcome(b)).toBe('1');
    expect([reg(b, 'rcx'), frame(b).rip]).toEqual([10n, BigInt(CODE)]);
    expect(frame(b).flags & RF).toBe(RF);
  });
  test('two at once and a push', () => {
    const b = createBox('50 f4');
    setReg(b, 'rsp', BigInt(DATA + 0x108));
    breakpoint(b, 0, ON_WRITE, 4, DATA + 0x100);
    breakpoint(b, 3, ON_ACCESS, 8, DATA + 0x100);
    expect(outcome(b)).toBe('1');
    expect(why(b)).toBe(9n);
  });
});

describe('ports, general detect', () => {
  test('I/O breakpoints need CR4.DE', () => {
    for (const de of [false, true]) {
      const b = createBox('ba42000000 ee 90 f4' /* mov edx, 42; out dx, al */);
      if (de) set(b, CR4, get(b, CR4) | 8n);
      breakpoint(b, 0, ON_PORT, 4, 0x40);
      expect(vectorOf(b)).toBe(de ? 1 : -1);
      if (de) expect(frame(b).rip).toBe(BigInt(CODE + 6));
    }
  });
  test('DR7.GD: MOV from a debug register is #DB with BD, GD is clear in the handler', () => {
    const b = createBox('0f21c0 f4');
    set(b, DR7, 0x2400n);
    expect(outcome(b)).toBe('1');
    expect(why(b)).toBe(0x2000n);
    expect(get(b, DR7) & 0x2000n).toBe(0n);
    expect(frame(b).rip).toBe(BigInt(CODE));
  });
});

/** Goes on after the frame, as an IRETQ instead of the handler's HLT would. */
function resume(b: Box, f: Frame): void {
  set(b, RIP, f.rip);
  setReg(b, 'rsp', f.rsp);
  b.view.setUint32(b.cpu + ACTIVITY, 0, true);
  b.core.flagsSet(0, f.flags);
}

describe('single step', () => {
  const step = (b: Box): bigint[] => {
    const at: bigint[] = [];
    for (let i = 0; i < 20; i++) {
      if (vectorOf(b) !== 1) break;
      const f = frame(b);
      at.push(f.rip - BigInt(CODE));
      resume(b, f);
    }
    return at;
  };
  test('MOV SS holds the trap off for one instruction, STI does not', () => {
    const b = createBox('8cd1 8ed1 90 fb 90 f4' /* mov ecx, ss; mov ss, ecx; nop; sti; nop; hlt */);
    b.core.flagsSet(0, 2 | TF);
    expect(step(b).slice(0, 4)).toEqual([2n, 5n, 6n, 7n]);
  });
  test('INT n is not single-stepped, its handler neither', () => {
    const b = createBox('90 cd20 f4');
    b.core.flagsSet(0, 2 | TF);
    expect(vectorOf(b)).toBe(1);
    const f = frame(b);
    resume(b, f);
    expect(vectorOf(b)).toBe(0x20);
    expect(frame(b).flags & TF).toBe(TF);
  });
  test('POPF that clears TF is followed by a last trap', () => {
    const b = createBox('6a02 9d 90 f4' /* push 2; popf; nop; hlt */);
    b.core.flagsSet(0, 2 | TF);
    expect(step(b)).toEqual([2n, 3n]);
  });
  test('IA32_DEBUGCTL.BTF: only branches, and #DB clears it', () => {
    const b = createBox('b9d9010000 b802000000 31d2 0f30 90 90 eb00 90 f4'.replace('eb00', 'eb01 90'));
    // mov ecx,1d9; mov eax,2; xor edx,edx; wrmsr; (TF is set from here) nop; nop; jmp +1
    for (let i = 0; i < 100 && get(b, RIP) !== BigInt(CODE + 14); i++) expect(run(b, 1)).toBe(EXIT_BUDGET);
    b.core.flagsSet(0, 2 | TF);
    expect(vectorOf(b)).toBe(1);
    expect(frame(b).rip).toBe(BigInt(CODE + 19));
    expect(why(b)).toBe(BS);
    expect(get(b, DEBUGCTL)).toBe(0n);
  });
  test('a pending data breakpoint of MOV SS comes after the INT3 that follows, at the handler (SDM vol. 3, 6.8.3)', () => {
    const b = createBox('8e17 cc f4' /* mov ss, [rdi]; int3 */);
    write64(b, DATA, 0x10n);
    setReg(b, 'rdi', BigInt(DATA));
    breakpoint(b, 0, ON_ACCESS, 2, DATA);
    expect(outcome(b)).toBe('1');
    expect(frame(b).rip).toBe(BigInt(HANDLERS + 3 * 16));
  });
});

test('a pending data breakpoint of MOV SS is part of the #DB of INT1 that follows', () => {
  const b = createBox('8e17 f1 f4' /* mov ss, [rdi]; int1 */);
  write64(b, DATA, 0x10n);
  setReg(b, 'rdi', BigInt(DATA));
  breakpoint(b, 0, ON_ACCESS, 2, DATA);
  expect(outcome(b)).toBe('1');
  expect([frame(b).rip, why(b)]).toEqual([BigInt(CODE + 3), 1n]);
  expect(run(b)).toBe(EXIT_HALT);
});

test('RF is cleared by the next instruction, and an interrupt before it pushes it', () => {
  const b = createBox('90 90 f4');
  b.core.flagsSet(0, 2 | RF | IF);
  run(b, 1);
  expect(flags(b) & RF).toBe(0);
  const c = createBox('90 f4');
  c.core.apicWrite(0, 0xf0, 0x1ff);
  c.core.flagsSet(0, 2 | RF | IF);
  c.core.msi(0xfee00000, 0x31);
  setGate(c, 0x31, { handler: HANDLERS + 0x31 * 16 });
  expect(vectorOf(c)).toBe(0x31);
  expect(frame(c).flags & RF).toBe(RF);
});

test('a data breakpoint changes nothing that is not on it', () => {
  const b = createBox('c60701 c6470802 f4');
  setReg(b, 'rdi', BigInt(DATA));
  pte(b, DATA, BigInt(DATA) | P | W);
  breakpoint(b, 0, ON_WRITE, 1, DATA + 0x800);
  expect(vectorOf(b)).toBe(-1);
  expect(read64(b, DATA)).toBe(1n);
  expect(read64(b, DATA + 8)).toBe(2n);
});
