/* Remove locks: a count of what still uses a device; the removal waits until it is zero. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

/* The macros of wdm.h call the routines with Ex; what one does is seen of both. */
#define BOTH(routine, outcome, condition)                \
    do                                                   \
    {                                                    \
        BOOLEAN seen = (condition);                      \
        OUTCOME(routine, outcome, seen);                 \
        KtestReport(#routine "Ex", outcome, seen, __LINE__); \
    } while (0)

static IO_REMOVE_LOCK Lock;
static KEVENT Waiting, Over;
static volatile LONG Released;

static VOID NTAPI User(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeWaitForSingleObject(&Waiting, Executive, KernelMode, FALSE, NULL);
    Sleep(20);
    BOTH(IoAcquireRemoveLock, "STATUS_DELETE_PENDING once the removal has begun", IoAcquireRemoveLock(&Lock, NULL) == STATUS_DELETE_PENDING);
    Released = 1;
    IoReleaseRemoveLock(&Lock, (PVOID)0x11);
    KeSetEvent(&Over, 0, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    HANDLE handle;
    KIRQL irql;
    PVOID thread;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("removelock");
    KeInitializeEvent(&Waiting, NotificationEvent, FALSE);
    KeInitializeEvent(&Over, NotificationEvent, FALSE);
    IoInitializeRemoveLock(&Lock, 'kLtK', 0, 0);
    BOTH(IoInitializeRemoveLock, "makes a lock that nobody holds", !Lock.Common.Removed && Lock.Common.IoCount == 1);
    BOTH(IoAcquireRemoveLock, "STATUS_SUCCESS and counts", IoAcquireRemoveLock(&Lock, (PVOID)0x11) == STATUS_SUCCESS && Lock.Common.IoCount == 2);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    BOTH(IoAcquireRemoveLock, "works at DISPATCH_LEVEL", IoAcquireRemoveLock(&Lock, (PVOID)0x22) == STATUS_SUCCESS);
    IoReleaseRemoveLock(&Lock, (PVOID)0x22);
    KeLowerIrql(irql);
    BOTH(IoReleaseRemoveLock, "counts back", Lock.Common.IoCount == 2);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, User, NULL);
    ObReferenceObjectByHandle(handle, SYNCHRONIZE, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    IoAcquireRemoveLock(&Lock, NULL);
    KeSetEvent(&Waiting, 0, FALSE);
    IoReleaseRemoveLockAndWait(&Lock, NULL);
    BOTH(IoReleaseRemoveLockAndWait, "returns when every other user has released the lock", Released == 1 && Lock.Common.IoCount == 0);
    BOTH(IoReleaseRemoveLock, "the last release lets the removal go on", Released == 1);
    BOTH(IoReleaseRemoveLockAndWait, "later acquisitions fail", IoAcquireRemoveLock(&Lock, NULL) == STATUS_DELETE_PENDING);
    WaitFor(thread);
    ObDereferenceObject(thread);
    KtestDone();
    return STATUS_SUCCESS;
}
