/* Numbers, text and times. */
#include <ntddk.h>
#include "../ktest.h"

NTSYSAPI NTSTATUS NTAPI RtlCharToInteger(const char *String, ULONG Base, PULONG Value);

static BOOLEAN Is(PCUNICODE_STRING String, PCWSTR Text)
{
    UNICODE_STRING text;
    RtlInitUnicodeString(&text, Text);
    return RtlEqualUnicodeString(String, &text, FALSE);
}
static NTSTATUS Integer(PCWSTR Text, ULONG Base, PULONG Value)
{
    UNICODE_STRING text;
    RtlInitUnicodeString(&text, Text);
    *Value = 0xdead;
    return RtlUnicodeStringToInteger(&text, Base, Value);
}
/* The value, or 0xbad when the routine fails. */
static ULONG ValueOf(PCWSTR Text, ULONG Base)
{
    ULONG value;
    return Integer(Text, Base, &value) == STATUS_SUCCESS ? value : 0xbad;
}

static VOID Numbers(VOID)
{
    WCHAR w[12];
    UNICODE_STRING u = {0, sizeof w, w};
    ULONG value;
    OUTCOME(RtlIntegerToUnicodeString, "STATUS_SUCCESS in each base",
            RtlIntegerToUnicodeString(255, 16, &u) == STATUS_SUCCESS && Is(&u, L"FF") && RtlIntegerToUnicodeString(8, 8, &u) == STATUS_SUCCESS && Is(&u, L"10") &&
                RtlIntegerToUnicodeString(5, 2, &u) == STATUS_SUCCESS && Is(&u, L"101") && RtlIntegerToUnicodeString(4000000000u, 10, &u) == STATUS_SUCCESS && Is(&u, L"4000000000"));
    OUTCOME(RtlIntegerToUnicodeString, "base 0 is ten", RtlIntegerToUnicodeString(42, 0, &u) == STATUS_SUCCESS && Is(&u, L"42"));
    u.MaximumLength = 4;
    OUTCOME(RtlIntegerToUnicodeString, "STATUS_BUFFER_OVERFLOW without room", RtlIntegerToUnicodeString(12345, 10, &u) == STATUS_BUFFER_OVERFLOW);
    OUTCOME(RtlIntegerToUnicodeString, "STATUS_INVALID_PARAMETER for another base", RtlIntegerToUnicodeString(1, 7, &u) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlUnicodeStringToInteger, "numbers in each base", ValueOf(L"123", 10) == 123 && ValueOf(L"789", 8) == 7 && ValueOf(L"FGH", 16) == 15 && ValueOf(L"101", 2) == 5);
    OUTCOME(RtlUnicodeStringToInteger, "signs", ValueOf(L"-345", 10) == (ULONG)-345 && ValueOf(L"+678abc", 10) == 678 && ValueOf(L"+678abc", 16) == 6785724);
    OUTCOME(RtlUnicodeStringToInteger, "base 0 takes 0x, 0o and 0b", ValueOf(L"0x1f", 0) == 31 && ValueOf(L"0o17", 0) == 15 && ValueOf(L"0b11", 0) == 3 && ValueOf(L"12", 0) == 12);
    OUTCOME(RtlUnicodeStringToInteger, "white space before it is skipped", ValueOf(L" \t 12", 10) == 12);
    OUTCOME(RtlUnicodeStringToInteger, "zero for what is no number", ValueOf(L"xyz", 10) == 0 && ValueOf(L" ", 10) == 0);
    OUTCOME(RtlUnicodeStringToInteger, "STATUS_INVALID_PARAMETER for another base", Integer(L"1", 3, &value) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlCharToInteger, "numbers in each base", RtlCharToInteger("ff", 16, &value) == STATUS_SUCCESS && value == 255 && RtlCharToInteger("17", 8, &value) == STATUS_SUCCESS && value == 15);
    OUTCOME(RtlCharToInteger, "signs and prefixes", RtlCharToInteger(" -5", 10, &value) == STATUS_SUCCESS && value == (ULONG)-5 && RtlCharToInteger("0x10", 0, &value) == STATUS_SUCCESS && value == 16);
    OUTCOME(RtlCharToInteger, "STATUS_INVALID_PARAMETER for another base", RtlCharToInteger("1", 5, &value) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlConvertLongToLargeInteger, "keeps the sign", RtlConvertLongToLargeInteger(-2).QuadPart == -2);
    OUTCOME(RtlConvertUlongToLargeInteger, "has no sign", RtlConvertUlongToLargeInteger(0xfffffffeu).QuadPart == 0xfffffffell);
    LONG target = 5;
    OUTCOME(InterlockedExchange, "stores the value and gives the old one", InterlockedExchange(&target, 9) == 5 && target == 9);
}

static VOID Times(VOID)
{
    /* 29 February 2024 was a Thursday. */
    TIME_FIELDS fields = {2024, 2, 29, 23, 59, 58, 123, 0}, back;
    LARGE_INTEGER time, local, again;
    OUTCOME(RtlTimeFieldsToTime, "TRUE and the time in 100 ns since 1601", RtlTimeFieldsToTime(&fields, &time) && time.QuadPart == 133537247981230000ll);
    RtlTimeToTimeFields(&time, &back);
    OUTCOME(RtlTimeToTimeFields, "year to millisecond and the day of the week",
            back.Year == 2024 && back.Month == 2 && back.Day == 29 && back.Hour == 23 && back.Minute == 59 && back.Second == 58 && back.Milliseconds == 123 && back.Weekday == 4);
    time.QuadPart = 0;
    RtlTimeToTimeFields(&time, &back);
    OUTCOME(RtlTimeToTimeFields, "zero is 1 January 1601, a Monday", back.Year == 1601 && back.Month == 1 && back.Day == 1 && back.Hour == 0 && back.Weekday == 1);
    fields.Year = 2023;
    OUTCOME(RtlTimeFieldsToTime, "FALSE for a day that is not", !RtlTimeFieldsToTime(&fields, &time));
    fields.Day = 28;
    fields.Month = 13;
    OUTCOME(RtlTimeFieldsToTime, "FALSE for a month that is not", !RtlTimeFieldsToTime(&fields, &time));
    fields.Month = 2;
    fields.Weekday = 6;
    OUTCOME(RtlTimeFieldsToTime, "the day of the week is ignored", RtlTimeFieldsToTime(&fields, &time));
    ExSystemTimeToLocalTime(&time, &local);
    OUTCOME(ExSystemTimeToLocalTime, "a whole number of quarters of an hour away", (time.QuadPart - local.QuadPart) % 9000000000ll == 0);
    ExLocalTimeToSystemTime(&local, &again);
    OUTCOME(ExLocalTimeToSystemTime, "takes it back", again.QuadPart == time.QuadPart);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("conversions");
    Numbers();
    Times();
    KtestDone();
    return STATUS_SUCCESS;
}
