/* The HAL's routines from before Plug and Play, which old drivers still import: configuration space, interrupt vectors, adapters by description. */
#include <ntddk.h>
#include "../ktest.h"

#define VENDOR_EDU 0x11e81234u

/* What is called Imported... is an inline function of the headers: this is the HAL's export. */
NTHALAPI ULONG NTAPI HalGetBusData(BUS_DATA_TYPE BusDataType, ULONG BusNumber, ULONG SlotNumber, PVOID Buffer, ULONG Length);
NTHALAPI ULONG NTAPI HalSetBusData(BUS_DATA_TYPE BusDataType, ULONG BusNumber, ULONG SlotNumber, PVOID Buffer, ULONG Length);
NTHALAPI ULONG NTAPI HalGetInterruptVector(INTERFACE_TYPE InterfaceType, ULONG BusNumber, ULONG BusInterruptLevel, ULONG BusInterruptVector, PKIRQL Irql, PKAFFINITY Affinity);
NTHALAPI PDMA_ADAPTER NTAPI HalGetAdapter(PDEVICE_DESCRIPTION DeviceDescription, PULONG NumberOfMapRegisters);
NTHALAPI VOID NTAPI HalPutDmaAdapter(PDMA_ADAPTER DmaAdapter);
PVOID NTAPI ImportedHalAllocateCommonBuffer(PDMA_ADAPTER DmaAdapter, ULONG Length, PPHYSICAL_ADDRESS LogicalAddress, BOOLEAN CacheEnabled) __asm__("HalAllocateCommonBuffer");
VOID NTAPI ImportedHalFreeCommonBuffer(PDMA_ADAPTER DmaAdapter, ULONG Length, PHYSICAL_ADDRESS LogicalAddress, PVOID VirtualAddress, BOOLEAN CacheEnabled) __asm__("HalFreeCommonBuffer");
NTHALAPI NTSTATUS NTAPI HalAllocateAdapterChannel(PDMA_ADAPTER DmaAdapter, PDEVICE_OBJECT DeviceObject, ULONG NumberOfMapRegisters, PDRIVER_CONTROL ExecutionRoutine, PVOID Context);
ULONG NTAPI ImportedHalReadDmaCounter(PDMA_ADAPTER DmaAdapter) __asm__("HalReadDmaCounter");
NTHALAPI NTSTATUS NTAPI HalGetScatterGatherList(PDMA_ADAPTER DmaAdapter, PDEVICE_OBJECT DeviceObject, PMDL Mdl, PVOID CurrentVa, ULONG Length, PDRIVER_LIST_CONTROL ExecutionRoutine, PVOID Context, BOOLEAN WriteToDevice);
NTHALAPI VOID NTAPI HalPutScatterGatherList(PDMA_ADAPTER DmaAdapter, PSCATTER_GATHER_LIST ScatterGather, BOOLEAN WriteToDevice);
NTHALAPI BOOLEAN NTAPI HalMakeBeep(ULONG Frequency);

static VOID Buses(VOID)
{
    ULONG found = 32, id, value, got;
    UCHAR saved, line;
    for (ULONG device = 0; device < 32 && found == 32; device++)
        if (HalGetBusData(PCIConfiguration, 0, device, &id, sizeof id) == sizeof id && id == VENDOR_EDU)
            found = device;
    OUTCOME(HalGetBusData, "the configuration space from its start", found < 32);
    got = HalGetBusData(PCIConfiguration, 0, 31, &value, sizeof value);
    OUTCOME(HalGetBusData, "two bytes of ones for a slot without a device", got == 2 && (USHORT)value == 0xffff);
    OUTCOME(HalGetBusData, "zero for a bus that is not there", HalGetBusData(PCIConfiguration, 77, 0, &value, sizeof value) == 0);
    OUTCOME(HalGetBusDataByOffset, "the configuration space from an offset", HalGetBusDataByOffset(PCIConfiguration, 0, found, &value, 2, 2) == 2 && (USHORT)value == 0x11e8);
    OUTCOME(HalGetBusDataByOffset, "zero for a bus that is not there", HalGetBusDataByOffset(PCIConfiguration, 77, 0, &value, 0, 4) == 0);
    HalGetBusDataByOffset(PCIConfiguration, 0, found, &saved, 0x3c, 1);
    line = (UCHAR)(saved ^ 0x55);
    got = HalSetBusDataByOffset(PCIConfiguration, 0, found, &line, 0x3c, 1);
    HalGetBusDataByOffset(PCIConfiguration, 0, found, &value, 0x3c, 1);
    OUTCOME(HalSetBusDataByOffset, "writes what can be written", got == 1 && (UCHAR)value == line);
    HalSetBusDataByOffset(PCIConfiguration, 0, found, &saved, 0x3c, 1);
    id = 0;
    HalSetBusDataByOffset(PCIConfiguration, 0, found, &id, 0, 4);
    HalGetBusDataByOffset(PCIConfiguration, 0, found, &id, 0, 4);
    OUTCOME(HalSetBusDataByOffset, "what is read-only stays", id == VENDOR_EDU);
    OUTCOME(HalSetBusDataByOffset, "zero for a bus that is not there", HalSetBusDataByOffset(PCIConfiguration, 77, 0, &line, 0x3c, 1) == 0);
    OUTCOME(HalSetBusData, "bytes written from the start", HalSetBusData(PCIConfiguration, 0, found, &id, sizeof id) == sizeof id);
    OUTCOME(HalSetBusData, "zero for a bus that is not there", HalSetBusData(PCIConfiguration, 77, found, &id, sizeof id) == 0);

    PHYSICAL_ADDRESS bus = {.QuadPart = 0xfe001000ll}, cpu;
    ULONG space = 0;
    OUTCOME(HalTranslateBusAddress, "TRUE, a memory address of the bus is the processor's", HalTranslateBusAddress(PCIBus, 0, bus, &space, &cpu) && cpu.QuadPart == bus.QuadPart && space == 0);
    bus.QuadPart = 0x3f8;
    space = 1;
    OUTCOME(HalTranslateBusAddress, "TRUE, a port stays a port", HalTranslateBusAddress(Isa, 0, bus, &space, &cpu) && cpu.QuadPart == 0x3f8 && space == 1);
    KIRQL irql = 0;
    KAFFINITY affinity = 0;
    ULONG vector = HalGetInterruptVector(Isa, 0, 4, 4, &irql, &affinity);
    OUTCOME(HalGetInterruptVector, "vector, IRQL and processors", vector >= 0x30 && irql == vector >> 4 && affinity != 0);
    OUTCOME(HalGetInterruptVector, "zero for a level that is not", HalGetInterruptVector(Isa, 0, 99, 99, &irql, &affinity) == 0);
}

static ULONG Elements;
static PSCATTER_GATHER_LIST List;
static VOID NTAPI OnList(PDEVICE_OBJECT DeviceObject, PIRP Irp, PSCATTER_GATHER_LIST ScatterGather, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    List = ScatterGather;
    Elements = ScatterGather->NumberOfElements;
}
static ULONG Controlled;
static IO_ALLOCATION_ACTION NTAPI OnChannel(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID MapRegisterBase, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(MapRegisterBase);
    Controlled = *(PULONG)Context;
    return DeallocateObject;
}

static VOID Adapters(PDEVICE_OBJECT Device)
{
    DEVICE_DESCRIPTION d;
    ULONG registers = 0, mark = 7;
    PHYSICAL_ADDRESS logical;
    KIRQL irql;
    RtlZeroMemory(&d, sizeof d);
    d.Version = DEVICE_DESCRIPTION_VERSION1;
    d.Master = d.ScatterGather = d.Dma32BitAddresses = TRUE;
    d.InterfaceType = PCIBus;
    d.MaximumLength = 0x8000;
    PDMA_ADAPTER adapter = HalGetAdapter(&d, &registers);
    OUTCOME(HalGetAdapter, "the adapter and how many map registers there are", adapter != NULL && registers >= 8);
    PUCHAR buffer = ImportedHalAllocateCommonBuffer(adapter, 0x1800, &logical, TRUE);
    OUTCOME(HalAllocateCommonBuffer, "memory, and its address for the device", buffer != NULL && logical.QuadPart != 0 && MmGetPhysicalAddress(buffer).QuadPart == logical.QuadPart);
    OUTCOME(HalAllocateCommonBuffer, "contiguous", buffer != NULL && MmGetPhysicalAddress(buffer + 0x1000).QuadPart == logical.QuadPart + 0x1000);
    PVOID vast = ImportedHalAllocateCommonBuffer(adapter, 0x7ff00000, &(PHYSICAL_ADDRESS){.QuadPart = 0}, TRUE);
    OUTCOME(HalAllocateCommonBuffer, "NULL when there is not so much", vast == NULL);
    PMDL mdl = IoAllocateMdl(buffer, 0x1800, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    NTSTATUS status = HalGetScatterGatherList(adapter, Device, mdl, buffer, 0x1800, OnList, NULL, TRUE);
    OUTCOME(HalGetScatterGatherList, "STATUS_SUCCESS, the routine gets the list", status == STATUS_SUCCESS && Elements == 1 && List->Elements[0].Address.QuadPart == logical.QuadPart && List->Elements[0].Length == 0x1800);
    HalPutScatterGatherList(adapter, List, TRUE);
    status = HalGetScatterGatherList(adapter, Device, mdl, buffer + 0x800, 0x1000, OnList, NULL, FALSE);
    OUTCOME(HalPutScatterGatherList, "the registers are free for the next list", status == STATUS_SUCCESS && List->Elements[0].Address.QuadPart == logical.QuadPart + 0x800);
    HalPutScatterGatherList(adapter, List, FALSE);
    status = HalAllocateAdapterChannel(adapter, Device, 1, OnChannel, &mark);
    OUTCOME(HalAllocateAdapterChannel, "STATUS_SUCCESS, the control routine is called", status == STATUS_SUCCESS && Controlled == 7);
    status = HalAllocateAdapterChannel(adapter, Device, registers + 1000, OnChannel, &mark);
    OUTCOME(HalAllocateAdapterChannel, "STATUS_INSUFFICIENT_RESOURCES for more map registers than the adapter has", status == STATUS_INSUFFICIENT_RESOURCES);
    OUTCOME(HalReadDmaCounter, "nothing left without a transfer", ImportedHalReadDmaCounter(adapter) == 0);
    KeLowerIrql(irql);
    IoFreeMdl(mdl);
    ImportedHalFreeCommonBuffer(adapter, 0x1800, logical, buffer, TRUE);
    OUTCOME(HalFreeCommonBuffer, "the memory is given back", !MmIsAddressValid(buffer));
    HalPutDmaAdapter(adapter);
    adapter = HalGetAdapter(&d, &registers);
    OUTCOME(HalPutDmaAdapter, "the adapter is given back", adapter != NULL);
    HalPutDmaAdapter(adapter);
}

static VOID Speaker(VOID)
{
    PUCHAR gate = (PUCHAR)0x61;
    OUTCOME(HalMakeBeep, "TRUE, the speaker is on", HalMakeBeep(1000) && (READ_PORT_UCHAR(gate) & 3) == 3);
    OUTCOME(HalMakeBeep, "0 turns it off", HalMakeBeep(0) && (READ_PORT_UCHAR(gate) & 3) == 0);
    OUTCOME(HalMakeBeep, "FALSE for a frequency that the timer cannot make", !HalMakeBeep(5) && (READ_PORT_UCHAR(gate) & 3) == 0);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT device;
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("hallegacy");
    Buses();
    IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    Adapters(device);
    IoDeleteDevice(device);
    Speaker();
    KtestDone();
    return STATUS_SUCCESS;
}
