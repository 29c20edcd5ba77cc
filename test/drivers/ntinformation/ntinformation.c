/*
 * Processes, threads, the system and sections by the Nt names, and a thread that sleeps by ZwDelayExecution. What a program may: run.ts sends a request, in whose dispatch routine the previous mode
 * is UserMode, so that the Nt forms look at rights and at addresses.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"
#include "../io.h"

NTSTATUS NTAPI ZwDelayExecution(BOOLEAN Alertable, PLARGE_INTEGER Interval);
NTSTATUS NTAPI ZwAlertThread(HANDLE Thread);
NTSTATUS NTAPI AskProcess(HANDLE Process, ULONG Class, PVOID Information, ULONG Length, PULONG Needed) __asm__("NtQueryInformationProcess");
NTSTATUS NTAPI AskThread(HANDLE Thread, ULONG Class, PVOID Information, ULONG Length, PULONG Needed) __asm__("NtQueryInformationThread");
NTSTATUS NTAPI SetProcess(HANDLE Process, ULONG Class, PVOID Information, ULONG Length) __asm__("NtSetInformationProcess");
NTSTATUS NTAPI SetThread(HANDLE Thread, ULONG Class, PVOID Information, ULONG Length) __asm__("NtSetInformationThread");
NTSTATUS NTAPI AskSystem(ULONG Class, PVOID Information, ULONG Length, PULONG Needed) __asm__("NtQuerySystemInformation");
NTSTATUS NTAPI NewSection(PHANDLE Section, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, PLARGE_INTEGER Size, ULONG Protect, ULONG Kind, HANDLE File) __asm__("NtCreateSection");
NTSTATUS NTAPI Map(HANDLE Section, HANDLE Process, PVOID *Base, ULONG_PTR ZeroBits, SIZE_T Commit, PLARGE_INTEGER Offset, PSIZE_T Size, ULONG Inherit, ULONG Type, ULONG Protect) __asm__("NtMapViewOfSection");
UCHAR NTAPI PsGetProcessPriorityClass(PEPROCESS Process);

#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)
#define MAP_WRITE 2
#define MAP_READ 4

/* PROCESSINFOCLASS, THREADINFOCLASS, SYSTEM_INFORMATION_CLASS. */
enum { ProcessBasic = 0, HardErrorMode = 12, PriorityClass = 18, DebugPort = 7 };
enum { ThreadBasic = 0, ThreadPriorityClass = 2, ThreadTerminated = 20 };
enum { SystemBasic = 0, SystemModules = 11 };

static UCHAR Buffer[1024] __attribute__((aligned(8)));
#define AT(type, offset) (*(type *)(Buffer + (offset)))
static ULONG Length;
static PDEVICE_OBJECT Device;

static VOID NTAPI Alert(PVOID Thread)
{
    HANDLE handle = NULL;
    CHECK(NT_SUCCESS(ObOpenObjectByPointer(Thread, OBJ_KERNEL_HANDLE, NULL, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &handle)));
    SleepMs(5);
    ZwAlertThread(handle);
    ZwClose(handle);
}

static VOID Sleeping(VOID)
{
    LARGE_INTEGER time = MsFromNow(5), now;
    ULONGLONG before = Now();
    NTSTATUS status = ZwDelayExecution(FALSE, &time);
    OUTCOME(ZwDelayExecution, "STATUS_SUCCESS after the interval", status == STATUS_SUCCESS && Now() - before >= 50000);
    KeQuerySystemTime(&now);
    time.QuadPart = now.QuadPart + 100000;
    before = Now();
    status = ZwDelayExecution(FALSE, &time);
    OUTCOME(ZwDelayExecution, "STATUS_SUCCESS at an absolute time", status == STATUS_SUCCESS && Now() - before >= 50000);
    time.QuadPart = now.QuadPart - 100000;
    before = Now();
    status = ZwDelayExecution(FALSE, &time);
    OUTCOME(ZwDelayExecution, "STATUS_SUCCESS at once for an absolute time that has passed", status == STATUS_SUCCESS && Now() - before < 1000000);
    time = MsFromNow(5000);
    before = Now();
    PKTHREAD other = StartThread(Alert, KeGetCurrentThread());
    status = ZwDelayExecution(TRUE, &time);
    OUTCOME(ZwDelayExecution, "STATUS_ALERTED when the thread is alerted and the sleep is alertable", status == STATUS_ALERTED && Now() - before < 40000000);
    JoinThread(other);
    time = MsFromNow(30);
    before = Now();
    other = StartThread(Alert, KeGetCurrentThread());
    status = ZwDelayExecution(FALSE, &time);
    OUTCOME(ZwDelayExecution, "an alert does not end a sleep that is not alertable", status == STATUS_SUCCESS && Now() - before >= 300000);
    JoinThread(other);
    /* The alert is still there: the next alertable sleep takes it. */
    time = MsFromNow(5000);
    CHECK(ZwDelayExecution(TRUE, &time) == STATUS_ALERTED);
}

static VOID Processes(VOID)
{
    ULONG mode = 0, other;
    UCHAR class[2] = {0, 4}, before = PsGetProcessPriorityClass(PsGetCurrentProcess());
    NTSTATUS status = AskProcess(ZwCurrentProcess(), ProcessBasic, Buffer, sizeof Buffer, &Length);
    OUTCOME(NtQueryInformationProcess, "STATUS_SUCCESS, ProcessBasicInformation: the process's id", status == STATUS_SUCCESS && Length == 0x30 && AT(HANDLE, 0x20) == PsGetCurrentProcessId());
    Length = 0;
    OUTCOME(NtQueryInformationProcess, "STATUS_INFO_LENGTH_MISMATCH and the length for too small a buffer", AskProcess(ZwCurrentProcess(), ProcessBasic, Buffer, 8, &Length) == STATUS_INFO_LENGTH_MISMATCH && Length == 0x30);
    OUTCOME(NtQueryInformationProcess, "STATUS_INVALID_INFO_CLASS for a class that there is not", AskProcess(ZwCurrentProcess(), 9999, Buffer, sizeof Buffer, &Length) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(NtQueryInformationProcess, "STATUS_INVALID_HANDLE for what is no handle", AskProcess(NO_HANDLE, ProcessBasic, Buffer, sizeof Buffer, &Length) == STATUS_INVALID_HANDLE);
    OUTCOME(NtQueryInformationProcess, "STATUS_OBJECT_TYPE_MISMATCH for what is no process", AskProcess(ZwCurrentThread(), ProcessBasic, Buffer, sizeof Buffer, &Length) == STATUS_OBJECT_TYPE_MISMATCH);

    CHECK(AskProcess(ZwCurrentProcess(), HardErrorMode, &mode, sizeof mode, NULL) == STATUS_SUCCESS);
    other = mode ^ 1;
    status = SetProcess(ZwCurrentProcess(), HardErrorMode, &other, sizeof other);
    OUTCOME(NtSetInformationProcess, "STATUS_SUCCESS, the mode of hard errors", status == STATUS_SUCCESS && AskProcess(ZwCurrentProcess(), HardErrorMode, &Length, sizeof Length, NULL) == STATUS_SUCCESS && Length == other);
    SetProcess(ZwCurrentProcess(), HardErrorMode, &mode, sizeof mode);
    status = SetProcess(ZwCurrentProcess(), PriorityClass, class, sizeof class);
    OUTCOME(NtSetInformationProcess, "STATUS_SUCCESS, the priority class", status == STATUS_SUCCESS && PsGetProcessPriorityClass(PsGetCurrentProcess()) == 4);
    class[1] = before;
    SetProcess(ZwCurrentProcess(), PriorityClass, class, sizeof class);
    class[1] = 77;
    OUTCOME(NtSetInformationProcess, "STATUS_INVALID_PARAMETER for a priority class that there is not", SetProcess(ZwCurrentProcess(), PriorityClass, class, sizeof class) == STATUS_INVALID_PARAMETER && PsGetProcessPriorityClass(PsGetCurrentProcess()) == before);
    OUTCOME(NtSetInformationProcess, "STATUS_INFO_LENGTH_MISMATCH for a wrong length", SetProcess(ZwCurrentProcess(), HardErrorMode, &mode, 2) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(NtSetInformationProcess, "STATUS_INVALID_INFO_CLASS for a class that there is not", SetProcess(ZwCurrentProcess(), 9999, &mode, sizeof mode) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(NtSetInformationProcess, "STATUS_INVALID_HANDLE for what is no handle", SetProcess(NO_HANDLE, HardErrorMode, &mode, sizeof mode) == STATUS_INVALID_HANDLE);
    OUTCOME(NtSetInformationProcess, "STATUS_OBJECT_TYPE_MISMATCH for what is no process", SetProcess(ZwCurrentThread(), HardErrorMode, &mode, sizeof mode) == STATUS_OBJECT_TYPE_MISMATCH);
}

static VOID Threads(VOID)
{
    LONG priority = 12, bad = 99, before = KeQueryPriorityThread(KeGetCurrentThread());
    ULONG gone = 9;
    NTSTATUS status = AskThread(ZwCurrentThread(), ThreadBasic, Buffer, sizeof Buffer, &Length);
    /* THREAD_BASIC_INFORMATION: status, TEB, ids, ... */
    OUTCOME(NtQueryInformationThread, "STATUS_SUCCESS, ThreadBasicInformation: the ids", status == STATUS_SUCCESS && Length == 0x30 && AT(HANDLE, 0x10) == PsGetCurrentProcessId() && AT(HANDLE, 0x18) == PsGetCurrentThreadId());
    OUTCOME(NtQueryInformationThread, "STATUS_SUCCESS, ThreadIsTerminated: not this one", AskThread(ZwCurrentThread(), ThreadTerminated, &gone, sizeof gone, NULL) == STATUS_SUCCESS && gone == 0);
    OUTCOME(NtQueryInformationThread, "STATUS_INFO_LENGTH_MISMATCH for too small a buffer", AskThread(ZwCurrentThread(), ThreadBasic, Buffer, 8, &Length) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(NtQueryInformationThread, "STATUS_INVALID_INFO_CLASS for a class that there is not", AskThread(ZwCurrentThread(), 9999, Buffer, sizeof Buffer, &Length) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(NtQueryInformationThread, "STATUS_INVALID_HANDLE for what is no handle", AskThread(NO_HANDLE, ThreadBasic, Buffer, sizeof Buffer, &Length) == STATUS_INVALID_HANDLE);
    OUTCOME(NtQueryInformationThread, "STATUS_OBJECT_TYPE_MISMATCH for what is no thread", AskThread(ZwCurrentProcess(), ThreadBasic, Buffer, sizeof Buffer, &Length) == STATUS_OBJECT_TYPE_MISMATCH);
    status = SetThread(ZwCurrentThread(), ThreadPriorityClass, &priority, sizeof priority);
    OUTCOME(NtSetInformationThread, "STATUS_SUCCESS, ThreadPriority", status == STATUS_SUCCESS && KeQueryPriorityThread(KeGetCurrentThread()) == 12);
    OUTCOME(NtSetInformationThread, "STATUS_INVALID_PARAMETER for a priority that there is not", SetThread(ZwCurrentThread(), ThreadPriorityClass, &bad, sizeof bad) == STATUS_INVALID_PARAMETER && KeQueryPriorityThread(KeGetCurrentThread()) == 12);
    OUTCOME(NtSetInformationThread, "STATUS_INFO_LENGTH_MISMATCH for a wrong length", SetThread(ZwCurrentThread(), ThreadPriorityClass, &priority, 3) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(NtSetInformationThread, "STATUS_INVALID_INFO_CLASS for a class that there is not", SetThread(ZwCurrentThread(), 9999, &priority, sizeof priority) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(NtSetInformationThread, "STATUS_INVALID_HANDLE for what is no handle", SetThread(NO_HANDLE, ThreadPriorityClass, &priority, sizeof priority) == STATUS_INVALID_HANDLE);
    OUTCOME(NtSetInformationThread, "STATUS_OBJECT_TYPE_MISMATCH for what is no thread", SetThread(ZwCurrentProcess(), ThreadPriorityClass, &priority, sizeof priority) == STATUS_OBJECT_TYPE_MISMATCH);
    SetThread(ZwCurrentThread(), ThreadPriorityClass, &before, sizeof before);
}

static VOID Systems(VOID)
{
    NTSTATUS status = AskSystem(SystemBasic, Buffer, sizeof Buffer, &Length);
    /* SYSTEM_BASIC_INFORMATION: ..., page size at 8, processors at 38h. */
    OUTCOME(NtQuerySystemInformation, "STATUS_SUCCESS, SystemBasicInformation: page size and processors", status == STATUS_SUCCESS && Length == 0x40 && AT(ULONG, 8) == PAGE_SIZE && AT(UCHAR, 0x38) == KtestProcessors);
    Length = 0;
    OUTCOME(NtQuerySystemInformation, "STATUS_INFO_LENGTH_MISMATCH and the length for too small a buffer", AskSystem(SystemModules, NULL, 0, &Length) == STATUS_INFO_LENGTH_MISMATCH && Length >= 296);
    OUTCOME(NtQuerySystemInformation, "STATUS_INVALID_INFO_CLASS for a class that there is not", AskSystem(9999, Buffer, sizeof Buffer, &Length) == STATUS_INVALID_INFO_CLASS);
}

/* A section of two pages by the Nt name, in kernel mode. */
static VOID Sections(VOID)
{
    HANDLE section = NULL, none;
    LARGE_INTEGER size, zero = {{0, 0}}, offset;
    OBJECT_ATTRIBUTES a;
    PVOID first = NULL, second = NULL;
    SIZE_T whole = 0, part = 0;
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    size.QuadPart = 2 * PAGE_SIZE;
    NTSTATUS status = NewSection(&section, SECTION_ALL_ACCESS, &a, &size, PAGE_READWRITE, SEC_COMMIT, NULL);
    OUTCOME(NtCreateSection, "STATUS_SUCCESS and a handle", status == STATUS_SUCCESS && section != NULL);
    OUTCOME(NtCreateSection, "STATUS_INVALID_PAGE_PROTECTION for a protection that is not valid", NewSection(&none, SECTION_ALL_ACCESS, &a, &size, 3, SEC_COMMIT, NULL) == STATUS_INVALID_PAGE_PROTECTION);
    OUTCOME(NtCreateSection, "STATUS_INVALID_PARAMETER_4 without a size", NewSection(&none, SECTION_ALL_ACCESS, &a, &zero, PAGE_READWRITE, SEC_COMMIT, NULL) == STATUS_INVALID_PARAMETER_4);
    OUTCOME(NtCreateSection, "STATUS_INVALID_PARAMETER_6 for attributes that are not valid", NewSection(&none, SECTION_ALL_ACCESS, &a, &size, PAGE_READWRITE, 0, NULL) == STATUS_INVALID_PARAMETER_6);
    OUTCOME(NtCreateSection, "STATUS_INVALID_HANDLE for a file handle that is none", NewSection(&none, SECTION_ALL_ACCESS, &a, &size, PAGE_READWRITE, SEC_COMMIT, NO_HANDLE) == STATUS_INVALID_HANDLE);

    status = Map(section, ZwCurrentProcess(), &first, 0, 0, NULL, &whole, ViewUnmap, 0, PAGE_READWRITE);
    OUTCOME(NtMapViewOfSection, "STATUS_SUCCESS with base and size of the view", status == STATUS_SUCCESS && first != NULL && whole == 2 * PAGE_SIZE);
    offset.QuadPart = PAGE_SIZE;
    status = Map(section, ZwCurrentProcess(), &second, 0, 0, &offset, &part, ViewUnmap, 0, PAGE_READONLY);
    ((volatile UCHAR *)first)[PAGE_SIZE + 3] = 0x5a;
    OUTCOME(NtMapViewOfSection, "a view from an offset on shows the same memory", status == STATUS_SUCCESS && part == PAGE_SIZE && ((volatile UCHAR *)second)[3] == 0x5a);
    CHECK(ZwUnmapViewOfSection(ZwCurrentProcess(), second) == STATUS_SUCCESS);
    second = first;
    part = PAGE_SIZE;
    OUTCOME(NtMapViewOfSection, "STATUS_CONFLICTING_ADDRESSES for addresses that are taken", Map(section, ZwCurrentProcess(), &second, 0, 0, NULL, &part, ViewUnmap, 0, PAGE_READWRITE) == STATUS_CONFLICTING_ADDRESSES);
    second = NULL;
    part = 3 * PAGE_SIZE;
    OUTCOME(NtMapViewOfSection, "STATUS_INVALID_VIEW_SIZE beyond the end of the section", Map(section, ZwCurrentProcess(), &second, 0, 0, NULL, &part, ViewUnmap, 0, PAGE_READWRITE) == STATUS_INVALID_VIEW_SIZE);
    part = 0;
    OUTCOME(NtMapViewOfSection, "STATUS_SECTION_PROTECTION for a protection that the section does not allow", Map(section, ZwCurrentProcess(), &second, 0, 0, NULL, &part, ViewUnmap, 0, PAGE_EXECUTE_READWRITE) == STATUS_SECTION_PROTECTION);
    OUTCOME(NtMapViewOfSection, "STATUS_INVALID_PAGE_PROTECTION for a protection that is not valid", Map(section, ZwCurrentProcess(), &second, 0, 0, NULL, &part, ViewUnmap, 0, 3) == STATUS_INVALID_PAGE_PROTECTION);
    OUTCOME(NtMapViewOfSection, "STATUS_INVALID_PARAMETER_8 for what is neither ViewShare nor ViewUnmap", Map(section, ZwCurrentProcess(), &second, 0, 0, NULL, &part, 0, 0, PAGE_READWRITE) == STATUS_INVALID_PARAMETER_8);
    OUTCOME(NtMapViewOfSection, "STATUS_INVALID_HANDLE for what is no handle", Map(NO_HANDLE, ZwCurrentProcess(), &second, 0, 0, NULL, &part, ViewUnmap, 0, PAGE_READWRITE) == STATUS_INVALID_HANDLE);
    OUTCOME(NtMapViewOfSection, "STATUS_OBJECT_TYPE_MISMATCH for what is no section", Map(ZwCurrentThread(), ZwCurrentProcess(), &second, 0, 0, NULL, &part, ViewUnmap, 0, PAGE_READWRITE) == STATUS_OBJECT_TYPE_MISMATCH);
    CHECK(ZwUnmapViewOfSection(ZwCurrentProcess(), first) == STATUS_SUCCESS);
    ZwClose(section);
}

/* A handle of the program's own to an object, with few rights. */
static HANDLE Weak(PVOID Object, POBJECT_TYPE Type, ACCESS_MASK Access)
{
    HANDLE handle = NULL;
    CHECK(ObOpenObjectByPointer(Object, 0, NULL, Access, Type, KernelMode, &handle) == STATUS_SUCCESS);
    return handle;
}

/* In the name of a program; `User` is a buffer of its own. */
static VOID FromUserMode(PUCHAR User)
{
    HANDLE process = Weak(PsGetCurrentProcess(), *PsProcessType, SYNCHRONIZE), thread = Weak(PsGetCurrentThread(), *PsThreadType, SYNCHRONIZE);
    HANDLE modest = Weak(PsGetCurrentProcess(), *PsProcessType, 0x1000 /* PROCESS_QUERY_LIMITED_INFORMATION */);
    PULONG length = (PULONG)User;
    PVOID room = User + 16;
    OUTCOME(NtQueryInformationProcess, "from user mode, STATUS_ACCESS_DENIED for a handle without the right", AskProcess(process, ProcessBasic, room, 0x30, length) == STATUS_ACCESS_DENIED);
    NTSTATUS status = AskProcess(modest, ProcessBasic, room, 0x30, length);
    OUTCOME(NtQueryInformationProcess, "from user mode, PROCESS_QUERY_LIMITED_INFORMATION is enough for most classes, and not for the debug port", status == STATUS_SUCCESS && *length == 0x30 && ((PHANDLE)room)[4] == PsGetCurrentProcessId() && AskProcess(modest, DebugPort, room, 8, length) == STATUS_ACCESS_DENIED);
    OUTCOME(NtQueryInformationProcess, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", AskProcess(ZwCurrentProcess(), ProcessBasic, Buffer, 0x30, length) == STATUS_ACCESS_VIOLATION);
    OUTCOME(NtQueryInformationThread, "from user mode, STATUS_ACCESS_DENIED for a handle without the right", AskThread(thread, ThreadBasic, room, 0x30, length) == STATUS_ACCESS_DENIED);
    OUTCOME(NtQueryInformationThread, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", AskThread(ZwCurrentThread(), ThreadBasic, Buffer, 0x30, length) == STATUS_ACCESS_VIOLATION);
    *(PULONG)room = 1;
    OUTCOME(NtSetInformationProcess, "from user mode, STATUS_ACCESS_DENIED for a handle without the right", SetProcess(modest, HardErrorMode, room, 4) == STATUS_ACCESS_DENIED);
    OUTCOME(NtSetInformationProcess, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", SetProcess(ZwCurrentProcess(), HardErrorMode, Buffer, 4) == STATUS_ACCESS_VIOLATION);
    OUTCOME(NtSetInformationThread, "from user mode, STATUS_ACCESS_DENIED for a handle without the right", SetThread(thread, ThreadPriorityClass, room, 4) == STATUS_ACCESS_DENIED);
    OUTCOME(NtSetInformationThread, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", SetThread(ZwCurrentThread(), ThreadPriorityClass, Buffer, 4) == STATUS_ACCESS_VIOLATION);
    OUTCOME(NtQuerySystemInformation, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", AskSystem(SystemBasic, Buffer, 0x40, length) == STATUS_ACCESS_VIOLATION);
    OUTCOME(NtQuerySystemInformation, "from user mode, STATUS_SUCCESS with a buffer of its own", AskSystem(SystemBasic, room, 0x40, length) == STATUS_SUCCESS && ((PULONG)room)[2] == PAGE_SIZE);

    PHANDLE section = (PHANDLE)User;
    PLARGE_INTEGER size = (PLARGE_INTEGER)(User + 8);
    PVOID *base = (PVOID *)(User + 16);
    PSIZE_T bytes = (PSIZE_T)(User + 24);
    size->QuadPart = PAGE_SIZE;
    OUTCOME(NtCreateSection, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", NewSection((PHANDLE)Buffer, SECTION_ALL_ACCESS, NULL, size, PAGE_READWRITE, SEC_COMMIT, NULL) == STATUS_ACCESS_VIOLATION);
    status = NewSection(section, MAP_READ, NULL, size, PAGE_READWRITE, SEC_COMMIT, NULL);
    OUTCOME(NtCreateSection, "from user mode, STATUS_SUCCESS and a handle with the rights that were asked for", status == STATUS_SUCCESS && *section != NULL);
    *base = NULL;
    *bytes = 0;
    OUTCOME(NtMapViewOfSection, "from user mode, STATUS_ACCESS_DENIED for a view to write through a handle for reading", Map(*section, ZwCurrentProcess(), base, 0, 0, NULL, bytes, ViewUnmap, 0, PAGE_READWRITE) == STATUS_ACCESS_DENIED);
    OUTCOME(NtMapViewOfSection, "from user mode, STATUS_ACCESS_DENIED for a process handle without PROCESS_VM_OPERATION", Map(*section, modest, base, 0, 0, NULL, bytes, ViewUnmap, 0, PAGE_READONLY) == STATUS_ACCESS_DENIED);
    OUTCOME(NtMapViewOfSection, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", Map(*section, ZwCurrentProcess(), (PVOID *)Buffer, 0, 0, NULL, bytes, ViewUnmap, 0, PAGE_READONLY) == STATUS_ACCESS_VIOLATION);
    status = Map(*section, ZwCurrentProcess(), base, 0, 0, NULL, bytes, ViewUnmap, 0, PAGE_READONLY);
    OUTCOME(NtMapViewOfSection, "from user mode, with the right: a view of the program's", status == STATUS_SUCCESS && *bytes == PAGE_SIZE && *(volatile UCHAR *)*base == 0);
    CHECK(ZwUnmapViewOfSection(ZwCurrentProcess(), *base) == STATUS_SUCCESS);
    ZwClose(*section);
    ZwClose(process);
    ZwClose(modest);
    ZwClose(thread);
}

static NTSTATUS NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    CHECK(ExGetPreviousMode() == UserMode);
    FromUserMode(Irp->UserBuffer);
    KtestDone();
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI Create(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    IoDeleteDevice(Device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("ntinformation");
    Device = NewDevice(DriverObject, L"\\Device\\KtestInformation", 0);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Create;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    DriverObject->DriverUnload = Unload;
    Sleeping();
    Processes();
    Threads();
    Systems();
    Sections();
    return STATUS_SUCCESS;
}
