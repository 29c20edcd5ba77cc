/* KTIMERs: one-shot and periodic, relative and absolute, with a DPC and with threads that wait. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI BOOLEAN NTAPI KeSetCoalescableTimer(PKTIMER Timer, LARGE_INTEGER DueTime, ULONG Period, ULONG TolerableDelay, PKDPC Dpc);

static KTIMER Timer, Other;
static KDPC Dpc;
static volatile LONG Fired;
static volatile PVOID Context, FirstArgument, SecondArgument;
static volatile KIRQL Irql;
static volatile ULONGLONG FiredAt;

static volatile LONG Woken;

static VOID NTAPI OnTimer(PKDPC D, PVOID C, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(D);
    Context = C;
    FirstArgument = One;
    SecondArgument = Two;
    Irql = KeGetCurrentIrql();
    FiredAt = Now();
    InterlockedIncrement(&Fired);
}

static NTSTATUS WaitMs(PVOID Object, LONG Milliseconds)
{
    LARGE_INTEGER due = MsFromNow(Milliseconds);
    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, &due);
}

static VOID OneShot(VOID)
{
    LARGE_INTEGER due;
    KeInitializeDpc(&Dpc, OnTimer, &Dpc);
    KeInitializeTimer(&Timer);
    OUTCOME(KeInitializeTimer, "the timer is not signaled", KeReadStateTimer(&Timer) == FALSE);
    OUTCOME(KeReadStateTimer, "returns FALSE for a timer that is not signaled", KeReadStateTimer(&Timer) == FALSE);
    OUTCOME(KeCancelTimer, "returns FALSE for a timer that was never set", KeCancelTimer(&Timer) == FALSE);
    ULONGLONG before = Now();
    OUTCOME(KeSetTimer, "returns FALSE when the timer was not in the timer queue", KeSetTimer(&Timer, MsFromNow(50), &Dpc) == FALSE);
    OUTCOME(KeSetTimer, "a relative time expires after the interval", WaitMs(&Timer, 500) == STATUS_SUCCESS && Now() - before >= 500000 && Now() - before < 1300000);
    SleepMs(20);
    OUTCOME(KeSetTimer, "the DPC runs once at DISPATCH_LEVEL with its context when the timer expires", Fired == 1 && Irql == DISPATCH_LEVEL && Context == &Dpc);
    OUTCOME(KeReadStateTimer, "returns TRUE for a timer that has expired", KeReadStateTimer(&Timer) == TRUE);
    OUTCOME(KeInitializeTimer, "makes a notification timer, which stays signaled", WaitMs(&Timer, 0) == STATUS_SUCCESS && WaitMs(&Timer, 0) == STATUS_SUCCESS);
    OUTCOME(KeCancelTimer, "returns FALSE for a timer that has expired", KeCancelTimer(&Timer) == FALSE);

    KeSetTimer(&Timer, MsFromNow(1000), &Dpc);
    OUTCOME(KeSetTimer, "sets the timer to the not-signaled state", KeReadStateTimer(&Timer) == FALSE);
    OUTCOME(KeSetTimer, "returns TRUE when the timer was in the timer queue", KeSetTimer(&Timer, MsFromNow(30), &Dpc) == TRUE);
    WaitMs(&Timer, 500);
    SleepMs(20);
    OUTCOME(KeSetTimer, "a timer that is set anew expires at the new time only", Fired == 2);

    KeSetTimer(&Timer, MsFromNow(30), &Dpc);
    OUTCOME(KeCancelTimer, "returns TRUE for a timer in the timer queue", KeCancelTimer(&Timer) == TRUE);
    SleepMs(80);
    OUTCOME(KeCancelTimer, "a timer that was cancelled does not expire, and its DPC does not run", Fired == 2 && KeReadStateTimer(&Timer) == FALSE);

    KeQuerySystemTime(&due);
    due.QuadPart += 500000;
    before = Now();
    KeSetTimer(&Timer, due, NULL);
    OUTCOME(KeSetTimer, "a positive time is absolute", WaitMs(&Timer, 500) == STATUS_SUCCESS && Now() - before >= 300000 && Now() - before < 1300000);
    OUTCOME(KeSetTimer, "Dpc may be NULL", Fired == 2);
    due.QuadPart = 1;
    KeSetTimer(&Timer, due, &Dpc);
    KeFlushQueuedDpcs();
    OUTCOME(KeSetTimer, "a time that has passed expires at once", KeReadStateTimer(&Timer) == TRUE && Fired == 3);
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInitializeTimer(&Other);
    BOOLEAN set = KeSetTimer(&Other, MsFromNow(1000), NULL), cancelled = KeCancelTimer(&Other);
    KeLowerIrql(irql);
    OUTCOME(KeSetTimer, "may be called at DISPATCH_LEVEL", !set && cancelled);
}

static VOID Periodic(VOID)
{
    KeInitializeDpc(&Dpc, OnTimer, &Timer);
    KeInitializeTimerEx(&Timer, SynchronizationTimer);
    OUTCOME(KeInitializeTimerEx, "the timer is not signaled", KeReadStateTimer(&Timer) == FALSE);
    Fired = 0;
    OUTCOME(KeSetTimerEx, "returns FALSE when the timer was not in the timer queue", KeSetTimerEx(&Timer, MsFromNow(20), 20, &Dpc) == FALSE);
    SleepMs(330);
    OUTCOME(KeSetTimerEx, "a period makes the timer expire again and again", Fired >= 8 && Fired <= 18);
    OUTCOME(KeSetTimerEx, "returns TRUE for a periodic timer that is set anew", KeSetTimerEx(&Timer, MsFromNow(20), 20, &Dpc) == TRUE);
    OUTCOME(KeCancelTimer, "returns TRUE for a periodic timer", KeCancelTimer(&Timer) == TRUE);
    KeFlushQueuedDpcs();
    LONG fired = Fired;
    SleepMs(60);
    OUTCOME(KeCancelTimer, "a periodic timer that was cancelled does not expire any more", Fired == fired);
    Fired = 0;
    KeSetTimerEx(&Timer, MsFromNow(20), 0, &Dpc);
    SleepMs(100);
    OUTCOME(KeSetTimerEx, "a period of zero makes a timer that expires once", Fired == 1);
    Fired = 0;
    ULONGLONG before = Now();
    KeSetTimerEx(&Timer, MsFromNow(100), 10, &Dpc);
    SleepMs(60);
    BOOLEAN none = Fired == 0;
    SleepMs(80);
    OUTCOME(KeSetTimerEx, "DueTime says when a periodic timer expires first", none && Fired >= 1 && Now() - before > 1000000);
    KeCancelTimer(&Timer);
    KeFlushQueuedDpcs();

    Fired = 0;
    OUTCOME(KeSetCoalescableTimer, "returns FALSE when the timer was not in the timer queue", KeSetCoalescableTimer(&Timer, MsFromNow(30), 0, 40, &Dpc) == FALSE);
    OUTCOME(KeSetCoalescableTimer, "returns TRUE when the timer was in the timer queue", KeSetCoalescableTimer(&Timer, MsFromNow(30), 0, 40, &Dpc) == TRUE);
    before = Now();
    SleepMs(120);
    OUTCOME(KeSetCoalescableTimer, "expires between the due time and the tolerable delay after it", Fired == 1 && FiredAt - before >= 150000 && FiredAt - before <= 900000);
    Fired = 0;
    KeSetCoalescableTimer(&Timer, MsFromNow(20), 20, 10, &Dpc);
    SleepMs(210);
    KeCancelTimer(&Timer);
    KeFlushQueuedDpcs();
    OUTCOME(KeSetCoalescableTimer, "a period makes the timer expire again and again", Fired >= 5 && Fired <= 12);
}

static VOID NTAPI WaitForTimer(PVOID C)
{
    UNREFERENCED_PARAMETER(C);
    if (KeWaitForSingleObject(&Timer, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS)
        InterlockedIncrement(&Woken);
}

static VOID Kinds(VOID)
{
    PKTHREAD threads[3];
    KeInitializeTimerEx(&Timer, NotificationTimer);
    for (int i = 0; i < 3; i++)
        threads[i] = StartThread(WaitForTimer, NULL);
    SleepMs(30);
    KeSetTimer(&Timer, MsFromNow(20), NULL);
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    OUTCOME(KeInitializeTimerEx, "a notification timer releases all waiting threads and stays signaled", Woken == 3 && KeReadStateTimer(&Timer) == TRUE);
    KeInitializeTimerEx(&Timer, SynchronizationTimer);
    Woken = 0;
    for (int i = 0; i < 3; i++)
        threads[i] = StartThread(WaitForTimer, NULL);
    SleepMs(30);
    KeSetTimer(&Timer, MsFromNow(10), NULL);
    SleepMs(60);
    OUTCOME(KeInitializeTimerEx, "a synchronization timer releases one waiting thread and is reset", Woken == 1 && KeReadStateTimer(&Timer) == FALSE);
    KeSetTimerEx(&Timer, MsFromNow(10), 10, NULL);
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    KeCancelTimer(&Timer);
    CHECK(Woken == 3);
}

/* Many timers of different times: all expire, none before its time, and those that are due later come later. */
enum { TIMERS = 64 };
static KTIMER Timers[TIMERS];
static KDPC Dpcs[TIMERS];
static volatile ULONGLONG At[TIMERS];
static volatile LONG Early, All;
static ULONGLONG Start;
static VOID NTAPI Expired(PKDPC D, PVOID C, PVOID One, PVOID Two)
{
    ULONG n = (ULONG)(ULONG_PTR)C;
    UNREFERENCED_PARAMETER(D);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    At[n] = Now();
    if (At[n] - Start < 10000ull * (5 + n * 7))
        InterlockedIncrement(&Early);
    InterlockedIncrement(&All);
}

static VOID Stress(VOID)
{
    Start = Now();
    for (ULONG i = 0; i < TIMERS; i++)
    {
        KeInitializeTimer(&Timers[i]);
        KeInitializeDpc(&Dpcs[i], Expired, (PVOID)(ULONG_PTR)i);
        KeSetTimer(&Timers[i], MsFromNow(5 + i * 7), &Dpcs[i]);
    }
    for (ULONG i = 0; i < TIMERS; i += 4)
        CHECK(KeCancelTimer(&Timers[i]) || i * 7 < 40);
    SleepMs(5 + TIMERS * 7 + 40);
    CHECK(Early == 0);
    CHECK(All >= TIMERS - TIMERS / 4 && All <= TIMERS);
    for (ULONG i = 5; i < TIMERS; i++)
        CHECK(At[i] == 0 || At[i - 4] <= At[i] || i % 4 == 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("timers");
    OneShot();
    Periodic();
    Kinds();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
