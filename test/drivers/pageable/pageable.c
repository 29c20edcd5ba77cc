// ktest: cases=10
/* What is pageable: paged pool and PAGE sections come back after they were trimmed, locked sections stay, and nothing of it may be touched at DISPATCH_LEVEL. */
#include <ntddk.h>
#include "../ktest.h"

NTKERNELAPI BOOLEAN NTAPI MmTrimAllSystemPagableMemory(BOOLEAN PurgeTransition);
NTKERNELAPI PVOID NTAPI MmPageEntireDriver(PVOID AddressWithinSection);
NTKERNELAPI VOID NTAPI MmResetDriverPaging(PVOID AddressWithinSection);

#define TAG 'elbP'

/* A pageable data section, and a pageable routine. */
static volatile ULONG PagedData[2048] __attribute__((section("PAGEDATA"))) = {0x11223344};
static volatile ULONG OrdinaryData[1024] = {0x55667788};

static volatile ULONG Calls;
static __attribute__((noinline, section("PAGECODE"))) ULONG PagedRoutine(ULONG x)
{
    Calls++;
    return x * 3 + 1;
}

/* Whether an address is resident: a fault would otherwise bring it back. */
static BOOLEAN Resident(volatile void *Address)
{
    return MmIsAddressValid((PVOID)Address);
}

static VOID PagedPoolComesBack(VOID)
{
    ULONG i;
    PULONG block = ExAllocatePoolWithTag(PagedPool, 3 * PAGE_SIZE, TAG);
    CHECK(block != NULL);
    for (i = 0; i < 3 * PAGE_SIZE / sizeof(ULONG); i++)
        block[i] = i ^ 0x5A5A5A5A;
    /* Once from transition, once from the paging file. */
    OUTCOME(MmTrimAllSystemPagableMemory, "paged pool is not resident after it", MmTrimAllSystemPagableMemory(FALSE) && !Resident(block));
    OUTCOME(MmIsAddressValid, "FALSE for pageable memory that is not resident", !MmIsAddressValid(&block[2000]));
    CHECK(block[0] == 0x5A5A5A5A && block[2000] == (2000 ^ 0x5A5A5A5A) && Resident(block));
    MmTrimAllSystemPagableMemory(TRUE);
    CHECK(!Resident(&block[1024]));
    for (i = 0; i < 3 * PAGE_SIZE / sizeof(ULONG) && block[i] == (i ^ 0x5A5A5A5A); i++)
        ;
    OUTCOME(MmTrimAllSystemPagableMemory, "a fault brings written pages back as they were", i == 3 * PAGE_SIZE / sizeof(ULONG));
    MmTrimAllSystemPagableMemory(TRUE);
    /* Freed while it is in the paging file. */
    ExFreePoolWithTag(block, TAG);
}

static VOID KernelRoutinesBringItBack(VOID)
{
    PUCHAR block = ExAllocatePoolWithTag(PagedPool, 64, TAG);
    UNICODE_STRING string;
    RtlFillMemory(block, 64, 0x41);
    string.Buffer = (PWSTR)block;
    string.Length = string.MaximumLength = 64;
    MmTrimAllSystemPagableMemory(TRUE);
    CHECK(RtlUpcaseUnicodeChar(string.Buffer[3]) == 0x4141);
    MmTrimAllSystemPagableMemory(TRUE);
    /* The routine, and not this code, takes the fault. */
    CHECK(RtlEqualUnicodeString(&string, &string, TRUE) && Resident(block));
    ExFreePoolWithTag(block, TAG);
}

static VOID Sections(VOID)
{
    PVOID data, code, again;
    MmTrimAllSystemPagableMemory(FALSE);
    OUTCOME(MmTrimAllSystemPagableMemory, "PAGE sections of drivers are not resident after it, others are", !Resident(&PagedData[0]) && Resident(&OrdinaryData[0]));
    CHECK(PagedData[0] == 0x11223344);
    OUTCOME(MmTrimAllSystemPagableMemory, "a pageable routine is brought back when it is called", PagedRoutine(5) == 16);

    MmTrimAllSystemPagableMemory(TRUE);
    data = MmLockPagableDataSection((PVOID)&PagedData[5]);
    OUTCOME(MmLockPagableDataSection, "returns a handle", data != NULL);
    OUTCOME(MmLockPagableDataSection, "locks the entire section into memory", Resident(&PagedData[0]) && Resident(&PagedData[2047]));
    MmTrimAllSystemPagableMemory(FALSE);
    OUTCOME(MmLockPagableDataSection, "a locked section is not paged out", Resident(&PagedData[0]) && Resident(&PagedData[2047]) && PagedData[0] == 0x11223344);
    code = MmLockPagableCodeSection((PVOID)PagedRoutine);
    OUTCOME(MmLockPagableCodeSection, "locks the section of a routine", code != NULL && code != data && Resident(PagedRoutine));

    MmLockPagableSectionByHandle(data);
    MmUnlockPagableImageSection(data);
    MmTrimAllSystemPagableMemory(FALSE);
    OUTCOME(MmUnlockPagableImageSection, "the section stays locked until every lock is undone", Resident(&PagedData[0]));
    OUTCOME(MmLockPagableSectionByHandle, "increments the lock count", Resident(&PagedData[2047]));
    MmUnlockPagableImageSection(data);
    MmTrimAllSystemPagableMemory(FALSE);
    OUTCOME(MmUnlockPagableImageSection, "the section can be paged out when the count is zero", !Resident(&PagedData[0]));
    MmLockPagableSectionByHandle(data);
    OUTCOME(MmLockPagableSectionByHandle, "a handle with count zero pages the section in and locks it", Resident(&PagedData[0]));
    MmTrimAllSystemPagableMemory(FALSE);
    CHECK(Resident(&PagedData[2047]));
    again = MmLockPagableDataSection((PVOID)&PagedData[2000]);
    OUTCOME(MmLockPagableDataSection, "the same section has the same handle", again == data);
    MmUnlockPagableImageSection(data);
    MmUnlockPagableImageSection(data);
    MmUnlockPagableImageSection(code);
}

static VOID EntireDriver(PDRIVER_OBJECT DriverObject)
{
    PVOID base;
    MmResetDriverPaging((PVOID)PagedRoutine);
    MmTrimAllSystemPagableMemory(FALSE);
    OUTCOME(MmResetDriverPaging, "does nothing without MmPageEntireDriver before", Resident(&OrdinaryData[0]) && !Resident(&PagedData[0]));
    base = MmPageEntireDriver((PVOID)&OrdinaryData[0]);
    OUTCOME(MmPageEntireDriver, "returns the base of the driver's image", base == DriverObject->DriverStart);
    MmTrimAllSystemPagableMemory(TRUE);
    OUTCOME(MmPageEntireDriver, "all sections can be paged out", !Resident(&OrdinaryData[0]) && !Resident(&PagedData[0]));
    CHECK(OrdinaryData[0] == 0x55667788);
    OUTCOME(MmPageEntireDriver, "has no effect when the driver is pageable already", MmPageEntireDriver((PVOID)PagedRoutine) == base);
    MmTrimAllSystemPagableMemory(TRUE);
    MmResetDriverPaging((PVOID)&OrdinaryData[0]);
    OUTCOME(MmResetDriverPaging, "ordinary sections are locked into memory again", Resident(&OrdinaryData[0]));
    MmTrimAllSystemPagableMemory(FALSE);
    CHECK(Resident(&OrdinaryData[0]) && OrdinaryData[0] == 0x55667788);
    OUTCOME(MmResetDriverPaging, "PAGE sections stay pageable", !Resident(&PagedData[0]));
}

/* An MDL's pages stay resident until they are unlocked. */
static VOID LockedPages(VOID)
{
    PUCHAR block = ExAllocatePoolWithTag(PagedPool, 2 * PAGE_SIZE, TAG);
    PMDL mdl = IoAllocateMdl(block, 2 * PAGE_SIZE, FALSE, FALSE, NULL);
    block[0] = 1;
    MmTrimAllSystemPagableMemory(TRUE);
    MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess);
    OUTCOME(MmProbeAndLockPages, "makes pageable memory resident", Resident(block) && Resident(block + PAGE_SIZE) && block[0] == 1);
    MmTrimAllSystemPagableMemory(TRUE);
    OUTCOME(MmProbeAndLockPages, "locked pages are not paged out", Resident(block) && Resident(block + PAGE_SIZE));
    MmUnlockPages(mdl);
    MmTrimAllSystemPagableMemory(TRUE);
    OUTCOME(MmUnlockPages, "unlocked pages can be paged out", !Resident(block));
    IoFreeMdl(mdl);
    ExFreePoolWithTag(block, TAG);
}

/* Each of these ends in a bug check. */
static VOID Stop(ULONG Case)
{
    KIRQL irql;
    PUCHAR block = ExAllocatePoolWithTag(PagedPool, 64, TAG);
    volatile UCHAR sink;
    PVOID handle;
    switch (Case)
    {
    case 1:
        OUTCOME_BUGCHECK(ExAllocatePoolWithTag, "bug check 0xD1 when a driver touches paged pool at DISPATCH_LEVEL", 0xD1);
        block[1] = 1;
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        sink = block[1];
        break;
    case 2:
        OUTCOME_BUGCHECK(MmUnlockPagableImageSection, "bug check 0xD1 when the section is touched at DISPATCH_LEVEL after it", 0xD1);
        MmUnlockPagableImageSection(MmLockPagableDataSection((PVOID)&PagedData[0]));
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        PagedData[0] = 5;
        break;
    case 3:
        OUTCOME_BUGCHECK(MmLockPagableCodeSection, "bug check 0xD1 when the routine runs at DISPATCH_LEVEL without the lock", 0xD1);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        PagedRoutine(1);
        break;
    case 4:
        OUTCOME_BUGCHECK(ExAllocatePoolWithTag, "bug check 0xA when a routine is given paged pool at DISPATCH_LEVEL", 0xA);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        KeQueryPerformanceCounter((PLARGE_INTEGER)block);
        break;
    case 5:
        OUTCOME_BUGCHECK(MmUnlockPagableImageSection, "bug check 0x1A, 0x1010 for a section that is not locked", 0x1A);
        handle = MmLockPagableDataSection((PVOID)&PagedData[0]);
        MmUnlockPagableImageSection(handle);
        MmUnlockPagableImageSection(handle);
        break;
    case 6:
        OUTCOME_BUGCHECK(MmLockPagableDataSection, "bug check 0x1A, 0x1234 for an address in no driver", 0x1A);
        MmLockPagableDataSection(block);
        break;
    case 7:
        OUTCOME_BUGCHECK(MmLockPagableSectionByHandle, "bug check 0x1A, 0x1234 for a handle that is none", 0x1A);
        MmLockPagableSectionByHandle((PVOID)&PagedData[0]);
        break;
    case 8:
        OUTCOME_BUGCHECK(MmPageEntireDriver, "bug check 0xD1 when the driver's data is touched at DISPATCH_LEVEL", 0xD1);
        MmPageEntireDriver((PVOID)&OrdinaryData[0]);
        MmLockPagableCodeSection((PVOID)Stop);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        OrdinaryData[1]++;
        break;
    case 9:
        /* Without having been trimmed: the rule is checked, not the luck. */
        OUTCOME_BUGCHECK(ExAllocatePoolWithTag, "bug check 0xA for a spin lock in paged pool", 0xA);
        KeInitializeSpinLock((PKSPIN_LOCK)block);
        KeAcquireSpinLock((PKSPIN_LOCK)block, &irql);
        *(volatile UCHAR *)(block + 8) = 1;
        break;
    }
    (void)sink;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("pageable");
    if (KtestCase != 0)
    {
        Stop(KtestCase);
        return STATUS_SUCCESS;
    }
    PagedPoolComesBack();
    KernelRoutinesBringItBack();
    Sections();
    EntireDriver(DriverObject);
    LockedPages();
    KtestDone();
    return STATUS_SUCCESS;
}
