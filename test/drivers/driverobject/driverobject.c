/* What a driver makes at its start besides devices: context areas of its driver object, symbolic links, named events. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

static VOID Extensions(PDRIVER_OBJECT Driver)
{
    static int one, two;
    PUCHAR area = NULL, other = NULL;
    OUTCOME(IoAllocateDriverObjectExtension, "STATUS_SUCCESS and an area of the size asked for", IoAllocateDriverObjectExtension(Driver, &one, 40, (PVOID *)&area) == STATUS_SUCCESS && area);
    OUTCOME(IoAllocateDriverObjectExtension, "the area is filled with zeros", area[0] == 0 && area[39] == 0);
    OUTCOME(IoAllocateDriverObjectExtension, "STATUS_OBJECT_NAME_COLLISION for an identification that is in use", IoAllocateDriverObjectExtension(Driver, &one, 40, (PVOID *)&other) == STATUS_OBJECT_NAME_COLLISION && !other);
    OUTCOME(IoAllocateDriverObjectExtension, "STATUS_INSUFFICIENT_RESOURCES when there is no memory for it", IoAllocateDriverObjectExtension(Driver, &two, 0x70000000, (PVOID *)&other) == STATUS_INSUFFICIENT_RESOURCES);
    OUTCOME(IoGetDriverObjectExtension, "returns the area of an identification", IoGetDriverObjectExtension(Driver, &one) == area);
    OUTCOME(IoGetDriverObjectExtension, "returns NULL when there is none", IoGetDriverObjectExtension(Driver, &two) == NULL);
}

static NTSTATUS Open(PCWSTR Name)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    HANDLE handle;
    NTSTATUS status;
    RtlInitUnicodeString(&name, Name);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    status = ZwOpenFile(&handle, FILE_READ_DATA | SYNCHRONIZE, &attributes, &iosb, 0, FILE_SYNCHRONOUS_IO_NONALERT);
    if (NT_SUCCESS(status))
        ZwClose(handle);
    return status;
}

static VOID Links(PDRIVER_OBJECT Driver)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\KtestLink");
    UNICODE_STRING device = RTL_CONSTANT_STRING(L"\\Device\\KtestLinked");
    UNICODE_STRING nowhere = RTL_CONSTANT_STRING(L"\\NoSuchDirectory\\Link");
    UNICODE_STRING arc = RTL_CONSTANT_STRING(L"\\ArcName\\multi(0)ktest(0)");
    NewDevice(Driver, device.Buffer, 0);
    OUTCOME(IoCreateSymbolicLink, "STATUS_SUCCESS, and the device can be opened by the link", IoCreateSymbolicLink(&link, &device) == STATUS_SUCCESS && Open(L"\\??\\KtestLink") == STATUS_SUCCESS);
    OUTCOME(IoCreateSymbolicLink, "STATUS_OBJECT_NAME_COLLISION when the name is taken", IoCreateSymbolicLink(&link, &device) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(IoCreateSymbolicLink, "fails when the directory of the link is not there", IoCreateSymbolicLink(&nowhere, &device) == STATUS_OBJECT_PATH_NOT_FOUND);
    OUTCOME(IoDeleteSymbolicLink, "STATUS_SUCCESS, and the link is gone", IoDeleteSymbolicLink(&link) == STATUS_SUCCESS && Open(L"\\??\\KtestLink") == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(IoDeleteSymbolicLink, "fails for a link that is not there", IoDeleteSymbolicLink(&link) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(IoDeleteSymbolicLink, "STATUS_OBJECT_TYPE_MISMATCH for something that is no link", IoDeleteSymbolicLink(&device) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(IoCreateUnprotectedSymbolicLink, "STATUS_SUCCESS, and the device can be opened by the link", IoCreateUnprotectedSymbolicLink(&link, &device) == STATUS_SUCCESS && Open(L"\\??\\KtestLink") == STATUS_SUCCESS);
    OUTCOME(IoCreateUnprotectedSymbolicLink, "STATUS_OBJECT_NAME_COLLISION when the name is taken", IoCreateUnprotectedSymbolicLink(&link, &device) == STATUS_OBJECT_NAME_COLLISION);
    IoDeleteSymbolicLink(&link);
    OUTCOME(IoAssignArcName, "links an ARC name to a device", IoAssignArcName(&arc, &device) == STATUS_SUCCESS && Open(L"\\ArcName\\multi(0)ktest(0)") == STATUS_SUCCESS);
    IoDeassignArcName(&arc);
    OUTCOME(IoDeassignArcName, "removes the link", Open(L"\\ArcName\\multi(0)ktest(0)") == STATUS_OBJECT_NAME_NOT_FOUND);
}

static VOID Events(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\KtestNotification");
    UNICODE_STRING other = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\KtestSynchronization");
    UNICODE_STRING nowhere = RTL_CONSTANT_STRING(L"\\NoSuchDirectory\\Event");
    HANDLE handle, again;
    PKEVENT event = IoCreateNotificationEvent(&name, &handle);
    OUTCOME(IoCreateNotificationEvent, "makes a notification event that is signaled", event && event->Header.Type == NotificationEvent && KeReadStateEvent(event));
    KeClearEvent(event);
    OUTCOME(IoCreateNotificationEvent, "opens the event of that name when there is one", IoCreateNotificationEvent(&name, &again) == event && !KeReadStateEvent(event));
    OUTCOME(IoCreateNotificationEvent, "each call gives a handle of its own", handle != again && ZwClose(again) == STATUS_SUCCESS && ZwClose(handle) == STATUS_SUCCESS);
    OUTCOME(IoCreateNotificationEvent, "returns NULL when the event cannot be made", IoCreateNotificationEvent(&nowhere, &again) == NULL);
    event = IoCreateSynchronizationEvent(&other, &handle);
    OUTCOME(IoCreateSynchronizationEvent, "makes a synchronization event that is signaled", event && event->Header.Type == SynchronizationEvent && KeReadStateEvent(event));
    OUTCOME(IoCreateSynchronizationEvent, "opens the event of that name when there is one", IoCreateSynchronizationEvent(&other, &again) == event);
    ZwClose(again);
    OUTCOME(IoCreateSynchronizationEvent, "a wait resets it", WaitFor(event) == STATUS_SUCCESS && !KeReadStateEvent(event));
    ZwClose(handle);
    OUTCOME(IoCreateSynchronizationEvent, "returns NULL when the event cannot be made", IoCreateSynchronizationEvent(&nowhere, &again) == NULL);
}

static VOID Versions(VOID)
{
    OUTCOME(IoIsWdmVersionAvailable, "TRUE for the version of the system and older ones", IoIsWdmVersionAvailable(6, 0) && IoIsWdmVersionAvailable(1, 0x30) && IoIsWdmVersionAvailable(1, 5));
    OUTCOME(IoIsWdmVersionAvailable, "FALSE for a newer version", !IoIsWdmVersionAvailable(6, 1) && !IoIsWdmVersionAvailable(7, 0));
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

static NTSTATUS NTAPI Succeed(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Succeed;
    KtestBegin("driverobject");
    Extensions(DriverObject);
    Links(DriverObject);
    Events();
    Versions();
    KtestDone();
    return STATUS_SUCCESS;
}
