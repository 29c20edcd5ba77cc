/*
 * A Plug and Play function driver for the "edu" PCI device (1234:11e8), for tests that need hardware: it maps the registers, keeps the interrupt's
 * resources, and calls the test's RunTest when the device starts. samples/edu explains the steps.
 */
#ifndef HARDWARE_H
#define HARDWARE_H

#define EDU_ID            0x00
#define EDU_FACTORIAL     0x08
#define EDU_STATUS        0x20
#define EDU_IRQ_STATUS    0x24
#define EDU_IRQ_RAISE     0x60
#define EDU_IRQ_ACK       0x64
#define EDU_DMA_SOURCE    0x80
#define EDU_DMA_DEST      0x88
#define EDU_DMA_COUNT     0x90
#define EDU_DMA_COMMAND   0x98
#define EDU_DMA_START     1
#define EDU_DMA_TO_RAM    2
#define EDU_DMA_INTERRUPT 4
#define EDU_BUFFER        0x40000

typedef struct
{
    PDEVICE_OBJECT Self, Lower, Pdo;
    PUCHAR Registers;
    ULONG RegistersLength;
    PHYSICAL_ADDRESS RegistersAddress;
    CM_PARTIAL_RESOURCE_DESCRIPTOR Irq, RawIrq;
} HARDWARE;

/* The test itself, at PASSIVE_LEVEL while the device starts. */
static VOID RunTest(HARDWARE *hw);

static ULONG EduRead(HARDWARE *hw, ULONG offset)
{
    return READ_REGISTER_ULONG((PULONG)(hw->Registers + offset));
}
static VOID EduWrite(HARDWARE *hw, ULONG offset, ULONG value)
{
    WRITE_REGISTER_ULONG((PULONG)(hw->Registers + offset), value);
}

static VOID Sleep(ULONG milliseconds)
{
    LARGE_INTEGER time;
    time.QuadPart = -10000LL * milliseconds;
    KeDelayExecutionThread(KernelMode, FALSE, &time);
}

static NTSTATUS NTAPI HwLowerDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Event)
{
    KeSetEvent(Event, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID HwTakeResources(HARDWARE *hw, PCM_RESOURCE_LIST Raw, PCM_RESOURCE_LIST Translated)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR d = Translated->List[0].PartialResourceList.PartialDescriptors;
    PCM_PARTIAL_RESOURCE_DESCRIPTOR r = Raw->List[0].PartialResourceList.PartialDescriptors;
    ULONG i;
    for (i = Translated->List[0].PartialResourceList.Count; i != 0; i--, d++, r++)
    {
        if (d->Type == CmResourceTypeMemory && !hw->Registers)
        {
            hw->RegistersAddress = d->u.Memory.Start;
            hw->RegistersLength = d->u.Memory.Length;
            hw->Registers = MmMapIoSpace(d->u.Memory.Start, d->u.Memory.Length, MmNonCached);
        }
        else if (d->Type == CmResourceTypeInterrupt)
        {
            hw->Irq = *d;
            hw->RawIrq = *r;
        }
    }
}

static NTSTATUS NTAPI HwPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    HARDWARE *hw = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS status;
    KEVENT done;
    switch (sp->MinorFunction)
    {
    case IRP_MN_START_DEVICE:
        KeInitializeEvent(&done, NotificationEvent, FALSE);
        IoCopyCurrentIrpStackLocationToNext(Irp);
        IoSetCompletionRoutine(Irp, HwLowerDone, &done, TRUE, TRUE, TRUE);
        if (IoCallDriver(hw->Lower, Irp) == STATUS_PENDING)
            KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
        status = Irp->IoStatus.Status;
        if (NT_SUCCESS(status))
        {
            HwTakeResources(hw, sp->Parameters.StartDevice.AllocatedResources, sp->Parameters.StartDevice.AllocatedResourcesTranslated);
            RunTest(hw);
        }
        Irp->IoStatus.Status = status;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return status;
    case IRP_MN_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(Irp);
        status = IoCallDriver(hw->Lower, Irp);
        if (hw->Registers)
            MmUnmapIoSpace(hw->Registers, hw->RegistersLength);
        IoDetachDevice(hw->Lower);
        IoDeleteDevice(DeviceObject);
        return status;
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
    }
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(hw->Lower, Irp);
}

static NTSTATUS NTAPI HwPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    HARDWARE *hw = DeviceObject->DeviceExtension;
    PoStartNextPowerIrp(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(hw->Lower, Irp);
}

static NTSTATUS NTAPI HwAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT Pdo)
{
    PDEVICE_OBJECT device;
    HARDWARE *hw;
    NTSTATUS status = IoCreateDevice(DriverObject, sizeof(HARDWARE), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    hw = device->DeviceExtension;
    RtlZeroMemory(hw, sizeof *hw);
    hw->Self = device;
    hw->Pdo = Pdo;
    hw->Lower = IoAttachDeviceToDeviceStack(device, Pdo);
    if (!hw->Lower)
    {
        IoDeleteDevice(device);
        return STATUS_DEVICE_REMOVED;
    }
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID NTAPI HwUnload(PDRIVER_OBJECT DriverObject)
{
}

static VOID HardwareDriver(PDRIVER_OBJECT DriverObject)
{
    DriverObject->DriverExtension->AddDevice = HwAddDevice;
    DriverObject->MajorFunction[IRP_MJ_PNP] = HwPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = HwPower;
    DriverObject->DriverUnload = HwUnload;
}

#endif
