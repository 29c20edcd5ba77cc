/*
 * Sends many requests to another driver's device from inside the machine, which costs a fraction of what requests from outside do. One IOCTL: what to do comes in, what came of
 * it goes out. Requests that stay pending are cancelled.
 */
#include <ntddk.h>

#define IOCTL_PUMP 0x222000

typedef struct {
    ULONG Requests;         /* how many */
    ULONG CancelEvery;      /* every how many'th is one that the driver keeps, and is cancelled; 0: none */
    ULONG QuickCode;        /* control code of the others, */
    ULONG QuickInput;       /* and their input: 4 bytes; there is room for 64 of output */
    ULONG PendingCode;      /* control code of those that are kept; 0: a read of 4 bytes */
    WCHAR Device[64];       /* NT name */
} PUMP;

typedef struct {
    ULONG Done, Cancelled, Failed;
    NTSTATUS LastFailure;
} RESULT;

NTSTATUS NTAPI ZwCreateEvent(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, EVENT_TYPE, BOOLEAN);
NTSTATUS NTAPI ZwWaitForSingleObject(HANDLE, BOOLEAN, PLARGE_INTEGER);
NTSTATUS NTAPI ZwCancelIoFile(HANDLE, PIO_STATUS_BLOCK);

static VOID Count(RESULT *result, NTSTATUS status)
{
    if (status == STATUS_CANCELLED)
        result->Cancelled++;
    else if (NT_SUCCESS(status))
        result->Done++;
    else {
        result->Failed++;
        result->LastFailure = status;
    }
}

/* One request: done at once, or kept by the driver and then cancelled. */
static NTSTATUS One(HANDLE file, HANDLE event, const PUMP *pump, BOOLEAN kept)
{
    IO_STATUS_BLOCK iosb, cancel;
    ULONG in = pump->QuickInput, out[16];
    LARGE_INTEGER start;
    NTSTATUS status;

    start.QuadPart = 0;
    if (kept && pump->PendingCode == 0)
        status = ZwReadFile(file, event, NULL, NULL, &iosb, out, sizeof in, &start, NULL);
    else
        status = ZwDeviceIoControlFile(file, event, NULL, NULL, &iosb, kept ? pump->PendingCode : pump->QuickCode, &in, sizeof in, out, sizeof out);
    if (status != STATUS_PENDING)
        return status;
    if (kept)
        ZwCancelIoFile(file, &cancel);
    ZwWaitForSingleObject(event, FALSE, NULL);
    return iosb.Status;
}

static NTSTATUS Run(const PUMP *pump, RESULT *result)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    IO_STATUS_BLOCK iosb;
    HANDLE file, event;
    NTSTATUS status;
    ULONG i;

    RtlZeroMemory(result, sizeof *result);
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = ZwCreateEvent(&event, EVENT_ALL_ACCESS, &attributes, SynchronizationEvent, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    RtlInitUnicodeString(&name, pump->Device);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = ZwCreateFile(&file, FILE_READ_DATA | FILE_WRITE_DATA, &attributes, &iosb, NULL, FILE_ATTRIBUTE_NORMAL, 0, FILE_OPEN, 0, NULL, 0);
    if (NT_SUCCESS(status)) {
        for (i = 1; i <= pump->Requests; i++)
            Count(result, One(file, event, pump, pump->CancelEvery != 0 && i % pump->CancelEvery == 0));
        ZwClose(file);
    }
    ZwClose(event);
    return status;
}

static NTSTATUS NTAPI CreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI DeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
    PUMP pump;

    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Information = 0;
    if (sp->Parameters.DeviceIoControl.IoControlCode == IOCTL_PUMP &&
        sp->Parameters.DeviceIoControl.InputBufferLength >= sizeof pump &&
        sp->Parameters.DeviceIoControl.OutputBufferLength >= sizeof(RESULT)) {
        pump = *(PUMP *)Irp->AssociatedIrp.SystemBuffer;
        status = Run(&pump, Irp->AssociatedIrp.SystemBuffer);
        if (NT_SUCCESS(status))
            Irp->IoStatus.Information = sizeof(RESULT);
    }
    Irp->IoStatus.Status = status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Pump");
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Pump"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Pump");
    PDEVICE_OBJECT device;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    status = IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    DriverObject->MajorFunction[IRP_MJ_CREATE] = CreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = CreateClose;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DeviceControl;
    DriverObject->DriverUnload = Unload;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}
