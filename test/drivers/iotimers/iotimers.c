// ktest: cases=2
/* The timer of a device object, and its DPC. Case 1 initializes the timer twice. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

static PDEVICE_OBJECT Device, Second;
static volatile LONG Ticks, SecondTicks;
static volatile PVOID SeenDevice, SeenContext, SeenIrp;
static volatile KIRQL Irql;
static volatile LONG DpcRan;

static VOID NTAPI OnTick(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    SeenDevice = DeviceObject;
    SeenContext = Context;
    Irql = KeGetCurrentIrql();
    Ticks++;
}

static VOID NTAPI OnSecondTick(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
    SecondTicks++;
}

static VOID NTAPI OnDpc(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Dpc);
    SeenDevice = DeviceObject;
    SeenIrp = Irp;
    SeenContext = Context;
    Irql = KeGetCurrentIrql();
    DpcRan++;
}

static VOID Timers(VOID)
{
    OUTCOME(IoInitializeTimer, "STATUS_SUCCESS", IoInitializeTimer(Device, OnTick, (PVOID)0x31) == STATUS_SUCCESS);
    SleepMs(1500);
    OUTCOME(IoInitializeTimer, "the routine is not called before IoStartTimer", Ticks == 0);
    IoStartTimer(Device);
    SleepMs(3300);
    OUTCOME(IoStartTimer, "the routine is called once per second", Ticks >= 2 && Ticks <= 4);
    OUTCOME(IoInitializeTimer, "the routine gets the device and the context at DISPATCH_LEVEL", SeenDevice == Device && SeenContext == (PVOID)0x31 && Irql == DISPATCH_LEVEL);
    IoInitializeTimer(Second, OnSecondTick, NULL);
    IoStartTimer(Second);
    IoStopTimer(Device);
    LONG ticks = Ticks;
    SleepMs(2200);
    OUTCOME(IoStopTimer, "the routine of the device is not called any more", Ticks == ticks);
    OUTCOME(IoStopTimer, "timers of other devices go on", SecondTicks >= 1);
    IoStartTimer(Device);
    SleepMs(2200);
    OUTCOME(IoStartTimer, "enables a timer again that was stopped", Ticks > ticks);
    IoStopTimer(Device);
    IoStopTimer(Second);
}

static VOID Dpcs(VOID)
{
    KIRQL irql;
    IoInitializeDpcRequest(Device, OnDpc);
    KeRaiseIrql(DISPATCH_LEVEL + 3, &irql);
    IoRequestDpc(Device, (PIRP)0x41, (PVOID)0x42);
    IoRequestDpc(Device, (PIRP)0x43, (PVOID)0x44);
    BOOLEAN later = DpcRan == 0;
    KeLowerIrql(irql);
    KeFlushQueuedDpcs();
    OUTCOME(IoRequestDpc, "queues the device's DPC, whose routine gets the device, the IRP and the context", SeenDevice == Device && SeenIrp == (PIRP)0x41 && SeenContext == (PVOID)0x42 && Irql == DISPATCH_LEVEL);
    OUTCOME(IoRequestDpc, "from a DIRQL the routine runs when the IRQL has fallen", later);
    OUTCOME(IoRequestDpc, "a DPC that is queued already runs once", DpcRan == 1);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject != NULL)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("iotimers");
    IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Second);
    if (KtestCase == 1)
    {
        IoInitializeTimer(Device, OnTick, NULL);
        OUTCOME_BUGCHECK(IoInitializeTimer, "bug check 0xC9 for a device whose timer is initialized already", 0xC9);
        IoInitializeTimer(Device, OnTick, NULL);
    }
    Timers();
    Dpcs();
    KtestDone();
    return STATUS_SUCCESS;
}
