/*
 * A bus driver and the function driver of its children in one image, for tests of the Plug and Play manager. The test is a system thread that starts with the bus (RunTest): it
 * plugs children in and out and reads what their drivers were sent. A child's device id is KBUS\Child; KBUS\Function is the hardware id for which this driver is the function driver.
 */
#ifndef BUS_H
#define BUS_H

#define MAX_CHILDREN 4
#define MAX_SEEN     64

typedef enum
{
    BusFdo,
    ChildPdo,
    ChildFdo
} KIND;

/* What one device has seen: the minor codes of its IRP_MJ_PNP requests in their order. */
typedef struct
{
    volatile LONG Count;
    UCHAR Minor[MAX_SEEN];
} SEEN;

typedef struct _CHILD CHILD;
typedef struct
{
    KIND Kind;
    PDEVICE_OBJECT Self, Lower, Pdo;
    SEEN Seen;
    CHILD *Child;
} EXTENSION;

struct _CHILD
{
    /* What the child is. Set before it is plugged in. */
    PCWSTR Instance;
    BOOLEAN Function, Raw, Eject, Removable, SurpriseOk, NotUnique, Resources;
    /* What its drivers answer. */
    PNP_DEVICE_STATE State;
    NTSTATUS QueryRemove, QueryStop, Start;
    PDEVICE_OBJECT Related;
    /* Called while its function driver starts it. */
    VOID (*Starting)(CHILD *);
    /* How it is. */
    BOOLEAN Present, PdoDeleted;
    PDEVICE_OBJECT Pdo, Fdo;
    SEEN Bus, Driver;
    KIRQL Irql;
    ULONG RelationTypes;
};

static struct
{
    PDRIVER_OBJECT Driver;
    PDEVICE_OBJECT Fdo, Pdo;
    SEEN Seen;
    ULONG RelationTypes;
    KIRQL Irql;
    CHILD Children[MAX_CHILDREN];
    /* What QUERY_DEVICE_RELATIONS reports besides the children. */
    PDEVICE_OBJECT Extra;
    BOOLEAN ReportNull;
    /* Takes the power requests of all devices, when a test wants them. */
    NTSTATUS (*Power)(EXTENSION *, PIRP);
} Bus;

static VOID RunTest(VOID);

static VOID Sleep(ULONG Milliseconds)
{
    LARGE_INTEGER time;
    time.QuadPart = -10000LL * Milliseconds;
    KeDelayExecutionThread(KernelMode, FALSE, &time);
}

static VOID See(SEEN *Seen, UCHAR Minor)
{
    LONG i = InterlockedIncrement(&Seen->Count) - 1;
    if (i < MAX_SEEN)
        Seen->Minor[i] = Minor;
}

/* How often a request came. */
static ULONG Times(SEEN *Seen, UCHAR Minor)
{
    ULONG n = 0;
    LONG i;
    for (i = 0; i < Seen->Count && i < MAX_SEEN; i++)
        n += Seen->Minor[i] == Minor;
    return n;
}
static BOOLEAN Saw(SEEN *Seen, UCHAR Minor)
{
    return Times(Seen, Minor) != 0;
}
/* Where a request came first; -1 when it did not. */
static LONG Place(SEEN *Seen, UCHAR Minor)
{
    LONG i;
    for (i = 0; i < Seen->Count && i < MAX_SEEN; i++)
        if (Seen->Minor[i] == Minor)
            return i;
    return -1;
}
static BOOLEAN Before(SEEN *Seen, UCHAR First, UCHAR Second)
{
    return Place(Seen, First) >= 0 && Place(Seen, Second) > Place(Seen, First);
}

static NTSTATUS BusComplete(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static PVOID BusText(PCWSTR Text, ULONG Bytes)
{
    PVOID p = ExAllocatePoolWithTag(PagedPool, Bytes, 'subK');
    if (p)
        RtlCopyMemory(p, Text, Bytes);
    return p;
}
static ULONG TextBytes(PCWSTR Text)
{
    ULONG n = 0;
    while (Text[n])
        n++;
    return (n + 1) * sizeof(WCHAR);
}

static NTSTATUS QueryId(CHILD *c, PIRP Irp, BUS_QUERY_ID_TYPE Type)
{
    static const WCHAR device[] = L"KBUS\\Child";
    static const WCHAR function[] = L"KBUS\\Function\0KBUS\\Child\0";
    static const WCHAR alone[] = L"KBUS\\Alone\0";
    static const WCHAR compatible[] = L"KBUS\\Any\0";
    static const WCHAR container[] = L"{5c3a1b2e-0001-4a5b-8c9d-000000000007}";
    PVOID text;
    switch (Type)
    {
    case BusQueryDeviceID:
        text = BusText(device, sizeof device);
        break;
    case BusQueryHardwareIDs:
        text = c->Function ? BusText(function, sizeof function) : BusText(alone, sizeof alone);
        break;
    case BusQueryCompatibleIDs:
        text = BusText(compatible, sizeof compatible);
        break;
    case BusQueryInstanceID:
        text = BusText(c->Instance, TextBytes(c->Instance));
        break;
    case BusQueryContainerID:
        text = BusText(container, sizeof container);
        break;
    default:
        return Irp->IoStatus.Status;
    }
    Irp->IoStatus.Information = (ULONG_PTR)text;
    return text ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

/* A list of one device, which is referenced; or of none. */
static NTSTATUS OneRelation(PIRP Irp, PDEVICE_OBJECT Device)
{
    PDEVICE_RELATIONS r = ExAllocatePoolWithTag(PagedPool, sizeof(DEVICE_RELATIONS), 'subK');
    if (!r)
        return STATUS_INSUFFICIENT_RESOURCES;
    r->Count = Device ? 1 : 0;
    r->Objects[0] = Device;
    if (Device)
        ObReferenceObject(Device);
    Irp->IoStatus.Information = (ULONG_PTR)r;
    return STATUS_SUCCESS;
}

/* A port and an interrupt line that the device has from the beginning. */
static NTSTATUS FirmwareResources(PIRP Irp)
{
    ULONG size = sizeof(CM_RESOURCE_LIST) + sizeof(CM_PARTIAL_RESOURCE_DESCRIPTOR);
    PCM_RESOURCE_LIST list = ExAllocatePoolWithTag(PagedPool, size, 'subK');
    PCM_PARTIAL_RESOURCE_DESCRIPTOR d;
    if (!list)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(list, size);
    list->Count = 1;
    list->List[0].InterfaceType = PNPBus;
    list->List[0].PartialResourceList.Version = list->List[0].PartialResourceList.Revision = 1;
    list->List[0].PartialResourceList.Count = 2;
    d = list->List[0].PartialResourceList.PartialDescriptors;
    d[0].Type = CmResourceTypePort;
    d[0].Flags = CM_RESOURCE_PORT_IO;
    d[0].u.Port.Start.QuadPart = 0x5000;
    d[0].u.Port.Length = 8;
    d[1].Type = CmResourceTypeInterrupt;
    d[1].ShareDisposition = CmResourceShareShared;
    d[1].u.Interrupt.Level = d[1].u.Interrupt.Vector = 9;
    d[1].u.Interrupt.Affinity = (KAFFINITY)-1;
    Irp->IoStatus.Information = (ULONG_PTR)list;
    return STATUS_SUCCESS;
}

static NTSTATUS PdoPnp(EXTENSION *x, PIRP Irp)
{
    static const GUID busType = {0x5c3a1b2e, 0x0002, 0x4a5b, {0x8c, 0x9d, 0, 0, 0, 0, 0, 1}};
    static const WCHAR description[] = L"A child of the test bus", location[] = L"Slot 7 of the test bus";
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    CHILD *c = x->Child;
    NTSTATUS status = Irp->IoStatus.Status;
    See(&c->Bus, sp->MinorFunction);
    switch (sp->MinorFunction)
    {
    case IRP_MN_QUERY_ID:
        status = QueryId(c, Irp, sp->Parameters.QueryId.IdType);
        break;
    case IRP_MN_QUERY_DEVICE_TEXT:
        Irp->IoStatus.Information = (ULONG_PTR)(sp->Parameters.QueryDeviceText.DeviceTextType == DeviceTextDescription ? BusText(description, sizeof description) : BusText(location, sizeof location));
        status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_CAPABILITIES: {
        PDEVICE_CAPABILITIES caps = sp->Parameters.DeviceCapabilities.Capabilities;
        caps->UniqueID = !c->NotUnique;
        caps->RawDeviceOK = c->Raw;
        caps->EjectSupported = c->Eject;
        caps->Removable = c->Removable;
        caps->SurpriseRemovalOK = c->SurpriseOk;
        caps->Address = 7;
        caps->UINumber = 8;
        status = STATUS_SUCCESS;
        break;
    }
    case IRP_MN_QUERY_BUS_INFORMATION: {
        PPNP_BUS_INFORMATION info = ExAllocatePoolWithTag(PagedPool, sizeof *info, 'subK');
        if (info)
        {
            info->BusTypeGuid = busType;
            info->LegacyBusType = PNPBus;
            info->BusNumber = 3;
        }
        Irp->IoStatus.Information = (ULONG_PTR)info;
        status = info ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
        break;
    }
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        c->RelationTypes |= 1u << sp->Parameters.QueryDeviceRelations.Type;
        if (sp->Parameters.QueryDeviceRelations.Type == EjectionRelations && c->Related)
            status = OneRelation(Irp, c->Related);
        break;
    case IRP_MN_QUERY_RESOURCES:
        if (c->Resources)
            status = FirmwareResources(Irp);
        break;
    case IRP_MN_EJECT:
        c->Present = FALSE;
        status = STATUS_SUCCESS;
        break;
    case IRP_MN_REMOVE_DEVICE:
        Irp->IoStatus.Information = 0;
        BusComplete(Irp, STATUS_SUCCESS);
        /* The device is gone when it is not reported any more, and not before. */
        if (!c->Present)
        {
            c->PdoDeleted = TRUE;
            IoDeleteDevice(x->Self);
        }
        return STATUS_SUCCESS;
    case IRP_MN_START_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        status = STATUS_SUCCESS;
        break;
    }
    return BusComplete(Irp, status);
}

static NTSTATUS NTAPI BusLowerDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Event)
{
    KeSetEvent(Event, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Sends the request down and waits for its end. */
static NTSTATUS LowerFirst(EXTENSION *x, PIRP Irp)
{
    KEVENT done;
    KeInitializeEvent(&done, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, BusLowerDone, &done, TRUE, TRUE, TRUE);
    if (IoCallDriver(x->Lower, Irp) == STATUS_PENDING)
        KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
    return Irp->IoStatus.Status;
}

static NTSTATUS Pass(EXTENSION *x, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(x->Lower, Irp);
}

static NTSTATUS RemoveFdo(EXTENSION *x, PIRP Irp)
{
    NTSTATUS status;
    Irp->IoStatus.Status = STATUS_SUCCESS;
    status = Pass(x, Irp);
    IoDetachDevice(x->Lower);
    IoDeleteDevice(x->Self);
    return status;
}

static NTSTATUS FunctionPnp(EXTENSION *x, PIRP Irp)
{
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    CHILD *c = x->Child;
    See(&c->Driver, sp->MinorFunction);
    switch (sp->MinorFunction)
    {
    case IRP_MN_START_DEVICE: {
        NTSTATUS status = LowerFirst(x, Irp);
        if (c->Starting)
            c->Starting(c);
        return BusComplete(Irp, NT_SUCCESS(status) ? c->Start : status);
    }
    case IRP_MN_QUERY_PNP_DEVICE_STATE:
        c->Irql = KeGetCurrentIrql();
        Irp->IoStatus.Information |= c->State;
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_REMOVE_DEVICE:
        if (!NT_SUCCESS(c->QueryRemove))
            return BusComplete(Irp, c->QueryRemove);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_STOP_DEVICE:
        if (!NT_SUCCESS(c->QueryStop))
            return BusComplete(Irp, c->QueryStop);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_STOP_DEVICE:
        c->State &= ~PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED;
        /* fall through */
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_REMOVE_DEVICE:
        c->Fdo = NULL;
        return RemoveFdo(x, Irp);
    }
    return Pass(x, Irp);
}

/* The children that are there; those of drivers below are none. */
static NTSTATUS ReportChildren(PIRP Irp)
{
    PDEVICE_RELATIONS r = ExAllocatePoolWithTag(PagedPool, sizeof(DEVICE_RELATIONS) + (MAX_CHILDREN + 2) * sizeof(PVOID), 'subK');
    ULONG i;
    if (!r)
        return STATUS_INSUFFICIENT_RESOURCES;
    r->Count = 0;
    for (i = 0; i < MAX_CHILDREN; i++)
        if (Bus.Children[i].Present)
            r->Objects[r->Count++] = Bus.Children[i].Pdo;
    if (Bus.Extra)
        r->Objects[r->Count++] = Bus.Extra;
    for (i = 0; i < r->Count; i++)
        ObReferenceObject(r->Objects[i]);
    if (Bus.ReportNull)
        r->Objects[r->Count++] = NULL;
    Irp->IoStatus.Information = (ULONG_PTR)r;
    Irp->IoStatus.Status = STATUS_SUCCESS;
    return STATUS_SUCCESS;
}

static VOID NTAPI TestThread(PVOID Context)
{
    /* The start of the bus is to be over. */
    Sleep(5);
    RunTest();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS BusPnp(EXTENSION *x, PIRP Irp)
{
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS status;
    ULONG i;
    See(&Bus.Seen, sp->MinorFunction);
    switch (sp->MinorFunction)
    {
    case IRP_MN_START_DEVICE: {
        HANDLE thread;
        status = LowerFirst(x, Irp);
        if (NT_SUCCESS(status) && NT_SUCCESS(PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, TestThread, NULL)))
            ZwClose(thread);
        return BusComplete(Irp, status);
    }
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        Bus.Irql = KeGetCurrentIrql();
        Bus.RelationTypes |= 1u << sp->Parameters.QueryDeviceRelations.Type;
        if (sp->Parameters.QueryDeviceRelations.Type == BusRelations && !NT_SUCCESS(status = ReportChildren(Irp)))
            return BusComplete(Irp, status);
        break;
    case IRP_MN_REMOVE_DEVICE:
        for (i = 0; i < MAX_CHILDREN; i++)
            if (Bus.Children[i].Present)
            {
                Bus.Children[i].Present = FALSE;
                IoDeleteDevice(Bus.Children[i].Pdo);
            }
        return RemoveFdo(x, Irp);
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    return Pass(x, Irp);
}

static NTSTATUS NTAPI BusDispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    EXTENSION *x = DeviceObject->DeviceExtension;
    return x->Kind == BusFdo ? BusPnp(x, Irp) : x->Kind == ChildPdo ? PdoPnp(x, Irp) : FunctionPnp(x, Irp);
}

static NTSTATUS NTAPI BusDispatchPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    EXTENSION *x = DeviceObject->DeviceExtension;
    if (Bus.Power)
        return Bus.Power(x, Irp);
    PoStartNextPowerIrp(Irp);
    if (x->Kind == ChildPdo)
        return BusComplete(Irp, STATUS_SUCCESS);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(x->Lower, Irp);
}

static NTSTATUS NTAPI BusDispatchFile(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    Irp->IoStatus.Information = 0;
    return BusComplete(Irp, STATUS_SUCCESS);
}

static NTSTATUS NewBusDevice(KIND Kind, PDEVICE_OBJECT Pdo, ULONG Characteristics, EXTENSION **Extension)
{
    PDEVICE_OBJECT device;
    EXTENSION *x;
    NTSTATUS status = IoCreateDevice(Bus.Driver, sizeof(EXTENSION), NULL, FILE_DEVICE_UNKNOWN, Characteristics, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    x = *Extension = device->DeviceExtension;
    RtlZeroMemory(x, sizeof *x);
    x->Kind = Kind;
    x->Self = device;
    x->Pdo = Pdo;
    if (Pdo)
        x->Lower = IoAttachDeviceToDeviceStack(device, Pdo);
    device->Flags |= DO_POWER_PAGABLE;
    if (Pdo)
        device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

/* Which child a physical device is; NULL for the bus itself. */
static CHILD *ChildOf(PDEVICE_OBJECT Pdo)
{
    ULONG i;
    for (i = 0; i < MAX_CHILDREN; i++)
        if (Bus.Children[i].Pdo == Pdo && Bus.Children[i].Present)
            return &Bus.Children[i];
    return NULL;
}

static NTSTATUS NTAPI BusAddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT Pdo)
{
    CHILD *child = ChildOf(Pdo);
    EXTENSION *x;
    NTSTATUS status = NewBusDevice(child ? ChildFdo : BusFdo, Pdo, 0, &x);
    if (!NT_SUCCESS(status))
        return status;
    x->Child = child;
    if (child)
        child->Fdo = x->Self;
    else
    {
        Bus.Fdo = x->Self;
        Bus.Pdo = Pdo;
    }
    return STATUS_SUCCESS;
}

static VOID NTAPI BusUnload(PDRIVER_OBJECT DriverObject)
{
}

/* Puts a child in; the Plug and Play manager does not know yet. */
static CHILD *Plug(ULONG Index, PCWSTR Instance)
{
    CHILD *c = &Bus.Children[Index];
    EXTENSION *x;
    RtlZeroMemory(c, sizeof *c);
    c->Instance = Instance;
    if (!NT_SUCCESS(NewBusDevice(ChildPdo, NULL, FILE_AUTOGENERATED_DEVICE_NAME, &x)))
        return NULL;
    x->Child = c;
    c->Pdo = x->Self;
    c->Present = TRUE;
    return c;
}

/* Takes it out again. */
static VOID Unplug(CHILD *c)
{
    c->Present = FALSE;
}

/* Has the Plug and Play manager look, and waits until it has. */
static VOID Rescan(VOID)
{
    IoInvalidateDeviceRelations(Bus.Pdo, BusRelations);
    Sleep(20);
}

/* For which devices the driver is, as an INF file would say. */
static VOID WriteHardwareIds(PUNICODE_STRING RegistryPath)
{
    static WCHAR path[256];
    static const WCHAR parameters[] = L"\\Parameters", ids[] = L"ROOT\\KBUS\0KBUS\\Function\0";
    RtlCopyMemory(path, RegistryPath->Buffer, RegistryPath->Length);
    RtlCopyMemory((PUCHAR)path + RegistryPath->Length, parameters, sizeof parameters);
    RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, path, L"HardwareID", REG_MULTI_SZ, (PVOID)ids, sizeof ids);
}

static VOID BusDriver(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    Bus.Driver = DriverObject;
    DriverObject->DriverExtension->AddDevice = BusAddDevice;
    DriverObject->DriverUnload = BusUnload;
    DriverObject->MajorFunction[IRP_MJ_PNP] = BusDispatchPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = BusDispatchPower;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = BusDispatchFile;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = BusDispatchFile;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = BusDispatchFile;
    WriteHardwareIds(RegistryPath);
}

#endif
