// compiler=clang
/*
 * Structured exceptions. A driver that trusts nothing it is given guards the places where that can fail, and what it holds there is given back on every way out.
 *
 *   0x222003  a user address and a length, by pointer: reads there and returns the sum of the bytes; a bad address is STATUS_ACCESS_VIOLATION, not the end of the machine
 *   0x222004  two numbers: divides them; a division by zero becomes the caller's status
 *   0x222008  an exception three functions deep: the letters say which filters and __finally blocks ran, in order
 *   0x22200c  the same exception with nobody to take it: the machine stops, and the report's stack shows the three functions
 *
 * clang compiles __try for x64 as Microsoft's compiler does: nothing runs on the way in, tables in the image (.pdata, .xdata) say what is guarded. Only calls count as places where
 * an exception can come from, so what may fail is in functions of its own.
 */
#include <ntddk.h>

#define GUARDED __attribute__((noinline))
#define STATUS_LESSON ((NTSTATUS)0xE0000001)

typedef struct {
    volatile UCHAR *Address;
    ULONG Length;
} RANGE;

/* ---- user memory: METHOD_NEITHER hands over the pointers as the caller gave them ---- */

static GUARDED ULONG SumOf(const RANGE *given)
{
    RANGE range;
    ULONG sum = 0;
    ProbeForRead((PVOID)given, sizeof(RANGE), 1);   /* raises if it is not user memory */
    range = *given;                                 /* a copy: the caller can change it while we look */
    ProbeForRead((PVOID)range.Address, range.Length, 1);
    for (ULONG i = 0; i < range.Length; i++)
        sum += range.Address[i];
    return sum;
}

static NTSTATUS Sum(PIRP irp, PIO_STACK_LOCATION stack)
{
    __try {
        irp->IoStatus.Information = SumOf(stack->Parameters.DeviceIoControl.Type3InputBuffer);
        return STATUS_SUCCESS;
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return GetExceptionCode();
    }
}

/* ---- a fault of the processor is an exception like any other ---- */

static GUARDED LONG Quotient(LONG a, LONG b)
{
    return a / b;
}

static NTSTATUS Divide(PIRP irp, PIO_STACK_LOCATION stack)
{
    LONG *numbers = irp->AssociatedIrp.SystemBuffer;
    if (stack->Parameters.DeviceIoControl.InputBufferLength < 2 * sizeof(LONG) || stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(LONG))
        return STATUS_BUFFER_TOO_SMALL;
    __try {
        numbers[0] = Quotient(numbers[0], numbers[1]);
        irp->IoStatus.Information = sizeof(LONG);
        return STATUS_SUCCESS;
    } __except (GetExceptionCode() == STATUS_INTEGER_DIVIDE_BY_ZERO ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH) {
        return STATUS_INVALID_PARAMETER;
    }
}

/* ---- the order of things ---- */

typedef struct {
    char Letters[16];
    ULONG Count;
} NOTES;

static GUARDED VOID Note(NOTES *notes, char letter)
{
    notes->Letters[notes->Count++ & 15] = letter;
}

static GUARDED LONG Decide(NOTES *notes, char letter, LONG answer)
{
    Note(notes, letter);
    return answer;
}

static GUARDED VOID Third(NOTES *notes)
{
    __try {
        Note(notes, '3');
        ExRaiseStatus(STATUS_LESSON);
    } __finally {
        Note(notes, 'c');       /* runs though the block was not left at its end */
    }
}

static GUARDED VOID Second(NOTES *notes)
{
    __try {
        Note(notes, '2');
        Third(notes);
    } __except (Decide(notes, 'b', EXCEPTION_CONTINUE_SEARCH)) {
        Note(notes, '!');       /* never: the filter did not want it */
    }
}

static GUARDED VOID First(NOTES *notes)
{
    Note(notes, '1');
    Second(notes);
    Note(notes, '!');           /* never: control does not come back here */
}

/* First all filters, from the inside out; when one takes the exception, the __finally blocks; then its handler: "123bacx". */
static NTSTATUS Order(PIRP irp, PIO_STACK_LOCATION stack)
{
    NOTES notes = {{0}, 0};
    ULONG length = stack->Parameters.DeviceIoControl.OutputBufferLength;
    __try {
        First(&notes);
    } __except (Decide(&notes, 'a', EXCEPTION_EXECUTE_HANDLER)) {
        Note(&notes, 'x');
    }
    irp->IoStatus.Information = notes.Count < length ? notes.Count : length;
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, notes.Letters, irp->IoStatus.Information);
    return STATUS_SUCCESS;
}

static NTSTATUS Unhandled(VOID)
{
    NOTES notes = {{0}, 0};
    First(&notes);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI SehDeviceControl(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;
    UNREFERENCED_PARAMETER(device);

    irp->IoStatus.Information = 0;
    switch (stack->Parameters.DeviceIoControl.IoControlCode) {
    case CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_NEITHER, FILE_ANY_ACCESS):
        status = Sum(irp, stack);
        break;
    case CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS):
        status = Divide(irp, stack);
        break;
    case CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS):
        status = Order(irp, stack);
        break;
    case CTL_CODE(FILE_DEVICE_UNKNOWN, 0x803, METHOD_BUFFERED, FILE_ANY_ACCESS):
        status = Unhandled();
        break;
    default:
        status = STATUS_INVALID_DEVICE_REQUEST;
        break;
    }
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI SehCreateClose(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID NTAPI SehUnload(PDRIVER_OBJECT driver)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Seh");
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Seh"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Seh");
    PDEVICE_OBJECT device;
    NTSTATUS status;
    UNREFERENCED_PARAMETER(path);

    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    driver->MajorFunction[IRP_MJ_CREATE] = SehCreateClose;
    driver->MajorFunction[IRP_MJ_CLOSE] = SehCreateClose;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = SehDeviceControl;
    driver->DriverUnload = SehUnload;
    return STATUS_SUCCESS;
}
