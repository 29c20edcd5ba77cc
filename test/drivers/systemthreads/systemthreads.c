/*
 * System threads: how they are made, what they are told, how they end; their cycle accounts.
 */
#include <ntifs.h>
#include "../ktest.h"

NTKERNELAPI HANDLE NTAPI PsGetProcessId(PEPROCESS Process);
NTKERNELAPI LONGLONG NTAPI PsGetProcessCreateTimeQuadPart(PEPROCESS Process);
NTKERNELAPI ULONG64 NTAPI PsQueryTotalCycleTimeProcess(PEPROCESS Process, PULONG64 CycleTimeStamp);
NTKERNELAPI ULONG64 NTAPI KeQueryTotalCycleTimeThread(PKTHREAD Thread, PULONG64 CycleTimeStamp);
NTKERNELAPI HANDLE NTAPI PsGetThreadId(PETHREAD Thread);
NTKERNELAPI NTSTATUS NTAPI PsGetThreadExitStatus(PETHREAD Thread);

static struct
{
    PVOID Context;
    KIRQL Irql;
    HANDLE Id, Process;
    PETHREAD Object;
    KEVENT Go;
} T;

static VOID NTAPI Body(PVOID Context)
{
    T.Context = Context;
    T.Irql = KeGetCurrentIrql();
    T.Id = PsGetCurrentThreadId();
    T.Process = PsGetCurrentProcessId();
    T.Object = PsGetCurrentThread();
    KeWaitForSingleObject(&T.Go, Executive, KernelMode, FALSE, NULL);
    PsTerminateSystemThread(STATUS_NO_MORE_ENTRIES);
}
static VOID NTAPI Returns(PVOID Context)
{
    T.Id = PsGetCurrentThreadId();
}

static PETHREAD Referenced(HANDLE thread)
{
    PVOID object = NULL;
    ObReferenceObjectByHandle(thread, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &object, NULL);
    return object;
}
static VOID Await(PETHREAD thread)
{
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
}

static VOID Creating(VOID)
{
    HANDLE thread;
    CLIENT_ID id = {0, 0};
    PETHREAD object, found;
    OBJECT_ATTRIBUTES kernel;
    NTSTATUS status;
    KeInitializeEvent(&T.Go, NotificationEvent, FALSE);
    InitializeObjectAttributes(&kernel, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, &kernel, NULL, &id, Body, &T);
    OUTCOME(PsCreateSystemThread, "STATUS_SUCCESS and a handle", status == STATUS_SUCCESS && (object = Referenced(thread)) != NULL);
    OUTCOME(PsLookupThreadByThreadId, "STATUS_SUCCESS and a referenced thread", PsLookupThreadByThreadId(id.UniqueThread, &found) == STATUS_SUCCESS && found == object);
    ObDereferenceObject(found);
    OUTCOME(PsGetThreadExitStatus, "STATUS_PENDING while the thread runs", PsGetThreadExitStatus(object) == STATUS_PENDING);
    KeSetEvent(&T.Go, 0, FALSE);
    Await(object);
    OUTCOME(PsCreateSystemThread, "the start routine runs at PASSIVE_LEVEL with its context", T.Irql == PASSIVE_LEVEL && T.Context == &T && T.Object == object);
    OUTCOME(PsCreateSystemThread, "ClientId has the ids", id.UniqueThread == T.Id && id.UniqueProcess == T.Process);
    OUTCOME(PsCreateSystemThread, "without a process handle the thread belongs to the system process", T.Process == PsGetProcessId(PsInitialSystemProcess));
    OUTCOME(PsTerminateSystemThread, "the thread ends, and is signaled", KeReadStateEvent((PKEVENT)object) != 0);
    OUTCOME(PsTerminateSystemThread, "the exit status is kept", PsGetThreadExitStatus(object) == STATUS_NO_MORE_ENTRIES);
    OUTCOME(PsLookupThreadByThreadId, "STATUS_INVALID_PARAMETER for a thread that has ended", PsLookupThreadByThreadId(id.UniqueThread, &found) == STATUS_INVALID_PARAMETER);
    OUTCOME(PsLookupThreadByThreadId, "STATUS_INVALID_PARAMETER for an id of no thread", PsLookupThreadByThreadId((HANDLE)4, &found) == STATUS_INVALID_PARAMETER);
    ObDereferenceObject(object);
    ZwClose(thread);

    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NtCurrentProcess(), NULL, Returns, NULL);
    object = NT_SUCCESS(status) ? Referenced(thread) : NULL;
    OUTCOME(PsCreateSystemThread, "a process handle names the process", object && (Await(object), PsGetThreadId(object)) == T.Id);
    OUTCOME(PsCreateSystemThread, "a start routine that returns ends the thread", object && PsGetThreadExitStatus(object) == STATUS_SUCCESS);
    ObDereferenceObject(object);
    ZwClose(thread);
    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, (HANDLE)0x7ffc, NULL, Returns, NULL);
    OUTCOME(PsCreateSystemThread, "STATUS_INVALID_HANDLE for a process handle that is none", status == STATUS_INVALID_HANDLE);
}

static VOID Accounts(VOID)
{
    PEPROCESS system = PsInitialSystemProcess;
    ULONG64 before, after, stamp1 = 0, stamp2 = 0, all1, all2;
    LARGE_INTEGER now;
    ULONG i;
    before = KeQueryTotalCycleTimeThread(KeGetCurrentThread(), &stamp1);
    all1 = PsQueryTotalCycleTimeProcess(system, &stamp1);
    for (i = 0; i < 20; i++)
        KeStallExecutionProcessor(50);
    after = KeQueryTotalCycleTimeThread(KeGetCurrentThread(), NULL);
    all2 = PsQueryTotalCycleTimeProcess(system, &stamp2);
    OUTCOME(KeQueryTotalCycleTimeThread, "the cycles that a thread has run", after > before && after - before >= 1000);
    OUTCOME(PsQueryTotalCycleTimeProcess, "the cycles that the threads of a process have run", all2 > all1 && all2 >= after);
    OUTCOME(PsQueryTotalCycleTimeProcess, "the time stamp of the moment", stamp2 > stamp1);
    now.QuadPart = -300000; /* the clock has to tick */
    KeDelayExecutionThread(KernelMode, FALSE, &now);
    KeQuerySystemTime(&now);
    OUTCOME(PsGetProcessCreateTimeQuadPart, "when the process was created", PsGetProcessCreateTimeQuadPart(system) > 0 && PsGetProcessCreateTimeQuadPart(system) < now.QuadPart);
    OUTCOME(PsGetProcessId, "the id of a process", PsGetProcessId(system) == (HANDLE)4);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("systemthreads");
    DriverObject->DriverUnload = Unload;
    Creating();
    Accounts();
    KtestDone();
    return STATUS_SUCCESS;
}
