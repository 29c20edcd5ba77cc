/** Pages of an MDL in the user half of the current process (MmMapLockedPagesSpecifyCache with UserMode). Each mapping holds a reference to its pages. */
import type { Kernel } from '../kernel.ts';
import { MDL } from '../types/mm.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_PARAMETER_3,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { addPrivatePages, mmMakeResident } from './fault.ts';
import { cacheBits } from './iospace.ts';
import { isKernelAddress, PAGE_SIZE, pageBase, PTE_NO_EXECUTE, PTE_USER, PTE_WRITE } from './layout.ts';
import { mdlFrame, mdlPages } from './mdl.ts';
import { isRam, mmAllocatePage, mmFreePage, mmReferencePage } from './pfn.ts';
import { freeUserPages } from './process.ts';
import { mmGetPhysicalAddress, mmMapPage, mmUnmapPage } from './pte.ts';
import {
  createRegion,
  MEM_COMMIT,
  MEM_MAPPED,
  MM_REGION,
  PAGE_READONLY,
  PAGE_READWRITE,
  protectionBits,
  regionAt,
  removeRegion,
} from './region.ts';
import { viewRanges } from './view.ts';

const R = MM_REGION.f;
/** Mappings start at multiples of this. */
const GRANULARITY = 0x10000;

/** Maps the pages of an MDL at `requested`, rounded down, or anywhere for 0: not executable, and writable if asked. The address with the MDL's byte offset, or a status. */
export function mmMapLockedPagesUser(
  k: Kernel,
  mdl: number,
  cacheType: number,
  requested: number,
  writable: boolean,
): { status: number; va: number } {
  const process = k.currentProcess();
  const pages = mdlPages(k, mdl);
  const made = createRegion(k, process, {
    base: requested - (requested % GRANULARITY),
    bytes: pages * PAGE_SIZE,
    protect: writable ? PAGE_READWRITE : PAGE_READONLY,
    type: MEM_MAPPED,
    taken: viewRanges(k, process),
  });
  if (made.status !== STATUS_SUCCESS) return { status: made.status, va: 0 };
  const bits = PTE_USER | PTE_NO_EXECUTE | (writable ? PTE_WRITE : 0n) | cacheBits(cacheType);
  for (let i = 0; i < pages; i++) {
    const pfn = mdlFrame(k, mdl, i);
    if (mmMapPage(k, made.base + i * PAGE_SIZE, pfn, bits)) mmReferencePage(k, pfn);
    else {
      mmUnmapUserPages(k, made.base);
      return { status: STATUS_INSUFFICIENT_RESOURCES, va: 0 };
    }
  }
  return { status: STATUS_SUCCESS, va: made.base + MDL.f.ByteOffset.get(k.mem, mdl) };
}

/** Undoes a mapping of the current process. False when there is none at the address. */
export function mmUnmapUserPages(k: Kernel, va: number): boolean {
  const process = k.currentProcess();
  const region = regionAt(k, process, va);
  if (!region || R.Type.get(k.mem, region) !== MEM_MAPPED || R.Start.get(k.mem, region) !== pageBase(va)) return false;
  freeUserPages(k, process, R.Start.get(k.mem, region), R.End.get(k.mem, region), true);
  removeRegion(k, process, region);
  return true;
}

/** Whether [va, va + bytes) is committed private memory of one region of the current process, from page to page. */
function privateRange(k: Kernel, va: number, bytes: number): boolean {
  if (va < 0 || va % PAGE_SIZE !== 0 || !(bytes > 0) || bytes % PAGE_SIZE !== 0) return false;
  const region = regionAt(k, k.currentProcess(), va);
  return (
    region !== 0 &&
    R.State.get(k.mem, region) === MEM_COMMIT &&
    R.Type.get(k.mem, region) !== MEM_MAPPED &&
    va + bytes <= R.End.get(k.mem, region)
  );
}

/** Puts a frame under a page of private memory; the page that was there is given up. The reference to the frame is the page's from now on. */
function putFrame(k: Kernel, va: number, pfn: number): boolean {
  const process = k.currentProcess();
  const bits = protectionBits(R.Protect.get(k.mem, regionAt(k, process, va)));
  const old = mmUnmapPage(k, va);
  if (old >= 0 && isRam(k, old)) mmFreePage(k, old);
  if (!mmMapPage(k, va, pfn, bits ?? PTE_NO_EXECUTE)) return false;
  if (old < 0) addPrivatePages(k, process, 1);
  return true;
}

/** MmMapUserAddressesToPage: all pages of a range become the one page that is at the system address `page`. STATUS_INVALID_PARAMETER_1 for a range that is no private memory, _3 for the page. */
export function mmMapUserAddressesToPage(k: Kernel, va: number, bytes: number, page: number): number {
  if (!privateRange(k, va, bytes)) return STATUS_INVALID_PARAMETER_1;
  const pa = isKernelAddress(page) ? mmGetPhysicalAddress(k, page) : 0;
  if (pa === 0 || !isRam(k, Math.floor(pa / PAGE_SIZE))) return STATUS_INVALID_PARAMETER_3;
  const pfn = Math.floor(pa / PAGE_SIZE);
  for (let at = va; at < va + bytes; at += PAGE_SIZE) {
    mmReferencePage(k, pfn);
    if (!putFrame(k, at, pfn)) return STATUS_INSUFFICIENT_RESOURCES;
  }
  return STATUS_SUCCESS;
}

/** The page frames under a range of private memory, made resident; null when it is none. */
export function rotatableFrames(k: Kernel, va: number, bytes: number): number[] | null {
  if (!privateRange(k, va, bytes) || !mmMakeResident(k, va, bytes, false)) return null;
  return Array.from({ length: bytes / PAGE_SIZE }, (_, i) => Math.floor(mmGetPhysicalAddress(k, va + i * PAGE_SIZE) / PAGE_SIZE));
}

/** What MmRotatePhysicalView does with pages. */
export const rotate = {
  /** Ordinary pages; null when there are not as many. */
  freshPages(k: Kernel, count: number): number[] | null {
    const frames: number[] = [];
    while (frames.length < count) {
      const pfn = mmAllocatePage(k, true);
      if (pfn < 0) {
        rotate.giveBack(k, frames);
        return null;
      }
      frames.push(pfn);
    }
    return frames;
  },
  giveBack(k: Kernel, frames: readonly number[]): void {
    for (const pfn of frames) mmFreePage(k, pfn);
  },
  /** Copies page by page; device memory is left to the driver's own routine. */
  copy(k: Kernel, from: readonly number[], to: readonly number[]): void {
    from.forEach((pfn, i) => {
      if (isRam(k, pfn) && isRam(k, to[i]!))
        k.platform.memory.writeBytes(to[i]! * PAGE_SIZE, k.platform.memory.readBytes(pfn * PAGE_SIZE, PAGE_SIZE));
    });
  },
  /** The frames take the places of the present ones. `owned`: they belong to the range alone; others get a reference. */
  replace(k: Kernel, va: number, frames: readonly number[], owned: boolean): boolean {
    return frames.every((pfn, i) => {
      if (!owned) mmReferencePage(k, pfn);
      return putFrame(k, va + i * PAGE_SIZE, pfn);
    });
  },
};
