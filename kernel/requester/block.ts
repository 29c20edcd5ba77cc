import { IO_STATUS_BLOCK } from '../types/io.ts';
import { OBJECT_ATTRIBUTES } from '../types/ob.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import { array, i64, ptr, struct, u32, u64 } from '../types/struct.ts';

/** Longest path in a call block, in UTF-16 units. */
export const PATH_UNITS = 512;

/**
 * What a thread of the requester shares with the kernel, in user memory: which service it is to call with which arguments, and how the call ended. The kernel fills it in
 * NtTakeRequest, the program (image/usercode.ts) does what it says.
 */
export const REQUEST_BLOCK = struct('_REQUEST_BLOCK', {
  /** Stubs of ntdll: the service to call, and those that the program itself needs. */
  Service: ptr,
  Take: ptr,
  Defer: ptr,
  Wait: ptr,
  Arguments: array(u64, 12),
  /** Out: what the service returned; for one that was pending, the status of its completion. */
  Status: u32,
  /** {@link EVENT_COMPLETION} or {@link APC_COMPLETION}. */
  Completion: u32,
  /** Out: the APC routine has run. */
  Completed: u32,
  /** How often the program still calls the service again when it has succeeded at once: for measurements. */
  Repeat: u32,
  Iosb: [0xa0, IO_STATUS_BLOCK],
  Offset: i64,
  /** Out: of NtCreateFile. */
  Handle: ptr,
  /** Handle of the thread's event. */
  Event: ptr,
  Attributes: OBJECT_ATTRIBUTES,
  Name: UNICODE_STRING,
  Path: [0x140, array(u64, PATH_UNITS / 4)],
});

export const EVENT_COMPLETION = 0,
  APC_COMPLETION = 1;
