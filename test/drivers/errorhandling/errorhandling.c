// ktest: cases=5
/* Stops, and the routines that drivers register for one. Cases 1 to 4 end in a bug check; what a routine finds during it is printed by itself. */
#include <ntddk.h>
#include "../ktest.h"

#define KbCallbackSecondary 2
#define KbCallbackPages 4
#define KbCallbackTriage 7

static KBUGCHECK_CALLBACK_RECORD Record, Second;
static KBUGCHECK_REASON_CALLBACK_RECORD Secondary, Pages, Triage;
static UCHAR Buffer[64];
static ULONG Order, Ranges;

/* At HIGH_LEVEL, on the stack of whoever stopped: nothing may be waited for, allocated or locked. */
static VOID NTAPI OnStop(PVOID buffer, ULONG length)
{
    OUTCOME(KeRegisterBugCheckCallback, "the routine gets the buffer and its length", buffer == Buffer && length == sizeof Buffer);
    OUTCOME(KeRegisterBugCheckCallback, "the routine runs at HIGH_LEVEL", KeGetCurrentIrql() == HIGH_LEVEL);
    OUTCOME(KeRegisterBugCheckReasonCallback, "reason routines run before the others", Order == 3);
    Buffer[0] = 0x5A;
}

static VOID NTAPI SecondStop(PVOID buffer, ULONG length)
{
    OUTCOME(KeRegisterBugCheckCallback, "every routine is called, in the order of registration", buffer == NULL && length == 0 && Buffer[0] == 0x5A);
}

static VOID NTAPI AddData(KBUGCHECK_CALLBACK_REASON reason, PKBUGCHECK_REASON_CALLBACK_RECORD record, PVOID data, ULONG length)
{
    PKBUGCHECK_SECONDARY_DUMP_DATA d = data;
    OUTCOME(KeRegisterBugCheckReasonCallback, "KbCallbackSecondaryDumpData gets a structure with a buffer",
            reason == KbCallbackSecondary && record == &Secondary && length == sizeof *d && d->InBuffer && d->InBufferLength && d->MaximumAllowed);
    d->OutBuffer = Buffer;
    d->OutBufferLength = 16;
    Order++;
}

static VOID NTAPI AddPages(KBUGCHECK_CALLBACK_REASON reason, PKBUGCHECK_REASON_CALLBACK_RECORD record, PVOID data, ULONG length)
{
    PKBUGCHECK_ADD_PAGES d = data;
    d->Address = (ULONG_PTR)Buffer;
    d->Count = 1;
    d->Flags = 1;
    if (++Ranges < 3)
        d->Flags |= 0x80000000; /* KB_ADD_PAGES_FLAG_ADDITIONAL_RANGES_EXIST */
    else
    {
        OUTCOME(KeRegisterBugCheckReasonCallback, "KbCallbackAddPages is called again while it has more ranges", reason == KbCallbackPages && d->BugCheckCode == 0xE2);
        Order++;
    }
}

static VOID NTAPI AddTriage(KBUGCHECK_CALLBACK_REASON reason, PKBUGCHECK_REASON_CALLBACK_RECORD record, PVOID data, ULONG length)
{
    /* KBUGCHECK_TRIAGE_DUMP_DATA: the code is at 10h, the parameters follow. */
    ULONG_PTR *p = (ULONG_PTR *)((PUCHAR)data + 0x18);
    OUTCOME(KeBugCheckEx, "the parameters are those of the call",
            reason == KbCallbackTriage && *(PULONG)((PUCHAR)data + 0x10) == 0xE2 && p[0] == 1 && p[1] == 0x123456789abcdef0 && p[2] == 3 && p[3] == ~(ULONG_PTR)0);
    Order++;
}

static VOID NTAPI Faults(PVOID buffer, ULONG length) { *(volatile ULONG *)0x10 = 1; }
static VOID NTAPI NeverCalled(PVOID buffer, ULONG length) { DbgPrint("KTEST FAIL |a routine that was taken back ran\n"); }

static VOID Registering(VOID)
{
    Record.State = 0x77;
    KeInitializeCallbackRecord((&Record)); /* the macro of mingw's wdm.h needs the parentheses */
    OUTCOME(KeInitializeCallbackRecord, "makes a record that can be registered", Record.State == BufferEmpty);
    OUTCOME(KeRegisterBugCheckCallback, "TRUE: the routine is registered", KeRegisterBugCheckCallback(&Record, NeverCalled, Buffer, sizeof Buffer, (PUCHAR)"errors"));
    OUTCOME(KeRegisterBugCheckCallback, "FALSE for a record that is registered already", !KeRegisterBugCheckCallback(&Record, OnStop, Buffer, sizeof Buffer, (PUCHAR)"errors"));
    OUTCOME(KeDeregisterBugCheckCallback, "TRUE: the routine is taken back", KeDeregisterBugCheckCallback(&Record));
    OUTCOME(KeDeregisterBugCheckCallback, "FALSE for a record that is not registered", !KeDeregisterBugCheckCallback(&Record));
    OUTCOME(KeRegisterBugCheckCallback, "a record that was taken back can be registered again", KeRegisterBugCheckCallback(&Record, NeverCalled, NULL, 0, (PUCHAR)"errors") && KeDeregisterBugCheckCallback(&Record));

    KeInitializeCallbackRecord((&Secondary));
    OUTCOME(KeRegisterBugCheckReasonCallback, "TRUE: the routine is registered", KeRegisterBugCheckReasonCallback(&Secondary, AddData, KbCallbackSecondary, (PUCHAR)"errors"));
    OUTCOME(KeRegisterBugCheckReasonCallback, "FALSE for a record that is registered already", !KeRegisterBugCheckReasonCallback(&Secondary, AddData, KbCallbackSecondary, (PUCHAR)"errors"));
    OUTCOME(KeDeregisterBugCheckReasonCallback, "TRUE: the routine is taken back", KeDeregisterBugCheckReasonCallback(&Secondary));
    OUTCOME(KeDeregisterBugCheckReasonCallback, "FALSE for a record that is not registered", !KeDeregisterBugCheckReasonCallback(&Secondary));
}

static VOID Stop(VOID)
{
    KIRQL old;
    switch (KtestCase)
    {
    case 1: /* Everything that can be registered is called. */
        KeRegisterBugCheckCallback(&Record, OnStop, Buffer, sizeof Buffer, (PUCHAR)"errors");
        KeRegisterBugCheckCallback(&Second, SecondStop, NULL, 0, (PUCHAR)"second");
        KeRegisterBugCheckReasonCallback(&Secondary, AddData, KbCallbackSecondary, (PUCHAR)"errors");
        KeRegisterBugCheckReasonCallback(&Pages, AddPages, KbCallbackPages, (PUCHAR)"errors");
        KeRegisterBugCheckReasonCallback(&Triage, AddTriage, KbCallbackTriage, (PUCHAR)"errors");
        OUTCOME_BUGCHECK(KeBugCheckEx, "stops the machine with the code", 0xE2);
        KeBugCheckEx(0xE2, 1, 0x123456789abcdef0, 3, ~(ULONG_PTR)0);
        break;
    case 2: /* A routine that was taken back is not called; one that faults does not hide the first stop. */
        KeRegisterBugCheckCallback(&Record, NeverCalled, NULL, 0, (PUCHAR)"errors");
        KeDeregisterBugCheckCallback(&Record);
        KeRegisterBugCheckCallback(&Second, Faults, NULL, 0, (PUCHAR)"second");
        OUTCOME_BUGCHECK(KeRegisterBugCheckCallback, "a routine that faults does not change the stop", 0xDEADDEAD);
        KeBugCheckEx(0xDEADDEAD, 0, 0, 0, 0);
        break;
    case 3:
        OUTCOME_BUGCHECK(KeBugCheckEx, "can be called at HIGH_LEVEL", 0xE2);
        KeRaiseIrql(HIGH_LEVEL, &old);
        KeBugCheckEx(0xE2, 0, 0, 0, 0);
        break;
    case 4: /* A record that somebody has written over is passed over. */
        KeRegisterBugCheckCallback(&Record, NeverCalled, NULL, 0, (PUCHAR)"errors");
        Record.Length = 99;
        OUTCOME_BUGCHECK(KeRegisterBugCheckCallback, "a record that was written over is not used", 0xE2);
        KeBugCheckEx(0xE2, 0, 0, 0, 0);
        break;
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT driver) {}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    KtestBegin("errorhandling");
    driver->DriverUnload = Unload;
    if (KtestCase != 0)
        Stop();
    Registering();
    KtestDone();
    return STATUS_SUCCESS;
}
