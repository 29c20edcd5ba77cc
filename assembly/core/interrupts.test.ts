import { describe, expect, test } from 'vitest';
import { ACTIVITY, CR8, CYCLES, EXIT_BUDGET, EXIT_GATE, EXIT_HALT, EXIT_TRIPLE_FAULT, INSTRUCTIONS, RIP, SEG, SEG_CS, SEG_SIZE, SEG_SS } from '../../emulator/core/abi.ts';
import { CODE, cpl, createBox, DATA, flags, frame, GDT, get, HANDLERS, hex, IST1, KERNEL_CODE, load, outcome, P, PDPT, PS, pte, read64, reg, run, selector, setGate, setReg, STACK, toUser, TSS, USER_CODE, USER_DATA, USER_STACK, userPages, vectorOf, W, write64 } from './testbox.ts';
import type { Box } from './testbox.ts';

// Rules of SDM vol. 3, chapters 6 (interrupts and exceptions) and 11 (APIC), observed from guest code.

const CF = 1, IF = 0x200, TF = 0x100, NT = 0x4000, RF = 0x10000, AC = 0x40000, DF = 0x400;

/** Maps the local APIC at 40000000 + 0ee00000 (1 GiB page over c0000000): registers are at 7ee00000. */
const APIC = 0x7ee00000;
function mapApic(b: Box): void {
  write64(b, PDPT + 8, 0xc0000000n | P | W | PS);
  b.core.apicWrite(0, 0xf0, 0x1ff);
}
/** Puts code in place of the HLT of a vector's handler. */
function handler(b: Box, vector: number, code: string): void { load(b, HANDLERS + vector * 16, hex(code)); }

describe('the frame (SDM vol. 3, 6.14.2)', () => {
  test('an exception at CPL 0: SS:RSP is pushed, the stack is aligned, RF is set in the image', () => {
    const b = createBox('fdf90f0b' /* std; stc; ud2 */);
    setReg(b, 'rsp', BigInt(STACK - 3));
    expect(outcome(b)).toBe('6');
    const f = frame(b);
    expect(f.at).toBe(((STACK - 3) & ~15) - 40);
    expect(f).toMatchObject({ rip: BigInt(CODE + 2), cs: KERNEL_CODE, ss: 0x10, rsp: BigInt(STACK - 3) });
    expect(f.flags & (RF | DF | CF)).toBe(RF | DF | CF);
    expect(selector(b, SEG_SS)).toBe(0x10);
  });

  test('from CPL 3: RSP0, null SS with RPL 0, flags cleared', () => {
    const b = createBox('0f0b');
    toUser(b);
    b.core.flagsSet(0, 2 | IF | NT | AC | TF);
    expect(outcome(b)).toBe('6');
    const f = frame(b);
    expect(f.at).toBe(STACK - 40);
    expect(f).toMatchObject({ rip: BigInt(CODE), cs: USER_CODE, ss: USER_DATA, rsp: BigInt(USER_STACK) });
    expect(f.flags & (IF | NT | AC | TF)).toBe(IF | NT | AC | TF);
    expect(flags(b) & (IF | NT | TF | RF | AC)).toBe(AC);
    expect([cpl(b), selector(b, SEG_CS), selector(b, SEG_SS)]).toEqual([0, KERNEL_CODE, 0]);
  });

  test('a trap gate leaves IF', () => {
    const b = createBox('0f0b');
    setGate(b, 6, { handler: HANDLERS + 6 * 16, type: 15 });
    b.core.flagsSet(0, 2 | IF);
    expect(outcome(b)).toBe('6');
    expect(flags(b) & IF).toBe(IF);
  });

  test('IST is taken at any level', () => {
    const b = createBox('0f0b');
    setGate(b, 6, { handler: HANDLERS + 6 * 16, ist: 1 });
    expect(outcome(b)).toBe('6');
    expect(frame(b).at).toBe(IST1 - 40);
    expect(frame(b).rsp).toBe(BigInt(STACK));
  });

  test('INT n, INT3 and INT1 push the RIP of the next instruction and no RF', () => {
    for (const [code, vector, length] of [['cd21', 0x21, 2], ['cc', 3, 1], ['f1', 1, 1], ['cd03', 3, 2]] as const) {
      const b = createBox(code);
      expect(vectorOf(b)).toBe(vector);
      expect(frame(b).rip).toBe(BigInt(CODE + length));
      expect(frame(b).flags & RF).toBe(0);
    }
  });
});

describe('gate and segment checks', () => {
  const soft = (prepare: (b: Box) => void, user = false): string => {
    const b = createBox('cd21');
    if (user) toUser(b);
    prepare(b);
    return outcome(b);
  };
  test('the gate', () => {
    expect(soft(b => setGate(b, 0x21, { handler: HANDLERS, type: 12 }))).toBe('d:10a');
    expect(soft(b => setGate(b, 0x21, { handler: HANDLERS, present: false }))).toBe('b:10a');
    expect(soft(() => {}, true)).toBe('d:10a'); // DPL 0 < CPL 3
    expect(soft(b => setGate(b, 0x21, { handler: HANDLERS + 0x210, dpl: 3 }), true)).toBe('21');
    expect(soft(b => { b.view.setUint32(b.cpu + 0x474, 0x21 * 16 + 14, true); })).toBe('d:10a'); // IDT limit
    expect(soft(b => setGate(b, 0x21, { handler: 1n << 47n }))).toBe('d:0');
  });
  test('INT1 and exceptions do not look at the DPL', () => {
    const b = createBox('f1');
    toUser(b);
    expect(vectorOf(b)).toBe(1);
  });
  test('the code segment', () => {
    expect(soft(b => setGate(b, 0x21, { handler: HANDLERS, selector: 0 }))).toBe('d:0');
    expect(soft(b => setGate(b, 0x21, { handler: HANDLERS, selector: 0x10 }))).toBe('d:10'); // data
    expect(soft(b => setGate(b, 0x21, { handler: HANDLERS, selector: 0x28 }))).toBe('d:28'); // DPL 3 > CPL 0
    expect(soft(b => setGate(b, 0x21, { handler: HANDLERS, selector: 0x88 }))).toBe('d:88'); // beyond the GDT
    expect(soft(b => { write64(b, GDT + 0x40, 0x00af1b000000ffffn); setGate(b, 0x21, { handler: HANDLERS, selector: 0x40 }); })).toBe('b:40'); // not present
    expect(soft(b => { write64(b, GDT + 0x40, 0x00cf9b000000ffffn); setGate(b, 0x21, { handler: HANDLERS, selector: 0x40 }); })).toBe('d:40'); // not 64-bit
  });
  test('error codes of faults while an exception or interrupt is delivered have EXT set', () => {
    const b = createBox('0f0b');
    setGate(b, 6, { handler: HANDLERS, present: false });
    expect(outcome(b)).toBe('b:33');
  });
  test('a bad IST address is #SS, a short TSS is #TS', () => {
    const b = createBox('0f0b');
    setGate(b, 6, { handler: HANDLERS + 0x60, ist: 1 });
    write64(b, TSS + 0x24, (1n << 47n) + 0x1000n);
    expect(outcome(b)).toBe('c:1');
    const c = createBox('0f0b');
    setGate(c, 6, { handler: HANDLERS + 0x60, ist: 7 });
    c.view.setUint32(c.cpu + 0x480 + 7 * 24 + 4, 0x40, true);
    expect(outcome(c)).toBe('a:31');
  });
});

describe('double and triple faults (SDM vol. 3, table 6-5)', () => {
  const absent = (b: Box, ...vectors: number[]): void => { for (const v of vectors) setGate(b, v, { handler: HANDLERS + v * 16, present: false }); };
  test('contributory then contributory', () => {
    const b = createBox('31c948f7f1' /* xor ecx, ecx; div rcx */);
    absent(b, 0);
    expect(outcome(b)).toBe('8:0');
    expect(frame(b, true).rip).toBe(BigInt(CODE + 2));
  });
  test('page fault then contributory, page fault then page fault', () => {
    const b = createBox('488b042500100200' /* mov rax, [0x21000] */);
    pte(b, 0x21000, 0n);
    absent(b, 14);
    expect(outcome(b)).toBe('8:0');
    const c = createBox('488b042500100200' /* mov rax, [0x21000] */);
    pte(c, 0x21000, 0n);
    pte(c, 0x22000, 0n);
    setGate(c, 14, { handler: HANDLERS + 14 * 16, ist: 2 });
    write64(c, TSS + 0x2c, 0x22800n);
    expect(outcome(c)).toBe('8:0');
  });
  test('contributory then page fault is delivered as the page fault', () => {
    const b = createBox('488b03' /* mov rax, [rbx] */);
    setReg(b, 'rbx', 1n << 63n);
    pte(b, 0x22000, 0n);
    setGate(b, 13, { handler: HANDLERS + 13 * 16, ist: 2 });
    write64(b, TSS + 0x2c, 0x22800n);
    expect(outcome(b)).toBe('e:2');
    expect(frame(b, true).rip).toBe(BigInt(CODE));
  });
  test('benign first', () => {
    const b = createBox('0f0b');
    absent(b, 6);
    expect(outcome(b)).toBe('b:33');
  });
  test('a fault while #DF is delivered shuts down', () => {
    const b = createBox('488b042500100200' /* mov rax, [0x21000] */);
    pte(b, 0x21000, 0n);
    absent(b, 14, 8);
    expect(run(b)).toBe(EXIT_TRIPLE_FAULT);
    expect(b.view.getUint32(b.cpu + ACTIVITY, true)).toBe(2);
    expect(run(b)).toBe(EXIT_TRIPLE_FAULT);
  });
});

describe('IRET', () => {
  test('to the same level: SS:RSP is popped in 64-bit mode too', () => {
    const b = createBox('6a10680008020068030400006a08682000010048cf9090909090909090909090909090909090909090f4' /* push 0x10; push 0x20800; push 0x403; push 8; push 0x10020; iretq; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; hlt */);
    expect(vectorOf(b)).toBe(-1);
    expect(reg(b, 'rsp')).toBe(0x20800n);
    expect(flags(b)).toBe(0x403);
  });
  const to = (cs: number, ss: number, rip: number | bigint, prepare: (b: Box) => void = () => {}): string => {
    const b = createBox('48cf');
    userPages(b, CODE, USER_STACK - 0x1000);
    setReg(b, 'rsp', BigInt(DATA));
    write64(b, DATA, BigInt(rip));
    write64(b, DATA + 8, BigInt(cs));
    write64(b, DATA + 16, 0x3246n);
    write64(b, DATA + 24, BigInt(USER_STACK));
    write64(b, DATA + 32, BigInt(ss));
    load(b, CODE + 0x10, hex('0f0b'));
    prepare(b);
    const v = outcome(b);
    return v === '6' ? `cs=${frame(b).cs.toString(16)} ss=${frame(b).ss.toString(16)} flags=${(frame(b).flags & ~RF).toString(16)}` : v;
  };
  test('to user mode and its checks', () => {
    expect(to(USER_CODE, USER_DATA, CODE + 0x10)).toBe('cs=2b ss=23 flags=3246');
    expect(to(0, USER_DATA, CODE)).toBe('d:0');
    expect(to(USER_CODE, 0, CODE)).toBe('d:0');
    expect(to(USER_CODE, 0x10, CODE)).toBe('d:10');
    expect(to(0x28, USER_DATA, CODE)).toBe('d:28'); // RPL 0, DPL 3
    expect(to(0x23, USER_DATA, CODE)).toBe('d:20'); // not code
    expect(to(0x8b, USER_DATA, CODE)).toBe('d:88');
    expect(to(USER_CODE, USER_DATA, 1n << 47n)).toBe('d:0');
    expect(to(USER_CODE, USER_DATA, CODE, b => write64(b, GDT + 0x28, 0x00af7b000000ffffn))).toBe('b:28');
    expect(to(USER_CODE, USER_DATA, CODE, b => write64(b, GDT + 0x20, 0x00cf73000000ffffn))).toBe('c:20');
    expect(to(USER_CODE, USER_DATA, CODE, b => b.core.flagsSet(0, 2 | NT))).toBe('d:0');
    expect(to(8, 0, CODE + 0x10)).toBe('cs=8 ss=0 flags=3246'); // null SS below level 3
  });
  test('user mode changes neither IF nor IOPL', () => {
    const b = createBox('6a23680080030068023200006a2b681500010048cf0f0b' /* push 0x23; push 0x38000; push 0x3202; push 0x2b; push 0x10015; iretq; ud2 */);
    toUser(b);
    b.core.flagsSet(0, 2);
    expect(outcome(b)).toBe('6');
    expect(frame(b).flags & (IF | 0x3000)).toBe(0);
  });
  test('data segments of an inner level become null on the way out', () => {
    const b = createBox('b8100000008ed8b8230000008ec06a2368008003006a026a2b682000010048cf909090909090900f0b' /* mov eax, 0x10; mov ds, eax; mov eax, 0x23; mov es, eax; push 0x23; push 0x38000; push 2; push 0x2b; push 0x10020; iretq; nop; nop; nop; nop; nop; nop; nop; ud2 */);
    userPages(b, CODE, USER_STACK - 0x1000);
    load(b, CODE + 0x20, hex('0f0b'));
    expect(outcome(b)).toBe('6');
    expect([selector(b, 3), selector(b, 0)]).toEqual([0, 0x23]);
  });
});

describe('interrupt flag and shadow', () => {
  const pending = (code: string, vector = 0x31): Box => {
    const b = createBox(code);
    mapApic(b);
    b.core.msi(0xfee00000, vector);
    return b;
  };
  test('an interrupt waits for IF, and STI holds it off for one instruction', () => {
    const b = pending('90fbffc0ffc0f4' /* nop; sti; inc eax; inc eax; hlt */);
    setReg(b, 'rax', 0n);
    expect(vectorOf(b)).toBe(0x31);
    expect(frame(b).rip).toBe(BigInt(CODE + 4));
    expect(reg(b, 'rax')).toBe(1n);
  });
  test('STI; CLI lets nothing in', () => {
    const b = pending('fbfa90f4' /* sti; cli; nop; hlt */);
    expect(vectorOf(b)).toBe(-1);
  });
  test('STI with IF already set has no shadow', () => {
    const b = pending('fbf4' /* sti; hlt */);
    b.core.flagsSet(0, 2 | IF);
    expect(vectorOf(b)).toBe(0x31);
    expect(frame(b).rip).toBe(BigInt(CODE));
  });
  test('MOV SS holds interrupts off for one instruction', () => {
    // STI covers MOV SS, which covers the first INC.
    const c = createBox('b910000000fb8ed1ffc0ffc0f4' /* mov ecx, 0x10; sti; mov ss, ecx; inc eax; inc eax; hlt */);
    mapApic(c);
    c.core.msi(0xfee00000, 0x31);
    expect(vectorOf(c)).toBe(0x31);
    expect(frame(c).rip).toBe(BigInt(CODE + 10));
    expect(reg(c, 'rax') & 0xffn).toBe(1n);
  });
  test('HLT ends with an interrupt; the frame points after it', () => {
    const b = createBox('fbf40f0b' /* sti; hlt; ud2 */);
    mapApic(b);
    expect(run(b)).toBe(EXIT_HALT);
    expect(get(b, RIP)).toBe(BigInt(CODE + 2));
    expect(run(b)).toBe(EXIT_HALT);
    b.core.msi(0xfee00000, 0x31);
    expect(vectorOf(b)).toBe(0x31);
    expect(frame(b).rip).toBe(BigInt(CODE + 2));
  });
  test('CLI and STI need IOPL', () => {
    for (const code of ['fa', 'fb']) {
      const b = createBox(code + '0f0b');
      toUser(b);
      expect(outcome(b)).toBe('d:0');
      const c = createBox(code + '0f0b');
      toUser(c);
      c.core.flagsSet(0, 0x3002);
      expect(outcome(c)).toBe('6');
    }
  });
  test('TF traps after each instruction with DR6.BS', () => {
    const b = createBox('90ffc0f4' /* nop; inc eax; hlt */);
    b.core.flagsSet(0, 2 | TF);
    expect(vectorOf(b)).toBe(1);
    expect(frame(b).rip).toBe(BigInt(CODE + 1));
    expect(frame(b).flags & (TF | RF)).toBe(TF);
    expect(flags(b) & TF).toBe(0);
    expect(get(b, 0x3c0 + 48) & 0x4000n).toBe(0x4000n);
  });
});

describe('local APIC (SDM vol. 3, 11.8)', () => {
  const isr = (b: Box, v: number): number => (b.core.apicRead(0, 0x100 + (v >> 5) * 16) >>> (v & 31)) & 1;
  const irr = (b: Box, v: number): number => (b.core.apicRead(0, 0x200 + (v >> 5) * 16) >>> (v & 31)) & 1;

  test('CR8 masks classes up to its own; lowering it lets the interrupt in at once', () => {
    const b = createBox('b803000000440f22c0fb9090b802000000440f22c090f4' /* mov eax, 3; mov cr8, rax; sti; nop; nop; mov eax, 2; mov cr8, rax; nop; hlt */);
    mapApic(b);
    b.core.msi(0xfee00000, 0x3f);
    expect(vectorOf(b)).toBe(0x3f);
    expect(frame(b).rip).toBe(BigInt(CODE + 5 + 4 + 1 + 2 + 5 + 4));
    expect(get(b, CR8)).toBe(2n); // delivery does not write CR8
    expect([isr(b, 0x3f), irr(b, 0x3f), b.core.apicRead(0, 0xa0)]).toEqual([1, 0, 0x30]);
  });
  test('TPR and CR8 are one register', () => {
    const b = createBox('bb8000e07ec7035a000000440f20c0b909000000440f22c18b13f4' /* mov ebx, 0x7ee00080; mov dword ptr [rbx], 0x5a; mov rax, cr8; mov ecx, 9; mov cr8, rcx; mov edx, [rbx]; hlt */);
    mapApic(b);
    expect(outcome(b)).toBe('halt');
    expect([reg(b, 'rax'), reg(b, 'rdx')]).toEqual([5n, 0x90n]);
  });
  test('a handler is interrupted by a higher class only; EOI lets the rest in', () => {
    const b = createBox('fb9090f4' /* sti; nop; nop; hlt */);
    mapApic(b);
    b.core.flagsSet(0, 2 | IF);
    // The handler of 30h enables interrupts and asks for 3Fh (same class) and 25h: both must wait. Then for 35h after EOI.
    handler(b, 0x30, 'fb9090f4');
    b.core.msi(0xfee00000, 0x30);
    expect(vectorOf(b)).toBe(0x30);
    b.core.msi(0xfee00000, 0x3f);
    expect(run(b)).toBe(EXIT_HALT);
    expect([irr(b, 0x3f), isr(b, 0x30)]).toEqual([1, 1]);
    b.core.apicWrite(0, 0xb0, 0);
    expect(vectorOf(b)).toBe(0x3f);
    expect([irr(b, 0x3f), isr(b, 0x30), isr(b, 0x3f)]).toEqual([0, 0, 1]);
  });
  test('the highest vector first', () => {
    const b = createBox('fb90f4' /* sti; nop; hlt */);
    mapApic(b);
    for (const v of [0x21, 0x3e, 0x35]) b.core.msi(0xfee00000, v);
    expect(vectorOf(b)).toBe(0x3e);
  });
  test('self-IPI through the ICR, shorthand and by ID; delivery status reads idle', () => {
    for (const [icr, high] of [['0x40031', '0'], ['0x31', '0'], ['0x80031', '0'], ['0x831', '0x1000000']]) {
      const b = createBox('f4');
      const code = { '0x40031': 'bb0003e07ec7431000000000c703310004008b03fb90f4' /* mov ebx, 0x7ee00300; mov dword ptr [rbx+16], 0; mov dword ptr [rbx], 0x40031; mov eax, [rbx]; sti; nop; hlt */, '0x31': 'bb0003e07ec7431000000000c703310000008b03fb90f4' /* mov ebx, 0x7ee00300; mov dword ptr [rbx+16], 0; mov dword ptr [rbx], 0x31; mov eax, [rbx]; sti; nop; hlt */, '0x80031': 'bb0003e07ec7431000000000c703310008008b03fb90f4' /* mov ebx, 0x7ee00300; mov dword ptr [rbx+16], 0; mov dword ptr [rbx], 0x80031; mov eax, [rbx]; sti; nop; hlt */, '0x831': 'bb0003e07ec783d0fdffff00000001c7431000000001c703310800008b03fb90f4' /* mov ebx, 0x7ee00300; mov dword ptr [rbx-0x230], 0x1000000; mov dword ptr [rbx+16], 0x1000000; mov dword ptr [rbx], 0x831; mov eax, [rbx]; sti; nop; hlt */ }[icr]!;
      load(b, CODE, hex(code));
      mapApic(b);
      expect([icr, high, vectorOf(b)]).toEqual([icr, high, 0x31]);
      expect(reg(b, 'rax')).toBe(BigInt(icr));
    }
  });
  test('vectors below 16 are refused and reported in the ESR', () => {
    const b = createBox('bb0003e07ec7030f000400c74380000000008b4380f4' /* mov ebx, 0x7ee00300; mov dword ptr [rbx], 0x4000f; mov dword ptr [rbx-0x80], 0; mov eax, [rbx-0x80]; hlt */);
    mapApic(b);
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rax')).toBe(0x20n);
  });
  test('an NMI comes whatever IF and TPR are, and is blocked until IRET', () => {
    const b = createBox('bb0003e07ec7030004040090f4' /* mov ebx, 0x7ee00300; mov dword ptr [rbx], 0x40400; nop; hlt */);
    mapApic(b);
    handler(b, 2, 'f4' + '48cf');
    expect(vectorOf(b)).toBe(2);
    expect(frame(b).rip).toBe(BigInt(CODE + 11));
    b.core.apicWrite(0, 0x300, 0x40400);
    expect(run(b)).toBe(EXIT_HALT); // blocked: still halted in the handler
    expect(get(b, RIP)).toBe(BigInt(HANDLERS + 0x21));
    b.view.setUint32(b.cpu + ACTIVITY, 0, true);
    b.core.setState(0);
    expect(vectorOf(b)).toBe(2); // IRETQ, then the second one
    expect(frame(b).rip).toBe(BigInt(CODE + 11));
  });
  test('a software-disabled APIC takes no fixed interrupts', () => {
    const b = createBox('fb90f4' /* sti; nop; hlt */);
    b.core.msi(0xfee00000, 0x31);
    expect(vectorOf(b)).toBe(-1);
  });
});

describe('several processors', () => {
  // ICR: fixed, physical destination 1; INIT; start-up at vector 12h.
  const b = createBox('bb0003e07ec7431000000001c70333000000c70300450000c70312460000f4' /* mov ebx, 0x7ee00300; mov dword ptr [rbx+16], 0x1000000; mov dword ptr [rbx], 0x33; mov dword ptr [rbx], 0x4500; mov dword ptr [rbx], 0x4612; hlt */, 2);
  mapApic(b);
  const other = b.core.cpuBase(1);
  test('the others wait for a start-up IPI', () => {
    expect(b.view.getUint32(other + ACTIVITY, true)).toBe(3);
    expect(b.core.run(1, 1000, 0)).toBe(EXIT_HALT);
    // Running for once, so that there is something to interrupt.
    b.view.setUint32(other + ACTIVITY, 0, true);
    b.core.setState(1);
    b.core.apicWrite(1, 0xf0, 0x1ff);
    let reason = EXIT_BUDGET;
    while (reason === EXIT_BUDGET && ((b.core.apicRead(1, 0x210) >>> 19) & 1) === 0) reason = run(b, 1);
    expect([reason, (b.core.apicRead(0, 0x210) >>> 19) & 1]).toEqual([EXIT_BUDGET, 0]);
    expect(run(b)).toBe(EXIT_HALT);
    expect(b.view.getUint32(other + ACTIVITY, true)).toBe(0);
    expect(b.core.apicRead(1, 0x210)).toBe(0); // INIT reset its APIC, but not its ID
    expect(b.core.apicRead(1, 0x20)).toBe(0x01000000);
    // Real-address mode at 12000h.
    expect([b.view.getUint32(other + RIP, true), b.view.getUint32(other + SEG + SEG_CS * SEG_SIZE, true)]).toEqual([0, 0x1200]);
  });
});

describe('local APIC timer (SDM vol. 3, 11.5.4)', () => {
  const loop = 'fb48ffc048ffc9ebf8' /* sti; inc rax; dec rcx; jmp $-6 */;
  const start = (b: Box, lvt: number, divide: number, initial: number): void => {
    mapApic(b);
    b.core.setApicDivider(4);
    b.core.apicWrite(0, 0x3e0, divide);
    b.core.apicWrite(0, 0x320, lvt);
    b.core.apicWrite(0, 0x380, initial);
  };
  test('one-shot: fires once, at the first boundary at or after its cycle, however the run is cut', () => {
    const at = (slice: number): string => {
      const b = createBox(loop);
      start(b, 0x31, 0b0001, 25); // 25 ticks of 4 * 4 cycles
      expect(b.core.nextTimer(0)).toBe(400);
      let reason = EXIT_BUDGET;
      while (reason === EXIT_BUDGET) reason = run(b, slice);
      expect(reason).toBe(EXIT_HALT);
      expect(Number(get(b, RIP)) - 1).toBe(HANDLERS + 0x310);
      expect(b.core.nextTimer(0)).toBe(Infinity);
      expect(b.core.apicRead(0, 0x390)).toBe(0);
      return [get(b, CYCLES), get(b, INSTRUCTIONS), frame(b).rip, reg(b, 'rax')].join();
    };
    const whole = at(100000);
    expect(Number(whole.split(',')[0])).toBeGreaterThanOrEqual(400);
    for (const slice of [1, 3, 7, 97]) expect(at(slice)).toBe(whole);
  });
  test('the current count follows the cycles', () => {
    const b = createBox(loop);
    start(b, 0x10031, 0b1011, 1000); // divide by 1, masked
    run(b, 100);
    const passed = Number(get(b, CYCLES));
    expect(b.core.apicRead(0, 0x390)).toBe(1000 - Math.floor(passed / 4));
    run(b, 8000);
    expect(b.core.apicRead(0, 0x390)).toBe(0);
  });
  test('periodic: no period is lost or shifted', () => {
    const b = createBox(loop);
    handler(b, 0x31, '49ffc041c7070000000048cf' /* inc r8; mov dword ptr [r15], 0; iretq */);
    setReg(b, 'r15', BigInt(APIC + 0xb0));
    start(b, 0x20031, 0b1011, 250); // every 1000 cycles
    run(b, 20500);
    expect(reg(b, 'r8')).toBe(20n);
    expect(b.core.nextTimer(0)).toBe(21000);
  });
  test('TSC-deadline', () => {
    const b = createBox('b9e006000031d2b8881300000f30fbebfe' /* mov ecx, 0x6e0; xor edx, edx; mov eax, 5000; wrmsr; sti; jmp $ */);
    mapApic(b);
    b.core.apicWrite(0, 0x320, 0x40031);
    expect(vectorOf(b)).toBe(0x31);
    expect(Number(get(b, CYCLES))).toBeGreaterThanOrEqual(5000);
    expect(Number(get(b, CYCLES))).toBeLessThan(5100);
    expect(b.core.nextTimer(0)).toBe(Infinity);
  });
});

describe('I/O APIC (82093AA)', () => {
  const program = (b: Box, pin: number, low: number, high = 0): void => {
    b.core.ioapicWrite(0, 0x10 + pin * 2 + 1);
    b.core.ioapicWrite(0x10, high);
    b.core.ioapicWrite(0, 0x10 + pin * 2);
    b.core.ioapicWrite(0x10, low);
  };
  const entry = (b: Box, pin: number): number => { b.core.ioapicWrite(0, 0x10 + pin * 2); return b.core.ioapicRead(0x10) >>> 0; };
  const requested = (b: Box, v: number): boolean => ((b.core.apicRead(0, 0x200 + (v >> 5) * 16) >>> (v & 31)) & 1) !== 0;
  const machine = (): Box => { const b = createBox('fb90f4' /* sti; nop; hlt */); mapApic(b); return b; };

  test('version, pins, reset state', () => {
    const b = machine();
    b.core.ioapicWrite(0, 1);
    expect(b.core.ioapicRead(0x10)).toBe(0x170020);
    expect(entry(b, 23)).toBe(0x10000);
  });
  test('edge: each rise is one message; a rise while masked is lost', () => {
    const b = machine();
    program(b, 4, 0x10034);
    b.core.ioapicLine(4, 1);
    program(b, 4, 0x34);
    expect(requested(b, 0x34)).toBe(false);
    b.core.ioapicLine(4, 0);
    b.core.ioapicLine(4, 1);
    expect(vectorOf(b)).toBe(0x34);
    b.core.ioapicLine(4, 1);
    expect(requested(b, 0x34)).toBe(false);
  });
  test('level: remote IRR until EOI, then again while the line is asserted', () => {
    const b = machine();
    program(b, 20, 0x1a034); // masked, level, low
    b.core.ioapicLine(20, 1);
    expect(requested(b, 0x34)).toBe(false);
    program(b, 20, 0xa034);
    expect(requested(b, 0x34)).toBe(true);
    expect(entry(b, 20)).toBe(0xe034);
    expect(vectorOf(b)).toBe(0x34);
    expect(requested(b, 0x34)).toBe(false);
    b.core.apicWrite(0, 0xb0, 0); // EOI with the line still asserted
    expect(requested(b, 0x34)).toBe(true);
    b.core.ioapicLine(20, 0);
    b.core.flagsSet(0, 2 | IF);
    expect(vectorOf(b)).toBe(0x34);
    b.core.apicWrite(0, 0xb0, 0);
    expect([requested(b, 0x34), entry(b, 20)]).toEqual([false, 0xa034]);
  });
  test('logical destinations, flat model', () => {
    const b = machine();
    b.core.apicWrite(0, 0xd0, 0x04000000);
    program(b, 5, 0x0835, 0x03000000);
    b.core.ioapicLine(5, 1);
    expect(requested(b, 0x35)).toBe(false);
    b.core.ioapicLine(5, 0);
    program(b, 5, 0x0835, 0x06000000);
    b.core.ioapicLine(5, 1);
    expect(requested(b, 0x35)).toBe(true);
  });
});

describe('gates and the host', () => {
  test('0F 01 C1 is a gate at CPL 0 in a declared range only', () => {
    const b = createBox('900f01c1ffc0f4' /* nop; vmcall; inc eax; hlt */);
    expect(outcome(b)).toBe('6');
    const c = createBox('900f01c1ffc0f4' /* nop; vmcall; inc eax; hlt */);
    c.core.setGateRange(0, CODE, 0, CODE + 2, 0);
    expect(run(c)).toBe(EXIT_GATE);
    expect(get(c, RIP)).toBe(BigInt(CODE + 4));
    expect(run(c)).toBe(EXIT_HALT);
    const d = createBox('900f01c1ffc0f4' /* nop; vmcall; inc eax; hlt */);
    d.core.setGateRange(0, CODE, 0, CODE + 0x1000, 0);
    toUser(d);
    expect(outcome(d)).toBe('6');
  });
  test('a gate is not lost when the budget ends with it', () => {
    for (let cycles = 1; cycles < 8; cycles++) {
      const b = createBox('900f01c1ffc0f4' /* nop; vmcall; inc eax; hlt */);
      b.core.setGateRange(0, CODE, 0, CODE + 0x1000, 0);
      let reason = EXIT_BUDGET;
      for (let i = 0; reason === EXIT_BUDGET && i < 10; i++) reason = run(b, cycles);
      expect([cycles, reason]).toEqual([cycles, EXIT_GATE]);
      expect(get(b, RIP)).toBe(BigInt(CODE + 4));
    }
  });
  test('raiseException delivers as if the instruction at RIP had faulted', () => {
    const b = createBox('9090');
    expect(b.core.raiseException(0, 14, 1, 2, 0x1234, 0)).toBe(1);
    expect(frame(b, true)).toMatchObject({ error: 2, rip: BigInt(CODE) });
    expect(get(b, 0x398)).toBe(0x1234n);
    expect(vectorOf(b)).toBe(14);
  });
  test('events are told while tracing is on', () => {
    const b = createBox('b803000000440f22c031c0440f22c0fb90f4' /* mov eax, 3; mov cr8, rax; xor eax, eax; mov cr8, rax; sti; nop; hlt */);
    handler(b, 0x31, '41c7070000000048cf' /* mov dword ptr [r15], 0; iretq */);
    setReg(b, 'r15', BigInt(APIC + 0xb0));
    mapApic(b);
    b.core.msi(0xfee00000, 0x31);
    b.core.setTracing(1);
    expect(run(b)).toBe(EXIT_HALT);
    expect(b.log).toEqual(['event 2 0 3 0', 'event 2 0 0 3', 'event 0 0 31 0', 'event 4 0 31 0', 'event 1 0 0 10011']);
  });
});

test('interrupt frames fault at the word that does not fit, with nothing written', () => {
  const b = createBox('0f0b');
  setReg(b, 'rsp', 0x22010n); // the frame crosses into 21000, which is absent; then #PF has its own stack
  pte(b, 0x21000, 0n);
  setGate(b, 14, { handler: HANDLERS + 14 * 16, ist: 1 });
  write64(b, 0x22008, 0x55n);
  expect(outcome(b)).toBe('e:2');
  expect(get(b, 0x398)).toBe(0x21ff8n);
  expect(read64(b, 0x22008)).toBe(0x55n);
});
