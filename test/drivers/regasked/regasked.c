/* Registry callbacks hear of what is done through routines that are not the registry's own: key security, names, and the registry routines of the run-time library. */
#include <ntifs.h>
#include "../ktest.h"

NTSYSAPI NTSTATUS NTAPI ZwQuerySecurityObject(HANDLE Handle, SECURITY_INFORMATION SecurityInformation, PSECURITY_DESCRIPTOR SecurityDescriptor, ULONG Length, PULONG LengthNeeded);
NTSYSAPI NTSTATUS NTAPI ZwSetSecurityObject(HANDLE Handle, SECURITY_INFORMATION SecurityInformation, PSECURITY_DESCRIPTOR SecurityDescriptor);

#define PATH L"\\Registry\\Machine\\Software\\KtestAsked"
enum { PreSetValue = 1, PreDeleteValue = 2, PreQueryValue = 8, PreEnumerateValue = 6, PreClose = 14, PreCreateEx = 26, PostCreateEx = 27, PreOpenEx = 28, PreQuerySecurity = 36, PostQuerySecurity, PreSetSecurity, PostSetSecurity,
       PreQueryName = 47, PostQueryName };

static LARGE_INTEGER Cookie;
static ULONG Seen[64];
static ULONG Refuse; /* the class that is answered with STATUS_ACCESS_DENIED; 0 for none */
static PVOID Object;
static SECURITY_INFORMATION Parts;

static NTSTATUS NTAPI Callback(PVOID Context, PVOID Class, PVOID Information)
{
    ULONG class = (ULONG)(ULONG_PTR)Class;
    UNREFERENCED_PARAMETER(Context);
    if (class < 64)
        Seen[class]++;
    if (class == PreQuerySecurity || class == PreSetSecurity || class == PreQueryName)
        Object = *(PVOID *)Information;
    if (class == PreQuerySecurity || class == PreSetSecurity)
        Parts = **(SECURITY_INFORMATION **)((PUCHAR)Information + 8);
    return class == Refuse ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
}

static VOID Forget(VOID)
{
    RtlZeroMemory(Seen, sizeof Seen);
    Object = NULL;
    Parts = 0;
}

/* NtQuerySecurityObject, NtSetSecurityObject and ObQueryNameString of a key. */
static VOID Shared(VOID)
{
    UNICODE_STRING path = RTL_CONSTANT_STRING(PATH);
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    ULONG length;
    static ULONG64 room[128];
    PVOID object;
    InitializeObjectAttributes(&attributes, &path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    ZwCreateKey(&key, KEY_ALL_ACCESS | READ_CONTROL | WRITE_DAC, &attributes, 0, NULL, REG_OPTION_VOLATILE, NULL);
    ObReferenceObjectByHandle(key, 0, *CmKeyObjectType, KernelMode, &object, NULL);
    Forget();
    NTSTATUS status = ZwQuerySecurityObject(key, DACL_SECURITY_INFORMATION, room, sizeof room, &length);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreQueryKeySecurity and RegNtPostQueryKeySecurity", status == STATUS_SUCCESS && length > 0 && Seen[PreQuerySecurity] == 1 && Seen[PostQuerySecurity] == 1 && Object == object && Parts == DACL_SECURITY_INFORMATION);
    status = ZwSetSecurityObject(key, DACL_SECURITY_INFORMATION, room);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreSetKeySecurity and RegNtPostSetKeySecurity", status == STATUS_SUCCESS && Seen[PreSetSecurity] == 1 && Seen[PostSetSecurity] == 1 && Object == object);
    Refuse = PreSetSecurity;
    CHECK(ZwSetSecurityObject(key, DACL_SECURITY_INFORMATION, room) == STATUS_ACCESS_DENIED);
    Refuse = 0;
    Object = NULL;
    POBJECT_NAME_INFORMATION name = (PVOID)room;
    status = ObQueryNameString(object, name, sizeof room, &length);
    OUTCOME(CmRegisterCallbackEx, "RegNtPreQueryKeyName and RegNtPostQueryKeyName", status == STATUS_SUCCESS && RtlEqualUnicodeString(&name->Name, &path, TRUE) && Seen[PreQueryName] == 1 && Seen[PostQueryName] == 1 && Object == object);
    OUTCOME(ObQueryNameString, "the full path of a key", status == STATUS_SUCCESS && RtlEqualUnicodeString(&name->Name, &path, TRUE));
    Refuse = PreQueryName;
    CHECK(ObQueryNameString(object, name, sizeof room, &length) == STATUS_ACCESS_DENIED);
    Refuse = 0;
    /* Another object is none of theirs. */
    Forget();
    ObQueryNameString(PsGetCurrentProcess(), name, sizeof room, &length);
    CHECK(Seen[PreQueryName] == 0);
    ObDereferenceObject(object);
    ZwDeleteKey(key);
    ZwClose(key);
}

/* RtlXxxRegistry goes the way of the system services. */
static VOID RunTimeLibrary(VOID)
{
    ULONG value = 7, got = 0;
    RTL_QUERY_REGISTRY_TABLE table[2];
    RtlZeroMemory(table, sizeof table);
    table[0].Flags = RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_REQUIRED;
    table[0].Name = L"Value";
    table[0].EntryContext = &got;
    Forget();
    BOOLEAN made = RtlCreateRegistryKey(RTL_REGISTRY_ABSOLUTE, PATH) == STATUS_SUCCESS && Seen[PreCreateEx] == 1 && Seen[PreClose] == 1;
    BOOLEAN set = RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, PATH, L"Value", REG_DWORD, &value, 4) == STATUS_SUCCESS && Seen[PreSetValue] == 1;
    BOOLEAN there = RtlCheckRegistryKey(RTL_REGISTRY_ABSOLUTE, PATH) == STATUS_SUCCESS && Seen[PreOpenEx] == 1;
    BOOLEAN read = RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, PATH, table, NULL, NULL) == STATUS_SUCCESS && got == 7 && Seen[PreQueryValue] == 1;
    BOOLEAN gone = RtlDeleteRegistryValue(RTL_REGISTRY_ABSOLUTE, PATH, L"Value") == STATUS_SUCCESS && Seen[PreDeleteValue] == 1;
    OUTCOME(CmRegisterCallbackEx, "the registry routines of the run-time library come as the operations that they are made of", made && set && there && read && gone);
    Refuse = PreSetValue;
    BOOLEAN refused = RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, PATH, L"Value", REG_DWORD, &value, 4) == STATUS_ACCESS_DENIED;
    Refuse = 0;
    CHECK(RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, PATH, table, NULL, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, PATH, L"Value", REG_DWORD, &value, 4);
    got = 0;
    Refuse = PreQueryValue;
    refused &= RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, PATH, table, NULL, NULL) == STATUS_ACCESS_DENIED && got == 0;
    Refuse = PreOpenEx;
    refused &= RtlCheckRegistryKey(RTL_REGISTRY_ABSOLUTE, PATH) == STATUS_ACCESS_DENIED;
    Refuse = 0;
    OUTCOME(CmRegisterCallback, "an error from the callback ends what the run-time library does for a driver", refused);
    OUTCOME(RtlWriteRegistryValue, "a registry callback can refuse it", refused);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING altitude = RTL_CONSTANT_STRING(L"380020"), path = RTL_CONSTANT_STRING(PATH);
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("regasked");
    CHECK(CmRegisterCallbackEx(Callback, &altitude, DriverObject, NULL, &Cookie, NULL) == STATUS_SUCCESS);
    Shared();
    CmUnRegisterCallback(Cookie);
    CHECK(CmRegisterCallback(Callback, NULL, &Cookie) == STATUS_SUCCESS);
    RunTimeLibrary();
    CmUnRegisterCallback(Cookie);
    InitializeObjectAttributes(&attributes, &path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (NT_SUCCESS(ZwOpenKey(&key, KEY_ALL_ACCESS, &attributes)))
    {
        ZwDeleteKey(key);
        ZwClose(key);
    }
    KtestDone();
    return STATUS_SUCCESS;
}
