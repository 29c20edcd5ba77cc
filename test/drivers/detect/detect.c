/*
 * A driver for hardware that no bus reports: it claims the resources to look for it, tells the Plug and Play manager of the device, and is its function driver at once.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

static PDRIVER_OBJECT Driver;
static struct
{
    PDEVICE_OBJECT Device, Lower;
    volatile LONG Starts, Adds, Removes;
} F;

/* One port range, or none. */
typedef struct
{
    CM_RESOURCE_LIST List;
} PORTS;
static VOID Ports(PORTS *p, ULONG Count, ULONGLONG Start, ULONG Length, UCHAR Share)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR d = &p->List.List[0].PartialResourceList.PartialDescriptors[0];
    RtlZeroMemory(p, sizeof *p);
    p->List.Count = Count;
    p->List.List[0].InterfaceType = Isa;
    p->List.List[0].PartialResourceList.Version = p->List.List[0].PartialResourceList.Revision = 1;
    p->List.List[0].PartialResourceList.Count = 1;
    d->Type = CmResourceTypePort;
    d->ShareDisposition = Share;
    d->Flags = CM_RESOURCE_PORT_IO;
    d->u.Port.Start.QuadPart = Start;
    d->u.Port.Length = Length;
}

static VOID Claims(PDEVICE_OBJECT a, PDEVICE_OBJECT b)
{
    PORTS ports, none;
    BOOLEAN conflict = TRUE;
    Ports(&none, 0, 0, 0, 0);
    Ports(&ports, 1, 0x7000, 8, CmResourceShareDeviceExclusive);
    OUTCOME(IoReportResourceForDetection, "STATUS_SUCCESS and no conflict for resources that are free", IoReportResourceForDetection(Driver, NULL, 0, a, &ports.List, sizeof ports, &conflict) == STATUS_SUCCESS && !conflict);
    OUTCOME(IoReportResourceForDetection, "STATUS_CONFLICTING_ADDRESSES and a conflict for resources that are claimed for another device", IoReportResourceForDetection(Driver, NULL, 0, b, &ports.List, sizeof ports, &conflict) == STATUS_CONFLICTING_ADDRESSES && conflict);
    OUTCOME(IoReportResourceForDetection, "the same device may claim again: the new list takes the place of the old", IoReportResourceForDetection(Driver, NULL, 0, a, &ports.List, sizeof ports, &conflict) == STATUS_SUCCESS);
    Ports(&ports, 1, 0x7008, 8, CmResourceShareDeviceExclusive);
    IoReportResourceForDetection(Driver, NULL, 0, a, &ports.List, sizeof ports, &conflict);
    Ports(&ports, 1, 0x7000, 8, CmResourceShareDeviceExclusive);
    CHECK(IoReportResourceForDetection(Driver, NULL, 0, b, &ports.List, sizeof ports, &conflict) == STATUS_SUCCESS);
    OUTCOME(IoReportResourceForDetection, "a list with Count zero gives the resources back", IoReportResourceForDetection(Driver, NULL, 0, a, &none.List, sizeof none, &conflict) == STATUS_SUCCESS && !conflict && IoReportResourceForDetection(Driver, NULL, 0, b, &none.List, sizeof none, &conflict) == STATUS_SUCCESS && IoReportResourceForDetection(Driver, NULL, 0, a, &ports.List, sizeof ports, &conflict) == STATUS_SUCCESS);
    IoReportResourceForDetection(Driver, NULL, 0, a, &none.List, sizeof none, &conflict);
    OUTCOME(IoReportResourceForDetection, "DriverList: the resources are the driver's", IoReportResourceForDetection(Driver, &ports.List, sizeof ports, NULL, NULL, 0, &conflict) == STATUS_SUCCESS && IoReportResourceForDetection(Driver, NULL, 0, a, &ports.List, sizeof ports, &conflict) == STATUS_CONFLICTING_ADDRESSES);
    IoReportResourceForDetection(Driver, &none.List, sizeof none, NULL, NULL, 0, &conflict);
    Ports(&ports, 1, 0x7000, 8, CmResourceShareShared);
    OUTCOME(IoReportResourceForDetection, "resources that both share do not conflict", IoReportResourceForDetection(Driver, NULL, 0, a, &ports.List, sizeof ports, &conflict) == STATUS_SUCCESS && IoReportResourceForDetection(Driver, NULL, 0, b, &ports.List, sizeof ports, &conflict) == STATUS_SUCCESS);
    IoReportResourceForDetection(Driver, NULL, 0, a, &none.List, sizeof none, &conflict);
    IoReportResourceForDetection(Driver, NULL, 0, b, &none.List, sizeof none, &conflict);
    ports.List.List[0].PartialResourceList.Count = 50;
    OUTCOME(IoReportResourceForDetection, "STATUS_UNSUCCESSFUL for a list that is not valid", IoReportResourceForDetection(Driver, NULL, 0, a, &ports.List, sizeof ports, &conflict) == STATUS_UNSUCCESSFUL);
    Ports(&ports, 1, 0x7000, 0, CmResourceShareDeviceExclusive);
    ports.List.List[0].PartialResourceList.PartialDescriptors[0].Type = CmResourceTypeMemory;
    ports.List.List[0].PartialResourceList.PartialDescriptors[0].u.Memory.Start.QuadPart = 0;
    ports.List.List[0].PartialResourceList.PartialDescriptors[0].u.Memory.Length = 0xfffffff0;
    OUTCOME(IoReportResourceForDetection, "STATUS_CONFLICTING_ADDRESSES for what a Plug and Play device has", IoReportResourceForDetection(Driver, NULL, 0, a, &ports.List, sizeof ports, &conflict) == STATUS_CONFLICTING_ADDRESSES && conflict);
}

static NTSTATUS NTAPI Pnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UCHAR minor = IoGetCurrentIrpStackLocation(Irp)->MinorFunction;
    NTSTATUS status;
    if (minor == IRP_MN_START_DEVICE)
        InterlockedIncrement(&F.Starts);
    if (minor == IRP_MN_QUERY_REMOVE_DEVICE || minor == IRP_MN_REMOVE_DEVICE || minor == IRP_MN_SURPRISE_REMOVAL || minor == IRP_MN_CANCEL_REMOVE_DEVICE)
        Irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(Irp);
    status = IoCallDriver(F.Lower, Irp);
    if (minor == IRP_MN_REMOVE_DEVICE)
    {
        IoDetachDevice(F.Lower);
        IoDeleteDevice(DeviceObject);
    }
    return status;
}

static BOOLEAN HasId(PDEVICE_OBJECT Pdo, PCWSTR First, PCWSTR Second)
{
    WCHAR ids[128];
    ULONG length, a = 0, b = 0;
    if (!NT_SUCCESS(IoGetDeviceProperty(Pdo, DevicePropertyCompatibleIDs, sizeof ids, ids, &length)))
        return FALSE;
    while (First[a] && First[a] == ids[a])
        a++;
    while (Second[b] && Second[b] == ids[a + 1 + b])
        b++;
    return !First[a] && !ids[a] && !Second[b] && !ids[a + 1 + b];
}

static VOID Detected(VOID)
{
    PDEVICE_OBJECT pdo = NULL, again;
    PORTS ports;
    ULONG length;
    UCHAR found[64];
    Ports(&ports, 1, 0x7100, 8, CmResourceShareDeviceExclusive);
    OUTCOME(IoReportDetectedDevice, "STATUS_SUCCESS and a physical device object that the Plug and Play manager made", IoReportDetectedDevice(Driver, Isa, 0, 3, &ports.List, NULL, TRUE, &pdo) == STATUS_SUCCESS && pdo && pdo->DriverObject != Driver);
    OUTCOME(IoReportDetectedDevice, "its compatible ids are DETECTEDInterface\\Driver and DETECTED\\Driver", HasId(pdo, L"DETECTEDIsa\\detect", L"DETECTED\\detect"));
    OUTCOME(IoReportDetectedDevice, "the resources with which it was found are the device's", IoGetDeviceProperty(pdo, DevicePropertyBootConfiguration, sizeof found, found, &length) == STATUS_SUCCESS && length == sizeof ports && RtlCompareMemory(found, &ports, sizeof ports) == sizeof ports);
    F.Device = NewDevice(Driver, NULL, 0);
    F.Lower = IoAttachDeviceToDeviceStack(F.Device, pdo);
    IoInvalidateDeviceState(pdo);
    Sleep(10);
    OUTCOME(IoReportDetectedDevice, "the device counts as started: no AddDevice and no IRP_MN_START_DEVICE", F.Lower == pdo && F.Starts == 0 && F.Adds == 0);
    again = pdo;
    OUTCOME(IoReportDetectedDevice, "an error for a device object that is in the device tree already", !NT_SUCCESS(IoReportDetectedDevice(Driver, Isa, 0, 4, NULL, NULL, TRUE, &again)));
    again = NULL;
    OUTCOME(IoReportDetectedDevice, "an error when the resources are not assigned and somebody has them", !NT_SUCCESS(IoReportDetectedDevice(Driver, Isa, 0, 5, &ports.List, NULL, FALSE, &again)) && !again);
}

static NTSTATUS NTAPI AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT Pdo)
{
    InterlockedIncrement(&F.Adds);
    return STATUS_NO_SUCH_DEVICE;
}

static VOID Inline(VOID)
{
    LONG count = 0;
    IoAdjustPagingPathCount(&count, TRUE);
    IoAdjustPagingPathCount(&count, TRUE);
    OUTCOME(IoAdjustPagingPathCount, "TRUE counts up", count == 2);
    IoAdjustPagingPathCount(&count, FALSE);
    OUTCOME(IoAdjustPagingPathCount, "FALSE counts down", count == 1);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT a, b;
    KtestBegin("detect");
    Driver = DriverObject;
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_PNP] = Pnp;
    a = NewDevice(DriverObject, NULL, 0);
    b = NewDevice(DriverObject, NULL, 0);
    Claims(a, b);
    IoDeleteDevice(a);
    IoDeleteDevice(b);
    DriverObject->DriverExtension->AddDevice = AddDevice;
    Detected();
    /* The driver is loaded as one without AddDevice: its device is there. */
    DriverObject->DriverExtension->AddDevice = NULL;
    Inline();
    KtestDone();
    return STATUS_SUCCESS;
}
