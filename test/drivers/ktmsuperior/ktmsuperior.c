/* Superior transaction managers: a resource manager that leads a transaction through its phases, in place of the client's ZwCommitTransaction; once with each form of the routines. */
#include <ntifs.h>
#include "../ktest.h"
#include "../ktm.h"

static HANDLE Tm, Leader, Rm;

static VOID Leads(VOID)
{
    KTM_OBJECT t = Held(NewTransaction()), s, e;
    OBJECT_ATTRIBUTES a = KernelAttributes();
    PVOID leader = ObjectOf(Leader);
    HANDLE h = NULL;
    LARGE_INTEGER later;

    s = Held(Enlist(Leader, t.Handle, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR | TRANSACTION_NOTIFY_REQUEST_OUTCOME, NULL));
    e = Held(Enlist(Rm, t.Handle, 0, NOTIFY_ALL, NULL));
    OUTCOME(ZwCreateEnlistment, "a second superior: STATUS_TRANSACTION_SUPERIOR_EXISTS",
            ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm, t.Handle, &a, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR, NULL) == TX_SUPERIOR_EXISTS);
    OUTCOME(TmCreateEnlistment, "a second superior: STATUS_TRANSACTION_SUPERIOR_EXISTS",
            TmCreateEnlistment(&h, KernelMode, ENLISTMENT_ALL_ACCESS, &a, leader, t.Object, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR, NULL) == TX_SUPERIOR_EXISTS);
    ObDereferenceObject(leader);
    SAW(CommitTransaction, "there is a superior: STATUS_TRANSACTION_SUPERIOR_EXISTS", DO(CommitTransaction, t, TRUE) == TX_SUPERIOR_EXISTS);
    SAW(PrePrepareEnlistment, "not a superior: STATUS_ENLISTMENT_NOT_SUPERIOR", DO(PrePrepareEnlistment, e, NULL) == NOT_SUPERIOR);
    SAW(PrepareEnlistment, "not a superior: STATUS_ENLISTMENT_NOT_SUPERIOR", DO(PrepareEnlistment, e, NULL) == NOT_SUPERIOR);
    SAW(CommitEnlistment, "not a superior: STATUS_ENLISTMENT_NOT_SUPERIOR", DO(CommitEnlistment, e, NULL) == NOT_SUPERIOR);
    SAW(ReadOnlyEnlistment, "a superior: STATUS_TRANSACTION_NOT_REQUESTED", DO(ReadOnlyEnlistment, s, NULL) == TX_NOT_REQUESTED);
    SAW(CommitEnlistment, "not prepared: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(CommitEnlistment, s, NULL) == TX_REQUEST_NOT_VALID);
    OUTCOME(TmRequestOutcomeEnlistment, "a superior: STATUS_TRANSACTION_REQUEST_NOT_VALID", TmRequestOutcomeEnlistment(s.Object, NULL) == TX_REQUEST_NOT_VALID);

    later.QuadPart = ClockOf(Tm) + 50;
    SAW(PrePrepareEnlistment, "STATUS_SUCCESS: the resource managers are told to pre-prepare",
        DO(PrePrepareEnlistment, s, &later) == STATUS_SUCCESS && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_PREPREPARE && NextNotification(Leader, NULL) == 0 &&
            ClockOf(Tm) >= later.QuadPart);
    SAW(PrePrepareEnlistment, "a second time: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(PrePrepareEnlistment, s, NULL) == TX_REQUEST_NOT_VALID);
    CHECK(DO(PrePrepareComplete, e, NULL) == STATUS_SUCCESS);
    SAW(PrePrepareEnlistment, "TRANSACTION_NOTIFY_PREPREPARE_COMPLETE when all have answered", NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_PREPREPARE_COMPLETE && NextNotification(Rm, NULL) == 0);
    SAW(PrepareEnlistment, "STATUS_SUCCESS: the resource managers are told to prepare", DO(PrepareEnlistment, s, NULL) == STATUS_SUCCESS && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_PREPARE);
    SAW(PrepareEnlistment, "a second time: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(PrepareEnlistment, s, NULL) == TX_REQUEST_NOT_VALID);
    CHECK(DO(PrepareComplete, e, NULL) == STATUS_SUCCESS);
    SAW(PrepareEnlistment, "TRANSACTION_NOTIFY_PREPARE_COMPLETE when all have answered", NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_PREPARE_COMPLETE && NextNotification(Rm, NULL) == 0);
    SAW(RollbackTransaction, "prepared, and in the superior's hands: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(RollbackTransaction, t, TRUE) == TX_REQUEST_NOT_VALID);
    OUTCOME(TmRequestOutcomeEnlistment, "prepared: the superior gets TRANSACTION_NOTIFY_REQUEST_OUTCOME",
            TmRequestOutcomeEnlistment(e.Object, NULL) == STATUS_SUCCESS && NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_REQUEST_OUTCOME);
    SAW(CommitEnlistment, "STATUS_SUCCESS: the resource managers are told to commit",
        DO(CommitEnlistment, s, NULL) == STATUS_SUCCESS && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_COMMIT && OutcomeOf(t.Handle) == TransactionOutcomeCommitted);
    SAW(CommitEnlistment, "it has begun already: STATUS_TRANSACTION_NOT_ACTIVE", DO(CommitEnlistment, s, NULL) == TX_NOT_ACTIVE);
    CHECK(DO(CommitComplete, e, NULL) == STATUS_SUCCESS);
    SAW(CommitEnlistment, "TRANSACTION_NOTIFY_COMMIT_COMPLETE when all have answered", NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_COMMIT_COMPLETE);
    Drop(e);
    Drop(s);
    Drop(t);

    /* Not registered for the notification that says that a phase is complete. */
    t = Held(NewTransaction());
    s = Held(Enlist(Leader, t.Handle, ENLISTMENT_SUPERIOR, TRANSACTION_NOTIFY_ROLLBACK, NULL));
    SAW(PrePrepareEnlistment, "not registered for the answer: STATUS_TRANSACTION_RESPONSE_NOT_ENLISTED", DO(PrePrepareEnlistment, s, NULL) == TX_RESPONSE_NOT_ENLISTED);
    SAW(PrepareEnlistment, "not registered for the answer: STATUS_TRANSACTION_RESPONSE_NOT_ENLISTED", DO(PrepareEnlistment, s, NULL) == TX_RESPONSE_NOT_ENLISTED);
    SAW(CommitEnlistment, "not registered for the answer: STATUS_TRANSACTION_RESPONSE_NOT_ENLISTED", DO(CommitEnlistment, s, NULL) == TX_RESPONSE_NOT_ENLISTED);
    CHECK(ZwRollbackTransaction(t.Handle, FALSE) == STATUS_PENDING && NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_ROLLBACK && DO(RollbackComplete, s, NULL) == STATUS_SUCCESS);
    Drop(s);
    Drop(t);

    /* The superior gives up. */
    t = Held(NewTransaction());
    s = Held(Enlist(Leader, t.Handle, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR, NULL));
    e = Held(Enlist(Rm, t.Handle, 0, NOTIFY_ALL, NULL));
    CHECK(DO(PrepareEnlistment, s, NULL) == STATUS_SUCCESS && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_PREPARE && DO(PrepareComplete, e, NULL) == STATUS_SUCCESS);
    CHECK(NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_PREPARE_COMPLETE);
    SAW(RollbackEnlistment, "a superior until it commits: TRANSACTION_NOTIFY_ROLLBACK for the others",
        DO(RollbackEnlistment, s, NULL) == STATUS_SUCCESS && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_ROLLBACK && NextNotification(Leader, NULL) == 0);
    SAW(CommitEnlistment, "rolled back: STATUS_TRANSACTION_ALREADY_ABORTED", DO(CommitEnlistment, s, NULL) == TX_ALREADY_ABORTED);
    CHECK(DO(RollbackComplete, e, NULL) == STATUS_SUCCESS);
    SAW(RollbackEnlistment, "TRANSACTION_NOTIFY_ROLLBACK_COMPLETE for a superior when all have answered", NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_ROLLBACK_COMPLETE);
    Drop(e);
    Drop(s);
    Drop(t);

    /* A client's commit goes to a superior that wants to hear of it. */
    t = Held(NewTransaction());
    s = Held(Enlist(Leader, t.Handle, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR | TRANSACTION_NOTIFY_COMMIT_REQUEST, NULL));
    e = Held(Enlist(Rm, t.Handle, 0, TRANSACTION_NOTIFY_COMMIT | TRANSACTION_NOTIFY_ROLLBACK, NULL));
    SAW(CommitTransaction, "a superior that registered for it gets TRANSACTION_NOTIFY_COMMIT_REQUEST",
        DO(CommitTransaction, t, FALSE) == STATUS_PENDING && NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_COMMIT_REQUEST && NextNotification(Rm, NULL) == 0);
    SAW(CommitEnlistment, "carries out a client's request",
        DO(CommitEnlistment, s, NULL) == STATUS_SUCCESS && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_COMMIT && DO(CommitComplete, e, NULL) == STATUS_SUCCESS &&
            NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_COMMIT_COMPLETE && OutcomeOf(t.Handle) == TransactionOutcomeCommitted);
    Drop(e);
    Drop(s);
    Drop(t);

    /* No superior, not prepared: an outcome now is a rollback. */
    t = Held(NewTransaction());
    e = Held(Enlist(Rm, t.Handle, 0, NOTIFY_ALL, NULL));
    OUTCOME(TmRequestOutcomeEnlistment, "not prepared: rolled back",
            TmRequestOutcomeEnlistment(e.Object, NULL) == STATUS_SUCCESS && OutcomeOf(t.Handle) == TransactionOutcomeAborted && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_ROLLBACK);
    CHECK(DO(RollbackComplete, e, NULL) == STATUS_SUCCESS);
    Drop(e);
    Drop(t);
}

/* Recovery while everything lives: who is not through is told, and may ask how it ended. */
static VOID Recovers(VOID)
{
    struct { TRANSACTION_NOTIFICATION n; TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT Argument; } n;
    KTM_OBJECT t = Held(NewTransaction()), s, e, rm = Held(Rm), leader = Held(Leader);
    LARGE_INTEGER zero;
    ENLISTMENT_BASIC_INFORMATION basic;
    zero.QuadPart = 0;

    s = Held(Enlist(Leader, t.Handle, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR | TRANSACTION_NOTIFY_RECOVER_QUERY, NULL));
    e = Held(Enlist(Rm, t.Handle, 0, NOTIFY_ALL | TRANSACTION_NOTIFY_RECOVER | TRANSACTION_NOTIFY_INDOUBT, (PVOID)0x1));
    CHECK(ZwQueryInformationEnlistment(e.Handle, EnlistmentBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    SAW(RecoverEnlistment, "still active: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(RecoverEnlistment, e, NULL) == TX_REQUEST_NOT_VALID);
    CHECK(DO(PrepareEnlistment, s, NULL) == STATUS_SUCCESS && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_PREPARE && DO(PrepareComplete, e, NULL) == STATUS_SUCCESS);
    CHECK(NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_PREPARE_COMPLETE);
    CHECK((ByPointer ? TmRecoverResourceManager(rm.Object) : ZwRecoverResourceManager(rm.Handle)) == STATUS_SUCCESS);
    SAW(RecoverResourceManager, "TRANSACTION_NOTIFY_RECOVER for each enlistment, with its identity",
        ZwGetNotificationResourceManager(Rm, &n.n, sizeof(n), &zero, NULL, 0, 0) == STATUS_SUCCESS && n.n.TransactionNotification == TRANSACTION_NOTIFY_RECOVER &&
            n.n.ArgumentLength == sizeof(n.Argument) && RtlCompareMemory(&n.Argument.EnlistmentId, &basic.EnlistmentId, sizeof(GUID)) == sizeof(GUID) &&
            RtlCompareMemory(&n.Argument.UOW, &basic.TransactionId, sizeof(GUID)) == sizeof(GUID));
    SAW(RecoverResourceManager, "the last notification is TRANSACTION_NOTIFY_LAST_RECOVER", NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_LAST_RECOVER && NextNotification(Rm, NULL) == 0);
    CHECK((ByPointer ? TmRecoverResourceManager(leader.Object) : ZwRecoverResourceManager(leader.Handle)) == STATUS_SUCCESS);
    SAW(RecoverResourceManager, "TRANSACTION_NOTIFY_RECOVER_QUERY for a superior enlistment",
        NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_RECOVER_QUERY && NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_LAST_RECOVER);
    {
        PVOID key = NULL;
        SAW(RecoverEnlistment, "nobody knows yet: STATUS_PENDING and TRANSACTION_NOTIFY_INDOUBT, with the new key",
            DO(RecoverEnlistment, e, (PVOID)0x2) == STATUS_PENDING && NextNotification(Rm, &key) == TRANSACTION_NOTIFY_INDOUBT && key == (PVOID)0x2);
    }
    CHECK(DO(CommitEnlistment, s, NULL) == STATUS_SUCCESS && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_COMMIT);
    SAW(RecoverEnlistment, "committed: STATUS_PENDING and TRANSACTION_NOTIFY_COMMIT again", DO(RecoverEnlistment, e, NULL) == STATUS_PENDING && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_COMMIT);
    CHECK(DO(CommitComplete, e, NULL) == STATUS_SUCCESS && NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_COMMIT_COMPLETE);
    SAW(RecoverEnlistment, "through already: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(RecoverEnlistment, e, NULL) == TX_REQUEST_NOT_VALID);
    Drop(e);
    Drop(s);
    Drop(t);

    t = Held(NewTransaction());
    e = Held(Enlist(Rm, t.Handle, 0, NOTIFY_ALL, NULL));
    CHECK(DO(RollbackTransaction, t, FALSE) == STATUS_PENDING && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_ROLLBACK);
    SAW(RecoverEnlistment, "rolled back: STATUS_PENDING and TRANSACTION_NOTIFY_ROLLBACK again", DO(RecoverEnlistment, e, NULL) == STATUS_PENDING && NextNotification(Rm, NULL) == TRANSACTION_NOTIFY_ROLLBACK);
    CHECK(DO(RollbackComplete, e, NULL) == STATUS_SUCCESS);
    Drop(e);
    Drop(t);
    ObDereferenceObject(rm.Object);
    ObDereferenceObject(leader.Object);
}

static ULONG Told;
static NTSTATUS NTAPI Notified(PVOID Enlistment, PVOID RmContext, PVOID Context, ULONG Notification, PLARGE_INTEGER Clock, ULONG Length, PVOID Argument)
{
    UNREFERENCED_PARAMETER(RmContext);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Length);
    UNREFERENCED_PARAMETER(Argument);
    Told |= Notification;
    if (Notification == TRANSACTION_NOTIFY_PREPARE) return TmPrepareComplete(Enlistment, Clock);
    if (Notification == TRANSACTION_NOTIFY_ROLLBACK) return TmRollbackComplete(Enlistment, Clock);
    return STATUS_SUCCESS;
}

/* With a callback the answer of ZwRecoverEnlistment is not STATUS_PENDING: it has been delivered. */
static VOID RecoversByCallback(VOID)
{
    HANDLE rm = NewRm(Tm);
    PVOID object = ObjectOf(rm);
    KTM_OBJECT t = Held(NewTransaction()), s, e;
    CHECK(TmEnableCallbacks(object, Notified, NULL) == STATUS_SUCCESS);
    s = Held(Enlist(Leader, t.Handle, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR, NULL));
    e = Held(Enlist(rm, t.Handle, 0, NOTIFY_ALL | TRANSACTION_NOTIFY_INDOUBT, NULL));
    CHECK(DO(PrepareEnlistment, s, NULL) == STATUS_SUCCESS && NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_PREPARE_COMPLETE);
    Told = 0;
    SAW(RecoverEnlistment, "with a callback: STATUS_SUCCESS, it has been told", DO(RecoverEnlistment, e, NULL) == STATUS_SUCCESS && Told == TRANSACTION_NOTIFY_INDOUBT);
    CHECK(DO(RollbackEnlistment, s, NULL) == STATUS_SUCCESS && Told & TRANSACTION_NOTIFY_ROLLBACK && NextNotification(Leader, NULL) == TRANSACTION_NOTIFY_ROLLBACK_COMPLETE);
    Drop(e);
    Drop(s);
    Drop(t);
    ObDereferenceObject(object);
    ZwClose(rm);
}

static ULONG StateOf(HANDLE Transaction)
{
    TRANSACTION_BASIC_INFORMATION basic;
    CHECK(ZwQueryInformationTransaction(Transaction, TransactionBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    return basic.State;
}

/* Who goes away in the middle: the superior of a prepared transaction, a resource manager, the transaction manager. */
static VOID Leavers(VOID)
{
    HANDLE tm = NewTm(), leader = NewRm(tm), rm = NewRm(tm), gone = NewRm(tm);
    KTM_OBJECT t = Held(NewTransaction()), s, e;

    s = Held(Enlist(leader, t.Handle, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR, NULL));
    e = Held(Enlist(rm, t.Handle, 0, NOTIFY_ALL, NULL));
    CHECK(ZwPrepareEnlistment(s.Handle, NULL) == STATUS_SUCCESS && NextNotification(rm, NULL) == TRANSACTION_NOTIFY_PREPARE && ZwPrepareComplete(e.Handle, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwQueryInformationTransaction, "TransactionStateNormal while it is prepared", StateOf(t.Handle) == TransactionStateNormal);
    Drop(s);
    OUTCOME(ZwQueryInformationTransaction, "TransactionStateIndoubt when the superior of a prepared transaction has gone",
            StateOf(t.Handle) == TransactionStateIndoubt && OutcomeOf(t.Handle) == TransactionOutcomeUndetermined);
    /* A volatile transaction manager that is closed cannot keep it. */
    ZwClose(tm);
    CHECK(OutcomeOf(t.Handle) == TransactionOutcomeAborted && NextNotification(rm, NULL) == TRANSACTION_NOTIFY_ROLLBACK && ZwRollbackComplete(e.Handle, NULL) == STATUS_SUCCESS);
    Drop(e);
    Drop(t);
    ZwClose(leader);
    ZwClose(rm);
    ZwClose(gone);

    /* A resource manager that is closed answers no more: what it has not prepared is rolled back, what is decided goes on without it. */
    tm = NewTm();
    rm = NewRm(tm);
    gone = NewRm(tm);
    t = Held(NewTransaction());
    s = Held(Enlist(gone, t.Handle, 0, NOTIFY_ALL, NULL));
    e = Held(Enlist(rm, t.Handle, 0, NOTIFY_ALL, NULL));
    CHECK(ZwCommitTransaction(t.Handle, FALSE) == STATUS_PENDING);
    ZwClose(gone);
    CHECK(OutcomeOf(t.Handle) == TransactionOutcomeAborted && NextNotification(rm, NULL) == TRANSACTION_NOTIFY_PREPREPARE && NextNotification(rm, NULL) == TRANSACTION_NOTIFY_ROLLBACK);
    CHECK(ZwRollbackComplete(e.Handle, NULL) == STATUS_SUCCESS && KeReadStateEvent((PRKEVENT)t.Object) != 0);
    Drop(e);
    Drop(s);
    Drop(t);
    gone = NewRm(tm);
    t = Held(NewTransaction());
    s = Held(Enlist(gone, t.Handle, 0, TRANSACTION_NOTIFY_COMMIT, NULL));
    e = Held(Enlist(rm, t.Handle, 0, TRANSACTION_NOTIFY_COMMIT, NULL));
    CHECK(ZwCommitTransaction(t.Handle, FALSE) == STATUS_PENDING && ZwCommitComplete(e.Handle, NULL) == STATUS_SUCCESS && KeReadStateEvent((PRKEVENT)t.Object) == 0);
    OUTCOME(ZwQueryInformationTransaction, "TransactionStateCommittedNotify once it is committed", StateOf(t.Handle) == TransactionStateCommittedNotify);
    ZwClose(gone);
    CHECK(KeReadStateEvent((PRKEVENT)t.Object) != 0);
    Drop(e);
    Drop(s);
    Drop(t);
    ZwClose(rm);
    ZwClose(tm);
}

static VOID Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ULONG form;
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("ktmsuperior");
    DriverObject->DriverUnload = Unload;
    Tm = NewTm();
    Leader = NewRm(Tm);
    Rm = NewRm(Tm);
    for (form = 0; form < 2; form++)
    {
        ByPointer = form != 0;
        Leads();
        Recovers();
        RecoversByCallback();
    }
    Leavers();
    ZwClose(Rm);
    ZwClose(Leader);
    ZwClose(Tm);
    KtestDone();
    return STATUS_SUCCESS;
}
