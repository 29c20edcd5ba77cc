/*
 * A file system in a few lines, for test drivers: files in memory, opened by name below its device, that can be mapped. It honours paging I/O: data come and go through the MDL of
 * the IRP, whole pages at a time, and what lies beyond the end of a file is not read and not written.
 */
#ifndef KTEST_MEMFS_H
#define KTEST_MEMFS_H

#define MEMFS_CAPACITY 0x10000

typedef struct
{
    PCWSTR Name;
    ULONG Size;
    PUCHAR Data;
    SECTION_OBJECT_POINTERS Pointers;
    BOOLEAN NotMappable, Locked, NoSize;
    /* Paging reads are completed later, by a worker thread. */
    BOOLEAN Slow;
    NTSTATUS FailReads, FailWrites;
    /* What was seen. */
    LONG Opens, Closes, Cleanups, PagingReads, PagingWrites, Acquires, Releases, Extended;
    ULONG LastFlags, LastLength;
} MEMFILE;

static MEMFILE *MemFiles;
static ULONG MemFileCount;
static PDEVICE_OBJECT MemDevice;

static MEMFILE *MemFind(PUNICODE_STRING Name)
{
    ULONG i;
    for (i = 0; i < MemFileCount; i++)
    {
        UNICODE_STRING name;
        RtlInitUnicodeString(&name, MemFiles[i].Name);
        if (RtlEqualUnicodeString(&name, Name, TRUE))
            return &MemFiles[i];
    }
    return NULL;
}

static NTSTATUS MemDone(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_DISK_INCREMENT);
    return Status;
}

static NTSTATUS NTAPI MemCreate(PDEVICE_OBJECT Device, PIRP Irp)
{
    PFILE_OBJECT object = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    MEMFILE *file = MemFind(&object->FileName);
    UNREFERENCED_PARAMETER(Device);
    if (!file)
        return MemDone(Irp, STATUS_OBJECT_NAME_NOT_FOUND, 0);
    object->FsContext = file;
    if (!file->NotMappable)
        object->SectionObjectPointer = &file->Pointers;
    InterlockedIncrement(&file->Opens);
    return MemDone(Irp, STATUS_SUCCESS, FILE_OPENED);
}

static NTSTATUS NTAPI MemClose(PDEVICE_OBJECT Device, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    MEMFILE *file = stack->FileObject->FsContext;
    UNREFERENCED_PARAMETER(Device);
    InterlockedIncrement(stack->MajorFunction == IRP_MJ_CLOSE ? &file->Closes : &file->Cleanups);
    return MemDone(Irp, STATUS_SUCCESS, 0);
}

/* Moves the data of a read or write. */
static NTSTATUS MemTransfer(PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    MEMFILE *file = stack->FileObject->FsContext;
    BOOLEAN write = stack->MajorFunction == IRP_MJ_WRITE, paging = (Irp->Flags & IRP_PAGING_IO) != 0;
    ULONG length = write ? stack->Parameters.Write.Length : stack->Parameters.Read.Length;
    ULONGLONG offset = write ? stack->Parameters.Write.ByteOffset.QuadPart : stack->Parameters.Read.ByteOffset.QuadPart;
    PUCHAR buffer = Irp->MdlAddress ? MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority) : Irp->UserBuffer;
    NTSTATUS fail = write ? file->FailWrites : file->FailReads;
    if (paging)
    {
        InterlockedIncrement(write ? &file->PagingWrites : &file->PagingReads);
        file->LastFlags = Irp->Flags;
        file->LastLength = length;
    }
    if (fail)
        return MemDone(Irp, fail, 0);
    if (offset >= file->Size && !(write && !paging))
        return MemDone(Irp, write ? STATUS_SUCCESS : STATUS_END_OF_FILE, 0);
    if (write && !paging && offset + length > file->Size && offset + length <= MEMFS_CAPACITY)
        file->Size = (ULONG)(offset + length);
    if (offset + length > file->Size)
        length = (ULONG)(file->Size - offset);
    if (write)
        RtlCopyMemory(file->Data + offset, buffer, length);
    else
        RtlCopyMemory(buffer, file->Data + offset, length);
    return MemDone(Irp, STATUS_SUCCESS, length);
}

static VOID NTAPI MemLater(PDEVICE_OBJECT Device, PVOID Context)
{
    PIRP irp = Context;
    PIO_WORKITEM item = irp->Tail.Overlay.DriverContext[0];
    LARGE_INTEGER time;
    UNREFERENCED_PARAMETER(Device);
    time.QuadPart = -20000;
    KeDelayExecutionThread(KernelMode, FALSE, &time);
    MemTransfer(irp);
    IoFreeWorkItem(item);
}

static NTSTATUS NTAPI MemReadWrite(PDEVICE_OBJECT Device, PIRP Irp)
{
    MEMFILE *file = IoGetCurrentIrpStackLocation(Irp)->FileObject->FsContext;
    if (file->Slow && (Irp->Flags & IRP_PAGING_IO))
    {
        PIO_WORKITEM item = IoAllocateWorkItem(Device);
        Irp->Tail.Overlay.DriverContext[0] = item;
        IoMarkIrpPending(Irp);
        IoQueueWorkItem(item, MemLater, DelayedWorkQueue, Irp);
        return STATUS_PENDING;
    }
    return MemTransfer(Irp);
}

static NTSTATUS NTAPI MemQuery(PDEVICE_OBJECT Device, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    MEMFILE *file = stack->FileObject->FsContext;
    PFILE_STANDARD_INFORMATION info = Irp->AssociatedIrp.SystemBuffer;
    UNREFERENCED_PARAMETER(Device);
    if (file->NoSize)
        return MemDone(Irp, STATUS_UNEXPECTED_NETWORK_ERROR, 0);
    if (stack->Parameters.QueryFile.FileInformationClass != FileStandardInformation)
        return MemDone(Irp, STATUS_INVALID_PARAMETER, 0);
    RtlZeroMemory(info, sizeof *info);
    info->AllocationSize.QuadPart = MEMFS_CAPACITY;
    info->EndOfFile.QuadPart = file->Size;
    info->NumberOfLinks = 1;
    return MemDone(Irp, STATUS_SUCCESS, sizeof *info);
}

static NTSTATUS NTAPI MemSet(PDEVICE_OBJECT Device, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    MEMFILE *file = stack->FileObject->FsContext;
    PLARGE_INTEGER end = Irp->AssociatedIrp.SystemBuffer;
    UNREFERENCED_PARAMETER(Device);
    if (stack->Parameters.SetFile.FileInformationClass != FileEndOfFileInformation)
        return MemDone(Irp, STATUS_INVALID_PARAMETER, 0);
    if (end->QuadPart > MEMFS_CAPACITY)
        return MemDone(Irp, STATUS_DISK_FULL, 0);
    if (end->QuadPart > file->Size)
        RtlZeroMemory(file->Data + file->Size, (SIZE_T)(end->QuadPart - file->Size));
    file->Size = (ULONG)end->QuadPart;
    file->Extended++;
    return MemDone(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI MemAcquire(PFILE_OBJECT Object) { InterlockedIncrement(&((MEMFILE *)Object->FsContext)->Acquires); }
static VOID NTAPI MemRelease(PFILE_OBJECT Object) { InterlockedIncrement(&((MEMFILE *)Object->FsContext)->Releases); }

static FAST_IO_DISPATCH MemFastIo;

/* The device, with a link to nothing: its files are \Device\NAME\file. */
static NTSTATUS MemMount(PDRIVER_OBJECT Driver, PCWSTR Name, MEMFILE *Files, ULONG Count)
{
    UNICODE_STRING name;
    NTSTATUS status;
    ULONG i;
    RtlInitUnicodeString(&name, Name);
    status = IoCreateDevice(Driver, 0, &name, FILE_DEVICE_DISK_FILE_SYSTEM, 0, FALSE, &MemDevice);
    if (!NT_SUCCESS(status))
        return status;
    MemFiles = Files;
    MemFileCount = Count;
    for (i = 0; i < Count; i++)
    {
        ULONG j;
        Files[i].Data = ExAllocatePoolWithTag(NonPagedPool, MEMFS_CAPACITY, 'sfMK');
        for (j = 0; j < MEMFS_CAPACITY; j++)
            Files[i].Data[j] = (UCHAR)(j * 7 + (j >> 12) * 13 + i);
    }
    Driver->MajorFunction[IRP_MJ_CREATE] = MemCreate;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = Driver->MajorFunction[IRP_MJ_CLOSE] = MemClose;
    Driver->MajorFunction[IRP_MJ_READ] = Driver->MajorFunction[IRP_MJ_WRITE] = MemReadWrite;
    Driver->MajorFunction[IRP_MJ_QUERY_INFORMATION] = MemQuery;
    Driver->MajorFunction[IRP_MJ_SET_INFORMATION] = MemSet;
    MemFastIo.SizeOfFastIoDispatch = sizeof MemFastIo;
    MemFastIo.AcquireFileForNtCreateSection = MemAcquire;
    MemFastIo.ReleaseFileForNtCreateSection = MemRelease;
    Driver->FastIoDispatch = &MemFastIo;
    MemDevice->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID MemUnmount(VOID)
{
    ULONG i;
    for (i = 0; i < MemFileCount; i++)
        ExFreePoolWithTag(MemFiles[i].Data, 'sfMK');
    IoDeleteDevice(MemDevice);
}

/* What the pattern of a file has at an offset. */
static UCHAR MemPattern(ULONG File, ULONG Offset) { return (UCHAR)(Offset * 7 + (Offset >> 12) * 13 + File); }

static HANDLE MemOpen(PCWSTR Path)
{
    HANDLE handle = NULL;
    UNICODE_STRING path;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    RtlInitUnicodeString(&path, Path);
    InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(ZwCreateFile(&handle, FILE_GENERIC_READ | FILE_GENERIC_WRITE, &attributes, &iosb, NULL, 0, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0)))
        return NULL;
    return handle;
}

#endif
