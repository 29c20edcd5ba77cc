import { describe, expect, it } from 'vitest';
import { CS } from '../../hal/bus/index.ts';
import { bareMachine, CODE, hex } from '../testing/longmode.ts';
import { codeAddress, codeListing, codeMode } from './code.ts';

describe('the listing of a processor’s code', () => {
  // The same bytes in code of each size: as 16-bit code they are MOV AX, imm16; ADD [BX+SI], AL; CALL rel16.
  const machine = bareMachine({ code: hex('b8 34 12 00 00 e8 10 00 00 00'), config: { cpus: 2, ramBytes: 1 << 20 } });
  const BASE = 0x800;
  const lines = (cpu: number): string[] =>
    codeListing(machine.cpus[cpu], null, CODE, 0, 3).map(l => `${l.address - CODE} ${l.text} ${(l.target ?? CODE) - CODE}`);
  const segment = (bits: number, cpu: number): void => {
    const { selector, limit } = machine.cpus[cpu].segment(CS);
    machine.cpus[cpu].setSegment(CS, { selector, base: BASE, limit, access: 0x9b | (bits << 13) });
  };

  it('is 64-bit code by CS.L, whatever CS has for a base', () => {
    segment(1, 1);
    expect(codeMode(machine.cpus[1])).toEqual({ bits: 64, base: 0 });
    expect(codeAddress(machine.cpus[1])).toBe(machine.cpus[1].rip);
    expect(lines(1).slice(0, 2)).toEqual(['0 mov eax, 0x1234 0', expect.stringMatching(/^5 call .* 26$/)]);
  });

  it('is 32- or 16-bit code by CS.D, with targets that count from the segment’s base; of that processor alone', () => {
    segment(2, 1);
    machine.cpus[1].rip = CODE - BASE;
    expect([codeMode(machine.cpus[1]), codeAddress(machine.cpus[1])]).toEqual([{ bits: 32, base: BASE }, CODE]);
    expect(lines(1).slice(0, 2)).toEqual(['0 mov eax, 0x1234 0', expect.stringMatching(/^5 call .* 26$/)]);
    segment(0, 1);
    expect([codeMode(machine.cpus[1]), codeAddress(machine.cpus[1])]).toEqual([{ bits: 16, base: BASE }, CODE]);
    expect(lines(1)).toEqual([
      '0 mov ax, 0x1234 0',
      expect.stringMatching(/^3 add .*\[bx\+si\], al 0$/),
      expect.stringMatching(/^5 call .* 24$/),
    ]);
    expect(codeMode(machine.cpus[0]).bits).toBe(64);
  });
});
