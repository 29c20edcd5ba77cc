import { array, ptr, u64 } from '../types/struct.ts';

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Cm or Cmp. */
export const cmGlobals = {
  /** CM_KEY_CONTROL_BLOCK of `\REGISTRY`. */
  CmpRegistryRoot: ptr,
  /** Registry callbacks (CmRegisterCallbackEx), the highest altitude first. */
  CmpCallBackListHead: array(ptr, 2),
  /** Calls of callbacks that are under way, innermost first. */
  CmpCallListHead: array(ptr, 2),
  /** Cookie of the next callback. */
  CmpCallbackCookie: u64,
  /** Keys whose changes somebody waits for (ZwNotifyChangeKey): CM_NOTIFY_BLOCKs. */
  CmpNotifyListHead: array(ptr, 2),
} as const;
