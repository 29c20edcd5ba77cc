import { describe, expect, test } from 'vitest';
import * as abi from '../../emulator/core/abi.ts';
import { CODE, cpl, createBox, DATA, flags, GDT, get, HANDLERS, hex, IDT, load, outcome, P, PML4, pte, reg, run, selector, set, setReg, setSegment, STACK, toUser, TSS, U, userPages, vectorOf, W, write64, type Box } from './testbox.ts';

// System architecture outside IA-32e mode, and what IA-32e mode has besides: delivery, far transfers and paging of every mode, PCIDs, protection keys.

const IF = 0x200, VM = 0x20000, NT = 0x4000;
const RING3_CODE = 0x1b, RING3_DATA = 0x23, CODE32 = 0x40, CALL_GATE = 0x48, TSS32 = 0x50, OTHER_TSS = 0x58;
const OTHER = 0x9000;

const word = (b: Box, pa: number): number => b.view.getUint16(b.ram + pa, true);
const dword = (b: Box, pa: number): number => b.view.getUint32(b.ram + pa, true);
const put32 = (b: Box, pa: number, v: number): void => b.view.setUint32(b.ram + pa, v, true);

/** Protected mode without paging: flat 32-bit segments, an IDT of 32-bit interrupt gates to the HLTs of the test box, a 32-bit TSS. */
function protectedBox(code: string): Box {
  const b = createBox(code);
  set(b, abi.CR0, 0x11n);
  set(b, abi.CR4, 0n);
  set(b, abi.EFER, 0n);
  write64(b, GDT + CODE32, 0x00cf9b000000ffffn);
  write64(b, GDT + TSS32, 0x00008b0000000067n | (BigInt(TSS) << 16n));
  write64(b, GDT + OTHER_TSS, 0x0000890000000067n | (BigInt(OTHER) << 16n));
  put32(b, TSS + 4, STACK);
  put32(b, TSS + 8, 0x10);
  for (let v = 0; v < 64; v++) write64(b, IDT + v * 8, BigInt(HANDLERS + v * 16) | BigInt(CODE32 << 16) | 0xee0000000000n);
  b.view.setUint32(b.cpu + abi.IDTR_LIMIT, 0x1ff, true);
  setSegment(b, abi.SEG_CS, CODE32, 0xc09b);
  for (const s of [abi.SEG_SS, abi.SEG_DS, abi.SEG_ES]) setSegment(b, s, 0x10, 0xc093);
  setSegment(b, abi.SEG_TR, TSS32, 0x8b, BigInt(TSS), 0x67);
  b.core.setState(0);
  b.core.hostTlbFlush(0, 1);
  return b;
}
function toRing3(b: Box): void {
  setSegment(b, abi.SEG_CS, RING3_CODE, 0xc0fb);
  setSegment(b, abi.SEG_SS, RING3_DATA, 0xc0f3);
  b.view.setUint32(b.cpu + abi.CPL, 3, true);
  setReg(b, 'rsp', 0x38000n);
  b.core.setState(0);
}
/** Error code of the fault that the box ran into, with its vector. */
const fault = (b: Box): string => `${vectorOf(b).toString(16)}:${dword(b, Number(reg(b, 'rsp'))).toString(16)}`;

describe('real-address mode', () => {
  const real = (code: string): Box => {
    const b = createBox(code);
    set(b, abi.CR0, 0x10n);
    set(b, abi.EFER, 0n);
    setSegment(b, abi.SEG_CS, CODE >> 4, 0x9b, BigInt(CODE), 0xffff);
    for (const s of [abi.SEG_SS, abi.SEG_DS, abi.SEG_ES]) setSegment(b, s, 0, 0x93, 0n, 0xffff);
    set(b, abi.RIP, 0n);
    setReg(b, 'rsp', 0x4000n);
    set(b, abi.IDTR_BASE, 0n);
    b.core.flagsSet(0, 2 | IF);
    b.core.setState(0);
    b.core.hostTlbFlush(0, 1);
    return b;
  };
  test('INT goes through the vector table and pushes three words; IRET comes back', () => {
    const b = real('cd21f4' /* int 0x21; hlt */);
    put32(b, 0x21 * 4, 0x03000010); // 0300:0010
    load(b, 0x3010, hex('f4'));
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([get(b, abi.RIP), selector(b, abi.SEG_CS), reg(b, 'rsp')]).toEqual([0x11n, 0x300, 0x3ffan]);
    expect([word(b, 0x3ffa), word(b, 0x3ffc), word(b, 0x3ffe)]).toEqual([2, CODE >> 4, 2 | IF]);
    expect(flags(b) & IF).toBe(0);
    load(b, 0x3010, hex('cf'));
    set(b, abi.RIP, 0x10n);
    b.view.setUint32(b.cpu + abi.ACTIVITY, 0, true);
    b.core.setState(0);
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([get(b, abi.RIP), selector(b, abi.SEG_CS), reg(b, 'rsp'), flags(b) & IF]).toEqual([3n, CODE >> 4, 0x4000n, IF]);
  });
  test('an exception has no error code there, and a vector beyond the table is #GP', () => {
    const b = real('cd21f4');
    b.view.setUint32(b.cpu + abi.IDTR_LIMIT, 0x21 * 4 + 2, true);
    put32(b, 13 * 4, 0x03000010);
    load(b, 0x3010, hex('f4'));
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([get(b, abi.RIP), word(b, 0x3ffa), reg(b, 'rsp')]).toEqual([0x11n, 0, 0x3ffan]);
  });
  test('into protected mode: MOV CR0, then a far JMP to 32-bit code', () => {
    // lgdt [0x500]; mov eax, cr0; or al, 1; mov cr0, eax; jmp dword 0x18:0x10020; ...; mov eax, 0x12345678; mov ecx, cr0; hlt
    const b = real('0f011600050f20c00c010f22c066ea2000010018009090909090909090909090b8785634120f20c1f4');
    write64(b, GDT + 0x18, 0x00cf9b000000ffffn);
    b.view.setUint16(b.ram + 0x500, 0x7f, true);
    put32(b, 0x502, GDT);
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([reg(b, 'rax'), reg(b, 'rcx'), selector(b, abi.SEG_CS)]).toEqual([0x12345678n, 0x11n, 0x18]);
  });
});

describe('protected mode', () => {
  test('a gate to an inner level takes SS:ESP from the TSS and pushes five dwords', () => {
    const b = protectedBox('cd21');
    toRing3(b);
    expect(vectorOf(b)).toBe(0x21);
    const at = STACK - 20;
    expect([reg(b, 'rsp'), cpl(b), selector(b, abi.SEG_SS)]).toEqual([BigInt(at), 0, 0x10]);
    expect([0, 4, 8, 12, 16].map(o => dword(b, at + o))).toEqual([CODE + 2, RING3_CODE, 2, 0x38000, RING3_DATA]);
  });
  test('a bad stack in the TSS is #TS with its selector', () => {
    for (const [ss, expected] of [[0, 'a:0'], [0x23, 'a:20'], [0x40, 'a:40'], [0x7c0, 'a:7c0']] as const) {
      const b = protectedBox('cd21');
      toRing3(b);
      put32(b, TSS + 8, ss);
      // #TS itself must not need that stack: through a conforming segment it stays at level 3.
      write64(b, GDT + 0x60, 0x00cf9f000000ffffn);
      write64(b, IDT + 10 * 8, BigInt(HANDLERS + 10 * 16) | (0x60n << 16n) | 0xee0000000000n);
      load(b, HANDLERS + 10 * 16, hex('ebfe')); // jmp $: HLT is not allowed there
      run(b, 200);
      expect([Number(get(b, abi.RIP)), `a:${dword(b, Number(reg(b, 'rsp'))).toString(16)}`]).toEqual([HANDLERS + 160, expected]);
    }
  });
  test('a call gate to level 0 copies its parameters', () => {
    const b = protectedBox('9a000000004b00f4' /* call 0x4b:0; hlt */);
    write64(b, GDT + CALL_GATE, BigInt(HANDLERS) | BigInt(CODE32 << 16) | (2n << 32n) | 0xec0000000000n);
    toRing3(b);
    put32(b, 0x38000, 0x11111111);
    put32(b, 0x38004, 0x22222222);
    expect(run(b)).toBe(abi.EXIT_HALT);
    const at = STACK - 24;
    expect([reg(b, 'rsp'), get(b, abi.RIP), cpl(b)]).toEqual([BigInt(at), BigInt(HANDLERS + 1), 0]);
    expect([0, 4, 8, 12, 16, 20].map(o => dword(b, at + o))).toEqual([CODE + 7, RING3_CODE, 0x11111111, 0x22222222, 0x38000, RING3_DATA]);
  });
  test('limits: a stack push below an expand-down segment is #SS, a null SS cannot be loaded', () => {
    const b = protectedBox('50f4' /* push eax; hlt */);
    setSegment(b, abi.SEG_SS, 0x10, 0x4097, 0n, STACK - 1);
    put32(b, TSS + 4, 0x38000);
    setSegment(b, abi.SEG_SS, 0x10, 0x4093, 0n, STACK - 5);
    b.core.setState(0);
    expect(run(b)).toBe(abi.EXIT_TRIPLE_FAULT); // no room for the frame of #SS either
    const c = protectedBox('31c08ed0f4' /* xor eax, eax; mov ss, eax */);
    expect(fault(c)).toBe('d:0');
  });
});

describe('virtual-8086 mode', () => {
  /** IRETD into V86 code at 0100:0000 with stack 2000:0ff0. */
  const enter = (code: string, iopl = 0): Box => {
    const b = protectedBox('6a006a0068002000006800200000680020000068f00f0000680200020068000100006a00cf');
    b.view.setUint32(b.ram + CODE + 25, VM | 2 | (iopl << 12), true);
    load(b, 0x1000, hex(code));
    return b;
  };
  test('IRETD enters it; an exception leaves it with the segment registers on the stack', () => {
    const b = enter('8cd88ed80f0b' /* mov ax, ds; mov ds, ax; ud2 */);
    expect(vectorOf(b)).toBe(6);
    const at = STACK - 36;
    expect(reg(b, 'rsp')).toBe(BigInt(at));
    expect([0, 4, 12, 16, 20, 24].map(o => dword(b, at + o))).toEqual([4, 0x100, 0xff0, 0x2000, 0x2000, 0x2000]);
    expect(dword(b, at + 8) & VM).toBe(VM);
    expect([selector(b, abi.SEG_DS), flags(b) & VM, cpl(b)]).toEqual([0, 0, 0]);
  });
  test('INT n and IRET need IOPL 3', () => {
    expect(fault(enter('cd21'))).toBe('d:0');
    expect(fault(enter('cf'))).toBe('d:0');
    expect(vectorOf(enter('cd21', 3))).toBe(0x21);
  });
});

describe('task switches (SDM vol. 3, chapter 8)', () => {
  const withTask = (code: string): Box => {
    const b = protectedBox(code);
    for (const [o, v] of [[0x20, HANDLERS + 0x3f0], [0x24, 2], [0x28, 0x1234], [0x38, 0x39000], [0x48, 0x10], [0x4c, CODE32], [0x50, 0x10], [0x54, 0x10]]) put32(b, OTHER + o, v);
    return b;
  };
  test('JMP to a TSS saves the old task and loads the new one', () => {
    const b = withTask('ea000000005800' /* jmp 0x58:0 */);
    setReg(b, 'rbx', 0x77n);
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([get(b, abi.RIP), reg(b, 'rax'), reg(b, 'rsp'), selector(b, abi.SEG_TR)]).toEqual([BigInt(HANDLERS + 0x3f1), 0x1234n, 0x39000n, OTHER_TSS]);
    expect([dword(b, TSS + 0x20), dword(b, TSS + 0x34), dword(b, TSS + 0x4c) & 0xffff]).toEqual([CODE + 7, 0x77, CODE32]);
    expect([b.bytes[b.ram + GDT + TSS32 + 5], b.bytes[b.ram + GDT + OTHER_TSS + 5]]).toEqual([0x89, 0x8b]);
    expect(Number(get(b, abi.CR0)) & 8).toBe(8);
  });
  test('CALL nests: IRET with NT returns', () => {
    const b = withTask('9a000000005800f4' /* call 0x58:0; hlt */);
    load(b, HANDLERS + 0x3f0, hex('9c58cf') /* pushf; pop eax; iretd */);
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([get(b, abi.RIP), selector(b, abi.SEG_TR), flags(b) & NT, word(b, OTHER)]).toEqual([BigInt(CODE + 8), TSS32, 0, TSS32]);
    expect(dword(b, OTHER + 0x28) & NT).toBe(NT);
  });
  test('a busy TSS is #GP, a short one #TS, a bad stack #TS in the new task', () => {
    const busy = withTask('ea000000005000');
    expect(fault(busy)).toBe('d:50');
    const short = withTask('ea000000005800');
    write64(short, GDT + OTHER_TSS, 0x0000890000000066n | (BigInt(OTHER) << 16n));
    expect(fault(short)).toBe('a:58');
  });
});

describe('paging outside IA-32e mode', () => {
  const CR0_PG = 0x80000000n;
  test('32-bit paging: 4 KiB and 4 MiB pages, the reserved bits of the latter', () => {
    const b = protectedBox('a100005000 8b0d00004000 f4' /* mov eax, [0x500000]; mov ecx, [0x400000]; hlt */);
    put32(b, PML4, 0x83); // 4 MiB, identity
    put32(b, PML4 + 4, 0xa000 | 3);
    put32(b, 0xa000 + 0x100 * 4, DATA | 3);
    put32(b, 0xa000, (DATA + 0x1000) | 3);
    put32(b, DATA, 0xabcdef);
    set(b, abi.CR3, BigInt(PML4));
    set(b, abi.CR4, 0x10n);
    set(b, abi.CR0, 0x11n | CR0_PG);
    b.core.setState(0);
    b.core.hostTlbFlush(0, 1);
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([reg(b, 'rax'), reg(b, 'rcx')]).toEqual([0xabcdefn, 0n]);
    expect([dword(b, PML4) & 0x20, dword(b, PML4 + 4) & 0x60, dword(b, 0xa000 + 0x400) & 0x60]).toEqual([0x20, 0x20, 0x20]);
    put32(b, PML4 + 4, 0x2083);
    setReg(b, 'rsp', BigInt(STACK));
    set(b, abi.RIP, BigInt(CODE));
    b.view.setUint32(b.cpu + abi.ACTIVITY, 0, true);
    b.core.setState(0);
    b.core.hostTlbFlush(0, 1);
    expect(fault(b)).toBe('e:9');
  });
  test('PAE: PDPTEs are loaded and checked by MOV to CR3', () => {
    const b = protectedBox('b800b00000 0f22d8 a100000040 f4' /* mov eax, 0xb000; mov cr3, eax; mov eax, [0x40000000]; hlt */);
    for (const [at, v] of [[0xb000, 0xc001], [0xb008, 0xd001], [0xc000, 0x83], [0xd000, 0x83]]) write64(b, at, BigInt(v));
    set(b, abi.CR3, 0xb000n);
    set(b, abi.CR4, 0x20n);
    const start = (): void => {
      set(b, abi.CR0, 0x11n | CR0_PG);
      for (let i = 0; i < 4; i++) set(b, 0xf00 + i * 8, i === 0 ? 0xc001n : 0n);
      set(b, abi.RIP, BigInt(CODE));
      setReg(b, 'rsp', BigInt(STACK));
      b.view.setUint32(b.cpu + abi.ACTIVITY, 0, true);
      b.core.setState(0);
      b.core.hostTlbFlush(0, 1);
    };
    put32(b, 0, 0x600dda7a);
    start();
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect(reg(b, 'rax')).toBe(0x600dda7an);
    write64(b, 0xb008, 0xd003n);
    start();
    expect(fault(b)).toBe('d:0');
  });
});

describe('PCIDs and protection keys', () => {
  const PCIDE = 0x20000n, PKE = 0x400000n;
  test('CR4.PCIDE: CR3 bit 63 keeps the translations of an address space, its absence forgets them', () => {
    // mov rax, [0x20000]; mov cr3, rbx; mov cr3, rdx; mov rcx, [0x20000]; mov cr3, rdi; mov rsi, [0x20000]; hlt
    const b = createBox('488b042500000200 0f22db 0f22da 488b0c2500000200 0f22df 488b342500000200 f4');
    set(b, abi.CR4, get(b, abi.CR4) | PCIDE);
    b.core.setState(0);
    setReg(b, 'rbx', BigInt(PML4) | 1n);
    setReg(b, 'rdx', BigInt(PML4) | (1n << 63n));
    setReg(b, 'rdi', BigInt(PML4));
    write64(b, DATA, 1n);
    write64(b, DATA + 0x1000, 2n);
    // In address space 1, the page is mapped elsewhere without telling the processor.
    while (get(b, abi.RIP) !== BigInt(CODE + 11)) run(b, 1);
    pte(b, DATA, BigInt(DATA + 0x1000) | P | W);
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([reg(b, 'rax'), reg(b, 'rcx'), reg(b, 'rsi'), get(b, abi.CR3)]).toEqual([1n, 1n, 2n, BigInt(PML4)]);
  });
  test('what PCIDE asks for', () => {
    // mov rax, cr4; bts rax, 17; mov cr4, rax; hlt
    const on = '0f20e0 480fbae811 0f22e0 f4';
    const b = createBox(on);
    set(b, abi.CR3, BigInt(PML4) | 8n);
    expect(outcome(b)).toBe('d:0');
    expect(outcome(createBox(on))).toBe('halt');
    const wrong = createBox('660f388203f4' /* invpcid rax, [rbx] */);
    setReg(wrong, 'rbx', BigInt(DATA));
    setReg(wrong, 'rax', 4n);
    expect(outcome(wrong)).toBe('d:0');
  });
  test('a key forbids reads, or writes, of user pages', () => {
    const attempt = (code: string, pkru: number, user: boolean): string => {
      const b = createBox(code);
      if (user) toUser(b);
      userPages(b, DATA);
      pte(b, DATA, BigInt(DATA) | P | W | U | (1n << 59n));
      set(b, abi.CR4, get(b, abi.CR4) | PKE);
      b.view.setUint32(b.cpu + 0xf20, pkru, true);
      b.core.setState(0);
      return outcome(b);
    };
    const read = '488b042500000200f4', write = '4889042500000200f4';
    expect([attempt(read, 4, true), attempt(write, 8, true), attempt(read, 4, false), attempt(read, 1, false)]).toEqual(['e:25', 'e:27', 'e:21', 'halt']);
    expect([attempt(write, 8, false), attempt(read, 8, false)]).toEqual(['e:23', 'halt']); // CR0.WP is set
  });
});
