// ktest: cases=3
/* Cancelling: the cancel spin lock, cancel routines, threads that end with requests of theirs outstanding. Cases 1 and 2 break a rule. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

static PDEVICE_OBJECT Device;
static PIRP Held;
static ULONG CancelCalls;
static KIRQL CancelRoutineIrql, IrqlInIrp;
static PDEVICE_OBJECT CancelDevice;
static BOOLEAN RoutineWasCleared;

static VOID NTAPI CancelRoutine(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    CancelCalls++;
    CancelDevice = DeviceObject;
    CancelRoutineIrql = KeGetCurrentIrql();
    IrqlInIrp = Irp->CancelIrql;
    RoutineWasCleared = Irp->CancelRoutine == NULL;
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    Held = NULL;
    Complete(Irp, STATUS_CANCELLED, 0);
}

static NTSTATUS NTAPI Hold(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    IoMarkIrpPending(Irp);
    Held = Irp;
    IoSetCancelRoutine(Irp, CancelRoutine);
    return STATUS_PENDING;
}

static VOID Lock(VOID)
{
    KIRQL before = 77, irql;
    IoAcquireCancelSpinLock(&before);
    OUTCOME(IoAcquireCancelSpinLock, "raises the IRQL to DISPATCH_LEVEL", KeGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(IoAcquireCancelSpinLock, "returns the IRQL before", before == PASSIVE_LEVEL);
    IoReleaseCancelSpinLock(before);
    OUTCOME(IoReleaseCancelSpinLock, "restores the IRQL that is given", KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoAcquireCancelSpinLock(&before);
    OUTCOME(IoAcquireCancelSpinLock, "can be called at DISPATCH_LEVEL", before == DISPATCH_LEVEL);
    IoReleaseCancelSpinLock(before);
    OUTCOME(IoReleaseCancelSpinLock, "leaves DISPATCH_LEVEL to a caller that was there", KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeLowerIrql(irql);
}

static VOID Routines(VOID)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    OUTCOME(IoSetCancelRoutine, "returns NULL when there was no routine", IoSetCancelRoutine(irp, CancelRoutine) == NULL);
    OUTCOME(IoSetCancelRoutine, "sets the routine", irp->CancelRoutine == CancelRoutine);
    OUTCOME(IoSetCancelRoutine, "returns the previous routine", IoSetCancelRoutine(irp, NULL) == CancelRoutine);
    OUTCOME(IoSetCancelRoutine, "NULL takes the routine away", irp->CancelRoutine == NULL);
    OUTCOME(IoCancelIrp, "returns FALSE when there is no cancel routine", !IoCancelIrp(irp));
    OUTCOME(IoCancelIrp, "sets the cancel bit without a cancel routine too", irp->Cancel);
    IoFreeIrp(irp);
}

static VOID Cancel(VOID)
{
    KEVENT event;
    IO_STATUS_BLOCK iosb;
    PIRP irp;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, Device, NULL, 0, NULL, &event, &iosb);
    CHECK(IoCallDriver(Device, irp) == STATUS_PENDING && Held == irp);
    OUTCOME(IoCancelIrp, "returns TRUE when the cancel routine was called", IoCancelIrp(irp) && CancelCalls == 1);
    OUTCOME(IoCancelIrp, "calls the cancel routine with the device of the current stack location", CancelDevice == Device);
    OUTCOME(IoCancelIrp, "calls the cancel routine at DISPATCH_LEVEL with the cancel spin lock held", CancelRoutineIrql == DISPATCH_LEVEL);
    OUTCOME(IoCancelIrp, "puts the IRQL to go back to into the IRP", IrqlInIrp == PASSIVE_LEVEL && KeGetCurrentIrql() == PASSIVE_LEVEL);
    OUTCOME(IoCancelIrp, "takes the cancel routine out of the IRP before the call", RoutineWasCleared);
    OUTCOME(IoCancelIrp, "the request ends with the driver's status", WaitFor(&event) == STATUS_SUCCESS && iosb.Status == STATUS_CANCELLED);
}

/* The thread leaves a request behind: the I/O manager cancels it when the thread ends. */
static PIRP Left;
static IO_STATUS_BLOCK LeftIosb;
static VOID NTAPI Leaver(PVOID Context)
{
    static KEVENT event;
    UNREFERENCED_PARAMETER(Context);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    Left = IoBuildSynchronousFsdRequest(IRP_MJ_READ, Device, NULL, 0, NULL, &event, &LeftIosb);
    IoCallDriver(Device, Left);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID ThreadEnd(VOID)
{
    HANDLE handle;
    PVOID thread;
    CancelCalls = 0;
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Leaver, NULL);
    ObReferenceObjectByHandle(handle, SYNCHRONIZE, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    CHECK(WaitFor(thread) == STATUS_SUCCESS);
    ObDereferenceObject(thread);
    OUTCOME(IoBuildSynchronousFsdRequest, "the I/O manager cancels the IRP when its thread exits", CancelCalls == 1 && Held == NULL);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_READ] = Hold;
    KtestBegin("cancel");
    Device = NewDevice(DriverObject, NULL, 0);
    if (KtestCase == 1)
    {
        KIRQL irql;
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        OUTCOME_BUGCHECK(IoReleaseCancelSpinLock, "bug check 0x10 when nobody holds the lock", 0x10);
        IoReleaseCancelSpinLock(irql);
    }
    if (KtestCase == 2)
    {
        PIRP irp = IoAllocateIrp(1, FALSE);
        irp->CurrentLocation = 5;
        irp->CancelRoutine = CancelRoutine;
        OUTCOME_BUGCHECK(IoCancelIrp, "bug check 0x48 for a completed IRP that still has a cancel routine", 0x48);
        IoCancelIrp(irp);
    }
    Lock();
    Routines();
    Cancel();
    ThreadEnd();
    KtestDone();
    return STATUS_SUCCESS;
}
