/* Objects and handles: references, types of one's own, names, directories, symbolic links, attributes of handles, who is asked before a process is opened. */
#include <ntifs.h>
#include "../ktest.h"

typedef struct _TYPE_INITIALIZER
{
    USHORT Length, Flags;
    ULONG Code, InvalidAttributes;
    GENERIC_MAPPING Mapping;
    ULONG ValidAccess, RetainAccess, PoolType, Paged, NonPaged;
    PVOID Dump, Open, Close, Delete, Parse, Security, QueryName, OkayToClose;
    ULONG WaitMask;
    USHORT WaitOffset, WaitPointer;
} TYPE_INITIALIZER;
NTSTATUS NTAPI ObCreateObjectType(PUNICODE_STRING, TYPE_INITIALIZER *, PVOID, POBJECT_TYPE *);
NTSTATUS NTAPI ObCreateObject(KPROCESSOR_MODE, POBJECT_TYPE, POBJECT_ATTRIBUTES, KPROCESSOR_MODE, PVOID, ULONG, ULONG, ULONG, PVOID *);
NTSTATUS NTAPI ObOpenObjectByName(POBJECT_ATTRIBUTES, POBJECT_TYPE, KPROCESSOR_MODE, PVOID, ACCESS_MASK, PVOID, PHANDLE);
NTSTATUS NTAPI ObCloseHandle(HANDLE, KPROCESSOR_MODE);
NTSTATUS NTAPI ObSetHandleAttributes(HANDLE, PVOID, KPROCESSOR_MODE);
NTSTATUS NTAPI ZwQuerySecurityObject(HANDLE, SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, ULONG, PULONG);
NTSTATUS NTAPI ZwSetInformationObject(HANDLE, ULONG, PVOID, ULONG);
NTSTATUS NTAPI ZwQueryDirectoryObject(HANDLE, PVOID, ULONG, BOOLEAN, BOOLEAN, PULONG, PULONG);
BOOLEAN NTAPI ObReferenceObjectSafe(PVOID);
POBJECT_TYPE NTAPI ObGetObjectType(PVOID);

#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)

static ULONG Deleted, Closed;
static VOID NTAPI DeleteIt(PVOID Object) { UNREFERENCED_PARAMETER(Object); Deleted++; }
static VOID NTAPI CloseIt(PEPROCESS Process, PVOID Object, ULONG_PTR Count, ULONG_PTR SystemCount)
{
    UNREFERENCED_PARAMETER(Process); UNREFERENCED_PARAMETER(Object); UNREFERENCED_PARAMETER(Count);
    if (SystemCount == 1) Closed++;
}

static VOID Named(POBJECT_ATTRIBUTES Attributes, PUNICODE_STRING Name, PCWSTR Text, HANDLE Directory, ULONG Flags)
{
    RtlInitUnicodeString(Name, Text);
    InitializeObjectAttributes(Attributes, Name, OBJ_KERNEL_HANDLE | Flags, Directory, NULL);
}

/* A type of our own: the delete procedure tells when the last reference is gone. */
static VOID References(VOID)
{
    TYPE_INITIALIZER init;
    POBJECT_TYPE type = NULL;
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a;
    PVOID object, same, named;
    HANDLE handle, second;
    OBJECT_HANDLE_INFORMATION info;
    NTSTATUS status;
    RtlZeroMemory(&init, sizeof(init));
    init.Length = sizeof(init);
    init.ValidAccess = 0x1f0003; init.PoolType = NonPagedPool;
    init.Mapping.GenericRead = 1; init.Mapping.GenericWrite = 2; init.Mapping.GenericAll = 0x1f0003;
    init.Delete = DeleteIt; init.Close = CloseIt;
    RtlInitUnicodeString(&name, L"KtestType");
    OUTCOME(ObCreateObjectType, "makes a type", ObCreateObjectType(&name, &init, NULL, &type) == STATUS_SUCCESS && type);
    OUTCOME(ObCreateObjectType, "a name that is taken: STATUS_OBJECT_NAME_COLLISION", ObCreateObjectType(&name, &init, NULL, &type) == STATUS_OBJECT_NAME_COLLISION);
    init.Length = 4;
    OUTCOME(ObCreateObjectType, "a wrong length: STATUS_INVALID_PARAMETER", ObCreateObjectType(&name, &init, NULL, &type) == STATUS_INVALID_PARAMETER);

    OUTCOME(ObCreateObject, "makes an object with one reference", ObCreateObject(KernelMode, type, NULL, KernelMode, NULL, 16, 0, 0, &object) == STATUS_SUCCESS && ObGetObjectType(object) == type);
    OUTCOME(ObGetObjectType, "the type of an object", ObGetObjectType(PsGetCurrentProcess()) == *PsProcessType);
    OUTCOME(ObfReferenceObject, "returns the new count", ObfReferenceObject(object) == 2);
    OUTCOME(ObfDereferenceObject, "returns the new count", ObfDereferenceObject(object) == 1 && Deleted == 0);
    OUTCOME(ObReferenceObjectByPointer, "takes a reference to an object of the type", ObReferenceObjectByPointer(object, 0, type, KernelMode) == STATUS_SUCCESS && ObfDereferenceObject(object) == 1);
    OUTCOME(ObReferenceObjectByPointer, "another type: STATUS_OBJECT_TYPE_MISMATCH", ObReferenceObjectByPointer(object, 0, *ExEventObjectType, KernelMode) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ObReferenceObjectByPointer, "kernel mode may leave the type open", ObReferenceObjectByPointer(object, 0, NULL, KernelMode) == STATUS_SUCCESS && ObfDereferenceObject(object) == 1);
    OUTCOME(ObReferenceObjectByPointer, "user mode may not", ObReferenceObjectByPointer(object, 0, NULL, UserMode) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ObReferenceObjectSafe, "takes a reference to an object that lives", ObReferenceObjectSafe(object) && ObfDereferenceObject(object) == 1);
    OUTCOME(ObInsertObject, "opens the first handle and gives the creator's reference back", ObInsertObject(object, NULL, GENERIC_READ, 0, NULL, &handle) == STATUS_SUCCESS);
    status = ObReferenceObjectByHandle(handle, 1, type, KernelMode, &same, &info);
    OUTCOME(ObReferenceObjectByHandle, "the object of a handle", status == STATUS_SUCCESS && same == object);
    OUTCOME(ObReferenceObjectByHandle, "says which access was granted", info.GrantedAccess == 1);
    OUTCOME(ObReferenceObjectByHandle, "user mode is held to the granted access: STATUS_ACCESS_DENIED", ObReferenceObjectByHandle(handle, 2, type, UserMode, &same, NULL) != STATUS_SUCCESS);
    OUTCOME(ObReferenceObjectByHandle, "another type: STATUS_OBJECT_TYPE_MISMATCH", ObReferenceObjectByHandle(handle, 1, *ExEventObjectType, KernelMode, &same, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ObReferenceObjectByHandle, "a handle that is none: STATUS_INVALID_HANDLE", ObReferenceObjectByHandle(NO_HANDLE, 1, NULL, KernelMode, &same, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(ObReferenceObjectByHandle, "the pseudo handle of the process", ObReferenceObjectByHandle(ZwCurrentProcess(), 0, *PsProcessType, KernelMode, &same, NULL) == STATUS_SUCCESS && same == PsGetCurrentProcess());
    ObDereferenceObject(same);
    OUTCOME(ObOpenObjectByPointer, "opens a handle to an object", ObOpenObjectByPointer(object, OBJ_KERNEL_HANDLE, NULL, GENERIC_ALL, type, KernelMode, &second) == STATUS_SUCCESS);
    OUTCOME(ObIsKernelHandle, "TRUE for a kernel handle", ObIsKernelHandle(second));
    OUTCOME(ObIsKernelHandle, "FALSE for a handle of a process and for pseudo handles", !ObIsKernelHandle((HANDLE)(ULONG_PTR)4) && !ObIsKernelHandle(ZwCurrentProcess()));
    OUTCOME(ObOpenObjectByPointer, "another type: STATUS_OBJECT_TYPE_MISMATCH", ObOpenObjectByPointer(object, OBJ_KERNEL_HANDLE, NULL, 0, *ExEventObjectType, KernelMode, &handle) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ZwClose, "a handle that is none: STATUS_INVALID_HANDLE", ObCloseHandle(NO_HANDLE, UserMode) == STATUS_INVALID_HANDLE);
    OUTCOME(ObCloseHandle, "a handle that is none: STATUS_INVALID_HANDLE", ObCloseHandle(NO_HANDLE, UserMode) == STATUS_INVALID_HANDLE);
    ObDereferenceObject(object); /* the one of ObReferenceObjectByHandle */
    OUTCOME(ObCloseHandle, "closes a handle", ObCloseHandle(second, KernelMode) == STATUS_SUCCESS && Deleted == 0 && Closed == 0);
    ZwClose(handle);
    OUTCOME(ZwClose, "the last handle: the close procedure, and with the last reference the delete procedure", Closed == 1 && Deleted == 1);

    Named(&a, &name, L"\\KtestObject", NULL, 0);
    CHECK(ObCreateObject(KernelMode, type, &a, KernelMode, NULL, 16, 0, 0, &object) == STATUS_SUCCESS);
    CHECK(ObReferenceObjectByName(&name, 0, NULL, 0, type, KernelMode, NULL, &named) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ObInsertObject, "gives the object the name of its attributes", ObInsertObject(object, NULL, GENERIC_ALL, 0, NULL, &handle) == STATUS_SUCCESS && ObReferenceObjectByName(&name, 0, NULL, 0, type, KernelMode, NULL, &named) == STATUS_SUCCESS && named == object);
    ObDereferenceObject(named);
    OUTCOME(ObReferenceObjectByName, "finds an object by its name", named == object);
    OUTCOME(ObReferenceObjectByName, "a name that there is not: STATUS_OBJECT_NAME_NOT_FOUND", (Named(&a, &name, L"\\KtestNone", NULL, 0), ObReferenceObjectByName(&name, 0, NULL, 0, type, KernelMode, NULL, &named)) == STATUS_OBJECT_NAME_NOT_FOUND);
    Named(&a, &name, L"\\KtestObject", NULL, 0);
    OUTCOME(ObReferenceObjectByName, "another type: STATUS_OBJECT_TYPE_MISMATCH", ObReferenceObjectByName(&name, 0, NULL, 0, *ExEventObjectType, KernelMode, NULL, &named) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ObOpenObjectByName, "opens a handle by name", ObOpenObjectByName(&a, type, KernelMode, NULL, 1, NULL, &second) == STATUS_SUCCESS);
    ZwClose(second);
    CHECK(ObCreateObject(KernelMode, type, &a, KernelMode, NULL, 16, 0, 0, &object) == STATUS_SUCCESS);
    Deleted = 0;
    OUTCOME(ObInsertObject, "a name that is taken: STATUS_OBJECT_NAME_COLLISION, and the object goes", ObInsertObject(object, NULL, 1, 0, NULL, &second) == STATUS_OBJECT_NAME_COLLISION);
    {
        UCHAR room[128] __attribute__((aligned(8)));
        POBJECT_NAME_INFORMATION text = (PVOID)room;
        ULONG length = 0;
        ObReferenceObjectByName(&name, 0, NULL, 0, type, KernelMode, NULL, &named);
        OUTCOME(ObQueryNameString, "the full name of an object", ObQueryNameString(named, text, sizeof(room), &length) == STATUS_SUCCESS && RtlEqualUnicodeString(&text->Name, &name, FALSE));
        OUTCOME(ObQueryNameString, "too small a buffer: STATUS_INFO_LENGTH_MISMATCH and the length", ObQueryNameString(named, text, 4, &length) == STATUS_INFO_LENGTH_MISMATCH && length == 16 + name.Length + 2);
        OUTCOME(ObQueryNameString, "an object without a name: an empty string", ObQueryNameString(PsGetCurrentProcess(), text, sizeof(room), &length) == STATUS_SUCCESS && text->Name.Length == 0);
        ObDereferenceObject(named);
    }
    ZwClose(handle);
    OUTCOME(ZwClose, "the name goes with the last handle", ObReferenceObjectByName(&name, 0, NULL, 0, type, KernelMode, NULL, &named) == STATUS_OBJECT_NAME_NOT_FOUND);
}

static VOID Directories(VOID)
{
    OBJECT_ATTRIBUTES a;
    UNICODE_STRING name, target;
    HANDLE directory, event, again, link;
    UCHAR buffer[512] __attribute__((aligned(8)));
    PUNICODE_STRING entry = (PVOID)buffer;
    ULONG context = 0, length = 0;
    WCHAR text[64];
    Named(&a, &name, L"\\KtestDirectory", NULL, 0);
    OUTCOME(ZwCreateDirectoryObject, "makes a directory", ZwCreateDirectoryObject(&directory, DIRECTORY_ALL_ACCESS, &a) == STATUS_SUCCESS);
    OUTCOME(ZwCreateDirectoryObject, "a name that is taken: STATUS_OBJECT_NAME_COLLISION", ZwCreateDirectoryObject(&again, DIRECTORY_ALL_ACCESS, &a) == STATUS_OBJECT_NAME_COLLISION);
    a.Attributes |= OBJ_OPENIF;
    OUTCOME(ZwCreateDirectoryObject, "with OBJ_OPENIF the one that is there: STATUS_OBJECT_NAME_EXISTS", ZwCreateDirectoryObject(&again, DIRECTORY_ALL_ACCESS, &a) == STATUS_OBJECT_NAME_EXISTS);
    ZwClose(again);
    Named(&a, &name, L"\\KtestNone\\Below", NULL, 0);
    OUTCOME(ZwCreateDirectoryObject, "a path that there is not: STATUS_OBJECT_PATH_NOT_FOUND", ZwCreateDirectoryObject(&again, DIRECTORY_ALL_ACCESS, &a) == STATUS_OBJECT_PATH_NOT_FOUND);
    Named(&a, &name, L"Ktest", NULL, 0);
    OUTCOME(ZwCreateDirectoryObject, "a path without a backslash: STATUS_OBJECT_PATH_SYNTAX_BAD", ZwCreateDirectoryObject(&again, DIRECTORY_ALL_ACCESS, &a) == STATUS_OBJECT_PATH_SYNTAX_BAD);
    a.Length = 3;
    OUTCOME(ZwCreateDirectoryObject, "bad attributes: STATUS_INVALID_PARAMETER", ZwCreateDirectoryObject(&again, DIRECTORY_ALL_ACCESS, &a) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwQueryDirectoryObject, "an empty directory: STATUS_NO_MORE_ENTRIES", ZwQueryDirectoryObject(directory, buffer, sizeof(buffer), TRUE, TRUE, &context, &length) == STATUS_NO_MORE_ENTRIES);
    Named(&a, &name, L"First", directory, 0);
    CHECK(ZwCreateEvent(&event, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE) == STATUS_SUCCESS);
    RtlInitUnicodeString(&target, L"\\KtestDirectory\\First");
    Named(&a, &name, L"Link", directory, 0);
    OUTCOME(ZwCreateSymbolicLinkObject, "makes a link", ZwCreateSymbolicLinkObject(&link, SYMBOLIC_LINK_ALL_ACCESS, &a, &target) == STATUS_SUCCESS);
    OUTCOME(ZwCreateSymbolicLinkObject, "a name that is taken: STATUS_OBJECT_NAME_COLLISION", ZwCreateSymbolicLinkObject(&again, SYMBOLIC_LINK_ALL_ACCESS, &a, &target) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(ZwOpenEvent, "follows symbolic links", ZwOpenEvent(&again, EVENT_ALL_ACCESS, &a) == STATUS_SUCCESS);
    ZwClose(again);
    OUTCOME(ZwOpenSymbolicLinkObject, "opens the link itself", ZwOpenSymbolicLinkObject(&again, GENERIC_READ, &a) == STATUS_SUCCESS);
    target.Buffer = text; target.MaximumLength = sizeof(text);
    OUTCOME(ZwQuerySymbolicLinkObject, "what the link stands for", ZwQuerySymbolicLinkObject(again, &target, &length) == STATUS_SUCCESS && target.Length == 42 && text[1] == L'K');
    target.MaximumLength = 8;
    OUTCOME(ZwQuerySymbolicLinkObject, "too small a buffer: STATUS_BUFFER_TOO_SMALL and the length", ZwQuerySymbolicLinkObject(again, &target, &length) == STATUS_BUFFER_TOO_SMALL && length >= 42);
    OUTCOME(ZwQuerySymbolicLinkObject, "another type: STATUS_OBJECT_TYPE_MISMATCH", ZwQuerySymbolicLinkObject(event, &target, &length) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ZwQuerySymbolicLinkObject, "a handle that is none: STATUS_INVALID_HANDLE", ZwQuerySymbolicLinkObject(NO_HANDLE, &target, &length) == STATUS_INVALID_HANDLE);
    ZwClose(again);
    Named(&a, &name, L"None", directory, 0);
    OUTCOME(ZwOpenSymbolicLinkObject, "a name that there is not: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenSymbolicLinkObject(&again, GENERIC_READ, &a) == STATUS_OBJECT_NAME_NOT_FOUND);
    Named(&a, &name, L"First", directory, 0);
    OUTCOME(ZwOpenSymbolicLinkObject, "another type: STATUS_OBJECT_TYPE_MISMATCH", ZwOpenSymbolicLinkObject(&again, GENERIC_READ, &a) == STATUS_OBJECT_TYPE_MISMATCH);
    context = 0;
    OUTCOME(ZwQueryDirectoryObject, "one entry at a time, with its type", ZwQueryDirectoryObject(directory, buffer, sizeof(buffer), TRUE, TRUE, &context, &length) == STATUS_SUCCESS && context == 1 && entry[1].Length > 0);
    OUTCOME(ZwQueryDirectoryObject, "all entries, an empty one at the end", ZwQueryDirectoryObject(directory, buffer, sizeof(buffer), FALSE, TRUE, &context, &length) == STATUS_SUCCESS && context == 2 && entry[4].Length == 0);
    OUTCOME(ZwQueryDirectoryObject, "after the last: STATUS_NO_MORE_ENTRIES", ZwQueryDirectoryObject(directory, buffer, sizeof(buffer), FALSE, FALSE, &context, &length) == STATUS_NO_MORE_ENTRIES);
    OUTCOME(ZwQueryDirectoryObject, "no room for one: STATUS_BUFFER_TOO_SMALL", ZwQueryDirectoryObject(directory, buffer, 40, TRUE, TRUE, &context, &length) == STATUS_BUFFER_TOO_SMALL);
    Named(&a, &name, L"\\KtestDirectory", NULL, 0);
    OUTCOME(ZwOpenDirectoryObject, "opens a directory", ZwOpenDirectoryObject(&again, DIRECTORY_QUERY, &a) == STATUS_SUCCESS);
    ZwClose(again);
    Named(&a, &name, L"\\KtestDirectory\\First", NULL, 0);
    OUTCOME(ZwOpenDirectoryObject, "another type: STATUS_OBJECT_TYPE_MISMATCH", ZwOpenDirectoryObject(&again, DIRECTORY_QUERY, &a) == STATUS_OBJECT_TYPE_MISMATCH);
    Named(&a, &name, L"\\KtestNone", NULL, 0);
    OUTCOME(ZwOpenDirectoryObject, "a name that there is not: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenDirectoryObject(&again, DIRECTORY_QUERY, &a) == STATUS_OBJECT_NAME_NOT_FOUND);
    ZwClose(link);
    ZwClose(event);
    ZwClose(directory);

    Named(&a, &name, L"\\KtestPermanent", NULL, OBJ_PERMANENT);
    CHECK(ZwCreateDirectoryObject(&directory, DIRECTORY_ALL_ACCESS | DELETE, &a) == STATUS_SUCCESS);
    ZwClose(directory);
    a.Attributes &= ~OBJ_PERMANENT;
    CHECK(ZwOpenDirectoryObject(&directory, DIRECTORY_ALL_ACCESS, &a) == STATUS_SUCCESS);
    OUTCOME(ZwMakeTemporaryObject, "a permanent object loses its name with its last handle", ZwMakeTemporaryObject(directory) == STATUS_SUCCESS && (ZwClose(directory), ZwOpenDirectoryObject(&directory, DIRECTORY_QUERY, &a)) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwMakeTemporaryObject, "a handle that is none: STATUS_INVALID_HANDLE", ZwMakeTemporaryObject(NO_HANDLE) == STATUS_INVALID_HANDLE);
    {
        PVOID object;
        Named(&a, &name, L"\\KtestPermanent", NULL, OBJ_PERMANENT);
        CHECK(ZwCreateDirectoryObject(&directory, DIRECTORY_ALL_ACCESS, &a) == STATUS_SUCCESS);
        CHECK(ObReferenceObjectByHandle(directory, 0, NULL, KernelMode, &object, NULL) == STATUS_SUCCESS);
        ZwClose(directory);
        ObMakeTemporaryObject(object);
        OUTCOME(ObMakeTemporaryObject, "an object without handles loses its name at once", ZwOpenDirectoryObject(&directory, DIRECTORY_QUERY, &a) == STATUS_OBJECT_NAME_NOT_FOUND);
        ObDereferenceObject(object);
    }
    /* Names of events count as they are written, those of directories do not. */
    Named(&a, &name, L"\\BaseNamedObjects\\KtestCase", NULL, 0);
    CHECK(ZwCreateEvent(&event, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE) == STATUS_SUCCESS);
    Named(&a, &name, L"\\BASENAMEDOBJECTS\\ktestcase", NULL, OBJ_CASE_INSENSITIVE);
    OUTCOME(ZwOpenEvent, "OBJ_CASE_INSENSITIVE: whatever the case of the name", ZwOpenEvent(&again, EVENT_ALL_ACCESS, &a) == STATUS_SUCCESS);
    ZwClose(again);
    Named(&a, &name, L"\\BaseNamedObjects\\ktestcase", NULL, 0);
    OUTCOME(ZwOpenEvent, "else a name in another case is not found: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenEvent(&again, EVENT_ALL_ACCESS, &a) == STATUS_OBJECT_NAME_NOT_FOUND);
    ZwClose(event);
}

static VOID Handles(VOID)
{
    OBJECT_ATTRIBUTES a;
    HANDLE event, copy = NULL;
    struct { BOOLEAN Inherit, Protect; } flags = {FALSE, TRUE};
    ULONG length = 0;
    UCHAR buffer[256] __attribute__((aligned(8)));
    PPUBLIC_OBJECT_BASIC_INFORMATION basic = (PVOID)buffer;
    PUBLIC_OBJECT_TYPE_INFORMATION *type = (PVOID)buffer;
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwCreateEvent(&event, EVENT_MODIFY_STATE, &a, NotificationEvent, FALSE) == STATUS_SUCCESS);
    OUTCOME(ObSetHandleAttributes, "protects a handle from being closed", ObSetHandleAttributes(event, &flags, KernelMode) == STATUS_SUCCESS);
    OUTCOME(ZwClose, "a protected handle: STATUS_HANDLE_NOT_CLOSABLE", ZwClose(event) == STATUS_HANDLE_NOT_CLOSABLE);
    OUTCOME(ZwQueryObject, "ObjectHandleFlagInformation", ZwQueryObject(event, 4, buffer, 2, &length) == STATUS_SUCCESS && buffer[0] == 0 && buffer[1] == 1);
    flags.Protect = FALSE;
    OUTCOME(ZwSetInformationObject, "sets the attributes of a handle", ZwSetInformationObject(event, 4, &flags, 2) == STATUS_SUCCESS && ZwQueryObject(event, 4, buffer, 2, &length) == STATUS_SUCCESS && buffer[1] == 0);
    OUTCOME(ZwSetInformationObject, "an unknown class: STATUS_INVALID_INFO_CLASS", ZwSetInformationObject(event, 77, &flags, 2) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ObSetHandleAttributes, "a handle that is none: STATUS_INVALID_HANDLE", ObSetHandleAttributes(NO_HANDLE, &flags, KernelMode) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwQueryObject, "ObjectBasicInformation", ZwQueryObject(event, ObjectBasicInformation, buffer, sizeof(*basic), &length) == STATUS_SUCCESS && basic->GrantedAccess == EVENT_MODIFY_STATE && basic->HandleCount == 1);
    OUTCOME(ZwQueryObject, "ObjectTypeInformation", ZwQueryObject(event, ObjectTypeInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && type->TypeName.Length == 10 && type->TypeName.Buffer[0] == L'E');
    OUTCOME(ZwQueryObject, "too small a buffer: STATUS_INFO_LENGTH_MISMATCH and the length", ZwQueryObject(event, ObjectBasicInformation, buffer, 4, &length) == STATUS_INFO_LENGTH_MISMATCH && length == sizeof(*basic));
    OUTCOME(ZwQueryObject, "an unknown class: STATUS_INVALID_INFO_CLASS", ZwQueryObject(event, 77, buffer, sizeof(buffer), &length) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwQueryObject, "a handle that is none: STATUS_INVALID_HANDLE", ZwQueryObject(NO_HANDLE, ObjectBasicInformation, buffer, sizeof(*basic), &length) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwDuplicateObject, "another handle with the same access", ZwDuplicateObject(ZwCurrentProcess(), event, ZwCurrentProcess(), &copy, 0, OBJ_KERNEL_HANDLE, DUPLICATE_SAME_ACCESS) == STATUS_SUCCESS && ZwQueryObject(copy, ObjectBasicInformation, buffer, sizeof(*basic), &length) == STATUS_SUCCESS && basic->GrantedAccess == EVENT_MODIFY_STATE && basic->HandleCount == 2);
    ZwClose(copy);
    OUTCOME(ZwDuplicateObject, "DUPLICATE_CLOSE_SOURCE closes the source", ZwDuplicateObject(ZwCurrentProcess(), event, ZwCurrentProcess(), &copy, EVENT_ALL_ACCESS, OBJ_KERNEL_HANDLE, DUPLICATE_CLOSE_SOURCE) == STATUS_SUCCESS && ZwQueryObject(copy, ObjectBasicInformation, buffer, sizeof(*basic), &length) == STATUS_SUCCESS && basic->HandleCount == 1 && basic->GrantedAccess == EVENT_ALL_ACCESS);
    ZwClose(copy);
    OUTCOME(ZwDuplicateObject, "a handle that is none: STATUS_INVALID_HANDLE", ZwDuplicateObject(ZwCurrentProcess(), NO_HANDLE, ZwCurrentProcess(), &copy, 0, OBJ_KERNEL_HANDLE, DUPLICATE_SAME_ACCESS) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwDuplicateObject, "a source that is no process: STATUS_OBJECT_TYPE_MISMATCH", ZwDuplicateObject(ZwCurrentThread(), event, ZwCurrentProcess(), &copy, 0, OBJ_KERNEL_HANDLE, DUPLICATE_SAME_ACCESS) == STATUS_OBJECT_TYPE_MISMATCH);
}

/* Security of objects: asked for, changed, and checked when a client's token counts. */
static SID World = {1, 1, {SECURITY_WORLD_SID_AUTHORITY}, {0}};
static SID System = {1, 1, {SECURITY_NT_AUTHORITY}, {18}};
static VOID Security(VOID)
{
    OBJECT_ATTRIBUTES a;
    UNICODE_STRING name;
    SECURITY_DESCRIPTOR sd;
    UCHAR acl[128] __attribute__((aligned(8))), buffer[256] __attribute__((aligned(8)));
    PSECURITY_DESCRIPTOR held = NULL;
    BOOLEAN allocated = TRUE, present, defaulted;
    PACL got = NULL;
    PVOID object;
    HANDLE event, again;
    ULONG length = 0;
    PACCESS_TOKEN own, limited;
    static struct { SID Sid; ULONG Second; } admins = {{1, 2, {SECURITY_NT_AUTHORITY}, {32}}, 544};
    struct { ULONG Count; SID_AND_ATTRIBUTES Groups[2]; } disable = {2, {{&System, 0}, {&admins.Sid, 0}}};
    RtlCreateSecurityDescriptor(&sd, 1);
    RtlCreateAcl((PACL)acl, sizeof(acl), ACL_REVISION);
    RtlAddAccessAllowedAce((PACL)acl, ACL_REVISION, EVENT_QUERY_STATE, &World);
    RtlAddAccessAllowedAce((PACL)acl, ACL_REVISION, EVENT_ALL_ACCESS, &System);
    RtlSetDaclSecurityDescriptor(&sd, TRUE, (PACL)acl, FALSE);
    Named(&a, &name, L"\\BaseNamedObjects\\KtestSecured", NULL, 0);
    a.SecurityDescriptor = &sd;
    CHECK(ZwCreateEvent(&event, EVENT_ALL_ACCESS | ACCESS_SYSTEM_SECURITY, &a, NotificationEvent, FALSE) == STATUS_SUCCESS);
    OUTCOME(ZwQuerySecurityObject, "too small a buffer: STATUS_BUFFER_TOO_SMALL and the length", ZwQuerySecurityObject(event, DACL_SECURITY_INFORMATION, buffer, 0, &length) == STATUS_BUFFER_TOO_SMALL && length > 20);
    OUTCOME(ZwQuerySecurityObject, "the parts that are asked for", ZwQuerySecurityObject(event, DACL_SECURITY_INFORMATION, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && NT_SUCCESS(RtlGetDaclSecurityDescriptor(buffer, &present, &got, &defaulted)) && present && got->AceCount == 2);
    OUTCOME(ZwQuerySecurityObject, "a handle that is none: STATUS_INVALID_HANDLE", ZwQuerySecurityObject(NO_HANDLE, DACL_SECURITY_INFORMATION, buffer, sizeof(buffer), &length) == STATUS_INVALID_HANDLE);
    CHECK(ObReferenceObjectByHandle(event, 0, *ExEventObjectType, KernelMode, &object, NULL) == STATUS_SUCCESS);
    OUTCOME(ObGetObjectSecurity, "the descriptor of an object", ObGetObjectSecurity(object, &held, &allocated) == STATUS_SUCCESS && held && RtlValidSecurityDescriptor(held));
    ObReleaseObjectSecurity(held, allocated);
    OUTCOME(ObReleaseObjectSecurity, "gives it back", ObGetObjectSecurity(object, &held, &allocated) == STATUS_SUCCESS && RtlValidSecurityDescriptor(held));
    ObReleaseObjectSecurity(held, allocated);

    /* A thread that impersonates nobody in particular may query and not modify. */
    own = PsReferencePrimaryToken(PsGetCurrentProcess());
    CHECK(SeFilterToken(own, 1, (PTOKEN_GROUPS)&disable, NULL, NULL, &limited) == STATUS_SUCCESS);
    PsDereferencePrimaryToken(own);
    CHECK(PsImpersonateClient(PsGetCurrentThread(), limited, FALSE, FALSE, SecurityImpersonation) == STATUS_SUCCESS);
    a.SecurityDescriptor = NULL;
    a.Attributes |= OBJ_FORCE_ACCESS_CHECK;
    OUTCOME(ZwOpenEvent, "OBJ_FORCE_ACCESS_CHECK: the access that the DACL grants", ZwOpenEvent(&again, EVENT_QUERY_STATE, &a) == STATUS_SUCCESS);
    ZwClose(again);
    OUTCOME(ZwOpenEvent, "OBJ_FORCE_ACCESS_CHECK: more than that is STATUS_ACCESS_DENIED", ZwOpenEvent(&again, EVENT_MODIFY_STATE, &a) == STATUS_ACCESS_DENIED);
    OUTCOME(ObOpenObjectByPointer, "user mode is checked: STATUS_ACCESS_DENIED", ObOpenObjectByPointer(object, OBJ_KERNEL_HANDLE, NULL, EVENT_MODIFY_STATE, *ExEventObjectType, UserMode, &again) == STATUS_ACCESS_DENIED);
    OUTCOME(ObOpenObjectByPointer, "user mode gets what the DACL grants", ObOpenObjectByPointer(object, OBJ_KERNEL_HANDLE, NULL, MAXIMUM_ALLOWED, *ExEventObjectType, UserMode, &again) == STATUS_SUCCESS);
    ZwClose(again);
    a.Attributes &= ~OBJ_FORCE_ACCESS_CHECK;
    OUTCOME(ZwOpenEvent, "a caller from kernel mode is not checked", ZwOpenEvent(&again, EVENT_ALL_ACCESS, &a) == STATUS_SUCCESS);
    ZwClose(again);
    PsRevertToSelf();

    RtlSetDaclSecurityDescriptor(&sd, TRUE, NULL, FALSE);
    OUTCOME(ZwSetSecurityObject, "changes the parts that are named", ZwSetSecurityObject(event, DACL_SECURITY_INFORMATION, &sd) == STATUS_SUCCESS);
    OUTCOME(ZwSetSecurityObject, "a handle that is none: STATUS_INVALID_HANDLE", ZwSetSecurityObject(NO_HANDLE, DACL_SECURITY_INFORMATION, &sd) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwSetSecurityObject, "an owner without an owner in the descriptor: STATUS_INVALID_OWNER", ZwSetSecurityObject(event, OWNER_SECURITY_INFORMATION, &sd) == STATUS_INVALID_OWNER);
    CHECK(PsImpersonateClient(PsGetCurrentThread(), limited, FALSE, FALSE, SecurityImpersonation) == STATUS_SUCCESS);
    a.Attributes |= OBJ_FORCE_ACCESS_CHECK;
    OUTCOME(ZwOpenEvent, "a null DACL lets everybody in", ZwOpenEvent(&again, EVENT_MODIFY_STATE, &a) == STATUS_SUCCESS);
    ZwClose(again);
    PsRevertToSelf();
    ObDereferenceObject(limited);
    ObDereferenceObject(object);
    ZwClose(event);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwCreateEvent(&event, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE) == STATUS_SUCCESS);
    CHECK(ObReferenceObjectByHandle(event, 0, *ExEventObjectType, KernelMode, &object, NULL) == STATUS_SUCCESS);
    OUTCOME(ObGetObjectSecurity, "NULL for an object without security", ObGetObjectSecurity(object, &held, &allocated) == STATUS_SUCCESS && held == NULL && !allocated);
    OUTCOME(ZwSetSecurityObject, "an object without security: STATUS_NO_SECURITY_ON_OBJECT", ZwSetSecurityObject(event, DACL_SECURITY_INFORMATION, &sd) == STATUS_NO_SECURITY_ON_OBJECT);
    ObDereferenceObject(object);
    ZwClose(event);
}

/* Who is asked before a handle to a process or thread is opened. */
static ULONG PreCalls, PostCalls, DuplicateCalls;
static ACCESS_MASK Strip, PostGranted;
static BOOLEAN ContextsRight, KernelFlag;
static OB_PREOP_CALLBACK_STATUS NTAPI Pre(PVOID Context, POB_PRE_OPERATION_INFORMATION Information)
{
    PreCalls++;
    ContextsRight = Context == (PVOID)0x4242;
    KernelFlag = (BOOLEAN)Information->KernelHandle;
    if (Information->Operation == OB_OPERATION_HANDLE_DUPLICATE) { DuplicateCalls++; Information->Parameters->DuplicateHandleInformation.DesiredAccess &= ~Strip; }
    else Information->Parameters->CreateHandleInformation.DesiredAccess &= ~Strip;
    Information->CallContext = (PVOID)0x1234;
    return OB_PREOP_SUCCESS;
}
static VOID NTAPI Post(PVOID Context, POB_POST_OPERATION_INFORMATION Information)
{
    PostCalls++;
    if (Context != (PVOID)0x4242 || Information->CallContext != (PVOID)0x1234) ContextsRight = FALSE;
    PostGranted = Information->Parameters->CreateHandleInformation.GrantedAccess;
}

static VOID Callbacks(VOID)
{
    OB_OPERATION_REGISTRATION operations[2] = {{PsProcessType, OB_OPERATION_HANDLE_CREATE | OB_OPERATION_HANDLE_DUPLICATE, Pre, Post}, {PsThreadType, OB_OPERATION_HANDLE_CREATE, Pre, NULL}};
    OB_CALLBACK_REGISTRATION registration;
    PVOID cookie = NULL, other = NULL;
    OBJECT_ATTRIBUTES a;
    CLIENT_ID id = {PsGetCurrentProcessId(), NULL};
    HANDLE process, copy;
    UCHAR buffer[64] __attribute__((aligned(8)));
    PPUBLIC_OBJECT_BASIC_INFORMATION basic = (PVOID)buffer;
    registration.Version = OB_FLT_REGISTRATION_VERSION;
    registration.OperationRegistrationCount = 2;
    RtlInitUnicodeString(&registration.Altitude, L"321000");
    registration.RegistrationContext = (PVOID)0x4242;
    registration.OperationRegistration = operations;
    OUTCOME(ObGetFilterVersion, "OB_FLT_REGISTRATION_VERSION", ObGetFilterVersion() == OB_FLT_REGISTRATION_VERSION);
    OUTCOME(ObRegisterCallbacks, "registers callbacks", ObRegisterCallbacks(&registration, &cookie) == STATUS_SUCCESS && cookie);
    OUTCOME(ObRegisterCallbacks, "an altitude that is taken: STATUS_FLT_INSTANCE_ALTITUDE_COLLISION", ObRegisterCallbacks(&registration, &other) == (NTSTATUS)0xC01C0011);
    registration.Version = 5;
    OUTCOME(ObRegisterCallbacks, "an unknown version: STATUS_INVALID_PARAMETER", ObRegisterCallbacks(&registration, &other) == STATUS_INVALID_PARAMETER);
    registration.Version = OB_FLT_REGISTRATION_VERSION;
    operations[0].ObjectType = ExEventObjectType;
    OUTCOME(ObRegisterCallbacks, "a type that does not have callbacks: STATUS_INVALID_PARAMETER", ObRegisterCallbacks(&registration, &other) == STATUS_INVALID_PARAMETER);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    Strip = 1; /* PROCESS_TERMINATE */
    OUTCOME(ZwOpenProcess, "opens the process of an id", ZwOpenProcess(&process, 0x1fffff, &a, &id) == STATUS_SUCCESS);
    OUTCOME(ObRegisterCallbacks, "the pre-operation routine may take access rights away", ZwQueryObject(process, ObjectBasicInformation, buffer, sizeof(*basic), NULL) == STATUS_SUCCESS && basic->GrantedAccess == 0x1ffffe && PreCalls == 1);
    OUTCOME(ObRegisterCallbacks, "the post-operation routine hears what was granted", PostCalls == 1 && PostGranted == 0x1ffffe);
    OUTCOME(ObRegisterCallbacks, "both get the registration's context, and the second the first one's call context", ContextsRight);
    OUTCOME(ObRegisterCallbacks, "kernel handles are marked", KernelFlag);
    OUTCOME(ObRegisterCallbacks, "duplicating a handle is asked for too", ZwDuplicateObject(ZwCurrentProcess(), process, ZwCurrentProcess(), &copy, 0, OBJ_KERNEL_HANDLE, DUPLICATE_SAME_ACCESS) == STATUS_SUCCESS && DuplicateCalls == 1);
    ZwClose(copy);
    ZwClose(process);
    ObUnRegisterCallbacks(cookie);
    PreCalls = 0;
    CHECK(ZwOpenProcess(&process, 0x1fffff, &a, &id) == STATUS_SUCCESS);
    OUTCOME(ObUnRegisterCallbacks, "the callbacks are not called any more", PreCalls == 0);
    ZwClose(process);
    id.UniqueProcess = (HANDLE)(ULONG_PTR)0x7fff0;
    OUTCOME(ZwOpenProcess, "an id that nobody has: STATUS_INVALID_CID", ZwOpenProcess(&process, 0x1fffff, &a, &id) == STATUS_INVALID_CID);
    OUTCOME(ZwOpenProcess, "neither an id nor a name: STATUS_INVALID_PARAMETER_MIX", ZwOpenProcess(&process, 0x1fffff, &a, NULL) == STATUS_INVALID_PARAMETER_MIX);
    id.UniqueProcess = NULL; id.UniqueThread = PsGetCurrentThreadId();
    OUTCOME(ZwOpenProcess, "the process of a thread", ZwOpenProcess(&process, 0x1fffff, &a, &id) == STATUS_SUCCESS);
    ZwClose(process);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("objects");
    References();
    Directories();
    Handles();
    Security();
    Callbacks();
    KtestDone();
    return STATUS_SUCCESS;
}
