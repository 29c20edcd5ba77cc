import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as abi from '../../emulator/core/abi.ts';
import { CODE, createBox, flags, get, hex, load, reg, registers, run, set, setReg } from '../core/testbox.ts';

// Lazy flags are right when each instruction that leaves them and each that changes some of them go together in any order. What single instructions
// do is checked by hardware vectors; here, that it makes no difference whether flags were computed in between.

const instructions: [string, string][] = [
  ['add eax, ecx', '01c8'], ['adc rax, rcx', '4811c8'], ['sub al, cl', '28c8'], ['sbb ax, cx', '6619c8'], ['cmp eax, ecx', '39c8'], ['and eax, ecx', '21c8'], ['xor al, ah', '30e0'], ['test rax, rax', '4885c0'],
  ['inc eax', 'ffc0'], ['dec al', 'fec8'], ['inc ax', '66ffc0'], ['neg rax', '48f7d8'], ['not eax', 'f7d0'],
  ['rol eax, cl', 'd3c0'], ['ror al, 1', 'd0c8'], ['rcl ax, 3', '66c1d003'], ['rcr rax, cl', '48d3d8'], ['shl eax, cl', 'd3e0'], ['shr al, 1', 'd0e8'], ['sar rax, 5', '48c1f805'],
  ['shld eax, ecx, 7', '0fa4c807'], ['shrd rax, rcx, cl', '480fadc8'], ['imul eax, ecx', '0fafc1'], ['imul rax, rcx', '480fafc1'], ['mul cl', 'f6e1'],
  ['bt eax, 3', '0fbae003'], ['bts rax, rcx', '480fabc8'], ['popcnt eax, ecx', 'f30fb8c1'], ['tzcnt eax, ecx', 'f30fbcc1'], ['blsr eax, ecx', 'c4e278f3c9'], ['adcx eax, ecx', '660f38f6c1'], ['adox rax, rcx', 'f3480f38f6c1'],
  ['clc', 'f8'], ['stc', 'f9'], ['cmc', 'f5'], ['sahf', '9e'], ['lahf', '9f'], ['pushfq; popfq', '9c9d'], ['setbe dl', '0f96c2'], ['cmovl ecx, eax', '0f4cc8'], ['xadd eax, ecx', '0fc1c8'],
];

test('flags do not depend on when they are computed', () => {
  const b = createBox('f4');
  const start = (code: string, rax: bigint, rcx: bigint, f: number): void => {
    load(b, CODE, hex(code + 'f4'));
    registers.forEach(r => { if (r !== 'rsp') setReg(b, r, 0n); });
    setReg(b, 'rax', rax);
    setReg(b, 'rcx', rcx);
    set(b, abi.RIP, BigInt(CODE));
    b.view.setUint32(b.cpu + abi.ACTIVITY, abi.ACTIVITY_RUNNING, true);
    b.core.flagsSet(0, f);
    b.core.setState(0);
  };
  const state = (): (bigint | number)[] => [...registers.map(r => reg(b, r)), flags(b)];
  const u64 = fc.oneof(fc.bigInt(0n, (1n << 64n) - 1n), fc.constantFrom(0n, 1n, 0x7fn, 0x80n, 0x8000n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 63n, (1n << 64n) - 1n));
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...instructions), { minLength: 1, maxLength: 12 }), u64, u64, fc.integer({ min: 0, max: 0x8d5 }), (list, rax, rcx, f) => {
      const code = list.map(i => i[1]).join(''), initial = (f & 0x8d5) | 2;
      start(code, rax, rcx, initial);
      expect(run(b)).toBe(abi.EXIT_HALT);
      const straight = state();
      start(code, rax, rcx, initial);
      while (run(b, 1) === abi.EXIT_BUDGET) {
        const before = flags(b);
        b.core.flagsMaterialize(0);
        expect(flags(b)).toBe(before);
      }
      expect(state()).toEqual(straight);
    }),
    { numRuns: 1500 },
  );
  expect(get(b, abi.INSTRUCTIONS)).toBeGreaterThan(3000n);
});

test('materialized flags are one form for each value', () => {
  const b = createBox('f4'), fields = (): string => [abi.FL_RES, abi.FL_A, abi.FL_B].map(o => get(b, o).toString(16)).join() + b.view.getUint32(b.cpu + abi.FL_OP, true);
  for (let f = 0; f < 64; f++) {
    const value = 2 | (f & 1) | ((f & 2) << 1) | ((f & 4) << 2) | ((f & 8) << 3) | ((f & 16) << 3) | ((f & 32) << 6);
    b.core.flagsSet(0, value);
    expect(flags(b)).toBe(value);
    b.core.flagsMaterialize(0);
    const once = fields();
    b.core.flagsMaterialize(0);
    expect(fields()).toBe(once);
    expect(flags(b)).toBe(value);
  }
});
