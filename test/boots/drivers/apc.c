/*
 * Kernel APCs into waiting threads: the wait goes on afterwards, with the same objects and what is left of its time, even when the APC's routine waits itself. Then an
 * abandoned mutex, a call on a fresh stack, and APCs that a critical region holds back.
 */
#include <ntifs.h>

NTKERNELAPI VOID NTAPI KeInitializeApc(PKAPC, PKTHREAD, ULONG, PVOID, PVOID, PVOID, KPROCESSOR_MODE, PVOID);
NTKERNELAPI BOOLEAN NTAPI KeInsertQueueApc(PKAPC, PVOID, PVOID, KPRIORITY);

static KEVENT One, Two, Finished, Started;
static KAPC Special, Normal;
NTKERNELAPI VOID NTAPI KeInitializeMutant(PRKMUTANT Mutant, BOOLEAN InitialOwner);
static KMUTANT Mutex;
static PKTHREAD Waiting;
static volatile LONG NormalRuns;

static VOID NTAPI KernelRoutine(PKAPC apc, PVOID *routine, PVOID *context, PVOID *a, PVOID *b)
{
    DbgPrint("kernel routine irql %d argument %p\n", KeGetCurrentIrql(), *a);
}

static VOID NTAPI NormalRoutine(PVOID context, PVOID a, PVOID b)
{
    LARGE_INTEGER delay;
    delay.QuadPart = -10000;
    DbgPrint("normal routine irql %d context %p\n", KeGetCurrentIrql(), context);
    KeDelayExecutionThread(KernelMode, FALSE, &delay);
    NormalRuns++;
}

static VOID NTAPI Waiter(PVOID context)
{
    PVOID objects[2] = { &One, &Two };
    LARGE_INTEGER due;
    NTSTATUS status;
    Waiting = (PKTHREAD)KeGetCurrentThread();
    KeSetEvent(&Started, 0, FALSE);
    status = KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL);
    DbgPrint("all %x after %d\n", status, NormalRuns);
    due.QuadPart = -2000000;
    status = KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, &due, NULL);
    DbgPrint("any %x after %d\n", status, NormalRuns);
    status = KeWaitForSingleObject(&One, Executive, KernelMode, FALSE, &due);
    DbgPrint("one %x after %d\n", status, NormalRuns);
    KeWaitForSingleObject(&Mutex, Executive, KernelMode, FALSE, NULL);
    KeSetEvent(&Finished, 0, FALSE);
}

static VOID NTAPI Deep(PVOID parameter)
{
    volatile char space[12000];
    LARGE_INTEGER delay;
    delay.QuadPart = -10000;
    space[0] = space[11999] = 1;
    KeDelayExecutionThread(KernelMode, FALSE, &delay);
    DbgPrint("callout %p %d\n", parameter, space[0] + space[11999]);
}

static VOID Sleep(LONG units)
{
    LARGE_INTEGER delay;
    delay.QuadPart = -units;
    KeDelayExecutionThread(KernelMode, FALSE, &delay);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    HANDLE handle;
    NTSTATUS status;

    KeInitializeEvent(&One, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Two, NotificationEvent, FALSE);
    KeInitializeEvent(&Finished, NotificationEvent, FALSE);
    KeInitializeEvent(&Started, NotificationEvent, FALSE);
    KeInitializeMutant(&Mutex, FALSE);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Waiter, NULL);
    ZwClose(handle);
    KeWaitForSingleObject(&Started, Executive, KernelMode, FALSE, NULL);
    Sleep(10000);

    KeInitializeApc(&Special, Waiting, 0, KernelRoutine, NULL, NULL, KernelMode, NULL);
    KeInitializeApc(&Normal, Waiting, 0, KernelRoutine, NULL, NormalRoutine, KernelMode, (PVOID)0x77);
    KeInsertQueueApc(&Special, (PVOID)5, NULL, 0);
    KeInsertQueueApc(&Normal, (PVOID)6, NULL, 0);
    Sleep(500000);
    KeSetEvent(&One, 0, FALSE);
    Sleep(200000);
    DbgPrint("one is still %d\n", KeReadStateEvent(&One));
    KeSetEvent(&Two, 0, FALSE);
    Sleep(200000);
    DbgPrint("one %d two %d\n", KeReadStateEvent(&One), KeReadStateEvent(&Two));
    Sleep(500000);
    KeInsertQueueApc(&Normal, (PVOID)7, NULL, 0);

    KeWaitForSingleObject(&Finished, Executive, KernelMode, FALSE, NULL);
    status = KeWaitForSingleObject(&Mutex, Executive, KernelMode, FALSE, NULL);
    DbgPrint("abandoned %x state %d apcs disabled %d\n", status, KeReadStateMutex(&Mutex), KeAreApcsDisabled());
    KeReleaseMutex(&Mutex, FALSE);
    status = KeExpandKernelStackAndCallout(Deep, (PVOID)0x99, 16000);
    DbgPrint("expanded %x apcs disabled %d\n", status, KeAreApcsDisabled());

    KeInitializeApc(&Special, KeGetCurrentThread(), 0, KernelRoutine, NULL, NULL, KernelMode, NULL);
    KeInitializeApc(&Normal, KeGetCurrentThread(), 0, KernelRoutine, NULL, NormalRoutine, KernelMode, (PVOID)0x78);
    KeEnterCriticalRegion();
    KeInsertQueueApc(&Normal, (PVOID)8, NULL, 0);
    DbgPrint("in the region\n");
    KeInsertQueueApc(&Special, (PVOID)9, NULL, 0);
    DbgPrint("leaving\n");
    KeLeaveCriticalRegion();
    DbgPrint("apc done\n");
    return STATUS_SUCCESS;
}
