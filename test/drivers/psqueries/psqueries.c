/* What can be asked of processes and threads: whose they are, when they began and ended, what they are not (32-bit, debugged, protected, of a job). */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

PEPROCESS NTAPI PsGetCurrentThreadProcess(VOID);
HANDLE NTAPI PsGetCurrentThreadProcessId(VOID);
ULONG NTAPI PsGetCurrentProcessSessionId(VOID);
KPROCESSOR_MODE NTAPI PsGetCurrentThreadPreviousMode(VOID);
PVOID NTAPI PsGetCurrentThreadStackBase(VOID);
PVOID NTAPI PsGetCurrentThreadStackLimit(VOID);
PVOID NTAPI PsGetCurrentThreadTeb(VOID);
PVOID NTAPI PsGetCurrentProcessWow64Process(VOID);
ULONG NTAPI PsGetProcessSessionIdEx(PEPROCESS Process);
HANDLE NTAPI PsGetProcessInheritedFromUniqueProcessId(PEPROCESS Process);
PVOID NTAPI PsGetProcessDebugPort(PEPROCESS Process);
PVOID NTAPI PsGetProcessWin32Process(PEPROCESS Process);
PVOID NTAPI PsGetProcessJob(PEPROCESS Process);
UCHAR NTAPI PsGetProcessPriorityClass(PEPROCESS Process);
BOOLEAN NTAPI PsIsProcessBeingDebugged(PEPROCESS Process);
BOOLEAN NTAPI PsIsSystemProcess(PEPROCESS Process);
BOOLEAN NTAPI PsIsProtectedProcess(PEPROCESS Process);
BOOLEAN NTAPI PsIsProtectedProcessLight(PEPROCESS Process);
PVOID NTAPI PsGetThreadWin32Thread(PETHREAD Thread);
ULONG NTAPI PsGetThreadSessionId(PETHREAD Thread);
LONGLONG NTAPI PsGetThreadCreateTime(PETHREAD Thread);
BOOLEAN NTAPI PsIsThreadImpersonating(PETHREAD Thread);
NTSTATUS NTAPI PsCreateSystemProcess(PHANDLE Process, ULONG Access, POBJECT_ATTRIBUTES Attributes);
PUCHAR NTAPI PsGetProcessImageFileName(PEPROCESS Process);
LONGLONG NTAPI PsGetProcessExitTimeQuad(VOID) __asm__("PsGetProcessExitTime");

/* A process that runs a program. */
static PEPROCESS Program(VOID)
{
    PEPROCESS process;
    for (ULONG_PTR id = 8; id < 4096; id += 4)
    {
        if (!NT_SUCCESS(PsLookupProcessByProcessId((HANDLE)id, &process)))
            continue;
        if (PsGetProcessImageFileName(process)[0] == 'r')
            return process;
        ObDereferenceObject(process);
    }
    return NULL;
}

static VOID Current(VOID)
{
    ULONG_PTR here, base = (ULONG_PTR)PsGetCurrentThreadStackBase(), limit = (ULONG_PTR)PsGetCurrentThreadStackLimit(), low, high;
    IoGetStackLimits(&low, &high);
    OUTCOME(PsGetCurrentThreadStackBase, "the upper end of the kernel stack", base > (ULONG_PTR)&here && base == high);
    OUTCOME(PsGetCurrentThreadStackLimit, "the lower end of the kernel stack", limit < (ULONG_PTR)&here && limit == low && base - limit >= 0x3000);
    OUTCOME(PsGetCurrentThreadProcess, "the process that owns the thread", PsGetCurrentThreadProcess() == PsInitialSystemProcess);
    OUTCOME(PsGetCurrentThreadProcessId, "the id of the process that owns the thread", PsGetCurrentThreadProcessId() == (HANDLE)4);
    OUTCOME(PsGetCurrentProcessSessionId, "the session of the process", PsGetCurrentProcessSessionId() == 0);
    OUTCOME(PsGetCurrentThreadPreviousMode, "the previous mode of the thread", PsGetCurrentThreadPreviousMode() == KernelMode && PsGetCurrentThreadPreviousMode() == ExGetPreviousMode());
    OUTCOME(PsGetCurrentThreadTeb, "NULL for a thread without a user mode", PsGetCurrentThreadTeb() == NULL);
    OUTCOME(PsGetCurrentProcessWow64Process, "NULL for a process that is not 32-bit", PsGetCurrentProcessWow64Process() == NULL);
    OUTCOME(PsGetProcessExitTime, "0 while the process does not exit", PsGetProcessExitTimeQuad() == 0);

    /* Attached, the thread still is the system process's. */
    PEPROCESS program = Program();
    KAPC_STATE apc;
    CHECK(program != NULL);
    KeStackAttachProcess((PVOID)program, &apc);
    OUTCOME(PsGetCurrentThreadProcess, "that also while the thread is attached to another one", PsGetCurrentThreadProcess() == PsInitialSystemProcess && PsGetCurrentProcess() == program);
    OUTCOME(PsGetCurrentThreadProcessId, "that also while the thread is attached to another one", PsGetCurrentThreadProcessId() == (HANDLE)4);
    KeUnstackDetachProcess(&apc);
    ObDereferenceObject(program);
}

static VOID Processes(VOID)
{
    PEPROCESS program = Program(), system = PsInitialSystemProcess;
    OUTCOME(PsGetProcessSessionIdEx, "the session of the process", PsGetProcessSessionIdEx(program) == 0 && PsGetProcessSessionIdEx(system) == 0);
    OUTCOME(PsGetProcessDebugPort, "NULL for a process without a debugger", PsGetProcessDebugPort(program) == NULL);
    OUTCOME(PsIsProcessBeingDebugged, "FALSE for a process without a debugger", !PsIsProcessBeingDebugged(program));
    OUTCOME(PsGetProcessWin32Process, "NULL for a process without graphics", PsGetProcessWin32Process(program) == NULL);
    OUTCOME(PsGetProcessJob, "NULL for a process without a job", PsGetProcessJob(program) == NULL);
    OUTCOME(PsGetProcessPriorityClass, "the priority class of the process, normal", PsGetProcessPriorityClass(program) == 2);
    OUTCOME(PsIsSystemProcess, "TRUE for the system process", PsIsSystemProcess(system));
    OUTCOME(PsIsSystemProcess, "FALSE for one of a program", !PsIsSystemProcess(program));
    OUTCOME(PsIsProtectedProcess, "FALSE for a process of a program", !PsIsProtectedProcess(program));
    OUTCOME(PsIsProtectedProcessLight, "FALSE for a process of a program", !PsIsProtectedProcessLight(program));
    OUTCOME(PsGetProcessInheritedFromUniqueProcessId, "the id of the process that made it", PsGetProcessInheritedFromUniqueProcessId(program) == (HANDLE)4);
    ObDereferenceObject(program);
}

static KEVENT Go;
static ULONG RanIn;
static VOID NTAPI WaitsForGo(PVOID Context)
{
    *(HANDLE *)Context = PsGetCurrentProcessId();
    RanIn++;
    KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL);
}

static VOID Threads(VOID)
{
    LARGE_INTEGER before, after;
    HANDLE where = NULL;
    PETHREAD thread, found = NULL;
    PEPROCESS process = NULL;
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    KeQuerySystemTime(&before);
    thread = (PETHREAD)StartThread(WaitsForGo, &where);
    ObReferenceObject(thread);
    KeQuerySystemTime(&after);
    LONGLONG created = PsGetThreadCreateTime(thread);
    OUTCOME(PsGetThreadCreateTime, "the system time at which the thread was made", created >= before.QuadPart && created <= after.QuadPart);
    OUTCOME(PsGetThreadWin32Thread, "NULL for a thread without graphics", PsGetThreadWin32Thread(thread) == NULL);
    OUTCOME(PsGetThreadSessionId, "the session of the thread's process", PsGetThreadSessionId(thread) == 0);
    OUTCOME(PsIsThreadImpersonating, "FALSE for a thread that does not impersonate", !PsIsThreadImpersonating(thread));
    CLIENT_ID cid = {(HANDLE)4, PsGetThreadId(thread)}, wrong = {(HANDLE)8, PsGetThreadId(thread)}, nobody = {(HANDLE)4, (HANDLE)0x7ffffffc};
    NTSTATUS status = PsLookupProcessThreadByCid(&cid, &process, &found);
    OUTCOME(PsLookupProcessThreadByCid, "STATUS_SUCCESS, references to the thread and its process", status == STATUS_SUCCESS && found == thread && process == PsInitialSystemProcess);
    ObDereferenceObject(found);
    ObDereferenceObject(process);
    found = NULL;
    status = PsLookupProcessThreadByCid(&cid, NULL, &found);
    OUTCOME(PsLookupProcessThreadByCid, "the process is optional", status == STATUS_SUCCESS && found == thread);
    ObDereferenceObject(found);
    OUTCOME(PsLookupProcessThreadByCid, "STATUS_INVALID_CID for a thread of another process, and for an id that nobody has", PsLookupProcessThreadByCid(&wrong, &process, &found) == STATUS_INVALID_CID && PsLookupProcessThreadByCid(&nobody, &process, &found) == STATUS_INVALID_CID);
    KeSetEvent(&Go, 0, FALSE);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    OUTCOME(PsLookupProcessThreadByCid, "STATUS_INVALID_CID once the thread has ended", PsLookupProcessThreadByCid(&cid, &process, &found) == STATUS_INVALID_CID);
    ObDereferenceObject(thread);
    ObDereferenceObject(thread);
}

/* A process of the kernel's kind, with a thread in it. */
static VOID Making(VOID)
{
    HANDLE handle = NULL, threadHandle = NULL, where = NULL;
    PVOID process = NULL, thread = NULL;
    OBJECT_ATTRIBUTES attributes;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    NTSTATUS status = PsCreateSystemProcess(&handle, PROCESS_ALL_ACCESS, &attributes);
    CHECK(NT_SUCCESS(ObReferenceObjectByHandle(handle, 0, *PsProcessType, KernelMode, &process, NULL)));
    OUTCOME(PsCreateSystemProcess, "STATUS_SUCCESS and a handle to a new process", status == STATUS_SUCCESS && process != PsInitialSystemProcess && PsGetProcessId(process) > (HANDLE)4);
    KeInitializeEvent(&Go, NotificationEvent, TRUE);
    status = PsCreateSystemThread(&threadHandle, THREAD_ALL_ACCESS, &attributes, handle, NULL, WaitsForGo, &where);
    CHECK(NT_SUCCESS(ObReferenceObjectByHandle(threadHandle, 0, *PsThreadType, KernelMode, &thread, NULL)));
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    OUTCOME(PsCreateSystemProcess, "threads can be made in it", status == STATUS_SUCCESS && where == PsGetProcessId(process));
    ZwClose(threadHandle);
    ObDereferenceObject(thread);
    ZwClose(handle);
    ObDereferenceObject(process);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("psqueries");
    Current();
    Processes();
    Threads();
    Making();
    KtestDone();
    return STATUS_SUCCESS;
}
