/* Queue objects (KQUEUE): entries for threads that serve them, and how many of these run at once. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

static KQUEUE Queue;
static LIST_ENTRY Entries[200];
static LARGE_INTEGER Zero;
static KEVENT Block;
static volatile LONG Served, Running, Most, LastServer;
static volatile LONG Sum, Abandoned;

static VOID Basics(VOID)
{
    LARGE_INTEGER due = MsFromNow(30);
    KIRQL irql;
    KeInitializeQueue(&Queue, 0);
    OUTCOME(KeInitializeQueue, "the queue is not signaled", KeReadStateQueue(&Queue) == 0);
    OUTCOME(KeInitializeQueue, "a count of zero means the number of processors", Queue.MaximumCount == KtestProcessors);
    OUTCOME(KeRemoveQueue, "STATUS_TIMEOUT with a timeout of zero when the queue is empty", (NTSTATUS)(LONG_PTR)KeRemoveQueue(&Queue, KernelMode, &Zero) == STATUS_TIMEOUT);
    ULONGLONG before = Now();
    OUTCOME(KeRemoveQueue, "STATUS_TIMEOUT when the interval has passed", (NTSTATUS)(LONG_PTR)KeRemoveQueue(&Queue, KernelMode, &due) == STATUS_TIMEOUT && Now() - before >= 300000);
    OUTCOME(KeInsertQueue, "returns zero when no entry was queued", KeInsertQueue(&Queue, &Entries[1]) == 0);
    OUTCOME(KeInsertQueue, "returns the number of entries that were queued", KeInsertQueue(&Queue, &Entries[2]) == 1);
    OUTCOME(KeReadStateQueue, "returns the number of entries", KeReadStateQueue(&Queue) == 2);
    OUTCOME(KeInsertHeadQueue, "returns the number of entries that were queued", KeInsertHeadQueue(&Queue, &Entries[3]) == 2);
    OUTCOME(KeInsertHeadQueue, "puts the entry at the head", KeRemoveQueue(&Queue, KernelMode, NULL) == &Entries[3]);
    OUTCOME(KeInsertQueue, "puts the entry at the tail", KeRemoveQueue(&Queue, KernelMode, NULL) == &Entries[1] && KeRemoveQueue(&Queue, KernelMode, NULL) == &Entries[2]);
    OUTCOME(KeRemoveQueue, "returns an entry, which is taken off", KeReadStateQueue(&Queue) == 0);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    LONG previous = KeInsertQueue(&Queue, &Entries[4]);
    KeLowerIrql(irql);
    OUTCOME(KeInsertQueue, "works at DISPATCH_LEVEL", previous == 0 && KeReadStateQueue(&Queue) == 1);
    KeInsertQueue(&Queue, &Entries[5]);
    PLIST_ENTRY first = KeRundownQueue(&Queue);
    OUTCOME(KeRundownQueue, "returns the first of the entries that were queued, in a list without a head", first == &Entries[4] && first->Flink == &Entries[5] && first->Flink->Flink == first);
    KeInitializeQueue(&Queue, 0);
    OUTCOME(KeRundownQueue, "returns NULL for a queue without entries", KeRundownQueue(&Queue) == NULL);
}

static VOID NTAPI ServeUntilAbandoned(PVOID Context)
{
    for (;;)
    {
        PLIST_ENTRY entry = KeRemoveQueue(&Queue, KernelMode, NULL);
        if ((NTSTATUS)(LONG_PTR)entry == STATUS_ABANDONED)
        {
            InterlockedIncrement(&Abandoned);
            return;
        }
        LastServer = (LONG)(LONG_PTR)Context;
        InterlockedExchangeAdd(&Sum, (LONG)(entry - Entries));
        LONG running = InterlockedIncrement(&Running);
        if (running > Most)
            Most = running;
        if (entry == &Entries[100])
            KeWaitForSingleObject(&Block, Executive, KernelMode, FALSE, NULL);
        else
            KeStallExecutionProcessor(5);
        InterlockedDecrement(&Running);
        InterlockedIncrement(&Served);
    }
}

static VOID Servers(VOID)
{
    PKTHREAD threads[4];
    KeInitializeQueue(&Queue, 1);
    KeInitializeEvent(&Block, NotificationEvent, FALSE);
    for (LONG_PTR i = 0; i < 3; i++)
    {
        threads[i] = StartThread(ServeUntilAbandoned, (PVOID)(i + 1));
        SleepMs(20);
    }
    KeInsertQueue(&Queue, &Entries[1]);
    SleepMs(20);
    OUTCOME(KeInsertQueue, "an entry goes to a thread that waits at once", Served == 1 && KeReadStateQueue(&Queue) == 0);
    OUTCOME(KeRemoveQueue, "the thread that came last to wait is the first to be woken", LastServer == 3);

    Most = Served = 0;
    for (int i = 0; i < 60; i++)
        KeInsertQueue(&Queue, &Entries[i]);
    SleepMs(60);
    OUTCOME(KeInitializeQueue, "no more threads than Count serve entries at a time", Served == 60 && Most == 1);

    Served = 0;
    KeInsertQueue(&Queue, &Entries[100]);
    SleepMs(20);
    KeInsertQueue(&Queue, &Entries[2]);
    SleepMs(20);
    OUTCOME(KeInitializeQueue, "when a serving thread waits elsewhere another one takes its place", Served == 1 && Running == 1);
    KeSetEvent(&Block, 0, FALSE);
    SleepMs(20);
    CHECK(Served == 2 && Running == 0);
    KeRundownQueue(&Queue);
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    OUTCOME(KeRundownQueue, "wakes the threads that wait with STATUS_ABANDONED", Abandoned == 3);
    OUTCOME(KeRemoveQueue, "STATUS_ABANDONED for a queue that has been run down", (NTSTATUS)(LONG_PTR)KeRemoveQueue(&Queue, KernelMode, NULL) == STATUS_ABANDONED);
}

/* Entries from two threads to four: each is served once. */
static volatile LONG Handed;
static VOID NTAPI Producer(PVOID Context)
{
    for (LONG i = (LONG)(LONG_PTR)Context; i < 200; i += 2)
    {
        KeInsertQueue(&Queue, &Entries[i]);
        InterlockedExchangeAdd(&Handed, i);
        if (i % 20 < 2)
            SleepMs(1);
    }
}

static VOID Stress(VOID)
{
    PKTHREAD servers[4], producers[2];
    KeInitializeQueue(&Queue, 2);
    KeSetEvent(&Block, 0, FALSE);
    Served = Sum = Most = Abandoned = 0;
    for (LONG_PTR i = 0; i < 4; i++)
    {
        servers[i] = StartThread(ServeUntilAbandoned, (PVOID)i);
        KeSetPriorityThread(servers[i], 7 + i);
    }
    for (LONG_PTR i = 0; i < 2; i++)
        producers[i] = StartThread(Producer, (PVOID)i);
    for (int i = 0; i < 2; i++)
        JoinThread(producers[i]);
    SleepMs(100);
    CHECK(Served == 200);
    CHECK(Sum == Handed && Sum == 199 * 200 / 2);
    CHECK(Most <= 2 + 1);
    KeRundownQueue(&Queue);
    for (int i = 0; i < 4; i++)
        JoinThread(servers[i]);
    CHECK(Abandoned == 4);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("kqueues");
    Basics();
    Servers();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
