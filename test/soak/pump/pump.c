/*
 * Sends many requests to another driver's device from inside the machine, which costs a fraction of what requests from outside do. One IOCTL: a list of steps comes in, what came of
 * them goes out. The list is gone through again and again until as many requests are sent as were wanted.
 *
 * A step is a request that is sent and waited for; one that is sent through a handle and then cancelled (ZwCancelIoFile); or one that is made by hand and cancelled before it is
 * sent, so that the driver finds Irp->Cancel set. A step of the last kind that the driver does not look at is carried out as usual.
 */
#include <ntddk.h>

#define IOCTL_PUMP 0x222000
#define STEPS 8

/* STEP.How */
#define PLAIN 0
#define CANCEL_AFTER 1
#define CANCEL_BEFORE 2

typedef struct {
    UCHAR Major;            /* IRP_MJ_READ, IRP_MJ_WRITE or IRP_MJ_DEVICE_CONTROL */
    UCHAR How;
    USHORT Length;          /* of the input of a control code; of a read or write. There is room for 64 bytes of output */
    ULONG Code;
    ULONG Input[2];
    NTSTATUS Expected[2];   /* either is right */
} STEP;

typedef struct {
    ULONG Requests;
    ULONG Steps;
    ULONG Last;             /* number + 1 of the step that is sent once more at the end and still pending when the handle is closed; 0: none */
    STEP Step[STEPS];
    WCHAR Device[32];       /* NT name */
} PUMP;

typedef struct {
    ULONG Sent, CancelAsked, Cancelled, Unexpected;
    ULONG UnexpectedStep;   /* the last of them */
    NTSTATUS UnexpectedStatus;
} RESULT;

/* What one request needs: memory of the sender that lives until it is complete. */
typedef struct {
    HANDLE File, Event;
    PFILE_OBJECT FileObject;
    PKEVENT EventObject;
    IO_STATUS_BLOCK Iosb;
    ULONG Buffer[16];
    ULONG Output[16];
} SENDER;

NTSTATUS NTAPI ZwCreateEvent(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, EVENT_TYPE, BOOLEAN);
NTSTATUS NTAPI ZwWaitForSingleObject(HANDLE, BOOLEAN, PLARGE_INTEGER);
NTSTATUS NTAPI ZwCancelIoFile(HANDLE, PIO_STATUS_BLOCK);

/* Sends a request through the handle. */
static NTSTATUS SendByHandle(SENDER *s, const STEP *step)
{
    LARGE_INTEGER start;

    start.QuadPart = 0;
    switch (step->Major) {
    case IRP_MJ_READ:
        return ZwReadFile(s->File, s->Event, NULL, NULL, &s->Iosb, s->Output, step->Length, &start, NULL);
    case IRP_MJ_WRITE:
        return ZwWriteFile(s->File, s->Event, NULL, NULL, &s->Iosb, s->Buffer, step->Length, &start, NULL);
    default:
        return ZwDeviceIoControlFile(s->File, s->Event, NULL, NULL, &s->Iosb, step->Code, s->Buffer, step->Length, s->Output, sizeof s->Output);
    }
}

/* Makes a request, cancels it, and sends it then. The I/O manager frees the IRP when it is complete. */
static NTSTATUS SendCancelled(SENDER *s, const STEP *step)
{
    PDEVICE_OBJECT device = IoGetRelatedDeviceObject(s->FileObject);
    LARGE_INTEGER start;
    PIRP irp;

    start.QuadPart = 0;
    KeClearEvent(s->EventObject);
    if (step->Major == IRP_MJ_DEVICE_CONTROL)
        irp = IoBuildDeviceIoControlRequest(step->Code, device, s->Buffer, step->Length, s->Output, sizeof s->Output, FALSE, s->EventObject, &s->Iosb);
    else
        irp = IoBuildSynchronousFsdRequest(step->Major, device, step->Major == IRP_MJ_READ ? s->Output : s->Buffer, step->Length, &start, s->EventObject, &s->Iosb);
    if (!irp)
        return STATUS_INSUFFICIENT_RESOURCES;
    IoGetNextIrpStackLocation(irp)->FileObject = s->FileObject;
    IoCancelIrp(irp);
    return IoCallDriver(device, irp);
}

static NTSTATUS Carry(SENDER *s, const STEP *step)
{
    IO_STATUS_BLOCK cancel;
    NTSTATUS status;

    s->Buffer[0] = step->Input[0];
    s->Buffer[1] = step->Input[1];
    status = step->How == CANCEL_BEFORE ? SendCancelled(s, step) : SendByHandle(s, step);
    if (step->How == CANCEL_AFTER)
        ZwCancelIoFile(s->File, &cancel);
    if (status == STATUS_PENDING) {
        ZwWaitForSingleObject(s->Event, FALSE, NULL);
        status = s->Iosb.Status;
    }
    return status;
}

static VOID Count(RESULT *result, const PUMP *pump, ULONG number, NTSTATUS status)
{
    const STEP *step = &pump->Step[number];

    result->Sent++;
    if (step->How != PLAIN)
        result->CancelAsked++;
    if (status == STATUS_CANCELLED)
        result->Cancelled++;
    if (status != step->Expected[0] && status != step->Expected[1]) {
        result->Unexpected++;
        result->UnexpectedStep = number;
        result->UnexpectedStatus = status;
    }
}

static VOID SendAll(SENDER *s, const PUMP *pump, RESULT *result)
{
    ULONG i;

    while (result->Sent < pump->Requests && result->Unexpected == 0)
        for (i = 0; i < pump->Steps; i++)
            Count(result, pump, i, Carry(s, &pump->Step[i]));
}

/* Opens the device, sends, closes it. A request that the driver still keeps then is its cleanup routine's to end. */
static NTSTATUS Run(const PUMP *pump, RESULT *result)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    SENDER s;
    NTSTATUS status, last;

    RtlZeroMemory(&s, sizeof s);
    RtlZeroMemory(result, sizeof *result);
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = ZwCreateEvent(&s.Event, EVENT_ALL_ACCESS, &attributes, SynchronizationEvent, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    ObReferenceObjectByHandle(s.Event, EVENT_ALL_ACCESS, *ExEventObjectType, KernelMode, (PVOID *)&s.EventObject, NULL);
    RtlInitUnicodeString(&name, pump->Device);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = ZwCreateFile(&s.File, FILE_READ_DATA | FILE_WRITE_DATA, &attributes, &s.Iosb, NULL, FILE_ATTRIBUTE_NORMAL, 0, FILE_OPEN, 0, NULL, 0);
    if (NT_SUCCESS(status)) {
        ObReferenceObjectByHandle(s.File, 0, *IoFileObjectType, KernelMode, (PVOID *)&s.FileObject, NULL);
        SendAll(&s, pump, result);
        last = pump->Last ? SendByHandle(&s, &pump->Step[pump->Last - 1]) : STATUS_SUCCESS;
        ZwClose(s.File);
        if (last == STATUS_PENDING) {
            ZwWaitForSingleObject(s.Event, FALSE, NULL);
            Count(result, pump, pump->Last - 1, s.Iosb.Status);
        }
        ObDereferenceObject(s.FileObject);
    }
    ObDereferenceObject(s.EventObject);
    ZwClose(s.Event);
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
        status = pump.Steps <= STEPS && pump.Last <= STEPS ? Run(&pump, Irp->AssociatedIrp.SystemBuffer) : STATUS_INVALID_PARAMETER;
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
