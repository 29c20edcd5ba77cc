// ktest: cases=4
/* Waits: on one object and on several, timeouts, delays. Cases 1 to 3 break a rule of the wait routines. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

/* The headers have it as a macro; ntoskrnl exports it too. */
#undef KeWaitForMutexObject
NTKERNELAPI NTSTATUS NTAPI KeWaitForMutexObject(PVOID Mutex, KWAIT_REASON WaitReason, KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Timeout);

static LARGE_INTEGER Zero;
static KEVENT A, B, C;
static KSEMAPHORE Semaphore;
static volatile NTSTATUS Result;
static volatile LONG Ended;

static LARGE_INTEGER SystemTimeIn(LONG Milliseconds)
{
    LARGE_INTEGER now;
    KeQuerySystemTime(&now);
    now.QuadPart += 10000LL * Milliseconds;
    return now;
}

static NTSTATUS One(PVOID Object, PLARGE_INTEGER Timeout)
{
    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, Timeout);
}

static NTSTATUS Many(ULONG Count, PVOID *Objects, WAIT_TYPE Type, PLARGE_INTEGER Timeout, PKWAIT_BLOCK Blocks)
{
    return KeWaitForMultipleObjects(Count, Objects, Type, Executive, KernelMode, FALSE, Timeout, Blocks);
}

static VOID NTAPI EndAfterSleep(PVOID Context)
{
    SleepMs((LONG)(LONG_PTR)Context);
    Ended = 1;
}

static VOID NTAPI SignalAfter(PVOID Context)
{
    SleepMs(40);
    KeSetEvent(Context, 0, FALSE);
}

static VOID Single(VOID)
{
    LARGE_INTEGER due;
    KTIMER timer;
    KIRQL irql;

    KeInitializeEvent(&A, NotificationEvent, TRUE);
    OUTCOME(KeWaitForSingleObject, "STATUS_SUCCESS at once for a signaled object", One(&A, NULL) == STATUS_SUCCESS);
    KeClearEvent(&A);
    PKTHREAD thread = StartThread(SignalAfter, &A);
    OUTCOME(KeWaitForSingleObject, "STATUS_SUCCESS when the object is signaled during the wait", One(&A, NULL) == STATUS_SUCCESS);
    JoinThread(thread);
    KeClearEvent(&A);
    ULONGLONG before = Now();
    OUTCOME(KeWaitForSingleObject, "STATUS_TIMEOUT at once with a timeout of zero", One(&A, &Zero) == STATUS_TIMEOUT && Now() - before < 100000);
    due = MsFromNow(60);
    before = Now();
    NTSTATUS status = One(&A, &due);
    ULONGLONG passed = Now() - before;
    OUTCOME(KeWaitForSingleObject, "STATUS_TIMEOUT after a relative timeout", status == STATUS_TIMEOUT && passed >= 600000 && passed < 1400000);
    due = SystemTimeIn(60);
    before = Now();
    status = One(&A, &due);
    passed = Now() - before;
    OUTCOME(KeWaitForSingleObject, "STATUS_TIMEOUT at an absolute time", status == STATUS_TIMEOUT && passed >= 400000 && passed < 1400000);
    due = SystemTimeIn(-1000);
    OUTCOME(KeWaitForSingleObject, "STATUS_TIMEOUT at once for an absolute time that has passed", One(&A, &due) == STATUS_TIMEOUT);
    Ended = 0;
    thread = StartThread(EndAfterSleep, (PVOID)(LONG_PTR)40);
    status = One(thread, NULL);
    OUTCOME(KeWaitForSingleObject, "a thread object is signaled when the thread ends", status == STATUS_SUCCESS && Ended && One(thread, &Zero) == STATUS_SUCCESS);
    ObDereferenceObject(thread);
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, MsFromNow(30), NULL);
    OUTCOME(KeWaitForSingleObject, "a timer object is signaled when it expires", One(&timer, NULL) == STATUS_SUCCESS);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    status = One(&A, &Zero);
    NTSTATUS timerStatus = One(&timer, &Zero);
    KeLowerIrql(irql);
    OUTCOME(KeWaitForSingleObject, "may be called at DISPATCH_LEVEL with a timeout of zero", status == STATUS_TIMEOUT && timerStatus == STATUS_SUCCESS);
    KeInitializeEvent(&A, SynchronizationEvent, TRUE);
    OUTCOME(KeWaitForMutexObject, "is KeWaitForSingleObject", KeWaitForMutexObject(&A, Executive, KernelMode, FALSE, &Zero) == STATUS_SUCCESS && KeReadStateEvent(&A) == 0);
}

static VOID Multiple(VOID)
{
    PVOID three[3] = {&A, &B, &C}, five[5] = {&A, &B, &C, &Semaphore, &A};
    KWAIT_BLOCK blocks[5];
    LARGE_INTEGER due;
    KIRQL irql;

    KeInitializeEvent(&A, SynchronizationEvent, FALSE);
    KeInitializeEvent(&B, SynchronizationEvent, TRUE);
    KeInitializeEvent(&C, SynchronizationEvent, TRUE);
    KeInitializeSemaphore(&Semaphore, 0, 5);
    OUTCOME(KeWaitForMultipleObjects, "STATUS_TIMEOUT with WaitAll and a timeout of zero when an object is not signaled", Many(3, three, WaitAll, &Zero, NULL) == STATUS_TIMEOUT);
    OUTCOME(KeWaitForMultipleObjects, "a WaitAll that is not satisfied changes no object", KeReadStateEvent(&B) && KeReadStateEvent(&C));
    OUTCOME(KeWaitForMultipleObjects, "STATUS_WAIT_0 plus the index of the first signaled object with WaitAny", Many(3, three, WaitAny, NULL, NULL) == STATUS_WAIT_0 + 1);
    OUTCOME(KeWaitForMultipleObjects, "a WaitAny changes only the object that satisfied it", !KeReadStateEvent(&B) && KeReadStateEvent(&C));
    KeSetEvent(&A, 0, FALSE);
    KeSetEvent(&B, 0, FALSE);
    OUTCOME(KeWaitForMultipleObjects, "STATUS_SUCCESS with WaitAll when all objects are signaled, all of which it takes",
            Many(3, three, WaitAll, NULL, NULL) == STATUS_SUCCESS && !KeReadStateEvent(&A) && !KeReadStateEvent(&B) && !KeReadStateEvent(&C));
    OUTCOME(KeWaitForMultipleObjects, "STATUS_TIMEOUT with WaitAny and a timeout of zero when no object is signaled", Many(3, three, WaitAny, &Zero, NULL) == STATUS_TIMEOUT);
    due = MsFromNow(50);
    ULONGLONG before = Now();
    NTSTATUS status = Many(3, three, WaitAny, &due, NULL);
    OUTCOME(KeWaitForMultipleObjects, "STATUS_TIMEOUT when the interval has passed", status == STATUS_TIMEOUT && Now() - before >= 500000);

    PKTHREAD thread = StartThread(SignalAfter, &C);
    OUTCOME(KeWaitForMultipleObjects, "an object that is signaled during the wait satisfies a WaitAny with its index", Many(3, three, WaitAny, NULL, NULL) == STATUS_WAIT_0 + 2);
    JoinThread(thread);
    KeSetEvent(&A, 0, FALSE);
    KeSetEvent(&B, 0, FALSE);
    thread = StartThread(SignalAfter, &C);
    due = MsFromNow(1000);
    OUTCOME(KeWaitForMultipleObjects, "the last object that is signaled during the wait satisfies a WaitAll", Many(3, three, WaitAll, &due, NULL) == STATUS_SUCCESS && !KeReadStateEvent(&A));
    JoinThread(thread);
    KeReleaseSemaphore(&Semaphore, 0, 1, FALSE);
    OUTCOME(KeWaitForMultipleObjects, "waits for more than three objects with wait blocks of the caller", Many(5, five, WaitAny, NULL, blocks) == STATUS_WAIT_0 + 3 && KeReadStateSemaphore(&Semaphore) == 0);
    thread = StartThread(SignalAfter, &B);
    OUTCOME(KeWaitForMultipleObjects, "is woken through the wait blocks of the caller", Many(5, five, WaitAny, NULL, blocks) == STATUS_WAIT_0 + 1);
    JoinThread(thread);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    status = Many(3, three, WaitAny, &Zero, NULL);
    KeLowerIrql(irql);
    OUTCOME(KeWaitForMultipleObjects, "may be called at DISPATCH_LEVEL with a timeout of zero", status == STATUS_TIMEOUT);
}

/* MAXIMUM_WAIT_OBJECTS objects: the last one is found by its index. */
static VOID SixtyFour(VOID)
{
    static KEVENT events[64];
    static KWAIT_BLOCK blocks[64];
    static PVOID objects[64];
    for (int i = 0; i < 64; i++)
    {
        KeInitializeEvent(&events[i], SynchronizationEvent, FALSE);
        objects[i] = &events[i];
    }
    PKTHREAD thread = StartThread(SignalAfter, &events[63]);
    OUTCOME(KeWaitForMultipleObjects, "waits for MAXIMUM_WAIT_OBJECTS objects", Many(64, objects, WaitAny, NULL, blocks) == STATUS_WAIT_63);
    JoinThread(thread);
    for (int i = 0; i < 64; i++)
        CHECK(events[i].Header.WaitListHead.Flink == &events[i].Header.WaitListHead);
}

/* A WaitAll takes nothing before it can take everything, so another thread may take one of its objects first. */
static VOID NTAPI WaitForBoth(PVOID Context)
{
    PVOID both[2] = {&A, &B};
    UNREFERENCED_PARAMETER(Context);
    Result = Many(2, both, WaitAll, NULL, NULL);
    Ended = 1;
}

static VOID AllOrNothing(VOID)
{
    KeInitializeEvent(&A, SynchronizationEvent, FALSE);
    KeInitializeEvent(&B, SynchronizationEvent, FALSE);
    Ended = 0;
    PKTHREAD thread = StartThread(WaitForBoth, NULL);
    SleepMs(30);
    KeSetEvent(&A, 0, FALSE);
    SleepMs(30);
    BOOLEAN left = !Ended && KeReadStateEvent(&A) && One(&A, &Zero) == STATUS_SUCCESS;
    KeSetEvent(&B, 0, FALSE);
    SleepMs(30);
    left = left && !Ended && KeReadStateEvent(&B);
    KeSetEvent(&A, 0, FALSE);
    JoinThread(thread);
    OUTCOME(KeWaitForMultipleObjects, "a WaitAll that waits takes no object before it can take all", left && Result == STATUS_SUCCESS && !KeReadStateEvent(&A) && !KeReadStateEvent(&B));
}

static VOID NTAPI EqualThread(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeSetSystemAffinityThread(1);
    KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY);
    One(&A, NULL);
    Ended = 1;
}

static VOID Delays(VOID)
{
    LARGE_INTEGER interval = MsFromNow(50);
    ULONGLONG before = Now();
    NTSTATUS status = KeDelayExecutionThread(KernelMode, FALSE, &interval);
    ULONGLONG passed = Now() - before;
    OUTCOME(KeDelayExecutionThread, "STATUS_SUCCESS after the interval", status == STATUS_SUCCESS && passed >= 500000 && passed < 1200000);
    interval = SystemTimeIn(50);
    before = Now();
    status = KeDelayExecutionThread(KernelMode, FALSE, &interval);
    passed = Now() - before;
    OUTCOME(KeDelayExecutionThread, "STATUS_SUCCESS at an absolute time", status == STATUS_SUCCESS && passed >= 300000 && passed < 1200000);
    interval = SystemTimeIn(-50);
    before = Now();
    status = KeDelayExecutionThread(KernelMode, FALSE, &interval);
    OUTCOME(KeDelayExecutionThread, "STATUS_SUCCESS at once for an absolute time that has passed", status == STATUS_SUCCESS && Now() - before < 300000);

    /* Two threads of one priority on one processor: the other one is ready, and runs when this one gives up the rest of its time. */
    KAFFINITY affinity = KeSetSystemAffinityThreadEx(1);
    KPRIORITY old = KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY);
    Ended = 0;
    KeInitializeEvent(&A, NotificationEvent, FALSE);
    PKTHREAD equal = StartThread(EqualThread, NULL);
    SleepMs(20);
    KeSetEvent(&A, 0, FALSE);
    BOOLEAN notYet = Ended == 0;
    interval.QuadPart = 0;
    status = KeDelayExecutionThread(KernelMode, FALSE, &interval);
    BOOLEAN ran = Ended == 1;
    JoinThread(equal);
    KeSetPriorityThread(KeGetCurrentThread(), old);
    KeRevertToUserAffinityThreadEx(affinity);
    OUTCOME(KeDelayExecutionThread, "an interval of zero lets a thread of the same priority run", status == STATUS_SUCCESS && notYet && ran);
}

static VOID Broken(VOID)
{
    static PVOID objects[65];
    static KWAIT_BLOCK blocks[65];
    KIRQL irql;
    KeInitializeEvent(&A, NotificationEvent, TRUE);
    for (int i = 0; i < 65; i++)
        objects[i] = &A;
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(KeWaitForMultipleObjects, "bug check 0xC for more than MAXIMUM_WAIT_OBJECTS objects", 0xC);
        Many(65, objects, WaitAny, NULL, blocks);
    }
    if (KtestCase == 2)
    {
        OUTCOME_BUGCHECK(KeWaitForMultipleObjects, "bug check 0xC for more than THREAD_WAIT_OBJECTS objects without wait blocks", 0xC);
        Many(4, objects, WaitAny, NULL, NULL);
    }
    if (KtestCase == 3)
    {
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        OUTCOME_BUGCHECK(KeWaitForSingleObject, "a wait at DISPATCH_LEVEL without a timeout of zero breaks the IRQL rule", 0xC4);
        One(&A, NULL);
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
    KtestBegin("waits");
    if (KtestCase != 0)
        Broken();
    Single();
    Multiple();
    SixtyFour();
    AllOrNothing();
    Delays();
    KtestDone();
    return STATUS_SUCCESS;
}
