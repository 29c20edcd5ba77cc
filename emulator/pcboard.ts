/** A PC for guests that bring their own operating system: which devices it has and where. */
import {
  createAcpiPm,
  createDebugExit,
  createFwCfg,
  createHpet,
  createI8042,
  createI8254,
  createI8259,
  createPciHost,
  createPcTestdev,
  createRtc,
  createSystemControl,
  createUart16550,
  FW_CFG_MAX_CPUS,
  FW_CFG_NB_CPUS,
  FW_CFG_NOGRAPHIC,
  FW_CFG_RAM_SIZE,
  fwCfgNumber,
  HPET_BASE,
  HPET_ID,
  intxToPin,
  PCI_MEMORY_BASE,
  PCI_MEMORY_END,
  SLEEP_TYPE_S3,
  SLEEP_TYPE_S5,
  unsentCharacters,
} from '../devices/index.ts';
import type { Device, MachineConfig } from '../hal/bus/index.ts';
import { acpiFiles, buildAcpi } from './firmware/acpi.ts';
import type { AcpiTables } from './firmware/acpi.ts';
import { memoryMap } from './firmware/memorymap.ts';

/** I/O ports of PCI functions begin here: the test device has its lines at 2000h. */
const PCI_IO_BASE = 0xc000;
/** Name of the first serial port's device. */
export const COM1 = 'uart0';
const PM_BASE = 0x600,
  SCI_PIN = 9;

export interface PcBoard {
  devices: Device[];
  acpi: AcpiTables;
}

/**
 * | device | where | interrupt |
 * |---|---|---|
 * | pic | ports 20, 21, A0, A1, 4D0, 4D1 | INTR |
 * | pit | ports 40-43, 61 | IRQ 0 (pin 2) |
 * | i8042 | ports 60, 64 | IRQ 1, 12 |
 * | rtc | ports 70, 71 | IRQ 8 |
 * | uart0 (COM1) | ports 3F8-3FF | IRQ 4 |
 * | pci0 | ports CF8-CFF, C000-FFFF, memory C0000000-FEBFFFFF | pins 16-19 |
 * | hpet | memory FED00000-FED003FF | pins 20-23, legacy replacement |
 * | acpipm | ports 600-60B | SCI: IRQ 9 |
 * | sysctl | ports 80, 92, CF9 | |
 * | fwcfg | ports 510-51B | |
 * | debugexit | ports F4-F7 | |
 * | testdev | ports E0-EB, 2000-2017, memory FF000000-FF00FFFF | any |
 */
export function createPcBoard(config: MachineConfig): PcBoard {
  const acpi = buildAcpi({
    cpus: config.cpus,
    pmBase: PM_BASE,
    sci: SCI_PIN,
    sleepTypes: { s3: SLEEP_TYPE_S3, s5: SLEEP_TYPE_S5 },
    reset: { port: 0xcf9, value: 6 },
    hpet: { base: HPET_BASE, id: HPET_ID },
    pci: { ioBase: PCI_IO_BASE, memoryBase: PCI_MEMORY_BASE, memoryEnd: PCI_MEMORY_END },
    intaPin: slot => intxToPin(slot, 1),
  });
  const hpet = createHpet();
  const devices = [
    createI8259(),
    createUart16550(),
    createI8042(),
    hpet,
    createI8254({ line: hpet.legacyInput[0] }),
    createRtc({ epoch: config.rtcEpoch, line: hpet.legacyInput[1] }),
    createAcpiPm({ base: PM_BASE, pin: SCI_PIN }),
    createSystemControl(),
    createPciHost({ slots: [], ioBase: PCI_IO_BASE }),
    createFwCfg({
      items: new Map([
        [FW_CFG_RAM_SIZE, fwCfgNumber(config.ramBytes, 8)],
        [FW_CFG_NOGRAPHIC, fwCfgNumber(1, 2)],
        [FW_CFG_NB_CPUS, fwCfgNumber(config.cpus, 2)],
        [FW_CFG_MAX_CPUS, fwCfgNumber(config.cpus, 2)],
      ]),
      files: [{ name: 'etc/e820', data: e820File(config.ramBytes) }, ...acpiFiles(acpi)],
    }),
    createDebugExit(),
    createPcTestdev(),
  ];
  return { devices, acpi };
}

/** What COM1 of a machine has not sent yet. */
export function unsentSerial(devices: ReadonlyMap<string, Device>): Uint8Array {
  return unsentCharacters(devices.get(COM1)!.save());
}

/** Entries of 20 bytes: base, length, type. */
function e820File(ramBytes: number): Uint8Array {
  const map = memoryMap(ramBytes);
  const view = new DataView(new ArrayBuffer(map.length * 20));
  map.forEach(({ base, length, type }, i) => {
    view.setBigUint64(i * 20, BigInt(base), true);
    view.setBigUint64(i * 20 + 8, BigInt(length), true);
    view.setUint32(i * 20 + 16, type, true);
  });
  return new Uint8Array(view.buffer);
}
