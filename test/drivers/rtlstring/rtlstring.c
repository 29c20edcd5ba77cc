/* Counted strings: made, copied, compared, appended, converted. */
#include <ntifs.h>
#include "../ktest.h"

NTSYSAPI ULONG NTAPI RtlxAnsiStringToUnicodeSize(PCANSI_STRING AnsiString);

#define WIDE(text) {sizeof(text) - sizeof(WCHAR), sizeof(text), text}
#define NARROW(text) {sizeof(text) - 1, sizeof(text), text}

static UNICODE_STRING Abc = WIDE(L"abc"), AbcUpper = WIDE(L"ABC"), Abd = WIDE(L"abd"), Ab = WIDE(L"ab"), Nothing = {0, 0, NULL};
static STRING NarrowAbc = NARROW("abc"), NarrowUpper = NARROW("ABC"), NarrowAbd = NARROW("abd"), NarrowAb = NARROW("ab");
static CHAR LongText[0x10002];
static WCHAR LongWide[0x8002];

static VOID Making(VOID)
{
    ANSI_STRING a;
    STRING s;
    UNICODE_STRING u;
    const char *text = "four";
    RtlFillMemory(LongText, 0x10001, 'x');
    for (ULONG i = 0; i < 0x8001; i++)
        LongWide[i] = L'x';
    RtlInitAnsiString(&a, text);
    OUTCOME(RtlInitAnsiString, "points at the text and counts it", a.Length == 4 && a.MaximumLength == 5 && a.Buffer == text);
    RtlInitAnsiString(&a, NULL);
    OUTCOME(RtlInitAnsiString, "an empty string for NULL", a.Length == 0 && a.MaximumLength == 0 && a.Buffer == NULL);
    RtlInitAnsiString(&a, LongText);
    OUTCOME(RtlInitAnsiString, "counts MAXUSHORT - 1 of longer text", a.Length == 0xfffe && a.MaximumLength == 0xffff);
    RtlInitString(&s, text);
    OUTCOME(RtlInitString, "points at the text and counts it", s.Length == 4 && s.MaximumLength == 5 && s.Buffer == text);
    RtlInitString(&s, NULL);
    OUTCOME(RtlInitString, "an empty string for NULL", s.Length == 0 && s.MaximumLength == 0 && s.Buffer == NULL);
    RtlInitString(&s, LongText);
    OUTCOME(RtlInitString, "counts MAXUSHORT - 1 of longer text", s.Length == 0xfffe && s.MaximumLength == 0xffff);
    RtlInitUnicodeString(&u, L"four");
    OUTCOME(RtlInitUnicodeString, "points at the text and counts its bytes", u.Length == 8 && u.MaximumLength == 10 && u.Buffer[3] == L'r');
    RtlInitUnicodeString(&u, NULL);
    OUTCOME(RtlInitUnicodeString, "an empty string for NULL", u.Length == 0 && u.MaximumLength == 0 && u.Buffer == NULL);
    RtlInitUnicodeString(&u, LongWide);
    OUTCOME(RtlInitUnicodeString, "counts at most what a USHORT holds", u.Length >= 0xfffc && u.Length % 2 == 0 && u.MaximumLength >= u.Length);
}

static VOID Copying(VOID)
{
    WCHAR w[4] = {0};
    CHAR c[4] = {0};
    UNICODE_STRING u = {0, sizeof w, w};
    STRING s = {0, sizeof c, c};
    RtlCopyUnicodeString(&u, &Abc);
    OUTCOME(RtlCopyUnicodeString, "copies the text", u.Length == 6 && RtlEqualUnicodeString(&u, &Abc, FALSE) && u.Buffer == w && u.MaximumLength == 8);
    OUTCOME(RtlCopyUnicodeString, "a zero follows where there is room", w[3] == 0);
    u.MaximumLength = 4;
    RtlCopyUnicodeString(&u, &AbcUpper);
    OUTCOME(RtlCopyUnicodeString, "copies what fits", u.Length == 4 && w[0] == L'A' && w[2] == L'c');
    RtlCopyUnicodeString(&u, NULL);
    OUTCOME(RtlCopyUnicodeString, "NULL empties the string", u.Length == 0 && u.MaximumLength == 4 && u.Buffer == w);
    RtlCopyString(&s, &NarrowAbc);
    OUTCOME(RtlCopyString, "copies the text", s.Length == 3 && c[2] == 'c' && s.Buffer == c && s.MaximumLength == 4);
    s.MaximumLength = 2;
    RtlCopyString(&s, &NarrowUpper);
    OUTCOME(RtlCopyString, "copies what fits", s.Length == 2 && c[0] == 'A' && c[2] == 'c');
    RtlCopyString(&s, NULL);
    OUTCOME(RtlCopyString, "NULL empties the string", s.Length == 0 && s.MaximumLength == 2 && s.Buffer == c);
    s.MaximumLength = 4;
    RtlUpperString(&s, &NarrowAbd);
    OUTCOME(RtlUpperString, "copies in upper case", s.Length == 3 && c[0] == 'A' && c[2] == 'D' && s.Buffer == c);
    s.MaximumLength = 1;
    RtlUpperString(&s, &NarrowAbc);
    OUTCOME(RtlUpperString, "copies what fits", s.Length == 1 && s.MaximumLength == 1 && c[1] == 'B');
}

static VOID Comparing(VOID)
{
    OUTCOME(RtlCompareUnicodeString, "zero for equal strings", RtlCompareUnicodeString(&Abc, &Abc, FALSE) == 0);
    OUTCOME(RtlCompareUnicodeString, "below zero for a smaller first string", RtlCompareUnicodeString(&Abc, &Abd, FALSE) < 0 && RtlCompareUnicodeString(&Ab, &Abc, FALSE) < 0);
    OUTCOME(RtlCompareUnicodeString, "above zero for a greater first string", RtlCompareUnicodeString(&Abd, &Abc, FALSE) > 0 && RtlCompareUnicodeString(&Abc, &Ab, FALSE) > 0);
    OUTCOME(RtlCompareUnicodeString, "case counts or does not", RtlCompareUnicodeString(&Abc, &AbcUpper, FALSE) > 0 && RtlCompareUnicodeString(&Abc, &AbcUpper, TRUE) == 0);
    OUTCOME(RtlCompareString, "zero for equal strings", RtlCompareString(&NarrowAbc, &NarrowAbc, FALSE) == 0);
    OUTCOME(RtlCompareString, "below zero for a smaller first string", RtlCompareString(&NarrowAbc, &NarrowAbd, FALSE) < 0 && RtlCompareString(&NarrowAb, &NarrowAbc, FALSE) < 0);
    OUTCOME(RtlCompareString, "above zero for a greater first string", RtlCompareString(&NarrowAbd, &NarrowAbc, FALSE) > 0);
    OUTCOME(RtlCompareString, "case counts or does not", RtlCompareString(&NarrowAbc, &NarrowUpper, FALSE) > 0 && RtlCompareString(&NarrowAbc, &NarrowUpper, TRUE) == 0);
    OUTCOME(RtlEqualUnicodeString, "TRUE for equal strings", RtlEqualUnicodeString(&Abc, &Abc, FALSE));
    OUTCOME(RtlEqualUnicodeString, "FALSE for other text or another length", !RtlEqualUnicodeString(&Abc, &Abd, FALSE) && !RtlEqualUnicodeString(&Abc, &Ab, FALSE));
    OUTCOME(RtlEqualUnicodeString, "case counts or does not", !RtlEqualUnicodeString(&Abc, &AbcUpper, FALSE) && RtlEqualUnicodeString(&Abc, &AbcUpper, TRUE));
    OUTCOME(RtlEqualString, "TRUE for equal strings", RtlEqualString(&NarrowAbc, &NarrowAbc, FALSE));
    OUTCOME(RtlEqualString, "FALSE for other text or another length", !RtlEqualString(&NarrowAbc, &NarrowAbd, FALSE) && !RtlEqualString(&NarrowAbc, &NarrowAb, FALSE));
    OUTCOME(RtlEqualString, "case counts or does not", !RtlEqualString(&NarrowAbc, &NarrowUpper, FALSE) && RtlEqualString(&NarrowAbc, &NarrowUpper, TRUE));
}

static VOID Appending(VOID)
{
    WCHAR w[5] = L"x";
    UNICODE_STRING u = {2, sizeof w, w}, xabc = WIDE(L"xabc"), xabcz = WIDE(L"xabcz");
    OUTCOME(RtlAppendUnicodeStringToString, "STATUS_SUCCESS, the text is longer", RtlAppendUnicodeStringToString(&u, &Abc) == STATUS_SUCCESS && RtlEqualUnicodeString(&u, &xabc, FALSE));
    OUTCOME(RtlAppendUnicodeStringToString, "STATUS_BUFFER_TOO_SMALL, the string stays", RtlAppendUnicodeStringToString(&u, &Abc) == STATUS_BUFFER_TOO_SMALL && RtlEqualUnicodeString(&u, &xabc, FALSE));
    OUTCOME(RtlAppendUnicodeStringToString, "an empty source changes nothing", RtlAppendUnicodeStringToString(&u, &Nothing) == STATUS_SUCCESS && u.Length == 8);
    OUTCOME(RtlAppendUnicodeToString, "STATUS_SUCCESS, the text is longer", RtlAppendUnicodeToString(&u, L"z") == STATUS_SUCCESS && RtlEqualUnicodeString(&u, &xabcz, FALSE));
    OUTCOME(RtlAppendUnicodeToString, "STATUS_BUFFER_TOO_SMALL, the string stays", RtlAppendUnicodeToString(&u, L"!") == STATUS_BUFFER_TOO_SMALL && RtlEqualUnicodeString(&u, &xabcz, FALSE));
    OUTCOME(RtlAppendUnicodeToString, "NULL changes nothing", RtlAppendUnicodeToString(&u, NULL) == STATUS_SUCCESS && u.Length == 10);
}

static VOID Converting(VOID)
{
    WCHAR w[8];
    CHAR c[8];
    UNICODE_STRING u = {0, sizeof w, w};
    ANSI_STRING a = {0, sizeof c, c};
    OUTCOME(RtlAnsiStringToUnicodeString, "STATUS_SUCCESS into the caller's buffer", RtlAnsiStringToUnicodeString(&u, &NarrowAbc, FALSE) == STATUS_SUCCESS && RtlEqualUnicodeString(&u, &Abc, FALSE) && u.Buffer == w && w[3] == 0);
    u.MaximumLength = 6;
    OUTCOME(RtlAnsiStringToUnicodeString, "STATUS_BUFFER_OVERFLOW without room for text and zero", RtlAnsiStringToUnicodeString(&u, &NarrowAbc, FALSE) == STATUS_BUFFER_OVERFLOW);
    OUTCOME(RtlAnsiStringToUnicodeString, "allocates the buffer", RtlAnsiStringToUnicodeString(&u, &NarrowAbc, TRUE) == STATUS_SUCCESS && u.Buffer != w && u.MaximumLength == 8 && RtlEqualUnicodeString(&u, &Abc, FALSE));
    RtlFreeUnicodeString(&u);
    OUTCOME(RtlFreeUnicodeString, "frees the buffer and clears the string", u.Buffer == NULL && u.Length == 0 && u.MaximumLength == 0);
    RtlFreeUnicodeString(&u);
    OUTCOME(RtlFreeUnicodeString, "an empty string is left alone", u.Buffer == NULL);
    OUTCOME(RtlUnicodeStringToAnsiString, "STATUS_SUCCESS into the caller's buffer", RtlUnicodeStringToAnsiString(&a, &Abc, FALSE) == STATUS_SUCCESS && RtlEqualString(&a, &NarrowAbc, FALSE) && c[3] == 0);
    a.MaximumLength = 2;
    OUTCOME(RtlUnicodeStringToAnsiString, "STATUS_BUFFER_OVERFLOW without room", RtlUnicodeStringToAnsiString(&a, &Abc, FALSE) == STATUS_BUFFER_OVERFLOW);
    OUTCOME(RtlUnicodeStringToAnsiString, "allocates the buffer", RtlUnicodeStringToAnsiString(&a, &Abc, TRUE) == STATUS_SUCCESS && a.Buffer != c && RtlEqualString(&a, &NarrowAbc, FALSE));
    RtlFreeAnsiString(&a);
    OUTCOME(RtlFreeAnsiString, "frees the buffer and clears the string", a.Buffer == NULL && a.Length == 0 && a.MaximumLength == 0);
    RtlFreeAnsiString(&a);
    OUTCOME(RtlFreeAnsiString, "an empty string is left alone", a.Buffer == NULL);
    OUTCOME(RtlAnsiStringToUnicodeSize, "bytes of the text and its zero", RtlxAnsiStringToUnicodeSize(&NarrowAbc) == 8 && RtlAnsiStringToUnicodeSize(&NarrowAbc) == 8);
    u.Buffer = w;
    u.Length = 0;
    u.MaximumLength = sizeof w;
    OUTCOME(RtlUpcaseUnicodeString, "STATUS_SUCCESS into the caller's buffer", RtlUpcaseUnicodeString(&u, &Abc, FALSE) == STATUS_SUCCESS && RtlEqualUnicodeString(&u, &AbcUpper, FALSE));
    u.MaximumLength = 4;
    OUTCOME(RtlUpcaseUnicodeString, "STATUS_BUFFER_OVERFLOW without room", RtlUpcaseUnicodeString(&u, &Abc, FALSE) == STATUS_BUFFER_OVERFLOW);
    OUTCOME(RtlUpcaseUnicodeString, "allocates the buffer", RtlUpcaseUnicodeString(&u, &Abc, TRUE) == STATUS_SUCCESS && u.Buffer != w && RtlEqualUnicodeString(&u, &AbcUpper, FALSE));
    RtlFreeUnicodeString(&u);
}

/* In the WDK it is inline too. */
static ULONG RtlInterlockedSetClearBits(volatile ULONG *Flags, ULONG Set, ULONG Clear)
{
    ULONG before;
    do
        before = *Flags;
    while (InterlockedCompareExchange((PLONG)Flags, (before | Set) & ~Clear, before) != (LONG)before);
    return before;
}

static VOID Bits(VOID)
{
    volatile ULONG bits = 0xf0;
    OUTCOME(RtlInterlockedSetBits, "sets bits and gives what was there", RtlInterlockedSetBits(&bits, 0x0f) == 0xf0 && bits == 0xff);
    OUTCOME(RtlInterlockedClearBits, "clears bits and gives what was there", RtlInterlockedClearBits(&bits, 0x81) == 0xff && bits == 0x7e);
    OUTCOME(RtlInterlockedAndBits, "keeps the bits of the mask and gives what was there", RtlInterlockedAndBits(&bits, 0x66) == 0x7e && bits == 0x66);
    OUTCOME(RtlInterlockedXorBits, "flips bits and gives what was there", RtlInterlockedXorBits(&bits, 0x0f) == 0x66 && bits == 0x69);
    RtlInterlockedSetBitsDiscardReturn(&bits, 0x100);
    OUTCOME(RtlInterlockedSetBitsDiscardReturn, "sets bits", bits == 0x169);
    RtlInterlockedClearBitsDiscardReturn(&bits, 0x100);
    OUTCOME(RtlInterlockedClearBitsDiscardReturn, "clears bits", bits == 0x69);
    RtlInterlockedAndBitsDiscardReturn(&bits, 0x0f);
    OUTCOME(RtlInterlockedAndBitsDiscardReturn, "keeps the bits of the mask", bits == 0x09);
    OUTCOME(RtlInterlockedSetClearBits, "sets some bits and clears others at once", RtlInterlockedSetClearBits(&bits, 0x30, 0x01) == 0x09 && bits == 0x38);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("rtlstring");
    Making();
    Copying();
    Comparing();
    Appending();
    Converting();
    Bits();
    KtestDone();
    return STATUS_SUCCESS;
}
