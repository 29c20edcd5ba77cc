/* Counted strings, the lesser known half: made with a check of the length, duplicated, appended, prefixes and suffixes, hashes, lower case. */
#include <ntifs.h>
#include "../ktest.h"

NTSYSAPI NTSTATUS NTAPI RtlInitUnicodeStringEx(PUNICODE_STRING DestinationString, PCWSTR SourceString);
NTSYSAPI NTSTATUS NTAPI RtlInitAnsiStringEx(PANSI_STRING DestinationString, PCSZ SourceString);
NTSYSAPI NTSTATUS NTAPI RtlInitStringEx(PSTRING DestinationString, PCSZ SourceString);
NTSYSAPI VOID NTAPI RtlInitUTF8String(PSTRING DestinationString, PCSZ SourceString);
NTSYSAPI NTSTATUS NTAPI RtlAppendAsciizToString(PSTRING Destination, PCSZ Source);
NTSYSAPI BOOLEAN NTAPI RtlSuffixUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive);
NTSYSAPI BOOLEAN NTAPI RtlPrefixString(const STRING *String1, const STRING *String2, BOOLEAN CaseInSensitive);
NTSYSAPI WCHAR NTAPI RtlDowncaseUnicodeChar(WCHAR SourceCharacter);

#define WIDE(text) {sizeof(text) - sizeof(WCHAR), sizeof(text), text}
#define NARROW(text) {sizeof(text) - 1, sizeof(text), text}
static CHAR LongText[0x10002];
static WCHAR LongWide[0x8002];

static VOID Making(VOID)
{
    UNICODE_STRING u = {7, 7, (PWSTR)7};
    STRING s = {7, 7, (PCHAR)7};
    const char *four = "four";
    RtlFillMemory(LongText, 0x10001, 'x');
    for (ULONG i = 0; i < 0x8001; i++)
        LongWide[i] = L'x';
    OUTCOME(RtlInitUnicodeStringEx, "STATUS_NAME_TOO_LONG for more than a USHORT holds, nothing is changed", RtlInitUnicodeStringEx(&u, LongWide) == STATUS_NAME_TOO_LONG && u.Length == 7 && u.Buffer == (PWSTR)7);
    OUTCOME(RtlInitUnicodeStringEx, "STATUS_SUCCESS, points at the text and counts its bytes", RtlInitUnicodeStringEx(&u, L"four") == STATUS_SUCCESS && u.Length == 8 && u.MaximumLength == 10 && u.Buffer[3] == L'r');
    OUTCOME(RtlInitUnicodeStringEx, "an empty string for NULL", RtlInitUnicodeStringEx(&u, NULL) == STATUS_SUCCESS && !u.Length && !u.MaximumLength && !u.Buffer);
    OUTCOME(RtlInitStringEx, "STATUS_NAME_TOO_LONG for more than a USHORT holds, nothing is changed", RtlInitStringEx(&s, LongText) == STATUS_NAME_TOO_LONG && s.Length == 7 && s.Buffer == (PCHAR)7);
    OUTCOME(RtlInitStringEx, "STATUS_SUCCESS, points at the text and counts it", RtlInitStringEx(&s, four) == STATUS_SUCCESS && s.Length == 4 && s.MaximumLength == 5 && s.Buffer == four);
    OUTCOME(RtlInitStringEx, "an empty string for NULL", RtlInitStringEx(&s, NULL) == STATUS_SUCCESS && !s.Length && !s.MaximumLength && !s.Buffer);
    s.Length = 7;
    OUTCOME(RtlInitAnsiStringEx, "STATUS_NAME_TOO_LONG for more than a USHORT holds, nothing is changed", RtlInitAnsiStringEx(&s, LongText) == STATUS_NAME_TOO_LONG && s.Length == 7);
    OUTCOME(RtlInitAnsiStringEx, "STATUS_SUCCESS, points at the text and counts it", RtlInitAnsiStringEx(&s, four) == STATUS_SUCCESS && s.Length == 4 && s.MaximumLength == 5 && s.Buffer == four);
    OUTCOME(RtlInitAnsiStringEx, "an empty string for NULL", RtlInitAnsiStringEx(&s, NULL) == STATUS_SUCCESS && !s.Length && !s.MaximumLength && !s.Buffer);
    RtlInitUTF8String(&s, "\xc3\xa4");
    OUTCOME(RtlInitUTF8String, "points at the text and counts its bytes", s.Length == 2 && s.MaximumLength == 3 && (UCHAR)s.Buffer[0] == 0xc3);
    RtlInitUTF8String(&s, NULL);
    OUTCOME(RtlInitUTF8String, "an empty string for NULL", !s.Length && !s.MaximumLength && !s.Buffer);
    CHECK(RtlCreateUnicodeString(&u, L"copy") && u.Length == 8 && u.MaximumLength == 10 && u.Buffer[4] == 0 && u.Buffer[0] == L'c');
    RtlFreeUnicodeString(&u);
    CHECK(!RtlCreateUnicodeString(&u, LongWide));
}

static VOID Duplicating(VOID)
{
    UNICODE_STRING abc = WIDE(L"abc"), empty = {0, 0, NULL}, odd = {3, 4, L"ab"}, copy = {1, 1, (PWSTR)1};
    NTSTATUS status = RtlDuplicateUnicodeString(0, &abc, &copy);
    OUTCOME(RtlDuplicateUnicodeString, "STATUS_SUCCESS, a copy in a buffer of its own", status == STATUS_SUCCESS && copy.Length == 6 && copy.MaximumLength == 6 && copy.Buffer != abc.Buffer && RtlEqualUnicodeString(&abc, &copy, FALSE));
    RtlFreeUnicodeString(&copy);
    status = RtlDuplicateUnicodeString(RTL_DUPLICATE_UNICODE_STRING_NULL_TERMINATE, &abc, &copy);
    OUTCOME(RtlDuplicateUnicodeString, "with RTL_DUPLICATE_UNICODE_STRING_NULL_TERMINATE a zero follows", status == STATUS_SUCCESS && copy.Length == 6 && copy.MaximumLength == 8 && copy.Buffer[3] == 0);
    RtlFreeUnicodeString(&copy);
    status = RtlDuplicateUnicodeString(RTL_DUPLICATE_UNICODE_STRING_NULL_TERMINATE, &empty, &copy);
    OUTCOME(RtlDuplicateUnicodeString, "an empty string has no buffer", status == STATUS_SUCCESS && copy.Length == 0 && copy.MaximumLength == 0 && copy.Buffer == NULL);
    status = RtlDuplicateUnicodeString(3, &empty, &copy);
    OUTCOME(RtlDuplicateUnicodeString, "with RTL_DUPLICATE_UNICODE_STRING_ALLOCATE_NULL_STRING it has one", status == STATUS_SUCCESS && copy.Length == 0 && copy.MaximumLength == 2 && copy.Buffer != NULL && copy.Buffer[0] == 0);
    RtlFreeUnicodeString(&copy);
    OUTCOME(RtlDuplicateUnicodeString, "STATUS_INVALID_PARAMETER for other flags, ALLOCATE_NULL_STRING alone, no result, an odd length",
            RtlDuplicateUnicodeString(4, &abc, &copy) == STATUS_INVALID_PARAMETER && RtlDuplicateUnicodeString(2, &abc, &copy) == STATUS_INVALID_PARAMETER &&
                RtlDuplicateUnicodeString(0, &abc, NULL) == STATUS_INVALID_PARAMETER && RtlDuplicateUnicodeString(0, &odd, &copy) == STATUS_INVALID_PARAMETER);
}

static VOID Appending(VOID)
{
    CHAR room[8] = "ab\x90";
    STRING s = {3, 6, room}, more = NARROW("\x9fz"), none = {0, 0, NULL};
    OUTCOME(RtlAppendStringToString, "STATUS_SUCCESS, the bytes follow those that were there", RtlAppendStringToString(&s, &more) == STATUS_SUCCESS && s.Length == 5 && (UCHAR)room[2] == 0x90 && (UCHAR)room[3] == 0x9f && room[4] == 'z');
    OUTCOME(RtlAppendStringToString, "STATUS_BUFFER_TOO_SMALL, nothing is changed", RtlAppendStringToString(&s, &more) == STATUS_BUFFER_TOO_SMALL && s.Length == 5 && room[5] == 0);
    OUTCOME(RtlAppendStringToString, "an empty string changes nothing", RtlAppendStringToString(&s, &none) == STATUS_SUCCESS && s.Length == 5);
    OUTCOME(RtlAppendAsciizToString, "STATUS_SUCCESS, the text follows what was there", RtlAppendAsciizToString(&s, "q") == STATUS_SUCCESS && s.Length == 6 && room[5] == 'q');
    OUTCOME(RtlAppendAsciizToString, "STATUS_BUFFER_TOO_SMALL, nothing is changed", RtlAppendAsciizToString(&s, "r") == STATUS_BUFFER_TOO_SMALL && s.Length == 6 && room[6] == 0);
    OUTCOME(RtlAppendAsciizToString, "NULL appends nothing", RtlAppendAsciizToString(&s, NULL) == STATUS_SUCCESS && s.Length == 6);
}

static VOID Beginnings(VOID)
{
    UNICODE_STRING text = WIDE(L"\\Device\\Echo"), start = WIDE(L"\\Device"), upper = WIDE(L"\\DEVICE"), end = WIDE(L"Echo"), upperEnd = WIDE(L"ECHO"), none = {0, 0, NULL};
    STRING a = NARROW("abcd"), ab = NARROW("ab"), AB = NARROW("AB"), x = NARROW("x");
    CHECK(RtlPrefixUnicodeString(&start, &text, FALSE) && RtlPrefixUnicodeString(&text, &text, FALSE) && RtlPrefixUnicodeString(&none, &text, FALSE));
    CHECK(!RtlPrefixUnicodeString(&end, &text, FALSE) && !RtlPrefixUnicodeString(&text, &start, FALSE));
    CHECK(!RtlPrefixUnicodeString(&upper, &text, FALSE) && RtlPrefixUnicodeString(&upper, &text, TRUE));
    OUTCOME(RtlSuffixUnicodeString, "TRUE when the second string ends with the first", RtlSuffixUnicodeString(&end, &text, FALSE) && RtlSuffixUnicodeString(&text, &text, FALSE));
    OUTCOME(RtlSuffixUnicodeString, "FALSE otherwise, and when the first is longer", !RtlSuffixUnicodeString(&start, &text, FALSE) && !RtlSuffixUnicodeString(&text, &end, FALSE));
    OUTCOME(RtlSuffixUnicodeString, "case counts or does not", !RtlSuffixUnicodeString(&upperEnd, &text, FALSE) && RtlSuffixUnicodeString(&upperEnd, &text, TRUE));
    OUTCOME(RtlPrefixString, "TRUE when the second string begins with the first", RtlPrefixString(&ab, &a, FALSE) && RtlPrefixString(&a, &a, FALSE));
    OUTCOME(RtlPrefixString, "FALSE otherwise, and when the first is longer", !RtlPrefixString(&x, &a, FALSE) && !RtlPrefixString(&a, &ab, FALSE));
    OUTCOME(RtlPrefixString, "case counts or does not", !RtlPrefixString(&AB, &a, FALSE) && RtlPrefixString(&AB, &a, TRUE));
    CHECK(RtlCompareUnicodeStrings(L"abX", 2, L"abY", 2, FALSE) == 0);
    CHECK(RtlCompareUnicodeStrings(L"abc", 3, L"abd", 3, FALSE) < 0 && RtlCompareUnicodeStrings(L"ab", 2, L"abc", 3, FALSE) < 0);
    CHECK(RtlCompareUnicodeStrings(L"abd", 3, L"abc", 3, FALSE) > 0 && RtlCompareUnicodeStrings(L"abc", 3, L"ab", 2, FALSE) > 0);
    CHECK(RtlCompareUnicodeStrings(L"ABC", 3, L"abc", 3, FALSE) < 0 && RtlCompareUnicodeStrings(L"ABC", 3, L"abc", 3, TRUE) == 0);
}

static VOID Hashing(VOID)
{
    UNICODE_STRING s = WIDE(L"Ab"), upper = WIDE(L"AB");
    ULONG hash = 0, same = 0, folded = 0;
    NTSTATUS status = RtlHashUnicodeString(&s, FALSE, HASH_STRING_ALGORITHM_X65599, &hash);
    OUTCOME(RtlHashUnicodeString, "STATUS_SUCCESS, the x65599 hash", status == STATUS_SUCCESS && hash == 'A' * 65599u + 'b');
    OUTCOME(RtlHashUnicodeString, "the default algorithm is x65599", RtlHashUnicodeString(&s, FALSE, HASH_STRING_ALGORITHM_DEFAULT, &same) == STATUS_SUCCESS && same == hash);
    RtlHashUnicodeString(&s, TRUE, HASH_STRING_ALGORITHM_X65599, &folded);
    RtlHashUnicodeString(&upper, TRUE, HASH_STRING_ALGORITHM_X65599, &same);
    OUTCOME(RtlHashUnicodeString, "with CaseInSensitive lower and upper case have the same hash", folded == same && folded != hash);
    OUTCOME(RtlHashUnicodeString, "STATUS_INVALID_PARAMETER for no string, no result, another algorithm",
            RtlHashUnicodeString(NULL, FALSE, 0, &hash) == STATUS_INVALID_PARAMETER && RtlHashUnicodeString(&s, FALSE, 0, NULL) == STATUS_INVALID_PARAMETER && RtlHashUnicodeString(&s, FALSE, 7, &hash) == STATUS_INVALID_PARAMETER);
}

static VOID Cases(VOID)
{
    WCHAR room[8] = {0};
    UNICODE_STRING mixed = WIDE(L"MiXed\x00c4"), lower = WIDE(L"mixed\x00e4"), out = {0, sizeof room, room}, small = {0, 6, room}, allocated = {0, 0, NULL};
    CHECK(RtlUpcaseUnicodeChar(L'a') == L'A' && RtlUpcaseUnicodeChar(0xe4) == 0xc4 && RtlUpcaseUnicodeChar(0x3b1) == 0x391);
    CHECK(RtlUpcaseUnicodeChar(L'1') == L'1' && RtlUpcaseUnicodeChar(L'Z') == L'Z' && RtlUpcaseUnicodeChar(0xdf) == 0xdf);
    OUTCOME(RtlDowncaseUnicodeChar, "the lower case of the character", RtlDowncaseUnicodeChar(L'A') == L'a' && RtlDowncaseUnicodeChar(0xc4) == 0xe4 && RtlDowncaseUnicodeChar(0x391) == 0x3b1);
    OUTCOME(RtlDowncaseUnicodeChar, "a character without one stays", RtlDowncaseUnicodeChar(L'1') == L'1' && RtlDowncaseUnicodeChar(L'z') == L'z');
    OUTCOME(RtlUpperChar, "the upper case of the character", RtlUpperChar('q') == 'Q' && (UCHAR)RtlUpperChar((CHAR)0xe4) == 0xc4);
    OUTCOME(RtlUpperChar, "a character that has none stays", RtlUpperChar('7') == '7' && RtlUpperChar('Q') == 'Q' && (UCHAR)RtlUpperChar((CHAR)0xb5) == 0xb5);
    OUTCOME(RtlUpperChar, "one of the code page's own part", (UCHAR)RtlUpperChar((CHAR)0x9a) == 0x8a && (UCHAR)RtlUpperChar((CHAR)0xff) == 0x9f);
    NTSTATUS status = RtlDowncaseUnicodeString(&out, &mixed, FALSE);
    OUTCOME(RtlDowncaseUnicodeString, "STATUS_SUCCESS, lower case in the caller's buffer", status == STATUS_SUCCESS && out.Buffer == room && RtlEqualUnicodeString(&out, &lower, FALSE));
    OUTCOME(RtlDowncaseUnicodeString, "STATUS_BUFFER_OVERFLOW when the caller's buffer is too small, nothing is converted", RtlDowncaseUnicodeString(&small, &mixed, FALSE) == STATUS_BUFFER_OVERFLOW && small.Length == 0);
    status = RtlDowncaseUnicodeString(&allocated, &mixed, TRUE);
    OUTCOME(RtlDowncaseUnicodeString, "with AllocateDestinationString in a buffer that RtlFreeUnicodeString frees", status == STATUS_SUCCESS && allocated.Buffer && RtlEqualUnicodeString(&allocated, &lower, FALSE) && mixed.Buffer[0] == L'M');
    RtlFreeUnicodeString(&allocated);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("countedstrings");
    Making();
    Duplicating();
    Appending();
    Beginnings();
    Hashing();
    Cases();
    KtestDone();
    return STATUS_SUCCESS;
}
