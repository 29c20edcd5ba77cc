// ktest: cases=5
/* How an IRP ends: completion routines from the lowest driver up, the pending rules, taking an IRP back. Cases 1 to 4 break a rule. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

NTKERNELAPI NTSTATUS NTAPI IoSynchronousCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp);

typedef enum { Succeed, Fail, Pend } ANSWER;

static PDEVICE_OBJECT Lower, Middle, Upper;
static ANSWER Answer;
static PIRP Pended;
static KDPC Dpc;
static KTIMER Timer;
static char Trace[64];
static ULONG TraceLength;
static BOOLEAN SawPending, SkipMiddle;
static KIRQL CompletionIrql;

static VOID Note(char c)
{
    if (TraceLength < sizeof Trace - 1)
        Trace[TraceLength++] = c;
    Trace[TraceLength] = 0;
}

static BOOLEAN Traced(const char *Expected)
{
    ULONG i;
    for (i = 0; Expected[i] && Trace[i] == Expected[i]; i++)
        ;
    return Expected[i] == Trace[i];
}

static VOID ClearTrace(VOID)
{
    TraceLength = 0;
    Trace[0] = 0;
}

static VOID NTAPI CompleteLater(PKDPC D, PVOID Context, PVOID A, PVOID B)
{
    PIRP irp = Pended;
    UNREFERENCED_PARAMETER(D);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(A);
    UNREFERENCED_PARAMETER(B);
    Pended = NULL;
    Complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI MiddleDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Note(DeviceObject == Middle ? 'm' : '?');
    SawPending = Irp->PendingReturned;
    if (Irp->PendingReturned)
        IoMarkIrpPending(Irp);
    return STATUS_CONTINUE_COMPLETION;
}

/* Upper passes to Middle, Middle to Lower; the major function is always FLUSH. */
static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    LARGE_INTEGER due;
    if (DeviceObject == Upper)
    {
        Note('U');
        IoSkipCurrentIrpStackLocation(Irp);
        return IoCallDriver(Middle, Irp);
    }
    if (DeviceObject == Middle)
    {
        Note('M');
        if (SkipMiddle)
        {
            IoSkipCurrentIrpStackLocation(Irp);
            return IoCallDriver(Lower, Irp);
        }
        IoCopyCurrentIrpStackLocationToNext(Irp);
        IoSetCompletionRoutine(Irp, MiddleDone, NULL, TRUE, TRUE, TRUE);
        return IoCallDriver(Lower, Irp);
    }
    Note('L');
    if (Answer == Succeed)
        return Complete(Irp, STATUS_SUCCESS, 42);
    if (Answer == Fail)
        return Complete(Irp, STATUS_IO_DEVICE_ERROR, 0);
    IoMarkIrpPending(Irp);
    Pended = Irp;
    due.QuadPart = -20000;
    KeSetTimer(&Timer, due, &Dpc);
    return STATUS_PENDING;
}

static NTSTATUS NTAPI SenderDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Irp);
    Note(DeviceObject == NULL ? 's' : 'd');
    CompletionIrql = KeGetCurrentIrql();
    if (Context)
        KeSetEvent(Context, 0, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP Prepare(PVOID Context, BOOLEAN Success, BOOLEAN Error, BOOLEAN Cancel)
{
    PIRP irp = IoAllocateIrp(4, FALSE);
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    IoSetCompletionRoutine(irp, SenderDone, Context, Success, Error, Cancel);
    ClearTrace();
    return irp;
}

static VOID Walking(VOID)
{
    PIRP irp = Prepare(NULL, TRUE, TRUE, TRUE);
    Answer = Succeed;
    NTSTATUS returned = IoCallDriver(Upper, irp);
    OUTCOME(IoCallDriver, "returns what the dispatch routine returns", returned == STATUS_SUCCESS);
    OUTCOME(IofCallDriver, "returns what the dispatch routine returns", returned == STATUS_SUCCESS);
    BOOLEAN traced = Traced("UMLms");
    OUTCOME(IoCallDriver, "calls the dispatch routine of the major function with the device", traced);
    OUTCOME(IofCallDriver, "the next stack location is the driver's, and its dispatch routine runs", traced);
    OUTCOME(IofCompleteRequest, "completion routines run from the lowest driver up", traced);
    OUTCOME(IofCompleteRequest, "STATUS_MORE_PROCESSING_REQUIRED from one of them ends the completion", irp->Type == IO_TYPE_IRP && irp->IoStatus.Information == 42);
    OUTCOME(IoCompleteRequest, "calls completion routines from the lowest driver up", Traced("UMLms"));
    OUTCOME(IoCompleteRequest, "STATUS_MORE_PROCESSING_REQUIRED ends the completion and the IRP is the driver's again",
            irp->Type == IO_TYPE_IRP && irp->IoStatus.Information == 42);
    OUTCOME(IoSetCompletionRoutine, "the routine gets the device of the driver that set it, NULL for a driver without a stack location", Traced("UMLms"));
    IoFreeIrp(irp);
    SkipMiddle = TRUE;
    irp = Prepare(NULL, TRUE, TRUE, TRUE);
    IoCallDriver(Upper, irp);
    OUTCOME(IoCompleteRequest, "a driver without completion routine hears nothing", Traced("UMLs"));
    IoFreeIrp(irp);
    SkipMiddle = FALSE;
}

static VOID Pending(VOID)
{
    KEVENT event;
    PIRP irp;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = Prepare(&event, TRUE, TRUE, TRUE);
    Answer = Pend;
    SawPending = FALSE;
    OUTCOME(IoMarkIrpPending, "goes with STATUS_PENDING from the dispatch routine", IoCallDriver(Upper, irp) == STATUS_PENDING);
    CHECK(WaitFor(&event) == STATUS_SUCCESS);
    OUTCOME(IoMarkIrpPending, "PendingReturned is set when the next higher driver's completion routine runs", SawPending && Traced("UMLms"));
    OUTCOME(IoCompleteRequest, "completion routines run at the IRQL of the caller", CompletionIrql == DISPATCH_LEVEL);
    IoFreeIrp(irp);
    KeClearEvent(&event);
    irp = Prepare(&event, TRUE, TRUE, TRUE);
    SkipMiddle = TRUE;
    CHECK(IoCallDriver(Upper, irp) == STATUS_PENDING && WaitFor(&event) == STATUS_SUCCESS);
    OUTCOME(IoCompleteRequest, "carries the pending mark over drivers without completion routine", irp->PendingReturned);
    IoFreeIrp(irp);
    SkipMiddle = FALSE;
}

static VOID Chosen(VOID)
{
    PIRP irp;
    KEVENT event;
    IO_STATUS_BLOCK iosb;
    Answer = Succeed;
    irp = Prepare(NULL, TRUE, FALSE, FALSE);
    IoCallDriver(Lower, irp);
    OUTCOME(IoSetCompletionRoutine, "InvokeOnSuccess: called for a status of success", Traced("Ls"));
    IoReuseIrp(irp, 0);
    Answer = Fail;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetCompletionRoutine(irp, SenderDone, NULL, FALSE, TRUE, FALSE);
    ClearTrace();
    OUTCOME(IoSetCompletionRoutine, "InvokeOnError: called for a status of error", IoCallDriver(Lower, irp) == STATUS_IO_DEVICE_ERROR && Traced("Ls"));
    IoReuseIrp(irp, 0);
    irp->Cancel = TRUE;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetCompletionRoutine(irp, SenderDone, NULL, FALSE, FALSE, TRUE);
    ClearTrace();
    IoCallDriver(Lower, irp);
    OUTCOME(IoSetCompletionRoutine, "InvokeOnCancel: called for an IRP that was cancelled", Traced("Ls"));
    IoFreeIrp(irp);
    /* One that is not to be called: the I/O manager ends the request itself, so it must be one of its own. */
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, Lower, NULL, 0, NULL, &event, &iosb);
    IoSetCompletionRoutine(irp, SenderDone, NULL, TRUE, FALSE, FALSE);
    ClearTrace();
    Answer = Fail;
    IoCallDriver(Lower, irp);
    OUTCOME(IoSetCompletionRoutine, "not called for an outcome that was not asked for", Traced("L"));
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, Lower, NULL, 0, NULL, &event, &iosb);
    IoSetCompletionRoutine(irp, SenderDone, NULL, FALSE, TRUE, FALSE);
    ClearTrace();
    Answer = Succeed;
    KeClearEvent(&event);
    IoCallDriver(Lower, irp);
    OUTCOME(IoCompleteRequest, "an IRP of the I/O manager is freed and its event set when all drivers have done with it", Traced("L") && KeReadStateEvent(&event) && iosb.Information == 42);
}

static VOID Extended(VOID)
{
    PIRP irp = IoAllocateIrp(4, FALSE);
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    Answer = Succeed;
    ClearTrace();
    OUTCOME(IoSetCompletionRoutineEx, "returns STATUS_SUCCESS", IoSetCompletionRoutineEx(Upper, irp, SenderDone, NULL, TRUE, TRUE, TRUE) == STATUS_SUCCESS);
    IoCallDriver(Lower, irp);
    OUTCOME(IoSetCompletionRoutineEx, "InvokeOnSuccess: called for a status of success", Traced("Ls"));
    OUTCOME(IoSetCompletionRoutineEx, "what the routine returns counts", irp->Type == IO_TYPE_IRP && irp->IoStatus.Information == 42);
    IoReuseIrp(irp, 0);
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    Answer = Fail;
    ClearTrace();
    IoSetCompletionRoutineEx(Upper, irp, SenderDone, NULL, FALSE, TRUE, FALSE);
    IoCallDriver(Lower, irp);
    OUTCOME(IoSetCompletionRoutineEx, "InvokeOnError: called for a status of error", Traced("Ls"));
    IoReuseIrp(irp, 0);
    irp->Cancel = TRUE;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    ClearTrace();
    IoSetCompletionRoutineEx(Upper, irp, SenderDone, NULL, FALSE, FALSE, TRUE);
    IoCallDriver(Lower, irp);
    OUTCOME(IoSetCompletionRoutineEx, "InvokeOnCancel: called for an IRP that was cancelled", Traced("Ls"));
    IoFreeIrp(irp);
}

static VOID Waiting(VOID)
{
    PIRP irp = Prepare(NULL, TRUE, TRUE, TRUE);
    /* A driver that has the IRP forwards it: its own stack location is copied to the next. */
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetNextIrpStackLocation(irp);
    Answer = Succeed;
    ClearTrace();
    OUTCOME(IoForwardIrpSynchronously, "returns TRUE when the IRP was sent and is complete", IoForwardIrpSynchronously(Lower, irp) && Traced("L") && irp->IoStatus.Information == 42);
    OUTCOME(IoForwardIrpSynchronously, "copies the current stack location to the next", Traced("L"));
    Answer = Pend;
    ClearTrace();
    irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    OUTCOME(IoForwardIrpSynchronously, "waits for a driver that returns STATUS_PENDING", IoForwardIrpSynchronously(Upper, irp) && irp->IoStatus.Status == STATUS_SUCCESS && Traced("UMLm"));
    Answer = Fail;
    OUTCOME(IoForwardIrpSynchronously, "returns TRUE for a request that failed: the status is in the IRP", IoForwardIrpSynchronously(Lower, irp) && irp->IoStatus.Status == STATUS_IO_DEVICE_ERROR);
    IoSetNextIrpStackLocation(irp);
    IoSetNextIrpStackLocation(irp);
    IoSetNextIrpStackLocation(irp);
    OUTCOME(IoForwardIrpSynchronously, "returns FALSE when the IRP has no stack location left", !IoForwardIrpSynchronously(Lower, irp));
    IoFreeIrp(irp);
    irp = IoAllocateIrp(3, FALSE);
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    Answer = Pend;
    OUTCOME(IoSynchronousCallDriver, "waits for the IRP and returns its status", IoSynchronousCallDriver(Upper, irp) == STATUS_SUCCESS);
    IoReuseIrp(irp, 0);
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    Answer = Fail;
    OUTCOME(IoSynchronousCallDriver, "returns the status of a request that failed", IoSynchronousCallDriver(Lower, irp) == STATUS_IO_DEVICE_ERROR);
    IoFreeIrp(irp);
}

static VOID Broken(VOID)
{
    PIRP irp;
    switch (KtestCase)
    {
    case 1:
        irp = IoAllocateIrp(1, FALSE);
        IoSetNextIrpStackLocation(irp);
        OUTCOME_BUGCHECK(IoCallDriver, "bug check 0x35 for an IRP without a stack location left", 0x35);
        IoCallDriver(Lower, irp);
        break;
    case 2:
        irp = IoAllocateIrp(1, FALSE);
        OUTCOME_BUGCHECK(IoCompleteRequest, "bug check 0x44 for an IRP that is complete already", 0x44);
        irp->CurrentLocation = 3;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        break;
    case 3:
        irp = Prepare(NULL, TRUE, TRUE, TRUE);
        IoSetNextIrpStackLocation(irp);
        irp->IoStatus.Status = STATUS_PENDING;
        OUTCOME_BUGCHECK(IoCompleteRequest, "bug check 0xC9 for a status of STATUS_PENDING", 0xC9);
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        break;
    case 4:
        irp = Prepare(NULL, TRUE, TRUE, TRUE);
        IoSetNextIrpStackLocation(irp);
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSetCancelRoutine(irp, (PDRIVER_CANCEL)1);
        OUTCOME_BUGCHECK(IoCompleteRequest, "bug check 0xC9 for an IRP whose cancel routine is set", 0xC9);
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        break;
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = Dispatch;
    KtestBegin("completion");
    KeInitializeTimer(&Timer);
    KeInitializeDpc(&Dpc, CompleteLater, NULL);
    Lower = NewDevice(DriverObject, NULL, 0);
    Middle = NewDevice(DriverObject, NULL, 0);
    Upper = NewDevice(DriverObject, NULL, 0);
    Broken();
    Walking();
    Pending();
    Chosen();
    Extended();
    Waiting();
    KtestDone();
    return STATUS_SUCCESS;
}
