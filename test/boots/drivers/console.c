/*
 * What a console must survive: READ waits for two seconds inside its dispatch routine, WRITE prints far more than a serial line can carry, and a device
 * control never returns.
 */
#include <ntddk.h>

static NTSTATUS NTAPI Complete(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI Wait(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    LARGE_INTEGER interval;
    interval.QuadPart = -2 * 10000000LL;
    DbgPrint("console: waiting\n");
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
    DbgPrint("console: done\n");
    return Complete(DeviceObject, Irp);
}

static NTSTATUS NTAPI Flood(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    int i;
    for (i = 0; i < 3000; i++)
        DbgPrint("line %d\n", i);
    return Complete(DeviceObject, Irp);
}

static NTSTATUS NTAPI Spin(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    for (;;)
        ;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Console");
    PDEVICE_OBJECT device;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = Complete;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = Complete;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = Complete;
    DriverObject->MajorFunction[IRP_MJ_READ] = Wait;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = Flood;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Spin;
    return IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
}
