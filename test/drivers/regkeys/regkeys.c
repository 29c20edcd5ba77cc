/* Registry keys and values through the Zw services: opening and creating, the information classes and their buffer rules, enumeration, links, volatile keys, change notification. */
#include <ntifs.h>
#include "../ktest.h"

#define ROOT L"\\Registry\\Machine\\Software\\KtestKeys"
NTSTATUS NTAPI ZwRenameKey(HANDLE, PUNICODE_STRING);
typedef struct { ULONG NameLength; WCHAR Name[1]; } NAME_INFORMATION;

static HANDLE Root;

static VOID Init(POBJECT_ATTRIBUTES Attributes, PUNICODE_STRING Name, PCWSTR Text, HANDLE Directory, ULONG Flags)
{
    RtlInitUnicodeString(Name, Text);
    InitializeObjectAttributes(Attributes, Name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE | Flags, Directory, NULL);
}
static NTSTATUS Create(PHANDLE Key, HANDLE Directory, PCWSTR Text, ULONG Options, PULONG Disposition)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a;
    Init(&a, &name, Text, Directory, 0);
    return ZwCreateKey(Key, KEY_ALL_ACCESS, &a, 0, NULL, Options, Disposition);
}
static NTSTATUS Open(PHANDLE Key, HANDLE Directory, PCWSTR Text, ULONG Flags)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a;
    Init(&a, &name, Text, Directory, Flags);
    return ZwOpenKey(Key, KEY_ALL_ACCESS, &a);
}
static NTSTATUS Set(HANDLE Key, PCWSTR Text, ULONG Type, const void * Data, ULONG Size)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, Text);
    return ZwSetValueKey(Key, &name, 0, Type, (PVOID)Data, Size);
}

static VOID Opening(VOID)
{
    HANDLE key, sub;
    ULONG disposition = 0;
    OBJECT_ATTRIBUTES a;
    UNICODE_STRING name;
    OUTCOME(ZwCreateKey, "a new key: REG_CREATED_NEW_KEY", Create(&Root, NULL, ROOT, REG_OPTION_VOLATILE, &disposition) == STATUS_SUCCESS && disposition == REG_CREATED_NEW_KEY);
    OUTCOME(ZwCreateKey, "a key that exists: REG_OPENED_EXISTING_KEY", Create(&key, NULL, ROOT, REG_OPTION_VOLATILE, &disposition) == STATUS_SUCCESS && disposition == REG_OPENED_EXISTING_KEY);
    ZwClose(key);
    OUTCOME(ZwCreateKey, "relative to RootDirectory", Create(&sub, Root, L"Sub", REG_OPTION_VOLATILE, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwCreateKey, "a path of which more than the last key is missing: STATUS_OBJECT_NAME_NOT_FOUND", Create(&key, Root, L"None\\Below", REG_OPTION_VOLATILE, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwCreateKey, "a stable key below a volatile one: STATUS_CHILD_MUST_BE_VOLATILE", Create(&key, Root, L"Stable", REG_OPTION_NON_VOLATILE, NULL) == STATUS_CHILD_MUST_BE_VOLATILE);
    OUTCOME(ZwCreateKey, "unknown options: STATUS_INVALID_PARAMETER", Create(&key, Root, L"X", 0x1000, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(InitializeObjectAttributes, "describes a name below a directory", (Init(&a, &name, L"Sub", Root, 0), a.Length == sizeof(a) && a.RootDirectory == Root && a.ObjectName == &name && a.SecurityDescriptor == NULL));
    OUTCOME(ZwOpenKey, "opens a key that exists", Open(&key, NULL, ROOT, 0) == STATUS_SUCCESS);
    ZwClose(key);
    OUTCOME(ZwOpenKey, "whatever the case of its name", Open(&key, Root, L"sUB", 0) == STATUS_SUCCESS);
    ZwClose(key);
    OUTCOME(ZwOpenKey, "a key that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", Open(&key, Root, L"None", 0) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwOpenKey, "a handle that is none: STATUS_INVALID_HANDLE", Open(&key, (HANDLE)(ULONG_PTR)0x7ffff0, L"Sub", 0) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwOpenKey, "an object that is no key: STATUS_OBJECT_TYPE_MISMATCH", Open(&key, NULL, L"\\Device", 0) == STATUS_OBJECT_TYPE_MISMATCH);
    Init(&a, &name, ROOT, NULL, 0);
    OUTCOME(ZwOpenKeyEx, "opens a key that exists", ZwOpenKeyEx(&key, KEY_READ, &a, 0) == STATUS_SUCCESS);
    ZwClose(key);
    OUTCOME(ZwOpenKeyEx, "unknown options: STATUS_INVALID_PARAMETER", ZwOpenKeyEx(&key, KEY_READ, &a, 0x1000) == STATUS_INVALID_PARAMETER);
    Init(&a, &name, ROOT L"\\None", NULL, 0);
    OUTCOME(ZwOpenKeyEx, "a key that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenKeyEx(&key, KEY_READ, &a, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwFlushKey, "returns STATUS_SUCCESS", ZwFlushKey(sub) == STATUS_SUCCESS);
    OUTCOME(ZwFlushKey, "a handle that is none: STATUS_INVALID_HANDLE", ZwFlushKey((HANDLE)(ULONG_PTR)0x7ffff0) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwDeleteKey, "deletes a key", ZwDeleteKey(sub) == STATUS_SUCCESS && Open(&key, Root, L"Sub", 0) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwSetValueKey, "a key that was deleted: STATUS_KEY_DELETED", Set(sub, L"a", REG_SZ, L"", 2) == STATUS_KEY_DELETED);
    ZwClose(sub);
    CHECK(Create(&sub, Root, L"Sub", REG_OPTION_VOLATILE, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwDeleteKey, "a key with subkeys: STATUS_CANNOT_DELETE", ZwDeleteKey(Root) == STATUS_CANNOT_DELETE);
    OUTCOME(ZwDeleteKey, "a handle that is none: STATUS_INVALID_HANDLE", ZwDeleteKey((HANDLE)(ULONG_PTR)0x7ffff0) == STATUS_INVALID_HANDLE);
    ZwDeleteKey(sub);
    OUTCOME(ZwClose, "closes a handle", ZwClose(sub) == STATUS_SUCCESS);
    OUTCOME(ZwOpenKey, "OBJ_FORCE_ACCESS_CHECK checks the caller's token", Open(&key, NULL, ROOT, OBJ_FORCE_ACCESS_CHECK) == STATUS_SUCCESS);
    ZwClose(key);
}

static VOID Values(VOID)
{
    UCHAR buffer[256] __attribute__((aligned(8)));
    PKEY_VALUE_PARTIAL_INFORMATION partial = (PVOID)buffer;
    PKEY_VALUE_FULL_INFORMATION full = (PVOID)buffer;
    PKEY_VALUE_BASIC_INFORMATION basic = (PVOID)buffer;
    UNICODE_STRING name, none;
    ULONG length = 0, dword = 0x12345678;
    RtlInitUnicodeString(&name, L"Number");
    RtlInitUnicodeString(&none, L"None");
    OUTCOME(ZwSetValueKey, "makes a value", Set(Root, L"Number", REG_DWORD, &dword, 4) == STATUS_SUCCESS);
    OUTCOME(ZwQueryValueKey, "KeyValuePartialInformation", ZwQueryValueKey(Root, &name, KeyValuePartialInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && partial->Type == REG_DWORD && partial->DataLength == 4 && *(PULONG)partial->Data == dword && length == 16);
    OUTCOME(ZwQueryValueKey, "KeyValueFullInformation", ZwQueryValueKey(Root, &name, KeyValueFullInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && full->NameLength == 12 && full->DataLength == 4 && *(PULONG)(buffer + full->DataOffset) == dword);
    OUTCOME(ZwQueryValueKey, "KeyValueBasicInformation", ZwQueryValueKey(Root, &name, KeyValueBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && basic->NameLength == 12 && basic->Name[0] == L'N');
    OUTCOME(ZwQueryValueKey, "room for the fixed part only: STATUS_BUFFER_OVERFLOW and the length", ZwQueryValueKey(Root, &name, KeyValuePartialInformation, buffer, 12, &length) == STATUS_BUFFER_OVERFLOW && length == 16);
    OUTCOME(ZwQueryValueKey, "not even that: STATUS_BUFFER_TOO_SMALL and the length", ZwQueryValueKey(Root, &name, KeyValuePartialInformation, buffer, 4, &length) == STATUS_BUFFER_TOO_SMALL && length == 16);
    OUTCOME(ZwQueryValueKey, "a value that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", ZwQueryValueKey(Root, &none, KeyValuePartialInformation, buffer, sizeof(buffer), &length) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwQueryValueKey, "an unknown class: STATUS_INVALID_PARAMETER", ZwQueryValueKey(Root, &name, 77, buffer, sizeof(buffer), &length) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwQueryValueKey, "a handle that is none: STATUS_INVALID_HANDLE", ZwQueryValueKey((HANDLE)(ULONG_PTR)0x7ffff0, &name, KeyValuePartialInformation, buffer, sizeof(buffer), &length) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwSetValueKey, "replaces data and type", Set(Root, L"nUMBER", REG_SZ, L"text", 10) == STATUS_SUCCESS && ZwQueryValueKey(Root, &name, KeyValuePartialInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && partial->Type == REG_SZ && partial->DataLength == 10);
    OUTCOME(ZwSetValueKey, "a handle that is none: STATUS_INVALID_HANDLE", Set((HANDLE)(ULONG_PTR)0x7ffff0, L"a", REG_SZ, L"", 2) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwSetValueKey, "an empty name sets the default value", Set(Root, L"", REG_SZ, L"d", 4) == STATUS_SUCCESS);
    OUTCOME(ZwEnumerateValueKey, "the n-th value", ZwEnumerateValueKey(Root, 0, KeyValueBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && basic->Type == REG_SZ);
    OUTCOME(ZwEnumerateValueKey, "beyond the last: STATUS_NO_MORE_ENTRIES", ZwEnumerateValueKey(Root, 2, KeyValueBasicInformation, buffer, sizeof(buffer), &length) == STATUS_NO_MORE_ENTRIES);
    OUTCOME(ZwEnumerateValueKey, "room for the fixed part only: STATUS_BUFFER_OVERFLOW", ZwEnumerateValueKey(Root, 0, KeyValueBasicInformation, buffer, 12, &length) == STATUS_BUFFER_OVERFLOW);
    OUTCOME(ZwEnumerateValueKey, "not even that: STATUS_BUFFER_TOO_SMALL", ZwEnumerateValueKey(Root, 0, KeyValueFullInformation, buffer, 12, &length) == STATUS_BUFFER_TOO_SMALL);
    OUTCOME(ZwEnumerateValueKey, "an unknown class: STATUS_INVALID_PARAMETER", ZwEnumerateValueKey(Root, 0, 77, buffer, sizeof(buffer), &length) == STATUS_INVALID_PARAMETER);
    {
        struct { PUNICODE_STRING Name; ULONG Length, Offset, Type; } entry = {&name, 0, 0, 0};
        length = sizeof(buffer);
        OUTCOME(ZwQueryMultipleValueKey, "reads several values at once", ZwQueryMultipleValueKey(Root, (PVOID)&entry, 1, buffer, &length, NULL) == STATUS_SUCCESS && entry.Length == 10 && entry.Type == REG_SZ);
        length = 4;
        OUTCOME(ZwQueryMultipleValueKey, "a buffer that is too small: STATUS_BUFFER_OVERFLOW and the length", ZwQueryMultipleValueKey(Root, (PVOID)&entry, 1, buffer, &length, &dword) == STATUS_BUFFER_OVERFLOW && dword == 12);
    }
    OUTCOME(ZwDeleteValueKey, "deletes a value", ZwDeleteValueKey(Root, &name) == STATUS_SUCCESS && ZwQueryValueKey(Root, &name, KeyValuePartialInformation, buffer, sizeof(buffer), &length) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwDeleteValueKey, "a value that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", ZwDeleteValueKey(Root, &name) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwDeleteValueKey, "a handle that is none: STATUS_INVALID_HANDLE", ZwDeleteValueKey((HANDLE)(ULONG_PTR)0x7ffff0, &name) == STATUS_INVALID_HANDLE);
}

/* A driver asks for the length, allocates that much, and asks again. */
static BOOLEAN AsksEnough(HANDLE key)
{
    static UCHAR exact[256];
    for (KEY_INFORMATION_CLASS class = KeyBasicInformation; class <= KeyFullInformation; class ++)
    {
        ULONG length = 0, again = 0;
        if (ZwQueryKey(key, class, NULL, 0, &length) != STATUS_BUFFER_TOO_SMALL || length > sizeof(exact)) return FALSE;
        if (ZwQueryKey(key, class, exact, length, &again) != STATUS_SUCCESS || again != length) return FALSE;
    }
    PKEY_FULL_INFORMATION full = (PVOID)exact;
    return full->ClassLength == 0 || (full->ClassOffset == FIELD_OFFSET(KEY_FULL_INFORMATION, Class) && full->Class[0] == L'K');
}

static VOID Information(VOID)
{
    UCHAR buffer[512] __attribute__((aligned(8)));
    PKEY_BASIC_INFORMATION basic = (PVOID)buffer;
    PKEY_FULL_INFORMATION full = (PVOID)buffer;
    PKEY_NODE_INFORMATION node = (PVOID)buffer;
    NAME_INFORMATION *path = (PVOID)buffer;
    ULONG length;
    HANDLE a, b;
    OBJECT_ATTRIBUTES oa;
    UNICODE_STRING name, class;
    CHECK(Create(&b, Root, L"Beta", REG_OPTION_VOLATILE, NULL) == STATUS_SUCCESS);
    Init(&oa, &name, L"Alpha", Root, 0);
    RtlInitUnicodeString(&class, L"Kind");
    OUTCOME(ZwCreateKey, "keeps the class of the key", ZwCreateKey(&a, KEY_ALL_ACCESS, &oa, 0, &class, REG_OPTION_VOLATILE, NULL) == STATUS_SUCCESS && ZwQueryKey(a, KeyNodeInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && node->ClassLength == 8 && node->NameLength == 10);
    OUTCOME(ZwQueryKey, "KeyNodeInformation", RtlCompareMemory(buffer + node->ClassOffset, L"Kind", 8) == 8);
    OUTCOME(ZwQueryKey, "KeyBasicInformation", ZwQueryKey(a, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && basic->NameLength == 10 && basic->Name[0] == L'A' && basic->LastWriteTime.QuadPart != 0);
    OUTCOME(ZwQueryKey, "KeyFullInformation", ZwQueryKey(Root, KeyFullInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && full->SubKeys == 2 && full->MaxNameLen == 10 && full->MaxClassLen == 8 && full->Values == 1);
    OUTCOME(ZwQueryKey, "the length that it asks for is enough, with a class and without", AsksEnough(a) && AsksEnough(Root));
    OUTCOME(ZwQueryKey, "KeyNameInformation", ZwQueryKey(a, KeyNameInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && path->NameLength > 30 && path->Name[0] == L'\\');
    OUTCOME(ZwQueryKey, "room for the fixed part only: STATUS_BUFFER_OVERFLOW and the length", ZwQueryKey(a, KeyBasicInformation, buffer, 16, &length) == STATUS_BUFFER_OVERFLOW && length == 26);
    OUTCOME(ZwQueryKey, "not even that: STATUS_BUFFER_TOO_SMALL and the length", ZwQueryKey(a, KeyBasicInformation, buffer, 8, &length) == STATUS_BUFFER_TOO_SMALL && length == 26);
    OUTCOME(ZwQueryKey, "an unknown class: STATUS_INVALID_PARAMETER", ZwQueryKey(a, 99, buffer, sizeof(buffer), &length) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwQueryKey, "a handle that is none: STATUS_INVALID_HANDLE", ZwQueryKey((HANDLE)(ULONG_PTR)0x7ffff0, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwEnumerateKey, "subkeys in the order of their names", ZwEnumerateKey(Root, 0, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && basic->Name[0] == L'A' && ZwEnumerateKey(Root, 1, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && basic->Name[0] == L'B');
    OUTCOME(ZwEnumerateKey, "beyond the last: STATUS_NO_MORE_ENTRIES", ZwEnumerateKey(Root, 2, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_NO_MORE_ENTRIES);
    OUTCOME(ZwEnumerateKey, "room for the fixed part only: STATUS_BUFFER_OVERFLOW", ZwEnumerateKey(Root, 0, KeyBasicInformation, buffer, 16, &length) == STATUS_BUFFER_OVERFLOW);
    OUTCOME(ZwEnumerateKey, "not even that: STATUS_BUFFER_TOO_SMALL", ZwEnumerateKey(Root, 0, KeyBasicInformation, buffer, 8, &length) == STATUS_BUFFER_TOO_SMALL);
    OUTCOME(ZwEnumerateKey, "an unknown class: STATUS_INVALID_PARAMETER", ZwEnumerateKey(Root, 0, 99, buffer, sizeof(buffer), &length) == STATUS_INVALID_PARAMETER);
    RtlInitUnicodeString(&name, L"Gamma");
    OUTCOME(ZwRenameKey, "gives a key another name", ZwRenameKey(a, &name) == STATUS_SUCCESS && ZwQueryKey(a, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && basic->Name[0] == L'G');
    RtlInitUnicodeString(&name, L"Beta");
    OUTCOME(ZwRenameKey, "a name that is taken: STATUS_CANNOT_DELETE", ZwRenameKey(a, &name) == STATUS_CANNOT_DELETE);
    RtlInitUnicodeString(&name, L"A\\B");
    OUTCOME(ZwRenameKey, "a name that is a path: STATUS_INVALID_PARAMETER", ZwRenameKey(a, &name) == STATUS_INVALID_PARAMETER);
    ZwDeleteKey(a); ZwDeleteKey(b);
    ZwClose(a); ZwClose(b);
}

/* A link is a key whose one value leads elsewhere; opening it opens what it leads to. */
static VOID Links(VOID)
{
    HANDLE link, target, found;
    UCHAR buffer[256] __attribute__((aligned(8)));
    PKEY_BASIC_INFORMATION basic = (PVOID)buffer;
    ULONG length, one = 1;
    static const WCHAR to[] = ROOT L"\\Target";
    CHECK(Create(&target, Root, L"Target", REG_OPTION_VOLATILE, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwCreateKey, "REG_OPTION_CREATE_LINK makes a symbolic link", Create(&link, Root, L"Link", REG_OPTION_VOLATILE | REG_OPTION_CREATE_LINK, NULL) == STATUS_SUCCESS && Set(link, L"SymbolicLinkValue", REG_LINK, to, sizeof(to) - 2) == STATUS_SUCCESS);
    OUTCOME(ZwSetValueKey, "a link takes no other values: STATUS_ACCESS_DENIED", Set(link, L"Other", REG_DWORD, &one, 4) == STATUS_ACCESS_DENIED);
    OUTCOME(ZwOpenKey, "follows symbolic links", Open(&found, Root, L"Link", 0) == STATUS_SUCCESS && ZwQueryKey(found, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && basic->Name[0] == L'T');
    ZwClose(found);
    OUTCOME(ZwOpenKey, "OBJ_OPENLINK opens the link itself", Open(&found, Root, L"Link", OBJ_OPENLINK) == STATUS_SUCCESS && ZwQueryKey(found, KeyBasicInformation, buffer, sizeof(buffer), &length) == STATUS_SUCCESS && basic->Name[0] == L'L');
    ZwClose(found);
    ZwDeleteKey(link); ZwClose(link);
    ZwDeleteKey(target); ZwClose(target);
}

static WORK_QUEUE_ITEM Item;
static KEVENT Worked;
static VOID NTAPI Work(PVOID Context) { KeSetEvent((PKEVENT)Context, 0, FALSE); }

static VOID Notification(VOID)
{
    IO_STATUS_BLOCK iosb;
    HANDLE event, watch, sub = NULL;
    ULONG value = 5;
    LARGE_INTEGER now = {{0, 0}};
    OBJECT_ATTRIBUTES oa;
    UNICODE_STRING name;
    InitializeObjectAttributes(&oa, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwCreateEvent(&event, EVENT_ALL_ACCESS, &oa, NotificationEvent, FALSE) == STATUS_SUCCESS);
    CHECK(Open(&watch, NULL, ROOT, 0) == STATUS_SUCCESS);
    OUTCOME(ZwNotifyChangeKey, "asynchronous: STATUS_PENDING", ZwNotifyChangeKey(watch, event, NULL, NULL, &iosb, REG_NOTIFY_CHANGE_LAST_SET, FALSE, NULL, 0, TRUE) == STATUS_PENDING && ZwWaitForSingleObject(event, FALSE, &now) == STATUS_TIMEOUT);
    Set(Root, L"V", REG_DWORD, &value, 4);
    OUTCOME(ZwNotifyChangeKey, "a value that changes sets the event, STATUS_NOTIFY_ENUM_DIR", ZwWaitForSingleObject(event, FALSE, &now) == STATUS_SUCCESS && iosb.Status == STATUS_NOTIFY_ENUM_DIR);
    CHECK(ZwNotifyChangeKey(watch, event, NULL, NULL, &iosb, REG_NOTIFY_CHANGE_NAME, TRUE, NULL, 0, TRUE) == STATUS_PENDING);
    Set(Root, L"V", REG_DWORD, &value, 4);
    OUTCOME(ZwNotifyChangeKey, "only what the filter names counts", ZwWaitForSingleObject(event, FALSE, &now) == STATUS_TIMEOUT);
    CHECK(Create(&sub, Root, L"Watched", REG_OPTION_VOLATILE, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwNotifyChangeKey, "a new subkey sets the event", ZwWaitForSingleObject(event, FALSE, &now) == STATUS_SUCCESS);
    CHECK(ZwNotifyChangeKey(watch, event, NULL, NULL, &iosb, REG_NOTIFY_CHANGE_LAST_SET, TRUE, NULL, 0, TRUE) == STATUS_PENDING);
    Set(sub, L"V", REG_DWORD, &value, 4);
    OUTCOME(ZwNotifyChangeKey, "WatchTree: a change further down counts", ZwWaitForSingleObject(event, FALSE, &now) == STATUS_SUCCESS);
    CHECK(ZwNotifyChangeKey(watch, event, NULL, NULL, &iosb, REG_NOTIFY_CHANGE_LAST_SET, FALSE, NULL, 0, TRUE) == STATUS_PENDING);
    Set(sub, L"V", REG_DWORD, &value, 4);
    OUTCOME(ZwNotifyChangeKey, "without WatchTree it does not", ZwWaitForSingleObject(event, FALSE, &now) == STATUS_TIMEOUT);
    ZwClose(watch);
    OUTCOME(ZwNotifyChangeKey, "closing the key ends it: STATUS_NOTIFY_CLEANUP", ZwWaitForSingleObject(event, FALSE, &now) == STATUS_SUCCESS && iosb.Status == STATUS_NOTIFY_CLEANUP);
    KeInitializeEvent(&Worked, NotificationEvent, FALSE);
    ExInitializeWorkItem(&Item, Work, &Worked);
    OUTCOME(ZwNotifyChangeKey, "a work item is queued for a caller from kernel mode", ZwNotifyChangeKey(Root, NULL, (PIO_APC_ROUTINE)(PVOID)&Item, (PVOID)(ULONG_PTR)DelayedWorkQueue, &iosb, REG_NOTIFY_CHANGE_LAST_SET, FALSE, NULL, 0, TRUE) == STATUS_PENDING && NT_SUCCESS(Set(Root, L"V", REG_DWORD, &value, 4)) && KeWaitForSingleObject(&Worked, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwNotifyChangeKey, "no filter: STATUS_INVALID_PARAMETER", ZwNotifyChangeKey(Root, event, NULL, NULL, &iosb, 0, FALSE, NULL, 0, TRUE) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwNotifyChangeKey, "a handle that is none: STATUS_INVALID_HANDLE", ZwNotifyChangeKey((HANDLE)(ULONG_PTR)0x7ffff0, event, NULL, NULL, &iosb, 4, FALSE, NULL, 0, TRUE) == STATUS_INVALID_HANDLE);
    RtlInitUnicodeString(&name, L"V");
    ZwDeleteValueKey(Root, &name);
    ZwDeleteKey(sub); ZwClose(sub);
    ZwClose(event);
}

/* The time of the last change, which a program that copies keys sets itself. */
static VOID Times(VOID)
{
    LARGE_INTEGER then, now;
    UCHAR buffer[256] __attribute__((aligned(8)));
    PKEY_BASIC_INFORMATION basic = (PVOID)buffer;
    HANDLE reader, process = ZwCurrentProcess();
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a;
    ULONG length;
    then.QuadPart = 0x01D0000012345678LL;
    KeQuerySystemTime(&now);
    CHECK(ZwQueryKey(Root, KeyBasicInformation, buffer, sizeof buffer, &length) == STATUS_SUCCESS && basic->LastWriteTime.QuadPart != then.QuadPart);
    NTSTATUS status = ZwSetInformationKey(Root, KeyWriteTimeInformation, &then, sizeof then);
    CHECK(ZwQueryKey(Root, KeyBasicInformation, buffer, sizeof buffer, &length) == STATUS_SUCCESS);
    OUTCOME(ZwSetInformationKey, "STATUS_SUCCESS, KeyWriteTimeInformation: the key was changed then", status == STATUS_SUCCESS && basic->LastWriteTime.QuadPart == then.QuadPart);
    OUTCOME(ZwSetInformationKey, "STATUS_INFO_LENGTH_MISMATCH for a wrong length", ZwSetInformationKey(Root, KeyWriteTimeInformation, &now, 4) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwSetInformationKey, "STATUS_INVALID_INFO_CLASS for a class that there is not", ZwSetInformationKey(Root, 999, &now, sizeof now) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwSetInformationKey, "STATUS_INVALID_HANDLE for what is no handle", ZwSetInformationKey((HANDLE)(ULONG_PTR)0x7ffff0, KeyWriteTimeInformation, &now, sizeof now) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwSetInformationKey, "STATUS_OBJECT_TYPE_MISMATCH for what is no key", ZwSetInformationKey(process, KeyWriteTimeInformation, &now, sizeof now) == STATUS_OBJECT_TYPE_MISMATCH);
    Init(&a, &name, ROOT, NULL, 0);
    CHECK(ZwOpenKey(&reader, KEY_READ, &a) == STATUS_SUCCESS);
    ZwClose(reader);
    CHECK(ZwQueryKey(Root, KeyBasicInformation, buffer, sizeof buffer, &length) == STATUS_SUCCESS && basic->LastWriteTime.QuadPart == then.QuadPart);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("regkeys");
    Opening();
    Values();
    Information();
    Links();
    Notification();
    Times();
    CHECK(ZwDeleteKey(Root) == STATUS_SUCCESS);
    ZwClose(Root);
    KtestDone();
    return STATUS_SUCCESS;
}
