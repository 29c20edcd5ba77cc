// ktest: cases=13 compiler=clang
/* Memory descriptor lists: what they describe, locking, mapping into system and user space, parts of them, reserved mappings. Cases from 1 on end in a bug check. */
#include <ntddk.h>
#include "../ktest.h"

#define NOINLINE __attribute__((noinline))
#define BETWEEN() __asm__ volatile("nop")
#define TAG 'ldMK'

NTKERNELAPI PMDL NTAPI MmCreateMdl(PMDL MemoryDescriptorList, PVOID Base, SIZE_T Length);
NTKERNELAPI VOID NTAPI MmProbeAndLockProcessPages(PMDL MemoryDescriptorList, PEPROCESS Process, KPROCESSOR_MODE AccessMode, LOCK_OPERATION Operation);
NTKERNELAPI NTSTATUS NTAPI MmProtectMdlSystemAddress(PMDL MemoryDescriptorList, ULONG NewProtect);
NTKERNELAPI NTSTATUS NTAPI MmAdvanceMdl(PMDL Mdl, ULONG NumberOfBytes);
#ifndef MdlMappingNoWrite
#define MdlMappingNoWrite 0x80000000
#define MdlMappingNoExecute 0x40000000
#endif
#ifndef MM_ALLOCATE_FULLY_REQUIRED
#define MM_ALLOCATE_FULLY_REQUIRED 4
#endif
#define REQUIRE_CONTIGUOUS_CHUNKS 0x20

/* ---- building and freeing ---- */

static VOID Building(VOID)
{
    PUCHAR buffer = ExAllocatePoolWithTag(NonPagedPool, 2 * PAGE_SIZE, TAG);
    PUCHAR start = buffer + 100;
    PMDL mdl = IoAllocateMdl(start, PAGE_SIZE, FALSE, FALSE, NULL), second, own;
    PIRP irp = IoAllocateIrp(1, FALSE);
    static UCHAR room[sizeof(MDL) + 4 * sizeof(PFN_NUMBER)];

    OUTCOME(IoAllocateMdl, "a pointer to an MDL for the buffer", mdl && MmGetMdlByteCount(mdl) == PAGE_SIZE && MmGetMdlVirtualAddress(mdl) == start);
    OUTCOME(IoAllocateMdl, "NULL when the buffer is too large", IoAllocateMdl(buffer, 0xFFFFFFFF, FALSE, FALSE, NULL) == NULL);
    OUTCOME(MmGetMdlByteCount, "the length of the buffer", MmGetMdlByteCount(mdl) == PAGE_SIZE);
    OUTCOME(MmGetMdlByteOffset, "the offset in the first page", MmGetMdlByteOffset(mdl) == BYTE_OFFSET(start));
    OUTCOME(MmGetMdlVirtualAddress, "the address of the buffer", MmGetMdlVirtualAddress(mdl) == start);
    OUTCOME(MmGetMdlBaseVa, "the address of the first page", MmGetMdlBaseVa(mdl) == PAGE_ALIGN(start));
    OUTCOME(MmSizeOfMdl, "bytes for an MDL of the buffer", MmSizeOfMdl(start, PAGE_SIZE) == sizeof(MDL) + 2 * sizeof(PFN_NUMBER));
    OUTCOME(MmSizeOfMdl, "the offset counts", MmSizeOfMdl(buffer, PAGE_SIZE) == sizeof(MDL) + sizeof(PFN_NUMBER));

    MmBuildMdlForNonPagedPool(mdl);
    OUTCOME(MmBuildMdlForNonPagedPool, "fills in the page frames",
            MmGetMdlPfnArray(mdl)[0] == (PFN_NUMBER)(MmGetPhysicalAddress(start).QuadPart >> PAGE_SHIFT) &&
                MmGetMdlPfnArray(mdl)[1] == (PFN_NUMBER)(MmGetPhysicalAddress(buffer + PAGE_SIZE).QuadPart >> PAGE_SHIFT));
    OUTCOME(MmBuildMdlForNonPagedPool, "the system address is that of the buffer", (mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL) && mdl->MappedSystemVa == start);
    OUTCOME(MmGetMdlPfnArray, "the page frame numbers", MmGetMdlPfnArray(mdl) == (PPFN_NUMBER)(mdl + 1));
    OUTCOME(MmGetSystemAddressForMdlSafe, "the buffer's own address for nonpaged pool", MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) == start);

    /* IRPs have chains of MDLs. */
    IoFreeMdl(mdl);
    mdl = IoAllocateMdl(start, 10, FALSE, FALSE, irp);
    OUTCOME(IoAllocateMdl, "becomes the MDL of the IRP", irp->MdlAddress == mdl);
    second = IoAllocateMdl(start, 20, TRUE, FALSE, irp);
    OUTCOME(IoAllocateMdl, "a secondary buffer comes to the end of the chain", irp->MdlAddress == mdl && mdl->Next == second && second->Next == NULL);
    irp->MdlAddress = NULL;
    IoFreeMdl(second);
    IoFreeMdl(mdl);
    OUTCOME(IoFreeMdl, "releases the MDL", TRUE);
    IoFreeIrp(irp);

    own = MmCreateMdl((PMDL)room, start, 300);
    OUTCOME(MmCreateMdl, "initializes the caller's MDL", own == (PMDL)room && MmGetMdlByteCount(own) == 300 && MmGetMdlVirtualAddress(own) == start);
    own = MmCreateMdl(NULL, start, 300);
    OUTCOME(MmCreateMdl, "allocates an MDL when there is none", own && own != (PMDL)room && MmGetMdlByteCount(own) == 300);
    ExFreePool(own);
    MmInitializeMdl((PMDL)room, start, 400);
    OUTCOME(MmInitializeMdl, "initializes the header", ((PMDL)room)->ByteCount == 400 && ((PMDL)room)->StartVa == PAGE_ALIGN(start) && ((PMDL)room)->Next == NULL && ((PMDL)room)->MdlFlags == 0);
    ExFreePoolWithTag(buffer, TAG);
}

/* ---- locking ---- */

static NOINLINE VOID Lock(PMDL mdl, KPROCESSOR_MODE mode, LOCK_OPERATION operation) { MmProbeAndLockPages(mdl, mode, operation); BETWEEN(); }
static NOINLINE VOID LockIn(PMDL mdl, KPROCESSOR_MODE mode, LOCK_OPERATION operation) { MmProbeAndLockProcessPages(mdl, PsInitialSystemProcess, mode, operation); BETWEEN(); }
static NOINLINE NTSTATUS Locks(VOID (*lock)(PMDL, KPROCESSOR_MODE, LOCK_OPERATION), PVOID address, SIZE_T bytes, KPROCESSOR_MODE mode, LOCK_OPERATION operation)
{
    volatile NTSTATUS code = STATUS_SUCCESS;
    PMDL mdl = IoAllocateMdl(address, (ULONG)bytes, FALSE, FALSE, NULL);
    __try { lock(mdl, mode, operation); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    if (code == STATUS_SUCCESS)
        MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    return code;
}

static const ULONG ReadOnly[4] = {1, 2, 3, 4};

static VOID Locking(VOID)
{
    PUCHAR buffer = ExAllocatePoolWithTag(PagedPool, 3 * PAGE_SIZE, TAG);
    PUCHAR resident = ExAllocatePoolWithTag(NonPagedPool, PAGE_SIZE, TAG);
    PMDL mdl = IoAllocateMdl(buffer + 8, 2 * PAGE_SIZE, FALSE, FALSE, NULL), twice = IoAllocateMdl(buffer, PAGE_SIZE, FALSE, FALSE, NULL);
    KIRQL irql;
    PMDL high;
    Lock(mdl, KernelMode, IoReadAccess);
    OUTCOME(MmProbeAndLockPages, "fills in the page frames and locks them",
            (mdl->MdlFlags & MDL_PAGES_LOCKED) && MmGetMdlPfnArray(mdl)[2] == (PFN_NUMBER)(MmGetPhysicalAddress(buffer + 2 * PAGE_SIZE).QuadPart >> PAGE_SHIFT));
    OUTCOME(MmProbeAndLockPages, "IoReadAccess does not mark the MDL as written", !(mdl->MdlFlags & MDL_WRITE_OPERATION));
    Lock(twice, KernelMode, IoModifyAccess);
    OUTCOME(MmProbeAndLockPages, "a page can be locked by several MDLs", (twice->MdlFlags & MDL_PAGES_LOCKED) && MmGetMdlPfnArray(twice)[0] == MmGetMdlPfnArray(mdl)[0]);
    OUTCOME(MmProbeAndLockPages, "IoModifyAccess marks the MDL as written", (twice->MdlFlags & MDL_WRITE_OPERATION) != 0);
    MmUnlockPages(mdl);
    OUTCOME(MmUnlockPages, "sets the MDL to the unlocked state", !(mdl->MdlFlags & MDL_PAGES_LOCKED));
    MmUnlockPages(twice);
    OUTCOME(MmProbeAndLockPages, "raises STATUS_ACCESS_VIOLATION for a kernel address in UserMode", Locks(Lock, buffer, 100, UserMode, IoReadAccess) == STATUS_ACCESS_VIOLATION);
    OUTCOME(MmProbeAndLockPages, "raises STATUS_ACCESS_VIOLATION for user memory that is not there", Locks(Lock, (PVOID)0x7FFF0000, 100, UserMode, IoReadAccess) == STATUS_ACCESS_VIOLATION);
    OUTCOME(MmProbeAndLockPages, "raises STATUS_ACCESS_VIOLATION when read-only memory is to be written", Locks(Lock, (PVOID)ReadOnly, 4, KernelMode, IoWriteAccess) == STATUS_ACCESS_VIOLATION);
    OUTCOME(MmProbeAndLockPages, "read-only memory for IoReadAccess", Locks(Lock, (PVOID)ReadOnly, 4, KernelMode, IoReadAccess) == STATUS_SUCCESS);
    OUTCOME(MmProbeAndLockProcessPages, "locks pages of the process", Locks(LockIn, buffer, 100, KernelMode, IoReadAccess) == STATUS_SUCCESS);
    OUTCOME(MmProbeAndLockProcessPages, "raises STATUS_ACCESS_VIOLATION for memory that is not there", Locks(LockIn, (PVOID)0x7FFF0000, 100, UserMode, IoReadAccess) == STATUS_ACCESS_VIOLATION);
    high = IoAllocateMdl(resident, PAGE_SIZE, FALSE, FALSE, NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    MmProbeAndLockPages(high, KernelMode, IoWriteAccess);
    MmUnlockPages(high);
    KeLowerIrql(irql);
    OUTCOME(MmProbeAndLockPages, "nonpaged memory at DISPATCH_LEVEL", TRUE);
    OUTCOME(MmUnlockPages, "at DISPATCH_LEVEL", !(high->MdlFlags & MDL_PAGES_LOCKED));
    IoFreeMdl(high);
    IoFreeMdl(mdl);
    IoFreeMdl(twice);
    ExFreePoolWithTag(buffer, TAG);
    ExFreePoolWithTag(resident, TAG);
}

/* ---- mapping ---- */

static NOINLINE PVOID MapUser(PMDL mdl, PVOID wanted, ULONG priority) { PVOID p = MmMapLockedPagesSpecifyCache(mdl, UserMode, MmCached, wanted, FALSE, priority); BETWEEN(); return p; }
static NOINLINE NTSTATUS MapsUser(PMDL mdl, PVOID wanted, PVOID *result)
{
    volatile NTSTATUS code = STATUS_SUCCESS;
    __try { *result = MapUser(mdl, wanted, NormalPagePriority); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    return code;
}
static NOINLINE VOID Poke(volatile ULONG *p) { *p = 99; }
static NOINLINE NTSTATUS Writes(PVOID p)
{
    volatile NTSTATUS code = STATUS_SUCCESS;
    __try { Poke(p); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    return code;
}

static VOID Mapping(VOID)
{
    PUCHAR buffer = ExAllocatePoolWithTag(PagedPool, 2 * PAGE_SIZE, TAG);
    PMDL mdl = IoAllocateMdl(buffer + 40, PAGE_SIZE, FALSE, FALSE, NULL);
    PUCHAR system, again, user = NULL, other = NULL;
    KIRQL irql;
    RtlFillMemory(buffer, 2 * PAGE_SIZE, 0x11);
    Lock(mdl, KernelMode, IoModifyAccess);

    system = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    OUTCOME(MmMapLockedPagesSpecifyCache, "the address of the mapped pages", system && system != buffer + 40 && BYTE_OFFSET(system) == BYTE_OFFSET(buffer + 40));
    system[3] = 0x22;
    OUTCOME(MmMapLockedPagesSpecifyCache, "it is the same memory", buffer[43] == 0x22 && MmGetPhysicalAddress(system).QuadPart == MmGetPhysicalAddress(buffer + 40).QuadPart);
    OUTCOME(MmMapLockedPagesSpecifyCache, "the MDL is marked as mapped", (mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) && mdl->MappedSystemVa == system);
    again = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
    OUTCOME(MmGetSystemAddressForMdlSafe, "an existing mapping", again == system);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    OUTCOME(MmMapLockedPagesSpecifyCache, "pageable memory can be touched at DISPATCH_LEVEL through it", system[3] == 0x22);
    KeLowerIrql(irql);
    MmUnmapLockedPages(system, mdl);
    OUTCOME(MmUnmapLockedPages, "releases the mapping", !MmIsAddressValid(system) && !(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) && buffer[43] == 0x22);
    again = MmGetSystemAddressForMdlSafe(mdl, LowPagePriority | MdlMappingNoExecute);
    OUTCOME(MmGetSystemAddressForMdlSafe, "a new mapping when there is none", again && again[3] == 0x22 && (mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA));

    OUTCOME(MmProtectMdlSystemAddress, "STATUS_SUCCESS", MmProtectMdlSystemAddress(mdl, PAGE_READWRITE) == STATUS_SUCCESS && again[3] == 0x22);
    again[3] = 0x23;
    OUTCOME(MmProtectMdlSystemAddress, "memory can be written with PAGE_READWRITE", buffer[43] == 0x23);
    OUTCOME(MmProtectMdlSystemAddress, "STATUS_INVALID_PAGE_PROTECTION for a protection that is not valid", MmProtectMdlSystemAddress(mdl, 0x3333) == STATUS_INVALID_PAGE_PROTECTION);
    OUTCOME(MmProtectMdlSystemAddress, "with PAGE_NOACCESS the memory cannot be accessed", MmProtectMdlSystemAddress(mdl, PAGE_NOACCESS) == STATUS_SUCCESS && !MmIsAddressValid(again));
    OUTCOME(MmProtectMdlSystemAddress, "and with PAGE_READONLY it can be read again", MmProtectMdlSystemAddress(mdl, PAGE_READONLY) == STATUS_SUCCESS && again[3] == 0x23);
    /* MmUnlockPages releases the mapping too. */
    MmUnlockPages(mdl);
    OUTCOME(MmUnlockPages, "releases the system mapping", !MmIsAddressValid(again));
    OUTCOME(MmProtectMdlSystemAddress, "STATUS_NOT_MAPPED_VIEW when the MDL is not mapped", MmProtectMdlSystemAddress(mdl, PAGE_READONLY) == STATUS_NOT_MAPPED_VIEW);

    Lock(mdl, KernelMode, IoModifyAccess);

    OUTCOME(MmMapLockedPagesSpecifyCache, "maps into user space", MapsUser(mdl, NULL, (PVOID *)&user) == STATUS_SUCCESS && user && (ULONG_PTR)user < MM_USER_PROBE_ADDRESS && user[3] == 0x23);
    OUTCOME(MmMapLockedPagesSpecifyCache, "raises when the requested user address is taken", !NT_SUCCESS(MapsUser(mdl, PAGE_ALIGN(user), (PVOID *)&other)));
    MmUnmapLockedPages(user, mdl);
    OUTCOME(MmUnmapLockedPages, "releases a mapping in user space", !MmIsAddressValid(user));
    OUTCOME(MmMapLockedPagesSpecifyCache, "at the requested user address", MapsUser(mdl, (PVOID)0x12340000, (PVOID *)&user) == STATUS_SUCCESS && PAGE_ALIGN(user) == (PVOID)0x12340000);
    MmUnmapLockedPages(user, mdl);
    user = MapUser(mdl, NULL, NormalPagePriority | MdlMappingNoWrite);
    OUTCOME(MmMapLockedPagesSpecifyCache, "MdlMappingNoWrite makes it read-only", user && user[3] == 0x23 && Writes(user) == STATUS_ACCESS_VIOLATION);
    MmUnmapLockedPages(user, mdl);
    user = MmMapLockedPages(mdl, UserMode);
    OUTCOME(MmMapLockedPages, "maps into user space", user && (ULONG_PTR)user < MM_USER_PROBE_ADDRESS && user[3] == 0x23);
    MmUnmapLockedPages(user, mdl);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    ExFreePoolWithTag(buffer, TAG);
}

static VOID Exhausted(VOID)
{
    PUCHAR buffer = ExAllocatePoolWithTag(NonPagedPool, PAGE_SIZE, TAG);
    PMDL mdl = IoAllocateMdl(buffer, PAGE_SIZE, FALSE, FALSE, NULL);
    PVOID taken[64], p;
    ULONG n = 0;
    SIZE_T size;
    /* All system addresses that are left. */
    for (size = (SIZE_T)512 << 20; size >= PAGE_SIZE && n < 64;)
        if ((taken[n] = MmAllocateMappingAddress(size, TAG)) != NULL)
            n++;
        else
            size >>= 1;
    Lock(mdl, KernelMode, IoReadAccess);
    OUTCOME(MmAllocateMappingAddress, "NULL when there is no room", MmAllocateMappingAddress((SIZE_T)256 << 20, TAG) == NULL);
    p = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    OUTCOME(MmMapLockedPagesSpecifyCache, "NULL when the pages cannot be mapped and BugCheckOnFailure is FALSE", p == NULL);
    OUTCOME(MmGetSystemAddressForMdlSafe, "NULL when the pages cannot be mapped", MmGetSystemAddressForMdlSafe(mdl, LowPagePriority) == NULL);
    MmUnlockPages(mdl);
    while (n)
        MmFreeMappingAddress(taken[--n], TAG);
    IoFreeMdl(mdl);
    ExFreePoolWithTag(buffer, TAG);
}

static VOID Reserved(VOID)
{
    PUCHAR buffer = ExAllocatePoolWithTag(NonPagedPool, 3 * PAGE_SIZE, TAG), p;
    PMDL mdl = IoAllocateMdl(buffer + 16, PAGE_SIZE, FALSE, FALSE, NULL), large = IoAllocateMdl(buffer, 3 * PAGE_SIZE, FALSE, FALSE, NULL);
    PVOID range = MmAllocateMappingAddress(2 * PAGE_SIZE, TAG);
    buffer[16] = 0x66;
    OUTCOME(MmAllocateMappingAddress, "a range of addresses", range != NULL && BYTE_OFFSET(range) == 0);
    OUTCOME(MmAllocateMappingAddress, "without memory", !MmIsAddressValid(range));
    Lock(mdl, KernelMode, IoModifyAccess);
    Lock(large, KernelMode, IoModifyAccess);
    p = MmMapLockedPagesWithReservedMapping(range, TAG, mdl, MmCached);
    OUTCOME(MmMapLockedPagesWithReservedMapping, "the address of the memory in the range, with the offset", p == (PUCHAR)range + 16 + BYTE_OFFSET(buffer) && *p == 0x66);
    MmUnmapReservedMapping(range, TAG, mdl);
    OUTCOME(MmUnmapReservedMapping, "the range stays reserved without memory", !MmIsAddressValid(range) && !(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA));
    OUTCOME(MmMapLockedPagesWithReservedMapping, "NULL when the range is too small", MmMapLockedPagesWithReservedMapping(range, TAG, large, MmCached) == NULL);
    p = MmMapLockedPagesWithReservedMapping(range, TAG, mdl, MmCached);
    OUTCOME(MmMapLockedPagesWithReservedMapping, "the range can be used again", p && *p == 0x66);
    MmUnmapReservedMapping(range, TAG, mdl);
    MmFreeMappingAddress(range, TAG);
    OUTCOME(MmFreeMappingAddress, "frees the range", !MmIsAddressValid(range));
    MmUnlockPages(mdl);
    MmUnlockPages(large);
    IoFreeMdl(mdl);
    IoFreeMdl(large);
    ExFreePoolWithTag(buffer, TAG);
}

/* ---- parts ---- */

static VOID Partial(VOID)
{
    PUCHAR buffer = ExAllocatePoolWithTag(PagedPool, 4 * PAGE_SIZE, TAG), pool = ExAllocatePoolWithTag(NonPagedPool, 200, TAG), a, b;
    PMDL whole = IoAllocateMdl(buffer, 4 * PAGE_SIZE, FALSE, FALSE, NULL), part = IoAllocateMdl(buffer, 4 * PAGE_SIZE, FALSE, FALSE, NULL), small = IoAllocateMdl(pool, 200, FALSE, FALSE, NULL);
    buffer[PAGE_SIZE + 10] = 0x31;
    buffer[3 * PAGE_SIZE] = 0x32;
    pool[50] = 0x33;
    Lock(whole, KernelMode, IoModifyAccess);
    IoBuildPartialMdl(whole, part, buffer + PAGE_SIZE + 10, 100);
    OUTCOME(IoBuildPartialMdl, "describes the part of the buffer",
            (part->MdlFlags & MDL_PARTIAL) && MmGetMdlByteCount(part) == 100 && MmGetMdlByteOffset(part) == BYTE_OFFSET(buffer + PAGE_SIZE + 10) && MmGetMdlPfnArray(part)[0] == MmGetMdlPfnArray(whole)[1]);
    OUTCOME(IoBuildPartialMdl, "is not mapped when the source is not", !(part->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA));
    a = MmGetSystemAddressForMdlSafe(part, NormalPagePriority);
    OUTCOME(MmGetSystemAddressForMdlSafe, "maps a partial MDL whose source is not mapped", a && *a == 0x31);
    MmPrepareMdlForReuse(part);
    OUTCOME(MmPrepareMdlForReuse, "releases the mapping of a partial MDL", !MmIsAddressValid(a) && !(part->MdlFlags & MDL_PARTIAL_HAS_BEEN_MAPPED));
    IoBuildPartialMdl(whole, part, buffer + 3 * PAGE_SIZE, 0);
    OUTCOME(IoBuildPartialMdl, "length 0 means up to the end of the source", MmGetMdlByteCount(part) == PAGE_SIZE && MmGetMdlPfnArray(part)[0] == MmGetMdlPfnArray(whole)[3]);
    b = MmGetSystemAddressForMdlSafe(whole, NormalPagePriority);
    IoBuildPartialMdl(whole, part, buffer + 3 * PAGE_SIZE, 0);
    OUTCOME(IoBuildPartialMdl, "shares the mapping of the source", MmGetSystemAddressForMdlSafe(part, NormalPagePriority) == b + 3 * PAGE_SIZE && b[3 * PAGE_SIZE] == 0x32);
    MmPrepareMdlForReuse(part);
    OUTCOME(MmPrepareMdlForReuse, "leaves the mapping of the source alone", MmIsAddressValid(b));
    MmBuildMdlForNonPagedPool(small);
    IoBuildPartialMdl(small, part, pool + 50, 10);
    OUTCOME(IoBuildPartialMdl, "of nonpaged pool has its address", MmGetSystemAddressForMdlSafe(part, NormalPagePriority) == pool + 50);
    IoBuildPartialMdl(whole, part, buffer + PAGE_SIZE, 5);
    MmUnmapLockedPages(b, whole);
    MmPrepareMdlForReuse(part);
    IoBuildPartialMdl(whole, part, buffer + PAGE_SIZE, 5);
    a = MmGetSystemAddressForMdlSafe(part, NormalPagePriority);
    CHECK(a && MmIsAddressValid(a));
    IoFreeMdl(part);
    OUTCOME(IoFreeMdl, "releases the mapping of a partial MDL", !MmIsAddressValid(a));
    MmUnlockPages(whole);
    IoFreeMdl(whole);
    IoFreeMdl(small);
    ExFreePoolWithTag(buffer, TAG);
    ExFreePoolWithTag(pool, TAG);
}

static VOID Advancing(VOID)
{
    PUCHAR buffer = ExAllocatePoolWithTag(NonPagedPool, 3 * PAGE_SIZE, TAG), system;
    PMDL mdl = IoAllocateMdl(buffer, 3 * PAGE_SIZE, FALSE, FALSE, NULL);
    PFN_NUMBER second;
    buffer[PAGE_SIZE + 5] = 0x44;
    Lock(mdl, KernelMode, IoReadAccess);
    second = MmGetMdlPfnArray(mdl)[1];
    system = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
    OUTCOME(MmAdvanceMdl, "STATUS_SUCCESS", MmAdvanceMdl(mdl, 100) == STATUS_SUCCESS && MmGetMdlByteOffset(mdl) == BYTE_OFFSET(buffer) + 100 && MmGetMdlByteCount(mdl) == 3 * PAGE_SIZE - 100);
    OUTCOME(MmAdvanceMdl, "pages that it passes are taken off the MDL", MmAdvanceMdl(mdl, PAGE_SIZE - 95) == STATUS_SUCCESS && MmGetMdlPfnArray(mdl)[0] == second && MmGetMdlVirtualAddress(mdl) == buffer + PAGE_SIZE + 5);
    OUTCOME(MmAdvanceMdl, "the system address is adjusted", mdl->MappedSystemVa == system + PAGE_SIZE + 5 && *(PUCHAR)mdl->MappedSystemVa == 0x44);
    OUTCOME(MmAdvanceMdl, "STATUS_INVALID_PARAMETER_2 past the end", MmAdvanceMdl(mdl, 2 * PAGE_SIZE) == STATUS_INVALID_PARAMETER_2);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    ExFreePoolWithTag(buffer, TAG);
}

/* ---- pages without addresses ---- */

static VOID Pages(VOID)
{
    PHYSICAL_ADDRESS low, high, skip, limit;
    PMDL mdl, none;
    PUCHAR p;
    ULONG i;
    KIRQL irql;
    BOOLEAN good = TRUE;
    low.QuadPart = skip.QuadPart = 0;
    high.QuadPart = 0x7FFFFFFFFFFFFFFF;
    mdl = MmAllocatePagesForMdl(low, high, skip, 3 * PAGE_SIZE - 10);
    OUTCOME(MmAllocatePagesForMdl, "an MDL of pages", mdl && MmGetMdlByteCount(mdl) == 3 * PAGE_SIZE && (mdl->MdlFlags & MDL_PAGES_LOCKED));
    p = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmNonCached, NULL, FALSE, NormalPagePriority);
    for (i = 0; i < 3 * PAGE_SIZE; i++)
        good = good && p[i] == 0;
    OUTCOME(MmAllocatePagesForMdl, "the pages are zeroed", good);
    RtlFillMemory(p, 3 * PAGE_SIZE, 9);
    MmUnmapLockedPages(p, mdl);
    MmFreePagesFromMdl(mdl);
    OUTCOME(MmFreePagesFromMdl, "frees the pages", !MmIsAddressValid(p));
    ExFreePool(mdl);

    limit.QuadPart = 8 * 1024 * 1024 - 1;
    mdl = MmAllocatePagesForMdl(low, limit, skip, 2 * PAGE_SIZE);
    OUTCOME(MmAllocatePagesForMdl, "pages of the address range only", mdl == NULL || MmGetMdlPfnArray(mdl)[0] < 2048);
    if (mdl)
    {
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
    }
    limit.QuadPart = 0x7FFFF000000;
    OUTCOME(MmAllocatePagesForMdl, "NULL when the range has no pages", MmAllocatePagesForMdl(limit, high, skip, PAGE_SIZE) == NULL);
    mdl = MmAllocatePagesForMdlEx(low, high, skip, (SIZE_T)4 << 30, MmCached, MM_DONT_ZERO_ALLOCATION);
    OUTCOME(MmAllocatePagesForMdlEx, "fewer pages when there are no more", mdl && MmGetMdlByteCount(mdl) < 0xFFFFFFFF && MmGetMdlByteCount(mdl) > 0);
    if (mdl)
    {
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
    }
    OUTCOME(MmAllocatePagesForMdlEx, "NULL with MM_ALLOCATE_FULLY_REQUIRED when there are too few", MmAllocatePagesForMdlEx(low, high, skip, (SIZE_T)3 << 30, MmCached, MM_ALLOCATE_FULLY_REQUIRED) == NULL);
    mdl = MmAllocatePagesForMdlEx(low, high, skip, 8 * PAGE_SIZE, MmCached, REQUIRE_CONTIGUOUS_CHUNKS);
    for (i = 1, good = mdl != NULL; good && i < 8; i++)
        good = MmGetMdlPfnArray(mdl)[i] == MmGetMdlPfnArray(mdl)[0] + i;
    OUTCOME(MmAllocatePagesForMdlEx, "contiguous pages with MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS", good);
    p = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    for (i = 0, good = p != NULL; good && i < 8 * PAGE_SIZE; i++)
        good = p[i] == 0;
    OUTCOME(MmAllocatePagesForMdlEx, "the pages are zeroed", good);
    RtlFillMemory(p, 8 * PAGE_SIZE, 0xEE);
    MmFreePagesFromMdl(mdl);
    OUTCOME(MmFreePagesFromMdl, "releases the system mapping", !MmIsAddressValid(p));
    ExFreePool(mdl);
    mdl = MmAllocatePagesForMdlEx(low, high, skip, 2 * PAGE_SIZE, MmCached, MM_DONT_ZERO_ALLOCATION);
    OUTCOME(MmAllocatePagesForMdlEx, "an MDL of pages", mdl && MmGetMdlByteCount(mdl) == 2 * PAGE_SIZE);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    MmFreePagesFromMdl(mdl);
    KeLowerIrql(irql);
    OUTCOME(MmFreePagesFromMdl, "may be called at DISPATCH_LEVEL", !(mdl->MdlFlags & MDL_PAGES_LOCKED));
    ExFreePool(mdl);
    none = MmAllocatePagesForMdlEx(limit, high, skip, PAGE_SIZE, MmCached, 0);
    OUTCOME(MmAllocatePagesForMdlEx, "NULL when the range has no pages", none == NULL);
}

static NOINLINE VOID Stop(ULONG Case)
{
    PUCHAR buffer = ExAllocatePoolWithTag(PagedPool, 3 * PAGE_SIZE, TAG);
    PMDL mdl = IoAllocateMdl(buffer, 3 * PAGE_SIZE, FALSE, FALSE, NULL), small = IoAllocateMdl(buffer, PAGE_SIZE, FALSE, FALSE, NULL);
    PVOID range = MmAllocateMappingAddress(4 * PAGE_SIZE, TAG);
    KIRQL irql;
    switch (Case)
    {
    case 1:
        OUTCOME_BUGCHECK(MmProbeAndLockPages, "bug check 0xC4 for an MDL that is locked (verifier)", 0xC4);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        break;
    case 2:
        OUTCOME_BUGCHECK(MmUnlockPages, "bug check 0xC4 for an MDL that is not locked (verifier)", 0xC4);
        MmUnlockPages(mdl);
        break;
    case 3:
        OUTCOME_BUGCHECK(MmMapLockedPagesSpecifyCache, "bug check 0xC4 for pages that are not locked (verifier)", 0xC4);
        MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
        break;
    case 4:
        OUTCOME_BUGCHECK(MmUnmapLockedPages, "bug check 0xDA for an address that is no mapping", 0xDA);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        MmUnmapLockedPages(range, mdl);
        break;
    case 5:
        OUTCOME_BUGCHECK(IoBuildPartialMdl, "bug check 0x40 for a target that is too small", 0x40);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        IoBuildPartialMdl(mdl, small, buffer, 2 * PAGE_SIZE);
        break;
    case 6:
        OUTCOME_BUGCHECK(MmMapLockedPagesWithReservedMapping, "bug check 0xDA for another tag", 0xDA);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        MmMapLockedPagesWithReservedMapping(range, 'rehO', mdl, MmCached);
        break;
    case 7:
        OUTCOME_BUGCHECK(MmFreeMappingAddress, "bug check 0xDA while memory is mapped there", 0xDA);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        MmMapLockedPagesWithReservedMapping(range, TAG, mdl, MmCached);
        MmFreeMappingAddress(range, TAG);
        break;
    case 8:
        OUTCOME_BUGCHECK(MmUnmapReservedMapping, "bug check 0xDA when nothing is mapped there", 0xDA);
        MmUnmapReservedMapping(range, TAG, mdl);
        break;
    case 9:
        OUTCOME_BUGCHECK(MmBuildMdlForNonPagedPool, "bug check 0x1A, 0x1240 for memory that is not resident", 0x1A);
        mdl->StartVa = (PVOID)range;
        MmBuildMdlForNonPagedPool(mdl);
        break;
    case 10:
        OUTCOME_BUGCHECK(MmMapLockedPages, "bug check 0xC4 in KernelMode (verifier)", 0xC4);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        MmMapLockedPages(mdl, KernelMode);
        break;
    case 11:
        OUTCOME_BUGCHECK(MmProbeAndLockPages, "bug check 0xC4 for pageable memory at DISPATCH_LEVEL (verifier)", 0xC4);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        break;
    case 12:
        OUTCOME_BUGCHECK(MmMapLockedPagesSpecifyCache, "bug check 0xC4 for UserMode at DISPATCH_LEVEL (verifier)", 0xC4);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        MmMapLockedPagesSpecifyCache(mdl, UserMode, MmCached, NULL, FALSE, NormalPagePriority);
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
    KtestBegin("mdl");
    if (KtestCase)
    {
        Stop(KtestCase);
        return STATUS_SUCCESS;
    }
    Building();
    Locking();
    Mapping();
    Exhausted();
    Reserved();
    Partial();
    Advancing();
    Pages();
    KtestDone();
    return STATUS_SUCCESS;
}
