import { expect, it, describe } from 'vitest';
import * as abi from '../../emulator/core/abi.ts';
import { loadCore } from './core.ts';
import {
  buildMachine,
  CODE,
  DATA,
  loadState,
  INITIAL_CR0,
  INITIAL_CR4,
  RAM_BYTES,
  saveState,
  stepOne,
  type VectorMachine,
} from './machine.ts';
import { AT, placeOf, putHex, STATE_SIZE, stateBefore } from './state.ts';

const CR0_EM = 4,
  CR0_TS = 8,
  CR4_OSFXSR = 0x200,
  CR4_OSXMMEXCPT = 0x400;
const UD = 6,
  NM = 7,
  GP = 13,
  XM = 19;

/** Runs one instruction in ring 3 with RAX at DATA, with CR0 and CR4 changed; gives its exception (-1 for none) and the state after. */
function run(code: string, { cr0 = INITIAL_CR0, cr4 = INITIAL_CR4, registers = {} as Record<string, string>, memory = '' } = {}) {
  const machine: VectorMachine = buildMachine(loadCore(RAM_BYTES));
  const image = new Uint8Array(STATE_SIZE);
  stateBefore(image, { rip: '10000000', rflags: '202', rsp: '30001000', rax: '20000000', ...registers }, false);
  machine.u8.set(Buffer.from(code, 'hex'), machine.ram + CODE.physical);
  machine.u8.set(Buffer.from(memory, 'hex'), machine.ram + DATA.physical);
  machine.core.exports.hostWrote(CODE.physical, CODE.size);
  new DataView(machine.system.buffer).setUint32(0, cr0, true);
  new DataView(machine.system.buffer).setUint32(abi.CR4 - abi.CR0, cr4, true);
  loadState(machine, image);
  const { exception, odd } = stepOne(machine);
  expect(odd).toBeNull();
  saveState(machine, image, exception);
  return {
    exception,
    state: image,
    data: machine.u8.subarray(machine.ram + DATA.physical, machine.ram + DATA.physical + DATA.size),
  };
}

const FORMS: [name: string, code: string][] = [
  ['ADDPS xmm0, xmm1', '0f58c1'],
  ['PXOR xmm0, xmm1', '660fefc1'],
  ['MOVAPS xmm0, [rax]', '0f2800'],
  ['MOVD ecx, xmm0', '660f7ec1'],
  ['MASKMOVDQU xmm0, xmm1', '660ff7c1'],
  ['LDMXCSR [rax]', '0fae10'],
  ['STMXCSR [rax]', '0fae18'],
];

describe('whether SSE is there (SDM vol. 3, 13.1.4 and table 2-18)', () => {
  it.each(FORMS)('%s', (_name, code) => {
    const registers = { xmm0: '1' };
    const memory = '801f0000'.padEnd(32, '0');
    expect(run(code, { registers, memory }).exception).toBe(-1);
    expect(run(code, { registers, memory, cr0: INITIAL_CR0 | CR0_EM }).exception).toBe(UD);
    expect(run(code, { registers, memory, cr4: INITIAL_CR4 & ~CR4_OSFXSR }).exception).toBe(UD);
    expect(run(code, { registers, memory, cr0: INITIAL_CR0 | CR0_TS }).exception).toBe(NM);
    // #UD comes first.
    expect(run(code, { registers, memory, cr0: INITIAL_CR0 | CR0_TS | CR0_EM }).exception).toBe(UD);
  });

  it('FXSAVE and FXRSTOR give #NM for EM and TS alike, and do not need OSFXSR', () => {
    for (const code of ['0fae00', '480fae00', '0fae08', '480fae08']) {
      const memory = ''.padEnd(48, '0') + '801f0000';
      expect(run(code, { memory }).exception).toBe(-1);
      expect(run(code, { memory, cr4: INITIAL_CR4 & ~CR4_OSFXSR }).exception).toBe(-1);
      expect(run(code, { memory, cr0: INITIAL_CR0 | CR0_EM }).exception).toBe(NM);
      expect(run(code, { memory, cr0: INITIAL_CR0 | CR0_TS }).exception).toBe(NM);
    }
  });
});

describe('unmasked exceptions', () => {
  const DIVPS = '0f5ec1'; // divps xmm0, xmm1
  const registers = { xmm0: '3f8000003f8000003f8000003f800000', xmm1: '3f800000000000003f80000040400000' };

  it('#Z leaves the destination alone, reports no #P of another element, and is #XM', () => {
    const { exception, state } = run(DIVPS, { registers: { ...registers, mxcsr: '1d80' } });
    expect(exception).toBe(XM);
    expect(new DataView(state.buffer).getUint32(AT.mxcsr, true)).toBe(0x1d84);
    const image = new Uint8Array(STATE_SIZE);
    putHex(image, placeOf('xmm0'), registers.xmm0);
    expect(state.subarray(AT.ymm, AT.ymm + 32)).toEqual(image.subarray(AT.ymm, AT.ymm + 32));
  });

  it('is #UD when CR4.OSXMMEXCPT is clear', () => {
    expect(run(DIVPS, { registers: { ...registers, mxcsr: '1d80' }, cr4: INITIAL_CR4 & ~CR4_OSXMMEXCPT }).exception).toBe(UD);
  });

  it('masked ones give the default results and the flags', () => {
    const { exception, state } = run(DIVPS, { registers });
    const view = new DataView(state.buffer);
    expect([exception, view.getUint32(AT.mxcsr, true)]).toEqual([-1, 0x1fa4]);
    expect([0, 4, 8, 12].map(i => view.getUint32(AT.ymm + i, true))).toEqual([0x3eaaaaab, 0x3f800000, 0x7f800000, 0x3f800000]);
  });
});

describe('MXCSR', () => {
  it('refuses reserved bits with #GP', () => {
    expect(run('0fae10', { memory: '80ff0000' }).exception).toBe(-1);
    expect(run('0fae10', { memory: '801f0100' }).exception).toBe(GP);
    expect(run('0fae08', { memory: ''.padEnd(48, '0') + '801f0100' }).exception).toBe(GP);
  });
});

describe('MASKMOVDQU', () => {
  it('stores only the bytes whose mask has its top bit set, and does not touch memory for an empty mask', () => {
    const registers = { rdi: '20000000', xmm0: '0f0e0d0c0b0a09080706050403020100', xmm1: '80000000000000000000000000ff7f80' };
    const { data } = run('660ff7c1', { registers, memory: 'aa'.repeat(16) });
    expect(Buffer.from(data.subarray(0, 16)).toString('hex')).toBe('00aa02aaaaaaaaaaaaaaaaaaaaaaaa0f');
    expect(run('660ff7c1', { registers: { ...registers, rdi: '40000000', xmm1: '7f' } }).exception).toBe(-1);
    expect(run('660ff7c1', { registers: { ...registers, rdi: '40000000' } }).exception).toBe(14);
  });
});
