/** Section services. Source: the WDK pages of ZwCreateSection, ZwOpenSection, ZwMapViewOfSection, ZwUnmapViewOfSection. */
import type { Kernel } from '../kernel.ts';
import { TOO_MANY_ZERO_BITS } from '../mm/region.ts';
import { mmDeleteSection, mmMapView, mmUnmapView } from '../mm/section.ts';
import { CURRENT_PROCESS, obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { openNamed } from '../ob/named.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { STATUS_INVALID_PAGE_PROTECTION, STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_8, STATUS_SUCCESS } from '../types/status.ts';
import { inAddressSpace } from '../mm/process.ts';
import { HANDLE, type NtExport, ntExport, NTSTATUS, pointer, PVOID, SIZE_T, ULONG, ULONG64, VOID } from './declare.ts';
import { createSectionExports } from './createsection.ts';
import { service } from './service.ts';

const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

const PAGE_READONLY = 0x02, PAGE_READWRITE = 0x04, PAGE_WRITECOPY = 0x08, PAGE_EXECUTE = 0x10, PAGE_EXECUTE_READ = 0x20, PAGE_EXECUTE_READWRITE = 0x40, PAGE_EXECUTE_WRITECOPY = 0x80;
const PAGE_NOCACHE = 0x200, PAGE_WRITECOMBINE = 0x400;

const isProtection = (protect: number): boolean => [PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY, PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY].includes(protect & 0xff);

const SECTION_MAP_WRITE = 2, SECTION_MAP_READ = 4, SECTION_MAP_EXECUTE = 8;
/** SECTION_INHERIT. */
const ViewShare = 1, ViewUnmap = 2;

/** The right to the section that a view needs. Writes that go to a copy are reads of the section. */
function mapAccess(protect: number): number {
  switch (protect) {
    case PAGE_READWRITE:
      return SECTION_MAP_WRITE;
    case PAGE_EXECUTE:
      return SECTION_MAP_EXECUTE;
    case PAGE_EXECUTE_READ:
    case PAGE_EXECUTE_WRITECOPY:
      return SECTION_MAP_EXECUTE | SECTION_MAP_READ;
    case PAGE_EXECUTE_READWRITE:
      return SECTION_MAP_EXECUTE | SECTION_MAP_WRITE;
    default:
      return SECTION_MAP_READ;
  }
}

/** Runs `work` in the address space of the process of a handle; a status when there is none. */
function inProcess(k: Kernel, handle: number, work: () => number): number {
  if (handle === CURRENT_PROCESS) return work();
  const found = obReferenceObjectByHandle(k, handle, PROCESS_VM_OPERATION, exportedType(k, 'PsProcessType'), previousMode(k));
  if (found.status !== STATUS_SUCCESS) return found.status;
  const status = inAddressSpace(k, found.object, work);
  obDereferenceDeferred(k, found.object);
  return status;
}
const PROCESS_VM_OPERATION = 0x8;

export const sectionExports: NtExport[] = [
  ntExport({
    name: 'MiDeleteSection',
    internal: true,
    doc: 'Delete procedure of sections: gives their pages back.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl: (k, { Object }) => mmDeleteSection(k, Object),
  }),
  ...service({
    name: 'OpenSection',
    doc: 'Opens a handle to a named section, such as \\Device\\PhysicalMemory.',
    irql: PASSIVE,
    args: { SectionHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, a) => openNamed(k, a.ObjectAttributes, exportedType(k, 'MmSectionObjectType'), a.DesiredAccess, a.SectionHandle),
  }),
  ...createSectionExports,
  ...service({
    name: 'MapViewOfSection',
    doc: 'Maps a view of a section into the current process.',
    irql: PASSIVE,
    args: {
      SectionHandle: HANDLE,
      ProcessHandle: HANDLE,
      BaseAddress: PVOID,
      ZeroBits: ULONG64,
      CommitSize: SIZE_T,
      SectionOffset: PVOID,
      ViewSize: PVOID,
      InheritDisposition: ULONG,
      AllocationType: ULONG,
      Win32Protect: ULONG,
    },
    returns: NTSTATUS,
    cycles: 2000,
    status: 'full',
    impl(k, a) {
      const { mem } = k;
      if (!isProtection(a.Win32Protect)) return STATUS_INVALID_PAGE_PROTECTION;
      mem.probe(a.BaseAddress, 8, true);
      mem.probe(a.ViewSize, 8, true);
      if (a.SectionOffset) mem.probe(a.SectionOffset, 8, true);
      if (a.ZeroBits >= TOO_MANY_ZERO_BITS) return STATUS_INVALID_PARAMETER_4;
      if (a.InheritDisposition !== ViewShare && a.InheritDisposition !== ViewUnmap) return STATUS_INVALID_PARAMETER_8;
      const section = obReferenceObjectByHandle(k, a.SectionHandle, mapAccess(a.Win32Protect & 0xff), exportedType(k, 'MmSectionObjectType'), previousMode(k));
      if (section.status !== STATUS_SUCCESS) return section.status;
      const offset = a.SectionOffset ? Number(mem.read64(a.SectionOffset)) : 0;
      const request = {
        section: section.object,
        base: mem.readPtr(a.BaseAddress),
        zeroBits: Number(a.ZeroBits),
        offset,
        size: Number(mem.read64(a.ViewSize)),
        protect: a.Win32Protect & 0xff,
        uncached: (a.Win32Protect & (PAGE_NOCACHE | PAGE_WRITECOMBINE)) !== 0,
      };
      let view = { status: STATUS_SUCCESS, base: 0, size: 0 };
      const status = inProcess(k, a.ProcessHandle, () => (view = mmMapView(k, request)).status);
      obDereferenceDeferred(k, section.object);
      if ((status | 0) < 0) return status;
      mem.writePtr(a.BaseAddress, view.base);
      mem.write64(a.ViewSize, BigInt(view.size));
      if (a.SectionOffset) mem.write64(a.SectionOffset, BigInt(offset - (offset % 0x1000)));
      return status;
    },
  }),
  ...service({
    name: 'UnmapViewOfSection',
    doc: 'Unmaps a view from the current process.',
    irql: PASSIVE,
    args: { ProcessHandle: HANDLE, BaseAddress: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl(k, { ProcessHandle, BaseAddress }) {
      return inProcess(k, ProcessHandle, () => mmUnmapView(k, BaseAddress));
    },
  }),
];
