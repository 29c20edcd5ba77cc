/*
 * Who is told of threads, processes and images, when, and in whose context. The suite loads another driver at the end: its image is the one that is told of.
 */
#include <ntddk.h>
#include "../ktest.h"

/* Of newer headers. */
typedef struct
{
    SIZE_T Size;
    ULONG Flags;
    HANDLE ParentProcessId;
    CLIENT_ID CreatingThreadId;
    PVOID FileObject;
    PCUNICODE_STRING ImageFileName, CommandLine;
    NTSTATUS CreationStatus;
} CREATE_INFO;
typedef VOID(NTAPI *PROCESS_ROUTINE_EX)(PEPROCESS Process, HANDLE ProcessId, CREATE_INFO *CreateInfo);
NTKERNELAPI NTSTATUS NTAPI PsSetCreateThreadNotifyRoutineEx(ULONG NotifyType, PVOID NotifyInformation);
NTKERNELAPI NTSTATUS NTAPI PsSetCreateProcessNotifyRoutineEx2(ULONG NotifyType, PVOID NotifyInformation, BOOLEAN Remove);
NTKERNELAPI NTSTATUS NTAPI PsSetLoadImageNotifyRoutineEx(PLOAD_IMAGE_NOTIFY_ROUTINE NotifyRoutine, ULONG_PTR Flags);
NTKERNELAPI NTSTATUS NTAPI PsCreateSystemProcess(PHANDLE ProcessHandle, ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes);
NTKERNELAPI HANDLE NTAPI PsGetProcessId(PEPROCESS Process);
NTKERNELAPI LONGLONG NTAPI PsGetProcessCreateTimeQuadPart(PEPROCESS Process);

static KEVENT Go;

/* ---- threads ---- */

static struct
{
    volatile LONG Created, Deleted, Others;
    HANDLE Wanted, Process;
    PVOID CreatedBy, DeletedBy;
    KIRQL Irql;
    BOOLEAN ApcsDisabled;
} Threads;
static PKTHREAD Started;

static VOID NTAPI ThreadRoutine(HANDLE ProcessId, HANDLE ThreadId, BOOLEAN Create)
{
    if (Threads.Wanted == NULL && Create && PsGetCurrentThread() == (PVOID)Threads.CreatedBy)
    {
        Threads.Wanted = ThreadId; /* the thread that the test is about to make */
        Threads.Process = ProcessId;
    }
    if (ThreadId != Threads.Wanted)
    {
        InterlockedIncrement(&Threads.Others);
        return;
    }
    Threads.Irql = KeGetCurrentIrql();
    Threads.ApcsDisabled = KeAreApcsDisabled();
    if (Create)
        InterlockedIncrement(&Threads.Created);
    else
    {
        Threads.DeletedBy = PsGetCurrentThread();
        InterlockedIncrement(&Threads.Deleted);
    }
}

static VOID NTAPI Waits(PVOID Context)
{
    Started = KeGetCurrentThread();
    KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID RunThread(HANDLE Process)
{
    HANDLE thread;
    PVOID object;
    KeClearEvent(&Go);
    if (!NT_SUCCESS(PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, Process, NULL, Waits, NULL)))
        return;
    ObReferenceObjectByHandle(thread, SYNCHRONIZE, *PsThreadType, KernelMode, &object, NULL);
    KeSetEvent(&Go, 0, FALSE);
    KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(object);
    ZwClose(thread);
}

static VOID TestThreads(VOID)
{
    LONG others;
    Threads.CreatedBy = PsGetCurrentThread();
    OUTCOME(PsSetCreateThreadNotifyRoutine, "STATUS_SUCCESS", PsSetCreateThreadNotifyRoutine(ThreadRoutine) == STATUS_SUCCESS);
    RunThread(NULL);
    OUTCOME(PCREATE_THREAD_NOTIFY_ROUTINE, "called by the creating thread with Create = TRUE and the ids", Threads.Created == 1 && Threads.Process == (HANDLE)4);
    OUTCOME(PCREATE_THREAD_NOTIFY_ROUTINE, "called by the ending thread with Create = FALSE", Threads.Deleted == 1 && Threads.DeletedBy == Started);
    OUTCOME(PCREATE_THREAD_NOTIFY_ROUTINE, "called at PASSIVE_LEVEL with normal kernel APCs disabled", Threads.Irql == PASSIVE_LEVEL && Threads.ApcsDisabled);
    OUTCOME(PsRemoveCreateThreadNotifyRoutine, "STATUS_SUCCESS", PsRemoveCreateThreadNotifyRoutine(ThreadRoutine) == STATUS_SUCCESS);
    others = Threads.Others;
    RunThread(NULL);
    OUTCOME(PsRemoveCreateThreadNotifyRoutine, "the routine is not called any more", Threads.Others == others && Threads.Created == 1);
    OUTCOME(PsRemoveCreateThreadNotifyRoutine, "STATUS_PROCEDURE_NOT_FOUND for a routine that is not registered",
            PsRemoveCreateThreadNotifyRoutine(ThreadRoutine) == STATUS_PROCEDURE_NOT_FOUND);
    /* PsCreateThreadNotifyNonSystem: not for system threads. */
    OUTCOME(PsSetCreateThreadNotifyRoutineEx, "STATUS_SUCCESS", PsSetCreateThreadNotifyRoutineEx(0, ThreadRoutine) == STATUS_SUCCESS);
    RunThread(NULL);
    OUTCOME(PsSetCreateThreadNotifyRoutineEx, "system threads are not told of", Threads.Others == others && Threads.Created == 1);
    PsRemoveCreateThreadNotifyRoutine(ThreadRoutine);
}

/* ---- the limit of 64 routines ---- */

#define FILL(n) static VOID NTAPI Filler##n(HANDLE P, HANDLE T, BOOLEAN C) {}
FILL(0)
static VOID TestLimit(VOID)
{
    ULONG count = 0;
    NTSTATUS status;
    while ((status = PsSetCreateThreadNotifyRoutine(Filler0)) == STATUS_SUCCESS && count < 100)
        count++;
    OUTCOME(PsSetCreateThreadNotifyRoutine, "STATUS_INSUFFICIENT_RESOURCES beyond 64 routines", status == STATUS_INSUFFICIENT_RESOURCES && count == 64);
    OUTCOME(PsSetCreateThreadNotifyRoutineEx, "STATUS_INSUFFICIENT_RESOURCES beyond 64 routines", PsSetCreateThreadNotifyRoutineEx(0, ThreadRoutine) == STATUS_INSUFFICIENT_RESOURCES);
    while (count--)
        PsRemoveCreateThreadNotifyRoutine(Filler0);
    for (count = 0; (status = PsSetLoadImageNotifyRoutine((PVOID)Filler0)) == STATUS_SUCCESS && count < 100; count++)
        ;
    OUTCOME(PsSetLoadImageNotifyRoutine, "STATUS_INSUFFICIENT_RESOURCES beyond 64 routines", status == STATUS_INSUFFICIENT_RESOURCES && count == 64);
    OUTCOME(PsSetLoadImageNotifyRoutineEx, "STATUS_INSUFFICIENT_RESOURCES beyond 64 routines", PsSetLoadImageNotifyRoutineEx((PVOID)Filler0, 0) == STATUS_INSUFFICIENT_RESOURCES);
    while (count--)
        PsRemoveLoadImageNotifyRoutine((PVOID)Filler0);
}

/* ---- processes ---- */

static struct
{
    LONG Created, Deleted, ExCreated, ExDeleted;
    HANDLE Parent, Process, ExProcess;
    PVOID By;
    BOOLEAN InfoRight, ApcsDisabled;
    PEPROCESS Object;
    NTSTATUS Deny;
    KIRQL Irql;
} P;

static VOID NTAPI ProcessRoutine(HANDLE ParentId, HANDLE ProcessId, BOOLEAN Create)
{
    P.Irql = KeGetCurrentIrql();
    P.ApcsDisabled = KeAreApcsDisabled();
    if (Create)
    {
        P.Created++;
        P.Parent = ParentId;
        P.Process = ProcessId;
        P.By = PsGetCurrentThread();
    }
    else if (ProcessId == P.Process)
        P.Deleted++;
}

static VOID NTAPI ProcessRoutineEx(PEPROCESS Process, HANDLE ProcessId, CREATE_INFO *CreateInfo)
{
    if (!CreateInfo)
    {
        P.ExDeleted += ProcessId == P.ExProcess && Process == P.Object;
        return;
    }
    P.ExCreated++;
    P.ExProcess = ProcessId;
    P.Object = Process;
    P.InfoRight = CreateInfo->Size >= sizeof *CreateInfo && CreateInfo->ParentProcessId == PsGetCurrentProcessId() &&
                  CreateInfo->CreatingThreadId.UniqueThread == PsGetCurrentThreadId() && CreateInfo->CreationStatus == STATUS_SUCCESS;
    CreateInfo->CreationStatus = P.Deny;
}

/* A process of its own with one thread that ends when it may; the status of the thread's creation. */
static NTSTATUS RunProcess(VOID)
{
    HANDLE process, thread;
    PVOID object;
    NTSTATUS status = PsCreateSystemProcess(&process, PROCESS_ALL_ACCESS, NULL);
    if (!NT_SUCCESS(status))
        return status;
    KeClearEvent(&Go);
    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, process, NULL, Waits, NULL);
    if (NT_SUCCESS(status))
    {
        ObReferenceObjectByHandle(thread, SYNCHRONIZE, *PsThreadType, KernelMode, &object, NULL);
        KeSetEvent(&Go, 0, FALSE);
        KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(object);
        ZwClose(thread);
    }
    ZwClose(process);
    return status;
}

/* The extended routines are for images that were linked /INTEGRITYCHECK: the loader's entry of this driver says whether it was. */
static VOID SetIntegrity(PDRIVER_OBJECT DriverObject)
{
    *(ULONG *)((PUCHAR)DriverObject->DriverSection + 0x68) |= 0x20;
}

static VOID TestProcesses(PDRIVER_OBJECT DriverObject)
{
    OUTCOME(PsSetCreateProcessNotifyRoutine, "STATUS_SUCCESS", PsSetCreateProcessNotifyRoutine(ProcessRoutine, FALSE) == STATUS_SUCCESS);
    OUTCOME(PsSetCreateProcessNotifyRoutine, "STATUS_INVALID_PARAMETER for a routine that is registered already",
            PsSetCreateProcessNotifyRoutine(ProcessRoutine, FALSE) == STATUS_INVALID_PARAMETER);
    CHECK(NT_SUCCESS(RunProcess()));
    OUTCOME(PCREATE_PROCESS_NOTIFY_ROUTINE, "Create = TRUE with the ids of parent and process, in the thread that makes the first thread",
            P.Created == 1 && P.Parent == PsGetCurrentProcessId() && P.By == PsGetCurrentThread() && P.Process != P.Parent);
    OUTCOME(PCREATE_PROCESS_NOTIFY_ROUTINE, "Create = FALSE when the last thread ends", P.Deleted == 1);
    OUTCOME(PCREATE_PROCESS_NOTIFY_ROUTINE, "called at PASSIVE_LEVEL with normal kernel APCs disabled", P.Irql == PASSIVE_LEVEL && P.ApcsDisabled);
    OUTCOME(PsSetCreateProcessNotifyRoutine, "Remove = TRUE takes the routine back", PsSetCreateProcessNotifyRoutine(ProcessRoutine, TRUE) == STATUS_SUCCESS && NT_SUCCESS(RunProcess()) && P.Created == 1);

    OUTCOME(PsSetCreateProcessNotifyRoutineEx, "STATUS_ACCESS_DENIED for an image without the integrity flag",
            PsSetCreateProcessNotifyRoutineEx((PVOID)ProcessRoutineEx, FALSE) == STATUS_ACCESS_DENIED);
    SetIntegrity(DriverObject);
    OUTCOME(PsSetCreateProcessNotifyRoutineEx, "STATUS_SUCCESS", PsSetCreateProcessNotifyRoutineEx((PVOID)ProcessRoutineEx, FALSE) == STATUS_SUCCESS);
    OUTCOME(PsSetCreateProcessNotifyRoutineEx, "STATUS_INVALID_PARAMETER for a routine that is registered already",
            PsSetCreateProcessNotifyRoutineEx((PVOID)ProcessRoutineEx, FALSE) == STATUS_INVALID_PARAMETER);
    CHECK(NT_SUCCESS(RunProcess()));
    OUTCOME(PCREATE_PROCESS_NOTIFY_ROUTINE_EX, "CreateInfo says who creates the process", P.ExCreated == 1 && P.InfoRight);
    OUTCOME(PCREATE_PROCESS_NOTIFY_ROUTINE_EX, "CreateInfo is NULL when the process ends", P.ExDeleted == 1);
    P.Deny = STATUS_ACCESS_DENIED;
    OUTCOME(PCREATE_PROCESS_NOTIFY_ROUTINE_EX, "an error in CreationStatus makes the creation fail", RunProcess() == STATUS_ACCESS_DENIED && P.ExCreated == 2);
    P.Deny = STATUS_SUCCESS;
    OUTCOME(PsSetCreateProcessNotifyRoutineEx, "Remove = TRUE takes the routine back", PsSetCreateProcessNotifyRoutineEx((PVOID)ProcessRoutineEx, TRUE) == STATUS_SUCCESS && NT_SUCCESS(RunProcess()) && P.ExCreated == 2);
    OUTCOME(PsSetCreateProcessNotifyRoutineEx2, "PsCreateProcessNotifySubsystems: STATUS_SUCCESS, and the routine is called",
            PsSetCreateProcessNotifyRoutineEx2(0, ProcessRoutineEx, FALSE) == STATUS_SUCCESS && NT_SUCCESS(RunProcess()) && P.ExCreated == 3);
    OUTCOME(PsSetCreateProcessNotifyRoutineEx2, "STATUS_INVALID_PARAMETER for a routine that is registered already",
            PsSetCreateProcessNotifyRoutineEx2(0, ProcessRoutineEx, FALSE) == STATUS_INVALID_PARAMETER);
    OUTCOME(PsSetCreateProcessNotifyRoutineEx2, "STATUS_INVALID_PARAMETER for an unknown type", PsSetCreateProcessNotifyRoutineEx2(9, ProcessRoutineEx, FALSE) == STATUS_INVALID_PARAMETER);
    OUTCOME(PsSetCreateProcessNotifyRoutineEx2, "Remove = TRUE takes the routine back", PsSetCreateProcessNotifyRoutineEx2(0, ProcessRoutineEx, TRUE) == STATUS_SUCCESS && NT_SUCCESS(RunProcess()) && P.ExCreated == 3);
}

/* ---- images ---- */

static struct
{
    volatile LONG Called, ExCalled;
    BOOLEAN Name, Driver, Info, ApcsDisabled;
    KIRQL Irql;
    KEVENT Seen;
} Images;

static VOID NTAPI ImageRoutine(PUNICODE_STRING FullImageName, HANDLE ProcessId, PIMAGE_INFO ImageInfo)
{
    UNICODE_STRING tail;
    Images.Irql = KeGetCurrentIrql();
    Images.ApcsDisabled = KeAreApcsDisabled();
    tail.Buffer = FullImageName->Buffer + FullImageName->Length / sizeof(WCHAR) - 9;
    Images.Name = FullImageName->Length > 18 && RtlCompareMemory(tail.Buffer, L"hello.sys", 18) == 18;
    Images.Driver = ProcessId == NULL;
    Images.Info = ImageInfo->SystemModeImage && ImageInfo->ImageAddressingMode == IMAGE_ADDRESSING_MODE_32BIT && ImageInfo->ImageSize >= PAGE_SIZE &&
                  *(USHORT *)ImageInfo->ImageBase == 0x5a4d;
    InterlockedIncrement(&Images.Called);
    KeSetEvent(&Images.Seen, 0, FALSE);
}
static VOID NTAPI ImageRoutineEx(PUNICODE_STRING FullImageName, HANDLE ProcessId, PIMAGE_INFO ImageInfo)
{
    InterlockedIncrement(&Images.ExCalled);
}

static VOID NTAPI ImageTest(PVOID Context)
{
    KeWaitForSingleObject(&Images.Seen, Executive, KernelMode, FALSE, NULL);
    OUTCOME(PLOAD_IMAGE_NOTIFY_ROUTINE, "called with the full name of the image", Images.Called == 1 && Images.Name);
    OUTCOME(PLOAD_IMAGE_NOTIFY_ROUTINE, "ProcessId is NULL for a driver", Images.Driver);
    OUTCOME(PLOAD_IMAGE_NOTIFY_ROUTINE, "ImageInfo describes the mapped image", Images.Info);
    OUTCOME(PLOAD_IMAGE_NOTIFY_ROUTINE, "called at PASSIVE_LEVEL with normal kernel APCs disabled", Images.Irql == PASSIVE_LEVEL && Images.ApcsDisabled);
    OUTCOME(PsRemoveLoadImageNotifyRoutine, "STATUS_SUCCESS", PsRemoveLoadImageNotifyRoutine(ImageRoutine) == STATUS_SUCCESS);
    OUTCOME(PsRemoveLoadImageNotifyRoutine, "STATUS_PROCEDURE_NOT_FOUND for a routine that is not registered", PsRemoveLoadImageNotifyRoutine(ImageRoutine) == STATUS_PROCEDURE_NOT_FOUND);
    OUTCOME(PsSetLoadImageNotifyRoutineEx, "the routine is called", Images.ExCalled == 1);
    PsRemoveLoadImageNotifyRoutine(ImageRoutineEx);
    KtestDone();
}

static VOID TestImages(VOID)
{
    HANDLE thread;
    KeInitializeEvent(&Images.Seen, NotificationEvent, FALSE);
    OUTCOME(PsSetLoadImageNotifyRoutineEx, "STATUS_INVALID_PARAMETER_2 for an unknown flag", PsSetLoadImageNotifyRoutineEx(ImageRoutineEx, 0x80) == STATUS_INVALID_PARAMETER_2);
    OUTCOME(PsSetLoadImageNotifyRoutineEx, "STATUS_SUCCESS", PsSetLoadImageNotifyRoutineEx(ImageRoutineEx, 1) == STATUS_SUCCESS);
    OUTCOME(PsSetLoadImageNotifyRoutine, "STATUS_SUCCESS", PsSetLoadImageNotifyRoutine(ImageRoutine) == STATUS_SUCCESS);
    PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, ImageTest, NULL);
    ZwClose(thread);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("psnotify");
    DriverObject->DriverUnload = Unload;
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    TestThreads();
    TestLimit();
    TestProcesses(DriverObject);
    TestImages();
    return STATUS_SUCCESS;
}
