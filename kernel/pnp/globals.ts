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
} as const;
