/* Variables that the kernel exports: the list of loaded images (in which a driver finds itself), flags; names, messages to the debugger, timer resolution and other small questions. */
#include <ntifs.h>
#include <stdarg.h>
#include "../ktest.h"

extern LIST_ENTRY NTSYSAPI PsLoadedModuleList;
NTSYSAPI PVOID NTAPI RtlFindExportedRoutineByName(PVOID Base, PCSZ Name);
BOOLEAN NTAPI NtAreNamesEqual(PCUNICODE_STRING A, PCUNICODE_STRING B, BOOLEAN IgnoreCase, PCWCH Upcase) __asm__("FsRtlAreNamesEqual");
BOOLEAN NTAPI ExIsSoftBoot(VOID);
ULONG NTAPI ExGetFirmwareType(VOID);
VOID NTAPI ExAllocateLocallyUniqueId(PLUID Luid);
ULONG __cdecl DbgPrintReturnControlC(PCCH Format, ...);
NTSTATUS NTAPI DbgQueryDebugFilterState(ULONG Component, ULONG Level);
NTSTATUS NTAPI DbgSetDebugFilterState(ULONG Component, ULONG Level, BOOLEAN State);
VOID NTAPI NtQueryTimerResolution_(PULONG Maximum, PULONG Minimum, PULONG Current) __asm__("ExQueryTimerResolution");
extern PULONG GlobalFlag __asm__("__imp_NtGlobalFlag");
extern PUCHAR Physical64 __asm__("__imp_Mm64BitPhysicalAddress");
extern PUCHAR ComPort __asm__("__imp_KdComPortInUse");

/* KLDR_DATA_TABLE_ENTRY as public symbols have it. */
typedef struct
{
    LIST_ENTRY Links;
    PVOID ExceptionTable;
    ULONG ExceptionTableSize;
    PVOID GpValue, NonPagedDebugInfo, DllBase, EntryPoint;
    ULONG SizeOfImage;
    UNICODE_STRING FullDllName, BaseDllName;
} MODULE;

static VOID Images(PDRIVER_OBJECT Driver)
{
    MODULE *self = NULL, *kernel = NULL;
    UNICODE_STRING nt = RTL_CONSTANT_STRING(L"ntoskrnl.exe");
    ULONG count = 0;
    for (PLIST_ENTRY at = PsLoadedModuleList.Flink; at != &PsLoadedModuleList && count < 100; at = at->Flink, count++)
    {
        MODULE *module = CONTAINING_RECORD(at, MODULE, Links);
        if (module->DllBase == Driver->DriverStart)
            self = module;
        if (RtlEqualUnicodeString(&module->BaseDllName, &nt, TRUE))
            kernel = module;
    }
    OUTCOME(PsLoadedModuleList, "a list in which the driver finds itself", self && self == Driver->DriverSection && self->SizeOfImage == Driver->DriverSize && self->EntryPoint == (PVOID)Driver->DriverInit);
    UNICODE_STRING ask = RTL_CONSTANT_STRING(L"KeSetEvent");
    PUCHAR routine = MmGetSystemRoutineAddress(&ask);
    OUTCOME(PsLoadedModuleList, "and the kernel", kernel && count >= 3 && count < 100 && routine > (PUCHAR)kernel->DllBase && routine < (PUCHAR)kernel->DllBase + kernel->SizeOfImage);
    OUTCOME(RtlFindExportedRoutineByName, "the address of the routine", RtlFindExportedRoutineByName(kernel->DllBase, "KeSetEvent") == MmGetSystemRoutineAddress(&ask));
    OUTCOME(RtlFindExportedRoutineByName, "NULL for a name that the image does not export", RtlFindExportedRoutineByName(kernel->DllBase, "KtestNobody") == NULL && RtlFindExportedRoutineByName(Driver->DriverStart, "KeSetEvent") == NULL);
}

static VOID Flags(VOID)
{
    OUTCOME(NtGlobalFlag, "no flags", *GlobalFlag == 0);
    OUTCOME(Mm64BitPhysicalAddress, "TRUE", *Physical64 == TRUE);
    OUTCOME(KdComPortInUse, "the serial port that the kernel keeps for itself", *(PVOID *)ComPort == (PVOID)0x3f8);
    BOOLEAN debugger = KD_DEBUGGER_ENABLED && !KD_DEBUGGER_NOT_PRESENT;
    OUTCOME(KdRefreshDebuggerNotPresent, "TRUE when no debugger answers", KdRefreshDebuggerNotPresent() == TRUE && !debugger);
    OUTCOME(KdEnableDebugger, "STATUS_DEBUGGER_INACTIVE without a debugger", KdEnableDebugger() == STATUS_DEBUGGER_INACTIVE);
    OUTCOME(ExGetFirmwareType, "the kind of firmware: legacy", ExGetFirmwareType() == 1);
    OUTCOME(ExIsSoftBoot, "FALSE after a start with firmware", !ExIsSoftBoot());
    OUTCOME(ExIsProcessorFeaturePresent, "TRUE for a feature that the processor has", ExIsProcessorFeaturePresent(PF_XMMI64_INSTRUCTIONS_AVAILABLE) && ExIsProcessorFeaturePresent(PF_COMPARE_EXCHANGE_DOUBLE));
    OUTCOME(ExIsProcessorFeaturePresent, "FALSE for one that it does not have, and for numbers without a feature", !ExIsProcessorFeaturePresent(PF_3DNOW_INSTRUCTIONS_AVAILABLE) && !ExIsProcessorFeaturePresent(1000));
    ULONG maximum = 0, minimum = 0, current = 0;
    NtQueryTimerResolution_(&maximum, &minimum, &current);
    OUTCOME(ExQueryTimerResolution, "the coarsest, finest and present resolution in 100 ns", maximum >= current && current >= minimum && minimum > 0 && current <= 156250);
    OUTCOME(ExSetTimerResolution, "returns the resolution that the clock has", ExSetTimerResolution(10000, TRUE) == current && ExSetTimerResolution(0, FALSE) == current);
    LUID a, b;
    ExAllocateLocallyUniqueId(&a);
    ExAllocateLocallyUniqueId(&b);
    OUTCOME(ExAllocateLocallyUniqueId, "an id that nobody has: each call another", a.LowPart != b.LowPart || a.HighPart != b.HighPart);
    OUTCOME(ExAllocateLocallyUniqueId, "above those that are reserved", a.HighPart > 0 || a.LowPart > 1000);
    ERESOURCE resource;
    ExInitializeResourceLite(&resource);
    ExDisableResourceBoostLite(&resource);
    KeEnterCriticalRegion();
    BOOLEAN taken = ExAcquireResourceExclusiveLite(&resource, FALSE);
    OUTCOME(ExDisableResourceBoostLite, "the resource serves as before", taken && ExIsResourceAcquiredExclusiveLite(&resource));
    ExReleaseResourceLite(&resource);
    KeLeaveCriticalRegion();
    ExDeleteResourceLite(&resource);
}

static ULONG Print(ULONG Component, ULONG Level, PCCH Format, ...)
{
    va_list list;
    va_start(list, Format);
    ULONG status = vDbgPrintEx(Component, Level, Format, list);
    va_end(list);
    return status;
}

static VOID Messages(VOID)
{
    OUTCOME(vDbgPrintEx, "STATUS_SUCCESS, the message is sent", Print(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "variables says %d and %s\n", 42, "more") == STATUS_SUCCESS);
    OUTCOME(DbgPrintReturnControlC, "STATUS_SUCCESS, the message is sent", DbgPrintReturnControlC("variables returns control %c\n", 'C') == STATUS_SUCCESS);
    OUTCOME(DbgQueryDebugFilterState, "TRUE for messages that are shown", DbgQueryDebugFilterState(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL) == TRUE);
    /* One level of one component is switched off for a while; run.ts looks what has come. */
    NTSTATUS status = DbgSetDebugFilterState(DPFLTR_IHVVIDEO_ID, DPFLTR_TRACE_LEVEL, FALSE);
    OUTCOME(DbgSetDebugFilterState, "STATUS_SUCCESS, FALSE: messages of the component and level are not shown", status == STATUS_SUCCESS && Print(DPFLTR_IHVVIDEO_ID, DPFLTR_TRACE_LEVEL, "variables is not heard\n") == STATUS_SUCCESS);
    OUTCOME(DbgQueryDebugFilterState, "FALSE for messages that are not shown, and for no others", DbgQueryDebugFilterState(DPFLTR_IHVVIDEO_ID, DPFLTR_TRACE_LEVEL) == FALSE && DbgQueryDebugFilterState(DPFLTR_IHVVIDEO_ID, DPFLTR_ERROR_LEVEL) == TRUE && DbgQueryDebugFilterState(DPFLTR_IHVBUS_ID, DPFLTR_TRACE_LEVEL) == TRUE);
    status = DbgSetDebugFilterState(DPFLTR_IHVVIDEO_ID, DPFLTR_TRACE_LEVEL, TRUE);
    OUTCOME(DbgSetDebugFilterState, "STATUS_SUCCESS, TRUE: they are shown again", status == STATUS_SUCCESS && DbgQueryDebugFilterState(DPFLTR_IHVVIDEO_ID, DPFLTR_TRACE_LEVEL) == TRUE && Print(DPFLTR_IHVVIDEO_ID, DPFLTR_TRACE_LEVEL, "variables is heard again\n") == STATUS_SUCCESS);
    OUTCOME(DbgSetDebugFilterState, "STATUS_INVALID_PARAMETER_1 for a component that there is not", DbgSetDebugFilterState(5000, DPFLTR_TRACE_LEVEL, FALSE) == STATUS_INVALID_PARAMETER_1);
}

static VOID Names(VOID)
{
    UNICODE_STRING a = RTL_CONSTANT_STRING(L"Name"), upper = RTL_CONSTANT_STRING(L"NAME"), longer = RTL_CONSTANT_STRING(L"Names");
    OUTCOME(FsRtlAreNamesEqual, "TRUE for equal names", NtAreNamesEqual(&a, &a, FALSE, NULL));
    OUTCOME(FsRtlAreNamesEqual, "FALSE for others", !NtAreNamesEqual(&a, &longer, TRUE, NULL) && !NtAreNamesEqual(&a, &upper, FALSE, NULL));
    OUTCOME(FsRtlAreNamesEqual, "with IgnoreCase whatever the case", NtAreNamesEqual(&a, &upper, TRUE, NULL));
    OUTCOME(FsRtlIsNtstatusExpected, "TRUE for what a user may cause", FsRtlIsNtstatusExpected(STATUS_DISK_FULL) && FsRtlIsNtstatusExpected(STATUS_INVALID_USER_BUFFER));
    OUTCOME(FsRtlIsNtstatusExpected, "FALSE for errors of the system", !FsRtlIsNtstatusExpected(STATUS_DATATYPE_MISALIGNMENT) && !FsRtlIsNtstatusExpected(STATUS_ACCESS_VIOLATION) && !FsRtlIsNtstatusExpected(STATUS_ILLEGAL_INSTRUCTION) && !FsRtlIsNtstatusExpected(STATUS_INSTRUCTION_MISALIGNMENT));
    OUTCOME(FsRtlNormalizeNtstatus, "a status that is expected stays", FsRtlNormalizeNtstatus(STATUS_DISK_FULL, STATUS_UNSUCCESSFUL) == STATUS_DISK_FULL);
    OUTCOME(FsRtlNormalizeNtstatus, "another becomes the generic one", FsRtlNormalizeNtstatus(STATUS_ACCESS_VIOLATION, STATUS_UNSUCCESSFUL) == STATUS_UNSUCCESSFUL);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("variables");
    Images(DriverObject);
    Flags();
    Messages();
    Names();
    KtestDone();
    return STATUS_SUCCESS;
}
