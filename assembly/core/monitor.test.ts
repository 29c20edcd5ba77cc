import { expect, test } from 'vitest';
import { ACTIVITY, EXIT_HALT } from '../../emulator/core/abi.ts';
import { createBox, DATA, HANDLERS, hex, load, outcome, reg, run, setGate, setReg, toUser, vectorOf } from './testbox.ts';
import type { Box } from './testbox.ts';

// MONITOR and MWAIT (SDM vol. 3, 9.10.4).

const waiting = (b: Box): boolean => b.view.getUint32(b.cpu + ACTIVITY, true) === 4;
/** lea rax,[rdi]; xor ecx,ecx; xor edx,edx; monitor; mov ecx,`ecx`; mwait; inc ebx; hlt */
const program = (ecx = 0): string => `488d07 31c9 31d2 0f01c8 b9${ecx.toString(16).padStart(2, '0')}000000 0f01c9 ffc3 f4`;
function box(code: string): Box {
  const b = createBox(code);
  setReg(b, 'rdi', BigInt(DATA + 0x48));
  b.core.apicWrite(0, 0xf0, 0x1ff);
  setGate(b, 0x31, { handler: HANDLERS + 0x31 * 16 });
  load(b, HANDLERS + 0x31 * 16, hex('ffc6 48cf' /* inc esi; iretq */));
  return b;
}

test('waits until something is written to the line, and only to the line', () => {
  const b = box(program());
  expect(run(b)).toBe(EXIT_HALT);
  expect(waiting(b)).toBe(true);
  load(b, DATA + 0x80, hex('01'));
  expect([run(b), waiting(b)]).toEqual([EXIT_HALT, true]);
  load(b, DATA + 0x40, hex('01'));
  expect([run(b), waiting(b), reg(b, 'rbx')]).toEqual([EXIT_HALT, false, 1n]);
});
test('a write between MONITOR and MWAIT: no wait', () => {
  const b = box('488d07 31c9 31d2 0f01c8 c60701 0f01c9 ffc3 f4');
  expect(vectorOf(b)).toBe(-1);
  expect([reg(b, 'rbx'), waiting(b)]).toEqual([1n, false]);
});
test('MWAIT without MONITOR does not wait', () => {
  const b = box('31c9 0f01c9 ffc3 f4');
  expect(vectorOf(b)).toBe(-1);
  expect(reg(b, 'rbx')).toBe(1n);
});
test('an interrupt ends it, after which RIP is behind MWAIT', () => {
  const b = box(program());
  b.core.flagsSet(0, 0x202);
  run(b);
  b.core.msi(0xfee00000, 0x31);
  run(b);
  expect([reg(b, 'rsi'), reg(b, 'rbx')]).toEqual([1n, 1n]);
});
test('a masked interrupt ends it only when ECX says so', () => {
  for (const breaks of [0, 1]) {
    const b = box(program(breaks));
    run(b);
    b.core.msi(0xfee00000, 0x31);
    run(b);
    expect([reg(b, 'rsi'), waiting(b)]).toEqual([0n, breaks === 0]);
  }
});
test('what is refused', () => {
  expect(outcome(box('b901000000 0f01c8'))).toBe('d:0');
  expect(outcome(box('b902000000 0f01c9'))).toBe('d:0');
  const b = box('31c9 0f01c8');
  toUser(b);
  expect(outcome(b)).toBe('6');
  // IA32_MISC_ENABLE[18] clear: mov ecx,1a0; rdmsr; btr eax,18; wrmsr; mwait
  const c = box('b9a0010000 0f32 0fbaf012 0f30 31c9 0f01c9');
  expect(outcome(c)).toBe('6');
  // The address is checked as a load.
  const d = box('31c9 48b8000000000000 0080 0f01c8');
  expect(outcome(d)).toBe('d:0');
});
test('CPUID: leaf 1 says it while it is enabled, leaf 5 says how', () => {
  const b = box('b805000000 0fa2 f4');
  vectorOf(b);
  expect([reg(b, 'rax'), reg(b, 'rbx'), reg(b, 'rcx'), reg(b, 'rdx')]).toEqual([64n, 64n, 3n, 16n]);
  const c = box('b801000000 0fa2 f4');
  vectorOf(c);
  expect(reg(c, 'rcx') & 8n).toBe(8n);
});
