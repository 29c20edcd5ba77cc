import { describe, expect, test } from 'vitest';
import { ACTIVITY, ACTIVITY_HALTED, ACTIVITY_WAIT_SIPI, NMI_PENDING } from '../../emulator/core/abi.ts';
import { createBox, outcome, reg, run, setReg, vectorOf } from './testbox.ts';
import type { Box } from './testbox.ts';

const APIC = { id: 0x20, ldr: 0xd0, dfr: 0xe0, svr: 0xf0, eoi: 0xb0, irr: 0x200, isr: 0x100, icr: 0x300, icrHigh: 0x310, esr: 0x280, lint0: 0x350 };

/** Four processors with enabled local APICs, logical IDs 1, 2, 4, 8 in the flat model. Nobody runs. */
function four(): Box {
  const b = createBox('f4', 4);
  for (let n = 0; n < 4; n++) {
    b.core.apicWrite(n, APIC.svr, 0x1ff);
    b.core.apicWrite(n, APIC.ldr, (1 << n) << 24);
  }
  return b;
}
/** Processors whose IRR has `vector`, as digits. */
function requested(b: Box, vector: number): string {
  return [0, 1, 2, 3].filter(n => ((b.core.apicRead(n, APIC.irr + (vector >> 5) * 16) >>> (vector & 31)) & 1) !== 0).join('');
}
function send(b: Box, from: number, destination: number, command: number): void {
  b.core.apicWrite(from, APIC.icrHigh, destination << 24);
  b.core.apicWrite(from, APIC.icr, command);
}
const field = (b: Box, cpu: number, offset: number): number => b.view.getUint32(b.core.cpuBase(cpu) + offset, true);

describe('messages between processors', () => {
  test('physical destinations and broadcast', () => {
    const b = four();
    send(b, 0, 2, 0x40);
    send(b, 1, 0xff, 0x41);
    send(b, 3, 7, 0x42);
    expect([requested(b, 0x40), requested(b, 0x41), requested(b, 0x42)]).toEqual(['2', '0123', '']);
  });
  test('logical destinations in the flat model', () => {
    const b = four();
    send(b, 0, 0b1010, 0x840);
    send(b, 0, 0xff, 0x841);
    send(b, 0, 0x10, 0x842);
    expect([requested(b, 0x40), requested(b, 0x41), requested(b, 0x42)]).toEqual(['13', '0123', '']);
  });
  test('logical destinations in the cluster model', () => {
    const b = four();
    for (let n = 0; n < 4; n++) {
      b.core.apicWrite(n, APIC.dfr, 0x0fffffff);
      b.core.apicWrite(n, APIC.ldr, (((n >> 1) << 4) | (1 << (n & 1))) << 24); // clusters 0 and 1 of two
    }
    send(b, 0, 0x03, 0x840);
    send(b, 0, 0x12, 0x841);
    send(b, 0, 0xf1, 0x842);
    send(b, 0, 0x23, 0x843);
    expect([0x40, 0x41, 0x42, 0x43].map(v => requested(b, v))).toEqual(['01', '3', '02', '']);
  });
  test('shorthands', () => {
    const b = four();
    send(b, 1, 0, 0x40040);
    send(b, 1, 0, 0x80041);
    send(b, 1, 0, 0xc0042);
    expect([0x40, 0x41, 0x42].map(v => requested(b, v))).toEqual(['1', '0123', '023']);
  });
  test('the lowest priority takes it', () => {
    const b = four();
    for (const [n, tpr] of [0x80, 0x30, 0x20, 0x90].entries()) b.core.apicWrite(n, 0x80, tpr);
    send(b, 0, 0xff, 0x941);
    expect(requested(b, 0x41)).toBe('2');
    // A higher interrupt in service raises the processor's priority above that of the next.
    b.core.apicWrite(2, 0x80, 0x40);
    send(b, 0, 0xff, 0x942);
    expect(requested(b, 0x42)).toBe('1');
  });
  test('NMI; a vector below 16 is an error of the sender', () => {
    const b = four();
    send(b, 0, 3, 0x400);
    expect([0, 1, 2, 3].map(n => field(b, n, NMI_PENDING))).toEqual([0, 0, 0, 1]);
    send(b, 0, 1, 0x0f);
    b.core.apicWrite(0, APIC.esr, 0);
    expect([requested(b, 0x0f), b.core.apicRead(0, APIC.esr)]).toEqual(['', 0x20]);
    b.core.apicWrite(0, APIC.esr, 0);
    expect(b.core.apicRead(0, APIC.esr)).toBe(0);
  });
  test('a software-disabled APIC takes NMI and INIT but no vectors', () => {
    const b = four();
    b.core.apicWrite(2, APIC.svr, 0xff);
    send(b, 0, 2, 0x40);
    send(b, 0, 2, 0x400);
    expect([requested(b, 0x40), field(b, 2, NMI_PENDING)]).toEqual(['', 1]);
  });
  test('INIT resets the target and keeps its APIC ID; a start-up message starts it once', () => {
    const b = four();
    b.core.apicWrite(2, APIC.id, 0x21000000);
    b.view.setUint32(b.core.cpuBase(2) + ACTIVITY, ACTIVITY_HALTED, true);
    send(b, 0, 0x21, 0x4500);
    expect([field(b, 2, ACTIVITY), b.core.apicRead(2, APIC.id) >>> 24, b.core.apicRead(2, APIC.svr)]).toEqual([ACTIVITY_WAIT_SIPI, 0x21, 0xff]);
    send(b, 0, 0x21, 0x8500); // level de-assert: nothing
    expect(field(b, 2, ACTIVITY)).toBe(ACTIVITY_WAIT_SIPI);
    send(b, 0, 0x21, 0x4612);
    const rip = b.core.cpuBase(2) + 0xa0, cs = b.core.cpuBase(2) + 0x480 + 24;
    expect([field(b, 2, ACTIVITY), b.view.getUint32(rip, true), b.view.getUint32(cs, true), b.view.getUint32(cs + 16, true)]).toEqual([0, 0, 0x1200, 0x12000]);
    b.view.setUint32(rip, 0x55, true);
    send(b, 0, 0x21, 0x4634);
    expect(b.view.getUint32(rip, true)).toBe(0x55);
  });
});

/** mov ecx, msr; mov eax, lo; mov edx, hi; wrmsr */
const wr = (msr: number, lo: number, hi = 0): string => `b9${le(msr)} b8${le(lo)} ba${le(hi)} 0f30`;
/** mov ecx, msr; rdmsr */
const rd = (msr: number): string => `b9${le(msr)} 0f32`;
const le = (v: number): string => [0, 8, 16, 24].map(s => ((v >>> s) & 0xff).toString(16).padStart(2, '0')).join('');
const X2 = wr(0x1b, 0xfee00c00), HLT = 'f4';
const result = (code: string): string => outcome(createBox(code));

describe('x2APIC mode', () => {
  test('is entered from xAPIC mode and left by disabling', () => {
    expect(result(X2 + HLT)).toBe('halt');
    expect(result(wr(0x1b, 0xfee00400) + HLT)).toBe('d:0'); // EXTD without EN
    expect(result(X2 + wr(0x1b, 0xfee00800) + HLT)).toBe('d:0'); // back to xAPIC
    expect(result(X2 + wr(0x1b, 0xfee00000) + wr(0x1b, 0xfee00800) + HLT)).toBe('halt');
    expect(result(wr(0x1b, 0xfee00000) + X2 + HLT)).toBe('d:0'); // not from disabled
    expect(result(wr(0x1b, 0xfee00a00) + HLT)).toBe('d:0'); // bit 9
    expect(result(wr(0x1b, 0xfee00801) + HLT)).toBe('d:0');
    expect(result(wr(0x1b, 0xfee00800, 0x100) + HLT)).toBe('d:0'); // above the physical address
    const b = createBox(X2 + rd(0x1b) + HLT);
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rax')).toBe(0xfee00d00n);
  });
  test('its registers are not there in xAPIC mode, and reserved ones never', () => {
    expect(result(rd(0x802) + HLT)).toBe('d:0');
    for (const msr of [0x80c, 0x80e, 0x809, 0x831, 0x82f, 0x83f, 0x80b, 0x800, 0x8ff]) expect([msr, result(X2 + rd(msr) + HLT)]).toEqual([msr, 'd:0']);
    for (const msr of [0x802, 0x803, 0x80a, 0x80d, 0x810, 0x820, 0x839, 0x80e]) expect([msr, result(X2 + wr(msr, 0) + HLT)]).toEqual([msr, 'd:0']);
  });
  test('reserved bits are #GP', () => {
    const bad: [number, number, number][] = [[0x808, 0x100, 0], [0x808, 0, 1], [0x80b, 1, 0], [0x828, 1, 0], [0x80f, 0x200, 0], [0x832, 0x100, 0], [0x830, 0x1000, 0], [0x830, 0x100000, 0], [0x83e, 4, 0], [0x83f, 0x100, 0], [0x837, 0x700ff, 0]];
    for (const [msr, lo, hi] of bad) expect([msr, result(X2 + wr(msr, lo, hi) + HLT)]).toEqual([msr, 'd:0']);
    for (const [msr, lo] of [[0x808, 0xff], [0x80b, 0], [0x828, 0], [0x80f, 0x11ff], [0x832, 0x700ff], [0x83e, 11]] as const) expect([msr, result(X2 + wr(msr, lo) + HLT)]).toEqual([msr, 'halt']);
  });
  test('ID, logical ID, SELF_IPI and the 64-bit ICR', () => {
    const b = createBox(X2 + wr(0x80f, 0x1ff) + rd(0x80d) + '89c6' /* mov esi, eax */ + wr(0x83f, 0x31) + wr(0x830, 0x32, 0xffffffff) + rd(0x830) + '89d7' /* mov edi, edx */ + 'fb90f4' /* sti; nop; hlt */);
    expect(vectorOf(b)).toBe(0x32);
    expect([reg(b, 'rsi'), reg(b, 'rax'), reg(b, 'rdi')]).toEqual([1n, 0x32n, 0xffffffffn]);
    expect(((b.core.apicRead(0, APIC.irr + 16) >>> 0x11) & 1)).toBe(1);
  });
  test('a message reaches logical destinations of a cluster; FFh is everybody only in eight bits', () => {
    const b = createBox(X2 + HLT, 2);
    expect(run(b)).toBe(1);
    b.core.apicWrite(0, APIC.svr, 0x1ff);
    b.core.msi(0xfeeff000, 0x40); // physical FFh
    b.core.msi(0xfee01004, 0x41); // logical 1
    b.core.msi(0xfee02004, 0x42); // logical 2: nobody
    expect([0x40, 0x41, 0x42].map(v => (b.core.apicRead(0, APIC.irr + 32) >>> (v & 31)) & 1)).toEqual([1, 1, 0]);
  });
  test('the register page is ordinary address space then', () => {
    const b = createBox(X2 + HLT);
    expect(run(b)).toBe(1);
    expect(b.core.apicRead(0, APIC.id)).toBe(0);
  });
});

describe('time-stamp counter', () => {
  test('a write of it and one of IA32_TSC_ADJUST move both', () => {
    // wrmsr 10h, 100000h; rdmsr 3bh -> rsi; wrmsr 3bh, 0; rdtsc
    const b = createBox(wr(0x10, 0, 1) + rd(0x3b) + '89d6' + wr(0x3b, 0, 0) + '0f31 f4');
    setReg(b, 'rax', 0n);
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rsi')).toBe(0n); // 100000000h less the cycles before: below 2^32
    expect(reg(b, 'rdx')).toBe(0n);
    expect(reg(b, 'rax')).toBeLessThan(1000n);
  });
});

describe('EOI', () => {
  test('of a level-triggered interrupt is broadcast, unless the spurious-vector register says no', () => {
    for (const [svr, remote] of [[0x1ff, 0], [0x11ff, 1]] as const) {
      // sti; nop; hlt with pin 3 asserted, level-triggered, vector 31h
      const b = createBox('fb90f4');
      b.core.apicWrite(0, APIC.svr, svr);
      b.core.ioapicWrite(0, 0x16);
      b.core.ioapicWrite(0x10, 0x8031);
      b.core.ioapicLine(3, 1);
      expect(vectorOf(b)).toBe(0x31);
      b.core.ioapicLine(3, 0);
      expect((b.core.ioapicRead(0x10) >> 14) & 1).toBe(1);
      b.core.apicWrite(0, APIC.eoi, 0);
      expect((b.core.ioapicRead(0x10) >> 14) & 1).toBe(remote);
      b.core.ioapicWrite(0x40, 0x31); // directed EOI
      expect((b.core.ioapicRead(0x10) >> 14) & 1).toBe(0);
    }
  });
});
