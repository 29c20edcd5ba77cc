/*
 * Exercises the dispatcher from a system thread, and prints what it saw: timers with DPCs, waits with timeouts, mutexes, semaphores, a join with a thread, threads
 * that share the processor by quantum, DPCs that run when a spin lock is released, DPCs of low importance.
 */
#include <ntddk.h>

static KEVENT Ticked;
static KTIMER Timer;
static KDPC Dpc;
static KSEMAPHORE Done;
static KMUTEX Mutex;
static KSPIN_LOCK Lock;
static volatile LONG DpcCount, Shared, SpinnerOne, SpinnerTwo;

static VOID NTAPI TimerDpc(PKDPC d, PVOID context, PVOID a, PVOID b)
{
    KeAcquireSpinLockAtDpcLevel(&Lock);
    DpcCount++;
    KeReleaseSpinLockFromDpcLevel(&Lock);
    KeSetEvent(&Ticked, IO_NO_INCREMENT, FALSE);
    if (KeGetCurrentIrql() != DISPATCH_LEVEL)
        DbgPrint("a DPC runs at IRQL %d\n", KeGetCurrentIrql());
}

/* Reads, sleeps, writes back: only the mutex keeps the increments apart. */
static VOID NTAPI Worker(PVOID context)
{
    LARGE_INTEGER delay;
    int i;
    delay.QuadPart = -200000;
    for (i = 0; i < 5; i++) {
        LONG value;
        KeWaitForSingleObject(&Mutex, Executive, KernelMode, FALSE, NULL);
        value = Shared;
        KeDelayExecutionThread(KernelMode, FALSE, &delay);
        Shared = value + 1;
        KeReleaseMutex(&Mutex, FALSE);
    }
    KeReleaseSemaphore(&Done, 0, 1, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID NTAPI Spinner(PVOID context)
{
    volatile int i;
    for (i = 0; i < 1000000; i++)
        ;
    *(volatile LONG *)context = 1;
    KeReleaseSemaphore(&Done, 0, 1, FALSE);
}

static HANDLE Start(PKSTART_ROUTINE routine, PVOID context)
{
    HANDLE thread;
    PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, routine, context);
    return thread;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    LARGE_INTEGER due;
    NTSTATUS status;
    HANDLE handle;
    PVOID thread;
    KIRQL irql;
    LONG before;
    int i;

    KeInitializeEvent(&Ticked, SynchronizationEvent, FALSE);
    KeInitializeSemaphore(&Done, 0, 100);
    KeInitializeMutex(&Mutex, 0);
    KeInitializeSpinLock(&Lock);
    KeInitializeTimerEx(&Timer, SynchronizationTimer);
    KeInitializeDpc(&Dpc, TimerDpc, NULL);

    due.QuadPart = -500000;
    KeSetTimerEx(&Timer, due, 50, &Dpc);
    for (i = 0; i < 5; i++) {
        status = KeWaitForSingleObject(&Ticked, Executive, KernelMode, FALSE, NULL);
        DbgPrint("tick %d status %x dpcs %d\n", i, status, DpcCount);
    }
    KeCancelTimer(&Timer);
    due.QuadPart = -300000;
    status = KeWaitForSingleObject(&Ticked, Executive, KernelMode, FALSE, &due);
    DbgPrint("timeout %x\n", status);

    for (i = 0; i < 3; i++)
        ZwClose(Start(Worker, NULL));
    ZwClose(Start(Spinner, (PVOID)&SpinnerOne));
    handle = Start(Spinner, (PVOID)&SpinnerTwo);
    status = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    for (i = 0; i < 5; i++)
        KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
    DbgPrint("shared %d spinners %d %d\n", Shared, SpinnerOne, SpinnerTwo);
    status = KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    DbgPrint("joined %x\n", status);
    ObDereferenceObject(thread);

    KeAcquireSpinLock(&Lock, &irql);
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    before = DpcCount;
    KeReleaseSpinLock(&Lock, irql);
    DbgPrint("dpcs on release %d irql %d\n", DpcCount - before, KeGetCurrentIrql());

    /* Low importance requests no interrupt: the idle loop takes the DPC while this thread waits, the clock while it spins. */
    KeSetImportanceDpc(&Dpc, LowImportance);
    KeClearEvent(&Ticked);
    due.QuadPart = -10000000;
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    DbgPrint("low, waiting: %x\n", KeWaitForSingleObject(&Ticked, Executive, KernelMode, FALSE, &due));
    before = DpcCount;
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    for (i = 0; i < 100000000 && *(volatile LONG *)&DpcCount == before; i++)
        ;
    DbgPrint("low, spinning: %d\n", DpcCount - before);
    due.QuadPart = -100000;
    DbgPrint("delay %x\n", KeDelayExecutionThread(KernelMode, FALSE, &due));
    DbgPrint("dispatcher done\n");
    return STATUS_SUCCESS;
}
