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
NTHALAPI NTSTATUS NTAPI HalAssignSlotResources(PUNICODE_STRING RegistryPath, PUNICODE_STRING DriverClassName, PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT DeviceObject, INTERFACE_TYPE BusType,
                                               ULONG BusNumber, ULONG SlotNumber, PCM_RESOURCE_LIST *AllocatedResources);
NTHALAPI NTSTATUS NTAPI HalAllocateMapRegisters(PDMA_ADAPTER AdapterObject, ULONG NumberOfMapRegisters, ULONG BaseAddressCount, PMAP_REGISTER_ENTRY MapRegisterArray);
PVOID NTAPI AllocateCrashDumpRegisters(PDMA_ADAPTER AdapterObject, PULONG NumberOfMapRegisters) __asm__("HalAllocateCrashDumpRegisters");
NTKERNELAPI NTSTATUS NTAPI IoReportResourceUsage(PUNICODE_STRING DriverClassName, PDRIVER_OBJECT DriverObject, PCM_RESOURCE_LIST DriverList, ULONG DriverListSize, PDEVICE_OBJECT DeviceObject,
                                                 PCM_RESOURCE_LIST DeviceList, ULONG DeviceListSize, BOOLEAN OverrideConflict, PBOOLEAN ConflictDetected);

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

/* Map registers that nobody has to wait for. An adapter of 24 bits and no scatter/gather copies through their pages. */
static VOID MapRegisters(VOID)
{
    DEVICE_DESCRIPTION d;
    ULONG registers = 0, wanted, length;
    MAP_REGISTER_ENTRY entries[3];
    RtlZeroMemory(&d, sizeof d);
    d.Version = DEVICE_DESCRIPTION_VERSION1;
    d.Master = TRUE;
    d.InterfaceType = PCIBus;
    d.MaximumLength = 0x8000;
    PDMA_ADAPTER adapter = HalGetAdapter(&d, &registers);
    wanted = 2;
    PVOID base = AllocateCrashDumpRegisters(adapter, &wanted);
    OUTCOME(HalAllocateCrashDumpRegisters, "the base of so many map registers", base != NULL && wanted == 2);
    ULONG many = registers;
    OUTCOME(HalAllocateCrashDumpRegisters, "NULL, and 0, when there are not so many", AllocateCrashDumpRegisters(adapter, &many) == NULL && many == 0);
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->FreeMapRegisters(adapter, base, 2);
    KeLowerIrql(irql);

    NTSTATUS status = HalAllocateMapRegisters(adapter, 2, 3, entries);
    OUTCOME(HalAllocateMapRegisters, "STATUS_SUCCESS, the array has a base for each", status == STATUS_SUCCESS && entries[0].MapRegister && entries[1].MapRegister && entries[2].MapRegister && entries[0].MapRegister != entries[1].MapRegister);
    /* Two pages that are not neighbours: to a device that gathers nothing they are one piece of the map registers' pages. */
    PUCHAR buffer = ExAllocatePoolWithTag(NonPagedPoolNx, 0x2000, 'geRM');
    for (ULONG i = 0; i < 0x2000; i++)
        buffer[i] = (UCHAR)(i * 7);
    PMDL mdl = IoAllocateMdl(buffer, 0x2000, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    PFN_NUMBER second = MmGetMdlPfnArray(mdl)[1];
    MmGetMdlPfnArray(mdl)[1] = MmGetMdlPfnArray(mdl)[0];
    length = 0x1800;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    PHYSICAL_ADDRESS where = adapter->DmaOperations->MapTransfer(adapter, mdl, entries[1].MapRegister, buffer, &length, TRUE);
    PUCHAR seen = MmMapIoSpace(where, 0x1800, MmCached);
    OUTCOME(HalAllocateMapRegisters, "transfers go through them", length == 0x1800 && where.QuadPart < 0x1000000 && seen && seen[5] == 35 && seen[0x1005] == 35);
    if (seen)
        MmUnmapIoSpace(seen, 0x1800);
    adapter->DmaOperations->FlushAdapterBuffers(adapter, mdl, entries[1].MapRegister, buffer, length, TRUE);
    for (ULONG i = 0; i < 3; i++)
        adapter->DmaOperations->FreeMapRegisters(adapter, entries[i].MapRegister, 2);
    KeLowerIrql(irql);
    MmGetMdlPfnArray(mdl)[1] = second;
    IoFreeMdl(mdl);
    ExFreePoolWithTag(buffer, 'geRM');
    status = HalAllocateMapRegisters(adapter, registers / 2 + 1, 2, entries);
    NTSTATUS all = HalAllocateMapRegisters(adapter, registers, 1, entries);
    OUTCOME(HalAllocateMapRegisters, "STATUS_INSUFFICIENT_RESOURCES when there are not so many, and none is taken", status == STATUS_INSUFFICIENT_RESOURCES && all == STATUS_SUCCESS);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->FreeMapRegisters(adapter, entries[0].MapRegister, registers);
    KeLowerIrql(irql);
    HalPutDmaAdapter(adapter);
    OUTCOME(HalGetDmaAlignmentRequirement, "1: buffers need no alignment", HalGetDmaAlignmentRequirement() == 1);
}

/* Bytes of a claim in the registry; 0 without. */
static ULONG ClaimSize(PCWSTR Key, PCWSTR Value)
{
    static ULONG64 room[64];
    PKEY_VALUE_PARTIAL_INFORMATION information = (PVOID)room;
    UNICODE_STRING path, name;
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    ULONG length, size = 0;
    RtlInitUnicodeString(&path, Key);
    RtlInitUnicodeString(&name, Value);
    InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(ZwOpenKey(&key, KEY_READ, &attributes)))
        return 0;
    if (NT_SUCCESS(ZwQueryValueKey(key, &name, KeyValuePartialInformation, information, sizeof room, &length)) && information->Type == REG_RESOURCE_LIST)
        size = information->DataLength;
    ZwClose(key);
    return size;
}

/* A second driver object, so that there is somebody to collide with. */
static PDRIVER_OBJECT Neighbour;
static NTSTATUS NTAPI NeighbourEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    Neighbour = DriverObject;
    return STATUS_SUCCESS;
}
NTKERNELAPI NTSTATUS NTAPI IoCreateDriver(PUNICODE_STRING DriverName, PDRIVER_INITIALIZE InitializationFunction);
NTKERNELAPI VOID NTAPI IoDeleteDriver(PDRIVER_OBJECT DriverObject);

static VOID Range(PCM_RESOURCE_LIST List, UCHAR Type, UCHAR Share, ULONG Start, ULONG Length)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR d = List->List[0].PartialResourceList.PartialDescriptors;
    RtlZeroMemory(List, sizeof *List);
    List->Count = 1;
    List->List[0].InterfaceType = Isa;
    List->List[0].PartialResourceList.Version = List->List[0].PartialResourceList.Revision = 1;
    List->List[0].PartialResourceList.Count = 1;
    d->Type = Type;
    d->ShareDisposition = Share;
    d->u.Port.Start.QuadPart = Start;
    d->u.Port.Length = Length;
}

static VOID Claims(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT Device)
{
    UNICODE_STRING class = RTL_CONSTANT_STRING(L"Ktest"), second = RTL_CONSTANT_STRING(L"\\Driver\\KtestNeighbour");
    CM_RESOURCE_LIST mine, device, theirs;
    BOOLEAN conflict = TRUE;
    IoCreateDriver(&second, NeighbourEntry);
    Range(&mine, CmResourceTypePort, CmResourceShareDeviceExclusive, 0x300, 8);
    Range(&device, CmResourceTypeMemory, CmResourceShareShared, 0xd0000, 0x1000);
    NTSTATUS status = IoReportResourceUsage(&class, DriverObject, &mine, sizeof mine, Device, &device, sizeof device, FALSE, &conflict);
    OUTCOME(IoReportResourceUsage, "STATUS_SUCCESS, the claims of driver and device are in the registry", status == STATUS_SUCCESS && !conflict &&
            ClaimSize(L"\\Registry\\Machine\\Hardware\\ResourceMap\\Ktest\\hallegacy", L".Raw") == sizeof mine &&
            ClaimSize(L"\\Registry\\Machine\\Hardware\\ResourceMap\\Ktest\\hallegacy", L"\\Device\\HalLegacy.Raw") == sizeof device);
    Range(&theirs, CmResourceTypePort, CmResourceShareShared, 0x307, 4);
    status = IoReportResourceUsage(NULL, Neighbour, &theirs, sizeof theirs, NULL, NULL, 0, FALSE, &conflict);
    OUTCOME(IoReportResourceUsage, "STATUS_CONFLICTING_ADDRESSES and ConflictDetected for what another driver has; nothing is claimed", status == STATUS_CONFLICTING_ADDRESSES && conflict &&
            ClaimSize(L"\\Registry\\Machine\\Hardware\\ResourceMap\\OtherDrivers\\KtestNeighbour", L".Raw") == 0);
    conflict = FALSE;
    status = IoReportResourceUsage(NULL, Neighbour, &theirs, sizeof theirs, NULL, NULL, 0, TRUE, &conflict);
    OUTCOME(IoReportResourceUsage, "OverrideConflict claims it all the same", status == STATUS_SUCCESS && conflict && ClaimSize(L"\\Registry\\Machine\\Hardware\\ResourceMap\\OtherDrivers\\KtestNeighbour", L".Raw") == sizeof theirs);
    Range(&theirs, CmResourceTypeMemory, CmResourceShareShared, 0xd0800, 0x1000);
    status = IoReportResourceUsage(NULL, Neighbour, &theirs, sizeof theirs, NULL, NULL, 0, FALSE, &conflict);
    OUTCOME(IoReportResourceUsage, "shared resources do not collide", status == STATUS_SUCCESS && !conflict);
    IoReportResourceUsage(NULL, Neighbour, NULL, 0, NULL, NULL, 0, FALSE, &conflict);
    status = IoReportResourceUsage(&class, DriverObject, NULL, 0, Device, NULL, 0, FALSE, &conflict);
    OUTCOME(IoReportResourceUsage, "an empty list takes the claim back", status == STATUS_SUCCESS && ClaimSize(L"\\Registry\\Machine\\Hardware\\ResourceMap\\Ktest\\hallegacy", L".Raw") == 0 &&
            ClaimSize(L"\\Registry\\Machine\\Hardware\\ResourceMap\\OtherDrivers\\KtestNeighbour", L".Raw") == 0);

    ULONG slot = 32, id, command;
    for (ULONG n = 0; n < 32 && slot == 32; n++)
        if (HalGetBusData(PCIConfiguration, 0, n, &id, sizeof id) == sizeof id && id == VENDOR_EDU)
            slot = n;
    command = 0;
    HalSetBusDataByOffset(PCIConfiguration, 0, slot, &command, 4, 2);
    PCM_RESOURCE_LIST list = NULL, none = (PVOID)1;
    status = HalAssignSlotResources(NULL, &class, DriverObject, Device, PCIBus, 0, slot, &list);
    PCM_PARTIAL_RESOURCE_DESCRIPTOR d = status == STATUS_SUCCESS ? list->List[0].PartialResourceList.PartialDescriptors : NULL;
    OUTCOME(HalAssignSlotResources, "STATUS_SUCCESS, the resources of the device", d && list->List[0].InterfaceType == PCIBus && list->List[0].PartialResourceList.Count == 2 && d[0].Type == CmResourceTypeMemory &&
            d[0].u.Memory.Length == 0x100000 && d[1].Type == CmResourceTypeInterrupt);
    OUTCOME(HalAssignSlotResources, "the claim is in the registry", ClaimSize(L"\\Registry\\Machine\\Hardware\\ResourceMap\\Ktest\\hallegacy", L"\\Device\\HalLegacy.Raw") != 0);
    HalGetBusDataByOffset(PCIConfiguration, 0, slot, &command, 4, 2);
    OUTCOME(HalAssignSlotResources, "the device decodes its addresses", (command & 2) != 0);
    OUTCOME(HalAssignSlotResources, "what another driver has: STATUS_CONFLICTING_ADDRESSES", HalAssignSlotResources(NULL, NULL, Neighbour, NULL, PCIBus, 0, slot, &none) == STATUS_CONFLICTING_ADDRESSES && none == NULL);
    OUTCOME(HalAssignSlotResources, "a slot without a device: STATUS_NO_SUCH_DEVICE", HalAssignSlotResources(NULL, NULL, DriverObject, NULL, PCIBus, 0, 31, &none) == STATUS_NO_SUCH_DEVICE);
    OUTCOME(HalAssignSlotResources, "a bus that is not there: STATUS_NOT_FOUND", HalAssignSlotResources(NULL, NULL, DriverObject, NULL, PCIBus, 7, slot, &none) == STATUS_NOT_FOUND);
    if (list)
        ExFreePool(list);
    IoReportResourceUsage(&class, DriverObject, NULL, 0, Device, NULL, 0, FALSE, &conflict);
    IoDeleteDriver(Neighbour);
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
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\HalLegacy");
    IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    Adapters(device);
    MapRegisters();
    Claims(DriverObject, device);
    IoDeleteDevice(device);
    Speaker();
    KtestDone();
    return STATUS_SUCCESS;
}
