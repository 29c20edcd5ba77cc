// ktest: cases=3
/* Calls on all processors, on a larger stack, with extended registers; interlocked routines with a lock; lists and locks by their export names. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kimports.h"

NTSTATUS NTAPI KeExpandKernelStackAndCalloutEx(PEXPAND_STACK_CALLOUT Callout, PVOID Parameter, SIZE_T Size, BOOLEAN Wait, PVOID Context);
LONG NTAPI KeReadStateMutant(PKMUTANT Mutant);
VOID NTAPI NtfLowerIrql(KIRQL Irql) __asm__("KfLowerIrql");
VOID NTAPI KeAcquireInStackQueuedSpinLockRaiseToSynch(PKSPIN_LOCK Lock, PKLOCK_QUEUE_HANDLE Handle);
BOOLEAN NTAPI KeInvalidateAllCaches(VOID);
VOID NTAPI NtInitializeSList(PSLIST_HEADER Head) __asm__("InitializeSListHead");
PSLIST_ENTRY NTAPI NtFlushSList(PSLIST_HEADER Head) __asm__("ExpInterlockedFlushSList");
PSLIST_ENTRY NTAPI NtPushSList(PSLIST_HEADER Head, PSLIST_ENTRY Entry) __asm__("ExpInterlockedPushEntrySList");
PSLIST_ENTRY NTAPI NtPopSList(PSLIST_HEADER Head) __asm__("ExpInterlockedPopEntrySList");
LONG NTAPI NtIncrementLong(PLONG Addend, PKSPIN_LOCK Lock) __asm__("ExInterlockedIncrementLong");
LONG NTAPI NtDecrementLong(PLONG Addend, PKSPIN_LOCK Lock) __asm__("ExInterlockedDecrementLong");
ULONG NTAPI NtExchangeUlong(PULONG Target, ULONG Value, PKSPIN_LOCK Lock) __asm__("ExInterlockedExchangeUlong");

static volatile LONG Calls, WrongIrql;
static volatile ULONG64 Mask;
static ULONG_PTR NTAPI Everywhere(ULONG_PTR Argument)
{
    InterlockedIncrement(&Calls);
    InterlockedOr64((volatile LONG64 *)&Mask, 1LL << KeGetCurrentProcessorNumber());
    if (NtGetCurrentIrql() != IPI_LEVEL)
        InterlockedIncrement(&WrongIrql);
    return Argument + KeGetCurrentProcessorNumber();
}

static VOID Processors(VOID)
{
    KAFFINITY active = 0;
    ULONG count = KeQueryActiveProcessorCount(&active);
    KIRQL old;
    OUTCOME(KeQueryActiveProcessorCount, "the number of active processors, and their set", count == KtestProcessors && active == (1ULL << KtestProcessors) - 1);
    OUTCOME(KeQueryActiveProcessorCount, "the set is optional", KeQueryActiveProcessorCount(NULL) == count);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    ULONG_PTR result = KeIpiGenericCall(Everywhere, 100);
    OUTCOME(KeIpiGenericCall, "calls the routine on every processor", Calls == (LONG)count && Mask == active);
    OUTCOME(KeIpiGenericCall, "at IPI_LEVEL", WrongIrql == 0 && NtGetCurrentIrql() == DISPATCH_LEVEL);
    OUTCOME(KeIpiGenericCall, "returns what the routine returned on this processor", result == 100 + KeGetCurrentProcessorNumber());
    KeLowerIrql(old);
    OUTCOME(KeQueryHighestNodeNumber, "0 on a machine with one node", KeQueryHighestNodeNumber() == 0);
    OUTCOME(KeGetCurrentNodeNumber, "the node of the processor", KeGetCurrentNodeNumber() == 0);
    OUTCOME(KeGetRecommendedSharedDataAlignment, "a size of cache lines", KeGetRecommendedSharedDataAlignment() == 64);
    volatile ULONG data = 5;
    KeInvalidateAllCaches();
    OUTCOME(KeInvalidateAllCaches, "what was written is in memory", data == 5);
}

static ULONG_PTR Outside, Inside;
static SIZE_T Left;
static KIRQL CalledAt;
static VOID NTAPI OnLargerStack(PVOID Parameter)
{
    volatile UCHAR room[0x1000];
    room[0] = 1;
    Inside = (ULONG_PTR)&room;
    Left = IoGetRemainingStackSize();
    CalledAt = NtGetCurrentIrql();
    *(PULONG)Parameter += room[0];
}

static volatile UCHAR Sink;
static VOID NTAPI UsesMuch(PVOID Parameter)
{
    volatile UCHAR room[0x10000];
    for (ULONG i = 0; i < sizeof room; i += 0x400)
        room[i] = (UCHAR)i;
    Sink = room[0x8000];
    ULONG_PTR low, high;
    IoGetStackLimits(&low, &high);
    *(PULONG)Parameter = low <= (ULONG_PTR)room && (ULONG_PTR)room + sizeof room <= high;
}

static VOID Stacks(VOID)
{
    ULONG called = 0, within = 0, local;
    KIRQL old;
    ULONG_PTR low, high, lowAfter, highAfter;
    IoGetStackLimits(&low, &high);
    Outside = (ULONG_PTR)&local;
    NTSTATUS status = KeExpandKernelStackAndCallout(OnLargerStack, &called, 0x8000);
    OUTCOME(KeExpandKernelStackAndCallout, "calls the routine with so much stack", status == STATUS_SUCCESS && called == 1 && Left + 0x1000 >= 0x8000);
    status = KeExpandKernelStackAndCallout(UsesMuch, &within, 0x11000);
    OUTCOME(KeExpandKernelStackAndCallout, "a large stack, whose limits are those of the thread for that time", status == STATUS_SUCCESS && within == 1);
    IoGetStackLimits(&lowAfter, &highAfter);
    OUTCOME(KeExpandKernelStackAndCallout, "afterwards the thread has its stack again", low == lowAfter && high == highAfter);
    OUTCOME(KeExpandKernelStackAndCallout, "an error for more than MAXIMUM_EXPANSION_SIZE, the routine is not called", KeExpandKernelStackAndCallout(OnLargerStack, &called, 0x20000) == STATUS_INVALID_PARAMETER_3 && called == 1);
    called = 0;
    status = KeExpandKernelStackAndCalloutEx(OnLargerStack, &called, 0x8000, TRUE, NULL);
    OUTCOME(KeExpandKernelStackAndCalloutEx, "STATUS_SUCCESS, the routine is called with so much stack", status == STATUS_SUCCESS && called == 1 && Left + 0x1000 >= 0x8000);
    OUTCOME(KeExpandKernelStackAndCalloutEx, "STATUS_INVALID_PARAMETER_3 for more than MAXIMUM_EXPANSION_SIZE", KeExpandKernelStackAndCalloutEx(OnLargerStack, &called, 0x20000, TRUE, NULL) == STATUS_INVALID_PARAMETER_3 && called == 1);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    OUTCOME(KeExpandKernelStackAndCalloutEx, "STATUS_INVALID_PARAMETER_4 when it may wait at DISPATCH_LEVEL", KeExpandKernelStackAndCalloutEx(OnLargerStack, &called, 0x8000, TRUE, NULL) == STATUS_INVALID_PARAMETER_4 && called == 1);
    status = KeExpandKernelStackAndCalloutEx(OnLargerStack, &called, 0x6000, FALSE, NULL);
    OUTCOME(KeExpandKernelStackAndCalloutEx, "at DISPATCH_LEVEL without a wait", status == STATUS_SUCCESS && called == 2 && CalledAt == DISPATCH_LEVEL);
    KeLowerIrql(old);
}

/* The upper half of YMM7; no vector types of the compiler's, which would clear upper halves. */
static VOID SetYmm(double Value)
{
    __asm__ volatile("vbroadcastsd %0, %%ymm7" ::"m"(Value) : "xmm7");
}
static double HighYmm(VOID)
{
    double out[4];
    __asm__ volatile("vmovupd %%ymm7, %0" : "=m"(out));
    return out[3];
}

static VOID Extended(VOID)
{
    XSTATE_SAVE outer, inner;
    NTSTATUS status = KeSaveExtendedProcessorState(7, &outer);
    OUTCOME(KeSaveExtendedProcessorState, "STATUS_SUCCESS, the registers may be used", status == STATUS_SUCCESS);
    SetYmm(1.5);
    LARGE_INTEGER soon = {.QuadPart = -50000};
    KeDelayExecutionThread(KernelMode, FALSE, &soon);
    OUTCOME(KeSaveExtendedProcessorState, "they stay the thread's while it waits", HighYmm() == 1.5);
    status = KeSaveExtendedProcessorState(4, &inner);
    SetYmm(2.5);
    KeRestoreExtendedProcessorState(&inner);
    OUTCOME(KeRestoreExtendedProcessorState, "the registers are as they were when they were saved, level by level", status == STATUS_SUCCESS && HighYmm() == 1.5);
    KeRestoreExtendedProcessorState(&outer);
    OUTCOME(KeSaveExtendedProcessorState, "a mask of nothing saves nothing", KeSaveExtendedProcessorState(0, &outer) == STATUS_SUCCESS);
    KeRestoreExtendedProcessorState(&outer);
}

static VOID Words(VOID)
{
    KSPIN_LOCK lock;
    KLOCK_QUEUE_HANDLE queue;
    LONG n = -1;
    ULONG u = 5;
    SLIST_HEADER head __attribute__((aligned(16)));
    SLIST_ENTRY first __attribute__((aligned(16))), second __attribute__((aligned(16)));
    KeInitializeSpinLock(&lock);
    OUTCOME(ExInterlockedIncrementLong, "adds one and says how the result compares with zero", NtIncrementLong(&n, &lock) == ResultZero && n == 0 && NtIncrementLong(&n, &lock) == ResultPositive && n == 1);
    OUTCOME(ExInterlockedDecrementLong, "subtracts one and says how the result compares with zero", NtDecrementLong(&n, &lock) == ResultZero && n == 0 && NtDecrementLong(&n, &lock) == ResultNegative && n == -1);
    OUTCOME(ExInterlockedExchangeUlong, "stores the value and returns what was there", NtExchangeUlong(&u, 9, &lock) == 5 && u == 9);
    RtlFillMemory(&head, sizeof head, 0x77);
    NtInitializeSList(&head);
    OUTCOME(InitializeSListHead, "an empty list", NtPopSList(&head) == NULL && ExQueryDepthSList(&head) == 0);
    CHECK(NtPushSList(&head, &first) == NULL);
    CHECK(NtPushSList(&head, &second) == &first);
    OUTCOME(ExpInterlockedFlushSList, "all entries, the last one first, and an empty list", NtFlushSList(&head) == &second && second.Next == &first && first.Next == NULL && ExQueryDepthSList(&head) == 0);
    OUTCOME(ExpInterlockedFlushSList, "NULL for an empty list", NtFlushSList(&head) == NULL);

    KMUTANT mutant;
    KeInitializeMutex((PKMUTEX)&mutant, 0);
    BOOLEAN before = KeReadStateMutant(&mutant) == 1;
    KeWaitForSingleObject(&mutant, Executive, KernelMode, FALSE, NULL);
    KeWaitForSingleObject(&mutant, Executive, KernelMode, FALSE, NULL);
    OUTCOME(KeReadStateMutant, "1 when nobody owns it, else less by each acquisition", before && KeReadStateMutant(&mutant) == -1);
    KeReleaseMutex((PKMUTEX)&mutant, FALSE);
    KeReleaseMutex((PKMUTEX)&mutant, FALSE);

    KIRQL old = NtfRaiseIrql(5);
    BOOLEAN raised = NtGetCurrentIrql() == 5;
    NtfLowerIrql(old);
    OUTCOME(KfLowerIrql, "the IRQL is what it was", raised && NtGetCurrentIrql() == PASSIVE_LEVEL);
    KeAcquireInStackQueuedSpinLockRaiseToSynch(&lock, &queue);
    OUTCOME(KeAcquireInStackQueuedSpinLockRaiseToSynch, "takes the lock at the synchronization level", NtGetCurrentIrql() >= DISPATCH_LEVEL && lock != 0);
    KeReleaseInStackQueuedSpinLock(&queue);
    OUTCOME(KeAcquireInStackQueuedSpinLockRaiseToSynch, "the release takes the IRQL back", NtGetCurrentIrql() == PASSIVE_LEVEL && lock == 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("kecalls");
    /* A larger stack is had at APC_LEVEL at most, by the newer routine at DISPATCH_LEVEL at most. */
    if (KtestCase != 0)
    {
        KIRQL irql;
        ULONG called = 0;
        KeRaiseIrql(DISPATCH_LEVEL + (KtestCase - 1), &irql);
        if (KtestCase == 1)
        {
            OUTCOME_BUGCHECK(KeExpandKernelStackAndCallout, "bug check 0xC4 above APC_LEVEL", 0xC4);
            KeExpandKernelStackAndCallout(OnLargerStack, &called, 0x8000);
        }
        OUTCOME_BUGCHECK(KeExpandKernelStackAndCalloutEx, "bug check 0xC4 above DISPATCH_LEVEL", 0xC4);
        KeExpandKernelStackAndCalloutEx(OnLargerStack, &called, 0x8000, FALSE, NULL);
    }
    Processors();
    Stacks();
    Extended();
    Words();
    KtestDone();
    return STATUS_SUCCESS;
}
