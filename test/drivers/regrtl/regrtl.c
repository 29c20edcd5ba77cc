/* The registry as the run-time library has it (RtlQueryRegistryValues and its flags), loading drivers by service, and a file that a device serves. */
#include <ntifs.h>
#include "../ktest.h"

#define ROOT L"\\Registry\\Machine\\Software\\KtestRtl"
#ifndef RTL_QUERY_REGISTRY_TYPECHECK
#define RTL_QUERY_REGISTRY_TYPECHECK 0x100
#endif
#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)
NTSTATUS NTAPI ZwFlushBuffersFileEx(HANDLE, ULONG, PVOID, ULONG, PIO_STATUS_BLOCK);
NTSTATUS NTAPI ZwQueryInformationThread(HANDLE, THREADINFOCLASS, PVOID, ULONG, PULONG);

static ULONG Calls, LastType, LastLength;
static WCHAR LastName[32];
static PVOID LastContext, LastEntryContext;
static NTSTATUS Reply;
static NTSTATUS NTAPI Query(PWSTR Name, ULONG Type, PVOID Data, ULONG Length, PVOID Context, PVOID EntryContext)
{
    ULONG i;
    UNREFERENCED_PARAMETER(Data);
    Calls++; LastType = Type; LastLength = Length; LastContext = Context; LastEntryContext = EntryContext;
    for (i = 0; Name && Name[i] && i < 31; i++) LastName[i] = Name[i];
    LastName[i] = 0;
    return Reply;
}

static NTSTATUS Run(PRTL_QUERY_REGISTRY_TABLE Table) { Calls = 0; return RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, ROOT, Table, (PVOID)0x77, NULL); }

/* The same by RtlQueryRegistryValuesEx. The key has been made by then. */
NTSTATUS NTAPI RtlQueryRegistryValuesEx(ULONG RelativeTo, PCWSTR Path, PRTL_QUERY_REGISTRY_TABLE QueryTable, PVOID Context, PVOID Environment);
static NTSTATUS RunEx(PRTL_QUERY_REGISTRY_TABLE Table) { Calls = 0; return RtlQueryRegistryValuesEx(RTL_REGISTRY_ABSOLUTE, ROOT, Table, (PVOID)0x77, NULL); }

static VOID RegistryEx(VOID)
{
    RTL_QUERY_REGISTRY_TABLE table[2];
    ULONG number = 0x11223344;
    CHECK(RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT, L"Number", REG_DWORD, &number, 4) == STATUS_SUCCESS);
    number = 0;
    RtlZeroMemory(table, sizeof(table));
    table[0].QueryRoutine = Query; table[0].Name = L"Number"; table[0].EntryContext = (PVOID)0x88;
    OUTCOME(RtlQueryRegistryValuesEx, "calls the query routine with the value and both contexts", RunEx(table) == STATUS_SUCCESS && Calls == 1 && LastType == REG_DWORD && LastLength == 4 && LastContext == (PVOID)0x77 && LastEntryContext == (PVOID)0x88);
    Reply = STATUS_DISK_FULL;
    OUTCOME(RtlQueryRegistryValuesEx, "an error of the routine ends the query with it", RunEx(table) == STATUS_DISK_FULL);
    Reply = STATUS_SUCCESS;
    table[0].Name = L"Missing"; table[0].Flags = RTL_QUERY_REGISTRY_REQUIRED;
    OUTCOME(RtlQueryRegistryValuesEx, "RTL_QUERY_REGISTRY_REQUIRED: STATUS_OBJECT_NAME_NOT_FOUND without the value", RunEx(table) == STATUS_OBJECT_NAME_NOT_FOUND && Calls == 0);
    RtlZeroMemory(table, sizeof(table));
    table[0].Flags = RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_TYPECHECK; table[0].Name = L"Number"; table[0].EntryContext = &number; table[0].DefaultType = (REG_DWORD << 24) | REG_NONE;
    OUTCOME(RtlQueryRegistryValuesEx, "RTL_QUERY_REGISTRY_DIRECT and _TYPECHECK: the value goes into a variable", RunEx(table) == STATUS_SUCCESS && number == 0x11223344);
    table[0].DefaultType = (REG_SZ << 24) | REG_NONE;
    OUTCOME(RtlQueryRegistryValuesEx, "RTL_QUERY_REGISTRY_TYPECHECK: another type is STATUS_OBJECT_TYPE_MISMATCH", RunEx(table) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(RtlQueryRegistryValuesEx, "a key that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", RtlQueryRegistryValuesEx(RTL_REGISTRY_ABSOLUTE, ROOT L"\\Nowhere", table, NULL, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
}

static VOID Registry(VOID)
{
    RTL_QUERY_REGISTRY_TABLE table[3];
    ULONG number = 0x11223344, fallback = 99;
    UNICODE_STRING text, name;
    OBJECT_ATTRIBUTES a;
    HANDLE key;
    static const WCHAR two[] = L"one\0two\0";
    OUTCOME(RtlCheckRegistryKey, "a key that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", RtlCheckRegistryKey(RTL_REGISTRY_ABSOLUTE, ROOT) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(RtlCreateRegistryKey, "makes a key", RtlCreateRegistryKey(RTL_REGISTRY_ABSOLUTE, ROOT) == STATUS_SUCCESS);
    OUTCOME(RtlCreateRegistryKey, "a key that exists is no error", RtlCreateRegistryKey(RTL_REGISTRY_ABSOLUTE, ROOT) == STATUS_SUCCESS);
    OUTCOME(RtlCheckRegistryKey, "a key that exists: STATUS_SUCCESS", RtlCheckRegistryKey(RTL_REGISTRY_ABSOLUTE, ROOT) == STATUS_SUCCESS);
    OUTCOME(RtlCheckRegistryKey, "relative to the services key", RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, L"KtestNoSuchService") == STATUS_OBJECT_NAME_NOT_FOUND && RtlCheckRegistryKey(RTL_REGISTRY_CONTROL, L"Session Manager") == STATUS_SUCCESS);
    OUTCOME(RtlWriteRegistryValue, "sets a value", RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT, L"Number", REG_DWORD, &number, 4) == STATUS_SUCCESS);
    OUTCOME(RtlWriteRegistryValue, "makes the key when it does not exist", RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT L"\\Made", L"Text", REG_SZ, L"abc", 8) == STATUS_SUCCESS && RtlCheckRegistryKey(RTL_REGISTRY_ABSOLUTE, ROOT L"\\Made") == STATUS_SUCCESS);
    RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT, L"Several", REG_MULTI_SZ, (PVOID)two, sizeof(two));
    RtlInitUnicodeString(&name, ROOT);
    InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwOpenKey(&key, KEY_ALL_ACCESS, &a) == STATUS_SUCCESS);
    OUTCOME(RtlWriteRegistryValue, "RTL_REGISTRY_HANDLE: the path is a handle", RtlWriteRegistryValue(RTL_REGISTRY_HANDLE, key, L"ByHandle", REG_DWORD, &number, 4) == STATUS_SUCCESS);
    OUTCOME(RtlWriteRegistryValue, "a handle that is none: STATUS_INVALID_HANDLE", RtlWriteRegistryValue(RTL_REGISTRY_HANDLE, NO_HANDLE, L"X", REG_DWORD, &number, 4) == STATUS_INVALID_HANDLE);
    OUTCOME(RtlDeleteRegistryValue, "deletes a value", RtlDeleteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT, L"ByHandle") == STATUS_SUCCESS);
    OUTCOME(RtlDeleteRegistryValue, "a value that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", RtlDeleteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT, L"ByHandle") == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(RtlDeleteRegistryValue, "a key that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", RtlDeleteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT L"\\None", L"X") == STATUS_OBJECT_NAME_NOT_FOUND);

    RegistryEx();
    RtlZeroMemory(table, sizeof(table));
    table[0].QueryRoutine = Query; table[0].Name = L"Number"; table[0].EntryContext = (PVOID)0x88;
    OUTCOME(RtlQueryRegistryValues, "calls the query routine with the value", Run(table) == STATUS_SUCCESS && Calls == 1 && LastType == REG_DWORD && LastLength == 4 && LastName[0] == L'N');
    OUTCOME(RtlQueryRegistryValues, "passes both contexts", LastContext == (PVOID)0x77 && LastEntryContext == (PVOID)0x88);
    Reply = STATUS_DISK_FULL;
    OUTCOME(RtlQueryRegistryValues, "an error of the routine ends the query with it", Run(table) == STATUS_DISK_FULL);
    Reply = STATUS_SUCCESS;
    table[0].Name = L"Missing";
    OUTCOME(RtlQueryRegistryValues, "a value that does not exist is passed over", Run(table) == STATUS_SUCCESS && Calls == 0);
    table[0].Flags = RTL_QUERY_REGISTRY_REQUIRED;
    OUTCOME(RtlQueryRegistryValues, "RTL_QUERY_REGISTRY_REQUIRED: STATUS_OBJECT_NAME_NOT_FOUND without the value", Run(table) == STATUS_OBJECT_NAME_NOT_FOUND);
    table[0].Flags = 0; table[0].DefaultType = REG_DWORD; table[0].DefaultData = &fallback; table[0].DefaultLength = 4;
    OUTCOME(RtlQueryRegistryValues, "the default takes the place of a missing value", Run(table) == STATUS_SUCCESS && Calls == 1 && LastType == REG_DWORD);
    table[0].DefaultType = 0; table[0].Name = L"Several";
    OUTCOME(RtlQueryRegistryValues, "a REG_MULTI_SZ comes string by string", Run(table) == STATUS_SUCCESS && Calls == 2 && LastType == REG_SZ);
    table[0].Flags = RTL_QUERY_REGISTRY_NOEXPAND;
    OUTCOME(RtlQueryRegistryValues, "RTL_QUERY_REGISTRY_NOEXPAND: as a whole", Run(table) == STATUS_SUCCESS && Calls == 1 && LastType == REG_MULTI_SZ);
    RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT, L"Expand", REG_EXPAND_SZ, L"%WHO%!", 14);
    table[0].Flags = 0; table[0].Name = L"Expand";
    OUTCOME(RtlQueryRegistryValues, "a REG_EXPAND_SZ is expanded by the environment", (Calls = 0, RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, ROOT, table, NULL, L"WHO=me\0")) == STATUS_SUCCESS && Calls == 1 && LastType == REG_SZ && LastLength == 8);
    table[0].Flags = RTL_QUERY_REGISTRY_NOVALUE; table[0].Name = NULL;
    OUTCOME(RtlQueryRegistryValues, "RTL_QUERY_REGISTRY_NOVALUE: the routine is called without a value", Run(table) == STATUS_SUCCESS && Calls == 1 && LastType == REG_NONE);
    table[0].Flags = 0;
    OUTCOME(RtlQueryRegistryValues, "without a name all values of the key", Run(table) == STATUS_SUCCESS && Calls >= 2);
    table[0].Flags = RTL_QUERY_REGISTRY_SUBKEY; table[0].Name = L"Made"; table[0].QueryRoutine = NULL;
    table[1].QueryRoutine = Query; table[1].Name = L"Text";
    OUTCOME(RtlQueryRegistryValues, "RTL_QUERY_REGISTRY_SUBKEY: what follows is in the subkey", Run(table) == STATUS_SUCCESS && Calls == 1 && LastType == REG_SZ);
    RtlZeroMemory(table, sizeof(table));
    number = 0;
    table[0].Flags = RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_TYPECHECK; table[0].Name = L"Number"; table[0].EntryContext = &number; table[0].DefaultType = (REG_DWORD << 24) | REG_NONE;
    OUTCOME(RtlQueryRegistryValues, "RTL_QUERY_REGISTRY_DIRECT: the value goes into a variable", Run(table) == STATUS_SUCCESS && number == 0x11223344);
    table[0].DefaultType = (REG_SZ << 24) | REG_NONE;
    OUTCOME(RtlQueryRegistryValues, "RTL_QUERY_REGISTRY_TYPECHECK: another type is STATUS_OBJECT_TYPE_MISMATCH", Run(table) == STATUS_OBJECT_TYPE_MISMATCH);
    RtlZeroMemory(&text, sizeof(text));
    table[0].Name = L"Several"; table[0].EntryContext = &text; table[0].DefaultType = (REG_MULTI_SZ << 24) | REG_NONE; table[0].Flags |= RTL_QUERY_REGISTRY_NOEXPAND;
    OUTCOME(RtlQueryRegistryValues, "a string without a buffer gets one that the caller frees", Run(table) == STATUS_SUCCESS && text.Buffer && text.Buffer[0] == L'o');
    if (text.Buffer) RtlFreeUnicodeString(&text);
    table[0].Flags = RTL_QUERY_REGISTRY_DELETE; table[0].Name = L"Number"; table[0].QueryRoutine = Query; table[0].DefaultType = 0;
    OUTCOME(RtlQueryRegistryValues, "RTL_QUERY_REGISTRY_DELETE: the value is deleted afterwards", Run(table) == STATUS_SUCCESS && Calls == 1 && RtlDeleteRegistryValue(RTL_REGISTRY_ABSOLUTE, ROOT, L"Number") == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(RtlQueryRegistryValues, "a key that does not exist: STATUS_OBJECT_NAME_NOT_FOUND", RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, ROOT L"\\None", table, NULL, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    {
        HANDLE made;
        RtlInitUnicodeString(&name, L"Made");
        InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, key, NULL);
        CHECK(ZwOpenKey(&made, KEY_ALL_ACCESS, &a) == STATUS_SUCCESS);
        ZwDeleteKey(made); ZwClose(made);
    }
    ZwDeleteKey(key); ZwClose(key);
}

/* A device whose driver counts flushes and says with which minor function they came. */
static UCHAR FlushMinor = 99;
static ULONG Flushes;
static NTSTATUS NTAPI Serve(PDEVICE_OBJECT Device, PIRP Irp)
{
    PIO_STACK_LOCATION s = IoGetCurrentIrpStackLocation(Irp);
    UNREFERENCED_PARAMETER(Device);
    if (s->MajorFunction == IRP_MJ_FLUSH_BUFFERS) { Flushes++; FlushMinor = s->MinorFunction; }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID Files(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES a;
    IO_STATUS_BLOCK iosb;
    PDEVICE_OBJECT device;
    HANDLE file;
    ULONG i;
    for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++) DriverObject->MajorFunction[i] = Serve;
    RtlInitUnicodeString(&name, L"\\Device\\KtestFlush");
    CHECK(IoCreateDevice(DriverObject, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device) == STATUS_SUCCESS);
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(ZwOpenFile, "opens a device", ZwOpenFile(&file, FILE_READ_DATA | SYNCHRONIZE, &a, &iosb, FILE_SHARE_READ, FILE_SYNCHRONOUS_IO_NONALERT) == STATUS_SUCCESS);
    OUTCOME(ZwFlushBuffersFileEx, "sends IRP_MJ_FLUSH_BUFFERS", ZwFlushBuffersFileEx(file, 0, NULL, 0, &iosb) == STATUS_SUCCESS && Flushes == 1 && FlushMinor == 0);
    OUTCOME(ZwFlushBuffersFileEx, "FLUSH_FLAGS_FILE_DATA_ONLY and FLUSH_FLAGS_NO_SYNC become the minor function", ZwFlushBuffersFileEx(file, 1, NULL, 0, &iosb) == STATUS_SUCCESS && FlushMinor == 1 && ZwFlushBuffersFileEx(file, 2, NULL, 0, &iosb) == STATUS_SUCCESS && FlushMinor == 2);
    OUTCOME(ZwFlushBuffersFileEx, "unknown flags or parameters: STATUS_INVALID_PARAMETER", ZwFlushBuffersFileEx(file, 0x100, NULL, 0, &iosb) == STATUS_INVALID_PARAMETER && ZwFlushBuffersFileEx(file, 0, &iosb, 4, &iosb) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwFlushBuffersFileEx, "a handle that is none: STATUS_INVALID_HANDLE", ZwFlushBuffersFileEx(NO_HANDLE, 0, NULL, 0, &iosb) == STATUS_INVALID_HANDLE);
    ZwClose(file);
    RtlInitUnicodeString(&name, L"\\Device\\KtestNone");
    OUTCOME(ZwOpenFile, "a device that there is not: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenFile(&file, FILE_READ_DATA | SYNCHRONIZE, &a, &iosb, FILE_SHARE_READ, FILE_SYNCHRONOUS_IO_NONALERT) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwOpenFile, "synchronous without SYNCHRONIZE: STATUS_INVALID_PARAMETER", ZwOpenFile(&file, FILE_READ_DATA, &a, &iosb, FILE_SHARE_READ, FILE_SYNCHRONOUS_IO_NONALERT) == STATUS_INVALID_PARAMETER);
    IoDeleteDevice(device);
}

static VOID Services(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING name;
    ULONG length = 0;
    struct { NTSTATUS Exit; PVOID Teb; CLIENT_ID Id; ULONG_PTR Affinity; LONG Priority, Base; } basic;
    UNREFERENCED_PARAMETER(DriverObject);
    RtlInitUnicodeString(&name, L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\KtestNoSuchService");
    OUTCOME(ZwLoadDriver, "a service that there is not: STATUS_OBJECT_NAME_NOT_FOUND", ZwLoadDriver(&name) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwUnloadDriver, "a driver that is not loaded: STATUS_OBJECT_NAME_NOT_FOUND", ZwUnloadDriver(&name) == STATUS_OBJECT_NAME_NOT_FOUND);
    RtlInitUnicodeString(&name, L"\\Device\\None");
    OUTCOME(ZwUnloadDriver, "a path that is no service key: STATUS_INVALID_PARAMETER", ZwUnloadDriver(&name) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwQueryInformationThread, "ThreadBasicInformation", ZwQueryInformationThread(ZwCurrentThread(), ThreadBasicInformation, &basic, sizeof(basic), &length) == STATUS_SUCCESS && basic.Id.UniqueThread == PsGetCurrentThreadId() && length == sizeof(basic));
    OUTCOME(ZwQueryInformationThread, "a wrong length: STATUS_INFO_LENGTH_MISMATCH", ZwQueryInformationThread(ZwCurrentThread(), ThreadBasicInformation, &basic, 4, &length) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwQueryInformationThread, "an unknown class: STATUS_INVALID_INFO_CLASS", ZwQueryInformationThread(ZwCurrentThread(), 9999, &basic, sizeof(basic), &length) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwQueryInformationThread, "a handle that is none: STATUS_INVALID_HANDLE", ZwQueryInformationThread(NO_HANDLE, ThreadBasicInformation, &basic, sizeof(basic), &length) == STATUS_INVALID_HANDLE);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("regrtl");
    Registry();
    Files(DriverObject);
    Services(DriverObject);
    KtestDone();
    return STATUS_SUCCESS;
}
