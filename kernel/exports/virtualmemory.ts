/** Virtual memory services, and what drivers do to user memory. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { MM_HIGHEST_USER_ADDRESS, PAGE_SIZE } from '../mm/layout.ts';
import { mmMakeResident } from '../mm/fault.ts';
import { isFileArea, referenceView, releaseView } from '../mm/controlarea.ts';
import { highestAddress, TOO_MANY_ZERO_BITS } from '../mm/region.ts';
import { MM_VIEW, viewAt } from '../mm/view.ts';
import { inProcess } from './inprocess.ts';
import { moreMemoryInformation } from './memoryinfo.ts';
import {
  mmAllocateVirtual,
  mmFreeVirtual,
  mmProtectVirtual,
  mmQueryVirtual,
  mmSecureVirtual,
  mmUnsecureVirtual,
} from '../mm/virtualmemory.ts';
import { probeCaller } from '../ob/mode.ts';
import { MEMORY_MANAGEMENT } from '../types/bugcodes.ts';
import {
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_2,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_5,
  STATUS_INVALID_PARAMETER_6,
  STATUS_NOT_MAPPED_VIEW,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { IO_STATUS_BLOCK } from '../types/io.ts';
import { ptr } from '../types/struct.ts';
import { call, HANDLE, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ret, SIZE_T, ULONG, ULONG64, VOID } from './declare.ts';
import { service, stepService } from './service.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const;
const PROCESS_VM_OPERATION = 0x8,
  PROCESS_QUERY_INFORMATION = 0x400;

/** Reads a range that is given by pointers to its base and size, and lets `work` write another one back. */
function withRange(
  k: Kernel,
  a: { readonly ProcessHandle: number; readonly BaseAddress: number; readonly RegionSize: number },
  work: (process: number, base: number, bytes: number) => { status: number; base: number; bytes: number },
): number {
  probeCaller(k, a.BaseAddress);
  probeCaller(k, a.RegionSize);
  k.mem.probe(a.BaseAddress, 8, true);
  k.mem.probe(a.RegionSize, 8, true);
  const base = Number(BigInt.asIntN(64, k.mem.read64(a.BaseAddress))),
    bytes = Number(k.mem.read64(a.RegionSize));
  let result = { status: 0, base: 0, bytes: 0 };
  const status = inProcess(k, a.ProcessHandle, PROCESS_VM_OPERATION, process => (result = work(process, base, bytes)).status);
  if (status !== STATUS_SUCCESS) return status;
  k.mem.writePtr(a.BaseAddress, result.base);
  k.mem.write64(a.RegionSize, BigInt(result.bytes));
  return STATUS_SUCCESS;
}

/** Pages of a control area that a part of a view shows. */
interface ViewPart {
  area: number;
  file: boolean;
  first: number;
  count: number;
  bytes: number;
}

/** The part of the view at `base` that is meant: `bytes` of it, or all the rest for 0. Null where no view is. */
function viewPart(k: Kernel, process: number, base: number, bytes: number): ViewPart | null {
  const view = viewAt(k, process, base);
  if (!view) return null;
  const V = MM_VIEW.f;
  const start = V.Base.get(k.mem, view);
  const from = Math.floor((base - start) / PAGE_SIZE),
    pages = V.Pages.get(k.mem, view);
  const to = bytes ? Math.min(pages, Math.ceil((base - start + bytes) / PAGE_SIZE)) : pages;
  const area = V.Area.get(k.mem, view);
  const first = V.First.get(k.mem, view) + from;
  return { area, file: area !== 0 && isFileArea(k, area), first, count: to - from, bytes: bytes || pages * PAGE_SIZE - (base - start) };
}

/** MEMORY_INFORMATION_CLASS, and the size of MEMORY_BASIC_INFORMATION. */
const MemoryBasicInformation = 0,
  BASIC_INFORMATION_SIZE = 48;
const RESERVE = 0x2000;
/** VIRTUAL_MEMORY_INFORMATION_CLASS. */
const VmPrefetchInformation = 0;

const rangeArgs = { ProcessHandle: HANDLE, BaseAddress: PVOID, RegionSize: PVOID } as const;

export const virtualMemoryExports: NtExport[] = [
  ...service({
    name: 'AllocateVirtualMemory',
    doc: 'Reserves, commits, or both, a range of pages in the user half of a process.',
    irql: PASSIVE,
    args: { ProcessHandle: HANDLE, BaseAddress: PVOID, ZeroBits: ULONG64, RegionSize: PVOID, AllocationType: ULONG, Protect: ULONG },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl(k, a) {
      if (a.ZeroBits >= TOO_MANY_ZERO_BITS) return STATUS_INVALID_PARAMETER_3;
      return withRange(k, a, (process, base, bytes) =>
        mmAllocateVirtual(k, process, base, bytes, a.AllocationType, a.Protect, highestAddress(Number(a.ZeroBits))),
      );
    },
  }),
  ...service({
    name: 'FreeVirtualMemory',
    doc: 'Decommits or releases a range of pages in the user half of a process.',
    irql: PASSIVE,
    args: { ...rangeArgs, FreeType: ULONG },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl: (k, a) => withRange(k, a, (process, base, bytes) => mmFreeVirtual(k, process, base, bytes, a.FreeType)),
  }),
  ...service({
    name: 'ProtectVirtualMemory',
    doc: 'Changes the protection of committed pages in the user half of a process.',
    irql: PASSIVE,
    args: { ...rangeArgs, NewProtect: ULONG, OldProtect: PVOID },
    returns: NTSTATUS,
    cycles: 1200,
    status: 'full',
    impl(k, a) {
      probeCaller(k, a.OldProtect);
      k.mem.probe(a.OldProtect, 4, true);
      let old = 0;
      const status = withRange(k, a, (process, base, bytes) => {
        const done = mmProtectVirtual(k, process, base, bytes, a.NewProtect);
        old = done.old;
        return done;
      });
      if (status === STATUS_SUCCESS) k.mem.write32(a.OldProtect, old);
      return status;
    },
  }),
  ...service({
    name: 'QueryVirtualMemory',
    doc: 'Tells state, protection and type of the pages at an address of a process.',
    irql: PASSIVE,
    args: {
      ProcessHandle: HANDLE,
      BaseAddress: PVOID,
      MemoryInformationClass: ULONG,
      MemoryInformation: PVOID,
      MemoryInformationLength: SIZE_T,
      ReturnLength: PVOID,
    },
    returns: NTSTATUS,
    cycles: 800,
    status: 'full',
    impl(k, a) {
      if (a.MemoryInformationClass !== MemoryBasicInformation) return moreMemoryInformation(k, a);
      if (a.MemoryInformationLength < BASIC_INFORMATION_SIZE) return STATUS_INFO_LENGTH_MISMATCH;
      probeCaller(k, a.MemoryInformation);
      k.mem.probe(a.MemoryInformation, BASIC_INFORMATION_SIZE, true);
      let info: ReturnType<typeof mmQueryVirtual> = null;
      const status = inProcess(k, a.ProcessHandle, PROCESS_QUERY_INFORMATION, process => {
        info = mmQueryVirtual(k, process, a.BaseAddress);
        return info ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
      });
      const found = info as ReturnType<typeof mmQueryVirtual>;
      if (status !== STATUS_SUCCESS || found === null) return status;
      const at = a.MemoryInformation;
      k.mem.fill(at, BASIC_INFORMATION_SIZE, 0);
      k.mem.writePtr(at, found.base);
      k.mem.writePtr(at + 8, found.allocationBase);
      k.mem.write32(at + 16, found.allocationProtect);
      k.mem.write64(at + 24, BigInt(found.bytes));
      k.mem.write32(at + 32, found.state);
      k.mem.write32(at + 36, found.protect);
      k.mem.write32(at + 40, found.type);
      if (a.ReturnLength) k.mem.write64(a.ReturnLength, BigInt(BASIC_INFORMATION_SIZE));
      return STATUS_SUCCESS;
    },
  }),
  ...stepService({
    name: 'FlushVirtualMemory',
    doc: 'Writes changed pages of a view back to the file that the section is backed by.',
    irql: PASSIVE,
    args: { ...rangeArgs, IoStatus: pointer('PIO_STATUS_BLOCK') },
    returns: NTSTATUS,
    cycles: 800,
    status: 'full',
    frame: { Iosb: IO_STATUS_BLOCK, Area: ptr },
    steps: {
      start(k, f, _rax, a) {
        k.mem.probe(a.IoStatus, 16, true);
        let found: ViewPart | null = null;
        const status = withRange(k, a, (process, base, bytes) => {
          if (base < 0 || base > MM_HIGHEST_USER_ADDRESS) return { status: STATUS_INVALID_PARAMETER_2, base, bytes };
          found = viewPart(k, process, base, bytes);
          return { status: found ? STATUS_SUCCESS : STATUS_NOT_MAPPED_VIEW, base, bytes: found?.bytes ?? 0 };
        });
        k.mem.fill(f.address('Iosb'), 16, 0);
        f.set('Area', 0);
        const part = found as ViewPart | null;
        // A view of pages of its own, or of physical memory, has no file to be written to.
        if (status !== STATUS_SUCCESS || !part?.file) {
          k.mem.write64(a.IoStatus, BigInt(status));
          k.mem.write64(a.IoStatus + 8, 0n);
          return ret(status);
        }
        referenceView(k, part.area);
        f.set('Area', part.area);
        return call(k.address('nt!MiFlushFilePages'), [part.area, part.first, part.count, f.address('Iosb')], 'flushed');
      },
      flushed(k, f, rax, a) {
        releaseView(k, f.get('Area'));
        k.mem.copy(a.IoStatus, f.address('Iosb'), 16);
        return ret(rax);
      },
    },
  }),
  ...service({
    name: 'SetInformationVirtualMemory',
    doc: 'Does something with a list of address ranges of a process: makes their pages resident.',
    irql: PASSIVE,
    args: {
      ProcessHandle: HANDLE,
      VmInformationClass: ULONG,
      NumberOfEntries: SIZE_T,
      VirtualAddresses: PVOID,
      VmInformation: PVOID,
      VmInformationLength: ULONG,
    },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl(k, a) {
      if (a.VmInformationClass !== VmPrefetchInformation) return STATUS_INVALID_PARAMETER_2;
      if (!a.NumberOfEntries || a.NumberOfEntries > 0x1000) return STATUS_INVALID_PARAMETER_3;
      // A ULONG of flags, of which there are none.
      if (!a.VmInformation) return STATUS_INVALID_PARAMETER_5;
      if (a.VmInformationLength !== 4) return STATUS_INVALID_PARAMETER_6;
      probeCaller(k, a.VmInformation);
      if (k.mem.read32(a.VmInformation) !== 0) return STATUS_INVALID_PARAMETER_5;
      probeCaller(k, a.VirtualAddresses);
      const ranges = Array.from({ length: a.NumberOfEntries }, (_, i) => ({
        base: k.mem.readPtr(a.VirtualAddresses + i * 16),
        bytes: Number(k.mem.read64(a.VirtualAddresses + i * 16 + 8)),
      }));
      return inProcess(k, a.ProcessHandle, PROCESS_VM_OPERATION, process => {
        // A prefetch is a hint: what is not there is left out.
        for (const r of ranges)
          for (let va = r.base - (r.base % PAGE_SIZE); va >= 0 && va < r.base + r.bytes; va += PAGE_SIZE) {
            const info = mmQueryVirtual(k, process, va);
            if (info && info.state !== RESERVE) mmMakeResident(k, va, 1, false);
          }
        return STATUS_SUCCESS;
      });
    },
  }),
  ntExport({
    name: 'MmSecureVirtualMemory',
    doc: 'Keeps user memory from being freed and from becoming less accessible. Returns a handle, NULL when the memory is not as it should be.',
    irql: APC,
    args: { Address: PVOID, Size: SIZE_T, ProbeMode: ULONG },
    returns: HANDLE,
    cycles: 300,
    status: 'full',
    impl: (k, a) => mmSecureVirtual(k, k.currentProcess(), a.Address, a.Size, a.ProbeMode),
  }),
  ntExport({
    name: 'MmUnsecureVirtualMemory',
    doc: 'Undoes MmSecureVirtualMemory.',
    irql: APC,
    args: { SecureHandle: HANDLE },
    returns: VOID,
    cycles: 200,
    status: 'full',
    impl(k, { SecureHandle }) {
      if (!mmUnsecureVirtual(k, k.currentProcess(), SecureHandle))
        k.bugCheck(MEMORY_MANAGEMENT, 0x1236, SecureHandle, 0, 0, 'MmUnsecureVirtualMemory was given a handle that MmSecureVirtualMemory did not give in this process');
    },
  }),
];
