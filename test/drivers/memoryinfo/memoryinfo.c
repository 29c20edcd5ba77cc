/* Variables of the memory manager, and whether drivers are verified. */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI ULONG NTAPI MmIsDriverVerifying(PDRIVER_OBJECT DriverObject);
NTKERNELAPI LOGICAL NTAPI MmIsDriverVerifyingByAddress(PVOID AddressWithinSection);

/* Variables that ntoskrnl exports: the address of the export is that of the variable. */
static PVOID Variable(PCWSTR Name)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, Name);
    return MmGetSystemRoutineAddress(&name);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ULONG_PTR *range = Variable(L"MmSystemRangeStart"), *highest = Variable(L"MmHighestUserAddress"), *probe = Variable(L"MmUserProbeAddress");
    POBJECT_TYPE *type = Variable(L"MmSectionObjectType");
    HANDLE section = NULL;
    PVOID object = NULL;
    LARGE_INTEGER size;
    OBJECT_ATTRIBUTES oa;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("memoryinfo");
    OUTCOME(MmSystemRangeStart, "the start of the kernel's addresses", range && *range == 0xFFFF800000000000ULL);
    OUTCOME(MmHighestUserAddress, "the last address of user mode", highest && *highest == 0x7FFFFFFEFFFFULL);
    OUTCOME(MmUserProbeAddress, "the first address that a user buffer may not reach", probe && *probe == 0x7FFFFFFF0000ULL);
    OUTCOME(MmUserProbeAddress, "lies behind the last address of user mode", probe && highest && *probe > *highest);
    InitializeObjectAttributes(&oa, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    size.QuadPart = PAGE_SIZE;
    CHECK(ZwCreateSection(&section, SECTION_ALL_ACCESS, &oa, &size, PAGE_READWRITE, SEC_COMMIT, NULL) == STATUS_SUCCESS);
    OUTCOME(MmSectionObjectType, "the type of section objects", type && ObReferenceObjectByHandle(section, 0, *type, KernelMode, &object, NULL) == STATUS_SUCCESS);
    if (object)
        ObDereferenceObject(object);
    OUTCOME(MmSectionObjectType, "no other object has it", type && ObReferenceObjectByPointer(DriverObject, 0, *type, KernelMode) == STATUS_OBJECT_TYPE_MISMATCH);
    ZwClose(section);
    OUTCOME(MmIsDriverVerifying, "nonzero while the driver is verified", MmIsDriverVerifying(DriverObject) != 0);
    OUTCOME(MmIsDriverVerifyingByAddress, "TRUE for an address in a driver that is verified", MmIsDriverVerifyingByAddress((PVOID)DriverEntry));
    KtestDone();
    return STATUS_SUCCESS;
}
