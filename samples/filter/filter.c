/*
 * A filter over the echo sample: what is written is disguised on its way down, what is read is restored on its way up. Load echo first, then filter.
 *
 *   WRITE  every byte is XORed with 0x20 before echo sees it
 *   READ   a completion routine XORs the bytes back when echo has answered
 *   rest   passes as it is: the next driver gets the same stack location
 *
 * What to look at: a filter has a device without a name on top of another's. It owns a stack location in each IRP, hands the next one on, and hears of the end by a completion
 * routine, which carries the pending mark on. A remove lock counts the requests that are inside, so that the driver can leave while others still use the device below.
 */
#include <ntddk.h>

#define KEY 0x20

typedef struct _FILTER_EXTENSION {
    PDEVICE_OBJECT Lower;
    IO_REMOVE_LOCK Inside;      /* held by each request on its way */
    LONG Passed;
} FILTER_EXTENSION, *PFILTER_EXTENSION;

static VOID FilterDisguise(PUCHAR Bytes, ULONG_PTR Length)
{
    while (Length--)
        *Bytes++ ^= KEY;
}

static NTSTATUS FilterRefuse(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* echo has done with a request. Irp->IoStatus says how; the bytes of a read are in the system buffer. */
static NTSTATUS NTAPI FilterCompleted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PFILTER_EXTENSION x = DeviceObject->DeviceExtension;

    UNREFERENCED_PARAMETER(Context);
    /* A lower driver that returned STATUS_PENDING marked its own location; ours must be marked too, as our dispatch routine returned the same. */
    if (Irp->PendingReturned)
        IoMarkIrpPending(Irp);
    if (IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_READ && NT_SUCCESS(Irp->IoStatus.Status))
        FilterDisguise(Irp->AssociatedIrp.SystemBuffer, Irp->IoStatus.Information);
    InterlockedIncrement(&x->Passed);
    IoReleaseRemoveLock(&x->Inside, Irp);
    return STATUS_CONTINUE_COMPLETION;
}

/* All major functions come here. */
static NTSTATUS NTAPI FilterDispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PFILTER_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS status = IoAcquireRemoveLock(&x->Inside, Irp);

    if (!NT_SUCCESS(status))
        return FilterRefuse(Irp, status);
    /* The device below uses buffered I/O, and so do we: the system buffer is a copy of the writer's bytes, ours to change. */
    if (sp->MajorFunction == IRP_MJ_WRITE)
        FilterDisguise(Irp->AssociatedIrp.SystemBuffer, sp->Parameters.Write.Length);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, FilterCompleted, NULL, TRUE, TRUE, TRUE);
    return IoCallDriver(x->Lower, Irp);
}

/* Nobody opened our device itself, so it can go while echo's is open: requests that come from now on go to echo directly. */
static VOID NTAPI FilterUnload(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device = DriverObject->DeviceObject;
    PFILTER_EXTENSION x = device->DeviceExtension;

    IoDetachDevice(x->Lower);
    IoAcquireRemoveLock(&x->Inside, NULL);
    IoReleaseRemoveLockAndWait(&x->Inside, NULL);
    DbgPrint("filter: detached after %ld requests\n", x->Passed);
    IoDeleteDevice(device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Echo");
    PDEVICE_OBJECT device, target;
    PFILTER_EXTENSION x;
    PFILE_OBJECT file;
    NTSTATUS status;
    ULONG i;

    UNREFERENCED_PARAMETER(RegistryPath);
    status = IoGetDeviceObjectPointer(&name, FILE_READ_DATA, &file, &target);
    if (!NT_SUCCESS(status)) {
        DbgPrint("filter: there is no device \\Device\\Echo (load echo.sys first): status 0x%lx\n", status);
        return status;
    }
    status = IoCreateDevice(DriverObject, sizeof(FILTER_EXTENSION), NULL, target->DeviceType, 0, FALSE, &device);
    if (!NT_SUCCESS(status)) {
        ObDereferenceObject(file);
        return status;
    }
    x = device->DeviceExtension;
    IoInitializeRemoveLock(&x->Inside, 'tliF', 0, 0);
    for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        DriverObject->MajorFunction[i] = FilterDispatch;
    DriverObject->DriverUnload = FilterUnload;
    /* How buffers come is the business of the device below. */
    device->Flags |= target->Flags & (DO_BUFFERED_IO | DO_DIRECT_IO);
    /* From the moment of the attachment requests come in: x->Lower is set before it can be seen. */
    status = IoAttachDeviceToDeviceStackSafe(device, target, &x->Lower);
    ObDereferenceObject(file);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    DbgPrint("filter: attached\n");
    return STATUS_SUCCESS;
}
