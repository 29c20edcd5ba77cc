/*
 * Scatter/gather DMA with the "edu" PCI device (1234:11e8): the device works on the caller's own pages, without a copy.
 *
 *   write  1..4096 bytes go into the device's memory
 *   read   1..4096 bytes come out of it
 *
 * The device object has DO_DIRECT_IO: the I/O manager locks the pages of the caller's buffer and describes them by an MDL. The buffer is one
 * piece to its owner and may be several to the device: GetScatterGatherList says where each piece is, as the device sees it. The device has no list engine, so this
 * driver gives it one element after the other:
 *
 *   SgStartIo -> GetScatterGatherList -> SgListReady -> element 0 ... interrupt -> SgIsr -> SgDpcForIsr -> next element ... PutScatterGatherList
 *
 * samples/edu shows the rest of such a driver (its Plug and Play part is the same, shorter here).
 */
#include <ntddk.h>

/* Registers, offsets in BAR 0. */
#define EDU_IRQ_STATUS  0x24
#define EDU_IRQ_ACK     0x64
#define EDU_DMA_SOURCE  0x80
#define EDU_DMA_DEST    0x88
#define EDU_DMA_COUNT   0x90
#define EDU_DMA_COMMAND 0x98
#define   DMA_START         0x01
#define   DMA_FROM_DEVICE   0x02
#define   DMA_INTERRUPT     0x04
#define EDU_BUFFER      0x40000
#define EDU_BUFFER_SIZE 4096

typedef struct _SG_EXTENSION {
    PDEVICE_OBJECT Self, Lower, Pdo;
    PUCHAR Registers;
    ULONG RegistersLength;
    PKINTERRUPT Interrupt;
    PDMA_ADAPTER Adapter;
    /* The transfer that is under way. */
    PSCATTER_GATHER_LIST List;
    ULONG Element;              /* the one that the device works on */
    ULONG Done;                 /* bytes before it */
    BOOLEAN ToDevice;
} SG_EXTENSION, *PSG_EXTENSION;

static NTSTATUS SgComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* ---- the transfer ---- */

static VOID SgWrite64(PSG_EXTENSION x, ULONG offset, ULONGLONG value)
{
    *(volatile ULONGLONG *)(x->Registers + offset) = value;
}

/* Tells the device about one element. What lies in it is an address for the device: the logical one, which the processor must not use. */
static VOID SgProgramElement(PSG_EXTENSION x)
{
    PSCATTER_GATHER_ELEMENT e = &x->List->Elements[x->Element];
    ULONGLONG memory = e->Address.QuadPart, device = EDU_BUFFER + x->Done;
    SgWrite64(x, EDU_DMA_SOURCE, x->ToDevice ? memory : device);
    SgWrite64(x, EDU_DMA_DEST, x->ToDevice ? device : memory);
    SgWrite64(x, EDU_DMA_COUNT, e->Length);
    SgWrite64(x, EDU_DMA_COMMAND, DMA_START | DMA_INTERRUPT | (x->ToDevice ? 0 : DMA_FROM_DEVICE));
}

/* AdapterListControl: the list is there. It stays ours until PutScatterGatherList. */
static VOID NTAPI SgListReady(PDEVICE_OBJECT DeviceObject, PIRP Irp, PSCATTER_GATHER_LIST List, PVOID Context)
{
    PSG_EXTENSION x = DeviceObject->DeviceExtension;
    UNREFERENCED_PARAMETER(Context);
    x->List = List;
    x->Element = 0;
    x->Done = 0;
    DbgPrint("sgdma: %lu bytes in %lu element(s)\n", MmGetMdlByteCount(Irp->MdlAddress), List->NumberOfElements);
    SgProgramElement(x);
}

/* StartIo runs at DISPATCH_LEVEL, where GetScatterGatherList must be called. One request at a time: DeviceObject->CurrentIrp is ours. */
static VOID NTAPI SgStartIo(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSG_EXTENSION x = DeviceObject->DeviceExtension;
    PMDL mdl = Irp->MdlAddress;
    NTSTATUS status;

    x->ToDevice = IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_WRITE;
    status = x->Adapter->DmaOperations->GetScatterGatherList(x->Adapter, DeviceObject, mdl, MmGetMdlVirtualAddress(mdl), MmGetMdlByteCount(mdl),
                                                             SgListReady, NULL, x->ToDevice);
    if (!NT_SUCCESS(status)) {
        IoStartNextPacket(DeviceObject, FALSE);
        SgComplete(Irp, status, 0);
    }
}

static BOOLEAN NTAPI SgIsr(PKINTERRUPT Interrupt, PVOID Context)
{
    PSG_EXTENSION x = Context;
    ULONG cause = READ_REGISTER_ULONG((PULONG)(x->Registers + EDU_IRQ_STATUS));
    UNREFERENCED_PARAMETER(Interrupt);
    if (!cause)
        return FALSE;
    WRITE_REGISTER_ULONG((PULONG)(x->Registers + EDU_IRQ_ACK), cause);
    IoRequestDpc(x->Self, x->Self->CurrentIrp, NULL);
    return TRUE;
}

/* An element is done. After the last one the list goes back, which also brings data home that had to go through map registers. */
static VOID NTAPI SgDpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PSG_EXTENSION x = DeviceObject->DeviceExtension;
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    if (!x->List)
        return;
    x->Done += x->List->Elements[x->Element].Length;
    if (++x->Element < x->List->NumberOfElements) {
        SgProgramElement(x);
        return;
    }
    x->Adapter->DmaOperations->PutScatterGatherList(x->Adapter, x->List, x->ToDevice);
    x->List = NULL;
    IoStartNextPacket(DeviceObject, FALSE);
    SgComplete(Irp, STATUS_SUCCESS, x->Done);
}

/* ---- requests ---- */

static NTSTATUS NTAPI SgCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return SgComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI SgReadWrite(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSG_EXTENSION x = DeviceObject->DeviceExtension;

    if (!x->Adapter)
        return SgComplete(Irp, STATUS_DEVICE_NOT_READY, 0);
    /* No MDL: the caller gave no bytes. */
    if (!Irp->MdlAddress || MmGetMdlByteCount(Irp->MdlAddress) > EDU_BUFFER_SIZE)
        return SgComplete(Irp, STATUS_INVALID_BUFFER_SIZE, 0);
    IoMarkIrpPending(Irp);
    IoStartPacket(DeviceObject, Irp, NULL, NULL);
    return STATUS_PENDING;
}

/* ---- Plug and Play ---- */

static VOID SgStop(PSG_EXTENSION x)
{
    if (x->Interrupt)
        IoDisconnectInterrupt(x->Interrupt);
    if (x->Adapter)
        x->Adapter->DmaOperations->PutDmaAdapter(x->Adapter);
    if (x->Registers)
        MmUnmapIoSpace(x->Registers, x->RegistersLength);
    x->Interrupt = NULL;
    x->Adapter = NULL;
    x->Registers = NULL;
}

static NTSTATUS SgStart(PSG_EXTENSION x, PCM_RESOURCE_LIST Translated)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR d, irq = NULL;
    DEVICE_DESCRIPTION description;
    ULONG i, registers;

    if (!Translated)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    d = Translated->List[0].PartialResourceList.PartialDescriptors;
    for (i = Translated->List[0].PartialResourceList.Count; i != 0; i--, d++) {
        if (d->Type == CmResourceTypeMemory && !x->Registers) {
            x->RegistersLength = d->u.Memory.Length;
            x->Registers = MmMapIoSpace(d->u.Memory.Start, d->u.Memory.Length, MmNonCached);
        } else if (d->Type == CmResourceTypeInterrupt) {
            irq = d;
        }
    }
    if (!x->Registers || !irq)
        return STATUS_DEVICE_CONFIGURATION_ERROR;

    RtlZeroMemory(&description, sizeof description);
    description.Version = DEVICE_DESCRIPTION_VERSION2;
    description.Master = TRUE;
    description.ScatterGather = TRUE;       /* a piece at a time is enough for us */
    description.Dma32BitAddresses = TRUE;
    description.InterfaceType = PCIBus;
    description.MaximumLength = EDU_BUFFER_SIZE;
    x->Adapter = IoGetDmaAdapter(x->Pdo, &description, &registers);
    if (!x->Adapter)
        return STATUS_INSUFFICIENT_RESOURCES;
    return IoConnectInterrupt(&x->Interrupt, SgIsr, x, NULL, irq->u.Interrupt.Vector, (KIRQL)irq->u.Interrupt.Level, (KIRQL)irq->u.Interrupt.Level,
                              irq->Flags & CM_RESOURCE_INTERRUPT_LATCHED ? Latched : LevelSensitive,
                              irq->ShareDisposition == CmResourceShareShared, irq->u.Interrupt.Affinity, FALSE);
}

static NTSTATUS NTAPI SgLowerDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Event)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Event, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS NTAPI SgPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSG_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\SgDma");
    KEVENT done;
    NTSTATUS status;

    switch (sp->MinorFunction) {
    case IRP_MN_START_DEVICE:
        KeInitializeEvent(&done, NotificationEvent, FALSE);
        IoCopyCurrentIrpStackLocationToNext(Irp);
        IoSetCompletionRoutine(Irp, SgLowerDone, &done, TRUE, TRUE, TRUE);
        if (IoCallDriver(x->Lower, Irp) == STATUS_PENDING)
            KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
        status = Irp->IoStatus.Status;
        if (NT_SUCCESS(status))
            status = SgStart(x, sp->Parameters.StartDevice.AllocatedResourcesTranslated);
        if (!NT_SUCCESS(status))
            SgStop(x);
        return SgComplete(Irp, status, 0);
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        SgStop(x);
        /* fall through */
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_REMOVE_DEVICE:
        SgStop(x);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(Irp);
        status = IoCallDriver(x->Lower, Irp);
        IoDeleteSymbolicLink(&link);
        IoDetachDevice(x->Lower);
        IoDeleteDevice(DeviceObject);
        return status;
    }
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(x->Lower, Irp);
}

static NTSTATUS NTAPI SgPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSG_EXTENSION x = DeviceObject->DeviceExtension;
    PoStartNextPowerIrp(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(x->Lower, Irp);
}

static NTSTATUS NTAPI SgAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT Pdo)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\SgDma"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\SgDma");
    PDEVICE_OBJECT device;
    PSG_EXTENSION x;
    NTSTATUS status = IoCreateDevice(DriverObject, sizeof(SG_EXTENSION), &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    x = device->DeviceExtension;
    x->Self = device;
    x->Pdo = Pdo;
    IoInitializeDpcRequest(device, SgDpcForIsr);
    status = IoCreateSymbolicLink(&link, &name);
    x->Lower = NT_SUCCESS(status) ? IoAttachDeviceToDeviceStack(device, Pdo) : NULL;
    if (!x->Lower) {
        IoDeleteSymbolicLink(&link);
        IoDeleteDevice(device);
        return NT_SUCCESS(status) ? STATUS_DEVICE_REMOVED : status;
    }
    device->Flags |= DO_DIRECT_IO;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID NTAPI SgUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    DbgPrint("sgdma: unloaded\n");
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverExtension->AddDevice = SgAddDevice;
    DriverObject->DriverStartIo = SgStartIo;
    DriverObject->DriverUnload = SgUnload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = SgCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = SgCreateClose;
    DriverObject->MajorFunction[IRP_MJ_READ] = SgReadWrite;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = SgReadWrite;
    DriverObject->MajorFunction[IRP_MJ_PNP] = SgPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = SgPower;
    return STATUS_SUCCESS;
}
