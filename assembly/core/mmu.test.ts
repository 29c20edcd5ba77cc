import { describe, expect, test } from 'vitest';
import { CR0, CR2, CR4, EFER, EXIT_HALT, EXIT_TRIPLE_FAULT, FAST, RIP } from '../../emulator/core/abi.ts';
import { CODE, createBox, DATA, frame, G, get, load, outcome, P, PD, PDPT, PML4, PS, PT, pte, read64, readPte, reg, run, set, setReg, toUser, U, userPages, vectorOf, W, write64, XD, hex } from './testbox.ts';
import type { Box } from './testbox.ts';

// Rules of SDM vol. 3, chapter 4 (paging) and 6.15 (#PF, #AC), observed from guest code.

const WP = 0x10000n, AM = 0x40000n, SMEP = 0x100000n, SMAP = 0x200000n, PGE = 0x80n;
const AC = 0x40000;
const A = 0x20n, D = 0x40n;

function control(b: Box, cr0: bigint, cr4: bigint): void {
  set(b, CR0, get(b, CR0) | cr0);
  set(b, CR4, get(b, CR4) | cr4);
  b.core.setState(0);
}

describe('page fault error codes (SDM vol. 3, 4.7)', () => {
  const read = '488b042508000200f4' /* mov rax, [0x20008]; hlt */;
  const write = '4889042508000200f4' /* mov [0x20008], rax; hlt */;
  const modify = '488304250800020001f4' /* add qword ptr [0x20008], 1; hlt */;

  test('a page that is not present', () => {
    const cases: [string, boolean, string][] = [[read, false, 'e:0'], [write, false, 'e:2'], [modify, false, 'e:2'], [read, true, 'e:4'], [write, true, 'e:6'], [modify, true, 'e:6']];
    for (const [code, user, expected] of cases) {
      const b = createBox(code);
      if (user) toUser(b);
      pte(b, DATA, 0n);
      expect(outcome(b)).toBe(expected);
      expect(get(b, CR2)).toBe(0x20008n);
      expect(frame(b, true).rip).toBe(BigInt(CODE));
    }
  });

  test('each level of the hierarchy can be absent', () => {
    for (const at of [PML4 + 8, PDPT + 8, PD + 8]) {
      const b = createBox('488b03f4' /* mov rax, [rbx]; hlt */);
      // One entry further on at that level, present down to it.
      const va = at === PML4 + 8 ? 1n << 39n : at === PDPT + 8 ? 1n << 30n : 1n << 21n;
      setReg(b, 'rbx', va);
      expect(outcome(b)).toBe('e:0');
      expect(get(b, CR2)).toBe(va);
    }
  });

  test('user access to a supervisor page, and writes to a read-only page', () => {
    for (const [code, entry, expected] of [[read, P | W, 'e:5'], [write, P | W, 'e:7'], [write, P | U, 'e:7'], [modify, P | U, 'e:7'], [read, P | U, 'd:0']] as const) {
      const b = createBox(code);
      toUser(b);
      pte(b, DATA, BigInt(DATA) | entry);
      expect(outcome(b)).toBe(expected); // d:0 is the HLT that user mode may not execute
    }
  });

  test('CR0.WP decides whether a supervisor may write a read-only page', () => {
    for (const entry of [P, P | U]) {
      const b = createBox(write);
      pte(b, DATA, BigInt(DATA) | entry);
      expect(outcome(b)).toBe('e:3');
      const c = createBox(write);
      set(c, CR0, get(c, CR0) & ~WP);
      c.core.setState(0);
      pte(c, DATA, BigInt(DATA) | entry);
      expect(outcome(c)).toBe('halt');
    }
  });

  test('rights are the least of all levels', () => {
    const b = createBox('488b0425080022004889042508002200f4' /* mov rax, [0x220008]; mov [0x220008], rax; hlt */);
    write64(b, PD + 8, BigInt(PT) | P | U); // the same pages again, read-only
    expect(outcome(b)).toBe('e:3');
    expect(get(b, CR2)).toBe(0x220008n);
    const c = createBox(read);
    toUser(c);
    write64(c, PDPT, BigInt(PD) | P | W);
    expect(outcome(c)).toBe('e:15'); // not even the code can be fetched
  });

  test('execute-disable: I/D is reported with EFER.NXE, bit 63 is reserved without it', () => {
    const code = 'b800000200ffe0' /* mov eax, 0x20000; jmp rax */;
    const b = createBox(code);
    pte(b, DATA, BigInt(DATA) | P | W | XD);
    expect(outcome(b)).toBe('e:11');
    expect(frame(b, true).rip).toBe(BigInt(DATA));
    expect(get(b, CR2)).toBe(BigInt(DATA));
    const c = createBox(read);
    set(c, EFER, 0x501n);
    c.core.setState(0);
    pte(c, DATA, BigInt(DATA) | P | W | XD);
    expect(outcome(c)).toBe('e:9');
    const d = createBox(code);
    set(d, EFER, 0x501n);
    d.core.setState(0);
    pte(d, DATA, 0n);
    expect(outcome(d)).toBe('e:0'); // without NXE and SMEP a fetch is not told from a read
  });

  test('reserved bits', () => {
    const faults = (prepare: (b: Box) => void): string => {
      const b = createBox('488b03f4' /* mov rax, [rbx]; hlt */);
      setReg(b, 'rbx', 0x200000n);
      write64(b, PD + 8, 0x200000n | P | W | PS);
      prepare(b);
      return outcome(b);
    };
    expect(faults(() => {})).toBe('halt');
    expect(faults(b => write64(b, PD + 8, 0x202000n | P | W | PS))).toBe('e:9'); // below the page size
    expect(faults(b => write64(b, PD + 8, 0x201000n | P | W | PS))).toBe('halt'); // PAT
    expect(faults(b => write64(b, PD + 8, (1n << 32n) | 0x200000n | P | W | PS))).toBe('e:9'); // above MAXPHYADDR
    expect(faults(b => write64(b, PD + 8, (1n << 52n) | 0x200000n | P | W | PS))).toBe('halt'); // ignored
    // PS in a PML4 entry is reserved: here no handler can be reached either.
    const b = createBox('f4');
    write64(b, PML4, BigInt(PDPT) | P | W | PS);
    expect(run(b)).toBe(EXIT_TRIPLE_FAULT);
    expect(get(b, CR2)).toBe(BigInt(0x6000 + 8 * 16));
  });

  test('SMEP and SMAP', () => {
    const b = createBox('b800000200ffe0' /* mov eax, 0x20000; jmp rax */);
    userPages(b, DATA);
    control(b, 0n, SMEP);
    expect(outcome(b)).toBe('e:11');
    for (const [code, expected] of [[read, 'e:1'], [write, 'e:3'], ['0f01cb488b042508000200f4' /* stac; mov rax, [0x20008]; hlt */, 'halt'], ['0f01cb488b0425080002000f01ca488b042508000200f4' /* stac; mov rax, [0x20008]; clac; mov rax, [0x20008]; hlt */, 'e:1']] as const) {
      const c = createBox(code);
      userPages(c, DATA);
      control(c, 0n, SMAP);
      expect(outcome(c)).toBe(expected);
    }
  });
});

describe('accessed and dirty flags (SDM vol. 3, 4.8)', () => {
  test('a read sets A at every level, a write sets D in the last', () => {
    const b = createBox('488b042508000200f4' /* mov rax, [0x20008]; hlt */);
    expect(outcome(b)).toBe('halt');
    expect(readPte(b, DATA) & (A | D)).toBe(A);
    expect(read64(b, PML4) & A).toBe(A);
    expect(read64(b, PDPT) & A).toBe(A);
    expect(read64(b, PD) & (A | D)).toBe(A);
    const c = createBox('488b0425080002004889042508000200f4' /* mov rax, [0x20008]; mov [0x20008], rax; hlt */);
    expect(outcome(c)).toBe('halt');
    expect(readPte(c, DATA) & (A | D)).toBe(A | D);
  });

  test('a write that faults leaves the flags of its page alone', () => {
    const b = createBox('4889042508000200f4' /* mov [0x20008], rax; hlt */);
    pte(b, DATA, BigInt(DATA) | P);
    expect(outcome(b)).toBe('e:3');
    expect(readPte(b, DATA) & (A | D)).toBe(0n);
  });

  test('D is set again after software cleared it and flushed', () => {
    const b = createBox('4889042508000200488b1c250041000048832425004100009f0f013c25000002004889042510000200f4' /* mov [0x20008], rax; mov rbx, [0x4100]; and qword ptr [0x4100], 0xffffffffffffff9f; invlpg [0x20000]; mov [0x20010], rax; hlt */);
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rbx') & D).toBe(D);
    expect(readPte(b, DATA) & (A | D)).toBe(A | D);
  });
});

describe('translations are cached until they are invalidated (SDM vol. 3, 4.10)', () => {
  // Each program reads, unmaps the page by hand, does something, and reads again.
  const unmapped = (code: string, prepare: (b: Box) => void = () => {}): string => {
    const b = createBox(code);
    prepare(b);
    return outcome(b);
  };
  test('without invalidation the old translation goes on working', () => {
    expect(unmapped('488b04250800020048c704250041000000000000488b042508000200f4' /* mov rax, [0x20008]; mov qword ptr [0x4100], 0; mov rax, [0x20008]; hlt */)).toBe('halt');
  });
  test('INVLPG and MOV to CR3 end it', () => {
    expect(unmapped('488b04250800020048c7042500410000000000000f013c25ff0f0200488b042508000200f4' /* mov rax, [0x20008]; mov qword ptr [0x4100], 0; invlpg [0x20fff]; mov rax, [0x20008]; hlt */)).toBe('e:0');
    expect(unmapped('488b04250800020048c7042500410000000000000f20d90f22d9488b042508000200f4' /* mov rax, [0x20008]; mov qword ptr [0x4100], 0; mov rcx, cr3; mov cr3, rcx; mov rax, [0x20008]; hlt */)).toBe('e:0');
  });
  test('a global translation survives MOV to CR3 with CR4.PGE, not INVLPG, not a change of CR4.PGE', () => {
    const global = (b: Box): void => { pte(b, DATA, BigInt(DATA) | P | W | G); control(b, 0n, PGE); };
    expect(unmapped('488b04250800020048c7042500410000000000000f20d90f22d9488b042508000200f4' /* mov rax, [0x20008]; mov qword ptr [0x4100], 0; mov rcx, cr3; mov cr3, rcx; mov rax, [0x20008]; hlt */, global)).toBe('halt');
    expect(unmapped('488b04250800020048c7042500410000000000000f013c2500000200488b042508000200f4' /* mov rax, [0x20008]; mov qword ptr [0x4100], 0; invlpg [0x20000]; mov rax, [0x20008]; hlt */, global)).toBe('e:0');
    expect(unmapped('488b04250800020048c7042500410000000000000f20e14881e17fffffff0f22e1488b042508000200f4' /* mov rax, [0x20008]; mov qword ptr [0x4100], 0; mov rcx, cr4; and rcx, -129; mov cr4, rcx; mov rax, [0x20008]; hlt */, global)).toBe('e:0');
    const noPge = (b: Box): void => { pte(b, DATA, BigInt(DATA) | P | W | G); set(b, CR4, get(b, CR4) & ~PGE); b.core.setState(0); };
    expect(unmapped('488b04250800020048c7042500410000000000000f20d90f22d9488b042508000200f4' /* mov rax, [0x20008]; mov qword ptr [0x4100], 0; mov rcx, cr3; mov cr3, rcx; mov rax, [0x20008]; hlt */, noPge)).toBe('e:0');
  });
  test('a fault is never raised by stale rights', () => {
    // The page becomes writable without invalidation: the write must succeed.
    const b = createBox('488b04250800020048830c2500410000024889042508000200f4' /* mov rax, [0x20008]; or qword ptr [0x4100], 2; mov [0x20008], rax; hlt */);
    pte(b, DATA, BigInt(DATA) | P);
    expect(outcome(b)).toBe('halt');
  });
  test('INVLPG of one address of a large page drops all of it', () => {
    const b = createBox('488b042508002000488b042508f03f0048c7042508300000000000000f013c2545232100488b042508f03f00f4' /* mov rax, [0x200008]; mov rax, [0x3ff008]; mov qword ptr [0x3008], 0; invlpg [0x212345]; mov rax, [0x3ff008]; hlt */);
    write64(b, PD + 8, 0x200000n | P | W | PS);
    expect(outcome(b)).toBe('e:0');
    expect(get(b, CR2)).toBe(0x3ff008n);
  });
  test('decoded code follows the translation, not the address', () => {
    // Runs the code at 21000, maps 21000 to 22000 (which has other code), invalidates, runs it again.
    const b = createBox('bb00100200ffd34889c148c7042508410000032002000f013c2500100200ffd3f4' /* mov ebx, 0x21000; call rbx; mov rcx, rax; mov qword ptr [0x4108], 0x22003; invlpg [0x21000]; call rbx; hlt */);
    load(b, 0x21000, hex('b801000000c3' /* mov eax, 1; ret */));
    load(b, 0x22000, hex('b802000000c3' /* mov eax, 2; ret */));
    expect(outcome(b)).toBe('halt');
    expect([reg(b, 'rcx'), reg(b, 'rax')]).toEqual([1n, 2n]);
  });
});

describe('page sizes', () => {
  test('2 MiB and 1 GiB pages translate their whole range', () => {
    const b = createBox('488b03488b11f4' /* mov rax, [rbx]; mov rdx, [rcx]; hlt */);
    write64(b, PD + 8, 0x400000n | P | W | PS);
    write64(b, PDPT + 8, 0n | P | W | PS);
    setReg(b, 'rbx', 0x200000n + 0x123458n);
    setReg(b, 'rcx', 0x40000000n + 0x523450n);
    write64(b, 0x400000 + 0x123458, 0x1122334455667788n);
    write64(b, 0x523450, 0x99aabbccddeeff00n);
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rax')).toBe(0x1122334455667788n);
    expect(reg(b, 'rdx')).toBe(0x99aabbccddeeff00n);
    expect(b.core.translate(0, 0x200000 + 0x123458, 0, 0) >>> 0).toBe(0x523458);
  });
});

describe('accesses that cross a page', () => {
  test('a store into two pages changes nothing when the second is refused', () => {
    const b = createBox('48890425fc0f0200f4' /* mov [0x20ffc], rax; hlt */);
    setReg(b, 'rax', ~0n);
    pte(b, 0x21000, 0x21000n | P);
    write64(b, 0x20ff8, 0n);
    expect(outcome(b)).toBe('e:3');
    expect(get(b, CR2)).toBe(0x21000n);
    expect(read64(b, 0x20ff8)).toBe(0n);
  });
  test('bytes go to both pages', () => {
    const b = createBox('48890425fd0f0200488b1c25fd0f0200f4' /* mov [0x20ffd], rax; mov rbx, [0x20ffd]; hlt */);
    setReg(b, 'rax', 0x8877665544332211n);
    pte(b, 0x21000, 0x30000n | P | W); // not the next physical page
    expect(outcome(b)).toBe('halt');
    expect(reg(b, 'rbx')).toBe(0x8877665544332211n);
    expect(read64(b, 0x20ff8) >> 40n).toBe(0x332211n);
    expect(read64(b, 0x30000) & 0xffffffffffn).toBe(0x8877665544n);
  });
  test('the end of the canonical range', () => {
    for (const [code, register, expected] of [['488b03f4' /* mov rax, [rbx]; hlt */, 'rbx', 'd:0'], ['488b4500f4' /* mov rax, [rbp]; hlt */, 'rbp', 'c:0'], ['488903f4' /* mov [rbx], rax; hlt */, 'rbx', 'd:0'], ['488b442408f4' /* mov rax, [rsp+8]; hlt */, 'rsp', 'c:0']] as const) {
      const b = createBox(code);
      setReg(b, register, register === 'rsp' ? 0x7ffffffffff4n : 0x7ffffffffffcn);
      if (register === 'rsp') {
        // The frame needs a stack: through IST1.
        write64(b, 0x6000 + 12 * 16, read64(b, 0x6000 + 12 * 16) | (1n << 32n));
      }
      expect(outcome(b)).toBe(expected);
    }
  });
});

describe('alignment checks (SDM vol. 3, 6.15, interrupt 17)', () => {
  const code = '488b042501000200f4' /* mov rax, [0x20001]; hlt */;
  test('need CR0.AM, EFLAGS.AC and CPL 3', () => {
    const run = (am: boolean, ac: boolean, user: boolean): string => {
      const b = createBox(code);
      if (user) toUser(b);
      if (am) control(b, AM, 0n);
      else { set(b, CR0, get(b, CR0) & ~AM); b.core.setState(0); }
      if (ac) b.core.flagsSet(0, 2 | AC);
      return outcome(b);
    };
    expect(run(true, true, true)).toBe('11:0');
    expect(run(true, true, false)).toBe('halt');
    expect(run(false, true, true)).toBe('d:0'); // HLT
    expect(run(true, false, true)).toBe('d:0');
  });
  test('aligned accesses and bytes pass', () => {
    const b = createBox('488b0425080002008a0425010002008b042504000200668b0425020002000f0b' /* mov rax, [0x20008]; mov al, [0x20001]; mov eax, [0x20004]; mov ax, [0x20002]; ud2 */);
    toUser(b);
    control(b, AM, 0n);
    b.core.flagsSet(0, 2 | AC);
    expect(outcome(b)).toBe('6');
  });
});

describe('memory-mapped devices', () => {
  test('every access reaches the host once, in order, with its size', () => {
    const b = createBox('48c7c3000000408b430466c74308341283431005488b4b1848c74320fefffffff4' /* mov rbx, 0x40000000; mov eax, [rbx+4]; mov word ptr [rbx+8], 0x1234; add dword ptr [rbx+16], 5; mov rcx, [rbx+24]; mov qword ptr [rbx+32], -2; hlt */);
    write64(b, PDPT + 8, 0xc0000000n | P | W | PS);
    b.input = what => (what === 'read c0000010 4' ? 7 : 0x55);
    expect(outcome(b)).toBe('halt');
    expect(b.log).toEqual(['read c0000004 4', 'write c0000008 2 1234', 'read c0000010 4', 'write c0000010 4 c', 'read c0000018 8', 'write c0000020 8 fffffffe ffffffff']);
    expect(reg(b, 'rax')).toBe(0x55n);
  });
});

describe('what the host asks', () => {
  test('translate has no side effects and knows rights', () => {
    const b = createBox('f4');
    pte(b, DATA, BigInt(DATA) | P | XD);
    expect(b.core.translate(0, DATA + 5, 0, 0)).toBe(DATA + 5);
    expect(b.core.translate(0, DATA, 0, 1) >>> 0).toBe(0xffffffff);
    expect(b.core.translate(0, DATA, 0, 2) >>> 0).toBe(0xffffffff);
    expect(b.core.translate(0, DATA, 0, 4) >>> 0).toBe(0xffffffff);
    expect(b.core.translate(0, 0, 0x8000, 0) >>> 0).toBe(0xffffffff);
    expect(readPte(b, DATA) & (A | D)).toBe(0n);
  });
  test('clearDirty: the next write of a page marks it again, reads do not', () => {
    const b = createBox('4889042508000200f44889042510000200488b042500100200f4' /* mov [0x20008], rax; hlt; mov [0x20010], rax; mov rax, [0x21000]; hlt */);
    const dirty = (pa: number): number => b.bytes[b.core.pageFlags() + (pa >> 12)] & 1;
    expect(run(b)).toBe(EXIT_HALT);
    expect(dirty(DATA)).toBe(1);
    b.core.clearDirty();
    expect(dirty(DATA)).toBe(0);
    b.view.setUint32(b.cpu + 0xe4, 0, true); // ACTIVITY: wake up
    b.core.setState(0);
    expect(run(b)).toBe(EXIT_HALT);
    expect([dirty(DATA), dirty(0x21000)]).toEqual([1, 0]);
  });
  test('watch ranges stop after the instruction that touches them, and only then', () => {
    const b = createBox('48890425080002008b04250c000200c6042513000200014889042520000200f4' /* mov [0x20008], rax; mov eax, [0x2000c]; mov byte ptr [0x20013], 1; mov [0x20020], rax; hlt */);
    const at = b.core.watchTable();
    b.view.setBigUint64(at, 0x2000cn, true);
    b.view.setBigUint64(at + 8, 0x2000en, true);
    b.view.setUint32(at + 16, 1, true); // reads, linear
    b.view.setBigUint64(at + 32, 0x20010n, true);
    b.view.setBigUint64(at + 40, 0x20014n, true);
    b.view.setUint32(at + 48, 2 | 4, true); // writes, physical
    b.core.setWatch(2);
    expect(run(b)).toBe(4);
    expect([get(b, RIP), b.core.watchHit(), b.core.watchKind()]).toEqual([BigInt(CODE + 15), 0, 1]);
    expect(run(b)).toBe(4);
    expect([get(b, RIP), b.core.watchHit(), b.core.watchKind()]).toEqual([BigInt(CODE + 23), 1, 2]);
    expect(run(b)).toBe(EXIT_HALT);
  });
});

test('the fast table of the level is selected by privilege alone', () => {
  const b = createBox('f4');
  const kernel = b.view.getUint32(b.cpu + FAST, true);
  toUser(b);
  expect(b.view.getUint32(b.cpu + FAST, true)).not.toBe(kernel);
  expect(vectorOf(b)).toBe(13); // HLT at CPL 3
});
