// ktest: cases=11
/* Memory without the verifier (run.ts): ordinary pool with its headers, and routines that the verifier does not let drivers call. Cases from 1 on end in a bug check. */
#include <ntddk.h>
#include "../ktest.h"

#define TAG 'nlPK'

NTKERNELAPI NTSTATUS NTAPI MmAddVerifierThunks(PVOID ThunkBuffer, ULONG ThunkBufferSize);
NTKERNELAPI LOGICAL NTAPI MmIsDriverVerifyingByAddress(PVOID AddressWithinSection);

static VOID Pool(VOID)
{
    PUCHAR a = ExAllocatePoolWithTag(NonPagedPool, 100, TAG), b = ExAllocatePoolWithTag(NonPagedPool, 100, TAG), c;
    ULONG i;
    CHECK(a && b && (PUCHAR)PAGE_ALIGN(a) + PAGE_SIZE >= a + 100);
    /* The block that was freed last of its size is the next one that is given out. */
    ExFreePoolWithTag(a, TAG);
    c = ExAllocatePoolWithTag(NonPagedPool, 100, TAG);
    OUTCOME(ExFreePoolWithTag, "the memory can be allocated again", c == a);
    ExFreePoolWithTag(b, TAG);
    ExFreePoolWithTag(c, TAG);
    for (i = 1; i < 3 * PAGE_SIZE; i += 499)
    {
        a = ExAllocatePoolWithTag(PagedPool, i, TAG);
        RtlFillMemory(a, i, 0xAB);
        ExFreePoolWithTag(a, TAG);
    }
}

static VOID Mapping(VOID)
{
    PUCHAR buffer = ExAllocatePoolWithTag(PagedPool, PAGE_SIZE, TAG), system;
    PMDL mdl = IoAllocateMdl(buffer, PAGE_SIZE, FALSE, FALSE, NULL);
    buffer[7] = 0x71;
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    system = MmMapLockedPages(mdl, KernelMode);
    OUTCOME(MmMapLockedPages, "the address of the mapped pages", system && system != buffer && system[7] == 0x71);
    MmUnmapLockedPages(system, mdl);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    ExFreePoolWithTag(buffer, TAG);
}

static VOID Verified(PDRIVER_OBJECT DriverObject)
{
    ULONG flags = 5;
    PVOID thunk[2] = {(PVOID)Pool, (PVOID)Mapping};
    OUTCOME(MmIsDriverVerifying, "0 while the driver is not verified", MmIsDriverVerifying(DriverObject) == 0);
    OUTCOME(MmIsDriverVerifyingByAddress, "FALSE for an address in a driver that is not verified", !MmIsDriverVerifyingByAddress((PVOID)Pool));
    OUTCOME(MmIsVerifierEnabled, "an error and no options while the verifier is not active", !NT_SUCCESS(MmIsVerifierEnabled(&flags)) && flags == 0);
    OUTCOME(MmAddVerifierThunks, "STATUS_NOT_SUPPORTED while the verifier is not active", MmAddVerifierThunks(thunk, sizeof thunk) == STATUS_NOT_SUPPORTED);
}

/* A block with another one right behind it. */
static PUCHAR BlockBeforeAnother(VOID)
{
    PUCHAR blocks[64];
    ULONG i, j;
    for (i = 0; i < 64; i++)
        for (blocks[i] = ExAllocatePoolWithTag(NonPagedPool, 96, TAG), j = 0; j < i; j++)
            if (blocks[i] == blocks[j] + 112)
                return blocks[j];
            else if (blocks[j] == blocks[i] + 112)
                return blocks[i];
    CHECK(FALSE);
    return blocks[0];
}

static VOID Stop(ULONG Case)
{
    PUCHAR p = BlockBeforeAnother(), buffer = ExAllocatePoolWithTag(NonPagedPool, PAGE_SIZE, TAG);
    PMDL mdl = IoAllocateMdl(buffer, PAGE_SIZE, FALSE, FALSE, NULL);
    SIZE_T size;
    switch (Case)
    {
    case 1:
        OUTCOME_BUGCHECK(ExFreePoolWithTag, "bug check 0xC2 for memory that is free already", 0xC2);
        ExFreePoolWithTag(p, TAG);
        ExFreePoolWithTag(p, TAG);
        break;
    case 2:
        OUTCOME_BUGCHECK(ExFreePool, "bug check 0x19 when the header after the memory was overwritten", 0x19);
        RtlFillMemory(p + 96, 8, 0xFF);
        ExFreePool(p);
        break;
    case 3:
        OUTCOME_BUGCHECK(ExFreePool, "bug check 0x19 when the header of the memory was overwritten", 0x19);
        RtlFillMemory(p - 16, 16, 0xEE);
        ExFreePool(p);
        break;
    case 4:
        OUTCOME_BUGCHECK(ExFreePool, "bug check 0x19 for whole pages that are free already", 0x19);
        ExFreePool(buffer);
        ExFreePool(buffer);
        break;
    case 5:
        OUTCOME_BUGCHECK(MmMapLockedPagesSpecifyCache, "bug check 0x1A, 0x1233 for pages that are not locked", 0x1A);
        MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
        break;
    case 6:
    case 7:
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        for (size = (SIZE_T)512 << 20; size >= PAGE_SIZE;)
            if (MmAllocateMappingAddress(size, TAG) == NULL)
                size >>= 1;
        if (Case == 6)
        {
            OUTCOME_BUGCHECK(MmMapLockedPagesSpecifyCache, "bug check 0x3F when the pages cannot be mapped and BugCheckOnFailure is TRUE", 0x3F);
            MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, TRUE, NormalPagePriority);
        }
        OUTCOME_BUGCHECK(MmMapLockedPages, "bug check 0x3F when the pages cannot be mapped", 0x3F);
        MmMapLockedPages(mdl, KernelMode);
        break;
    case 8:
        OUTCOME_BUGCHECK(ExFreePool, "bug check 0x19 when the list of free memory is damaged", 0x19);
        ExFreePool(p);
        RtlFillMemory(p, 16, 0x10);
        ExAllocatePoolWithTag(NonPagedPool, 96, TAG);
        break;
    case 9:
        OUTCOME_BUGCHECK(MmProbeAndLockPages, "bug check 0x76 for an MDL that is locked", 0x76);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        break;
    case 10:
        OUTCOME_BUGCHECK(MmUnlockPages, "bug check 0x76 for an MDL that is not locked", 0x76);
        MmUnlockPages(mdl);
        break;
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("plainmemory");
    if (KtestCase)
    {
        Stop(KtestCase);
        return STATUS_SUCCESS;
    }
    Pool();
    Mapping();
    Verified(DriverObject);
    KtestDone();
    return STATUS_SUCCESS;
}
