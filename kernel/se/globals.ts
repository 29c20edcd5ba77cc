import { ptr, u64 } from '../types/struct.ts';

/** Variables of the security reference monitor in ntoskrnl's .data. */
export const seGlobals = {
  /** The next locally unique id; 1000 and below are well-known (ExAllocateLocallyUniqueId). */
  ExpLuid: u64,
  /** Descriptor of devices that are created without one. */
  SePublicDefaultUnrestrictedSd: ptr,
  /** Descriptor of what the kernel itself names. */
  SeSystemDefaultSd: ptr,
} as const;
