/* IRP_MJ_SHUTDOWN for devices that asked for it; run.ts shuts the machine down. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI NTSTATUS NTAPI IoRegisterLastChanceShutdownNotification(PDEVICE_OBJECT DeviceObject);

static PDEVICE_OBJECT First, Last, Withdrawn, Pending;
static ULONG Calls[4], Order;
static ULONG OrderOf[4];
static KTIMER Timer;
static KDPC Dpc;
static PIRP Pended;
static KIRQL Irql;

static VOID NTAPI Later(PKDPC D, PVOID Context, PVOID A, PVOID B)
{
    UNREFERENCED_PARAMETER(D);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(A);
    UNREFERENCED_PARAMETER(B);
    Complete(Pended, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI Shutdown(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ULONG i = DeviceObject == First ? 0 : DeviceObject == Last ? 1 : DeviceObject == Pending ? 2 : 3;
    LARGE_INTEGER due;
    Calls[i]++;
    OrderOf[i] = ++Order;
    Irql = KeGetCurrentIrql();
    if (DeviceObject == Pending)
    {
        IoMarkIrpPending(Irp);
        Pended = Irp;
        due.QuadPart = -100000;
        KeSetTimer(&Timer, due, &Dpc);
        return STATUS_PENDING;
    }
    if (DeviceObject == Last)
    {
        /* The last of all: what came before is known now. */
        OUTCOME(IoRegisterShutdownNotification, "the device gets IRP_MJ_SHUTDOWN when the system shuts down", Calls[0] == 1 && Irql == PASSIVE_LEVEL);
        OUTCOME(IoRegisterShutdownNotification, "the system waits for a driver that returns STATUS_PENDING", Calls[2] == 1 && OrderOf[2] < OrderOf[1]);
        OUTCOME(IoRegisterLastChanceShutdownNotification, "the device gets IRP_MJ_SHUTDOWN after those that are registered for the first chance", OrderOf[1] > OrderOf[0]);
        OUTCOME(IoUnregisterShutdownNotification, "the device gets no IRP_MJ_SHUTDOWN", Calls[3] == 0);
        KtestDone();
    }
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT deleted;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_SHUTDOWN] = Shutdown;
    KtestBegin("shutdown");
    KeInitializeTimer(&Timer);
    KeInitializeDpc(&Dpc, Later, NULL);
    First = NewDevice(DriverObject, NULL, 0);
    Last = NewDevice(DriverObject, NULL, 0);
    Withdrawn = NewDevice(DriverObject, NULL, 0);
    Pending = NewDevice(DriverObject, NULL, 0);
    deleted = NewDevice(DriverObject, NULL, 0);
    OUTCOME(IoRegisterLastChanceShutdownNotification, "STATUS_SUCCESS", IoRegisterLastChanceShutdownNotification(Last) == STATUS_SUCCESS);
    OUTCOME(IoRegisterShutdownNotification, "STATUS_SUCCESS", IoRegisterShutdownNotification(First) == STATUS_SUCCESS && (First->Flags & DO_SHUTDOWN_REGISTERED));
    IoRegisterShutdownNotification(Pending);
    IoRegisterShutdownNotification(Withdrawn);
    IoRegisterLastChanceShutdownNotification(Withdrawn);
    IoUnregisterShutdownNotification(Withdrawn);
    OUTCOME(IoUnregisterShutdownNotification, "takes back everything that the device registered for", !(Withdrawn->Flags & DO_SHUTDOWN_REGISTERED));
    IoRegisterShutdownNotification(deleted);
    IoDeleteDevice(deleted);
    return STATUS_SUCCESS;
}
