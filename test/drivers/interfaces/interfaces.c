/*
 * Device interfaces: registered by the function driver of a child, enabled and disabled, found by class, opened by name, and what is kept of them in the registry.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../bus.h"

NTKERNELAPI NTSTATUS NTAPI IoGetDeviceInterfaceAlias(PUNICODE_STRING, CONST GUID *, PUNICODE_STRING);

static const GUID First = {0x9a1d2c00, 0x1111, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}};
static const GUID Second = {0x9a1d2c01, 0x1111, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}};
static const GUID Unused = {0x9a1d2c02, 0x1111, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}};
static const GUID Early = {0x9a1d2c03, 0x1111, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}};

/* How many names a list has. Frees it. */
static LONG CountLinks(const GUID *Class, PDEVICE_OBJECT Pdo, ULONG Flags)
{
    PWSTR list, at;
    LONG n = 0;
    if (!NT_SUCCESS(IoGetDeviceInterfaces(Class, Pdo, Flags, &list)))
        return -1;
    for (at = list; *at; at += TextBytes(at) / sizeof(WCHAR))
        n++;
    ExFreePool(list);
    return n;
}

static NTSTATUS OpenLink(PUNICODE_STRING Link)
{
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    HANDLE handle;
    NTSTATUS status;
    InitializeObjectAttributes(&attributes, Link, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = ZwOpenFile(&handle, GENERIC_READ, &attributes, &iosb, FILE_SHARE_READ, 0);
    if (NT_SUCCESS(status))
        ZwClose(handle);
    return status;
}

static VOID Register(CHILD *c, UNICODE_STRING *Link, UNICODE_STRING *Referenced)
{
    UNICODE_STRING again, reference, bad, other;
    RtlInitUnicodeString(&reference, L"part2");
    RtlInitUnicodeString(&bad, L"a\\b");
    OUTCOME(IoRegisterDeviceInterface, "STATUS_SUCCESS and the name of the interface's symbolic link", IoRegisterDeviceInterface(c->Pdo, &First, NULL, Link) == STATUS_SUCCESS && Link->Length && Link->Buffer);
    OUTCOME(IoRegisterDeviceInterface, "the interface is not enabled by it", CountLinks(&First, NULL, 0) == 0 && OpenLink(Link) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(IoRegisterDeviceInterface, "STATUS_OBJECT_NAME_EXISTS and the same name for an interface that is registered already", IoRegisterDeviceInterface(c->Pdo, &First, NULL, &again) == STATUS_OBJECT_NAME_EXISTS && RtlEqualUnicodeString(&again, Link, FALSE));
    RtlFreeUnicodeString(&again);
    OUTCOME(IoRegisterDeviceInterface, "a reference string makes another interface, whose name ends with it", IoRegisterDeviceInterface(c->Pdo, &First, &reference, Referenced) == STATUS_SUCCESS && Referenced->Length == Link->Length + reference.Length + sizeof(WCHAR) && RtlPrefixUnicodeString(Link, Referenced, FALSE));
    OUTCOME(IoRegisterDeviceInterface, "STATUS_INVALID_DEVICE_REQUEST for a reference string with a path separator", IoRegisterDeviceInterface(c->Pdo, &Second, &bad, &other) == STATUS_INVALID_DEVICE_REQUEST);
    OUTCOME(IoRegisterDeviceInterface, "STATUS_INVALID_DEVICE_REQUEST for a device that is no physical device object", IoRegisterDeviceInterface(c->Fdo, &First, NULL, &other) == STATUS_INVALID_DEVICE_REQUEST);
}

static VOID Switch(CHILD *c, UNICODE_STRING *Link, UNICODE_STRING *Referenced)
{
    UNICODE_STRING bad;
    RtlInitUnicodeString(&bad, L"\\??\\nobody");
    OUTCOME(IoSetDeviceInterfaceState, "STATUS_OBJECT_NAME_NOT_FOUND for one that is to be disabled and is not enabled", IoSetDeviceInterfaceState(Link, FALSE) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(IoSetDeviceInterfaceState, "TRUE: the device can be opened by the interface's name", IoSetDeviceInterfaceState(Link, TRUE) == STATUS_SUCCESS && OpenLink(Link) == STATUS_SUCCESS);
    OUTCOME(IoSetDeviceInterfaceState, "STATUS_OBJECT_NAME_EXISTS for one that is enabled already", IoSetDeviceInterfaceState(Link, TRUE) == STATUS_OBJECT_NAME_EXISTS);
    OUTCOME(IoSetDeviceInterfaceState, "an error for an interface that was never registered", !NT_SUCCESS(IoSetDeviceInterfaceState(&bad, TRUE)));
    OUTCOME(IoGetDeviceInterfaces, "a list of the enabled interfaces of the class", CountLinks(&First, NULL, 0) == 1);
    OUTCOME(IoGetDeviceInterfaces, "DEVICE_INTERFACE_INCLUDE_NONACTIVE: those that are not enabled too", CountLinks(&First, NULL, DEVICE_INTERFACE_INCLUDE_NONACTIVE) == 2);
    OUTCOME(IoGetDeviceInterfaces, "STATUS_SUCCESS and an empty list for a class without interfaces", CountLinks(&Unused, NULL, 0) == 0);
    OUTCOME(IoGetDeviceInterfaces, "a physical device object narrows the search to its interfaces", CountLinks(&First, c->Pdo, 0) == 1 && CountLinks(&First, Bus.Pdo, 0) == 0);
    OUTCOME(IoGetDeviceInterfaces, "STATUS_INVALID_DEVICE_REQUEST for a device that is no physical device object", CountLinks(&First, c->Fdo, 0) == -1);
    IoSetDeviceInterfaceState(Referenced, TRUE);
    CHECK(CountLinks(&First, NULL, 0) == 2 && OpenLink(Referenced) == STATUS_SUCCESS);
    OUTCOME(IoSetDeviceInterfaceState, "FALSE: the interface is found no more", IoSetDeviceInterfaceState(Link, FALSE) == STATUS_SUCCESS && CountLinks(&First, NULL, 0) == 1);
    IoSetDeviceInterfaceState(Referenced, FALSE);
    OUTCOME(IoSetDeviceInterfaceState, "FALSE: the device cannot be opened by the name any more", OpenLink(Link) == STATUS_OBJECT_NAME_NOT_FOUND);
}

static VOID Aliases(CHILD *c, UNICODE_STRING *Link, UNICODE_STRING *Referenced)
{
    UNICODE_STRING alias = {0, 0, NULL}, second, bad;
    RtlInitUnicodeString(&bad, L"\\??\\nobody");
    OUTCOME(IoGetDeviceInterfaceAlias, "an error when nobody has an interface of the other class", !NT_SUCCESS(IoGetDeviceInterfaceAlias(Link, &Unused, &alias)));
    IoRegisterDeviceInterface(c->Pdo, &Second, NULL, &second);
    OUTCOME(IoGetDeviceInterfaceAlias, "STATUS_SUCCESS and the name of the device's interface of the other class", IoGetDeviceInterfaceAlias(Link, &Second, &alias) == STATUS_SUCCESS && RtlEqualUnicodeString(&alias, &second, FALSE));
    RtlFreeUnicodeString(&alias);
    OUTCOME(IoGetDeviceInterfaceAlias, "STATUS_OBJECT_NAME_NOT_FOUND when the device has none with the same reference string", IoGetDeviceInterfaceAlias(Referenced, &Second, &alias) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(IoGetDeviceInterfaceAlias, "STATUS_INVALID_HANDLE for a name that is none of an interface", IoGetDeviceInterfaceAlias(&bad, &Second, &alias) == STATUS_INVALID_HANDLE);
    RtlFreeUnicodeString(&second);
}

static VOID Keys(UNICODE_STRING *Link)
{
    UNICODE_STRING bad, name;
    HANDLE key = NULL;
    ULONG value = 42, length;
    UCHAR buffer[64];
    PKEY_VALUE_PARTIAL_INFORMATION info = (PVOID)buffer;
    RtlInitUnicodeString(&bad, L"\\??\\nobody");
    RtlInitUnicodeString(&name, L"Resolution");
    OUTCOME(IoOpenDeviceInterfaceRegistryKey, "STATUS_SUCCESS and a handle", IoOpenDeviceInterfaceRegistryKey(Link, KEY_ALL_ACCESS, &key) == STATUS_SUCCESS && key);
    ZwSetValueKey(key, &name, 0, REG_DWORD, &value, sizeof value);
    ZwClose(key);
    IoOpenDeviceInterfaceRegistryKey(Link, KEY_READ, &key);
    OUTCOME(IoOpenDeviceInterfaceRegistryKey, "what is written there is kept for the interface", ZwQueryValueKey(key, &name, KeyValuePartialInformation, info, sizeof buffer, &length) == STATUS_SUCCESS && *(ULONG *)info->Data == 42);
    ZwClose(key);
    OUTCOME(IoOpenDeviceInterfaceRegistryKey, "STATUS_INVALID_PARAMETER for a name that is none of an interface", IoOpenDeviceInterfaceRegistryKey(&bad, KEY_READ, &key) == STATUS_INVALID_PARAMETER);
    /* A class, and then a device, that have no such interface: the last digits of the class and of the reference are changed. */
    Link->Buffer[Link->Length / sizeof(WCHAR) - 2] = L'f';
    OUTCOME(IoOpenDeviceInterfaceRegistryKey, "STATUS_OBJECT_PATH_NOT_FOUND for a class that nobody has registered", IoOpenDeviceInterfaceRegistryKey(Link, KEY_READ, &key) == STATUS_OBJECT_PATH_NOT_FOUND);
    Link->Buffer[Link->Length / sizeof(WCHAR) - 2] = L'0';
    Link->Buffer[9] = L'x';
    OUTCOME(IoOpenDeviceInterfaceRegistryKey, "STATUS_OBJECT_NAME_NOT_FOUND for an interface that is not registered", IoOpenDeviceInterfaceRegistryKey(Link, KEY_READ, &key) == STATUS_OBJECT_NAME_NOT_FOUND);
}

static struct
{
    UNICODE_STRING Link;
    NTSTATUS Enabled;
    LONG WhileStarting;
} Put;

/* A function driver enables its interface while it starts: it comes when the start is over. */
static VOID EnableWhileStarting(CHILD *c)
{
    IoRegisterDeviceInterface(c->Pdo, &Early, NULL, &Put.Link);
    Put.Enabled = IoSetDeviceInterfaceState(&Put.Link, TRUE);
    Put.WhileStarting = CountLinks(&Early, NULL, 0);
}

static VOID Deferred(VOID)
{
    CHILD *c = Plug(1, L"E");
    c->Function = TRUE;
    c->Starting = EnableWhileStarting;
    Rescan();
    OUTCOME(IoSetDeviceInterfaceState, "while the device starts: the interface is enabled when IRP_MN_START_DEVICE is over", Put.Enabled == STATUS_SUCCESS && Put.WhileStarting == 0 && CountLinks(&Early, NULL, 0) == 1 && OpenLink(&Put.Link) == STATUS_SUCCESS);
    Unplug(c);
    Rescan();
    OUTCOME(IoSetDeviceInterfaceState, "an interface that is still enabled is disabled when its device is removed", CountLinks(&Early, NULL, 0) == 0 && OpenLink(&Put.Link) == STATUS_OBJECT_NAME_NOT_FOUND);
    RtlFreeUnicodeString(&Put.Link);
}

static VOID RunTest(VOID)
{
    UNICODE_STRING link, referenced;
    CHILD *c = Plug(0, L"I");
    c->Function = TRUE;
    Rescan();
    Register(c, &link, &referenced);
    Switch(c, &link, &referenced);
    Aliases(c, &link, &referenced);
    Keys(&link);
    RtlFreeUnicodeString(&link);
    RtlFreeUnicodeString(&referenced);
    Deferred();
    KtestDone();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("interfaces");
    BusDriver(DriverObject, RegistryPath);
    return STATUS_SUCCESS;
}
