import type { Kernel } from '../kernel.ts';
import { KSEMAPHORE, KMUTANT, MutantObject, SemaphoreObject, KTHREAD } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { changeApcDisable } from './apc.ts';
import { initializeListHead, insertTailList, removeEntryList } from './list.ts';
import { eventObjectType, MUTANT_DPC_ACTIVE, signalObject, signalState } from './signal.ts';

const M = KMUTANT.f;
const T = KTHREAD.f;

/** Fills a DISPATCHER_HEADER. `size` is the object's size in 4-byte units, as the header keeps it. */
export function initializeHeader(k: Kernel, object: number, type: number, size: number, state: number): void {
  const m = k.mem;
  m.write32(object, type | ((size / 4) << 16));
  m.write32(object + 4, state);
  initializeListHead(m, object + 8);
}

/** KeInitializeEvent: `type` NotificationEvent (0) or SynchronizationEvent (1). */
export function keInitializeEvent(k: Kernel, event: number, type: number, state: boolean): void {
  initializeHeader(k, event, eventObjectType(type), 0x18, state ? 1 : 0);
}

/** KeSetEvent: signals the event and gives its previous state; waiting threads get a boost of `increment`. */
export function keSetEvent(k: Kernel, event: number, increment: number): number {
  k.mem.probe(event, 0x18, true);
  const previous = signalState(k, event);
  if (previous === 0) {
    k.mem.write32(event + 4, 1);
    signalObject(k, event, increment);
  }
  return previous;
}

/** KeResetEvent: previous state. */
export function keResetEvent(k: Kernel, event: number): number {
  const previous = signalState(k, event);
  k.mem.write32(event + 4, 0);
  return previous;
}

export function keClearEvent(k: Kernel, event: number): void {
  k.mem.write32(event + 4, 0);
}

/** KePulseEvent: wakes whoever waits now, and leaves the event not signalled. */
export function kePulseEvent(k: Kernel, event: number, increment: number): number {
  const previous = keSetEvent(k, event, increment);
  k.mem.write32(event + 4, 0);
  return previous;
}

export function keInitializeSemaphore(k: Kernel, semaphore: number, count: number, limit: number): void {
  initializeHeader(k, semaphore, SemaphoreObject, 0x20, count);
  KSEMAPHORE.f.Limit.set(k.mem, semaphore, limit);
}

/** KeReleaseSemaphore: the previous count, or null if the count would pass the limit (NT raises STATUS_SEMAPHORE_LIMIT_EXCEEDED). */
export function keReleaseSemaphore(k: Kernel, semaphore: number, increment: number, adjustment: number): number | null {
  const previous = signalState(k, semaphore);
  const count = previous + adjustment;
  if (count > KSEMAPHORE.f.Limit.get(k.mem, semaphore) || count < previous) return null;
  k.mem.write32(semaphore + 4, count);
  if (previous === 0) signalObject(k, semaphore, increment);
  return previous;
}

/** KeInitializeMutant (`apcDisable` 0) and KeInitializeMutex (1: kernel APCs are off while it is held). */
export function keInitializeMutant(k: Kernel, mutant: number, owned: boolean, apcDisable: number): void {
  const m = k.mem;
  initializeHeader(k, mutant, MutantObject, KMUTANT.size, owned ? 0 : 1);
  M.OwnerThread.set(m, mutant, 0);
  M.Abandoned.set(m, mutant, 0);
  M.ApcDisable.set(m, mutant, apcDisable);
  m.writePtr(mutant + M.MutantListEntry.offset, 0);
  m.writePtr(mutant + M.MutantListEntry.offset + 8, 0);
  if (owned) {
    const thread = k.currentThread();
    M.OwnerThread.set(m, mutant, thread);
    T.KernelApcDisable.set(m, thread, T.KernelApcDisable.get(m, thread) - apcDisable);
    insertTailList(m, thread + T.MutantListHead.offset, mutant + M.MutantListEntry.offset);
  }
}

/** KeReleaseMutant: previous state, or null when the thread does not own it (NT raises STATUS_MUTANT_NOT_OWNED). `abandon` is for a thread that ends as owner. */
export function keReleaseMutant(k: Kernel, mutant: number, increment: number, abandon = false): number | null {
  const m = k.mem;
  const previous = signalState(k, mutant);
  const owner = M.OwnerThread.get(m, mutant);
  if (abandon) {
    m.write32(mutant + 4, 1);
    M.Abandoned.set(m, mutant, M.Abandoned.get(m, mutant) | 1);
  } else {
    // One that a DPC acquired is released in a DPC, and the other way round.
    const inDpc = KPRCB.f.DpcRoutineActive.get(m, k.prcb);
    if (owner !== k.currentThread() || m.read8(mutant + MUTANT_DPC_ACTIVE) !== inDpc) return null;
    m.write32(mutant + 4, previous + 1);
  }
  if (signalState(k, mutant) === 1) {
    M.OwnerThread.set(m, mutant, 0);
    if (previous <= 0) {
      removeEntryList(k, mutant + M.MutantListEntry.offset);
      const disable = M.ApcDisable.get(m, mutant);
      if (disable !== 0) changeApcDisable(k, owner, disable);
    }
    signalObject(k, mutant, increment);
  }
  return previous;
}
