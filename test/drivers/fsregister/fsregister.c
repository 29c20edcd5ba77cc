/* File systems register their control device; filters hear of it. The driver is both. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

typedef VOID(NTAPI *NOTIFICATION)(PDEVICE_OBJECT DeviceObject, BOOLEAN FsActive);
NTKERNELAPI VOID NTAPI IoRegisterFileSystem(PDEVICE_OBJECT DeviceObject);
NTKERNELAPI VOID NTAPI IoUnregisterFileSystem(PDEVICE_OBJECT DeviceObject);
NTKERNELAPI NTSTATUS NTAPI IoRegisterFsRegistrationChange(PDRIVER_OBJECT DriverObject, NOTIFICATION Routine);
NTKERNELAPI NTSTATUS NTAPI IoRegisterFsRegistrationChangeMountLatency(PDRIVER_OBJECT DriverObject, NOTIFICATION Routine);
NTKERNELAPI VOID NTAPI IoUnregisterFsRegistrationChange(PDRIVER_OBJECT DriverObject, NOTIFICATION Routine);
NTKERNELAPI NTSTATUS NTAPI IoEnumerateRegisteredFiltersList(PDRIVER_OBJECT *List, ULONG Size, PULONG Actual);
NTKERNELAPI VOID NTAPI IoAcquireVpbSpinLock(PKIRQL Irql);
NTKERNELAPI VOID NTAPI IoReleaseVpbSpinLock(KIRQL Irql);
NTKERNELAPI NTSTATUS NTAPI IoCheckEaBufferValidity(PVOID EaBuffer, ULONG EaLength, PULONG ErrorOffset);

static ULONG Told, ToldOther;
static PDEVICE_OBJECT ToldDevice;
static BOOLEAN ToldActive;

static VOID NTAPI Notified(PDEVICE_OBJECT DeviceObject, BOOLEAN FsActive)
{
    Told++;
    ToldDevice = DeviceObject;
    ToldActive = FsActive;
}

static VOID NTAPI NotifiedOther(PDEVICE_OBJECT DeviceObject, BOOLEAN FsActive)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(FsActive);
    ToldOther++;
}

static VOID Attributes(VOID)
{
    struct
    {
        ULONG Next;
        UCHAR Flags, NameLength;
        USHORT ValueLength;
        CHAR Name[4];
        CHAR Value[4];
    } list[2] = {{16, 0, 3, 4, "abc", "1234"}, {0, 0, 3, 4, "xyz", "5678"}};
    ULONG offset = 99;
    OUTCOME(IoCheckEaBufferValidity, "STATUS_SUCCESS for a well-formed list", IoCheckEaBufferValidity(list, sizeof list, &offset) == STATUS_SUCCESS);
    OUTCOME(IoCheckEaBufferValidity, "STATUS_EA_LIST_INCONSISTENT and the offset for an entry that does not fit in the buffer", IoCheckEaBufferValidity(list, sizeof list - 4, &offset) == STATUS_EA_LIST_INCONSISTENT && offset == 16);
    list[1].Name[3] = 'q';
    OUTCOME(IoCheckEaBufferValidity, "STATUS_EA_LIST_INCONSISTENT for a name without its zero", IoCheckEaBufferValidity(list, sizeof list, &offset) == STATUS_EA_LIST_INCONSISTENT && offset == 16);
    list[1].Name[3] = 0;
    list[0].Next = 18;
    OUTCOME(IoCheckEaBufferValidity, "STATUS_EA_LIST_INCONSISTENT for a next entry that is not aligned", IoCheckEaBufferValidity(list, sizeof list, &offset) == STATUS_EA_LIST_INCONSISTENT && offset == 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT device;
    PDRIVER_OBJECT list[2];
    KIRQL irql = 9;
    ULONG actual = 0;
    LONG references;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("fsregister");
    IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_DISK_FILE_SYSTEM, 0, FALSE, &device);
    IoRegisterFileSystem(device);
    OUTCOME(IoRegisterFileSystem, "clears DO_DEVICE_INITIALIZING and holds the device", !(device->Flags & DO_DEVICE_INITIALIZING) && device->ReferenceCount == 1);
    references = (LONG)ObReferenceObject(DriverObject);
    OUTCOME(IoRegisterFsRegistrationChange, "STATUS_SUCCESS", IoRegisterFsRegistrationChange(DriverObject, Notified) == STATUS_SUCCESS);
    OUTCOME(IoRegisterFsRegistrationChange, "the routine is told at once of the file systems that are registered", Told == 1 && ToldDevice == device && ToldActive);
    OUTCOME(IoRegisterFsRegistrationChange, "takes a reference of the driver object", (LONG)ObReferenceObject(DriverObject) == references + 2);
    ObDereferenceObject(DriverObject);
    OUTCOME(IoRegisterFsRegistrationChange, "STATUS_DEVICE_ALREADY_ATTACHED for the same registration twice in a row", IoRegisterFsRegistrationChange(DriverObject, Notified) == STATUS_DEVICE_ALREADY_ATTACHED);
    OUTCOME(IoRegisterFsRegistrationChangeMountLatency, "STATUS_SUCCESS", IoRegisterFsRegistrationChangeMountLatency(DriverObject, NotifiedOther) == STATUS_SUCCESS);
    OUTCOME(IoEnumerateRegisteredFiltersList, "STATUS_BUFFER_TOO_SMALL and the number when there is no room", IoEnumerateRegisteredFiltersList(NULL, 0, &actual) == STATUS_BUFFER_TOO_SMALL && actual == 2);
    OUTCOME(IoEnumerateRegisteredFiltersList, "STATUS_SUCCESS with the driver objects, each with a reference", IoEnumerateRegisteredFiltersList(list, sizeof list, &actual) == STATUS_SUCCESS && list[0] == DriverObject);
    ObDereferenceObject(list[0]);
    ObDereferenceObject(list[1]);
    IoUnregisterFileSystem(device);
    OUTCOME(IoUnregisterFileSystem, "tells the routines that asked for it", Told == 2 && !ToldActive && ToldDevice == device);
    OUTCOME(IoUnregisterFileSystem, "lets go of the device", device->ReferenceCount == 0);
    IoRegisterFileSystem(device);
    OUTCOME(IoRegisterFileSystem, "tells the routines that asked for it", Told == 3 && ToldActive && ToldOther == 3);
    IoUnregisterFileSystem(device);
    IoUnregisterFsRegistrationChange(DriverObject, NotifiedOther);
    IoUnregisterFsRegistrationChange(DriverObject, Notified);
    IoRegisterFileSystem(device);
    OUTCOME(IoUnregisterFsRegistrationChange, "the routine is not called any more", Told == 4 && ToldOther == 4);
    IoUnregisterFileSystem(device);
    OUTCOME(IoUnregisterFsRegistrationChange, "gives back the reference of the driver object", (LONG)ObReferenceObject(DriverObject) == references + 1);
    ObDereferenceObject(DriverObject);
    ObDereferenceObject(DriverObject);
    IoAcquireVpbSpinLock(&irql);
    OUTCOME(IoAcquireVpbSpinLock, "raises the IRQL to DISPATCH_LEVEL and returns the one before", KeGetCurrentIrql() == DISPATCH_LEVEL && irql == PASSIVE_LEVEL);
    IoReleaseVpbSpinLock(irql);
    OUTCOME(IoReleaseVpbSpinLock, "restores the IRQL that is given", KeGetCurrentIrql() == PASSIVE_LEVEL);
    Attributes();
    KtestDone();
    return STATUS_SUCCESS;
}
