/**
 * Routines that drivers register for the creation and deletion of processes, of threads, and the mapping of images: a table of each, in the order of registration. A routine that is being
 * called holds its slot's run-down protection, so that taking it back can wait until it has returned.
 */
import { acquireRundown, releaseRundown } from '../exports/exrundown.ts';
import { releaseApcs } from '../ke/apc.ts';
import type { Kernel } from '../kernel.ts';
import { moduleOf } from '../ldr/modules.ts';
import { KTHREAD } from '../types/ke.ts';
import { KLDR_DATA_TABLE_ENTRY, LDRP_IMAGE_INTEGRITY_FORCED } from '../types/ldr.ts';
import { NOTIFY_SLOT } from '../types/ps.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { NOTIFY_SLOTS } from './globals.ts';

const S = NOTIFY_SLOT.f;
const T = KTHREAD.f;

export type NotifyTable = 'Process' | 'Thread' | 'Image';

/** How a routine was registered, a bit each so that a call can name those that it is for. */
export const PLAIN = 1,
  /** PsSetCreateProcessNotifyRoutineEx; PsSetCreateThreadNotifyRoutineEx with PsCreateThreadNotifyNonSystem. */
  EXTENDED = 2,
  /** The forms that are told of subsystem processes too. */
  SUBSYSTEMS = 4;

const tableOf = (k: Kernel, table: NotifyTable): number =>
  k.global.address(
    table === 'Process'
      ? 'PspCreateProcessNotifyRoutine'
      : table === 'Thread'
        ? 'PspCreateThreadNotifyRoutine'
        : 'PspLoadImageNotifyRoutine',
  );

/** Adds a routine. STATUS_INVALID_PARAMETER for a process routine that is there already or has no place; the other kinds may be registered twice, and lack resources when there is no place. */
export function addNotify(k: Kernel, table: NotifyTable, routine: number, kind: number): number {
  const base = tableOf(k, table);
  let free = 0;
  for (let i = NOTIFY_SLOTS - 1; i >= 0; i--) {
    const slot = base + i * NOTIFY_SLOT.size;
    const present = S.Function.get(k.mem, slot);
    if (present === 0) free = slot;
    else if (table === 'Process' && present === routine && S.Kind.get(k.mem, slot) === kind) return STATUS_INVALID_PARAMETER;
  }
  if (free === 0) return table === 'Process' ? STATUS_INVALID_PARAMETER : STATUS_INSUFFICIENT_RESOURCES;
  S.Kind.set(k.mem, free, kind);
  S.Rundown.set(k.mem, free, 0n);
  S.Function.set(k.mem, free, routine);
  return STATUS_SUCCESS;
}

/** The slot of a registered routine, or 0. */
export function findNotify(k: Kernel, table: NotifyTable, routine: number, kinds: number): number {
  const base = tableOf(k, table);
  for (let i = 0; i < NOTIFY_SLOTS; i++) {
    const slot = base + i * NOTIFY_SLOT.size;
    if (S.Function.get(k.mem, slot) === routine && (S.Kind.get(k.mem, slot) & kinds) !== 0) return slot;
  }
  return 0;
}

/** Address of the run-down reference of a slot. */
export const rundownOf = (slot: number): number => slot + S.Rundown.offset;

/** Empties a slot whose routine is not running any more. */
export function clearNotify(k: Kernel, slot: number): void {
  S.Function.set(k.mem, slot, 0);
  S.Kind.set(k.mem, slot, 0);
  S.Rundown.set(k.mem, slot, 0n);
}

/** The first routine of these kinds in slot `index` or a later one, protected against being taken back until {@link endNotify}; null at the end. */
export function beginNotify(
  k: Kernel,
  table: NotifyTable,
  kinds: number,
  index: number,
): { routine: number; kind: number; index: number } | null {
  const base = tableOf(k, table);
  for (let i = index; i < NOTIFY_SLOTS; i++) {
    const slot = base + i * NOTIFY_SLOT.size;
    const routine = S.Function.get(k.mem, slot);
    const kind = S.Kind.get(k.mem, slot);
    if (routine !== 0 && (kind & kinds) !== 0 && acquireRundown(k, slot + S.Rundown.offset, 1))
      return { routine, kind, index: i };
  }
  return null;
}

export const endNotify = (k: Kernel, table: NotifyTable, index: number): void =>
  releaseRundown(k, tableOf(k, table) + index * NOTIFY_SLOT.size + S.Rundown.offset, 1);

/** Notify routines run inside a critical region: normal kernel APCs are off. */
export function enterCriticalRegion(k: Kernel): void {
  const thread = k.currentThread();
  T.KernelApcDisable.set(k.mem, thread, T.KernelApcDisable.get(k.mem, thread) - 1);
}
export function leaveCriticalRegion(k: Kernel): void {
  const thread = k.currentThread();
  const count = T.KernelApcDisable.get(k.mem, thread) + 1;
  T.KernelApcDisable.set(k.mem, thread, count);
  if (count === 0) releaseApcs(k, thread);
}

/** The extended process routines must lie in an image that was linked for forced integrity checks (MmVerifyCallbackFunction). */
export function mayBeExtended(k: Kernel, routine: number): number {
  const entry = moduleOf(k, routine);
  return entry !== 0 && (KLDR_DATA_TABLE_ENTRY.f.Flags.get(k.mem, entry) & LDRP_IMAGE_INTEGRITY_FORCED) !== 0
    ? STATUS_SUCCESS
    : STATUS_ACCESS_DENIED;
}
