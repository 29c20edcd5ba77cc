/* Safe string functions for UNICODE_STRING (../unistrsafe.h has them: mingw does not). */
#include <ntddk.h>
#include "../unistrsafe.h"
#include "../ktest.h"

static UNICODE_STRING Wxyz = {8, 8, L"wxyz"};

/* A string of `Room` characters with a text in it and rubbish behind that. */
static VOID StartString(UNISTR String, PWSTR Buffer, USHORT Room, PCWSTR Text)
{
    RtlFillMemory(Buffer, Room * sizeof(WCHAR), 0x33);
    String->Buffer = Buffer;
    String->MaximumLength = Room * 2;
    for (String->Length = 0; *Text; String->Length += 2)
        *Buffer++ = *Text++;
}
static BOOLEAN Is(CUNISTR String, PCWSTR Text)
{
    UNICODE_STRING text;
    RtlInitUnicodeString(&text, Text);
    return RtlEqualUnicodeString(String, &text, FALSE);
}
static BOOLEAN Same(PCWSTR a, PCWSTR b)
{
    for (; *a == *b; a++, b++)
        if (*a == 0)
            return TRUE;
    return FALSE;
}
/* More characters than a UNICODE_STRING can count. */
static PCWSTR Endless(VOID)
{
    static WCHAR text[0x8001];
    for (ULONG i = 0; i < 0x8000; i++)
        text[i] = L'x';
    return text;
}
/* "abc" one byte off. */
static const void *Odd(VOID)
{
    static const UCHAR bytes[] __attribute__((aligned(2))) = {0xff, 'a', 0, 'b', 0, 'c', 0, 0, 0, 1, 1};
    return bytes + 1;
}
static NTSTATUS V(UNISTR String, PCWSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    NTSTATUS status = RtlUnicodeStringVPrintf(String, Format, arguments);
    va_end(arguments);
    return status;
}
static NTSTATUS VEx(UNISTR String, UNISTR Rest, ULONG Flags, PCWSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    NTSTATUS status = RtlUnicodeStringVPrintfEx(String, Rest, Flags, Format, arguments);
    va_end(arguments);
    return status;
}

static VOID UnicodeStringCopy(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopy, "puts the string there", RtlUnicodeStringCopy(&d, &Wxyz) == STATUS_SUCCESS && Is(&d, L"wxyz"));
    StartString(&d, b, 3, L"");
    OUTCOME(RtlUnicodeStringCopy, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCopy(&d, &Wxyz) == STATUS_BUFFER_OVERFLOW && Is(&d, L"wxy"));
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopy, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCopy(&d, NULL) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCopy, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCopy(&d, &Wxyz) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCopyEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopyEx, "gives the string that remains", RtlUnicodeStringCopyEx(&d, &Wxyz, &rest, 0) == STATUS_SUCCESS && Is(&d, L"wxyz") && rest.Buffer == b + 4 && rest.Length == 0 && rest.MaximumLength == 8);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopyEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCopyEx(&d, &Wxyz, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"wxyz") && b[4] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 3, L"");
    OUTCOME(RtlUnicodeStringCopyEx, "STRSAFE_NO_TRUNCATION leaves an empty string on STATUS_BUFFER_OVERFLOW", RtlUnicodeStringCopyEx(&d, &Wxyz, NULL, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 3, L"");
    OUTCOME(RtlUnicodeStringCopyEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCopyEx(&d, &Wxyz, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[2] == 0x4141);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopyEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCopyEx(&d, NULL, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L""));
    OUTCOME(RtlUnicodeStringCopyEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCopyEx(&d, &Wxyz, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCopyString(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopyString, "puts the string there", RtlUnicodeStringCopyString(&d, L"wxyz") == STATUS_SUCCESS && Is(&d, L"wxyz"));
    StartString(&d, b, 3, L"");
    OUTCOME(RtlUnicodeStringCopyString, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCopyString(&d, L"wxyz") == STATUS_BUFFER_OVERFLOW && Is(&d, L"wxy"));
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopyString, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCopyString(&d, NULL) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCopyString, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCopyString(&d, L"wxyz") == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCopyStringEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopyStringEx, "gives the string that remains", RtlUnicodeStringCopyStringEx(&d, L"wxyz", &rest, 0) == STATUS_SUCCESS && Is(&d, L"wxyz") && rest.Buffer == b + 4 && rest.Length == 0 && rest.MaximumLength == 8);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopyStringEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCopyStringEx(&d, L"wxyz", NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"wxyz") && b[4] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 3, L"");
    OUTCOME(RtlUnicodeStringCopyStringEx, "STRSAFE_NO_TRUNCATION leaves an empty string on STATUS_BUFFER_OVERFLOW", RtlUnicodeStringCopyStringEx(&d, L"wxyz", NULL, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 3, L"");
    OUTCOME(RtlUnicodeStringCopyStringEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCopyStringEx(&d, L"wxyz", NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[2] == 0x4141);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCopyStringEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCopyStringEx(&d, NULL, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L""));
    OUTCOME(RtlUnicodeStringCopyStringEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCopyStringEx(&d, L"wxyz", NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCchCopyN(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyN, "puts the string there", RtlUnicodeStringCchCopyN(&d, &Wxyz, 3) == STATUS_SUCCESS && Is(&d, L"wxy"));
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCchCopyN, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCchCopyN(&d, &Wxyz, 3) == STATUS_BUFFER_OVERFLOW && Is(&d, L"wx"));
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyN, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCchCopyN(&d, NULL, 3) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCchCopyN, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCchCopyN(&d, &Wxyz, 3) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCchCopyNEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyNEx, "gives the string that remains", RtlUnicodeStringCchCopyNEx(&d, &Wxyz, 3, &rest, 0) == STATUS_SUCCESS && Is(&d, L"wxy") && rest.Buffer == b + 3 && rest.Length == 0 && rest.MaximumLength == 10);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyNEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCchCopyNEx(&d, &Wxyz, 3, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"wxy") && b[3] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCchCopyNEx, "STRSAFE_NO_TRUNCATION leaves an empty string on STATUS_BUFFER_OVERFLOW", RtlUnicodeStringCchCopyNEx(&d, &Wxyz, 3, NULL, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCchCopyNEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCchCopyNEx(&d, &Wxyz, 3, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[1] == 0x4141);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyNEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCchCopyNEx(&d, NULL, 3, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L""));
    OUTCOME(RtlUnicodeStringCchCopyNEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCchCopyNEx(&d, &Wxyz, 3, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCbCopyN(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyN, "puts the string there", RtlUnicodeStringCbCopyN(&d, &Wxyz, 6) == STATUS_SUCCESS && Is(&d, L"wxy"));
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCbCopyN, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCbCopyN(&d, &Wxyz, 6) == STATUS_BUFFER_OVERFLOW && Is(&d, L"wx"));
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyN, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCbCopyN(&d, NULL, 6) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCbCopyN, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCbCopyN(&d, &Wxyz, 6) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCbCopyNEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyNEx, "gives the string that remains", RtlUnicodeStringCbCopyNEx(&d, &Wxyz, 6, &rest, 0) == STATUS_SUCCESS && Is(&d, L"wxy") && rest.Buffer == b + 3 && rest.Length == 0 && rest.MaximumLength == 10);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyNEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCbCopyNEx(&d, &Wxyz, 6, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"wxy") && b[3] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCbCopyNEx, "STRSAFE_NO_TRUNCATION leaves an empty string on STATUS_BUFFER_OVERFLOW", RtlUnicodeStringCbCopyNEx(&d, &Wxyz, 6, NULL, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCbCopyNEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCbCopyNEx(&d, &Wxyz, 6, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[1] == 0x4141);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyNEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCbCopyNEx(&d, NULL, 6, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L""));
    OUTCOME(RtlUnicodeStringCbCopyNEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCbCopyNEx(&d, &Wxyz, 6, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCchCopyStringN(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyStringN, "puts the string there", RtlUnicodeStringCchCopyStringN(&d, L"wxyz", 3) == STATUS_SUCCESS && Is(&d, L"wxy"));
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCchCopyStringN, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCchCopyStringN(&d, L"wxyz", 3) == STATUS_BUFFER_OVERFLOW && Is(&d, L"wx"));
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyStringN, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCchCopyStringN(&d, NULL, 3) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCchCopyStringN, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCchCopyStringN(&d, L"wxyz", 3) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCchCopyStringNEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyStringNEx, "gives the string that remains", RtlUnicodeStringCchCopyStringNEx(&d, L"wxyz", 3, &rest, 0) == STATUS_SUCCESS && Is(&d, L"wxy") && rest.Buffer == b + 3 && rest.Length == 0 && rest.MaximumLength == 10);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyStringNEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCchCopyStringNEx(&d, L"wxyz", 3, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"wxy") && b[3] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCchCopyStringNEx, "STRSAFE_NO_TRUNCATION leaves an empty string on STATUS_BUFFER_OVERFLOW", RtlUnicodeStringCchCopyStringNEx(&d, L"wxyz", 3, NULL, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCchCopyStringNEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCchCopyStringNEx(&d, L"wxyz", 3, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[1] == 0x4141);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCchCopyStringNEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCchCopyStringNEx(&d, NULL, 3, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L""));
    OUTCOME(RtlUnicodeStringCchCopyStringNEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCchCopyStringNEx(&d, L"wxyz", 3, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCbCopyStringN(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyStringN, "puts the string there", RtlUnicodeStringCbCopyStringN(&d, L"wxyz", 6) == STATUS_SUCCESS && Is(&d, L"wxy"));
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCbCopyStringN, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCbCopyStringN(&d, L"wxyz", 6) == STATUS_BUFFER_OVERFLOW && Is(&d, L"wx"));
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyStringN, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCbCopyStringN(&d, NULL, 6) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCbCopyStringN, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCbCopyStringN(&d, L"wxyz", 6) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCbCopyStringNEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyStringNEx, "gives the string that remains", RtlUnicodeStringCbCopyStringNEx(&d, L"wxyz", 6, &rest, 0) == STATUS_SUCCESS && Is(&d, L"wxy") && rest.Buffer == b + 3 && rest.Length == 0 && rest.MaximumLength == 10);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyStringNEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCbCopyStringNEx(&d, L"wxyz", 6, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"wxy") && b[3] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCbCopyStringNEx, "STRSAFE_NO_TRUNCATION leaves an empty string on STATUS_BUFFER_OVERFLOW", RtlUnicodeStringCbCopyStringNEx(&d, L"wxyz", 6, NULL, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 2, L"");
    OUTCOME(RtlUnicodeStringCbCopyStringNEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCbCopyStringNEx(&d, L"wxyz", 6, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[1] == 0x4141);
    StartString(&d, b, 8, L"");
    OUTCOME(RtlUnicodeStringCbCopyStringNEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCbCopyStringNEx(&d, NULL, 6, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L""));
    OUTCOME(RtlUnicodeStringCbCopyStringNEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCbCopyStringNEx(&d, L"wxyz", 6, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCat(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCat, "appends the string", RtlUnicodeStringCat(&d, &Wxyz) == STATUS_SUCCESS && Is(&d, L"abwxyz"));
    StartString(&d, b, 5, L"ab");
    OUTCOME(RtlUnicodeStringCat, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCat(&d, &Wxyz) == STATUS_BUFFER_OVERFLOW && Is(&d, L"abwxy"));
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCat, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCat(&d, NULL) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCat, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCat(&d, &Wxyz) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCatEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCatEx, "gives the string that remains", RtlUnicodeStringCatEx(&d, &Wxyz, &rest, 0) == STATUS_SUCCESS && Is(&d, L"abwxyz") && rest.Buffer == b + 6 && rest.Length == 0 && rest.MaximumLength == 4);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCatEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCatEx(&d, &Wxyz, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"abwxyz") && b[6] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 5, L"ab");
    OUTCOME(RtlUnicodeStringCatEx, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlUnicodeStringCatEx(&d, &Wxyz, NULL, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 5, L"ab");
    OUTCOME(RtlUnicodeStringCatEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCatEx(&d, &Wxyz, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[4] == 0x4141);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCatEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCatEx(&d, NULL, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L"ab"));
    OUTCOME(RtlUnicodeStringCatEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCatEx(&d, &Wxyz, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCatString(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCatString, "appends the string", RtlUnicodeStringCatString(&d, L"wxyz") == STATUS_SUCCESS && Is(&d, L"abwxyz"));
    StartString(&d, b, 5, L"ab");
    OUTCOME(RtlUnicodeStringCatString, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCatString(&d, L"wxyz") == STATUS_BUFFER_OVERFLOW && Is(&d, L"abwxy"));
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCatString, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCatString(&d, NULL) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCatString, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCatString(&d, L"wxyz") == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCatStringEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCatStringEx, "gives the string that remains", RtlUnicodeStringCatStringEx(&d, L"wxyz", &rest, 0) == STATUS_SUCCESS && Is(&d, L"abwxyz") && rest.Buffer == b + 6 && rest.Length == 0 && rest.MaximumLength == 4);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCatStringEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCatStringEx(&d, L"wxyz", NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"abwxyz") && b[6] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 5, L"ab");
    OUTCOME(RtlUnicodeStringCatStringEx, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlUnicodeStringCatStringEx(&d, L"wxyz", NULL, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 5, L"ab");
    OUTCOME(RtlUnicodeStringCatStringEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCatStringEx(&d, L"wxyz", NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[4] == 0x4141);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCatStringEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCatStringEx(&d, NULL, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L"ab"));
    OUTCOME(RtlUnicodeStringCatStringEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCatStringEx(&d, L"wxyz", NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCchCatN(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatN, "appends the string", RtlUnicodeStringCchCatN(&d, &Wxyz, 3) == STATUS_SUCCESS && Is(&d, L"abwxy"));
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCchCatN, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCchCatN(&d, &Wxyz, 3) == STATUS_BUFFER_OVERFLOW && Is(&d, L"abwx"));
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatN, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCchCatN(&d, NULL, 3) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCchCatN, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCchCatN(&d, &Wxyz, 3) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCchCatNEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatNEx, "gives the string that remains", RtlUnicodeStringCchCatNEx(&d, &Wxyz, 3, &rest, 0) == STATUS_SUCCESS && Is(&d, L"abwxy") && rest.Buffer == b + 5 && rest.Length == 0 && rest.MaximumLength == 6);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatNEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCchCatNEx(&d, &Wxyz, 3, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"abwxy") && b[5] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCchCatNEx, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlUnicodeStringCchCatNEx(&d, &Wxyz, 3, NULL, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCchCatNEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCchCatNEx(&d, &Wxyz, 3, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0x4141);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatNEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCchCatNEx(&d, NULL, 3, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L"ab"));
    OUTCOME(RtlUnicodeStringCchCatNEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCchCatNEx(&d, &Wxyz, 3, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCbCatN(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatN, "appends the string", RtlUnicodeStringCbCatN(&d, &Wxyz, 6) == STATUS_SUCCESS && Is(&d, L"abwxy"));
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCbCatN, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCbCatN(&d, &Wxyz, 6) == STATUS_BUFFER_OVERFLOW && Is(&d, L"abwx"));
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatN, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCbCatN(&d, NULL, 6) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCbCatN, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCbCatN(&d, &Wxyz, 6) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCbCatNEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatNEx, "gives the string that remains", RtlUnicodeStringCbCatNEx(&d, &Wxyz, 6, &rest, 0) == STATUS_SUCCESS && Is(&d, L"abwxy") && rest.Buffer == b + 5 && rest.Length == 0 && rest.MaximumLength == 6);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatNEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCbCatNEx(&d, &Wxyz, 6, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"abwxy") && b[5] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCbCatNEx, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlUnicodeStringCbCatNEx(&d, &Wxyz, 6, NULL, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCbCatNEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCbCatNEx(&d, &Wxyz, 6, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0x4141);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatNEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCbCatNEx(&d, NULL, 6, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L"ab"));
    OUTCOME(RtlUnicodeStringCbCatNEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCbCatNEx(&d, &Wxyz, 6, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCchCatStringN(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatStringN, "appends the string", RtlUnicodeStringCchCatStringN(&d, L"wxyz", 3) == STATUS_SUCCESS && Is(&d, L"abwxy"));
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCchCatStringN, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCchCatStringN(&d, L"wxyz", 3) == STATUS_BUFFER_OVERFLOW && Is(&d, L"abwx"));
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatStringN, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCchCatStringN(&d, NULL, 3) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCchCatStringN, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCchCatStringN(&d, L"wxyz", 3) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCchCatStringNEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatStringNEx, "gives the string that remains", RtlUnicodeStringCchCatStringNEx(&d, L"wxyz", 3, &rest, 0) == STATUS_SUCCESS && Is(&d, L"abwxy") && rest.Buffer == b + 5 && rest.Length == 0 && rest.MaximumLength == 6);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatStringNEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCchCatStringNEx(&d, L"wxyz", 3, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"abwxy") && b[5] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCchCatStringNEx, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlUnicodeStringCchCatStringNEx(&d, L"wxyz", 3, NULL, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCchCatStringNEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCchCatStringNEx(&d, L"wxyz", 3, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0x4141);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCchCatStringNEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCchCatStringNEx(&d, NULL, 3, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L"ab"));
    OUTCOME(RtlUnicodeStringCchCatStringNEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCchCatStringNEx(&d, L"wxyz", 3, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCbCatStringN(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatStringN, "appends the string", RtlUnicodeStringCbCatStringN(&d, L"wxyz", 6) == STATUS_SUCCESS && Is(&d, L"abwxy"));
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCbCatStringN, "STATUS_BUFFER_OVERFLOW, and as much as fits", RtlUnicodeStringCbCatStringN(&d, L"wxyz", 6) == STATUS_BUFFER_OVERFLOW && Is(&d, L"abwx"));
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatStringN, "STATUS_INVALID_PARAMETER for a NULL source", RtlUnicodeStringCbCatStringN(&d, NULL, 6) == STATUS_INVALID_PARAMETER);
    d.Length = 3;
    OUTCOME(RtlUnicodeStringCbCatStringN, "STATUS_INVALID_PARAMETER for a destination that is no UNICODE_STRING", RtlUnicodeStringCbCatStringN(&d, L"wxyz", 6) == STATUS_INVALID_PARAMETER);
}

static VOID UnicodeStringCbCatStringNEx(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatStringNEx, "gives the string that remains", RtlUnicodeStringCbCatStringNEx(&d, L"wxyz", 6, &rest, 0) == STATUS_SUCCESS && Is(&d, L"abwxy") && rest.Buffer == b + 5 && rest.Length == 0 && rest.MaximumLength == 6);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatStringNEx, "STRSAFE_FILL_BEHIND fills what is behind the last character", RtlUnicodeStringCbCatStringNEx(&d, L"wxyz", 6, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Is(&d, L"abwxy") && b[5] == 0x5a5a && b[7] == 0x5a5a);
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCbCatStringNEx, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlUnicodeStringCbCatStringNEx(&d, L"wxyz", 6, NULL, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && d.Length == 0);
    StartString(&d, b, 4, L"ab");
    OUTCOME(RtlUnicodeStringCbCatStringNEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlUnicodeStringCbCatStringNEx(&d, L"wxyz", 6, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0x4141);
    StartString(&d, b, 8, L"ab");
    OUTCOME(RtlUnicodeStringCbCatStringNEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlUnicodeStringCbCatStringNEx(&d, NULL, 6, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Is(&d, L"ab"));
    OUTCOME(RtlUnicodeStringCbCatStringNEx, "STATUS_INVALID_PARAMETER for unknown flags", RtlUnicodeStringCbCatStringNEx(&d, L"wxyz", 6, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID Whole(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    OUTCOME(RtlUnicodeStringInit, "points at the text", RtlUnicodeStringInit(&d, L"four") == STATUS_SUCCESS && Is(&d, L"four") && d.MaximumLength == 10);
    OUTCOME(RtlUnicodeStringInit, "an empty string for NULL", RtlUnicodeStringInit(&d, NULL) == STATUS_SUCCESS && d.Length == 0 && d.Buffer == NULL);
    OUTCOME(RtlUnicodeStringInit, "STATUS_INVALID_PARAMETER for text that is too long", RtlUnicodeStringInit(&d, Endless()) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlUnicodeStringInitEx, "points at the text", RtlUnicodeStringInitEx(&d, L"four", 0) == STATUS_SUCCESS && Is(&d, L"four"));
    OUTCOME(RtlUnicodeStringInitEx, "STATUS_INVALID_PARAMETER for a NULL string", RtlUnicodeStringInitEx(NULL, L"four", 0) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlUnicodeStringInitEx, "STRSAFE_IGNORE_NULLS allows NULL", RtlUnicodeStringInitEx(NULL, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS);
    OUTCOME(RtlUnicodeStringValidate, "STATUS_SUCCESS for a string", (StartString(&d, b, 8, L"ab"), RtlUnicodeStringValidate(&d) == STATUS_SUCCESS));
    OUTCOME(RtlUnicodeStringValidate, "STATUS_INVALID_PARAMETER for an odd length", (StartString(&d, b, 8, L"ab"), d.Length = 3, RtlUnicodeStringValidate(&d) == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringValidate, "STATUS_INVALID_PARAMETER for a length above the maximum", (StartString(&d, b, 8, L"ab"), d.MaximumLength = 2, RtlUnicodeStringValidate(&d) == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringValidate, "STATUS_INVALID_PARAMETER without a buffer", (StartString(&d, b, 8, L"ab"), d.Buffer = NULL, RtlUnicodeStringValidate(&d) == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringValidateEx, "STATUS_SUCCESS for a string", (StartString(&d, b, 8, L"ab"), RtlUnicodeStringValidateEx(&d, 0) == STATUS_SUCCESS));
    OUTCOME(RtlUnicodeStringValidateEx, "STATUS_INVALID_PARAMETER for an odd length", (StartString(&d, b, 8, L"ab"), d.Length = 3, RtlUnicodeStringValidateEx(&d, 0) == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringValidateEx, "STATUS_INVALID_PARAMETER for a length above the maximum", (StartString(&d, b, 8, L"ab"), d.MaximumLength = 2, RtlUnicodeStringValidateEx(&d, 0) == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringValidateEx, "STATUS_INVALID_PARAMETER without a buffer", (StartString(&d, b, 8, L"ab"), d.Buffer = NULL, RtlUnicodeStringValidateEx(&d, 0) == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringValidateEx, "STRSAFE_IGNORE_NULLS allows NULL", RtlUnicodeStringValidateEx(NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && RtlUnicodeStringValidateEx(NULL, 0) == STATUS_INVALID_PARAMETER);
}

static VOID Printing(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d, rest;
    UNREFERENCED_PARAMETER(rest);
    OUTCOME(RtlUnicodeStringPrintf, "formats", (StartString(&d, b, 8, L""), RtlUnicodeStringPrintf(&d, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Is(&d, L"42-x")));
    OUTCOME(RtlUnicodeStringPrintf, "STATUS_BUFFER_OVERFLOW, and as much as fits", (StartString(&d, b, 3, L""), RtlUnicodeStringPrintf(&d, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && Is(&d, L"42-")));
    OUTCOME(RtlUnicodeStringPrintf, "STATUS_INVALID_PARAMETER without a format", (StartString(&d, b, 3, L""), RtlUnicodeStringPrintf(&d, NULL) == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringVPrintf, "formats", (StartString(&d, b, 8, L""), V(&d, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Is(&d, L"42-x")));
    OUTCOME(RtlUnicodeStringVPrintf, "STATUS_BUFFER_OVERFLOW, and as much as fits", (StartString(&d, b, 3, L""), V(&d, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && Is(&d, L"42-")));
    OUTCOME(RtlUnicodeStringVPrintf, "STATUS_INVALID_PARAMETER without a format", (StartString(&d, b, 3, L""), V(&d, NULL) == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringPrintfEx, "gives the string that remains", (StartString(&d, b, 8, L""), RtlUnicodeStringPrintfEx(&d, &rest, 0, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Is(&d, L"42-x") && rest.Buffer == b + 4 && rest.MaximumLength == 8));
    OUTCOME(RtlUnicodeStringPrintfEx, "STRSAFE_NO_TRUNCATION leaves an empty string on STATUS_BUFFER_OVERFLOW", (StartString(&d, b, 3, L""), RtlUnicodeStringPrintfEx(&d, &rest, STRSAFE_NO_TRUNCATION, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && d.Length == 0));
    OUTCOME(RtlUnicodeStringPrintfEx, "STATUS_INVALID_PARAMETER for unknown flags", (StartString(&d, b, 8, L""), RtlUnicodeStringPrintfEx(&d, &rest, 0x80000000, L"a") == STATUS_INVALID_PARAMETER));
    OUTCOME(RtlUnicodeStringVPrintfEx, "gives the string that remains", (StartString(&d, b, 8, L""), VEx(&d, &rest, 0, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Is(&d, L"42-x") && rest.Buffer == b + 4 && rest.MaximumLength == 8));
    OUTCOME(RtlUnicodeStringVPrintfEx, "STRSAFE_NO_TRUNCATION leaves an empty string on STATUS_BUFFER_OVERFLOW", (StartString(&d, b, 3, L""), VEx(&d, &rest, STRSAFE_NO_TRUNCATION, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && d.Length == 0));
    OUTCOME(RtlUnicodeStringVPrintfEx, "STATUS_INVALID_PARAMETER for unknown flags", (StartString(&d, b, 8, L""), VEx(&d, &rest, 0x80000000, L"a") == STATUS_INVALID_PARAMETER));
}

static VOID Terminated(VOID)
{
    WCHAR b[8];
    UNICODE_STRING d;
    PWSTR end;
    size_t left;
    OUTCOME(RtlStringCchCopyUnicodeString, "puts the string there, terminated", (StartString(&d, b, 8, L""), RtlStringCchCopyUnicodeString(b, 8, &Wxyz) == STATUS_SUCCESS && Same(b, L"wxyz")));
    OUTCOME(RtlStringCchCopyUnicodeString, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCchCopyUnicodeString(b, 4, &Wxyz) == STATUS_BUFFER_OVERFLOW && Same(b, L"wxy"));
    OUTCOME(RtlStringCchCopyUnicodeString, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCchCopyUnicodeString(b, 0, &Wxyz) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCchCopyUnicodeString, "STATUS_INVALID_PARAMETER for a NULL source", RtlStringCchCopyUnicodeString(b, 8, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCchCopyUnicodeStringEx, "gives the end and what is left", RtlStringCchCopyUnicodeStringEx(b, 8, &Wxyz, &end, &left, 0) == STATUS_SUCCESS && Same(b, L"wxyz") && end == b + 4 && left == 4);
    OUTCOME(RtlStringCchCopyUnicodeStringEx, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCchCopyUnicodeStringEx(b, 8, &Wxyz, NULL, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"wxyz") && b[5] == 0x5a5a && b[7] == 0x5a5a);
    OUTCOME(RtlStringCchCopyUnicodeStringEx, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", RtlStringCchCopyUnicodeStringEx(b, 4, &Wxyz, NULL, NULL, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    OUTCOME(RtlStringCchCopyUnicodeStringEx, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCchCopyUnicodeStringEx(b, 4, &Wxyz, NULL, NULL, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    OUTCOME(RtlStringCchCopyUnicodeStringEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCchCopyUnicodeStringEx(b, 4, &Wxyz, NULL, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0);
    OUTCOME(RtlStringCchCopyUnicodeStringEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlStringCchCopyUnicodeStringEx(b, 8, NULL, NULL, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && b[0] == 0);
    OUTCOME(RtlStringCbCopyUnicodeString, "puts the string there, terminated", (StartString(&d, b, 8, L""), RtlStringCbCopyUnicodeString(b, 16, &Wxyz) == STATUS_SUCCESS && Same(b, L"wxyz")));
    OUTCOME(RtlStringCbCopyUnicodeString, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCbCopyUnicodeString(b, 8, &Wxyz) == STATUS_BUFFER_OVERFLOW && Same(b, L"wxy"));
    OUTCOME(RtlStringCbCopyUnicodeString, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCbCopyUnicodeString(b, 0, &Wxyz) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCbCopyUnicodeString, "STATUS_INVALID_PARAMETER for a NULL source", RtlStringCbCopyUnicodeString(b, 16, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCbCopyUnicodeStringEx, "gives the end and what is left", RtlStringCbCopyUnicodeStringEx(b, 16, &Wxyz, &end, &left, 0) == STATUS_SUCCESS && Same(b, L"wxyz") && end == b + 4 && left == 8);
    OUTCOME(RtlStringCbCopyUnicodeStringEx, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCbCopyUnicodeStringEx(b, 16, &Wxyz, NULL, NULL, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"wxyz") && b[5] == 0x5a5a && b[7] == 0x5a5a);
    OUTCOME(RtlStringCbCopyUnicodeStringEx, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", RtlStringCbCopyUnicodeStringEx(b, 8, &Wxyz, NULL, NULL, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    OUTCOME(RtlStringCbCopyUnicodeStringEx, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCbCopyUnicodeStringEx(b, 8, &Wxyz, NULL, NULL, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    OUTCOME(RtlStringCbCopyUnicodeStringEx, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCbCopyUnicodeStringEx(b, 8, &Wxyz, NULL, NULL, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0);
    OUTCOME(RtlStringCbCopyUnicodeStringEx, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", RtlStringCbCopyUnicodeStringEx(b, 16, NULL, NULL, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && b[0] == 0);
    OUTCOME(RtlUnalignedStringCchLengthW, "gives the length of a string at an odd address", RtlUnalignedStringCchLengthW(Odd(), 8, &left) == STATUS_SUCCESS && left == 3);
    OUTCOME(RtlUnalignedStringCchLengthW, "STATUS_INVALID_PARAMETER when the string is longer", RtlUnalignedStringCchLengthW(Odd(), 3, &left) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlUnalignedStringCchLengthW, "STATUS_INVALID_PARAMETER for NULL", RtlUnalignedStringCchLengthW(NULL, 3, &left) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlUnalignedStringCbLength, "gives the length of a string at an odd address", RtlUnalignedStringCbLengthW(Odd(), 16, &left) == STATUS_SUCCESS && left == 6);
    OUTCOME(RtlUnalignedStringCbLength, "STATUS_INVALID_PARAMETER when the string is longer", RtlUnalignedStringCbLengthW(Odd(), 6, &left) == STATUS_INVALID_PARAMETER);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("safeunicode");
    UnicodeStringCopy();
    UnicodeStringCopyEx();
    UnicodeStringCopyString();
    UnicodeStringCopyStringEx();
    UnicodeStringCchCopyN();
    UnicodeStringCchCopyNEx();
    UnicodeStringCbCopyN();
    UnicodeStringCbCopyNEx();
    UnicodeStringCchCopyStringN();
    UnicodeStringCchCopyStringNEx();
    UnicodeStringCbCopyStringN();
    UnicodeStringCbCopyStringNEx();
    UnicodeStringCat();
    UnicodeStringCatEx();
    UnicodeStringCatString();
    UnicodeStringCatStringEx();
    UnicodeStringCchCatN();
    UnicodeStringCchCatNEx();
    UnicodeStringCbCatN();
    UnicodeStringCbCatNEx();
    UnicodeStringCchCatStringN();
    UnicodeStringCchCatStringNEx();
    UnicodeStringCbCatStringN();
    UnicodeStringCbCatStringNEx();
    Whole();
    Printing();
    Terminated();
    KtestDone();
    return STATUS_SUCCESS;
}
