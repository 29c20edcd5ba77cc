/* IRQLs: raising and lowering, what they hold back. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"
#include "../kimports.h"

static KDPC Dpc;
static volatile LONG Ran;
static VOID NTAPI OnDpc(PKDPC D, PVOID C, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(D);
    UNREFERENCED_PARAMETER(C);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    Ran++;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

static VOID Levels(VOID)
{
    KIRQL old, again;
    OUTCOME(KeGetCurrentIrql, "returns PASSIVE_LEVEL in a thread", NtGetCurrentIrql() == PASSIVE_LEVEL && KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeRaiseIrql(APC_LEVEL, &old);
    OUTCOME(KeRaiseIrql, "stores the IRQL of before", old == PASSIVE_LEVEL);
    OUTCOME(KeRaiseIrql, "sets the new IRQL", KeGetCurrentIrql() == APC_LEVEL && NtGetCurrentIrql() == APC_LEVEL);
    KeRaiseIrql(APC_LEVEL, &again);
    OUTCOME(KeRaiseIrql, "may name the IRQL that is current", again == APC_LEVEL && KeGetCurrentIrql() == APC_LEVEL);
    KeRaiseIrql(HIGH_LEVEL, &again);
    KIRQL high = NtGetCurrentIrql();
    NtLowerIrql(again);
    OUTCOME(KeGetCurrentIrql, "returns the level of code that has raised it", high == HIGH_LEVEL);
    OUTCOME(KeLowerIrql, "restores the IRQL of before it was raised", KeGetCurrentIrql() == APC_LEVEL);
    NtLowerIrql(old);
    OUTCOME(KeLowerIrql, "down to PASSIVE_LEVEL", KeGetCurrentIrql() == PASSIVE_LEVEL);
    old = NtRaiseIrqlToDpcLevel();
    OUTCOME(KeRaiseIrqlToDpcLevel, "returns the IRQL of before and raises to DISPATCH_LEVEL", old == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
    again = NtRaiseIrqlToDpcLevel();
    OUTCOME(KeRaiseIrqlToDpcLevel, "at DISPATCH_LEVEL it stays there", again == DISPATCH_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
    NtLowerIrql(old);
    OUTCOME(KfRaiseIrql, "returns the IRQL of before", NtfRaiseIrql(5) == PASSIVE_LEVEL && KeGetCurrentIrql() == 5);
    NtLowerIrql(PASSIVE_LEVEL);
}

static VOID Holding(VOID)
{
    KIRQL old;
    KeInitializeDpc(&Dpc, OnDpc, NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    BOOLEAN held = Ran == 0;
    KeLowerIrql(APC_LEVEL);
    OUTCOME(KeLowerIrql, "below DISPATCH_LEVEL the DPCs run that the IRQL held back", held && Ran == 1 && KeGetCurrentIrql() == APC_LEVEL);
    KeLowerIrql(old);

    /* At HIGH_LEVEL not even the clock interrupts this processor. */
    KeSetSystemAffinityThread(1);
    KeRaiseIrql(HIGH_LEVEL, &old);
    ULONGLONG start = Now();
    KeStallExecutionProcessor(40000);
    ULONGLONG end = Now();
    KeLowerIrql(old);
    OUTCOME(KeRaiseIrql, "at HIGH_LEVEL the clock of the processor that keeps the time is held back too", end == start);
    SleepMs(1);
    OUTCOME(KeLowerIrql, "the clock interrupt comes when the IRQL allows it", Now() > start);
    KeRevertToUserAffinityThread();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("irql");
    Levels();
    Holding();
    KtestDone();
    return STATUS_SUCCESS;
}
