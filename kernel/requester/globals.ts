import { ptr, u32 } from '../types/struct.ts';
import { KDPC, KEVENT } from '../types/ke.ts';

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Req. */
export const requesterGlobals = {
  /** Signaled when the request port has something; a requester thread waits for it. */
  ReqEvent: KEVENT,
  ReqDpc: KDPC,
  /** The process to whose handles the outside refers. */
  ReqProcess: ptr,
  /** Threads that wait for a request, and all of them. */
  ReqIdleThreads: u32,
  ReqThreads: u32,
  /** Requests that have been fetched and neither answered nor reported as pending. */
  ReqActive: u32,
  /** Requests that were reported as pending. */
  ReqPending: u32,
} as const;
