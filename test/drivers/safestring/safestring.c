/* Safe string functions for terminated wide strings: sizes in characters (Cch) and in bytes (Cb). */
#include <ntddk.h>
#include <ntstrsafe.h>
#include "../ktest.h"

/* The buffer with a text and rubbish behind it. */
static VOID Start(PWSTR Buffer, PCWSTR Text)
{
    RtlFillMemory(Buffer, 8 * sizeof(WCHAR), 0x33);
    for (; (*Buffer = *Text) != 0; Buffer++, Text++)
        ;
}
static BOOLEAN Same(PCWSTR a, PCWSTR b)
{
    for (; *a == *b; a++, b++)
        if (*a == 0)
            return TRUE;
    return FALSE;
}
static NTSTATUS VCch(PWSTR Buffer, size_t Size, PCWSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    NTSTATUS status = RtlStringCchVPrintfW(Buffer, Size, Format, arguments);
    va_end(arguments);
    return status;
}
static NTSTATUS VExCch(PWSTR Buffer, size_t Size, PWSTR *End, size_t *Left, ULONG Flags, PCWSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    NTSTATUS status = RtlStringCchVPrintfExW(Buffer, Size, End, Left, Flags, Format, arguments);
    va_end(arguments);
    return status;
}
static NTSTATUS VCb(PWSTR Buffer, size_t Size, PCWSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    NTSTATUS status = RtlStringCbVPrintfW(Buffer, Size, Format, arguments);
    va_end(arguments);
    return status;
}
static NTSTATUS VExCb(PWSTR Buffer, size_t Size, PWSTR *End, size_t *Left, ULONG Flags, PCWSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    NTSTATUS status = RtlStringCbVPrintfExW(Buffer, Size, End, Left, Flags, Format, arguments);
    va_end(arguments);
    return status;
}

static VOID PutCchCopy(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyW, "puts the string there", RtlStringCchCopyW(b, 8, L"wxyz") == STATUS_SUCCESS && Same(b, L"wxyz"));
    Start(b, L"");
    OUTCOME(RtlStringCchCopyW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCchCopyW(b, 4, L"wxyz") == STATUS_BUFFER_OVERFLOW && Same(b, L"wxy"));
    OUTCOME(RtlStringCchCopyW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCchCopyW(b, 0, L"wxyz") == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCchCopyW, "STATUS_INVALID_PARAMETER for a size above the maximum", RtlStringCchCopyW(b, ((size_t)NTSTRSAFE_MAX_CCH + 1) * 1, L"wxyz") == STATUS_INVALID_PARAMETER);
}

static VOID PutCchCopyEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyExW, "gives the end and what is left", RtlStringCchCopyExW(b, 8, L"wxyz", &end, &left, 0) == STATUS_SUCCESS && Same(b, L"wxyz") && end == b + 4 && left == 4);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCchCopyExW(b, 8, L"wxyz", &end, &left, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"wxyz") && b[5] == 0x5a5a && b[7] == 0x5a5a);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyExW, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", RtlStringCchCopyExW(b, 2, L"wxyz", &end, &left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && Same(b, L""));
    Start(b, L"");
    OUTCOME(RtlStringCchCopyExW, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCchCopyExW(b, 2, L"wxyz", &end, &left, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyExW, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCchCopyExW(b, 2, L"wxyz", &end, &left, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[1] == 0);
    OUTCOME(RtlStringCchCopyExW, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", (Start(b, L""), RtlStringCchCopyExW(b, 8, NULL, &end, &left, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Same(b, L"")));
    OUTCOME(RtlStringCchCopyExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCchCopyExW(b, 8, L"wxyz", &end, &left, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID PutCchCopyN(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyNW, "puts the string there", RtlStringCchCopyNW(b, 8, L"wxyz", 3) == STATUS_SUCCESS && Same(b, L"wxy"));
    Start(b, L"");
    OUTCOME(RtlStringCchCopyNW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCchCopyNW(b, 3, L"wxyz", 3) == STATUS_BUFFER_OVERFLOW && Same(b, L"wx"));
    OUTCOME(RtlStringCchCopyNW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCchCopyNW(b, 0, L"wxyz", 3) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCchCopyNW, "STATUS_INVALID_PARAMETER for a size above the maximum", RtlStringCchCopyNW(b, ((size_t)NTSTRSAFE_MAX_CCH + 1) * 1, L"wxyz", 3) == STATUS_INVALID_PARAMETER);
}

static VOID PutCchCopyNEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyNExW, "gives the end and what is left", RtlStringCchCopyNExW(b, 8, L"wxyz", 3, &end, &left, 0) == STATUS_SUCCESS && Same(b, L"wxy") && end == b + 3 && left == 5);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyNExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCchCopyNExW(b, 8, L"wxyz", 3, &end, &left, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"wxy") && b[4] == 0x5a5a && b[7] == 0x5a5a);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyNExW, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", RtlStringCchCopyNExW(b, 2, L"wxyz", 3, &end, &left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && Same(b, L""));
    Start(b, L"");
    OUTCOME(RtlStringCchCopyNExW, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCchCopyNExW(b, 2, L"wxyz", 3, &end, &left, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    Start(b, L"");
    OUTCOME(RtlStringCchCopyNExW, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCchCopyNExW(b, 2, L"wxyz", 3, &end, &left, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[1] == 0);
    OUTCOME(RtlStringCchCopyNExW, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", (Start(b, L""), RtlStringCchCopyNExW(b, 8, NULL, 3, &end, &left, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Same(b, L"")));
    OUTCOME(RtlStringCchCopyNExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCchCopyNExW(b, 8, L"wxyz", 3, &end, &left, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID PutCchCat(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatW, "appends the string", RtlStringCchCatW(b, 8, L"wxyz") == STATUS_SUCCESS && Same(b, L"abwxyz"));
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCchCatW(b, 4, L"wxyz") == STATUS_BUFFER_OVERFLOW && Same(b, L"abw"));
    OUTCOME(RtlStringCchCatW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCchCatW(b, 0, L"wxyz") == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCchCatW, "STATUS_INVALID_PARAMETER for a size above the maximum", RtlStringCchCatW(b, ((size_t)NTSTRSAFE_MAX_CCH + 1) * 1, L"wxyz") == STATUS_INVALID_PARAMETER);
}

static VOID PutCchCatEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatExW, "gives the end and what is left", RtlStringCchCatExW(b, 8, L"wxyz", &end, &left, 0) == STATUS_SUCCESS && Same(b, L"abwxyz") && end == b + 6 && left == 2);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCchCatExW(b, 8, L"wxyz", &end, &left, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"abwxyz") && b[7] == 0x5a5a && b[7] == 0x5a5a);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatExW, "STRSAFE_NO_TRUNCATION leaves what was there on STATUS_BUFFER_OVERFLOW", RtlStringCchCatExW(b, 4, L"wxyz", &end, &left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && Same(b, L"ab"));
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatExW, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCchCatExW(b, 4, L"wxyz", &end, &left, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatExW, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCchCatExW(b, 4, L"wxyz", &end, &left, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0);
    OUTCOME(RtlStringCchCatExW, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", (Start(b, L"ab"), RtlStringCchCatExW(b, 8, NULL, &end, &left, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Same(b, L"ab")));
    OUTCOME(RtlStringCchCatExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCchCatExW(b, 8, L"wxyz", &end, &left, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID PutCchCatN(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatNW, "appends the string", RtlStringCchCatNW(b, 8, L"wxyz", 3) == STATUS_SUCCESS && Same(b, L"abwxy"));
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatNW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCchCatNW(b, 4, L"wxyz", 3) == STATUS_BUFFER_OVERFLOW && Same(b, L"abw"));
    OUTCOME(RtlStringCchCatNW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCchCatNW(b, 0, L"wxyz", 3) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCchCatNW, "STATUS_INVALID_PARAMETER for a size above the maximum", RtlStringCchCatNW(b, ((size_t)NTSTRSAFE_MAX_CCH + 1) * 1, L"wxyz", 3) == STATUS_INVALID_PARAMETER);
}

static VOID PutCchCatNEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatNExW, "gives the end and what is left", RtlStringCchCatNExW(b, 8, L"wxyz", 3, &end, &left, 0) == STATUS_SUCCESS && Same(b, L"abwxy") && end == b + 5 && left == 3);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatNExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCchCatNExW(b, 8, L"wxyz", 3, &end, &left, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"abwxy") && b[6] == 0x5a5a && b[7] == 0x5a5a);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatNExW, "STRSAFE_NO_TRUNCATION leaves what was there on STATUS_BUFFER_OVERFLOW", RtlStringCchCatNExW(b, 4, L"wxyz", 3, &end, &left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && Same(b, L"ab"));
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatNExW, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCchCatNExW(b, 4, L"wxyz", 3, &end, &left, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    Start(b, L"ab");
    OUTCOME(RtlStringCchCatNExW, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCchCatNExW(b, 4, L"wxyz", 3, &end, &left, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0);
    OUTCOME(RtlStringCchCatNExW, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", (Start(b, L"ab"), RtlStringCchCatNExW(b, 8, NULL, 3, &end, &left, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Same(b, L"ab")));
    OUTCOME(RtlStringCchCatNExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCchCatNExW(b, 8, L"wxyz", 3, &end, &left, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID LengthCch(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCchLengthW, "gives the length without the terminator", RtlStringCchLengthW(L"four", 8, &left) == STATUS_SUCCESS && left == 4);
    OUTCOME(RtlStringCchLengthW, "STATUS_INVALID_PARAMETER when the string is longer", RtlStringCchLengthW(L"four", 4, &left) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCchLengthW, "STATUS_INVALID_PARAMETER for NULL", RtlStringCchLengthW(NULL, 4, &left) == STATUS_INVALID_PARAMETER);
}

static VOID PrintCch(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCchPrintfW, "formats", RtlStringCchPrintfW(b, 8, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Same(b, L"42-x"));
    OUTCOME(RtlStringCchPrintfW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCchPrintfW(b, 4, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && Same(b, L"42-"));
    OUTCOME(RtlStringCchPrintfW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCchPrintfW(b, 0, L"a") == STATUS_INVALID_PARAMETER);
}

static VOID PrintCchEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCchPrintfExW, "gives the end and what is left", RtlStringCchPrintfExW(b, 8, &end, &left, 0, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Same(b, L"42-x") && end == b + 4 && left == 4);
    OUTCOME(RtlStringCchPrintfExW, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", RtlStringCchPrintfExW(b, 4, &end, &left, STRSAFE_NO_TRUNCATION, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    OUTCOME(RtlStringCchPrintfExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCchPrintfExW(b, 8, &end, &left, STRSAFE_FILL_BYTE(0x5a), L"%d", 42) == STATUS_SUCCESS && Same(b, L"42") && b[3] == 0x5a5a);
    OUTCOME(RtlStringCchPrintfExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCchPrintfExW(b, 8, &end, &left, 0x80000000, L"a") == STATUS_INVALID_PARAMETER);
}

static VOID PrintCchV(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCchVPrintfW, "formats", VCch(b, 8, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Same(b, L"42-x"));
    OUTCOME(RtlStringCchVPrintfW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", VCch(b, 4, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && Same(b, L"42-"));
    OUTCOME(RtlStringCchVPrintfW, "STATUS_INVALID_PARAMETER for a buffer of no size", VCch(b, 0, L"a") == STATUS_INVALID_PARAMETER);
}

static VOID PrintCchVEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCchVPrintfExW, "gives the end and what is left", VExCch(b, 8, &end, &left, 0, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Same(b, L"42-x") && end == b + 4 && left == 4);
    OUTCOME(RtlStringCchVPrintfExW, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", VExCch(b, 4, &end, &left, STRSAFE_NO_TRUNCATION, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    OUTCOME(RtlStringCchVPrintfExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", VExCch(b, 8, &end, &left, STRSAFE_FILL_BYTE(0x5a), L"%d", 42) == STATUS_SUCCESS && Same(b, L"42") && b[3] == 0x5a5a);
    OUTCOME(RtlStringCchVPrintfExW, "STATUS_INVALID_PARAMETER for unknown flags", VExCch(b, 8, &end, &left, 0x80000000, L"a") == STATUS_INVALID_PARAMETER);
}

static VOID PutCbCopy(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyW, "puts the string there", RtlStringCbCopyW(b, 16, L"wxyz") == STATUS_SUCCESS && Same(b, L"wxyz"));
    Start(b, L"");
    OUTCOME(RtlStringCbCopyW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCbCopyW(b, 8, L"wxyz") == STATUS_BUFFER_OVERFLOW && Same(b, L"wxy"));
    OUTCOME(RtlStringCbCopyW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCbCopyW(b, 0, L"wxyz") == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCbCopyW, "STATUS_INVALID_PARAMETER for a size above the maximum", RtlStringCbCopyW(b, ((size_t)NTSTRSAFE_MAX_CCH + 1) * 2, L"wxyz") == STATUS_INVALID_PARAMETER);
}

static VOID PutCbCopyEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyExW, "gives the end and what is left", RtlStringCbCopyExW(b, 16, L"wxyz", &end, &left, 0) == STATUS_SUCCESS && Same(b, L"wxyz") && end == b + 4 && left == 8);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCbCopyExW(b, 16, L"wxyz", &end, &left, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"wxyz") && b[5] == 0x5a5a && b[7] == 0x5a5a);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyExW, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", RtlStringCbCopyExW(b, 4, L"wxyz", &end, &left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && Same(b, L""));
    Start(b, L"");
    OUTCOME(RtlStringCbCopyExW, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCbCopyExW(b, 4, L"wxyz", &end, &left, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyExW, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCbCopyExW(b, 4, L"wxyz", &end, &left, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[1] == 0);
    OUTCOME(RtlStringCbCopyExW, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", (Start(b, L""), RtlStringCbCopyExW(b, 16, NULL, &end, &left, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Same(b, L"")));
    OUTCOME(RtlStringCbCopyExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCbCopyExW(b, 16, L"wxyz", &end, &left, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID PutCbCopyN(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyNW, "puts the string there", RtlStringCbCopyNW(b, 16, L"wxyz", 6) == STATUS_SUCCESS && Same(b, L"wxy"));
    Start(b, L"");
    OUTCOME(RtlStringCbCopyNW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCbCopyNW(b, 6, L"wxyz", 6) == STATUS_BUFFER_OVERFLOW && Same(b, L"wx"));
    OUTCOME(RtlStringCbCopyNW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCbCopyNW(b, 0, L"wxyz", 6) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCbCopyNW, "STATUS_INVALID_PARAMETER for a size above the maximum", RtlStringCbCopyNW(b, ((size_t)NTSTRSAFE_MAX_CCH + 1) * 2, L"wxyz", 6) == STATUS_INVALID_PARAMETER);
}

static VOID PutCbCopyNEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyNExW, "gives the end and what is left", RtlStringCbCopyNExW(b, 16, L"wxyz", 6, &end, &left, 0) == STATUS_SUCCESS && Same(b, L"wxy") && end == b + 3 && left == 10);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyNExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCbCopyNExW(b, 16, L"wxyz", 6, &end, &left, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"wxy") && b[4] == 0x5a5a && b[7] == 0x5a5a);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyNExW, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", RtlStringCbCopyNExW(b, 4, L"wxyz", 6, &end, &left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && Same(b, L""));
    Start(b, L"");
    OUTCOME(RtlStringCbCopyNExW, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCbCopyNExW(b, 4, L"wxyz", 6, &end, &left, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    Start(b, L"");
    OUTCOME(RtlStringCbCopyNExW, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCbCopyNExW(b, 4, L"wxyz", 6, &end, &left, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[1] == 0);
    OUTCOME(RtlStringCbCopyNExW, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", (Start(b, L""), RtlStringCbCopyNExW(b, 16, NULL, 6, &end, &left, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Same(b, L"")));
    OUTCOME(RtlStringCbCopyNExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCbCopyNExW(b, 16, L"wxyz", 6, &end, &left, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID PutCbCat(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatW, "appends the string", RtlStringCbCatW(b, 16, L"wxyz") == STATUS_SUCCESS && Same(b, L"abwxyz"));
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCbCatW(b, 8, L"wxyz") == STATUS_BUFFER_OVERFLOW && Same(b, L"abw"));
    OUTCOME(RtlStringCbCatW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCbCatW(b, 0, L"wxyz") == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCbCatW, "STATUS_INVALID_PARAMETER for a size above the maximum", RtlStringCbCatW(b, ((size_t)NTSTRSAFE_MAX_CCH + 1) * 2, L"wxyz") == STATUS_INVALID_PARAMETER);
}

static VOID PutCbCatEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatExW, "gives the end and what is left", RtlStringCbCatExW(b, 16, L"wxyz", &end, &left, 0) == STATUS_SUCCESS && Same(b, L"abwxyz") && end == b + 6 && left == 4);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCbCatExW(b, 16, L"wxyz", &end, &left, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"abwxyz") && b[7] == 0x5a5a && b[7] == 0x5a5a);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatExW, "STRSAFE_NO_TRUNCATION leaves what was there on STATUS_BUFFER_OVERFLOW", RtlStringCbCatExW(b, 8, L"wxyz", &end, &left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && Same(b, L"ab"));
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatExW, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCbCatExW(b, 8, L"wxyz", &end, &left, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatExW, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCbCatExW(b, 8, L"wxyz", &end, &left, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0);
    OUTCOME(RtlStringCbCatExW, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", (Start(b, L"ab"), RtlStringCbCatExW(b, 16, NULL, &end, &left, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Same(b, L"ab")));
    OUTCOME(RtlStringCbCatExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCbCatExW(b, 16, L"wxyz", &end, &left, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID PutCbCatN(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatNW, "appends the string", RtlStringCbCatNW(b, 16, L"wxyz", 6) == STATUS_SUCCESS && Same(b, L"abwxy"));
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatNW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCbCatNW(b, 8, L"wxyz", 6) == STATUS_BUFFER_OVERFLOW && Same(b, L"abw"));
    OUTCOME(RtlStringCbCatNW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCbCatNW(b, 0, L"wxyz", 6) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCbCatNW, "STATUS_INVALID_PARAMETER for a size above the maximum", RtlStringCbCatNW(b, ((size_t)NTSTRSAFE_MAX_CCH + 1) * 2, L"wxyz", 6) == STATUS_INVALID_PARAMETER);
}

static VOID PutCbCatNEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatNExW, "gives the end and what is left", RtlStringCbCatNExW(b, 16, L"wxyz", 6, &end, &left, 0) == STATUS_SUCCESS && Same(b, L"abwxy") && end == b + 5 && left == 6);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatNExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCbCatNExW(b, 16, L"wxyz", 6, &end, &left, STRSAFE_FILL_BYTE(0x5a)) == STATUS_SUCCESS && Same(b, L"abwxy") && b[6] == 0x5a5a && b[7] == 0x5a5a);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatNExW, "STRSAFE_NO_TRUNCATION leaves what was there on STATUS_BUFFER_OVERFLOW", RtlStringCbCatNExW(b, 8, L"wxyz", 6, &end, &left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW && Same(b, L"ab"));
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatNExW, "STRSAFE_NULL_ON_FAILURE leaves an empty string", RtlStringCbCatNExW(b, 8, L"wxyz", 6, &end, &left, STRSAFE_NULL_ON_FAILURE) == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    Start(b, L"ab");
    OUTCOME(RtlStringCbCatNExW, "STRSAFE_FILL_ON_FAILURE fills the buffer", RtlStringCbCatNExW(b, 8, L"wxyz", 6, &end, &left, STRSAFE_FAILURE_BYTE(0x41)) == STATUS_BUFFER_OVERFLOW && b[0] == 0x4141 && b[3] == 0);
    OUTCOME(RtlStringCbCatNExW, "STRSAFE_IGNORE_NULLS takes a NULL source for an empty string", (Start(b, L"ab"), RtlStringCbCatNExW(b, 16, NULL, 6, &end, &left, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS && Same(b, L"ab")));
    OUTCOME(RtlStringCbCatNExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCbCatNExW(b, 16, L"wxyz", 6, &end, &left, 0x80000000) == STATUS_INVALID_PARAMETER);
}

static VOID LengthCb(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCbLengthW, "gives the length without the terminator", RtlStringCbLengthW(L"four", 16, &left) == STATUS_SUCCESS && left == 8);
    OUTCOME(RtlStringCbLengthW, "STATUS_INVALID_PARAMETER when the string is longer", RtlStringCbLengthW(L"four", 8, &left) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlStringCbLengthW, "STATUS_INVALID_PARAMETER for NULL", RtlStringCbLengthW(NULL, 8, &left) == STATUS_INVALID_PARAMETER);
}

static VOID PrintCb(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCbPrintfW, "formats", RtlStringCbPrintfW(b, 16, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Same(b, L"42-x"));
    OUTCOME(RtlStringCbPrintfW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", RtlStringCbPrintfW(b, 8, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && Same(b, L"42-"));
    OUTCOME(RtlStringCbPrintfW, "STATUS_INVALID_PARAMETER for a buffer of no size", RtlStringCbPrintfW(b, 0, L"a") == STATUS_INVALID_PARAMETER);
}

static VOID PrintCbEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCbPrintfExW, "gives the end and what is left", RtlStringCbPrintfExW(b, 16, &end, &left, 0, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Same(b, L"42-x") && end == b + 4 && left == 8);
    OUTCOME(RtlStringCbPrintfExW, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", RtlStringCbPrintfExW(b, 8, &end, &left, STRSAFE_NO_TRUNCATION, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    OUTCOME(RtlStringCbPrintfExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", RtlStringCbPrintfExW(b, 16, &end, &left, STRSAFE_FILL_BYTE(0x5a), L"%d", 42) == STATUS_SUCCESS && Same(b, L"42") && b[3] == 0x5a5a);
    OUTCOME(RtlStringCbPrintfExW, "STATUS_INVALID_PARAMETER for unknown flags", RtlStringCbPrintfExW(b, 16, &end, &left, 0x80000000, L"a") == STATUS_INVALID_PARAMETER);
}

static VOID PrintCbV(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCbVPrintfW, "formats", VCb(b, 16, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Same(b, L"42-x"));
    OUTCOME(RtlStringCbVPrintfW, "STATUS_BUFFER_OVERFLOW, and as much as fits, terminated", VCb(b, 8, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && Same(b, L"42-"));
    OUTCOME(RtlStringCbVPrintfW, "STATUS_INVALID_PARAMETER for a buffer of no size", VCb(b, 0, L"a") == STATUS_INVALID_PARAMETER);
}

static VOID PrintCbVEx(VOID)
{
    WCHAR b[8];
    PWSTR end;
    size_t left;
    UNREFERENCED_PARAMETER(end);
    UNREFERENCED_PARAMETER(left);
    OUTCOME(RtlStringCbVPrintfExW, "gives the end and what is left", VExCb(b, 16, &end, &left, 0, L"%d-%s", 42, L"x") == STATUS_SUCCESS && Same(b, L"42-x") && end == b + 4 && left == 8);
    OUTCOME(RtlStringCbVPrintfExW, "STRSAFE_NO_TRUNCATION leaves nothing on STATUS_BUFFER_OVERFLOW", VExCb(b, 8, &end, &left, STRSAFE_NO_TRUNCATION, L"%d-%s", 42, L"x") == STATUS_BUFFER_OVERFLOW && b[0] == 0);
    OUTCOME(RtlStringCbVPrintfExW, "STRSAFE_FILL_BEHIND_NULL fills what is behind the end", VExCb(b, 16, &end, &left, STRSAFE_FILL_BYTE(0x5a), L"%d", 42) == STATUS_SUCCESS && Same(b, L"42") && b[3] == 0x5a5a);
    OUTCOME(RtlStringCbVPrintfExW, "STATUS_INVALID_PARAMETER for unknown flags", VExCb(b, 16, &end, &left, 0x80000000, L"a") == STATUS_INVALID_PARAMETER);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("safestring");
    PutCchCopy();
    PutCchCopyEx();
    PutCchCopyN();
    PutCchCopyNEx();
    PutCchCat();
    PutCchCatEx();
    PutCchCatN();
    PutCchCatNEx();
    LengthCch();
    PrintCch();
    PrintCchEx();
    PrintCchV();
    PrintCchVEx();
    PutCbCopy();
    PutCbCopyEx();
    PutCbCopyN();
    PutCbCopyNEx();
    PutCbCat();
    PutCbCatEx();
    PutCbCatN();
    PutCbCatNEx();
    LengthCb();
    PrintCb();
    PrintCbEx();
    PrintCbV();
    PrintCbVEx();
    KtestDone();
    return STATUS_SUCCESS;
}
