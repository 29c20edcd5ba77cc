/* Run-down protection: an object that is in use is not taken away; plain and cache-aware. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

typedef struct _EX_RUNDOWN_REF_CACHE_AWARE *PEX_RUNDOWN_REF_CACHE_AWARE_;
NTKERNELAPI PEX_RUNDOWN_REF_CACHE_AWARE_ NTAPI ExAllocateCacheAwareRundownProtection(POOL_TYPE PoolType, ULONG PoolTag);
NTKERNELAPI VOID NTAPI ExFreeCacheAwareRundownProtection(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef);
NTKERNELAPI SIZE_T NTAPI ExSizeOfRundownProtectionCacheAware(VOID);
NTKERNELAPI VOID NTAPI ExInitializeRundownProtectionCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef, SIZE_T Size);
NTKERNELAPI VOID NTAPI ExReInitializeRundownProtectionCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef);
NTKERNELAPI BOOLEAN FASTCALL ExAcquireRundownProtectionCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef);
NTKERNELAPI BOOLEAN FASTCALL ExAcquireRundownProtectionCacheAwareEx(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef, ULONG Count);
NTKERNELAPI VOID FASTCALL ExReleaseRundownProtectionCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef);
NTKERNELAPI VOID FASTCALL ExReleaseRundownProtectionCacheAwareEx(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef, ULONG Count);
NTKERNELAPI VOID FASTCALL ExWaitForRundownProtectionReleaseCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef);
NTKERNELAPI VOID FASTCALL ExRundownCompletedCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE_ RunRef);

static EX_RUNDOWN_REF Ref;
static PEX_RUNDOWN_REF_CACHE_AWARE_ Aware;
static volatile LONG Waited;

static VOID NTAPI WaitPlain(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    ExWaitForRundownProtectionRelease(&Ref);
    Waited = 1;
}

static VOID NTAPI WaitAware(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    ExWaitForRundownProtectionReleaseCacheAware(Aware);
    Waited = 1;
}

static VOID Plain(VOID)
{
    KIRQL irql;
    ExInitializeRundownProtection(&Ref);
    OUTCOME(ExInitializeRundownProtection, "the object can be protected", ExAcquireRundownProtection(&Ref));
    OUTCOME(ExAcquireRundownProtection, "returns TRUE as long as run-down has not begun", ExAcquireRundownProtection(&Ref));
    OUTCOME(ExAcquireRundownProtectionEx, "returns TRUE and acquires Count protections", ExAcquireRundownProtectionEx(&Ref, 3));
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    BOOLEAN high = ExAcquireRundownProtection(&Ref);
    ExReleaseRundownProtection(&Ref);
    KeLowerIrql(irql);
    OUTCOME(ExAcquireRundownProtection, "works at DISPATCH_LEVEL", high);
    Waited = 0;
    PKTHREAD thread = StartThread(WaitPlain, NULL);
    SleepMs(20);
    OUTCOME(ExAcquireRundownProtection, "returns FALSE once run-down has begun", !ExAcquireRundownProtection(&Ref));
    OUTCOME(ExAcquireRundownProtectionEx, "returns FALSE once run-down has begun", !ExAcquireRundownProtectionEx(&Ref, 2));
    ExReleaseRundownProtectionEx(&Ref, 3);
    ExReleaseRundownProtection(&Ref);
    SleepMs(20);
    OUTCOME(ExWaitForRundownProtectionRelease, "waits while the object is protected", Waited == 0);
    ExReleaseRundownProtection(&Ref);
    JoinThread(thread);
    OUTCOME(ExReleaseRundownProtection, "the last release lets the run-down complete", Waited == 1);
    OUTCOME(ExReleaseRundownProtectionEx, "releases Count protections", Waited == 1);
    ExWaitForRundownProtectionRelease(&Ref);
    OUTCOME(ExWaitForRundownProtectionRelease, "has no effect on an object that is run down", !ExAcquireRundownProtection(&Ref));
    ExRundownCompleted(&Ref);
    OUTCOME(ExRundownCompleted, "the object stays run down", !ExAcquireRundownProtection(&Ref));
    ExReInitializeRundownProtection(&Ref);
    OUTCOME(ExReInitializeRundownProtection, "the object can be protected again", ExAcquireRundownProtection(&Ref));
    ExReleaseRundownProtection(&Ref);
    ExWaitForRundownProtectionRelease(&Ref);
    OUTCOME(ExWaitForRundownProtectionRelease, "returns at once when nobody protects the object", !ExAcquireRundownProtection(&Ref));
}

static VOID CacheAware(VOID)
{
    SIZE_T size = ExSizeOfRundownProtectionCacheAware();
    Aware = ExAllocatePoolWithTag(NonPagedPool, size, 'dnuR');
    ExInitializeRundownProtectionCacheAware(Aware, size);
    OUTCOME(ExInitializeRundownProtectionCacheAware, "the object can be protected", ExAcquireRundownProtectionCacheAware(Aware));
    OUTCOME(ExSizeOfRundownProtectionCacheAware, "returns a size with which the structure can be initialized", size >= 24 + 64 * KtestProcessors);
    ExReleaseRundownProtectionCacheAware(Aware);
    ExWaitForRundownProtectionReleaseCacheAware(Aware);
    OUTCOME(ExWaitForRundownProtectionReleaseCacheAware, "returns at once when nobody protects the object", !ExAcquireRundownProtectionCacheAware(Aware));
    ExFreePool(Aware);

    Aware = ExAllocateCacheAwareRundownProtection(NonPagedPool, 'dnuR');
    OUTCOME(ExAllocateCacheAwareRundownProtection, "returns a structure whose object can be protected", Aware != NULL && ExAcquireRundownProtectionCacheAware(Aware));
    /* Acquired on one processor and released on another. */
    KeSetSystemAffinityThread((KAFFINITY)1 << (KtestProcessors - 1));
    OUTCOME(ExAcquireRundownProtectionCacheAwareEx, "returns TRUE and acquires Count protections", ExAcquireRundownProtectionCacheAwareEx(Aware, 3));
    KeRevertToUserAffinityThread();
    KeSetSystemAffinityThread(1);
    Waited = 0;
    PKTHREAD thread = StartThread(WaitAware, NULL);
    SleepMs(20);
    OUTCOME(ExAcquireRundownProtectionCacheAware, "returns FALSE once run-down has begun, on every processor", !ExAcquireRundownProtectionCacheAware(Aware));
    OUTCOME(ExAcquireRundownProtectionCacheAwareEx, "returns FALSE once run-down has begun", !ExAcquireRundownProtectionCacheAwareEx(Aware, 1));
    ExReleaseRundownProtectionCacheAwareEx(Aware, 3);
    SleepMs(20);
    OUTCOME(ExWaitForRundownProtectionReleaseCacheAware, "waits while the object is protected", Waited == 0);
    ExReleaseRundownProtectionCacheAware(Aware);
    JoinThread(thread);
    OUTCOME(ExReleaseRundownProtectionCacheAware, "the last release lets the run-down complete", Waited == 1);
    OUTCOME(ExReleaseRundownProtectionCacheAwareEx, "releases Count protections, on another processor too", Waited == 1);
    ExRundownCompletedCacheAware(Aware);
    OUTCOME(ExRundownCompletedCacheAware, "the object stays run down", !ExAcquireRundownProtectionCacheAware(Aware));
    ExReInitializeRundownProtectionCacheAware(Aware);
    OUTCOME(ExReInitializeRundownProtectionCacheAware, "the object can be protected again", ExAcquireRundownProtectionCacheAware(Aware));
    OUTCOME(ExAcquireRundownProtectionCacheAware, "returns TRUE as long as run-down has not begun", ExAcquireRundownProtectionCacheAware(Aware));
    ExReleaseRundownProtectionCacheAwareEx(Aware, 2);
    ExWaitForRundownProtectionReleaseCacheAware(Aware);
    ExFreeCacheAwareRundownProtection(Aware);
    /* More of them than memory could hold at a time. */
    LONG allocated = 0;
    for (int i = 0; i < 20000; i++)
    {
        PEX_RUNDOWN_REF_CACHE_AWARE_ each = ExAllocateCacheAwareRundownProtection(NonPagedPool, 'dnuR');
        if (each == NULL)
            break;
        ExFreeCacheAwareRundownProtection(each);
        allocated++;
    }
    OUTCOME(ExFreeCacheAwareRundownProtection, "frees what ExAllocateCacheAwareRundownProtection allocated", allocated == 20000);
    KeRevertToUserAffinityThread();
}

/* Users come and go on all processors while the object is run down and made anew: nobody uses it after its run-down. */
static volatile LONG Alive, Late, Uses, Stop;
static VOID NTAPI User(PVOID Context)
{
    KeSetSystemAffinityThread((KAFFINITY)1 << ((ULONG_PTR)Context % KtestProcessors));
    while (!Stop)
    {
        BOOLEAN aware = Uses % 2;
        if (aware ? ExAcquireRundownProtectionCacheAware(Aware) : ExAcquireRundownProtection(&Ref))
        {
            InterlockedIncrement(&Uses);
            if (!Alive)
                Late++;
            KeStallExecutionProcessor(3);
            if (!Alive)
                Late++;
            if (aware)
                ExReleaseRundownProtectionCacheAware(Aware);
            else
                ExReleaseRundownProtection(&Ref);
        }
        else
            SleepMs(1);
    }
}

static VOID Stress(VOID)
{
    PKTHREAD threads[4];
    ExInitializeRundownProtection(&Ref);
    Aware = ExAllocateCacheAwareRundownProtection(NonPagedPool, 'dnuR');
    Alive = 1;
    for (ULONG_PTR i = 0; i < 4; i++)
        threads[i] = StartThread(User, (PVOID)i);
    KeSetPriorityThread(KeGetCurrentThread(), 12);
    for (int i = 0; i < 20; i++)
    {
        SleepMs(3);
        ExWaitForRundownProtectionRelease(&Ref);
        ExWaitForRundownProtectionReleaseCacheAware(Aware);
        Alive = 0;
        KeStallExecutionProcessor(20);
        Alive = 1;
        ExReInitializeRundownProtection(&Ref);
        ExReInitializeRundownProtectionCacheAware(Aware);
    }
    Stop = 1;
    for (int i = 0; i < 4; i++)
        JoinThread(threads[i]);
    ExFreeCacheAwareRundownProtection(Aware);
    CHECK(Late == 0);
    CHECK(Uses > 20);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("rundown");
    Plain();
    CacheAware();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
