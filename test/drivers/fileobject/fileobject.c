/* Opening, and what a file object is: create options, relative names, hints, stream files, cleanup and close. The driver opens devices of its own. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI NTSTATUS NTAPI IoCreateFileSpecifyDeviceObjectHint(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, PIO_STATUS_BLOCK Iosb, PLARGE_INTEGER Size,
    ULONG FileAttributes, ULONG Share, ULONG Disposition, ULONG CreateOptions, PVOID Ea, ULONG EaLength, CREATE_FILE_TYPE Type, PVOID Parameters, ULONG Options, PVOID Device);
NTKERNELAPI PFILE_OBJECT NTAPI IoCreateStreamFileObject(PFILE_OBJECT FileObject, PDEVICE_OBJECT DeviceObject);
NTKERNELAPI PFILE_OBJECT NTAPI IoCreateStreamFileObjectLite(PFILE_OBJECT FileObject, PDEVICE_OBJECT DeviceObject);

static PDEVICE_OBJECT Lower, Upper, Exclusive;
static char Trace[32];
static ULONG Length;
static IO_STACK_LOCATION Seen;
static FILE_OBJECT SeenFile;
static WCHAR SeenName[32];
static UCHAR SeenEa[16];
static LONGLONG SeenAllocation;
static ACCESS_MASK SeenAccess;
static NTSTATUS Answer;
static UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\Device\\KtestFile");
static IO_STATUS_BLOCK Iosb;

static VOID Note(char c)
{
    if (Length < sizeof Trace - 1)
        Trace[Length++] = c;
    Trace[Length] = 0;
}

static BOOLEAN Traced(const char *Expected)
{
    ULONG i;
    BOOLEAN same;
    for (i = 0; Expected[i] && Trace[i] == Expected[i]; i++)
        ;
    same = Expected[i] == Trace[i];
    Length = 0;
    Trace[0] = 0;
    return same;
}

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    UCHAR major = stack->MajorFunction;
    NTSTATUS status = STATUS_SUCCESS;
    if (DeviceObject == Upper)
    {
        Note('^');
        IoSkipCurrentIrpStackLocation(Irp);
        return IoCallDriver(Lower, Irp);
    }
    Note(major == IRP_MJ_CREATE ? 'o' : major == IRP_MJ_CREATE_NAMED_PIPE ? 'p' : major == IRP_MJ_CREATE_MAILSLOT ? 'm' : major == IRP_MJ_CLEANUP ? 'u' : 'c');
    if (major == IRP_MJ_CREATE || major == IRP_MJ_CREATE_NAMED_PIPE || major == IRP_MJ_CREATE_MAILSLOT)
    {
        Seen = *stack;
        SeenFile = *stack->FileObject;
        RtlZeroMemory(SeenName, sizeof SeenName);
        if (stack->FileObject->FileName.Length < sizeof SeenName)
            RtlCopyMemory(SeenName, stack->FileObject->FileName.Buffer, stack->FileObject->FileName.Length);
        SeenAllocation = Irp->Overlay.AllocationSize.QuadPart;
        SeenAccess = stack->Parameters.Create.SecurityContext->DesiredAccess;
        if (stack->Parameters.Create.EaLength && stack->Parameters.Create.EaLength <= sizeof SeenEa && Irp->AssociatedIrp.SystemBuffer)
            RtlCopyMemory(SeenEa, Irp->AssociatedIrp.SystemBuffer, stack->Parameters.Create.EaLength);
        status = Answer;
    }
    return Complete(Irp, status, NT_SUCCESS(status) ? FILE_OPENED : 0);
}

static NTSTATUS Create(PCWSTR Path, HANDLE Root, ACCESS_MASK Access, ULONG Share, ULONG Disposition, ULONG Options, PHANDLE Handle)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    RtlInitUnicodeString(&name, Path);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, Root, NULL);
    Iosb.Information = 77;
    return ZwCreateFile(Handle, Access, &attributes, &Iosb, NULL, FILE_ATTRIBUTE_NORMAL, Share, Disposition, Options, NULL, 0);
}

#define SYNC (FILE_READ_DATA | SYNCHRONIZE)

static VOID Opening(VOID)
{
    HANDLE handle, relative;
    PFILE_OBJECT file, other;
    OUTCOME(ZwCreateFile, "STATUS_SUCCESS and a handle; IoStatusBlock says what was done", Create(Name.Buffer, NULL, SYNC, FILE_SHARE_READ, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, &handle) == STATUS_SUCCESS &&
            Iosb.Status == STATUS_SUCCESS && Iosb.Information == FILE_OPENED);
    OUTCOME(ZwCreateFile, "sends IRP_MJ_CREATE to the top of the device's stack", Traced("^o"));
    OUTCOME(ZwCreateFile, "the request has disposition, options, share access and desired access", Seen.Parameters.Create.Options == ((FILE_OPEN << 24) | FILE_SYNCHRONOUS_IO_NONALERT) &&
            Seen.Parameters.Create.ShareAccess == FILE_SHARE_READ && SeenAccess == SYNC);
    OUTCOME(ZwCreateFile, "FILE_SYNCHRONOUS_IO_NONALERT makes a synchronous file object", SeenFile.Flags & FO_SYNCHRONOUS_IO);
    ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL);
    OUTCOME(ZwCreateFile, "the file object says what access it has", file->ReadAccess && !file->WriteAccess && file->DeviceObject == Lower);
    CHECK(Create(L"sub\\name", handle, SYNC, 0, FILE_OPEN, 0, &relative) == STATUS_SUCCESS);
    ObReferenceObjectByHandle(relative, 0, *IoFileObjectType, KernelMode, (PVOID *)&other, NULL);
    OUTCOME(ZwCreateFile, "a name relative to RootDirectory opens with RelatedFileObject and the name as it is", other->RelatedFileObject == file && SeenName[0] == 's' && SeenName[3] == '\\' && SeenName[7] == 'e');
    Length = 0;
    ZwClose(relative);
    OUTCOME(ZwClose, "the last handle of a file sends IRP_MJ_CLEANUP", Traced("^u"));
    ObDereferenceObject(other);
    OUTCOME(ZwClose, "IRP_MJ_CLOSE comes with the last reference, not before", Traced("^c"));
    ZwClose(handle);
    ObDereferenceObject(file);
    CHECK(Traced("^u^c"));
    CHECK(Create(L"\\Device\\KtestFile\\dir\\file", NULL, GENERIC_READ, 7, FILE_OPEN_IF, FILE_RANDOM_ACCESS | FILE_WRITE_THROUGH, &handle) == STATUS_SUCCESS);
    OUTCOME(ZwCreateFile, "the driver gets the rest of the path as the file's name", SeenName[0] == '\\' && SeenName[1] == 'd' && SeenName[8] == 'e');
    OUTCOME(ZwCreateFile, "create options become flags of the file object", (SeenFile.Flags & FO_RANDOM_ACCESS) && (SeenFile.Flags & FO_WRITE_THROUGH) && !(SeenFile.Flags & FO_SYNCHRONOUS_IO));
    ZwClose(handle);
    Length = 0;
}

static VOID Refusals(VOID)
{
    HANDLE handle, second;
    Answer = STATUS_DEVICE_NOT_READY;
    OUTCOME(ZwCreateFile, "returns the status with which the driver refuses", Create(Name.Buffer, NULL, SYNC, 0, FILE_OPEN, 0, &handle) == STATUS_DEVICE_NOT_READY);
    OUTCOME(ZwCreateFile, "an open that failed is not closed", Traced("^o"));
    Answer = STATUS_SUCCESS;
    OUTCOME(ZwCreateFile, "STATUS_OBJECT_NAME_NOT_FOUND for a device that is not there", Create(L"\\Device\\KtestNoFile", NULL, SYNC, 0, FILE_OPEN, 0, &handle) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwCreateFile, "an open that fails writes no handle; a caller in kernel mode may even give no address", Create(L"\\Device\\KtestNoFile", NULL, SYNC, 0, FILE_OPEN, 0, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwCreateFile, "STATUS_OBJECT_PATH_NOT_FOUND for a directory that is not there", Create(L"\\NoSuch\\KtestFile", NULL, SYNC, 0, FILE_OPEN, 0, &handle) == STATUS_OBJECT_PATH_NOT_FOUND);
    OUTCOME(ZwCreateFile, "STATUS_OBJECT_PATH_SYNTAX_BAD for a name without its leading backslash", Create(L"KtestFile", NULL, SYNC, 0, FILE_OPEN, 0, &handle) == STATUS_OBJECT_PATH_SYNTAX_BAD);
    OUTCOME(ZwCreateFile, "STATUS_INVALID_PARAMETER for synchronous I/O without SYNCHRONIZE", Create(Name.Buffer, NULL, FILE_READ_DATA, 0, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, &handle) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateFile, "STATUS_INVALID_PARAMETER for options that exclude each other", Create(Name.Buffer, NULL, SYNC, 0, FILE_OPEN, FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE, &handle) == STATUS_INVALID_PARAMETER &&
            Create(Name.Buffer, NULL, SYNC, 0, FILE_OPEN, FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT, &handle) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateFile, "STATUS_INVALID_PARAMETER for FILE_DELETE_ON_CLOSE without DELETE", Create(Name.Buffer, NULL, SYNC, 0, FILE_OPEN, FILE_DELETE_ON_CLOSE, &handle) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwCreateFile, "STATUS_INVALID_PARAMETER for a disposition or share access that there is not", Create(Name.Buffer, NULL, SYNC, 0, 9, 0, &handle) == STATUS_INVALID_PARAMETER &&
            Create(Name.Buffer, NULL, SYNC, 8, FILE_OPEN, 0, &handle) == STATUS_INVALID_PARAMETER);
    CHECK(Create(L"\\Device\\KtestExclusive", NULL, SYNC, 0, FILE_OPEN, 0, &handle) == STATUS_SUCCESS);
    OUTCOME(ZwCreateFile, "STATUS_ACCESS_DENIED for a second open of an exclusive device", Create(L"\\Device\\KtestExclusive", NULL, SYNC, 0, FILE_OPEN, 0, &second) == STATUS_ACCESS_DENIED);
    ZwClose(handle);
    Length = 0;
}

static VOID Special(VOID)
{
    struct
    {
        ULONG Next;
        UCHAR Flags, NameLength;
        USHORT ValueLength;
        CHAR Name[2];
        CHAR Value[2];
    } ea = {0, 0, 1, 2, "n", "v"};
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER size;
    HANDLE handle;
    IO_DRIVER_CREATE_CONTEXT context = {sizeof context};
    PFILE_OBJECT file;
    size.QuadPart = 0x1234;
    InitializeObjectAttributes(&attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(IoCreateFile, "STATUS_SUCCESS; opens as ZwCreateFile does", IoCreateFile(&handle, SYNC, &attributes, &Iosb, &size, FILE_ATTRIBUTE_NORMAL, 7, FILE_OPEN, 0, &ea, 12, CreateFileTypeNone, NULL, 0) == STATUS_SUCCESS && Traced("^o"));
    OUTCOME(IoCreateFile, "passes allocation size and extended attributes on", SeenAllocation == 0x1234 && Seen.Parameters.Create.EaLength == 12 && SeenEa[8] == 'n');
    ZwClose(handle);
    Length = 0;
    ea.Name[1] = 'x';
    OUTCOME(IoCreateFile, "STATUS_EA_LIST_INCONSISTENT for malformed extended attributes", IoCreateFile(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, &ea, 12, CreateFileTypeNone, NULL, 0) == STATUS_EA_LIST_INCONSISTENT);
    OUTCOME(IoCreateFile, "IO_NO_PARAMETER_CHECKING: the arguments are not checked", IoCreateFile(&handle, FILE_READ_DATA, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, CreateFileTypeNone, NULL, 0x100) == STATUS_SUCCESS);
    ZwClose(handle);
    Length = 0;
    IoCreateFile(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, NULL, 0, CreateFileTypeNone, NULL, IO_FORCE_ACCESS_CHECK);
    OUTCOME(IoCreateFile, "IO_FORCE_ACCESS_CHECK: the driver is told of it", Seen.Flags & SL_FORCE_ACCESS_CHECK);
    ZwClose(handle);
    Length = 0;
    IoCreateFile(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, NULL, 0, CreateFileTypeNamedPipe, &size, 0);
    OUTCOME(IoCreateFile, "CreateFileTypeNamedPipe sends IRP_MJ_CREATE_NAMED_PIPE with the parameters", Traced("^p") && Seen.Parameters.Others.Argument4 == &size);
    ZwClose(handle);
    Length = 0;
    IoCreateFile(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, NULL, 0, CreateFileTypeMailslot, &size, 0);
    OUTCOME(IoCreateFile, "CreateFileTypeMailslot sends IRP_MJ_CREATE_MAILSLOT with the parameters", Traced("^m") && Seen.Parameters.Others.Argument4 == &size);
    ZwClose(handle);
    Length = 0;
    OUTCOME(IoCreateFileSpecifyDeviceObjectHint, "STATUS_SUCCESS; devices above the hint do not get the create request",
            IoCreateFileSpecifyDeviceObjectHint(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, NULL, 0, CreateFileTypeNone, NULL, 0, Lower) == STATUS_SUCCESS && Traced("o"));
    ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL);
    OUTCOME(IoCreateFileSpecifyDeviceObjectHint, "IoGetRelatedDeviceObject gives the device of the hint", IoGetRelatedDeviceObject(file) == Lower);
    ObDereferenceObject(file);
    ZwClose(handle);
    OUTCOME(IoCreateFileSpecifyDeviceObjectHint, "devices above the hint do not get cleanup and close either", Traced("uc"));
    OUTCOME(IoCreateFileSpecifyDeviceObjectHint, "STATUS_INVALID_DEVICE_OBJECT_PARAMETER for a device that is not in the stack",
            IoCreateFileSpecifyDeviceObjectHint(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, NULL, 0, CreateFileTypeNone, NULL, 0, Exclusive) == (NTSTATUS)0xC0000369);
    context.DeviceObjectHint = Lower;
    OUTCOME(IoCreateFileEx, "STATUS_SUCCESS; the device hint of the context is honoured", IoCreateFileEx(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, NULL, 0, CreateFileTypeNone, NULL, 0, &context) == STATUS_SUCCESS && Traced("o"));
    ZwClose(handle);
    Length = 0;
    OUTCOME(IoCreateFileEx, "the context is optional", IoCreateFileEx(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, NULL, 0, CreateFileTypeNone, NULL, 0, NULL) == STATUS_SUCCESS && Traced("^o"));
    ZwClose(handle);
    Length = 0;
}

static VOID Sharing(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    SHARE_ACCESS share;
    FILE_OBJECT first;
    HANDLE handle;
    PFILE_OBJECT file;
    InitializeObjectAttributes(&attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    RtlZeroMemory(&first, sizeof first);
    IoSetShareAccess(FILE_WRITE_DATA, 0, &first, &share);
    IoCreateFile(&handle, SYNC, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, 0, NULL, 0, CreateFileTypeNone, NULL, 0x800);
    ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL);
    OUTCOME(IoCheckShareAccess, "STATUS_SUCCESS for a file that was opened with IO_IGNORE_SHARE_ACCESS_CHECK", IoCheckShareAccess(FILE_READ_DATA, 0, file, &share, TRUE) == STATUS_SUCCESS && share.OpenCount == 1);
    ObDereferenceObject(file);
    ZwClose(handle);
    Length = 0;
}

static VOID Streams(VOID)
{
    PFILE_OBJECT file = IoCreateStreamFileObject(NULL, Lower);
    OUTCOME(IoCreateStreamFileObject, "returns a stream file object of the device", file && file->DeviceObject == Lower && (file->Flags & FO_STREAM_FILE));
    OUTCOME(IoCreateStreamFileObject, "the file system gets IRP_MJ_CLEANUP before it returns", Traced("^u"));
    ObDereferenceObject(file);
    OUTCOME(IoCreateStreamFileObject, "the last dereference sends IRP_MJ_CLOSE", Traced("^c"));
    file = IoCreateStreamFileObjectLite(NULL, Lower);
    OUTCOME(IoCreateStreamFileObjectLite, "returns a stream file object of the device", file && file->DeviceObject == Lower && (file->Flags & FO_STREAM_FILE));
    OUTCOME(IoCreateStreamFileObjectLite, "sends no IRP_MJ_CLEANUP", Traced(""));
    ObDereferenceObject(file);
    CHECK(Traced("^c"));
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDetachDevice(Lower);
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING exclusive = RTL_CONSTANT_STRING(L"\\Device\\KtestExclusive");
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CREATE_NAMED_PIPE] = DriverObject->MajorFunction[IRP_MJ_CREATE_MAILSLOT] = Dispatch;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Dispatch;
    KtestBegin("fileobject");
    Lower = NewDevice(DriverObject, Name.Buffer, 0);
    Upper = NewDevice(DriverObject, NULL, 0);
    IoCreateDevice(DriverObject, 0, &exclusive, FILE_DEVICE_UNKNOWN, 0, TRUE, &Exclusive);
    Exclusive->Flags &= ~DO_DEVICE_INITIALIZING;
    IoAttachDeviceToDeviceStack(Upper, Lower);
    Opening();
    Refusals();
    Special();
    Sharing();
    Streams();
    KtestDone();
    return STATUS_SUCCESS;
}
