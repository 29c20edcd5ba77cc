/**
 * Page faults that can be repaired (MmAccessFault). They come from two sides: through the IDT, when code of the guest touches a page, and from the routines of the
 * kernel itself, whose accesses ask here before they fault (VirtualMemory.onFault).
 */
import type { Kernel } from '../kernel.ts';
import { EPROCESS } from '../types/ps.ts';
import { isKernelAddress, MM_HIGHEST_USER_ADDRESS, PAGE_SIZE, pageBase, PTE_NO_EXECUTE, PTE_VALID, PTE_WRITE } from './layout.ts';
import { mmAllocatePage, mmFreePage } from './pfn.ts';
import { mmIsPagedOut, mmPageIn } from './paging.ts';
import { mmGetPte, mmMapPage } from './pte.ts';
import { isSystemPteAddress } from './sysptes.ts';
import { viewFault } from './view.ts';
import { MEM_COMMIT, MEM_MAPPED, MM_REGION, protectionBits, regionAt } from './region.ts';

const R = MM_REGION.f;
const DISPATCH_LEVEL = 2;

export interface Access {
  write: boolean;
  execute?: boolean;
  /** The access of a routine of the kernel, not of code. */
  own?: boolean;
}

/**
 * Makes the page at `va` what the current process is entitled to. True: it is there now and the access may be tried again; false: the access is wrong, or memory is
 * used up. At DISPATCH_LEVEL and above no fault is repaired.
 */
export function mmAccessFault(k: Kernel, va: number, access: Access, irql = k.irql): boolean {
  if (isKernelAddress(va)) return kernelFault(k, va, access, irql);
  if (irql >= DISPATCH_LEVEL || va > MM_HIGHEST_USER_ADDRESS) return false;
  return userFault(k, va, access);
}

/**
 * A page of the kernel half that was trimmed comes back. At DISPATCH_LEVEL and above that is refused to code; a routine of the kernel's own, in whose gate the machine stands,
 * finds paged pool at any IRQL, as its tables there count as nonpaged.
 */
function kernelFault(k: Kernel, va: number, access: Access, irql: number): boolean {
  if (irql >= DISPATCH_LEVEL && access.own !== true) return false;
  return mmIsPagedOut(k, va) ? mmPageIn(k, va) : isSystemPteAddress(va) && viewFault(k, va, access);
}

/** A page of a private region is made, zeroed, when it is first touched; a view has rules of its own. */
function userFault(k: Kernel, va: number, access: Access): boolean {
  const process = k.currentProcess();
  const region = regionAt(k, process, va);
  if (!region) return viewFault(k, va, access);
  if (R.State.get(k.mem, region) !== MEM_COMMIT || R.Type.get(k.mem, region) === MEM_MAPPED) return false;
  const bits = protectionBits(R.Protect.get(k.mem, region));
  if (bits === null || (access.write && !(bits & PTE_WRITE)) || (access.execute && bits & PTE_NO_EXECUTE)) return false;
  const pte = mmGetPte(k, va);
  // Somebody else was faster: the page is there and allows the access.
  if (pte & PTE_VALID) return !(access.write && !(pte & PTE_WRITE)) && !(access.execute && pte & PTE_NO_EXECUTE);
  const pfn = mmAllocatePage(k, true);
  if (pfn < 0) return false;
  if (!mmMapPage(k, pageBase(va), pfn, bits)) {
    mmFreePage(k, pfn);
    return false;
  }
  addPrivatePages(k, process, 1);
  return true;
}

/** Counts pages that a process has for itself (EPROCESS.NumberOfPrivatePages). */
export function addPrivatePages(k: Kernel, process: number, by: number): void {
  const f = EPROCESS.f.NumberOfPrivatePages;
  f.set(k.mem, process, f.get(k.mem, process) + BigInt(by));
}

/** Touches every page of [va, va + length) of the current process, so that later accesses do not fault. False when one of them cannot be had. */
export function mmMakeResident(k: Kernel, va: number, length: number, write: boolean): boolean {
  for (let at = pageBase(va); at < va + length; at += PAGE_SIZE) {
    const pte = mmGetPte(k, at);
    if (pte & PTE_VALID && (!write || pte & PTE_WRITE)) continue;
    if (!mmAccessFault(k, at, { write })) return false;
  }
  return true;
}
