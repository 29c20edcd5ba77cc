// ktest: cases=3
/* Executive resources: exclusive and shared owners, recursion, who goes before whom. Cases 1 and 2 release what is not owned. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI VOID NTAPI ExSetResourceOwnerPointerEx(PERESOURCE Resource, PVOID OwnerPointer, ULONG Flags);
NTKERNELAPI BOOLEAN NTAPI ExTryToAcquireResourceExclusiveLite(PERESOURCE Resource);
NTKERNELAPI PVOID NTAPI ExEnterCriticalRegionAndAcquireResourceExclusive(PERESOURCE Resource);
NTKERNELAPI PVOID NTAPI ExEnterCriticalRegionAndAcquireResourceShared(PERESOURCE Resource);
NTKERNELAPI VOID FASTCALL ExReleaseResourceAndLeaveCriticalRegion(PERESOURCE Resource);

static ERESOURCE Resource;

/* What another thread is to try, and what came of it. */
enum How { EXCLUSIVE, SHARED, STARVE, WAIT_FOR };
typedef struct _TRY
{
    enum How How;
    BOOLEAN Wait;
    volatile BOOLEAN Result;
    volatile LONG Ended;
    volatile LONG Turn;
} TRY;
static volatile LONG Turns;

static BOOLEAN Acquire(enum How How, BOOLEAN Wait)
{
    switch (How)
    {
    case EXCLUSIVE:
        return ExAcquireResourceExclusiveLite(&Resource, Wait);
    case SHARED:
        return ExAcquireResourceSharedLite(&Resource, Wait);
    case STARVE:
        return ExAcquireSharedStarveExclusive(&Resource, Wait);
    default:
        return ExAcquireSharedWaitForExclusive(&Resource, Wait);
    }
}

static VOID NTAPI TryThread(PVOID Context)
{
    TRY *try = Context;
    KeEnterCriticalRegion();
    try->Result = Acquire(try->How, try->Wait);
    try->Turn = InterlockedIncrement(&Turns);
    if (try->Result)
        ExReleaseResourceLite(&Resource);
    KeLeaveCriticalRegion();
    try->Ended = 1;
}

/* Whether another thread can acquire the resource now. */
static BOOLEAN Another(enum How How)
{
    TRY try = {How, FALSE, FALSE, 0, 0};
    JoinThread(StartThread(TryThread, &try));
    return try.Result;
}

/* Another thread that waits for the resource. */
static PKTHREAD Waiting(TRY *Try, enum How How)
{
    *Try = (TRY){How, TRUE, FALSE, 0, 0};
    PKTHREAD thread = StartThread(TryThread, Try);
    SleepMs(30);
    return thread;
}

static VOID Basics(VOID)
{
    OUTCOME(ExInitializeResourceLite, "returns STATUS_SUCCESS, and nobody owns the resource", ExInitializeResourceLite(&Resource) == STATUS_SUCCESS && ExIsResourceAcquiredSharedLite(&Resource) == 0);
    KeEnterCriticalRegion();
    OUTCOME(ExIsResourceAcquiredExclusiveLite, "returns FALSE when the thread has not acquired the resource", !ExIsResourceAcquiredExclusiveLite(&Resource));
    OUTCOME(ExAcquireResourceExclusiveLite, "returns TRUE when the resource is free", ExAcquireResourceExclusiveLite(&Resource, FALSE));
    OUTCOME(ExIsResourceAcquiredExclusiveLite, "returns TRUE for the exclusive owner", ExIsResourceAcquiredExclusiveLite(&Resource));
    OUTCOME(ExAcquireResourceExclusiveLite, "returns FALSE with Wait FALSE when another thread owns the resource", !Another(EXCLUSIVE));
    OUTCOME(ExAcquireResourceSharedLite, "returns FALSE with Wait FALSE when another thread owns the resource exclusively", !Another(SHARED));
    OUTCOME(ExAcquireSharedStarveExclusive, "returns FALSE with Wait FALSE when another thread owns the resource exclusively", !Another(STARVE));
    OUTCOME(ExAcquireSharedWaitForExclusive, "returns FALSE with Wait FALSE when another thread owns the resource exclusively", !Another(WAIT_FOR));
    OUTCOME(ExAcquireResourceExclusiveLite, "the exclusive owner acquires it recursively", ExAcquireResourceExclusiveLite(&Resource, FALSE) && ExIsResourceAcquiredSharedLite(&Resource) == 2);
    OUTCOME(ExAcquireResourceSharedLite, "the exclusive owner may acquire it shared, and stays exclusive owner", ExAcquireResourceSharedLite(&Resource, FALSE) && ExIsResourceAcquiredExclusiveLite(&Resource));
    OUTCOME(ExIsResourceAcquiredSharedLite, "returns how often the thread has acquired the resource", ExIsResourceAcquiredSharedLite(&Resource) == 3);
    ExReleaseResourceLite(&Resource);
    ExReleaseResourceLite(&Resource);
    OUTCOME(ExReleaseResourceLite, "the resource is free after as many releases as acquisitions", !Another(SHARED) && (ExReleaseResourceLite(&Resource), Another(EXCLUSIVE)));
    OUTCOME(ExTryToAcquireResourceExclusiveLite, "returns TRUE when the resource is free", ExTryToAcquireResourceExclusiveLite(&Resource) && ExIsResourceAcquiredExclusiveLite(&Resource));
    ExReleaseResourceLite(&Resource);

    OUTCOME(ExAcquireResourceSharedLite, "returns TRUE when the resource is free", ExAcquireResourceSharedLite(&Resource, FALSE));
    OUTCOME(ExIsResourceAcquiredExclusiveLite, "returns FALSE for a thread that shares the resource", !ExIsResourceAcquiredExclusiveLite(&Resource));
    OUTCOME(ExAcquireResourceSharedLite, "several threads share the resource", Another(SHARED) && Another(STARVE) && Another(WAIT_FOR));
    OUTCOME(ExAcquireResourceExclusiveLite, "returns FALSE with Wait FALSE while others share the resource", !Another(EXCLUSIVE));
    OUTCOME(ExTryToAcquireResourceExclusiveLite, "returns FALSE while the resource is shared", !ExTryToAcquireResourceExclusiveLite(&Resource));
    OUTCOME(ExAcquireResourceSharedLite, "a thread that shares the resource acquires it again", ExAcquireResourceSharedLite(&Resource, FALSE) && ExIsResourceAcquiredSharedLite(&Resource) == 2);
    ExReleaseResourceLite(&Resource);
    ExReleaseResourceLite(&Resource);
    OUTCOME(ExAcquireSharedStarveExclusive, "returns TRUE when the resource is free", ExAcquireSharedStarveExclusive(&Resource, FALSE));
    ExReleaseResourceLite(&Resource);
    OUTCOME(ExAcquireSharedWaitForExclusive, "returns TRUE when the resource is free", ExAcquireSharedWaitForExclusive(&Resource, FALSE));
    OUTCOME(ExGetCurrentResourceThread, "names the current thread for ExReleaseResourceForThreadLite", ExGetCurrentResourceThread() == (ERESOURCE_THREAD)PsGetCurrentThread());
    ExReleaseResourceForThreadLite(&Resource, ExGetCurrentResourceThread());
    OUTCOME(ExReleaseResourceForThreadLite, "releases the resource of the thread that is named", ExIsResourceAcquiredSharedLite(&Resource) == 0 && Another(EXCLUSIVE));
    KeLeaveCriticalRegion();
}

static VOID Order(VOID)
{
    TRY exclusive, shared[2];
    PKTHREAD threads[3];

    /* A reader, behind whom a writer waits. */
    KeEnterCriticalRegion();
    ExAcquireResourceSharedLite(&Resource, TRUE);
    threads[0] = Waiting(&exclusive, EXCLUSIVE);
    OUTCOME(ExGetExclusiveWaiterCount, "returns the number of threads that wait for exclusive access", ExGetExclusiveWaiterCount(&Resource) == 1);
    OUTCOME(ExGetSharedWaiterCount, "returns zero when no thread waits for shared access", ExGetSharedWaiterCount(&Resource) == 0);
    OUTCOME(ExAcquireResourceSharedLite, "returns FALSE with Wait FALSE when a thread waits for exclusive access", !Another(SHARED));
    OUTCOME(ExAcquireResourceSharedLite, "a thread that shares the resource acquires it again though one waits for exclusive access", ExAcquireResourceSharedLite(&Resource, FALSE));
    ExReleaseResourceLite(&Resource);
    OUTCOME(ExAcquireSharedStarveExclusive, "returns TRUE though a thread waits for exclusive access", Another(STARVE));
    OUTCOME(ExAcquireSharedWaitForExclusive, "returns FALSE with Wait FALSE when a thread waits for exclusive access", !Another(WAIT_FOR));
    threads[1] = Waiting(&shared[0], SHARED);
    threads[2] = Waiting(&shared[1], WAIT_FOR);
    OUTCOME(ExGetSharedWaiterCount, "returns the number of threads that wait for shared access", ExGetSharedWaiterCount(&Resource) == 2);
    Turns = 0;
    ExReleaseResourceLite(&Resource);
    KeLeaveCriticalRegion();
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    OUTCOME(ExAcquireResourceExclusiveLite, "with Wait TRUE it returns TRUE when those who share the resource have released it", exclusive.Result && exclusive.Turn == 1);
    OUTCOME(ExAcquireSharedWaitForExclusive, "with Wait TRUE it waits for the thread that waits for exclusive access", shared[1].Result && shared[1].Turn > 1);
    OUTCOME(ExAcquireResourceSharedLite, "with Wait TRUE it returns TRUE after the thread that waited for exclusive access", shared[0].Result && shared[0].Turn > 1);
    OUTCOME(ExGetExclusiveWaiterCount, "returns zero when no thread waits", ExGetExclusiveWaiterCount(&Resource) == 0);

    /* A writer, behind whom two readers and a writer wait: the readers come first. */
    KeEnterCriticalRegion();
    ExAcquireResourceExclusiveLite(&Resource, TRUE);
    threads[0] = Waiting(&exclusive, EXCLUSIVE);
    threads[1] = Waiting(&shared[0], SHARED);
    threads[2] = Waiting(&shared[1], STARVE);
    Turns = 0;
    ExConvertExclusiveToSharedLite(&Resource);
    SleepMs(30);
    OUTCOME(ExConvertExclusiveToSharedLite, "the caller shares the resource with those who wait for shared access", shared[0].Ended && shared[1].Ended && !exclusive.Ended && !ExIsResourceAcquiredExclusiveLite(&Resource) && ExIsResourceAcquiredSharedLite(&Resource) == 1);
    ExReleaseResourceLite(&Resource);
    KeLeaveCriticalRegion();
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    OUTCOME(ExAcquireSharedStarveExclusive, "with Wait TRUE it waits for an exclusive owner", shared[1].Result && shared[1].Turn <= 2);
    OUTCOME(ExReleaseResourceLite, "the last who shares the resource lets the one in who waits for exclusive access", exclusive.Result && exclusive.Turn == 3);
}

static VOID Regions(VOID)
{
    ExEnterCriticalRegionAndAcquireResourceExclusive(&Resource);
    OUTCOME(ExEnterCriticalRegionAndAcquireResourceExclusive, "acquires the resource exclusively inside a critical region", ExIsResourceAcquiredExclusiveLite(&Resource) && KeAreApcsDisabled());
    ExReleaseResourceAndLeaveCriticalRegion(&Resource);
    OUTCOME(ExReleaseResourceAndLeaveCriticalRegion, "releases the resource and leaves the region", ExIsResourceAcquiredSharedLite(&Resource) == 0 && !KeAreApcsDisabled());
    ExEnterCriticalRegionAndAcquireResourceShared(&Resource);
    OUTCOME(ExEnterCriticalRegionAndAcquireResourceShared, "acquires the resource shared inside a critical region", ExIsResourceAcquiredSharedLite(&Resource) == 1 && !ExIsResourceAcquiredExclusiveLite(&Resource) && KeAreApcsDisabled());
    ExReleaseResourceAndLeaveCriticalRegion(&Resource);
}

/* A manager acquires for a user: ownership is a pointer, not a thread. */
static VOID NTAPI ReleaseFor(PVOID Context)
{
    ExReleaseResourceForThreadLite(&Resource, (ERESOURCE_THREAD)Context);
}

static VOID Owners(VOID)
{
    static ULONG_PTR storage;
    PVOID owner = (PVOID)((ULONG_PTR)&storage | 3);
    KeEnterCriticalRegion();
    ExAcquireResourceExclusiveLite(&Resource, TRUE);
    ExSetResourceOwnerPointer(&Resource, owner);
    OUTCOME(ExSetResourceOwnerPointer, "the thread owns the resource no longer, the owner pointer does", !ExIsResourceAcquiredExclusiveLite(&Resource) && !Another(SHARED));
    JoinThread(StartThread(ReleaseFor, owner));
    OUTCOME(ExReleaseResourceForThreadLite, "another thread releases the resource of an owner pointer", Another(EXCLUSIVE));
    ExAcquireResourceSharedLite(&Resource, TRUE);
    ExSetResourceOwnerPointerEx(&Resource, owner, 0);
    OUTCOME(ExSetResourceOwnerPointerEx, "shared ownership passes to the owner pointer", ExIsResourceAcquiredSharedLite(&Resource) == 0 && Another(SHARED) && !Another(EXCLUSIVE));
    ExReleaseResourceForThreadLite(&Resource, (ERESOURCE_THREAD)owner);
    KeLeaveCriticalRegion();
    OUTCOME(ExDeleteResourceLite, "returns STATUS_SUCCESS", ExDeleteResourceLite(&Resource) == STATUS_SUCCESS);
    ExInitializeResourceLite(&Resource);
    KeEnterCriticalRegion();
    ExAcquireResourceExclusiveLite(&Resource, TRUE);
    ExReleaseResourceLite(&Resource);
    KeLeaveCriticalRegion();
    OUTCOME(ExReinitializeResourceLite, "returns STATUS_SUCCESS, and the resource is as new", ExReinitializeResourceLite(&Resource) == STATUS_SUCCESS && Another(EXCLUSIVE));
}

/* Readers and writers on all processors: writers alone, no change lost. */
static volatile LONG First, Second, Torn;
static VOID NTAPI ReadOrWrite(PVOID Context)
{
    LONG number = (LONG)(LONG_PTR)Context;
    for (LONG i = 0; i < 80; i++)
    {
        KeEnterCriticalRegion();
        if ((i + number) % 3 == 0)
        {
            ExAcquireResourceExclusiveLite(&Resource, TRUE);
            LONG next = First + 1;
            First = next;
            if (i % 9 == 0)
                SleepMs(1);
            Second = next;
        }
        else
        {
            Acquire(i % 2 ? SHARED : i % 4 ? STARVE : WAIT_FOR, TRUE);
            if (First != Second)
                Torn++;
        }
        ExReleaseResourceLite(&Resource);
        KeLeaveCriticalRegion();
    }
}

static VOID Stress(VOID)
{
    PKTHREAD threads[6];
    LONG expected = 0;
    for (LONG_PTR i = 0; i < 6; i++)
    {
        threads[i] = StartThread(ReadOrWrite, (PVOID)i);
        KeSetPriorityThread(threads[i], 6 + i);
        for (LONG j = 0; j < 80; j++)
            expected += (j + i) % 3 == 0;
    }
    for (int i = 0; i < 6; i++)
        JoinThread(threads[i]);
    CHECK(First == expected && Second == expected);
    CHECK(Torn == 0);
    CHECK(ExGetExclusiveWaiterCount(&Resource) == 0 && ExGetSharedWaiterCount(&Resource) == 0);
    ExDeleteResourceLite(&Resource);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("resources");
    if (KtestCase != 0)
    {
        ExInitializeResourceLite(&Resource);
        KeEnterCriticalRegion();
    }
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(ExReleaseResourceLite, "bug check 0xE3 for a thread that does not own the resource", 0xE3);
        ExReleaseResourceLite(&Resource);
    }
    if (KtestCase == 2)
    {
        ExAcquireResourceExclusiveLite(&Resource, TRUE);
        OUTCOME_BUGCHECK(ExReleaseResourceForThreadLite, "bug check 0xE3 for a thread that does not own the resource", 0xE3);
        ExReleaseResourceForThreadLite(&Resource, (ERESOURCE_THREAD)PsInitialSystemProcess);
    }
    Basics();
    Order();
    Regions();
    Owners();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
