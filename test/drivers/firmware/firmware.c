// ktest: cases=4
/* Ends of the system: off, reset, a processor that stands still; and the screen that a display driver gives back at a stop. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

NTHALAPI VOID NTAPI HalReturnToFirmware(ULONG Routine);
NTHALAPI VOID NTAPI HalAcquireDisplayOwnership(PHAL_RESET_DISPLAY_PARAMETERS ResetDisplayParameters);

enum { HalHaltRoutine, HalPowerDownRoutine, HalRestartRoutine, HalRebootRoutine };

/* Some time after the load, which is to end first. */
static VOID NTAPI Later(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    SleepMs(50);
    switch (KtestCase)
    {
    case 0:
        OUTCOME_END(HalReturnToFirmware, "switches the machine off", "off");
        HalReturnToFirmware(HalPowerDownRoutine);
        break;
    case 1:
        OUTCOME_END(HalReturnToFirmware, "resets the machine", "reset");
        HalReturnToFirmware(HalRebootRoutine);
        break;
    default:
        OUTCOME_END(HalReturnToFirmware, "halts the processor", "halted");
        HalReturnToFirmware(HalHaltRoutine);
    }
    DbgPrint("KTEST FAIL |HalReturnToFirmware came back\n");
}

static BOOLEAN NTAPI ResetDisplay(ULONG Columns, ULONG Rows)
{
    OUTCOME(HalAcquireDisplayOwnership, "the routine is called with columns and rows when the system stops", Columns == 80 && Rows == 50 && KeGetCurrentIrql() == HIGH_LEVEL);
    return FALSE;
}

static BOOLEAN NTAPI Earlier(ULONG Columns, ULONG Rows)
{
    UNREFERENCED_PARAMETER(Columns);
    UNREFERENCED_PARAMETER(Rows);
    DbgPrint("KTEST FAIL |the owner before was called\n");
    return FALSE;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("firmware");
    if (KtestCase < 3)
    {
        ObDereferenceObject(StartThread(Later, NULL));
        return STATUS_SUCCESS;
    }
    HalAcquireDisplayOwnership(Earlier);
    HalAcquireDisplayOwnership(ResetDisplay);
    OUTCOME_BUGCHECK(HalAcquireDisplayOwnership, "the last who asked owns the display; the stop goes on after its routine", 0xe2);
    KeBugCheckEx(0xe2, 1, 2, 3, 4);
    return STATUS_SUCCESS;
}
