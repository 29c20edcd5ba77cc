import { describe, expect, test } from 'vitest';
import * as abi from '../../emulator/core/abi.ts';
import { createBox, DATA, get, outcome, pte, read64, reg, set, setReg, write64, type Box } from '../core/testbox.ts';

const XSAVE = '480fae27', XSAVEOPT = '480fae37', XSAVEC = '480fc727', XRSTOR = '480fae2f'; // of [rdi], with REX.W
const XSTATE_BV = DATA + 512, XCOMP_BV = DATA + 520;

/** A machine about to run `code` on the area at DATA with EDX:EAX = `mask`. */
function box(code: string, mask = 7n, setup?: (b: Box) => void): Box {
  const b = createBox(code + 'f4');
  set(b, abi.CR4, get(b, abi.CR4) | 0x40000n);
  set(b, abi.XCR0, 7n);
  b.view.setUint32(b.cpu + abi.FCW, 0x37f, true);
  b.view.setUint32(b.cpu + abi.FTW, 0, true);
  b.view.setUint32(b.cpu + abi.MXCSR, 0x1f80, true);
  setReg(b, 'rdi', BigInt(DATA));
  setReg(b, 'rax', mask);
  setReg(b, 'rdx', 0n);
  setup?.(b);
  b.core.setState(0);
  return b;
}
const ran = (b: Box): Box => { expect(outcome(b)).toBe('halt'); return b; };
const ymm = (n: number, part: 0 | 1): number => abi.XMM + n * 32 + part * 16;

describe('what refuses', () => {
  test('OSXSAVE clear: #UD; CR0.TS: #NM; not 64-byte aligned: #GP', () => {
    for (const code of [XSAVE, XSAVEOPT, XSAVEC, XRSTOR]) {
      expect(outcome(box(code, 7n, b => set(b, abi.CR4, get(b, abi.CR4) & ~0x40000n)))).toBe('6');
      expect(outcome(box(code, 7n, b => set(b, abi.CR0, get(b, abi.CR0) | 8n)))).toBe('7');
      expect(outcome(box(code, 7n, b => setReg(b, 'rdi', BigInt(DATA + 16))))).toBe('d:0');
    }
  });
  test('a page that is not there, before anything is written', () => {
    const b = box(XSAVE, 7n, x => { setReg(x, 'rdi', BigInt(DATA + 0x1000 - 64)); pte(x, DATA + 0x1000, 0n); set(x, ymm(0, 0), 5n); });
    expect(outcome(b)).toBe('e:2');
    expect(read64(b, DATA + 0x1000 - 64)).toBe(0n);
  });
});

describe('XSAVE', () => {
  test('writes what is asked for and says what is in use', () => {
    const b = ran(box(XSAVE, 7n, x => { set(x, ymm(1, 0), 0x11n); set(x, ymm(2, 1), 0x22n); write64(x, XSTATE_BV, 0x100n); }));
    expect(read64(b, DATA + 160 + 16)).toBe(0x11n);
    expect(read64(b, DATA + 576 + 32)).toBe(0x22n);
    expect(read64(b, XSTATE_BV)).toBe(0x106n); // x87 is in its initial state; the bit of another component stays
    expect(read64(b, DATA + 24)).toBe(0xffff00001f80n);
  });
  test('leaves alone what is not asked for', () => {
    const b = ran(box(XSAVE, 1n, x => { set(x, ymm(1, 0), 0x11n); write64(x, DATA + 176, 9n); write64(x, DATA + 24, 7n); write64(x, XSTATE_BV, 4n); }));
    expect([read64(b, DATA + 176), read64(b, DATA + 24), read64(b, XSTATE_BV)]).toEqual([9n, 7n, 4n]);
  });
  test('counts MXCSR as SSE state in use', () => {
    expect(read64(ran(box(XSAVE, 7n, x => x.view.setUint32(x.cpu + abi.MXCSR, 0x1fa0, true))), XSTATE_BV)).toBe(2n);
  });
  test('XSAVEOPT does not write initial state', () => {
    const b = ran(box(XSAVEOPT, 7n, x => { set(x, ymm(1, 0), 0x11n); write64(x, DATA + 576, 9n); }));
    expect([read64(b, DATA + 176), read64(b, DATA + 576), read64(b, XSTATE_BV)]).toEqual([0x11n, 9n, 2n]);
  });
  test('XSAVEC leaves no gaps and says which format it is', () => {
    const b = ran(box(XSAVEC, 0x204n, x => { set(x, abi.XCR0, 0x207n); set(x, ymm(3, 1), 0x33n); write64(x, XSTATE_BV, 0xffn); }));
    expect([read64(b, XSTATE_BV), read64(b, XCOMP_BV), read64(b, DATA + 576 + 48)]).toEqual([4n, (1n << 63n) | 0x204n, 0x33n]);
  });
});

describe('XRSTOR', () => {
  const dirty = (x: Box): void => { for (const n of [0, 15]) { set(x, ymm(n, 0), 1n); set(x, ymm(n, 1), 2n); } };
  test('loads what is there and initialises the rest', () => {
    const b = ran(box(XRSTOR, 7n, x => { dirty(x); write64(x, XSTATE_BV, 4n); write64(x, DATA + 576, 0x44n); write64(x, DATA + 24, 0x1f80n); }));
    expect([get(b, ymm(0, 0)), get(b, ymm(0, 1)), get(b, ymm(15, 0)), get(b, ymm(15, 1))]).toEqual([0n, 0x44n, 0n, 0n]);
  });
  test('takes MXCSR from the standard format whatever the header says, and checks it', () => {
    const b = ran(box(XRSTOR, 4n, x => write64(x, DATA + 24, 0x1fa0n)));
    expect(b.view.getUint32(b.cpu + abi.MXCSR, true)).toBe(0x1fa0);
    expect(outcome(box(XRSTOR, 4n, x => write64(x, DATA + 24, 0x10000n)))).toBe('d:0');
  });
  test('reads what XSAVEC wrote', () => {
    const b = ran(box(XSAVEC + '0f57c0' /* xorps xmm0, xmm0 */ + 'c5fc77' /* vzeroall */ + XRSTOR, 7n, dirty));
    expect([get(b, ymm(0, 0)), get(b, ymm(0, 1)), get(b, ymm(15, 1))]).toEqual([1n, 2n, 2n]);
  });
  test('refuses headers that say what cannot be', () => {
    const header = (state: bigint, format: bigint, next = 0n, last = 0n): string =>
      outcome(box(XRSTOR, 7n, x => { write64(x, XSTATE_BV, state); write64(x, XCOMP_BV, format); write64(x, DATA + 528, next); write64(x, DATA + 568, last); write64(x, DATA + 24, 0x1f80n); }));
    const compact = 1n << 63n;
    expect(header(8n, 0n)).toBe('d:0'); // a component that XCR0 has not
    expect(header(4n, 4n)).toBe('d:0'); // XCOMP_BV in the standard format
    expect(header(4n, 0n, 1n)).toBe('d:0');
    expect(header(4n, 0n, 0n, 1n)).toBe('halt'); // bytes 63:24 count in the compacted format only
    expect(header(4n, compact | 4n, 0n, 1n)).toBe('d:0');
    expect(header(4n, compact | 2n)).toBe('d:0'); // present but not in the format
    expect(header(4n, compact | 0x10n)).toBe('d:0');
    expect(header(4n, compact | 4n)).toBe('halt');
  });
});

test('XSETBV and XGETBV', () => {
  const xsetbv = (value: bigint, index = 0n): string => outcome(box('0f01d1', value, b => setReg(b, 'rcx', index)));
  expect([1n, 3n, 7n, 0x207n].map(v => xsetbv(v))).toEqual(['halt', 'halt', 'halt', 'halt']);
  expect([0n, 2n, 5n, 0xfn].map(v => xsetbv(v))).toEqual(['d:0', 'd:0', 'd:0', 'd:0']);
  expect(xsetbv(7n, 1n)).toBe('d:0');
  // XCR0 without AVX takes the VEX instructions away at once.
  expect(outcome(box('0f01d1' + 'c5f458c2', 3n, b => setReg(b, 'rcx', 0n)))).toBe('6');
  const b = ran(box('0f01d0', 0n, x => { setReg(x, 'rcx', 1n); set(x, ymm(1, 1), 1n); }));
  expect(reg(b, 'rax')).toBe(4n);
});

test('CPUID leaf 0Dh: sizes of the area', () => {
  const leaf = (sub: bigint, xcr0 = 7n): number[] => {
    const b = ran(box('0fa2', 0xdn, x => { setReg(x, 'rcx', sub); set(x, abi.XCR0, xcr0); }));
    return (['rax', 'rbx', 'rcx', 'rdx'] as const).map(r => Number(reg(b, r)));
  };
  expect(leaf(0n)).toEqual([0x207, 832, 2696, 0]);
  expect(leaf(0n, 3n)[1]).toBe(576);
  expect(leaf(1n, 0x207n).slice(0, 2)).toEqual([7, 840]);
  expect(leaf(2n)).toEqual([256, 576, 0, 0]);
  expect(leaf(9n)).toEqual([8, 2688, 0, 0]);
});
