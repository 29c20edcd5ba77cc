/* Every service on a file handle becomes one IRP: its major and minor function, its parameters, its buffer. The driver opens a device of its own and looks at what comes. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

#define SERVICE NTSYSAPI NTSTATUS NTAPI
SERVICE ZwQueryEaFile(HANDLE File, PIO_STATUS_BLOCK Iosb, PVOID Buffer, ULONG Length, BOOLEAN Single, PVOID EaList, ULONG EaListLength, PULONG EaIndex, BOOLEAN Restart);
SERVICE ZwSetEaFile(HANDLE File, PIO_STATUS_BLOCK Iosb, PVOID Buffer, ULONG Length);
SERVICE ZwQueryQuotaInformationFile(HANDLE File, PIO_STATUS_BLOCK Iosb, PVOID Buffer, ULONG Length, BOOLEAN Single, PVOID SidList, ULONG SidListLength, PVOID StartSid, BOOLEAN Restart);
SERVICE ZwSetQuotaInformationFile(HANDLE File, PIO_STATUS_BLOCK Iosb, PVOID Buffer, ULONG Length);
SERVICE ZwQueryVolumeInformationFile(HANDLE File, PIO_STATUS_BLOCK Iosb, PVOID Buffer, ULONG Length, FS_INFORMATION_CLASS Class);
SERVICE ZwSetVolumeInformationFile(HANDLE File, PIO_STATUS_BLOCK Iosb, PVOID Buffer, ULONG Length, FS_INFORMATION_CLASS Class);
SERVICE ZwQueryDirectoryFile(HANDLE File, HANDLE Event, PIO_APC_ROUTINE Apc, PVOID Context, PIO_STATUS_BLOCK Iosb, PVOID Buffer, ULONG Length, FILE_INFORMATION_CLASS Class, BOOLEAN Single,
                             PUNICODE_STRING Name, BOOLEAN Restart);
SERVICE ZwNotifyChangeDirectoryFile(HANDLE File, HANDLE Event, PIO_APC_ROUTINE Apc, PVOID Context, PIO_STATUS_BLOCK Iosb, PVOID Buffer, ULONG Length, ULONG Filter, BOOLEAN Tree);
SERVICE ZwLockFile(HANDLE File, HANDLE Event, PIO_APC_ROUTINE Apc, PVOID Context, PIO_STATUS_BLOCK Iosb, PLARGE_INTEGER Offset, PLARGE_INTEGER Length, ULONG Key, BOOLEAN Fail, BOOLEAN Exclusive);
SERVICE ZwUnlockFile(HANDLE File, PIO_STATUS_BLOCK Iosb, PLARGE_INTEGER Offset, PLARGE_INTEGER Length, ULONG Key);
SERVICE ZwFlushBuffersFile(HANDLE File, PIO_STATUS_BLOCK Iosb);
SERVICE ZwFsControlFile(HANDLE File, HANDLE Event, PIO_APC_ROUTINE Apc, PVOID Context, PIO_STATUS_BLOCK Iosb, ULONG Code, PVOID In, ULONG InLength, PVOID Out, ULONG OutLength);
SERVICE ZwDeleteFile(POBJECT_ATTRIBUTES Attributes);

static IO_STACK_LOCATION Seen;
static UCHAR SeenBytes[64];
static UNICODE_STRING SeenPattern;
static WCHAR SeenPatternText[16];
static LONGLONG SeenLockLength;
static BOOLEAN DeleteOnClose;
static ULONG Creates;
static IO_STATUS_BLOCK Iosb;
static UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\Device\\KtestMajors");

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    PUCHAR data = Irp->AssociatedIrp.SystemBuffer;
    ULONG length = stack->Parameters.Read.Length;
    UNREFERENCED_PARAMETER(DeviceObject);
    if (stack->MajorFunction == IRP_MJ_CREATE)
    {
        Creates++;
        DeleteOnClose = (stack->Parameters.Create.Options & FILE_DELETE_ON_CLOSE) != 0;
        return Complete(Irp, STATUS_SUCCESS, FILE_OPENED);
    }
    if (stack->MajorFunction == IRP_MJ_CLEANUP || stack->MajorFunction == IRP_MJ_CLOSE)
        return Complete(Irp, STATUS_SUCCESS, 0);
    Seen = *stack;
    switch (stack->MajorFunction)
    {
    case IRP_MJ_LOCK_CONTROL:
        SeenLockLength = ((PLARGE_INTEGER)stack->Parameters.Others.Argument1)->QuadPart;
        return Complete(Irp, STATUS_SUCCESS, 0);
    case IRP_MJ_FLUSH_BUFFERS:
        return Complete(Irp, STATUS_SUCCESS, 0);
    case IRP_MJ_DIRECTORY_CONTROL:
        if (stack->MinorFunction == IRP_MN_QUERY_DIRECTORY && stack->Parameters.Others.Argument2)
        {
            PUNICODE_STRING pattern = stack->Parameters.Others.Argument2;
            SeenPattern = *pattern;
            RtlZeroMemory(SeenPatternText, sizeof SeenPatternText);
            RtlCopyMemory(SeenPatternText, pattern->Buffer, pattern->Length);
        }
        break;
    case IRP_MJ_QUERY_EA:
        if (stack->Parameters.Others.Argument2)
            RtlCopyMemory(SeenBytes, stack->Parameters.Others.Argument2, (ULONG)(ULONG_PTR)stack->Parameters.Others.Argument3);
        break;
    case IRP_MJ_SET_EA:
    case IRP_MJ_SET_QUOTA:
    case IRP_MJ_SET_VOLUME_INFORMATION:
    case IRP_MJ_SET_INFORMATION:
        RtlCopyMemory(SeenBytes, data, length < sizeof SeenBytes ? length : sizeof SeenBytes);
        return Complete(Irp, STATUS_SUCCESS, 0);
    case IRP_MJ_FILE_SYSTEM_CONTROL:
        length = 4;
        break;
    }
    if (data)
        RtlFillMemory(data, length, 0x42);
    return Complete(Irp, STATUS_SUCCESS, length);
}

static VOID Attributes(HANDLE File)
{
    struct
    {
        ULONG Next;
        UCHAR Flags, NameLength;
        USHORT ValueLength;
        CHAR Name[2];
        CHAR Value[2];
    } ea = {0, 0, 1, 2, "n", "v"};
    UCHAR buffer[64] = {0}, list[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    ULONG index = 5;
    OUTCOME(ZwQueryEaFile, "sends IRP_MJ_QUERY_EA and copies the attributes back", ZwQueryEaFile(File, &Iosb, buffer, sizeof buffer, TRUE, list, sizeof list, NULL, TRUE) == STATUS_SUCCESS &&
            Seen.MajorFunction == IRP_MJ_QUERY_EA && buffer[0] == 0x42 && Iosb.Information == sizeof buffer);
    OUTCOME(ZwQueryEaFile, "ReturnSingleEntry and RestartScan become flags", Seen.Flags == (SL_RETURN_SINGLE_ENTRY | SL_RESTART_SCAN));
    OUTCOME(ZwQueryEaFile, "the list of names is copied into the IRP", SeenBytes[0] == 1 && SeenBytes[7] == 8);
    ZwQueryEaFile(File, &Iosb, buffer, sizeof buffer, FALSE, NULL, 0, &index, FALSE);
    OUTCOME(ZwQueryEaFile, "EaIndex goes with SL_INDEX_SPECIFIED", Seen.Flags == SL_INDEX_SPECIFIED && (ULONG)(ULONG_PTR)Seen.Parameters.Others.Argument4 == 5);
    OUTCOME(ZwSetEaFile, "sends IRP_MJ_SET_EA with a copy of the attributes", ZwSetEaFile(File, &Iosb, &ea, 12) == STATUS_SUCCESS && Seen.MajorFunction == IRP_MJ_SET_EA && SeenBytes[8] == 'n');
    ea.Name[1] = 'x';
    OUTCOME(ZwSetEaFile, "STATUS_EA_LIST_INCONSISTENT for a malformed list", ZwSetEaFile(File, &Iosb, &ea, 12) == STATUS_EA_LIST_INCONSISTENT);
    OUTCOME(ZwQueryQuotaInformationFile, "sends IRP_MJ_QUERY_QUOTA and copies the entries back", ZwQueryQuotaInformationFile(File, &Iosb, buffer, sizeof buffer, FALSE, NULL, 0, NULL, FALSE) == STATUS_SUCCESS &&
            Seen.MajorFunction == IRP_MJ_QUERY_QUOTA && Iosb.Information == sizeof buffer);
    OUTCOME(ZwSetQuotaInformationFile, "sends IRP_MJ_SET_QUOTA with a copy of the entries", ZwSetQuotaInformationFile(File, &Iosb, list, sizeof list) == STATUS_SUCCESS && Seen.MajorFunction == IRP_MJ_SET_QUOTA && SeenBytes[7] == 8);
}

static VOID Information(HANDLE File)
{
    UCHAR buffer[0x40];
    FILE_POSITION_INFORMATION position;
    FILE_BASIC_INFORMATION basic;
    position.CurrentByteOffset.QuadPart = 0x777;
    OUTCOME(ZwQueryVolumeInformationFile, "sends IRP_MJ_QUERY_VOLUME_INFORMATION with class and length", ZwQueryVolumeInformationFile(File, &Iosb, buffer, 0x18, FileFsSizeInformation) == STATUS_SUCCESS &&
            Seen.MajorFunction == IRP_MJ_QUERY_VOLUME_INFORMATION && Seen.Parameters.QueryFile.Length == 0x18 && (ULONG)Seen.Parameters.QueryFile.FileInformationClass == FileFsSizeInformation && buffer[0] == 0x42);
    OUTCOME(ZwSetVolumeInformationFile, "sends IRP_MJ_SET_VOLUME_INFORMATION with class and data", ZwSetVolumeInformationFile(File, &Iosb, buffer, 0x20, FileFsLabelInformation) == STATUS_SUCCESS &&
            Seen.MajorFunction == IRP_MJ_SET_VOLUME_INFORMATION && SeenBytes[0] == 0x42 && (ULONG)Seen.Parameters.SetFile.FileInformationClass == FileFsLabelInformation);
    OUTCOME(ZwSetInformationFile, "FilePositionInformation sets the position of a synchronous file", ZwSetInformationFile(File, &Iosb, &position, sizeof position, FilePositionInformation) == STATUS_SUCCESS);
    position.CurrentByteOffset.QuadPart = 0;
    OUTCOME(ZwQueryInformationFile, "FilePositionInformation gives the position of a synchronous file", ZwQueryInformationFile(File, &Iosb, &position, sizeof position, FilePositionInformation) == STATUS_SUCCESS &&
            position.CurrentByteOffset.QuadPart == 0x777 && Iosb.Information == sizeof position);
    OUTCOME(ZwQueryInformationFile, "STATUS_INFO_LENGTH_MISMATCH for a buffer that is too small", ZwQueryInformationFile(File, &Iosb, &position, 4, FilePositionInformation) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwSetInformationFile, "STATUS_INFO_LENGTH_MISMATCH for a buffer that is too small", ZwSetInformationFile(File, &Iosb, &position, 4, FilePositionInformation) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwQueryInformationFile, "sends IRP_MJ_QUERY_INFORMATION with class and length, and copies the answer back", ZwQueryInformationFile(File, &Iosb, &basic, sizeof basic, FileBasicInformation) == STATUS_SUCCESS &&
            Seen.MajorFunction == IRP_MJ_QUERY_INFORMATION && Seen.Parameters.QueryFile.FileInformationClass == FileBasicInformation && (basic.FileAttributes & 0xff) == 0x42);
    OUTCOME(ZwSetInformationFile, "sends IRP_MJ_SET_INFORMATION with class and data", ZwSetInformationFile(File, &Iosb, &basic, sizeof basic, FileBasicInformation) == STATUS_SUCCESS && Seen.MajorFunction == IRP_MJ_SET_INFORMATION &&
            SeenBytes[0] == 0x42 && Seen.Parameters.SetFile.FileInformationClass == FileBasicInformation);
    OUTCOME(ZwQueryInformationFile, "STATUS_INVALID_HANDLE for a handle that is none", ZwQueryInformationFile((HANDLE)0xfff0, &Iosb, &basic, sizeof basic, FileBasicInformation) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwFlushBuffersFile, "sends IRP_MJ_FLUSH_BUFFERS", ZwFlushBuffersFile(File, &Iosb) == STATUS_SUCCESS && Seen.MajorFunction == IRP_MJ_FLUSH_BUFFERS);
    OUTCOME(ZwFsControlFile, "sends IRP_MJ_FILE_SYSTEM_CONTROL with the code", ZwFsControlFile(File, NULL, NULL, NULL, &Iosb, CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 77, METHOD_BUFFERED, FILE_ANY_ACCESS), NULL, 0, buffer, 8) == STATUS_SUCCESS &&
            Seen.MajorFunction == IRP_MJ_FILE_SYSTEM_CONTROL && IoGetFunctionCodeFromCtlCode(Seen.Parameters.DeviceIoControl.IoControlCode) == 77 && Iosb.Information == 4);
}

static VOID Directories(HANDLE File)
{
    UNICODE_STRING pattern = RTL_CONSTANT_STRING(L"*.sys");
    UCHAR buffer[0x80];
    OUTCOME(ZwQueryDirectoryFile, "sends IRP_MN_QUERY_DIRECTORY with class, pattern and flags", ZwQueryDirectoryFile(File, NULL, NULL, NULL, &Iosb, buffer, sizeof buffer, FileDirectoryInformation, TRUE, &pattern, TRUE) == STATUS_SUCCESS &&
            Seen.MajorFunction == IRP_MJ_DIRECTORY_CONTROL && Seen.MinorFunction == IRP_MN_QUERY_DIRECTORY && Seen.Flags == (SL_RETURN_SINGLE_ENTRY | SL_RESTART_SCAN) && buffer[5] == 0x42);
    OUTCOME(ZwQueryDirectoryFile, "the pattern is copied into the IRP", SeenPattern.Length == pattern.Length && SeenPattern.Buffer != pattern.Buffer && SeenPatternText[0] == '*' && SeenPatternText[4] == 's');
    OUTCOME(ZwQueryDirectoryFile, "STATUS_INFO_LENGTH_MISMATCH for a buffer without room for one entry", ZwQueryDirectoryFile(File, NULL, NULL, NULL, &Iosb, buffer, 8, FileDirectoryInformation, FALSE, NULL, FALSE) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwQueryDirectoryFile, "STATUS_INVALID_INFO_CLASS for a class that names no entries", ZwQueryDirectoryFile(File, NULL, NULL, NULL, &Iosb, buffer, sizeof buffer, FilePositionInformation, FALSE, NULL, FALSE) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwNotifyChangeDirectoryFile, "sends IRP_MN_NOTIFY_CHANGE_DIRECTORY with filter and flag", ZwNotifyChangeDirectoryFile(File, NULL, NULL, NULL, &Iosb, buffer, sizeof buffer, 1, TRUE) == STATUS_SUCCESS &&
            Seen.MinorFunction == IRP_MN_NOTIFY_CHANGE_DIRECTORY && Seen.Flags == SL_WATCH_TREE);
    OUTCOME(ZwNotifyChangeDirectoryFile, "STATUS_INVALID_PARAMETER for a filter that is none", ZwNotifyChangeDirectoryFile(File, NULL, NULL, NULL, &Iosb, buffer, sizeof buffer, 0, FALSE) == STATUS_INVALID_PARAMETER);
}

static VOID Locks(HANDLE File)
{
    LARGE_INTEGER offset, length;
    offset.QuadPart = 100;
    length.QuadPart = 50;
    OUTCOME(ZwLockFile, "sends IRP_MN_LOCK with range, key and flags", ZwLockFile(File, NULL, NULL, NULL, &Iosb, &offset, &length, 9, TRUE, TRUE) == STATUS_SUCCESS && Seen.MajorFunction == IRP_MJ_LOCK_CONTROL &&
            Seen.MinorFunction == 1 && Seen.Flags == (SL_FAIL_IMMEDIATELY | SL_EXCLUSIVE_LOCK) && SeenLockLength == 50 && (ULONG)(ULONG_PTR)Seen.Parameters.Others.Argument2 == 9 &&
            (LONGLONG)Seen.Parameters.Others.Argument3 == 100);
    OUTCOME(ZwUnlockFile, "sends IRP_MN_UNLOCK_SINGLE with range and key", ZwUnlockFile(File, &Iosb, &offset, &length, 9) == STATUS_SUCCESS && Seen.MinorFunction == 2 && SeenLockLength == 50);
}

static VOID ByName(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    UCHAR full[0x38];
    InitializeObjectAttributes(&attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    DeleteOnClose = FALSE;
    OUTCOME(ZwDeleteFile, "opens the file to be deleted when it is closed", ZwDeleteFile(&attributes) == STATUS_SUCCESS && DeleteOnClose);
    Creates = 0;
    OUTCOME(ZwQueryFullAttributesFile, "opens the file and asks for its network open information", ZwQueryFullAttributesFile(&attributes, (PVOID)full) == STATUS_SUCCESS && Creates == 1 &&
            Seen.MajorFunction == IRP_MJ_QUERY_INFORMATION && Seen.Parameters.QueryFile.FileInformationClass == FileNetworkOpenInformation && full[0x37] == 0x42);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE file;
    ULONG i;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        DriverObject->MajorFunction[i] = Dispatch;
    KtestBegin("majors");
    NewDevice(DriverObject, Name.Buffer, DO_BUFFERED_IO);
    InitializeObjectAttributes(&attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwCreateFile(&file, FILE_ALL_ACCESS, &attributes, &Iosb, NULL, 0, 7, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0) == STATUS_SUCCESS);
    Attributes(file);
    Information(file);
    Directories(file);
    Locks(file);
    ZwClose(file);
    ByName();
    KtestDone();
    return STATUS_SUCCESS;
}
