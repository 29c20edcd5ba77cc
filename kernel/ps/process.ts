import type { Kernel } from '../kernel.ts';
import { keInitializeProcess } from '../ke/thread.ts';
import { initializeListHead, insertTailList, removeEntryList } from '../ke/list.ts';
import { interruptTime, systemTime } from '../ke/time.ts';
import { MM_HIGHEST_USER_ADDRESS } from '../mm/layout.ts';
import { mmCreateAddressSpace, mmDeleteAddressSpace } from '../mm/process.ts';
import { initializeRegions } from '../mm/region.ts';
import { obCreateHandleTable, obDeleteHandleTable } from '../ob/handle.ts';
import { freeObject, obCreateObject } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { inheritToken, releasePrimaryToken } from '../se/subject.ts';
import { KPROCESS } from '../types/ke.ts';
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
  const process = psCreateProcess(k, imageName);
  // Nobody was there to be told of the kernel's own processes.
  if (process) E.Flags.set(k.mem, process, E.Flags.get(k.mem, process) | PSF_CREATE_REPORTED);
  return process;
}

/** The part that all processes have in common: object, address space, id, handle table, place in the list. EPROCESS with one reference, or 0. */
export function psCreateProcess(k: Kernel, imageName: string): number {
  const system = k.mem.readPtr(k.address('nt!PsInitialSystemProcess'));
  const first = system === 0;
  const process = obCreateObject(k, exportedType(k, 'PsProcessType'), EPROCESS.size, { permanent: first });
  if (!process) return 0;
  const directoryTable = first ? Number(k.global.get('LoaderDirectoryTable')) : mmCreateAddressSpace(k);
  const pid = allocateCid(k, process);
  // The object manager makes the system process's table itself, with the namespace.
  const table = first || !pid ? 0 : obCreateHandleTable(k, process, pid);
  const token = first || inheritToken(k, process, system);
  if (!directoryTable || !pid || (!first && !table) || !token) {
    releasePrimaryToken(k, process);
    if (table) obDeleteHandleTable(k, table);
    if (pid) freeCid(k, pid);
    if (directoryTable && !first) mmDeleteAddressSpace(k, directoryTable);
    freeObject(k, process);
    return 0;
  }
  fillProcess(k, process, directoryTable, imageName);
  E.UniqueProcessId.set(k.mem, process, pid);
  if (!first) {
    E.ObjectTable.set(k.mem, process, table);
    E.InheritedFromUniqueProcessId.set(k.mem, process, E.UniqueProcessId.get(k.mem, system));
  }
  insertTailList(k.mem, k.global.address('PsActiveProcessHead'), process + E.ActiveProcessLinks.offset);
  return process;
}

/** PspProcessDelete: what a process object holds, when its last reference goes. Its last thread has emptied the address space and closed the handles. */
export function deleteProcess(k: Kernel, process: number): void {
  freeCid(k, E.UniqueProcessId.get(k.mem, process));
  releasePrimaryToken(k, process);
  removeEntryList(k, process + E.ActiveProcessLinks.offset);
  const root = Number(KPROCESS.f.DirectoryTableBase.get(k.mem, process));
  if (root) mmDeleteAddressSpace(k, root);
}

/** The idle process: not an object, not in the list, id 0. */
export function initializeIdleProcess(k: Kernel): number {
  const process = k.global.address('KiInitialProcess');
  fillProcess(k, process, Number(k.global.get('LoaderDirectoryTable')), 'Idle');
  return process;
}
