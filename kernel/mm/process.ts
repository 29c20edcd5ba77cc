/**
 * Address spaces. Each process has a PML4 of its own whose upper half is the same in all of them: the entries are copied when one is made, and an entry that is made
 * later is entered in all (`shareKernelEntry`). The lower half is the process's: regions (region.ts) whose pages are made when they are touched (fault.ts).
 */
import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { listEntries } from '../rtl/list.ts';
import { KPROCESS } from '../types/ke.ts';
import { EPROCESS } from '../types/ps.ts';
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INVALID_PARAMETER,
  STATUS_PARTIAL_COPY,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { addPrivatePages } from './fault.ts';
import {
  MM_HIGHEST_USER_ADDRESS,
  PAGE_SIZE,
  pageBase,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_NO_EXECUTE,
  PTE_PFN_MASK,
  PTE_SELF_MAP_INDEX,
  PTE_USER,
  PTE_VALID,
  PTE_WRITE,
  USER_SHARED_DATA,
} from './layout.ts';
import { isRam, mmAllocatePage, mmFreePage } from './pfn.ts';
import { mmFreeEmptyTables, mmGetPte, mmProtectPage, mmUnmapPage } from './pte.ts';
import {
  createRegion,
  MEM_MAPPED,
  MM_REGION,
  protectionBits,
  regionAt,
  type RegionRequest,
  regionsOf,
  removeRegion,
} from './region.ts';
import { unmapAllViews } from './view.ts';

const R = MM_REGION.f;
const E = EPROCESS.f;
/** Entries of a table, and the first of the upper half. */
const ENTRIES = 512,
  KERNEL_HALF = 256;
const TABLE = PTE_VALID | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY;

/** The page-table entry for a user address under `root`, making tables on the way; -1 without memory. */
function userEntry(k: Kernel, root: number, va: number): number {
  const { memory } = k.platform;
  let table = root;
  for (let l = 3; l > 0; l--) {
    const at = table + (Math.floor(va / (PAGE_SIZE * ENTRIES ** l)) % ENTRIES) * 8;
    let e = memory.read64(at);
    if (!(e & PTE_VALID)) {
      const page = mmAllocatePage(k, true);
      if (page < 0) return -1;
      e = BigInt(page * PAGE_SIZE) | TABLE | PTE_USER;
      memory.write64(at, e);
    }
    table = Number(e & PTE_PFN_MASK);
  }
  return table + (Math.floor(va / PAGE_SIZE) % ENTRIES) * 8;
}

/** MmCreateProcessAddressSpace: a PML4 that shares the kernel's half and has nothing in the user's but the shared page. Its physical address, or 0 without memory. */
export function mmCreateAddressSpace(k: Kernel): number {
  const { memory } = k.platform;
  const page = mmAllocatePage(k, true);
  if (page < 0) return 0;
  const root = page * PAGE_SIZE;
  const system = Number(k.global.get('LoaderDirectoryTable'));
  memory.writeBytes(root + KERNEL_HALF * 8, memory.readBytes(system + KERNEL_HALF * 8, KERNEL_HALF * 8));
  memory.write64(root + PTE_SELF_MAP_INDEX * 8, BigInt(root) | TABLE | PTE_NO_EXECUTE);
  const shared = userEntry(k, root, USER_SHARED_DATA);
  if (shared < 0) {
    freeUserTables(k, root);
    mmFreePage(k, page);
    return 0;
  }
  memory.write64(shared, memory.read64(userEntry(k, system, USER_SHARED_DATA)));
  return root;
}

/** Gives back the page tables of the user half. The pages that they map must be gone; the entry of the shared page is only dropped. */
function freeUserTables(k: Kernel, root: number): void {
  const { memory } = k.platform;
  const free = (table: number, level: number, entries: number): void => {
    for (let i = 0; i < entries; i++) {
      const e = memory.read64(table + i * 8);
      if (!(e & PTE_VALID)) continue;
      if (level > 1) free(Number(e & PTE_PFN_MASK), level - 1, ENTRIES);
      memory.write64(table + i * 8, 0n);
      mmFreePage(k, Number((e & PTE_PFN_MASK) >> 12n));
    }
  };
  free(root, 3, KERNEL_HALF);
}

/** MmDeleteProcessAddressSpace: gives a PML4 back with the tables of its user half, which {@link mmCleanAddressSpace} has emptied. No processor may be using it. */
export function mmDeleteAddressSpace(k: Kernel, root: number): void {
  freeUserTables(k, root);
  mmFreePage(k, root / PAGE_SIZE);
}

/** Makes a fresh entry of the kernel's half the same in every address space. `index` is its number in the PML4. Called by the page-table code when it makes one. */
export function shareKernelEntry(k: Kernel, index: number, entry: bigint): void {
  const { memory } = k.platform;
  memory.write64(Number(k.global.get('LoaderDirectoryTable')) + index * 8, entry);
  const head = k.global.address('PsActiveProcessHead');
  // At boot there is the one address space only.
  if (k.mem.readPtr(head) === 0) return;
  for (const link of listEntries(k.mem, head)) {
    const root = Number(KPROCESS.f.DirectoryTableBase.get(k.mem, link - E.ActiveProcessLinks.offset));
    if (root) memory.write64(root + index * 8, entry);
  }
}

/** Runs `work` with the address space of `process` in place of the current one, as an attached thread would see memory; within one gate. */
export function inAddressSpace<T>(k: Kernel, process: number, work: () => T): T {
  const before = k.cpu.cr(3);
  const root = Number(KPROCESS.f.DirectoryTableBase.get(k.mem, process));
  if (root === before) return work();
  // The process that faults are repaired for is that of the thread's APC state.
  const thread = k.currentThread();
  const at = thread + APC_STATE_PROCESS;
  const attached = k.mem.readPtr(at);
  k.cpu.setCr(3, root);
  k.mem.writePtr(at, process);
  try {
    return work();
  } finally {
    k.mem.writePtr(at, attached);
    k.cpu.setCr(3, before);
  }
}
/** KTHREAD.ApcState.Process. */
const APC_STATE_PROCESS = 0xb8;

/** Reserves and commits private memory in a process. Pages come into being when they are touched. */
export const mmAllocateUserMemory = (k: Kernel, process: number, r: RegionRequest): ReturnType<typeof createRegion> =>
  createRegion(k, process, r);

/** Frees the region of the current process that starts at `base`, with its pages. STATUS_INVALID_PARAMETER when none does. */
export function mmFreeUserMemory(k: Kernel, process: number, base: number): number {
  const region = regionAt(k, process, base);
  if (!region || R.Start.get(k.mem, region) !== base) return STATUS_INVALID_PARAMETER;
  inAddressSpace(k, process, () => freeUserPages(k, process, base, R.End.get(k.mem, region)));
  removeRegion(k, process, region);
  return STATUS_SUCCESS;
}

/** Unmaps the pages of [from, to) in the current address space and gives them up, with the page tables that have nothing left to map; they count as the process's own unless they are `mapped` ones. */
export function freeUserPages(k: Kernel, process: number, from: number, to: number, mapped = false): void {
  let freed = 0;
  for (let va = from; va < to; va += PAGE_SIZE) {
    const pfn = mmUnmapPage(k, va);
    if (pfn < 0) continue;
    if (isRam(k, pfn)) mmFreePage(k, pfn);
    freed++;
  }
  if (freed > 0) mmFreeEmptyTables(k, from, to - from);
  if (!mapped) addPrivatePages(k, process, -freed);
}

/** Changes the protection of a whole region, and of its pages that are there. The old protection, or a status in `status`. */
export function mmProtectUserMemory(k: Kernel, process: number, base: number, protect: number): { status: number; old: number } {
  const bits = protectionBits(protect);
  const region = regionAt(k, process, base);
  if (!region || bits === null) return { status: region ? STATUS_INVALID_PARAMETER : STATUS_CONFLICTING_ADDRESSES, old: 0 };
  const old = R.Protect.get(k.mem, region);
  R.Protect.set(k.mem, region, protect);
  const end = R.End.get(k.mem, region);
  inAddressSpace(k, process, () => {
    for (let va = R.Start.get(k.mem, region); va < end; va += PAGE_SIZE)
      if (mmGetPte(k, va) & PTE_VALID) mmProtectPage(k, va, PTE_WRITE | PTE_NO_EXECUTE, bits & (PTE_WRITE | PTE_NO_EXECUTE));
  });
  return { status: STATUS_SUCCESS, old };
}

/** MmCleanProcessAddressSpace: the user half becomes empty: views of sections, private memory, and what else is mapped there. */
export function mmCleanAddressSpace(k: Kernel, process: number): void {
  inAddressSpace(k, process, () => {
    unmapAllViews(k, process);
    for (const region of regionsOf(k, process)) {
      freeUserPages(k, process, R.Start.get(k.mem, region), R.End.get(k.mem, region), R.Type.get(k.mem, region) === MEM_MAPPED);
      removeRegion(k, process, region);
    }
  });
}

/** Writes `bytes` at `va` of a process, whatever the protection of the pages: for images, and for what a process is made with. False when a page cannot be had. */
export function mmWriteUser(k: Kernel, process: number, va: number, bytes: Uint8Array): boolean {
  return inAddressSpace(k, process, () => {
    for (let done = 0; done < bytes.length;) {
      const at = va + done;
      const part = bytes.subarray(done, done + Math.min(bytes.length - done, PAGE_SIZE - (at - pageBase(at))));
      // A read makes the page; its physical address can be written whatever the page allows.
      try {
        k.mem.probe(at, 1, false);
      } catch (e) {
        if (e instanceof GuestFault) return false;
        throw e;
      }
      k.platform.memory.writeBytes(k.mem.translate(at), part);
      done += part.length;
    }
    return true;
  });
}

/**
 * MmCopyVirtualMemory: copies between two processes. STATUS_PARTIAL_COPY when it comes to an address that cannot be read or written, STATUS_ACCESS_VIOLATION when that is
 * the first; `copied` bytes have arrived. `user`: addresses of the kernel's half are refused.
 */
export function mmCopyVirtualMemory(
  k: Kernel,
  from: { process: number; address: number },
  to: { process: number; address: number },
  length: number,
  user: boolean,
): { status: number; copied: number } {
  const outside = (va: number): boolean => user && length > 0 && (va < 0 || va + length - 1 > MM_HIGHEST_USER_ADDRESS);
  if (outside(from.address) || outside(to.address)) return { status: STATUS_ACCESS_VIOLATION, copied: 0 };
  let copied = 0;
  try {
    while (copied < length) {
      const source = from.address + copied,
        target = to.address + copied;
      const part = Math.min(length - copied, PAGE_SIZE - (source - pageBase(source)), PAGE_SIZE - (target - pageBase(target)));
      const bytes = inAddressSpace(k, from.process, () => k.mem.readBytes(source, part));
      inAddressSpace(k, to.process, () => k.mem.writeBytes(target, bytes));
      copied += part;
    }
  } catch (e) {
    if (!(e instanceof GuestFault)) throw e;
    return { status: copied ? STATUS_PARTIAL_COPY : STATUS_ACCESS_VIOLATION, copied };
  }
  return { status: STATUS_SUCCESS, copied };
}
