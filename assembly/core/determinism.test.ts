import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { CR4, CYCLES, EXIT_BREAKPOINT, EXIT_BUDGET, EXIT_WATCH, LSTAR, SFMASK, STAR } from '../../emulator/core/abi.ts';
import { HASHED_RANGES } from '../../emulator/corestate.ts';
import { CODE, createBox, DATA, flags, G, get, hex, load, P, PD, PDPT, PS, pte, RAM_BYTES, read64, reg, set, setGate, setReg, U, userPages, W, write64 } from './testbox.ts';
import type { Box } from './testbox.ts';

// One program that uses everything whose timing or caching could leak into state: a periodic timer, page faults, TLB evictions, stale
// translations, INVLPG, self-modifying code, user mode, string instructions, ports, MMIO. However it is run, the same cycle has the same state.

const PT2 = 0x9000, FAULT = 0x12000, TIMER = 0x12100, USER = 0x11000, PATCH_DATA = 0x13000;

/** RBX: page counter. R12: rounds. The syscall entry (LSTAR) is the label `back` at 10200h. */
const main = 'fbbb00002000488b43104801431848899bfc0f000081c30030000081fb00003f0072e344882501000000b1000fb6c948010c2508000200be10000200bf803f2000b92c010000fcf3a4bffa0f2a0089c8b94d000000f348abba800000004489e0ee41b89003e07e418b0048010425100002004489e381e3ff010000488324dd00900000fe41f6c403750d89d8c1e00c05000020000f013841f6c41f75060f20d80f22d8b802000000440f22c0830425180002000131c0440f22c049ffc4b90010010041bb02020000bc00800300480f070000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000048c7c400000300fbe9f4fdffff' /* sti; round:; mov ebx, 0x200000; touch:; mov rax, [rbx+0x10]; add [rbx+0x18], rax; mov [rbx+0xffc], rbx; add ebx, 0x3000; cmp ebx, 0x3f0000; jb touch; mov [rip+patch+1], r12b; patch: mov cl, 0; movzx ecx, cl; add [0x20008], rcx; mov esi, 0x20010; mov edi, 0x203f80; mov ecx, 300; cld; rep movsb; mov edi, 0x2a0ffa; mov eax, ecx; mov ecx, 77; rep stosq; mov edx, 0x80; mov eax, r12d; out dx, al; mov r8d, 0x7ee00390; mov eax, [r8]; add [0x20010], rax; mov ebx, r12d; and ebx, 511; and qword ptr [rbx*8+0x9000], -2; test r12b, 3; jnz keep; mov eax, ebx; shl eax, 12; add eax, 0x200000; invlpg [rax]; keep:; test r12b, 31; jnz stay; mov rax, cr3; mov cr3, rax; stay:; mov eax, 2; mov cr8, rax; add dword ptr [0x20018], 1; xor eax, eax; mov cr8, rax; inc r12; mov ecx, 0x11000; mov r11d, 0x202; mov esp, 0x38000; sysretq; .org 0x200; back:; mov rsp, 0x30000; sti; jmp round */;
/** Makes the page that faulted present. */
const fault = '500f20d048c1e80925f80f0000488388009000000148ff042528000200584883c40848cf' /* push rax; mov rax, cr2; shr rax, 9; and eax, 0xff8; or qword ptr [rax+0x9000], 1; inc qword ptr [0x20028]; pop rax; add rsp, 8; iretq */;
const timer = '5048ff042520000200b8b000e07ec700000000005848cf' /* push rax; inc qword ptr [0x20020]; mov eax, 0x7ee000b0; mov dword ptr [rax], 0; pop rax; iretq */;
const user = '0f3131042508300100525e66810425fe3f01000101b914000000ffc975fc0f05' /* rdtsc; xor [0x13008], eax; push rdx; pop rsi; add word ptr [0x13ffe], 0x101; mov ecx, 20; again: dec ecx; jnz again; syscall */;

function machine(): Box {
  const b = createBox(main);
  write64(b, PD + 8, BigInt(PT2) | P | W | U);
  for (let i = 0; i < 512; i++) write64(b, PT2 + i * 8, BigInt(0x200000 + (i << 12)) | W | (i % 5 === 0 ? P : 0n) | (i % 7 === 0 ? G : 0n));
  write64(b, PDPT + 8, 0xc0000000n | P | W | PS);
  userPages(b, USER, PATCH_DATA, PATCH_DATA + 0x1000, 0x37000);
  pte(b, DATA, BigInt(DATA) | P | W);
  set(b, CR4, get(b, CR4) | 0x80n);
  set(b, STAR, (0x1bn << 48n) | (8n << 32n));
  set(b, LSTAR, BigInt(CODE + 0x200));
  set(b, SFMASK, 0x200n);
  load(b, FAULT, hex(fault));
  load(b, TIMER, hex(timer));
  load(b, USER, hex(user));
  setGate(b, 14, { handler: FAULT });
  setGate(b, 0x31, { handler: TIMER });
  setReg(b, 'r12', 0n);
  b.core.setState(0);
  b.core.apicWrite(0, 0xf0, 0x1ff);
  b.core.setApicDivider(1);
  b.core.apicWrite(0, 0x3e0, 0b1011);
  b.core.apicWrite(0, 0x320, 0x20031);
  b.core.apicWrite(0, 0x380, 777);
  return b;
}

function state(b: Box): string {
  const h = createHash('sha1');
  for (const [from, to] of HASHED_RANGES) h.update(b.bytes.subarray(b.cpu + from, b.cpu + to));
  h.update(String(flags(b)));
  h.update(b.bytes.subarray(b.ram, b.ram + RAM_BYTES));
  return h.digest('hex');
}

/** Runs to cycle `end` in slices; `between` is what the host does at each stop. */
function runTo(b: Box, end: number, slice: () => number, between: (b: Box) => void = () => {}): void {
  while (get(b, CYCLES) < BigInt(end)) {
    const until = Math.min(end, Number(get(b, CYCLES)) + slice());
    const reason = b.core.run(0, until, 0);
    if (reason !== EXIT_BUDGET && reason !== EXIT_WATCH && reason !== EXIT_BREAKPOINT) throw new Error(`exit ${reason}`);
    between(b);
  }
}

const END = 300_000;
let reference: { state: string; log: string } | undefined;
function expected(): { state: string; log: string } {
  if (reference === undefined) {
    const b = machine();
    runTo(b, END, () => END);
    // The program did what it is here for.
    expect(Number(reg(b, 'r12'))).toBeGreaterThan(50);
    expect(Number(read64(b, DATA + 0x20))).toBeGreaterThan(200);
    expect(Number(read64(b, DATA + 0x28))).toBeGreaterThan(50);
    reference = { state: state(b), log: b.log.join('\n') };
  }
  return reference;
}
function check(b: Box): void {
  const want = expected();
  expect(b.log.filter(l => !l.startsWith('event')).join('\n')).toBe(want.log);
  expect(state(b)).toBe(want.state);
}

test('slices change nothing', () => {
  for (const n of [1, 13, 997, 50_000]) {
    const b = machine();
    runTo(b, END, () => n);
    check(b);
  }
  let seed = 1;
  const b = machine();
  runTo(b, END, () => (seed = (seed * 1103515245 + 12345) >>> 0) >>> 24);
  check(b);
});

test('neither do dropping code, fast tables and dirty flags at every stop, nor tracing', () => {
  const b = machine();
  b.core.setTracing(1);
  runTo(b, END, () => 311, m => { m.core.flushCode(); m.core.setState(0); m.core.clearDirty(); });
  check(b);
});

test('neither do watch ranges and breakpoints', () => {
  const b = machine();
  const watch = b.core.watchTable();
  const ranges: [bigint, bigint, number][] = [[0x20008n, 0x20010n, 2], [0x203f90n, 0x203fa0n, 6], [0x13008n, 0x1300cn, 3], [0x6000n, 0x7000n, 5]];
  ranges.forEach(([from, to, kind], i) => {
    b.view.setBigUint64(watch + i * 32, from, true);
    b.view.setBigUint64(watch + i * 32 + 8, to, true);
    b.view.setUint32(watch + i * 32 + 16, kind, true);
  });
  b.core.setWatch(ranges.length);
  const at = b.core.breakpointTable();
  [CODE + 6, FAULT, TIMER, USER + 2].forEach((a, i) => b.view.setBigUint64(at + i * 8, BigInt(a), true));
  b.core.setBreakpoints(4);
  let stops = 0;
  runTo(b, END, () => END, () => { stops++; });
  expect(stops).toBeGreaterThan(500);
  check(b);
});

test('a machine restored from memory goes on the same', () => {
  const a = machine();
  runTo(a, 123_456, () => END);
  const b = machine();
  // What a checkpoint keeps: RAM, CPU structure and TLBs, the shared state.
  b.bytes.set(a.bytes.subarray(a.ram, a.ram + RAM_BYTES), b.ram);
  b.bytes.set(a.bytes.subarray(a.cpu, a.cpu + 0x7000), b.cpu);
  b.bytes.set(a.bytes.subarray(0x300000, 0x301000), 0x300000);
  b.core.flushCode();
  b.core.setState(0);
  b.log.push(...a.log);
  expect(state(b)).toBe(state(a));
  runTo(b, END, () => 4321);
  check(b);
});
