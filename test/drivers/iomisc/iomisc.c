/* The I/O manager's small routines: device timers, DPCs of devices, questions about threads and requests. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI PVOID NTAPI IoGetInitialStack(VOID);
NTKERNELAPI VOID NTAPI IoGetStackLimits(PULONG_PTR Low, PULONG_PTR High);
NTKERNELAPI PIRP NTAPI IoGetTopLevelIrp(VOID);
NTKERNELAPI VOID NTAPI IoSetTopLevelIrp(PIRP Irp);
NTKERNELAPI PEPROCESS NTAPI IoGetRequestorProcess(PIRP Irp);
NTKERNELAPI ULONG NTAPI IoGetRequestorProcessId(PIRP Irp);
NTKERNELAPI BOOLEAN NTAPI IoIsOperationSynchronous(PIRP Irp);
NTKERNELAPI BOOLEAN NTAPI IoIs32bitProcess(PIRP Irp);

static PDEVICE_OBJECT Device;
static ULONG Ticks, DpcCalls;
static PVOID TickContext, DpcContext;
static KIRQL TickIrql, DpcIrql;
static PIRP DpcIrp;

static VOID NTAPI Tick(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    if (DeviceObject == Device)
        Ticks++;
    TickContext = Context;
    TickIrql = KeGetCurrentIrql();
}

static VOID NTAPI ForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Dpc);
    if (DeviceObject == Device)
        DpcCalls++;
    DpcIrp = Irp;
    DpcContext = Context;
    DpcIrql = KeGetCurrentIrql();
}

static VOID Timers(VOID)
{
    ULONG before;
    OUTCOME(IoInitializeTimer, "STATUS_SUCCESS; the timer does not run yet", IoInitializeTimer(Device, Tick, (PVOID)0x12) == STATUS_SUCCESS && Device->Timer);
    Sleep(1200);
    OUTCOME(IoStartTimer, "the routine is not called before", Ticks == 0);
    IoStartTimer(Device);
    Sleep(2600);
    OUTCOME(IoStartTimer, "the routine is called once a second", Ticks == 2);
    OUTCOME(IoInitializeTimer, "the routine gets device and context at DISPATCH_LEVEL", TickContext == (PVOID)0x12 && TickIrql == DISPATCH_LEVEL);
    IoStopTimer(Device);
    before = Ticks;
    Sleep(2200);
    OUTCOME(IoStopTimer, "the routine is not called any more", Ticks == before);
    IoStartTimer(Device);
    Sleep(1200);
    OUTCOME(IoStopTimer, "the timer can be started again", Ticks == before + 1);
    IoStopTimer(Device);
}

static VOID Dpcs(VOID)
{
    KIRQL irql;
    IRP marker;
    IoInitializeDpcRequest(Device, (PIO_DPC_ROUTINE)ForIsr);
    OUTCOME(IoInitializeDpcRequest, "gives the device object's DPC its routine", Device->Dpc.DeferredRoutine == (PKDEFERRED_ROUTINE)ForIsr && Device->Dpc.DeferredContext == Device);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoRequestDpc(Device, &marker, (PVOID)0x34);
    OUTCOME(IoRequestDpc, "the routine does not run before the IRQL is below DISPATCH_LEVEL", DpcCalls == 0);
    IoRequestDpc(Device, NULL, NULL);
    KeLowerIrql(irql);
    KeFlushQueuedDpcs();
    OUTCOME(IoRequestDpc, "the routine gets device, IRP and context at DISPATCH_LEVEL", DpcCalls >= 1 && DpcIrp == &marker && DpcContext == (PVOID)0x34 && DpcIrql == DISPATCH_LEVEL);
    OUTCOME(IoRequestDpc, "a DPC that is queued already is not queued twice", DpcCalls == 1);
}

static VOID Questions(VOID)
{
    ULONG_PTR low = 0, high = 0, here = (ULONG_PTR)&low;
    PIRP irp = IoAllocateIrp(1, FALSE);
    IoGetStackLimits(&low, &high);
    OUTCOME(IoGetStackLimits, "gives the bounds of the current stack", low < here && here < high && (high & 0xfff) == 0);
    OUTCOME(IoGetInitialStack, "gives the initial stack pointer of the current thread", (ULONG_PTR)IoGetInitialStack() > here && (ULONG_PTR)IoGetInitialStack() <= high);
    OUTCOME(IoGetCurrentProcess, "gives the process of the current thread", IoGetCurrentProcess() == PsInitialSystemProcess);
    OUTCOME(IoGetTopLevelIrp, "NULL when none was set", IoGetTopLevelIrp() == NULL);
    IoSetTopLevelIrp(irp);
    OUTCOME(IoSetTopLevelIrp, "sets the top-level IRP of the current thread", IoGetTopLevelIrp() == irp);
    OUTCOME(IoGetTopLevelIrp, "the IRP that was set", IoGetTopLevelIrp() == irp);
    IoSetTopLevelIrp(NULL);
    OUTCOME(IoGetRequestorProcess, "NULL for an IRP without a thread", IoGetRequestorProcess(irp) == NULL);
    OUTCOME(IoGetRequestorProcessId, "0 for an IRP without a thread", IoGetRequestorProcessId(irp) == 0);
    irp->Tail.Overlay.Thread = PsGetCurrentThread();
    OUTCOME(IoGetRequestorProcess, "the process of the thread that made the request", IoGetRequestorProcess(irp) == PsGetCurrentProcess());
    OUTCOME(IoGetRequestorProcessId, "the id of the process of the thread that made the request", IoGetRequestorProcessId(irp) == (ULONG)(ULONG_PTR)PsGetCurrentProcessId());
    OUTCOME(IoIsOperationSynchronous, "FALSE for a request that nobody waits for", !IoIsOperationSynchronous(irp));
    irp->Flags |= IRP_SYNCHRONOUS_API;
    OUTCOME(IoIsOperationSynchronous, "TRUE for IRP_SYNCHRONOUS_API", IoIsOperationSynchronous(irp));
    OUTCOME(IoIs32bitProcess, "FALSE for a request of a 64-bit process", !IoIs32bitProcess(irp));
    IoFreeIrp(irp);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("iomisc");
    Device = NewDevice(DriverObject, NULL, 0);
    Timers();
    Dpcs();
    Questions();
    KtestDone();
    return STATUS_SUCCESS;
}
