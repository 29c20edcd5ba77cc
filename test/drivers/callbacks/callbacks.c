/* Callback objects: one driver makes an event of its own known, others hear of it. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"
#include "../kthread.h"

static ULONG Calls, Order[4];
static PVOID SeenContext, SeenOne, SeenTwo;
static KIRQL Irql;

static VOID NTAPI First(PVOID Context, PVOID Argument1, PVOID Argument2)
{
    Order[Calls++ & 3] = 1;
    SeenContext = Context;
    SeenOne = Argument1;
    SeenTwo = Argument2;
    Irql = KeGetCurrentIrql();
}

static VOID NTAPI Second(PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    Order[Calls++ & 3] = 2;
}

static KEVENT InSlow, LetSlowGo;
static volatile LONG SlowDone, SlowCalls, Unregistered;
static PCALLBACK_OBJECT SlowObject;
static PVOID SlowRegistration;

static VOID NTAPI Slow(PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    InterlockedIncrement(&SlowCalls);
    KeSetEvent(&InSlow, 0, FALSE);
    KeWaitForSingleObject(&LetSlowGo, Executive, KernelMode, FALSE, NULL);
    SlowDone = 1;
}

static VOID NTAPI Notifier(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    ExNotifyCallback(SlowObject, NULL, NULL);
}

static VOID NTAPI Taker(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    ExUnregisterCallback(SlowRegistration);
    Unregistered = SlowDone ? 2 : 1;
}

/* When ExUnregisterCallback is back, the routine does not run any more: its driver may be unloaded. */
static VOID UnderWay(PCALLBACK_OBJECT Callback)
{
    KeInitializeEvent(&InSlow, NotificationEvent, FALSE);
    KeInitializeEvent(&LetSlowGo, NotificationEvent, FALSE);
    SlowObject = Callback;
    SlowRegistration = ExRegisterCallback(Callback, Slow, NULL);
    PKTHREAD notifier = StartThread(Notifier, NULL);
    KeWaitForSingleObject(&InSlow, Executive, KernelMode, FALSE, NULL);
    PKTHREAD taker = StartThread(Taker, NULL);
    SleepMs(50);
    BOOLEAN waited = !Unregistered;
    ExNotifyCallback(Callback, NULL, NULL);
    OUTCOME(ExUnregisterCallback, "a routine that is being taken back is not called by others", SlowCalls == 1);
    KeSetEvent(&LetSlowGo, 0, FALSE);
    JoinThread(taker);
    OUTCOME(ExUnregisterCallback, "waits until a notification that is under way has left the routine", waited && Unregistered == 2);
    JoinThread(notifier);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Callback\\Ktest"), single = RTL_CONSTANT_STRING(L"\\Callback\\KtestSingle"), nobody = RTL_CONSTANT_STRING(L"\\Callback\\KtestNobody");
    OBJECT_ATTRIBUTES attributes, alone, missing;
    PCALLBACK_OBJECT callback = NULL, again = NULL, other = NULL, one = NULL;
    PVOID first, second, third;
    KIRQL irql;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("callbacks");
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    InitializeObjectAttributes(&alone, &single, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    InitializeObjectAttributes(&missing, &nobody, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(ExCreateCallback, "STATUS_SUCCESS and a new callback object with Create", ExCreateCallback(&callback, &attributes, TRUE, TRUE) == STATUS_SUCCESS && callback);
    OUTCOME(ExCreateCallback, "opens the object of that name when there is one", ExCreateCallback(&again, &attributes, FALSE, TRUE) == STATUS_SUCCESS && again == callback);
    OUTCOME(ExCreateCallback, "fails without Create for a name that is not there", !NT_SUCCESS(ExCreateCallback(&other, &missing, FALSE, TRUE)));
    first = ExRegisterCallback(callback, First, (PVOID)0x11);
    OUTCOME(ExRegisterCallback, "returns a handle to the registration", first != NULL);
    second = ExRegisterCallback(callback, Second, NULL);
    OUTCOME(ExRegisterCallback, "several routines can be registered with AllowMultipleCallbacks", second != NULL && second != first);
    ExCreateCallback(&one, &alone, TRUE, FALSE);
    third = ExRegisterCallback(one, First, NULL);
    OUTCOME(ExRegisterCallback, "returns NULL for a second routine without AllowMultipleCallbacks", third != NULL && ExRegisterCallback(one, Second, NULL) == NULL);
    ExNotifyCallback(callback, (PVOID)0x22, (PVOID)0x33);
    OUTCOME(ExNotifyCallback, "calls all registered routines", Calls == 2);
    OUTCOME(ExNotifyCallback, "calls them in the order of their registration", Order[0] == 1 && Order[1] == 2);
    OUTCOME(ExNotifyCallback, "a routine gets the context of its registration and both arguments", SeenContext == (PVOID)0x11 && SeenOne == (PVOID)0x22 && SeenTwo == (PVOID)0x33);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ExNotifyCallback(callback, NULL, NULL);
    KeLowerIrql(irql);
    OUTCOME(ExNotifyCallback, "the routines run at the IRQL of the caller", Calls == 4 && Irql == DISPATCH_LEVEL);
    ExUnregisterCallback(first);
    ExNotifyCallback(callback, NULL, NULL);
    OUTCOME(ExUnregisterCallback, "the routine is not called any more", Calls == 5 && Order[0] == 2);
    ExUnregisterCallback(second);
    ExUnregisterCallback(third);
    ExNotifyCallback(callback, NULL, NULL);
    OUTCOME(ExNotifyCallback, "calls nobody when none is registered", Calls == 5);
    UnderWay(callback);
    ObDereferenceObject(again);
    ObDereferenceObject(callback);
    ObDereferenceObject(one);
    KtestDone();
    return STATUS_SUCCESS;
}
