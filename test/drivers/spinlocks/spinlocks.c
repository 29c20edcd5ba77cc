// ktest: cases=3
/* Spin locks: plain, queued, of an interrupt-free kind. Every one protects a counter that is not atomic, on all processors. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI BOOLEAN FASTCALL KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock);
NTKERNELAPI BOOLEAN FASTCALL KeTestSpinLock(PKSPIN_LOCK SpinLock);
NTKERNELAPI KIRQL FASTCALL KeAcquireSpinLockForDpc(PKSPIN_LOCK SpinLock);
NTKERNELAPI VOID FASTCALL KeReleaseSpinLockForDpc(PKSPIN_LOCK SpinLock, KIRQL OldIrql);
NTKERNELAPI VOID FASTCALL KeAcquireInStackQueuedSpinLockForDpc(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE Handle);
NTKERNELAPI VOID FASTCALL KeReleaseInStackQueuedSpinLockForDpc(PKLOCK_QUEUE_HANDLE Handle);
NTKERNELAPI KIRQL FASTCALL KeAcquireQueuedSpinLock(ULONG Number);
NTKERNELAPI VOID FASTCALL KeReleaseQueuedSpinLock(ULONG Number, KIRQL OldIrql);
NTKERNELAPI LOGICAL FASTCALL KeTryToAcquireQueuedSpinLock(ULONG Number, PKIRQL OldIrql);
NTKERNELAPI KIRQL FASTCALL KeAcquireQueuedSpinLockRaiseToSynch(ULONG Number);
NTKERNELAPI LOGICAL FASTCALL KeTryToAcquireQueuedSpinLockRaiseToSynch(ULONG Number, PKIRQL OldIrql);
NTKERNELAPI KIRQL NTAPI NtAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock) __asm__("KeAcquireSpinLockRaiseToDpc");
NTKERNELAPI VOID NTAPI NtInitializeSpinLock(PKSPIN_LOCK SpinLock) __asm__("KeInitializeSpinLock");
NTKERNELAPI VOID NTAPI NtAcquireSpinLock(PKSPIN_LOCK SpinLock, PKIRQL OldIrql) __asm__("KeAcquireSpinLock");

static KSPIN_LOCK Lock;
static volatile ULONG Counter, Done;

enum Kind { PLAIN, AT_DPC, TRY, QUEUED, QUEUED_AT_DPC, NUMBERED, FOR_DPC, KINDS };

static VOID Work(VOID)
{
    ULONG value = Counter;
    for (volatile int i = 0; i < 20; i++)
        ;
    Counter = value + 1;
}

/* One increment under each kind of lock. */
static VOID Locked(enum Kind Kind)
{
    KLOCK_QUEUE_HANDLE handle;
    KIRQL irql;
    switch (Kind)
    {
    case PLAIN:
        KeAcquireSpinLock(&Lock, &irql);
        Work();
        KeReleaseSpinLock(&Lock, irql);
        break;
    case AT_DPC:
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        KeAcquireSpinLockAtDpcLevel(&Lock);
        Work();
        KeReleaseSpinLockFromDpcLevel(&Lock);
        KeLowerIrql(irql);
        break;
    case TRY:
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        while (!KeTryToAcquireSpinLockAtDpcLevel(&Lock))
            ;
        Work();
        KeReleaseSpinLockFromDpcLevel(&Lock);
        KeLowerIrql(irql);
        break;
    case QUEUED:
        KeAcquireInStackQueuedSpinLock(&Lock, &handle);
        Work();
        KeReleaseInStackQueuedSpinLock(&handle);
        break;
    case QUEUED_AT_DPC:
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
        Work();
        KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
        KeLowerIrql(irql);
        break;
    case NUMBERED:
        irql = KeAcquireQueuedSpinLock(5);
        Work();
        KeReleaseQueuedSpinLock(5, irql);
        break;
    case FOR_DPC:
        irql = KeAcquireSpinLockForDpc(&Lock);
        Work();
        KeReleaseSpinLockForDpc(&Lock, irql);
        break;
    default:
        break;
    }
}

enum { THREADS = 4, ROUNDS = 500 };
static VOID NTAPI Hammer(PVOID Context)
{
    enum Kind kind = (enum Kind)((ULONG_PTR)Context & 0xff);
    KeSetSystemAffinityThread((KAFFINITY)1 << (((ULONG_PTR)Context >> 8) % KtestProcessors));
    for (int i = 0; i < ROUNDS; i++)
        Locked(kind);
    InterlockedIncrement((volatile LONG *)&Done);
}

/* TRUE if no increment was lost. */
static BOOLEAN Exact(enum Kind Kind)
{
    PKTHREAD threads[THREADS];
    Counter = 0;
    KeInitializeSpinLock(&Lock);
    for (ULONG_PTR i = 0; i < THREADS; i++)
        threads[i] = StartThread(Hammer, (PVOID)(i << 8 | Kind));
    for (int i = 0; i < THREADS; i++)
        JoinThread(threads[i]);
    return Counter == THREADS * ROUNDS && KeGetCurrentIrql() == PASSIVE_LEVEL;
}

static VOID Plain(VOID)
{
    KIRQL irql = 99, old;
    Lock = 77;
    NtInitializeSpinLock(&Lock);
    OUTCOME(KeInitializeSpinLock, "makes a lock that is free", Lock == 0 && KeTestSpinLock(&Lock));
    Lock = 77;
    KeInitializeSpinLock(&Lock);
    CHECK(Lock == 0);
    KeAcquireSpinLock(&Lock, &irql);
    OUTCOME(KeAcquireSpinLock, "stores the IRQL of before and raises to DISPATCH_LEVEL", irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(KeTestSpinLock, "returns FALSE for a lock that is held", !KeTestSpinLock(&Lock));
    OUTCOME(KeTryToAcquireSpinLockAtDpcLevel, "returns FALSE for a lock that is held", !KeTryToAcquireSpinLockAtDpcLevel(&Lock));
    KeReleaseSpinLock(&Lock, irql);
    OUTCOME(KeReleaseSpinLock, "frees the lock and restores the IRQL", KeTestSpinLock(&Lock) && KeGetCurrentIrql() == PASSIVE_LEVEL);
    NtAcquireSpinLock(&Lock, &irql);
    OUTCOME(KeAcquireSpinLock, "is an export too", irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL && !KeTestSpinLock(&Lock));
    KeReleaseSpinLock(&Lock, irql);
    irql = KeAcquireSpinLockRaiseToDpc(&Lock);
    OUTCOME(KeAcquireSpinLockRaiseToDpc, "returns the IRQL of before and raises to DISPATCH_LEVEL", irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL && !KeTestSpinLock(&Lock));
    KeReleaseSpinLock(&Lock, irql);
    KeRaiseIrql(APC_LEVEL, &old);
    irql = NtAcquireSpinLockRaiseToDpc(&Lock);
    KeReleaseSpinLock(&Lock, irql);
    OUTCOME(KeReleaseSpinLock, "restores APC_LEVEL where the lock was acquired there", irql == APC_LEVEL && KeGetCurrentIrql() == APC_LEVEL);
    KeLowerIrql(old);

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeAcquireSpinLockAtDpcLevel(&Lock);
    OUTCOME(KeAcquireSpinLockAtDpcLevel, "acquires the lock and leaves the IRQL as it is", !KeTestSpinLock(&Lock) && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseSpinLockFromDpcLevel(&Lock);
    OUTCOME(KeReleaseSpinLockFromDpcLevel, "frees the lock and leaves the IRQL as it is", KeTestSpinLock(&Lock) && KeGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(KeTryToAcquireSpinLockAtDpcLevel, "returns TRUE and acquires a lock that is free", KeTryToAcquireSpinLockAtDpcLevel(&Lock) && !KeTestSpinLock(&Lock));
    KeReleaseSpinLockFromDpcLevel(&Lock);
    OUTCOME(KeTestSpinLock, "returns TRUE for a lock that is free", KeTestSpinLock(&Lock));
    KeLowerIrql(old);
    irql = KeAcquireSpinLockForDpc(&Lock);
    OUTCOME(KeAcquireSpinLockForDpc, "returns the IRQL of before and raises to DISPATCH_LEVEL", irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseSpinLockForDpc(&Lock, irql);
    OUTCOME(KeReleaseSpinLockForDpc, "frees the lock and restores the IRQL", KeTestSpinLock(&Lock) && KeGetCurrentIrql() == PASSIVE_LEVEL);

    OUTCOME(KeAcquireSpinLock, "lets one processor at a time into the code that it guards", Exact(PLAIN));
    OUTCOME(KeAcquireSpinLockAtDpcLevel, "lets one processor at a time into the code that it guards", Exact(AT_DPC));
    OUTCOME(KeTryToAcquireSpinLockAtDpcLevel, "lets one processor at a time into the code that it guards", Exact(TRY));
    OUTCOME(KeAcquireSpinLockForDpc, "lets one processor at a time into the code that it guards", Exact(FOR_DPC));
}

static VOID Queued(VOID)
{
    KLOCK_QUEUE_HANDLE handle;
    KIRQL irql, old;
    KeInitializeSpinLock(&Lock);
    KeAcquireInStackQueuedSpinLock(&Lock, &handle);
    OUTCOME(KeAcquireInStackQueuedSpinLock, "acquires the lock and raises to DISPATCH_LEVEL", !KeTestSpinLock(&Lock) && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseInStackQueuedSpinLock(&handle);
    OUTCOME(KeReleaseInStackQueuedSpinLock, "frees the lock and restores the IRQL", KeTestSpinLock(&Lock) && KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
    OUTCOME(KeAcquireInStackQueuedSpinLockAtDpcLevel, "acquires the lock and leaves the IRQL as it is", !KeTestSpinLock(&Lock) && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
    OUTCOME(KeReleaseInStackQueuedSpinLockFromDpcLevel, "frees the lock and leaves the IRQL as it is", KeTestSpinLock(&Lock) && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeLowerIrql(old);
    KeAcquireInStackQueuedSpinLockForDpc(&Lock, &handle);
    OUTCOME(KeAcquireInStackQueuedSpinLockForDpc, "acquires the lock and raises to DISPATCH_LEVEL", !KeTestSpinLock(&Lock) && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseInStackQueuedSpinLockForDpc(&handle);
    OUTCOME(KeReleaseInStackQueuedSpinLockForDpc, "frees the lock and restores the IRQL", KeTestSpinLock(&Lock) && KeGetCurrentIrql() == PASSIVE_LEVEL);
    OUTCOME(KeAcquireInStackQueuedSpinLock, "lets one processor at a time into the code that it guards", Exact(QUEUED));
    OUTCOME(KeAcquireInStackQueuedSpinLockAtDpcLevel, "lets one processor at a time into the code that it guards", Exact(QUEUED_AT_DPC));

    irql = KeAcquireQueuedSpinLock(5);
    OUTCOME(KeAcquireQueuedSpinLock, "returns the IRQL of before and raises to DISPATCH_LEVEL", irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseQueuedSpinLock(5, irql);
    OUTCOME(KeReleaseQueuedSpinLock, "frees the lock and sets the IRQL", KeGetCurrentIrql() == PASSIVE_LEVEL && KeTryToAcquireQueuedSpinLock(5, &irql) && KeGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(KeTryToAcquireQueuedSpinLock, "returns TRUE and raises to DISPATCH_LEVEL when the lock is free", irql == PASSIVE_LEVEL);
    KIRQL second = 0;
    LOGICAL taken = KeTryToAcquireQueuedSpinLock(5, &second);
    OUTCOME(KeTryToAcquireQueuedSpinLock, "returns FALSE and leaves the IRQL when the lock is held", !taken && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseQueuedSpinLock(5, irql);
    irql = KeAcquireQueuedSpinLockRaiseToSynch(6);
    KIRQL synch = KeGetCurrentIrql();
    OUTCOME(KeTryToAcquireQueuedSpinLockRaiseToSynch, "returns FALSE when the lock is held", !KeTryToAcquireQueuedSpinLockRaiseToSynch(6, &second));
    KeReleaseQueuedSpinLock(6, irql);
    OUTCOME(KeAcquireQueuedSpinLockRaiseToSynch, "raises to the synchronization level", synch == 12 && KeGetCurrentIrql() == PASSIVE_LEVEL);
    OUTCOME(KeTryToAcquireQueuedSpinLockRaiseToSynch, "returns TRUE at the synchronization level when the lock is free", KeTryToAcquireQueuedSpinLockRaiseToSynch(6, &irql) && KeGetCurrentIrql() == 12);
    KeReleaseQueuedSpinLock(6, irql);
    OUTCOME(KeAcquireQueuedSpinLock, "lets one processor at a time into the code that it guards", Exact(NUMBERED));
}

/* Four processors wait in line for a lock that the first holds: they get it in the order in which they came. */
static volatile LONG Arrived, Line;
static VOID NTAPI StandInLine(PVOID Context)
{
    KLOCK_QUEUE_HANDLE handle;
    KIRQL irql;
    LONG number = (LONG)(LONG_PTR)Context;
    KeSetSystemAffinityThread((KAFFINITY)1 << number);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    while (Arrived != number - 1)
        KeStallExecutionProcessor(1);
    Arrived = number;
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
    Line = Line * 10 + number;
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
    KeLowerIrql(irql);
}

static VOID Fairness(VOID)
{
    PKTHREAD threads[8];
    KLOCK_QUEUE_HANDLE handle;
    LONG expected = 0;
    KeInitializeSpinLock(&Lock);
    KeSetSystemAffinityThread(1);
    Arrived = -1;
    for (ULONG_PTR i = KtestProcessors - 1; i > 0; i--)
        threads[i] = StartThread(StandInLine, (PVOID)i);
    KeAcquireInStackQueuedSpinLock(&Lock, &handle);
    Arrived = 0;
    /* Each one that has come is in line before the next is let on: the stall is longer than its few instructions. */
    for (LONG i = 1; i < (LONG)KtestProcessors; i++)
    {
        while (Arrived < i)
            KeStallExecutionProcessor(1);
        KeStallExecutionProcessor(20);
        expected = expected * 10 + i;
    }
    KeReleaseInStackQueuedSpinLock(&handle);
    for (ULONG i = 1; i < KtestProcessors; i++)
        JoinThread(threads[i]);
    KeRevertToUserAffinityThread();
    OUTCOME(KeReleaseInStackQueuedSpinLock, "processors get the lock in the order in which they asked for it", Line == expected);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

/* A lock is released where acquiring it has led: at DISPATCH_LEVEL, not above. */
static VOID ReleasedAbove(VOID)
{
    KLOCK_QUEUE_HANDLE handle;
    KIRQL irql, higher;
    if (KtestCase == 1)
    {
        KeAcquireSpinLock(&Lock, &irql);
        KeRaiseIrql(DISPATCH_LEVEL + 1, &higher);
        OUTCOME_BUGCHECK(KeReleaseSpinLock, "bug check 0xC4 at another IRQL than DISPATCH_LEVEL", 0xC4);
        KeReleaseSpinLock(&Lock, irql);
    }
    KeAcquireInStackQueuedSpinLock(&Lock, &handle);
    KeRaiseIrql(DISPATCH_LEVEL + 1, &higher);
    OUTCOME_BUGCHECK(KeReleaseInStackQueuedSpinLock, "bug check 0xC4 at another IRQL than DISPATCH_LEVEL", 0xC4);
    KeReleaseInStackQueuedSpinLock(&handle);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("spinlocks");
    if (KtestCase != 0)
        ReleasedAbove();
    Plain();
    Queued();
    Fairness();
    KtestDone();
    return STATUS_SUCCESS;
}
