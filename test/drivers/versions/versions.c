/* Which system this is, and conditions on it; system times in seconds; random numbers; bytes swapped and compared. */
#include <ntifs.h>
#include "../ktest.h"

BOOLEAN NTAPI NtDdiAvailable(ULONG Version) __asm__("RtlIsNtDdiVersionAvailable");
BOOLEAN NTAPI NtServicePack(ULONG Version) __asm__("RtlIsServicePackVersionInstalled");
NTSYSAPI ULONG NTAPI RtlUniform(PULONG Seed);
ULONG NtSwapLong(ULONG Source) __asm__("RtlUlongByteSwap");
USHORT NtSwapShort(USHORT Source) __asm__("RtlUshortByteSwap");
ULONG NTAPI RtlGetSuiteMask(VOID);
VOID NTAPI NtPrefetch(PVOID Source, SIZE_T Length) __asm__("RtlPrefetchMemoryNonTemporal");
VOID NTAPI NtCopyNonTemporal(VOID UNALIGNED *Destination, CONST VOID UNALIGNED *Source, SIZE_T Length) __asm__("RtlCopyMemoryNonTemporal");

static ULONGLONG Condition(ULONGLONG Mask, ULONG Type, UCHAR How)
{
    for (ULONG bit = 0; bit < 8; bit++)
        if (Type & (1 << bit))
            Mask |= (ULONGLONG)How << (bit * 3);
    return Mask;
}

static NTSTATUS Verify(RTL_OSVERSIONINFOEXW *Wanted, ULONG Types, UCHAR How)
{
    return RtlVerifyVersionInfo(Wanted, Types, Condition(0, Types, How));
}

static VOID Versions(VOID)
{
    RTL_OSVERSIONINFOEXW v;
    RtlZeroMemory(&v, sizeof v);
    v.dwMajorVersion = 10;
    v.dwBuildNumber = 19045;
    v.dwPlatformId = VER_PLATFORM_WIN32_NT;
    v.wProductType = VER_NT_WORKSTATION;
    OUTCOME(RtlVerifyVersionInfo, "STATUS_SUCCESS when all that is asked for is equal", Verify(&v, VER_MAJORVERSION | VER_MINORVERSION | VER_BUILDNUMBER | VER_PLATFORMID | VER_PRODUCT_TYPE | VER_SERVICEPACKMAJOR | VER_SERVICEPACKMINOR, VER_EQUAL) == STATUS_SUCCESS);
    v.dwBuildNumber = 19044;
    OUTCOME(RtlVerifyVersionInfo, "STATUS_REVISION_MISMATCH when something is not", Verify(&v, VER_MAJORVERSION | VER_BUILDNUMBER, VER_EQUAL) == STATUS_REVISION_MISMATCH);
    OUTCOME(RtlVerifyVersionInfo, "members that are not asked for do not count", Verify(&v, VER_MAJORVERSION, VER_EQUAL) == STATUS_SUCCESS);
    OUTCOME(RtlVerifyVersionInfo, "VER_GREATER and VER_GREATER_EQUAL", Verify(&v, VER_BUILDNUMBER, VER_GREATER) == STATUS_SUCCESS && Verify(&v, VER_BUILDNUMBER, VER_GREATER_EQUAL) == STATUS_SUCCESS && Verify(&v, VER_MAJORVERSION, VER_GREATER) == STATUS_REVISION_MISMATCH && Verify(&v, VER_MAJORVERSION, VER_GREATER_EQUAL) == STATUS_SUCCESS);
    v.dwBuildNumber = 30000;
    OUTCOME(RtlVerifyVersionInfo, "VER_LESS and VER_LESS_EQUAL", Verify(&v, VER_BUILDNUMBER, VER_LESS) == STATUS_SUCCESS && Verify(&v, VER_BUILDNUMBER, VER_LESS_EQUAL) == STATUS_SUCCESS && Verify(&v, VER_MAJORVERSION, VER_LESS) == STATUS_REVISION_MISMATCH && Verify(&v, VER_MAJORVERSION, VER_LESS_EQUAL) == STATUS_SUCCESS);
    v.dwMajorVersion = 6;
    v.dwMinorVersion = 3;
    v.wServicePackMajor = 1;
    OUTCOME(RtlVerifyVersionInfo, "a greater major version ends the comparison of minor version and service pack", Verify(&v, VER_MAJORVERSION | VER_MINORVERSION | VER_SERVICEPACKMAJOR, VER_GREATER_EQUAL) == STATUS_SUCCESS);
    v.dwMajorVersion = 10;
    v.dwMinorVersion = 0;
    OUTCOME(RtlVerifyVersionInfo, "equal ones leave it to the service pack", Verify(&v, VER_MAJORVERSION | VER_MINORVERSION | VER_SERVICEPACKMAJOR, VER_GREATER_EQUAL) == STATUS_REVISION_MISMATCH);
    v.wSuiteMask = VER_SUITE_TERMINAL | VER_SUITE_SINGLEUSERTS;
    BOOLEAN both = Verify(&v, VER_SUITENAME, VER_AND) == STATUS_SUCCESS;
    v.wSuiteMask = VER_SUITE_TERMINAL | VER_SUITE_BLADE;
    OUTCOME(RtlVerifyVersionInfo, "VER_AND wants all suites, VER_OR one of them", both && Verify(&v, VER_SUITENAME, VER_AND) == STATUS_REVISION_MISMATCH && Verify(&v, VER_SUITENAME, VER_OR) == STATUS_SUCCESS);
    OUTCOME(RtlVerifyVersionInfo, "STATUS_INVALID_PARAMETER when nothing is asked for or no condition is given", RtlVerifyVersionInfo(&v, 0, Condition(0, 2, 1)) == STATUS_INVALID_PARAMETER && RtlVerifyVersionInfo(&v, VER_MAJORVERSION, 0) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlIsNtDdiVersionAvailable, "TRUE for this version and earlier ones", NtDdiAvailable(0x0A000000) && NtDdiAvailable(0x06030000) && NtDdiAvailable(0x05000000));
    OUTCOME(RtlIsNtDdiVersionAvailable, "FALSE for later ones", !NtDdiAvailable(0x0B000000) && !NtDdiAvailable(0x0A010000));
    OUTCOME(RtlIsServicePackVersionInstalled, "TRUE for the service pack that is installed", NtServicePack(0x0A000000));
    OUTCOME(RtlIsServicePackVersionInstalled, "FALSE for a later one", !NtServicePack(0x0A000100));
    OUTCOME(RtlIsServicePackVersionInstalled, "FALSE for another major version", !NtServicePack(0x06010100) && !NtServicePack(0x06030000));
    OUTCOME(RtlGetSuiteMask, "the suites of the system, as in the shared page", RtlGetSuiteMask() == 0x110 && *(ULONG *)0xFFFFF780000002D0ULL == 0x110);
}

static VOID Times(VOID)
{
    LARGE_INTEGER t;
    ULONG s = 7;
    t.QuadPart = 116444736000000000LL + 10000000LL * 1000000000 + 9999999;
    OUTCOME(RtlTimeToSecondsSince1970, "TRUE, the seconds", RtlTimeToSecondsSince1970(&t, &s) && s == 1000000000);
    t.QuadPart = 116444736000000000LL - 1;
    BOOLEAN early = RtlTimeToSecondsSince1970(&t, &s);
    t.QuadPart = 116444736000000000LL + 10000000LL * 0x100000000LL;
    OUTCOME(RtlTimeToSecondsSince1970, "FALSE for times before 1970 and after 2106", !early && !RtlTimeToSecondsSince1970(&t, &s));
    RtlSecondsSince1970ToTime(0xFFFFFFFF, &t);
    OUTCOME(RtlSecondsSince1970ToTime, "the system time", t.QuadPart == 116444736000000000LL + 10000000LL * 0xFFFFFFFFLL);
    t.QuadPart = 119600064000000000LL + 10000000LL * 86400;
    OUTCOME(RtlTimeToSecondsSince1980, "TRUE, the seconds", RtlTimeToSecondsSince1980(&t, &s) && s == 86400);
    t.QuadPart = 119600064000000000LL - 1;
    early = RtlTimeToSecondsSince1980(&t, &s);
    t.QuadPart = 119600064000000000LL + 10000000LL * 0x100000000LL;
    OUTCOME(RtlTimeToSecondsSince1980, "FALSE for times before 1980 and after 2116", !early && !RtlTimeToSecondsSince1980(&t, &s));
    RtlSecondsSince1980ToTime(5, &t);
    OUTCOME(RtlSecondsSince1980ToTime, "the system time", t.QuadPart == 119600064000000000LL + 50000000);
}

/* x -> (x * 7FFFFFEDh + 7FFFFFC3h) mod 7FFFFFFFh, as documented for ntdll's RtlUniform. */
static VOID Randoms(VOID)
{
    ULONG seed = 1, again = 1, first = RtlUniform(&seed);
    OUTCOME(RtlUniform, "the next number of the generator, which is the new seed", first == (0x7FFFFFEDULL + 0x7FFFFFC3) % 0x7FFFFFFF && seed == first);
    RtlUniform(&seed);
    OUTCOME(RtlUniform, "the same seed gives the same numbers", RtlUniform(&again) == first && RtlUniform(&again) == seed);
}

static VOID Bytes(VOID)
{
    volatile ULONG l = 0x12345678;
    volatile USHORT s = 0x1234;
    ULONG words[5] = {7, 7, 7, 8, 7};
    UCHAR from[40], to[40] = {0};
    for (ULONG i = 0; i < sizeof from; i++)
        from[i] = (UCHAR)i + 1;
    OUTCOME(RtlUlongByteSwap, "the bytes in the other order", NtSwapLong(l) == 0x78563412);
    OUTCOME(RtlUshortByteSwap, "the bytes in the other order", NtSwapShort(s) == 0x3412);
    OUTCOME(RtlCompareMemoryUlong, "the length when all is equal", RtlCompareMemoryUlong(words, 12, 7) == 12);
    OUTCOME(RtlCompareMemoryUlong, "the bytes before the first that differs", RtlCompareMemoryUlong(words, 20, 7) == 12 && RtlCompareMemoryUlong(words, 20, 9) == 0);
    OUTCOME(RtlCompareMemoryUlong, "zero for an address or length that is no multiple of four", RtlCompareMemoryUlong((PUCHAR)words + 1, 8, 7) == 0 && RtlCompareMemoryUlong(words, 10, 7) == 0);
    NtPrefetch(from, sizeof from);
    OUTCOME(RtlPrefetchMemoryNonTemporal, "a hint: memory stays as it is", from[0] == 1 && from[39] == 40);
    NtCopyNonTemporal(to + 1, from, 37);
    OUTCOME(RtlCopyMemoryNonTemporal, "copies the bytes", to[0] == 0 && to[38] == 0 && RtlCompareMemory(to + 1, from, 37) == 37);
    NtCopyNonTemporal(to, from + 10, 3);
    OUTCOME(RtlCopyMemoryNonTemporal, "fewer than 8 bytes too", to[0] == 11 && to[2] == 13 && to[3] == 3);
    OUTCOME(RtlGetEnabledExtendedFeatures, "all features that are enabled for -1: x87, SSE, AVX", RtlGetEnabledExtendedFeatures(~0ULL) == 7);
    OUTCOME(RtlGetEnabledExtendedFeatures, "the intersection of the mask and the enabled features", RtlGetEnabledExtendedFeatures(0x104) == 4 && RtlGetEnabledExtendedFeatures(0x100) == 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("versions");
    Versions();
    Times();
    Randoms();
    Bytes();
    KtestDone();
    return STATUS_SUCCESS;
}
