/*
 * Every IOCTL breaks one rule of drivers, and the machine stops. 0x222000 + 4 * n is case n. README.md has the table: case, bug check, parameters, rule.
 * Cases 0 to 5 are ways to kill any Windows machine; the others are found by the verifier.
 */
#include <ntddk.h>

#define CASE(n) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (n), METHOD_BUFFERED, FILE_ANY_ACCESS)

/* The compiler may not see that these are wrong. */
static volatile ULONG Zero;
static ULONG *volatile BadPointer = (ULONG *)0xFFFF8B0DEADBEEF0ull;

static __attribute__((noinline)) VOID CrashBadPointer(VOID)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    *BadPointer = 1;
    KeLowerIrql(irql);
}

static __attribute__((noinline)) VOID CrashDoubleFree(VOID)
{
    PVOID p = ExAllocatePoolWithTag(NonPagedPool, 0x40, 'hsrC');
    if (!p)
        return;
    ExFreePoolWithTag(p, 'hsrC');
    ExFreePoolWithTag(p, 'hsrC');
}

static __attribute__((noinline)) ULONG CrashDivide(VOID)
{
    return 1000 / Zero;
}

static __attribute__((noinline)) VOID CrashLoop(VOID)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    for (;;)
        ;
}

#include "rules.h"

static NTSTATUS NTAPI CrashCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI CrashDeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Information = 0;
    switch (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode) {
    case CASE(0):
        CrashBadPointer();
        break;
    case CASE(1):
        CrashDoubleFree();
        break;
    case CASE(2):
        Irp->IoStatus.Status = STATUS_SUCCESS;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return status;
    case CASE(3):
        Irp->IoStatus.Information = CrashDivide();
        break;
    case CASE(4):
        CrashLoop();
        break;
    case CASE(5):
        Irp->IoStatus.Status = STATUS_SUCCESS;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        return STATUS_SUCCESS;
    default:
        return CrashByRule(Irp);
    }
    Irp->IoStatus.Status = status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

static VOID NTAPI CrashUnload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Crash");
    UNREFERENCED_PARAMETER(DriverObject);
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(Device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Crash"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Crash");
    PDEVICE_OBJECT device;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    status = IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    DriverObject->MajorFunction[IRP_MJ_CREATE] = CrashCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = CrashCreateClose;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = CrashDeviceControl;
    DriverObject->MajorFunction[IRP_MJ_INTERNAL_DEVICE_CONTROL] = CrashInternal;
    DriverObject->DriverUnload = CrashUnload;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    Device = device;
    return STATUS_SUCCESS;
}
