/* What the kernel's routines cost: each control code runs one thing as often as the input says. test/bench/kernel.ts measures from outside. */
#include <ntddk.h>

#define CODE(n) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (n), METHOD_BUFFERED, FILE_ANY_ACCESS)

NTKERNELAPI ULONG NTAPI PsGetCurrentProcessSessionId(VOID);

static PDEVICE_OBJECT Top, Stack[3];

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS NTAPI Keep(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* A stack of three devices: the upper two pass on, the lowest completes. */
static NTSTATUS NTAPI Read(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    if (DeviceObject == Stack[0]) return Complete(Irp, STATUS_SUCCESS, 0);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    return IoCallDriver(DeviceObject == Stack[2] ? Stack[1] : Stack[0], Irp);
}

static VOID Requests(ULONG n)
{
    PIRP irp = IoAllocateIrp(4, FALSE);
    for (ULONG i = 0; i < n; i++)
    {
        IoReuseIrp(irp, STATUS_NOT_SUPPORTED);
        IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_READ;
        IoSetCompletionRoutine(irp, Keep, NULL, TRUE, TRUE, TRUE);
        IoCallDriver(Stack[2], irp);
    }
    IoFreeIrp(irp);
}

static NTSTATUS NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    ULONG code = stack->Parameters.DeviceIoControl.IoControlCode, n = *(PULONG)Irp->AssociatedIrp.SystemBuffer, i;
    KEVENT event;
    /* An echo: what came in goes back. */
    if (code == CODE(0)) return Complete(Irp, STATUS_SUCCESS, stack->Parameters.DeviceIoControl.OutputBufferLength);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    switch (code)
    {
    case CODE(1):
        for (i = 0; i < n; i++) PsGetCurrentProcessSessionId();
        break;
    case CODE(2):
        for (i = 0; i < n; i++) KeSetEvent(&event, 0, FALSE);
        break;
    case CODE(3):
        for (i = 0; i < n; i++) ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPoolNx, 64, 'hcnB'), 'hcnB');
        break;
    case CODE(4):
        Requests(n);
        break;
    }
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI Create(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject) IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, L"\\Device\\KernelBench");
    IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &Top);
    for (ULONG i = 0; i < 3; i++) IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Stack[i]);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Create;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    DriverObject->MajorFunction[IRP_MJ_READ] = Read;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}
