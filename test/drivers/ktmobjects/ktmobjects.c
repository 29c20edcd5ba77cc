/* Transaction managers, resource managers and transactions as objects: how they are made and opened, what they say about themselves, how they are listed. */
#include <ntifs.h>
#include "../ktest.h"
#include "../ktm.h"
#include "../kthread.h"

static HANDLE Wrong;

static OBJECT_ATTRIBUTES Named(PUNICODE_STRING Name, PCWSTR Text, ULONG Attributes)
{
    OBJECT_ATTRIBUTES a;
    RtlInitUnicodeString(Name, Text);
    InitializeObjectAttributes(&a, Name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE | Attributes, NULL, NULL);
    return a;
}

/* A descriptor with an owner or a list that is none. */
static OBJECT_ATTRIBUTES Spoiled(PSECURITY_DESCRIPTOR Descriptor, BOOLEAN Acl)
{
    static ACL list;
    static SID owner;
    OBJECT_ATTRIBUTES a;
    RtlZeroMemory(&list, sizeof(list));
    RtlZeroMemory(&owner, sizeof(owner));
    RtlCreateSecurityDescriptor(Descriptor, SECURITY_DESCRIPTOR_REVISION);
    list.AclRevision = 99;
    owner.Revision = 99;
    if (Acl)
    {
        ((PISECURITY_DESCRIPTOR)Descriptor)->Control |= SE_DACL_PRESENT;
        ((PISECURITY_DESCRIPTOR)Descriptor)->Dacl = &list;
    }
    else
        ((PISECURITY_DESCRIPTOR)Descriptor)->Owner = &owner;
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, Descriptor);
    return a;
}

static VOID Managers(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes(), named;
    SECURITY_DESCRIPTOR sd;
    UNICODE_STRING name, path;
    HANDLE tm = NULL, other = NULL, h = NULL;
    TRANSACTIONMANAGER_BASIC_INFORMATION basic, again;
    ULONG length = 0;
    NTSTATUS status;

    OUTCOME(ZwCreateTransactionManager, "a volatile one: STATUS_SUCCESS",
            ZwCreateTransactionManager(&tm, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_SUCCESS && tm);
    OUTCOME(ZwCreateTransactionManager, "its clock starts at 1", ClockOf(tm) == 1);
    RtlInitUnicodeString(&path, L"\\Device\\Log\\Objects");
    OUTCOME(ZwCreateTransactionManager, "volatile with a log file: STATUS_INVALID_PARAMETER",
            ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, &path, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateTransactionManager, "not volatile without a log file: STATUS_INVALID_PARAMETER",
            ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, 0, 0) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateTransactionManager, "unknown options, or a commit strength: STATUS_INVALID_PARAMETER",
            ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, 0x80 | TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_INVALID_PARAMETER &&
                ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, TRANSACTION_MANAGER_VOLATILE, 1) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateTransactionManager, "rights that there are not: STATUS_ACCESS_DENIED",
            ZwCreateTransactionManager(&h, 0x8000, &a, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_ACCESS_DENIED);
    named = Spoiled(&sd, TRUE);
    OUTCOME(ZwCreateTransactionManager, "a damaged access list: STATUS_INVALID_ACL",
            ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_INVALID_ACL);
    named = Spoiled(&sd, FALSE);
    OUTCOME(ZwCreateTransactionManager, "a damaged identifier: STATUS_INVALID_SID",
            ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_INVALID_SID);
    named = Named(&name, L"\\BaseNamedObjects\\KtmObjects", 0);
    CHECK(ZwCreateTransactionManager(&other, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_SUCCESS);
    OUTCOME(ZwCreateTransactionManager, "a name that is taken: STATUS_OBJECT_NAME_COLLISION",
            ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_OBJECT_NAME_COLLISION);
    named = Named(&name, L"\\BaseNamedObjects\\KtmObjects", OBJ_OPENIF);
    status = ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, TRANSACTION_MANAGER_VOLATILE, 0);
    OUTCOME(ZwCreateTransactionManager, "OBJ_OPENIF and a name that is taken: STATUS_OBJECT_NAME_EXISTS", status == STATUS_OBJECT_NAME_EXISTS);
    if (NT_SUCCESS(status)) ZwClose(h);
    named = Named(&name, L"no path", 0);
    OUTCOME(ZwCreateTransactionManager, "a name that cannot be one: STATUS_OBJECT_NAME_INVALID or STATUS_OBJECT_PATH_SYNTAX_BAD",
            (status = ZwCreateTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, TRANSACTION_MANAGER_VOLATILE, 0)) == STATUS_OBJECT_PATH_SYNTAX_BAD ||
                status == STATUS_OBJECT_NAME_INVALID);

    OUTCOME(ZwQueryInformationTransactionManager, "TransactionManagerBasicInformation: identity and clock",
            ZwQueryInformationTransactionManager(other, TransactionManagerBasicInformation, &basic, sizeof(basic), &length) == STATUS_SUCCESS && length == sizeof(basic) &&
                basic.VirtualClock.QuadPart == 1);
    OUTCOME(ZwQueryInformationTransactionManager, "a buffer that is too small: STATUS_INFO_LENGTH_MISMATCH",
            ZwQueryInformationTransactionManager(other, TransactionManagerBasicInformation, &basic, 8, &length) == STATUS_INFO_LENGTH_MISMATCH && length == sizeof(basic));
    OUTCOME(ZwQueryInformationTransactionManager, "an unknown class: STATUS_INVALID_INFO_CLASS",
            ZwQueryInformationTransactionManager(other, 77, &basic, sizeof(basic), NULL) == STATUS_INVALID_INFO_CLASS);
    BAD_HANDLES(ZwQueryInformationTransactionManager, Wrong, "transaction manager",
                ZwQueryInformationTransactionManager(Handle, TransactionManagerBasicInformation, &basic, sizeof(basic), NULL));

    named = Named(&name, L"\\BaseNamedObjects\\KtmObjects", 0);
    status = ZwOpenTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, NULL, 0);
    OUTCOME(ZwOpenTransactionManager, "by its name",
            status == STATUS_SUCCESS && ZwQueryInformationTransactionManager(h, TransactionManagerBasicInformation, &again, sizeof(again), NULL) == STATUS_SUCCESS &&
                RtlCompareMemory(&again, &basic, sizeof(GUID)) == sizeof(GUID));
    if (NT_SUCCESS(status)) ZwClose(h);
    status = ZwOpenTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, &basic.TmIdentity, 0);
    OUTCOME(ZwOpenTransactionManager, "by its identity", status == STATUS_SUCCESS);
    if (NT_SUCCESS(status)) ZwClose(h);
    OUTCOME(ZwOpenTransactionManager, "two of name, log file and identity, none of them, or options: STATUS_INVALID_PARAMETER",
            ZwOpenTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, &basic.TmIdentity, 0) == STATUS_INVALID_PARAMETER &&
                ZwOpenTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, NULL, 0) == STATUS_INVALID_PARAMETER &&
                ZwOpenTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, &basic.TmIdentity, 1) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwOpenTransactionManager, "rights that there are not: STATUS_ACCESS_DENIED", ZwOpenTransactionManager(&h, 0x8000, &a, NULL, &basic.TmIdentity, 0) == STATUS_ACCESS_DENIED);
    named = Named(&name, L"no path", 0);
    OUTCOME(ZwOpenTransactionManager, "a name that cannot be one: STATUS_OBJECT_NAME_INVALID or STATUS_OBJECT_PATH_SYNTAX_BAD",
            (status = ZwOpenTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &named, NULL, NULL, 0)) == STATUS_OBJECT_PATH_SYNTAX_BAD || status == STATUS_OBJECT_NAME_INVALID);
    ZwClose(other);
    OUTCOME(ZwOpenTransactionManager, "an identity that nobody has: STATUS_TRANSACTIONMANAGER_NOT_FOUND",
            ZwOpenTransactionManager(&h, TRANSACTIONMANAGER_ALL_ACCESS, &a, NULL, &basic.TmIdentity, 0) == TM_NOT_FOUND);

    OUTCOME(ZwRecoverTransactionManager, "a volatile one: STATUS_TM_VOLATILE", ZwRecoverTransactionManager(tm) == TM_IS_VOLATILE);
    BAD_HANDLES(ZwRecoverTransactionManager, Wrong, "transaction manager", ZwRecoverTransactionManager(Handle));
    OUTCOME(ZwRollforwardTransactionManager, "a volatile one: STATUS_TM_VOLATILE", ZwRollforwardTransactionManager(tm, NULL) == TM_IS_VOLATILE);
    BAD_HANDLES(ZwRollforwardTransactionManager, Wrong, "transaction manager", ZwRollforwardTransactionManager(Handle, NULL));
    {
        PVOID object = ObjectOf(tm);
        OUTCOME(TmRecoverTransactionManager, "a volatile one: STATUS_TM_VOLATILE", TmRecoverTransactionManager(object, NULL) == TM_IS_VOLATILE);
        ObDereferenceObject(object);
    }
    OUTCOME(NtSetInformationTransactionManager, "any class: STATUS_INVALID_INFO_CLASS, there is nothing to set",
            NtSetInformationTransactionManager(tm, TransactionManagerBasicInformation, &basic, sizeof(basic)) == STATUS_INVALID_INFO_CLASS);
    KIRQL irql;
    KeRaiseIrql(APC_LEVEL, &irql);
    OUTCOME(NtSetInformationTransactionManager, "may be called at APC_LEVEL",
            NtSetInformationTransactionManager(tm, TransactionManagerBasicInformation, &basic, sizeof(basic)) == STATUS_INVALID_INFO_CLASS);
    KeLowerIrql(irql);
    BAD_HANDLES(NtSetInformationTransactionManager, Wrong, "transaction manager", NtSetInformationTransactionManager(Handle, TransactionManagerBasicInformation, &basic, sizeof(basic)));
    ZwClose(tm);
}

static VOID ResourceManagers(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    UNICODE_STRING description, tooLong;
    HANDLE tm = NewTm(), rm = NULL, h = NULL;
    GUID id, none;
    static WCHAR text[70];
    struct
    {
        RESOURCEMANAGER_BASIC_INFORMATION Basic;
        WCHAR Rest[40];
    } info;
    ULONG length = 0, i;
    NTSTATUS status;
    PVOID tmObject, rmObject;

    for (i = 0; i < 69; i++) text[i] = L'x';
    RtlInitUnicodeString(&tooLong, text);
    RtlInitUnicodeString(&description, L"a test");
    ExUuidCreate(&id);
    ExUuidCreate(&none);
    status = ZwCreateResourceManager(&rm, RESOURCEMANAGER_ALL_ACCESS, tm, &id, &a, RESOURCE_MANAGER_VOLATILE, &description);
    OUTCOME(ZwCreateResourceManager, "STATUS_SUCCESS and a resource manager with that identity", status == STATUS_SUCCESS && rm);
    OUTCOME(ZwCreateResourceManager, "an identity that is taken: STATUS_OBJECT_NAME_COLLISION",
            ZwCreateResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, &id, &a, RESOURCE_MANAGER_VOLATILE, NULL) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(ZwCreateResourceManager, "unknown options, or a description that is too long: STATUS_INVALID_PARAMETER",
            ZwCreateResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, NULL, &a, 0x10 | RESOURCE_MANAGER_VOLATILE, NULL) == STATUS_INVALID_PARAMETER &&
                ZwCreateResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, NULL, &a, RESOURCE_MANAGER_VOLATILE, &tooLong) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateResourceManager, "not volatile in a volatile transaction manager: STATUS_TM_VOLATILE",
            ZwCreateResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, NULL, &a, 0, NULL) == TM_IS_VOLATILE);
    OUTCOME(ZwCreateResourceManager, "rights that there are not: STATUS_ACCESS_DENIED",
            ZwCreateResourceManager(&h, 0x8000, tm, NULL, &a, RESOURCE_MANAGER_VOLATILE, NULL) == STATUS_ACCESS_DENIED);
    BAD_HANDLES(ZwCreateResourceManager, Wrong, "transaction manager", ZwCreateResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, Handle, NULL, &a, RESOURCE_MANAGER_VOLATILE, NULL));

    OUTCOME(ZwQueryInformationResourceManager, "ResourceManagerBasicInformation: identity and description",
            ZwQueryInformationResourceManager(rm, ResourceManagerBasicInformation, &info, sizeof(info), &length) == STATUS_SUCCESS && info.Basic.DescriptionLength == description.Length &&
                RtlCompareMemory(&info.Basic.ResourceManagerId, &id, sizeof(id)) == sizeof(id) &&
                RtlCompareMemory(info.Basic.Description, description.Buffer, description.Length) == description.Length && length == 20u + description.Length);
    OUTCOME(ZwQueryInformationResourceManager, "a buffer that is smaller than the structure: STATUS_BUFFER_TOO_SMALL",
            ZwQueryInformationResourceManager(rm, ResourceManagerBasicInformation, &info, 16, &length) == STATUS_BUFFER_TOO_SMALL);
    OUTCOME(ZwQueryInformationResourceManager, "no room for the whole description: STATUS_BUFFER_OVERFLOW",
            ZwQueryInformationResourceManager(rm, ResourceManagerBasicInformation, &info, sizeof(RESOURCEMANAGER_BASIC_INFORMATION), &length) == STATUS_BUFFER_OVERFLOW);
    OUTCOME(ZwQueryInformationResourceManager, "an unknown class: STATUS_INVALID_INFO_CLASS",
            ZwQueryInformationResourceManager(rm, 9, &info, sizeof(info), NULL) == STATUS_INVALID_INFO_CLASS);
    BAD_HANDLES(ZwQueryInformationResourceManager, Wrong, "resource manager", ZwQueryInformationResourceManager(Handle, ResourceManagerBasicInformation, &info, sizeof(info), NULL));
    OUTCOME(ZwSetInformationResourceManager, "any class: STATUS_INVALID_INFO_CLASS, it is not used",
            ZwSetInformationResourceManager(rm, ResourceManagerBasicInformation, &info, sizeof(info)) == STATUS_INVALID_INFO_CLASS);
    BAD_HANDLES(ZwSetInformationResourceManager, Wrong, "resource manager", ZwSetInformationResourceManager(Handle, ResourceManagerBasicInformation, &info, sizeof(info)));

    status = ZwOpenResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, &id, &a);
    OUTCOME(ZwOpenResourceManager, "by its identity", status == STATUS_SUCCESS && (rmObject = ObjectOf(h)) != NULL && (ObDereferenceObject(rmObject), TRUE));
    if (NT_SUCCESS(status)) ZwClose(h);
    OUTCOME(ZwOpenResourceManager, "no rights, or no identity: STATUS_INVALID_PARAMETER",
            ZwOpenResourceManager(&h, 0, tm, &id, &a) == STATUS_INVALID_PARAMETER && ZwOpenResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, NULL, &a) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwOpenResourceManager, "an identity that nobody has: STATUS_RESOURCEMANAGER_NOT_FOUND", ZwOpenResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, &none, &a) == RM_NOT_FOUND);
    OUTCOME(ZwOpenResourceManager, "rights that there are not: STATUS_ACCESS_DENIED", ZwOpenResourceManager(&h, 0x8000, tm, &id, &a) == STATUS_ACCESS_DENIED);
    BAD_HANDLES(ZwOpenResourceManager, Wrong, "transaction manager", ZwOpenResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, Handle, &id, &a));

    /* With its last handle a transaction manager goes offline; the object can still be held, and even be opened again. */
    tmObject = ObjectOf(tm);
    ZwClose(tm);
    CHECK(ObOpenObjectByPointer(tmObject, OBJ_KERNEL_HANDLE, NULL, TRANSACTIONMANAGER_ALL_ACCESS, NULL, KernelMode, &tm) == STATUS_SUCCESS);
    OUTCOME(ZwCreateResourceManager, "a transaction manager that was closed: STATUS_TRANSACTION_OBJECT_EXPIRED",
            ZwCreateResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, NULL, &a, RESOURCE_MANAGER_VOLATILE, NULL) == TX_OBJECT_EXPIRED);
    OUTCOME(ZwOpenResourceManager, "a transaction manager that is offline: STATUS_TRANSACTIONMANAGER_NOT_ONLINE", ZwOpenResourceManager(&h, RESOURCEMANAGER_ALL_ACCESS, tm, &id, &a) == TM_NOT_ONLINE);
    OUTCOME(ZwRecoverResourceManager, "a transaction manager that is offline: STATUS_TRANSACTIONMANAGER_NOT_ONLINE", ZwRecoverResourceManager(rm) == TM_NOT_ONLINE);
    rmObject = ObjectOf(rm);
    OUTCOME(TmRecoverResourceManager, "a transaction manager that is offline: STATUS_TRANSACTIONMANAGER_NOT_ONLINE", TmRecoverResourceManager(rmObject) == TM_NOT_ONLINE);
    {
        HANDLE transaction = NewTransaction();
        PVOID object = ObjectOf(transaction);
        OUTCOME(ZwCreateEnlistment, "a transaction manager that is offline: STATUS_TRANSACTIONMANAGER_NOT_ONLINE",
                ZwCreateEnlistment(&h, ENLISTMENT_ALL_ACCESS, rm, transaction, &a, 0, NOTIFY_ALL, NULL) == TM_NOT_ONLINE);
        OUTCOME(TmCreateEnlistment, "a transaction manager that is offline: STATUS_TRANSACTIONMANAGER_NOT_ONLINE",
                TmCreateEnlistment(&h, KernelMode, ENLISTMENT_ALL_ACCESS, &a, rmObject, object, 0, NOTIFY_ALL, NULL) == TM_NOT_ONLINE);
        ObDereferenceObject(object);
        ZwClose(transaction);
    }
    BAD_HANDLES(ZwRecoverResourceManager, Wrong, "resource manager", ZwRecoverResourceManager(Handle));
    ObDereferenceObject(rmObject);
    ObDereferenceObject(tmObject);
    ZwClose(rm);
    ZwClose(tm);
}

static VOID Transactions(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes(), named;
    SECURITY_DESCRIPTOR sd;
    UNICODE_STRING description, tooLong, name;
    HANDLE tm = NewTm(), otherTm = NewTm(), t = NULL, h = NULL;
    GUID uow, id;
    static WCHAR text[70];
    struct
    {
        TRANSACTION_PROPERTIES_INFORMATION Properties;
        WCHAR Rest[40];
    } p;
    TRANSACTION_BASIC_INFORMATION basic;
    TRANSACTION_ENLISTMENTS_INFORMATION enlistments;
    LARGE_INTEGER timeout;
    ULONG length = 0, i;
    NTSTATUS status;
    PVOID object;

    for (i = 0; i < 69; i++) text[i] = L'x';
    RtlInitUnicodeString(&tooLong, text);
    RtlInitUnicodeString(&description, L"of money");
    ExUuidCreate(&uow);
    OUTCOME(ZwCreateTransaction, "STATUS_SUCCESS, and it is active",
            ZwCreateTransaction(&t, TRANSACTION_ALL_ACCESS, &a, &uow, tm, 0, 0, 0, NULL, &description) == STATUS_SUCCESS && OutcomeOf(t) == TransactionOutcomeUndetermined);
    object = ObjectOf(t);
    TmGetTransactionId(object, &id);
    OUTCOME(ZwCreateTransaction, "has the identifier that it was given", RtlCompareMemory(&id, &uow, sizeof(id)) == sizeof(id));
    OUTCOME(TmGetTransactionId, "the unit of work identifier", RtlCompareMemory(&id, &uow, sizeof(id)) == sizeof(id));
    OUTCOME(TmIsTransactionActive, "TRUE for a new transaction", TmIsTransactionActive(object));
    OUTCOME(ZwCreateTransaction, "no rights, unknown options, an isolation level, a long description: STATUS_INVALID_PARAMETER",
            ZwCreateTransaction(&h, 0, &a, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_INVALID_PARAMETER &&
                ZwCreateTransaction(&h, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 8, 0, 0, NULL, NULL) == STATUS_INVALID_PARAMETER &&
                ZwCreateTransaction(&h, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0, 1, 0, NULL, NULL) == STATUS_INVALID_PARAMETER &&
                ZwCreateTransaction(&h, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0, 0, 0, NULL, &tooLong) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateTransaction, "rights that there are not: STATUS_ACCESS_DENIED", ZwCreateTransaction(&h, 0x8000, &a, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_ACCESS_DENIED);
    named = Spoiled(&sd, TRUE);
    OUTCOME(ZwCreateTransaction, "a damaged access list: STATUS_INVALID_ACL", ZwCreateTransaction(&h, TRANSACTION_ALL_ACCESS, &named, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_INVALID_ACL);
    named = Spoiled(&sd, FALSE);
    OUTCOME(ZwCreateTransaction, "a damaged identifier: STATUS_INVALID_SID", ZwCreateTransaction(&h, TRANSACTION_ALL_ACCESS, &named, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_INVALID_SID);
    named = Named(&name, L"no path", 0);
    OUTCOME(ZwCreateTransaction, "a name that cannot be one: STATUS_OBJECT_NAME_INVALID or STATUS_OBJECT_PATH_SYNTAX_BAD",
            (status = ZwCreateTransaction(&h, TRANSACTION_ALL_ACCESS, &named, NULL, NULL, 0, 0, 0, NULL, NULL)) == STATUS_OBJECT_PATH_SYNTAX_BAD || status == STATUS_OBJECT_NAME_INVALID);
    {
        HANDLE first = NULL, second = NULL;
        named = Named(&name, L"\\BaseNamedObjects\\KtmTransaction", OBJ_OPENIF);
        CHECK(ZwCreateTransaction(&first, TRANSACTION_ALL_ACCESS, &named, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_SUCCESS);
        OUTCOME(ZwCreateTransaction, "a name that is taken: STATUS_OBJECT_NAME_EXISTS",
                ZwCreateTransaction(&second, TRANSACTION_ALL_ACCESS, &named, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_OBJECT_NAME_EXISTS);
        if (second) ZwClose(second);
        ZwClose(first);
    }

    status = ZwOpenTransaction(&h, TRANSACTION_ALL_ACCESS, &a, &uow, NULL);
    OUTCOME(ZwOpenTransaction, "by its identifier", status == STATUS_SUCCESS && ObjectOf(h) == object);
    if (NT_SUCCESS(status)) { ObDereferenceObject(object); ZwClose(h); }
    status = ZwOpenTransaction(&h, TRANSACTION_ALL_ACCESS, &a, &uow, tm);
    OUTCOME(ZwOpenTransaction, "among those of a transaction manager", status == STATUS_SUCCESS && ZwOpenTransaction(&t, TRANSACTION_ALL_ACCESS, &a, &uow, otherTm) == TX_NOT_FOUND);
    if (NT_SUCCESS(status)) ZwClose(h);
    ExUuidCreate(&id);
    OUTCOME(ZwOpenTransaction, "an identifier that nobody has: STATUS_TRANSACTION_NOT_FOUND", ZwOpenTransaction(&h, TRANSACTION_ALL_ACCESS, &a, &id, NULL) == TX_NOT_FOUND);
    OUTCOME(ZwOpenTransaction, "no rights, or no identifier: STATUS_INVALID_PARAMETER",
            ZwOpenTransaction(&h, 0, &a, &uow, NULL) == STATUS_INVALID_PARAMETER && ZwOpenTransaction(&h, TRANSACTION_ALL_ACCESS, &a, NULL, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwOpenTransaction, "rights that there are not: STATUS_ACCESS_DENIED", ZwOpenTransaction(&h, 0x8000, &a, &uow, NULL) == STATUS_ACCESS_DENIED);
    BAD_HANDLES(ZwOpenTransaction, Wrong, "transaction manager", ZwOpenTransaction(&h, TRANSACTION_ALL_ACCESS, &a, &uow, Handle));

    OUTCOME(ZwQueryInformationTransaction, "TransactionBasicInformation: identifier, state, outcome",
            ZwQueryInformationTransaction(t, TransactionBasicInformation, &basic, sizeof(basic), &length) == STATUS_SUCCESS && basic.State == TransactionStateNormal &&
                length == sizeof(basic) && RtlCompareMemory(&basic.TransactionId, &uow, sizeof(uow)) == sizeof(uow));
    OUTCOME(ZwQueryInformationTransaction, "TransactionPropertiesInformation: time-out and description",
            ZwQueryInformationTransaction(t, TransactionPropertiesInformation, &p, sizeof(p), NULL) == STATUS_SUCCESS && p.Properties.DescriptionLength == description.Length &&
                RtlCompareMemory(p.Properties.Description, description.Buffer, description.Length) == description.Length && p.Properties.Timeout.QuadPart == 0);
    OUTCOME(ZwQueryInformationTransaction, "TransactionEnlistmentInformation: none yet",
            ZwQueryInformationTransaction(t, TransactionEnlistmentInformation, &enlistments, sizeof(enlistments), NULL) == STATUS_SUCCESS && enlistments.NumberOfEnlistments == 0);
    OUTCOME(ZwQueryInformationTransaction, "a buffer that is too small: STATUS_INFO_LENGTH_MISMATCH",
            ZwQueryInformationTransaction(t, TransactionBasicInformation, &basic, 8, &length) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwQueryInformationTransaction, "no room for the whole description: STATUS_BUFFER_OVERFLOW",
            ZwQueryInformationTransaction(t, TransactionPropertiesInformation, &p, 28, &length) == STATUS_BUFFER_OVERFLOW && length == 24u + description.Length);
    OUTCOME(ZwQueryInformationTransaction, "an unknown class: STATUS_INVALID_INFO_CLASS", ZwQueryInformationTransaction(t, 99, &p, sizeof(p), NULL) == STATUS_INVALID_INFO_CLASS);
    BAD_HANDLES(ZwQueryInformationTransaction, Wrong, "transaction", ZwQueryInformationTransaction(Handle, TransactionBasicInformation, &basic, sizeof(basic), NULL));

    RtlZeroMemory(&p, sizeof(p));
    p.Properties.DescriptionLength = 4;
    p.Properties.Description[0] = L'h';
    p.Properties.Description[1] = L'i';
    OUTCOME(ZwSetInformationTransaction, "sets description and time-out",
            ZwSetInformationTransaction(t, TransactionPropertiesInformation, &p, 28) == STATUS_SUCCESS && (RtlZeroMemory(&p, sizeof(p)), TRUE) &&
                ZwQueryInformationTransaction(t, TransactionPropertiesInformation, &p, sizeof(p), NULL) == STATUS_SUCCESS && p.Properties.DescriptionLength == 4 &&
                p.Properties.Description[1] == L'i');
    OUTCOME(ZwSetInformationTransaction, "another class: STATUS_INVALID_INFO_CLASS", ZwSetInformationTransaction(t, TransactionBasicInformation, &p, sizeof(p)) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwSetInformationTransaction, "a wrong length: STATUS_INFO_LENGTH_MISMATCH", ZwSetInformationTransaction(t, TransactionPropertiesInformation, &p, 16) == STATUS_INFO_LENGTH_MISMATCH);
    p.Properties.DescriptionLength = 400;
    OUTCOME(ZwSetInformationTransaction, "a description that does not fit: STATUS_INVALID_PARAMETER",
            ZwSetInformationTransaction(t, TransactionPropertiesInformation, &p, sizeof(p)) == STATUS_INVALID_PARAMETER);
    BAD_HANDLES(ZwSetInformationTransaction, Wrong, "transaction", ZwSetInformationTransaction(Handle, TransactionPropertiesInformation, &p, sizeof(p)));

    /* A time-out of 20 ms, set afterwards: the transaction is rolled back by itself. */
    RtlZeroMemory(&p, sizeof(p));
    p.Properties.Timeout.QuadPart = -200000;
    CHECK(ZwSetInformationTransaction(t, TransactionPropertiesInformation, &p, 24) == STATUS_SUCCESS);
    SleepMs(100);
    OUTCOME(ZwSetInformationTransaction, "rolled back when the time is up", OutcomeOf(t) == TransactionOutcomeAborted && !TmIsTransactionActive(object));
    OUTCOME(TmIsTransactionActive, "FALSE for one that was rolled back", !TmIsTransactionActive(object));
    ObDereferenceObject(object);
    ZwClose(t);
    timeout.QuadPart = -200000;
    CHECK(ZwCreateTransaction(&t, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0, 0, 0, &timeout, NULL) == STATUS_SUCCESS);
    SleepMs(100);
    OUTCOME(ZwCreateTransaction, "rolled back when its time is up", ZwCommitTransaction(t, TRUE) == TX_ALREADY_ABORTED);
    ZwClose(t);

    /* The last handle is closed: rolled back, and gone. */
    CHECK(ZwCreateTransaction(&t, TRANSACTION_ALL_ACCESS, &a, &uow, NULL, 0, 0, 0, NULL, NULL) == STATUS_SUCCESS);
    object = ObjectOf(t);
    ZwClose(t);
    OUTCOME(ZwCreateTransaction, "rolled back when its last handle is closed", !TmIsTransactionActive(object) && ZwOpenTransaction(&h, TRANSACTION_ALL_ACCESS, &a, &uow, NULL) == TX_NOT_FOUND);
    ObDereferenceObject(object);
    ZwClose(tm);
    ZwClose(otherTm);
}

/* Counts what an enumeration lists, one identity a call; whether `Wanted` is among them. */
static ULONG Count(HANDLE Root, ULONG Type, const GUID *Wanted, PBOOLEAN Found)
{
    KTMOBJECT_CURSOR cursor;
    ULONG n = 0, length;
    RtlZeroMemory(&cursor, sizeof(cursor));
    *Found = FALSE;
    while (ZwEnumerateTransactionObject(Root, Type, &cursor, sizeof(cursor), &length) == STATUS_SUCCESS && n < 100)
    {
        CHECK(cursor.ObjectIdCount == 1 && length == 36);
        if (Wanted && RtlCompareMemory(cursor.ObjectIds, Wanted, sizeof(GUID)) == sizeof(GUID)) *Found = TRUE;
        n++;
    }
    return n;
}

static VOID Enumerate(VOID)
{
    OBJECT_ATTRIBUTES a = KernelAttributes();
    HANDLE tm = NewTm(), rm, second, t = NULL, e;
    TRANSACTIONMANAGER_BASIC_INFORMATION basic;
    ENLISTMENT_BASIC_INFORMATION enlistment;
    TRANSACTION_BASIC_INFORMATION transaction;
    struct { KTMOBJECT_CURSOR Cursor; GUID More[7]; } many;
    BOOLEAN found;
    ULONG length;

    rm = NewRm(tm);
    second = NewRm(tm);
    CHECK(ZwCreateTransaction(&t, TRANSACTION_ALL_ACCESS, &a, NULL, tm, 0, 0, 0, NULL, NULL) == STATUS_SUCCESS);
    e = Enlist(rm, t, 0, NOTIFY_ALL, NULL);
    CHECK(ZwQueryInformationTransactionManager(tm, TransactionManagerBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    CHECK(ZwQueryInformationEnlistment(e, EnlistmentBasicInformation, &enlistment, sizeof(enlistment), NULL) == STATUS_SUCCESS);
    CHECK(ZwQueryInformationTransaction(t, TransactionBasicInformation, &transaction, sizeof(transaction), NULL) == STATUS_SUCCESS);
    OUTCOME(ZwEnumerateTransactionObject, "all transaction managers", Count(NULL, KTMOBJECT_TRANSACTION_MANAGER, &basic.TmIdentity, &found) >= 1 && found);
    OUTCOME(ZwEnumerateTransactionObject, "the resource managers of a transaction manager", Count(tm, KTMOBJECT_RESOURCE_MANAGER, &enlistment.ResourceManagerId, &found) == 2 && found);
    OUTCOME(ZwEnumerateTransactionObject, "the enlistments of a resource manager", Count(rm, KTMOBJECT_ENLISTMENT, &enlistment.EnlistmentId, &found) == 1 && found);
    OUTCOME(ZwEnumerateTransactionObject, "the transactions of a transaction manager, and all transactions",
            Count(tm, KTMOBJECT_TRANSACTION, &transaction.TransactionId, &found) == 1 && found && Count(NULL, KTMOBJECT_TRANSACTION, &transaction.TransactionId, &found) >= 1 && found);
    RtlZeroMemory(&many, sizeof(many));
    OUTCOME(ZwEnumerateTransactionObject, "as many identities as there is room for, then STATUS_NO_MORE_ENTRIES",
            ZwEnumerateTransactionObject(tm, KTMOBJECT_RESOURCE_MANAGER, &many.Cursor, sizeof(many), &length) == STATUS_SUCCESS && many.Cursor.ObjectIdCount == 2 && length == 20 + 2 * 16 &&
                ZwEnumerateTransactionObject(tm, KTMOBJECT_RESOURCE_MANAGER, &many.Cursor, sizeof(many), &length) == STATUS_NO_MORE_ENTRIES);
    OUTCOME(ZwEnumerateTransactionObject, "an unknown type, or no room: STATUS_INVALID_PARAMETER",
            ZwEnumerateTransactionObject(NULL, KTMOBJECT_INVALID, &many.Cursor, sizeof(many), &length) == STATUS_INVALID_PARAMETER &&
                ZwEnumerateTransactionObject(NULL, KTMOBJECT_TRANSACTION, &many.Cursor, 20, &length) == STATUS_INVALID_PARAMETER);
    BAD_HANDLES(ZwEnumerateTransactionObject, Wrong, "transaction object", ZwEnumerateTransactionObject(Handle, KTMOBJECT_RESOURCE_MANAGER, &many.Cursor, sizeof(many), &length));
    ZwClose(e);
    ZwClose(t);
    ZwClose(rm);
    ZwClose(second);
    ZwClose(tm);
}

static VOID Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("ktmobjects");
    DriverObject->DriverUnload = Unload;
    Wrong = WrongHandle();
    Managers();
    ResourceManagers();
    Transactions();
    Enumerate();
    ZwClose(Wrong);
    KtestDone();
    return STATUS_SUCCESS;
}
