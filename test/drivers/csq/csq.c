/* Cancel-safe queues: six callbacks of the driver, and the library does what is hard about cancelling. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

typedef struct
{
    IO_CSQ Csq;
    LIST_ENTRY List;
    KSPIN_LOCK Lock;
} QUEUE;

static QUEUE Plain, Extended;
static ULONG Acquired, Released, Inserted, Removed, Peeked, Finished;
static PIRP LastFinished;
static PVOID SeenPeek, SeenInsert;
static NTSTATUS InsertStatus;

static VOID NTAPI Insert(PIO_CSQ Csq, PIRP Irp)
{
    Inserted++;
    InsertTailList(&CONTAINING_RECORD(Csq, QUEUE, Csq)->List, &Irp->Tail.Overlay.ListEntry);
}

static NTSTATUS NTAPI InsertEx(PIO_CSQ Csq, PIRP Irp, PVOID InsertContext)
{
    SeenInsert = InsertContext;
    if (NT_SUCCESS(InsertStatus))
        Insert(Csq, Irp);
    return InsertStatus;
}

static VOID NTAPI Remove(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    Removed++;
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

/* PeekContext: the wanted value of UserBuffer, NULL for any. */
static PIRP NTAPI Peek(PIO_CSQ Csq, PIRP Irp, PVOID PeekContext)
{
    PLIST_ENTRY head = &CONTAINING_RECORD(Csq, QUEUE, Csq)->List;
    PLIST_ENTRY entry = Irp ? Irp->Tail.Overlay.ListEntry.Flink : head->Flink;
    Peeked++;
    SeenPeek = PeekContext;
    for (; entry != head; entry = entry->Flink)
    {
        PIRP next = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);
        if (PeekContext == NULL || next->UserBuffer == PeekContext)
            return next;
    }
    return NULL;
}

static VOID NTAPI Acquire(PIO_CSQ Csq, PKIRQL Irql)
{
    Acquired++;
    KeAcquireSpinLock(&CONTAINING_RECORD(Csq, QUEUE, Csq)->Lock, Irql);
}

static VOID NTAPI Release(PIO_CSQ Csq, KIRQL Irql)
{
    Released++;
    KeReleaseSpinLock(&CONTAINING_RECORD(Csq, QUEUE, Csq)->Lock, Irql);
}

static VOID NTAPI Finish(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    Finished++;
    LastFinished = Irp;
}

static PIRP NewIrp(ULONG_PTR Mark)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    IoSetNextIrpStackLocation(irp);
    irp->UserBuffer = (PVOID)Mark;
    return irp;
}

static VOID Queueing(VOID)
{
    PIRP a = NewIrp(1), b = NewIrp(2), c = NewIrp(3);
    IO_CSQ_IRP_CONTEXT context;
    OUTCOME(IoCsqInitialize, "returns STATUS_SUCCESS", IoCsqInitialize(&Plain.Csq, Insert, Remove, Peek, Acquire, Release, Finish) == STATUS_SUCCESS);
    OUTCOME(IoCsqInitialize, "stores the callbacks", Plain.Csq.CsqInsertIrp == Insert && Plain.Csq.CsqCompleteCanceledIrp == Finish);
    OUTCOME(IoCsqRemoveNextIrp, "returns NULL for an empty queue", IoCsqRemoveNextIrp(&Plain.Csq, NULL) == NULL);
    Acquired = Released = 0;
    IoCsqInsertIrp(&Plain.Csq, a, NULL);
    OUTCOME(IoCsqInsertIrp, "calls the insert routine between taking and giving back the lock", Inserted == 1 && Acquired == 1 && Released == 1);
    OUTCOME(IoCsqInsertIrp, "marks the IRP pending", IoGetCurrentIrpStackLocation(a)->Control & SL_PENDING_RETURNED);
    OUTCOME(IoCsqInsertIrp, "makes the IRP cancelable", a->CancelRoutine != NULL);
    IoCsqInsertIrp(&Plain.Csq, b, &context);
    OUTCOME(IoCsqInsertIrp, "with a context: DriverContext[3] holds it", b->Tail.Overlay.DriverContext[3] == &context);
    IoCsqInsertIrp(&Plain.Csq, c, NULL);
    OUTCOME(IoCsqRemoveNextIrp, "returns the next IRP that matches PeekContext", IoCsqRemoveNextIrp(&Plain.Csq, (PVOID)3) == c && SeenPeek == (PVOID)3);
    OUTCOME(IoCsqRemoveNextIrp, "returns an IRP without its cancel routine", c->CancelRoutine == NULL);
    OUTCOME(IoCsqRemoveNextIrp, "returns NULL when none matches", IoCsqRemoveNextIrp(&Plain.Csq, (PVOID)9) == NULL);
    OUTCOME(IoCsqRemoveIrp, "returns the IRP of the context", IoCsqRemoveIrp(&Plain.Csq, &context) == b && b->CancelRoutine == NULL);
    OUTCOME(IoCsqRemoveIrp, "returns NULL for an IRP that has left the queue", IoCsqRemoveIrp(&Plain.Csq, &context) == NULL);
    OUTCOME(IoCsqRemoveNextIrp, "calls the peek routine with NULL for the first IRP", IoCsqRemoveNextIrp(&Plain.Csq, NULL) == a);
    IoFreeIrp(a);
    IoFreeIrp(b);
    IoFreeIrp(c);
}

static VOID Cancelling(VOID)
{
    PIRP a = NewIrp(1), b = NewIrp(2);
    IO_CSQ_IRP_CONTEXT context;
    IoCsqInsertIrp(&Plain.Csq, a, &context);
    IoCsqInsertIrp(&Plain.Csq, b, NULL);
    Finished = 0;
    OUTCOME(IoCsqInsertIrp, "a queued IRP that is cancelled leaves the queue and is given to the complete routine", IoCancelIrp(a) && Finished == 1 && LastFinished == a &&
            Plain.List.Flink == &b->Tail.Overlay.ListEntry);
    OUTCOME(IoCsqRemoveIrp, "returns NULL for an IRP that was cancelled", IoCsqRemoveIrp(&Plain.Csq, &context) == NULL);
    /* Cancelled, but its cancel routine has not run yet: whoever removes must not take it. */
    b->Cancel = TRUE;
    IoSetCancelRoutine(b, NULL);
    OUTCOME(IoCsqRemoveNextIrp, "does not return an IRP that is being cancelled", IoCsqRemoveNextIrp(&Plain.Csq, NULL) == NULL);
    RemoveEntryList(&b->Tail.Overlay.ListEntry);
    IoFreeIrp(a);
    IoFreeIrp(b);
    a = NewIrp(1);
    a->Cancel = TRUE;
    Finished = 0;
    IoCsqInsertIrp(&Plain.Csq, a, NULL);
    OUTCOME(IoCsqInsertIrp, "an IRP that was cancelled before is not left in the queue but completed as cancelled", Finished == 1 && LastFinished == a && IsListEmpty(&Plain.List));
    IoFreeIrp(a);
}

static VOID WithContext(VOID)
{
    PIRP a = NewIrp(1);
    OUTCOME(IoCsqInitializeEx, "returns STATUS_SUCCESS", IoCsqInitializeEx(&Extended.Csq, InsertEx, Remove, Peek, Acquire, Release, Finish) == STATUS_SUCCESS);
    InsertStatus = STATUS_SUCCESS;
    OUTCOME(IoCsqInsertIrpEx, "returns what the insert routine returned", IoCsqInsertIrpEx(&Extended.Csq, a, NULL, (PVOID)0x44) == STATUS_SUCCESS);
    OUTCOME(IoCsqInsertIrpEx, "passes the insert context", SeenInsert == (PVOID)0x44);
    CHECK(IoCsqRemoveNextIrp(&Extended.Csq, NULL) == a);
    InsertStatus = STATUS_DEVICE_BUSY;
    OUTCOME(IoCsqInsertIrpEx, "an IRP that the insert routine refuses is not queued", IoCsqInsertIrpEx(&Extended.Csq, a, NULL, NULL) == STATUS_DEVICE_BUSY &&
            IsListEmpty(&Extended.List) && a->CancelRoutine == NULL);
    OUTCOME(IoCsqInsertIrpEx, "returns STATUS_SUCCESS for a queue of IoCsqInitialize", IoCsqInsertIrpEx(&Plain.Csq, a, NULL, NULL) == STATUS_SUCCESS);
    CHECK(IoCsqRemoveNextIrp(&Plain.Csq, NULL) == a);
    IoFreeIrp(a);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("csq");
    InitializeListHead(&Plain.List);
    InitializeListHead(&Extended.List);
    KeInitializeSpinLock(&Plain.Lock);
    KeInitializeSpinLock(&Extended.Lock);
    Queueing();
    Cancelling();
    WithContext();
    KtestDone();
    return STATUS_SUCCESS;
}
