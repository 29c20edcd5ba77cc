/*
 * Reads wait until a write comes.
 *
 *   WRITE  hands its bytes to the oldest waiting read, or keeps them (up to 4 KiB) for the next one
 *   READ   takes kept bytes, or waits in a cancel-safe queue; the I/O manager cancels it when the handle is closed
 *   IOCTL  0x222000 (buffered)   returns its input upside down
 *          0x222005 (in direct)  sums the bytes of the second buffer (an MDL); the sum is the Information
 *          0x222006 (out direct) fills the second buffer (an MDL) with the first byte of the first
 *          0x222008 (buffered)   blocks the calling thread inside the dispatch routine until 0x22200c comes
 *          0x22200c (buffered)   lets that thread go
 *
 * What to look at: the queue is a list of IRPs whose cancel routine the IoCsq library manages; the driver gives it six small callbacks.
 */
#include <ntddk.h>

#define KEEP 4096

#define IOCTL_ECHO_REVERSE CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_ECHO_SUM     CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_IN_DIRECT, FILE_ANY_ACCESS)
#define IOCTL_ECHO_FILL    CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_OUT_DIRECT, FILE_ANY_ACCESS)
#define IOCTL_ECHO_BLOCK   CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_ECHO_RELEASE CTL_CODE(FILE_DEVICE_UNKNOWN, 0x803, METHOD_BUFFERED, FILE_ANY_ACCESS)

typedef struct _ECHO_EXTENSION {
    IO_CSQ Queue;
    LIST_ENTRY Waiting;     /* IRPs, linked through Tail.Overlay.ListEntry */
    KSPIN_LOCK Lock;        /* guards Waiting, Kept and KeptLength */
    ULONG KeptLength;
    UCHAR Kept[KEEP];
    KEVENT Gate;
} ECHO_EXTENSION, *PECHO_EXTENSION;

static NTSTATUS EchoComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, NT_SUCCESS(Status) ? IO_NO_INCREMENT + 1 : IO_NO_INCREMENT);
    return Status;
}

/* ---- the six callbacks of the cancel-safe queue ---- */

static VOID NTAPI EchoInsert(PIO_CSQ Csq, PIRP Irp)
{
    PECHO_EXTENSION x = CONTAINING_RECORD(Csq, ECHO_EXTENSION, Queue);
    InsertTailList(&x->Waiting, &Irp->Tail.Overlay.ListEntry);
}

static VOID NTAPI EchoRemove(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

/* Next IRP after Irp (or the first); with a PeekContext, the next one of that file object. */
static PIRP NTAPI EchoPeek(PIO_CSQ Csq, PIRP Irp, PVOID PeekContext)
{
    PECHO_EXTENSION x = CONTAINING_RECORD(Csq, ECHO_EXTENSION, Queue);
    PLIST_ENTRY e = Irp ? Irp->Tail.Overlay.ListEntry.Flink : x->Waiting.Flink;
    for (; e != &x->Waiting; e = e->Flink) {
        PIRP next = CONTAINING_RECORD(e, IRP, Tail.Overlay.ListEntry);
        if (!PeekContext || IoGetCurrentIrpStackLocation(next)->FileObject == PeekContext)
            return next;
    }
    return NULL;
}

static VOID NTAPI EchoAcquire(PIO_CSQ Csq, PKIRQL Irql)
{
    KeAcquireSpinLock(&CONTAINING_RECORD(Csq, ECHO_EXTENSION, Queue)->Lock, Irql);
}

static VOID NTAPI EchoRelease(PIO_CSQ Csq, KIRQL Irql)
{
    KeReleaseSpinLock(&CONTAINING_RECORD(Csq, ECHO_EXTENSION, Queue)->Lock, Irql);
}

static VOID NTAPI EchoCanceled(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    DbgPrint("echo: a read was cancelled\n");
    EchoComplete(Irp, STATUS_CANCELLED, 0);
}

/* ---- dispatch routines ---- */

static NTSTATUS NTAPI EchoCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return EchoComplete(Irp, STATUS_SUCCESS, 0);
}

/* The last handle of a file object was closed: whatever still waits for it will never be wanted. */
static NTSTATUS NTAPI EchoCleanup(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PECHO_EXTENSION x = DeviceObject->DeviceExtension;
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    PIRP waiting;
    while ((waiting = IoCsqRemoveNextIrp(&x->Queue, file)) != NULL)
        EchoComplete(waiting, STATUS_CANCELLED, 0);
    return EchoComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI EchoRead(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PECHO_EXTENSION x = DeviceObject->DeviceExtension;
    ULONG wanted = IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Length, n = 0;
    KIRQL irql;

    KeAcquireSpinLock(&x->Lock, &irql);
    if (x->KeptLength) {
        n = min(wanted, x->KeptLength);
        RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, x->Kept, n);
        x->KeptLength -= n;
        RtlMoveMemory(x->Kept, x->Kept + n, x->KeptLength);
    }
    KeReleaseSpinLock(&x->Lock, irql);
    if (n || !wanted)
        return EchoComplete(Irp, STATUS_SUCCESS, n);

    IoCsqInsertIrp(&x->Queue, Irp, NULL);   /* marks it pending */
    return STATUS_PENDING;
}

static NTSTATUS NTAPI EchoWrite(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PECHO_EXTENSION x = DeviceObject->DeviceExtension;
    ULONG length = IoGetCurrentIrpStackLocation(Irp)->Parameters.Write.Length;
    const UCHAR *bytes = Irp->AssociatedIrp.SystemBuffer;
    PIRP waiting;
    KIRQL irql;

    if (length > KEEP)
        return EchoComplete(Irp, STATUS_INVALID_BUFFER_SIZE, 0);

    waiting = length ? IoCsqRemoveNextIrp(&x->Queue, NULL) : NULL;
    if (waiting) {
        ULONG n = min(length, IoGetCurrentIrpStackLocation(waiting)->Parameters.Read.Length);
        RtlCopyMemory(waiting->AssociatedIrp.SystemBuffer, bytes, n);
        EchoComplete(waiting, STATUS_SUCCESS, n);
        return EchoComplete(Irp, STATUS_SUCCESS, length);
    }

    KeAcquireSpinLock(&x->Lock, &irql);
    if (x->KeptLength + length > KEEP) {
        KeReleaseSpinLock(&x->Lock, irql);
        return EchoComplete(Irp, STATUS_BUFFER_OVERFLOW, 0);
    }
    RtlCopyMemory(x->Kept + x->KeptLength, bytes, length);
    x->KeptLength += length;
    KeReleaseSpinLock(&x->Lock, irql);
    return EchoComplete(Irp, STATUS_SUCCESS, length);
}

static NTSTATUS NTAPI EchoDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PECHO_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    ULONG in = sp->Parameters.DeviceIoControl.InputBufferLength;
    ULONG out = sp->Parameters.DeviceIoControl.OutputBufferLength, i, sum = 0;
    UCHAR *system = Irp->AssociatedIrp.SystemBuffer, *direct = NULL;

    if (Irp->MdlAddress) {
        direct = MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority);
        if (!direct)
            return EchoComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    switch (sp->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_ECHO_REVERSE:
        if (out < in)
            return EchoComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
        for (i = 0; i < in / 2; i++) {
            UCHAR t = system[i];
            system[i] = system[in - 1 - i];
            system[in - 1 - i] = t;
        }
        return EchoComplete(Irp, STATUS_SUCCESS, in);
    case IOCTL_ECHO_SUM:
        for (i = 0; i < out; i++)
            sum += direct[i];
        DbgPrint("echo: the sum is %lu\n", sum);
        return EchoComplete(Irp, STATUS_SUCCESS, sum);
    case IOCTL_ECHO_FILL:
        if (!in)
            return EchoComplete(Irp, STATUS_INVALID_PARAMETER, 0);
        RtlFillMemory(direct, out, system[0]);
        return EchoComplete(Irp, STATUS_SUCCESS, out);
    case IOCTL_ECHO_BLOCK:
        KeWaitForSingleObject(&x->Gate, Executive, KernelMode, FALSE, NULL);
        return EchoComplete(Irp, STATUS_SUCCESS, 0);
    case IOCTL_ECHO_RELEASE:
        KeSetEvent(&x->Gate, IO_NO_INCREMENT, FALSE);
        return EchoComplete(Irp, STATUS_SUCCESS, 0);
    }
    return EchoComplete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}

static VOID NTAPI EchoUnload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Echo");
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(DriverObject->DeviceObject);
    DbgPrint("echo: unloaded\n");
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Echo"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Echo");
    PDEVICE_OBJECT device;
    PECHO_EXTENSION x;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    status = IoCreateDevice(DriverObject, sizeof(ECHO_EXTENSION), &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    x = device->DeviceExtension;
    InitializeListHead(&x->Waiting);
    KeInitializeSpinLock(&x->Lock);
    KeInitializeEvent(&x->Gate, SynchronizationEvent, FALSE);
    IoCsqInitialize(&x->Queue, EchoInsert, EchoRemove, EchoPeek, EchoAcquire, EchoRelease, EchoCanceled);
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    DriverObject->MajorFunction[IRP_MJ_CREATE] = EchoCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = EchoCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = EchoCleanup;
    DriverObject->MajorFunction[IRP_MJ_READ] = EchoRead;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = EchoWrite;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = EchoDeviceControl;
    DriverObject->DriverUnload = EchoUnload;
    device->Flags |= DO_BUFFERED_IO;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    DbgPrint("echo: ready\n");
    return STATUS_SUCCESS;
}
