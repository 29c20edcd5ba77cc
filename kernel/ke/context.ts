/** Between KTRAP_FRAME and CONTEXT. The frame has the volatile registers; the others are in the processor while a routine looks at its own thread's frame. */
import { R12, R13, R14, R15 } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import {
  CONTEXT,
  CONTEXT_CONTROL,
  CONTEXT_FLOATING_POINT,
  CONTEXT_FULL,
  CONTEXT_INTEGER,
  CONTEXT_SEGMENTS,
  KTRAP_FRAME,
} from '../types/trap.ts';
import { FRAME_EXCEPTION } from './syscallcode.ts';

const F = KTRAP_FRAME.f;
const C = CONTEXT.f;
const INTEGER = ['Rax', 'Rcx', 'Rdx', 'Rbx', 'Rsi', 'Rdi', 'R8', 'R9', 'R10', 'R11'] as const;
const HIGH = [
  [R12, C.R12.offset],
  [R13, C.R13.offset],
  [R14, C.R14.offset],
  [R15, C.R15.offset],
] as const;
/** XMM0 in CONTEXT.FltSave. */
const XMM = C.FltSave.offset + 0xa0;
const USER_CODE = 0x33,
  USER_DATA = 0x2b;
/** Flags that a program may have: CF PF AF ZF SF TF DF OF, ID, AC; interrupts are always on (Intel SDM vol. 1, 3.4.3). */
const USER_FLAGS = 0x240dd5,
  INTERRUPTS = 0x202;

/** KeContextFromKframes: writes the CONTEXT of what a trap frame interrupted to `at`, which must be writable. */
export function contextFromFrame(k: Kernel, trapFrame: number, at: number): void {
  const { mem, cpu } = k;
  mem.fill(at, CONTEXT.size, 0);
  C.ContextFlags.set(mem, at, CONTEXT_FULL | CONTEXT_SEGMENTS);
  const copy = (name: keyof typeof F & keyof typeof C): void => {
    mem.write32(at + C[name].offset, mem.read32(trapFrame + F[name].offset));
    mem.write32(at + C[name].offset + 4, mem.read32(trapFrame + F[name].offset + 4));
  };
  for (const name of INTEGER) copy(name);
  for (const name of ['Rbp', 'Rsp', 'Rip'] as const) copy(name);
  for (const [r, offset] of HIGH) {
    mem.write32(at + offset, cpu.gprLo(r));
    mem.write32(at + offset + 4, cpu.gprHi(r));
  }
  C.EFlags.set(mem, at, F.EFlags.get(mem, trapFrame));
  C.SegCs.set(mem, at, F.SegCs.get(mem, trapFrame));
  C.SegSs.set(mem, at, F.SegSs.get(mem, trapFrame));
  for (const segment of ['SegDs', 'SegEs', 'SegGs'] as const) C[segment].set(mem, at, USER_DATA);
  C.SegFs.set(mem, at, 0x53);
  C.MxCsr.set(mem, at, F.MxCsr.get(mem, trapFrame));
  mem.write32(at + C.FltSave.offset + 0x18, F.MxCsr.get(mem, trapFrame));
  for (let i = 0; i < 6; i++) mem.writeBytes(at + XMM + i * 16, mem.readBytes(trapFrame + F.Xmm0.offset + i * 16, 16));
  for (let i = 6; i < 16; i++) mem.writeBytes(at + XMM + i * 16, cpu.xmm(i));
}

/**
 * KeContextToKframes for user mode: what the CONTEXT at `from` names goes into the trap frame and the processor. Segments, flags and MXCSR are made what a program may
 * have. The frame becomes one from which every register is loaded.
 */
export function contextToFrame(k: Kernel, from: number, trapFrame: number): void {
  const { mem, cpu } = k;
  const flags = C.ContextFlags.get(mem, from);
  const has = (part: number): boolean => (flags & part) === part;
  const copy = (name: keyof typeof F & keyof typeof C): void =>
    mem.write64(trapFrame + F[name].offset, mem.read64(from + C[name].offset));
  F.ExceptionActive.set(mem, trapFrame, FRAME_EXCEPTION);
  if (has(CONTEXT_CONTROL)) {
    // IRETQ in the kernel would fault for an address that is not canonical: so it is read as one, and refused here.
    mem.writePtr(trapFrame + F.Rip.offset, mem.readPtr(from + C.Rip.offset));
    copy('Rsp');
    F.EFlags.set(mem, trapFrame, (C.EFlags.get(mem, from) & USER_FLAGS) | INTERRUPTS);
    F.SegCs.set(mem, trapFrame, USER_CODE);
    F.SegSs.set(mem, trapFrame, USER_DATA);
  }
  if (has(CONTEXT_INTEGER)) {
    for (const name of INTEGER) copy(name);
    copy('Rbp');
    for (const [r, offset] of HIGH) cpu.setGpr(r, mem.read64(from + offset));
  }
  if (has(CONTEXT_FLOATING_POINT)) {
    // Reserved bits of MXCSR would fault in the kernel's LDMXCSR (Intel SDM vol. 1, 10.2.3).
    F.MxCsr.set(mem, trapFrame, C.MxCsr.get(mem, from) & 0xffff);
    for (let i = 0; i < 6; i++) mem.writeBytes(trapFrame + F.Xmm0.offset + i * 16, mem.readBytes(from + XMM + i * 16, 16));
    for (let i = 6; i < 16; i++) cpu.xmm(i).set(mem.readBytes(from + XMM + i * 16, 16));
  }
}
