import { array, ptr, u32, u64, u8 } from '../types/struct.ts';
import { KDPC, KTIMER } from '../types/ke.ts';
import { LIST_ENTRY } from '../types/rtl.ts';

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Io or Iop. */
export const ioGlobals = {
  /** The cancel spin lock: held while an IRP's cancel routine is taken or called. */
  IopCancelSpinLock: u64,
  /** Guards the lists of devices and drivers where several processors could meet. */
  IopDatabaseLock: u64,
  /** IO_TIMERs; while one of them runs, a timer queues the DPC once a second. */
  IopTimerQueueHead: LIST_ENTRY,
  IopTimerCount: u32,
  IopTimerDpc: KDPC,
  IopTimer: KTIMER,
  /** Number for the next device whose name the I/O manager makes up. */
  IopUniqueDeviceObjectNumber: u32,
  /** Drivers that asked to be called again after the others have started (IoRegisterDriverReinitialization). */
  IopDriverReinitializeQueueHead: LIST_ENTRY,
  IopShutdownQueueHead: LIST_ENTRY,
  IopLastChanceShutdownQueueHead: LIST_ENTRY,
  /** Records that were ever written into the event log; bytes of entries that are allocated and not written. */
  IopEventLogCount: u32,
  IopErrorLogAllocation: u32,
  /** Guards VPBs (IoAcquireVpbSpinLock). */
  IopVpbSpinLock: u64,
  /** Control device objects of file systems by kind, linked through DEVICE_OBJECT.Queue; and who wants to know of them. */
  IopDiskFileSystemQueueHead: LIST_ENTRY,
  IopCdRomFileSystemQueueHead: LIST_ENTRY,
  IopTapeFileSystemQueueHead: LIST_ENTRY,
  IopNetworkFileSystemQueueHead: LIST_ENTRY,
  IopFsNotifyChangeQueueHead: LIST_ENTRY,
  /** Driver object that owns devices of the kernel's own (root devices). */
  IopRootDriverObject: ptr,
  /** UNICODE_STRING of the hardware's registry key that DRIVER_OBJECT.HardwareDatabase points to. */
  CmRegistryMachineHardwareDescriptionSystemName: array(u64, 2),
  /** Completed IRPs, by outcome: for `!irp` statistics. */
  IoReadOperationCount: u32,
  IoWriteOperationCount: u32,
  IoOtherOperationCount: u32,
  IoReadTransferCount: u64,
  IoWriteTransferCount: u64,
  IoOtherTransferCount: u64,
  IopInitialized: u8,
} as const;
