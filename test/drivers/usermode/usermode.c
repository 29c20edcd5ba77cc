// ktest: compiler=clang
/*
 * Requests of a program: previous mode, buffers that lie in its half of the address space, and what of them can be used where. run.ts sends the control codes; the
 * requester's program calls NtDeviceIoControlFile by SYSCALL.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

#define NOINLINE __attribute__((noinline))
#define CODE(n, method) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (n), method, FILE_ANY_ACCESS)
#define LENGTH 0x1800

NTKERNELAPI PEPROCESS NTAPI IoGetRequestorProcess(PIRP Irp);
NTKERNELAPI ULONG NTAPI IoGetRequestorProcessId(PIRP Irp);
NTKERNELAPI NTSTATUS NTAPI IoGetRequestorSessionId(PIRP Irp, PULONG SessionId);
NTKERNELAPI BOOLEAN NTAPI PsIsSystemThread(PETHREAD Thread);
NTKERNELAPI PVOID NTAPI PsGetThreadTeb(PETHREAD Thread);
NTKERNELAPI PVOID NTAPI PsGetProcessPeb(PEPROCESS Process);
NTKERNELAPI BOOLEAN NTAPI IoIsSystemThread(PETHREAD Thread);
NTSYSAPI NTSTATUS NTAPI ZwOpenFile(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PIO_STATUS_BLOCK, ULONG, ULONG);

/* ntifs.h has it; mingw's ntddk.h does not. */
typedef struct _KAPC_STATE
{
    LIST_ENTRY ApcListHead[2];
    PEPROCESS Process;
    UCHAR InProgressFlags, KernelApcPending, UserApcPending;
} KAPC_STATE, *PKAPC_STATE;
NTKERNELAPI VOID NTAPI KeStackAttachProcess(PEPROCESS Process, PKAPC_STATE ApcState);
NTKERNELAPI VOID NTAPI KeUnstackDetachProcess(PKAPC_STATE ApcState);

static PDEVICE_OBJECT Device;
static UNICODE_STRING DeviceName;
static KPROCESSOR_MODE ModeSeen, RequestorSeen;

/* Calls that may raise are in functions of their own: clang guards calls. */
static NOINLINE VOID ProbeRead(PVOID p, SIZE_T n, ULONG align) { ProbeForRead(p, n, align); }
static NOINLINE VOID ProbeWrite(PVOID p, SIZE_T n, ULONG align) { ProbeForWrite(p, n, align); }
static NOINLINE VOID Touch(volatile UCHAR *p, UCHAR value) { *p = value; }

static NTSTATUS ReadStatus(PVOID p, SIZE_T n, ULONG align)
{
    NTSTATUS status = STATUS_SUCCESS;
    __try { ProbeRead(p, n, align); } __except (1) { status = GetExceptionCode(); }
    return status;
}

static NTSTATUS WriteStatus(PVOID p, SIZE_T n, ULONG align)
{
    NTSTATUS status = STATUS_SUCCESS;
    __try { ProbeWrite(p, n, align); } __except (1) { status = GetExceptionCode(); }
    return status;
}

static NTSTATUS TouchStatus(PVOID p)
{
    NTSTATUS status = STATUS_SUCCESS;
    __try { Touch(p, 1); } __except (1) { status = GetExceptionCode(); }
    return status;
}

static BOOLEAN IsUser(PVOID p) { return (ULONG_PTR)p >= 0x10000 && p < MmHighestUserAddress; }

/* METHOD_NEITHER: the driver gets the program's own addresses. */
static NTSTATUS Probing(PIRP Irp, PIO_STACK_LOCATION Stack)
{
    PUCHAR in = Stack->Parameters.DeviceIoControl.Type3InputBuffer, out = Irp->UserBuffer;
    ULONG i;
    CHECK(IsUser(in) && IsUser(out) && Stack->Parameters.DeviceIoControl.OutputBufferLength == LENGTH);
    OUTCOME(ProbeForRead, "returns for a program's buffer", ReadStatus(in, LENGTH, 1) == STATUS_SUCCESS && in[LENGTH - 1] == (UCHAR)(LENGTH - 1));
    OUTCOME(ProbeForWrite, "returns for a program's buffer", WriteStatus(out, LENGTH, 1) == STATUS_SUCCESS);
    OUTCOME(ProbeForWrite, "STATUS_ACCESS_VIOLATION for a page that the program can only read", WriteStatus((PVOID)SharedUserData, 4, 1) == STATUS_ACCESS_VIOLATION);
    OUTCOME(ProbeForWrite, "touches every page of the buffer", WriteStatus(out, 0x10000, 1) == STATUS_ACCESS_VIOLATION);
    CHECK(TouchStatus((PVOID)0x20000) == STATUS_ACCESS_VIOLATION && TouchStatus(out) == STATUS_SUCCESS);
    for (i = 0; i < LENGTH; i++) out[i] = (UCHAR)~in[i];
    return Complete(Irp, STATUS_SUCCESS, LENGTH);
}

/* Who asks, and in whose name. */
static NTSTATUS Modes(PIRP Irp)
{
    PETHREAD thread = PsGetCurrentThread();
    ULONG session = 77;
    OUTCOME(ExGetPreviousMode, "UserMode in a dispatch routine that a program's request reached", ExGetPreviousMode() == UserMode);
    CHECK(Irp->RequestorMode == UserMode && KeGetCurrentIrql() == PASSIVE_LEVEL);
    OUTCOME(IoGetRequestorProcess, "the process of the thread that made the request", IoGetRequestorProcess(Irp) == PsGetCurrentProcess());
    OUTCOME(IoGetRequestorProcessId, "the id of the process of the thread that made the request", IoGetRequestorProcessId(Irp) == (ULONG)(ULONG_PTR)PsGetCurrentProcessId());
    OUTCOME(IoGetRequestorSessionId, "STATUS_SUCCESS and the session of the process", IoGetRequestorSessionId(Irp, &session) == STATUS_SUCCESS && session == 0);
    OUTCOME(IoGetCurrentProcess, "the process in whose context the dispatch routine runs", IoGetCurrentProcess() == IoGetRequestorProcess(Irp) && IoGetCurrentProcess() != PsInitialSystemProcess);
    OUTCOME(PsGetCurrentProcessId, "the id of the program's process, which is not the system's", PsGetCurrentProcessId() == PsGetProcessId(PsGetCurrentProcess()) && PsGetCurrentProcessId() != (HANDLE)4);
    OUTCOME(PsIsSystemThread, "FALSE for a thread of a program", !PsIsSystemThread(thread));
    OUTCOME(IoIsSystemThread, "FALSE for a thread of a program", !IoIsSystemThread(thread));
    OUTCOME(PsGetThreadTeb, "the thread environment block, in user space", IsUser(PsGetThreadTeb(thread)) && *(PVOID *)((PUCHAR)PsGetThreadTeb(thread) + 0x30) == PsGetThreadTeb(thread));
    OUTCOME(PsGetProcessPeb, "the process environment block, in user space", PsGetProcessPeb(PsGetCurrentProcess()) == *(PVOID *)((PUCHAR)PsGetThreadTeb(thread) + 0x60));
    return Complete(Irp, STATUS_SUCCESS, 0);
}

/* A driver's own request from the program's thread: Zw makes the previous mode KernelMode for its time. */
static NTSTATUS ByZw(PIRP Irp)
{
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    HANDLE handle = NULL;
    NTSTATUS status;
    InitializeObjectAttributes(&attributes, &DeviceName, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    ModeSeen = RequestorSeen = 99;
    status = ZwOpenFile(&handle, FILE_GENERIC_READ, &attributes, &iosb, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_SYNCHRONOUS_IO_NONALERT);
    OUTCOME(ExGetPreviousMode, "KernelMode in a dispatch routine that a driver's Zw call reached", NT_SUCCESS(status) && ModeSeen == KernelMode && RequestorSeen == KernelMode);
    OUTCOME(ExGetPreviousMode, "UserMode again when the Zw routine has returned", ExGetPreviousMode() == UserMode);
    if (NT_SUCCESS(status)) ZwClose(handle);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

/* METHOD_OUT_DIRECT and METHOD_IN_DIRECT: the program's pages, locked and seen through system space. */
static NTSTATUS Direct(PIRP Irp, BOOLEAN write)
{
    PMDL mdl = Irp->MdlAddress;
    PUCHAR system = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority), user = MmGetMdlVirtualAddress(mdl);
    CHECK(mdl && system && IsUser(user) && !IsUser(system) && MmGetMdlByteCount(mdl) == LENGTH);
    CHECK((mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA)) == (MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA));
    if (write)
    {
        for (ULONG i = 0; i < LENGTH; i++) system[i] = (UCHAR)(i * 3);
        CHECK(user[LENGTH - 1] == (UCHAR)((LENGTH - 1) * 3));
    }
    else CHECK(system[LENGTH - 1] == user[LENGTH - 1]);
    return Complete(Irp, STATUS_SUCCESS, write ? LENGTH : 0);
}

/* A system thread is in no program's address space; it can write to a program's buffer by attaching. */
static PEPROCESS Program;
static PUCHAR ProgramBuffer;
static KEVENT Written;

static VOID NTAPI Writer(PVOID Context)
{
    KAPC_STATE state;
    PIRP irp = Context;
    OUTCOME(ExGetPreviousMode, "KernelMode in a system thread", ExGetPreviousMode() == KernelMode);
    OUTCOME(PsIsSystemThread, "TRUE for a system thread", PsIsSystemThread(PsGetCurrentThread()));
    OUTCOME(IoIsSystemThread, "TRUE for a system thread", IoIsSystemThread(PsGetCurrentThread()));
    OUTCOME(PsGetThreadTeb, "NULL for a system thread", PsGetThreadTeb(PsGetCurrentThread()) == NULL);
    OUTCOME(PsGetProcessPeb, "NULL for the system process", PsGetProcessPeb(PsInitialSystemProcess) == NULL);
    OUTCOME(IoGetRequestorProcess, "does not depend on the context it is called in", IoGetRequestorProcess(irp) == Program && PsGetCurrentProcess() != Program);
    CHECK(TouchStatus(ProgramBuffer) == STATUS_ACCESS_VIOLATION);
    KeStackAttachProcess(Program, &state);
    CHECK(TouchStatus(ProgramBuffer) == STATUS_SUCCESS && PsGetCurrentProcess() == Program);
    for (ULONG i = 0; i < LENGTH; i++) ProgramBuffer[i] = (UCHAR)(i * 5);
    KeUnstackDetachProcess(&state);
    KeSetEvent(&Written, 0, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS FromElsewhere(PIRP Irp)
{
    HANDLE thread;
    Program = PsGetCurrentProcess();
    ProgramBuffer = Irp->UserBuffer;
    KeInitializeEvent(&Written, NotificationEvent, FALSE);
    CHECK(NT_SUCCESS(PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Writer, Irp)));
    ZwClose(thread);
    KeWaitForSingleObject(&Written, Executive, KernelMode, FALSE, NULL);
    return Complete(Irp, STATUS_SUCCESS, LENGTH);
}

/* A request that ends later, by a timer's DPC: its completion is told by the program's event or APC. */
static KTIMER Timer;
static KDPC TimerDpc;

static VOID NTAPI Later(PKDPC Dpc, PVOID Context, PVOID a, PVOID b)
{
    PIRP irp = Context;
    *(PULONG)irp->AssociatedIrp.SystemBuffer = 0x600d;
    Complete(irp, STATUS_SUCCESS, sizeof(ULONG));
}

static NTSTATUS Pending(PIRP Irp)
{
    LARGE_INTEGER due;
    due.QuadPart = -10000;
    IoMarkIrpPending(Irp);
    KeInitializeDpc(&TimerDpc, Later, Irp);
    KeInitializeTimer(&Timer);
    KeSetTimer(&Timer, due, &TimerDpc);
    return STATUS_PENDING;
}

static NTSTATUS NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    switch (stack->Parameters.DeviceIoControl.IoControlCode)
    {
    case CODE(0, METHOD_NEITHER): return Probing(Irp, stack);
    case CODE(1, METHOD_BUFFERED): return Modes(Irp);
    case CODE(2, METHOD_BUFFERED): return ByZw(Irp);
    case CODE(3, METHOD_OUT_DIRECT): return Direct(Irp, TRUE);
    case CODE(4, METHOD_IN_DIRECT): return Direct(Irp, FALSE);
    case CODE(5, METHOD_NEITHER): return FromElsewhere(Irp);
    case CODE(6, METHOD_BUFFERED): return Pending(Irp);
    case CODE(7, METHOD_BUFFERED): return Complete(Irp, STATUS_SUCCESS, 0);
    case CODE(7, METHOD_OUT_DIRECT): return Complete(Irp, STATUS_SUCCESS, 0);
    case CODE(7, METHOD_NEITHER): return Complete(Irp, STATUS_SUCCESS, (ULONG_PTR)Irp->UserBuffer >> 32);
    case CODE(8, METHOD_BUFFERED): KtestDone(); return Complete(Irp, STATUS_SUCCESS, 0);
    }
    return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}

static NTSTATUS NTAPI Create(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ModeSeen = ExGetPreviousMode();
    RequestorSeen = Irp->RequestorMode;
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) { IoDeleteDevice(Device); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("usermode");
    CHECK(KtestCase == 0);
    RtlInitUnicodeString(&DeviceName, L"\\Device\\KtestUserMode");
    Device = NewDevice(DriverObject, L"\\Device\\KtestUserMode", 0);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Create;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    DriverObject->DriverUnload = Unload;
    return Device ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
