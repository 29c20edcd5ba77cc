/** Virtual hardware: one device a file, each with its test beside it. */
export { createPageStore } from './pagestore.ts';
export { createRequestPort } from './requestport.ts';
export { createPciHost, intxToPin, PCI_MEMORY_BASE, PCI_MEMORY_END } from './pcihost.ts';
export type { PciSlot } from './pcihost.ts';
export type { PciDevice } from './pcifunction.ts';
export { createEdu } from './edu.ts';
export { createUart16550, unsentCharacters } from './uart16550.ts';
export { createI8254 } from './i8254.ts';
export { createRtc } from './rtc.ts';
export { createI8042 } from './i8042.ts';
export { keyToSet1 } from './scancodes.ts';
export { createI8259, isaPin } from './i8259.ts';
export { createDebugExit } from './debugexit.ts';
export { createPcTestdev } from './pctestdev.ts';
export { createFwCfg, FW_CFG_MAX_CPUS, FW_CFG_NB_CPUS, FW_CFG_NOGRAPHIC, FW_CFG_RAM_SIZE, fwCfgNumber } from './fwcfg.ts';
export { createAcpiPm, SLEEP_TYPE_S3, SLEEP_TYPE_S5 } from './acpipm.ts';
export { createSystemControl } from './systemcontrol.ts';
export { createHpet, HPET_BASE, HPET_ID } from './hpet.ts';
