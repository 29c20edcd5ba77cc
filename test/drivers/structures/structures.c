/* Macros and routines over structures, addresses and buffers. */
#include <ntddk.h>
#include "../ktest.h"

/* The routines that ntoskrnl exports; wdm.h makes macros of these names. */
#undef RtlCopyMemory
#undef RtlMoveMemory
#undef RtlFillMemory
#undef RtlZeroMemory
NTSYSAPI VOID NTAPI RtlCopyMemory(VOID *Destination, CONST VOID *Source, SIZE_T Length);
NTSYSAPI VOID NTAPI RtlMoveMemory(VOID *Destination, CONST VOID *Source, SIZE_T Length);
NTSYSAPI VOID NTAPI RtlFillMemory(VOID *Destination, SIZE_T Length, UCHAR Fill);
NTSYSAPI VOID NTAPI RtlZeroMemory(VOID *Destination, SIZE_T Length);

/* The macro of the WDK; mingw's does not compile for x64. */
#undef RtlRetrieveUshort
#define RtlRetrieveUshort(DestAddress, SrcAddress) (*(USHORT UNALIGNED *)(DestAddress) = *(USHORT UNALIGNED *)(SrcAddress))

typedef struct
{
    UCHAR First;
    ULONG64 Second;
    LIST_ENTRY Link;
} OUTER;

static VOID Structures(VOID)
{
    OUTER outer;
    volatile PVOID argument = NULL;
    OUTCOME(FIELD_OFFSET, "the offset of a field in its structure", FIELD_OFFSET(OUTER, Second) == 8 && FIELD_OFFSET(OUTER, First) == 0);
    OUTCOME(CONTAINING_RECORD, "the structure that a field is in", CONTAINING_RECORD(&outer.Link, OUTER, Link) == &outer);
    OUTCOME(ARGUMENT_PRESENT, "FALSE for NULL", !ARGUMENT_PRESENT(argument));
    argument = &outer;
    OUTCOME(ARGUMENT_PRESENT, "TRUE for a pointer", ARGUMENT_PRESENT(argument));
    OUTCOME(MmGetProcedureAddress, "the address of a routine", MmGetProcedureAddress((PVOID)Structures) == (PVOID)Structures);
}

static VOID Pages(VOID)
{
    PUCHAR address = (PUCHAR)0xFFFFF88012345678ULL;
    OUTCOME(PAGE_ALIGN, "the start of the page", PAGE_ALIGN(address) == (PVOID)0xFFFFF88012345000ULL);
    OUTCOME(PAGE_ALIGN, "an aligned address is unchanged", PAGE_ALIGN(PAGE_ALIGN(address)) == PAGE_ALIGN(address));
    OUTCOME(BYTE_OFFSET, "the offset in the page", BYTE_OFFSET(address) == 0x678);
    OUTCOME(BYTES_TO_PAGES, "pages for a number of bytes, rounded up", BYTES_TO_PAGES(1) == 1 && BYTES_TO_PAGES(PAGE_SIZE) == 1 && BYTES_TO_PAGES(PAGE_SIZE + 1) == 2);
    OUTCOME(BYTES_TO_PAGES, "none for no bytes", BYTES_TO_PAGES(0) == 0);
    OUTCOME(ROUND_TO_PAGES, "the next multiple of the page size", ROUND_TO_PAGES(1) == PAGE_SIZE && ROUND_TO_PAGES(PAGE_SIZE + 1) == 2 * PAGE_SIZE);
    OUTCOME(ROUND_TO_PAGES, "a multiple is unchanged", ROUND_TO_PAGES(2 * PAGE_SIZE) == 2 * PAGE_SIZE && ROUND_TO_PAGES(0) == 0);
    OUTCOME(ADDRESS_AND_SIZE_TO_SPAN_PAGES, "counts the pages that a range touches",
            ADDRESS_AND_SIZE_TO_SPAN_PAGES(address, PAGE_SIZE) == 2 && ADDRESS_AND_SIZE_TO_SPAN_PAGES(PAGE_ALIGN(address), PAGE_SIZE) == 1);
}

static VOID Unaligned(VOID)
{
    UCHAR bytes[16] = {0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    ULONG l = 0;
    USHORT s = 0;
    RtlRetrieveUlong(&l, bytes + 1);
    OUTCOME(RtlRetrieveUlong, "reads from an unaligned address", l == 0x44332211);
    RtlRetrieveUshort(&s, bytes + 3);
    OUTCOME(RtlRetrieveUshort, "reads from an unaligned address", s == 0x4433);
    RtlStoreUlong(bytes + 5, 0xA1B2C3D4);
    OUTCOME(RtlStoreUlong, "writes to an unaligned address", bytes[5] == 0xD4 && bytes[8] == 0xA1 && bytes[4] == 0x44);
    RtlStoreUshort(bytes + 9, 0xE5F6);
    OUTCOME(RtlStoreUshort, "writes to an unaligned address", bytes[9] == 0xF6 && bytes[10] == 0xE5 && bytes[11] == 0);
}

static BOOLEAN Ascending(PUCHAR p, ULONG n, UCHAR first)
{
    ULONG i;
    for (i = 0; i < n; i++)
        if (p[i] != (UCHAR)(first + i))
            return FALSE;
    return TRUE;
}

static VOID Buffers(VOID)
{
    static UCHAR from[256], to[300];
    KIRQL irql;
    ULONG i;
    for (i = 0; i < sizeof from; i++)
        from[i] = (UCHAR)i;
    RtlCopyMemory(to + 3, from, 256);
    OUTCOME(RtlCopyMemory, "copies the source to the destination", Ascending(to + 3, 256, 0) && to[2] == 0 && to[259] == 0);
    RtlCopyMemory(to, from + 9, 0);
    OUTCOME(RtlCopyMemory, "copies nothing for length 0", to[0] == 0);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    RtlCopyMemory(to, from + 1, 2);
    KeLowerIrql(irql);
    OUTCOME(RtlCopyMemory, "resident memory at DISPATCH_LEVEL", to[0] == 1 && to[1] == 2);
    RtlMoveMemory(from + 10, from, 100);
    OUTCOME(RtlMoveMemory, "copies upwards within overlapping memory", Ascending(from + 10, 100, 0));
    RtlMoveMemory(from, from + 10, 100);
    OUTCOME(RtlMoveMemory, "copies downwards within overlapping memory", Ascending(from, 100, 0));
    RtlMoveMemory(from, from + 50, 0);
    OUTCOME(RtlMoveMemory, "copies nothing for length 0", from[0] == 0);
    RtlFillMemory(to + 1, 17, 0xA5);
    OUTCOME(RtlFillMemory, "fills the block with the byte", to[0] == 1 && to[1] == 0xA5 && to[17] == 0xA5 && to[18] != 0xA5);
    RtlFillMemory(to, 0, 0xEE);
    OUTCOME(RtlFillMemory, "fills nothing for length 0", to[0] == 1);
    RtlZeroMemory(to + 1, 17);
    OUTCOME(RtlZeroMemory, "fills the block with zeros", to[0] == 1 && to[1] == 0 && to[17] == 0 && to[18] != 0);
    RtlZeroMemory(to + 18, 0);
    OUTCOME(RtlZeroMemory, "fills nothing for length 0", to[18] != 0);
}

static VOID Attributes(VOID)
{
    OBJECT_ATTRIBUTES oa;
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, L"\\Nowhere");
    RtlFillMemory(&oa, sizeof oa, 0xFF);
    InitializeObjectAttributes(&oa, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, (HANDLE)0x14, NULL);
    OUTCOME(InitializeObjectAttributes, "fills in the structure",
            oa.Length == sizeof oa && oa.ObjectName == &name && oa.RootDirectory == (HANDLE)0x14 && oa.SecurityDescriptor == NULL &&
                oa.SecurityQualityOfService == NULL && oa.Attributes == (OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE));
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("structures");
    Structures();
    Pages();
    Unaligned();
    Buffers();
    Attributes();
    KtestDone();
    return STATUS_SUCCESS;
}
