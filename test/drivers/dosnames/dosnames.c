/* Volumes and files by the names that users know, and the length of a file as its file system says it. The driver is a file system with one device and a few files. */
#include <ntifs.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI NTSTATUS NTAPI IoVolumeDeviceToDosName(PVOID VolumeDeviceObject, PUNICODE_STRING DosName);
NTSYSAPI NTSTATUS NTAPI RtlVolumeDeviceToDosName(PVOID VolumeDeviceObject, PUNICODE_STRING DosName);
NTKERNELAPI NTSTATUS NTAPI IoQueryFileDosDeviceName(PFILE_OBJECT FileObject, POBJECT_NAME_INFORMATION *ObjectNameInformation);
NTKERNELAPI PDEVICE_OBJECT NTAPI IoGetBaseFileSystemDeviceObject(PFILE_OBJECT FileObject);
NTKERNELAPI NTSTATUS NTAPI FsRtlGetFileSize(PFILE_OBJECT FileObject, PLARGE_INTEGER FileSize);

static ULONG Asked;
static NTSTATUS Answer;
static BOOLEAN IsDirectory, Pending, FastAnswers;
static KDPC Dpc;
static KTIMER Timer;
static PIRP Waiting;

static VOID Fill(PFILE_STANDARD_INFORMATION Information)
{
    RtlZeroMemory(Information, sizeof *Information);
    Information->AllocationSize.QuadPart = 0x2000;
    Information->EndOfFile.QuadPart = 0x1234;
    Information->Directory = IsDirectory;
}

static VOID NTAPI Later(PKDPC Expired, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Expired);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    Complete(Waiting, STATUS_SUCCESS, sizeof(FILE_STANDARD_INFORMATION));
}

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    UNREFERENCED_PARAMETER(DeviceObject);
    if (stack->MajorFunction != IRP_MJ_QUERY_INFORMATION)
        return Complete(Irp, STATUS_SUCCESS, 0);
    Asked++;
    if (!stack->FileObject || stack->Parameters.QueryFile.FileInformationClass != FileStandardInformation || stack->Parameters.QueryFile.Length < sizeof(FILE_STANDARD_INFORMATION))
        return Complete(Irp, STATUS_INVALID_PARAMETER, 0);
    if (!NT_SUCCESS(Answer))
        return Complete(Irp, Answer, 0);
    Fill(Irp->AssociatedIrp.SystemBuffer);
    if (!Pending)
        return Complete(Irp, STATUS_SUCCESS, sizeof(FILE_STANDARD_INFORMATION));
    LARGE_INTEGER due = {.QuadPart = -50000};
    IoMarkIrpPending(Irp);
    Waiting = Irp;
    KeSetTimer(&Timer, due, &Dpc);
    return STATUS_PENDING;
}

static BOOLEAN NTAPI Fast(PFILE_OBJECT FileObject, BOOLEAN Wait, PFILE_STANDARD_INFORMATION Buffer, PIO_STATUS_BLOCK IoStatus, PDEVICE_OBJECT DeviceObject)
{
    UNREFERENCED_PARAMETER(FileObject);
    UNREFERENCED_PARAMETER(Wait);
    UNREFERENCED_PARAMETER(DeviceObject);
    if (!FastAnswers)
        return FALSE;
    Fill(Buffer);
    Buffer->EndOfFile.QuadPart = 0x7777;
    IoStatus->Status = STATUS_SUCCESS;
    IoStatus->Information = sizeof *Buffer;
    return TRUE;
}
static FAST_IO_DISPATCH FastIo;

static VOID Sizes(PDRIVER_OBJECT DriverObject, PFILE_OBJECT File)
{
    LARGE_INTEGER size = {.QuadPart = 0};
    NTSTATUS status = FsRtlGetFileSize(File, &size);
    OUTCOME(FsRtlGetFileSize, "STATUS_SUCCESS and the end of the file, asked of the file system by an IRP", status == STATUS_SUCCESS && size.QuadPart == 0x1234 && Asked == 1);
    Pending = TRUE;
    size.QuadPart = 0;
    status = FsRtlGetFileSize(File, &size);
    Pending = FALSE;
    OUTCOME(FsRtlGetFileSize, "waits for an answer that is pending", status == STATUS_SUCCESS && size.QuadPart == 0x1234);
    FastIo.SizeOfFastIoDispatch = sizeof FastIo;
    FastIo.FastIoQueryStandardInfo = Fast;
    DriverObject->FastIoDispatch = &FastIo;
    FastAnswers = TRUE;
    Asked = 0;
    status = FsRtlGetFileSize(File, &size);
    OUTCOME(FsRtlGetFileSize, "by the file system's fast path, when that answers", status == STATUS_SUCCESS && size.QuadPart == 0x7777 && Asked == 0);
    FastAnswers = FALSE;
    status = FsRtlGetFileSize(File, &size);
    OUTCOME(FsRtlGetFileSize, "by an IRP when the fast path does not answer", status == STATUS_SUCCESS && size.QuadPart == 0x1234 && Asked == 1);
    DriverObject->FastIoDispatch = NULL;
    IsDirectory = TRUE;
    OUTCOME(FsRtlGetFileSize, "STATUS_FILE_IS_A_DIRECTORY for a directory", FsRtlGetFileSize(File, &size) == STATUS_FILE_IS_A_DIRECTORY);
    IsDirectory = FALSE;
    Answer = STATUS_ACCESS_DENIED;
    OUTCOME(FsRtlGetFileSize, "the error of the file system", FsRtlGetFileSize(File, &size) == STATUS_ACCESS_DENIED);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING volume = RTL_CONSTANT_STRING(L"\\Device\\KtestVolume"), letter = RTL_CONSTANT_STRING(L"\\??\\K:"), path = RTL_CONSTANT_STRING(L"\\??\\K:\\folder\\file.txt");
    UNICODE_STRING k = RTL_CONSTANT_STRING(L"K:"), whole = RTL_CONSTANT_STRING(L"K:\\folder\\file.txt"), name = {0, 0, NULL};
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    HANDLE handle;
    PFILE_OBJECT file;
    POBJECT_NAME_INFORMATION information = NULL;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DriverObject->MajorFunction[IRP_MJ_QUERY_INFORMATION] = Dispatch;
    KtestBegin("dosnames");
    KeInitializeTimer(&Timer);
    KeInitializeDpc(&Dpc, Later, NULL);
    PDEVICE_OBJECT device = NewDevice(DriverObject, L"\\Device\\KtestVolume", 0), unnamed = NewDevice(DriverObject, NULL, 0);
    IoCreateSymbolicLink(&letter, &volume);
    NTSTATUS status = IoVolumeDeviceToDosName(device, &name);
    OUTCOME(IoVolumeDeviceToDosName, "STATUS_SUCCESS, the drive letter in a buffer that ExFreePool frees", status == STATUS_SUCCESS && RtlEqualUnicodeString(&name, &k, TRUE) && name.Buffer[2] == 0);
    ExFreePool(name.Buffer);
    status = RtlVolumeDeviceToDosName(device, &name);
    OUTCOME(RtlVolumeDeviceToDosName, "STATUS_SUCCESS, the drive letter in a buffer that ExFreePool frees", status == STATUS_SUCCESS && RtlEqualUnicodeString(&name, &k, TRUE));
    ExFreePool(name.Buffer);
    OUTCOME(IoVolumeDeviceToDosName, "an error for a device that users have no name for", !NT_SUCCESS(IoVolumeDeviceToDosName(unnamed, &name)));
    OUTCOME(RtlVolumeDeviceToDosName, "an error for a device that users have no name for", !NT_SUCCESS(RtlVolumeDeviceToDosName(unnamed, &name)));

    InitializeObjectAttributes(&attributes, &path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    ZwCreateFile(&handle, GENERIC_READ | SYNCHRONIZE, &attributes, &iosb, NULL, 0, FILE_SHARE_READ, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL);
    status = IoQueryFileDosDeviceName(file, &information);
    OUTCOME(IoQueryFileDosDeviceName, "STATUS_SUCCESS, drive letter and path in a buffer that ExFreePool frees", status == STATUS_SUCCESS && RtlEqualUnicodeString(&information->Name, &whole, TRUE));
    ExFreePool(information);
    OUTCOME(IoGetBaseFileSystemDeviceObject, "the device of the file system that serves the file", IoGetBaseFileSystemDeviceObject(file) == device);
    Sizes(DriverObject, file);
    IoDeleteSymbolicLink(&letter);
    OUTCOME(IoQueryFileDosDeviceName, "an error when users have no name for the device", !NT_SUCCESS(IoQueryFileDosDeviceName(file, &information)));
    ObDereferenceObject(file);
    ZwClose(handle);
    KtestDone();
    return STATUS_SUCCESS;
}
