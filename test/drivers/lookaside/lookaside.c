/* Lookaside lists: entries of one size that are kept for the next allocation. */
#include <ntddk.h>
#include "../ktest.h"

#define TAG 'sLPK'
#define SIZE 96

/* The two routines that ntoskrnl exports as well; the macros of wdm.h do the same inline. */
static PVOID(NTAPI *AllocatePaged)(PPAGED_LOOKASIDE_LIST);
static VOID(NTAPI *FreePaged)(PPAGED_LOOKASIDE_LIST, PVOID);

static ULONG Allocated, Freed;
static PVOID Context;

/* Routines of the driver's own; Ex lists also say which list it is. */
static PVOID NTAPI Allocate(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag)
{
    Allocated++;
    return ExAllocatePoolWithTag(PoolType, Bytes, Tag);
}
static VOID NTAPI Free(PVOID Entry)
{
    Freed++;
    ExFreePoolWithTag(Entry, 0);
}
static PVOID NTAPI AllocateEx(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag, PLOOKASIDE_LIST_EX List)
{
    Allocated++;
    Context = List;
    CHECK(Bytes == SIZE && Tag == TAG);
    return ExAllocatePoolWithTag(PoolType, Bytes, Tag);
}
static VOID NTAPI FreeEx(PVOID Entry, PLOOKASIDE_LIST_EX List)
{
    Freed++;
    CHECK(Context == List);
    ExFreePoolWithTag(Entry, TAG);
}

static VOID Nonpaged(VOID)
{
    static NPAGED_LOOKASIDE_LIST list, own;
    PVOID entry[300], again;
    KIRQL irql;
    ULONG i;
    ExInitializeNPagedLookasideList(&list, NULL, NULL, 0, SIZE, TAG, 0);
    OUTCOME(ExInitializeNPagedLookasideList, "the list is empty", ExQueryDepthSList(&list.L.ListHead) == 0);
    OUTCOME(ExInitializeNPagedLookasideList, "without Allocate and Free entries come from pool", list.L.Allocate != NULL && list.L.Free != NULL && list.L.Size == SIZE && list.L.Tag == TAG);
    entry[0] = ExAllocateFromNPagedLookasideList(&list);
    OUTCOME(ExAllocateFromNPagedLookasideList, "allocates an entry when the list is empty", entry[0] != NULL && list.L.AllocateMisses == 1);
    RtlFillMemory(entry[0], SIZE, 0x77);
    ExFreeToNPagedLookasideList(&list, entry[0]);
    OUTCOME(ExFreeToNPagedLookasideList, "keeps the entry while the list is not full", ExQueryDepthSList(&list.L.ListHead) == 1 && MmIsAddressValid(entry[0]));
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    again = ExAllocateFromNPagedLookasideList(&list);
    KeLowerIrql(irql);
    OUTCOME(ExAllocateFromNPagedLookasideList, "removes the first entry of the list", again == entry[0] && list.L.AllocateMisses == 1);
    OUTCOME(ExAllocateFromNPagedLookasideList, "at DISPATCH_LEVEL", again == entry[0]);
    for (i = 1; i < 300; i++)
        entry[i] = ExAllocateFromNPagedLookasideList(&list);
    for (i = 0; i < 300; i++)
        ExFreeToNPagedLookasideList(&list, entry[i]);
    OUTCOME(ExFreeToNPagedLookasideList, "frees the entry when the list is full", list.L.FreeMisses > 0 && ExQueryDepthSList(&list.L.ListHead) == list.L.Depth);
    again = list.L.ListHead.Region ? ExAllocateFromNPagedLookasideList(&list) : NULL;
    CHECK(again != NULL);
    ExFreeToNPagedLookasideList(&list, again);
    ExDeleteNPagedLookasideList(&list);
    OUTCOME(ExDeleteNPagedLookasideList, "frees all entries of the list", !MmIsAddressValid(again));

    ExInitializeNPagedLookasideList(&own, Allocate, Free, 0, SIZE, TAG, 0);
    Allocated = Freed = 0;
    entry[0] = ExAllocateFromNPagedLookasideList(&own);
    OUTCOME(ExInitializeNPagedLookasideList, "entries come from the Allocate routine", Allocated == 1 && entry[0] != NULL);
    ExFreeToNPagedLookasideList(&own, entry[0]);
    ExDeleteNPagedLookasideList(&own);
    OUTCOME(ExInitializeNPagedLookasideList, "entries go to the Free routine", Freed == 1);
    OUTCOME(ExDeleteNPagedLookasideList, "calls the Free routine for each entry", Freed == 1);
}

static VOID Paged(VOID)
{
    static PAGED_LOOKASIDE_LIST list, own;
    PVOID entry[300], again;
    ULONG i, misses;
    ExInitializePagedLookasideList(&list, NULL, NULL, 0, SIZE, TAG, 0);
    OUTCOME(ExInitializePagedLookasideList, "the list is empty", ExQueryDepthSList(&list.L.ListHead) == 0);
    entry[0] = AllocatePaged(&list);
    OUTCOME(ExAllocateFromPagedLookasideList, "allocates an entry when the list is empty", entry[0] != NULL && list.L.AllocateMisses == 1);
    FreePaged(&list, entry[0]);
    OUTCOME(ExFreeToPagedLookasideList, "keeps the entry while the list is not full", ExQueryDepthSList(&list.L.ListHead) == 1);
    again = AllocatePaged(&list);
    OUTCOME(ExAllocateFromPagedLookasideList, "removes the first entry of the list", again == entry[0] && list.L.AllocateMisses == 1);
    for (i = 1; i < 300; i++)
        entry[i] = i & 1 ? AllocatePaged(&list) : ExAllocateFromPagedLookasideList(&list);
    for (i = 0; i < 300; i++)
        if (i & 1)
            FreePaged(&list, entry[i]);
        else
            ExFreeToPagedLookasideList(&list, entry[i]);
    OUTCOME(ExFreeToPagedLookasideList, "frees the entry when the list is full", list.L.FreeMisses > 0 && ExQueryDepthSList(&list.L.ListHead) == list.L.Depth);
    misses = list.L.AllocateMisses;
    OUTCOME(ExInitializePagedLookasideList, "entries come from paged pool", (list.L.Type & 1) == PagedPool && misses > 1);
    ExDeletePagedLookasideList(&list);
    OUTCOME(ExDeletePagedLookasideList, "frees all entries of the list", ExQueryDepthSList(&list.L.ListHead) == 0);

    ExInitializePagedLookasideList(&own, Allocate, Free, 0, SIZE, TAG, 0);
    Allocated = Freed = 0;
    entry[0] = AllocatePaged(&own);
    entry[1] = AllocatePaged(&own);
    OUTCOME(ExInitializePagedLookasideList, "entries come from the Allocate routine", Allocated == 2 && entry[0] && entry[1]);
    FreePaged(&own, entry[0]);
    FreePaged(&own, entry[1]);
    ExDeletePagedLookasideList(&own);
    OUTCOME(ExDeletePagedLookasideList, "calls the Free routine for each entry", Freed == 2);
}

static VOID Extended(VOID)
{
    static LOOKASIDE_LIST_EX list;
    PVOID a, b;
    OUTCOME(ExInitializeLookasideListEx, "STATUS_INVALID_PARAMETER_4 for a pool type that is not valid",
            ExInitializeLookasideListEx(&list, NULL, NULL, 77, 0, SIZE, TAG, 0) == STATUS_INVALID_PARAMETER_4);
    OUTCOME(ExInitializeLookasideListEx, "STATUS_INVALID_PARAMETER_5 for flags that are not valid",
            ExInitializeLookasideListEx(&list, NULL, NULL, NonPagedPool, 3, SIZE, TAG, 0) == STATUS_INVALID_PARAMETER_5);
    Allocated = Freed = 0;
    OUTCOME(ExInitializeLookasideListEx, "STATUS_SUCCESS", ExInitializeLookasideListEx(&list, AllocateEx, FreeEx, PagedPool, 0, SIZE, TAG, 0) == STATUS_SUCCESS);
    a = ExAllocateFromLookasideListEx(&list);
    b = ExAllocateFromLookasideListEx(&list);
    OUTCOME(ExAllocateFromLookasideListEx, "calls the Allocate routine with the list when it is empty", a && b && Allocated == 2 && Context == &list);
    ExFreeToLookasideListEx(&list, a);
    OUTCOME(ExFreeToLookasideListEx, "keeps the entry while the list is not full", Freed == 0 && ExQueryDepthSList(&list.L.ListHead) == 1);
    OUTCOME(ExAllocateFromLookasideListEx, "removes the first entry of the list", ExAllocateFromLookasideListEx(&list) == a && Allocated == 2);
    ExFreeToLookasideListEx(&list, a);
    ExFreeToLookasideListEx(&list, b);
    ExFlushLookasideListEx(&list);
    OUTCOME(ExFlushLookasideListEx, "removes and frees all entries", Freed == 2 && ExQueryDepthSList(&list.L.ListHead) == 0);
    a = ExAllocateFromLookasideListEx(&list);
    OUTCOME(ExFlushLookasideListEx, "the list can be used further", a != NULL && Allocated == 3);
    ExFreeToLookasideListEx(&list, a);
    ExDeleteLookasideListEx(&list);
    OUTCOME(ExDeleteLookasideListEx, "removes and frees all entries", Freed == 3);
    ExInitializeLookasideListEx(&list, NULL, NULL, NonPagedPoolNx, EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL, SIZE, TAG, 0);
    OUTCOME(ExInitializeLookasideListEx, "EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL is added to the pool type", list.L.Type == (NonPagedPoolNx | POOL_RAISE_IF_ALLOCATION_FAILURE));
    a = ExAllocateFromLookasideListEx(&list);
    OUTCOME(ExInitializeLookasideListEx, "without routines entries come from pool", a != NULL);
    ExFreeToLookasideListEx(&list, a);
    ExDeleteLookasideListEx(&list);
    ExInitializeLookasideListEx(&list, AllocateEx, FreeEx, NonPagedPool, EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE, SIZE, TAG, 0);
    OUTCOME(ExInitializeLookasideListEx, "EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE is added to the pool type", list.L.Type == (NonPagedPool | POOL_QUOTA_FAIL_INSTEAD_OF_RAISE));
    ExDeleteLookasideListEx(&list);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("lookaside");
    RtlInitUnicodeString(&name, L"ExAllocateFromPagedLookasideList");
    AllocatePaged = MmGetSystemRoutineAddress(&name);
    RtlInitUnicodeString(&name, L"ExFreeToPagedLookasideList");
    FreePaged = MmGetSystemRoutineAddress(&name);
    CHECK(AllocatePaged && FreePaged);
    Nonpaged();
    Paged();
    Extended();
    KtestDone();
    return STATUS_SUCCESS;
}
