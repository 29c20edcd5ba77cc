/* The smallest driver: it says hello, and lets itself be unloaded. */
#include <ntddk.h>

static VOID NTAPI HelloUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    DbgPrint("hello: goodbye\n");
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    DriverObject->DriverUnload = HelloUnload;
    DbgPrint("hello: loaded at %p, registry path %wZ\n", DriverObject->DriverStart, RegistryPath);
    return STATUS_SUCCESS;
}
