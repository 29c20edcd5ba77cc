/*
 * The rules that the verifier checks, each broken in the smallest way that there is. A case about memory, locks or objects is a routine without arguments;
 * a case about IRPs gets the IRP.
 */

/* Every call shall have its return address on the stack, so that the reports name these routines. */
#pragma GCC optimize("no-optimize-sibling-calls")

#define TAG 'hsrC'
static volatile UCHAR *volatile Block;   /* volatile: the compiler is not to see what is done to it */
static PDEVICE_OBJECT Device;

/* ---- pool ---- */

static UCHAR *Allocate(SIZE_T bytes)
{
    Block = ExAllocatePoolWithTag(NonPagedPool, bytes, TAG);
    return (UCHAR *)Block;
}

static VOID PoolOverrun(VOID)
{
    UCHAR *p = Allocate(0x40);
    Block[0x40] = 1;            /* one byte too far */
    ExFreePoolWithTag(p, TAG);
}

static VOID PoolUnderrun(VOID)
{
    UCHAR *p = Allocate(0x40);
    Block[-1] = 1;
    ExFreePoolWithTag(p, TAG);
}

static VOID PoolUseAfterFree(VOID)
{
    ExFreePoolWithTag(Allocate(0x40), TAG);
    Block[8] = 1;
}

static VOID PoolWrongTag(VOID)
{
    ExFreePoolWithTag(Allocate(0x40), 'golB');
}

static VOID PoolLeak(VOID)
{
    Allocate(0x40);             /* the stop comes when the driver is unloaded */
}

static VOID PoolAtDispatch(VOID)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    Block = ExAllocatePoolWithTag(PagedPool, 0x40, TAG);
    KeLowerIrql(irql);
}

static VOID PagedAtDispatch(VOID)
{
    KIRQL irql;
    Block = ExAllocatePoolWithTag(PagedPool, 0x40, TAG);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    Block[0] = 1;
    KeLowerIrql(irql);
}

/* ---- things in memory that is freed ---- */

static VOID NTAPI NoDpc(PKDPC Dpc, PVOID Context, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
}

static VOID NTAPI NoWork(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
}

static VOID TimerFreed(VOID)
{
    PKTIMER timer = (PKTIMER)Allocate(sizeof(KTIMER));
    LARGE_INTEGER due;
    due.QuadPart = -10 * 1000 * 1000;
    KeInitializeTimer(timer);
    KeSetTimer(timer, due, NULL);
    ExFreePoolWithTag(timer, TAG);
}

static VOID DpcFreed(VOID)
{
    PKDPC dpc = (PKDPC)Allocate(sizeof(KDPC));
    KIRQL irql;
    KeInitializeDpc(dpc, NoDpc, NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInsertQueueDpc(dpc, NULL, NULL);
    ExFreePoolWithTag(dpc, TAG);
    KeLowerIrql(irql);
}

/* On several processors a worker thread may begin the work before it is freed, which is allowed: a DPC on each of the others keeps every thread from running. */
static KDPC Stop[32];
static volatile LONG Standing, GoOn;

static VOID NTAPI StandStill(PKDPC Dpc, PVOID Context, PVOID One, PVOID Two)
{
    NoDpc(Dpc, Context, One, Two);
    InterlockedIncrement(&Standing);
    while (!GoOn)
        YieldProcessor();
}

static VOID StopOthers(VOID)
{
    LONG own = (LONG)KeGetCurrentProcessorNumberEx(NULL), count = (LONG)KeQueryActiveProcessorCount(NULL), n;
    for (n = 0; n < count; n++) {
        if (n == own)
            continue;
        KeInitializeDpc(&Stop[n], StandStill, NULL);
        KeSetTargetProcessorDpc(&Stop[n], (CCHAR)n);
        KeSetImportanceDpc(&Stop[n], HighImportance);
        KeInsertQueueDpc(&Stop[n], NULL, NULL);
    }
    while (Standing < count - 1)
        YieldProcessor();
}

static VOID WorkItemFreed(VOID)
{
    PWORK_QUEUE_ITEM item = (PWORK_QUEUE_ITEM)Allocate(sizeof(WORK_QUEUE_ITEM));
    KIRQL irql;
    ExInitializeWorkItem(item, NoWork, NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    StopOthers();
    ExQueueWorkItem(item, DelayedWorkQueue);
    ExFreePoolWithTag(item, TAG);
    GoOn = TRUE;
    KeLowerIrql(irql);
}

static VOID ResourceFreed(VOID)
{
    PERESOURCE resource = (PERESOURCE)Allocate(sizeof(ERESOURCE));
    ExInitializeResourceLite(resource);
    ExFreePoolWithTag(resource, TAG);
}

static VOID FreedLookaside(VOID)
{
    PNPAGED_LOOKASIDE_LIST list = (PNPAGED_LOOKASIDE_LIST)Allocate(sizeof(NPAGED_LOOKASIDE_LIST));
    ExInitializeNPagedLookasideList(list, NULL, NULL, 0, 0x20, TAG, 0);
    ExFreePoolWithTag(list, TAG);
}

/* ---- locks and IRQL ---- */

static KSPIN_LOCK LockA, LockB;
static FAST_MUTEX Mutex;
static KGUARDED_MUTEX Guarded;

static VOID SpinLockOrder(VOID)
{
    KIRQL irql;
    KeAcquireSpinLock(&LockA, &irql);
    KeAcquireSpinLockAtDpcLevel(&LockB);
    KeReleaseSpinLockFromDpcLevel(&LockB);
    KeReleaseSpinLock(&LockA, irql);
    KeAcquireSpinLock(&LockB, &irql);
    KeAcquireSpinLockAtDpcLevel(&LockA);    /* the other way round: two processors could now wait for each other */
    KeReleaseSpinLockFromDpcLevel(&LockA);
    KeReleaseSpinLock(&LockB, irql);
}

static VOID SpinLockTwice(VOID)
{
    KIRQL irql;
    KeAcquireSpinLock(&LockA, &irql);
    KeAcquireSpinLockAtDpcLevel(&LockA);
}

static VOID SpinLockNotHeld(VOID)
{
    KIRQL irql;
    KeAcquireSpinLock(&LockA, &irql);
    KeReleaseSpinLockFromDpcLevel(&LockB);
    KeReleaseSpinLock(&LockA, irql);
}

static VOID SpinLockReleasedLow(VOID)
{
    KIRQL irql;
    KeAcquireSpinLock(&LockA, &irql);
    KeLowerIrql(irql);
    KeReleaseSpinLock(&LockA, irql);
}

static VOID SpinLockFreed(VOID)
{
    PKSPIN_LOCK lock = (PKSPIN_LOCK)Allocate(sizeof(KSPIN_LOCK));
    KIRQL irql;
    KeInitializeSpinLock(lock);
    KeAcquireSpinLock(lock, &irql);
    ExFreePoolWithTag(lock, TAG);
}

static VOID MutexAtDispatch(VOID)
{
    KIRQL irql;
    ExInitializeFastMutex(&Mutex);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ExAcquireFastMutex(&Mutex);
}

static VOID MutexTwice(VOID)
{
    ExInitializeFastMutex(&Mutex);
    ExAcquireFastMutex(&Mutex);
    ExAcquireFastMutex(&Mutex);
}

/* The headers write CR8 themselves; the kernel's routines look at what they are asked. */
typedef KIRQL (NTAPI *SETIRQL)(KIRQL);
static SETIRQL IrqlRoutine(PCWSTR name)
{
    UNICODE_STRING n;
    RtlInitUnicodeString(&n, name);
    return (SETIRQL)(ULONG_PTR)MmGetSystemRoutineAddress(&n);
}

static VOID IrqlRaiseThatLowers(VOID)
{
    SETIRQL raise = IrqlRoutine(L"KfRaiseIrql");
    raise(DISPATCH_LEVEL);
    raise(APC_LEVEL);
}

static VOID IrqlLowerThatRaises(VOID)
{
    IrqlRoutine(L"KeLowerIrql")(DISPATCH_LEVEL);
}

static VOID WaitAtDispatch(VOID)
{
    KEVENT event;
    KIRQL irql;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
}

static VOID SystemServiceAtDispatch(VOID)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ZwClose((HANDLE)0x1234);
}

static VOID RegionKept(VOID)
{
    KeEnterCriticalRegion();    /* and the dispatch routine returns */
}

static VOID RegionNotEntered(VOID)
{
    KeLeaveCriticalRegion();
}

/* ---- threads ---- */

static VOID RunThread(PKSTART_ROUTINE Routine)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID thread;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, Routine, NULL)))
        return;
    if (NT_SUCCESS(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL))) {
        KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(thread);
    }
    ZwClose(handle);
}

static VOID NTAPI EndsWithLock(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeInitializeGuardedMutex(&Guarded);
    KeAcquireGuardedMutex(&Guarded);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID ThreadEndsWithLock(VOID)
{
    RunThread(EndsWithLock);
}

static VOID NTAPI EndsInRegion(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeEnterCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID ThreadEndsInRegion(VOID)
{
    RunThread(EndsInRegion);
}

static VOID NTAPI Sleeps(PVOID Context)
{
    LARGE_INTEGER hour;
    UNREFERENCED_PARAMETER(Context);
    hour.QuadPart = -36000000000ll;
    KeDelayExecutionThread(KernelMode, FALSE, &hour);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID ThreadAtUnload(VOID)
{
    HANDLE handle;
    if (NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Sleeps, NULL)))
        ZwClose(handle);
}

static __attribute__((noinline)) ULONG Recursion(volatile UCHAR *above)
{
    volatile UCHAR frame[512];
    frame[0] = above[0];
    if (frame[0])
        return 0;               /* never */
    return Recursion(frame) + frame[0];
}

static VOID StackOverflow(VOID)
{
    volatile UCHAR first[1] = {0};
    Zero = Recursion(first);
}

/* ---- objects ---- */

NTSTATUS NTAPI ZwCreateEvent(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, EVENT_TYPE, BOOLEAN);

static VOID DereferencedTooOften(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID event;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &attributes, NotificationEvent, FALSE)))
        return;
    ObReferenceObjectByHandle(handle, EVENT_ALL_ACCESS, NULL, KernelMode, &event, NULL);
    ObDereferenceObject(event);
    ObDereferenceObject(event);     /* that was the handle's */
    ObDereferenceObject(event);
}

static VOID NullHandle(VOID)
{
    PVOID object;
    ObReferenceObjectByHandle(NULL, EVENT_ALL_ACCESS, NULL, KernelMode, &object, NULL);
}

/* ---- MDLs and DMA ---- */

static PMDL MdlOf(SIZE_T bytes)
{
    Block = ExAllocatePoolWithTag(PagedPool, bytes, TAG);
    return IoAllocateMdl((PVOID)Block, (ULONG)bytes, FALSE, FALSE, NULL);
}

static VOID MdlLockedTwice(VOID)
{
    PMDL mdl = MdlOf(0x100);
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
}

static VOID MdlUnlockedTwice(VOID)
{
    PMDL mdl = MdlOf(0x100);
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    MmUnlockPages(mdl);
    MmUnlockPages(mdl);
}

static VOID MdlFreedLocked(VOID)
{
    PMDL mdl = MdlOf(0x100);
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    IoFreeMdl(mdl);
}

static PDMA_ADAPTER Adapter(VOID)
{
    DEVICE_DESCRIPTION description;
    ULONG registers;
    RtlZeroMemory(&description, sizeof description);
    description.Version = DEVICE_DESCRIPTION_VERSION;
    description.Master = TRUE;
    description.ScatterGather = TRUE;
    description.Dma32BitAddresses = TRUE;
    description.InterfaceType = PCIBus;
    description.MaximumLength = 0x1000;
    return IoGetDmaAdapter(NULL, &description, &registers);
}

static VOID CommonBufferFreedTwice(VOID)
{
    PDMA_ADAPTER adapter = Adapter();
    PHYSICAL_ADDRESS logical;
    PVOID buffer = adapter->DmaOperations->AllocateCommonBuffer(adapter, 0x1000, &logical, TRUE);
    adapter->DmaOperations->FreeCommonBuffer(adapter, 0x1000, logical, buffer, TRUE);
    adapter->DmaOperations->FreeCommonBuffer(adapter, 0x1000, logical, buffer, TRUE);
}

static VOID CommonBufferLeft(VOID)
{
    PDMA_ADAPTER adapter = Adapter();
    PHYSICAL_ADDRESS logical;
    adapter->DmaOperations->AllocateCommonBuffer(adapter, 0x1000, &logical, TRUE);
    adapter->DmaOperations->PutDmaAdapter(adapter);
}

static VOID AdapterGone(VOID)
{
    PDMA_ADAPTER adapter = Adapter();
    DMA_OPERATIONS operations = *adapter->DmaOperations;
    PHYSICAL_ADDRESS logical;
    operations.PutDmaAdapter(adapter);
    operations.AllocateCommonBuffer(adapter, 0x1000, &logical, TRUE);
}

/* ---- IRPs ---- */

static VOID NTAPI NeverCancelled(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
}

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS CompletedCancelable(PIRP Irp)
{
    IoSetCancelRoutine(Irp, NeverCancelled);
    return Complete(Irp, STATUS_SUCCESS);
}

static NTSTATUS CompletedAsPending(PIRP Irp)
{
    return Complete(Irp, STATUS_PENDING);
}

static NTSTATUS PendingNotMarked(PIRP Irp)
{
    UNREFERENCED_PARAMETER(Irp);
    return STATUS_PENDING;
}

static NTSTATUS MarkedNotPending(PIRP Irp)
{
    IoMarkIrpPending(Irp);
    return Complete(Irp, STATUS_SUCCESS);
}

static NTSTATUS IrpLost(PIRP Irp)
{
    UNREFERENCED_PARAMETER(Irp);
    return STATUS_SUCCESS;
}

static NTSTATUS TwoStatuses(PIRP Irp)
{
    Complete(Irp, STATUS_UNSUCCESSFUL);
    return STATUS_SUCCESS;
}

static NTSTATUS CompletedAboveDispatch(PIRP Irp)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL + 1, &irql);
    return Complete(Irp, STATUS_SUCCESS);
}

/* An IRP of the driver's own to itself: IRP_MJ_INTERNAL_DEVICE_CONTROL with a code that says what is to go wrong. */
static PIRP OwnIrp(ULONG code)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);
    next->MajorFunction = IRP_MJ_INTERNAL_DEVICE_CONTROL;
    next->Parameters.DeviceIoControl.IoControlCode = code;
    return irp;
}
#define SEND_ON 1
#define FINISH 2

static NTSTATUS NTAPI CrashInternal(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    if (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode == SEND_ON)
        return IoCallDriver(DeviceObject, Irp);     /* it has one stack location, and this is it */
    return Complete(Irp, STATUS_SUCCESS);
}

static NTSTATUS NoLocationLeft(PIRP Irp)
{
    UNREFERENCED_PARAMETER(Irp);
    return IoCallDriver(Device, OwnIrp(SEND_ON));
}

static NTSTATUS NTAPI RaisesIrql(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS CompletionAtRaisedIrql(PIRP Irp)
{
    PIRP own = OwnIrp(FINISH);
    UNREFERENCED_PARAMETER(Irp);
    IoSetCompletionRoutine(own, RaisesIrql, NULL, TRUE, TRUE, TRUE);
    return IoCallDriver(Device, own);
}

static NTSTATUS SentCancelable(PIRP Irp)
{
    PIRP own = OwnIrp(FINISH);
    UNREFERENCED_PARAMETER(Irp);
    IoSetCancelRoutine(own, NeverCancelled);
    return IoCallDriver(Device, own);
}

static NTSTATUS IrpFreedTwice(PIRP Irp)
{
    PIRP own = OwnIrp(FINISH);
    IoFreeIrp(own);
    IoFreeIrp(own);
    return Complete(Irp, STATUS_SUCCESS);
}

static NTSTATUS IrpFreedAsPool(PIRP Irp)
{
    ExFreePool(OwnIrp(FINISH));
    return Complete(Irp, STATUS_SUCCESS);
}

static NTSTATUS IrpTouched(PIRP Irp)
{
    PIRP own = OwnIrp(FINISH);
    IoFreeIrp(own);
    own->IoStatus.Information = 1;
    return Complete(Irp, STATUS_SUCCESS);
}

/* ---- mutexes and the cancel spin lock ---- */

static KMUTEX First, Second;
#define ACQUIRE(mutex) KeWaitForSingleObject(&(mutex), Executive, KernelMode, FALSE, NULL)

static VOID MutexOrder(VOID)
{
    KeInitializeMutex(&First, 0);
    KeInitializeMutex(&Second, 0);
    ACQUIRE(First);
    ACQUIRE(Second);
    KeReleaseMutex(&Second, FALSE);
    KeReleaseMutex(&First, FALSE);
    ACQUIRE(Second);
    ACQUIRE(First);
}

static VOID CancelLockOrder(VOID)
{
    KIRQL irql, cancelIrql;
    KeAcquireSpinLock(&LockA, &irql);
    IoAcquireCancelSpinLock(&cancelIrql);
    IoReleaseCancelSpinLock(cancelIrql);
    KeReleaseSpinLock(&LockA, irql);
    IoAcquireCancelSpinLock(&cancelIrql);
    KeAcquireSpinLockAtDpcLevel(&LockA);    /* as a cancel routine would that takes the lock of the driver's queue */
}

/* ---- handles ---- */

static HANDLE Event(ULONG attributes)
{
    OBJECT_ATTRIBUTES a;
    HANDLE handle = NULL;
    InitializeObjectAttributes(&a, NULL, attributes, NULL, NULL);
    ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE);
    return handle;
}

static VOID HandleClosedTwice(VOID)
{
    HANDLE handle = Event(OBJ_KERNEL_HANDLE);
    ZwClose(handle);
    ZwClose(handle);
}

static VOID UserHandle(VOID)
{
    PVOID object;
    HANDLE handle = Event(0);   /* it belongs to the process whose request this is: that could have closed it, and opened another object */
    ObReferenceObjectByHandle(handle, EVENT_ALL_ACCESS, NULL, KernelMode, &object, NULL);
}

/* ---- what is left when the driver is unloaded ---- */

static VOID TimerAtUnload(VOID)
{
    struct { KTIMER timer; KDPC dpc; } *p = (PVOID)Allocate(sizeof *p);
    LARGE_INTEGER hour;
    hour.QuadPart = -36000000000ll;
    KeInitializeTimer(&p->timer);
    KeInitializeDpc(&p->dpc, NoDpc, NULL);
    KeSetTimer(&p->timer, hour, &p->dpc);
}

static VOID NTAPI ThreadNotify(HANDLE Process, HANDLE Thread, BOOLEAN Create)
{
    UNREFERENCED_PARAMETER(Process);
    UNREFERENCED_PARAMETER(Thread);
    UNREFERENCED_PARAMETER(Create);
}

static VOID NotifyAtUnload(VOID)
{
    PsSetCreateThreadNotifyRoutine(ThreadNotify);
}

static PDEVICE_OBJECT AnotherDevice(VOID)
{
    PDEVICE_OBJECT device = NULL;
    IoCreateDevice(Device->DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    return device;
}

static VOID DeviceAtUnload(VOID)
{
    AnotherDevice();
}

static VOID NameAtUnload(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Crash"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\CrashToo");
    IoCreateSymbolicLink(&link, &name);
}

/* ---- device objects ---- */

static VOID DeviceDeletedTwice(VOID)
{
    PDEVICE_OBJECT device = AnotherDevice();
    ObReferenceObject(device);
    IoDeleteDevice(device);
    IoDeleteDevice(device);
}

static VOID DeletedAttached(VOID)
{
    PDEVICE_OBJECT device = AnotherDevice();
    IoAttachDeviceToDeviceStack(device, Device);
    IoDeleteDevice(device);
}

static VOID DetachedTwice(VOID)
{
    PDEVICE_OBJECT below = IoAttachDeviceToDeviceStack(AnotherDevice(), Device);
    IoDetachDevice(below);
    IoDetachDevice(below);
}

/* ---- remove locks ---- */

static IO_REMOVE_LOCK RemoveLock;

static VOID RemoveLockOtherTag(VOID)
{
    IoInitializeRemoveLock(&RemoveLock, TAG, 0, 0);
    IoAcquireRemoveLock(&RemoveLock, (PVOID)1);
    IoReleaseRemoveLock(&RemoveLock, (PVOID)2);
}

static VOID RemovedWithOtherTag(VOID)
{
    IoInitializeRemoveLock(&RemoveLock, TAG, 0, 0);
    IoAcquireRemoveLock(&RemoveLock, (PVOID)1);
    IoReleaseRemoveLockAndWait(&RemoveLock, (PVOID)2);
}

/* ---- interrupts: the real-time clock's line, IRQ 8 ---- */

ULONG NTAPI HalGetInterruptVector(INTERFACE_TYPE, ULONG, ULONG, ULONG, PKIRQL, PKAFFINITY);

static UCHAR ClockRegister(UCHAR index)
{
    __outbyte(0x70, index);
    return __inbyte(0x71);
}

static BOOLEAN NTAPI RaisesInIsr(PKINTERRUPT Interrupt, PVOID Context)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(Interrupt);
    UNREFERENCED_PARAMETER(Context);
    ClockRegister(0x0C);                 /* takes the cause away */
    KeRaiseIrql(HIGH_LEVEL, &irql);
    return TRUE;
}

static VOID IsrRaisesIrql(VOID)
{
    PKINTERRUPT interrupt;
    KAFFINITY affinity;
    KIRQL irql;
    LARGE_INTEGER second;
    UCHAR b;
    ULONG vector = HalGetInterruptVector(Isa, 0, 8, 8, &irql, &affinity);
    if (!NT_SUCCESS(IoConnectInterrupt(&interrupt, RaisesInIsr, NULL, NULL, vector, irql, irql, Latched, FALSE, affinity, FALSE)))
        return;
    b = ClockRegister(0x0B);
    ClockRegister(0x0C);
    __outbyte(0x70, 0x0B);
    __outbyte(0x71, b | 0x40);  /* periodic interrupts */
    second.QuadPart = -10000000;
    KeDelayExecutionThread(KernelMode, FALSE, &second);
}

/* ---- DMA: lists and map registers ---- */

static PSCATTER_GATHER_LIST List;
static PVOID Registers;

static VOID NTAPI SgListReady(PDEVICE_OBJECT DeviceObject, PIRP Irp, PSCATTER_GATHER_LIST ScatterGather, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    List = ScatterGather;
}

static IO_ALLOCATION_ACTION NTAPI ChannelReady(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID MapRegisterBase, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    Registers = MapRegisterBase;
    return DeallocateObjectKeepRegisters;
}

/* A list of a page of nonpaged pool; the IRQL is DISPATCH_LEVEL afterwards. */
static VOID GetList(PDMA_ADAPTER adapter, PKIRQL irql)
{
    PVOID buffer = Allocate(0x1000);
    PMDL mdl = IoAllocateMdl(buffer, 0x1000, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    KeRaiseIrql(DISPATCH_LEVEL, irql);
    adapter->DmaOperations->GetScatterGatherList(adapter, Device, mdl, buffer, 0x1000, SgListReady, NULL, TRUE);
}

static VOID SgListLeft(VOID)
{
    PDMA_ADAPTER adapter = Adapter();
    KIRQL irql;
    GetList(adapter, &irql);
    KeLowerIrql(irql);
    adapter->DmaOperations->PutDmaAdapter(adapter);
}

static VOID SgListPutTwice(VOID)
{
    PDMA_ADAPTER adapter = Adapter();
    KIRQL irql;
    GetList(adapter, &irql);
    adapter->DmaOperations->PutScatterGatherList(adapter, List, TRUE);
    adapter->DmaOperations->PutScatterGatherList(adapter, List, TRUE);
}

static VOID MapRegistersLeft(VOID)
{
    PDMA_ADAPTER adapter = Adapter();
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->AllocateAdapterChannel(adapter, Device, 1, ChannelReady, NULL);
    KeLowerIrql(irql);
    adapter->DmaOperations->PutDmaAdapter(adapter);
}

static VOID MapRegistersFreedTwice(VOID)
{
    PDMA_ADAPTER adapter = Adapter();
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->AllocateAdapterChannel(adapter, Device, 1, ChannelReady, NULL);
    adapter->DmaOperations->FreeMapRegisters(adapter, Registers, 1);
    adapter->DmaOperations->FreeMapRegisters(adapter, Registers, 1);
}

/* ---- where things lie ---- */

static NTSTATUS SystemBufferOverrun(PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    ULONG in = location->Parameters.DeviceIoControl.InputBufferLength, out = location->Parameters.DeviceIoControl.OutputBufferLength;
    volatile UCHAR *buffer = Irp->AssociatedIrp.SystemBuffer;
    buffer[in > out ? in : out] = 1;
    return Complete(Irp, STATUS_SUCCESS);
}

static VOID WorkItemPageable(VOID)
{
    PWORK_QUEUE_ITEM item = ExAllocatePoolWithTag(PagedPool, sizeof(WORK_QUEUE_ITEM), TAG);
    ExInitializeWorkItem(item, NoWork, NULL);
    ExQueueWorkItem(item, DelayedWorkQueue);
}

static VOID EventPageable(VOID)
{
    KeInitializeEvent(ExAllocatePoolWithTag(PagedPool, sizeof(KEVENT), TAG), NotificationEvent, FALSE);
}

static VOID UserWaitOnStack(VOID)
{
    KEVENT event;
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    KeWaitForSingleObject(&event, UserRequest, UserMode, FALSE, NULL);
}

/* ---- the table: case 6 and on ---- */

static const struct { VOID (*plain)(VOID); NTSTATUS (*irp)(PIRP Irp); } Rules[] = {
    {PoolOverrun, NULL}, {PoolUnderrun, NULL}, {PoolUseAfterFree, NULL}, {PoolWrongTag, NULL},                    /*  6 */
    {PoolLeak, NULL}, {PoolAtDispatch, NULL}, {PagedAtDispatch, NULL}, {TimerFreed, NULL},                        /* 10 */
    {DpcFreed, NULL}, {WorkItemFreed, NULL}, {ResourceFreed, NULL}, {FreedLookaside, NULL},                       /* 14 */
    {SpinLockOrder, NULL}, {SpinLockTwice, NULL}, {SpinLockNotHeld, NULL}, {SpinLockReleasedLow, NULL},                           /* 18 */
    {SpinLockFreed, NULL}, {MutexAtDispatch, NULL}, {MutexTwice, NULL}, {IrqlRaiseThatLowers, NULL},                      /* 22 */
    {IrqlLowerThatRaises, NULL}, {WaitAtDispatch, NULL}, {SystemServiceAtDispatch, NULL}, {RegionKept, NULL},         /* 26 */
    {RegionNotEntered, NULL}, {ThreadEndsWithLock, NULL}, {ThreadEndsInRegion, NULL}, {ThreadAtUnload, NULL},     /* 30 */
    {StackOverflow, NULL}, {DereferencedTooOften, NULL}, {NullHandle, NULL}, {MdlLockedTwice, NULL},              /* 34 */
    {MdlUnlockedTwice, NULL}, {MdlFreedLocked, NULL}, {CommonBufferFreedTwice, NULL}, {CommonBufferLeft, NULL},   /* 38 */
    {AdapterGone, NULL}, {NULL, CompletedCancelable}, {NULL, CompletedAsPending}, {NULL, PendingNotMarked},       /* 42 */
    {NULL, MarkedNotPending}, {NULL, IrpLost}, {NULL, TwoStatuses}, {NULL, CompletedAboveDispatch},               /* 46 */
    {NULL, NoLocationLeft}, {NULL, CompletionAtRaisedIrql}, {NULL, SentCancelable}, {NULL, IrpFreedTwice},        /* 50 */
    {NULL, IrpFreedAsPool}, {NULL, IrpTouched}, {MutexOrder, NULL}, {CancelLockOrder, NULL},                      /* 54 */
    {HandleClosedTwice, NULL}, {UserHandle, NULL}, {TimerAtUnload, NULL}, {NotifyAtUnload, NULL},                 /* 58 */
    {DeviceAtUnload, NULL}, {NameAtUnload, NULL}, {DeviceDeletedTwice, NULL}, {DeletedAttached, NULL},            /* 62 */
    {DetachedTwice, NULL}, {RemoveLockOtherTag, NULL}, {RemovedWithOtherTag, NULL}, {IsrRaisesIrql, NULL},        /* 66 */
    {SgListLeft, NULL}, {SgListPutTwice, NULL}, {MapRegistersLeft, NULL}, {MapRegistersFreedTwice, NULL},             /* 70 */
    {NULL, SystemBufferOverrun}, {WorkItemPageable, NULL}, {EventPageable, NULL}, {UserWaitOnStack, NULL},        /* 74 */
};
#define FIRST_RULE 6

static NTSTATUS CrashByRule(PIRP Irp)
{
    ULONG n = (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode - CASE(0)) / 4 - FIRST_RULE;
    if (n >= sizeof Rules / sizeof *Rules)
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST);
    if (Rules[n].irp)
        return Rules[n].irp(Irp);
    Rules[n].plain();
    return Complete(Irp, STATUS_SUCCESS);
}
