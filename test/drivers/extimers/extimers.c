// ktest: cases=4
/* Timers that the system allocates (EX_TIMER): callbacks, waits, deletion. Cases 1 to 3 use them in forbidden ways. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

#define MS(n) (-10000LL * (n))

static volatile LONG Fired, Deleted, Slow;
static volatile PVOID SeenTimer, SeenContext, DeletedContext;
static volatile KIRQL Irql;

static VOID NTAPI OnTimer(PEX_TIMER Timer, PVOID Context)
{
    SeenTimer = Timer;
    SeenContext = Context;
    Irql = KeGetCurrentIrql();
    InterlockedIncrement(&Fired);
}

static VOID NTAPI OnDelete(PVOID Context)
{
    DeletedContext = Context;
    InterlockedIncrement(&Deleted);
}

static NTSTATUS WaitMs(PVOID Object, LONG Milliseconds)
{
    LARGE_INTEGER due = MsFromNow(Milliseconds);
    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, &due);
}

static VOID Callbacks(VOID)
{
    PEX_TIMER timer = ExAllocateTimer(OnTimer, (PVOID)0x55, 0);
    OUTCOME(ExAllocateTimer, "returns a timer object", timer != NULL);
    OUTCOME(ExCancelTimer, "returns FALSE for a timer that was never set", ExCancelTimer(timer, NULL) == FALSE);
    OUTCOME(ExSetTimer, "returns FALSE when no timer was pending", ExSetTimer(timer, MS(30), 0, NULL) == FALSE);
    SleepMs(80);
    OUTCOME(ExAllocateTimer, "the callback gets the timer and its context at DISPATCH_LEVEL", Fired == 1 && SeenTimer == timer && SeenContext == (PVOID)0x55 && Irql == DISPATCH_LEVEL);
    OUTCOME(ExSetTimer, "a period of zero makes a one-shot timer", (SleepMs(60), Fired == 1));
    ExSetTimer(timer, MS(500), 0, NULL);
    OUTCOME(ExSetTimer, "returns TRUE when it cancels a timer that was pending", ExSetTimer(timer, MS(30), 0, NULL) == TRUE);
    SleepMs(80);
    OUTCOME(ExSetTimer, "the second of two settings is the one that expires", Fired == 2);
    ExSetTimer(timer, MS(30), 0, NULL);
    OUTCOME(ExCancelTimer, "returns TRUE for a timer that is set", ExCancelTimer(timer, NULL) == TRUE);
    SleepMs(80);
    OUTCOME(ExCancelTimer, "the callback of a cancelled timer is not called", Fired == 2);
    OUTCOME(ExCancelTimer, "returns FALSE for a timer that was cancelled already", ExCancelTimer(timer, NULL) == FALSE);

    Fired = 0;
    ExSetTimer(timer, MS(20), 200000, NULL);
    SleepMs(310);
    OUTCOME(ExSetTimer, "a period makes the timer expire again and again", Fired >= 8 && Fired <= 17);
    OUTCOME(ExCancelTimer, "returns TRUE for a periodic timer", ExCancelTimer(timer, NULL) == TRUE);
    KeFlushQueuedDpcs();
    LONG fired = Fired;
    SleepMs(60);
    OUTCOME(ExCancelTimer, "ends a periodic timer", Fired == fired);

    LARGE_INTEGER now;
    KeQuerySystemTime(&now);
    ExSetTimer(timer, now.QuadPart + 300000, 0, NULL);
    SleepMs(100);
    OUTCOME(ExSetTimer, "a positive time is absolute", Fired == fired + 1);
    OUTCOME(ExDeleteTimer, "returns FALSE when the timer was not set", ExDeleteTimer(timer, TRUE, FALSE, NULL) == FALSE);
}

static VOID Waits(VOID)
{
    PEX_TIMER timer = ExAllocateTimer(NULL, NULL, 0);
    ExSetTimer(timer, MS(30), 0, NULL);
    OUTCOME(ExAllocateTimer, "Callback may be NULL, and a thread waits for the timer", WaitMs(timer, 500) == STATUS_SUCCESS);
    OUTCOME(ExAllocateTimer, "a timer without EX_TIMER_NOTIFICATION is a synchronization timer", WaitMs(timer, 0) == STATUS_TIMEOUT);
    LONG ticks = 0;
    ExSetTimer(timer, MS(10), 200000, NULL);
    for (int i = 0; i < 5; i++)
        ticks += WaitMs(timer, 500) == STATUS_SUCCESS;
    OUTCOME(ExSetTimer, "each expiration of a periodic timer satisfies a wait", ticks == 5);
    OUTCOME(ExDeleteTimer, "returns TRUE when Cancel is TRUE and the timer was cancelled", ExDeleteTimer(timer, TRUE, FALSE, NULL) == TRUE);
    timer = ExAllocateTimer(NULL, NULL, EX_TIMER_NOTIFICATION);
    ExSetTimer(timer, MS(10), 0, NULL);
    WaitMs(timer, 500);
    OUTCOME(ExAllocateTimer, "EX_TIMER_NOTIFICATION makes a notification timer", WaitMs(timer, 0) == STATUS_SUCCESS && WaitMs(timer, 0) == STATUS_SUCCESS);
    ExDeleteTimer(timer, TRUE, TRUE, NULL);
    timer = ExAllocateTimer(NULL, NULL, EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NOTIFICATION);
    ExSetTimer(timer, MS(5), 0, NULL);
    OUTCOME(ExAllocateTimer, "EX_TIMER_HIGH_RESOLUTION makes a timer with a relative due time", WaitMs(timer, 500) == STATUS_SUCCESS);
    ExDeleteTimer(timer, TRUE, TRUE, NULL);
}

/* A callback that takes its time, on another processor if there is one. */
static volatile LONG InCallback;
static VOID NTAPI SlowCallback(PEX_TIMER Timer, PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    InCallback = 1;
    KeStallExecutionProcessor(20000);
    if (Context != NULL)
        ExDeleteTimer(Timer, TRUE, FALSE, NULL);
    Slow = 1;
    InCallback = 0;
}

static VOID Deletion(VOID)
{
    EXT_DELETE_PARAMETERS parameters = {0, 0, OnDelete, (PVOID)0x99};
    PEX_TIMER timer = ExAllocateTimer(OnTimer, NULL, 0);
    ExSetTimer(timer, MS(30), 0, NULL);
    Fired = 0;
    BOOLEAN result = ExDeleteTimer(timer, FALSE, FALSE, &parameters);
    BOOLEAN later = Deleted == 0;
    SleepMs(100);
    OUTCOME(ExDeleteTimer, "returns FALSE with Cancel FALSE, and a timer that is set expires first", !result && later && Fired == 1);
    OUTCOME(ExDeleteTimer, "the delete callback is called with its context when the timer is deleted", Deleted == 1 && DeletedContext == (PVOID)0x99);

    timer = ExAllocateTimer(OnTimer, NULL, 0);
    ExSetTimer(timer, MS(30), 0, NULL);
    Fired = 0;
    result = ExDeleteTimer(timer, TRUE, TRUE, &parameters);
    SleepMs(80);
    OUTCOME(ExDeleteTimer, "a timer that it cancels does not expire", result && Fired == 0 && Deleted == 2);

    KeSetSystemAffinityThread((KAFFINITY)1 << (KtestProcessors - 1));
    timer = ExAllocateTimer(SlowCallback, NULL, 0);
    ExSetTimer(timer, MS(1), 0, NULL);
    KeRevertToUserAffinityThread();
    KeSetSystemAffinityThread(1);
    for (int i = 0; i < 1000 && !InCallback && !Slow; i++)
        KeStallExecutionProcessor(50);
    ExDeleteTimer(timer, TRUE, TRUE, NULL);
    KeRevertToUserAffinityThread();
    OUTCOME(ExDeleteTimer, "with Wait TRUE it returns when the callback is over", Slow == 1 && InCallback == 0);

    Slow = 0;
    timer = ExAllocateTimer(SlowCallback, (PVOID)1, 0);
    ExSetTimer(timer, MS(1), 0, NULL);
    SleepMs(100);
    OUTCOME(ExDeleteTimer, "the callback may delete its own timer", Slow == 1);
}

static VOID Broken(VOID)
{
    PEX_TIMER timer;
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(ExAllocateTimer, "a bug check for EX_TIMER_HIGH_RESOLUTION together with EX_TIMER_NO_WAKE", 0xC7);
        ExAllocateTimer(OnTimer, NULL, EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NO_WAKE);
    }
    if (KtestCase == 2)
    {
        timer = ExAllocateTimer(OnTimer, NULL, 0);
        OUTCOME_BUGCHECK(ExDeleteTimer, "a bug check for Wait TRUE with Cancel FALSE", 0xC7);
        ExDeleteTimer(timer, FALSE, TRUE, NULL);
    }
    if (KtestCase == 3)
    {
        timer = ExAllocateTimer(OnTimer, NULL, EX_TIMER_HIGH_RESOLUTION);
        OUTCOME_BUGCHECK(ExSetTimer, "a bug check for an absolute time of a high-resolution timer", 0xC7);
        ExSetTimer(timer, 1000000, 0, NULL);
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
    KtestBegin("extimers");
    if (KtestCase != 0)
        Broken();
    Callbacks();
    Waits();
    Deletion();
    KtestDone();
    return STATUS_SUCCESS;
}
