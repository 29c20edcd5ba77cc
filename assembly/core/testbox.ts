import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as abi from '../../emulator/core/abi.ts';

// A small machine for the core's own tests: one processor in 64-bit mode at CPL 0 with page tables, GDT, IDT and TSS.
//
//   1000  PML4, 2000 PDPT, 3000 PD, 4000 PT of the first 2 MiB (identity, 4 KiB pages)
//   5000  GDT, 6000 IDT, 7000 handlers (HLT, 16 bytes each), 8000 TSS
//   10000 code, 20000 data, stacks below 30000 (kernel), 38000 (user), 3a000 (IST1)

export const PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT = 0x4000, GDT = 0x5000, IDT = 0x6000, HANDLERS = 0x7000, TSS = 0x8000;
export const CODE = 0x10000, DATA = 0x20000, STACK = 0x30000, USER_STACK = 0x38000, IST1 = 0x3a000;
export const KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, USER_DATA = 0x23, USER_CODE = 0x2b, TSS_SELECTOR = 0x30, FREE_SELECTOR = 0x40;
export const P = 1n, W = 2n, U = 4n, PS = 0x80n, G = 0x100n, XD = 1n << 63n;
export const RAM_BYTES = 8 << 20;

export const registers = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;
export type Register = (typeof registers)[number];

export interface Box {
  core: abi.CoreExports;
  /** All of linear memory; CPU structure at `cpu`, RAM at `ram`. */
  view: DataView;
  bytes: Uint8Array;
  cpu: number;
  ram: number;
  /** What the program did to the outside, in order: `out 80 1 2a`, `in 60 1`, `read fe000000 4`, `write ...`, `event ...`. */
  log: string[];
  /** Answers of ports and MMIO. */
  input: (what: string) => number;
}

let module: WebAssembly.Module | undefined;
function coreModule(): WebAssembly.Module {
  const path = process.env.KMODE_CORE ?? fileURLToPath(new URL('../../build/core.wasm', import.meta.url));
  return (module ??= new WebAssembly.Module(readFileSync(path)));
}

/** Bytes written as hex, spaces anywhere. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replace(/\s+/g, '').match(/../g) ?? [], b => parseInt(b, 16));
}

/** A machine with `code` at CODE, about to run it at CPL 0 with interrupts off. */
export function createBox(code: string, cpus = 1): Box {
  const memory = abi.createMemory(RAM_BYTES, cpus);
  const box: Partial<Box> = { log: [], input: () => 0 };
  const h = (n: number): string => (n >>> 0).toString(16);
  const core = abi.instantiate(coreModule(), memory, {
    portIn: (port, size) => { const what = `in ${h(port)} ${size}`; box.log!.push(what); return box.input!(what); },
    portOut: (port, size, value) => { box.log!.push(`out ${h(port)} ${size} ${h(value)}`); },
    mmioRead: (pa, size) => { const what = `read ${h(pa)} ${size}`; box.log!.push(what); return box.input!(what); },
    mmioWrite: (pa, size, lo, hi) => { box.log!.push(`write ${h(pa)} ${size} ${h(lo)}${size === 8 ? ' ' + h(hi) : ''}`); },
    ferr: (level) => { box.log!.push(`ferr ${level}`); },
    event: (kind, cpu, a, b) => { box.log!.push(`event ${kind} ${cpu} ${h(a)} ${h(b)}`); },
  });
  core.init(RAM_BYTES, cpus);
  const b: Box = Object.assign(box, { core, view: new DataView(memory.buffer), bytes: new Uint8Array(memory.buffer), cpu: core.cpuBase(0), ram: core.ramBase() }) as Box;
  write64(b, PML4, BigInt(PDPT) | P | W | U);
  write64(b, PDPT, BigInt(PD) | P | W | U);
  write64(b, PD, BigInt(PT) | P | W | U);
  for (let i = 0; i < 512; i++) write64(b, PT + i * 8, BigInt(i << 12) | P | W);
  write64(b, GDT + KERNEL_CODE, 0x00af9b000000ffffn);
  write64(b, GDT + KERNEL_DATA, 0x00cf93000000ffffn);
  write64(b, GDT + 0x18, 0x00cffb000000ffffn); // user code, 32 bits
  write64(b, GDT + 0x20, 0x00cff3000000ffffn);
  write64(b, GDT + 0x28, 0x00affb000000ffffn);
  write64(b, GDT + TSS_SELECTOR, 0x0000890000000067n | (BigInt(TSS) << 16n));
  write64(b, TSS + 4, BigInt(STACK));
  write64(b, TSS + 0x24, BigInt(IST1));
  for (let v = 0; v < 64; v++) {
    setGate(b, v, { handler: HANDLERS + v * 16 });
    b.bytes[b.ram + HANDLERS + v * 16] = 0xf4;
  }
  set(b, abi.CR0, 0x80050033n);
  set(b, abi.CR3, BigInt(PML4));
  set(b, abi.CR4, 0x2a0n | 0x400n | 0x10000n);
  set(b, abi.EFER, 0xd01n);
  set(b, abi.GDTR_BASE, BigInt(GDT));
  b.view.setUint32(b.cpu + abi.GDTR_LIMIT, 0x7f, true);
  set(b, abi.IDTR_BASE, BigInt(IDT));
  b.view.setUint32(b.cpu + abi.IDTR_LIMIT, 0x3ff, true);
  setSegment(b, abi.SEG_CS, KERNEL_CODE, 0xa09b);
  setSegment(b, abi.SEG_SS, KERNEL_DATA, 0xc093);
  setSegment(b, abi.SEG_TR, TSS_SELECTOR, 0x8b, BigInt(TSS), 0x67);
  set(b, abi.RIP, BigInt(CODE));
  set(b, abi.RSP, BigInt(STACK));
  b.core.flagsSet(0, 2);
  load(b, CODE, hex(code));
  b.core.setState(0);
  b.core.hostTlbFlush(0, 1);
  return b;
}

export function setSegment(b: Box, index: number, selector: number, access: number, base = 0n, limit = 0xffffffff): void {
  const at = b.cpu + abi.SEG + index * abi.SEG_SIZE;
  b.view.setUint32(at + abi.SEG_SELECTOR, selector, true);
  b.view.setUint32(at + abi.SEG_LIMIT, limit, true);
  b.view.setUint32(at + abi.SEG_ACCESS, access, true);
  b.view.setBigUint64(at + abi.SEG_BASE, base, true);
}

export interface Gate { handler: number | bigint; type?: number; dpl?: number; ist?: number; present?: boolean; selector?: number }
/** Writes IDT entry `vector`: an interrupt gate (type 14) to the kernel's code segment unless said otherwise. */
export function setGate(b: Box, vector: number, gate: Gate): void {
  const at = BigInt(gate.handler), rights = BigInt((gate.present === false ? 0 : 0x80) | ((gate.dpl ?? 0) << 5) | (gate.type ?? 14));
  write64(b, IDT + vector * 16, (at & 0xffffn) | (BigInt(gate.selector ?? KERNEL_CODE) << 16n) | (BigInt(gate.ist ?? 0) << 32n) | (rights << 40n) | (((at >> 16n) & 0xffffn) << 48n));
  write64(b, IDT + vector * 16 + 8, (at >> 32n) & 0xffffffffn);
}

/** Continues at CPL 3 in the flat user segments, on the user stack. The pages it uses must be marked (userPages). */
export function toUser(b: Box): void {
  setSegment(b, abi.SEG_CS, USER_CODE, 0xa0fb);
  setSegment(b, abi.SEG_SS, USER_DATA, 0xc0f3);
  b.view.setUint32(b.cpu + abi.CPL, 3, true);
  set(b, abi.RSP, BigInt(USER_STACK));
  userPages(b, CODE, DATA, USER_STACK - 0x1000);
  b.core.setState(0);
}
/** Makes pages of the identity map accessible to CPL 3. */
export function userPages(b: Box, ...addresses: number[]): void {
  for (const a of addresses) pte(b, a, BigInt(a & ~0xfff) | P | W | U);
}
/** Sets the page table entry of a linear address below 2 MiB. */
export function pte(b: Box, va: number, entry: bigint): void { write64(b, PT + (va >>> 12) * 8, entry); }
export function readPte(b: Box, va: number): bigint { return read64(b, PT + (va >>> 12) * 8); }

/** A 64-bit field of the CPU structure. */
export function get(b: Box, offset: number): bigint { return b.view.getBigUint64(b.cpu + offset, true); }
export function set(b: Box, offset: number, v: bigint): void { b.view.setBigUint64(b.cpu + offset, BigInt.asUintN(64, v), true); }
export function reg(b: Box, name: Register): bigint { return get(b, registers.indexOf(name) * 8); }
export function setReg(b: Box, name: Register, v: bigint): void { set(b, registers.indexOf(name) * 8, v); }
export function selector(b: Box, index: number): number { return b.view.getUint32(b.cpu + abi.SEG + index * abi.SEG_SIZE, true); }
export function cpl(b: Box): number { return b.view.getUint32(b.cpu + abi.CPL, true); }
export function flags(b: Box): number { return b.core.flagsGet(0); }

/** RAM by physical address. */
export function read64(b: Box, pa: number): bigint { return b.view.getBigUint64(b.ram + pa, true); }
export function write64(b: Box, pa: number, v: bigint): void { b.view.setBigUint64(b.ram + pa, BigInt.asUintN(64, v), true); }
export function load(b: Box, pa: number, data: Uint8Array): void {
  b.bytes.set(data, b.ram + pa);
  b.core.hostWrote(pa, data.length);
}

/** Runs up to `cycles` more cycles; answers the exit reason. */
export function run(b: Box, cycles = 10000): number {
  const until = get(b, abi.CYCLES) + BigInt(cycles);
  return b.core.run(0, Number(until & 0xffffffffn), Number(until >> 32n));
}

/** Runs into a handler's HLT and answers which vector it belongs to; -1 when the program itself halted. Throws when it did not halt. */
export function vectorOf(b: Box): number {
  const reason = run(b);
  if (reason !== abi.EXIT_HALT) throw new Error(`exit ${reason} at ${get(b, abi.RIP).toString(16)}`);
  const at = Number(get(b, abi.RIP)) - 1 - HANDLERS;
  return at >= 0 && at < 0x400 ? at >> 4 : -1;
}

export interface Frame { error?: number; rip: bigint; cs: number; flags: number; rsp: bigint; ss: number; at: number }
/** The frame that the handler was entered with. */
export function frame(b: Box, hasError = false): Frame {
  const at = Number(reg(b, 'rsp')), o = hasError ? 8 : 0, word = (i: number): bigint => read64(b, at + o + i * 8);
  return { error: hasError ? Number(read64(b, at)) : undefined, rip: word(0), cs: Number(word(1)), flags: Number(word(2)), rsp: word(3), ss: Number(word(4)), at };
}

/** Runs the program into a fault with error code and says `vector:error` in hex, for one-line expectations; `halt` if it did not fault. */
export function outcome(b: Box): string {
  const v = vectorOf(b);
  if (v < 0) return 'halt';
  const withError = v === 8 || (v >= 10 && v <= 14) || v === 17;
  return `${v.toString(16)}${withError ? ':' + frame(b, true).error!.toString(16) : ''}`;
}
