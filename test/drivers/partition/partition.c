/* Partition tables. The disk is a device of the driver's own: 16 sectors in memory, a table in sector 0 and one in an extended partition. */
#include <ntddk.h>
#include <ntdddisk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI NTSTATUS NTAPI IoReadPartitionTable(PDEVICE_OBJECT DeviceObject, ULONG SectorSize, BOOLEAN Recognized, PDRIVE_LAYOUT_INFORMATION *Buffer);
NTKERNELAPI NTSTATUS NTAPI IoSetPartitionInformation(PDEVICE_OBJECT DeviceObject, ULONG SectorSize, ULONG Number, ULONG Type);
NTKERNELAPI NTSTATUS NTAPI IoWritePartitionTable(PDEVICE_OBJECT DeviceObject, ULONG SectorSize, ULONG SectorsPerTrack, ULONG NumberOfHeads, PDRIVE_LAYOUT_INFORMATION Buffer);

static UCHAR Disk[16 * 512];
static PDEVICE_OBJECT Device;
static NTSTATUS Answer, GeometryAnswer;

static NTSTATUS NTAPI Transfer(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    ULONG offset = (ULONG)stack->Parameters.Read.ByteOffset.QuadPart, length = stack->Parameters.Read.Length;
    UNREFERENCED_PARAMETER(DeviceObject);
    if (!NT_SUCCESS(Answer))
        return Complete(Irp, Answer, 0);
    if (offset + length > sizeof Disk)
        return Complete(Irp, STATUS_INVALID_PARAMETER, 0);
    if (stack->MajorFunction == IRP_MJ_READ)
        RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, Disk + offset, length);
    else
        RtlCopyMemory(Disk + offset, Irp->AssociatedIrp.SystemBuffer, length);
    return Complete(Irp, STATUS_SUCCESS, length);
}

/* The geometry: 2 heads, 4 sectors a track. */
static NTSTATUS NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    PDISK_GEOMETRY geometry = Irp->AssociatedIrp.SystemBuffer;
    UNREFERENCED_PARAMETER(DeviceObject);
    if (stack->Parameters.DeviceIoControl.IoControlCode != IOCTL_DISK_GET_DRIVE_GEOMETRY)
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    if (!NT_SUCCESS(GeometryAnswer))
        return Complete(Irp, GeometryAnswer, 0);
    RtlZeroMemory(geometry, sizeof *geometry);
    geometry->Cylinders.QuadPart = 2;
    geometry->MediaType = FixedMedia;
    geometry->TracksPerCylinder = 2;
    geometry->SectorsPerTrack = 4;
    geometry->BytesPerSector = 512;
    return Complete(Irp, STATUS_SUCCESS, sizeof *geometry);
}

static VOID Entry(ULONG Sector, ULONG Index, UCHAR Boot, UCHAR Type, ULONG Start, ULONG Sectors)
{
    PUCHAR entry = Disk + Sector * 512 + 0x1be + Index * 16;
    entry[0] = Boot;
    entry[4] = Type;
    *(ULONG *)(entry + 8) = Start;
    *(ULONG *)(entry + 12) = Sectors;
    Disk[Sector * 512 + 510] = 0x55;
    Disk[Sector * 512 + 511] = 0xaa;
}

static VOID Describe(PPARTITION_INFORMATION Entry, UCHAR Type, ULONG Start, ULONG Sectors, BOOLEAN Boot)
{
    RtlZeroMemory(Entry, sizeof *Entry);
    Entry->StartingOffset.QuadPart = Start * 512ll;
    Entry->PartitionLength.QuadPart = Sectors * 512ll;
    Entry->PartitionType = Type;
    Entry->BootIndicator = Boot;
    Entry->RewritePartition = TRUE;
}

/* A new layout: one primary partition, and an extended one with two logical drives, whose tables are in sectors 8 and 12. */
static VOID Writing(PDEVICE_OBJECT Device)
{
    static ULONG64 room[(FIELD_OFFSET(DRIVE_LAYOUT_INFORMATION, PartitionEntry) + 12 * sizeof(PARTITION_INFORMATION)) / 8 + 1];
    PDRIVE_LAYOUT_INFORMATION layout = (PVOID)room, back = NULL;
    layout->PartitionCount = 12;
    layout->Signature = 0xbeef1234;
    for (ULONG i = 0; i < 12; i++)
        Describe(&layout->PartitionEntry[i], PARTITION_ENTRY_UNUSED, 0, 0, FALSE);
    Describe(&layout->PartitionEntry[0], PARTITION_FAT32, 1, 6, TRUE);
    Describe(&layout->PartitionEntry[1], PARTITION_EXTENDED, 8, 8, FALSE);
    Describe(&layout->PartitionEntry[4], PARTITION_IFS, 9, 3, FALSE);
    Describe(&layout->PartitionEntry[5], PARTITION_EXTENDED, 12, 4, FALSE);
    Describe(&layout->PartitionEntry[8], PARTITION_FAT_16, 13, 3, FALSE);
    layout->PartitionEntry[2].RewritePartition = FALSE;
    RtlZeroMemory(Disk + 12 * 512, 512);
    OUTCOME(IoWritePartitionTable, "STATUS_SUCCESS, the tables are on the disk", IoWritePartitionTable(Device, 512, 4, 2, layout) == STATUS_SUCCESS && Disk[0x1be + 4] == PARTITION_FAT32 && Disk[0x1be] == 0x80 &&
            *(ULONG *)(Disk + 0x1be + 8) == 1 && *(ULONG *)(Disk + 0x1be + 12) == 6 && *(ULONG *)(Disk + 0x1b8) == 0xbeef1234);
    /* Sector 6 is cylinder 0, head 1, sector 3: they count from 1. */
    OUTCOME(IoWritePartitionTable, "an entry has cylinder, head and sector of its ends", Disk[0x1be + 1] == 0 && Disk[0x1be + 2] == 2 && Disk[0x1be + 3] == 0 && Disk[0x1be + 5] == 1 && Disk[0x1be + 6] == 3 && Disk[0x1be + 7] == 0);
    OUTCOME(IoWritePartitionTable, "the tables of extended partitions are written, also where there was none", *(USHORT *)(Disk + 12 * 512 + 510) == 0xaa55 && Disk[12 * 512 + 0x1be + 4] == PARTITION_FAT_16 &&
            *(ULONG *)(Disk + 12 * 512 + 0x1be + 8) == 1 && *(ULONG *)(Disk + 8 * 512 + 0x1ce + 8) == 4);
    OUTCOME(IoWritePartitionTable, "an entry without RewritePartition stays", Disk[0x1be + 32 + 4] == 0x83);
    CHECK(IoReadPartitionTable(Device, 512, TRUE, &back) == STATUS_SUCCESS && back->PartitionCount == 3 && back->PartitionEntry[1].StartingOffset.QuadPart == 9 * 512 && back->PartitionEntry[2].StartingOffset.QuadPart == 13 * 512);
    ExFreePool(back);
    Disk[12 * 512 + 0x1be + 4] = PARTITION_FAT_16;
    OUTCOME(IoSetPartitionInformation, "finds logical drives behind the primary partitions", IoSetPartitionInformation(Device, 512, 4, PARTITION_FAT32_XINT13) == STATUS_SUCCESS && Disk[12 * 512 + 0x1be + 4] == PARTITION_FAT32_XINT13);
    GeometryAnswer = STATUS_IO_DEVICE_ERROR;
    OUTCOME(IoWritePartitionTable, "STATUS_DEVICE_NOT_READY when the disk does not say its geometry", IoWritePartitionTable(Device, 512, 4, 2, layout) == STATUS_DEVICE_NOT_READY);
    GeometryAnswer = STATUS_SUCCESS;
    Disk[510] = 0;
    OUTCOME(IoWritePartitionTable, "STATUS_UNSUCCESSFUL when sector zero has no signature", IoWritePartitionTable(Device, 512, 4, 2, layout) == STATUS_UNSUCCESSFUL);
    OUTCOME(IoSetPartitionInformation, "STATUS_UNSUCCESSFUL when sector zero has no signature", IoSetPartitionInformation(Device, 512, 1, PARTITION_IFS) == STATUS_UNSUCCESSFUL);
    Disk[510] = 0x55;
    Answer = STATUS_DATA_ERROR;
    OUTCOME(IoWritePartitionTable, "returns the error of the disk", IoWritePartitionTable(Device, 512, 4, 2, layout) == STATUS_DATA_ERROR);
    Answer = STATUS_SUCCESS;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDRIVE_LAYOUT_INFORMATION layout = NULL;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_READ] = DriverObject->MajorFunction[IRP_MJ_WRITE] = Transfer;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    KtestBegin("partition");
    Device = NewDevice(DriverObject, NULL, DO_BUFFERED_IO);
    *(ULONG *)(Disk + 0x1b8) = 0xcafe;
    Entry(0, 0, 0x80, PARTITION_IFS, 2, 3);
    Entry(0, 1, 0, PARTITION_EXTENDED, 8, 8);
    Entry(0, 2, 0, 0x83, 5, 1);
    Entry(8, 0, 0, PARTITION_FAT_16, 1, 4);
    OUTCOME(IoReadPartitionTable, "STATUS_SUCCESS and the layout of the disk", IoReadPartitionTable(Device, 512, TRUE, &layout) == STATUS_SUCCESS && layout && layout->Signature == 0xcafe);
    OUTCOME(IoReadPartitionTable, "with ReturnRecognizedPartitions only recognized partitions have entries, those in extended partitions too", layout->PartitionCount == 2 &&
            layout->PartitionEntry[0].PartitionType == PARTITION_IFS && layout->PartitionEntry[1].PartitionType == PARTITION_FAT_16);
    OUTCOME(IoReadPartitionTable, "an entry has offset, length, boot indicator and number", layout->PartitionEntry[0].StartingOffset.QuadPart == 1024 && layout->PartitionEntry[0].PartitionLength.QuadPart == 1536 &&
            layout->PartitionEntry[0].BootIndicator && layout->PartitionEntry[0].PartitionNumber == 1 && layout->PartitionEntry[1].StartingOffset.QuadPart == 9 * 512);
    ExFreePool(layout);
    CHECK(IoReadPartitionTable(Device, 512, FALSE, &layout) == STATUS_SUCCESS);
    OUTCOME(IoReadPartitionTable, "without it every entry of every table has one", layout->PartitionCount == 8 && layout->PartitionEntry[1].PartitionType == PARTITION_EXTENDED && !layout->PartitionEntry[2].RecognizedPartition);
    ExFreePool(layout);
    OUTCOME(IoSetPartitionInformation, "STATUS_SUCCESS; the type is changed on the disk", IoSetPartitionInformation(Device, 512, 1, PARTITION_FAT32) == STATUS_SUCCESS && Disk[0x1be + 4] == PARTITION_FAT32);
    OUTCOME(IoSetPartitionInformation, "fails for a partition that is not there", !NT_SUCCESS(IoSetPartitionInformation(Device, 512, 9, PARTITION_FAT32)));
    Answer = STATUS_DEVICE_NOT_READY;
    OUTCOME(IoSetPartitionInformation, "returns the error of the disk", IoSetPartitionInformation(Device, 512, 1, PARTITION_IFS) == STATUS_DEVICE_NOT_READY);
    OUTCOME(IoReadPartitionTable, "returns the error of the disk and sets the pointer to NULL when no table could be read", IoReadPartitionTable(Device, 512, TRUE, &layout) == STATUS_DEVICE_NOT_READY && layout == NULL);
    Answer = STATUS_SUCCESS;
    Writing(Device);
    KtestDone();
    return STATUS_SUCCESS;
}
