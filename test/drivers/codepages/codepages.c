/* Text in the system's code pages (ANSI 1252, OEM 437), in UTF-8 and in UTF-16; numbers and GUIDs as text. */
#include <ntifs.h>
#include "../ktest.h"

NTSYSAPI NTSTATUS NTAPI RtlUpcaseUnicodeStringToAnsiString(PANSI_STRING DestinationString, PCUNICODE_STRING SourceString, BOOLEAN AllocateDestinationString);
NTSYSAPI VOID NTAPI RtlFreeUTF8String(PSTRING String);
NTSYSAPI NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR Destination, ULONG MaxBytes, PULONG Written, PCCH Source, ULONG SourceBytes);
NTSYSAPI NTSTATUS NTAPI RtlUnicodeToUTF8N(PCHAR Destination, ULONG MaxBytes, PULONG Written, PCWCH Source, ULONG SourceBytes);
extern USHORT NTSYSAPI NlsAnsiCodePage, NlsOemCodePage;
extern BOOLEAN NTSYSAPI NlsMbCodePageTag, NlsMbOemCodePageTag;
NTSYSAPI ULONG NTAPI RtlxOemStringToUnicodeSize(PCOEM_STRING OemString);
NTSYSAPI ULONG NTAPI RtlxAnsiStringToUnicodeSize(PCANSI_STRING AnsiString);
NTSYSAPI ULONG NTAPI RtlxUnicodeStringToAnsiSize(PCUNICODE_STRING UnicodeString);
NTSYSAPI ULONG NTAPI RtlxUnicodeStringToOemSize(PCUNICODE_STRING UnicodeString);
NTSYSAPI WCHAR NTAPI RtlAnsiCharToUnicodeChar(PUCHAR *SourceCharacter);
#undef NlsMbCodePageTag
#undef NlsMbOemCodePageTag

#define WIDE(text) {sizeof(text) - sizeof(WCHAR), sizeof(text), text}
/* a, e acute, euro, alef: the first is in all pages, the second has another byte in each, the euro is in 1252 only, alef in none. */
static UNICODE_STRING Wide = WIDE(L"a\x00e9\x20ac\x05d0");

static VOID Variables(VOID)
{
    OUTCOME(NlsAnsiCodePage, "the number of the ANSI code page, 1252", NlsAnsiCodePage == 1252);
    OUTCOME(NlsOemCodePage, "the number of the OEM code page, 437", NlsOemCodePage == 437);
    OUTCOME(NlsMbCodePageTag, "FALSE: the ANSI code page has one byte a character", NlsMbCodePageTag == FALSE);
    OUTCOME(NlsMbOemCodePageTag, "FALSE: the OEM code page has one byte a character", NlsMbOemCodePageTag == FALSE);
}

static BOOLEAN Same(const CHAR *Text, const char *Expected, ULONG Length)
{
    return RtlCompareMemory(Text, Expected, Length) == Length;
}

static VOID Counted(VOID)
{
    CHAR bytes[8];
    WCHAR wide[8];
    STRING s = {0, sizeof bytes, bytes}, small = {0, 3, bytes}, allocated = {0, 0, NULL};
    STRING oem = {3, 4, "a\x82\x9b"};
    UNICODE_STRING u = {0, sizeof wide, wide}, tight = {0, 6, wide}, made = {0, 0, NULL};
    NTSTATUS status = RtlUnicodeStringToOemString(&s, &Wide, FALSE);
    OUTCOME(RtlUnicodeStringToOemString, "STATUS_SUCCESS, OEM text with a zero in the caller's buffer", status == STATUS_SUCCESS && s.Length == 4 && Same(bytes, "a\x82??", 5));
    OUTCOME(RtlUnicodeStringToOemString, "STATUS_BUFFER_OVERFLOW when the caller's buffer is too small", RtlUnicodeStringToOemString(&small, &Wide, FALSE) == STATUS_BUFFER_OVERFLOW);
    status = RtlUnicodeStringToOemString(&allocated, &Wide, TRUE);
    OUTCOME(RtlUnicodeStringToOemString, "with AllocateDestinationString in a buffer that RtlFreeOemString frees", status == STATUS_SUCCESS && allocated.Length == 4 && allocated.MaximumLength == 5 && Same(allocated.Buffer, "a\x82??", 5));
    RtlFreeOemString(&allocated);
    OUTCOME(RtlFreeOemString, "frees the buffer and empties the string", allocated.Buffer == NULL && allocated.Length == 0);
    s.Length = 0;
    status = RtlUpcaseUnicodeStringToOemString(&s, &Wide, FALSE);
    OUTCOME(RtlUpcaseUnicodeStringToOemString, "STATUS_SUCCESS, OEM text in upper case in the caller's buffer", status == STATUS_SUCCESS && s.Length == 4 && Same(bytes, "A\x90??", 5));
    OUTCOME(RtlUpcaseUnicodeStringToOemString, "STATUS_BUFFER_OVERFLOW when the caller's buffer is too small", RtlUpcaseUnicodeStringToOemString(&small, &Wide, FALSE) == STATUS_BUFFER_OVERFLOW);
    status = RtlUpcaseUnicodeStringToOemString(&allocated, &Wide, TRUE);
    OUTCOME(RtlUpcaseUnicodeStringToOemString, "with AllocateDestinationString in a buffer that RtlFreeOemString frees", status == STATUS_SUCCESS && Same(allocated.Buffer, "A\x90??", 5));
    RtlFreeOemString(&allocated);
    status = RtlUpcaseUnicodeStringToAnsiString(&s, &Wide, FALSE);
    OUTCOME(RtlUpcaseUnicodeStringToAnsiString, "STATUS_SUCCESS, ANSI text in upper case in the caller's buffer", status == STATUS_SUCCESS && s.Length == 4 && Same(bytes, "A\xc9\x80?", 5));
    OUTCOME(RtlUpcaseUnicodeStringToAnsiString, "STATUS_BUFFER_OVERFLOW when the caller's buffer is too small", RtlUpcaseUnicodeStringToAnsiString(&small, &Wide, FALSE) == STATUS_BUFFER_OVERFLOW);
    status = RtlUpcaseUnicodeStringToAnsiString(&allocated, &Wide, TRUE);
    OUTCOME(RtlUpcaseUnicodeStringToAnsiString, "with AllocateDestinationString in a buffer that RtlFreeAnsiString frees", status == STATUS_SUCCESS && Same(allocated.Buffer, "A\xc9\x80?", 5));
    RtlFreeAnsiString(&allocated);
    status = RtlOemStringToUnicodeString(&u, &oem, FALSE);
    OUTCOME(RtlOemStringToUnicodeString, "STATUS_SUCCESS, the characters with a zero in the caller's buffer", status == STATUS_SUCCESS && u.Length == 6 && wide[0] == L'a' && wide[1] == 0xe9 && wide[2] == 0xa2 && wide[3] == 0);
    OUTCOME(RtlOemStringToUnicodeString, "STATUS_BUFFER_OVERFLOW when the caller's buffer is too small, nothing is converted", RtlOemStringToUnicodeString(&tight, &oem, FALSE) == STATUS_BUFFER_OVERFLOW && tight.Length == 0);
    status = RtlOemStringToUnicodeString(&made, &oem, TRUE);
    OUTCOME(RtlOemStringToUnicodeString, "with AllocateDestinationString in a buffer that RtlFreeUnicodeString frees", status == STATUS_SUCCESS && made.Length == 6 && made.MaximumLength == 8 && made.Buffer[1] == 0xe9);
    RtlFreeUnicodeString(&made);
    STRING utf8 = {1, 16, ExAllocatePoolWithTag(PagedPool, 16, 'tseT')};
    RtlFreeUTF8String(&utf8);
    OUTCOME(RtlFreeUTF8String, "frees the buffer and empties the string", utf8.Buffer == NULL && utf8.Length == 0);

    OUTCOME(RtlxAnsiStringToUnicodeSize, "bytes of the characters and a zero", RtlxAnsiStringToUnicodeSize(&oem) == 8);
    OUTCOME(RtlxOemStringToUnicodeSize, "bytes of the characters and a zero", RtlxOemStringToUnicodeSize(&oem) == 8);
    OUTCOME(RtlxUnicodeStringToAnsiSize, "bytes of the text and a zero", RtlxUnicodeStringToAnsiSize(&Wide) == 5);
    OUTCOME(RtlxUnicodeStringToOemSize, "bytes of the text and a zero", RtlxUnicodeStringToOemSize(&Wide) == 5);
}

static VOID Plain(VOID)
{
    CHAR bytes[8] = {0};
    WCHAR wide[8] = {0};
    ULONG n = 0;
    CHECK(RtlUnicodeToMultiByteN(bytes, 8, &n, Wide.Buffer, 8) == STATUS_SUCCESS && n == 4 && Same(bytes, "a\xe9\x80?", 5));
    CHECK(RtlUnicodeToMultiByteN(bytes, 2, &n, L"xyz", 6) == STATUS_SUCCESS && n == 2 && Same(bytes, "xy\x80", 3));
    CHECK(RtlUnicodeToMultiByteN(bytes, 8, NULL, L"q", 2) == STATUS_SUCCESS && bytes[0] == 'q');
    OUTCOME(RtlUnicodeToOemN, "STATUS_SUCCESS, OEM text and its length", RtlUnicodeToOemN(bytes, 8, &n, Wide.Buffer, 8) == STATUS_SUCCESS && n == 4 && Same(bytes, "a\x82??", 4));
    OUTCOME(RtlUnicodeToOemN, "STATUS_BUFFER_OVERFLOW and as much as the buffer holds", RtlUnicodeToOemN(bytes, 2, &n, L"xyz", 6) == STATUS_BUFFER_OVERFLOW && n == 2 && Same(bytes, "xy?", 3));
    OUTCOME(RtlUpcaseUnicodeToMultiByteN, "STATUS_SUCCESS, ANSI text in upper case and its length", RtlUpcaseUnicodeToMultiByteN(bytes, 8, &n, Wide.Buffer, 8) == STATUS_SUCCESS && n == 4 && Same(bytes, "A\xc9\x80?", 4));
    OUTCOME(RtlUpcaseUnicodeToMultiByteN, "as much as the buffer holds", RtlUpcaseUnicodeToMultiByteN(bytes, 1, &n, L"xyz", 6) == STATUS_SUCCESS && n == 1 && Same(bytes, "X\xc9", 2));
    OUTCOME(RtlUpcaseUnicodeToOemN, "STATUS_SUCCESS, OEM text in upper case and its length", RtlUpcaseUnicodeToOemN(bytes, 8, &n, Wide.Buffer, 8) == STATUS_SUCCESS && n == 4 && Same(bytes, "A\x90??", 4));
    OUTCOME(RtlUpcaseUnicodeToOemN, "STATUS_BUFFER_OVERFLOW and as much as the buffer holds", RtlUpcaseUnicodeToOemN(bytes, 1, &n, L"xyz", 6) == STATUS_BUFFER_OVERFLOW && n == 1 && Same(bytes, "X\x90", 2));
    OUTCOME(RtlMultiByteToUnicodeN, "STATUS_SUCCESS, the characters and the bytes that they are", RtlMultiByteToUnicodeN(wide, 16, &n, "a\xe9\x80", 3) == STATUS_SUCCESS && n == 6 && wide[0] == L'a' && wide[1] == 0xe9 && wide[2] == 0x20ac);
    OUTCOME(RtlMultiByteToUnicodeN, "as much as the buffer holds", RtlMultiByteToUnicodeN(wide, 5, &n, "xyz", 3) == STATUS_SUCCESS && n == 4 && wide[1] == L'y' && wide[2] == 0x20ac);
    OUTCOME(RtlOemToUnicodeN, "STATUS_SUCCESS, the characters and the bytes that they are", RtlOemToUnicodeN(wide, 16, &n, "a\x82\xe3", 3) == STATUS_SUCCESS && n == 6 && wide[1] == 0xe9 && wide[2] == 0x3c0);
    OUTCOME(RtlOemToUnicodeN, "STATUS_BUFFER_OVERFLOW and as much as the buffer holds", RtlOemToUnicodeN(wide, 2, &n, "xy", 2) == STATUS_BUFFER_OVERFLOW && n == 2 && wide[0] == L'x' && wide[1] == 0xe9);
    OUTCOME(RtlMultiByteToUnicodeSize, "the bytes of the characters, without a zero", RtlMultiByteToUnicodeSize(&n, "a\xe9\x80", 3) == STATUS_SUCCESS && n == 6);
    OUTCOME(RtlUnicodeToMultiByteSize, "the bytes of the text, without a zero", RtlUnicodeToMultiByteSize(&n, Wide.Buffer, 8) == STATUS_SUCCESS && n == 4);
    PUCHAR at = (PUCHAR) "\x80z";
    WCHAR c = RtlAnsiCharToUnicodeChar(&at);
    CHECK(c == 0x20ac && *at == 'z');
}

static VOID Utf8(VOID)
{
    CHAR bytes[16];
    WCHAR wide[8];
    ULONG n = 0;
    static const WCHAR text[] = {L'a', 0xe9, 0x20ac, 0xd83d, 0xde00}, lone[] = {L'a', 0xd83d, L'b'};
    OUTCOME(RtlUnicodeToUTF8N, "STATUS_SUCCESS, the bytes and how many", RtlUnicodeToUTF8N(bytes, 16, &n, text, 10) == STATUS_SUCCESS && n == 10 && Same(bytes, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    OUTCOME(RtlUnicodeToUTF8N, "without a destination the size that is needed", RtlUnicodeToUTF8N(NULL, 0, &n, text, 10) == STATUS_SUCCESS && n == 10);
    OUTCOME(RtlUnicodeToUTF8N, "STATUS_BUFFER_TOO_SMALL and the characters that fit whole", RtlUnicodeToUTF8N(bytes, 9, &n, text, 10) == STATUS_BUFFER_TOO_SMALL && n == 6);
    OUTCOME(RtlUnicodeToUTF8N, "STATUS_SOME_NOT_MAPPED, U+FFFD for a lone surrogate", RtlUnicodeToUTF8N(bytes, 16, &n, lone, 6) == STATUS_SOME_NOT_MAPPED && n == 5 && Same(bytes, "a\xef\xbf\xbd" "b", 5));
    OUTCOME(RtlUnicodeToUTF8N, "STATUS_INVALID_PARAMETER when there is no place for a result", RtlUnicodeToUTF8N(NULL, 0, NULL, text, 10) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlUnicodeToUTF8N, "STATUS_INVALID_PARAMETER_4 without a source", RtlUnicodeToUTF8N(bytes, 16, &n, NULL, 10) == STATUS_INVALID_PARAMETER_4);
    OUTCOME(RtlUnicodeToUTF8N, "STATUS_INVALID_PARAMETER_5 for an odd number of bytes", RtlUnicodeToUTF8N(bytes, 16, &n, text, 9) == STATUS_INVALID_PARAMETER_5);
    OUTCOME(RtlUTF8ToUnicodeN, "STATUS_SUCCESS, the characters and the bytes that they are", RtlUTF8ToUnicodeN(wide, 16, &n, "a\xc3\xa9\xf0\x9f\x98\x80", 7) == STATUS_SUCCESS && n == 8 && wide[1] == 0xe9 && wide[2] == 0xd83d && wide[3] == 0xde00);
    OUTCOME(RtlUTF8ToUnicodeN, "without a destination the size that is needed", RtlUTF8ToUnicodeN(NULL, 0, &n, "a\xc3\xa9", 3) == STATUS_SUCCESS && n == 4);
    OUTCOME(RtlUTF8ToUnicodeN, "STATUS_BUFFER_TOO_SMALL and the characters that fit whole", RtlUTF8ToUnicodeN(wide, 6, &n, "a\xc3\xa9\xf0\x9f\x98\x80", 7) == STATUS_BUFFER_TOO_SMALL && n == 4);
    OUTCOME(RtlUTF8ToUnicodeN, "STATUS_SOME_NOT_MAPPED, U+FFFD for bytes that are no UTF-8", RtlUTF8ToUnicodeN(wide, 16, &n, "a\xff" "b", 3) == STATUS_SOME_NOT_MAPPED && n == 6 && wide[1] == 0xfffd && wide[2] == L'b');
    OUTCOME(RtlUTF8ToUnicodeN, "STATUS_INVALID_PARAMETER when there is no place for a result", RtlUTF8ToUnicodeN(NULL, 0, NULL, "a", 1) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlUTF8ToUnicodeN, "STATUS_INVALID_PARAMETER_4 without a source", RtlUTF8ToUnicodeN(wide, 16, &n, NULL, 1) == STATUS_INVALID_PARAMETER_4);
}

static VOID Numbers(VOID)
{
    WCHAR room[70];
    UNICODE_STRING out = {0, sizeof room, room}, small = {0, 6, room}, hex = WIDE(L"FEDCBA9876543210"), decimal = WIDE(L"18446744073709551615"), octal = WIDE(L"17"), binary = WIDE(L"101");
    UNICODE_STRING text = WIDE(L"{00112233-4455-6677-8899-AABBCCDDEEFF}"), wrong = WIDE(L"{00112233-4455-6677-8899-AABBCCDDEEF}"), bare = WIDE(L"00112233-4455-6677-8899-AABBCCDDEEFF"), made;
    static const UCHAR bytes[16] = {0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    GUID guid;
    OUTCOME(RtlInt64ToUnicodeString, "STATUS_SUCCESS in base 16", RtlInt64ToUnicodeString(0xFEDCBA9876543210ULL, 16, &out) == STATUS_SUCCESS && RtlEqualUnicodeString(&out, &hex, FALSE));
    OUTCOME(RtlInt64ToUnicodeString, "STATUS_SUCCESS in base 10, which is that of 0", RtlInt64ToUnicodeString(~0ULL, 10, &out) == STATUS_SUCCESS && RtlEqualUnicodeString(&out, &decimal, FALSE) && RtlInt64ToUnicodeString(~0ULL, 0, &out) == STATUS_SUCCESS && RtlEqualUnicodeString(&out, &decimal, FALSE));
    OUTCOME(RtlInt64ToUnicodeString, "STATUS_SUCCESS in base 8", RtlInt64ToUnicodeString(15, 8, &out) == STATUS_SUCCESS && RtlEqualUnicodeString(&out, &octal, FALSE));
    OUTCOME(RtlInt64ToUnicodeString, "STATUS_SUCCESS in base 2", RtlInt64ToUnicodeString(5, 2, &out) == STATUS_SUCCESS && RtlEqualUnicodeString(&out, &binary, FALSE));
    OUTCOME(RtlInt64ToUnicodeString, "STATUS_BUFFER_OVERFLOW when the string has no room", RtlInt64ToUnicodeString(1234, 10, &small) == STATUS_BUFFER_OVERFLOW);
    OUTCOME(RtlInt64ToUnicodeString, "STATUS_INVALID_PARAMETER for another base", RtlInt64ToUnicodeString(1, 7, &out) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlGUIDFromString, "STATUS_SUCCESS, the GUID", RtlGUIDFromString(&text, &guid) == STATUS_SUCCESS && RtlCompareMemory(&guid, bytes, 16) == 16);
    RtlZeroMemory(&guid, sizeof guid);
    OUTCOME(RtlGUIDFromString, "an error for what is no GUID, nothing is converted", !NT_SUCCESS(RtlGUIDFromString(&wrong, &guid)) && !NT_SUCCESS(RtlGUIDFromString(&bare, &guid)) && guid.Data1 == 0);
    RtlCopyMemory(&guid, bytes, 16);
    NTSTATUS status = RtlStringFromGUID(&guid, &made);
    CHECK(status == STATUS_SUCCESS && RtlEqualUnicodeString(&made, &text, FALSE));
    RtlFreeUnicodeString(&made);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("codepages");
    Variables();
    Counted();
    Plain();
    Utf8();
    Numbers();
    KtestDone();
    return STATUS_SUCCESS;
}
