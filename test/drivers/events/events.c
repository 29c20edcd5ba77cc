/* Events: what their state is after each routine, whom they wake, and the hold of the dispatcher by Wait = TRUE. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI LONG NTAPI KePulseEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait);

static KEVENT Shared, Reached;
static volatile LONG Woken;

static LARGE_INTEGER Zero;

/* TRUE if a wait for the event is satisfied now. */
static BOOLEAN IsSet(PKEVENT Event)
{
    return KeWaitForSingleObject(Event, Executive, KernelMode, FALSE, &Zero) == STATUS_SUCCESS;
}

static VOID NTAPI WaitOnce(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeWaitForSingleObject(&Shared, Executive, KernelMode, FALSE, NULL);
    InterlockedIncrement(&Woken);
}

/* Three threads that wait for Shared. */
static VOID StartWaiters(PKTHREAD *Threads)
{
    Woken = 0;
    for (int i = 0; i < 3; i++)
        Threads[i] = StartThread(WaitOnce, NULL);
    SleepMs(50);
}

static VOID States(VOID)
{
    KEVENT event;
    KIRQL irql;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    OUTCOME(KeInitializeEvent, "State FALSE makes an event that is not signaled", KeReadStateEvent(&event) == 0);
    OUTCOME(KeReadStateEvent, "returns zero for an event that is not signaled", KeReadStateEvent(&event) == 0);
    OUTCOME(KeSetEvent, "returns zero when the event was not signaled", KeSetEvent(&event, IO_NO_INCREMENT, FALSE) == 0);
    OUTCOME(KeSetEvent, "returns a nonzero value when the event was signaled already", KeSetEvent(&event, IO_NO_INCREMENT, FALSE) != 0);
    OUTCOME(KeReadStateEvent, "returns a nonzero value for a signaled event", KeReadStateEvent(&event) != 0);
    OUTCOME(KeInitializeEvent, "a notification event stays signaled after a wait", IsSet(&event) && IsSet(&event));
    OUTCOME(KeResetEvent, "returns a nonzero value when the event was signaled", KeResetEvent(&event) != 0);
    OUTCOME(KeResetEvent, "leaves the event not signaled", KeReadStateEvent(&event) == 0 && !IsSet(&event));
    OUTCOME(KeResetEvent, "returns zero when the event was not signaled", KeResetEvent(&event) == 0);
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    KeClearEvent(&event);
    OUTCOME(KeClearEvent, "leaves the event not signaled", KeReadStateEvent(&event) == 0 && !IsSet(&event));
    KeClearEvent(&event);
    OUTCOME(KeClearEvent, "does nothing to an event that is not signaled", KeReadStateEvent(&event) == 0);

    KeInitializeEvent(&event, SynchronizationEvent, TRUE);
    OUTCOME(KeInitializeEvent, "State TRUE makes a signaled event", KeReadStateEvent(&event) != 0);
    OUTCOME(KeInitializeEvent, "a synchronization event is reset by the wait that it satisfies", IsSet(&event) && !IsSet(&event));

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    LONG before = KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    OUTCOME(KeSetEvent, "works at DISPATCH_LEVEL with Wait FALSE", before == 0 && KeReadStateEvent(&event) != 0 && KeGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(KeResetEvent, "works at DISPATCH_LEVEL", KeResetEvent(&event) != 0 && KeReadStateEvent(&event) == 0);
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    KeClearEvent(&event);
    OUTCOME(KeClearEvent, "works at DISPATCH_LEVEL", KeReadStateEvent(&event) == 0);
    KeLowerIrql(irql);
}

static VOID Waiters(VOID)
{
    PKTHREAD threads[3];

    KeInitializeEvent(&Shared, SynchronizationEvent, FALSE);
    StartWaiters(threads);
    KeSetEvent(&Shared, IO_NO_INCREMENT, FALSE);
    SleepMs(50);
    OUTCOME(KeSetEvent, "a synchronization event releases one waiting thread and is reset", Woken == 1 && KeReadStateEvent(&Shared) == 0);
    KePulseEvent(&Shared, IO_NO_INCREMENT, FALSE);
    SleepMs(50);
    OUTCOME(KePulseEvent, "releases one of the threads that wait for a synchronization event", Woken == 2 && KeReadStateEvent(&Shared) == 0);
    KeSetEvent(&Shared, IO_NO_INCREMENT, FALSE);
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);

    KeInitializeEvent(&Shared, NotificationEvent, FALSE);
    StartWaiters(threads);
    LONG previous = KeSetEvent(&Shared, IO_NO_INCREMENT, FALSE);
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    OUTCOME(KeSetEvent, "a notification event releases all waiting threads and stays signaled", previous == 0 && Woken == 3 && KeReadStateEvent(&Shared) != 0);
    OUTCOME(KePulseEvent, "returns a nonzero value when the event was signaled", KePulseEvent(&Shared, IO_NO_INCREMENT, FALSE) != 0 && KeReadStateEvent(&Shared) == 0);

    StartWaiters(threads);
    previous = KePulseEvent(&Shared, IO_NO_INCREMENT, FALSE);
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    OUTCOME(KePulseEvent, "releases all threads that wait for a notification event", Woken == 3);
    OUTCOME(KePulseEvent, "returns zero when the event was not signaled, and leaves it so", previous == 0 && KeReadStateEvent(&Shared) == 0);
}

/* Waits for Shared, then lets the other thread go on. It outranks whoever signals it. */
static VOID NTAPI Partner(PVOID Context)
{
    PKTHREAD other = Context;
    KeSetSystemAffinityThread(1);
    KeSetPriorityThread(KeGetCurrentThread(), 20);
    KeWaitForSingleObject(&Shared, Executive, KernelMode, FALSE, NULL);
    /* The signal and the wait of the other thread are one operation: it is waiting by now, so this one cannot come too early. */
    Woken = other != NULL;
    KePulseEvent(&Reached, IO_NO_INCREMENT, FALSE);
}

static VOID SetAndWait(VOID)
{
    LARGE_INTEGER second = MsFromNow(1000);
    KAFFINITY old;
    KIRQL irql;

    KeInitializeEvent(&Shared, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Reached, NotificationEvent, FALSE);
    old = KeSetSystemAffinityThreadEx(1);
    PKTHREAD partner = StartThread(Partner, KeGetCurrentThread());
    SleepMs(50);
    KeSetEvent(&Shared, IO_NO_INCREMENT, TRUE);
    irql = KeGetCurrentIrql();
    NTSTATUS status = KeWaitForSingleObject(&Reached, Executive, KernelMode, FALSE, &second);
    OUTCOME(KeSetEvent, "with Wait TRUE no thread switch comes before the wait that follows", status == STATUS_SUCCESS && Woken);
    OUTCOME(KeSetEvent, "with Wait TRUE the wait that follows restores the IRQL", irql == DISPATCH_LEVEL && KeGetCurrentIrql() == PASSIVE_LEVEL);
    JoinThread(partner);

    KeInitializeEvent(&Shared, NotificationEvent, TRUE);
    KePulseEvent(&Shared, IO_NO_INCREMENT, TRUE);
    irql = KeGetCurrentIrql();
    status = KeWaitForSingleObject(&Shared, Executive, KernelMode, FALSE, &Zero);
    OUTCOME(KePulseEvent, "with Wait TRUE the dispatcher is held until the wait that follows",
            irql == DISPATCH_LEVEL && status == STATUS_TIMEOUT && KeGetCurrentIrql() == PASSIVE_LEVEL);

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KePulseEvent(&Shared, IO_NO_INCREMENT, TRUE);
    status = KeWaitForSingleObject(&Shared, Executive, KernelMode, FALSE, &Zero);
    OUTCOME(KePulseEvent, "with Wait TRUE at DISPATCH_LEVEL a wait with a zero time-out follows", status == STATUS_TIMEOUT && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeLowerIrql(irql);
    KeRevertToUserAffinityThreadEx(old);
}

/* Priority increments: a waiter with a higher boost runs at a higher priority when it is released. */
static volatile KPRIORITY Seen;
static VOID NTAPI ReadPriority(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeWaitForSingleObject(&Shared, Executive, KernelMode, FALSE, NULL);
    Seen = KeQueryPriorityThread(KeGetCurrentThread());
}

static VOID Boost(VOID)
{
    KeInitializeEvent(&Shared, SynchronizationEvent, FALSE);
    PKTHREAD thread = StartThread(ReadPriority, NULL);
    SleepMs(50);
    KPRIORITY base = KeQueryPriorityThread(thread);
    KeSetEvent(&Shared, 3, FALSE);
    JoinThread(thread);
    OUTCOME(KeSetEvent, "Increment raises the priority of the thread that it releases", Seen == base + 3);
}

/* Producer and consumers: each set event lets exactly one consumer take one item. */
static KEVENT Full, Empty;
static volatile LONG Slot, Sum, Taken;
static VOID NTAPI Consumer(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    for (;;)
    {
        KeWaitForSingleObject(&Full, Executive, KernelMode, FALSE, NULL);
        LONG value = Slot;
        if (value >= 0)
        {
            Sum += value;
            Taken++;
        }
        KeSetEvent(value < 0 ? &Full : &Empty, IO_NO_INCREMENT, FALSE);
        if (value < 0)
            return;
    }
}

static VOID Stress(VOID)
{
    enum { ITEMS = 400, CONSUMERS = 5 };
    PKTHREAD threads[CONSUMERS];
    KeInitializeEvent(&Full, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Empty, SynchronizationEvent, TRUE);
    for (int i = 0; i < CONSUMERS; i++)
    {
        threads[i] = StartThread(Consumer, NULL);
        KeSetPriorityThread(threads[i], 6 + 3 * i);
    }
    for (LONG i = 0; i <= ITEMS; i++)
    {
        KeWaitForSingleObject(&Empty, Executive, KernelMode, FALSE, NULL);
        Slot = i < ITEMS ? i : -1;
        KeSetEvent(&Full, IO_NO_INCREMENT, FALSE);
    }
    for (int i = 0; i < CONSUMERS; i++)
        JoinThread(threads[i]);
    CHECK(Taken == ITEMS);
    CHECK(Sum == ITEMS * (ITEMS - 1) / 2);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("events");
    States();
    Waiters();
    SetAndWait();
    Boost();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
