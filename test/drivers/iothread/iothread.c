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

/* A request that is pending in a device until somebody cancels it. */
NTKERNELAPI VOID NTAPI AnswerFor(PIRP Irp) __asm__("IoQueueThreadIrp");
static PDEVICE_OBJECT Lower;
static volatile LONG Cancels;
static IO_STATUS_BLOCK Iosb;
static BOOLEAN Listed;

static VOID NTAPI Cancel(PDEVICE_OBJECT device, PIRP irp)
{
    IoReleaseCancelSpinLock(irp->CancelIrql);
    InterlockedIncrement(&Cancels);
    irp->IoStatus.Status = STATUS_CANCELLED;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static NTSTATUS NTAPI Read(PDEVICE_OBJECT device, PIRP irp)
{
    IoMarkIrpPending(irp);
    IoSetCancelRoutine(irp, Cancel);
    return STATUS_PENDING;
}

/* An asynchronous request belongs to no thread. Once the thread answers for it, the thread's end cancels it and waits for it; and its completion frees it. */
static VOID NTAPI Answering(PVOID context)
{
    LARGE_INTEGER offset = {{0, 0}};
    PIRP irp = IoBuildAsynchronousFsdRequest(IRP_MJ_READ, Lower, NULL, 0, &offset, &Iosb);
    if (!irp) return;
    InitializeListHead(&irp->ThreadListEntry);
    AnswerFor(irp);
    Listed = !IsListEmpty(&irp->ThreadListEntry) && irp->Tail.Overlay.Thread == PsGetCurrentThread();
    CHECK(IoCallDriver(Lower, irp) == STATUS_PENDING);
}

static VOID Ending(PDRIVER_OBJECT driver)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID thread;
    Lower = Device(driver);
    Lower->Flags &= ~DO_DEVICE_INITIALIZING;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, Answering, NULL)));
    ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL);
    ZwClose(handle);
    NTSTATUS status = KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    OUTCOME(IoQueueThreadIrp, "the IRP is in the list of the current thread", Listed);
    OUTCOME(IoQueueThreadIrp, "the end of the thread cancels the IRP and waits until it is completed", status == STATUS_SUCCESS && Cancels == 1 && Iosb.Status == STATUS_CANCELLED);
    IoDeleteDevice(Lower);
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
    DriverObject->MajorFunction[IRP_MJ_READ] = Read;
    Ending(DriverObject);
    KtestDone();
    return STATUS_SUCCESS;
}
