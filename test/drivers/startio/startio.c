/* StartIo: the I/O manager queues the IRPs of a device and gives them to the driver one at a time, at DISPATCH_LEVEL. */
#include <ntddk.h>
#include "../ktest.h"

static PDEVICE_OBJECT Device;
static PIRP Order[8];
static ULONG Started, Depth, MaximumDepth;
static KIRQL StartIrql;
static BOOLEAN NextAtOnce, SawCancelRoutine;
static PIRP Cancelled;

static PIRP NewIrp(VOID)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    IoSetNextIrpStackLocation(irp);
    IoGetCurrentIrpStackLocation(irp)->DeviceObject = Device;
    return irp;
}

static VOID NTAPI StartIo(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    Depth++;
    if (Depth > MaximumDepth)
        MaximumDepth = Depth;
    StartIrql = KeGetCurrentIrql();
    SawCancelRoutine = Irp->CancelRoutine != NULL;
    Order[Started++] = Irp;
    if (NextAtOnce)
        IoStartNextPacket(DeviceObject, FALSE);
    Depth--;
}

static VOID NTAPI CancelRoutine(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Cancelled = Irp;
    IoReleaseCancelSpinLock(Irp->CancelIrql);
}

static VOID Next(BOOLEAN Cancelable)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoStartNextPacket(Device, Cancelable);
    KeLowerIrql(irql);
}

static VOID NextByKey(ULONG Key, BOOLEAN Cancelable)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoStartNextPacketByKey(Device, Cancelable, Key);
    KeLowerIrql(irql);
}

static VOID OneAtATime(PIRP A, PIRP B, PIRP C)
{
    Started = 0;
    IoStartPacket(Device, A, NULL, NULL);
    OUTCOME(IoStartPacket, "calls StartIo at once when the device is not busy", Started == 1 && Order[0] == A);
    OUTCOME(IoStartPacket, "calls StartIo at DISPATCH_LEVEL", StartIrql == DISPATCH_LEVEL && KeGetCurrentIrql() == PASSIVE_LEVEL);
    OUTCOME(IoStartPacket, "sets CurrentIrp of the device", Device->CurrentIrp == A);
    IoStartPacket(Device, B, NULL, NULL);
    IoStartPacket(Device, C, NULL, NULL);
    OUTCOME(IoStartPacket, "queues the IRP while the device is busy", Started == 1 && Device->DeviceQueue.Busy);
    Next(FALSE);
    OUTCOME(IoStartPacket, "queues at the tail without a key", Order[1] == B);
    OUTCOME(IoStartNextPacket, "takes the next IRP and calls StartIo with it", Started == 2 && Device->CurrentIrp == B);
    Next(FALSE);
    Next(FALSE);
    OUTCOME(IoStartNextPacket, "sets CurrentIrp to NULL and the device not busy when nothing waits", Started == 3 && !Device->CurrentIrp && !Device->DeviceQueue.Busy);
}

static VOID ByKey(PIRP A, PIRP B, PIRP C, PIRP D)
{
    ULONG low = 10, middle = 20, high = 30;
    Started = 0;
    IoStartPacket(Device, A, NULL, NULL);
    IoStartPacket(Device, B, &high, NULL);
    IoStartPacket(Device, C, &low, NULL);
    IoStartPacket(Device, D, &middle, NULL);
    NextByKey(15, FALSE);
    OUTCOME(IoStartNextPacketByKey, "takes the first IRP whose key is at least the given one", Order[1] == D);
    Next(FALSE);
    OUTCOME(IoStartPacket, "queues by the key when one is given", Order[2] == C);
    NextByKey(99, FALSE);
    OUTCOME(IoStartNextPacketByKey, "takes the first IRP when all keys are lower", Order[3] == B);
    IoStartPacket(Device, D, &middle, NULL);
    StartIrql = HIGH_LEVEL;
    IoStartNextPacketByKey(Device, TRUE, 0);
    OUTCOME(IoStartNextPacketByKey, "called at PASSIVE_LEVEL calls StartIo at DISPATCH_LEVEL", Order[4] == D && StartIrql == DISPATCH_LEVEL && KeGetCurrentIrql() == PASSIVE_LEVEL);
    NextByKey(0, FALSE);
    OUTCOME(IoStartNextPacketByKey, "sets the device not busy when nothing waits", !Device->CurrentIrp && !Device->DeviceQueue.Busy);
}

static VOID Cancelling(PIRP A, PIRP B, PIRP C)
{
    Started = 0;
    IoStartPacket(Device, A, NULL, CancelRoutine);
    OUTCOME(IoStartPacket, "sets the cancel routine that is given", A->CancelRoutine == CancelRoutine && SawCancelRoutine);
    IoStartPacket(Device, B, NULL, CancelRoutine);
    B->Cancel = FALSE;
    IoStartPacket(Device, C, NULL, NULL);
    OUTCOME(IoStartPacket, "leaves an IRP without a cancel routine when none is given", C->CancelRoutine == NULL);
    IoSetCancelRoutine(A, NULL);
    /* The queued IRP is cancelled: its cancel routine runs; the driver takes it from the queue there. */
    OUTCOME(IoStartPacket, "a queued IRP can be cancelled", IoCancelIrp(B) && Cancelled == B);
    CHECK(KeRemoveEntryDeviceQueue(&Device->DeviceQueue, &B->Tail.Overlay.DeviceQueueEntry));
    Next(TRUE);
    OUTCOME(IoStartNextPacket, "with Cancelable it takes the next IRP under the cancel spin lock", Order[1] == C && Started == 2);
    Cancelled = NULL;
    A->Cancel = TRUE;
    IoStartPacket(Device, A, NULL, CancelRoutine);
    OUTCOME(IoStartPacket, "calls the cancel routine of an IRP that was cancelled before it was queued", Cancelled == A && A->CancelRoutine == NULL);
    CHECK(KeRemoveEntryDeviceQueue(&Device->DeviceQueue, &A->Tail.Overlay.DeviceQueueEntry));
    A->Cancel = FALSE;
    Next(TRUE);
    CHECK(!Device->DeviceQueue.Busy);
}

static VOID Attributes(PIRP A, PIRP B, PIRP C)
{
    A->Cancel = B->Cancel = C->Cancel = FALSE;
    NextAtOnce = TRUE;
    Started = MaximumDepth = 0;
    Device->DeviceQueue.Busy = TRUE;
    IoStartPacket(Device, A, NULL, NULL);
    IoStartPacket(Device, B, NULL, NULL);
    IoStartPacket(Device, C, NULL, NULL);
    Next(FALSE);
    OUTCOME(IoSetStartIoAttributes, "without DeferredStartIo a StartIo that starts the next packet is called again before it returns", Started == 3 && MaximumDepth == 3);
    IoSetStartIoAttributes(Device, TRUE, FALSE);
    Started = MaximumDepth = 0;
    Device->DeviceQueue.Busy = TRUE;
    IoStartPacket(Device, A, NULL, NULL);
    IoStartPacket(Device, B, NULL, NULL);
    IoStartPacket(Device, C, NULL, NULL);
    Next(FALSE);
    OUTCOME(IoSetStartIoAttributes, "with DeferredStartIo the next call waits until StartIo has returned", Started == 3 && MaximumDepth == 1);
    OUTCOME(IoSetStartIoAttributes, "with DeferredStartIo IRPs keep their order", Order[0] == A && Order[1] == B && Order[2] == C);
    NextAtOnce = FALSE;
    IoSetStartIoAttributes(Device, FALSE, TRUE);
    IoStartPacket(Device, A, NULL, CancelRoutine);
    OUTCOME(IoSetStartIoAttributes, "with NonCancelable an IRP comes to StartIo without its cancel routine", !SawCancelRoutine);
    IoStartPacket(Device, B, NULL, CancelRoutine);
    CHECK(B->CancelRoutine == CancelRoutine);
    Next(TRUE);
    OUTCOME(IoSetStartIoAttributes, "with NonCancelable an IRP from the queue comes to StartIo without its cancel routine", !SawCancelRoutine && B->CancelRoutine == NULL);
    Next(TRUE);
    IoSetStartIoAttributes(Device, FALSE, FALSE);
    IoStartPacket(Device, A, NULL, CancelRoutine);
    OUTCOME(IoSetStartIoAttributes, "without NonCancelable an IRP in StartIo has its cancel routine", SawCancelRoutine);
    IoSetCancelRoutine(A, NULL);
    Next(TRUE);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PIRP irps[4];
    ULONG i;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->DriverStartIo = StartIo;
    KtestBegin("startio");
    IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    for (i = 0; i < 4; i++)
        irps[i] = NewIrp();
    OneAtATime(irps[0], irps[1], irps[2]);
    ByKey(irps[0], irps[1], irps[2], irps[3]);
    Cancelling(irps[0], irps[1], irps[2]);
    Attributes(irps[0], irps[1], irps[2]);
    for (i = 0; i < 4; i++)
        IoFreeIrp(irps[i]);
    KtestDone();
    return STATUS_SUCCESS;
}
