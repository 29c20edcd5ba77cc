import { i16, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';

/** Memory descriptor list: the header; one page frame number (u64) a page follows it. */
export const MDL = struct('_MDL', {
  Next: to('_MDL'), Size: i16, MdlFlags: i16, AllocationProcessorNumber: u16, Reserved: u16, Process: to('_EPROCESS'), MappedSystemVa: ptr, StartVa: ptr, ByteCount: u32, ByteOffset: u32,
});
// MDL.MdlFlags
export const MDL_MAPPED_TO_SYSTEM_VA = 0x0001, MDL_PAGES_LOCKED = 0x0002, MDL_SOURCE_IS_NONPAGED_POOL = 0x0004, MDL_ALLOCATED_FIXED_SIZE = 0x0008;
export const MDL_PARTIAL = 0x0010, MDL_PARTIAL_HAS_BEEN_MAPPED = 0x0020, MDL_IO_PAGE_READ = 0x0040, MDL_WRITE_OPERATION = 0x0080;
export const MDL_LOCKED_PAGE_TABLES = 0x0100, MDL_PARENT_MAPPED_SYSTEM_VA = 0x0100, MDL_FREE_EXTRA_PTES = 0x0200, MDL_DESCRIBES_AWE = 0x0400, MDL_IO_SPACE = 0x0800;
export const MDL_NETWORK_HEADER = 0x1000, MDL_MAPPING_CAN_FAIL = 0x2000, MDL_PAGE_CONTENTS_INVARIANT = 0x4000, MDL_INTERNAL = 0x8000;

/** Before each pool block. BlockSize and PreviousSize count 16-byte units, this header included. PoolType is 2 or 3 (paged) in use, 0 when free. */
export const POOL_HEADER = struct('_POOL_HEADER', {
  Ulong1: [0, u32], PreviousSize: [0, u8], PoolIndex: [1, u8], BlockSize: [2, u8], PoolType: [3, u8], PoolTag: [4, u32], ProcessBilled: [8, u64],
});
// POOL_TYPE
export const NonPagedPool = 0, PagedPool = 1, NonPagedPoolMustSucceed = 2, NonPagedPoolCacheAligned = 4, PagedPoolCacheAligned = 5, NonPagedPoolNx = 512, NonPagedPoolNxCacheAligned = 516;
export const POOL_RAISE_IF_ALLOCATION_FAILURE = 16, POOL_QUOTA_FAIL_INSTEAD_OF_RAISE = 8;

/** Descriptor of an allocation of a page or more, which has no POOL_HEADER. Bit 0 of Va marks a free entry. */
export const POOL_TRACKER_BIG_PAGES = struct('_POOL_TRACKER_BIG_PAGES', { Va: u64, Key: u32, Pattern: u32, NumberOfBytes: u64 });

/** Page table entry (SDM vol. 3, table 4-20); its bits are in mm/layout.ts. */
export const MMPTE = struct('_MMPTE', { Long: u64 });

export const PHYSICAL_MEMORY_RANGE = struct('_PHYSICAL_MEMORY_RANGE', { BaseAddress: u64, NumberOfBytes: u64 });
export const MM_PHYSICAL_ADDRESS_LIST = struct('_MM_PHYSICAL_ADDRESS_LIST', { PhysicalAddress: u64, NumberOfBytes: u64 });

/** State of one physical page, in the PFN database: the page's free list links, or the PTE that maps it and how often. */
export const MMPFN = struct('_MMPFN', {
  Flink: [0, u64], PteAddress: [8, ptr], OriginalPte: [0x10, u64], Blink: [0x18, u64], ShareCount: [0x18, u64], ReferenceCount: [0x20, u16],
  /** Bits 0-2 PageLocation, 3 WriteInProgress, 4 Modified, 5 ReadInProgress, 6-7 CacheAttribute. */
  PageFlags: [0x22, u8], PageFlags3: [0x23, u8], PteFrame: [0x28, u64],
}, { size: 0x30 });
// MMPFN.PageFlags bits 0-2, PageLocation (MMLISTS)
export const ZeroedPageList = 0, FreePageList = 1, StandbyPageList = 2, ModifiedPageList = 3, BadPageList = 5, ActiveAndValid = 6;

// MEMORY_CACHING_TYPE
export const MmNonCached = 0, MmCached = 1, MmWriteCombined = 2;
// LOCK_OPERATION
export const IoReadAccess = 0, IoWriteAccess = 1, IoModifyAccess = 2;

