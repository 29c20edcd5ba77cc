/* Push locks: one exclusive owner or many that share, in a word. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

#undef ExInitializePushLock
NTKERNELAPI VOID NTAPI ExInitializePushLock(PEX_PUSH_LOCK PushLock);
NTKERNELAPI VOID FASTCALL ExAcquirePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
NTKERNELAPI VOID FASTCALL ExAcquirePushLockSharedEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
NTKERNELAPI VOID FASTCALL ExReleasePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
NTKERNELAPI VOID FASTCALL ExReleasePushLockSharedEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
NTKERNELAPI VOID FASTCALL ExReleasePushLockEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
NTKERNELAPI BOOLEAN FASTCALL ExTryAcquirePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
NTKERNELAPI BOOLEAN FASTCALL ExTryAcquirePushLockSharedEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
NTKERNELAPI BOOLEAN FASTCALL ExfTryAcquirePushLockShared(PEX_PUSH_LOCK PushLock);
NTKERNELAPI VOID FASTCALL ExfAcquirePushLockExclusive(PEX_PUSH_LOCK PushLock);
NTKERNELAPI VOID FASTCALL ExfAcquirePushLockShared(PEX_PUSH_LOCK PushLock);
NTKERNELAPI VOID FASTCALL ExfReleasePushLock(PEX_PUSH_LOCK PushLock);
NTKERNELAPI VOID FASTCALL ExfReleasePushLockExclusive(PEX_PUSH_LOCK PushLock);
NTKERNELAPI VOID FASTCALL ExfReleasePushLockShared(PEX_PUSH_LOCK PushLock);
NTKERNELAPI VOID FASTCALL ExBlockPushLock(PEX_PUSH_LOCK PushLock, PVOID WaitBlock);
NTKERNELAPI VOID FASTCALL ExfUnblockPushLock(PEX_PUSH_LOCK PushLock, PVOID WaitBlock);
NTKERNELAPI VOID FASTCALL ExWaitForUnblockPushLock(PEX_PUSH_LOCK PushLock, PVOID WaitBlock);

static EX_PUSH_LOCK Lock;
static volatile LONG First, Second, Torn, Readers, MostReaders, Reached, Unblocked;
static KEVENT Both;

/* TRUE if the lock is free for exclusive use; it stays so. */
static BOOLEAN IsFree(VOID)
{
    if (!ExTryAcquirePushLockExclusiveEx(&Lock, 0))
        return FALSE;
    ExReleasePushLockExclusiveEx(&Lock, 0);
    return TRUE;
}

static VOID Basics(VOID)
{
    KeEnterCriticalRegion();
    ExInitializePushLock(&Lock);
    OUTCOME(ExInitializePushLock, "makes a lock that is free", IsFree());
    ExAcquirePushLockExclusiveEx(&Lock, 0);
    OUTCOME(ExAcquirePushLockExclusiveEx, "nobody else can have the lock, exclusively or shared", !ExTryAcquirePushLockExclusiveEx(&Lock, 0) && !ExTryAcquirePushLockSharedEx(&Lock, 0));
    ExReleasePushLockExclusiveEx(&Lock, 0);
    OUTCOME(ExReleasePushLockExclusiveEx, "frees the lock", IsFree());
    ExAcquirePushLockSharedEx(&Lock, 0);
    OUTCOME(ExAcquirePushLockSharedEx, "others can share the lock, and not have it exclusively", ExTryAcquirePushLockSharedEx(&Lock, 0) && !ExTryAcquirePushLockExclusiveEx(&Lock, 0));
    ExReleasePushLockSharedEx(&Lock, 0);
    OUTCOME(ExReleasePushLockSharedEx, "the lock is free when all who shared it have released it", !IsFree() && (ExReleasePushLockSharedEx(&Lock, 0), IsFree()));
    OUTCOME(ExTryAcquirePushLockSharedEx, "returns TRUE for a lock that is free", ExTryAcquirePushLockSharedEx(&Lock, 0));
    ExReleasePushLockEx(&Lock, 0);
    OUTCOME(ExReleasePushLockEx, "releases shared ownership", IsFree());
    OUTCOME(ExTryAcquirePushLockExclusiveEx, "returns TRUE for a lock that is free", ExTryAcquirePushLockExclusiveEx(&Lock, 0));
    OUTCOME(ExTryAcquirePushLockExclusiveEx, "returns FALSE for a lock that somebody has", !ExTryAcquirePushLockExclusiveEx(&Lock, 0));
    OUTCOME(ExTryAcquirePushLockSharedEx, "returns FALSE for a lock that somebody has exclusively", !ExTryAcquirePushLockSharedEx(&Lock, 0));
    OUTCOME(ExfTryAcquirePushLockShared, "returns FALSE for a lock that somebody has exclusively", !ExfTryAcquirePushLockShared(&Lock));
    ExReleasePushLockEx(&Lock, 0);
    OUTCOME(ExReleasePushLockEx, "releases exclusive ownership", IsFree());
    ExfAcquirePushLockExclusive(&Lock);
    OUTCOME(ExfAcquirePushLockExclusive, "nobody else can have the lock", !ExTryAcquirePushLockSharedEx(&Lock, 0));
    ExfReleasePushLockExclusive(&Lock);
    OUTCOME(ExfReleasePushLockExclusive, "frees the lock", IsFree());
    ExfAcquirePushLockShared(&Lock);
    OUTCOME(ExfAcquirePushLockShared, "others can share the lock", ExfTryAcquirePushLockShared(&Lock));
    OUTCOME(ExfTryAcquirePushLockShared, "returns TRUE for a lock that is shared", !ExTryAcquirePushLockExclusiveEx(&Lock, 0));
    ExfReleasePushLockShared(&Lock);
    OUTCOME(ExfReleasePushLockShared, "ends one share", !IsFree());
    ExfReleasePushLock(&Lock);
    OUTCOME(ExfReleasePushLock, "ends the last share, and the lock is free", IsFree());
    KeLeaveCriticalRegion();
}

/* Waits until the two readers are inside at the same time. */
static VOID NTAPI Reader(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeEnterCriticalRegion();
    ExAcquirePushLockSharedEx(&Lock, 0);
    if (InterlockedIncrement(&Reached) == 2)
        KeSetEvent(&Both, 0, FALSE);
    LARGE_INTEGER second = MsFromNow(1000);
    if (KeWaitForSingleObject(&Both, Executive, KernelMode, FALSE, &second) == STATUS_SUCCESS)
        InterlockedIncrement(&Readers);
    ExReleasePushLockSharedEx(&Lock, 0);
    KeLeaveCriticalRegion();
}

static VOID NTAPI Writer(PVOID Context)
{
    KeEnterCriticalRegion();
    ExAcquirePushLockExclusiveEx(&Lock, 0);
    *(volatile LONG *)Context = Reached;
    ExReleasePushLockExclusiveEx(&Lock, 0);
    KeLeaveCriticalRegion();
}

static VOID Waiting(VOID)
{
    PKTHREAD readers[2], writer;
    volatile LONG seen = -1;
    KeInitializeEvent(&Both, NotificationEvent, FALSE);
    KeEnterCriticalRegion();
    ExAcquirePushLockExclusiveEx(&Lock, 0);
    for (int i = 0; i < 2; i++)
        readers[i] = StartThread(Reader, NULL);
    SleepMs(30);
    writer = StartThread(Writer, (PVOID)&seen);
    SleepMs(30);
    BOOLEAN held = Reached == 0 && seen == -1;
    ExReleasePushLockExclusiveEx(&Lock, 0);
    KeLeaveCriticalRegion();
    for (int i = 0; i < 2; i++)
        JoinThread(readers[i]);
    JoinThread(writer);
    OUTCOME(ExReleasePushLockExclusiveEx, "those who wait to share the lock get it together", held && Readers == 2);
    OUTCOME(ExAcquirePushLockExclusiveEx, "waits until those who share the lock have released it", seen == 2);
    OUTCOME(ExAcquirePushLockSharedEx, "waits while somebody has the lock exclusively", held);
}

static ULONG_PTR Block[16];
static VOID NTAPI Blocked(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    ExBlockPushLock(&Lock, Block);
    InterlockedIncrement(&Reached);
    ExWaitForUnblockPushLock(&Lock, Block);
    Unblocked = 1;
}

static VOID Blocking(VOID)
{
    ExInitializePushLock(&Lock);
    Reached = 0;
    PKTHREAD thread = StartThread(Blocked, NULL);
    SleepMs(30);
    OUTCOME(ExBlockPushLock, "announces a wait without waiting", Reached == 1);
    OUTCOME(ExWaitForUnblockPushLock, "waits until the block is unblocked", Unblocked == 0);
    ExfUnblockPushLock(&Lock, Block);
    JoinThread(thread);
    OUTCOME(ExfUnblockPushLock, "wakes the thread whose block is given", Unblocked == 1);
    Unblocked = 0;
    thread = StartThread(Blocked, NULL);
    SleepMs(30);
    ExfUnblockPushLock(&Lock, NULL);
    JoinThread(thread);
    OUTCOME(ExfUnblockPushLock, "without a block it wakes all who wait at the lock", Unblocked == 1);
}

static VOID NTAPI ReadOrWrite(PVOID Context)
{
    LONG number = (LONG)(LONG_PTR)Context;
    for (LONG i = 0; i < 120; i++)
    {
        KeEnterCriticalRegion();
        if ((i + number) % 3 == 0)
        {
            ExAcquirePushLockExclusiveEx(&Lock, 0);
            LONG next = First + 1;
            First = next;
            if (i % 15 == 0)
                SleepMs(1);
            Second = next;
            ExReleasePushLockExclusiveEx(&Lock, 0);
        }
        else
        {
            ExAcquirePushLockSharedEx(&Lock, 0);
            if (First != Second)
                Torn++;
            ExReleasePushLockSharedEx(&Lock, 0);
        }
        KeLeaveCriticalRegion();
    }
}

static VOID Stress(VOID)
{
    PKTHREAD threads[6];
    for (LONG_PTR i = 0; i < 6; i++)
    {
        threads[i] = StartThread(ReadOrWrite, (PVOID)i);
        KeSetPriorityThread(threads[i], 6 + i);
    }
    for (int i = 0; i < 6; i++)
        JoinThread(threads[i]);
    CHECK(Torn == 0);
    CHECK(First == 240 && Second == 240);
    CHECK(IsFree());
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("pushlocks");
    Basics();
    Waiting();
    Blocking();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
