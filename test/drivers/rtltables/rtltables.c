/* Generic tables: the driver says how its elements compare and where they live; the kernel keeps them in a splay tree or an AVL tree. */
#include <ntddk.h>
#include "../ktest.h"

#ifndef STATUS_NO_MATCH
#define STATUS_NO_MATCH ((NTSTATUS)0xC0000272)
#endif

typedef struct { LONG Key, Value; } ELEMENT;
static LONG Allocated;
static BOOLEAN Refuse;
static ULONG_PTR Seed = 12345;
static ULONG Random(void) { Seed = Seed * 6364136223846793005ull + 1442695040888963407ull; return (ULONG)(Seed >> 33); }

static RTL_GENERIC_COMPARE_RESULTS Order(const ELEMENT *a, const ELEMENT *b)
{
    return a->Key < b->Key ? GenericLessThan : a->Key > b->Key ? GenericGreaterThan : GenericEqual;
}
static PVOID Get(ULONG size)
{
    if (Refuse) return NULL;
    Allocated++;
    return ExAllocatePoolWithTag(NonPagedPool, size, 'blaT');
}
static VOID Put(PVOID p) { Allocated--; ExFreePoolWithTag(p, 'blaT'); }

static RTL_GENERIC_COMPARE_RESULTS NTAPI Compare(PRTL_GENERIC_TABLE t, PVOID a, PVOID b) { return Order(a, b); }
static PVOID NTAPI Allocate(PRTL_GENERIC_TABLE t, CLONG size) { return Get(size); }
static VOID NTAPI Free(PRTL_GENERIC_TABLE t, PVOID p) { Put(p); }
static RTL_GENERIC_COMPARE_RESULTS NTAPI CompareAvl(PRTL_AVL_TABLE t, PVOID a, PVOID b) { return Order(a, b); }
static PVOID NTAPI AllocateAvl(PRTL_AVL_TABLE t, CLONG size) { return Get(size); }
static VOID NTAPI FreeAvl(PRTL_AVL_TABLE t, PVOID p) { Put(p); }

/* ---- splay trees ---- */

static RTL_GENERIC_TABLE T;

static VOID SplayInsert(VOID)
{
    ELEMENT e = {5, 50}, *p;
    BOOLEAN isNew = 7;
    RtlInitializeGenericTable(&T, Compare, Allocate, Free, &T);
    OUTCOME(RtlInitializeGenericTable, "makes an empty table with the routines and the context", T.TableContext == &T && T.TableRoot == NULL && T.CompareRoutine == Compare);
    OUTCOME(RtlIsGenericTableEmpty, "TRUE for a table without elements", RtlIsGenericTableEmpty(&T));
    OUTCOME(RtlNumberGenericTableElements, "0 for an empty table", RtlNumberGenericTableElements(&T) == 0);
    OUTCOME(RtlLookupElementGenericTable, "NULL in an empty table", RtlLookupElementGenericTable(&T, &e) == NULL);
    OUTCOME(RtlEnumerateGenericTable, "NULL for an empty table", RtlEnumerateGenericTable(&T, TRUE) == NULL);
    p = RtlInsertElementGenericTable(&T, &e, sizeof e, &isNew);
    OUTCOME(RtlInsertElementGenericTable, "inserts a copy, NewElement TRUE", p && p != &e && p->Value == 50 && isNew == TRUE);
    ELEMENT again = {5, 99};
    ELEMENT *q = RtlInsertElementGenericTable(&T, &again, sizeof again, &isNew);
    OUTCOME(RtlInsertElementGenericTable, "returns the element that is there, unchanged, NewElement FALSE", q == p && p->Value == 50 && isNew == FALSE);
    e.Key = 6;
    Refuse = TRUE;
    OUTCOME(RtlInsertElementGenericTable, "NULL when the allocation fails, NewElement FALSE", RtlInsertElementGenericTable(&T, &e, sizeof e, &isNew) == NULL && isNew == FALSE);
    Refuse = FALSE;
    OUTCOME(RtlInsertElementGenericTable, "NewElement may be NULL", RtlInsertElementGenericTable(&T, &e, sizeof e, NULL) != NULL);
    e.Key = 1;
    RtlInsertElementGenericTable(&T, &e, sizeof e, NULL);
    OUTCOME(RtlNumberGenericTableElements, "counts the elements", RtlNumberGenericTableElements(&T) == 3);
    OUTCOME(RtlIsGenericTableEmpty, "FALSE for a table with elements", !RtlIsGenericTableEmpty(&T));
    OUTCOME(RtlLookupElementGenericTable, "finds an element", RtlLookupElementGenericTable(&T, &again) == p);
    OUTCOME(RtlLookupElementGenericTable, "the element that was found is the root", (PUCHAR)T.TableRoot + 0x28 == (PUCHAR)p);
    e.Key = 77;
    OUTCOME(RtlLookupElementGenericTable, "NULL for an element that is not there", RtlLookupElementGenericTable(&T, &e) == NULL);
}

static VOID SplayWalk(VOID)
{
    LONG keys[3], n = 0;
    for (ELEMENT *e = RtlEnumerateGenericTable(&T, TRUE); e; e = RtlEnumerateGenericTable(&T, FALSE)) keys[n++ % 3] = e->Key;
    OUTCOME(RtlEnumerateGenericTable, "returns the elements in order, then NULL", n == 3 && keys[0] == 1 && keys[1] == 5 && keys[2] == 6);
    PVOID key = NULL, root = T.TableRoot;
    n = 0;
    for (ELEMENT *e = RtlEnumerateGenericTableWithoutSplaying(&T, &key); e; e = RtlEnumerateGenericTableWithoutSplaying(&T, &key)) keys[n++ % 3] = e->Key;
    OUTCOME(RtlEnumerateGenericTableWithoutSplaying, "returns the elements in order, then NULL", n == 3 && keys[0] == 1 && keys[1] == 5 && keys[2] == 6);
    OUTCOME(RtlEnumerateGenericTableWithoutSplaying, "leaves the tree as it is", T.TableRoot == root);
    ELEMENT *first = RtlGetElementGenericTable(&T, 0), *third = RtlGetElementGenericTable(&T, 2);
    OUTCOME(RtlGetElementGenericTable, "counts in the order of insertion", first && third && first->Key == 5 && third->Key == 1);
    OUTCOME(RtlGetElementGenericTable, "NULL for a number beyond the last", RtlGetElementGenericTable(&T, 3) == NULL);
}

static VOID SplayFull(VOID)
{
    ELEMENT e = {3, 30};
    PVOID node;
    TABLE_SEARCH_RESULT where;
    BOOLEAN isNew;
    OUTCOME(RtlLookupElementGenericTableFull, "tells where an element would be inserted", RtlLookupElementGenericTableFull(&T, &e, &node, &where) == NULL && (where == TableInsertAsLeft || where == TableInsertAsRight));
    ELEMENT *p = RtlInsertElementGenericTableFull(&T, &e, sizeof e, &isNew, node, where);
    OUTCOME(RtlInsertElementGenericTableFull, "inserts at the place that was found", p && isNew && p->Value == 30 && RtlLookupElementGenericTable(&T, &e) == p);
    OUTCOME(RtlLookupElementGenericTableFull, "finds an element and its node", RtlLookupElementGenericTableFull(&T, &e, &node, &where) == p && where == TableFoundNode && (PUCHAR)node + 0x28 == (PUCHAR)p);
    OUTCOME(RtlInsertElementGenericTableFull, "returns the element that was found", RtlInsertElementGenericTableFull(&T, &e, sizeof e, &isNew, node, where) == p && !isNew);
}

static VOID SplayDelete(VOID)
{
    ELEMENT e = {42, 0};
    OUTCOME(RtlDeleteElementGenericTable, "FALSE for an element that is not there", !RtlDeleteElementGenericTable(&T, &e));
    LONG before = Allocated;
    e.Key = 5;
    OUTCOME(RtlDeleteElementGenericTable, "TRUE: the element is freed by the driver's routine", RtlDeleteElementGenericTable(&T, &e) && Allocated == before - 1 && !RtlLookupElementGenericTable(&T, &e));
    for (LONG i = 0; i < 100; i++) { e.Key = i; RtlDeleteElementGenericTable(&T, &e); }
    CHECK(Allocated == 0 && RtlIsGenericTableEmpty(&T));
}

/* Two thousand operations, against an array that says what is in the table. */
static VOID SplayRandom(VOID)
{
    static UCHAR present[64];
    ULONG count = 0;
    for (int i = 0; i < 1000; i++)
    {
        ELEMENT e = {Random() % 64, 0};
        BOOLEAN isNew;
        if (Random() % 2)
        {
            RtlInsertElementGenericTable(&T, &e, sizeof e, &isNew);
            CHECK(isNew == !present[e.Key]);
            if (isNew) present[e.Key] = 1, count++;
        }
        else
        {
            BOOLEAN gone = RtlDeleteElementGenericTable(&T, &e);
            CHECK(gone == present[e.Key]);
            if (gone) present[e.Key] = 0, count--;
        }
    }
    CHECK(RtlNumberGenericTableElements(&T) == count);
    LONG last = -1;
    for (ELEMENT *e = RtlEnumerateGenericTable(&T, TRUE); e; e = RtlEnumerateGenericTable(&T, FALSE)) { CHECK(e->Key > last && present[e->Key]); last = e->Key; count--; }
    CHECK(count == 0);
    while (!RtlIsGenericTableEmpty(&T)) { ELEMENT e = *(ELEMENT *)RtlGetElementGenericTable(&T, 0); RtlDeleteElementGenericTable(&T, &e); }
    CHECK(Allocated == 0);
}

static VOID SplayLinks(VOID)
{
    RTL_SPLAY_LINKS a, b, c, *root;
    RtlInitializeSplayLinks(&b);
    RtlInitializeSplayLinks(&a);
    RtlInitializeSplayLinks(&c);
    RtlInsertAsLeftChild(&b, &a);
    RtlInsertAsRightChild(&b, &c);
    OUTCOME(RtlRealSuccessor, "the next node in order, NULL after the last", RtlRealSuccessor(&a) == &b && RtlRealSuccessor(&b) == &c && RtlRealSuccessor(&c) == NULL);
    OUTCOME(RtlRealPredecessor, "the node before, NULL before the first", RtlRealPredecessor(&c) == &b && RtlRealPredecessor(&b) == &a && RtlRealPredecessor(&a) == NULL);
    OUTCOME(RtlSubtreeSuccessor, "the next node within the subtree, or NULL", RtlSubtreeSuccessor(&b) == &c && RtlSubtreeSuccessor(&a) == NULL);
    OUTCOME(RtlSubtreePredecessor, "the node before within the subtree, or NULL", RtlSubtreePredecessor(&b) == &a && RtlSubtreePredecessor(&c) == NULL);
    root = RtlSplay(&a);
    OUTCOME(RtlSplay, "makes the node the root, the order stays", root == &a && a.Parent == &a && RtlRealSuccessor(&a) == &b && RtlRealSuccessor(&b) == &c);
    root = RtlDelete(&b);
    OUTCOME(RtlDelete, "takes the node out and returns the new root", root && root->Parent == root && RtlRealSuccessor(&a) == &c);
    root = &a;
    while (root->Parent != root) root = root->Parent;
    RtlDeleteNoSplay(root == &a ? &a : &c, &root);
    OUTCOME(RtlDeleteNoSplay, "sets the root when it was the root that went", root && root->Parent == root && !root->LeftChild && !root->RightChild);
    OUTCOME(RtlDelete, "NULL when the last node goes", RtlDelete(root) == NULL);
}

/* ---- AVL trees ---- */

static RTL_AVL_TABLE V;

static VOID AvlInsert(VOID)
{
    ELEMENT e = {5, 50}, *p;
    BOOLEAN isNew = 7;
    RtlInitializeGenericTableAvl(&V, CompareAvl, AllocateAvl, FreeAvl, &V);
    OUTCOME(RtlInitializeGenericTableAvl, "makes an empty table with the routines and the context", V.TableContext == &V && V.CompareRoutine == CompareAvl && V.NumberGenericTableElements == 0);
    OUTCOME(RtlIsGenericTableEmptyAvl, "TRUE for a table without elements", RtlIsGenericTableEmptyAvl(&V));
    OUTCOME(RtlNumberGenericTableElementsAvl, "0 for an empty table", RtlNumberGenericTableElementsAvl(&V) == 0);
    OUTCOME(RtlLookupElementGenericTableAvl, "NULL in an empty table", RtlLookupElementGenericTableAvl(&V, &e) == NULL);
    OUTCOME(RtlEnumerateGenericTableAvl, "NULL for an empty table", RtlEnumerateGenericTableAvl(&V, TRUE) == NULL);
    p = RtlInsertElementGenericTableAvl(&V, &e, sizeof e, &isNew);
    OUTCOME(RtlInsertElementGenericTableAvl, "inserts a copy, NewElement TRUE", p && p != &e && p->Value == 50 && isNew == TRUE);
    ELEMENT again = {5, 99};
    ELEMENT *q = RtlInsertElementGenericTableAvl(&V, &again, sizeof again, &isNew);
    OUTCOME(RtlInsertElementGenericTableAvl, "returns the element that is there, unchanged, NewElement FALSE", q == p && p->Value == 50 && isNew == FALSE);
    e.Key = 6;
    Refuse = TRUE;
    OUTCOME(RtlInsertElementGenericTableAvl, "NULL when the allocation fails, NewElement FALSE", RtlInsertElementGenericTableAvl(&V, &e, sizeof e, &isNew) == NULL && isNew == FALSE);
    Refuse = FALSE;
    RtlInsertElementGenericTableAvl(&V, &e, sizeof e, NULL);
    e.Key = 1;
    RtlInsertElementGenericTableAvl(&V, &e, sizeof e, NULL);
    OUTCOME(RtlNumberGenericTableElementsAvl, "counts the elements", RtlNumberGenericTableElementsAvl(&V) == 3);
    OUTCOME(RtlIsGenericTableEmptyAvl, "FALSE for a table with elements", !RtlIsGenericTableEmptyAvl(&V));
    OUTCOME(RtlLookupElementGenericTableAvl, "finds an element", RtlLookupElementGenericTableAvl(&V, &again) == p);
    e.Key = 77;
    OUTCOME(RtlLookupElementGenericTableAvl, "NULL for an element that is not there", RtlLookupElementGenericTableAvl(&V, &e) == NULL);
}

static VOID AvlWalk(VOID)
{
    LONG keys[3], n = 0;
    for (ELEMENT *e = RtlEnumerateGenericTableAvl(&V, TRUE); e; e = RtlEnumerateGenericTableAvl(&V, FALSE)) keys[n++ % 3] = e->Key;
    OUTCOME(RtlEnumerateGenericTableAvl, "returns the elements in order, then NULL", n == 3 && keys[0] == 1 && keys[1] == 5 && keys[2] == 6);
    PVOID key = NULL;
    n = 0;
    for (ELEMENT *e = RtlEnumerateGenericTableWithoutSplayingAvl(&V, &key); e; e = RtlEnumerateGenericTableWithoutSplayingAvl(&V, &key)) keys[n++ % 3] = e->Key;
    OUTCOME(RtlEnumerateGenericTableWithoutSplayingAvl, "returns the elements in order, then NULL", n == 3 && keys[0] == 1 && keys[1] == 5 && keys[2] == 6);
    ELEMENT *first = RtlGetElementGenericTableAvl(&V, 0), *third = RtlGetElementGenericTableAvl(&V, 2);
    OUTCOME(RtlGetElementGenericTableAvl, "counts in order", first && third && first->Key == 1 && third->Key == 6);
    OUTCOME(RtlGetElementGenericTableAvl, "NULL for a number beyond the last", RtlGetElementGenericTableAvl(&V, 3) == NULL);
    ELEMENT e = {5, 0};
    OUTCOME(RtlLookupFirstMatchingElementGenericTableAvl, "finds the first that matches and its key", RtlLookupFirstMatchingElementGenericTableAvl(&V, &e, &key) && ((ELEMENT *)RtlEnumerateGenericTableWithoutSplayingAvl(&V, &key))->Key == 6);
    e.Key = 9;
    OUTCOME(RtlLookupFirstMatchingElementGenericTableAvl, "NULL when nothing matches", RtlLookupFirstMatchingElementGenericTableAvl(&V, &e, &key) == NULL);
}

static NTSTATUS NTAPI OddKeys(PRTL_AVL_TABLE t, PVOID element, PVOID data)
{
    return ((ELEMENT *)element)->Key & 1 ? STATUS_SUCCESS : STATUS_NO_MATCH;
}
static VOID AvlDirectory(VOID)
{
    ELEMENT from = {0, 0}, *e;
    PVOID key = NULL;
    ULONG deletes = 0, n = 0;
    LONG keys[2] = {0, 0};
    while ((e = RtlEnumerateGenericTableLikeADirectory(&V, OddKeys, NULL, n != 0, &key, &deletes, &from))) { keys[n++ & 1] = e->Key; from = *e; }
    OUTCOME(RtlEnumerateGenericTableLikeADirectory, "returns what the match routine accepts, in order", n == 2 && keys[0] == 1 && keys[1] == 5);
    /* The element that the enumeration stands at is deleted: it goes on with the next. */
    key = NULL;
    deletes = 0;
    from.Key = 0;
    e = RtlEnumerateGenericTableLikeADirectory(&V, NULL, NULL, FALSE, &key, &deletes, &from);
    from = *e;
    RtlDeleteElementGenericTableAvl(&V, &from);
    e = RtlEnumerateGenericTableLikeADirectory(&V, NULL, NULL, TRUE, &key, &deletes, &from);
    OUTCOME(RtlEnumerateGenericTableLikeADirectory, "goes on after an element that was deleted", e && e->Key == 5);
}

static VOID AvlFull(VOID)
{
    ELEMENT e = {3, 30};
    PVOID node;
    TABLE_SEARCH_RESULT where;
    BOOLEAN isNew;
    OUTCOME(RtlLookupElementGenericTableFullAvl, "tells where an element would be inserted", RtlLookupElementGenericTableFullAvl(&V, &e, &node, &where) == NULL && (where == TableInsertAsLeft || where == TableInsertAsRight));
    ELEMENT *p = RtlInsertElementGenericTableFullAvl(&V, &e, sizeof e, &isNew, node, where);
    OUTCOME(RtlInsertElementGenericTableFullAvl, "inserts at the place that was found", p && isNew && p->Value == 30 && RtlLookupElementGenericTableAvl(&V, &e) == p);
    OUTCOME(RtlLookupElementGenericTableFullAvl, "finds an element and its node", RtlLookupElementGenericTableFullAvl(&V, &e, &node, &where) == p && where == TableFoundNode && (PUCHAR)node + 0x20 == (PUCHAR)p);
    OUTCOME(RtlInsertElementGenericTableFullAvl, "returns the element that was found", RtlInsertElementGenericTableFullAvl(&V, &e, sizeof e, &isNew, node, where) == p && !isNew);
}

/* The height of a subtree, or -1000 when the balances in it are wrong. */
static LONG Height(PRTL_BALANCED_LINKS n)
{
    if (!n) return 0;
    LONG l = Height(n->LeftChild), r = Height(n->RightChild);
    if (l < 0 || r < 0 || r - l != n->Balance || n->Balance < -1 || n->Balance > 1) return -1000;
    return 1 + (l > r ? l : r);
}

static VOID AvlDelete(VOID)
{
    ELEMENT e = {42, 0};
    OUTCOME(RtlDeleteElementGenericTableAvl, "FALSE for an element that is not there", !RtlDeleteElementGenericTableAvl(&V, &e));
    LONG before = Allocated;
    e.Key = 5;
    OUTCOME(RtlDeleteElementGenericTableAvl, "TRUE: the element is freed by the driver's routine", RtlDeleteElementGenericTableAvl(&V, &e) && Allocated == before - 1 && !RtlLookupElementGenericTableAvl(&V, &e));
    BOOLEAN balanced = TRUE;
    for (int i = 0; i < 400; i++)
    {
        e.Key = Random() % 128;
        if (Random() % 3) RtlInsertElementGenericTableAvl(&V, &e, sizeof e, NULL);
        else RtlDeleteElementGenericTableAvl(&V, &e);
        LONG h = Height(V.BalancedRoot.RightChild);
        if (h < 0 || h != (LONG)V.DepthOfTree) balanced = FALSE;
    }
    OUTCOME(RtlInsertElementGenericTableAvl, "keeps the tree balanced and DepthOfTree right", balanced);
    ULONG n = 0;
    LONG last = -1;
    for (ELEMENT *p = RtlEnumerateGenericTableAvl(&V, TRUE); p; p = RtlEnumerateGenericTableAvl(&V, FALSE)) { CHECK(p->Key > last); last = p->Key; n++; }
    CHECK(n == RtlNumberGenericTableElementsAvl(&V));
    /* Deleting while enumerating, as documented: from the start each time. */
    for (ELEMENT *p = RtlEnumerateGenericTableAvl(&V, TRUE); p; p = RtlEnumerateGenericTableAvl(&V, TRUE)) { e = *p; RtlDeleteElementGenericTableAvl(&V, &e); }
    CHECK(Allocated == 0 && RtlIsGenericTableEmptyAvl(&V) && V.DepthOfTree == 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT driver) {}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    KtestBegin("rtltables");
    driver->DriverUnload = Unload;
    SplayInsert();
    SplayWalk();
    SplayFull();
    SplayDelete();
    SplayRandom();
    SplayLinks();
    AvlInsert();
    AvlWalk();
    AvlDirectory();
    AvlFull();
    AvlDelete();
    KtestDone();
    return STATUS_SUCCESS;
}
