// ktest: cases=2
/* IRPs that drivers make: allocated, of raw memory, used again, as parts of another, built for a read, write or control request. Case 1 frees something that is no IRP. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI PIRP NTAPI IoAllocateIrpEx(PDEVICE_OBJECT DeviceObject, CCHAR StackSize, BOOLEAN ChargeQuota);
NTKERNELAPI PIRP NTAPI IoMakeAssociatedIrp(PIRP Irp, CCHAR StackSize);

static PDEVICE_OBJECT Neither, Buffered, Direct;
static PIO_STACK_LOCATION Stack;
static PVOID SeenSystemBuffer, SeenUserBuffer;
static PMDL SeenMdl;
static UCHAR SeenFirst;
static BOOLEAN MasterDone;

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    static IO_STACK_LOCATION copy;
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    PUCHAR data = NULL;
    ULONG length = 0;
    UNREFERENCED_PARAMETER(DeviceObject);
    copy = *stack;
    Stack = &copy;
    SeenSystemBuffer = Irp->AssociatedIrp.SystemBuffer;
    SeenUserBuffer = Irp->UserBuffer;
    SeenMdl = Irp->MdlAddress;
    if (SeenMdl)
        data = MmGetSystemAddressForMdlSafe(SeenMdl, NormalPagePriority);
    else if (Irp->Flags & IRP_BUFFERED_IO)
        data = SeenSystemBuffer;
    else
        data = SeenUserBuffer;
    if (stack->MajorFunction == IRP_MJ_READ || stack->MajorFunction == IRP_MJ_WRITE)
        length = stack->Parameters.Read.Length;
    SeenFirst = data && length ? data[0] : 0;
    if (stack->MajorFunction == IRP_MJ_READ && data)
        RtlFillMemory(data, length, 0x5a);
    if (stack->MajorFunction == IRP_MJ_DEVICE_CONTROL && (Irp->Flags & IRP_INPUT_OPERATION))
    {
        length = stack->Parameters.DeviceIoControl.OutputBufferLength;
        RtlFillMemory(SeenSystemBuffer, length, 0x77);
    }
    return Complete(Irp, STATUS_SUCCESS, length);
}

static NTSTATUS NTAPI KeepIrp(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    *(BOOLEAN *)Context = TRUE;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Allocated(VOID)
{
    PIRP irp = IoAllocateIrp(3, FALSE);
    PIO_STACK_LOCATION next;
    static UCHAR buffer[100];
    PMDL mdl;
    if (!OUTCOME(IoAllocateIrp, "returns an IRP with the number of stack locations asked for", irp && irp->StackCount == 3 && irp->CurrentLocation == 4))
        return;
    OUTCOME(IoAllocateIrp, "initializes the IRP", irp->Type == IO_TYPE_IRP && irp->Size == IoSizeOfIrp(3) && irp->MdlAddress == NULL && irp->IoStatus.Status == 0);
    OUTCOME(IoAllocateIrp, "does not associate the IRP with a thread", irp->Tail.Overlay.Thread == NULL && IsListEmpty(&irp->ThreadListEntry));
    OUTCOME(IoAllocateIrp, "returns NULL when there can be no IRP of that size", IoAllocateIrp(0, FALSE) == NULL);
    OUTCOME(IoSizeOfIrp, "gives the size of an IRP with so many stack locations", IoSizeOfIrp(3) == sizeof(IRP) + 3 * sizeof(IO_STACK_LOCATION));
    OUTCOME(IoGetRemainingStackSize, "gives the bytes of stack that are left", IoGetRemainingStackSize() > 0x200 && IoGetRemainingStackSize() < 0x6000);
    next = IoGetNextIrpStackLocation(irp);
    OUTCOME(IoGetNextIrpStackLocation, "gives the stack location of the next lower driver", next == (PIO_STACK_LOCATION)(irp + 1) + 2);
    next->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetNextIrpStackLocation(irp);
    OUTCOME(IoSetNextIrpStackLocation, "makes the next stack location the current one", irp->CurrentLocation == 3);
    OUTCOME(IoGetCurrentIrpStackLocation, "gives the stack location of the driver that has the IRP", IoGetCurrentIrpStackLocation(irp) == next);
    next->Parameters.Others.Argument3 = (PVOID)0x33;
    next->Control = SL_PENDING_RETURNED;
    next->CompletionRoutine = KeepIrp;
    IoGetNextIrpStackLocation(irp)->CompletionRoutine = NULL;
    IoCopyCurrentIrpStackLocationToNext(irp);
    OUTCOME(IoCopyCurrentIrpStackLocationToNext, "copies the parameters to the next stack location",
            IoGetNextIrpStackLocation(irp)->MajorFunction == IRP_MJ_FLUSH_BUFFERS && IoGetNextIrpStackLocation(irp)->Parameters.Others.Argument3 == (PVOID)0x33);
    OUTCOME(IoCopyCurrentIrpStackLocationToNext, "leaves the completion routine and the control flags out",
            IoGetNextIrpStackLocation(irp)->CompletionRoutine == NULL && IoGetNextIrpStackLocation(irp)->Control == 0);
    IoSkipCurrentIrpStackLocation(irp);
    OUTCOME(IoSkipCurrentIrpStackLocation, "gives the next driver the same stack location", irp->CurrentLocation == 4 && IoGetNextIrpStackLocation(irp) == next);
    irp->AllocationFlags |= 0x40;
    irp->Cancel = TRUE;
    IoReuseIrp(irp, STATUS_NOT_SUPPORTED);
    OUTCOME(IoReuseIrp, "makes the IRP as it was allocated", irp->CurrentLocation == 4 && !irp->Cancel && irp->StackCount == 3 && irp->Size == IoSizeOfIrp(3));
    OUTCOME(IoReuseIrp, "sets the status that is given", irp->IoStatus.Status == STATUS_NOT_SUPPORTED);
    OUTCOME(IoReuseIrp, "keeps how the IRP was allocated", irp->AllocationFlags & 0x40);
    irp->AllocationFlags &= ~0x40;
    mdl = IoAllocateMdl(buffer, sizeof buffer, FALSE, FALSE, irp);
    IoFreeIrp(irp);
    OUTCOME(IoFreeIrp, "leaves the MDL of the IRP to the caller", mdl && MmGetMdlVirtualAddress(mdl) == buffer && MmGetMdlByteCount(mdl) == sizeof buffer);
    IoFreeMdl(mdl);
    irp = IoAllocateIrpEx(Neither, Neither->StackSize, FALSE);
    OUTCOME(IoAllocateIrpEx, "returns an IRP for a device", irp && irp->StackCount == Neither->StackSize);
    if (irp)
        IoFreeIrp(irp);
    OUTCOME(IoAllocateIrpEx, "returns NULL when there can be no IRP of that size", IoAllocateIrpEx(Neither, 0, FALSE) == NULL);
}

static VOID Raw(VOID)
{
    PIRP irp = ExAllocatePoolWithTag(NonPagedPool, IoSizeOfIrp(2), 'prIk');
    PIRP sent;
    BOOLEAN back = FALSE;
    RtlFillMemory(irp, IoSizeOfIrp(2), 0xcc);
    IoInitializeIrp(irp, IoSizeOfIrp(2), 2);
    OUTCOME(IoInitializeIrp, "makes an IRP of raw memory", irp->Type == IO_TYPE_IRP && irp->Size == IoSizeOfIrp(2) && irp->StackCount == 2 && irp->CurrentLocation == 3);
    OUTCOME(IoInitializeIrp, "clears everything else", irp->MdlAddress == NULL && irp->CancelRoutine == NULL && irp->Tail.Overlay.Thread == NULL);
    sent = irp;
    IoGetNextIrpStackLocation(sent)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetCompletionRoutine(sent, KeepIrp, &back, TRUE, TRUE, TRUE);
    OUTCOME(IoInitializeIrp, "the IRP can be sent", IoCallDriver(Neither, sent) == STATUS_SUCCESS && back && Stack->MajorFunction == IRP_MJ_FLUSH_BUFFERS);
    IoReuseIrp(irp, STATUS_SUCCESS);
    back = FALSE;
    IoGetNextIrpStackLocation(sent)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetCompletionRoutine(sent, KeepIrp, &back, TRUE, TRUE, TRUE);
    OUTCOME(IoReuseIrp, "the IRP can be sent again", IoCallDriver(Neither, sent) == STATUS_SUCCESS && back);
    ExFreePoolWithTag(irp, 'prIk');
}

static NTSTATUS NTAPI MasterCompleted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    MasterDone = TRUE;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Associated(VOID)
{
    PIRP master = IoAllocateIrp(2, FALSE), part[2];
    ULONG i;
    /* The driver that splits the request is the one at the master's current stack location. */
    IoSetCompletionRoutine(master, MasterCompleted, NULL, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(master);
    master->AssociatedIrp.IrpCount = 2;
    for (i = 0; i < 2; i++)
    {
        part[i] = IoMakeAssociatedIrp(master, Neither->StackSize);
        IoGetNextIrpStackLocation(part[i])->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    }
    OUTCOME(IoMakeAssociatedIrp, "returns an IRP that points to its master",
            part[0] && part[0]->AssociatedIrp.MasterIrp == master && (part[0]->Flags & IRP_ASSOCIATED_IRP) && part[0]->StackCount == Neither->StackSize);
    OUTCOME(IoMakeAssociatedIrp, "returns NULL when there can be no IRP of that size", IoMakeAssociatedIrp(master, 0) == NULL);
    IoCallDriver(Neither, part[0]);
    OUTCOME(IoMakeAssociatedIrp, "the master stays while one of its parts is not complete", !MasterDone && master->AssociatedIrp.IrpCount == 1);
    IoCallDriver(Neither, part[1]);
    OUTCOME(IoMakeAssociatedIrp, "the master completes with the last of its parts", MasterDone);
    IoFreeIrp(master);
}

static VOID Synchronous(VOID)
{
    UCHAR buffer[64];
    LARGE_INTEGER offset;
    KEVENT event;
    IO_STATUS_BLOCK iosb;
    PIRP irp;
    offset.QuadPart = 0x123456789;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    RtlFillMemory(buffer, sizeof buffer, 0x11);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_WRITE, Buffered, buffer, sizeof buffer, &offset, &event, &iosb);
    OUTCOME(IoBuildSynchronousFsdRequest, "returns an IRP that belongs to the current thread", irp && irp->Tail.Overlay.Thread == PsGetCurrentThread() && !IsListEmpty(&irp->ThreadListEntry));
    OUTCOME(IoBuildSynchronousFsdRequest, "sets up the next stack location", IoGetNextIrpStackLocation(irp)->MajorFunction == IRP_MJ_WRITE &&
            IoGetNextIrpStackLocation(irp)->Parameters.Write.Length == sizeof buffer && IoGetNextIrpStackLocation(irp)->Parameters.Write.ByteOffset.QuadPart == offset.QuadPart);
    iosb.Status = 1;
    IoCallDriver(Buffered, irp);
    OUTCOME(IoBuildSynchronousFsdRequest, "a device of buffered I/O gets a copy of what is written", SeenSystemBuffer && SeenSystemBuffer != buffer && SeenFirst == 0x11);
    OUTCOME(IoBuildSynchronousFsdRequest, "sets the event when the request is complete", KeReadStateEvent(&event));
    OUTCOME(IoBuildSynchronousFsdRequest, "sets the I/O status block when the request is complete", iosb.Status == STATUS_SUCCESS && iosb.Information == sizeof buffer);
    KeClearEvent(&event);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, Buffered, buffer, sizeof buffer, &offset, &event, &iosb);
    IoCallDriver(Buffered, irp);
    OUTCOME(IoBuildSynchronousFsdRequest, "what a device of buffered I/O reads is copied back", KeReadStateEvent(&event) && buffer[0] == 0x5a && buffer[63] == 0x5a);
    RtlZeroMemory(buffer, sizeof buffer);
    KeClearEvent(&event);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, Direct, buffer, sizeof buffer, &offset, &event, &iosb);
    OUTCOME(IoBuildSynchronousFsdRequest, "a device of direct I/O gets an MDL with locked pages", irp->MdlAddress && (irp->MdlAddress->MdlFlags & MDL_PAGES_LOCKED) &&
            MmGetMdlVirtualAddress(irp->MdlAddress) == buffer);
    IoCallDriver(Direct, irp);
    CHECK(buffer[0] == 0x5a && KeReadStateEvent(&event));
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, Neither, buffer, sizeof buffer, &offset, &event, &iosb);
    IoCallDriver(Neither, irp);
    OUTCOME(IoBuildSynchronousFsdRequest, "a device of neither gets the address of the buffer", SeenUserBuffer == buffer && SeenSystemBuffer == NULL && SeenMdl == NULL);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, Buffered, NULL, 0, NULL, &event, &iosb);
    IoCallDriver(Buffered, irp);
    OUTCOME(IoBuildSynchronousFsdRequest, "makes a flush request without a buffer", Stack->MajorFunction == IRP_MJ_FLUSH_BUFFERS && iosb.Status == STATUS_SUCCESS);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_SHUTDOWN, Buffered, NULL, 0, NULL, &event, &iosb);
    IoCallDriver(Buffered, irp);
    OUTCOME(IoBuildSynchronousFsdRequest, "makes a shutdown request without a buffer", Stack->MajorFunction == IRP_MJ_SHUTDOWN);
}

static VOID Asynchronous(VOID)
{
    UCHAR buffer[32];
    LARGE_INTEGER offset;
    IO_STATUS_BLOCK iosb;
    BOOLEAN back = FALSE;
    KIRQL irql;
    PIRP irp;
    offset.QuadPart = 7;
    irp = IoBuildAsynchronousFsdRequest(IRP_MJ_READ, Neither, buffer, sizeof buffer, &offset, &iosb);
    OUTCOME(IoBuildAsynchronousFsdRequest, "returns an IRP with the next stack location set up", irp && IoGetNextIrpStackLocation(irp)->MajorFunction == IRP_MJ_READ &&
            IoGetNextIrpStackLocation(irp)->Parameters.Read.ByteOffset.QuadPart == 7);
    OUTCOME(IoBuildAsynchronousFsdRequest, "names the caller's thread without queuing the IRP to it", irp->Tail.Overlay.Thread == PsGetCurrentThread() && IsListEmpty(&irp->ThreadListEntry));
    OUTCOME(IoBuildAsynchronousFsdRequest, "remembers the I/O status block", irp->UserIosb == &iosb);
    IoSetCompletionRoutine(irp, KeepIrp, &back, TRUE, TRUE, TRUE);
    IoCallDriver(Neither, irp);
    OUTCOME(IoBuildAsynchronousFsdRequest, "the caller frees the IRP in its completion routine", back && buffer[31] == 0x5a);
    IoFreeIrp(irp);
    irp = IoBuildAsynchronousFsdRequest(IRP_MJ_WRITE, Direct, buffer, sizeof buffer, &offset, &iosb);
    OUTCOME(IoBuildAsynchronousFsdRequest, "a device of direct I/O gets an MDL that the caller unlocks and frees", irp->MdlAddress && (irp->MdlAddress->MdlFlags & MDL_PAGES_LOCKED));
    MmUnlockPages(irp->MdlAddress);
    IoFreeMdl(irp->MdlAddress);
    IoFreeIrp(irp);
    KeRaiseIrql(APC_LEVEL, &irql);
    irp = IoBuildAsynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, Neither, NULL, 0, NULL, &iosb);
    OUTCOME(IoBuildAsynchronousFsdRequest, "works at APC_LEVEL", irp != NULL);
    IoFreeIrp(irp);
    KeLowerIrql(irql);
}

#define CODE(method) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, method, FILE_ANY_ACCESS)

static VOID Control(VOID)
{
    UCHAR in[16] = {9}, out[32] = {0};
    KEVENT event;
    IO_STATUS_BLOCK iosb;
    PIRP irp;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildDeviceIoControlRequest(CODE(METHOD_BUFFERED), Neither, in, sizeof in, out, sizeof out, FALSE, &event, &iosb);
    OUTCOME(IoBuildDeviceIoControlRequest, "returns an IRP of IRP_MJ_DEVICE_CONTROL with the next stack location set up", irp &&
            IoGetNextIrpStackLocation(irp)->MajorFunction == IRP_MJ_DEVICE_CONTROL && IoGetNextIrpStackLocation(irp)->Parameters.DeviceIoControl.InputBufferLength == sizeof in &&
            IoGetNextIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength == sizeof out);
    OUTCOME(IoBuildDeviceIoControlRequest, "queues the IRP to the current thread", irp->Tail.Overlay.Thread == PsGetCurrentThread() && !IsListEmpty(&irp->ThreadListEntry));
    OUTCOME(IoBuildDeviceIoControlRequest, "METHOD_BUFFERED: the system buffer has the input", *(PUCHAR)irp->AssociatedIrp.SystemBuffer == 9);
    IoCallDriver(Neither, irp);
    OUTCOME(IoBuildDeviceIoControlRequest, "METHOD_BUFFERED: the output is copied back", out[0] == 0x77 && out[31] == 0x77);
    OUTCOME(IoBuildDeviceIoControlRequest, "sets event and I/O status block when the request is complete", KeReadStateEvent(&event) && iosb.Information == sizeof out);
    irp = IoBuildDeviceIoControlRequest(CODE(METHOD_OUT_DIRECT), Neither, in, sizeof in, out, sizeof out, FALSE, &event, &iosb);
    OUTCOME(IoBuildDeviceIoControlRequest, "METHOD_OUT_DIRECT: an MDL describes the output buffer", irp->MdlAddress && MmGetMdlVirtualAddress(irp->MdlAddress) == out &&
            *(PUCHAR)irp->AssociatedIrp.SystemBuffer == 9);
    IoCallDriver(Neither, irp);
    irp = IoBuildDeviceIoControlRequest(CODE(METHOD_IN_DIRECT), Neither, in, sizeof in, out, sizeof out, FALSE, &event, &iosb);
    OUTCOME(IoBuildDeviceIoControlRequest, "METHOD_IN_DIRECT: an MDL describes the second buffer", irp->MdlAddress && MmGetMdlVirtualAddress(irp->MdlAddress) == out);
    IoCallDriver(Neither, irp);
    irp = IoBuildDeviceIoControlRequest(CODE(METHOD_NEITHER), Neither, in, sizeof in, out, sizeof out, FALSE, &event, &iosb);
    IoCallDriver(Neither, irp);
    OUTCOME(IoBuildDeviceIoControlRequest, "METHOD_NEITHER: the addresses are passed as they are", Stack->Parameters.DeviceIoControl.Type3InputBuffer == in && SeenUserBuffer == out);
    irp = IoBuildDeviceIoControlRequest(CODE(METHOD_BUFFERED), Neither, NULL, 0, NULL, 0, TRUE, &event, &iosb);
    OUTCOME(IoBuildDeviceIoControlRequest, "makes IRP_MJ_INTERNAL_DEVICE_CONTROL when asked to", IoGetNextIrpStackLocation(irp)->MajorFunction == IRP_MJ_INTERNAL_DEVICE_CONTROL);
    IoCallDriver(Neither, irp);
    OUTCOME(IoGetFunctionCodeFromCtlCode, "gives the function of a control code", IoGetFunctionCodeFromCtlCode(CODE(METHOD_NEITHER)) == 0x800);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ULONG i;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        DriverObject->MajorFunction[i] = Dispatch;
    KtestBegin("irpalloc");
    Neither = NewDevice(DriverObject, NULL, 0);
    Buffered = NewDevice(DriverObject, NULL, DO_BUFFERED_IO);
    Direct = NewDevice(DriverObject, NULL, DO_DIRECT_IO);
    if (KtestCase == 1)
    {
        PIRP irp = IoAllocateIrp(1, FALSE);
        irp->Type = 0;
        OUTCOME_BUGCHECK(IoFreeIrp, "bug check 0xC9 for something that is no IRP", 0xC9);
        IoFreeIrp(irp);
    }
    Allocated();
    Raw();
    Associated();
    Synchronous();
    Asynchronous();
    Control();
    KtestDone();
    return STATUS_SUCCESS;
}
