/*
 * The security of files: a file system is asked for it by IRP_MJ_QUERY_SECURITY and IRP_MJ_SET_SECURITY. The driver is a file system with three files: one with a descriptor, one whose
 * requests are completed later, one of which it knows nothing.
 */
#include <ntifs.h>
#include "../ktest.h"

static PDEVICE_OBJECT Device;
static UCHAR Held[512] __attribute__((aligned(8)));
static ULONG HeldLength, Queries, Sets, LastInformation, LastLength;
static BOOLEAN Direct;
static SID World = {1, 1, {SECURITY_WORLD_SID_AUTHORITY}, {0}};
static SID LogonService = {1, 1, {SECURITY_NT_AUTHORITY}, {6}};

static NTSTATUS Done(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS NTAPI Open(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    UNREFERENCED_PARAMETER(DeviceObject);
    if (IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_CREATE)
        file->FsContext = (PVOID)(ULONG_PTR)(file->FileName.Length ? file->FileName.Buffer[1] : 0);
    return Done(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS Answer(PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    if (stack->MajorFunction == IRP_MJ_QUERY_SECURITY)
    {
        Queries++;
        LastInformation = stack->Parameters.QuerySecurity.SecurityInformation;
        LastLength = stack->Parameters.QuerySecurity.Length;
        if (LastLength < HeldLength)
            return Done(Irp, STATUS_BUFFER_OVERFLOW, HeldLength);
        RtlCopyMemory(Irp->UserBuffer, Held, HeldLength);
        return Done(Irp, STATUS_SUCCESS, HeldLength);
    }
    Sets++;
    LastInformation = stack->Parameters.SetSecurity.SecurityInformation;
    HeldLength = sizeof Held;
    return Done(Irp, RtlAbsoluteToSelfRelativeSD(stack->Parameters.SetSecurity.SecurityDescriptor, Held, &HeldLength), 0);
}

static VOID NTAPI Later(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PIO_WORKITEM item = ((PIRP)Context)->Tail.Overlay.DriverContext[0];
    UNREFERENCED_PARAMETER(DeviceObject);
    Answer(Context);
    IoFreeWorkItem(item);
}

static NTSTATUS NTAPI Security(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    WCHAR name = (WCHAR)(ULONG_PTR)IoGetCurrentIrpStackLocation(Irp)->FileObject->FsContext;
    PIO_WORKITEM item;
    if (name == 0)
        Direct = TRUE;
    if (name == L'u')
        return Done(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    if (name != L's')
        return Answer(Irp);
    item = IoAllocateWorkItem(DeviceObject);
    Irp->Tail.Overlay.DriverContext[0] = item;
    IoMarkIrpPending(Irp);
    IoQueueWorkItem(item, Later, DelayedWorkQueue, Irp);
    return STATUS_PENDING;
}

static HANDLE OpenFile(PCWSTR Path)
{
    HANDLE h = NULL;
    UNICODE_STRING path;
    OBJECT_ATTRIBUTES a;
    IO_STATUS_BLOCK iosb;
    RtlInitUnicodeString(&path, Path);
    InitializeObjectAttributes(&a, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwOpenFile(&h, READ_CONTROL | WRITE_DAC | WRITE_OWNER | SYNCHRONIZE, &a, &iosb, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_SYNCHRONOUS_IO_NONALERT) == STATUS_SUCCESS);
    return h;
}

static VOID Files(VOID)
{
    HANDLE file = OpenFile(L"\\Device\\KtestSecured\\file"), slow = OpenFile(L"\\Device\\KtestSecured\\slow"), unknown = OpenFile(L"\\Device\\KtestSecured\\unknown"), device = OpenFile(L"\\Device\\KtestSecured");
    UCHAR buffer[512];
    ULONG length = 0, owned = 0;
    SECURITY_DESCRIPTOR sd;
    PSID owner = NULL;
    BOOLEAN defaulted;
    RtlCreateSecurityDescriptor(&sd, SECURITY_DESCRIPTOR_REVISION);
    RtlSetOwnerSecurityDescriptor(&sd, &LogonService, FALSE);
    OUTCOME(ZwSetSecurityObject, "a file: its file system is sent IRP_MJ_SET_SECURITY", ZwSetSecurityObject(file, OWNER_SECURITY_INFORMATION, &sd) == STATUS_SUCCESS && Sets == 1 && LastInformation == OWNER_SECURITY_INFORMATION);
    OUTCOME(ZwQuerySecurityObject, "a file: its file system is sent IRP_MJ_QUERY_SECURITY", ZwQuerySecurityObject(file, OWNER_SECURITY_INFORMATION, buffer, sizeof buffer, &length) == STATUS_SUCCESS && Queries == 1 && LastInformation == OWNER_SECURITY_INFORMATION && LastLength == sizeof buffer && length == HeldLength &&
            RtlGetOwnerSecurityDescriptor((PSECURITY_DESCRIPTOR)buffer, &owner, &defaulted) == STATUS_SUCCESS && RtlEqualSid(owner, &LogonService));
    OUTCOME(ZwQuerySecurityObject, "a file: STATUS_BUFFER_TOO_SMALL and the length that the file system names", ZwQuerySecurityObject(file, OWNER_SECURITY_INFORMATION, NULL, 0, &length) == STATUS_BUFFER_TOO_SMALL && length == HeldLength);
    OUTCOME(ZwQuerySecurityObject, "a file: a request that is pending is waited for", ZwQuerySecurityObject(slow, OWNER_SECURITY_INFORMATION, buffer, sizeof buffer, &length) == STATUS_SUCCESS && Queries == 3);
    OUTCOME(ZwSetSecurityObject, "a file: a request that is pending is waited for", ZwSetSecurityObject(slow, OWNER_SECURITY_INFORMATION, &sd) == STATUS_SUCCESS && Sets == 2);
    OUTCOME(ZwQuerySecurityObject, "a file of a driver that does not know the request belongs to everybody", ZwQuerySecurityObject(unknown, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, buffer, sizeof buffer, &length) == STATUS_SUCCESS &&
            RtlGetOwnerSecurityDescriptor((PSECURITY_DESCRIPTOR)buffer, &owner, &defaulted) == STATUS_SUCCESS && RtlEqualSid(owner, &World));
    OUTCOME(ZwSetSecurityObject, "a file of a driver that does not know the request: STATUS_SUCCESS", ZwSetSecurityObject(unknown, OWNER_SECURITY_INFORMATION, &sd) == STATUS_SUCCESS && Sets == 2);
    OUTCOME(ZwQuerySecurityObject, "what was opened without a name is as secure as its device", ZwQuerySecurityObject(device, OWNER_SECURITY_INFORMATION, buffer, sizeof buffer, &owned) == STATUS_SUCCESS && !Direct);
    ZwClose(file);
    ZwClose(slow);
    ZwClose(unknown);
    ZwClose(device);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    IoDeleteDevice(Device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\KtestSecured");
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("filesecurity");
    CHECK(KtestCase == 0 && IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_DISK_FILE_SYSTEM, 0, FALSE, &Device) == STATUS_SUCCESS);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Open;
    DriverObject->MajorFunction[IRP_MJ_QUERY_SECURITY] = DriverObject->MajorFunction[IRP_MJ_SET_SECURITY] = Security;
    Device->Flags &= ~DO_DEVICE_INITIALIZING;
    Files();
    KtestDone();
    return STATUS_SUCCESS;
}
