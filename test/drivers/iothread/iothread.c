/* Threads of a device: the device object stays for as long as such a thread, and its routine just returns. */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI NTSTATUS NTAPI IoCreateSystemThread(PVOID IoObject, PHANDLE ThreadHandle, ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes, HANDLE ProcessHandle, PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine, PVOID StartContext);

static KEVENT Go;
static PVOID Seen;
static PEPROCESS Where;

static VOID NTAPI Routine(PVOID context)
{
    KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL);
    Seen = context;
    Where = PsGetCurrentProcess();
}

/* Starts one, lets it run to its end, and waits for that. */
static NTSTATUS RunOne(PVOID object, HANDLE process, PVOID context)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID thread;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    NTSTATUS status = IoCreateSystemThread(object, &handle, THREAD_ALL_ACCESS, &attributes, process, NULL, Routine, context);
    if (!NT_SUCCESS(status)) return status;
    ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL);
    ZwClose(handle);
    if (object)
    {
        /* The device is deleted while its thread waits: the object must stay. */
        IoDeleteDevice(object);
        CHECK(((PDEVICE_OBJECT)object)->Type == 3 /* IO_TYPE_DEVICE */);
    }
    KeSetEvent(&Go, 0, FALSE);
    status = KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    return status;
}

static PDEVICE_OBJECT Device(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = NULL;
    IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    return device;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) {}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static int context;
    DriverObject->DriverUnload = Unload;
    KtestBegin("iothread");

    PDEVICE_OBJECT device = Device(DriverObject);
    OUTCOME(IoCreateSystemThread, "the routine runs with its context; the thread ends when it returns", RunOne(device, NULL, &context) == STATUS_SUCCESS && Seen == &context);
    OUTCOME(IoCreateSystemThread, "without a process it runs in the system process", Where == PsInitialSystemProcess);
    OUTCOME(IoCreateSystemThread, "holds the object until the thread has ended", DriverObject->DeviceObject == NULL);

    device = Device(DriverObject);
    OUTCOME(IoCreateSystemThread, "runs in the process that a handle names", RunOne(device, ZwCurrentProcess(), &context) == STATUS_SUCCESS && Where == PsGetCurrentProcess());

    HANDLE thread;
    device = Device(DriverObject);
    OUTCOME(IoCreateSystemThread, "STATUS_INVALID_HANDLE for a process handle that is none", IoCreateSystemThread(device, &thread, 0, NULL, (HANDLE)0x7ffc, NULL, Routine, NULL) == STATUS_INVALID_HANDLE);
    IoDeleteDevice(device);
    KtestDone();
    return STATUS_SUCCESS;
}
