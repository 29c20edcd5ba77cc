/* Errors of devices that a person should hear of. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI VOID NTAPI IoSetDeviceToVerify(PETHREAD Thread, PDEVICE_OBJECT DeviceObject);
NTKERNELAPI PDEVICE_OBJECT NTAPI IoGetDeviceToVerify(PETHREAD Thread);
NTKERNELAPI NTSTATUS NTAPI IoValidateDeviceIoControlAccess(PIRP Irp, ULONG RequiredAccess);

static BOOLEAN Done;
static ULONG_PTR Information;

static NTSTATUS NTAPI Completed(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
    Done = TRUE;
    Information = Irp->IoStatus.Information;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP NewIrp(VOID)
{
    PIRP irp = IoAllocateIrp(2, FALSE);
    IoSetCompletionRoutine(irp, Completed, NULL, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    irp->IoStatus.Status = STATUS_UNRECOGNIZED_MEDIA;
    irp->IoStatus.Information = 77;
    Done = FALSE;
    return irp;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING text = RTL_CONSTANT_STRING(L"ktest volume");
    PDEVICE_OBJECT device;
    PIRP irp;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("harderror");
    device = NewDevice(DriverObject, NULL, 0);

    OUTCOME(IoIsErrorUserInduced, "TRUE for an error that the user can correct", IoIsErrorUserInduced(STATUS_VERIFY_REQUIRED) && IoIsErrorUserInduced(STATUS_NO_MEDIA_IN_DEVICE) &&
            IoIsErrorUserInduced(STATUS_DEVICE_NOT_READY) && IoIsErrorUserInduced(STATUS_IO_TIMEOUT) && IoIsErrorUserInduced(STATUS_MEDIA_WRITE_PROTECTED) &&
            IoIsErrorUserInduced(STATUS_UNRECOGNIZED_MEDIA) && IoIsErrorUserInduced(STATUS_WRONG_VOLUME));
    OUTCOME(IoIsErrorUserInduced, "FALSE for any other status", !IoIsErrorUserInduced(STATUS_SUCCESS) && !IoIsErrorUserInduced(STATUS_IO_DEVICE_ERROR));

    OUTCOME(IoSetThreadHardErrorMode, "TRUE when hard errors were on", IoSetThreadHardErrorMode(FALSE));
    OUTCOME(IoSetThreadHardErrorMode, "FALSE when hard errors were off", !IoSetThreadHardErrorMode(FALSE));
    OUTCOME(IoRaiseInformationalHardError, "FALSE when hard errors are off for the thread", !IoRaiseInformationalHardError(STATUS_DISK_FULL, &text, NULL));
    irp = NewIrp();
    IoRaiseHardError(irp, NULL, device);
    OUTCOME(IoRaiseHardError, "completes the IRP without data when hard errors are off for the thread", Done && Information == 0);
    IoFreeIrp(irp);
    IoSetThreadHardErrorMode(TRUE);
    OUTCOME(IoRaiseInformationalHardError, "TRUE when the message was queued", IoRaiseInformationalHardError(STATUS_DISK_FULL, &text, NULL));
    OUTCOME(IoRaiseInformationalHardError, "the string is optional", IoRaiseInformationalHardError(STATUS_DISK_FULL, NULL, (PKTHREAD)PsGetCurrentThread()));
    irp = NewIrp();
    IoRaiseHardError(irp, NULL, device);
    DbgPrint("KTEST pass IoRaiseHardError|reports the error\n");
    CHECK(Done);
    IoFreeIrp(irp);

    OUTCOME(IoGetDeviceToVerify, "NULL when there is none", IoGetDeviceToVerify(PsGetCurrentThread()) == NULL);
    irp = NewIrp();
    irp->Tail.Overlay.Thread = PsGetCurrentThread();
    IoSetHardErrorOrVerifyDevice(irp, device);
    OUTCOME(IoSetHardErrorOrVerifyDevice, "notes the device in the thread of the IRP", IoGetDeviceToVerify(PsGetCurrentThread()) == device);
    OUTCOME(IoGetDeviceToVerify, "the device that was set for the thread", IoGetDeviceToVerify(PsGetCurrentThread()) == device);
    IoSetDeviceToVerify(PsGetCurrentThread(), NULL);
    OUTCOME(IoSetDeviceToVerify, "NULL takes the device away", IoGetDeviceToVerify(PsGetCurrentThread()) == NULL);
    IoSetDeviceToVerify(PsGetCurrentThread(), device);
    OUTCOME(IoSetDeviceToVerify, "sets the device for the thread", IoGetDeviceToVerify(PsGetCurrentThread()) == device);
    IoSetDeviceToVerify(PsGetCurrentThread(), NULL);

    IoGetCurrentIrpStackLocation(irp)->MajorFunction = IRP_MJ_READ;
    OUTCOME(IoValidateDeviceIoControlAccess, "STATUS_INVALID_PARAMETER for an IRP that is no control request", IoValidateDeviceIoControlAccess(irp, FILE_READ_ACCESS) == STATUS_INVALID_PARAMETER);
    IoGetCurrentIrpStackLocation(irp)->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    OUTCOME(IoValidateDeviceIoControlAccess, "STATUS_INVALID_PARAMETER for an unknown access", IoValidateDeviceIoControlAccess(irp, 0x10) == STATUS_INVALID_PARAMETER);
    OUTCOME(IoValidateDeviceIoControlAccess, "STATUS_SUCCESS for a request from kernel mode", IoValidateDeviceIoControlAccess(irp, FILE_READ_ACCESS | FILE_WRITE_ACCESS) == STATUS_SUCCESS);
    irp->RequestorMode = UserMode;
    OUTCOME(IoValidateDeviceIoControlAccess, "STATUS_ACCESS_DENIED without the access", IoValidateDeviceIoControlAccess(irp, FILE_WRITE_ACCESS) == STATUS_ACCESS_DENIED);
    IoGetCurrentIrpStackLocation(irp)->Flags = 1; /* SL_READ_ACCESS_GRANTED */
    OUTCOME(IoValidateDeviceIoControlAccess, "STATUS_SUCCESS with the access", IoValidateDeviceIoControlAccess(irp, FILE_READ_ACCESS) == STATUS_SUCCESS &&
            IoValidateDeviceIoControlAccess(irp, FILE_WRITE_ACCESS) == STATUS_ACCESS_DENIED);
    IoFreeIrp(irp);
    KtestDone();
    return STATUS_SUCCESS;
}
