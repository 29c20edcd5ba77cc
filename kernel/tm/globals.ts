import { WORK_QUEUE_ITEM } from '../types/ex.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { u32 } from '../types/struct.ts';

/** Variables of the transaction manager; names carry the prefix Tm or Tmp. */
export const tmGlobals = {
  /** KTM.Namespace of all transaction managers. */
  TmpTmListHead: LIST_ENTRY,
  /** KTRANSACTION.Namespace of all transactions. */
  TmpTransactionListHead: LIST_ENTRY,
  /** KTM_LOG: the log streams that there are. */
  TmpLogListHead: LIST_ENTRY,
  /** KTMNOTIFICATION_PACKETs for resource managers with a callback, in the order in which they are delivered. */
  TmpDeliveryListHead: LIST_ENTRY,
  /** Threads that deliver now: what a callback does itself is delivered after it has returned. */
  TmpDelivererListHead: LIST_ENTRY,
  /** Delivers what came up where nothing can be called. */
  TmpDeliveryWorkItem: WORK_QUEUE_ITEM,
  TmpDeliveryQueued: u32,
} as const;
