// ktest: cases=20 compiler=clang
/* Pool: what allocations are like, how they fail, and what is wrong with a free. Cases from 1 on end in the bug check that is documented for the mistake. */
#include <ntddk.h>
#include "../ktest.h"

#define NOINLINE __attribute__((noinline))
#define BETWEEN() __asm__ volatile("nop")
#define TAG 'loPK'
#define HUGE_SIZE ((SIZE_T)1 << 30)

NTKERNELAPI PVOID NTAPI ExAllocatePool2(ULONG64 Flags, SIZE_T NumberOfBytes, ULONG Tag);
NTKERNELAPI PVOID NTAPI ExAllocatePool3(ULONG64 Flags, SIZE_T NumberOfBytes, ULONG Tag, PVOID ExtendedParameters, ULONG ExtendedParametersCount);
NTKERNELAPI VOID NTAPI ExFreePool2(PVOID P, ULONG Tag, PVOID ExtendedParameters, ULONG ExtendedParametersCount);
NTKERNELAPI SIZE_T NTAPI ExQueryPoolBlockSize(PVOID PoolBlock, PBOOLEAN QuotaCharged);
#undef ExAllocatePool
NTKERNELAPI PVOID NTAPI ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes);
#undef ExFreePool
NTKERNELAPI VOID NTAPI ExFreePool(PVOID P);
NTKERNELAPI PVOID NTAPI ExAllocatePoolWithQuota(POOL_TYPE PoolType, SIZE_T NumberOfBytes);

#define FLAG_USE_QUOTA 1ULL
#define FLAG_UNINITIALIZED 2ULL
#define FLAG_CACHE_ALIGNED 8ULL
#define FLAG_RAISE 0x20ULL
#define FLAG_NON_PAGED 0x40ULL
#define FLAG_NON_PAGED_EXECUTE 0x80ULL
#define FLAG_PAGED 0x100ULL

typedef struct
{
    ULONG64 Type;
    ULONG64 Value;
} PARAMETER;
#define PARAMETER_PRIORITY 1
#define PARAMETER_SECURE 2
#define PARAMETER_NODE 3
#define PARAMETER_OPTIONAL 0x100

static BOOLEAN IsFilled(PUCHAR p, SIZE_T n, UCHAR value)
{
    while (n--)
        if (*p++ != value)
            return FALSE;
    return TRUE;
}
static BOOLEAN InOnePage(PVOID p, SIZE_T n)
{
    return BYTE_OFFSET(p) + n <= PAGE_SIZE;
}

/* Calls that may raise, with the status that they raised. */
static NOINLINE PVOID WithTag(ULONG type, SIZE_T bytes) { PVOID p = ExAllocatePoolWithTag(type, bytes, TAG); BETWEEN(); return p; }
static NOINLINE PVOID WithQuota(ULONG type, SIZE_T bytes) { PVOID p = ExAllocatePoolWithQuotaTag(type, bytes, TAG); BETWEEN(); return p; }
static NOINLINE PVOID WithQuotaUntagged(ULONG type, SIZE_T bytes) { PVOID p = ExAllocatePoolWithQuota(type, bytes); BETWEEN(); return p; }
static NOINLINE PVOID WithPriority(ULONG type, SIZE_T bytes) { PVOID p = ExAllocatePoolWithTagPriority(type, bytes, TAG, LowPoolPriority); BETWEEN(); return p; }
static NOINLINE PVOID Pool2(ULONG flags, SIZE_T bytes) { PVOID p = ExAllocatePool2(flags, bytes, TAG); BETWEEN(); return p; }
static NOINLINE PVOID Pool2NoTag(ULONG flags, SIZE_T bytes) { PVOID p = ExAllocatePool2(flags, bytes, 0); BETWEEN(); return p; }
static NOINLINE PVOID Pool3(ULONG flags, SIZE_T bytes) { PVOID p = ExAllocatePool3(flags, bytes, TAG, NULL, 0); BETWEEN(); return p; }

static NOINLINE NTSTATUS Raised(PVOID (*routine)(ULONG, SIZE_T), ULONG type, SIZE_T bytes)
{
    volatile NTSTATUS code = STATUS_SUCCESS;
    __try { routine(type, bytes); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    return code;
}

static VOID Tagged(VOID)
{
    KIRQL irql;
    PUCHAR a = ExAllocatePoolWithTag(NonPagedPool, 100, TAG), b = ExAllocatePoolWithTag(PagedPool, 33, TAG);
    PUCHAR page = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG), more = ExAllocatePoolWithTag(PagedPool, 3 * PAGE_SIZE + 5, TAG);
    PUCHAR executable = ExAllocatePoolWithTag(NonPagedPoolExecute, 16, TAG), d;
    OUTCOME(ExAllocatePoolWithTag, "a pointer to the allocated memory", a && b && page && more);
    RtlFillMemory(a, 100, 1);
    RtlFillMemory(b, 33, 2);
    RtlFillMemory(page, PAGE_SIZE, 3);
    RtlFillMemory(more, 3 * PAGE_SIZE + 5, 4);
    CHECK(IsFilled(a, 100, 1) && IsFilled(b, 33, 2) && IsFilled(page, PAGE_SIZE, 3) && IsFilled(more, 3 * PAGE_SIZE + 5, 4));
    OUTCOME(ExAllocatePoolWithTag, "less than a page: within a page, aligned to 16 bytes", InOnePage(a, 100) && InOnePage(b, 33) && !((ULONG_PTR)a & 15) && !((ULONG_PTR)b & 15));
    OUTCOME(ExAllocatePoolWithTag, "a page and more: page-aligned", BYTE_OFFSET(page) == 0 && BYTE_OFFSET(more) == 0);
    OUTCOME(ExAllocatePoolWithTag, "NULL when there is not enough memory", ExAllocatePoolWithTag(NonPagedPool, HUGE_SIZE, TAG) == NULL && ExAllocatePoolWithTag(PagedPool, HUGE_SIZE, TAG) == NULL);
    OUTCOME(ExAllocatePoolWithTag, "raises with POOL_RAISE_IF_ALLOCATION_FAILURE when there is not enough memory",
            Raised(WithTag, NonPagedPool | POOL_RAISE_IF_ALLOCATION_FAILURE, HUGE_SIZE) == STATUS_INSUFFICIENT_RESOURCES);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    d = ExAllocatePoolWithTag(NonPagedPool, 40, TAG);
    if (d)
        ExFreePoolWithTag(d, TAG);
    KeLowerIrql(irql);
    OUTCOME(ExAllocatePoolWithTag, "nonpaged pool at DISPATCH_LEVEL", d != NULL);
    OUTCOME(ExFreePoolWithTag, "frees nonpaged pool at DISPATCH_LEVEL", d != NULL);
    /* mov eax, 7; ret */
    RtlCopyMemory(executable, "\xb8\x07\x00\x00\x00\xc3", 6);
    OUTCOME(ExAllocatePoolWithTag, "NonPagedPoolExecute can be executed", ((int (*)(void))executable)() == 7);
    ExFreePoolWithTag(a, TAG);
    ExFreePoolWithTag(b, TAG);
    OUTCOME(ExFreePoolWithTag, "frees memory that has the tag", !MmIsAddressValid(a));
    ExFreePoolWithTag(page, 0);
    OUTCOME(ExFreePoolWithTag, "frees any tag with tag 0", !MmIsAddressValid(page));
    ExFreePool(more);
    OUTCOME(ExFreePool, "frees memory whatever its tag", !MmIsAddressValid(more));
    ExFreePool(executable);
}

static VOID Untagged(VOID)
{
    PUCHAR a = ExAllocatePool(NonPagedPool, 24), b = ExAllocatePool(PagedPool, 2 * PAGE_SIZE);
    KIRQL irql;
    OUTCOME(ExAllocatePool, "a pointer to the allocated memory", a != NULL && b != NULL);
    OUTCOME(ExAllocatePool, "a page and more: page-aligned", BYTE_OFFSET(b) == 0);
    OUTCOME(ExAllocatePool, "NULL when there is not enough memory", ExAllocatePool(NonPagedPool, HUGE_SIZE) == NULL);
    ExFreePool(b);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ExFreePool(a);
    KeLowerIrql(irql);
    OUTCOME(ExFreePool, "frees nonpaged pool at DISPATCH_LEVEL", !MmIsAddressValid(a));
}

static VOID Priorities(VOID)
{
    PUCHAR low = ExAllocatePoolWithTagPriority(NonPagedPool, 50, TAG, LowPoolPriority), high = ExAllocatePoolWithTagPriority(PagedPool, 50, TAG, HighPoolPriority);
    PUCHAR under = ExAllocatePoolWithTagPriority(NonPagedPool, 50, TAG, NormalPoolPrioritySpecialPoolUnderrun);
    PUCHAR over = ExAllocatePoolWithTagPriority(NonPagedPool, 50, TAG, NormalPoolPrioritySpecialPoolOverrun);
    OUTCOME(ExAllocatePoolWithTagPriority, "a pointer to the allocated memory", low && high);
    OUTCOME(ExAllocatePoolWithTagPriority, "at the start of a page with SpecialPoolUnderrun", under && BYTE_OFFSET(under) == 0);
    OUTCOME(ExAllocatePoolWithTagPriority, "at the end of a page with SpecialPoolOverrun", over && BYTE_OFFSET(over) == PAGE_SIZE - 64);
    OUTCOME(ExAllocatePoolWithTagPriority, "NULL when there is not enough memory", ExAllocatePoolWithTagPriority(NonPagedPool, HUGE_SIZE, TAG, HighPoolPriority) == NULL);
    OUTCOME(ExAllocatePoolWithTagPriority, "raises with POOL_RAISE_IF_ALLOCATION_FAILURE when there is not enough memory",
            Raised(WithPriority, NonPagedPool | POOL_RAISE_IF_ALLOCATION_FAILURE, HUGE_SIZE) == STATUS_INSUFFICIENT_RESOURCES);
    ExFreePoolWithTag(low, TAG);
    ExFreePoolWithTag(high, TAG);
    ExFreePoolWithTag(under, TAG);
    ExFreePoolWithTag(over, TAG);
}

/* Takes physical memory until only a small part is left: then requests of low priority fail, others do not. */
static VOID ShortOfMemory(VOID)
{
    PHYSICAL_ADDRESS low, high, skip;
    PMDL mdl;
    PVOID p;
    low.QuadPart = skip.QuadPart = 0;
    high.QuadPart = -1;
    high.HighPart &= 0x7FFFFFFF;
    mdl = MmAllocatePagesForMdlEx(low, high, skip, (SIZE_T)2 << 30, MmCached, MM_DONT_ZERO_ALLOCATION);
    CHECK(mdl != NULL);
    OUTCOME(ExAllocatePoolWithTagPriority, "a low priority fails when memory is short", ExAllocatePoolWithTagPriority(NonPagedPool, 64, TAG, LowPoolPriority) == NULL);
    p = ExAllocatePoolWithTagPriority(NonPagedPool, 64, TAG, HighPoolPriority);
    OUTCOME(ExAllocatePoolWithTagPriority, "a high priority does not fail before memory is used up", p != NULL);
    if (p)
        ExFreePoolWithTag(p, TAG);
    MmFreePagesFromMdl(mdl);
    ExFreePool(mdl);
}

static VOID Quota(VOID)
{
    BOOLEAN charged = TRUE;
    PVOID a = WithQuota(NonPagedPool, 100), b = WithQuota(PagedPool | POOL_QUOTA_FAIL_INSTEAD_OF_RAISE, 2 * PAGE_SIZE), c = WithQuotaUntagged(NonPagedPool, 100);
    OUTCOME(ExAllocatePoolWithQuotaTag, "a pointer to the allocated memory", a != NULL && b != NULL);
    OUTCOME(ExAllocatePoolWithQuotaTag, "a page and more: page-aligned", BYTE_OFFSET(b) == 0);
    OUTCOME(ExAllocatePoolWithQuotaTag, "raises when the request cannot be satisfied", Raised(WithQuota, NonPagedPool, HUGE_SIZE) == STATUS_INSUFFICIENT_RESOURCES);
    OUTCOME(ExAllocatePoolWithQuotaTag, "NULL with POOL_QUOTA_FAIL_INSTEAD_OF_RAISE when the request cannot be satisfied",
            WithQuota(NonPagedPool | POOL_QUOTA_FAIL_INSTEAD_OF_RAISE, HUGE_SIZE) == NULL);
    OUTCOME(ExAllocatePoolWithQuota, "a pointer to the allocated memory", c != NULL);
    OUTCOME(ExAllocatePoolWithQuota, "raises when the request cannot be satisfied", Raised(WithQuotaUntagged, NonPagedPool, HUGE_SIZE) == STATUS_INSUFFICIENT_RESOURCES);
    OUTCOME(ExAllocatePoolWithQuota, "NULL with POOL_QUOTA_FAIL_INSTEAD_OF_RAISE when the request cannot be satisfied",
            WithQuotaUntagged(NonPagedPool | POOL_QUOTA_FAIL_INSTEAD_OF_RAISE, HUGE_SIZE) == NULL);
    OUTCOME(ExQueryPoolBlockSize, "the size of the block", ExQueryPoolBlockSize(a, &charged) >= 100);
    OUTCOME(ExQueryPoolBlockSize, "no quota was charged to the system process", !charged);
    ExFreePool(a);
    ExFreePool(b);
    ExFreePool(c);
}

static VOID Allocate2(VOID)
{
    KIRQL irql;
    PUCHAR nonpaged = ExAllocatePool2(FLAG_NON_PAGED, 200, TAG), paged = ExAllocatePool2(FLAG_PAGED, 2 * PAGE_SIZE, TAG);
    PUCHAR code = ExAllocatePool2(FLAG_NON_PAGED_EXECUTE, 32, TAG), raw = ExAllocatePool2(FLAG_NON_PAGED | FLAG_UNINITIALIZED, 64, TAG);
    PUCHAR aligned = ExAllocatePool2(FLAG_NON_PAGED | FLAG_CACHE_ALIGNED, 65, TAG), quota = ExAllocatePool2(FLAG_NON_PAGED | FLAG_USE_QUOTA, 16, TAG), d;
    OUTCOME(ExAllocatePool2, "a pointer to the allocated memory", nonpaged && paged && code && raw && quota);
    OUTCOME(ExAllocatePool2, "the memory is zeroed", IsFilled(nonpaged, 200, 0) && IsFilled(paged, 2 * PAGE_SIZE, 0) && IsFilled(code, 32, 0));
    OUTCOME(ExAllocatePool2, "with POOL_FLAG_UNINITIALIZED it is not", !IsFilled(raw, 64, 0));
    OUTCOME(ExAllocatePool2, "aligned to a cache line with POOL_FLAG_CACHE_ALIGNED", ((ULONG_PTR)aligned & 63) == 0);
    OUTCOME(ExAllocatePool2, "less than a page: within a page; more: page-aligned", InOnePage(nonpaged, 200) && BYTE_OFFSET(paged) == 0);
    RtlCopyMemory(code, "\xb8\x09\x00\x00\x00\xc3", 6);
    OUTCOME(ExAllocatePool2, "POOL_FLAG_NON_PAGED_EXECUTE can be executed", ((int (*)(void))code)() == 9);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    d = ExAllocatePool2(FLAG_NON_PAGED, 20, TAG);
    KeLowerIrql(irql);
    OUTCOME(ExAllocatePool2, "nonpaged at DISPATCH_LEVEL", d != NULL);
    OUTCOME(ExAllocatePool2, "NULL for tag 0", ExAllocatePool2(FLAG_NON_PAGED, 20, 0) == NULL);
    OUTCOME(ExAllocatePool2, "NULL for flags that are not valid", ExAllocatePool2(0, 20, TAG) == NULL && ExAllocatePool2(FLAG_NON_PAGED | FLAG_PAGED, 20, TAG) == NULL);
    OUTCOME(ExAllocatePool2, "NULL when there is not enough memory", ExAllocatePool2(FLAG_NON_PAGED, HUGE_SIZE, TAG) == NULL);
    OUTCOME(ExAllocatePool2, "raises with POOL_FLAG_RAISE_ON_FAILURE when there is not enough memory", Raised(Pool2, FLAG_NON_PAGED | FLAG_RAISE, HUGE_SIZE) == STATUS_INSUFFICIENT_RESOURCES);
    OUTCOME(ExAllocatePool2, "raises with POOL_FLAG_RAISE_ON_FAILURE for tag 0", Raised(Pool2NoTag, FLAG_NON_PAGED | FLAG_RAISE, 20) == STATUS_INVALID_PARAMETER);
    ExFreePoolWithTag(nonpaged, TAG);
    ExFreePool2(paged, TAG, NULL, 0);
    OUTCOME(ExFreePool2, "frees the memory", !MmIsAddressValid(paged));
    ExFreePool2(code, 0, NULL, 0);
    OUTCOME(ExFreePool2, "frees any tag with tag 0", !MmIsAddressValid(code));
    ExFreePool(raw);
    ExFreePool(aligned);
    ExFreePool(quota);
    ExFreePool(d);
}

static VOID Allocate3(VOID)
{
    PARAMETER priority = {PARAMETER_PRIORITY, HighPoolPriority}, node = {PARAMETER_NODE, 0}, secure = {PARAMETER_SECURE, 0}, unknown = {99 | PARAMETER_OPTIONAL, 5};
    PVOID plain = ExAllocatePool3(FLAG_NON_PAGED, 100, TAG, NULL, 0), high = ExAllocatePool3(FLAG_PAGED, 100, TAG, &priority, 1);
    PVOID local = ExAllocatePool3(FLAG_NON_PAGED, 100, TAG, &node, 1), optional = ExAllocatePool3(FLAG_NON_PAGED, 100, TAG, &unknown, 1);
    OUTCOME(ExAllocatePool3, "a pointer to the allocated memory", plain != NULL);
    OUTCOME(ExAllocatePool3, "the memory is zeroed", plain && IsFilled(plain, 100, 0) && high && IsFilled(high, 100, 0));
    OUTCOME(ExAllocatePool3, "with a priority", high != NULL);
    OUTCOME(ExAllocatePool3, "on a node", local != NULL);
    OUTCOME(ExAllocatePool3, "a parameter that is optional may be unknown", optional != NULL);
    OUTCOME(ExAllocatePool3, "NULL for parameters that are not valid", ExAllocatePool3(FLAG_NON_PAGED, 100, TAG, &secure, 1) == NULL);
    OUTCOME(ExAllocatePool3, "NULL for tag 0 and for flags that are not valid", ExAllocatePool3(FLAG_NON_PAGED, 100, 0, NULL, 0) == NULL && ExAllocatePool3(FLAG_NON_PAGED | FLAG_NON_PAGED_EXECUTE, 9, TAG, NULL, 0) == NULL);
    OUTCOME(ExAllocatePool3, "NULL when there is not enough memory", ExAllocatePool3(FLAG_NON_PAGED, HUGE_SIZE, TAG, NULL, 0) == NULL);
    OUTCOME(ExAllocatePool3, "raises with POOL_FLAG_RAISE_ON_FAILURE when there is not enough memory", Raised(Pool3, FLAG_NON_PAGED | FLAG_RAISE, HUGE_SIZE) == STATUS_INSUFFICIENT_RESOURCES);
    ExFreePool(plain);
    ExFreePool(high);
    ExFreePool(local);
    ExFreePool(optional);
}

/* Mistakes. */
static NOINLINE VOID Stop(ULONG Case)
{
    volatile PUCHAR p = ExAllocatePoolWithTag(NonPagedPool, 100, TAG);
    volatile PUCHAR paged = ExAllocatePoolWithTag(PagedPool, 100, TAG);
    PUCHAR under = ExAllocatePoolWithTagPriority(NonPagedPool, 100, TAG, NormalPoolPrioritySpecialPoolUnderrun);
    PVOID big = ExAllocatePoolWithTag(NonPagedPoolNx, 2 * PAGE_SIZE, TAG);
    KIRQL irql;
    volatile UCHAR sink;
    switch (Case)
    {
    case 1:
        OUTCOME_BUGCHECK(ExFreePoolWithTag, "bug check 0xC1 for memory that is free already (special pool)", 0xC1);
        ExFreePoolWithTag(p, TAG);
        ExFreePoolWithTag(p, TAG);
        break;
    case 2:
        OUTCOME_BUGCHECK(ExFreePoolWithTag, "bug check 0xC2 for another tag", 0xC2);
        ExFreePoolWithTag(p, 'rehO');
        break;
    case 3:
        OUTCOME_BUGCHECK(ExFreePoolWithTag, "bug check 0xC1 for an address inside the memory (special pool)", 0xC1);
        ExFreePoolWithTag((PUCHAR)big + PAGE_SIZE, TAG);
        break;
    case 4:
        OUTCOME_BUGCHECK(ExAllocatePoolWithTag, "bug check 0xD6 for a write after the memory (special pool)", 0xD6);
        p[112] = 1;
        break;
    case 5:
        OUTCOME_BUGCHECK(ExFreePool, "bug check 0xC1 when bytes behind the memory were written (special pool)", 0xC1);
        p[100] = 1;
        ExFreePool(p);
        break;
    case 6:
        OUTCOME_BUGCHECK(ExFreePool, "bug check 0xC1 when bytes before the memory were written (special pool)", 0xC1);
        p[-1] = 1;
        ExFreePool(p);
        break;
    case 7:
        OUTCOME_BUGCHECK(ExFreePoolWithTag, "bug check 0xD5 when a driver touches the memory after it was freed (special pool)", 0xD5);
        ExFreePoolWithTag(p, TAG);
        sink = p[10];
        break;
    case 8:
        OUTCOME_BUGCHECK(ExFreePool, "bug check 0xCC when a routine touches the memory after it was freed (special pool)", 0xCC);
        ExFreePool(p);
        KeInitializeEvent((PKEVENT)p, NotificationEvent, FALSE);
        KeSetEvent((PKEVENT)p, 0, FALSE);
        break;
    case 9:
        OUTCOME_BUGCHECK(ExFreePoolWithTag, "bug check 0xC2 for a user-mode address", 0xC2);
        ExFreePoolWithTag((PVOID)0x12340, TAG);
        break;
    case 10:
        OUTCOME_BUGCHECK(ExFreePool, "bug check 0xC2 for an address that is in no pool", 0xC2);
        ExFreePool((PVOID)Stop);
        break;
    case 11:
        OUTCOME_BUGCHECK(ExAllocatePoolWithTag, "bug check 0xC4 for paged pool at DISPATCH_LEVEL (verifier)", 0xC4);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        ExAllocatePoolWithTag(PagedPool, 8, TAG);
        break;
    case 12:
        OUTCOME_BUGCHECK(ExFreePoolWithTag, "bug check 0xC2 for paged pool at DISPATCH_LEVEL", 0xC2);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        ExFreePoolWithTag(paged, TAG);
        break;
    case 13:
        OUTCOME_BUGCHECK(ExAllocatePoolWithTag, "bug check 0xFC when NonPagedPoolNx is executed", 0xFC);
        ((void (*)(void))big)();
        break;
    case 14:
        OUTCOME_BUGCHECK(ExAllocatePoolWithTagPriority, "bug check 0xD6 for a write before the memory with SpecialPoolUnderrun", 0xD6);
        under[-1] = 1;
        break;
    case 15:
        OUTCOME_BUGCHECK(ExAllocatePool2, "bug check 0xC4 for paged pool at DISPATCH_LEVEL (verifier)", 0xC4);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        ExAllocatePool2(FLAG_PAGED, 8, TAG);
        break;
    case 16:
        OUTCOME_BUGCHECK(ExAllocatePoolWithQuotaTag, "bug check 0xC4 for paged pool at DISPATCH_LEVEL (verifier)", 0xC4);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        ExAllocatePoolWithQuotaTag(PagedPool, 8, TAG);
        break;
    case 17:
        OUTCOME_BUGCHECK(ExAllocatePool, "bug check 0xC4 for paged pool at DISPATCH_LEVEL (verifier)", 0xC4);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        ExAllocatePool(PagedPool, 8);
        break;
    case 18:
        OUTCOME_BUGCHECK(ExFreePool2, "bug check 0xC2 for another tag", 0xC2);
        ExFreePool2(p, 'rehO', NULL, 0);
        break;
    case 19:
        OUTCOME_BUGCHECK(ExAllocatePoolWithTagPriority, "bug check 0xC4 for paged pool at DISPATCH_LEVEL (verifier)", 0xC4);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        ExAllocatePoolWithTagPriority(PagedPool, 8, TAG, NormalPoolPriority);
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
    KtestBegin("pool");
    if (KtestCase)
    {
        Stop(KtestCase);
        return STATUS_SUCCESS;
    }
    Tagged();
    Untagged();
    Priorities();
    ShortOfMemory();
    Quota();
    Allocate2();
    Allocate3();
    KtestDone();
    return STATUS_SUCCESS;
}
