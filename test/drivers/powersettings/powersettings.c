/*
 * Registrations with the power manager: what keeps the system awake, who woke it, and what it is set to.
 */
#include <ntddk.h>
#include "../ktest.h"

static const GUID Source = {0x5d3e9a59, 0xe9d5, 0x4b00, {0xa6, 0xbd, 0xff, 0x34, 0xff, 0x51, 0x65, 0x48}};
static const GUID Scheme = {0x245d8541, 0x3943, 0x4422, {0xb0, 0x25, 0x13, 0xa7, 0x84, 0xf6, 0x79, 0xb7}};
static const GUID Balanced = {0x381b4222, 0xf694, 0x41f0, {0x96, 0x85, 0xff, 0x5b, 0xb2, 0x60, 0xdf, 0x2e}};

static struct
{
    ULONG Calls, Length;
    GUID Setting;
    UCHAR Value[16];
    PVOID Context;
    KIRQL Irql;
} C;

static NTSTATUS NTAPI Changed(LPCGUID SettingGuid, PVOID Value, ULONG ValueLength, PVOID Context)
{
    C.Calls++;
    C.Setting = *SettingGuid;
    C.Length = ValueLength;
    C.Context = Context;
    C.Irql = KeGetCurrentIrql();
    RtlCopyMemory(C.Value, Value, ValueLength);
    return STATUS_SUCCESS;
}

static VOID Settings(VOID)
{
    PVOID source = NULL, scheme = NULL;
    NTSTATUS status = PoRegisterPowerSettingCallback(NULL, &Source, Changed, &C, &source);
    OUTCOME(PoRegisterPowerSettingCallback, "STATUS_SUCCESS and a handle", status == STATUS_SUCCESS && source);
    OUTCOME(PoRegisterPowerSettingCallback, "the routine is called at once with the setting's value, at PASSIVE_LEVEL", C.Calls == 1 && RtlCompareMemory(&C.Setting, &Source, sizeof(GUID)) == sizeof(GUID) && C.Length == sizeof(ULONG) && *(ULONG *)C.Value == PoAc && C.Context == &C && C.Irql == PASSIVE_LEVEL);
    PoRegisterPowerSettingCallback(NULL, &Scheme, Changed, &C, &scheme);
    OUTCOME(PoRegisterPowerSettingCallback, "a setting whose value is a GUID", C.Calls == 2 && C.Length == sizeof(GUID) && RtlCompareMemory(C.Value, &Balanced, sizeof(GUID)) == sizeof(GUID));
    OUTCOME(PoUnregisterPowerSettingCallback, "STATUS_SUCCESS", PoUnregisterPowerSettingCallback(source) == STATUS_SUCCESS && PoUnregisterPowerSettingCallback(scheme) == STATUS_SUCCESS);
    OUTCOME(PoUnregisterPowerSettingCallback, "STATUS_INVALID_PARAMETER for a handle that is not valid", PoUnregisterPowerSettingCallback(&C) == STATUS_INVALID_PARAMETER);
}

static VOID States(VOID)
{
    PVOID handle = PoRegisterSystemState(NULL, ES_SYSTEM_REQUIRED | ES_CONTINUOUS), other = PoRegisterSystemState(NULL, ES_USER_PRESENT);
    OUTCOME(PoRegisterSystemState, "a handle of its own for each new registration", handle && other && handle != other);
    OUTCOME(PoRegisterSystemState, "with a handle: the registration is changed, the handle is the same", PoRegisterSystemState(handle, ES_DISPLAY_REQUIRED | ES_CONTINUOUS) == handle);
    PoUnregisterSystemState(handle);
    OUTCOME(PoUnregisterSystemState, "the registration is gone and its handle with it", PoRegisterSystemState(handle, ES_SYSTEM_REQUIRED) == NULL);
    PoUnregisterSystemState(other);
}

static VOID Wake(VOID)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    OUTCOME(PoGetSystemWake, "FALSE for a request that has not woken the system", !PoGetSystemWake(irp));
    PoSetSystemWake(irp);
    OUTCOME(PoGetSystemWake, "TRUE for a request that was marked", PoGetSystemWake(irp));
    OUTCOME(PoSetSystemWake, "the request is marked", PoGetSystemWake(irp));
    IoFreeIrp(irp);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("powersettings");
    DriverObject->DriverUnload = Unload;
    Settings();
    States();
    Wake();
    KtestDone();
    return STATUS_SUCCESS;
}
