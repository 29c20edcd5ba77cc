import { array, struct, u16, u32, u64, u8 } from './struct.ts';

/** Portable Executable headers, as they lie in a file and at an image's base (PE/COFF specification). */
export const IMAGE_DOS_HEADER = struct('_IMAGE_DOS_HEADER', {
  e_magic: u16, e_cblp: u16, e_cp: u16, e_crlc: u16, e_cparhdr: u16, e_minalloc: u16, e_maxalloc: u16, e_ss: u16, e_sp: u16, e_csum: u16, e_ip: u16, e_cs: u16, e_lfarlc: u16,
  e_ovno: u16, e_res: array(u16, 4), e_oemid: u16, e_oeminfo: u16, e_res2: array(u16, 10), e_lfanew: u32,
});
export const IMAGE_FILE_HEADER = struct('_IMAGE_FILE_HEADER', {
  Machine: u16, NumberOfSections: u16, TimeDateStamp: u32, PointerToSymbolTable: u32, NumberOfSymbols: u32, SizeOfOptionalHeader: u16, Characteristics: u16,
});
export const IMAGE_DATA_DIRECTORY = struct('_IMAGE_DATA_DIRECTORY', { VirtualAddress: u32, Size: u32 });
export const IMAGE_OPTIONAL_HEADER64 = struct('_IMAGE_OPTIONAL_HEADER64', {
  Magic: u16, MajorLinkerVersion: u8, MinorLinkerVersion: u8, SizeOfCode: u32, SizeOfInitializedData: u32, SizeOfUninitializedData: u32, AddressOfEntryPoint: u32, BaseOfCode: u32,
  ImageBase: u64, SectionAlignment: u32, FileAlignment: u32, MajorOperatingSystemVersion: u16, MinorOperatingSystemVersion: u16, MajorImageVersion: u16, MinorImageVersion: u16,
  MajorSubsystemVersion: u16, MinorSubsystemVersion: u16, Win32VersionValue: u32, SizeOfImage: u32, SizeOfHeaders: u32, CheckSum: u32, Subsystem: u16, DllCharacteristics: u16,
  SizeOfStackReserve: u64, SizeOfStackCommit: u64, SizeOfHeapReserve: u64, SizeOfHeapCommit: u64, LoaderFlags: u32, NumberOfRvaAndSizes: u32, DataDirectory: array(IMAGE_DATA_DIRECTORY, 16),
});
export const IMAGE_NT_HEADERS64 = struct('_IMAGE_NT_HEADERS64', { Signature: u32, FileHeader: IMAGE_FILE_HEADER, OptionalHeader: IMAGE_OPTIONAL_HEADER64 });
export const IMAGE_SECTION_HEADER = struct('_IMAGE_SECTION_HEADER', {
  Name: array(u8, 8), VirtualSize: u32, VirtualAddress: u32, SizeOfRawData: u32, PointerToRawData: u32, PointerToRelocations: u32, PointerToLinenumbers: u32,
  NumberOfRelocations: u16, NumberOfLinenumbers: u16, Characteristics: u32,
});
export const IMAGE_EXPORT_DIRECTORY = struct('_IMAGE_EXPORT_DIRECTORY', {
  Characteristics: u32, TimeDateStamp: u32, MajorVersion: u16, MinorVersion: u16, Name: u32, Base: u32, NumberOfFunctions: u32, NumberOfNames: u32, AddressOfFunctions: u32,
  AddressOfNames: u32, AddressOfNameOrdinals: u32,
});
export const IMAGE_IMPORT_DESCRIPTOR = struct('_IMAGE_IMPORT_DESCRIPTOR', { OriginalFirstThunk: u32, TimeDateStamp: u32, ForwarderChain: u32, Name: u32, FirstThunk: u32 });

export const IMAGE_FILE_MACHINE_I386 = 0x014c, IMAGE_FILE_MACHINE_AMD64 = 0x8664, IMAGE_FILE_MACHINE_ARM64 = 0xaa64, IMAGE_FILE_MACHINE_ARMNT = 0x01c4, IMAGE_FILE_MACHINE_IA64 = 0x0200;
export const IMAGE_FILE_RELOCS_STRIPPED = 1, IMAGE_FILE_EXECUTABLE_IMAGE = 2, IMAGE_FILE_DLL = 0x2000;
export const IMAGE_SUBSYSTEM_NATIVE = 1, IMAGE_SUBSYSTEM_WINDOWS_GUI = 2, IMAGE_SUBSYSTEM_WINDOWS_CUI = 3;
export const IMAGE_SCN_CNT_CODE = 0x20, IMAGE_SCN_CNT_UNINITIALIZED_DATA = 0x80, IMAGE_SCN_MEM_DISCARDABLE = 0x02000000, IMAGE_SCN_MEM_NOT_PAGED = 0x08000000;
export const IMAGE_SCN_MEM_EXECUTE = 0x20000000, IMAGE_SCN_MEM_READ = 0x40000000, IMAGE_SCN_MEM_WRITE = 0x80000000;
export const IMAGE_DIRECTORY_ENTRY_EXPORT = 0, IMAGE_DIRECTORY_ENTRY_IMPORT = 1, IMAGE_DIRECTORY_ENTRY_EXCEPTION = 3, IMAGE_DIRECTORY_ENTRY_BASERELOC = 5;
export const IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG = 10, IMAGE_DIRECTORY_ENTRY_IAT = 12, IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT = 13;
export const IMAGE_REL_BASED_ABSOLUTE = 0, IMAGE_REL_BASED_HIGH = 1, IMAGE_REL_BASED_LOW = 2, IMAGE_REL_BASED_HIGHLOW = 3, IMAGE_REL_BASED_DIR64 = 10;
/** IMAGE_LOAD_CONFIG_DIRECTORY64.SecurityCookie: virtual address of `__security_cookie`. */
export const LOAD_CONFIG_SECURITY_COOKIE = 0x58;
/** What the compiler puts into `__security_cookie` before anybody seeds it. */
export const DEFAULT_SECURITY_COOKIE = 0x00002b992ddfa232n;
/** DllCharacteristics: the image's integrity is checked at load, whatever the policy. */
export const IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY = 0x80;
