/* Entries of the event log; run.ts looks at what has arrived there. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI VOID NTAPI IoFreeErrorLogEntry(PVOID ElEntry);

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

static PIO_ERROR_LOG_PACKET Packet(PVOID Object, PCWSTR Text)
{
    ULONG bytes = 0;
    PIO_ERROR_LOG_PACKET packet;
    while (Text[bytes / 2])
        bytes += 2;
    bytes += 2;
    packet = IoAllocateErrorLogEntry(Object, (UCHAR)(sizeof(IO_ERROR_LOG_PACKET) + bytes));
    if (packet)
    {
        packet->ErrorCode = 0xC0040001;
        packet->FinalStatus = STATUS_IO_DEVICE_ERROR;
        packet->NumberOfStrings = 1;
        packet->StringOffset = sizeof(IO_ERROR_LOG_PACKET);
        RtlCopyMemory((PUCHAR)packet + packet->StringOffset, Text, bytes);
    }
    return packet;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PIO_ERROR_LOG_PACKET packet;
    PDEVICE_OBJECT device;
    PUCHAR p;
    KIRQL irql;
    BOOLEAN zero = TRUE;
    ULONG i;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("errorlog");
    device = NewDevice(DriverObject, NULL, 0);
    p = IoAllocateErrorLogEntry(DriverObject, ERROR_LOG_MAXIMUM_SIZE);
    OUTCOME(IoAllocateErrorLogEntry, "returns an entry for a driver object, up to ERROR_LOG_MAXIMUM_SIZE", p != NULL);
    for (i = 0; p && i < ERROR_LOG_MAXIMUM_SIZE; i++)
        if (p[i])
            zero = FALSE;
    OUTCOME(IoAllocateErrorLogEntry, "the entry is filled with zeros", zero);
    IoFreeErrorLogEntry(p);
    OUTCOME(IoAllocateErrorLogEntry, "returns NULL for a size that cannot be", IoAllocateErrorLogEntry(device, 255) == NULL && IoAllocateErrorLogEntry(device, 4) == NULL);
    OUTCOME(IoAllocateErrorLogEntry, "returns NULL without an object", IoAllocateErrorLogEntry(NULL, sizeof(IO_ERROR_LOG_PACKET)) == NULL);
    packet = Packet(device, L"the wheel has come off");
    OUTCOME(IoAllocateErrorLogEntry, "returns an entry for a device object", packet != NULL);
    /* The outcomes of writing are seen in the log: run.ts fails without the records. */
    IoWriteErrorLogEntry(packet);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    packet = Packet(DriverObject, L"written at DISPATCH_LEVEL");
    IoWriteErrorLogEntry(packet);
    IoFreeErrorLogEntry(Packet(device, L"never written"));
    KeLowerIrql(irql);
    DbgPrint("KTEST pass IoWriteErrorLogEntry|writes error code, status and strings into the event log\n");
    DbgPrint("KTEST pass IoWriteErrorLogEntry|works at DISPATCH_LEVEL\n");
    DbgPrint("KTEST pass IoFreeErrorLogEntry|frees an entry, which is not written\n");
    KtestDone();
    return STATUS_SUCCESS;
}
