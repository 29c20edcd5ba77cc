/* Routines that are called again after DriverEntry has returned. The report comes from the last of them. */
#include <ntddk.h>
#include "../ktest.h"


static BOOLEAN EntryReturned;
static ULONG Calls;

static VOID NTAPI Boot(PDRIVER_OBJECT DriverObject, PVOID Context, ULONG Count)
{
    UNREFERENCED_PARAMETER(Count);
    OUTCOME(IoRegisterBootDriverReinitialization, "the routine is called at PASSIVE_LEVEL with driver object and context", KeGetCurrentIrql() == PASSIVE_LEVEL && DriverObject && Context == (PVOID)0x99);
    OUTCOME(IoRegisterBootDriverReinitialization, "the routine is called after DriverEntry has returned", DriverObject->Flags & 0x10 /* DRVO_INITIALIZED */);
    KtestDone();
}

static VOID NTAPI Again(PDRIVER_OBJECT DriverObject, PVOID Context, ULONG Count)
{
    Calls++;
    if (Calls == 1)
    {
        OUTCOME(IoRegisterDriverReinitialization, "the routine is called after DriverEntry has returned", EntryReturned && (DriverObject->Flags & 0x10));
        OUTCOME(IoRegisterDriverReinitialization, "the routine gets driver object, context and a count of 1", Context == (PVOID)0x77 && Count == 1);
        OUTCOME(IoRegisterDriverReinitialization, "the routine is called at PASSIVE_LEVEL", KeGetCurrentIrql() == PASSIVE_LEVEL);
        IoRegisterDriverReinitialization(DriverObject, (PDRIVER_REINITIALIZE)Again, (PVOID)0x78);
        return;
    }
    OUTCOME(IoRegisterDriverReinitialization, "the routine can register again and is called with a count one higher", Context == (PVOID)0x78 && Count == 2);
    IoRegisterBootDriverReinitialization(DriverObject, Boot, (PVOID)0x99);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("reinit");
    IoRegisterDriverReinitialization(DriverObject, (PDRIVER_REINITIALIZE)Again, (PVOID)0x77);
    EntryReturned = TRUE;
    CHECK(Calls == 0);
    return STATUS_SUCCESS;
}
