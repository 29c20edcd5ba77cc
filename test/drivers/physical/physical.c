// ktest: cases=4
/* Physical memory: contiguous and uncached memory, device memory, what RAM there is and where it is mapped. Cases from 1 on end in a bug check. */
#include <ntddk.h>
#include "../ktest.h"

#define TAG 'yhPK'

NTKERNELAPI PVOID NTAPI MmAllocateContiguousMemorySpecifyCacheNode(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS Lowest, PHYSICAL_ADDRESS Highest, PHYSICAL_ADDRESS Boundary, MEMORY_CACHING_TYPE CacheType, ULONG PreferredNode);
NTKERNELAPI PVOID NTAPI MmAllocateContiguousNodeMemory(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS Lowest, PHYSICAL_ADDRESS Highest, PHYSICAL_ADDRESS Boundary, ULONG Protect, ULONG PreferredNode);
NTKERNELAPI PVOID NTAPI MmMapIoSpaceEx(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes, ULONG Protect);
NTKERNELAPI PVOID NTAPI MmMapVideoDisplayEx(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes, ULONG Protect);
NTKERNELAPI NTSTATUS NTAPI MmAddPhysicalMemoryEx(PPHYSICAL_ADDRESS StartAddress, PLARGE_INTEGER NumberOfBytes, ULONG Flags);
NTKERNELAPI NTSTATUS NTAPI MmRemovePhysicalMemoryEx(PPHYSICAL_ADDRESS StartAddress, PLARGE_INTEGER NumberOfBytes, ULONG Flags);
NTKERNELAPI NTSTATUS NTAPI MmCopyMemory(PVOID TargetAddress, PHYSICAL_ADDRESS SourceAddress, SIZE_T NumberOfBytes, ULONG Flags, PSIZE_T NumberOfBytesTransferred);
NTKERNELAPI PVOID NTAPI MmMapVideoDisplay(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes, MEMORY_CACHING_TYPE CacheType);
NTKERNELAPI VOID NTAPI MmUnmapVideoDisplay(PVOID BaseAddress, SIZE_T NumberOfBytes);
NTKERNELAPI LOGICAL NTAPI MmIsIoSpaceActive(PHYSICAL_ADDRESS StartAddress, SIZE_T NumberOfBytes);
NTKERNELAPI BOOLEAN NTAPI MmIsNonPagedSystemAddressValid(PVOID VirtualAddress);
NTKERNELAPI NTSTATUS NTAPI MmCreateMirror(VOID);
NTKERNELAPI NTSTATUS NTAPI MmMarkPhysicalMemoryAsBad(PPHYSICAL_ADDRESS StartAddress, PLARGE_INTEGER NumberOfBytes);
NTKERNELAPI NTSTATUS NTAPI MmMarkPhysicalMemoryAsGood(PPHYSICAL_ADDRESS StartAddress, PLARGE_INTEGER NumberOfBytes);

static PHYSICAL_ADDRESS At(ULONG64 address)
{
    PHYSICAL_ADDRESS p;
    p.QuadPart = address;
    return p;
}
#define ANY At(0x7FFFFFFFFFFFFFFFULL)
#define HUGE_SIZE ((SIZE_T)1 << 32)

/* Whether memory is contiguous, within [low, high] and inside one multiple of the boundary. */
static BOOLEAN Fits(PUCHAR p, SIZE_T bytes, ULONG64 low, ULONG64 high, ULONG64 boundary)
{
    ULONG64 first = MmGetPhysicalAddress(p).QuadPart;
    SIZE_T i;
    if (!p || BYTE_OFFSET(p))
        return FALSE;
    for (i = 0; i < bytes; i += PAGE_SIZE)
        if ((ULONG64)MmGetPhysicalAddress(p + i).QuadPart != first + i)
            return FALSE;
    return first >= low && first + bytes - 1 <= high && (!boundary || first / boundary == (first + bytes - 1) / boundary);
}

static VOID Contiguous(VOID)
{
    PUCHAR a, b;
    const ULONG64 mb = 1024 * 1024;
    KIRQL irql;
    a = MmAllocateContiguousMemory(5 * PAGE_SIZE + 1, ANY);
    OUTCOME(MmAllocateContiguousMemory, "the address of contiguous memory, page-aligned", Fits(a, 5 * PAGE_SIZE + 1, 0, ~0ULL, 0));
    RtlFillMemory(a, 5 * PAGE_SIZE + 1, 3);
    b = MmAllocateContiguousMemory(PAGE_SIZE, At(16 * mb - 1));
    OUTCOME(MmAllocateContiguousMemory, "below the highest address", Fits(b, PAGE_SIZE, 0, 16 * mb - 1, 0));
    OUTCOME(MmAllocateContiguousMemory, "NULL when there is none", MmAllocateContiguousMemory(HUGE_SIZE, ANY) == NULL && MmAllocateContiguousMemory(PAGE_SIZE, At(0)) == NULL);
    MmFreeContiguousMemory(a);
    OUTCOME(MmFreeContiguousMemory, "frees the memory", !MmIsAddressValid(a));
    MmFreeContiguousMemory(b);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    a = MmAllocateContiguousMemory(PAGE_SIZE, ANY);
    KeLowerIrql(irql);
    OUTCOME(MmAllocateContiguousMemory, "at DISPATCH_LEVEL", a != NULL);
    MmFreeContiguousMemory(a);

    a = MmAllocateContiguousMemorySpecifyCache(4 * PAGE_SIZE, At(8 * mb), At(48 * mb - 1), At(64 * 1024), MmNonCached);
    OUTCOME(MmAllocateContiguousMemorySpecifyCache, "the address of contiguous memory in the range", Fits(a, 4 * PAGE_SIZE, 8 * mb, 48 * mb - 1, 0));
    OUTCOME(MmAllocateContiguousMemorySpecifyCache, "does not cross a multiple of the boundary", Fits(a, 4 * PAGE_SIZE, 8 * mb, 48 * mb - 1, 64 * 1024));
    OUTCOME(MmAllocateContiguousMemorySpecifyCache, "NULL when there is none in the range",
            MmAllocateContiguousMemorySpecifyCache(PAGE_SIZE, At(1ULL << 40), ANY, At(0), MmCached) == NULL && MmAllocateContiguousMemorySpecifyCache(2 * PAGE_SIZE, At(0), ANY, At(PAGE_SIZE), MmCached) == NULL);
    MmFreeContiguousMemorySpecifyCache(a, 4 * PAGE_SIZE, MmNonCached);
    OUTCOME(MmFreeContiguousMemorySpecifyCache, "frees the memory", !MmIsAddressValid(a));
    a = MmAllocateContiguousMemorySpecifyCacheNode(3 * PAGE_SIZE, At(0), ANY, At(0), MmCached, 0);
    OUTCOME(MmAllocateContiguousMemorySpecifyCacheNode, "the address of contiguous memory", Fits(a, 3 * PAGE_SIZE, 0, ~0ULL, 0));
    OUTCOME(MmAllocateContiguousMemorySpecifyCacheNode, "NULL when there is none", MmAllocateContiguousMemorySpecifyCacheNode(HUGE_SIZE, At(0), ANY, At(0), MmCached, 0) == NULL);
    OUTCOME(MmAllocateContiguousMemorySpecifyCacheNode, "NULL for a node that does not exist", MmAllocateContiguousMemorySpecifyCacheNode(PAGE_SIZE, At(0), ANY, At(0), MmCached, 5) == NULL);
    MmFreeContiguousMemory(a);
    a = MmAllocateContiguousNodeMemory(3 * PAGE_SIZE, At(0), ANY, At(0), PAGE_READWRITE | PAGE_NOCACHE, 0x80000000);
    b = MmAllocateContiguousNodeMemory(PAGE_SIZE, At(0), ANY, At(0), PAGE_EXECUTE_READWRITE, 0);
    OUTCOME(MmAllocateContiguousNodeMemory, "the address of contiguous memory", Fits(a, 3 * PAGE_SIZE, 0, ~0ULL, 0) && b);
    RtlCopyMemory(b, "\xb8\x05\x00\x00\x00\xc3", 6);
    OUTCOME(MmAllocateContiguousNodeMemory, "PAGE_EXECUTE_READWRITE can be executed", ((int (*)(void))b)() == 5);
    OUTCOME(MmAllocateContiguousNodeMemory, "NULL for a protection that is not valid", MmAllocateContiguousNodeMemory(PAGE_SIZE, At(0), ANY, At(0), PAGE_READONLY, 0) == NULL);
    OUTCOME(MmAllocateContiguousNodeMemory, "NULL when there is none", MmAllocateContiguousNodeMemory(HUGE_SIZE, At(0), ANY, At(0), PAGE_READWRITE, 0) == NULL);
    OUTCOME(MmAllocateContiguousNodeMemory, "NULL for a node that does not exist", MmAllocateContiguousNodeMemory(PAGE_SIZE, At(0), ANY, At(0), PAGE_READWRITE, 9) == NULL);
    MmFreeContiguousMemory(a);
    MmFreeContiguousMemory(b);

    a = MmAllocateNonCachedMemory(2 * PAGE_SIZE + 5);
    OUTCOME(MmAllocateNonCachedMemory, "the address of the memory", a && BYTE_OFFSET(a) == 0);
    RtlFillMemory(a, 2 * PAGE_SIZE + 5, 7);
    OUTCOME(MmAllocateNonCachedMemory, "NULL when there is none", MmAllocateNonCachedMemory(HUGE_SIZE) == NULL);
    MmFreeNonCachedMemory(a, 2 * PAGE_SIZE + 5);
    OUTCOME(MmFreeNonCachedMemory, "frees the memory", !MmIsAddressValid(a) && !MmIsAddressValid(a + 2 * PAGE_SIZE));
}

static VOID IoSpace(VOID)
{
    /* The I/O APIC's registers: an index at 0, a window at 10h; register 1 is the version, 20h. */
    PHYSICAL_ADDRESS ioapic = At(0xFEC00000);
    PULONG r = MmMapIoSpace(ioapic, 0x20, MmNonCached), q;
    PUCHAR odd, ram;
    KIRQL irql;
    OUTCOME(MmMapIoSpace, "the address of the registers", r != NULL && ((READ_REGISTER_ULONG(r + 4), WRITE_REGISTER_ULONG(r, 1), READ_REGISTER_ULONG(r + 4)) & 0xF0) != 0xF0);
    OUTCOME(MmIsIoSpaceActive, "TRUE while the range is mapped", MmIsIoSpaceActive(ioapic, 0x20) && MmIsIoSpaceActive(At(0xFEC00010), 1));
    OUTCOME(MmGetPhysicalAddress, "the physical address of mapped registers", MmGetPhysicalAddress(r + 4).QuadPart == 0xFEC00010);
    odd = MmMapIoSpace(At(0xE0000FFE), 4, MmNonCached);
    OUTCOME(MmMapIoSpace, "any alignment, across pages", odd && BYTE_OFFSET(odd) == 0xFFE && MmGetPhysicalAddress(odd + 2).QuadPart == 0xE0001000);
    OUTCOME(MmMapIoSpace, "NULL when there is no room", MmMapIoSpace(At(0xE0000000), (SIZE_T)1 << 30, MmNonCached) == NULL);
    OUTCOME(MmMapIoSpace, "NULL for addresses beyond those of the processor", MmMapIoSpace(At(0x2000000000ULL), 4, MmNonCached) == NULL && MmMapIoSpace(At(0xFFFFF000), 0x2000, MmNonCached) == NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    q = MmMapIoSpace(ioapic, 0x20, MmNonCached);
    KeLowerIrql(irql);
    OUTCOME(MmMapIoSpace, "at DISPATCH_LEVEL", q != NULL && q != r);
    MmUnmapIoSpace(q, 0x20);
    MmUnmapIoSpace(odd, 4);
    MmUnmapIoSpace(r, 0x20);
    OUTCOME(MmUnmapIoSpace, "unmaps the range", !MmIsAddressValid(r) && !MmIsAddressValid(odd) && !MmIsAddressValid(odd + 2));
    OUTCOME(MmIsIoSpaceActive, "FALSE when it is not mapped", !MmIsIoSpaceActive(At(0xE0000000), PAGE_SIZE));

    r = MmMapIoSpaceEx(ioapic, 0x20, PAGE_READWRITE | PAGE_NOCACHE);
    OUTCOME(MmMapIoSpaceEx, "the address of the registers", r && (WRITE_REGISTER_ULONG(r, 0), READ_REGISTER_ULONG(r)) == 0);
    MmUnmapIoSpace(r, 0x20);
    ram = MmAllocateContiguousMemory(PAGE_SIZE, ANY);
    ram[9] = 0x99;
    odd = MmMapIoSpaceEx(MmGetPhysicalAddress(ram + 9), 1, PAGE_READONLY);
    OUTCOME(MmMapIoSpaceEx, "with PAGE_READONLY it can be read", odd && *odd == 0x99);
    MmUnmapIoSpace(odd, 1);
    odd = MmMapIoSpaceEx(MmGetPhysicalAddress(ram), PAGE_SIZE, PAGE_EXECUTE_READWRITE | PAGE_WRITECOMBINE);
    RtlCopyMemory(odd, "\xb8\x06\x00\x00\x00\xc3", 6);
    OUTCOME(MmMapIoSpaceEx, "with PAGE_EXECUTE_READWRITE it can be executed", ((int (*)(void))odd)() == 6);
    MmUnmapIoSpace(odd, PAGE_SIZE);
    MmFreeContiguousMemory(ram);
    OUTCOME(MmMapIoSpaceEx, "NULL for a protection that is not valid", MmMapIoSpaceEx(ioapic, 0x20, PAGE_NOACCESS) == NULL && MmMapIoSpaceEx(ioapic, 0x20, PAGE_READWRITE | PAGE_NOCACHE | PAGE_WRITECOMBINE) == NULL);
    OUTCOME(MmMapIoSpaceEx, "NULL for no bytes and when there is no room", MmMapIoSpaceEx(ioapic, 0, PAGE_READWRITE) == NULL && MmMapIoSpaceEx(At(0xE0000000), (SIZE_T)1 << 30, PAGE_READWRITE) == NULL);

    r = MmMapVideoDisplay(ioapic, 0x20, MmNonCached);
    OUTCOME(MmMapVideoDisplay, "the address of the memory", r && MmGetPhysicalAddress(r).QuadPart == 0xFEC00000);
    OUTCOME(MmMapVideoDisplay, "NULL when there is no room", MmMapVideoDisplay(At(0xE0000000), (SIZE_T)1 << 30, MmNonCached) == NULL);
    MmUnmapVideoDisplay(r, 0x20);
    OUTCOME(MmUnmapVideoDisplay, "unmaps the memory", !MmIsAddressValid(r));
    r = MmMapVideoDisplayEx(ioapic, 0x20, PAGE_READWRITE | PAGE_NOCACHE);
    OUTCOME(MmMapVideoDisplayEx, "the address of the memory", r && MmGetPhysicalAddress(r).QuadPart == 0xFEC00000);
    OUTCOME(MmMapVideoDisplayEx, "NULL for a protection that is not valid", MmMapVideoDisplayEx(ioapic, 0x20, 0) == NULL);
    MmUnmapVideoDisplay(r, 0x20);
}

static ULONG64 TotalMemory(VOID)
{
    PPHYSICAL_MEMORY_RANGE ranges = MmGetPhysicalMemoryRanges();
    ULONG64 total = 0;
    ULONG i;
    for (i = 0; ranges[i].NumberOfBytes.QuadPart; i++)
        total += ranges[i].NumberOfBytes.QuadPart;
    ExFreePool(ranges);
    return total;
}

static VOID Ranges(VOID)
{
    PPHYSICAL_MEMORY_RANGE ranges = MmGetPhysicalMemoryRanges();
    ULONG64 total = TotalMemory();
    PUCHAR page = MmAllocateContiguousMemory(4 * PAGE_SIZE, ANY);
    PHYSICAL_ADDRESS start = MmGetPhysicalAddress(page), odd = At(0x123), beyond = At(1ULL << 40);
    LARGE_INTEGER length, wrong;
    KIRQL irql;
    NTSTATUS status;
    length.QuadPart = 4 * PAGE_SIZE;
    wrong.QuadPart = 100;
    OUTCOME(MmGetPhysicalMemoryRanges, "the ranges of RAM, ended by zeros", ranges && ranges[0].NumberOfBytes.QuadPart > 0 && total == 64 * 1024 * 1024);
    ExFreePool(ranges);
    /* In use, then free. */
    OUTCOME(MmRemovePhysicalMemory, "STATUS_INSUFFICIENT_RESOURCES for memory in use", MmRemovePhysicalMemory(&start, &length) == STATUS_INSUFFICIENT_RESOURCES);
    OUTCOME(MmMarkPhysicalMemoryAsBad, "STATUS_INSUFFICIENT_RESOURCES for memory in use", MmMarkPhysicalMemoryAsBad(&start, &length) == STATUS_INSUFFICIENT_RESOURCES);
    MmFreeContiguousMemory(page);
    OUTCOME(MmRemovePhysicalMemory, "removes free memory", MmRemovePhysicalMemory(&start, &length) == STATUS_SUCCESS && TotalMemory() == total - 4 * PAGE_SIZE);
    OUTCOME(MmRemovePhysicalMemory, "STATUS_CONFLICTING_ADDRESSES for what is no memory", MmRemovePhysicalMemory(&start, &length) == STATUS_CONFLICTING_ADDRESSES && MmRemovePhysicalMemory(&beyond, &length) == STATUS_CONFLICTING_ADDRESSES);
    OUTCOME(MmRemovePhysicalMemory, "STATUS_INVALID_PARAMETER_1 or _2 for a range that is no pages", MmRemovePhysicalMemory(&odd, &length) == STATUS_INVALID_PARAMETER_1 && MmRemovePhysicalMemory(&start, &wrong) == STATUS_INVALID_PARAMETER_2);
    KeRaiseIrql(APC_LEVEL, &irql);
    status = MmAddPhysicalMemory(&start, &length);
    KeLowerIrql(irql);
    OUTCOME(MmAddPhysicalMemory, "may be called at APC_LEVEL", status == STATUS_SUCCESS);
    OUTCOME(MmAddPhysicalMemory, "adds memory that was removed", TotalMemory() == total);
    OUTCOME(MmAddPhysicalMemory, "STATUS_CONFLICTING_ADDRESSES for memory that is there", MmAddPhysicalMemory(&start, &length) == STATUS_CONFLICTING_ADDRESSES);
    OUTCOME(MmAddPhysicalMemory, "STATUS_NOT_SUPPORTED where the machine has no memory", MmAddPhysicalMemory(&beyond, &length) == STATUS_NOT_SUPPORTED);
    OUTCOME(MmAddPhysicalMemory, "STATUS_INVALID_PARAMETER_1 or _2 for a range that is no pages", MmAddPhysicalMemory(&odd, &length) == STATUS_INVALID_PARAMETER_1 && MmAddPhysicalMemory(&start, &wrong) == STATUS_INVALID_PARAMETER_2);
    OUTCOME(MmRemovePhysicalMemoryEx, "removes free memory", MmRemovePhysicalMemoryEx(&start, &length, 0) == STATUS_SUCCESS && TotalMemory() == total - 4 * PAGE_SIZE);
    OUTCOME(MmRemovePhysicalMemoryEx, "STATUS_NOT_SUPPORTED for flags that are not known", MmRemovePhysicalMemoryEx(&start, &length, 0x80) == STATUS_NOT_SUPPORTED);
    OUTCOME(MmAddPhysicalMemoryEx, "STATUS_NOT_SUPPORTED for flags that are not known", MmAddPhysicalMemoryEx(&start, &length, 0x80) == STATUS_NOT_SUPPORTED);
    OUTCOME(MmAddPhysicalMemoryEx, "adds memory that was removed", MmAddPhysicalMemoryEx(&start, &length, 0) == STATUS_SUCCESS && TotalMemory() == total);
    OUTCOME(MmMarkPhysicalMemoryAsBad, "takes free memory out of use", MmMarkPhysicalMemoryAsBad(&start, &length) == STATUS_SUCCESS);
    page = MmAllocateContiguousMemorySpecifyCache(4 * PAGE_SIZE, start, At(start.QuadPart + 4 * PAGE_SIZE - 1), At(0), MmCached);
    OUTCOME(MmMarkPhysicalMemoryAsBad, "nobody gets the memory any more", page == NULL);
    OUTCOME(MmMarkPhysicalMemoryAsBad, "STATUS_CONFLICTING_ADDRESSES for what is marked already", MmMarkPhysicalMemoryAsBad(&start, &length) == STATUS_CONFLICTING_ADDRESSES);
    OUTCOME(MmMarkPhysicalMemoryAsGood, "puts the memory back in use", MmMarkPhysicalMemoryAsGood(&start, &length) == STATUS_SUCCESS);
    OUTCOME(MmMarkPhysicalMemoryAsGood, "STATUS_CONFLICTING_ADDRESSES for what is not marked", MmMarkPhysicalMemoryAsGood(&start, &length) == STATUS_CONFLICTING_ADDRESSES);
    page = MmAllocateContiguousMemorySpecifyCache(4 * PAGE_SIZE, start, At(start.QuadPart + 4 * PAGE_SIZE - 1), At(0), MmCached);
    CHECK(page && MmGetPhysicalAddress(page).QuadPart == start.QuadPart);
    MmFreeContiguousMemory(page);
    OUTCOME(MmCreateMirror, "STATUS_NOT_SUPPORTED on a platform without mirroring", MmCreateMirror() == STATUS_NOT_SUPPORTED);
}

static VOID Addresses(VOID)
{
    PUCHAR pool = ExAllocatePoolWithTag(NonPagedPool, 64, TAG), contiguous = MmAllocateContiguousMemory(PAGE_SIZE, ANY), paged = ExAllocatePoolWithTag(PagedPool, 64, TAG);
    static volatile ULONG data = 5;
    PHYSICAL_ADDRESS p;
    OUTCOME(MmGetPhysicalAddress, "the physical address of a valid address", MmGetPhysicalAddress(pool + 5).QuadPart == MmGetPhysicalAddress(pool).QuadPart + 5);
    OUTCOME(MmGetPhysicalAddress, "0 for an address that is not valid", MmGetPhysicalAddress((PVOID)0xFFFFF88000000000ULL).QuadPart == 0);
    OUTCOME(MmGetVirtualForPhysical, "the address of nonpaged pool", MmGetVirtualForPhysical(MmGetPhysicalAddress(pool + 3)) == pool + 3);
    OUTCOME(MmGetVirtualForPhysical, "the address of contiguous memory", MmGetVirtualForPhysical(MmGetPhysicalAddress(contiguous)) == contiguous);
    OUTCOME(MmGetVirtualForPhysical, "the address of a driver's data", MmGetVirtualForPhysical(MmGetPhysicalAddress((PVOID)&data)) == (PVOID)&data);
    p = MmGetPhysicalAddress((PVOID)0xFFFFF78000000000ULL);
    OUTCOME(MmGetVirtualForPhysical, "an address of memory that was there from the boot on", p.QuadPart && MmGetPhysicalAddress(MmGetVirtualForPhysical(p)).QuadPart == p.QuadPart);
    {
        /* Drivers find where the page tables are mapped by asking for the page of CR3: its entry that leads back to it says where. */
        ULONG64 cr3, *top;
        ULONG i, self = 0;
        __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
        cr3 &= ~0xFFFULL;
        top = MmGetVirtualForPhysical(At(cr3));
        for (i = 256; top && i < 512; i++)
            if ((top[i] & 0xFFFFFFFFFF000ULL) == cr3)
                self = i;
        OUTCOME(MmGetVirtualForPhysical, "a page table is where the page tables map themselves", self && (ULONG64)top == (0xFFFF000000000000ULL | (ULONG64)self << 39 | (ULONG64)self << 30 | (ULONG64)self << 21 | (ULONG64)self << 12));
        /* The table of a pool block's page, and in it the block's entry. */
        ULONG64 *pte = (ULONG64 *)(((ULONG64)self << 39 | 0xFFFF000000000000ULL) + (((ULONG64)pool & 0xFFFFFFFFFFFFULL) >> 12) * 8);
        CHECK(MmGetVirtualForPhysical(MmGetPhysicalAddress(pte)) == pte && (*pte & 0xFFFFFFFFFF000ULL) == (MmGetPhysicalAddress(pool).QuadPart & ~0xFFFULL));
    }
    OUTCOME(MmGetVirtualForPhysical, "NULL for what is no memory", MmGetVirtualForPhysical(At(0xFEC00000)) == NULL);
    OUTCOME(MmIsAddressValid, "TRUE for an address that would not fault", MmIsAddressValid(pool) && MmIsAddressValid((PVOID)&data));
    OUTCOME(MmIsAddressValid, "FALSE for an address that would fault", !MmIsAddressValid(NULL) && !MmIsAddressValid((PVOID)0xFFFFF88000000000ULL) && !MmIsAddressValid((PVOID)0x1234567890ABCDEFULL));
    OUTCOME(MmIsNonPagedSystemAddressValid, "TRUE for nonpaged memory", MmIsNonPagedSystemAddressValid(pool) && MmIsNonPagedSystemAddressValid((PVOID)&data));
    OUTCOME(MmIsNonPagedSystemAddressValid, "FALSE for paged memory and for none", !MmIsNonPagedSystemAddressValid(paged) && !MmIsNonPagedSystemAddressValid((PVOID)0x10000));
    MmFreeContiguousMemory(contiguous);
    ExFreePool(pool);
    ExFreePool(paged);
}

static VOID Copying(VOID)
{
    PUCHAR pool = ExAllocatePoolWithTag(NonPagedPool, 2 * PAGE_SIZE, TAG), target = ExAllocatePoolWithTag(NonPagedPool, 2 * PAGE_SIZE, TAG);
    SIZE_T done = 0;
    ULONG i;
    for (i = 0; i < 2 * PAGE_SIZE; i++)
        pool[i] = (UCHAR)(i * 7);
    OUTCOME(MmCopyMemory, "STATUS_SUCCESS from a virtual address", MmCopyMemory(target, At((ULONG64)pool), 2 * PAGE_SIZE, 2, &done) == STATUS_SUCCESS && done == 2 * PAGE_SIZE && target[5000] == pool[5000]);
    RtlZeroMemory(target, 100);
    OUTCOME(MmCopyMemory, "STATUS_SUCCESS from a physical address", MmCopyMemory(target, MmGetPhysicalAddress(pool + 10), 50, 1, &done) == STATUS_SUCCESS && done == 50 && target[1] == pool[11]);
    OUTCOME(MmCopyMemory, "an error for an address that is not valid, with what was copied", !NT_SUCCESS(MmCopyMemory(target, At((ULONG64)(pool + PAGE_SIZE)), 2 * PAGE_SIZE, 2, &done)) && done == PAGE_SIZE);
    OUTCOME(MmCopyMemory, "an error for device memory", !NT_SUCCESS(MmCopyMemory(target, At(0xFEC00000), 4, 1, &done)) && done == 0);
    OUTCOME(MmCopyMemory, "an error for flags that are not valid", !NT_SUCCESS(MmCopyMemory(target, At((ULONG64)pool), 4, 3, &done)) && !NT_SUCCESS(MmCopyMemory(target, At((ULONG64)pool), 4, 0, &done)));
    ExFreePool(pool);
    ExFreePool(target);
}

static VOID System(VOID)
{
    UNICODE_STRING name;
    OUTCOME(MmQuerySystemSize, "MmSmallSystem with little memory", MmQuerySystemSize() == MmSmallSystem);
    OUTCOME(MmIsThisAnNtAsSystem, "FALSE on a workstation", !MmIsThisAnNtAsSystem());
    RtlInitUnicodeString(&name, L"MmGetPhysicalAddress");
    OUTCOME(MmGetSystemRoutineAddress, "the address of a routine of the kernel", MmGetSystemRoutineAddress(&name) != NULL);
    RtlInitUnicodeString(&name, L"HalGetBusDataByOffset");
    OUTCOME(MmGetSystemRoutineAddress, "the address of a routine of the HAL", MmGetSystemRoutineAddress(&name) != NULL);
    RtlInitUnicodeString(&name, L"MmThereIsNoSuchRoutine");
    OUTCOME(MmGetSystemRoutineAddress, "NULL for a routine that there is not", MmGetSystemRoutineAddress(&name) == NULL);
}

static VOID Stop(ULONG Case)
{
    PUCHAR p = MmAllocateContiguousMemory(2 * PAGE_SIZE, ANY);
    switch (Case)
    {
    case 1:
        OUTCOME_BUGCHECK(MmFreeContiguousMemory, "bug check 0xC2 for memory that was not allocated so", 0xC2);
        MmFreeContiguousMemory(p + PAGE_SIZE);
        break;
    case 2:
        OUTCOME_BUGCHECK(MmUnmapIoSpace, "bug check 0xDA for an address that is not mapped", 0xDA);
        MmUnmapIoSpace((PVOID)0xFFFFF88020000000ULL, PAGE_SIZE);
        break;
    case 3:
        OUTCOME_BUGCHECK(MmMapIoSpaceEx, "bug check 0xBE when PAGE_READONLY is written", 0xBE);
        *(volatile UCHAR *)MmMapIoSpaceEx(MmGetPhysicalAddress(p), 8, PAGE_READONLY) = 1;
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
    KtestBegin("physical");
    if (KtestCase)
    {
        Stop(KtestCase);
        return STATUS_SUCCESS;
    }
    Contiguous();
    IoSpace();
    Ranges();
    Addresses();
    Copying();
    System();
    KtestDone();
    return STATUS_SUCCESS;
}
