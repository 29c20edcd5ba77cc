import { describe, expect, test } from 'vitest';
import { CYCLES, EXIT_HALT, INSTRUCTIONS } from '../../emulator/core/abi.ts';
import { CODE, createBox, DATA, get, HANDLERS, hex, load, outcome, pte, reg, run, setGate, setReg, toUser, vectorOf } from './testbox.ts';
import type { Box } from './testbox.ts';

// Architectural performance monitoring (SDM vol. 3, chapter 20), observed from guest code.

const USR = 0x10000, OS = 0x20000, INT = 0x100000, EN = 0x400000;
const le = (v: number): string => Buffer.from(new Uint32Array([v]).buffer).toString('hex');
/** mov ecx, msr; mov eax, low; mov edx, high; wrmsr */
const wrmsr = (msr: number, low: number, high = 0): string => `b9${le(msr)}b8${le(low)}ba${le(high)}0f30`;
/** mov ecx, n; rdpmc; mov r, eax */
const rdpmcToEbx = (n: number): string => `b9${le(n)}0f3389c3`;
/** IA32_PERF_GLOBAL_CTRL is 0FH after reset. */
const stop = wrmsr(0x38f, 0);

/** Counts `event` in counter 0 over `body`; the counter's value afterwards. */
function count(event: number, body: string, setup: (b: Box) => void = () => {}): bigint {
  const b = createBox(stop + wrmsr(0x186, event | EN | OS | USR) + wrmsr(0x38f, 1) + body + stop + rdpmcToEbx(0) + 'f4');
  setup(b);
  expect(vectorOf(b)).toBe(-1);
  return reg(b, 'rbx');
}
// The WRMSR that switches counting on counts, and the three moves before the one that switches it off.
const TAIL = 4n;

test('instructions: exactly those between the two writes', () => {
  expect(count(0xc0, '')).toBe(TAIL);
  expect(count(0xc0, '90'.repeat(100))).toBe(100n + TAIL);
  expect(count(0xc0, 'b907000000 ffc9 75fc' /* mov ecx,7; L: dec ecx; jnz L */)).toBe(15n + TAIL);
});
test('branches: taken or not, calls and returns; a comparison before it or not', () => {
  expect(count(0xc4, '')).toBe(0n);
  expect(count(0xc4, 'b907000000 ffc9 75fc')).toBe(7n);
  expect(count(0xc4, '31c0 39c0 7500 7400 eb00 e800000000 58')).toBe(4n);
  // A call whose push faults retires when it is run again: here it never is.
  const b = createBox(wrmsr(0x186, 0xc4 | EN | OS) + wrmsr(0x38f, 1) + 'e800000000');
  pte(b, DATA, 0n);
  setReg(b, 'rsp', BigInt(DATA + 0x800));
  setGate(b, 14, { handler: HANDLERS + 14 * 16, ist: 1 });
  load(b, HANDLERS + 14 * 16, hex('b900000000 0f33 f4'));
  expect(vectorOf(b)).toBe(14);
  expect(reg(b, 'rax')).toBe(0n);
});
test('cycles are those of the processor, and a halt is not counted', () => {
  const b = createBox(wrmsr(0x186, 0x3c | EN | OS) + wrmsr(0x38f, 1) + 'fb f4' + rdpmcToEbx(0) + '0f0b');
  b.core.apicWrite(0, 0xf0, 0x1ff);
  setGate(b, 0x30, { handler: HANDLERS + 0x30 * 16 });
  load(b, HANDLERS + 0x30 * 16, hex('48cf'));
  expect(run(b)).toBe(EXIT_HALT);
  b.view.setBigUint64(b.cpu + CYCLES, get(b, CYCLES) + 1_000_000n, true);
  b.core.msi(0xfee00000, 0x30);
  expect(outcome(b)).toBe('6');
  const cycles = Number(reg(b, 'rbx'));
  expect(cycles).toBeGreaterThan(60);
  expect(cycles).toBeLessThan(400);
});
test('OS and USR select by privilege level', () => {
  // int 31h switches the counter on, at CPL 0; 300 instructions at CPL 3; int 30h stops it.
  for (const [filter, expected] of [
    [OS, 1n + TAIL], // and IRETQ
    [USR, 301n],
    [OS | USR, 302n + TAIL],
  ] as const) {
    const b = createBox('cd31' + '90'.repeat(300) + 'cd30');
    load(b, CODE + 0x400, hex(stop + wrmsr(0x186, 0xc0 | EN | filter) + wrmsr(0x38f, 1) + '48cf'));
    load(b, CODE + 0x600, hex(stop + rdpmcToEbx(0) + 'f4'));
    setGate(b, 0x31, { handler: CODE + 0x400, dpl: 3 });
    setGate(b, 0x30, { handler: CODE + 0x600, dpl: 3 });
    toUser(b);
    expect(run(b, 20000)).toBe(EXIT_HALT);
    expect(reg(b, 'rbx')).toBe(expected);
  }
});
describe('overflow', () => {
  const body = (event: number): string => stop + wrmsr(0xc1, 0xffffffff - 99) + wrmsr(0x186, event | EN | OS | INT) + wrmsr(0x38f, 1);
  const prepare = (code: string): Box => {
    const b = createBox(code);
    b.core.apicWrite(0, 0xf0, 0x1ff);
    b.core.apicWrite(0, 0x340, 0x50);
    b.core.flagsSet(0, 0x202);
    setGate(b, 0x50, { handler: HANDLERS + 0x50 * 16 });
    load(b, HANDLERS + 0x50 * 16, hex('f4'));
    return b;
  };
  test('the interrupt comes after the instruction that overflows, whatever the slices', () => {
    const ends = [1000000, 7, 1].map(slice => {
      const b = prepare(body(0xc0) + '90'.repeat(500) + 'f4');
      const before = (): bigint => get(b, INSTRUCTIONS);
      for (let i = 0; i < 3000; i++) if (run(b, slice) === EXIT_HALT) break;
      return [before(), get(b, CYCLES), reg(b, 'rsp'), b.core.apicRead(0, 0x340), get(b, 0x868)];
    });
    expect(ends[1]).toEqual(ends[0]);
    expect(ends[2]).toEqual(ends[0]);
    // Fifteen instructions of set-up, a hundred that count from the last WRMSR on, the handler's HLT.
    expect(ends[0]).toEqual([15n + 100n + 1n, expect.anything(), expect.anything(), 0x10050, 1n]);
  });
  test('branches', () => {
    const b = prepare(body(0xc4) + '31db ffc3 ebfc');
    for (let i = 0; i < 100; i++) if (run(b, 100) === EXIT_HALT) break;
    expect(reg(b, 'rbx')).toBe(100n);
  });
});
test('what is refused', () => {
  for (const code of [wrmsr(0x38e, 1), wrmsr(0x38f, 0x10), wrmsr(0x186, 0x200000), wrmsr(0x38d, 0x1000), `b9${le(4)}0f33`, `b9${le(0x40000003)}0f33`])
    expect(outcome(createBox(code + 'f4'))).toBe('d:0');
  const b = createBox(`b9${le(0)}0f33f4`);
  toUser(b);
  expect(outcome(b)).toBe('d:0');
});
test('CPUID leaf 0AH', () => {
  const b = createBox('b80a000000 0fa2 f4');
  vectorOf(b);
  expect([reg(b, 'rax'), reg(b, 'rbx'), reg(b, 'rdx')]).toEqual([0x07300402n, 0x58n, 0x603n]);
});
