import { KDPC, KTIMER } from '../types/ke.ts';
import { LIST_ENTRY } from '../types/rtl.ts';

/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Pop. */
export const poGlobals = {
  /** Power requests that are under way or wait (po/request.ts). */
  PopIrpList: LIST_ENTRY,
  /** Registrations of drivers (po/settings.ts): what keeps the system awake, who hears of power settings. */
  PopSystemStateList: LIST_ENTRY,
  PopSettingList: LIST_ENTRY,
  /** Devices whose idle time is counted, and the timer that does it (po/idle.ts). */
  PopIdleDetectList: LIST_ENTRY,
  PopIdleScanDpc: KDPC,
  PopIdleScanTimer: KTIMER,
} as const;
