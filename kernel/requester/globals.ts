import { array, ptr, u32 } from '../types/struct.ts';
import { KDPC, KEVENT } from '../types/ke.ts';
import { LIST_ENTRY } from '../types/rtl.ts';

/** Requests of the kernel's own that can wait. */
export const INTERNAL_QUEUE_LENGTH = 16;

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Req. */
export const requesterGlobals = {
  /** Signaled when the request port has something; a requester thread waits for it. */
  ReqEvent: KEVENT,
  ReqDpc: KDPC,
  /** The process to whose handles the outside refers. */
  ReqProcess: ptr,
  /** REQUESTER_RECORDs of the threads of the user-mode requester (user.ts). */
  ReqRecordListHead: LIST_ENTRY,
  /** Threads that wait for a request, and all of them. */
  ReqIdleThreads: u32,
  ReqThreads: u32,
  /** Requests that have been fetched and neither answered nor reported as pending. */
  ReqActive: u32,
  /** Requests that were reported as pending. */
  ReqPending: u32,
  /** Room for a header at a multiple of 32, for when there is no pool. */
  ReqSpareHeader: array(u32, 15),
  /** REQUEST_PACKETs of the kernel's own that wait: a ring (see internal.ts). Head and tail count up; packet n is at n mod INTERNAL_QUEUE_LENGTH. */
  ReqInternalQueue: array(ptr, INTERNAL_QUEUE_LENGTH),
  ReqInternalHead: u32,
  ReqInternalTail: u32,
} as const;
