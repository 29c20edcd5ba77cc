/* Semaphores, mutants and events by handle; references with tags, deletions that are put off; object types that ntoskrnl exports. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

NTSTATUS NTAPI ZwCreateSemaphore(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, LONG Initial, LONG Maximum);
NTSTATUS NTAPI ZwOpenSemaphore(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes);
NTSTATUS NTAPI ZwReleaseSemaphore(HANDLE Handle, LONG Count, PLONG Previous);
NTSTATUS NTAPI ZwCreateMutant(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, BOOLEAN Owned);
NTSTATUS NTAPI ZwOpenMutant(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes);
NTSTATUS NTAPI ZwReleaseMutant(HANDLE Handle, PLONG Previous);
NTSTATUS NTAPI ZwResetEvent(HANDLE Handle, PLONG Previous);
NTSTATUS NTAPI ZwClearEvent(HANDLE Handle);
NTSTATUS NTAPI NtCreateEvent(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, EVENT_TYPE Type, BOOLEAN State);
NTSTATUS NTAPI NtSetEvent(HANDLE Handle, PLONG Previous);
NTSTATUS NTAPI NtWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSTATUS NTAPI NtDuplicateObject(HANDLE From, HANDLE Source, HANDLE To, PHANDLE Target, ACCESS_MASK Access, ULONG Attributes, ULONG Options);
NTSTATUS NTAPI ZwMakePermanentObject(HANDLE Handle);
LONG_PTR NTAPI NtDereference(PVOID Object) __asm__("ObDereferenceObject");
POBJECT_TYPE NTAPI ObGetObjectType(PVOID Object);
NTSTATUS NTAPI ObOpenObjectByPointerWithTag(PVOID Object, ULONG HandleAttributes, PACCESS_STATE State, ACCESS_MASK Access, POBJECT_TYPE Type, KPROCESSOR_MODE Mode, ULONG Tag, PHANDLE Handle);
extern POBJECT_TYPE NTSYSAPI *PsJobType, NTSYSAPI *ExCallbackObjectType, NTSYSAPI *IoAdapterObjectType, NTSYSAPI *IoControllerObjectType, NTSYSAPI *IoCompletionObjectType;

#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)
#define TAG 'tseT'
static LARGE_INTEGER Zero;

static POBJECT_ATTRIBUTES Named(PCWSTR Text, ULONG Flags)
{
    static UNICODE_STRING name;
    static OBJECT_ATTRIBUTES a;
    RtlInitUnicodeString(&name, Text);
    InitializeObjectAttributes(&a, Text ? &name : NULL, OBJ_KERNEL_HANDLE | Flags, NULL, NULL);
    return &a;
}

static VOID Semaphores(VOID)
{
    HANDLE handle, second;
    LONG previous = 7;
    NTSTATUS status = ZwCreateSemaphore(&handle, SEMAPHORE_ALL_ACCESS, Named(L"\\KtestSemaphore", 0), 1, 2);
    OUTCOME(ZwCreateSemaphore, "STATUS_SUCCESS, a semaphore with its first count", status == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_TIMEOUT);
    OUTCOME(ZwCreateSemaphore, "STATUS_OBJECT_NAME_COLLISION for a name that is taken", ZwCreateSemaphore(&second, SEMAPHORE_ALL_ACCESS, Named(L"\\KtestSemaphore", 0), 1, 2) == STATUS_OBJECT_NAME_COLLISION);
    status = ZwCreateSemaphore(&second, SEMAPHORE_ALL_ACCESS, Named(L"\\KtestSemaphore", OBJ_OPENIF), 1, 2);
    OUTCOME(ZwCreateSemaphore, "STATUS_OBJECT_NAME_EXISTS with OBJ_OPENIF, the object that is there", status == STATUS_OBJECT_NAME_EXISTS && NtWaitForSingleObject(second, FALSE, &Zero) == STATUS_TIMEOUT);
    ZwClose(second);
    OUTCOME(ZwCreateSemaphore, "STATUS_INVALID_PARAMETER for counts that do not fit", ZwCreateSemaphore(&second, 0, Named(NULL, 0), 3, 2) == STATUS_INVALID_PARAMETER && ZwCreateSemaphore(&second, 0, Named(NULL, 0), 0, 0) == STATUS_INVALID_PARAMETER && ZwCreateSemaphore(&second, 0, Named(NULL, 0), -1, 2) == STATUS_INVALID_PARAMETER);
    status = ZwOpenSemaphore(&second, SEMAPHORE_ALL_ACCESS, Named(L"\\KtestSemaphore", 0));
    OUTCOME(ZwOpenSemaphore, "STATUS_SUCCESS, a handle to the semaphore of that name", status == STATUS_SUCCESS && ZwReleaseSemaphore(second, 1, NULL) == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS);
    ZwClose(second);
    OUTCOME(ZwOpenSemaphore, "STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenSemaphore(&second, SEMAPHORE_ALL_ACCESS, Named(L"\\KtestNobody", 0)) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwReleaseSemaphore, "STATUS_SUCCESS and the previous count", ZwReleaseSemaphore(handle, 1, &previous) == STATUS_SUCCESS && previous == 0 && ZwReleaseSemaphore(handle, 1, &previous) == STATUS_SUCCESS && previous == 1);
    OUTCOME(ZwReleaseSemaphore, "STATUS_SEMAPHORE_LIMIT_EXCEEDED, the count stays", ZwReleaseSemaphore(handle, 1, NULL) == STATUS_SEMAPHORE_LIMIT_EXCEEDED && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_TIMEOUT);
    OUTCOME(ZwReleaseSemaphore, "STATUS_INVALID_PARAMETER for a count of zero or less", ZwReleaseSemaphore(handle, 0, NULL) == STATUS_INVALID_PARAMETER && ZwReleaseSemaphore(handle, -1, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwReleaseSemaphore, "STATUS_INVALID_HANDLE", ZwReleaseSemaphore(NO_HANDLE, 1, NULL) == STATUS_INVALID_HANDLE);
    HANDLE mutant;
    ZwCreateMutant(&mutant, 0x1f0001, Named(L"\\KtestOther", 0), FALSE);
    OUTCOME(ZwReleaseSemaphore, "STATUS_OBJECT_TYPE_MISMATCH for a handle of something else", ZwReleaseSemaphore(mutant, 1, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ZwOpenSemaphore, "STATUS_OBJECT_TYPE_MISMATCH for a name of something else", ZwOpenSemaphore(&second, SEMAPHORE_ALL_ACCESS, Named(L"\\KtestOther", 0)) == STATUS_OBJECT_TYPE_MISMATCH);
    ZwClose(mutant);
    ZwClose(handle);
}

static VOID NTAPI ReleasesForeign(PVOID Context)
{
    PVOID *c = Context;
    c[1] = (PVOID)(ULONG_PTR)(ULONG)ZwReleaseMutant(c[0], NULL);
}

static VOID Mutants(VOID)
{
    HANDLE handle, second;
    LONG previous = 7;
    NTSTATUS status = ZwCreateMutant(&handle, 0x1f0001, Named(L"\\KtestMutant", 0), TRUE);
    PVOID context[2] = {handle, NULL};
    JoinThread(StartThread(ReleasesForeign, context));
    OUTCOME(ZwReleaseMutant, "STATUS_MUTANT_NOT_OWNED for another thread", (NTSTATUS)(ULONG_PTR)context[1] == STATUS_MUTANT_NOT_OWNED);
    OUTCOME(ZwCreateMutant, "STATUS_SUCCESS, a mutant that the thread owns if it wants", status == STATUS_SUCCESS && ZwReleaseMutant(handle, &previous) == STATUS_SUCCESS && previous == 0);
    OUTCOME(ZwReleaseMutant, "STATUS_SUCCESS and the previous count", NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS && ZwReleaseMutant(handle, &previous) == STATUS_SUCCESS && previous == -1 && ZwReleaseMutant(handle, &previous) == STATUS_SUCCESS && previous == 0);
    OUTCOME(ZwReleaseMutant, "STATUS_INVALID_HANDLE", ZwReleaseMutant(NO_HANDLE, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwCreateMutant, "STATUS_OBJECT_NAME_COLLISION for a name that is taken", ZwCreateMutant(&second, 0x1f0001, Named(L"\\KtestMutant", 0), FALSE) == STATUS_OBJECT_NAME_COLLISION);
    status = ZwOpenMutant(&second, 0x1f0001, Named(L"\\KtestMutant", 0));
    PVOID a = NULL, b = NULL;
    ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &a, NULL);
    ObReferenceObjectByHandle(second, 0, NULL, KernelMode, &b, NULL);
    OUTCOME(ZwOpenMutant, "STATUS_SUCCESS, a handle to the mutant of that name", status == STATUS_SUCCESS && a == b && a != NULL);
    ObDereferenceObject(a);
    ObDereferenceObject(b);
    ZwClose(second);
    OUTCOME(ZwOpenMutant, "STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenMutant(&second, 0x1f0001, Named(L"\\KtestNobody", 0)) == STATUS_OBJECT_NAME_NOT_FOUND);
    ZwClose(handle);
}

static VOID Events(VOID)
{
    HANDLE handle, copy, second;
    LONG previous = 7;
    NTSTATUS status = NtCreateEvent(&handle, EVENT_ALL_ACCESS, Named(L"\\KtestEvent", 0), NotificationEvent, TRUE);
    OUTCOME(NtCreateEvent, "STATUS_SUCCESS, an event in its first state", status == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS);
    OUTCOME(NtCreateEvent, "STATUS_OBJECT_NAME_COLLISION for a name that is taken", NtCreateEvent(&second, EVENT_ALL_ACCESS, Named(L"\\KtestEvent", 0), NotificationEvent, TRUE) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(NtCreateEvent, "STATUS_INVALID_PARAMETER for a kind that there is not", NtCreateEvent(&second, EVENT_ALL_ACCESS, Named(NULL, 0), (EVENT_TYPE)2, TRUE) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwResetEvent, "STATUS_SUCCESS and the previous state, not signaled then", ZwResetEvent(handle, &previous) == STATUS_SUCCESS && previous == 1 && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_TIMEOUT && ZwResetEvent(handle, &previous) == STATUS_SUCCESS && previous == 0);
    OUTCOME(ZwResetEvent, "STATUS_INVALID_HANDLE", ZwResetEvent(NO_HANDLE, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(NtSetEvent, "STATUS_SUCCESS and the previous state, signaled then", NtSetEvent(handle, &previous) == STATUS_SUCCESS && previous == 0 && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS);
    OUTCOME(NtSetEvent, "STATUS_INVALID_HANDLE", NtSetEvent(NO_HANDLE, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(NtWaitForSingleObject, "STATUS_SUCCESS when the object is signaled", NtWaitForSingleObject(handle, FALSE, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwClearEvent, "STATUS_SUCCESS, not signaled then", ZwClearEvent(handle) == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_TIMEOUT);
    OUTCOME(ZwClearEvent, "STATUS_INVALID_HANDLE", ZwClearEvent(NO_HANDLE) == STATUS_INVALID_HANDLE);
    LARGE_INTEGER soon = MsFromNow(2);
    OUTCOME(NtWaitForSingleObject, "STATUS_TIMEOUT when the time is over", NtWaitForSingleObject(handle, FALSE, &soon) == STATUS_TIMEOUT);
    OUTCOME(NtWaitForSingleObject, "STATUS_INVALID_HANDLE", NtWaitForSingleObject(NO_HANDLE, FALSE, &Zero) == STATUS_INVALID_HANDLE);
    status = NtDuplicateObject(ZwCurrentProcess(), handle, ZwCurrentProcess(), &copy, 0, OBJ_KERNEL_HANDLE, DUPLICATE_SAME_ACCESS);
    OUTCOME(NtDuplicateObject, "STATUS_SUCCESS, another handle to the object", status == STATUS_SUCCESS && copy != handle && NtSetEvent(copy, NULL) == STATUS_SUCCESS && NtWaitForSingleObject(handle, FALSE, &Zero) == STATUS_SUCCESS);
    ZwClose(copy);
    OUTCOME(NtDuplicateObject, "STATUS_INVALID_HANDLE", NtDuplicateObject(ZwCurrentProcess(), NO_HANDLE, ZwCurrentProcess(), &copy, 0, 0, DUPLICATE_SAME_ACCESS) == STATUS_INVALID_HANDLE);

    OUTCOME(ZwMakePermanentObject, "STATUS_INVALID_HANDLE", ZwMakePermanentObject(NO_HANDLE) == STATUS_INVALID_HANDLE);
    status = ZwMakePermanentObject(handle);
    ZwClose(handle);
    OUTCOME(ZwMakePermanentObject, "STATUS_SUCCESS, the name stays when the last handle is closed", status == STATUS_SUCCESS && NtCreateEvent(&handle, EVENT_ALL_ACCESS, Named(L"\\KtestEvent", OBJ_OPENIF), NotificationEvent, FALSE) == STATUS_OBJECT_NAME_EXISTS);
    ZwMakeTemporaryObject(handle);
    ZwClose(handle);
}

/* References with tags count like those without. A job's worth of balance: what is taken is given back. */
static VOID Tags(VOID)
{
    HANDLE handle, second = NULL, user = NULL;
    PVOID event = NULL, same = NULL;
    NtCreateEvent(&handle, EVENT_ALL_ACCESS, Named(NULL, 0), NotificationEvent, FALSE);
    NTSTATUS status = ObReferenceObjectByHandleWithTag(handle, EVENT_MODIFY_STATE, *ExEventObjectType, KernelMode, TAG, &event, NULL);
    OUTCOME(ObReferenceObjectByHandleWithTag, "STATUS_SUCCESS, the object with a reference", status == STATUS_SUCCESS && ObGetObjectType(event) == *ExEventObjectType);
    OUTCOME(ObReferenceObjectByHandleWithTag, "STATUS_OBJECT_TYPE_MISMATCH", ObReferenceObjectByHandleWithTag(handle, 0, *PsThreadType, KernelMode, TAG, &same, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ObReferenceObjectByHandleWithTag, "STATUS_INVALID_HANDLE", ObReferenceObjectByHandleWithTag(NO_HANDLE, 0, NULL, KernelMode, TAG, &same, NULL) == STATUS_INVALID_HANDLE);
    ZwDuplicateObject(ZwCurrentProcess(), handle, ZwCurrentProcess(), &user, SYNCHRONIZE, 0, 0);
    OUTCOME(ObReferenceObjectByHandleWithTag, "STATUS_ACCESS_DENIED for an access that a user's handle does not have", ObReferenceObjectByHandleWithTag(user, EVENT_MODIFY_STATE, *ExEventObjectType, UserMode, TAG, &same, NULL) == STATUS_ACCESS_DENIED);
    ZwClose(user);
    LONG_PTR up = ObfReferenceObjectWithTag(event, TAG), more = ObfReferenceObjectWithTag(event, TAG);
    OUTCOME(ObfReferenceObjectWithTag, "one reference more", more == up + 1);
    OUTCOME(ObfDereferenceObjectWithTag, "one reference less", ObfDereferenceObjectWithTag(event, TAG) == up && ObfDereferenceObjectWithTag(event, TAG) == up - 1);
    status = ObReferenceObjectByPointerWithTag(event, 0, *ExEventObjectType, KernelMode, TAG);
    OUTCOME(ObReferenceObjectByPointerWithTag, "STATUS_SUCCESS, one reference more", status == STATUS_SUCCESS && NtDereference(event) == up - 1);
    CHECK(ObfReferenceObjectWithTag(event, TAG) == up && NtDereference(event) == up - 1);
    OUTCOME(ObReferenceObjectByPointerWithTag, "STATUS_OBJECT_TYPE_MISMATCH for another type, and for none in user mode", ObReferenceObjectByPointerWithTag(event, 0, *PsThreadType, KernelMode, TAG) == STATUS_OBJECT_TYPE_MISMATCH && ObReferenceObjectByPointerWithTag(event, 0, NULL, UserMode, TAG) == STATUS_OBJECT_TYPE_MISMATCH);
    status = ObOpenObjectByPointerWithTag(event, OBJ_KERNEL_HANDLE, NULL, EVENT_ALL_ACCESS, *ExEventObjectType, KernelMode, TAG, &second);
    OUTCOME(ObOpenObjectByPointerWithTag, "STATUS_SUCCESS, a handle to the object", status == STATUS_SUCCESS && NtSetEvent(second, NULL) == STATUS_SUCCESS && KeReadStateEvent(event) == 1);
    ZwClose(second);
    OUTCOME(ObOpenObjectByPointerWithTag, "STATUS_OBJECT_TYPE_MISMATCH", ObOpenObjectByPointerWithTag(event, OBJ_KERNEL_HANDLE, NULL, 0, *PsThreadType, KernelMode, TAG, &second) == STATUS_OBJECT_TYPE_MISMATCH);

    /* Put-off deletions: here only the count goes down; the last one is made below, at DISPATCH_LEVEL. */
    ObfReferenceObjectWithTag(event, TAG);
    ObfReferenceObjectWithTag(event, TAG);
    ObDereferenceObjectDeferDelete(event);
    OUTCOME(ObDereferenceObjectDeferDelete, "one reference less", ObfReferenceObjectWithTag(event, TAG) == up + 1);
    ObDereferenceObjectDeferDeleteWithTag(event, TAG);
    OUTCOME(ObDereferenceObjectDeferDeleteWithTag, "one reference less", ObfDereferenceObjectWithTag(event, TAG) == up - 1);
    ZwClose(handle);
    ObDereferenceObjectDeferDelete(event);

    /* A named object is gone once a worker has deleted it: its name can be used again. */
    NtCreateEvent(&handle, EVENT_ALL_ACCESS, Named(L"\\KtestDeferred", 0), NotificationEvent, FALSE);
    ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &event, NULL);
    ZwClose(handle);
    KIRQL old;
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    ObDereferenceObjectDeferDelete(event);
    KeLowerIrql(old);
    SleepMs(20);
    status = NtCreateEvent(&handle, EVENT_ALL_ACCESS, Named(L"\\KtestDeferred", 0), NotificationEvent, FALSE);
    OUTCOME(ObDereferenceObjectDeferDelete, "the last one deletes the object later, also at DISPATCH_LEVEL", status == STATUS_SUCCESS);
    ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &event, NULL);
    ZwClose(handle);
    ObDereferenceObjectDeferDeleteWithTag(event, TAG);
    SleepMs(20);
    status = NtCreateEvent(&handle, EVENT_ALL_ACCESS, Named(L"\\KtestDeferred", 0), NotificationEvent, FALSE);
    OUTCOME(ObDereferenceObjectDeferDeleteWithTag, "the last one deletes the object later", status == STATUS_SUCCESS);
    ZwClose(handle);
}

/* The types: each is an object of the type Type, and objects of it have it. */
static BOOLEAN IsType(POBJECT_TYPE Type)
{
    return Type != NULL && ObGetObjectType(Type) == ObGetObjectType(*PsThreadType);
}

static VOID Types(VOID)
{
    PCALLBACK_OBJECT callback = NULL;
    CHECK(NT_SUCCESS(ExCreateCallback(&callback, Named(NULL, 0), TRUE, TRUE)));
    OUTCOME(ExCallbackObjectType, "the type of callback objects", ObGetObjectType(callback) == *ExCallbackObjectType);
    ObDereferenceObject(callback);
    PCONTROLLER_OBJECT controller = IoCreateController(8);
    OUTCOME(IoControllerObjectType, "the type of controller objects", ObGetObjectType(controller) == *IoControllerObjectType);
    IoDeleteController(controller);
    OUTCOME(PsJobType, "the type of job objects", IsType(*PsJobType) && *PsJobType != *PsProcessType);
    OUTCOME(IoAdapterObjectType, "the type of adapter objects", IsType(*IoAdapterObjectType) && *IoAdapterObjectType != *IoControllerObjectType);
    OUTCOME(IoCompletionObjectType, "the type of completion objects", IsType(*IoCompletionObjectType) && *IoCompletionObjectType != *IoFileObjectType);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("handles");
    Semaphores();
    Mutants();
    Events();
    Tags();
    Types();
    KtestDone();
    return STATUS_SUCCESS;
}
