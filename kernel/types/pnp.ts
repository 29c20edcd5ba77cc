import { array, i64, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';
import { GUID } from './rtl.ts';

// CM_PARTIAL_RESOURCE_DESCRIPTOR.Type
export const CmResourceTypeNull = 0, CmResourceTypePort = 1, CmResourceTypeInterrupt = 2, CmResourceTypeMemory = 3, CmResourceTypeDma = 4, CmResourceTypeDeviceSpecific = 5, CmResourceTypeBusNumber = 6;
export const CmResourceShareUndetermined = 0, CmResourceShareDeviceExclusive = 1, CmResourceShareDriverExclusive = 2, CmResourceShareShared = 3;
export const CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE = 0, CM_RESOURCE_INTERRUPT_LATCHED = 1, CM_RESOURCE_INTERRUPT_MESSAGE = 2;
export const CM_RESOURCE_MEMORY_READ_WRITE = 0, CM_RESOURCE_PORT_IO = 1, CM_RESOURCE_PORT_16_BIT_DECODE = 0x10;
// INTERFACE_TYPE
export const InterfaceTypeUndefined = -1, Internal = 0, Isa = 1, PCIBus = 5, PNPBus = 15;

/** Packed to 4 bytes, so quadwords in it are not naturally aligned. */
export const CM_PARTIAL_RESOURCE_DESCRIPTOR = struct('_CM_PARTIAL_RESOURCE_DESCRIPTOR', {
  Type: u8, ShareDisposition: u8, Flags: u16, Start: [4, i64], Length: [0xc, u32], Level: [4, u16], Group: [6, u16], Vector: [8, u32], Affinity: [0xc, u64],
  Channel: [4, u32], Port: [8, u32], BusStart: [4, u32], BusLength: [8, u32], DataSize: [4, u32],
}, { size: 0x14 });
export const CM_PARTIAL_RESOURCE_LIST = struct('_CM_PARTIAL_RESOURCE_LIST', { Version: u16, Revision: u16, Count: u32, PartialDescriptors: [8, CM_PARTIAL_RESOURCE_DESCRIPTOR] }, { size: 0x1c });
export const CM_FULL_RESOURCE_DESCRIPTOR = struct('_CM_FULL_RESOURCE_DESCRIPTOR', { InterfaceType: u32, BusNumber: u32, PartialResourceList: [8, CM_PARTIAL_RESOURCE_LIST] }, { size: 0x24 });
export const CM_RESOURCE_LIST = struct('_CM_RESOURCE_LIST', { Count: u32, List: [4, CM_FULL_RESOURCE_DESCRIPTOR] }, { size: 0x28 });

export const IO_RESOURCE_DESCRIPTOR = struct('_IO_RESOURCE_DESCRIPTOR', {
  Option: u8, Type: u8, ShareDisposition: u8, Spare1: u8, Flags: u16, Spare2: u16, Length: [8, u32], Alignment: [0xc, u32], MinimumAddress: [0x10, i64], MaximumAddress: [0x18, i64],
  MinimumVector: [8, u32], MaximumVector: [0xc, u32], AffinityPolicy: [0x10, u16], Group: [0x12, u16], PriorityPolicy: [0x14, u32], TargetedProcessors: [0x18, u64],
});
export const IO_RESOURCE_LIST = struct('_IO_RESOURCE_LIST', { Version: u16, Revision: u16, Count: u32, Descriptors: IO_RESOURCE_DESCRIPTOR });
export const IO_RESOURCE_REQUIREMENTS_LIST = struct('_IO_RESOURCE_REQUIREMENTS_LIST', {
  ListSize: u32, InterfaceType: u32, BusNumber: u32, SlotNumber: u32, Reserved: array(u32, 3), AlternativeLists: u32, List: IO_RESOURCE_LIST,
});

export const DEVICE_RELATIONS = struct('_DEVICE_RELATIONS', { Count: u32, Objects: [8, array(ptr, 1)] });
export const PNP_BUS_INFORMATION = struct('_PNP_BUS_INFORMATION', { BusTypeGuid: GUID, LegacyBusType: u32, BusNumber: u32 });
export const INTERFACE = struct('_INTERFACE', { Size: u16, Version: u16, Context: [8, ptr], InterfaceReference: ptr, InterfaceDereference: ptr });
export const BUS_INTERFACE_STANDARD = struct('_BUS_INTERFACE_STANDARD', {
  Size: u16, Version: u16, Context: [8, ptr], InterfaceReference: ptr, InterfaceDereference: ptr, TranslateBusAddress: ptr, GetDmaAdapter: ptr, SetBusData: ptr, GetBusData: ptr,
});
/** The bits of Flags: DeviceD1 0, D2 1, LockSupported 2, EjectSupported 3, Removable 4, DockDevice 5, UniqueID 6, SilentInstall 7, RawDeviceOK 8, SurpriseRemovalOK 9. */
export const DEVICE_CAPABILITIES = struct('_DEVICE_CAPABILITIES', {
  Size: u16, Version: u16, Flags: u32, Address: u32, UINumber: u32, DeviceState: array(u32, 7), SystemWake: u32, DeviceWake: u32, D1Latency: u32, D2Latency: u32, D3Latency: u32,
});
export const POWER_SEQUENCE = struct('_POWER_SEQUENCE', { SequenceD1: u32, SequenceD2: u32, SequenceD3: u32 });
export const PLUGPLAY_NOTIFICATION_HEADER = struct('_PLUGPLAY_NOTIFICATION_HEADER', { Version: u16, Size: u16, Event: GUID });
export const DEVICE_INTERFACE_CHANGE_NOTIFICATION = struct('_DEVICE_INTERFACE_CHANGE_NOTIFICATION', {
  Version: u16, Size: u16, Event: GUID, InterfaceClassGuid: GUID, SymbolicLinkName: [0x28, to('_UNICODE_STRING')],
});

/** Header of PCI configuration space (PCI 3.0, 6.1), type 0. */
export const PCI_COMMON_CONFIG = struct('_PCI_COMMON_CONFIG', {
  VendorID: u16, DeviceID: u16, Command: u16, Status: u16, RevisionID: u8, ProgIf: u8, SubClass: u8, BaseClass: u8, CacheLineSize: u8, LatencyTimer: u8, HeaderType: u8, BIST: u8,
  BaseAddresses: array(u32, 6), CIS: u32, SubVendorID: u16, SubSystemID: u16, ROMBaseAddress: u32, CapabilitiesPtr: u8, Reserved1: array(u8, 3), Reserved2: u32,
  InterruptLine: u8, InterruptPin: u8, MinimumGrant: u8, MaximumLatency: u8, DeviceSpecific: array(u8, 192),
});
