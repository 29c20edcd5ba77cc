/** Thunks of MmAddVerifierThunks: a list of pool blocks { Pristine: u64, New: u64, Next: u64 }. Drivers that are loaded while the verifier is active import New for Pristine. */
import type { Kernel } from '../kernel.ts';
import { isKernelModule, moduleAt } from '../ke/modules.ts';
import { modulesOf } from '../ke/stackwalk.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_PARAMETER_2,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { exAllocatePool, exFreePool } from './pool.ts';

const TAG = 0x74566d4d; // 'MmVt'
const PAIR = 16,
  NEXT = 16,
  SIZE = 24;

/** Adds the pairs of a buffer. Both routines of a pair must be those of drivers, not of the kernel: STATUS_INVALID_PARAMETER_1; a size that is no pairs: _2. */
export function mmAddVerifierThunks(k: Kernel, buffer: number, bytes: number): number {
  if (bytes === 0 || bytes % PAIR !== 0) return STATUS_INVALID_PARAMETER_2;
  const modules = modulesOf(k);
  const inDriver = (at: number): boolean => {
    const m = moduleAt(modules, at);
    return m !== null && !isKernelModule(m.name);
  };
  const pairs = Array.from(
    { length: bytes / PAIR },
    (_, i) => [k.mem.readPtr(buffer + i * PAIR), k.mem.readPtr(buffer + i * PAIR + 8)] as const,
  );
  if (!pairs.every(pair => pair.every(inDriver))) return STATUS_INVALID_PARAMETER_1;
  for (const [pristine, own] of pairs) {
    const block = exAllocatePool(k, NonPagedPoolNx, SIZE, TAG);
    if (!block) return STATUS_INSUFFICIENT_RESOURCES;
    k.mem.writePtr(block, pristine);
    k.mem.writePtr(block + 8, own);
    k.mem.writePtr(block + NEXT, k.global.get('MmVerifierThunks'));
    k.global.set('MmVerifierThunks', block);
  }
  return STATUS_SUCCESS;
}

/** What a driver imports that asks for the routine at `address`. */
export function thunkedAddress(k: Kernel, address: number): number {
  for (let at = k.global.get('MmVerifierThunks'); at; at = k.mem.readPtr(at + NEXT))
    if (k.mem.readPtr(at) === address) return k.mem.readPtr(at + 8);
  return address;
}

/** An image goes away, and its thunks with it. */
export function removeThunks(k: Kernel, base: number, size: number): void {
  const inside = (a: number): boolean => a >= base && a < base + size;
  let link = k.global.address('MmVerifierThunks');
  for (let at = k.mem.readPtr(link); at; at = k.mem.readPtr(link)) {
    if (inside(k.mem.readPtr(at)) || inside(k.mem.readPtr(at + 8))) {
      k.mem.writePtr(link, k.mem.readPtr(at + NEXT));
      exFreePool(k, at, TAG);
    } else link = at + NEXT;
  }
}
