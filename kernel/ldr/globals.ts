import { array, ptr, struct, u32, u64 } from '../types/struct.ts';
import { LIST_ENTRY } from '../types/rtl.ts';

/** How many unloaded drivers are remembered. */
export const UNLOADED_DRIVERS = 50;

const UNICODE = { NameLength: [0, u32], NameBuffer: [8, ptr] } as const;
/** A driver that was unloaded: its name (UNICODE_STRING) and where it was. */
export const UNLOADED_DRIVER = struct('_UNLOADED_DRIVERS', {
  ...UNICODE,
  StartAddress: [0x10, ptr],
  EndAddress: ptr,
  CurrentTime: u64,
});

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. */
export const ldrGlobals = {
  /** KLDR_DATA_TABLE_ENTRY.InLoadOrderLinks of all images, the kernel's first. */
  PsLoadedModuleList: LIST_ENTRY,
  MmUnloadedDrivers: array(UNLOADED_DRIVER, UNLOADED_DRIVERS),
  /** Drivers ever unloaded; the newest is at this minus one, modulo the number of entries. */
  MmUnloadedDriverCount: u32,
} as const;
