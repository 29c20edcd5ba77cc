/**
 * Extended processor state of threads. A thread that stands between KeSaveExtendedProcessorState and KeRestoreExtendedProcessorState owns what it named there: KTHREAD.XStateSave
 * is the innermost XSTATE_SAVE, KTHREAD.NpxState the features of all of them, KTHREAD.StateSaveArea where a thread switch keeps their contents. A thread with a user mode has
 * one from the start. Other threads have none of it, and a switch costs them nothing. The low halves of the vector registers and MXCSR are in every thread's stack frames.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { INVALID_EXTENDED_PROCESSOR_STATE } from '../types/bugcodes.ts';
import { KTHREAD } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  XSAVE_AREA,
  XSAVE_FORMAT,
  XSTATE_CONTEXT,
  XSTATE_MASK_GSSE,
  XSTATE_MASK_LEGACY_FLOATING_POINT,
  XSTATE_MASK_LEGACY_SSE,
  XSTATE_SAVE,
} from '../types/trap.ts';

const T = KTHREAD.f;
const X = XSTATE_SAVE.f;
const C = XSTATE_CONTEXT.f;
const CONTEXT_OFFSET = X.XStateContext.offset;
const YMM_HIGH = XSAVE_AREA.f.YmmHigh.offset;
const TAG_XSTATE = 0x74735878;
/** Bytes of the x87 part of an XSAVE area, and where its registers begin; MXCSR lies between the two pieces. */
const X87_SIZE = 160,
  X87_HEAD = 24,
  X87_REGISTERS = 32;

// One access for all of them: each has to be translated.
const image = new Uint8Array(X87_SIZE),
  halves = new Uint8Array(256);

/** Stores the components of `mask` as XSAVE would, in the standard format; the area is nonpaged. */
function storeState(k: Kernel, area: number, mask: number): void {
  const { cpu, mem } = k;
  if ((mask & XSTATE_MASK_LEGACY_FLOATING_POINT) !== 0) {
    cpu.saveX87(image);
    mem.writeBytes(area, image.subarray(0, X87_HEAD));
    mem.writeBytes(area + X87_REGISTERS, image.subarray(X87_REGISTERS));
  }
  if ((mask & XSTATE_MASK_LEGACY_SSE) !== 0) {
    mem.write32(area + XSAVE_FORMAT.f.MxCsr.offset, cpu.mxcsr);
    for (let n = 0; n < 16; n++) mem.writeBytes(area + XSAVE_FORMAT.f.XmmRegisters.offset + n * 16, cpu.xmm(n));
  }
  if ((mask & XSTATE_MASK_GSSE) !== 0) {
    for (let n = 0; n < 16; n++) halves.set(cpu.ymmHigh(n), n * 16);
    mem.writeBytes(area + YMM_HIGH, halves);
  }
  XSAVE_AREA.f.Mask.set(mem, area, BigInt(mask));
}

function loadState(k: Kernel, area: number, mask: number): void {
  const { cpu, mem } = k;
  if ((mask & XSTATE_MASK_LEGACY_FLOATING_POINT) !== 0) cpu.loadX87(mem.readBytes(area, X87_SIZE));
  if ((mask & XSTATE_MASK_LEGACY_SSE) !== 0) {
    cpu.mxcsr = mem.read32(area + XSAVE_FORMAT.f.MxCsr.offset);
    for (let n = 0; n < 16; n++) cpu.xmm(n).set(mem.readBytes(area + XSAVE_FORMAT.f.XmmRegisters.offset + n * 16, 16));
  }
  if ((mask & XSTATE_MASK_GSSE) !== 0)
    for (let n = 0; n < 16; n++) cpu.ymmHigh(n).set(mem.readBytes(area + YMM_HIGH + n * 16, 16));
}

/** The features that a thread switch has to keep for a thread. */
function featuresOf(k: Kernel, thread: number): number {
  return Number(T.NpxState.get(k.mem, thread)) & ~XSTATE_MASK_LEGACY_SSE;
}

/** The part of a thread switch for a thread that gives the processor up and has KTHREAD.XStateSave. */
export function storeThreadState(k: Kernel, thread: number): void {
  storeState(k, T.StateSaveArea.get(k.mem, thread), featuresOf(k, thread));
}

/** The part of a thread switch for a thread that gets the processor and has KTHREAD.XStateSave. */
export function loadThreadState(k: Kernel, thread: number): void {
  loadState(k, T.StateSaveArea.get(k.mem, thread), featuresOf(k, thread));
}

/**
 * KeSaveExtendedProcessorState: saves the components of `mask` in an XSTATE_SAVE of the current thread. A pool block holds the area; that of the outermost one also
 * what a switch stores. False when there is no memory.
 */
export function saveExtendedState(k: Kernel, mask: number, save: number): boolean {
  const { mem } = k;
  mem.fill(save, XSTATE_SAVE.size, 0);
  if (mask === 0) return true;
  const thread = k.currentThread();
  const outer = T.XStateSave.get(mem, thread);
  const areas = outer === 0 ? 2 : 1;
  const bytes = areas * XSAVE_AREA.size + XSAVE_AREA.align - 1;
  const buffer = exAllocatePool(k, NonPagedPoolNx, bytes, TAG_XSTATE);
  if (buffer === 0) return false;
  mem.fill(buffer, bytes, 0);
  const area = Math.ceil(buffer / XSAVE_AREA.align) * XSAVE_AREA.align;
  const context = save + CONTEXT_OFFSET;
  X.Prev.set(mem, save, outer);
  X.Thread.set(mem, save, thread);
  X.Level.set(mem, save, k.irql);
  C.Mask.set(mem, context, BigInt(mask));
  C.Length.set(mem, context, XSAVE_AREA.size);
  C.Area.set(mem, context, area);
  C.Buffer.set(mem, context, buffer);
  storeState(k, area, mask);
  if (outer === 0) T.StateSaveArea.set(mem, thread, area + XSAVE_AREA.size);
  T.NpxState.set(mem, thread, T.NpxState.get(mem, thread) | BigInt(mask));
  T.XStateSave.set(mem, thread, save);
  return true;
}

/**
 * KeRestoreExtendedProcessorState. What is not the innermost XSTATE_SAVE of the current thread, or was made at another IRQL, is bug check
 * INVALID_EXTENDED_PROCESSOR_STATE with the XSTATE_SAVE, its thread, the innermost one of the current thread and its IRQL.
 */
export function restoreExtendedState(k: Kernel, save: number): void {
  const { mem } = k;
  const context = save + CONTEXT_OFFSET;
  const buffer = C.Buffer.get(mem, context);
  if (buffer === 0) return;
  const thread = k.currentThread();
  const owner = X.Thread.get(mem, save);
  const innermost = T.XStateSave.get(mem, thread);
  if (owner !== thread || innermost !== save || X.Level.get(mem, save) !== k.irql)
    k.bugCheck(INVALID_EXTENDED_PROCESSOR_STATE, save, owner, innermost, k.irql);
  loadState(k, C.Area.get(mem, context), Number(C.Mask.get(mem, context)));
  const outer = X.Prev.get(mem, save);
  T.XStateSave.set(mem, thread, outer);
  let features = 0n;
  for (let at = outer; at !== 0; at = X.Prev.get(mem, at)) features |= C.Mask.get(mem, at + CONTEXT_OFFSET);
  T.NpxState.set(mem, thread, features);
  if (outer === 0) T.StateSaveArea.set(mem, thread, 0);
  C.Buffer.set(mem, context, 0);
  exFreePool(k, buffer, TAG_XSTATE);
}

/** What the processor has after a reset (FNINIT, LDMXCSR): all exceptions masked, x87 with 53 bits as Windows sets it. */
const INITIAL_FCW = 0x27f,
  INITIAL_MXCSR = 0x1f80;

/**
 * The extended state of a thread with a user mode belongs to its program, always: it is as if the thread stood in a KeSaveExtendedProcessorState that came before all others. Thread switches keep it from
 * then on. False when there is no memory.
 */
export function giveUserState(k: Kernel, thread: number): boolean {
  const { mem } = k;
  const bytes = XSTATE_SAVE.size + XSAVE_AREA.size + XSAVE_AREA.align - 1;
  const save = exAllocatePool(k, NonPagedPoolNx, bytes, TAG_XSTATE);
  if (save === 0) return false;
  mem.fill(save, bytes, 0);
  const area = Math.ceil((save + XSTATE_SAVE.size) / XSAVE_AREA.align) * XSAVE_AREA.align;
  const mask = BigInt(XSTATE_MASK_LEGACY_FLOATING_POINT | XSTATE_MASK_LEGACY_SSE | XSTATE_MASK_GSSE);
  const context = save + CONTEXT_OFFSET;
  X.Thread.set(mem, save, thread);
  C.Mask.set(mem, context, mask);
  C.Length.set(mem, context, XSAVE_AREA.size);
  C.Area.set(mem, context, area);
  C.Buffer.set(mem, context, save);
  mem.write16(area, INITIAL_FCW);
  mem.write32(area + XSAVE_FORMAT.f.MxCsr.offset, INITIAL_MXCSR);
  XSAVE_AREA.f.Mask.set(mem, area, mask);
  T.StateSaveArea.set(mem, thread, area);
  T.NpxState.set(mem, thread, mask);
  T.XStateSave.set(mem, thread, save);
  return true;
}

/** A thread ends without KeRestoreExtendedProcessorState: gives back what it saved, innermost first. */
export function freeThreadState(k: Kernel, thread: number): void {
  const { mem } = k;
  for (let save = T.XStateSave.get(mem, thread); save !== 0;) {
    // The outermost one of a user thread lies in its own buffer.
    const outer = X.Prev.get(mem, save);
    const buffer = C.Buffer.get(mem, save + CONTEXT_OFFSET);
    C.Buffer.set(mem, save + CONTEXT_OFFSET, 0);
    exFreePool(k, buffer, TAG_XSTATE);
    save = outer;
  }
  T.XStateSave.set(mem, thread, 0);
  T.NpxState.set(mem, thread, 0n);
  T.StateSaveArea.set(mem, thread, 0);
}
