/** Brings the I/O manager up. Runs once, after the object manager and the registry. */
import { initializeListHead } from '../rtl/list.ts';
import type { Kernel } from '../kernel.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString } from '../ob/string.ts';
import { initializeIoTimers } from './timer.ts';

export function ioInit(k: Kernel): void {
  initializeListHead(k.mem, k.global.address('IopDriverReinitializeQueueHead'));
  for (const head of [
    'IopShutdownQueueHead',
    'IopLastChanceShutdownQueueHead',
    'IopDiskFileSystemQueueHead',
    'IopCdRomFileSystemQueueHead',
    'IopTapeFileSystemQueueHead',
    'IopNetworkFileSystemQueueHead',
    'IopFsNotifyChangeQueueHead',
  ] as const)
    initializeListHead(k.mem, k.global.address(head));
  initializeIoTimers(k);
  const name = k.global.address('CmRegistryMachineHardwareDescriptionSystemName');
  if (!allocateString(k, name, '\\REGISTRY\\MACHINE\\HARDWARE\\DESCRIPTION\\SYSTEM', poolTag('IoNm')))
    throw new Error('no pool for the I/O manager');
  k.global.set('IopInitialized', 1);
}
