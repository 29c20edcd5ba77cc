/* Clocks: interrupt time, system time, tick count, performance counter; and stalls. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI ULONGLONG NTAPI KeQueryInterruptTimePrecise(PULONG64 QpcTimeStamp);
NTKERNELAPI ULONGLONG NTAPI KeQueryUnbiasedInterruptTimePrecise(PULONG64 QpcTimeStamp);
NTKERNELAPI ULONGLONG NTAPI KeQueryUnbiasedInterruptTime(VOID);
NTKERNELAPI VOID NTAPI KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime);
/* The headers read these from the page that the system shares; they are exports too. */
ULONGLONG NTAPI NtQueryInterruptTime(VOID) __asm__("KeQueryInterruptTime");
VOID NTAPI NtQueryTime(PLARGE_INTEGER CurrentTime) __asm__("KeQuerySystemTime");
VOID NTAPI NtQueryTickCount(PLARGE_INTEGER TickCount) __asm__("KeQueryTickCount");

static VOID Clocks(VOID)
{
    ULONG increment = KeQueryTimeIncrement();
    LARGE_INTEGER frequency = {.QuadPart = 0}, before, after, counter;
    ULONGLONG interruptBefore, interruptAfter;
    ULONG64 stamp = 0, stampAfter = 0;

    OUTCOME(KeQueryTimeIncrement, "returns the 100 ns units of a clock tick", increment >= 5000 && increment <= 160000);

    KeQuerySystemTime(&before);
    interruptBefore = KeQueryInterruptTime();
    SleepMs(100);
    KeQuerySystemTime(&after);
    interruptAfter = KeQueryInterruptTime();
    LONGLONG system = after.QuadPart - before.QuadPart, interrupt = (LONGLONG)(interruptAfter - interruptBefore);
    OUTCOME(KeQuerySystemTime, "counts 100 ns units since 1601", before.QuadPart > 125911584000000000LL && system >= 1000000 && system < 1800000);
    OUTCOME(KeQueryInterruptTime, "counts 100 ns units since the system was started", interruptBefore < 36000000000ull && interrupt >= 1000000 && interrupt < 1800000);
    OUTCOME(KeQueryInterruptTime, "advances by clock ticks", interrupt % increment == 0);
    OUTCOME(KeQueryUnbiasedInterruptTime, "is interrupt time when the system has not slept", KeQueryUnbiasedInterruptTime() - KeQueryInterruptTime() < 2 * increment);

    KeQueryTickCount(&before);
    interruptBefore = KeQueryInterruptTime();
    SleepMs(100);
    KeQueryTickCount(&after);
    interruptAfter = KeQueryInterruptTime();
    OUTCOME(KeQueryTickCount, "counts clock ticks", after.QuadPart > before.QuadPart && (ULONGLONG)(after.QuadPart - before.QuadPart) * increment + increment >= interruptAfter - interruptBefore);

    counter = KeQueryPerformanceCounter(&frequency);
    OUTCOME(KeQueryPerformanceCounter, "stores the frequency of the counter", frequency.QuadPart >= 1000000);
    OUTCOME(KeQueryPerformanceCounter, "PerformanceFrequency may be NULL", KeQueryPerformanceCounter(NULL).QuadPart >= counter.QuadPart);
    interruptBefore = KeQueryInterruptTimePrecise(&stamp);
    KeStallExecutionProcessor(50);
    interruptAfter = KeQueryInterruptTimePrecise(&stampAfter);
    LONGLONG microseconds = (LONGLONG)(stampAfter - stamp) * 1000000 / frequency.QuadPart;
    OUTCOME(KeQueryPerformanceCounter, "resolves less than a microsecond", microseconds >= 50 && microseconds < 200);
    OUTCOME(KeQueryInterruptTimePrecise, "returns interrupt time finer than a clock tick", interruptAfter - interruptBefore >= 500 && interruptAfter - interruptBefore < 2000);
    OUTCOME(KeQueryInterruptTimePrecise, "stores the performance counter of the moment", stamp >= (ULONG64)counter.QuadPart && stampAfter > stamp);
    OUTCOME(KeQueryInterruptTimePrecise, "is not behind interrupt time, nor a tick ahead of it", (LONGLONG)(KeQueryInterruptTimePrecise(&stamp) - KeQueryInterruptTime()) >= 0 && KeQueryInterruptTimePrecise(&stamp) - KeQueryInterruptTime() < 2 * increment);
    OUTCOME(KeQueryUnbiasedInterruptTimePrecise, "is precise interrupt time when the system has not slept", KeQueryUnbiasedInterruptTimePrecise(&stamp) - interruptAfter < 1000000);
    OUTCOME(KeQueryUnbiasedInterruptTimePrecise, "stores the performance counter of the moment", stamp > stampAfter);
    KIRQL irql;
    /* On the processor that keeps the time, so that no tick comes in between. */
    KeSetSystemAffinityThread(1);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    KeQuerySystemTime(&before);
    NtQueryTime(&after);
    BOOLEAN sameTime = before.QuadPart == after.QuadPart, sameInterrupt = KeQueryInterruptTime() == NtQueryInterruptTime();
    KeQueryTickCount(&before);
    NtQueryTickCount(&after);
    KeLowerIrql(irql);
    KeRevertToUserAffinityThread();
    OUTCOME(KeQuerySystemTime, "the shared page and the routine say the same", sameTime);
    OUTCOME(KeQueryInterruptTime, "the shared page and the routine say the same", sameInterrupt);
    OUTCOME(KeQueryTickCount, "the shared page and the routine say the same", before.QuadPart == after.QuadPart);
    KeQuerySystemTimePrecise(&before);
    KeQuerySystemTime(&after);
    OUTCOME(KeQuerySystemTimePrecise, "is at most a tick ahead of the system time", before.QuadPart + (LONGLONG)increment >= after.QuadPart && before.QuadPart - after.QuadPart < 2 * (LONGLONG)increment);
}

static VOID Stalls(VOID)
{
    LARGE_INTEGER frequency, before = KeQueryPerformanceCounter(&frequency);
    KIRQL irql;
    KeStallExecutionProcessor(30);
    LONGLONG passed = (KeQueryPerformanceCounter(NULL).QuadPart - before.QuadPart) * 1000000 / frequency.QuadPart;
    OUTCOME(KeStallExecutionProcessor, "stalls the caller for at least the time given", passed >= 30 && passed < 200);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    before = KeQueryPerformanceCounter(NULL);
    KeStallExecutionProcessor(10);
    passed = (KeQueryPerformanceCounter(NULL).QuadPart - before.QuadPart) * 1000000 / frequency.QuadPart;
    KeLowerIrql(irql);
    OUTCOME(KeStallExecutionProcessor, "may be called at any IRQL", passed >= 10 && passed < 50);
    before = KeQueryPerformanceCounter(NULL);
    KeStallExecutionProcessor(0);
    OUTCOME(KeStallExecutionProcessor, "zero returns at once", (KeQueryPerformanceCounter(NULL).QuadPart - before.QuadPart) * 1000000 / frequency.QuadPart < 20);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("time");
    Clocks();
    Stalls();
    KtestDone();
    return STATUS_SUCCESS;
}
