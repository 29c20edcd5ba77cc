import { ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';

/** What a driver says of its device's DMA abilities. */
export const DEVICE_DESCRIPTION = struct('_DEVICE_DESCRIPTION', {
  Version: u32, Master: u8, ScatterGather: u8, DemandMode: u8, AutoInitialize: u8, Dma32BitAddresses: u8, IgnoreCount: u8, Reserved1: u8, Dma64BitAddresses: u8, BusNumber: u32,
  DmaChannel: u32, InterfaceType: u32, DmaWidth: u32, DmaSpeed: u32, MaximumLength: u32, DmaPort: u32, DmaAddressWidth: [0x28, u32], DmaControllerInstance: u32,
  DmaRequestLine: u32, DeviceAddress: [0x38, u64],
});
export const DEVICE_DESCRIPTION_VERSION = 0, DEVICE_DESCRIPTION_VERSION1 = 1, DEVICE_DESCRIPTION_VERSION2 = 2, DEVICE_DESCRIPTION_VERSION3 = 3;

export const DMA_ADAPTER = struct('_DMA_ADAPTER', { Version: u16, Size: u16, DmaOperations: [8, to('_DMA_OPERATIONS')] });
export const DMA_OPERATIONS = struct('_DMA_OPERATIONS', {
  Size: u32, PutDmaAdapter: [8, ptr], AllocateCommonBuffer: ptr, FreeCommonBuffer: ptr, AllocateAdapterChannel: ptr, FlushAdapterBuffers: ptr, FreeAdapterChannel: ptr,
  FreeMapRegisters: ptr, MapTransfer: ptr, GetDmaAlignment: ptr, ReadDmaCounter: ptr, GetScatterGatherList: ptr, PutScatterGatherList: ptr, CalculateScatterGatherList: ptr,
  BuildScatterGatherList: ptr, BuildMdlFromScatterGatherList: ptr, GetDmaAdapterInfo: ptr, GetDmaTransferInfo: ptr, InitializeDmaTransferContext: ptr,
  AllocateCommonBufferEx: ptr, AllocateAdapterChannelEx: ptr, ConfigureAdapterChannel: ptr, CancelAdapterChannel: ptr, MapTransferEx: ptr, GetScatterGatherListEx: ptr,
  BuildScatterGatherListEx: ptr, FlushAdapterBuffersEx: ptr, FreeAdapterObject: ptr, CancelMappedTransfer: ptr, AllocateDomainCommonBuffer: ptr,
  FlushDmaBuffer: ptr, JoinDmaDomain: ptr, LeaveDmaDomain: ptr, GetDmaDomain: ptr, AllocateCommonBufferWithBounds: ptr, AllocateCommonBufferVector: ptr,
  GetCommonBufferFromVectorByIndex: ptr, FreeCommonBufferFromVector: ptr, FreeCommonBufferVector: ptr, CreateCommonBufferFromMdl: ptr,
});
export const SCATTER_GATHER_ELEMENT = struct('_SCATTER_GATHER_ELEMENT', { Address: u64, Length: u32, Reserved: [0x10, u64] });
export const SCATTER_GATHER_LIST = struct('_SCATTER_GATHER_LIST', { NumberOfElements: u32, Reserved: [8, u64], Elements: [0x10, SCATTER_GATHER_ELEMENT] });
// IO_ALLOCATION_ACTION
export const KeepObject = 1, DeallocateObject = 2, DeallocateObjectKeepRegisters = 3;
