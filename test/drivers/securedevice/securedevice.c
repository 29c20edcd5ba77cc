/*
 * Devices whose access list is written down as a string (IoCreateDeviceSecure of wdmsec.lib): from their first moment on only those may open them whom it names. run.ts opens them as a program of an
 * administrator's.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../io.h"

NTSTATUS NTAPI CreateSecure(PDRIVER_OBJECT Driver, ULONG ExtensionSize, PUNICODE_STRING Name, DEVICE_TYPE Type, ULONG Characteristics, BOOLEAN Exclusive, PCUNICODE_STRING Sddl, LPCGUID Class, PDEVICE_OBJECT *Device) __asm__("WdmlibIoCreateDeviceSecure");

static NTSTATUS Create(PDRIVER_OBJECT Driver, PCWSTR Name, PCWSTR Sddl, PDEVICE_OBJECT *Device)
{
    UNICODE_STRING name, sddl;
    RtlInitUnicodeString(&name, Name);
    RtlInitUnicodeString(&sddl, Sddl);
    NTSTATUS status = CreateSecure(Driver, 16, Name ? &name : NULL, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &sddl, NULL, Device);
    if (NT_SUCCESS(status)) (*Device)->Flags &= ~DO_DEVICE_INITIALIZING;
    return status;
}

/* Whether the device's list has exactly these two entries. */
static BOOLEAN Has(PDEVICE_OBJECT Device, PSID First, ACCESS_MASK FirstMask, PSID Second, ACCESS_MASK SecondMask)
{
    PSECURITY_DESCRIPTOR descriptor;
    BOOLEAN allocated, present, defaulted, good = FALSE;
    PACL list;
    if (!NT_SUCCESS(ObGetObjectSecurity(Device, &descriptor, &allocated))) return FALSE;
    if (NT_SUCCESS(RtlGetDaclSecurityDescriptor(descriptor, &present, &list, &defaulted)) && present && list->AceCount == 2)
    {
        PACCESS_ALLOWED_ACE a = (PACCESS_ALLOWED_ACE)(list + 1), b = (PACCESS_ALLOWED_ACE)((PUCHAR)a + a->Header.AceSize);
        good = a->Mask == FirstMask && RtlEqualSid(&a->SidStart, First) && b->Mask == SecondMask && RtlEqualSid(&b->SidStart, Second);
    }
    ObReleaseObjectSecurity(descriptor, allocated);
    return good;
}

static NTSTATUS NTAPI Okay(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject) IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT system = NULL, admins = NULL, none = NULL;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = DriverObject->MajorFunction[IRP_MJ_CLEANUP] = Okay;
    KtestBegin("securedevice");
    NTSTATUS status = Create(DriverObject, L"\\Device\\KtestSystemAlone", L"D:P(A;;GA;;;SY)", &system);
    OUTCOME(WdmlibIoCreateDeviceSecure, "STATUS_SUCCESS and a device", status == STATUS_SUCCESS && system && system->DriverObject == DriverObject && system->DeviceExtension);
    status = Create(DriverObject, L"\\Device\\KtestAdminsToo", L"D:P(A;;GA;;;SY)(A;;GRGW;;;BA)", &admins);
    OUTCOME(WdmlibIoCreateDeviceSecure, "the device's list is that of the string", status == STATUS_SUCCESS && Has(admins, SeExports->SeLocalSystemSid, GENERIC_ALL, SeExports->SeAliasAdminsSid, GENERIC_READ | GENERIC_WRITE));
    OUTCOME(WdmlibIoCreateDeviceSecure, "STATUS_INVALID_PARAMETER for a string that is no such list", Create(DriverObject, L"\\Device\\KtestNobody", L"D:P(A;;XX;;;SY)", &none) == STATUS_INVALID_PARAMETER && Create(DriverObject, L"\\Device\\KtestNobody", L"(A;;GA;;;SY)", &none) == STATUS_INVALID_PARAMETER && none == NULL);
    OUTCOME(WdmlibIoCreateDeviceSecure, "STATUS_INVALID_PARAMETER without a name, unless one is to be made up", Create(DriverObject, NULL, L"D:P(A;;GA;;;SY)", &none) == STATUS_INVALID_PARAMETER && none == NULL);
    OUTCOME(WdmlibIoCreateDeviceSecure, "STATUS_OBJECT_NAME_COLLISION for a name that is taken", Create(DriverObject, L"\\Device\\KtestAdminsToo", L"D:P(A;;GA;;;SY)", &none) == STATUS_OBJECT_NAME_COLLISION && none == NULL);
    KtestDone();
    return STATUS_SUCCESS;
}
