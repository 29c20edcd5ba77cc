/** Section services. Source: the WDK pages of ZwCreateSection, ZwOpenSection, ZwMapViewOfSection, ZwUnmapViewOfSection. */
import type { Kernel } from '../kernel.ts';
import { mmCreateSection, mmDeleteSection, mmMapView, mmUnmapView } from '../mm/section.ts';
import { CURRENT_PROCESS, obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { insertAndOpen, openNamed } from '../ob/named.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { STATUS_INVALID_PAGE_PROTECTION, STATUS_INVALID_PARAMETER, STATUS_NOT_IMPLEMENTED, STATUS_SUCCESS } from '../types/status.ts';
import { HANDLE, type NtExport, ntExport, NTSTATUS, pointer, PVOID, SIZE_T, ULONG, ULONG64, VOID } from './declare.ts';
import { service } from './service.ts';

const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

const PAGE_READONLY = 0x02, PAGE_READWRITE = 0x04, PAGE_WRITECOPY = 0x08, PAGE_EXECUTE = 0x10, PAGE_EXECUTE_READ = 0x20, PAGE_EXECUTE_READWRITE = 0x40;
const PAGE_NOCACHE = 0x200, PAGE_WRITECOMBINE = 0x400;

/** What a page protection allows; null for one that a view cannot have. */
function protection(protect: number): { writable: boolean; executable: boolean } | null {
  switch (protect & 0xff) {
    case PAGE_READONLY:
      return { writable: false, executable: false };
    case PAGE_READWRITE:
      return { writable: true, executable: false };
    case PAGE_EXECUTE:
    case PAGE_EXECUTE_READ:
      return { writable: false, executable: true };
    case PAGE_EXECUTE_READWRITE:
      return { writable: true, executable: true };
    case PAGE_WRITECOPY:
    default:
      return null;
  }
}

/** The process of a handle must be the current one: other address spaces are reached by attaching to them first. */
function currentOnly(k: Kernel, handle: number): number {
  if (handle === CURRENT_PROCESS) return STATUS_SUCCESS;
  const found = obReferenceObjectByHandle(k, handle, 0, exportedType(k, 'PsProcessType'), previousMode(k));
  if (found.status !== STATUS_SUCCESS) return found.status;
  obDereferenceDeferred(k, found.object);
  return found.object === k.currentProcess() ? STATUS_SUCCESS : STATUS_NOT_IMPLEMENTED;
}

const OTHER_PROCESS = 'a process other than the current one is refused with STATUS_NOT_IMPLEMENTED (attach to it first)';

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
  ...service({
    name: 'CreateSection',
    doc: 'Creates a section and opens a handle to it.',
    irql: PASSIVE,
    args: { SectionHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, MaximumSize: PVOID, SectionPageProtection: ULONG, AllocationAttributes: ULONG, FileHandle: HANDLE },
    returns: NTSTATUS,
    cycles: 3000,
    status: 'partial',
    missing: 'sections of files are refused with STATUS_NOT_IMPLEMENTED: there is no file system; SEC_RESERVE commits like SEC_COMMIT',
    impl(k, a) {
      if (a.FileHandle) return STATUS_NOT_IMPLEMENTED;
      if (!a.MaximumSize) return STATUS_INVALID_PARAMETER;
      if (protection(a.SectionPageProtection) === null) return STATUS_INVALID_PAGE_PROTECTION;
      k.mem.probe(a.SectionHandle, 8, true);
      const made = mmCreateSection(k, Number(k.mem.read64(a.MaximumSize)));
      return made.status === STATUS_SUCCESS ? insertAndOpen(k, made.section, a.ObjectAttributes, a.DesiredAccess, a.SectionHandle) : made.status;
    },
  }),
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
    status: 'partial',
    missing: OTHER_PROCESS,
    impl(k, a) {
      const { mem } = k;
      const allowed = protection(a.Win32Protect);
      if (allowed === null) return STATUS_INVALID_PAGE_PROTECTION;
      const status = currentOnly(k, a.ProcessHandle);
      if (status !== STATUS_SUCCESS) return status;
      mem.probe(a.BaseAddress, 8, true);
      mem.probe(a.ViewSize, 8, true);
      if (a.SectionOffset) mem.probe(a.SectionOffset, 8, true);
      const section = obReferenceObjectByHandle(k, a.SectionHandle, 0, exportedType(k, 'MmSectionObjectType'), previousMode(k));
      if (section.status !== STATUS_SUCCESS) return section.status;
      const offset = a.SectionOffset ? Number(mem.read64(a.SectionOffset)) : 0;
      const view = mmMapView(k, {
        section: section.object,
        base: mem.readPtr(a.BaseAddress),
        offset,
        size: Number(mem.read64(a.ViewSize)),
        ...allowed,
        uncached: (a.Win32Protect & (PAGE_NOCACHE | PAGE_WRITECOMBINE)) !== 0,
      });
      obDereferenceDeferred(k, section.object);
      if (view.status !== STATUS_SUCCESS) return view.status;
      mem.writePtr(a.BaseAddress, view.base);
      mem.write64(a.ViewSize, BigInt(view.size));
      if (a.SectionOffset) mem.write64(a.SectionOffset, BigInt(offset - (offset % 0x1000)));
      return STATUS_SUCCESS;
    },
  }),
  ...service({
    name: 'UnmapViewOfSection',
    doc: 'Unmaps a view from the current process.',
    irql: PASSIVE,
    args: { ProcessHandle: HANDLE, BaseAddress: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'partial',
    missing: OTHER_PROCESS,
    impl(k, { ProcessHandle, BaseAddress }) {
      const status = currentOnly(k, ProcessHandle);
      return status === STATUS_SUCCESS ? mmUnmapView(k, BaseAddress) : status;
    },
  }),
];
