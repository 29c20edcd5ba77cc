/*
 * Breaks into the debugger that the kernel's own parts use. Who watches the machine is the debugger: a break is reported, and the driver goes on.
 */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI VOID NTAPI KeEnterKernelDebugger(VOID);
NTKERNELAPI VOID NTAPI KeBreakinBreakpoint(VOID);

NTSYSAPI VOID NTAPI BreakWith(ULONG Status) __asm__("DbgBreakPointWithStatus");
NTKERNELAPI NTSTATUS NTAPI KdSystemDebugControl(ULONG Command, PVOID InputBuffer, ULONG InputBufferLength, PVOID OutputBuffer, ULONG OutputBufferLength, PULONG ReturnLength, KPROCESSOR_MODE PreviousMode);

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("breaks");
    DriverObject->DriverUnload = Unload;
    KeBreakinBreakpoint();
    OUTCOME(KeBreakinBreakpoint, "returns when the debugger goes on", KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeEnterKernelDebugger();
    OUTCOME(KeEnterKernelDebugger, "returns when the debugger goes on", KeGetCurrentIrql() == PASSIVE_LEVEL);
    BreakWith(DBG_STATUS_CONTROL_C);
    OUTCOME(DbgBreakPointWithStatus, "the debugger that watches the machine hears of it, and the caller goes on", KeGetCurrentIrql() == PASSIVE_LEVEL);
    ULONG length = 0;
    UCHAR buffer[64];
    OUTCOME(KdSystemDebugControl, "STATUS_DEBUGGER_INACTIVE without a debugger", KdSystemDebugControl(0, NULL, 0, buffer, sizeof buffer, &length, KernelMode) == STATUS_DEBUGGER_INACTIVE);
    KtestDone();
    return STATUS_SUCCESS;
}
