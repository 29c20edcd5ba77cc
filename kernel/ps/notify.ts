import type { Kernel } from '../kernel.ts';
import { NOTIFY_SLOTS } from './globals.ts';

/** Routines that drivers register for the creation and deletion of processes, of threads, and the mapping of images: a table of each, in the order of registration. */

const STATUS_INVALID_PARAMETER = 0xc000000d,
  STATUS_PROCEDURE_NOT_FOUND = 0xc000007a;

export type NotifyKind = 'Process' | 'Thread' | 'Image';

const table = (k: Kernel, kind: NotifyKind): number =>
  k.global.address(
    kind === 'Process'
      ? 'PspCreateProcessNotifyRoutine'
      : kind === 'Thread'
        ? 'PspCreateThreadNotifyRoutine'
        : 'PspLoadImageNotifyRoutine',
  );

/** Adds a routine; STATUS_INVALID_PARAMETER when it is there already or the table is full. */
export function addNotify(k: Kernel, kind: NotifyKind, routine: number): number {
  const slots = table(k, kind);
  let free = -1;
  for (let i = 0; i < NOTIFY_SLOTS; i++) {
    const entry = k.mem.readPtr(slots + i * 8);
    if (entry === routine) return STATUS_INVALID_PARAMETER;
    if (entry === 0 && free < 0) free = i;
  }
  if (free < 0) return STATUS_INVALID_PARAMETER;
  k.mem.writePtr(slots + free * 8, routine);
  return 0;
}

/** Removes a routine; STATUS_PROCEDURE_NOT_FOUND when it is not there. */
export function removeNotify(k: Kernel, kind: NotifyKind, routine: number): number {
  const slots = table(k, kind);
  for (let i = 0; i < NOTIFY_SLOTS; i++) {
    if (k.mem.readPtr(slots + i * 8) !== routine) continue;
    k.mem.writePtr(slots + i * 8, 0);
    return 0;
  }
  return STATUS_PROCEDURE_NOT_FOUND;
}

/** The registered routine in slot `index` or a later one, with its slot; null at the end. A step routine calls them one after the other by this. */
export function nextNotify(k: Kernel, kind: NotifyKind, index: number): { routine: number; index: number } | null {
  const slots = table(k, kind);
  for (let i = index; i < NOTIFY_SLOTS; i++) {
    const routine = k.mem.readPtr(slots + i * 8);
    if (routine !== 0) return { routine, index: i };
  }
  return null;
}
