/*
 * What can be asked of a thread and set on it (ZwQueryInformationThread, ZwSetInformationThread), timers whose expiry calls a routine in the thread that set them
 * (ZwSetTimer), and what the platform says of power.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)
#ifndef TIMER_ALL_ACCESS
#define TIMER_ALL_ACCESS 0x1f0003
#endif
NTSYSAPI NTSTATUS NTAPI ZwQueryInformationThread(HANDLE, THREADINFOCLASS, PVOID, ULONG, PULONG);

/* THREADINFOCLASS, as far as mingw has no names for it. */
enum { Times = 1, Priority = 2, BasePriority = 3, AffinityMask = 4, StartAddress = 9, PerformanceCount = 11, LastThread = 12, Ideal = 13, Boost = 14, IoPending = 16,
       HideFromDebugger = 17, BreakOnTermination = 18, Terminated = 20, LastCall = 21, IoPriority = 22, CycleTime = 23, PagePriority = 24, ActualBase = 25, GroupInformation = 30,
       IdealEx = 33, SuspendCount = 35, Name = 38, PowerThrottling = 49 };

typedef struct
{
    ULONG Version, ControlMask, StateMask;
} THROTTLING;

static NTSTATUS Query(ULONG Class, PVOID Buffer, ULONG Length) { return ZwQueryInformationThread(ZwCurrentThread(), Class, Buffer, Length, NULL); }
static NTSTATUS Set(ULONG Class, PVOID Buffer, ULONG Length) { return ZwSetInformationThread(ZwCurrentThread(), Class, Buffer, Length); }
static NTSTATUS SetLong(ULONG Class, LONG Value) { return Set(Class, &Value, sizeof Value); }
static ULONG Long(ULONG Class)
{
    ULONG value = 0xBAD;
    return Query(Class, &value, sizeof value) == STATUS_SUCCESS ? value : 0xBAD;
}

static VOID Priorities(VOID)
{
    ULONG before = Long(ActualBase);
    OUTCOME(ZwSetInformationThread, "ThreadBasePriority: an increment over the base priority", SetLong(BasePriority, 2) == STATUS_SUCCESS && KeQueryPriorityThread(KeGetCurrentThread()) == (KPRIORITY)before + 2);
    OUTCOME(ZwSetInformationThread, "ThreadBasePriority: a priority class is not left", SetLong(BasePriority, 15) == STATUS_SUCCESS && KeQueryPriorityThread(KeGetCurrentThread()) == 15);
    OUTCOME(ZwSetInformationThread, "ThreadBasePriority: an increment that there is not is STATUS_INVALID_PARAMETER", SetLong(BasePriority, 9) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwSetInformationThread, "ThreadPriority: 31 is the highest", SetLong(Priority, 31) == STATUS_SUCCESS && KeQueryPriorityThread(KeGetCurrentThread()) == 31 && SetLong(Priority, 32) == STATUS_INVALID_PARAMETER && SetLong(Priority, 0) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwQueryInformationThread, "ThreadActualBasePriority", Long(ActualBase) == 31);
    SetLong(Priority, before);
    OUTCOME(ZwQueryInformationThread, "ThreadPagePriority: MEMORY_PRIORITY_NORMAL at first", Long(PagePriority) == 5);
    OUTCOME(ZwSetInformationThread, "ThreadPagePriority", SetLong(PagePriority, 1) == STATUS_SUCCESS && Long(PagePriority) == 1);
    OUTCOME(ZwSetInformationThread, "ThreadPagePriority: a priority that there is not is STATUS_INVALID_PARAMETER", SetLong(PagePriority, 0) == STATUS_INVALID_PARAMETER && SetLong(PagePriority, 6) == STATUS_INVALID_PARAMETER);
    SetLong(PagePriority, 5);
    OUTCOME(ZwSetInformationThread, "ThreadIoPriority", Long(IoPriority) == 2 && SetLong(IoPriority, 1) == STATUS_SUCCESS && Long(IoPriority) == 1 && SetLong(IoPriority, 7) == STATUS_INVALID_PARAMETER);
    SetLong(IoPriority, 2);
    OUTCOME(ZwSetInformationThread, "ThreadPriorityBoost", Long(Boost) == 0 && SetLong(Boost, 1) == STATUS_SUCCESS && Long(Boost) == 1);
    {
        /* Waking would give the thread a boost of the increment, but for the flag. */
        KEVENT event;
        KTIMER timer;
        KeInitializeEvent(&event, NotificationEvent, FALSE);
        KeInitializeTimer(&timer);
        KeSetTimer(&timer, MsFromNow(2), NULL);
        KeWaitForSingleObject(&timer, Executive, KernelMode, FALSE, NULL);
        CHECK(KeQueryPriorityThread(KeGetCurrentThread()) == (KPRIORITY)before);
    }
    SetLong(Boost, 0);
}

static VOID Throttling(VOID)
{
    THROTTLING on = {1, 1, 1}, off = {1, 0, 0}, wrong = {2, 1, 1}, loose = {1, 0, 1}, seen = {0};
    OUTCOME(ZwSetInformationThread, "ThreadPowerThrottlingState", Set(PowerThrottling, &on, sizeof on) == STATUS_SUCCESS && Query(PowerThrottling, &seen, sizeof seen) == STATUS_SUCCESS && seen.ControlMask == 1 && seen.StateMask == 1);
    OUTCOME(ZwSetInformationThread, "ThreadPowerThrottlingState: another version, or a state that is not controlled, is STATUS_INVALID_PARAMETER",
            Set(PowerThrottling, &wrong, sizeof wrong) == STATUS_INVALID_PARAMETER && Set(PowerThrottling, &loose, sizeof loose) == STATUS_INVALID_PARAMETER);
    CHECK(Set(PowerThrottling, &off, sizeof off) == STATUS_SUCCESS && Query(PowerThrottling, &seen, sizeof seen) == STATUS_SUCCESS && seen.ControlMask == 0);
}

static VOID Processors(VOID)
{
    KAFFINITY all = KeQueryActiveProcessors(), one = (KAFFINITY)1 << (KtestProcessors - 1), none = (KAFFINITY)1 << 40;
    GROUP_AFFINITY group = {0}, seen = {0};
    PROCESSOR_NUMBER ideal = {0, (UCHAR)(KtestProcessors - 1), 0}, gone = {0, 63, 0};
    OUTCOME(ZwSetInformationThread, "ThreadAffinityMask: the thread runs there", Set(AffinityMask, &one, sizeof one) == STATUS_SUCCESS && KeGetCurrentProcessorNumber() == KtestProcessors - 1);
    OUTCOME(ZwQueryInformationThread, "ThreadGroupInformation", Query(GroupInformation, &seen, sizeof seen) == STATUS_SUCCESS && seen.Mask == one && seen.Group == 0);
    OUTCOME(ZwSetInformationThread, "ThreadAffinityMask: no active processor is STATUS_INVALID_PARAMETER", Set(AffinityMask, &none, sizeof none) == STATUS_INVALID_PARAMETER);
    group.Mask = all;
    OUTCOME(ZwSetInformationThread, "ThreadGroupInformation", Set(GroupInformation, &group, sizeof group) == STATUS_SUCCESS && Query(GroupInformation, &seen, sizeof seen) == STATUS_SUCCESS && seen.Mask == all);
    OUTCOME(ZwSetInformationThread, "ThreadIdealProcessor", SetLong(Ideal, KtestProcessors - 1) == STATUS_SUCCESS && SetLong(Ideal, 60) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwSetInformationThread, "ThreadIdealProcessorEx gives the one of before back", Set(IdealEx, &ideal, sizeof ideal) == STATUS_SUCCESS && ideal.Number == KtestProcessors - 1 && Set(IdealEx, &gone, sizeof gone) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwQueryInformationThread, "ThreadIdealProcessorEx", Query(IdealEx, &gone, sizeof gone) == STATUS_SUCCESS && gone.Number == KtestProcessors - 1 && gone.Group == 0);
}

static VOID Facts(VOID)
{
    struct { LARGE_INTEGER Created, Exited, Kernel, User; } times = {{{0}}};
    struct { ULONGLONG Accumulated, Current; } cycles = {0}, later = {0};
    struct { UNICODE_STRING String; WCHAR Text[20]; } name;
    UNICODE_STRING given = RTL_CONSTANT_STRING(L"measured");
    PVOID start = NULL, other = (PVOID)0x1234;
    LARGE_INTEGER now, count;
    ULONG length = 0;
    BOOLEAN hidden = FALSE;
    KeQuerySystemTime(&now);
    OUTCOME(ZwQueryInformationThread, "ThreadTimes", Query(Times, &times, sizeof times) == STATUS_SUCCESS && times.Created.QuadPart > 0 && times.Created.QuadPart <= now.QuadPart && times.Exited.QuadPart == 0 && times.User.QuadPart == 0);
    OUTCOME(ZwQueryInformationThread, "ThreadCycleTime grows", Query(CycleTime, &cycles, sizeof cycles) == STATUS_SUCCESS && (SleepMs(2), Query(CycleTime, &later, sizeof later)) == STATUS_SUCCESS && later.Accumulated > cycles.Accumulated);
    OUTCOME(ZwQueryInformationThread, "ThreadPerformanceCount", Query(PerformanceCount, &count, sizeof count) == STATUS_SUCCESS && count.QuadPart > 0 && count.QuadPart <= KeQueryPerformanceCounter(NULL).QuadPart);
    OUTCOME(ZwQueryInformationThread, "ThreadAmILastThread", Long(LastThread) == 0);
    OUTCOME(ZwQueryInformationThread, "ThreadIsIoPending", Long(IoPending) == 0);
    OUTCOME(ZwQueryInformationThread, "ThreadIsTerminated", Long(Terminated) == 0);
    OUTCOME(ZwQueryInformationThread, "ThreadSuspendCount", Long(SuspendCount) == 0);
    OUTCOME(ZwQueryInformationThread, "ThreadLastSystemCall is not known of a thread that runs", Query(LastCall, &times, 16) == STATUS_UNSUCCESSFUL);
    OUTCOME(ZwQueryInformationThread, "ThreadQuerySetWin32StartAddress", Query(StartAddress, &start, sizeof start) == STATUS_SUCCESS && start != NULL);
    OUTCOME(ZwSetInformationThread, "ThreadQuerySetWin32StartAddress", Set(StartAddress, &other, sizeof other) == STATUS_SUCCESS && Query(StartAddress, &other, sizeof other) == STATUS_SUCCESS && other == (PVOID)0x1234);
    Set(StartAddress, &start, sizeof start);
    OUTCOME(ZwSetInformationThread, "ThreadNameInformation", Set(Name, &given, sizeof given) == STATUS_SUCCESS);
    OUTCOME(ZwQueryInformationThread, "ThreadNameInformation", ZwQueryInformationThread(ZwCurrentThread(), Name, &name, sizeof name, &length) == STATUS_SUCCESS && length == sizeof(UNICODE_STRING) + given.Length && RtlEqualUnicodeString(&name.String, &given, FALSE));
    given.Length = 0;
    Set(Name, &given, sizeof given);
    OUTCOME(ZwSetInformationThread, "ThreadBreakOnTermination", SetLong(BreakOnTermination, 1) == STATUS_SUCCESS && Long(BreakOnTermination) == 1 && SetLong(BreakOnTermination, 0) == STATUS_SUCCESS && Long(BreakOnTermination) == 0);
    OUTCOME(ZwSetInformationThread, "ThreadHideFromDebugger takes no buffer", Set(HideFromDebugger, &hidden, 1) == STATUS_INFO_LENGTH_MISMATCH && Set(HideFromDebugger, NULL, 0) == STATUS_SUCCESS);
    OUTCOME(ZwQueryInformationThread, "ThreadHideFromDebugger", Query(HideFromDebugger, &hidden, 1) == STATUS_SUCCESS && hidden);
}

/* The timer's routine runs in the thread that set the timer, as a kernel APC of a caller from kernel mode. */
static ULONG Fired;
static PKTHREAD FiredIn;
static KIRQL FiredAt;
static LARGE_INTEGER FiredTime;
static VOID NTAPI OnTimer(PVOID Context, ULONG Low, LONG High)
{
    *(PULONG)Context += 1;
    FiredIn = KeGetCurrentThread();
    FiredAt = KeGetCurrentIrql();
    FiredTime.LowPart = Low;
    FiredTime.HighPart = High;
}

static HANDLE NewTimer(TIMER_TYPE Type)
{
    HANDLE timer = NULL;
    OBJECT_ATTRIBUTES a;
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateTimer(&timer, TIMER_ALL_ACCESS, &a, Type);
    return timer;
}

static VOID Once(HANDLE Timer)
{
    LARGE_INTEGER due = MsFromNow(3), before;
    KeQuerySystemTime(&before);
    CHECK(ZwSetTimer(Timer, &due, OnTimer, &Fired, FALSE, 0, NULL) == STATUS_SUCCESS);
    ZwWaitForSingleObject(Timer, FALSE, NULL);
    SleepMs(2);
    OUTCOME(ZwSetTimer, "the routine is called in the thread that set the timer, with its context", Fired == 1 && FiredIn == KeGetCurrentThread() && FiredAt == PASSIVE_LEVEL);
    OUTCOME(ZwSetTimer, "the routine gets the time at which the timer expired", FiredTime.QuadPart > before.QuadPart && FiredTime.QuadPart - before.QuadPart < 500000000);
}

static VOID Again(HANDLE Timer)
{
    LARGE_INTEGER due = MsFromNow(2), far = MsFromNow(60000), soon = MsFromNow(2);
    BOOLEAN state = TRUE;
    Fired = 0;
    CHECK(ZwSetTimer(Timer, &due, OnTimer, &Fired, FALSE, 2, NULL) == STATUS_SUCCESS);
    SleepMs(120);
    OUTCOME(ZwSetTimer, "a periodic timer calls its routine each time", Fired >= 2);
    CHECK(ZwCancelTimer(Timer, &state) == STATUS_SUCCESS);
    Fired = 0;
    SleepMs(60);
    OUTCOME(ZwCancelTimer, "a routine that was to be called is not", Fired == 0);
    CHECK(ZwSetTimer(Timer, &far, OnTimer, &Fired, FALSE, 0, NULL) == STATUS_SUCCESS && ZwSetTimer(Timer, &soon, NULL, NULL, FALSE, 0, NULL) == STATUS_SUCCESS);
    ZwWaitForSingleObject(Timer, FALSE, NULL);
    SleepMs(2);
    OUTCOME(ZwSetTimer, "setting it again takes the routine of before back", Fired == 0);
}

/* In a critical region the routine waits. */
static VOID HeldBack(HANDLE Timer)
{
    LARGE_INTEGER due = MsFromNow(2);
    Fired = 0;
    KeEnterCriticalRegion();
    ZwSetTimer(Timer, &due, OnTimer, &Fired, FALSE, 0, NULL);
    ZwWaitForSingleObject(Timer, FALSE, NULL);
    SleepMs(2);
    CHECK(Fired == 0);
    KeLeaveCriticalRegion();
    CHECK(Fired == 1);
}

static HANDLE Left;
static VOID NTAPI Leaving(PVOID Context)
{
    LARGE_INTEGER due = MsFromNow(30);
    UNREFERENCED_PARAMETER(Context);
    ZwSetTimer(Left, &due, OnTimer, &Fired, FALSE, 0, NULL);
}

static VOID Timers(VOID)
{
    HANDLE timer = NewTimer(SynchronizationTimer);
    Once(timer);
    Again(timer);
    HeldBack(timer);
    Fired = 0;
    Left = timer;
    JoinThread(StartThread(Leaving, NULL));
    SleepMs(80);
    OUTCOME(ZwSetTimer, "the timer is cancelled when its thread ends", Fired == 0);
    ZwClose(timer);
}

static VOID Power(VOID)
{
    BOOLEAN platform = 7;
    OUTCOME(ZwPowerInformation, "PlatformInformation: whether there is connected standby", ZwPowerInformation(PlatformInformation, NULL, 0, &platform, sizeof platform) == STATUS_SUCCESS && platform == FALSE);
    OUTCOME(ZwPowerInformation, "PlatformInformation: STATUS_BUFFER_TOO_SMALL", ZwPowerInformation(PlatformInformation, NULL, 0, &platform, 0) == STATUS_BUFFER_TOO_SMALL);
    OUTCOME(ZwPowerInformation, "PlatformInformation: an input buffer, or no output buffer, is STATUS_INVALID_PARAMETER",
            ZwPowerInformation(PlatformInformation, &platform, 1, &platform, 1) == STATUS_INVALID_PARAMETER && ZwPowerInformation(PlatformInformation, NULL, 0, NULL, 0) == STATUS_INVALID_PARAMETER);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

static VOID NTAPI Body(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Priorities();
    Throttling();
    Processors();
    Facts();
    Timers();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("threadinfo");
    OUTCOME(ZwSetInformationThread, "a thread that is none: STATUS_OBJECT_TYPE_MISMATCH", ZwSetInformationThread(ZwCurrentProcess(), PagePriority, &RegistryPath, 4) == STATUS_OBJECT_TYPE_MISMATCH);
    JoinThread(StartThread(Body, NULL));
    Power();
    KtestDone();
    return STATUS_SUCCESS;
}
