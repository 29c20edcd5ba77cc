/*
 * The Kernel Transaction Manager by its other names: making and opening by the Nt routines, renaming by Zw and Tm, what can be set, and the types of its objects. The same routines by their Zw names
 * are tested in ktmobjects and ktmrecover.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../ktm.h"

NTSTATUS NTAPI ZwRenameTransactionManager(PUNICODE_STRING Log, LPGUID Identity);
NTSTATUS NTAPI TmRenameTransactionManager(PUNICODE_STRING Log, LPGUID Identity);
extern __declspec(dllimport) POBJECT_TYPE *TmTransactionManagerObjectType, *TmTransactionObjectType, *TmResourceManagerObjectType, *TmEnlistmentObjectType;

NTSTATUS NTAPI SetManager(HANDLE Rm, ULONG Class, PVOID Information, ULONG Length) __asm__("NtSetInformationResourceManager");
NTSTATUS NTAPI NewManager(PHANDLE Tm, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, PUNICODE_STRING Log, ULONG Options, ULONG Strength) __asm__("NtCreateTransactionManager");
NTSTATUS NTAPI OpenManager(PHANDLE Tm, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, PUNICODE_STRING Log, LPGUID Identity, ULONG Options) __asm__("NtOpenTransactionManager");
NTSTATUS NTAPI Begin(PHANDLE T, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, LPGUID Uow, HANDLE Tm, ULONG Options, ULONG Level, ULONG Flags, PLARGE_INTEGER Timeout, PUNICODE_STRING Description) __asm__("NtCreateTransaction");
NTSTATUS NTAPI Reopen(PHANDLE T, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, LPGUID Uow, HANDLE Tm) __asm__("NtOpenTransaction");

#define SAME(a, b) (RtlCompareMemory(&(a), &(b), sizeof(GUID)) == sizeof(GUID))
static HANDLE Wrong;

static GUID IdentityOf(HANDLE Tm)
{
    TRANSACTIONMANAGER_BASIC_INFORMATION basic;
    CHECK(ZwQueryInformationTransactionManager(Tm, TransactionManagerBasicInformation, &basic, sizeof basic, NULL) == STATUS_SUCCESS);
    return basic.TmIdentity;
}

static OBJECT_ATTRIBUTES Named(PUNICODE_STRING Name, PCWSTR Text, ULONG Attributes)
{
    OBJECT_ATTRIBUTES a;
    RtlInitUnicodeString(Name, Text);
    InitializeObjectAttributes(&a, Name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE | Attributes, NULL, NULL);
    return a;
}

static VOID Managers(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes(), named;
    UNICODE_STRING name, path;
    HANDLE tm = NULL, h = NULL;
    GUID id, next;
    RtlInitUnicodeString(&path, L"\\Device\\Log\\Names");
    NTSTATUS status = NewManager(&tm, TRANSACTIONMANAGER_ALL_ACCESS, &a, &path, 0, 0);
    OUTCOME(NtCreateTransactionManager, "STATUS_SUCCESS, one with a log stream", status == STATUS_SUCCESS && tm);
    id = IdentityOf(tm);
    OUTCOME(NtCreateTransactionManager, "STATUS_OBJECT_NAME_COLLISION for a log stream that is in use", NewManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, &path, 0, 0) == STATUS_OBJECT_NAME_COLLISION);
    status = OpenManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, &path, NULL, 0);
    OUTCOME(NtOpenTransactionManager, "STATUS_SUCCESS by its log stream", status == STATUS_SUCCESS && (next = IdentityOf(h), SAME(next, id)));
    ZwClose(h);
    status = OpenManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, &id, 0);
    OUTCOME(NtOpenTransactionManager, "STATUS_SUCCESS by its identity", status == STATUS_SUCCESS && (next = IdentityOf(h), SAME(next, id)));
    ZwClose(h);

    OUTCOME(ZwRenameTransactionManager, "a log stream that is in use: STATUS_OBJECT_NAME_COLLISION", ZwRenameTransactionManager(&path, &id) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(TmRenameTransactionManager, "a log stream that is in use: STATUS_OBJECT_NAME_COLLISION", TmRenameTransactionManager(&path, &id) == STATUS_OBJECT_NAME_COLLISION);
    ZwClose(tm);
    OUTCOME(NtOpenTransactionManager, "STATUS_TRANSACTIONMANAGER_NOT_FOUND for an identity that nobody has", OpenManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, &id, 0) == TM_NOT_FOUND);

    /* The identity is changed in the log; the next open has it. */
    status = ZwRenameTransactionManager(&path, &id);
    tm = NULL;
    CHECK(NewManager(&tm, TRANSACTIONMANAGER_ALL_ACCESS, &a, &path, 0, 0) == STATUS_SUCCESS);
    next = IdentityOf(tm);
    OUTCOME(ZwRenameTransactionManager, "STATUS_SUCCESS, and the transaction manager has a new identity", status == STATUS_SUCCESS && !SAME(next, id));
    ZwClose(tm);
    OUTCOME(ZwRenameTransactionManager, "another identity than that in the log: STATUS_TM_IDENTITY_MISMATCH", ZwRenameTransactionManager(&path, &id) == TM_IDENTITY_MISMATCH);
    OUTCOME(TmRenameTransactionManager, "another identity than that in the log: STATUS_TM_IDENTITY_MISMATCH", TmRenameTransactionManager(&path, &id) == TM_IDENTITY_MISMATCH);
    OUTCOME(ZwRenameTransactionManager, "no identity: STATUS_INVALID_PARAMETER", ZwRenameTransactionManager(&path, NULL) == STATUS_INVALID_PARAMETER);
    id = next;
    status = TmRenameTransactionManager(&path, &id);
    CHECK(NewManager(&tm, TRANSACTIONMANAGER_ALL_ACCESS, &a, &path, 0, 0) == STATUS_SUCCESS);
    next = IdentityOf(tm);
    OUTCOME(TmRenameTransactionManager, "STATUS_SUCCESS, and the transaction manager has a new identity", status == STATUS_SUCCESS && !SAME(next, id));
    ZwClose(tm);
    RtlInitUnicodeString(&path, L"\\Device\\Log\\NoNames");
    OUTCOME(ZwRenameTransactionManager, "a log stream that is not there: STATUS_OBJECT_NAME_NOT_FOUND", ZwRenameTransactionManager(&path, &id) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(TmRenameTransactionManager, "a log stream that is not there: STATUS_OBJECT_NAME_NOT_FOUND", TmRenameTransactionManager(&path, &id) == STATUS_OBJECT_NAME_NOT_FOUND);

    named = Named(&name, L"\\BaseNamedObjects\\KtmNames", 0);
    status = NewManager(&tm, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, TRANSACTION_MANAGER_VOLATILE, 0);
    OUTCOME(NtCreateTransactionManager, "STATUS_SUCCESS, a volatile one", status == STATUS_SUCCESS && ClockOf(tm) == 1);
    OUTCOME(NtCreateTransactionManager, "STATUS_OBJECT_NAME_COLLISION for a name that is taken", NewManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(NtCreateTransactionManager, "STATUS_INVALID_PARAMETER: volatile with a log, not volatile without, unknown options, a commit strength",
            NewManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, &path, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_INVALID_PARAMETER && NewManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, 0, 0) == STATUS_INVALID_PARAMETER &&
                NewManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, 0x80 | TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_INVALID_PARAMETER && NewManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, TRANSACTION_MANAGER_VOLATILE, 1) == STATUS_INVALID_PARAMETER);
    OUTCOME(NtCreateTransactionManager, "STATUS_ACCESS_DENIED for rights that there are not", NewManager(&h, 0x8000, &a, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_ACCESS_DENIED);
    id = IdentityOf(tm);
    status = OpenManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, NULL, 0);
    OUTCOME(NtOpenTransactionManager, "STATUS_SUCCESS by its name", status == STATUS_SUCCESS && (next = IdentityOf(h), SAME(next, id)));
    ZwClose(h);
    OUTCOME(NtOpenTransactionManager, "STATUS_INVALID_PARAMETER: two of name, log stream and identity, none of them, options",
            OpenManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, &id, 0) == STATUS_INVALID_PARAMETER && OpenManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, NULL, 0) == STATUS_INVALID_PARAMETER &&
                OpenManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, &id, 1) == STATUS_INVALID_PARAMETER);
    OUTCOME(NtOpenTransactionManager, "STATUS_ACCESS_DENIED for rights that there are not", OpenManager(&h, 0x8000, &a, NULL, &id, 0) == STATUS_ACCESS_DENIED);
    OUTCOME(ZwSetInformationTransactionManager, "any class: STATUS_INVALID_INFO_CLASS, there is nothing to set", ZwSetInformationTransactionManager(tm, TransactionManagerBasicInformation, &id, sizeof id) == STATUS_INVALID_INFO_CLASS);
    BAD_HANDLES(ZwSetInformationTransactionManager, Wrong, "transaction manager", ZwSetInformationTransactionManager(Handle, TransactionManagerBasicInformation, &id, sizeof id));
    ZwClose(tm);
}

static VOID Transactions(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes(), named;
    UNICODE_STRING name, tooLong, description;
    static WCHAR text[70];
    HANDLE t = NULL, h = NULL;
    GUID id, none;
    LARGE_INTEGER soon;
    TRANSACTION_BASIC_INFORMATION basic;
    for (ULONG i = 0; i < 69; i++) text[i] = L'x';
    RtlInitUnicodeString(&tooLong, text);
    RtlInitUnicodeString(&description, L"a test");
    ExUuidCreate(&id);
    ExUuidCreate(&none);
    NTSTATUS status = Begin(&t, TRANSACTION_ALL_ACCESS, &a, &id, NULL, 0, 0, 0, NULL, &description);
    OUTCOME(NtCreateTransaction, "STATUS_SUCCESS, it is active and has the identifier that it was given", status == STATUS_SUCCESS && OutcomeOf(t) == TransactionOutcomeUndetermined &&
            ZwQueryInformationTransaction(t, TransactionBasicInformation, &basic, sizeof basic, NULL) == STATUS_SUCCESS && SAME(basic.TransactionId, id));
    OUTCOME(NtCreateTransaction, "STATUS_INVALID_PARAMETER: no rights, unknown options, an isolation level, a description that is too long",
            Begin(&h, 0, &a, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_INVALID_PARAMETER && Begin(&h, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0x80, 0, 0, NULL, NULL) == STATUS_INVALID_PARAMETER &&
                Begin(&h, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0, 1, 0, NULL, NULL) == STATUS_INVALID_PARAMETER && Begin(&h, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0, 0, 0, NULL, &tooLong) == STATUS_INVALID_PARAMETER);
    OUTCOME(NtCreateTransaction, "STATUS_ACCESS_DENIED for rights that there are not", Begin(&h, 0x8000, &a, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_ACCESS_DENIED);
    status = Reopen(&h, TRANSACTION_ALL_ACCESS, &a, &id, NULL);
    PVOID first = ObjectOf(t), second = NT_SUCCESS(status) ? ObjectOf(h) : NULL;
    OUTCOME(NtOpenTransaction, "STATUS_SUCCESS and a handle to the transaction of the identifier", status == STATUS_SUCCESS && first == second);
    ObDereferenceObject(first);
    if (second) ObDereferenceObject(second);
    ZwClose(h);
    OUTCOME(NtOpenTransaction, "STATUS_TRANSACTION_NOT_FOUND for an identifier that none has", Reopen(&h, TRANSACTION_ALL_ACCESS, &a, &none, NULL) == TX_NOT_FOUND);
    OUTCOME(NtOpenTransaction, "STATUS_ACCESS_DENIED for rights that there are not", Reopen(&h, 0x8000, &a, &id, NULL) == STATUS_ACCESS_DENIED);
    OUTCOME(NtOpenTransaction, "STATUS_INVALID_HANDLE for a transaction manager that is no handle", Reopen(&h, TRANSACTION_ALL_ACCESS, &a, &id, NO_HANDLE) == STATUS_INVALID_HANDLE);
    ZwClose(t);
    soon.QuadPart = -50000;
    status = Begin(&t, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0, 0, 0, &soon, NULL);
    CHECK(status == STATUS_SUCCESS);
    soon.QuadPart = -5000000;
    KeDelayExecutionThread(KernelMode, FALSE, &soon);
    OUTCOME(NtCreateTransaction, "rolled back when its time is up", OutcomeOf(t) == TransactionOutcomeAborted);
    ZwClose(t);
    named = Named(&name, L"\\BaseNamedObjects\\KtmNamedTransaction", 0);
    CHECK(Begin(&t, TRANSACTION_ALL_ACCESS, &named, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_SUCCESS);
    status = Begin(&h, TRANSACTION_ALL_ACCESS, &named, NULL, NULL, 0, 0, 0, NULL, NULL);
    OUTCOME(NtCreateTransaction, "STATUS_OBJECT_NAME_COLLISION or STATUS_OBJECT_NAME_EXISTS for a name that is taken", status == STATUS_OBJECT_NAME_COLLISION || status == STATUS_OBJECT_NAME_EXISTS);
    if (NT_SUCCESS(status)) ZwClose(h);
    ZwClose(t);
}

/* A handle of each kind against each type: taken where they fit, refused where not. */
#define TYPE_OF(variable, right, other) \
    do \
    { \
        PVOID object = NULL; \
        NTSTATUS status = ObReferenceObjectByHandle(right, 0, *variable, KernelMode, &object, NULL); \
        OUTCOME(variable, "a handle to such an object is taken", status == STATUS_SUCCESS && ObGetObjectType(object) == *variable); \
        if (NT_SUCCESS(status)) ObDereferenceObject(object); \
        OUTCOME(variable, "a handle to another object: STATUS_OBJECT_TYPE_MISMATCH", ObReferenceObjectByHandle(other, 0, *variable, KernelMode, &object, NULL) == STATUS_OBJECT_TYPE_MISMATCH); \
    } while (0)
POBJECT_TYPE NTAPI ObGetObjectType(PVOID Object);

static VOID Types(VOID)
{
    HANDLE tm = NewTm(), rm = NewRm(tm), t = NewTransaction(), e = Enlist(rm, t, 0, NOTIFY_ALL, NULL);
    ULONG nothing = 0;
    TYPE_OF(TmTransactionManagerObjectType, tm, rm);
    TYPE_OF(TmResourceManagerObjectType, rm, t);
    TYPE_OF(TmTransactionObjectType, t, e);
    TYPE_OF(TmEnlistmentObjectType, e, tm);
    OUTCOME(NtSetInformationResourceManager, "any class: STATUS_INVALID_INFO_CLASS, it is not used", SetManager(rm, ResourceManagerBasicInformation, &nothing, sizeof nothing) == STATUS_INVALID_INFO_CLASS);
    BAD_HANDLES(NtSetInformationResourceManager, Wrong, "resource manager", SetManager(Handle, ResourceManagerBasicInformation, &nothing, sizeof nothing));
    ZwClose(e);
    ZwClose(t);
    ZwClose(rm);
    ZwClose(tm);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("ktmnames");
    Wrong = WrongHandle();
    Managers();
    Transactions();
    Types();
    ZwClose(Wrong);
    KtestDone();
    return STATUS_SUCCESS;
}
