/*
 * Rights of handles to transaction objects. They count for callers from user mode: a request of a program comes in (run.ts sends it), and the driver calls the Nt routines in the program's name,
 * where the previous mode is UserMode.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../ktm.h"
#include "../io.h"

static PDEVICE_OBJECT Device;

/* Handles of the program's own, with no right but to look at the descriptor. */
static HANDLE Tm, Rm, T, E;
static GUID RmId, Uow, EnId;

static OBJECT_ATTRIBUTES ProgramAttributes(VOID)
{
    OBJECT_ATTRIBUTES a;
    InitializeObjectAttributes(&a, NULL, 0, NULL, NULL);
    return a;
}

#define DENIED(routine, call) OUTCOME(routine, "from user mode, a handle without the right: STATUS_ACCESS_DENIED", (call) == STATUS_ACCESS_DENIED)

/* `User` is a buffer in the program's half of the address space. */
static VOID Refused(PVOID User)
{
    DENIED(NtCommitTransaction, NtCommitTransaction(T, FALSE));
    DENIED(NtRollbackTransaction, NtRollbackTransaction(T, FALSE));
    DENIED(NtQueryInformationTransaction, NtQueryInformationTransaction(T, TransactionBasicInformation, User, 64, NULL));
    DENIED(NtSetInformationTransaction, NtSetInformationTransaction(T, TransactionPropertiesInformation, User, 64));
    DENIED(NtCreateEnlistment, NtCreateEnlistment(User, ENLISTMENT_ALL_ACCESS, Rm, T, NULL, 0, NOTIFY_ALL, NULL));
    DENIED(NtQueryInformationTransactionManager, NtQueryInformationTransactionManager(Tm, TransactionManagerBasicInformation, User, 64, NULL));
    DENIED(NtRecoverTransactionManager, NtRecoverTransactionManager(Tm));
    DENIED(NtSetInformationTransactionManager, NtSetInformationTransactionManager(Tm, TransactionManagerBasicInformation, User, 64));
    DENIED(NtCreateResourceManager, NtCreateResourceManager(User, RESOURCEMANAGER_ALL_ACCESS, Tm, NULL, NULL, RESOURCE_MANAGER_VOLATILE, NULL));
    *(GUID *)User = RmId;
    DENIED(NtOpenResourceManager, NtOpenResourceManager((PHANDLE)((PUCHAR)User + 64), RESOURCEMANAGER_ALL_ACCESS, Tm, User, NULL));
    DENIED(NtQueryInformationResourceManager, NtQueryInformationResourceManager(Rm, ResourceManagerBasicInformation, User, 64, NULL));
    DENIED(NtRecoverResourceManager, NtRecoverResourceManager(Rm));
    DENIED(NtGetNotificationResourceManager, NtGetNotificationResourceManager(Rm, User, 64, NULL, NULL, 0, 0));
    RtlZeroMemory(User, 64);
    DENIED(NtEnumerateTransactionObject, NtEnumerateTransactionObject(Rm, KTMOBJECT_ENLISTMENT, User, 64, (PULONG)((PUCHAR)User + 64)));
    *(GUID *)User = EnId;
    DENIED(NtOpenEnlistment, NtOpenEnlistment((PHANDLE)((PUCHAR)User + 64), ENLISTMENT_ALL_ACCESS, Rm, User, NULL));
    DENIED(NtQueryInformationEnlistment, NtQueryInformationEnlistment(E, EnlistmentBasicInformation, User, 64, NULL));
    DENIED(NtSetInformationEnlistment, NtSetInformationEnlistment(E, EnlistmentRecoveryInformation, User, 16));
    DENIED(NtRecoverEnlistment, NtRecoverEnlistment(E, NULL));
    DENIED(NtPrePrepareComplete, NtPrePrepareComplete(E, NULL));
    DENIED(NtPrepareComplete, NtPrepareComplete(E, NULL));
    DENIED(NtCommitComplete, NtCommitComplete(E, NULL));
    DENIED(NtRollbackComplete, NtRollbackComplete(E, NULL));
    DENIED(NtReadOnlyEnlistment, NtReadOnlyEnlistment(E, NULL));
    DENIED(NtRollbackEnlistment, NtRollbackEnlistment(E, NULL));
    DENIED(NtPrePrepareEnlistment, NtPrePrepareEnlistment(E, NULL));
    DENIED(NtPrepareEnlistment, NtPrepareEnlistment(E, NULL));
    DENIED(NtCommitEnlistment, NtCommitEnlistment(E, NULL));
}

static NTSTATUS NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    OBJECT_ATTRIBUTES a = ProgramAttributes();
    PVOID user = Irp->UserBuffer;
    HANDLE rm, t, e;
    TRANSACTION_BASIC_INFORMATION basic;
    ENLISTMENT_BASIC_INFORMATION enlistment;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(DeviceObject);
    CHECK(ExGetPreviousMode() == UserMode);
    /* The Zw routines may do anything; they make the objects and the poor handles. */
    CHECK(ZwCreateTransactionManager(&Tm, READ_CONTROL, &a, NULL, TRANSACTION_MANAGER_VOLATILE, 0) == STATUS_SUCCESS);
    CHECK(ZwCreateResourceManager(&rm, RESOURCEMANAGER_ALL_ACCESS, Tm, NULL, &a, RESOURCE_MANAGER_VOLATILE, NULL) == STATUS_SUCCESS);
    {
        struct { RESOURCEMANAGER_BASIC_INFORMATION Basic; } info;
        CHECK(ZwQueryInformationResourceManager(rm, ResourceManagerBasicInformation, &info, sizeof(info), NULL) == STATUS_SUCCESS);
        RmId = info.Basic.ResourceManagerId;
    }
    CHECK(ZwOpenResourceManager(&Rm, READ_CONTROL, Tm, &RmId, &a) == STATUS_SUCCESS);
    CHECK(ZwCreateTransaction(&t, TRANSACTION_ALL_ACCESS, &a, NULL, NULL, 0, 0, 0, NULL, NULL) == STATUS_SUCCESS);
    CHECK(ZwQueryInformationTransaction(t, TransactionBasicInformation, &basic, sizeof(basic), NULL) == STATUS_SUCCESS);
    Uow = basic.TransactionId;
    CHECK(ZwOpenTransaction(&T, READ_CONTROL, &a, &Uow, NULL) == STATUS_SUCCESS);
    CHECK(ZwCreateEnlistment(&e, ENLISTMENT_ALL_ACCESS, rm, t, &a, 0, NOTIFY_ALL, NULL) == STATUS_SUCCESS);
    CHECK(ZwQueryInformationEnlistment(e, EnlistmentBasicInformation, &enlistment, sizeof(enlistment), NULL) == STATUS_SUCCESS);
    EnId = enlistment.EnlistmentId;
    CHECK(ZwOpenEnlistment(&E, READ_CONTROL, rm, &EnId, &a) == STATUS_SUCCESS);
    Refused(user);
    /* With the right the program may. */
    status = NtRollbackTransaction(t, FALSE);
    OUTCOME(NtRollbackTransaction, "from user mode, with the right: it is rolled back", status == STATUS_PENDING && NtRollbackComplete(e, NULL) == STATUS_SUCCESS && OutcomeOf(t) == TransactionOutcomeAborted);
    ZwClose(E);
    ZwClose(e);
    ZwClose(T);
    ZwClose(t);
    ZwClose(Rm);
    ZwClose(rm);
    ZwClose(Tm);
    KtestDone();
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI Create(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    IoDeleteDevice(Device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("ktmuser");
    Device = NewDevice(DriverObject, L"\\Device\\KtestTransactions", 0);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Create;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}
