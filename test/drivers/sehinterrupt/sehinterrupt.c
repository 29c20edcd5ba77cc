// ktest: cases=2 compiler=clang
/*
 * Exceptions at device IRQL. One that leaves the routine of KeSynchronizeExecution is taken by the caller's handler; the interrupt's lock is not left behind. One in a service routine
 * (case 1) belongs to nobody who happens to be on the stack below it: the machine stops.
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../hardware.h"

#define NOINLINE __attribute__((noinline))

static NOINLINE VOID Undefined(VOID) { __asm__ volatile("ud2"); }
static BOOLEAN NTAPI Raises(PVOID context) { Undefined(); return TRUE; }
static BOOLEAN NTAPI Works(PVOID context) { *(ULONG *)context = 5; return TRUE; }
static BOOLEAN NTAPI Service(PKINTERRUPT interrupt, PVOID context)
{
    Undefined();
    return TRUE;
}
static BOOLEAN NTAPI Quiet(PKINTERRUPT interrupt, PVOID context) { return FALSE; }

static NOINLINE VOID Wait(VOID) { Sleep(10); }

static VOID RunTest(HARDWARE *hw)
{
    static KSPIN_LOCK lock;
    PKINTERRUPT interrupt;
    CM_PARTIAL_RESOURCE_DESCRIPTOR *irq = &hw->Irq;
    ULONG value = 0;
    NTSTATUS code = 0;
    KeInitializeSpinLock(&lock);
    if (!NT_SUCCESS(IoConnectInterrupt(&interrupt, KtestCase == 1 ? Service : Quiet, NULL, &lock, irq->u.Interrupt.Vector, (KIRQL)irq->u.Interrupt.Level,
                                       (KIRQL)irq->u.Interrupt.Level, LevelSensitive, TRUE, irq->u.Interrupt.Affinity, FALSE)))
    {
        CHECK(FALSE);
        return;
    }
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(__C_specific_handler, "an exception does not leave a service routine: bug check 0x1E", 0x1E);
        __try { EduWrite(hw, EDU_IRQ_RAISE, 1); Wait(); } __except (1) { CHECK(FALSE); }
        return;
    }
    __try { KeSynchronizeExecution(interrupt, Raises, NULL); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "takes an exception at device IRQL", code == STATUS_ILLEGAL_INSTRUCTION);
    /* The documentation does not say it, but the frame that held the lock and the IRQL has gone. */
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && KeSynchronizeExecution(interrupt, Works, &value) && value == 5);
    IoDisconnectInterrupt(interrupt);
    KtestDone();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    KtestBegin("sehinterrupt");
    HardwareDriver(driver);
    return STATUS_SUCCESS;
}
