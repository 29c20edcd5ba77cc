/** Virtual hardware: one device a file, each with its test beside it. */
export { createRequestPort } from './requestport.ts';
export { createPciHost, intxToPin } from './pcihost.ts';
export type { PciSlot } from './pcihost.ts';
export type { PciDevice } from './pcifunction.ts';
export { createEdu } from './edu.ts';
export { createUart16550 } from './uart16550.ts';
export { createI8254 } from './i8254.ts';
export { createRtc } from './rtc.ts';
export { createI8042 } from './i8042.ts';
export { keyToSet1 } from './scancodes.ts';
