import { array, i16, i32, i64, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';
import { LIST_ENTRY } from './rtl.ts';
import { KDPC, KEVENT, KTIMER } from './ke.ts';

/**
 * Lock-free stack head for CMPXCHG16B. Alignment (first quadword): depth in bits 0-15, sequence in bits 16-63. Region (second): the first entry's address, of which the low
 * four bits are reserved, so entries are 16-byte aligned.
 */
export const SLIST_HEADER = struct('_SLIST_HEADER', { Alignment: [0, u64], Region: [8, u64], Depth: [0, u16], NextEntry: [8, ptr] }, { align: 16 });
export const SLIST_ENTRY = struct('_SLIST_ENTRY', { Next: to('_SLIST_ENTRY') }, { align: 16 });

const lookaside = {
  ListHead: SLIST_HEADER, Depth: u16, MaximumDepth: u16, TotalAllocates: u32, AllocateMisses: u32, TotalFrees: u32, FreeMisses: u32, Type: u32, Tag: u32, Size: u32,
  Allocate: ptr, Free: ptr, ListEntry: LIST_ENTRY, LastTotalAllocates: u32, LastAllocateMisses: u32, Future: array(u32, 2),
} as const;
/** NPAGED_LOOKASIDE_LIST and PAGED_LOOKASIDE_LIST are this and nothing more on x64. Drivers push and pop ListHead inline and call Allocate and Free. */
export const GENERAL_LOOKASIDE = struct('_GENERAL_LOOKASIDE', lookaside, { size: 0x80, align: 64 });
/** The same without padding to a cache line: LOOKASIDE_LIST_EX. */
export const GENERAL_LOOKASIDE_POOL = struct('_GENERAL_LOOKASIDE_POOL', lookaside, { size: 0x60 });
export const NPAGED_LOOKASIDE_LIST = GENERAL_LOOKASIDE;
export const PAGED_LOOKASIDE_LIST = GENERAL_LOOKASIDE;
export const LOOKASIDE_LIST_EX = GENERAL_LOOKASIDE_POOL;

export const WORK_QUEUE_ITEM = struct('_WORK_QUEUE_ITEM', { List: LIST_ENTRY, WorkerRoutine: ptr, Parameter: ptr });
// WORK_QUEUE_TYPE
export const CriticalWorkQueue = 0, DelayedWorkQueue = 1, HyperCriticalWorkQueue = 2, NormalWorkQueue = 3, BackgroundWorkQueue = 4, RealTimeWorkQueue = 5;
export const SuperCriticalWorkQueue = 6, CustomPriorityWorkQueue = 32;

/** Timer that ExAllocateTimer makes. Begins with a KTIMER, as threads may wait for it; the rest is this kernel's own. */
export const EX_TIMER = struct('_EX_TIMER', {
  Timer: KTIMER, Dpc: KDPC, Callback: ptr, Context: ptr, Period: i64, DeleteCallback: ptr, DeleteContext: ptr, Attributes: u32, State: u32, Idle: KEVENT,
});

/** Count is 1 when free, 0 when owned, less when others wait. */
export const FAST_MUTEX = struct('_FAST_MUTEX', { Count: i32, Owner: [8, ptr], Contention: u32, Event: [0x18, KEVENT], OldIrql: u32 }, { size: 0x38 });

/** TableSize is what the first entry of the owner table uses instead of a count. */
export const OWNER_ENTRY = struct('_OWNER_ENTRY', { OwnerThread: u64, TableSize: u32 });
export const ERESOURCE = struct('_ERESOURCE', {
  SystemResourcesList: LIST_ENTRY, OwnerTable: to('_OWNER_ENTRY'), ActiveCount: i16, Flag: u16, SharedWaiters: [0x20, ptr], ExclusiveWaiters: ptr, OwnerEntry: OWNER_ENTRY,
  ActiveEntries: u32, ContentionCount: u32, NumberOfSharedWaiters: u32, NumberOfExclusiveWaiters: u32, Reserved2: ptr, Address: ptr, SpinLock: u64,
});
/** ERESOURCE.Flag */
export const ResourceOwnedExclusive = 0x80, ResourceHasDisabledPriorityBoost = 0x08;

/** Bit 0 of Count: rundown has begun; the rest counts references times two. */
export const EX_RUNDOWN_REF = struct('_EX_RUNDOWN_REF', { Count: u64 });
/** A rundown reference for each processor, a cache line apart, so that processors do not share one. */
export const EX_RUNDOWN_REF_CACHE_AWARE = struct('_EX_RUNDOWN_REF_CACHE_AWARE', { RunRefs: ptr, PoolToFree: ptr, RunRefSize: u32, Number: u32 });
/** Bits: Locked, Waiting, Waking, MultipleShared, then the number of shared owners or a pointer to waiters. */
export const EX_PUSH_LOCK = struct('_EX_PUSH_LOCK', { Value: u64 });
/** An object's address with a small count in its low four bits. */
export const EX_FAST_REF = struct('_EX_FAST_REF', { Value: u64 });

/** Body of a `\Callback` object. */
export const CALLBACK_OBJECT = struct('_CALLBACK_OBJECT', {
  Signature: u32, Lock: [8, u64], RegisteredCallbacks: LIST_ENTRY, AllowMultipleCallbacks: u8, ObjectList: [0x28, LIST_ENTRY],
});
export const CALLBACK_REGISTRATION = struct('_CALLBACK_REGISTRATION', {
  Link: LIST_ENTRY, CallbackObject: to('_CALLBACK_OBJECT'), CallbackFunction: ptr, CallbackContext: ptr, Busy: u32, UnregisterWaiting: u8,
});

export const POOL_EXTENDED_PARAMETER = struct('_POOL_EXTENDED_PARAMETER', { Type: u64, Value: u64 });
export const SYSTEM_MODULE = struct('_RTL_PROCESS_MODULE_INFORMATION', {
  Section: u64, MappedBase: ptr, ImageBase: ptr, ImageSize: u32, Flags: u32, LoadOrderIndex: u16, InitOrderIndex: u16, LoadCount: u16, OffsetToFileName: u16,
  FullPathName: array(u8, 256),
});
