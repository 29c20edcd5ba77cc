/*
 * Requests that wait, and everybody who wants to end them at once: a DPC that completes the oldest, cancels from anywhere, a handle that is closed, the driver's unload.
 *
 *   READ             waits until the DPC (every millisecond) completes it with one byte
 *   IOCTL 0x222000   in: u32 n; out: u32 sent, u32 completed, u32 cancelled. A thread sends n reads of its own to the device and cancels every third
 *   IOCTL 0x222004   in: u32 n. The same in the background: the IOCTL returns at once, and the driver may be unloaded while the requests are in flight
 *
 * What to look at: the cancel routine is the token of ownership. Whoever takes it out of the IRP (IoSetCancelRoutine returns it once, and only once) ends the request; whoever finds
 * NULL there lets go. That is what IoCsq does for the echo sample, here by hand.
 */
#include <ntddk.h>

#define IOCTL_STRESS_RUN   CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_STRESS_START CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IN_FLIGHT 16

typedef struct _RUN {
    ULONG Sent, Completed, Cancelled;
} RUN;

static PDEVICE_OBJECT StressDevice;
static LIST_ENTRY Waiting;      /* IRPs, linked through Tail.Overlay.ListEntry */
static KSPIN_LOCK Lock;
static KTIMER Timer;
static KDPC Dpc;
static IO_REMOVE_LOCK Background;   /* held by each background run */
static volatile LONG Stopping;

static NTSTATUS StressComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* Called with the cancel spin lock held, and the cancel routine already taken out of the IRP: it is ours. It may be in the list only if StressRead has let go of Lock. */
static VOID NTAPI StressCancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    KeAcquireSpinLock(&Lock, &irql);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    KeReleaseSpinLock(&Lock, irql);
    StressComplete(Irp, STATUS_CANCELLED, 0);
}

static NTSTATUS NTAPI StressRead(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    KeAcquireSpinLock(&Lock, &irql);
    IoMarkIrpPending(Irp);
    InsertTailList(&Waiting, &Irp->Tail.Overlay.ListEntry);
    IoSetCancelRoutine(Irp, StressCancel);
    /* Cancelled before there was a routine to call: if we get ours back we end it, else the cancel routine waits for Lock and will. */
    if (Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL) {
        RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
        KeReleaseSpinLock(&Lock, irql);
        StressComplete(Irp, STATUS_CANCELLED, 0);
        return STATUS_PENDING;
    }
    KeReleaseSpinLock(&Lock, irql);
    return STATUS_PENDING;
}

/* The oldest IRP that nobody is cancelling (of a file, if one is given), taken out of the list; or NULL. */
static PIRP StressTake(PFILE_OBJECT File)
{
    PIRP found = NULL;
    PLIST_ENTRY e;
    KIRQL irql;

    KeAcquireSpinLock(&Lock, &irql);
    for (e = Waiting.Flink; e != &Waiting && !found; e = e->Flink) {
        PIRP irp = CONTAINING_RECORD(e, IRP, Tail.Overlay.ListEntry);
        if (File && IoGetCurrentIrpStackLocation(irp)->FileObject != File)
            continue;
        if (IoSetCancelRoutine(irp, NULL) != NULL)
            found = irp;
    }
    if (found)
        RemoveEntryList(&found->Tail.Overlay.ListEntry);
    KeReleaseSpinLock(&Lock, irql);
    return found;
}

static VOID NTAPI StressTick(PKDPC D, PVOID Context, PVOID A, PVOID B)
{
    PIRP irp = StressTake(NULL);

    UNREFERENCED_PARAMETER(D);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(A);
    UNREFERENCED_PARAMETER(B);
    if (!irp)
        return;
    if (irp->AssociatedIrp.SystemBuffer && IoGetCurrentIrpStackLocation(irp)->Parameters.Read.Length)
        *(PUCHAR)irp->AssociatedIrp.SystemBuffer = 0x2a;
    StressComplete(irp, STATUS_SUCCESS, 1);
}

/* Our own IRPs come back here, each exactly once. */
static NTSTATUS NTAPI StressBack(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Event)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Event, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Sends n reads, IN_FLIGHT at a time; cancels every third while the DPC and the other processors do what they do. */
static VOID StressRun(ULONG Count, RUN *Run)
{
    static const RUN nothing;
    PIRP irp[IN_FLIGHT];
    KEVENT back[IN_FLIGHT];
    ULONG i, n;

    *Run = nothing;
    while (Run->Sent < Count && !Stopping) {
        for (n = 0; n < IN_FLIGHT && Run->Sent < Count; n++) {
            irp[n] = IoAllocateIrp(StressDevice->StackSize, FALSE);
            if (!irp[n])
                break;
            KeInitializeEvent(&back[n], NotificationEvent, FALSE);
            IoGetNextIrpStackLocation(irp[n])->MajorFunction = IRP_MJ_READ;
            IoSetCompletionRoutine(irp[n], StressBack, &back[n], TRUE, TRUE, TRUE);
            Run->Sent++;
            if (Run->Sent % 7 == 0)
                IoCancelIrp(irp[n]);        /* cancelled before it is sent */
            IoCallDriver(StressDevice, irp[n]);
        }
        if (n == 0)
            return;
        for (i = 0; i < n; i += 3)
            IoCancelIrp(irp[i]);            /* it may be complete already: then this is too late, and harmless, as the IRP is still ours */
        for (i = 0; i < n; i++) {
            KeWaitForSingleObject(&back[i], Executive, KernelMode, FALSE, NULL);
            if (irp[i]->IoStatus.Status == STATUS_CANCELLED)
                Run->Cancelled++;
            else
                Run->Completed++;
            IoFreeIrp(irp[i]);
        }
    }
}

static VOID NTAPI StressThread(PVOID Context)
{
    RUN run;

    StressRun((ULONG)(ULONG_PTR)Context, &run);
    DbgPrint("stress: %lu sent, %lu completed, %lu cancelled\n", run.Sent, run.Completed, run.Cancelled);
    IoReleaseRemoveLock(&Background, Context);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS NTAPI StressControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    ULONG *buffer = Irp->AssociatedIrp.SystemBuffer, count;
    HANDLE thread;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (sp->Parameters.DeviceIoControl.InputBufferLength < sizeof(ULONG))
        return StressComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    count = buffer[0];
    switch (sp->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_STRESS_RUN:
        if (sp->Parameters.DeviceIoControl.OutputBufferLength < sizeof(RUN))
            return StressComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
        StressRun(count, (RUN *)buffer);
        return StressComplete(Irp, STATUS_SUCCESS, sizeof(RUN));
    case IOCTL_STRESS_START:
        status = IoAcquireRemoveLock(&Background, (PVOID)(ULONG_PTR)count);
        if (!NT_SUCCESS(status))
            return StressComplete(Irp, status, 0);
        status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, StressThread, (PVOID)(ULONG_PTR)count);
        if (NT_SUCCESS(status))
            ZwClose(thread);
        else
            IoReleaseRemoveLock(&Background, (PVOID)(ULONG_PTR)count);
        return StressComplete(Irp, status, 0);
    }
    return StressComplete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}

static NTSTATUS NTAPI StressCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return StressComplete(Irp, STATUS_SUCCESS, 0);
}

/* The last handle of a file is closed: its reads end now. */
static NTSTATUS NTAPI StressCleanup(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIRP waiting;

    UNREFERENCED_PARAMETER(DeviceObject);
    while ((waiting = StressTake(IoGetCurrentIrpStackLocation(Irp)->FileObject)) != NULL)
        StressComplete(waiting, STATUS_CANCELLED, 0);
    return StressComplete(Irp, STATUS_SUCCESS, 0);
}

/* No handle is open any more, but our own threads may still be at work: they are told, their requests are ended, and they are waited for. */
static VOID NTAPI StressUnload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Stress");

    InterlockedExchange(&Stopping, 1);
    IoAcquireRemoveLock(&Background, NULL);
    IoReleaseRemoveLockAndWait(&Background, NULL);
    KeCancelTimer(&Timer);
    KeFlushQueuedDpcs();            /* the last tick has returned */
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(DriverObject->DeviceObject);
    DbgPrint("stress: unloaded\n");
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Stress"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Stress");
    LARGE_INTEGER due;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    status = IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &StressDevice);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(StressDevice);
        return status;
    }
    InitializeListHead(&Waiting);
    KeInitializeSpinLock(&Lock);
    IoInitializeRemoveLock(&Background, 'rtS.', 0, 0);
    KeInitializeDpc(&Dpc, StressTick, NULL);
    KeInitializeTimerEx(&Timer, SynchronizationTimer);
    due.QuadPart = -10000;
    KeSetTimerEx(&Timer, due, 1, &Dpc);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = StressCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = StressCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = StressCleanup;
    DriverObject->MajorFunction[IRP_MJ_READ] = StressRead;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = StressControl;
    DriverObject->DriverUnload = StressUnload;
    StressDevice->Flags |= DO_BUFFERED_IO;
    StressDevice->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}
