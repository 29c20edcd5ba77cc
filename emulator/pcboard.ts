/** A PC for guests that bring their own operating system: which devices it has and where. */
import {
  createDebugExit,
  createFwCfg,
  createI8042,
  createI8254,
  createI8259,
  createPciHost,
  createPcTestdev,
  createRtc,
  createUart16550,
  FW_CFG_MAX_CPUS,
  FW_CFG_NB_CPUS,
  FW_CFG_NOGRAPHIC,
  FW_CFG_RAM_SIZE,
  fwCfgNumber,
} from '../devices/index.ts';
import type { Device, MachineConfig } from '../hal/bus/index.ts';
import { memoryMap } from './firmware/memorymap.ts';

/** I/O ports of PCI functions begin here: the test device has its lines at 2000h. */
const PCI_IO_BASE = 0xc000;

/**
 * | device | where | interrupt |
 * |---|---|---|
 * | pic | ports 20, 21, A0, A1, 4D0, 4D1 | INTR |
 * | pit | ports 40-43, 61 | IRQ 0 (pin 2) |
 * | i8042 | ports 60, 64 | IRQ 1, 12 |
 * | rtc | ports 70, 71 | IRQ 8 |
 * | uart0 (COM1) | ports 3F8-3FF | IRQ 4 |
 * | pci0 | ports CF8-CFF, memory C0000000-FEBFFFFF | pins 16-19 |
 * | fwcfg | ports 510-51B | |
 * | debugexit | ports F4-F7 | |
 * | testdev | ports E0-EB, 2000-2017, memory FF000000-FF00FFFF | any |
 */
export function createPcBoard(config: MachineConfig): Device[] {
  return [
    createI8259(),
    createUart16550(),
    createI8042(),
    createI8254(),
    createRtc({ epoch: config.rtcEpoch }),
    createPciHost({ slots: [], ioBase: PCI_IO_BASE }),
    createFwCfg({
      items: new Map([
        [FW_CFG_RAM_SIZE, fwCfgNumber(config.ramBytes, 8)],
        [FW_CFG_NOGRAPHIC, fwCfgNumber(1, 2)],
        [FW_CFG_NB_CPUS, fwCfgNumber(config.cpus, 2)],
        [FW_CFG_MAX_CPUS, fwCfgNumber(config.cpus, 2)],
      ]),
      files: [{ name: 'etc/e820', data: e820File(config.ramBytes) }],
    }),
    createDebugExit(),
    createPcTestdev(),
  ];
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
