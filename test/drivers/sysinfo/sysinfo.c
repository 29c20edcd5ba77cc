/* ZwQuerySystemInformation and ZwQueryInformationProcess: what drivers ask of the system and of a process. */
#include <ntifs.h>
#include "../ktest.h"

#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)
NTSYSAPI NTSTATUS NTAPI ZwQuerySystemInformation(ULONG, PVOID, ULONG, PULONG);

static UCHAR Buffer[0x8000] __attribute__((aligned(16)));
static ULONG Length;
static NTSTATUS System(ULONG Class, ULONG Room) { return ZwQuerySystemInformation(Class, Buffer, Room, &Length); }
static NTSTATUS Process(ULONG Class, ULONG Room) { return ZwQueryInformationProcess(NtCurrentProcess(), (PROCESSINFOCLASS)Class, Buffer, Room, &Length); }
#define AT(type, offset) (*(type *)(Buffer + (offset)))

/* Whether a list of handles, of entries of a size, has the one that is meant. */
static BOOLEAN Listed(HANDLE Handle, PVOID Object, BOOLEAN Extended)
{
    ULONG i, count = AT(ULONG, 0), head = Extended ? 16 : 8, size = Extended ? 40 : 24;
    for (i = 0; i < count; i++)
    {
        PUCHAR entry = Buffer + head + i * size;
        PVOID object = *(PVOID *)(entry + (Extended ? 0 : 8));
        ULONG_PTR handle = Extended ? *(ULONG_PTR *)(entry + 16) : *(PUSHORT)(entry + 6), pid = Extended ? *(ULONG_PTR *)(entry + 8) : *(PUSHORT)entry;
        if (object == Object && (USHORT)handle == (USHORT)((ULONG_PTR)Handle & 0xFFFF) && pid == 4)
            return TRUE;
    }
    return FALSE;
}

static VOID Facts(PDRIVER_OBJECT Driver)
{
    HANDLE event;
    PVOID object = NULL;
    OBJECT_ATTRIBUTES a;
    ULONG i;
    BOOLEAN found = FALSE;
    OUTCOME(ZwQuerySystemInformation, "SystemBasicInformation: page size and processors", System(0, sizeof Buffer) == STATUS_SUCCESS && Length == 0x40 && AT(ULONG, 8) == PAGE_SIZE && Buffer[0x38] == KtestProcessors);
    OUTCOME(ZwQuerySystemInformation, "SystemProcessorInformation: x64", System(1, sizeof Buffer) == STATUS_SUCCESS && Length == 12 && AT(USHORT, 0) == 9 && AT(USHORT, 6) == KtestProcessors);
    OUTCOME(ZwQuerySystemInformation, "SystemPerformanceInformation: memory and transfers", System(2, sizeof Buffer) == STATUS_SUCCESS && Length == 0x158 && AT(ULONG, 0x2C) > 0 && AT(ULONG, 0x34) > AT(ULONG, 0x2C) && AT(ULONG, 0x120) > 0);
    OUTCOME(ZwQuerySystemInformation, "SystemTimeOfDayInformation: the time, and when the system started", System(3, sizeof Buffer) == STATUS_SUCCESS && AT(LONGLONG, 8) > AT(LONGLONG, 0) && AT(LONGLONG, 0) > 0);
    OUTCOME(ZwQuerySystemInformation, "SystemProcessInformation: the system process", System(5, sizeof Buffer) == STATUS_SUCCESS && AT(ULONG, 4) > 0 && AT(ULONG_PTR, 0x50) == 4);
    OUTCOME(ZwQuerySystemInformation, "SystemProcessorPerformanceInformation: an entry for each processor", System(8, sizeof Buffer) == STATUS_SUCCESS && Length == 0x30 * KtestProcessors && AT(LONGLONG, 8) > 0);
    System(11, sizeof Buffer);
    for (i = 0; i < AT(ULONG, 0); i++)
        found |= AT(PVOID, 8 + i * 0x128 + 0x10) == Driver->DriverStart && AT(ULONG, 8 + i * 0x128 + 0x18) == Driver->DriverSize;
    OUTCOME(ZwQuerySystemInformation, "SystemModuleInformation: this driver is among the images", found);
    System(77, sizeof Buffer);
    for (found = FALSE, i = 0; AT(USHORT, i); i += AT(USHORT, i))
        found |= AT(PVOID, i + 0x18) == Driver->DriverStart;
    OUTCOME(ZwQuerySystemInformation, "SystemModuleInformationEx: a chain of the images", found && i + 2 == Length);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateEvent(&event, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE);
    ObReferenceObjectByHandle(event, 0, NULL, KernelMode, &object, NULL);
    OUTCOME(ZwQuerySystemInformation, "SystemHandleInformation: every handle with its object", System(16, sizeof Buffer) == STATUS_SUCCESS && Listed(event, object, FALSE));
    OUTCOME(ZwQuerySystemInformation, "SystemExtendedHandleInformation: every handle with its object", System(64, sizeof Buffer) == STATUS_SUCCESS && Listed(event, object, TRUE));
    ZwClose(event);
    CHECK(System(64, sizeof Buffer) == STATUS_SUCCESS && !Listed(event, object, TRUE));
    ObDereferenceObject(object);
    OUTCOME(ZwQuerySystemInformation, "SystemInterruptInformation: an entry for each processor", System(23, sizeof Buffer) == STATUS_SUCCESS && Length == 0x18 * KtestProcessors && AT(ULONG, 0) > 0);
    OUTCOME(ZwQuerySystemInformation, "SystemKernelDebuggerInformation: none", System(35, 2) == STATUS_SUCCESS && Buffer[0] == 0 && Buffer[1] == 1);
    OUTCOME(ZwQuerySystemInformation, "SystemRegistryQuotaInformation", System(37, sizeof Buffer) == STATUS_SUCCESS && AT(ULONG, 0) == 0xFFFFFFFF);
    OUTCOME(ZwQuerySystemInformation, "SystemBootEnvironmentInformation: started by a BIOS", System(90, sizeof Buffer) == STATUS_SUCCESS && AT(ULONG, 0x10) == 1);
    OUTCOME(ZwQuerySystemInformation, "SystemCodeIntegrityInformation", (AT(ULONG, 0) = 8, System(103, 8)) == STATUS_SUCCESS && AT(ULONG, 0) == 8);
    OUTCOME(ZwQuerySystemInformation, "SystemSecureBootInformation: neither capable nor enabled", System(145, 2) == STATUS_SUCCESS && AT(USHORT, 0) == 0);
    OUTCOME(ZwQuerySystemInformation, "too small a buffer: STATUS_INFO_LENGTH_MISMATCH and the length", System(0, 8) == STATUS_INFO_LENGTH_MISMATCH && Length == 0x40 && System(11, 16) == STATUS_INFO_LENGTH_MISMATCH && Length > 0x128);
    OUTCOME(ZwQuerySystemInformation, "an unknown class: STATUS_INVALID_INFO_CLASS", System(9999, sizeof Buffer) == STATUS_INVALID_INFO_CLASS);
}

static VOID OfProcess(VOID)
{
    HANDLE event;
    OBJECT_ATTRIBUTES a;
    ULONG before;
    LARGE_INTEGER now;
    OUTCOME(ZwQueryInformationProcess, "ProcessBasicInformation", Process(0, sizeof Buffer) == STATUS_SUCCESS && Length == 0x30 && AT(ULONG_PTR, 0x20) == 4 && AT(PVOID, 8) == NULL);
    OUTCOME(ZwQueryInformationProcess, "ProcessIoCounters", Process(2, sizeof Buffer) == STATUS_SUCCESS && Length == 0x30);
    OUTCOME(ZwQueryInformationProcess, "ProcessVmCounters", Process(3, sizeof Buffer) == STATUS_SUCCESS && AT(ULONGLONG, 0) >= AT(ULONGLONG, 8));
    KeQuerySystemTime(&now);
    OUTCOME(ZwQueryInformationProcess, "ProcessTimes", Process(4, sizeof Buffer) == STATUS_SUCCESS && AT(LONGLONG, 0) <= now.QuadPart && AT(LONGLONG, 8) == 0 && Length == 0x20);
    OUTCOME(ZwQueryInformationProcess, "ProcessDebugPort: no debugger", Process(7, sizeof Buffer) == STATUS_SUCCESS && AT(ULONG_PTR, 0) == 0 && Process(30, sizeof Buffer) == STATUS_PORT_NOT_SET && Process(31, 4) == STATUS_SUCCESS && AT(ULONG, 0) == 1);
    Process(20, sizeof Buffer);
    before = AT(ULONG, 0);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateEvent(&event, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE);
    OUTCOME(ZwQueryInformationProcess, "ProcessHandleCount", Process(20, sizeof Buffer) == STATUS_SUCCESS && AT(ULONG, 0) == before + 1);
    ZwClose(event);
    OUTCOME(ZwQueryInformationProcess, "ProcessAffinityMask", Process(21, sizeof Buffer) == STATUS_SUCCESS && AT(KAFFINITY, 0) == KeQueryActiveProcessors());
    OUTCOME(ZwQueryInformationProcess, "ProcessSessionInformation", Process(24, sizeof Buffer) == STATUS_SUCCESS && AT(ULONG, 0) == 0);
    OUTCOME(ZwQueryInformationProcess, "ProcessWow64Information: no 32-bit process", Process(26, sizeof Buffer) == STATUS_SUCCESS && AT(ULONG_PTR, 0) == 0);
    OUTCOME(ZwQueryInformationProcess, "ProcessImageFileName", Process(27, sizeof Buffer) == STATUS_SUCCESS && AT(UNICODE_STRING, 0).Length == 12 && AT(UNICODE_STRING, 0).Buffer[0] == L'S');
    OUTCOME(ZwQueryInformationProcess, "ProcessBreakOnTermination", Process(29, sizeof Buffer) == STATUS_SUCCESS && AT(ULONG, 0) == 0);
    OUTCOME(ZwQueryInformationProcess, "ProcessCycleTime", Process(38, sizeof Buffer) == STATUS_SUCCESS && Length == 16);
    OUTCOME(ZwQueryInformationProcess, "too small a buffer: STATUS_INFO_LENGTH_MISMATCH and the length", Process(0, 8) == STATUS_INFO_LENGTH_MISMATCH && Length == 0x30);
    OUTCOME(ZwQueryInformationProcess, "an unknown class: STATUS_INVALID_INFO_CLASS", Process(9999, sizeof Buffer) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwQueryInformationProcess, "a handle that is none: STATUS_INVALID_HANDLE", ZwQueryInformationProcess(NO_HANDLE, 0, Buffer, sizeof Buffer, &Length) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwQueryInformationProcess, "another type: STATUS_OBJECT_TYPE_MISMATCH", ZwQueryInformationProcess(ZwCurrentThread(), 0, Buffer, sizeof Buffer, &Length) == STATUS_OBJECT_TYPE_MISMATCH);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    LARGE_INTEGER passed;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("sysinfo");
    /* A few ticks of the clock, so that there are times to be told. */
    passed.QuadPart = -500000;
    KeDelayExecutionThread(KernelMode, FALSE, &passed);
    Facts(DriverObject);
    OfProcess();
    KtestDone();
    return STATUS_SUCCESS;
}
