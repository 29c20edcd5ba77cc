// ktest: cases=6
/* Mutexes: ownership, recursion, abandonment, and the APCs that they hold back. Cases 1 to 5 end in the bug check that a broken rule gives. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"
#include "../kapc.h"


static KMUTEX Mutex;
static KMUTANT Mutant;
static LARGE_INTEGER Zero;
static volatile NTSTATUS OtherStatus;
static volatile LONG Order;

static NTSTATUS Acquire(PVOID Object, PLARGE_INTEGER Timeout)
{
    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, Timeout);
}

static VOID NTAPI TryMutex(PVOID Context)
{
    OtherStatus = Acquire(Context, &Zero);
    if (OtherStatus == STATUS_SUCCESS)
        KeReleaseMutex(Context, FALSE);
}

/* The status that another thread gets that tries to acquire the mutex now. */
static NTSTATUS ByAnother(PVOID Object)
{
    JoinThread(StartThread(TryMutex, Object));
    return OtherStatus;
}

static VOID Ownership(VOID)
{
    KeInitializeMutex(&Mutex, 0);
    OUTCOME(KeInitializeMutex, "sets the mutex to the signaled state", KeReadStateMutex(&Mutex) == 1 && Acquire(&Mutex, &Zero) == STATUS_SUCCESS);
    OUTCOME(KeReadStateMutex, "returns zero for a mutex that is held", KeReadStateMutex(&Mutex) == 0);
    OUTCOME(KeWaitForSingleObject, "gives a mutex to one thread only", ByAnother(&Mutex) == STATUS_TIMEOUT);
    OUTCOME(KeWaitForSingleObject, "the owner of a mutex acquires it again", Acquire(&Mutex, &Zero) == STATUS_SUCCESS && KeReadStateMutex(&Mutex) == -1);
    LONG first = KeReleaseMutex(&Mutex, FALSE);
    OUTCOME(KeReleaseMutex, "returns a nonzero value while the thread still holds the mutex", first != 0);
    OUTCOME(KeReleaseMutex, "a mutex acquired twice is free after two releases", ByAnother(&Mutex) == STATUS_TIMEOUT && KeReleaseMutex(&Mutex, FALSE) == 0 && ByAnother(&Mutex) == STATUS_SUCCESS);
    OUTCOME(KeReadStateMutex, "returns 1 for a mutex that is signaled", KeReadStateMutex(&Mutex) == 1);
    Acquire(&Mutex, NULL);
    OUTCOME(KeReleaseMutex, "returns zero when the mutex attains the signaled state", KeReleaseMutex(&Mutex, FALSE) == 0);
}

static VOID NTAPI Waiter(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Acquire(&Mutex, NULL);
    Order = Order * 10 + 1;
    KeReleaseMutex(&Mutex, FALSE);
}

static VOID Handover(VOID)
{
    LARGE_INTEGER second = MsFromNow(1000);
    KEVENT event;
    KIRQL irql;

    KeInitializeMutex(&Mutex, 0);
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    Acquire(&Mutex, NULL);
    PKTHREAD thread = StartThread(Waiter, NULL);
    SleepMs(50);
    Order = 0;
    CHECK(Order == 0);
    KeReleaseMutex(&Mutex, FALSE);
    JoinThread(thread);
    OUTCOME(KeReleaseMutex, "satisfies the wait of a thread that waits for the mutex", Order == 1);

    Acquire(&Mutex, NULL);
    LONG previous = KeReleaseMutex(&Mutex, TRUE);
    irql = KeGetCurrentIrql();
    NTSTATUS status = KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &second);
    OUTCOME(KeReleaseMutex, "with Wait TRUE the IRQL stays raised until the wait that follows restores it",
            previous == 0 && irql == DISPATCH_LEVEL && status == STATUS_SUCCESS && KeGetCurrentIrql() == PASSIVE_LEVEL);

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    Acquire(&Mutex, &Zero);
    previous = KeReleaseMutex(&Mutex, TRUE);
    status = KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &Zero);
    OUTCOME(KeReleaseMutex, "with Wait TRUE at DISPATCH_LEVEL a wait with a zero time-out follows", previous == 0 && status == STATUS_SUCCESS && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeLowerIrql(irql);
}

static KAPC Apc, Special;
static volatile LONG NormalRan, SpecialRan;
static VOID NTAPI KernelRoutine(PKAPC A, PKNORMAL_ROUTINE *Normal, PVOID *Context, PVOID *One, PVOID *Two)
{
    UNREFERENCED_PARAMETER(A);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    if (*Normal == NULL)
        SpecialRan++;
}
static VOID NTAPI NormalRoutine(PVOID Context, PVOID One, PVOID Two)
{
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(One);
    UNREFERENCED_PARAMETER(Two);
    NormalRan++;
}

/* A thread that holds a mutex gets special kernel APCs only. */
static VOID Apcs(VOID)
{
    KeInitializeMutex(&Mutex, 0);
    KeInitializeApc(&Apc, KeGetCurrentThread(), OriginalApcEnvironment, KernelRoutine, NULL, NormalRoutine, KernelMode, NULL);
    KeInitializeApc(&Special, KeGetCurrentThread(), OriginalApcEnvironment, KernelRoutine, NULL, NULL, KernelMode, NULL);
    BOOLEAN before = KeAreApcsDisabled();
    Acquire(&Mutex, NULL);
    OUTCOME(KeAreApcsDisabled, "returns TRUE while the thread holds a mutex", !before && KeAreApcsDisabled());
    KeInsertQueueApc(&Apc, NULL, NULL, 0);
    KeInsertQueueApc(&Special, NULL, NULL, 0);
    OUTCOME(KeWaitForSingleObject, "while the thread holds a mutex only special kernel APCs are delivered", SpecialRan == 1 && NormalRan == 0);
    KeReleaseMutex(&Mutex, FALSE);
    OUTCOME(KeReleaseMutex, "APCs that the mutex held back are delivered when it is free", NormalRan == 1 && !KeAreApcsDisabled());
}

static VOID NTAPI HoldAndEnd(PVOID Context)
{
    Acquire(Context, NULL);
}

static VOID Mutants(VOID)
{
    PVOID objects[2] = {&Mutant, NULL};
    KEVENT event;

    KeInitializeMutant(&Mutant, TRUE);
    OUTCOME(KeInitializeMutant, "InitialOwner TRUE makes the caller the owner", KeReadStateMutant(&Mutant) == 0 && ByAnother(&Mutant) == STATUS_TIMEOUT);
    OUTCOME(KeReleaseMutant, "returns the previous state", KeReleaseMutant(&Mutant, 0, FALSE, FALSE) == 0 && KeReadStateMutant(&Mutant) == 1);
    KeInitializeMutant(&Mutant, FALSE);
    OUTCOME(KeInitializeMutant, "InitialOwner FALSE makes a signaled mutant", KeReadStateMutant(&Mutant) == 1);
    Acquire(&Mutant, NULL);
    OUTCOME(KeInitializeMutant, "a mutant holds no APCs back", !KeAreApcsDisabled());
    KeReleaseMutant(&Mutant, 0, FALSE, FALSE);

    JoinThread(StartThread(HoldAndEnd, &Mutant));
    NTSTATUS status = Acquire(&Mutant, NULL);
    OUTCOME(KeWaitForSingleObject, "STATUS_ABANDONED for a mutant whose owner has ended, which the caller then owns", status == STATUS_ABANDONED && KeReadStateMutant(&Mutant) == 0);
    KeReleaseMutant(&Mutant, 0, FALSE, FALSE);
    OUTCOME(KeWaitForSingleObject, "abandonment is told once", Acquire(&Mutant, NULL) == STATUS_SUCCESS);
    KeReleaseMutant(&Mutant, 0, FALSE, FALSE);

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    objects[0] = &event;
    objects[1] = &Mutant;
    JoinThread(StartThread(HoldAndEnd, &Mutant));
    status = KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
    OUTCOME(KeWaitForMultipleObjects, "STATUS_ABANDONED_WAIT_0 plus the index of a mutant that was abandoned", status == STATUS_ABANDONED_WAIT_0 + 1);
    OUTCOME(KeReleaseMutant, "Abandoned TRUE frees the mutant and tells the next owner", KeReleaseMutant(&Mutant, 0, TRUE, FALSE) == 0 && Acquire(&Mutant, NULL) == STATUS_ABANDONED);
    KeReleaseMutant(&Mutant, 0, FALSE, FALSE);
}

/* A counter that is not atomic, under a mutex: exact after all threads. */
static volatile ULONG Counter;
static VOID NTAPI Add(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    for (int i = 0; i < 100; i++)
    {
        Acquire(&Mutex, NULL);
        ULONG value = Counter;
        if (i % 16 == 0)
            KeStallExecutionProcessor(20);
        Counter = value + 1;
        KeReleaseMutex(&Mutex, FALSE);
    }
}

static VOID Stress(VOID)
{
    PKTHREAD threads[6];
    KeInitializeMutex(&Mutex, 0);
    for (int i = 0; i < 6; i++)
    {
        threads[i] = StartThread(Add, NULL);
        KeSetPriorityThread(threads[i], 5 + 2 * i);
    }
    for (int i = 0; i < 6; i++)
        JoinThread(threads[i]);
    CHECK(Counter == 600);
    CHECK(KeReadStateMutex(&Mutex) == 1);
}

static VOID NTAPI ReleaseForeign(PVOID Context)
{
    KeReleaseMutex(Context, FALSE);
}

static VOID Broken(VOID)
{
    KeInitializeMutex(&Mutex, 0);
    switch (KtestCase)
    {
    case 1:
        OUTCOME_BUGCHECK(KeReleaseMutex, "raises STATUS_MUTANT_NOT_OWNED for a mutex that nobody holds", 0x7E);
        KeReleaseMutex(&Mutex, FALSE);
        break;
    case 2:
        Acquire(&Mutex, NULL);
        OUTCOME_BUGCHECK(KeReleaseMutex, "raises STATUS_MUTANT_NOT_OWNED for a mutex that another thread holds", 0x7E);
        JoinThread(StartThread(ReleaseForeign, &Mutex));
        break;
    case 3:
        Acquire(&Mutex, NULL);
        Mutex.Header.SignalState = MINLONG;
        OUTCOME_BUGCHECK(KeWaitForSingleObject, "raises STATUS_MUTANT_LIMIT_EXCEEDED for a mutex acquired MINLONG times", 0x7E);
        Acquire(&Mutex, NULL);
        break;
    case 4:
        OUTCOME_BUGCHECK(KeInitializeMutex, "bug check 0x4000008A for a thread that ends while it holds the mutex", 0x4000008A);
        JoinThread(StartThread(HoldAndEnd, &Mutex));
        break;
    case 5:
        KeInitializeMutant(&Mutant, FALSE);
        OUTCOME_BUGCHECK(KeReleaseMutant, "raises STATUS_MUTANT_NOT_OWNED when the caller is not the owner", 0x7E);
        KeReleaseMutant(&Mutant, 0, FALSE, FALSE);
        break;
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("mutants");
    if (KtestCase != 0)
        Broken();
    else
    {
        Ownership();
        Handover();
        Apcs();
        Mutants();
        Stress();
    }
    KtestDone();
    return STATUS_SUCCESS;
}
