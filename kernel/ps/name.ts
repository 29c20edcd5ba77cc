import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, freeString } from '../ob/string.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { EPROCESS, ETHREAD } from '../types/ps.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';

const E = EPROCESS.f;

/** Image name of a process: up to 14 characters. */
export function processImageName(k: Kernel, process: number): string {
  const bytes = k.mem.readBytes(process + E.ImageFileName.offset, 15);
  const end = bytes.indexOf(0);
  return Array.from(bytes.subarray(0, end < 0 ? 15 : end), b => String.fromCharCode(b)).join('');
}

/** ETHREAD.ThreadName: a UNICODE_STRING in a block of its own. */
export function nameThread(k: Kernel, thread: number, name: string): number {
  const block = exAllocatePool(k, NonPagedPoolNx, 16, poolTag('ThNm'));
  if (!block) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.fill(block, 16, 0);
  if (name && !allocateString(k, block, name, poolTag('ThNm'))) {
    exFreePool(k, block, 0);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  freeThreadName(k, thread);
  ETHREAD.f.ThreadName.set(k.mem, thread, block);
  return STATUS_SUCCESS;
}

/** The name of a thread goes with it. */
export function freeThreadName(k: Kernel, thread: number): void {
  const at = ETHREAD.f.ThreadName.get(k.mem, thread);
  if (!at) return;
  freeString(k, at);
  exFreePool(k, at, 0);
  ETHREAD.f.ThreadName.set(k.mem, thread, 0);
}
