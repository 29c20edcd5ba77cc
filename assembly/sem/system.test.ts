import { describe, expect, test } from 'vitest';
import { CR0, CR4, EFER, FS_BASE, GS_BASE, KERNEL_GS_BASE, LSTAR, RIP, SEG, SEG_BASE, SEG_CS, SEG_DS, SEG_SIZE, SEG_SS, SEG_TR, SFMASK, STAR, TSC_AUX } from '../../emulator/core/abi.ts';
import { CODE, cpl, createBox, DATA, flags, FREE_SELECTOR, frame, GDT, get, KERNEL_CODE, load, hex, outcome, read64, reg, run, selector, set, setReg, setSegment, STACK, toUser, TSS, USER_CODE, USER_DATA, USER_STACK, userPages, vectorOf, write64 } from '../core/testbox.ts';
import type { Box } from '../core/testbox.ts';

// System instructions against SDM vol. 2 (operation and exceptions sections) and vol. 3, 2.5 and 5.8.

const IF = 0x200, DF = 0x400, TF = 0x100, AC = 0x40000, ZF = 0x40;

/** Outcome of `code` after `prepare`. */
function result(code: string, prepare: (b: Box) => void = () => {}): string {
  const b = createBox(code);
  prepare(b);
  return outcome(b);
}

describe('SYSCALL and SYSRET', () => {
  const setUp = (b: Box): void => {
    set(b, STAR, (0x1bn << 48n) | (8n << 32n));
    set(b, LSTAR, BigInt(CODE + 0x100));
    set(b, SFMASK, BigInt(IF | DF | TF));
  };
  test('SYSCALL: RCX, R11, flat segments, SFMASK; no stack switch', () => {
    const b = createBox('0f05' /* syscall */);
    toUser(b);
    setUp(b);
    b.core.flagsSet(0, 2 | IF | DF | ZF);
    userPages(b, CODE);
    load(b, CODE + 0x100, hex('f4'));
    expect(vectorOf(b)).toBe(-1);
    expect(get(b, RIP)).toBe(BigInt(CODE + 0x101));
    expect([reg(b, 'rcx'), reg(b, 'r11')]).toEqual([BigInt(CODE + 2), BigInt(2 | IF | DF | ZF)]);
    expect(flags(b)).toBe(2 | ZF);
    expect([cpl(b), selector(b, SEG_CS), selector(b, SEG_SS)]).toEqual([0, 8, 0x10]);
    expect(reg(b, 'rsp')).toBe(BigInt(USER_STACK));
  });
  test('SYSRETQ goes back to level 3', () => {
    const b = createBox('480f07' /* sysretq */);
    setUp(b);
    userPages(b, CODE);
    setReg(b, 'rcx', BigInt(CODE + 0x80));
    setReg(b, 'r11', 0x3ffff6ffn & ~0x20000n);
    load(b, CODE + 0x80, hex('0f0b'));
    expect(outcome(b)).toBe('6');
    expect(frame(b)).toMatchObject({ rip: BigInt(CODE + 0x80), cs: USER_CODE, ss: USER_DATA });
    // RF and VM are cleared, reserved bits are not stored, bit 1 is set; the frame of the fault has RF again.
    expect(frame(b).flags).toBe((0x3ffff6ff & 0x3c7fd7) | 2 | 0x10000);
  });
  test('exceptions', () => {
    expect(result('0f05' /* syscall */, b => { set(b, EFER, 0xd00n); b.core.setState(0); })).toBe('6');
    expect(result('480f07' /* sysretq */, b => { set(b, EFER, 0xd00n); b.core.setState(0); })).toBe('6');
    expect(result('480f07' /* sysretq */, toUser)).toBe('d:0');
    expect(result('480f07' /* sysretq */, b => setReg(b, 'rcx', 1n << 47n))).toBe('d:0');
  });
  test('SYSENTER and SYSEXITQ', () => {
    expect(result('0f34' /* sysenter */)).toBe('d:0'); // IA32_SYSENTER_CS is null
    const b = createBox('b974010000b80800000031d20f30ffc1b8000003000f30ffc1b8000101000f3048c7c280000100b900800300480f35' /* mov ecx, 0x174; mov eax, 8; xor edx, edx; wrmsr; inc ecx; mov eax, 0x30000; wrmsr; inc ecx; mov eax, 0x10100; wrmsr; mov rdx, 0x10080; mov ecx, 0x38000; sysexitq */);
    userPages(b, CODE, USER_STACK - 0x1000);
    load(b, CODE + 0x80, hex('0f34' /* sysenter */));
    load(b, CODE + 0x100, hex('f4'));
    // SYSENTER_CS + 32 and + 40 are 28h and 30h
    expect(vectorOf(b)).toBe(-1);
    expect([cpl(b), selector(b, SEG_CS), selector(b, SEG_SS), reg(b, 'rsp')]).toEqual([0, 8, 0x10, BigInt(STACK)]);
    expect(result('480f35' /* sysexitq */, toUser)).toBe('d:0');
  });
});

describe('control registers', () => {
  const write = (register: 'cr0' | 'cr3' | 'cr4' | 'cr8', v: bigint): string => {
    const code = { cr0: '0f22c0f4' /* mov cr0, rax; hlt */, cr3: '0f22d8f4' /* mov cr3, rax; hlt */, cr4: '0f22e0f4' /* mov cr4, rax; hlt */, cr8: '440f22c0f4' /* mov cr8, rax; hlt */ }[register];
    return result(code, b => setReg(b, 'rax', v));
  };
  test('CR0', () => {
    expect(write('cr0', 0x80050033n)).toBe('halt');
    expect(write('cr0', 0x00050033n)).toBe('d:0'); // PG cannot be cleared in 64-bit mode
    expect(write('cr0', 0x80050032n)).toBe('d:0'); // PG without PE
    expect(write('cr0', 0xa0050033n)).toBe('d:0'); // NW without CD
    expect(write('cr0', 0x180050033n)).toBe('d:0'); // upper half
    const b = createBox('0f22c00f20c3f4' /* mov cr0, rax; mov rbx, cr0; hlt */);
    setReg(b, 'rax', 0x8005ffe1n); // reserved bits are ignored, ET cannot be cleared
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rbx')).toBe(0x80050031n);
  });
  test('CR3, CR4, CR8', () => {
    expect(write('cr3', 0x1000n)).toBe('halt');
    expect(write('cr3', 1n << 32n)).toBe('d:0');
    expect(write('cr4', 0x2a0n)).toBe('halt');
    expect(write('cr4', 0x280n)).toBe('d:0'); // PAE
    expect(write('cr4', 0x80002a0n)).toBe('d:0'); // reserved
    expect(write('cr8', 15n)).toBe('halt');
    expect(write('cr8', 16n)).toBe('d:0');
  });
  test('other numbers are #UD, CPL 3 is #GP(0)', () => {
    for (const code of ['0f22c8', '0f20c8', '0f22e8', '440f22c8']) expect(result(code + 'f4')).toBe('6');
    for (const code of ['0f20c0', '0f22c0', '0f22d8', '440f20c0', '440f22c0', '0f21c0', '0f23c0', '0f06', '0f01f0', '0f01f8', '0f30', '0f32', '0f08', '0f09', '0f0138', '0f0110', '0f0118', '0f00d0', '0f00d8', 'f4']) {
      expect([code, result(code, b => { toUser(b); setReg(b, 'rax', BigInt(DATA)); })]).toEqual([code, 'd:0']);
    }
  });
  test('CLTS, LMSW, SMSW', () => {
    const b = createBox('b80e0000000f01f0480f01e30f060f01242500000200b177660f01e1f4' /* mov eax, 0xe; lmsw ax; smsw rbx; clts; smsw [0x20000]; mov cl, 0x77; smsw cx; hlt */);
    setReg(b, 'rcx', ~0n);
    expect(outcome(b)).toBe('halt');
    expect(get(b, CR0)).toBe(0x80050037n); // PE stays; MP EM TS set, TS cleared again
    expect(reg(b, 'rbx')).toBe(0x8005003fn);
    expect(read64(b, DATA) & 0xffffffffn).toBe(0x0037n);
    expect(reg(b, 'rcx')).toBe(0xffffffffffff0037n);
  });
  test('UMIP', () => {
    for (const code of ['0f01e0', '0f0100', '0f0108', '0f00c0', '0f00c8']) {
      const user = (umip: boolean): string => result(code + '0f0b', b => {
        toUser(b);
        setReg(b, 'rax', BigInt(DATA));
        if (umip) set(b, CR4, get(b, CR4) | 0x800n);
        b.core.setState(0);
      });
      expect([code, user(false), user(true)]).toEqual([code, '6', 'd:0']);
    }
  });
  test('debug registers', () => {
    const b = createBox('48c7c0785634120f23c00f21c30f23f00f21f148c7c0005400000f23f80f21faf4' /* mov rax, 0x12345678; mov dr0, rax; mov rbx, dr0; mov dr6, rax; mov rcx, dr6; mov rax, 0x5400; mov dr7, rax; mov rdx, dr7; hlt */);
    expect(outcome(b)).toBe('halt');
    expect([reg(b, 'rbx'), reg(b, 'rcx'), reg(b, 'rdx')]).toEqual([0x12345678n, 0xffff4ff8n, 0x400n]);
    // DR4 is DR6 until CR4.DE.
    const c = createBox('0f21e0f4');
    expect(outcome(c)).toBe('halt');
    expect(reg(c, 'rax')).toBe(0xffff0ff0n);
    expect(result('0f21e0f4', x => set(x, CR4, get(x, CR4) | 8n))).toBe('6');
    expect(result('0f23f8f4' /* mov dr7, rax; hlt */, x => setReg(x, 'rax', 1n << 32n))).toBe('d:0');
    // General detect.
    const d = createBox('b8002000000f23f80f21c0f4' /* mov eax, 0x2000; mov dr7, rax; mov rax, dr0; hlt */);
    expect(vectorOf(d)).toBe(1);
    expect(frame(d).rip).toBe(BigInt(CODE + 8));
    expect(get(d, 0x3c0 + 48) & 0x2000n).toBe(0x2000n);
  });
});

describe('model-specific registers', () => {
  const wrmsr = (msr: number, v: bigint): string => result('0f30f4' /* wrmsr; hlt */, b => { setReg(b, 'rcx', BigInt(msr)); setReg(b, 'rax', v & 0xffffffffn); setReg(b, 'rdx', v >> 32n); });
  const rdmsr = (msr: number): string => {
    const b = createBox('0f32f4' /* rdmsr; hlt */);
    setReg(b, 'rcx', BigInt(msr));
    const o = outcome(b);
    return o === 'halt' ? ((reg(b, 'rdx') << 32n) | reg(b, 'rax')).toString(16) : o;
  };
  test('known and unknown', () => {
    expect(rdmsr(0xc0000080)).toBe('d01');
    expect(rdmsr(0x1b)).toBe('fee00900');
    expect(rdmsr(0x277)).toBe('7040600070406');
    expect(rdmsr(0xfe)).toBe('508');
    expect(rdmsr(0xc0000104)).toBe('d:0');
    expect(wrmsr(0x40000000, 0n)).toBe('d:0');
  });
  test('addresses must be canonical', () => {
    for (const msr of [0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102, 0x175, 0x176]) {
      expect(wrmsr(msr, 1n << 47n)).toBe('d:0');
      expect(wrmsr(msr, BigInt.asUintN(64, -1n << 47n))).toBe('halt');
    }
  });
  test('reserved bits', () => {
    expect(wrmsr(0xc0000080, 0xd01n)).toBe('halt');
    expect(wrmsr(0xc0000080, 0xc01n)).toBe('d:0'); // LME cannot change while paging is on
    expect(wrmsr(0xc0000080, 0x1d01n)).toBe('d:0');
    expect(wrmsr(0xc0000084, 1n << 32n)).toBe('d:0');
    expect(wrmsr(0xc0000103, 1n << 32n)).toBe('d:0');
    expect(wrmsr(0x277, 2n)).toBe('d:0');
    expect(wrmsr(0x1b, 0xfee00400n)).toBe('d:0');
    expect(wrmsr(0x2ff, 0xc06n)).toBe('halt');
    expect(wrmsr(0x2ff, 0xc02n)).toBe('d:0');
  });
  test('bases and SWAPGS', () => {
    const b = createBox('b9010100c0b80000020031d20f30ffc1b8000102000f3065488b1c25080000000f01f865488b342508000000f4' /* mov ecx, 0xc0000101; mov eax, 0x20000; xor edx, edx; wrmsr; inc ecx; mov eax, 0x20100; wrmsr; mov rbx, gs:[8]; swapgs; mov rsi, gs:[8]; hlt */);
    write64(b, DATA + 8, 11n);
    write64(b, DATA + 0x108, 22n);
    expect(outcome(b)).toBe('halt');
    expect([reg(b, 'rbx'), reg(b, 'rsi'), get(b, GS_BASE), get(b, KERNEL_GS_BASE)]).toEqual([11n, 22n, 0x20100n, 0x20000n]);
  });
  test('the time stamp counts cycles and can be moved', () => {
    const b = createBox('0f3189c30f01f929d889c689cfb910000000b800100000ba050000000f300f31f4' /* rdtsc; mov ebx, eax; rdtscp; sub eax, ebx; mov esi, eax; mov edi, ecx; mov ecx, 0x10; mov eax, 0x1000; mov edx, 5; wrmsr; rdtsc; hlt */);
    b.view.setUint32(b.cpu + TSC_AUX, 77, true);
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rsi')).toBe(21n); // RDTSC costs 20, MOV 1
    expect([reg(b, 'rdi'), reg(b, 'rdx')]).toEqual([77n, 5n]);
    expect(Number(reg(b, 'rax'))).toBeGreaterThan(0x1000);
    expect(Number(reg(b, 'rax'))).toBeLessThan(0x1100);
    for (const code of ['0f31', '0f01f9']) expect(result(code, x => { toUser(x); set(x, CR4, get(x, CR4) | 4n); x.core.setState(0); })).toBe('d:0');
    expect(result('0f33', x => setReg(x, 'rcx', 0x99n))).toBe('d:0');
  });
});

describe('segment registers', () => {
  test('null selectors, checks by register', () => {
    const mov = (sreg: number, value: number, prepare: (b: Box) => void = () => {}): string => result('8e' + (0xc0 | (sreg << 3)).toString(16) + 'f4', b => { setReg(b, 'rax', BigInt(value)); prepare(b); });
    const descriptor = (d: bigint) => (b: Box): void => write64(b, GDT + FREE_SELECTOR, d);
    expect(mov(1, 8)).toBe('6'); // CS
    expect(mov(6, 8)).toBe('6');
    expect(mov(3, 0)).toBe('halt');
    expect(mov(3, 0x23)).toBe('halt');
    expect(mov(3, 0x88)).toBe('d:88');
    expect(mov(3, 0x30)).toBe('d:30'); // TSS
    expect(mov(3, FREE_SELECTOR, descriptor(0x00cf13000000ffffn))).toBe('b:40'); // not present
    expect(mov(3, FREE_SELECTOR, descriptor(0x00af98000000ffffn))).toBe('d:40'); // code that cannot be read
    expect(mov(3, FREE_SELECTOR + 3, descriptor(0x00cf93000000ffffn))).toBe('d:40'); // RPL 3 > DPL 0
    expect(mov(3, FREE_SELECTOR + 3, descriptor(0x00af9e000000ffffn))).toBe('halt'); // conforming code
    expect(mov(2, 0)).toBe('halt'); // null SS at CPL 0
    expect(mov(2, 3)).toBe('d:0');
    expect(mov(2, 0x23)).toBe('d:20');
    expect(mov(2, FREE_SELECTOR, descriptor(0x00cf91000000ffffn))).toBe('d:40'); // read-only
    expect(mov(2, FREE_SELECTOR, descriptor(0x00cf13000000ffffn))).toBe('c:40'); // not present is #SS
    expect(mov(3, 4)).toBe('d:4'); // LDT, which is unusable
  });
  test('the accessed flag is set; FS takes its base', () => {
    const b = createBox('b8400000008ee064488b1c2508000000668ce18c2425000102000fa00fa965488b142508000000f4' /* mov eax, 0x40; mov fs, eax; mov rbx, fs:[8]; mov cx, fs; mov [0x20100], fs; push fs; pop gs; mov rdx, gs:[8]; hlt */);
    write64(b, GDT + FREE_SELECTOR, 0x00cf92020000ffffn);
    setReg(b, 'rcx', ~0n);
    write64(b, DATA + 8, 5n);
    expect(outcome(b)).toBe('halt');
    expect(read64(b, GDT + FREE_SELECTOR)).toBe(0x00cf93020000ffffn);
    expect([reg(b, 'rbx'), reg(b, 'rdx'), get(b, FS_BASE), reg(b, 'rcx')]).toEqual([5n, 5n, 0x20000n, 0xffffffffffff0040n]);
    expect(read64(b, DATA + 0x100)).toBe(0x40n);
    expect(reg(b, 'rsp')).toBe(BigInt(STACK));
  });
  test('LFS loads a far pointer', () => {
    const b = createBox('480fb40425000002000fb50c2510000200f4' /* rex.W lfs eax, [0x20000]; lgs ecx, [0x20010]; hlt */);
    write64(b, DATA, 0x1122334455667788n);
    write64(b, DATA + 8, 0x23n);
    write64(b, DATA + 0x10, 0x23_99aabbccn);
    setReg(b, 'rcx', ~0n);
    expect(outcome(b)).toBe('halt');
    expect([reg(b, 'rax'), reg(b, 'rcx'), selector(b, 4), selector(b, 5)]).toEqual([0x1122334455667788n, 0x99aabbccn, 0x23, 0x23]);
  });
  test('LTR, STR, LLDT, SLDT', () => {
    const b = createBox('b8400000000f00d80f00cbb8500000000f00d00f00042500000200b80c0000008ed8f4' /* mov eax, 0x40; ltr ax; str rbx; mov eax, 0x50; lldt ax; sldt [0x20000]; mov eax, 0xc; mov ds, eax; hlt */);
    write64(b, GDT + 0x40, 0x1200893456780067n); // base 12345678
    write64(b, GDT + 0x48, 0xfffff800n);
    write64(b, GDT + 0x50, 0x0000820200100fffn);
    write64(b, GDT + 0x58, 0n);
    write64(b, 0x20010 + 8, 0x00cf93000000ffffn);
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rbx')).toBe(0x40n);
    expect(read64(b, GDT + 0x40) >> 40n & 0xffn).toBe(0x8bn); // busy
    expect(get(b, SEG + SEG_TR * SEG_SIZE + SEG_BASE)).toBe(0xfffff80012345678n);
    expect(read64(b, DATA) & 0xffffn).toBe(0x50n);
    expect(selector(b, SEG_DS)).toBe(0xc);
    expect(result('b8300000000f00d80f00d8f4' /* mov eax, 0x30; ltr ax; ltr ax; hlt */)).toBe('d:30'); // busy the second time
    expect(result('31c00f00d8f4' /* xor eax, eax; ltr ax; hlt */)).toBe('d:0');
    expect(result('b8080000000f00d0f4' /* mov eax, 8; lldt ax; hlt */)).toBe('d:8');
  });
  test('LAR, LSL, VERR, VERW', () => {
    const b = createBox('b9080000000f02c10f03d9b9300000000f02d10f03f1b988000000bf550000000f02f9410f94c0b9100000000f00e1410f94c10f00e9410f94c2b9080000000f00e9410f94c3f4' /* mov ecx, 8; lar eax, ecx; lsl ebx, ecx; mov ecx, 0x30; lar edx, ecx; lsl esi, ecx; mov ecx, 0x88; mov edi, 0x55; lar edi, ecx; setz r8b; mov ecx, 0x10; verr cx; setz r9b; verw cx; setz r10b; mov ecx, 8; verw cx; setz r11b; hlt */);
    for (const r of ['r8', 'r9', 'r10', 'r11'] as const) setReg(b, r, 0n);
    expect(outcome(b)).toBe('halt');
    expect([reg(b, 'rax'), reg(b, 'rbx'), reg(b, 'rdx'), reg(b, 'rsi'), reg(b, 'rdi')]).toEqual([0xaf9b00n, 0xffffffffn, 0x8900n, 0x67n, 0x55n]);
    expect([reg(b, 'r8'), reg(b, 'r9'), reg(b, 'r10'), reg(b, 'r11')]).toEqual([0n, 1n, 1n, 0n]);
    const user = createBox('b9080000000f02c1410f94c0b92b0000000f02c1410f94c10f0b' /* mov ecx, 8; lar eax, ecx; setz r8b; mov ecx, 0x2b; lar eax, ecx; setz r9b; ud2 */);
    toUser(user);
    expect(outcome(user)).toBe('6');
    expect([reg(user, 'r8') & 1n, reg(user, 'r9') & 1n]).toEqual([0n, 1n]);
  });
});

describe('far transfers', () => {
  test('JMP, CALL and RET far at the same level', () => {
    const b = createBox('ff2c2500000200' /* jmp fword ptr [0x20000] */);
    write64(b, DATA, 0x00010040n | (8n << 32n));
    load(b, CODE + 0x40, hex('48ff1c2510000200f4' /* rex.W call fword ptr [0x20010]; hlt */));
    write64(b, DATA + 0x10, BigInt(CODE + 0x80));
    write64(b, DATA + 0x18, 8n);
    load(b, CODE + 0x80, hex('488b0424488b5c240848cb' /* mov rax, [rsp]; mov rbx, [rsp+8]; rex.W retf */));
    expect(vectorOf(b)).toBe(-1);
    expect([reg(b, 'rax'), reg(b, 'rbx'), reg(b, 'rsp')]).toEqual([get(b, RIP) - 1n, BigInt(KERNEL_CODE), BigInt(STACK)]);
  });
  test('far RET to user mode takes SS:RSP and releases on both stacks', () => {
    const b = createBox('6a2368007003004883ec106a2b688000010048ca1000' /* push 0x23; push 0x37000; sub rsp, 16; push 0x2b; push 0x10080; rex.W retf 16 */);
    userPages(b, CODE, USER_STACK - 0x1000);
    load(b, CODE + 0x80, hex('0f0b'));
    expect(outcome(b)).toBe('6');
    expect(frame(b)).toMatchObject({ rip: BigInt(CODE + 0x80), cs: USER_CODE, ss: USER_DATA, rsp: 0x37010n });
  });
  test('checks', () => {
    const jump = (sel: number, rip = BigInt(CODE), prepare: (b: Box) => void = () => {}): string => result('48ff2c2500000200' /* rex.W jmp fword ptr [0x20000] */, b => { write64(b, DATA, rip); write64(b, DATA + 8, BigInt(sel)); prepare(b); });
    expect(jump(0)).toBe('d:0');
    expect(jump(0x10)).toBe('d:10');
    expect(jump(0x2b)).toBe('d:28');
    expect(jump(0x30)).toBe('d:30');
    expect(jump(8, 1n << 47n)).toBe('d:0');
    expect(jump(FREE_SELECTOR, BigInt(CODE), b => write64(b, GDT + FREE_SELECTOR, 0x00af1b000000ffffn))).toBe('b:40');
    expect(result('6a2a6a0048cb' /* push 0x2a; push 0; rex.W retf */)).toBe('d:28'); // RPL 2
    expect(result('6a08680000010048cb' /* push 8; push 0x10000; rex.W retf */, toUser)).toBe('d:8'); // inward
  });
});

describe('ports', () => {
  test('sizes and values', () => {
    const b = createBox('baf8030000b878563412ee66efefe680ec66e560edf4' /* mov edx, 0x3f8; mov eax, 0x12345678; out dx, al; out dx, ax; out dx, eax; out 0x80, al; in al, dx; in ax, 0x60; in eax, dx; hlt */);
    b.input = what => ({ 'in 3f8 1': 0xaa, 'in 60 2': 0xbbbb, 'in 3f8 4': 0xcccccccc })[what] ?? 0;
    setReg(b, 'rax', ~0n);
    expect(outcome(b)).toBe('halt');
    expect(b.log).toEqual(['out 3f8 1 78', 'out 3f8 2 5678', 'out 3f8 4 12345678', 'out 80 1 78', 'in 3f8 1', 'in 60 2', 'in 3f8 4']);
    expect(reg(b, 'rax')).toBe(0xccccccccn);
  });
  test('IOPL and the I/O permission bitmap', () => {
    const user = (code: string, prepare: (b: Box) => void = () => {}): string => result(code + '0f0b', b => { toUser(b); setReg(b, 'rdx', 0x3f8n); prepare(b); });
    const limit = (b: Box, bytes: number): void => { setSegment(b, 7, 0x30, 0x8b, BigInt(TSS), bytes); };
    const map = (b: Box): void => {
      limit(b, 0x68 + 0x2000);
      b.view.setUint16(b.ram + TSS + 0x66, 0x68, true);
    };
    expect(user('ec')).toBe('d:0'); // the TSS has no map
    expect(user('ec', b => b.core.flagsSet(0, 0x3002))).toBe('6');
    expect(user('ec', map)).toBe('6');
    expect(user('ed', b => { map(b); b.bytes[b.ram + TSS + 0x68 + 0x7f] = 8; })).toBe('d:0'); // 3FBh is not allowed
    expect(user('ec', b => { map(b); b.bytes[b.ram + TSS + 0x68 + 0x7f] = 8; })).toBe('6');
    expect(user('ec', b => { map(b); limit(b, 0x68 + 0x7f); })).toBe('d:0'); // the second byte of the map is beyond the limit
    expect(user('ec', b => { map(b); limit(b, 0x68 + 0x80); })).toBe('6');
  });
  test('REP INS and OUTS move elements one at a time and come back after an interruption', () => {
    const b = createBox('bf00000200be00000200b903000000baf001000066f36db902000000f36f6cf4' /* mov edi, 0x20000; mov esi, 0x20000; mov ecx, 3; mov edx, 0x1f0; rep insw; mov ecx, 2; rep outsd; insb; hlt */);
    let n = 0x1111;
    b.input = () => n++;
    for (let i = 0; i < 1000 && run(b, 1) === 0; i++);
    expect(b.log).toEqual(['in 1f0 2', 'in 1f0 2', 'in 1f0 2', 'out 1f0 4 11121111', 'out 1f0 4 1113', 'in 1f0 1']);
    expect([reg(b, 'rcx'), reg(b, 'rdi'), reg(b, 'rsi')]).toEqual([0n, BigInt(DATA + 7), BigInt(DATA + 8)]);
  });
  test('a REP INS that is cut by the budget costs what an uncut one costs', () => {
    const cost = (slice: number): string => {
      const b = createBox('bf00000200b932000000baf0010000f36cf4' /* mov edi, 0x20000; mov ecx, 50; mov edx, 0x1f0; rep insb; hlt */);
      let reason = 0;
      while (reason === 0) reason = run(b, slice);
      return [get(b, 0xa8), get(b, 0xb0), reason].join();
    };
    expect(cost(1)).toBe(cost(1e6));
    expect(cost(37)).toBe(cost(1e6));
  });
  test('INS checks its destination before it reads the port', () => {
    const b = createBox('bf00002000baf00100006cf4' /* mov edi, 0x200000; mov edx, 0x1f0; insb; hlt */);
    expect(outcome(b)).toBe('e:2');
    expect(b.log).toEqual([]);
  });
});

test('STAC and CLAC at CPL 0 only', () => {
  const b = createBox('0f01cbf4' /* stac; hlt */);
  expect(outcome(b)).toBe('halt');
  expect(flags(b) & AC).toBe(AC);
  for (const code of ['0f01ca', '0f01cb']) expect(result(code, toUser)).toBe('6');
});

test('UD0, UD1, UD2, XGETBV without OSXSAVE', () => {
  for (const code of ['0fffc0', '0fb9c0', '0f0b', '0f01d0']) expect(result(code)).toBe('6');
});

test('LGDT and LIDT refuse non-canonical bases, SGDT and SIDT store ten bytes', () => {
  const b = createBox('0f010425000002000f010c25100002000f011425000002000f011c2510000200f4' /* sgdt [0x20000]; sidt [0x20010]; lgdt [0x20000]; lidt [0x20010]; hlt */);
  expect(outcome(b)).toBe('halt');
  expect([read64(b, DATA) & 0xffffffffffffffffn, read64(b, DATA + 8), read64(b, DATA + 0x10), read64(b, DATA + 0x18)]).toEqual([0x5000007fn, 0n, 0x600003ffn, 0n]);
  for (const code of ['0f01142500000200f4' /* lgdt [0x20000]; hlt */, '0f011c2500000200f4' /* lidt [0x20000]; hlt */]) expect(result(code, x => { write64(x, DATA, 0xffffn); write64(x, DATA + 8, 0x8000n); })).toBe('d:0');
});
