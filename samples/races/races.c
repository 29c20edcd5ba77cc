/*
 * One counter, a thread on every processor that adds to it: without a lock additions get lost.
 *
 *   IOCTL  0x222000 (buffered)  adds without a lock
 *          0x222004 (buffered)  adds under a spin lock
 *          0x222008 (buffered)  adds with InterlockedIncrement
 *
 * Input: how often each thread adds (ULONG, 1000 without). Output: three ULONGs: the counter, what it should be, the number of threads.
 *
 * What to look at: the loop of RacesAdd reads, adds and writes. A processor that is between its read and its write when another one has a turn writes an old value over the new one.
 * With --cpus 4, each --schedule-seed gives another result, and the same one every time.
 */
#include <ntddk.h>

#define IOCTL_RACES_UNLOCKED    CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_RACES_LOCKED      CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_RACES_INTERLOCKED CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS)

#define MAXIMUM_THREADS 32
#define DEFAULT_TIMES 1000

typedef struct _RACES_RESULT {
    ULONG Counter;
    ULONG Expected;
    ULONG Threads;
} RACES_RESULT, *PRACES_RESULT;

/* One run: on the stack of the thread that asked for it, which waits until all others have ended. */
typedef struct _RACES_RUN {
    ULONG Code;
    ULONG Times;
    LONG Threads;
    volatile LONG Arrived;
    volatile LONG Counter;
    KSPIN_LOCK Lock;
} RACES_RUN, *PRACES_RUN;

typedef struct _RACES_THREAD {
    PRACES_RUN Run;
    ULONG Processor;
    PVOID Object;
} RACES_THREAD, *PRACES_THREAD;

static VOID RacesAdd(PRACES_RUN Run)
{
    for (ULONG i = 0; i < Run->Times; i++) {
        LONG old = Run->Counter;
        Run->Counter = old + 1;
    }
}

static VOID RacesAddLocked(PRACES_RUN Run)
{
    for (ULONG i = 0; i < Run->Times; i++) {
        KIRQL irql;
        KeAcquireSpinLock(&Run->Lock, &irql);
        LONG old = Run->Counter;
        Run->Counter = old + 1;
        KeReleaseSpinLock(&Run->Lock, irql);
    }
}

static VOID RacesAddInterlocked(PRACES_RUN Run)
{
    for (ULONG i = 0; i < Run->Times; i++)
        InterlockedIncrement(&Run->Counter);
}

static VOID NTAPI RacesThread(PVOID Context)
{
    PRACES_THREAD thread = Context;
    PRACES_RUN run = thread->Run;

    KeSetSystemAffinityThread((KAFFINITY)1 << thread->Processor);
    /* Each on its own processor: they start together. */
    InterlockedIncrement(&run->Arrived);
    while (run->Arrived < run->Threads)
        YieldProcessor();

    if (run->Code == IOCTL_RACES_UNLOCKED)
        RacesAdd(run);
    else if (run->Code == IOCTL_RACES_LOCKED)
        RacesAddLocked(run);
    else
        RacesAddInterlocked(run);

    KeRevertToUserAffinityThread();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* Starts a thread for every processor and waits for all of them. */
static NTSTATUS RacesRun(PRACES_RUN Run)
{
    RACES_THREAD threads[MAXIMUM_THREADS];
    OBJECT_ATTRIBUTES attributes;
    KAFFINITY active = KeQueryActiveProcessors();
    NTSTATUS status = STATUS_SUCCESS;
    LONG count = 0;

    for (ULONG n = 0; n < MAXIMUM_THREADS; n++)
        if (active & ((KAFFINITY)1 << n))
            threads[count++].Processor = n;
    Run->Threads = count;

    /* A handle of the driver's own, not of the process whose request this is: nobody else can close it. */
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    LONG started = 0;
    for (; started < count; started++) {
        HANDLE handle;
        threads[started].Run = Run;
        status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, RacesThread, &threads[started]);
        if (!NT_SUCCESS(status))
            break;
        ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &threads[started].Object, NULL);
        ZwClose(handle);
    }
    /* Those that did start must not wait for the others. */
    InterlockedExchangeAdd(&Run->Arrived, count - started);
    for (LONG i = 0; i < started; i++) {
        KeWaitForSingleObject(threads[i].Object, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(threads[i].Object);
    }
    return status;
}

static NTSTATUS NTAPI RacesDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION s = IoGetCurrentIrpStackLocation(Irp);
    ULONG inLength = s->Parameters.DeviceIoControl.InputBufferLength;
    NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
    RACES_RUN run = { 0 };

    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Information = 0;
    run.Code = s->Parameters.DeviceIoControl.IoControlCode;
    run.Times = inLength >= sizeof(ULONG) ? *(PULONG)Irp->AssociatedIrp.SystemBuffer : DEFAULT_TIMES;
    KeInitializeSpinLock(&run.Lock);
    if (run.Code == IOCTL_RACES_UNLOCKED || run.Code == IOCTL_RACES_LOCKED || run.Code == IOCTL_RACES_INTERLOCKED) {
        status = STATUS_BUFFER_TOO_SMALL;
        if (s->Parameters.DeviceIoControl.OutputBufferLength >= sizeof(RACES_RESULT)) {
            status = RacesRun(&run);
            if (NT_SUCCESS(status)) {
                PRACES_RESULT result = Irp->AssociatedIrp.SystemBuffer;
                result->Counter = run.Counter;
                result->Expected = run.Times * run.Threads;
                result->Threads = run.Threads;
                Irp->IoStatus.Information = sizeof(RACES_RESULT);
            }
        }
    }
    Irp->IoStatus.Status = status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI RacesCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID NTAPI RacesUnload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Races");
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Races"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Races");
    PDEVICE_OBJECT device;
    NTSTATUS status = IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);

    UNREFERENCED_PARAMETER(RegistryPath);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    DriverObject->MajorFunction[IRP_MJ_CREATE] = RacesCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = RacesCreateClose;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = RacesDeviceControl;
    DriverObject->DriverUnload = RacesUnload;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    DbgPrint("races: %lu processors\n", (ULONG)__builtin_popcountll(KeQueryActiveProcessors()));
    return STATUS_SUCCESS;
}
