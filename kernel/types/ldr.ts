import { ptr, struct, u16, u32, u64 } from './struct.ts';
import { LIST_ENTRY, UNICODE_STRING } from './rtl.ts';

/** A loaded kernel image, in PsLoadedModuleList. `DRIVER_OBJECT.DriverSection` points to one. */
export const KLDR_DATA_TABLE_ENTRY = struct('_KLDR_DATA_TABLE_ENTRY', {
  InLoadOrderLinks: LIST_ENTRY, ExceptionTable: ptr, ExceptionTableSize: u32, GpValue: [0x20, ptr], NonPagedDebugInfo: ptr, DllBase: ptr, EntryPoint: ptr, SizeOfImage: u32,
  FullDllName: [0x48, UNICODE_STRING], BaseDllName: UNICODE_STRING, Flags: u32, LoadCount: u16, SignatureLevel: u16, SectionPointer: ptr, CheckSum: u32, CoverageSectionSize: u32,
  CoverageSection: ptr, LoadedImports: ptr, NtDataTableEntry: u64, SizeOfImageNotRounded: u32, TimeDateStamp: u32,
});
// KLDR_DATA_TABLE_ENTRY.Flags
export const LDRP_IMAGE_DLL = 0x4, LDRP_IMAGE_INTEGRITY_FORCED = 0x20, LDRP_LOAD_IN_PROGRESS = 0x1000, LDRP_ENTRY_PROCESSED = 0x4000, LDRP_DRIVER_DEPENDENT_DLL = 0x40000, LDRP_ENTRY_NATIVE = 0x08000000;
export const LDRP_MM_LOADED = 0x40000000;
