/** Frames as the exception dispatcher and the unwinder see them: on which stacks they may lie, where a search ends, what is called for one. */
import type { Kernel } from '../kernel.ts';
import { frameAt } from '../steps.ts';
import { STEP_RESUME } from '../image/build.ts';
import { kernelSymbolAt } from '../image/symbols.ts';
import {
  DOUBLE_FAULT_STACK_TOP,
  DPC_STACK_TOP,
  IDLE_STACK_TOP,
  KERNEL_STACK_SIZE,
  KERNEL_STACKS_BASE,
  KERNEL_STACKS_END,
  MACHINE_CHECK_STACK_TOP,
  NMI_STACK_TOP,
  pcrAddress,
} from '../mm/layout.ts';

const PROCESSOR_STACKS = [IDLE_STACK_TOP, DPC_STACK_TOP, DOUBLE_FAULT_STACK_TOP, NMI_STACK_TOP, MACHINE_CHECK_STACK_TOP] as const;

/** May a frame lie here: an aligned address in a kernel stack, or in one of this processor's own? */
export function isFrameAddress(k: Kernel, frame: number): boolean {
  if (frame % 8 !== 0) return false;
  if (frame >= KERNEL_STACKS_BASE && frame < KERNEL_STACKS_END) return k.mem.translate(frame) >= 0;
  const area = pcrAddress(k.cpu.index);
  return PROCESSOR_STACKS.some(top => frame >= area + top - KERNEL_STACK_SIZE && frame < area + top);
}

/** Why nobody further out is asked about an exception. */
export type Boundary = 'interrupt' | 'service' | 'thread';

/** Routines that run the code of nobody who is on the stack below them. */
const INTERRUPTS =
  /^nt!(KiRetireDpcList|KiInterruptDispatch|KiInterruptCommon|KiDpcInterrupt|KiApcInterrupt|HalpClockInterrupt|KiIpiInterrupt|KiNmiInterrupt)\b/;
const SERVICES = /^nt!Zw[A-Z]/;
const THREAD_START = /^nt!PspSystemThreadStartup\b/;

/**
 * Does the search for a handler end at the frame of the code at `rip`? As on NT, an exception does not leave an interrupt or a DPC, a system service, or a system thread: what runs
 * these has a handler that stops the machine.
 */
export function boundaryAt(k: Kernel, rip: number): Boundary | null {
  const symbol = kernelSymbolAt(k.images, rip);
  if (symbol === null) return null;
  if (INTERRUPTS.test(symbol)) return 'interrupt';
  if (SERVICES.test(symbol)) return 'service';
  return THREAD_START.test(symbol) ? 'thread' : null;
}

/**
 * The frame of the code at `rip` goes, with RSP at `rsp`: a step routine that has called something gives back what its frame holds (its abort step). Driver routines are left through
 * their handlers.
 */
export function abortFrame(k: Kernel, rip: number, rsp: number): void {
  const { nt, hal } = k.images;
  const image = rip >= hal.base && rip < hal.base + hal.bytes.length ? hal : nt;
  // A routine that has called something stands at its resume gate, and RSP is where its frame starts.
  const gate = image.gates.get(rip - image.base + 3);
  if (gate?.kind !== 'resume' || gate.stub + STEP_RESUME !== rip - image.base) return;
  gate.steps?.abort?.(k, frameAt(gate, k.mem, rsp));
}
