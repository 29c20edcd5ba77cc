/* The services for files by their Nt names: from a system thread the previous mode is the kernel's, so they do what the Zw routines do. A device of our own gets the requests. */
#include <ntifs.h>
#include "../ktest.h"

NTSTATUS NTAPI NtFsControlFile(HANDLE File, HANDLE Event, PIO_APC_ROUTINE Apc, PVOID Context, PIO_STATUS_BLOCK Status, ULONG Code, PVOID In, ULONG InLength, PVOID Out, ULONG OutLength);
NTSTATUS NTAPI NtNotifyChangeDirectoryFile(HANDLE File, HANDLE Event, PIO_APC_ROUTINE Apc, PVOID Context, PIO_STATUS_BLOCK Status, PVOID Buffer, ULONG Length, ULONG Filter, BOOLEAN Tree);
NTSTATUS NTAPI NtDeleteFile(POBJECT_ATTRIBUTES Attributes);
NTSTATUS NTAPI ZwCancelIoFile(HANDLE File, PIO_STATUS_BLOCK Status);
NTSTATUS NTAPI ZwCancelIoFileEx(HANDLE File, PIO_STATUS_BLOCK Request, PIO_STATUS_BLOCK Status);
NTSTATUS NTAPI ZwQueryAttributesFile(POBJECT_ATTRIBUTES Attributes, PFILE_BASIC_INFORMATION Information);
NTSTATUS NTAPI IoGetDiskDeviceObject(PDEVICE_OBJECT FileSystem, PDEVICE_OBJECT *Disk);

#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)
static UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\Device\\KtestNtFiles");
static UNICODE_STRING Missing = RTL_CONSTANT_STRING(L"\\Device\\KtestNobody");
/* What the last request was. */
static IO_STACK_LOCATION Last;
static UCHAR Data[16];
static PIRP Held;

static VOID NTAPI Cancel(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Held = NULL;
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    Irp->IoStatus.Status = STATUS_CANCELLED;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

/* Keeps a request until it is cancelled. */
static NTSTATUS Hold(PIRP Irp)
{
    KIRQL old;
    IoMarkIrpPending(Irp);
    IoAcquireCancelSpinLock(&old);
    IoSetCancelRoutine(Irp, Cancel);
    Held = Irp;
    IoReleaseCancelSpinLock(old);
    return STATUS_PENDING;
}

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT Device, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    ULONG_PTR information = 0;
    UNREFERENCED_PARAMETER(Device);
    Last = *stack;
    switch (stack->MajorFunction)
    {
    case IRP_MJ_READ:
        if (stack->Parameters.Read.Length == 13)
            return Hold(Irp);
        information = stack->Parameters.Read.Length < sizeof Data ? stack->Parameters.Read.Length : sizeof Data;
        RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, Data, information);
        break;
    case IRP_MJ_WRITE:
        information = stack->Parameters.Write.Length < sizeof Data ? stack->Parameters.Write.Length : sizeof Data;
        RtlCopyMemory(Data, Irp->AssociatedIrp.SystemBuffer, information);
        break;
    case IRP_MJ_DEVICE_CONTROL:
    case IRP_MJ_FILE_SYSTEM_CONTROL:
        if (stack->Parameters.DeviceIoControl.OutputBufferLength >= 1 && Irp->AssociatedIrp.SystemBuffer)
        {
            *(PUCHAR)Irp->AssociatedIrp.SystemBuffer += 1;
            information = 1;
        }
        break;
    case IRP_MJ_QUERY_INFORMATION:
        RtlZeroMemory(Irp->AssociatedIrp.SystemBuffer, stack->Parameters.QueryFile.Length);
        information = stack->Parameters.QueryFile.Length;
        if (stack->Parameters.QueryFile.FileInformationClass == FileBasicInformation)
            ((PFILE_BASIC_INFORMATION)Irp->AssociatedIrp.SystemBuffer)->FileAttributes = FILE_ATTRIBUTE_READONLY;
        break;
    case IRP_MJ_QUERY_VOLUME_INFORMATION:
        RtlFillMemory(Irp->AssociatedIrp.SystemBuffer, stack->Parameters.QueryVolume.Length, 0x5a);
        information = stack->Parameters.QueryVolume.Length;
        break;
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static POBJECT_ATTRIBUTES At(PUNICODE_STRING Where)
{
    static OBJECT_ATTRIBUTES a;
    InitializeObjectAttributes(&a, Where, OBJ_KERNEL_HANDLE, NULL, NULL);
    return &a;
}

static HANDLE File, Asynchronous;

static VOID Opening(VOID)
{
    IO_STATUS_BLOCK io;
    HANDLE second;
    NTSTATUS status = NtCreateFile(&File, FILE_ALL_ACCESS, At(&Name), &io, NULL, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    OUTCOME(NtCreateFile, "STATUS_SUCCESS, a handle; the device gets IRP_MJ_CREATE", status == STATUS_SUCCESS && io.Status == STATUS_SUCCESS && Last.MajorFunction == IRP_MJ_CREATE && (Last.Parameters.Create.Options >> 24) == FILE_OPEN);
    OUTCOME(NtCreateFile, "STATUS_OBJECT_NAME_NOT_FOUND", NtCreateFile(&second, FILE_ALL_ACCESS, At(&Missing), &io, NULL, 0, 0, FILE_OPEN, 0, NULL, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(NtCreateFile, "STATUS_INVALID_PARAMETER for synchronous I/O without SYNCHRONIZE", NtCreateFile(&second, FILE_READ_DATA, At(&Name), &io, NULL, 0, 0, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0) == STATUS_INVALID_PARAMETER);
    status = NtOpenFile(&Asynchronous, FILE_ALL_ACCESS, At(&Name), &io, FILE_SHARE_READ | FILE_SHARE_WRITE, 0);
    OUTCOME(NtOpenFile, "STATUS_SUCCESS, a handle; the device gets IRP_MJ_CREATE", status == STATUS_SUCCESS && Last.MajorFunction == IRP_MJ_CREATE && Last.Parameters.Create.ShareAccess == (FILE_SHARE_READ | FILE_SHARE_WRITE));
    OUTCOME(NtOpenFile, "STATUS_OBJECT_NAME_NOT_FOUND", NtOpenFile(&second, FILE_ALL_ACCESS, At(&Missing), &io, 0, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
}

static VOID Transferring(VOID)
{
    IO_STATUS_BLOCK io;
    LARGE_INTEGER offset = {.QuadPart = 5};
    UCHAR buffer[8] = "abcdefg";
    NTSTATUS status = NtWriteFile(File, NULL, NULL, NULL, &io, buffer, 8, &offset, NULL);
    OUTCOME(NtWriteFile, "STATUS_SUCCESS, the device gets data, length and offset", status == STATUS_SUCCESS && io.Information == 8 && Last.MajorFunction == IRP_MJ_WRITE && Last.Parameters.Write.ByteOffset.QuadPart == 5 && Data[2] == 'c');
    OUTCOME(NtWriteFile, "STATUS_INVALID_HANDLE", NtWriteFile(NO_HANDLE, NULL, NULL, NULL, &io, buffer, 8, &offset, NULL) == STATUS_INVALID_HANDLE);
    RtlZeroMemory(buffer, sizeof buffer);
    status = NtReadFile(File, NULL, NULL, NULL, &io, buffer, 4, &offset, NULL);
    OUTCOME(NtReadFile, "STATUS_SUCCESS, the data and their length", status == STATUS_SUCCESS && io.Information == 4 && buffer[3] == 'd' && buffer[4] == 0 && Last.Parameters.Read.Length == 4);
    OUTCOME(NtReadFile, "STATUS_INVALID_HANDLE", NtReadFile(NO_HANDLE, NULL, NULL, NULL, &io, buffer, 4, &offset, NULL) == STATUS_INVALID_HANDLE);
    buffer[0] = 7;
    status = NtDeviceIoControlFile(File, NULL, NULL, NULL, &io, CTL_CODE(0x8000, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS), buffer, 1, buffer, 1);
    OUTCOME(NtDeviceIoControlFile, "STATUS_SUCCESS, the device gets the code and the buffer", status == STATUS_SUCCESS && buffer[0] == 8 && io.Information == 1 && Last.MajorFunction == IRP_MJ_DEVICE_CONTROL && Last.Parameters.DeviceIoControl.IoControlCode == CTL_CODE(0x8000, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS));
    OUTCOME(NtDeviceIoControlFile, "STATUS_INVALID_HANDLE", NtDeviceIoControlFile(NO_HANDLE, NULL, NULL, NULL, &io, 0, NULL, 0, NULL, 0) == STATUS_INVALID_HANDLE);
    status = NtFsControlFile(File, NULL, NULL, NULL, &io, CTL_CODE(9, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS), buffer, 1, buffer, 1);
    OUTCOME(NtFsControlFile, "STATUS_SUCCESS, the device gets IRP_MJ_FILE_SYSTEM_CONTROL with the code", status == STATUS_SUCCESS && buffer[0] == 9 && Last.MajorFunction == IRP_MJ_FILE_SYSTEM_CONTROL && Last.Parameters.FileSystemControl.FsControlCode == CTL_CODE(9, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS));
}

static VOID Asking(VOID)
{
    IO_STATUS_BLOCK io;
    FILE_BASIC_INFORMATION basic;
    FILE_FS_DEVICE_INFORMATION device;
    FILE_FS_SIZE_INFORMATION size;
    UCHAR label[32] = {0}, entries[512];
    UNICODE_STRING pattern = RTL_CONSTANT_STRING(L"*.txt");
    LARGE_INTEGER offset = {.QuadPart = 1}, length = {.QuadPart = 2};
    NTSTATUS status = NtQueryInformationFile(File, &io, &basic, sizeof basic, FileBasicInformation);
    OUTCOME(NtQueryInformationFile, "STATUS_SUCCESS, what the device answers", status == STATUS_SUCCESS && basic.FileAttributes == FILE_ATTRIBUTE_READONLY && Last.MajorFunction == IRP_MJ_QUERY_INFORMATION);
    OUTCOME(NtQueryInformationFile, "STATUS_INVALID_HANDLE", NtQueryInformationFile(NO_HANDLE, &io, &basic, sizeof basic, FileBasicInformation) == STATUS_INVALID_HANDLE);
    status = NtSetInformationFile(File, &io, &basic, sizeof basic, FileBasicInformation);
    OUTCOME(NtSetInformationFile, "STATUS_SUCCESS, the device gets IRP_MJ_SET_INFORMATION with the class", status == STATUS_SUCCESS && Last.MajorFunction == IRP_MJ_SET_INFORMATION && Last.Parameters.SetFile.FileInformationClass == FileBasicInformation);
    OUTCOME(NtSetInformationFile, "STATUS_INVALID_HANDLE", NtSetInformationFile(NO_HANDLE, &io, &basic, sizeof basic, FileBasicInformation) == STATUS_INVALID_HANDLE);
    status = NtQueryVolumeInformationFile(File, &io, &size, sizeof size, FileFsSizeInformation);
    OUTCOME(NtQueryVolumeInformationFile, "STATUS_SUCCESS, what the device answers", status == STATUS_SUCCESS && size.BytesPerSector == 0x5a5a5a5a && Last.MajorFunction == IRP_MJ_QUERY_VOLUME_INFORMATION);
    OUTCOME(NtQueryVolumeInformationFile, "STATUS_INVALID_HANDLE", NtQueryVolumeInformationFile(NO_HANDLE, &io, &device, sizeof basic, FileFsDeviceInformation) == STATUS_INVALID_HANDLE);
    status = NtSetVolumeInformationFile(File, &io, label, sizeof label, FileFsLabelInformation);
    OUTCOME(NtSetVolumeInformationFile, "STATUS_SUCCESS, the device gets IRP_MJ_SET_VOLUME_INFORMATION with the class", status == STATUS_SUCCESS && Last.MajorFunction == IRP_MJ_SET_VOLUME_INFORMATION && Last.Parameters.SetVolume.FsInformationClass == FileFsLabelInformation);
    status = NtQueryDirectoryFile(File, NULL, NULL, NULL, &io, entries, sizeof entries, FileDirectoryInformation, TRUE, &pattern, FALSE);
    OUTCOME(NtQueryDirectoryFile, "the device gets IRP_MN_QUERY_DIRECTORY with class and flags", status == STATUS_SUCCESS && Last.MajorFunction == IRP_MJ_DIRECTORY_CONTROL && Last.MinorFunction == IRP_MN_QUERY_DIRECTORY && (Last.Flags & SL_RETURN_SINGLE_ENTRY));
    status = NtNotifyChangeDirectoryFile(File, NULL, NULL, NULL, &io, entries, sizeof entries, FILE_NOTIFY_CHANGE_SIZE, TRUE);
    OUTCOME(NtNotifyChangeDirectoryFile, "the device gets IRP_MN_NOTIFY_CHANGE_DIRECTORY with the filter", status == STATUS_SUCCESS && Last.MinorFunction == IRP_MN_NOTIFY_CHANGE_DIRECTORY && (Last.Flags & SL_WATCH_TREE));
    status = NtLockFile(File, NULL, NULL, NULL, &io, &offset, &length, 3, TRUE, TRUE);
    OUTCOME(NtLockFile, "the device gets IRP_MN_LOCK with range and flags", status == STATUS_SUCCESS && Last.MajorFunction == IRP_MJ_LOCK_CONTROL && Last.MinorFunction == IRP_MN_LOCK && Last.Parameters.LockControl.ByteOffset.QuadPart == 1 && (Last.Flags & (SL_FAIL_IMMEDIATELY | SL_EXCLUSIVE_LOCK)) == (SL_FAIL_IMMEDIATELY | SL_EXCLUSIVE_LOCK));
    status = NtUnlockFile(File, &io, &offset, &length, 3);
    OUTCOME(NtUnlockFile, "the device gets IRP_MN_UNLOCK_SINGLE with the range", status == STATUS_SUCCESS && Last.MinorFunction == IRP_MN_UNLOCK_SINGLE && Last.Parameters.LockControl.Key == 3);
    OUTCOME(NtDeleteFile, "opens the file to be deleted when it is closed", NtDeleteFile(At(&Name)) == STATUS_SUCCESS);
    OUTCOME(NtDeleteFile, "STATUS_OBJECT_NAME_NOT_FOUND", NtDeleteFile(At(&Missing)) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwQueryAttributesFile, "STATUS_SUCCESS, the basic information of the file of a name", ZwQueryAttributesFile(At(&Name), &basic) == STATUS_SUCCESS && basic.FileAttributes == FILE_ATTRIBUTE_READONLY);
    OUTCOME(ZwQueryAttributesFile, "STATUS_OBJECT_NAME_NOT_FOUND", ZwQueryAttributesFile(At(&Missing), &basic) == STATUS_OBJECT_NAME_NOT_FOUND);
}

/* A read of 13 bytes waits until it is cancelled. */
static VOID Cancelling(VOID)
{
    IO_STATUS_BLOCK io, done;
    LARGE_INTEGER offset = {.QuadPart = 0};
    UCHAR buffer[16];
    NTSTATUS status = NtReadFile(Asynchronous, NULL, NULL, NULL, &io, buffer, 13, &offset, NULL);
    CHECK(status == STATUS_PENDING && Held != NULL);
    OUTCOME(ZwCancelIoFileEx, "STATUS_NOT_FOUND when no request has that status block", ZwCancelIoFileEx(Asynchronous, &done, &done) == STATUS_NOT_FOUND && Held != NULL);
    status = ZwCancelIoFileEx(Asynchronous, &io, &done);
    OUTCOME(ZwCancelIoFileEx, "STATUS_SUCCESS, the request with that status block is cancelled", status == STATUS_SUCCESS && Held == NULL && io.Status == STATUS_CANCELLED);
    OUTCOME(ZwCancelIoFileEx, "STATUS_NOT_FOUND when nothing is outstanding", ZwCancelIoFileEx(Asynchronous, NULL, &done) == STATUS_NOT_FOUND);
    OUTCOME(ZwCancelIoFileEx, "STATUS_INVALID_HANDLE", ZwCancelIoFileEx(NO_HANDLE, NULL, &done) == STATUS_INVALID_HANDLE);
    CHECK(NtReadFile(Asynchronous, NULL, NULL, NULL, &io, buffer, 13, &offset, NULL) == STATUS_PENDING);
    status = ZwCancelIoFile(Asynchronous, &done);
    OUTCOME(ZwCancelIoFile, "STATUS_SUCCESS, what the thread has outstanding for the file is cancelled", status == STATUS_SUCCESS && done.Status == STATUS_SUCCESS && Held == NULL && io.Status == STATUS_CANCELLED);
    OUTCOME(ZwCancelIoFile, "STATUS_SUCCESS when nothing is outstanding", ZwCancelIoFile(Asynchronous, &done) == STATUS_SUCCESS);
    OUTCOME(ZwCancelIoFile, "STATUS_INVALID_HANDLE", ZwCancelIoFile(NO_HANDLE, &done) == STATUS_INVALID_HANDLE);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT device, disk = NULL;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    for (ULONG i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        DriverObject->MajorFunction[i] = Dispatch;
    if (!NT_SUCCESS(IoCreateDevice(DriverObject, 0, &Name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return STATUS_UNSUCCESSFUL;
    device->Flags |= DO_BUFFERED_IO;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    KtestBegin("ntfiles");
    Opening();
    Transferring();
    Asking();
    Cancelling();
    OUTCOME(IoGetDiskDeviceObject, "STATUS_INVALID_PARAMETER for a device of no volume", IoGetDiskDeviceObject(device, &disk) == STATUS_INVALID_PARAMETER && disk == NULL);
    ZwClose(Asynchronous);
    ZwClose(File);
    KtestDone();
    return STATUS_SUCCESS;
}
