import { LIST_ENTRY } from '../types/rtl.ts';
import { EPROCESS, ETHREAD, NOTIFY_SLOT } from '../types/ps.ts';
import { array, ptr, u32 } from '../types/struct.ts';

/** Threads and processes that there can be at once. */
export const CID_ENTRIES = 8192;

/** Registered notification routines of a kind. */
export const NOTIFY_SLOTS = 64;

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Ps. */
export const psGlobals = {
  /** EPROCESS.ActiveProcessLinks of every process but the idle one. */
  PsActiveProcessHead: LIST_ENTRY,
  /** The idle process and the idle thread of the first processor, which no manager creates. */
  KiInitialProcess: EPROCESS,
  KiInitialThread: ETHREAD,
  /** Threads and processes by id: CID_ENTRIES pointers, the id is four times the index. They hold no reference. */
  PspCidTable: ptr,
  PspNextCid: u32,
  PspActiveThreads: u32,
  PspCreateProcessNotifyRoutine: array(NOTIFY_SLOT, NOTIFY_SLOTS),
  PspCreateThreadNotifyRoutine: array(NOTIFY_SLOT, NOTIFY_SLOTS),
  PspLoadImageNotifyRoutine: array(NOTIFY_SLOT, NOTIFY_SLOTS),
} as const;
