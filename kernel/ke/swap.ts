import { addressAt } from '../../hal/bus/memory.ts';
import { R12, R13, R14, R15, RAX, RBP, RBX, RDI, RSI, RSP } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { pcrAddress } from '../mm/layout.ts';
import { ATTEMPTED_SWITCH_FROM_DPC } from '../types/bugcodes.ts';
import { KPROCESS, KTHREAD, Running, Terminated } from '../types/ke.ts';
import { processImageName } from '../ps/name.ts';
import { KPCR, KPRCB } from '../types/prcb.ts';
import { ETHREAD } from '../types/ps.ts';
import { KEXCEPTION_FRAME, KSWITCH_FRAME, KTSS64 } from '../types/trap.ts';
import { requestSoftwareInterrupt } from './processor.ts';
import { APC_VECTOR, selectNextThread } from './ready.ts';
import { STATUS_KERNEL_APC } from './signal.ts';
import { freeKernelStack } from './stack.ts';
import { loadThreadState, storeThreadState } from './xstate.ts';

const T = KTHREAD.f;
const P = KPRCB.f;
const E = KEXCEPTION_FRAME.f;
const S = KSWITCH_FRAME.f;

const SAVED = [
  [RBP, E.Rbp.offset],
  [RBX, E.Rbx.offset],
  [RDI, E.Rdi.offset],
  [RSI, E.Rsi.offset],
  [R12, E.R12.offset],
  [R13, E.R13.offset],
  [R14, E.R14.offset],
  [R15, E.R15.offset],
] as const;

/** KAPC_STATE.KernelApcPending */
const KERNEL_APC_PENDING = 0x29;
const KERNEL_GS_BASE = 0xc0000102;
/** RFLAGS of a thread that goes on: interrupts enabled, nothing else. */
const RFLAGS_INTERRUPTS = 0x202;

/**
 * Saves what a thread needs to go on at `resumeAt`: a KEXCEPTION_FRAME with the non-volatile registers and below it a KSWITCH_FRAME, whose P1Home holds RSP
 * and whose Return holds RIP. KTHREAD.KernelStack points at them.
 */
export function saveContext(k: Kernel, thread: number, resumeAt: number): void {
  const { cpu, mem } = k;
  const rsp = cpu.gprPtr(RSP);
  const frame = Math.floor((rsp - KEXCEPTION_FRAME.size) / 16) * 16;
  const top = frame - KSWITCH_FRAME.size;
  mem.probe(top, rsp - top, true);
  for (const [r, offset] of SAVED) {
    mem.write32(frame + offset, cpu.gprLo(r));
    mem.write32(frame + offset + 4, cpu.gprHi(r));
  }
  for (let i = 6; i < 16; i++) mem.writeBytes(frame + E.Xmm6.offset + (i - 6) * 16, cpu.xmm(i));
  E.MxCsr.set(mem, frame, BigInt(cpu.mxcsr));
  mem.writePtr(frame + E.Return.offset, resumeAt);
  mem.writePtr(top + S.P1Home.offset, rsp);
  mem.writePtr(top + S.Return.offset, resumeAt);
  S.ApcBypass.set(mem, top, 0);
  T.KernelStack.set(mem, thread, top);
  if (T.XStateSave.get(mem, thread) !== 0) storeThreadState(k, thread);
}

/** Loads the registers of a thread from its stack. */
function loadContext(k: Kernel, thread: number): void {
  const { cpu, mem } = k;
  const top = T.KernelStack.get(mem, thread);
  const frame = top + KSWITCH_FRAME.size;
  for (const [r, offset] of SAVED) cpu.setGpr32(r, mem.read32(frame + offset), mem.read32(frame + offset + 4));
  for (let i = 6; i < 16; i++) cpu.xmm(i).set(mem.readBytes(frame + E.Xmm6.offset + (i - 6) * 16, 16));
  cpu.mxcsr = mem.read32(frame + E.MxCsr.offset);
  if (T.XStateSave.get(mem, thread) !== 0) loadThreadState(k, thread);
  cpu.setGprPtr(RSP, mem.readPtr(top + S.P1Home.offset));
  cpu.rip = mem.readPtr(top + S.Return.offset);
  cpu.setGpr(RAX, BigInt.asUintN(64, T.WaitStatus.get(mem, thread)));
  cpu.rflags = RFLAGS_INTERRUPTS;
  cpu.cr8 = T.WaitIrql.get(mem, thread);
  if (T.WaitIrql.get(mem, thread) === 0 && T.WaitStatus.get(mem, thread) === BigInt(STATUS_KERNEL_APC)) {
    // The thread was woken to run APCs: it first goes through a routine that does, waits on, and returns to where the thread stood.
    const rsp = cpu.gprPtr(RSP) - 8;
    mem.writePtr(rsp, cpu.rip);
    cpu.setGprPtr(RSP, rsp);
    cpu.rip = k.address('nt!KiWaitInterruptedByApc');
  } else if (mem.read8(thread + T.ApcState.offset + KERNEL_APC_PENDING) !== 0) {
    // Also for a thread that was preempted, which goes on at a raised IRQL: the interrupt waits for it to lower that. APCs that came meanwhile would be lost if it blocked first.
    requestSoftwareInterrupt(k, APC_VECTOR);
  }
}

/** What a stack that is not running looks like: for walking the stacks of waiting threads. */
export function savedContext(k: Kernel, thread: number): { rip: number; rsp: number; registers: ReadonlyMap<number, number> } {
  const top = T.KernelStack.get(k.mem, thread);
  const frame = top + KSWITCH_FRAME.size;
  return {
    rip: k.mem.readPtr(top + S.Return.offset),
    rsp: k.mem.readPtr(top + S.P1Home.offset),
    registers: new Map(SAVED.map(([r, offset]) => [r, addressAt(k.mem, frame + offset)])),
  };
}

/** Adds the cycles since the thread got the processor to its account. */
export function chargeThread(k: Kernel, thread: number): void {
  const { mem, prcb } = k;
  const now = BigInt(k.cpu.cycle);
  const start = P.StartCycles.get(mem, prcb);
  T.CycleTime.set(mem, thread, T.CycleTime.get(mem, thread) + (now - start));
  P.StartCycles.set(mem, prcb, now);
}

/** The slices of the timeline: a thread has the processor from `begin` to `end`. The idle thread has none. */
function traceSwitch(k: Kernel, from: number, to: number): void {
  const idle = P.IdleThread.get(k.mem, k.prcb);
  const name = (thread: number): string =>
    `${processImageName(k, T.Process.get(k.mem, thread))} thread ${k.mem.read32(thread + ETHREAD.f.Cid.offset + 8)}`;
  if (from !== idle) k.trace('thread', 'end', name(from));
  if (to !== idle) k.trace('thread', 'begin', name(to));
}

/** Gives `thread` the processor: registers, stack for entries from user mode, address space. The thread that had it has been saved, or never runs again. */
export function loadThread(k: Kernel, thread: number): void {
  const { mem, prcb, cpu } = k;
  const old = P.CurrentThread.get(mem, prcb);
  chargeThread(k, old);
  P.CurrentThread.set(mem, prcb, thread);
  T.State.set(mem, thread, Running);
  T.NextProcessor.set(mem, thread, cpu.index);
  T.Running.set(mem, old, 0);
  T.Running.set(mem, thread, 1);
  T.Preempted.set(mem, thread, 0);
  if (old !== thread) {
    P.KeContextSwitches.set(mem, prcb, P.KeContextSwitches.get(mem, prcb) + 1);
    T.ContextSwitches.set(mem, thread, T.ContextSwitches.get(mem, thread) + 1);
    const stack = T.InitialStack.get(mem, thread);
    KTSS64.f.Rsp0.set(mem, KPCR.f.TssBase.get(mem, pcrAddress(cpu.index)), BigInt.asUintN(64, BigInt(stack)));
    P.RspBase.set(mem, prcb, BigInt.asUintN(64, BigInt(stack)));
    const process = mem.readPtr(thread + T.ApcState.offset + 0x20);
    const oldProcess = mem.readPtr(old + T.ApcState.offset + 0x20);
    if (process !== oldProcess) cpu.setCr(3, Number(KPROCESS.f.DirectoryTableBase.get(mem, process)));
    cpu.wrmsr(KERNEL_GS_BASE, BigInt.asUintN(64, BigInt(T.Teb.get(mem, thread))));
    if (k.tracing) traceSwitch(k, old, thread);
  }
  loadContext(k, thread);
  if (old !== thread && T.State.get(mem, old) === Terminated) freeKernelStack(k, T.StackBase.get(mem, old));
}

/**
 * The current thread gives up the processor (it waits, it has ended, or another one was chosen over it) and will go on at `resumeAt`. A DPC routine has no thread
 * of its own to give up: bug check ATTEMPTED_SWITCH_FROM_DPC.
 */
export function switchThread(k: Kernel, resumeAt: number): void {
  const { mem, prcb } = k;
  const current = P.CurrentThread.get(mem, prcb);
  if (P.DpcRoutineActive.get(mem, prcb) !== 0) {
    const next = P.NextThread.get(mem, prcb) || P.IdleThread.get(mem, prcb);
    k.bugCheck(ATTEMPTED_SWITCH_FROM_DPC, current, next, k.cpu.gprPtr(RSP), 0);
  }
  if (T.State.get(mem, current) !== Terminated) saveContext(k, current, resumeAt);
  loadThread(k, selectNextThread(k));
}
