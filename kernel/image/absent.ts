import { ABSENT_SLOTS } from '../ke/globals.ts';
import { STATUS_DRIVER_ENTRYPOINT_NOT_FOUND } from '../types/status.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';

const TAG_ABSENT = 0x7361624b; // 'Kbas'
const STUB_SIZE = 0x20;

function readName(k: Kernel, va: number): string {
  let name = '';
  for (let c = k.mem.read8(va); c !== 0; c = k.mem.read8(++va)) name += String.fromCharCode(c);
  return name;
}

/** Name (`ntoskrnl.exe!ZwFoo`) of trap slot `slot`. */
export function absentName(k: Kernel, slot: number): string {
  return readName(k, k.mem.readPtr(k.global.address('KiAbsentNames') + slot * 8));
}

/**
 * Address of the trap stub for an import that no routine answers (`ntoskrnl.exe!ZwFoo`). The driver loads; a call to the stub stops the machine with the
 * routine's name. One slot for each name; throws an Error when there are none left.
 */
export function bindAbsentRoutine(k: Kernel, name: string): number {
  const names = k.global.address('KiAbsentNames');
  const count = k.global.get('KiAbsentCount');
  for (let slot = 0; slot < count; slot++) if (absentName(k, slot) === name) return k.images.absentBase + slot * STUB_SIZE;
  if (count >= ABSENT_SLOTS) throw new Error(`more than ${ABSENT_SLOTS} absent routines are imported`);
  const text = exAllocatePool(k, 512, name.length + 1, TAG_ABSENT);
  if (!text) throw new Error(`no pool for the name of an absent routine, ${name}`);
  k.mem.writeBytes(
    text,
    Uint8Array.from(`${name}\0`, c => c.charCodeAt(0)),
  );
  k.mem.writePtr(names + count * 8, text);
  k.global.set('KiAbsentCount', count + 1);
  return k.images.absentBase + count * STUB_SIZE;
}

/** A driver called a routine that is not there: the stop names the routine and the caller. */
export function callOfAbsentRoutine(k: Kernel, slot: number): never {
  const name = slot < k.global.get('KiAbsentCount') ? absentName(k, slot) : `trap slot ${slot}`;
  const at = slot < k.global.get('KiAbsentCount') ? k.mem.readPtr(k.global.address('KiAbsentNames') + slot * 8) : 0;
  k.bugCheck(STATUS_DRIVER_ENTRYPOINT_NOT_FOUND, at, k.caller(), slot, 0, `a driver called ${name}, which is not implemented`);
}
