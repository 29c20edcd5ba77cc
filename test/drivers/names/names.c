/* Wildcards as file systems know them, parts of paths, and conditions on the version of the system. */
#include <ntifs.h>
#include "../ktest.h"

NTSYSAPI ULONGLONG NTAPI VerSetConditionMask(ULONGLONG mask, ULONG type, UCHAR condition);

static BOOLEAN In(PCWSTR expression, PCWSTR name, BOOLEAN ignoreCase)
{
    UNICODE_STRING e, n;
    RtlInitUnicodeString(&e, expression);
    RtlInitUnicodeString(&n, name);
    return FsRtlIsNameInExpression(&e, &n, ignoreCase, NULL);
}
static BOOLEAN Wild(PCWSTR name)
{
    UNICODE_STRING n;
    RtlInitUnicodeString(&n, name);
    return FsRtlDoesNameContainWildCards(&n);
}
static BOOLEAN Same(PUNICODE_STRING a, PCWSTR b)
{
    UNICODE_STRING s;
    RtlInitUnicodeString(&s, b);
    return RtlEqualUnicodeString(a, &s, FALSE);
}

static VOID Expressions(VOID)
{
    OUTCOME(FsRtlIsNameInExpression, "* stands for any characters, also none", In(L"*", L"a.b", FALSE) && In(L"a*c", L"ac", FALSE) && In(L"a*c", L"abbc", FALSE) && !In(L"a*c", L"abd", FALSE));
    OUTCOME(FsRtlIsNameInExpression, "? stands for one character", In(L"a?c", L"abc", FALSE) && !In(L"a?c", L"ac", FALSE));
    OUTCOME(FsRtlIsNameInExpression, "DOS_STAR goes to the last dot", In(L"<.TXT", L"A.B.TXT", FALSE) && !In(L"<.B", L"A.B.TXT", FALSE) && In(L"<", L"AB", FALSE) && !In(L"<", L"A.B", FALSE));
    OUTCOME(FsRtlIsNameInExpression, "DOS_QM stands for one character, or for none at a dot or the end", In(L"A>>.B", L"A.B", FALSE) && In(L"A>>", L"AB", FALSE) && !In(L"A>", L"ABC", FALSE));
    OUTCOME(FsRtlIsNameInExpression, "DOS_DOT stands for a dot or for the end", In(L"A\"", L"A", FALSE) && In(L"A\"B", L"A.B", FALSE) && !In(L"A\"", L"AB", FALSE));
    OUTCOME(FsRtlIsNameInExpression, "IgnoreCase compares the name in upper case", In(L"AB*", L"abc", TRUE) && !In(L"AB*", L"abc", FALSE));
    OUTCOME(FsRtlDoesNameContainWildCards, "TRUE for each of the five wildcards", Wild(L"a*") && Wild(L"?") && Wild(L"<a") && Wild(L"a>") && Wild(L"\""));
    OUTCOME(FsRtlDoesNameContainWildCards, "FALSE for a name without", !Wild(L"name.ext") && !Wild(L""));
}

static VOID Paths(VOID)
{
    UNICODE_STRING path = RTL_CONSTANT_STRING(L"\\one\\two\\three"), first, rest;
    FsRtlDissectName(path, &first, &rest);
    OUTCOME(FsRtlDissectName, "the first part and the rest, without the backslash between", Same(&first, L"one") && Same(&rest, L"two\\three"));
    OUTCOME(FsRtlDissectName, "both point into the path", first.Buffer == path.Buffer + 1 && rest.Buffer == path.Buffer + 5);
    RtlInitUnicodeString(&path, L"last");
    FsRtlDissectName(path, &first, &rest);
    OUTCOME(FsRtlDissectName, "the rest of one part is empty", Same(&first, L"last") && rest.Length == 0);
    path.Length = 0;
    FsRtlDissectName(path, &first, &rest);
    OUTCOME(FsRtlDissectName, "both are empty for an empty path", first.Length == 0 && rest.Length == 0);
}

static VOID Versions(VOID)
{
    RTL_OSVERSIONINFOEXW v = {sizeof v};
    ULONGLONG mask = VerSetConditionMask(0, 2 /* VER_MAJORVERSION */, 3 /* VER_GREATER_EQUAL */);
    v.dwMajorVersion = 6;
    OUTCOME(VerSetConditionMask, "adds the condition of a field", mask == 3 << 3 && RtlVerifyVersionInfo(&v, 2, mask) == STATUS_SUCCESS);
    OUTCOME(VerSetConditionMask, "keeps the conditions that are there", VerSetConditionMask(mask, 1, 1) == ((3 << 3) | 1));
}

static VOID NTAPI Unload(PDRIVER_OBJECT driver) {}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    KtestBegin("names");
    driver->DriverUnload = Unload;
    Expressions();
    Paths();
    Versions();
    KtestDone();
    return STATUS_SUCCESS;
}
