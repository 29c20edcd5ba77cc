import { ptr, struct, array, u32, u64 } from '../types/struct.ts';
import { LIST_ENTRY } from '../types/rtl.ts';

/** Lists of free pool blocks: one for each size in 16-byte units. */
export const POOL_LISTS = 256;

/** One pool: its address range, which of its pages are in use, and its free blocks by size. */
export const POOL_DESCRIPTOR = struct('_POOL_DESCRIPTOR', {
  /** NonPagedPool or PagedPool. */
  PoolType: u32,
  /** Page at which the search for free pages starts. */
  Hint: u32,
  Base: ptr,
  Pages: u32,
  /** Pages in use. */
  TotalPages: u32,
  /** One bit a page, set when it is in use. */
  Bitmap: ptr,
  RunningAllocs: u32,
  RunningDeAllocs: u32,
  TotalBytes: u64,
  /** Bit n of the 256: list n has blocks. */
  ListSummary: array(u32, POOL_LISTS / 32),
  ListHeads: array(LIST_ENTRY, POOL_LISTS),
});

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Mm. */
export const mmGlobals = {
  /** Views of sections in all processes: MM_VIEW.Link. */
  MmViewListHead: LIST_ENTRY,
  MmNonPagedPool: POOL_DESCRIPTOR,
  MmPagedPool: POOL_DESCRIPTOR,
  /** Physical address of the nonpaged pool's first byte. */
  MmNonPagedPoolPhysical: u64,
  /** Open-addressed table of pool allocations of a page and more; a power of two of entries. */
  MmPoolBigPageTable: ptr,
  MmPoolBigPageTableSize: u32,
  /** Pages of RAM, and how many of them are on the free list. */
  MmNumberOfPhysicalPages: u32,
  MmAvailablePages: u32,
  /** First and last page frame of the free list, 0xFFFFFFFF when it is empty. */
  MmFreePageListHead: u32,
  MmFreePageListTail: u32,
  /** Bitmap of the system PTEs, and where the next search starts. */
  MmSystemPteBitmap: ptr,
  MmSystemPteHint: u32,
  MmSystemPtesInUse: u32,
  /** Pages in transition, oldest first: the list's ends (0xFFFFFFFF when it is empty) and their number. */
  MmModifiedPageListHead: u32,
  MmModifiedPageListTail: u32,
  MmModifiedPages: u32,
  /** The page store: 0 not asked for yet, 1 present, 2 absent; one bit for each of its slots, where the search starts, slots in use. */
  MmPagingFilePresent: u32,
  MmPagingFileSlots: u32,
  MmPagingFileBitmap: ptr,
  MmPagingFileHint: u32,
  MmPagingFilePagesInUse: u32,
  /** Faults that found their page in transition, and in the page store. */
  MmTransitionFaults: u32,
  MmPageReads: u32,
  /** First of the thunks of MmAddVerifierThunks. */
  MmVerifierThunks: ptr,
  /** Special pool: one bit for each pair of pages of its region, the pages of the region (0 without the verifier), where the search starts, pages with memory. */
  MmSpecialPoolBitmap: ptr,
  MmSpecialPoolPages: u32,
  MmSpecialPoolHint: u32,
  MmSpecialPoolPagesInUse: u32,
  /** First of the ranges that MmAllocateMappingAddress reserved. */
  MmReservedMappings: ptr,
  /** Address at which the next driver image is mapped. */
  MmDriverImageHint: ptr,
} as const;
