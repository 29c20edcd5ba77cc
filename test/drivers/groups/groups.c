/* Processors by number and by group: this machine has one group. */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI ULONG NTAPI KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER ProcNumber);
NTKERNELAPI ULONG NTAPI KeGetProcessorIndexFromNumber(PPROCESSOR_NUMBER ProcNumber);
NTKERNELAPI NTSTATUS NTAPI KeGetProcessorNumberFromIndex(ULONG ProcIndex, PPROCESSOR_NUMBER ProcNumber);
NTKERNELAPI USHORT NTAPI KeQueryActiveGroupCount(VOID);
NTKERNELAPI USHORT NTAPI KeQueryMaximumGroupCount(VOID);
NTKERNELAPI ULONG NTAPI KeQueryActiveProcessorCountEx(USHORT GroupNumber);
NTKERNELAPI ULONG NTAPI KeQueryMaximumProcessorCount(VOID);
NTKERNELAPI ULONG NTAPI KeQueryMaximumProcessorCountEx(USHORT GroupNumber);
NTKERNELAPI KAFFINITY NTAPI KeQueryGroupAffinity(USHORT GroupNumber);
NTKERNELAPI KAFFINITY NTAPI KeSetSystemAffinityThreadEx(KAFFINITY Affinity);
NTKERNELAPI VOID NTAPI KeRevertToUserAffinityThreadEx(KAFFINITY Affinity);
NTKERNELAPI VOID NTAPI KeSetSystemGroupAffinityThread(PGROUP_AFFINITY Affinity, PGROUP_AFFINITY PreviousAffinity);
NTKERNELAPI VOID NTAPI KeRevertToUserGroupAffinityThread(PGROUP_AFFINITY PreviousAffinity);
NTKERNELAPI NTSTATUS NTAPI KeSetTargetProcessorDpcEx(PKDPC Dpc, PPROCESSOR_NUMBER ProcNumber);
#ifndef ALL_PROCESSOR_GROUPS
#define ALL_PROCESSOR_GROUPS 0xffff
#endif
#ifndef INVALID_PROCESSOR_INDEX
#define INVALID_PROCESSOR_INDEX 0xffffffff
#endif

static VOID Counting(VOID)
{
    PROCESSOR_NUMBER number = {0, 0, 0};
    ULONG last = KtestProcessors - 1, index = KeGetCurrentProcessorNumberEx(&number);
    OUTCOME(KeGetCurrentProcessorNumberEx, "the index, and group and number", index < KtestProcessors && number.Group == 0 && number.Number == index);
    OUTCOME(KeGetCurrentProcessorNumberEx, "NULL: the index alone", KeGetCurrentProcessorNumberEx(NULL) < KtestProcessors);
    number.Number = (UCHAR)last;
    OUTCOME(KeGetProcessorIndexFromNumber, "the index", KeGetProcessorIndexFromNumber(&number) == last);
    number.Number = 63;
    OUTCOME(KeGetProcessorIndexFromNumber, "INVALID_PROCESSOR_INDEX for a processor that is not", KeGetProcessorIndexFromNumber(&number) == INVALID_PROCESSOR_INDEX);
    number.Group = 3;
    number.Number = 0;
    OUTCOME(KeGetProcessorIndexFromNumber, "INVALID_PROCESSOR_INDEX for a group that is not", KeGetProcessorIndexFromNumber(&number) == INVALID_PROCESSOR_INDEX);
    OUTCOME(KeGetProcessorNumberFromIndex, "STATUS_SUCCESS, group and number", KeGetProcessorNumberFromIndex(last, &number) == STATUS_SUCCESS && number.Group == 0 && number.Number == last);
    OUTCOME(KeGetProcessorNumberFromIndex, "STATUS_INVALID_PARAMETER for a processor that is not", KeGetProcessorNumberFromIndex(64, &number) == STATUS_INVALID_PARAMETER);
    OUTCOME(KeQueryActiveGroupCount, "one group", KeQueryActiveGroupCount() == 1);
    OUTCOME(KeQueryMaximumGroupCount, "at least the active groups", KeQueryMaximumGroupCount() >= KeQueryActiveGroupCount());
    OUTCOME(KeQueryActiveProcessorCountEx, "the processors of the group", KeQueryActiveProcessorCountEx(0) == KtestProcessors);
    OUTCOME(KeQueryActiveProcessorCountEx, "ALL_PROCESSOR_GROUPS: of the system", KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS) == KtestProcessors);
    OUTCOME(KeQueryActiveProcessorCountEx, "zero for a group that is not", KeQueryActiveProcessorCountEx(5) == 0);
    OUTCOME(KeQueryMaximumProcessorCount, "at least the active processors", KeQueryMaximumProcessorCount() >= KtestProcessors);
    OUTCOME(KeQueryMaximumProcessorCountEx, "at least the active processors of the group", KeQueryMaximumProcessorCountEx(0) >= KtestProcessors);
    OUTCOME(KeQueryMaximumProcessorCountEx, "ALL_PROCESSOR_GROUPS: of the system", KeQueryMaximumProcessorCountEx(ALL_PROCESSOR_GROUPS) == KeQueryMaximumProcessorCountEx(0));
    OUTCOME(KeQueryGroupAffinity, "a bit for each processor", KeQueryGroupAffinity(0) == ((KAFFINITY)1 << KtestProcessors) - 1);
    OUTCOME(KeQueryGroupAffinity, "zero for a group that is not", KeQueryGroupAffinity(9) == 0);
}

static VOID Moving(VOID)
{
    ULONG last = KtestProcessors - 1;
    KAFFINITY before = KeSetSystemAffinityThreadEx((KAFFINITY)1 << last), inner;
    OUTCOME(KeSetSystemAffinityThreadEx, "zero when there was no system affinity", before == 0);
    OUTCOME(KeSetSystemAffinityThreadEx, "the thread runs there", KeGetCurrentProcessorNumberEx(NULL) == last);
    inner = KeSetSystemAffinityThreadEx(1);
    OUTCOME(KeSetSystemAffinityThreadEx, "the system affinity that was", inner == (KAFFINITY)1 << last && KeGetCurrentProcessorNumberEx(NULL) == 0);
    KeRevertToUserAffinityThreadEx(inner);
    OUTCOME(KeRevertToUserAffinityThreadEx, "back to an earlier system affinity", KeGetCurrentProcessorNumberEx(NULL) == last);
    KeSetSystemAffinityThreadEx((KAFFINITY)1 << 40);
    OUTCOME(KeSetSystemAffinityThreadEx, "no effect without an active processor", KeGetCurrentProcessorNumberEx(NULL) == last);
    KeRevertToUserAffinityThreadEx(before);
    OUTCOME(KeRevertToUserAffinityThreadEx, "zero: back to the thread's own", KeSetSystemAffinityThreadEx(1) == 0);
    KeRevertToUserAffinityThreadEx(0);

    GROUP_AFFINITY one = {(KAFFINITY)1 << last, 0, {0}}, previous = {1, 7, {0}}, first = {1, 0, {0}}, again, none = {0, 0, {0}};
    KeSetSystemGroupAffinityThread(&one, &previous);
    OUTCOME(KeSetSystemGroupAffinityThread, "the thread runs there", KeGetCurrentProcessorNumberEx(NULL) == last);
    OUTCOME(KeSetSystemGroupAffinityThread, "zero when there was no system affinity", previous.Mask == 0 && previous.Group == 0);
    KeSetSystemGroupAffinityThread(&first, &again);
    OUTCOME(KeSetSystemGroupAffinityThread, "the system affinity that was", again.Mask == one.Mask && again.Group == 0);
    KeRevertToUserGroupAffinityThread(&again);
    OUTCOME(KeRevertToUserGroupAffinityThread, "back to an earlier system affinity", KeGetCurrentProcessorNumberEx(NULL) == last);
    one.Group = 4;
    KeSetSystemGroupAffinityThread(&one, &again);
    OUTCOME(KeSetSystemGroupAffinityThread, "no effect for a group that is not", again.Mask == 0 && KeGetCurrentProcessorNumberEx(NULL) == last);
    KeRevertToUserGroupAffinityThread(&none);
    OUTCOME(KeRevertToUserGroupAffinityThread, "zero: back to the thread's own", KeSetSystemAffinityThreadEx(1) == 0);
    KeRevertToUserAffinityThreadEx(0);
}

static volatile LONG RanOn = -1;
static KEVENT Ran;
static VOID NTAPI Routine(PKDPC Dpc, PVOID Context, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    RanOn = KeGetCurrentProcessorNumberEx(NULL);
    KeSetEvent(&Ran, 0, FALSE);
}
static VOID Targets(VOID)
{
    static KDPC dpc;
    PROCESSOR_NUMBER number = {0, (UCHAR)(KtestProcessors - 1), 0};
    KeInitializeEvent(&Ran, SynchronizationEvent, FALSE);
    KeInitializeDpc(&dpc, Routine, NULL);
    NTSTATUS status = KeSetTargetProcessorDpcEx(&dpc, &number);
    KeSetImportanceDpc(&dpc, HighImportance);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    KeWaitForSingleObject(&Ran, Executive, KernelMode, FALSE, NULL);
    OUTCOME(KeSetTargetProcessorDpcEx, "STATUS_SUCCESS, the DPC runs there", status == STATUS_SUCCESS && RanOn == (LONG)KtestProcessors - 1);
    number.Number = 50;
    OUTCOME(KeSetTargetProcessorDpcEx, "STATUS_INVALID_PARAMETER for a processor that is not", KeSetTargetProcessorDpcEx(&dpc, &number) == STATUS_INVALID_PARAMETER);
}

/* What procgrp.lib puts into a driver: it asks for the routines by name and goes without those that an older system lacks. */
static ULONG(NTAPI *CountEx)(USHORT);
static VOID WdmlibProcgrpInitialize(VOID)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, L"KeQueryActiveProcessorCountEx");
    CountEx = (ULONG(NTAPI *)(USHORT))MmGetSystemRoutineAddress(&name);
}
static VOID Library(VOID)
{
    WdmlibProcgrpInitialize();
    OUTCOME(WdmlibProcgrpInitialize, "finds the group routines of the system", CountEx != NULL && CountEx(0) == KtestProcessors);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("groups");
    Counting();
    Moving();
    Targets();
    Library();
    KtestDone();
    return STATUS_SUCCESS;
}
