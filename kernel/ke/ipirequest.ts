import type { Kernel } from '../kernel.ts';
import { requestSoftwareInterrupt } from './processor.ts';
import { IPI_VECTOR } from './ready.ts';

/** Requests between processors: the sender leaves a bit in KiIpiRequest and interrupts at IPI_LEVEL. A processor that was only to be woken from its idle loop finds none. */

export const IPI_GENERIC_CALL = 1,
  IPI_FLUSH_TB = 2;

const requestAt = (k: Kernel, processor: number): number => k.global.address('KiIpiRequest') + processor * 4;

/** Asks another processor for what `bits` say. */
export function sendIpiRequest(k: Kernel, processor: number, bits: number): void {
  const at = requestAt(k, processor);
  k.mem.write32(at, k.mem.read32(at) | bits);
  requestSoftwareInterrupt(k, IPI_VECTOR, processor);
}

/** Takes what others have asked of this processor. */
export function takeIpiRequests(k: Kernel): number {
  const at = requestAt(k, k.cpu.index);
  const requests = k.mem.read32(at);
  k.mem.write32(at, 0);
  return requests;
}
