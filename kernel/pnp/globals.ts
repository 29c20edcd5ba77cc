import { WORK_QUEUE_ITEM } from '../types/ex.ts';
import { KEVENT } from '../types/ke.ts';
import { array, ptr, u32 } from '../types/struct.ts';

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Pp, Pip or Iop. */
export const pnpGlobals = {
  /** DEVICE_NODE of `HTREE\ROOT\0`. */
  IopRootDeviceNode: ptr,
  /** `\Driver\PnpManager`: owns the root of the tree and the devices that nothing enumerates. */
  IopPnpDriverObject: ptr,
  /** `\Driver\pci`: owns the physical devices of the PCI bus. */
  PciDriverObject: ptr,
  /** DEVICE_NODE of the PCI bus. */
  PciBusDeviceNode: ptr,
  /** Next number of a `NTPNP_PCInnnn` name. */
  PciDeviceNumber: u32,
  /** Registrations for Plug and Play events (pnp/notify.ts). */
  PnpNotificationListHead: array(ptr, 2),
  /** Number of the next device that the root enumerator made for a driver. */
  IopRootDeviceNumber: u32,
  /** Held by the thread that changes the device tree (pnp/tree.ts): an event, and who has it. */
  PiEngineLock: KEVENT,
  PiEngineOwner: ptr,
  /** What is to be done to devices (pnp/action.ts): its list, the worker's item, and whether the worker is at it. */
  PnpEnumerationRequestList: array(ptr, 2),
  PnpDeviceEnumerationWorkItem: WORK_QUEUE_ITEM,
  PnpEnumerationInProgress: u32,
} as const;
