/* What the I/O drivers of this folder share. */
#ifndef KTEST_IO_H
#define KTEST_IO_H

/* Clears DO_DEVICE_INITIALIZING, so that the device can be opened while DriverEntry still runs. */
static __attribute__((unused)) PDEVICE_OBJECT NewDevice(PDRIVER_OBJECT DriverObject, PCWSTR Name, ULONG Flags)
{
    UNICODE_STRING name;
    PDEVICE_OBJECT device = NULL;
    RtlInitUnicodeString(&name, Name);
    if (!NT_SUCCESS(IoCreateDevice(DriverObject, 64, Name ? &name : NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return NULL;
    device->Flags |= Flags;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return device;
}

static __attribute__((unused)) NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static __attribute__((unused)) VOID Sleep(LONG Milliseconds)
{
    LARGE_INTEGER time;
    time.QuadPart = -10000LL * Milliseconds;
    KeDelayExecutionThread(KernelMode, FALSE, &time);
}

/* The lowest 4 bytes of what a wait for the event says; waits at most a second. */
static __attribute__((unused)) NTSTATUS WaitFor(PVOID Object)
{
    LARGE_INTEGER time;
    time.QuadPart = -10000000LL;
    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, &time);
}

#endif
