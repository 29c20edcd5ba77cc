/*
 * The safe string functions of the WDK that mingw's ntstrsafe.h lacks: those for UNICODE_STRING and for strings that are not aligned.
 * All of it is code of the driver; the kernel gives what it calls (_vsnwprintf). Statuses and flags as the WDK pages of the functions have them.
 */
#ifndef UNISTRSAFE_H
#define UNISTRSAFE_H
#include <ntstrsafe.h>
#include <stdarg.h>

#define NTSTRSAFE_UNICODE_STRING_MAX_CCH (0xffff / sizeof(WCHAR))
#define UNISTR_KNOWN_FLAGS (STRSAFE_VALID_FLAGS)
#define UNISTR_ALL ((size_t)-1)
typedef UNICODE_STRING *UNISTR;
typedef const UNICODE_STRING *CUNISTR;

#define UNISTR_FUNCTION static __attribute__((unused)) NTSTATUS

UNISTR_FUNCTION RtlUnicodeStringValidateEx(CUNISTR String, ULONG Flags)
{
    if (Flags & ~STRSAFE_IGNORE_NULLS)
        return STATUS_INVALID_PARAMETER;
    if (!String)
        return Flags & STRSAFE_IGNORE_NULLS ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    if (String->Length % 2 || String->MaximumLength % 2 || String->Length > String->MaximumLength)
        return STATUS_INVALID_PARAMETER;
    return !String->Buffer && String->MaximumLength ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}
UNISTR_FUNCTION RtlUnicodeStringValidate(CUNISTR String) { return RtlUnicodeStringValidateEx(String, 0); }

/* Length of a terminated string of at most Max characters; FALSE when it does not end there. Two bytes at a time, so that alignment does not matter. */
static BOOLEAN UnistrLength(const void *Source, size_t Max, size_t *Length)
{
    const UCHAR *at = Source;
    for (*Length = 0; *Length < Max; ++*Length, at += 2)
        if (!at[0] && !at[1])
            return TRUE;
    return FALSE;
}

UNISTR_FUNCTION RtlUnicodeStringInitEx(UNISTR String, PCWSTR Source, ULONG Flags)
{
    size_t length = 0;
    if (Flags & ~STRSAFE_IGNORE_NULLS)
        return STATUS_INVALID_PARAMETER;
    if (!String)
        return Flags & STRSAFE_IGNORE_NULLS && !Source ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    String->Length = String->MaximumLength = 0;
    String->Buffer = NULL;
    if (!Source)
        return STATUS_SUCCESS;
    if (!UnistrLength(Source, NTSTRSAFE_UNICODE_STRING_MAX_CCH, &length))
        return STATUS_INVALID_PARAMETER;
    String->Length = (USHORT)(length * 2);
    String->MaximumLength = (USHORT)(length * 2 + 2);
    String->Buffer = (PWSTR)Source;
    return STATUS_SUCCESS;
}
UNISTR_FUNCTION RtlUnicodeStringInit(UNISTR String, PCWSTR Source) { return RtlUnicodeStringInitEx(String, Source, 0); }

/* What is done to the destination once the status is known. */
static NTSTATUS UnistrEnd(UNISTR Destination, NTSTATUS Status, UNISTR Remaining, ULONG Flags)
{
    if (Destination && Destination->Buffer)
    {
        UCHAR fill = (UCHAR)Flags;
        PUCHAR bytes = (PUCHAR)Destination->Buffer;
        if (NT_SUCCESS(Status))
        {
            if (Flags & STRSAFE_FILL_BEHIND_NULL)
                RtlFillMemory(bytes + Destination->Length, Destination->MaximumLength - Destination->Length, fill);
        }
        else
        {
            if (Flags & STRSAFE_FILL_ON_FAILURE)
            {
                RtlFillMemory(bytes, Destination->MaximumLength, fill);
                Destination->Length = fill ? Destination->MaximumLength : 0;
            }
            if (Flags & STRSAFE_NULL_ON_FAILURE || (Status == STATUS_BUFFER_OVERFLOW && Flags & STRSAFE_NO_TRUNCATION && !(Flags & STRSAFE_FILL_ON_FAILURE)))
                Destination->Length = 0;
        }
        if (Remaining)
        {
            Remaining->Buffer = Destination->Buffer + Destination->Length / 2;
            Remaining->Length = 0;
            Remaining->MaximumLength = Destination->MaximumLength - Destination->Length;
        }
    }
    return Status;
}

/* Copies or, with Append, concatenates. */
static NTSTATUS UnistrPut(UNISTR Destination, PCWSTR Source, size_t SourceLength, BOOLEAN Append, UNISTR Remaining, ULONG Flags)
{
    NTSTATUS status = STATUS_SUCCESS;
    size_t at, room;
    if (Flags & ~UNISTR_KNOWN_FLAGS)
        return STATUS_INVALID_PARAMETER;
    if (!Destination || !Destination->Buffer)
    {
        if (RtlUnicodeStringValidateEx(Destination, Flags & STRSAFE_IGNORE_NULLS) != STATUS_SUCCESS)
            return STATUS_INVALID_PARAMETER;
        return SourceLength ? (Destination ? STATUS_BUFFER_OVERFLOW : STATUS_INVALID_PARAMETER) : STATUS_SUCCESS;
    }
    if (RtlUnicodeStringValidate(Destination) != STATUS_SUCCESS)
        return STATUS_INVALID_PARAMETER;
    at = Append ? Destination->Length / 2 : 0;
    room = Destination->MaximumLength / 2 - at;
    if (SourceLength > room)
    {
        SourceLength = room;
        status = STATUS_BUFFER_OVERFLOW;
    }
    RtlMoveMemory(Destination->Buffer + at, Source, SourceLength * 2);
    Destination->Length = (USHORT)((at + SourceLength) * 2);
    return UnistrEnd(Destination, status, Remaining, Flags);
}

static NTSTATUS UnistrFromString(UNISTR Destination, CUNISTR Source, size_t Max, BOOLEAN Append, UNISTR Remaining, ULONG Flags)
{
    size_t length;
    if (Max != UNISTR_ALL && Max > NTSTRSAFE_UNICODE_STRING_MAX_CCH)
        return STATUS_INVALID_PARAMETER;
    if (RtlUnicodeStringValidateEx(Source, Flags & STRSAFE_IGNORE_NULLS) != STATUS_SUCCESS)
        return UnistrEnd(RtlUnicodeStringValidate(Destination) == STATUS_SUCCESS ? Destination : NULL, STATUS_INVALID_PARAMETER, NULL, Flags);
    length = Source ? Source->Length / 2 : 0;
    return UnistrPut(Destination, Source ? Source->Buffer : NULL, length < Max ? length : Max, Append, Remaining, Flags);
}
static NTSTATUS UnistrFromText(UNISTR Destination, PCWSTR Source, size_t Max, BOOLEAN Append, UNISTR Remaining, ULONG Flags)
{
    size_t length = 0;
    if ((!Source && !(Flags & STRSAFE_IGNORE_NULLS)) || (Max != UNISTR_ALL && Max > NTSTRSAFE_UNICODE_STRING_MAX_CCH))
        return UnistrEnd(RtlUnicodeStringValidate(Destination) == STATUS_SUCCESS ? Destination : NULL, STATUS_INVALID_PARAMETER, NULL, Flags);
    if (Source)
        UnistrLength(Source, Max == UNISTR_ALL ? NTSTRSAFE_UNICODE_STRING_MAX_CCH + 1 : Max, &length);
    return UnistrPut(Destination, Source, length, Append, Remaining, Flags);
}

#define UNISTR_PAIR(verb, append)                                                                                                     \
    UNISTR_FUNCTION RtlUnicodeString##verb##Ex(UNISTR d, CUNISTR s, UNISTR r, ULONG f) { return UnistrFromString(d, s, UNISTR_ALL, append, r, f); } \
    UNISTR_FUNCTION RtlUnicodeString##verb(UNISTR d, CUNISTR s) { return UnistrFromString(d, s, UNISTR_ALL, append, NULL, 0); }          \
    UNISTR_FUNCTION RtlUnicodeString##verb##StringEx(UNISTR d, PCWSTR s, UNISTR r, ULONG f) { return UnistrFromText(d, s, UNISTR_ALL, append, r, f); } \
    UNISTR_FUNCTION RtlUnicodeString##verb##String(UNISTR d, PCWSTR s) { return UnistrFromText(d, s, UNISTR_ALL, append, NULL, 0); }     \
    UNISTR_FUNCTION RtlUnicodeStringCch##verb##NEx(UNISTR d, CUNISTR s, size_t n, UNISTR r, ULONG f) { return UnistrFromString(d, s, n, append, r, f); } \
    UNISTR_FUNCTION RtlUnicodeStringCch##verb##N(UNISTR d, CUNISTR s, size_t n) { return UnistrFromString(d, s, n, append, NULL, 0); }   \
    UNISTR_FUNCTION RtlUnicodeStringCb##verb##NEx(UNISTR d, CUNISTR s, size_t n, UNISTR r, ULONG f) { return UnistrFromString(d, s, n / 2, append, r, f); } \
    UNISTR_FUNCTION RtlUnicodeStringCb##verb##N(UNISTR d, CUNISTR s, size_t n) { return UnistrFromString(d, s, n / 2, append, NULL, 0); } \
    UNISTR_FUNCTION RtlUnicodeStringCch##verb##StringNEx(UNISTR d, PCWSTR s, size_t n, UNISTR r, ULONG f) { return UnistrFromText(d, s, n, append, r, f); } \
    UNISTR_FUNCTION RtlUnicodeStringCch##verb##StringN(UNISTR d, PCWSTR s, size_t n) { return UnistrFromText(d, s, n, append, NULL, 0); } \
    UNISTR_FUNCTION RtlUnicodeStringCb##verb##StringNEx(UNISTR d, PCWSTR s, size_t n, UNISTR r, ULONG f) { return UnistrFromText(d, s, n / 2, append, r, f); } \
    UNISTR_FUNCTION RtlUnicodeStringCb##verb##StringN(UNISTR d, PCWSTR s, size_t n) { return UnistrFromText(d, s, n / 2, append, NULL, 0); }
UNISTR_PAIR(Copy, FALSE)
UNISTR_PAIR(Cat, TRUE)

int __cdecl _vsnwprintf(wchar_t *Buffer, size_t Count, const wchar_t *Format, va_list Arguments);

UNISTR_FUNCTION RtlUnicodeStringVPrintfEx(UNISTR Destination, UNISTR Remaining, ULONG Flags, PCWSTR Format, va_list Arguments)
{
    NTSTATUS status = STATUS_SUCCESS;
    size_t room;
    int length;
    if (Flags & ~UNISTR_KNOWN_FLAGS || (!Format && !(Flags & STRSAFE_IGNORE_NULLS)))
        return STATUS_INVALID_PARAMETER;
    if (RtlUnicodeStringValidateEx(Destination, Flags & STRSAFE_IGNORE_NULLS) != STATUS_SUCCESS)
        return STATUS_INVALID_PARAMETER;
    if (!Destination)
        return Format && *Format ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
    room = Destination->MaximumLength / 2;
    length = Format ? _vsnwprintf(Destination->Buffer, room, Format, Arguments) : 0;
    if (length < 0 || (size_t)length > room)
    {
        length = (int)room;
        status = STATUS_BUFFER_OVERFLOW;
    }
    Destination->Length = (USHORT)(length * 2);
    return UnistrEnd(Destination, status, Remaining, Flags);
}
UNISTR_FUNCTION RtlUnicodeStringVPrintf(UNISTR Destination, PCWSTR Format, va_list Arguments)
{
    return RtlUnicodeStringVPrintfEx(Destination, NULL, 0, Format, Arguments);
}
UNISTR_FUNCTION RtlUnicodeStringPrintfEx(UNISTR Destination, UNISTR Remaining, ULONG Flags, PCWSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    NTSTATUS status = RtlUnicodeStringVPrintfEx(Destination, Remaining, Flags, Format, arguments);
    va_end(arguments);
    return status;
}
UNISTR_FUNCTION RtlUnicodeStringPrintf(UNISTR Destination, PCWSTR Format, ...)
{
    va_list arguments;
    va_start(arguments, Format);
    NTSTATUS status = RtlUnicodeStringVPrintf(Destination, Format, arguments);
    va_end(arguments);
    return status;
}

UNISTR_FUNCTION RtlStringCchCopyUnicodeStringEx(PWSTR Destination, size_t Room, CUNISTR Source, PWSTR *End, size_t *Remaining, ULONG Flags)
{
    NTSTATUS status = STATUS_SUCCESS;
    size_t length;
    if (Room > NTSTRSAFE_MAX_CCH || RtlUnicodeStringValidateEx(Source, Flags & STRSAFE_IGNORE_NULLS) != STATUS_SUCCESS || Flags & ~STRSAFE_VALID_FLAGS)
        return STATUS_INVALID_PARAMETER;
    length = Source ? Source->Length / 2 : 0;
    if (!Destination || Room == 0)
        return Flags & STRSAFE_IGNORE_NULLS && !length && !Room ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    if (length >= Room)
    {
        length = Room - 1;
        status = STATUS_BUFFER_OVERFLOW;
    }
    if (length)
        RtlMoveMemory(Destination, Source->Buffer, length * 2);
    if (status != STATUS_SUCCESS)
    {
        if (Flags & STRSAFE_FILL_ON_FAILURE)
        {
            RtlFillMemory(Destination, Room * 2, (UCHAR)Flags);
            length = (UCHAR)Flags ? Room - 1 : 0;
        }
        if (Flags & STRSAFE_NULL_ON_FAILURE || (Flags & STRSAFE_NO_TRUNCATION && !(Flags & STRSAFE_FILL_ON_FAILURE)))
            length = 0;
    }
    else if (Flags & STRSAFE_FILL_BEHIND_NULL)
        RtlFillMemory(Destination + length + 1, (Room - length - 1) * 2, (UCHAR)Flags);
    Destination[length] = 0;
    if (End)
        *End = Destination + length;
    if (Remaining)
        *Remaining = Room - length;
    return status;
}
UNISTR_FUNCTION RtlStringCchCopyUnicodeString(PWSTR Destination, size_t Room, CUNISTR Source)
{
    return RtlStringCchCopyUnicodeStringEx(Destination, Room, Source, NULL, NULL, 0);
}
UNISTR_FUNCTION RtlStringCbCopyUnicodeStringEx(PWSTR Destination, size_t Room, CUNISTR Source, PWSTR *End, size_t *Remaining, ULONG Flags)
{
    size_t left = 0;
    NTSTATUS status = RtlStringCchCopyUnicodeStringEx(Destination, Room / 2, Source, End, &left, Flags);
    if (Remaining && status != STATUS_INVALID_PARAMETER)
        *Remaining = left * 2 + Room % 2;
    return status;
}
UNISTR_FUNCTION RtlStringCbCopyUnicodeString(PWSTR Destination, size_t Room, CUNISTR Source)
{
    return RtlStringCbCopyUnicodeStringEx(Destination, Room, Source, NULL, NULL, 0);
}

UNISTR_FUNCTION RtlUnalignedStringCchLengthW(const void *Source, size_t Max, size_t *Length)
{
    size_t length = 0;
    if (!Source || Max > NTSTRSAFE_MAX_CCH || !UnistrLength(Source, Max, &length))
    {
        if (Length)
            *Length = 0;
        return STATUS_INVALID_PARAMETER;
    }
    if (Length)
        *Length = length;
    return STATUS_SUCCESS;
}
UNISTR_FUNCTION RtlUnalignedStringCbLengthW(const void *Source, size_t Max, size_t *Length)
{
    NTSTATUS status = RtlUnalignedStringCchLengthW(Source, Max / 2, Length);
    if (Length)
        *Length *= 2;
    return status;
}

#endif
