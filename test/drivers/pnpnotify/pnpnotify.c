/*
 * Who is told of device interfaces that come and go. The driver registers an interface of its own device, and a routine for the class. It does so when the device has started:
 * what it enables before is enabled, and told, then.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../hardware.h"

static const GUID Class = {0x6b2ad530, 0x1d4c, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}};
static const GUID Other = {0x6b2ad531, 0x1d4c, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}};
static const GUID Arrival = {0xcb3a4004, 0x46f0, 0x11d0, {0xb0, 0x8f, 0x00, 0x60, 0x97, 0x13, 0x05, 0x3f}};
static const GUID Removal = {0xcb3a4005, 0x46f0, 0x11d0, {0xb0, 0x8f, 0x00, 0x60, 0x97, 0x13, 0x05, 0x3f}};

static struct
{
    volatile LONG Arrivals, Removals, Others;
    BOOLEAN Right;
    KIRQL Irql;
    UNICODE_STRING Link;
} N;

static NTSTATUS NTAPI Notified(PVOID NotificationStructure, PVOID Context)
{
    PDEVICE_INTERFACE_CHANGE_NOTIFICATION n = NotificationStructure;
    N.Irql = KeGetCurrentIrql();
    N.Right = Context == &N && n->Version == 1 && n->Size == sizeof *n && RtlCompareMemory(&n->InterfaceClassGuid, &Class, sizeof(GUID)) == sizeof(GUID) &&
              RtlEqualUnicodeString(n->SymbolicLinkName, &N.Link, TRUE);
    if (RtlCompareMemory(&n->Event, &Arrival, sizeof(GUID)) == sizeof(GUID))
        InterlockedIncrement(&N.Arrivals);
    else if (RtlCompareMemory(&n->Event, &Removal, sizeof(GUID)) == sizeof(GUID))
        InterlockedIncrement(&N.Removals);
    return STATUS_SUCCESS;
}
static NTSTATUS NTAPI NotOurs(PVOID NotificationStructure, PVOID Context)
{
    InterlockedIncrement(&N.Others);
    return STATUS_SUCCESS;
}

static VOID NTAPI Test(PVOID Hardware)
{
    HARDWARE *hw = Hardware;
    PVOID entry, other, existing;
    PDRIVER_OBJECT driver = hw->Self->DriverObject;
    Sleep(5);
    CHECK(NT_SUCCESS(IoRegisterDeviceInterface(hw->Pdo, &Class, NULL, &N.Link)));
    OUTCOME(IoRegisterPlugPlayNotification, "an error for an unknown category", !NT_SUCCESS(IoRegisterPlugPlayNotification(77, 0, (PVOID)&Class, driver, Notified, &N, &entry)));
    OUTCOME(IoRegisterPlugPlayNotification, "STATUS_SUCCESS and an entry",
            IoRegisterPlugPlayNotification(EventCategoryDeviceInterfaceChange, 0, (PVOID)&Class, driver, Notified, &N, &entry) == STATUS_SUCCESS && entry);
    IoRegisterPlugPlayNotification(EventCategoryDeviceInterfaceChange, 0, (PVOID)&Other, driver, NotOurs, &N, &other);
    IoSetDeviceInterfaceState(&N.Link, TRUE);
    Sleep(5);
    OUTCOME(IoRegisterPlugPlayNotification, "the routine hears of an interface that is enabled", N.Arrivals == 1 && N.Right);
    OUTCOME(IoRegisterPlugPlayNotification, "the routine is called at PASSIVE_LEVEL", N.Irql == PASSIVE_LEVEL);
    IoRegisterPlugPlayNotification(EventCategoryDeviceInterfaceChange, PNPNOTIFY_DEVICE_INTERFACE_INCLUDE_EXISTING_INTERFACES, (PVOID)&Class, driver, Notified, &N, &existing);
    Sleep(5);
    OUTCOME(IoRegisterPlugPlayNotification, "PNPNOTIFY_DEVICE_INTERFACE_INCLUDE_EXISTING_INTERFACES: those that are enabled already", N.Arrivals == 2 && N.Right);
    OUTCOME(IoUnregisterPlugPlayNotification, "STATUS_SUCCESS", IoUnregisterPlugPlayNotification(existing) == STATUS_SUCCESS);
    /* One that is taken back for good is not called while the first one still is. */
    CHECK(NT_SUCCESS(IoRegisterPlugPlayNotification(EventCategoryDeviceInterfaceChange, 0, (PVOID)&Class, driver, NotOurs, &N, &existing)));
    OUTCOME(IoUnregisterPlugPlayNotificationEx, "STATUS_SUCCESS", IoUnregisterPlugPlayNotificationEx(existing) == STATUS_SUCCESS);
    IoSetDeviceInterfaceState(&N.Link, FALSE);
    Sleep(5);
    OUTCOME(IoUnregisterPlugPlayNotificationEx, "the routine is not called any more", N.Removals == 1 && N.Others == 0);
    OUTCOME(IoRegisterPlugPlayNotification, "the routine hears of an interface that is disabled", N.Removals == 1 && N.Right);
    OUTCOME(IoRegisterPlugPlayNotification, "interfaces of other classes are not told of", N.Others == 0);
    IoUnregisterPlugPlayNotification(entry);
    IoUnregisterPlugPlayNotification(other);
    IoSetDeviceInterfaceState(&N.Link, TRUE);
    IoSetDeviceInterfaceState(&N.Link, FALSE);
    Sleep(5);
    OUTCOME(IoUnregisterPlugPlayNotification, "the routine is not called any more", N.Arrivals == 2 && N.Removals == 1);
    RtlFreeUnicodeString(&N.Link);
    KtestDone();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID RunTest(HARDWARE *hw)
{
    HANDLE thread;
    if (NT_SUCCESS(PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Test, hw)))
        ZwClose(thread);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("pnpnotify");
    HardwareDriver(DriverObject);
    return STATUS_SUCCESS;
}
