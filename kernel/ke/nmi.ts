import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { ptr, struct } from '../types/struct.ts';

/** Routines that drivers register for non-maskable interrupts. The list is changed in a gate, so that an interrupt finds it whole. */

const KNMI_HANDLER_CALLBACK = struct('_KNMI_HANDLER_CALLBACK', { Next: ptr, Callback: ptr, Context: ptr, Handle: ptr });
const H = KNMI_HANDLER_CALLBACK.f;
const TAG = 0x494d4e4b; // 'KNMI'
const NonPagedPoolNx = 512;

export const firstNmiCallback = (k: Kernel): number => k.global.get('KiNmiCallbackListHead');
export const nextNmiCallback = (k: Kernel, callback: number): number => H.Next.get(k.mem, callback);

/** Routine and context of a registration. */
export const nmiCallback = (k: Kernel, callback: number): { routine: number; context: number } => ({
  routine: H.Callback.get(k.mem, callback),
  context: H.Context.get(k.mem, callback),
});

/** KeRegisterNmiCallback: a handle, or 0 without memory. The newest is called first. */
export function registerNmiCallback(k: Kernel, routine: number, context: number): number {
  const m = k.mem;
  const at = exAllocatePool(k, NonPagedPoolNx, KNMI_HANDLER_CALLBACK.size, TAG);
  if (!at) return 0;
  H.Next.set(m, at, firstNmiCallback(k));
  H.Callback.set(m, at, routine);
  H.Context.set(m, at, context);
  H.Handle.set(m, at, at);
  k.global.set('KiNmiCallbackListHead', at);
  return at;
}

/** KeDeregisterNmiCallback: false when `handle` is none. */
export function deregisterNmiCallback(k: Kernel, handle: number): boolean {
  let previous = 0;
  for (let at = firstNmiCallback(k); at !== 0; previous = at, at = nextNmiCallback(k, at)) {
    if (at !== handle) continue;
    if (previous === 0) k.global.set('KiNmiCallbackListHead', nextNmiCallback(k, at));
    else H.Next.set(k.mem, previous, nextNmiCallback(k, at));
    exFreePool(k, at, TAG);
    return true;
  }
  return false;
}
