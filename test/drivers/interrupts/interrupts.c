// ktest: cases=4
/*
 * Interrupts of a PCI device: a service routine on its line (case 0) and on its message (case 1), code that is synchronized with it, and its DPC.
 * The edu device interrupts when a register is written, and holds its line until the cause is acknowledged.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../hardware.h"

static struct
{
    HARDWARE *Hw;
    PKINTERRUPT Interrupt;
    volatile LONG Calls, Message;
    KIRQL Irql;
    BOOLEAN LockHeld;
    PVOID Context;
    PKINTERRUPT Passed;
    KSPIN_LOCK *Lock;
    volatile LONG Dpcs;
    KIRQL DpcIrql;
    PVOID DpcContext;
    PDEVICE_OBJECT DpcDevice;
} T;

/* Every service routine of this test: takes the cause from the device and notes how it was called. */
static BOOLEAN Serve(PKINTERRUPT Interrupt, PVOID Context)
{
    ULONG cause = EduRead(T.Hw, EDU_IRQ_STATUS);
    if (!cause)
        return FALSE;
    EduWrite(T.Hw, EDU_IRQ_ACK, cause);
    T.Irql = KeGetCurrentIrql();
    T.LockHeld = T.Lock ? !KeTestSpinLock(T.Lock) : FALSE;
    T.Context = Context;
    T.Passed = Interrupt;
    InterlockedIncrement(&T.Calls);
    return TRUE;
}
static BOOLEAN NTAPI Service(PKINTERRUPT Interrupt, PVOID Context)
{
    return Serve(Interrupt, Context);
}
static BOOLEAN NTAPI MessageService(PKINTERRUPT Interrupt, PVOID Context, ULONG MessageId)
{
    T.Message = (LONG)MessageId;
    return Serve(Interrupt, Context);
}
static BOOLEAN NTAPI NotMine(PKINTERRUPT Interrupt, PVOID Context)
{
    InterlockedIncrement((LONG *)Context);
    return FALSE;
}

/* Makes the device interrupt once; how many service routines took it. */
static LONG Raise(VOID)
{
    LONG before = T.Calls;
    EduWrite(T.Hw, EDU_IRQ_RAISE, 1);
    Sleep(2);
    return T.Calls - before;
}

static NTSTATUS Connect(PKINTERRUPT *Interrupt, PKSERVICE_ROUTINE Routine, PVOID Context, BOOLEAN Share, KAFFINITY Processors)
{
    CM_PARTIAL_RESOURCE_DESCRIPTOR *irq = &T.Hw->Irq;
    return IoConnectInterrupt(Interrupt, Routine, Context, T.Lock, irq->u.Interrupt.Vector, (KIRQL)irq->u.Interrupt.Level,
                              (KIRQL)irq->u.Interrupt.Level, irq->Flags & CM_RESOURCE_INTERRUPT_LATCHED ? Latched : LevelSensitive, Share,
                              Processors, FALSE);
}

static VOID OldForm(VOID)
{
    static KSPIN_LOCK lock;
    PKINTERRUPT first, second;
    LONG others = 0;
    KAFFINITY all = T.Hw->Irq.u.Interrupt.Affinity;

    OUTCOME(IoConnectInterrupt, "STATUS_INVALID_PARAMETER without processors", Connect(&first, Service, &T, TRUE, 0) == STATUS_INVALID_PARAMETER);
    KeInitializeSpinLock(&lock);
    T.Lock = &lock;
    OUTCOME(IoConnectInterrupt, "STATUS_SUCCESS and an interrupt object", NT_SUCCESS(Connect(&first, Service, &T, TRUE, all)) && first);
    OUTCOME(IoConnectInterrupt, "the service routine gets its context", Raise() == 1 && T.Context == &T && T.Passed == first);
    OUTCOME(IoConnectInterrupt, "the service routine runs at the IRQL of the vector", T.Irql == T.Hw->Irq.u.Interrupt.Level);
    OUTCOME(IoConnectInterrupt, "the service routine runs under the driver's spin lock", T.LockHeld);
    /* Service routines that share a line are asked one after the other until one takes the interrupt. */
    OUTCOME(IoConnectInterrupt, "a vector is shared when both allow it", NT_SUCCESS(Connect(&second, NotMine, &others, TRUE, all)));
    OUTCOME(IoDisconnectInterrupt, "the other routines of a shared vector stay connected", (IoDisconnectInterrupt(second), Raise()) == 1);
    OUTCOME(IoConnectInterrupt, "STATUS_INVALID_PARAMETER for a vector that another has and the caller would not share",
            Connect(&second, NotMine, &others, FALSE, all) == STATUS_INVALID_PARAMETER);
    IoDisconnectInterrupt(first);
    OUTCOME(IoDisconnectInterrupt, "the service routine is not called any more", Raise() == 0);
    EduWrite(T.Hw, EDU_IRQ_ACK, ~0u);
    T.Lock = NULL;
    OUTCOME(IoDisconnectInterrupt, "the vector is free for another", NT_SUCCESS(Connect(&first, Service, &T, FALSE, all)) && Raise() == 1);
    IoDisconnectInterrupt(first);
}

static BOOLEAN NTAPI Critical(PVOID Context)
{
    LONG before = T.Calls;
    T.Irql = KeGetCurrentIrql();
    EduWrite(T.Hw, EDU_IRQ_RAISE, 2);
    KeStallExecutionProcessor(50);
    /* The device has interrupted, but its service routine waits for us, on whatever processor. */
    *(BOOLEAN *)Context = T.Calls == before;
    return *(BOOLEAN *)Context;
}
static BOOLEAN NTAPI ReturnsFalse(PVOID Context)
{
    return FALSE;
}

static VOID Synchronized(PKINTERRUPT Interrupt)
{
    BOOLEAN alone = FALSE;
    KIRQL old, inside, level = (KIRQL)T.Hw->Irq.u.Interrupt.Level;
    LONG before = T.Calls;
    BOOLEAN result = KeSynchronizeExecution(Interrupt, Critical, &alone);
    OUTCOME(KeSynchronizeExecution, "the routine runs at SynchronizeIrql", T.Irql == level);
    OUTCOME(KeSynchronizeExecution, "the service routine does not run meanwhile", alone);
    OUTCOME(KeSynchronizeExecution, "returns what the routine returns", result && !KeSynchronizeExecution(Interrupt, ReturnsFalse, NULL));
    OUTCOME(KeSynchronizeExecution, "the IRQL is restored", KeGetCurrentIrql() == PASSIVE_LEVEL);
    Sleep(2);
    CHECK(T.Calls == before + 1);

    old = KeAcquireInterruptSpinLock(Interrupt);
    inside = KeGetCurrentIrql();
    before = T.Calls;
    EduWrite(T.Hw, EDU_IRQ_RAISE, 4);
    KeStallExecutionProcessor(50);
    alone = T.Calls == before;
    KeReleaseInterruptSpinLock(Interrupt, old);
    OUTCOME(KeAcquireInterruptSpinLock, "raises the IRQL to SynchronizeIrql and returns the old one", inside == level && old == PASSIVE_LEVEL);
    OUTCOME(KeAcquireInterruptSpinLock, "the service routine does not run while the lock is held", alone);
    Sleep(2);
    OUTCOME(KeReleaseInterruptSpinLock, "the service routine runs again", T.Calls == before + 1);
    OUTCOME(KeReleaseInterruptSpinLock, "restores the IRQL", KeGetCurrentIrql() == PASSIVE_LEVEL);
}

static VOID Parameters(IO_CONNECT_INTERRUPT_PARAMETERS *p, ULONG Version, PKINTERRUPT *Interrupt)
{
    RtlZeroMemory(p, sizeof *p);
    p->Version = Version;
    p->LineBased.PhysicalDeviceObject = T.Hw->Pdo;
    p->LineBased.InterruptObject = Interrupt;
    p->LineBased.ServiceRoutine = Service;
    p->LineBased.ServiceContext = &T;
}

static VOID Disconnect(ULONG Version, PVOID Context)
{
    IO_DISCONNECT_INTERRUPT_PARAMETERS d;
    d.Version = Version;
    d.ConnectionContext.Generic = Context;
    IoDisconnectInterruptEx(&d);
}

/* IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS has the layout of IO_DISCONNECT_INTERRUPT_PARAMETERS. */
NTKERNELAPI VOID NTAPI IoReportInterruptActive(PVOID Parameters);
NTKERNELAPI VOID NTAPI IoReportInterruptInactive(PVOID Parameters);

static VOID Activity(ULONG Version, PVOID Context, BOOLEAN Message)
{
    IO_DISCONNECT_INTERRUPT_PARAMETERS state;
    state.Version = Version;
    state.ConnectionContext.Generic = Context;
    IoReportInterruptInactive(&state);
    if (Message)
    {
        OUTCOME(IoReportInterruptInactive, "the routine of a message is not called", Raise() == 0);
        EduWrite(T.Hw, EDU_IRQ_ACK, ~0u);
        IoReportInterruptActive(&state);
        OUTCOME(IoReportInterruptActive, "the routine of a message is called again", Raise() == 1);
    }
    else
    {
        OUTCOME(IoReportInterruptInactive, "the routine stays connected and is not called", Raise() == 0);
        /* The line is still asserted: the routine is called as soon as it may be. */
        IoReportInterruptActive(&state);
        Sleep(2);
        OUTCOME(IoReportInterruptActive, "the routine is called again", Raise() == 1);
    }
}

static VOID FullySpecified(VOID)
{
    IO_CONNECT_INTERRUPT_PARAMETERS p;
    PKINTERRUPT interrupt = NULL;
    Parameters(&p, CONNECT_FULLY_SPECIFIED, &interrupt);
    p.FullySpecified.SynchronizeIrql = p.FullySpecified.Irql = (KIRQL)T.Hw->Irq.u.Interrupt.Level;
    p.FullySpecified.Vector = T.Hw->Irq.u.Interrupt.Vector;
    p.FullySpecified.InterruptMode = LevelSensitive;
    p.FullySpecified.ShareVector = TRUE;
    OUTCOME(IoConnectInterruptEx, "STATUS_INVALID_PARAMETER_10 for an empty ProcessorEnableMask", IoConnectInterruptEx(&p) == STATUS_INVALID_PARAMETER_10);
    p.FullySpecified.ProcessorEnableMask = T.Hw->Irq.u.Interrupt.Affinity;
    OUTCOME(IoConnectInterruptEx, "CONNECT_FULLY_SPECIFIED: the vector of the resources", NT_SUCCESS(IoConnectInterruptEx(&p)) && Raise() == 1 && T.Passed == interrupt);
    Synchronized(interrupt);
    Disconnect(CONNECT_FULLY_SPECIFIED, interrupt);
    OUTCOME(IoDisconnectInterruptEx, "the service routine is not called any more", Raise() == 0);
    EduWrite(T.Hw, EDU_IRQ_ACK, ~0u);

    p.Version = CONNECT_FULLY_SPECIFIED_GROUP;
    p.FullySpecified.Group = 0;
    OUTCOME(IoConnectInterruptEx, "CONNECT_FULLY_SPECIFIED_GROUP: with a processor group", NT_SUCCESS(IoConnectInterruptEx(&p)) && Raise() == 1);
    Disconnect(CONNECT_FULLY_SPECIFIED_GROUP, interrupt);
    p.Version = CONNECT_FULLY_SPECIFIED;
    p.FullySpecified.Vector = 0xb9;
    p.FullySpecified.SynchronizeIrql = p.FullySpecified.Irql = 0xb;
    OUTCOME(IoConnectInterruptEx, "STATUS_NOT_FOUND for a vector that no device has", IoConnectInterruptEx(&p) == STATUS_NOT_FOUND);
}

static VOID LineBased(VOID)
{
    IO_CONNECT_INTERRUPT_PARAMETERS p;
    PKINTERRUPT interrupt = NULL;
    Parameters(&p, 77, &interrupt);
    OUTCOME(IoConnectInterruptEx, "STATUS_INVALID_PARAMETER_1 for an unknown version", IoConnectInterruptEx(&p) == STATUS_INVALID_PARAMETER_1);
    Parameters(&p, CONNECT_LINE_BASED, &interrupt);
    p.LineBased.PhysicalDeviceObject = NULL;
    OUTCOME(IoConnectInterruptEx, "STATUS_INVALID_PARAMETER without a device", IoConnectInterruptEx(&p) == STATUS_INVALID_PARAMETER);
    p.LineBased.PhysicalDeviceObject = T.Hw->Self;
    Parameters(&p, CONNECT_LINE_BASED, &interrupt);
    OUTCOME(IoConnectInterruptEx, "CONNECT_LINE_BASED: the line of the device", NT_SUCCESS(IoConnectInterruptEx(&p)) && Raise() == 1);
    CHECK(p.Version == CONNECT_LINE_BASED);
    Activity(CONNECT_LINE_BASED, interrupt, FALSE);
    Disconnect(CONNECT_LINE_BASED, interrupt);

    Parameters(&p, CONNECT_MESSAGE_BASED, &interrupt);
    p.MessageBased.MessageServiceRoutine = MessageService;
    OUTCOME(IoConnectInterruptEx, "STATUS_NOT_FOUND for messages that the device has not, without a fallback routine", IoConnectInterruptEx(&p) == STATUS_NOT_FOUND);
    p.MessageBased.FallBackServiceRoutine = Service;
    OUTCOME(IoConnectInterruptEx, "CONNECT_MESSAGE_BASED: the fallback routine on the line, and Version says so",
            NT_SUCCESS(IoConnectInterruptEx(&p)) && p.Version == CONNECT_LINE_BASED && Raise() == 1);
    Disconnect(p.Version, interrupt);
}

/* A message is a write by the device to an address that the local APICs claim: no line, nothing shared, nothing to find out. */
static VOID MessageBased(VOID)
{
    IO_CONNECT_INTERRUPT_PARAMETERS p;
    PIO_INTERRUPT_MESSAGE_INFO table = NULL;
    PKINTERRUPT interrupt = NULL;
    CHECK(T.Hw->Irq.Flags == (CM_RESOURCE_INTERRUPT_MESSAGE | CM_RESOURCE_INTERRUPT_LATCHED));
    Parameters(&p, CONNECT_MESSAGE_BASED, (PKINTERRUPT *)&table);
    p.MessageBased.MessageServiceRoutine = MessageService;
    p.MessageBased.FallBackServiceRoutine = Service;
    T.Message = -1;
    OUTCOME(IoConnectInterruptEx, "CONNECT_MESSAGE_BASED: the message routine, with the number of the message",
            NT_SUCCESS(IoConnectInterruptEx(&p)) && p.Version == CONNECT_MESSAGE_BASED && Raise() == 1 && T.Message == 0);
    OUTCOME(IoConnectInterruptEx, "CONNECT_MESSAGE_BASED: a table of the messages",
            table->MessageCount == 1 && table->UnifiedIrql == T.Irql && table->MessageInfo[0].InterruptObject == T.Passed &&
                table->MessageInfo[0].Vector == T.Hw->Irq.u.Interrupt.Vector && table->MessageInfo[0].Mode == Latched);
    Activity(CONNECT_MESSAGE_BASED, table, TRUE);
    Disconnect(CONNECT_MESSAGE_BASED, table);
    OUTCOME(IoDisconnectInterruptEx, "the routine of a message is not called any more", Raise() == 0);
    EduWrite(T.Hw, EDU_IRQ_ACK, ~0u);
    Parameters(&p, CONNECT_LINE_BASED, &interrupt);
    OUTCOME(IoConnectInterruptEx, "CONNECT_LINE_BASED: a device with one message gets it", NT_SUCCESS(IoConnectInterruptEx(&p)) && Raise() == 1);
    Disconnect(CONNECT_LINE_BASED, interrupt);
}

static VOID NTAPI DpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    T.DpcIrql = KeGetCurrentIrql();
    T.DpcContext = Context;
    T.DpcDevice = DeviceObject;
    InterlockedIncrement(&T.Dpcs);
}
static BOOLEAN NTAPI ServiceWithDpc(PKINTERRUPT Interrupt, PVOID Context)
{
    if (!Serve(Interrupt, Context))
        return FALSE;
    IoRequestDpc(T.Hw->Self, NULL, (PVOID)&T.Dpcs);
    return TRUE;
}

static VOID WithDpc(VOID)
{
    PKINTERRUPT interrupt;
    IoInitializeDpcRequest(T.Hw->Self, DpcForIsr);
    CHECK(NT_SUCCESS(Connect(&interrupt, ServiceWithDpc, NULL, TRUE, T.Hw->Irq.u.Interrupt.Affinity)));
    CHECK(Raise() == 1);
    OUTCOME(IoInitializeDpcRequest, "IoRequestDpc queues the device's DPC routine", T.Dpcs == 1 && T.DpcDevice == T.Hw->Self && T.DpcContext == (PVOID)&T.Dpcs);
    OUTCOME(IoInitializeDpcRequest, "the routine runs at DISPATCH_LEVEL", T.DpcIrql == DISPATCH_LEVEL);
    IoDisconnectInterrupt(interrupt);
}

/* Who synchronizes with a service routine runs at its SynchronizeIrql at most. */
static VOID AboveSynchronizeIrql(VOID)
{
    PKINTERRUPT interrupt;
    KIRQL old;
    CHECK(NT_SUCCESS(Connect(&interrupt, Serve, NULL, TRUE, T.Hw->Irq.u.Interrupt.Affinity)));
    KeRaiseIrql((KIRQL)T.Hw->Irq.u.Interrupt.Level + 1, &old);
    if (KtestCase == 2)
    {
        OUTCOME_BUGCHECK(KeSynchronizeExecution, "bug check 0xC4 above SynchronizeIrql", 0xC4);
        KeSynchronizeExecution(interrupt, ReturnsFalse, NULL);
    }
    OUTCOME_BUGCHECK(KeAcquireInterruptSpinLock, "bug check 0xC4 above SynchronizeIrql", 0xC4);
    KeAcquireInterruptSpinLock(interrupt);
}

static VOID RunTest(HARDWARE *hw)
{
    T.Hw = hw;
    if (KtestCase > 1)
        AboveSynchronizeIrql();
    if (KtestCase == 1)
        MessageBased();
    else
    {
        OldForm();
        FullySpecified();
        LineBased();
        WithDpc();
    }
    KtestDone();
}

/* What an INF file writes for a device whose driver takes messages. The key is the device's; the driver is loaded before its device starts. */
static VOID AskForMessages(VOID)
{
    static const PCWSTR keys[] = {L"Device Parameters", L"Device Parameters\\Interrupt Management",
                                  L"Device Parameters\\Interrupt Management\\MessageSignaledInterruptProperties"};
    WCHAR path[256];
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    ULONG i, one = 1;
    for (i = 0; i < 3; i++)
    {
        RtlInitEmptyUnicodeString(&name, path, sizeof path);
        RtlAppendUnicodeToString(&name, L"\\Registry\\Machine\\System\\CurrentControlSet\\Enum\\PCI\\VEN_1234&DEV_11E8&SUBSYS_11001AF4&REV_10\\3&0&20\\");
        RtlAppendUnicodeToString(&name, keys[i]);
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
        if (!NT_SUCCESS(ZwCreateKey(&key, KEY_ALL_ACCESS, &attributes, 0, NULL, REG_OPTION_VOLATILE, NULL)))
            continue;
        RtlInitUnicodeString(&name, L"MSISupported");
        if (i == 2)
            ZwSetValueKey(key, &name, 0, REG_DWORD, &one, sizeof one);
        ZwClose(key);
    }
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("interrupts");
    if (KtestCase == 1)
        AskForMessages();
    HardwareDriver(DriverObject);
    return STATUS_SUCCESS;
}
