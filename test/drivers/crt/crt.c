/* The C run-time library that ntoskrnl exports, against Microsoft's reference: strings, numbers, formatted output, the secure forms, sorting. */
#include <ntddk.h>
#include <stdarg.h>
#include "../ktest.h"

/* Declared here, because the headers of mingw declare some of them as inline functions or with other signatures. */
#pragma GCC diagnostic ignored "-Wattributes"
#define RT(type, name, arguments) type __cdecl name arguments
RT(int, sprintf_s, (char *, size_t, const char *, ...));
RT(int, swprintf_s, (wchar_t *, size_t, const wchar_t *, ...));
RT(int, vsprintf_s, (char *, size_t, const char *, va_list));
RT(int, vswprintf_s, (wchar_t *, size_t, const wchar_t *, va_list));
RT(int, _snprintf_s, (char *, size_t, size_t, const char *, ...));
RT(int, _snwprintf_s, (wchar_t *, size_t, size_t, const wchar_t *, ...));
RT(int, _vsnprintf_s, (char *, size_t, size_t, const char *, va_list));
RT(int, strcpy_s, (char *, size_t, const char *));
RT(int, wcscpy_s, (wchar_t *, size_t, const wchar_t *));
RT(int, strncpy_s, (char *, size_t, const char *, size_t));
RT(int, wcsncpy_s, (wchar_t *, size_t, const wchar_t *, size_t));
RT(int, strcat_s, (char *, size_t, const char *));
RT(int, wcscat_s, (wchar_t *, size_t, const wchar_t *));
RT(int, strncat_s, (char *, size_t, const char *, size_t));
RT(int, wcsncat_s, (wchar_t *, size_t, const wchar_t *, size_t));
RT(int, memcpy_s, (void *, size_t, const void *, size_t));
RT(int, memmove_s, (void *, size_t, const void *, size_t));
RT(int, _stricmp, (const char *, const char *));
RT(int, _strnicmp, (const char *, const char *, size_t));
RT(int, _wcsicmp, (const wchar_t *, const wchar_t *));
RT(int, _wcsnicmp, (const wchar_t *, const wchar_t *, size_t));
RT(char *, _strlwr, (char *));
RT(char *, _strupr, (char *));
RT(wchar_t *, _wcslwr, (wchar_t *));
RT(wchar_t *, _wcsupr, (wchar_t *));
RT(char *, _strrev, (char *));
RT(int, _snprintf, (char *, size_t, const char *, ...));
RT(int, _snwprintf, (wchar_t *, size_t, const wchar_t *, ...));
RT(int, _vsnprintf, (char *, size_t, const char *, va_list));
RT(int, _vsnwprintf, (wchar_t *, size_t, const wchar_t *, va_list));
RT(int, sprintf, (char *, const char *, ...));
RT(int, vsprintf, (char *, const char *, va_list));
int __cdecl SwPrintf(wchar_t *, const wchar_t *, ...) __asm__("swprintf");
RT(size_t, strlen, (const char *));
RT(size_t, wcslen, (const wchar_t *));
RT(size_t, strnlen, (const char *, size_t));
RT(size_t, wcsnlen, (const wchar_t *, size_t));
RT(int, strcmp, (const char *, const char *));
RT(int, wcscmp, (const wchar_t *, const wchar_t *));
RT(int, strncmp, (const char *, const char *, size_t));
RT(int, wcsncmp, (const wchar_t *, const wchar_t *, size_t));
RT(char *, strcpy, (char *, const char *));
RT(wchar_t *, wcscpy, (wchar_t *, const wchar_t *));
RT(char *, strncpy, (char *, const char *, size_t));
RT(wchar_t *, wcsncpy, (wchar_t *, const wchar_t *, size_t));
RT(char *, strcat, (char *, const char *));
RT(wchar_t *, wcscat, (wchar_t *, const wchar_t *));
RT(char *, strncat, (char *, const char *, size_t));
RT(wchar_t *, wcsncat, (wchar_t *, const wchar_t *, size_t));
RT(char *, strchr, (const char *, int));
RT(wchar_t *, wcschr, (const wchar_t *, wchar_t));
RT(char *, strrchr, (const char *, int));
RT(wchar_t *, wcsrchr, (const wchar_t *, wchar_t));
RT(char *, strstr, (const char *, const char *));
RT(wchar_t *, wcsstr, (const wchar_t *, const wchar_t *));
RT(size_t, strspn, (const char *, const char *));
RT(size_t, wcsspn, (const wchar_t *, const wchar_t *));
RT(void *, memchr, (const void *, int, size_t));
RT(int, memcmp, (const void *, const void *, size_t));
RT(int, tolower, (int));
RT(int, toupper, (int));
wchar_t __cdecl ToLowerWide(wchar_t) __asm__("towlower");
wchar_t __cdecl ToUpperWide(wchar_t) __asm__("towupper");
int __cdecl IsDigit(int) __asm__("isdigit");
int __cdecl IsXDigit(int) __asm__("isxdigit");
int __cdecl IsSpace(int) __asm__("isspace");
int __cdecl IsUpper(int) __asm__("isupper");
int __cdecl IsLower(int) __asm__("islower");
int __cdecl IsAlpha(int) __asm__("isalpha");
int __cdecl IsAlnum(int) __asm__("isalnum");
int __cdecl IsPrint(int) __asm__("isprint");
RT(int, atoi, (const char *));
RT(long, atol, (const char *));
RT(__int64, _atoi64, (const char *));
RT(int, _wtoi, (const wchar_t *));
RT(long, _wtol, (const wchar_t *));
RT(long, strtol, (const char *, char **, int));
RT(unsigned long, strtoul, (const char *, char **, int));
RT(unsigned long, wcstoul, (const wchar_t *, wchar_t **, int));
RT(__int64, _strtoi64, (const char *, char **, int));
RT(unsigned __int64, _strtoui64, (const char *, char **, int));
RT(char *, _itoa, (int, char *, int));
RT(wchar_t *, _itow, (int, wchar_t *, int));
RT(char *, _ultoa, (unsigned long, char *, int));
RT(char *, _i64toa, (__int64, char *, int));
RT(char *, _ui64toa, (unsigned __int64, char *, int));
RT(size_t, mbstowcs, (wchar_t *, const char *, size_t));
RT(size_t, wcstombs, (char *, const wchar_t *, size_t));
RT(int, rand, (void));
RT(void, srand, (unsigned));
RT(void, qsort, (void *, size_t, size_t, int(__cdecl *)(const void *, const void *)));
RT(void *, bsearch, (const void *, const void *, size_t, size_t, int(__cdecl *)(const void *, const void *)));

#define EINVAL 22
#define ERANGE 34
#define STRUNCATE 80
#define TRUNCATE ((size_t)-1)

static char B[64];
static wchar_t W[64];
static BOOLEAN Is(const char *s) { ULONG i = 0; while (s[i] && s[i] == B[i]) i++; return s[i] == B[i]; }
static BOOLEAN IsW(const wchar_t *s) { ULONG i = 0; while (s[i] && s[i] == W[i]) i++; return s[i] == W[i]; }
static VOID Fill(VOID) { for (ULONG i = 0; i < 64; i++) { B[i] = 'z'; W[i] = L'z'; } }

static VOID Lengths(VOID)
{
    OUTCOME(strlen, "counts the bytes before the zero", strlen("") == 0 && strlen("four") == 4);
    OUTCOME(wcslen, "counts the characters before the zero", wcslen(L"") == 0 && wcslen(L"four") == 4);
    OUTCOME(strnlen, "at most the maximum", strnlen("four", 2) == 2 && strnlen("four", 9) == 4);
    OUTCOME(wcsnlen, "at most the maximum", wcsnlen(L"four", 2) == 2 && wcsnlen(L"four", 9) == 4);
}

static VOID Comparisons(VOID)
{
    OUTCOME(strcmp, "0 for equal strings", strcmp("abc", "abc") == 0);
    OUTCOME(strcmp, "negative or positive by the first byte that differs", strcmp("abc", "abd") < 0 && strcmp("b", "abc") > 0 && strcmp("ab", "abc") < 0);
    OUTCOME(strcmp, "bytes are unsigned", strcmp("\x80", "a") > 0);
    OUTCOME(wcscmp, "0 for equal strings", wcscmp(L"abc", L"abc") == 0);
    OUTCOME(wcscmp, "negative or positive by the first character that differs", wcscmp(L"abc", L"abd") < 0 && wcscmp(L"\xff00", L"abc") > 0);
    OUTCOME(strncmp, "compares at most a number of bytes", strncmp("abcX", "abcY", 3) == 0 && strncmp("abcX", "abcY", 4) < 0 && strncmp("a", "b", 0) == 0);
    OUTCOME(wcsncmp, "compares at most a number of characters", wcsncmp(L"abcX", L"abcY", 3) == 0 && wcsncmp(L"abcX", L"abcY", 4) < 0);
    OUTCOME(_stricmp, "ignores case", _stricmp("HeLLo", "hEllO") == 0);
    OUTCOME(_stricmp, "compares as lower case", _stricmp("a_", "AB") < 0);
    OUTCOME(_strnicmp, "ignores case, at most a number of bytes", _strnicmp("HELxx", "helyy", 3) == 0 && _strnicmp("HELxx", "helyy", 4) < 0);
    OUTCOME(_wcsicmp, "ignores case", _wcsicmp(L"HeLLo", L"hEllO") == 0 && _wcsicmp(L"a", L"B") < 0);
    OUTCOME(_wcsnicmp, "ignores case, at most a number of characters", _wcsnicmp(L"HELxx", L"helyy", 3) == 0 && _wcsnicmp(L"HELxx", L"helyy", 4) < 0);
    OUTCOME(memcmp, "0 for equal blocks, else the sign of the first difference", memcmp("abc", "abd", 2) == 0 && memcmp("abc", "abd", 3) < 0 && memcmp("\xff", "a", 1) > 0);
}

static VOID Copies(VOID)
{
    Fill();
    OUTCOME(strcpy, "copies with the zero and returns the destination", strcpy(B, "text") == B && Is("text") && B[5] == 'z');
    OUTCOME(wcscpy, "copies with the zero and returns the destination", wcscpy(W, L"text") == W && IsW(L"text") && W[5] == 'z');
    OUTCOME(strcat, "appends and returns the destination", strcat(B, " more") == B && Is("text more"));
    OUTCOME(wcscat, "appends and returns the destination", wcscat(W, L" more") == W && IsW(L"text more"));
    Fill();
    OUTCOME(strncpy, "fills up with zeros", strncpy(B, "ab", 5) == B && Is("ab") && B[3] == 0 && B[4] == 0 && B[5] == 'z');
    Fill();
    OUTCOME(strncpy, "no zero when the source is as long", strncpy(B, "abcdef", 3) == B && B[2] == 'c' && B[3] == 'z');
    OUTCOME(wcsncpy, "fills up with zeros", wcsncpy(W, L"ab", 5) == W && IsW(L"ab") && W[4] == 0 && W[5] == 'z');
    Fill();
    OUTCOME(wcsncpy, "no zero when the source is as long", wcsncpy(W, L"abcdef", 3) == W && W[2] == 'c' && W[3] == 'z');
    strcpy(B, "ab");
    OUTCOME(strncat, "appends at most a number of bytes and a zero", strncat(B, "cdef", 2) == B && Is("abcd"));
    wcscpy(W, L"ab");
    OUTCOME(wcsncat, "appends at most a number of characters and a zero", wcsncat(W, L"cdef", 2) == W && IsW(L"abcd"));
}

static VOID Searches(VOID)
{
    static const char s[] = "abcabc";
    static const wchar_t w[] = L"abcabc";
    OUTCOME(strchr, "the first place of a byte", strchr(s, 'b') == s + 1);
    OUTCOME(strchr, "NULL when it is not there", strchr(s, 'x') == NULL);
    OUTCOME(strchr, "finds the zero", strchr(s, 0) == s + 6);
    OUTCOME(wcschr, "the first place of a character, NULL when it is not there", wcschr(w, 'b') == w + 1 && wcschr(w, 'x') == NULL && wcschr(w, 0) == w + 6);
    OUTCOME(strrchr, "the last place of a byte, NULL when it is not there", strrchr(s, 'b') == s + 4 && strrchr(s, 'x') == NULL);
    OUTCOME(wcsrchr, "the last place of a character, NULL when it is not there", wcsrchr(w, 'b') == w + 4 && wcsrchr(w, 'x') == NULL);
    OUTCOME(strstr, "the first place of a string, NULL when it is not there", strstr(s, "ca") == s + 2 && strstr(s, "cb") == NULL);
    OUTCOME(strstr, "an empty string is found at the start", strstr(s, "") == s);
    OUTCOME(wcsstr, "the first place of a string, NULL when it is not there", wcsstr(w, L"ca") == w + 2 && wcsstr(w, L"cb") == NULL && wcsstr(w, L"") == w);
    OUTCOME(strspn, "the length of the start that has only bytes of a set", strspn("aabbc", "ab") == 4 && strspn("xa", "a") == 0);
    OUTCOME(wcsspn, "the length of the start that has only characters of a set", wcsspn(L"aabbc", L"ab") == 4 && wcsspn(L"xa", L"a") == 0);
    OUTCOME(memchr, "the first place of a byte, NULL when it is not in the block", memchr(s, 'c', 6) == s + 2 && memchr(s, 'c', 2) == NULL);
}

static VOID Cases(VOID)
{
    strcpy(B, "MiXed1");
    OUTCOME(_strlwr, "makes lower case in place", _strlwr(B) == B && Is("mixed1"));
    OUTCOME(_strupr, "makes upper case in place", _strupr(B) == B && Is("MIXED1"));
    wcscpy(W, L"MiXed1");
    OUTCOME(_wcslwr, "makes lower case in place", _wcslwr(W) == W && IsW(L"mixed1"));
    OUTCOME(_wcsupr, "makes upper case in place", _wcsupr(W) == W && IsW(L"MIXED1"));
    OUTCOME(_strrev, "reverses in place", _strrev(B) == B && Is("1DEXIM"));
    OUTCOME(tolower, "letters only", tolower('A') == 'a' && tolower('a') == 'a' && tolower('1') == '1');
    OUTCOME(toupper, "letters only", toupper('a') == 'A' && toupper('A') == 'A' && toupper('[') == '[');
    OUTCOME(towlower, "letters only", ToLowerWide('A') == 'a' && ToLowerWide('1') == '1');
    OUTCOME(towupper, "letters only", ToUpperWide('a') == 'A' && ToUpperWide('1') == '1');
    OUTCOME(isdigit, "0 to 9", IsDigit('0') && IsDigit('9') && !IsDigit('a'));
    OUTCOME(isxdigit, "hexadecimal digits of both cases", IsXDigit('f') && IsXDigit('F') && IsXDigit('0') && !IsXDigit('g'));
    OUTCOME(isspace, "space and 9 to 13", IsSpace(' ') && IsSpace(9) && IsSpace(13) && !IsSpace('x'));
    OUTCOME(isupper, "A to Z", IsUpper('A') && !IsUpper('a'));
    OUTCOME(islower, "a to z", IsLower('a') && !IsLower('A'));
    OUTCOME(isalpha, "letters", IsAlpha('x') && IsAlpha('X') && !IsAlpha('1'));
    OUTCOME(isalnum, "letters and digits", IsAlnum('x') && IsAlnum('1') && !IsAlnum('-'));
    OUTCOME(isprint, "what can be printed", IsPrint(' ') && IsPrint('~') && !IsPrint(7));
}

static VOID Numbers(VOID)
{
    char *end;
    wchar_t *wend;
    OUTCOME(atoi, "skips spaces, takes a sign, stops at what is no digit", atoi("  -42x") == -42 && atoi("+7") == 7 && atoi("x") == 0);
    OUTCOME(atol, "a decimal number", atol("123456789") == 123456789 && atol("-1") == -1);
    OUTCOME(_atoi64, "64 bits", _atoi64("-9000000000000") == -9000000000000ll);
    OUTCOME(_wtoi, "a decimal number", _wtoi(L" -42x") == -42);
    OUTCOME(_wtol, "a decimal number", _wtol(L"123456789") == 123456789);
    OUTCOME(strtol, "says where the number ends", strtol("12ab", &end, 10) == 12 && *end == 'a');
    OUTCOME(strtol, "base 0 goes by the prefix", strtol("0x1F", &end, 0) == 31 && strtol("017", &end, 0) == 15 && strtol("17", &end, 0) == 17);
    OUTCOME(strtol, "a number that is too large is LONG_MAX or LONG_MIN", strtol("99999999999", NULL, 10) == 0x7fffffff && strtol("-99999999999", NULL, 10) == (long)0x80000000);
    OUTCOME(strtol, "no number: 0, and the end is the start", strtol("zz", &end, 10) == 0 && *end == 'z');
    OUTCOME(strtoul, "a number that is too large is ULONG_MAX", strtoul("4294967295", &end, 10) == 0xffffffff && strtoul("99999999999", NULL, 10) == 0xffffffff);
    OUTCOME(strtoul, "base 36", strtoul("zz", NULL, 36) == 35 * 36 + 35);
    OUTCOME(wcstoul, "says where the number ends", wcstoul(L"ff-", &wend, 16) == 255 && *wend == '-');
    OUTCOME(_strtoi64, "64 bits", _strtoi64("-7fffffffffffffff", NULL, 16) == -0x7fffffffffffffffll);
    OUTCOME(_strtoui64, "64 bits", _strtoui64("ffffffffffffffff", NULL, 16) == ~0ull);
    OUTCOME(_itoa, "decimal with a sign", _itoa(-123, B, 10) == B && Is("-123"));
    OUTCOME(_itoa, "other bases are unsigned", _itoa(-1, B, 16) == B && Is("ffffffff") && _itoa(5, B, 2) && Is("101"));
    OUTCOME(_itow, "decimal with a sign", _itow(-123, W, 10) == W && IsW(L"-123"));
    OUTCOME(_ultoa, "unsigned", _ultoa(4294967295u, B, 10) == B && Is("4294967295"));
    OUTCOME(_i64toa, "64 bits with a sign", _i64toa(-9000000000000ll, B, 10) == B && Is("-9000000000000"));
    OUTCOME(_ui64toa, "64 bits", _ui64toa(~0ull, B, 16) == B && Is("ffffffffffffffff"));
    srand(1);
    int a = rand(), b = rand();
    OUTCOME(rand, "0 to 7FFFh", a >= 0 && a <= 0x7fff && b >= 0 && b <= 0x7fff && a != b);
    srand(1);
    OUTCOME(srand, "the same seed gives the same numbers", rand() == a && rand() == b);
}

static int V(int (*f)(char *, size_t, const char *, va_list), char *to, size_t n, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int r = f(to, n, format, list);
    va_end(list);
    return r;
}
static int Vw(int (*f)(wchar_t *, size_t, const wchar_t *, va_list), wchar_t *to, size_t n, const wchar_t *format, ...)
{
    va_list list;
    va_start(list, format);
    int r = f(to, n, format, list);
    va_end(list);
    return r;
}
static int Plain(char *to, size_t n, const char *format, va_list list) { return vsprintf(to, format, list); }

static VOID Formats(VOID)
{
    OUTCOME(sprintf, "returns the number of characters", sprintf(B, "%d %s", -5, "x") == 4 && Is("-5 x"));
    OUTCOME(sprintf, "width, precision and flags", sprintf(B, "[%5d|%-5d|%05d|%.3s|%+d|%#x]", 42, 42, 42, "abcdef", 7, 255) && Is("[   42|42   |00042|abc|+7|0xff]"));
    OUTCOME(sprintf, "sizes: h, l, I64, ll", sprintf(B, "%hd %ld %I64d %llu", (short)-1, 5l, -9000000000000ll, ~0ull) && Is("-1 5 -9000000000000 18446744073709551615"));
    OUTCOME(sprintf, "wide strings and characters, percent", sprintf(B, "%ws %S %c %C %%", L"w", L"S", 'c', L'C') && Is("w S c C %"));
    OUTCOME(sprintf, "pointers have 16 digits", sprintf(B, "%p", (void *)0x1234) == 16 && Is("0000000000001234"));
    OUTCOME(sprintf, "a width from the arguments, octal, upper case", sprintf(B, "%*d %o %X", 4, 7, 8, 0xab) && Is("   7 10 AB"));
    OUTCOME(swprintf, "formats wide text", SwPrintf(W, L"%s %hs %d", L"wide", "narrow", 3) == 13 && IsW(L"wide narrow 3"));
    OUTCOME(vsprintf, "formats with a va_list", V(Plain, B, 0, "%d-%d", 1, 2) == 3 && Is("1-2"));
    Fill();
    OUTCOME(_snprintf, "returns the length when it fits", _snprintf(B, 8, "%d", 1234) == 4 && Is("1234"));
    Fill();
    OUTCOME(_snprintf, "no zero when it is just as long", _snprintf(B, 4, "%d", 1234) == 4 && B[3] == '4' && B[4] == 'z');
    Fill();
    OUTCOME(_snprintf, "-1 when it does not fit, the buffer is full", _snprintf(B, 3, "%d", 1234) == -1 && B[2] == '3' && B[3] == 'z');
    OUTCOME(_snwprintf, "returns the length when it fits", _snwprintf(W, 8, L"%d", 1234) == 4 && IsW(L"1234"));
    OUTCOME(_snwprintf, "-1 when it does not fit", _snwprintf(W, 3, L"%d", 1234) == -1);
    OUTCOME(_vsnprintf, "returns the length when it fits", V(_vsnprintf, B, 8, "%d", 99) == 2 && Is("99"));
    OUTCOME(_vsnprintf, "-1 when it does not fit", V(_vsnprintf, B, 1, "%d", 99) == -1);
    OUTCOME(_vsnwprintf, "returns the length when it fits", Vw(_vsnwprintf, W, 8, L"%d", 99) == 2 && IsW(L"99"));
    OUTCOME(_vsnwprintf, "-1 when it does not fit", Vw(_vsnwprintf, W, 1, L"%d", 99) == -1);
    OUTCOME(sprintf_s, "returns the length when it fits", sprintf_s(B, 8, "%d", 1234) == 4 && Is("1234"));
    OUTCOME(sprintf_s, "-1 and an empty string when it does not fit", sprintf_s(B, 4, "%d", 1234) == -1 && B[0] == 0);
    OUTCOME(swprintf_s, "returns the length when it fits", swprintf_s(W, 8, L"%d", 1234) == 4 && IsW(L"1234"));
    OUTCOME(swprintf_s, "-1 and an empty string when it does not fit", swprintf_s(W, 4, L"%d", 1234) == -1 && W[0] == 0);
    OUTCOME(vsprintf_s, "returns the length when it fits, -1 when not", V(vsprintf_s, B, 8, "%d", 99) == 2 && Is("99") && V(vsprintf_s, B, 2, "%d", 99) == -1 && B[0] == 0);
    OUTCOME(vswprintf_s, "returns the length when it fits, -1 when not", Vw(vswprintf_s, W, 8, L"%d", 99) == 2 && IsW(L"99") && Vw(vswprintf_s, W, 2, L"%d", 99) == -1);
    OUTCOME(_snprintf_s, "_TRUNCATE cuts the text and returns -1", _snprintf_s(B, 4, TRUNCATE, "%d", 12345) == -1 && Is("123"));
    OUTCOME(_snprintf_s, "writes at most a number of characters", _snprintf_s(B, 8, 2, "%d", 12345) == -1 && Is("12"));
    OUTCOME(_snwprintf_s, "_TRUNCATE cuts the text and returns -1", _snwprintf_s(W, 4, TRUNCATE, L"%d", 12345) == -1 && IsW(L"123"));
}

static VOID Secure(VOID)
{
    OUTCOME(strcpy_s, "0: copied", strcpy_s(B, 8, "text") == 0 && Is("text"));
    OUTCOME(strcpy_s, "ERANGE and an empty string when it does not fit", strcpy_s(B, 4, "text") == ERANGE && B[0] == 0);
    OUTCOME(strcpy_s, "EINVAL for a source of NULL", strcpy_s(B, 8, NULL) == EINVAL && B[0] == 0);
    OUTCOME(wcscpy_s, "0: copied", wcscpy_s(W, 8, L"text") == 0 && IsW(L"text"));
    OUTCOME(wcscpy_s, "ERANGE and an empty string when it does not fit", wcscpy_s(W, 4, L"text") == ERANGE && W[0] == 0);
    strcpy(B, "ab");
    OUTCOME(strcat_s, "0: appended", strcat_s(B, 8, "cd") == 0 && Is("abcd"));
    OUTCOME(strcat_s, "ERANGE and an empty string when it does not fit", strcat_s(B, 6, "efg") == ERANGE && B[0] == 0);
    wcscpy(W, L"ab");
    OUTCOME(wcscat_s, "0: appended", wcscat_s(W, 8, L"cd") == 0 && IsW(L"abcd"));
    OUTCOME(wcscat_s, "ERANGE and an empty string when it does not fit", wcscat_s(W, 6, L"efg") == ERANGE && W[0] == 0);
    OUTCOME(strncpy_s, "copies at most a number of characters and a zero", strncpy_s(B, 8, "abcdef", 3) == 0 && Is("abc"));
    OUTCOME(strncpy_s, "ERANGE when that does not fit", strncpy_s(B, 3, "abcdef", 3) == ERANGE && B[0] == 0);
    OUTCOME(strncpy_s, "_TRUNCATE: STRUNCATE, as much as fits", strncpy_s(B, 4, "abcdef", TRUNCATE) == STRUNCATE && Is("abc"));
    OUTCOME(wcsncpy_s, "copies at most a number of characters and a zero", wcsncpy_s(W, 8, L"abcdef", 3) == 0 && IsW(L"abc"));
    OUTCOME(wcsncpy_s, "_TRUNCATE: STRUNCATE, as much as fits", wcsncpy_s(W, 4, L"abcdef", TRUNCATE) == STRUNCATE && IsW(L"abc"));
    strcpy(B, "ab");
    OUTCOME(strncat_s, "appends at most a number of characters and a zero", strncat_s(B, 8, "cdef", 2) == 0 && Is("abcd"));
    wcscpy(W, L"ab");
    OUTCOME(wcsncat_s, "appends at most a number of characters and a zero", wcsncat_s(W, 8, L"cdef", 2) == 0 && IsW(L"abcd"));
    Fill();
    OUTCOME(memcpy_s, "0: copied", memcpy_s(B, 8, "12345678", 8) == 0 && B[7] == '8' && B[8] == 'z');
    OUTCOME(memcpy_s, "ERANGE and zeros when it does not fit", memcpy_s(B, 4, "12345678", 8) == ERANGE && B[0] == 0 && B[3] == 0 && B[4] == '5');
    OUTCOME(memcpy_s, "EINVAL for a destination of NULL", memcpy_s(NULL, 8, "x", 1) == EINVAL);
    strcpy(B, "abcdef");
    OUTCOME(memmove_s, "copies between blocks that overlap", memmove_s(B + 2, 8, B, 4) == 0 && Is("ababcd"));
    OUTCOME(memmove_s, "ERANGE when it does not fit", memmove_s(B, 2, "abc", 3) == ERANGE);
}

static VOID Wide(VOID)
{
    OUTCOME(mbstowcs, "converts and returns the length", mbstowcs(W, "abc", 8) == 3 && IsW(L"abc"));
    OUTCOME(mbstowcs, "returns the length without a destination", mbstowcs(NULL, "abcd", 0) == 4);
    OUTCOME(wcstombs, "converts and returns the length", wcstombs(B, L"abc", 8) == 3 && Is("abc"));
    OUTCOME(wcstombs, "returns the length without a destination", wcstombs(NULL, L"abcd", 0) == 4);
}

static LONG Compared;
static int __cdecl ByValue(const void *a, const void *b)
{
    Compared++;
    LONG x = *(const LONG *)a, y = *(const LONG *)b;
    return x < y ? -1 : x > y;
}
static VOID Sorting(VOID)
{
    static LONG numbers[100];
    ULONG seed = 1;
    LONG key;
    BOOLEAN sorted = TRUE;
    for (int i = 0; i < 100; i++) { seed = seed * 1103515245 + 12345; numbers[i] = (seed >> 16) % 1000; }
    qsort(numbers, 100, sizeof(LONG), ByValue);
    for (int i = 1; i < 100; i++) if (numbers[i - 1] > numbers[i]) sorted = FALSE;
    OUTCOME(qsort, "sorts by the driver's routine", sorted && Compared > 100);
    Compared = 0;
    qsort(numbers, 1, sizeof(LONG), ByValue);
    OUTCOME(qsort, "one element is in order", Compared == 0);
    key = numbers[37];
    LONG *found = bsearch(&key, numbers, 100, sizeof(LONG), ByValue);
    OUTCOME(bsearch, "finds an element that is equal", found && *found == key);
    key = -5;
    OUTCOME(bsearch, "NULL when there is none", bsearch(&key, numbers, 100, sizeof(LONG), ByValue) == NULL);
    OUTCOME(bsearch, "NULL in an empty array", bsearch(&key, numbers, 0, sizeof(LONG), ByValue) == NULL);
}

static VOID NTAPI Unload(PDRIVER_OBJECT driver) {}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    KtestBegin("crt");
    driver->DriverUnload = Unload;
    Lengths();
    Comparisons();
    Copies();
    Searches();
    Cases();
    Numbers();
    Formats();
    Secure();
    Wide();
    Sorting();
    KtestDone();
    return STATUS_SUCCESS;
}
