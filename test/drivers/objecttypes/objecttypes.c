/* The object types that the kernel exports: what ObReferenceObjectByHandle compares a handle's object with. */
#include <ntifs.h>
#include "../ktest.h"
#include "../io.h"
#include "../kthread.h"

extern __declspec(dllimport) POBJECT_TYPE *IoDriverObjectType, *IoDeviceObjectType, *ExMutantObjectType, *ExTimerObjectType, *MmSectionObjectType;
#define TIMER_ALL_ACCESS 0x1f0003
#define MUTANT_ALL_ACCESS 0x1f0001
NTSYSAPI NTSTATUS NTAPI ZwCreateSemaphore(PHANDLE SemaphoreHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, LONG InitialCount, LONG MaximumCount);
NTSYSAPI NTSTATUS NTAPI ZwCreateMutant(PHANDLE MutantHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, BOOLEAN InitialOwner);
NTKERNELAPI NTSTATUS NTAPI ObReferenceObjectByName(PUNICODE_STRING ObjectName, ULONG Attributes, PACCESS_STATE AccessState, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType, KPROCESSOR_MODE AccessMode,
                                                   PVOID ParseContext, PVOID *Object);
NTKERNELAPI POBJECT_TYPE NTAPI ObGetObjectType(PVOID Object);

static HANDLE Stranger; /* a handle of another type */

/* A handle is of the type and of no other; gives the object back. */
static BOOLEAN Takes(HANDLE Handle, POBJECT_TYPE Type)
{
    PVOID object = NULL;
    BOOLEAN same;
    if (!NT_SUCCESS(ObReferenceObjectByHandle(Handle, 0, Type, KernelMode, &object, NULL)))
        return FALSE;
    same = ObGetObjectType(object) == Type;
    ObDereferenceObject(object);
    return same;
}

static BOOLEAN Refuses(HANDLE Handle, POBJECT_TYPE Type)
{
    PVOID object = (PVOID)1;
    return ObReferenceObjectByHandle(Handle, 0, Type, KernelMode, &object, NULL) == STATUS_OBJECT_TYPE_MISMATCH && object == NULL;
}

#define TYPE(variable, handle)                                                                     \
    OUTCOME(variable, "a handle to such an object is taken", Takes(handle, *variable));            \
    OUTCOME(variable, "a handle to another object: STATUS_OBJECT_TYPE_MISMATCH", Refuses(Stranger, *variable))

static VOID NTAPI Nothing(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
}

/* A handle to an object by its name, by way of a reference. */
static HANDLE Named(PCWSTR Name, POBJECT_TYPE Type)
{
    UNICODE_STRING name;
    PVOID object;
    HANDLE handle = NULL;
    RtlInitUnicodeString(&name, Name);
    if (!NT_SUCCESS(ObReferenceObjectByName(&name, OBJ_CASE_INSENSITIVE, NULL, 0, Type, KernelMode, NULL, &object)))
        return NULL;
    ObOpenObjectByPointer(object, OBJ_KERNEL_HANDLE, NULL, 0, Type, KernelMode, &handle);
    ObDereferenceObject(object);
    return handle;
}

NTKERNELAPI NTSTATUS NTAPI ObOpenObjectByName(POBJECT_ATTRIBUTES ObjectAttributes, POBJECT_TYPE ObjectType, KPROCESSOR_MODE AccessMode, PACCESS_STATE AccessState, ACCESS_MASK DesiredAccess, PVOID ParseContext,
                                              PHANDLE Handle);

/* Handles by name: of what the object manager can open by itself. */
static VOID ByName(POBJECT_ATTRIBUTES Device)
{
    OBJECT_ATTRIBUTES named, nobody;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\KtestByName"), missing = RTL_CONSTANT_STRING(L"\\KtestNobody");
    HANDLE event, handle;
    InitializeObjectAttributes(&named, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    InitializeObjectAttributes(&nobody, &missing, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    ZwCreateEvent(&event, EVENT_ALL_ACCESS, &named, NotificationEvent, FALSE);
    NTSTATUS status = ObOpenObjectByName(&named, NULL, KernelMode, NULL, EVENT_ALL_ACCESS, NULL, &handle);
    OUTCOME(ObOpenObjectByName, "whatever the type, when none is given", status == STATUS_SUCCESS && Takes(handle, *ExEventObjectType));
    ZwClose(handle);
    OUTCOME(ObOpenObjectByName, "another type: STATUS_OBJECT_TYPE_MISMATCH", ObOpenObjectByName(&named, *ExSemaphoreObjectType, KernelMode, NULL, 0, NULL, &handle) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ObOpenObjectByName, "a name that there is not: STATUS_OBJECT_NAME_NOT_FOUND", ObOpenObjectByName(&nobody, NULL, KernelMode, NULL, 0, NULL, &handle) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ObOpenObjectByName, "a device without the I/O manager's parse context: STATUS_OBJECT_TYPE_MISMATCH", ObOpenObjectByName(Device, NULL, KernelMode, NULL, 0, NULL, &handle) == STATUS_OBJECT_TYPE_MISMATCH);
    ZwClose(event);
}

static NTSTATUS NTAPI Open(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING device = RTL_CONSTANT_STRING(L"\\Device\\ObjectTypes"), registry = RTL_CONSTANT_STRING(L"\\Registry\\Machine");
    OBJECT_ATTRIBUTES none, file, key;
    IO_STATUS_BLOCK iosb;
    HANDLE handle;
    LARGE_INTEGER size = {.QuadPart = 0x1000};
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = DriverObject->MajorFunction[IRP_MJ_CLEANUP] = Open;
    KtestBegin("objecttypes");
    NewDevice(DriverObject, L"\\Device\\ObjectTypes", 0)->Flags &= ~DO_DEVICE_INITIALIZING;
    InitializeObjectAttributes(&none, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    InitializeObjectAttributes(&file, &device, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    InitializeObjectAttributes(&key, &registry, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    ZwCreateSemaphore(&Stranger, SEMAPHORE_ALL_ACCESS, &none, 0, 1);

    ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &none, NotificationEvent, FALSE);
    TYPE(ExEventObjectType, handle);
    HANDLE event = handle;
    ZwCreateFile(&handle, GENERIC_READ | SYNCHRONIZE, &file, &iosb, NULL, 0, FILE_SHARE_READ, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    TYPE(IoFileObjectType, handle);
    ZwClose(handle);
    ObOpenObjectByPointer(DriverObject->DeviceObject, OBJ_KERNEL_HANDLE, NULL, 0, *IoDeviceObjectType, KernelMode, &handle);
    TYPE(IoDeviceObjectType, handle);
    ZwClose(handle);
    handle = Named(L"\\Driver\\objecttypes", *IoDriverObjectType);
    TYPE(IoDriverObjectType, handle);
    ZwClose(handle);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &none, NULL, NULL, Nothing, NULL);
    TYPE(PsThreadType, handle);
    ZwWaitForSingleObject(handle, FALSE, NULL);
    ZwClose(handle);
    ObOpenObjectByPointer(PsGetCurrentProcess(), OBJ_KERNEL_HANDLE, NULL, 0, *PsProcessType, KernelMode, &handle);
    TYPE(PsProcessType, handle);
    ZwClose(handle);
    ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_QUERY, OBJ_KERNEL_HANDLE, &handle);
    TYPE(SeTokenObjectType, handle);
    ZwClose(handle);
    ZwCreateSection(&handle, SECTION_ALL_ACCESS, &none, &size, PAGE_READWRITE, SEC_COMMIT, NULL);
    TYPE(MmSectionObjectType, handle);
    ZwClose(handle);
    ZwOpenKey(&handle, KEY_READ, &key);
    TYPE(CmKeyObjectType, handle);
    ZwClose(handle);
    ZwCreateTimer(&handle, TIMER_ALL_ACCESS, &none, NotificationTimer);
    TYPE(ExTimerObjectType, handle);
    ZwClose(handle);
    ZwCreateMutant(&handle, MUTANT_ALL_ACCESS, &none, FALSE);
    TYPE(ExMutantObjectType, handle);
    ZwClose(handle);
    handle = Stranger;
    Stranger = event;
    TYPE(ExSemaphoreObjectType, handle);
    ZwClose(handle);
    ZwClose(event);
    ByName(&file);
    KtestDone();
    return STATUS_SUCCESS;
}
