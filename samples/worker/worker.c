/*
 * A driver that does its work in a thread of its own: dispatch routines put IRPs into a cancel-safe queue, a system thread takes them out and carries them out.
 *
 *   IOCTL 0x222000  counts the primes below a ULONG (at most 100,000) and returns a ULONG; the request is pending until the thread comes to it
 *   IOCTL 0x222004  holds the thread (a nonzero ULONG) or lets it go on (0)
 *
 * What it shows: a request is marked pending before it is queued; a semaphore counts what is in the queue; a request may be cancelled while it waits (IoCsq does the
 * hard part), and when its handle is closed; the thread ends before the driver is unloaded.
 */
#include <ntifs.h>

#define IOCTL_WORKER_PRIMES CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_WORKER_HOLD CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define LARGEST 100000

typedef struct _WORKER_EXTENSION {
    IO_CSQ Queue;
    LIST_ENTRY Irps;      /* what Queue keeps, under Lock */
    KSPIN_LOCK Lock;
    KSEMAPHORE Work;      /* one for each IRP that was queued; a cancelled one leaves its count behind */
    KEVENT Go;            /* reset while the thread is held */
    KEVENT Stop;          /* set by Unload */
    PVOID Thread;
    LONG Done, Cancelled;
} WORKER_EXTENSION, *PWORKER_EXTENSION;

static const UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\Device\\Worker");
static const UNICODE_STRING LinkName = RTL_CONSTANT_STRING(L"\\DosDevices\\Worker");

/* The queue's callbacks: IoCsq calls them in the right order, and removes an IRP only if nobody cancels it at that moment. */
static PWORKER_EXTENSION Owner(PIO_CSQ Queue)
{
    return CONTAINING_RECORD(Queue, WORKER_EXTENSION, Queue);
}

static VOID NTAPI WorkerInsertIrp(PIO_CSQ Queue, PIRP Irp)
{
    InsertTailList(&Owner(Queue)->Irps, &Irp->Tail.Overlay.ListEntry);
}

static VOID NTAPI WorkerRemoveIrp(PIO_CSQ Queue, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Queue);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

/* The IRP after Irp (the first when it is NULL) that belongs to the file object FileObject (any when it is NULL). */
static PIRP NTAPI WorkerPeekNextIrp(PIO_CSQ Queue, PIRP Irp, PVOID FileObject)
{
    PLIST_ENTRY head = &Owner(Queue)->Irps;
    PLIST_ENTRY entry = Irp == NULL ? head->Flink : Irp->Tail.Overlay.ListEntry.Flink;
    for (; entry != head; entry = entry->Flink) {
        PIRP next = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);
        if (FileObject == NULL || IoGetCurrentIrpStackLocation(next)->FileObject == FileObject)
            return next;
    }
    return NULL;
}

static VOID NTAPI WorkerAcquireLock(PIO_CSQ Queue, PKIRQL Irql)
{
    KeAcquireSpinLock(&Owner(Queue)->Lock, Irql);
}

static VOID NTAPI WorkerReleaseLock(PIO_CSQ Queue, KIRQL Irql)
{
    KeReleaseSpinLock(&Owner(Queue)->Lock, Irql);
}

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static VOID NTAPI WorkerCompleteCanceledIrp(PIO_CSQ Queue, PIRP Irp)
{
    InterlockedIncrement(&Owner(Queue)->Cancelled);
    Complete(Irp, STATUS_CANCELLED, 0);
}

/* The work, which may take its time: at PASSIVE_LEVEL nobody else has to wait for it. */
static ULONG CountPrimes(ULONG Limit)
{
    ULONG primes = 0;
    for (ULONG n = 2; n < Limit; n++) {
        ULONG divisor = 2;
        while (divisor * divisor <= n && n % divisor != 0)
            divisor++;
        primes += divisor * divisor > n;
    }
    return primes;
}

static VOID NTAPI WorkerThread(PVOID Context)
{
    PWORKER_EXTENSION x = Context;
    PVOID work[2] = { &x->Stop, &x->Work }, go[2] = { &x->Stop, &x->Go };

    while (KeWaitForMultipleObjects(2, work, WaitAny, Executive, KernelMode, FALSE, NULL, NULL) == STATUS_WAIT_1 &&
           KeWaitForMultipleObjects(2, go, WaitAny, Executive, KernelMode, FALSE, NULL, NULL) == STATUS_WAIT_1) {
        PIRP irp = IoCsqRemoveNextIrp(&x->Queue, NULL);
        if (irp == NULL)
            continue; /* it was cancelled */
        PULONG number = irp->AssociatedIrp.SystemBuffer;
        *number = CountPrimes(*number);
        x->Done++;
        Complete(irp, STATUS_SUCCESS, sizeof(ULONG));
    }
}

static NTSTATUS NTAPI WorkerCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

/* The last handle of a file object is closed: nobody waits for its requests any more. */
static NTSTATUS NTAPI WorkerCleanup(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PWORKER_EXTENSION x = DeviceObject->DeviceExtension;
    PIRP waiting;
    while ((waiting = IoCsqRemoveNextIrp(&x->Queue, IoGetCurrentIrpStackLocation(Irp)->FileObject)) != NULL)
        WorkerCompleteCanceledIrp(&x->Queue, waiting);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI WorkerControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PWORKER_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    PULONG number = Irp->AssociatedIrp.SystemBuffer;

    if (stack->Parameters.DeviceIoControl.InputBufferLength < sizeof(ULONG))
        return Complete(Irp, STATUS_INVALID_PARAMETER, 0);
    switch (stack->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_WORKER_PRIMES:
        if (stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(ULONG))
            return Complete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
        if (*number > LARGEST)
            return Complete(Irp, STATUS_INVALID_PARAMETER, 0);
        /* Marks it pending, then queues it; from here on the thread may complete it at any moment. */
        IoCsqInsertIrp(&x->Queue, Irp, NULL);
        KeReleaseSemaphore(&x->Work, IO_NO_INCREMENT, 1, FALSE);
        return STATUS_PENDING;
    case IOCTL_WORKER_HOLD:
        if (*number != 0)
            KeClearEvent(&x->Go);
        else
            KeSetEvent(&x->Go, IO_NO_INCREMENT, FALSE);
        return Complete(Irp, STATUS_SUCCESS, 0);
    default:
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static VOID NTAPI WorkerUnload(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device = DriverObject->DeviceObject;
    PWORKER_EXTENSION x = device->DeviceExtension;
    UNICODE_STRING link = LinkName;

    /* The thread's code goes with the driver, so the thread goes first. No handle is open, so no request is left. */
    KeSetEvent(&x->Stop, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(x->Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(x->Thread);
    DbgPrint("worker: %d done, %d cancelled\n", x->Done, x->Cancelled);
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(device);
}

static NTSTATUS StartThread(PWORKER_EXTENSION x)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, WorkerThread, x);
    if (!NT_SUCCESS(status))
        return status;
    /* The handle is for this moment only; what Unload waits for is the object. */
    status = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &x->Thread, NULL);
    if (!NT_SUCCESS(status)) {
        KeSetEvent(&x->Stop, IO_NO_INCREMENT, FALSE);
        ZwWaitForSingleObject(handle, FALSE, NULL);
    }
    ZwClose(handle);
    return status;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = DeviceName, link = LinkName;
    PDEVICE_OBJECT device;
    UNREFERENCED_PARAMETER(RegistryPath);

    NTSTATUS status = IoCreateDevice(DriverObject, sizeof(WORKER_EXTENSION), &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    PWORKER_EXTENSION x = device->DeviceExtension;
    InitializeListHead(&x->Irps);
    KeInitializeSpinLock(&x->Lock);
    KeInitializeSemaphore(&x->Work, 0, MAXLONG);
    KeInitializeEvent(&x->Go, NotificationEvent, TRUE);
    KeInitializeEvent(&x->Stop, NotificationEvent, FALSE);
    IoCsqInitialize(&x->Queue, WorkerInsertIrp, WorkerRemoveIrp, WorkerPeekNextIrp, WorkerAcquireLock, WorkerReleaseLock, WorkerCompleteCanceledIrp);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = WorkerCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = WorkerCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = WorkerCleanup;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = WorkerControl;
    DriverObject->DriverUnload = WorkerUnload;

    status = IoCreateSymbolicLink(&link, &name);
    if (NT_SUCCESS(status)) {
        status = StartThread(x);
        if (!NT_SUCCESS(status))
            IoDeleteSymbolicLink(&link);
    }
    if (!NT_SUCCESS(status))
        IoDeleteDevice(device);
    return status;
}
