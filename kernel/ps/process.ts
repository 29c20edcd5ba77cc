import type { Kernel } from '../kernel.ts';
import { keInitializeProcess } from '../ke/thread.ts';
import { initializeListHead, insertTailList } from '../ke/list.ts';
import { interruptTime, systemTime } from '../ke/time.ts';
import { MM_HIGHEST_USER_ADDRESS } from '../mm/layout.ts';
import { mmCreateAddressSpace } from '../mm/process.ts';
import { initializeRegions } from '../mm/region.ts';
import { obCreateHandleTable } from '../ob/handle.ts';
import { obCreateObject } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { inheritToken } from '../se/subject.ts';
import { EPROCESS, PSF_CREATE_REPORTED } from '../types/ps.ts';
import { allocateCid, freeCid } from './cid.ts';

const E = EPROCESS.f;

/** Base priority of the threads of system processes. */
export const SYSTEM_BASE_PRIORITY = 8;

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
  initializeRegions(k, process);
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
  const directoryTable = first ? Number(k.global.get('LoaderDirectoryTable')) : mmCreateAddressSpace(k);
  const pid = allocateCid(k, process);
  if (!directoryTable || !pid) {
    if (pid) freeCid(k, pid);
    return 0;
  }
  fillProcess(k, process, directoryTable, imageName);
  E.UniqueProcessId.set(k.mem, process, pid);
  // Nobody was there to be told of the kernel's own processes.
  E.Flags.set(k.mem, process, PSF_CREATE_REPORTED);
  // The object manager makes the system process's table itself, with the namespace.
  if (!first) {
    const table = obCreateHandleTable(k, process, pid);
    if (!table) return 0;
    E.ObjectTable.set(k.mem, process, table);
    if (!inheritToken(k, process, k.mem.readPtr(k.address('nt!PsInitialSystemProcess')))) return 0;
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
