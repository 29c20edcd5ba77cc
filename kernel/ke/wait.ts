import type { Kernel } from '../kernel.ts';
import { MAXIMUM_WAIT_OBJECTS_EXCEEDED } from '../types/bugcodes.ts';
import {
  KAPC_STATE,
  KTHREAD,
  KWAIT_BLOCK,
  MISC_WAIT_NEXT,
  MutantObject,
  QueueObject,
  WaitAll,
  WaitAny,
  WaitBlockActive,
  Waiting,
} from '../types/ke.ts';
import { DISPATCH_LEVEL } from '../exports/declare.ts';
import { raiseStatus } from '../ex/raise.ts';
import { kernelApcDue } from './apc.ts';
import { insertTailList, isListEmpty } from './list.ts';
import { queueAbandoned, queueThreadBlocks, takeQueueEntry } from './queue.ts';
import {
  isSignaled,
  objectType,
  satisfyWait,
  signalState,
  STATUS_ABANDONED,
  STATUS_KERNEL_APC,
  TIMER_WAIT,
  timerWaitBlock,
  unwaitThread,
} from './signal.ts';
import { keSetTimer } from './timer.ts';
import { STATUS_MUTANT_LIMIT_EXCEEDED, STATUS_SUCCESS } from '../types/status.ts';

import { tickCount } from './time.ts';

const T = KTHREAD.f;
const W = KWAIT_BLOCK.f;

export const STATUS_USER_APC = 0xc0,
  STATUS_ALERTED = 0x101,
  STATUS_TIMEOUT = 0x102;
/** Objects for which KTHREAD has wait blocks itself; for more the caller brings them. */
export const THREAD_WAIT_OBJECTS = 3;
export const MAXIMUM_WAIT_OBJECTS = 64;

export interface WaitOptions {
  /** Wait until one object is signalled (WaitAny); default all. */
  any?: boolean;
  alertable?: boolean;
  /** KernelMode 0, UserMode 1. */
  mode?: number;
  /** 100 ns units, negative = from now, 0n = do not wait, null or absent = for ever. */
  timeout?: bigint | null;
  /** KWAIT_REASON, for the debugger. */
  reason?: number;
  /** Address of the caller's KWAIT_BLOCK array, needed for more than three objects. */
  waitBlocks?: number;
}

/** What an alertable wait returns at once for, or 0: an alert, or a user APC that is due. */
function pendingAlert(k: Kernel, thread: number, mode: number, alertable: boolean): number {
  const m = k.mem;
  const pending = thread + T.ApcState.offset + KAPC_STATE.f.UserApcPendingAll.offset;
  const alerted = (at: number): boolean => {
    const flag = thread + T.Alerted.offset + at;
    if (m.read8(flag) === 0) return false;
    m.write8(flag, 0);
    return true;
  };
  if (!alertable) return mode === 1 && m.read8(pending) !== 0 ? STATUS_USER_APC : 0;
  if (alerted(mode)) return STATUS_ALERTED;
  if (mode === 1 && !isListEmpty(m, thread + T.ApcState.offset + 16)) {
    m.write8(pending, 1);
    return STATUS_USER_APC;
  }
  return mode === 1 && alerted(0) ? STATUS_ALERTED : 0;
}

/**
 * The end of a routine that was called with Wait = TRUE (KeSetEvent, KeReleaseMutex, KeReleaseSemaphore...): the dispatcher stays held, which here is the IRQL, until the
 * wait that the thread begins next, so that nothing comes between the two.
 */
export function holdDispatcher(k: Kernel): void {
  const thread = k.currentThread();
  T.MiscFlags.set(k.mem, thread, T.MiscFlags.get(k.mem, thread) | MISC_WAIT_NEXT);
  T.WaitIrql.set(k.mem, thread, k.irql);
  k.irql = DISPATCH_LEVEL;
}

/** Whether the current thread holds the dispatcher for the wait that comes now. */
export const dispatcherHeld = (k: Kernel): boolean => (T.MiscFlags.get(k.mem, k.currentThread()) & MISC_WAIT_NEXT) !== 0;

/** A wait begins: the IRQL at which the thread is when it is over; where the dispatcher was held, that of before. */
function releaseDispatcher(k: Kernel): void {
  if (!dispatcherHeld(k)) return;
  const thread = k.currentThread();
  T.MiscFlags.set(k.mem, thread, T.MiscFlags.get(k.mem, thread) & ~MISC_WAIT_NEXT);
  k.irql = T.WaitIrql.get(k.mem, thread);
}

/** MINLONG: how often a mutant can be acquired. */
const MUTANT_LIMIT = -0x80000000;

/** Satisfies the wait for an object that is signalled. A mutant that its owner has acquired too often raises STATUS_MUTANT_LIMIT_EXCEEDED. */
function take(k: Kernel, object: number, thread: number): number {
  if (objectType(k, object) === MutantObject && signalState(k, object) === MUTANT_LIMIT)
    raiseStatus(k, STATUS_MUTANT_LIMIT_EXCEEDED);
  return satisfyWait(k, object, thread);
}

/** A wait for a KQUEUE is for an entry, whose address is the status. */
function waitQueue(k: Kernel, queue: number): number {
  return queueAbandoned(k, queue) ? STATUS_ABANDONED : takeQueueEntry(k, queue);
}

/**
 * Waits of the current thread, as KeWaitForSingleObject and KeWaitForMultipleObjects have them. Either the wait is over at once, with a status (WAIT_0 + index,
 * ABANDONED, TIMEOUT, ALERTED, USER_APC), or the thread has been put to wait and the routine must end with `wait(...)`.
 */
export function keWait(k: Kernel, objects: readonly number[], options: WaitOptions = {}): { status: number } | 'blocked' {
  const m = k.mem;
  const thread = k.currentThread();
  const any = options.any ?? objects.length === 1;
  const timeout = options.timeout ?? null;
  const mode = options.mode ?? 0;
  if (objects.length > MAXIMUM_WAIT_OBJECTS || (objects.length > THREAD_WAIT_OBJECTS && !options.waitBlocks))
    k.bugCheck(MAXIMUM_WAIT_OBJECTS_EXCEEDED);
  for (const o of objects) m.probe(o, 0x18, true);
  releaseDispatcher(k);

  if (objects.length === 1 && objectType(k, objects[0]!) === QueueObject) {
    const status = waitQueue(k, objects[0]!);
    if (status !== 0) return { status };
  } else if (any) {
    for (let i = 0; i < objects.length; i++)
      if (isSignaled(k, objects[i]!, thread)) return { status: i | take(k, objects[i]!, thread) };
  } else if (objects.every(o => isSignaled(k, o, thread))) {
    let status = 0;
    for (const o of objects) status |= take(k, o, thread);
    return { status };
  }
  const alert = pendingAlert(k, thread, mode, options.alertable ?? false);
  if (alert !== 0) return { status: alert };
  if (timeout === 0n) return { status: STATUS_TIMEOUT };

  const blocks = objects.length <= THREAD_WAIT_OBJECTS ? thread + T.WaitBlock.offset : options.waitBlocks!;
  m.probe(blocks, objects.length * KWAIT_BLOCK.size, true);
  objects.forEach((object, i) => linkBlock(k, blocks + i * KWAIT_BLOCK.size, thread, object, any ? WaitAny : WaitAll, i));
  T.WaitBlockList.set(m, thread, blocks);
  T.WaitBlockCount.set(m, thread, objects.length);
  beginWait(k, thread, options);
  if (timeout !== null) armTimeout(k, thread, timeout, STATUS_TIMEOUT);
  interruptByPendingApc(k, thread);
  return 'blocked';
}

/** A kernel APC whose interrupt has not come yet, as when another processor has just sent it: the wait begins with running it. */
function interruptByPendingApc(k: Kernel, thread: number): void {
  if (T.State.get(k.mem, thread) === Waiting && T.WaitIrql.get(k.mem, thread) === 0 && kernelApcDue(k, thread))
    unwaitThread(k, thread, STATUS_KERNEL_APC, 0);
}

function linkBlock(k: Kernel, block: number, thread: number, object: number, type: number, key: number): void {
  const m = k.mem;
  W.WaitType.set(m, block, type);
  W.BlockState.set(m, block, WaitBlockActive);
  W.WaitKey.set(m, block, key);
  W.Thread.set(m, block, thread);
  W.Object.set(m, block, object);
  insertTailList(m, object + 8, block + W.WaitListEntry.offset);
}

function beginWait(k: Kernel, thread: number, options: WaitOptions): void {
  const m = k.mem;
  const ALERTABLE = 1 << 4;
  T.WaitMode.set(m, thread, options.mode ?? 0);
  T.WaitReason.set(m, thread, options.reason ?? 0);
  T.WaitIrql.set(m, thread, k.irql);
  T.WaitTime.set(m, thread, Number(tickCount(k) & 0xffffffffn));
  T.MiscFlags.set(
    m,
    thread,
    options.alertable ? T.MiscFlags.get(m, thread) | ALERTABLE : T.MiscFlags.get(m, thread) & ~ALERTABLE,
  );
  T.WaitRegister.set(m, thread, (options.timeout ?? null) === null ? 0 : 1);
  T.State.set(m, thread, Waiting);
  queueThreadBlocks(k, thread);
}

/** The thread's own timer ends the wait: a fourth wait block, whose key is the status that this gives. */
function armTimeout(k: Kernel, thread: number, timeout: bigint, status: number): void {
  const timer = thread + T.Timer.offset;
  k.mem.write32(timer + 4, 0);
  linkBlock(k, timerWaitBlock(thread), thread, timer, WaitAny, status);
  T.MiscFlags.set(k.mem, thread, T.MiscFlags.get(k.mem, thread) | TIMER_WAIT);
  keSetTimer(k, timer, timeout, 0, 0);
}

/** KeDelayExecutionThread: waits for the thread's timer alone; that it fires is the delay's success. A delay of 0 gives the rest of the quantum to threads of the same priority. */
export function keDelay(k: Kernel, interval: bigint, alertable: boolean, mode: number): { status: number } | 'blocked' {
  const thread = k.currentThread();
  releaseDispatcher(k);
  const alert = pendingAlert(k, thread, mode, alertable);
  if (alert !== 0) return { status: alert };
  T.WaitBlockCount.set(k.mem, thread, 0);
  T.WaitBlockList.set(k.mem, thread, timerWaitBlock(thread));
  const DelayExecution = 4;
  beginWait(k, thread, { alertable, mode, timeout: interval, reason: DelayExecution });
  armTimeout(k, thread, interval, STATUS_SUCCESS);
  interruptByPendingApc(k, thread);
  return 'blocked';
}
