/*
 * The Kernel Transaction Manager for the test drivers: what mingw's headers leave out, and the few steps that every one of them takes. Needs ntifs.h before it.
 */
#ifndef KTM_H
#define KTM_H

#define KTM_STATUS(n) ((NTSTATUS)(0xC0190000 | (n)))
#define TX_CONFLICT KTM_STATUS(0x01)
#define TX_NOT_ACTIVE KTM_STATUS(0x03)
#define TX_SUPERIOR_EXISTS KTM_STATUS(0x12)
#define TX_REQUEST_NOT_VALID KTM_STATUS(0x13)
#define TX_NOT_REQUESTED KTM_STATUS(0x14)
#define TX_ALREADY_ABORTED KTM_STATUS(0x15)
#define TX_ALREADY_COMMITTED KTM_STATUS(0x16)
#define RM_DISCONNECTED KTM_STATUS(0x32)
#define NOT_SUPERIOR KTM_STATUS(0x33)
#define TM_IS_VOLATILE KTM_STATUS(0x3B)
#define TM_IDENTITY_MISMATCH KTM_STATUS(0x4A)
#define TX_NOT_FOUND KTM_STATUS(0x4E)
#define RM_NOT_FOUND KTM_STATUS(0x4F)
#define EN_NOT_FOUND KTM_STATUS(0x50)
#define TM_NOT_FOUND KTM_STATUS(0x51)
#define TM_NOT_ONLINE KTM_STATUS(0x52)
#define TX_OBJECT_EXPIRED KTM_STATUS(0x55)
#define TX_RESPONSE_NOT_ENLISTED KTM_STATUS(0x57)

typedef NTSTATUS(NTAPI *PTM_RM_NOTIFICATION_ROUTINE)(PVOID, PVOID, PVOID, ULONG, PLARGE_INTEGER, ULONG, PVOID);

NTSTATUS NTAPI TmRecoverTransactionManager(PVOID, PLARGE_INTEGER);
NTSTATUS NTAPI TmRecoverResourceManager(PVOID);
NTSTATUS NTAPI TmEnableCallbacks(PVOID, PTM_RM_NOTIFICATION_ROUTINE, PVOID);
NTSTATUS NTAPI TmCommitTransaction(PVOID, BOOLEAN);
NTSTATUS NTAPI TmRollbackTransaction(PVOID, BOOLEAN);
VOID NTAPI TmGetTransactionId(PVOID, LPGUID);
BOOLEAN NTAPI TmIsTransactionActive(PVOID);
NTSTATUS NTAPI TmCreateEnlistment(PHANDLE, KPROCESSOR_MODE, ACCESS_MASK, POBJECT_ATTRIBUTES, PVOID, PVOID, ULONG, ULONG, PVOID);
NTSTATUS NTAPI TmRecoverEnlistment(PVOID, PVOID);
NTSTATUS NTAPI TmRequestOutcomeEnlistment(PVOID, PLARGE_INTEGER);
NTSTATUS NTAPI TmReferenceEnlistmentKey(PVOID, PVOID *);
NTSTATUS NTAPI TmDereferenceEnlistmentKey(PVOID, PBOOLEAN);
#define KTM_BY_POINTER(name) \
    NTSTATUS NTAPI Tm##name(PVOID, PLARGE_INTEGER);
KTM_BY_POINTER(PrePrepareComplete) KTM_BY_POINTER(PrepareComplete) KTM_BY_POINTER(CommitComplete) KTM_BY_POINTER(RollbackComplete) KTM_BY_POINTER(ReadOnlyEnlistment) KTM_BY_POINTER(SinglePhaseReject)
KTM_BY_POINTER(PrePrepareEnlistment) KTM_BY_POINTER(PrepareEnlistment) KTM_BY_POINTER(CommitEnlistment) KTM_BY_POINTER(RollbackEnlistment)

/* Notifications that every resource manager registers for. */
#define NOTIFY_ALL (TRANSACTION_NOTIFY_PREPREPARE | TRANSACTION_NOTIFY_PREPARE | TRANSACTION_NOTIFY_COMMIT | TRANSACTION_NOTIFY_ROLLBACK)
#define NOTIFY_SUPERIOR                                                                                                                              \
    (TRANSACTION_NOTIFY_PREPREPARE_COMPLETE | TRANSACTION_NOTIFY_PREPARE_COMPLETE | TRANSACTION_NOTIFY_COMMIT_COMPLETE | TRANSACTION_NOTIFY_ROLLBACK_COMPLETE | \
     TRANSACTION_NOTIFY_ROLLBACK)

static __attribute__((unused)) OBJECT_ATTRIBUTES KernelAttributes(VOID)
{
    OBJECT_ATTRIBUTES a;
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    return a;
}

/* A volatile transaction manager. */
static __attribute__((unused)) HANDLE NewTm(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE h = NULL;
    CHECK(ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_SUCCESS);
    return h;
}

/* A volatile resource manager with a new identity. */
static __attribute__((unused)) HANDLE NewRm(HANDLE Tm)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE h = NULL;
    CHECK(ZwCreateResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, Tm, NULL, &a, RESOURCE_MANAGER_VOLATILE, NULL) == STATUS_SUCCESS);
    return h;
}

static __attribute__((unused)) HANDLE NewTransaction(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE h = NULL;
    CHECK(ZwCreateTransaction(&h, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_SUCCESS);
    return h;
}

static __attribute__((unused)) HANDLE Enlist(HANDLE Rm, HANDLE Transaction, ULONG Options, ULONG Mask, PVOID Key)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE h = NULL;
    CHECK(ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, Rm, Transaction, &a, Options, Mask, Key) == STATUS_SUCCESS);
    return h;
}

/* The object of a handle, referenced. */
static __attribute__((unused)) PVOID ObjectOf(HANDLE Handle)
{
    PVOID object = NULL;
    CHECK(ObReferenceObjectByHandle(Handle, 0, NULL, KernelMode, &object, NULL) == STATUS_SUCCESS);
    return object;
}

/* The next notification of a resource manager without a callback, 0 when there is none; its key. */
static __attribute__((unused)) ULONG NextNotification(HANDLE Rm, PVOID *Key)
{
    struct
    {
        TRANSACTION_NOTIFICATION Notification;
        UCHAR Argument[64];
    } n;
    LARGE_INTEGER now;
    now.QuadPart = 0;
    if (ZwGetNotificationResourceManager(Rm, &n.Notification, sizeof(n), &now, NULL, 0, 0) != STATUS_SUCCESS)
        return 0;
    if (Key)
        *Key = n.Notification.TransactionKey;
    return n.Notification.TransactionNotification;
}

/* State and outcome of a transaction. */
static __attribute__((unused)) ULONG OutcomeOf(HANDLE Transaction)
{
    TRANSACTION_BASIC_INFORMATION basic;
    RtlZeroMemory(&basic, sizeof(basic));
    CHECK(ZwQueryInformationTransaction(Transaction, TransactionBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    return basic.Outcome;
}

static __attribute__((unused)) LONGLONG ClockOf(HANDLE Tm)
{
    TRANSACTIONMANAGER_BASIC_INFORMATION basic;
    RtlZeroMemory(&basic, sizeof(basic));
    CHECK(ZwQueryInformationTransactionManager(Tm, TransactionManagerBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    return basic.VirtualClock.QuadPart;
}

/* A handle to an object that is no transaction object, and a value that is no handle. */
static __attribute__((unused)) HANDLE WrongHandle(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE h = NULL;
    ZwCreateEvent(&h, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE);
    return h;
}
#define NO_HANDLE ((HANDLE)0x7ffc)

/* The two statuses that any routine has for a handle that will not do. */
#define BAD_HANDLES(routine, wrong, what, call) \
    do \
    { \
        HANDLE Handle = NO_HANDLE; \
        OUTCOME(routine, "a handle that is none: STATUS_INVALID_HANDLE", (call) == STATUS_INVALID_HANDLE); \
        Handle = wrong; \
        OUTCOME(routine, "an object that is no " what ": STATUS_OBJECT_TYPE_MISMATCH", (call) == STATUS_OBJECT_TYPE_MISMATCH); \
    } while (0)

/* Each routine on an enlistment or a transaction has a form by handle (Zw) and one by pointer (Tm): tests run once with each. */
static BOOLEAN ByPointer __attribute__((unused));
typedef struct
{
    HANDLE Handle;
    PVOID Object;
} KTM_OBJECT;
static __attribute__((unused)) KTM_OBJECT Held(HANDLE Handle)
{
    KTM_OBJECT o;
    o.Handle = Handle;
    o.Object = ObjectOf(Handle);
    return o;
}
static __attribute__((unused)) VOID Drop(KTM_OBJECT Object)
{
    ObDereferenceObject(Object.Object);
    ZwClose(Object.Handle);
}
#define DO(name, object, second) (ByPointer ? Tm##name((object).Object, second) : Zw##name((object).Handle, second))
#define SAW(name, outcome, condition) (ByPointer ? OUTCOME(Tm##name, outcome, condition) : OUTCOME(Zw##name, outcome, condition))

#endif
