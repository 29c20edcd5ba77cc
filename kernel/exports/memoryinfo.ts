/**
 * Classes of ZwQueryVirtualMemory besides MemoryBasicInformation, which the WDK names without describing them: the file that is mapped at an address, the allocation around it, and
 * how single pages are there (MEMORY_WORKING_SET_EX_INFORMATION as PSAPI_WORKING_SET_EX_BLOCK documents it).
 */
import { inProcess } from './inprocess.ts';
import { CONTROL_AREA } from '../mm/controlarea.ts';
import { MM_HIGHEST_USER_ADDRESS, PAGE_SIZE, PTE_NO_EXECUTE, PTE_PFN_MASK, PTE_VALID, PTE_WRITE } from '../mm/layout.ts';
import { mmPageReferences } from '../mm/pfn.ts';
import { mmGetPte } from '../mm/pte.ts';
import { mmQueryVirtual } from '../mm/virtualmemory.ts';
import { MM_VIEW, viewAt } from '../mm/view.ts';
import type { Kernel } from '../kernel.ts';
import { obName, obPath } from '../ob/directory.ts';
import { readString, wide } from '../ob/string.ts';
import { FILE_OBJECT } from '../types/io.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_ADDRESS,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../types/status.ts';

const MemoryMappedFilenameInformation = 2,
  MemoryRegionInformation = 3,
  MemoryWorkingSetExInformation = 4;
const PROCESS_QUERY_INFORMATION = 0x400;
/** MEMORY_REGION_INFORMATION and its first form, which had no CommitSize. */
const REGION_SIZE = 0x20,
  SHORT_REGION_SIZE = 0x18;
const REGION_PRIVATE = 1,
  REGION_MAPPED_DATA = 2;
const MEM_MAPPED = 0x40000,
  MEM_FREE = 0x10000,
  MEM_COMMIT = 0x1000;

interface Query {
  ProcessHandle: number;
  BaseAddress: number;
  MemoryInformationClass: number;
  MemoryInformation: number;
  MemoryInformationLength: number;
  ReturnLength: number;
}

/** A name of the namespace for the file that is mapped at an address; null where none is. */
function mappedFileName(k: Kernel, process: number, va: number): string | null {
  const view = viewAt(k, process, va);
  const area = view ? MM_VIEW.f.Area.get(k.mem, view) : 0;
  const file = area ? CONTROL_AREA.f.FileObject.get(k.mem, area) : 0;
  if (!file) return null;
  const device = FILE_OBJECT.f.DeviceObject.get(k.mem, file);
  return (obName(k, device) ? obPath(k, device) : '') + readString(k, file + FILE_OBJECT.f.FileName.offset);
}

/** The answer as bytes, from inside of the process; a status when there is none. `to` is where they will lie. */
function answer(k: Kernel, process: number, a: Query, to: number): Uint8Array | number {
  const va = a.BaseAddress;
  if (va < 0 || va > MM_HIGHEST_USER_ADDRESS) return STATUS_INVALID_PARAMETER;
  if (a.MemoryInformationClass === MemoryMappedFilenameInformation) {
    const name = mappedFileName(k, process, va);
    if (name === null) return STATUS_INVALID_ADDRESS;
    const text = wide(name);
    const out = new Uint8Array(16 + text.length + 2);
    const view = new DataView(out.buffer);
    view.setUint16(0, text.length, true);
    view.setUint16(2, text.length + 2, true);
    view.setBigInt64(8, BigInt(to + 16), true);
    out.set(text, 16);
    return out;
  }
  return regionInformation(k, process, va);
}

/** MEMORY_REGION_INFORMATION: all that was allocated in one call. */
function regionInformation(k: Kernel, process: number, va: number): Uint8Array | number {
  const here = mmQueryVirtual(k, process, va);
  if (!here || here.state === MEM_FREE) return STATUS_INVALID_ADDRESS;
  let at = here.allocationBase,
    committed = 0;
  for (;;) {
    const part = mmQueryVirtual(k, process, at);
    if (!part || part.state === MEM_FREE || part.allocationBase !== here.allocationBase) break;
    if (part.state === MEM_COMMIT) committed += part.bytes;
    at += part.bytes;
  }
  const out = new Uint8Array(REGION_SIZE);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(here.allocationBase), true);
  view.setUint32(8, here.allocationProtect, true);
  view.setUint32(12, here.type === MEM_MAPPED ? REGION_MAPPED_DATA : REGION_PRIVATE, true);
  view.setBigUint64(16, BigInt(at - here.allocationBase), true);
  view.setBigUint64(24, BigInt(committed), true);
  return out;
}

/** Win32Protection of a page that is there. */
const protectionOf = (pte: bigint): number => (pte & PTE_NO_EXECUTE ? (pte & PTE_WRITE ? 4 : 2) : pte & PTE_WRITE ? 0x40 : 0x20);

/** One page: bit 0 valid, 1-3 share count, 4-14 protection, 15 shared. */
function workingSetAttributes(k: Kernel, process: number, va: number): bigint {
  if (va < 0 || va > MM_HIGHEST_USER_ADDRESS) return 0n;
  const pte = mmGetPte(k, va);
  const shared = viewAt(k, process, va) ? 1 << 15 : 0;
  if (!(pte & PTE_VALID)) return BigInt(shared);
  const shares = Math.min(7, mmPageReferences(k, Number((pte & PTE_PFN_MASK) / BigInt(PAGE_SIZE))));
  return BigInt(1 | (shares << 1) | (protectionOf(pte) << 4) | shared);
}

/** ZwQueryVirtualMemory for the other classes. */
export function moreMemoryInformation(k: Kernel, a: Query): number {
  const { mem } = k;
  const length = a.MemoryInformationLength,
    to = a.MemoryInformation;
  const give = (bytes: number): void => {
    if (a.ReturnLength) mem.write64(a.ReturnLength, BigInt(bytes));
  };
  switch (a.MemoryInformationClass) {
    case MemoryWorkingSetExInformation: {
      const count = Math.floor(length / 16);
      if (count === 0) return STATUS_INFO_LENGTH_MISMATCH;
      mem.probe(to, count * 16, true);
      const addresses = Array.from({ length: count }, (_, i) => mem.readPtr(to + i * 16));
      let found: bigint[] = [];
      const status = inProcess(k, a.ProcessHandle, PROCESS_QUERY_INFORMATION, process => {
        found = addresses.map(va => workingSetAttributes(k, process, va));
        return STATUS_SUCCESS;
      });
      if (status !== STATUS_SUCCESS) return status;
      found.forEach((v, i) => mem.write64(to + i * 16 + 8, v));
      give(count * 16);
      return STATUS_SUCCESS;
    }
    case MemoryMappedFilenameInformation:
    case MemoryRegionInformation: {
      const name = a.MemoryInformationClass === MemoryMappedFilenameInformation;
      if (!name && length < SHORT_REGION_SIZE) return STATUS_INFO_LENGTH_MISMATCH;
      let found: Uint8Array | number = STATUS_INVALID_PARAMETER;
      const status = inProcess(k, a.ProcessHandle, PROCESS_QUERY_INFORMATION, process => {
        found = answer(k, process, a, to);
        return typeof found === 'number' ? found : STATUS_SUCCESS;
      });
      const bytes = found as Uint8Array | number;
      if (status !== STATUS_SUCCESS || typeof bytes === 'number') return status;
      const size = name ? bytes.length : Math.min(length, bytes.length);
      give(size);
      if (length < size) return length < 16 ? STATUS_INFO_LENGTH_MISMATCH : STATUS_BUFFER_OVERFLOW;
      mem.writeBytes(to, bytes.subarray(0, size));
      return STATUS_SUCCESS;
    }
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}
