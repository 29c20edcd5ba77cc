// ktest: compiler=clang
/*
 * What a program sees that calls services by itself. The driver copies small routines into the process of the requester, in memory that can be run, and has its threads call them as
 * user APCs; run.ts says where the services of ntdll are. The routines use nothing but what their argument leads to. What they saw, the driver tells afterwards.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../kapc.h"

NTSTATUS NTAPI QueueApc(HANDLE Thread, PVOID Routine, PVOID A, PVOID B, PVOID C) __asm__("ZwQueueApcThread");

#define CODE(n) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (n), METHOD_BUFFERED, FILE_ANY_ACCESS)
#define KEY L"\\Registry\\Machine\\Software\\KtestRing3"
#define CURRENT_THREAD ((HANDLE)(LONG_PTR)-2)

/* In the order in which run.ts sends their addresses. */
typedef struct
{
    NTSTATUS(NTAPI *QueueApcThread)(HANDLE, PVOID, PVOID, PVOID, PVOID);
    NTSTATUS(NTAPI *TestAlert)(VOID);
    NTSTATUS(NTAPI *NotifyChangeKey)(HANDLE, HANDLE, PVOID, PVOID, PVOID, ULONG, BOOLEAN, PVOID, ULONG, BOOLEAN);
    NTSTATUS(NTAPI *SetValueKey)(HANDLE, PUNICODE_STRING, ULONG, ULONG, PVOID, ULONG);
    NTSTATUS(NTAPI *SetTimer)(HANDLE, PLARGE_INTEGER, PVOID, PVOID, BOOLEAN, LONG, PBOOLEAN);
    NTSTATUS(NTAPI *DelayExecution)(BOOLEAN, PLARGE_INTEGER);
    NTSTATUS(NTAPI *LoadDriver)(PUNICODE_STRING);
    NTSTATUS(NTAPI *QueryInformationToken)(HANDLE, ULONG, PVOID, ULONG, PULONG);
    NTSTATUS(NTAPI *SetInformationToken)(HANDLE, ULONG, PVOID, ULONG);
    NTSTATUS(NTAPI *SetInformationThread)(HANDLE, ULONG, PVOID, ULONG);
    NTSTATUS(NTAPI *QueryVirtualMemory)(HANDLE, PVOID, ULONG, PVOID, SIZE_T, PSIZE_T);
} SERVICES;

typedef struct SHARED
{
    SERVICES Call;
    HANDLE Key, Timer, Token, WeakToken, WeakProcess;
    PVOID OnApc, OnKey, OnTimer;
    UNICODE_STRING Name;
    WCHAR NameText[8];
    LARGE_INTEGER Soon, Long;
    IO_STATUS_BLOCK Iosb;
    /* What was seen. */
    NTSTATUS Queued, QueuedSystem, Watched, Changed, TimerSet, Slept, Loaded, TokenRead, TokenRefused, TokenRaised, ThreadRefused, MemoryRefused, KernelBuffer;
    ULONG Apcs, KeyApcs, TimerApcs, DriverApcs;
    PVOID Arguments[3], DriverArguments[3], KeyContext, KeyIosb;
    NTSTATUS KeyStatus;
    ULONG Elevation, Level, Done;
    HANDLE SystemThread;
} SHARED;

/* The state of the extended registers that a thread gave them, over sleeps during which another thread gives them another. */
typedef struct
{
    NTSTATUS(NTAPI *DelayExecution)(BOOLEAN, PLARGE_INTEGER);
    LARGE_INTEGER Nap;
    double Number;
    UCHAR Wide[32], WideAfter[32];
    double After;
    USHORT Control, ControlAfter;
    ULONG MxCsr, MxCsrAfter, Done;
} REGISTERS;

/* ---- what runs in ring 3: in a part of the code of its own, which the linker sorts by name ---- */
#define RING3 __attribute__((section(".text$ub"), noinline))
__attribute__((section(".text$ua"), noinline)) static VOID NTAPI Begin(VOID) { __asm__ volatile("nop"); }

RING3 static VOID NTAPI OnApc(PVOID a, PVOID b, PVOID c)
{
    SHARED *s = a;
    s->Apcs++;
    s->Arguments[0] = a;
    s->Arguments[1] = b;
    s->Arguments[2] = c;
}
RING3 static VOID NTAPI OnDriver(PVOID a, PVOID b, PVOID c)
{
    SHARED *s = a;
    s->DriverApcs++;
    s->DriverArguments[0] = a;
    s->DriverArguments[1] = b;
    s->DriverArguments[2] = c;
}
RING3 static VOID NTAPI OnKey(PVOID Context, PVOID Iosb, ULONG Reserved)
{
    SHARED *s = Context;
    (void)Reserved;
    s->KeyApcs++;
    s->KeyContext = Context;
    s->KeyIosb = Iosb;
    s->KeyStatus = ((PIO_STATUS_BLOCK)Iosb)->Status;
}
RING3 static VOID NTAPI OnTimer(PVOID Context, ULONG Low, LONG High)
{
    (void)Low;
    (void)High;
    ((SHARED *)Context)->TimerApcs++;
}

RING3 static VOID NTAPI Program(PVOID Context, PVOID Unused1, PVOID Unused2)
{
    SHARED *s = Context;
    ULONG value = 7, length, zero = 0;
    struct { PVOID Sid; ULONG Attributes; ULONG Text[5]; } label;
    UCHAR buffer[64];
    (void)Unused1;
    (void)Unused2;
    s->Queued = s->Call.QueueApcThread(CURRENT_THREAD, s->OnApc, s, (PVOID)2, (PVOID)3);
    s->QueuedSystem = s->Call.QueueApcThread(s->SystemThread, s->OnApc, s, 0, 0);
    s->Call.TestAlert();
    s->Watched = s->Call.NotifyChangeKey(s->Key, 0, s->OnKey, s, &s->Iosb, 4, 0, 0, 0, 1);
    s->Changed = s->Call.SetValueKey(s->Key, &s->Name, 0, 4, &value, 4);
    s->Call.TestAlert();
    s->TimerSet = s->Call.SetTimer(s->Timer, &s->Soon, s->OnTimer, s, 0, 0, 0);
    s->Slept = s->Call.DelayExecution(1, &s->Long);
    s->Loaded = s->Call.LoadDriver(&s->Name);
    s->TokenRead = s->Call.QueryInformationToken(s->Token, 20, &s->Elevation, 4, &length);
    s->Call.QueryInformationToken(s->Token, 25, &label, sizeof label, &length);
    s->Level = label.Text[3]; /* the SID lies behind SID_AND_ATTRIBUTES, its last number 8 bytes on */
    s->TokenRefused = s->Call.QueryInformationToken(s->WeakToken, 20, &value, 4, &length);
    value = 1;
    s->TokenRaised = s->Call.SetInformationToken(s->Token, 26, &value, 4);
    s->ThreadRefused = s->Call.SetInformationThread(CURRENT_THREAD, 18, &zero, 4);
    s->MemoryRefused = s->Call.QueryVirtualMemory(s->WeakProcess, s, 0, buffer, 48, 0);
    s->KernelBuffer = s->Call.QueryVirtualMemory((HANDLE)(LONG_PTR)-1, s, 0, (PVOID)0xFFFFF80000000000ULL, 48, 0);
    s->Done = 1;
}

RING3 static VOID NTAPI Registers(PVOID Context, PVOID Unused1, PVOID Unused2)
{
    REGISTERS *r = Context;
    ULONG i;
    (void)Unused1;
    (void)Unused2;
    /* x87, the upper halves of the vector registers, and MXCSR are the program's: nobody else may change them while it sleeps. */
    __asm__ volatile("fldcw %0\n\tldmxcsr %1\n\tfldl %2" : : "m"(r->Control), "m"(r->MxCsr), "m"(r->Number));
    __asm__ volatile("vmovups %0, %%ymm9" : : "m"(r->Wide) : "xmm9");
    for (i = 0; i < 6; i++)
        r->DelayExecution(0, &r->Nap);
    __asm__ volatile("vmovups %%ymm9, %0" : "=m"(r->WideAfter));
    __asm__ volatile("fstpl %0\n\tfnstcw %1\n\tstmxcsr %2" : "=m"(r->After), "=m"(r->ControlAfter), "=m"(r->MxCsrAfter));
    __asm__ volatile("vzeroupper\n\tfninit");
    r->Done = 1;
}
/* The end of what is copied. */
__attribute__((section(".text$uc"), noinline)) static VOID NTAPI End(VOID) { __asm__ volatile("nop"); }

/* ---- what runs in the kernel ---- */

static SHARED *Shared;
static REGISTERS *Sets[2];
static PIRP Waiting;
static PKTHREAD WaitingThread;
static PUCHAR Copy;

static PVOID InUser(PVOID Routine) { return Copy + ((PUCHAR)Routine - (PUCHAR)Begin); }

static PVOID UserMemory(SIZE_T Size, ULONG Protect)
{
    PVOID base = NULL;
    CHECK(ZwAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &Size, MEM_COMMIT | MEM_RESERVE, Protect) == STATUS_SUCCESS);
    return base;
}

static VOID NTAPI FreeApc(PKAPC Apc, PKNORMAL_ROUTINE *Routine, PVOID *Context, PVOID *A, PVOID *B)
{
    UNREFERENCED_PARAMETER(Routine);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(A);
    UNREFERENCED_PARAMETER(B);
    ExFreePoolWithTag(Apc, 'cpAK');
}

static VOID Run(PKTHREAD Thread, PVOID Routine, PVOID Context)
{
    PKAPC apc = ExAllocatePoolWithTag(NonPagedPool, sizeof *apc, 'cpAK');
    KeInitializeApc(apc, Thread, OriginalApcEnvironment, FreeApc, NULL, (PKNORMAL_ROUTINE)InUser(Routine), UserMode, Context);
    KeInsertQueueApc(apc, NULL, NULL, 0);
}

/* A handle of the program's own to an object of the kernel's. */
static HANDLE Give(PVOID Object, ACCESS_MASK Access, POBJECT_TYPE Type)
{
    HANDLE h = NULL;
    CHECK(ObOpenObjectByPointer(Object, 0, NULL, Access, Type, KernelMode, &h) == STATUS_SUCCESS);
    return h;
}

extern __declspec(dllimport) POBJECT_TYPE *PsThreadType, *PsProcessType, *SeTokenObjectType;

static VOID Prepare(PVOID Addresses)
{
    OBJECT_ATTRIBUTES a;
    UNICODE_STRING key = RTL_CONSTANT_STRING(KEY);
    PACCESS_TOKEN token = PsReferencePrimaryToken(PsGetCurrentProcess());
    ULONG size = (ULONG)((PUCHAR)End - (PUCHAR)Begin);
    CHECK((PUCHAR)Program > (PUCHAR)Begin && (PUCHAR)Program < (PUCHAR)End && size < 0x2000);
    Copy = UserMemory(size, PAGE_EXECUTE_READWRITE);
    RtlCopyMemory(Copy, (PVOID)Begin, size);
    Shared = UserMemory(sizeof *Shared, PAGE_READWRITE);
    RtlCopyMemory(&Shared->Call, Addresses, sizeof Shared->Call);
    InitializeObjectAttributes(&a, &key, OBJ_CASE_INSENSITIVE, NULL, NULL);
    CHECK(ZwCreateKey(&Shared->Key, KEY_ALL_ACCESS, &a, 0, NULL, 0, NULL) == STATUS_SUCCESS);
    InitializeObjectAttributes(&a, NULL, 0, NULL, NULL);
    CHECK(ZwCreateTimer(&Shared->Timer, 0x1F0003, &a, SynchronizationTimer) == STATUS_SUCCESS);
    Shared->Token = Give(token, TOKEN_QUERY | TOKEN_ADJUST_DEFAULT, *SeTokenObjectType);
    Shared->WeakToken = Give(token, READ_CONTROL, *SeTokenObjectType);
    Shared->WeakProcess = Give(PsGetCurrentProcess(), SYNCHRONIZE, *PsProcessType);
    PsDereferencePrimaryToken(token);
    {
        PETHREAD system = NULL;
        ULONG_PTR t;
        /* The first thread of the system that can be found. */
        for (t = 8; t < 200 && !system; t += 4)
            if (NT_SUCCESS(PsLookupThreadByThreadId((HANDLE)t, &system)) && !PsIsSystemThread(system))
            {
                ObDereferenceObject(system);
                system = NULL;
            }
        CHECK(system != NULL);
        Shared->SystemThread = Give(system, THREAD_ALL_ACCESS, *PsThreadType);
        ObDereferenceObject(system);
    }
    Shared->OnApc = InUser(OnApc);
    Shared->OnKey = InUser(OnKey);
    Shared->OnTimer = InUser(OnTimer);
    Shared->NameText[0] = L'v';
    Shared->Name.Buffer = Shared->NameText;
    Shared->Name.Length = Shared->Name.MaximumLength = sizeof(WCHAR);
    Shared->Soon.QuadPart = -50000;
    Shared->Long.QuadPart = -100000000LL;
    /* A driver has a program's thread call a routine: it does when it next waits alertably, with the three arguments. */
    OUTCOME(ZwQueueApcThread, "STATUS_SUCCESS for a thread of a program", QueueApc(CURRENT_THREAD, InUser(OnDriver), Shared, (PVOID)5, (PVOID)6) == STATUS_SUCCESS && Shared->DriverApcs == 0);
    OUTCOME(ZwQueueApcThread, "STATUS_INVALID_HANDLE for a thread of the system, which never runs in user mode", QueueApc(Shared->SystemThread, InUser(OnDriver), Shared, NULL, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwQueueApcThread, "STATUS_INVALID_HANDLE for what is no handle", QueueApc((HANDLE)0x7ffff0, InUser(OnDriver), Shared, NULL, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwQueueApcThread, "STATUS_OBJECT_TYPE_MISMATCH for what is no thread", QueueApc(NtCurrentProcess(), InUser(OnDriver), Shared, NULL, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    Run(KeGetCurrentThread(), Program, Shared);
}

/* The program calls the Nt routine of each; these are the driver's own forms of them. */
static VOID Exported(VOID)
{
    static const PCWSTR names[] = {L"ZwNotifyChangeKey", L"ZwSetTimer", L"ZwLoadDriver", L"ZwQueryInformationToken", L"ZwSetInformationToken", L"ZwSetInformationThread", L"ZwQueryVirtualMemory"};
    ULONG i;
    for (i = 0; i < RTL_NUMBER_OF(names); i++)
    {
        UNICODE_STRING name;
        RtlInitUnicodeString(&name, names[i]);
        CHECK(MmGetSystemRoutineAddress(&name) != NULL);
    }
}

static VOID Report(VOID)
{
    SHARED *s = Shared;
    HANDLE key = s->Key;
    Exported();
    CHECK(s->Done && s->Queued == STATUS_SUCCESS && s->Apcs == 1 && s->Arguments[0] == s && s->Arguments[1] == (PVOID)2 && s->Arguments[2] == (PVOID)3);
    OUTCOME(ZwQueueApcThread, "the routine is called once, in user mode, with the three arguments", s->DriverApcs == 1 && s->DriverArguments[0] == s && s->DriverArguments[1] == (PVOID)5 && s->DriverArguments[2] == (PVOID)6);
    CHECK(s->QueuedSystem == STATUS_INVALID_HANDLE);
    OUTCOME(ZwNotifyChangeKey, "a program's APC routine is called with its context and its status block", s->Watched == STATUS_PENDING && s->Changed == STATUS_SUCCESS && s->KeyApcs == 1 && s->KeyContext == s && s->KeyIosb == &s->Iosb && s->KeyStatus == 0x10C);
    OUTCOME(ZwSetTimer, "a program's routine ends an alertable wait", s->TimerSet == STATUS_SUCCESS && s->TimerApcs == 1 && s->Slept == STATUS_USER_APC);
    OUTCOME(ZwLoadDriver, "STATUS_PRIVILEGE_NOT_HELD for a program without the privilege", s->Loaded == STATUS_PRIVILEGE_NOT_HELD);
    OUTCOME(ZwQueryInformationToken, "TokenElevation", s->TokenRead == STATUS_SUCCESS && s->Elevation == 1 && s->Level == 0x3000);
    OUTCOME(ZwQueryInformationToken, "a program's handle without TOKEN_QUERY: STATUS_ACCESS_DENIED", s->TokenRefused == STATUS_ACCESS_DENIED);
    OUTCOME(ZwSetInformationToken, "a program that is not part of the trusted base: STATUS_PRIVILEGE_NOT_HELD", s->TokenRaised == STATUS_PRIVILEGE_NOT_HELD);
    OUTCOME(ZwSetInformationThread, "ThreadBreakOnTermination without the privilege: STATUS_PRIVILEGE_NOT_HELD", s->ThreadRefused == STATUS_PRIVILEGE_NOT_HELD);
    OUTCOME(ZwQueryVirtualMemory, "a program's handle without the right: STATUS_ACCESS_DENIED", s->MemoryRefused == STATUS_ACCESS_DENIED);
    OUTCOME(ZwQueryVirtualMemory, "STATUS_ACCESS_VIOLATION for a program's buffer that it cannot write", s->KernelBuffer == STATUS_ACCESS_VIOLATION);
    ZwDeleteKey(key);
}

/* The first of two threads waits in the program for its request, which is pending; the second finds it there, and both run. */
static NTSTATUS Both(PIRP Irp, BOOLEAN First)
{
    ULONG i, j;
    if (First)
    {
        Waiting = Irp;
        WaitingThread = KeGetCurrentThread();
        IoMarkIrpPending(Irp);
        return STATUS_PENDING;
    }
    for (i = 0; i < 2; i++)
    {
        REGISTERS *r = Sets[i] = UserMemory(sizeof *r, PAGE_READWRITE);
        r->DelayExecution = Shared->Call.DelayExecution;
        r->Nap.QuadPart = -20000;
        r->Number = i ? 2.5 : -17.25;
        r->Control = i ? 0x37F : 0x27F;
        r->MxCsr = i ? 0x1F80 : 0x7F80;
        for (j = 0; j < sizeof r->Wide; j++)
            r->Wide[j] = (UCHAR)(j * 5 + i * 100 + 1);
        Run(i ? KeGetCurrentThread() : WaitingThread, Registers, r);
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID Kept(VOID)
{
    ULONG i;
    for (i = 0; i < 2; i++)
    {
        REGISTERS *r = Sets[i];
        CHECK(r->Done);
        CHECK(r->After == r->Number && r->ControlAfter == r->Control);
        CHECK(r->MxCsrAfter == r->MxCsr);
        CHECK(RtlCompareMemory(r->Wide, r->WideAfter, sizeof r->Wide) == sizeof r->Wide);
    }
    Waiting->IoStatus.Status = STATUS_SUCCESS;
    Waiting->IoStatus.Information = 0;
    IoCompleteRequest(Waiting, IO_NO_INCREMENT);
}

static NTSTATUS NTAPI Control(PDEVICE_OBJECT Device, PIRP Irp)
{
    ULONG code = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode;
    UNREFERENCED_PARAMETER(Device);
    if (code == CODE(2) || code == CODE(3))
        return Both(Irp, code == CODE(2));
    if (code == CODE(0))
        Prepare(Irp->AssociatedIrp.SystemBuffer);
    else if (code == CODE(1))
        Report();
    else if (code == CODE(4))
        Kept();
    else
        KtestDone();
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI Okay(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* A device that only the SIDs given may open. */
static PDEVICE_OBJECT Guarded(PDRIVER_OBJECT Driver, PCWSTR Name, PSID First, PSID Second)
{
    static UCHAR space[2][256] __attribute__((aligned(8)));
    static ULONG used;
    PACL acl = (PACL)space[used++];
    UNICODE_STRING name;
    PDEVICE_OBJECT device = NULL;
    SECURITY_DESCRIPTOR sd;
    HANDLE h = NULL;
    RtlInitUnicodeString(&name, Name);
    CHECK(IoCreateDevice(Driver, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device) == STATUS_SUCCESS);
    RtlCreateAcl(acl, sizeof space[0], ACL_REVISION);
    RtlAddAccessAllowedAce(acl, ACL_REVISION, GENERIC_ALL, First);
    if (Second)
        RtlAddAccessAllowedAce(acl, ACL_REVISION, GENERIC_ALL, Second);
    RtlCreateSecurityDescriptor(&sd, SECURITY_DESCRIPTOR_REVISION);
    RtlSetDaclSecurityDescriptor(&sd, TRUE, acl, FALSE);
    CHECK(ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode, &h) == STATUS_SUCCESS);
    OUTCOME(ZwSetSecurityObject, "a DACL decides who may open a device", ZwSetSecurityObject(h, DACL_SECURITY_INFORMATION, &sd) == STATUS_SUCCESS);
    ZwClose(h);
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return device;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static SID system = {1, 1, {SECURITY_NT_AUTHORITY}, {18}};
    static struct { UCHAR Revision, Count; SID_IDENTIFIER_AUTHORITY Authority; ULONG Sub[2]; } admins = {1, 2, {SECURITY_NT_AUTHORITY}, {32, 544}};
    UNICODE_STRING name;
    PDEVICE_OBJECT device;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = DriverObject->MajorFunction[IRP_MJ_CLEANUP] = Okay;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    KtestBegin("ring3");
    CHECK(KtestCase == 0);
    RtlInitUnicodeString(&name, L"\\Device\\KtestRing3");
    CHECK(IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    Guarded(DriverObject, L"\\Device\\KtestSystemOnly", &system, NULL);
    Guarded(DriverObject, L"\\Device\\KtestAdminsOnly", &system, (PSID)&admins);
    return STATUS_SUCCESS;
}
