// Runs cases on the core, until each raises an exception, and gives results in the layout that the host's have.

import * as abi from '../../emulator/core/abi.ts';
import { loadCore } from '../vectors/core.ts';
import { buildMachine, CODE, DATA, loadState, RAM_BYTES, saveState, STACK, type VectorMachine } from '../vectors/machine.ts';
import { AT, STATE_SIZE } from '../vectors/state.ts';
import { ENDLESS, LINE, ODD_EXIT, putLine, RESULT, type Bits, type Case } from './case.ts';

// Where test/vectors/machine.ts has these.
const GDT = 0x9000,
  IDT = 0xa000,
  HANDLERS = 0xc000,
  HANDLER_STRIDE = 16,
  STACK0_TOP = 0xf000,
  KERNEL_HI = 0xffff8000;
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
const RF = 0x10000;
/** Cycles after which a case counts as endless: a REP over both regions takes less. */
const LIMIT = 400_000;
/** The same when the host has come to an end. */
export const LONG_LIMIT = 50_000_000;

/**
 * The descriptors that a Linux process can see: LAR, LSL, VERR, VERW and loads of segment registers find the same on both sides
 * (kernel code and data, user code of 32 bits, data, code of 64 bits).
 */
const LINUX_GDT: readonly [selector: number, hi: number, lo?: number][] = [
  [0x08, 0x00cf9b00],
  [0x10, 0x00af9b00],
  [0x18, 0x00cf9300],
  [0x20, 0x00cffb00],
  [0x28, 0x00cff300],
  [0x30, 0x00affb00],
  // Its limit is the number of the processor that the process runs on.
  [0x78, 0x0040f500, 0],
];

/** The core as the second opinion. */
export class CoreMachine {
  private machine!: VectorMachine;
  private images!: Record<Bits, Uint8Array>;
  private codeFrom = 0;
  private codeTo = 0;
  /** Instructions that the last case executed, one that faulted among them; 0 when it did not end. */
  executed = 0;
  private readonly pages: { linear: number; at: number }[] = [];
  private readonly zero = Buffer.alloc(0x1000);
  private bytes!: Buffer<ArrayBufferLike>;

  constructor() {
    this.build();
  }

  /** A new core: also after it has crashed. */
  build(): void {
    const machine = buildMachine(loadCore(RAM_BYTES));
    const { u8, u32, ram, core, cpu } = machine;
    this.machine = machine;
    this.bytes = Buffer.from(u8.buffer);
    for (const [selector, hi, lo = 0xffff] of LINUX_GDT) {
      u32[(ram + GDT + selector) >>> 2] = lo;
      u32[(ram + GDT + selector + 4) >>> 2] = hi;
    }
    new DataView(machine.system.buffer, machine.system.byteOffset).setUint32(abi.GDTR_LIMIT - abi.CR0, 0x7f, true);
    // INT 4 is for everyone under Linux too.
    u8[ram + IDT + 4 * 16 + 5] = 0xee;
    core.exports.hostWrote(GDT, 0x2000);
    // CR4 of Linux, as far as a process notices: TSD clear, UMIP set.
    const image = (selector: number, access: number, base = 0, limit = 0xffffffff): Uint8Array => {
      const copy = machine.system.slice();
      const at = abi.SEG - abi.CR0 + abi.SEG_CS * abi.SEG_SIZE;
      const view = new DataView(copy.buffer);
      view.setUint32(at + abi.SEG_SELECTOR, selector, true);
      view.setUint32(at + abi.SEG_ACCESS, access, true);
      view.setUint32(at + abi.SEG_LIMIT, limit, true);
      view.setUint32(at + abi.SEG_BASE, base, true);
      return copy;
    };
    this.images = { 64: machine.system, 32: image(0x23, 0xcffb), 16: image(0x07, 0x00fb, CODE.linear, 0xffff) };
    this.pages.length = 0;
    for (const region of [DATA, STACK])
      for (let i = 0; i < region.size; i += 0x1000) this.pages.push({ linear: region.linear + i, at: ram + region.physical + i });
    u8.fill(0xcc, ram + CODE.physical, ram + CODE.physical + CODE.size);
    for (const { at } of this.pages) u8.fill(0, at, at + 0x1000);
    core.exports.hostWrote(CODE.physical, CODE.size);
    void cpu;
  }

  /** Runs `c` as one block after another, or (`alone`) one instruction at a time; writes its result at `at` and gives the offset behind it. */
  run(c: Case, results: Uint8Array, view: DataView, at: number, alone = false, limit = LIMIT): number {
    const { machine } = this;
    const { core, u8, u32, cpu, ram } = machine;
    const rip = new DataView(c.state.buffer, c.state.byteOffset).getUint32(AT.rip, true) & (CODE.size - 1);
    u8.fill(0xcc, ram + CODE.physical + this.codeFrom, ram + CODE.physical + this.codeTo);
    const from = Math.min(this.codeFrom, rip),
      to = Math.max(this.codeTo, Math.min(rip + c.code.length, CODE.size));
    this.codeFrom = rip;
    this.codeTo = Math.min(rip + c.code.length, CODE.size);
    u8.set(c.code.subarray(0, this.codeTo - rip), ram + CODE.physical + rip);
    core.exports.hostWrote(CODE.physical + from, to - from);
    for (const [address, bytes] of c.lines) u8.set(bytes, ram + this.physical(address));
    machine.system = this.images[c.bits];
    loadState(machine, c.state);
    for (const which of [abi.SEG_FS, abi.SEG_GS]) u32[(cpu + abi.SEG + which * abi.SEG_SIZE + abi.SEG_SELECTOR) >>> 2] = 0x2b;

    let exception = ENDLESS;
    const start = this.cycles();
    const retired = u32[(cpu + abi.INSTRUCTIONS) >>> 2]!;
    for (let now = start; now - start < limit; now = this.cycles()) {
      const until = alone ? now + 1 : start + limit;
      const reason = core.exports.run(0, until >>> 0, Math.floor(until / 0x100000000));
      exception = this.handlerVector();
      if (exception >= 0) break;
      exception = ENDLESS;
      if (reason !== abi.EXIT_BUDGET) {
        exception = ODD_EXIT + reason;
        break;
      }
    }
    // The handler's HLT has been counted too, and the INT3 behind the case, but no instruction that faulted.
    const counted = (u32[(cpu + abi.INSTRUCTIONS) >>> 2]! - retired) >>> 0;
    this.executed = exception === ENDLESS ? 0 : exception === 3 ? counted - 2 : counted;
    const image = results.subarray(at, at + STATE_SIZE);
    const delivered = exception < ENDLESS;
    saveState(machine, image, delivered ? exception : -1);
    const frame = ram + STACK0_TOP - 40;
    if (delivered) view.setUint32(at + AT.rflags, u32[(frame + 16) >>> 2]! & ~RF, true);
    let cr2 = 0n,
      error = 0;
    if (exception === 14) cr2 = new DataView(u8.buffer).getBigUint64(cpu + abi.CR2, true);
    if (WITH_ERROR_CODE.has(exception)) error = u32[(frame - 8) >>> 2]!;
    if (exception === 14 && cr2 >= 0x7ffffffff000n) error |= 1;
    view.setUint32(at + RESULT.EXCEPTION, exception, true);
    view.setBigUint64(at + RESULT.CR2, cr2, true);
    view.setUint32(at + RESULT.ERROR, error, true);
    // CS and SS are in the frame; the others are as the case left them.
    for (const [i, which] of [abi.SEG_ES, abi.SEG_CS, abi.SEG_SS, abi.SEG_DS, abi.SEG_FS, abi.SEG_GS].entries()) {
      let selector = u32[(cpu + abi.SEG + which * abi.SEG_SIZE) >>> 2]!;
      if (delivered && which === abi.SEG_CS) selector = u32[(frame + 8) >>> 2]!;
      if (delivered && which === abi.SEG_SS) selector = u32[(frame + 32) >>> 2]!;
      // The kernel's IRET to the signal handler makes 0 of every null selector.
      if (selector < 4) selector = 0;
      view.setUint16(at + RESULT.SELECTORS + i * 2, selector, true);
    }
    view.setBigUint64(at + RESULT.FIP, 0n, true);
    view.setBigUint64(at + RESULT.FDP, 0n, true);
    view.setBigUint64(at + RESULT.FOP, 0n, true);
    return this.collect(results, view, at);
  }

  private collect(results: Uint8Array, view: DataView, at: number): number {
    const { u8, u32 } = this.machine;
    let end = at + RESULT.HEADER,
      count = 0;
    for (const { linear, at: page } of this.pages) {
      if (this.bytes.compare(this.zero, 0, 0x1000, page, page + 0x1000) === 0) continue;
      for (let offset = 0; offset < 0x1000; offset += LINE) {
        let any = 0;
        for (let w = (page + offset) >>> 2, last = w + LINE / 4; w < last; w++) any |= u32[w]!;
        if (any === 0) continue;
        end = putLine(results, view, end, linear + offset, u8.subarray(page + offset, page + offset + LINE));
        count++;
        u8.fill(0, page + offset, page + offset + LINE);
      }
    }
    view.setUint32(at + RESULT.LINES, count, true);
    return end;
  }

  private physical(address: number): number {
    return address >= STACK.linear ? STACK.physical + (address - STACK.linear) : DATA.physical + (address - DATA.linear);
  }

  private cycles(): number {
    const { u32, cpu } = this.machine;
    return u32[(cpu + abi.CYCLES) >>> 2]! + u32[(cpu + abi.CYCLES + 4) >>> 2]! * 0x100000000;
  }

  private handlerVector(): number {
    const { u32, cpu } = this.machine;
    if (u32[(cpu + abi.CPL) >>> 2] !== 0 || u32[(cpu + abi.RIP + 4) >>> 2] !== KERNEL_HI) return -1;
    const offset = u32[(cpu + abi.RIP) >>> 2]! - HANDLERS;
    return offset >= 0 && offset < 256 * HANDLER_STRIDE ? Math.floor(offset / HANDLER_STRIDE) : -1;
  }
}
