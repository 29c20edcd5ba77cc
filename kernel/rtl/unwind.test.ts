import { describe, expect, it } from 'vitest';
import { R12, RBP, RBX, RDI, RSP } from '../../hal/bus/cpu.ts';
import { FakePhysical, FakeVirtual } from '../testing/fakemem.ts';
import { TableBuilder } from '../boot/memory.ts';
import { PTE_VALID, PTE_WRITE } from '../mm/layout.ts';
import {
  lookupFunctionEntry,
  UNW_FLAG_EHANDLER,
  UNW_FLAG_NHANDLER,
  UNW_FLAG_UHANDLER,
  unwindFrame,
  type UnwindRegisters,
  type Unwound,
  virtualUnwind,
  type WalkContext,
} from './unwind.ts';

const BASE = 0x10000;
const STACK = 0x8000;

/** An image with one function at RVA 0x1000..0x1100 whose UNWIND_INFO is given. */
function machine(unwind: readonly number[], code: readonly number[] = []): FakeVirtual {
  const ram = new FakePhysical(0x40000);
  const tables = new TableBuilder(ram, 0x30, 0x40);
  tables.map(0, 0, 0x30, PTE_VALID | PTE_WRITE);
  const memory = new FakeVirtual(ram, tables.root);
  memory.write32(BASE + 0x3c, 0x80);
  memory.write32(BASE + 0x80 + 24 + 112 + 24, 0x2000);
  memory.write32(BASE + 0x80 + 24 + 112 + 28, 12);
  memory.write32(BASE + 0x2000, 0x1000);
  memory.write32(BASE + 0x2004, 0x1100);
  memory.write32(BASE + 0x2008, 0x3000);
  memory.writeBytes(BASE + 0x3000, Uint8Array.from(unwind));
  memory.writeBytes(BASE + 0x1000, new Uint8Array(0x100).fill(0x90));
  memory.writeBytes(BASE + 0x1080, Uint8Array.from(code));
  return memory;
}
const image = { base: BASE, size: 0x10000 };
const context = (rip: number): WalkContext => {
  const registers = new Array<number>(16).fill(0);
  registers[RSP] = STACK;
  return { rip, registers };
};

describe('unwinding', () => {
  // push rbx (1), sub rsp, 20h (5)
  const PUSH_AND_ALLOC = [1, 5, 2, 0, 5, 0x32, 1, 0x30];

  it('finds the function of an address', () => {
    const m = machine(PUSH_AND_ALLOC);
    expect(lookupFunctionEntry(m, image, BASE + 0x1000)).toEqual({
      at: BASE + 0x2000,
      begin: 0x1000,
      end: 0x1100,
      unwind: 0x3000,
    });
    expect(lookupFunctionEntry(m, image, BASE + 0x1100)).toBeNull();
  });

  it('undoes the whole prologue from the body', () => {
    const m = machine(PUSH_AND_ALLOC);
    m.write64(STACK + 0x20, 0x1234n);
    m.write64(STACK + 0x28, 0x5678n);
    const c = context(BASE + 0x1050);
    virtualUnwind(m, image, c);
    expect(c.rip).toBe(0x5678);
    expect(c.registers[RBX]).toBe(0x1234);
    expect(c.registers[RSP]).toBe(STACK + 0x30);
  });

  it('undoes only what has been done inside the prologue', () => {
    const m = machine(PUSH_AND_ALLOC);
    m.write64(STACK, 0x1234n);
    m.write64(STACK + 8, 0x5678n);
    const c = context(BASE + 0x1001);
    virtualUnwind(m, image, c);
    expect(c.rip).toBe(0x5678);
    expect(c.registers[RBX]).toBe(0x1234);
    const first = context(BASE + 0x1000);
    m.write64(STACK, 0x9abcn);
    virtualUnwind(m, image, first);
    expect(first.rip).toBe(0x9abc);
  });

  it('goes by the frame register', () => {
    // push rbp (1), sub rsp, 158h (8), lea rbp, [rsp+80h] (16)
    const m = machine([1, 16, 4, 0x85, 16, 3, 8, 1, 0x2b, 0, 1, 0x50]);
    const c = context(BASE + 0x1050);
    c.registers[RSP] = 0x7000; // moved by an alloca
    c.registers[RBP] = STACK + 0x80;
    m.write64(STACK + 0x158, 0x42n);
    m.write64(STACK + 0x160, 0x5678n);
    virtualUnwind(m, image, c);
    expect(c.rip).toBe(0x5678);
    expect(c.registers[RBP]).toBe(0x42);
    expect(c.registers[RSP]).toBe(STACK + 0x168);
  });

  it('crosses a machine frame with an error code', () => {
    const m = machine([1, 0, 1, 0, 0, 0x1a, 0, 0]);
    m.write64(STACK + 8, 0xabcdn);
    m.write64(STACK + 32, 0x7777n);
    const c = context(BASE + 0x1050);
    // What was interrupted has not called anything, and may be in an epilogue.
    expect(virtualUnwind(m, image, c)).toBe(false);
    expect(c.rip).toBe(0xabcd);
    expect(c.registers[RSP]).toBe(0x7777);
  });

  it('carries out the rest of an epilogue', () => {
    // add rsp, 20h; pop r12; pop rbx; ret
    const m = machine(PUSH_AND_ALLOC, [0x48, 0x83, 0xc4, 0x20, 0x41, 0x5c, 0x5b, 0xc3]);
    m.write64(STACK, 0x11n);
    m.write64(STACK + 8, 0x22n);
    m.write64(STACK + 16, 0x5678n);
    const c = context(BASE + 0x1084);
    virtualUnwind(m, image, c);
    expect([c.registers[R12], c.registers[RBX], c.rip]).toEqual([0x11, 0x22, 0x5678]);
    expect(c.registers[RSP]).toBe(STACK + 24);
  });

  it('comes to the same from a return address before an epilogue, by the codes', () => {
    const m = machine(PUSH_AND_ALLOC, [0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3]);
    m.write64(STACK + 0x20, 0x22n);
    m.write64(STACK + 0x28, 0x5678n);
    const results = [false, true].map(afterCall => {
      const c = context(BASE + 0x1080);
      expect(virtualUnwind(m, image, c, afterCall)).toBe(true);
      return [c.rip, c.registers[RBX], c.registers[RSP]];
    });
    expect(results[0]).toEqual([0x5678, 0x22, STACK + 0x30]);
    expect(results[1]).toEqual(results[0]);
  });

  it('takes code without .pdata as a leaf', () => {
    const m = machine(PUSH_AND_ALLOC);
    m.write64(STACK, 0x5678n);
    const c = context(BASE + 0x1200);
    virtualUnwind(m, image, c);
    expect(c.rip).toBe(0x5678);
  });
});

describe('handlers and epilogues', () => {
  // push rbx (1), sub rsp, 20h (5), with a handler of both kinds at RVA 5000h and data after it
  const WITH_HANDLER = [0x19, 5, 2, 0, 5, 0x32, 1, 0x30, 0x00, 0x50, 0, 0, 0x44, 0x33, 0x22, 0x11];
  const registers = (
    m: FakeVirtual,
    rip: number,
    rsp = STACK,
  ): UnwindRegisters & { values: number[]; xmm: [number, number][] } => {
    const values = new Array<number>(16).fill(0);
    values[RSP] = rsp;
    const xmm: [number, number][] = [];
    return {
      rip,
      values,
      xmm,
      get: r => values[r]!,
      set: (r, v) => {
        values[r] = v;
      },
      load: (r, from) => {
        values[r] = m.read32(from);
      },
      loadXmm: (r, from) => {
        xmm.push([r, from]);
      },
    };
  };
  const unwind = (m: FakeVirtual, r: UnwindRegisters, type: number): Unwound =>
    unwindFrame(m, image, lookupFunctionEntry(m, image, r.rip)!, r, type);

  it('gives the handler of the kind that is asked for, from the body only', () => {
    const m = machine(WITH_HANDLER, [0x5b, 0xc3]);
    expect(unwind(m, registers(m, BASE + 0x1050), UNW_FLAG_EHANDLER)).toEqual({
      handler: BASE + 0x5000,
      handlerData: BASE + 0x300c,
      establisher: STACK,
      interrupted: false,
    });
    expect(unwind(m, registers(m, BASE + 0x1050), UNW_FLAG_NHANDLER).handler).toBe(0);
    expect(unwind(m, registers(m, BASE + 0x1002), UNW_FLAG_EHANDLER).handler).toBe(0);
    expect(unwind(m, registers(m, BASE + 0x1080), UNW_FLAG_EHANDLER).handler).toBe(0);
  });

  it('restores vector registers', () => {
    // sub rsp, 38h (4), movaps [rsp+20h], xmm6 (9)
    const m = machine([1, 9, 3, 0, 9, 0x68, 2, 0, 4, 0x62, 0, 0]);
    const r = registers(m, BASE + 0x1050);
    unwind(m, r, 0);
    expect(r.xmm).toEqual([[6, STACK + 0x20]]);
    expect(r.values[RSP]).toBe(STACK + 0x40);
  });

  it('goes by the epilogues that version 2 lists, and by nothing else', () => {
    // One epilogue of 2 bytes at the very end, none elsewhere: pop rbx; ret.
    const m = machine([2, 5, 4, 0, 2, 0x16, 0, 0, 5, 0x32, 1, 0x30], [0x5b, 0xc3]);
    m.writeBytes(BASE + 0x10fe, Uint8Array.of(0x5b, 0xc3));
    m.write64(STACK, 0x77n);
    m.write64(STACK + 8, 0x88n);
    m.write64(STACK + 0x20, 0x1n);
    m.write64(STACK + 0x28, 0x2n);
    const inside = registers(m, BASE + 0x10fe);
    unwind(m, inside, 0);
    expect([inside.values[RBX], inside.rip]).toEqual([0x77, 0x88]);
    const looksLikeOne = registers(m, BASE + 0x1080);
    unwind(m, looksLikeOne, 0);
    expect([looksLikeOne.values[RBX], looksLikeOne.rip]).toEqual([1, 2]);
  });

  it('takes a jump out of the function for the end of an epilogue, a jump inside of it not', () => {
    // add rsp, 20h; pop rbx; jmp +1000h   and   jmp -5
    const m = machine([1, 5, 2, 0, 5, 0x32, 1, 0x30], [0x48, 0x83, 0xc4, 0x20, 0x5b, 0xe9, 0, 0x10, 0, 0]);
    m.write64(STACK + 0x20, 0x1n);
    m.write64(STACK + 0x28, 0x2n);
    const tail = registers(m, BASE + 0x1080);
    unwind(m, tail, 0);
    expect([tail.values[RBX], tail.rip, tail.values[RSP]]).toEqual([1, 2, STACK + 0x30]);
    m.writeBytes(BASE + 0x1090, Uint8Array.of(0xeb, 0xf0));
    const loop = registers(m, BASE + 0x1090);
    unwind(m, loop, 0);
    expect([loop.values[RBX], loop.rip]).toEqual([1, 2]);
  });

  it('follows a chain to the function that a part belongs to, whose handler it has', () => {
    // The part saves RDI at [rsp+30h]; its entry leads to that of the function.
    const m = machine([0x21, 0, 2, 0, 0, 0x74, 6, 0, 0, 0x10, 0, 0, 0, 0x11, 0, 0, 0x00, 0x31, 0, 0]);
    m.writeBytes(BASE + 0x3100, Uint8Array.from(WITH_HANDLER));
    m.write64(STACK + 0x30, 0x99n);
    m.write64(STACK + 0x20, 0x1n);
    m.write64(STACK + 0x28, 0x2n);
    const r = registers(m, BASE + 0x1050);
    expect(unwind(m, r, UNW_FLAG_UHANDLER)).toMatchObject({ handler: BASE + 0x5000, handlerData: BASE + 0x310c });
    expect([r.values[RDI], r.values[RBX], r.rip]).toEqual([0x99, 1, 2]);
  });

  it('refuses a chain without an end', () => {
    const m = machine([0x21, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x11, 0, 0, 0x00, 0x30, 0, 0]);
    expect(() => unwind(m, registers(m, BASE + 0x1050), 0)).toThrow(RangeError);
  });
});
