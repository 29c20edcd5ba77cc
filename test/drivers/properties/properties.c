/*
 * Properties of devices, and their keys in the registry. What is asked for has been said by the bus driver, or is in the device's key.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../bus.h"

static UCHAR Value[512];
static ULONG Length;

static NTSTATUS Get(PDEVICE_OBJECT Pdo, ULONG Property)
{
    RtlZeroMemory(Value, sizeof Value);
    Length = 0;
    return IoGetDeviceProperty(Pdo, Property, sizeof Value, Value, &Length);
}
static BOOLEAN IsBytes(PDEVICE_OBJECT Pdo, ULONG Property, const VOID *Bytes, ULONG Count)
{
    return Get(Pdo, Property) == STATUS_SUCCESS && Length == Count && RtlCompareMemory(Value, Bytes, Count) == Count;
}
static BOOLEAN IsText(PDEVICE_OBJECT Pdo, ULONG Property, PCWSTR Text)
{
    return IsBytes(Pdo, Property, Text, TextBytes(Text));
}
static BOOLEAN IsNumber(PDEVICE_OBJECT Pdo, ULONG Property, ULONG Number)
{
    return IsBytes(Pdo, Property, &Number, sizeof Number);
}

/* The key that a setup program fills. */
static VOID Install(PCWSTR Name, ULONG Type, const VOID *Data, ULONG Size)
{
    RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, L"\\Registry\\Machine\\System\\CurrentControlSet\\Enum\\KBUS\\Child\\P", Name, Type, (PVOID)Data, Size);
}
static VOID InstallText(PCWSTR Name, PCWSTR Text)
{
    Install(Name, REG_SZ, Text, TextBytes(Text));
}

static VOID Properties(CHILD *c)
{
    static const WCHAR hardware[] = L"KBUS\\Function\0KBUS\\Child\0", compatible[] = L"KBUS\\Any\0";
    static const GUID busType = {0x5c3a1b2e, 0x0002, 0x4a5b, {0x8c, 0x9d, 0, 0, 0, 0, 0, 1}};
    ULONG flags, needed = 0;
    OUTCOME(IoGetDeviceProperty, "DevicePropertyDeviceDescription", IsText(c->Pdo, DevicePropertyDeviceDescription, L"A child of the test bus"));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyHardwareID", IsBytes(c->Pdo, DevicePropertyHardwareID, hardware, sizeof hardware));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyCompatibleIDs", IsBytes(c->Pdo, DevicePropertyCompatibleIDs, compatible, sizeof compatible));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyLocationInformation", IsText(c->Pdo, DevicePropertyLocationInformation, L"Slot 7 of the test bus"));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyEnumeratorName", IsText(c->Pdo, DevicePropertyEnumeratorName, L"KBUS"));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyAddress", IsNumber(c->Pdo, DevicePropertyAddress, 7));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyUINumber", IsNumber(c->Pdo, DevicePropertyUINumber, 8));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyBusNumber", IsNumber(c->Pdo, DevicePropertyBusNumber, 3));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyLegacyBusType", IsNumber(c->Pdo, DevicePropertyLegacyBusType, PNPBus));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyBusTypeGuid", IsBytes(c->Pdo, DevicePropertyBusTypeGuid, &busType, sizeof busType));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyContainerID", IsText(c->Pdo, 0x16, L"{5c3a1b2e-0001-4a5b-8c9d-000000000007}"));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyPhysicalDeviceObjectName", Get(c->Pdo, DevicePropertyPhysicalDeviceObjectName) == STATUS_SUCCESS && RtlCompareMemory(Value, L"\\Device\\", 16) == 16);
    OUTCOME(IoGetDeviceProperty, "DevicePropertyDriverKeyName", Get(c->Pdo, DevicePropertyDriverKeyName) == STATUS_SUCCESS && *(PWCHAR)Value == L'{');
    OUTCOME(IoGetDeviceProperty, "DevicePropertyRemovalPolicy", IsNumber(c->Pdo, DevicePropertyRemovalPolicy, 3));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyInstallState: installed", IsNumber(c->Pdo, DevicePropertyInstallState, 0));
    flags = 0x20;
    Install(L"ConfigFlags", REG_DWORD, &flags, sizeof flags);
    OUTCOME(IoGetDeviceProperty, "DevicePropertyInstallState: needs to be installed again", IsNumber(c->Pdo, DevicePropertyInstallState, 1));
    OUTCOME(IoGetDeviceProperty, "STATUS_OBJECT_NAME_NOT_FOUND for a property that the device does not have", Get(c->Pdo, DevicePropertyFriendlyName) == STATUS_OBJECT_NAME_NOT_FOUND);
    InstallText(L"FriendlyName", L"My child");
    InstallText(L"Mfg", L"The maker");
    InstallText(L"Class", L"Things");
    InstallText(L"ClassGUID", L"{9a1d2c09-1111-4e15-9a55-102030405060}");
    OUTCOME(IoGetDeviceProperty, "DevicePropertyFriendlyName", IsText(c->Pdo, DevicePropertyFriendlyName, L"My child"));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyManufacturer", IsText(c->Pdo, DevicePropertyManufacturer, L"The maker"));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyClassName", IsText(c->Pdo, DevicePropertyClassName, L"Things"));
    OUTCOME(IoGetDeviceProperty, "DevicePropertyClassGuid", IsText(c->Pdo, DevicePropertyClassGuid, L"{9a1d2c09-1111-4e15-9a55-102030405060}"));
    OUTCOME(IoGetDeviceProperty, "STATUS_BUFFER_TOO_SMALL and the length that is needed", IoGetDeviceProperty(c->Pdo, DevicePropertyFriendlyName, 4, Value, &needed) == STATUS_BUFFER_TOO_SMALL && needed == sizeof L"My child");
    OUTCOME(IoGetDeviceProperty, "STATUS_BUFFER_TOO_SMALL without a buffer", IoGetDeviceProperty(c->Pdo, DevicePropertyAddress, 0, NULL, &needed) == STATUS_BUFFER_TOO_SMALL && needed == sizeof(ULONG));
    OUTCOME(IoGetDeviceProperty, "STATUS_INVALID_PARAMETER_2 for something that is no property", Get(c->Pdo, 99) == STATUS_INVALID_PARAMETER_2);
    OUTCOME(IoGetDeviceProperty, "STATUS_INVALID_DEVICE_REQUEST for a device that is no physical device object", Get(c->Fdo, DevicePropertyAddress) == STATUS_INVALID_DEVICE_REQUEST);
}

/* The resources that the bus driver said the device has from the beginning. */
static VOID Resources(CHILD *c)
{
    PCM_RESOURCE_LIST list = (PVOID)Value;
    BOOLEAN raw = Get(c->Pdo, DevicePropertyBootConfiguration) == STATUS_SUCCESS && Length && list->Count == 1 && list->List[0].PartialResourceList.Count == 2 &&
                  list->List[0].PartialResourceList.PartialDescriptors[0].Type == CmResourceTypePort && list->List[0].PartialResourceList.PartialDescriptors[1].u.Interrupt.Vector == 9;
    OUTCOME(IoGetDeviceProperty, "DevicePropertyBootConfiguration: the resources that the device has, raw", raw);
    OUTCOME(IoGetDeviceProperty, "DevicePropertyBootConfigurationTranslated: the same as the processor sees them", Get(c->Pdo, DevicePropertyBootConfigurationTranslated) == STATUS_SUCCESS && list->Count == 1 && list->List[0].PartialResourceList.PartialDescriptors[1].u.Interrupt.Vector != 9 && list->List[0].PartialResourceList.PartialDescriptors[1].u.Interrupt.Level > DISPATCH_LEVEL);
}

static VOID Keys(CHILD *c)
{
    HANDLE key = NULL;
    UNICODE_STRING name;
    ULONG value = 5, length;
    UCHAR buffer[128];
    PKEY_VALUE_PARTIAL_INFORMATION info = (PVOID)buffer;
    RtlInitUnicodeString(&name, L"Setting");
    OUTCOME(IoOpenDeviceRegistryKey, "PLUGPLAY_REGKEY_DEVICE: the device's own key", IoOpenDeviceRegistryKey(c->Pdo, PLUGPLAY_REGKEY_DEVICE, KEY_ALL_ACCESS, &key) == STATUS_SUCCESS);
    ZwSetValueKey(key, &name, 0, REG_DWORD, &value, sizeof value);
    ZwClose(key);
    OUTCOME(IoOpenDeviceRegistryKey, "PLUGPLAY_REGKEY_DRIVER: the key of the driver's settings for the device", IoOpenDeviceRegistryKey(c->Pdo, PLUGPLAY_REGKEY_DRIVER, KEY_ALL_ACCESS, &key) == STATUS_SUCCESS && ZwQueryValueKey(key, &name, KeyValuePartialInformation, info, sizeof buffer, &length) == STATUS_OBJECT_NAME_NOT_FOUND);
    ZwClose(key);
    OUTCOME(IoOpenDeviceRegistryKey, "PLUGPLAY_REGKEY_CURRENT_HWPROFILE: a key of its own in the hardware profile", IoOpenDeviceRegistryKey(c->Pdo, PLUGPLAY_REGKEY_DEVICE | PLUGPLAY_REGKEY_CURRENT_HWPROFILE, KEY_ALL_ACCESS, &key) == STATUS_SUCCESS && ZwQueryValueKey(key, &name, KeyValuePartialInformation, info, sizeof buffer, &length) == STATUS_OBJECT_NAME_NOT_FOUND);
    ZwClose(key);
    IoOpenDeviceRegistryKey(c->Pdo, PLUGPLAY_REGKEY_DEVICE, KEY_READ, &key);
    OUTCOME(IoOpenDeviceRegistryKey, "what is written there is kept", ZwQueryValueKey(key, &name, KeyValuePartialInformation, info, sizeof buffer, &length) == STATUS_SUCCESS && *(ULONG *)info->Data == 5);
    ZwClose(key);
    OUTCOME(IoOpenDeviceRegistryKey, "STATUS_INVALID_PARAMETER for both kinds at once, or none", IoOpenDeviceRegistryKey(c->Pdo, PLUGPLAY_REGKEY_DEVICE | PLUGPLAY_REGKEY_DRIVER, KEY_READ, &key) == STATUS_INVALID_PARAMETER && IoOpenDeviceRegistryKey(c->Pdo, PLUGPLAY_REGKEY_CURRENT_HWPROFILE, KEY_READ, &key) == STATUS_INVALID_PARAMETER);
    OUTCOME(IoOpenDeviceRegistryKey, "STATUS_INVALID_PARAMETER for a device that is no physical device object", IoOpenDeviceRegistryKey(c->Fdo, PLUGPLAY_REGKEY_DEVICE, KEY_READ, &key) == STATUS_INVALID_PARAMETER);
}

static VOID Unified(CHILD *c)
{
    static const DEVPROPKEY key = {{0x9a1d2c0a, 0x1111, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}}, 2};
    static const DEVPROPKEY other = {{0x9a1d2c0a, 0x1111, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}}, 3};
    ULONG value = 0x12345678, read = 0, needed = 0, type = 0, german = 1;
    OUTCOME(IoGetDevicePropertyData, "STATUS_OBJECT_NAME_NOT_FOUND for a property that was not set", IoGetDevicePropertyData(c->Pdo, &key, 0, 0, sizeof read, &read, &needed, &type) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(IoSetDevicePropertyData, "STATUS_SUCCESS: the property can be read", IoSetDevicePropertyData(c->Pdo, &key, 0, 1, 7, sizeof value, &value) == STATUS_SUCCESS);
    value = 0;
    OUTCOME(IoGetDevicePropertyData, "STATUS_SUCCESS, the data, their length and type", IoGetDevicePropertyData(c->Pdo, &key, 0, 0, sizeof read, &read, &needed, &type) == STATUS_SUCCESS && read == 0x12345678 && needed == 4 && type == 7);
    OUTCOME(IoGetDevicePropertyData, "STATUS_BUFFER_TOO_SMALL and the length that is needed", IoGetDevicePropertyData(c->Pdo, &key, 0, 0, 2, &read, &needed, &type) == STATUS_BUFFER_TOO_SMALL && needed == 4);
    OUTCOME(IoSetDevicePropertyData, "a locale has a value of its own", IoSetDevicePropertyData(c->Pdo, &key, 0x407, 1, 7, sizeof german, &german) == STATUS_SUCCESS && IoGetDevicePropertyData(c->Pdo, &key, 0x407, 0, sizeof read, &read, &needed, &type) == STATUS_SUCCESS && read == 1 && IoGetDevicePropertyData(c->Pdo, &key, 0, 0, sizeof read, &read, &needed, &type) == STATUS_SUCCESS && read == 0x12345678);
    OUTCOME(IoSetDevicePropertyData, "Data NULL deletes the property", IoSetDevicePropertyData(c->Pdo, &key, 0, 1, 7, 0, NULL) == STATUS_SUCCESS && IoGetDevicePropertyData(c->Pdo, &key, 0, 0, sizeof read, &read, &needed, &type) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(IoSetDevicePropertyData, "an error for a property that is to be deleted and is not there", !NT_SUCCESS(IoSetDevicePropertyData(c->Pdo, &other, 0, 1, 7, 0, NULL)));
    OUTCOME(IoSetDevicePropertyData, "an error for a device that is no physical device object", !NT_SUCCESS(IoSetDevicePropertyData(c->Fdo, &key, 0, 1, 7, sizeof value, &value)));
}

static VOID RunTest(VOID)
{
    CHILD *c = Plug(0, L"P");
    c->Function = c->Removable = c->SurpriseOk = c->Resources = TRUE;
    Rescan();
    Properties(c);
    Resources(c);
    Keys(c);
    Unified(c);
    KtestDone();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("properties");
    BusDriver(DriverObject, RegistryPath);
    return STATUS_SUCCESS;
}
