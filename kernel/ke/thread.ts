import type { Kernel } from '../kernel.ts';
import {
  KPROCESS,
  KTHREAD,
  Initialized,
  MISC_SYSTEM_THREAD,
  ProcessObject,
  THREAD_ENABLE_STACK_SWAP,
  ThreadObject,
} from '../types/ke.ts';
import { KEXCEPTION_FRAME, KSWITCH_FRAME } from '../types/trap.ts';
import { KERNEL_STACK_SIZE } from '../mm/layout.ts';
import { initializeListHead, insertTailList, listEntries } from './list.ts';
import { activeProcessorCount, activeProcessors, processorsOf } from './processor.ts';
import { initializeHeader, keInitializeEvent } from './event.ts';
import { DEFAULT_QUANTUM, setThreadAffinity } from './ready.ts';
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

/** The processors on which threads of a process that are made from now on may run. */
export function setProcessAffinity(k: Kernel, process: number, mask: number): void {
  k.mem.write64(process + PR.Affinity.offset + 8, BigInt(mask));
}

/** The processors on which a thread may run by itself, and the one where it is best: a process spreads its threads. */
function placeThread(k: Kernel, thread: number, process: number): void {
  const m = k.mem;
  const mask = m.read64(process + PR.Affinity.offset + 8);
  m.write64(thread + T.Affinity.offset, mask);
  m.write64(thread + T.UserAffinity.offset, mask);
  const allowed = processorsOf(Number(mask));
  const seed = m.read16(process + PR.ThreadSeed.offset);
  m.write16(process + PR.ThreadSeed.offset, (seed + 1) % allowed.length);
  const ideal = allowed[seed % allowed.length]!;
  T.IdealProcessor.set(m, thread, ideal);
  T.UserIdealProcessor.set(m, thread, ideal);
  T.NextProcessor.set(m, thread, ideal);
}

/** Lets a process and its threads, which were made before the other processors were started, use the active ones. */
export function spreadProcess(k: Kernel, process: number): void {
  setProcessAffinity(k, process, activeProcessors(k));
  const mask = activeProcessors(k);
  let ideal = 0;
  for (const link of [...listEntries(k.mem, process + PR.ThreadListHead.offset)]) {
    const thread = link - T.ThreadListEntry.offset;
    k.mem.write64(thread + T.UserAffinity.offset, BigInt(mask));
    T.IdealProcessor.set(k.mem, thread, ideal);
    T.UserIdealProcessor.set(k.mem, thread, ideal);
    ideal = (ideal + 1) % activeProcessorCount(k);
    setThreadAffinity(k, thread, mask);
  }
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
  setProcessAffinity(k, process, activeProcessors(k));
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
  T.ThreadFlags.set(m, thread, THREAD_ENABLE_STACK_SWAP);
  placeThread(k, thread, process);
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
