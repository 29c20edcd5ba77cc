/* Bitmaps: bits and ranges are set, cleared, tested, counted, and searched for. */
#include <ntddk.h>
#include "../ktest.h"

NTSYSAPI VOID NTAPI RtlClearBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber);
NTSYSAPI VOID NTAPI RtlSetBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber);
NTSYSAPI BOOLEAN NTAPI RtlTestBit(PRTL_BITMAP BitMapHeader, ULONG BitNumber);

#define BITS 100
#define NOT_FOUND 0xFFFFFFFF
/* The words around the bitmap's must never change. */
static ULONG Words[6];
static RTL_BITMAP Map;

static BOOLEAN Are(ULONG a, ULONG b, ULONG c, ULONG d)
{
    return Words[0] == 0xdeadbeef && Words[1] == a && Words[2] == b && Words[3] == c && (Words[4] & 0xf) == d && Words[5] == 0xdeadbeef;
}

static VOID Changing(VOID)
{
    Words[0] = Words[5] = 0xdeadbeef;
    RtlInitializeBitMap(&Map, Words + 1, BITS);
    CHECK(Map.SizeOfBitMap == BITS && Map.Buffer == Words + 1);
    CHECK(Words[0] == 0xdeadbeef && Words[1] == 0);
    RtlSetAllBits(&Map);
    OUTCOME(RtlSetAllBits, "all bits are set, and none beyond the bitmap's words", Are(~0u, ~0u, ~0u, 0xf));
    RtlClearAllBits(&Map);
    OUTCOME(RtlClearAllBits, "all bits are clear, and none beyond the bitmap's words", Are(0, 0, 0, 0));
    RtlSetBits(&Map, 28, 40);
    OUTCOME(RtlSetBits, "sets the bits of a range across words", Are(0xf0000000, ~0u, 0xf, 0));
    RtlSetBits(&Map, 5, 0);
    OUTCOME(RtlSetBits, "changes nothing for a range of none", Are(0xf0000000, ~0u, 0xf, 0));
    RtlClearBits(&Map, 31, 34);
    OUTCOME(RtlClearBits, "clears the bits of a range across words", Are(0x70000000, 0, 0xe, 0));
    RtlClearBits(&Map, 28, 0);
    OUTCOME(RtlClearBits, "changes nothing for a range of none", Are(0x70000000, 0, 0xe, 0));
    RtlSetBit(&Map, 99);
    OUTCOME(RtlSetBit, "sets the bit alone", Are(0x70000000, 0, 0xe, 8));
    OUTCOME(RtlTestBit, "the bit that is set", RtlTestBit(&Map, 99) == 1 && RtlTestBit(&Map, 28) == 1);
    OUTCOME(RtlTestBit, "the bit that is clear", RtlTestBit(&Map, 98) == 0 && RtlTestBit(&Map, 31) == 0);
    RtlClearBit(&Map, 29);
    OUTCOME(RtlClearBit, "clears the bit alone", Are(0x50000000, 0, 0xe, 8));
}

static VOID Testing(VOID)
{
    RtlClearAllBits(&Map);
    RtlSetBits(&Map, 30, 10);
    OUTCOME(RtlAreBitsSet, "TRUE when all bits of the range are set", RtlAreBitsSet(&Map, 30, 10) && RtlAreBitsSet(&Map, 31, 2));
    OUTCOME(RtlAreBitsSet, "FALSE when one is clear", !RtlAreBitsSet(&Map, 29, 2) && !RtlAreBitsSet(&Map, 30, 11));
    OUTCOME(RtlAreBitsSet, "FALSE for a length of zero", !RtlAreBitsSet(&Map, 30, 0));
    RtlSetBits(&Map, 90, 10);
    OUTCOME(RtlAreBitsSet, "FALSE for a range that leaves the bitmap", RtlAreBitsSet(&Map, 90, 10) && !RtlAreBitsSet(&Map, 90, 11) && !RtlAreBitsSet(&Map, 200, 1));
    OUTCOME(RtlAreBitsClear, "TRUE when all bits of the range are clear", RtlAreBitsClear(&Map, 0, 30) && RtlAreBitsClear(&Map, 40, 50));
    OUTCOME(RtlAreBitsClear, "FALSE when one is set", !RtlAreBitsClear(&Map, 0, 31) && !RtlAreBitsClear(&Map, 39, 5));
    OUTCOME(RtlAreBitsClear, "FALSE for a length of zero", !RtlAreBitsClear(&Map, 0, 0));
    RtlClearBits(&Map, 90, 10);
    OUTCOME(RtlAreBitsClear, "FALSE for a range that leaves the bitmap", RtlAreBitsClear(&Map, 90, 10) && !RtlAreBitsClear(&Map, 90, 11) && !RtlAreBitsClear(&Map, 200, 1));
    OUTCOME(RtlNumberOfSetBits, "how many bits are set", RtlNumberOfSetBits(&Map) == 10);
    OUTCOME(RtlNumberOfClearBits, "how many bits are clear", RtlNumberOfClearBits(&Map) == 90);
    Words[4] |= 0xfffffff0;
    OUTCOME(RtlNumberOfSetBits, "bits behind the bitmap's end do not count", RtlNumberOfSetBits(&Map) == 10);
    OUTCOME(RtlNumberOfClearBits, "bits behind the bitmap's end do not count", RtlNumberOfClearBits(&Map) == 90);
}

/* Clear: 0-29, 40-59, 70-99. Set: 30-39, 60-69. */
static VOID Finding(VOID)
{
    ULONG at = 0;
    RtlClearAllBits(&Map);
    RtlSetBits(&Map, 30, 10);
    RtlSetBits(&Map, 60, 10);
    OUTCOME(RtlFindClearBits, "the first range from the hint on", RtlFindClearBits(&Map, 20, 0) == 0 && RtlFindClearBits(&Map, 20, 35) == 40 && RtlFindClearBits(&Map, 25, 35) == 70);
    OUTCOME(RtlFindClearBits, "goes on at the start when there is none behind the hint", RtlFindClearBits(&Map, 30, 75) == 0);
    OUTCOME(RtlFindClearBits, "0xFFFFFFFF when there is no such range", RtlFindClearBits(&Map, 31, 0) == NOT_FOUND && RtlFindClearBits(&Map, 101, 0) == NOT_FOUND);
    OUTCOME(RtlFindSetBits, "the first range from the hint on", RtlFindSetBits(&Map, 10, 0) == 30 && RtlFindSetBits(&Map, 5, 40) == 60);
    OUTCOME(RtlFindSetBits, "goes on at the start when there is none behind the hint", RtlFindSetBits(&Map, 10, 61) == 30);
    OUTCOME(RtlFindSetBits, "0xFFFFFFFF when there is no such range", RtlFindSetBits(&Map, 11, 0) == NOT_FOUND);
    OUTCOME(RtlFindNextForwardRunClear, "length and start of the run at or behind the index", RtlFindNextForwardRunClear(&Map, 32, &at) == 20 && at == 40);
    OUTCOME(RtlFindNextForwardRunClear, "the rest of a run that the index is in", RtlFindNextForwardRunClear(&Map, 50, &at) == 10 && at == 50);
    OUTCOME(RtlFindFirstRunClear, "length and start of the first run", RtlFindFirstRunClear(&Map, &at) == 30 && at == 0);
    RtlSetBits(&Map, 0, 2);
    OUTCOME(RtlFindLongestRunClear, "length and start of the longest run", RtlFindLongestRunClear(&Map, &at) == 30 && at == 70);
    RtlClearBits(&Map, 0, 2);

    OUTCOME(RtlFindClearBitsAndSet, "the range from the hint on, whose bits are set", RtlFindClearBitsAndSet(&Map, 15, 35) == 40 && RtlAreBitsSet(&Map, 30, 25) && RtlAreBitsClear(&Map, 55, 5));
    OUTCOME(RtlFindClearBitsAndSet, "goes on at the start when there is none behind the hint", RtlFindClearBitsAndSet(&Map, 30, 80) == 0 && RtlAreBitsSet(&Map, 0, 55));
    ULONG set = RtlNumberOfSetBits(&Map);
    OUTCOME(RtlFindClearBitsAndSet, "0xFFFFFFFF when there is no such range, and nothing is set", RtlFindClearBitsAndSet(&Map, 31, 0) == NOT_FOUND && RtlNumberOfSetBits(&Map) == set);
    OUTCOME(RtlFindSetBitsAndClear, "the range from the hint on, whose bits are clear then", RtlFindSetBitsAndClear(&Map, 10, 56) == 60 && RtlAreBitsClear(&Map, 55, 45));
    OUTCOME(RtlFindSetBitsAndClear, "goes on at the start when there is none behind the hint", RtlFindSetBitsAndClear(&Map, 50, 20) == 0 && RtlNumberOfSetBits(&Map) == 5);
    OUTCOME(RtlFindSetBitsAndClear, "0xFFFFFFFF when there is no such range, and nothing is cleared", RtlFindSetBitsAndClear(&Map, 6, 0) == NOT_FOUND && RtlNumberOfSetBits(&Map) == 5);

    RtlSetAllBits(&Map);
    RtlClearBit(&Map, 77);
    OUTCOME(RtlFindFirstRunClear, "a run of a single bit", RtlFindFirstRunClear(&Map, &at) == 1 && at == 77);
    OUTCOME(RtlFindLongestRunClear, "a run of a single bit", RtlFindLongestRunClear(&Map, &at) == 1 && at == 77);
    OUTCOME(RtlFindNextForwardRunClear, "zero when no clear bit follows", RtlFindNextForwardRunClear(&Map, 78, &at) == 0);
    RtlSetBit(&Map, 77);
    OUTCOME(RtlFindFirstRunClear, "zero when no bit is clear", RtlFindFirstRunClear(&Map, &at) == 0);
    OUTCOME(RtlFindLongestRunClear, "zero when no bit is clear", RtlFindLongestRunClear(&Map, &at) == 0);
}

static VOID InNumbers(VOID)
{
    volatile ULONGLONG none = 0, lowest = 1, some = 0x0000500000000000ULL, highest = 0x8000000000000000ULL;
    OUTCOME(RtlFindMostSignificantBit, "the position of the highest bit", RtlFindMostSignificantBit(some) == 46 && RtlFindMostSignificantBit(lowest) == 0 && RtlFindMostSignificantBit(highest) == 63);
    OUTCOME(RtlFindMostSignificantBit, "-1 when every bit is zero", RtlFindMostSignificantBit(none) == -1);
    OUTCOME(RtlFindLeastSignificantBit, "the position of the lowest bit", RtlFindLeastSignificantBit(some) == 44 && RtlFindLeastSignificantBit(lowest) == 0 && RtlFindLeastSignificantBit(highest) == 63);
    OUTCOME(RtlFindLeastSignificantBit, "-1 when every bit is zero", RtlFindLeastSignificantBit(none) == -1);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("bitmaps");
    Changing();
    Testing();
    Finding();
    InNumbers();
    KtestDone();
    return STATUS_SUCCESS;
}
