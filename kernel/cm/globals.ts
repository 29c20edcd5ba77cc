import { ptr } from '../types/struct.ts';

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Cm or Cmp. */
export const cmGlobals = {
  /** CM_KEY_CONTROL_BLOCK of `\REGISTRY`. */
  CmpRegistryRoot: ptr,
} as const;
