// ktest: cases=2
/* Fast and guarded mutexes: exclusive, not recursive, and which APCs they hold back. Case 1 acquires one twice. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI BOOLEAN NTAPI KeAreAllApcsDisabled(VOID);
#undef ExAcquireFastMutex
#undef ExReleaseFastMutex
#undef ExTryToAcquireFastMutex
NTKERNELAPI VOID FASTCALL ExAcquireFastMutex(PFAST_MUTEX FastMutex);
NTKERNELAPI VOID FASTCALL ExReleaseFastMutex(PFAST_MUTEX FastMutex);
NTKERNELAPI BOOLEAN FASTCALL ExTryToAcquireFastMutex(PFAST_MUTEX FastMutex);

static FAST_MUTEX Fast;
static KGUARDED_MUTEX Guarded;
static volatile LONG Counter, Taken;

enum Kind { FAST, FAST_UNSAFE, GUARDED, GUARDED_UNSAFE };

static VOID Enter(enum Kind Kind)
{
    switch (Kind)
    {
    case FAST:
        ExAcquireFastMutex(&Fast);
        break;
    case FAST_UNSAFE:
        KeEnterCriticalRegion();
        ExAcquireFastMutexUnsafe(&Fast);
        break;
    case GUARDED:
        KeAcquireGuardedMutex(&Guarded);
        break;
    case GUARDED_UNSAFE:
        KeEnterGuardedRegion();
        KeAcquireGuardedMutexUnsafe(&Guarded);
        break;
    }
}

static VOID Leave(enum Kind Kind)
{
    switch (Kind)
    {
    case FAST:
        ExReleaseFastMutex(&Fast);
        break;
    case FAST_UNSAFE:
        ExReleaseFastMutexUnsafe(&Fast);
        KeLeaveCriticalRegion();
        break;
    case GUARDED:
        KeReleaseGuardedMutex(&Guarded);
        break;
    case GUARDED_UNSAFE:
        KeReleaseGuardedMutexUnsafe(&Guarded);
        KeLeaveGuardedRegion();
        break;
    }
}

static VOID NTAPI TryBoth(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Taken = 0;
    if (ExTryToAcquireFastMutex(&Fast))
    {
        Taken |= 1;
        ExReleaseFastMutex(&Fast);
    }
    if (KeTryToAcquireGuardedMutex(&Guarded))
    {
        Taken |= 2;
        KeReleaseGuardedMutex(&Guarded);
    }
}

/* Which of the two mutexes another thread can acquire now: 1 the fast one, 2 the guarded one. */
static LONG Free(VOID)
{
    JoinThread(StartThread(TryBoth, NULL));
    return Taken;
}

static VOID Basics(VOID)
{
    ExInitializeFastMutex(&Fast);
    KeInitializeGuardedMutex(&Guarded);
    OUTCOME(ExInitializeFastMutex, "makes a mutex that is free", (Free() & 1) != 0);
    OUTCOME(KeInitializeGuardedMutex, "makes a mutex that is free", (Free() & 2) != 0);

    ExAcquireFastMutex(&Fast);
    OUTCOME(ExAcquireFastMutex, "the caller runs at APC_LEVEL while it has the mutex", KeGetCurrentIrql() == APC_LEVEL);
    KeLowerIrql(PASSIVE_LEVEL);
    OUTCOME(ExTryToAcquireFastMutex, "returns FALSE when another thread has the mutex", (Free() & 1) == 0);
    KIRQL irql;
    KeRaiseIrql(APC_LEVEL, &irql);
    ExReleaseFastMutex(&Fast);
    OUTCOME(ExReleaseFastMutex, "frees the mutex and restores the IRQL", KeGetCurrentIrql() == PASSIVE_LEVEL && (Free() & 1) != 0);
    BOOLEAN taken = ExTryToAcquireFastMutex(&Fast);
    OUTCOME(ExTryToAcquireFastMutex, "returns TRUE and raises to APC_LEVEL when the mutex is free", taken && KeGetCurrentIrql() == APC_LEVEL);
    ExReleaseFastMutex(&Fast);

    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe(&Fast);
    OUTCOME(ExAcquireFastMutexUnsafe, "acquires the mutex and leaves the IRQL as it is", KeGetCurrentIrql() == PASSIVE_LEVEL && (Free() & 1) == 0);
    ExReleaseFastMutexUnsafe(&Fast);
    OUTCOME(ExReleaseFastMutexUnsafe, "frees the mutex and leaves the IRQL as it is", KeGetCurrentIrql() == PASSIVE_LEVEL && (Free() & 1) != 0);
    KeLeaveCriticalRegion();

    KeAcquireGuardedMutex(&Guarded);
    OUTCOME(KeAcquireGuardedMutex, "the caller is in a guarded region at its IRQL while it has the mutex", KeAreAllApcsDisabled() && KeGetCurrentIrql() == PASSIVE_LEVEL);
    OUTCOME(KeTryToAcquireGuardedMutex, "returns FALSE when another thread has the mutex", (Free() & 2) == 0);
    KeReleaseGuardedMutex(&Guarded);
    OUTCOME(KeReleaseGuardedMutex, "frees the mutex and leaves the guarded region", !KeAreAllApcsDisabled() && (Free() & 2) != 0);
    taken = KeTryToAcquireGuardedMutex(&Guarded);
    OUTCOME(KeTryToAcquireGuardedMutex, "returns TRUE and enters a guarded region when the mutex is free", taken && KeAreAllApcsDisabled());
    KeReleaseGuardedMutex(&Guarded);
    KeEnterGuardedRegion();
    KeAcquireGuardedMutexUnsafe(&Guarded);
    OUTCOME(KeAcquireGuardedMutexUnsafe, "acquires the mutex inside a guarded region of the caller's", (Free() & 2) == 0);
    KeReleaseGuardedMutexUnsafe(&Guarded);
    OUTCOME(KeReleaseGuardedMutexUnsafe, "frees the mutex and stays in the guarded region", KeAreAllApcsDisabled() && (Free() & 2) != 0);
    KeLeaveGuardedRegion();
}

static VOID NTAPI Add(PVOID Context)
{
    enum Kind kind = (enum Kind)(ULONG_PTR)Context;
    for (int i = 0; i < 100; i++)
    {
        Enter(kind);
        LONG value = Counter;
        if (i % 10 == 0)
            KeStallExecutionProcessor(15);
        Counter = value + 1;
        Leave(kind);
    }
}

/* TRUE if five threads add 500 without losing any. */
static BOOLEAN Exact(enum Kind Kind)
{
    PKTHREAD threads[5];
    Counter = 0;
    for (int i = 0; i < 5; i++)
    {
        threads[i] = StartThread(Add, (PVOID)(ULONG_PTR)Kind);
        KeSetPriorityThread(threads[i], 6 + i);
    }
    for (int i = 0; i < 5; i++)
        JoinThread(threads[i]);
    return Counter == 500;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("fastmutexes");
    if (KtestCase == 1)
    {
        ExInitializeFastMutex(&Fast);
        ExAcquireFastMutex(&Fast);
        OUTCOME_BUGCHECK(ExAcquireFastMutex, "a fast mutex cannot be acquired recursively", 0xC4);
        ExAcquireFastMutex(&Fast);
    }
    Basics();
    OUTCOME(ExAcquireFastMutex, "one thread at a time has the mutex, the others wait", Exact(FAST));
    OUTCOME(ExAcquireFastMutexUnsafe, "one thread at a time has the mutex, the others wait", Exact(FAST_UNSAFE));
    OUTCOME(KeAcquireGuardedMutex, "one thread at a time has the mutex, the others wait", Exact(GUARDED));
    OUTCOME(KeAcquireGuardedMutexUnsafe, "one thread at a time has the mutex, the others wait", Exact(GUARDED_UNSAFE));
    KtestDone();
    return STATUS_SUCCESS;
}
