/* Partition tables. The disk is a device of the driver's own: 16 sectors in memory, a table in sector 0 and one in an extended partition. */
#include <ntddk.h>
#include <ntdddisk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI NTSTATUS NTAPI IoReadPartitionTable(PDEVICE_OBJECT DeviceObject, ULONG SectorSize, BOOLEAN Recognized, PDRIVE_LAYOUT_INFORMATION *Buffer);
NTKERNELAPI NTSTATUS NTAPI IoSetPartitionInformation(PDEVICE_OBJECT DeviceObject, ULONG SectorSize, ULONG Number, ULONG Type);

static UCHAR Disk[16 * 512];
static PDEVICE_OBJECT Device;
static NTSTATUS Answer;

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
    KtestDone();
    return STATUS_SUCCESS;
}
