import { expect, test } from 'vitest';
import { allForms } from '../isa/index.ts';
import { createBox, outcome, reg, setReg } from './testbox.ts';

function cpuid(leaf: number, sub = 0): number[] {
  const b = createBox('0fa2f4' /* cpuid; hlt */);
  setReg(b, 'rax', BigInt(leaf));
  setReg(b, 'rcx', BigInt(sub));
  expect(outcome(b)).toBe('halt');
  return (['rax', 'rbx', 'rcx', 'rdx'] as const).map(r => Number(reg(b, r)));
}

const EAX = 0, EBX = 1, ECX = 2, EDX = 3;
/** Where CPUID announces the features that records name (SDM vol. 2, CPUID): leaf, register, bit. */
const places: Record<string, [number, number, number]> = {
  FPU: [1, EDX, 0], CMOV: [1, EDX, 15], TSC: [1, EDX, 4], MSR: [1, EDX, 5], MMX: [1, EDX, 23], FXSR: [1, EDX, 24], SSE: [1, EDX, 25], SSE2: [1, EDX, 26],
  SSE3: [1, ECX, 0], MONITOR: [1, ECX, 3], PCLMULQDQ: [1, ECX, 1], SSSE3: [1, ECX, 9], FMA: [1, ECX, 12], XSAVE: [1, ECX, 26], XSAVEOPT: [0xd1, EAX, 0], XSAVEC: [0xd1, EAX, 1], 'SSE4.1': [1, ECX, 19], 'SSE4.2': [1, ECX, 20], MOVBE: [1, ECX, 22], POPCNT: [1, ECX, 23], AES: [1, ECX, 25], AVX: [1, ECX, 28], F16C: [1, ECX, 29], RDRAND: [1, ECX, 30],
  FSGSBASE: [7, EBX, 0], INVPCID: [7, EBX, 10], PKU: [7, ECX, 3], BMI1: [7, EBX, 3], AVX2: [7, EBX, 5], BMI2: [7, EBX, 8], RDSEED: [7, EBX, 18], ADX: [7, EBX, 19], SMAP: [7, EBX, 20], CLFLUSHOPT: [7, EBX, 23], CLWB: [7, EBX, 24], RDPID: [7, ECX, 22], SHA: [7, EBX, 29],
  LZCNT: [0x80000001, ECX, 5], RDTSCP: [0x80000001, EDX, 27],
};

test('CPUID announces a feature exactly when there are forms for it', () => {
  const named = new Set(allForms.map(f => f.cpuid).filter(name => name !== undefined));
  for (const name of named) expect(places[name!], `no place known for ${name}`).toBeDefined();
  for (const [name, [leaf, register, bit]] of Object.entries(places)) {
    expect([name, (((leaf === 0xd1 ? cpuid(0xd, 1) : cpuid(leaf))[register] >>> bit) & 1) === 1]).toEqual([name, named.has(name)]);
  }
});

test('vendor, family, limits', () => {
  const text = (...words: number[]): string => String.fromCharCode(...words.flatMap(v => [v & 255, (v >> 8) & 255, (v >> 16) & 255, v >>> 24]));
  const [max, b, c, d] = cpuid(0);
  expect(text(b, d, c)).toBe('GenuineIntel');
  expect(cpuid(1)[0]).toBe(0x306c3);
  expect(cpuid(1)[ECX] >>> 31).toBe(0); // no hypervisor
  expect(cpuid(0x80000008)[0]).toBe(0x3020); // 48-bit linear, 32-bit physical
  expect(text(...cpuid(0x80000002), ...cpuid(0x80000003)).replace(/\0+$/, '')).toBe('kmode x86-64 processor');
  expect(cpuid(0x90000000)).toEqual(cpuid(max)); // beyond the last leaf: the last basic one
  expect(cpuid(4, 9)[0] & 31).toBe(0);
});

test('machine configuration: TSC frequency and hypervisor bit', () => {
  const b = createBox('0fa2f4' /* cpuid; hlt */);
  b.core.setCpuidConfig(2_400_000_000, 1);
  setReg(b, 'rax', 0x15n);
  expect(outcome(b)).toBe('halt');
  expect([reg(b, 'rax'), reg(b, 'rbx'), reg(b, 'rcx')]).toEqual([1n, 1n, 2_400_000_000n]);
});
