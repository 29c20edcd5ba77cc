// The machine that FORMAT.md assumes: ring 3, 64-bit mode (or compatibility mode), three small regions and nothing else that ring 3 can see. Ring 0
// has an IDT whose every handler is one HLT, so that an exception ends the run at an address that says which vector it was.

import * as abi from '../../emulator/core/abi.ts';
import type { CodeBits } from '../../emulator/disasm/fetch.ts';
import type { CoreInstance } from './core.ts';
import { AT, STATE_SIZE } from './state.ts';

/** A region of FORMAT.md: linear address, physical address, bytes, and page table bits. */
interface Region {
  linear: number;
  physical: number;
  size: number;
}

export const CODE: Region = { linear: 0x10000000, physical: 0x10000, size: 0x1000 };
export const DATA: Region = { linear: 0x20000000, physical: 0x20000, size: 0x2000 };
export const STACK: Region = { linear: 0x30000000, physical: 0x30000, size: 0x2000 };

/** RAM that the machine needs. */
export const RAM_BYTES = 0x200000;

// Physical addresses of what ring 0 owns; ring 0 sees all of RAM from KERNEL up.
const PML4 = 0x1000,
  PDPT_LOW = 0x2000,
  PD_LOW = 0x3000,
  PT_CODE = 0x4000,
  PT_DATA = 0x5000,
  PT_STACK = 0x6000,
  PDPT_HIGH = 0x7000,
  PD_HIGH = 0x8000;
const GDT = 0x9000,
  IDT = 0xa000,
  TSS = 0xb000,
  HANDLERS = 0xc000,
  STACK0_TOP = 0xf000;
const KERNEL_HI = 0xffff8000;
const HANDLER_STRIDE = 16;

// Page table entry bits (SDM vol. 3, 4.5).
const P = 1,
  W = 2,
  U = 4,
  PS = 0x80,
  NX_HI = 0x80000000;

const TSS_LIMIT = 0x67;
const SEL_CODE0 = 0x10,
  SEL_DATA3 = 0x2b,
  SEL_CODE32 = 0x23,
  SEL_CODE3 = 0x33,
  SEL_TSS = 0x40,
  SEL_CODE16 = 0x07; // of an LDT that is never looked at
/** CR0: PE MP ET NE WP AM PG. CR4: PAE PGE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE. */
export const INITIAL_CR0 = 0x80050033 | 0,
  INITIAL_CR4 = 0x506a0;
const EFER = 0xd01,
  XCR0 = 7;
const TF_RF = 0x10100;
/** Vectors whose delivery pushes an error code (SDM vol. 3, 6.15). */
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
/** Calls of `run` for one instruction after which it is given up: a REP of 8,192 bytes needs at most as many. */
const MAX_RUNS = 20000;

/** How one instruction ended. */
export interface Outcome {
  /** The exception's vector, or -1. */
  exception: number;
  /** CR2 in 16 hexadecimal digits. */
  cr2: string;
  /** Something that no vector expects: the run loop left for another reason. */
  odd: string | null;
}

/** A machine ready to run vectors. */
export interface VectorMachine {
  core: CoreInstance;
  cpu: number;
  u8: Uint8Array;
  u32: Uint32Array;
  /** Physical 0 in linear memory. */
  ram: number;
  /** Segment, control and table registers as they are at the start of each vector. */
  system: Uint8Array;
  /** CS by the size of code (64, 32, 16) as part of the CPU structure. */
  code: Record<CodeBits, Uint8Array>;
}

/** Builds page tables, IDT, TSS and the system registers in a new core instance. */
export function buildMachine(core: CoreInstance): VectorMachine {
  core.exports.init(RAM_BYTES, 1);
  core.exports.reset(0);
  const u8 = new Uint8Array(core.memory.buffer);
  const u32 = new Uint32Array(core.memory.buffer);
  const machine: VectorMachine = {
    core,
    cpu: core.exports.cpuBase(0),
    u8,
    u32,
    ram: core.exports.ramBase(),
    system: new Uint8Array(0),
    code: { 64: new Uint8Array(0), 32: new Uint8Array(0), 16: new Uint8Array(0) },
  };
  buildTables(machine);
  setSystemRegisters(machine);
  machine.system = u8.slice(machine.cpu + abi.CR0, machine.cpu + abi.SCRATCH);
  machine.code = {
    64: codeSegment(SEL_CODE3, 0xffffffff, 0xaffb, 0),
    32: codeSegment(SEL_CODE32, 0xffffffff, 0xcffb, 0),
    16: codeSegment(SEL_CODE16, 0xffff, 0x00fb, CODE.linear),
  };
  return machine;
}

function buildTables(machine: VectorMachine): void {
  const { u8, ram } = machine;
  const put = (pa: number, lo: number, hi = 0) => put64(machine, ram + pa, lo, hi);
  put(PML4, PDPT_LOW | P | W | U);
  put(PML4 + 256 * 8, PDPT_HIGH | P | W);
  put(PDPT_LOW, PD_LOW | P | W | U);
  put(PDPT_HIGH, PD_HIGH | P | W);
  put(PD_HIGH, PS | P | W);
  for (const [region, table, writable] of [
    [CODE, PT_CODE, false],
    [DATA, PT_DATA, true],
    [STACK, PT_STACK, true],
  ] as const) {
    put(PD_LOW + (region.linear >>> 21) * 8, table | P | W | U);
    for (let page = 0; page < region.size >>> 12; page++) {
      put(table + page * 8, (region.physical + page * 0x1000) | P | U | (writable ? W : 0), writable ? NX_HI : 0);
    }
  }
  put(GDT + SEL_CODE0, 0x0000ffff, 0x00af9b00);
  put(GDT + (SEL_DATA3 & ~3), 0x0000ffff, 0x00cff300);
  put(GDT + (SEL_CODE3 & ~3), 0x0000ffff, 0x00affb00);
  put(GDT + (SEL_CODE32 & ~3), 0x0000ffff, 0x00cffb00);
  put(GDT + SEL_TSS, TSS_LIMIT | (TSS << 16), 0x00008b00);
  put(GDT + SEL_TSS + 8, KERNEL_HI);
  put(TSS + 4, STACK0_TOP, KERNEL_HI);
  put(TSS + 0x60, 0, (TSS_LIMIT + 1) << 16); // the I/O bitmap lies past the limit: no port is allowed (SDM vol. 1, 18.5.2)
  for (let vector = 0; vector < 256; vector++) {
    const handler = HANDLERS + vector * HANDLER_STRIDE;
    const dpl = vector === 3 ? 3 : 0;
    put(IDT + vector * 16, (handler & 0xffff) | (SEL_CODE0 << 16), 0x8e00 | (dpl << 13));
    put(IDT + vector * 16 + 8, KERNEL_HI);
    u8[ram + handler] = 0xf4;
  }
  machine.core.exports.hostWrote(0, RAM_BYTES);
}

function setSystemRegisters(machine: VectorMachine): void {
  const { u8, u32, cpu } = machine;
  const put = (at: number, lo: number, hi = 0) => put64(machine, cpu + at, lo, hi);
  put(abi.CR0, INITIAL_CR0);
  put(abi.CR2, 0);
  put(abi.CR3, PML4);
  put(abi.CR4, INITIAL_CR4);
  put(abi.XCR0, XCR0);
  put(abi.EFER, EFER);
  put(abi.GDTR_BASE, GDT, KERNEL_HI);
  put(abi.IDTR_BASE, IDT, KERNEL_HI);
  u32[(cpu + abi.GDTR_LIMIT) >>> 2] = 0x4f;
  u32[(cpu + abi.IDTR_LIMIT) >>> 2] = 0xfff;
  u8.fill(0, cpu + abi.SEG, cpu + abi.SEG + 8 * abi.SEG_SIZE);
  const segment = (which: number, selector: number, limit: number, access: number, baseLo = 0, baseHi = 0) => {
    const at = cpu + abi.SEG + which * abi.SEG_SIZE;
    u32[(at + abi.SEG_SELECTOR) >>> 2] = selector;
    u32[(at + abi.SEG_LIMIT) >>> 2] = limit;
    u32[(at + abi.SEG_ACCESS) >>> 2] = access;
    put64(machine, at + abi.SEG_BASE, baseLo, baseHi);
  };
  for (const which of [abi.SEG_ES, abi.SEG_SS, abi.SEG_DS, abi.SEG_FS, abi.SEG_GS]) segment(which, SEL_DATA3, 0xffffffff, 0xcff3);
  segment(abi.SEG_CS, SEL_CODE3, 0xffffffff, 0xaffb);
  segment(abi.SEG_TR, SEL_TSS, TSS_LIMIT, 0x008b, TSS, KERNEL_HI);
}

/** A code segment register as the CPU structure has it. */
function codeSegment(selector: number, limit: number, access: number, base: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(abi.SEG_SIZE));
  view.setUint32(abi.SEG_SELECTOR, selector, true);
  view.setUint32(abi.SEG_LIMIT, limit, true);
  view.setUint32(abi.SEG_ACCESS, access, true);
  view.setUint32(abi.SEG_BASE, base, true);
  return new Uint8Array(view.buffer);
}

/** Puts the processor into ring 3 with the registers of a state image, in code of `bits`. */
export function loadState(machine: VectorMachine, image: Uint8Array, bits: CodeBits = 64): void {
  const { core, u8, u32, cpu, system } = machine;
  const from = new DataView(image.buffer, image.byteOffset, STATE_SIZE);
  u8.set(system, cpu + abi.CR0);
  if (bits !== 64) u8.set(machine.code[bits], cpu + abi.SEG + abi.SEG_CS * abi.SEG_SIZE);
  u32[(cpu + abi.CPL) >>> 2] = 3;
  u32[(cpu + abi.ACTIVITY) >>> 2] = 0;
  u32[(cpu + abi.INT_SHADOW) >>> 2] = 0;
  u8.set(image.subarray(0, 16 * 8), cpu + abi.GPR);
  u8.set(image.subarray(AT.rip, AT.rip + 8), cpu + abi.RIP);
  for (const [at, shadow, which] of [
    [AT.fsbase, abi.FS_BASE, abi.SEG_FS],
    [AT.gsbase, abi.GS_BASE, abi.SEG_GS],
  ] as const) {
    u8.set(image.subarray(at, at + 8), cpu + shadow);
    u8.set(image.subarray(at, at + 8), cpu + abi.SEG + which * abi.SEG_SIZE + abi.SEG_BASE);
  }
  u8.set(image.subarray(AT.ymm, AT.ymm + 16 * 32), cpu + abi.XMM);
  u32[(cpu + abi.MXCSR) >>> 2] = from.getUint32(AT.mxcsr, true);
  u32[(cpu + abi.FCW) >>> 2] = from.getUint16(AT.fcw, true);
  const fsw = from.getUint16(AT.fsw, true);
  u32[(cpu + abi.FSW) >>> 2] = fsw;
  u32[(cpu + abi.FTW) >>> 2] = from.getUint8(AT.ftw);
  for (let i = 0; i < 8; i++) {
    const physical = (i + (fsw >>> 11)) & 7;
    u8.set(image.subarray(AT.st + i * 16, AT.st + i * 16 + 16), cpu + abi.ST + physical * 16);
  }
  core.exports.flagsSet(0, from.getUint32(AT.rflags, true));
  core.exports.setState(0);
}

/** Reads the processor's state into an image; after an exception, RIP, RSP and RFLAGS are those of the pushed frame. */
export function saveState(machine: VectorMachine, image: Uint8Array, exception: number): void {
  const { core, u8, u32, cpu, ram } = machine;
  const to = new DataView(image.buffer, image.byteOffset, STATE_SIZE);
  image.fill(0);
  image.set(u8.subarray(cpu + abi.GPR, cpu + abi.GPR + 16 * 8), 0);
  image.set(u8.subarray(cpu + abi.RIP, cpu + abi.RIP + 8), AT.rip);
  to.setUint32(AT.rflags, core.exports.flagsGet(0) & ~TF_RF, true);
  image.set(u8.subarray(cpu + abi.FS_BASE, cpu + abi.FS_BASE + 8), AT.fsbase);
  image.set(u8.subarray(cpu + abi.GS_BASE, cpu + abi.GS_BASE + 8), AT.gsbase);
  image.set(u8.subarray(cpu + abi.XMM, cpu + abi.XMM + 16 * 32), AT.ymm);
  to.setUint32(AT.mxcsr, u32[(cpu + abi.MXCSR) >>> 2]!, true);
  to.setUint16(AT.fcw, u32[(cpu + abi.FCW) >>> 2]!, true);
  const fsw = u32[(cpu + abi.FSW) >>> 2]!;
  to.setUint16(AT.fsw, fsw, true);
  to.setUint8(AT.ftw, u32[(cpu + abi.FTW) >>> 2]!);
  for (let i = 0; i < 8; i++) {
    const physical = (i + (fsw >>> 11)) & 7;
    image.set(u8.subarray(cpu + abi.ST + physical * 16, cpu + abi.ST + physical * 16 + 10), AT.st + i * 16);
  }
  if (exception < 0) return;
  // RIP, CS, RFLAGS, RSP, SS, below the stack's top and above the error code (SDM vol. 3, 6.14.2).
  const frame = ram + STACK0_TOP - 40;
  image.set(u8.subarray(frame, frame + 8), AT.rip);
  image.set(u8.subarray(frame + 24, frame + 32), AT.rsp);
  to.setUint32(AT.rflags, u32[(frame + 16) >>> 2]! & ~TF_RF, true);
}

/** Runs exactly one instruction. */
export function stepOne(machine: VectorMachine): Outcome {
  const { core, u32, cpu, ram } = machine;
  const before = u32[(cpu + abi.INSTRUCTIONS) >>> 2]!;
  for (let i = 0; i < MAX_RUNS; i++) {
    const lo = u32[(cpu + abi.CYCLES) >>> 2]!,
      hi = u32[(cpu + abi.CYCLES + 4) >>> 2]!;
    const until = lo === 0xffffffff ? [0, hi + 1] : [lo + 1, hi];
    const reason = core.exports.run(0, until[0]!, until[1]!);
    const exception = handlerVector(machine);
    const cr2 = hex32(u32[(cpu + abi.CR2 + 4) >>> 2]!) + hex32(u32[(cpu + abi.CR2) >>> 2]!);
    if (exception >= 0) {
      const expected = STACK0_TOP - 40 - (WITH_ERROR_CODE.has(exception) ? 8 : 0);
      const rsp = u32[(cpu + abi.RSP) >>> 2]!;
      const cs = u32[(ram + STACK0_TOP - 32) >>> 2]!;
      const odd =
        rsp !== expected
          ? `kernel RSP after delivery is ${rsp.toString(16)}, not ${expected.toString(16)}`
          : cs !== SEL_CODE3 && cs !== SEL_CODE32 && cs !== SEL_CODE16
            ? `pushed CS is ${cs.toString(16)}`
            : null;
      return { exception, cr2, odd };
    }
    if (reason !== abi.EXIT_BUDGET) return { exception: -1, cr2, odd: `exit reason ${reason}` };
    if (u32[(cpu + abi.INSTRUCTIONS) >>> 2]! !== before) {
      const count = (u32[(cpu + abi.INSTRUCTIONS) >>> 2]! - before) >>> 0;
      return { exception: -1, cr2, odd: count === 1 ? null : `${count} instructions ran` };
    }
  }
  return { exception: -1, cr2: '', odd: `not complete after ${MAX_RUNS} runs of one cycle` };
}

/** The vector whose handler the processor has entered, or -1 while it is in ring 3. */
function handlerVector({ u32, cpu }: VectorMachine): number {
  if (u32[(cpu + abi.CPL) >>> 2] !== 0 || u32[(cpu + abi.RIP + 4) >>> 2] !== KERNEL_HI) return -1;
  const offset = u32[(cpu + abi.RIP) >>> 2]! - HANDLERS;
  return offset >= 0 && offset < 256 * HANDLER_STRIDE ? Math.floor(offset / HANDLER_STRIDE) : -1;
}

function put64({ u32 }: VectorMachine, at: number, lo: number, hi: number): void {
  u32[at >>> 2] = lo;
  u32[(at + 4) >>> 2] = hi;
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}
