/** Registered routines that must not go while they are called: how many calls are under way, and an event that the last of them sets when the registration is to go. */
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import type { Kernel } from '../kernel.ts';
import { KEVENT } from '../types/ke.ts';
import { struct, u32 } from '../types/struct.ts';

/** The part of a registration that this is about. */
export const CALL_USE = struct('_CALLBACK_USE', { Active: u32, Removed: u32, RemoveEvent: KEVENT });
const U = CALL_USE.f;

/** Two callbacks have one altitude. */
export const STATUS_FLT_INSTANCE_ALTITUDE_COLLISION = 0xc01c0011;

/** The rest of the structure is zero already. */
export const initializeUse = (k: Kernel, use: number): void => keInitializeEvent(k, use + U.RemoveEvent.offset, 0, false);

/** A call begins, and ends. */
export const enterUse = (k: Kernel, use: number): void => U.Active.set(k.mem, use, U.Active.get(k.mem, use) + 1);
export function leaveUse(k: Kernel, use: number): void {
  const active = U.Active.get(k.mem, use) - 1;
  U.Active.set(k.mem, use, active);
  if (active === 0 && U.Removed.get(k.mem, use)) keSetEvent(k, use + U.RemoveEvent.offset, 0);
}

/** The registration is out of its list; the event to wait for while calls are under way, or 0. */
export function removeUse(k: Kernel, use: number): number {
  U.Removed.set(k.mem, use, 1);
  return U.Active.get(k.mem, use) ? use + U.RemoveEvent.offset : 0;
}
