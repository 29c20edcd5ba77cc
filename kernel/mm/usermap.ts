/** Pages of an MDL in the user half of the current process (MmMapLockedPagesSpecifyCache with UserMode). Each mapping holds a reference to its pages. */
import type { Kernel } from '../kernel.ts';
import { MDL } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { cacheBits } from './iospace.ts';
import { PAGE_SIZE, pageBase, PTE_NO_EXECUTE, PTE_USER, PTE_WRITE } from './layout.ts';
import { mdlFrame, mdlPages } from './mdl.ts';
import { mmReferencePage } from './pfn.ts';
import { freeUserPages } from './process.ts';
import { mmMapPage } from './pte.ts';
import { createRegion, MEM_MAPPED, MM_REGION, PAGE_READONLY, PAGE_READWRITE, regionAt, removeRegion } from './region.ts';
import { viewRanges } from './section.ts';

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
