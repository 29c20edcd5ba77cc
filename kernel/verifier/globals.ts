import { array, ptr, struct, u32, u64 } from '../types/struct.ts';

/** Most frames that a record keeps of a stack. */
export const VF_FRAMES = 12;

/**
 * What the verifier knows about one thing: something of a driver's that lives (an allocation, a lock that is held), in the table; or something that happened (a free, a
 * completion), in the log.
 */
export const VF_RECORD = struct('_VF_RECORD', {
  /** Address of the thing. */
  Key: ptr,
  /** Table: number + 1 of the next record of the chain, 0 at its end. */
  Next: u32,
  /** Kind, IRQL, processor and number of frames, a byte each. */
  Info: u32,
  /** Base of the driver's image that did it; 0 for the kernel. */
  Owner: ptr,
  Thread: ptr,
  Cycle: u64,
  Sequence: u32,
  Tag: u32,
  Size: u32,
  Flags: u32,
  Data: ptr,
  More: ptr,
  Stack: array(ptr, VF_FRAMES),
});

/** Kinds of {@link VF_RECORD}s; the number of live ones is counted by kind. */
export const VF_KINDS = 48;

/** Classes of calls that can be made to fail (verifier/inject.ts); one is spare. */
const INJECT_CLASSES = 6;

/** Variables of the verifier in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. */
export const verifierGlobals = {
  /** The table: records, how many, the first free one (number + 1), the heads of the chains (number + 1 each, as many as records). */
  VfRecords: ptr,
  VfRecordCount: u32,
  VfRecordFree: u32,
  VfBuckets: ptr,
  /** Things that found no room in the table. */
  VfDropped: u32,
  VfSequence: u32,
  VfLive: array(u32, VF_KINDS),
  /** The log: a ring of records, and how many were ever written. */
  VfLog: ptr,
  VfLogSize: u32,
  VfLogWritten: u32,
  /** Fault injection: seed, decisions made so far by class, one in how many fails by class (0: none), failures made. */
  VfInjectSeed: u32,
  VfInjectDecisions: array(u32, INJECT_CLASSES),
  VfInjectOneIn: array(u32, INJECT_CLASSES),
  VfInjectFailures: u32,
} as const;
