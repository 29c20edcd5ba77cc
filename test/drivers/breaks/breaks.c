/*
 * Breaks into the debugger that the kernel's own parts use. Who watches the machine is the debugger: a break is reported, and the driver goes on.
 */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI VOID NTAPI KeEnterKernelDebugger(VOID);
NTKERNELAPI VOID NTAPI KeBreakinBreakpoint(VOID);

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
    KtestDone();
    return STATUS_SUCCESS;
}
