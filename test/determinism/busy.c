/*
 * Keeps the processor busy most of the time: a system thread that sorts, hashes and does double-precision arithmetic for about 12 ms, sleeps until the next clock tick,
 * and begins again. Its results stay in memory, so that they are part of the machine's state.
 *
 * IOCTL 0x222000 returns a ULONG (rounds) and a double (the sum so far).
 */
#include <ntddk.h>

#define WORDS 4096
#define PASSES 5

typedef struct _BUSY_EXTENSION {
    KEVENT Stop;
    PETHREAD Thread;
    ULONG Rounds, Seed, Hash;
    double Sum;
    ULONG Words[WORDS];
} BUSY_EXTENSION, *PBUSY_EXTENSION;

/* gcc's mark of floating-point code, which the C library would define. */
int _fltused;

static ULONG BusyRandom(PBUSY_EXTENSION x)
{
    x->Seed ^= x->Seed << 13;
    x->Seed ^= x->Seed >> 17;
    x->Seed ^= x->Seed << 5;
    return x->Seed;
}

static VOID BusySort(ULONG *a, ULONG n)
{
    ULONG gap, i, j;
    for (gap = n / 2; gap; gap /= 2)
        for (i = gap; i < n; i++) {
            ULONG value = a[i];
            for (j = i; j >= gap && a[j - gap] > value; j -= gap)
                a[j] = a[j - gap];
            a[j] = value;
        }
}

static VOID BusyRound(PBUSY_EXTENSION x)
{
    ULONG i, pass;
    for (pass = 0; pass < PASSES; pass++) {
        for (i = 0; i < WORDS / 4; i++)
            x->Words[i] = BusyRandom(x);
        BusySort(x->Words, WORDS / 4);
        for (i = 0; i < WORDS / 4; i++) {
            double v = (double)x->Words[i] / 4294967296.0;
            x->Hash = x->Hash * 31 + x->Words[i] + (x->Hash >> 7) % 1009;
            x->Sum += (v * v - 0.5) / (1.0 + v) + (double)(LONG)x->Hash * 1e-12;
        }
    }
    x->Rounds++;
}

static VOID NTAPI BusyThread(PVOID Context)
{
    PBUSY_EXTENSION x = Context;
    LARGE_INTEGER oneMillisecond;
    oneMillisecond.QuadPart = -10000;
    do
        BusyRound(x);
    while (KeWaitForSingleObject(&x->Stop, Executive, KernelMode, FALSE, &oneMillisecond) == STATUS_TIMEOUT);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS NTAPI BusyDispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PBUSY_EXTENSION x = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    if (sp->MajorFunction == IRP_MJ_DEVICE_CONTROL) {
        if (sp->Parameters.DeviceIoControl.OutputBufferLength < 16) {
            status = STATUS_BUFFER_TOO_SMALL;
        } else {
            PUCHAR out = Irp->AssociatedIrp.SystemBuffer;
            *(PULONG)out = x->Rounds;
            *(PULONG)(out + 4) = x->Hash;
            *(double *)(out + 8) = x->Sum;
            Irp->IoStatus.Information = 16;
        }
    }
    Irp->IoStatus.Status = status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

static VOID NTAPI BusyUnload(PDRIVER_OBJECT DriverObject)
{
    PBUSY_EXTENSION x = DriverObject->DeviceObject->DeviceExtension;
    KeSetEvent(&x->Stop, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(x->Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(x->Thread);
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Busy");
    PDEVICE_OBJECT device;
    PBUSY_EXTENSION x;
    HANDLE thread;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    status = IoCreateDevice(DriverObject, sizeof(BUSY_EXTENSION), &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    x = device->DeviceExtension;
    x->Seed = 2463534242u;
    KeInitializeEvent(&x->Stop, NotificationEvent, FALSE);
    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, BusyThread, x);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    ObReferenceObjectByHandle(thread, THREAD_ALL_ACCESS, NULL, KernelMode, (PVOID *)&x->Thread, NULL);
    ZwClose(thread);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = BusyDispatch;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = BusyDispatch;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = BusyDispatch;
    DriverObject->DriverUnload = BusyUnload;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}
