import type { Kernel } from '../kernel.ts';
import { EPROCESS } from '../types/ps.ts';

const E = EPROCESS.f;

/** Image name of a process: up to 14 characters. */
export function processImageName(k: Kernel, process: number): string {
  const bytes = k.mem.readBytes(process + E.ImageFileName.offset, 15);
  const end = bytes.indexOf(0);
  return Array.from(bytes.subarray(0, end < 0 ? 15 : end), b => String.fromCharCode(b)).join('');
}
