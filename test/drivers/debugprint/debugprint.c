// ktest: cases=2
/* Text for the debugger, and the stop of a machine on purpose. Case 1 ends in the bug check. */
#include <ntddk.h>
#include <stdarg.h>
#include "../ktest.h"

static ULONG Prefixed(PCSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    ULONG status = vDbgPrintExWithPrefix("KTEST pass ", DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, Format, arguments);
    va_end(arguments);
    return status;
}

static VOID Printing(VOID)
{
    KIRQL irql;
    /* What these print is itself the report: the line arrives or the outcome is missing. */
    OUTCOME(DbgPrint, "returns STATUS_SUCCESS", DbgPrint("%s %ws %d %I64x\n", "text", L"wide", -5, 0x123456789abcull) == STATUS_SUCCESS);
    DbgPrint("KTEST pass DbgPrint|formats %s %s and %%lu\n", "narrow", "text");
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    DbgPrint("KTEST pass DbgPrint|prints at DISPATCH_LEVEL\n");
    KeLowerIrql(irql);
    OUTCOME(DbgPrintEx, "prints a message of error level", DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "shown\n") == STATUS_SUCCESS);
    OUTCOME(vDbgPrintExWithPrefix, "returns STATUS_SUCCESS", Prefixed("vDbgPrintExWithPrefix|puts the prefix before the text\n") == STATUS_SUCCESS);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("debugprint");
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(KeBugCheck, "stops the machine with the code", 0xE2);
        KeBugCheck(0xE2);
    }
    Printing();
    KtestDone();
    return STATUS_SUCCESS;
}
