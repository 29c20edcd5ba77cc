// ktest: cases=2
/* DPCs: queueing, importance, target processor, threaded ones. Case 1 returns from a DPC at another IRQL. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI VOID NTAPI KeInitializeThreadedDpc(PKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext);
NTKERNELAPI LOGICAL NTAPI KeIsExecutingDpc(VOID);
typedef VOID(NTAPI *PGENERIC_DPC)(PKDPC Dpc, PVOID Context, PVOID SystemArgument1, PVOID SystemArgument2);
NTKERNELAPI VOID NTAPI KeGenericCallDpc(PGENERIC_DPC Routine, PVOID Context);
NTKERNELAPI VOID NTAPI KeSignalCallDpcDone(PVOID SystemArgument1);
NTKERNELAPI LOGICAL NTAPI KeSignalCallDpcSynchronize(PVOID SystemArgument2);

static KDPC First, Second, Third;
static volatile LONG Order, Ran, Executing;
static volatile KIRQL Irql;
static volatile ULONG RanOn;
static volatile PVOID Arguments[3];

static VOID NTAPI Mark(PKDPC Dpc, PVOID Context, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(Dpc);
    Order = Order * 10 + (LONG)(LONG_PTR)Context;
    Arguments[0] = Context;
    Arguments[1] = One;
    Arguments[2] = Two;
    Irql = KeGetCurrentIrql();
    RanOn = KeGetCurrentProcessorNumberEx(NULL);
    Executing = (LONG)KeIsExecutingDpc();
    Ran++;
}

static VOID Reset(VOID)
{
    Order = Ran = 0;
    KeInitializeDpc(&First, Mark, (PVOID)1);
    KeInitializeDpc(&Second, Mark, (PVOID)2);
    KeInitializeDpc(&Third, Mark, (PVOID)3);
}

static VOID Queueing(VOID)
{
    KIRQL irql;
    Reset();
    BOOLEAN queued = KeInsertQueueDpc(&First, (PVOID)5, (PVOID)6);
    OUTCOME(KeInsertQueueDpc, "returns TRUE and runs the routine at DISPATCH_LEVEL", queued && Ran == 1 && Irql == DISPATCH_LEVEL);
    OUTCOME(KeInsertQueueDpc, "passes both arguments", Arguments[1] == (PVOID)5 && Arguments[2] == (PVOID)6);
    OUTCOME(KeInitializeDpc, "DeferredContext is passed to the routine", Arguments[0] == (PVOID)1);
    OUTCOME(KeIsExecutingDpc, "returns TRUE in a DPC routine", Executing != 0);
    OUTCOME(KeIsExecutingDpc, "returns FALSE outside of DPC routines", !KeIsExecutingDpc());

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    Reset();
    KeInsertQueueDpc(&First, NULL, NULL);
    BOOLEAN again = KeInsertQueueDpc(&First, NULL, NULL);
    KeInsertQueueDpc(&Second, NULL, NULL);
    BOOLEAN none = Ran == 0;
    KeLowerIrql(irql);
    OUTCOME(KeInsertQueueDpc, "returns FALSE for a DPC that is queued already, which runs once", !again && Order == 12);
    OUTCOME(KeInsertQueueDpc, "at DISPATCH_LEVEL the routine runs when the IRQL falls", none && Ran == 2);

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    Reset();
    KeInsertQueueDpc(&First, NULL, NULL);
    KeInsertQueueDpc(&Second, NULL, NULL);
    BOOLEAN removed = KeRemoveQueueDpc(&First), twice = KeRemoveQueueDpc(&First);
    KeLowerIrql(irql);
    OUTCOME(KeRemoveQueueDpc, "returns TRUE for a DPC in the queue, which then does not run", removed && Order == 2);
    OUTCOME(KeRemoveQueueDpc, "returns FALSE for a DPC that is not in the queue", !twice && !KeRemoveQueueDpc(&Second));
}

static VOID Importance(VOID)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    Reset();
    KeSetImportanceDpc(&Third, HighImportance);
    KeInsertQueueDpc(&First, NULL, NULL);
    KeInsertQueueDpc(&Second, NULL, NULL);
    KeInsertQueueDpc(&Third, NULL, NULL);
    KeLowerIrql(irql);
    OUTCOME(KeSetImportanceDpc, "HighImportance places the DPC at the beginning of the queue", Order == 312);
    Reset();
    KeSetImportanceDpc(&First, LowImportance);
    KAFFINITY affinity = KeSetSystemAffinityThreadEx(1);
    KeInsertQueueDpc(&First, NULL, NULL);
    BOOLEAN none = Ran == 0;
    KeSetImportanceDpc(&Second, MediumImportance);
    KeInsertQueueDpc(&Second, NULL, NULL);
    OUTCOME(KeSetImportanceDpc, "LowImportance does not begin processing of the queue", none);
    OUTCOME(KeSetImportanceDpc, "MediumImportance begins processing of the current processor's queue at once", Order == 12);
    Reset();
    KeSetImportanceDpc(&First, MediumHighImportance);
    KeInsertQueueDpc(&First, NULL, NULL);
    OUTCOME(KeSetImportanceDpc, "MediumHighImportance begins processing of the queue at once", Order == 1);
    Reset();
    KeSetImportanceDpc(&First, LowImportance);
    KeInsertQueueDpc(&First, NULL, NULL);
    KeFlushQueuedDpcs();
    OUTCOME(KeFlushQueuedDpcs, "returns after DPCs that were queued have run, of low importance too", Order == 1);
    KeRevertToUserAffinityThreadEx(affinity);
}

static VOID Targets(VOID)
{
    PROCESSOR_NUMBER number = {.Group = 0, .Number = (UCHAR)(KtestProcessors - 1)};
    Reset();
    KeSetTargetProcessorDpc(&First, (CCHAR)(KtestProcessors - 1));
    KeInsertQueueDpc(&First, NULL, NULL);
    KeFlushQueuedDpcs();
    OUTCOME(KeSetTargetProcessorDpc, "the DPC runs on the target processor", Ran == 1 && RanOn == KtestProcessors - 1);
    OUTCOME(KeFlushQueuedDpcs, "waits for DPCs of other processors", Ran == 1);
    Reset();
    NTSTATUS status = KeSetTargetProcessorDpcEx(&First, &number);
    KeInsertQueueDpc(&First, NULL, NULL);
    KeFlushQueuedDpcs();
    OUTCOME(KeSetTargetProcessorDpcEx, "STATUS_SUCCESS, and the DPC runs on the target processor", status == STATUS_SUCCESS && Ran == 1 && RanOn == number.Number);
    number.Number = 63;
    OUTCOME(KeSetTargetProcessorDpcEx, "STATUS_INVALID_PARAMETER for a processor that does not exist", KeSetTargetProcessorDpcEx(&First, &number) == STATUS_INVALID_PARAMETER);
    number.Number = 0;
    number.Group = 3;
    OUTCOME(KeSetTargetProcessorDpcEx, "STATUS_INVALID_PARAMETER for a group that does not exist", KeSetTargetProcessorDpcEx(&First, &number) == STATUS_INVALID_PARAMETER);
}

static KEVENT Event;
static volatile KPRIORITY ThreadedPriority;
static volatile NTSTATUS WaitStatus;
static VOID NTAPI Threaded(PKDPC Dpc, PVOID Context, PVOID One, PVOID Two)
{
    LARGE_INTEGER shortly = MsFromNow(5);
    Mark(Dpc, Context, One, Two);
    ThreadedPriority = KeQueryPriorityThread(KeGetCurrentThread());
    WaitStatus = KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &shortly);
}

static VOID ThreadedDpcs(VOID)
{
    Reset();
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    KeInitializeThreadedDpc(&First, Threaded, (PVOID)7);
    OUTCOME(KeInitializeThreadedDpc, "the routine runs at PASSIVE_LEVEL", KeInsertQueueDpc(&First, (PVOID)1, (PVOID)2) && (KeFlushQueuedDpcs(), Ran == 1) && Irql == PASSIVE_LEVEL);
    OUTCOME(KeInitializeThreadedDpc, "DeferredContext and the arguments are passed to the routine", Arguments[0] == (PVOID)7 && Arguments[1] == (PVOID)1 && Arguments[2] == (PVOID)2);
    OUTCOME(KeInitializeThreadedDpc, "the routine runs in a real-time thread, which may be preempted", ThreadedPriority == 31 && WaitStatus == STATUS_TIMEOUT && !Executing);
    KIRQL irql;
    Reset();
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInitializeThreadedDpc(&First, Mark, (PVOID)1);
    KeInitializeThreadedDpc(&Second, Mark, (PVOID)2);
    KeSetImportanceDpc(&Second, HighImportance);
    KeInsertQueueDpc(&First, NULL, NULL);
    KeInsertQueueDpc(&Second, NULL, NULL);
    BOOLEAN again = KeInsertQueueDpc(&Second, NULL, NULL), removed = KeRemoveQueueDpc(&First);
    KeLowerIrql(irql);
    KeFlushQueuedDpcs();
    OUTCOME(KeRemoveQueueDpc, "takes a threaded DPC out of its queue too", removed && !again && Order == 2);
}

static volatile LONG Calls, Together, Last;
static VOID NTAPI Everywhere(PKDPC Dpc, PVOID Context, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(Dpc);
    InterlockedIncrement((volatile LONG *)Context);
    if (KeSignalCallDpcSynchronize(Two))
        InterlockedIncrement(&Last);
    if (Calls == (LONG)KtestProcessors)
        InterlockedIncrement(&Together);
    KeSignalCallDpcSynchronize(Two);
    KeSignalCallDpcDone(One);
}

static VOID Generic(VOID)
{
    KeGenericCallDpc(Everywhere, (PVOID)&Calls);
    OUTCOME(KeGenericCallDpc, "runs the routine once on every processor", Calls == (LONG)KtestProcessors);
    OUTCOME(KeSignalCallDpcSynchronize, "returns TRUE on one processor, when all have come", Last == 1 && Together == (LONG)KtestProcessors);
    OUTCOME(KeSignalCallDpcDone, "KeGenericCallDpc returns when all have said that they are done", Calls == (LONG)KtestProcessors && KeGetCurrentIrql() == PASSIVE_LEVEL);
}

/* DPCs that queue each other over all processors; each counts one. */
static KDPC Chain[8];
static volatile LONG Links;
static VOID NTAPI Link(PKDPC Dpc, PVOID Context, PVOID One, PVOID Two)
{
    LONG left = (LONG)(LONG_PTR)One;
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Two);
    InterlockedIncrement(&Links);
    if (left > 1)
        KeInsertQueueDpc(Dpc, (PVOID)(LONG_PTR)(left - 1), NULL);
}

static VOID Stress(VOID)
{
    for (ULONG i = 0; i < 8; i++)
    {
        KeInitializeDpc(&Chain[i], Link, NULL);
        KeSetTargetProcessorDpc(&Chain[i], (CCHAR)(i % KtestProcessors));
    }
    for (ULONG i = 0; i < 8; i++)
        KeInsertQueueDpc(&Chain[i], (PVOID)(LONG_PTR)(20 + i), NULL);
    SleepMs(50);
    KeFlushQueuedDpcs();
    CHECK(Links == 8 * 20 + 28);
}

static VOID NTAPI WrongIrql(PKDPC Dpc, PVOID Context, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL + 1, &irql);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("dpcs");
    if (KtestCase == 1)
    {
        KeInitializeDpc(&First, WrongIrql, NULL);
        OUTCOME_BUGCHECK(KeInitializeDpc, "bug check 8 for a routine that returns at another IRQL than DISPATCH_LEVEL", 8);
        KeInsertQueueDpc(&First, NULL, NULL);
    }
    Queueing();
    Importance();
    Targets();
    ThreadedDpcs();
    Generic();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
