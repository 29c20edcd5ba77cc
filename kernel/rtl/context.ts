/** A CONTEXT in guest memory: filled from the processor, unwound frame by frame, loaded into the processor. */
import { addressAt } from '../../hal/bus/memory.ts';
import { RSP } from '../../hal/bus/cpu.ts';
import type { VirtualMemory } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { CONTEXT, CONTEXT_FULL, CONTEXT_SEGMENTS, XSAVE_FORMAT } from '../types/trap.ts';
import type { UnwindRegisters, WalkContext } from './unwind.ts';

const C = CONTEXT.f;
const FIRST_REGISTER = C.Rax.offset,
  XMM = C.FltSave.offset + XSAVE_FORMAT.f.XmmRegisters.offset;
/** Bytes of an FXSAVE image before the XMM registers: x87 control and data. */
const X87_BYTES = 160;
const KERNEL_CS = 0x10,
  KERNEL_SS = 0x18;
/** RFLAGS that a restored context may choose: the arithmetic flags, TF, IF, DF, RF, AC, ID. */
const CHOOSABLE_FLAGS = 0x00250fd5;

/** The registers in a CONTEXT, for unwinding. Registers are in the CONTEXT in the order of their numbers. */
export class ContextRegisters implements UnwindRegisters {
  private readonly m: VirtualMemory;
  private readonly at: number;
  constructor(m: VirtualMemory, at: number) {
    this.m = m;
    this.at = at;
  }
  get rip(): number {
    return addressAt(this.m, this.at + C.Rip.offset);
  }
  set rip(value: number) {
    this.m.writePtr(this.at + C.Rip.offset, value);
  }
  get(register: number): number {
    return addressAt(this.m, this.at + FIRST_REGISTER + register * 8);
  }
  set(register: number, value: number): void {
    this.m.writePtr(this.at + FIRST_REGISTER + register * 8, value);
  }
  load(register: number, from: number): void {
    const to = this.at + FIRST_REGISTER + register * 8;
    const lo = this.m.read32(from),
      hi = this.m.read32(from + 4);
    this.m.write32(to, lo);
    this.m.write32(to + 4, hi);
  }
  loadXmm(register: number, from: number): void {
    this.m.writeBytes(this.at + XMM + register * 16, this.m.readBytes(from, 16));
  }
}

/** The registers of a CONTEXT as numbers, for a walk of the stack. */
export function walkContextOf(m: VirtualMemory, context: number): WalkContext {
  const c = new ContextRegisters(m, context);
  return { rip: c.rip, registers: Array.from({ length: 16 }, (_, r) => c.get(r)) };
}

/** Vector and x87 state of the processor, into a CONTEXT. */
export function storeFloatState(k: Kernel, context: number): void {
  const image = new Uint8Array(X87_BYTES);
  k.cpu.saveX87(image);
  k.mem.writeBytes(context + C.FltSave.offset, image);
  k.mem.write32(context + C.FltSave.offset + XSAVE_FORMAT.f.MxCsr.offset, k.cpu.mxcsr);
  C.MxCsr.set(k.mem, context, k.cpu.mxcsr);
  for (let i = 0; i < 16; i++) k.mem.writeBytes(context + XMM + i * 16, k.cpu.xmm(i));
}

/** RtlCaptureContext: the processor's registers, as they are for the caller of the routine that runs, which goes on at `rip` with `rsp`. */
export function captureContext(k: Kernel, context: number, rip: number, rsp: number): void {
  const { mem, cpu } = k;
  mem.probe(context, CONTEXT.size, true);
  mem.fill(context, C.FltSave.offset, 0);
  C.ContextFlags.set(mem, context, CONTEXT_FULL | CONTEXT_SEGMENTS);
  for (let r = 0; r < 16; r++) {
    mem.write32(context + FIRST_REGISTER + r * 8, cpu.gprLo(r));
    mem.write32(context + FIRST_REGISTER + r * 8 + 4, cpu.gprHi(r));
  }
  mem.writePtr(context + FIRST_REGISTER + RSP * 8, rsp);
  mem.writePtr(context + C.Rip.offset, rip);
  C.EFlags.set(mem, context, cpu.rflags);
  C.SegCs.set(mem, context, KERNEL_CS);
  C.SegSs.set(mem, context, KERNEL_SS);
  storeFloatState(k, context);
}

/** RtlRestoreContext: the processor goes on with the registers of a CONTEXT, those that its ContextFlags name. Nothing is changed unless all of it can be read. */
export function loadContext(k: Kernel, context: number): void {
  const { mem, cpu } = k;
  mem.probe(context, CONTEXT.size, false);
  const flags = C.ContextFlags.get(mem, context);
  const has = (part: number): boolean => (flags & part) !== 0;
  const CONTROL = 1,
    INTEGER = 2,
    FLOATING_POINT = 8;
  const rip = mem.readPtr(context + C.Rip.offset);
  mem.readPtr(context + FIRST_REGISTER + RSP * 8);
  if (has(FLOATING_POINT)) {
    cpu.loadX87(mem.readBytes(context + C.FltSave.offset, X87_BYTES));
    cpu.mxcsr = C.MxCsr.get(mem, context) & 0xffff;
    for (let i = 0; i < 16; i++) cpu.xmm(i).set(mem.readBytes(context + XMM + i * 16, 16));
  }
  for (let r = 0; r < 16; r++) {
    if (!has(r === RSP ? CONTROL : INTEGER)) continue;
    cpu.setGpr32(r, mem.read32(context + FIRST_REGISTER + r * 8), mem.read32(context + FIRST_REGISTER + r * 8 + 4));
  }
  if (has(CONTROL)) {
    cpu.rip = rip;
    cpu.rflags = (C.EFlags.get(mem, context) & CHOOSABLE_FLAGS) | 2;
  }
}
