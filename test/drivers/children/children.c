// ktest: cases=6
/*
 * Children of a bus driver: how they come, how they are and how they go, as IoInvalidateDeviceRelations and IoInvalidateDeviceState have the Plug and Play manager find out.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../bus.h"

/* Opens a device by the name of its PDO; the caller closes the handle. */
static HANDLE OpenPdo(PDEVICE_OBJECT Pdo)
{
    WCHAR name[64];
    ULONG length;
    UNICODE_STRING path;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    HANDLE handle = NULL;
    if (!NT_SUCCESS(IoGetDeviceProperty(Pdo, DevicePropertyPhysicalDeviceObjectName, sizeof name, name, &length)))
        return NULL;
    RtlInitUnicodeString(&path, name);
    InitializeObjectAttributes(&attributes, &path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    return NT_SUCCESS(ZwOpenFile(&handle, GENERIC_READ, &attributes, &iosb, FILE_SHARE_READ, 0)) ? handle : NULL;
}

static BOOLEAN PropertyIs(PDEVICE_OBJECT Pdo, DEVICE_REGISTRY_PROPERTY Property, PCWSTR Text)
{
    WCHAR value[128];
    ULONG length;
    return NT_SUCCESS(IoGetDeviceProperty(Pdo, Property, sizeof value, value, &length)) && length >= TextBytes(Text) && RtlCompareMemory(value, Text, TextBytes(Text)) == TextBytes(Text);
}

/* A child comes, with this driver as its function driver; another starts raw; a third has no driver. */
static VOID Arrivals(VOID)
{
    CHILD *a = Plug(0, L"A"), *raw, *alone;
    ULONG asked = Times(&Bus.Seen, IRP_MN_QUERY_DEVICE_RELATIONS);
    a->Function = TRUE;
    Rescan();
    OUTCOME(IoInvalidateDeviceRelations, "BusRelations: the drivers of the device are sent IRP_MN_QUERY_DEVICE_RELATIONS", Times(&Bus.Seen, IRP_MN_QUERY_DEVICE_RELATIONS) == asked + 1);
    OUTCOME(IoInvalidateDeviceRelations, "a new child is asked for its ids, texts and capabilities", Times(&a->Bus, IRP_MN_QUERY_ID) >= 4 && Times(&a->Bus, IRP_MN_QUERY_DEVICE_TEXT) == 2 && Saw(&a->Bus, IRP_MN_QUERY_CAPABILITIES) && Saw(&a->Bus, IRP_MN_QUERY_BUS_INFORMATION) && Saw(&a->Bus, IRP_MN_QUERY_RESOURCES) && Saw(&a->Bus, IRP_MN_QUERY_RESOURCE_REQUIREMENTS));
    OUTCOME(IoInvalidateDeviceRelations, "a new child gets its function driver and IRP_MN_START_DEVICE", a->Fdo && Times(&a->Driver, IRP_MN_START_DEVICE) == 1 && Before(&a->Bus, IRP_MN_QUERY_ID, IRP_MN_START_DEVICE));
    OUTCOME(IoInvalidateDeviceRelations, "a child that has started is asked for its state and its own children", Before(&a->Driver, IRP_MN_START_DEVICE, IRP_MN_QUERY_PNP_DEVICE_STATE) && Before(&a->Driver, IRP_MN_START_DEVICE, IRP_MN_QUERY_DEVICE_RELATIONS));
    CHECK(PropertyIs(a->Pdo, DevicePropertyDeviceDescription, L"A child of the test bus"));
    CHECK(PropertyIs(a->Pdo, DevicePropertyLocationInformation, L"Slot 7 of the test bus"));
    CHECK(PropertyIs(a->Pdo, DevicePropertyEnumeratorName, L"KBUS"));

    raw = Plug(1, L"R");
    raw->Raw = TRUE;
    alone = Plug(2, L"N");
    Rescan();
    OUTCOME(IoInvalidateDeviceRelations, "a child that is there already is left alone", Times(&a->Driver, IRP_MN_START_DEVICE) == 1 && !Saw(&a->Driver, IRP_MN_REMOVE_DEVICE));
    OUTCOME(IoInvalidateDeviceRelations, "a child with RawDeviceOK and no driver is started by its bus driver alone", Times(&raw->Bus, IRP_MN_START_DEVICE) == 1 && !raw->Pdo->AttachedDevice);
    OUTCOME(IoInvalidateDeviceRelations, "a child for which there is no driver is not started", Saw(&alone->Bus, IRP_MN_QUERY_ID) && !Saw(&alone->Bus, IRP_MN_START_DEVICE));

    asked = Times(&Bus.Seen, IRP_MN_QUERY_DEVICE_RELATIONS);
    IoInvalidateDeviceRelations(Bus.Pdo, EjectionRelations);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceRelations, "EjectionRelations: they are not asked for at once", Times(&Bus.Seen, IRP_MN_QUERY_DEVICE_RELATIONS) == asked);
}

/* Names the upper filter of a child that is not there yet, as a setup program would. */
static VOID NameFilter(PCWSTR Key, PCWSTR Services, ULONG Size)
{
    RtlCreateRegistryKey(RTL_REGISTRY_ABSOLUTE, (PWSTR)Key);
    RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, Key, L"UpperFilters", REG_MULTI_SZ, (PVOID)Services, Size);
}

/* A filter driver sits on the function driver; without it the device is not started. The filter is this driver too: its AddDevice is called for the child twice. */
static VOID Filters(VOID)
{
    CHILD *filtered = Plug(2, L"U"), *lacking = Plug(3, L"V");
    filtered->Function = lacking->Function = TRUE;
    NameFilter(L"\\Registry\\Machine\\System\\CurrentControlSet\\Enum\\KBUS\\Child\\U", L"children\0", sizeof L"children\0");
    NameFilter(L"\\Registry\\Machine\\System\\CurrentControlSet\\Enum\\KBUS\\Child\\V", L"nobody\0", sizeof L"nobody\0");
    Rescan();
    CHECK(filtered->Pdo->AttachedDevice && filtered->Pdo->AttachedDevice->AttachedDevice == filtered->Fdo);
    CHECK(Times(&filtered->Driver, IRP_MN_START_DEVICE) == 2 && Times(&filtered->Bus, IRP_MN_START_DEVICE) == 1);
    CHECK(!Saw(&lacking->Driver, IRP_MN_START_DEVICE) && !lacking->Pdo->AttachedDevice);
}

/* Children that are not reported any more, one of them while it is open. */
static VOID Departures(VOID)
{
    CHILD *a = Plug(0, L"A"), *open = Plug(1, L"O"), *alone = Plug(2, L"N");
    HANDLE handle;
    KIRQL irql;
    ULONG asked;
    a->Function = open->Function = TRUE;
    Rescan();
    handle = OpenPdo(open->Pdo);
    CHECK(handle);
    Unplug(a);
    Unplug(open);
    Unplug(alone);
    Rescan();
    OUTCOME(IoInvalidateDeviceRelations, "a child that is missing gets IRP_MN_SURPRISE_REMOVAL, then IRP_MN_REMOVE_DEVICE", Times(&a->Driver, IRP_MN_SURPRISE_REMOVAL) == 1 && Before(&a->Driver, IRP_MN_SURPRISE_REMOVAL, IRP_MN_REMOVE_DEVICE) && !Saw(&a->Driver, IRP_MN_QUERY_REMOVE_DEVICE) && a->PdoDeleted);
    OUTCOME(IoInvalidateDeviceRelations, "a child without a driver that is missing gets IRP_MN_REMOVE_DEVICE alone", Saw(&alone->Bus, IRP_MN_REMOVE_DEVICE) && !Saw(&alone->Bus, IRP_MN_SURPRISE_REMOVAL) && alone->PdoDeleted);
    OUTCOME(IoInvalidateDeviceRelations, "IRP_MN_REMOVE_DEVICE waits until the last handle is closed", Saw(&open->Driver, IRP_MN_SURPRISE_REMOVAL) && !Saw(&open->Driver, IRP_MN_REMOVE_DEVICE) && !open->PdoDeleted);
    ZwClose(handle);
    Sleep(20);
    CHECK(Saw(&open->Driver, IRP_MN_REMOVE_DEVICE) && open->PdoDeleted);

    asked = Times(&Bus.Seen, IRP_MN_QUERY_DEVICE_RELATIONS);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoInvalidateDeviceRelations(Bus.Pdo, BusRelations);
    KeLowerIrql(irql);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceRelations, "may be called at DISPATCH_LEVEL; the drivers are asked at PASSIVE_LEVEL", Times(&Bus.Seen, IRP_MN_QUERY_DEVICE_RELATIONS) == asked + 1 && Bus.Irql == PASSIVE_LEVEL);

    /* The same device again, in a new physical device object. */
    a = Plug(0, L"A");
    a->Function = TRUE;
    Rescan();
    CHECK(a->Fdo && Times(&a->Driver, IRP_MN_START_DEVICE) == 1);
    /* Two buses may give the same instance id; what is unique under its parent only is told apart by the parent. */
    open = Plug(1, L"A");
    open->Function = open->NotUnique = TRUE;
    Rescan();
    CHECK(open->Fdo && Times(&open->Driver, IRP_MN_START_DEVICE) == 1);
    Filters();
}

/* States that a device can have. */
static VOID States(VOID)
{
    CHILD *a = Plug(0, L"A"), *disabled = Plug(1, L"D"), *gone = Plug(2, L"G"), *moving = Plug(3, L"M");
    KIRQL irql;
    ULONG asked;
    a->Irql = HIGH_LEVEL;
    a->Function = disabled->Function = gone->Function = moving->Function = TRUE;
    Rescan();

    asked = Times(&a->Driver, IRP_MN_QUERY_PNP_DEVICE_STATE);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoInvalidateDeviceState(a->Pdo);
    KeLowerIrql(irql);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceState, "may be called at DISPATCH_LEVEL; the drivers are asked at PASSIVE_LEVEL", a->Irql == PASSIVE_LEVEL);
    OUTCOME(IoInvalidateDeviceState, "the drivers of the device are sent IRP_MN_QUERY_PNP_DEVICE_STATE", Times(&a->Driver, IRP_MN_QUERY_PNP_DEVICE_STATE) == asked + 1);
    OUTCOME(IoInvalidateDeviceState, "a device whose state is 0 goes on", !Saw(&a->Driver, IRP_MN_REMOVE_DEVICE) && !Saw(&a->Driver, IRP_MN_STOP_DEVICE));

    a->State = PNP_DEVICE_DONT_DISPLAY_IN_UI | PNP_DEVICE_NOT_DISABLEABLE;
    IoInvalidateDeviceState(a->Pdo);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceState, "PNP_DEVICE_DONT_DISPLAY_IN_UI and PNP_DEVICE_NOT_DISABLEABLE change nothing of the device", a->Fdo && !Saw(&a->Driver, IRP_MN_REMOVE_DEVICE));

    a->State = PNP_DEVICE_FAILED;
    IoInvalidateDeviceState(a->Pdo);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceState, "PNP_DEVICE_FAILED: IRP_MN_SURPRISE_REMOVAL and IRP_MN_REMOVE_DEVICE, the physical device stays", Before(&a->Driver, IRP_MN_SURPRISE_REMOVAL, IRP_MN_REMOVE_DEVICE) && !a->Fdo && !a->PdoDeleted);

    disabled->State = PNP_DEVICE_DISABLED;
    IoInvalidateDeviceState(disabled->Pdo);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceState, "PNP_DEVICE_DISABLED: the device is removed, the physical device stays", Saw(&disabled->Driver, IRP_MN_REMOVE_DEVICE) && !disabled->Fdo && !disabled->PdoDeleted);

    gone->State = PNP_DEVICE_REMOVED;
    IoInvalidateDeviceState(gone->Pdo);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceState, "PNP_DEVICE_REMOVED: IRP_MN_SURPRISE_REMOVAL and IRP_MN_REMOVE_DEVICE", Before(&gone->Driver, IRP_MN_SURPRISE_REMOVAL, IRP_MN_REMOVE_DEVICE) && !gone->Fdo);

    moving->State = PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED;
    IoInvalidateDeviceState(moving->Pdo);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceState, "PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED: the device is stopped and started again", Before(&moving->Driver, IRP_MN_QUERY_STOP_DEVICE, IRP_MN_STOP_DEVICE) && Times(&moving->Driver, IRP_MN_START_DEVICE) == 2);

    moving->State = PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED;
    moving->QueryStop = STATUS_DEVICE_BUSY;
    IoInvalidateDeviceState(moving->Pdo);
    Sleep(20);
    OUTCOME(IoInvalidateDeviceState, "PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED: a driver that fails IRP_MN_QUERY_STOP_DEVICE keeps the device as it is", Saw(&moving->Driver, IRP_MN_CANCEL_STOP_DEVICE) && Times(&moving->Driver, IRP_MN_START_DEVICE) == 2 && moving->Fdo);
    moving->State = 0;

    /* A driver that does not start is removed; the bus keeps the device. */
    Unplug(gone);
    Rescan();
    CHECK(gone->PdoDeleted);
    gone = Plug(2, L"F");
    gone->Function = TRUE;
    gone->Start = STATUS_DEVICE_CONFIGURATION_ERROR;
    Rescan();
    CHECK(Before(&gone->Driver, IRP_MN_START_DEVICE, IRP_MN_REMOVE_DEVICE) && !gone->Fdo && !gone->PdoDeleted && gone->Present);
}

static VOID RunTest(VOID)
{
    switch (KtestCase)
    {
    case 0:
        Arrivals();
        break;
    case 1:
        Departures();
        break;
    case 2:
        States();
        break;
    case 3:
        OUTCOME_BUGCHECK(IoInvalidateDeviceRelations, "bug check 0xCA for an object that is no physical device object of the tree", 0xCA);
        IoInvalidateDeviceRelations(Bus.Fdo, BusRelations);
        break;
    case 4:
        OUTCOME_BUGCHECK(IoInvalidateDeviceState, "bug check 0xCA for an object that is no physical device object of the tree", 0xCA);
        IoInvalidateDeviceState(Bus.Fdo);
        break;
    case 5:
        Bus.ReportNull = TRUE;
        OUTCOME_BUGCHECK(IoInvalidateDeviceRelations, "bug check 0xCA when the bus driver reports a null pointer among its children", 0xCA);
        Rescan();
        break;
    }
    KtestDone();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("children");
    BusDriver(DriverObject, RegistryPath);
    return STATUS_SUCCESS;
}
