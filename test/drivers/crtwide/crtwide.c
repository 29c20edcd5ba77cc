/* C runtime routines for wide text and 64-bit numbers that ntoskrnl exports. */
#include <ntddk.h>
#include <stdarg.h>
#include "../ktest.h"

wchar_t *__cdecl KWcsrev(wchar_t *String) __asm__("_wcsrev");
int __cdecl KVswprintf(wchar_t *Buffer, const wchar_t *Format, va_list List) __asm__("vswprintf");
int __cdecl KOldVswprintf(wchar_t *Buffer, const wchar_t *Format, va_list List) __asm__("_vswprintf");
int __cdecl KVsnprintfS(char *Buffer, size_t Size, size_t Count, const char *Format, va_list List) __asm__("_vsnprintf_s");
int __cdecl KVsnwprintfS(wchar_t *Buffer, size_t Size, size_t Count, const wchar_t *Format, va_list List) __asm__("_vsnwprintf_s");
LONGLONG __cdecl KWtoi64(const wchar_t *Text) __asm__("_wtoi64");
LONG __cdecl KWcstol(const wchar_t *Text, wchar_t **End, int Base) __asm__("wcstol");
LONGLONG __cdecl KWcstoi64(const wchar_t *Text, wchar_t **End, int Base) __asm__("_wcstoi64");
ULONGLONG __cdecl KWcstoui64(const wchar_t *Text, wchar_t **End, int Base) __asm__("_wcstoui64");
wchar_t *__cdecl KUltow(ULONG Value, wchar_t *Buffer, int Radix) __asm__("_ultow");
wchar_t *__cdecl KI64tow(LONGLONG Value, wchar_t *Buffer, int Radix) __asm__("_i64tow");
wchar_t *__cdecl KUi64tow(ULONGLONG Value, wchar_t *Buffer, int Radix) __asm__("_ui64tow");
int __cdecl KAbs(int Value) __asm__("abs");

static BOOLEAN Same(const wchar_t *A, const wchar_t *B)
{
    while (*A && *A == *B)
        A++, B++;
    return *A == *B;
}

static BOOLEAN SameText(const char *A, const char *B)
{
    while (*A && *A == *B)
        A++, B++;
    return *A == *B;
}

static int Wide(int(__cdecl *Print)(wchar_t *, const wchar_t *, va_list), wchar_t *Buffer, const wchar_t *Format, ...)
{
    va_list list;
    va_start(list, Format);
    int n = Print(Buffer, Format, list);
    va_end(list);
    return n;
}

static int Safe(char *Buffer, size_t Size, size_t Count, const char *Format, ...)
{
    va_list list;
    va_start(list, Format);
    int n = KVsnprintfS(Buffer, Size, Count, Format, list);
    va_end(list);
    return n;
}

static int SafeWide(wchar_t *Buffer, size_t Size, size_t Count, const wchar_t *Format, ...)
{
    va_list list;
    va_start(list, Format);
    int n = KVsnwprintfS(Buffer, Size, Count, Format, list);
    va_end(list);
    return n;
}

static VOID Formatting(VOID)
{
    wchar_t w[16], reversed[] = L"abcd";
    char c[16];
    OUTCOME(_wcsrev, "reverses the string in place", KWcsrev(reversed) == reversed && Same(reversed, L"dcba"));
    OUTCOME(vswprintf, "the characters that were written, without the zero", Wide(KVswprintf, w, L"%d-%ls", 42, L"xy") == 5 && Same(w, L"42-xy"));
    OUTCOME(_vswprintf, "the characters that were written, without the zero", Wide(KOldVswprintf, w, L"%x", 0xbeef) == 4 && Same(w, L"beef"));
    OUTCOME(_vsnprintf_s, "the characters that were written, without the zero", Safe(c, sizeof c, sizeof c - 1, "%d%s", 7, "up") == 3 && SameText(c, "7up"));
    OUTCOME(_vsnprintf_s, "-1 when more than the count is there, as much is written, with a zero", Safe(c, sizeof c, 3, "%s", "abcdef") == -1 && SameText(c, "abc"));
    OUTCOME(_vsnprintf_s, "_TRUNCATE: -1, what fits with a zero", Safe(c, 4, (size_t)-1, "%s", "abcdef") == -1 && SameText(c, "abc"));
    OUTCOME(_vsnwprintf_s, "the characters that were written, without the zero", SafeWide(w, 16, 15, L"%u!", 12u) == 3 && Same(w, L"12!"));
    OUTCOME(_vsnwprintf_s, "-1 when more than the count is there, as much is written, with a zero", SafeWide(w, 16, 2, L"%ls", L"abcdef") == -1 && Same(w, L"ab"));
    OUTCOME(_vsnwprintf_s, "_TRUNCATE: -1, what fits with a zero", SafeWide(w, 4, (size_t)-1, L"%ls", L"abcdef") == -1 && Same(w, L"abc"));
}

static VOID Numbers(VOID)
{
    wchar_t *end, text[70];
    static const wchar_t mixed[] = L"  -12z";
    OUTCOME(_wtoi64, "the number, with blanks and a sign before it", KWtoi64(L" \t-1234567890123x") == -1234567890123LL && KWtoi64(L"+5") == 5);
    OUTCOME(_wtoi64, "0 when there is none", KWtoi64(L"x5") == 0);
    OUTCOME(wcstol, "the number, and where it ends", KWcstol(mixed, &end, 10) == -12 && end == mixed + 5);
    OUTCOME(wcstol, "base 0 takes the base of the prefix", KWcstol(L"0x1f", NULL, 0) == 31 && KWcstol(L"017", NULL, 0) == 15 && KWcstol(L"19", NULL, 0) == 19);
    OUTCOME(wcstol, "LONG_MAX or LONG_MIN when the number is out of range", KWcstol(L"99999999999", NULL, 10) == 0x7fffffff && KWcstol(L"-99999999999", NULL, 10) == (LONG)0x80000000);
    OUTCOME(wcstol, "0 and the start of the text when there is no number", KWcstol(L"zz", &end, 10) == 0 && Same(end, L"zz"));
    OUTCOME(_wcstoi64, "the number, and where it ends", KWcstoi64(L"-7fffffffff q", &end, 16) == -0x7fffffffffLL && Same(end, L" q"));
    OUTCOME(_wcstoi64, "the limits when the number is out of range", KWcstoi64(L"9223372036854775808", NULL, 10) == 0x7fffffffffffffffLL && KWcstoi64(L"-9223372036854775809", NULL, 10) == (LONGLONG)0x8000000000000000ULL);
    OUTCOME(_wcstoui64, "the number, and where it ends", KWcstoui64(L"18446744073709551615,", &end, 10) == ~0ULL && *end == L',');
    OUTCOME(_wcstoui64, "the limit when the number is out of range", KWcstoui64(L"18446744073709551616", NULL, 10) == ~0ULL);
    OUTCOME(_ultow, "the text of the number in the base", KUltow(0xfffffffe, text, 10) == text && Same(text, L"4294967294") && Same(KUltow(255, text, 16), L"ff"));
    OUTCOME(_i64tow, "the text of the number, with a sign in base 10", KI64tow(-42, text, 10) == text && Same(text, L"-42") && Same(KI64tow(-1, text, 16), L"ffffffffffffffff"));
    OUTCOME(_ui64tow, "the text of the number in the base", KUi64tow(~0ULL, text, 10) == text && Same(text, L"18446744073709551615") && Same(KUi64tow(5, text, 2), L"101"));
    volatile int minus = -5, plus = 6;
    OUTCOME(abs, "the absolute value", KAbs(minus) == 5 && KAbs(plus) == 6);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("crtwide");
    Formatting();
    Numbers();
    KtestDone();
    return STATUS_SUCCESS;
}
