/* Routines of the core kernel library and of the executive library: small things that HALs and old drivers call. */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI BOOLEAN NTAPI KeGetBugMessageText(ULONG MessageId, PANSI_STRING ReturnedString);
NTKERNELAPI VOID NTAPI KeSetTimeUpdateNotifyRoutine(PVOID NotifyRoutine);
NTKERNELAPI VOID NTAPI KeFlushWriteBuffer(VOID);
NTKERNELAPI KIRQL NTAPI KeAcquireSpinLockRaiseToSynch(PKSPIN_LOCK SpinLock);
NTKERNELAPI LONG FASTCALL ExfInterlockedDecrementLong(PLONG Addend, PKSPIN_LOCK Lock);
NTKERNELAPI LONG FASTCALL ExfInterlockedIncrementLong(PLONG Addend, PKSPIN_LOCK Lock);
NTKERNELAPI ULONG FASTCALL ExfInterlockedExchangeUlong(PULONG Target, ULONG Value, PKSPIN_LOCK Lock);
NTKERNELAPI PSINGLE_LIST_ENTRY FASTCALL ExfInterlockedPopEntryList(PSINGLE_LIST_ENTRY ListHead, PKSPIN_LOCK Lock);
NTKERNELAPI PSINGLE_LIST_ENTRY FASTCALL ExfInterlockedPushEntryList(PSINGLE_LIST_ENTRY ListHead, PSINGLE_LIST_ENTRY ListEntry, PKSPIN_LOCK Lock);

/* INTERLOCKED_RESULT. */
#define ZERO 0
#define NEGATIVE 1
#define POSITIVE 2

static volatile LONG Notifications;
static volatile LONG WrongMode;
static VOID NTAPI OnClock(HANDLE ThreadId, KPROCESSOR_MODE Mode)
{
    UNREFERENCED_PARAMETER(ThreadId);
    if (Mode != KernelMode && Mode != UserMode)
        InterlockedIncrement(&WrongMode);
    InterlockedIncrement(&Notifications);
}

static VOID Levels(VOID)
{
    KSPIN_LOCK lock;
    KIRQL old;
    KeInitializeSpinLock(&lock);
    /* Headers make an inline function of it; drivers of x64 import the export. */
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, L"KeRaiseIrqlToSynchLevel");
    old = ((KIRQL(NTAPI *)(VOID))MmGetSystemRoutineAddress(&name))();
    OUTCOME(KeRaiseIrqlToSynchLevel, "raises to the synchronization level and gives the old one", old == PASSIVE_LEVEL && KeGetCurrentIrql() == 12);
    KeLowerIrql(old);
    old = KeAcquireSpinLockRaiseToSynch(&lock);
    OUTCOME(KeAcquireSpinLockRaiseToSynch, "raises to the synchronization level and gives the old one", old == PASSIVE_LEVEL && KeGetCurrentIrql() == 12);
    OUTCOME(KeAcquireSpinLockRaiseToSynch, "holds the lock", lock != 0);
    KeReleaseSpinLock(&lock, old);
    ExAcquireSpinLock(&lock, &old);
    OUTCOME(ExAcquireSpinLock, "raises to DISPATCH_LEVEL and gives the old level", old == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL && lock != 0);
    ExReleaseSpinLock(&lock, old);
    OUTCOME(ExReleaseSpinLock, "gives the lock back and lowers to the old level", KeGetCurrentIrql() == PASSIVE_LEVEL && lock == 0);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    ExAcquireSpinLockAtDpcLevel(&lock);
    OUTCOME(ExAcquireSpinLockAtDpcLevel, "holds the lock, the level stays", lock != 0 && KeGetCurrentIrql() == DISPATCH_LEVEL);
    ExReleaseSpinLockFromDpcLevel(&lock);
    OUTCOME(ExReleaseSpinLockFromDpcLevel, "gives the lock back, the level stays", lock == 0 && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeLowerIrql(old);
}

static VOID Counting(VOID)
{
    LONG n = 1;
    ULONG u = 7;
    KSPIN_LOCK lock;
    SINGLE_LIST_ENTRY head = {NULL}, a, b;
    KeInitializeSpinLock(&lock);
    OUTCOME(ExfInterlockedIncrementLong, "above zero: the result is positive", ExfInterlockedIncrementLong(&n, &lock) == POSITIVE && n == 2);
    n = -1;
    OUTCOME(ExfInterlockedIncrementLong, "zero: the result is zero", ExfInterlockedIncrementLong(&n, &lock) == ZERO && n == 0);
    n = -5;
    OUTCOME(ExfInterlockedIncrementLong, "below zero: the result is negative", ExfInterlockedIncrementLong(&n, &lock) == NEGATIVE && n == -4);
    OUTCOME(ExfInterlockedDecrementLong, "below zero: the result is negative", ExfInterlockedDecrementLong(&n, &lock) == NEGATIVE && n == -5);
    n = 1;
    OUTCOME(ExfInterlockedDecrementLong, "zero: the result is zero", ExfInterlockedDecrementLong(&n, &lock) == ZERO && n == 0);
    n = 9;
    OUTCOME(ExfInterlockedDecrementLong, "above zero: the result is positive", ExfInterlockedDecrementLong(&n, &lock) == POSITIVE && n == 8);
    OUTCOME(ExfInterlockedExchangeUlong, "stores the value and gives the old one", ExfInterlockedExchangeUlong(&u, 11, &lock) == 7 && u == 11);
    OUTCOME(ExfInterlockedPushEntryList, "NULL from an empty list", ExfInterlockedPushEntryList(&head, &a, &lock) == NULL && head.Next == &a);
    OUTCOME(ExfInterlockedPushEntryList, "the entry that was first", ExfInterlockedPushEntryList(&head, &b, &lock) == &a && head.Next == &b);
    OUTCOME(ExfInterlockedPopEntryList, "the first entry", ExfInterlockedPopEntryList(&head, &lock) == &b && head.Next == &a);
    ExfInterlockedPopEntryList(&head, &lock);
    OUTCOME(ExfInterlockedPopEntryList, "NULL from an empty list", ExfInterlockedPopEntryList(&head, &lock) == NULL);
}

static VOID Telling(VOID)
{
    ANSI_STRING text = {0, 0, NULL};
    LARGE_INTEGER wait;
    OUTCOME(KeGetBugMessageText, "TRUE and where the text lies", KeGetBugMessageText(0x0A, &text) && text.Length > 10 && text.Buffer[0] >= 'A');
    OUTCOME(KeGetBugMessageText, "NULL: the text is printed", KeGetBugMessageText(0x0A, NULL));
    OUTCOME(KeGetBugMessageText, "FALSE for a code without text", !KeGetBugMessageText(0x7fff0001, &text));
    KeSetTimeUpdateNotifyRoutine((PVOID)OnClock);
    wait.QuadPart = -500000;
    KeDelayExecutionThread(KernelMode, FALSE, &wait);
    KeSetTimeUpdateNotifyRoutine(NULL);
    LONG seen = Notifications;
    OUTCOME(KeSetTimeUpdateNotifyRoutine, "clock interrupts call the routine", seen >= 2 && WrongMode == 0);
    KeDelayExecutionThread(KernelMode, FALSE, &wait);
    OUTCOME(KeSetTimeUpdateNotifyRoutine, "NULL takes it back", Notifications == seen);
    KeFlushWriteBuffer();
    OUTCOME(KeFlushWriteBuffer, "returns with what was written before it visible", Notifications == seen);
    OUTCOME(ExVerifySuite, "TRUE for a suite that is there", ExVerifySuite(TerminalServer));
    OUTCOME(ExVerifySuite, "FALSE for one that is not", !ExVerifySuite(SmallBusiness));
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("corelib");
    Levels();
    Counting();
    Telling();
    /* Without a debugger a break goes on (the machine says that it was there). */
    KtestDone();
    return STATUS_SUCCESS;
}
