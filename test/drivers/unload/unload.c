/* Unloading: put off while a device is open, and no new opens meanwhile. run.ts opens, unloads and closes; what it saw comes by control codes. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

static BOOLEAN Unloaded;

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    UNREFERENCED_PARAMETER(DeviceObject);
    if (stack->MajorFunction == IRP_MJ_DEVICE_CONTROL)
    {
        /* The handle is still open, and the unload was asked for: the driver serves on. */
        OUTCOME(ZwUnloadDriver, "while a device of the driver is open it is put off and the driver serves on", !Unloaded);
    }
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\KtestUnload");
    Unloaded = TRUE;
    OUTCOME(ZwUnloadDriver, "the unload routine is called at PASSIVE_LEVEL in the system process when the last handle is closed", KeGetCurrentIrql() == PASSIVE_LEVEL && PsGetCurrentProcess() == PsInitialSystemProcess &&
            DriverObject->DeviceObject->ReferenceCount == 0);
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(DriverObject->DeviceObject);
    KtestDone();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\KtestUnload"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\KtestUnload");
    UNICODE_STRING path = RTL_CONSTANT_STRING(L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\NoSuchDriver"), wrong = RTL_CONSTANT_STRING(L"\\Driver\\unload");
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Dispatch;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Dispatch;
    KtestBegin("unload");
    NewDevice(DriverObject, name.Buffer, 0);
    IoCreateSymbolicLink(&link, &name);
    OUTCOME(ZwUnloadDriver, "fails for a driver that is not loaded", ZwUnloadDriver(&path) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwUnloadDriver, "STATUS_INVALID_PARAMETER for a name that is no service's registry path", ZwUnloadDriver(&wrong) == STATUS_INVALID_PARAMETER);
    return STATUS_SUCCESS;
}
