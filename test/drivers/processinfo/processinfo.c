/* What drivers that watch processes ask of them: names, ids, images, handle tables; and keeping a process from ending while one looks. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

typedef struct
{
    BOOLEAN Inherit, ProtectFromClose;
} OBJECT_HANDLE_FLAG_INFORMATION, *POBJECT_HANDLE_FLAG_INFORMATION;
NTKERNELAPI PUCHAR NTAPI PsGetProcessImageFileName(PEPROCESS Process);
NTKERNELAPI PVOID NTAPI PsGetProcessSectionBaseAddress(PEPROCESS Process);
NTKERNELAPI PVOID NTAPI PsGetProcessWow64Process(PEPROCESS Process);
NTKERNELAPI ULONG NTAPI PsGetProcessSessionId(PEPROCESS Process);
NTKERNELAPI PEPROCESS NTAPI PsGetThreadProcess(PETHREAD Thread);
NTKERNELAPI HANDLE NTAPI PsGetThreadProcessId(PETHREAD Thread);
NTKERNELAPI NTSTATUS NTAPI PsAcquireProcessExitSynchronization(PEPROCESS Process);
NTKERNELAPI VOID NTAPI PsReleaseProcessExitSynchronization(PEPROCESS Process);
NTKERNELAPI NTSTATUS NTAPI PsReferenceProcessFilePointer(PEPROCESS Process, PFILE_OBJECT *FileObject);
NTKERNELAPI NTSTATUS NTAPI PsGetProcessExitStatus(PEPROCESS Process);
NTKERNELAPI NTSTATUS NTAPI ObSetHandleAttributes(HANDLE Handle, POBJECT_HANDLE_FLAG_INFORMATION HandleFlags, KPROCESSOR_MODE PreviousMode);
NTSYSAPI NTSTATUS NTAPI NtOpenProcess(PHANDLE ProcessHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, PCLIENT_ID ClientId);
NTSYSAPI NTSTATUS NTAPI ZwOpenThread(PHANDLE ThreadHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, PCLIENT_ID ClientId);
typedef BOOLEAN(NTAPI *ENUMERATE)(PVOID HandleTable, PVOID Entry, HANDLE Handle, PVOID Parameter);
NTKERNELAPI BOOLEAN NTAPI ExEnumHandleTable(PVOID HandleTable, ENUMERATE Routine, PVOID Parameter, PHANDLE Handle);

/* EPROCESS.ObjectTable of Windows 10 20H1 to 22H2. */
#define OBJECT_TABLE(process) (*(PVOID *)((PUCHAR)(process) + 0x570))

static BOOLEAN SameText(PUCHAR A, const char *B)
{
    while (*A && *A == (UCHAR)*B)
        A++, B++;
    return *A == (UCHAR)*B;
}

/* The process of a program, with a reference. */
static PEPROCESS Program(VOID)
{
    for (ULONG_PTR id = 8; id < 4096; id += 4)
    {
        PEPROCESS process;
        if (!NT_SUCCESS(PsLookupProcessByProcessId((HANDLE)id, &process)))
            continue;
        if (SameText(PsGetProcessImageFileName(process), "requester.exe") && PsGetProcessExitStatus(process) == STATUS_PENDING)
            return process;
        ObDereferenceObject(process);
    }
    return NULL;
}

static KEVENT Go;
static VOID NTAPI WaitsForGo(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL);
}

static VOID Threads(VOID)
{
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    PETHREAD thread = (PETHREAD)StartThread(WaitsForGo, NULL), found;
    HANDLE handle;
    OBJECT_ATTRIBUTES none;
    InitializeObjectAttributes(&none, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    ObReferenceObject(thread);
    OUTCOME(PsGetThreadId, "the id by which the thread is found", PsLookupThreadByThreadId(PsGetThreadId(thread), &found) == STATUS_SUCCESS && found == thread);
    ObDereferenceObject(thread);
    OUTCOME(PsGetThreadProcessId, "the id of the process of the thread", PsGetThreadProcessId(thread) == (HANDLE)4);
    OUTCOME(PsGetThreadProcess, "the process of the thread", PsGetThreadProcess(thread) == PsInitialSystemProcess);
    OUTCOME(IoThreadToProcess, "the process of the thread", IoThreadToProcess(thread) == PsInitialSystemProcess);
    OUTCOME(PsIsThreadTerminating, "FALSE while the thread runs", !PsIsThreadTerminating(thread));
    CLIENT_ID both = {(HANDLE)4, PsGetThreadId(thread)}, wrong = {(HANDLE)8, PsGetThreadId(thread)}, nobody = {NULL, (HANDLE)0x7ffffffc};
    NTSTATUS status = ZwOpenThread(&handle, THREAD_ALL_ACCESS, &none, &both);
    PVOID object = NULL;
    ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, &object, NULL);
    OUTCOME(ZwOpenThread, "STATUS_SUCCESS and a handle to the thread of an id", status == STATUS_SUCCESS && object == thread);
    ObDereferenceObject(object);
    ZwClose(handle);
    OUTCOME(ZwOpenThread, "STATUS_INVALID_CID when the process is another", ZwOpenThread(&handle, THREAD_ALL_ACCESS, &none, &wrong) == STATUS_INVALID_CID);
    OUTCOME(ZwOpenThread, "STATUS_INVALID_CID for an id that nobody has", ZwOpenThread(&handle, THREAD_ALL_ACCESS, &none, &nobody) == STATUS_INVALID_CID);
    OUTCOME(ZwOpenThread, "STATUS_INVALID_PARAMETER_MIX without an id and a name", ZwOpenThread(&handle, THREAD_ALL_ACCESS, &none, NULL) == STATUS_INVALID_PARAMETER_MIX);
    KeSetEvent(&Go, 0, FALSE);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    OUTCOME(PsIsThreadTerminating, "TRUE once it ends", PsIsThreadTerminating(thread));
    ObDereferenceObject(thread);
}

static ULONG Seen;
static HANDLE Last;
static BOOLEAN NTAPI Each(PVOID HandleTable, PVOID Entry, HANDLE Handle, PVOID Parameter)
{
    UNREFERENCED_PARAMETER(Entry);
    Seen++;
    Last = Handle;
    return HandleTable == OBJECT_TABLE(PsInitialSystemProcess) && (ULONG_PTR)Handle == (ULONG_PTR)Parameter;
}

static VOID Handles(VOID)
{
    HANDLE event, found = NULL;
    OBJECT_ATTRIBUTES none;
    InitializeObjectAttributes(&none, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateEvent(&event, EVENT_ALL_ACCESS, &none, NotificationEvent, FALSE);
    ULONG_PTR wanted = (ULONG_PTR)event & 0x7fffffff;
    BOOLEAN stopped = ExEnumHandleTable(OBJECT_TABLE(PsInitialSystemProcess), Each, (PVOID)wanted, &found);
    OUTCOME(ExEnumHandleTable, "TRUE and the handle at which the routine returned TRUE", stopped && (ULONG_PTR)found == wanted && Last == found);
    ULONG before = Seen;
    Seen = 0;
    found = (HANDLE)1;
    stopped = ExEnumHandleTable(OBJECT_TABLE(PsInitialSystemProcess), Each, NULL, &found);
    OUTCOME(ExEnumHandleTable, "calls the routine for each handle, FALSE when it never returned TRUE", !stopped && Seen >= before && found == (HANDLE)1);
    OUTCOME(NtClose, "STATUS_SUCCESS, the handle is closed", NtClose(event) == STATUS_SUCCESS && NtClose((HANDLE)wanted) == STATUS_INVALID_HANDLE);
    OUTCOME(NtClose, "STATUS_INVALID_HANDLE for a handle that is none", NtClose((HANDLE)0x7ffffff0) == STATUS_INVALID_HANDLE);
    OBJECT_HANDLE_FLAG_INFORMATION keep = {FALSE, TRUE}, free = {FALSE, FALSE};
    ZwCreateEvent(&event, EVENT_ALL_ACCESS, &none, NotificationEvent, FALSE);
    ObSetHandleAttributes(event, &keep, KernelMode);
    NTSTATUS status = NtClose(event);
    ObSetHandleAttributes(event, &free, KernelMode);
    OUTCOME(NtClose, "STATUS_HANDLE_NOT_CLOSABLE for a protected handle", status == STATUS_HANDLE_NOT_CLOSABLE && NtClose(event) == STATUS_SUCCESS);
}

static PEPROCESS Held;

static VOID Processes(VOID)
{
    KAPC_STATE apc;
    OBJECT_ATTRIBUTES none;
    HANDLE handle;
    PFILE_OBJECT file = (PVOID)1;
    InitializeObjectAttributes(&none, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(PsInitialSystemProcess, "the process of system threads, whose id is 4", PsInitialSystemProcess == PsGetCurrentProcess() && PsGetProcessId(PsInitialSystemProcess) == (HANDLE)4);
    OUTCOME(PsGetProcessImageFileName, "the name of the system process is System", SameText(PsGetProcessImageFileName(PsInitialSystemProcess), "System"));
    OUTCOME(PsGetProcessSectionBaseAddress, "NULL for the system process", PsGetProcessSectionBaseAddress(PsInitialSystemProcess) == NULL);
    OUTCOME(PsReferenceProcessFilePointer, "STATUS_UNSUCCESSFUL for a process that was not made of a file", PsReferenceProcessFilePointer(PsInitialSystemProcess, &file) == STATUS_UNSUCCESSFUL);
    Held = Program();
    OUTCOME(PsGetProcessImageFileName, "the name of the file of a program", Held != NULL);
    if (!Held)
        return;
    PUSHORT base = PsGetProcessSectionBaseAddress(Held);
    KeStackAttachProcess((PKPROCESS)Held, &apc);
    OUTCOME(PsGetProcessSectionBaseAddress, "the address of a program's image in its address space", base && (ULONG_PTR)base < 0x800000000000 && *base == 'M' + ('Z' << 8));
    KeUnstackDetachProcess(&apc);
    OUTCOME(PsGetProcessWow64Process, "NULL for a 64-bit process", PsGetProcessWow64Process(Held) == NULL);
    OUTCOME(PsGetProcessSessionId, "the session that services are in is 0", PsGetProcessSessionId(PsInitialSystemProcess) == 0);
    CLIENT_ID id = {PsGetProcessId(Held), NULL}, nobody = {(HANDLE)0x7ffffffc, NULL};
    NTSTATUS status = NtOpenProcess(&handle, PROCESS_ALL_ACCESS, &none, &id);
    PVOID object = NULL;
    ObReferenceObjectByHandle(handle, 0, *PsProcessType, KernelMode, &object, NULL);
    OUTCOME(NtOpenProcess, "STATUS_SUCCESS and a handle to the process of an id", status == STATUS_SUCCESS && object == Held);
    if (object)
        ObDereferenceObject(object);
    OUTCOME(NtOpenProcess, "STATUS_INVALID_CID for an id that nobody has", NtOpenProcess(&handle, PROCESS_ALL_ACCESS, &none, &nobody) == STATUS_INVALID_CID);
    OUTCOME(NtOpenProcess, "STATUS_INVALID_PARAMETER_MIX without an id and a name", NtOpenProcess(&handle, PROCESS_ALL_ACCESS, &none, NULL) == STATUS_INVALID_PARAMETER_MIX);
    ZwClose(handle);
}

/* Who looks into a process keeps it from going meanwhile. */
static VOID NTAPI Ending(PVOID Context)
{
    HANDLE handle;
    LARGE_INTEGER soon = MsFromNow(30);
    UNREFERENCED_PARAMETER(Context);
    SleepMs(50); /* until the load is over, which this program may carry out */
    ObOpenObjectByPointer(Held, OBJ_KERNEL_HANDLE, NULL, PROCESS_ALL_ACCESS, *PsProcessType, KernelMode, &handle);
    NTSTATUS got = PsAcquireProcessExitSynchronization(Held);
    ZwTerminateProcess(handle, STATUS_CANCELLED);
    NTSTATUS waited = KeWaitForSingleObject(Held, Executive, KernelMode, FALSE, &soon);
    OUTCOME(PsAcquireProcessExitSynchronization, "STATUS_SUCCESS; the process does not end as long as it is held", got == STATUS_SUCCESS && waited == STATUS_TIMEOUT);
    PsReleaseProcessExitSynchronization(Held);
    LARGE_INTEGER long_ = MsFromNow(2000);
    waited = KeWaitForSingleObject(Held, Executive, KernelMode, FALSE, &long_);
    OUTCOME(PsReleaseProcessExitSynchronization, "the process goes on ending", waited == STATUS_SUCCESS);
    OUTCOME(PsAcquireProcessExitSynchronization, "STATUS_PROCESS_IS_TERMINATING for a process that ends", PsAcquireProcessExitSynchronization(Held) == STATUS_PROCESS_IS_TERMINATING);
    ZwClose(handle);
    ObDereferenceObject(Held);
    KtestDone();
}

static PKTHREAD Worker;
static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    if (Worker)
        JoinThread(Worker);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("processinfo");
    Threads();
    Handles();
    Processes();
    if (Held)
        Worker = StartThread(Ending, NULL);
    return STATUS_SUCCESS;
}
