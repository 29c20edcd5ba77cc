import { describe, expect, it } from 'vitest';
import { R12, RBP, RBX, RSP } from '../../hal/bus/cpu.ts';
import { FakePhysical, FakeVirtual } from '../testing/fakemem.ts';
import { TableBuilder } from '../boot/memory.ts';
import { PTE_VALID, PTE_WRITE } from '../mm/layout.ts';
import { lookupFunctionEntry, virtualUnwind, type WalkContext } from './unwind.ts';

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
    virtualUnwind(m, image, c);
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

  it('takes code without .pdata as a leaf', () => {
    const m = machine(PUSH_AND_ALLOC);
    m.write64(STACK, 0x5678n);
    const c = context(BASE + 0x1200);
    virtualUnwind(m, image, c);
    expect(c.rip).toBe(0x5678);
  });
});
