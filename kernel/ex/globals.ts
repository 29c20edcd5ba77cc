import { array, ptr, struct, u32, u64 } from '../types/struct.ts';
import { KEVENT } from '../types/ke.ts';
import { LIST_ENTRY } from '../types/rtl.ts';

/** Work items of one class, and how many threads there are for them. */
export const EX_WORK_QUEUE = struct('_EX_WORK_QUEUE', {
  Items: LIST_ENTRY,
  /** Synchronization event: set for each new item. */
  Event: KEVENT,
  Threads: u32,
  /** Threads that wait for an item. */
  Idle: u32,
  Priority: u32,
  Processed: u32,
});
export const WORK_QUEUES = 3;

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Ex. */
export const exGlobals = {
  ExNPagedLookasideListHead: LIST_ENTRY,
  ExPagedLookasideListHead: LIST_ENTRY,
  ExPoolLookasideListHead: LIST_ENTRY,
  /** Critical, delayed and hypercritical. */
  ExWorkerQueue: array(EX_WORK_QUEUE, WORK_QUEUES),
  ExpSystemResourcesList: LIST_ENTRY,
  /** Threads that wait for a push lock: blocks on their stacks. */
  ExpPushLockWaiters: LIST_ENTRY,
  /** Blocks of ExBlockPushLock. */
  ExpPushLockBlocks: LIST_ENTRY,
  /** Set when a notification leaves a registration that somebody waits to take back. */
  ExpCallbackEvent: KEVENT,
  /** Time and sequence of the last UUID. */
  ExpUuidLastTime: u64,
  ExpUuidSequence: u32,
  /** The numbers that RtlRandom shuffles, and whether they are there. */
  RtlpRandomTable: array(u32, 129),
  /** State of rand(). */
  ExpRandState: u32,
  /** `\Callback` objects that the kernel itself notifies. */
  ExCbSetSystemTime: ptr,
  ExCbPowerState: ptr,
  ExCbProcessorAdd: ptr,
} as const;
