/*
 * A Plug and Play function driver for the "edu" PCI device (1234:11e8) that QEMU documents.
 *
 *   IOCTL 0x222000  in: u32 n          out: u32 n!, as the device computes it
 *   IOCTL 0x222004  in: 1..4096 bytes  out: the same bytes, after a trip into the device's memory by DMA and back
 *
 * One request at a time: IoStartPacket queues the IRP, EduStartIo starts the device, EduIsr acknowledges the interrupt at DIRQL,
 * EduDpcForIsr takes the result at DISPATCH_LEVEL, completes the IRP and starts the next.
 */
#include <ntddk.h>

#define IOCTL_EDU_FACTORIAL CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_EDU_DMA       CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Registers, offsets in BAR 0. */
#define EDU_ID          0x00    /* 0x010000ed */
#define EDU_LIVENESS    0x04    /* reads as the inverse of what was written */
#define EDU_FACTORIAL   0x08
#define EDU_STATUS      0x20
#define   STATUS_COMPUTING  0x01
#define   STATUS_INTERRUPT  0x80    /* raise an interrupt when the factorial is done */
#define EDU_IRQ_STATUS  0x24
#define   IRQ_FACTORIAL     0x001
#define   IRQ_DMA           0x100
#define EDU_IRQ_ACK     0x64
#define EDU_DMA_SOURCE  0x80    /* 64-bit registers */
#define EDU_DMA_DEST    0x88
#define EDU_DMA_COUNT   0x90
#define EDU_DMA_COMMAND 0x98
#define   DMA_START         0x01
#define   DMA_FROM_DEVICE   0x02
#define   DMA_INTERRUPT     0x04
#define EDU_BUFFER      0x40000 /* 4 KiB inside the device */
#define EDU_BUFFER_SIZE 4096

/* wdm.h of Windows 8 and later; older headers stop at version 2. */
#define EDU_DESCRIPTION_VERSION3 3
typedef struct _EDU_DEVICE_DESCRIPTION {
    DEVICE_DESCRIPTION V2;
    ULONG DmaAddressWidth;          /* the device drives 28 address lines */
    ULONG DmaControllerInstance;
    ULONG DmaRequestLine;
    LARGE_INTEGER DeviceAddress;
} EDU_DEVICE_DESCRIPTION;

typedef struct _EDU_EXTENSION {
    PDEVICE_OBJECT Self, Lower, Pdo;
    IO_REMOVE_LOCK RemoveLock;
    BOOLEAN Started;
    PUCHAR Registers;
    ULONG RegistersLength;
    PKINTERRUPT Interrupt;
    volatile ULONG Pending;         /* interrupt causes the ISR saw and the DPC has not taken yet */
    PDMA_ADAPTER Adapter;
    PVOID Common;                   /* common buffer: the processor and the device both see it */
    PHYSICAL_ADDRESS CommonLogical;
    BOOLEAN ComingBack;             /* second half of a DMA round trip */
} EDU_EXTENSION, *PEDU_EXTENSION;

static ULONG EduRead(PEDU_EXTENSION x, ULONG offset)
{
    return READ_REGISTER_ULONG((PULONG)(x->Registers + offset));
}

static VOID EduWrite(PEDU_EXTENSION x, ULONG offset, ULONG value)
{
    WRITE_REGISTER_ULONG((PULONG)(x->Registers + offset), value);
}

static VOID EduWrite64(PEDU_EXTENSION x, ULONG offset, ULONGLONG value)
{
    *(volatile ULONGLONG *)(x->Registers + offset) = value;     /* WRITE_REGISTER_ULONG64, which older headers lack */
}

static NTSTATUS EduComplete(PEDU_EXTENSION x, PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    IoReleaseRemoveLock(&x->RemoveLock, Irp);
    return Status;
}

/* ---- the device at work: StartIo -> ISR -> DPC ---- */

static VOID EduStartDma(PEDU_EXTENSION x, ULONG length, BOOLEAN fromDevice)
{
    ULONGLONG memory = x->CommonLogical.QuadPart;
    EduWrite64(x, EDU_DMA_SOURCE, fromDevice ? EDU_BUFFER : memory);
    EduWrite64(x, EDU_DMA_DEST, fromDevice ? memory : EDU_BUFFER);
    EduWrite64(x, EDU_DMA_COUNT, length);
    EduWrite64(x, EDU_DMA_COMMAND, DMA_START | DMA_INTERRUPT | (fromDevice ? DMA_FROM_DEVICE : 0));
}

static VOID NTAPI EduStartIo(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PEDU_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);

    if (sp->Parameters.DeviceIoControl.IoControlCode == IOCTL_EDU_FACTORIAL) {
        EduWrite(x, EDU_STATUS, STATUS_INTERRUPT);
        EduWrite(x, EDU_FACTORIAL, *(PULONG)Irp->AssociatedIrp.SystemBuffer);
    } else {
        ULONG length = sp->Parameters.DeviceIoControl.InputBufferLength;
        RtlCopyMemory(x->Common, Irp->AssociatedIrp.SystemBuffer, length);
        x->ComingBack = FALSE;
        EduStartDma(x, length, FALSE);
    }
}

static BOOLEAN NTAPI EduIsr(PKINTERRUPT Interrupt, PVOID Context)
{
    PEDU_EXTENSION x = Context;
    ULONG cause = EduRead(x, EDU_IRQ_STATUS);
    UNREFERENCED_PARAMETER(Interrupt);
    if (!cause)
        return FALSE;               /* the line is shared: somebody else's */
    EduWrite(x, EDU_IRQ_ACK, cause);
    x->Pending |= cause;
    IoRequestDpc(x->Self, x->Self->CurrentIrp, NULL);
    return TRUE;
}

/* Runs under the interrupt spin lock, so that the ISR cannot add a cause in between. */
static BOOLEAN NTAPI EduTakePending(PVOID Context)
{
    PEDU_EXTENSION x = ((PVOID *)Context)[0];
    *(PULONG)((PVOID *)Context)[1] = x->Pending;
    x->Pending = 0;
    return TRUE;
}

static VOID NTAPI EduDpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PEDU_EXTENSION x = DeviceObject->DeviceExtension;
    ULONG cause = 0, length;
    PVOID take[2];
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);

    take[0] = x;
    take[1] = &cause;
    KeSynchronizeExecution(x->Interrupt, EduTakePending, take);
    if (!Irp || !cause)
        return;
    if (cause & IRQ_FACTORIAL) {
        *(PULONG)Irp->AssociatedIrp.SystemBuffer = EduRead(x, EDU_FACTORIAL);
        length = sizeof(ULONG);
    } else {
        length = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.InputBufferLength;
        if (!x->ComingBack) {
            RtlZeroMemory(x->Common, length);   /* what comes back comes from the device */
            x->ComingBack = TRUE;
            EduStartDma(x, length, TRUE);
            return;
        }
        RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, x->Common, length);
    }
    IoStartNextPacket(DeviceObject, FALSE);
    EduComplete(x, Irp, STATUS_SUCCESS, length);
}

/* ---- requests ---- */

static NTSTATUS NTAPI EduCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI EduDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PEDU_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    ULONG in = sp->Parameters.DeviceIoControl.InputBufferLength, out = sp->Parameters.DeviceIoControl.OutputBufferLength;
    NTSTATUS status = IoAcquireRemoveLock(&x->RemoveLock, Irp);

    if (!NT_SUCCESS(status)) {
        Irp->IoStatus.Status = status;
        Irp->IoStatus.Information = 0;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return status;
    }
    if (!x->Started)
        return EduComplete(x, Irp, STATUS_DEVICE_NOT_READY, 0);
    switch (sp->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_EDU_FACTORIAL:
        if (in < sizeof(ULONG) || out < sizeof(ULONG))
            return EduComplete(x, Irp, STATUS_BUFFER_TOO_SMALL, 0);
        break;
    case IOCTL_EDU_DMA:
        if (in == 0 || in > EDU_BUFFER_SIZE)
            return EduComplete(x, Irp, STATUS_INVALID_BUFFER_SIZE, 0);
        if (out < in)
            return EduComplete(x, Irp, STATUS_BUFFER_TOO_SMALL, 0);
        break;
    default:
        return EduComplete(x, Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
    IoMarkIrpPending(Irp);
    IoStartPacket(DeviceObject, Irp, NULL, NULL);
    return STATUS_PENDING;
}

/* ---- Plug and Play ---- */

static VOID EduReleaseHardware(PEDU_EXTENSION x)
{
    x->Started = FALSE;
    if (x->Interrupt)
        IoDisconnectInterrupt(x->Interrupt);
    x->Interrupt = NULL;
    if (x->Common)
        x->Adapter->DmaOperations->FreeCommonBuffer(x->Adapter, EDU_BUFFER_SIZE, x->CommonLogical, x->Common, FALSE);
    x->Common = NULL;
    if (x->Adapter)
        x->Adapter->DmaOperations->PutDmaAdapter(x->Adapter);
    x->Adapter = NULL;
    if (x->Registers)
        MmUnmapIoSpace(x->Registers, x->RegistersLength);
    x->Registers = NULL;
}

static NTSTATUS EduStartHardware(PEDU_EXTENSION x, PCM_RESOURCE_LIST Translated)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR d, irq = NULL;
    EDU_DEVICE_DESCRIPTION description;
    ULONG i, mapRegisters;
    NTSTATUS status;

    if (!Translated)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    /* One pointer that walks: an index into PartialDescriptors[1] would tell gcc that there is only one. */
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

    EduWrite(x, EDU_LIVENESS, 0x12345678);
    if (EduRead(x, EDU_ID) != 0x010000ed || EduRead(x, EDU_LIVENESS) != ~0x12345678u)
        return STATUS_NO_SUCH_DEVICE;

    RtlZeroMemory(&description, sizeof description);
    description.V2.Version = EDU_DESCRIPTION_VERSION3;
    description.V2.Master = TRUE;
    description.V2.InterfaceType = PCIBus;
    description.V2.MaximumLength = EDU_BUFFER_SIZE;
    description.DmaAddressWidth = 28;
    x->Adapter = IoGetDmaAdapter(x->Pdo, &description.V2, &mapRegisters);
    if (!x->Adapter)
        return STATUS_INSUFFICIENT_RESOURCES;
    x->Common = x->Adapter->DmaOperations->AllocateCommonBuffer(x->Adapter, EDU_BUFFER_SIZE, &x->CommonLogical, FALSE);
    if (!x->Common)
        return STATUS_INSUFFICIENT_RESOURCES;

    status = IoConnectInterrupt(&x->Interrupt, EduIsr, x, NULL, irq->u.Interrupt.Vector, (KIRQL)irq->u.Interrupt.Level,
                                (KIRQL)irq->u.Interrupt.Level,
                                irq->Flags & CM_RESOURCE_INTERRUPT_LATCHED ? Latched : LevelSensitive,
                                irq->ShareDisposition == CmResourceShareShared, irq->u.Interrupt.Affinity, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    DbgPrint("edu: registers at %p, vector 0x%lx at IRQL %lu, common buffer at 0x%I64x\n", x->Registers, irq->u.Interrupt.Vector,
             irq->u.Interrupt.Level, x->CommonLogical.QuadPart);
    x->Started = TRUE;
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI EduLowerDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Event)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Event, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The bus driver below has to start the device before the function driver may touch it. */
static NTSTATUS EduForwardAndWait(PEDU_EXTENSION x, PIRP Irp)
{
    KEVENT done;
    NTSTATUS status;
    KeInitializeEvent(&done, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, EduLowerDone, &done, TRUE, TRUE, TRUE);
    status = IoCallDriver(x->Lower, Irp);
    if (status == STATUS_PENDING) {
        KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
        status = Irp->IoStatus.Status;
    }
    return status;
}

static NTSTATUS NTAPI EduPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PEDU_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Edu0");
    UCHAR minor = sp->MinorFunction;
    NTSTATUS status = IoAcquireRemoveLock(&x->RemoveLock, Irp);

    if (!NT_SUCCESS(status)) {
        Irp->IoStatus.Status = status;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return status;
    }
    switch (minor) {
    case IRP_MN_START_DEVICE:
        status = EduForwardAndWait(x, Irp);
        if (NT_SUCCESS(status))
            status = EduStartHardware(x, sp->Parameters.StartDevice.AllocatedResourcesTranslated);
        if (!NT_SUCCESS(status))
            EduReleaseHardware(x);
        return EduComplete(x, Irp, status, 0);
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        EduReleaseHardware(x);
        /* fall through */
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(Irp);
        status = IoCallDriver(x->Lower, Irp);
        IoReleaseRemoveLockAndWait(&x->RemoveLock, Irp);    /* until every request has gone */
        EduReleaseHardware(x);
        IoDeleteSymbolicLink(&link);
        IoDetachDevice(x->Lower);
        IoDeleteDevice(DeviceObject);
        DbgPrint("edu: removed\n");
        return status;
    }
    IoSkipCurrentIrpStackLocation(Irp);
    status = IoCallDriver(x->Lower, Irp);
    IoReleaseRemoveLock(&x->RemoveLock, Irp);
    return status;
}

static NTSTATUS NTAPI EduPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PEDU_EXTENSION x = DeviceObject->DeviceExtension;
    PoStartNextPowerIrp(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(x->Lower, Irp);
}

static NTSTATUS NTAPI EduAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT Pdo)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Edu0"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Edu0");
    PDEVICE_OBJECT device;
    PEDU_EXTENSION x;
    NTSTATUS status = IoCreateDevice(DriverObject, sizeof(EDU_EXTENSION), &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    x = device->DeviceExtension;
    x->Self = device;
    x->Pdo = Pdo;
    IoInitializeRemoveLock(&x->RemoveLock, 'udE ', 0, 0);
    IoInitializeDpcRequest(device, EduDpcForIsr);
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    x->Lower = IoAttachDeviceToDeviceStack(device, Pdo);
    if (!x->Lower) {
        IoDeleteSymbolicLink(&link);
        IoDeleteDevice(device);
        return STATUS_DEVICE_REMOVED;
    }
    device->Flags |= DO_POWER_PAGABLE;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID NTAPI EduUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    DbgPrint("edu: unloaded\n");
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverExtension->AddDevice = EduAddDevice;
    DriverObject->DriverStartIo = EduStartIo;
    DriverObject->DriverUnload = EduUnload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = EduCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = EduCreateClose;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = EduDeviceControl;
    DriverObject->MajorFunction[IRP_MJ_PNP] = EduPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = EduPower;
    return STATUS_SUCCESS;
}
