// ktest: cases=3
/*
 * Power: requests go down the stack of a device and end at whoever made them; states are noted; a device that nobody uses is put to sleep.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../bus.h"

NTKERNELAPI VOID NTAPI PoSetDeviceBusyEx(PULONG IdlePointer);
NTKERNELAPI VOID NTAPI PoStartDeviceBusy(PULONG IdlePointer);
NTKERNELAPI VOID NTAPI PoEndDeviceBusy(PULONG IdlePointer);
NTKERNELAPI NTSTATUS NTAPI PoCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp);

/* What the drivers of a device saw of power requests. */
static struct
{
    volatile LONG Function, Lower, Completions;
    UCHAR Minor;
    POWER_STATE_TYPE Type;
    POWER_STATE State;
    KIRQL Irql;
    NTSTATUS Answer, Passed;
    /* The bus driver keeps requests until it is told to let go of them. */
    BOOLEAN Keep, Skip;
    PIRP Kept;
    BOOLEAN StartedNext;
    ULONG SystemStates;
} S;

/* What the requester was told. */
static struct
{
    volatile LONG Calls;
    PDEVICE_OBJECT Device;
    UCHAR Minor;
    POWER_STATE State;
    PVOID Context;
    IO_STATUS_BLOCK Status;
} T;

static VOID NTAPI Requested(PDEVICE_OBJECT DeviceObject, UCHAR MinorFunction, POWER_STATE PowerState, PVOID Context, PIO_STATUS_BLOCK IoStatus)
{
    T.Device = DeviceObject;
    T.Minor = MinorFunction;
    T.State = PowerState;
    T.Context = Context;
    T.Status = *IoStatus;
    InterlockedIncrement(&T.Calls);
}

static NTSTATUS NTAPI PowerDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    InterlockedIncrement(&S.Completions);
    if (Irp->PendingReturned)
        IoMarkIrpPending(Irp);
    return STATUS_SUCCESS;
}

static VOID NTAPI CancelKept(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    S.Kept = NULL;
    BusComplete(Irp, STATUS_CANCELLED);
}

/* The bus driver's end of a power request. */
static NTSTATUS LowerPower(PIRP Irp)
{
    InterlockedIncrement(&S.Lower);
    if (S.Keep)
    {
        IoMarkIrpPending(Irp);
        IoSetCancelRoutine(Irp, CancelKept);
        S.Kept = Irp;
        return STATUS_PENDING;
    }
    return BusComplete(Irp, S.Answer);
}

static VOID LetGo(NTSTATUS Status)
{
    PIRP irp = S.Kept;
    S.Kept = NULL;
    IoSetCancelRoutine(irp, NULL);
    BusComplete(irp, Status);
}

/* The function driver's part: it looks, and passes the request on. */
static NTSTATUS Power(EXTENSION *x, PIRP Irp)
{
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    if (x->Kind == ChildPdo)
        return LowerPower(Irp);
    if (x->Kind == BusFdo)
    {
        IoSkipCurrentIrpStackLocation(Irp);
        return PoCallDriver(x->Lower, Irp);
    }
    S.Minor = sp->MinorFunction;
    S.Irql = KeGetCurrentIrql();
    if (sp->MinorFunction != IRP_MN_WAIT_WAKE)
    {
        S.Type = sp->Parameters.Power.Type;
        S.State = sp->Parameters.Power.State;
        if (S.Type == SystemPowerState)
            S.SystemStates |= 1u << S.State.SystemState;
    }
    InterlockedIncrement(&S.Function);
    PoStartNextPowerIrp(Irp);
    S.StartedNext = IoGetCurrentIrpStackLocation(Irp) == sp && Irp->IoStatus.Status == STATUS_NOT_SUPPORTED;
    if (S.Skip)
        IoSkipCurrentIrpStackLocation(Irp);
    else
    {
        IoCopyCurrentIrpStackLocationToNext(Irp);
        IoSetCompletionRoutine(Irp, PowerDone, NULL, TRUE, TRUE, TRUE);
    }
    return S.Passed = PoCallDriver(x->Lower, Irp);
}

static NTSTATUS Request(CHILD *c, UCHAR Minor, DEVICE_POWER_STATE To)
{
    POWER_STATE state;
    state.SystemState = 0;
    state.DeviceState = To;
    return PoRequestPowerIrp(c->Pdo, Minor, state, Requested, &T, NULL);
}

static VOID Clear(VOID)
{
    RtlZeroMemory(&S, sizeof S);
    RtlZeroMemory(&T, sizeof T);
}

static VOID Requests(CHILD *c)
{
    POWER_STATE state;
    PIRP wake = NULL;
    KIRQL irql;
    NTSTATUS status;
    Clear();
    status = Request(c, IRP_MN_SET_POWER, PowerDeviceD3);
    OUTCOME(PoRequestPowerIrp, "STATUS_PENDING: the IRP has been sent", status == STATUS_PENDING && S.Function == 1 && S.Lower == 1);
    OUTCOME(PoRequestPowerIrp, "the top of the stack gets IRP_MN_SET_POWER with the device power state", S.Minor == IRP_MN_SET_POWER && S.Type == DevicePowerState && S.State.DeviceState == PowerDeviceD3);
    OUTCOME(PoRequestPowerIrp, "PowerCompletion is called with the device, the code, the state, the context and the status", T.Calls == 1 && T.Device == c->Pdo && T.Minor == IRP_MN_SET_POWER && T.State.DeviceState == PowerDeviceD3 && T.Context == &T && T.Status.Status == STATUS_SUCCESS);
    OUTCOME(PoStartNextPowerIrp, "performs nothing: the IRP is still the driver's to pass on", S.StartedNext);
    OUTCOME(PoCallDriver, "the next lower driver's status", S.Passed == STATUS_SUCCESS && S.Completions == 1);

    Clear();
    S.Answer = STATUS_DEVICE_POWER_FAILURE;
    Request(c, IRP_MN_QUERY_POWER, PowerDeviceD2);
    OUTCOME(PoRequestPowerIrp, "IRP_MN_QUERY_POWER that a driver fails: PowerCompletion gets its status", S.Minor == IRP_MN_QUERY_POWER && T.Calls == 1 && T.Status.Status == STATUS_DEVICE_POWER_FAILURE);

    Clear();
    S.Skip = TRUE;
    state.SystemState = 0;
    state.DeviceState = PowerDeviceD0;
    OUTCOME(PoRequestPowerIrp, "without a PowerCompletion routine the IRP is sent all the same", PoRequestPowerIrp(c->Fdo, IRP_MN_SET_POWER, state, NULL, NULL, NULL) == STATUS_PENDING && S.Lower == 1 && T.Calls == 0);
    OUTCOME(PoRequestPowerIrp, "STATUS_INVALID_PARAMETER_2 for another minor code", PoRequestPowerIrp(c->Pdo, IRP_MN_POWER_SEQUENCE, state, Requested, NULL, NULL) == STATUS_INVALID_PARAMETER_2 && T.Calls == 0);

    Clear();
    S.Keep = TRUE;
    state.SystemState = PowerSystemSleeping3;
    status = PoRequestPowerIrp(c->Pdo, IRP_MN_WAIT_WAKE, state, Requested, &T, &wake);
    OUTCOME(PoRequestPowerIrp, "IRP_MN_WAIT_WAKE: the IRP is returned", status == STATUS_PENDING && wake && S.Kept == wake && S.Minor == IRP_MN_WAIT_WAKE);
    OUTCOME(PoCallDriver, "STATUS_PENDING when the lower driver keeps the IRP", S.Passed == STATUS_PENDING);
    OUTCOME(PoRequestPowerIrp, "IRP_MN_WAIT_WAKE can be cancelled by the IRP that was returned", IoCancelIrp(wake) && T.Calls == 1 && T.Status.Status == STATUS_CANCELLED && T.State.SystemState == PowerSystemSleeping3);

    Clear();
    S.Keep = TRUE;
    Request(c, IRP_MN_SET_POWER, PowerDeviceD3);
    status = Request(c, IRP_MN_SET_POWER, PowerDeviceD0);
    OUTCOME(PoRequestPowerIrp, "a second IRP_MN_SET_POWER of the device waits until the first is done", status == STATUS_PENDING && S.Function == 1);
    S.Keep = FALSE;
    LetGo(STATUS_SUCCESS);
    Sleep(5);
    CHECK(S.Function == 2 && S.State.DeviceState == PowerDeviceD0 && T.Calls == 2);

    Clear();
    S.Irql = HIGH_LEVEL;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    status = Request(c, IRP_MN_SET_POWER, PowerDeviceD0);
    KeLowerIrql(irql);
    Sleep(5);
    OUTCOME(PoRequestPowerIrp, "at DISPATCH_LEVEL: drivers with DO_POWER_PAGABLE get the IRP at PASSIVE_LEVEL", status == STATUS_PENDING && T.Calls == 1 && S.Irql == PASSIVE_LEVEL);
    c->Fdo->Flags &= ~DO_POWER_PAGABLE;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    status = Request(c, IRP_MN_SET_POWER, PowerDeviceD0);
    KeLowerIrql(irql);
    Sleep(5);
    OUTCOME(PoCallDriver, "may be called at DISPATCH_LEVEL by a driver without DO_POWER_PAGABLE", T.Calls == 2 && S.Irql == DISPATCH_LEVEL);
    c->Fdo->Flags |= DO_POWER_PAGABLE;
}

/* Only one device that draws a lot when it is turned on is turned on at a time. */
static VOID Inrush(CHILD *a, CHILD *b)
{
    Clear();
    a->Fdo->Flags = (a->Fdo->Flags & ~DO_POWER_PAGABLE) | DO_POWER_INRUSH;
    b->Fdo->Flags = (b->Fdo->Flags & ~DO_POWER_PAGABLE) | DO_POWER_INRUSH;
    S.Keep = TRUE;
    Request(a, IRP_MN_SET_POWER, PowerDeviceD0);
    Request(b, IRP_MN_SET_POWER, PowerDeviceD0);
    OUTCOME(PoRequestPowerIrp, "DO_POWER_INRUSH: the power-up of another such device waits", S.Function == 1 && S.Lower == 1);
    S.Keep = FALSE;
    LetGo(STATUS_SUCCESS);
    Sleep(5);
    CHECK(S.Function == 2 && T.Calls == 2);
    a->Fdo->Flags = (a->Fdo->Flags & ~DO_POWER_INRUSH) | DO_POWER_PAGABLE;
    b->Fdo->Flags = (b->Fdo->Flags & ~DO_POWER_INRUSH) | DO_POWER_PAGABLE;
}

/* A request when the nonpaged pool is used up. */
static VOID Shortage(CHILD *c)
{
    SINGLE_LIST_ENTRY list = {NULL};
    SIZE_T size;
    NTSTATUS status;
    Clear();
    for (size = 0x100000; size >= 0x20; size /= 2)
    {
        PSINGLE_LIST_ENTRY block;
        while ((block = ExAllocatePoolWithTag(NonPagedPool, size, 'roPK')) != NULL)
            PushEntryList(&list, block);
    }
    status = Request(c, IRP_MN_SET_POWER, PowerDeviceD0);
    while (list.Next)
        ExFreePool(PopEntryList(&list));
    OUTCOME(PoRequestPowerIrp, "STATUS_INSUFFICIENT_RESOURCES without memory for the IRP, and PowerCompletion is not called", status == STATUS_INSUFFICIENT_RESOURCES && T.Calls == 0 && S.Function == 0);
}

static VOID States(CHILD *c)
{
    POWER_STATE state, old;
    KIRQL irql;
    state.DeviceState = PowerDeviceD3;
    PoSetPowerState(c->Fdo, DevicePowerState, state);
    state.DeviceState = PowerDeviceD1;
    old = PoSetPowerState(c->Fdo, DevicePowerState, state);
    OUTCOME(PoSetPowerState, "returns the state before", old.DeviceState == PowerDeviceD3);
    state.DeviceState = PowerDeviceD2;
    OUTCOME(PoSetPowerState, "each device object of a stack has a state of its own", PoSetPowerState(c->Pdo, DevicePowerState, state).DeviceState == PowerDeviceD0);
    state.DeviceState = PowerDeviceD0;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    old = PoSetPowerState(c->Fdo, DevicePowerState, state);
    KeLowerIrql(irql);
    OUTCOME(PoSetPowerState, "D0 may be set at DISPATCH_LEVEL", old.DeviceState == PowerDeviceD1);
    PoSetPowerState(c->Pdo, DevicePowerState, state);
}

static VOID Idle(CHILD *c, CHILD *other)
{
    PULONG counter, again;
    POWER_STATE state;
    KIRQL irql;
    Clear();
    OUTCOME(PoRegisterDeviceForIdleDetection, "a pointer to the idle counter", (counter = PoRegisterDeviceForIdleDetection(c->Fdo, 1, 2, PowerDeviceD3)) != NULL);
    Sleep(3500);
    OUTCOME(PoRegisterDeviceForIdleDetection, "after the time of the performance policy the stack gets IRP_MN_SET_POWER with the state", S.Function == 1 && S.Minor == IRP_MN_SET_POWER && S.Type == DevicePowerState && S.State.DeviceState == PowerDeviceD3);
    OUTCOME(PoRegisterDeviceForIdleDetection, "the request comes once for each time that the device becomes idle", S.Lower == 1 && (Sleep(3000), S.Lower == 1));

    Clear();
    *counter = 0;
    Sleep(1100);
    PoSetDeviceBusyEx(counter);
    Sleep(1100);
    PoSetDeviceBusyEx(counter);
    Sleep(1100);
    OUTCOME(PoSetDeviceBusyEx, "the idle time starts anew", S.Function == 0);
    PoSetDeviceBusy(counter);
    Sleep(1100);
    OUTCOME(PoSetDeviceBusy, "the idle time starts anew", S.Function == 0 && (Sleep(2000), S.Function == 1));

    Clear();
    PoStartDeviceBusy(counter);
    PoStartDeviceBusy(counter);
    Sleep(4000);
    OUTCOME(PoStartDeviceBusy, "the idle time is not counted", S.Function == 0);
    PoEndDeviceBusy(counter);
    Sleep(3000);
    OUTCOME(PoEndDeviceBusy, "as long as another PoStartDeviceBusy is outstanding nothing is counted", S.Function == 0);
    /* An interrupt service routine says that its device is used: all three may be called at any IRQL. */
    KeRaiseIrql(HIGH_LEVEL, &irql);
    PoStartDeviceBusy(counter);
    PoSetDeviceBusyEx(counter);
    PoEndDeviceBusy(counter);
    KeLowerIrql(irql);
    Sleep(3000);
    OUTCOME(PoStartDeviceBusy, "may be called at any IRQL", S.Function == 0);
    OUTCOME(PoSetDeviceBusyEx, "may be called at any IRQL", S.Function == 0);
    OUTCOME(PoEndDeviceBusy, "may be called at any IRQL", S.Function == 0);
    PoEndDeviceBusy(counter);
    OUTCOME(PoEndDeviceBusy, "with the last the idle time starts anew", S.Function == 0 && (Sleep(3500), S.Function == 1));

    Clear();
    state.DeviceState = PowerDeviceD3;
    PoSetPowerState(c->Fdo, DevicePowerState, state);
    PoSetDeviceBusyEx(counter);
    Sleep(3500);
    OUTCOME(PoSetDeviceBusyEx, "a device that sleeps is left as it is", S.Function == 0);
    state.DeviceState = PowerDeviceD0;
    PoSetPowerState(c->Fdo, DevicePowerState, state);

    Clear();
    again = PoRegisterDeviceForIdleDetection(c->Fdo, 5, 5, PowerDeviceD2);
    Sleep(3500);
    OUTCOME(PoRegisterDeviceForIdleDetection, "another call changes time and state; the counter is the same", again == counter && S.Function == 0 && (Sleep(3000), S.Function == 1 && S.State.DeviceState == PowerDeviceD2));
    Clear();
    OUTCOME(PoRegisterDeviceForIdleDetection, "NULL for both times zero, which ends the detection", PoRegisterDeviceForIdleDetection(c->Fdo, 0, 0, PowerDeviceD3) == NULL);
    *counter = 0;
    Sleep(7000);
    CHECK(S.Function == 0);
    OUTCOME(PoRegisterDeviceForIdleDetection, "a performance time of zero: the device is never idle under that policy", PoRegisterDeviceForIdleDetection(c->Fdo, 1, 0, PowerDeviceD3) != NULL && (Sleep(3000), S.Function == 0));
    PoRegisterDeviceForIdleDetection(c->Fdo, 0, 0, PowerDeviceD3);
    OUTCOME(PoRegisterDeviceForIdleDetection, "NULL for the standard times (-1) of a device that is no disk", PoRegisterDeviceForIdleDetection(c->Fdo, (ULONG)-1, (ULONG)-1, PowerDeviceD3) == NULL);
    other->Fdo->DeviceType = FILE_DEVICE_MASS_STORAGE;
    OUTCOME(PoRegisterDeviceForIdleDetection, "a counter for the standard times (-1) of a mass storage device", PoRegisterDeviceForIdleDetection(other->Fdo, (ULONG)-1, (ULONG)-1, PowerDeviceD3) != NULL);
    /* It is removed with its detection on. */
    Unplug(other);
    Rescan();
}

static VOID RunTest(VOID)
{
    CHILD *a = Plug(0, L"A"), *b = Plug(1, L"B");
    a->Function = b->Function = TRUE;
    Bus.Power = Power;
    Rescan();
    if (KtestCase == 0)
    {
        Requests(a);
        Inrush(a, b);
        Shortage(a);
        States(a);
    }
    else if (KtestCase == 1)
        Idle(a, b);
    else
    {
        /* The machine is shut down from outside. */
        Clear();
        Sleep(200);
        OUTCOME(PoCallDriver, "a system power request at shutdown reaches the bus driver through the stack", (S.SystemStates & (1 << PowerSystemShutdown)) && S.Lower == 2 && S.Passed == STATUS_SUCCESS);
    }
    KtestDone();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("power");
    BusDriver(DriverObject, RegistryPath);
    return STATUS_SUCCESS;
}
