/*
 * A clock that passes one tick through everything the kernel has for deferring work:
 *
 *   KTIMER (every 10 ms) -> DPC at DISPATCH_LEVEL -> KEVENT -> system thread at PASSIVE_LEVEL -> work item on a worker thread
 *
 * IOCTL 0x222000 returns four ULONGs: DPCs run, events the thread woke for, work items run, and the IRQL that each saw (one byte each).
 */
#include <ntddk.h>

#define IOCTL_TICKER_COUNTS CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define PERIOD_MS 10
#define TICKS_PER_WORK_ITEM 8

typedef struct _TICKER_EXTENSION {
    KTIMER Timer;
    KDPC Dpc;
    KEVENT Tick;            /* set by the DPC */
    KEVENT Stop;            /* set by Unload */
    KEVENT WorkDone;        /* signalled while no work item is queued */
    PETHREAD Thread;
    PIO_WORKITEM WorkItem;
    LONG Dpcs, Wakes, Works;
    UCHAR DpcIrql, ThreadIrql, WorkIrql;
} TICKER_EXTENSION, *PTICKER_EXTENSION;

static VOID NTAPI TickerDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    PTICKER_EXTENSION x = Context;
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    x->DpcIrql = KeGetCurrentIrql();
    InterlockedIncrement(&x->Dpcs);
    KeSetEvent(&x->Tick, IO_NO_INCREMENT, FALSE);
}

static VOID NTAPI TickerWork(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PTICKER_EXTENSION x = Context;
    UNREFERENCED_PARAMETER(DeviceObject);
    x->WorkIrql = KeGetCurrentIrql();
    InterlockedIncrement(&x->Works);
    KeSetEvent(&x->WorkDone, IO_NO_INCREMENT, FALSE);
}

static VOID NTAPI TickerThread(PVOID Context)
{
    PDEVICE_OBJECT device = Context;
    PTICKER_EXTENSION x = device->DeviceExtension;
    PVOID objects[2];

    objects[0] = &x->Stop;
    objects[1] = &x->Tick;
    while (KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL) == STATUS_WAIT_1) {
        x->ThreadIrql = KeGetCurrentIrql();
        if (InterlockedIncrement(&x->Wakes) % TICKS_PER_WORK_ITEM == 0 && KeReadStateEvent(&x->WorkDone)) {
            KeClearEvent(&x->WorkDone);
            IoQueueWorkItem(x->WorkItem, TickerWork, DelayedWorkQueue, x);
        }
    }
    DbgPrint("ticker: thread ends after %ld ticks\n", x->Wakes);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS NTAPI TickerDispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PTICKER_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS status = STATUS_SUCCESS;
    ULONG_PTR information = 0;

    if (sp->MajorFunction == IRP_MJ_DEVICE_CONTROL) {
        ULONG *out = Irp->AssociatedIrp.SystemBuffer;
        if (sp->Parameters.DeviceIoControl.IoControlCode != IOCTL_TICKER_COUNTS) {
            status = STATUS_INVALID_DEVICE_REQUEST;
        } else if (sp->Parameters.DeviceIoControl.OutputBufferLength < 4 * sizeof(ULONG)) {
            status = STATUS_BUFFER_TOO_SMALL;
        } else {
            out[0] = x->Dpcs;
            out[1] = x->Wakes;
            out[2] = x->Works;
            out[3] = x->DpcIrql | x->ThreadIrql << 8 | x->WorkIrql << 16;
            information = 4 * sizeof(ULONG);
        }
    }
    Irp->IoStatus.Status = status;
    Irp->IoStatus.Information = information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

static VOID NTAPI TickerUnload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Ticker");
    PDEVICE_OBJECT device = DriverObject->DeviceObject;
    PTICKER_EXTENSION x = device->DeviceExtension;

    /* In the order of the chain: no more timer, no DPC under way, no thread, no work item. Then the memory may go. */
    KeCancelTimer(&x->Timer);
    KeFlushQueuedDpcs();
    KeSetEvent(&x->Stop, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(x->Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(x->Thread);
    KeWaitForSingleObject(&x->WorkDone, Executive, KernelMode, FALSE, NULL);
    IoFreeWorkItem(x->WorkItem);
    IoDeleteSymbolicLink(&link);
    DbgPrint("ticker: %ld DPCs, %ld wakes, %ld work items\n", x->Dpcs, x->Wakes, x->Works);
    IoDeleteDevice(device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Ticker"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Ticker");
    PDEVICE_OBJECT device;
    PTICKER_EXTENSION x;
    HANDLE thread;
    LARGE_INTEGER due;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    status = IoCreateDevice(DriverObject, sizeof(TICKER_EXTENSION), &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    x = device->DeviceExtension;
    x->WorkItem = IoAllocateWorkItem(device);
    status = x->WorkItem ? IoCreateSymbolicLink(&link, &name) : STATUS_INSUFFICIENT_RESOURCES;
    if (!NT_SUCCESS(status))
        goto fail;
    KeInitializeEvent(&x->Tick, SynchronizationEvent, FALSE);
    KeInitializeEvent(&x->Stop, NotificationEvent, FALSE);
    KeInitializeEvent(&x->WorkDone, NotificationEvent, TRUE);
    KeInitializeTimerEx(&x->Timer, SynchronizationTimer);
    KeInitializeDpc(&x->Dpc, TickerDpc, x);

    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, TickerThread, device);
    if (!NT_SUCCESS(status)) {
        IoDeleteSymbolicLink(&link);
        goto fail;
    }
    ObReferenceObjectByHandle(thread, THREAD_ALL_ACCESS, NULL, KernelMode, (PVOID *)&x->Thread, NULL);
    ZwClose(thread);

    DriverObject->MajorFunction[IRP_MJ_CREATE] = TickerDispatch;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = TickerDispatch;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = TickerDispatch;
    DriverObject->DriverUnload = TickerUnload;
    device->Flags &= ~DO_DEVICE_INITIALIZING;

    due.QuadPart = -10000LL * PERIOD_MS;
    KeSetTimerEx(&x->Timer, due, PERIOD_MS, &x->Dpc);
    DbgPrint("ticker: every %d ms\n", PERIOD_MS);
    return STATUS_SUCCESS;

fail:
    if (x->WorkItem)
        IoFreeWorkItem(x->WorkItem);
    IoDeleteDevice(device);
    return status;
}
