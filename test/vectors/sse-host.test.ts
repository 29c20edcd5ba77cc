// SSE arithmetic may use the host's float operations only while the inexact flag is up and masked. The same instruction with
// the flag down goes through softfloat, so the two must agree on everything but that flag.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadCore } from './core.ts';
import { buildMachine, CODE, loadState, RAM_BYTES, saveState, stepOne } from './machine.ts';
import { AT, placeOf, getHex, STATE_SIZE, stateBefore } from './state.ts';

const PE = 0x20,
  MASKED = 0x1f80;
/** Each with xmm0 and xmm1. */
const INSTRUCTIONS: Record<string, string> = {
  addps: '0f58c1',
  subps: '0f5cc1',
  mulps: '0f59c1',
  divps: '0f5ec1',
  sqrtps: '0f51c1',
  addpd: '660f58c1',
  subpd: '660f5cc1',
  mulpd: '660f59c1',
  divpd: '660f5ec1',
  sqrtpd: '660f51c1',
  addss: 'f30f58c1',
  mulss: 'f30f59c1',
  divss: 'f30f5ec1',
  sqrtss: 'f30f51c1',
  subsd: 'f20f5cc1',
  mulsd: 'f20f59c1',
  divsd: 'f20f5ec1',
  sqrtsd: 'f20f51c1',
  cvtsd2ss: 'f20f5ac1',
  cvtss2sd: 'f30f5ac1',
  'cvttsd2si eax': 'f20f2cc1',
  'cvttsd2si rax': 'f2480f2cc1',
};

const digits = (bits: number, exponents: fc.Arbitrary<number>, fractionBits: number) =>
  fc
    .tuple(
      fc.boolean(),
      exponents,
      fc.oneof(fc.bigInt({ min: 0n, max: (1n << BigInt(fractionBits)) - 1n }), fc.constantFrom(0n, 1n)),
    )
    .map(([sign, e, fraction]) =>
      ((sign ? 1n << BigInt(bits - 1) : 0n) | (BigInt(e) << BigInt(fractionBits)) | fraction)
        .toString(16)
        .padStart(bits / 4, '0'),
    );
const single = digits(
  32,
  fc.oneof(
    fc.integer({ min: 100, max: 150 }),
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 60, max: 68 }),
    fc.integer({ min: 250, max: 255 }),
  ),
  23,
);
const double = digits(
  64,
  fc.oneof(
    fc.integer({ min: 990, max: 1060 }),
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 505, max: 520 }),
    fc.integer({ min: 890, max: 902 }),
    fc.integer({ min: 2043, max: 2047 }),
  ),
  52,
);
const register = fc.oneof(
  fc.array(single, { minLength: 4, maxLength: 4 }).map(lanes => lanes.join('')),
  fc.array(double, { minLength: 2, maxLength: 2 }).map(lanes => lanes.join('')),
);

describe('the host and softfloat', () => {
  const machine = buildMachine(loadCore(RAM_BYTES));
  const image = new Uint8Array(STATE_SIZE);
  const run = (code: string, xmm0: string, xmm1: string, mxcsr: number) => {
    stateBefore(image, { rip: '10000000', rflags: '202', rsp: '30001000', xmm0, xmm1, mxcsr: mxcsr.toString(16) }, false);
    machine.u8.set(Buffer.from(code, 'hex'), machine.ram + CODE.physical);
    machine.core.exports.hostWrote(CODE.physical, CODE.size);
    loadState(machine, image);
    const { exception, odd } = stepOne(machine);
    saveState(machine, image, exception);
    const raised = new DataView(image.buffer).getUint32(AT.mxcsr, true) | PE;
    return { exception, odd, xmm0: getHex(image, placeOf('xmm0')), rax: getHex(image, placeOf('rax')), raised };
  };

  it.each(Object.entries(INSTRUCTIONS))('agree about %s', (_name, code) => {
    fc.assert(
      fc.property(register, register, fc.constantFrom(0, 0x40, 0x8000, 0x8040), (xmm0, xmm1, flush) => {
        const soft = run(code, xmm0, xmm1, MASKED | flush);
        expect(soft.odd).toBeNull();
        expect(run(code, xmm0, xmm1, MASKED | flush | PE)).toEqual(soft);
      }),
      { numRuns: 250 },
    );
  });
});
