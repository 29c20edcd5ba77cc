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
    HANDLE handle;
    PVOID thread;
    if (!NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Routine, NULL)))
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
    {NULL, IrpFreedAsPool}, {NULL, IrpTouched},                                                                  /* 54 */
};
#define FIRST_RULE 6

static NTSTATUS CrashByRule(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ULONG n = (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode - CASE(0)) / 4 - FIRST_RULE;
    Device = DeviceObject;
    if (n >= sizeof Rules / sizeof *Rules)
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST);
    if (Rules[n].irp)
        return Rules[n].irp(Irp);
    Rules[n].plain();
    return Complete(Irp, STATUS_SUCCESS);
}
