// ktest: cases=2
/*
 * Routines for non-maskable interrupts. The driver sends one to its own processor through the local APIC (Intel SDM vol. 3, 10.6).
 * Case 1: an NMI that nobody takes stops the machine.
 */
#include <ntddk.h>
#include "../ktest.h"

#define APIC_BASE 0xFEE00000
#define APIC_ID   (0x20 / 4)
#define APIC_ICR  (0x300 / 4)
#define DELIVER_NMI 0x400

static struct
{
    ULONG Order, First, Second;
    BOOLEAN FirstHandled, SecondHandled;
    KIRQL Irql;
} Seen;

/* Called in the reverse of the order of registration: this one was registered first. */
static BOOLEAN NTAPI First(PVOID Context, BOOLEAN Handled)
{
    Seen.First = ++Seen.Order;
    Seen.FirstHandled = Handled;
    return *(BOOLEAN *)Context;
}
static BOOLEAN NTAPI Second(PVOID Context, BOOLEAN Handled)
{
    Seen.Second = ++Seen.Order;
    Seen.SecondHandled = Handled;
    Seen.Irql = KeGetCurrentIrql();
    return *(BOOLEAN *)Context;
}

static VOID SendNmi(volatile ULONG *Apic)
{
    KIRQL old;
    RtlZeroMemory(&Seen, sizeof Seen);
    KeRaiseIrql(DISPATCH_LEVEL, &old); /* stay on this processor */
    Apic[APIC_ICR + 4] = Apic[APIC_ID];
    Apic[APIC_ICR] = DELIVER_NMI;
    KeStallExecutionProcessor(10);
    KeLowerIrql(old);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PHYSICAL_ADDRESS base;
    volatile ULONG *apic;
    BOOLEAN yes = TRUE, no = FALSE;
    PVOID first, second;
    KtestBegin("nmi");
    base.QuadPart = APIC_BASE;
    apic = MmMapIoSpace(base, PAGE_SIZE, MmNonCached);

    first = KeRegisterNmiCallback(First, &no);
    second = KeRegisterNmiCallback(Second, &yes);
    OUTCOME(KeRegisterNmiCallback, "returns a handle", first && second && first != second);
    if (KtestCase == 1)
    {
        KeDeregisterNmiCallback(second);
        OUTCOME_BUGCHECK(KeRegisterNmiCallback, "bug check 0x80 when no routine has handled the NMI", 0x80);
        SendNmi(apic);
        return STATUS_UNSUCCESSFUL;
    }
    SendNmi(apic);
    OUTCOME(KeRegisterNmiCallback, "the routines are called, the last registered first", Seen.Second == 1 && Seen.First == 2);
    OUTCOME(KeRegisterNmiCallback, "Handled is FALSE for the first that is called", !Seen.SecondHandled);
    OUTCOME(KeRegisterNmiCallback, "Handled is TRUE once a routine has returned TRUE", Seen.FirstHandled);
    OUTCOME(KeRegisterNmiCallback, "the routines run at HIGH_LEVEL", Seen.Irql == HIGH_LEVEL);
    OUTCOME(KeDeregisterNmiCallback, "STATUS_SUCCESS for a handle", KeDeregisterNmiCallback(first) == STATUS_SUCCESS);
    SendNmi(apic);
    OUTCOME(KeDeregisterNmiCallback, "the routine is not called any more", Seen.Second == 1 && Seen.First == 0);
    OUTCOME(KeDeregisterNmiCallback, "STATUS_INVALID_HANDLE for what is no handle", KeDeregisterNmiCallback(first) == STATUS_INVALID_HANDLE);
    CHECK(KeDeregisterNmiCallback(second) == STATUS_SUCCESS);
    MmUnmapIoSpace((PVOID)apic, PAGE_SIZE);
    KtestDone();
    return STATUS_SUCCESS;
}
