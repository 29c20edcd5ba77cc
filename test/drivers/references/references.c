// ktest: cases=2
/* References of objects: the object goes with the last one. Without the verifier, which stops earlier (0xC4, 0x3F). */
#include <ntifs.h>
#include "../ktest.h"

static PVOID Find(PCWSTR Name)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, Name);
    return MmGetSystemRoutineAddress(&name);
}

typedef LONG_PTR(NTAPI *DEREFERENCE)(PVOID Object);

/* An event object of the driver's own: it goes with its last reference; a permanent one stays. */
static VOID References(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\KtestReferences");
    HANDLE handle, again;
    PVOID event, found;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &attributes, NotificationEvent, FALSE);
    ObReferenceObjectByHandle(handle, 0, *ExEventObjectType, KernelMode, &event, NULL);
    ZwClose(handle);
    /* The name went with the handle; the object is the driver's alone. */
    LONG_PTR count = ObReferenceObject(event);
    OUTCOME(ObReferenceObject, "counts a reference", count == 2);
    count = ObDereferenceObject(event);
    OUTCOME(ObDereferenceObject, "counts a reference back", count == 1);
    KeSetEvent(event, 0, FALSE);
    OUTCOME(ObReferenceObject, "the object stays as long as somebody has a reference", KeReadStateEvent(event) != 0);
    DEREFERENCE plain = (DEREFERENCE)Find(L"ObDereferenceObject");
    OUTCOME(ObDereferenceObject, "a temporary object goes with its last reference", plain && plain(event) == 0);

    attributes.Attributes = OBJ_KERNEL_HANDLE | OBJ_PERMANENT;
    ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &attributes, NotificationEvent, FALSE);
    ObReferenceObjectByHandle(handle, 0, *ExEventObjectType, KernelMode, &event, NULL);
    ZwClose(handle);
    ObDereferenceObject(event);
    NTSTATUS status = ZwOpenEvent(&again, EVENT_ALL_ACCESS, &attributes);
    found = NULL;
    ObReferenceObjectByHandle(again, 0, *ExEventObjectType, KernelMode, &found, NULL);
    OUTCOME(ObDereferenceObject, "a permanent object stays", status == STATUS_SUCCESS && found == event);
    ObDereferenceObject(found);
    ZwMakeTemporaryObject(again);
    ZwClose(again);
}

/* One reference more is given back than there were. */
static VOID TooMany(VOID)
{
    HANDLE handle;
    OBJECT_ATTRIBUTES none;
    PVOID event;
    InitializeObjectAttributes(&none, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &none, NotificationEvent, FALSE);
    ObReferenceObjectByHandle(handle, 0, *ExEventObjectType, KernelMode, &event, NULL);
    ObDereferenceObject(event);
    OUTCOME_BUGCHECK(ObDereferenceObject, "bug check 0x18 for a reference that the caller does not have", 0x18);
    ObDereferenceObject(event);
    ObDereferenceObject(event);
    ZwClose(handle);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("references");
    if (KtestCase == 1)
        TooMany();
    References();
    KtestDone();
    return STATUS_SUCCESS;
}
