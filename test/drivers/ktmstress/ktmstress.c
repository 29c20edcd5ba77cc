/* Many transactions at once: threads that commit and roll back, a resource manager with a callback, and keys below one parent. Everybody gets exactly what it committed. */
#include <ntifs.h>
#include "../ktest.h"
#include "../ktm.h"
#include "../kthread.h"

#define THREADS 6
#define ROUNDS 12

static HANDLE Tm, Rm, Root;
static volatile LONG Prepared, Committed, RolledBack, Failed;

static NTSTATUS NTAPI Notified(PVOID Enlistment, PVOID RmContext, PVOID Context, ULONG Notification, PLARGE_INTEGER Clock, ULONG Length, PVOID Argument)
{
    UNREFERENCED_PARAMETER(RmContext);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Length);
    UNREFERENCED_PARAMETER(Argument);
    switch (Notification)
    {
    case TRANSACTION_NOTIFY_PREPREPARE: return TmPrePrepareComplete(Enlistment, Clock);
    case TRANSACTION_NOTIFY_PREPARE: InterlockedIncrement(&Prepared); SleepMs(1); return TmPrepareComplete(Enlistment, Clock);
    case TRANSACTION_NOTIFY_COMMIT: InterlockedIncrement(&Committed); return TmCommitComplete(Enlistment, Clock);
    case TRANSACTION_NOTIFY_ROLLBACK: InterlockedIncrement(&RolledBack); return TmRollbackComplete(Enlistment, Clock);
    }
    return STATUS_SUCCESS;
}

static HANDLE NewKey(HANDLE Transaction, ULONG Thread, ULONG Round)
{
    WCHAR text[4] = {(WCHAR)(L'a' + Thread), (WCHAR)(L'A' + Round), 0};
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a;
    HANDLE h = NULL;
    RtlInitUnicodeString(&name, text);
    InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, Root, NULL);
    if (!NT_SUCCESS(ZwCreateKeyTransacted(&h, KEY_ALL_ACCESS, &a, 0, NULL, 0, Transaction, NULL)))
        InterlockedIncrement(&Failed);
    return h;
}

static VOID NTAPI Worker(PVOID Context)
{
    ULONG number = (ULONG)(ULONG_PTR)Context, i;
    for (i = 0; i < ROUNDS; i++)
    {
        HANDLE t = NewTransaction(), e = Enlist(Rm, t, 0, NOTIFY_ALL, NULL), key = NewKey(t, number, i);
        UNICODE_STRING name;
        NTSTATUS status;
        RtlInitUnicodeString(&name, L"v");
        if (ZwSetValueKey(key, &name, 0, REG_DWORD, &i, 4) != STATUS_SUCCESS) InterlockedIncrement(&Failed);
        status = i % 3 ? ZwCommitTransaction(t, TRUE) : ZwRollbackTransaction(t, TRUE);
        if (status != STATUS_SUCCESS || OutcomeOf(t) != (ULONG)(i % 3 ? TransactionOutcomeCommitted : TransactionOutcomeAborted)) InterlockedIncrement(&Failed);
        ZwClose(key);
        ZwClose(e);
        ZwClose(t);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* Deletes all keys below the root; how many there were. */
static ULONG Clear(VOID)
{
    UCHAR buffer[64] __attribute__((aligned(8)));
    ULONG length, n = 0;
    while (n < 1000 && NT_SUCCESS(ZwEnumerateKey(Root, 0, KeyBasicInformation, buffer, sizeof(buffer), &length)))
    {
        PKEY_BASIC_INFORMATION info = (PVOID)buffer;
        UNICODE_STRING name;
        OBJECT_ATTRIBUTES a;
        HANDLE h;
        name.Buffer = info->Name;
        name.Length = name.MaximumLength = (USHORT)info->NameLength;
        InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, Root, NULL);
        CHECK(ZwOpenKey(&h, KEY_ALL_ACCESS, &a) == STATUS_SUCCESS && ZwDeleteKey(h) == STATUS_SUCCESS);
        ZwClose(h);
        n++;
    }
    return n;
}

static VOID Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PKTHREAD threads[THREADS];
    UNICODE_STRING path;
    OBJECT_ATTRIBUTES a;
    PVOID rm;
    ULONG i;
    const LONG commits = THREADS * (ROUNDS - ROUNDS / 3), rollbacks = THREADS * (ROUNDS / 3);

    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("ktmstress");
    DriverObject->DriverUnload = Unload;
    RtlInitUnicodeString(&path, L"\\Registry\\Machine\\Software\\KtestStress");
    InitializeObjectAttributes(&a, &path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    CHECK(ZwCreateKey(&Root, KEY_ALL_ACCESS, &a, 0, NULL, 0, NULL) == STATUS_SUCCESS);
    Tm = NewTm();
    Rm = NewRm(Tm);
    rm = ObjectOf(Rm);
    CHECK(TmEnableCallbacks(rm, Notified, NULL) == STATUS_SUCCESS);
    for (i = 0; i < THREADS; i++) threads[i] = StartThread(Worker, (PVOID)(ULONG_PTR)i);
    for (i = 0; i < THREADS; i++) JoinThread(threads[i]);
    CHECK(Failed == 0);
    OUTCOME(ResourceManagerNotification, "many transactions at once: each is told of its own", Prepared == commits && Committed == commits && RolledBack == rollbacks);
    OUTCOME(ZwCommitTransaction, "many at once: the clock goes on with each commit", ClockOf(Tm) == 1 + commits);
    OUTCOME(ZwCreateKeyTransacted, "many transactions at once: what was committed is there, and nothing else", Clear() == (ULONG)commits);
    ObDereferenceObject(rm);
    ZwClose(Rm);
    ZwClose(Tm);
    ZwDeleteKey(Root);
    ZwClose(Root);
    KtestDone();
    return STATUS_SUCCESS;
}
