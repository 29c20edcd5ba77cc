/* Lists: doubly and singly linked, interlocked and sequenced ones. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

typedef struct _ITEM
{
    LIST_ENTRY Link;
    SINGLE_LIST_ENTRY Single;
    LONG Number;
} ITEM;

static LIST_ENTRY Head;
static SINGLE_LIST_ENTRY Singles;
static KSPIN_LOCK Lock;
static ITEM Items[8];

/* The numbers of the list's items from the front, a digit each. */
static LONG Digits(VOID)
{
    LONG digits = 0;
    for (PLIST_ENTRY e = Head.Flink; e != &Head; e = e->Flink)
        digits = digits * 10 + CONTAINING_RECORD(e, ITEM, Link)->Number;
    return digits;
}

static VOID Doubly(VOID)
{
    for (LONG i = 0; i < 8; i++)
        Items[i].Number = i;
    InitializeListHead(&Head);
    OUTCOME(InitializeListHead, "makes an empty list, whose links lead to its head", Head.Flink == &Head && Head.Blink == &Head);
    OUTCOME(IsListEmpty, "returns TRUE for a list without entries", IsListEmpty(&Head));
    InsertHeadList(&Head, &Items[1].Link);
    OUTCOME(IsListEmpty, "returns FALSE for a list with an entry", !IsListEmpty(&Head));
    InsertHeadList(&Head, &Items[2].Link);
    OUTCOME(InsertHeadList, "puts the entry at the front", Digits() == 21 && Head.Flink == &Items[2].Link && Items[2].Link.Blink == &Head);
    InsertTailList(&Head, &Items[3].Link);
    OUTCOME(InsertTailList, "puts the entry at the end", Digits() == 213 && Head.Blink == &Items[3].Link);
    OUTCOME(RemoveEntryList, "returns FALSE while the list has other entries", !RemoveEntryList(&Items[1].Link) && Digits() == 23);
    OUTCOME(RemoveHeadList, "returns the first entry, which is taken off", RemoveHeadList(&Head) == &Items[2].Link && Digits() == 3);
    InsertTailList(&Head, &Items[4].Link);
    OUTCOME(RemoveTailList, "returns the last entry, which is taken off", RemoveTailList(&Head) == &Items[4].Link && Digits() == 3);
    OUTCOME(RemoveEntryList, "returns TRUE when the list becomes empty", RemoveEntryList(&Items[3].Link) && IsListEmpty(&Head));
    OUTCOME(RemoveHeadList, "returns the head of a list that is empty", RemoveHeadList(&Head) == &Head);
    OUTCOME(RemoveTailList, "returns the head of a list that is empty", RemoveTailList(&Head) == &Head);
    Singles.Next = NULL;
    OUTCOME(PopEntryList, "returns NULL for a list without entries", PopEntryList(&Singles) == NULL);
    PushEntryList(&Singles, &Items[1].Single);
    PushEntryList(&Singles, &Items[2].Single);
    OUTCOME(PushEntryList, "puts the entry at the front", Singles.Next == &Items[2].Single && Items[2].Single.Next == &Items[1].Single);
    OUTCOME(PopEntryList, "returns the first entry, which is taken off", PopEntryList(&Singles) == &Items[2].Single && Singles.Next == &Items[1].Single);
}

static VOID Interlocked(VOID)
{
    KIRQL irql;
    InitializeListHead(&Head);
    KeInitializeSpinLock(&Lock);
    OUTCOME(ExInterlockedInsertHeadList, "returns NULL when the list was empty", ExInterlockedInsertHeadList(&Head, &Items[1].Link, &Lock) == NULL);
    OUTCOME(ExInterlockedInsertHeadList, "puts the entry at the front and returns the one that was first", ExInterlockedInsertHeadList(&Head, &Items[2].Link, &Lock) == &Items[1].Link && Digits() == 21);
    OUTCOME(ExInterlockedInsertTailList, "puts the entry at the end and returns the one that was last", ExInterlockedInsertTailList(&Head, &Items[3].Link, &Lock) == &Items[1].Link && Digits() == 213);
    OUTCOME(ExInterlockedRemoveHeadList, "returns the first entry, which is taken off", ExInterlockedRemoveHeadList(&Head, &Lock) == &Items[2].Link && Digits() == 13);
    ExInterlockedRemoveHeadList(&Head, &Lock);
    ExInterlockedRemoveHeadList(&Head, &Lock);
    OUTCOME(ExInterlockedRemoveHeadList, "returns NULL for a list without entries", ExInterlockedRemoveHeadList(&Head, &Lock) == NULL);
    OUTCOME(ExInterlockedInsertTailList, "returns NULL when the list was empty", ExInterlockedInsertTailList(&Head, &Items[1].Link, &Lock) == NULL);
    KeRaiseIrql(DISPATCH_LEVEL + 2, &irql);
    PLIST_ENTRY high = ExInterlockedInsertHeadList(&Head, &Items[2].Link, &Lock);
    PLIST_ENTRY removed = ExInterlockedRemoveHeadList(&Head, &Lock);
    PLIST_ENTRY last = ExInterlockedInsertTailList(&Head, &Items[4].Link, &Lock);
    KIRQL during = KeGetCurrentIrql();
    KeLowerIrql(irql);
    OUTCOME(ExInterlockedInsertHeadList, "works at any IRQL", high == &Items[1].Link && during == DISPATCH_LEVEL + 2);
    OUTCOME(ExInterlockedRemoveHeadList, "works at any IRQL", removed == &Items[2].Link);
    OUTCOME(ExInterlockedInsertTailList, "works at any IRQL", last == &Items[1].Link && Digits() == 14);

    Singles.Next = NULL;
    OUTCOME(ExInterlockedPushEntryList, "returns NULL when the list was empty", ExInterlockedPushEntryList(&Singles, &Items[1].Single, &Lock) == NULL);
    OUTCOME(ExInterlockedPushEntryList, "puts the entry at the front and returns the one that was first", ExInterlockedPushEntryList(&Singles, &Items[2].Single, &Lock) == &Items[1].Single && Singles.Next == &Items[2].Single);
    OUTCOME(ExInterlockedPopEntryList, "returns the first entry, which is taken off", ExInterlockedPopEntryList(&Singles, &Lock) == &Items[2].Single && Singles.Next == &Items[1].Single);
    ExInterlockedPopEntryList(&Singles, &Lock);
    OUTCOME(ExInterlockedPopEntryList, "returns NULL for a list without entries", ExInterlockedPopEntryList(&Singles, &Lock) == NULL);
}

typedef struct DECLSPEC_ALIGN(16) _ENTRY
{
    SLIST_ENTRY Link;
    LONG Number;
} ENTRY;
static SLIST_HEADER Sequenced;
static ENTRY Entries[64];

static VOID Slists(VOID)
{
    ExInitializeSListHead(&Sequenced);
    OUTCOME(ExInitializeSListHead, "makes an empty list", ExQueryDepthSList(&Sequenced) == 0);
    OUTCOME(ExInterlockedPopEntrySList, "returns NULL for a list without entries", ExInterlockedPopEntrySList(&Sequenced, &Lock) == NULL);
    OUTCOME(ExInterlockedPushEntrySList, "returns NULL when the list was empty", ExInterlockedPushEntrySList(&Sequenced, &Entries[0].Link, &Lock) == NULL);
    OUTCOME(ExInterlockedPushEntrySList, "puts the entry at the front and returns the one that was first", ExInterlockedPushEntrySList(&Sequenced, &Entries[1].Link, &Lock) == &Entries[0].Link);
    OUTCOME(ExQueryDepthSList, "returns the number of entries", ExQueryDepthSList(&Sequenced) == 2);
    OUTCOME(ExInterlockedPopEntrySList, "returns the first entry, which is taken off", ExInterlockedPopEntrySList(&Sequenced, &Lock) == &Entries[1].Link && ExQueryDepthSList(&Sequenced) == 1);
    /* What the macros call on x64, without a lock. */
    ExInterlockedPopEntrySList(&Sequenced, &Lock);
    OUTCOME(ExpInterlockedPopEntrySList, "NULL for a list without entries", ExpInterlockedPopEntrySList(&Sequenced) == NULL);
    OUTCOME(ExpInterlockedPushEntrySList, "NULL when the list was empty, else the entry that was first", ExpInterlockedPushEntrySList(&Sequenced, &Entries[0].Link) == NULL && ExpInterlockedPushEntrySList(&Sequenced, &Entries[1].Link) == &Entries[0].Link && ExQueryDepthSList(&Sequenced) == 2);
    OUTCOME(ExpInterlockedPopEntrySList, "the entry that came last, which is taken off", ExpInterlockedPopEntrySList(&Sequenced) == &Entries[1].Link && ExQueryDepthSList(&Sequenced) == 1);
    ExInterlockedPushEntrySList(&Sequenced, &Entries[2].Link, &Lock);
    PSLIST_ENTRY all = ExInterlockedFlushSList(&Sequenced);
    OUTCOME(ExInterlockedFlushSList, "returns the first of all entries, which are taken off", all == &Entries[2].Link && all->Next == &Entries[0].Link && ExQueryDepthSList(&Sequenced) == 0);
    OUTCOME(ExInterlockedFlushSList, "returns NULL for a list without entries", ExInterlockedFlushSList(&Sequenced) == NULL);
}

/* All processors move entries between two sequenced lists and through an interlocked one: none is lost, none doubled. */
static SLIST_HEADER OtherList;
static volatile LONG Moves;
static VOID NTAPI Mover(PVOID Context)
{
    KeSetSystemAffinityThread((KAFFINITY)1 << ((ULONG_PTR)Context % KtestProcessors));
    for (int i = 0; i < 600; i++)
    {
        PSLIST_HEADER from = i & 1 ? &Sequenced : &OtherList, to = i & 1 ? &OtherList : &Sequenced;
        PSLIST_ENTRY entry = ExInterlockedPopEntrySList(from, &Lock);
        if (entry != NULL)
        {
            InterlockedIncrement(&CONTAINING_RECORD(entry, ENTRY, Link)->Number);
            InterlockedIncrement(&Moves);
            ExInterlockedPushEntrySList(to, entry, &Lock);
        }
        PLIST_ENTRY link = ExInterlockedRemoveHeadList(&Head, &Lock);
        if (link != NULL)
        {
            CONTAINING_RECORD(link, ITEM, Link)->Number++;
            ExInterlockedInsertTailList(&Head, link, &Lock);
        }
    }
}

static VOID Stress(VOID)
{
    PKTHREAD threads[4];
    LONG moves = 0, linked = 0, turns = 0;
    ExInitializeSListHead(&Sequenced);
    ExInitializeSListHead(&OtherList);
    InitializeListHead(&Head);
    for (int i = 0; i < 64; i++)
    {
        Entries[i].Number = 0;
        ExInterlockedPushEntrySList(i & 1 ? &Sequenced : &OtherList, &Entries[i].Link, &Lock);
    }
    for (int i = 0; i < 8; i++)
    {
        Items[i].Number = 0;
        InsertTailList(&Head, &Items[i].Link);
    }
    for (ULONG_PTR i = 0; i < 4; i++)
        threads[i] = StartThread(Mover, (PVOID)i);
    for (int i = 0; i < 4; i++)
        JoinThread(threads[i]);
    for (int i = 0; i < 64; i++)
        moves += Entries[i].Number;
    for (PLIST_ENTRY e = Head.Flink; e != &Head; e = e->Flink, linked++)
        turns += CONTAINING_RECORD(e, ITEM, Link)->Number;
    OUTCOME(ExInterlockedPushEntrySList, "no entry is lost when all processors push and pop", ExQueryDepthSList(&Sequenced) + ExQueryDepthSList(&OtherList) == 64 && moves == Moves);
    OUTCOME(ExInterlockedInsertTailList, "no entry is lost when all processors insert and remove", linked == 8 && turns == 4 * 600);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("lists");
    Doubly();
    Interlocked();
    Slists();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
