/*
 * How a transaction ends: the three phases of a commit, the single-phase commit, rollback, and what resource managers answer; once with each form of the routines (by handle, by pointer).
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../ktm.h"
#include "../kthread.h"

#define PREPREPARE TRANSACTION_NOTIFY_PREPREPARE
#define PREPARE TRANSACTION_NOTIFY_PREPARE
#define COMMIT TRANSACTION_NOTIFY_COMMIT
#define ROLLBACK TRANSACTION_NOTIFY_ROLLBACK
#define SINGLE TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT

static HANDLE Tm, Rm1, Rm2, Wrong;

/* Two resource managers that read their notifications: nobody gets ahead of the other. */
static VOID Phases(VOID)
{
    KTM_OBJECT t = Held(NewTransaction()), e1, e2;
    LONGLONG clock = ClockOf(Tm);
    LARGE_INTEGER later;
    PVOID key = NULL;
    TRANSACTION_ENLISTMENTS_INFORMATION pairs[3];

    e1 = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL, (PVOID)0x11));
    e2 = Held(Enlist(Rm2, t.Handle, 0, NOTIFY_ALL, (PVOID)0x22));
    OUTCOME(ZwQueryInformationTransaction, "TransactionEnlistmentInformation: those that take part",
            ZwQueryInformationTransaction(t.Handle, TransactionEnlistmentInformation, pairs, sizeof(pairs), NULL) == STATUS_SUCCESS && pairs[0].NumberOfEnlistments == 2);
    SAW(PrePrepareComplete, "nobody has asked: STATUS_TRANSACTION_NOT_REQUESTED", DO(PrePrepareComplete, e1, NULL) == TX_NOT_REQUESTED);
    SAW(PrepareComplete, "nobody has asked: STATUS_TRANSACTION_NOT_REQUESTED", DO(PrepareComplete, e1, NULL) == TX_NOT_REQUESTED);
    SAW(CommitComplete, "nobody has asked: STATUS_TRANSACTION_NOT_REQUESTED", DO(CommitComplete, e1, NULL) == TX_NOT_REQUESTED);
    SAW(RollbackComplete, "nobody has asked: STATUS_TRANSACTION_NOT_REQUESTED", DO(RollbackComplete, e1, NULL) == TX_NOT_REQUESTED);
    SAW(SinglePhaseReject, "nobody has asked: STATUS_TRANSACTION_NOT_REQUESTED", DO(SinglePhaseReject, e1, NULL) == TX_NOT_REQUESTED);

    SAW(CommitTransaction, "without waiting: STATUS_PENDING, the notifications are queued", DO(CommitTransaction, t, FALSE) == STATUS_PENDING);
    CHECK(ClockOf(Tm) == clock + 1);
    SAW(CommitTransaction, "it has begun already: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(CommitTransaction, t, FALSE) == TX_REQUEST_NOT_VALID);
    SAW(RollbackTransaction, "while it is being committed: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(RollbackTransaction, t, FALSE) == TX_REQUEST_NOT_VALID);
    OUTCOME(TmIsTransactionActive, "FALSE once the phases have begun", !TmIsTransactionActive(t.Object));
    OUTCOME(ZwGetNotificationResourceManager, "STATUS_SUCCESS: the notification with the key of the enlistment", NextNotification(Rm1, &key) == PREPREPARE && key == (PVOID)0x11);
    CHECK(NextNotification(Rm2, &key) == PREPREPARE && key == (PVOID)0x22);
    later.QuadPart = clock + 10;
    SAW(PrePrepareComplete, "STATUS_SUCCESS, and a later clock is kept", DO(PrePrepareComplete, e1, &later) == STATUS_SUCCESS && ClockOf(Tm) == clock + 10);
    CHECK(NextNotification(Rm1, NULL) == 0);
    SAW(PrePrepareComplete, "when all have answered the prepare phase begins",
        DO(PrePrepareComplete, e2, NULL) == STATUS_SUCCESS && NextNotification(Rm1, NULL) == PREPARE && NextNotification(Rm2, NULL) == PREPARE);
    SAW(PrepareComplete, "STATUS_SUCCESS, and a later clock is kept", (later.QuadPart = clock + 20, DO(PrepareComplete, e1, &later) == STATUS_SUCCESS && ClockOf(Tm) == clock + 20));
    SAW(RollbackEnlistment, "prepared already: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(RollbackEnlistment, e1, NULL) == TX_REQUEST_NOT_VALID);
    CHECK(OutcomeOf(t.Handle) == TransactionOutcomeUndetermined);
    SAW(PrepareComplete, "when all have answered the transaction is committed",
        DO(PrepareComplete, e2, NULL) == STATUS_SUCCESS && OutcomeOf(t.Handle) == TransactionOutcomeCommitted && NextNotification(Rm1, NULL) == COMMIT && NextNotification(Rm2, NULL) == COMMIT);
    SAW(RollbackEnlistment, "committed already: STATUS_TRANSACTION_REQUEST_NOT_VALID", DO(RollbackEnlistment, e2, NULL) == TX_REQUEST_NOT_VALID);
    SAW(CommitComplete, "STATUS_SUCCESS, and a later clock is kept", (later.QuadPart = clock + 30, DO(CommitComplete, e1, &later) == STATUS_SUCCESS && ClockOf(Tm) == clock + 30));
    CHECK(KeReadStateEvent((PRKEVENT)t.Object) == 0);
    SAW(CommitComplete, "with the last answer the transaction is over", DO(CommitComplete, e2, NULL) == STATUS_SUCCESS && KeReadStateEvent((PRKEVENT)t.Object) != 0);
    SAW(CommitComplete, "a second time: STATUS_TRANSACTION_NOT_REQUESTED", DO(CommitComplete, e2, NULL) == TX_NOT_REQUESTED);
    SAW(CommitTransaction, "committed already: STATUS_TRANSACTION_ALREADY_COMMITTED", DO(CommitTransaction, t, TRUE) == TX_ALREADY_COMMITTED);
    SAW(RollbackTransaction, "committed already: STATUS_TRANSACTION_ALREADY_COMMITTED", DO(RollbackTransaction, t, TRUE) == TX_ALREADY_COMMITTED);
    {
        HANDLE h = NULL;
        OBJECT_ATTRIBUTES a = KernelAttributes();
        OUTCOME(ZwCreateEnlistment, "a transaction that is not active: STATUS_TRANSACTION_NOT_ACTIVE",
                ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, t.Handle, &a, 0, NOTIFY_ALL, NULL) == TX_NOT_ACTIVE);
    }
    Drop(e1);
    Drop(e2);
    Drop(t);
}

/* Rollback by the client, by a resource manager. */
static VOID Rollbacks(VOID)
{
    KTM_OBJECT t = Held(NewTransaction()), e1, e2;
    LARGE_INTEGER later;

    e1 = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL, NULL));
    SAW(RollbackTransaction, "without waiting: STATUS_PENDING, the notifications are queued", DO(RollbackTransaction, t, FALSE) == STATUS_PENDING && NextNotification(Rm1, NULL) == ROLLBACK);
    later.QuadPart = ClockOf(Tm) + 5;
    SAW(RollbackComplete, "STATUS_SUCCESS, and a later clock is kept", DO(RollbackComplete, e1, &later) == STATUS_SUCCESS && ClockOf(Tm) == later.QuadPart);
    SAW(RollbackComplete, "with the last answer the transaction is over", KeReadStateEvent((PRKEVENT)t.Object) != 0);
    SAW(CommitTransaction, "rolled back already: STATUS_TRANSACTION_ALREADY_ABORTED", DO(CommitTransaction, t, TRUE) == TX_ALREADY_ABORTED);
    Drop(e1);
    Drop(t);

    t = Held(NewTransaction());
    SAW(RollbackTransaction, "STATUS_SUCCESS: it is rolled back", DO(RollbackTransaction, t, TRUE) == STATUS_SUCCESS && OutcomeOf(t.Handle) == TransactionOutcomeAborted);
    Drop(t);

    t = Held(NewTransaction());
    e1 = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL, NULL));
    e2 = Held(Enlist(Rm2, t.Handle, 0, NOTIFY_ALL, NULL));
    CHECK(DO(CommitTransaction, t, FALSE) == STATUS_PENDING);
    CHECK(NextNotification(Rm1, NULL) == PREPREPARE && NextNotification(Rm2, NULL) == PREPREPARE);
    later.QuadPart = ClockOf(Tm) + 7;
    SAW(RollbackEnlistment, "STATUS_SUCCESS, and all are told to roll back",
        DO(RollbackEnlistment, e1, &later) == STATUS_SUCCESS && NextNotification(Rm1, NULL) == ROLLBACK && NextNotification(Rm2, NULL) == ROLLBACK &&
            OutcomeOf(t.Handle) == TransactionOutcomeAborted && ClockOf(Tm) == later.QuadPart);
    SAW(PrePrepareComplete, "rolled back meanwhile: STATUS_TRANSACTION_NOT_REQUESTED", DO(PrePrepareComplete, e2, NULL) == TX_NOT_REQUESTED);
    CHECK(DO(RollbackComplete, e1, NULL) == STATUS_SUCCESS && DO(RollbackComplete, e2, NULL) == STATUS_SUCCESS);
    Drop(e1);
    Drop(e2);
    Drop(t);
}

/* One resource manager alone may commit in a single phase. */
static VOID SinglePhase(VOID)
{
    KTM_OBJECT t = Held(NewTransaction()), e, reader;
    LARGE_INTEGER later;

    e = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL | SINGLE, NULL));
    CHECK(DO(CommitTransaction, t, FALSE) == STATUS_PENDING && NextNotification(Rm1, NULL) == SINGLE);
    CHECK(OutcomeOf(t.Handle) == TransactionOutcomeUndetermined);
    SAW(CommitComplete, "answers a single-phase commit: that is the decision", DO(CommitComplete, e, NULL) == STATUS_SUCCESS && OutcomeOf(t.Handle) == TransactionOutcomeCommitted);
    Drop(e);
    Drop(t);

    t = Held(NewTransaction());
    e = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL | SINGLE, NULL));
    CHECK(DO(CommitTransaction, t, FALSE) == STATUS_PENDING && NextNotification(Rm1, NULL) == SINGLE);
    later.QuadPart = ClockOf(Tm) + 3;
    SAW(SinglePhaseReject, "STATUS_SUCCESS, and the phases begin", DO(SinglePhaseReject, e, &later) == STATUS_SUCCESS && NextNotification(Rm1, NULL) == PREPREPARE && ClockOf(Tm) == later.QuadPart);
    CHECK(DO(PrePrepareComplete, e, NULL) == STATUS_SUCCESS && NextNotification(Rm1, NULL) == PREPARE);
    CHECK(DO(PrepareComplete, e, NULL) == STATUS_SUCCESS && NextNotification(Rm1, NULL) == COMMIT && DO(CommitComplete, e, NULL) == STATUS_SUCCESS);
    Drop(e);
    Drop(t);

    /* Others must be read-only; they hear if the one that decides goes away without a word. */
    t = Held(NewTransaction());
    e = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL | SINGLE, NULL));
    reader = Held(Enlist(Rm2, t.Handle, 0, NOTIFY_ALL | TRANSACTION_NOTIFY_RM_DISCONNECTED, NULL));
    later.QuadPart = ClockOf(Tm) + 3;
    SAW(ReadOnlyEnlistment, "STATUS_SUCCESS, and a later clock is kept", DO(ReadOnlyEnlistment, reader, &later) == STATUS_SUCCESS && ClockOf(Tm) == later.QuadPart);
    SAW(ReadOnlyEnlistment, "a second time: STATUS_TRANSACTION_NOT_REQUESTED", DO(ReadOnlyEnlistment, reader, NULL) == TX_NOT_REQUESTED);
    CHECK(DO(CommitTransaction, t, FALSE) == STATUS_PENDING);
    SAW(ReadOnlyEnlistment, "it gets no notifications of the commit", NextNotification(Rm2, NULL) == 0 && NextNotification(Rm1, NULL) == SINGLE);
    ObDereferenceObject(e.Object);
    ZwClose(e.Handle);
    OUTCOME(ZwGetNotificationResourceManager, "TRANSACTION_NOTIFY_RM_DISCONNECTED when the one that decides closes its enlistment", NextNotification(Rm2, NULL) == TRANSACTION_NOTIFY_RM_DISCONNECTED);
    Drop(reader);
    Drop(t);

    /* In the middle of a phase: read-only instead of prepared. */
    t = Held(NewTransaction());
    e = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL, NULL));
    CHECK(DO(CommitTransaction, t, FALSE) == STATUS_PENDING && NextNotification(Rm1, NULL) == PREPREPARE);
    CHECK(DO(PrePrepareComplete, e, NULL) == STATUS_SUCCESS && NextNotification(Rm1, NULL) == PREPARE);
    SAW(ReadOnlyEnlistment, "instead of the answer that it is prepared", DO(ReadOnlyEnlistment, e, NULL) == STATUS_SUCCESS && OutcomeOf(t.Handle) == TransactionOutcomeCommitted);
    CHECK(NextNotification(Rm1, NULL) == 0);
    Drop(e);
    Drop(t);
}

static struct
{
    ULONG Log[32];
    ULONG Count;
    PVOID RmKey, Key, Enlistment;
    NTSTATUS Answer; /* to TRANSACTION_NOTIFY_PREPARE */
    LONGLONG Clock;
    KIRQL Irql;
    BOOLEAN Late; /* commit is answered later, by another thread */
} Heard;

static NTSTATUS NTAPI Notified(PVOID Enlistment, PVOID RmContext, PVOID Context, ULONG Notification, PLARGE_INTEGER Clock, ULONG Length, PVOID Argument)
{
    UNREFERENCED_PARAMETER(Length);
    UNREFERENCED_PARAMETER(Argument);
    Heard.Log[Heard.Count++ % 32] = Notification;
    Heard.RmKey = RmContext;
    Heard.Key = Context;
    Heard.Enlistment = Enlistment;
    Heard.Irql = KeGetCurrentIrql();
    switch (Notification)
    {
    case PREPREPARE: Clock->QuadPart = Heard.Clock; return TmPrePrepareComplete(Enlistment, NULL);
    case PREPARE: return NT_SUCCESS(Heard.Answer) ? TmPrepareComplete(Enlistment, Clock) : Heard.Answer;
    case COMMIT: return Heard.Late ? STATUS_PENDING : TmCommitComplete(Enlistment, Clock);
    case ROLLBACK: return TmRollbackComplete(Enlistment, Clock);
    }
    return STATUS_SUCCESS;
}

static VOID NTAPI AnswerLater(PVOID Enlistment)
{
    SleepMs(20);
    TmCommitComplete(Enlistment, NULL);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* A resource manager with a callback: it is called while the client waits. */
static VOID Callbacks(VOID)
{
    HANDLE rm = NewRm(Tm);
    PVOID object = ObjectOf(rm);
    KTM_OBJECT t, e, other;
    PKTHREAD thread;

    OUTCOME(TmEnableCallbacks, "no routine: STATUS_UNSUCCESSFUL", TmEnableCallbacks(object, NULL, NULL) == STATUS_UNSUCCESSFUL);
    OUTCOME(TmEnableCallbacks, "STATUS_SUCCESS", TmEnableCallbacks(object, Notified, (PVOID)0xAA) == STATUS_SUCCESS);
    RtlZeroMemory(&Heard, sizeof(Heard));
    Heard.Clock = ClockOf(Tm) + 100;
    t = Held(NewTransaction());
    e = Held(Enlist(rm, t.Handle, 0, NOTIFY_ALL, (PVOID)0xBB));
    SAW(CommitTransaction, "waiting: STATUS_SUCCESS when the commit is complete", DO(CommitTransaction, t, TRUE) == STATUS_SUCCESS && OutcomeOf(t.Handle) == TransactionOutcomeCommitted);
    OUTCOME(ResourceManagerNotification, "is called for each notification, in order", Heard.Count == 3 && Heard.Log[0] == PREPREPARE && Heard.Log[1] == PREPARE && Heard.Log[2] == COMMIT);
    OUTCOME(ResourceManagerNotification, "gets the enlistment, the key of the resource manager and that of the enlistment",
            Heard.Enlistment == e.Object && Heard.RmKey == (PVOID)0xAA && Heard.Key == (PVOID)0xBB);
    OUTCOME(ResourceManagerNotification, "may move the clock forward", ClockOf(Tm) == Heard.Clock);
    OUTCOME(ResourceManagerNotification, "runs at PASSIVE_LEVEL", Heard.Irql == PASSIVE_LEVEL);
    Drop(e);
    Drop(t);

    /* A resource manager that fails to prepare: the transaction is rolled back. */
    Heard.Count = 0;
    Heard.Answer = STATUS_DISK_FULL;
    t = Held(NewTransaction());
    e = Held(Enlist(rm, t.Handle, 0, NOTIFY_ALL, NULL));
    SAW(CommitTransaction, "a resource manager rolls back: STATUS_TRANSACTION_ALREADY_ABORTED", DO(CommitTransaction, t, TRUE) == TX_ALREADY_ABORTED);
    OUTCOME(ResourceManagerNotification, "a failure in the prepare phase rolls the transaction back", Heard.Log[1] == PREPARE && Heard.Log[2] == ROLLBACK && OutcomeOf(t.Handle) == TransactionOutcomeAborted);
    Drop(e);
    Drop(t);

    /* STATUS_PENDING, and the answer from another thread. */
    Heard.Count = 0;
    Heard.Answer = STATUS_SUCCESS;
    Heard.Late = TRUE;
    t = Held(NewTransaction());
    e = Held(Enlist(rm, t.Handle, 0, COMMIT | ROLLBACK, NULL));
    thread = StartThread(AnswerLater, e.Object);
    CHECK(DO(CommitTransaction, t, TRUE) == STATUS_SUCCESS);
    OUTCOME(ResourceManagerNotification, "STATUS_PENDING, and the answer comes from another thread", Heard.Count == 1 && Heard.Log[0] == COMMIT && OutcomeOf(t.Handle) == TransactionOutcomeCommitted);
    JoinThread(thread);
    Drop(e);
    Drop(t);

    /* The last handle of a transaction goes: its resource managers roll back. */
    Heard.Count = 0;
    Heard.Late = FALSE;
    t.Handle = NewTransaction();
    e = Held(Enlist(rm, t.Handle, 0, NOTIFY_ALL, NULL));
    ZwClose(t.Handle);
    OUTCOME(ZwCreateTransaction, "with the last handle resource managers are told to roll back", Heard.Count == 1 && Heard.Log[0] == ROLLBACK);
    Drop(e);

    /* Notifications that waited to be read are delivered once there is a callback. */
    t = Held(NewTransaction());
    other = Held(Enlist(Rm1, t.Handle, 0, COMMIT | ROLLBACK, NULL));
    CHECK(DO(RollbackTransaction, t, FALSE) == STATUS_PENDING);
    Heard.Count = 0;
    OUTCOME(TmEnableCallbacks, "what waits to be read is delivered", TmEnableCallbacks(ObjectOf(Rm1), Notified, NULL) == STATUS_SUCCESS && Heard.Count == 1 && Heard.Log[0] == ROLLBACK);
    SAW(RollbackTransaction, "waiting: STATUS_SUCCESS when the rollback is complete", (Drop(other), Drop(t), t = Held(NewTransaction()), other = Held(Enlist(rm, t.Handle, 0, NOTIFY_ALL, NULL)),
        DO(RollbackTransaction, t, TRUE) == STATUS_SUCCESS && OutcomeOf(t.Handle) == TransactionOutcomeAborted));
    Drop(other);
    Drop(t);
    ObDereferenceObject(object);
    ZwClose(rm);
    {
        /* Rm1 has a callback now: it goes, and a new one comes. */
        PVOID old = ObjectOf(Rm1);
        ObDereferenceObject(old);
        ObDereferenceObject(old);
        ZwClose(Rm1);
        Rm1 = NewRm(Tm);
    }
}

static VOID Enlistments(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    KTM_OBJECT t = Held(NewTransaction()), e;
    PVOID rm = ObjectOf(Rm1), key = NULL;
    ENLISTMENT_BASIC_INFORMATION basic;
    GUID none;
    HANDLE h = NULL;
    UCHAR recovery[16] = {0}, big[32];
    ULONG length = 0;
    BOOLEAN last = TRUE;
    KIRQL old;
    NTSTATUS s1, s2, status;

    ExUuidCreate(&none);
    status = ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, t.Handle, &a, 0, NOTIFY_ALL, (PVOID)0x1234);
    OUTCOME(ZwCreateEnlistment, "STATUS_SUCCESS", status == STATUS_SUCCESS);
    e = Held(h);
    OUTCOME(ZwCreateEnlistment, "unknown options, or no mask: STATUS_INVALID_PARAMETER",
            ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, t.Handle, &a, 2, NOTIFY_ALL, NULL) == STATUS_INVALID_PARAMETER &&
                ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, t.Handle, &a, 0, 0, NULL) == STATUS_INVALID_PARAMETER &&
                ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, t.Handle, &a, 0, 0x80000000, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateEnlistment, "rights that there are not: STATUS_ACCESS_DENIED", ZwCreateEnlistment(&h, 0x8000, Rm1, t.Handle, &a, 0, NOTIFY_ALL, NULL) == STATUS_ACCESS_DENIED);
    OUTCOME(ZwCreateEnlistment, "a handle that is none: STATUS_INVALID_HANDLE",
            ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, NO_HANDLE, t.Handle, &a, 0, NOTIFY_ALL, NULL) == STATUS_INVALID_HANDLE &&
                ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, NO_HANDLE, &a, 0, NOTIFY_ALL, NULL) == STATUS_INVALID_HANDLE);
    status = TmCreateEnlistment(&h, KernelMode, ENLISTMENT_ALL_ACCESS, &a, rm, t.Object, 0, NOTIFY_ALL, NULL);
    OUTCOME(TmCreateEnlistment, "STATUS_SUCCESS", status == STATUS_SUCCESS);
    if (NT_SUCCESS(status)) ZwClose(h);
    OUTCOME(TmCreateEnlistment, "unknown options, no mask, or what is no transaction: STATUS_INVALID_PARAMETER",
            TmCreateEnlistment(&h, KernelMode, ENLISTMENT_ALL_ACCESS, &a, rm, t.Object, 2, NOTIFY_ALL, NULL) == STATUS_INVALID_PARAMETER &&
                TmCreateEnlistment(&h, KernelMode, ENLISTMENT_ALL_ACCESS, &a, rm, t.Object, 0, 0, NULL) == STATUS_INVALID_PARAMETER &&
                TmCreateEnlistment(&h, KernelMode, ENLISTMENT_ALL_ACCESS, &a, rm, rm, 0, NOTIFY_ALL, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(TmCreateEnlistment, "rights that there are not: STATUS_ACCESS_DENIED",
            TmCreateEnlistment(&h, KernelMode, 0x8000, &a, rm, t.Object, 0, NOTIFY_ALL, NULL) == STATUS_ACCESS_DENIED);

    OUTCOME(ZwQueryInformationEnlistment, "EnlistmentBasicInformation: the identities",
            ZwQueryInformationEnlistment(e.Handle, EnlistmentBasicInformation, &basic, sizeof(basic), &length) == STATUS_SUCCESS && length == sizeof(basic));
    OUTCOME(ZwQueryInformationEnlistment, "a wrong length: STATUS_INFO_LENGTH_MISMATCH",
            ZwQueryInformationEnlistment(e.Handle, EnlistmentBasicInformation, &basic, 20, &length) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwQueryInformationEnlistment, "an unknown class: STATUS_INVALID_INFO_CLASS", ZwQueryInformationEnlistment(e.Handle, 50, &basic, sizeof(basic), NULL) == STATUS_INVALID_INFO_CLASS);
    BAD_HANDLES(ZwQueryInformationEnlistment, Wrong, "enlistment", ZwQueryInformationEnlistment(Handle, EnlistmentBasicInformation, &basic, sizeof(basic), NULL));
    recovery[3] = 77;
    OUTCOME(ZwSetInformationEnlistment, "keeps recovery information", ZwSetInformationEnlistment(e.Handle, EnlistmentRecoveryInformation, recovery, 16) == STATUS_SUCCESS);
    OUTCOME(ZwQueryInformationEnlistment, "EnlistmentRecoveryInformation: what was set",
            ZwQueryInformationEnlistment(e.Handle, EnlistmentRecoveryInformation, big, sizeof(big), &length) == STATUS_SUCCESS && length == 16 && big[3] == 77);
    OUTCOME(ZwSetInformationEnlistment, "what it kept before is gone",
            ZwSetInformationEnlistment(e.Handle, EnlistmentRecoveryInformation, recovery, 4) == STATUS_SUCCESS &&
                ZwQueryInformationEnlistment(e.Handle, EnlistmentRecoveryInformation, big, sizeof(big), &length) == STATUS_SUCCESS && length == 4);
    OUTCOME(ZwSetInformationEnlistment, "another class: STATUS_INVALID_INFO_CLASS", ZwSetInformationEnlistment(e.Handle, EnlistmentBasicInformation, recovery, 16) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwSetInformationEnlistment, "a wrong length: STATUS_INFO_LENGTH_MISMATCH", ZwSetInformationEnlistment(e.Handle, EnlistmentRecoveryInformation, recovery, 0) == STATUS_INFO_LENGTH_MISMATCH);
    BAD_HANDLES(ZwSetInformationEnlistment, Wrong, "enlistment", ZwSetInformationEnlistment(Handle, EnlistmentRecoveryInformation, recovery, 16));

    status = ZwOpenEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, &basic.EnlistmentId, &a);
    OUTCOME(ZwOpenEnlistment, "by its identity", status == STATUS_SUCCESS && ObjectOf(h) == e.Object);
    if (NT_SUCCESS(status)) { ObDereferenceObject(e.Object); ZwClose(h); }
    OUTCOME(ZwOpenEnlistment, "an identity that nobody has: STATUS_ENLISTMENT_NOT_FOUND",
            ZwOpenEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, &none, &a) == EN_NOT_FOUND && ZwOpenEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm2, &basic.EnlistmentId, &a) == EN_NOT_FOUND);
    OUTCOME(ZwOpenEnlistment, "no rights, or no identity: STATUS_INVALID_PARAMETER",
            ZwOpenEnlistment(&h, 0, Rm1, &basic.EnlistmentId, &a) == STATUS_INVALID_PARAMETER && ZwOpenEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm1, NULL, &a) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwOpenEnlistment, "rights that there are not: STATUS_ACCESS_DENIED", ZwOpenEnlistment(&h, 0x8000, Rm1, &basic.EnlistmentId, &a) == STATUS_ACCESS_DENIED);
    BAD_HANDLES(ZwOpenEnlistment, Wrong, "resource manager", ZwOpenEnlistment(&h, ENLISTMENT_ALL_ACCESS, Handle, &basic.EnlistmentId, &a));

    OUTCOME(TmReferenceEnlistmentKey, "no place for the key: STATUS_INVALID_PARAMETER", TmReferenceEnlistmentKey(e.Object, NULL) == STATUS_INVALID_PARAMETER);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    s1 = TmReferenceEnlistmentKey(e.Object, &key);
    s2 = TmDereferenceEnlistmentKey(e.Object, &last);
    KeLowerIrql(old);
    OUTCOME(TmReferenceEnlistmentKey, "STATUS_SUCCESS and the key", s1 == STATUS_SUCCESS && key == (PVOID)0x1234);
    OUTCOME(TmDereferenceEnlistmentKey, "STATUS_SUCCESS, and FALSE while there are references", s2 == STATUS_SUCCESS && !last);
    OUTCOME(TmDereferenceEnlistmentKey, "TRUE with the last reference", TmDereferenceEnlistmentKey(e.Object, &last) == STATUS_SUCCESS && last);
    OUTCOME(TmDereferenceEnlistmentKey, "no reference left: STATUS_UNSUCCESSFUL", TmDereferenceEnlistmentKey(e.Object, NULL) == STATUS_UNSUCCESSFUL);
    OUTCOME(TmReferenceEnlistmentKey, "no reference left: STATUS_UNSUCCESSFUL", TmReferenceEnlistmentKey(e.Object, &key) == STATUS_UNSUCCESSFUL);
    ZwRollbackTransaction(t.Handle, FALSE);
    while (NextNotification(Rm1, NULL)) { }
    OUTCOME(TmCreateEnlistment, "a transaction that is not active: STATUS_TRANSACTION_NOT_ACTIVE",
            TmCreateEnlistment(&h, KernelMode, ENLISTMENT_ALL_ACCESS, &a, rm, t.Object, 0, NOTIFY_ALL, NULL) == TX_NOT_ACTIVE);
    ZwRollbackComplete(e.Handle, NULL);
    ObDereferenceObject(rm);
    Drop(e);
    Drop(t);
}

static VOID Reading(VOID)
{
    struct { TRANSACTION_NOTIFICATION n; UCHAR more[64]; } n;
    LARGE_INTEGER zero, soon;
    ULONG length = 0;
    KTM_OBJECT t = Held(NewTransaction()), e = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL, NULL));
    LARGE_INTEGER before, after;

    zero.QuadPart = 0;
    soon.QuadPart = -300000;
    OUTCOME(ZwGetNotificationResourceManager, "none, and a time-out of zero: STATUS_TIMEOUT at once", ZwGetNotificationResourceManager(Rm1, &n.n, sizeof(n), &zero, NULL, 0, 0) == STATUS_TIMEOUT);
    KeQuerySystemTime(&before);
    OUTCOME(ZwGetNotificationResourceManager, "none comes: STATUS_TIMEOUT when the time is up",
            ZwGetNotificationResourceManager(Rm1, &n.n, sizeof(n), &soon, NULL, 0, 0) == STATUS_TIMEOUT && (KeQuerySystemTime(&after), after.QuadPart - before.QuadPart >= 290000));
    CHECK(ZwRollbackTransaction(t.Handle, FALSE) == STATUS_PENDING);
    OUTCOME(ZwGetNotificationResourceManager, "a buffer that is too small: STATUS_BUFFER_TOO_SMALL and the length",
            ZwGetNotificationResourceManager(Rm1, &n.n, 8, &zero, &length, 0, 0) == STATUS_BUFFER_TOO_SMALL && length == sizeof(TRANSACTION_NOTIFICATION));
    OUTCOME(ZwGetNotificationResourceManager, "asynchronous: STATUS_INVALID_PARAMETER", ZwGetNotificationResourceManager(Rm1, &n.n, sizeof(n), &zero, NULL, 1, 0) == STATUS_INVALID_PARAMETER);
    BAD_HANDLES(ZwGetNotificationResourceManager, Wrong, "resource manager", ZwGetNotificationResourceManager(Handle, &n.n, sizeof(n), &zero, NULL, 0, 0));
    CHECK(NextNotification(Rm1, NULL) == ROLLBACK);
    CHECK(ZwRollbackComplete(e.Handle, NULL) == STATUS_SUCCESS);
    Drop(e);
    Drop(t);
}

static VOID NTAPI CommitSoon(PVOID Transaction)
{
    SleepMs(20);
    TmCommitTransaction(Transaction, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* A reader waits without end until a notification comes. */
static VOID Waiting(VOID)
{
    struct { TRANSACTION_NOTIFICATION n; UCHAR more[64]; } n;
    KTM_OBJECT t = Held(NewTransaction()), e = Held(Enlist(Rm1, t.Handle, 0, NOTIFY_ALL, NULL));
    PKTHREAD thread = StartThread(CommitSoon, t.Object);
    OUTCOME(ZwGetNotificationResourceManager, "without a time-out it waits until one comes",
            ZwGetNotificationResourceManager(Rm1, &n.n, sizeof(n), NULL, NULL, 0, 0) == STATUS_SUCCESS && n.n.TransactionNotification == PREPREPARE);
    JoinThread(thread);
    CHECK(ZwRollbackEnlistment(e.Handle, NULL) == STATUS_SUCCESS && NextNotification(Rm1, NULL) == ROLLBACK && ZwRollbackComplete(e.Handle, NULL) == STATUS_SUCCESS);
    Drop(e);
    Drop(t);
}

static VOID Handles(VOID)
{
    BAD_HANDLES(ZwPrePrepareComplete, Wrong, "enlistment", ZwPrePrepareComplete(Handle, NULL));
    BAD_HANDLES(ZwPrepareComplete, Wrong, "enlistment", ZwPrepareComplete(Handle, NULL));
    BAD_HANDLES(ZwCommitComplete, Wrong, "enlistment", ZwCommitComplete(Handle, NULL));
    BAD_HANDLES(ZwRollbackComplete, Wrong, "enlistment", ZwRollbackComplete(Handle, NULL));
    BAD_HANDLES(ZwReadOnlyEnlistment, Wrong, "enlistment", ZwReadOnlyEnlistment(Handle, NULL));
    BAD_HANDLES(ZwSinglePhaseReject, Wrong, "enlistment", ZwSinglePhaseReject(Handle, NULL));
    BAD_HANDLES(ZwRollbackEnlistment, Wrong, "enlistment", ZwRollbackEnlistment(Handle, NULL));
    BAD_HANDLES(ZwPrePrepareEnlistment, Wrong, "enlistment", ZwPrePrepareEnlistment(Handle, NULL));
    BAD_HANDLES(ZwPrepareEnlistment, Wrong, "enlistment", ZwPrepareEnlistment(Handle, NULL));
    BAD_HANDLES(ZwCommitEnlistment, Wrong, "enlistment", ZwCommitEnlistment(Handle, NULL));
    BAD_HANDLES(ZwRecoverEnlistment, Wrong, "enlistment", ZwRecoverEnlistment(Handle, NULL));
    BAD_HANDLES(ZwCommitTransaction, Wrong, "transaction", ZwCommitTransaction(Handle, TRUE));
    BAD_HANDLES(ZwRollbackTransaction, Wrong, "transaction", ZwRollbackTransaction(Handle, TRUE));
}

static VOID Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ULONG form;
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("ktmcommit");
    DriverObject->DriverUnload = Unload;
    Wrong = WrongHandle();
    Tm = NewTm();
    Rm1 = NewRm(Tm);
    Rm2 = NewRm(Tm);
    for (form = 0; form < 2; form++)
    {
        ByPointer = form != 0;
        Phases();
        Rollbacks();
        SinglePhase();
        Callbacks();
    }
    Enlistments();
    Reading();
    Waiting();
    Handles();
    ZwClose(Rm1);
    ZwClose(Rm2);
    ZwClose(Tm);
    ZwClose(Wrong);
    KtestDone();
    return STATUS_SUCCESS;
}
