/** How a PC without a display uses its RAM: what firmware tells an operating system through multiboot, E820 and ACPI. */

export const E820_RAM = 1,
  E820_RESERVED = 2,
  E820_ACPI = 3,
  E820_NVS = 4;

export interface MemoryRange {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** The extended BIOS data area: the last KiB below the hole for display memory and option ROMs. */
export const EBDA = 0x9fc00;
/** Where the BIOS was: RSDP and the loader's descriptor table are here. */
export const BIOS_AREA = 0xf0000;
export const ONE_MIB = 0x100000;
/** At the top of RAM: FACS (a page) and then the other ACPI tables. */
export const ACPI_TABLES_SIZE = 0x10000;
const NVS_SIZE = 0x1000;

/** Address of the ACPI area, whose first page is the FACS, in a machine with `ramBytes` of RAM. */
export function acpiArea(ramBytes: number): number {
  return ramBytes - ACPI_TABLES_SIZE;
}

/** Ascending, without overlap. */
export function memoryMap(ramBytes: number): MemoryRange[] {
  const acpi = acpiArea(ramBytes);
  return [
    { base: 0, length: EBDA, type: E820_RAM },
    { base: EBDA, length: 0xa0000 - EBDA, type: E820_RESERVED },
    { base: BIOS_AREA, length: ONE_MIB - BIOS_AREA, type: E820_RESERVED },
    { base: ONE_MIB, length: acpi - ONE_MIB, type: E820_RAM },
    { base: acpi, length: NVS_SIZE, type: E820_NVS },
    { base: acpi + NVS_SIZE, length: ACPI_TABLES_SIZE - NVS_SIZE, type: E820_ACPI },
    { base: 0xfec00000, length: 0x1000, type: E820_RESERVED },
    { base: 0xfee00000, length: 0x1000, type: E820_RESERVED },
  ];
}
