// ktest: cases=10
/* Reader/writer spin locks (EX_SPIN_LOCK): readers together, writers alone. Cases 1 and up: each routine at an IRQL that is wrong for it. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

typedef volatile LONG EX_SPIN_LOCK_, *PEX_SPIN_LOCK_;
NTKERNELAPI KIRQL NTAPI ExAcquireSpinLockShared(PEX_SPIN_LOCK_ SpinLock);
NTKERNELAPI KIRQL NTAPI ExAcquireSpinLockExclusive(PEX_SPIN_LOCK_ SpinLock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockShared(PEX_SPIN_LOCK_ SpinLock, KIRQL OldIrql);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockExclusive(PEX_SPIN_LOCK_ SpinLock, KIRQL OldIrql);
NTKERNELAPI VOID NTAPI ExAcquireSpinLockSharedAtDpcLevel(PEX_SPIN_LOCK_ SpinLock);
NTKERNELAPI VOID NTAPI ExAcquireSpinLockExclusiveAtDpcLevel(PEX_SPIN_LOCK_ SpinLock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockSharedFromDpcLevel(PEX_SPIN_LOCK_ SpinLock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockExclusiveFromDpcLevel(PEX_SPIN_LOCK_ SpinLock);
NTKERNELAPI BOOLEAN NTAPI ExTryAcquireSpinLockSharedAtDpcLevel(PEX_SPIN_LOCK_ SpinLock);
NTKERNELAPI BOOLEAN NTAPI ExTryAcquireSpinLockExclusiveAtDpcLevel(PEX_SPIN_LOCK_ SpinLock);
NTKERNELAPI BOOLEAN NTAPI ExTryConvertSharedSpinLockExclusive(PEX_SPIN_LOCK_ SpinLock);

static EX_SPIN_LOCK_ Lock;
static volatile LONG Value[2], Torn, Readers, MostReaders, Writes;

static VOID Basics(VOID)
{
    KIRQL irql, old;
    irql = ExAcquireSpinLockShared(&Lock);
    OUTCOME(ExAcquireSpinLockShared, "returns the IRQL of before and raises to DISPATCH_LEVEL", irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(ExAcquireSpinLockShared, "several share the lock, so that nobody can have it exclusively", ExTryAcquireSpinLockSharedAtDpcLevel(&Lock) && !ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock));
    OUTCOME(ExTryConvertSharedSpinLockExclusive, "returns FALSE while others share the lock", !ExTryConvertSharedSpinLockExclusive(&Lock));
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
    OUTCOME(ExReleaseSpinLockSharedFromDpcLevel, "ends one share and leaves the IRQL as it is", KeGetCurrentIrql() == DISPATCH_LEVEL && !ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock));
    OUTCOME(ExTryConvertSharedSpinLockExclusive, "returns TRUE when the caller alone shares the lock, which is exclusive then", ExTryConvertSharedSpinLockExclusive(&Lock) && !ExTryAcquireSpinLockSharedAtDpcLevel(&Lock));
    ExReleaseSpinLockExclusive(&Lock, irql);
    OUTCOME(ExReleaseSpinLockExclusive, "frees the lock and restores the IRQL", Lock == 0 && KeGetCurrentIrql() == PASSIVE_LEVEL);
    irql = ExAcquireSpinLockShared(&Lock);
    ExReleaseSpinLockShared(&Lock, irql);
    OUTCOME(ExReleaseSpinLockShared, "ends the share and restores the IRQL", Lock == 0 && KeGetCurrentIrql() == PASSIVE_LEVEL);
    irql = ExAcquireSpinLockExclusive(&Lock);
    OUTCOME(ExAcquireSpinLockExclusive, "returns the IRQL of before and raises to DISPATCH_LEVEL", irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(ExTryAcquireSpinLockSharedAtDpcLevel, "returns FALSE while the lock is held exclusively", !ExTryAcquireSpinLockSharedAtDpcLevel(&Lock));
    OUTCOME(ExTryAcquireSpinLockExclusiveAtDpcLevel, "returns FALSE while the lock is held", !ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock));
    ExReleaseSpinLockExclusive(&Lock, irql);

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    OUTCOME(ExAcquireSpinLockSharedAtDpcLevel, "acquires the lock and leaves the IRQL as it is", KeGetCurrentIrql() == DISPATCH_LEVEL && !ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock));
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
    ExAcquireSpinLockExclusiveAtDpcLevel(&Lock);
    OUTCOME(ExAcquireSpinLockExclusiveAtDpcLevel, "acquires the lock and leaves the IRQL as it is", KeGetCurrentIrql() == DISPATCH_LEVEL && !ExTryAcquireSpinLockSharedAtDpcLevel(&Lock));
    ExReleaseSpinLockExclusiveFromDpcLevel(&Lock);
    OUTCOME(ExReleaseSpinLockExclusiveFromDpcLevel, "frees the lock and leaves the IRQL as it is", Lock == 0 && KeGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(ExTryAcquireSpinLockExclusiveAtDpcLevel, "returns TRUE and acquires a lock that is free", ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock) && !ExTryAcquireSpinLockSharedAtDpcLevel(&Lock));
    ExReleaseSpinLockExclusiveFromDpcLevel(&Lock);
    OUTCOME(ExTryAcquireSpinLockSharedAtDpcLevel, "returns TRUE and shares a lock that is free", ExTryAcquireSpinLockSharedAtDpcLevel(&Lock) && Lock == 1);
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
    KeLowerIrql(old);
}

/* Writers keep two words equal; readers must never see them differ. */
static VOID NTAPI ReadOrWrite(PVOID Context)
{
    ULONG_PTR number = (ULONG_PTR)Context;
    KeSetSystemAffinityThread((KAFFINITY)1 << (number % KtestProcessors));
    for (int i = 0; i < 400; i++)
    {
        if (i % 4 == (int)(number % 4))
        {
            KIRQL irql = ExAcquireSpinLockExclusive(&Lock);
            LONG next = Value[0] + 1;
            Value[0] = next;
            for (volatile int spin = 0; spin < 10; spin++)
                ;
            Value[1] = next;
            Writes++;
            ExReleaseSpinLockExclusive(&Lock, irql);
        }
        else
        {
            KIRQL irql = ExAcquireSpinLockShared(&Lock);
            LONG readers = InterlockedIncrement(&Readers);
            if (readers > MostReaders)
                MostReaders = readers;
            if (Value[0] != Value[1])
                Torn++;
            for (volatile int spin = 0; spin < 10; spin++)
                ;
            InterlockedDecrement(&Readers);
            ExReleaseSpinLockShared(&Lock, irql);
        }
    }
}

static VOID Stress(VOID)
{
    PKTHREAD threads[6];
    for (ULONG_PTR i = 0; i < 6; i++)
        threads[i] = StartThread(ReadOrWrite, (PVOID)i);
    for (int i = 0; i < 6; i++)
        JoinThread(threads[i]);
    OUTCOME(ExAcquireSpinLockExclusive, "keeps readers and other writers out", Torn == 0 && Writes == 600 && Value[0] == 600 && Lock == 0);
    CHECK(KtestProcessors == 1 || MostReaders > 1);
}

/* Who raises is at DISPATCH_LEVEL at most; the others are there already. */
static VOID AtWrongIrql(VOID)
{
    KIRQL irql;
    switch (KtestCase)
    {
    case 1:
        KeRaiseIrql(DISPATCH_LEVEL + 1, &irql);
        OUTCOME_BUGCHECK(ExAcquireSpinLockShared, "bug check 0xC4 above DISPATCH_LEVEL", 0xC4);
        ExAcquireSpinLockShared(&Lock);
        break;
    case 2:
        KeRaiseIrql(DISPATCH_LEVEL + 1, &irql);
        OUTCOME_BUGCHECK(ExAcquireSpinLockExclusive, "bug check 0xC4 above DISPATCH_LEVEL", 0xC4);
        ExAcquireSpinLockExclusive(&Lock);
        break;
    case 3:
        OUTCOME_BUGCHECK(ExAcquireSpinLockSharedAtDpcLevel, "bug check 0xC4 below DISPATCH_LEVEL", 0xC4);
        ExAcquireSpinLockSharedAtDpcLevel(&Lock);
        break;
    case 4:
        OUTCOME_BUGCHECK(ExAcquireSpinLockExclusiveAtDpcLevel, "bug check 0xC4 below DISPATCH_LEVEL", 0xC4);
        ExAcquireSpinLockExclusiveAtDpcLevel(&Lock);
        break;
    case 5:
        irql = ExAcquireSpinLockShared(&Lock);
        KeLowerIrql(irql);
        OUTCOME_BUGCHECK(ExReleaseSpinLockShared, "bug check 0xC4 at another IRQL than DISPATCH_LEVEL", 0xC4);
        ExReleaseSpinLockShared(&Lock, irql);
        break;
    case 6:
        irql = ExAcquireSpinLockExclusive(&Lock);
        KeLowerIrql(irql);
        OUTCOME_BUGCHECK(ExReleaseSpinLockExclusive, "bug check 0xC4 at another IRQL than DISPATCH_LEVEL", 0xC4);
        ExReleaseSpinLockExclusive(&Lock, irql);
        break;
    case 7:
        irql = ExAcquireSpinLockShared(&Lock);
        KeLowerIrql(irql);
        OUTCOME_BUGCHECK(ExReleaseSpinLockSharedFromDpcLevel, "bug check 0xC4 below DISPATCH_LEVEL", 0xC4);
        ExReleaseSpinLockSharedFromDpcLevel(&Lock);
        break;
    case 8:
        irql = ExAcquireSpinLockExclusive(&Lock);
        KeLowerIrql(irql);
        OUTCOME_BUGCHECK(ExReleaseSpinLockExclusiveFromDpcLevel, "bug check 0xC4 below DISPATCH_LEVEL", 0xC4);
        ExReleaseSpinLockExclusiveFromDpcLevel(&Lock);
        break;
    default:
        irql = ExAcquireSpinLockShared(&Lock);
        KeLowerIrql(irql);
        OUTCOME_BUGCHECK(ExTryConvertSharedSpinLockExclusive, "bug check 0xC4 at another IRQL than DISPATCH_LEVEL", 0xC4);
        ExTryConvertSharedSpinLockExclusive(&Lock);
        break;
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("rwspinlocks");
    if (KtestCase != 0)
        AtWrongIrql();
    Basics();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
