import { endOfInterrupt } from '../../hal/nt/apic.ts';
import {
  BOOLEAN,
  call,
  type Frame,
  type NtExport,
  ntCode,
  ntSteps,
  type Outcome,
  pointer,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { RCX, RSP } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import {
  ApcObject,
  KAPC,
  KAPC_STATE,
  KERNEL_APC_IN_PROGRESS,
  KTHREAD,
  Running,
  SPECIAL_APC_IN_PROGRESS,
  Waiting,
} from '../types/ke.ts';
import { ptr, u8 } from '../types/struct.ts';
import { initializeListHead, insertTailList, isListEmpty, removeEntryList } from './list.ts';
import { requestSoftwareInterrupt } from './processor.ts';
import { APC_VECTOR } from './ready.ts';
import { STATUS_KERNEL_APC, unwaitThread } from './signal.ts';

const A = KAPC.f;
const T = KTHREAD.f;
const S = KAPC_STATE.f;

const STATUS_USER_APC = 0xc0;
const KernelMode = 0;
const ALERTABLE = 1 << 4;

const state = (thread: number): number => thread + T.ApcState.offset;
const kernelList = (thread: number): number => state(thread) + S.ApcListHead.offset;
const userList = (thread: number): number => kernelList(thread) + 16;
const apcOf = (link: number): number => link - A.ApcListEntry.offset;

/** KeInitializeApc. `mode` and `normalContext` count only with a normal routine: an APC without one is a special kernel APC. */
export function keInitializeApc(
  k: Kernel,
  apc: number,
  thread: number,
  a: {
    environment: number;
    kernelRoutine: number;
    rundownRoutine: number;
    normalRoutine: number;
    mode: number;
    normalContext: number;
  },
): void {
  const m = k.mem;
  m.fill(apc, KAPC.size, 0);
  A.Type.set(m, apc, ApcObject);
  A.Size.set(m, apc, KAPC.size);
  A.Thread.set(m, apc, thread);
  A.KernelRoutine.set(m, apc, a.kernelRoutine);
  A.RundownRoutine.set(m, apc, a.rundownRoutine);
  A.NormalRoutine.set(m, apc, a.normalRoutine);
  A.ApcStateIndex.set(m, apc, a.environment);
  A.ApcMode.set(m, apc, a.normalRoutine === 0 ? KernelMode : a.mode);
  A.NormalContext.set(m, apc, a.normalRoutine === 0 ? 0 : a.normalContext);
}

/** A special kernel APC may be delivered now: none of its kind are held back. */
const specialAllowed = (k: Kernel, thread: number): boolean => T.SpecialApcDisable.get(k.mem, thread) === 0;
const normalAllowed = (k: Kernel, thread: number): boolean =>
  specialAllowed(k, thread) &&
  T.KernelApcDisable.get(k.mem, thread) === 0 &&
  (S.InProgressFlags.get(k.mem, state(thread)) & KERNEL_APC_IN_PROGRESS) === 0;

/** An argument of an APC: an address as a number, anything as 64 bits. */
function writeArgument(k: Kernel, at: number, value: bigint | number): void {
  if (typeof value === 'number') k.mem.writePtr(at, value);
  else k.mem.write64(at, value);
}

/**
 * KeInsertQueueApc: queues an APC to its thread; false if it is queued already. Special kernel APCs go before normal ones. A waiting thread is woken to run it: for a
 * kernel APC the wait goes on afterwards, a user APC ends an alertable user-mode wait.
 */
export function keInsertQueueApc(
  k: Kernel,
  apc: number,
  argument1: bigint | number,
  argument2: bigint | number,
  increment: number,
): boolean {
  const m = k.mem;
  if (A.Inserted.get(m, apc) !== 0) return false;
  const thread = A.Thread.get(m, apc);
  writeArgument(k, apc + A.SystemArgument1.offset, argument1);
  writeArgument(k, apc + A.SystemArgument2.offset, argument2);
  A.Inserted.set(m, apc, 1);
  const link = apc + A.ApcListEntry.offset;
  const kernel = A.ApcMode.get(m, apc) === KernelMode;
  const special = A.NormalRoutine.get(m, apc) === 0;
  if (!kernel) insertTailList(m, userList(thread), link);
  else if (!special) insertTailList(m, kernelList(thread), link);
  else {
    let at = m.readPtr(kernelList(thread));
    while (at !== kernelList(thread) && A.NormalRoutine.get(m, apcOf(at)) === 0) at = m.readPtr(at);
    insertTailList(m, at, link);
  }
  if (kernel) {
    S.KernelApcPending.set(m, state(thread), 1);
    if (T.State.get(m, thread) === Running) {
      // Here or on another processor; a thread that is ready finds the APC when it gets one.
      if (specialAllowed(k, thread)) requestSoftwareInterrupt(k, APC_VECTOR, T.NextProcessor.get(m, thread));
    } else if (
      T.State.get(m, thread) === Waiting &&
      T.WaitIrql.get(m, thread) === 0 &&
      (special ? specialAllowed(k, thread) : normalAllowed(k, thread))
    ) {
      unwaitThread(k, thread, STATUS_KERNEL_APC, increment);
    }
  } else if (
    T.State.get(m, thread) === Waiting &&
    T.WaitMode.get(m, thread) === 1 &&
    (T.MiscFlags.get(m, thread) & ALERTABLE) !== 0
  ) {
    S.UserApcPendingAll.set(m, state(thread), 1);
    unwaitThread(k, thread, STATUS_USER_APC, increment);
  }
  return true;
}

/** KeRemoveQueueApc: takes an APC that has not been delivered out of its thread's queue. False when it is not queued. */
export function keRemoveQueueApc(k: Kernel, apc: number): boolean {
  const m = k.mem;
  if (A.Inserted.get(m, apc) === 0) return false;
  const thread = A.Thread.get(m, apc);
  removeEntryList(k, apc + A.ApcListEntry.offset);
  A.Inserted.set(m, apc, 0);
  if (A.ApcMode.get(m, apc) !== KernelMode) {
    if (isListEmpty(m, userList(thread))) S.UserApcPendingAll.set(m, state(thread), 0);
  } else if (isListEmpty(m, kernelList(thread))) S.KernelApcPending.set(m, state(thread), 0);
  return true;
}

/** The thread ends: takes the next user APC that was not delivered out of the queue, for its rundown routine; 0 when there is none. */
export function takeUndeliveredApc(k: Kernel, thread: number): number {
  const link = k.mem.readPtr(userList(thread));
  if (link === userList(thread)) return 0;
  keRemoveQueueApc(k, apcOf(link));
  return apcOf(link);
}

/** Enters (`by` -1) or leaves (1) a critical region, or with `SpecialApcDisable` a guarded one; a mutex with ApcDisable is a critical region while it is held. */
export function changeApcDisable(
  k: Kernel,
  thread: number,
  by: number,
  which: 'KernelApcDisable' | 'SpecialApcDisable' = 'KernelApcDisable',
): void {
  const count = T[which].get(k.mem, thread) + by;
  T[which].set(k.mem, thread, count);
  if (by > 0 && count === 0) releaseApcs(k, thread);
}

/** A critical or guarded region of the current thread has ended: kernel APCs that were held back are delivered. */
export function releaseApcs(k: Kernel, thread: number): void {
  if (isListEmpty(k.mem, kernelList(thread)) || !specialAllowed(k, thread)) return;
  S.KernelApcPending.set(k.mem, state(thread), 1);
  requestSoftwareInterrupt(k, APC_VECTOR);
}

/** A kernel APC waits that may be delivered to the thread at PASSIVE_LEVEL. */
export function kernelApcDue(k: Kernel, thread: number): boolean {
  const link = k.mem.readPtr(kernelList(thread));
  if (link === kernelList(thread)) return false;
  return A.NormalRoutine.get(k.mem, apcOf(link)) === 0 ? specialAllowed(k, thread) : normalAllowed(k, thread);
}

/** The first kernel APC that may be delivered now, taken out of the queue; 0 when there is none. */
function takeKernelApc(k: Kernel, thread: number): number {
  const m = k.mem;
  const link = m.readPtr(kernelList(thread));
  if (link === kernelList(thread)) {
    S.KernelApcPending.set(m, state(thread), 0);
    return 0;
  }
  const apc = apcOf(link);
  const special = A.NormalRoutine.get(m, apc) === 0;
  if (special ? !specialAllowed(k, thread) : !normalAllowed(k, thread)) return 0;
  removeEntryList(k, link);
  A.Inserted.set(m, apc, 0);
  return apc;
}

/** The arguments that a kernel routine may change lie in the frame: it gets their addresses. */
const frame = { NormalRoutine: ptr, NormalContext: ptr, SystemArgument1: ptr, SystemArgument2: ptr, OldIrql: u8 };
type F = Frame<typeof frame> & { address(name: keyof typeof frame): number };

function deliver(k: Kernel, f: F): Outcome {
  const m = k.mem;
  const thread = k.currentThread();
  const apc = takeKernelApc(k, thread);
  if (apc === 0) return ret();
  // The four lie in the frame as they lie in the APC.
  const arguments4 = f.address('NormalRoutine');
  m.copy(arguments4, apc + A.NormalRoutine.offset, 32);
  setProgress(k, thread, SPECIAL_APC_IN_PROGRESS, true);
  return call(A.KernelRoutine.get(m, apc), [apc, arguments4, arguments4 + 8, arguments4 + 16, arguments4 + 24], 'kernel');
}

function setProgress(k: Kernel, thread: number, bit: number, on: boolean): void {
  const flags = S.InProgressFlags.get(k.mem, state(thread));
  S.InProgressFlags.set(k.mem, state(thread), on ? flags | bit : flags & ~bit);
}

const deliverSteps = {
  start(k: Kernel, f: Frame<typeof frame>, _rax: number, { Interrupt }: { Interrupt: boolean }): Outcome {
    if (Interrupt) endOfInterrupt(k.cpu);
    return deliver(k, f as F);
  },
  kernel(k: Kernel, f: Frame<typeof frame>): Outcome {
    const thread = k.currentThread();
    setProgress(k, thread, SPECIAL_APC_IN_PROGRESS, false);
    const normal = f.get('NormalRoutine');
    if (normal === 0) return deliver(k, f as F);
    setProgress(k, thread, KERNEL_APC_IN_PROGRESS, true);
    f.set('OldIrql', k.irql);
    k.irql = 0;
    const arg = (n: keyof typeof frame): bigint => k.mem.read64((f as F).address(n));
    return call(normal, [arg('NormalContext'), arg('SystemArgument1'), arg('SystemArgument2')], 'normal');
  },
  normal(k: Kernel, f: Frame<typeof frame>): Outcome {
    k.irql = f.get('OldIrql');
    setProgress(k, k.currentThread(), KERNEL_APC_IN_PROGRESS, false);
    return deliver(k, f as F);
  },
};

export const apcRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'KiDeliverApc',
    internal: true,
    doc: 'At APC_LEVEL: runs the kernel APCs of the current thread, special ones first; a normal routine runs at PASSIVE_LEVEL. For the interrupt that asks for it, the EOI comes first.',
    args: { Interrupt: BOOLEAN },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame,
    steps: deliverSteps,
  }),
  ntCode({
    name: 'KiDeliverApcInterrupt',
    internal: true,
    doc: 'The APC_LEVEL software interrupt: EOI, then delivery.',
    args: { TrapFrame: pointer('PKTRAP_FRAME'), Vector: ULONG },
    returns: VOID,
    cycles: 0,
    status: 'full',
    code(a) {
      a.prologAlloc(0x28);
      a.movImm(RCX, 1);
      a.call('nt!KiDeliverApc');
      a.addImm(RSP, 0x28);
      a.ret();
    },
  }),
];

/** Moves the APC queues of a thread to another KAPC_STATE, as attaching to a process does. */
export function moveApcState(k: Kernel, from: number, to: number): void {
  const m = k.mem;
  for (const n of [0, 16]) {
    initializeListHead(m, to + n);
    for (let link = m.readPtr(from + n); link !== from + n; link = m.readPtr(from + n)) {
      removeEntryList(k, link);
      insertTailList(m, to + n, link);
    }
  }
  m.writePtr(to + S.Process.offset, m.readPtr(from + S.Process.offset));
  for (const f of ['InProgressFlags', 'KernelApcPending', 'UserApcPendingAll'] as const) S[f].set(m, to, S[f].get(m, from));
}

/** An empty KAPC_STATE. */
export function initializeApcState(k: Kernel, at: number, process: number): void {
  k.mem.fill(at, KAPC_STATE.size, 0);
  initializeListHead(k.mem, at);
  initializeListHead(k.mem, at + 16);
  k.mem.writePtr(at + S.Process.offset, process);
}
