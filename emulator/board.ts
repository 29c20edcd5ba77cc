/** The standard machine: which devices it has and where, and which operating system it boots. The only file here that names any. */
import {
  createAcpiPm,
  createEdu,
  createI8042,
  createI8254,
  createPageStore,
  createPciHost,
  createRequestPort,
  createRtc,
  createSystemControl,
  createUart16550,
  keyToSet1,
} from '../devices/index.ts';
import type { Device, GuestOs, MachineConfig } from '../hal/bus/index.ts';
import { createKernel } from '../kernel/index.ts';
import { ldrInfo } from '../kernel/ldr/info.ts';
import { statusName } from '../kernel/types/statusname.ts';
import type { ImageDescription } from './imageinfo.ts';

export interface Board {
  devices: Device[];
  guestOs: GuestOs;
}

/** PCI device number of edu: its INTA# arrives at I/O APIC pin 16. */
const EDU_SLOT = 4;
/** The fixed hardware of ACPI: HalReturnToFirmware (kernel/exports/halsystem.ts) knows the control block at PM_BASE + 4. */
const PM_BASE = 0x640,
  SCI_PIN = 9;

/**
 * | device | where | I/O APIC pin |
 * |---|---|---|
 * | uart0 (COM1) | ports 3F8-3FF | 4 |
 * | i8042 | ports 60, 64 | 1, 12 |
 * | pit | ports 40-43, 61 | 2 |
 * | rtc | ports 70, 71 | 8 |
 * | pci0 | ports CF8-CFF, memory C0000000-FEBFFFFF | 16-19 |
 * | edu0 | PCI 00:04.0 | 16 |
 * | requestport | ports 600-61F | 20 |
 * | pagestore | ports 620-633 | |
 * | acpipm | ports 640-64B | 9 |
 * | sysctl | ports 80, 92, CF9 | |
 */
export function createBoard(config: MachineConfig): Board {
  const edu = createEdu();
  return {
    devices: [
      createUart16550(),
      createI8042(),
      createI8254(),
      createRtc({ epoch: config.rtcEpoch }),
      createPciHost({ slots: [{ device: EDU_SLOT, plugged: edu }] }),
      edu,
      createRequestPort(),
      createPageStore(),
      createAcpiPm({ base: PM_BASE, pin: SCI_PIN }),
      createSystemControl(),
    ],
    guestOs: createKernel(),
  };
}

/** Device and channel that a console's line goes to, and that its text comes from. */
export const CONSOLE = { device: 'uart0', input: 'rx', output: 'tx' } as const;
/** Device and channel that take a keyboard's scan codes. */
export const KEYBOARD = { device: 'i8042', input: 'key' } as const;
export { keyToSet1 };

/** Sections and imports of a driver's file. Throws an ImageError that names file, offset and what was expected for a file that could not be loaded. */
export function describeImage(file: string, bytes: Uint8Array): ImageDescription {
  const info = ldrInfo(bytes, file);
  const os = createKernel();
  return {
    file,
    imageBase: `0x${info.imageBase.toString(16)}`,
    entry: info.entry,
    sizeOfImage: info.sizeOfImage,
    sectionAlignment: info.sectionAlignment,
    relocations: info.relocations,
    sections: info.sections,
    imports: info.imports.map(m => ({
      module: m.module,
      routines: m.routines.map(name => ({ name, status: os.exportStatus(m.module, name) })),
    })),
  };
}

/** Name of an NTSTATUS (`STATUS_NO_SUCH_DEVICE`), or the number in hexadecimal. */
export { statusName };
