/* DMA by the routines that ntoskrnl and the HAL export, as drivers before Windows 2000 did it: channel, transfer, flush, and giving back. */
#include <ntddk.h>
#include "../ktest.h"

NTHALAPI PDMA_ADAPTER NTAPI HalGetAdapter(PDEVICE_DESCRIPTION DeviceDescription, PULONG NumberOfMapRegisters);
NTHALAPI VOID NTAPI HalPutDmaAdapter(PDMA_ADAPTER DmaAdapter);
NTHALAPI NTSTATUS NTAPI HalAllocateAdapterChannel(PDMA_ADAPTER DmaAdapter, PDEVICE_OBJECT DeviceObject, ULONG NumberOfMapRegisters, PDRIVER_CONTROL ExecutionRoutine, PVOID Context);
LONGLONG NTAPI ExportedMapTransfer(PDMA_ADAPTER Adapter, PMDL Mdl, PVOID MapRegisterBase, PVOID CurrentVa, PULONG Length, BOOLEAN WriteToDevice) __asm__("IoMapTransfer");
BOOLEAN NTAPI ExportedFlush(PDMA_ADAPTER Adapter, PMDL Mdl, PVOID MapRegisterBase, PVOID CurrentVa, ULONG Length, BOOLEAN WriteToDevice) __asm__("IoFlushAdapterBuffers");
VOID NTAPI ExportedFreeChannel(PDMA_ADAPTER Adapter) __asm__("IoFreeAdapterChannel");
VOID NTAPI ExportedFreeRegisters(PDMA_ADAPTER Adapter, PVOID MapRegisterBase, ULONG Count) __asm__("IoFreeMapRegisters");

static ULONG Calls;
static PVOID Base;
/* KeepObject for a context, else DeallocateObjectKeepRegisters. */
static IO_ALLOCATION_ACTION NTAPI Control(PDEVICE_OBJECT Device, PIRP Irp, PVOID MapRegisterBase, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    Calls++;
    Base = MapRegisterBase;
    return Context ? KeepObject : DeallocateObjectKeepRegisters;
}

static VOID Transfer(PDEVICE_OBJECT Device)
{
    DEVICE_DESCRIPTION d;
    ULONG registers = 0, length;
    KIRQL irql;
    RtlZeroMemory(&d, sizeof d);
    d.Version = DEVICE_DESCRIPTION_VERSION1;
    d.Master = TRUE;
    d.ScatterGather = TRUE;
    d.Dma32BitAddresses = TRUE;
    d.InterfaceType = PCIBus;
    d.MaximumLength = 0x4000;
    PDMA_ADAPTER adapter = HalGetAdapter(&d, &registers);
    PUCHAR buffer = ExAllocatePoolWithTag(NonPagedPool, 0x3000, 'tseT');
    CHECK(adapter && buffer && registers >= 2);
    PMDL mdl = IoAllocateMdl(buffer, 0x3000, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    CHECK(HalAllocateAdapterChannel(adapter, Device, registers, Control, Device) == STATUS_SUCCESS && Calls == 1);
    length = 0x800;
    LONGLONG where = ExportedMapTransfer(adapter, mdl, Base, buffer, &length, TRUE);
    OUTCOME(IoMapTransfer, "the logical address for the device, and how long the piece is", where == MmGetPhysicalAddress(buffer).QuadPart && length == 0x800);
    OUTCOME(IoFlushAdapterBuffers, "TRUE when all data are through", ExportedFlush(adapter, mdl, Base, buffer, 0x800, TRUE));
    HalAllocateAdapterChannel(adapter, Device, registers, Control, NULL);
    BOOLEAN queued = Calls == 1;
    ExportedFreeChannel(adapter);
    OUTCOME(IoFreeAdapterChannel, "who waits for the adapter is called", queued && Calls == 2);
    /* Its control routine kept the registers only. */
    HalAllocateAdapterChannel(adapter, Device, registers, Control, NULL);
    queued = Calls == 2;
    ExportedFreeRegisters(adapter, Base, registers);
    OUTCOME(IoFreeMapRegisters, "who waits for the registers is called", queued && Calls == 3);
    ExportedFreeRegisters(adapter, Base, registers);
    KeLowerIrql(irql);
    IoFreeMdl(mdl);
    ExFreePoolWithTag(buffer, 'tseT');
    HalPutDmaAdapter(adapter);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT device;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    if (!NT_SUCCESS(IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return STATUS_UNSUCCESSFUL;
    KtestBegin("dmaexports");
    Transfer(device);
    KtestDone();
    return STATUS_SUCCESS;
}
