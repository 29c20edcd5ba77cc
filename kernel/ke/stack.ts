import type { Kernel } from '../kernel.ts';
import {
  KERNEL_STACK_SIZE,
  KERNEL_STACK_SLOT,
  KERNEL_STACKS_BASE,
  KERNEL_STACKS_END,
  PAGE_SIZE,
  PTE_NO_EXECUTE,
  PTE_WRITE,
} from '../mm/layout.ts';
import { mmAllocatePage, mmFreePage } from '../mm/pfn.ts';
import { mmMapPage, mmUnmapPage } from '../mm/pte.ts';

/**
 * Kernel stacks. Each has a 32 KiB slot of address space: 24 KiB of stack at the upper end, and below it pages that stay unmapped, so that a stack which
 * runs over faults instead of writing into its neighbour. Free stacks keep their pages and form a list through their top quadword.
 */

/** Bytes of a large stack, KERNEL_LARGE_STACK_SIZE of ntddk.h. It takes the slots that it needs, with the pages below it unmapped as well. */
export const KERNEL_LARGE_STACK_SIZE = 0x12000;

/** MmCreateKernelStack: the upper end of a stack, or 0 when memory or address space is used up. */
export function allocateKernelStack(k: Kernel, large = false): number {
  const list = large ? 'KiLargeStackFreeList' : 'KiStackFreeList';
  const free = k.global.get(list);
  if (free !== 0) {
    k.global.set(list, k.mem.readPtr(free - 8));
    k.global.set('KiStackCount', k.global.get('KiStackCount') + 1);
    return free;
  }
  const size = large ? KERNEL_LARGE_STACK_SIZE : KERNEL_STACK_SIZE;
  const slots = Math.ceil((size + PAGE_SIZE) / KERNEL_STACK_SLOT);
  const slot = k.global.get('KiStackNextSlot');
  const base = KERNEL_STACKS_BASE + (slot + slots) * KERNEL_STACK_SLOT;
  if (base > KERNEL_STACKS_END) return 0;
  for (let at = base - size; at < base; at += PAGE_SIZE) {
    const page = mmAllocatePage(k, true);
    if (page >= 0 && mmMapPage(k, at, page, PTE_WRITE | PTE_NO_EXECUTE)) continue;
    if (page >= 0) mmFreePage(k, page);
    for (let mapped = base - size; mapped < at; mapped += PAGE_SIZE) mmFreePage(k, mmUnmapPage(k, mapped));
    return 0;
  }
  k.global.set('KiStackNextSlot', slot + slots);
  k.global.set('KiStackCount', k.global.get('KiStackCount') + 1);
  return base;
}

/** MmDeleteKernelStack: `base` is what {@link allocateKernelStack} gave. Nothing may run on it any more. */
export function freeKernelStack(k: Kernel, base: number, large = false): void {
  const list = large ? 'KiLargeStackFreeList' : 'KiStackFreeList';
  k.mem.writePtr(base - 8, k.global.get(list));
  k.global.set(list, base);
  k.global.set('KiStackCount', k.global.get('KiStackCount') - 1);
}
