/*
 * A driver object that a driver makes for itself.
 */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI NTSTATUS NTAPI IoCreateDriver(PUNICODE_STRING DriverName, PDRIVER_INITIALIZE InitializationFunction);
NTKERNELAPI VOID NTAPI IoDeleteDriver(PDRIVER_OBJECT DriverObject);

static PDRIVER_OBJECT Second;
static NTSTATUS Answer = STATUS_SUCCESS;

static NTSTATUS NTAPI Initialize(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    Second = DriverObject;
    return Answer;
}
static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Driver\\SecondOfMine");
    KtestBegin("createdriver");
    DriverObject->DriverUnload = Unload;
    OUTCOME(IoCreateDriver, "calls the initialization routine with a new driver object",
            IoCreateDriver(&name, Initialize) == STATUS_SUCCESS && Second && Second != DriverObject && RtlEqualUnicodeString(&Second->DriverName, &name, FALSE));
    OUTCOME(IoCreateDriver, "the dispatch table is filled", Second->MajorFunction[IRP_MJ_READ] != NULL);
    OUTCOME(IoCreateDriver, "STATUS_OBJECT_NAME_COLLISION for a name that is taken", IoCreateDriver(&name, Initialize) == STATUS_OBJECT_NAME_COLLISION);
    IoDeleteDriver(Second);
    OUTCOME(IoDeleteDriver, "the name is free again", IoCreateDriver(&name, Initialize) == STATUS_SUCCESS);
    IoDeleteDriver(Second);
    Answer = STATUS_DEVICE_BUSY;
    OUTCOME(IoCreateDriver, "the status of an initialization that fails", IoCreateDriver(NULL, Initialize) == STATUS_DEVICE_BUSY);
    KtestDone();
    return STATUS_SUCCESS;
}
