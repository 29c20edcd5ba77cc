/* Transacted registry keys: what a transaction changes is its own until it commits; who meets whom on the way; what registry callbacks see of it. */
#include <ntifs.h>
#include "../ktest.h"
#include "../ktm.h"
#include "../kthread.h"

#define ROOT L"\\Registry\\Machine\\Software\\KtestTransacted"
NTSTATUS NTAPI ZwRenameKey(HANDLE, PUNICODE_STRING);

static HANDLE Root, Wrong;

static OBJECT_ATTRIBUTES Path(PUNICODE_STRING Name, PCWSTR Text, HANDLE Parent)
{
    OBJECT_ATTRIBUTES a;
    RtlInitUnicodeString(Name, Text);
    InitializeObjectAttributes(&a, Name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, Parent, NULL);
    return a;
}

/* Creates (or opens) a key below another, in a transaction if there is one. NULL when that fails; the status is in Last. */
static NTSTATUS Last;
static ULONG Disposition;
static HANDLE Create(HANDLE Parent, PCWSTR Name, HANDLE Transaction)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a = Path(&name, Name, Parent);
    HANDLE h = NULL;
    Last = Transaction ? ZwCreateKeyTransacted(&h, KEY_ALL_ACCESS, &a, 0, NULL, 0, Transaction, &Disposition) : ZwCreateKey(&h, KEY_ALL_ACCESS, &a, 0, NULL, 0, &Disposition);
    return NT_SUCCESS(Last) ? h : NULL;
}
static HANDLE Open(HANDLE Parent, PCWSTR Name, HANDLE Transaction)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a = Path(&name, Name, Parent);
    HANDLE h = NULL;
    Last = Transaction ? ZwOpenKeyTransacted(&h, KEY_ALL_ACCESS, &a, Transaction) : ZwOpenKey(&h, KEY_ALL_ACCESS, &a);
    return NT_SUCCESS(Last) ? h : NULL;
}
/* Whether a key is there, for everybody or for a transaction. */
static BOOLEAN Exists(PCWSTR Name, HANDLE Transaction)
{
    HANDLE h = Open(Root, Name, Transaction);
    if (h) ZwClose(h);
    return h != NULL;
}
static NTSTATUS Set(HANDLE Key, PCWSTR Name, ULONG Value)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, Name);
    return ZwSetValueKey(Key, &name, 0, REG_DWORD, &Value, 4);
}
/* A value, or 0 when it is not there. */
static ULONG Get(HANDLE Key, PCWSTR Name)
{
    UCHAR buffer[32] __attribute__((aligned(8)));
    ULONG length;
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, Name);
    if (ZwQueryValueKey(Key, &name, KeyValuePartialInformation, buffer, sizeof(buffer), &length) != STATUS_SUCCESS) return 0;
    return *(PULONG)((PKEY_VALUE_PARTIAL_INFORMATION)buffer)->Data;
}
static NTSTATUS Remove(HANDLE Key, PCWSTR Name)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, Name);
    return ZwDeleteValueKey(Key, &name);
}
static ULONG CountOf(HANDLE Key, BOOLEAN Values)
{
    UCHAR buffer[128] __attribute__((aligned(8)));
    ULONG length;
    if (!NT_SUCCESS(ZwQueryKey(Key, KeyFullInformation, buffer, sizeof(buffer), &length))) return 99;
    return Values ? ((PKEY_FULL_INFORMATION)buffer)->Values : ((PKEY_FULL_INFORMATION)buffer)->SubKeys;
}
static VOID Commit(HANDLE Transaction) { CHECK(ZwCommitTransaction(Transaction, TRUE) == STATUS_SUCCESS); ZwClose(Transaction); }
static VOID Rollback(HANDLE Transaction) { CHECK(ZwRollbackTransaction(Transaction, TRUE) == STATUS_SUCCESS); ZwClose(Transaction); }

/* A new key is seen by its transaction alone, until that commits; or by nobody ever. */
static VOID NewKeys(VOID)
{
    HANDLE t = NewTransaction(), key, sub, plain;
    key = Create(Root, L"New", t);
    OUTCOME(ZwCreateKeyTransacted, "a new key: REG_CREATED_NEW_KEY", key && Disposition == REG_CREATED_NEW_KEY);
    OUTCOME(ZwCreateKeyTransacted, "only its transaction sees it", !Exists(L"New", NULL) && Exists(L"New", t) && CountOf(Root, FALSE) == 0);
    sub = Create(key, L"Sub", NULL);
    OUTCOME(ZwCreateKeyTransacted, "what is made below its handle belongs to the transaction", sub && Exists(L"New\\Sub", t) && Set(sub, L"v", 5) == STATUS_SUCCESS && Get(sub, L"v") == 5);
    ZwClose(sub);
    ZwClose(key);
    key = Create(Root, L"New", t);
    OUTCOME(ZwCreateKeyTransacted, "a key that exists: REG_OPENED_EXISTING_KEY", key && Disposition == REG_OPENED_EXISTING_KEY);
    Rollback(t);
    OUTCOME(ZwCreateKeyTransacted, "after a rollback it was never there", !Exists(L"New", NULL) && CountOf(Root, FALSE) == 0);
    OUTCOME(ZwCreateKeyTransacted, "its handle is of no use when the transaction has ended: STATUS_TRANSACTION_NOT_ACTIVE", Set(key, L"v", 1) == TX_NOT_ACTIVE && CountOf(key, TRUE) == 99);
    ZwClose(key);

    t = NewTransaction();
    key = Create(Root, L"New", t);
    sub = Create(key, L"Sub", t);
    CHECK(Set(key, L"v", 7) == STATUS_SUCCESS);
    Commit(t);
    plain = Open(Root, L"New", NULL);
    OUTCOME(ZwCreateKeyTransacted, "after the commit everybody sees it, with its values and subkeys", plain && Get(plain, L"v") == 7 && Exists(L"New\\Sub", NULL) && CountOf(plain, FALSE) == 1);
    OUTCOME(ZwCreateKeyTransacted, "after the commit its handle is of no use: STATUS_TRANSACTION_NOT_ACTIVE", Set(key, L"v", 1) == TX_NOT_ACTIVE && Get(plain, L"v") == 7);
    ZwClose(key);
    ZwClose(sub);
    sub = Open(plain, L"Sub", NULL);
    CHECK(ZwDeleteKey(sub) == STATUS_SUCCESS && ZwDeleteKey(plain) == STATUS_SUCCESS);
    ZwClose(sub);
    ZwClose(plain);

    /* Made and deleted again. */
    t = NewTransaction();
    key = Create(Root, L"Short", t);
    CHECK(ZwDeleteKey(key) == STATUS_SUCCESS);
    OUTCOME(ZwCreateKeyTransacted, "made and deleted in one transaction: nothing is left", !Exists(L"Short", t) && (Commit(t), !Exists(L"Short", NULL)));
    ZwClose(key);
    /* The last handle of the transaction is closed. */
    t = NewTransaction();
    key = Create(Root, L"Lost", t);
    ZwClose(t);
    OUTCOME(ZwCreateKeyTransacted, "a transaction whose last handle is closed is undone", !Exists(L"Lost", NULL) && Set(key, L"v", 1) == TX_NOT_ACTIVE);
    ZwClose(key);
}

/* Values, deletions, names. */
static VOID Changes(VOID)
{
    HANDLE t, key, plain = Create(Root, L"Kept", NULL), h;
    UNICODE_STRING name;
    UCHAR buffer[128] __attribute__((aligned(8)));
    ULONG length;

    CHECK(Set(plain, L"a", 1) == STATUS_SUCCESS && Set(plain, L"b", 2) == STATUS_SUCCESS);
    t = NewTransaction();
    key = Open(Root, L"Kept", t);
    OUTCOME(ZwOpenKeyTransacted, "opens a key that exists", key != NULL);
    CHECK(Set(key, L"a", 10) == STATUS_SUCCESS && Set(key, L"a", 11) == STATUS_SUCCESS && Remove(key, L"b") == STATUS_SUCCESS && Set(key, L"c", 3) == STATUS_SUCCESS);
    OUTCOME(ZwOpenKeyTransacted, "its transaction sees the values that it set, others the old ones",
            Get(key, L"a") == 11 && Get(plain, L"a") == 1 && Get(key, L"b") == 0 && Get(plain, L"b") == 2 && Get(key, L"c") == 3 && Get(plain, L"c") == 0);
    CHECK(CountOf(key, TRUE) == 2 && CountOf(plain, TRUE) == 2);
    Rollback(t);
    OUTCOME(ZwOpenKeyTransacted, "a rollback leaves all values as they were", Get(plain, L"a") == 1 && Get(plain, L"b") == 2 && Get(plain, L"c") == 0 && CountOf(plain, TRUE) == 2);
    ZwClose(key);

    t = NewTransaction();
    key = Open(Root, L"Kept", t);
    CHECK(Set(key, L"a", 20) == STATUS_SUCCESS && Remove(key, L"b") == STATUS_SUCCESS && Set(key, L"c", 30) == STATUS_SUCCESS && Set(key, L"d", 4) == STATUS_SUCCESS &&
          Remove(key, L"d") == STATUS_SUCCESS);
    Commit(t);
    OUTCOME(ZwOpenKeyTransacted, "a commit makes the values everybody's", Get(plain, L"a") == 20 && Get(plain, L"b") == 0 && Get(plain, L"c") == 30 && CountOf(plain, TRUE) == 2);
    ZwClose(key);

    t = NewTransaction();
    key = Open(Root, L"Kept", t);
    CHECK(ZwDeleteKey(key) == STATUS_SUCCESS);
    OUTCOME(ZwOpenKeyTransacted, "a key that it deleted is gone for its transaction only", !Exists(L"Kept", t) && Exists(L"Kept", NULL) && Set(key, L"a", 1) == STATUS_KEY_DELETED);
    h = Create(Root, L"Kept", t);
    OUTCOME(ZwCreateKeyTransacted, "a key that the transaction deleted can be made anew", h && Disposition == REG_CREATED_NEW_KEY && Get(h, L"a") == 0 && Get(plain, L"a") == 20);
    ZwClose(h);
    ZwClose(key);
    Rollback(t);
    OUTCOME(ZwOpenKeyTransacted, "a rollback brings a deleted key back", Exists(L"Kept", NULL) && Get(plain, L"a") == 20);

    t = NewTransaction();
    key = Open(Root, L"Kept", t);
    RtlInitUnicodeString(&name, L"Renamed");
    CHECK(ZwRenameKey(key, &name) == STATUS_SUCCESS);
    OUTCOME(ZwOpenKeyTransacted, "a new name is seen by its transaction only until the commit",
            Exists(L"Renamed", t) && !Exists(L"Kept", t) && Exists(L"Kept", NULL) && !Exists(L"Renamed", NULL) &&
                ZwQueryKey(key, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && ((PKEY_BASIC_INFORMATION)buffer)->NameLength == 14);
    Commit(t);
    CHECK(Exists(L"Renamed", NULL) && !Exists(L"Kept", NULL));
    ZwClose(key);

    t = NewTransaction();
    key = Open(Root, L"Renamed", t);
    CHECK(ZwDeleteKey(key) == STATUS_SUCCESS);
    Commit(t);
    OUTCOME(ZwOpenKeyTransacted, "a commit deletes the key for everybody", !Exists(L"Renamed", NULL) && Set(plain, L"a", 1) == STATUS_KEY_DELETED);
    ZwClose(key);
    ZwClose(plain);
}

/* A descriptor that was set in a transaction, and the time. */
static VOID Security(VOID)
{
    HANDLE plain = Create(Root, L"Guarded", NULL), t = NewTransaction(), key = Open(Root, L"Guarded", t);
    SECURITY_DESCRIPTOR sd;
    ACL empty;
    ULONG before = 0, mine = 0, others = 0, after = 0;
    struct { LARGE_INTEGER Time; } time;
    UCHAR buffer[128] __attribute__((aligned(8)));
    ULONG length;

    CHECK(NT_SUCCESS(RtlCreateSecurityDescriptor(&sd, SECURITY_DESCRIPTOR_REVISION)) && NT_SUCCESS(RtlCreateAcl(&empty, sizeof(empty), ACL_REVISION)));
    CHECK(NT_SUCCESS(RtlSetDaclSecurityDescriptor(&sd, TRUE, &empty, FALSE)));
    ZwQuerySecurityObject(plain, DACL_SECURITY_INFORMATION, NULL, 0, &before);
    CHECK(ZwSetSecurityObject(key, DACL_SECURITY_INFORMATION, &sd) == STATUS_SUCCESS);
    time.Time.QuadPart = 0x0123456789abcdefLL;
    CHECK(ZwSetInformationKey(key, 0, &time, sizeof(time)) == STATUS_SUCCESS);
    ZwQuerySecurityObject(key, DACL_SECURITY_INFORMATION, NULL, 0, &mine);
    ZwQuerySecurityObject(plain, DACL_SECURITY_INFORMATION, NULL, 0, &others);
    CHECK(ZwQueryKey(plain, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && ((PKEY_BASIC_INFORMATION)buffer)->LastWriteTime.QuadPart != time.Time.QuadPart);
    CHECK(ZwQueryKey(key, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && ((PKEY_BASIC_INFORMATION)buffer)->LastWriteTime.QuadPart == time.Time.QuadPart);
    OUTCOME(ZwOpenKeyTransacted, "descriptor and time too are its own until the commit", mine < before && others == before);
    Commit(t);
    ZwQuerySecurityObject(plain, DACL_SECURITY_INFORMATION, NULL, 0, &after);
    CHECK(after == mine);
    CHECK(ZwQueryKey(plain, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && ((PKEY_BASIC_INFORMATION)buffer)->LastWriteTime.QuadPart == time.Time.QuadPart);
    ZwClose(key);
    ZwDeleteKey(plain);
    ZwClose(plain);
}

/* Two transactions, and changes without one. */
static VOID Conflicts(VOID)
{
    HANDLE plain = Create(Root, L"Shared", NULL), t1 = NewTransaction(), t2 = NewTransaction(), k1 = Open(Root, L"Shared", t1), k2 = Open(Root, L"Shared", t2), h, one;

    CHECK(Set(plain, L"v", 1) == STATUS_SUCCESS && Set(k1, L"v", 2) == STATUS_SUCCESS);
    OUTCOME(ZwOpenKeyTransacted, "a key that another transaction has changed: STATUS_TRANSACTIONAL_CONFLICT",
            Set(k2, L"v", 3) == TX_CONFLICT && Set(k2, L"w", 3) == TX_CONFLICT && Remove(k2, L"v") == TX_CONFLICT && ZwDeleteKey(k2) == TX_CONFLICT);
    OUTCOME(ZwOpenKeyTransacted, "another transaction sees what was there before", Get(k2, L"v") == 1);
    one = Create(Root, L"Twice", t1);
    h = Create(Root, L"Twice", t2);
    OUTCOME(ZwCreateKeyTransacted, "a key that another transaction is making: STATUS_TRANSACTIONAL_CONFLICT", one && !h && Last == TX_CONFLICT);
    h = Create(Root, L"Other", t2);
    OUTCOME(ZwCreateKeyTransacted, "two transactions may make different keys in one place", h != NULL);
    ZwClose(h);
    OUTCOME(ZwOpenKeyTransacted, "reading without a transaction does not disturb it", Get(plain, L"v") == 1 && OutcomeOf(t1) == TransactionOutcomeUndetermined);
    OUTCOME(ZwOpenKeyTransacted, "a change without a transaction goes through, and rolls the transaction back",
            Set(plain, L"v", 9) == STATUS_SUCCESS && OutcomeOf(t1) == TransactionOutcomeAborted && Get(plain, L"v") == 9 && !Exists(L"Twice", NULL) &&
                ZwCommitTransaction(t1, TRUE) == TX_ALREADY_ABORTED);
    OUTCOME(ZwOpenKeyTransacted, "another transaction can go on then", OutcomeOf(t2) == TransactionOutcomeUndetermined && Set(k2, L"v", 3) == STATUS_SUCCESS);
    ZwClose(one);
    ZwClose(k1);
    ZwClose(k2);
    ZwClose(t1);
    Rollback(t2);

    t1 = NewTransaction();
    one = Create(plain, L"Below", NULL);
    ZwClose(one);
    k1 = Open(Root, L"Shared", t1);
    one = Create(k1, L"Mine", NULL);
    h = Create(plain, L"Mine", NULL);
    OUTCOME(ZwCreateKeyTransacted, "the same key made without a transaction rolls it back", h && Disposition == REG_CREATED_NEW_KEY && OutcomeOf(t1) == TransactionOutcomeAborted);
    ZwDeleteKey(h);
    ZwClose(h);
    ZwClose(one);
    ZwClose(k1);
    ZwClose(t1);
    t1 = NewTransaction();
    k1 = Open(plain, L"Below", t1);
    CHECK(Set(k1, L"v", 1) == STATUS_SUCCESS);
    h = Open(plain, L"Below", NULL);
    OUTCOME(ZwOpenKeyTransacted, "deleting a key without a transaction rolls back who changes it", ZwDeleteKey(h) == STATUS_SUCCESS && OutcomeOf(t1) == TransactionOutcomeAborted);
    ZwClose(h);
    ZwClose(k1);
    ZwClose(t1);
    ZwDeleteKey(plain);
    ZwClose(plain);
}

static VOID Statuses(VOID)
{
    HANDLE t = NewTransaction(), h = NULL, plain = Create(Root, L"Status", NULL), key, other;
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a = Path(&name, L"Status", Root), missing, bad, denied;
    UNICODE_STRING missingName, badName, deniedName;

    missing = Path(&missingName, L"Not\\There", Root);
    bad = Path(&badName, L"NoBackslash", NULL);
    denied = Path(&deniedName, L"\\Registry\\Machine\\System\\CurrentControlSet\\Enum", NULL);
    denied.Attributes |= OBJ_FORCE_ACCESS_CHECK;

    OUTCOME(ZwCreateKeyTransacted, "no attributes, or unknown options: STATUS_INVALID_PARAMETER",
            ZwCreateKeyTransacted(&h, KEY_ALL_ACCESS, NULL, 0, NULL, 0, t, NULL) == STATUS_INVALID_PARAMETER &&
                ZwCreateKeyTransacted(&h, KEY_ALL_ACCESS, &a, 0, NULL, 0x8000, t, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateKeyTransacted, "a path that is none: STATUS_OBJECT_PATH_SYNTAX_BAD", ZwCreateKeyTransacted(&h, KEY_ALL_ACCESS, &bad, 0, NULL, 0, t, NULL) == STATUS_OBJECT_PATH_SYNTAX_BAD);
    OUTCOME(ZwCreateKeyTransacted, "a path of which more than the last key is missing: STATUS_OBJECT_NAME_NOT_FOUND",
            ZwCreateKeyTransacted(&h, KEY_ALL_ACCESS, &missing, 0, NULL, 0, t, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwCreateKeyTransacted, "rights that the caller is not given: STATUS_ACCESS_DENIED", ZwCreateKeyTransacted(&h, DELETE, &denied, 0, NULL, 0, t, NULL) == STATUS_ACCESS_DENIED);
    BAD_HANDLES(ZwCreateKeyTransacted, Wrong, "transaction", ZwCreateKeyTransacted(&h, KEY_ALL_ACCESS, &a, 0, NULL, 0, Handle, NULL));

    OUTCOME(ZwOpenKeyTransacted, "no attributes: STATUS_INVALID_PARAMETER", ZwOpenKeyTransacted(&h, KEY_ALL_ACCESS, NULL, t) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwOpenKeyTransacted, "a path that is none: STATUS_OBJECT_PATH_SYNTAX_BAD", ZwOpenKeyTransacted(&h, KEY_ALL_ACCESS, &bad, t) == STATUS_OBJECT_PATH_SYNTAX_BAD);
    OUTCOME(ZwOpenKeyTransacted, "a key that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenKeyTransacted(&h, KEY_ALL_ACCESS, &missing, t) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwOpenKeyTransacted, "rights that the caller is not given: STATUS_ACCESS_DENIED", ZwOpenKeyTransacted(&h, DELETE, &denied, t) == STATUS_ACCESS_DENIED);
    BAD_HANDLES(ZwOpenKeyTransacted, Wrong, "transaction", ZwOpenKeyTransacted(&h, KEY_ALL_ACCESS, &a, Handle));

    Last = ZwOpenKeyTransactedEx(&h, KEY_ALL_ACCESS, &a, 0, t);
    OUTCOME(ZwOpenKeyTransactedEx, "opens a key that exists", Last == STATUS_SUCCESS && Set(h, L"v", 1) == STATUS_SUCCESS && Get(plain, L"v") == 0);
    if (NT_SUCCESS(Last)) ZwClose(h);
    OUTCOME(ZwOpenKeyTransactedEx, "no attributes: STATUS_INVALID_PARAMETER", ZwOpenKeyTransactedEx(&h, KEY_ALL_ACCESS, NULL, 0, t) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwOpenKeyTransactedEx, "unknown options: STATUS_INVALID_PARAMETER_4", ZwOpenKeyTransactedEx(&h, KEY_ALL_ACCESS, &a, 0x8000, t) == STATUS_INVALID_PARAMETER_4);
    OUTCOME(ZwOpenKeyTransactedEx, "a path that is none: STATUS_OBJECT_PATH_SYNTAX_BAD", ZwOpenKeyTransactedEx(&h, KEY_ALL_ACCESS, &bad, 0, t) == STATUS_OBJECT_PATH_SYNTAX_BAD);
    OUTCOME(ZwOpenKeyTransactedEx, "a key that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenKeyTransactedEx(&h, KEY_ALL_ACCESS, &missing, 0, t) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwOpenKeyTransactedEx, "rights that the caller is not given: STATUS_ACCESS_DENIED", ZwOpenKeyTransactedEx(&h, DELETE, &denied, 0, t) == STATUS_ACCESS_DENIED);
    BAD_HANDLES(ZwOpenKeyTransactedEx, Wrong, "transaction", ZwOpenKeyTransactedEx(&h, KEY_ALL_ACCESS, &a, 0, Handle));
    {
        UNICODE_STRING linkName;
        OBJECT_ATTRIBUTES link = Path(&linkName, L"\\Registry\\Machine\\System\\CurrentControlSet", NULL);
        UCHAR buffer[256] __attribute__((aligned(8)));
        ULONG length;
        Last = ZwOpenKeyTransactedEx(&h, KEY_QUERY_VALUE, &link, REG_OPTION_OPEN_LINK, t);
        OUTCOME(ZwOpenKeyTransactedEx, "REG_OPTION_OPEN_LINK opens the link itself",
                Last == STATUS_SUCCESS && ZwQueryKey(h, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS &&
                    ((PKEY_BASIC_INFORMATION)buffer)->NameLength == 2 * 17 /* CurrentControlSet, not ControlSet001 */);
        if (NT_SUCCESS(Last)) ZwClose(h);
    }
    /* A root of another transaction. */
    other = NewTransaction();
    key = Open(Root, L"Status", t);
    h = Create(key, L"x", other);
    CHECK(!h && Last == STATUS_INVALID_PARAMETER);
    ZwClose(key);
    ZwClose(other);
    CHECK(ZwRollbackTransaction(t, TRUE) == STATUS_SUCCESS);
    CHECK(ZwOpenKeyTransacted(&h, KEY_ALL_ACCESS, &a, t) == TX_NOT_ACTIVE);
    ZwClose(t);
    ZwDeleteKey(plain);
    ZwClose(plain);
}

static LARGE_INTEGER Cookie;
static PVOID InfoTransaction, BoundRoot, BoundObject;
static NTSTATUS NTAPI Filter(PVOID Context, PVOID Class, PVOID Information)
{
    UNREFERENCED_PARAMETER(Context);
    switch ((REG_NOTIFY_CLASS)(ULONG_PTR)Class)
    {
    case RegNtPreCreateKeyEx:
    case RegNtPreOpenKeyEx:
        InfoTransaction = ((PREG_CREATE_KEY_INFORMATION)Information)->Transaction;
        BoundRoot = CmGetBoundTransaction(&Cookie, ((PREG_CREATE_KEY_INFORMATION)Information)->RootObject);
        break;
    case RegNtPreSetValueKey: BoundObject = CmGetBoundTransaction(&Cookie, ((PREG_SET_VALUE_KEY_INFORMATION)Information)->Object); break;
    default: break;
    }
    return STATUS_SUCCESS;
}

/* What registry callbacks see of a transaction. */
static VOID Callbacks(PDRIVER_OBJECT DriverObject)
{
    KTM_OBJECT t = Held(NewTransaction());
    UNICODE_STRING altitude;
    HANDLE key, sub, plain;

    RtlInitUnicodeString(&altitude, L"380000.1");
    CHECK(CmRegisterCallbackEx(Filter, &altitude, DriverObject, NULL, &Cookie, NULL) == STATUS_SUCCESS);
    key = Create(Root, L"Seen", t.Handle);
    OUTCOME(ZwCreateKeyTransacted, "callbacks get the transaction", InfoTransaction == t.Object && BoundRoot == NULL);
    CHECK(Set(key, L"v", 1) == STATUS_SUCCESS);
    OUTCOME(CmGetBoundTransaction, "the transaction of a key object", BoundObject == t.Object);
    sub = Create(key, L"Sub", NULL);
    OUTCOME(CmGetBoundTransaction, "the transaction of the root, where the operation names none", InfoTransaction == NULL && BoundRoot == t.Object);
    ZwClose(sub);
    sub = Open(Root, L"Seen", t.Handle);
    OUTCOME(ZwOpenKeyTransacted, "callbacks get the transaction", InfoTransaction == t.Object);
    ZwClose(sub);
    {
        UNICODE_STRING name;
        OBJECT_ATTRIBUTES a = Path(&name, L"Seen", Root);
        InfoTransaction = NULL;
        CHECK(ZwOpenKeyTransactedEx(&sub, KEY_READ, &a, 0, t.Handle) == STATUS_SUCCESS);
        OUTCOME(ZwOpenKeyTransactedEx, "callbacks get the transaction", InfoTransaction == t.Object);
        ZwClose(sub);
    }
    plain = Create(Root, L"Plain", NULL);
    CHECK(Set(plain, L"v", 1) == STATUS_SUCCESS);
    OUTCOME(CmGetBoundTransaction, "NULL for a key object without one", BoundObject == NULL && InfoTransaction == NULL);
    CHECK(CmUnRegisterCallback(Cookie) == STATUS_SUCCESS);
    ZwDeleteKey(plain);
    ZwClose(plain);
    ZwClose(key);
    CHECK(ZwRollbackTransaction(t.Handle, TRUE) == STATUS_SUCCESS);
    Drop(t);
}

/* Who waits for changes hears of those of a transaction when it commits. */
static VOID Watching(VOID)
{
    HANDLE t = NewTransaction(), key = Open(Root, L"", t), sub, event = NULL;
    OBJECT_ATTRIBUTES a = KernelAttributes();
    IO_STATUS_BLOCK status;
    LARGE_INTEGER zero;
    zero.QuadPart = 0;
    CHECK(ZwCreateEvent(&event, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE) == STATUS_SUCCESS);
    CHECK(ZwNotifyChangeKey(Root, event, NULL, NULL, &status, REG_NOTIFY_CHANGE_NAME, FALSE, NULL, 0, TRUE) == STATUS_PENDING);
    sub = Create(Root, L"Watched", t);
    CHECK(ZwWaitForSingleObject(event, FALSE, &zero) == STATUS_TIMEOUT);
    CHECK(ZwCommitTransaction(t, TRUE) == STATUS_SUCCESS);
    OUTCOME(ZwCreateKeyTransacted, "who waits for changes hears of it at the commit, not before", ZwWaitForSingleObject(event, FALSE, &zero) == STATUS_SUCCESS);
    if (key) ZwClose(key);
    ZwClose(sub);
    ZwClose(t);
    sub = Open(Root, L"Watched", NULL);
    ZwDeleteKey(sub);
    ZwClose(sub);
    ZwClose(event);
}

static VOID Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("ktmkeys");
    DriverObject->DriverUnload = Unload;
    Wrong = WrongHandle();
    Root = Create(NULL, ROOT, NULL);
    CHECK(Root != NULL);
    NewKeys();
    Changes();
    Security();
    Conflicts();
    Statuses();
    Callbacks(DriverObject);
    Watching();
    CHECK(CountOf(Root, FALSE) == 0);
    ZwDeleteKey(Root);
    ZwClose(Root);
    ZwClose(Wrong);
    KtestDone();
    return STATUS_SUCCESS;
}
