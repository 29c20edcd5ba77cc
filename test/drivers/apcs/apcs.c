// ktest: cases=4
/* Kernel APCs: order, what holds them back, and waits that they interrupt. Cases 1 and 2 end a thread inside a region, case 3 leaves one that was not entered. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"
#include "../kapc.h"
#include "../kimports.h"

NTKERNELAPI BOOLEAN NTAPI KeAreAllApcsDisabled(VOID);

static KAPC Normal, Special, Second;
static KEVENT Started, Release, Finished;
/* What ran, one digit each: 1 special, 2 kernel routine of the normal APC, 3 its normal routine. */
static volatile LONG Trace;
static volatile KIRQL SpecialIrql, NormalIrql;
static volatile PVOID Arguments[3];
static volatile LONG RundownRan;
static volatile NTSTATUS WaitResult;
static PKTHREAD TargetThread;

static VOID Mark(LONG Digit)
{
    Trace = Trace * 10 + Digit;
}

static VOID NTAPI SpecialRoutine(PKAPC Apc, PKNORMAL_ROUTINE *NormalRoutine, PVOID *Context, PVOID *One, PVOID *Two)
{
    UNREFERENCED_PARAMETER(Apc);
    UNREFERENCED_PARAMETER(NormalRoutine);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    SpecialIrql = KeGetCurrentIrql();
    Mark(1);
}

static VOID NTAPI KernelRoutine(PKAPC Apc, PKNORMAL_ROUTINE *NormalRoutine, PVOID *Context, PVOID *One, PVOID *Two)
{
    UNREFERENCED_PARAMETER(Apc);
    UNREFERENCED_PARAMETER(NormalRoutine);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    Mark(2);
}

/* Takes the normal routine away. */
static VOID NTAPI CancelNormal(PKAPC Apc, PKNORMAL_ROUTINE *NormalRoutine, PVOID *Context, PVOID *One, PVOID *Two)
{
    UNREFERENCED_PARAMETER(Apc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    Mark(2);
    *NormalRoutine = NULL;
}

static VOID NTAPI NormalRoutine(PVOID Context, PVOID One, PVOID Two)
{
    NormalIrql = KeGetCurrentIrql();
    Arguments[0] = Context;
    Arguments[1] = One;
    Arguments[2] = Two;
    Mark(3);
}

static VOID InitializeNormal(PKAPC Apc, PKTHREAD Thread)
{
    KeInitializeApc(Apc, Thread, OriginalApcEnvironment, KernelRoutine, NULL, NormalRoutine, KernelMode, (PVOID)0x77);
}

static VOID InitializeSpecial(PKAPC Apc, PKTHREAD Thread)
{
    KeInitializeApc(Apc, Thread, OriginalApcEnvironment, SpecialRoutine, NULL, NULL, KernelMode, NULL);
}

static VOID OnSelf(VOID)
{
    PKTHREAD self = KeGetCurrentThread();
    KIRQL irql;

    InitializeSpecial(&Special, self);
    Trace = 0;
    BOOLEAN queued = KeInsertQueueApc(&Special, NULL, NULL, 0);
    OUTCOME(KeInsertQueueApc, "a special kernel APC of the current thread runs at once, at APC_LEVEL", queued && Trace == 1 && SpecialIrql == APC_LEVEL);
    InitializeNormal(&Normal, self);
    Trace = 0;
    queued = KeInsertQueueApc(&Normal, (PVOID)5, (PVOID)6, 0);
    OUTCOME(KeInsertQueueApc, "returns TRUE and passes its arguments to the APC", queued && Arguments[0] == (PVOID)0x77 && Arguments[1] == (PVOID)5 && Arguments[2] == (PVOID)6);
    OUTCOME(KeInitializeApc, "with a normal routine makes a normal kernel APC, whose normal routine runs at PASSIVE_LEVEL", Trace == 23 && NormalIrql == PASSIVE_LEVEL);

    KeRaiseIrql(APC_LEVEL, &irql);
    Trace = 0;
    KeInsertQueueApc(&Normal, NULL, NULL, 0);
    queued = KeInsertQueueApc(&Normal, NULL, NULL, 0);
    KeInsertQueueApc(&Special, NULL, NULL, 0);
    BOOLEAN held = Trace == 0;
    NtLowerIrql(irql);
    OUTCOME(KeInsertQueueApc, "returns FALSE for an APC that is queued already", !queued);
    OUTCOME(KeLowerIrql, "below APC_LEVEL the APCs run that the IRQL held back", held && Trace != 0);
    OUTCOME(KeInsertQueueApc, "special kernel APCs run before normal ones", Trace == 123);

    KeRaiseIrql(APC_LEVEL, &irql);
    Trace = 0;
    KeInsertQueueApc(&Normal, NULL, NULL, 0);
    BOOLEAN removed = KeRemoveQueueApc(&Normal), again = KeRemoveQueueApc(&Normal);
    KeLowerIrql(irql);
    OUTCOME(KeRemoveQueueApc, "returns TRUE for an APC that was queued, which then does not run", removed && Trace == 0);
    OUTCOME(KeRemoveQueueApc, "returns FALSE for an APC that is not queued", !again);

    KeInitializeApc(&Second, self, OriginalApcEnvironment, CancelNormal, NULL, NormalRoutine, KernelMode, NULL);
    Trace = 0;
    KeInsertQueueApc(&Second, NULL, NULL, 0);
    OUTCOME(KeInitializeApc, "the kernel routine may take the normal routine away", Trace == 2);
}

static VOID Regions(VOID)
{
    PKTHREAD self = KeGetCurrentThread();
    KIRQL irql;

    InitializeSpecial(&Special, self);
    InitializeNormal(&Normal, self);
    OUTCOME(KeAreApcsDisabled, "returns FALSE outside of regions", !KeAreApcsDisabled());
    OUTCOME(KeAreAllApcsDisabled, "returns FALSE outside of guarded regions at PASSIVE_LEVEL", !KeAreAllApcsDisabled());
    Trace = 0;
    KeEnterCriticalRegion();
    KeInsertQueueApc(&Normal, NULL, NULL, 0);
    OUTCOME(KeEnterCriticalRegion, "defers normal kernel APCs", Trace == 0);
    KeInsertQueueApc(&Special, NULL, NULL, 0);
    OUTCOME(KeEnterCriticalRegion, "does not prevent special kernel APCs from running", Trace == 1);
    OUTCOME(KeAreApcsDisabled, "returns TRUE inside a critical region", KeAreApcsDisabled());
    OUTCOME(KeAreAllApcsDisabled, "returns FALSE inside a critical region", !KeAreAllApcsDisabled());
    KeEnterCriticalRegion();
    KeLeaveCriticalRegion();
    OUTCOME(KeEnterCriticalRegion, "can be entered recursively", Trace == 1 && KeAreApcsDisabled());
    KeLeaveCriticalRegion();
    OUTCOME(KeLeaveCriticalRegion, "the outermost one delivers the APCs that were deferred", Trace == 123 && !KeAreApcsDisabled());

    Trace = 0;
    KeEnterGuardedRegion();
    KeInsertQueueApc(&Normal, NULL, NULL, 0);
    KeInsertQueueApc(&Special, NULL, NULL, 0);
    OUTCOME(KeEnterGuardedRegion, "disables delivery of all kernel APCs", Trace == 0);
    OUTCOME(KeAreApcsDisabled, "returns TRUE inside a guarded region", KeAreApcsDisabled());
    OUTCOME(KeAreAllApcsDisabled, "returns TRUE inside a guarded region", KeAreAllApcsDisabled());
    KeEnterGuardedRegion();
    KeLeaveGuardedRegion();
    OUTCOME(KeEnterGuardedRegion, "can be nested", Trace == 0);
    KeLeaveGuardedRegion();
    OUTCOME(KeLeaveGuardedRegion, "the outermost one delivers the APCs that were held back", Trace == 123 && !KeAreAllApcsDisabled());
    KeRaiseIrql(APC_LEVEL, &irql);
    OUTCOME(KeAreAllApcsDisabled, "returns TRUE at APC_LEVEL", KeAreAllApcsDisabled());
    KeLowerIrql(irql);
}

static VOID NTAPI WaitForRelease(PVOID Context)
{
    PVOID objects[2] = {&Release, &Finished};
    BOOLEAN critical = Context != NULL;
    TargetThread = KeGetCurrentThread();
    if (critical)
        KeEnterCriticalRegion();
    KeSetEvent(&Started, 0, FALSE);
    WaitResult = KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
    if (critical)
        KeLeaveCriticalRegion();
}

static PKTHREAD StartTarget(BOOLEAN Critical)
{
    KeInitializeEvent(&Started, NotificationEvent, FALSE);
    KeInitializeEvent(&Release, NotificationEvent, FALSE);
    KeInitializeEvent(&Finished, NotificationEvent, FALSE);
    PKTHREAD thread = StartThread(WaitForRelease, (PVOID)(LONG_PTR)Critical);
    KeWaitForSingleObject(&Started, Executive, KernelMode, FALSE, NULL);
    SleepMs(20);
    return thread;
}

/* A kernel APC runs in the middle of a wait, which then goes on. */
static VOID OnWaiting(VOID)
{
    PKTHREAD thread = StartTarget(FALSE);
    Trace = 0;
    InitializeNormal(&Normal, TargetThread);
    InitializeSpecial(&Special, TargetThread);
    KeInsertQueueApc(&Normal, NULL, NULL, 0);
    SleepMs(20);
    KeInsertQueueApc(&Special, NULL, NULL, 0);
    SleepMs(20);
    BOOLEAN waiting = KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, &(LARGE_INTEGER){.QuadPart = 0}) == STATUS_TIMEOUT;
    KeSetEvent(&Finished, 0, FALSE);
    JoinThread(thread);
    OUTCOME(KeInsertQueueApc, "kernel APCs run in a thread that waits, whose wait goes on", Trace == 231 && waiting && WaitResult == STATUS_WAIT_0 + 1);

    thread = StartTarget(TRUE);
    Trace = 0;
    InitializeNormal(&Normal, TargetThread);
    InitializeSpecial(&Special, TargetThread);
    KeInsertQueueApc(&Normal, NULL, NULL, 0);
    KeInsertQueueApc(&Special, NULL, NULL, 0);
    SleepMs(20);
    BOOLEAN specialOnly = Trace == 1;
    KeSetEvent(&Release, 0, FALSE);
    JoinThread(thread);
    OUTCOME(KeLeaveCriticalRegion, "a wait inside the region runs special APCs only, normal ones follow at its end", specialOnly && Trace == 123);
}

/* APCs from another processor while the thread runs, waits and leaves regions: each runs once. */
enum { ROUNDS = 100 };
static volatile LONG Ran, Stop;
static KSEMAPHORE Done;
static VOID NTAPI CountRoutine(PVOID Context, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    InterlockedIncrement(&Ran);
    KeReleaseSemaphore(&Done, 0, 1, FALSE);
}
static VOID NTAPI Silent(PKAPC Apc, PKNORMAL_ROUTINE *Routine, PVOID *Context, PVOID *One, PVOID *Two)
{
    UNREFERENCED_PARAMETER(Apc);
    UNREFERENCED_PARAMETER(Routine);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
}
static VOID NTAPI Busy(PVOID Context)
{
    LARGE_INTEGER zero = {.QuadPart = 0};
    LARGE_INTEGER shortly = {.QuadPart = -1000};
    UNREFERENCED_PARAMETER(Context);
    TargetThread = KeGetCurrentThread();
    KeSetEvent(&Started, 0, FALSE);
    for (ULONG i = 0; !Stop; i++)
    {
        KeEnterCriticalRegion();
        if (i % 3 == 0)
            KeDelayExecutionThread(KernelMode, FALSE, &zero);
        KeLeaveCriticalRegion();
        if (i % 5 == 0)
            KeWaitForSingleObject(&Release, Executive, KernelMode, FALSE, &shortly);
    }
}

static VOID Stress(VOID)
{
    KeInitializeEvent(&Started, NotificationEvent, FALSE);
    KeInitializeEvent(&Release, NotificationEvent, FALSE);
    KeInitializeSemaphore(&Done, 0, ROUNDS);
    PKTHREAD thread = StartThread(Busy, NULL);
    KeWaitForSingleObject(&Started, Executive, KernelMode, FALSE, NULL);
    KeInitializeApc(&Normal, TargetThread, OriginalApcEnvironment, Silent, NULL, CountRoutine, KernelMode, NULL);
    LARGE_INTEGER second = MsFromNow(1000);
    LONG lost = 0;
    for (int i = 0; i < ROUNDS; i++)
    {
        KeInsertQueueApc(&Normal, NULL, NULL, 0);
        if (KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, &second) != STATUS_SUCCESS)
            lost++;
    }
    Stop = 1;
    JoinThread(thread);
    CHECK(lost == 0);
    CHECK(Ran == ROUNDS);
}

static VOID NTAPI EndInside(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    if (KtestCase == 1)
        KeEnterCriticalRegion();
    if (KtestCase == 2)
        KeEnterGuardedRegion();
    if (KtestCase == 3)
        KeLeaveCriticalRegion();
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("apcs");
    if (KtestCase == 1)
        OUTCOME_BUGCHECK(KeEnterCriticalRegion, "bug check 0x20 for a thread that ends inside the region", 0x20);
    if (KtestCase == 2)
        OUTCOME_BUGCHECK(KeEnterGuardedRegion, "bug check 0x20 for a thread that ends inside the region", 0x20);
    if (KtestCase == 3)
        OUTCOME_BUGCHECK(KeLeaveCriticalRegion, "bug check 0xC4 for a thread that is in no critical region", 0xC4);
    if (KtestCase != 0)
        JoinThread(StartThread(EndInside, NULL));
    OnSelf();
    Regions();
    OnWaiting();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
