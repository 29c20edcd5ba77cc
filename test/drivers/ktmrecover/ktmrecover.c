/* Transaction managers with a log stream: what was prepared when they were closed comes back when they are opened again. */
#include <ntifs.h>
#include "../ktest.h"
#include "../ktm.h"

static UNICODE_STRING Path;

static HANDLE OpenLog(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE h = NULL;
    CHECK(ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, &Path, 0, 0) == STATUS_SUCCESS);
    return h;
}
static GUID IdentityOf(HANDLE Tm)
{
    TRANSACTIONMANAGER_BASIC_INFORMATION basic;
    CHECK(ZwQueryInformationTransactionManager(Tm, TransactionManagerBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    return basic.TmIdentity;
}
#define SAME(a, b) (RtlCompareMemory(&(a), &(b), sizeof(GUID)) == sizeof(GUID))

static VOID Log(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE tm = OpenLog(), again = NULL, rm = NULL;
    TRANSACTIONMANAGER_LOG_INFORMATION log;
    struct { TRANSACTIONMANAGER_LOGPATH_INFORMATION Path; WCHAR Rest[60]; } path;
    TRANSACTIONMANAGER_RECOVERY_INFORMATION recovery;
    UNICODE_STRING none;
    ULONG length = 0;
    GUID id = IdentityOf(tm), next, other;
    NTSTATUS status;
    PVOID object = ObjectOf(tm);

    RtlInitUnicodeString(&none, L"\\Device\\Log\\Nobody");
    OUTCOME(ZwCreateTransactionManager, "with a log file: STATUS_SUCCESS", tm != NULL);
    OUTCOME(ZwCreateTransactionManager, "a log stream that is in use: STATUS_OBJECT_NAME_COLLISION",
            ZwCreateTransactionManager(&again, TRANSACTIONMANAGER_ALL_ACCESS, &a, &Path, 0, 0) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(ZwQueryInformationTransactionManager, "TransactionManagerLogInformation",
            ZwQueryInformationTransactionManager(tm, TransactionManagerLogInformation, &log, sizeof(log), &length) == STATUS_SUCCESS && length == sizeof(GUID));
    OUTCOME(ZwQueryInformationTransactionManager, "TransactionManagerLogPathInformation",
            ZwQueryInformationTransactionManager(tm, TransactionManagerLogPathInformation, &path, sizeof(path), &length) == STATUS_SUCCESS && path.Path.LogPathLength == Path.Length / 2u &&
                RtlCompareMemory(path.Path.LogPath, Path.Buffer, Path.Length) == Path.Length);
    OUTCOME(ZwQueryInformationTransactionManager, "no room for the path: STATUS_BUFFER_TOO_SMALL",
            ZwQueryInformationTransactionManager(tm, TransactionManagerLogPathInformation, &path, 8, &length) == STATUS_BUFFER_TOO_SMALL && length == 4u + Path.Length);
    OUTCOME(ZwQueryInformationTransactionManager, "TransactionManagerRecoveryInformation",
            ZwQueryInformationTransactionManager(tm, TransactionManagerRecoveryInformation, &recovery, sizeof(recovery), NULL) == STATUS_SUCCESS);
    OUTCOME(ZwCreateResourceManager, "before the recovery of its transaction manager: STATUS_TRANSACTIONMANAGER_NOT_ONLINE",
            ZwCreateResourceManager(&rm, RESOURCEMANAGER_ALL_ACCESS, tm, NULL, &a, 0, NULL) == TM_NOT_ONLINE);
    OUTCOME(ZwRecoverTransactionManager, "STATUS_SUCCESS", ZwRecoverTransactionManager(tm) == STATUS_SUCCESS);
    OUTCOME(ZwRecoverTransactionManager, "recovered already: STATUS_UNSUCCESSFUL", ZwRecoverTransactionManager(tm) == STATUS_UNSUCCESSFUL);
    OUTCOME(ZwRollforwardTransactionManager, "recovered already: STATUS_UNSUCCESSFUL", ZwRollforwardTransactionManager(tm, NULL) == STATUS_UNSUCCESSFUL);
    OUTCOME(TmRecoverTransactionManager, "recovered already: STATUS_UNSUCCESSFUL", TmRecoverTransactionManager(object, NULL) == STATUS_UNSUCCESSFUL);
    ObDereferenceObject(object);

    status = ZwOpenTransactionManager(&again, TRANSACTIONMANAGER_ALL_ACCESS, &a, &Path, NULL, 0);
    next = NT_SUCCESS(status) ? IdentityOf(again) : log.LogIdentity;
    OUTCOME(ZwOpenTransactionManager, "by its log file", status == STATUS_SUCCESS && SAME(next, id));
    if (NT_SUCCESS(status)) ZwClose(again);
    OUTCOME(ZwOpenTransactionManager, "a log file that is not there: STATUS_OBJECT_NAME_NOT_FOUND",
            ZwOpenTransactionManager(&again, TRANSACTIONMANAGER_ALL_ACCESS, &a, &none, NULL, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
    /* A volatile resource manager cannot lead in a transaction manager that is not. */
    {
        HANDLE t = NewTransaction(), h = NULL;
        PVOID rmObject, tObject = ObjectOf(t);
        CHECK(ZwCreateResourceManager(&rm, RESOURCEMANAGER_ALL_ACCESS, tm, NULL, &a, RESOURCE_MANAGER_VOLATILE, NULL) == STATUS_SUCCESS);
        rmObject = ObjectOf(rm);
        OUTCOME(ZwCreateEnlistment, "a volatile superior where the transaction manager is not: STATUS_TM_VOLATILE",
                ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, rm, t, &a, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR, NULL) == TM_IS_VOLATILE);
        OUTCOME(TmCreateEnlistment, "a volatile superior where the transaction manager is not: STATUS_TM_VOLATILE",
                TmCreateEnlistment(&h, KernelMode, ENLISTMENT_ALL_ACCESS, &a, rmObject, tObject, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR, NULL) == TM_IS_VOLATILE);
        ObDereferenceObject(rmObject);
        ObDereferenceObject(tObject);
        ZwClose(rm);
        ZwClose(t);
    }
    OUTCOME(NtRenameTransactionManager, "a log stream that is in use: STATUS_OBJECT_NAME_COLLISION", NtRenameTransactionManager(&Path, &id) == STATUS_OBJECT_NAME_COLLISION);
    ZwClose(tm);
    tm = OpenLog();
    next = IdentityOf(tm);
    OUTCOME(ZwCreateTransactionManager, "the identity stays in the log stream", SAME(next, id));
    ZwClose(tm);

    ExUuidCreate(&other);
    OUTCOME(NtRenameTransactionManager, "a log stream that is not there: STATUS_OBJECT_NAME_NOT_FOUND", NtRenameTransactionManager(&none, &id) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(NtRenameTransactionManager, "another identity than that in the log: STATUS_TM_IDENTITY_MISMATCH", NtRenameTransactionManager(&Path, &other) == TM_IDENTITY_MISMATCH);
    OUTCOME(NtRenameTransactionManager, "no identity: STATUS_INVALID_PARAMETER", NtRenameTransactionManager(&Path, NULL) == STATUS_INVALID_PARAMETER);
    KIRQL irql;
    KeRaiseIrql(APC_LEVEL, &irql);
    status = NtRenameTransactionManager(&Path, &id);
    KeLowerIrql(irql);
    OUTCOME(NtRenameTransactionManager, "may be called at APC_LEVEL", status == STATUS_SUCCESS);
    tm = OpenLog();
    next = IdentityOf(tm);
    OUTCOME(NtRenameTransactionManager, "STATUS_SUCCESS, and the transaction manager has a new identity", status == STATUS_SUCCESS && !SAME(next, id));
    ZwClose(tm);
}

/* A superior prepares a transaction, then everything is closed: as after a crash. Gives the identities of both enlistments. */
static VOID Crash(const GUID *Leader, const GUID *Rm, GUID *Superior, GUID *Subordinate, PLONGLONG Clock)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE tm = OpenLog(), leader = NULL, rm = NULL, t = NULL, s, e;
    ENLISTMENT_BASIC_INFORMATION basic;
    ULONG word = 0x600d;

    CHECK(ZwRecoverTransactionManager(tm) == STATUS_SUCCESS);
    CHECK(ZwCreateResourceManager(&leader, RESOURCEMANAGER_ALL_ACCESS, tm, (LPGUID)Leader, &a, 0, NULL) == STATUS_SUCCESS);
    CHECK(ZwCreateResourceManager(&rm, RESOURCEMANAGER_ALL_ACCESS, tm, (LPGUID)Rm, &a, 0, NULL) == STATUS_SUCCESS);
    CHECK(ZwCreateTransaction(&t, TRANSACTION_ALL_ACCESS, &a, NULL, tm, 0, 0, 0, NULL, NULL) == STATUS_SUCCESS);
    s = Enlist(leader, t, ENLISTMENT_SUPERIOR, NOTIFY_SUPERIOR | TRANSACTION_NOTIFY_RECOVER_QUERY, NULL);
    e = Enlist(rm, t, 0, NOTIFY_ALL | TRANSACTION_NOTIFY_RECOVER | TRANSACTION_NOTIFY_INDOUBT, NULL);
    CHECK(ZwSetInformationEnlistment(e, EnlistmentRecoveryInformation, &word, 4) == STATUS_SUCCESS);
    CHECK(ZwQueryInformationEnlistment(s, EnlistmentBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    *Superior = basic.EnlistmentId;
    CHECK(ZwQueryInformationEnlistment(e, EnlistmentBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    *Subordinate = basic.EnlistmentId;
    CHECK(ZwPrepareEnlistment(s, NULL) == STATUS_SUCCESS && NextNotification(rm, NULL) == TRANSACTION_NOTIFY_PREPARE && ZwPrepareComplete(e, NULL) == STATUS_SUCCESS);
    *Clock = ClockOf(tm);
    ZwClose(t);
    ZwClose(e);
    ZwClose(s);
    ZwClose(rm);
    ZwClose(leader);
    ZwClose(tm);
}

/* What was prepared is back: it can be found, and ended. */
static BOOLEAN Finish(HANDLE Tm, const GUID *Leader, const GUID *Rm, const GUID *Superior, const GUID *Subordinate)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE leader = NULL, rm = NULL, s = NULL, e = NULL;
    ULONG word = 0;
    BOOLEAN good;

    CHECK(ZwOpenResourceManager(&leader, RESOURCEMANAGER_ALL_ACCESS, Tm, (LPGUID)Leader, &a) == STATUS_SUCCESS);
    CHECK(ZwCreateResourceManager(&rm, RESOURCEMANAGER_ALL_ACCESS, Tm, (LPGUID)Rm, &a, 0, NULL) == STATUS_SUCCESS);
    CHECK(ZwRecoverResourceManager(rm) == STATUS_SUCCESS);
    good = NextNotification(rm, NULL) == TRANSACTION_NOTIFY_RECOVER && NextNotification(rm, NULL) == TRANSACTION_NOTIFY_LAST_RECOVER;
    CHECK(ZwRecoverResourceManager(leader) == STATUS_SUCCESS && NextNotification(leader, NULL) == TRANSACTION_NOTIFY_RECOVER_QUERY);
    CHECK(ZwOpenEnlistment(&e, ENLISTMENT_ALL_ACCESS, rm, (LPGUID)Subordinate, &a) == STATUS_SUCCESS);
    CHECK(ZwOpenEnlistment(&s, ENLISTMENT_ALL_ACCESS, leader, (LPGUID)Superior, &a) == STATUS_SUCCESS);
    CHECK(ZwQueryInformationEnlistment(e, EnlistmentRecoveryInformation, &word, 4, NULL) == STATUS_SUCCESS && word == 0x600d);
    CHECK(ZwRecoverEnlistment(e, (PVOID)0x99) == STATUS_PENDING && NextNotification(rm, NULL) == TRANSACTION_NOTIFY_INDOUBT);
    good = good && ZwCommitEnlistment(s, NULL) == STATUS_SUCCESS && NextNotification(rm, NULL) == TRANSACTION_NOTIFY_COMMIT && ZwCommitComplete(e, NULL) == STATUS_SUCCESS;
    ZwClose(e);
    ZwClose(s);
    ZwClose(rm);
    ZwClose(leader);
    return good;
}

static VOID Recovery(VOID)
{
    GUID leader, rm, s, e;
    HANDLE tm;
    PVOID object;
    LONGLONG clock;
    LARGE_INTEGER target;

    ExUuidCreate(&leader);
    ExUuidCreate(&rm);
    Crash(&leader, &rm, &s, &e, &clock);
    tm = OpenLog();
    CHECK(ZwRecoverTransactionManager(tm) == STATUS_SUCCESS);
    OUTCOME(ZwRecoverTransactionManager, "the clock is the last one in the log", ClockOf(tm) == clock);
    OUTCOME(ZwRecoverTransactionManager, "transactions that were prepared come back, with enlistments and resource managers", Finish(tm, &leader, &rm, &s, &e));
    ZwClose(tm);

    Crash(&leader, &rm, &s, &e, &clock);
    tm = OpenLog();
    object = ObjectOf(tm);
    target.QuadPart = clock - 1;
    OUTCOME(ZwRollforwardTransactionManager, "up to a clock value: STATUS_SUCCESS, and the clock stands there", ZwRollforwardTransactionManager(tm, &target) == STATUS_SUCCESS && ClockOf(tm) == clock - 1);
    {
        OBJECT_ATTRIBUTES a = KernelAttributes();
        HANDLE h = NULL;
        OUTCOME(ZwRollforwardTransactionManager, "what came later is not there yet", ZwOpenResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, &rm, &a) == RM_NOT_FOUND);
    }
    target.QuadPart = clock;
    OUTCOME(ZwRollforwardTransactionManager, "again, further: the rest comes back",
            ZwRollforwardTransactionManager(tm, &target) == STATUS_SUCCESS && Finish(tm, &leader, &rm, &s, &e));
    ObDereferenceObject(object);
    ZwClose(tm);

    Crash(&leader, &rm, &s, &e, &clock);
    tm = OpenLog();
    object = ObjectOf(tm);
    OUTCOME(TmRecoverTransactionManager, "STATUS_SUCCESS: what was prepared comes back", TmRecoverTransactionManager(object, NULL) == STATUS_SUCCESS && Finish(tm, &leader, &rm, &s, &e));
    ObDereferenceObject(object);
    ZwClose(tm);
    Crash(&leader, &rm, &s, &e, &clock);
    tm = OpenLog();
    object = ObjectOf(tm);
    target.QuadPart = clock;
    OUTCOME(TmRecoverTransactionManager, "up to a clock value: STATUS_SUCCESS",
            TmRecoverTransactionManager(object, &target) == STATUS_SUCCESS && ClockOf(tm) == clock && Finish(tm, &leader, &rm, &s, &e));
    ObDereferenceObject(object);
    ZwClose(tm);
}

static VOID Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("ktmrecover");
    DriverObject->DriverUnload = Unload;
    RtlInitUnicodeString(&Path, L"\\Device\\Log\\Ktest");
    Log();
    Recovery();
    KtestDone();
    return STATUS_SUCCESS;
}
