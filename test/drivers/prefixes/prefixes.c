/* Prefix tables: a file system finds the longest name that a path begins with, whole components at a time. */
#include <ntddk.h>
#include "../ktest.h"

typedef struct _PREFIX_ENTRY
{
    CSHORT NodeTypeCode, NameLength;
    struct _PREFIX_ENTRY *NextPrefixTree, *CaseMatch;
    RTL_SPLAY_LINKS Links;
    PUNICODE_STRING Prefix;
} PREFIX_ENTRY;
typedef struct
{
    CSHORT NodeTypeCode, NameLength;
    PREFIX_ENTRY *NextPrefixTree, *LastNextEntry;
} PREFIX_TABLE;

NTKERNELAPI VOID NTAPI RtlInitializeUnicodePrefix(PREFIX_TABLE *PrefixTable);
NTKERNELAPI BOOLEAN NTAPI RtlInsertUnicodePrefix(PREFIX_TABLE *PrefixTable, PUNICODE_STRING Prefix, PREFIX_ENTRY *PrefixTableEntry);
NTKERNELAPI PREFIX_ENTRY *NTAPI RtlFindUnicodePrefix(PREFIX_TABLE *PrefixTable, PUNICODE_STRING FullName, ULONG CaseInsensitiveIndex);
NTKERNELAPI VOID NTAPI RtlRemoveUnicodePrefix(PREFIX_TABLE *PrefixTable, PREFIX_ENTRY *PrefixTableEntry);
NTKERNELAPI PREFIX_ENTRY *NTAPI RtlNextUnicodePrefix(PREFIX_TABLE *PrefixTable, BOOLEAN Restart);

static PREFIX_TABLE T;

#define COUNT 8
static const PCWSTR Names[COUNT] = {L"\\", L"\\a", L"\\a\\b", L"\\A\\B", L"\\a\\b\\c", L"\\x", L"\\a\\bb", L"\\m\\n"};
static UNICODE_STRING Name[COUNT];
static PREFIX_ENTRY Entry[COUNT];

/* Which of Names is found for a path, or -1. */
static LONG Find(PCWSTR path, ULONG index)
{
    UNICODE_STRING full;
    RtlInitUnicodeString(&full, path);
    PREFIX_ENTRY *e = RtlFindUnicodePrefix(&T, &full, index);
    return e ? (LONG)(e - Entry) : -1;
}

/* How many entries the table names when it is walked, each once; -1 when one comes twice. */
static LONG Walk(VOID)
{
    ULONG seen = 0;
    LONG n = 0;
    for (PREFIX_ENTRY *e = RtlNextUnicodePrefix(&T, TRUE); e; e = RtlNextUnicodePrefix(&T, FALSE), n++)
    {
        if (seen & (1u << (e - Entry))) return -1;
        seen |= 1u << (e - Entry);
    }
    return n;
}

static VOID Insert(VOID)
{
    PREFIX_ENTRY spare;
    RtlInitializeUnicodePrefix(&T);
    OUTCOME(RtlInitializeUnicodePrefix, "makes an empty table", T.NextPrefixTree == (PVOID)&T && Find(L"\\a", 0) == -1);
    OUTCOME(RtlNextUnicodePrefix, "NULL for an empty table", RtlNextUnicodePrefix(&T, TRUE) == NULL);
    BOOLEAN all = TRUE;
    for (ULONG i = 0; i < COUNT; i++)
    {
        RtlInitUnicodeString(&Name[i], Names[i]);
        all = RtlInsertUnicodePrefix(&T, &Name[i], &Entry[i]) && all;
    }
    OUTCOME(RtlInsertUnicodePrefix, "TRUE for a prefix that is new", all && Entry[4].Prefix == &Name[4]);
    OUTCOME(RtlInsertUnicodePrefix, "TRUE for one that differs from another by case only", Entry[2].CaseMatch == &Entry[3] && Entry[3].CaseMatch == &Entry[2]);
    OUTCOME(RtlInsertUnicodePrefix, "FALSE for a prefix that is in the table", !RtlInsertUnicodePrefix(&T, &Name[4], &spare));
    OUTCOME(RtlNextUnicodePrefix, "every entry once, then NULL", Walk() == COUNT);
}

static VOID Lookup(VOID)
{
    OUTCOME(RtlFindUnicodePrefix, "the longest prefix of the name", Find(L"\\a\\b\\c\\d", 0) == 4 && Find(L"\\a\\q", 0) == 1 && Find(L"\\m\\n\\o", 0) == 7);
    OUTCOME(RtlFindUnicodePrefix, "whole components only", Find(L"\\a\\bbb", 0) == 1 && Find(L"\\xy", 0) == 0);
    OUTCOME(RtlFindUnicodePrefix, "the name itself is its prefix", Find(L"\\x", 0) == 5);
    OUTCOME(RtlFindUnicodePrefix, "a backslash alone is a prefix of every absolute name", Find(L"\\q\\r", 0) == 0);
    OUTCOME(RtlFindUnicodePrefix, "without regard to case from CaseInsensitiveIndex on", Find(L"\\X\\y", 0) == 5 && Find(L"\\X\\y", 1) == 5);
    OUTCOME(RtlFindUnicodePrefix, "exactly before CaseInsensitiveIndex", Find(L"\\A\\B\\z", 4) == 3 && Find(L"\\a\\b\\z", 4) == 2 && Find(L"\\X\\y", 2) == 0);
    OUTCOME(RtlFindUnicodePrefix, "NULL when no prefix matches", Find(L"q", 0) == -1);
}

static VOID Remove(VOID)
{
    RtlRemoveUnicodePrefix(&T, &Entry[2]);
    OUTCOME(RtlRemoveUnicodePrefix, "the other spelling stays", Find(L"\\a\\b\\z", 0) == 3 && Find(L"\\a\\b\\z", 4) == 1 && Walk() == COUNT - 1);
    RtlRemoveUnicodePrefix(&T, &Entry[3]);
    OUTCOME(RtlRemoveUnicodePrefix, "the prefix is not found any more", Find(L"\\a\\b\\z", 0) == 1 && Walk() == COUNT - 2);
    for (ULONG i = 0; i < COUNT; i++)
        if (i != 2 && i != 3) RtlRemoveUnicodePrefix(&T, &Entry[i]);
    OUTCOME(RtlRemoveUnicodePrefix, "the table is empty after the last", T.NextPrefixTree == (PVOID)&T && Walk() == 0);
}

/* Many names, put in and taken out in no order, against a search of all of them. */
#define MANY 64
static VOID Stress(VOID)
{
    static PREFIX_ENTRY entries[MANY];
    static UNICODE_STRING names[MANY];
    static WCHAR text[MANY][8];
    static BOOLEAN in[MANY];
    ULONG_PTR seed = 7;
    RtlInitializeUnicodePrefix(&T);
    for (ULONG i = 0; i < MANY; i++)
    {
        /* \ab, \ab\c or \ab\c\d, all different */
        WCHAR *t = text[i];
        t[0] = '\\', t[1] = 'a' + i % 4, t[2] = 'a' + i / 16, t[3] = i & 4 ? '\\' : 0, t[4] = 'a' + i % 16, t[5] = i & 8 ? '\\' : 0, t[6] = 'x', t[7] = 0;
        RtlInitUnicodeString(&names[i], t);
    }
    for (ULONG round = 0; round < 600; round++)
    {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        ULONG i = (ULONG)(seed >> 40) % MANY;
        if (in[i])
        {
            RtlRemoveUnicodePrefix(&T, &entries[i]);
            in[i] = FALSE;
        }
        else
            in[i] = RtlInsertUnicodePrefix(&T, &names[i], &entries[i]);
        ULONG j = (ULONG)(seed >> 50) % MANY;
        PREFIX_ENTRY *found = RtlFindUnicodePrefix(&T, &names[j], 0);
        ULONG best = 0;
        for (ULONG n = 0; n < MANY; n++)
        {
            ULONG chars = names[n].Length / 2;
            if (in[n] && names[n].Length <= names[j].Length && chars > best && RtlCompareMemory(text[n], text[j], names[n].Length) == names[n].Length && (text[j][chars] == 0 || text[j][chars] == '\\')) best = chars;
        }
        if ((found ? found->Prefix->Length / 2u : 0) != best) { CHECK(!"a search of all names says something else"); return; }
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) {}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    DriverObject->DriverUnload = Unload;
    KtestBegin("prefixes");
    Insert();
    Lookup();
    Remove();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
