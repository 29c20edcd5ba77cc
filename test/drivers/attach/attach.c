// ktest: cases=3 compiler=clang
/*
 * Looking into another process: attaching, copying between address spaces, opening and ending a process. The program that sends the request is the other process.
 * Cases 1 and 2 break a rule.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

#define CODE(n) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (n), METHOD_NEITHER, FILE_ANY_ACCESS)

typedef struct _KAPC_STATE
{
    LIST_ENTRY ApcListHead[2];
    PEPROCESS Process;
    UCHAR InProgressFlags, KernelApcPending, UserApcPending;
} KAPC_STATE, *PKAPC_STATE;
NTKERNELAPI VOID NTAPI KeStackAttachProcess(PEPROCESS Process, PKAPC_STATE ApcState);
NTKERNELAPI VOID NTAPI KeUnstackDetachProcess(PKAPC_STATE ApcState);
NTKERNELAPI VOID NTAPI KeAttachProcess(PEPROCESS Process);
NTKERNELAPI VOID NTAPI KeDetachProcess(VOID);
NTKERNELAPI PEPROCESS NTAPI PsGetCurrentThreadProcess(VOID);
NTKERNELAPI NTSTATUS NTAPI PsLookupProcessByProcessId(HANDLE Id, PEPROCESS *Process);
NTKERNELAPI NTSTATUS NTAPI PsGetProcessExitStatus(PEPROCESS Process);
NTKERNELAPI BOOLEAN NTAPI PsGetProcessExitProcessCalled(PEPROCESS Process);
NTKERNELAPI NTSTATUS NTAPI MmCopyVirtualMemory(PEPROCESS, PVOID, PEPROCESS, PVOID, SIZE_T, KPROCESSOR_MODE, PSIZE_T);
NTSYSAPI NTSTATUS NTAPI ZwTerminateProcess(HANDLE Process, NTSTATUS Status);

static PDEVICE_OBJECT Device;
static PEPROCESS Program;
static PULONG Buffer; /* of the program: 1000h bytes, the first is 0x11111111 */
static HANDLE ProgramId;
static NTSTATUS HeldStatus;

static ULONG Peek(PULONG p) { return *(volatile ULONG *)p; }

static VOID StackAttach(VOID)
{
    KAPC_STATE outer, inner, same;
    PEPROCESS system = PsGetCurrentProcess();
    KeStackAttachProcess(Program, &outer);
    OUTCOME(KeStackAttachProcess, "makes the address space of the process the current one", Peek(Buffer) == 0x11111111);
    OUTCOME(KeStackAttachProcess, "the process is the current one", PsGetCurrentProcess() == Program && IoGetCurrentProcess() == Program);
    OUTCOME(KeStackAttachProcess, "the thread stays one of its own process", PsGetCurrentThreadProcess() == system);
    OUTCOME(KeStackAttachProcess, "changes what it writes there for the process", (*Buffer = 0x22222222, Peek(Buffer) == 0x22222222));
    KeStackAttachProcess(Program, &same);
    KeUnstackDetachProcess(&same);
    OUTCOME(KeStackAttachProcess, "attaching to the current process changes nothing, nor does undoing it", PsGetCurrentProcess() == Program && Peek(Buffer) == 0x22222222);
    KeStackAttachProcess(system, &inner);
    OUTCOME(KeStackAttachProcess, "can be nested", PsGetCurrentProcess() == system && !MmIsAddressValid(Buffer));
    KeUnstackDetachProcess(&inner);
    OUTCOME(KeUnstackDetachProcess, "goes back to the process before, innermost first", PsGetCurrentProcess() == Program && Peek(Buffer) == 0x22222222);
    *Buffer = 0x33333333;
    KeUnstackDetachProcess(&outer);
    OUTCOME(KeUnstackDetachProcess, "goes back to the thread's own process", PsGetCurrentProcess() == system && !MmIsAddressValid(Buffer));
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
}


static VOID Attach(VOID)
{
    PEPROCESS system = PsGetCurrentProcess();
    KeAttachProcess(Program);
    OUTCOME(KeAttachProcess, "makes the address space of the process the current one", Peek(Buffer) == 0x33333333 && PsGetCurrentProcess() == Program);
    KeAttachProcess(Program);
    OUTCOME(KeAttachProcess, "attaching to the current process changes nothing", PsGetCurrentProcess() == Program);
    KeDetachProcess();
    OUTCOME(KeDetachProcess, "goes back to the thread's own process", PsGetCurrentProcess() == system && !MmIsAddressValid(Buffer));
    KeDetachProcess();
    OUTCOME(KeDetachProcess, "does nothing when the thread is not attached", PsGetCurrentProcess() == system);
}

static VOID Copy(VOID)
{
    ULONG local[4] = {0};
    PEPROCESS system = PsGetCurrentProcess();
    SIZE_T done = 77;
    OUTCOME(MmCopyVirtualMemory, "STATUS_SUCCESS and the bytes of the other process", MmCopyVirtualMemory(Program, Buffer, system, local, 8, KernelMode, &done) == STATUS_SUCCESS && done == 8 && local[0] == 0x33333333);
    local[0] = 0x44444444;
    OUTCOME(MmCopyVirtualMemory, "writes into the other process", MmCopyVirtualMemory(system, local, Program, Buffer, 4, KernelMode, &done) == STATUS_SUCCESS && done == 4);
    OUTCOME(MmCopyVirtualMemory, "STATUS_ACCESS_VIOLATION for a kernel address in user mode's name", MmCopyVirtualMemory(Program, Buffer, system, local, 8, UserMode, &done) == STATUS_ACCESS_VIOLATION && done == 0);
    OUTCOME(MmCopyVirtualMemory, "STATUS_PARTIAL_COPY and how much was copied when memory ends", MmCopyVirtualMemory(Program, (PUCHAR)Buffer + 0xff8, system, local, 16, KernelMode, &done) == STATUS_PARTIAL_COPY && done == 8);
}

static VOID Open(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    CLIENT_ID id;
    HANDLE process = NULL;
    PEPROCESS object = NULL;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    id.UniqueProcess = ProgramId;
    id.UniqueThread = NULL;
    CHECK(ZwOpenProcess(&process, PROCESS_ALL_ACCESS, &attributes, &id) == STATUS_SUCCESS);
    CHECK(ObReferenceObjectByHandle(process, 0, *PsProcessType, KernelMode, (PVOID *)&object, NULL) == STATUS_SUCCESS && object == Program);
    ObDereferenceObject(object);
    OUTCOME(ZwTerminateProcess, "STATUS_INVALID_HANDLE for what is no handle", ZwTerminateProcess((HANDLE)0x7ff0, 0) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwTerminateProcess, "STATUS_ACCESS_DENIED for the system process", ZwTerminateProcess(NtCurrentProcess(), 0) == STATUS_ACCESS_DENIED);
    OUTCOME(PsGetProcessExitStatus, "STATUS_PENDING while the process runs", PsGetProcessExitStatus(Program) == STATUS_PENDING);
    OUTCOME(PsGetProcessExitProcessCalled, "FALSE while the process runs", !PsGetProcessExitProcessCalled(Program));
    OUTCOME(ZwTerminateProcess, "STATUS_SUCCESS for another process", ZwTerminateProcess(process, 0x1234) == STATUS_SUCCESS);
    OUTCOME(ZwTerminateProcess, "the process ends and is signaled", WaitFor(Program) == STATUS_SUCCESS);
    OUTCOME(ZwTerminateProcess, "cancels the requests that the process has outstanding", HeldStatus == STATUS_CANCELLED);
    OUTCOME(PsGetProcessExitStatus, "the exit status of a process that has ended", PsGetProcessExitStatus(Program) == 0x1234);
    OUTCOME(PsGetProcessExitProcessCalled, "TRUE for a process that has ended", PsGetProcessExitProcessCalled(Program));
    OUTCOME(ZwTerminateProcess, "STATUS_PROCESS_IS_TERMINATING for a process that has ended", ZwTerminateProcess(process, 1) == STATUS_PROCESS_IS_TERMINATING);
    ZwClose(process);
    ObDereferenceObject(Program);
    Sleep(20);
    OUTCOME(PsLookupProcessByProcessId, "STATUS_INVALID_CID when the process is gone", PsLookupProcessByProcessId(ProgramId, &object) == STATUS_INVALID_CID);
}

static VOID NTAPI Other(PVOID Context)
{
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(KeAttachProcess, "bug check INVALID_PROCESS_ATTACH_ATTEMPT when attached already", 0x5);
        KeAttachProcess(Program);
        KeAttachProcess(PsInitialSystemProcess);
    }
    StackAttach();
    Attach();
    Copy();
    Open();
    KtestDone();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID NTAPI CancelHeld(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    HeldStatus = STATUS_CANCELLED;
    Complete(Irp, STATUS_CANCELLED, 0);
}

/* The request stays outstanding: its process ends with it. */
static NTSTATUS NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    HANDLE thread;
    PEPROCESS found = NULL;
    if (KtestCase == 2)
    {
        static KAPC_STATE state;
        KeStackAttachProcess(PsInitialSystemProcess, &state);
        OUTCOME_BUGCHECK(KeStackAttachProcess, "bug check APC_INDEX_MISMATCH when a request returns to its program attached", 0x1);
        return Complete(Irp, STATUS_SUCCESS, 0);
    }
    Program = PsGetCurrentProcess();
    ProgramId = PsGetCurrentProcessId();
    Buffer = Irp->UserBuffer;
    *Buffer = 0x11111111;
    OUTCOME(PsLookupProcessByProcessId, "STATUS_SUCCESS and the process of a program, referenced", PsLookupProcessByProcessId(ProgramId, &found) == STATUS_SUCCESS && found == Program);
    IoMarkIrpPending(Irp);
    IoSetCancelRoutine(Irp, CancelHeld);
    PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Other, NULL);
    ZwClose(thread);
    return STATUS_PENDING;
}

static NTSTATUS NTAPI Create(PDEVICE_OBJECT DeviceObject, PIRP Irp) { return Complete(Irp, STATUS_SUCCESS, 0); }
static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) { IoDeleteDevice(Device); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("attach");
    Device = NewDevice(DriverObject, L"\\Device\\KtestAttach", 0);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Create;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    DriverObject->DriverUnload = Unload;
    return Device ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
