// ktest: cases=8
/*
 * Devices that are ejected, and events of a device: who is asked, who is told, who may refuse.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../bus.h"

static const GUID QueryRemove = {0xcb3a4006, 0x46f0, 0x11d0, {0xb0, 0x8f, 0x00, 0x60, 0x97, 0x13, 0x05, 0x3f}};
static const GUID RemoveCancelled = {0xcb3a4007, 0x46f0, 0x11d0, {0xb0, 0x8f, 0x00, 0x60, 0x97, 0x13, 0x05, 0x3f}};
static const GUID RemoveComplete = {0xcb3a4008, 0x46f0, 0x11d0, {0xb0, 0x8f, 0x00, 0x60, 0x97, 0x13, 0x05, 0x3f}};
static const GUID Custom = {0x9a1d2c10, 0x1111, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}};

/* A driver that has registered for a file on a device. */
static struct
{
    PFILE_OBJECT File;
    PVOID Entry;
    volatile LONG Asked, Cancelled, Removed, Customs, Finished;
    BOOLEAN Right;
    KIRQL Irql;
    NTSTATUS Answer;
} Client;

static BOOLEAN Same(const GUID *a, const GUID *b)
{
    return RtlCompareMemory(a, b, sizeof(GUID)) == sizeof(GUID);
}

static NTSTATUS NTAPI Told(PVOID NotificationStructure, PVOID Context)
{
    PTARGET_DEVICE_CUSTOM_NOTIFICATION n = NotificationStructure;
    Client.Irql = KeGetCurrentIrql();
    if (Same(&n->Event, &QueryRemove))
    {
        InterlockedIncrement(&Client.Asked);
        /* Whoever agrees to the removal closes his file. */
        if (NT_SUCCESS(Client.Answer) && Client.File)
        {
            ObDereferenceObject(Client.File);
            Client.File = NULL;
        }
        return Client.Answer;
    }
    if (Same(&n->Event, &RemoveCancelled))
        InterlockedIncrement(&Client.Cancelled);
    if (Same(&n->Event, &RemoveComplete))
        InterlockedIncrement(&Client.Removed);
    if (Same(&n->Event, &Custom))
    {
        Client.Right = n->FileObject == Client.File && n->NameBufferOffset == -1 && n->CustomDataBuffer[0] == 0x5a && Context == &Client;
        InterlockedIncrement(&Client.Customs);
    }
    return STATUS_SUCCESS;
}

static VOID Watch(CHILD *c)
{
    WCHAR name[64];
    ULONG length;
    UNICODE_STRING path;
    PDEVICE_OBJECT device;
    PVOID entry = Client.Entry;
    CHECK(NT_SUCCESS(IoGetDeviceProperty(c->Pdo, DevicePropertyPhysicalDeviceObjectName, sizeof name, name, &length)));
    RtlInitUnicodeString(&path, name);
    RtlZeroMemory(&Client, sizeof Client);
    Client.Entry = entry;
    CHECK(NT_SUCCESS(IoGetDeviceObjectPointer(&path, FILE_READ_DATA, &Client.File, &device)));
    CHECK(NT_SUCCESS(IoRegisterPlugPlayNotification(EventCategoryTargetDeviceChange, 0, Client.File, Bus.Driver, Told, &Client, &Client.Entry)));
}

static VOID Unwatch(VOID)
{
    if (Client.Entry)
        IoUnregisterPlugPlayNotification(Client.Entry);
    Client.Entry = NULL;
    if (Client.File)
        ObDereferenceObject(Client.File);
    Client.File = NULL;
}

static CHILD *NewChild(ULONG Index, PCWSTR Instance)
{
    CHILD *c = Plug(Index, Instance);
    c->Function = TRUE;
    return c;
}

static VOID Eject(CHILD *c)
{
    IoRequestDeviceEject(c->Pdo);
    Sleep(20);
}

static VOID Ejections(VOID)
{
    CHILD *a = NewChild(0, L"A"), *refuses = NewChild(1, L"R"), *held = NewChild(2, L"H"), *other = NewChild(3, L"O");
    KIRQL irql;
    a->Eject = refuses->Eject = TRUE;
    held->Removable = TRUE;
    Rescan();

    Watch(a);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoRequestDeviceEject(a->Pdo);
    KeLowerIrql(irql);
    Sleep(20);
    OUTCOME(IoRequestDeviceEject, "may be called at DISPATCH_LEVEL", Saw(&a->Driver, IRP_MN_QUERY_REMOVE_DEVICE));
    OUTCOME(IoRequestDeviceEject, "the drivers are asked with IRP_MN_QUERY_REMOVE_DEVICE and told with IRP_MN_REMOVE_DEVICE", Before(&a->Driver, IRP_MN_QUERY_REMOVE_DEVICE, IRP_MN_REMOVE_DEVICE) && !a->Fdo);
    OUTCOME(IoRequestDeviceEject, "the bus driver of a device with EjectSupported gets IRP_MN_EJECT after the removal", Times(&a->Bus, IRP_MN_EJECT) == 1 && Before(&a->Bus, IRP_MN_REMOVE_DEVICE, IRP_MN_EJECT));
    OUTCOME(IoRequestDeviceEject, "a device that its bus does not report after IRP_MN_EJECT is gone", a->PdoDeleted);
    OUTCOME(IoRequestDeviceEject, "the device is asked for its removal and ejection relations", (a->RelationTypes & (1 << EjectionRelations)) && (a->RelationTypes & (1 << RemovalRelations)));
    OUTCOME(IoRequestDeviceEject, "drivers that registered for files on the device are asked and told", Client.Asked == 1 && Client.Removed == 1 && Client.Cancelled == 0);
    Unwatch();

    refuses->QueryRemove = STATUS_DEVICE_BUSY;
    Eject(refuses);
    OUTCOME(IoRequestDeviceEject, "a driver that fails IRP_MN_QUERY_REMOVE_DEVICE keeps the device: IRP_MN_CANCEL_REMOVE_DEVICE", Before(&refuses->Driver, IRP_MN_QUERY_REMOVE_DEVICE, IRP_MN_CANCEL_REMOVE_DEVICE) && refuses->Fdo && !Saw(&refuses->Bus, IRP_MN_EJECT));
    refuses->QueryRemove = STATUS_SUCCESS;
    Watch(refuses);
    Client.Answer = STATUS_UNSUCCESSFUL;
    Eject(refuses);
    OUTCOME(IoRequestDeviceEject, "a registered driver that refuses keeps the device", Client.Asked == 1 && Client.Cancelled == 1 && Client.Removed == 0 && refuses->Fdo);
    Unwatch();

    Eject(held);
    OUTCOME(IoRequestDeviceEject, "a device that is Removable and not EjectSupported is removed and gets no IRP_MN_EJECT", Saw(&held->Driver, IRP_MN_REMOVE_DEVICE) && !held->Fdo && !Saw(&held->Bus, IRP_MN_EJECT) && !held->PdoDeleted);

    refuses->Related = other->Pdo;
    other->QueryRemove = STATUS_DEVICE_BUSY;
    Eject(refuses);
    CHECK(refuses->Fdo && other->Fdo && Saw(&other->Driver, IRP_MN_QUERY_REMOVE_DEVICE));
    other->QueryRemove = STATUS_SUCCESS;
    Eject(refuses);
    OUTCOME(IoRequestDeviceEject, "the devices of its ejection relations are removed with it", Saw(&other->Driver, IRP_MN_REMOVE_DEVICE) && !other->Fdo && !refuses->Fdo && refuses->PdoDeleted);
}

static VOID NTAPI Finished(PVOID Context)
{
    CHECK(Context == &Client && KeGetCurrentIrql() == PASSIVE_LEVEL && Client.Customs != 0);
    InterlockedIncrement(&Client.Finished);
}

static VOID Events(VOID)
{
    CHILD *a = NewChild(0, L"A"), *b = NewChild(1, L"B");
    TARGET_DEVICE_CUSTOM_NOTIFICATION n;
    KIRQL irql;
    NTSTATUS status;
    Rescan();
    Watch(a);
    RtlZeroMemory(&n, sizeof n);
    n.Version = 1;
    n.Size = sizeof n;
    n.NameBufferOffset = -1;
    n.CustomDataBuffer[0] = 0x5a;
    n.Event = Custom;
    OUTCOME(IoReportTargetDeviceChange, "STATUS_SUCCESS when the drivers that registered for files on the device have been told", IoReportTargetDeviceChange(a->Pdo, &n) == STATUS_SUCCESS && Client.Customs == 1 && Client.Irql == PASSIVE_LEVEL);
    OUTCOME(IoReportTargetDeviceChange, "they get the structure with their file object filled in", Client.Right);
    IoReportTargetDeviceChange(b->Pdo, &n);
    OUTCOME(IoReportTargetDeviceChange, "drivers that registered for other devices are not told", Client.Customs == 1);
    n.Event = RemoveComplete;
    OUTCOME(IoReportTargetDeviceChange, "STATUS_INVALID_DEVICE_REQUEST for an event of the system", IoReportTargetDeviceChange(a->Pdo, &n) == STATUS_INVALID_DEVICE_REQUEST && Client.Removed == 0);
    OUTCOME(IoReportTargetDeviceChangeAsynchronous, "STATUS_INVALID_DEVICE_REQUEST for an event of the system", IoReportTargetDeviceChangeAsynchronous(a->Pdo, &n, NULL, NULL) == STATUS_INVALID_DEVICE_REQUEST);

    n.Event = Custom;
    n.FileObject = NULL;
    Client.Right = FALSE;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    status = IoReportTargetDeviceChangeAsynchronous(a->Pdo, &n, Finished, &Client);
    /* The structure is the caller's again. */
    RtlZeroMemory(&n, sizeof n);
    KeLowerIrql(irql);
    Sleep(20);
    OUTCOME(IoReportTargetDeviceChangeAsynchronous, "returns at once, at DISPATCH_LEVEL too", NT_SUCCESS(status));
    OUTCOME(IoReportTargetDeviceChangeAsynchronous, "the registered drivers are told later, with a copy of the structure", Client.Customs == 2 && Client.Right && Client.Irql == PASSIVE_LEVEL);
    OUTCOME(IoReportTargetDeviceChangeAsynchronous, "the callback runs when all have been told", Client.Finished == 1);
    n.Version = 1;
    n.Size = sizeof n;
    n.NameBufferOffset = -1;
    n.Event = Custom;
    status = IoReportTargetDeviceChangeAsynchronous(a->Pdo, &n, NULL, NULL);
    Sleep(20);
    OUTCOME(IoReportTargetDeviceChangeAsynchronous, "without a callback the drivers are told all the same", NT_SUCCESS(status) && Client.Customs == 3);
    Unwatch();
}

/* The registrations for a device's files hear of the ways in which it can go. */
static VOID Targets(VOID)
{
    CHILD *a = NewChild(0, L"A");
    Rescan();
    Watch(a);
    OUTCOME(IoRegisterPlugPlayNotification, "EventCategoryTargetDeviceChange: the file object keeps nothing from being asked", Client.Entry && Client.Asked == 0);
    Client.Answer = STATUS_UNSUCCESSFUL;
    a->Eject = TRUE;
    Eject(a);
    OUTCOME(IoRegisterPlugPlayNotification, "GUID_TARGET_DEVICE_QUERY_REMOVE: a routine that fails it stops the removal, and hears of GUID_TARGET_DEVICE_REMOVE_CANCELLED", Client.Asked == 1 && Client.Cancelled == 1 && Client.Removed == 0 && a->Fdo);
    ObDereferenceObject(Client.File);
    Client.File = NULL;
    Unplug(a);
    Rescan();
    OUTCOME(IoRegisterPlugPlayNotification, "a device that is torn out: GUID_TARGET_DEVICE_REMOVE_COMPLETE without a question", Client.Asked == 1 && Client.Removed == 1 && a->PdoDeleted);
    Unwatch();
}

static VOID Stop(ULONG Case)
{
    TARGET_DEVICE_CUSTOM_NOTIFICATION n;
    RtlZeroMemory(&n, sizeof n);
    n.Version = 1;
    n.Size = sizeof n;
    n.Event = Custom;
    switch (Case)
    {
    case 3:
        OUTCOME_BUGCHECK(IoRequestDeviceEject, "bug check 0xCA for an object that is no physical device object of the tree", 0xCA);
        IoRequestDeviceEject(Bus.Fdo);
        break;
    case 4:
        OUTCOME_BUGCHECK(IoReportTargetDeviceChange, "bug check 0xCA for an object that is no physical device object of the tree", 0xCA);
        IoReportTargetDeviceChange(Bus.Fdo, &n);
        break;
    case 5:
        OUTCOME_BUGCHECK(IoReportTargetDeviceChangeAsynchronous, "bug check 0xCA for an object that is no physical device object of the tree", 0xCA);
        IoReportTargetDeviceChangeAsynchronous(Bus.Fdo, &n, NULL, NULL);
        break;
    case 6:
        Plug(0, L"A");
        Plug(1, L"A");
        OUTCOME_BUGCHECK(IoInvalidateDeviceRelations, "bug check 0xCA when the bus driver reports two children with the same ids", 0xCA);
        Rescan();
        break;
    case 7:
        Plug(0, L"a,b");
        OUTCOME_BUGCHECK(IoInvalidateDeviceRelations, "bug check 0xCA for an id with characters that an id must not have", 0xCA);
        Rescan();
        break;
    }
}

static VOID RunTest(VOID)
{
    if (KtestCase == 0)
        Ejections();
    else if (KtestCase == 1)
        Events();
    else if (KtestCase == 2)
        Targets();
    else
        Stop(KtestCase);
    KtestDone();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("eject");
    BusDriver(DriverObject, RegistryPath);
    return STATUS_SUCCESS;
}
