import type { Kernel } from '../kernel.ts';
import { keInitializeProcess } from '../ke/thread.ts';
import { initializeListHead, insertTailList } from '../ke/list.ts';
import { interruptTime, systemTime } from '../ke/time.ts';
import {
  MM_HIGHEST_USER_ADDRESS,
  PAGE_SIZE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_NO_EXECUTE,
  PTE_PFN_MASK,
  PTE_SELF_MAP_INDEX,
  PTE_USER,
  PTE_VALID,
  PTE_WRITE,
  USER_SHARED_DATA,
} from '../mm/layout.ts';
import { mmAllocatePage, mmFreePage } from '../mm/pfn.ts';
import { obCreateHandleTable } from '../ob/handle.ts';
import { obCreateObject } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { EPROCESS } from '../types/ps.ts';
import { allocateCid, freeCid } from './cid.ts';

const E = EPROCESS.f;

/** Base priority of the threads of system processes. */
export const SYSTEM_BASE_PRIORITY = 8;

/** The page-table entry of `level` for a user address under `root`, making tables on the way; -1 without memory. */
function userEntry(k: Kernel, root: number, va: number, level: number): number {
  let table = root;
  for (let l = 3; l > level; l--) {
    const at = table + (Math.floor(va / (PAGE_SIZE * 512 ** l)) % 512) * 8;
    let e = k.platform.memory.read64(at);
    if (!(e & PTE_VALID)) {
      const page = mmAllocatePage(k, true);
      if (page < 0) return -1;
      e = BigInt(page * PAGE_SIZE) | PTE_VALID | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY;
      k.platform.memory.write64(at, e);
    }
    table = Number(e & PTE_PFN_MASK);
  }
  return table + (Math.floor(va / (PAGE_SIZE * 512 ** level)) % 512) * 8;
}

/** MmCreateProcessAddressSpace: a PML4 that shares the kernel's half and has nothing in the user's but the shared page. Its physical address, or 0 without memory. */
export function createAddressSpace(k: Kernel): number {
  const page = mmAllocatePage(k, true);
  if (page < 0) return 0;
  const root = page * PAGE_SIZE;
  const memory = k.platform.memory;
  const system = Number(k.global.get('LoaderDirectoryTable'));
  memory.writeBytes(root + 256 * 8, memory.readBytes(system + 256 * 8, 256 * 8));
  memory.write64(root + PTE_SELF_MAP_INDEX * 8, BigInt(root) | PTE_VALID | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NO_EXECUTE);
  const shared = userEntry(k, root, USER_SHARED_DATA, 0);
  if (shared < 0) {
    mmFreePage(k, page);
    return 0;
  }
  memory.write64(shared, memory.read64(userEntry(k, system, USER_SHARED_DATA, 0)));
  return root;
}

function fillProcess(k: Kernel, process: number, directoryTable: number, imageName: string): void {
  const m = k.mem;
  keInitializeProcess(k, process, directoryTable, SYSTEM_BASE_PRIORITY);
  E.CreateTime.set(m, process, systemTime(k));
  E.CreateInterruptTime.set(m, process, interruptTime(k));
  E.HighestUserAddress.set(m, process, MM_HIGHEST_USER_ADDRESS);
  E.PriorityClass.set(m, process, 2);
  E.ExitStatus.set(m, process, 0x103);
  initializeListHead(m, process + E.ThreadListHead.offset);
  initializeListHead(m, process + E.ActiveProcessLinks.offset);
  const name = Uint8Array.from({ length: 15 }, (_, i) => (i < 14 && i < imageName.length ? imageName.charCodeAt(i) & 0xff : 0));
  m.writeBytes(process + E.ImageFileName.offset, name);
}

/**
 * PsCreateSystemProcess: a process without a user-mode image, in its own address space, with a handle table, in the list of active processes. EPROCESS with one
 * reference, or 0 when memory or ids are used up. The first one is the system process, which keeps the boot loader's address space.
 */
export function psCreateSystemProcess(k: Kernel, imageName: string): number {
  const first = k.mem.readPtr(k.address('nt!PsInitialSystemProcess')) === 0;
  const process = obCreateObject(k, exportedType(k, 'PsProcessType'), EPROCESS.size, { permanent: first });
  if (!process) return 0;
  const directoryTable = first ? Number(k.global.get('LoaderDirectoryTable')) : createAddressSpace(k);
  const pid = allocateCid(k, process);
  if (!directoryTable || !pid) {
    if (pid) freeCid(k, pid);
    return 0;
  }
  fillProcess(k, process, directoryTable, imageName);
  E.UniqueProcessId.set(k.mem, process, pid);
  // The object manager makes the system process's table itself, with the namespace.
  if (!first) {
    const table = obCreateHandleTable(k, process, pid);
    if (!table) return 0;
    E.ObjectTable.set(k.mem, process, table);
    E.InheritedFromUniqueProcessId.set(
      k.mem,
      process,
      E.UniqueProcessId.get(k.mem, k.mem.readPtr(k.address('nt!PsInitialSystemProcess'))),
    );
  }
  insertTailList(k.mem, k.global.address('PsActiveProcessHead'), process + E.ActiveProcessLinks.offset);
  return process;
}

/** The idle process: not an object, not in the list, id 0. */
export function initializeIdleProcess(k: Kernel): number {
  const process = k.global.address('KiInitialProcess');
  fillProcess(k, process, Number(k.global.get('LoaderDirectoryTable')), 'Idle');
  return process;
}
