/* Registry callbacks: which notifications come, in which order, what they may change, and the contexts that they keep. */
#include <ntifs.h>
#include "../ktest.h"

#define ROOT L"\\Registry\\Machine\\Software\\KtestCallback"
NTSTATUS NTAPI ZwRenameKey(HANDLE, PUNICODE_STRING);
VOID NTAPI CmCallbackReleaseKeyObjectIDEx(PCUNICODE_STRING);
NTSTATUS NTAPI CmCallbackGetKeyObjectIDEx(PLARGE_INTEGER, PVOID, PULONG_PTR, PCUNICODE_STRING *, ULONG);

static LARGE_INTEGER HighCookie, LowCookie;
static ULONG Seen[64];     /* how often each class came */
static char Order[8];      /* who was called for the last key that was deleted */
static ULONG Orders;
static NTSTATUS Answer;    /* what the high callback answers to a RegNtPreSetValueKey */
static NTSTATUS PostStatus;
static PVOID CallContextSeen, ObjectContextSeen, CleanedContext;
static BOOLEAN Override, KeepContext, NameRight, IdRight, IdExRight, TransactionNull;
static ULONG_PTR Id1, Id2;

static VOID Identify(PVOID Object)
{
    PCUNICODE_STRING name = NULL, copy = NULL;
    UNICODE_STRING want;
    RtlInitUnicodeString(&want, ROOT);
    IdRight = CmCallbackGetKeyObjectID(&HighCookie, Object, &Id1, &name) == STATUS_SUCCESS && Id1 != 0;
    NameRight = name && RtlEqualUnicodeString(name, &want, TRUE);
    IdExRight = CmCallbackGetKeyObjectIDEx(&HighCookie, Object, &Id2, &copy, 0) == STATUS_SUCCESS && Id2 == Id1 && copy && RtlEqualUnicodeString(copy, &want, TRUE);
    if (copy) CmCallbackReleaseKeyObjectIDEx(copy);
    TransactionNull = CmGetBoundTransaction(&HighCookie, Object) == NULL;
}

static NTSTATUS NTAPI High(PVOID Context, PVOID Class, PVOID Information)
{
    REG_NOTIFY_CLASS class = (REG_NOTIFY_CLASS)(ULONG_PTR)Class;
    CHECK(Context == (PVOID)0x1111);
    if (class < 64) Seen[class]++;
    if (class == RegNtPreDeleteKey || class == RegNtPostDeleteKey) Order[Orders++ % 8] = 'H';
    if (class == RegNtPreSetValueKey)
    {
        PREG_SET_VALUE_KEY_INFORMATION set = Information;
        set->CallContext = (PVOID)0x5a5a;
        ObjectContextSeen = set->ObjectContext;
        if (KeepContext) { Identify(set->Object); CmSetCallbackObjectContext(set->Object, &HighCookie, (PVOID)0x7777, NULL); }
        return Answer;
    }
    if (class == RegNtPostSetValueKey)
    {
        PREG_POST_OPERATION_INFORMATION post = Information;
        PostStatus = post->Status;
        CallContextSeen = post->CallContext;
        if (Override) { post->ReturnStatus = STATUS_DISK_FULL; return STATUS_CALLBACK_BYPASS; }
    }
    if (class == RegNtCallbackObjectContextCleanup) CleanedContext = ((PREG_CALLBACK_CONTEXT_CLEANUP_INFORMATION)Information)->ObjectContext;
    return STATUS_SUCCESS;
}

static ULONG LowSets, LowPosts;
static NTSTATUS LowAnswer;
static NTSTATUS NTAPI Low(PVOID Context, PVOID Class, PVOID Information)
{
    REG_NOTIFY_CLASS class = (REG_NOTIFY_CLASS)(ULONG_PTR)Class;
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Information);
    if (class == RegNtPreDeleteKey || class == RegNtPostDeleteKey) Order[Orders++ % 8] = 'L';
    if (class == RegNtPreSetValueKey) { LowSets++; return LowAnswer; }
    if (class == RegNtPostSetValueKey) LowPosts++;
    return STATUS_SUCCESS;
}

static NTSTATUS Set(HANDLE Key, ULONG Value)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, L"V");
    return ZwSetValueKey(Key, &name, 0, REG_DWORD, &Value, 4);
}
static ULONG Get(HANDLE Key)
{
    UCHAR buffer[32] __attribute__((aligned(8)));
    ULONG length;
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, L"V");
    if (ZwQueryValueKey(Key, &name, KeyValuePartialInformation, buffer, sizeof(buffer), &length) != STATUS_SUCCESS) return 0;
    return *(PULONG)((PKEY_VALUE_PARTIAL_INFORMATION)buffer)->Data;
}

static VOID Operations(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING altitude, name, sub;
    OBJECT_ATTRIBUTES a;
    HANDLE key, child;
    UCHAR buffer[128] __attribute__((aligned(8)));
    ULONG length, disposition, major = 9, minor = 9;
    LARGE_INTEGER other;
    CmGetCallbackVersion(&major, &minor);
    OUTCOME(CmGetCallbackVersion, "gives version 1.1 (or later)", major == 1 && minor >= 1);
    RtlInitUnicodeString(&altitude, L"380010");
    OUTCOME(CmRegisterCallbackEx, "registers a callback", CmRegisterCallbackEx(High, &altitude, DriverObject, (PVOID)0x1111, &HighCookie, NULL) == STATUS_SUCCESS && HighCookie.QuadPart != 0);
    OUTCOME(CmRegisterCallbackEx, "an altitude that is taken: STATUS_FLT_INSTANCE_ALTITUDE_COLLISION", CmRegisterCallbackEx(Low, &altitude, DriverObject, NULL, &other, NULL) == (NTSTATUS)0xC01C0011);
    RtlInitUnicodeString(&altitude, L"380001.5");
    CHECK(CmRegisterCallbackEx(Low, &altitude, DriverObject, NULL, &LowCookie, NULL) == STATUS_SUCCESS);

    RtlInitUnicodeString(&name, ROOT);
    InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    CHECK(ZwCreateKey(&key, KEY_ALL_ACCESS, &a, 0, NULL, REG_OPTION_VOLATILE, &disposition) == STATUS_SUCCESS);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreCreateKeyEx and RegNtPostCreateKeyEx", Seen[RegNtPreCreateKeyEx] == 1 && Seen[RegNtPostCreateKeyEx] == 1);
    CHECK(ZwOpenKey(&child, KEY_READ, &a) == STATUS_SUCCESS);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreOpenKeyEx and RegNtPostOpenKeyEx", Seen[RegNtPreOpenKeyEx] == 1 && Seen[RegNtPostOpenKeyEx] == 1);
    ZwClose(child);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreKeyHandleClose and RegNtPostKeyHandleClose", Seen[RegNtPreKeyHandleClose] == 1 && Seen[RegNtPostKeyHandleClose] == 1);

    CHECK(Set(key, 1) == STATUS_SUCCESS);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreSetValueKey and RegNtPostSetValueKey", Seen[RegNtPreSetValueKey] == 1 && Seen[RegNtPostSetValueKey] == 1 && PostStatus == STATUS_SUCCESS);
    OUTCOME(CmRegisterCallbackEx, "CallContext goes from the pre- to the post-notification", CallContextSeen == (PVOID)0x5a5a);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreQueryValueKey and RegNtPostQueryValueKey", Get(key) == 1 && Seen[RegNtPreQueryValueKey] == 1 && Seen[RegNtPostQueryValueKey] == 1);
    Answer = STATUS_ACCESS_DENIED; LowSets = LowPosts = 0; Seen[RegNtPostSetValueKey] = 0;
    OUTCOME(CmRegisterCallbackEx, "an error from a callback ends the operation with it", Set(key, 2) == STATUS_ACCESS_DENIED && Get(key) == 1);
    OUTCOME(CmRegisterCallbackEx, "callbacks behind one that refuses are not called, nor is that one told of the end", LowSets == 0 && LowPosts == 0 && Seen[RegNtPostSetValueKey] == 0);
    Answer = STATUS_CALLBACK_BYPASS;
    OUTCOME(CmRegisterCallbackEx, "STATUS_CALLBACK_BYPASS ends the operation with success", Set(key, 3) == STATUS_SUCCESS && Get(key) == 1);
    Answer = STATUS_SUCCESS; LowAnswer = STATUS_ACCESS_DENIED; PostStatus = 0;
    OUTCOME(CmRegisterCallbackEx, "a callback before one that refuses is told of the failure", Set(key, 3) == STATUS_ACCESS_DENIED && PostStatus == STATUS_ACCESS_DENIED);
    LowAnswer = STATUS_SUCCESS; Override = TRUE;
    OUTCOME(CmRegisterCallbackEx, "STATUS_CALLBACK_BYPASS from a post-notification replaces the status", Set(key, 4) == STATUS_DISK_FULL && Get(key) == 4);
    Override = FALSE;

    KeepContext = TRUE;
    Set(key, 5);
    KeepContext = FALSE;
    OUTCOME(CmCallbackGetKeyObjectID, "an identity of the key", IdRight);
    OUTCOME(CmCallbackGetKeyObjectID, "the full name of the key", NameRight);
    OUTCOME(CmCallbackGetKeyObjectIDEx, "the same identity, and a copy of the name", IdExRight);
    OUTCOME(CmCallbackReleaseKeyObjectIDEx, "frees the copy", IdExRight);
    OUTCOME(CmGetBoundTransaction, "NULL without a transaction", TransactionNull);
    OUTCOME(CmCallbackGetKeyObjectID, "an object that is no key: STATUS_INVALID_PARAMETER", CmCallbackGetKeyObjectID(&HighCookie, PsGetCurrentProcess(), &Id1, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(CmCallbackGetKeyObjectIDEx, "flags other than 0: STATUS_INVALID_PARAMETER", CmCallbackGetKeyObjectIDEx(&HighCookie, PsGetCurrentProcess(), &Id1, NULL, 1) == STATUS_INVALID_PARAMETER);
    Set(key, 6);
    OUTCOME(CmSetCallbackObjectContext, "later notifications bring the context", ObjectContextSeen == (PVOID)0x7777);
    {
        PVOID object, old = NULL;
        LARGE_INTEGER unknown = {{12345, 0}};
        CHECK(ObReferenceObjectByHandle(key, 0, *CmKeyObjectType, KernelMode, &object, NULL) == STATUS_SUCCESS);
        OUTCOME(CmSetCallbackObjectContext, "returns the context before", CmSetCallbackObjectContext(object, &HighCookie, (PVOID)0x8888, &old) == STATUS_SUCCESS && old == (PVOID)0x7777);
        OUTCOME(CmSetCallbackObjectContext, "an unknown cookie: STATUS_INVALID_PARAMETER", CmSetCallbackObjectContext(object, &unknown, (PVOID)1, NULL) == STATUS_INVALID_PARAMETER);
        ObDereferenceObject(object);
    }

    RtlInitUnicodeString(&sub, L"Sub");
    InitializeObjectAttributes(&a, &sub, OBJ_KERNEL_HANDLE, key, NULL);
    CHECK(ZwCreateKey(&child, KEY_ALL_ACCESS, &a, 0, NULL, REG_OPTION_VOLATILE, NULL) == STATUS_SUCCESS);
    ZwEnumerateKey(key, 0, KeyBasicInformation, buffer, sizeof(buffer), &length);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreEnumerateKey and RegNtPostEnumerateKey", Seen[RegNtPreEnumerateKey] == 1 && Seen[RegNtPostEnumerateKey] == 1);
    ZwEnumerateValueKey(key, 0, KeyValueBasicInformation, buffer, sizeof(buffer), &length);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreEnumerateValueKey and RegNtPostEnumerateValueKey", Seen[RegNtPreEnumerateValueKey] == 1 && Seen[RegNtPostEnumerateValueKey] == 1);
    ZwQueryKey(key, KeyBasicInformation, buffer, sizeof(buffer), &length);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreQueryKey and RegNtPostQueryKey", Seen[RegNtPreQueryKey] == 1 && Seen[RegNtPostQueryKey] == 1);
    ZwFlushKey(key);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreFlushKey and RegNtPostFlushKey", Seen[RegNtPreFlushKey] == 1 && Seen[RegNtPostFlushKey] == 1);
    RtlInitUnicodeString(&sub, L"Other");
    ZwRenameKey(child, &sub);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreRenameKey and RegNtPostRenameKey", Seen[RegNtPreRenameKey] == 1 && Seen[RegNtPostRenameKey] == 1);
    RtlInitUnicodeString(&sub, L"V");
    ZwDeleteValueKey(key, &sub);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreDeleteValueKey and RegNtPostDeleteValueKey", Seen[RegNtPreDeleteValueKey] == 1 && Seen[RegNtPostDeleteValueKey] == 1);
    Orders = 0;
    ZwDeleteKey(child);
    OUTCOME(CmRegisterCallbackEx, "the highest altitude first, and last when it is over", Orders == 4 && Order[0] == 'H' && Order[1] == 'L' && Order[2] == 'L' && Order[3] == 'H');
    OUTCOME(CmRegisterCallbackEx, "RegNtPreDeleteKey and RegNtPostDeleteKey", Seen[RegNtPreDeleteKey] == 1 && Seen[RegNtPostDeleteKey] == 1);
    ZwClose(child);
    ZwDeleteKey(key);
    ZwClose(key);
    OUTCOME(CmSetCallbackObjectContext, "closing the key gives the context back: RegNtCallbackObjectContextCleanup", CleanedContext == (PVOID)0x8888 && Seen[RegNtCallbackObjectContextCleanup] == 1);
    OUTCOME(CmUnRegisterCallback, "takes a callback back", CmUnRegisterCallback(HighCookie) == STATUS_SUCCESS);
    OUTCOME(CmUnRegisterCallback, "an unknown cookie: STATUS_INVALID_PARAMETER", CmUnRegisterCallback(HighCookie) == STATUS_INVALID_PARAMETER);
    RtlZeroMemory(Seen, sizeof(Seen));
    RtlInitUnicodeString(&name, L"\\Registry\\Machine");
    InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwOpenKey(&key, KEY_READ, &a) == STATUS_SUCCESS);
    ZwClose(key);
    OUTCOME(CmUnRegisterCallback, "no more notifications come", Seen[RegNtPreOpenKeyEx] == 0);
    CHECK(CmUnRegisterCallback(LowCookie) == STATUS_SUCCESS);
    OUTCOME(CmRegisterCallback, "registers a callback without an altitude", CmRegisterCallback(High, (PVOID)0x1111, &HighCookie) == STATUS_SUCCESS);
    CHECK(ZwOpenKey(&key, KEY_READ, &a) == STATUS_SUCCESS);
    ZwClose(key);
    OUTCOME(CmRegisterCallback, "the callback is called", Seen[RegNtPreOpenKeyEx] == 1 && Seen[RegNtPostOpenKeyEx] == 1);
    OUTCOME(CmRegisterCallback, "several may be registered", CmRegisterCallback(Low, NULL, &LowCookie) == STATUS_SUCCESS && LowCookie.QuadPart != HighCookie.QuadPart);
    CmUnRegisterCallback(HighCookie);
    CmUnRegisterCallback(LowCookie);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("regcallback");
    Operations(DriverObject);
    KtestDone();
    return STATUS_SUCCESS;
}
