/** The Kernel Transaction Manager's objects and constants. Source: ktmtypes.h, wdm.h; the names of the fields are those of NT's symbols, the private part of each body is our own. */
import { KDPC, KEVENT, KTIMER } from './ke.ts';
import { WORK_QUEUE_ITEM } from './ex.ts';
import { LIST_ENTRY, UNICODE_STRING } from './rtl.ts';
import { array, i64, ptr, struct, u32 } from './struct.ts';

const GUID = array(u32, 4);
export const GUID_SIZE = 16;

// CreateOptions
export const TRANSACTION_MANAGER_VOLATILE = 1, TRANSACTION_MANAGER_MAXIMUM_OPTION = 0x3f, TRANSACTION_MAXIMUM_OPTION = 1;
export const RESOURCE_MANAGER_VOLATILE = 1, RESOURCE_MANAGER_MAXIMUM_OPTION = 3, ENLISTMENT_SUPERIOR = 1, ENLISTMENT_MAXIMUM_OPTION = 1;
/** Longest description, in characters. */
export const MAX_TRANSACTION_DESCRIPTION_LENGTH = 64, MAX_RESOURCEMANAGER_DESCRIPTION_LENGTH = 64;

// NOTIFICATION_MASK
export const TRANSACTION_NOTIFY_MASK = 0x3fffffff;
export const TRANSACTION_NOTIFY_PREPREPARE = 1, TRANSACTION_NOTIFY_PREPARE = 2, TRANSACTION_NOTIFY_COMMIT = 4, TRANSACTION_NOTIFY_ROLLBACK = 8;
export const TRANSACTION_NOTIFY_PREPREPARE_COMPLETE = 0x10, TRANSACTION_NOTIFY_PREPARE_COMPLETE = 0x20, TRANSACTION_NOTIFY_COMMIT_COMPLETE = 0x40;
export const TRANSACTION_NOTIFY_ROLLBACK_COMPLETE = 0x80, TRANSACTION_NOTIFY_RECOVER = 0x100, TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT = 0x200;
export const TRANSACTION_NOTIFY_RECOVER_QUERY = 0x800, TRANSACTION_NOTIFY_LAST_RECOVER = 0x2000, TRANSACTION_NOTIFY_INDOUBT = 0x4000;
export const TRANSACTION_NOTIFY_RM_DISCONNECTED = 0x1000000, TRANSACTION_NOTIFY_COMMIT_REQUEST = 0x4000000, TRANSACTION_NOTIFY_REQUEST_OUTCOME = 0x20000000;

// Access rights
export const TRANSACTIONMANAGER_QUERY_INFORMATION = 1, TRANSACTIONMANAGER_SET_INFORMATION = 2, TRANSACTIONMANAGER_RECOVER = 4, TRANSACTIONMANAGER_CREATE_RM = 0x10;
export const TRANSACTION_QUERY_INFORMATION = 1, TRANSACTION_SET_INFORMATION = 2, TRANSACTION_ENLIST = 4, TRANSACTION_COMMIT = 8, TRANSACTION_ROLLBACK = 0x10;
export const RESOURCEMANAGER_QUERY_INFORMATION = 1, RESOURCEMANAGER_SET_INFORMATION = 2, RESOURCEMANAGER_RECOVER = 4, RESOURCEMANAGER_ENLIST = 8;
export const RESOURCEMANAGER_GET_NOTIFICATION = 0x10;
export const ENLISTMENT_QUERY_INFORMATION = 1, ENLISTMENT_SET_INFORMATION = 2, ENLISTMENT_RECOVER = 4, ENLISTMENT_SUBORDINATE_RIGHTS = 8, ENLISTMENT_SUPERIOR_RIGHTS = 0x10;

// KTRANSACTION_STATE
export const KTransactionActive = 1, KTransactionPreparing = 2, KTransactionPrepared = 3, KTransactionInDoubt = 4, KTransactionCommitted = 5, KTransactionAborted = 6;
export const KTransactionDelegated = 7, KTransactionPrePreparing = 8, KTransactionForgotten = 9, KTransactionPrePrepared = 11;
// KENLISTMENT_STATE
export const KEnlistmentActive = 256, KEnlistmentPreparing = 257, KEnlistmentPrepared = 258, KEnlistmentCommitted = 260, KEnlistmentCommittedNotify = 261;
export const KEnlistmentCommitRequested = 262, KEnlistmentAborted = 263, KEnlistmentDelegated = 264, KEnlistmentPrePreparing = 266, KEnlistmentForgotten = 267;
// TRANSACTION_OUTCOME, TRANSACTION_STATE
export const TransactionOutcomeUndetermined = 1, TransactionOutcomeCommitted = 2, TransactionOutcomeAborted = 3;
export const TransactionStateNormal = 1, TransactionStateIndoubt = 2, TransactionStateCommittedNotify = 3;
// Information classes
export const TransactionBasicInformation = 0, TransactionPropertiesInformation = 1, TransactionEnlistmentInformation = 2, TransactionSuperiorEnlistmentInformation = 3;
export const TransactionManagerBasicInformation = 0, TransactionManagerLogInformation = 1, TransactionManagerLogPathInformation = 2, TransactionManagerRecoveryInformation = 4;
export const ResourceManagerBasicInformation = 0, EnlistmentBasicInformation = 0, EnlistmentRecoveryInformation = 1;
// KTMOBJECT_TYPE
export const KTMOBJECT_TRANSACTION = 0, KTMOBJECT_TRANSACTION_MANAGER = 1, KTMOBJECT_RESOURCE_MANAGER = 2, KTMOBJECT_ENLISTMENT = 3;

/** Part of each body: the object's place among those of its kind, and whether it can still be found. */
export const KTMOBJECT_NAMESPACE_LINK = struct('_KTMOBJECT_NAMESPACE_LINK', { Links: LIST_ENTRY, Expired: u32 });

/** A log stream: what a transaction manager leaves behind when it is closed. There is no CLFS and no file: it lies in pool and lives as long as the machine. */
export const KTM_LOG = struct('_KTM_LOG', {
  Link: LIST_ENTRY, Path: UNICODE_STRING, LogIdentity: GUID, TmIdentity: GUID, VirtualClock: i64,
  /** The transaction manager that uses it, or null. */
  Tm: ptr,
  /** Transactions whose outcome was open when it was closed (KTRANSACTION.LogLink), each with a reference. */
  TransactionHead: LIST_ENTRY,
  /** Number of log records: as often as the state of a transaction was written. */
  LastLsn: i64,
});

export const KTM = struct('_KTM', {
  Namespace: KTMOBJECT_NAMESPACE_LINK, TmIdentity: GUID, State: u32, Flags: u32, VirtualClock: i64, Log: ptr,
  /** KRESOURCEMANAGER.NamespaceLink of its resource managers. */
  ResourceManagerHead: LIST_ENTRY,
  /** Last record that was read by a recovery. */
  LastRecoveredLsn: i64,
});
/** KTM.State. */
export const KTmOffline = 0, KTmInitialized = 1, KTmRecovering = 2, KTmOnline = 3;

/** A notification that waits to be read or delivered; it is part of its enlistment, so that none is lost for want of memory. */
export const KTMNOTIFICATION_PACKET = struct('_KTMNOTIFICATION_PACKET', { Link: LIST_ENTRY, Enlistment: ptr, ResourceManager: ptr, Notification: u32, Queued: u32, VirtualClock: i64 });
export const NOTIFICATION_PACKETS = 8;

export const KRESOURCEMANAGER = struct('_KRESOURCEMANAGER', {
  /** Set while there are notifications to read. */
  NotificationAvailable: KEVENT,
  Namespace: KTMOBJECT_NAMESPACE_LINK, RmId: GUID, Flags: u32, State: u32,
  NotificationQueue: LIST_ENTRY,
  /** KENLISTMENT.NamespaceLink of its enlistments. */
  EnlistmentHead: LIST_ENTRY,
  NotificationRoutine: ptr, Key: ptr, Tm: ptr, Description: UNICODE_STRING,
  LastRecover: KTMNOTIFICATION_PACKET,
});

export const KTRANSACTION = struct('_KTRANSACTION', {
  /** Set when the outcome is known and everybody has answered. */
  OutcomeEvent: KEVENT,
  Namespace: KTMOBJECT_NAMESPACE_LINK, UOW: GUID, State: u32, Flags: u32, EnlistmentHead: LIST_ENTRY, EnlistmentCount: u32, PendingResponses: u32,
  SuperiorEnlistment: ptr, IsolationLevel: u32, IsolationFlags: u32, Timeout: i64, Description: UNICODE_STRING, Outcome: u32, Tm: ptr,
  RollbackWorkItem: WORK_QUEUE_ITEM, RollbackDpc: KDPC, RollbackTimer: KTIMER,
  /** The timer runs, and holds a reference; its work item is queued. */
  TimerSet: u32, RollbackQueued: u32,
  LogLink: LIST_ENTRY,
  /** The clock when it was prepared: how far a recovery must go to find it. */
  LogClock: i64,
  /** What the registry has to do when the outcome is known: CM_UOW records in the order of the changes. */
  CmUowHead: LIST_ENTRY,
});
/** KTRANSACTION.Flags: the superior asked for the whole commit; the transaction lies in a log. */
export const TX_COMMIT_AFTER_PREPARE = 1, TX_IN_LOG = 2;

export const KENLISTMENT = struct('_KENLISTMENT', {
  Namespace: KTMOBJECT_NAMESPACE_LINK, EnlistmentId: GUID, TransactionLink: LIST_ENTRY, ResourceManager: ptr, Transaction: ptr, State: u32, Flags: u32,
  NotificationMask: u32, KeyRefCount: u32, Key: ptr, RecoveryInformation: ptr, RecoveryInformationLength: u32,
  Packets: array(KTMNOTIFICATION_PACKET, NOTIFICATION_PACKETS),
});
/** KENLISTMENT.Flags: superior; read-only; the transaction waits for its answer; it has nothing more to do with the transaction. */
export const EN_SUPERIOR = 1, EN_READ_ONLY = 2, EN_PENDING = 4, EN_FINISHED = 8;
