import type { Kernel } from '../kernel.ts';
import { KPROCESS, KTHREAD, Initialized, MISC_SYSTEM_THREAD, ProcessObject, ThreadObject } from '../types/ke.ts';
import { KEXCEPTION_FRAME, KSWITCH_FRAME } from '../types/trap.ts';
import { KERNEL_STACK_SIZE } from '../mm/layout.ts';
import { initializeListHead, insertTailList } from './list.ts';
import { initializeHeader, keInitializeEvent } from './event.ts';
import { DEFAULT_QUANTUM } from './ready.ts';
import { keInitializeTimerEx } from './timer.ts';

const T = KTHREAD.f;
const PR = KPROCESS.f;
const E = KEXCEPTION_FRAME.f;
const S = KSWITCH_FRAME.f;

/** Cycles of a full quantum: QuantumReset counts thirds of a clock tick. */
export function quantumCycles(k: Kernel, units: number): bigint {
  return (BigInt(k.config.clockPeriod) * BigInt(k.config.tscHz) * BigInt(units)) / 30_000_000n;
}

/** Starts a new quantum for a thread. */
export function resetQuantum(k: Kernel, thread: number): void {
  T.QuantumTarget.set(k.mem, thread, T.CycleTime.get(k.mem, thread) + quantumCycles(k, T.QuantumReset.get(k.mem, thread)));
}

/** KeInitializeProcess: the dispatcher's part of a process, whose body is zeroed. */
export function keInitializeProcess(k: Kernel, process: number, directoryTable: number, priority: number): void {
  const m = k.mem;
  initializeHeader(k, process, ProcessObject, KPROCESS.size, 0);
  initializeListHead(m, process + PR.ProfileListHead.offset);
  initializeListHead(m, process + PR.ThreadListHead.offset);
  initializeListHead(m, process + PR.ReadyListHead.offset);
  PR.DirectoryTableBase.set(m, process, BigInt(directoryTable));
  PR.UserDirectoryTableBase.set(m, process, BigInt(directoryTable));
  PR.BasePriority.set(m, process, priority);
  PR.QuantumReset.set(m, process, DEFAULT_QUANTUM);
  m.write16(process + PR.Affinity.offset, 1);
  m.write16(process + PR.Affinity.offset + 2, 20);
  m.write64(process + PR.Affinity.offset + 8, 1n);
}

/**
 * KeInitThread: the dispatcher's part of a thread, whose body is zeroed. `stackBase` is the upper end of its kernel stack; the thread starts at `start` (machine code)
 * with RBX and RSI as given.
 */
export function keInitializeThread(
  k: Kernel,
  thread: number,
  process: number,
  stackBase: number,
  start: { rip: number; rbx: number; rsi: number },
): void {
  const m = k.mem;
  initializeHeader(k, thread, ThreadObject, KTHREAD.size, 0);
  initializeListHead(m, thread + T.MutantListHead.offset);
  for (const state of [T.ApcState.offset, T.SavedApcState.offset]) {
    initializeListHead(m, thread + state);
    initializeListHead(m, thread + state + 16);
  }
  m.writePtr(thread + T.ApcState.offset + 0x20, process);
  T.Process.set(m, thread, process);
  const priority = PR.BasePriority.get(m, process);
  T.BasePriority.set(m, thread, priority);
  T.Priority.set(m, thread, priority);
  T.QuantumReset.set(m, thread, PR.QuantumReset.get(m, process));
  T.State.set(m, thread, Initialized);
  T.MiscFlags.set(m, thread, MISC_SYSTEM_THREAD);
  m.write64(thread + T.Affinity.offset, 1n);
  m.write64(thread + T.UserAffinity.offset, 1n);
  keInitializeTimerEx(k, thread + T.Timer.offset, false);
  keInitializeEvent(k, thread + T.SuspendEvent.offset, 0, false);
  T.StackBase.set(m, thread, stackBase);
  T.StackLimit.set(m, thread, stackBase - KERNEL_STACK_SIZE);
  T.InitialStack.set(m, thread, stackBase - 0x50);
  prepareStack(k, thread, stackBase - 0x50, start);
  insertTailList(m, process + PR.ThreadListHead.offset, thread + T.ThreadListEntry.offset);
  resetQuantum(k, thread);
}

/** Makes the stack of a thread that has not run look as if it had just been switched away from at its first instruction. */
export function prepareStack(
  k: Kernel,
  thread: number,
  initialStack: number,
  start: { rip: number; rbx: number; rsi: number },
): void {
  const m = k.mem;
  const frame = initialStack - KEXCEPTION_FRAME.size;
  const top = frame - KSWITCH_FRAME.size;
  m.fill(top, initialStack - top, 0);
  m.writePtr(frame + E.Rbx.offset, start.rbx);
  m.writePtr(frame + E.Rsi.offset, start.rsi);
  E.MxCsr.set(m, frame, 0x1f80n);
  m.writePtr(frame + E.Return.offset, start.rip);
  // A return address of 0 ends every walk of this stack.
  m.writePtr(initialStack, 0);
  m.writePtr(top + S.P1Home.offset, initialStack);
  m.writePtr(top + S.Return.offset, start.rip);
  T.KernelStack.set(m, thread, top);
  T.WaitStatus.set(m, thread, 0n);
  T.WaitIrql.set(m, thread, 0);
}
