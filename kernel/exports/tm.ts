/** The Kernel Transaction Manager: transaction managers, resource managers, transactions. Source: the WDK page of each routine. */
import type { Kernel } from '../kernel.ts';
import { keWait } from '../ke/wait.ts';
import { systemTime } from '../ke/time.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { readString } from '../ob/string.ts';
import { type Delivering, delivering, type Result } from '../tm/deliver.ts';
import { enumerateObjects, queryManager, queryResourceManager, queryTransaction } from '../tm/information.ts';
import {
  closeManager, closeResourceManager, createManager, createResourceManager, deleteManager, deleteResourceManager, openManager, openResourceManager, recoverManager, renameManager,
} from '../tm/manager.ts';
import { enableCallbacks, nextPacket, readPacket, takePacket, writeRecoveryArgument } from '../tm/notify.ts';
import { copyGuid, referenceHandle, withTmObject } from '../tm/object.ts';
import { commitStatus, commitTransaction, isActive, isOver, rollbackTransaction } from '../tm/protocol.ts';
import {
  closeTransaction, createTransaction, deleteTransaction, expireTransaction, openTransaction, recoverResourceManager, setTransaction, timeIsUp,
} from '../tm/transaction.ts';
import { DelayedWorkQueue, WORK_QUEUE_ITEM } from '../types/ex.ts';
import {
  STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_INFO_CLASS, STATUS_INVALID_PARAMETER, STATUS_PENDING, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
} from '../types/status.ts';
import { i64, ptr, u32 } from '../types/struct.ts';
import * as tm from '../types/tm.ts';
import {
  type ArgTypes, type ArgValues, BOOLEAN, type Frame, HANDLE, type NtExport, ntExport, NTSTATUS, ntSteps, type Outcome, pointer, PVOID, ret, ULONG, VOID, wait,
} from './declare.ts';
import { service, stepService } from './service.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const LPGUID = pointer('LPGUID');
const PLARGE_INTEGER = pointer('PLARGE_INTEGER');
const PULONG = pointer('PULONG');
const TM = 'TmTransactionManagerObjectType', TX = 'TmTransactionObjectType', RM = 'TmResourceManagerObjectType';

/** A LARGE_INTEGER of the caller's; null without one. */
const largeInteger = (k: Kernel, at: number): bigint | null => (at ? BigInt.asIntN(64, k.mem.read64(at)) : null);
const query = { InformationClass: ULONG, Information: PVOID, InformationLength: ULONG, ReturnLength: PULONG } as const;
const bufferOf = (a: { Information: number; InformationLength: number; ReturnLength: number }) => ({ at: a.Information, length: a.InformationLength, returnLength: a.ReturnLength });

const managerExports: NtExport[] = [
  ...service({
    name: 'CreateTransactionManager', doc: 'Creates a transaction manager: volatile, or with a log stream.', irql: PASSIVE,
    args: { TmHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, LogFileName: PUNICODE_STRING, CreateOptions: ULONG, CommitStrength: ULONG },
    returns: NTSTATUS, cycles: 1500, status: 'partial', missing: 'log streams lie in memory and end with the machine: there is no CLFS, so none is ever damaged',
    impl: (k, a) => a.CommitStrength
      ? STATUS_INVALID_PARAMETER
      : createManager(k, { out: a.TmHandle, access: a.DesiredAccess, attributes: a.ObjectAttributes, log: readString(k, a.LogFileName), options: a.CreateOptions }),
  }),
  ...service({
    name: 'OpenTransactionManager', doc: 'Opens a transaction manager by its name, its log stream or its identity.', irql: PASSIVE,
    args: { TmHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, LogFileName: PUNICODE_STRING, TmIdentity: LPGUID, OpenOptions: ULONG },
    returns: NTSTATUS, cycles: 900, status: 'partial', missing: 'log streams lie in memory and end with the machine: there is no CLFS, so none is ever damaged',
    impl: (k, a) => (a.OpenOptions ? STATUS_INVALID_PARAMETER : openManager(k, a.TmHandle, a.DesiredAccess, a.ObjectAttributes, readString(k, a.LogFileName), a.TmIdentity)),
  }),
  ...service({
    name: 'QueryInformationTransactionManager', doc: 'Says what a transaction manager is: identity, clock, log stream.', irql: PASSIVE, args: { TransactionManagerHandle: HANDLE, ...query },
    returns: NTSTATUS, cycles: 400, status: 'full',
    impl: (k, a) => withTmObject(k, TM, a.TransactionManagerHandle, tm.TRANSACTIONMANAGER_QUERY_INFORMATION, t => queryManager(k, t, a.InformationClass, bufferOf(a))),
  }),
  ...service({
    name: 'SetInformationTransactionManager', doc: 'Sets information of a transaction manager: there is none that can be set.', irql: { max: 'APC_LEVEL' },
    args: { TmHandle: HANDLE, InformationClass: ULONG, Information: PVOID, InformationLength: ULONG }, returns: NTSTATUS, cycles: 200, status: 'full',
    impl: (k, a) => (a.TmHandle ? withTmObject(k, TM, a.TmHandle, tm.TRANSACTIONMANAGER_SET_INFORMATION, () => STATUS_INVALID_INFO_CLASS) : STATUS_INVALID_INFO_CLASS),
  }),
  ...service({
    name: 'RecoverTransactionManager', doc: 'Reads the log stream of a transaction manager: the transactions whose outcome was open come back.', irql: PASSIVE,
    args: { TransactionManagerHandle: HANDLE }, returns: NTSTATUS, cycles: 1500, status: 'full',
    impl: (k, a) => withTmObject(k, TM, a.TransactionManagerHandle, tm.TRANSACTIONMANAGER_RECOVER, t => recoverManager(k, t, null)),
  }),
  ...service({
    name: 'RollforwardTransactionManager', doc: 'Reads the log stream of a transaction manager up to a clock value.', irql: PASSIVE,
    args: { TransactionManagerHandle: HANDLE, TmVirtualClock: PLARGE_INTEGER }, returns: NTSTATUS, cycles: 1500, status: 'full',
    impl: (k, a) => withTmObject(k, TM, a.TransactionManagerHandle, tm.TRANSACTIONMANAGER_RECOVER, t => recoverManager(k, t, largeInteger(k, a.TmVirtualClock))),
  }),
  ntExport({
    name: 'TmRecoverTransactionManager', doc: 'Reads the log stream of a transaction manager, all of it or up to a clock value.', irql: PASSIVE,
    args: { Tm: pointer('PKTM'), TargetVirtualClock: PLARGE_INTEGER }, returns: NTSTATUS, cycles: 1500, status: 'full',
    impl: (k, a) => recoverManager(k, a.Tm, largeInteger(k, a.TargetVirtualClock)),
  }),
  ...service({
    name: 'RenameTransactionManager', doc: 'Gives the transaction manager in a log stream another identity.', irql: { max: 'APC_LEVEL' },
    args: { LogFileName: PUNICODE_STRING, ExistingTransactionManagerGuid: LPGUID }, returns: NTSTATUS, cycles: 900, status: 'full',
    impl: (k, a) => (a.ExistingTransactionManagerGuid ? renameManager(k, readString(k, a.LogFileName), a.ExistingTransactionManagerGuid) : STATUS_INVALID_PARAMETER),
  }),
  ntExport({
    name: 'TmRenameTransactionManager', doc: 'Gives the transaction manager in a log stream another identity.', irql: { max: 'APC_LEVEL' },
    args: { LogFileName: PUNICODE_STRING, ExistingTransactionManagerGuid: LPGUID }, returns: NTSTATUS, cycles: 900, status: 'full',
    impl: (k, a) => renameManager(k, readString(k, a.LogFileName), a.ExistingTransactionManagerGuid),
  }),
];

/** TRANSACTION_NOTIFICATION; its argument follows. */
const NOTIFICATION_SIZE = 32;
const getFrame = { ResourceManager: ptr, Due: i64, Forever: u32 } as const;

/** Hands out the next notification, or waits for one. */
function getNotification(k: Kernel, f: Frame<typeof getFrame>, a: { TransactionNotification: number; NotificationLength: number; ReturnLength: number }): Outcome {
  const rm = f.get('ResourceManager');
  const finish = (status: number): Outcome => {
    obDereferenceDeferred(k, rm);
    return ret(status);
  };
  const packet = nextPacket(k, rm);
  if (!packet) {
    const due = f.get('Due');
    const w = keWait(k, [rm], { timeout: f.get('Forever') ? null : due });
    if (w === 'blocked') return wait('waited');
    return w.status === STATUS_SUCCESS ? getNotification(k, f, a) : finish(w.status);
  }
  const n = readPacket(k, packet);
  const needed = NOTIFICATION_SIZE + n.argument;
  if (a.NotificationLength < needed) {
    if (a.ReturnLength) k.mem.write32(a.ReturnLength, needed);
    return finish(STATUS_BUFFER_TOO_SMALL);
  }
  const at = a.TransactionNotification;
  k.mem.probe(at, needed, true);
  k.mem.writePtr(at, n.enlistment ? tm.KENLISTMENT.f.Key.get(k.mem, n.enlistment) : 0);
  k.mem.write32(at + 8, n.notification);
  k.mem.write64(at + 16, BigInt.asUintN(64, n.clock));
  k.mem.write32(at + 24, n.argument);
  if (n.argument) writeRecoveryArgument(k, n.enlistment, at + NOTIFICATION_SIZE);
  if (a.ReturnLength) k.mem.write32(a.ReturnLength, needed);
  takePacket(k, packet);
  obDereferenceDeferred(k, n.enlistment || rm);
  return finish(STATUS_SUCCESS);
}

/** Declares both forms of a service whose notifications are delivered: Nt, Zw. */
const deliveringService = <const A extends ArgTypes>(d: Delivering<A>): NtExport[] => stepService(delivering(d));

const resourceManagerExports: NtExport[] = [
  ...service({
    name: 'CreateResourceManager', doc: 'Creates a resource manager of a transaction manager.', irql: PASSIVE,
    args: { ResourceManagerHandle: PVOID, DesiredAccess: ULONG, TmHandle: HANDLE, ResourceManagerGuid: LPGUID, ObjectAttributes: POBJECT_ATTRIBUTES, CreateOptions: ULONG, Description: PUNICODE_STRING },
    returns: NTSTATUS, cycles: 1200, status: 'full',
    impl: (k, a) => createResourceManager(k, {
      out: a.ResourceManagerHandle, access: a.DesiredAccess, attributes: a.ObjectAttributes, manager: a.TmHandle, guid: a.ResourceManagerGuid, options: a.CreateOptions,
      description: readString(k, a.Description),
    }),
  }),
  ...service({
    name: 'OpenResourceManager', doc: 'Opens a resource manager by its identity.', irql: PASSIVE,
    args: { ResourceManagerHandle: PVOID, DesiredAccess: ULONG, TmHandle: HANDLE, ResourceManagerGuid: LPGUID, ObjectAttributes: POBJECT_ATTRIBUTES }, returns: NTSTATUS, cycles: 900, status: 'full',
    impl: (k, a) => openResourceManager(k, a.ResourceManagerHandle, a.DesiredAccess, a.TmHandle, a.ResourceManagerGuid, a.ObjectAttributes),
  }),
  ...service({
    name: 'QueryInformationResourceManager', doc: 'Says what a resource manager is: identity and description.', irql: PASSIVE, args: { ResourceManagerHandle: HANDLE, ...query },
    returns: NTSTATUS, cycles: 400, status: 'full',
    impl: (k, a) => withTmObject(k, RM, a.ResourceManagerHandle, tm.RESOURCEMANAGER_QUERY_INFORMATION, rm => queryResourceManager(k, rm, a.InformationClass, bufferOf(a))),
  }),
  ...service({
    name: 'SetInformationResourceManager', doc: 'Sets information of a resource manager: not used, there is none that can be set.', irql: PASSIVE,
    args: { ResourceManagerHandle: HANDLE, InformationClass: ULONG, Information: PVOID, InformationLength: ULONG }, returns: NTSTATUS, cycles: 200, status: 'full',
    impl: (k, a) => withTmObject(k, RM, a.ResourceManagerHandle, tm.RESOURCEMANAGER_SET_INFORMATION, () => STATUS_INVALID_INFO_CLASS),
  }),
  ...deliveringService({
    name: 'RecoverResourceManager', doc: 'Tells a resource manager of each of its enlistments that is not through.', args: { ResourceManagerHandle: HANDLE }, cycles: 600,
    work(k, a) {
      const r = referenceHandle(k, RM, a.ResourceManagerHandle, tm.RESOURCEMANAGER_RECOVER);
      return r.status === STATUS_SUCCESS ? { status: recoverResourceManager(k, r.object), held: r.object } : r;
    },
  }),
  ntSteps(delivering({
    name: 'TmRecoverResourceManager', doc: 'Tells a resource manager of each of its enlistments that is not through.', args: { ResourceManager: pointer('PKRESOURCEMANAGER') }, cycles: 600,
    work: (k, a) => ({ status: recoverResourceManager(k, a.ResourceManager) }),
  })),
  ntSteps(delivering({
    name: 'TmEnableCallbacks', doc: 'Has a routine called for each notification of a resource manager.', args: { ResourceManager: pointer('PKRESOURCEMANAGER'), CallbackRoutine: PVOID, RMKey: PVOID }, cycles: 150,
    work(k, a) {
      if (!a.CallbackRoutine) return { status: STATUS_UNSUCCESSFUL };
      enableCallbacks(k, a.ResourceManager, a.CallbackRoutine, a.RMKey);
      return { status: STATUS_SUCCESS };
    },
  })),
  ...stepService({
    name: 'GetNotificationResourceManager', doc: 'Reads the next notification of a resource manager, or waits for it.', irql: PASSIVE,
    args: {
      ResourceManagerHandle: HANDLE, TransactionNotification: PVOID, NotificationLength: ULONG, Timeout: PLARGE_INTEGER, ReturnLength: PULONG, Asynchronous: ULONG, AsynchronousContext: PVOID,
    },
    returns: NTSTATUS, cycles: 400, status: 'full', frame: getFrame,
    steps: {
      start(k, f, _rax, a) {
        if (a.Asynchronous || a.AsynchronousContext) return ret(STATUS_INVALID_PARAMETER);
        const r = referenceHandle(k, RM, a.ResourceManagerHandle, tm.RESOURCEMANAGER_GET_NOTIFICATION);
        if (r.status !== STATUS_SUCCESS) return ret(r.status);
        f.set('ResourceManager', r.object);
        const timeout = largeInteger(k, a.Timeout);
        f.set('Forever', timeout === null ? 1 : 0);
        // Somebody else may take the notification away: then the wait goes on, to the same time.
        f.set('Due', timeout !== null && timeout < 0n ? systemTime(k) - timeout : (timeout ?? 0n));
        return getNotification(k, f, a);
      },
      waited(k, f, rax, a) {
        if (rax === STATUS_SUCCESS) return getNotification(k, f, a);
        obDereferenceDeferred(k, f.get('ResourceManager'));
        return ret(rax);
      },
    },
    abort: (k, f) => obDereferenceDeferred(k, f.get('ResourceManager')),
  }),
];

/** A routine on a transaction: its work, and how it ended once the notifications are delivered. */
function onTransaction(tx: number, status: number, waits: boolean): Result {
  return { status, held: tx, wait: waits && status === STATUS_SUCCESS };
}

/** The handle form (Nt, Zw) and the pointer form (Tm) of a routine that ends a transaction. */
function ending(name: string, doc: string, right: number, work: (k: Kernel, tx: number) => number, after: (k: Kernel, tx: number) => number): NtExport[] {
  return [
    ...deliveringService({
      name, doc, args: { TransactionHandle: HANDLE, Wait: BOOLEAN }, cycles: 900, after,
      work(k, a) {
        const r = referenceHandle(k, TX, a.TransactionHandle, right);
        return r.status === STATUS_SUCCESS ? onTransaction(r.object, work(k, r.object), a.Wait) : r;
      },
    }),
    ntSteps(delivering({
      name: `Tm${name}`, doc, args: { Transaction: pointer('PKTRANSACTION'), Wait: BOOLEAN }, cycles: 900, after,
      work(k, a) {
        obReferenceObject(k, a.Transaction);
        return onTransaction(a.Transaction, work(k, a.Transaction), a.Wait);
      },
    })),
  ];
}

const transactionExports: NtExport[] = [
  ...service({
    name: 'CreateTransaction', doc: 'Creates a transaction.', irql: PASSIVE,
    args: {
      TransactionHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, Uow: LPGUID, TmHandle: HANDLE, CreateOptions: ULONG, IsolationLevel: ULONG, IsolationFlags: ULONG,
      Timeout: PLARGE_INTEGER, Description: PUNICODE_STRING,
    },
    returns: NTSTATUS, cycles: 1200, status: 'full',
    impl: (k, a) => createTransaction(k, {
      out: a.TransactionHandle, access: a.DesiredAccess, attributes: a.ObjectAttributes, uow: a.Uow, manager: a.TmHandle, options: a.CreateOptions, isolationLevel: a.IsolationLevel,
      isolationFlags: a.IsolationFlags, timeout: largeInteger(k, a.Timeout) ?? 0n, description: readString(k, a.Description),
    }),
  }),
  ...service({
    name: 'OpenTransaction', doc: 'Opens a transaction by its unit of work identifier.', irql: PASSIVE,
    args: { TransactionHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, Uow: LPGUID, TmHandle: HANDLE }, returns: NTSTATUS, cycles: 900, status: 'full',
    impl: (k, a) => openTransaction(k, a.TransactionHandle, a.DesiredAccess, a.ObjectAttributes, a.Uow, a.TmHandle),
  }),
  ...service({
    name: 'QueryInformationTransaction', doc: 'Says what a transaction is: state, outcome, properties, enlistments.', irql: PASSIVE, args: { TransactionHandle: HANDLE, ...query },
    returns: NTSTATUS, cycles: 400, status: 'full',
    impl: (k, a) => withTmObject(k, TX, a.TransactionHandle, tm.TRANSACTION_QUERY_INFORMATION, t => queryTransaction(k, t, a.InformationClass, bufferOf(a))),
  }),
  ...service({
    name: 'SetInformationTransaction', doc: 'Sets the properties of a transaction: time-out and description.', irql: PASSIVE,
    args: { TransactionHandle: HANDLE, InformationClass: ULONG, Information: PVOID, InformationLength: ULONG }, returns: NTSTATUS, cycles: 500, status: 'full',
    impl: (k, a) => withTmObject(k, TX, a.TransactionHandle, tm.TRANSACTION_SET_INFORMATION, t => setTransaction(k, t, a.InformationClass, a.Information, a.InformationLength)),
  }),
  ...ending('CommitTransaction', 'Commits a transaction: pre-prepare, prepare, commit.', tm.TRANSACTION_COMMIT, commitTransaction, commitStatus),
  ...ending('RollbackTransaction', 'Rolls a transaction back.', tm.TRANSACTION_ROLLBACK, rollbackTransaction, (k, t) => (isOver(k, t) ? STATUS_SUCCESS : STATUS_PENDING)),
  ...service({
    name: 'EnumerateTransactionObject', doc: 'Lists the identities of transaction objects, from where the last call left off.', irql: PASSIVE,
    args: { RootObjectHandle: HANDLE, QueryType: ULONG, ObjectCursor: PVOID, ObjectCursorLength: ULONG, ReturnLength: PULONG }, returns: NTSTATUS, cycles: 800, status: 'full',
    impl: (k, a) => enumerateObjects(k, a.RootObjectHandle, a.QueryType, a.ObjectCursor, a.ObjectCursorLength, a.ReturnLength),
  }),
  ntExport({
    name: 'TmGetTransactionId', doc: 'The unit of work identifier of a transaction.', args: { Transaction: pointer('PKTRANSACTION'), TransactionId: LPGUID }, returns: VOID, cycles: 30, status: 'full',
    impl: (k, a) => copyGuid(k, a.Transaction + tm.KTRANSACTION.f.UOW.offset, a.TransactionId),
  }),
  ntExport({
    name: 'TmIsTransactionActive', doc: 'Whether a transaction is active: neither committing nor rolled back.', args: { Transaction: pointer('PKTRANSACTION') }, returns: BOOLEAN, cycles: 20, status: 'full',
    impl: (k, a) => isActive(k, a.Transaction),
  }),
];

const closeArgs = { Process: HANDLE, Object: PVOID, ProcessHandleCount: ULONG, SystemHandleCount: ULONG } as const;

/** The close procedure of a type: with the last handle something may end, and be told. */
export const closing = (name: string, doc: string, close: (k: Kernel, object: number) => void): NtExport =>
  ntSteps(delivering({
    name, doc, internal: true, args: closeArgs, cycles: 100, returns: VOID,
    work(k, a: ArgValues<typeof closeArgs>) {
      if (a.SystemHandleCount === 1) close(k, a.Object);
      return { status: STATUS_SUCCESS };
    },
  }));
export const deleting = (name: string, doc: string, impl: (k: Kernel, object: number) => void): NtExport =>
  ntExport({ name, doc, internal: true, args: { Object: PVOID }, returns: VOID, cycles: 100, status: 'full', impl: (k, a) => impl(k, a.Object) });

const procedures: NtExport[] = [
  closing('TmpCloseTransactionManager', 'Close procedure of transaction managers: they go offline.', closeManager),
  closing('TmpCloseResourceManager', 'Close procedure of resource managers: nobody answers any more.', closeResourceManager),
  closing('TmpCloseTransaction', 'Close procedure of transactions: one that nobody can commit is rolled back.', closeTransaction),
  deleting('TmpDeleteTransactionManager', 'Delete procedure of transaction managers.', deleteManager),
  deleting('TmpDeleteResourceManager', 'Delete procedure of resource managers.', deleteResourceManager),
  deleting('TmpDeleteTransaction', 'Delete procedure of transactions.', deleteTransaction),
  ntExport({
    name: 'TmpTransactionTimeoutDpc', internal: true, doc: 'DPC of a transaction whose time is up: has a worker thread roll it back.', args: { Dpc: PVOID, Transaction: PVOID }, returns: VOID, cycles: 80, status: 'full',
    impl(k, a) {
      if (!timeIsUp(k, a.Transaction)) return;
      const item = a.Transaction + tm.KTRANSACTION.f.RollbackWorkItem.offset;
      k.mem.fill(item, WORK_QUEUE_ITEM.size, 0);
      WORK_QUEUE_ITEM.f.WorkerRoutine.set(k.mem, item, k.address('nt!TmpTransactionTimeoutWorker'));
      WORK_QUEUE_ITEM.f.Parameter.set(k.mem, item, a.Transaction);
      exQueueWorkItem(k, item, DelayedWorkQueue);
    },
  }),
  ntSteps(delivering({
    name: 'TmpTransactionTimeoutWorker', internal: true, doc: 'Work item of a transaction whose time is up: rolls it back.', args: { Transaction: PVOID }, returns: VOID, cycles: 100,
    work(k, a) {
      expireTransaction(k, a.Transaction);
      // The reference of the timer.
      return { status: STATUS_SUCCESS, held: a.Transaction };
    },
  })),
  ntSteps(delivering({
    name: 'TmpDeliverNotifications', internal: true, doc: 'Work item: delivers notifications that came up where nothing can be called.', args: { Context: PVOID }, returns: VOID, cycles: 50,
    work(k) {
      k.global.set('TmpDeliveryQueued', 0);
      return { status: STATUS_SUCCESS };
    },
  })),
];

export const tmExports: NtExport[] = [...managerExports, ...resourceManagerExports, ...transactionExports, ...procedures];
