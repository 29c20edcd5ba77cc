/* Alertable waits: alerts and user APCs end them, and only those that are alertable and wait in user mode. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"
#include "../kapc.h"

NTSYSAPI NTSTATUS NTAPI ZwAlertThread(HANDLE ThreadHandle);
NTKERNELAPI BOOLEAN NTAPI KeTestAlertThread(KPROCESSOR_MODE AlertMode);

static KEVENT Never, Started;
static KAPC Apc;
static volatile NTSTATUS Status;
static volatile LONG Ended;
enum How { SINGLE, MULTIPLE, DELAY, NOT_ALERTABLE, KERNEL_MODE };

static VOID NTAPI Nothing(PKAPC A, PKNORMAL_ROUTINE *Routine, PVOID *Context, PVOID *One, PVOID *Two)
{
    UNREFERENCED_PARAMETER(A);
    UNREFERENCED_PARAMETER(Routine);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
}

static VOID NTAPI UserRoutine(PVOID Context, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
}

/* A wait of 200 ms of the kind that How says. */
static NTSTATUS Wait(enum How How)
{
    PVOID objects[2] = {&Never, &Never};
    LARGE_INTEGER due = MsFromNow(200);
    switch (How)
    {
    case MULTIPLE:
        return KeWaitForMultipleObjects(2, objects, WaitAny, UserRequest, UserMode, TRUE, &due, NULL);
    case DELAY:
        return KeDelayExecutionThread(UserMode, TRUE, &due);
    case NOT_ALERTABLE:
        return KeWaitForSingleObject(&Never, UserRequest, UserMode, FALSE, &due);
    case KERNEL_MODE:
        return KeWaitForSingleObject(&Never, Executive, KernelMode, TRUE, &due);
    default:
        return KeWaitForSingleObject(&Never, UserRequest, UserMode, TRUE, &due);
    }
}

static VOID NTAPI Waiter(PVOID Context)
{
    KeSetEvent(&Started, 0, FALSE);
    Status = Wait((enum How)(ULONG_PTR)Context);
    /* What could not be delivered in kernel mode is taken back before the thread ends. */
    KeRemoveQueueApc(&Apc);
    KeTestAlertThread(KernelMode);
}

/* The status of a wait in another thread during which it gets an alert, or with UserApc a user APC. */
static NTSTATUS Interrupted(enum How How, BOOLEAN UserApc)
{
    HANDLE handle;
    Status = STATUS_PENDING;
    PKTHREAD thread = StartThread(Waiter, (PVOID)(ULONG_PTR)How);
    KeWaitForSingleObject(&Started, Executive, KernelMode, FALSE, NULL);
    SleepMs(20);
    if (UserApc)
    {
        KeInitializeApc(&Apc, thread, OriginalApcEnvironment, Nothing, NULL, UserRoutine, UserMode, NULL);
        KeInsertQueueApc(&Apc, NULL, NULL, 0);
    }
    else if (NT_SUCCESS(ObOpenObjectByPointer(thread, OBJ_KERNEL_HANDLE, NULL, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &handle)))
    {
        ZwAlertThread(handle);
        ZwClose(handle);
    }
    JoinThread(thread);
    return Status;
}

static VOID Alerts(VOID)
{
    OUTCOME(KeWaitForSingleObject, "STATUS_ALERTED when the thread is alerted during an alertable wait", Interrupted(SINGLE, FALSE) == STATUS_ALERTED);
    OUTCOME(KeWaitForMultipleObjects, "STATUS_ALERTED when the thread is alerted during an alertable wait", Interrupted(MULTIPLE, FALSE) == STATUS_ALERTED);
    OUTCOME(KeDelayExecutionThread, "STATUS_ALERTED when the thread is alerted during an alertable delay", Interrupted(DELAY, FALSE) == STATUS_ALERTED);
    OUTCOME(KeWaitForSingleObject, "a wait that is not alertable goes on when the thread is alerted", Interrupted(NOT_ALERTABLE, FALSE) == STATUS_TIMEOUT);
    OUTCOME(KeWaitForSingleObject, "a wait in kernel mode that is alertable ends with an alert too", Interrupted(KERNEL_MODE, FALSE) == STATUS_ALERTED);
    OUTCOME(ZwAlertThread, "STATUS_SUCCESS, and the alert stays until an alertable wait", ZwAlertThread(ZwCurrentThread()) == STATUS_SUCCESS && Wait(KERNEL_MODE) == STATUS_ALERTED);
    OUTCOME(ZwAlertThread, "STATUS_INVALID_HANDLE for what is no handle", ZwAlertThread((HANDLE)0x7ffff0) == STATUS_INVALID_HANDLE);
    OUTCOME(KeTestAlertThread, "returns FALSE when the thread was not alerted", !KeTestAlertThread(KernelMode));
    ZwAlertThread(ZwCurrentThread());
    OUTCOME(KeTestAlertThread, "returns TRUE when the thread was alerted, and takes the alert", KeTestAlertThread(KernelMode) && !KeTestAlertThread(KernelMode));
}

static VOID UserApcs(VOID)
{
    OUTCOME(KeWaitForSingleObject, "STATUS_USER_APC when a user APC is queued during an alertable wait in user mode", Interrupted(SINGLE, TRUE) == STATUS_USER_APC);
    OUTCOME(KeWaitForMultipleObjects, "STATUS_USER_APC when a user APC is queued during an alertable wait in user mode", Interrupted(MULTIPLE, TRUE) == STATUS_USER_APC);
    OUTCOME(KeDelayExecutionThread, "STATUS_USER_APC when a user APC is queued during an alertable delay in user mode", Interrupted(DELAY, TRUE) == STATUS_USER_APC);
    OUTCOME(KeWaitForSingleObject, "a wait that is not alertable goes on when a user APC is queued", Interrupted(NOT_ALERTABLE, TRUE) == STATUS_TIMEOUT);
    OUTCOME(KeWaitForSingleObject, "a wait in kernel mode goes on when a user APC is queued", Interrupted(KERNEL_MODE, TRUE) == STATUS_TIMEOUT);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("alerts");
    KeInitializeEvent(&Never, NotificationEvent, FALSE);
    KeInitializeEvent(&Started, SynchronizationEvent, FALSE);
    Alerts();
    UserApcs();
    KtestDone();
    return STATUS_SUCCESS;
}
