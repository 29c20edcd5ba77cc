// ktest: cases=2
/* Scheduling: priorities, preemption, affinity, ideal processors, stacks, floating point. Case 1 gives a thread no processor. */
#include <ntifs.h>
#include <emmintrin.h>
#include "../ktest.h"
#include "../kthread.h"
#include "../kimports.h"

NTKERNELAPI KAFFINITY NTAPI KeSetAffinityThread(PKTHREAD Thread, KAFFINITY Affinity);
NTKERNELAPI LONG NTAPI KeSetBasePriorityThread(PKTHREAD Thread, LONG Increment);
NTKERNELAPI BOOLEAN NTAPI KeSetKernelStackSwapEnable(BOOLEAN Enable);
NTKERNELAPI VOID NTAPI KeFlushEntireTb(BOOLEAN Invalid, BOOLEAN AllProcessors);
NTKERNELAPI NTSTATUS NTAPI KeSaveFloatingPointState(PKFLOATING_SAVE FloatSave);
NTKERNELAPI NTSTATUS NTAPI KeRestoreFloatingPointState(PKFLOATING_SAVE FloatSave);
NTKERNELAPI ULONG NTAPI KeQueryRuntimeThread(PKTHREAD Thread, PULONG UserTime);

static volatile LONG Order, Stop;
static volatile KPRIORITY Seen;
static KEVENT Go, Ready;

static ULONG Processor(VOID)
{
    return KeGetCurrentProcessorNumberEx(NULL);
}

static VOID NTAPI MarkOrder(PVOID Context)
{
    KeSetSystemAffinityThread(1);
    KeSetPriorityThread(KeGetCurrentThread(), (KPRIORITY)(LONG_PTR)Context);
    KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL);
    Order = Order * 100 + (LONG)(LONG_PTR)Context;
}

static VOID Priorities(VOID)
{
    PKTHREAD self = KeGetCurrentThread(), threads[3];
    KPRIORITY old = KeQueryPriorityThread(self);

    OUTCOME(KeQueryPriorityThread, "returns the priority of a system thread", old >= 8 && old < 16);
    OUTCOME(KeSetPriorityThread, "returns the old priority", KeSetPriorityThread(self, 12) == old && KeQueryPriorityThread(self) == 12);
    OUTCOME(KeSetPriorityThread, "sets a real-time priority", KeSetPriorityThread(self, LOW_REALTIME_PRIORITY) == 12 && KeQueryPriorityThread(self) == LOW_REALTIME_PRIORITY);

    /* On one processor, from real-time priority: the threads run only when this one waits, the highest first. */
    KAFFINITY affinity = KeSetSystemAffinityThreadEx(1);
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    threads[0] = StartThread(MarkOrder, (PVOID)9);
    threads[1] = StartThread(MarkOrder, (PVOID)15);
    threads[2] = StartThread(MarkOrder, (PVOID)11);
    SleepMs(50);
    Order = 0;
    KeSetEvent(&Go, 0, FALSE);
    BOOLEAN none = Order == 0;
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    OUTCOME(KeSetPriorityThread, "threads of higher priority run first", none && Order == 151109);
    KeSetPriorityThread(self, old);

    /* A thread that outranks this one takes the processor as soon as it is ready. */
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    threads[0] = StartThread(MarkOrder, (PVOID)14);
    SleepMs(50);
    Order = 0;
    KeSetEvent(&Go, 0, FALSE);
    OUTCOME(KeSetPriorityThread, "a thread that becomes ready preempts one of lower priority", Order == 14);
    JoinThread(threads[0]);
    KeRevertToUserAffinityThreadEx(affinity);

    LONG increment = KeSetBasePriorityThread(self, 2);
    OUTCOME(KeSetBasePriorityThread, "sets the priority relative to that of the process", KeQueryPriorityThread(self) == 10);
    OUTCOME(KeSetBasePriorityThread, "returns the old increment", KeSetBasePriorityThread(self, increment) == 2 && KeQueryPriorityThread(self) == 8 + increment);
}

/* Threads of one priority on one processor share it by quantum. */
static volatile LONG Spins[3];
static VOID NTAPI Spin(PVOID Context)
{
    KeSetSystemAffinityThread(1);
    KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL);
    while (!Stop)
        Spins[(LONG_PTR)Context]++;
}

static VOID Quantum(VOID)
{
    PKTHREAD threads[3];
    Stop = 0;
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    for (LONG_PTR i = 0; i < 3; i++)
        threads[i] = StartThread(Spin, (PVOID)i);
    SleepMs(20);
    KeSetEvent(&Go, 0, FALSE);
    SleepMs(700);
    Stop = 1;
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    for (int i = 0; i < 3; i++)
        CHECK(Spins[i] > Spins[(i + 1) % 3] / 3);
}

static VOID NTAPI WhereAmI(PVOID Context)
{
    KeSetEvent(&Ready, 0, FALSE);
    KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL);
    *(volatile LONG *)Context = (LONG)Processor();
}

static VOID Affinity(VOID)
{
    KAFFINITY active = KeQueryActiveProcessors();
    ULONG last = KtestProcessors - 1;
    KAFFINITY only = (KAFFINITY)1 << last;
    GROUP_AFFINITY group, before;
    LARGE_INTEGER zero = {.QuadPart = 0};
    volatile LONG where = -1;

    KAFFINITY old = KeSetSystemAffinityThreadEx(only);
    OUTCOME(KeSetSystemAffinityThreadEx, "the thread runs on the processors of the set only", Processor() == last);
    OUTCOME(KeSetSystemAffinityThreadEx, "returns zero when no system affinity was set", old == 0);
    OUTCOME(KeSetSystemAffinityThreadEx, "returns the system affinity that was set before", KeSetSystemAffinityThreadEx(1) == only && Processor() == 0);
    KeRevertToUserAffinityThreadEx(only);
    OUTCOME(KeRevertToUserAffinityThreadEx, "restores an earlier system affinity", Processor() == last);
    KeRevertToUserAffinityThreadEx(0);
    OUTCOME(KeRevertToUserAffinityThreadEx, "zero restores the thread's own affinity", KeSetSystemAffinityThreadEx(active) == 0);
    KeRevertToUserAffinityThreadEx(0);

    KeSetSystemAffinityThread(only);
    KeDelayExecutionThread(KernelMode, FALSE, &zero);
    OUTCOME(KeSetSystemAffinityThread, "the thread stays on the processors of the set", Processor() == last);
    KeRevertToUserAffinityThread();
    OUTCOME(KeRevertToUserAffinityThread, "restores the thread's own affinity", KeSetSystemAffinityThreadEx(1) == 0);
    KeRevertToUserAffinityThread();

    group.Mask = only;
    group.Group = 0;
    KeSetSystemGroupAffinityThread(&group, &before);
    OUTCOME(KeSetSystemGroupAffinityThread, "the thread runs on the processors of the group's set", Processor() == last);
    OUTCOME(KeSetSystemGroupAffinityThread, "stores a mask of zero when no system affinity was set", before.Mask == 0 && before.Group == 0);
    group.Mask = 1;
    KeSetSystemGroupAffinityThread(&group, NULL);
    OUTCOME(KeSetSystemGroupAffinityThread, "PreviousAffinity may be NULL", Processor() == 0);
    group.Group = 5;
    GROUP_AFFINITY changed = {.Mask = 77, .Group = 7};
    KeSetSystemGroupAffinityThread(&group, &changed);
    OUTCOME(KeSetSystemGroupAffinityThread, "a group that does not exist changes nothing and stores zero", changed.Mask == 0 && changed.Group == 0 && Processor() == 0);
    KeRevertToUserGroupAffinityThread(&before);
    OUTCOME(KeRevertToUserGroupAffinityThread, "a stored mask of zero restores the thread's own affinity", KeSetSystemAffinityThreadEx(active) == 0);
    KeRevertToUserAffinityThread();

    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    KeInitializeEvent(&Ready, NotificationEvent, FALSE);
    PKTHREAD thread = StartThread(WhereAmI, (PVOID)&where);
    KeWaitForSingleObject(&Ready, Executive, KernelMode, FALSE, NULL);
    SleepMs(20);
    OUTCOME(KeSetAffinityThread, "returns the affinity of before", KeSetAffinityThread(thread, only) == active && KeSetAffinityThread(thread, only) == only);
    KeSetEvent(&Go, 0, FALSE);
    JoinThread(thread);
    OUTCOME(KeSetAffinityThread, "the thread runs on the processors of the set only", where == (LONG)last);

    UCHAR ideal = KeSetIdealProcessorThread(KeGetCurrentThread(), (UCHAR)last);
    OUTCOME(KeSetIdealProcessorThread, "returns the ideal processor of before", KeSetIdealProcessorThread(KeGetCurrentThread(), ideal) == last);
}

static VOID Identity(VOID)
{
    OUTCOME(KeGetCurrentThread, "returns the thread that runs", NtGetCurrentThread() == (PKTHREAD)PsGetCurrentThread() && NtGetCurrentThread() == KeGetCurrentThread());
    BOOLEAN was = KeSetKernelStackSwapEnable(FALSE);
    OUTCOME(KeSetKernelStackSwapEnable, "returns TRUE when stack swapping was enabled", was == TRUE);
    OUTCOME(KeSetKernelStackSwapEnable, "returns FALSE when stack swapping was disabled", KeSetKernelStackSwapEnable(TRUE) == FALSE && KeSetKernelStackSwapEnable(TRUE) == TRUE);
}

/* A processor that reads through one translation all the time, with nothing in between that would drop it. */
static volatile ULONG *volatile View;
static volatile ULONG LastRead, StopReading;
static VOID NTAPI ReadView(PVOID Context)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(Context);
    KeSetSystemAffinityThread((KAFFINITY)1 << (KtestProcessors - 1));
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    while (!StopReading)
        LastRead = *View;
    KeLowerIrql(irql);
}

/* Waits until the other processor reads Value; with one processor it reads itself. FALSE when it does not within 10 ms. */
static BOOLEAN Reads(ULONG Value)
{
    if (KtestProcessors == 1)
        return *View == Value;
    for (int i = 0; i < 1000 && LastRead != Value; i++)
        KeStallExecutionProcessor(10);
    return LastRead == Value;
}

/* A page table entry that is changed by hand: what a processor keeps of it is stale until it is flushed. */
static VOID FlushTb(VOID)
{
    PHYSICAL_ADDRESS highest = {.QuadPart = 0xffffffff};
    PKTHREAD reader = NULL;
    ULONG *first = MmAllocateContiguousMemory(4096, highest), *second = MmAllocateContiguousMemory(4096, highest);
    ULONGLONG frame = (ULONGLONG)MmGetPhysicalAddress(second).QuadPart;
    *first = 1;
    *second = 2;
    View = MmMapIoSpace(MmGetPhysicalAddress(first), 4096, MmCached);
    volatile ULONGLONG *entry = (volatile ULONGLONG *)(0xFFFFF68000000000ULL + (((ULONGLONG)View & 0xFFFFFFFFFFFFULL) >> 12) * 8);
    KeSetSystemAffinityThread(1);
    if (KtestProcessors > 1)
        reader = StartThread(ReadView, NULL);
    BOOLEAN before = Reads(1);
    ULONGLONG kept = *entry;
    *entry = (kept & 0xFFF0000000000FFFULL) | frame;
    KeFlushEntireTb(TRUE, TRUE);
    BOOLEAN after = Reads(2);
    *entry = kept;
    KeFlushEntireTb(TRUE, TRUE);
    BOOLEAN again = Reads(1);
    StopReading = 1;
    if (reader != NULL)
        JoinThread(reader);
    KeRevertToUserAffinityThread();
    OUTCOME(KeFlushEntireTb, "every processor translates anew afterwards", before && after && again);
    MmUnmapIoSpace((PVOID)View, 4096);
    MmFreeContiguousMemory(first);
    MmFreeContiguousMemory(second);
}

static VOID NTAPI Burn(PVOID Context)
{
    PULONG times = Context;
    ULONGLONG until = Now() + 1000000;
    while (Now() < until)
        ;
    times[0] = KeQueryRuntimeThread(KeGetCurrentThread(), &times[1]);
}

static VOID Runtime(VOID)
{
    ULONG times[2] = {0, 99};
    JoinThread(StartThread(Burn, times));
    OUTCOME(KeQueryRuntimeThread, "returns the clock ticks that the thread has run in kernel mode", times[0] >= 3 && times[0] <= 20);
    OUTCOME(KeQueryRuntimeThread, "stores the clock ticks in user mode, none for a system thread", times[1] == 0);
}

/* SSE registers and MXCSR belong to each thread: two that use them do not see each other. */
static volatile LONG Wrong;
static VOID NTAPI Multiply(PVOID Context)
{
    KFLOATING_SAVE save;
    unsigned rounding = (unsigned)(LONG_PTR)Context;
    if (KeSaveFloatingPointState(&save) != STATUS_SUCCESS)
        Wrong++;
    _mm_setcsr((_mm_getcsr() & ~0x6000u) | rounding << 13);
    __m128d value = _mm_set_pd(1.0 + rounding, 3.0);
    for (int i = 0; i < 60; i++)
    {
        register __m128d kept __asm__("xmm8") = value;
        __asm__ volatile("" : "+x"(kept));
        SleepMs(1);
        __asm__ volatile("" : "+x"(kept));
        if (_mm_comineq_sd(kept, value) || (_mm_getcsr() >> 13 & 3) != rounding)
            Wrong++;
    }
    if (KeRestoreFloatingPointState(&save) != STATUS_SUCCESS || (_mm_getcsr() >> 13 & 3) != 0)
        Wrong++;
}

static VOID FloatingPoint(VOID)
{
    PKTHREAD threads[3];
    KFLOATING_SAVE save;
    for (LONG_PTR i = 0; i < 3; i++)
        threads[i] = StartThread(Multiply, (PVOID)(i + 1));
    for (int i = 0; i < 3; i++)
        JoinThread(threads[i]);
    OUTCOME(KeSaveFloatingPointState, "STATUS_SUCCESS, and the thread keeps its floating point state over waits", Wrong == 0 && KeSaveFloatingPointState(&save) == STATUS_SUCCESS);
    _mm_setcsr(_mm_getcsr() | 0x6000);
    OUTCOME(KeRestoreFloatingPointState, "STATUS_SUCCESS, and the state is what it was", KeRestoreFloatingPointState(&save) == STATUS_SUCCESS && (_mm_getcsr() & 0x6000) == 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("threads");
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(KeSetAffinityThread, "bug check 3 for a set without an active processor", 3);
        KeSetAffinityThread(KeGetCurrentThread(), (KAFFINITY)1 << 40);
    }
    Priorities();
    Quantum();
    Affinity();
    Identity();
    FlushTb();
    Runtime();
    FloatingPoint();
    KtestDone();
    return STATUS_SUCCESS;
}
