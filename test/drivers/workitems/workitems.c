// ktest: cases=4
/* Work items: routines of the driver that system threads call at PASSIVE_LEVEL. Cases 1 to 3 break their rules. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI ULONG NTAPI IoSizeofWorkItem(VOID);
NTKERNELAPI VOID NTAPI IoInitializeWorkItem(PVOID IoObject, PIO_WORKITEM WorkItem);
NTKERNELAPI VOID NTAPI IoUninitializeWorkItem(PIO_WORKITEM WorkItem);
typedef VOID(NTAPI *PWORKITEM_EX)(PVOID IoObject, PVOID Context, PIO_WORKITEM WorkItem);

static PDEVICE_OBJECT Device;
static KEVENT Done;
static volatile PVOID SeenObject, SeenContext, SeenItem;
static volatile KIRQL Irql;
static volatile LONG Ran, Worker;

static VOID NTAPI Plain(PVOID Parameter)
{
    SeenContext = Parameter;
    Irql = KeGetCurrentIrql();
    Worker = PsGetCurrentProcess() == PsInitialSystemProcess;
    Ran++;
    KeSetEvent(&Done, 0, FALSE);
}

static VOID NTAPI OnWork(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    SeenObject = DeviceObject;
    Plain(Context);
}

static VOID NTAPI OnWorkEx(PVOID IoObject, PVOID Context, PIO_WORKITEM WorkItem)
{
    SeenObject = IoObject;
    SeenItem = WorkItem;
    Plain(Context);
}

static BOOLEAN Finished(VOID)
{
    LARGE_INTEGER second = MsFromNow(1000);
    BOOLEAN done = KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, &second) == STATUS_SUCCESS;
    return done;
}

static VOID Io(VOID)
{
    KIRQL irql;
    PIO_WORKITEM item = IoAllocateWorkItem(Device);
    OUTCOME(IoAllocateWorkItem, "returns a work item of the device", item != NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoQueueWorkItem(item, OnWork, DelayedWorkQueue, (PVOID)0x12);
    KIRQL during = KeGetCurrentIrql();
    KeLowerIrql(irql);
    OUTCOME(IoQueueWorkItem, "may be called at DISPATCH_LEVEL", during == DISPATCH_LEVEL);
    OUTCOME(IoQueueWorkItem, "a system thread calls the routine at PASSIVE_LEVEL with the device and the context", Finished() && SeenObject == Device && SeenContext == (PVOID)0x12 && Irql == PASSIVE_LEVEL && Worker);
    IoQueueWorkItem(item, OnWork, CriticalWorkQueue, (PVOID)0x13);
    OUTCOME(IoQueueWorkItem, "an item may be queued again when its routine has been called", Finished() && SeenContext == (PVOID)0x13 && Ran == 2);
    IoQueueWorkItemEx(item, (PIO_WORKITEM_ROUTINE_EX)OnWorkEx, DelayedWorkQueue, (PVOID)0x14);
    OUTCOME(IoQueueWorkItemEx, "the routine gets the work item too", Finished() && SeenItem == item && SeenObject == Device && SeenContext == (PVOID)0x14);
    SleepMs(10);
    IoFreeWorkItem(item);
    OUTCOME(IoFreeWorkItem, "frees an item whose routine has been called", Ran == 3);

    ULONG size = IoSizeofWorkItem();
    item = ExAllocatePoolWithTag(NonPagedPool, size, 'krWI');
    OUTCOME(IoSizeofWorkItem, "returns the bytes that a work item takes", size >= sizeof(WORK_QUEUE_ITEM));
    IoInitializeWorkItem(Device, item);
    IoQueueWorkItem(item, OnWork, DelayedWorkQueue, (PVOID)0x15);
    OUTCOME(IoInitializeWorkItem, "makes a work item of memory of the caller", Finished() && SeenContext == (PVOID)0x15);
    SleepMs(10);
    IoUninitializeWorkItem(item);
    ExFreePool(item);
    OUTCOME(IoUninitializeWorkItem, "the memory may be freed afterwards", Ran == 4);
}

static VOID Ex(VOID)
{
    WORK_QUEUE_ITEM item;
    Ran = 0;
    ExInitializeWorkItem(&item, Plain, (PVOID)0x21);
    OUTCOME(ExInitializeWorkItem, "sets the routine and its context", item.WorkerRoutine == Plain && item.Parameter == (PVOID)0x21);
    static const WORK_QUEUE_TYPE types[] = {CriticalWorkQueue, DelayedWorkQueue, HyperCriticalWorkQueue};
    LONG passed = 0;
    for (int i = 0; i < 3; i++)
    {
        ExQueueWorkItem(&item, types[i]);
        passed += Finished() && Irql == PASSIVE_LEVEL && Worker;
    }
    OUTCOME(ExQueueWorkItem, "a system worker thread calls the routine at PASSIVE_LEVEL, for every queue", passed == 3 && Ran == 3);
}

/* More items than there are threads, some of which wait: all are carried out. */
enum { ITEMS = 60 };
static volatile LONG Carried, Counts[ITEMS];
static KEVENT Gate;
static VOID NTAPI Carry(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    LONG number = (LONG)(LONG_PTR)Context;
    UNREFERENCED_PARAMETER(DeviceObject);
    if (number < 5)
        KeWaitForSingleObject(&Gate, Executive, KernelMode, FALSE, NULL);
    InterlockedIncrement(&Counts[number]);
    InterlockedIncrement(&Carried);
}

static VOID Stress(VOID)
{
    PIO_WORKITEM items[ITEMS];
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    for (LONG_PTR i = 0; i < ITEMS; i++)
    {
        items[i] = IoAllocateWorkItem(Device);
        IoQueueWorkItem(items[i], Carry, i % 7 ? DelayedWorkQueue : CriticalWorkQueue, (PVOID)i);
    }
    SleepMs(100);
    CHECK(Carried == ITEMS - 5);
    KeSetEvent(&Gate, 0, FALSE);
    SleepMs(50);
    CHECK(Carried == ITEMS);
    for (int i = 0; i < ITEMS; i++)
    {
        CHECK(Counts[i] == 1);
        IoFreeWorkItem(items[i]);
    }
}

static VOID NTAPI WrongIrql(PVOID Parameter)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(Parameter);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static WORK_QUEUE_ITEM item;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("workitems");
    KeInitializeEvent(&Done, SynchronizationEvent, FALSE);
    IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(ExQueueWorkItem, "bug check 0xE1 for a routine that returns at a raised IRQL", 0xE1);
        ExInitializeWorkItem(&item, WrongIrql, NULL);
        ExQueueWorkItem(&item, DelayedWorkQueue);
        Finished();
    }
    if (KtestCase == 2)
    {
        KIRQL irql;
        OUTCOME_BUGCHECK(ExQueueWorkItem, "bug check 0xE4 for an item that is queued already", 0xE4);
        ExInitializeWorkItem(&item, Plain, NULL);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        /* Another processor may take the item off in between: then the next try hits it. */
        for (int i = 0; i < 1000; i++)
            ExQueueWorkItem(&item, DelayedWorkQueue);
    }
    if (KtestCase == 3)
    {
        OUTCOME_BUGCHECK(ExQueueWorkItem, "bug check 0xE4 for a routine that is not in system space", 0xE4);
        ExInitializeWorkItem(&item, (PWORKER_THREAD_ROUTINE)0x1000, NULL);
        ExQueueWorkItem(&item, DelayedWorkQueue);
    }
    Io();
    Ex();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
