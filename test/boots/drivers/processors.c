/* What several processors do for each other: DPCs with a target, calls on all of them, affinity, APCs, locks and waits between them, mappings that go away. */
#include <ntifs.h>

typedef VOID (NTAPI *PDEFERRED)(PKDPC, PVOID, PVOID, PVOID);
NTKERNELAPI VOID NTAPI KeGenericCallDpc(PKDEFERRED_ROUTINE Routine, PVOID Context);
NTKERNELAPI VOID NTAPI KeSignalCallDpcDone(PVOID SystemArgument1);
NTKERNELAPI LOGICAL NTAPI KeSignalCallDpcSynchronize(PVOID SystemArgument2);
NTKERNELAPI ULONG_PTR NTAPI KeIpiGenericCall(ULONG_PTR (NTAPI *Routine)(ULONG_PTR), ULONG_PTR Context);
NTKERNELAPI KAFFINITY NTAPI KeSetSystemAffinityThreadEx(KAFFINITY Affinity);
NTKERNELAPI VOID NTAPI KeRevertToUserAffinityThreadEx(KAFFINITY Affinity);
NTKERNELAPI VOID NTAPI KeFlushQueuedDpcs(VOID);
NTKERNELAPI VOID NTAPI KeInitializeApc(PKAPC, PKTHREAD, int, PVOID, PVOID, PVOID, char, PVOID);
NTKERNELAPI BOOLEAN NTAPI KeInsertQueueApc(PKAPC, PVOID, PVOID, LONG);

NTKERNELAPI PVOID NTAPI KeRegisterNmiCallback(BOOLEAN (NTAPI *Routine)(PVOID, BOOLEAN), PVOID Context);
NTKERNELAPI NTSTATUS NTAPI KeDeregisterNmiCallback(PVOID Handle);

#define TIMES 200
#define MAXIMUM 8

static LONG Count;
static volatile LONG Mask, First, Sum, Irqls;
static KEVENT Done;

static ULONG Here(VOID) { return KeGetCurrentProcessorNumberEx(NULL); }

/* ---- DPCs ---- */

static VOID NTAPI TargetedDpc(PKDPC Dpc, PVOID Context, PVOID A, PVOID B)
{
    *(volatile LONG *)Context = (LONG)Here() | (KeGetCurrentIrql() << 8);
    KeSetEvent(&Done, 0, FALSE);
}

static VOID Targeted(void)
{
    static KDPC dpc;
    static KTIMER timer;
    volatile LONG at;
    for (LONG n = 0; n < Count; n++) {
        LARGE_INTEGER soon = { .QuadPart = -10000 };
        at = -1;
        KeInitializeDpc(&dpc, TargetedDpc, (PVOID)&at);
        KeSetTargetProcessorDpc(&dpc, (CCHAR)n);
        KeInsertQueueDpc(&dpc, NULL, NULL);
        KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
        if (at != (n | 0x200))
            DbgPrint("the DPC for %ld ran on %ld\n", n, at);
        at = -1;
        KeInitializeTimer(&timer);
        KeSetTimer(&timer, soon, &dpc);
        KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
        if (at != (n | 0x200))
            DbgPrint("the timer's DPC for %ld ran on %ld\n", n, at);
    }
    DbgPrint("targeted DPCs done\n");
}

static VOID NTAPI CountingDpc(PKDPC Dpc, PVOID Context, PVOID A, PVOID B)
{
    for (volatile int i = 0; i < 300; i++);
    InterlockedIncrement(&Sum);
}

static VOID Flush(void)
{
    static KDPC dpcs[MAXIMUM * 2];
    Sum = 0;
    for (LONG n = 0; n < Count * 2; n++) {
        KeInitializeDpc(&dpcs[n], CountingDpc, NULL);
        KeSetImportanceDpc(&dpcs[n], LowImportance);
        KeSetTargetProcessorDpc(&dpcs[n], (CCHAR)(n % Count));
        KeInsertQueueDpc(&dpcs[n], NULL, NULL);
    }
    KeFlushQueuedDpcs();
    DbgPrint("flushed: %s\n", Sum == Count * 2 ? "all" : "not all");
}

static VOID NTAPI Everywhere(PKDPC Dpc, PVOID Context, PVOID A, PVOID B)
{
    InterlockedOr(&Mask, 1 << Here());
    InterlockedOr(&Irqls, 1 << KeGetCurrentIrql());
    for (int round = 0; round < 3; round++) {
        if (KeSignalCallDpcSynchronize(B))
            InterlockedIncrement(&First);
        /* Nobody is before the meeting point any more. */
        if (Mask != (1 << Count) - 1)
            InterlockedIncrement(&Sum);
    }
    KeSignalCallDpcDone(A);
}

static ULONG_PTR NTAPI OnEach(ULONG_PTR Context)
{
    InterlockedOr(&Mask, 1 << Here());
    InterlockedOr(&Irqls, 1 << KeGetCurrentIrql());
    return Context + 1;
}

static VOID Calls(void)
{
    Mask = First = Sum = Irqls = 0;
    KeGenericCallDpc(Everywhere, NULL);
    DbgPrint("generic DPC: %s, first %ld, too early %ld, irqls %lx\n", Mask == (1 << Count) - 1 ? "all" : "not all", First, Sum, Irqls);
    Mask = Irqls = 0;
    ULONG_PTR result = KeIpiGenericCall(OnEach, 41);
    DbgPrint("generic call: %s, result %lu, irqls %lx, irql %d\n", Mask == (1 << Count) - 1 ? "all" : "not all", (ULONG)result, Irqls, KeGetCurrentIrql());
}

/* ---- non-maskable interrupts ---- */

static volatile LONG Nmis, NotMine;

static BOOLEAN NTAPI OnNmi(PVOID Context, BOOLEAN Handled)
{
    if (Handled)
        InterlockedIncrement(&NotMine);
    InterlockedOr(&Mask, 1 << Here());
    InterlockedOr(&Irqls, 1 << KeGetCurrentIrql());
    InterlockedIncrement(&Nmis);
    return Context != NULL;
}

/* The local APIC's command register: an NMI for each processor, one after the other. */
static VOID Interrupts(void)
{
    PHYSICAL_ADDRESS registers = { .QuadPart = 0xfee00000 };
    volatile ULONG *apic = MmMapIoSpace(registers, PAGE_SIZE, MmNonCached);
    PVOID handles[2] = { KeRegisterNmiCallback(OnNmi, NULL), KeRegisterNmiCallback(OnNmi, &Count) };
    Mask = Irqls = 0;
    for (LONG n = 0; n < Count; n++) {
        KIRQL irql = KeRaiseIrqlToDpcLevel();
        apic[0x310 / 4] = n << 24;
        apic[0x300 / 4] = 0x4400;
        KeLowerIrql(irql);
        while (Nmis < (n + 1) * 2)
            YieldProcessor();
    }
    MmUnmapIoSpace((PVOID)apic, PAGE_SIZE);
    NTSTATUS first = KeDeregisterNmiCallback(handles[0]);
    KeDeregisterNmiCallback(handles[1]);
    DbgPrint("NMI: %s, irqls %lx, told %s, %lx %lx, irql %d\n", Mask == (1 << Count) - 1 ? "all" : "not all", Irqls, NotMine == Count ? "right" : "wrong",
             first, KeDeregisterNmiCallback(handles[1]), KeGetCurrentIrql());
}

/* ---- affinity ---- */

static VOID Affinity(void)
{
    BOOLEAN right = TRUE;
    for (LONG round = 0; round < 3; round++)
        for (LONG n = Count - 1; n >= 0; n--) {
            KAFFINITY old = KeSetSystemAffinityThreadEx((KAFFINITY)1 << n);
            right = right && Here() == (ULONG)n && old == 0;
            KAFFINITY inner = KeSetSystemAffinityThreadEx((KAFFINITY)1 << (n + 1) % Count);
            right = right && Here() == (ULONG)((n + 1) % Count) && inner == (KAFFINITY)1 << n;
            KeRevertToUserAffinityThreadEx(inner);
            right = right && Here() == (ULONG)n;
            KeRevertToUserAffinityThreadEx(0);
        }
    KeSetSystemAffinityThread(1);
    KIRQL irql = KeRaiseIrqlToDpcLevel();
    KeSetSystemAffinityThread((KAFFINITY)1 << (Count - 1));
    ULONG raised = Here();
    KeLowerIrql(irql);
    right = right && raised == 0 && Here() == (ULONG)Count - 1;
    KeRevertToUserAffinityThread();
    DbgPrint("affinity: %s\n", right ? "kept" : "not kept");
}

/* ---- threads on all processors that share ---- */

enum { MUTEX, FAST_MUTEX_, GUARDED, RESOURCE, SPIN, QUEUED, EVENT, SEMAPHORE, KINDS };
static const char *Names[] = { "mutex", "fast mutex", "guarded mutex", "resource", "spin lock", "queued spin lock", "event", "semaphore" };
static KMUTEX Mutex;
static FAST_MUTEX Fast;
static KGUARDED_MUTEX Guarded;
static ERESOURCE Resource;
static KSPIN_LOCK Spin;
static KEVENT Event;
static KSEMAPHORE Semaphore;
static volatile LONG Shared, Arrived;

static VOID Add(void)
{
    LONG old = Shared;
    for (volatile int i = 0; i < 3; i++);
    Shared = old + 1;
}

static VOID Start(ULONG Processor)
{
    KeSetSystemAffinityThread((KAFFINITY)1 << Processor);
    InterlockedIncrement(&Arrived);
    while (Arrived < Count)
        YieldProcessor();
}

static struct { int Kind; ULONG Processor; } Work[MAXIMUM];

static VOID NTAPI Sharer(PVOID Context)
{
    ULONG n = (ULONG)(ULONG_PTR)Context;
    int kind = Work[n].Kind;
    Start(n);
    for (int i = 0; i < TIMES; i++) {
        KIRQL irql;
        KLOCK_QUEUE_HANDLE handle;
        switch (kind) {
        case MUTEX: KeWaitForSingleObject(&Mutex, Executive, KernelMode, FALSE, NULL); Add(); KeReleaseMutex(&Mutex, FALSE); break;
        case FAST_MUTEX_: ExAcquireFastMutex(&Fast); Add(); ExReleaseFastMutex(&Fast); break;
        case GUARDED: KeAcquireGuardedMutex(&Guarded); Add(); KeReleaseGuardedMutex(&Guarded); break;
        case RESOURCE: KeEnterCriticalRegion(); ExAcquireResourceExclusiveLite(&Resource, TRUE); Add(); ExReleaseResourceLite(&Resource); KeLeaveCriticalRegion(); break;
        case SPIN: KeAcquireSpinLock(&Spin, &irql); Add(); KeReleaseSpinLock(&Spin, irql); break;
        case QUEUED: KeAcquireInStackQueuedSpinLock(&Spin, &handle); Add(); KeReleaseInStackQueuedSpinLock(&handle); break;
        case EVENT: KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL); Add(); KeSetEvent(&Event, 1, FALSE); break;
        case SEMAPHORE: KeWaitForSingleObject(&Semaphore, Executive, KernelMode, FALSE, NULL); Add(); KeReleaseSemaphore(&Semaphore, 1, 1, FALSE); break;
        }
    }
    PsTerminateSystemThread(0);
}

/* Runs a routine in a thread for each processor, and waits for all. */
static VOID OnAll(PKSTART_ROUTINE Routine)
{
    PVOID threads[MAXIMUM];
    Arrived = 0;
    for (LONG n = 0; n < Count; n++) {
        HANDLE handle;
        PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Routine, (PVOID)(ULONG_PTR)n);
        ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &threads[n], NULL);
        ZwClose(handle);
    }
    for (LONG n = 0; n < Count; n++) {
        KeWaitForSingleObject(threads[n], Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(threads[n]);
    }
}

static VOID Sharing(void)
{
    KeInitializeMutex(&Mutex, 0);
    ExInitializeFastMutex(&Fast);
    KeInitializeGuardedMutex(&Guarded);
    ExInitializeResourceLite(&Resource);
    KeInitializeSpinLock(&Spin);
    KeInitializeEvent(&Event, SynchronizationEvent, TRUE);
    KeInitializeSemaphore(&Semaphore, 1, 1);
    for (int kind = 0; kind < KINDS; kind++) {
        Shared = 0;
        for (LONG n = 0; n < Count; n++)
            Work[n].Kind = kind;
        OnAll(Sharer);
        DbgPrint("%s: %s\n", Names[kind], Shared == Count * TIMES ? "none lost" : "some lost");
    }
    ExDeleteResourceLite(&Resource);
}

/* ---- mappings ---- */

static VOID NTAPI Mapper(PVOID Context)
{
    ULONG n = (ULONG)(ULONG_PTR)Context;
    PVOID pages = ExAllocatePoolWithTag(NonPagedPool, 2 * PAGE_SIZE, 'pami');
    PMDL mdl = IoAllocateMdl(pages, 2 * PAGE_SIZE, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    Start(n);
    for (ULONG i = 0; i < 40; i++) {
        volatile ULONG *mapped = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
        mapped[PAGE_SIZE / 4] = (n << 16) + i;
        if (((volatile ULONG *)pages)[PAGE_SIZE / 4] != (n << 16) + i)
            InterlockedIncrement(&Sum);
        MmUnmapLockedPages((PVOID)mapped, mdl);
    }
    IoFreeMdl(mdl);
    ExFreePoolWithTag(pages, 'pami');
    PsTerminateSystemThread(0);
}

/* ---- APCs ---- */

static volatile LONG Ready, Stop, ApcAt = -1;

static VOID NTAPI ApcKernelRoutine(PKAPC Apc, PVOID *Normal, PVOID *Context, PVOID *A, PVOID *B)
{
    ApcAt = (LONG)Here() | (KeGetCurrentIrql() << 8);
}

static VOID NTAPI Spinner(PVOID Context)
{
    KeSetSystemAffinityThread((KAFFINITY)1 << (Count - 1));
    Ready = 1;
    while (!Stop)
        YieldProcessor();
    PsTerminateSystemThread(0);
}

static VOID Apcs(void)
{
    static KAPC apc;
    HANDLE handle;
    PVOID thread;
    KeSetSystemAffinityThread(1);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Spinner, NULL);
    ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    while (!Ready) {
        LARGE_INTEGER soon = { .QuadPart = -10000 };
        KeDelayExecutionThread(KernelMode, FALSE, &soon);
    }
    KeInitializeApc(&apc, thread, 0, ApcKernelRoutine, NULL, NULL, KernelMode, NULL);
    KeInsertQueueApc(&apc, NULL, NULL, 0);
    if (Count > 1)
        for (int i = 0; i < 1000 && ApcAt < 0; i++)
            KeStallExecutionProcessor(1);
    BOOLEAN prompt = ApcAt >= 0;
    Stop = 1;
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    KeRevertToUserAffinityThread();
    DbgPrint("APC: %s\n", ApcAt == ((Count - 1) | 0x100) && (prompt || Count == 1) ? "on the thread's processor" : "elsewhere");
}

#ifdef STALE
/* The last processor has used a mapping that the first one takes back: it must not be able to use it again. */
static volatile ULONG *Mapped;
static volatile LONG Used, Gone;

static VOID NTAPI User(PVOID Context)
{
    KeSetSystemAffinityThread((KAFFINITY)1 << (Count - 1));
    ULONG value = *Mapped;
    Used = 1;
    while (!Gone)
        YieldProcessor();
    DbgPrint("read %lu before, %lu after\n", value, *Mapped);
    PsTerminateSystemThread(0);
}

static VOID Stale(void)
{
    PULONG page = ExAllocatePoolWithTag(NonPagedPool, PAGE_SIZE, 'pami');
    PMDL mdl = IoAllocateMdl(page, PAGE_SIZE, FALSE, FALSE, NULL);
    HANDLE handle;
    MmBuildMdlForNonPagedPool(mdl);
    KeSetSystemAffinityThread(1);
    *page = 7;
    Mapped = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, User, NULL);
    while (!Used)
        YieldProcessor();
    MmUnmapLockedPages((PVOID)Mapped, mdl);
    Gone = 1;
}
#endif

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    Count = (LONG)KeQueryActiveProcessorCount(NULL);
    KeInitializeEvent(&Done, SynchronizationEvent, FALSE);
#ifdef STALE
    Stale();
#else
    Targeted();
    Flush();
    Calls();
    Interrupts();
    Affinity();
    Sharing();
    Sum = 0;
    OnAll(Mapper);
    DbgPrint("mappings: %ld wrong\n", Sum);
    Apcs();
    DbgPrint("processors done\n");
#endif
    return STATUS_SUCCESS;
}
