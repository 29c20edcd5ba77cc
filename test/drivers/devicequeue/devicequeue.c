// ktest: cases=2
/* A device queue is idle or busy: the first entry makes it busy and is not queued, because its work begins at once. Case 1 takes from an idle queue. */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI PKDEVICE_QUEUE_ENTRY NTAPI KeRemoveByKeyDeviceQueueIfBusy(PKDEVICE_QUEUE DeviceQueue, ULONG SortKey);

static KDEVICE_QUEUE Queue;
static KDEVICE_QUEUE_ENTRY A, B, C, D;

static VOID Plain(VOID)
{
    OUTCOME(KeInitializeDeviceQueue, "makes the queue empty and not busy", !Queue.Busy && IsListEmpty(&Queue.DeviceListHead));
    OUTCOME(KeInsertDeviceQueue, "returns FALSE and sets the queue busy when it was not busy, without queuing the entry",
            !KeInsertDeviceQueue(&Queue, &A) && Queue.Busy && !A.Inserted && IsListEmpty(&Queue.DeviceListHead));
    OUTCOME(KeInsertDeviceQueue, "returns TRUE and queues the entry when the queue is busy", KeInsertDeviceQueue(&Queue, &B) && B.Inserted);
    KeInsertDeviceQueue(&Queue, &C);
    OUTCOME(KeInsertDeviceQueue, "queues at the tail", Queue.DeviceListHead.Blink == &C.DeviceListEntry);
    OUTCOME(KeRemoveEntryDeviceQueue, "returns TRUE and removes the entry when it is queued", KeRemoveEntryDeviceQueue(&Queue, &B) && !B.Inserted);
    OUTCOME(KeRemoveEntryDeviceQueue, "returns FALSE when the entry is not queued", !KeRemoveEntryDeviceQueue(&Queue, &B));
    OUTCOME(KeRemoveDeviceQueue, "returns the entry at the head", KeRemoveDeviceQueue(&Queue) == &C && !C.Inserted);
    OUTCOME(KeRemoveDeviceQueue, "leaves the queue busy while it returns an entry", Queue.Busy);
    OUTCOME(KeRemoveDeviceQueue, "returns NULL and sets the queue not busy when it is empty", KeRemoveDeviceQueue(&Queue) == NULL && !Queue.Busy);
}

static VOID Keyed(VOID)
{
    OUTCOME(KeInsertByKeyDeviceQueue, "returns FALSE and sets the queue busy when it was not busy", !KeInsertByKeyDeviceQueue(&Queue, &A, 5) && Queue.Busy);
    OUTCOME(KeInsertByKeyDeviceQueue, "returns TRUE when the queue is busy", KeInsertByKeyDeviceQueue(&Queue, &A, 30));
    KeInsertByKeyDeviceQueue(&Queue, &B, 10);
    KeInsertByKeyDeviceQueue(&Queue, &C, 20);
    OUTCOME(KeInsertByKeyDeviceQueue, "sorts by key", Queue.DeviceListHead.Flink == &B.DeviceListEntry && B.DeviceListEntry.Flink == &C.DeviceListEntry &&
            C.DeviceListEntry.Flink == &A.DeviceListEntry);
    KeInsertByKeyDeviceQueue(&Queue, &D, 20);
    OUTCOME(KeInsertByKeyDeviceQueue, "puts an entry behind those with an equal key", C.DeviceListEntry.Flink == &D.DeviceListEntry);
    OUTCOME(KeRemoveByKeyDeviceQueue, "returns the first entry whose key is at least the given one", KeRemoveByKeyDeviceQueue(&Queue, 15) == &C);
    OUTCOME(KeRemoveByKeyDeviceQueue, "takes an entry with an equal key", KeRemoveByKeyDeviceQueue(&Queue, 20) == &D);
    OUTCOME(KeRemoveByKeyDeviceQueue, "returns the first entry when all keys are below the given one", KeRemoveByKeyDeviceQueue(&Queue, 40) == &B);
    OUTCOME(KeRemoveByKeyDeviceQueueIfBusy, "returns an entry of a busy queue by its key", KeRemoveByKeyDeviceQueueIfBusy(&Queue, 1) == &A);
    OUTCOME(KeRemoveByKeyDeviceQueueIfBusy, "returns NULL and sets the queue not busy when it is empty",
            KeRemoveByKeyDeviceQueueIfBusy(&Queue, 1) == NULL && !Queue.Busy);
    OUTCOME(KeRemoveByKeyDeviceQueueIfBusy, "returns NULL for a queue that is not busy", KeRemoveByKeyDeviceQueueIfBusy(&Queue, 1) == NULL);
    KeInsertDeviceQueue(&Queue, &A);
    OUTCOME(KeRemoveByKeyDeviceQueue, "returns NULL and sets the queue not busy when it is empty", KeRemoveByKeyDeviceQueue(&Queue, 0) == NULL && !Queue.Busy);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("devicequeue");
    KeInitializeDeviceQueue(&Queue);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(KeRemoveDeviceQueue, "bug check 0x2 for a queue that is not busy", 0x2);
        KeRemoveDeviceQueue(&Queue);
    }
    Plain();
    Keyed();
    KeLowerIrql(irql);
    KtestDone();
    return STATUS_SUCCESS;
}
