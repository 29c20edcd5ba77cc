/** Enlistments: how resource managers and superior transaction managers take part in transactions. Source: the WDK page of each routine. */
import type { Kernel } from '../kernel.ts';
import { previousMode, setPreviousMode } from '../ob/mode.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { delivering } from '../tm/deliver.ts';
import { queryEnlistment } from '../tm/information.ts';
import { referenceHandle, withTmObject } from '../tm/object.ts';
import {
  closeEnlistment, commitComplete, commitEnlistment, prepareComplete, prepareEnlistment, prePrepareComplete, prePrepareEnlistment, readOnlyEnlistment, requestOutcome, rollbackComplete, rollbackEnlistment,
  singlePhaseReject,
} from '../tm/protocol.ts';
import { createEnlistment, deleteEnlistment, dereferenceKey, openEnlistment, recoverEnlistment, referenceKey, setEnlistment } from '../tm/transaction.ts';
import { STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../types/status.ts';
import * as tm from '../types/tm.ts';
import { CCHAR, HANDLE, type NtExport, ntExport, NTSTATUS, ntSteps, pointer, PVOID, ULONG } from './declare.ts';
import { service, stepService } from './service.ts';
import { closing, deleting } from './tm.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const LPGUID = pointer('LPGUID');
const PULONG = pointer('PULONG');
const PKENLISTMENT = pointer('PKENLISTMENT');
const PLARGE_INTEGER = pointer('PLARGE_INTEGER');
const EN = 'TmEnlistmentObjectType', TX = 'TmTransactionObjectType', RM = 'TmResourceManagerObjectType';

/** The pointer form of a routine on an enlistment. The second argument is a clock value, or the key of a recovery. */
const byPointer = (name: string, doc: string, second: string, work: (k: Kernel, enlistment: number, second: number) => number): NtExport =>
  ntSteps(delivering({ name: `Tm${name}`, doc, args: { Enlistment: PKENLISTMENT, [second]: second === 'TmVirtualClock' ? PLARGE_INTEGER : PVOID }, cycles: 500, work: (k, a) => ({ status: work(k, a['Enlistment'] as number, a[second] as number) }) }));

/** Both forms: by handle (Nt, Zw), by pointer (Tm). */
function onEnlistment(name: string, doc: string, right: number, work: (k: Kernel, enlistment: number, second: number) => number, second = 'TmVirtualClock'): NtExport[] {
  const args = { EnlistmentHandle: HANDLE, [second]: second === 'TmVirtualClock' ? PLARGE_INTEGER : PVOID };
  return [
    ...stepService(delivering({
      name, doc, args, cycles: 600,
      work(k, a) {
        const r = referenceHandle(k, EN, a['EnlistmentHandle'] as number, right);
        return r.status === STATUS_SUCCESS ? { status: work(k, r.object, a[second] as number), held: r.object } : r;
      },
    })),
    byPointer(name, doc, second, work),
  ];
}

const answers: NtExport[] = [
  ...onEnlistment('PrePrepareComplete', 'A resource manager has finished the preliminary preparation of a transaction.', tm.ENLISTMENT_SUBORDINATE_RIGHTS, prePrepareComplete),
  ...onEnlistment('PrepareComplete', 'A resource manager has prepared a transaction: it can commit and roll back.', tm.ENLISTMENT_SUBORDINATE_RIGHTS, prepareComplete),
  ...onEnlistment('CommitComplete', 'A resource manager has committed a transaction.', tm.ENLISTMENT_SUBORDINATE_RIGHTS, commitComplete),
  ...onEnlistment('RollbackComplete', 'A resource manager has rolled a transaction back.', tm.ENLISTMENT_SUBORDINATE_RIGHTS, rollbackComplete),
  ...onEnlistment('ReadOnlyEnlistment', 'A resource manager takes no further part in a transaction.', tm.ENLISTMENT_SUBORDINATE_RIGHTS, readOnlyEnlistment),
  ...onEnlistment('SinglePhaseReject', 'A resource manager does not want a single-phase commit: the phases begin.', tm.ENLISTMENT_SUBORDINATE_RIGHTS, singlePhaseReject),
  ...onEnlistment('RollbackEnlistment', 'Rolls the transaction of an enlistment back.', tm.ENLISTMENT_SUBORDINATE_RIGHTS, rollbackEnlistment),
  ...onEnlistment('PrePrepareEnlistment', 'A superior transaction manager begins the pre-prepare phase.', tm.ENLISTMENT_SUPERIOR_RIGHTS, prePrepareEnlistment),
  ...onEnlistment('PrepareEnlistment', 'A superior transaction manager begins the prepare phase.', tm.ENLISTMENT_SUPERIOR_RIGHTS, prepareEnlistment),
  ...onEnlistment('CommitEnlistment', 'A superior transaction manager commits.', tm.ENLISTMENT_SUPERIOR_RIGHTS, commitEnlistment),
  ...onEnlistment('RecoverEnlistment', 'Has a resource manager told again how the transaction of an enlistment ended.', tm.ENLISTMENT_RECOVER, recoverEnlistment, 'EnlistmentKey'),
  byPointer('RequestOutcomeEnlistment', 'Asks for an outcome of the transaction now.', 'TmVirtualClock', requestOutcome),
];

const createArgs = { ObjectAttributes: POBJECT_ATTRIBUTES, CreateOptions: ULONG, NotificationMask: ULONG, EnlistmentKey: PVOID } as const;

const objects: NtExport[] = [
  ...service({
    name: 'CreateEnlistment', doc: 'Creates an enlistment of a resource manager in a transaction.', irql: PASSIVE,
    args: { EnlistmentHandle: PVOID, DesiredAccess: ULONG, ResourceManagerHandle: HANDLE, TransactionHandle: HANDLE, ...createArgs }, returns: NTSTATUS, cycles: 1200, status: 'full',
    impl: (k, a) =>
      withTmObject(k, RM, a.ResourceManagerHandle, tm.RESOURCEMANAGER_ENLIST, rm =>
        withTmObject(k, TX, a.TransactionHandle, tm.TRANSACTION_ENLIST, tx =>
          createEnlistment(k, { out: a.EnlistmentHandle, access: a.DesiredAccess, attributes: a.ObjectAttributes, rm, tx, options: a.CreateOptions, mask: a.NotificationMask, key: a.EnlistmentKey }),
        ),
      ),
  }),
  ntExport({
    name: 'TmCreateEnlistment', doc: 'Creates an enlistment of a resource manager in a transaction, both by pointer.', irql: PASSIVE,
    args: {
      EnlistmentHandle: PVOID, PreviousMode: CCHAR, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, ResourceManager: pointer('PKRESOURCEMANAGER'), Transaction: pointer('PKTRANSACTION'),
      CreateOptions: ULONG, NotificationMask: ULONG, EnlistmentKey: PVOID,
    },
    returns: NTSTATUS, cycles: 1200, status: 'full',
    impl(k, a) {
      if (!a.Transaction || obTypeOf(k, a.Transaction) !== exportedType(k, TX)) return STATUS_INVALID_PARAMETER;
      const mode = previousMode(k);
      setPreviousMode(k, a.PreviousMode);
      try {
        return createEnlistment(k, {
          out: a.EnlistmentHandle, access: a.DesiredAccess, attributes: a.ObjectAttributes, rm: a.ResourceManager, tx: a.Transaction, options: a.CreateOptions, mask: a.NotificationMask, key: a.EnlistmentKey,
        });
      } finally {
        setPreviousMode(k, mode);
      }
    },
  }),
  ...service({
    name: 'OpenEnlistment', doc: 'Opens an enlistment of a resource manager by its identity.', irql: PASSIVE,
    args: { EnlistmentHandle: PVOID, DesiredAccess: ULONG, RmHandle: HANDLE, EnlistmentGuid: LPGUID, ObjectAttributes: POBJECT_ATTRIBUTES }, returns: NTSTATUS, cycles: 900, status: 'full',
    impl: (k, a) => openEnlistment(k, a.EnlistmentHandle, a.DesiredAccess, a.RmHandle, a.EnlistmentGuid, a.ObjectAttributes),
  }),
  ...service({
    name: 'QueryInformationEnlistment', doc: 'Says what an enlistment is: identities, recovery information.', irql: PASSIVE,
    args: { EnlistmentHandle: HANDLE, InformationClass: ULONG, Information: PVOID, InformationLength: ULONG, ReturnLength: PULONG }, returns: NTSTATUS, cycles: 400, status: 'full',
    impl: (k, a) =>
      withTmObject(k, EN, a.EnlistmentHandle, tm.ENLISTMENT_QUERY_INFORMATION, e =>
        queryEnlistment(k, e, a.InformationClass, { at: a.Information, length: a.InformationLength, returnLength: a.ReturnLength }),
      ),
  }),
  ...service({
    name: 'SetInformationEnlistment', doc: 'Keeps recovery information with an enlistment.', irql: PASSIVE,
    args: { EnlistmentHandle: HANDLE, InformationClass: ULONG, Information: PVOID, InformationLength: ULONG }, returns: NTSTATUS, cycles: 400, status: 'full',
    impl: (k, a) => withTmObject(k, EN, a.EnlistmentHandle, tm.ENLISTMENT_SET_INFORMATION, e => setEnlistment(k, e, a.InformationClass, a.Information, a.InformationLength)),
  }),
  ntExport({
    name: 'TmReferenceEnlistmentKey', doc: 'The key of an enlistment, with one more reference.', irql: DISPATCH, args: { Enlistment: PKENLISTMENT, Key: PVOID }, returns: NTSTATUS, cycles: 40, status: 'full',
    impl: (k, a) => referenceKey(k, a.Enlistment, a.Key),
  }),
  ntExport({
    name: 'TmDereferenceEnlistmentKey', doc: 'Gives a reference to the key of an enlistment back, and says whether it was the last.', irql: DISPATCH, args: { Enlistment: PKENLISTMENT, LastReference: PVOID },
    returns: NTSTATUS, cycles: 40, status: 'full', impl: (k, a) => dereferenceKey(k, a.Enlistment, a.LastReference),
  }),
  closing('TmpCloseEnlistment', 'Close procedure of enlistments: one that has the outcome in its hands leaves it open.', (k, e) => {
    k.mem.write32(e + tm.KENLISTMENT.f.Namespace.offset + tm.KTMOBJECT_NAMESPACE_LINK.f.Expired.offset, 1);
    closeEnlistment(k, e);
  }),
  deleting('TmpDeleteEnlistment', 'Delete procedure of enlistments.', deleteEnlistment),
];

export const tmEnlistmentExports: NtExport[] = [...answers, ...objects];
