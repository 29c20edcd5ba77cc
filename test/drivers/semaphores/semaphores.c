// ktest: cases=3
/* Semaphores: counts, limits, how many waiters a release lets go. Cases 1 and 2 exceed the limit. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

static KSEMAPHORE Semaphore;
static LARGE_INTEGER Zero;
static volatile LONG Woken;
static volatile KPRIORITY Seen;

static NTSTATUS Take(PLARGE_INTEGER Timeout)
{
    return KeWaitForSingleObject(&Semaphore, Executive, KernelMode, FALSE, Timeout);
}

static VOID Counts(VOID)
{
    KIRQL irql;
    KeInitializeSemaphore(&Semaphore, 2, 3);
    OUTCOME(KeInitializeSemaphore, "sets the initial count", KeReadStateSemaphore(&Semaphore) == 2);
    OUTCOME(KeInitializeSemaphore, "a nonzero count makes the semaphore signaled", Take(&Zero) == STATUS_SUCCESS);
    OUTCOME(KeReadStateSemaphore, "each wait that is satisfied takes one from the count", KeReadStateSemaphore(&Semaphore) == 1);
    Take(&Zero);
    OUTCOME(KeReadStateSemaphore, "returns zero for a semaphore that is not signaled", KeReadStateSemaphore(&Semaphore) == 0 && Take(&Zero) == STATUS_TIMEOUT);
    OUTCOME(KeReleaseSemaphore, "returns zero when the semaphore was not signaled", KeReleaseSemaphore(&Semaphore, 0, 1, FALSE) == 0);
    OUTCOME(KeReleaseSemaphore, "returns the previous count and adds the adjustment", KeReleaseSemaphore(&Semaphore, 0, 2, FALSE) == 1 && KeReadStateSemaphore(&Semaphore) == 3);
    KeInitializeSemaphore(&Semaphore, 0, 1);
    OUTCOME(KeInitializeSemaphore, "a count of zero makes the semaphore not signaled", Take(&Zero) == STATUS_TIMEOUT);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    LONG previous = KeReleaseSemaphore(&Semaphore, 0, 1, FALSE);
    OUTCOME(KeReleaseSemaphore, "works at DISPATCH_LEVEL with Wait FALSE", previous == 0 && KeReadStateSemaphore(&Semaphore) == 1 && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeLowerIrql(irql);

    LARGE_INTEGER second = MsFromNow(1000);
    KeInitializeSemaphore(&Semaphore, 0, 5);
    KeReleaseSemaphore(&Semaphore, 0, 2, TRUE);
    irql = KeGetCurrentIrql();
    NTSTATUS status = Take(&second);
    OUTCOME(KeReleaseSemaphore, "with Wait TRUE the IRQL stays raised until the wait that follows restores it",
            irql == DISPATCH_LEVEL && status == STATUS_SUCCESS && KeGetCurrentIrql() == PASSIVE_LEVEL && KeReadStateSemaphore(&Semaphore) == 1);
}

static VOID NTAPI TakeOne(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Take(NULL);
    Seen = KeQueryPriorityThread(KeGetCurrentThread());
    InterlockedIncrement(&Woken);
}

static VOID Waiters(VOID)
{
    PKTHREAD threads[4];
    KeInitializeSemaphore(&Semaphore, 0, 10);
    for (int i = 0; i < 4; i++)
        threads[i] = StartThread(TakeOne, NULL);
    SleepMs(50);
    KPRIORITY base = KeQueryPriorityThread(threads[0]);
    KeReleaseSemaphore(&Semaphore, 0, 3, FALSE);
    SleepMs(50);
    OUTCOME(KeReleaseSemaphore, "satisfies as many waits as the count allows", Woken == 3 && KeReadStateSemaphore(&Semaphore) == 0);
    KeReleaseSemaphore(&Semaphore, 2, 2, FALSE);
    for (int i = 0; i < 4; i++)
        JoinThread(threads[i]);
    OUTCOME(KeReleaseSemaphore, "what no waiter takes stays in the count", Woken == 4 && KeReadStateSemaphore(&Semaphore) == 1);
    OUTCOME(KeReleaseSemaphore, "Increment raises the priority of the thread that it releases", Seen == base + 2);
}

/* A buffer of eight places between two producers and three consumers. */
static KSEMAPHORE Places, Items;
static KSPIN_LOCK Lock;
static LONG Ring[8];
static ULONG Head, Tail;
static volatile LONG Sum, Count;

static VOID NTAPI Producer(PVOID Context)
{
    for (LONG i = 1; i <= 200; i++)
    {
        KIRQL irql;
        KeWaitForSingleObject(&Places, Executive, KernelMode, FALSE, NULL);
        KeAcquireSpinLock(&Lock, &irql);
        Ring[Head++ % 8] = i + (LONG)(LONG_PTR)Context;
        KeReleaseSpinLock(&Lock, irql);
        KeReleaseSemaphore(&Items, 1, 1, FALSE);
    }
}

static VOID NTAPI Consumer(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    for (;;)
    {
        KIRQL irql;
        KeWaitForSingleObject(&Items, Executive, KernelMode, FALSE, NULL);
        KeAcquireSpinLock(&Lock, &irql);
        LONG value = Ring[Tail++ % 8];
        KeReleaseSpinLock(&Lock, irql);
        KeReleaseSemaphore(&Places, 1, 1, FALSE);
        if (value == 0)
            return;
        InterlockedExchangeAdd(&Sum, value);
        InterlockedIncrement(&Count);
    }
}

static VOID Stress(VOID)
{
    PKTHREAD producers[2], consumers[3];
    KeInitializeSemaphore(&Places, 8, 8);
    KeInitializeSemaphore(&Items, 0, 8);
    KeInitializeSpinLock(&Lock);
    for (int i = 0; i < 3; i++)
    {
        consumers[i] = StartThread(Consumer, NULL);
        KeSetPriorityThread(consumers[i], 7 + i);
    }
    for (int i = 0; i < 2; i++)
        producers[i] = StartThread(Producer, (PVOID)(LONG_PTR)(1000 * i));
    for (int i = 0; i < 2; i++)
        JoinThread(producers[i]);
    for (int i = 0; i < 3; i++)
    {
        KIRQL irql;
        KeWaitForSingleObject(&Places, Executive, KernelMode, FALSE, NULL);
        KeAcquireSpinLock(&Lock, &irql);
        Ring[Head++ % 8] = 0;
        KeReleaseSpinLock(&Lock, irql);
        KeReleaseSemaphore(&Items, 0, 1, FALSE);
    }
    for (int i = 0; i < 3; i++)
        JoinThread(consumers[i]);
    CHECK(Count == 400);
    CHECK(Sum == 2 * (200 * 201 / 2) + 200 * 1000);
    CHECK(KeReadStateSemaphore(&Places) == 8 && KeReadStateSemaphore(&Items) == 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("semaphores");
    if (KtestCase == 1)
    {
        KeInitializeSemaphore(&Semaphore, 2, 3);
        OUTCOME_BUGCHECK(KeReleaseSemaphore, "raises STATUS_SEMAPHORE_LIMIT_EXCEEDED above the limit", 0x7E);
        KeReleaseSemaphore(&Semaphore, 0, 2, FALSE);
    }
    if (KtestCase == 2)
    {
        KIRQL irql;
        KeInitializeSemaphore(&Semaphore, 0, 3);
        OUTCOME_BUGCHECK(KeReleaseSemaphore, "with Wait TRUE at DISPATCH_LEVEL breaks the IRQL rule", 0xC4);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        KeReleaseSemaphore(&Semaphore, 0, 1, TRUE);
    }
    Counts();
    Waiters();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
