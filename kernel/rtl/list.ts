import { GuestFault, type VirtualMemory } from '../../hal/bus/memory.ts';

/** LIST_ENTRY operations over guest memory. `head` and `entry` are addresses of LIST_ENTRY structures. */

export function initializeListHead(mem: VirtualMemory, head: number): void {
  mem.writePtr(head, head);
  mem.writePtr(head + 8, head);
}

export const isListEmpty = (mem: VirtualMemory, head: number): boolean => mem.readPtr(head) === head;

export function insertHeadList(mem: VirtualMemory, head: number, entry: number): void {
  const next = mem.readPtr(head);
  mem.writePtr(entry, next);
  mem.writePtr(entry + 8, head);
  mem.writePtr(next + 8, entry);
  mem.writePtr(head, entry);
}

export function insertTailList(mem: VirtualMemory, head: number, entry: number): void {
  const last = mem.readPtr(head + 8);
  mem.writePtr(entry, head);
  mem.writePtr(entry + 8, last);
  mem.writePtr(last, entry);
  mem.writePtr(head + 8, entry);
}

/** Unlinks; the entry's own links stay as they were. True when the list is empty afterwards. */
export function removeEntryList(mem: VirtualMemory, entry: number): boolean {
  const next = mem.readPtr(entry),
    previous = mem.readPtr(entry + 8);
  mem.writePtr(previous, next);
  mem.writePtr(next + 8, previous);
  return next === previous;
}

/** Takes off the first entry; 0 when the list is empty. */
export function removeHeadList(mem: VirtualMemory, head: number): number {
  const first = mem.readPtr(head);
  if (first === head) return 0;
  removeEntryList(mem, first);
  return first;
}

export function removeTailList(mem: VirtualMemory, head: number): number {
  const last = mem.readPtr(head + 8);
  if (last === head) return 0;
  removeEntryList(mem, last);
  return last;
}

/** Most entries that a walk follows: a list that drivers have damaged may run in a circle. */
const WALK_LIMIT = 1 << 20;

/**
 * Addresses of the entries, first to last. Stops at the head. A chain longer than any real one never comes back to the head: whoever damaged it gets the fault that following
 * it for ever would end in.
 */
export function* listEntries(mem: VirtualMemory, head: number): Generator<number> {
  let n = 0;
  for (let entry = mem.readPtr(head); entry !== head; entry = mem.readPtr(entry)) {
    if (++n > WALK_LIMIT) throw new GuestFault(13, 0, entry);
    yield entry;
  }
}
